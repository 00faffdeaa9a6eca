/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest is, decided from both sides' states, never from a return code: libvirt's call
 * can fail although the guest runs on the destination, and succeed although a copy is left on the
 * source. Pure. The rules: nothing is destroyed unless the other side is proven; a destination
 * only where its CPUs never ran and the source runs.
 */
#ifndef OM_OUTCOME_H
#define OM_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

enum om_side_state {
	OM_SIDE_UNREACHABLE, /* its libvirt does not answer */
	OM_SIDE_ABSENT,	     /* no such domain, or shut off */
	OM_SIDE_RUNNING,
	OM_SIDE_ROLLED_BACK, /* running, reason "migration canceled": it had been stopped for the
			      * switch-over and was started again, now or in an earlier migration */
	OM_SIDE_INCOMING,    /* paused, reason migration or starting up: on the destination its CPUs
			      * never ran; on the source it was stopped for the switch-over */
	OM_SIDE_PAUSED,	     /* paused for a reason of its own: user, I/O error, ... */
	OM_SIDE_POSTCOPY,    /* running or paused in post-copy */
	OM_SIDE_POSTCOPY_FAILED,
	OM_SIDE_COUNT
};
const char *om_side_state_name(enum om_side_state state);

struct om_side {
	enum om_side_state state;
	bool job;	/* a migration job is active, or may be: its state could not be read */
	bool resumed;	/* an event told that its CPUs were started here (destination) */
	bool stopped;	/* an event told that it was stopped for the switch-over (source) */
	bool unwatched; /* events may have been missed: the connection was opened again */
};

enum om_verdict {
	OM_VERDICT_WAIT,
	OM_VERDICT_RESUME_SOURCE, /* do it, ask again */
	OM_VERDICT_RESUME_DEST,	  /* our own pause, which went there with the guest */
	OM_VERDICT_DESTROY_DEST,
	OM_VERDICT_DESTROY_SOURCE,
	OM_VERDICT_SUSPEND_SOURCE,
	OM_VERDICT_ABORT_JOB, /* the job of a failed call goes on (peer-to-peer): cancel it */
	OM_VERDICT_SOURCE,    /* final: the source holds it */
	OM_VERDICT_SOURCE_LEFTOVER, /* final: and something that we must not touch is on the destination */
	OM_VERDICT_DEST,	    /* final: the destination holds it, nothing on the source */
	OM_VERDICT_DEST_LEFTOVER, /* final: and a stopped copy could not be removed from the source */
	OM_VERDICT_DEST_POSTCOPY, /* final: post-copy is broken or unfinished; destroy neither side */
	OM_VERDICT_BOTH,	  /* final: ran on both; the source was suspended */
	OM_VERDICT_NEITHER,	  /* final: on neither side: the guest ended */
	OM_VERDICT_UNKNOWN,	  /* final */
	OM_VERDICT_COUNT
};
static inline bool om_verdict_is_final(enum om_verdict v)
{
	return v >= OM_VERDICT_SOURCE;
}

struct om_outcome_context {
	uint64_t waited_ms;   /* since libvirt's call returned */
	bool asked_paused;    /* --suspend: the destination was to stay paused */
	bool source_paused;   /* the guest was paused before the migration */
	bool call_ok;	      /* libvirt's call succeeded: the destination acknowledged its start */
	bool suspended_by_us; /* while it migrated: it may have come too late for it, or too early */
	bool resume_failed, destroy_dest_failed, destroy_source_failed, suspended;
};

/* libvirt's keepalive gives a dead peer up after 30 s (5 x 6), and destroys what it left. */
#define OM_AUTODESTROY_WAIT_MS 35000
#define OM_UNREACHABLE_WAIT_MS 60000

enum om_verdict om_outcome_decide(const struct om_side *src, const struct om_side *dst,
				  const struct om_outcome_context *context);

/* Before anything is touched: what the two sides say of a migration that is about to start. */
enum om_entry {
	OM_ENTRY_GO,
	OM_ENTRY_DONE_BEFORE, /* gone from the source, runs on the destination: repeated action */
	OM_ENTRY_LEFTOVER,    /* runs on the source, and a paused leftover on the destination */
	OM_ENTRY_BOTH,	      /* active on both: touch nothing */
	OM_ENTRY_SOURCE_BUSY, /* another migration job of it is active on the source */
	OM_ENTRY_NOT_FOUND,   /* on neither */
	OM_ENTRY_UNPROVEN, /* gone from the source, and the destination does not prove that it runs */
	OM_ENTRY_COUNT
};
enum om_entry om_outcome_entry(const struct om_side *src, const struct om_side *dst);

#endif
