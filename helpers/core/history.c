/* SPDX-License-Identifier: Apache-2.0 */
#include "om_history.h"

#include "om_text.h"
#include "om_util.h"
#include "om_watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1u << 20)
#define TRACE_STEP_MS 250
#define NAME_COLUMNS 20

bool om_history_due(const struct om_state *state)
{
	if (!om_phase_ended(state->phase) || state->pid || !*state->uuid)
		return false;
	return state->phase != OM_PHASE_DONE || state->iteration || state->processed_bytes ||
	       state->sent_bytes;
}

/* Every second point goes, and as much time lies between those to come. */
static void thin_out(struct om_trace *trace)
{
	trace->count /= 2;
	for (uint32_t i = 0; i < trace->count; i++)
		trace->points[i] = trace->points[2 * i];
	trace->step_ms *= 2;
}

void om_trace_add(struct om_trace *trace, uint64_t now_ms, const struct om_forecast *forecast)
{
	if (!trace->step_ms)
		trace->step_ms = TRACE_STEP_MS;
	if (trace->count && now_ms < trace->points[trace->count - 1].at_ms + trace->step_ms)
		return;
	if (trace->count == OM_TRACE_POINTS)
		thin_out(trace);
	trace->points[trace->count++] = (struct om_trace_point){
		.at_ms = now_ms,
		.eta_low_ms = forecast->known ? forecast->eta_low_ms : 0,
		.eta_high_ms = forecast->known ? forecast->eta_high_ms : 0,
	};
}

void om_trace_half(const struct om_trace *trace, uint64_t begun_ms, uint64_t ended_ms,
		   struct om_state *state)
{
	uint64_t half_ms = begun_ms + (ended_ms - begun_ms) / 2;
	const struct om_trace_point *found = NULL;

	state->half_left_ms = state->half_eta_low_ms = state->half_eta_high_ms = 0;
	for (uint32_t i = 0; i < trace->count && trace->points[i].at_ms <= half_ms; i++)
		found = &trace->points[i];
	if (!found || !found->eta_high_ms || ended_ms <= found->at_ms)
		return;
	state->half_left_ms = ended_ms - found->at_ms;
	state->half_eta_low_ms = found->eta_low_ms;
	state->half_eta_high_ms = found->eta_high_ms;
}

uint64_t om_history_rate(const struct om_state *record)
{
	if (!record->copy_ms)
		return 0;
	return (uint64_t)((double)record->sent_bytes * 1000 / (double)record->copy_ms);
}

static uint64_t total_of(const struct om_state *record)
{
	return record->elapsed_ms;
}

static uint64_t downtime_of(const struct om_state *record)
{
	return record->downtime_ms;
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static struct om_history_percentiles percentiles(const struct om_state *records, size_t n,
						 uint64_t (*value_of)(const struct om_state *))
{
	struct om_history_percentiles found = { 0 };
	OM_AUTOFREE uint64_t *values = om_xcalloc(n + 1, sizeof(*values));

	for (size_t i = 0; i < n; i++) {
		uint64_t value = records[i].phase == OM_PHASE_DONE ? value_of(&records[i]) : 0;

		if (value)
			values[found.count++] = value;
	}
	if (!found.count)
		return found;
	qsort(values, found.count, sizeof(*values), compare);
	found.p50 = values[(found.count * 50 + 99) / 100 - 1];
	found.p95 = values[(found.count * 95 + 99) / 100 - 1];
	return found;
}

void om_history_sum(struct om_history_sums *sums, const struct om_state *records, size_t n)
{
	*sums = (struct om_history_sums){ .count = n };
	for (size_t i = 0; i < n; i++) {
		sums->done += records[i].phase == OM_PHASE_DONE;
		sums->failed += records[i].phase == OM_PHASE_FAILED;
		sums->unknown += records[i].phase == OM_PHASE_UNKNOWN;
	}
	sums->total_ms = percentiles(records, n, total_of);
	sums->downtime_ms = percentiles(records, n, downtime_of);
	sums->rate_bytes_ps = percentiles(records, n, om_history_rate);
}

/* A cell that is `columns` wide, with two blanks behind it; what does not fit ends in a '~'. */
static void add_left(struct om_text *to, const char *text, size_t columns)
{
	char clean[512];
	struct om_text in = { .text = clean, .size = sizeof(clean) };
	size_t have, at = 0;
	uint32_t code;

	om_text_add_clean(&in, text);
	have = om_utf8_columns(clean);
	for (size_t i = 0; i < (have > columns ? columns - 1 : have); i++) {
		size_t n = om_utf8_next(clean + at, strlen(clean + at), &code);

		at += n ? n : 1;
	}
	om_text_add_bytes(to, clean, at);
	if (have > columns)
		om_text_add(to, "~");
	om_text_add(to, "%*s", (int)(have < columns ? columns - have : 0) + 2, "");
}

static void add_right(struct om_text *to, const char *text, int columns)
{
	om_text_add(to, "%*s  ", columns, text);
}

/* "12.3 s" however long; "-" for what is not known. */
static const char *seconds(uint64_t ms, char text[32])
{
	struct om_text to = { .text = text, .size = 32 };

	if (ms)
		om_text_add(&to, "%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms % 1000 / 100);
	else
		om_text_add(&to, "-");
	return text;
}

static const char *number(uint64_t value, const char *unit, char text[32])
{
	struct om_text to = { .text = text, .size = 32 };

	if (value)
		om_text_add(&to, "%" PRIu64 "%s", value, unit);
	else
		om_text_add(&to, "-");
	return text;
}

/* To the nearest, as in the summary of a migration. */
static const char *mebibytes(uint64_t bytes, const char *unit, char text[32])
{
	return number((bytes + MIB / 2) / MIB, unit, text);
}

static size_t print_heading(struct om_text *to)
{
	add_left(to, "END", 19);
	add_left(to, "VM", 6);
	add_left(to, "NAME", NAME_COLUMNS);
	add_left(to, "FROM", NAME_COLUMNS);
	add_left(to, "TO", NAME_COLUMNS);
	add_left(to, "OUTCOME", 7);
	add_right(to, "TIME", 9);
	add_right(to, "DOWNTIME", 9);
	add_right(to, "SENT", 11);
	add_right(to, "RATE", 11);
	add_right(to, "PASSES", 6);
	om_text_add(to, "WAY OF SENDING AND ACTIONS, OR WHY IT FAILED");
	return to->len;
}

/* As in the summary of a migration: the memory against what RATE says of the wire. */
static void add_sent(struct om_text *to, const struct om_state *r)
{
	bool timed = r->guest_bytes && r->copy_ms && !r->disk_total_bytes; /* else with the disks */
	char cell[32], other[32];

	if (*r->transport) {
		om_text_add_clean(to, r->transport);
		if (timed)
			om_text_add(to, ": memory at %s",
				    mebibytes(r->guest_bytes * 1000 / r->copy_ms, " MiB/s", cell));
		if (r->packed_permille)
			om_text_add(to, "%s %" PRIu32 " %% of it sent", timed ? "," : ": memory,",
				    (r->packed_permille - 1 + 5) / 10);
	}
	if (r->src_cpu_ms && r->dst_cpu_ms)
		om_text_add(to, "%sCPU %s + %s", *r->transport ? ", " : "",
			    seconds(r->src_cpu_ms, cell), seconds(r->dst_cpu_ms, other));
}

static void add_done(struct om_text *to, const struct om_state *r)
{
	size_t before = to->len;

	add_sent(to, r);
	if (to->len > before && *r->actions)
		om_text_add(to, "; ");
	om_text_add_clean(to, r->actions);
}

size_t om_history_print_row(const struct om_state *record, const char *end, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };
	char cell[32];

	if (!record)
		return print_heading(&to);
	add_left(&to, end, 19);
	add_left(&to, record->vm_id, 6);
	add_left(&to, record->vm_name, NAME_COLUMNS);
	add_left(&to, record->src, NAME_COLUMNS);
	add_left(&to, record->dst, NAME_COLUMNS);
	add_left(&to, om_phase_name(record->phase), 7);
	add_right(&to, seconds(record->elapsed_ms, cell), 9);
	add_right(&to, number(record->downtime_ms, " ms", cell), 9);
	add_right(&to, mebibytes(record->sent_bytes, " MiB", cell), 11);
	add_right(&to, mebibytes(om_history_rate(record), " MiB/s", cell), 11);
	add_right(&to, number(record->iteration, "", cell), 6);
	if (record->phase == OM_PHASE_DONE)
		add_done(&to, record);
	else
		om_text_add_clean(&to, record->result);
	while (to.len && to.len < size && text[to.len - 1] == ' ')
		text[--to.len] = '\0';
	return to.len;
}

static void add_sum_row(struct om_text *to, const char *name, const char *p50, const char *p95)
{
	om_text_add(to, "  %-9s%12s%13s\n", name, p50, p95);
}

size_t om_history_print_sums(const struct om_history_sums *sums, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };
	char p50[32], p95[32];

	om_text_add(&to, "%zu migration%s: %zu done (%zu %%), %zu failed, %zu unknown\n",
		    sums->count, sums->count == 1 ? "" : "s", sums->done,
		    sums->count ? sums->done * 100 / sums->count : 0, sums->failed, sums->unknown);
	if (!sums->total_ms.count)
		return to.len;
	add_sum_row(&to, "of done", "p50", "p95");
	add_sum_row(&to, "time", seconds(sums->total_ms.p50, p50),
		    seconds(sums->total_ms.p95, p95));
	add_sum_row(&to, "downtime", number(sums->downtime_ms.p50, " ms", p50),
		    number(sums->downtime_ms.p95, " ms", p95));
	add_sum_row(&to, "rate", mebibytes(sums->rate_bytes_ps.p50, " MiB/s", p50),
		    mebibytes(sums->rate_bytes_ps.p95, " MiB/s", p95));
	return to.len;
}

static void add_json(struct om_text *to, const char *name, const struct om_history_percentiles *p)
{
	om_text_add(to, ",\"%s\":{\"count\":%zu,\"p50\":%" PRIu64 ",\"p95\":%" PRIu64 "}", name,
		    p->count, p->p50, p->p95);
}

size_t om_history_print_sums_json(const struct om_history_sums *sums, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };

	om_text_add(&to, "{\"summary\":{\"count\":%zu,\"done\":%zu,\"failed\":%zu,\"unknown\":%zu",
		    sums->count, sums->done, sums->failed, sums->unknown);
	add_json(&to, "total_ms", &sums->total_ms);
	add_json(&to, "downtime_ms", &sums->downtime_ms);
	add_json(&to, "rate_bytes_ps", &sums->rate_bytes_ps);
	om_text_add(&to, "}}");
	return to.len;
}
