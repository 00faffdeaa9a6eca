/* SPDX-License-Identifier: Apache-2.0 */
/* What a domain's XML tells. Read by edge/xml_dom.c; texts are owned by the struct and never NULL,
 * "" where the XML has none. */
#ifndef OM_DOM_H
#define OM_DOM_H

#include "om_err.h"
#include "om_net.h"
#include "om_util.h"

struct om_versions; /* om_opts.h */

#define OM_DOM_MAX_BYTES (16u << 20) /* a real one is below 100 KiB */

enum om_disk_kind { OM_DISK_FILE, OM_DISK_BLOCK, OM_DISK_NETWORK, OM_DISK_EMPTY, OM_DISK_OTHER };
struct om_dom_disk {
	char *target;	      /* "vda" */
	char *source;	      /* path or network name; "" where empty */
	char *format;	      /* driver type */
	char *cache;	      /* driver cache */
	char *secret_uuid;    /* of the secret that it is opened with; */
	char *secret_usage;   /* "ceph:NAME" where it is named by its use */
	struct om_strv chain; /* paths of the backing files and devices, from the top down */
	enum om_disk_kind kind;
	bool readonly, cdrom, shareable, transient;
};

struct om_dom_nic {
	char *type;	   /* "bridge", "network", "direct", "ethernet", "hostdev", ... */
	char *source;	   /* bridge, libvirt network or device; "" where the type has none */
	char *virtualport; /* type of <virtualport>: "openvswitch" ... */
	char *target;	   /* name of its tap device */
};

struct om_dom_graphics {
	char *type;   /* "vnc", "spice" */
	char *listen; /* address or host name; "" where none is named */
	uint16_t port
		[2]; /* fixed by the configuration, plain and TLS; 0 = none or chosen by libvirt */
};

struct om_dom {
	char *uuid, *name, *machine, *emulator;
	char *arch, *virt_type;					 /* "x86_64"; "kvm" or "qemu" */
	char *loader, *nvram, *nvram_template, *kernel, *initrd; /* paths */
	char *cpu;						 /* the <cpu> element as XML */
	char *cpu_mode, *cpu_check;
	bool cpu_strict; /* match='strict', or features that the host must not have */
	char *vm_dir;	 /* <one:system_datastore> of OpenNebula's metadata */
	uint64_t memory_kib;
	uint64_t
		huge_page_kib; /* of its memory: the largest; 0 = none, 1 = the host's default size */
	bool numa_strict;      /* bound to host nodes by <numatune> */
	bool pinned_cpus;      /* its processors to some of the host's, by <cputune> */
	bool has_guest_agent; /* <channel> with target name org.qemu.guest_agent.0 */
	bool has_hostdev, has_tpm;
	/* has_pci_hostdev: without those that libvirt takes out for the time (<teaming>).
	 * has_shmem_peer: a role other than master, or the old device. */
	bool has_pci_hostdev, has_mdev, has_usb_hostdev, has_virtiofs, has_shmem_peer, has_vdpa;
	bool invtsc, tsc_frequency;    /* asks for the feature; names the frequency */
	const char *postcopy_obstacle; /* why it cannot be migrated by post-copy, or NULL; static */
	struct om_dom_disk *disks;
	size_t disk_count;
	struct om_dom_nic *nics;
	size_t nic_count;
	struct om_dom_graphics *graphics;
	size_t graphics_count;
};
bool om_xml_dom_parse(struct om_dom *dom, const char *xml, struct om_err *err) OM_MUST_CHECK;
void om_dom_free(struct om_dom *dom);

/* The QEMU that its machine type came with ("pc-q35-10.0"), as libvirt counts versions: the guest runs in that
 * one or in a newer one. 0 = the type does not tell ("pc-q35-rhel9.4.0"). */
uint64_t om_dom_machine_version(const struct om_dom *dom);
/* Where nobody can see which QEMU the guest runs in: it is one between that of its machine type and what its
 * host has installed. versions->src_qemu is the latter before, and the older of both after. */
void om_dom_qemu_unseen(const struct om_dom *dom, struct om_versions *versions);

/* In om_survey.cpu_why, before the name. */
#define OM_CPU_MODEL_UNKNOWN "libvirt does not know the CPU model "
#define OM_CPU_FEATURE_UNKNOWN "libvirt does not know the CPU feature "
/*
 * The destination's libvirt said NO to the CPU, with `why` (om_survey.cpu_why): is it certain to refuse
 * the migration for it? `source` is what the source's says of the same CPU, which runs there. core/dom.c
 * says when. Where not, the guest may start and be right.
 */
bool om_dom_cpu_refused(const struct om_dom *dom, enum om_answer source, const char *why);

#endif
