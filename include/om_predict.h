/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a migration will go, told before it begins, with ranges. Pure.
 *
 * What is known then: how much memory was ever written, what the link carries at best, and how many
 * pages the guest dirtied within one and within three seconds, from which the model of om_model.h (hot set W,
 * rate r) is fitted.
 */
#ifndef OM_PREDICT_H
#define OM_PREDICT_H

#include "om_buf.h"
#include "om_limits.h"
#include "om_model.h"
#include "om_opts.h"

struct om_predict_facts {
	uint64_t total_bytes;	 /* memory of the guest */
	uint64_t resident_bytes; /* of its QEMU: what was ever written, and QEMU's own; 0 = not
				     known */
	bool emulated;		 /* QEMU is its processor, and keeps much of its own */
	uint64_t link_bytes_ps;	 /* speed of the interface, less what headers take; 0 = not known */
	uint64_t limit_bytes_ps; /* the operator's bandwidth limit; 0 = none */
	uint64_t seen_bytes_ps;	 /* reached by earlier migrations between these hosts; 0 = none */
	uint32_t queue_ms; /* the pause may be so much longer, as the destination has to unpack */
	bool dirty_known;
	uint64_t dirty_1s_bytes,
		dirty_3s_bytes; /* distinct pages within 1 s and within 3 s; 3 s: 0 = not measured */
	uint64_t dirty_grain_bytes; /* memory that one of the counted pages stands for; 0 = each
				       page was counted */
	uint32_t dirty_1s_times, dirty_3s_times; /* measurements that the counts are the mean of;
						    0 = 1 */
	/* Of disks and files that go first, and what their streams may take in all; 0 = none. */
	uint64_t disk_bytes, disk_limit_bytes_ps;
	struct om_limits limits; /* deadline_ms: here the time that is left, 0 = none */
	bool paused;		 /* the guest does not run: nothing is dirtied */
	uint32_t start_ms;	 /* lowest downtime limit that is set */
	/* Of MIGRATE_OPTIONS, as in the plan. */
	bool postcopy_after_precopy, auto_converge;
	uint32_t timeout_s;
	enum om_timeout_action timeout_action;
};

/* Where the outcome is expected. It spans a factor of two at the most, or 50 ms: where what was
 * measured allows for more, this is its likeliest part, and `percent` says how likely. */
struct om_range_ms {
	uint64_t low, high; /* high 0 = no end, or not known */
	uint32_t percent;   /* of what is possible after the measurement */
};

struct om_prediction {
	bool known; /* false: `why` says what is missing */
	char why[160];
	uint64_t bandwidth_low_bytes_ps, bandwidth_high_bytes_ps;
	struct om_range_ms bulk;     /* the first pass */
	struct om_range_ms disks;    /* before that; 0 = none is copied */
	struct om_range_ms total;    /* from the start of the program to its end */
	struct om_range_ms downtime; /* pause at the switch-over; of post-copy its pause alone */
	bool converges;		     /* within the downtime that is allowed without asking */
	uint64_t hot_low_bytes, hot_high_bytes, dirty_bytes_ps; /* writable working set; rate */
	char action[200]; /* what will be needed: "none", "post-copy", ...; a sentence */
	char note[200];	  /* what may make it otherwise; "" = nothing that is known */
	struct om_predict_facts facts; /* what it follows from */
};

void om_predict(struct om_prediction *prediction, const struct om_predict_facts *facts);
void om_predict_print_text(struct om_buf *buf, const struct om_prediction *prediction);
void om_predict_print_json(struct om_buf *buf, const struct om_prediction *prediction);

#endif
