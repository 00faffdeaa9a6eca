/* SPDX-License-Identifier: Apache-2.0 */
/* The end, foreseen in the first pass from a sample of the guest's pages. */
#include "om_cmocka.h"

#include "om_watch.h"

#include <math.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define LINK_MIBPS 100.0
#define MEMORY_MIB 2048.0
#define SAMPLED_S 8

static void the_time_of_the_sample_follows_the_pass(void **unused)
{
	static const struct {
		uint64_t populated;
		uint32_t speed_mbit;
		uint64_t limit;
		uint32_t s;
	} rows[] = {
		{ 0, 1000, 0, 0 },		   /* not known */
		{ 1 * GIB, 1000, 0, 0 },	   /* 9 s */
		{ 1 * GIB, 10000, 0, 0 },	   /* as on a slower link than it says */
		{ 1 * GIB, 1000, 50 * MIB, 8 },	   /* 20 s by the limit */
		{ 2500 * MIB, 1000, 0, 8 },	   /* 22 s */
		{ 16 * GIB, 1000, 0, 58 },	   /* 146 s */
		{ 64 * GIB, 1000, 0, 60 },	   /* QEMU's limit */
		{ 2500 * MIB, 10000, 0, 8 },	   /* it may be a gigabit all the same */
		{ 64 * GIB, 10000, 0, 23 },	   /* 58 s */
		{ 64 * GIB, 0, 0, 23 },		   /* not known: fast, so that it is over in time */
		{ 1200 * MIB, 1000, 0, 4 },	   /* 10.7 s */
		{ 64 * GIB, 1000, 999 * GIB, 60 }, /* a limit above the link's speed */
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_plan plan = { .populated_bytes = rows[i].populated,
					.limits.bandwidth_bytes_ps = rows[i].limit };

		assert_int_equal(om_watch_sampling_s(&plan, rows[i].speed_mbit), rows[i].s);
	}
}

/* ---- guests on a link of 100 MiB/s: a first pass of 20 s ---- */

struct guest {
	double hot_mib, rate_mibps;
	bool walks; /* round its hot set, instead of writing at random */
};

static double dirtied(const struct guest *g, double s)
{
	if (g->walks)
		return fmin(g->hot_mib, g->rate_mibps * s);
	return g->hot_mib * (1 - exp(-g->rate_mibps * s / g->hot_mib));
}

static void feed(struct om_watch *w, uint32_t pass, double ms, double sent, double remaining)
{
	struct om_sample s = { .now_ms = 1000 + (uint64_t)ms,
			       .processed_bytes = (uint64_t)(sent * MIB),
			       .remaining_bytes = (uint64_t)(remaining * MIB),
			       .total_bytes = (uint64_t)(MEMORY_MIB * MIB),
			       .iteration = pass };

	om_watch_step(w, &s);
}

static struct om_watch begin(void)
{
	struct om_plan plan = { .downtime_start_ms = 30,
				.limits = { .downtime_max_ms = 500, .pause_max_ms = 2000 } };
	struct om_watch w;

	om_watch_init(&w, &plan);
	return w;
}

static void sample_pages(struct om_watch *w, const struct guest *g)
{
	om_watch_sampled(w, SAMPLED_S * 1000, (uint64_t)(dirtied(g, SAMPLED_S) * MIB));
}

/* In the first pass, after so many ms of it. */
static struct om_forecast foreseen(const struct guest *g, double at_ms)
{
	struct om_watch w = begin();

	for (double ms = 0; ms <= at_ms; ms += 250) {
		double sent = LINK_MIBPS * ms / 1000;

		if (ms >= SAMPLED_S * 1000 && !w.sampled_ms)
			sample_pages(&w, g);
		feed(&w, 1, ms, sent, MEMORY_MIB - sent);
	}
	return w.forecast;
}

/* Passes until 100 ms remain, or as much as is dirtied in the shortest one; the time left. */
static double left_ms(const struct guest *g, double at_ms)
{
	double pass_s = MEMORY_MIB / LINK_MIBPS, all_s = 0, remaining;

	do {
		all_s += pass_s;
		remaining = dirtied(g, pass_s);
		pass_s = fmax(0.1, remaining / LINK_MIBPS);
	} while (pass_s > 0.1);
	return all_s * 1000 + remaining / LINK_MIBPS * 1000 - at_ms;
}

static void the_end_is_within_the_range(void **unused)
{
	static const struct guest guests[] = {
		{ 50, 10, false },  { 50, 40, false },	{ 50, 40, true },   { 200, 50, true },
		{ 200, 50, false }, { 800, 20, false }, { 1000, 30, true }, { 1000, 55, true },
		{ 400, 30, false }, { 400, 50, false },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(guests); i++) {
		double half_ms = left_ms(&guests[i], 0) / 2, at_ms = fmin(half_ms, 20000);
		struct om_forecast f = foreseen(&guests[i], at_ms);
		double left = left_ms(&guests[i], floor(at_ms / 250) * 250);
		double middle = (double)(f.eta_low_ms + f.eta_high_ms) / 2;

		assert_true((double)f.eta_low_ms <= left * 1.02);
		assert_true((double)f.eta_high_ms >= left * 0.98);
		assert_true(fabs(middle - left) < 0.25 * left);
	}
}

static void without_a_sample_the_first_pass_is_all_that_is_known(void **unused)
{
	static const struct guest busy = { 1000, 55, true };
	struct om_forecast early = foreseen(&busy, 7500), late = foreseen(&busy, 8500);

	(void)unused;
	assert_true(early.eta_high_ms < 18000);
	assert_true(late.eta_high_ms > 20000);
}

static void a_guest_that_wrote_nothing_ends_with_the_pass(void **unused)
{
	static const struct guest idle = { 50, 0, true };
	struct om_forecast f = foreseen(&idle, 10000);

	(void)unused;
	assert_true(f.eta_low_ms > 10000 && f.eta_low_ms < 10600);
	assert_true(f.eta_high_ms < 10700);
}

static void what_never_ends_has_no_end_in_sight(void **unused)
{
	static const struct guest wild = { 1900, 400, true };
	struct om_forecast f = foreseen(&wild, 10000);

	(void)unused;
	assert_true(f.known);
	assert_int_equal(f.eta_high_ms, 0);
}

/* After the first pass the curve has two points; a line and one that stands are told apart. */
static struct om_forecast after_pass(const struct guest *g, bool sampled)
{
	struct om_watch w = begin();
	double ms = 0;

	if (sampled)
		sample_pages(&w, g);
	for (; ms < MEMORY_MIB / LINK_MIBPS * 1000; ms += 250)
		feed(&w, 1, ms, LINK_MIBPS * ms / 1000, MEMORY_MIB - LINK_MIBPS * ms / 1000);
	feed(&w, 2, ms, MEMORY_MIB, dirtied(g, ms / 1000));
	return w.forecast;
}

static void after_the_first_pass_the_curve_is_known(void **unused)
{
	static const struct guest walks = { 1000, 50, true }, stands = { 300, 90, false };
	struct om_forecast f = after_pass(&walks, true), g = after_pass(&stands, true);
	double walks_ms = left_ms(&walks, 20500), stands_ms = left_ms(&stands, 20500);

	(void)unused;
	assert_true(fabs((double)(f.eta_low_ms + f.eta_high_ms) / 2 - walks_ms) < 0.25 * walks_ms);
	assert_true(fabs((double)(g.eta_low_ms + g.eta_high_ms) / 2 - stands_ms) < 0.4 * stands_ms);
	/* One pass alone takes it for the slowest guest that leaves so much. */
	assert_true(after_pass(&stands, false).eta_high_ms < g.eta_low_ms);
}

/* The sample serves the forecast alone. */
static void nothing_is_decided_by_it(void **unused)
{
	static const struct guest busy = { 1500, 90, true };
	struct om_watch with = begin(), without = begin();
	struct om_sample s = { .iteration = 1, .total_bytes = 2 * GIB };

	(void)unused;
	sample_pages(&with, &busy);
	with.limits.postcopy = without.limits.postcopy = true;
	for (uint32_t i = 0; i < 200; i++) {
		struct om_action a, b;

		s.now_ms = 1000 + i * 250;
		s.processed_bytes = i * 25 * MIB;
		s.iteration = 1 + i / 80;
		s.remaining_bytes = 2 * GIB - (i % 80) * 25 * MIB;
		a = om_watch_step(&with, &s);
		b = om_watch_step(&without, &s);
		assert_int_equal(a.kind, b.kind);
		assert_int_equal(a.downtime_ms, b.downtime_ms);
		assert_string_equal(a.why, b.why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_of_the_sample_follows_the_pass),
		cmocka_unit_test(the_end_is_within_the_range),
		cmocka_unit_test(without_a_sample_the_first_pass_is_all_that_is_known),
		cmocka_unit_test(a_guest_that_wrote_nothing_ends_with_the_pass),
		cmocka_unit_test(what_never_ends_has_no_end_in_sight),
		cmocka_unit_test(after_the_first_pass_the_curve_is_known),
		cmocka_unit_test(nothing_is_decided_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
