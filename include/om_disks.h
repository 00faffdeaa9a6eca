/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a VM's storage gets to the destination where the hosts do not share it: decided here for each disk
 * and each file of the VM's directory. Pure; core/disks*.c. Facts come from the domain's XML, from the
 * survey of both hosts and from the heads of the image files (edge/image_file.c); what is decided is
 * carried out by onemigrate/storage.c.
 */
#ifndef OM_DISKS_H
#define OM_DISKS_H

#include "om_dom.h"
#include "om_knob.h"
#include "om_opts.h"
#include "om_survey.h"

#define OM_DISKS_FILES_MAX 4096 /* in a VM's directory; more is refused */
#define OM_DISKS_NAME_MAX 1024	/* bytes of a path below the directory */

/* ---- facts ---- */

enum om_image_format { OM_IMAGE_RAW, OM_IMAGE_QCOW2, OM_IMAGE_OTHER };
/* What the head of an image file says; core/qcow2.c reads it, for raw there is none. */
struct om_image {
	enum om_image_format format;
	uint64_t virtual_bytes;
	uint32_t snapshots;	   /* internal ones */
	bool encrypted;		   /* qcow2: crypt_method is not 0 */
	bool external_data;	   /* qcow2: the data lies in another file */
	bool compat_v2;		   /* qcow2 version 2 */
	uint32_t cluster_bits;	   /* qcow2 */
	bool extended_l2;	   /* qcow2: subclusters */
	char backing[1024];	   /* as it stands in the head; "" = none */
	char backing_format[16];   /* "" = not said */
};
#define OM_IMAGE_HEAD_BYTES 65536 /* that much of the file's beginning is enough */
/* Is it a qcow2 image, and a sound one? False: `err` says why it is neither that nor raw. `data` is what the
 * file begins with, `format` what the domain calls it ("raw", "qcow2", ...). */
bool om_image_parse(struct om_image *image, const char *format, const void *data, size_t len,
		    uint64_t file_bytes, struct om_err *err) OM_MUST_CHECK;

/* A file below the VM's directory, or a disk's elsewhere. */
struct om_item {
	char *name; /* below the directory, without a slash in front; absolute where it lies elsewhere */
	enum { OM_ITEM_FILE, OM_ITEM_LINK, OM_ITEM_DIR, OM_ITEM_OTHER } kind;
	char *target;		  /* of a link, as it stands */
	uint64_t size_bytes, allocated_bytes;
	bool readable;		  /* by us */
};

struct om_disk_facts {
	bool have_image;
	struct om_image image; /* of the active layer */
	char why[200];	       /* where there is none */
	uint64_t written_bps;  /* by the guest, measured; bytes per second */
	bool measured;
	char src_device_id[96], dst_device_id[96]; /* of block devices: LVM's UUID, WWN; "" = none */
};

struct om_disks_facts {
	const struct om_dom *dom;
	const char *dir;		     /* of the VM, on both hosts; without a final slash */
	const struct om_disk_facts *disk;    /* by dom->disks */
	const struct om_item *items;	     /* of the directory, parents before children */
	size_t item_count;
	const struct om_survey_ask *ask;     /* the paths of both surveys */
	const struct om_survey *src, *dst;
	uint64_t dst_free_bytes;	     /* for us, where the directory lies; 0 = not known */
	bool dst_free_known;
	struct om_versions versions;
	const char *dst_host;
	uint64_t link_bps;		     /* bytes per second of the way; 0 = not known */
};

/* ---- the decision ---- */

enum om_disk_way {
	OM_DISK_STAYS,	/* nothing to copy: of the network, a device that both hosts have, an empty drive */
	OM_DISK_MIRROR, /* copied by QEMU while the guest runs, onto a placeholder or a device */
	OM_DISK_SEND,	/* nobody writes to it: sent as a file before the start */
	OM_DISK_WAY_COUNT
};
struct om_disk_plan {
	enum om_disk_way way;
	char why[120];		/* half a sentence, for `plan` */
	bool placeholder;	/* MIRROR: a file has to be made */
	bool sync_writes_wanted;/* it is written to faster than the way carries */
	uint64_t virtual_bytes; /* of the placeholder, exactly */
	uint64_t copy_bytes;	/* that will go over the wire: allocated, of the active layer */
};

enum om_file_way { OM_FILE_SEND_IT, OM_FILE_LINK_IT, OM_FILE_MAKE_DIR, OM_FILE_LEAVE };

struct om_disks {
	struct om_disk_plan *disk;    /* by dom->disks */
	size_t disk_count;
	enum om_file_way *file;	      /* by items */
	size_t file_count;
	bool incremental;	      /* NON_SHARED_INC: a chain stays a chain */
	bool sync_writes;	      /* of all, as libvirt has one flag: decided by those that want it */
	size_t mirrors;
	uint64_t mirror_bytes, send_bytes;
	struct om_strv infos, warnings; /* whole sentences */
};
/*
 * False: OM_E_INPUT, one sentence that names the disk or the file and says what to do; nothing was
 * touched. What must hold: every regular file of the VM is either mirrored or sent, once; none that a
 * guest writes to is sent; nothing outside of the directory is written.
 */
bool om_disks_decide(struct om_disks *disks, const struct om_disks_facts *facts,
		     const struct om_knobs *knobs, struct om_err *err) OM_MUST_CHECK;
void om_disks_free(struct om_disks *disks);

/*
 * What it adds to a migration: flags (OM_FLAG_NON_SHARED_*), the disks by target, where their data
 * goes (`fast_addr` NULL: the default way), zero detection, and the share of `bandwidth_mibps` (0 = no
 * limit) that each stream gets, as libvirt gives the same to each mirror and to memory.
 */
void om_disks_add_params(const struct om_disks *disks, const struct om_disks_facts *facts,
			 unsigned int *flags, struct om_params *params, const char *fast_addr,
			 uint64_t bandwidth_mibps);

/* One line a disk and one for the files, for `plan` and DEBUG lines; malloc'ed. */
char *om_disks_print(const struct om_disks *disks, const struct om_disks_facts *facts);

/* `one`'s paths end in /<datastore id>/<vm id>: only such a directory is ever made or removed. */
bool om_disks_dir_valid(const char *dir, const char *vm_id);

#endif
