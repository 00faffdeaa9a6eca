/* SPDX-License-Identifier: Apache-2.0 */
/* What the settings allow this migration to do, and the line that tells it. */
#include "plan_internal.h"

#include "om_buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool om_plan_policy_forbids(const struct om_plan *plan)
{
	return !om_policy_may_harm(plan->limits.policy);
}

static bool is_set(const struct om_knobs *knobs, enum om_knob_id id)
{
	return knobs->v[id].origin != OM_ORIGIN_DEFAULT;
}

/* A longer limit of the domain's own was set by hand, and for a reason. */
static uint32_t soft_limit(const struct om_knobs *knobs, const struct om_facts *facts)
{
	uint32_t ms = (uint32_t)om_knob_number(knobs, OM_KNOB_MIGRATE_DOWNTIME_MAX_MS);

	if (!is_set(knobs, OM_KNOB_MIGRATE_DOWNTIME_MAX_MS) && facts->max_downtime_ms > ms)
		return facts->max_downtime_ms;
	return ms;
}

static uint32_t hard_limit(struct om_plan *plan, const struct om_knobs *knobs)
{
	uint32_t ms = (uint32_t)om_knob_number(knobs, OM_KNOB_MIGRATE_PAUSE_MAX_MS);
	uint32_t soft_ms = plan->limits.downtime_max_ms;

	if (!ms || om_plan_policy_forbids(plan))
		return 0;
	if (ms >= soft_ms)
		return ms;
	if (is_set(knobs, OM_KNOB_MIGRATE_PAUSE_MAX_MS))
		om_plan_warn(
			plan,
			om_xasprintf("MIGRATE_PAUSE_MAX_MS %u is below the %u ms that the guest "
				     "may stand still anyway; %u ms hold",
				     ms, soft_ms, soft_ms));
	return soft_ms;
}

static enum om_throttling throttling(const struct om_knobs *knobs, const struct om_opts *opts)
{
	if (opts->flags & OM_FLAG_AUTO_CONVERGE)
		return OM_THROTTLING_NEVER; /* on from the start: a restart gains nothing */
	if (!is_set(knobs, OM_KNOB_MIGRATE_AUTO_CONVERGE))
		return OM_THROTTLING_GUARANTEED;
	return om_knob_number(knobs, OM_KNOB_MIGRATE_AUTO_CONVERGE) ? OM_THROTTLING_ALLOWED
								    : OM_THROTTLING_NEVER;
}

void om_plan_set_limits(struct om_plan *plan, const struct om_knobs *knobs,
			const struct om_opts *opts, const struct om_facts *facts)
{
	uint64_t left_ms = om_knob_number(knobs, OM_KNOB_MIGRATE_DEADLINE);
	struct om_limits *limits = &plan->limits;

	limits->throttling = throttling(knobs, opts);
	om_limits_set_policy(limits, (enum om_policy)om_knob_number(knobs, OM_KNOB_MIGRATE_POLICY));
	limits->own_ms = facts->max_downtime_ms;
	limits->downtime_max_ms = soft_limit(knobs, facts);
	limits->pause_max_ms = hard_limit(plan, knobs);
	limits->deadline_ms = left_ms ? facts->begun_ms + left_ms : 0;
}

void om_plan_set_bandwidth(struct om_plan *plan, const struct om_knobs *knobs, struct om_opts *opts,
			   const struct om_facts *facts)
{
	uint64_t mibps = om_knob_number(knobs, OM_KNOB_MIGRATE_BANDWIDTH_MIBPS);
	const struct om_param *option = om_params_get(&opts->params, "bandwidth");

	if (option)
		mibps = option->number;
	else if (mibps)
		om_params_set_number(&opts->params, "bandwidth", OM_PARAM_U64, mibps,
				     "MIGRATE_BANDWIDTH_MIBPS");
	plan->limits.bandwidth_bytes_ps = (mibps ? mibps : facts->bandwidth_mibps) << 20;
}

/* ---- the line ---- */

struct line {
	struct om_buf text;
	bool differs; /* from what holds where nothing is set */
};

/* One limit; origin NULL: the default. */
static void say(struct line *line, bool differs, const char *origin, const char *fmt, ...)
	OM_PRINTF(4, 5);
static void say(struct line *line, bool differs, const char *origin, const char *fmt, ...)
{
	char text[120];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	om_buf_addf(&line->text, "%s%s", line->text.len ? ", " : "limits: ", text);
	if (origin)
		om_buf_addf(&line->text, " (%s)", origin);
	line->differs = line->differs || differs;
}

static bool differs(const struct om_knobs *knobs, enum om_knob_id id)
{
	return strcmp(om_knob_text(knobs, id), om_knob_table[id].def) != 0;
}

static const char *origin(const struct om_knobs *knobs, enum om_knob_id id)
{
	return is_set(knobs, id) ? om_origin_name(knobs->v[id].origin) : NULL;
}

static void say_standstill(struct line *line, const struct om_plan *plan,
			   const struct om_knobs *knobs)
{
	const enum om_knob_id soft = OM_KNOB_MIGRATE_DOWNTIME_MAX_MS,
			      hard = OM_KNOB_MIGRATE_PAUSE_MAX_MS;
	const struct om_limits *limits = &plan->limits;
	bool domains = limits->policy == OM_POLICY_STOCK ||
		       limits->downtime_max_ms != om_knob_number(knobs, soft);
	bool raised = limits->pause_max_ms > om_knob_number(knobs, hard);

	say(line, domains || differs(knobs, soft), domains ? "domain" : origin(knobs, soft),
	    "downtime %u ms", om_limits_in_force_ms(limits));
	if (limits->pause_max_ms)
		say(line, differs(knobs, hard), raised ? "as the downtime" : origin(knobs, hard),
		    "pause %u ms", limits->pause_max_ms);
	else
		say(line, differs(knobs, hard),
		    om_plan_policy_forbids(plan) ? "MIGRATE_POLICY" : origin(knobs, hard),
		    "pause never");
}

static void say_deadline(struct line *line, const struct om_plan *plan,
			 const struct om_knobs *knobs)
{
	const enum om_knob_id id = OM_KNOB_MIGRATE_DEADLINE;
	const struct om_limits *limits = &plan->limits;

	say(line, limits->deadline_ms, origin(knobs, id), "deadline %s%s",
	    limits->deadline_ms ? om_knob_text(knobs, id) : "none",
	    limits->deadline_ms && !om_limits_deadline_ms(limits) ? " without effect" : "");
}

static void say_postcopy(struct line *line, const struct om_plan *plan,
			 const struct om_knobs *knobs)
{
	const enum om_knob_id id = OM_KNOB_MIGRATE_POSTCOPY;

	if (plan->limits.postcopy)
		say(line, true, origin(knobs, id), "post-copy yes");
	else if (plan->flags & OM_FLAG_POSTCOPY)
		say(line, differs(knobs, id), "MIGRATE_OPTIONS", "post-copy as asked");
	else
		say(line, differs(knobs, id), differs(knobs, id) ? NULL : origin(knobs, id),
		    "post-copy no");
}

static void say_throttle(struct line *line, const struct om_plan *plan,
			 const struct om_knobs *knobs, const struct om_opts *opts)
{
	const enum om_knob_id id = OM_KNOB_MIGRATE_AUTO_CONVERGE;
	bool by_policy = plan->limits.throttle != om_knob_number(knobs, id);

	if (plan->flags & OM_FLAG_AUTO_CONVERGE)
		say(line, differs(knobs, id),
		    opts->feature_flags & OM_FLAG_AUTO_CONVERGE ? "FEATURES" : "MIGRATE_OPTIONS",
		    "auto-converge from the start");
	else
		say(line, differs(knobs, id), by_policy ? "MIGRATE_POLICY" : origin(knobs, id),
		    "auto-converge %s", plan->limits.throttle ? "yes" : "no");
}

static void say_bandwidth(struct line *line, const struct om_plan *plan,
			  const struct om_knobs *knobs, const struct om_opts *opts)
{
	const enum om_knob_id id = OM_KNOB_MIGRATE_BANDWIDTH_MIBPS;
	const struct om_param *param = om_params_get(&opts->params, "bandwidth");
	bool domains = plan->limits.bandwidth_bytes_ps && !(param && param->number);
	bool option = param && strcmp(param->origin, om_knob_table[id].name) != 0;
	const char *from = domains ? "domain" : option ? param->origin : origin(knobs, id);

	if (plan->limits.bandwidth_bytes_ps)
		say(line, domains || !option, from, "bandwidth %llu MiB/s",
		    (unsigned long long)(plan->limits.bandwidth_bytes_ps >> 20));
	else
		say(line, differs(knobs, id), from, "bandwidth unlimited");
}

/* INFO where somebody has set something, else only for those who look closely. */
void om_plan_tell_limits(struct om_plan *plan, const struct om_knobs *knobs,
			 const struct om_opts *opts)
{
	struct line line = { .differs = false };

	say(&line, differs(knobs, OM_KNOB_MIGRATE_POLICY), origin(knobs, OM_KNOB_MIGRATE_POLICY),
	    "policy %s", om_policy_name(plan->limits.policy));
	say_standstill(&line, plan, knobs);
	say_deadline(&line, plan, knobs);
	say_postcopy(&line, plan, knobs);
	say_throttle(&line, plan, knobs, opts);
	say_bandwidth(&line, plan, knobs, opts);
	if (line.differs)
		om_plan_info(plan, line.text.text);
	else
		plan->limits_text = line.text.text;
}
