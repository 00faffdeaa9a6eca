/* SPDX-License-Identifier: Apache-2.0 */
/* Network facts of this host, and what another host answers. Each function may be called from any
 * thread; none but om_net_connects() sends anything to a port of the migration range (49152 to
 * 49215): a stray connection there ends another VM's waiting QEMU. */
#ifndef OM_NET_H
#define OM_NET_H

#include "om_addr.h"

#include <stdint.h>

/* Resolves a name or an address text; the first `max` addresses in the resolver's order. */
bool om_net_resolve(const char *host, struct om_addr *addrs, size_t max, size_t *count,
		    struct om_err *err) OM_MUST_CHECK;

struct om_route {
	char ifname[16];
	uint32_t speed_mbit; /* of the interface; 0 = the kernel does not say */
	uint32_t mtu;
	struct om_addr local; /* source address that the kernel would use */
};
/* What a link of that speed carries of data: less what frames and packets take. */
static inline uint64_t om_link_bytes_ps(uint32_t speed_mbit)
{
	return (uint64_t)(speed_mbit * 1e6 / 8 * 0.94);
}
/* Asks the kernel by rtnetlink which way packets to addr go. False: no route (the message says). */
bool om_net_route(const struct om_addr *addr, struct om_route *route,
		  struct om_err *err) OM_MUST_CHECK;

enum om_answer { OM_ANSWER_NOT_CHECKED, OM_ANSWER_YES, OM_ANSWER_NO };
/*
 * One TCP connect to a port outside the migration range: accepted or refused is an answer;
 * EHOSTUNREACH, ENETUNREACH, EACCES and silence for timeout_ms are none, and `why` says which.
 */
enum om_answer om_net_probe(const struct om_addr *addr, uint16_t port, uint32_t timeout_ms,
			    char *why, size_t why_size);

/*
 * One TCP connect to a port on which a listener of ours is known to wait (om_survey_link_call() "listen");
 * never to any other. Accepted: yes. Refused or silent is a no, and `why` says which: nobody but a
 * firewall refuses it.
 */
enum om_answer om_net_connects(const struct om_addr *addr, uint16_t port, uint32_t timeout_ms,
			       char *why, size_t why_size);

/*
 * Does an IP packet of `mtu` bytes get there whole? A datagram of that size that must not be fragmented
 * goes to a closed UDP port, which has to be answered by ICMP as a small one before it is. NO: only the
 * small one is answered, or somebody on the way says that the packet is too long. At most a second.
 */
enum om_answer om_net_full_size(const struct om_addr *addr, uint32_t mtu, char *why,
				size_t why_size);

#endif
