/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One migration, as it would go: the watch decides over a model of QEMU's migration thread. QEMU
 * holds what remains against the bandwidth of the last 100 ms times the limit; below it the dirty
 * pages are counted, which begins a pass, and if the sum still fits the guest is stopped.
 */
#include "predict_internal.h"

#include "om_plan.h"
#include "om_util.h"
#include "om_watch.h"

#include <math.h>
#include <string.h>

#define CELLS 64	/* parts of the hot set */
#define WINDOW_MS 100.0 /* of QEMU's bandwidth */
#define LOOK_MS 50.0	/* QEMU sends at least so long before it looks at what remains */
#define SAMPLE_MS 250.0
#define SPARSE 500.0	   /* a run of hours is sampled to within this part of its time */
#define REACTION_MS 8.0	   /* from a count to the limit that answers it */
#define COUNT_MS_TIB 300.0 /* one count of the dirty pages, for each TiB */
#define UNTOUCHED_PS 4.3e6 /* bytes of memory that was never written, passed over in a ms */
#define RESTART_MS 2800.0  /* cancelled, and begun again with auto-converge; measured in the lab */
#define FORCED_SYNC_MS 5000.0 /* with auto-converge, since QEMU 9.2 */
#define THROTTLE_TRIGGER 0.5
#define THROTTLE_MAX 0.99
#define CLOCK_MS 1000.0 /* of the watch, at the beginning */
#define ENDLESS_BULKS 10.0
#define ENDLESS_MS 120000.0
#define STEPS_MAX 100000u

struct copy {
	const struct om_predict_case *c;
	struct om_watch watch;
	double now, begun; /* since the program's start; of this attempt */
	double unsent[CELLS], fresh[CELLS], position;
	int sender;		/* the part that is sent next */
	double cold, untouched; /* left of the first pass */
	double sent, threshold, window_sent, window_begun, next_sample;
	double limit_ms, asked_ms, asked_at; /* in force; asked for, and when */
	double synced, sent_at_sync;
	uint32_t pass, dirty_high;
	double throttle, throttle_step;
	bool auto_converge, paused, over;
	double paused_at;
	struct om_predict_end *end;
};

static double hot_unsent(const struct copy *y)
{
	double sum = 0;

	for (int i = 0; i < CELLS; i++)
		sum += y->unsent[i];
	return sum * y->c->hot / CELLS;
}

static double remaining(const struct copy *y)
{
	return y->cold + y->untouched + hot_unsent(y);
}

/* ---- the guest ---- */

static void write_at_random(struct copy *y, double bytes)
{
	double clean = exp(-bytes / y->c->hot);

	for (int i = 0; i < CELLS; i++)
		y->fresh[i] = 1 - (1 - y->fresh[i]) * clean;
}

static void write_in_order(struct copy *y, double bytes)
{
	double left = fmin(1, bytes / y->c->hot) * CELLS;

	while (left > 1e-9) {
		int cell = (int)y->position % CELLS;
		double part = fmin(left, floor(y->position) + 1 - y->position);

		y->fresh[cell] = fmin(1, y->fresh[cell] + part);
		y->position += part;
		if (y->position >= CELLS - 1e-9)
			y->position = 0;
		left -= part;
	}
}

static void guest_runs(struct copy *y, double ms)
{
	double bytes = y->c->rate * (1 - y->throttle) * ms;

	y->now += ms;
	if (y->paused || bytes <= 0)
		return;
	if (y->c->sweeps)
		write_in_order(y, bytes);
	else
		write_at_random(y, bytes);
}

/* ---- the copy ---- */

/* A pass goes on where the one before it ended. */
static void send_hot(struct copy *y, double bytes)
{
	double cell = y->c->hot / CELLS;

	for (int i = 0; i < CELLS; i++) {
		double part = fmin(bytes, y->unsent[y->sender] * cell);

		y->unsent[y->sender] -= part / cell;
		bytes -= part;
		if (bytes <= 0)
			break;
		y->sender = (y->sender + 1) % CELLS;
	}
}

/* What was never written comes last and costs little. */
static void transfer(struct copy *y, double ms)
{
	double bytes = y->c->bandwidth * ms, part = fmin(bytes, y->cold), hot;

	y->cold -= part;
	bytes -= part;
	hot = fmin(bytes, hot_unsent(y));
	send_hot(y, hot);
	y->sent += part + hot;
	y->window_sent += part + hot;
	bytes -= hot;
	if (bytes > 0)
		y->untouched = fmax(0, y->untouched - bytes / y->c->bandwidth * UNTOUCHED_PS);
	guest_runs(y, ms);
}

static void close_window(struct copy *y)
{
	double ms = y->now - y->window_begun;

	if (y->asked_ms > 0 && y->now >= y->asked_at + REACTION_MS) {
		y->limit_ms = y->asked_ms;
		y->asked_ms = 0;
	}
	if (ms < WINDOW_MS - 1e-6)
		return;
	/* While memory that was never written is passed over, nothing is known of the link. */
	if (y->window_sent > 0)
		y->threshold = y->window_sent / ms * y->limit_ms;
	y->window_begun = y->now;
	y->window_sent = 0;
}

/* QEMU slows the guest at each second count that finds more than half of what was sent. */
static void raise_throttle(struct copy *y, double dirtied)
{
	if (!y->auto_converge || dirtied <= (y->sent - y->sent_at_sync) * THROTTLE_TRIGGER ||
	    ++y->dirty_high < 2)
		return;
	y->dirty_high = 0;
	y->throttle = y->throttle > 0
			      ? fmin(y->throttle + OM_THROTTLE_INCREMENT / 100.0, THROTTLE_MAX)
			      : y->throttle_step;
}

static void synchronize(struct copy *y)
{
	double before = hot_unsent(y);

	guest_runs(y, y->c->total / 1099511627776.0 * COUNT_MS_TIB);
	for (int i = 0; i < CELLS; i++) {
		y->unsent[i] = y->c->sweeps ? fmin(1, y->unsent[i] + y->fresh[i])
					    : 1 - (1 - y->unsent[i]) * (1 - y->fresh[i]);
		y->fresh[i] = 0;
	}
	raise_throttle(y, hot_unsent(y) - before);
	if (y->pass == 1)
		y->end->bulk_ms = y->now - y->begun;
	y->synced = y->now;
	y->sent_at_sync = y->sent;
	y->pass++;
}

static void finish(struct copy *y, enum om_predict_how how, double pause_ms, double ms)
{
	y->end->how = how;
	y->end->pause_ms = pause_ms;
	y->end->ms = y->now + ms;
	y->over = true;
}

static void stop_guest(struct copy *y)
{
	double ms = (remaining(y) + y->c->backlog) / y->c->burst + y->c->stop_ms;

	if (y->paused)
		finish(y, OM_PREDICT_PAUSED, y->now - y->paused_at + ms, ms + y->c->after_ms);
	else
		finish(y, OM_PREDICT_SWITCHED, ms, ms + y->c->after_ms);
}

/* True: a pass has ended, and the next one goes on. */
static bool look(struct copy *y)
{
	double left = remaining(y);
	bool forced = y->auto_converge && y->pass > 1 && y->now - y->synced >= FORCED_SYNC_MS;

	if (left >= 1 && left >= y->threshold && !forced)
		return false;
	synchronize(y);
	left = remaining(y);
	if (left < 1 || left < y->threshold)
		stop_guest(y);
	return true;
}

static void begin_copy(struct copy *y, double throttle)
{
	const struct om_predict_case *c = y->c;

	for (int i = 0; i < CELLS; i++) {
		y->unsent[i] = 1;
		y->fresh[i] = 0;
	}
	y->cold = fmax(0, c->populated - c->hot);
	y->untouched = fmax(0, c->total - fmax(c->populated, c->hot));
	y->begun = y->window_begun = y->synced = y->now;
	y->window_sent = y->threshold = y->sent_at_sync = y->sent = y->asked_ms = 0;
	y->next_sample = y->now;
	y->pass = 1;
	y->dirty_high = 0;
	y->throttle = 0;
	y->throttle_step = throttle;
}

/* ---- the watch ---- */

static void take_sample(const struct copy *y, struct om_sample *s)
{
	memset(s, 0, sizeof(*s));
	s->now_ms = (uint64_t)(y->now + CLOCK_MS);
	s->elapsed_ms = (uint64_t)(y->now - y->begun);
	s->processed_bytes = (uint64_t)y->sent;
	s->remaining_bytes = (uint64_t)remaining(y);
	s->total_bytes = (uint64_t)y->c->total;
	s->rate_bytes_ps = (uint64_t)(y->c->bandwidth * 1000);
	s->iteration = y->pass;
	s->throttle_percent = (uint32_t)(y->throttle * 100 + 0.5);
	s->paused = y->paused;
}

static struct om_plan plan_of(const struct copy *y, const struct om_predict_facts *facts)
{
	struct om_plan plan = {
		.limits = facts->limits,
		.downtime_start_ms = facts->start_ms,
		.populated_bytes = (uint64_t)y->c->populated,
		.postcopy_after_precopy = facts->postcopy_after_precopy,
		.timeout_s = facts->timeout_s,
		.timeout_action = facts->timeout_action,
	};

	if (plan.limits.deadline_ms)
		plan.limits.deadline_ms += (uint64_t)CLOCK_MS;
	return plan;
}

static void throttle(struct copy *y, const struct om_predict_facts *facts,
		     const struct om_action *action)
{
	uint32_t percent = action->throttle_percent ? action->throttle_percent
						    : OM_THROTTLE_INITIAL;
	struct om_plan plan = plan_of(y, facts);

	y->end->throttled = true;
	y->now += RESTART_MS;
	begin_copy(y, percent / 100.0);
	y->auto_converge = true;
	om_watch_init_again(&y->watch, &plan);
	y->watch.throttled = true;
}

static void obey(struct copy *y, const struct om_predict_facts *facts,
		 const struct om_action *action)
{
	switch (action->kind) {
	case OM_ACTION_DOWNTIME:
		y->asked_ms = action->downtime_ms;
		y->asked_at = y->now;
		break;
	case OM_ACTION_POSTCOPY:
		synchronize(y);
		finish(y, OM_PREDICT_POSTCOPY, 0,
		       y->c->stop_ms + remaining(y) / y->c->bandwidth + y->c->after_ms);
		break;
	case OM_ACTION_SUSPEND:
		y->paused = true;
		y->paused_at = y->now;
		break;
	case OM_ACTION_THROTTLE:
		throttle(y, facts, action);
		break;
	case OM_ACTION_ABORT:
		finish(y, OM_PREDICT_GIVEN_UP, 0, y->c->after_ms);
		break;
	default:
		break;
	}
}

static void ask(struct copy *y, const struct om_predict_facts *facts)
{
	struct om_sample sample;
	struct om_action action;

	y->next_sample = y->now + fmax(SAMPLE_MS, (y->now - y->begun) / SPARSE);
	take_sample(y, &sample);
	action = om_watch_step(&y->watch, &sample);
	obey(y, facts, &action);
}

/* Until something can happen: far from the threshold the next sample, near it QEMU's next look. */
static double step_ms(const struct copy *y)
{
	double b = y->c->bandwidth, left = remaining(y), to_sample = y->next_sample - y->now;
	double reach = fmax(y->threshold, b * fmax(y->limit_ms, y->asked_ms));
	double far_ms = (left - y->untouched - reach) / b - WINDOW_MS;

	if (far_ms > LOOK_MS)
		return fmax(1, fmin(to_sample, far_ms));
	if (left - y->untouched >= 1)
		return fmax(0.1, fmin(fmin(LOOK_MS, (left - y->untouched) / b), to_sample));
	return fmax(1, fmin(to_sample, y->untouched / UNTOUCHED_PS));
}

void om_predict_run(struct om_predict_end *end, const struct om_predict_case *c,
		    const struct om_predict_facts *facts)
{
	struct copy y = { .c = c, .end = end, .now = c->before_ms, .paused = facts->paused };
	double most = ENDLESS_MS + ENDLESS_BULKS * c->populated / c->bandwidth;
	struct om_plan plan;

	memset(end, 0, sizeof(*end));
	y.limit_ms = om_limits_in_force_ms(&facts->limits);
	y.paused_at = y.now;
	y.auto_converge = facts->auto_converge;
	begin_copy(&y, OM_THROTTLE_INITIAL / 100.0);
	plan = plan_of(&y, facts);
	om_watch_init(&y.watch, &plan);
	for (uint32_t steps = 0; !y.over; steps++) {
		if (y.now > most || steps > STEPS_MAX) {
			finish(&y, OM_PREDICT_ENDLESS, 0, 0);
			break;
		}
		if (y.now >= y.next_sample - 1e-6)
			ask(&y, facts);
		if (y.over)
			break;
		transfer(&y, step_ms(&y));
		close_window(&y);
		if (look(&y) && !y.over)
			ask(&y, facts);
	}
	if (facts->paused)
		end->pause_ms = 0;
}
