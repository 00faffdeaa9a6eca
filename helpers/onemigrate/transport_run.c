/* SPDX-License-Identifier: Apache-2.0 */
/* The way of sending while it runs: what it takes, and what it makes of a downtime limit. */
#include "om_log.h"
#include "om_refused.h"
#include "session.h"

#include <string.h>

bool om_transport_packs(const struct om_session *s)
{
	return s->look.flags & OM_FLAG_COMPRESSED;
}

#define COUNTED_FROM UINT64_C(8001000)

bool om_transport_counts(const struct om_session *s)
{
	return om_transport_packs(s) &&
	       (!(s->look.flags & OM_FLAG_PARALLEL) || s->facts.versions.src_qemu >= COUNTED_FROM);
}

void om_transport_attempt(struct om_session *s, const struct om_attempt *attempt)
{
	struct om_transport left;

	om_transport_left(&left, &s->plan.transport, attempt->flags);
	s->look.flags = attempt->flags &
			(OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL | OM_FLAG_ZEROCOPY | OM_FLAG_TLS);
	s->look.src_cpu_ms = 0;
	s->look.src_cpu_before_ms = om_vir_cpu_ms(s->vir, OM_VIR_MON);
	pthread_mutex_lock(&s->lock);
	if (!s->look.flags && !s->plan.transport.by_options)
		*s->state.transport = '\0';
	else
		om_str_copy(s->state.transport, sizeof(s->state.transport), left.text);
	pthread_mutex_unlock(&s->lock);
}

typedef uint32_t judge_refusal(const struct om_plan *plan, size_t attempt,
			       const struct om_versions *versions,
			       const struct om_attempt_end *end);

static void remember(const struct om_session *s, const struct om_attempt *attempt,
		     const struct om_attempt_end *end, judge_refusal *judge)
{
	uint32_t refused = 0;

	for (size_t i = 0; i < s->plan.attempt_count; i++)
		if (&s->plan.attempts[i] == attempt)
			refused = judge(&s->plan, i, &s->facts.versions, end);
	if (refused)
		om_refused_add(&(struct om_refused_pair){ om_transport_source(s), s->args.dst,
							  &s->facts.versions },
			       refused, om_epoch_ms());
}

void om_transport_ended(struct om_session *s, const struct om_attempt *attempt,
			const struct om_attempt_end *end)
{
	if (s->look.failed && om_plan_got_further(s->look.failed, attempt, end))
		remember(s, s->look.failed, &s->look.failure, om_plan_refused_for_all);
	remember(s, attempt, end, om_plan_refused_at_once);
	s->look.failed = attempt;
	s->look.failure = *end;
}

static void take_cpu(struct om_session *s)
{
	uint64_t ms = om_vir_cpu_ms(s->vir, OM_VIR_MON);

	if (ms > s->look.src_cpu_before_ms)
		s->look.src_cpu_ms = ms - s->look.src_cpu_before_ms;
}

void om_transport_sample(struct om_session *s, const struct om_sample *sample)
{
	s->state.guest_bytes = sample->guest_bytes;
	take_cpu(s);
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

	if (!om_transport_packs(s) || wire <= 0 || memory <= wire)
		return limit_ms;
	ms *= memory / wire;
	return ms < most ? (uint32_t)ms : most > limit_ms ? most : limit_ms;
}
