/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_caps.h"
#include "om_util.h"

#include <string.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static void the_host_s_uuid_and_cpu_are_read(void **unused)
{
	static const struct {
		const char *xml, *uuid, *model;
	} rows[] = {
		{ "<capabilities><host><uuid>" UUID
		  "</uuid><cpu><arch>x86_64</arch><model>EPYC-Rome"
		  "</model><vendor>AMD</vendor></cpu></host><guest><uuid>no</uuid></guest>"
		  "</capabilities>",
		  UUID, "EPYC-Rome" },
		{ "<capabilities><host><uuid>\n " UUID " </uuid><cpu><arch>aarch64</arch></cpu>"
		  "</host></capabilities>",
		  UUID, "" },
		{ "<capabilities><guest><uuid>no</uuid></guest></capabilities>", "", "" },
		{ "<capabilities><host><uuid>" UUID "0</uuid><cpu><model>"
		  "0123456789012345678901234567890123456789012345678901234567890123</model></cpu>"
		  "</host></capabilities>",
		  "", "" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_caps caps;
		struct om_err err;

		assert_true(om_xml_caps_parse(&caps, rows[i].xml, &err));
		assert_string_equal(caps.host_uuid, rows[i].uuid);
		assert_string_equal(caps.cpu_model, rows[i].model);
	}
}

#define TPM(inside) "<domainCapabilities><devices>" inside "</devices></domainCapabilities>"
#define BACKENDS(values)                                                                           \
	"<enum name='model'><value>emulator</value></enum><enum name='backendModel'>" values       \
	"</enum>"

static void an_emulated_tpm_is_known_where_libvirt_lists_it(void **unused)
{
	static const struct {
		const char *xml;
		enum om_answer tpm;
	} rows[] = {
		{ TPM(""), OM_ANSWER_NOT_CHECKED },
		{ TPM("<tpm/>"), OM_ANSWER_NOT_CHECKED },
		{ TPM("<tpm supported='no'/>"), OM_ANSWER_NO },
		{ TPM("<tpm supported='yes'>" BACKENDS("<value>passthrough</value>") "</tpm>"),
		  OM_ANSWER_NO },
		{ TPM("<tpm supported='yes'>" BACKENDS(
			  "<value>passthrough</value><value>emulator</value>") "</tpm>"),
		  OM_ANSWER_YES },
		{ "<domainCapabilities/>", OM_ANSWER_NOT_CHECKED },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_domcaps caps;
		struct om_err err;

		assert_true(om_xml_domcaps_parse(&caps, rows[i].xml, &err));
		if (caps.tpm != rows[i].tpm)
			fail_msg("row %zu: %d", i, caps.tpm);
	}
}

#define CPU                                                                                        \
	"<cpu mode='custom'><model fallback='forbid'> qemu64\n</model>"                            \
	"<feature policy='require' name='aes'/><feature policy='disable' name='vmx-b'/>"           \
	"<feature policy='disable' name='vmx-a'/><feature policy='require' name='vmx-c'/>"         \
	"<feature policy='disable' name='avx'/></cpu>"

static void a_cpu_s_model_and_features_are_read(void **unused)
{
	OM_AUTOFREE char *model = NULL;
	struct om_cpu *cpu;
	struct om_err err;

	(void)unused;
	assert_true(om_xml_cpu_parse(&cpu, CPU, &err));
	model = om_xml_cpu_model(cpu);
	assert_string_equal(model, "qemu64");
	assert_true(om_xml_cpu_requires(cpu, "aes"));
	assert_false(om_xml_cpu_requires(cpu, "avx"));
	assert_false(om_xml_cpu_requires(cpu, "sse"));
	om_xml_cpu_free(cpu);
	om_xml_cpu_free(NULL);
	assert_false(om_xml_cpu_parse(&cpu, "<domain/>", &err));
	assert_null(cpu);
}

static void a_disabled_feature_can_be_forgotten_and_those_of_vmx_together(void **unused)
{
	static const struct {
		const char *feature, *left;
	} rows[] = {
		{ "vmx-a", "<feature policy=\"require\" name=\"aes\"/><feature policy=\"require\" "
			   "name=\"vmx-c\"/><feature policy=\"disable\" name=\"avx\"/></cpu>" },
		{ "avx", "<feature policy=\"require\" name=\"aes\"/><feature policy=\"disable\" "
			 "name=\"vmx-b\"/><feature policy=\"disable\" name=\"vmx-a\"/><feature "
			 "policy=\"require\" name=\"vmx-c\"/></cpu>" },
		{ "aes", NULL },
		{ "sse", NULL },
		{ "", NULL },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_cpu *cpu;
		struct om_err err;

		assert_true(om_xml_cpu_parse(&cpu, CPU, &err));
		assert_int_equal(om_xml_cpu_forget(cpu, rows[i].feature), rows[i].left != NULL);
		if (rows[i].left) {
			OM_AUTOFREE char *xml = om_xml_cpu_print(cpu);

			assert_non_null(strstr(xml, "</model>"));
			assert_string_equal(strstr(xml, "</model>") + 8, rows[i].left);
		}
		om_xml_cpu_free(cpu);
	}
}

static void a_document_of_another_kind_is_refused(void **unused)
{
	static const char *const documents[] = { "", "<host/>", "<capabilities><host>", "no",
						 "<!DOCTYPE x><capabilities/>" };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(documents); i++) {
		struct om_domcaps domcaps;
		struct om_caps caps;
		struct om_err err = { 0 };

		assert_false(om_xml_caps_parse(&caps, documents[i], &err));
		assert_int_equal(err.code, OM_E_INPUT);
		assert_string_equal(caps.host_uuid, "");
		assert_false(om_xml_domcaps_parse(&domcaps, documents[i], &err));
		assert_int_equal(domcaps.tpm, OM_ANSWER_NOT_CHECKED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_s_uuid_and_cpu_are_read),
		cmocka_unit_test(an_emulated_tpm_is_known_where_libvirt_lists_it),
		cmocka_unit_test(a_cpu_s_model_and_features_are_read),
		cmocka_unit_test(a_disabled_feature_can_be_forgotten_and_those_of_vmx_together),
		cmocka_unit_test(a_document_of_another_kind_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
