/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what is sent should be compressed, decided again and again from what was measured since the last
 * time: it pays where the link holds the sender back, the data shrinks, and the compressor is faster than the
 * link is with plain data. Pure.
 */
#ifndef OM_SQUEEZE_H
#define OM_SQUEEZE_H

#include <stdbool.h>
#include <stdint.h>

#define OM_SQUEEZE_PERIOD_US 150000 /* the least that a decision is based on */

struct om_squeeze {
	bool on;
	double link_Bps; /* what the link carries when it holds us back; 0: not known */
	/* since the last decision */
	uint64_t wire_bytes, raw_bytes, elapsed_us, blocked_us;
	/* of the last blocks that were compressed, for trial or for good */
	uint64_t tried_bytes, packed_bytes, tried_us;
	uint64_t since_bytes; /* sent since then */
};

/* Takes what was measured; `on` says then whether the next blocks are compressed. False: too early. */
bool om_squeeze_decide(struct om_squeeze *s);

/* True where a block should be compressed for trial, because nothing is known of the data. */
bool om_squeeze_wants_trial(const struct om_squeeze *s);

#endif
