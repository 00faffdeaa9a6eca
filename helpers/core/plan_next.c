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
	VIR_INVALID_ARG = 8,
	VIR_OPERATION_FAILED = 9,
	VIR_SYSTEM_ERROR = 38,
	VIR_OPERATION_INVALID = 55,
	VIR_CONFIG_UNSUPPORTED = 67,
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

/* A weaker attempt on the same path: nothing in it that was not in this one, and none of `flags`. */
static bool find_without(const struct om_plan *plan, size_t attempt, unsigned int flags,
			 size_t *next)
{
	const struct om_attempt *tried = &plan->attempts[attempt];

	for (size_t i = attempt + 1; i < plan->attempt_count; i++) {
		const struct om_attempt *a = &plan->attempts[i];

		if (a->path == tried->path && !(a->flags & flags) && !(a->flags & ~tried->flags)) {
			*next = i;
			return true;
		}
	}
	return false;
}

/* ---- the way of sending ---- */

static bool says(const struct om_attempt_end *end, const char *word)
{
	return strstr(end->text, word) != NULL;
}

/* The names of QEMU's commands and of its credentials are no language. */
static bool credentials_refused(const struct om_attempt_end *end)
{
	return says(end, "object-add") || says(end, "credentials") || says(end, "ertificate");
}

static bool tls_refused(const struct om_attempt_end *end)
{
	return credentials_refused(end) || says(end, "TLS") || says(end, "tls.");
}

/* Locking is refused by libvirt before it begins, or by the kernel at the first bytes. */
static bool zerocopy_refused(const struct om_attempt_end *end)
{
	return (end->vir_code == VIR_SYSTEM_ERROR && end->vir_domain != VIR_DOMAIN_RPC) ||
	       (end->vir_code == VIR_OPERATION_FAILED && says(end, "MSG_ZEROCOPY"));
}

/* What has the codes of a way that is refused, and is the domain's own. libvirt's texts can be translated: what is
 * not known here costs one more attempt, where a refusal that is not known would cost the migration. */
static bool is_the_domains(const struct om_attempt_end *end)
{
	static const char *const words[] = {
		"block job", "cannot migrate domain", "cannot migrate a domain",
		"does not match source", /* "Target network card type ..." */
	};

	for (size_t i = 0; i < OM_ARRAY_LEN(words); i++)
		if (says(end, words[i]))
			return true;
	return false;
}

/* A flag or a parameter that this libvirt or this QEMU does not know, or cannot have with the others. */
static bool is_unsupported(const struct om_attempt_end *end)
{
	switch (end->vir_code) {
	case VIR_INVALID_ARG:
	case VIR_ARGUMENT_UNSUPPORTED:
		return true;
	case VIR_OPERATION_INVALID:
	case VIR_CONFIG_UNSUPPORTED:
		return !is_the_domains(end);
	case VIR_INTERNAL_ERROR:
		return says(end, "migrate-set-parameters") || says(end, "migrate-set-capabilities");
	default:
		return false;
	}
}

static uint32_t method_of(const struct om_plan *plan)
{
	switch (plan->transport.compression) {
	case OM_COMPRESSION_ZSTD:
		return OM_REFUSED_ZSTD;
	case OM_COMPRESSION_ZLIB:
		return OM_REFUSED_ZLIB;
	case OM_COMPRESSION_XBZRLE:
		return OM_REFUSED_XBZRLE;
	default:
		return OM_REFUSED_CONNECTIONS;
	}
}

uint32_t om_plan_refused(const struct om_plan *plan, size_t attempt,
			 const struct om_attempt_end *end)
{
	unsigned int ours = plan->attempts[attempt].flags & plan->transport.flags;

	if (end->ok || end->stop_requested || end->dest_lost || end->ended_by_watch || end->restart)
		return 0;
	if ((ours & OM_FLAG_ZEROCOPY) && zerocopy_refused(end))
		return OM_REFUSED_ZEROCOPY;
	if (end->bytes_sent)
		return 0;
	if ((ours & OM_FLAG_TLS) && tls_refused(end))
		return OM_REFUSED_TLS;
	if (!(ours & ~OM_FLAG_TLS) || !is_unsupported(end))
		return 0;
	return ours & OM_FLAG_ZEROCOPY ? OM_REFUSED_ZEROCOPY : method_of(plan);
}

/* From 8.2 on --tls-destination is that of the disks too; before, the certificate may be wrong for the
 * address of their data alone. */
#define ONE_NAME_LIBVIRT 8002000

uint32_t om_plan_refused_for_all(const struct om_plan *plan, size_t attempt,
				 const struct om_versions *versions,
				 const struct om_attempt_end *end)
{
	bool disks = plan->attempts[attempt].flags &
		     (OM_FLAG_NON_SHARED_DISK | OM_FLAG_NON_SHARED_INC);
	bool theirs = disks && versions->src_libvirt < ONE_NAME_LIBVIRT;

	return om_plan_refused(plan, attempt, end) & ~(theirs ? OM_REFUSED_TLS : 0);
}

uint32_t om_plan_refused_at_once(const struct om_plan *plan, size_t attempt,
				 const struct om_versions *versions,
				 const struct om_attempt_end *end)
{
	/* A connection that broke in the handshake ("GnuTLS recv failed") says nothing of the next one. */
	bool stays = plan->transport.tls_required && credentials_refused(end);
	uint32_t certain = stays ? OM_REFUSED_TLS : 0;

	return om_plan_refused_for_all(plan, attempt, versions, end) & certain;
}

bool om_plan_got_further(const struct om_attempt *failed, const struct om_attempt *weaker,
			 const struct om_attempt_end *end)
{
	return weaker->path == failed->path && weaker->flags != failed->flags &&
	       !(weaker->flags & ~failed->flags) && (end->ok || end->bytes_sent);
}

static enum om_next next_weaker(const struct om_plan *plan, size_t attempt,
				const struct om_attempt_end *end, size_t *next)
{
	uint32_t refused = om_plan_refused(plan, attempt, end);
	unsigned int ours = plan->transport.flags;

	if (refused == OM_REFUSED_TLS)
		return find_without(plan, attempt, OM_FLAG_TLS, next) ? OM_NEXT_NO_TLS
								      : OM_NEXT_NONE;
	if (refused == OM_REFUSED_ZEROCOPY && find_without(plan, attempt, OM_FLAG_ZEROCOPY, next))
		return OM_NEXT_TRANSPORT;
	if (refused && find_without(plan, attempt, ours & ~OM_FLAG_TLS, next))
		return OM_NEXT_TRANSPORT;
	return OM_NEXT_NONE;
}

enum om_next om_plan_next(const struct om_plan *plan, size_t attempt,
			  const struct om_attempt_end *end, size_t *next)
{
	const struct om_attempt *tried = &plan->attempts[attempt];
	enum om_next weaker;

	if (end->ok || end->stop_requested || end->dest_lost || end->ended_by_watch || end->restart)
		return OM_NEXT_NONE;
	weaker = next_weaker(plan, attempt, end, next);
	if (weaker != OM_NEXT_NONE)
		return weaker;
	if (end->bytes_sent)
		return OM_NEXT_NONE;
	if (postcopy_refused(tried, end) && find_without(plan, attempt, OM_FLAG_POSTCOPY, next))
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

void om_plan_again(struct om_attempt *again, const struct om_attempt *from,
		   const struct om_attempt_end *end)
{
	static const char origin[] = "throttled restart";

	*again = *from;
	again->flags |= end->restart;
	if (!(end->restart & OM_FLAG_AUTO_CONVERGE))
		return;
	if (!om_params_get(&again->params, "auto_converge.initial"))
		om_params_set_number(&again->params, "auto_converge.initial", OM_PARAM_INT,
				     percent(end->throttle_initial, OM_THROTTLE_INITIAL), origin);
	if (!om_params_get(&again->params, "auto_converge.increment"))
		om_params_set_number(&again->params, "auto_converge.increment", OM_PARAM_INT,
				     OM_THROTTLE_INCREMENT, origin);
}
