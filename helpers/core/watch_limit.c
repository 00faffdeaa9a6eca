/* SPDX-License-Identifier: Apache-2.0 */
/* The downtime limit: how high it may be at present, and how it follows what remains. */
#include "watch_internal.h"

#include <math.h>

/* A pass whose end leaves less than this part of its beginning is worth its time. */
#define CALM_RATIO 0.7
/* Otherwise the limit is a little below the plateau, and at first no less than LEAST_STEP of what remains, so
 * that the pages are counted often. */
#define BELOW_PLATEAU 0.9
#define LEAST_STEP 0.5
#define COUNTS_MOST 8 /* until then, where what remains is more than is allowed */
#define NEAR_PLATEAU 1.1
#define NEAR_LEAST 1.05
#define LEAVES_ALL 0.93 /* of the most that remained */
#define COUNTS_ALL 4
#define GENTLE_COUNTS 3 /* before the hard limit is given up: a few good passes are chance */
#define LEAST_LIMIT_MS 8.0
/* A gentle end is waited for: this multiple of the time until now, while passes leave so much less. */
#define PATIENCE 2.0
#define FALLING_RATIO 0.85
#define FAR_BEYOND 1.3 /* of the hard limit: it would not do either */
/* The end may come so much later, as a part of the whole, for the sake of a shorter stop. */
#define SLACK_SOFT 0.08
#define SLACK_HARD 0.8
/* And no more than this, however long the copy is: eight counts of a guest that could be stopped for the default of
 * the hard limit. */
#define SLACK_MOST_MS 16000.0
#define AROUND_MS 1000.0 /* before and after the copy; measured in the lab: 1300 */

/* Where the soft limit would do by now, no more is used of the hard one. */
static double allowed_ms(const struct om_watch *w)
{
	return w->gentle_counts ? om_watch_soft_reach_ms(w) : om_watch_reach_ms(w);
}

struct om_action om_watch_set_limit(struct om_watch *w, double ms, const char *why)
{
	uint32_t soft_ms = w->limits.downtime_max_ms;
	double most = fmax(1, allowed_ms(w)), least = fmin(LEAST_LIMIT_MS, most);
	uint32_t limit = (uint32_t)fmax(least, fmin(most, ceil(ms)));
	bool tell = limit > soft_ms && w->limit_ms <= soft_ms;
	struct om_action action;

	if (limit == w->limit_ms && !w->limit_lost)
		return om_watch_no_action();
	w->limit_ms = limit;
	w->limit_lost = false;
	w->limit_set_ms = w->model.last.now_ms;
	action = tell ? om_watch_act(OM_ACTION_DOWNTIME, true,
				     "downtime limit %u ms, beyond %u ms as nothing gentler ends "
				     "it: %s",
				     limit, soft_ms, why)
		      : om_watch_act(OM_ACTION_DOWNTIME, false, "downtime limit %u ms: %s", limit,
				     why);
	action.downtime_ms = limit;
	return action;
}

/* ---- soft or hard ---- */

/* So long a gentle end is waited for. */
static double patience_ms(const struct om_watch *w)
{
	return fmin(PATIENCE * (om_watch_elapsed_ms(w) + AROUND_MS),
		    om_watch_deadline_left_ms(w) / 2);
}

/* Do full passes still leave less each time, fast enough? */
static bool falls(const struct om_watch *w)
{
	const struct om_pass *last = om_model_pass(&w->model, 0);
	const struct om_pass *before = om_model_pass(&w->model, 1);
	double ratio;

	if (!before || w->reach != OM_REACH_SOFT)
		return false;
	ratio = last->after / before->after;
	return ratio < FALLING_RATIO &&
	       (om_watch_link_ms(w, last->after) - w->limits.downtime_max_ms) / (1 - ratio) <
		       patience_ms(w);
}

/* No end in sight within the soft limit? */
static bool soft_is_hopeless(const struct om_watch *w)
{
	struct om_model good = om_model_without_dip(&w->model);
	struct om_projection p;

	if (w->refused)
		return true;
	if (good.pass_count < 2 || !om_model_healthy(&w->model) || falls(w))
		return false;
	return !om_model_project(&good, om_watch_soft_reach_ms(w), &p) || p.ms > patience_ms(w);
}

void om_watch_choose_reach(struct om_watch *w)
{
	bool urgent = om_watch_deadline_left_ms(w) <
		      2 * om_watch_link_ms(w, (double)w->model.last.remaining_bytes) + 1000;
	enum om_reach reach = OM_REACH_SOFT;

	if (!om_model_healthy(&w->model))
		return;
	if (soft_is_hopeless(w))
		w->hopeless_passes++;
	else
		w->hopeless_passes = 0;
	/* Where the hard pause would not do either, the soft one stays: the guest may turn quiet. */
	if (om_watch_hard_ms(w) > w->limits.downtime_max_ms &&
	    om_watch_best_plateau_ms(w) < FAR_BEYOND * om_watch_hard_ms(w) &&
	    (w->hopeless_passes || (urgent && w->model.pass_count >= 2)))
		reach = OM_REACH_HARD;
	w->gentle_counts = reach == OM_REACH_SOFT ? w->gentle_counts + 1 : 0;
	if (w->reach == OM_REACH_HARD && reach == OM_REACH_SOFT && w->gentle_counts < GENTLE_COUNTS)
		return;
	if (reach != w->reach) {
		w->reach = reach;
		w->best_end_ms = w->least_bytes = w->held_ms = 0;
		w->counts = 0;
	}
}

/* ---- the way to a stop ---- */

/* The latest end that is worth a shorter stop; of the time until a deadline no more than half. */
static double latest_end_ms(const struct om_watch *w)
{
	double slack = w->reach == OM_REACH_HARD ? SLACK_HARD : SLACK_SOFT;
	double deadline_ms = om_watch_elapsed_ms(w) + om_watch_deadline_left_ms(w);

	return w->best_end_ms + fmax(1, fmin(fmin(w->best_end_ms * slack, SLACK_MOST_MS),
					     (deadline_ms - w->best_end_ms) / 2));
}

/* The end of a stop that begins now. */
static double end_ms(const struct om_watch *w, double stop_ms)
{
	return AROUND_MS + om_watch_elapsed_ms(w) + stop_ms;
}

/* Of the last counts; what a first pass of minutes left says nothing of the guest by now. */
static double most_bytes(const struct om_watch *w)
{
	const struct om_pass *pass;
	double most = 0;

	for (uint32_t ago = 0; ago < COUNTS_MOST && ago < w->counts; ago++)
		if ((pass = om_model_pass(&w->model, ago)))
			most = fmax(most, pass->after);
	return most;
}

/* Where no count leaves much less, the guest writes all of it in every pass. */
static bool leaves_all(const struct om_watch *w)
{
	return w->counts >= COUNTS_ALL && w->least_bytes > LEAVES_ALL * most_bytes(w);
}

/* The part of the time for a shorter stop that is over. */
static double time_used(const struct om_watch *w, double stop_ms)
{
	if (leaves_all(w))
		return 1;
	if (w->best_end_ms > 0)
		return (end_ms(w, stop_ms) - w->best_end_ms) / (latest_end_ms(w) - w->best_end_ms);
	return fmin(1, w->counts / (double)COUNTS_MOST);
}

/*
 * A guest that walks round its memory leaves less and less and then more again, in turn, as the copy
 * catches up with it and falls behind. The least is seen in the first half of the time for a shorter
 * stop, and waited for in the second.
 */
static bool switch_now(const struct om_watch *w, double remaining, bool calm)
{
	double stop_ms = om_watch_link_ms(w, remaining), plateau = om_watch_plateau_ms(w);
	double used = time_used(w, stop_ms), near = w->least_bytes * NEAR_LEAST;

	if (stop_ms <= 2 * LEAST_LIMIT_MS || used >= 1 ||
	    om_watch_deadline_left_ms(w) < 2 * stop_ms + 1000)
		return true;
	if (used < 0.5 || calm)
		return remaining <= near && plateau > 0 && stop_ms <= plateau * NEAR_PLATEAU;
	return remaining <= near + fmax(0, most_bytes(w) - near) * (used * 2 - 1);
}

static void note_count(struct om_watch *w, double remaining)
{
	double end = end_ms(w, om_watch_link_ms(w, remaining));

	w->counts++;
	if (w->least_bytes <= 0 || remaining < w->least_bytes)
		w->least_bytes = remaining;
	if (om_watch_link_ms(w, remaining) * MARGIN <= om_watch_reach_ms(w) &&
	    (w->best_end_ms <= 0 || end < w->best_end_ms))
		w->best_end_ms = end;
}

/*
 * A limit below what remains makes the pass short, and is what the guest may be stopped for at its
 * end. It stays a little below the plateau: shorter and shorter passes would leave all of it. Where
 * what remains is more than is allowed, it rises.
 */
static double approach_ms(struct om_watch *w, double stop_ms)
{
	double used = fmin(1, time_used(w, stop_ms)), held;

	held = fmax(stop_ms * LEAST_STEP, om_watch_plateau_ms(w) * BELOW_PLATEAU);
	if (w->held_ms <= 0 || w->best_end_ms <= 0)
		w->held_ms = w->held_ms > 0 ? fmin(w->held_ms, held) : held;
	held = w->held_ms;
	if (w->best_end_ms > 0 && used < 1)
		return held;
	return held + (fmax(held, stop_ms * MARGIN) - held) * fmax(0, used * 2 - 1);
}

bool om_watch_waits(const struct om_watch *w, double *latest_ms)
{
	*latest_ms = latest_end_ms(w) - AROUND_MS - om_watch_elapsed_ms(w);
	return w->best_end_ms > 0 && !w->asked && !leaves_all(w) && *latest_ms > 0;
}

/*
 * What is asked for again is asked for more loudly: the bandwidth of QEMU's window can be below what
 * was measured here, above all where counting takes a good part of it.
 */
static double asked_ms(struct om_watch *w, double stop_ms)
{
	double ms = stop_ms * MARGIN * pow(LOUDER, w->asked);

	w->asked_stop_ms = stop_ms;
	if (!w->asked)
		w->asked_since_ms = w->model.last.now_ms;
	if (w->refused)
		w->refused_passes++;
	if (w->asked < ASKED_MOST)
		w->asked++;
	else if (w->model.last.now_ms - w->asked_since_ms >= REFUSED_MS)
		w->refused = true;
	return ms;
}

/* How much may remain at the next count for the guest to be stopped then? */
struct om_action om_watch_follow(struct om_watch *w)
{
	double remaining = (double)w->model.last.remaining_bytes;
	double stop_ms = om_watch_link_ms(w, remaining), next_ms, ratio;
	bool fits = stop_ms * MARGIN <= allowed_ms(w), calm;

	if (!isfinite(stop_ms))
		return om_watch_no_action();
	note_count(w, remaining);
	next_ms = om_watch_link_ms(w, om_model_after(&w->model, remaining, stop_ms));
	ratio = next_ms / stop_ms;
	calm = ratio <= CALM_RATIO;
	if (fits && switch_now(w, remaining, calm))
		return om_watch_set_limit(w, asked_ms(w, stop_ms), "what a switch-over needs now");
	w->asked = 0;
	if (!calm)
		return om_watch_set_limit(w, approach_ms(w, stop_ms),
					  "on the way to the least that remains");
	if (w->best_end_ms <= 0 || end_ms(w, stop_ms / (1 - ratio)) <= latest_end_ms(w))
		return om_watch_set_limit(w, LEAST_LIMIT_MS, "each pass leaves less");
	return om_watch_set_limit(w, next_ms * MARGIN + 1, "what the end of this pass needs");
}
