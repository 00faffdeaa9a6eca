/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_history.h"
#include "om_util.h"
#include "om_watch.h"

#include <stdio.h>
#include <string.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define MIB (1ull << 20)

static struct om_state record(uint64_t total_ms, uint32_t downtime_ms)
{
	return (struct om_state){
		.uuid = UUID,
		.vm_id = "31",
		.vm_name = "web front 01",
		.src = "node01",
		.dst = "node02",
		.phase = OM_PHASE_DONE,
		.iteration = 3,
		.elapsed_ms = total_ms,
		.downtime_ms = downtime_ms,
		.sent_bytes = 327 * MIB,
		.copy_ms = 3000,
		.actions = "downtime 30 ms at 0.8 s",
		.result = "done in 4.5 s",
	};
}

static void only_a_last_state_is_due(void **unused)
{
	struct om_state state = record(4500, 33);

	(void)unused;
	assert_true(om_history_due(&state));
	state.pid = 1;
	assert_false(om_history_due(&state));
	state.pid = 0;
	for (unsigned int i = 0; i < OM_PHASE_COUNT; i++) {
		state.phase = (enum om_phase)i;
		assert_int_equal(om_history_due(&state), i >= OM_PHASE_DONE);
	}
	/* Repeated for a VM that was there: nothing happened. A refusal is a failure. */
	state.iteration = 0;
	state.sent_bytes = 0;
	state.phase = OM_PHASE_DONE;
	assert_false(om_history_due(&state));
	state.phase = OM_PHASE_FAILED;
	assert_true(om_history_due(&state));
	*state.uuid = '\0';
	assert_false(om_history_due(&state));
}

static void percentiles_are_nearest_ranks_of_what_is_known(void **unused)
{
	struct om_state records[102];
	struct om_history_sums sums;

	(void)unused;
	for (unsigned int i = 0; i < 100; i++)
		records[i] = record((100 - i) * 1000, i % 2 ? 0 : i + 1);
	records[100] = record(999999, 999999);
	records[100].phase = OM_PHASE_FAILED;
	records[101] = record(999999, 999999);
	records[101].phase = OM_PHASE_UNKNOWN;
	om_history_sum(&sums, records, 102);
	assert_int_equal(sums.count, 102);
	assert_int_equal(sums.done, 100);
	assert_int_equal(sums.failed, 1);
	assert_int_equal(sums.unknown, 1);
	assert_int_equal(sums.total_ms.p50, 50000);
	assert_int_equal(sums.total_ms.p95, 95000);
	assert_int_equal(sums.downtime_ms.count, 50);
	assert_int_equal(sums.downtime_ms.p50, 49); /* of 1, 3, 5, ... */
	assert_int_equal(sums.downtime_ms.p95, 95);
	assert_int_equal(sums.rate_bytes_ps.p50, 109 * MIB);
	om_history_sum(&sums, records, 1);
	assert_int_equal(sums.total_ms.p50, 100000);
	assert_int_equal(sums.total_ms.p95, 100000);
	om_history_sum(&sums, records, 0);
	assert_int_equal(sums.count, 0);
	assert_int_equal(sums.total_ms.p95, 0);
}

static void sums_are_a_few_lines(void **unused)
{
	struct om_state records[] = { record(4500, 33), record(8100, 180), record(900, 0) };
	struct om_history_sums sums;
	char text[1000];

	(void)unused;
	records[2].phase = OM_PHASE_FAILED;
	om_history_sum(&sums, records, 3);
	om_history_print_sums(&sums, text, sizeof(text));
	assert_string_equal(text, "3 migrations: 2 done (66 %), 1 failed, 0 unknown\n"
				  "  of done           p50          p95\n"
				  "  time            4.5 s        8.1 s\n"
				  "  downtime        33 ms       180 ms\n"
				  "  rate        109 MiB/s    109 MiB/s\n");
	om_history_print_sums_json(&sums, text, sizeof(text));
	assert_string_equal(
		text, "{\"summary\":{\"count\":3,\"done\":2,\"failed\":1,\"unknown\":0,"
		      "\"total_ms\":{\"count\":2,\"p50\":4500,\"p95\":8100},"
		      "\"downtime_ms\":{\"count\":2,\"p50\":33,\"p95\":180},"
		      "\"rate_bytes_ps\":{\"count\":2,\"p50\":114294784,\"p95\":114294784}}}");
	om_history_sum(&sums, records + 2, 1);
	om_history_print_sums(&sums, text, sizeof(text));
	assert_string_equal(text, "1 migration: 0 done (0 %), 1 failed, 0 unknown\n");
}

static void rows_are_aligned_and_clean(void **unused)
{
	struct om_state state = record(4500, 33);
	char head[1000], line[1000], other[1000];

	(void)unused;
	om_history_print_row(NULL, NULL, head, sizeof(head));
	om_history_print_row(&state, "2026-11-21 15:30:12", line, sizeof(line));
	assert_string_equal(line, "2026-11-21 15:30:12  31      web front 01          "
				  "node01                node02                done         4.5 s"
				  "      33 ms      327 MiB    109 MiB/s       3  "
				  "downtime 30 ms at 0.8 s");
	assert_int_equal(strstr(head, "OUTCOME") - head, strstr(line, "done") - line);
	assert_int_equal(strstr(head, "WAY OF SENDING") - head, strstr(line, "downtime") - line);
	state.sent_bytes = 327 * MIB + MIB / 2; /* to the nearest */
	om_history_print_row(&state, "", other, sizeof(other));
	assert_non_null(strstr(other, " 328 MiB    109 MiB/s "));
	/* A long name is cut by characters, a hostile one is harmless, a failure says why. */
	om_str_copy(state.vm_name, sizeof(state.vm_name),
		    "Z\xc3\xbcrich Z\xc3\xbcrich Z\xc3\xbcrich Z\xc3\xbcrich");
	state.phase = OM_PHASE_FAILED;
	state.downtime_ms = state.iteration = 0;
	state.sent_bytes = 0;
	om_str_copy(state.result, sizeof(state.result), "why\nnot\x1b[2J");
	om_history_print_row(&state, "2026-11-21 15:30:12", other, sizeof(other));
	assert_non_null(strstr(other, "  Z\xc3\xbcrich Z\xc3\xbcrich Z\xc3\xbcric~  node01"));
	assert_non_null(strstr(other, "  failed       4.5 s          -            -            -"
				      "       -  why?not?[2J"));
	*state.result = '\0';
	om_history_print_row(&state, "", other, sizeof(other));
	assert_int_equal(other[strlen(other) - 1], '-');
}

static const char *last_cell(const struct om_state *state)
{
	static char line[1000];

	om_history_print_row(state, "2026-11-21 15:30:12", line, sizeof(line));
	return strstr(line, "      3  ") + strlen("      3  ");
}

static void rows_tell_how_it_was_sent_and_what_for(void **unused)
{
	struct om_state state = record(4500, 33);

	(void)unused;
	state.src_cpu_ms = 1234;
	state.dst_cpu_ms = 800;
	assert_string_equal(last_cell(&state), "CPU 1.2 s + 0.8 s; downtime 30 ms at 0.8 s");
	om_str_copy(state.transport, sizeof(state.transport), "2 connections, zstd level 1");
	state.guest_bytes = 3000 * MIB;
	state.packed_permille = 1 + 66;
	assert_string_equal(last_cell(&state),
			    "2 connections, zstd level 1: memory at 1000 MiB/s, 7 % of it sent, "
			    "CPU 1.2 s + 0.8 s; downtime 30 ms at 0.8 s");
	state.disk_total_bytes = MIB; /* copied in the same time */
	*state.actions = '\0';
	assert_string_equal(last_cell(&state), "2 connections, zstd level 1: memory, 7 % of it "
					       "sent, CPU 1.2 s + 0.8 s");
	state.dst_cpu_ms = state.packed_permille = 0;
	assert_string_equal(last_cell(&state), "2 connections, zstd level 1");
	state.phase = OM_PHASE_FAILED;
	om_str_copy(state.result, sizeof(state.result), "why not");
	assert_string_equal(last_cell(&state), "why not");
}

static struct om_forecast ends_in(uint64_t low_ms, uint64_t high_ms)
{
	return (struct om_forecast){ .known = true, .eta_low_ms = low_ms, .eta_high_ms = high_ms };
}

static void what_was_expected_at_the_half_is_found_again(void **unused)
{
	static const uint64_t totals_ms[] = { 1000, 20000, 100000, 3600000, 86400000 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(totals_ms); i++) {
		uint64_t total_ms = totals_ms[i], begun_ms = 7000000;
		struct om_trace trace = { 0 };
		struct om_state state = { 0 };

		/* Each forecast says by itself when it was made. */
		for (uint64_t at = 0; at < total_ms; at += 250) {
			struct om_forecast forecast = ends_in(at + 1, at + 2);

			om_trace_add(&trace, begun_ms + at, &forecast);
			assert_true(trace.count <= OM_TRACE_POINTS);
		}
		om_trace_half(&trace, begun_ms, begun_ms + total_ms, &state);
		/* At the half, or at most 4 % of the whole before it. */
		assert_true(state.half_eta_low_ms - 1 <= total_ms / 2);
		assert_true(state.half_eta_low_ms - 1 + total_ms / 25 + 250 >= total_ms / 2);
		assert_int_equal(state.half_eta_high_ms, state.half_eta_low_ms + 1);
		assert_int_equal(state.half_left_ms, total_ms - (state.half_eta_low_ms - 1));
	}
}

static void without_a_forecast_at_the_half_there_is_none(void **unused)
{
	struct om_trace trace = { 0 };
	struct om_state state = { .half_left_ms = 1 };
	struct om_forecast forecast = { 0 };

	(void)unused;
	om_trace_half(&trace, 0, 20000, &state);
	assert_int_equal(state.half_left_ms, 0);
	om_trace_add(&trace, 1000, &forecast); /* not known */
	forecast = ends_in(5000, 6000);
	om_trace_add(&trace, 15000, &forecast); /* too late */
	om_trace_half(&trace, 0, 20000, &state);
	assert_int_equal(state.half_left_ms, 0);
	assert_int_equal(state.half_eta_high_ms, 0);
	om_trace_half(&trace, 12000, 20000, &state);
	assert_int_equal(state.half_left_ms, 5000);
	assert_int_equal(state.half_eta_low_ms, 5000);
	assert_int_equal(state.half_eta_high_ms, 6000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_last_state_is_due),
		cmocka_unit_test(percentiles_are_nearest_ranks_of_what_is_known),
		cmocka_unit_test(sums_are_a_few_lines),
		cmocka_unit_test(rows_are_aligned_and_clean),
		cmocka_unit_test(rows_tell_how_it_was_sent_and_what_for),
		cmocka_unit_test(what_was_expected_at_the_half_is_found_again),
		cmocka_unit_test(without_a_forecast_at_the_half_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
