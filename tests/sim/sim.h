/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live migrations of synthetic guests, by a model of QEMU, with a policy in the loop: the watch that
 * ships, and what other systems do. Time is in ms, memory in bytes, rates in bytes per ms.
 */
#ifndef SIM_H
#define SIM_H

#include "om_watch.h"

#include <math.h>
#include <stdio.h>

#define MIB 1048576.0
#define GIB 1073741824.0
#define GB_PS 1e6		       /* 1 GB/s in bytes per ms */
#define ZERO_PAGES_PS (4 * GIB / 1000) /* zero pages that QEMU's one thread finds */
#define SIM_INSTANT_MS 1e-6	       /* so near to a time it is that time */
#define GBIT_PS 115e3		       /* what 1 Gbit/s carries of memory, in bytes per ms */

/* ---- chance: the same seed and number give the same value, in any order ---- */

double sim_chance(uint64_t seed, uint64_t number); /* [0, 1) */
double sim_between(uint64_t seed, uint64_t number, double low, double high);
double sim_log_between(uint64_t seed, uint64_t number, double low, double high);

/* ---- link.c ---- */

struct sim_link {
	double rate;	     /* without dips */
	double jitter;	     /* of the rate of 100 ms, 0.05 = within 5 % */
	double dip_every_ms; /* 0 = never: in each such time at most one dip */
	double dip_share;    /* of those times that have one */
	bool shallow;	     /* they last longer, and leave more */
	uint64_t seed;
};

double sim_link_rate(const struct sim_link *link, double now);	 /* with dips, without jitter */
double sim_link_jitter(const struct sim_link *link, double now); /* factor, 1 on average */
double sim_link_change(const struct sim_link *link, double now); /* when the rate may change next */
/* How long `bytes` take from `now` on; `clean` is false where a dip made it longer. */
double sim_link_ms(const struct sim_link *link, double now, double bytes, bool *clean);

/* ---- guest.c ---- */

enum sim_class {
	SIM_IDLE,
	SIM_WEB,
	SIM_DATABASE,
	SIM_BATCH,
	SIM_PHASES,
	SIM_SATURATING,
	SIM_HUGE,
	SIM_DIPS,
	SIM_SHALLOW,
	SIM_CLASS_COUNT
};
const char *sim_class_name(enum sim_class class);

enum sim_pattern {
	SIM_UNIFORM, /* writes anywhere in the set */
	SIM_SWEEP    /* walks round it */
};

#define SIM_SETS 3
struct sim_set {
	double bytes, rate;
	enum sim_pattern pattern;
};

/* How active the guest is: `factor[i]` until `until[i]`, then again from the start if `period`. */
#define SIM_PHASE_COUNT 4
struct sim_phases {
	double until[SIM_PHASE_COUNT], factor[SIM_PHASE_COUNT];
	size_t count; /* 0 = always 1; after the last: its factor */
	double period;
};

struct sim_guest {
	enum sim_class class;
	uint64_t seed;
	double memory, zero; /* bytes; `zero` of them are zero pages */
	struct sim_set sets[SIM_SETS];
	size_t set_count;
	struct sim_phases phases;
	double cpu_share; /* of its CPUs' time that its writing needs: throttling beyond it slows */
	double sync_ms;	  /* of one count of the dirty pages */
	double overhead_ms; /* of a switch-over: device state, destination's start */
	double around_ms;   /* before the first and after the last byte */
	double phi; /* share of the time after a switch to post-copy that page faults cost */
	struct sim_link link;
};

struct sim_guest sim_guest_make(enum sim_class class, uint64_t number);
/* Sum of activity over [from, to], and when it changes next. */
double sim_guest_activity(const struct sim_guest *g, double from, double to);
double sim_guest_bulk_ms(const struct sim_guest *g); /* one pass over all memory, and around */

/* ---- qemu.c ---- */

#define SIM_SPANS 24
struct sim_span {
	double from, to;
};

struct sim_region {
	double written;	 /* bytes that were written since the last sync, repetitions counted */
	double unsent;	 /* in the bitmap */
	double position; /* SIM_SWEEP: of the writer, at the last sync */
	double sender;	 /* and of what is sent */
	struct sim_span spans[SIM_SPANS];
	size_t span_count;
};

enum sim_state {
	SIM_RUNNING,
	SIM_SWITCHING, /* what remains fits: the guest is being stopped */
	SIM_POSTCOPY,
};

struct sim_copy {
	const struct sim_guest *guest;
	enum sim_state state;
	double now, begun; /* of this attempt */
	struct sim_region regions[SIM_SETS];
	double cold; /* in the bitmap, outside all sets; in the first pass: everything */
	uint32_t pass, limit_ms;
	double window_begun, window_bytes, bandwidth, threshold;
	double sent; /* on the wire */
	double period_begun, period_dirty, period_sent, dirty_rate;
	unsigned int dirty_high;
	bool auto_converge;
	double throttle; /* 0 .. 0.99 */
	double throttle_first, throttle_step;
	double synced; /* when the last sync was */
	bool paused;
	double paused_at;
	double lost_ms; /* of the guest's work, without the pause */
	unsigned long steps;
};

void sim_copy_begin(struct sim_copy *c, const struct sim_guest *g, double now, uint32_t limit_ms);
double sim_copy_remaining(const struct sim_copy *c);
/* On until `until`, the next boundary of passes (true), or the switch-over. */
bool sim_copy_run(struct sim_copy *c, double until);
void sim_copy_limit(struct sim_copy *c, uint32_t limit_ms);
void sim_copy_pause(struct sim_copy *c);
struct sim_end {
	double ms, pause_ms;
	double limit_pause_ms; /* the pause less what no limit governs: overhead and sync */
	bool clean;	       /* the link did not dip meanwhile */
};
struct sim_end sim_copy_switch(struct sim_copy *c);
/* Guest on the destination; pages follow. */
struct sim_end sim_copy_postcopy(struct sim_copy *c);
void sim_copy_sample(const struct sim_copy *c, struct om_sample *sample);

/* ---- policies ---- */

#define SIM_SOFT_MS 500
#define SIM_HARD_MS 2000

enum {
	SIM_CAN_POSTCOPY = 1,
	SIM_CAN_THROTTLE = 2,
};

struct sim_policy_state {
	struct om_watch watch;
	double next_ms; /* of the next poll; set by the driver, a step may bring it forward */
	uint64_t memory;
	/* of the peers, each uses some */
	uint32_t limit_ms, first_iteration, last_iteration, rung, rises;
	uint64_t last_remaining, progress_ms, acceptable_ms;			/* timeouts */
	uint64_t best_remaining, old_remaining, asked_ms, stalled_ms, tuned_ms; /* stalls */
	double rate;
	struct {
		uint64_t ms, remaining;
	} records[64];
	size_t record_count;
	bool suspended, done;
};

struct sim_policy {
	const char *name;
	bool ours;
	unsigned int can;
	uint32_t poll_ms; /* 0 = never asks */
	bool events;	  /* asks at boundaries of passes too */
	bool auto_converge;
	uint32_t start_limit_ms; /* 0 = 300 */
	const void *param;
	void (*begin)(const struct sim_policy *p, struct sim_policy_state *s, uint64_t memory);
	void (*restarted)(struct sim_policy_state *s, const struct sim_policy *p); /* throttled */
	struct om_action (*step)(const struct sim_policy *p, struct sim_policy_state *s,
				 const struct om_sample *sample);
};

extern const struct sim_policy sim_ours[];
extern const size_t sim_ours_count;

/* ---- run.c ---- */

enum sim_outcome {
	SIM_ENDED,
	SIM_ABORTED,
	SIM_CUT_OFF, /* still running after 10 times the bulk pass and 300 s */
};

struct sim_result {
	enum sim_outcome outcome;
	double total_ms, pause_ms, lost_ms; /* lost includes the pause */
	struct sim_end end;
	uint32_t passes, limit_ms; /* the limit that stood last */
	bool postcopy, suspended, throttled, restarted, above_soft;
	bool wrong;	/* an irreversible step, and the guest would have ended without it */
	bool forbidden; /* an action that was not allowed */
	char why[200];
	unsigned long steps;
};

struct sim_result sim_run(const struct sim_guest *g, const struct sim_policy *p);

/* ---- parts of the program ---- */

void sim_verdict(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct sim_choice {
	size_t guests;	    /* of each class */
	size_t first;	    /* the number of the first */
	const char *class;  /* only this one */
	const char *policy; /* only those with this in their name */
	bool table, each;   /* what is printed; each = a line a run */
};
void sim_light(void); /* assertions */
void sim_cells(bool print);
void sim_toy(bool print);
int sim_fit(char *const *files); /* exit status */
void sim_table(const struct sim_choice *choice);

#endif
