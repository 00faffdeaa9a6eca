/* SPDX-License-Identifier: Apache-2.0 */
/* Whether post-copy is the better way, and its start. */
#include "watch_internal.h"

#include <math.h>

#define SLOW_PART 0.4 /* dirty rate to bandwidth, below which later passes leave little */
/* Post-copy is started where pre-copy would take so much longer, as a part of the whole. */
#define POSTCOPY_WORTH 0.08

#define REFUSALS_MOST 3 /* one can be of a moment */

bool om_watch_may_ask_postcopy(const struct om_watch *w)
{
	return w->postcopy_refusals < REFUSALS_MOST &&
	       w->model.last.now_ms >= w->postcopy_not_before_ms;
}

void om_watch_postcopy_refused(struct om_watch *w)
{
	w->postcopy_started = false;
	w->postcopy_refusals++;
	w->postcopy_not_before_ms = w->model.last.now_ms + ASK_AGAIN_MS;
}

struct om_action om_watch_start_postcopy(struct om_watch *w, const char *why)
{
	w->postcopy_started = true;
	return om_watch_act(OM_ACTION_POSTCOPY, true, "post-copy: %s", why);
}

/* One pass tells the least rate that is possible; a guest that may be this slow gets another one. */
static bool converges_for_all_we_know(const struct om_model *m)
{
	return m->pass_count == 1 && m->hot * m->turnover < SLOW_PART * om_model_bandwidth(m);
}

/* Would pre-copy end so much later that post-copy is the better way? Known for certain only in one
 * direction after the first pass: the guest dirties at least so fast. */
bool om_watch_postcopy_is_better(const struct om_watch *w)
{
	double now_ms = om_watch_link_ms(w, (double)w->model.last.remaining_bytes);
	double deadline_ms = om_watch_deadline_left_ms(w), precopy_ms = INFINITY;
	struct om_model good = om_model_without_dip(&w->model);
	double soft_ms = om_watch_soft_reach_ms(w);
	struct om_projection p;

	if (!w->limits.postcopy || !om_watch_may_ask_postcopy(w) ||
	    !om_policy_may_harm(w->limits.policy) || !om_model_healthy(&w->model))
		return false;
	if (now_ms * MARGIN <= soft_ms)
		return w->refused;
	/* The guest would be split over both hosts past the deadline, at which pre-copy can be ended. */
	if (now_ms * MARGIN >= deadline_ms && om_policy_ends_at_deadline(w->limits.policy))
		return false;
	if (now_ms > deadline_ms)
		return true;
	if (!om_model_steady(&w->model))
		return false;
	if (om_model_project(&good, soft_ms, &p))
		precopy_ms = p.ms + p.pause_ms;
	if (precopy_ms > deadline_ms)
		return true;
	if (converges_for_all_we_know(&good))
		return false;
	now_ms = (double)good.last.remaining_bytes * 1000 / om_model_bandwidth(&good);
	return precopy_ms - now_ms > POSTCOPY_WORTH * (om_watch_elapsed_ms(w) + now_ms);
}
