/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the migrations of this host have been: one line each, of what om_state_print_record() keeps
 * of a last state, in the file "history" of /var/tmp/onemigrate-<uid> (as for the state; but never
 * in /run, so that it outlives a reboot). Oldest first, at most OM_HISTORY_RECORDS records and
 * OM_HISTORY_BYTES. Sums and text are pure (core/history.c); the file is edge/history_file.c.
 */
#ifndef OM_HISTORY_H
#define OM_HISTORY_H

#include "om_state.h"

#define OM_HISTORY_RECORDS 1000
#define OM_HISTORY_BYTES (1u << 20)

/* Is this the last state of a migration, and did anything happen? The action that was repeated for a
 * VM that had moved before is none. */
bool om_history_due(const struct om_state *state);

/*
 * Adds a record, also for several processes at once; waits for another one for two seconds at most.
 * False: there is no history then of this one, which is no one's end. Allocates nothing. Any thread.
 */
bool om_history_append(const struct om_state *state);
/* Each record that this user may read (root: of every user), file by file; a damaged line is passed
 * over. */
void om_history_each(void (*fn)(const struct om_state *record, void *ctx), void *ctx);

/*
 * What was expected when, to be compared with what came of it: forecasts in equal steps, which grow
 * with the time.
 */
#define OM_TRACE_POINTS 64
struct om_trace {
	uint32_t count;
	uint64_t step_ms;
	struct om_trace_point {
		uint64_t at_ms, eta_low_ms, eta_high_ms;
	} points[OM_TRACE_POINTS];
};
struct om_forecast;
/* now_ms: monotonic. A forecast that is not known, or without an end, is a point as well. */
void om_trace_add(struct om_trace *trace, uint64_t now_ms, const struct om_forecast *forecast);
/* Fills state->half_*: what was expected at the half between begun_ms and ended_ms. */
void om_trace_half(const struct om_trace *trace, uint64_t begun_ms, uint64_t ended_ms,
		   struct om_state *state);

/* Over many: how many ended how, and the 50th and 95th percentile (nearest rank) of those that were
 * done, as far as they are known. */
struct om_history_sums {
	size_t count, done, failed, unknown;
	struct om_history_percentiles {
		size_t count;
		uint64_t p50, p95;
	} total_ms, downtime_ms, rate_bytes_ps;
};
/* Allocates. */
void om_history_sum(struct om_history_sums *sums, const struct om_state *records, size_t n);
size_t om_history_print_sums(const struct om_history_sums *sums, char *text, size_t size);
size_t om_history_print_sums_json(const struct om_history_sums *sums, char *text, size_t size);

/* Bytes per second on the wire; 0 = not known. */
uint64_t om_history_rate(const struct om_state *record);

/* A line of the table (no newline); `end` is when it ended, in 19 characters. Record NULL: the
 * heading. */
size_t om_history_print_row(const struct om_state *record, const char *end, char *text,
			    size_t size);

#endif
