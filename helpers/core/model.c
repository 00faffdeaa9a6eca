/* SPDX-License-Identifier: Apache-2.0 */
#include "om_model.h"

#include <math.h>
#include <string.h>

#define FAST_MS 1000.0
#define SLOW_MS 10000.0
#define HEALTHY_PART 0.6 /* of the slow average */
#define SHORTEST_MS 50	 /* an interval below this tells no rate */
#define GOES_BY 4.0	 /* times the wire: most of it is not sent at all */
#define ALL_GOES_BY 50.0
#define WINDOW_MS 100.0 /* QEMU measures its bandwidth, and asks what fits, over this time */
#define TIB 1099511627776.0
#define PASSES_MAX 1000
#define STEADY 1e-3 /* no pass changes what remains any more */
#define FITTED_PASSES 4
#define COUNT_GROWTH 0.2
#define COUNT_MS 100.0	 /* at the most, and beside it */
#define COUNT_TIB_MS 4e3 /* for 1 TiB: four times what it takes */
#define NOISE_PART 0.85	 /* of a bandwidth: less is a dip and no noise */
#define STEADY_PASSES 3
/* A pass in which the guest wrote its hot set more than this often tells no rate; the least one that
 * is possible is taken then, since a shorter pass is the way to know. */
#define SATURATED 2.0
#define FIT_STEP 1.05

static double average(double old, double value, double ms, double over_ms)
{
	return old > 0 ? value + (old - value) * exp(-ms / over_ms) : value;
}

/* Zeros and untouched memory go by as fast as they can be read. In the first pass there can be a
 * minute of them, before which, and behind which, the link is as fast as ever. */
static bool goes_by(const struct om_model *m, const struct om_sample *s, double wire, double drain)
{
	if (s->iteration != 1)
		return false;
	/* Among zeros memory is sent as fast as ever: the wire falls only where there is none. */
	return m->wire_fast > 0 ? drain > GOES_BY * wire && wire < m->wire_fast / 2
				: drain > ALL_GOES_BY * wire;
}

double om_model_packing(const struct om_model *m)
{
	return m->compressed && m->drain_wire > 0 ? fmax(1, m->drain / m->drain_wire) : 1;
}

/* The wire carries less where more is compressed, and is as good as before. What drains is not known of an
 * interval with a count in it. Where nothing is compressed, what drains faster is zeros, and tells
 * nothing of the link; a moment of them among what is compressed must not tell much. */
static double pace_of(const struct om_model *m, const struct om_sample *s, double wire,
		      double drain)
{
	double pace = drain > 0 ? fmax(wire, drain) : wire * om_model_packing(m);

	if (s->iteration <= 1 || !m->compressed)
		return wire;
	return m->pace_slow > 0 ? fmin(pace, GOES_BY * m->pace_slow) : pace;
}

/* Rates of the interval between two samples. */
static void take_rates(struct om_model *m, const struct om_sample *s)
{
	double ms = (double)(s->now_ms - m->last.now_ms);
	bool same_pass = s->iteration == m->last.iteration;
	double wire, drain = 0, pace;

	if (!m->last.iteration || ms < SHORTEST_MS || s->processed_bytes < m->last.processed_bytes)
		return;
	wire = (double)(s->processed_bytes - m->last.processed_bytes) * 1000 / ms;
	if (same_pass && m->last.remaining_bytes > s->remaining_bytes)
		drain = (double)(m->last.remaining_bytes - s->remaining_bytes) * 1000 / ms;
	if (goes_by(m, s, wire, drain))
		return;
	if (m->speed > 0) { /* what comes first fills the sockets, not the link */
		m->wire_bytes += s->processed_bytes - m->last.processed_bytes;
		m->wire_ms += s->now_ms - m->last.now_ms;
	}
	if (drain > 0 && s->iteration > 1) {
		m->drain = average(m->drain, drain, ms, FAST_MS);
		m->drain_wire = average(m->drain_wire, wire, ms, FAST_MS);
	}
	pace = pace_of(m, s, wire, drain);
	m->speed = fmax(pace, drain);
	m->wire_now = wire;
	m->pace_fast = average(m->pace_fast, pace, ms, FAST_MS);
	m->pace_slow = average(m->pace_slow, pace, ms, SLOW_MS);
	m->wire_fast = average(m->wire_fast, wire, ms, FAST_MS);
	m->wire_slow = average(m->wire_slow, wire, ms, SLOW_MS);
}

double om_model_bandwidth(const struct om_model *m)
{
	/* Compressed memory drains faster than the wire carries it, never slower. */
	return fmax(m->drain, m->wire_fast);
}

double om_model_unsent(const struct om_model *m)
{
	double total = (double)m->last.total_bytes, remaining = (double)m->last.remaining_bytes;
	double untouched, passed;

	if (m->pass_count || m->populated <= 0 || m->populated >= total)
		return remaining;
	untouched = total - m->populated;
	passed = fmax(0, total - remaining - (double)m->last.processed_bytes);
	return fmax(0, remaining - fmax(0, untouched - passed));
}

bool om_model_healthy(const struct om_model *m)
{
	return m->pace_slow > 0 && m->pace_fast >= HEALTHY_PART * m->pace_slow &&
	       m->speed >= HEALTHY_PART * HEALTHY_PART * m->pace_slow;
}

struct om_model om_model_without_dip(const struct om_model *m)
{
	double usual = m->wire_ms ? (double)m->wire_bytes * 1000 / (double)m->wire_ms : 0, again;
	struct om_model good = *m;

	good.wire_fast = fmax(m->wire_fast, m->wire_slow);
	/* These averages are slow to tell that a dip is over. A single interval tells of nothing beyond what is
	 * usual: QEMU keeps to a limit in bursts. */
	again = fmin(m->wire_now, usual);
	if (good.wire_fast < NOISE_PART * again)
		good.wire_fast = again;
	return good;
}

const struct om_pass *om_model_pass(const struct om_model *m, uint32_t ago)
{
	if (ago >= m->pass_count || ago >= OM_MODEL_PASSES)
		return NULL;
	return &m->passes[(m->pass_count - 1 - ago) % OM_MODEL_PASSES];
}

/* Zeros slow the wire as well; what they do not explain is a dip. Nor is it known how well memory that was
 * sent compressed could be. */
static bool first_was_steady(const struct om_model *m, double good)
{
	return m->compressed ||
	       (double)m->wire_bytes * 1000 >= HEALTHY_PART * good * (double)m->wire_ms;
}

/* Bytes per second of this pass, one of those that are kept, but for its count. */
static double pace_of_pass(const struct om_model *m, uint32_t ago)
{
	const struct om_pass *pass = om_model_pass(m, ago), *before = om_model_pass(m, ago + 1);
	double ms = fmax(1, (double)pass->ms - m->count_ms);

	return (before->after - pass->left) * 1000 / ms;
}

bool om_model_steady(const struct om_model *m)
{
	struct om_model good = om_model_without_dip(m);
	double best = om_model_bandwidth(&good);

	if (m->pass_count < 2)
		return first_was_steady(m, best);
	/* What comes again in each of several passes is no dip: a link that others share, or memory of which a part
	 * packs well. */
	if (m->pass_count > STEADY_PASSES)
		best = fmax(pace_of_pass(m, 1), pace_of_pass(m, 2));
	return pace_of_pass(m, 0) >= NOISE_PART * best;
}

/* Of a hot set of `hot` bytes of which `left` are unsent, so much is dirty `ms` after a count. */
static double dirty_after(double hot, double turnover, double left, double ms)
{
	double clean = fmax(0, hot - left);

	return left + clean * (1 - exp(-turnover * ms / 1000));
}

/* The squared error of this turnover over the last passes; *hot is what the longest one says. */
static double misfit(const struct om_model *m, const struct om_pass *longest, double turnover,
		     double *hot)
{
	double error = 0, full = 1 - exp(-turnover * (double)longest->ms / 1000);

	*hot = full > 1e-9 ? longest->left + (longest->after - longest->left) / full : 0;
	*hot = fmin(*hot, (double)m->last.total_bytes);
	for (uint32_t ago = 0; ago < FITTED_PASSES; ago++) {
		const struct om_pass *pass = om_model_pass(m, ago);
		double d, weight = 1 / (double)(1 + ago);

		if (!pass)
			break;
		d = dirty_after(*hot, turnover, pass->left, (double)pass->ms) - pass->after;
		error += d * d * weight;
	}
	return error;
}

static const struct om_pass *longest_pass(const struct om_model *m)
{
	const struct om_pass *longest = NULL;

	for (uint32_t ago = 0; ago < OM_MODEL_PASSES; ago++) {
		const struct om_pass *pass = om_model_pass(m, ago);

		if (pass && (!longest || pass->ms > longest->ms))
			longest = pass;
	}
	return longest;
}

static uint64_t shortest_ms(const struct om_model *m)
{
	uint64_t shortest = UINT64_MAX;

	for (uint32_t ago = 0; ago < FITTED_PASSES; ago++) {
		const struct om_pass *pass = om_model_pass(m, ago);

		if (pass && pass->ms < shortest)
			shortest = pass->ms;
	}
	return shortest;
}

/* One pass tells bounds only: the slowest guest that leaves so much, which writes all of its memory
 * rather than a part of it often. */
static void fit_bounds(struct om_model *m, const struct om_pass *pass)
{
	double seconds = (double)(pass->ms + 1) / 1000;
	double part = fmin(0.999, pass->after / fmax(1, (double)m->last.total_bytes));

	m->turnover = -log(1 - part) / seconds;
	m->hot = (double)m->last.total_bytes;
}

static double most_turnover(const struct om_model *m)
{
	return SATURATED * 1000 / (double)(shortest_ms(m) + 1);
}

bool om_model_rate_is_known(const struct om_model *m)
{
	return m->pass_count > 1 && m->turnover * FIT_STEP < most_turnover(m);
}

/* One dimension, smooth: a walk through it in steps of a twentieth is exact enough. */
static void fit(struct om_model *m)
{
	const struct om_pass *longest = longest_pass(m);
	double best = INFINITY, low, high = most_turnover(m);

	if (!longest)
		return;
	low = 0.01 * 1000 / (double)(longest->ms + 1);
	if (m->pass_count == 1) {
		fit_bounds(m, longest);
		return;
	}
	for (double turnover = low; turnover < high; turnover *= FIT_STEP) {
		double hot, error = misfit(m, longest, turnover, &hot);

		if (error < best) {
			best = error;
			m->turnover = turnover;
			m->hot = hot;
		}
	}
}

/* What was not spent on sending, of the time from the last sample before the count to the one behind it:
 * the rest of the pass has no count in it, and a dip of the link there is not to be taken for one.
 * Counting the pages of a guest of 1 TiB takes a second, in which it goes on writing. A dip can come
 * just then as well: the least one counts, and grows slowly, and none is longer than the memory is
 * large. */
static void note_count_time(struct om_model *m, const struct om_pass *pass, uint64_t now_ms)
{
	double sent_ms, count_ms;

	if (!m->pass_count || m->drain <= 0)
		return;
	sent_ms = ((double)m->last.remaining_bytes - pass->left) * 1000 / m->drain;
	count_ms = fmax(0, (double)(now_ms - m->last.now_ms) - sent_ms);
	count_ms = fmin(count_ms, COUNT_MS + COUNT_TIB_MS * (double)m->last.total_bytes / TIB);
	if (m->pass_count == 1 || count_ms < m->count_ms)
		m->count_ms = count_ms;
	else
		m->count_ms += COUNT_GROWTH * (count_ms - m->count_ms);
}

static void take_pass(struct om_model *m, const struct om_sample *s)
{
	struct om_pass pass = { .ended_ms = s->now_ms, .throttle_percent = s->throttle_percent };
	uint64_t begun_ms = m->pass_begun_ms ? m->pass_begun_ms : m->last.now_ms;

	pass.ms = s->now_ms - begun_ms;
	pass.rate = om_model_bandwidth(m);
	pass.after = (double)s->remaining_bytes;
	pass.left = (double)m->last.remaining_bytes -
		    pass.rate * (double)(s->now_ms - m->last.now_ms) / 1000;
	pass.left = fmin(fmax(0, pass.left), pass.after);
	note_count_time(m, &pass, s->now_ms);
	m->passes[m->pass_count++ % OM_MODEL_PASSES] = pass;
	m->pass_begun_ms = s->now_ms;
}

bool om_model_take(struct om_model *m, const struct om_sample *s)
{
	bool ended = m->last.iteration && s->iteration > m->last.iteration;

	if (!s->iteration || (m->last.iteration && s->iteration < m->last.iteration))
		return false;
	take_rates(m, s);
	if (!m->pass_begun_ms)
		m->pass_begun_ms = s->now_ms;
	if (ended)
		take_pass(m, s);
	m->last = *s;
	if (ended)
		fit(m);
	return ended;
}

double om_model_after(const struct om_model *m, double remaining, double ms)
{
	double left = fmax(0, remaining - om_model_bandwidth(m) * ms / 1000);

	return dirty_after(m->hot, m->turnover, left, ms + m->count_ms);
}

double om_model_plateau(const struct om_model *m, double bandwidth)
{
	double rate = m->hot * m->turnover;
	double steady = rate > bandwidth ? m->hot * (1 - bandwidth / rate) : 0;

	return fmax(steady, dirty_after(m->hot, m->turnover, 0, m->count_ms));
}

double om_model_bandwidth_for(const struct om_model *m, double pause_ms)
{
	/* hot / b - 1 / turnover = pause */
	return m->turnover > 0 ? m->hot / (pause_ms / 1000 + 1 / m->turnover) : 0;
}

bool om_model_project(const struct om_model *m, double limit_ms, struct om_projection *p)
{
	double b = om_model_bandwidth(m), remaining = om_model_unsent(m);
	double fits = b * limit_ms / 1000;
	double in_pass_ms = (double)(m->last.now_ms - m->pass_begun_ms);

	memset(p, 0, sizeof(*p));
	if (b <= 0)
		return false;
	while (p->passes < PASSES_MAX) {
		double ms = fmax(WINDOW_MS, (remaining - fits) * 1000 / b);
		double left = fmax(0, remaining - b * ms / 1000), before = remaining;

		ms += m->count_ms;
		p->ms += ms;
		p->passes++;
		remaining = dirty_after(m->hot, m->turnover, left, ms + in_pass_ms);
		in_pass_ms = 0;
		if (remaining <= fits) {
			p->pause_ms = remaining * 1000 / b;
			return true;
		}
		if (p->passes > 3 && fabs(remaining - before) < STEADY * remaining)
			return false;
	}
	return false;
}
