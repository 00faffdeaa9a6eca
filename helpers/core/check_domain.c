/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the domain itself, on both hosts. */
#include "check_internal.h"

#include <string.h>

/* It was migrated before: the action is repeated, because its answer was lost or false. */
static bool is_there_already(const struct om_check *c)
{
	return om_check_src_state(c) == OM_SIDE_ABSENT &&
	       (c->dst->side == OM_SIDE_RUNNING || c->dst->side == OM_SIDE_ROLLED_BACK ||
		c->dst->side == OM_SIDE_PAUSED);
}

/* migrate answers such an action with success; somebody who asks by hand has to know. */
static void check_absent(struct om_check *c)
{
	if (is_there_already(c)) {
		om_check_found(c,
			       c->facts->moment == OM_CHECK_BY_HAND ? OM_SEVERITY_BLOCKER
								    : OM_SEVERITY_WARNING,
			       "it is not on %s, but on %s already", c->src_host, c->dst_host);
		return;
	}
	om_check_found(c, OM_SEVERITY_BLOCKER, "there is no such VM on %s", c->src_host);
	om_check_remedy(c, "see where it runs: virsh list --all on both hosts");
}

static void check_state(struct om_check *c)
{
	switch (om_check_src_state(c)) {
	case OM_SIDE_PAUSED:
		om_check_found(
			c, OM_SEVERITY_WARNING,
			"it is paused on %s: it arrives paused, and post-copy is not possible",
			c->src_host);
		return;
	case OM_SIDE_INCOMING:
		om_check_found(c, OM_SEVERITY_WARNING,
			       "it was stopped on %s for the switch-over of a migration",
			       c->src_host);
		om_check_remedy(c, "if no migration of it is under way: virsh resume %s",
				c->dom->name);
		return;
	case OM_SIDE_POSTCOPY:
	case OM_SIDE_POSTCOPY_FAILED:
		om_check_found(c, OM_SEVERITY_BLOCKER, "it is in an unfinished post-copy on %s",
			       c->src_host);
		om_check_remedy(c,
				"do not destroy it on either host; onemigrate status tells more");
		return;
	default:
		om_check_found(c, OM_SEVERITY_OK, "it runs on %s", c->src_host);
	}
}

void om_check_domain(struct om_check *c)
{
	if (om_check_src_state(c) == OM_SIDE_UNREACHABLE) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "libvirt of %s did not say%s%s",
			       c->src_host, *c->src->libvirt_why ? ": " : "", c->src->libvirt_why);
		return;
	}
	if (om_check_src_state(c) == OM_SIDE_ABSENT) {
		check_absent(c);
		return;
	}
	check_state(c);
	if (c->facts->persistent && !c->facts->same_host) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "it is defined on %s: it stays defined there when it has left",
			       c->src_host);
		om_check_remedy(c, "virsh undefine %s, once it has left, if it is OpenNebula's",
				c->dom->name);
	}
}

void om_check_job(struct om_check *c)
{
	if (c->facts->src_job) {
		om_check_found(c, OM_SEVERITY_BLOCKER, "a migration of it is under way on %s",
			       c->src_host);
		om_check_remedy(c, "wait for its end, or end it: onemigrate cancel");
	}
	if (c->facts->block_job) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "a block job works on its disk %s: the migration waits for its end, "
			       "VIRSH_TRIES (%s) times 5 s at the most",
			       c->facts->block_job,
			       om_knob_text(c->facts->knobs, OM_KNOB_VIRSH_TRIES));
		om_check_remedy(c, "wait for its end; virsh blockjob %s %s shows how far it is",
				c->dom->name, c->facts->block_job);
	}
	if (!c->facts->src_job && !c->facts->block_job)
		om_check_found(c, OM_SEVERITY_OK, "nothing works on it");
}

void om_check_snapshots(struct om_check *c)
{
	if (!c->facts->snapshots_known)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "whether libvirt has snapshots of it was not asked");
	else if (!c->facts->snapshots)
		om_check_found(c, OM_SEVERITY_OK, "libvirt has none");
	else
		om_check_found(
			c, OM_SEVERITY_OK,
			"%u of libvirt, which would refuse the VM with them: their metadata is "
			"dropped before the migration and defined again after it",
			(unsigned int)c->facts->snapshots);
}

/* What the destination has under its UUID. */
static void check_same_uuid(struct om_check *c)
{
	enum om_side_state src = om_check_src_state(c);
	bool src_runs = src == OM_SIDE_RUNNING || src == OM_SIDE_ROLLED_BACK;

	if (c->dst->side == OM_SIDE_UNREACHABLE) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "libvirt of %s did not say",
			       c->dst_host);
	} else if (is_there_already(c)) {
		om_check_found(c, OM_SEVERITY_OK, "%s has it, and %s does not", c->dst_host,
			       c->src_host);
	} else if (om_check_has_leftover(c) && src_runs) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "a copy of it that never ran is left on %s: migrate removes it",
			       c->dst_host);
	} else if (c->dst->side != OM_SIDE_ABSENT) {
		om_check_found(c, OM_SEVERITY_BLOCKER, "a domain with its UUID is active on %s: %s",
			       c->dst_host, om_side_state_name(c->dst->side));
		om_check_remedy(c,
				"find out which of the two is the VM before either is destroyed");
	} else if (c->dst->defined) {
		om_check_found(c, OM_SEVERITY_WARNING, "it is defined on %s, and shut off there",
			       c->dst_host);
		om_check_remedy(c, "virsh undefine %s on %s", c->dom->name, c->dst_host);
	}
}

void om_check_destination(struct om_check *c)
{
	size_t before = c->findings->n;

	if (!om_check_needs_dst_libvirt(c))
		return;
	check_same_uuid(c);
	if (*c->dst->name_uuid) {
		om_check_found(c, OM_SEVERITY_BLOCKER,
			       "%s has another domain with its name %s, of UUID %s", c->dst_host,
			       c->dom->name, c->dst->name_uuid);
		om_check_remedy(c, "find out whose it is; virsh undefine %s on %s if nobody's",
				c->dst->name_uuid, c->dst_host);
	}
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "%s has nothing of its UUID or name",
			       c->dst_host);
}

/* virtiofs: libvirt below 10.0 refuses all of it, later ones ask the daemon that shares. */
static void check_virtiofs(struct om_check *c)
{
	bool refused = c->src->libvirt && c->src->libvirt < OM_CHECK_VERSION(10, 0);

	if (!c->dom->has_virtiofs)
		return;
	if (refused)
		om_check_found(c, OM_SEVERITY_BLOCKER,
			       "a virtiofs share cannot be migrated by libvirt below 10.0");
	else
		om_check_found(c, OM_SEVERITY_WARNING,
			       "a virtiofs share can be migrated only with a virtiofsd that can");
	om_check_remedy(c, "unmount it in the guest and detach it from the VM");
}

static void check_refused_devices(struct om_check *c)
{
	if (c->dom->has_shmem_peer) {
		om_check_found(
			c, OM_SEVERITY_BLOCKER,
			"a shared memory device whose role is not master cannot be migrated");
		om_check_remedy(c, "detach it from the VM");
	}
	for (size_t i = 0; i < c->dom->disk_count; i++)
		if (c->dom->disks[i].transient) {
			om_check_found(c, OM_SEVERITY_BLOCKER,
				       "the transient disk %s cannot be migrated",
				       c->dom->disks[i].target);
			om_check_remedy(c, "detach it from the VM");
		}
	if (c->dom->invtsc && !c->dom->tsc_frequency) {
		om_check_found(
			c, OM_SEVERITY_BLOCKER,
			"the CPU has invtsc and no frequency of the TSC is named, which QEMU "
			"does not migrate");
		om_check_remedy(c, "name it: <timer name='tsc' frequency='...'/> in RAW");
	}
}

/* Some of their drivers can by now, and what is plugged out for the time is no obstacle. */
static void check_doubtful_devices(struct om_check *c)
{
	const struct {
		bool has;
		const char *what;
	} rows[] = {
		{ c->dom->has_pci_hostdev, "a PCI device of the host" },
		{ c->dom->has_mdev, "a mediated device of the host" },
		{ c->dom->has_usb_hostdev, "a USB device of the host" },
		{ c->dom->has_vdpa, "a vDPA device" },
	};

	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (rows[i].has) {
			om_check_found(c, OM_SEVERITY_WARNING,
				       "%s: QEMU refuses to migrate most of them", rows[i].what);
			om_check_remedy(c, "detach it from the VM");
		}
}

void om_check_devices(struct om_check *c)
{
	size_t before = c->findings->n;

	if (!om_check_needs_dom(c))
		return;
	check_refused_devices(c);
	check_virtiofs(c);
	check_doubtful_devices(c);
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "all can be migrated");
}

void om_check_tpm(struct om_check *c)
{
	if (!om_check_needs_dom(c))
		return;
	if (!c->dom->has_tpm)
		om_check_found(c, OM_SEVERITY_OK, "the VM has none");
	else if (!om_check_needs_dst_libvirt(c))
		return;
	else if (c->dst->tpm == OM_ANSWER_NOT_CHECKED)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say", c->dst_host);
	else if (c->dst->tpm == OM_ANSWER_YES)
		om_check_found(c, OM_SEVERITY_OK, "%s can emulate it", c->dst_host);
	else {
		om_check_found(c, OM_SEVERITY_BLOCKER, "%s cannot emulate the VM's TPM",
			       c->dst_host);
		om_check_remedy(c, "install swtpm and swtpm-tools on %s", c->dst_host);
	}
}
