/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end as it is foreseen before the passes tell how fast the guest writes. A first pass of many
 * seconds tells nothing until it is over. Therefore QEMU compares a sample of the guest's pages over
 * a part of that pass: one point of the curve of om_model.h, the pages dirtied within that time. A
 * guest that has been through its hot set by then dirties no more of them until the pass ends, one
 * that has not dirties as many more as time goes by; what is foreseen lies between both.
 */
#include "watch_internal.h"

#include <math.h>

/* ---- how long to compare ---- */

#define GIGABIT_BYTES_PS 117.5e6 /* what such a link carries */
#define PART_OF_PASS 0.4	 /* ends before half of the migration is over */
/* A link can be slower than its interface says: the half of a run of over 20 s is past this. */
#define SAFE_S 8.0
#define LEAST_PASS_S 10.0 /* a shorter pass is over before it would be foreseen */
#define MOST_S 60.0	  /* QEMU's own limit */

uint32_t om_watch_sampling_s(const struct om_plan *plan, uint32_t speed_mbit)
{
	double rate = GIGABIT_BYTES_PS * (speed_mbit ? speed_mbit / 1000.0 : 10), fast_s, slow_s;
	double limit = (double)plan->limits.bandwidth_bytes_ps;

	if (limit > 0)
		rate = fmin(rate, limit);
	fast_s = (double)plan->populated_bytes / rate;
	slow_s = (double)plan->populated_bytes / fmin(rate, GIGABIT_BYTES_PS);
	if (slow_s < LEAST_PASS_S)
		return 0;
	return (uint32_t)fmin(MOST_S,
			      fmax(PART_OF_PASS * fast_s, fmin(SAFE_S, PART_OF_PASS * slow_s)));
}

void om_watch_sampled(struct om_watch *watch, uint64_t ms, uint64_t bytes)
{
	watch->sampled_ms = ms;
	watch->sampled_bytes = bytes;
}

/* ---- what follows ---- */

/* What is dirtied within a time grows by this power of it: between standing and keeping pace. */
#define GROWTH_LEAST 0.25
#define GROWTH_MOST 1.0
#define GROWTH_LIKELY 0.6
#define NEAR_STANDING 1.05 /* the sample tells no part more exactly than this */
/* So many times the sample: who is through with no set by then is taken to write on in it. */
#define FARTHEST 3.0
#define BEYOND 1.1 /* a second point of the curve lies at least so much later than the first */

/* Of the curve: what it gains from `early_ms` to `late_ms`. */
static double gain(double turnover, double early_ms, double late_ms)
{
	return (1 - exp(-turnover * late_ms / 1000)) / (1 - exp(-turnover * early_ms / 1000));
}

/* The curve through the sampled point that gains so much until `late_ms`. Where that is nearly a line,
 * its hot set is larger than the guest; within the time of a pass that does no harm. */
static void fit_gain(const struct om_watch *w, double wanted, double late_ms, struct om_model *m)
{
	double early_ms = (double)w->sampled_ms, early = (double)w->sampled_bytes;
	double low = 1e-3 * 1000 / late_ms, high = 50 * 1000 / early_ms;

	wanted = fmin(wanted, (double)m->last.total_bytes / fmax(1, early));
	wanted = fmax(wanted, NEAR_STANDING);
	for (int i = 0; i < 60; i++) {
		double middle = sqrt(low * high);

		if (gain(middle, early_ms, late_ms) > wanted)
			low = middle;
		else
			high = middle;
	}
	m->turnover = low;
	m->hot = early / (1 - exp(-low * early_ms / 1000));
}

/* INFINITY: no end in sight. With `dirty` bytes left after the first pass post-copy ends it. */
static double end_of(const struct om_watch *w, const struct om_model *m, double limit_ms,
		     double dirty)
{
	double b = om_model_bandwidth(m), ms = INFINITY;
	struct om_projection p;

	if (om_model_project(m, limit_ms, &p) || om_model_project(m, om_watch_reach_ms(w), &p) ||
	    om_model_project(m, om_watch_hard_ms(w), &p))
		ms = p.ms + p.pause_ms;
	if (w->limits.postcopy && om_policy_may_harm(w->limits.policy))
		ms = fmin(ms, ((m->pass_count ? 0 : om_model_unsent(m)) + dirty) * 1000 / b);
	return ms;
}

/* A moment's bandwidth is no ground for what takes many seconds. */
static struct om_model calm(const struct om_watch *w)
{
	struct om_model m = w->model;

	if (m.wire_slow > 0)
		m.wire_fast = m.wire_slow;
	if (!m.pass_count)
		m.drain = 0;
	return m;
}

static double end_by_growth(const struct om_watch *w, double growth, double limit_ms)
{
	struct om_model m = calm(w);
	double early_ms = (double)w->sampled_ms;
	double pass_ms = (double)(m.last.now_ms - m.pass_begun_ms) +
			 om_model_unsent(&m) * 1000 / om_model_bandwidth(&m);
	double late_ms = fmax(pass_ms, early_ms * BEYOND);

	fit_gain(w, pow(fmin(late_ms / early_ms, FARTHEST), growth), late_ms, &m);
	return end_of(w, &m, limit_ms, m.hot * (1 - exp(-m.turnover * late_ms / 1000)));
}

/* One pass and the sample are two points: the curve is known, but for what a sample can tell. */
static double end_by_pass(const struct om_watch *w, double limit_ms)
{
	const struct om_pass *pass = om_model_pass(&w->model, 0);
	struct om_model m = calm(w);

	fit_gain(w, (pass->after - pass->left) / fmax(1, (double)w->sampled_bytes),
		 (double)pass->ms, &m);
	return end_of(w, &m, limit_ms, (double)m.last.remaining_bytes);
}

bool om_watch_ahead(const struct om_watch *w, double limit_ms, double *low_ms, double *high_ms)
{
	const struct om_pass *pass = om_model_pass(&w->model, 0);
	double likely_ms;

	if (!w->sampled_ms || w->model.pass_count > 1 || om_model_bandwidth(&w->model) <= 0 ||
	    (pass && (double)pass->ms < (double)w->sampled_ms * BEYOND))
		return false;
	if (pass) {
		likely_ms = end_by_pass(w, limit_ms);
		*low_ms = likely_ms * 0.9;
		*high_ms = likely_ms * 1.15;
		return true;
	}
	*low_ms = end_by_growth(w, GROWTH_LEAST, limit_ms);
	likely_ms = end_by_growth(w, GROWTH_LIKELY, limit_ms);
	if (isinf(likely_ms)) /* whether it ends is not known, and only the passes will tell */
		likely_ms = 1.5 * *low_ms;
	*low_ms = fmin(*low_ms, likely_ms);
	*high_ms = fmax(likely_ms, end_by_growth(w, GROWTH_MOST, limit_ms));
	if (isinf(*high_ms))
		*high_ms = 2 * likely_ms;
	return true;
}
