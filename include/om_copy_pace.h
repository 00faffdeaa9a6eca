/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a copy of disks that the guest writes to is worth beginning again, with synchronous writes. Pure, allocates nothing. */
#ifndef OM_COPY_PACE_H
#define OM_COPY_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Of a mirror or a block job, or of several at once. */
struct om_copy_sample {
	uint64_t now_ms, begun_ms; /* monotonic clock; of this attempt */
	uint64_t total_bytes;	   /* QEMU adds what it has to copy again */
	uint64_t left_bytes;
};

/* Over the last window. */
struct om_copy_pace {
	double written_bytes_ps, copied_bytes_ps;
	double again_ms; /* what a new copy would take at this pace */
};

/* One attempt, as its samples tell; begins as zeroes. */
struct om_copy_watch {
	uint64_t from_ms; /* the window's begin; 0 = none yet */
	uint64_t from_total_bytes, from_done_bytes;
	uint64_t from_least_bytes, least_left_bytes; /* of the window before, and of this one */
	uint64_t done_bytes, done_at_ms; /* that were copied, and when the last of them was */
	uint64_t most_left_bytes;	 /* at any time: about what a new copy has to do */
	uint32_t behind; /* windows in a row after which a new copy would be done sooner */
};

/* True: the last windows say that a new copy would be done in less than half the time of going on; `pace` is set
 * then. They are counted anew after it. */
bool om_copy_restart_pays(struct om_copy_watch *watch, const struct om_copy_sample *sample,
			  struct om_copy_pace *pace);

#endif
