/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_state.h"
#include "om_util.h"
#include "om_watch.h"

#include <stdio.h>
#include <string.h>

#define GIB (1ull << 30)
#define MIB (1ull << 20)

static const struct om_forecast unknown;

static struct om_sample pass(uint32_t iteration, uint64_t remaining_bytes)
{
	return (struct om_sample){ .now_ms = 100000,
				   .elapsed_ms = 20000,
				   .processed_bytes = 3 * GIB,
				   .remaining_bytes = remaining_bytes,
				   .total_bytes = 4 * GIB,
				   .rate_bytes_ps = 110 * MIB,
				   .dirty_bytes_ps = 10 * MIB,
				   .iteration = iteration };
}

static void the_first_pass_counts_for_90_percent_at_most(void **unused)
{
	struct om_sample s = pass(1, 2 * GIB);

	(void)unused;
	assert_int_equal(om_state_progress(0, &s, &unknown), 45);
	s.remaining_bytes = 0;
	assert_int_equal(om_state_progress(0, &s, &unknown), 90);
	s.remaining_bytes = 5 * GIB;
	assert_int_equal(om_state_progress(0, &s, &unknown), 0);
	s.total_bytes = 0;
	assert_int_equal(om_state_progress(0, &s, &unknown), 0);
}

/* The time of the first pass is known soon, what comes after it is not. */
static void nor_is_it_more_where_an_end_is_foreseen_in_the_first_pass(void **unused)
{
	struct om_sample s = pass(1, 0);
	struct om_forecast forecast = { .known = true, .eta_low_ms = 100, .eta_high_ms = 200 };
	struct om_forecast endless = { .known = true };

	(void)unused;
	assert_int_equal(om_state_progress(0, &s, &forecast), 90);
	assert_int_equal(om_state_progress(95, &s, &forecast), 95); /* never back */
	forecast.eta_high_ms = 20000;
	assert_int_equal(om_state_progress(0, &s, &forecast), 50);
	forecast.eta_high_ms = 200;
	s.paused = true; /* it is the only one */
	assert_int_equal(om_state_progress(0, &s, &forecast), 99);
	s.paused = false;
	s.postcopy = true;
	assert_int_equal(om_state_progress(0, &s, &forecast), 99);
	s = pass(2, GIB);
	assert_int_equal(om_state_progress(90, &s, &endless), 90);
	assert_int_equal(om_state_progress(90, &s, &forecast), 99);
}

static void later_passes_without_a_forecast_add_nothing(void **unused)
{
	struct om_sample s = pass(2, 0);
	struct om_forecast endless = { .known = true };

	(void)unused;
	assert_int_equal(om_state_progress(57, &s, &unknown), 57);
	s.iteration = 300;
	assert_int_equal(om_state_progress(57, &s, &endless), 57);
}

static void with_a_forecast_it_is_the_share_of_the_time(void **unused)
{
	struct om_sample s = pass(3, GIB);
	struct om_forecast forecast = { .known = true, .eta_low_ms = 4000, .eta_high_ms = 5000 };

	(void)unused;
	assert_int_equal(om_state_progress(0, &s, &forecast), 80);
	assert_int_equal(om_state_progress(85, &s, &forecast), 85); /* never back */
	forecast.eta_high_ms = 1;
	assert_int_equal(om_state_progress(0, &s, &forecast), 99);
}

static void disks_are_counted(void **unused)
{
	struct om_sample s = pass(1, 4 * GIB);

	(void)unused;
	s.disk_total_bytes = 12 * GIB;
	assert_int_equal(om_state_progress(0, &s, &unknown), 67);
	s.disk_remaining_bytes = 12 * GIB;
	assert_int_equal(om_state_progress(0, &s, &unknown), 0);
	/* As long as QEMU has not begun with memory. */
	s = (struct om_sample){ .disk_total_bytes = 12 * GIB };
	assert_int_equal(om_state_progress(0, &s, &unknown), 80);
}

static void post_copy_goes_by_what_is_left(void **unused)
{
	struct om_sample s = pass(4, GIB);

	(void)unused;
	s.postcopy = true;
	assert_int_equal(om_state_progress(40, &s, &unknown), 75);
	s.remaining_bytes = 0;
	assert_int_equal(om_state_progress(40, &s, &unknown), 99);
}

/* Whatever is seen in whatever order: never less than before, never 100. */
static void it_never_goes_back_and_never_reaches_100(void **unused)
{
	uint32_t percent = 0, seed = 1;

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		struct om_sample s;
		struct om_forecast forecast;
		uint32_t next;

		seed = seed * 1103515245 + 12345;
		s = pass(seed >> 8 & 7, (uint64_t)(seed >> 4) << (seed & 31));
		s.total_bytes = seed & 64 ? 4 * GIB : (uint64_t)seed << 32;
		s.postcopy = seed & 1024;
		s.elapsed_ms = seed & 2048 ? UINT64_MAX : seed;
		forecast = (struct om_forecast){ .known = seed & 4096,
						 .eta_high_ms = (uint64_t)seed << (seed & 31) };
		if (i % 1000 == 0)
			percent = 0;
		next = om_state_progress(percent, &s, &forecast);
		assert_true(next >= percent && next <= 99);
		percent = next;
	}
}

static void a_sample_becomes_a_state(void **unused)
{
	struct om_state state = { .percent = 3 };
	struct om_sample s = pass(2, GIB);
	struct om_watch watch = {
		.limit_ms = 180,
		.limits = { .policy = OM_POLICY_AUTO,
			    .downtime_max_ms = 500,
			    .pause_max_ms = 2000,
			    .deadline_ms = 160000,
			    .postcopy = true,
			    .bandwidth_bytes_ps = 64 * MIB },
		.forecast = { .known = true,
			      .downtime_low_ms = 150,
			      .downtime_high_ms = 180,
			      .eta_low_ms = 4000,
			      .eta_high_ms = 5000,
			      .need_downtime_ms = 160,
			      .need_bytes_ps = 1 },
	};

	(void)unused;
	s.disk_remaining_bytes = 5;
	s.disk_total_bytes = 7;
	s.throttle_percent = 20;
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.phase, OM_PHASE_COPY);
	assert_int_equal(state.iteration, 2);
	assert_int_equal(state.percent, 80);
	assert_int_equal(state.remaining_bytes, GIB);
	assert_int_equal(state.disk_remaining_bytes, 5);
	assert_int_equal(state.disk_total_bytes, 7);
	assert_int_equal(state.throttle_percent, 20);
	assert_int_equal(state.downtime_limit_ms, 180);
	assert_int_equal(state.forecast, 1);
	assert_int_equal(state.eta_low_ms, 4000);
	assert_int_equal(state.eta_ms, 5000);
	assert_int_equal(state.downtime_high_ms, 180);
	assert_int_equal(state.need_downtime_ms, 160);
	assert_string_equal(state.policy, "auto");
	assert_int_equal(state.pause_max_ms, 2000);
	assert_int_equal(state.deadline_epoch_ms, 1784629492000);
	assert_int_equal(state.postcopy_allowed, 1);
	assert_int_equal(state.throttle_allowed, 0);
	assert_int_equal(state.bandwidth_bytes_ps, 64 * MIB);
	/* A forecast that does not hold any more is gone; so is a limit that was lifted. */
	watch.forecast.known = false;
	watch.limits.deadline_ms = 90000; /* over */
	s.postcopy = true;
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.phase, OM_PHASE_POSTCOPY);
	assert_int_equal(state.forecast, 0);
	assert_int_equal(state.eta_high_ms, 0);
	assert_int_equal(state.downtime_high_ms, 0);
	assert_int_equal(state.deadline_epoch_ms, 1784629422000);
	watch.limits.deadline_ms = 0;
	watch.limits.downtime_max_ms = 2500;
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.pause_max_ms, 2500); /* what may be anyway */
	watch.limits.policy = OM_POLICY_GENTLE; /* which may neither, whatever was allowed before */
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.deadline_epoch_ms, 0);
	assert_int_equal(state.pause_max_ms, 0);
	assert_int_equal(state.postcopy_allowed, 0);
	/* A sample that comes after the end of the copy does not begin it anew. */
	state.phase = OM_PHASE_SETTLE;
	s.iteration = 9;
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.phase, OM_PHASE_SETTLE);
	assert_int_equal(state.iteration, 2);
}

static void under_stock_the_limits_in_force_are_told(void **unused)
{
	struct om_state state = { .percent = 3 };
	struct om_sample s = pass(1, GIB);
	struct om_watch watch = { .limits = { .policy = OM_POLICY_STOCK,
					      .downtime_max_ms = 500,
					      .own_ms = 320,
					      .deadline_ms = 160000 } };
	char text[2048];

	(void)unused;
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.downtime_limit_ms, 320);
	assert_int_equal(state.downtime_max_ms, 320);
	assert_int_equal(state.deadline_epoch_ms, 0);
	om_state_print_text(&state, text, sizeof(text));
	assert_non_null(strstr(text, "limit at present 320 ms"));
	assert_non_null(strstr(text, "stock: downtime 320 ms, no post-copy\n"));
	watch.limits.policy = OM_POLICY_AUTO; /* it has yet to set one */
	om_state_take(&state, &s, &watch, 1784629432000);
	assert_int_equal(state.downtime_limit_ms, 0);
	assert_int_equal(state.downtime_max_ms, 500);
	assert_int_equal(state.deadline_epoch_ms, 1784629492000);
}

static void actions_are_listed_and_decisions_dated(void **unused)
{
	struct om_state state = { .eta_high_ms = 9, .downtime_low_ms = 7, .downtime_high_ms = 8 };
	struct om_action action = { .kind = OM_ACTION_DOWNTIME, .downtime_ms = 180 };

	(void)unused;
	om_state_take_action(&state, &action, "downtime limit 180 ms: why", true, 4250, 1000);
	assert_string_equal(state.decision, "downtime limit 180 ms: why");
	assert_int_equal(state.decision_epoch_ms, 1000);
	assert_int_equal(state.acted_eta_high_ms, 9);
	assert_int_equal(state.acted_downtime_low_ms, 7);
	assert_int_equal(state.acted_downtime_high_ms, 8);
	action.kind = OM_ACTION_SAY;
	om_state_take_action(&state, &action, "it would need 3 s", true, 5000, 2000);
	assert_string_equal(state.decision, "it would need 3 s");
	action.kind = OM_ACTION_POSTCOPY;
	state.downtime_high_ms = 80;
	om_state_take_action(&state, &action, "refused", false, 6000, 3000);
	assert_string_equal(state.decision, "refused");
	assert_int_equal(state.decision_epoch_ms, 3000);
	assert_int_equal(state.acted_downtime_high_ms, 8);
	om_state_take_action(&state, &action, "", true, 9000, 4000);
	assert_string_equal(state.decision, "refused");
	assert_string_equal(state.actions, "downtime 180 ms at 4.2 s; post-copy at 9.0 s");
	action.kind = OM_ACTION_COUNT;
	om_state_take_action(&state, &action, "x", true, 9000, 4000);
	assert_string_equal(state.actions, "downtime 180 ms at 4.2 s; post-copy at 9.0 s");
}

static void of_many_actions_the_newest_are_kept(void **unused)
{
	struct om_state state = { .uuid = "" };
	struct om_action action = { .kind = OM_ACTION_DOWNTIME };
	char last[64];

	(void)unused;
	for (unsigned int i = 0; i < 3000; i++) {
		action.downtime_ms = i % 7 ? i : i * 1000003;
		om_state_take_action(&state, &action, "why", true, i * 1000ull, 0);
		assert_true(strlen(state.actions) < sizeof(state.actions));
		assert_true(om_str_starts(state.actions, "downtime "));
		snprintf(last, sizeof(last), "downtime %u ms at %u.0 s", action.downtime_ms, i);
		assert_string_equal(state.actions + strlen(state.actions) - strlen(last), last);
	}
	assert_true(strlen(state.actions) > sizeof(state.actions) / 2);
}

static void limits_make_room_for_what_was_done_to_the_guest(void **unused)
{
	static const char kept[] = "throttle at 1.0 s; pause at 2.0 s; post-copy at 3.0 s";
	struct om_state state = { .uuid = "" };
	struct om_action action = { .kind = OM_ACTION_DOWNTIME, .downtime_ms = 30 };
	static const enum om_action_kind kinds[] = { OM_ACTION_THROTTLE, OM_ACTION_SUSPEND,
						     OM_ACTION_POSTCOPY };

	(void)unused;
	om_state_take_action(&state, &action, "", true, 100, 0);
	for (size_t i = 0; i < OM_ARRAY_LEN(kinds); i++)
		om_state_take_action(&state, &(struct om_action){ .kind = kinds[i] }, "", true,
				     (i + 1) * 1000, 0);
	for (uint32_t i = 0; i < 30; i++) {
		action.downtime_ms = 100 + i;
		om_state_take_action(&state, &action, "", true, 4000 + i * 100, 0);
		assert_non_null(strstr(state.actions, kept));
		assert_true(strlen(state.actions) < sizeof(state.actions));
	}
	assert_true(om_str_starts(state.actions, kept)); /* the first limit is gone */
	assert_non_null(strstr(state.actions, "; downtime 129 ms at 6.9 s"));
	assert_true(strlen(state.actions) > sizeof(state.actions) - 40);
	/* No limit is left: the oldest goes. */
	for (uint32_t i = 0; i < 30; i++)
		om_state_take_action(&state, &(struct om_action){ .kind = OM_ACTION_SUSPEND }, "",
				     true, 10000 + i * 1000, 0);
	assert_true(om_str_starts(state.actions, "pause at 2"));
	assert_true(strlen(state.actions) < sizeof(state.actions));
	assert_non_null(strstr(state.actions, "; pause at 39.0 s"));
	/* The only limit is the last one. */
	om_str_copy(state.actions, sizeof(state.actions), "end at 1.0 s");
	while (strlen(state.actions) + strlen("; end at 1.0 s; downtime 9 ms at 1.0 s") <
	       sizeof(state.actions))
		strcat(state.actions, "; end at 1.0 s");
	action.downtime_ms = 9;
	for (uint32_t i = 1; i < 4; i++) {
		om_state_take_action(&state, &action, "", true, i * 1000, 0);
		assert_null(strstr(state.actions, "; ;"));
	}
	assert_non_null(strstr(state.actions, "end at 1.0 s; downtime 9 ms at 3.0 s"));
	assert_null(strstr(state.actions, "at 2.0 s"));
}

static void files_and_disks_come_before_memory(void **unused)
{
	struct om_state state = { .phase = OM_PHASE_PREPARE };
	struct om_state_storage st = { .files_remaining_bytes = 60 << 20,
				       .files_total_bytes = 100 << 20,
				       .disk_remaining_bytes = 200 << 20,
				       .disk_total_bytes = 200 << 20,
				       .memory_bytes = 100 << 20 };

	(void)unused;
	om_state_take_storage(&state, &st);
	assert_int_equal(state.phase, OM_PHASE_SEND);
	assert_int_equal(state.percent, 9); /* 40 of 400, of which memory may need more */
	assert_int_equal(state.forecast, 0);
	st.rate_bytes_ps = 36 << 20;
	om_state_take_storage(&state, &st);
	assert_int_equal(state.forecast, 1);
	assert_int_equal(state.eta_low_ms, 8500);
	assert_int_equal(state.eta_high_ms, 13000);
	st.disks = true;
	st.files_remaining_bytes = 0;
	st.disk_remaining_bytes = 100 << 20;
	om_state_take_storage(&state, &st);
	assert_int_equal(state.phase, OM_PHASE_COPY);
	assert_int_equal(state.percent, 45);
	assert_int_equal(state.disk_remaining_bytes, 100 << 20);
	st.disk_remaining_bytes = 150 << 20; /* the guest has written */
	om_state_take_storage(&state, &st);
	assert_int_equal(state.percent, 45);
	state.phase = OM_PHASE_SETTLE;
	st.disk_remaining_bytes = 0;
	om_state_take_storage(&state, &st);
	assert_int_equal(state.phase, OM_PHASE_SETTLE);
	assert_int_equal(state.percent, 45);
}

/* The history books what was seen of a link under it. */
static void the_path_is_that_of_the_attempt(void **unused)
{
	struct om_plan plan = {
		.attempts = { { .path = OM_PATH_FAST }, { .path = OM_PATH_DEFAULT } },
		.attempt_count = 2,
		.fast = { .have_addr = true, .route = { .ifname = "eth1", .speed_mbit = 10000 } }
	};
	struct om_state state = { 0 };

	(void)unused;
	assert_true(om_addr_parse(&plan.fast.addr, "10.1.0.2"));
	om_state_take_path(&state, &plan, 0);
	assert_string_equal(state.path_addr, "10.1.0.2");
	assert_string_equal(state.path_ifname, "eth1");
	assert_int_equal(state.path_speed_mbit, 10000);
	om_state_take_path(&state, &plan, 1);
	assert_string_equal(state.path_addr, "");
	assert_string_equal(state.path_ifname, "");
	assert_int_equal(state.path_speed_mbit, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_disks_come_before_memory),
		cmocka_unit_test(the_first_pass_counts_for_90_percent_at_most),
		cmocka_unit_test(nor_is_it_more_where_an_end_is_foreseen_in_the_first_pass),
		cmocka_unit_test(later_passes_without_a_forecast_add_nothing),
		cmocka_unit_test(with_a_forecast_it_is_the_share_of_the_time),
		cmocka_unit_test(disks_are_counted),
		cmocka_unit_test(post_copy_goes_by_what_is_left),
		cmocka_unit_test(it_never_goes_back_and_never_reaches_100),
		cmocka_unit_test(a_sample_becomes_a_state),
		cmocka_unit_test(under_stock_the_limits_in_force_are_told),
		cmocka_unit_test(actions_are_listed_and_decisions_dated),
		cmocka_unit_test(the_path_is_that_of_the_attempt),
		cmocka_unit_test(of_many_actions_the_newest_are_kept),
		cmocka_unit_test(limits_make_room_for_what_was_done_to_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
