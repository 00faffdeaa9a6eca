/* SPDX-License-Identifier: Apache-2.0 */
#include "om_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_JOB_WAIT_MS 5000 /* as stock */
#define BUSY_WAIT_MS 10000 /* the job of a process that has just died goes with its connection */
#define ASK_EVERY_MS 200

/* The end without having touched anything. */
static void refuse(struct om_run_end *end, const char *fmt, ...) OM_PRINTF(2, 3);
static void refuse(struct om_run_end *end, const char *fmt, ...)
{
	va_list args;

	end->verdict = OM_VERDICT_SOURCE;
	end->has_err = true;
	end->err.code = OM_E_INPUT;
	va_start(args, fmt);
	vsnprintf(end->err.msg, sizeof(end->err.msg), fmt, args);
	va_end(args);
}

/* What an earlier migration left paused: its own libvirt removes it, or we do, while the source is
 * proven to run; a source that was left stopped is started. */
static bool repair_first(const struct om_run_ops *ops, const char *what, struct om_run_end *end)
{
	struct om_outcome_context context = { 0 };
	enum om_verdict verdict;

	if (!ops->touch(ops->ctx, &end->err)) {
		end->has_err = true;
		end->verdict = OM_VERDICT_SOURCE;
		return false;
	}
	ops->log(ops->ctx, OM_LOG_WARN, what);
	verdict = om_run_settle(ops, &context);
	if (verdict == OM_VERDICT_SOURCE)
		return true;
	refuse(end, "what an earlier migration left behind could not be repaired");
	end->verdict = verdict;
	return false;
}

/* Where the guest is when nothing was touched. */
static enum om_verdict untouched(const struct om_side *src, const struct om_side *dst)
{
	switch (src->state) {
	case OM_SIDE_POSTCOPY:
	case OM_SIDE_POSTCOPY_FAILED:
		return dst->state == OM_SIDE_POSTCOPY || dst->state == OM_SIDE_POSTCOPY_FAILED
			       ? OM_VERDICT_DEST_POSTCOPY
			       : OM_VERDICT_UNKNOWN;
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
	case OM_SIDE_PAUSED:
		if (dst->state == OM_SIDE_PAUSED)
			return OM_VERDICT_SOURCE_LEFTOVER;
		return dst->state == OM_SIDE_ABSENT || dst->state == OM_SIDE_INCOMING ||
				       dst->state == OM_SIDE_UNREACHABLE
			       ? OM_VERDICT_SOURCE
			       : OM_VERDICT_UNKNOWN;
	default:
		return OM_VERDICT_UNKNOWN;
	}
}

enum om_verdict om_run_look(const struct om_run_ops *ops, bool *repeated)
{
	struct om_side src, dst;

	ops->sides(ops->ctx, &src, &dst);
	*repeated = om_outcome_entry(&src, &dst) == OM_ENTRY_DONE_BEFORE;
	if (*repeated)
		return OM_VERDICT_DEST;
	if (src.state == OM_SIDE_ABSENT && dst.state == OM_SIDE_ABSENT)
		return OM_VERDICT_NEITHER;
	return untouched(&src, &dst);
}

static enum om_entry ask_entry(const struct om_run_ops *ops, struct om_side *src,
			       struct om_side *dst)
{
	uint64_t begun_ms = ops->now_ms(ops->ctx);
	enum om_entry entry;

	for (;;) {
		ops->sides(ops->ctx, src, dst);
		entry = om_outcome_entry(src, dst);
		if (entry != OM_ENTRY_SOURCE_BUSY || ops->stop_requested(ops->ctx) ||
		    ops->now_ms(ops->ctx) - begun_ms >= BUSY_WAIT_MS)
			return entry;
		ops->sleep_ms(ops->ctx, ASK_EVERY_MS);
	}
}

bool om_run_enter(const struct om_run_ops *ops, struct om_run_end *end, bool *source_paused)
{
	struct om_side src, dst;
	enum om_entry entry = ask_entry(ops, &src, &dst);

	*source_paused = src.state == OM_SIDE_PAUSED;
	switch (entry) {
	case OM_ENTRY_GO:
		return src.state != OM_SIDE_INCOMING ||
		       repair_first(ops,
				    "an earlier migration left the VM stopped on the source; it is "
				    "started first",
				    end);
	case OM_ENTRY_LEFTOVER:
		return repair_first(
			ops,
			"a paused leftover of an earlier migration is on the destination; "
			"it is removed first",
			end);
	case OM_ENTRY_DONE_BEFORE:
		end->verdict = OM_VERDICT_DEST;
		end->repeated = true;
		return false;
	case OM_ENTRY_SOURCE_BUSY:
		refuse(end, "another job of this VM is active on the source");
		end->verdict = untouched(&src, &dst);
		return false;
	case OM_ENTRY_BOTH:
		refuse(end, "the VM is active on both hosts (source: %s, destination: %s)",
		       om_side_state_name(src.state), om_side_state_name(dst.state));
		end->verdict = untouched(&src, &dst);
		return false;
	case OM_ENTRY_NOT_FOUND:
		refuse(end, "the VM is on neither host");
		end->verdict = OM_VERDICT_NEITHER;
		return false;
	default:
		refuse(end, "the state of the VM cannot be proven (source: %s, destination: %s)",
		       om_side_state_name(src.state), om_side_state_name(dst.state));
		end->verdict = untouched(&src, &dst);
		return false;
	}
}

static bool wait_for_block_jobs(const struct om_run_ops *ops, uint32_t tries,
				struct om_run_end *end)
{
	char target[32], line[128];

	for (uint32_t i = 1; ops->block_job(ops->ctx, target, sizeof(target)); i++) {
		if (ops->stop_requested(ops->ctx)) {
			refuse(end, "cancelled before anything was touched");
			return false;
		}
		if (i >= tries) {
			refuse(end, "disk %s has an active block job (asked %u times)", target, i);
			return false;
		}
		snprintf(line, sizeof(line), "disk %s has an active block job; trying again in 5 s",
			 target);
		ops->log(ops->ctx, OM_LOG_INFO, line);
		ops->sleep_ms(ops->ctx, BLOCK_JOB_WAIT_MS);
	}
	return true;
}

/* From here on there is something of ours on the destination. */
static bool bring_storage(const struct om_run_ops *ops, struct om_run_end *end)
{
	bool ignored;

	if (!ops->storage_bring)
		return true;
	end->verdict = OM_VERDICT_SOURCE;
	if (ops->touch(ops->ctx, &end->err)) {
		ops->phase(ops->ctx, OM_PHASE_SEND);
		if (ops->storage_bring(ops->ctx, &end->err))
			return true;
		end->verdict = om_run_look(ops, &ignored);
	}
	end->has_err = true;
	return false;
}

static void undo_storage(const struct om_run_ops *ops, const struct om_run_end *end)
{
	if (ops->storage_undo)
		ops->storage_undo(ops->ctx, end->verdict);
}

static bool drop_snapshots(const struct om_run_ops *ops, struct om_run_end *end)
{
	if (!ops->snapshots_save(ops->ctx, &end->err) || !ops->touch(ops->ctx, &end->err)) {
		end->has_err = true;
		end->verdict = OM_VERDICT_SOURCE;
		return false;
	}
	if (ops->snapshots_drop(ops->ctx, &end->err))
		return true;
	end->has_err = true;
	end->verdict = OM_VERDICT_SOURCE;
	om_run_put_snapshots(ops, end->verdict);
	return false;
}

/* The call has failed: releases what it holds, then lets both sides say where the guest is. */
static enum om_verdict settle_failure(const struct om_run_ops *ops,
				      struct om_outcome_context context)
{
	struct om_err err = { 0 };

	if (!ops->reopen_source(ops->ctx, &err))
		ops->log(ops->ctx, OM_LOG_WARN, err.msg);
	return om_run_settle(ops, &context);
}

static void warn_next_path(const struct om_run_ops *ops, const struct om_attempt *tried,
			   const struct om_attempt *next, const struct om_attempt_end *failed)
{
	char line[600];

	snprintf(line, sizeof(line), "%s failed before the first byte (%s); memory takes %s",
		 tried->path == OM_PATH_FAST ? "the fast path" : "the default path", failed->text,
		 next->path == OM_PATH_NAME ? "the host's OpenNebula name" : "the default path");
	ops->log(ops->ctx, OM_LOG_WARN, line);
}

static void warn_no_postcopy(const struct om_run_ops *ops, const struct om_attempt_end *failed)
{
	char line[700];

	snprintf(
		line, sizeof(line),
		"post-copy was refused (%s); it migrates without it: QEMU on the destination needs "
		"/dev/userfaultfd or the sysctl vm.unprivileged_userfaultfd=1",
		failed->text);
	ops->log(ops->ctx, OM_LOG_WARN, line);
}

static void warn_transport(const struct om_run_ops *ops, const struct om_attempt *tried,
			   const struct om_attempt *next, const struct om_attempt_end *failed)
{
	unsigned int lost = tried->flags & ~next->flags;
	const char *what = "the way of sending", *then = "it is sent by a single stream";
	char line[700];

	if (lost == OM_FLAG_TLS) {
		what = "encryption";
		then = "memory is not encrypted, as MIGRATE_TLS is opportunistic";
	} else if (lost == OM_FLAG_ZEROCOPY) {
		what = "zero-copy";
		then = "memory is copied before it is sent";
	}
	snprintf(line, sizeof(line), "%s was refused (%s); %s", what, failed->text, then);
	ops->log(ops->ctx, OM_LOG_WARN, line);
}

/* Is there another attempt to be made? Then *attempt becomes it. */
static bool go_on(const struct om_run_ops *ops, const struct om_plan *plan, size_t *attempt,
		  const struct om_attempt_end *failed)
{
	size_t next;

	switch (om_plan_next(plan, *attempt, failed, &next)) {
	case OM_NEXT_PATH:
		warn_next_path(ops, &plan->attempts[*attempt], &plan->attempts[next], failed);
		break;
	case OM_NEXT_NO_POSTCOPY:
		warn_no_postcopy(ops, failed);
		break;
	case OM_NEXT_TRANSPORT:
	case OM_NEXT_NO_TLS:
		warn_transport(ops, &plan->attempts[*attempt], &plan->attempts[next], failed);
		break;
	default:
		return false;
	}
	*attempt = next;
	return true;
}

/* Begins anew on the same path, with each flag only once: the watch has seen that nothing gentler ends it. */
static void begin_again(const struct om_run_ops *ops, const struct om_attempt *from,
			const struct om_attempt_end *call, struct om_attempt *again)
{
	char line[400];

	om_plan_again(again, from, call);
	snprintf(line, sizeof(line), "the copy was cancelled and begins again with %s%s%s",
		 call->restart == OM_FLAG_SYNC_WRITES
			 ? "synchronous writes: those of the guest to its disks wait for the "
			   "destination"
			 : "auto-converge, which slows the guest down",
		 *call->watch_why ? ": " : "", call->watch_why);
	ops->log(ops->ctx, OM_LOG_INFO, line);
}

static void explain(struct om_run_end *end, const struct om_attempt_end *call)
{
	bool by_watch = (call->ended_by_watch || call->restart) && *call->watch_why;

	if (call->stop_requested)
		om_err_set(&end->err, OM_E_ABORTED, "cancelled on request (%s)", call->text);
	else if (call->dest_lost && !by_watch)
		om_err_set(&end->err, OM_E_SOURCE,
			   "the connection to the destination's libvirt was lost (%s)", call->text);
	else
		om_err_set(&end->err, OM_E_SOURCE, "%s", by_watch ? call->watch_why : call->text);
	end->has_err = true;
}

/* One call of libvirt, and what both sides say after it. */
static void call_once(const struct om_run_ops *ops, const struct om_attempt *attempt,
		      struct om_outcome_context context, struct om_attempt_end *call,
		      struct om_run_end *end)
{
	memset(call, 0, sizeof(*call));
	ops->phase(ops->ctx, OM_PHASE_COPY);
	ops->memory(ops->ctx, attempt, call);
	context.call_ok = call->ok;
	context.suspended_by_us = call->suspended;
	end->verdict = call->ok ? om_run_settle(ops, &context) : settle_failure(ops, context);
	end->has_err = false;
	if (!call->ok)
		explain(end, call);
}

/* A block job may have begun since it was asked for. */
static bool block_job_began(const struct om_run_ops *ops, const struct om_attempt_end *call,
			    uint32_t *tries_left)
{
	char target[32];

	if (call->bytes_sent || call->stop_requested || call->ended_by_watch || call->restart ||
	    !*tries_left || !ops->block_job(ops->ctx, target, sizeof(target)))
		return false;
	--*tries_left;
	ops->sleep_ms(ops->ctx, BLOCK_JOB_WAIT_MS);
	return true;
}

/* Goes through the attempts, as long as the guest is proven to be on the source. */
static void move_memory(const struct om_run_ops *ops, const struct om_plan *plan, uint32_t tries,
			struct om_outcome_context context, struct om_run_end *end)
{
	struct om_attempt again = { 0 };
	struct om_attempt_end call;
	uint32_t tries_left = tries - 1;

	for (end->attempt = 0; !ops->stop_requested(ops->ctx);) {
		bool restarted = again.flags;
		const struct om_attempt *now = restarted ? &again : &plan->attempts[end->attempt];

		call_once(ops, now, context, &call, end);
		if (call.ok || end->verdict != OM_VERDICT_SOURCE)
			return;
		if (call.restart & ~now->flags)
			begin_again(ops, now, &call, &again);
		else if (block_job_began(ops, &call, &tries_left))
			continue; /* which says nothing of the attempt */
		else if (restarted || !go_on(ops, plan, &end->attempt, &call))
			return;
	}
	end->has_err = true;
	end->verdict = OM_VERDICT_SOURCE;
	om_err_set(&end->err, OM_E_ABORTED, "cancelled on request");
}

void om_run_put_snapshots(const struct om_run_ops *ops, enum om_verdict verdict)
{
	struct om_err err = { 0 };
	bool on_dest = verdict == OM_VERDICT_DEST || verdict == OM_VERDICT_DEST_LEFTOVER ||
		       verdict == OM_VERDICT_BOTH;

	if (!on_dest && verdict != OM_VERDICT_SOURCE && verdict != OM_VERDICT_SOURCE_LEFTOVER) {
		ops->log(ops->ctx, OM_LOG_DEBUG,
			 "snapshot metadata, if any, was not defined again");
		return;
	}
	if (!ops->snapshots_define(ops->ctx, on_dest, &err))
		ops->log(ops->ctx, OM_LOG_WARN, err.msg);
}

void om_run_migrate(const struct om_run_ops *ops, const struct om_plan *plan, uint32_t tries,
		    struct om_run_end *end)
{
	struct om_outcome_context context = { .asked_paused = plan->flags & OM_FLAG_PAUSED };

	memset(end, 0, sizeof(*end));
	if (!om_run_enter(ops, end, &context.source_paused) ||
	    !wait_for_block_jobs(ops, tries, end))
		return;
	if (bring_storage(ops, end) && drop_snapshots(ops, end)) {
		move_memory(ops, plan, tries, context, end);
		if (end->verdict == OM_VERDICT_DEST || end->verdict == OM_VERDICT_DEST_LEFTOVER)
			ops->switched(ops->ctx);
		om_run_put_snapshots(ops, end->verdict);
	}
	undo_storage(ops, end);
}
