/* SPDX-License-Identifier: Apache-2.0 */
/* Disks, NICs, graphics, and what ties a guest to its host. */
#include "test_xml_dom.h"

static void expect_disk(const struct om_dom_disk *disk, const struct om_dom_disk *expected)
{
	expect_text(disk->target, expected->target);
	expect_text(disk->source, expected->source);
	expect_text(disk->format, expected->format);
	expect_text(disk->cache, expected->cache);
	expect_text(disk->secret_uuid, expected->secret_uuid);
	expect_text(disk->secret_usage, expected->secret_usage);
	assert_int_equal(disk->kind, expected->kind);
	assert_int_equal(disk->readonly, expected->readonly);
	assert_int_equal(disk->cdrom, expected->cdrom);
	assert_int_equal(disk->shareable, expected->shareable);
	assert_int_equal(disk->transient, expected->transient);
}

static void every_kind_of_disk_is_read(void **unused)
{
	static const struct om_dom_disk disks[] = {
		{ .target = "vda",
		  .source = "/var/lib/one//datastores/0/31/disk.0 \"x\" 'y' \xc3\xbc"
			    "ber",
		  .format = "qcow2",
		  .cache = "none",
		  .kind = OM_DISK_FILE },
		{ .target = "vdb",
		  .source = "/dev/vg-one-0/lv-one-31-1",
		  .format = "raw",
		  .kind = OM_DISK_BLOCK,
		  .shareable = true },
		{ .target = "vdc",
		  .source = "one/one-7-31-0",
		  .format = "raw",
		  .kind = OM_DISK_NETWORK },
		{ .target = "vdd", .source = "p/v", .kind = OM_DISK_OTHER },
		{ .target = "fda", .source = "/srv/d", .kind = OM_DISK_OTHER, .readonly = true },
		{ .target = "hda", .kind = OM_DISK_EMPTY, .readonly = true, .cdrom = true },
		{ .target = "vde", .kind = OM_DISK_OTHER },
	};
	struct om_dom dom;

	(void)unused;
	parse_sample(&dom, "all-disks.xml");
	expect_text(dom.name, "one-31");
	expect_text(dom.uuid, "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4");
	expect_text(dom.machine, "pc-q35-7.2");
	expect_text(dom.arch, "x86_64");
	expect_text(dom.virt_type, "kvm");
	expect_text(dom.emulator, "/usr/bin/qemu-system-x86_64");
	expect_text(dom.vm_dir, NULL);
	expect_text(dom.cpu, NULL);
	assert_int_equal(dom.memory_kib, 8388608);
	assert_int_equal(dom.huge_page_kib, 0);
	assert_true(dom.has_guest_agent);
	assert_false(dom.has_hostdev || dom.has_tpm || dom.numa_strict);
	assert_int_equal(dom.disk_count, OM_ARRAY_LEN(disks));
	for (size_t i = 0; i < OM_ARRAY_LEN(disks); i++)
		expect_disk(&dom.disks[i], &disks[i]);
	assert_int_equal(dom.disks[0].chain.n, 1);
	expect_text(dom.disks[0].chain.v[0], "/var/lib/one/datastores/1/base");
	assert_int_equal(dom.disks[1].chain.n, 0);
	om_dom_free(&dom);
}

static void chains_and_secrets_of_disks_are_read(void **unused)
{
	struct om_dom dom;

	(void)unused;
	parse_sample(&dom, "opennebula.xml");
	assert_int_equal(dom.disk_count, 4);
	assert_int_equal(dom.disks[0].chain.n, 2);
	expect_text(dom.disks[0].chain.v[0], "/var/lib/one/datastores/0/31/disk.0.snap/0");
	expect_text(dom.disks[0].chain.v[1], "/dev/vg-one/lv-base");
	expect_text(dom.disks[0].cache, "none");
	expect_text(dom.disks[1].secret_uuid, "457eb676-33da-42ec-9a8c-9293d545c337");
	expect_text(dom.disks[1].secret_usage, NULL);
	expect_text(dom.disks[2].secret_uuid, NULL);
	expect_text(dom.disks[2].secret_usage, "iscsi:san secret");
	expect_text(dom.disks[3].secret_usage, "volume:disk 3");
	assert_true(dom.disks[3].transient && !dom.disks[2].transient);
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
	assert_int_equal(dom.disks[0].chain.n, 1);
	expect_text(dom.disks[0].chain.v[0], "/base");
	om_dom_free(&dom);
}

static void nics_and_graphics_are_read(void **unused)
{
	static const struct om_dom_nic nics[] = {
		{ "bridge", "onebr4", "openvswitch", "one-31-0" },
		{ "network", "default", "", "vnet1" },
		{ "direct", "eno1", "", "macvtap0" },
		{ "ethernet", "", "", "one-31-3" },
	};
	static const struct om_dom_graphics graphics[] = {
		{ "vnc", "10.77.0.11", { 5931, 0 } },
		{ "spice", "127.0.0.1", { 5932, 5933 } },
		{ "vnc", "", { 0, 0 } },
		{ "vnc", "", { 0, 0 } },
	};
	struct om_dom dom;

	(void)unused;
	parse_sample(&dom, "opennebula.xml");
	assert_int_equal(dom.nic_count, OM_ARRAY_LEN(nics));
	for (size_t i = 0; i < OM_ARRAY_LEN(nics); i++) {
		expect_text(dom.nics[i].type, nics[i].type);
		expect_text(dom.nics[i].source, nics[i].source);
		expect_text(dom.nics[i].virtualport, nics[i].virtualport);
		expect_text(dom.nics[i].target, nics[i].target);
	}
	assert_int_equal(dom.graphics_count, OM_ARRAY_LEN(graphics));
	for (size_t i = 0; i < OM_ARRAY_LEN(graphics); i++) {
		expect_text(dom.graphics[i].type, graphics[i].type);
		expect_text(dom.graphics[i].listen, graphics[i].listen);
		assert_int_equal(dom.graphics[i].port[0], graphics[i].port[0]);
		assert_int_equal(dom.graphics[i].port[1], graphics[i].port[1]);
	}
	om_dom_free(&dom);
}

static void a_graphics_port_counts_only_where_it_is_fixed(void **unused)
{
	static const struct {
		const char *xml, *listen;
		uint16_t port;
	} rows[] = {
		{ "<graphics port='5900' autoport='no'/>", "", 5900 },
		{ "<graphics port='5900' autoport='yes'/>", "", 0 },
		{ "<graphics port='-1'/>", "", 0 },
		{ "<graphics port='0'/>", "", 0 },
		{ "<graphics port='65536'/>", "", 0 },
		{ "<graphics port=''/>", "", 0 },
		{ "<graphics/>", "", 0 },
		{ "<graphics port='1' listen='::1'/>", "::1", 1 },
		{ "<graphics port='1' listen='::1'><listen type='none'/></graphics>", "", 0 },
		{ "<graphics port='1' socket='/s'/>", "", 0 },
		{ "<graphics port='1' listen='10.0.0.1'><listen type='network' network='n' "
		  "address='10.0.0.1'/></graphics>",
		  "", 1 },
		{ "<graphics port='1' listen='a'><listen type='address' address='b'/></graphics>",
		  "b", 1 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "<devices>%s</devices></domain>",
						     rows[i].xml);
		struct om_dom dom;

		parse(&dom, xml);
		assert_int_equal(dom.graphics_count, 1);
		expect_text(dom.graphics[0].listen, rows[i].listen);
		assert_int_equal(dom.graphics[0].port[0], rows[i].port);
		om_dom_free(&dom);
	}
}

#define TIE(field) (1u << (field))
enum tie { AGENT, HOSTDEV, PCI, MDEV, USB, VIRTIOFS, SHMEM, VDPA, TPM };

static unsigned int ties_of(const struct om_dom *dom)
{
	return TIE(AGENT) * dom->has_guest_agent | TIE(HOSTDEV) * dom->has_hostdev |
	       TIE(PCI) * dom->has_pci_hostdev | TIE(MDEV) * dom->has_mdev |
	       TIE(USB) * dom->has_usb_hostdev | TIE(VIRTIOFS) * dom->has_virtiofs |
	       TIE(SHMEM) * dom->has_shmem_peer | TIE(VDPA) * dom->has_vdpa |
	       TIE(TPM) * dom->has_tpm;
}

static void devices_that_tie_a_guest_to_its_host_are_seen(void **unused)
{
	static const struct {
		const char *devices;
		unsigned int ties;
	} rows[] = {
		{ "", 0 },
		{ "<hostdev mode='subsystem'/>", TIE(HOSTDEV) },
		{ "<hostdev type='usb'/><hostdev type='pci'/>",
		  TIE(HOSTDEV) | TIE(USB) | TIE(PCI) },
		{ "<hostdev type='mdev'/>", TIE(HOSTDEV) | TIE(MDEV) },
		{ "<hostdev type='pci'><teaming type='transient' persistent='x'/></hostdev>",
		  TIE(HOSTDEV) },
		{ "<interface type='bridge'/><interface type='hostdev'/>",
		  TIE(HOSTDEV) | TIE(PCI) },
		{ "<interface type='hostdev'><teaming type='transient'/></interface>",
		  TIE(HOSTDEV) },
		{ "<interface type='bridge'><teaming type='persistent'/></interface>", 0 },
		{ "<interface type='vdpa'/>", TIE(VDPA) },
		{ "<disk type='vhostvdpa'/>", TIE(VDPA) },
		{ "<filesystem type='mount'><driver type='path'/></filesystem>", 0 },
		{ "<filesystem/><filesystem><driver type='virtiofs'/></filesystem>",
		  TIE(VIRTIOFS) },
		{ "<shmem name='s' role='master'/>", 0 },
		{ "<shmem name='s' role='peer'/>", TIE(SHMEM) },
		{ "<shmem role='master'/><shmem name='s'/>", TIE(SHMEM) },
		{ "<shmem role='master'><model type='ivshmem-plain'/></shmem>", 0 },
		{ "<shmem role='master'><model type='ivshmem'/></shmem>", TIE(SHMEM) },
		{ "<tpm model='tpm-crb'/>", TIE(TPM) },
		{ "<channel/><channel><target name='org.qemu.guest_agent.0'/></channel>",
		  TIE(AGENT) },
		{ "<channel><target name='com.redhat.spice.0'/></channel>", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *xml = om_xasprintf(MIN "<devices>%s</devices></domain>",
						     rows[i].devices);
		struct om_dom dom;

		parse(&dom, xml);
		if (ties_of(&dom) != rows[i].ties)
			fail_msg("%s: 0x%x", rows[i].devices, ties_of(&dom));
		om_dom_free(&dom);
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
		cmocka_unit_test(every_kind_of_disk_is_read),
		cmocka_unit_test(chains_and_secrets_of_disks_are_read),
		cmocka_unit_test(a_source_in_the_backing_chain_is_not_the_disk_s),
		cmocka_unit_test(nics_and_graphics_are_read),
		cmocka_unit_test(a_graphics_port_counts_only_where_it_is_fixed),
		cmocka_unit_test(devices_that_tie_a_guest_to_its_host_are_seen),
		cmocka_unit_test(what_post_copy_cannot_carry_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
