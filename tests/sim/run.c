/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One guest, one policy. What cannot be taken back (a pause above the soft limit, post-copy,
 * throttling, an end without success) is judged by what this very guest, on this very link, would
 * have done: it was wrong if the guest would have ended within the soft limit in the next 10 s, or
 * in a quarter more of the time that it had taken so far.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define CUT_OFF_PASSES 10
#define CUT_OFF_MS 300000
#define RESTART_MS 2800 /* cancel, as measured, and the destination's start */
#define STEPS_MAX 40000000ul

struct run {
	const struct sim_guest *g;
	const struct sim_policy *p;
	struct sim_policy_state state;
	struct sim_copy copy;
	struct sim_result r;
	uint32_t start_limit_ms;
	double lost_before; /* by attempts that were cancelled */
	bool over;
};

static void judge(struct run *run)
{
	struct sim_copy shadow = run->copy;
	double until = shadow.now + fmax(10000, shadow.now / 4);

	if (run->r.wrong)
		return;
	shadow.state = SIM_RUNNING;
	shadow.throttle = 0;
	shadow.auto_converge = false;
	shadow.paused = false;
	sim_copy_limit(&shadow, SIM_SOFT_MS);
	shadow.threshold = shadow.bandwidth * shadow.limit_ms;
	while (shadow.state == SIM_RUNNING && shadow.now < until - SIM_INSTANT_MS)
		sim_copy_run(&shadow, until);
	run->r.wrong = shadow.state == SIM_SWITCHING;
}

static void finish(struct run *run, struct sim_end end)
{
	run->r.outcome = SIM_ENDED;
	run->r.end = end;
	run->r.total_ms = end.ms + run->g->around_ms;
	run->r.pause_ms = end.pause_ms;
	run->r.lost_ms = run->lost_before + run->copy.lost_ms + end.pause_ms;
	run->over = true;
}

static void give_up(struct run *run, enum sim_outcome outcome)
{
	const struct sim_copy *c = &run->copy;

	run->r.outcome = outcome;
	run->r.total_ms = c->now + run->g->around_ms;
	run->r.lost_ms = run->lost_before + c->lost_ms + (c->paused ? c->now - c->paused_at : 0);
	run->over = true;
}

/* The watch begins anew too, and the limit is the domain's own again. */
static void restart(struct run *run, const struct om_action *a)
{
	run->lost_before += run->copy.lost_ms;
	run->r.restarted = true;
	sim_copy_begin(&run->copy, run->g, run->copy.now + RESTART_MS, run->start_limit_ms);
	run->copy.auto_converge = true;
	run->copy.throttle_step = OM_THROTTLE_INCREMENT / 100.0;
	run->copy.throttle_first = a->throttle_percent ? a->throttle_percent / 100.0
						       : OM_THROTTLE_INITIAL / 100.0;
	if (run->p->restarted)
		run->p->restarted(&run->state, run->p);
}

static void obey(struct run *run, const struct om_action *a)
{
	struct sim_copy *c = &run->copy;

	if (a->kind != OM_ACTION_NONE && a->kind != OM_ACTION_SAY)
		memcpy(run->r.why, a->why, sizeof(run->r.why));
	if ((a->kind == OM_ACTION_POSTCOPY && !(run->p->can & SIM_CAN_POSTCOPY)) ||
	    (a->kind == OM_ACTION_THROTTLE && !(run->p->can & SIM_CAN_THROTTLE)))
		run->r.forbidden = true;
	switch (a->kind) {
	case OM_ACTION_DOWNTIME:
		sim_copy_limit(c, a->downtime_ms);
		run->r.limit_ms = a->downtime_ms;
		break;
	case OM_ACTION_POSTCOPY:
		judge(run);
		run->r.postcopy = true;
		finish(run, sim_copy_postcopy(c));
		break;
	case OM_ACTION_SUSPEND:
		judge(run);
		run->r.suspended = true;
		sim_copy_pause(c);
		break;
	case OM_ACTION_THROTTLE:
		judge(run);
		restart(run, a);
		break;
	case OM_ACTION_ABORT:
		judge(run);
		give_up(run, SIM_ABORTED);
		break;
	default:
		break;
	}
}

static void ask(struct run *run)
{
	struct om_sample sample;
	struct om_action action;

	sim_copy_sample(&run->copy, &sample);
	/* A run of hours is sampled more sparsely, to within a 2000th of its time. */
	run->state.next_ms = run->copy.now + fmax(run->p->poll_ms, run->copy.now / 2000);
	action = run->p->step(run->p, &run->state, &sample);
	obey(run, &action);
}

static void switch_over(struct run *run)
{
	struct sim_copy *c = &run->copy;
	double needs = c->bandwidth > 0 ? sim_copy_remaining(c) / c->bandwidth : 0;

	/* What QEMU took for more than the soft limit: somebody set such a limit. */
	if (needs > SIM_SOFT_MS * 1.001 && !run->r.suspended) {
		run->r.above_soft = true;
		judge(run);
	}
	finish(run, sim_copy_switch(c));
}

static void begin(struct run *run, const struct sim_guest *g, const struct sim_policy *p)
{
	memset(run, 0, sizeof(*run));
	run->g = g;
	run->p = p;
	run->start_limit_ms = p->start_limit_ms ? p->start_limit_ms : 300;
	sim_copy_begin(&run->copy, g, 0, run->start_limit_ms);
	run->copy.auto_converge = p->auto_converge;
	run->r.limit_ms = run->copy.limit_ms;
	if (p->begin)
		p->begin(p, &run->state, (uint64_t)g->memory);
}

struct sim_result sim_run(const struct sim_guest *g, const struct sim_policy *p)
{
	double cut_off = CUT_OFF_PASSES * sim_guest_bulk_ms(g) + CUT_OFF_MS;
	struct run run;

	begin(&run, g, p);
	if (p->poll_ms)
		ask(&run);
	while (!run.over) {
		double until = p->poll_ms ? fmin(run.state.next_ms, cut_off) : cut_off;
		bool was_throttled = run.copy.throttle > 0;
		bool boundary = sim_copy_run(&run.copy, until);

		if (!was_throttled && run.copy.throttle > 0) {
			run.r.throttled = true;
			judge(&run);
		}
		if (run.copy.state == SIM_SWITCHING)
			switch_over(&run);
		else if (run.copy.now >= cut_off - SIM_INSTANT_MS || run.copy.steps > STEPS_MAX)
			give_up(&run, SIM_CUT_OFF);
		else if (p->poll_ms && ((boundary && p->events) ||
					run.copy.now >= run.state.next_ms - SIM_INSTANT_MS))
			ask(&run);
	}
	run.r.passes = run.copy.pass;
	run.r.steps = run.copy.steps;
	return run.r;
}
