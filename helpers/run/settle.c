/* SPDX-License-Identifier: Apache-2.0 */
#include "om_run.h"

#include <stdio.h>

#define ASK_EVERY_MS 200

static void note_failure(const struct om_run_ops *ops, bool *failed, const struct om_err *err)
{
	*failed = true;
	ops->log(ops->ctx, OM_LOG_WARN, err->msg);
}

static void act(const struct om_run_ops *ops, enum om_verdict verdict, struct om_outcome_context *c)
{
	struct om_err err = { 0 };

	switch (verdict) {
	case OM_VERDICT_RESUME_SOURCE:
		if (!ops->resume_source(ops->ctx, &err))
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
		c->suspended = true;
		if (!ops->suspend_source(ops->ctx, &err))
			ops->log(ops->ctx, OM_LOG_WARN, err.msg);
		break;
	default:
		ops->sleep_ms(ops->ctx, ASK_EVERY_MS);
	}
}

enum om_verdict om_run_settle(const struct om_run_ops *ops, struct om_outcome_context *context)
{
	uint64_t begun_ms = ops->now_ms(ops->ctx);

	ops->phase(ops->ctx, OM_PHASE_SETTLE);
	for (;;) {
		struct om_side src, dst;
		enum om_verdict verdict;

		ops->sides(ops->ctx, &src, &dst);
		context->waited_ms = ops->now_ms(ops->ctx) - begun_ms;
		verdict = om_outcome_decide(&src, &dst, context);
		if (om_verdict_is_final(verdict))
			return verdict;
		act(ops, verdict, context);
	}
}
