/* SPDX-License-Identifier: Apache-2.0 */
/* Two hosts and a VM of everything that checks look at, with nothing wrong: each test spoils a part. */
#ifndef CHECK_WORLD_H
#define CHECK_WORLD_H

#include "om_check.h"

#include <string.h>

#define EXT4 0xef53
#define NFS 0x6969

enum { VM_DIR, LOADER, NVRAM, TEMPLATE, KERNEL, INITRD, VDA, BASE, CDROM, PATHS };
enum { BR0, ETH1, BRIDGES };

struct world {
	struct om_check_facts facts;
	struct om_dom dom;
	struct om_dom_disk disks[3];
	struct om_dom_nic nics[3];
	struct om_dom_graphics graphics[1];
	struct om_opts opts;
	struct om_knobs knobs;
	struct om_survey_ask ask;
	struct om_survey src, dst;
	struct om_file src_files[PATHS], dst_files[PATHS];
	enum om_answer bridges[BRIDGES], networks[1], secrets[1];
	struct om_check_way way;
};

/* Texts of the table below belong to nobody. */
static inline char *text(const char *literal)
{
	union {
		const char *in;
		char *out;
	} cast = { literal };

	return cast.out;
}

static inline void address(struct om_addr *addr, const char *literal)
{
	if (!om_addr_parse(addr, literal))
		fail_msg("%s", literal);
}

static inline void world_domain(struct world *w)
{
	static char *chain[] = { NULL, NULL };

	chain[0] = text("/ds/1/base");
	w->disks[0] = (struct om_dom_disk){ .target = text("vda"),
					    .source = text("/ds/0/31/disk.0"),
					    .format = text("qcow2"),
					    .cache = text("none"),
					    .secret_uuid = text(""),
					    .secret_usage = text(""),
					    .chain = { chain, 1 },
					    .kind = OM_DISK_FILE };
	w->disks[1] = (struct om_dom_disk){ .target = text("sda"),
					    .source = text("/ds/0/31/disk.1"),
					    .secret_uuid = text(""),
					    .secret_usage = text(""),
					    .kind = OM_DISK_FILE,
					    .readonly = true,
					    .cdrom = true };
	w->disks[2] = (struct om_dom_disk){ .target = text("vdb"),
					    .source = text("pool/image"),
					    .secret_uuid = text(""),
					    .secret_usage = text("ceph:one"),
					    .kind = OM_DISK_NETWORK };
	w->nics[0] = (struct om_dom_nic){ text("bridge"), text("br0"), text(""), text("one-31-0") };
	w->nics[1] = (struct om_dom_nic){ text("network"), text("default"), text(""),
					  text("one-31-1") };
	w->nics[2] = (struct om_dom_nic){ text("direct"), text("eth1"), text(""),
					  text("one-31-2") };
	w->graphics[0] = (struct om_dom_graphics){ text("vnc"), text("0.0.0.0"), { 5931, 0 } };
	w->dom = (struct om_dom){
		.uuid = text("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
		.name = text("one-31"),
		.machine = text("pc-q35-7.2"),
		.emulator = text("/usr/bin/qemu-system-x86_64"),
		.arch = text("x86_64"),
		.virt_type = text("kvm"),
		.loader = text("/usr/share/OVMF/OVMF_CODE.fd"),
		.nvram = text("/var/lib/libvirt/qemu/nvram/one-31_VARS.fd"),
		.nvram_template = text("/usr/share/OVMF/OVMF_VARS.fd"),
		.kernel = text("/ds/0/31/kernel"),
		.initrd = text("/ds/0/31/initrd"),
		.cpu = text("<cpu mode='custom'><model>Haswell</model></cpu>"),
		.cpu_mode = text("custom"),
		.cpu_check = text("full"),
		.vm_dir = text("/ds/0/31"),
		.memory_kib = 4u << 20,
		.huge_page_kib = 2048,
		.numa_strict = true,
		.has_tpm = true,
		.invtsc = true,
		.tsc_frequency = true,
		.disks = w->disks,
		.disk_count = OM_ARRAY_LEN(w->disks),
		.nics = w->nics,
		.nic_count = OM_ARRAY_LEN(w->nics),
		.graphics = w->graphics,
		.graphics_count = OM_ARRAY_LEN(w->graphics),
	};
}

static inline void world_survey(struct world *w, struct om_survey *s, const char *name,
				struct om_file *files)
{
	*s = (struct om_survey){
		.known = true,
		.helper = "0.4.0",
		.epoch_ms = 1800000000000,
		.libvirt_known = true,
		.libvirt = 9000000,
		.qemu = 7002022,
		.cpu_model = "Haswell",
		.side = OM_SIDE_ABSENT,
		.machine = OM_ANSWER_YES,
		.emulator = OM_ANSWER_YES,
		.tpm = OM_ANSWER_YES,
		.cpu = OM_ANSWER_YES,
		.networks = w->networks,
		.secrets = w->secrets,
		.memory_total_kib = 64u << 20,
		.memory_available_kib = 32u << 20,
		.page_kib = 2048,
		.nodes = { { 0, 4096, 2048 }, { 1, 4096, 100 } },
		.node_count = 2,
		.files = files,
		.bridges = w->bridges,
		.ports = { OM_ANSWER_YES },
		.range_min = OM_PORT_MIN,
		.range_max = OM_PORT_MAX,
		.range_free = 64,
		.userfaultfd = OM_ANSWER_YES,
		.tls_server = OM_ANSWER_YES,
		.tls_client = OM_ANSWER_YES,
		.file_count = PATHS,
		.bridge_count = BRIDGES,
		.network_count = 1,
		.secret_count = 1,
		.port_count = 1,
	};
	strcpy(s->hostname, name);
	strcpy(s->boot_id, name);
	strcpy(s->host_uuid, name);
	address(&s->addrs[0], strcmp(name, "node01") ? "10.0.0.2" : "10.0.0.1");
	s->addr_count = 1;
	for (size_t i = 0; i < PATHS; i++)
		files[i] = (struct om_file){ .kind = i == VM_DIR ? OM_FILE_DIR : OM_FILE_REGULAR,
					     .size_bytes = 1000 + i,
					     .inode = 100 + i,
					     .device = 5,
					     .fs_type = NFS,
					     .fs_id = 77 };
}

static inline void world_settings(struct world *w, const struct om_knob_source *sources, size_t n)
{
	struct om_err err;

	om_knobs_free(&w->knobs);
	if (!om_knobs_resolve(&w->knobs, sources, n, NULL, &err))
		fail_msg("%s", err.msg);
}

#define WORLD_SETTINGS(w, ...)                                                                     \
	world_settings(w, (const struct om_knob_source[]){ __VA_ARGS__ },                          \
		       sizeof((struct om_knob_source[]){ __VA_ARGS__ }) /                          \
			       sizeof(struct om_knob_source))

static inline void world_ask(struct world *w)
{
	om_survey_ask_free(&w->ask);
	om_check_ask(&w->ask, &w->dom, &w->opts, &w->knobs, "/ds/0/31");
}

static inline void world_make(struct world *w)
{
	memset(w, 0, sizeof(*w));
	world_domain(w);
	w->opts.flags = OM_FLAG_LIVE | OM_FLAG_TLS;
	WORLD_SETTINGS(w, { "MIGRATE_POSTCOPY", "yes", OM_ORIGIN_KVMRC },
		       { "MIGRATE_NETWORK", "10.1.0.0/24", OM_ORIGIN_KVMRC });
	world_ask(w);
	for (size_t i = 0; i < BRIDGES; i++)
		w->bridges[i] = OM_ANSWER_YES;
	w->networks[0] = w->secrets[0] = OM_ANSWER_YES;
	world_survey(w, &w->src, "node01", w->src_files);
	world_survey(w, &w->dst, "node02", w->dst_files);
	w->src.side = OM_SIDE_RUNNING;
	w->way = (struct om_check_way){ .source = OM_FAST_NETWORK,
					.fast = { .name = "10.1.0.0/24",
						  .have_addr = true,
						  .routed = true,
						  .route.ifname = "eth1",
						  .answer = OM_ANSWER_YES,
						  .own = OM_ANSWER_YES },
					.full_size = OM_ANSWER_YES,
					.range = OM_ANSWER_YES,
					.range_port = 49152 };
	address(&w->way.fast.addr, "10.1.0.2");
	w->facts = (struct om_check_facts){ .src_host = "node01",
					    .dst_host = "node02",
					    .dom = &w->dom,
					    .ask = &w->ask,
					    .src = &w->src,
					    .dst = &w->dst,
					    .snapshots_known = true,
					    .shared = true,
					    .shared_known = true,
					    .opts = &w->opts,
					    .knobs = &w->knobs,
					    .way = &w->way };
}

static inline void world_free(struct world *w)
{
	om_survey_ask_free(&w->ask);
	om_knobs_free(&w->knobs);
}

#endif
