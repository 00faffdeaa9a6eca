/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in the root of the repository: one sample is in tests/fuzz/corpus/dom. */
#include "om_cmocka.h"

#include "om_dom.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define HEAD "<domain><name>n</name><uuid>u</uuid>"
#define MIN HEAD "<memory>1</memory>"

static void parse(struct om_dom *dom, const char *xml)
{
	struct om_err err = { 0 };

	if (!om_xml_dom_parse(dom, xml, &err))
		fail_msg("%s", err.msg);
}

static void the_sample_gives_every_field_and_disk(void **unused)
{
	static const struct om_dom_disk disks[] = {
		{ "vda",
		  "/var/lib/one//datastores/0/31/disk.0 \"x\" 'y' \xc3\xbc"
		  "ber",
		  "qcow2", OM_DISK_FILE, false, false, false },
		{ "vdb", "/dev/vg-one-0/lv-one-31-1", "raw", OM_DISK_BLOCK, false, false, true },
		{ "vdc", "one/one-7-31-0", "raw", OM_DISK_NETWORK, false, false, false },
		{ "vdd", "p/v", "", OM_DISK_OTHER, false, false, false },
		{ "fda", "/srv/d", "", OM_DISK_OTHER, true, false, false },
		{ "hda", "", "", OM_DISK_EMPTY, true, true, false },
		{ "vde", "", "", OM_DISK_OTHER, false, false, false },
	};
	static char xml[16384];
	FILE *file = fopen("tests/fuzz/corpus/dom/all-disks.xml", "r");
	struct om_dom dom;

	(void)unused;
	assert_non_null(file);
	assert_true(fread(xml, 1, sizeof(xml) - 1, file) > 1000);
	fclose(file);
	parse(&dom, xml);
	assert_string_equal(dom.name, "one-31");
	assert_string_equal(dom.uuid, "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4");
	assert_string_equal(dom.machine, "pc-q35-7.2");
	assert_string_equal(dom.emulator, "/usr/bin/qemu-system-x86_64");
	assert_int_equal(dom.memory_kib, 8388608);
	assert_true(dom.has_guest_agent);
	assert_false(dom.has_hostdev || dom.has_tpm);
	assert_int_equal(dom.disk_count, OM_ARRAY_LEN(disks));
	for (size_t i = 0; i < OM_ARRAY_LEN(disks); i++) {
		assert_string_equal(dom.disks[i].target, disks[i].target);
		assert_string_equal(dom.disks[i].source, disks[i].source);
		assert_string_equal(dom.disks[i].format, disks[i].format);
		assert_int_equal(dom.disks[i].kind, disks[i].kind);
		assert_int_equal(dom.disks[i].readonly, disks[i].readonly);
		assert_int_equal(dom.disks[i].cdrom, disks[i].cdrom);
		assert_int_equal(dom.disks[i].shareable, disks[i].shareable);
	}
	om_dom_free(&dom);
}

static void a_source_in_the_backing_chain_is_not_the_disk_s(void **unused)
{
	struct om_dom dom;

	(void)unused;
	parse(&dom,
	      MIN "<devices><disk type='file'><backingStore type='file'><source file='/base'/>"
		  "</backingStore><mirror><source file='/copy'/></mirror><target dev='vda'/></disk>"
		  "</devices></domain>");
	assert_int_equal(dom.disk_count, 1);
	assert_string_equal(dom.disks[0].source, "");
	assert_int_equal(dom.disks[0].kind, OM_DISK_EMPTY);
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

static void devices_that_tie_a_guest_to_its_host_are_seen(void **unused)
{
	static const struct {
		const char *devices;
		bool agent, hostdev, tpm;
	} rows[] = {
		{ "", false, false, false },
		{ "<hostdev mode='subsystem'/>", false, true, false },
		{ "<interface type='bridge'/><interface type='hostdev'/>", false, true, false },
		{ "<interface type='bridge'/>", false, false, false },
		{ "<tpm model='tpm-crb'/>", false, false, true },
		{ "<channel/><channel><target name='org.qemu.guest_agent.0'/></channel>", true,
		  false, false },
		{ "<channel><target name='com.redhat.spice.0'/></channel>", false, false, false },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "<devices>%s</devices></domain>",
						     rows[i].devices);
		struct om_dom dom;

		parse(&dom, xml);
		assert_int_equal(dom.has_guest_agent, rows[i].agent);
		assert_int_equal(dom.has_hostdev, rows[i].hostdev);
		assert_int_equal(dom.has_tpm, rows[i].tpm);
		om_dom_free(&dom);
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

static void what_post_copy_cannot_carry_is_named(void **unused)
{
	static const struct {
		const char *backing, *devices, *obstacle;
	} rows[] = {
		{ "", "", NULL },
		{ "", "<hostdev mode='subsystem' type='usb'/>", NULL },
		{ "", "<hostdev type='usb'/><hostdev type='pci'/>", "a PCI device of the host" },
		{ "", "<hostdev type='mdev'/>", "a mediated device of the host" },
		{ "", "<interface type='bridge'/>", NULL },
		{ "", "<interface type='bridge'/><interface type='hostdev'/>",
		  "a PCI device of the host" },
		{ "", "<interface type='vdpa'/>", "a vDPA interface" },
		{ "", "<interface type='vhostuser'/>", "a vhost-user interface" },
		{ "", "<disk type='vhostuser'/>", "a vhost-user disk" },
		{ "", "<disk type='vhostvdpa'/>", "a vDPA disk" },
		{ "", "<filesystem type='mount'><driver type='path'/></filesystem>", NULL },
		{ "", "<filesystem type='mount'><driver type='virtiofs'/></filesystem>",
		  "a virtiofs share" },
		{ "<hugepages/>", "", NULL },
		{ "<hugepages><page size='2048' unit='KiB'/></hugepages>", "", NULL },
		{ "<hugepages><page size='2048' unit='KiB'/><page size='1048576' unit='KiB'/>"
		  "</hugepages>",
		  "", "pages of 1 GiB or more" },
		{ "<hugepages><page size='1' unit='G'/></hugepages>", "",
		  "pages of 1 GiB or more" },
		{ "<hugepages><page size='much' unit='G'/></hugepages>", "", NULL },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(
			MIN "<memoryBacking>%s</memoryBacking><devices>%s</devices></domain>",
			rows[i].backing, rows[i].devices);
		struct om_dom dom;

		parse(&dom, xml);
		if (!dom.postcopy_obstacle != !rows[i].obstacle ||
		    (rows[i].obstacle && !strstr(dom.postcopy_obstacle, rows[i].obstacle)))
			fail_msg("row %zu: %s", i,
				 dom.postcopy_obstacle ? dom.postcopy_obstacle : "none");
		om_dom_free(&dom);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_gives_every_field_and_disk),
		cmocka_unit_test(a_source_in_the_backing_chain_is_not_the_disk_s),
		cmocka_unit_test(a_foreign_namespace_does_not_count),
		cmocka_unit_test(memory_has_units),
		cmocka_unit_test(devices_that_tie_a_guest_to_its_host_are_seen),
		cmocka_unit_test(a_bad_domain_is_refused_with_one_sentence),
		cmocka_unit_test(what_post_copy_cannot_carry_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
