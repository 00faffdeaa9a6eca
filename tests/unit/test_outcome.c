/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_outcome.h"
#include "om_util.h"

#include <stdio.h>

/* clang-format off */
#define UNREACHABLE OM_SIDE_UNREACHABLE
#define ABSENT OM_SIDE_ABSENT
#define RUNNING OM_SIDE_RUNNING
#define BACK OM_SIDE_ROLLED_BACK
#define INCOMING OM_SIDE_INCOMING
#define PAUSED OM_SIDE_PAUSED
#define POSTCOPY OM_SIDE_POSTCOPY
#define BROKEN OM_SIDE_POSTCOPY_FAILED
/* clang-format on */

struct row {
	const char *what;
	struct om_side src, dst;
	struct om_outcome_context context;
	enum om_verdict expected;
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum om_verdict got = om_outcome_decide(&rows[i].src, &rows[i].dst,
							&rows[i].context);

		if (got != rows[i].expected)
			fail_msg("%s: verdict %d, not %d", rows[i].what, (int)got,
				 (int)rows[i].expected);
	}
}

#define CHECK(rows) check(rows, OM_ARRAY_LEN(rows))
#define NOT_LATE .waited_ms = OM_AUTODESTROY_WAIT_MS - 1
#define LATE .waited_ms = OM_AUTODESTROY_WAIT_MS
#define NOT_VERY_LATE .waited_ms = OM_UNREACHABLE_WAIT_MS - 1
#define VERY_LATE .waited_ms = OM_UNREACHABLE_WAIT_MS

static void a_running_source_is_the_truth(void **unused)
{
	static const struct row rows[] = {
		{ "nothing there",
		  { .state = RUNNING },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_SOURCE },
		{ "rolled back, nothing there",
		  { .state = BACK },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_SOURCE },
		{ "its job goes on",
		  { .state = RUNNING, .job = true },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_ABORT_JOB },
		{ "its job cannot be cancelled",
		  { .state = RUNNING, .job = true },
		  { .state = ABSENT },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "never stopped, destination silent",
		  { .state = RUNNING },
		  { .state = UNREACHABLE },
		  { 0 },
		  OM_VERDICT_SOURCE },
		{ "was stopped, destination silent",
		  { .state = RUNNING, .stopped = true },
		  { .state = UNREACHABLE },
		  { LATE },
		  OM_VERDICT_WAIT },
		{ "was stopped, destination silent for long",
		  { .state = RUNNING, .stopped = true },
		  { .state = UNREACHABLE },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "rolled back, destination silent",
		  { .state = BACK },
		  { .state = UNREACHABLE },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
	};

	(void)unused;
	CHECK(rows);
}

static void
a_waiting_destination_is_removed_only_when_it_never_ran_and_its_libvirt_had_its_time(void **unused)
{
	static const struct row rows[] = {
		{ "autodestroy may come",
		  { .state = RUNNING },
		  { .state = INCOMING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "autodestroy did not come",
		  { .state = RUNNING },
		  { .state = INCOMING },
		  { LATE },
		  OM_VERDICT_DESTROY_DEST },
		{ "rolled back",
		  { .state = BACK },
		  { .state = INCOMING },
		  { LATE },
		  OM_VERDICT_DESTROY_DEST },
		{ "an event says that it ran",
		  { .state = RUNNING },
		  { .state = INCOMING, .resumed = true },
		  { LATE },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "autodestroy may yet come",
		  { .state = RUNNING },
		  { .state = INCOMING },
		  { NOT_LATE },
		  OM_VERDICT_WAIT },
		{ "a job goes on",
		  { .state = RUNNING, .job = true },
		  { .state = INCOMING },
		  { LATE },
		  OM_VERDICT_ABORT_JOB },
		{ "a job cannot be cancelled",
		  { .state = RUNNING, .job = true },
		  { .state = INCOMING },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "events may have been missed, but it shows that it never ran",
		  { .state = RUNNING },
		  { .state = INCOMING, .unwatched = true },
		  { LATE },
		  OM_VERDICT_DESTROY_DEST },
		{ "it cannot be removed",
		  { .state = RUNNING },
		  { .state = INCOMING },
		  { LATE, .destroy_dest_failed = true },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "--suspend left it paused",
		  { .state = BACK },
		  { .state = PAUSED },
		  { .asked_paused = true },
		  OM_VERDICT_DESTROY_DEST },
		{ "--suspend, but it may have run unseen",
		  { .state = BACK },
		  { .state = PAUSED, .unwatched = true },
		  { .asked_paused = true },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "--suspend, and a job",
		  { .state = RUNNING, .job = true },
		  { .state = PAUSED },
		  { .asked_paused = true },
		  OM_VERDICT_ABORT_JOB },
		{ "--suspend, but it ran",
		  { .state = BACK },
		  { .state = PAUSED, .resumed = true },
		  { .asked_paused = true },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "--suspend, cannot be removed",
		  { .state = BACK },
		  { .state = PAUSED },
		  { .asked_paused = true, .destroy_dest_failed = true },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "paused by somebody",
		  { .state = BACK },
		  { .state = PAUSED },
		  { 0 },
		  OM_VERDICT_SOURCE_LEFTOVER },
	};

	(void)unused;
	CHECK(rows);
}

static void a_source_stopped_for_the_switch_over_is_resumed_only_without_a_runner(void **unused)
{
	static const struct row rows[] = {
		{ "destination gone",
		  { .state = INCOMING },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_RESUME_SOURCE },
		{ "its job has not ended",
		  { .state = INCOMING, .job = true },
		  { .state = ABSENT },
		  { LATE },
		  OM_VERDICT_WAIT },
		{ "its job never ends",
		  { .state = INCOMING, .job = true },
		  { .state = ABSENT },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "the destination ran and ended",
		  { .state = INCOMING },
		  { .state = ABSENT, .resumed = true },
		  { 0 },
		  OM_VERDICT_UNKNOWN },
		{ "the destination had acknowledged its start, and ended",
		  { .state = INCOMING },
		  { .state = ABSENT },
		  { .call_ok = true },
		  OM_VERDICT_UNKNOWN },
		{ "the destination was never to run, and is gone",
		  { .state = INCOMING },
		  { .state = ABSENT },
		  { .call_ok = true, .asked_paused = true },
		  OM_VERDICT_RESUME_SOURCE },
		{ "it cannot be resumed",
		  { .state = INCOMING },
		  { .state = ABSENT },
		  { .resume_failed = true },
		  OM_VERDICT_UNKNOWN },
		{ "both wait",
		  { .state = INCOMING },
		  { .state = INCOMING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "both wait for half a minute",
		  { .state = INCOMING },
		  { .state = INCOMING },
		  { LATE },
		  OM_VERDICT_WAIT },
		{ "both wait for nearly a minute",
		  { .state = INCOMING },
		  { .state = INCOMING },
		  { NOT_VERY_LATE },
		  OM_VERDICT_WAIT },
		{ "both wait for long",
		  { .state = INCOMING },
		  { .state = INCOMING },
		  { VERY_LATE },
		  OM_VERDICT_RESUME_SOURCE },
		{ "both wait, it cannot be resumed",
		  { .state = INCOMING },
		  { .state = INCOMING },
		  { VERY_LATE, .resume_failed = true },
		  OM_VERDICT_UNKNOWN },
		{ "both wait, it ran",
		  { .state = INCOMING },
		  { .state = INCOMING, .resumed = true },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "both wait, a job",
		  { .state = INCOMING, .job = true },
		  { .state = INCOMING },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "destination silent",
		  { .state = INCOMING },
		  { .state = UNREACHABLE },
		  { LATE },
		  OM_VERDICT_WAIT },
		{ "destination silent for long",
		  { .state = INCOMING },
		  { .state = UNREACHABLE },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
	};

	(void)unused;
	CHECK(rows);
}

static void a_destination_that_has_the_guest_is_the_truth(void **unused)
{
	static const struct row rows[] = {
		{ "it runs",
		  { .state = INCOMING },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_DESTROY_SOURCE },
		{ "it has an I/O error",
		  { .state = INCOMING },
		  { .state = PAUSED },
		  { 0 },
		  OM_VERDICT_DESTROY_SOURCE },
		{ "the source's libvirt is at it",
		  { .state = INCOMING, .job = true },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "the source's libvirt forgot it",
		  { .state = INCOMING, .job = true },
		  { .state = RUNNING },
		  { LATE },
		  OM_VERDICT_DESTROY_SOURCE },
		{ "the source's copy stays",
		  { .state = INCOMING },
		  { .state = RUNNING },
		  { .destroy_source_failed = true },
		  OM_VERDICT_DEST_LEFTOVER },
		{ "done", { .state = ABSENT }, { .state = RUNNING }, { 0 }, OM_VERDICT_DEST },
		{ "done, migrated onwards and back",
		  { .state = ABSENT },
		  { .state = BACK },
		  { 0 },
		  OM_VERDICT_DEST },
		{ "done, paused",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { 0 },
		  OM_VERDICT_DEST },
		{ "gone, waiting copy",
		  { .state = ABSENT },
		  { .state = INCOMING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "gone, waiting copy for long",
		  { .state = ABSENT },
		  { .state = INCOMING },
		  { LATE },
		  OM_VERDICT_UNKNOWN },
		{ "gone, destination silent",
		  { .state = ABSENT },
		  { .state = UNREACHABLE },
		  { LATE },
		  OM_VERDICT_WAIT },
		{ "gone, destination silent for long",
		  { .state = ABSENT },
		  { .state = UNREACHABLE },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "gone, destination silent after it had acknowledged",
		  { .state = ABSENT },
		  { .state = UNREACHABLE },
		  { NOT_VERY_LATE, .call_ok = true },
		  OM_VERDICT_WAIT },
		{ "gone, destination silent for long after it had acknowledged",
		  { .state = ABSENT },
		  { .state = UNREACHABLE },
		  { VERY_LATE, .call_ok = true },
		  OM_VERDICT_DEST },
		{ "stopped and not gone, destination silent after it had acknowledged",
		  { .state = INCOMING },
		  { .state = UNREACHABLE },
		  { VERY_LATE, .call_ok = true },
		  OM_VERDICT_UNKNOWN },
		{ "on neither",
		  { .state = ABSENT },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_NEITHER },
	};

	(void)unused;
	CHECK(rows);
}

static void a_guest_that_runs_twice_is_paused_on_the_source_and_nothing_is_destroyed(void **unused)
{
	static const struct row rows[] = {
		{ "both run",
		  { .state = BACK },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_SUSPEND_SOURCE },
		{ "both run, seen late",
		  { .state = BACK },
		  { .state = RUNNING },
		  { VERY_LATE },
		  OM_VERDICT_SUSPEND_SOURCE },
		{ "pausing failed once",
		  { .state = BACK },
		  { .state = RUNNING },
		  { .suspended = true },
		  OM_VERDICT_SUSPEND_SOURCE },
		{ "pausing fails for long",
		  { .state = BACK },
		  { .state = RUNNING },
		  { LATE, .suspended = true },
		  OM_VERDICT_BOTH },
		{ "paused",
		  { .state = PAUSED },
		  { .state = RUNNING },
		  { .suspended = true },
		  OM_VERDICT_BOTH },
		{ "paused by somebody else",
		  { .state = PAUSED },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_WAIT },
	};

	(void)unused;
	CHECK(rows);
}

static void a_guest_that_was_paused_before_is_not_resumed(void **unused)
{
	static const struct row rows[] = {
		{ "nothing there",
		  { .state = PAUSED },
		  { .state = ABSENT },
		  { .source_paused = true },
		  OM_VERDICT_SOURCE },
		{ "waiting copy",
		  { .state = PAUSED },
		  { .state = INCOMING },
		  { LATE, .source_paused = true },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "paused on both",
		  { .state = PAUSED },
		  { .state = PAUSED },
		  { VERY_LATE, .source_paused = true },
		  OM_VERDICT_UNKNOWN },
	};

	(void)unused;
	CHECK(rows);
}

static void in_post_copy_neither_side_is_destroyed(void **unused)
{
	static const struct row rows[] = {
		{ "it goes on",
		  { .state = POSTCOPY },
		  { .state = POSTCOPY },
		  { LATE },
		  OM_VERDICT_WAIT },
		{ "it does not end",
		  { .state = POSTCOPY },
		  { .state = POSTCOPY },
		  { VERY_LATE },
		  OM_VERDICT_DEST_POSTCOPY },
		{ "broken",
		  { .state = BROKEN },
		  { .state = BROKEN },
		  { VERY_LATE },
		  OM_VERDICT_DEST_POSTCOPY },
		{ "unattended",
		  { .state = BROKEN },
		  { .state = POSTCOPY },
		  { VERY_LATE },
		  OM_VERDICT_DEST_POSTCOPY },
		{ "destination silent",
		  { .state = POSTCOPY },
		  { .state = UNREACHABLE },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "destination lost",
		  { .state = POSTCOPY },
		  { .state = ABSENT },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "destination never ran",
		  { .state = BROKEN },
		  { .state = INCOMING },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "all pages came",
		  { .state = BROKEN },
		  { .state = RUNNING },
		  { LATE },
		  OM_VERDICT_DESTROY_SOURCE },
		{ "all pages came, not yet sure",
		  { .state = BROKEN },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "all pages came, husk stays",
		  { .state = BROKEN },
		  { .state = RUNNING },
		  { LATE, .destroy_source_failed = true },
		  OM_VERDICT_DEST_LEFTOVER },
		{ "the source is gone, its end is near",
		  { .state = ABSENT },
		  { .state = POSTCOPY },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "the source is gone",
		  { .state = ABSENT },
		  { .state = POSTCOPY },
		  { LATE },
		  OM_VERDICT_DEST },
		{ "the source is gone, broken",
		  { .state = ABSENT },
		  { .state = BROKEN },
		  { 0 },
		  OM_VERDICT_DEST_POSTCOPY },
	};

	(void)unused;
	CHECK(rows);
}

static void a_job_that_goes_on_is_cancelled_and_the_source_never_named_under_it(void **unused)
{
	static const struct row rows[] = {
		{ "running",
		  { .state = RUNNING, .job = true },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_ABORT_JOB },
		{ "rolled back",
		  { .state = BACK, .job = true },
		  { .state = INCOMING },
		  { 0 },
		  OM_VERDICT_ABORT_JOB },
		{ "never stopped, destination silent",
		  { .state = RUNNING, .job = true },
		  { .state = UNREACHABLE },
		  { 0 },
		  OM_VERDICT_ABORT_JOB },
		{ "destination silent for long",
		  { .state = RUNNING, .job = true },
		  { .state = UNREACHABLE },
		  { VERY_LATE },
		  OM_VERDICT_UNKNOWN },
		{ "paused, nothing there",
		  { .state = PAUSED, .job = true },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_ABORT_JOB },
		{ "paused, copy arrives",
		  { .state = PAUSED, .job = true },
		  { .state = INCOMING },
		  { NOT_VERY_LATE, .source_paused = true },
		  OM_VERDICT_ABORT_JOB },
		{ "paused, cannot be cancelled",
		  { .state = PAUSED, .job = true },
		  { .state = INCOMING },
		  { VERY_LATE, .source_paused = true },
		  OM_VERDICT_UNKNOWN },
		{ "paused by us, cannot be cancelled",
		  { .state = PAUSED, .job = true },
		  { .state = ABSENT },
		  { VERY_LATE, .suspended_by_us = true },
		  OM_VERDICT_UNKNOWN },
		{ "paused, and the destination may have it whole",
		  { .state = PAUSED, .job = true },
		  { .state = PAUSED },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "paused, and the destination cannot be asked",
		  { .state = PAUSED, .job = true },
		  { .state = UNREACHABLE },
		  { NOT_VERY_LATE },
		  OM_VERDICT_WAIT },
		{ "too late: it was switched over",
		  { .state = INCOMING, .job = true },
		  { .state = INCOMING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "too late: it runs there",
		  { .state = INCOMING, .job = true },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_WAIT },
		{ "it runs on both",
		  { .state = RUNNING, .job = true },
		  { .state = RUNNING },
		  { 0 },
		  OM_VERDICT_SUSPEND_SOURCE },
		{ "in post-copy",
		  { .state = POSTCOPY, .job = true },
		  { .state = POSTCOPY },
		  { 0 },
		  OM_VERDICT_WAIT },
	};

	(void)unused;
	CHECK(rows);
}

static void our_own_pause_that_came_too_late_is_taken_back(void **unused)
{
	static const struct row rows[] = {
		{ "nothing there",
		  { .state = PAUSED },
		  { .state = ABSENT },
		  { .suspended_by_us = true },
		  OM_VERDICT_RESUME_SOURCE },
		{ "somebody else's pause",
		  { .state = PAUSED },
		  { .state = ABSENT },
		  { 0 },
		  OM_VERDICT_SOURCE },
		{ "paused before, too",
		  { .state = PAUSED },
		  { .state = ABSENT },
		  { .suspended_by_us = true, .source_paused = true },
		  OM_VERDICT_SOURCE },
		{ "it cannot be resumed",
		  { .state = PAUSED },
		  { .state = ABSENT },
		  { .suspended_by_us = true, .resume_failed = true },
		  OM_VERDICT_SOURCE },
		{ "destination silent",
		  { .state = PAUSED },
		  { .state = UNREACHABLE },
		  { VERY_LATE, .suspended_by_us = true },
		  OM_VERDICT_UNKNOWN },
		{ "a waiting copy is there",
		  { .state = PAUSED },
		  { .state = INCOMING },
		  { LATE, .suspended_by_us = true },
		  OM_VERDICT_SOURCE_LEFTOVER },
		{ "it runs already",
		  { .state = RUNNING },
		  { .state = ABSENT },
		  { .suspended_by_us = true },
		  OM_VERDICT_SOURCE },
	};

	(void)unused;
	CHECK(rows);
}

static void our_own_pause_that_came_too_early_is_taken_back_on_the_destination(void **unused)
{
	static const struct row rows[] = {
		{ "it went there",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { .suspended_by_us = true },
		  OM_VERDICT_RESUME_DEST },
		{ "with the call's success",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { .suspended_by_us = true, .call_ok = true },
		  OM_VERDICT_RESUME_DEST },
		{ "somebody else's pause",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { .call_ok = true },
		  OM_VERDICT_DEST },
		{ "paused before, too",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { .suspended_by_us = true, .source_paused = true },
		  OM_VERDICT_DEST },
		{ "it was to stay paused",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { .suspended_by_us = true, .asked_paused = true },
		  OM_VERDICT_DEST },
		{ "it ran there before it stopped",
		  { .state = ABSENT },
		  { .state = PAUSED, .resumed = true },
		  { .suspended_by_us = true },
		  OM_VERDICT_DEST },
		{ "it may have",
		  { .state = ABSENT },
		  { .state = PAUSED, .unwatched = true },
		  { .suspended_by_us = true },
		  OM_VERDICT_DEST },
		{ "it cannot be resumed",
		  { .state = ABSENT },
		  { .state = PAUSED },
		  { .suspended_by_us = true, .resume_failed = true },
		  OM_VERDICT_DEST },
		{ "a stopped copy is on the source",
		  { .state = INCOMING },
		  { .state = PAUSED },
		  { .suspended_by_us = true },
		  OM_VERDICT_DESTROY_SOURCE },
		{ "the source is silent",
		  { .state = UNREACHABLE },
		  { .state = PAUSED },
		  { .suspended_by_us = true, .call_ok = true },
		  OM_VERDICT_WAIT },
	};

	(void)unused;
	CHECK(rows);
}

static void a_silent_source_is_answered_for_by_a_destination_that_was_started(void **unused)
{
	static const struct row rows[] = {
		{ "acknowledged, not yet sure",
		  { .state = UNREACHABLE },
		  { .state = RUNNING },
		  { NOT_LATE, .call_ok = true },
		  OM_VERDICT_WAIT },
		{ "acknowledged",
		  { .state = UNREACHABLE },
		  { .state = RUNNING },
		  { LATE, .call_ok = true },
		  OM_VERDICT_DEST_LEFTOVER },
		{ "an event told of its start",
		  { .state = UNREACHABLE },
		  { .state = RUNNING, .resumed = true },
		  { LATE },
		  OM_VERDICT_DEST_LEFTOVER },
		{ "acknowledged, migrated onwards and back",
		  { .state = UNREACHABLE },
		  { .state = BACK },
		  { LATE, .call_ok = true },
		  OM_VERDICT_DEST_LEFTOVER },
		{ "acknowledged, but --suspend left it paused",
		  { .state = UNREACHABLE },
		  { .state = PAUSED },
		  { VERY_LATE, .call_ok = true, .asked_paused = true },
		  OM_VERDICT_UNKNOWN },
		{ "acknowledged, but gone",
		  { .state = UNREACHABLE },
		  { .state = ABSENT },
		  { VERY_LATE, .call_ok = true },
		  OM_VERDICT_UNKNOWN },
		{ "both silent after it was acknowledged",
		  { .state = UNREACHABLE },
		  { .state = UNREACHABLE },
		  { VERY_LATE, .call_ok = true },
		  OM_VERDICT_UNKNOWN },
		{ "it was seen to run beside the destination",
		  { .state = UNREACHABLE },
		  { .state = RUNNING, .resumed = true },
		  { LATE, .suspended = true },
		  OM_VERDICT_BOTH },
		{ "it was seen to run beside the destination, no event came",
		  { .state = UNREACHABLE },
		  { .state = RUNNING },
		  { LATE, .suspended = true },
		  OM_VERDICT_BOTH },
	};

	(void)unused;
	CHECK(rows);
}

static void otherwise_a_silent_source_ends_unknown_whatever_the_destination_says(void **unused)
{
	(void)unused;
	for (int state = 0; state < OM_SIDE_COUNT; state++) {
		struct om_side src = { .state = UNREACHABLE },
			       dst = { .state = (enum om_side_state)state };
		struct om_outcome_context early = { LATE }, nearly = { NOT_VERY_LATE },
					  late = { VERY_LATE };

		assert_int_equal(om_outcome_decide(&src, &dst, &early), OM_VERDICT_WAIT);
		assert_int_equal(om_outcome_decide(&src, &dst, &nearly), OM_VERDICT_WAIT);
		assert_int_equal(om_outcome_decide(&src, &dst, &late), OM_VERDICT_UNKNOWN);
	}
}

static void a_migration_begins_only_with_a_proven_source_and_an_empty_destination(void **unused)
{
	static const struct {
		struct om_side src, dst;
		enum om_entry expected;
	} rows[] = {
		{ { .state = RUNNING }, { .state = ABSENT }, OM_ENTRY_GO },
		{ { .state = BACK }, { .state = ABSENT }, OM_ENTRY_GO },
		{ { .state = PAUSED }, { .state = ABSENT }, OM_ENTRY_GO },
		{ { .state = RUNNING, .job = true }, { .state = ABSENT }, OM_ENTRY_SOURCE_BUSY },
		{ { .state = RUNNING, .job = true }, { .state = INCOMING }, OM_ENTRY_SOURCE_BUSY },
		{ { .state = POSTCOPY }, { .state = POSTCOPY }, OM_ENTRY_SOURCE_BUSY },
		{ { .state = BROKEN }, { .state = BROKEN }, OM_ENTRY_SOURCE_BUSY },
		{ { .state = RUNNING }, { .state = INCOMING }, OM_ENTRY_LEFTOVER },
		{ { .state = RUNNING }, { .state = RUNNING }, OM_ENTRY_BOTH },
		{ { .state = RUNNING }, { .state = PAUSED }, OM_ENTRY_BOTH },
		{ { .state = PAUSED }, { .state = INCOMING }, OM_ENTRY_BOTH },
		{ { .state = INCOMING }, { .state = RUNNING }, OM_ENTRY_BOTH },
		{ { .state = ABSENT }, { .state = RUNNING }, OM_ENTRY_DONE_BEFORE },
		{ { .state = ABSENT }, { .state = PAUSED }, OM_ENTRY_DONE_BEFORE },
		{ { .state = ABSENT }, { .state = INCOMING }, OM_ENTRY_UNPROVEN },
		{ { .state = ABSENT }, { .state = POSTCOPY }, OM_ENTRY_UNPROVEN },
		{ { .state = ABSENT }, { .state = ABSENT }, OM_ENTRY_NOT_FOUND },
		{ { .state = UNREACHABLE }, { .state = RUNNING }, OM_ENTRY_UNPROVEN },
		{ { .state = RUNNING }, { .state = UNREACHABLE }, OM_ENTRY_UNPROVEN },
		{ { .state = ABSENT }, { .state = UNREACHABLE }, OM_ENTRY_UNPROVEN },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (om_outcome_entry(&rows[i].src, &rows[i].dst) != rows[i].expected)
			fail_msg("row %zu: source %s, destination %s", i,
				 om_side_state_name(rows[i].src.state),
				 om_side_state_name(rows[i].dst.state));
}

static void every_state_has_a_name(void **unused)
{
	(void)unused;
	for (int state = 0; state < OM_SIDE_COUNT; state++)
		assert_non_null(om_side_state_name((enum om_side_state)state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_source_is_the_truth),
		cmocka_unit_test(
			a_waiting_destination_is_removed_only_when_it_never_ran_and_its_libvirt_had_its_time),
		cmocka_unit_test(
			a_source_stopped_for_the_switch_over_is_resumed_only_without_a_runner),
		cmocka_unit_test(a_destination_that_has_the_guest_is_the_truth),
		cmocka_unit_test(
			a_guest_that_runs_twice_is_paused_on_the_source_and_nothing_is_destroyed),
		cmocka_unit_test(a_guest_that_was_paused_before_is_not_resumed),
		cmocka_unit_test(in_post_copy_neither_side_is_destroyed),
		cmocka_unit_test(
			a_job_that_goes_on_is_cancelled_and_the_source_never_named_under_it),
		cmocka_unit_test(our_own_pause_that_came_too_late_is_taken_back),
		cmocka_unit_test(
			our_own_pause_that_came_too_early_is_taken_back_on_the_destination),
		cmocka_unit_test(a_silent_source_is_answered_for_by_a_destination_that_was_started),
		cmocka_unit_test(
			otherwise_a_silent_source_ends_unknown_whatever_the_destination_says),
		cmocka_unit_test(
			a_migration_begins_only_with_a_proven_source_and_an_empty_destination),
		cmocka_unit_test(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
