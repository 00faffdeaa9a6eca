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

#include <stddef.h>
#include <stdint.h>

enum om_phase {
	OM_PHASE_PREPARE,   /* asking both sides, nothing touched */
	OM_PHASE_COPY,	    /* pre-copy: the guest runs on the source */
	OM_PHASE_POSTCOPY,  /* the guest runs on the destination, pages follow */
	OM_PHASE_SETTLE,    /* libvirt's call has returned, both sides are asked */
	OM_PHASE_DONE,	    /* on the destination */
	OM_PHASE_FAILED,    /* on the source */
	OM_PHASE_UNKNOWN,   /* not proven */
	OM_PHASE_COUNT
};
const char *om_phase_name(enum om_phase phase);

#define OM_STATE_TEXT_MAX 4096

struct om_state {
	char uuid[37], vm_id[16], vm_name[128], src[256], dst[256];
	char boot_id[37];
	int64_t pid;		   /* of the working process; 0 when it has ended */
	uint64_t started_epoch_ms; /* wall clock */
	uint64_t updated_epoch_ms;
	enum om_phase phase;
	char path_addr[64], path_ifname[16]; /* where the memory goes; "" = the default path */
	uint32_t path_speed_mbit;  /* 0 = not known */
	uint32_t iteration;	   /* pass of pre-copy, from 1 */
	uint32_t percent;	   /* monotone; 100 only in OM_PHASE_DONE */
	uint64_t processed_bytes, remaining_bytes, total_bytes;
	uint64_t rate_bytes_ps, dirty_bytes_ps;
	uint32_t downtime_limit_ms;
	uint32_t throttle_percent;
	uint64_t eta_ms;	   /* 0 = not known */
	uint64_t elapsed_ms;
	uint32_t downtime_ms;	   /* measured; 0 until done */
	char decision[160];	   /* the last decision, a sentence */
	char result[256];	   /* the summary or the error, when ended */
};

/* The text form; returns its length, below size (OM_STATE_TEXT_MAX is enough). Allocates nothing. */
size_t om_state_print(const struct om_state *state, char *text, size_t size);
/* Unknown keys are ignored, missing ones are 0; false for what is no state file. */
bool om_state_parse(struct om_state *state, const char *text) OM_MUST_CHECK;
/* One JSON object without newline; returns the length as snprintf does. */
size_t om_state_print_json(const struct om_state *state, char *text, size_t size);
/* For people: several lines; and one line with a bar of `columns` for --watch (no newline). */
size_t om_state_print_text(const struct om_state *state, char *text, size_t size);
size_t om_state_print_bar(const struct om_state *state, unsigned int columns, char *text, size_t size);

/* The directory, opened; it is made where needed, its owner and mode are checked, no link followed.
 * For reading (`make` false) a missing directory is fine: returns -1 with err->code OM_E_NONE. */
int om_state_dir_open(bool make, struct om_err *err);
/* Takes the lock of this VM ("<uuid>.lock"); waits while another process holds it, at most
 * wait_ms (UINT32_MAX: without end, in steps in which *stop is looked at). -1: err says why. */
int om_state_lock(int dirfd, const char *uuid, uint32_t wait_ms, const volatile int *stop,
		  struct om_err *err);
/* Writes atomically (0600 whatever the umask, O_NOFOLLOW); a failure is no one's end: false. */
bool om_state_write(int dirfd, const struct om_state *state);
/* Calls fn for each state file in the directories that this user may read (root: every
 * /var/tmp/onemigrate-<uid> that its owner owns). A state of another boot, or whose process has
 * died without an end, is delivered with phase OM_PHASE_UNKNOWN and the result saying so. */
void om_state_each(void (*fn)(const struct om_state *state, void *ctx), void *ctx);

#endif
