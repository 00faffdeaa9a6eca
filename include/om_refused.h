/* SPDX-License-Identifier: Apache-2.0 */
/* What pairs of hosts have refused of the ways of sending, kept in the state directory (0600) so that
 * it is not tried again: for a week (encryption: an hour), and not once a version has changed. Each bit has its own date. A failure costs time only. */
#ifndef OM_REFUSED_H
#define OM_REFUSED_H

#include "om_opts.h"

#define OM_REFUSED_LINES 128
#define OM_REFUSED_FRESH_MS (7 * 86400 * UINT64_C(1000))

struct om_refused_pair {
	/* By their names in OpenNebula; src_host NULL: this host, whatever name it is given by hand. */
	const char *src_host, *dst_host;
	const struct om_versions *versions;
};

/* OM_REFUSED_* of om_transport.h, and OM_REFUSED_DAY_OLD() of those that were refused before the last day. */
uint32_t om_refused_read(const struct om_refused_pair *pair, uint64_t epoch_ms);
void om_refused_add(const struct om_refused_pair *pair, uint32_t refused, uint64_t epoch_ms);

#endif
