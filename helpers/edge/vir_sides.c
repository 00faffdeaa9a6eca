/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include <string.h>

static enum om_side_state running_state(int reason)
{
	switch (reason) {
	case VIR_DOMAIN_RUNNING_MIGRATION_CANCELED:
		return OM_SIDE_ROLLED_BACK;
	case VIR_DOMAIN_RUNNING_POSTCOPY:
		return OM_SIDE_POSTCOPY;
	case VIR_DOMAIN_RUNNING_POSTCOPY_FAILED:
		return OM_SIDE_POSTCOPY_FAILED;
	default:
		return OM_SIDE_RUNNING;
	}
}

static enum om_side_state paused_state(int reason)
{
	switch (reason) {
	case VIR_DOMAIN_PAUSED_MIGRATION:
	case VIR_DOMAIN_PAUSED_STARTING_UP:
		return OM_SIDE_INCOMING;
	case VIR_DOMAIN_PAUSED_POSTCOPY:
		return OM_SIDE_POSTCOPY;
	case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
		return OM_SIDE_POSTCOPY_FAILED;
	default:
		return OM_SIDE_PAUSED;
	}
}

static enum om_side_state side_state(int state, int reason)
{
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
		return running_state(reason);
	case VIR_DOMAIN_PAUSED:
		return paused_state(reason);
	case VIR_DOMAIN_PMSUSPENDED:
	case VIR_DOMAIN_CRASHED: /* kept by on_crash=preserve: it ran here */
		return OM_SIDE_PAUSED;
	case VIR_DOMAIN_SHUTOFF:
		return OM_SIDE_ABSENT;
	default: /* going down, or nothing that can be relied on: ask again */
		return OM_SIDE_UNREACHABLE;
	}
}

/* A migration, or something that may be one because libvirt does not say. */
static bool has_job(virDomainPtr dom)
{
	virTypedParameterPtr params = NULL;
	int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

	if (virDomainGetJobStats(dom, &type, &params, &count, 0) < 0)
		return virGetLastErrorCode() != VIR_ERR_NO_DOMAIN;
	if (virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &operation) < 0)
		virResetLastError();
	virTypedParamsFree(params, count);
	return (type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED) &&
	       (operation == VIR_DOMAIN_JOB_OPERATION_UNKNOWN ||
		operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT);
}

/* False: libvirt did not tell, and `side` is what is made of that. */
static bool read_state(virDomainPtr dom, enum om_side_state *side)
{
	int state, reason;

	if (!dom || virDomainGetState(dom, &state, &reason, 0) < 0) {
		*side = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? OM_SIDE_ABSENT
								   : OM_SIDE_UNREACHABLE;
		return false;
	}
	*side = side_state(state, reason);
	return true;
}

enum om_side_state om_vir_state_of(virDomainPtr dom)
{
	enum om_side_state state;

	read_state(dom, &state);
	return state;
}

static enum om_side_state ask(struct om_vir *vir, enum om_vir_role role, bool *job)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);
	enum om_side_state state;

	if (!vir->conn[role])
		return OM_SIDE_UNREACHABLE;
	/* An incoming domain answers no question about its job. */
	if (read_state(dom, &state))
		*job = role != OM_VIR_DST && has_job(dom);
	return state;
}

void om_vir_side(struct om_vir *vir, enum om_vir_role role, struct om_side *side)
{
	struct om_err ignored;

	memset(side, 0, sizeof(*side));
	if (!vir->conn[role] || vir->events.lost[role])
		if (!om_vir_open(vir, role, &ignored)) {
			side->state = OM_SIDE_UNREACHABLE;
			return;
		}
	side->state = ask(vir, role, &side->job);
	side->resumed = role == OM_VIR_DST && vir->events.dest_resumed;
	side->unwatched = role == OM_VIR_DST && vir->opened[role] != 1;
	side->stopped = role != OM_VIR_DST && vir->events.source_stopped;
	/* No event tells of it where the connection was lost just then. */
	if (role == OM_VIR_MON &&
	    (side->state == OM_SIDE_POSTCOPY || side->state == OM_SIDE_POSTCOPY_FAILED))
		vir->events.source_postcopy = true;
}

bool om_vir_suspend(struct om_vir *vir, enum om_vir_role role, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);

	if (!dom || virDomainSuspend(dom) < 0)
		return om_vir_fail(err, OM_E_UNKNOWN, "the guest could not be paused");
	return true;
}

bool om_vir_resume(struct om_vir *vir, enum om_vir_role role, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);

	if (!dom || virDomainResume(dom) < 0)
		return om_vir_fail(err, OM_E_UNKNOWN, "the guest could not be resumed");
	return true;
}

bool om_vir_destroy(struct om_vir *vir, enum om_vir_role role, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);

	if (dom && virDomainDestroyFlags(dom, VIR_DOMAIN_DESTROY_GRACEFUL) == 0)
		return true;
	if (!dom || virDomainDestroy(dom) < 0)
		return om_vir_fail(err, OM_E_UNKNOWN, "the stopped copy could not be removed");
	return true;
}

bool om_vir_sync_time(struct om_vir *vir, enum om_vir_role role)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);

	return dom && virDomainSetTime(dom, 0, 0, VIR_DOMAIN_TIME_SYNC) == 0;
}
