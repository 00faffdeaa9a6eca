/* SPDX-License-Identifier: Apache-2.0 */
/* What is under way between two hosts: sent by QEMU, and not yet taken in by the other one. Read from
 * the kernel; any thread, and nothing is allocated. */
#ifndef OM_BACKLOG_H
#define OM_BACKLOG_H

#include "om_addr.h"

struct om_backlog {
	bool known;
	uint64_t bytes;	      /* in the queues of this host, and in those of the other one, about */
	uint64_t most_window; /* that the other end has ever announced; kept from call to call */
};

/*
 * Of the connections to the ports [min, max] of `addr` together. The other end announces how much it can
 * still queue: the less that is, compared with what it ever was, the more waits there.
 */
void om_backlog_read(struct om_backlog *backlog, const struct om_addr *addr, uint16_t min,
		     uint16_t max);

#endif
