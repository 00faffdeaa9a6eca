/* SPDX-License-Identifier: Apache-2.0 */
#include "om_caps.h"

#include "xml_internal.h"

#include "om_util.h"

#include <stdlib.h>
#include <string.h>

static void read_text(char *to, size_t size, struct _xmlNode *node)
{
	OM_AUTOFREE char *raw = om_xml_text(node);

	if (!om_str_copy(to, size, om_str_strip(raw)))
		*to = '\0';
}

bool om_xml_caps_parse(struct om_caps *caps, const char *xml, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *host;

	*caps = (struct om_caps){ 0 };
	if (!om_xml_load(&doc, xml, strlen(xml), "capabilities", "what libvirt says of the host",
			 err))
		return false;
	host = om_xml_child(om_xml_root(doc), "host");
	read_text(caps->host_uuid, sizeof(caps->host_uuid), om_xml_child(host, "uuid"));
	read_text(caps->cpu_model, sizeof(caps->cpu_model), om_xml_find(host, "cpu/model"));
	return true;
}

/* <enum name="..."><value>...</value></enum> */
static bool enum_has(struct _xmlNode *parent, const char *name, const char *value)
{
	for (struct _xmlNode *node = om_xml_child(parent, "enum"); node;
	     node = om_xml_next(node, "enum")) {
		if (!om_xml_attr_is(node, "name", name))
			continue;
		for (struct _xmlNode *item = om_xml_child(node, "value"); item;
		     item = om_xml_next(item, "value")) {
			OM_AUTOFREE char *text = om_xml_text(item);

			if (strcmp(text, value) == 0)
				return true;
		}
	}
	return false;
}

static enum om_answer read_tpm(struct _xmlNode *tpm)
{
	if (om_xml_attr_is(tpm, "supported", "no"))
		return OM_ANSWER_NO;
	if (!om_xml_attr_is(tpm, "supported", "yes"))
		return OM_ANSWER_NOT_CHECKED;
	/* libvirt lists it where swtpm is installed. */
	return enum_has(tpm, "backendModel", "emulator") ? OM_ANSWER_YES : OM_ANSWER_NO;
}

bool om_xml_domcaps_parse(struct om_domcaps *caps, const char *xml, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;

	*caps = (struct om_domcaps){ 0 };
	if (!om_xml_load(&doc, xml, strlen(xml), "domainCapabilities",
			 "what libvirt says of the emulator", err))
		return false;
	caps->tpm = read_tpm(om_xml_find(om_xml_root(doc), "devices/tpm"));
	return true;
}

/* ---- one <cpu> ---- */

struct om_cpu {
	struct _xmlDoc *doc;
};

static struct _xmlNode *first_feature(const struct om_cpu *cpu)
{
	return om_xml_child(om_xml_root(cpu->doc), "feature");
}

bool om_xml_cpu_parse(struct om_cpu **cpu, const char *xml, struct om_err *err)
{
	*cpu = om_xcalloc(1, sizeof(**cpu));
	if (om_xml_load(&(*cpu)->doc, xml, strlen(xml), "cpu", "the CPU", err))
		return true;
	om_xml_cpu_free(*cpu);
	*cpu = NULL;
	return false;
}

void om_xml_cpu_free(struct om_cpu *cpu)
{
	if (cpu)
		om_xml_free(&cpu->doc);
	free(cpu);
}

char *om_xml_cpu_model(const struct om_cpu *cpu)
{
	OM_AUTOFREE char *raw = om_xml_text(om_xml_child(om_xml_root(cpu->doc), "model"));

	return om_xstrdup(om_str_strip(raw));
}

bool om_xml_cpu_requires(const struct om_cpu *cpu, const char *feature)
{
	for (struct _xmlNode *node = first_feature(cpu); node; node = om_xml_next(node, "feature"))
		if (om_xml_attr_is(node, "name", feature))
			return om_xml_attr_is(node, "policy", "require");
	return false;
}

static bool is_meant(const struct _xmlNode *node, const char *feature)
{
	OM_AUTOFREE char *name = om_xml_attr(node, "name");

	return om_xml_attr_is(node, "policy", "disable") &&
	       (strcmp(name, feature) == 0 ||
		(om_str_starts(feature, "vmx-") && om_str_starts(name, "vmx-")));
}

bool om_xml_cpu_forget(struct om_cpu *cpu, const char *feature)
{
	bool any = false;

	for (struct _xmlNode *node = first_feature(cpu), *next; node; node = next) {
		next = om_xml_next(node, "feature");
		if (!is_meant(node, feature))
			continue;
		om_xml_drop(node);
		any = true;
	}
	return any;
}

char *om_xml_cpu_print(const struct om_cpu *cpu)
{
	return om_xml_print(om_xml_root(cpu->doc), SIZE_MAX);
}
