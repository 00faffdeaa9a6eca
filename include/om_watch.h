/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what is done while the memory moves. Pure: samples in, at most one action out; time is an
 * argument. Allocates nothing.
 *
 * QEMU sends pass by pass. A pass ends when what remains fits the downtime limit at the bandwidth of
 * the last 100 ms; the pages that were dirtied meanwhile are then counted, and the guest is stopped
 * if the sum still fits. The limit therefore decides twice: how long a pass is, and when the guest
 * is stopped. The watch sets it to what a switch-over needs, never to more than the operator allows.
 */
#ifndef OM_WATCH_H
#define OM_WATCH_H

#include "om_limits.h"
#include "om_model.h"
#include "om_opts.h"
#include "om_plan.h"

enum om_action_kind {
	OM_ACTION_NONE,
	OM_ACTION_DOWNTIME,    /* set the downtime limit to `downtime_ms` */
	OM_ACTION_POSTCOPY,    /* start post-copy */
	OM_ACTION_SUSPEND,     /* pause the guest: the copy then ends */
	OM_ACTION_THROTTLE,    /* cancel, and begin again with auto-converge */
	OM_ACTION_SYNC_WRITES, /* cancel, and begin again with synchronous writes to disks */
	OM_ACTION_ABORT,       /* end without success: `why` is the reason */
	OM_ACTION_SAY,	       /* only tell `why` */
	OM_ACTION_COUNT
};
struct om_action {
	enum om_action_kind kind;
	uint32_t downtime_ms;
	uint32_t throttle_percent; /* OM_ACTION_THROTTLE: to begin with */
	bool tell;		   /* worth a line in the VM's log, not only in the debug output */
	char why[200];
};

/* What is expected of the migration, from what was measured until now. */
struct om_forecast {
	bool known;				    /* the ranges below hold */
	uint64_t bandwidth_bytes_ps;		    /* guest memory per second, measured */
	uint64_t hot_bytes;			    /* writable working set; 0 = not known */
	uint64_t dirty_bytes_ps;		    /* rate at which the guest dirties it */
	uint32_t downtime_low_ms, downtime_high_ms; /* of the switch-over that comes */
	uint64_t eta_low_ms, eta_high_ms; /* until the guest runs on the destination alone; high 0 =
					      no end in sight */
	uint32_t need_downtime_ms;	  /* the least limit that would end it; 0 = any does */
	uint64_t need_bytes_ps; /* or this much on the wire, with the limits as they are */
};

/* How far the watch may go at present. */
enum om_reach {
	OM_REACH_SOFT, /* the downtime that is allowed without asking */
	OM_REACH_HARD, /* the pause that is allowed where nothing gentler ends it */
};

struct om_watch {
	struct om_limits limits;
	uint32_t start_ms; /* the lowest limit that is set */
	uint32_t own_ms;   /* the domain's own, or libvirt's default */
	bool queues;	   /* several connections, which hold more of what is not compressed */
	bool postcopy_after_precopy;
	uint64_t timeout_ms; /* of --timeout; 0 = none */
	enum om_timeout_action timeout_action;

	uint64_t begun_ms;	 /* now_ms of the first call; 0 = none yet */
	uint64_t first_begun_ms; /* that of the first attempt, from which --timeout counts */
	struct om_model model;
	uint64_t sampled_ms,
		sampled_bytes; /* distinct memory dirtied within that time; 0 = not known */
	uint32_t limit_ms;     /* set last; 0 = none yet */
	uint64_t limit_set_ms;
	bool limit_lost;	/* another one holds than what was set last: to be set at once */
	uint64_t paused_ms;	/* since when the guest is paused; 0 = it is not */
	uint64_t not_before_ms; /* an end was refused: the next one is asked for then */
	uint64_t postcopy_not_before_ms; /* likewise */
	uint32_t postcopy_refusals;
	enum om_reach reach;
	uint32_t hopeless_passes; /* counts in a row after which no end was in sight */
	uint32_t asked;		  /* counts in a row after which a switch-over was asked for */
	uint64_t asked_since_ms;
	double asked_stop_ms;	 /* what remained then, in time on the link */
	bool refused;		 /* QEMU does not stop the guest for what it was asked with */
	uint32_t refused_passes; /* counts after which it was asked all the same */
	double best_end_ms;	 /* earliest end that a switch-over would have had; 0 = none */
	uint32_t counts;	 /* since the reach changed */
	uint32_t gentle_counts;	 /* in a row that would do with the soft limit */
	double least_bytes;	 /* that remained after a count, since the reach changed */
	double held_ms;		 /* where the limit stays for a while; 0 = not yet */
	bool timed_out, postcopy_started, ended_early, throttled, tell_need, told_need;
	struct om_forecast forecast;
};

void om_watch_init(struct om_watch *watch, const struct om_plan *plan);
/* Likewise for the next attempt of the same migration; `watch` is that of the one before, or all 0. */
void om_watch_init_again(struct om_watch *watch, const struct om_plan *plan);
/* What of the plan this attempt has. Without it memory is taken to be sent as it is, as where a migration
 * is only predicted. */
void om_watch_attempt(struct om_watch *watch, const struct om_attempt *attempt);
/* One sample; best taken right after a pass has ended, and every 250 ms. */
struct om_action om_watch_step(struct om_watch *watch, const struct om_sample *sample);
/* A sample of a migration that is being ended, or of which post-copy has been asked for: forecast alone. */
void om_watch_observe(struct om_watch *watch, const struct om_sample *sample);
/* The action that was returned last could not be carried out. */
void om_watch_failed(struct om_watch *watch, const struct om_action *action);
/*
 * So many seconds QEMU should compare a sample of the guest's pages, from just before the migration
 * on, for the end to be foreseen in the first pass; 0: that pass is a short one. `speed_mbit`: of
 * the interface, 0 = not known.
 */
uint32_t om_watch_sampling_s(const struct om_plan *plan, uint32_t speed_mbit);
/* What came of it: distinct memory that the guest dirtied within that time. Decides nothing. */
void om_watch_sampled(struct om_watch *watch, uint64_t ms, uint64_t bytes);
/* The operator changes the limits of a migration that runs. */
void om_watch_set_limits(struct om_watch *watch, const struct om_limits *limits);

#endif
