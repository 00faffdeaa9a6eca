/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock as an argument: what is decided by it can be tested at any time, in any zone. */
#ifndef OM_CLOCK_H
#define OM_CLOCK_H

#include <stdint.h>
#include <time.h>

struct om_clock {
	int64_t now_ms;			      /* since the epoch */
	struct tm now;			      /* the same as local time */
	int64_t (*epoch_s)(struct tm *local); /* as mktime(3): brings the fields into range too */
};

/* The clock of this host at that time. */
void om_clock_local(struct om_clock *clock, uint64_t epoch_ms);

#endif
