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
	bool fail; /* every repair */
	bool lie;  /* every repair is reported as done and changes nothing */
	enum om_side_state src, dst;
	unsigned int resumes, suspends, src_destroys, dst_destroys, warnings, asked, phases;
};

static uint64_t now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static void sleep_ms(void *ctx, uint32_t ms)
{
	struct world *w = ctx;

	w->now_ms += ms;
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
	*src = (struct om_side){ .state = w->src };
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

static bool suspend_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	return repair(w, &w->suspends, &w->src, OM_SIDE_PAUSED, err);
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
		.suspend_source = suspend_source,
		.destroy_source = destroy_source,
		.destroy_dest = destroy_dest,
	};
	struct om_outcome_context context = { 0 };

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
	w = (struct world){ HOSTS(ROLLED_BACK, RUNNING) };
	assert_int_equal(settle(&w), OM_VERDICT_BOTH);
	assert_int_equal(w.suspends, 1);
	assert_int_equal(w.src_destroys + w.dst_destroys, 0);
}

static void it_ends_whatever_the_hosts_say_and_however_repairs_go(void **unused)
{
	unsigned int ways = 0;

	(void)unused;
	for (int src = 0; src < OM_SIDE_COUNT; src++)
		for (int dst = 0; dst < OM_SIDE_COUNT; dst++)
			for (int way = 0; way < 3; way++) {
				struct world w = { .changes = { { 0, (enum om_side_state)src,
								  (enum om_side_state)dst } },
						   .fail = way == 1,
						   .lie = way == 2 };

				assert_true(om_verdict_is_final(settle(&w)));
				assert_true(w.now_ms <= 2 * OM_UNREACHABLE_WAIT_MS);
				if (w.warnings > 2)
					fail_msg("%u warnings", w.warnings);
				ways++;
			}
	assert_int_equal(ways, 8 * 8 * 3);
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
		cmocka_unit_test(it_ends_whatever_the_hosts_say_and_however_repairs_go),
		cmocka_unit_test(a_failed_repair_is_told_once_and_not_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
