/* SPDX-License-Identifier: Apache-2.0 */
/* The domain itself, and what a NO to its CPU is worth. */
#include "test_xml_dom.h"

static void a_vm_of_opennebula_is_read_in_full(void **unused)
{
	struct om_dom dom;

	(void)unused;
	parse_sample(&dom, "opennebula.xml");
	expect_text(dom.virt_type, "kvm");
	expect_text(dom.machine, "pc-q35-10.0");
	expect_text(dom.loader, "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd");
	expect_text(dom.nvram, "/var/lib/one/datastores/0/31/nvram.fd");
	expect_text(dom.nvram_template, "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
	expect_text(dom.kernel, "/var/lib/one/datastores/0/31/kernel");
	expect_text(dom.initrd, "/var/lib/one/datastores/0/31/initrd");
	expect_text(dom.vm_dir, "/var/lib/one//datastores/0/31");
	expect_text(dom.cpu_mode, "custom");
	expect_text(dom.cpu_check, "full");
	assert_true(om_str_starts(dom.cpu, "<cpu mode=\"custom\" match=\"exact\" check=\"full\">"));
	assert_non_null(strstr(dom.cpu, "<feature policy=\"disable\" name=\"avx512f\"/>"));
	assert_string_equal(dom.cpu + strlen(dom.cpu) - 6, "</cpu>");
	assert_int_equal(dom.huge_page_kib, 1 << 20);
	assert_true(dom.numa_strict && dom.invtsc && dom.tsc_frequency && dom.has_tpm);
	assert_false(dom.cpu_strict);
	om_dom_free(&dom);
}

/* What libvirt 11.3 prints of a running guest. */
static void a_running_guest_of_the_lab_is_read_in_full(void **unused)
{
	struct om_dom dom;

	(void)unused;
	parse_sample(&dom, "lab-guest.xml");
	expect_text(dom.virt_type, "qemu");
	expect_text(dom.arch, "x86_64");
	expect_text(dom.machine, "pc-q35-7.2");
	expect_text(dom.kernel, "/usr/share/onemigrate-lab/vmlinuz");
	expect_text(dom.vm_dir, "/var/lib/one/datastores/0/31");
	expect_text(dom.cpu_check, "full");
	assert_non_null(strstr(dom.cpu, ">EPYC-Rome<"));
	assert_int_equal(dom.disk_count, 2);
	expect_text(dom.disks[0].source, "/var/lib/one/datastores/0/31/disk.0");
	expect_text(dom.disks[0].cache, "writeback");
	assert_int_equal(dom.disks[0].chain.n, 0);
	assert_true(dom.disks[1].cdrom && dom.disks[1].readonly);
	assert_int_equal(dom.nic_count, 1);
	expect_text(dom.nics[0].source, "onebr");
	assert_int_equal(dom.graphics_count, 1);
	expect_text(dom.graphics[0].listen, "10.77.0.11");
	assert_int_equal(dom.graphics[0].port[0], 5931);
	assert_true(dom.has_guest_agent && !dom.has_hostdev && !dom.has_tpm);
	om_dom_free(&dom);
}

static void the_directory_is_opennebula_s_word_alone(void **unused)
{
	static const struct {
		const char *metadata, *vm_dir;
	} rows[] = {
		{ "<m:vm xmlns:m='http://opennebula.org/xmlns/libvirt/1.0'><m:system_datastore>/d"
		  "</m:system_datastore></m:vm>",
		  "/d" },
		{ "<vm xmlns='http://opennebula.org/xmlns/libvirt/1.0'><system_datastore> /d"
		  "\n</system_datastore></vm>",
		  "/d" },
		{ "<one:vm xmlns:one='u'><one:system_datastore>/d</one:system_datastore></one:vm>",
		  "" },
		{ "<vm><system_datastore>/d</system_datastore></vm>", "" },
		{ "<m:vm xmlns:m='http://opennebula.org/xmlns/libvirt/1.0'><system_datastore>/d"
		  "</system_datastore></m:vm>",
		  "" },
		{ "", "" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "<metadata>%s</metadata></domain>",
						     rows[i].metadata);
		struct om_dom dom;

		parse(&dom, xml);
		expect_text(dom.vm_dir, rows[i].vm_dir);
		om_dom_free(&dom);
	}
}

static void nvram_is_a_path_or_a_source(void **unused)
{
	static const struct {
		const char *os, *nvram;
	} rows[] = {
		{ "<nvram>/n</nvram>", "/n" },
		{ "<nvram type='file'><source file='/n'/></nvram>", "/n" },
		{ "<nvram type='block'>\n<source dev='/n'/></nvram>", "/n" },
		{ "<nvram type='network'>\n<source protocol='iscsi' name='n'/></nvram>", "" },
		{ "<nvram template='/t'/>", "" },
		{ "", "" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "<os>%s</os></domain>", rows[i].os);
		struct om_dom dom;

		parse(&dom, xml);
		expect_text(dom.nvram, rows[i].nvram);
		om_dom_free(&dom);
	}
}

static void what_memory_and_processors_are_bound_to_is_read(void **unused)
{
	static const struct {
		const char *xml;
		uint64_t huge_page_kib;
		bool strict, pinned;
	} rows[] = {
		{ "", 0, false, false },
		{ "<memoryBacking><locked/></memoryBacking>", 0, false, false },
		{ "<memoryBacking><hugepages/></memoryBacking>", 1, false, false },
		{ "<memoryBacking><hugepages><page/></hugepages></memoryBacking>", 1, false,
		  false },
		{ "<memoryBacking><hugepages><page size='2' unit='M'/><page size='4'/></hugepages>"
		  "</memoryBacking>",
		  2048, false, false },
		{ "<numatune><memory mode='strict' nodeset='0'/></numatune>", 0, true, false },
		{ "<numatune><memory nodeset='0'/></numatune>", 0, true, false },
		{ "<numatune><memory mode='interleave' nodeset='0'/></numatune>", 0, false, false },
		{ "<numatune><memory mode='preferred'/><memnode mode='preferred'/>"
		  "<memnode mode='strict'/></numatune>",
		  0, true, false },
		{ "<numatune/>", 0, false, false },
		{ "<vcpu cpuset='0-3'>2</vcpu><cputune><shares>1024</shares></cputune>", 0, false,
		  false },
		{ "<cputune><vcpupin vcpu='0' cpuset='4'/></cputune>", 0, false, true },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "%s</domain>", rows[i].xml);
		struct om_dom dom;

		parse(&dom, xml);
		assert_int_equal(dom.huge_page_kib, rows[i].huge_page_kib);
		assert_int_equal(dom.numa_strict, rows[i].strict);
		assert_int_equal(dom.pinned_cpus, rows[i].pinned);
		om_dom_free(&dom);
	}
}

static void memory_has_units(void **unused)
{
	static const struct {
		const char *memory;
		uint64_t kib;
	} rows[] = {
		{ "<memory>5</memory>", 5 },
		{ "<memory unit='KiB'> 8 </memory>", 8 },
		{ "<memory unit='bytes'>4096</memory>", 4 },
		{ "<memory unit='KB'>1024</memory>", 1000 },
		{ "<memory unit='MiB'>2</memory>", 2048 },
		{ "<memory unit='GiB'>1</memory>", 1 << 20 },
		{ "<memory unit='TiB'>1</memory>", 1 << 30 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(HEAD "%s</domain>", rows[i].memory);
		struct om_dom dom;

		parse(&dom, xml);
		assert_int_equal(dom.memory_kib, rows[i].kib);
		om_dom_free(&dom);
	}
}

static void what_the_cpu_demands_is_read(void **unused)
{
	static const struct {
		const char *xml;
		bool strict, invtsc, frequency;
	} rows[] = {
		{ "", false, false, false },
		{ "<cpu mode='host-passthrough' check='none'/>", false, false, false },
		{ "<cpu match='strict'><model>m</model></cpu>", true, false, false },
		{ "<cpu match='exact'><feature policy='forbid' name='f'/></cpu>", true, false,
		  false },
		{ "<cpu><feature policy='disable' name='invtsc'/></cpu>", false, false, false },
		{ "<cpu><feature policy='require' name='f'/><feature policy='require' "
		  "name='invtsc'/></cpu><clock><timer name='tsc'/></clock>",
		  false, true, false },
		{ "<clock><timer name='tsc' frequency='0'/><timer name='x' frequency='1'/></clock>",
		  false, false, false },
		{ "<clock><timer name='tsc' frequency='1'/></clock>", false, false, true },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "%s</domain>", rows[i].xml);
		struct om_dom dom;

		parse(&dom, xml);
		assert_int_equal(dom.cpu_strict, rows[i].strict);
		assert_int_equal(dom.invtsc, rows[i].invtsc);
		assert_int_equal(dom.tsc_frequency, rows[i].frequency);
		om_dom_free(&dom);
	}
}

static void a_cpu_without_end_is_left_out(void **unused)
{
	OM_AUTOFREE char *name = om_xcalloc(1, 40000);
	OM_AUTOFREE char *xml = NULL;
	struct om_dom dom;

	(void)unused;
	memset(name, 'x', 39999);
	xml = om_xasprintf(MIN "<cpu mode='custom'><model>%s</model></cpu></domain>", name);
	parse(&dom, xml);
	expect_text(dom.cpu, "");
	expect_text(dom.cpu_mode, "custom");
	om_dom_free(&dom);
}

static void a_foreign_namespace_does_not_count(void **unused)
{
	struct om_dom dom;

	(void)unused;
	parse(&dom, "<domain xmlns:o='u'><o:uuid>wrong</o:uuid><name>n</name><uuid>u</uuid>"
		    "<memory>1</memory><o:devices><tpm/></o:devices></domain>");
	assert_string_equal(dom.uuid, "u");
	assert_false(dom.has_tpm);
	assert_int_equal(dom.disk_count, 0);
	om_dom_free(&dom);
}

#define MISSING                                                                                    \
	"the CPU is incompatible with host CPU: Host CPU does not provide required features: "

static void a_no_to_the_cpu_counts_only_where_it_is_certain(void **unused)
{
	static const struct {
		const char *mode, *check, *why;
		bool strict, refused;
		enum om_answer source;
	} rows[] = {
		{ "custom", "full", MISSING "avx512f", false, true, OM_ANSWER_YES },
		{ "custom", "full", MISSING "avx512f, ht", false, true, OM_ANSWER_YES },
		{ "custom", "full", MISSING "ht, topoext", false, false, OM_ANSWER_YES },
		{ "custom", "full", MISSING "avx512f", false, false, OM_ANSWER_NO },
		{ "custom", "full", MISSING "avx512f", false, false, OM_ANSWER_NOT_CHECKED },
		{ "custom", "full", MISSING "avx512f", true, false, OM_ANSWER_YES },
		{ "custom", "partial", MISSING "avx512f", false, false, OM_ANSWER_YES },
		{ "custom", "none", MISSING "avx512f", false, false, OM_ANSWER_YES },
		{ "custom", "", MISSING "avx512f", false, false, OM_ANSWER_YES },
		{ "host-passthrough", "full", MISSING "avx512f", false, false, OM_ANSWER_YES },
		{ "custom", "full", "other words: vmx-ins-outs,lahf_lm,sse4.1", false, true,
		  OM_ANSWER_YES },
		{ "custom", "full", "host CPU vendor does not match required CPU vendor Intel",
		  false, false, OM_ANSWER_YES },
		{ "custom", "full",
		  "the CPU is incompatible with host CPU: host CPU vendor does "
		  "not match required CPU vendor Intel",
		  false, false, OM_ANSWER_YES },
		{ "custom", "full", "it is so: ", false, false, OM_ANSWER_YES },
		{ "custom", "full", MISSING "a,,b", false, true, OM_ANSWER_YES },
		{ "custom", "full", "", false, false, OM_ANSWER_YES },
		{ "custom", "none", OM_CPU_MODEL_UNKNOWN "EPYC-Venice", false, true, OM_ANSWER_NO },
		{ "custom", "none", OM_CPU_FEATURE_UNKNOWN "cmpccxadd", false, true,
		  OM_ANSWER_YES },
		{ "host-passthrough", "none", OM_CPU_MODEL_UNKNOWN "x", false, false,
		  OM_ANSWER_YES },
		{ "custom", "full", MISSING "vmx-ins-outs, vmx-ept", false, false, OM_ANSWER_YES },
		{ "custom", "full", MISSING "vmx, vmx-ins-outs", false, true, OM_ANSWER_YES },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *mode = om_xstrdup(rows[i].mode);
		OM_AUTOFREE char *check = om_xstrdup(rows[i].check);
		struct om_dom dom = { .cpu_mode = mode,
				      .cpu_check = check,
				      .cpu_strict = rows[i].strict };

		if (om_dom_cpu_refused(&dom, rows[i].source, rows[i].why) != rows[i].refused)
			fail_msg("row %zu: %s", i, rows[i].why);
	}
}

static void a_domain_that_is_cut_off_anywhere_is_refused(void **unused)
{
	OM_AUTOFREE char *xml = read_sample("opennebula.xml");
	size_t len = (size_t)(strrchr(xml, '>') - xml);

	(void)unused;
	for (size_t cut = 0; cut <= len; cut += 7) {
		OM_AUTOFREE char *part = om_xstrndup(xml, cut);
		struct om_dom dom;
		struct om_err err = { 0 };

		assert_false(om_xml_dom_parse(&dom, part, &err));
		assert_int_equal(err.code, OM_E_INPUT);
		assert_null(dom.name);
	}
}

static void a_bad_domain_is_refused_with_one_sentence(void **unused)
{
	static const struct {
		const char *xml, *sentence;
	} rows[] = {
		{ "", "the domain's XML is cut off or malformed" },
		{ "<domain>", "the domain's XML is cut off or malformed (line 1)" },
		{ "<network/>", "the domain's XML has no root element <domain>" },
		{ "<!DOCTYPE domain>" MIN "</domain>",
		  "the domain's XML has a DOCTYPE, which is refused" },
		{ "<domain><name>n</name><memory>1</memory></domain>",
		  "the domain's XML has no <uuid>" },
		{ "<domain><uuid>u</uuid><memory>1</memory></domain>",
		  "the domain's XML has no <name>" },
		{ HEAD "</domain>", "the domain's XML has no readable <memory>" },
		{ HEAD "<memory>x</memory></domain>", "the domain's XML has no readable <memory>" },
		{ HEAD "<memory unit='x'>1</memory></domain>",
		  "the domain's XML has no readable <memory>" },
		{ HEAD "<memory unit='TiB'>16777216</memory></domain>",
		  "the domain's XML has no readable <memory>" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_dom dom;
		struct om_err err = { 0 };

		if (om_xml_dom_parse(&dom, rows[i].xml, &err))
			fail_msg("accepted: %s", rows[i].xml);
		assert_int_equal(err.code, OM_E_INPUT);
		if (!om_str_starts(err.msg, rows[i].sentence))
			fail_msg("'%s' instead of '%s'", err.msg, rows[i].sentence);
		assert_null(dom.name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_of_opennebula_is_read_in_full),
		cmocka_unit_test(a_running_guest_of_the_lab_is_read_in_full),
		cmocka_unit_test(the_directory_is_opennebula_s_word_alone),
		cmocka_unit_test(nvram_is_a_path_or_a_source),
		cmocka_unit_test(what_memory_and_processors_are_bound_to_is_read),
		cmocka_unit_test(memory_has_units),
		cmocka_unit_test(what_the_cpu_demands_is_read),
		cmocka_unit_test(a_cpu_without_end_is_left_out),
		cmocka_unit_test(a_foreign_namespace_does_not_count),
		cmocka_unit_test(a_no_to_the_cpu_counts_only_where_it_is_certain),
		cmocka_unit_test(a_domain_that_is_cut_off_anywhere_is_refused),
		cmocka_unit_test(a_bad_domain_is_refused_with_one_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
