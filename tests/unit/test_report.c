/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_report.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define MIB (1ull << 20)

static void the_summary_says_what_is_known_and_nothing_else(void **unused)
{
	static const struct {
		struct om_report r;
		const char *expected;
	} rows[] = {
		{ { .total_ms = 3123,
		    .downtime_ms = 41,
		    .data_bytes = 268 * MIB,
		    .copy_ms = 2500,
		    .passes = 2,
		    .via = "eth1 to 10.77.1.2" },
		  "done in 3.1 s, downtime 41 ms: 268 MiB in 2 passes at 107 MiB/s by eth1 to 10.77.1.2" },
		{ { .total_ms = 3123,
		    .data_bytes = 268 * MIB,
		    .copy_ms = 2500,
		    .passes = 1,
		    .via = "x" },
		  "done in 3.1 s: 268 MiB in 1 pass at 107 MiB/s by x" },
		{ { .total_ms = 3123,
		    .downtime_ms = 41,
		    .data_bytes = 268 * MIB,
		    .passes = 2,
		    .via = "x" },
		  "done in 3.1 s, downtime 41 ms: 268 MiB in 2 passes by x" },
		{ { .total_ms = 900, .downtime_ms = 41, .via = "the default path" },
		  "done in 0.9 s, downtime 41 ms, by the default path" },
		{ { .total_ms = 3123,
		    .data_bytes = 268 * MIB,
		    .copy_ms = 2500,
		    .passes = 2,
		    .guest_bytes = 256 * MIB,
		    .memory_ms = 2500,
		    .src_cpu_ms = 340,
		    .dst_cpu_ms = 210,
		    .via = "x" },
		  "done in 3.1 s: 268 MiB in 2 passes at 107 MiB/s by x; CPU 0.3 s + 0.2 s" },
		{ { .total_ms = 90000, /* 100 GiB of disks came before */
		    .data_bytes = (100ull << 30) + 200 * MIB,
		    .copy_ms = 80000,
		    .passes = 2,
		    .transport = "2 connections, zstd level 1",
		    .guest_bytes = 2000 * MIB,
		    .memory_bytes = 200 * MIB,
		    .memory_ms = 2000,
		    .packed = true,
		    .src_cpu_ms = 3000,
		    .dst_cpu_ms = 2000,
		    .via = "x" },
		  "done in 90.0 s: 100.2 GiB in 2 passes at 1282 MiB/s by x; 2 connections, zstd level 1: "
		  "2000 MiB of memory at 1000 MiB/s, 10 % of it sent, CPU 3.0 s + 2.0 s" },
		{ { .total_ms = 900, .via = "the default path" },
		  "done in 0.9 s, by the default path" },
		{ { .total_ms = 60000,
		    .data_bytes = 64ull << 30,
		    .copy_ms = 1000,
		    .passes = 9,
		    .via = "x" },
		  "done in 60.0 s: 64.0 GiB in 9 passes at 64.0 GiB/s by x" },
		{ { .total_ms = 1, .data_bytes = MIB, .copy_ms = 1, .passes = 1, .via = "x" },
		  "done in 0.0 s: 1 MiB in 1 pass at 1000 MiB/s by x" },
	};
	char text[256];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		om_report_summary(&rows[i].r, text, sizeof(text));
		assert_string_equal(text, rows[i].expected);
	}
}

static void the_whereabouts_of_each_end_name_the_host(void **unused)
{
	static const struct {
		enum om_verdict verdict;
		bool names_src, names_dst;
		const char *begins;
	} rows[] = {
		{ OM_VERDICT_SOURCE, true, false, "the VM still runs on node01" },
		{ OM_VERDICT_SOURCE_LEFTOVER, true, true,
		  "the VM still runs on node01, and node02 holds" },
		{ OM_VERDICT_DEST, false, true, "the VM runs on node02" },
		{ OM_VERDICT_DEST_LEFTOVER, true, true,
		  "the VM runs on node02, and a stopped copy" },
		{ OM_VERDICT_DEST_POSTCOPY, true, true,
		  "the VM is on node02 in an unfinished post-copy" },
		{ OM_VERDICT_BOTH, true, true, "the VM ran on both hosts" },
		{ OM_VERDICT_NEITHER, true, true, "the VM is on neither node01 nor node02" },
		{ OM_VERDICT_UNKNOWN, true, true, "it could not be proven" },
	};
	char text[400];

	(void)unused;
	assert_int_equal(OM_ARRAY_LEN(rows), OM_VERDICT_COUNT - OM_VERDICT_SOURCE);
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		om_report_whereabouts(rows[i].verdict, "node01", "node02", text, sizeof(text));
		assert_true(om_str_starts(text, rows[i].begins));
		assert_int_equal(strstr(text, "node01") != NULL, rows[i].names_src);
		assert_int_equal(strstr(text, "node02") != NULL, rows[i].names_dst);
		assert_null(strchr(text, '{'));
		assert_null(strchr(text, '\n'));
	}
}

static void what_is_not_final_is_told_as_unknown(void **unused)
{
	char text[400];

	(void)unused;
	for (int v = 0; v < OM_VERDICT_SOURCE; v++) {
		om_report_whereabouts((enum om_verdict)v, "a", "b", text, sizeof(text));
		assert_true(om_str_starts(text, "it could not be proven"));
		assert_int_equal(om_report_exit_status((enum om_verdict)v), 1);
	}
}

static void a_short_buffer_is_never_overrun(void **unused)
{
	char whole[400], text[400];

	(void)unused;
	om_report_whereabouts(OM_VERDICT_BOTH, "node01", "node02", whole, sizeof(whole));
	for (size_t size = 1; size <= strlen(whole) + 1; size++) {
		memset(text, 'x', sizeof(text));
		om_report_whereabouts(OM_VERDICT_BOTH, "node01", "node02", text, size);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, whole, size - 1);
		assert_int_equal(text[size], 'x');
	}
}

static void the_exit_status_is_0_only_with_the_guest_on_the_destination(void **unused)
{
	static const int expected[OM_VERDICT_COUNT] = {
		[OM_VERDICT_WAIT] = 1,
		[OM_VERDICT_RESUME_SOURCE] = 1,
		[OM_VERDICT_RESUME_DEST] = 1,
		[OM_VERDICT_DESTROY_DEST] = 1,
		[OM_VERDICT_DESTROY_SOURCE] = 1,
		[OM_VERDICT_SUSPEND_SOURCE] = 1,
		[OM_VERDICT_ABORT_JOB] = 1,
		[OM_VERDICT_SOURCE] = 1,
		[OM_VERDICT_SOURCE_LEFTOVER] = 1,
		[OM_VERDICT_DEST] = 0,
		[OM_VERDICT_DEST_LEFTOVER] = 0,
		[OM_VERDICT_DEST_POSTCOPY] = 0,
		[OM_VERDICT_BOTH] = 0,
		[OM_VERDICT_NEITHER] = 1,
		[OM_VERDICT_UNKNOWN] = 1,
	};

	(void)unused;
	for (int v = 0; v < OM_VERDICT_COUNT; v++)
		assert_int_equal(om_report_exit_status((enum om_verdict)v), expected[v]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_summary_says_what_is_known_and_nothing_else),
		cmocka_unit_test(the_whereabouts_of_each_end_name_the_host),
		cmocka_unit_test(what_is_not_final_is_told_as_unknown),
		cmocka_unit_test(a_short_buffer_is_never_overrun),
		cmocka_unit_test(the_exit_status_is_0_only_with_the_guest_on_the_destination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
