/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "check_world.h"

#include <stdio.h>

#define O OM_SEVERITY_OK
#define N OM_SEVERITY_NOT_CHECKED
#define W OM_SEVERITY_WARNING
#define B OM_SEVERITY_BLOCKER

#define MOMENTS 3 /* by hand, premigrate, migrate */

static const struct om_finding *worst(const struct om_findings *findings, const char *check)
{
	const struct om_finding *found = NULL;

	for (size_t i = 0; i < findings->n; i++)
		if (strcmp(findings->v[i].check, check) == 0 &&
		    (!found || findings->v[i].severity > found->severity))
			found = &findings->v[i];
	return found;
}

/* ---- nothing wrong ---- */

static void of_two_hosts_with_nothing_wrong_each_check_is_in_order(void **unused)
{
	struct om_findings findings;
	struct world w;
	size_t rows;

	(void)unused;
	om_check_table(&rows);
	world_make(&w);
	for (int moment = 0; moment < MOMENTS; moment++) {
		w.facts.moment = (enum om_check_moment)moment;
		om_check_run(&findings, &w.facts);
		for (size_t i = 0; i < findings.n; i++)
			if (findings.v[i].severity != O)
				fail_msg("%s: %s", findings.v[i].check, findings.v[i].found);
		assert_int_equal(findings.n, rows);
		assert_int_equal(findings.count[O], rows);
		assert_string_equal(findings.hosts, "node01 -> node02");
		om_findings_free(&findings);
	}
	world_free(&w);
}

static void a_vm_of_nothing_but_memory_is_in_order_too(void **unused)
{
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	w.dom = (struct om_dom){ .uuid = w.dom.uuid,
				 .name = w.dom.name,
				 .machine = text(""),
				 .emulator = text(""),
				 .loader = text(""),
				 .nvram = text(""),
				 .nvram_template = text(""),
				 .kernel = text(""),
				 .initrd = text(""),
				 .cpu = text(""),
				 .cpu_mode = text(""),
				 .cpu_check = text(""),
				 .vm_dir = text(""),
				 .memory_kib = 1024 };
	w.opts.flags = 0;
	WORLD_SETTINGS(&w, { "SYNC_TIME", "no", OM_ORIGIN_KVMRC });
	w.way.source = OM_FAST_NONE;
	world_ask(&w);
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.count[O], findings.n);
	om_findings_free(&findings);
	world_free(&w);
}

/* ---- storage of its own ---- */

static struct om_item items[2];
static struct om_disk_facts known[3];
static struct om_disks_facts storage;

static void local_file(struct world *w, size_t i)
{
	w->src_files[i].fs_type = w->dst_files[i].fs_type = EXT4;
	w->dst_files[i].kind = OM_FILE_MISSING;
}

/* A disk on a base that both hosts have, and a context CD-ROM. */
static void local(struct world *w)
{
	w->facts.shared = false;
	local_file(w, VM_DIR);
	local_file(w, VDA);
	local_file(w, CDROM);
	w->dst_files[VM_DIR].free_known = true;
	w->dst_files[VM_DIR].free_bytes = UINT64_C(1) << 40;
	items[0] = (struct om_item){ .name = text("disk.0"),
				     .allocated_bytes = 2048,
				     .readable = true };
	items[1] = items[0];
	items[1].name = text("disk.1");
	memset(known, 0, sizeof(known));
	known[0].have_image = true;
	known[0].image = (struct om_image){ .format = OM_IMAGE_QCOW2,
					    .virtual_bytes = 4096,
					    .backing = "/ds/1/base" };
	w->disks[1].format = w->disks[2].format = text("raw");
	storage = (struct om_disks_facts){ .dom = &w->dom,
					   .vm_id = "31",
					   .dir = "/ds/0/31",
					   .disks = known,
					   .items = items,
					   .item_count = 2,
					   .dst_items_known = true,
					   .ask = &w->ask,
					   .src = &w->src,
					   .dst = &w->dst,
					   .src_host = "node01",
					   .dst_host = "node02" };
	w->facts.storage = &storage;
}

/* ---- what spoils it ---- */

#define SPOIL(name, ...)                                                                           \
	static void name(struct world *w)                                                          \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}

/* clang-format off */
SPOIL(unsafe_by_fs, w->src_files[VDA].fs_type = EXT4; w->dst_files[VDA].fs_type = NFS)
SPOIL(paused, w->src.side = OM_SIDE_PAUSED)
SPOIL(paused_by_facts, w->facts.src_state = OM_SIDE_PAUSED)
SPOIL(stopped_for_switch, w->src.side = OM_SIDE_INCOMING)
SPOIL(in_postcopy, w->src.side = OM_SIDE_POSTCOPY)
SPOIL(postcopy_failed, w->src.side = OM_SIDE_POSTCOPY_FAILED)
SPOIL(persistent, w->facts.persistent = true)
SPOIL(absent, w->src.side = OM_SIDE_ABSENT)
SPOIL(moved_before, w->src.side = OM_SIDE_ABSENT; w->dst.side = OM_SIDE_RUNNING)
SPOIL(moved_before_and_paused, w->src.side = OM_SIDE_ABSENT; w->dst.side = OM_SIDE_PAUSED)
SPOIL(gone, w->src.side = OM_SIDE_ABSENT; w->dst.side = OM_SIDE_INCOMING)
SPOIL(source_silent, w->src.side = OM_SIDE_UNREACHABLE; strcpy(w->src.libvirt_why, "no socket"))
SPOIL(under_way, w->facts.src_job = true)
SPOIL(block_job, w->facts.block_job = "vda")
SPOIL(snapshots_unknown, w->facts.snapshots_known = false)
SPOIL(snapshots, w->facts.snapshots = 2)
SPOIL(runs_there, w->dst.side = OM_SIDE_RUNNING)
SPOIL(paused_there, w->dst.side = OM_SIDE_PAUSED)
SPOIL(leftover, w->dst.side = OM_SIDE_INCOMING)
SPOIL(leftover_of_paused, w->dst.side = OM_SIDE_INCOMING; w->src.side = OM_SIDE_PAUSED)
SPOIL(defined_there, w->dst.defined = true)
SPOIL(name_taken, strcpy(w->dst.name_uuid, "0"))
SPOIL(dst_side_unknown, w->dst.side = OM_SIDE_UNREACHABLE)
SPOIL(dst_libvirt_silent, w->dst.libvirt_known = false; strcpy(w->dst.libvirt_why, "no socket"))
SPOIL(same_uuid, strcpy(w->dst.host_uuid, "NODE01"))
SPOIL(no_host_uuid, *w->dst.host_uuid = '\0')
SPOIL(older_libvirt, w->src.libvirt = 11003000)
SPOIL(older_qemu, w->src.qemu = 10000002)
SPOIL(newer_there, w->dst.libvirt = 11003000; w->dst.qemu = 10000002)
SPOIL(mended_here, w->src.libvirt = 9000003; w->src.qemu = 7002099)
SPOIL(no_version, w->dst.qemu = 0)
SPOIL(no_cpu, w->dst.cpu = OM_ANSWER_NO;
      strcpy(w->dst.cpu_why, "the host lacks features: avx512f, avx512dq"))
SPOIL(no_cpu_on_either, no_cpu(w); w->src.cpu = OM_ANSWER_NO)
SPOIL(no_cpu_unchecked, no_cpu(w); w->dom.cpu_check = text("none"))
SPOIL(unknown_model, w->dst.cpu = OM_ANSWER_NO;
      strcpy(w->dst.cpu_why, OM_CPU_MODEL_UNKNOWN "Tomorrow"))
SPOIL(cpu_not_compared, w->dst.cpu = OM_ANSWER_NOT_CHECKED)
SPOIL(hosts_own_cpu, w->dom.cpu_mode = text("host-passthrough"); strcpy(w->dst.cpu_model, "EPYC"))
SPOIL(maximum_cpu, w->dom.cpu_mode = text("maximum"); strcpy(w->dst.cpu_model, "EPYC"))
SPOIL(hosts_own_same, w->dom.cpu_mode = text("host-passthrough");
      w->dst.cpu = OM_ANSWER_NOT_CHECKED)
SPOIL(hosts_own_unknown, w->dom.cpu_mode = text("host-passthrough"); *w->dst.cpu_model = '\0')
SPOIL(hosts_own_no, w->dom.cpu_mode = text("host-passthrough"); w->dom.cpu_check = text("none");
      no_cpu(w))
SPOIL(no_machine, w->dst.machine = OM_ANSWER_NO; strcpy(w->dst.machine_why, "unknown"))
SPOIL(machine_unknown, w->dst.machine = OM_ANSWER_NOT_CHECKED)
SPOIL(no_emulator, w->dst.emulator = OM_ANSWER_NO)
SPOIL(emulator_unknown, w->dst.emulator = OM_ANSWER_NOT_CHECKED)
SPOIL(no_loader, w->dst_files[LOADER].kind = OM_FILE_MISSING)
SPOIL(no_kernel, w->dst_files[KERNEL].kind = OM_FILE_MISSING)
SPOIL(no_initrd, w->dst_files[INITRD].kind = OM_FILE_MISSING)
SPOIL(loader_unknown, w->dst_files[LOADER].kind = OM_FILE_UNKNOWN;
      strcpy(w->dst_files[LOADER].why, "Permission denied"))
SPOIL(no_nvram, w->dst_files[NVRAM].kind = OM_FILE_MISSING)
SPOIL(no_nvram_nor_template, no_nvram(w); w->dst_files[TEMPLATE].kind = OM_FILE_MISSING)
SPOIL(no_nvram_may_come, no_nvram_nor_template(w); w->facts.other_way = true)
SPOIL(no_nvram_unknown_template, no_nvram(w); w->dst_files[TEMPLATE].kind = OM_FILE_UNKNOWN)
SPOIL(no_nvram_no_name, no_nvram(w); w->dom.nvram_template = text(""))
SPOIL(nvram_unknown, w->dst_files[NVRAM].kind = OM_FILE_UNKNOWN)
SPOIL(little_memory, w->dom.huge_page_kib = 0; w->dst.memory_available_kib = (4u << 20) - 1)
SPOIL(no_fault, w->dst.userfaultfd = OM_ANSWER_NO)
SPOIL(no_address, w->way.fast.have_addr = false)
SPOIL(firewall, w->way.range = OM_ANSWER_NO; strcpy(w->way.range_why, "refused"))
SPOIL(cpu_by_mode, w->dom.cpu = text(""))
SPOIL(cpu_by_xml, w->dom.cpu_mode = text(""))
SPOIL(fault_not_asked, no_fault(w); WORLD_SETTINGS(w, { "SYNC_TIME", "no", OM_ORIGIN_KVMRC }))
SPOIL(other_helper_unknown, strcpy(w->dst.helper, "0.3.0"); *w->src.helper = '\0')
SPOIL(network_silent, no_address(w); w->dst.known = false)
SPOIL(append_unresolved, network_silent(w); w->way.source = OM_FAST_APPEND)
SPOIL(firewall_append, firewall(w); w->way.strict = true; w->way.source = OM_FAST_APPEND)
SPOIL(listens_on_localhost, w->graphics[0].listen = text("localhost"))
SPOIL(listens_by_default, w->graphics[0].listen = text(""))
SPOIL(few_bridges, w->dst.bridge_count = ETH1)
SPOIL(no_bridges, w->dst.bridges = NULL)
SPOIL(few_secrets, w->dst.secret_count = 0)
SPOIL(no_secrets, w->dst.secrets = NULL)
SPOIL(other_nic, w->nics[1].type = text("ethernet"))
SPOIL(enough_memory, w->dom.huge_page_kib = 0; w->dst.memory_available_kib = 4u << 20)
SPOIL(memory_unknown, w->dom.huge_page_kib = 0; w->dst.memory_available_kib = 0)
SPOIL(few_pages, w->dst.nodes[0].free = 1947)
SPOIL(pages_can_be_made, w->dst.nodes[0].free = 1947; w->dst.overcommit_pages = 1)
SPOIL(just_enough_pages, w->dom.numa_strict = false; w->dst.nodes[0].free = 1948)
SPOIL(pages_on_two_nodes, w->dst.nodes[0].free = 2047)
SPOIL(no_such_pages, w->dst.node_count = 0)
SPOIL(pages_unknown, w->dst.page_kib = 0)
SPOIL(zerocopy, w->opts.flags |= OM_FLAG_ZEROCOPY)
SPOIL(no_disk, w->dst_files[VDA].kind = OM_FILE_MISSING)
SPOIL(no_disk_yet, no_disk(w); w->facts.other_way = true)
SPOIL(no_disk_on_nfs, no_disk(w); w->facts.shared_known = false)
SPOIL(not_known, w->facts.shared_known = w->facts.shared = false;
      w->src_files[VDA].fs_type = EXT4; w->opts.flags |= OM_FLAG_UNSAFE)
SPOIL(no_disk_of_same_directory, no_disk(w); not_known(w))
SPOIL(no_volume_of_same_directory, no_disk_of_same_directory(w);
      w->src_files[VDA].kind = OM_FILE_BLOCK)
SPOIL(no_disk_of_own_directory, no_disk_of_same_directory(w); w->dst_files[VM_DIR].inode++)
SPOIL(few_answers, w->dst.file_count = CDROM)
SPOIL(no_answers, w->dst.files = NULL)
SPOIL(few_own_answers, w->src.file_count = CDROM; w->src_files[CDROM].fs_type = 0)
SPOIL(no_own_answers, w->src.files = NULL)
SPOIL(source_unknown, w->src.known = false)
SPOIL(gone_here, w->src_files[VDA].kind = OM_FILE_MISSING; w->src_files[VDA].fs_type = EXT4)
SPOIL(network_disk, w->disks[2].source = text("/pool/image"))
SPOIL(readonly_disk, unsafe_by_fs(w); w->disks[0].readonly = true)
SPOIL(unsafe_no_type, unsafe_by_fs(w); w->src_files[VDA].fs_type = 0)
SPOIL(no_base, w->dst_files[BASE].kind = OM_FILE_MISSING)
SPOIL(disk_unknown, w->dst_files[VDA].kind = OM_FILE_UNKNOWN)
SPOIL(not_shared, w->facts.shared = false; no_disk(w))
SPOIL(not_shared_but_same, w->facts.shared = false)
SPOIL(left_to_stock, not_shared(w); WORLD_SETTINGS(w, { "MIGRATE_LOCAL_DISKS", "no", OM_ORIGIN_KVMRC }))
SPOIL(copied, local(w))
SPOIL(copied_unknown, local(w); w->dst.known = false)
SPOIL(copied_snapshots, local(w); known[0].image.snapshots = 1)
SPOIL(copied_unreadable, local(w); items[1].readable = false)
SPOIL(copied_no_space, local(w); w->dst_files[VM_DIR].free_bytes = 4095)
SPOIL(copied_may_grow, local(w); w->dst_files[VM_DIR].free_bytes = 4096)
SPOIL(copied_same, local(w); w->dst_files[VDA] = w->src_files[VDA] = w->dst_files[BASE])
SPOIL(copied_in_truth, local(w); w->dst_files[VDA] = w->src_files[VDA] = w->dst_files[BASE];
      w->dst_files[CDROM] = w->src_files[CDROM] = w->dst_files[BASE])
SPOIL(copied_over, local(w); storage.dst_items = items; storage.dst_item_count = 1)
SPOIL(copied_elsewhere, local(w); storage.dir = "/ds/31"; w->disks[0].source = text("/ds/31/disk.0"))
SPOIL(other_disk, w->src_files[VDA].fs_type = w->dst_files[VDA].fs_type = EXT4;
      w->opts.flags |= OM_FLAG_UNSAFE)
SPOIL(other_disk_yet, other_disk(w); w->facts.other_way = true)
SPOIL(other_disk_of_same_directory, other_disk(w); w->facts.shared_known = false)
SPOIL(other_disk_unknown, other_disk_of_same_directory(w); w->dst_files[VM_DIR].inode++)
SPOIL(other_base, w->src_files[BASE].fs_type = w->dst_files[BASE].fs_type = EXT4)
SPOIL(other_cdrom, w->src_files[CDROM].fs_type = w->dst_files[CDROM].fs_type = EXT4)
SPOIL(other_cdrom_brought, other_cdrom(w); w->facts.other_way = true)
SPOIL(other_size, w->dst_files[VDA].size_bytes++)
SPOIL(one_unproven, w->dst_files[VDA].fs_id++)
SPOIL(none_proven, for (size_t i = VDA; i < PATHS; i++) w->dst_files[i].fs_id++)
SPOIL(unsafe, unsafe_by_fs(w))
SPOIL(unsafe_asked, unsafe(w); w->opts.flags |= OM_FLAG_UNSAFE)
SPOIL(unsafe_new, unsafe(w); w->src.libvirt = w->dst.libvirt = 10000000)
SPOIL(unsafe_no_version, unsafe(w); w->src.libvirt = 0)
SPOIL(unsafe_not_known, unsafe(w); w->facts.shared_known = false)
SPOIL(unsafe_cdrom, w->src_files[CDROM].fs_type = EXT4)
SPOIL(unsafe_device, unsafe(w); w->disks[0].kind = OM_DISK_BLOCK)
SPOIL(no_secret, w->secrets[0] = OM_ANSWER_NO)
SPOIL(secret_unknown, w->secrets[0] = OM_ANSWER_NOT_CHECKED)
SPOIL(no_bridge, w->bridges[BR0] = OM_ANSWER_NO)
SPOIL(no_ovs_bridge, no_bridge(w); w->nics[0].virtualport = text("openvswitch"))
SPOIL(no_device, w->bridges[ETH1] = OM_ANSWER_NO)
SPOIL(bridge_unknown, w->bridges[BR0] = OM_ANSWER_NOT_CHECKED)
SPOIL(no_network, w->networks[0] = OM_ANSWER_NO)
SPOIL(network_unknown, w->networks[0] = OM_ANSWER_NOT_CHECKED)
SPOIL(listens_here, w->graphics[0].listen = text("10.0.0.1"))
SPOIL(listens_there, w->graphics[0].listen = text("10.0.0.2"))
SPOIL(listens_on_loopback, w->graphics[0].listen = text("127.0.0.1"))
SPOIL(listens_on_all6, w->graphics[0].listen = text("::"))
SPOIL(listens_on_name, w->graphics[0].listen = text("console"))
SPOIL(listens_unknown, listens_here(w); w->dst.addr_count = 0)
SPOIL(listens_perhaps, listens_here(w); w->dst.addr_count = OM_SURVEY_ADDRS_MAX)
SPOIL(port_taken, w->dst.ports[0] = OM_ANSWER_NO)
SPOIL(port_taken_somewhere, port_taken(w); w->graphics[0].listen = text("10.0.0.2"))
SPOIL(port_of_leftover, port_taken(w); leftover(w))
SPOIL(port_unknown, w->dst.ports[0] = OM_ANSWER_NOT_CHECKED)
SPOIL(pci, w->dom.has_pci_hostdev = true)
SPOIL(mdev, w->dom.has_mdev = true)
SPOIL(usb, w->dom.has_usb_hostdev = true)
SPOIL(vdpa, w->dom.has_vdpa = true)
SPOIL(virtiofs, w->dom.has_virtiofs = true)
SPOIL(virtiofs_new, virtiofs(w); w->src.libvirt = w->dst.libvirt = 10000000)
SPOIL(virtiofs_unknown, virtiofs(w); w->src.libvirt = 0)
SPOIL(shmem, w->dom.has_shmem_peer = true)
SPOIL(transient, w->disks[0].transient = true)
SPOIL(invtsc, w->dom.tsc_frequency = false)
SPOIL(no_tpm, w->dst.tpm = OM_ANSWER_NO)
SPOIL(tpm_unknown, w->dst.tpm = OM_ANSWER_NOT_CHECKED)
SPOIL(no_address_strict, no_address(w); w->way.strict = true)
SPOIL(no_route, w->way.fast.routed = false)
SPOIL(no_answer, w->way.fast.answer = OM_ANSWER_NO; strcpy(w->way.fast.why, "no answer in 1 s"))
SPOIL(no_answer_strict, no_answer(w); w->way.strict = true)
SPOIL(not_own, w->way.fast.own = OM_ANSWER_NO)
SPOIL(not_own_strict, not_own(w); w->way.strict = true)
SPOIL(tunnelled, w->way.source = OM_FAST_NONE; w->opts.flags |= OM_FLAG_TUNNELLED)
SPOIL(tunnelled_strict, tunnelled(w); w->way.strict = true)
SPOIL(not_looked_at, w->way.source = OM_FAST_NONE)
SPOIL(known_by_address, w->way.source = OM_FAST_NONE;
      WORLD_SETTINGS(w, { "DEST_HOST_APPEND", "-10g", OM_ORIGIN_KVMRC }))
SPOIL(by_option, w->way = (struct om_check_way){ .source = OM_FAST_OPTION,
						 .full_size = OM_ANSWER_YES, .range = OM_ANSWER_YES })
SPOIL(small_mtu, w->way.full_size = OM_ANSWER_NO; strcpy(w->way.mtu_why, "1500 at 10.1.0.254"))
SPOIL(mtu_unknown, w->way.full_size = OM_ANSWER_NOT_CHECKED)
SPOIL(no_ports, w->dst.range_free = 0)
SPOIL(one_port, w->dst.range_free = 1)
SPOIL(ports_unknown, w->dst.range_min = w->dst.range_max = w->dst.range_free = 0)
SPOIL(firewall_strict, firewall(w); w->way.strict = true)
SPOIL(firewall_default, firewall_strict(w); by_option(w); w->way.range = OM_ANSWER_NO)
SPOIL(firewall_guessed, firewall_strict(w); strcpy(w->dst.lock_manager, "?"))
SPOIL(firewall_no_range, firewall_strict(w); w->dst.range_min = w->dst.range_max = 0)
SPOIL(firewall_unknown, w->way.range = OM_ANSWER_NOT_CHECKED)
SPOIL(no_certificate, w->dst.tls_server = OM_ANSWER_NO; strcpy(w->dst.tls_why, "no ca-cert.pem"))
SPOIL(no_own_certificate, w->src.tls_client = OM_ANSWER_NO)
SPOIL(certificate_unknown, w->dst.tls_server = OM_ANSWER_NOT_CHECKED)
SPOIL(no_fault_by_option, no_fault(w); w->opts.flags |= OM_FLAG_POSTCOPY)
SPOIL(no_fault_needed, no_fault(w); w->dom.postcopy_obstacle = "the VM has a PCI device")
SPOIL(fault_by_device, w->dst.userfaultfd = OM_ANSWER_YES;
      strcpy(w->dst.userfaultfd_why, "by /dev/userfaultfd"); w->dst.qemu = 8000000)
SPOIL(fault_by_device_old, fault_by_device(w); w->dst.qemu = 7002022)
SPOIL(fault_unknown, w->dst.userfaultfd = OM_ANSWER_NOT_CHECKED)
SPOIL(fast_clock, w->dst.epoch_ms += 2001)
SPOIL(slow_clock, w->dst.epoch_ms -= 61500)
SPOIL(tolerable_clock, w->dst.epoch_ms += 2000)
SPOIL(uncertain_clock, w->dst.epoch_ms += 2500; w->facts.clock_error_ms = 500)
SPOIL(no_clock, w->dst.epoch_ms = 0)
SPOIL(locks_differ, strcpy(w->src.lock_manager, "lockd"))
SPOIL(locks_unknown, strcpy(w->dst.lock_manager, "?"))
SPOIL(same_locks, strcpy(w->src.lock_manager, "lockd"); strcpy(w->dst.lock_manager, "lockd"))
SPOIL(others_here, w->src.migrations = 1)
SPOIL(others_there, w->dst.migrations = 3)
SPOIL(other_helper, strcpy(w->dst.helper, "0.3.0"))

/* check, what spoils it, severity by hand, at premigrate and at migrate, a part of what is found */
static const struct row {
	const char *check;
	void (*spoil)(struct world *w);
	enum om_severity expected[MOMENTS];
	const char *found;
} rows[] = {
	{ "domain", paused, { W, W, W }, "it is paused on node01" },
	{ "domain", paused_by_facts, { W, W, W }, "it is paused on node01" },
	{ "domain", stopped_for_switch, { W, W, W }, "stopped on node01 for the switch-over" },
	{ "domain", in_postcopy, { B, B, B }, "unfinished post-copy" },
	{ "domain", postcopy_failed, { B, B, B }, "unfinished post-copy" },
	{ "domain", persistent, { W, W, W }, "it stays defined there" },
	{ "domain", absent, { B, B, B }, "there is no such VM on node01" },
	{ "domain", moved_before, { B, W, W }, "it is not on node01, but on node02 already" },
	{ "domain", moved_before_and_paused, { B, W, W }, "but on node02 already" },
	{ "domain", gone, { B, B, B }, "there is no such VM on node01" },
	{ "domain", source_silent, { N, N, N }, "libvirt of node01 did not say: no socket" },
	{ "job", under_way, { B, B, B }, "a migration of it is under way" },
	{ "job", block_job, { W, W, W }, "its disk vda: the migration waits for its end, VIRSH_TRIES (3)" },
	{ "snapshots", snapshots_unknown, { N, N, N }, "not asked" },
	{ "snapshots", snapshots, { O, O, O }, "2 of libvirt" },
	{ "destination", runs_there, { B, B, B }, "active on node02: running" },
	{ "destination", paused_there, { B, B, B }, "active on node02: paused" },
	{ "destination", moved_before, { O, O, O }, "node02 has it" },
	{ "destination", leftover, { W, W, W }, "migrate removes it" },
	{ "destination", leftover_of_paused, { B, B, B }, "active on node02" },
	{ "destination", gone, { B, B, B }, "active on node02" },
	{ "destination", defined_there, { W, W, W }, "defined on node02" },
	{ "destination", name_taken, { B, B, B }, "another domain with its name one-31, of UUID 0" },
	{ "destination", dst_side_unknown, { N, N, N }, "libvirt of node02 did not say" },
	{ "destination", dst_libvirt_silent, { N, N, N }, "libvirt of node02 did not say: no socket" },
	{ "host-uuid", same_uuid, { B, B, B }, "on both hosts and takes them for one" },
	{ "host-uuid", no_host_uuid, { N, N, N }, "libvirt of node02 did not say" },
	{ "versions", older_libvirt, { W, W, W }, "node02 has libvirt 9.0.0, older than 11.3.0 of node01" },
	{ "versions", older_qemu, { W, W, W }, "node02 has QEMU 7.2.22, older than 10.0.2 of node01" },
	{ "versions", newer_there, { O, O, O }, "libvirt 11.3.0 and QEMU 10.0.2 on node02" },
	{ "versions", mended_here, { O, O, O }, "libvirt 9.0.3 and QEMU 7.2.99 on node01" },
	{ "versions", no_version, { N, N, N }, "QEMU ? on node02" },
	{ "cpu", no_cpu, { B, B, B }, "node02 lacks features of the guest's CPU: avx512f, avx512dq" },
	{ "cpu", no_cpu_on_either, { W, W, W }, "libvirt of node02 doubts" },
	{ "cpu", no_cpu_unchecked, { W, W, W }, "libvirt of node02 doubts" },
	{ "cpu", unknown_model, { B, B, B }, "cannot give the guest its CPU: libvirt does not know the CPU model Tomorrow" },
	{ "cpu", cpu_not_compared, { N, N, N }, "node02 did not compare it" },
	{ "cpu", hosts_own_cpu, { W, W, W }, "(host-passthrough): Haswell there, EPYC on node02" },
	{ "cpu", maximum_cpu, { W, W, W }, "(maximum): Haswell there" },
	{ "cpu", hosts_own_same, { O, O, O }, "Haswell on both hosts" },
	{ "cpu", hosts_own_unknown, { N, N, N }, "that of node02 is not known" },
	{ "cpu", hosts_own_no, { W, W, W }, "avx512f" },
	{ "machine", no_machine, { B, B, B }, "node02 does not have pc-q35-7.2: unknown" },
	{ "machine", machine_unknown, { N, N, N }, "pc-q35-7.2: not known" },
	{ "emulator", no_emulator, { B, B, B }, "node02 does not have /usr/bin/qemu-system-x86_64" },
	{ "emulator", emulator_unknown, { N, N, N }, "not known" },
	{ "firmware", no_loader, { B, B, B }, "loader /usr/share/OVMF/OVMF_CODE.fd is not on node02" },
	{ "firmware", no_kernel, { B, B, B }, "kernel /ds/0/31/kernel is not on node02" },
	{ "firmware", no_initrd, { B, B, B }, "initrd /ds/0/31/initrd is not on node02" },
	{ "firmware", loader_unknown, { N, N, N }, "could not be looked at on node02: Permission denied" },
	{ "nvram", no_nvram, { O, O, O }, "libvirt makes it of its template" },
	{ "nvram", no_nvram_nor_template, { B, B, B }, "nor its template" },
	{ "nvram", no_nvram_may_come, { W, W, B }, "nor its template" },
	{ "nvram", no_nvram_unknown_template, { N, N, N }, "could not be looked at" },
	{ "nvram", no_nvram_no_name, { W, W, W }, "no template is named" },
	{ "nvram", nvram_unknown, { N, N, N }, "could not be looked at" },
	{ "memory", little_memory, { W, W, W }, "node02 has 4095 MiB of memory available, and the VM may take 4096 MiB" },
	{ "cpu", cpu_by_mode, { O, O, O }, "node02 can give the guest its CPU" },
	{ "cpu", cpu_by_xml, { O, O, O }, "node02 can give the guest its CPU" },
	{ "userfaultfd", fault_not_asked, { O, O, O }, "post-copy is not allowed" },
	{ "helper", other_helper_unknown, { O, O, O }, "onemigrate 0.3.0" },
	{ "fast-network", network_silent, { N, N, N }, "node02 could not be asked for its addresses" },
	{ "fast-network", append_unresolved, { W, W, W }, "no address there" },
	{ "firewall", firewall_append, { B, B, B }, "was not reached" },
	{ "graphics", listens_on_localhost, { O, O, O }, "" },
	{ "graphics", listens_by_default, { O, O, O }, "" },
	{ "networks", few_bridges, { N, N, N }, "did not say whether it has eth1" },
	{ "networks", no_bridges, { N, N, N }, "did not say whether it has br0" },
	{ "networks", other_nic, { O, O, O }, "all of them are there" },
	{ "secrets", few_secrets, { N, N, N }, "did not say of 1" },
	{ "secrets", no_secrets, { N, N, N }, "did not say of 1" },
	{ "host-uuid", source_unknown, { N, N, N }, "node01 did not say" },
	{ "versions", source_unknown, { N, N, N }, "node01 did not say" },
	{ "lock-manager", source_unknown, { N, N, N }, "node01 did not say" },
	{ "migrations", source_unknown, { N, N, N }, "node01 did not say" },
	{ "memory", enough_memory, { O, O, O }, "4096 MiB available on node02, for 4096 MiB" },
	{ "memory", memory_unknown, { N, N, N }, "node02 did not say" },
	{ "hugepages", pages_can_be_made, { W, W, W }, "node02 has 2047 free huge pages of 2048 KiB, and the VM needs 2048" },
	{ "hugepages", few_pages, { B, B, B }, "node02 has 2047 free huge pages of 2048 KiB, and the VM needs 2048" },
	{ "hugepages", just_enough_pages, { O, O, O }, "2048 of 2048 KiB free on node02, for 2048" },
	{ "hugepages", pages_on_two_nodes, { W, W, W }, "no node of node02 has more than 2047 free" },
	{ "hugepages", no_such_pages, { B, B, B }, "node02 has 0 free huge pages" },
	{ "hugepages", pages_unknown, { N, N, N }, "node02 did not say" },
	{ "memlock", zerocopy, { N, N, N }, "--zerocopy locks up to 4096 MiB in QEMU on node01" },
	{ "disks", no_disk, { B, B, B }, "vda: /ds/0/31/disk.0 is not on node02" },
	{ "disks", no_disk_yet, { O, O, B }, "" },
	{ "disks", no_disk_on_nfs, { B, B, B }, "vda: /ds/0/31/disk.0 is not on node02" },
	{ "disks", no_disk_of_same_directory, { B, B, B }, "vda: /ds/0/31/disk.0 is not on node02" },
	{ "disks", no_volume_of_same_directory, { W, W, W }, "unless OpenNebula's storage driver brings it" },
	{ "disks", no_disk_of_own_directory, { W, W, W }, "unless OpenNebula's storage driver brings it" },
	{ "disks", few_answers, { N, N, N }, "sda: /ds/0/31/disk.1 could not be looked at on node02" },
	{ "disks", no_answers, { N, N, N }, "vda: /ds/0/31/disk.0 could not be looked at on node02" },
	{ "disks", few_own_answers, { O, O, O }, "2 the same on both hosts, 1 on both" },
	{ "disks", no_own_answers, { N, N, N }, "0 the same on both hosts, 3 on both" },
	{ "disks", gone_here, { O, O, O }, "2 the same on both hosts, 1 on both" },
	{ "disks", network_disk, { O, O, O }, "all 3 are the same" },
	{ "disks", readonly_disk, { O, O, O }, "" },
	{ "disks", unsafe_no_type, { O, O, O }, "" },
	{ "disks", no_base, { B, B, B }, "vda: /ds/1/base is not on node02" },
	{ "disks", disk_unknown, { N, N, N }, "vda: /ds/0/31/disk.0 could not be looked at" },
	{ "disks", not_shared, { N, N, N }, "the VM's directory was not looked at" },
	{ "disks", left_to_stock, { O, O, O }, "OpenNebula's own script moves the VM" },
	{ "disks", copied, { O, O, O }, "not shared: 1 copied while the VM runs (2.0 KiB), 1 files sent (2.0 KiB)" },
	{ "disks", copied_unknown, { N, N, N }, "" },
	{ "disks", copied_snapshots, { B, B, B }, "vda: /ds/0/31/disk.0 has internal snapshots" },
	{ "disks", copied_unreadable, { B, B, B }, "disk.1 in /ds/0/31 cannot be read" },
	{ "disks", copied_no_space, { B, B, B }, "1 bytes too little" },
	{ "disks", copied_may_grow, { W, W, W }, "may grow to" },
	{ "disks", copied_in_truth, { W, W, W }, "/ds/0/31 is the same directory on both hosts" },
	{ "disks", copied_same, { W, W, B }, "is not proven to be another directory" },
	{ "disks", copied_over, { W, W, B }, "disk.0 is in /ds/0/31 on node02 already" },
	{ "disks", copied_elsewhere, { B, B, B }, "does not end in the numbers" },
	{ "disks", not_shared_but_same, { W, W, W }, "vda: /ds/0/31/disk.0 is the same on both hosts" },
	{ "disks", other_disk, { B, B, B }, "the VM's data would be lost" },
	{ "disks", other_disk_yet, { O, O, B }, "" },
	{ "disks", other_disk_of_same_directory, { B, B, B }, "the VM's data would be lost" },
	{ "disks", other_disk_unknown, { W, W, W }, "vda: /ds/0/31/disk.0 is another file on node02" },
	{ "disks", other_base, { W, W, W }, "vda: /ds/1/base is another file on node02" },
	{ "disks", other_cdrom, { W, W, W }, "sda: /ds/0/31/disk.1 is another file on node02" },
	{ "disks", other_cdrom_brought, { O, O, O }, "2 the same on both hosts, 0 on both but not proven to be the same, 1 brought" },
	{ "disks", other_size, { W, W, W }, "has 1006 bytes on node01 and 1007 on node02" },
	{ "disks", one_unproven, { O, O, O }, "2 the same on both hosts, 1 on both" },
	{ "disks", none_proven, { N, N, N }, "0 the same on both hosts, 3 on both" },
	{ "disks", unsafe, { B, B, B }, "(ext4) for one of node01 alone" },
	{ "disks", unsafe_asked, { O, O, O }, "" },
	{ "disks", unsafe_new, { W, W, W }, "(ext4)" },
	{ "disks", unsafe_no_version, { W, W, W }, "(ext4)" },
	{ "disks", unsafe_not_known, { W, W, W }, "(ext4)" },
	{ "disks", unsafe_cdrom, { O, O, O }, "" },
	{ "disks", unsafe_device, { O, O, O }, "" },
	{ "secrets", no_secret, { B, B, B }, "libvirt of node02 has no secret usage:ceph:one" },
	{ "secrets", secret_unknown, { N, N, N }, "did not say of 1" },
	{ "secrets", dst_libvirt_silent, { N, N, N }, "libvirt of node02 did not say" },
	{ "networks", no_bridge, { W, W, B }, "node02 has no bridge br0" },
	{ "networks", no_ovs_bridge, { W, W, B }, "node02 has no Open vSwitch bridge br0" },
	{ "networks", no_device, { W, W, B }, "node02 has no device eth1" },
	{ "networks", bridge_unknown, { N, N, N }, "did not say whether it has br0" },
	{ "networks", no_network, { B, B, B }, "has no network default, or has it inactive" },
	{ "networks", network_unknown, { N, N, N }, "its network default" },
	{ "graphics", listens_here, { B, B, B }, "vnc listens on 10.0.0.1, which is no address of node02" },
	{ "graphics", listens_there, { O, O, O }, "" },
	{ "graphics", listens_on_loopback, { O, O, O }, "" },
	{ "graphics", listens_on_all6, { O, O, O }, "" },
	{ "graphics", listens_on_name, { N, N, N }, "vnc listens on console" },
	{ "graphics", listens_unknown, { N, N, N }, "did not say whether it has 10.0.0.1" },
	{ "graphics", listens_perhaps, { N, N, N }, "did not say whether it has 10.0.0.1" },
	{ "graphics", port_taken, { B, B, B }, "port 5931, which is fixed for vnc, is taken on node02" },
	{ "graphics", port_taken_somewhere, { W, W, W }, "port 5931" },
	{ "graphics", port_of_leftover, { W, W, W }, "perhaps by the leftover of this VM" },
	{ "graphics", port_unknown, { N, N, N }, "did not say whether port 5931 is free" },
	{ "devices", pci, { W, W, W }, "a PCI device of the host" },
	{ "devices", mdev, { W, W, W }, "a mediated device of the host" },
	{ "devices", usb, { W, W, W }, "a USB device of the host" },
	{ "devices", vdpa, { W, W, W }, "a vDPA device" },
	{ "devices", virtiofs, { B, B, B }, "libvirt below 10.0" },
	{ "devices", virtiofs_new, { W, W, W }, "virtiofsd that can" },
	{ "devices", virtiofs_unknown, { W, W, W }, "virtiofsd that can" },
	{ "devices", shmem, { B, B, B }, "shared memory device" },
	{ "devices", transient, { B, B, B }, "the transient disk vda" },
	{ "devices", invtsc, { B, B, B }, "no frequency of the TSC" },
	{ "tpm", no_tpm, { B, B, B }, "node02 cannot emulate the VM's TPM" },
	{ "tpm", tpm_unknown, { N, N, N }, "node02 did not say" },
	{ "fast-network", no_address, { W, W, W }, "the fast network 10.1.0.0/24 cannot be used: the destination has no address there" },
	{ "fast-network", no_address_strict, { B, B, B }, "MIGRATE_NETWORK_POLICY is strict" },
	{ "fast-network", no_route, { W, W, W }, "no route" },
	{ "fast-network", no_answer, { W, W, W }, "cannot be used: no answer in 1 s" },
	{ "fast-network", no_answer_strict, { B, B, B }, "no answer in 1 s, and MIGRATE_NETWORK_POLICY is strict" },
	{ "fast-network", not_own, { W, W, W }, "10.1.0.2 is not an address of node02 itself" },
	{ "fast-network", not_own_strict, { W, W, W }, "10.1.0.2 is not an address of node02 itself" },
	{ "fast-network", tunnelled, { W, W, W }, "--tunnelled" },
	{ "fast-network", tunnelled_strict, { B, B, B }, "--tunnelled" },
	{ "fast-network", known_by_address, { W, W, W }, "known by its address" },
	{ "fast-network", not_looked_at, { N, N, N }, "not looked at" },
	{ "fast-network", by_option, { O, O, O }, "MIGRATE_OPTIONS" },
	{ "mtu", small_mtu, { W, W, W }, "does not arrive whole: 1500 at 10.1.0.254" },
	{ "mtu", mtu_unknown, { N, N, N }, "nothing told" },
	{ "ports", no_ports, { W, W, W }, "none of the ports 49152 to 49215 is free on node02" },
	{ "ports", one_port, { O, O, O }, "1 of 49152 to 49215" },
	{ "ports", ports_unknown, { N, N, N }, "node02 did not say" },
	{ "firewall", firewall, { W, W, W }, "a listener on port 49152 of node02 was not reached: refused" },
	{ "firewall", firewall_strict, { B, B, B }, "was not reached" },
	{ "firewall", firewall_guessed, { W, W, W }, "was not reached" },
	{ "firewall", firewall_no_range, { W, W, W }, "was not reached" },
	{ "firewall", firewall_default, { W, W, W }, "was not reached" },
	{ "firewall", firewall_unknown, { N, N, N }, "no listener was tried" },
	{ "tls", no_certificate, { B, B, B }, "node02 lacks the certificates of a TLS server: no ca-cert.pem" },
	{ "tls", no_own_certificate, { B, B, B }, "node01 lacks the certificates of a TLS client" },
	{ "tls", network_silent, { N, N, N }, "node02 did not say" },
	{ "tls", certificate_unknown, { N, N, N }, "whether node02 has" },
	{ "userfaultfd", no_fault, { W, W, W }, "the migration goes on without it" },
	{ "userfaultfd", fault_by_device, { O, O, O }, "QEMU on node02 may have post-copy" },
	{ "userfaultfd", fault_by_device_old, { W, W, W }, "QEMU before 8.0 does not use /dev/userfaultfd" },
	{ "userfaultfd", no_fault_by_option, { W, W, W }, "QEMU refuses --postcopy then" },
	{ "userfaultfd", no_fault_needed, { O, O, O }, "the VM has a PCI device" },
	{ "userfaultfd", fault_unknown, { N, N, N }, "node02 did not say" },
	{ "clock", fast_clock, { W, W, W }, "the clock of node02 is 2.0 s ahead of that of node01" },
	{ "clock", slow_clock, { W, W, W }, "the clock of node02 is 61.5 s behind that of node01" },
	{ "clock", tolerable_clock, { O, O, O }, "agree" },
	{ "clock", uncertain_clock, { O, O, O }, "agree" },
	{ "clock", no_clock, { N, N, N }, "no time is known of node02" },
	{ "lock-manager", locks_differ, { W, W, W }, "node01 has lock_manager lockd, node02 has none" },
	{ "lock-manager", locks_unknown, { N, N, N }, "qemu.conf of node02 could not be read" },
	{ "lock-manager", same_locks, { O, O, O }, "lockd on both hosts" },
	{ "migrations", others_here, { W, W, W }, "1 on node01, 0 on node02" },
	{ "migrations", others_there, { W, W, W }, "0 on node01, 3 on node02" },
	{ "helper", other_helper, { O, O, O }, "onemigrate 0.4.0 on node01, 0.3.0 on node02" },
};
/* clang-format on */

static void is_as_expected(const struct om_findings *findings, const struct row *row, int moment)
{
	const struct om_finding *found = worst(findings, row->check);

	if (!found || found->severity != row->expected[moment])
		fail_msg("%s, moment %d: %s: %s", row->check, moment,
			 found ? om_severity_name(found->severity) : "none",
			 found ? found->found : "");
	if (!strstr(found->found, row->found))
		fail_msg("%s, moment %d: \"%s\" has no \"%s\"", row->check, moment, found->found,
			 row->found);
	if (found->severity == B && !*found->remedy && !strstr(found->found, "already"))
		fail_msg("%s: no remedy for \"%s\"", row->check, found->found);
}

static void each_check_finds_its_problem_at_each_moment(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		for (int moment = 0; moment < MOMENTS; moment++) {
			struct om_findings findings;
			struct world w;

			world_make(&w);
			w.facts.moment = (enum om_check_moment)moment;
			rows[i].spoil(&w);
			om_check_run(&findings, &w.facts);
			is_as_expected(&findings, &rows[i], moment);
			om_findings_free(&findings);
			world_free(&w);
		}
}

static bool is_tried(const char *check)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].check, check) == 0)
			return true;
	return false;
}

static void every_row_of_the_table_is_complete_and_tried(void **unused)
{
	size_t count;
	const struct om_check_info *table = om_check_table(&count);

	(void)unused;
	for (size_t i = 0; i < count; i++) {
		assert_non_null(table[i].run);
		assert_int_equal(table[i].help[strlen(table[i].help) - 1], '.');
		assert_true(om_check_name_valid(table[i].name, strlen(table[i].name)));
		assert_false(om_check_name_valid(table[i].name, strlen(table[i].name) - 1));
		assert_true(is_tried(table[i].name));
		for (size_t n = 0; n < i; n++)
			assert_string_not_equal(table[n].name, table[i].name);
	}
	assert_false(om_check_name_valid("", 0));
	assert_false(om_check_name_valid("cpus", 4));
	assert_true(om_check_name_valid("cpus", 3));
}

/* A problem of one check is no problem of another, but for those that hang together. */
static void a_single_problem_is_a_single_blocker(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_findings findings;
		struct world w;

		world_make(&w);
		w.facts.moment = OM_CHECK_MIGRATE;
		rows[i].spoil(&w);
		om_check_run(&findings, &w.facts);
		if (rows[i].expected[OM_CHECK_MIGRATE] == B && rows[i].spoil != gone &&
		    findings.count[B] != 1)
			fail_msg("%s, row %zu: %zu blockers", rows[i].check, i, findings.count[B]);
		om_findings_free(&findings);
		world_free(&w);
	}
}

static void five_problems_at_once_are_all_told(void **unused)
{
	static const char *const checks[] = { "host-uuid", "cpu", "disks", "networks", "tpm" };
	struct om_findings findings;
	char sentence[1024], little[40];
	struct world w;

	(void)unused;
	world_make(&w);
	same_uuid(&w);
	no_cpu(&w);
	no_disk(&w);
	no_base(&w);
	no_network(&w);
	no_tpm(&w);
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.count[B], 6);
	om_check_sentence(&findings, sentence, sizeof(sentence));
	for (size_t i = 0; i < OM_ARRAY_LEN(checks); i++) {
		assert_int_equal(worst(&findings, checks[i])->severity, B);
		assert_non_null(strstr(sentence, worst(&findings, checks[i])->found));
	}
	assert_true(om_str_starts(sentence, "host-uuid: libvirt has"));
	assert_non_null(strstr(sentence, "; disks: vda: /ds/1/base is not on node02; "));
	om_check_sentence(&findings, little, sizeof(little));
	assert_int_equal(strlen(little), sizeof(little) - 1);
	assert_string_equal(little + sizeof(little) - 4, "...");
	om_findings_free(&findings);
	assert_int_equal(findings.n, 0);
	om_check_sentence(&findings, sentence, sizeof(sentence));
	assert_string_equal(sentence, "");
	world_free(&w);
}

/* ---- settings ---- */

#define SET(name, value)                                                                           \
	{                                                                                          \
		name, value, OM_ORIGIN_KVMRC                                                       \
	}

static void what_is_to_be_ignored_is_a_warning_that_says_so(void **unused)
{
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	WORLD_SETTINGS(&w, SET("MIGRATE_CHECK_IGNORE", "tpm, cpu"));
	no_cpu(&w);
	no_tpm(&w);
	no_machine(&w);
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.count[B], 1);
	assert_int_equal(worst(&findings, "cpu")->severity, W);
	assert_non_null(strstr(worst(&findings, "cpu")->found,
			       "avx512dq (a blocker that MIGRATE_CHECK_IGNORE names)"));
	assert_int_equal(worst(&findings, "tpm")->severity, W);
	assert_true(*worst(&findings, "tpm")->remedy);
	assert_int_equal(worst(&findings, "machine")->severity, B);
	om_findings_free(&findings);
	world_free(&w);
}

static void a_part_of_a_name_ignores_nothing(void **unused)
{
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	WORLD_SETTINGS(&w, SET("MIGRATE_CHECK_IGNORE", "host-uuid,nvram"));
	w.knobs.v[OM_KNOB_MIGRATE_CHECK_IGNORE].text = "tp,tpmx,xtpm,host-uuid";
	no_tpm(&w);
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.count[B], 1);
	om_findings_free(&findings);
	world_free(&w);
}

static void with_warn_nothing_blocks_at_any_moment(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		for (int moment = 0; moment < MOMENTS; moment++) {
			const struct om_finding *found;
			struct om_findings findings;
			struct world w;

			world_make(&w);
			w.facts.moment = (enum om_check_moment)moment;
			rows[i].spoil(&w);
			WORLD_SETTINGS(&w, SET("MIGRATE_CHECK", "warn"),
				       SET("MIGRATE_POSTCOPY", "yes"));
			om_check_run(&findings, &w.facts);
			assert_int_equal(findings.count[B], 0);
			found = worst(&findings, rows[i].check);
			if (rows[i].expected[moment] == B && rows[i].spoil != tunnelled_strict)
				assert_non_null(strstr(found->found,
						       "(a blocker, were MIGRATE_CHECK not warn)"));
			om_findings_free(&findings);
			world_free(&w);
		}
}

static void encryption_that_a_setting_asks_for_is_looked_at_too(void **unused)
{
	static const struct {
		const char *setting;
		enum om_answer answer;
		enum om_severity expected[MOMENTS];
		bool unseen;
	} cases[] = {
		{ "off", OM_ANSWER_NO, { O, O, O }, false },
		{ "off", OM_ANSWER_NOT_CHECKED, { O, O, O }, true },
		{ "opportunistic", OM_ANSWER_NOT_CHECKED, { N, N, N }, true },
		{ "required", OM_ANSWER_NOT_CHECKED, { W, W, W }, true },
		{ "required", OM_ANSWER_YES, { O, O, O }, true },
		{ "opportunistic", OM_ANSWER_YES, { O, O, O }, false },
		{ "opportunistic", OM_ANSWER_NO, { W, W, W }, false },
		{ "opportunistic", OM_ANSWER_NOT_CHECKED, { N, N, N }, false },
		{ "required", OM_ANSWER_YES, { O, O, O }, false },
		{ "required", OM_ANSWER_NO, { B, B, W }, false },
		{ "Required", OM_ANSWER_NOT_CHECKED, { N, N, N }, false },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(cases); i++)
		for (int moment = 0; moment < MOMENTS; moment++) {
			bool off = strcmp(cases[i].setting, "off") == 0;
			const struct om_finding *found;
			struct om_findings findings;
			struct world w;

			world_make(&w);
			w.facts.moment = (enum om_check_moment)moment;
			w.opts.flags = OM_FLAG_LIVE;
			w.dst.tls_server = cases[i].answer;
			w.dst.tls_unseen = cases[i].unseen;
			WORLD_SETTINGS(&w, SET("MIGRATE_TLS", cases[i].setting));
			om_check_run(&findings, &w.facts);
			found = worst(&findings, "tls");
			assert_int_equal(found->severity, cases[i].expected[moment]);
			assert_int_equal(strcmp(found->found, "not asked for") == 0, off);
			om_findings_free(&findings);
			world_free(&w);
		}
}

static void memory_that_a_setting_locks_is_told_too(void **unused)
{
	static const struct {
		const char *setting;
		enum om_severity expected;
	} cases[] = { { "auto", O }, { "no", O }, { "yes", N } };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(cases); i++) {
		const struct om_finding *found;
		struct om_findings findings;
		struct world w;

		world_make(&w);
		WORLD_SETTINGS(&w, SET("MIGRATE_ZEROCOPY", cases[i].setting));
		om_check_run(&findings, &w.facts);
		found = worst(&findings, "memlock");
		assert_int_equal(found->severity, cases[i].expected);
		if (found->severity == N)
			assert_non_null(
				strstr(found->found, "MIGRATE_ZEROCOPY locks up to 4096 MiB"));
		om_findings_free(&findings);
		world_free(&w);
	}
}

static void with_off_only_the_check_by_hand_looks(void **unused)
{
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	no_tpm(&w);
	WORLD_SETTINGS(&w, SET("MIGRATE_CHECK", "off"));
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.count[B], 0);
	assert_int_equal(worst(&findings, "tpm")->severity, W);
	om_findings_free(&findings);
	for (int moment = OM_CHECK_PREMIGRATE; moment <= OM_CHECK_MIGRATE; moment++) {
		w.facts.moment = (enum om_check_moment)moment;
		om_check_run(&findings, &w.facts);
		assert_int_equal(findings.count[N], findings.n);
		assert_string_equal(findings.v[0].found, "MIGRATE_CHECK is off");
		om_findings_free(&findings);
	}
	world_free(&w);
}

/* ---- what is not known ---- */

/* What the source alone knows for certain; bits of the exhaustive test. */
static void (*const of_source[])(struct world *) = {
	absent, in_postcopy, under_way, shmem, transient, invtsc, tunnelled_strict,
};

static void forget_destination(struct world *w)
{
	w->dst = (struct om_survey){ .why = "ssh: no route" };
	w->way = (struct om_check_way){ .source = w->way.source, .strict = w->way.strict };
	strcpy(w->way.fast.name, "10.1.0.0/24");
}

static size_t expected_blockers(const struct world *w)
{
	bool no_vm = w->src.side == OM_SIDE_ABSENT || w->src.side == OM_SIDE_POSTCOPY;

	return (size_t)no_vm + w->facts.src_job + w->dom.has_shmem_peer + w->disks[0].transient +
	       !w->dom.tsc_frequency + (w->way.strict && w->way.source == OM_FAST_NONE);
}

static void of_a_destination_that_is_not_known_nothing_blocks(void **unused)
{
	(void)unused;
	for (unsigned int set = 0; set < 1u << OM_ARRAY_LEN(of_source); set++)
		for (int moment = 0; moment < MOMENTS; moment++)
			for (unsigned int kind = 0; kind < 8; kind++) {
				struct om_findings findings;
				struct world w;

				world_make(&w);
				w.facts.moment = (enum om_check_moment)moment;
				w.facts.shared = kind & 1;
				w.facts.shared_known = kind & 2;
				w.facts.other_way = kind & 4;
				for (size_t i = 0; i < OM_ARRAY_LEN(of_source); i++)
					if (set & 1u << i)
						of_source[i](&w);
				forget_destination(&w);
				om_check_run(&findings, &w.facts);
				if (findings.count[B] != expected_blockers(&w))
					fail_msg("set %x, moment %d: %zu blockers", set, moment,
						 findings.count[B]);
				assert_int_equal(worst(&findings, "helper")->severity, W);
				om_findings_free(&findings);
				world_free(&w);
			}
}

static void where_nothing_at_all_is_known_nothing_blocks(void **unused)
{
	const struct om_dom empty = { 0 };
	const struct om_survey unknown = { 0 };
	const struct om_survey_ask no_ask = { 0 };
	const struct om_opts no_opts = { 0 };
	struct world w;

	(void)unused;
	world_make(&w);
	for (unsigned int set = 0; set < 64; set++)
		for (int moment = 0; moment < MOMENTS; moment++) {
			const struct om_check_facts facts = {
				.moment = (enum om_check_moment)moment,
				.src_host = set & 1 ? "node01" : NULL,
				.dst_host = set & 1 ? "node02" : NULL,
				.dom = set & 2 ? &empty : NULL,
				.src = set & 4 ? &unknown : NULL,
				.dst = set & 8 ? &unknown : NULL,
				.ask = set & 16 ? &no_ask : NULL,
				.opts = set & 32 ? &no_opts : NULL,
				.knobs = &w.knobs,
			};
			struct om_findings findings;

			om_check_run(&findings, &facts);
			assert_int_equal(findings.count[B], 0);
			assert_int_equal(findings.count[W], 1);
			om_findings_free(&findings);
		}
	world_free(&w);
}

/* A host that answers, and whose answers to all questions are "not checked". */
static void of_a_host_that_knows_nothing_nothing_blocks(void **unused)
{
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	w.src.side = OM_SIDE_RUNNING;
	w.dst = (struct om_survey){ .known = true, .libvirt_known = true };
	w.way = (struct om_check_way){ 0 };
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.count[B], 0);
	assert_int_equal(findings.count[W], 0);
	assert_true(findings.count[N] >= 18);
	om_findings_free(&findings);
	world_free(&w);
}

/* ---- other forms of a migration ---- */

static void a_move_on_one_host_has_a_list_of_its_own(void **unused)
{
	static const char *const checks[] = { "domain", "job", "disks" };
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	w.facts.same_host = true;
	w.facts.shared = false;
	w.facts.persistent = true;
	w.facts.dst = NULL;
	w.facts.way = NULL;
	om_check_run(&findings, &w.facts);
	assert_int_equal(findings.n, OM_ARRAY_LEN(checks));
	assert_int_equal(findings.count[O], findings.n);
	for (size_t i = 0; i < findings.n; i++)
		assert_string_equal(findings.v[i].check, checks[i]);
	om_findings_free(&findings);
	w.src_files[VDA].kind = OM_FILE_MISSING;
	under_way(&w);
	om_check_run(&findings, &w.facts);
	assert_int_equal(worst(&findings, "disks")->severity, W);
	assert_int_equal(worst(&findings, "job")->severity, B);
	om_findings_free(&findings);
	world_free(&w);
}

static void what_others_wrote_is_fit_for_a_terminal(void **unused)
{
	struct om_findings findings;
	struct world w;

	(void)unused;
	world_make(&w);
	no_cpu(&w);
	strcpy(w.dst.cpu_why, "\x1b[2J\n\xe2\x80\xae\xff"
			      "a\xc3\xbc");
	om_check_run(&findings, &w.facts);
	assert_non_null(strstr(worst(&findings, "cpu")->found, ": ?[2J???a\xc3\xbc"));
	om_findings_free(&findings);
	world_free(&w);
}

static void several_interfaces_on_one_bridge_are_one_finding(void **unused)
{
	struct om_findings findings;
	struct world w;
	size_t n = 0;

	(void)unused;
	world_make(&w);
	w.nics[1] = w.nics[0];
	no_bridge(&w);
	om_check_run(&findings, &w.facts);
	for (size_t i = 0; i < findings.n; i++)
		n += strcmp(findings.v[i].check, "networks") == 0;
	assert_int_equal(n, 1);
	om_findings_free(&findings);
	world_free(&w);
}

/* ---- what is asked ---- */

static void each_thing_is_asked_for_once(void **unused)
{
	static const char *const paths[PATHS] = {
		"/ds/0/31",
		"/usr/share/OVMF/OVMF_CODE.fd",
		"/var/lib/libvirt/qemu/nvram/one-31_VARS.fd",
		"/usr/share/OVMF/OVMF_VARS.fd",
		"/ds/0/31/kernel",
		"/ds/0/31/initrd",
		"/ds/0/31/disk.0",
		"/ds/1/base",
		"/ds/0/31/disk.1",
	};
	struct world w;

	(void)unused;
	world_make(&w);
	w.dom.kernel = text("/ds/0/31/kernel");
	w.disks[1].secret_usage = text("ceph:one");
	w.graphics[0].port[1] = 5931;
	world_ask(&w);
	assert_int_equal(w.ask.paths.n, PATHS);
	for (size_t i = 0; i < PATHS; i++)
		assert_string_equal(w.ask.paths.v[i], paths[i]);
	assert_int_equal(w.ask.bridges.n, BRIDGES);
	assert_string_equal(w.ask.bridges.v[ETH1], "eth1");
	assert_int_equal(w.ask.networks.n, 1);
	assert_int_equal(w.ask.secrets.n, 1);
	assert_string_equal(w.ask.secrets.v[0], "usage:ceph:one");
	assert_int_equal(w.ask.port_count, 1);
	assert_int_equal(w.ask.ports[0], 5931);
	assert_int_equal(w.ask.huge_page_kib, 2048);
	assert_string_equal(w.ask.uuid, w.dom.uuid);
	assert_string_equal(w.ask.machine, "pc-q35-7.2");
	assert_true(w.ask.tls && w.ask.postcopy && w.ask.tpm);
	world_free(&w);
}

static void what_is_no_path_is_not_asked_for(void **unused)
{
	struct world w;

	(void)unused;
	world_make(&w);
	w.dom.loader = text("relative");
	w.dom.kernel = text("");
	w.disks[0].secret_uuid = text("0-1");
	w.disks[0].secret_usage = text("ceph:other");
	w.graphics[0].port[0] = 0;
	w.opts.flags = OM_FLAG_POSTCOPY;
	WORLD_SETTINGS(&w, SET("MIGRATE_POSTCOPY", "no"));
	world_ask(&w);
	assert_int_equal(w.ask.paths.n, PATHS - 2);
	assert_int_equal(w.ask.secrets.n, 2);
	assert_string_equal(w.ask.secrets.v[0], "uuid:0-1");
	assert_int_equal(w.ask.port_count, 0);
	assert_true(!w.ask.tls && w.ask.postcopy);
	world_free(&w);
}

static void an_empty_domain_asks_for_nothing(void **unused)
{
	const struct om_dom empty = { 0 };
	struct world w;

	(void)unused;
	world_make(&w);
	om_survey_ask_free(&w.ask);
	om_check_ask(&w.ask, &empty, &w.opts, &w.knobs, "");
	assert_string_equal(w.ask.uuid, "");
	assert_string_equal(w.ask.cpu, "");
	assert_int_equal(w.ask.paths.n, 0);
	world_free(&w);
}

static void a_list_ends_where_an_ask_does(void **unused)
{
	static char names[600][24], *chain[601];
	struct world w;

	(void)unused;
	world_make(&w);
	for (int i = 0; i < 600; i++) {
		snprintf(names[i], sizeof(names[i]), "/base/%d", i);
		chain[i] = names[i];
	}
	w.disks[0].chain = (struct om_strv){ chain, 600 };
	world_ask(&w);
	assert_int_equal(w.ask.paths.n, OM_SURVEY_LIST_MAX);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_hosts_with_nothing_wrong_each_check_is_in_order),
		cmocka_unit_test(a_vm_of_nothing_but_memory_is_in_order_too),
		cmocka_unit_test(each_check_finds_its_problem_at_each_moment),
		cmocka_unit_test(every_row_of_the_table_is_complete_and_tried),
		cmocka_unit_test(a_single_problem_is_a_single_blocker),
		cmocka_unit_test(five_problems_at_once_are_all_told),
		cmocka_unit_test(what_is_to_be_ignored_is_a_warning_that_says_so),
		cmocka_unit_test(a_part_of_a_name_ignores_nothing),
		cmocka_unit_test(with_warn_nothing_blocks_at_any_moment),
		cmocka_unit_test(encryption_that_a_setting_asks_for_is_looked_at_too),
		cmocka_unit_test(memory_that_a_setting_locks_is_told_too),
		cmocka_unit_test(with_off_only_the_check_by_hand_looks),
		cmocka_unit_test(of_a_destination_that_is_not_known_nothing_blocks),
		cmocka_unit_test(where_nothing_at_all_is_known_nothing_blocks),
		cmocka_unit_test(of_a_host_that_knows_nothing_nothing_blocks),
		cmocka_unit_test(a_move_on_one_host_has_a_list_of_its_own),
		cmocka_unit_test(what_others_wrote_is_fit_for_a_terminal),
		cmocka_unit_test(several_interfaces_on_one_bridge_are_one_finding),
		cmocka_unit_test(each_thing_is_asked_for_once),
		cmocka_unit_test(what_is_no_path_is_not_asked_for),
		cmocka_unit_test(an_empty_domain_asks_for_nothing),
		cmocka_unit_test(a_list_ends_where_an_ask_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
