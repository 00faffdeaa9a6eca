/* SPDX-License-Identifier: Apache-2.0 */
#include "check_internal.h"

#include "om_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct om_check_info table[] = {
	{ "helper", "Whether the destination answers, and which release of onemigrate each host has.",
	  false, om_check_helper },
	{ "domain", "The VM's state on the source, and whether it is defined there for good.",
	  true, om_check_domain },
	{ "job", "Another migration of the VM, or a block job on one of its disks.",
	  true, om_check_job },
	{ "snapshots", "Snapshots that libvirt knows; their metadata is taken along.",
	  false, om_check_snapshots },
	{ "destination", "What the destination has under the VM's UUID or name.",
	  false, om_check_destination },
	{ "host-uuid", "Whether libvirt takes the two hosts for one.",
	  false, om_check_host_uuid },
	{ "versions", "libvirt and QEMU of both hosts, and whether the destination has older ones.",
	  false, om_check_versions },
	{ "cpu", "Whether the destination can give the guest the CPU that it has.",
	  false, om_check_cpu },
	{ "machine", "Whether QEMU on the destination knows the VM's machine type.",
	  false, om_check_machine },
	{ "emulator", "Whether the destination has the VM's QEMU, at the same path.",
	  false, om_check_emulator },
	{ "firmware", "Whether loader, kernel and initrd are on the destination, at the same paths.",
	  false, om_check_firmware },
	{ "nvram", "Whether the UEFI variables are on the destination, or can be made there.",
	  false, om_check_nvram },
	{ "memory", "Whether the destination has enough memory available.",
	  false, om_check_memory },
	{ "hugepages", "Whether the destination has enough free huge pages of the VM's size.",
	  false, om_check_hugepages },
	{ "memlock", "Memory that --zerocopy or MIGRATE_ZEROCOPY=yes makes QEMU lock on the source.",
	  false, om_check_memlock },
	{ "disks", "Whether each disk and backing file is on the destination, as the same file, and "
	  "whether libvirt would call their migration unsafe.",
	  true, om_check_disks },
	{ "secrets", "Whether the destination has the secrets that network disks are opened with.",
	  false, om_check_secrets },
	{ "networks", "Whether the destination has the bridges, devices and libvirt networks of the "
	  "VM's interfaces.",
	  false, om_check_networks },
	{ "graphics", "Whether the destination has the address and the ports that VNC or SPICE "
	  "listens on.",
	  false, om_check_graphics },
	{ "devices", "Devices that cannot be moved, or perhaps not.",
	  false, om_check_devices },
	{ "tpm", "Whether the destination can emulate the VM's TPM.",
	  false, om_check_tpm },
	{ "fast-network", "Whether the network that memory is to take leads to the destination.",
	  false, om_check_fast_network },
	{ "mtu", "Whether a datagram of the interface's MTU arrives whole.",
	  false, om_check_mtu },
	{ "ports", "Free ports for migrations on the destination.",
	  false, om_check_ports },
	{ "firewall", "Whether a listener on one of these ports is reached.",
	  false, om_check_firewall },
	{ "tls", "Certificates for MIGRATE_TLS or --tls on both hosts.",
	  false, om_check_tls },
	{ "userfaultfd", "Whether QEMU on the destination may have post-copy, where it is allowed.",
	  false, om_check_userfaultfd },
	{ "clock", "Whether the clocks of the hosts agree.",
	  false, om_check_clock },
	{ "lock-manager", "Whether both hosts lock disks in the same way.",
	  false, om_check_lock_manager },
	{ "migrations", "Other migrations that run on either host.",
	  false, om_check_migrations },
};
/* clang-format on */

const struct om_check_info *om_check_table(size_t *count)
{
	*count = OM_ARRAY_LEN(table);
	return table;
}

bool om_check_name_valid(const char *name, size_t len)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(table); i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return true;
	return false;
}

const char *om_severity_name(enum om_severity severity)
{
	static const char *const names[OM_SEVERITY_COUNT] = {
		[OM_SEVERITY_OK] = "ok",
		[OM_SEVERITY_NOT_CHECKED] = "not checked",
		[OM_SEVERITY_WARNING] = "warning",
		[OM_SEVERITY_BLOCKER] = "blocker",
	};

	return names[severity];
}

void om_findings_free(struct om_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		free(findings->v[i].found);
		free(findings->v[i].remedy);
	}
	free(findings->v);
	free(findings->hosts);
	*findings = (struct om_findings){ 0 };
}

/* Names of files, devices and messages of another host are in it: cleaned before anybody prints it. */
static char *clean_text(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));
static char *clean_text(const char *fmt, va_list args)
{
	struct om_text to = { 0 };
	OM_AUTOFREE char *raw = NULL;
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	raw = om_xcalloc((size_t)len + 1, 1);
	vsnprintf(raw, (size_t)len + 1, fmt, args);
	to.size = (size_t)len + 1;
	to.text = om_xcalloc(to.size, 1);
	om_text_add_clean(&to, raw);
	return to.text;
}

void om_check_found(struct om_check *c, enum om_severity severity, const char *fmt, ...)
{
	struct om_findings *to = c->findings;
	va_list args;

	to->v = om_xrealloc(to->v, (to->n + 1) * sizeof(*to->v));
	va_start(args, fmt);
	to->v[to->n++] = (struct om_finding){ .check = c->name,
					      .severity = severity,
					      .found = clean_text(fmt, args),
					      .remedy = om_xstrdup("") };
	va_end(args);
}

void om_check_remedy(struct om_check *c, const char *fmt, ...)
{
	struct om_finding *last = &c->findings->v[c->findings->n - 1];
	va_list args;

	free(last->remedy);
	va_start(args, fmt);
	last->remedy = clean_text(fmt, args);
	va_end(args);
}

/* ---- what is known ---- */

static bool not_known(struct om_check *c, const char *whose, const char *host, const char *why)
{
	om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s%s did not say%s%s", whose, host,
		       *why ? ": " : "", why);
	return false;
}

bool om_check_needs_dom(struct om_check *c)
{
	if (!c->have_dom)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "the VM's configuration on %s is not known", c->src_host);
	return c->have_dom;
}

bool om_check_needs_src(struct om_check *c)
{
	return c->src->known || not_known(c, "", c->src_host, c->src->why);
}

bool om_check_needs_dst(struct om_check *c)
{
	return c->dst->known || not_known(c, "", c->dst_host, c->dst->why);
}

bool om_check_needs_dst_libvirt(struct om_check *c)
{
	if (!om_check_needs_dst(c))
		return false;
	return c->dst->libvirt_known ||
	       not_known(c, "libvirt of ", c->dst_host, c->dst->libvirt_why);
}

enum om_side_state om_check_src_state(const struct om_check *c)
{
	return c->facts->src_state != OM_SIDE_UNREACHABLE ? c->facts->src_state : c->src->side;
}

struct om_check_file om_check_file(const struct om_check *c, const char *path)
{
	struct om_check_file file = { NULL, NULL };

	for (size_t i = 0; i < c->ask->paths.n; i++) {
		if (strcmp(c->ask->paths.v[i], path) != 0)
			continue;
		if (c->src->known && c->src->files && i < c->src->file_count)
			file.src = &c->src->files[i];
		if (c->dst->known && c->dst->files && i < c->dst->file_count)
			file.dst = &c->dst->files[i];
		break;
	}
	return file;
}

/* ---- the run ---- */

static bool is_ignored(const struct om_knobs *knobs, const char *check)
{
	static const char between[] = ", \t\n";
	const char *at = om_knob_text(knobs, OM_KNOB_MIGRATE_CHECK_IGNORE);
	size_t len;

	for (at += strspn(at, between); *at; at += len + strspn(at + len, between)) {
		len = strcspn(at, between);
		if (len == strlen(check) && memcmp(at, check, len) == 0)
			return true;
	}
	return false;
}

static void demote(struct om_finding *finding, const struct om_knobs *knobs)
{
	enum om_check_mode mode = (enum om_check_mode)om_knob_number(knobs, OM_KNOB_MIGRATE_CHECK);
	OM_AUTOFREE char *found = finding->found;

	finding->severity = OM_SEVERITY_WARNING;
	if (mode == OM_CHECK_BLOCK)
		finding->found = om_xasprintf("%s (a blocker that MIGRATE_CHECK_IGNORE names)",
					      found);
	else
		finding->found = om_xasprintf("%s (a blocker, were MIGRATE_CHECK not %s)", found,
					      om_knob_text(knobs, OM_KNOB_MIGRATE_CHECK));
}

static void obey(struct om_findings *findings, const struct om_knobs *knobs)
{
	bool all = om_knob_number(knobs, OM_KNOB_MIGRATE_CHECK) != OM_CHECK_BLOCK;

	for (size_t i = 0; i < findings->n; i++) {
		struct om_finding *finding = &findings->v[i];

		if (finding->severity == OM_SEVERITY_BLOCKER &&
		    (all || is_ignored(knobs, finding->check)))
			demote(finding, knobs);
		findings->count[finding->severity]++;
	}
}

static char no_text[] = "";
static const struct om_dom no_dom = {
	.uuid = no_text,
	.name = no_text,
	.machine = no_text,
	.emulator = no_text,
	.arch = no_text,
	.virt_type = no_text,
	.loader = no_text,
	.nvram = no_text,
	.nvram_template = no_text,
	.kernel = no_text,
	.initrd = no_text,
	.cpu = no_text,
	.cpu_mode = no_text,
	.cpu_check = no_text,
	.vm_dir = no_text,
};
static const struct om_survey no_survey;
static const struct om_survey_ask no_ask;
static const struct om_check_way no_way;

static struct om_check prepare(struct om_findings *findings, const struct om_check_facts *facts)
{
	bool have_dom = facts->dom && facts->dom->uuid;

	return (struct om_check){
		.facts = facts,
		.dom = have_dom ? facts->dom : &no_dom,
		.have_dom = have_dom,
		.src = facts->src ? facts->src : &no_survey,
		.dst = facts->dst ? facts->dst : &no_survey,
		.ask = facts->ask ? facts->ask : &no_ask,
		.way = facts->way ? facts->way : &no_way,
		.flags = facts->opts ? facts->opts->flags : 0,
		.src_host = facts->src_host ? facts->src_host : "the source",
		.dst_host = facts->dst_host ? facts->dst_host : "the destination",
		.findings = findings,
	};
}

void om_check_run(struct om_findings *findings, const struct om_check_facts *facts)
{
	bool off = om_knob_number(facts->knobs, OM_KNOB_MIGRATE_CHECK) == OM_CHECK_OFF &&
		   facts->moment != OM_CHECK_BY_HAND;
	struct om_check c;

	*findings = (struct om_findings){ 0 };
	c = prepare(findings, facts);
	findings->hosts = om_xasprintf("%s -> %s", c.src_host, c.dst_host);
	om_str_sanitize(findings->hosts);
	for (size_t i = 0; i < OM_ARRAY_LEN(table); i++) {
		if (facts->same_host && !table[i].same_host)
			continue;
		c.name = table[i].name;
		if (off)
			om_check_found(&c, OM_SEVERITY_NOT_CHECKED, "MIGRATE_CHECK is off");
		else
			table[i].run(&c);
	}
	obey(findings, facts->knobs);
}

void om_check_sentence(const struct om_findings *findings, char *text, size_t size)
{
	struct om_text to = { text, size, 0 };

	om_text_add(&to, "%s", "");
	for (size_t i = 0; i < findings->n; i++)
		if (findings->v[i].severity == OM_SEVERITY_BLOCKER)
			om_text_add(&to, "%s%s: %s", to.len ? "; " : "", findings->v[i].check,
				    findings->v[i].found);
	if (to.len >= size && size >= 4)
		memcpy(text + om_utf8_span(text, size - 4), "...", 4);
}
