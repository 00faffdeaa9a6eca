/* SPDX-License-Identifier: Apache-2.0 */
#include "om_caps.h"

#include "xml_internal.h"

#include "om_util.h"

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

bool om_xml_cpu_model(char *name, size_t size, const char *xml, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;

	if (!om_xml_load(&doc, xml, strlen(xml), "cpu", "the CPU", err))
		return false;
	read_text(name, size, om_xml_child(om_xml_root(doc), "model"));
	return true;
}
