/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one migration as others may read it: one file per VM, named by UUID, written
 * atomically, host-local, in /run/onemigrate where a package made that directory writable for
 * us, else in /var/tmp/onemigrate-<uid> (0700). The text form is "key=value" lines; the first is
 * "onemigrate-state=1". Printing and parsing are pure (core/state.c); files are edge/state_file.c.
 */
#ifndef OM_STATE_H
#define OM_STATE_H

#include "om_err.h"
#include "om_limits.h"

#include <stddef.h>
#include <stdint.h>

enum om_phase {
	OM_PHASE_PREPARE,  /* asking both sides, nothing touched */
	OM_PHASE_SEND,	   /* files are sent that nobody writes to: the guest runs on the source */
	OM_PHASE_COPY,	   /* disks, then memory by pre-copy: the guest runs on the source */
	OM_PHASE_POSTCOPY, /* the guest runs on the destination, pages follow */
	OM_PHASE_SETTLE,   /* libvirt's call has returned, both sides are asked */
	OM_PHASE_DONE,	   /* on the destination */
	OM_PHASE_FAILED,   /* on the source */
	OM_PHASE_UNKNOWN,  /* not proven */
	OM_PHASE_COUNT
};
const char *om_phase_name(enum om_phase phase);

/* Over: no process works on it any more. */
static inline bool om_phase_ended(enum om_phase phase)
{
	return phase >= OM_PHASE_DONE;
}

#define OM_STATE_TEXT_MAX 4096
#define OM_STATE_JSON_MAX (4 * OM_STATE_TEXT_MAX) /* enough with every character escaped */

struct om_state {
	char uuid[37], vm_id[16], vm_name[128], src[256], dst[256];
	char boot_id[37];
	int64_t pid;		   /* of the working process; 0 when it has ended */
	uint64_t started_epoch_ms; /* wall clock */
	uint64_t updated_epoch_ms;
	enum om_phase phase;
	char path_addr[64], path_ifname[16]; /* where the memory goes; "" = the default path */
	uint32_t path_speed_mbit;	     /* 0 = not known */

	uint32_t iteration; /* pass of pre-copy, from 1 */
	uint32_t percent;   /* monotone; 100 only in OM_PHASE_DONE */
	uint64_t processed_bytes, remaining_bytes, total_bytes; /* memory */
	uint64_t disk_remaining_bytes, disk_total_bytes;	/* local disks that are copied */
	uint64_t files_remaining_bytes, files_total_bytes; /* sent before them, holes included */
	uint64_t rate_bytes_ps, dirty_bytes_ps;
	uint32_t downtime_limit_ms; /* set last; where none is, under stock, the domain's own */
	uint32_t throttle_percent;

	/* What is expected: holds where forecast is 1. */
	uint32_t forecast;
	uint64_t eta_ms;		  /* the later end of the range; 0 = not known */
	uint64_t eta_low_ms, eta_high_ms; /* high 0 = no end in sight */
	uint32_t downtime_low_ms, downtime_high_ms;
	uint32_t need_downtime_ms; /* the least limit that would end it; 0 = any does */
	uint64_t need_bytes_ps;	   /* or this bandwidth */

	/* What the operator allows, as far as the policy lets it have an effect; "" = not known yet. */
	char policy[16];
	uint32_t downtime_max_ms, pause_max_ms;
	uint64_t deadline_epoch_ms; /* 0 = none */
	uint32_t postcopy_allowed, throttle_allowed;
	uint64_t bandwidth_bytes_ps; /* 0 = no limit */

	char decision[200];	    /* the last decision, and why: a sentence */
	uint64_t decision_epoch_ms; /* when */
	char actions[256];	    /* "downtime 180 ms at 4.2 s; post-copy at 9.0 s" */

	uint64_t elapsed_ms;
	uint32_t downtime_ms;	      /* measured; 0 until done */
	uint64_t sent_bytes;	      /* on the wire, when ended */
	uint64_t copy_ms;	      /* the time in which they were sent */
	uint64_t wire_bytes, wire_ms; /* of memory: when nothing but the link was waited for */

	/* What was expected once, for the history: at the half of the time, and at the last action. */
	uint64_t
		half_left_ms; /* the time that was in fact left at the half; 0 = no forecast then */
	uint64_t half_eta_low_ms, half_eta_high_ms;
	uint64_t acted_eta_low_ms, acted_eta_high_ms;
	uint32_t acted_downtime_low_ms, acted_downtime_high_ms;

	char transport[64];	  /* "2 connections, zstd level 1"; "" = as stock would */
	uint64_t guest_bytes;	  /* of memory that is not zero, for which sent_bytes were sent */
	uint32_t packed_permille; /* that was sent of it, if compressed; plus 1, not in JSON */
	uint64_t hot_bytes;	  /* that the guest wrote again and again; 0 = not known */
	uint64_t src_cpu_ms,
		dst_cpu_ms; /* of both QEMU without the guest's processors; 0 = not known */

	char result[256]; /* the summary or the error, when ended */
};

/* As printed everywhere: 100 in OM_PHASE_DONE, at most 99 in every other phase. */
uint32_t om_state_percent(const struct om_state *state);

/* Is it that of the VM that somebody names by its OpenNebula id (31, one-31), its UUID or its name? What has the
 * form of an id or of a UUID is never a name: whoever owns a VM may rename it to those of another one. */
bool om_state_is_of(const struct om_state *state, const char *vm);

/* 8-4-4-4-12 hexadecimal digits; nothing else becomes the name of a file. */
bool om_state_uuid_valid(const char *uuid);

/*
 * The text form; returns its length, below size (OM_STATE_TEXT_MAX is enough). Allocates nothing.
 * Here as in the other forms control characters and what is not UTF-8 become '?'.
 */
size_t om_state_print(const struct om_state *state, char *text, size_t size);
/* Unknown keys are ignored, missing ones are 0; false for what is no state file: another first
 * line, a line without '=', a number that is none, a text that does not fit, no UUID. */
bool om_state_parse(struct om_state *state, const char *text) OM_MUST_CHECK;
/* One JSON object without newline; returns the length as snprintf does (OM_STATE_JSON_MAX). */
size_t om_state_print_json(const struct om_state *state, char *text, size_t size);

/* One line of the history, without newline: keys and values with a TAB between them, and only those
 * that are not zero. Its length is below OM_STATE_TEXT_MAX. */
size_t om_state_print_record(const struct om_state *state, char *text, size_t size);
/* False for what is none: damaged, cut off, or of a migration that has not ended. */
bool om_state_parse_record(struct om_state *state, const char *line) OM_MUST_CHECK;
size_t om_state_print_record_json(const struct om_state *state, char *text, size_t size);

/* For people: several lines; and one line with a bar of `columns` for --watch (no newline). */
size_t om_state_print_text(const struct om_state *state, char *text, size_t size);
size_t om_state_print_bar(const struct om_state *state, unsigned int columns, char *text,
			  size_t size);

/* The sums of those that are under way: "2 under way: 224 MiB/s, 1.8 GiB left, the last ends in
 * 8.0-9.1 s" (no newline). */
struct om_state_totals {
	uint32_t count;
	uint64_t rate_bytes_ps, remaining_bytes;
	bool all_known, endless; /* each has a forecast; one of these sees no end */
	uint64_t eta_low_ms, eta_high_ms;
};
void om_state_total(struct om_state_totals *totals, const struct om_state *state);
size_t om_state_print_totals(const struct om_state_totals *totals, char *text, size_t size);

/*
 * Filled by the process that migrates (core/state_take.c); each call is cheap and allocates nothing.
 */
struct om_sample;
struct om_watch;
struct om_forecast;
struct om_action;
struct om_plan;
/* A sample and what the watch makes of it: phase, progress, rates, forecast, limits. epoch_ms is the
 * wall clock at sample->now_ms. One that comes after the copy changes nothing. */
void om_state_take(struct om_state *state, const struct om_sample *sample,
		   const struct om_watch *watch, uint64_t epoch_ms);
/*
 * Before memory moves there is nothing that the watch could forecast: what is left of files and disks, and
 * what of memory comes after them, ends at the rate that was seen last.
 */
struct om_state_storage {
	bool disks; /* libvirt copies them; else files are sent */
	uint64_t files_remaining_bytes, files_total_bytes;
	uint64_t disk_remaining_bytes, disk_total_bytes; /* as planned, until they are copied */
	uint64_t memory_bytes;				 /* that is expected to be sent */
	uint64_t rate_bytes_ps;				 /* seen last; 0 = not known */
};
void om_state_take_storage(struct om_state *state, const struct om_state_storage *storage);
/* The way of this attempt: the fast address, or none. */
void om_state_take_path(struct om_state *state, const struct om_plan *plan, size_t attempt);
/* The limits alone, before there is a sample. now_ms and epoch_ms are the same moment. */
void om_state_take_limits(struct om_state *state, const struct om_limits *limits, uint64_t now_ms,
			  uint64_t epoch_ms);
/* A decision: `why` (action->why, or the error with which it failed). Where it was carried out
 * (`done`) it is one of the actions, `elapsed_ms` after the begin of this program. */
void om_state_take_action(struct om_state *state, const struct om_action *action, const char *why,
			  bool done, uint64_t elapsed_ms, uint64_t epoch_ms);
/* The share that is done, from the one before: never less, at most 99. By time where the forecast
 * sees an end, else by what has no pass before it any more; in the first pass at most 90, as what comes
 * after it may have no end. */
uint32_t om_state_progress(uint32_t before, const struct om_sample *sample,
			   const struct om_forecast *forecast);

/*
 * The directory, opened; it is made where needed, its owner and mode are checked, no link followed.
 * -1 where there is none that can be trusted: err says why, and the caller goes on without a state
 * file. For reading (`make` false) a missing directory is fine: -1 with err->code OM_E_NONE.
 * With `make` files that nobody needs any more are removed from it: states that have ended or whose
 * process is gone, and locks that nobody holds, untouched for a day. Allocates; not for the time
 * in which memory moves.
 */
int om_state_dir_open(bool make, struct om_err *err);

/* A directory to take the place of all others (made where missing); NULL: as usual. For tests. */
void om_state_dir_override(const char *path);

/*
 * Takes the lock of this VM ("<uuid>.lock"); waits while another process holds it, at most
 * wait_ms (UINT32_MAX: without end, in steps of 50 ms in which *stop, where not NULL, is looked
 * at). The lock ends when the descriptor is closed, or with the process. -1: err says why;
 * OM_E_ABORTED where *stop was set, else OM_E_INPUT.
 */
int om_state_lock(int dirfd, const char *uuid, uint32_t wait_ms, const volatile int *stop,
		  struct om_err *err);

/* Writes atomically (0600 whatever the umask, O_NOFOLLOW); a failure is no one's end: false.
 * What has ended before it began, as it was left to stock, leaves no state: its process would be taken
 * for one that died. Any thread; allocates nothing. */
bool om_state_write(int dirfd, const struct om_state *state);

/* This boot's id, for state.boot_id; "" where the kernel does not say. */
void om_state_boot_id(char boot_id[37]);

/* Calls fn for each state file in the directories that this user may read (root: every
 * /var/tmp/onemigrate-<uid> that its owner owns). A state of another boot, or whose process has
 * died without an end, is delivered with phase OM_PHASE_UNKNOWN and the result saying so. The same
 * VM can come twice, from two directories: the later updated_epoch_ms is right. */
void om_state_each(void (*fn)(const struct om_state *state, void *ctx), void *ctx);

/* Removes the state of this VM from the directories that om_state_each() reads, where it has ended and no
 * process holds the VM's lock. False: there is none, or it stays. */
bool om_state_forget(const char *uuid);

/* Calls fn for each directory that om_state_each() reads; the descriptor stays the caller's. */
void om_state_each_dir(void (*fn)(int dirfd, void *ctx), void *ctx);

#endif
