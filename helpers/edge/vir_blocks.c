/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include "om_storage.h"

bool om_vir_disk_written(struct om_vir *vir, const char *target, uint64_t *bytes)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virTypedParameterPtr params = NULL;
	unsigned long long u64 = 0;
	long long i64 = -1;
	int count = 0;

	if (!dom || virDomainBlockStatsFlags(dom, target, NULL, &count, 0) < 0 || count <= 0)
		return false;
	params = om_xcalloc((size_t)count, sizeof(*params));
	if (virDomainBlockStatsFlags(dom, target, params, &count, 0) < 0)
		count = 0;
	/* A signed number in every release so far. */
	if (virTypedParamsGetLLong(params, count, VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES, &i64) == 1 &&
	    i64 >= 0)
		u64 = (unsigned long long)i64;
	else if (virTypedParamsGetULLong(params, count, VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES, &u64) !=
		 1)
		count = 0;
	virTypedParamsFree(params, count);
	*bytes = u64;
	return count > 0;
}
