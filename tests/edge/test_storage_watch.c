/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are copied: when they count as not getting in sync, what is done then, and what is said. */
#include "om_cmocka.h"

/* It is of the program, not of a library. */
#include "../../helpers/onemigrate/storage_watch.c"

#include <string.h>

#define MIB (1ull << 20)
#define BEGUN 5000000u /* the clock, when the disks are first seen */
#define LIBVIRT 8000000

static uint64_t clock_ms;

uint64_t om_now_ms(void)
{
	return clock_ms;
}

/* storage_judge.c's; the file needs both hosts. */
bool om_storage_is_ours(const struct om_session *session)
{
	return session->storage && session->facts.disks;
}

static struct om_session s;
static struct om_storage storage;
static uint64_t left_bytes, total_bytes, copied_bytes;

static void begin(enum om_policy policy)
{
	static const struct om_disks_facts disks;

	memset(&s, 0, sizeof(s));
	memset(&storage, 0, sizeof(storage));
	s.storage = &storage;
	s.facts.disks = &disks;
	s.facts.versions = (struct om_versions){ .src_libvirt = LIBVIRT, .dst_libvirt = LIBVIRT };
	s.watch.limits.policy = policy;
	pthread_mutex_init(&s.lock, NULL);
	left_bytes = total_bytes = 1000 * MIB;
	copied_bytes = 0;
}

static struct om_action look(uint64_t at_ms)
{
	struct om_sample sample = { .now_ms = BEGUN + at_ms,
				    .disk_remaining_bytes = left_bytes,
				    .disk_total_bytes = total_bytes,
				    .disk_processed_bytes = copied_bytes };

	clock_ms = sample.now_ms;
	return om_storage_watch(&s, &sample);
}

static void nothing_at(uint64_t at_ms)
{
	struct om_action action = look(at_ms);

	if (action.kind != OM_ACTION_NONE || action.tell || *action.why)
		fail_msg("at %llu ms: %d '%s'", (unsigned long long)at_ms, action.kind, action.why);
}

static void acts_at(uint64_t at_ms, enum om_action_kind kind)
{
	struct om_action action = look(at_ms);

	if (action.kind != kind)
		fail_msg("at %llu ms: %d '%s'", (unsigned long long)at_ms, action.kind, action.why);
	assert_true(action.tell);
}

static void says_at(uint64_t at_ms, enum om_action_kind kind, const char *why)
{
	struct om_action action = look(at_ms);

	assert_int_equal(action.kind, kind);
	assert_true(action.tell);
	assert_string_equal(action.why, why);
}

/* A second goes by, in which so much is copied and so much written. */
static void pass_second(uint64_t copied_mib, uint64_t written_mib)
{
	copied_bytes += copied_mib * MIB;
	total_bytes += written_mib * MIB;
	left_bytes = left_bytes + written_mib * MIB - copied_mib * MIB;
}

static void twenty_seconds_without_progress_and_not_less(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	nothing_at(250);
	nothing_at(19999);
	acts_at(20000, OM_ACTION_SYNC_WRITES);
}

static void more_that_is_left_is_no_progress(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	left_bytes = total_bytes = 1400 * MIB;
	nothing_at(10000);
	left_bytes = 1001 * MIB; /* less than before, not less than the least */
	nothing_at(19999);
	acts_at(20000, OM_ACTION_SYNC_WRITES);
}

static void a_fiftieth_is_progress_and_less_is_not(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	left_bytes = 980 * MIB + 1;
	nothing_at(10000);
	acts_at(20000, OM_ACTION_SYNC_WRITES);

	begin(OM_POLICY_AUTO);
	nothing_at(0);
	left_bytes = 980 * MIB - 1;
	nothing_at(10000);
	nothing_at(29999);
	acts_at(30000, OM_ACTION_SYNC_WRITES);
}

static void progress_is_measured_from_the_last(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	left_bytes = 500 * MIB;
	nothing_at(10000);
	left_bytes = 491 * MIB; /* of 1000 MiB it would be */
	nothing_at(20000);
	acts_at(30000, OM_ACTION_SYNC_WRITES);

	begin(OM_POLICY_AUTO);
	nothing_at(0);
	for (uint64_t at_ms = 15000; at_ms <= 150000; at_ms += 15000) {
		left_bytes = left_bytes * 97 / 100;
		nothing_at(at_ms);
	}
}

static void a_smaller_total_is_another_attempt(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	total_bytes = 2000 * MIB;
	left_bytes = 100 * MIB;
	nothing_at(0);
	total_bytes = left_bytes = 1000 * MIB;
	nothing_at(15000);
	nothing_at(34999);
	says_at(35000, OM_ACTION_SYNC_WRITES,
		"the disks do not get in sync: the guest writes 0 MiB/s to them, "
		"0 MiB/s are copied");

	begin(OM_POLICY_AUTO);
	nothing_at(0);
	total_bytes--;
	nothing_at(15000);
	nothing_at(34999);
	acts_at(35000, OM_ACTION_SYNC_WRITES);
}

/* Written: since the last progress. Copied: in the last second. */
static void both_rates_are_told(void **unused)
{
	uint64_t at_ms = 0;

	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(at_ms);
	for (; at_ms < 4000; nothing_at(at_ms += 1000))
		pass_second(60, 40);
	pass_second(0, 0);
	nothing_at(at_ms += 1000); /* the last progress was a second ago */
	for (; at_ms < 23000; nothing_at(at_ms += 1000))
		pass_second(11, 20);
	pass_second(7, 20);
	says_at(at_ms += 1000, OM_ACTION_SYNC_WRITES,
		"the disks do not get in sync: the guest writes 19 MiB/s to them, "
		"7 MiB/s are copied");
	s.requests.flags = OM_FLAG_SYNC_WRITES;
	for (; at_ms < 43000; nothing_at(at_ms += 1000))
		pass_second(2, 3);
	pass_second(4, 3);
	says_at(at_ms + 1000, OM_ACTION_SAY,
		"the disks do not get in sync and the copy goes on: the guest writes 3 MiB/s to "
		"them, 4 MiB/s are copied; it needs a faster way or a guest that writes less");
}

static void the_rate_is_not_that_of_less_than_a_second(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	nothing_at(18000);
	copied_bytes = 10 * MIB;
	nothing_at(19000);
	copied_bytes = 1000 * MIB;
	nothing_at(19999);
	copied_bytes = 2010 * MIB;
	says_at(20001, OM_ACTION_SYNC_WRITES,
		"the disks do not get in sync: the guest writes 0 MiB/s to them, "
		"1998 MiB/s are copied");
}

/* It is asked for again only where it has not led to another attempt. */
static void asked_for_once_and_again_if_refused(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	acts_at(20000, OM_ACTION_SYNC_WRITES);
	nothing_at(20100);
	nothing_at(39999);
	acts_at(40000, OM_ACTION_SYNC_WRITES);
	nothing_at(40100);
	s.requests.flags = OM_FLAG_LIVE | OM_FLAG_SYNC_WRITES;
	nothing_at(59999);
	acts_at(60000, OM_ACTION_SAY);
}

static void it_is_said_once_that_the_copy_goes_on(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	s.requests.flags = OM_FLAG_SYNC_WRITES;
	nothing_at(0);
	acts_at(20000, OM_ACTION_SAY);
	nothing_at(20100);
	nothing_at(40000);
	nothing_at(60000);
	left_bytes = 500 * MIB;
	nothing_at(60100);
	nothing_at(80100);
	total_bytes = 600 * MIB; /* another attempt */
	nothing_at(80200);
	nothing_at(100200);
}

static void begun_again_only_where_that_is_possible_and_allowed(void **unused)
{
	static const struct {
		enum om_policy policy;
		unsigned int flags;
		uint64_t src_libvirt, dst_libvirt;
		uint64_t deadline_ms; /* after BEGUN; 0 = none */
		enum om_action_kind expected;
	} rows[] = {
		{ OM_POLICY_AUTO, OM_FLAG_LIVE | OM_FLAG_NON_SHARED_INC, LIBVIRT, LIBVIRT, 0,
		  OM_ACTION_SYNC_WRITES },
		{ OM_POLICY_GUARANTEED, 0, LIBVIRT, LIBVIRT, 0, OM_ACTION_SYNC_WRITES },
		{ OM_POLICY_GENTLE, 0, LIBVIRT, LIBVIRT, 0, OM_ACTION_SAY },
		{ OM_POLICY_STOCK, 0, LIBVIRT, LIBVIRT, 0, OM_ACTION_SAY },
		{ OM_POLICY_AUTO, OM_FLAG_LIVE | OM_FLAG_SYNC_WRITES, LIBVIRT, LIBVIRT, 0,
		  OM_ACTION_SAY },
		{ OM_POLICY_GUARANTEED, OM_FLAG_SYNC_WRITES, LIBVIRT, LIBVIRT, 0, OM_ACTION_SAY },
		{ OM_POLICY_AUTO, 0, LIBVIRT - 1, 11003000, 0, OM_ACTION_SAY },
		{ OM_POLICY_AUTO, 0, 11003000, LIBVIRT - 1, 0, OM_ACTION_SAY },
		{ OM_POLICY_AUTO, 0, 11003000, 0, 0, OM_ACTION_SAY }, /* not known */
		{ OM_POLICY_AUTO, 0, 11003000, 11003000, 0, OM_ACTION_SYNC_WRITES },
		/* 30 s have gone by: so long a copy takes at least. */
		{ OM_POLICY_AUTO, 0, LIBVIRT, LIBVIRT, 60000, OM_ACTION_SAY },
		{ OM_POLICY_AUTO, 0, LIBVIRT, LIBVIRT, 60001, OM_ACTION_SYNC_WRITES },
		{ OM_POLICY_GUARANTEED, 0, LIBVIRT, LIBVIRT, 60000, OM_ACTION_SYNC_WRITES },
		{ OM_POLICY_GUARANTEED, 0, LIBVIRT, LIBVIRT, 20000, OM_ACTION_SYNC_WRITES },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_action action;

		begin(rows[i].policy);
		s.requests.flags = rows[i].flags;
		s.facts.versions.src_libvirt = rows[i].src_libvirt;
		s.facts.versions.dst_libvirt = rows[i].dst_libvirt;
		if (rows[i].deadline_ms)
			s.watch.limits.deadline_ms = BEGUN + rows[i].deadline_ms;
		nothing_at(0);
		left_bytes /= 2;
		nothing_at(10000);
		action = look(30000);
		if (action.kind != rows[i].expected)
			fail_msg("row %zu: %d '%s'", i, action.kind, action.why);
	}
}

static void at_the_deadline_it_is_ended_unless_the_policy_does_not(void **unused)
{
	static const enum om_policy ends[] = { OM_POLICY_AUTO, OM_POLICY_GENTLE };
	static const enum om_policy goes_on[] = { OM_POLICY_GUARANTEED, OM_POLICY_STOCK };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(ends); i++) {
		begin(ends[i]);
		s.watch.limits.deadline_ms = BEGUN + 5000;
		nothing_at(0);
		left_bytes = 700 * MIB;
		nothing_at(4999);
		says_at(5000, OM_ACTION_ABORT,
			"ended at the deadline; the disks were not in sync, 700 MiB had yet to be "
			"copied");
		acts_at(5250, OM_ACTION_ABORT);
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(goes_on); i++) {
		begin(goes_on[i]);
		s.watch.limits.deadline_ms = BEGUN + 5000;
		nothing_at(0);
		nothing_at(5000);
		nothing_at(19999);
	}
}

static void nothing_is_judged_where_no_disk_of_ours_is_copied(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	s.watch.limits.deadline_ms = BEGUN;
	total_bytes = left_bytes = 0; /* not begun */
	nothing_at(0);
	nothing_at(20000);
	assert_int_equal(s.disks_begun_ms, 0);
	total_bytes = left_bytes = MIB;
	s.facts.disks = NULL;
	nothing_at(20000);
	s.storage = NULL;
	nothing_at(40000);
	assert_int_equal(s.disks_begun_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twenty_seconds_without_progress_and_not_less),
		cmocka_unit_test(more_that_is_left_is_no_progress),
		cmocka_unit_test(a_fiftieth_is_progress_and_less_is_not),
		cmocka_unit_test(progress_is_measured_from_the_last),
		cmocka_unit_test(a_smaller_total_is_another_attempt),
		cmocka_unit_test(both_rates_are_told),
		cmocka_unit_test(the_rate_is_not_that_of_less_than_a_second),
		cmocka_unit_test(asked_for_once_and_again_if_refused),
		cmocka_unit_test(it_is_said_once_that_the_copy_goes_on),
		cmocka_unit_test(begun_again_only_where_that_is_possible_and_allowed),
		cmocka_unit_test(at_the_deadline_it_is_ended_unless_the_policy_does_not),
		cmocka_unit_test(nothing_is_judged_where_no_disk_of_ours_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
