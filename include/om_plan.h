/* SPDX-License-Identifier: Apache-2.0 */
/* Facts in, plan out. Pure: a plan is a value that can be printed, compared and executed. */
#ifndef OM_PLAN_H
#define OM_PLAN_H

#include "om_addr.h"
#include "om_disks.h"
#include "om_knob.h"
#include "om_limits.h"
#include "om_net.h"
#include "om_opts.h"
#include "om_req.h"
#include "om_transport.h"

#define OM_DST_ADDRS_MAX 64

/* Who named the interface that the memory takes; the first that is configured wins. */
enum om_fast_source {
	OM_FAST_NONE,	 /* nothing configured: as stock, no URI of ours */
	OM_FAST_OPTION,	 /* --migrateuri in MIGRATE_OPTIONS */
	OM_FAST_NETWORK, /* MIGRATE_NETWORK */
	OM_FAST_APPEND,	 /* DEST_HOST_APPEND */
	OM_FAST_COUNT
};

/* What is known of the destination's fast address. */
struct om_fast {
	char name[OM_HOST_TEXT]; /* what was configured: a name, or the network */
	bool have_addr;
	struct om_addr addr;
	bool routed;
	struct om_route route;
	enum om_answer answer; /* of the probe */
	enum om_answer own;    /* the destination has the address itself */
	char why[200];	       /* where an item above is missing: what was tried */
};
/* Why it cannot be used, or NULL where it can. */
const char *om_fast_defect(const struct om_fast *fast);

struct om_facts {
	struct om_versions versions;
	enum om_fast_source fast_source;
	struct om_fast fast;
	bool mgmt_routed;
	struct om_route mgmt_route; /* towards the oned name */
	uint64_t populated_bytes;   /* memory that the guest ever wrote; 0 = not known */
	uint32_t max_downtime_ms;   /* the domain's own limit; 0 = not known */
	uint64_t bandwidth_mibps; /* likewise (`virsh migrate-setspeed`); 0 = none, or not known */
	const char *postcopy_obstacle; /* of the VM's own: static text; NULL = none */
	uint64_t begun_ms;	       /* monotonic clock: from here on the deadline is counted */
	bool has_guest_agent;
	bool persistent;
	/* Where the hosts do not share the VM's storage and it is ours to move; else NULL. Borrowed by
	 * the plan, which decides on them, adds their parameters to each attempt and tells it. */
	const struct om_disks_facts *disks;
	struct om_transport_facts transport;
};

enum om_path {
	OM_PATH_FAST,	 /* URI of ours, or the operator's */
	OM_PATH_DEFAULT, /* no URI: what the destination's libvirt hands out */
	OM_PATH_NAME,	 /* tcp://<oned name> (OpenNebula #7276) */
	OM_PATH_COUNT
};

struct om_attempt {
	enum om_path path;
	unsigned int flags; /* OM_FLAG_* */
	struct om_params params;
};
/* Each path once, and once more without each of what only settings ask for: post-copy, the way of
 * sending, encryption; and without any of them. Zero-copy, which goes with no encryption, is left out
 * alone first. */
#define OM_ATTEMPTS_MAX (8 * OM_PATH_COUNT)

#define OM_DOWNTIME_START_MS 30 /* lab: 30 gives a pause of 38-40 ms, libvirt's 300 one of 75-280 */
#define OM_THROTTLE_INITIAL 20	/* percent, QEMU's own */
#define OM_THROTTLE_INCREMENT 10

struct om_plan {
	unsigned int flags; /* OM_FLAG_* of the first attempt */
	/* In order; a later one only if nothing was sent, and not each: om_plan_next(). */
	struct om_attempt attempts[OM_ATTEMPTS_MAX];
	size_t attempt_count;
	bool peer_to_peer;
	bool postcopy_after_precopy;
	bool never_switch; /* post-copy is on, but switching would lose the guest */
	uint32_t timeout_s;
	enum om_timeout_action timeout_action;
	uint32_t downtime_start_ms; /* the lowest limit that is set */
	struct om_limits limits;
	struct om_transport transport; /* of the first attempt */
	uint64_t populated_bytes;      /* as in the facts */
	char *limits_text;	       /* them and where they came from; NULL where infos has it */
	enum om_fast_source fast_source;
	struct om_fast fast;			 /* of attempts[0] where its path is OM_PATH_FAST */
	const struct om_disks_facts *disk_facts; /* NULL: no disk is copied, `disks` is empty */
	struct om_disks disks;
	struct om_strv infos, warnings; /* lines for vm.log, in order */
};

/* Which source names the fast interface for these settings, and whether it names one at all for
 * this destination (DEST_HOST_APPEND does not for a host known by its address). */
enum om_fast_source om_plan_fast_source(const struct om_req *req, const struct om_knobs *knobs,
					const struct om_opts *opts);

/*
 * False: OM_E_INPUT (a combination that these versions refuse) or OM_E_REFUSED (policy strict and
 * the fast network cannot be used); nothing was touched.
 */
bool om_plan_make(struct om_plan *plan, const struct om_req *req, const struct om_knobs *knobs,
		  struct om_opts *opts, const struct om_facts *facts,
		  struct om_err *err) OM_MUST_CHECK;
void om_plan_free(struct om_plan *plan);

/* How an attempt ended, from the error's code alone: texts are translated and change. */
struct om_attempt_end {
	bool ok;
	int vir_code;	     /* virErrorNumber; 0 = none */
	int vir_domain;	     /* virErrorDomain: the part of libvirt that failed */
	bool bytes_sent;     /* memory has moved, or QEMU has begun its first pass */
	bool stop_requested; /* by a signal */
	bool suspended;	     /* the watch paused the guest */
	bool dest_lost;	     /* the connection to the destination's libvirt broke */
	char text[400];	     /* libvirt's message */

	/* What the watch made of it. */
	bool ended_by_watch;  /* cancelled without success, for the reason in `watch_why` */
	unsigned int restart; /* cancelled, to begin again with this as well: OM_FLAG_AUTO_CONVERGE,
			       * OM_FLAG_SYNC_WRITES; 0 = not */
	uint32_t throttle_initial; /* percent to begin with; 0 = OM_THROTTLE_INITIAL */
	char watch_why[200];
};

/* What may be tried after an attempt that failed, and before a byte was sent. */
enum om_next {
	OM_NEXT_NONE,
	OM_NEXT_PATH,	     /* the failure can be the path's */
	OM_NEXT_NO_POSTCOPY, /* it can be the destination's refusal of post-copy, which we asked for */
	OM_NEXT_TRANSPORT, /* likewise of the way of sending */
	OM_NEXT_NO_TLS,	   /* likewise of encryption that is only opportunistic */
	OM_NEXT_COUNT
};
enum om_next om_plan_next(const struct om_plan *plan, size_t attempt,
			  const struct om_attempt_end *end, size_t *next);

/* What of the way of sending the end of this attempt says that these hosts refuse: OM_REFUSED_*. Its
 * codes have many meanings: certain only once the next attempt got further. */
uint32_t om_plan_refused(const struct om_plan *plan, size_t attempt,
			 const struct om_attempt_end *end);

/* Of that, what holds for every VM between these hosts. */
uint32_t om_plan_refused_for_all(const struct om_plan *plan, size_t attempt,
				 const struct om_versions *versions,
				 const struct om_attempt_end *end);

/* Of that again, what counts without a weaker attempt, as none is made: encryption that is required. */
uint32_t om_plan_refused_at_once(const struct om_plan *plan, size_t attempt,
				 const struct om_versions *versions,
				 const struct om_attempt_end *end);

/* Does the end of `weaker`, made right after `failed`, prove that what it did without is the reason? */
bool om_plan_got_further(const struct om_attempt *failed, const struct om_attempt *weaker,
			 const struct om_attempt_end *end);

/* The same attempt with what it is to begin again with. It borrows the texts of `from`, which may be the same, and
 * is not to be freed. */
void om_plan_again(struct om_attempt *again, const struct om_attempt *from,
		   const struct om_attempt_end *end);

/* Prints the plan for golden tests and DEBUG lines; malloc'ed, one fact a line. */
char *om_plan_print(const struct om_plan *plan);

#endif
