/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the two hosts against each other. */
#include "check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void om_check_helper(struct om_check *c)
{
	if (!c->dst->known) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say%s%s", c->dst_host,
			       *c->dst->why ? ": " : "", c->dst->why);
		om_check_found(c, OM_SEVERITY_WARNING, "most of %s could not be checked",
			       c->dst_host);
		om_check_remedy(c,
				"install the same release of onemigrate there (onehost sync), and "
				"see that %s can log in by ssh",
				c->src_host);
	} else if (strcmp(c->src->helper, c->dst->helper) != 0 && *c->src->helper) {
		om_check_found(c, OM_SEVERITY_OK, "onemigrate %s on %s, %s on %s", c->src->helper,
			       c->src_host, *c->dst->helper ? c->dst->helper : "unknown",
			       c->dst_host);
	} else {
		om_check_found(c, OM_SEVERITY_OK, "onemigrate %s", c->dst->helper);
	}
}

void om_check_host_uuid(struct om_check *c)
{
	if (!om_check_needs_src(c) || !om_check_needs_dst_libvirt(c))
		return;
	if (!*c->src->host_uuid || !*c->dst->host_uuid) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "libvirt of %s did not say",
			       *c->src->host_uuid ? c->dst_host : c->src_host);
	} else if (om_str_eq_nocase(c->src->host_uuid, c->dst->host_uuid)) {
		om_check_found(c, OM_SEVERITY_BLOCKER,
			       "libvirt has the host UUID %s on both hosts and takes them for one",
			       c->src->host_uuid);
		om_check_remedy(c,
				"set host_uuid_source = \"machine-id\" in libvirtd.conf (or "
				"virtqemud.conf) of both and restart the daemon; /etc/machine-id "
				"must differ");
	} else {
		om_check_found(c, OM_SEVERITY_OK, "they differ");
	}
}

/* ---- versions ---- */

struct version {
	char text[32];
};

static struct version print_version(uint64_t version)
{
	struct version v = { "?" };

	if (version)
		snprintf(v.text, sizeof(v.text), "%u.%u.%u",
			 (unsigned int)(version / 1000000 % 1000),
			 (unsigned int)(version / 1000 % 1000), (unsigned int)(version % 1000));
	return v;
}

/* A release that only mends a version is no older one. */
static bool is_older(uint64_t version, uint64_t than)
{
	return version && version / 1000 < than / 1000;
}

static void check_older(struct om_check *c, const char *what, uint64_t src, uint64_t dst)
{
	if (!is_older(dst, src))
		return;
	om_check_found(c, OM_SEVERITY_WARNING,
		       "%s has %s %s, older than %s of %s: a guest that uses what is new does not "
		       "start there",
		       c->dst_host, what, print_version(dst).text, print_version(src).text,
		       c->src_host);
	om_check_remedy(c, "bring %s to the same release", c->dst_host);
}

void om_check_versions(struct om_check *c)
{
	size_t before = c->findings->n;
	const struct om_survey *src = c->src, *dst = c->dst;

	if (!om_check_needs_src(c) || !om_check_needs_dst_libvirt(c))
		return;
	check_older(c, "libvirt", src->libvirt, dst->libvirt);
	check_older(c, "QEMU", src->qemu, dst->qemu);
	if (c->findings->n != before)
		return;
	om_check_found(c,
		       src->libvirt && src->qemu && dst->libvirt && dst->qemu
			       ? OM_SEVERITY_OK
			       : OM_SEVERITY_NOT_CHECKED,
		       "libvirt %s and QEMU %s on %s, libvirt %s and QEMU %s on %s",
		       print_version(src->libvirt).text, print_version(src->qemu).text, c->src_host,
		       print_version(dst->libvirt).text, print_version(dst->qemu).text,
		       c->dst_host);
}

/* ---- clock, locks, other migrations ---- */

#define CLOCK_TOLERANCE_MS 2000

void om_check_clock(struct om_check *c)
{
	uint64_t src = c->src->epoch_ms, dst = c->dst->epoch_ms;
	uint64_t apart = src > dst ? src - dst : dst - src;

	if (!om_check_needs_dst(c))
		return;
	if (!src || !dst) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "no time is known of %s",
			       src ? c->dst_host : c->src_host);
	} else if (apart > CLOCK_TOLERANCE_MS + c->facts->clock_error_ms) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "the clock of %s is %" PRIu64 ".%" PRIu64 " s %s that of %s",
			       c->dst_host, apart / 1000, apart % 1000 / 100,
			       dst > src ? "ahead of" : "behind", c->src_host);
		om_check_remedy(c, "keep both by NTP (chronyd or systemd-timesyncd)");
	} else {
		om_check_found(c, OM_SEVERITY_OK, "they agree");
	}
}

void om_check_lock_manager(struct om_check *c)
{
	const char *src = c->src->lock_manager, *dst = c->dst->lock_manager;

	if (!om_check_needs_src(c) || !om_check_needs_dst(c))
		return;
	if (strcmp(src, "?") == 0 || strcmp(dst, "?") == 0) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "qemu.conf of %s could not be read",
			       strcmp(dst, "?") == 0 ? c->dst_host : c->src_host);
	} else if (strcmp(src, dst) != 0) {
		om_check_found(
			c, OM_SEVERITY_WARNING,
			"%s has lock_manager %s, %s has %s: they do not keep each other from "
			"using a disk",
			c->src_host, *src ? src : "none", c->dst_host, *dst ? dst : "none");
		om_check_remedy(c, "set the same lock_manager in qemu.conf of both hosts");
	} else {
		om_check_found(c, OM_SEVERITY_OK, "%s on both hosts", *src ? src : "none");
	}
}

void om_check_migrations(struct om_check *c)
{
	if (!om_check_needs_src(c) || !om_check_needs_dst(c))
		return;
	if (!c->src->migrations && !c->dst->migrations) {
		om_check_found(c, OM_SEVERITY_OK, "no other on either host");
		return;
	}
	om_check_found(c, OM_SEVERITY_WARNING,
		       "others are under way, with which this one shares the network: %u on %s, %u "
		       "on %s",
		       (unsigned int)c->src->migrations, c->src_host,
		       (unsigned int)c->dst->migrations, c->dst_host);
	om_check_remedy(c, "onemigrate status shows them");
}
