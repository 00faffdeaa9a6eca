/* SPDX-License-Identifier: Apache-2.0 */
/* KubeVirt: timeouts by size, and its detection of stalls (enhancements 248 and 291). */
#include "peers.h"

#include <string.h>

#define STALL_SHARE 0.96
#define STALL_MS 40000
#define NEAR_BEST 1.04
#define SWITCH_MS 60000
#define RATE_ALPHA 0.4
#define SOFT_FACTOR 1.5
#define TUNE_FIRST_MS 150
#define TUNE_STEPS 7
#define TUNE_AFTER 3
#define TUNE_EVERY_MS 10000

static uint64_t accepted_ms(const struct sim_policy *p, const struct sim_policy_state *s)
{
	const struct sim_kubevirt *k = p->param;

	return (uint64_t)(k->accepted_s_per_gb * 1000.0 * (double)s->memory / 1e9);
}

/* handleLegacyConvergence() */
struct om_action sim_kubevirt_step(const struct sim_policy *p, struct sim_policy_state *s,
				   const struct om_sample *sample)
{
	const struct sim_kubevirt *k = p->param;

	if (s->done)
		return sim_peer_none();
	if (!s->acceptable_ms)
		s->acceptable_ms = accepted_ms(p, s);
	if (sample->remaining_bytes < s->last_remaining || !s->last_remaining)
		s->progress_ms = sample->elapsed_ms;
	s->last_remaining = sample->remaining_bytes;
	if (k->end != OM_ACTION_ABORT && sample->elapsed_ms > s->acceptable_ms) {
		s->acceptable_ms *= 2;
		if (s->suspended)
			return sim_peer_none();
		s->suspended = true;
		return sim_peer_act(k->end, "completion timeout");
	}
	if (sample->elapsed_ms > s->acceptable_ms ||
	    sample->elapsed_ms - s->progress_ms > k->progress_s * 1000ull) {
		s->done = true;
		return sim_peer_act(OM_ACTION_ABORT, "completion or progress timeout");
	}
	return sim_peer_none();
}

static void record(struct sim_policy_state *s, const struct om_sample *sample)
{
	size_t most = OM_ARRAY_LEN(s->records);

	if (s->record_count == most) {
		memmove(s->records, s->records + 1, (most - 1) * sizeof(s->records[0]));
		s->record_count--;
	}
	s->records[s->record_count].ms = sample->elapsed_ms;
	s->records[s->record_count++].remaining = sample->remaining_bytes;
	if (!s->best_remaining || sample->remaining_bytes < s->best_remaining)
		s->best_remaining = sample->remaining_bytes;
}

/* No less remains than what did more than 40 s ago. */
static bool stalled(struct sim_policy_state *s, const struct om_sample *sample)
{
	/* Records fall out when they are many; the least of the old ones is kept. */
	for (size_t i = 0; i < s->record_count; i++)
		if (sample->elapsed_ms - s->records[i].ms >= STALL_MS &&
		    (!s->old_remaining || s->records[i].remaining < s->old_remaining))
			s->old_remaining = s->records[i].remaining;
	return s->old_remaining &&
	       (double)sample->remaining_bytes >= STALL_SHARE * (double)s->old_remaining;
}

/* The next smallest that was seen, after each half of the patience before. */
static double target(const struct sim_policy_state *s, uint64_t waited_ms)
{
	double patience = STALL_MS, least = (double)s->best_remaining;

	while ((double)waited_ms > patience && patience > 1000) {
		double next = INFINITY;

		waited_ms -= (uint64_t)patience;
		patience /= 2;
		for (size_t i = 0; i < s->record_count; i++)
			if ((double)s->records[i].remaining > least * NEAR_BEST)
				next = fmin(next, (double)s->records[i].remaining);
		least = isinf(next) ? least : next;
	}
	return least * NEAR_BEST;
}

static struct om_action end_stall(const struct sim_policy *p, struct sim_policy_state *s,
				  const struct om_sample *sample)
{
	const struct sim_kubevirt *k = p->param;
	double need_ms = s->rate > 0 ? (double)sample->remaining_bytes * 1000 / s->rate : INFINITY;

	if (need_ms > 2.0 * (double)accepted_ms(p, s) - (double)sample->elapsed_ms)
		return sim_peer_none();
	s->asked_ms = sample->elapsed_ms;
	if (k->end == OM_ACTION_POSTCOPY) {
		s->done = true;
		return sim_peer_act(OM_ACTION_POSTCOPY, "stalled");
	}
	if (k->end == OM_ACTION_DOWNTIME)
		return sim_peer_limit(s, k->hard_ms, "stalled: hard stop");
	if (need_ms <= SOFT_FACTOR * k->soft_ms)
		return sim_peer_limit(s, k->soft_ms, "stalled: soft stop");
	s->done = true;
	return sim_peer_act(OM_ACTION_ABORT, "stalled and hopeless");
}

static struct om_action tune(const struct sim_policy *p, struct sim_policy_state *s,
			     const struct om_sample *sample)
{
	const struct sim_kubevirt *k = p->param;
	uint32_t now = s->limit_ms ? s->limit_ms : TUNE_FIRST_MS;
	uint32_t step = (k->soft_ms - TUNE_FIRST_MS) / TUNE_STEPS;

	if (!k->tune || s->asked_ms)
		return sim_peer_none();
	if (!s->limit_ms)
		return sim_peer_limit(s, TUNE_FIRST_MS, "begin");
	if (sample->iteration <= TUNE_AFTER || sample->elapsed_ms < s->tuned_ms + TUNE_EVERY_MS ||
	    now >= k->soft_ms)
		return sim_peer_none();
	s->tuned_ms = sample->elapsed_ms;
	return sim_peer_limit(s, now + step > k->soft_ms ? k->soft_ms : now + step, "tuned");
}

/* stall-detector.go: handleStallDetection(); decides at the boundaries of passes */
struct om_action sim_kubevirt_stall_step(const struct sim_policy *p, struct sim_policy_state *s,
					 const struct om_sample *sample)
{
	if (s->done)
		return sim_peer_none();
	if (s->asked_ms && sample->elapsed_ms > s->asked_ms + SWITCH_MS) {
		s->done = true;
		return sim_peer_act(OM_ACTION_ABORT, "no switch-over in 60 s");
	}
	s->rate = s->rate > 0 ? s->rate + RATE_ALPHA * ((double)sample->rate_bytes_ps - s->rate)
			      : (double)sample->rate_bytes_ps;
	if (sample->iteration <= s->last_iteration)
		return tune(p, s, sample);
	s->last_iteration = sample->iteration;
	if (sample->iteration < 2 || s->asked_ms)
		return sim_peer_none();
	record(s, sample);
	if (!stalled(s, sample)) {
		s->stalled_ms = 0;
		return tune(p, s, sample);
	}
	if (!s->stalled_ms)
		s->stalled_ms = sample->elapsed_ms;
	if ((double)sample->remaining_bytes > target(s, sample->elapsed_ms - s->stalled_ms))
		return tune(p, s, sample);
	return end_stall(p, s, sample);
}
