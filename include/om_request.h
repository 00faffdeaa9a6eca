/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask of a migration that runs, from the line to the answer. One place for each client;
 * two threads work on it, under a lock of the caller's. Pure.
 */
#ifndef OM_REQUEST_H
#define OM_REQUEST_H

#include "om_control.h"
#include "om_state.h"

#include <sys/types.h>

enum om_request_stage {
	OM_REQUEST_NONE,
	OM_REQUEST_ASKED,   /* may still be withdrawn */
	OM_REQUEST_TAKEN,   /* somebody is at it */
	OM_REQUEST_STARTED, /* done, but not seen to be so yet */
	OM_REQUEST_DONE,    /* to be answered */
};
struct om_request {
	enum om_request_stage stage;
	unsigned int number; /* in order; tells a new request from the one before in its place */
	uint64_t since_ms;
	uid_t uid;
	struct om_control_request what;
	struct om_control_answer answer;
};
struct om_request_queue {
	unsigned int count;
	bool begun; /* memory or disks move; no pause is given out before */
	struct om_request v[OM_CONTROL_CLIENTS]; /* by client */
};

/* In the place of what that client had asked before. */
void om_request_put(struct om_request_queue *queue, int client, const struct om_request *request);
/*
 * The oldest one at that stage, as a copy; what was asked is taken then. A cancel is never given out: it
 * ends the migration, which answers it. Nor is a pause before libvirt's migration has begun: libvirt would
 * take the guest for one that was paused before, and leave it so on the destination. Its place, or -1.
 */
int om_request_take(struct om_request_queue *queue, enum om_request_stage stage,
		    struct om_request *copy);
/* Back to its place with its answer, and on to the next stage. False: nobody waits for it any more. */
bool om_request_leave(struct om_request_queue *queue, int place, const struct om_request *request,
		      enum om_request_stage stage);

#define OM_REQUEST_CANCEL_MS 30000
#define OM_REQUEST_MS 10000 /* a call of libvirt can hang */
bool om_request_is_late(const struct om_request *request, uint64_t now_ms);
/* Gives it up: what is known by then. `begun`: that of its queue. */
void om_request_answer_late(struct om_request *request, enum om_phase phase, bool begun);

struct om_request_end {
	bool left_to_stock, on_dest;
	bool proven;	      /* where not on_dest: it is on the source */
	const char *sentence; /* the driver's */
	const char *dst;
};
/* The migration has ended. */
void om_request_answer_by_end(struct om_request *request, const struct om_request_end *end);

#endif
