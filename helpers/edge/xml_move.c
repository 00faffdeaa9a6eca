/* SPDX-License-Identifier: Apache-2.0 */
/* What a move of a running VM's disks reads from the domain's XML, and writes into parts of it. */
#include "om_move_host.h"

#include "xml_internal.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#define WHAT "the domain's XML"
#define AS_IT_IS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
#define PART_MAX (1u << 20)

void om_move_xml_disks_free(struct om_move_xml_disk *disks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(disks[i].target);
		free(disks[i].source);
		free(disks[i].mirror);
		om_strv_free(&disks[i].formats);
	}
	free(disks);
}

static char *path_of(struct _xmlNode *node)
{
	struct _xmlNode *source = om_xml_child(node, "source");
	OM_AUTOFREE char *file = om_xml_attr(source, "file");

	return *file ? om_xstrdup(file) : om_xml_attr(source, "dev");
}

static void read_formats(struct om_strv *formats, struct _xmlNode *node)
{
	while ((node = om_xml_child(node, "backingStore"))) {
		OM_AUTOFREE char *format = om_xml_attr(om_xml_child(node, "format"), "type");
		OM_AUTOFREE char *path = path_of(node);

		if (*path)
			om_strv_add(formats, format);
	}
}

static void read_disk(struct om_move_xml_disk *disk, struct _xmlNode *node)
{
	struct _xmlNode *mirror = om_xml_child(node, "mirror");

	*disk = (struct om_move_xml_disk){
		.target = om_xml_attr(om_xml_child(node, "target"), "dev"),
		.source = path_of(node),
		.mirror = path_of(mirror),
		.job = mirror != NULL,
		.ready = om_xml_attr_is(mirror, "ready", "yes"),
	};
	read_formats(&disk->formats, node);
}

static bool load(struct _xmlDoc **doc, const char *xml, struct om_err *err)
{
	size_t len = strlen(xml);

	if (len > OM_DOM_MAX_BYTES)
		return om_err_set(err, OM_E_INPUT, WHAT " is longer than %u bytes",
				  OM_DOM_MAX_BYTES);
	return om_xml_load(doc, xml, len, "domain", WHAT, err);
}

bool om_xml_move_disks(const char *xml, struct om_move_xml_disk **disks, size_t *count,
		       struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *node;

	*disks = NULL;
	*count = 0;
	if (!load(&doc, xml, err))
		return false;
	for (node = om_xml_child(om_xml_child(om_xml_root(doc), "devices"), "disk"); node;
	     node = om_xml_next(node, "disk")) {
		*disks = om_xrealloc(*disks, (*count + 1) * sizeof(**disks));
		read_disk(&(*disks)[(*count)++], node);
	}
	return true;
}

static void add_path(struct om_strv *paths, char *text)
{
	char *path = om_str_strip(text);

	if (*path == '/' && path[1])
		om_strv_add(paths, path);
}

static void gather_paths(struct om_strv *paths, xmlNodePtr node)
{
	for (; node; node = node->next) {
		OM_AUTOFREE char *text = NULL;

		if (node->type != XML_ELEMENT_NODE)
			continue;
		for (xmlAttrPtr attr = node->properties; attr; attr = attr->next) {
			OM_AUTOFREE char *value = om_xml_attr(node, (const char *)attr->name);

			add_path(paths, value);
		}
		text = om_xml_text(node);
		add_path(paths, text);
		gather_paths(paths, node->children);
	}
}

/* What is in the metadata is words about the VM, and none of its files. */
bool om_xml_move_paths(const char *xml, struct om_strv *paths, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *metadata;

	if (!load(&doc, xml, err))
		return false;
	metadata = om_xml_child(om_xml_root(doc), "metadata");
	if (metadata)
		om_xml_drop(metadata);
	gather_paths(paths, om_xml_root(doc));
	return true;
}

static bool print(char **text, struct _xmlNode *node, struct om_err *err)
{
	*text = om_xml_print(node, PART_MAX);
	return **text || om_err_set(err, OM_E_SOURCE, WHAT " cannot be written");
}

/* OpenNebula's scripts look for the CDATA section, so what is not changed is kept to the byte. */
static void put_text(xmlNodePtr node, const char *text)
{
	bool cdata = !node->children || node->children->type == XML_CDATA_SECTION_NODE;
	xmlNodePtr made = cdata ? xmlNewCDataBlock(node->doc, (const xmlChar *)text,
						   (int)strlen(text))
				: xmlNewDocText(node->doc, (const xmlChar *)text);

	xmlNodeSetContent(node, NULL);
	xmlAddChild(node, made);
}

bool om_xml_move_metadata(const char *vm, const char *dir, char **changed, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *checked = NULL;
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *child;

	*changed = NULL;
	if (!om_xml_load(&checked, vm, strlen(vm), "vm", "the domain's metadata", err))
		return false;
	doc = xmlReadMemory(vm, (int)strlen(vm), NULL, "UTF-8", AS_IT_IS);
	child = doc ? om_xml_child(om_xml_root(doc), "system_datastore") : NULL;
	if (!child)
		return om_err_set(err, OM_E_SOURCE,
				  "the domain's metadata has no one:system_datastore");
	put_text(child, dir);
	return print(changed, om_xml_root(doc), err);
}

static struct _xmlNode *find_disk(struct _xmlDoc *doc, const char *target)
{
	struct _xmlNode *node = om_xml_child(om_xml_child(om_xml_root(doc), "devices"), "disk");

	while (node && !om_xml_attr_is(om_xml_child(node, "target"), "dev", target))
		node = om_xml_next(node, "disk");
	return node;
}

bool om_xml_move_media(const char *xml, const char *target, const char *path, char **disk,
		       struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *node, *source, *below;

	*disk = NULL;
	if (!load(&doc, xml, err))
		return false;
	node = find_disk(doc, target);
	source = om_xml_child(node, "source");
	if (!source)
		return om_err_set(err, OM_E_SOURCE, "drive %s has no medium", target);
	while ((below = om_xml_child(node, "backingStore")))
		om_xml_drop(below);
	xmlUnsetProp(source, (const xmlChar *)"index");
	xmlSetProp(source, (const xmlChar *)"file", (const xmlChar *)path);
	return print(disk, node, err);
}
