/* SPDX-License-Identifier: Apache-2.0 */
/* What run/move*.c asks of the outside, answered by libvirt and the file system. */
#include "move.h"

#include "om_log.h"
#include "om_tm_host.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSLOG_EVERY_MS 60000
#define RATE_MS 5000 /* over which the rate is taken, at least */

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return om_now_ms();
}

void om_mover_sleep(void *ctx, uint32_t ms)
{
	struct om_session *s = ((struct om_mover_session *)ctx)->s;
	struct pollfd stop = { .fd = s->stop ? -1 : s->stop_fd, .events = POLLIN };

	om_requests_work(s, true);
	poll(&stop, 1, (int)ms);
}

static bool stop_requested(void *ctx)
{
	return ((struct om_mover_session *)ctx)->s->stop;
}

static uint64_t deadline_ms(void *ctx)
{
	return ((struct om_mover_session *)ctx)->s->plan.limits.deadline_ms;
}

static uint64_t limit_bps(void *ctx)
{
	return ((struct om_mover_session *)ctx)->s->plan.limits.bandwidth_bytes_ps;
}

static void log_line(void *ctx, enum om_log_level level, const char *text)
{
	(void)ctx;
	om_log(level, "%s", text);
}

static void set_phase(void *ctx, const char *what)
{
	struct om_mover_session *ms = ctx;
	struct om_session *s = ms->s;

	if (strcmp(what, "copies") == 0)
		ms->copy_begun_ms = om_now_ms();
	pthread_mutex_lock(&s->lock);
	s->state.phase = OM_PHASE_COPY;
	s->phase_since_ms = om_now_ms();
	pthread_mutex_unlock(&s->lock);
	om_log_syslog("datastore move: %s", what);
}

/* ---- progress ---- */

static void publish(struct om_mover_session *ms, uint64_t done, uint64_t total)
{
	uint64_t took_ms = om_now_ms() - ms->copy_begun_ms;
	uint64_t rate = took_ms ? done * 1000 / took_ms : 0, left = total - done;
	struct om_state *state = &ms->s->state;
	uint32_t percent = total ? (uint32_t)((double)done * 100 / (double)total) : 99;

	pthread_mutex_lock(&ms->s->lock);
	state->disk_total_bytes = total;
	state->disk_remaining_bytes = left;
	state->rate_bytes_ps = rate;
	if (percent > state->percent)
		state->percent = percent < 99 ? percent : 99;
	state->forecast = rate && took_ms >= RATE_MS;
	state->eta_ms = rate ? left * 1000 / rate : 0;
	state->eta_low_ms = state->eta_high_ms = state->eta_ms;
	pthread_mutex_unlock(&ms->s->lock);
	if (om_now_ms() < ms->next_syslog_ms)
		return;
	ms->next_syslog_ms = om_now_ms() + SYSLOG_EVERY_MS;
	om_log_syslog("%u %%, %llu MiB remaining, %llu MiB/s", percent,
		      (unsigned long long)left >> 20, (unsigned long long)rate >> 20);
}

static void progress(void *ctx, const struct om_move_seen *seen)
{
	struct om_mover_session *ms = ctx;
	uint64_t done = 0, total = 0;

	for (size_t i = 0; i < ms->move.disk_count; i++) {
		const struct om_move_disk *d = &ms->move.disks[i];

		if (d->way != OM_MOVE_COPY)
			continue;
		if (seen[i].job && seen[i].end) {
			total += seen[i].end;
			done += seen[i].cur < seen[i].end ? seen[i].cur : seen[i].end;
		} else {
			total += d->copy_bytes;
			done += seen[i].where == OM_MOVE_NEW ? d->copy_bytes : 0;
		}
	}
	publish(ms, done, total);
}

static bool touch(void *ctx, struct om_err *err)
{
	return om_session_touch(((struct om_mover_session *)ctx)->s, err);
}

/* ---- libvirt ---- */

static bool same_file(const char *a, const char *b)
{
	struct om_identity x, y;

	if (strcmp(a, b) == 0)
		return true;
	return om_move_identity(a, &x) && om_move_identity(b, &y) && x.device == y.device &&
	       x.inode == y.inode;
}

static void look_at(struct om_mover_session *ms, const struct om_move_disk *d,
		    const struct om_move_xml_disk *xml, struct om_move_seen *seen)
{
	bool is_new = *xml->source && same_file(xml->source, d->to);
	bool is_old = !is_new && *xml->source && same_file(xml->source, d->from);

	*seen = (struct om_move_seen){ .where = is_new	 ? OM_MOVE_NEW
						: is_old ? OM_MOVE_OLD
							 : OM_MOVE_AWAY };
	if (!xml->job)
		return;
	seen->job = *xml->mirror && same_file(xml->mirror, is_new ? d->from : d->to);
	seen->foreign = !seen->job;
	seen->ready = seen->job && xml->ready;
	if (seen->job)
		om_vir_copy_progress(ms->s->vir, d->target, &seen->cur, &seen->end);
}

static void look_at_all(struct om_mover_session *ms, const struct om_move_xml_disk *xml,
			size_t count, struct om_move_seen *seen)
{
	for (size_t i = 0; i < ms->move.disk_count; i++) {
		seen[i] = (struct om_move_seen){ .where = OM_MOVE_AWAY };
		if (ms->move.disks[i].way == OM_MOVE_STAYS)
			continue;
		for (size_t k = 0; k < count; k++)
			if (strcmp(xml[k].target, ms->move.disks[i].target) == 0)
				look_at(ms, &ms->move.disks[i], &xml[k], &seen[i]);
	}
}

/* A connection that was lost is opened again: libvirt's daemon may have been restarted. */
static enum om_move_domain look(void *ctx, struct om_move_seen *seen)
{
	struct om_mover_session *ms = ctx;
	struct om_move_xml_disk *xml_disks;
	OM_AUTOFREE char *xml = NULL;
	struct om_err err = { 0 };
	enum om_move_domain domain;
	size_t count;

	if (om_vir_events(ms->s->vir)->lost[OM_VIR_SRC] &&
	    !om_vir_open(ms->s->vir, OM_VIR_SRC, &err))
		return OM_MOVE_SILENT;
	domain = om_vir_move_xml(ms->s->vir, &xml);
	if (domain != OM_MOVE_ACTIVE)
		return domain;
	if (!om_xml_move_disks(xml, &xml_disks, &count, &err))
		return OM_MOVE_SILENT;
	look_at_all(ms, xml_disks, count, seen);
	om_move_xml_disks_free(xml_disks, count);
	return OM_MOVE_ACTIVE;
}

static bool start(void *ctx, size_t disk, bool back, bool sync, uint64_t bps, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_move_disk *d = &ms->move.disks[disk];
	const struct om_vir_copy copy = { .target = d->target,
					  .to = back ? d->from : d->to,
					  .format = d->format,
					  .shallow = d->shallow,
					  .sync = sync,
					  .persistent = ms->facts.persistent,
					  .bps = bps };

	return om_vir_copy_start(ms->s->vir, &copy, err);
}

static bool set_speed(void *ctx, size_t disk, uint64_t bps, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return om_vir_copy_speed(ms->s->vir, ms->move.disks[disk].target, bps, err);
}

static bool abort_copy(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return om_vir_copy_abort(ms->s->vir, ms->move.disks[disk].target, err);
}

static bool pivot(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return om_vir_copy_pivot(ms->s->vir, ms->move.disks[disk].target, err);
}

static bool media(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_move_disk *d = &ms->move.disks[disk];
	OM_AUTOFREE char *xml = NULL, *device = NULL;

	if (om_vir_move_xml(ms->s->vir, &xml) != OM_MOVE_ACTIVE)
		return om_err_set(err, OM_E_SOURCE, "the domain could not be read");
	return om_xml_move_media(xml, d->target, d->to, &device, err) &&
	       om_vir_media(ms->s->vir, device, err);
}

static bool metadata(void *ctx, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	OM_AUTOFREE char *element = NULL, *changed = NULL;

	return om_vir_metadata_get(ms->s->vir, &element, err) &&
	       om_xml_move_metadata(element, ms->dst_dir, &changed, err) &&
	       om_vir_metadata_set(ms->s->vir, changed, err);
}

static void moved(void *ctx)
{
	(void)ctx;
	om_log_syslog("datastore move: all disks are on the destination");
}

void om_mover_ops(struct om_mover_session *ms, struct om_move_ops *ops)
{
	*ops = (struct om_move_ops){
		.ctx = ms,
		.now_ms = now_ms,
		.sleep_ms = om_mover_sleep,
		.stop_requested = stop_requested,
		.deadline_ms = deadline_ms,
		.limit_bps = limit_bps,
		.log = log_line,
		.phase = set_phase,
		.progress = progress,
		.touch = touch,
		.look = look,
		.start = start,
		.speed = set_speed,
		.abort = abort_copy,
		.pivot = pivot,
		.media = media,
		.metadata = metadata,
		.moved = moved,
	};
	om_mover_making_ops(ops);
}
