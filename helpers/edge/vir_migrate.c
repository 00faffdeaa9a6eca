/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include <assert.h>
#include <string.h>

static_assert(OM_FLAG_LIVE == VIR_MIGRATE_LIVE && OM_FLAG_PEER2PEER == VIR_MIGRATE_PEER2PEER &&
		      OM_FLAG_TUNNELLED == VIR_MIGRATE_TUNNELLED &&
		      OM_FLAG_PAUSED == VIR_MIGRATE_PAUSED &&
		      OM_FLAG_NON_SHARED_DISK == VIR_MIGRATE_NON_SHARED_DISK &&
		      OM_FLAG_NON_SHARED_INC == VIR_MIGRATE_NON_SHARED_INC &&
		      OM_FLAG_SYNC_WRITES == VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES &&
		      OM_FLAG_CHANGE_PROTECTION == VIR_MIGRATE_CHANGE_PROTECTION &&
		      OM_FLAG_UNSAFE == VIR_MIGRATE_UNSAFE &&
		      OM_FLAG_COMPRESSED == VIR_MIGRATE_COMPRESSED &&
		      OM_FLAG_ABORT_ON_ERROR == VIR_MIGRATE_ABORT_ON_ERROR &&
		      OM_FLAG_AUTO_CONVERGE == VIR_MIGRATE_AUTO_CONVERGE &&
		      OM_FLAG_RDMA_PIN_ALL == VIR_MIGRATE_RDMA_PIN_ALL &&
		      OM_FLAG_POSTCOPY == VIR_MIGRATE_POSTCOPY && OM_FLAG_TLS == VIR_MIGRATE_TLS &&
		      OM_FLAG_PARALLEL == VIR_MIGRATE_PARALLEL &&
		      OM_FLAG_ZEROCOPY == VIR_MIGRATE_ZEROCOPY,
	      "the plan's flags are libvirt's");
static_assert(VIR_ERR_INTERNAL_ERROR == 1 && VIR_ERR_OPERATION_FAILED == 9 &&
		      VIR_ERR_SYSTEM_ERROR == 38 && VIR_FROM_RPC == 7 && VIR_FROM_QEMU == 10 &&
		      VIR_ERR_ARGUMENT_UNSUPPORTED == 74 && VIR_ERR_INVALID_ARG == 8 &&
		      VIR_ERR_OPERATION_INVALID == 55 && VIR_ERR_CONFIG_UNSUPPORTED == 67,
	      "om_plan_next() judges by these codes");

static bool add_params(const struct om_params *from, virTypedParameterPtr *params, int *count,
		       int *max)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct om_param *p = &from->v[i];
		int ret = -1;

		switch (p->type) {
		case OM_PARAM_STRING:
			ret = virTypedParamsAddString(params, count, max, p->name, p->text);
			break;
		case OM_PARAM_INT:
			ret = virTypedParamsAddInt(params, count, max, p->name, (int)p->number);
			break;
		case OM_PARAM_U64:
			ret = virTypedParamsAddULLong(params, count, max, p->name, p->number);
			break;
		}
		if (ret < 0)
			return false;
	}
	return true;
}

static bool call(struct om_vir *vir, bool peer_to_peer, unsigned int flags, virDomainPtr dom,
		 virTypedParameterPtr params, int count)
{
	OM_AUTODOMAIN moved = NULL;

	if (peer_to_peer)
		return virDomainMigrateToURI3(dom, vir->p2p_uri, params, (unsigned int)count,
					      flags) == 0;
	moved = virDomainMigrate3(dom, vir->conn[OM_VIR_DST], params, (unsigned int)count, flags);
	return moved != NULL;
}

void om_vir_migrate(struct om_vir *vir, const struct om_attempt *attempt, bool peer_to_peer,
		    struct om_attempt_end *end)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virTypedParameterPtr params = NULL;
	int count = 0, max = 0;
	virErrorPtr last;

	memset(end, 0, sizeof(*end));
	end->ok = dom && add_params(&attempt->params, &params, &count, &max) &&
		  call(vir, peer_to_peer, attempt->flags, dom, params, count);
	if (!end->ok) {
		last = virGetLastError();
		end->vir_domain = last ? last->domain : VIR_FROM_NONE;
		end->vir_code = last ? last->code : VIR_ERR_INTERNAL_ERROR;
		om_str_copy(end->text, sizeof(end->text),
			    last && last->message ? last->message : "libvirt gave no reason");
	}
	virTypedParamsFree(params, count);
}

bool om_vir_set_downtime(struct om_vir *vir, uint32_t downtime_ms, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);

	if (!dom || virDomainMigrateSetMaxDowntime(dom, downtime_ms, 0) < 0)
		return om_vir_fail(err, OM_E_REFUSED, "the downtime limit could not be set");
	return true;
}

uint64_t om_vir_bandwidth_mibps(struct om_vir *vir)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);
	unsigned long speed = 0;

	return dom && virDomainMigrateGetMaxSpeed(dom, &speed, 0) == 0 ? speed : 0;
}

#define NOT_LIMITED ((unsigned long)(INT64_MAX >> 20)) /* as libvirt has it */

/* 1 TiB/s: more stands for "not limited" (`virsh migrate-setspeed VM 10000000`). */
#define LIMIT_MOST_MIBPS (UINT64_C(1) << 20)

uint64_t om_vir_bandwidth_limit_mibps(struct om_vir *vir)
{
	uint64_t mibps = om_vir_bandwidth_mibps(vir);

	virResetLastError();
	return mibps <= LIMIT_MOST_MIBPS ? mibps : 0;
}

bool om_vir_set_bandwidth(struct om_vir *vir, uint64_t mibps, bool postcopy, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);
	unsigned long speed = mibps && mibps < NOT_LIMITED ? (unsigned long)mibps : NOT_LIMITED;

	if (!dom ||
	    virDomainMigrateSetMaxSpeed(dom, speed,
					postcopy ? VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY : 0) < 0)
		return om_vir_fail(err, OM_E_REFUSED, "the bandwidth could not be set");
	return true;
}

bool om_vir_start_postcopy(struct om_vir *vir, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);

	if (!dom || virDomainMigrateStartPostCopy(dom, 0) < 0)
		return om_vir_fail(err, OM_E_REFUSED, "post-copy could not be started");
	return true;
}

bool om_vir_abort(struct om_vir *vir, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);

	if (!dom || virDomainAbortJob(dom) < 0)
		return om_vir_fail(err, OM_E_REFUSED, "the migration could not be cancelled");
	return true;
}
