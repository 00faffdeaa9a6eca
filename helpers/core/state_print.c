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
}

static void add_memory(struct om_text *to, const struct om_state *state)
{
	add_label(to, "memory");
	om_text_add(to, "%" PRIu64 " MiB sent, %" PRIu64 " MiB remain, of %" PRIu64 " MiB",
		    state->processed_bytes / MIB, state->remaining_bytes / MIB,
		    state->total_bytes / MIB);
	add_label(to, "rate");
	om_text_add(to, "%" PRIu64 " MiB/s; the guest dirties %" PRIu64 " MiB/s",
		    state->rate_bytes_ps / MIB, state->dirty_bytes_ps / MIB);
	add_label(to, "limits");
	om_text_add(to, "downtime %" PRIu32 " ms", state->downtime_limit_ms);
	if (state->throttle_percent)
		om_text_add(to, ", CPUs slowed by %" PRIu32 " %%", state->throttle_percent);
}

static void add_time(struct om_text *to, const struct om_state *state)
{
	add_label(to, "time");
	add_duration(to, state->elapsed_ms);
	if (om_phase_ended(state->phase)) {
		if (state->downtime_ms)
			om_text_add(to, ", downtime %" PRIu32 " ms", state->downtime_ms);
	} else if (state->eta_ms) {
		om_text_add(to, " so far, ");
		add_duration(to, state->eta_ms);
		om_text_add(to, " left");
	}
}

static void add_sentence(struct om_text *to, const char *label, const char *sentence)
{
	if (!*sentence)
		return;
	add_label(to, label);
	om_text_add_clean(to, sentence);
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
	add_sentence(&to, "decision", state->decision);
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
	if (state->eta_ms) {
		om_text_add(to, "  ");
		add_duration(to, state->eta_ms);
		om_text_add(to, " left");
	}
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
