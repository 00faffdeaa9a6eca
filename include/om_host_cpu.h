/* SPDX-License-Identifier: Apache-2.0 */
/* How busy this host is. edge/host_cpu.c; any thread. */
#ifndef OM_HOST_CPU_H
#define OM_HOST_CPU_H

#include "om_util.h"

#define OM_HOST_MARK_LEAST_MS 60 /* the kernel counts in steps of 10 ms */

/* The clocks of the processors at some time. */
struct om_host_mark {
	uint64_t at_ms, all, idle;
	uint32_t cpus, running; /* threads that ran or waited for a processor just then */
};
void om_host_mark_take(struct om_host_mark *mark);
/* How much of them there is for threads that begin now: what was idle since then, and their fair part of
 * the rest; and that part of one processor that others run on. False: it was too short a time, or the kernel
 * does not tell. */
bool om_host_free_since(const struct om_host_mark *mark, uint32_t *cpus, uint32_t *free_permille,
			uint32_t *share_permille);

/* The time in which this host takes a page of 4 KiB into use that it had not in use before, in ns, as QEMU
 * has to for each page that arrives. Takes some ms; 0 = not known. */
uint32_t om_host_fresh_page_ns(void);

/* The counters of all interfaces, malloc'ed; and what one of them has sent by then, 0 = not known. */
char *om_host_net_read(void);
uint64_t om_host_net_sent(const char *text, const char *ifname);
/* Memory that a socket may have pinned (net.core.optmem_max); 0 = not known. */
uint64_t om_host_optmem_bytes(void);

#endif
