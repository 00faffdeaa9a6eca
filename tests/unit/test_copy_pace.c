/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of disks that a guest writes to: which are worth beginning again, and which never. */
#include "om_cmocka.h"

#include "om_copy_pace.h"
#include "om_util.h"

#include <math.h>

#define MIB (1ull << 20)
#define BEGUN 5000000u	   /* the clock, when the copy begins */
#define LARGE (200 * 1024) /* MiB */

static struct om_copy_watch watch;
static struct om_copy_pace pace;
static uint64_t left_bytes, total_bytes;
static uint64_t now_ms, begun_ms; /* after BEGUN */

static bool look(void)
{
	struct om_copy_sample sample = { .now_ms = BEGUN + now_ms,
					 .begun_ms = BEGUN + begun_ms,
					 .total_bytes = total_bytes,
					 .left_bytes = left_bytes };

	return om_copy_restart_pays(&watch, &sample, &pace);
}

static void begin(uint64_t disk_mib)
{
	watch = (struct om_copy_watch){ 0 };
	left_bytes = total_bytes = disk_mib * MIB;
	now_ms = begun_ms = 0;
	assert_false(look());
}

/* A second goes by, in which up to so much is copied, and so much is written of what was copied before. */
static bool second(uint64_t copied_mib, uint64_t written_mib)
{
	uint64_t copied = copied_mib * MIB;

	total_bytes += written_mib * MIB;
	left_bytes += written_mib * MIB;
	left_bytes -= copied < left_bytes ? copied : left_bytes;
	now_ms += 1000;
	return look();
}

static void goes_on(uint64_t seconds, uint64_t copied_mib, uint64_t written_mib)
{
	while (seconds--)
		if (second(copied_mib, written_mib))
			fail_msg("at %llu ms, %llu MiB left", (unsigned long long)now_ms,
				 (unsigned long long)(left_bytes / MIB));
}

static void to_the_end(uint64_t copied_mib, uint64_t written_mib)
{
	while (left_bytes)
		goes_on(1, copied_mib, written_mib);
}

/* The second at whose end it pays. */
static uint64_t until_it_pays(uint64_t copied_mib, uint64_t written_mib)
{
	while (!second(copied_mib, written_mib))
		assert_true(now_ms < 1000000000);
	return now_ms / 1000;
}

static void a_large_disk_is_copied_to_its_end(void **unused)
{
	(void)unused;
	for (uint64_t written = 0; written <= 50; written++) {
		begin(LARGE);
		to_the_end(100, written);
		goes_on(60, 100, written); /* the memory has not begun yet */
	}
	assert_int_equal(now_ms / 1000, LARGE / 50 + 60);
}

static void the_largest_disk_is_too(void **unused)
{
	(void)unused;
	begin(64ull << 20);
	to_the_end(1000, 500);
}

static void as_fast_as_the_copy_is_too_fast(void **unused)
{
	(void)unused;
	for (uint64_t written = 95; written <= 300; written += 5) {
		begin(LARGE);
		assert_int_equal(until_it_pays(100, written), 20);
	}
	begin(64ull << 20);
	assert_int_equal(until_it_pays(1000, 1000), 20);
}

/* Going on takes as long as LEFT at a part of the pace, beginning again as long as the whole at all of it. */
static void what_takes_twice_as_long_is_not_begun_again(void **unused)
{
	(void)unused;
	/* At 95 % a tenth of the disk takes twice as long as all of it at the whole pace. */
	begin(LARGE);
	left_bytes = LARGE / 10 * MIB;
	to_the_end(100, 95);

	begin(LARGE);
	left_bytes = (LARGE / 10 + 200) * MIB; /* in the first window, which is not behind */
	assert_int_equal(until_it_pays(100, 95), 30);
}

static void a_burst_does_not_cost_a_long_copy(void **unused)
{
	(void)unused;
	for (uint64_t minute = 5; minute <= 29; minute++) {
		begin(30 * 60 * 100);
		goes_on(minute * 60, 100, 1);
		goes_on(30, 100, minute < 15 ? 100 : 400);
		to_the_end(100, 1);
	}
}

static void a_window_grows_with_the_copy(void **unused)
{
	(void)unused;
	for (uint64_t minute = 5; minute <= 60; minute += 5) {
		uint64_t seconds;

		begin(LARGE * 2);
		goes_on(minute * 60, 100, 10);
		seconds = until_it_pays(100, 100) - minute * 60;
		assert_in_range(seconds, minute * 60 / 8, minute * 60 / 2 + 1);
	}
}

/* How long it took before it was first seen counts, as it would for a new one. */
static void the_windows_are_of_the_attempt(void **unused)
{
	(void)unused;
	begin(LARGE);
	watch = (struct om_copy_watch){ 0 };
	now_ms = 800000;
	assert_false(look());
	assert_in_range(until_it_pays(100, 100), 1015, 1060);

	begin(LARGE);
	watch = (struct om_copy_watch){ 0 };
	now_ms = begun_ms = 800000;
	assert_false(look());
	assert_int_equal(until_it_pays(100, 100), 820);
}

/* QEMU counts what was written meanwhile as it comes, or at once when the target goes on. */
static void stands_still(uint64_t begun, uint64_t seconds, uint64_t written)
{
	begin(LARGE);
	goes_on(begun, 100, written);
	goes_on(seconds, 0, written);
	goes_on(600, 100, written);

	begin(LARGE);
	goes_on(begun, 100, written);
	goes_on(seconds, 0, 0);
	goes_on(1, 100, seconds * written);
	goes_on(600, 100, written);
}

static void a_target_that_stands_still_is_no_busy_guest(void **unused)
{
	(void)unused;
	for (uint64_t begun = 0; begun <= 700; begun++)
		for (uint64_t written = 0; written <= 40; written += 10) {
			stands_still(begun, 60, written);
			stands_still(begun, 25, written);
			stands_still(begun, 200, written);
		}
}

static void a_moment_of_it_does_not_hide_one(void **unused)
{
	(void)unused;
	begin(LARGE);
	goes_on(10, 100, 80);
	goes_on(9, 0, 80);
	assert_int_equal(until_it_pays(100, 80), 20);
}

static void a_copy_that_begins_after_the_others_is_no_busy_guest(void **unused)
{
	(void)unused;
	for (uint64_t begun = 1; begun <= 60; begun++) {
		begin(1024);
		goes_on(begun, 10, 1);
		total_bytes += LARGE * MIB;
		left_bytes += LARGE * MIB;
		goes_on(600, 100, 40);
		to_the_end(1000, 1);
	}
}

/* All but a part of the disk is in sync, and that part is written to as fast as it is copied. */
static void what_goes_up_and_down_does_not_get_nearer(void **unused)
{
	(void)unused;
	for (uint32_t seed = 1; seed <= 50; seed++) {
		uint32_t random = seed;
		uint64_t from_ms, left;

		begin(LARGE);
		while (left_bytes > 500 * MIB)
			goes_on(1, 100, 20);
		from_ms = now_ms;
		do {
			random = random * 1664525 + 1013904223;
			left = (400 + (random >> 16) % 200) * MIB;
			total_bytes += 100 * MIB + left - left_bytes;
			left_bytes = left;
			now_ms += 1000;
			assert_true(now_ms < from_ms * 2);
		} while (!look());
		assert_in_range(now_ms, from_ms + from_ms / 8, from_ms * 3 / 2);
	}
}

/* As where one of several has failed and is no longer counted. */
/* As QEMU told of a guest that wrote 8 MiB/s to 8 of 14 MiB, over a link of 2 MiB/s; a sample each two seconds. */
static void passes_over_a_part_of_the_disk_get_no_nearer(void **unused)
{
	static const double left_mib[] = { 13.8, 9.3, 12.5, 8.4, 4.3, 8.0, 9.9, 6.8,
					   8.7,	 9.5, 5.6,  4.8, 8.8, 8.2, 4.9 };
	static const double total_mib[] = { 14,	  14, 22, 22, 22, 30, 36.4, 38,
					    44.4, 54, 54, 54, 62, 66, 66 };
	bool pays = false;

	(void)unused;
	begin(14);
	for (size_t i = 0; i < OM_ARRAY_LEN(left_mib) && !pays; i++) {
		now_ms += 2000;
		left_bytes = (uint64_t)(left_mib[i] * (double)MIB);
		total_bytes = (uint64_t)(total_mib[i] * (double)MIB);
		pays = look();
	}
	assert_true(pays);
	assert_int_equal(now_ms, 30000); /* in the first window it had got nearer */
}

static void a_copy_that_is_gone_is_no_busy_guest(void **unused)
{
	(void)unused;
	begin(LARGE);
	goes_on(60, 100, 10);
	for (int i = 0; i < 60; i++) {
		total_bytes -= 60 * MIB;
		goes_on(1, 10, 20);
	}
	/* What it had copied is no measure of the others. */
	total_bytes -= 2000 * MIB;
	assert_in_range(until_it_pays(10, 20), 130, 170);
}

static void in_sync_is_not_behind(void **unused)
{
	(void)unused;
	begin(1000);
	goes_on(10, 100, 0);
	assert_int_equal(left_bytes, 0);
	goes_on(600, 100, 100);
	assert_int_equal(left_bytes, 0);
}

static void a_single_window_decides_nothing(void **unused)
{
	(void)unused;
	begin(LARGE);
	for (int i = 0; i < 4; i++) {
		goes_on(10, 100, 100);
		goes_on(10, 100, 0);
	}
}

static void the_windows_are_counted_anew_after_a_verdict(void **unused)
{
	(void)unused;
	begin(LARGE);
	assert_int_equal(until_it_pays(100, 100), 20);
	assert_int_equal(until_it_pays(100, 100), 40);
}

static void the_pace_is_that_of_the_last_window(void **unused)
{
	(void)unused;
	begin(1000);
	goes_on(10, 20, 19);
	goes_on(9, 11, 21);
	assert_true(second(21, 31));
	assert_true(fabs(pace.written_bytes_ps / MIB - 22) < 1e-6);
	assert_true(fabs(pace.copied_bytes_ps / MIB - 12) < 1e-6);
	/* The most that was ever left: 990 MiB after ten seconds, 1090 now. */
	assert_int_equal(left_bytes / MIB, 1090);
	assert_true(fabs(pace.again_ms - 1090 / 12.0 * 1000) < 1e-3);

	/* It is not what is left now. */
	begin(1000);
	goes_on(50, 10, 0);
	assert_int_equal(until_it_pays(10, 10), 70);
	assert_int_equal(left_bytes / MIB, 500);
	assert_true(fabs(pace.again_ms - 100000) < 1e-3);

	begin(LARGE);
	goes_on(1600, 100, 10);
	until_it_pays(50, 60); /* windows of 200 s and more */
	assert_true(fabs(pace.written_bytes_ps / MIB - 60) < 1e-6);
	assert_true(fabs(pace.copied_bytes_ps / MIB - 50) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_disk_is_copied_to_its_end),
		cmocka_unit_test(the_largest_disk_is_too),
		cmocka_unit_test(as_fast_as_the_copy_is_too_fast),
		cmocka_unit_test(what_takes_twice_as_long_is_not_begun_again),
		cmocka_unit_test(a_burst_does_not_cost_a_long_copy),
		cmocka_unit_test(a_window_grows_with_the_copy),
		cmocka_unit_test(the_windows_are_of_the_attempt),
		cmocka_unit_test(a_target_that_stands_still_is_no_busy_guest),
		cmocka_unit_test(a_moment_of_it_does_not_hide_one),
		cmocka_unit_test(a_copy_that_begins_after_the_others_is_no_busy_guest),
		cmocka_unit_test(what_goes_up_and_down_does_not_get_nearer),
		cmocka_unit_test(passes_over_a_part_of_the_disk_get_no_nearer),
		cmocka_unit_test(a_copy_that_is_gone_is_no_busy_guest),
		cmocka_unit_test(in_sync_is_not_behind),
		cmocka_unit_test(a_single_window_decides_nothing),
		cmocka_unit_test(the_windows_are_counted_anew_after_a_verdict),
		cmocka_unit_test(the_pace_is_that_of_the_last_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
