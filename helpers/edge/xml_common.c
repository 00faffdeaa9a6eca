/* SPDX-License-Identifier: Apache-2.0 */
#include "xml_internal.h"

#include "om_text.h"
#include "om_util.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>
#include <limits.h>
#include <string.h>

#define OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA)

/* Called where a DOCTYPE begins, before anything in it is read. */
static void refuse_doctype(void *context, const xmlChar *name, const xmlChar *public_id,
			   const xmlChar *system_id)
{
	xmlParserCtxtPtr parser = context;

	(void)name;
	(void)public_id;
	(void)system_id;
	*(bool *)parser->_private = true;
	xmlStopParser(parser);
}

static size_t line_of(const char *data, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < at; i++)
		line += data[i] == '\n';
	return line;
}

/* What libxml2 does not look at, or would look at too late. */
static bool check_bytes(const char *data, size_t len, const char *what, struct om_err *err)
{
	const char *nul = memchr(data, 0, len);
	size_t good;

	if (nul)
		return om_err_set(err, OM_E_INPUT, "%s holds a NUL byte (line %zu)", what,
				  line_of(data, (size_t)(nul - data)));
	good = om_utf8_span(data, len);
	if (good < len)
		return om_err_set(err, OM_E_INPUT, "%s is not UTF-8 (line %zu)", what,
				  line_of(data, good));
	return true;
}

static xmlDocPtr parse(xmlParserCtxtPtr parser, const char *data, size_t len, const char *what,
		       struct om_err *err)
{
	bool doctype = false;
	xmlDocPtr doc;
	const xmlError *error;

	parser->_private = &doctype;
	parser->sax->internalSubset = refuse_doctype;
	parser->sax->externalSubset = NULL;
	doc = xmlCtxtReadMemory(parser, data, (int)len, NULL, "UTF-8", OPTIONS);
	if (doc && !doctype)
		return doc;
	xmlFreeDoc(doc);
	error = xmlCtxtGetLastError(parser);
	if (doctype)
		om_err_set(err, OM_E_INPUT, "%s has a DOCTYPE, which is refused", what);
	else
		om_err_set(err, OM_E_INPUT, "%s is cut off or malformed (line %d)", what,
			   error ? error->line : 0);
	return NULL;
}

bool om_xml_load(struct _xmlDoc **doc, const char *data, size_t len, const char *root,
		 const char *what, struct om_err *err)
{
	xmlParserCtxtPtr parser;
	xmlNodePtr top;

	*doc = NULL;
	if (len > INT_MAX)
		return om_err_set(err, OM_E_INPUT, "%s is too long (%zu bytes)", what, len);
	if (!check_bytes(data, len, what, err))
		return false;
	xmlInitParser();
	parser = xmlNewParserCtxt();
	if (!parser)
		return om_err_set(err, OM_E_INPUT, "%s cannot be read: libxml2 has no memory",
				  what);
	*doc = parse(parser, data, len, what, err);
	xmlFreeParserCtxt(parser);
	if (!*doc)
		return false;
	top = xmlDocGetRootElement(*doc);
	if (!top || top->ns || strcmp((const char *)top->name, root) != 0) {
		om_xml_free(doc);
		return om_err_set(err, OM_E_INPUT, "%s has no root element <%s>", what, root);
	}
	return true;
}

void om_xml_free(struct _xmlDoc **doc)
{
	xmlFreeDoc(*doc);
	*doc = NULL;
}

struct _xmlNode *om_xml_root(struct _xmlDoc *doc)
{
	return xmlDocGetRootElement(doc);
}

const char *om_xml_name(const struct _xmlNode *node)
{
	return (const char *)node->name;
}

static struct _xmlNode *this_or_next(struct _xmlNode *node, const char *name)
{
	for (; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && !node->ns &&
		    (!name || strcmp((const char *)node->name, name) == 0))
			return node;
	return NULL;
}

struct _xmlNode *om_xml_child(struct _xmlNode *parent, const char *name)
{
	return parent ? this_or_next(parent->children, name) : NULL;
}

struct _xmlNode *om_xml_next(struct _xmlNode *node, const char *name)
{
	return node ? this_or_next(node->next, name) : NULL;
}

struct _xmlNode *om_xml_child_in(struct _xmlNode *parent, const char *space, const char *name)
{
	for (xmlNodePtr node = parent ? parent->children : NULL; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
		    strcmp((const char *)node->ns->href, space) == 0 &&
		    strcmp((const char *)node->name, name) == 0)
			return node;
	return NULL;
}

struct _xmlNode *om_xml_find(struct _xmlNode *parent, const char *path)
{
	char name[64];

	while (parent && *path) {
		size_t len = strcspn(path, "/");

		if (len >= sizeof(name))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		parent = om_xml_child(parent, name);
		path += len + (path[len] == '/');
	}
	return parent;
}

char *om_xml_text(const struct _xmlNode *node)
{
	char *text = om_xstrdup("");
	size_t len = 0;

	for (const xmlNode *part = node ? node->children : NULL; part; part = part->next) {
		size_t more;

		if ((part->type != XML_TEXT_NODE && part->type != XML_CDATA_SECTION_NODE) ||
		    !part->content)
			continue;
		more = strlen((const char *)part->content);
		text = om_xrealloc(text, len + more + 1);
		memcpy(text + len, part->content, more + 1);
		len += more;
	}
	return text;
}

char *om_xml_attr(const struct _xmlNode *node, const char *name)
{
	xmlChar *value = node ? xmlGetNoNsProp((xmlNodePtr)node, (const xmlChar *)name) : NULL;
	char *text = om_xstrdup(value ? (const char *)value : "");

	xmlFree(value);
	return text;
}

bool om_xml_attr_is(const struct _xmlNode *node, const char *name, const char *value)
{
	OM_AUTOFREE char *text = om_xml_attr(node, name);

	return strcmp(text, value) == 0;
}

char *om_xml_print(struct _xmlNode *node, size_t max)
{
	xmlBufferPtr buffer = node ? xmlBufferCreate() : NULL;
	char *text = NULL;
	int len;

	if (!buffer)
		return om_xstrdup("");
	len = xmlNodeDump(buffer, node->doc, node, 0, 0);
	if (len > 0 && (size_t)len <= max)
		text = om_xstrndup((const char *)xmlBufferContent(buffer), (size_t)len);
	xmlBufferFree(buffer);
	return text ? text : om_xstrdup("");
}

void om_xml_drop(struct _xmlNode *node)
{
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}
