/* SPDX-License-Identifier: Apache-2.0 */
#include "om_state.h"

#include "om_text.h"
#include "om_util.h"

#include <inttypes.h>

#define MIB (1u << 20)

/* "2.1 s", "75 s", "2 min 5 s", "1 h 3 min". */
static void add_duration(struct om_text *to, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 60)
		om_text_add(to, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
	else if (s < 3600)
		om_text_add(to, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		om_text_add(to, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
}

/* "8.0-9.1 s", "50 s - 1 min 10 s"; one where both are printed the same. */
static void add_range(struct om_text *to, uint64_t low_ms, uint64_t high_ms)
{
	if (high_ms < 60000 && low_ms / 100 < high_ms / 100)
		om_text_add(to, "%" PRIu64 ".%" PRIu64 "-", low_ms / 1000, low_ms % 1000 / 100);
	else if (high_ms >= 60000 && low_ms / 1000 < high_ms / 1000) {
		add_duration(to, low_ms);
		om_text_add(to, " - ");
	}
	add_duration(to, high_ms);
}

/* "180 ms", "1.2 s": a downtime. */
static void add_pause(struct om_text *to, uint64_t ms)
{
	if (ms < 1000)
		om_text_add(to, "%" PRIu64 " ms", ms);
	else
		add_duration(to, ms);
}

/* "912 MiB", "1.8 GiB". */
static void add_bytes(struct om_text *to, uint64_t bytes)
{
	uint64_t tenths = (bytes >> 20) * 10 / 1024;

	if (bytes >> 20 < 10240)
		om_text_add(to, "%" PRIu64 " MiB", bytes / MIB);
	else
		om_text_add(to, "%" PRIu64 ".%" PRIu64 " GiB", tenths / 10, tenths % 10);
}

/* What is left of the time, as it is expected; nothing where that is not known. */
static void add_left(struct om_text *to, const struct om_state *state, const char *before)
{
	if (state->forecast && !state->eta_high_ms) {
		om_text_add(to, "%sno end in sight", before);
	} else if (state->forecast) {
		om_text_add(to, "%s", before);
		add_range(to, state->eta_low_ms, state->eta_high_ms);
		om_text_add(to, " left");
	} else if (state->eta_ms) {
		om_text_add(to, "%s", before);
		add_duration(to, state->eta_ms);
		om_text_add(to, " left");
	}
}

static void add_vm(struct om_text *to, const struct om_state *state)
{
	if (*state->vm_id)
		om_text_add_clean(to, state->vm_id);
	if (*state->vm_name) {
		om_text_add(to, "%s", *state->vm_id ? " " : "");
		om_text_add_clean(to, state->vm_name);
	}
	if (!*state->vm_id && !*state->vm_name)
		om_text_add_clean(to, state->uuid);
}

static void add_label(struct om_text *to, const char *label)
{
	om_text_add(to, "\n  %-9s ", label);
}

static void add_path(struct om_text *to, const struct om_state *state)
{
	add_label(to, "path");
	if (*state->path_addr)
		om_text_add_clean(to, state->path_addr);
	else
		om_text_add(to, "the default one");
	if (*state->path_ifname) {
		om_text_add(to, " by ");
		om_text_add_clean(to, state->path_ifname);
	}
	if (state->path_speed_mbit)
		om_text_add(to, " (%" PRIu32 " Mbit/s)", state->path_speed_mbit);
	if (*state->transport) {
		om_text_add(to, ", ");
		om_text_add_clean(to, state->transport);
	}
}

static void add_rest(struct om_text *to, const char *label, uint64_t left, uint64_t all)
{
	if (!all)
		return;
	add_label(to, label);
	add_bytes(to, left);
	om_text_add(to, " remain, of ");
	add_bytes(to, all);
}

static void add_memory(struct om_text *to, const struct om_state *state)
{
	add_label(to, "memory");
	om_text_add(to, "%" PRIu64 " MiB sent, %" PRIu64 " MiB remain, of %" PRIu64 " MiB",
		    state->processed_bytes / MIB, state->remaining_bytes / MIB,
		    state->total_bytes / MIB);
	add_rest(to, "files", state->files_remaining_bytes, state->files_total_bytes);
	add_rest(to, "disks", state->disk_remaining_bytes, state->disk_total_bytes);
	add_label(to, "rate");
	om_text_add(to, "%" PRIu64 " MiB/s; the guest dirties %" PRIu64 " MiB/s",
		    state->rate_bytes_ps / MIB, state->dirty_bytes_ps / MIB);
	if (state->throttle_percent)
		om_text_add(to, ", its CPUs slowed by %" PRIu32 " %%", state->throttle_percent);
}

static void add_time(struct om_text *to, const struct om_state *state)
{
	add_label(to, "time");
	add_duration(to, state->elapsed_ms);
	if (om_phase_ended(state->phase))
		return;
	om_text_add(to, " so far");
	add_left(to, state, ", ");
}

static void add_downtime(struct om_text *to, const struct om_state *state)
{
	bool ended = om_phase_ended(state->phase);
	bool expected = !ended && state->forecast && state->downtime_high_ms;

	if (ended ? !state->downtime_ms : !expected && !state->downtime_limit_ms)
		return;
	add_label(to, "downtime");
	if (ended) {
		add_pause(to, state->downtime_ms);
		return;
	}
	if (expected && state->downtime_low_ms < state->downtime_high_ms) {
		add_pause(to, state->downtime_low_ms);
		om_text_add(to, " to ");
	}
	if (expected) {
		add_pause(to, state->downtime_high_ms);
		om_text_add(to, " expected; ");
	}
	om_text_add(to, "limit at present ");
	add_pause(to, state->downtime_limit_ms);
}

static void add_deadline(struct om_text *to, const struct om_state *state)
{
	uint64_t now_ms = state->updated_epoch_ms;

	if (!state->deadline_epoch_ms || om_phase_ended(state->phase))
		return;
	if (state->deadline_epoch_ms <= now_ms) {
		om_text_add(to, "; deadline over");
		return;
	}
	om_text_add(to, "; deadline in ");
	add_duration(to, state->deadline_epoch_ms - now_ms);
}

static void add_limits(struct om_text *to, const struct om_state *state)
{
	if (!*state->policy)
		return;
	add_label(to, "limits");
	om_text_add_clean(to, state->policy);
	om_text_add(to, ": downtime ");
	add_pause(to, state->downtime_max_ms);
	if (state->pause_max_ms) {
		om_text_add(to, ", pause ");
		add_pause(to, state->pause_max_ms);
	}
	om_text_add(to, ", %spost-copy", state->postcopy_allowed ? "" : "no ");
	if (state->throttle_allowed)
		om_text_add(to, ", throttling");
	if (state->bandwidth_bytes_ps)
		om_text_add(to, ", %" PRIu64 " MiB/s", state->bandwidth_bytes_ps / MIB);
	add_deadline(to, state);
}

/* What an end would take that is not in sight. */
static void add_need(struct om_text *to, const struct om_state *state)
{
	if (om_phase_ended(state->phase) || !state->forecast || state->eta_high_ms ||
	    (!state->need_downtime_ms && !state->need_bytes_ps))
		return;
	add_label(to, "needs");
	if (state->need_downtime_ms) {
		om_text_add(to, "a downtime of ");
		add_pause(to, state->need_downtime_ms);
	}
	if (state->need_bytes_ps)
		om_text_add(to, "%s%" PRIu64 " MiB/s", state->need_downtime_ms ? ", or " : "",
			    state->need_bytes_ps / MIB);
}

static void add_sentence(struct om_text *to, const char *label, const char *sentence)
{
	if (!*sentence)
		return;
	add_label(to, label);
	om_text_add_clean(to, sentence);
}

static void add_decision(struct om_text *to, const struct om_state *state)
{
	add_sentence(to, "decision", state->decision);
	if (*state->decision && !om_phase_ended(state->phase) && state->decision_epoch_ms &&
	    state->decision_epoch_ms <= state->updated_epoch_ms) {
		om_text_add(to, " (");
		add_duration(to, state->updated_epoch_ms - state->decision_epoch_ms);
		om_text_add(to, " ago)");
	}
	add_sentence(to, "actions", state->actions);
}

size_t om_state_print_text(const struct om_state *state, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };

	om_text_add(&to, "VM ");
	add_vm(&to, state);
	om_text_add(&to, ", ");
	om_text_add_clean(&to, state->uuid);
	add_label(&to, "migration");
	om_text_add_clean(&to, state->src);
	om_text_add(&to, " -> ");
	om_text_add_clean(&to, state->dst);
	om_text_add(&to, ", %s, %" PRIu32 " %%", om_phase_name(state->phase),
		    om_state_percent(state));
	if (state->iteration)
		om_text_add(&to, ", pass %" PRIu32, state->iteration);
	add_path(&to, state);
	add_memory(&to, state);
	add_time(&to, state);
	add_downtime(&to, state);
	add_limits(&to, state);
	add_need(&to, state);
	add_decision(&to, state);
	add_sentence(&to, "result", state->result);
	om_text_add(&to, "\n");
	return to.len;
}

static void add_bar(struct om_text *to, uint32_t percent, unsigned int columns)
{
	if (!columns)
		return;
	om_text_add(to, "  [");
	for (unsigned int i = 0; i < columns; i++)
		om_text_add(to, "%c", i < (uint64_t)columns * percent / 100 ? '#' : '.');
	om_text_add(to, "]");
}

static void add_progress(struct om_text *to, const struct om_state *state)
{
	if (state->rate_bytes_ps)
		om_text_add(to, "  %" PRIu64 " MiB/s", state->rate_bytes_ps / MIB);
	if (state->phase != OM_PHASE_COPY)
		om_text_add(to, "  %s", om_phase_name(state->phase));
	else if (state->iteration)
		om_text_add(to, "  pass %" PRIu32, state->iteration);
	add_left(to, state, "  ");
}

static void add_end(struct om_text *to, const struct om_state *state)
{
	om_text_add(to, "  %s in ", om_phase_name(state->phase));
	add_duration(to, state->elapsed_ms);
	if (state->phase == OM_PHASE_DONE && state->downtime_ms)
		om_text_add(to, "  downtime %" PRIu32 " ms", state->downtime_ms);
}

size_t om_state_print_bar(const struct om_state *state, unsigned int columns, char *text,
			  size_t size)
{
	struct om_text to = { .text = text, .size = size };

	add_vm(&to, state);
	om_text_add(&to, " ");
	om_text_add_clean(&to, state->src);
	om_text_add(&to, "->");
	om_text_add_clean(&to, state->dst);
	add_bar(&to, om_state_percent(state), columns);
	om_text_add(&to, "  %" PRIu32 " %%", om_state_percent(state));
	if (om_phase_ended(state->phase))
		add_end(&to, state);
	else
		add_progress(&to, state);
	return to.len;
}

void om_state_total(struct om_state_totals *totals, const struct om_state *state)
{
	if (om_phase_ended(state->phase))
		return;
	if (!totals->count++)
		totals->all_known = true;
	totals->rate_bytes_ps += state->rate_bytes_ps;
	totals->remaining_bytes += state->remaining_bytes + state->disk_remaining_bytes +
				   state->files_remaining_bytes;
	totals->all_known &= state->forecast;
	totals->endless |= state->forecast && !state->eta_high_ms;
	if (state->eta_low_ms > totals->eta_low_ms)
		totals->eta_low_ms = state->eta_low_ms;
	if (state->eta_high_ms > totals->eta_high_ms)
		totals->eta_high_ms = state->eta_high_ms;
}

size_t om_state_print_totals(const struct om_state_totals *totals, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };

	om_text_add(&to, "%" PRIu32 " under way: %" PRIu64 " MiB/s, ", totals->count,
		    totals->rate_bytes_ps / MIB);
	add_bytes(&to, totals->remaining_bytes);
	om_text_add(&to, " left");
	if (totals->endless)
		om_text_add(&to, ", one of them with no end in sight");
	else if (totals->all_known && totals->count) {
		om_text_add(&to, ", the last ends in ");
		add_range(&to, totals->eta_low_ms, totals->eta_high_ms);
	}
	return to.len;
}
