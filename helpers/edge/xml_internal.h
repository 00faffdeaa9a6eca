/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of XML documents share; only edge/xml_*.c includes this. Any thread. */
#ifndef XML_INTERNAL_H
#define XML_INTERNAL_H

#include "om_err.h"

#include <stddef.h>

struct _xmlDoc;
struct _xmlNode;

/*
 * Parses a document that must be UTF-8, have no DOCTYPE (so no entity beyond the predefined ones)
 * and the root `root`. Nothing is loaded, nothing is printed. False (OM_E_INPUT): one sentence that
 * begins with `what` ("the document on stdin"). The caller frees *doc by om_xml_free().
 */
bool om_xml_load(struct _xmlDoc **doc, const char *data, size_t len, const char *root,
		 const char *what, struct om_err *err) OM_MUST_CHECK;
void om_xml_free(struct _xmlDoc **doc);
#define OM_XML_AUTOFREE __attribute__((cleanup(om_xml_free)))

struct _xmlNode *om_xml_root(struct _xmlDoc *doc);

/* The first child element of that name and without a namespace, and the next one after `node`;
 * name NULL takes any. NULL where there is none or where `parent` is NULL. */
struct _xmlNode *om_xml_child(struct _xmlNode *parent, const char *name);
struct _xmlNode *om_xml_next(struct _xmlNode *node, const char *name);
const char *om_xml_name(const struct _xmlNode *node);
/* The first child element of that name in the namespace `space`, whatever its prefix is. */
struct _xmlNode *om_xml_child_in(struct _xmlNode *parent, const char *space, const char *name);

/* "A/B": the first A, in it the first B. */
struct _xmlNode *om_xml_find(struct _xmlNode *parent, const char *path);

/* The element's own text (plain, CDATA, references), not that of elements in it; malloc'ed and
 * never NULL: a missing element is "". */
char *om_xml_text(const struct _xmlNode *node);
/* An attribute's value, malloc'ed; "" where it or the node is missing. */
char *om_xml_attr(const struct _xmlNode *node, const char *name);
bool om_xml_attr_is(const struct _xmlNode *node, const char *name, const char *value);

/* The element as XML again, malloc'ed; "" where it is missing or would take more than `max` bytes. */
char *om_xml_print(struct _xmlNode *node, size_t max);

/* Takes an element out of its document and frees it. */
void om_xml_drop(struct _xmlNode *node);

struct om_dom;
/* xml_dom_devices.c: all that is below <devices>. The rest of `dom` has been read. */
void om_xml_dom_devices(struct om_dom *dom, struct _xmlNode *devices);

#endif
