/* SPDX-License-Identifier: Apache-2.0 */
/* What the choice of the way of sending is made from, as far as it is not known by other questions. */
#include "om_host_cpu.h"
#include "om_log.h"
#include "om_refused.h"
#include "session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEEK_MS 100	   /* in all */
#define HEADERS 0.94	   /* of a link's speed, less what frames and packets take */
#define LEAST_BYTES 4000000 /* a shorter copy says nothing of its link */
#define HOLD_MOST_MS 5000
#define HOLD_WORTH_MS 25.0
#define PACE_ABOVE_MS 80.0
#define PACE_BELOW_MS 30.0
#define PACE_MORE 1.4
#define PACE_MOST_MIBPS 1500.0
#define TAKE_IN_NS 4.0 /* a byte of memory that is new and that this host has to get by itself */
#define PACE_PART 0.9 /* of what the destination takes in, so that the rest goes down */
#define HOLD_LIMIT_MS 1 /* with 0 QEMU would not count the dirty pages before it stops the guest */
#define COMPRESSION_NONE 1 /* of the setting's choices */
#define SEEN_FRESH_MS (30 * 86400 * UINT64_C(1000))

void om_transport_begin(struct om_session *s)
{
	om_host_mark_take(&s->look.mark);
	s->look.net_before = om_host_net_read();
	s->look.net_ms = om_now_ms();
}

/* ---- the guest's memory ---- */

/* Only where something may come of it, and the machine's map of memory is known. */
static bool is_worth_a_look(const struct om_session *s)
{
	const unsigned int own = OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL | OM_FLAG_ZEROCOPY |
				 OM_FLAG_TUNNELLED | OM_FLAG_RDMA_PIN_ALL;

	return !(s->opts.flags & own) && s->dom.arch && strcmp(s->dom.arch, "x86_64") == 0 &&
	       om_knob_number(&s->knobs, OM_KNOB_MIGRATE_COMPRESSION) != COMPRESSION_NONE;
}

static void *peek(void *arg)
{
	struct om_session *s = arg;
	uint64_t begun_ms = om_now_ms();

	om_vir_peek(s->vir, s->dom.memory_kib * 1024, PEEK_MS, &s->look.sampled);
	om_log(OM_LOG_DEBUG, "memory: %llu KiB read in %llu ms, %llu KiB zero, the rest is %u permille",
	       (unsigned long long)s->look.sampled.bytes >> 10,
	       (unsigned long long)(om_now_ms() - begun_ms),
	       (unsigned long long)s->look.sampled.zero_bytes >> 10,
	       om_sampled_permille(&s->look.sampled));
	return NULL;
}

void om_transport_peek(struct om_session *s)
{
	if (s->look.peeking || s->look.sampled.bytes || !s->vir || !is_worth_a_look(s))
		return;
	s->look.peeking = pthread_create(&s->look.thread, NULL, peek, s) == 0;
}

void om_transport_peeked(struct om_session *s)
{
	if (s->look.peeking)
		pthread_join(s->look.thread, NULL);
	s->look.peeking = false;
}

/* ---- what was reached before ---- */

struct seen {
	const struct om_session *s;
	char addr[OM_ADDR_TEXT];
	uint64_t now_ms;
	uint64_t plain_ms, plain_ps; /* the newest copy without compression */
	uint64_t packed_ps;	     /* the fastest with it that came later */
	uint64_t guest_ms;	     /* the newest of this guest */
	struct om_transport_facts *facts;
};

/* What an earlier migration of this guest, to whatever host, tells of it; the newest one counts. */
static void see_guest(const struct om_state *record, struct seen *seen)
{
	struct om_transport_facts *f = seen->facts;

	if (record->phase != OM_PHASE_DONE || record->updated_epoch_ms < seen->guest_ms ||
	    strcmp(record->uuid, om_vir_uuid(seen->s->vir)) != 0)
		return;
	seen->guest_ms = record->updated_epoch_ms;
	f->hot_bytes = record->hot_bytes;
	f->dirty_bytes_ps = record->dirty_bytes_ps;
	f->xbzrle_failed = strstr(record->transport, "xbzrle") &&
			   record->downtime_ms > record->downtime_max_ms;
}

static void see(const struct om_state *record, void *ctx)
{
	struct seen *seen = ctx;
	uint64_t rate = om_history_rate(record);

	see_guest(record, seen);

	if (record->phase != OM_PHASE_DONE || !rate || record->sent_bytes < LEAST_BYTES ||
	    record->bandwidth_bytes_ps || strcmp(record->dst, seen->s->args.dst) != 0 ||
	    strcmp(record->path_addr, seen->addr) != 0 ||
	    record->updated_epoch_ms + SEEN_FRESH_MS < seen->now_ms)
		return;
	if (record->packed_permille) {
		if (record->sent_bytes >= 4 * LEAST_BYTES && rate > seen->packed_ps)
			seen->packed_ps = rate;
	} else if (record->sent_bytes >= 4 * LEAST_BYTES &&
		   record->updated_epoch_ms > seen->plain_ms) {
		seen->plain_ms = record->updated_epoch_ms;
		seen->plain_ps = rate;
	}
}

static void look_back(struct om_session *s, struct om_transport_facts *f)
{
	struct seen seen = { .s = s, .now_ms = om_epoch_ms(), .facts = f };

	if (s->facts.fast.have_addr)
		om_addr_print(&s->facts.fast.addr, seen.addr);
	om_history_each(see, &seen);
	f->seen_packed = seen.packed_ps > seen.plain_ps;
	f->seen_bytes_ps = f->seen_packed ? seen.packed_ps : seen.plain_ps;
}

/* ---- the link ---- */

static bool find_route(struct om_session *s, struct om_route *route)
{
	struct om_addr addr;
	struct om_err ignored;

	if (s->facts.fast.routed && s->facts.fast.answer != OM_ANSWER_NO) {
		*route = s->facts.fast.route;
		s->look.addr = s->facts.fast.addr;
		return true;
	}
	if (!s->host.available || !s->host.resolve(s->host.ctx, s->args.dst, &addr, &ignored) ||
	    !s->host.route(s->host.ctx, &addr, route, &ignored))
		return false;
	s->look.addr = addr;
	return true;
}

static void look_at_link(struct om_session *s, struct om_transport_facts *f)
{
	uint64_t ms = om_now_ms() - s->look.net_ms, before, after;
	OM_AUTOFREE char *now = NULL;
	struct om_route route = { 0 };

	if (!find_route(s, &route))
		return;
	f->link_bytes_ps = (uint64_t)(route.speed_mbit * 1e6 / 8 * HEADERS);
	if (s->args.local || !s->look.net_before || ms < OM_HOST_MARK_LEAST_MS)
		return;
	now = om_host_net_read();
	before = om_host_net_sent(s->look.net_before, route.ifname);
	after = om_host_net_sent(now, route.ifname);
	if (before && after > before)
		f->busy_bytes_ps = (after - before) * 1000 / ms;
}

/* ---- all of it ---- */

static void take_tls(const struct om_session *s, struct om_transport_facts *f)
{
	const struct om_survey *src = &s->checkup.src, *dst = &s->checkup.dst;

	if (src->tls_client == OM_ANSWER_NO || dst->tls_server == OM_ANSWER_NO) {
		bool here = src->tls_client == OM_ANSWER_NO;

		f->tls = OM_TLS_MISSING;
		snprintf(f->tls_why, sizeof(f->tls_why), "no certificates on %.60s: %.110s",
			 here ? s->args.src : s->args.dst, here ? src->tls_why : dst->tls_why);
	} else if (src->tls_client == OM_ANSWER_YES && dst->tls_server == OM_ANSWER_YES) {
		f->tls = OM_TLS_READY;
	}
}

void om_transport_gather(struct om_session *s)
{
	struct om_transport_facts *f = &s->facts.transport;
	const struct om_survey *src = &s->checkup.src, *dst = &s->checkup.dst;

	if (!s->look.sampled.bytes) /* asked by hand, or by a name that had to be looked for */
		om_transport_peek(s);
	om_transport_peeked(s);
	f->memory_bytes = s->facts.populated_bytes ? s->facts.populated_bytes
						   : s->dom.memory_kib * 1024;
	f->sampled = s->look.sampled;
	if (!s->args.local)
		(void)om_host_free_since(&s->look.mark, &f->src.cpus, &f->src.free_permille);
	else if (src->known)
		f->src = (struct om_transport_cpu){ src->cpus, src->cpu_free_permille };
	if (dst->known)
		f->dst = (struct om_transport_cpu){ dst->cpus, dst->cpu_free_permille };
	f->lockable_bytes = s->args.local ? src->optmem_bytes : om_host_optmem_bytes();
	look_at_link(s, f);
	look_back(s, f);
	take_tls(s, f);
	f->refused = om_refused_read(s->args.dst, &s->facts.versions, om_epoch_ms());
	free(s->look.net_before);
	s->look.net_before = NULL;
}

/* ---- while it runs ---- */

bool om_transport_packs(const struct om_session *s)
{
	return s->look.flags & OM_FLAG_COMPRESSED;
}

static void set_pace(struct om_session *s, uint64_t mibps)
{
	struct om_err ignored;

	if (mibps == s->look.paced_mibps)
		return;
	if (om_vir_set_bandwidth(s->vir, mibps ? mibps : s->look.own_mibps, false, &ignored))
		s->look.paced_mibps = mibps;
}

/* What the destination is known to take in for certain, until there is more to go by. */
static uint64_t first_pace_mibps(const struct om_session *s)
{
	const struct om_transport_facts *f = &s->facts.transport;
	double cpus = fmax(0.2, f->dst.cpus * f->dst.free_permille / 1000.0);
	double ps = fmin(cpus, s->plan.transport.connections) * 1e9 / TAKE_IN_NS;

	return (uint64_t)(ps * om_sampled_permille(&f->sampled) / 1000 / (1 << 20)) + 1;
}

void om_transport_attempt(struct om_session *s, const struct om_attempt *attempt)
{
	const unsigned int ours = s->plan.transport.flags;

	s->look.flags = attempt->flags & (OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL | OM_FLAG_ZEROCOPY |
					  OM_FLAG_TLS);
	s->look.backlog = (struct om_backlog){ .known = false };
	s->look.last_ms = s->look.last_taken = s->look.paced_mibps = 0;
	s->look.taken_ps = s->look.backlog_ms = 0;
	s->look.own_mibps = om_vir_bandwidth_mibps(s->vir);
	if (om_transport_packs(s) && s->watch.limits.policy != OM_POLICY_STOCK &&
	    s->look.addr.family_bits && s->look.own_mibps && !s->requests.bandwidth_set)
		set_pace(s, first_pace_mibps(s));
	s->look.holds = false;
	s->look.hold_until_ms = 0;
	s->look.src_cpu_ms = 0;
	s->look.src_cpu_before_ms = om_vir_cpu_ms(s->vir, OM_VIR_MON);
	pthread_mutex_lock(&s->lock);
	if (!s->look.flags)
		*s->state.transport = '\0';
	else if ((attempt->flags & ours) == ours)
		om_str_copy(s->state.transport, sizeof(s->state.transport),
			    s->plan.transport.text);
	else
		om_str_copy(s->state.transport, sizeof(s->state.transport),
			    attempt->flags & OM_FLAG_TLS ? "TLS" : "without TLS");
	pthread_mutex_unlock(&s->lock);
}

static void take_cpu(struct om_session *s)
{
	uint64_t ms = om_vir_cpu_ms(s->vir, OM_VIR_MON);

	if (ms > s->look.src_cpu_before_ms)
		s->look.src_cpu_ms = ms - s->look.src_cpu_before_ms;
}

/* How long the destination still takes for what it has not taken in, at its speed of late. */
static void look_at_backlog(struct om_session *s, const struct om_sample *sample)
{
	struct om_transport_look *look = &s->look;
	const struct om_survey *dst = &s->checkup.dst;
	uint16_t min = dst->range_max ? (uint16_t)dst->range_min : OM_PORT_MIN;
	uint16_t max = dst->range_max ? (uint16_t)dst->range_max : OM_PORT_MAX;
	uint64_t taken, ms = sample->now_ms - look->last_ms;

	om_backlog_read(&look->backlog, &look->addr, min, max);
	taken = sample->processed_bytes > look->backlog.bytes
			? sample->processed_bytes - look->backlog.bytes
			: 0;
	if (look->last_ms && taken > look->last_taken && ms >= 20) {
		double now_ps = (double)(taken - look->last_taken) * 1000 / (double)ms;

		look->taken_ps = look->taken_ps > 0 ? (look->taken_ps + now_ps) / 2 : now_ps;
	}
	look->backlog_ms = !look->backlog.known || look->taken_ps <= 0
				   ? 0
				   : (double)look->backlog.bytes * 1000 / look->taken_ps;
	if (!look->last_ms || ms >= 20) {
		look->last_ms = sample->now_ms;
		look->last_taken = taken;
	}
}

/*
 * Compressed memory piles up before a destination that cannot unpack it as fast, and the guest would
 * stand still until all is unpacked. So the source sends as fast as that and no faster, which takes no
 * longer. Not where an operator has set the bandwidth meanwhile.
 */
static void judge_pace(struct om_session *s)
{
	const struct om_transport_look *look = &s->look;
	double pace = (double)look->paced_mibps, taken = look->taken_ps / (1 << 20);

	if (!look->own_mibps || s->requests.bandwidth_set || s->requests.bandwidth_again)
		return;
	if (look->backlog_ms > PACE_ABOVE_MS)
		set_pace(s, (uint64_t)fmax(1, taken * PACE_PART));
	else if (look->backlog_ms < PACE_BELOW_MS && pace > 0)
		set_pace(s, pace > PACE_MOST_MIBPS ? 0 : (uint64_t)(pace * PACE_MORE) + 1);
}

/*
 * A few MiB in the queues between the hosts are many where they are compressed, and the guest would
 * stand still until the destination has unpacked them. That takes its time anyway: until then the
 * guest may as well run.
 */
static void judge_hold(struct om_session *s, const struct om_sample *sample)
{
	struct om_err ignored;
	bool held = s->look.holds;

	look_at_backlog(s, sample);
	if (!sample->stopped && !sample->postcopy && s->look.addr.family_bits)
		judge_pace(s);
	if (!s->look.hold_until_ms && sample->iteration > 1)
		s->look.hold_until_ms = sample->now_ms + HOLD_MOST_MS;
	s->look.holds = s->watch.limits.policy != OM_POLICY_STOCK && s->look.addr.family_bits &&
			!s->stop && !sample->stopped && !sample->postcopy && !sample->paused &&
			(sample->iteration <= 1 || (sample->now_ms < s->look.hold_until_ms &&
						    s->look.backlog_ms > HOLD_WORTH_MS));
	if (sample->iteration > 1 && !s->look.holds)
		s->look.hold_until_ms = 1; /* never again */
	om_log(OM_LOG_DEBUG, "under way: %llu KiB, %.0f ms, pace %llu MiB/s%s",
	       (unsigned long long)s->look.backlog.bytes >> 10, s->look.backlog_ms,
	       (unsigned long long)s->look.paced_mibps,
	       !s->look.backlog.known ? ", not known"
	       : s->look.holds	      ? "; the switch-over waits for it"
				      : "");
	if (held != s->look.holds && s->watch.limit_ms)
		(void)!om_vir_set_downtime(s->vir, om_transport_limit_ms(s, s->watch.limit_ms),
					   &ignored);
}

void om_transport_sample(struct om_session *s, const struct om_sample *sample)
{
	if (!*s->state.transport)
		return;
	s->state.guest_bytes = sample->guest_bytes;
	take_cpu(s);
	if (om_transport_packs(s))
		judge_hold(s, sample);
}

bool om_transport_holds(const struct om_session *s)
{
	return s->look.holds;
}

/*
 * QEMU holds memory against the bandwidth of the wire: where it is compressed, as much more memory goes
 * by within the limit. What comes last may be compressed less than what came before, and the guest must
 * not stand still for longer than it may even then.
 */
uint32_t om_transport_limit_ms(const struct om_session *s, uint32_t limit_ms)
{
	const struct om_watch *w = &s->watch;
	double wire = w->model.wire_fast, memory = om_model_bandwidth(&w->model), ms = limit_ms;
	uint32_t most = w->reach == OM_REACH_HARD ? w->limits.pause_max_ms
						  : w->limits.downtime_max_ms;

	if (s->look.holds)
		return HOLD_LIMIT_MS;
	if (!om_transport_packs(s) || wire <= 0 || memory <= wire)
		return limit_ms;
	ms *= memory / wire;
	return ms < most ? (uint32_t)ms : most > limit_ms ? most : limit_ms;
}

void om_transport_refused(struct om_session *s, const struct om_attempt *attempt,
			  const struct om_attempt_end *end)
{
	uint32_t refused = 0;

	for (size_t i = 0; i < s->plan.attempt_count; i++)
		if (&s->plan.attempts[i] == attempt)
			refused = om_plan_refused(&s->plan, i, end);
	if (!end->ok)
		set_pace(s, 0); /* libvirt would keep it for the domain */
	if (refused)
		om_refused_add(s->args.dst, &s->facts.versions, refused, om_epoch_ms());
}
