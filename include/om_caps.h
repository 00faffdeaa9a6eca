/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt's documents about a host tell. Read by edge/xml_caps.c. */
#ifndef OM_CAPS_H
#define OM_CAPS_H

#include "om_err.h"
#include "om_net.h"

#include <stddef.h>

/* virConnectGetCapabilities(); a text is "" where it is missing or longer than it may be. */
struct om_caps {
	char host_uuid[37];
	char cpu_model[64];
};
bool om_xml_caps_parse(struct om_caps *caps, const char *xml, struct om_err *err) OM_MUST_CHECK;

/* virConnectGetDomainCapabilities() */
struct om_domcaps {
	enum om_answer tpm; /* an emulated one; NOT_CHECKED: this libvirt does not tell */
};
bool om_xml_domcaps_parse(struct om_domcaps *caps, const char *xml,
			  struct om_err *err) OM_MUST_CHECK;

/* Of a <cpu> element that stands alone. */
struct om_cpu;
bool om_xml_cpu_parse(struct om_cpu **cpu, const char *xml, struct om_err *err) OM_MUST_CHECK;
void om_xml_cpu_free(struct om_cpu *cpu); /* NULL is fine */
/* malloc'ed; "" where it names none */
char *om_xml_cpu_model(const struct om_cpu *cpu);
bool om_xml_cpu_requires(const struct om_cpu *cpu, const char *feature);
/* Forgets that it disables a feature, and with one of vmx-... all of them; false: it does not. */
bool om_xml_cpu_forget(struct om_cpu *cpu, const char *feature);
char *om_xml_cpu_print(const struct om_cpu *cpu); /* malloc'ed */

#endif
