/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what the guest is reached by: its interfaces, VNC and SPICE. */
#include "check_internal.h"

#include <string.h>

/* ---- interfaces ---- */

static enum om_answer answer_of(const struct om_strv *asked, const char *name,
				const enum om_answer *answers, size_t count)
{
	for (size_t i = 0; i < asked->n; i++)
		if (strcmp(asked->v[i], name) == 0)
			return answers && i < count ? answers[i] : OM_ANSWER_NOT_CHECKED;
	return OM_ANSWER_NOT_CHECKED;
}

/* `vnm pre` makes most bridges and comes after premigrate; libvirt needs each at the migration. */
static void check_device(struct om_check *c, const struct om_dom_nic *nic)
{
	bool is_bridge = strcmp(nic->type, "bridge") == 0;
	bool is_ovs = strcmp(nic->virtualport, "openvswitch") == 0;
	enum om_answer answer = answer_of(&c->ask->bridges, nic->source, c->dst->bridges,
					  c->dst->bridge_count);

	if (answer == OM_ANSWER_NOT_CHECKED)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say whether it has %s",
			       c->dst_host, nic->source);
	if (answer != OM_ANSWER_NO)
		return;
	om_check_found(c, om_check_is_early(c) ? OM_SEVERITY_WARNING : OM_SEVERITY_BLOCKER,
		       "%s has no %s %s%s", c->dst_host,
		       is_ovs	   ? "Open vSwitch bridge"
		       : is_bridge ? "bridge"
				   : "device",
		       nic->source,
		       om_check_is_early(c) && is_bridge
			       ? ", unless OpenNebula's network driver makes it"
			       : "");
	om_check_remedy(c, "make it there, as it is on %s", c->src_host);
}

static void check_libvirt_network(struct om_check *c, const struct om_dom_nic *nic)
{
	enum om_answer answer = answer_of(&c->ask->networks, nic->source, c->dst->networks,
					  c->dst->network_count);

	if (answer == OM_ANSWER_NOT_CHECKED)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "libvirt of %s did not say whether its network %s is active",
			       c->dst_host, nic->source);
	if (answer != OM_ANSWER_NO)
		return;
	om_check_found(c, OM_SEVERITY_BLOCKER,
		       "libvirt of %s has no network %s, or has it inactive", c->dst_host,
		       nic->source);
	om_check_remedy(c,
			"virsh net-start %s on %s, and net-define before it if it is not defined",
			nic->source, c->dst_host);
}

static bool is_device(const struct om_dom_nic *nic)
{
	return *nic->source &&
	       (strcmp(nic->type, "bridge") == 0 || strcmp(nic->type, "direct") == 0);
}

static bool is_libvirt_network(const struct om_dom_nic *nic)
{
	return *nic->source && strcmp(nic->type, "network") == 0;
}

/* Several interfaces on one bridge are one finding. */
static bool is_repeated(const struct om_dom *dom, size_t nic)
{
	for (size_t i = 0; i < nic; i++)
		if (strcmp(dom->nics[i].source, dom->nics[nic].source) == 0 &&
		    is_device(&dom->nics[i]) == is_device(&dom->nics[nic]) &&
		    is_libvirt_network(&dom->nics[i]) == is_libvirt_network(&dom->nics[nic]))
			return true;
	return false;
}

void om_check_networks(struct om_check *c)
{
	size_t before = c->findings->n, looked_at = 0;

	if (!om_check_needs_dom(c))
		return;
	for (size_t i = 0; i < c->dom->nic_count; i++)
		looked_at += is_device(&c->dom->nics[i]) || is_libvirt_network(&c->dom->nics[i]);
	if (looked_at && !om_check_needs_dst(c))
		return;
	for (size_t i = 0; i < c->dom->nic_count; i++) {
		if (is_repeated(c->dom, i))
			continue;
		if (is_device(&c->dom->nics[i]))
			check_device(c, &c->dom->nics[i]);
		else if (is_libvirt_network(&c->dom->nics[i]))
			check_libvirt_network(c, &c->dom->nics[i]);
	}
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "%s",
			       looked_at ? "all of them are there"
					 : "the VM has no such interface");
}

/* ---- VNC and SPICE ---- */

static bool is_wildcard(const struct om_addr *addr)
{
	for (size_t i = 0; i < addr->family_bits / 8; i++)
		if (addr->bytes[i])
			return false;
	return true;
}

static bool has_addr(const struct om_survey *survey, const struct om_addr *addr)
{
	for (size_t i = 0; i < survey->addr_count; i++)
		if (om_addr_eq(&survey->addrs[i], addr))
			return true;
	return false;
}

/* A link-local address says nothing without its interface, and the survey leaves those out. */
static void check_listen(struct om_check *c, const struct om_dom_graphics *graphics)
{
	struct om_addr addr;

	if (!*graphics->listen || strcmp(graphics->listen, "localhost") == 0)
		return;
	if (!om_addr_parse(&addr, graphics->listen)) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "%s listens on %s, which is a name for each host to resolve",
			       graphics->type, graphics->listen);
		return;
	}
	if (is_wildcard(&addr) || om_addr_is_loopback_or_link_local(&addr) ||
	    has_addr(c->dst, &addr))
		return;
	if (!c->dst->addr_count || c->dst->addr_count == OM_SURVEY_ADDRS_MAX) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say whether it has %s",
			       c->dst_host, graphics->listen);
		return;
	}
	om_check_found(c, OM_SEVERITY_BLOCKER, "%s listens on %s, which is no address of %s",
		       graphics->type, graphics->listen, c->dst_host);
	om_check_remedy(c, "set LISTEN=\"0.0.0.0\" in the VM's GRAPHICS and start it anew");
}

static enum om_answer is_free(const struct om_check *c, uint16_t port)
{
	for (size_t i = 0; i < c->ask->port_count && i < c->dst->port_count; i++)
		if (c->ask->ports[i] == port)
			return c->dst->ports[i];
	return OM_ANSWER_NOT_CHECKED;
}

/* Whoever listens may do so on another address than QEMU will, unless QEMU takes all of them. */
static enum om_severity taken_severity(const struct om_check *c,
				       const struct om_dom_graphics *graphics)
{
	struct om_addr addr;

	return om_addr_parse(&addr, graphics->listen) && is_wildcard(&addr) &&
			       !om_check_has_leftover(c)
		       ? OM_SEVERITY_BLOCKER
		       : OM_SEVERITY_WARNING;
}

static void check_port(struct om_check *c, const struct om_dom_graphics *graphics, uint16_t port)
{
	enum om_answer free = port ? is_free(c, port) : OM_ANSWER_YES;

	if (free == OM_ANSWER_NOT_CHECKED)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "%s did not say whether port %u is free for %s", c->dst_host, port,
			       graphics->type);
	if (free != OM_ANSWER_NO)
		return;
	om_check_found(c, taken_severity(c, graphics),
		       "port %u, which is fixed for %s, is taken on %s%s", port, graphics->type,
		       c->dst_host,
		       om_check_has_leftover(c) ? ", perhaps by the leftover of this VM" : "");
	om_check_remedy(c, "see who listens: ss -ltnp 'sport = %u' on %s", port, c->dst_host);
}

void om_check_graphics(struct om_check *c)
{
	size_t before = c->findings->n;

	if (!om_check_needs_dom(c))
		return;
	if (!c->dom->graphics_count) {
		om_check_found(c, OM_SEVERITY_OK, "the VM has none");
		return;
	}
	if (!om_check_needs_dst(c))
		return;
	for (size_t i = 0; i < c->dom->graphics_count; i++) {
		check_listen(c, &c->dom->graphics[i]);
		check_port(c, &c->dom->graphics[i], c->dom->graphics[i].port[0]);
		check_port(c, &c->dom->graphics[i], c->dom->graphics[i].port[1]);
	}
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "address and ports can be had on %s",
			       c->dst_host);
}
