/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the way that the memory takes. */
#include "check_internal.h"

#include <string.h>

static enum om_severity strict_severity(const struct om_check *c)
{
	return c->way->strict ? OM_SEVERITY_BLOCKER : OM_SEVERITY_WARNING;
}

static bool is_fast(const struct om_check *c)
{
	return c->way->source == OM_FAST_NETWORK || c->way->source == OM_FAST_APPEND;
}

/* ---- the fast network ---- */

static bool is_set(const struct om_check *c, enum om_knob_id id)
{
	return !om_str_empty(om_knob_text(c->facts->knobs, id));
}

/* Either nothing is configured, or what is cannot apply to this migration. */
static void check_default(struct om_check *c)
{
	bool tunnelled = c->flags & OM_FLAG_TUNNELLED;
	bool network = is_set(c, OM_KNOB_MIGRATE_NETWORK);

	if (!network && !is_set(c, OM_KNOB_DEST_HOST_APPEND)) {
		om_check_found(c, OM_SEVERITY_OK,
			       "none is configured: memory takes libvirt's default path");
	} else if (network && !tunnelled) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "it was not looked at");
	} else {
		om_check_found(c, strict_severity(c), "the fast network does not apply: %s",
			       tunnelled ? "MIGRATE_OPTIONS has --tunnelled"
					 : "the host is known by its address");
		om_check_remedy(c, tunnelled ? "take --tunnelled out of MIGRATE_OPTIONS"
					     : "set MIGRATE_NETWORK instead of DEST_HOST_APPEND");
	}
}

static void check_fast(struct om_check *c)
{
	const struct om_fast *fast = &c->way->fast;
	const char *why = om_fast_defect(fast);
	char addr[OM_ADDR_TEXT];

	if (!fast->have_addr && !c->dst->known && c->way->source == OM_FAST_NETWORK) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "%s could not be asked for its addresses", c->dst_host);
		return;
	}
	if (why) {
		om_check_found(c, strict_severity(c), "the fast network %s cannot be used: %s%s",
			       fast->name, why,
			       c->way->strict ? ", and MIGRATE_NETWORK_POLICY is strict" : "");
		om_check_remedy(c, "mend the network, or the settings MIGRATE_NETWORK and "
				   "DEST_HOST_APPEND");
		return;
	}
	om_addr_print(&fast->addr, addr);
	if (fast->own == OM_ANSWER_NO) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "%s is not an address of %s itself, so that it listens on every "
			       "address",
			       addr, c->dst_host);
		om_check_remedy(c, "see that %s leads to %s", fast->name, c->dst_host);
		return;
	}
	om_check_found(c, OM_SEVERITY_OK, "%s (%s) by interface %s", addr, fast->name,
		       *fast->route.ifname ? fast->route.ifname : "?");
}

void om_check_fast_network(struct om_check *c)
{
	if (c->way->source == OM_FAST_NONE)
		check_default(c);
	else if (c->way->source == OM_FAST_OPTION)
		om_check_found(c, OM_SEVERITY_OK, "MIGRATE_OPTIONS says where memory goes%s%s",
			       *c->way->fast.name ? ": " : "", c->way->fast.name);
	else
		check_fast(c);
}

void om_check_mtu(struct om_check *c)
{
	const struct om_check_way *way = c->way;

	if (way->full_size == OM_ANSWER_YES) {
		om_check_found(c, OM_SEVERITY_OK,
			       "a datagram of the interface's MTU arrives whole");
	} else if (way->full_size == OM_ANSWER_NO) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "a datagram of the interface's MTU does not arrive whole%s%s",
			       *way->mtu_why ? ": " : "", way->mtu_why);
		om_check_remedy(c,
				"set the same MTU on both hosts and on every switch between them");
	} else {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "nothing told%s%s",
			       *way->mtu_why ? ": " : "", way->mtu_why);
	}
}

/* ---- ports of the migration range ---- */

/* A port is free again when another migration has ended, and the range may be another one where
 * qemu.conf could not be read: never a blocker. */
void om_check_ports(struct om_check *c)
{
	const struct om_survey *dst = c->dst;

	if (!om_check_needs_dst(c))
		return;
	if (!dst->range_max) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say which are free",
			       c->dst_host);
	} else if (!dst->range_free) {
		om_check_found(c, OM_SEVERITY_WARNING, "none of the ports %u to %u is free on %s",
			       (unsigned int)dst->range_min, (unsigned int)dst->range_max,
			       c->dst_host);
		om_check_remedy(c,
				"wait for other migrations to end, or widen migration_port_max in "
				"qemu.conf");
	} else {
		om_check_found(c, OM_SEVERITY_OK, "%u of %u to %u are free on %s",
			       (unsigned int)dst->range_free, (unsigned int)dst->range_min,
			       (unsigned int)dst->range_max, c->dst_host);
	}
}

/*
 * Certain only where the range is known: a firewall may let another one through that qemu.conf names. The
 * same file names the lock manager.
 */
static enum om_severity range_severity(const struct om_check *c)
{
	bool known = c->dst->range_max && strcmp(c->dst->lock_manager, "?") != 0;

	return known && is_fast(c) ? strict_severity(c) : OM_SEVERITY_WARNING;
}

void om_check_firewall(struct om_check *c)
{
	const struct om_check_way *way = c->way;

	if (way->range == OM_ANSWER_YES) {
		om_check_found(c, OM_SEVERITY_OK, "a listener on port %u of %s was reached",
			       (unsigned int)way->range_port, c->dst_host);
	} else if (way->range == OM_ANSWER_NO) {
		om_check_found(c, range_severity(c),
			       "a listener on port %u of %s was not reached%s%s",
			       (unsigned int)way->range_port, c->dst_host,
			       *way->range_why ? ": " : "", way->range_why);
		om_check_remedy(c, "let %s connect to the ports %u to %u of %s", c->src_host,
				(unsigned int)(c->dst->range_max ? c->dst->range_min : OM_PORT_MIN),
				(unsigned int)(c->dst->range_max ? c->dst->range_max : OM_PORT_MAX),
				c->dst_host);
	} else {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "no listener was tried%s%s",
			       *way->range_why ? ": " : "", way->range_why);
	}
}

/* ---- certificates ---- */

bool om_check_encrypts(const struct om_check *c)
{
	return (c->flags & OM_FLAG_TLS) ||
	       (c->facts->knobs && om_knob_number(c->facts->knobs, OM_KNOB_MIGRATE_TLS));
}

static bool tls_required(const struct om_check *c)
{
	return (c->flags & OM_FLAG_TLS) ||
	       om_str_eq_nocase(om_knob_text(c->facts->knobs, OM_KNOB_MIGRATE_TLS), "required");
}

/* Libvirt's refusal is certain, but what is only opportunistic goes on without; and a plan that requires
 * it refuses by itself, with its own sentence. */
static enum om_severity lack_severity(const struct om_check *c)
{
	bool plan_tells = c->facts->moment == OM_CHECK_MIGRATE && !(c->flags & OM_FLAG_TLS);

	return tls_required(c) && !plan_tells ? OM_SEVERITY_BLOCKER : OM_SEVERITY_WARNING;
}

/* Not a blocker where they may be in a directory that nobody can tell. */
static enum om_severity doubt_severity(const struct om_check *c, const struct om_survey *survey)
{
	return tls_required(c) && survey->tls_unseen ? OM_SEVERITY_WARNING
						     : OM_SEVERITY_NOT_CHECKED;
}

static void check_certificates(struct om_check *c, enum om_answer answer,
			       const struct om_survey *survey, const char *host, const char *part)
{
	if (answer == OM_ANSWER_YES)
		return;
	om_check_found(c, answer == OM_ANSWER_NO ? lack_severity(c) : doubt_severity(c, survey),
		       answer == OM_ANSWER_NO
			       ? "%s lacks the certificates of a TLS %s%s%s"
			       : "whether %s has the certificates of a TLS %s is not known%s%s",
		       host, part, *survey->tls_why ? ": " : "", survey->tls_why);
	if (answer == OM_ANSWER_NO)
		om_check_remedy(c, "install them in migrate_tls_x509_cert_dir of qemu.conf on %s",
				host);
}

void om_check_tls(struct om_check *c)
{
	size_t before = c->findings->n;

	if (!om_check_encrypts(c)) {
		om_check_found(c, OM_SEVERITY_OK, "not asked for");
		return;
	}
	check_certificates(c, c->src->tls_client, c->src, c->src_host, "client");
	if (om_check_needs_dst(c))
		check_certificates(c, c->dst->tls_server, c->dst, c->dst_host, "server");
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "both hosts have their certificates");
}
