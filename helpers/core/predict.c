/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests and links that fit what was measured are drawn, each migration is run through the watch
 * that ships, and the ranges are where most of the outcomes lie. Drawn evenly and the same each
 * time, not by chance.
 * What is not known stays spread out, and so do the outcomes.
 */
#include "predict_internal.h"

#include "om_util.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576.0
/* Before the first byte and behind the last, and what a pause has beyond its bytes. */
#define BEFORE_LOW_MS 450.0
#define BEFORE_HIGH_MS 900.0
#define AFTER_LOW_MS 300.0
#define AFTER_HIGH_MS 650.0
#define STOP_LOW_MS 10.0
#define STOP_HIGH_MS 30.0
/* What QEMU has written and the link has yet to carry: sockets and queues between the hosts hold so
 * much. QEMU does not count it as remaining, but it goes before the last pages. Measured in the lab
 * at two speeds. */
#define BACKLOG_LOW (2.0 * MIB)
#define BACKLOG_HIGH (4.0 * MIB)
#define BACKLOG_HELD_BACK (3.0 * MIB) /* at the most, where a limit lets the queues run empty */
/* Of QEMU's resident memory so much is its own; emulated: measured in the lab, 120 to 140 MiB. */
#define OWN_LOW (15 * MIB)
#define OWN_HIGH (90 * MIB)
#define OWN_EMULATED_LOW (100 * MIB)
#define OWN_EMULATED_HIGH (170 * MIB)
#define OWN_PART 0.6 /* at the most */
/* What a link carries of what its speed promises: a few Gbit/s are filled by any host, more are not
 * by one stream. */
#define SLOW_LINK 300e6
#define STREAM_LOW 600e6
#define STREAM_HIGH 2500e6
#define FIT_LOW 0.05 /* of the outcomes are left out on either side, where that is needed */
#define SPAN_MOST 2.0
#define SPAN_MS 50.0

/* The nth of a sequence that fills [0, 1) evenly, in dimension k, also together with the others. */
static double spread(uint32_t n, uint32_t k)
{
	double x = 0.5 + (n + 1) / pow(1.0812774, k + 1.0); /* x^9 = x + 1 */

	return x - floor(x);
}

static double between(double low, double high, double part)
{
	return low + (high - low) * part;
}

/* ---- the link ---- */

struct speeds {
	double low, high;	      /* while it is copied; bytes per ms */
	double burst_low, burst_high; /* at the switch-over, which no limit holds back */
};

static bool speeds_of(struct speeds *s, const struct om_predict_facts *f)
{
	double link = (double)f->link_bytes_ps / 1000, seen = (double)f->seen_bytes_ps / 1000;
	double limit = (double)f->limit_bytes_ps / 1000;

	if (seen > 0) { /* the average of whole copies, their pauses included */
		s->low = 0.95 * seen;
		s->high = 1.1 * seen;
	} else if (link > 0) {
		s->low = link <= SLOW_LINK / 1000 ? 0.85 * link
						  : fmin(0.6 * link, STREAM_LOW / 1000);
		s->high = fmin(link, STREAM_HIGH / 1000);
	} else if (limit > 0) {
		s->low = s->high = limit;
	} else {
		return false;
	}
	s->burst_low = s->low;
	s->burst_high = s->high;
	if (limit > 0) {
		s->low = fmin(s->low, 0.96 * limit);
		s->high = fmin(s->high, limit);
	}
	return true;
}

/* ---- the cases ---- */

/* Memory that the guest ever wrote, by where in its range QEMU's own lies. */
static double written(const struct om_predict_facts *f, double part)
{
	double total = (double)f->total_bytes, resident = (double)f->resident_bytes;
	double own = f->emulated ? between(OWN_EMULATED_LOW, OWN_EMULATED_HIGH, part)
				 : between(OWN_LOW, OWN_HIGH, part);

	return resident > 0 ? fmin(total, resident - fmin(own, OWN_PART * resident)) : total;
}

static double backlog(const struct speeds *s, double part)
{
	if (s->high < s->burst_low)
		return between(0, BACKLOG_HELD_BACK, part);
	return between(BACKLOG_LOW, BACKLOG_HIGH, part);
}

static struct om_predict_case draw(const struct om_predict_facts *f, const struct speeds *s,
				   const struct om_predict_fit *fitting, uint32_t n)
{
	double total = (double)f->total_bytes;
	struct om_predict_case c = {
		.total = total,
		.hot = fitting->hot[n],
		.rate = f->paused ? 0 : fitting->rate[n],
		.sweeps = fitting->sweeps[n],
		.before_ms = between(BEFORE_LOW_MS, BEFORE_HIGH_MS, spread(n, 0)),
		.after_ms = between(AFTER_LOW_MS, AFTER_HIGH_MS, spread(n, 1)),
		.stop_ms = between(STOP_LOW_MS, STOP_HIGH_MS + f->queue_ms, spread(n, 2)),
		.backlog = backlog(s, spread(n, 5)),
		.bandwidth = between(s->low, s->high, spread(n, 3)),
		.burst = between(s->burst_low, s->burst_high, spread(n, 3)),
	};

	c.populated = fmax(written(f, spread(n, 4)), fmin(c.hot, total));
	return c;
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double reach_of(double low)
{
	return fmax(SPAN_MOST * low, low + SPAN_MS);
}

/* What no model knows: parts of the value, and ms, that are added on either side where the range
 * stays of use. A busy host is late and seldom early; a pause is shorter than expected more often
 * than longer, since the watch waits for a good moment. */
struct slack {
	double below, above, ms;
};
static const struct slack bulk_slack = { 0.06, 0.03, 20 };
static const struct slack total_slack = { 0.10, 0.15, 50 };
static const struct slack pause_slack = { 0.24, 0.12, 8 };

static void widen(struct om_range_ms *range, double low, double high, const struct slack *slack)
{
	double scale = 1, from = low, to = high;

	for (; scale > 0; scale -= 0.05) {
		from = fmax(0, low - (low * slack->below + slack->ms) * scale);
		to = high + (high * slack->above + slack->ms) * scale;
		if (floor(to) <= reach_of(ceil(from)))
			break;
	}
	range->low = (uint64_t)ceil(scale > 0 ? from : low);
	range->high = (uint64_t)floor(scale > 0 ? to : fmin(high, reach_of(range->low)));
}

/*
 * The narrowest range that holds most of the values, where that spans no more than is of use; else
 * the one of that span that holds the most.
 */
static void find_range(struct om_range_ms *range, double *values, size_t n,
		       const struct slack *slack)
{
	size_t from = 0, count = 0, most = (size_t)ceil((1 - 2 * FIT_LOW) * (double)n);

	*range = (struct om_range_ms){ 0 };
	if (!n)
		return;
	qsort(values, n, sizeof(*values), ascending);
	for (size_t i = 0, end = 0; i < n; i++) {
		double reach = reach_of(values[i]);
		size_t holds;

		while (end < n && values[end] <= reach)
			end++;
		holds = end - i < most ? end - i : most;
		if (holds > count ||
		    (holds == count &&
		     values[i + count - 1] - values[i] < values[from + count - 1] - values[from])) {
			count = holds;
			from = i;
		}
	}
	widen(range, values[from], values[from + count - 1], slack);
	count = 0;
	for (size_t i = 0; i < n; i++)
		count += values[i] >= (double)range->low && values[i] <= (double)range->high;
	range->percent = (uint32_t)(count * 100 / n);
}

/* ---- what it comes to ---- */

struct outcomes {
	struct om_predict_case cases[OM_PREDICT_CASES];
	struct om_predict_end ends[OM_PREDICT_CASES];
	size_t count[OM_PREDICT_HOWS], throttled, beyond_soft;
};

static void run_cases(struct outcomes *o, const struct om_predict_facts *f, const struct speeds *s,
		      const struct om_predict_fit *fitting)
{
	for (uint32_t n = 0; n < OM_PREDICT_CASES; n++) {
		struct om_predict_end *end = &o->ends[n];

		o->cases[n] = draw(f, s, fitting, n);
		om_predict_run(end, &o->cases[n], f);
		o->count[end->how]++;
		o->throttled += end->throttled;
		o->beyond_soft += end->how == OM_PREDICT_SWITCHED &&
				  end->pause_ms > om_limits_in_force_ms(&f->limits) + STOP_HIGH_MS;
	}
}

static enum om_predict_how likeliest(const struct outcomes *o)
{
	enum om_predict_how best = OM_PREDICT_SWITCHED;

	for (int how = 0; how < OM_PREDICT_HOWS; how++)
		if (o->count[how] > o->count[best])
			best = how;
	return best;
}

static void ranges_of(struct om_prediction *p, const struct outcomes *o, enum om_predict_how how)
{
	double totals[OM_PREDICT_CASES], pauses[OM_PREDICT_CASES], bulks[OM_PREDICT_CASES];
	size_t n = 0, bulk_n = 0;

	for (size_t i = 0; i < OM_PREDICT_CASES; i++) {
		const struct om_predict_end *end = &o->ends[i];

		if (end->bulk_ms > 0)
			bulks[bulk_n++] = end->bulk_ms;
		if (end->how != how)
			continue;
		totals[n] = end->ms;
		pauses[n++] = end->pause_ms;
	}
	find_range(&p->bulk, bulks, bulk_n, &bulk_slack);
	if (how == OM_PREDICT_ENDLESS)
		return;
	find_range(&p->total, totals, n, &total_slack);
	if (how == OM_PREDICT_POSTCOPY)
		p->downtime = (struct om_range_ms){ .high = (uint64_t)SPAN_MS, .percent = 100 };
	else if (how != OM_PREDICT_GIVEN_UP)
		find_range(&p->downtime, pauses, n, &pause_slack);
	p->total.percent = (uint32_t)(p->total.percent * n / OM_PREDICT_CASES);
	p->downtime.percent = (uint32_t)(p->downtime.percent * n / OM_PREDICT_CASES);
}

static double quantile(const struct outcomes *o, double (*of)(const struct outcomes *, size_t),
		       double part)
{
	double values[OM_PREDICT_CASES];

	for (size_t i = 0; i < OM_PREDICT_CASES; i++)
		values[i] = of(o, i);
	qsort(values, OM_PREDICT_CASES, sizeof(*values), ascending);
	return values[(size_t)(part * (OM_PREDICT_CASES - 1))];
}

static double hot_of(const struct outcomes *o, size_t i)
{
	return o->cases[i].hot;
}

static double rate_of(const struct outcomes *o, size_t i)
{
	return o->cases[i].rate * 1000;
}

static double pause_of(const struct outcomes *o, size_t i)
{
	return o->ends[i].pause_ms;
}

/* The pause that would end it whatever the guest does, and the bandwidth for what is allowed. */
static void tell_need(struct om_prediction *p, const struct om_predict_facts *f,
		      const struct outcomes *o)
{
	double hot = quantile(o, hot_of, 0.5), b = (double)p->bandwidth_low_bytes_ps;
	double allowed = fmax(om_limits_pause_ms(&f->limits), om_limits_in_force_ms(&f->limits)) /
			 1000;
	size_t len = strlen(p->action);

	snprintf(p->action + len, sizeof(p->action) - len,
		 "; a pause of %.1f s, post-copy, or %.1f Gbit/s would end it", hot / b + 0.1,
		 hot / allowed * 8 / 1e9);
}

static void tell_action(struct om_prediction *p, const struct om_predict_facts *f,
			const struct outcomes *o, enum om_predict_how how)
{
	size_t switched = o->count[OM_PREDICT_SWITCHED];

	if (o->throttled * 2 > OM_PREDICT_CASES)
		snprintf(p->action, sizeof(p->action),
			 "it begins again with the guest slowed down (auto-converge)");
	else if (how == OM_PREDICT_POSTCOPY)
		snprintf(p->action, sizeof(p->action), "post-copy");
	else if (how == OM_PREDICT_PAUSED)
		snprintf(p->action, sizeof(p->action),
			 "a pause when the time of --timeout is over");
	else if (how == OM_PREDICT_GIVEN_UP)
		snprintf(p->action, sizeof(p->action),
			 "it does not converge and is given up, with the VM on the source");
	else if (how == OM_PREDICT_ENDLESS)
		snprintf(p->action, sizeof(p->action), "it does not converge within the limits");
	else if (o->beyond_soft * 2 > switched)
		snprintf(p->action, sizeof(p->action),
			 "a pause of more than %" PRIu32 " ms, as nothing gentler ends it",
			 om_limits_in_force_ms(&f->limits));
	else
		snprintf(p->action, sizeof(p->action), "none");
	if (how == OM_PREDICT_GIVEN_UP || how == OM_PREDICT_ENDLESS)
		tell_need(p, f, o);
}

/* What may make it otherwise. */
static void tell_note(struct om_prediction *p, const struct outcomes *o, enum om_predict_how how)
{
	size_t others = OM_PREDICT_CASES - o->count[how];

	if (others * 5 > OM_PREDICT_CASES)
		snprintf(p->note, sizeof(p->note),
			 "what was measured leaves open how it ends: it is another way with a "
			 "probability of %zu %%",
			 others * 100 / OM_PREDICT_CASES);
	else if (p->downtime.high && p->downtime.percent < 75)
		snprintf(p->note, sizeof(p->note),
			 "how often the guest writes the same pages cannot be measured before: a "
			 "pause of %.0f to %.0f ms is possible",
			 quantile(o, pause_of, FIT_LOW), quantile(o, pause_of, 1 - FIT_LOW));
}

static bool cannot_say(struct om_prediction *p, const char *why)
{
	p->known = false;
	om_str_copy(p->why, sizeof(p->why), why);
	return false;
}

static bool sensible(struct om_prediction *p, const struct om_predict_facts *f, struct speeds *s)
{
	if (!f->total_bytes)
		return cannot_say(p, "the memory of the guest is not known");
	if (!speeds_of(s, f))
		return cannot_say(p, "neither the speed of the interface is known nor one that was "
				     "reached before");
	p->bandwidth_low_bytes_ps = (uint64_t)(s->low * 1000);
	p->bandwidth_high_bytes_ps = (uint64_t)(s->high * 1000);
	if (!f->dirty_known && !f->paused)
		return cannot_say(p, "it was not measured how fast the guest writes its memory");
	return true;
}

void om_predict(struct om_prediction *p, const struct om_predict_facts *f)
{
	OM_AUTOFREE struct outcomes *o = om_xcalloc(1, sizeof(*o));
	struct om_predict_fit fitting = { 0 };
	struct om_predict_facts memory;
	enum om_predict_how how;
	struct speeds s;

	memset(p, 0, sizeof(*p));
	p->facts = *f;
	if (!sensible(p, f, &s))
		return;
	p->known = true;
	om_predict_fit(&fitting, f, written(f, 0));
	memory = om_predict_disks(p, f);
	run_cases(o, &memory, &s, &fitting);
	how = likeliest(o);
	ranges_of(p, o, how);
	om_predict_add_disks(p);
	p->converges = how == OM_PREDICT_SWITCHED && o->throttled * 2 <= OM_PREDICT_CASES &&
		       o->beyond_soft * 2 <= o->count[how];
	p->hot_low_bytes = f->paused ? 0 : (uint64_t)quantile(o, hot_of, 0.1);
	p->hot_high_bytes = f->paused ? 0 : (uint64_t)quantile(o, hot_of, 0.9);
	p->dirty_bytes_ps = (uint64_t)quantile(o, rate_of, 0.5);
	tell_action(p, f, o, how);
	tell_note(p, o, how);
}
