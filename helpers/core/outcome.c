/* SPDX-License-Identifier: Apache-2.0 */
#include "om_outcome.h"

static const char *const names[OM_SIDE_COUNT] = {
	[OM_SIDE_UNREACHABLE] = "not reachable",
	[OM_SIDE_ABSENT] = "not there",
	[OM_SIDE_RUNNING] = "running",
	[OM_SIDE_ROLLED_BACK] = "running",
	[OM_SIDE_INCOMING] = "paused for the migration",
	[OM_SIDE_PAUSED] = "paused",
	[OM_SIDE_POSTCOPY] = "in post-copy",
	[OM_SIDE_POSTCOPY_FAILED] = "in a broken post-copy",
};

const char *om_side_state_name(enum om_side_state state)
{
	return names[state];
}

static bool runs(enum om_side_state state)
{
	return state == OM_SIDE_RUNNING || state == OM_SIDE_ROLLED_BACK;
}

static bool in_postcopy(enum om_side_state state)
{
	return state == OM_SIDE_POSTCOPY || state == OM_SIDE_POSTCOPY_FAILED;
}

static enum om_verdict wait_or(const struct om_outcome_context *context, uint64_t limit_ms,
			       enum om_verdict then)
{
	return context->waited_ms < limit_ms ? OM_VERDICT_WAIT : then;
}

/* The source's libvirt does not answer, and so it cannot be told whether a copy is left there. */
static enum om_verdict source_unreachable(const struct om_side *dst,
					  const struct om_outcome_context *c)
{
	/* It was started there, so that a copy on the source can only be a stopped one; unless the
	 * source was seen to run beside it. */
	if (runs(dst->state) && (c->call_ok || dst->resumed || c->suspended))
		return wait_or(c, OM_AUTODESTROY_WAIT_MS,
			       c->suspended ? OM_VERDICT_BOTH : OM_VERDICT_DEST_LEFTOVER);
	return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_UNKNOWN);
}

/* libvirt had not begun when we paused the guest, and so took it for one that is to stay paused. Where its
 * CPUs may have run there, somebody else has stopped it. */
static bool our_pause_went_there(const struct om_side *dst, const struct om_outcome_context *c)
{
	return c->suspended_by_us && !c->asked_paused && !c->source_paused && !dst->resumed &&
	       !dst->unwatched && !c->resume_failed;
}

static enum om_verdict source_gone(const struct om_side *dst, const struct om_outcome_context *c)
{
	switch (dst->state) {
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
		return OM_VERDICT_DEST;
	case OM_SIDE_PAUSED:
		return our_pause_went_there(dst, c) ? OM_VERDICT_RESUME_DEST : OM_VERDICT_DEST;
	case OM_SIDE_POSTCOPY: /* the last pages have come, its daemon is about to say so */
		return wait_or(c, OM_AUTODESTROY_WAIT_MS, OM_VERDICT_DEST);
	case OM_SIDE_POSTCOPY_FAILED:
		return OM_VERDICT_DEST_POSTCOPY;
	case OM_SIDE_ABSENT:
		return OM_VERDICT_NEITHER;
	case OM_SIDE_INCOMING:
		return wait_or(c, OM_AUTODESTROY_WAIT_MS, OM_VERDICT_UNKNOWN);
	default:
		return wait_or(c, OM_UNREACHABLE_WAIT_MS,
			       c->call_ok ? OM_VERDICT_DEST : OM_VERDICT_UNKNOWN);
	}
}

/* libvirt's call has ended, and yet the migration goes on: it would end with the guest on the
 * destination after the source was named. */
static enum om_verdict cancel_job(const struct om_outcome_context *c)
{
	return c->waited_ms < OM_UNREACHABLE_WAIT_MS ? OM_VERDICT_ABORT_JOB : OM_VERDICT_UNKNOWN;
}

static enum om_verdict source_runs(const struct om_side *src, const struct om_side *dst,
				   const struct om_outcome_context *c)
{
	if (src->job && !runs(dst->state))
		return cancel_job(c);
	switch (dst->state) {
	case OM_SIDE_ABSENT:
		return OM_VERDICT_SOURCE;
	case OM_SIDE_UNREACHABLE:
		/* Never stopped for a switch-over, so the destination was never told to start. */
		if (src->state == OM_SIDE_RUNNING && !src->stopped)
			return OM_VERDICT_SOURCE;
		return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_UNKNOWN);
	case OM_SIDE_INCOMING:
		if (c->waited_ms < OM_AUTODESTROY_WAIT_MS)
			return OM_VERDICT_WAIT;
		if (dst->resumed || c->destroy_dest_failed)
			return OM_VERDICT_SOURCE_LEFTOVER;
		return OM_VERDICT_DESTROY_DEST;
	case OM_SIDE_PAUSED:
		/* Asked to stay paused, its CPUs never ran; else somebody stopped a guest that ran. */
		if (c->asked_paused && !dst->resumed && !dst->unwatched && !c->destroy_dest_failed)
			return OM_VERDICT_DESTROY_DEST;
		return OM_VERDICT_SOURCE_LEFTOVER;
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
		/* Tried again while there is hope; whoever reads the answer must look at it anyway. */
		if (c->suspended && c->waited_ms >= OM_AUTODESTROY_WAIT_MS)
			return OM_VERDICT_BOTH;
		return OM_VERDICT_SUSPEND_SOURCE;
	default:
		return wait_or(c, OM_AUTODESTROY_WAIT_MS, OM_VERDICT_UNKNOWN);
	}
}

/* Stopped for the switch-over: whoever runs the guest now holds the truth. */
static enum om_verdict source_stopped(const struct om_side *src, const struct om_side *dst,
				      const struct om_outcome_context *c)
{
	switch (dst->state) {
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
	case OM_SIDE_PAUSED:
		if (src->job && c->waited_ms < OM_AUTODESTROY_WAIT_MS)
			return OM_VERDICT_WAIT;
		return c->destroy_source_failed ? OM_VERDICT_DEST_LEFTOVER
						: OM_VERDICT_DESTROY_SOURCE;
	case OM_SIDE_ABSENT:
		if (src->job)
			return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_UNKNOWN);
		/* It ran there and is gone: the memory here is older than what is on its disks. */
		if (dst->resumed || (c->call_ok && !c->asked_paused))
			return OM_VERDICT_UNKNOWN;
		return c->resume_failed ? OM_VERDICT_UNKNOWN : OM_VERDICT_RESUME_SOURCE;
	case OM_SIDE_INCOMING:
		/* Nobody is left who could start the destination; its daemon removes it. If it does
		 * not, the source runs first, and only then may the other one go. */
		if (c->waited_ms < OM_UNREACHABLE_WAIT_MS)
			return OM_VERDICT_WAIT;
		if (src->job || dst->resumed || c->resume_failed)
			return OM_VERDICT_UNKNOWN;
		return OM_VERDICT_RESUME_SOURCE;
	default:
		return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_UNKNOWN);
	}
}

/* Paused for a reason of its own: as before the migration, or because it ran on both sides. */
static enum om_verdict source_paused(const struct om_side *src, const struct om_side *dst,
				     const struct om_outcome_context *c)
{
	if (src->job && (dst->state == OM_SIDE_ABSENT || dst->state == OM_SIDE_INCOMING))
		return cancel_job(c);
	switch (dst->state) {
	case OM_SIDE_ABSENT:
		/* Our pause met no migration any more; nobody else would end it. */
		if (c->suspended_by_us && !c->source_paused && !dst->resumed && !c->resume_failed)
			return OM_VERDICT_RESUME_SOURCE;
		return OM_VERDICT_SOURCE;
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
		return c->suspended ? OM_VERDICT_BOTH
				    : wait_or(c, OM_AUTODESTROY_WAIT_MS, OM_VERDICT_BOTH);
	case OM_SIDE_INCOMING:
		return wait_or(c, OM_AUTODESTROY_WAIT_MS, OM_VERDICT_SOURCE_LEFTOVER);
	default:
		return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_UNKNOWN);
	}
}

static enum om_verdict source_in_postcopy(const struct om_side *src, const struct om_side *dst,
					  const struct om_outcome_context *c)
{
	/* The half that ran there does not answer, or is lost; the one here is not complete. */
	if (dst->state == OM_SIDE_UNREACHABLE || dst->state == OM_SIDE_ABSENT ||
	    dst->state == OM_SIDE_INCOMING)
		return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_UNKNOWN);
	/* All pages have come and the destination runs alone: what is left here is a husk. */
	if (runs(dst->state) && c->waited_ms >= OM_AUTODESTROY_WAIT_MS)
		return src->job || c->destroy_source_failed ? OM_VERDICT_DEST_LEFTOVER
							    : OM_VERDICT_DESTROY_SOURCE;
	return wait_or(c, OM_UNREACHABLE_WAIT_MS, OM_VERDICT_DEST_POSTCOPY);
}

enum om_verdict om_outcome_decide(const struct om_side *src, const struct om_side *dst,
				  const struct om_outcome_context *context)
{
	switch (src->state) {
	case OM_SIDE_UNREACHABLE:
		return source_unreachable(dst, context);
	case OM_SIDE_ABSENT:
		return source_gone(dst, context);
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
		return source_runs(src, dst, context);
	case OM_SIDE_INCOMING:
		return source_stopped(src, dst, context);
	case OM_SIDE_PAUSED:
		return source_paused(src, dst, context);
	default:
		return source_in_postcopy(src, dst, context);
	}
}

enum om_entry om_outcome_entry(const struct om_side *src, const struct om_side *dst)
{
	if (src->state == OM_SIDE_UNREACHABLE || dst->state == OM_SIDE_UNREACHABLE)
		return OM_ENTRY_UNPROVEN;
	if (src->state == OM_SIDE_ABSENT) {
		if (dst->state == OM_SIDE_ABSENT)
			return OM_ENTRY_NOT_FOUND;
		return runs(dst->state) || dst->state == OM_SIDE_PAUSED ? OM_ENTRY_DONE_BEFORE
									: OM_ENTRY_UNPROVEN;
	}
	if (src->job || in_postcopy(src->state))
		return OM_ENTRY_SOURCE_BUSY;
	if (dst->state == OM_SIDE_ABSENT)
		return OM_ENTRY_GO;
	return runs(src->state) && dst->state == OM_SIDE_INCOMING ? OM_ENTRY_LEFTOVER
								  : OM_ENTRY_BOTH;
}
