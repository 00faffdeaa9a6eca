/* SPDX-License-Identifier: Apache-2.0 */
#include "om_run.h"

#include <stdio.h>

#define ASK_EVERY_MS 200
#define REPAIRS_MAX 8 /* reported as done and yet asked for again: they do not help */

static void note_failure(const struct om_run_ops *ops, bool *failed, const struct om_err *err)
{
	if (!*failed)
		ops->log(ops->ctx, OM_LOG_WARN, err->msg);
	*failed = true;
}

/* A source that cannot be paused is tried again, and complained of once. */
static void suspend(const struct om_run_ops *ops, struct om_outcome_context *c)
{
	struct om_err err = { 0 };

	if (!ops->suspend_source(ops->ctx, &err))
		note_failure(ops, &c->suspended, &err);
	c->suspended = true;
	ops->sleep_ms(ops->ctx, ASK_EVERY_MS);
}

static void give_up_repairs(struct om_outcome_context *c)
{
	c->resume_failed = c->destroy_dest_failed = c->destroy_source_failed = true;
}

static void act(const struct om_run_ops *ops, enum om_verdict verdict, struct om_outcome_context *c)
{
	struct om_err err = { 0 };

	switch (verdict) {
	case OM_VERDICT_RESUME_SOURCE:
		if (!ops->resume_source(ops->ctx, &err))
			note_failure(ops, &c->resume_failed, &err);
		break;
	case OM_VERDICT_RESUME_DEST:
		if (!ops->resume_dest(ops->ctx, &err))
			note_failure(ops, &c->resume_failed, &err);
		break;
	case OM_VERDICT_DESTROY_DEST:
		if (!ops->destroy_dest(ops->ctx, &err))
			note_failure(ops, &c->destroy_dest_failed, &err);
		break;
	case OM_VERDICT_DESTROY_SOURCE:
		if (!ops->destroy_source(ops->ctx, &err))
			note_failure(ops, &c->destroy_source_failed, &err);
		break;
	case OM_VERDICT_SUSPEND_SOURCE:
		suspend(ops, c);
		break;
	case OM_VERDICT_ABORT_JOB:
		/* Asked for until it has gone; a refusal says that it is about to. */
		if (!ops->abort_source(ops->ctx, &err))
			ops->log(ops->ctx, OM_LOG_DEBUG, err.msg);
		ops->sleep_ms(ops->ctx, ASK_EVERY_MS);
		break;
	default:
		ops->sleep_ms(ops->ctx, ASK_EVERY_MS);
	}
}

enum om_verdict om_run_settle(const struct om_run_ops *ops, struct om_outcome_context *context)
{
	uint64_t begun_ms = ops->now_ms(ops->ctx);
	uint32_t repairs = 0;

	ops->phase(ops->ctx, OM_PHASE_SETTLE);
	for (;;) {
		struct om_side src, dst;
		enum om_verdict verdict;

		ops->sides(ops->ctx, &src, &dst);
		context->waited_ms = ops->now_ms(ops->ctx) - begun_ms;
		verdict = om_outcome_decide(&src, &dst, context);
		if (om_verdict_is_final(verdict))
			return verdict;
		if (verdict != OM_VERDICT_WAIT && verdict != OM_VERDICT_SUSPEND_SOURCE &&
		    verdict != OM_VERDICT_ABORT_JOB && ++repairs > REPAIRS_MAX)
			give_up_repairs(context);
		else
			act(ops, verdict, context);
	}
}
