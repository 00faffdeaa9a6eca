/* SPDX-License-Identifier: Apache-2.0 */
/* A domain that runs and is defined nowhere stays so: its live metadata is set, nothing else. */
#include "om_move_host.h"

#include "vir_internal.h"

#define ELEMENT_URI "http://opennebula.org/xmlns/libvirt/1.0"
#define ELEMENT_KEY "one"

bool om_vir_metadata_get(struct om_vir *vir, char **element, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);

	*element = dom ? virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, ELEMENT_URI,
					      VIR_DOMAIN_AFFECT_LIVE)
		       : NULL;
	return *element || om_vir_fail(err, OM_E_SOURCE, "the domain's metadata");
}

bool om_vir_metadata_set(struct om_vir *vir, const char *element, struct om_err *err)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);

	if (dom && virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, ELEMENT_KEY,
					ELEMENT_URI, VIR_DOMAIN_AFFECT_LIVE) == 0)
		return true;
	return om_vir_fail(err, OM_E_SOURCE, "the domain's metadata");
}
