/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_watch.h"

#include <stdio.h>
#include <string.h>

#define MIB (1ull << 20)

static struct om_watch begin(struct om_plan plan)
{
	struct om_watch watch;

	if (!plan.downtime_start_ms)
		plan.downtime_start_ms = 30;
	if (!plan.limits.downtime_max_ms)
		plan.limits.downtime_max_ms = 300;
	om_watch_init(&watch, &plan);
	return watch;
}

static struct om_sample busy(uint32_t pass, uint64_t now_ms, uint64_t remaining_mib,
			     uint64_t dirty_mib)
{
	return (struct om_sample){ .now_ms = now_ms,
				   .processed_bytes = 512 * MIB,
				   .remaining_bytes = remaining_mib * MIB,
				   .total_bytes = 1024 * MIB,
				   .rate_bytes_ps = 100 * MIB,
				   .dirty_bytes_ps = dirty_mib * MIB,
				   .iteration = pass };
}

static struct om_action step(struct om_watch *watch, struct om_sample sample)
{
	return om_watch_step(watch, &sample);
}

static void the_limit_begins_at_30_ms_or_at_a_lower_ceiling(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });
	struct om_action action = step(&watch, busy(1, 5, 500, 0));

	(void)unused;
	assert_int_equal(action.kind, OM_ACTION_DOWNTIME);
	assert_int_equal(action.downtime_ms, 30);
	assert_string_equal(action.why, "downtime limit 30 ms: begin low");
	watch = begin((struct om_plan){ .downtime_start_ms = 30, .limits.downtime_max_ms = 12 });
	assert_int_equal(step(&watch, busy(1, 5, 500, 0)).downtime_ms, 12);
	watch = begin((struct om_plan){ 0 });
	assert_int_equal(step(&watch, busy(1, 5, 500, 0)).downtime_ms, 30);
}

static void the_same_limit_is_not_set_twice(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });

	(void)unused;
	assert_int_equal(step(&watch, busy(1, 5, 500, 0)).kind, OM_ACTION_DOWNTIME);
	assert_int_equal(step(&watch, busy(1, 5, 500, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(1, 6, 500, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(4, 7, 500, 0)).downtime_ms, 300);
	assert_int_equal(step(&watch, busy(5, 8, 500, 0)).kind, OM_ACTION_NONE);
}

static void the_ceiling_is_reached_when_the_third_pass_is_over(void **unused)
{
	static const uint32_t expected[] = { 30, 30, 30, 300, 300 };
	struct om_watch watch = begin((struct om_plan){ 0 });

	(void)unused;
	for (uint32_t pass = 1; pass <= 5; pass++) {
		step(&watch, busy(pass, pass, 500, 0));
		assert_int_equal(watch.limit_ms, expected[pass - 1]);
	}
}

static void an_idle_guest_keeps_the_low_limit(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	for (uint64_t dirty_mib = 0; dirty_mib <= 7; dirty_mib++)
		assert_int_equal(step(&watch, busy(2, 2 + dirty_mib, 100, dirty_mib)).kind,
				 OM_ACTION_NONE);
	assert_int_equal(watch.limit_ms, 30);
}

static void a_busy_guest_gets_what_the_end_of_its_pass_will_need(void **unused)
{
	static const struct {
		uint64_t remaining_mib, dirty_mib;
		uint32_t expected_ms;
	} rows[] = {
		{ 20, 30, 76 }, /* 20 * 0.3 = 6 MiB, 60 ms, and a quarter */
		{ 40, 30, 151 },
		{ 40, 60, 300 }, /* 240 ms and a quarter meet the ceiling exactly */
		{ 100, 60, 300 },
		{ 5, 30, 30 }, /* 15 ms: the low limit does */
		{ 1000000, 100, 300 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_watch watch = begin((struct om_plan){ 0 });

		step(&watch, busy(1, 1, 500, 0));
		step(&watch, busy(2, 2, rows[i].remaining_mib, rows[i].dirty_mib));
		if (watch.limit_ms != rows[i].expected_ms)
			fail_msg("row %zu: %u ms, not %u", i, watch.limit_ms, rows[i].expected_ms);
	}
}

static void nothing_is_predicted_from_the_first_pass_or_without_rates(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });
	struct om_sample s = busy(2, 3, 500, 60);

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	assert_int_equal(step(&watch, busy(1, 2, 500, 60)).kind, OM_ACTION_NONE);
	s.rate_bytes_ps = 0;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_NONE);
}

static void post_copy_starts_once_when_the_first_pass_is_over(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .postcopy_after_precopy = true });

	(void)unused;
	assert_int_equal(step(&watch, busy(1, 1, 500, 0)).kind, OM_ACTION_DOWNTIME);
	assert_int_equal(step(&watch, busy(1, 2, 100, 60)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(2, 3, 500, 0)).kind, OM_ACTION_POSTCOPY);
	for (uint32_t pass = 2; pass < 9; pass++) {
		assert_int_equal(step(&watch, busy(pass, 3 + pass, 500, 0)).kind, OM_ACTION_NONE);
		assert_int_equal(step(&watch, busy(pass, 3 + pass, 100, 60)).kind, OM_ACTION_NONE);
	}
}

static void post_copy_that_would_lose_the_guest_is_never_started(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .postcopy_after_precopy = true,
							.never_switch = true,
							.timeout_s = 1,
							.timeout_action = OM_TIMEOUT_POSTCOPY });

	(void)unused;
	for (uint32_t pass = 1; pass < 9; pass++) {
		assert_int_not_equal(step(&watch, busy(pass, pass * 1000, 500, 0)).kind,
				     OM_ACTION_POSTCOPY);
		assert_int_not_equal(step(&watch, busy(pass, pass * 1000, 100, 60)).kind,
				     OM_ACTION_POSTCOPY);
	}
}

static void the_timeout_acts_once(void **unused)
{
	static const struct {
		enum om_timeout_action action;
		enum om_action_kind expected;
	} rows[] = {
		{ OM_TIMEOUT_SUSPEND, OM_ACTION_SUSPEND },
		{ OM_TIMEOUT_POSTCOPY, OM_ACTION_POSTCOPY },
		{ OM_TIMEOUT_NONE, OM_ACTION_NONE },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_watch watch = begin(
			(struct om_plan){ .timeout_s = 10, .timeout_action = rows[i].action });

		step(&watch, busy(1, 1000, 500, 0));
		assert_int_equal(step(&watch, busy(1, 10999, 100, 0)).kind, OM_ACTION_NONE);
		assert_int_equal(step(&watch, busy(1, 11000, 100, 0)).kind, rows[i].expected);
		assert_int_equal(step(&watch, busy(1, 12000, 100, 0)).kind, OM_ACTION_NONE);
		assert_int_equal(step(&watch, busy(2, 99000, 100, 0)).kind, OM_ACTION_NONE);
	}
}

static void nothing_is_done_once_post_copy_has_begun(void **unused)
{
	struct om_watch watch =
		begin((struct om_plan){ .timeout_s = 1, .timeout_action = OM_TIMEOUT_SUSPEND });
	struct om_sample s = busy(9, 90000, 100, 60);

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	s.postcopy = true;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_NONE);
}

static void percent_never_falls_and_never_reaches_100(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });

	(void)unused;
	step(&watch, (struct om_sample){ .now_ms = 1, .iteration = 1 });
	assert_int_equal(watch.percent, 0);
	step(&watch,
	     (struct om_sample){
		     .now_ms = 2, .iteration = 1, .processed_bytes = 50, .remaining_bytes = 50 });
	assert_int_equal(watch.percent, 50);
	step(&watch,
	     (struct om_sample){
		     .now_ms = 3, .iteration = 2, .processed_bytes = 60, .remaining_bytes = 540 });
	assert_int_equal(watch.percent, 50);
	step(&watch, (struct om_sample){ .now_ms = 4, .iteration = 3, .processed_bytes = 100 });
	assert_int_equal(watch.percent, 99);
}

/* ---- every short sequence ---- */

static const struct om_sample alphabet[] = {
	{ .iteration = 0 },
	{ .iteration = 1, .remaining_bytes = 900 * MIB, .processed_bytes = 100 * MIB },
	{ .iteration = 2,
	  .remaining_bytes = 10 * MIB,
	  .processed_bytes = 990 * MIB,
	  .rate_bytes_ps = 100 * MIB,
	  .dirty_bytes_ps = MIB },
	{ .iteration = 2,
	  .remaining_bytes = 500 * MIB,
	  .processed_bytes = 900 * MIB,
	  .rate_bytes_ps = 100 * MIB,
	  .dirty_bytes_ps = 90 * MIB },
	{ .iteration = 3,
	  .remaining_bytes = 30 * MIB,
	  .processed_bytes = 999 * MIB,
	  .rate_bytes_ps = 100 * MIB,
	  .dirty_bytes_ps = 30 * MIB },
	{ .iteration = 4,
	  .remaining_bytes = UINT64_MAX / 4,
	  .processed_bytes = UINT64_MAX / 4,
	  .rate_bytes_ps = 1,
	  .dirty_bytes_ps = UINT64_MAX / 200 },
	{ .iteration = 9, .postcopy = true },
};
#define LETTERS OM_ARRAY_LEN(alphabet)
#define LENGTH 4

struct seen {
	unsigned int postcopy, suspend;
	uint32_t percent;
	bool in_postcopy;
};

static void check_action(const struct om_watch *watch, struct om_action action, struct seen *seen,
			 const struct om_plan *plan)
{
	if (action.kind != OM_ACTION_NONE && seen->in_postcopy)
		fail_msg("an action after post-copy began");
	if (action.kind != OM_ACTION_NONE && !action.why[0])
		fail_msg("an action without a reason");
	seen->postcopy += action.kind == OM_ACTION_POSTCOPY;
	seen->suspend += action.kind == OM_ACTION_SUSPEND;
	if (action.kind == OM_ACTION_POSTCOPY)
		seen->in_postcopy = true;
	/* A guest that was paused may still be let run by post-copy, as with virsh. */
	if (seen->postcopy > 1 || seen->suspend > 1)
		fail_msg("a last resort twice");
	if (seen->postcopy && !plan->postcopy_after_precopy &&
	    plan->timeout_action != OM_TIMEOUT_POSTCOPY)
		fail_msg("post-copy that nobody asked for");
	if (action.kind == OM_ACTION_DOWNTIME &&
	    (action.downtime_ms > plan->limits.downtime_max_ms || action.downtime_ms == 0))
		fail_msg("a limit of %u ms", action.downtime_ms);
	if (watch->percent > 99 || watch->percent < seen->percent)
		fail_msg("%u %% after %u %%", watch->percent, seen->percent);
	seen->percent = watch->percent;
}

static void try_sequence(const struct om_plan *plan, unsigned int number, unsigned int length)
{
	struct om_watch watch;
	struct seen seen = { 0 };
	uint32_t highest = 0, limit_ms = 0;

	om_watch_init(&watch, plan);
	for (unsigned int i = 0; i < length; i++, number /= LETTERS) {
		struct om_sample s = alphabet[number % LETTERS];

		s.now_ms = i * 700;
		check_action(&watch, om_watch_step(&watch, &s), &seen, plan);
		seen.in_postcopy |= s.postcopy;
		highest = s.iteration > highest ? s.iteration : highest;
		if (watch.limit_ms < limit_ms)
			fail_msg("the limit falls");
		limit_ms = watch.limit_ms;
		if (highest > 3 && !seen.in_postcopy && !seen.suspend &&
		    limit_ms != plan->limits.downtime_max_ms)
			fail_msg("%u ms in pass %u", limit_ms, highest);
	}
}

static void every_short_sequence_of_samples_keeps_the_rules(void **unused)
{
	static const uint32_t ceilings_ms[] = { 1, 30, 31, 300, 5000 };
	unsigned int all = 1;

	(void)unused;
	for (unsigned int length = 1; length <= LENGTH; length++) {
		all *= LETTERS;
		for (unsigned int number = 0; number < all; number++)
			for (unsigned int way = 0; way < 6 * OM_ARRAY_LEN(ceilings_ms); way++) {
				uint32_t ceiling_ms = ceilings_ms[way / 6];
				struct om_plan plan = {
					.limits.downtime_max_ms = ceiling_ms,
					.downtime_start_ms = ceiling_ms < 30 ? ceiling_ms : 30,
					.postcopy_after_precopy = way % 2,
					.timeout_s = 1,
					.timeout_action = (enum om_timeout_action)(way / 2 % 3),
				};

				try_sequence(&plan, number, length);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_begins_at_30_ms_or_at_a_lower_ceiling),
		cmocka_unit_test(the_same_limit_is_not_set_twice),
		cmocka_unit_test(the_ceiling_is_reached_when_the_third_pass_is_over),
		cmocka_unit_test(an_idle_guest_keeps_the_low_limit),
		cmocka_unit_test(a_busy_guest_gets_what_the_end_of_its_pass_will_need),
		cmocka_unit_test(nothing_is_predicted_from_the_first_pass_or_without_rates),
		cmocka_unit_test(post_copy_starts_once_when_the_first_pass_is_over),
		cmocka_unit_test(post_copy_that_would_lose_the_guest_is_never_started),
		cmocka_unit_test(the_timeout_acts_once),
		cmocka_unit_test(nothing_is_done_once_post_copy_has_begun),
		cmocka_unit_test(percent_never_falls_and_never_reaches_100),
		cmocka_unit_test(every_short_sequence_of_samples_keeps_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
