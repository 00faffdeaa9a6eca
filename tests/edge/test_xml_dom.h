/* SPDX-License-Identifier: Apache-2.0 */
/* Samples in, facts out. Runs in the root of the repository: the samples are in tests/fuzz/corpus/dom. */
#ifndef OM_TEST_XML_DOM_H
#define OM_TEST_XML_DOM_H

#include "om_cmocka.h"

#include "om_dom.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define HEAD "<domain><name>n</name><uuid>u</uuid>"
#define MIN HEAD "<memory>1</memory>"

static inline void parse(struct om_dom *dom, const char *xml)
{
	struct om_err err = { 0 };

	if (!om_xml_dom_parse(dom, xml, &err))
		fail_msg("%s", err.msg);
}

/* malloc'ed */
static inline char *read_sample(const char *name)
{
	OM_AUTOFREE char *path = om_xasprintf("tests/fuzz/corpus/dom/%s", name);
	char *xml = om_xcalloc(1, 16384);
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(xml, 1, 16383, file);
	fclose(file);
	assert_true(len > 1000 && len < 16383);
	return xml;
}

static inline void parse_sample(struct om_dom *dom, const char *name)
{
	OM_AUTOFREE char *xml = read_sample(name);

	parse(dom, xml);
}

/* A text that no row names is expected to be empty. */
static inline void expect_text(const char *text, const char *expected)
{
	assert_non_null(text);
	assert_string_equal(text, expected ? expected : "");
}

#endif
