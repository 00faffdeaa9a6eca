/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt refuses to migrate a domain that has snapshot metadata, and loses it with a transient
 * domain. What is dropped here is the metadata; the snapshots in the images stay. */
#include "vir_internal.h"

#include <stdlib.h>

typedef bool (*snap_fn)(virDomainSnapshotPtr snap, void *ctx, struct om_err *err);

static bool each_snapshot(struct om_vir *vir, snap_fn fn, void *ctx, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virDomainSnapshotPtr *snaps = NULL;
	bool ok = true;
	int count;

	if (!dom)
		return om_vir_fail(err, OM_E_INPUT, "snapshots");
	count = virDomainListAllSnapshots(dom, &snaps, VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);
	if (count < 0)
		return om_vir_fail(err, OM_E_INPUT, "snapshots");
	for (int i = 0; i < count; i++) {
		ok = ok && fn(snaps[i], ctx, err);
		virDomainSnapshotFree(snaps[i]);
	}
	free(snaps);
	return ok;
}

static bool save_one(virDomainSnapshotPtr snap, void *ctx, struct om_err *err)
{
	OM_AUTOFREE char *xml = virDomainSnapshotGetXMLDesc(snap, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
	OM_AUTOFREE char *marked = NULL;

	if (!xml)
		return om_vir_fail(err, OM_E_INPUT, "snapshot metadata");
	marked = om_xasprintf("%c%s", virDomainSnapshotIsCurrent(snap, 0) == 1 ? 'C' : '-', xml);
	om_strv_add(ctx, marked);
	return true;
}

bool om_vir_snapshots_count(struct om_vir *vir, uint32_t *count)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	int n = dom ? virDomainSnapshotNum(dom, 0) : -1;

	*count = n > 0 ? (uint32_t)n : 0;
	return n >= 0;
}

bool om_vir_snapshots_save(struct om_vir *vir, struct om_strv *xml, struct om_err *err)
{
	return each_snapshot(vir, save_one, xml, err);
}

static bool drop_one(virDomainSnapshotPtr snap, void *ctx, struct om_err *err)
{
	(void)ctx;
	if (virDomainSnapshotDelete(snap, VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY) < 0)
		return om_vir_fail(err, OM_E_SOURCE, "snapshot metadata could not be dropped");
	return true;
}

bool om_vir_snapshots_drop(struct om_vir *vir, struct om_err *err)
{
	return each_snapshot(vir, drop_one, NULL, err);
}

bool om_vir_snapshots_define(struct om_vir *vir, enum om_vir_role role, const struct om_strv *xml,
			     struct om_err *err)
{
	OM_AUTODOMAIN dom = xml->n ? om_vir_lookup(vir, role) : NULL;
	bool ok = true;

	if (!xml->n)
		return true;
	if (!dom)
		return om_vir_fail(err, OM_E_SOURCE, "snapshot metadata");
	for (size_t i = 0; i < xml->n; i++) {
		unsigned int flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE;
		virDomainSnapshotPtr snap;

		if (xml->v[i][0] == 'C')
			flags |= VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT;
		snap = virDomainSnapshotCreateXML(dom, xml->v[i] + 1, flags);
		if (snap)
			virDomainSnapshotFree(snap);
		else
			ok = om_vir_fail(err, OM_E_SOURCE,
					 "snapshot metadata could not be defined again");
	}
	return ok;
}
