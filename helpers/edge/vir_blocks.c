/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

bool om_vir_disk_written(struct om_vir *vir, const char *target, struct om_written *written)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virDomainBlockStatsStruct stats;

	if (!dom || virDomainBlockStats(dom, target, &stats, sizeof(stats)) < 0 ||
	    stats.wr_bytes < 0)
		return false;
	written->bytes = (uint64_t)stats.wr_bytes;
	written->requests = stats.wr_req < 0 ? 0 : (uint64_t)stats.wr_req;
	return true;
}
