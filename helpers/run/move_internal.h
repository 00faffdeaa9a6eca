/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by run/move*.c alone. */
#ifndef OM_RUN_MOVE_INTERNAL_H
#define OM_RUN_MOVE_INTERNAL_H

#include "om_copy_pace.h"
#include "om_move.h"

/* Of one disk, as far as it is not in what the domain says. */
struct mover_disk {
	bool by_media; /* libvirt does not copy it: its medium is changed at the end */
	bool sync;
	uint64_t begun_ms;	    /* its last copy */
	struct om_copy_watch watch; /* of it */
	uint64_t speed_bps;	    /* set last */
};

struct mover {
	const struct om_move_ops *ops;
	const struct om_move *move;
	struct om_move_end *end;
	struct om_move_seen *seen; /* at the last look that was answered */
	struct mover_disk *disks;
	enum om_move_domain domain;
	bool touched;
};

#define OM_MOVE_LOOK_MS 250

/* Asks until the domain answers, at most a minute; false: it has ended or is silent (mover.domain). */
bool om_mover_look(struct mover *m);
/* Is it one that libvirt copies? */
bool om_mover_copied(const struct mover *m, size_t disk);
size_t om_mover_count(const struct mover *m, enum om_move_where where);
/* Keeps the first reason. */
void om_mover_blame(struct mover *m, enum om_errc code, const char *fmt, ...) OM_PRINTF(3, 4);
void om_mover_say(const struct mover *m, enum om_log_level level, const char *fmt, ...)
	OM_PRINTF(3, 4);
/* The same, as a failure. */
bool om_mover_fail(struct mover *m, const struct om_err *err);
/* Cancelled, or over the deadline: blamed. */
bool om_mover_stopped(struct mover *m);
/* move_copies.c: until all are in sync; false: one has ended, or om_mover_stopped(). */
bool om_mover_wait_ready(struct mover *m);
/* A copy that is not there is begun; false: libvirt refuses it, and why was blamed. */
bool om_mover_start(struct mover *m, size_t disk, bool back, bool sync);
/* Gives each copy that is not in sync its share of the limit. */
void om_mover_share(struct mover *m);
/* Ends our copies; false: some could not be ended. */
bool om_mover_abort(struct mover *m);
bool om_mover_pivot(struct mover *m, size_t disk, struct om_err *err);
/* What was kept for a pivot that has not come: the guest is on the old files. */
void om_mover_forget_pivots(struct mover *m);
/* Removes what was made, and gives the verdict of a VM whose disks are all on the source. */
void om_mover_undo(struct mover *m);

/* Where each disk is, into end->where. */
void om_mover_tell_each(struct mover *m);
/* move_resolve.c: some disks have pivoted and others have not. */
void om_mover_resolve(struct mover *m);
/* move.c: all are on the destination. */
void om_mover_finish(struct mover *m);

#endif
