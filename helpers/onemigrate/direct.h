/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A migration that no helper watches, steered by way of this host's libvirt. No call of libvirt
 * has a time limit, so that all of it is done by a child process, which has one.
 */
#ifndef OM_DIRECT_H
#define OM_DIRECT_H

#include "om_control.h"

struct om_direct_end {
	struct om_control_answer answer;
	bool present; /* the domain is on this host */
	bool absent;  /* it is not; neither: libvirt does not say */
};

/* `domain` is a UUID or libvirt's name. OM_CONTROL_NO_SUCH: libvirt has no outgoing migration of it. */
void om_direct(const char *domain, const struct om_control_request *request, uint32_t limit_ms,
	       struct om_direct_end *end);
/* After a cancel that somebody else carried out: waits for its end, changes nothing. */
void om_direct_look(const char *domain, uint32_t limit_ms, struct om_direct_end *end);

#endif
