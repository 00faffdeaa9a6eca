/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

bool om_vir_domain_xml(struct om_vir *vir, char **xml, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);

	*xml = dom ? virDomainGetXMLDesc(dom, 0) : NULL;
	return *xml || om_vir_fail(err, OM_E_INPUT, "the domain could not be read");
}

bool om_vir_migratable_xml(struct om_vir *vir, char **xml, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);

	*xml = dom ? virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_SECURE)
		   : NULL;
	return *xml || om_vir_fail(err, OM_E_INPUT, "the domain could not be read");
}

bool om_vir_domain_persistent(struct om_vir *vir)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);

	return dom && virDomainIsPersistent(dom) == 1;
}

uint32_t om_vir_max_downtime_ms(struct om_vir *vir, enum om_vir_role role)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);
	unsigned long long downtime_ms;

	if (!dom || virDomainMigrateGetMaxDowntime(dom, &downtime_ms, 0) < 0 ||
	    downtime_ms > UINT32_MAX)
		return 0;
	return (uint32_t)downtime_ms;
}

uint64_t om_vir_populated_bytes(struct om_vir *vir)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	int count = dom ? virDomainMemoryStats(dom, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0) : 0;

	for (int i = 0; i < count; i++)
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_RSS)
			return (uint64_t)stats[i].val * 1024;
	return 0;
}

void om_vir_versions_of(virConnectPtr conn, uint64_t *libvirt, uint64_t *qemu)
{
	unsigned long version;

	if (conn && virConnectGetLibVersion(conn, &version) == 0)
		*libvirt = version;
	if (conn && virConnectGetVersion(conn, &version) == 0)
		*qemu = version;
}

void om_vir_versions(struct om_vir *vir, struct om_versions *versions)
{
	om_vir_versions_of(vir->conn[OM_VIR_SRC], &versions->src_libvirt, &versions->src_qemu);
	om_vir_versions_of(vir->conn[OM_VIR_DST], &versions->dst_libvirt, &versions->dst_qemu);
}

bool om_vir_block_job(struct om_vir *vir, const struct om_dom *dom_facts, char *target, size_t size)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virDomainBlockJobInfo info;

	for (size_t i = 0; dom && i < dom_facts->disk_count; i++) {
		const struct om_dom_disk *disk = &dom_facts->disks[i];

		if (disk->kind == OM_DISK_EMPTY)
			continue;
		if (virDomainGetBlockJobInfo(dom, disk->target, &info, 0) == 1) {
			om_str_copy(target, size, disk->target);
			return true;
		}
	}
	return false;
}
