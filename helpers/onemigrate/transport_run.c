/* SPDX-License-Identifier: Apache-2.0 */
/* The way of sending while it runs: what it takes, and that the destination keeps up. */
#include "om_log.h"
#include "session.h"

#include <math.h>
#include <string.h>

#define HOLD_MOST_MS 5000
#define HOLD_WORTH_MS 25.0
#define HOLD_LIMIT_MS 1 /* with 0 QEMU would not count the dirty pages before it stops the guest */
#define PACE_ABOVE_MS 80.0
#define PACE_BELOW_MS 30.0
#define PACE_MORE 1.4
#define PACE_MOST_MIBPS 1500.0
#define TAKE_IN_NS 4.0 /* a byte of memory that is new and that this host has to get by itself */
#define PACE_PART 0.9  /* of what the destination takes in, so that the rest goes down */

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

	s->look.flags = attempt->flags &
			(OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL | OM_FLAG_ZEROCOPY | OM_FLAG_TLS);
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
		om_str_copy(s->state.transport, sizeof(s->state.transport), s->plan.transport.text);
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

void om_transport_unpace(struct om_session *s)
{
	set_pace(s, 0);
}
