/* SPDX-License-Identifier: Apache-2.0 */
/* The downtime limit after one count, for a model of which everything is known. Numbers are far enough
 * from the constants that these can be tuned. */
#include "om_cmocka.h"

#include "../../helpers/core/watch_internal.h"

#include <string.h>

#define MIB 1048576.0

/* A link of 100 MiB/s, `elapsed_ms` after the begin, when a third pass has left so much; the one before
 * left `before_mib`. */
struct now {
	double hot_mib, rate_mibps, remaining_mib, before_mib;
	uint64_t elapsed_ms;
};

static struct om_watch at(struct now now)
{
	struct om_watch w = {
		.limits = { .policy = OM_POLICY_AUTO,
			    .downtime_max_ms = 500,
			    .pause_max_ms = 2000 },
		.start_ms = 30,
		.begun_ms = 1000,
		.limit_ms = 30,
		.model = { .last = { .now_ms = 1000 + now.elapsed_ms,
				     .remaining_bytes = (uint64_t)(now.remaining_mib * MIB),
				     .total_bytes = (uint64_t)(4096 * MIB),
				     .iteration = 4 },
			   .wire_fast = 100 * MIB,
			   .wire_slow = 100 * MIB,
			   .pace_fast = 100 * MIB,
			   .pace_slow = 100 * MIB,
			   .speed = 100 * MIB,
			   .hot = now.hot_mib * MIB,
			   .turnover = now.rate_mibps / now.hot_mib,
			   .pass_count = 3,
			   .passes = { { .after = now.before_mib * MIB },
				       { .after = now.before_mib * MIB },
				       { .after = now.remaining_mib * MIB } } },
	};

	w.model.pass_begun_ms = w.model.last.now_ms;
	return w;
}

static bool asks_for_the_switch_over(struct om_watch *w)
{
	return strstr(om_watch_follow(w).why, "what a switch-over needs now");
}

/* ---- soft or hard ---- */

/* 200 MiB at 300 MiB/s: 1.3 s are always dirty */
static const struct now busy = { 200, 300, 190, 195, 20000 };
/* 400 MiB at 50 MiB/s: each pass leaves half */
static const struct now calm = { 400, 50, 200, 400, 20000 };

static void the_hard_limit_is_for_what_the_soft_one_does_not_end(void **unused)
{
	struct om_watch w = at(busy);

	(void)unused;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_HARD);
	assert_int_equal(w.hopeless_passes, 1);
	w = at(calm);
	w.hopeless_passes = 7;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_SOFT);
	assert_int_equal(w.hopeless_passes, 0);
}

/* The state of the devices takes a part of the soft limit, so that less than all of it can be set. */
static void what_only_the_whole_soft_limit_would_end_is_hopeless(void **unused)
{
	static const struct now edge = { 60, 340, 55, 56, 20000 };
	struct om_watch w = at(edge);
	struct om_projection p;

	(void)unused;
	assert_true(om_model_project(&w.model, 500, &p) && p.ms < 1000);
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_HARD);
	w = at(edge);
	w.limits.downtime_max_ms = 600;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_SOFT);
}

static void a_bad_second_opens_nothing_and_closes_nothing(void **unused)
{
	struct om_watch w = at(busy);

	(void)unused;
	w.model.speed = 1;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_SOFT);
	assert_int_equal(w.hopeless_passes, 0);
	w.hopeless_passes = 2;
	w.reach = OM_REACH_HARD;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_HARD);
	assert_int_equal(w.hopeless_passes, 2);
}

static void passes_that_are_short_on_purpose_do_not_count_as_falling(void **unused)
{
	struct now falling = busy;
	struct om_watch w;

	(void)unused;
	falling.before_mib = 400;
	w = at(falling);
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_SOFT);
	w.reach = OM_REACH_HARD;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_HARD);
	assert_int_equal(w.hopeless_passes, 1);
}

static void an_end_that_is_too_far_away_is_none(void **unused)
{
	struct now slow = { 1200, 98, 700, 720, 30000 };
	struct om_watch w = at(slow);
	struct om_projection p;

	(void)unused;
	/* It ends by itself, in more than half a minute. */
	assert_true(om_model_project(&w.model, 500, &p) && p.ms > 15000 && p.ms < 45000);
	om_watch_choose_reach(&w);
	assert_int_equal(w.hopeless_passes, 0);
	slow.elapsed_ms = 4000;
	w = at(slow);
	om_watch_choose_reach(&w);
	assert_int_equal(w.hopeless_passes, 1);
	/* Nor is there more time than the deadline leaves. */
	slow.elapsed_ms = 30000;
	w = at(slow);
	w.limits.deadline_ms = w.model.last.now_ms + 24000;
	om_watch_choose_reach(&w);
	assert_int_equal(w.hopeless_passes, 1);
}

static void a_deadline_that_is_near_opens_the_hard_limit(void **unused)
{
	struct om_watch w = at(calm);

	(void)unused;
	/* 2 s are left to be sent */
	w.limits.deadline_ms = w.model.last.now_ms + 4500;
	w.limits.downtime_max_ms = 1900; /* at once, so that this alone is not hopeless */
	om_watch_choose_reach(&w);
	assert_int_equal(w.hopeless_passes, 0);
	assert_int_equal(w.reach, OM_REACH_HARD);
	w = at(calm);
	w.limits.deadline_ms = w.model.last.now_ms + 4500;
	w.limits.downtime_max_ms = 1900;
	w.model.pass_count = 1;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_SOFT);
}

static void another_reach_begins_anew(void **unused)
{
	struct om_watch w = at(busy);

	(void)unused;
	w.counts = 5;
	w.best_end_ms = 4000;
	w.least_bytes = 7;
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_HARD);
	assert_int_equal(w.counts, 0);
	assert_true(w.best_end_ms == 0 && w.least_bytes == 0);
	w.counts = 5;
	om_watch_choose_reach(&w); /* the same again */
	assert_int_equal(w.counts, 5);
}

/* ---- the way to a stop ---- */

static void without_a_bandwidth_nothing_follows(void **unused)
{
	struct om_watch w = at(busy);

	(void)unused;
	w.model.wire_fast = 0;
	assert_int_equal(om_watch_follow(&w).kind, OM_ACTION_NONE);
	assert_int_equal(w.counts, 0);
}

static void a_limit_is_never_so_low_that_it_cannot_be_met(void **unused)
{
	struct om_watch w = at((struct now){ 1, 1, 0.01, 0.02, 5000 });
	struct om_action action = om_watch_follow(&w);

	(void)unused;
	assert_int_equal(action.kind, OM_ACTION_DOWNTIME);
	assert_int_equal(action.downtime_ms, 8);
}

static void what_takes_no_time_is_not_waited_for(void **unused)
{
	/* 15 ms, and each pass leaves much less: so what */
	struct om_watch w = at((struct now){ 400, 10, 1.5, 30, 5000 });

	(void)unused;
	assert_true(asks_for_the_switch_over(&w));
	w = at((struct now){ 400, 10, 30, 300, 5000 });
	assert_false(asks_for_the_switch_over(&w));
}

static void near_the_least_that_ever_remains_it_is_asked_for(void **unused)
{
	/* 60 MiB at 200 MiB/s: 30 MiB are always dirty */
	struct om_watch w = at((struct now){ 60, 200, 31, 50, 5000 });

	(void)unused;
	assert_true(asks_for_the_switch_over(&w));
	w = at((struct now){ 60, 200, 42, 50, 5000 });
	assert_false(asks_for_the_switch_over(&w));
	/* But not where less was seen: it comes by that again. */
	w = at((struct now){ 60, 200, 31, 50, 5000 });
	w.least_bytes = 20 * MIB;
	assert_false(asks_for_the_switch_over(&w));
}

static void a_shorter_stop_may_cost_so_much_time(void **unused)
{
	static const struct {
		enum om_reach reach;
		uint64_t elapsed_ms;
		bool now;
	} rows[] = {
		/* an end after 20 s was possible */
		{ OM_REACH_SOFT, 18600, false }, /* 20.0 s */
		{ OM_REACH_SOFT, 26000, true },	 /* 27.4 s */
		{ OM_REACH_HARD, 22000, false }, /* 23.4 s */
		{ OM_REACH_HARD, 48000, true },	 /* 49.4 s */
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_watch w = at((struct now){ 60, 200, 36, 50, rows[i].elapsed_ms });

		w.reach = rows[i].reach;
		w.best_end_ms = 20000;
		w.least_bytes = 20 * MIB;
		assert_int_equal(asks_for_the_switch_over(&w), rows[i].now);
	}
}

static void the_least_and_the_earliest_are_remembered(void **unused)
{
	struct om_watch w = at((struct now){ 60, 200, 39, 50, 5000 });

	(void)unused;
	om_watch_follow(&w);
	assert_int_equal(w.counts, 1);
	assert_true(w.best_end_ms > 5390 && w.best_end_ms < 8000);
	w.model.last.now_ms += 50;
	w.model.last.remaining_bytes = (uint64_t)(33 * MIB);
	om_watch_follow(&w); /* 50 ms later, but a stop of 90 ms less */
	assert_true(w.best_end_ms < 5000 + 1000 + 390);
	assert_true(w.least_bytes == 33 * MIB);
	w.model.last.remaining_bytes = (uint64_t)(48 * MIB);
	om_watch_follow(&w);
	assert_true(w.least_bytes == 33 * MIB);
	assert_int_equal(w.counts, 3);
}

static void what_does_not_fit_is_asked_for_quietly_the_next_time(void **unused)
{
	struct om_watch w = at((struct now){ 200, 300, 150, 160, 5000 });

	(void)unused;
	w.asked = 5;
	om_watch_follow(&w);
	assert_int_equal(w.asked, 0);
}

static void the_limit_begins_at_the_least_that_can_remain(void **unused)
{
	/* 60 MiB at 300 MiB/s: 400 ms are always dirty, and 550 ms remain */
	struct om_watch w = at((struct now){ 60, 300, 55, 58, 5000 });
	struct om_action action = om_watch_follow(&w);

	(void)unused;
	assert_in_range(action.downtime_ms, 340, 455);
	/* Far above it, it is high enough that passes are short. */
	w = at((struct now){ 200, 120, 80, 90, 5000 });
	w.reach = OM_REACH_HARD;
	w.least_bytes = 50 * MIB;
	action = om_watch_follow(&w);
	assert_in_range(action.downtime_ms, 400, 800);
}

/* 500 ms remain, of 600 at first and 400 at the least; so much of the time for a shorter stop is over. */
static struct om_watch walking(double used)
{
	struct om_watch w = at((struct now){ 80, 150, 50, 60, 20000 });

	w.reach = OM_REACH_HARD;
	w.counts = 5;
	w.least_bytes = 40 * MIB;
	w.held_ms = 300;
	/* The end of a stop that begins now lies at 21.5 s. */
	w.best_end_ms = 21500 / (1 + 0.8 * used);
	return w;
}

static void the_limit_stays_where_it_began(void **unused)
{
	struct om_watch w = walking(0.2);

	(void)unused;
	assert_int_equal(om_watch_follow(&w).downtime_ms, 300);
	w = walking(0.6);
	assert_int_equal(om_watch_follow(&w).downtime_ms, 300);
	/* Where nothing that remained was ever allowed, it rises. */
	w = walking(0);
	w.best_end_ms = 0;
	w.limits.pause_max_ms = 520;
	w.counts = 6;
	assert_in_range(om_watch_follow(&w).downtime_ms, 320, 560);
}

static void the_least_is_seen_first_and_waited_for_then(void **unused)
{
	struct om_watch w = walking(0.2);

	(void)unused;
	w.model.last.remaining_bytes = (uint64_t)(41 * MIB);
	assert_false(asks_for_the_switch_over(&w));
	w = walking(0.6);
	w.model.last.remaining_bytes = (uint64_t)(41 * MIB);
	assert_true(asks_for_the_switch_over(&w));
	/* The less time is left, the more will do. */
	w = walking(0.6);
	assert_false(asks_for_the_switch_over(&w));
	w = walking(0.9);
	assert_true(asks_for_the_switch_over(&w));
}

static void where_every_pass_leaves_it_all_no_less_is_waited_for(void **unused)
{
	struct om_watch w = walking(0.1);

	(void)unused;
	w.least_bytes = 59 * MIB;
	w.model.last.remaining_bytes = (uint64_t)(60 * MIB);
	w.counts = 2;
	assert_false(asks_for_the_switch_over(&w));
	assert_true(asks_for_the_switch_over(&w));
}

/* It was at its least when the hard limit was begun with. */
static void who_leaves_more_after_the_least_is_waited_for(void **unused)
{
	struct om_watch w = walking(0.1);

	(void)unused;
	w.counts = 5;
	w.least_bytes = 40 * MIB;
	w.model.last.remaining_bytes = (uint64_t)(58 * MIB);
	assert_false(asks_for_the_switch_over(&w));
	w = walking(0.1);
	w.counts = 0;
	w.least_bytes = 0;
	for (int mib = 40; mib <= 60; mib += 5) {
		w.model.last.remaining_bytes = (uint64_t)(mib * MIB);
		w.model.passes[w.model.pass_count++ % OM_MODEL_PASSES].after = mib * MIB;
		w.best_end_ms = 21500 / 1.06;
		assert_false(asks_for_the_switch_over(&w));
	}
	assert_true(w.counts == 5 && w.least_bytes == 40 * MIB);
}

static void of_the_time_until_a_deadline_half_is_waited_at_the_most(void **unused)
{
	struct om_watch w = walking(0.3);

	(void)unused;
	w.model.last.remaining_bytes = (uint64_t)(55 * MIB);
	assert_false(asks_for_the_switch_over(&w));
	w = walking(0.3);
	w.model.last.remaining_bytes = (uint64_t)(55 * MIB);
	w.limits.deadline_ms = w.model.last.now_ms + 4000;
	assert_true(asks_for_the_switch_over(&w));
	/* A deadline that is over leaves no time, and nothing is divided by it. */
	w = walking(0);
	w.limits.deadline_ms = w.model.last.now_ms;
	assert_true(asks_for_the_switch_over(&w));
}

/* A copy of hours is not made longer by half an hour for it. */
static void no_more_than_16_s_are_waited_however_long_it_took(void **unused)
{
	struct om_watch w = walking(0);
	double latest_ms;

	(void)unused;
	w.begun_ms = 0;
	w.model.last.now_ms = 3600 * 1000;
	w.best_end_ms = 3600 * 1000 - 13000; /* a stop that begins now ends 14.5 s after it */
	assert_true(om_watch_waits(&w, &latest_ms));
	assert_in_range((uint64_t)latest_ms, 1500, 2500);
	assert_true(
		asks_for_the_switch_over(&w)); /* it leaves nearly the least, and more would do */
	w.best_end_ms += 10000;
	assert_false(asks_for_the_switch_over(&w));
}

static void who_turns_quiet_is_not_stopped_for_longer_than_the_soft_limit(void **unused)
{
	struct om_watch w = walking(1);

	(void)unused;
	w.model.last.remaining_bytes = (uint64_t)(60 * MIB);
	assert_true(asks_for_the_switch_over(&w));
	w = walking(1);
	w.model.last.remaining_bytes = (uint64_t)(60 * MIB);
	w.gentle_counts = 1;
	assert_in_range(om_watch_follow(&w).downtime_ms, 1, 455);
}

static struct om_action after(struct om_watch *w, uint64_t ms, double remaining_mib)
{
	struct om_sample s = w->model.last;

	s.now_ms += ms;
	s.processed_bytes += ms * (uint64_t)MIB / 10;
	s.remaining_bytes = (uint64_t)(remaining_mib * MIB);
	return om_watch_step(w, &s);
}

static void a_limit_that_stays_is_taken_back_in_a_long_pass_alone(void **unused)
{
	struct om_watch w = walking(0.2);

	(void)unused;
	w.limit_ms = 900;
	w.limit_set_ms = 2000; /* many counts ago */
	assert_int_equal(after(&w, 250, 48).kind, OM_ACTION_NONE);
	assert_int_equal(w.reach, OM_REACH_HARD);
	for (int i = 0; i < 40 && w.reach == OM_REACH_HARD; i++)
		after(&w, 250, 48);
	assert_int_equal(w.reach, OM_REACH_SOFT);
	assert_in_range(w.model.last.now_ms - w.model.pass_begun_ms, 5000 + 2700,
			5000 + 2700 + 250);
}

static void what_is_asked_for_more_loudly_is_foreseen_as_it_is(void **unused)
{
	struct om_watch w = walking(1);
	uint32_t low, high;

	(void)unused;
	assert_true(asks_for_the_switch_over(&w));
	om_watch_foresee(&w);
	low = w.forecast.downtime_low_ms;
	high = w.forecast.downtime_high_ms;
	assert_true(low < 500 && high > 520 && high <= 2 * low);
	assert_true(asks_for_the_switch_over(&w));
	assert_true(w.limit_ms > 1.4 * 575);
	om_watch_foresee(&w);
	assert_int_equal(w.forecast.downtime_low_ms, low);
	assert_int_equal(w.forecast.downtime_high_ms, high);
}

static void who_may_no_longer_harm_has_the_soft_limit_alone(void **unused)
{
	struct om_watch w = walking(0.2);
	struct om_limits limits = w.limits;

	(void)unused;
	om_watch_set_limits(&w, &limits);
	assert_int_equal(w.reach, OM_REACH_HARD);
	limits.policy = OM_POLICY_GENTLE;
	om_watch_set_limits(&w, &limits);
	assert_int_equal(w.reach, OM_REACH_SOFT);
}

static void until_the_least_the_end_may_be_as_late_as_it_is_waited_for(void **unused)
{
	struct om_watch w = walking(0.2);
	uint64_t waits_ms;

	(void)unused;
	om_watch_foresee(&w);
	waits_ms = w.forecast.eta_high_ms;
	assert_true(w.forecast.eta_low_ms < 2000 && waits_ms > 10000 && waits_ms < 14000);
	w.asked = 1; /* now it ends */
	om_watch_foresee(&w);
	assert_true(w.forecast.eta_high_ms < 3000);
}

static void a_few_good_passes_do_not_give_up_the_hard_limit(void **unused)
{
	struct om_watch w = at(calm);

	(void)unused;
	w.reach = OM_REACH_HARD;
	w.counts = 5;
	om_watch_choose_reach(&w);
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_HARD);
	assert_int_equal(w.counts, 5);
	om_watch_choose_reach(&w);
	assert_int_equal(w.reach, OM_REACH_SOFT);
	assert_int_equal(w.counts, 0);
}

static void while_each_pass_leaves_less_the_next_one_is_gone_for(void **unused)
{
	/* 400 MiB at 30 MiB/s: 100 MiB remain, then 28 MiB */
	struct om_watch w = at((struct now){ 400, 30, 100, 300, 5000 });
	struct om_action action = om_watch_follow(&w);

	(void)unused;
	assert_int_equal(action.downtime_ms, 8);
	assert_non_null(strstr(action.why, "each pass leaves less"));
	/* Where that would end too late, the end of this pass has to do. */
	w = at((struct now){ 400, 30, 100, 300, 5000 });
	w.best_end_ms = 6000;
	action = om_watch_follow(&w);
	assert_in_range(action.downtime_ms, 250, 400);
	assert_non_null(strstr(action.why, "what the end of this pass needs"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hard_limit_is_for_what_the_soft_one_does_not_end),
		cmocka_unit_test(what_only_the_whole_soft_limit_would_end_is_hopeless),
		cmocka_unit_test(a_bad_second_opens_nothing_and_closes_nothing),
		cmocka_unit_test(passes_that_are_short_on_purpose_do_not_count_as_falling),
		cmocka_unit_test(an_end_that_is_too_far_away_is_none),
		cmocka_unit_test(a_deadline_that_is_near_opens_the_hard_limit),
		cmocka_unit_test(another_reach_begins_anew),
		cmocka_unit_test(without_a_bandwidth_nothing_follows),
		cmocka_unit_test(a_limit_is_never_so_low_that_it_cannot_be_met),
		cmocka_unit_test(what_takes_no_time_is_not_waited_for),
		cmocka_unit_test(near_the_least_that_ever_remains_it_is_asked_for),
		cmocka_unit_test(a_shorter_stop_may_cost_so_much_time),
		cmocka_unit_test(the_least_and_the_earliest_are_remembered),
		cmocka_unit_test(what_does_not_fit_is_asked_for_quietly_the_next_time),
		cmocka_unit_test(the_limit_begins_at_the_least_that_can_remain),
		cmocka_unit_test(the_limit_stays_where_it_began),
		cmocka_unit_test(the_least_is_seen_first_and_waited_for_then),
		cmocka_unit_test(where_every_pass_leaves_it_all_no_less_is_waited_for),
		cmocka_unit_test(who_leaves_more_after_the_least_is_waited_for),
		cmocka_unit_test(of_the_time_until_a_deadline_half_is_waited_at_the_most),
		cmocka_unit_test(no_more_than_16_s_are_waited_however_long_it_took),
		cmocka_unit_test(who_turns_quiet_is_not_stopped_for_longer_than_the_soft_limit),
		cmocka_unit_test(a_limit_that_stays_is_taken_back_in_a_long_pass_alone),
		cmocka_unit_test(what_is_asked_for_more_loudly_is_foreseen_as_it_is),
		cmocka_unit_test(who_may_no_longer_harm_has_the_soft_limit_alone),
		cmocka_unit_test(until_the_least_the_end_may_be_as_late_as_it_is_waited_for),
		cmocka_unit_test(a_few_good_passes_do_not_give_up_the_hard_limit),
		cmocka_unit_test(while_each_pass_leaves_less_the_next_one_is_gone_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
