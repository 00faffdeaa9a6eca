/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of storage that the hosts do not share: whether it can be copied, as core/disks.c decides it. */
#include "check_internal.h"

/* What premigrate removes first, with its directory, is in nobody's way. */
static enum om_severity severity_of(const struct om_check *c,
				    const struct om_disks_refusal *refusal)
{
	return refusal->exists && om_check_is_early(c) ? OM_SEVERITY_WARNING : OM_SEVERITY_BLOCKER;
}

static void tell(struct om_check *c, const struct om_disks *disks)
{
	char mirrored[OM_DISKS_SIZE_TEXT], sent[OM_DISKS_SIZE_TEXT];

	for (size_t i = 0; i < disks->refused_count; i++) {
		om_check_found(c, severity_of(c, &disks->refused[i]), "%s",
			       disks->refused[i].found);
		om_check_remedy(c, "%s", disks->refused[i].remedy);
	}
	for (size_t i = 0; i < disks->warnings.n; i++)
		om_check_found(c, OM_SEVERITY_WARNING, "%s", disks->warnings.v[i]);
	if (!disks->refused_count && !disks->warnings.n)
		om_check_found(c, OM_SEVERITY_OK,
			       "not shared: %zu copied while the VM runs (%s), %zu files sent (%s)",
			       disks->mirrors, om_disks_size(mirrored, disks->mirror_bytes),
			       disks->sent_files, om_disks_size(sent, disks->send_bytes));
}

/* Shared in truth: nothing is copied, and the migration goes the way of shared storage. */
static void tell_same(struct om_check *c, const char *dir)
{
	om_check_found(c, OM_SEVERITY_WARNING,
		       "%.200s is the same directory on both hosts, though the datastore does not "
		       "say that it is shared: it is left as it is",
		       dir);
	om_check_remedy(c, "set SHARED=YES in the system datastore");
}

static void judge(struct om_check *c, const struct om_disks_facts *facts)
{
	const struct om_knobs *knobs = c->facts->knobs;
	uint64_t limit = knobs ? om_knob_number(knobs, OM_KNOB_MIGRATE_BANDWIDTH_MIBPS) : 0;
	struct om_disks disks;
	struct om_err ignored;

	(void)!om_disks_decide(&disks, facts, c->facts->opts, om_check_encrypts(c), limit,
			       &ignored);
	tell(c, &disks);
	om_disks_free(&disks);
}

void om_check_storage(struct om_check *c)
{
	const struct om_disks_facts *facts = c->facts->storage;
	const struct om_knobs *knobs = c->facts->knobs;

	if (knobs && !om_knob_number(knobs, OM_KNOB_MIGRATE_LOCAL_DISKS)) {
		om_check_found(c, OM_SEVERITY_OK,
			       "the storage is not shared: OpenNebula's own script moves the VM, "
			       "by MIGRATE_LOCAL_DISKS");
	} else if (!facts) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "the storage is not shared, and the VM's directory was not looked "
			       "at");
	} else if (om_check_needs_dst(c)) {
		if (om_disks_same(facts) == OM_SAME_YES)
			tell_same(c, facts->dir);
		else
			judge(c, facts);
	}
}
