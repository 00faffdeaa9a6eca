/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in the root of the repository: the sample documents are in tests/golden/req. */
#include "om_cmocka.h"

#include "om_hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE(prefix)                                                                                \
	"<metadata><" prefix ":vm xmlns:" prefix "=\"http://opennebula.org/xmlns/libvirt/1.0\">"   \
	"<" prefix ":name>x</" prefix ":name></" prefix ":vm></metadata>"
#define DOMAIN(metadata)                                                                           \
	"<domain type='kvm'>\n  <name>one-31</name>\n<uuid>85b4</uuid>"                            \
	"<memory unit='KiB'> 262144 </memory><currentMemory>1</currentMemory>"                     \
	"<vcpu placement='static'>2</vcpu>" metadata "</domain>\n"

static bool read_facts(struct om_hook_xml *facts, const char *xml, struct om_err *err)
{
	return om_xml_hook_read(facts, xml, strlen(xml), err);
}

static void what_must_stay_is_read(void **unused)
{
	struct om_hook_xml facts;
	struct om_err err;

	(void)unused;
	assert_true(read_facts(&facts, DOMAIN(ONE("one")), &err));
	assert_string_equal(facts.uuid, "85b4");
	assert_string_equal(facts.name, "one-31");
	assert_string_equal(facts.memory, "262144 KiB");
	assert_string_equal(facts.vcpus, "2");
	assert_true(facts.one);
	om_hook_xml_free(&facts);
}

static void the_namespace_of_the_metadata_counts_not_its_prefix(void **unused)
{
	static const char *const without[] = {
		DOMAIN(""),
		DOMAIN("<metadata/>"),
		DOMAIN("<metadata><one:vm xmlns:one=\"http://example.org/\"/></metadata>"),
		DOMAIN("<metadata><vm/></metadata>"),
	};
	struct om_hook_xml facts;
	struct om_err err;

	(void)unused;
	assert_true(read_facts(&facts, DOMAIN(ONE("n0")), &err));
	assert_true(facts.one);
	om_hook_xml_free(&facts);
	for (size_t i = 0; i < OM_ARRAY_LEN(without); i++) {
		assert_true(read_facts(&facts, without[i], &err));
		assert_false(facts.one);
		om_hook_xml_free(&facts);
	}
}

static void what_is_no_domain_is_refused(void **unused)
{
	static const char *const bad[] = {
		"",
		"\n",
		"<domain>",
		"<VM/>",
		"text",
		"<!DOCTYPE domain [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><domain>&x;</domain>",
		"<domain/><domain/>",
	};
	struct om_hook_xml facts;
	struct om_err err;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++) {
		if (read_facts(&facts, bad[i], &err))
			fail_msg("%s", bad[i]);
		assert_non_null(strstr(err.msg, "the domain XML that the hooks wrote"));
	}
	assert_false(om_xml_hook_read(&facts, "<domain>\0</domain>", 18, &err));
}

static char *read_sample(const char *name, size_t *len)
{
	OM_AUTOFREE char *path = om_xasprintf("tests/golden/req/%s", name);
	FILE *file = fopen(path, "r");
	char *text = om_xcalloc(1, 65536);

	if (!file)
		fail_msg("%s is missing", path);
	*len = fread(text, 1, 65535, file);
	fclose(file);
	return text;
}

static void the_vm_is_printed_and_nothing_of_the_datastore(void **unused)
{
	static const char xml[] = "<VMM_DRIVER_ACTION_DATA><HOST>a</HOST><VM><ID>31</ID><NAME>"
				  "<![CDATA[<&\303\244]]></NAME></VM><DATASTORE><TEMPLATE>"
				  "<CEPH_SECRET>hidden</CEPH_SECRET></TEMPLATE></DATASTORE>"
				  "</VMM_DRIVER_ACTION_DATA>";
	OM_AUTOFREE char *vm = NULL, *sample = NULL, *document = NULL;
	struct om_err err;
	size_t len;

	(void)unused;
	assert_true(om_xml_req_vm(&vm, xml, sizeof(xml) - 1, &err));
	assert_string_equal(vm, "<VM><ID>31</ID><NAME>&lt;&amp;\303\244</NAME></VM>\n");
	document = read_sample("shared-7.4.xml", &len);
	assert_true(om_xml_req_vm(&sample, document, len, &err));
	assert_true(om_str_starts(sample, "<VM>"));
	assert_null(strstr(sample, "BASE_PATH"));
	assert_null(strstr(sample, "MIGR_HOST"));
}

/* As migrate_local gets it. */
static void base64_will_do(void **unused)
{
	static const char text[] =
		"PFZNTV9EUklWRVJfQUNUSU9OX0RBVEE+PFZNPjE8L1ZNPjwvVk1NX0RSSVZFUl9BQ1"
		"RJT05fREFUQT4=\n";
	OM_AUTOFREE char *vm = NULL;
	struct om_err err;

	(void)unused;
	assert_true(om_xml_req_vm(&vm, text, sizeof(text) - 1, &err));
	assert_string_equal(vm, "<VM>1</VM>\n");
	assert_false(om_xml_req_vm(&vm, "%%%", 3, &err));
	assert_false(om_xml_req_vm(&vm, "<VMM_DRIVER_ACTION_DATA/>", 25, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_stay_is_read),
		cmocka_unit_test(the_namespace_of_the_metadata_counts_not_its_prefix),
		cmocka_unit_test(what_is_no_domain_is_refused),
		cmocka_unit_test(the_vm_is_printed_and_nothing_of_the_datastore),
		cmocka_unit_test(base64_will_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
