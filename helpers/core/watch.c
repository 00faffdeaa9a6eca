/* SPDX-License-Identifier: Apache-2.0 */
#include "om_watch.h"

#include <stdio.h>
#include <string.h>

/*
 * QEMU stops the guest as soon as the remaining memory fits the downtime limit, so that a guest
 * that would need 40 ms is stopped for 75 to 280 under the usual 300. The limit therefore begins
 * low and is raised to what the next pass will need, and to the domain's own limit at the latest
 * when the third pass is over: a guest that needs it must not wait for passes that gain nothing.
 */
#define PASSES_BEFORE_CEILING 3
/* Below this share of dirty rate to bandwidth the next pass ends tiny: waiting for it is cheap. */
#define CALM_PERCENT 8

void om_watch_init(struct om_watch *watch, const struct om_plan *plan)
{
	memset(watch, 0, sizeof(*watch));
	watch->start_ms = plan->downtime_start_ms;
	watch->limits = plan->limits;
	watch->postcopy_after_precopy = plan->postcopy_after_precopy && !plan->never_switch;
	watch->timeout_ms = (uint64_t)plan->timeout_s * 1000;
	watch->timeout_action = plan->timeout_action;
	if (plan->never_switch && watch->timeout_action == OM_TIMEOUT_POSTCOPY)
		watch->timeout_action = OM_TIMEOUT_NONE;
}

static struct om_action none(void)
{
	return (struct om_action){ .kind = OM_ACTION_NONE };
}

static struct om_action set_limit(struct om_watch *watch, uint32_t downtime_ms, const char *why)
{
	struct om_action action = { .kind = OM_ACTION_DOWNTIME, .downtime_ms = downtime_ms };

	if (downtime_ms > watch->limits.downtime_max_ms)
		action.downtime_ms = downtime_ms = watch->limits.downtime_max_ms;
	if (downtime_ms == watch->limit_ms)
		return none();
	watch->limit_ms = downtime_ms;
	snprintf(action.why, sizeof(action.why), "downtime limit %u ms: %s", downtime_ms, why);
	return action;
}

static struct om_action start_postcopy(struct om_watch *watch, const char *why)
{
	struct om_action action = { .kind = OM_ACTION_POSTCOPY };

	watch->postcopy_started = true;
	snprintf(action.why, sizeof(action.why), "post-copy: %s", why);
	return action;
}

static void note_begin(struct om_watch *watch, uint64_t now_ms)
{
	if (!watch->begun_ms)
		watch->begun_ms = now_ms ? now_ms : 1;
}

/* A new pass may have begun. */
static struct om_action follow_pass(struct om_watch *watch, const struct om_sample *s)
{
	if (watch->postcopy_after_precopy && s->iteration >= 2)
		return start_postcopy(watch, "the first pass is over");
	if (s->iteration > PASSES_BEFORE_CEILING)
		return set_limit(watch, watch->limits.downtime_max_ms,
				 "the most that is allowed, the third pass is over");
	if (!watch->limit_ms)
		return set_limit(watch, watch->start_ms, "begin low");
	return none();
}

static struct om_action timed_out(struct om_watch *watch)
{
	struct om_action action = { .kind = OM_ACTION_SUSPEND };

	watch->timed_out = true;
	if (watch->timeout_action == OM_TIMEOUT_POSTCOPY)
		return start_postcopy(watch, "the time of --timeout is over");
	snprintf(action.why, sizeof(action.why), "pause: the time of --timeout is over");
	return action;
}

/* From the second pass on: what a switch at the end of this pass would need. */
static struct om_action predict(struct om_watch *watch, const struct om_sample *s)
{
	uint64_t next_bytes, need_ms;

	if (s->iteration < 2 || !s->rate_bytes_ps || !s->dirty_bytes_ps)
		return none();
	if (s->dirty_bytes_ps * 100 < s->rate_bytes_ps * CALM_PERCENT)
		return none();
	next_bytes = (uint64_t)((double)s->remaining_bytes * (double)s->dirty_bytes_ps /
				(double)s->rate_bytes_ps);
	need_ms = next_bytes * 1000 / s->rate_bytes_ps;
	need_ms += need_ms / 4 + 1;
	if (need_ms <= watch->limit_ms)
		return none();
	if (need_ms > watch->limits.downtime_max_ms)
		need_ms = watch->limits.downtime_max_ms;
	return set_limit(watch, (uint32_t)need_ms, "what the end of this pass will need");
}

static void note_progress(struct om_watch *watch, const struct om_sample *s)
{
	uint64_t all = s->processed_bytes + s->remaining_bytes;
	uint32_t percent = all ? (uint32_t)((double)s->processed_bytes * 100 / (double)all) : 0;

	if (percent > 99)
		percent = 99;
	if (percent > watch->percent)
		watch->percent = percent;
}

struct om_action om_watch_step(struct om_watch *watch, const struct om_sample *s)
{
	struct om_action action;

	note_begin(watch, s->now_ms);
	note_progress(watch, s);
	watch->last = *s;
	if (s->postcopy) /* started by somebody else */
		watch->postcopy_started = true;
	if (watch->postcopy_started || watch->timed_out)
		return none();
	if (watch->timeout_action != OM_TIMEOUT_NONE &&
	    s->now_ms - watch->begun_ms >= watch->timeout_ms)
		return timed_out(watch);
	action = follow_pass(watch, s);
	return action.kind != OM_ACTION_NONE ? action : predict(watch, s);
}

void om_watch_set_limits(struct om_watch *watch, const struct om_limits *limits)
{
	watch->limits = *limits;
}
