/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen of files and disks on their way, before memory moves. Allocates nothing. */
#include "storage.h"

#include <stdarg.h>
#include <stdio.h>

#define RATE_MS 1000
#define SYNC_LIBVIRT 8000000 /* has synchronous writes */

static uint64_t expected_memory(const struct om_session *s)
{
	uint64_t all = s->dom.memory_kib * 1024, populated = s->facts.populated_bytes;

	return populated && populated < all ? populated : all;
}

/* Of the last second at least. */
static void measure_rate(struct om_storage *st, uint64_t done_bytes)
{
	uint64_t now_ms = om_now_ms(), ms = now_ms - st->rate_at_ms;

	if (st->rate_at_ms && done_bytes >= st->rate_from_bytes && ms < RATE_MS)
		return;
	if (st->rate_at_ms && done_bytes >= st->rate_from_bytes)
		st->rate_bytes_ps = (done_bytes - st->rate_from_bytes) * 1000 / ms;
	st->rate_at_ms = now_ms;
	st->rate_from_bytes = done_bytes;
}

void om_storage_progress(struct om_session *s, bool disks, uint64_t done_bytes, uint64_t left_bytes,
			 uint64_t total_bytes)
{
	struct om_storage *st = s->storage;
	struct om_state_storage state = { .disks = disks, .memory_bytes = expected_memory(s) };

	measure_rate(st, done_bytes);
	state.rate_bytes_ps = st->rate_bytes_ps;
	state.files_total_bytes = disks ? st->files_bytes : total_bytes;
	state.files_remaining_bytes = disks ? 0 : left_bytes;
	state.disk_total_bytes = disks ? total_bytes : s->plan.disks.mirror_bytes;
	state.disk_remaining_bytes = disks ? left_bytes : s->plan.disks.mirror_bytes;
	pthread_mutex_lock(&s->lock);
	om_state_take_storage(&s->state, &state);
	pthread_mutex_unlock(&s->lock);
}

static struct om_action say(enum om_action_kind kind, const char *fmt, ...) OM_PRINTF(2, 3);
static struct om_action say(enum om_action_kind kind, const char *fmt, ...)
{
	struct om_action action = { .kind = kind, .tell = true };
	va_list args;

	va_start(args, fmt);
	vsnprintf(action.why, sizeof(action.why), fmt, args);
	va_end(args);
	return action;
}

static bool is_late(const struct om_session *s, uint64_t now_ms)
{
	const struct om_limits *limits = &s->watch.limits;

	return limits->deadline_ms && now_ms >= limits->deadline_ms &&
	       limits->policy != OM_POLICY_GUARANTEED && limits->policy != OM_POLICY_STOCK;
}

/* Once, where it may cost the guest something, both libvirt have it, and a deadline leaves time for a second copy. */
static bool may_begin_with_sync_writes(const struct om_session *s, uint64_t now_ms, double again_ms)
{
	const struct om_versions *v = &s->facts.versions;
	const struct om_limits *limits = &s->watch.limits;

	return !(s->requests.flags & OM_FLAG_SYNC_WRITES) && om_policy_may_harm(limits->policy) &&
	       v->src_libvirt >= SYNC_LIBVIRT && v->dst_libvirt >= SYNC_LIBVIRT &&
	       (!limits->deadline_ms || (double)now_ms + again_ms < (double)limits->deadline_ms ||
		limits->policy == OM_POLICY_GUARANTEED);
}

static struct om_action tell_pace(enum om_action_kind kind, const struct om_copy_pace *pace)
{
	const double mib = 1u << 20;
	bool goes_on = kind == OM_ACTION_SAY;

	return say(kind,
		   "the disks do not get in sync%s: the guest writes %.0f MiB/s to them, %.0f "
		   "MiB/s are copied%s",
		   goes_on ? " and the copy goes on" : "", pace->written_bytes_ps / mib,
		   pace->copied_bytes_ps / mib,
		   goes_on ? "; it needs a faster way or a guest that writes less" : "");
}

static struct om_action judge(struct om_session *s, const struct om_sample *sample)
{
	struct om_storage *st = s->storage;
	struct om_copy_sample mirrors = { .now_ms = sample->now_ms,
					  .begun_ms = s->disks_begun_ms,
					  .total_bytes = sample->disk_total_bytes,
					  .left_bytes = sample->disk_remaining_bytes };
	struct om_copy_pace pace;

	if (!om_copy_restart_pays(&st->mirrors, &mirrors, &pace))
		return (struct om_action){ .kind = OM_ACTION_NONE };
	/* Asked for again, should it be refused. */
	if (may_begin_with_sync_writes(s, sample->now_ms, pace.again_ms))
		return tell_pace(OM_ACTION_SYNC_WRITES, &pace);
	if (st->told_need)
		return (struct om_action){ .kind = OM_ACTION_NONE };
	st->told_need = true;
	return tell_pace(OM_ACTION_SAY, &pace);
}

struct om_action om_storage_watch(struct om_session *s, const struct om_sample *sample)
{
	if (!om_storage_is_ours(s) || !sample->disk_total_bytes)
		return (struct om_action){ .kind = OM_ACTION_NONE };
	if (!s->disks_begun_ms) { /* of this attempt */
		s->disks_begun_ms = sample->now_ms;
		s->storage->mirrors = (struct om_copy_watch){ 0 };
	}
	om_storage_progress(s, true, sample->disk_processed_bytes, sample->disk_remaining_bytes,
			    sample->disk_total_bytes);
	if (is_late(s, sample->now_ms))
		return say(OM_ACTION_ABORT,
			   "ended at the deadline; the disks were not in sync, %llu MiB had yet to "
			   "be copied",
			   (unsigned long long)sample->disk_remaining_bytes >> 20);
	return judge(s, sample);
}

uint64_t om_storage_memory_bytes_ps(const struct om_session *s)
{
	const struct om_storage *st = s->storage;
	uint64_t limit = s->plan.limits.bandwidth_bytes_ps;

	/* Another one was asked for since. */
	if (!om_storage_is_ours(s) || limit != st->limit_bytes_ps)
		return limit;
	return s->plan.disks.memory_mibps << 20;
}

void om_storage_tick(struct om_session *s)
{
	uint64_t until_ms = s->send_until_ms;

	if (s->stop || (until_ms && om_now_ms() >= until_ms))
		s->send_stop = 1;
}
