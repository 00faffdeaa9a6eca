/* SPDX-License-Identifier: Apache-2.0 */
#include "om_hook.h"

#include "om_base64.h"
#include "xml_internal.h"

#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#define ONE_NAMESPACE "http://opennebula.org/xmlns/libvirt/1.0"

/* The text of a child, without blanks around it, and its unit. */
static char *value_of(struct _xmlNode *root, const char *name)
{
	struct _xmlNode *node = om_xml_child(root, name);
	OM_AUTOFREE char *text = om_xml_text(node);
	OM_AUTOFREE char *unit = om_xml_attr(node, "unit");

	return om_xasprintf("%s%s%s", om_str_strip(text), *unit ? " " : "", unit);
}

/* <one:vm> of <metadata>; its namespace counts, not its prefix. */
static bool has_one(struct _xmlNode *root)
{
	struct _xmlNode *metadata = om_xml_child(root, "metadata");

	for (const xmlNode *node = metadata ? metadata->children : NULL; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && node->ns &&
		    strcmp((const char *)node->ns->href, ONE_NAMESPACE) == 0 &&
		    strcmp((const char *)node->name, "vm") == 0)
			return true;
	return false;
}

bool om_xml_hook_read(struct om_hook_xml *facts, const char *xml, size_t len, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *root;

	*facts = (struct om_hook_xml){ 0 };
	if (!om_xml_load(&doc, xml, len, "domain", "the domain XML that the hooks wrote", err))
		return false;
	root = om_xml_root(doc);
	facts->uuid = value_of(root, "uuid");
	facts->name = value_of(root, "name");
	facts->memory = value_of(root, "memory");
	facts->vcpus = value_of(root, "vcpu");
	facts->one = has_one(root);
	return true;
}

static bool print_vm(char **vm, const char *xml, size_t len, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *node;
	xmlBufferPtr buffer;

	if (!om_xml_load(&doc, xml, len, "VMM_DRIVER_ACTION_DATA", "the document on stdin", err))
		return false;
	node = om_xml_child(om_xml_root(doc), "VM");
	buffer = xmlBufferCreate();
	if (!node || !buffer || xmlNodeDump(buffer, doc, node, 0, 0) < 0) {
		xmlBufferFree(buffer);
		return om_err_set(err, OM_E_INPUT, "the document on stdin has no VM to print");
	}
	*vm = om_xasprintf("%s\n", (const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return true;
}

bool om_xml_req_vm(char **vm, const char *document, size_t len, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;
	size_t blanks = 0, xml_len, bad_at;

	while (blanks < len && strchr(" \t\r\n", document[blanks]))
		blanks++;
	if (blanks == len || document[blanks] == '<')
		return print_vm(vm, document, len, err);
	len -= blanks + (document[len - 1] == '\n');
	if (!om_base64_decode(document + blanks, len, &xml, &xml_len, &bad_at))
		return om_err_set(err, OM_E_INPUT, "the document on stdin is no base64");
	return print_vm(vm, xml, xml_len, err);
}
