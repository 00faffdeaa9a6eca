/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that asks and repairs: hosts that change by themselves, repairs that fail or that are
 * reported as done and change nothing. */
#include "om_cmocka.h"

#include "om_run.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

struct change {
	uint64_t at_ms;
	enum om_side_state src, dst;
};

struct world {
	struct change changes[4]; /* by time; ends where at_ms is 0, but for the first */
	uint64_t now_ms;
	struct om_outcome_context context;
	bool job;	      /* goes on until it is cancelled */
	uint64_t job_ends_ms; /* or until then */
	bool fail;	      /* every repair */
	bool lie;	      /* every repair is reported as done and changes nothing */
	enum om_side_state src, dst;
	unsigned int resumes, dst_resumes, suspends, aborts, src_destroys, dst_destroys, warnings,
		asked, phases;
};

static uint64_t now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static void sleep_ms(void *ctx, uint32_t ms)
{
	struct world *w = ctx;

	w->now_ms += ms;
	if (w->job_ends_ms && w->now_ms >= w->job_ends_ms)
		w->job = false;
	for (size_t i = 1; i < OM_ARRAY_LEN(w->changes) && w->changes[i].at_ms; i++)
		if (w->now_ms >= w->changes[i].at_ms && w->now_ms - ms < w->changes[i].at_ms) {
			w->src = w->changes[i].src;
			w->dst = w->changes[i].dst;
		}
}

static void log_line(void *ctx, enum om_log_level level, const char *text)
{
	(void)text;
	((struct world *)ctx)->warnings += level == OM_LOG_WARN;
}

static void phase(void *ctx, enum om_phase phase)
{
	assert_int_equal(phase, OM_PHASE_SETTLE);
	((struct world *)ctx)->phases++;
}

static void sides(void *ctx, struct om_side *src, struct om_side *dst)
{
	struct world *w = ctx;

	if (++w->asked > 2000)
		fail_msg("it asks for ever");
	*src = (struct om_side){ .state = w->src, .job = w->job };
	*dst = (struct om_side){ .state = w->dst };
}

static bool repair(struct world *w, unsigned int *count, enum om_side_state *side,
		   enum om_side_state to, struct om_err *err)
{
	++*count;
	if (w->fail)
		return om_err_set(err, OM_E_UNKNOWN, "no");
	if (!w->lie)
		*side = to;
	return true;
}

static bool resume_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	return repair(w, &w->resumes, &w->src, OM_SIDE_RUNNING, err);
}

static bool resume_dest(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	assert_true(w->src == OM_SIDE_ABSENT && w->dst == OM_SIDE_PAUSED);
	return repair(w, &w->dst_resumes, &w->dst, OM_SIDE_RUNNING, err);
}

static bool suspend_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	return repair(w, &w->suspends, &w->src, OM_SIDE_PAUSED, err);
}

static bool abort_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	assert_true(w->job);
	assert_true(w->src == OM_SIDE_RUNNING || w->src == OM_SIDE_ROLLED_BACK ||
		    w->src == OM_SIDE_PAUSED);
	assert_true(w->dst != OM_SIDE_RUNNING && w->dst != OM_SIDE_ROLLED_BACK);
	w->aborts++;
	if (w->fail)
		return om_err_set(err, OM_E_REFUSED, "no");
	w->job = w->lie;
	return true;
}

static bool destroy_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	assert_true(w->dst == OM_SIDE_RUNNING || w->dst == OM_SIDE_ROLLED_BACK ||
		    w->dst == OM_SIDE_PAUSED);
	return repair(w, &w->src_destroys, &w->src, OM_SIDE_ABSENT, err);
}

static bool destroy_dest(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	assert_true(w->src == OM_SIDE_RUNNING || w->src == OM_SIDE_ROLLED_BACK);
	return repair(w, &w->dst_destroys, &w->dst, OM_SIDE_ABSENT, err);
}

static enum om_verdict settle(struct world *w)
{
	const struct om_run_ops ops = {
		.ctx = w,
		.now_ms = now_ms,
		.sleep_ms = sleep_ms,
		.log = log_line,
		.phase = phase,
		.sides = sides,
		.resume_source = resume_source,
		.resume_dest = resume_dest,
		.suspend_source = suspend_source,
		.abort_source = abort_source,
		.destroy_source = destroy_source,
		.destroy_dest = destroy_dest,
	};
	struct om_outcome_context context = w->context;

	w->src = w->changes[0].src;
	w->dst = w->changes[0].dst;
	return om_run_settle(&ops, &context);
}

#define HOSTS(s, d) .changes = { { 0, OM_SIDE_##s, OM_SIDE_##d } }
#define LATER(s, d, t, s2, d2)                                                                     \
	.changes = { { 0, OM_SIDE_##s, OM_SIDE_##d }, { t, OM_SIDE_##s2, OM_SIDE_##d2 } }

static void what_needs_no_time_is_answered_at_once(void **unused)
{
	static const struct {
		struct world w;
		enum om_verdict verdict;
	} rows[] = {
		{ { HOSTS(ABSENT, RUNNING) }, OM_VERDICT_DEST },
		{ { HOSTS(RUNNING, ABSENT) }, OM_VERDICT_SOURCE },
		{ { HOSTS(ABSENT, ABSENT) }, OM_VERDICT_NEITHER },
		{ { HOSTS(INCOMING, RUNNING) }, OM_VERDICT_DEST },
		{ { HOSTS(INCOMING, ABSENT) }, OM_VERDICT_SOURCE },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct world w = rows[i].w;

		assert_int_equal(settle(&w), rows[i].verdict);
		assert_int_equal(w.now_ms, 0);
		assert_int_equal(w.warnings, 0);
		assert_int_equal(w.phases, 1);
	}
}

static void hosts_that_clean_up_by_themselves_are_waited_for(void **unused)
{
	static const struct {
		struct world w;
		enum om_verdict verdict;
		uint64_t at_most_ms;
	} rows[] = {
		{ { LATER(RUNNING, INCOMING, 2000, RUNNING, ABSENT) }, OM_VERDICT_SOURCE, 2200 },
		{ { LATER(INCOMING, INCOMING, 30000, INCOMING, ABSENT) },
		  OM_VERDICT_SOURCE,
		  30200 },
		{ { LATER(INCOMING, INCOMING, 59000, INCOMING, ABSENT) },
		  OM_VERDICT_SOURCE,
		  59200 },
		{ { LATER(INCOMING, INCOMING, 59000, INCOMING, RUNNING) }, OM_VERDICT_DEST, 59200 },
		{ { LATER(INCOMING, INCOMING, 900, INCOMING, RUNNING) }, OM_VERDICT_DEST, 1100 },
		{ { LATER(ABSENT, UNREACHABLE, 50000, ABSENT, RUNNING) }, OM_VERDICT_DEST, 50200 },
		{ { LATER(POSTCOPY, POSTCOPY, 5000, ABSENT, RUNNING) }, OM_VERDICT_DEST, 5200 },
		{ { LATER(UNREACHABLE, UNREACHABLE, 9000, RUNNING, ABSENT) },
		  OM_VERDICT_SOURCE,
		  9200 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct world w = rows[i].w;
		enum om_verdict verdict = settle(&w);

		if (verdict != rows[i].verdict || w.now_ms > rows[i].at_most_ms)
			fail_msg("row %zu: verdict %d after %u ms", i, (int)verdict,
				 (unsigned int)w.now_ms);
		assert_int_equal(w.dst_destroys, 0);
	}
}

static void hosts_that_do_not_are_repaired_after_the_wait(void **unused)
{
	struct world w = { HOSTS(ROLLED_BACK, INCOMING) };

	(void)unused;
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.dst_destroys, 1);
	assert_true(w.now_ms >= OM_AUTODESTROY_WAIT_MS && w.now_ms < OM_AUTODESTROY_WAIT_MS + 1000);
	w = (struct world){ HOSTS(INCOMING, INCOMING) };
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.resumes, 1);
	assert_int_equal(w.dst_destroys, 1);
	assert_true(w.now_ms >= OM_UNREACHABLE_WAIT_MS && w.now_ms < OM_UNREACHABLE_WAIT_MS + 1000);
	w = (struct world){ HOSTS(ROLLED_BACK, RUNNING) };
	assert_int_equal(settle(&w), OM_VERDICT_BOTH);
	assert_int_equal(w.suspends, 1);
	assert_int_equal(w.src_destroys + w.dst_destroys, 0);
}

static void a_job_is_cancelled_until_it_has_gone_and_for_a_minute_at_most(void **unused)
{
	struct world w = { HOSTS(RUNNING, ABSENT), .job = true };

	(void)unused;
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.aborts, 1);
	assert_true(w.now_ms < 1000);
	w = (struct world){ HOSTS(PAUSED, ABSENT), .job = true };
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.resumes, 0);
	/* A refusal says that it is about to end. */
	w = (struct world){ HOSTS(RUNNING, UNREACHABLE), .job = true, .fail = true,
			    .job_ends_ms = 5000 };
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.aborts, 25);
	assert_int_equal(w.now_ms, 5000);
	/* Reported as done, and it goes on: neither named nor repaired under it. */
	w = (struct world){ HOSTS(RUNNING, INCOMING), .job = true, .lie = true };
	assert_int_equal(settle(&w), OM_VERDICT_UNKNOWN);
	assert_true(w.now_ms >= OM_UNREACHABLE_WAIT_MS && w.now_ms < OM_UNREACHABLE_WAIT_MS + 1000);
	assert_int_equal(w.dst_destroys, 0);
	assert_int_equal(w.warnings, 0);
	/* It was faster. */
	w = (struct world){ .changes = { { 0, OM_SIDE_RUNNING, OM_SIDE_INCOMING },
					 { 3000, OM_SIDE_INCOMING, OM_SIDE_INCOMING },
					 { 4000, OM_SIDE_INCOMING, OM_SIDE_RUNNING },
					 { 6000, OM_SIDE_ABSENT, OM_SIDE_RUNNING } },
			    .job = true,
			    .fail = true,
			    .job_ends_ms = 6000 };
	assert_int_equal(settle(&w), OM_VERDICT_DEST);
	assert_int_equal(w.aborts, 15);
	assert_int_equal(w.src_destroys + w.dst_destroys + w.resumes + w.suspends, 0);
}

static void our_own_pause_is_taken_back_once(void **unused)
{
	struct world w = { HOSTS(PAUSED, ABSENT), .context = { .suspended_by_us = true } };

	(void)unused;
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.resumes, 1);
	assert_int_equal(w.src, OM_SIDE_RUNNING);
	w = (struct world){ HOSTS(PAUSED, ABSENT), .context = { .suspended_by_us = true },
			    .fail = true };
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.resumes, 1);
	assert_int_equal(w.warnings, 1);
	w = (struct world){ HOSTS(PAUSED, ABSENT),
			    .context = { .suspended_by_us = true, .source_paused = true } };
	assert_int_equal(settle(&w), OM_VERDICT_SOURCE);
	assert_int_equal(w.resumes, 0);
}

static void our_own_pause_that_went_to_the_destination_ends_there(void **unused)
{
	struct world w = { HOSTS(ABSENT, PAUSED), .context = { .suspended_by_us = true } };

	(void)unused;
	assert_int_equal(settle(&w), OM_VERDICT_DEST);
	assert_int_equal(w.dst_resumes, 1);
	assert_int_equal(w.dst, OM_SIDE_RUNNING);
	assert_int_equal(w.resumes, 0);
	/* The copy that stopped for it goes first. */
	w = (struct world){ HOSTS(INCOMING, PAUSED), .context = { .suspended_by_us = true } };
	assert_int_equal(settle(&w), OM_VERDICT_DEST);
	assert_int_equal(w.src_destroys, 1);
	assert_int_equal(w.dst_resumes, 1);
	w = (struct world){ HOSTS(ABSENT, PAUSED), .context = { .suspended_by_us = true },
			    .fail = true };
	assert_int_equal(settle(&w), OM_VERDICT_DEST);
	assert_int_equal(w.dst_resumes, 1);
	assert_int_equal(w.warnings, 1);
	w = (struct world){ HOSTS(ABSENT, PAUSED),
			    .context = { .suspended_by_us = true, .asked_paused = true } };
	assert_int_equal(settle(&w), OM_VERDICT_DEST);
	assert_int_equal(w.dst_resumes, 0);
}

static void an_acknowledged_start_is_believed_after_the_wait(void **unused)
{
	struct world w = { HOSTS(UNREACHABLE, RUNNING), .context = { .call_ok = true } };

	(void)unused;
	assert_int_equal(settle(&w), OM_VERDICT_DEST_LEFTOVER);
	assert_true(w.now_ms >= OM_AUTODESTROY_WAIT_MS && w.now_ms < OM_AUTODESTROY_WAIT_MS + 1000);
	w = (struct world){ HOSTS(ABSENT, UNREACHABLE), .context = { .call_ok = true } };
	assert_int_equal(settle(&w), OM_VERDICT_DEST);
	assert_true(w.now_ms >= OM_UNREACHABLE_WAIT_MS && w.now_ms < OM_UNREACHABLE_WAIT_MS + 1000);
	/* Seen to run on both, and then the source is silent: not told to be stopped there. */
	w = (struct world){ LATER(ROLLED_BACK, RUNNING, 1000, UNREACHABLE, RUNNING), .fail = true };
	assert_int_equal(settle(&w), OM_VERDICT_BOTH);
	assert_true(w.suspends > 1);
}

static void it_ends_whatever_the_hosts_say_and_however_repairs_go(void **unused)
{
	unsigned int ways = 0;

	(void)unused;
	for (int src = 0; src < OM_SIDE_COUNT; src++)
		for (int dst = 0; dst < OM_SIDE_COUNT; dst++)
			for (int way = 0; way < 3 * 16; way++) {
				struct world w = { .changes = { { 0, (enum om_side_state)src,
								  (enum om_side_state)dst } },
						   .fail = way % 3 == 1,
						   .lie = way % 3 == 2,
						   .job = way / 3 & 1,
						   .context = { .call_ok = way / 3 & 2,
								.asked_paused = way / 3 & 4,
								.suspended_by_us = way / 3 & 8 } };
				enum om_verdict v = settle(&w);

				assert_true(om_verdict_is_final(v));
				assert_true(w.now_ms <= 2 * OM_UNREACHABLE_WAIT_MS);
				if (w.warnings > 2)
					fail_msg("%u warnings", w.warnings);
				if ((v == OM_VERDICT_SOURCE || v == OM_VERDICT_SOURCE_LEFTOVER) &&
				    w.job)
					fail_msg("the source is named under a job");
				ways++;
			}
	assert_int_equal(ways, 8 * 8 * 3 * 16);
}

static void a_failed_repair_is_told_once_and_not_repeated(void **unused)
{
	struct world w = { HOSTS(INCOMING, RUNNING), .fail = true };

	(void)unused;
	assert_int_equal(settle(&w), OM_VERDICT_DEST_LEFTOVER);
	assert_int_equal(w.src_destroys, 1);
	assert_int_equal(w.warnings, 1);
	w = (struct world){ HOSTS(RUNNING, RUNNING), .fail = true };
	assert_int_equal(settle(&w), OM_VERDICT_BOTH);
	assert_true(w.suspends > 1); /* worth trying for as long as it is of use */
	assert_int_equal(w.warnings, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_needs_no_time_is_answered_at_once),
		cmocka_unit_test(hosts_that_clean_up_by_themselves_are_waited_for),
		cmocka_unit_test(hosts_that_do_not_are_repaired_after_the_wait),
		cmocka_unit_test(a_job_is_cancelled_until_it_has_gone_and_for_a_minute_at_most),
		cmocka_unit_test(our_own_pause_is_taken_back_once),
		cmocka_unit_test(our_own_pause_that_went_to_the_destination_ends_there),
		cmocka_unit_test(an_acknowledged_start_is_believed_after_the_wait),
		cmocka_unit_test(it_ends_whatever_the_hosts_say_and_however_repairs_go),
		cmocka_unit_test(a_failed_repair_is_told_once_and_not_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
