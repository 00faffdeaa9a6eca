/* SPDX-License-Identifier: Apache-2.0 */
#include "watch_internal.h"

#include <math.h>
#include <string.h>

#define THROTTLE_LEAST 20.0 /* percent, QEMU's own */
#define THROTTLE_MOST 80.0
#define HOPELESS_PASSES_DONE 3 /* before anything is given up or begun anew */
#define SWITCH_LATE_MS 5000    /* a switch-over that has not come by then is taken back */
#define LINK_LOSS 0.03	       /* of its bandwidth; measured in the lab: mostly below 0.02 */

static bool sends_by_several(const struct om_plan *plan)
{
	return plan->transport.by_options ? (plan->flags & OM_FLAG_PARALLEL) != 0
					  : plan->transport.connections > 1;
}

void om_watch_init(struct om_watch *watch, const struct om_plan *plan)
{
	memset(watch, 0, sizeof(*watch));
	watch->limits = plan->limits;
	watch->model.populated = (double)plan->populated_bytes;
	watch->start_ms = plan->downtime_start_ms;
	watch->own_ms = om_limits_own_ms(&plan->limits);
	watch->queues = sends_by_several(plan) && !(plan->flags & OM_FLAG_COMPRESSED);
	watch->postcopy_after_precopy = plan->postcopy_after_precopy && !plan->never_switch;
	watch->timeout_ms = (uint64_t)plan->timeout_s * 1000;
	watch->timeout_action = plan->timeout_action;
	if (plan->never_switch) {
		watch->limits.postcopy = false;
		if (watch->timeout_action == OM_TIMEOUT_POSTCOPY)
			watch->timeout_action = OM_TIMEOUT_NONE;
	}
}

void om_watch_init_again(struct om_watch *watch, const struct om_plan *plan)
{
	uint64_t first_begun_ms = watch->first_begun_ms;
	bool told_need = watch->told_need;

	om_watch_init(watch, plan);
	watch->first_begun_ms = first_begun_ms;
	watch->told_need = told_need;
}

void om_watch_attempt(struct om_watch *watch, const struct om_attempt *attempt)
{
	watch->limits.postcopy &= (attempt->flags & OM_FLAG_POSTCOPY) != 0;
	watch->throttled = attempt->flags & OM_FLAG_AUTO_CONVERGE;
	/* libvirt takes a method for the flag. */
	watch->model.compressed = (attempt->flags & OM_FLAG_COMPRESSED) ||
				  om_params_get(&attempt->params, "compression");
}

/* ---- what is allowed, and what it takes ---- */

static uint32_t soft_ms(const struct om_watch *w)
{
	return om_limits_in_force_ms(&w->limits);
}

/* More than the soft limit: an operator can change the policy of a migration that runs. */
static bool may_harm(const struct om_watch *w)
{
	return om_policy_may_harm(w->limits.policy);
}

uint32_t om_watch_hard_ms(const struct om_watch *w)
{
	uint32_t pause_ms = om_limits_pause_ms(&w->limits);

	return pause_ms ? pause_ms : soft_ms(w);
}

/* The limit that may be set: the state of the devices takes its time as well, and the link can be a
 * little slower in the stop than just before it. */
static double settable_ms(const struct om_watch *w, double ms, bool hard)
{
	if (w->limits.policy == OM_POLICY_STOCK) /* none is set: QEMU goes by the domain's own */
		return ms;
	return ms - fmin(ms / 10, OVERHEAD_MS * 1.5 + (hard ? ms * LINK_LOSS : 0));
}

double om_watch_hard_reach_ms(const struct om_watch *w)
{
	uint32_t hard_ms = om_watch_hard_ms(w);

	return settable_ms(w, hard_ms, hard_ms > soft_ms(w));
}

double om_watch_reach_ms(const struct om_watch *w)
{
	return w->reach == OM_REACH_HARD ? om_watch_hard_reach_ms(w) : om_watch_soft_reach_ms(w);
}

double om_watch_soft_reach_ms(const struct om_watch *w)
{
	return settable_ms(w, soft_ms(w), false);
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

double om_watch_best_plateau_ms(const struct om_watch *w)
{
	struct om_model good = om_model_without_dip(&w->model);
	double b = om_model_bandwidth(&good);

	return b > 0 ? om_model_plateau(&good, b) * 1000 / b : INFINITY;
}

double om_watch_deadline_left_ms(const struct om_watch *w)
{
	if (!w->limits.deadline_ms)
		return INFINITY;
	return (double)w->limits.deadline_ms - (double)w->model.last.now_ms;
}

/* ---- actions ---- */

static struct om_action end_early(struct om_watch *w, const char *what,
				  void (*print)(const struct om_watch *, char *, size_t))
{
	char missing[120];

	w->ended_early = true;
	print(w, missing, sizeof(missing));
	return om_watch_act(OM_ACTION_ABORT, true, "%s; %s", what, missing);
}

/* ---- decisions ---- */

static bool time_is_over(const struct om_watch *w, const struct om_sample *s)
{
	if (w->timeout_action == OM_TIMEOUT_NONE || s->now_ms - w->first_begun_ms < w->timeout_ms)
		return false;
	return w->timeout_action == OM_TIMEOUT_POSTCOPY ? om_watch_may_ask_postcopy(w) : !s->paused;
}

/* The words of MIGRATE_OPTIONS come first; they are carried out under every policy. */
static struct om_action obey_options(struct om_watch *w, const struct om_sample *s)
{
	if (w->timed_out)
		return om_watch_no_action();
	if (time_is_over(w, s)) {
		w->timed_out = true;
		if (w->timeout_action == OM_TIMEOUT_POSTCOPY)
			return om_watch_start_postcopy(w, "the time of --timeout is over");
		return om_watch_act(OM_ACTION_SUSPEND, true,
				    "pause: the time of --timeout is over");
	}
	if (w->postcopy_after_precopy && s->iteration >= 2 && om_watch_may_ask_postcopy(w))
		return om_watch_start_postcopy(w, "the first pass is over");
	return om_watch_no_action();
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
	action =
		om_watch_act(OM_ACTION_THROTTLE, false, /* the run tells it */
			     "begin again with auto-converge from %.0f %%: nothing gentler ends it",
			     percent);
	action.throttle_percent = (uint32_t)percent;
	return action;
}

/* Once, and not where the deadline would end the second copy in its first pass. */
static bool may_begin_throttled(const struct om_watch *w)
{
	return w->limits.throttle && may_harm(w) && !w->throttled &&
	       (om_watch_deadline_left_ms(w) > om_watch_elapsed_ms(w) ||
		w->limits.policy == OM_POLICY_GUARANTEED);
}

static bool may_end(const struct om_watch *w)
{
	return w->model.last.now_ms >= w->not_before_ms;
}

/* What fits is asked for as often and as long again as it took to be called refused: the bandwidth of
 * QEMU's window may yet be what was measured here. */
static bool refused_for_good(const struct om_watch *w)
{
	return w->refused_passes >= ASKED_MOST &&
	       w->model.last.now_ms - w->asked_since_ms >= 2 * REFUSED_MS;
}

/* Nothing that is allowed ends it. */
static struct om_action hopeless(struct om_watch *w)
{
	bool fits = om_watch_best_plateau_ms(w) <= om_watch_hard_reach_ms(w);

	if (!w->hopeless_passes || !om_model_healthy(&w->model) ||
	    (fits && w->refused_passes < HOPELESS_PASSES_DONE))
		return om_watch_no_action();
	if (may_end(w) &&
	    (fits ? refused_for_good(w) : w->hopeless_passes >= HOPELESS_PASSES_DONE)) {
		if (!fits && may_begin_throttled(w))
			return begin_throttled(w);
		if (w->limits.policy == OM_POLICY_GENTLE)
			return end_early(w, "ended early, it does not converge",
					 om_watch_print_need);
	}
	w->tell_need = !w->told_need && w->limits.policy != OM_POLICY_GENTLE;
	return om_watch_no_action();
}

/* Between two counts, so that it takes no action's place. */
static struct om_action tell_need(struct om_watch *w)
{
	char need[120];

	if (!w->tell_need)
		return om_watch_no_action();
	w->tell_need = false;
	w->told_need = true;
	om_watch_print_need(w, need, sizeof(need));
	return om_watch_act(OM_ACTION_SAY, true, "it does not converge and goes on; it %s", need);
}

static struct om_action pass_ended(struct om_watch *w)
{
	struct om_action action;

	if (om_watch_postcopy_is_better(w))
		return om_watch_start_postcopy(w, "pre-copy would take longer");
	om_watch_choose_reach(w);
	action = hopeless(w);
	return action.kind != OM_ACTION_NONE ? action : om_watch_follow(w);
}

/* The operator's deadline, which holds for --timeout too. A switch-over that has been asked for gets its time. */
static struct om_action at_deadline(struct om_watch *w)
{
	double left_ms = om_watch_link_ms(w, om_model_unsent(&w->model));
	double late_ms = -om_watch_deadline_left_ms(w); /* a link can die meanwhile */
	bool coming = w->model.last.paused
			      ? left_ms < SWITCH_LATE_MS - late_ms
			      : w->model.last.now_ms - w->limit_set_ms < SWITCH_LATE_MS &&
					w->limit_ms >= left_ms;

	if (om_watch_deadline_left_ms(w) > 0 || coming || !may_end(w) ||
	    !om_policy_ends_at_deadline(w->limits.policy))
		return om_watch_no_action();
	return end_early(w, "ended at the deadline", om_watch_print_missing);
}

/* A limit above the soft one whose switch-over does not come is taken back until the next count: it
 * failed, or the pass is a long one, in which the guest may turn quiet. */
static struct om_action take_back(struct om_watch *w)
{
	uint64_t since_ms = w->limit_set_ms > w->model.pass_begun_ms ? w->limit_set_ms
								     : w->model.pass_begun_ms;

	if (w->limit_ms <= soft_ms(w) ||
	    w->model.last.now_ms - since_ms < SWITCH_LATE_MS + 3 * (uint64_t)w->limit_ms)
		return om_watch_no_action();
	w->reach = OM_REACH_SOFT;
	return om_watch_set_limit(w, soft_ms(w), "the switch-over has not come by now");
}

/* Stock never acts; where another policy did before, the domain's own limit comes back. */
static struct om_action undo(struct om_watch *w)
{
	struct om_action action;

	if (!w->limit_lost && (!w->limit_ms || w->limit_ms == w->own_ms))
		return om_watch_no_action();
	w->limit_lost = false;
	w->limit_ms = w->own_ms;
	action = om_watch_act(OM_ACTION_DOWNTIME, false,
			      "downtime limit %u ms: the domain's own, as the policy is stock",
			      w->own_ms);
	action.downtime_ms = w->own_ms;
	return action;
}

static struct om_action decide(struct om_watch *w, bool ended)
{
	struct om_action action;

	if (w->ended_early)
		return om_watch_no_action();
	/* Whoever has paused the guest, it runs again on the source then. */
	if (w->model.last.paused || w->timed_out)
		return at_deadline(w);
	if (w->limits.policy == OM_POLICY_STOCK)
		return undo(w);
	action = at_deadline(w);
	if (action.kind == OM_ACTION_NONE && (!w->limit_ms || w->limit_lost))
		action = om_watch_set_limit(w, w->start_ms, "begin low");
	else if (action.kind == OM_ACTION_NONE && ended)
		action = pass_ended(w);
	else if (action.kind == OM_ACTION_NONE)
		action = take_back(w);
	return action.kind != OM_ACTION_NONE ? action : tell_need(w);
}

/* True where a pass has ended. */
static bool take_in(struct om_watch *w, const struct om_sample *s)
{
	bool ended = om_model_take(&w->model, s);

	if (!s->paused)
		w->paused_ms = 0;
	else if (!w->paused_ms)
		w->paused_ms = s->now_ms;
	if (!w->begun_ms)
		w->begun_ms = s->now_ms ? s->now_ms : 1;
	if (!w->first_begun_ms)
		w->first_begun_ms = w->begun_ms;
	if (s->postcopy) /* started by somebody else */
		w->postcopy_started = true;
	om_watch_foresee(w);
	return ended;
}

void om_watch_observe(struct om_watch *w, const struct om_sample *s)
{
	if (!s->stopped)
		take_in(w, s);
}

struct om_action om_watch_step(struct om_watch *w, const struct om_sample *s)
{
	struct om_action action;
	bool ended;

	if (s->stopped) /* the last word is QEMU's */
		return om_watch_no_action();
	ended = take_in(w, s);
	if (w->postcopy_started)
		return om_watch_no_action();
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
	w->refused_passes = w->asked = 0;
	if (om_watch_hard_ms(w) <= soft_ms(w))
		w->reach = OM_REACH_SOFT;
	if (w->limit_ms > (uint32_t)om_watch_reach_ms(w))
		w->limit_lost = true; /* set anew at once */
}

void om_watch_failed(struct om_watch *w, const struct om_action *action)
{
	switch (action->kind) {
	case OM_ACTION_POSTCOPY:
		w->timed_out = false;
		om_watch_postcopy_refused(w);
		break;
	case OM_ACTION_THROTTLE:
	case OM_ACTION_ABORT:
		w->throttled = w->throttled && action->kind != OM_ACTION_THROTTLE;
		w->ended_early = false;
		w->not_before_ms = w->model.last.now_ms + ASK_AGAIN_MS;
		break;
	case OM_ACTION_SUSPEND:
		w->timed_out = false;
		w->timeout_action = OM_TIMEOUT_NONE;
		break;
	case OM_ACTION_DOWNTIME: /* what QEMU has now is not known */
		w->limit_lost = true;
		break;
	default:
		break;
	}
}
