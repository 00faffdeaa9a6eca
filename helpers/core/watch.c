/* SPDX-License-Identifier: Apache-2.0 */
#include "watch_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A pass whose end leaves less than this part of its beginning is worth its time. */
#define CALM_RATIO 0.7
/* Otherwise the limit goes from a little below the plateau to what remains, and is never less than
 * LEAST_STEP of that, so that the pages are counted often. */
#define BELOW_PLATEAU 0.9
#define LEAST_STEP 0.5
#define COUNTS_MOST 8 /* until then, where what remains is more than is allowed */
#define NEAR_PLATEAU 1.1
#define NEAR_LEAST 1.05
#define LEAST_LIMIT_MS 8.0
/* A switch-over that QEMU does not make is asked for with more, up to 650 times the first limit. */
#define LOUDER 1.5
#define ASKED_MOST 16
/* A gentle end is waited for: this multiple of the time until now, while passes leave so much less. */
#define PATIENCE 2.0
#define FALLING_RATIO 0.85
#define SLOW_PART 0.4	    /* dirty rate to bandwidth, below which later passes leave little */
#define FAR_BEYOND 1.3	    /* of the hard limit: it would not do either */
#define THROTTLE_LEAST 20.0 /* percent, QEMU's own */
#define THROTTLE_MOST 80.0
/* The end may come so much later, as a part of the whole, for the sake of a shorter stop. */
#define SLACK_SOFT 0.08
#define SLACK_HARD 0.4
/* Post-copy is started where pre-copy would take so much longer, as a part of the whole. */
#define POSTCOPY_WORTH 0.08
#define HOPELESS_PASSES_DONE 3 /* before anything is given up or begun anew */
#define SWITCH_LATE_MS 5000    /* a switch-over that has not come by then is taken back */
#define AROUND_MS 1000.0       /* before and after the copy; measured in the lab: 1300 */

void om_watch_init(struct om_watch *watch, const struct om_plan *plan)
{
	memset(watch, 0, sizeof(*watch));
	watch->limits = plan->limits;
	watch->model.populated = (double)plan->populated_bytes;
	watch->start_ms = plan->downtime_start_ms;
	watch->postcopy_after_precopy = plan->postcopy_after_precopy && !plan->never_switch;
	watch->timeout_ms = (uint64_t)plan->timeout_s * 1000;
	watch->timeout_action = plan->timeout_action;
	if (plan->never_switch) {
		watch->limits.postcopy = false;
		if (watch->timeout_action == OM_TIMEOUT_POSTCOPY)
			watch->timeout_action = OM_TIMEOUT_NONE;
	}
}

static struct om_action none(void)
{
	return (struct om_action){ .kind = OM_ACTION_NONE };
}

static struct om_action act(enum om_action_kind kind, bool tell, const char *fmt, ...)
	OM_PRINTF(3, 4);
static struct om_action act(enum om_action_kind kind, bool tell, const char *fmt, ...)
{
	struct om_action action = { .kind = kind, .tell = tell };
	va_list args;

	va_start(args, fmt);
	vsnprintf(action.why, sizeof(action.why), fmt, args);
	va_end(args);
	return action;
}

/* ---- what is allowed, and what it takes ---- */

static uint32_t soft_ms(const struct om_watch *w)
{
	return w->limits.downtime_max_ms;
}

/* More than the soft limit: an operator can change the policy of a migration that runs. */
static bool may_harm(const struct om_watch *w)
{
	return w->limits.policy == OM_POLICY_AUTO || w->limits.policy == OM_POLICY_GUARANTEED;
}

uint32_t om_watch_hard_ms(const struct om_watch *w)
{
	return may_harm(w) && w->limits.pause_max_ms > soft_ms(w) ? w->limits.pause_max_ms
								  : soft_ms(w);
}

/* The limit that may be set: the state of the devices takes its time as well. */
double om_watch_reach_ms(const struct om_watch *w)
{
	double ms = w->reach == OM_REACH_HARD ? om_watch_hard_ms(w) : soft_ms(w);

	return ms - fmin(ms / 10, OVERHEAD_MS * 1.5);
}

/* The time that these bytes take on the link. */
double om_watch_link_ms(const struct om_watch *w, double bytes)
{
	double b = om_model_bandwidth(&w->model);

	return b > 0 ? bytes * 1000 / b : INFINITY;
}

double om_watch_plateau_ms(const struct om_watch *w)
{
	return om_watch_link_ms(w, om_model_plateau(&w->model, om_model_bandwidth(&w->model)));
}

static double elapsed_ms(const struct om_watch *w)
{
	return (double)(w->model.last.now_ms - w->begun_ms);
}

static double deadline_left_ms(const struct om_watch *w)
{
	if (!w->limits.deadline_ms)
		return INFINITY;
	return (double)w->limits.deadline_ms - (double)w->model.last.now_ms;
}

/* ---- actions ---- */

static struct om_action set_limit(struct om_watch *w, double ms, const char *why)
{
	double most = om_watch_reach_ms(w), least = fmin(LEAST_LIMIT_MS, most);
	uint32_t limit = (uint32_t)fmax(least, fmin(most, ceil(ms)));
	bool tell = limit > soft_ms(w) && w->limit_ms <= soft_ms(w);
	struct om_action action;

	if (limit == w->limit_ms)
		return none();
	w->limit_ms = limit;
	w->limit_set_ms = w->model.last.now_ms;
	action = tell ? act(OM_ACTION_DOWNTIME, true,
			    "downtime limit %u ms, beyond %u ms as nothing gentler ends it: %s",
			    limit, soft_ms(w), why)
		      : act(OM_ACTION_DOWNTIME, false, "downtime limit %u ms: %s", limit, why);
	action.downtime_ms = limit;
	return action;
}

static struct om_action start_postcopy(struct om_watch *w, const char *why)
{
	w->postcopy_started = true;
	return act(OM_ACTION_POSTCOPY, true, "post-copy: %s", why);
}

static void print_rate(double bytes_ps, char text[32])
{
	double mbit = bytes_ps * 8 / 1e6;

	snprintf(text, 32, mbit < 1000 ? "%.0f Mbit/s" : "%.1f Gbit/s",
		 mbit < 1000 ? mbit : mbit / 1000);
}

/* "needs 3.2 s of downtime or 2.4 Gbit/s; allowed 2.0 s" */
static void print_need(const struct om_watch *w, char *text, size_t size)
{
	double need = w->forecast.need_downtime_ms, least = om_watch_link_ms(w, w->least_bytes);
	char rate[32];

	if (w->model.pass_count < 3 || need < 1)
		need = fmax(need, least);
	print_rate((double)w->forecast.need_bytes_ps, rate);
	snprintf(text, size, "needs %.1f s of downtime or %s; allowed %.1f s", need / 1000, rate,
		 om_watch_hard_ms(w) / 1000.0);
}

static struct om_action end_early(struct om_watch *w, const char *what)
{
	char need[120];

	w->ended_early = true;
	print_need(w, need, sizeof(need));
	return act(OM_ACTION_ABORT, true, "%s; %s", what, need);
}

/* ---- decisions ---- */

/* The words of MIGRATE_OPTIONS come first; they are carried out under every policy. */
static struct om_action obey_options(struct om_watch *w, const struct om_sample *s)
{
	if (w->timeout_action != OM_TIMEOUT_NONE && s->now_ms - w->begun_ms >= w->timeout_ms) {
		w->timed_out = true;
		if (w->timeout_action == OM_TIMEOUT_POSTCOPY)
			return start_postcopy(w, "the time of --timeout is over");
		return act(OM_ACTION_SUSPEND, true, "pause: the time of --timeout is over");
	}
	if (w->postcopy_after_precopy && s->iteration >= 2)
		return start_postcopy(w, "the first pass is over");
	return none();
}

/* One pass tells the least rate that is possible; a guest that may be this slow gets another one. */
static bool converges_for_all_we_know(const struct om_model *m)
{
	return m->pass_count == 1 && m->hot * m->turnover < SLOW_PART * om_model_bandwidth(m);
}

/* Would pre-copy end so much later that post-copy is the better way? Known for certain only in one
 * direction after the first pass: the guest dirties at least so fast. */
static bool postcopy_is_better(const struct om_watch *w)
{
	double now_ms = om_watch_link_ms(w, (double)w->model.last.remaining_bytes);
	struct om_projection p;

	if (!w->limits.postcopy || !may_harm(w) || !om_model_healthy(&w->model))
		return false;
	if (now_ms * MARGIN <= soft_ms(w))
		return w->refused;
	if (now_ms > deadline_left_ms(w) && w->limits.deadline_ms)
		return true;
	if (converges_for_all_we_know(&w->model))
		return false;
	return !om_model_project(&w->model, soft_ms(w), &p) ||
	       p.ms + p.pause_ms - now_ms > POSTCOPY_WORTH * (elapsed_ms(w) + now_ms);
}

/* So long a gentle end is waited for. */
static double patience_ms(const struct om_watch *w)
{
	return fmin(PATIENCE * (elapsed_ms(w) + AROUND_MS), deadline_left_ms(w) / 2);
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
	       (om_watch_link_ms(w, last->after) - soft_ms(w)) / (1 - ratio) < patience_ms(w);
}

/* No end in sight within the soft limit? */
static bool soft_is_hopeless(const struct om_watch *w)
{
	const struct om_model *m = &w->model;
	struct om_projection p;

	if (w->refused)
		return true;
	if (m->pass_count < 2 || !om_model_healthy(m) || falls(w))
		return false;
	return !om_model_project(m, soft_ms(w), &p) || p.ms > patience_ms(w);
}

static void choose_reach(struct om_watch *w)
{
	bool urgent = deadline_left_ms(w) <
		      2 * om_watch_link_ms(w, (double)w->model.last.remaining_bytes) + 1000;
	enum om_reach reach = OM_REACH_SOFT;

	if (!om_model_healthy(&w->model))
		return;
	if (soft_is_hopeless(w))
		w->hopeless_passes++;
	else
		w->hopeless_passes = 0;
	/* Where the hard pause would not do either, the soft one stays: the guest may turn quiet. */
	if (om_watch_hard_ms(w) > soft_ms(w) &&
	    om_watch_plateau_ms(w) < FAR_BEYOND * om_watch_hard_ms(w) &&
	    (w->hopeless_passes || (urgent && w->model.pass_count >= 2)))
		reach = OM_REACH_HARD;
	if (reach != w->reach) {
		w->reach = reach;
		w->best_end_ms = w->least_bytes = 0;
		w->counts = 0;
	}
}

/* The latest end that is worth a shorter stop, and the end of a stop that begins now. */
static double latest_end_ms(const struct om_watch *w)
{
	return w->best_end_ms * (1 + (w->reach == OM_REACH_HARD ? SLACK_HARD : SLACK_SOFT));
}

static double end_ms(const struct om_watch *w, double stop_ms)
{
	return AROUND_MS + elapsed_ms(w) + stop_ms;
}

/* Has the time for a shorter stop been spent, or is none to be had? */
static bool switch_now(const struct om_watch *w, double remaining)
{
	const struct om_pass *before = om_model_pass(&w->model, 1);
	double stop_ms = om_watch_link_ms(w, remaining), plateau = om_watch_plateau_ms(w);

	if (stop_ms <= 2 * LEAST_LIMIT_MS || end_ms(w, stop_ms) > latest_end_ms(w) ||
	    deadline_left_ms(w) < 2 * stop_ms + 1000)
		return true;
	if (remaining > w->least_bytes * NEAR_LEAST)
		return false;
	if (plateau > 0 && stop_ms <= plateau * NEAR_PLATEAU)
		return true;
	return before && w->model.pass_count > 2 && remaining >= before->after * 0.97;
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
 * end. It begins at the plateau, rises to the least that was seen in the first half of the time for
 * a shorter stop, and to what remains in the second: a guest that walks round its memory comes by
 * its least again and again, one that writes at random stays near it.
 */
static double approach_ms(const struct om_watch *w, double stop_ms)
{
	double from = fmax(stop_ms * LEAST_STEP, om_watch_plateau_ms(w) * BELOW_PLATEAU);
	double least = fmax(from, om_watch_link_ms(w, w->least_bytes) * NEAR_LEAST),
	       to = stop_ms * MARGIN;
	double used = fmin(1, w->counts / (double)COUNTS_MOST);

	if (w->best_end_ms > 0)
		used = (end_ms(w, stop_ms) - w->best_end_ms) / (latest_end_ms(w) - w->best_end_ms);
	return used < 0.5 ? from + (least - from) * used * 2
			  : least + (fmax(least, to) - least) * (used * 2 - 1);
}

/*
 * What is asked for again is asked for more loudly: the bandwidth of QEMU's window can be below what
 * was measured here, above all where counting takes a good part of it.
 */
static double asked_ms(struct om_watch *w, double stop_ms)
{
	double ms = stop_ms * MARGIN * pow(LOUDER, w->asked);

	if (w->asked < ASKED_MOST)
		w->asked++;
	else
		w->refused = true;
	return ms;
}

/* After a count: how much may remain at the next one for the guest to be stopped then? */
static struct om_action follow(struct om_watch *w)
{
	double remaining = (double)w->model.last.remaining_bytes;
	double stop_ms = om_watch_link_ms(w, remaining), next_ms, ratio;
	bool fits = stop_ms * MARGIN <= om_watch_reach_ms(w);

	if (!isfinite(stop_ms))
		return none();
	note_count(w, remaining);
	if (fits && switch_now(w, remaining))
		return set_limit(w, asked_ms(w, stop_ms), "what a switch-over needs now");
	w->asked = 0;
	next_ms = om_watch_link_ms(w, om_model_after(&w->model, remaining, stop_ms));
	ratio = next_ms / stop_ms;
	if (ratio > CALM_RATIO)
		return set_limit(w, approach_ms(w, stop_ms),
				 "on the way to the least that remains");
	if (w->best_end_ms <= 0 || end_ms(w, stop_ms / (1 - ratio)) <= latest_end_ms(w))
		return set_limit(w, LEAST_LIMIT_MS, "each pass leaves less");
	return set_limit(w, next_ms * MARGIN + 1, "what the end of this pass needs");
}

/* The guest may write only so fast that its plateau fits the soft limit. */
static struct om_action begin_throttled(struct om_watch *w)
{
	const struct om_model *m = &w->model;
	double rate = m->hot * m->turnover, seconds = om_watch_link_ms(w, m->hot) / 1000;
	double allowed = m->hot / fmax(seconds - soft_ms(w) / 1000.0, 0.001);
	double percent = 100 * (1 - allowed / rate);
	struct om_action action;

	percent = fmin(THROTTLE_MOST, fmax(THROTTLE_LEAST, ceil(percent)));
	w->throttled = true;
	action = act(OM_ACTION_THROTTLE, false, /* the run tells it */
		     "begin again with auto-converge from %.0f %%: nothing gentler ends it",
		     percent);
	action.throttle_percent = (uint32_t)percent;
	return action;
}

/* Nothing that is allowed ends it. */
static struct om_action hopeless(struct om_watch *w)
{
	if (!w->hopeless_passes || !om_model_healthy(&w->model) ||
	    om_watch_plateau_ms(w) <= om_watch_hard_ms(w))
		return none();
	if (w->hopeless_passes >= HOPELESS_PASSES_DONE) {
		if (w->limits.throttle && may_harm(w) && !w->throttled)
			return begin_throttled(w);
		if (w->limits.policy == OM_POLICY_GENTLE)
			return end_early(w, "ended early, it does not converge");
	}
	w->tell_need = !w->told_need && w->limits.policy != OM_POLICY_GENTLE;
	return none();
}

/* Between two counts, so that it takes no action's place. */
static struct om_action tell_need(struct om_watch *w)
{
	char need[120];

	if (!w->tell_need)
		return none();
	w->tell_need = false;
	w->told_need = true;
	print_need(w, need, sizeof(need));
	return act(OM_ACTION_SAY, true, "it does not converge and goes on; it %s", need);
}

static struct om_action pass_ended(struct om_watch *w)
{
	struct om_action action;

	if (postcopy_is_better(w))
		return start_postcopy(w, "pre-copy would take longer");
	choose_reach(w);
	action = hopeless(w);
	return action.kind != OM_ACTION_NONE ? action : follow(w);
}

/* The operator's deadline. A switch-over that has been asked for gets its time. */
static struct om_action at_deadline(struct om_watch *w)
{
	bool coming = w->model.last.now_ms - w->limit_set_ms < SWITCH_LATE_MS &&
		      w->limit_ms >= om_watch_link_ms(w, (double)w->model.last.remaining_bytes);

	if (deadline_left_ms(w) > 0 || coming || w->limits.policy == OM_POLICY_GUARANTEED)
		return none();
	return end_early(w, "ended at the deadline");
}

/* A limit above the soft one whose switch-over does not come is taken back. */
static struct om_action take_back(struct om_watch *w)
{
	if (w->limit_ms <= soft_ms(w) ||
	    w->model.last.now_ms - w->limit_set_ms < SWITCH_LATE_MS + 3 * (uint64_t)w->limit_ms)
		return none();
	w->reach = OM_REACH_SOFT;
	return set_limit(w, soft_ms(w), "the switch-over did not come in time");
}

static struct om_action decide(struct om_watch *w, bool ended)
{
	struct om_action action;

	if (w->limits.policy == OM_POLICY_STOCK || w->ended_early || w->model.last.paused)
		return none();
	action = at_deadline(w);
	if (action.kind == OM_ACTION_NONE && !w->limit_ms)
		action = set_limit(w, w->start_ms, "begin low");
	else if (action.kind == OM_ACTION_NONE && ended)
		action = pass_ended(w);
	else if (action.kind == OM_ACTION_NONE)
		action = take_back(w);
	return action.kind != OM_ACTION_NONE ? action : tell_need(w);
}

struct om_action om_watch_step(struct om_watch *w, const struct om_sample *s)
{
	struct om_action action;
	bool ended;

	if (s->stopped) /* the last word is QEMU's */
		return none();
	ended = om_model_take(&w->model, s);
	if (!w->begun_ms)
		w->begun_ms = s->now_ms ? s->now_ms : 1;
	if (s->postcopy) /* started by somebody else */
		w->postcopy_started = true;
	if (w->postcopy_started || w->timed_out) {
		om_watch_foresee(w);
		return none();
	}
	om_watch_foresee(w);
	action = obey_options(w, s);
	if (action.kind == OM_ACTION_NONE)
		action = decide(w, ended);
	om_watch_foresee(w);
	return action;
}

void om_watch_set_limits(struct om_watch *w, const struct om_limits *limits)
{
	w->limits = *limits;
	w->told_need = w->refused = false;
	if (w->limit_ms > (uint32_t)om_watch_reach_ms(w))
		w->limit_ms = 0; /* set anew at once */
}

void om_watch_failed(struct om_watch *w, const struct om_action *action)
{
	switch (action->kind) {
	case OM_ACTION_POSTCOPY:
		w->postcopy_started = false;
		w->postcopy_after_precopy = false;
		w->limits.postcopy = false;
		break;
	case OM_ACTION_THROTTLE:
		w->throttled = false;
		break;
	case OM_ACTION_ABORT:
		w->ended_early = false;
		break;
	case OM_ACTION_SUSPEND:
		w->timed_out = false;
		w->timeout_action = OM_TIMEOUT_NONE;
		break;
	default: /* another limit comes with the next pass */
		break;
	}
}
