/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/transport*.c alone. */
#ifndef OM_TRANSPORT_INTERNAL_H
#define OM_TRANSPORT_INTERNAL_H

#include "om_transport.h"

struct om_transport_way {
	uint32_t connections;
	enum om_compression compression;
	uint32_t level;
	double speed_ps; /* bytes of memory that are not zero, per second */
};

/* What the choice is made from. */
struct om_transport_case {
	const struct om_knobs *knobs;
	const struct om_transport_facts *facts;
	const struct om_versions *versions;
	unsigned int flags;
	bool limited;
	double link_ps; /* 0 = not known */
	const char *connections_obstacle; /* NULL = none */
	const char *obstacle;		  /* to what would have been better */
	struct om_transport_way best;
	uint64_t cache_bytes;
};

#endif
