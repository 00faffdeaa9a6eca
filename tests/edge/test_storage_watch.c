/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are copied and do not get in sync: what is done then, and what is said. */
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
static uint64_t now_ms; /* after BEGUN */

static void begin_with(enum om_policy policy, uint64_t disk_mib)
{
	static const struct om_disks_facts disks;

	memset(&s, 0, sizeof(s));
	memset(&storage, 0, sizeof(storage));
	s.storage = &storage;
	s.facts.disks = &disks;
	s.facts.versions = (struct om_versions){ .src_libvirt = LIBVIRT, .dst_libvirt = LIBVIRT };
	s.watch.limits.policy = policy;
	pthread_mutex_init(&s.lock, NULL);
	left_bytes = total_bytes = disk_mib * MIB;
	copied_bytes = now_ms = 0;
}

static void begin(enum om_policy policy)
{
	begin_with(policy, 1000);
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

/* A second goes by, in which up to so much is copied, and so much is written of what was copied before. */
static struct om_action second(uint64_t copied_mib, uint64_t written_mib)
{
	uint64_t copied = copied_mib * MIB;

	total_bytes += written_mib * MIB;
	left_bytes += written_mib * MIB;
	if (copied > left_bytes)
		copied = left_bytes;
	left_bytes -= copied;
	copied_bytes += copied;
	return look(now_ms += 1000);
}

static void quiet(uint64_t seconds, uint64_t copied_mib, uint64_t written_mib)
{
	struct om_action action;

	while (seconds--) {
		action = second(copied_mib, written_mib);
		if (action.kind != OM_ACTION_NONE || action.tell || *action.why)
			fail_msg("at %llu ms, %llu MiB left: %d '%s'", (unsigned long long)now_ms,
				 (unsigned long long)(left_bytes / MIB), action.kind, action.why);
	}
}

/* The second at whose end something happens, which has to be this. */
static uint64_t until(enum om_action_kind kind, uint64_t copied_mib, uint64_t written_mib)
{
	struct om_action action;

	do {
		action = second(copied_mib, written_mib);
		assert_true(now_ms < 1000000000);
	} while (action.kind == OM_ACTION_NONE);
	if (action.kind != kind)
		fail_msg("at %llu ms: %d '%s'", (unsigned long long)now_ms, action.kind,
			 action.why);
	assert_true(action.tell);
	return now_ms / 1000;
}

/* As ports.c does before each call of libvirt's. */
static void begin_attempt(uint64_t disk_mib)
{
	s.disks_begun_ms = 0;
	left_bytes = total_bytes = disk_mib * MIB;
	copied_bytes = 0;
}

#define LARGE (200 * 1024) /* MiB */

/* The same disks again: nothing of the attempt before counts. */
static void another_attempt_begins_from_nothing(void **unused)
{
	(void)unused;
	begin_with(OM_POLICY_AUTO, LARGE);
	nothing_at(0);
	assert_int_equal(until(OM_ACTION_SYNC_WRITES, 100, 100), 20);
	quiet(19, 100, 100);
	begin_attempt(LARGE);
	quiet(20, 100, 100); /* seen first after a second */
	assert_int_equal(s.disks_begun_ms, BEGUN + 40000);
	assert_int_equal(until(OM_ACTION_SYNC_WRITES, 100, 100), 60);

	/* How long the attempt before took does not make windows long. */
	begin_with(OM_POLICY_AUTO, LARGE);
	nothing_at(0);
	quiet(1800, 100, 10);
	begin_attempt(LARGE);
	assert_int_equal(until(OM_ACTION_SYNC_WRITES, 100, 100), 1821);

	/* How large it was does not make the copy dear. */
	begin_with(OM_POLICY_AUTO, LARGE);
	nothing_at(0);
	quiet(15, 100, 10);
	begin_attempt(LARGE / 10);
	assert_int_equal(until(OM_ACTION_SYNC_WRITES, 100, 60), 36);
}

static void both_rates_are_told(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	quiet(10, 20, 19);
	quiet(9, 11, 21);
	total_bytes += 21 * MIB;
	says_at(now_ms += 1000, OM_ACTION_SYNC_WRITES,
		"the disks do not get in sync: the guest writes 21 MiB/s to them, "
		"12 MiB/s are copied");
	s.requests.flags = OM_FLAG_SYNC_WRITES;
	quiet(19, 4, 5);
	total_bytes += 5 * MIB;
	left_bytes += MIB;
	says_at(now_ms += 1000, OM_ACTION_SAY,
		"the disks do not get in sync and the copy goes on: the guest writes 5 MiB/s to "
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
	assert_true(s.state.rate_bytes_ps == 10 * MIB);
	copied_bytes = 1000 * MIB;
	nothing_at(19999);
	assert_true(s.state.rate_bytes_ps == 10 * MIB);
	copied_bytes = 2010 * MIB;
	nothing_at(20001);
	assert_true(s.state.rate_bytes_ps >> 20 == 1998);
}

/* It is asked for again only where it has not led to another attempt. */
static void asked_for_once_and_again_if_refused(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	nothing_at(0);
	assert_int_equal(until(OM_ACTION_SYNC_WRITES, 10, 10), 20);
	nothing_at(20100);
	assert_int_equal(until(OM_ACTION_SYNC_WRITES, 10, 10), 40);
	nothing_at(40100);
	s.requests.flags = OM_FLAG_LIVE | OM_FLAG_SYNC_WRITES;
	assert_int_equal(until(OM_ACTION_SAY, 10, 10), 60);
}

static void it_is_said_once_that_the_copy_goes_on(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	s.requests.flags = OM_FLAG_SYNC_WRITES;
	nothing_at(0);
	assert_int_equal(until(OM_ACTION_SAY, 10, 10), 20);
	quiet(600, 10, 11);
	begin_attempt(1000);
	quiet(600, 10, 11);
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
		/* 20 s have gone by, and a copy takes 100 s. */
		{ OM_POLICY_AUTO, 0, LIBVIRT, LIBVIRT, 120000, OM_ACTION_SAY },
		{ OM_POLICY_AUTO, 0, LIBVIRT, LIBVIRT, 120001, OM_ACTION_SYNC_WRITES },
		{ OM_POLICY_GUARANTEED, 0, LIBVIRT, LIBVIRT, 120000, OM_ACTION_SYNC_WRITES },
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
		quiet(19, 10, 10);
		action = second(10, 10);
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
		cmocka_unit_test(another_attempt_begins_from_nothing),
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
