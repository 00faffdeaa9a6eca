/* SPDX-License-Identifier: Apache-2.0 */
/* What is tried after an attempt that has failed. */
#include "plan_internal.h"

#include <string.h>

/* libvirt's virErrorNumber and virErrorDomain, as far as they are judged by; asserted in
 * edge/vir_migrate.c. */
enum {
	VIR_DOMAIN_RPC = 7,
	VIR_DOMAIN_QEMU = 10,
	VIR_INTERNAL_ERROR = 1,
	VIR_OPERATION_FAILED = 9,
	VIR_SYSTEM_ERROR = 38,
	VIR_ARGUMENT_UNSUPPORTED = 74,
};

static bool path_failed(const struct om_attempt *tried, const struct om_attempt_end *end)
{
	bool qemu_connects = tried->flags & (OM_FLAG_PARALLEL | OM_FLAG_POSTCOPY);

	switch (end->vir_code) {
	case VIR_SYSTEM_ERROR: /* libvirt resolves and connects by itself */
		return end->vir_domain == VIR_DOMAIN_RPC;
	case VIR_OPERATION_FAILED: /* QEMU does, and tells it as the failure of the job */
		return qemu_connects && end->vir_domain == VIR_DOMAIN_QEMU;
	case VIR_INTERNAL_ERROR:
		/* A destination whose own name is a loopback one can hand out no address. */
		if (tried->path == OM_PATH_DEFAULT)
			return strstr(end->text, "localhost");
		/* The destination's QEMU could not bind the address. A QEMU that does not start at all
		 * (a CPU model that it lacks) has the same code; the command's name is no language. */
		return om_params_get(&tried->params, "listen_address") &&
		       strstr(end->text, "migrate-incoming");
	default:
		return false;
	}
}

/* The destination's QEMU says so when the capability is set, and libvirt where it cannot be, both
 * before anything is sent; the command's name is no language. */
static bool postcopy_refused(const struct om_attempt *tried, const struct om_attempt_end *end)
{
	if (!(tried->flags & OM_FLAG_POSTCOPY) || end->vir_domain != VIR_DOMAIN_QEMU)
		return false;
	return end->vir_code == VIR_ARGUMENT_UNSUPPORTED ||
	       (end->vir_code == VIR_INTERNAL_ERROR &&
		strstr(end->text, "migrate-set-capabilities"));
}

static bool find_without_postcopy(const struct om_plan *plan, size_t attempt, size_t *next)
{
	const struct om_attempt *tried = &plan->attempts[attempt];

	for (size_t i = attempt + 1; i < plan->attempt_count; i++)
		if (plan->attempts[i].path == tried->path &&
		    !(plan->attempts[i].flags & OM_FLAG_POSTCOPY)) {
			*next = i;
			return true;
		}
	return false;
}

enum om_next om_plan_next(const struct om_plan *plan, size_t attempt,
			  const struct om_attempt_end *end, size_t *next)
{
	const struct om_attempt *tried = &plan->attempts[attempt];

	if (end->ok || end->bytes_sent || end->stop_requested || end->dest_lost ||
	    end->ended_by_watch || end->restart_throttled)
		return OM_NEXT_NONE;
	if (postcopy_refused(tried, end) && find_without_postcopy(plan, attempt, next))
		return OM_NEXT_NO_POSTCOPY;
	*next = attempt + 1;
	/* After the last path the attempts begin anew, with other flags. */
	if (*next < plan->attempt_count && plan->attempts[*next].flags == tried->flags &&
	    path_failed(tried, end))
		return OM_NEXT_PATH;
	return OM_NEXT_NONE;
}

static uint32_t percent(uint32_t asked, uint32_t otherwise)
{
	return !asked ? otherwise : asked > 99 ? 99 : asked;
}

void om_plan_throttled(struct om_attempt *throttled, const struct om_attempt *from,
		       const struct om_attempt_end *end)
{
	static const char origin[] = "throttled restart";

	*throttled = *from;
	throttled->flags |= OM_FLAG_AUTO_CONVERGE;
	if (!om_params_get(&throttled->params, "auto_converge.initial"))
		om_params_set_number(&throttled->params, "auto_converge.initial", OM_PARAM_INT,
				     percent(end->throttle_initial, OM_THROTTLE_INITIAL), origin);
	if (!om_params_get(&throttled->params, "auto_converge.increment"))
		om_params_set_number(&throttled->params, "auto_converge.increment", OM_PARAM_INT,
				     OM_THROTTLE_INCREMENT, origin);
}
