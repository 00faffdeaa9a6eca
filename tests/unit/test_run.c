/* SPDX-License-Identifier: Apache-2.0 */
/* Every way through the stages, in a world that is scripted: what each call of libvirt answers, and
 * what both hosts say after it. The trace names what was done, in order. */
#include "om_cmocka.h"

#include "om_run.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define RUNNING OM_SIDE_RUNNING
#define ABSENT OM_SIDE_ABSENT
#define BACK OM_SIDE_ROLLED_BACK
#define INCOMING OM_SIDE_INCOMING

#define FROM_RPC 7
#define FROM_QEMU 10
#define SYSTEM_ERROR 38
#define OPERATION_FAILED 9
#define OPERATION_ABORTED 78
#define INVALID_ARG 8

struct call {
	struct om_attempt_end end;
	struct om_side src, dst; /* afterwards */
};

struct world {
	struct om_side src, dst;
	struct call calls[4];
	unsigned int calls_made;
	unsigned int block_jobs;      /* so often it is there */
	unsigned int block_jobs_from; /* not before this call of libvirt */
	uint64_t autodestroy_ms;      /* the destination's libvirt removes it then; 0 = never */
	uint64_t job_ends_ms;
	bool job_stays; /* peer-to-peer: it does not go with the connection of the call */
	bool stop, stop_in_sleep;
	const char *stop_at;	   /* arrives while this is done */
	const char *gone_at;	   /* the guest ends meanwhile */
	bool storage, bring_fails; /* the hosts share none */
	bool save_fails, touch_fails, drop_fails, define_fails, reopen_fails;
	bool resume_fails, suspend_fails, destroy_fails, abort_fails;
	uint64_t now_ms;
	const struct om_plan *plan;
	struct om_attempt last_attempt; /* of the last call */
	char infos[600];		/* all of them */
	unsigned int aborts, asked;
	unsigned int warnings;
	char warning[700]; /* the last one */
	char trace[600];
};

static void trace(struct world *w, const char *what)
{
	size_t len = strlen(w->trace);

	snprintf(w->trace + len, sizeof(w->trace) - len, "%s%s", len ? " " : "", what);
	if (w->stop_at && strcmp(w->stop_at, what) == 0)
		w->stop = true;
	if (w->gone_at && strcmp(w->gone_at, what) == 0)
		w->src.state = ABSENT;
}

static bool done(struct world *w, const char *what, bool fails, struct om_err *err)
{
	trace(w, what);
	return fails ? om_err_set(err, OM_E_SOURCE, "%s failed", what) : true;
}

static uint64_t now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static void sleep_ms(void *ctx, uint32_t ms)
{
	struct world *w = ctx;

	w->now_ms += ms;
	if (w->now_ms > 600000)
		fail_msg("it waits for ever: %s", w->trace);
	if (w->stop_in_sleep)
		w->stop = true;
	if (w->job_ends_ms && w->now_ms >= w->job_ends_ms)
		w->src.job = false;
	if (w->autodestroy_ms && w->now_ms >= w->autodestroy_ms && w->dst.state == INCOMING)
		w->dst.state = ABSENT;
}

static bool stop_requested(void *ctx)
{
	return ((struct world *)ctx)->stop;
}

static void log_line(void *ctx, enum om_log_level level, const char *text)
{
	struct world *w = ctx;

	if (level == OM_LOG_INFO)
		snprintf(w->infos + strlen(w->infos), sizeof(w->infos) - strlen(w->infos), "%s\n",
			 text);
	if (level != OM_LOG_WARN)
		return;
	w->warnings++;
	om_str_copy(w->warning, sizeof(w->warning), text);
}

static void phase(void *ctx, enum om_phase phase)
{
	(void)ctx;
	(void)phase;
}

static void sides(void *ctx, struct om_side *src, struct om_side *dst)
{
	struct world *w = ctx;

	if (++w->asked > 2000)
		fail_msg("it asks for ever: %s", w->trace);
	*src = w->src;
	*dst = w->dst;
}

static bool resume_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (!w->resume_fails)
		w->src.state = RUNNING;
	return done(w, "resume-source", w->resume_fails, err);
}

static bool resume_dest(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (!w->resume_fails)
		w->dst.state = RUNNING;
	return done(w, "resume-dest", w->resume_fails, err);
}

static bool suspend_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (!w->suspend_fails)
		w->src.state = OM_SIDE_PAUSED;
	return w->suspend_fails ? om_err_set(err, OM_E_UNKNOWN, "no")
				: done(w, "suspend-source", false, err);
}

/* Asked for again and again; the trace has it once. */
static bool abort_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	assert_true(w->src.job);
	if (!w->aborts++)
		trace(w, "abort-source");
	if (w->abort_fails)
		return om_err_set(err, OM_E_REFUSED, "no");
	w->src.job = false;
	return true;
}

static bool destroy_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (!w->destroy_fails)
		w->src.state = ABSENT;
	return done(w, "destroy-source", w->destroy_fails, err);
}

static bool destroy_dest(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (!w->destroy_fails)
		w->dst.state = ABSENT;
	return done(w, "destroy-dest", w->destroy_fails, err);
}

static bool touch(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (w->stop || w->touch_fails)
		return om_err_set(err, OM_E_ABORTED, "cancelled before anything was touched");
	return done(w, "touch", false, err);
}

static bool block_job(void *ctx, char *target, size_t size)
{
	struct world *w = ctx;

	if (w->calls_made < w->block_jobs_from || !w->block_jobs)
		return false;
	w->block_jobs--;
	trace(w, "block-job");
	return om_str_copy(target, size, "vda");
}

static bool snapshots_save(void *ctx, struct om_err *err)
{
	return done(ctx, "save", ((struct world *)ctx)->save_fails, err);
}

static bool snapshots_drop(void *ctx, struct om_err *err)
{
	return done(ctx, "drop", ((struct world *)ctx)->drop_fails, err);
}

static bool snapshots_define(void *ctx, bool on_dest, struct om_err *err)
{
	return done(ctx, on_dest ? "define-dest" : "define-source",
		    ((struct world *)ctx)->define_fails, err);
}

/* "memory1" for the plan's second attempt; "throttled" for one that is none of the plan's, or "sync". */
static void memory(void *ctx, const struct om_attempt *attempt, struct om_attempt_end *end)
{
	struct world *w = ctx;
	const struct call *call = &w->calls[w->calls_made];
	char what[32] = "throttled";

	if (attempt->flags & OM_FLAG_SYNC_WRITES)
		snprintf(what, sizeof(what), "sync%s",
			 attempt->flags & OM_FLAG_AUTO_CONVERGE ? "+throttled" : "");
	for (size_t i = 0; i < w->plan->attempt_count; i++)
		if (attempt == &w->plan->attempts[i])
			snprintf(what, sizeof(what), "memory%zu", i);
	trace(w, what);
	w->last_attempt = *attempt;
	if (w->calls_made++ == OM_ARRAY_LEN(w->calls))
		fail_msg("too many calls: %s", w->trace);
	*end = call->end;
	if (end->stop_requested)
		w->stop = true;
	w->src = call->src;
	w->dst = call->dst;
}

static bool reopen_source(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	if (!w->job_ends_ms && !w->job_stays)
		w->src.job = false;
	return done(w, "reopen", w->reopen_fails, err);
}

static void switched(void *ctx)
{
	trace(ctx, "switched");
}

static bool storage_bring(void *ctx, struct om_err *err)
{
	return done(ctx, "bring", ((struct world *)ctx)->bring_fails, err);
}

static void storage_undo(void *ctx, enum om_verdict verdict)
{
	trace(ctx, verdict == OM_VERDICT_SOURCE ? "undo" : "keep");
}

static struct om_run_ops ops_of(struct world *w)
{
	return (struct om_run_ops){
		.ctx = w,
		.now_ms = now_ms,
		.sleep_ms = sleep_ms,
		.stop_requested = stop_requested,
		.log = log_line,
		.phase = phase,
		.sides = sides,
		.resume_source = resume_source,
		.resume_dest = resume_dest,
		.suspend_source = suspend_source,
		.abort_source = abort_source,
		.destroy_source = destroy_source,
		.destroy_dest = destroy_dest,
		.touch = touch,
		.block_job = block_job,
		.snapshots_save = snapshots_save,
		.snapshots_drop = snapshots_drop,
		.snapshots_define = snapshots_define,
		.memory = memory,
		.reopen_source = reopen_source,
		.switched = switched,
		.storage_bring = w->storage ? storage_bring : NULL,
		.storage_undo = w->storage ? storage_undo : NULL,
	};
}

static struct om_run_end run(struct world *w, unsigned int flags, size_t attempts, uint32_t tries)
{
	const struct om_run_ops ops = ops_of(w);
	struct om_plan plan = { .flags = OM_FLAG_LIVE | flags, .attempt_count = attempts };
	struct om_run_end end;

	plan.attempts[0].path = attempts == 3 ? OM_PATH_FAST : OM_PATH_DEFAULT;
	plan.attempts[1].path = attempts == 3 ? OM_PATH_DEFAULT : OM_PATH_NAME;
	plan.attempts[2].path = OM_PATH_NAME;
	for (size_t i = 0; i < attempts; i++)
		plan.attempts[i].flags = plan.flags;
	w->plan = &plan;
	om_run_migrate(&ops, &plan, tries, &end);
	return end;
}

#define SUCCESS                                                                                    \
	{                                                                                          \
		.end = { .ok = true }, .src = { .state = ABSENT }, .dst = {.state = RUNNING }      \
	}
#define REFUSAL(code, words)                                                                       \
	{                                                                                          \
		.end = { .vir_domain = (code) == SYSTEM_ERROR ? FROM_RPC : FROM_QEMU,              \
			 .vir_code = (code),                                                       \
			 .text = words },                                                          \
		.src = { .state = RUNNING },                                                       \
		.dst = {.state = ABSENT }                                                          \
	}

#define CONNECTION_LOST .vir_domain = FROM_RPC, .vir_code = SYSTEM_ERROR
#define JOB_FAILED .vir_domain = FROM_QEMU, .vir_code = OPERATION_FAILED

struct row {
	const char *what;
	struct world w;
	unsigned int flags;
	size_t attempts;
	enum om_verdict verdict;
	unsigned int warnings;
	const char *trace;
	const char *err; /* NULL: none */
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct world w = rows[i].w;
		struct om_run_end end = run(&w, rows[i].flags,
					    rows[i].attempts ? rows[i].attempts : 2, 3);

		if (end.verdict != rows[i].verdict)
			fail_msg("%s: verdict %d, not %d (%s)", rows[i].what, (int)end.verdict,
				 (int)rows[i].verdict, w.trace);
		if (strcmp(w.trace, rows[i].trace) != 0)
			fail_msg("%s: %s", rows[i].what, w.trace);
		if (w.warnings != rows[i].warnings)
			fail_msg("%s: %u warnings, the last: %s", rows[i].what, w.warnings,
				 w.warning);
		if (end.has_err != (rows[i].err != NULL) ||
		    (rows[i].err && strcmp(end.err.msg, rows[i].err) != 0))
			fail_msg("%s: error '%s'", rows[i].what, end.has_err ? end.err.msg : "");
	}
}
#define CHECK(rows) check(rows, OM_ARRAY_LEN(rows))
#define START .src = { .state = RUNNING }, .dst = { .state = ABSENT }

static void a_migration_that_succeeds_defines_the_snapshots_on_the_destination(void **unused)
{
	static const struct row rows[] = {
		{ "success",
		  { START, .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "the snapshots cannot be defined",
		  { START, .calls = { SUCCESS }, .define_fails = true },
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "--suspend",
		  { START, .calls = { { .end = { .ok = true },
					.src = { .state = ABSENT },
					.dst = { .state = OM_SIDE_PAUSED } } } },
		  .flags = OM_FLAG_PAUSED,
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "an error, but it runs there",
		  { START, .calls = { { .end = { CONNECTION_LOST, .text = "reply lost" },
					.src = { .state = ABSENT },
					.dst = { .state = RUNNING } } } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 reopen switched define-dest",
		  .err = "reply lost" },
		{ "no error, but a copy is left",
		  { START, .calls = { { .end = { .ok = true },
					.src = { .state = INCOMING },
					.dst = { .state = RUNNING } } } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 destroy-source switched define-dest" },
		{ "no error, a copy that stays",
		  { START, .destroy_fails = true,
		    .calls = { { .end = { .ok = true },
				 .src = { .state = INCOMING },
				 .dst = { .state = RUNNING } } } },
		  .verdict = OM_VERDICT_DEST_LEFTOVER,
		  .warnings = 1,
		  .trace = "save touch drop memory0 destroy-source switched define-dest" },
	};

	(void)unused;
	CHECK(rows);
}

static void a_failure_puts_the_snapshots_back_where_the_guest_is(void **unused)
{
	static const struct row rows[] = {
		{ "refused",
		  { START, .calls = { REFUSAL(INVALID_ARG, "no such CPU") } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "no such CPU" },
		{ "failed in mid-copy",
		  { START,
		    .calls = { { .end = { JOB_FAILED, .bytes_sent = true, .text = "cut" },
				 .src = { .state = RUNNING },
				 .dst = { .state = INCOMING } } },
		    .autodestroy_ms = 2000 },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cut" },
		{ "left stopped",
		  { START,
		    .calls = { { .end = { CONNECTION_LOST, .bytes_sent = true, .text = "gone" },
				 .src = { .state = INCOMING },
				 .dst = { .state = ABSENT } } } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen resume-source define-source",
		  .err = "gone" },
		{ "nobody cleans up",
		  { START,
		    .calls = { { .end = { CONNECTION_LOST, .bytes_sent = true, .text = "gone" },
				 .src = { .state = INCOMING },
				 .dst = { .state = INCOMING } } } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace =
			  "save touch drop memory0 reopen resume-source destroy-dest define-source",
		  .err = "gone" },
		{ "the connection does not come back",
		  { START, .reopen_fails = true, .calls = { REFUSAL(INVALID_ARG, "no") } },
		  .verdict = OM_VERDICT_SOURCE,
		  .warnings = 1,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "no" },
		{ "dropping fails",
		  { START, .drop_fails = true },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop define-source",
		  .err = "drop failed" },
		{ "saving fails",
		  { START, .save_fails = true },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save",
		  .err = "save failed" },
		{ "unknown: they are put nowhere",
		  { START,
		    .calls = { { .end = { CONNECTION_LOST, .bytes_sent = true, .text = "gone" },
				 .src = { .state = BACK },
				 .dst = { .state = OM_SIDE_UNREACHABLE } } } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "save touch drop memory0 reopen",
		  .err = "gone" },
		{ "post-copy broke: they are put nowhere",
		  { START, .calls = { { .end = { JOB_FAILED, .bytes_sent = true, .text = "broke" },
					.src = { .state = OM_SIDE_POSTCOPY_FAILED },
					.dst = { .state = OM_SIDE_POSTCOPY_FAILED } } } },
		  .verdict = OM_VERDICT_DEST_POSTCOPY,
		  .trace = "save touch drop memory0 reopen",
		  .err = "broke" },
		{ "it ran twice",
		  { START, .calls = { { .end = { CONNECTION_LOST, .bytes_sent = true,
						 .text = "reply lost" },
					.src = { .state = BACK },
					.dst = { .state = RUNNING } } } },
		  .verdict = OM_VERDICT_BOTH,
		  .trace = "save touch drop memory0 reopen suspend-source define-dest",
		  .err = "reply lost" },
	};

	(void)unused;
	CHECK(rows);
}

static void the_next_path_is_tried_only_before_the_first_byte_and_with_one_warning(void **unused)
{
	static const struct row rows[] = {
		{ "the fast path does not connect",
		  { START, .calls = { REFUSAL(SYSTEM_ERROR, "refused"), SUCCESS } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace = "save touch drop memory0 reopen memory1 switched define-dest" },
		{ "nor does the default path",
		  { START, .calls = { REFUSAL(SYSTEM_ERROR, "refused"),
				      REFUSAL(SYSTEM_ERROR, "no name"), SUCCESS } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 2,
		  .trace =
			  "save touch drop memory0 reopen memory1 reopen memory2 switched define-dest" },
		{ "nor does the name",
		  { START, .calls = { REFUSAL(SYSTEM_ERROR, "a"), REFUSAL(SYSTEM_ERROR, "b"),
				      REFUSAL(SYSTEM_ERROR, "c") } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .warnings = 2,
		  .err = "c",
		  .trace =
			  "save touch drop memory0 reopen memory1 reopen memory2 reopen define-source" },
		{ "bytes were sent",
		  { START,
		    .calls = { { .end = { CONNECTION_LOST, .bytes_sent = true, .text = "cut" },
				 .src = { .state = RUNNING },
				 .dst = { .state = ABSENT } } } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .err = "cut",
		  .trace = "save touch drop memory0 reopen define-source" },
		{ "the failure is not the path's",
		  { START, .calls = { REFUSAL(INVALID_ARG, "bad flag") } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .err = "bad flag",
		  .trace = "save touch drop memory0 reopen define-source" },
		{ "a stop was asked for",
		  { START,
		    .calls = { { .end = { CONNECTION_LOST, .stop_requested = true, .text = "stop" },
				 .src = { .state = RUNNING },
				 .dst = { .state = ABSENT } } } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .err = "cancelled on request (stop)",
		  .trace = "save touch drop memory0 reopen define-source" },
		{ "strict has one attempt",
		  { START, .calls = { REFUSAL(SYSTEM_ERROR, "refused") } },
		  .attempts = 1,
		  .verdict = OM_VERDICT_SOURCE,
		  .err = "refused",
		  .trace = "save touch drop memory0 reopen define-source" },
		{ "the connection to the destination broke",
		  { START,
		    .calls = { { .end = { CONNECTION_LOST, .dest_lost = true, .text = "gone" },
				 .src = { .state = RUNNING },
				 .dst = { .state = ABSENT } } } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .err = "the connection to the destination's libvirt was lost (gone)",
		  .trace = "save touch drop memory0 reopen define-source" },
		{ "something is left on the destination",
		  { START, .calls = { { .end = { CONNECTION_LOST, .text = "refused" },
					.src = { .state = RUNNING },
					.dst = { .state = OM_SIDE_PAUSED } } } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE_LEFTOVER,
		  .err = "refused",
		  .trace = "save touch drop memory0 reopen define-source" },
	};

	(void)unused;
	CHECK(rows);
}

static void the_warning_names_the_path_and_the_reason(void **unused)
{
	struct world w = { START, .calls = { REFUSAL(SYSTEM_ERROR, "no route to host"), SUCCESS } };
	struct om_run_end end = run(&w, 0, 3, 3);

	(void)unused;
	assert_int_equal(end.attempt, 1);
	assert_string_equal(w.warning,
			    "the fast path failed before the first byte (no route to host); memory "
			    "takes the default path");
	w = (struct world){ START, .calls = { REFUSAL(SYSTEM_ERROR, "no such name"), SUCCESS } };
	end = run(&w, 0, 2, 3);
	assert_int_equal(end.attempt, 1);
	assert_string_equal(w.warning,
			    "the default path failed before the first byte (no such name); memory "
			    "takes the host's OpenNebula name");
}

static void a_stop_before_the_touch_touches_nothing_and_one_in_the_copy_is_answered(void **unused)
{
	struct world w = { START, .stop = true };
	struct om_run_end end = run(&w, 0, 2, 3);

	(void)unused;
	assert_int_equal(end.verdict, OM_VERDICT_SOURCE);
	assert_int_equal(end.err.code, OM_E_ABORTED);
	assert_string_equal(w.trace, "save");
	w = (struct world){ START, .calls = { { .end = { .vir_code = OPERATION_ABORTED,
							 .bytes_sent = true,
							 .stop_requested = true,
							 .text = "canceled by client" },
						.src = { .state = RUNNING },
						.dst = { .state = ABSENT } } } };
	end = run(&w, 0, 2, 3);
	assert_int_equal(end.verdict, OM_VERDICT_SOURCE);
	assert_int_equal(end.err.code, OM_E_ABORTED);
	assert_string_equal(w.trace, "save touch drop memory0 reopen define-source");
	/* Too late: it is there. */
	w = (struct world){
		START,
		.calls = { { .end = { .ok = true, .bytes_sent = true, .stop_requested = true },
			     .src = { .state = ABSENT },
			     .dst = { .state = RUNNING } } }
	};
	end = run(&w, 0, 2, 3);
	assert_int_equal(end.verdict, OM_VERDICT_DEST);
	assert_false(end.has_err);
}

static void a_block_job_is_waited_for_as_often_as_virsh_tries_says(void **unused)
{
	struct world w = { START, .block_jobs = 2, .calls = { SUCCESS } };
	struct om_run_end end = run(&w, 0, 2, 3);

	(void)unused;
	assert_int_equal(end.verdict, OM_VERDICT_DEST);
	assert_int_equal(w.now_ms, 10000);
	w = (struct world){ START, .block_jobs = 9 };
	end = run(&w, 0, 2, 3);
	assert_int_equal(end.verdict, OM_VERDICT_SOURCE);
	assert_string_equal(end.err.msg, "disk vda has an active block job (asked 3 times)");
	assert_string_equal(w.trace, "block-job block-job block-job");
	assert_int_equal(w.now_ms, 10000);
	w = (struct world){ START, .block_jobs = 9 };
	end = run(&w, 0, 2, 1);
	assert_string_equal(w.trace, "block-job");
	assert_int_equal(w.now_ms, 0);
	w = (struct world){ START, .block_jobs = 9, .stop_in_sleep = true };
	end = run(&w, 0, 2, 9);
	assert_string_equal(end.err.msg, "cancelled before anything was touched");
	assert_string_equal(w.trace, "block-job block-job");
}

static void a_block_job_that_began_later_is_waited_for_too(void **unused)
{
	struct world w = { START, .block_jobs = 1, .block_jobs_from = 1,
			   .calls = { REFUSAL(OPERATION_FAILED, "domain has active block job"),
				      SUCCESS } };
	struct om_run_end end = run(&w, 0, 2, 3);

	(void)unused;
	assert_int_equal(end.verdict, OM_VERDICT_DEST);
	assert_false(end.has_err);
	assert_string_equal(
		w.trace, "save touch drop memory0 reopen block-job memory0 switched define-dest");
	w = (struct world){ START, .block_jobs = 9, .block_jobs_from = 1,
			    .calls = { REFUSAL(OPERATION_FAILED, "job"),
				       REFUSAL(OPERATION_FAILED, "job"),
				       REFUSAL(OPERATION_FAILED, "job") } };
	end = run(&w, 0, 2, 3);
	assert_int_equal(end.verdict, OM_VERDICT_SOURCE);
	assert_true(end.has_err);
	assert_int_equal(w.calls_made, 3);
}

static void what_the_hosts_say_before_decides_whether_it_begins(void **unused)
{
	static const struct row rows[] = {
		{ "repeated",
		  { .src = { .state = ABSENT }, .dst = { .state = RUNNING } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "" },
		{ "on neither",
		  { .src = { .state = ABSENT }, .dst = { .state = ABSENT } },
		  .verdict = OM_VERDICT_NEITHER,
		  .trace = "",
		  .err = "the VM is on neither host" },
		{ "runs on both",
		  { .src = { .state = RUNNING }, .dst = { .state = RUNNING } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "",
		  .err = "the VM is active on both hosts (source: running, destination: running)" },
		{ "paused on the destination",
		  { .src = { .state = RUNNING }, .dst = { .state = OM_SIDE_PAUSED } },
		  .verdict = OM_VERDICT_SOURCE_LEFTOVER,
		  .trace = "",
		  .err = "the VM is active on both hosts (source: running, destination: paused)" },
		{ "the source was stopped, and it runs there",
		  { .src = { .state = INCOMING }, .dst = { .state = RUNNING } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "",
		  .err = "the VM is active on both hosts (source: paused for the migration, destination: running)" },
		{ "in post-copy",
		  { .src = { .state = OM_SIDE_POSTCOPY }, .dst = { .state = OM_SIDE_POSTCOPY } },
		  .verdict = OM_VERDICT_DEST_POSTCOPY,
		  .trace = "",
		  .err = "another job of this VM is active on the source" },
		{ "the destination is silent",
		  { .src = { .state = RUNNING }, .dst = { .state = OM_SIDE_UNREACHABLE } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "",
		  .err = "the state of the VM cannot be proven (source: running, destination: not reachable)" },
		{ "the source is silent",
		  { .src = { .state = OM_SIDE_UNREACHABLE }, .dst = { .state = RUNNING } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "",
		  .err = "the state of the VM cannot be proven (source: not reachable, destination: running)" },
		{ "gone, and the destination waits",
		  { .src = { .state = ABSENT }, .dst = { .state = INCOMING } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "",
		  .err = "the state of the VM cannot be proven (source: not there, destination: paused for the "
			 "migration)" },
		{ "busy for ever",
		  { .src = { .state = RUNNING, .job = true }, .dst = { .state = ABSENT } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "",
		  .err = "another job of this VM is active on the source" },
		{ "the job of a dead process ends",
		  { .src = { .state = RUNNING, .job = true },
		    .dst = { .state = ABSENT },
		    .job_ends_ms = 3000,
		    .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "a leftover that its libvirt removes",
		  { .src = { .state = RUNNING },
		    .dst = { .state = INCOMING },
		    .autodestroy_ms = 9000,
		    .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace = "touch save touch drop memory0 switched define-dest" },
		{ "a leftover that nobody removes",
		  { .src = { .state = RUNNING },
		    .dst = { .state = INCOMING },
		    .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace = "touch destroy-dest save touch drop memory0 switched define-dest" },
		{ "a leftover that stays",
		  { .src = { .state = RUNNING },
		    .dst = { .state = INCOMING },
		    .destroy_fails = true },
		  .verdict = OM_VERDICT_SOURCE_LEFTOVER,
		  .warnings = 2,
		  .trace = "touch destroy-dest",
		  .err = "what an earlier migration left behind could not be repaired" },
		{ "a source that was left stopped",
		  { .src = { .state = INCOMING },
		    .dst = { .state = ABSENT },
		    .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace = "touch resume-source save touch drop memory0 switched define-dest" },
		{ "a source that cannot be started",
		  { .src = { .state = INCOMING },
		    .dst = { .state = ABSENT },
		    .resume_fails = true },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .warnings = 2,
		  .trace = "touch resume-source",
		  .err = "what an earlier migration left behind could not be repaired" },
	};

	(void)unused;
	CHECK(rows);
}

static void a_repeated_action_says_so(void **unused)
{
	struct world w = { .src = { .state = ABSENT }, .dst = { .state = RUNNING } };
	struct om_run_end end = run(&w, 0, 2, 3);

	(void)unused;
	assert_true(end.repeated);
	w = (struct world){ START, .calls = { SUCCESS } };
	end = run(&w, 0, 2, 3);
	assert_false(end.repeated);
}

#define CALL(how, source, destination)                                                             \
	{                                                                                          \
		.end = how, .src = source, .dst = destination                                      \
	}
#define SIDE(...)                                                                                  \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

#define THROTTLE                                                                                   \
	.vir_domain = FROM_QEMU, .vir_code = OPERATION_ABORTED, .bytes_sent = true,                \
	.restart = OM_FLAG_AUTO_CONVERGE, .throttle_initial = 40,                                  \
	.watch_why = "it dirties too much", .text = "canceled by client"

static void a_throttled_restart_is_made_once_and_only_from_a_proven_source(void **unused)
{
	static const struct row rows[] = {
		{ "it helps",
		  { START,
		    .calls = { CALL(SIDE(THROTTLE), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       SUCCESS } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 reopen throttled switched define-dest" },
		{ "on the path that was taken",
		  { START,
		    .calls = { REFUSAL(SYSTEM_ERROR, "no route"),
			       CALL(SIDE(THROTTLE), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       SUCCESS } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace =
			  "save touch drop memory0 reopen memory1 reopen throttled switched define-dest" },
		{ "asked for twice",
		  { START,
		    .calls = { CALL(SIDE(THROTTLE), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       CALL(SIDE(THROTTLE), SIDE(.state = RUNNING),
				    SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen throttled reopen define-source",
		  .err = "it dirties too much" },
		{ "the path fails then: no other one is tried",
		  { START,
		    .calls = { CALL(SIDE(THROTTLE), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       REFUSAL(SYSTEM_ERROR, "no route") } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen throttled reopen define-source",
		  .err = "no route" },
		{ "a guest that we had paused goes on first",
		  { START, .calls = { CALL(SIDE(THROTTLE, .suspended = true),
					   SIDE(.state = OM_SIDE_PAUSED), SIDE(.state = ABSENT)),
				      SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .trace =
			  "save touch drop memory0 reopen resume-source throttled switched define-dest" },
		{ "the cancelling came too late",
		  { START, .calls = { CALL(SIDE(.ok = true, .restart = OM_FLAG_AUTO_CONVERGE),
					   SIDE(.state = ABSENT), SIDE(.state = RUNNING)) } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "something is left on the destination",
		  { START, .calls = { CALL(SIDE(THROTTLE), SIDE(.state = RUNNING),
					   SIDE(.state = OM_SIDE_PAUSED)) } },
		  .verdict = OM_VERDICT_SOURCE_LEFTOVER,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "it dirties too much" },
		{ "the destination is silent",
		  { START, .calls = { CALL(SIDE(THROTTLE), SIDE(.state = BACK),
					   SIDE(.state = OM_SIDE_UNREACHABLE)) } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "save touch drop memory0 reopen",
		  .err = "it dirties too much" },
		{ "a stop was asked for",
		  { START, .stop_at = "reopen",
		    .calls = { CALL(SIDE(THROTTLE), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       SUCCESS } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cancelled on request" },
	};
	struct world w = rows[1].w;
	struct om_run_end end;

	(void)unused;
	CHECK(rows);
	end = run(&w, 0, 3, 3);
	assert_int_equal(end.attempt, 1);
	assert_int_equal(w.last_attempt.path, OM_PATH_DEFAULT);
	assert_int_equal(w.last_attempt.flags, OM_FLAG_LIVE | OM_FLAG_AUTO_CONVERGE);
	assert_int_equal(om_params_get(&w.last_attempt.params, "auto_converge.initial")->number,
			 40);
	assert_string_equal(w.infos,
			    "the copy was cancelled and begins again with auto-converge, which "
			    "slows the guest down: it dirties too much\n");
}

#define SYNC                                                                                       \
	.vir_domain = FROM_QEMU, .vir_code = OPERATION_ABORTED, .restart = OM_FLAG_SYNC_WRITES,    \
	.watch_why = "not in sync", .text = "canceled by client"

static void
a_restart_with_synchronous_writes_is_made_once_and_may_be_followed_by_another(void **unused)
{
	static const struct row rows[] = {
		{ "it helps",
		  { START,
		    .calls = { CALL(SIDE(SYNC), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 reopen sync switched define-dest" },
		{ "asked for twice",
		  { START,
		    .calls = { CALL(SIDE(SYNC), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       CALL(SIDE(SYNC), SIDE(.state = RUNNING), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen sync reopen define-source",
		  .err = "not in sync" },
		{ "memory does not converge then",
		  { START,
		    .calls = { CALL(SIDE(SYNC), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       CALL(SIDE(THROTTLE), SIDE(.state = RUNNING), SIDE(.state = ABSENT)),
			       SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .trace =
			  "save touch drop memory0 reopen sync reopen sync+throttled switched define-dest" },
		{ "the destination is silent",
		  { START, .calls = { CALL(SIDE(SYNC), SIDE(.state = BACK),
					   SIDE(.state = OM_SIDE_UNREACHABLE)) } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "save touch drop memory0 reopen",
		  .err = "not in sync" },
	};
	struct world w = rows[0].w;

	(void)unused;
	CHECK(rows);
	(void)run(&w, 0, 3, 3);
	assert_string_equal(
		w.infos, "the copy was cancelled and begins again with synchronous writes: those "
			 "of the guest to its disks wait for the destination: not in sync\n");
}

#define ENDED                                                                                      \
	.vir_domain = FROM_QEMU, .vir_code = OPERATION_ABORTED, .ended_by_watch = true,            \
	.watch_why = "not converging: needs 3.2 s", .text = "canceled by client"

static void an_end_by_the_watch_gives_the_watchs_reason(void **unused)
{
	static const struct row rows[] = {
		{ "it ends",
		  { START, .calls = { CALL(SIDE(ENDED, .bytes_sent = true), SIDE(.state = RUNNING),
					   SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "not converging: needs 3.2 s" },
		{ "no other path, even if nothing was sent",
		  { START,
		    .calls = { CALL(SIDE(ENDED), SIDE(.state = RUNNING), SIDE(.state = ABSENT)) } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "not converging: needs 3.2 s" },
		{ "nor once more, even if there is a block job",
		  { START, .block_jobs = 9, .block_jobs_from = 1,
		    .calls = { CALL(SIDE(ENDED), SIDE(.state = RUNNING), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "not converging: needs 3.2 s" },
		{ "a request to stop goes first",
		  { START, .calls = { CALL(SIDE(ENDED, .bytes_sent = true, .stop_requested = true),
					   SIDE(.state = RUNNING), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cancelled on request (canceled by client)" },
		{ "a guest that we had paused goes on",
		  { START,
		    .calls = { CALL(SIDE(ENDED, .bytes_sent = true, .suspended = true),
				    SIDE(.state = OM_SIDE_PAUSED), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen resume-source define-source",
		  .err = "not converging: needs 3.2 s" },
		{ "too late: it is there",
		  { START, .calls = { CALL(SIDE(.ok = true, .ended_by_watch = true),
					   SIDE(.state = ABSENT), SIDE(.state = RUNNING)) } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
	};

	(void)unused;
	CHECK(rows);
}

#define USERFAULT                                                                                  \
	{                                                                                          \
		.end = { .vir_domain = FROM_QEMU,                                                  \
			 .vir_code = 1,                                                            \
			 .text = "'migrate-set-capabilities': Postcopy is not supported" },        \
		.src = { .state = RUNNING },                                                       \
		.dst = {.state = ABSENT }                                                          \
	}

/* Two attempts with all that is wanted, then two without. */
struct downgrade {
	struct call calls[4];
	const char *trace;
	unsigned int warnings;
	bool stays;
};

static void downgrades(struct om_plan *plan, const struct downgrade *rows, size_t count,
		       const char *first_warning)
{
	plan->attempt_count = 4;
	for (size_t i = 0; i < 4; i++) {
		plan->attempts[i].path = i % 2 ? OM_PATH_DEFAULT : OM_PATH_FAST;
		plan->attempts[i].flags = i < 2 ? plan->flags : OM_FLAG_LIVE;
	}
	for (const struct downgrade *row = rows; row < rows + count; row++) {
		struct world w = { START, .plan = plan };
		const struct om_run_ops ops = ops_of(&w);
		struct om_run_end end;

		memcpy(w.calls, row->calls, sizeof(w.calls));
		om_run_migrate(&ops, plan, 3, &end);
		assert_int_equal(end.verdict, row->stays ? OM_VERDICT_SOURCE : OM_VERDICT_DEST);
		assert_int_equal(end.has_err, row->stays);
		assert_true(om_str_starts(w.trace, "save touch drop "));
		assert_string_equal(w.trace + strlen("save touch drop "), row->trace);
		assert_int_equal(w.warnings, row->warnings);
		if (row == rows && !strstr(w.warning, first_warning))
			fail_msg("%s", w.warning);
	}
}

static void a_destination_that_refuses_post_copy_is_migrated_to_without_it(void **unused)
{
	static const struct downgrade rows[] = {
		{ { USERFAULT, SUCCESS }, "memory0 reopen memory2 switched define-dest", 1, false },
		{ { REFUSAL(SYSTEM_ERROR, "no route"), USERFAULT, SUCCESS },
		  "memory0 reopen memory1 reopen memory3 switched define-dest",
		  2,
		  false },
		{ { USERFAULT, REFUSAL(SYSTEM_ERROR, "no route"), SUCCESS },
		  "memory0 reopen memory2 reopen memory3 switched define-dest",
		  2,
		  false },
	};
	struct om_plan plan = { .flags = OM_FLAG_LIVE | OM_FLAG_POSTCOPY };

	(void)unused;
	downgrades(&plan, rows, OM_ARRAY_LEN(rows), "vm.unprivileged_userfaultfd");
}

#define WITHOUT_ZSTD                                                                               \
	{                                                                                          \
		.end = { .vir_domain = FROM_QEMU,                                                  \
			 .vir_code = 1,                                                            \
			 .text = "'migrate-set-parameters': does not accept value 'zstd'" },       \
		.src = { .state = RUNNING },                                                       \
		.dst = {.state = ABSENT }                                                          \
	}

static void a_host_that_refuses_the_way_of_sending_is_sent_to_by_a_single_stream(void **unused)
{
	static const struct downgrade rows[] = {
		{ { WITHOUT_ZSTD, SUCCESS },
		  "memory0 reopen memory2 switched define-dest",
		  1,
		  false },
		{ { REFUSAL(SYSTEM_ERROR, "no route"), WITHOUT_ZSTD, SUCCESS },
		  "memory0 reopen memory1 reopen memory3 switched define-dest",
		  2,
		  false },
		{ { WITHOUT_ZSTD, REFUSAL(SYSTEM_ERROR, "no route"), SUCCESS },
		  "memory0 reopen memory2 reopen memory3 switched define-dest",
		  2,
		  false },
		{ { WITHOUT_ZSTD, WITHOUT_ZSTD },
		  "memory0 reopen memory2 reopen define-source",
		  1,
		  true },
	};
	const unsigned int ours = OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED;
	struct om_plan plan = { .flags = OM_FLAG_LIVE | ours,
				.transport = { .flags = ours,
					       .compression = OM_COMPRESSION_ZSTD } };

	(void)unused;
	downgrades(
		&plan, rows, OM_ARRAY_LEN(rows),
		"the way of sending was refused ('migrate-set-parameters': does not accept value "
		"'zstd'); it is sent by a single stream");
}

/* "domain has active block job" is no refusal of the way. */
static void a_block_job_is_not_blamed_on_the_way_of_sending(void **unused)
{
	const unsigned int ours = OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED;
	struct om_plan plan = {
		.flags = OM_FLAG_LIVE | ours,
		.transport = { .flags = ours, .compression = OM_COMPRESSION_ZSTD },
		.attempts = { { .path = OM_PATH_FAST, .flags = OM_FLAG_LIVE | ours },
			      { .path = OM_PATH_FAST, .flags = OM_FLAG_LIVE } },
		.attempt_count = 2,
	};
	/* Whatever it is called. */
	struct world w = { START, .plan = &plan, .block_jobs = 1, .block_jobs_from = 1,
			   .calls = { REFUSAL(INVALID_ARG, "job"), SUCCESS } };
	const struct om_run_ops ops = ops_of(&w);
	struct om_run_end end;

	(void)unused;
	om_run_migrate(&ops, &plan, 3, &end);
	assert_int_equal(end.verdict, OM_VERDICT_DEST);
	assert_string_equal(
		w.trace, "save touch drop memory0 reopen block-job memory0 switched define-dest");
	assert_int_equal(w.warnings, 0);
}

static void a_job_that_outlives_its_call_is_cancelled_before_the_source_is_named(void **unused)
{
	static const struct row rows[] = {
		{ "it goes with the connection",
		  { START,
		    .calls = { CALL(SIDE(JOB_FAILED, .bytes_sent = true, .text = "cut"),
				    SIDE(.state = RUNNING, .job = true), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cut" },
		{ "it does not, and is cancelled",
		  { START, .job_stays = true, .autodestroy_ms = 1000,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .bytes_sent = true, .text = "cut"),
				    SIDE(.state = RUNNING, .job = true),
				    SIDE(.state = INCOMING)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen abort-source define-source",
		  .err = "cut" },
		{ "a guest that is paused",
		  { .src = { .state = OM_SIDE_PAUSED },
		    .dst = { .state = ABSENT },
		    .job_stays = true,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .bytes_sent = true, .text = "cut"),
				    SIDE(.state = OM_SIDE_PAUSED, .job = true),
				    SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen abort-source define-source",
		  .err = "cut" },
		{ "it ends although it cannot be cancelled",
		  { START, .job_ends_ms = 20000, .abort_fails = true,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .bytes_sent = true, .text = "cut"),
				    SIDE(.state = RUNNING, .job = true), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen abort-source define-source",
		  .err = "cut" },
		{ "it never ends: nothing is named, and the snapshots are put nowhere",
		  { START, .job_stays = true, .abort_fails = true,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .text = "cut"),
				    SIDE(.state = RUNNING, .job = true), SIDE(.state = ABSENT)) } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "save touch drop memory0 reopen abort-source",
		  .err = "cut" },
		{ "cancelled before the first byte: the next path",
		  { START, .job_stays = true,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .text = "refused"),
				    SIDE(.state = RUNNING, .job = true), SIDE(.state = ABSENT)),
			       SUCCESS } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_DEST,
		  .warnings = 1,
		  .trace =
			  "save touch drop memory0 reopen abort-source memory1 switched define-dest" },
	};
	struct world w = rows[4].w;

	(void)unused;
	CHECK(rows);
	run(&w, 0, 3, 3);
	assert_true(w.now_ms >= OM_UNREACHABLE_WAIT_MS && w.now_ms < OM_UNREACHABLE_WAIT_MS + 1000);
	assert_true(w.aborts > 100);
	assert_int_equal(w.calls_made, 1);
}

static void a_stop_between_two_attempts_is_the_end(void **unused)
{
	static const struct row rows[] = {
		{ "before the first one",
		  { START, .stop_at = "drop", .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop define-source",
		  .err = "cancelled on request" },
		{ "before the next path",
		  { START, .stop_at = "reopen",
		    .calls = { REFUSAL(SYSTEM_ERROR, "refused"), SUCCESS } },
		  .attempts = 3,
		  .verdict = OM_VERDICT_SOURCE,
		  .warnings = 1,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cancelled on request" },
		{ "while a block job is waited for",
		  { START, .stop_in_sleep = true, .block_jobs = 9, .block_jobs_from = 1,
		    .calls = { REFUSAL(OPERATION_FAILED, "block job"), SUCCESS } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen block-job define-source",
		  .err = "cancelled on request" },
	};

	(void)unused;
	CHECK(rows);
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct world w = rows[i].w;

		assert_int_equal(run(&w, 0, 3, 3).err.code, OM_E_ABORTED);
	}
}

static void our_pause_that_met_no_migration_is_taken_back(void **unused)
{
	static const struct row rows[] = {
		{ "ours",
		  { START,
		    .calls = { CALL(SIDE(JOB_FAILED, .bytes_sent = true, .suspended = true,
					 .text = "cut"),
				    SIDE(.state = OM_SIDE_PAUSED), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen resume-source define-source",
		  .err = "cut" },
		{ "somebody else's",
		  { START,
		    .calls = { CALL(SIDE(JOB_FAILED, .bytes_sent = true, .text = "cut"),
				    SIDE(.state = OM_SIDE_PAUSED), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cut" },
		{ "paused before",
		  { .src = { .state = OM_SIDE_PAUSED },
		    .dst = { .state = ABSENT },
		    .calls = { CALL(SIDE(JOB_FAILED, .bytes_sent = true, .suspended = true,
					 .text = "cut"),
				    SIDE(.state = OM_SIDE_PAUSED), SIDE(.state = ABSENT)) } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "save touch drop memory0 reopen define-source",
		  .err = "cut" },
	};

	(void)unused;
	CHECK(rows);
}

static void our_pause_that_came_before_the_migration_ends_on_the_destination(void **unused)
{
	static const struct row rows[] = {
		{ "ours",
		  { START,
		    .calls = { CALL(SIDE(.ok = true, .suspended = true), SIDE(.state = ABSENT),
				    SIDE(.state = OM_SIDE_PAUSED)) } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 resume-dest switched define-dest" },
		{ "paused before",
		  { .src = { .state = OM_SIDE_PAUSED },
		    .dst = { .state = ABSENT },
		    .calls = { CALL(SIDE(.ok = true, .suspended = true), SIDE(.state = ABSENT),
				    SIDE(.state = OM_SIDE_PAUSED)) } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
	};

	(void)unused;
	CHECK(rows);
}

static void an_acknowledged_start_counts_when_a_host_falls_silent(void **unused)
{
	static const struct row rows[] = {
		{ "the source",
		  { START, .calls = { CALL(SIDE(.ok = true), SIDE(.state = OM_SIDE_UNREACHABLE),
					   SIDE(.state = RUNNING)) } },
		  .verdict = OM_VERDICT_DEST_LEFTOVER,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "the destination",
		  { START, .calls = { CALL(SIDE(.ok = true), SIDE(.state = ABSENT),
					   SIDE(.state = OM_SIDE_UNREACHABLE)) } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "save touch drop memory0 switched define-dest" },
		{ "the source, and it was not acknowledged",
		  { START,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .text = "cut"),
				    SIDE(.state = OM_SIDE_UNREACHABLE), SIDE(.state = RUNNING)) } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "save touch drop memory0 reopen",
		  .err = "cut" },
		{ "the destination, and it was not acknowledged",
		  { START,
		    .calls = { CALL(SIDE(CONNECTION_LOST, .text = "cut"), SIDE(.state = ABSENT),
				    SIDE(.state = OM_SIDE_UNREACHABLE)) } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "save touch drop memory0 reopen",
		  .err = "cut" },
	};

	(void)unused;
	CHECK(rows);
}

static void what_was_left_behind_is_repaired_only_after_the_touch(void **unused)
{
	static const struct {
		struct om_side src, dst;
		const char *trace;
	} rows[] = {
		{ { .state = RUNNING }, { .state = INCOMING }, "touch destroy-dest" },
		{ { .state = BACK }, { .state = INCOMING }, "touch destroy-dest" },
		{ { .state = INCOMING }, { .state = ABSENT }, "touch resume-source" },
		{ { .state = RUNNING }, { .state = ABSENT }, "" },
		{ { .state = OM_SIDE_PAUSED }, { .state = ABSENT }, "" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct world w = { .src = rows[i].src, .dst = rows[i].dst };
		struct om_run_ops ops = ops_of(&w);
		struct om_run_end end = { 0 };
		bool source_paused, repairs = *rows[i].trace;

		assert_true(om_run_enter(&ops, &end, &source_paused));
		assert_string_equal(w.trace, rows[i].trace);
		assert_int_equal(w.warnings, repairs);
		assert_int_equal(source_paused, rows[i].src.state == OM_SIDE_PAUSED);
		/* Stopped by then, or answered for: nothing is repaired any more. */
		w = (struct world){ .src = rows[i].src, .dst = rows[i].dst, .touch_fails = true };
		assert_int_equal(om_run_enter(&ops, &end, &source_paused), !repairs);
		assert_string_equal(w.trace, "");
		assert_int_equal(w.warnings, 0);
		assert_int_equal(end.has_err, repairs);
		if (repairs) {
			assert_int_equal(end.err.code, OM_E_ABORTED);
			assert_int_equal(end.verdict, OM_VERDICT_SOURCE);
		}
	}
}

static bool has_it(enum om_side_state state)
{
	return state == RUNNING || state == BACK || state == OM_SIDE_PAUSED;
}

static bool is_half(enum om_side_state state)
{
	return state == OM_SIDE_POSTCOPY || state == OM_SIDE_POSTCOPY_FAILED;
}

static enum om_verdict seen(enum om_side_state src, enum om_side_state dst)
{
	if (src == ABSENT && has_it(dst))
		return OM_VERDICT_DEST;
	if (src == ABSENT && dst == ABSENT)
		return OM_VERDICT_NEITHER;
	if (is_half(src) && is_half(dst))
		return OM_VERDICT_DEST_POSTCOPY;
	if (has_it(src) && dst == OM_SIDE_PAUSED)
		return OM_VERDICT_SOURCE_LEFTOVER;
	if (has_it(src) && (dst == ABSENT || dst == INCOMING || dst == OM_SIDE_UNREACHABLE))
		return OM_VERDICT_SOURCE;
	return OM_VERDICT_UNKNOWN;
}

/* Nothing but sides() is there to be called. */
static void a_look_asks_once_and_repairs_nothing(void **unused)
{
	(void)unused;
	for (int src = 0; src < OM_SIDE_COUNT; src++)
		for (int dst = 0; dst < OM_SIDE_COUNT; dst++)
			for (int job = 0; job < 2; job++) {
				struct world w = { .src = { .state = (enum om_side_state)src,
							    .job = job },
						   .dst = { .state = (enum om_side_state)dst } };
				struct om_run_ops ops = { .ctx = &w, .sides = sides };
				bool repeated;
				enum om_verdict v = om_run_look(&ops, &repeated);

				if (v != seen(w.src.state, w.dst.state) ||
				    repeated != (v == OM_VERDICT_DEST))
					fail_msg("source %s, destination %s: verdict %d",
						 om_side_state_name(w.src.state),
						 om_side_state_name(w.dst.state), (int)v);
			}
}

static void storage_comes_before_memory_and_goes_when_that_fails(void **unused)
{
	static const struct row rows[] = {
		{ .what = "all is well",
		  .w = { .storage = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT },
			 .calls = { SUCCESS } },
		  .verdict = OM_VERDICT_DEST,
		  .trace = "touch bring save touch drop memory0 switched define-dest keep" },
		{ .what = "it cannot be brought",
		  .w = { .storage = true,
			 .bring_fails = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "touch bring undo",
		  .err = "bring failed" },
		{ .what = "it cannot be brought, and the guest has ended meanwhile",
		  .w = { .storage = true,
			 .bring_fails = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT },
			 .gone_at = "bring" },
		  .verdict = OM_VERDICT_NEITHER,
		  .trace = "touch bring keep",
		  .err = "bring failed" },
		{ .what = "cancelled before it",
		  .w = { .storage = true,
			 .touch_fails = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "undo",
		  .err = "cancelled before anything was touched" },
		{ .what = "snapshots cannot be saved",
		  .w = { .storage = true,
			 .save_fails = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "touch bring save undo",
		  .err = "save failed" },
		{ .what = "the copy fails",
		  .w = { .storage = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT },
			 .calls = { REFUSAL(INVALID_ARG, "no") } },
		  .verdict = OM_VERDICT_SOURCE,
		  .trace = "touch bring save touch drop memory0 reopen define-source undo",
		  .err = "no" },
		{ .what = "the copy fails, and where the guest is is not known",
		  .w = { .storage = true,
			 .src = { .state = RUNNING },
			 .dst = { .state = ABSENT },
			 .calls = { { .end = { .vir_code = INVALID_ARG, .text = "no" },
				      .src = { .state = OM_SIDE_UNREACHABLE },
				      .dst = { .state = ABSENT } } } },
		  .verdict = OM_VERDICT_UNKNOWN,
		  .trace = "touch bring save touch drop memory0 reopen keep",
		  .err = "no" },
	};

	(void)unused;
	check(rows, OM_ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storage_comes_before_memory_and_goes_when_that_fails),
		cmocka_unit_test(
			a_migration_that_succeeds_defines_the_snapshots_on_the_destination),
		cmocka_unit_test(a_failure_puts_the_snapshots_back_where_the_guest_is),
		cmocka_unit_test(
			the_next_path_is_tried_only_before_the_first_byte_and_with_one_warning),
		cmocka_unit_test(the_warning_names_the_path_and_the_reason),
		cmocka_unit_test(
			a_stop_before_the_touch_touches_nothing_and_one_in_the_copy_is_answered),
		cmocka_unit_test(a_block_job_is_waited_for_as_often_as_virsh_tries_says),
		cmocka_unit_test(a_block_job_that_began_later_is_waited_for_too),
		cmocka_unit_test(a_block_job_is_not_blamed_on_the_way_of_sending),
		cmocka_unit_test(what_the_hosts_say_before_decides_whether_it_begins),
		cmocka_unit_test(a_repeated_action_says_so),
		cmocka_unit_test(a_throttled_restart_is_made_once_and_only_from_a_proven_source),
		cmocka_unit_test(
			a_restart_with_synchronous_writes_is_made_once_and_may_be_followed_by_another),
		cmocka_unit_test(an_end_by_the_watch_gives_the_watchs_reason),
		cmocka_unit_test(a_destination_that_refuses_post_copy_is_migrated_to_without_it),
		cmocka_unit_test(
			a_host_that_refuses_the_way_of_sending_is_sent_to_by_a_single_stream),
		cmocka_unit_test(
			a_job_that_outlives_its_call_is_cancelled_before_the_source_is_named),
		cmocka_unit_test(a_stop_between_two_attempts_is_the_end),
		cmocka_unit_test(our_pause_that_met_no_migration_is_taken_back),
		cmocka_unit_test(our_pause_that_came_before_the_migration_ends_on_the_destination),
		cmocka_unit_test(an_acknowledged_start_counts_when_a_host_falls_silent),
		cmocka_unit_test(what_was_left_behind_is_repaired_only_after_the_touch),
		cmocka_unit_test(a_look_asks_once_and_repairs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
