/* SPDX-License-Identifier: Apache-2.0 */
/* What the migrating process tells of itself: from samples and decisions into a state. */
#include "om_state.h"

#include "om_text.h"
#include "om_util.h"
#include "om_watch.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* The first pass cannot say how much comes after it. */
#define FIRST_PASS_MOST 90
/* Nor can the copy of the disks say how much memory there is. */
#define DISKS_MOST 80

static uint32_t share(uint64_t part, uint64_t all)
{
	return all ? (uint32_t)((double)(part < all ? part : all) * 100 / (double)all) : 0;
}

/* What has been sent for good, of memory and disks. */
static uint32_t progress_by_bytes(const struct om_sample *s)
{
	uint64_t all = s->total_bytes + s->disk_total_bytes;
	uint64_t left = s->remaining_bytes + s->disk_remaining_bytes;
	uint32_t percent = share(all > left ? all - left : 0, all);
	uint32_t most = s->total_bytes ? FIRST_PASS_MOST : DISKS_MOST;

	if (s->postcopy)
		return percent;
	/* Later passes begin with what was dirtied: how many there will be is not known. */
	if (s->iteration > 1)
		return 0;
	return percent * most / 100;
}

uint32_t om_state_progress(uint32_t before, const struct om_sample *sample,
			   const struct om_forecast *forecast)
{
	bool first_pass = sample->iteration <= 1 && !sample->postcopy && !sample->paused;
	uint32_t percent;

	if (forecast->known && forecast->eta_high_ms)
		percent = share(sample->elapsed_ms, sample->elapsed_ms + forecast->eta_high_ms);
	else
		percent = progress_by_bytes(sample);
	if (first_pass && percent > FIRST_PASS_MOST)
		percent = FIRST_PASS_MOST;
	percent = percent < before ? before : percent;
	return percent < 99 ? percent : 99;
}

void om_state_take_limits(struct om_state *state, const struct om_limits *limits, uint64_t now_ms,
			  uint64_t epoch_ms)
{
	bool may_harm = om_policy_may_harm(limits->policy);
	uint64_t deadline_ms = om_limits_deadline_ms(limits);

	om_str_copy(state->policy, sizeof(state->policy), om_policy_name(limits->policy));
	state->downtime_max_ms = om_limits_in_force_ms(limits);
	state->pause_max_ms = om_limits_pause_ms(limits);
	/* The one clock plus the difference on the other; a deadline may be over. */
	state->deadline_epoch_ms = deadline_ms ? epoch_ms + (deadline_ms - now_ms) : 0;
	state->postcopy_allowed = may_harm && limits->postcopy;
	state->throttle_allowed = limits->throttle;
	state->bandwidth_bytes_ps = limits->bandwidth_bytes_ps;
}

static void take_forecast(struct om_state *state, const struct om_forecast *forecast)
{
	state->forecast = forecast->known;
	state->eta_low_ms = forecast->eta_low_ms;
	state->eta_high_ms = forecast->eta_high_ms;
	state->eta_ms = forecast->eta_high_ms;
	state->downtime_low_ms = forecast->downtime_low_ms;
	state->downtime_high_ms = forecast->downtime_high_ms;
	state->need_downtime_ms = forecast->need_downtime_ms;
	state->need_bytes_ps = forecast->need_bytes_ps;
}

void om_state_take(struct om_state *state, const struct om_sample *sample,
		   const struct om_watch *watch, uint64_t epoch_ms)
{
	static const struct om_forecast nothing;

	if (state->phase >= OM_PHASE_SETTLE) /* libvirt's call has returned meanwhile */
		return;
	state->phase = sample->postcopy ? OM_PHASE_POSTCOPY : OM_PHASE_COPY;
	state->iteration = sample->iteration;
	state->percent = om_state_progress(state->percent, sample, &watch->forecast);
	state->processed_bytes = sample->processed_bytes;
	state->remaining_bytes = sample->remaining_bytes;
	state->total_bytes = sample->total_bytes;
	state->disk_remaining_bytes = sample->disk_remaining_bytes;
	state->disk_total_bytes = sample->disk_total_bytes;
	state->rate_bytes_ps = sample->rate_bytes_ps;
	state->dirty_bytes_ps = sample->dirty_bytes_ps;
	state->throttle_percent = sample->throttle_percent;
	state->downtime_limit_ms = watch->limit_ms;
	if (!watch->limit_ms && watch->limits.policy == OM_POLICY_STOCK) /* which sets none */
		state->downtime_limit_ms = om_limits_in_force_ms(&watch->limits);
	take_forecast(state, watch->forecast.known ? &watch->forecast : &nothing);
	om_state_take_limits(state, &watch->limits, sample->now_ms, epoch_ms);
}

void om_state_take_path(struct om_state *state, const struct om_plan *plan, size_t attempt)
{
	bool fast = plan->attempts[attempt].path == OM_PATH_FAST && plan->fast.have_addr;
	const struct om_route *route = &plan->fast.route;

	*state->path_addr = '\0';
	if (fast)
		om_addr_print(&plan->fast.addr, state->path_addr);
	om_str_copy(state->path_ifname, sizeof(state->path_ifname), fast ? route->ifname : "");
	state->path_speed_mbit = fast ? route->speed_mbit : 0;
}

/* How far the last rate is trusted. */
#define STORAGE_ETA_LOW 0.85
#define STORAGE_ETA_HIGH 1.3

void om_state_take_storage(struct om_state *state, const struct om_state_storage *st)
{
	uint64_t left = st->files_remaining_bytes + st->disk_remaining_bytes + st->memory_bytes;
	uint64_t all = st->files_total_bytes + st->disk_total_bytes + st->memory_bytes;
	uint32_t percent = share(all > left ? all - left : 0, all) * FIRST_PASS_MOST / 100;
	double ms = st->rate_bytes_ps ? (double)left * 1000 / (double)st->rate_bytes_ps : 0;

	if (state->phase >= OM_PHASE_SETTLE)
		return;
	state->phase = st->disks ? OM_PHASE_COPY : OM_PHASE_SEND;
	state->percent = percent > state->percent ? percent : state->percent;
	state->files_remaining_bytes = st->files_remaining_bytes;
	state->files_total_bytes = st->files_total_bytes;
	state->disk_remaining_bytes = st->disk_remaining_bytes;
	state->disk_total_bytes = st->disk_total_bytes;
	state->rate_bytes_ps = st->rate_bytes_ps;
	state->forecast = ms >= 1;
	state->eta_low_ms = (uint64_t)(ms * STORAGE_ETA_LOW);
	state->eta_high_ms = state->eta_ms = (uint64_t)(ms * STORAGE_ETA_HIGH);
}

static const char *const action_names[] = {
	[OM_ACTION_NONE] = NULL,
	[OM_ACTION_DOWNTIME] = "downtime",
	[OM_ACTION_POSTCOPY] = "post-copy",
	[OM_ACTION_SUSPEND] = "pause",
	[OM_ACTION_THROTTLE] = "throttle",
	[OM_ACTION_SYNC_WRITES] = "synchronous writes",
	[OM_ACTION_ABORT] = "end",
	[OM_ACTION_SAY] = NULL,
};
static_assert(OM_ARRAY_LEN(action_names) == OM_ACTION_COUNT, "an action has no name");

/* What has no room: the oldest limit, of which there may be many; else the oldest of all. Anything else
 * was done to the guest, and is to be seen afterwards. */
static char *least_action(char *list)
{
	for (char *entry = list, *next; entry; entry = next) {
		if (om_str_starts(entry, action_names[OM_ACTION_DOWNTIME]))
			return entry;
		next = strstr(entry, "; ");
		next = next ? next + 2 : NULL;
	}
	return list;
}

static void drop_action(char *list, char *entry)
{
	const char *next = strstr(entry, "; ");

	if (next)
		memmove(entry, next + 2, strlen(next + 2) + 1);
	else
		*(entry > list ? entry - 2 : entry) = '\0';
}

static void add_action(struct om_state *state, const char *entry)
{
	char *list = state->actions;
	size_t need = strlen(entry) + strlen("; ") + 1;
	struct om_text to = { .text = list, .size = sizeof(state->actions) };

	while (*list && strlen(list) + need > sizeof(state->actions))
		drop_action(list, least_action(list));
	to.len = strlen(list);
	om_text_add(&to, "%s%s", *list ? "; " : "", entry);
}

void om_state_take_action(struct om_state *state, const struct om_action *action, const char *why,
			  bool done, uint64_t elapsed_ms, uint64_t epoch_ms)
{
	const char *name = (unsigned int)action->kind < OM_ACTION_COUNT ? action_names[action->kind]
									: NULL;
	char entry[64];
	struct om_text to = { .text = entry, .size = sizeof(entry) };

	if (!om_str_empty(why)) {
		om_str_copy(state->decision, sizeof(state->decision), why);
		state->decision_epoch_ms = epoch_ms;
	}
	if (!done || !name)
		return;
	state->acted_eta_low_ms = state->eta_low_ms;
	state->acted_eta_high_ms = state->eta_high_ms;
	state->acted_downtime_low_ms = state->downtime_low_ms;
	state->acted_downtime_high_ms = state->downtime_high_ms;
	om_text_add(&to, "%s", name);
	if (action->kind == OM_ACTION_DOWNTIME)
		om_text_add(&to, " %" PRIu32 " ms", action->downtime_ms);
	om_text_add(&to, " at %" PRIu64 ".%" PRIu64 " s", elapsed_ms / 1000,
		    elapsed_ms % 1000 / 100);
	add_action(state, entry);
}
