/* SPDX-License-Identifier: Apache-2.0 */
/* Decides what is done while the memory moves. Pure: samples in, at most one action out; time is an
 * argument. Allocates nothing. */
#ifndef OM_WATCH_H
#define OM_WATCH_H

#include "om_plan.h"

struct om_sample {
	uint64_t now_ms;					/* monotonic clock */
	uint64_t elapsed_ms;					/* libvirt's, since the job began */
	uint64_t processed_bytes, remaining_bytes, total_bytes; /* memory */
	uint64_t rate_bytes_ps;					/* 0 = not known yet */
	uint64_t dirty_bytes_ps;				/* 0 until the second pass */
	uint32_t iteration;					/* pass, from 1; 0 = none yet */
	uint32_t throttle_percent;
	bool postcopy;
};

enum om_action_kind {
	OM_ACTION_NONE,
	OM_ACTION_DOWNTIME, /* set the downtime limit to `downtime_ms` */
	OM_ACTION_POSTCOPY, /* start post-copy */
	OM_ACTION_SUSPEND,  /* pause the guest: the copy then ends */
	OM_ACTION_COUNT
};
struct om_action {
	enum om_action_kind kind;
	uint32_t downtime_ms;
	char why[120];
};

struct om_watch {
	uint32_t start_ms, ceiling_ms;
	bool postcopy_after_precopy;
	uint64_t timeout_ms; /* 0 = none */
	enum om_timeout_action timeout_action;
	uint32_t limit_ms;  /* set last; 0 = none yet */
	uint32_t iteration; /* highest seen */
	uint64_t begun_ms;  /* now_ms of the first call; 0 = none yet */
	bool timed_out, postcopy_started;
	uint32_t percent; /* monotone, at most 99 */
};

void om_watch_init(struct om_watch *watch, const struct om_plan *plan);
/* A new pass was announced by an event, perhaps before any sample tells it. */
struct om_action om_watch_iteration(struct om_watch *watch, uint32_t iteration, uint64_t now_ms);
struct om_action om_watch_step(struct om_watch *watch, const struct om_sample *sample);

#endif
