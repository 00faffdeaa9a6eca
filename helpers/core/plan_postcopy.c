/* SPDX-License-Identifier: Apache-2.0 */
/* MIGRATE_POSTCOPY: post-copy is armed where it can work, for all that can be known beforehand. */
#include "plan_internal.h"

#include <string.h>

#define OURS "MIGRATE_POSTCOPY"

/* Why it is not armed although it is asked for; false: it can be. */
static bool is_obstructed(const struct om_plan *plan, const struct om_opts *opts,
			  const struct om_facts *facts, struct om_err *why)
{
	if (om_plan_policy_forbids(plan))
		return !om_err_set(why, OM_E_INPUT, "MIGRATE_POLICY is %s",
				   om_policy_name(plan->limits.policy));
	if (facts->postcopy_obstacle)
		return !om_err_set(why, OM_E_INPUT, "%s", facts->postcopy_obstacle);
	return !om_opts_can_postcopy(opts, &facts->versions, why);
}

/* What is limited before the switch is limited after it too. */
static void limit_bandwidth(struct om_plan *plan, struct om_opts *opts, const char *origin)
{
	uint64_t mibps = plan->limits.bandwidth_bytes_ps >> 20;

	if (mibps && !om_params_get(&opts->params, "bandwidth.postcopy"))
		om_params_set_number(&opts->params, "bandwidth.postcopy", OM_PARAM_U64, mibps,
				     origin);
}

/* Post-copy is MIGRATE_OPTIONS' own: --bandwidth is for pre-copy alone, as with virsh, but the setting
 * holds in all that is sent. */
static void limit_own(struct om_plan *plan, struct om_opts *opts)
{
	const char *setting = om_knob_table[OM_KNOB_MIGRATE_BANDWIDTH_MIBPS].name;
	const struct om_param *limit = om_params_get(&opts->params, "bandwidth");

	if (limit && strcmp(limit->origin, setting) == 0)
		limit_bandwidth(plan, opts, setting);
}

bool om_plan_arm_postcopy(struct om_plan *plan, const struct om_knobs *knobs, struct om_opts *opts,
			  const struct om_facts *facts)
{
	bool wanted = om_knob_number(knobs, OM_KNOB_MIGRATE_POSTCOPY);
	struct om_err why;

	if (plan->never_switch) /* the operator's own --postcopy was given up, with a warning */
		return false;
	if (opts->flags & OM_FLAG_POSTCOPY) {
		limit_own(plan, opts);
		plan->limits.postcopy = wanted && !om_plan_policy_forbids(plan);
		return false;
	}
	if (!wanted)
		return false;
	if (is_obstructed(plan, opts, facts, &why)) {
		om_plan_info(plan,
			     om_xasprintf("no post-copy, although MIGRATE_POSTCOPY is yes: %s",
					  why.msg));
		return false;
	}
	plan->flags |= OM_FLAG_POSTCOPY;
	plan->limits.postcopy = true;
	limit_bandwidth(plan, opts, OURS);
	return true;
}

/*
 * Whether the destination's QEMU may use userfaultfd is known for certain only by trying. All paths
 * with post-copy come first: a path that fails says nothing of it.
 */
void om_plan_add_without_postcopy(struct om_plan *plan)
{
	size_t count = plan->attempt_count;

	for (size_t i = 0; i < count; i++) {
		const struct om_attempt *from = &plan->attempts[i];
		struct om_attempt *to = &plan->attempts[plan->attempt_count++];
		const struct om_param *limit;

		to->path = from->path;
		to->flags = from->flags & ~OM_FLAG_POSTCOPY;
		om_params_copy(&to->params, &from->params);
		limit = om_params_get(&to->params, "bandwidth.postcopy");
		if (limit && strcmp(limit->origin, OURS) == 0)
			om_params_drop(&to->params, "bandwidth.postcopy");
	}
}
