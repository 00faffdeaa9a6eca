/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/plan_words*.c alone. */
#ifndef OM_PLAN_WORDS_INTERNAL_H
#define OM_PLAN_WORDS_INTERNAL_H

#include "om_plan_words.h"
#include "plan_internal.h"

/* In order. */
enum om_plan_stage {
	OM_STAGE_LOOK,
	OM_STAGE_BLOCK_JOBS,
	OM_STAGE_SNAPSHOTS,
	OM_STAGE_FILES,
	OM_STAGE_DISKS,
	OM_STAGE_MEMORY,
	OM_STAGE_POSTCOPY,
	OM_STAGE_SETTLE,
	OM_STAGE_TIME,
	OM_STAGE_COUNT
};
/* NULL where it is not needed. */
const char *om_plan_words_stage(const struct om_plan_words *w, enum om_plan_stage stage);
/* How a disk moves: its text, and a word for programs in *key. */
const char *om_plan_words_moves(const struct om_plan_words *w, const struct om_dom_disk *disk,
				const char **key);
/* The line that om_plan_tell_limits() has made. */
const char *om_plan_words_limits(const struct om_plan *plan);
void om_plan_words_flags(struct om_buf *buf, unsigned int flags, const char *between);

#endif
