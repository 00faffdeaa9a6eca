/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a migration, and what brings it to a known end. Talks to the outside only through
 * struct om_run_ops, so that every path through it can be tested without libvirt.
 */
#ifndef OM_RUN_H
#define OM_RUN_H

#include "om_log.h"
#include "om_outcome.h"
#include "om_plan.h"
#include "om_state.h"

struct om_run_ops {
	void *ctx;
	uint64_t (*now_ms)(void *ctx);		  /* monotonic */
	void (*sleep_ms)(void *ctx, uint32_t ms); /* returns early when a stop is requested */
	bool (*stop_requested)(void *ctx);
	void (*log)(void *ctx, enum om_log_level level, const char *text);
	void (*phase)(void *ctx, enum om_phase phase);

	/* Both sides, asked now. */
	void (*sides)(void *ctx, struct om_side *src, struct om_side *dst);
	bool (*resume_source)(void *ctx, struct om_err *err);
	bool (*resume_dest)(void *ctx, struct om_err *err);
	bool (*suspend_source)(void *ctx, struct om_err *err);
	bool (*abort_source)(void *ctx, struct om_err *err); /* its migration job */
	bool (*destroy_source)(void *ctx, struct om_err *err);
	bool (*destroy_dest)(void *ctx, struct om_err *err);

	/* From here on a signal cannot end the run at once; false: one came before. */
	bool (*touch)(void *ctx, struct om_err *err);
	bool (*block_job)(void *ctx, char *target, size_t size);
	/* Brings files and placeholders to a destination with storage of its own. NULL: there is none.
	 * False: part of it may be there. */
	bool (*storage_bring)(void *ctx, struct om_err *err);
	/* Removes what was brought, where `verdict` proves that the VM runs on the source. NULL likewise. */
	void (*storage_undo)(void *ctx, enum om_verdict verdict);
	bool (*snapshots_save)(void *ctx, struct om_err *err);
	bool (*snapshots_drop)(void *ctx, struct om_err *err);
	bool (*snapshots_define)(void *ctx, bool on_dest, struct om_err *err);
	/* libvirt's call, watched; blocks until it returns. `attempt` need not be one of the plan's. */
	void (*memory)(void *ctx, const struct om_attempt *attempt, struct om_attempt_end *end);
	/* Closes and opens the connection of the call, which releases a job that it leaked. */
	bool (*reopen_source)(void *ctx, struct om_err *err);
	/* The guest is proven to run on the destination; there is more to be done. */
	void (*switched)(void *ctx);
};

struct om_run_end {
	enum om_verdict verdict;
	bool repeated;	/* the VM was there before this action began */
	size_t attempt; /* the plan's that was made last, be it with other flags */
	bool has_err;
	struct om_err err; /* why it is not on the destination, without its whereabouts */
};

/* May a migration begin? Repairs what an earlier one left behind. False: `end` says what is so
 * instead; for a repeated action that is success. Asked again by om_run_migrate(). */
bool om_run_enter(const struct om_run_ops *ops, struct om_run_end *end,
		  bool *source_paused) OM_MUST_CHECK;

/* Where the guest is when this action has touched nothing; asks, repairs nothing. */
enum om_verdict om_run_look(const struct om_run_ops *ops, bool *repeated);

/* Runs all stages. `tries`: how often an active block job is waited for, 5 s apart. */
void om_run_migrate(const struct om_run_ops *ops, const struct om_plan *plan, uint32_t tries,
		    struct om_run_end *end);

/* Asks both sides and repairs what may be repaired, until a final verdict. Also for a process that
 * answers for one that has died. `context` gives asked_paused and source_paused. */
enum om_verdict om_run_settle(const struct om_run_ops *ops, struct om_outcome_context *context);

/* Puts the snapshot metadata where the guest is now. */
void om_run_put_snapshots(const struct om_run_ops *ops, enum om_verdict verdict);

#endif
