/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a VM's storage gets to the destination where the hosts do not share it: decided here for each disk
 * and each file of the VM's directory. Pure; core/disks*.c and core/qcow2.c. Facts come from the domain's
 * XML, from the survey of both hosts, from a listing of the VM's directory and from the heads of its
 * image files; what is decided is carried out elsewhere.
 *
 * The rule: every regular file of the directory is mirrored or sent, once (the source's directory is
 * removed after the migration); none that the guest writes to is sent; nothing outside of the directory
 * is written, except a logical volume that is proven to be the destination's own.
 */
#ifndef OM_DISKS_H
#define OM_DISKS_H

#include "om_buf.h"
#include "om_dom.h"
#include "om_opts.h"
#include "om_survey.h"

#define OM_DISKS_FILES_MAX 4096	     /* in a VM's directory; more is refused */
#define OM_DISKS_NAME_MAX 1024	     /* bytes of a path below the directory */
#define OM_DISKS_MARK ".onemigrate-" /* names of ours begin with it; neither sent nor minded */
#define OM_DISKS_NONE SIZE_MAX	     /* no item */
/* libvirt takes 64 parameters for a migration, each disk is one. */
#define OM_DISKS_MIRRORS_MAX 34

/* ---- core/qcow2.c: what the head of an image file says ---- */

enum om_image_format { OM_IMAGE_RAW, OM_IMAGE_QCOW2 };
struct om_image {
	enum om_image_format format;
	uint64_t virtual_bytes;
	uint32_t snapshots;	 /* internal ones */
	bool encrypted;		 /* qcow2: crypt_method is not 0 */
	bool external_data;	 /* qcow2: the data lies in another file */
	bool compat_v2;		 /* qcow2 version 2 */
	bool extended_l2;	 /* qcow2: subclusters */
	bool corrupt;		 /* qcow2: marked as such by QEMU */
	uint32_t cluster_bits;	 /* qcow2 */
	char backing[1024];	 /* as it stands in the head; "" = none */
	char backing_format[16]; /* "" = not said */
};
#define OM_IMAGE_HEAD_BYTES 65536 /* that much of the file's beginning is enough */
/*
 * `format` is what the domain calls it; what is "raw" is not looked into, as a guest may have written
 * anything there. `data` is what the file begins with. False: `err` says why it is neither raw nor a
 * sound qcow2 image.
 */
bool om_image_parse(struct om_image *image, const char *format, const void *data, size_t len,
		    uint64_t file_bytes, struct om_err *err) OM_MUST_CHECK;

/* ---- facts ---- */

/* What lies below the VM's directory. Directories come before what is in them, links are not followed. */
enum om_item_kind { OM_ITEM_FILE, OM_ITEM_LINK, OM_ITEM_DIR, OM_ITEM_OTHER };
struct om_item {
	char *name; /* "disk.0.snap/1": below the directory, without a slash in front */
	enum om_item_kind kind;
	char *target; /* of a link, as it stands; else NULL */
	uint64_t size_bytes, allocated_bytes;
	uint64_t device, inode; /* 0 = not known: tells hard links */
	bool readable;		/* by us; of a directory: it could be listed */
};

/* By dom->disks. */
struct om_disk_facts {
	bool have_image;
	struct om_image image; /* of the active layer */
	char why[200];	       /* where there is none */
	bool measured;
	uint64_t
		written_bytes_ps; /* that have to be copied again for what the guest writes; om_written_bytes_ps() */
};

/* By a guest to one of its disks, counted since it was started. */
struct om_written {
	uint64_t bytes, requests;
};
/*
 * Bytes per second that a mirror has to copy again: whole grains of OM_GRAIN_BYTES, QEMU's for files and
 * devices, so that small writes cost it more than they are. At most, as writes to one grain count once.
 */
#define OM_GRAIN_BYTES 65536
uint64_t om_written_bytes_ps(const struct om_written *from, const struct om_written *to,
			     uint64_t ms);

struct om_disks_facts {
	const struct om_dom *dom;
	const char *vm_id;
	const char *dir;     /* of the VM on the source; without a final slash */
	const char *dst_dir; /* on the destination; NULL = the same. Another one is refused */
	const struct om_disk_facts *disks;
	const struct om_item *items; /* of the directory on the source */
	size_t item_count;
	bool dst_items_known; /* the destination's directory was listed, or is missing there */
	const struct om_item *dst_items;
	size_t dst_item_count;
	/* The paths of both surveys, with those of om_disks_ask(): they tell what is the same file, how
	 * much space there is (of the directory), and what devices are called. */
	const struct om_survey_ask *ask;
	const struct om_survey *src, *dst;
	struct om_versions versions;
	const char *src_host, *dst_host;
	uint64_t link_bps; /* bytes per second of the way, less headers; 0 = not known */
};

/* Adds the paths that both surveys have to look at: the directory, what disks, backing files and links
 * lead to. facts->disks, items and dom are used; where have_image is false yet, ask again later. */
void om_disks_ask(struct om_survey_ask *ask, const struct om_disks_facts *facts);

/*
 * Are the VM's directories of both hosts the same one, by what lies in them? NO only where it is proven;
 * what is not known is to be treated as the same. Only dom, dir, ask, src and dst are needed; with
 * items, links to elsewhere are seen through.
 */
enum om_same om_disks_same(const struct om_disks_facts *facts);

/* A path without links, as far as they lie in the directory; absolute, malloc'ed. NULL: it loops, or it
 * is none. *item: its place in facts->items, or OM_DISKS_NONE. `from` is where a relative one begins. */
char *om_disks_resolve(const struct om_disks_facts *facts, const char *from, const char *path,
		       size_t *item);

/* ---- the decision ---- */

enum om_disk_way {
	OM_DISK_STAYS, /* nothing to copy: of the network, a device that both hosts have, an empty drive */
	OM_DISK_MIRROR, /* copied by QEMU while the guest runs, onto a placeholder or a device */
	OM_DISK_SEND,	/* nobody writes to it: its file is sent before the start */
	OM_DISK_REFUSED,
	OM_DISK_WAY_COUNT
};
struct om_disk_plan {
	enum om_disk_way way;
	char why[120]; /* half a sentence, for `plan` */
	size_t item; /* its active layer's place among the items; OM_DISKS_NONE: it lies elsewhere */
	/*
	 * MIRROR onto a file: one has to be made at dir/items[item].name, with O_EXCL, of exactly
	 * image.virtual_bytes and of the format and features of facts->disks[i].image; a qcow2 with
	 * the backing reference as it stands there, where that is not "" (its format is
	 * `backing_format`, never "" then). False: the device at `device` of the destination.
	 */
	bool placeholder;
	bool chain;		    /* it has a backing file */
	char *device;		    /* MIRROR: without links; NULL for a placeholder */
	const char *backing_format; /* of the facts, or static */
	uint64_t copy_bytes;	    /* that will go over the wire: allocated, of the active layer */
	bool sync_wanted;	    /* it is written to faster than the way carries */
};

enum om_file_way {
	OM_FILE_SEND_IT,
	OM_FILE_LINK_IT,  /* made again with the same target */
	OM_FILE_MAKE_DIR, /* the VM's directory itself is not among the items */
	OM_FILE_MIRRORED, /* a disk's placeholder is made there */
	OM_FILE_LEAVE,	  /* ours, or no file */
	OM_FILE_WAY_COUNT
};

/* Why it cannot be done, and what to do about it. */
struct om_disks_refusal {
	char *found, *remedy; /* sentences without full stop; remedy: never "" */
	bool exists; /* a file is where one would be written: premigrate may yet remove it */
};

/* om_plan_make() makes it of om_facts.disks; it can be asked for before that, to refuse early. */
struct om_disks {
	struct om_disk_plan *disk; /* by dom->disks */
	size_t disk_count;
	enum om_file_way *file; /* by items */
	size_t file_count;
	size_t nvram; /* the item that is its NVRAM: sent, though QEMU may write to it; or OM_DISKS_NONE */
	bool incremental; /* a chain stays a chain */
	bool sync_writes; /* of all, as libvirt has one flag */
	size_t mirrors, sent_files;
	uint64_t mirror_bytes, send_bytes; /* that go over the wire, at most */
	uint64_t space_bytes;		   /* that the destination needs in the directory */
	struct om_strv infos, warnings;	   /* sentences */
	struct om_disks_refusal *refused;
	size_t refused_count;

	/*
	 * Of a limit on all that the link sees. libvirt gives the "bandwidth" of its call to each mirror, for
	 * good, and to memory; so the call gets mirror_mibps, and memory's is to be raised to memory_mibps by
	 * virDomainMigrateSetMaxSpeed once the mirrors are in sync. 0 = no limit.
	 */
	uint64_t mirror_mibps, memory_mibps;
};

/*
 * True: it can be done. False: OM_E_INPUT, one sentence that names the disk or the file and says what to
 * do; `refused` has all of them, and the rest of the struct is as far as it was decided. To be freed in
 * both cases. `opts` may be NULL; `encrypted`: by whatever setting or option; limit_mibps is the
 * operator's, 0 = none.
 */
bool om_disks_decide(struct om_disks *disks, const struct om_disks_facts *facts,
		     const struct om_opts *opts, bool encrypted, uint64_t limit_mibps,
		     struct om_err *err) OM_MUST_CHECK;
void om_disks_free(struct om_disks *disks);

/*
 * What it adds to a migration: flags (OM_FLAG_NON_SHARED_*), the disks by target, zero detection, the share
 * of the bandwidth, and where the disks' data goes: `fast_addr` is an address that the destination has
 * itself, NULL where libvirt's default is meant, which is the host of migrate_uri.
 */
void om_disks_add_params(const struct om_disks *disks, const struct om_disks_facts *facts,
			 const struct om_opts *opts, unsigned int *flags, struct om_params *params,
			 const char *fast_addr);

/* One line a disk and one for the files, for DEBUG lines and golden tests. */
void om_disks_print(struct om_buf *buf, const struct om_disks *disks,
		    const struct om_disks_facts *facts);
/* "mirrored", ...; for `plan` of people and of programs. */
const char *om_disk_way_name(enum om_disk_way way);

#define OM_DISKS_SIZE_TEXT 32
const char *om_disks_size(char text[OM_DISKS_SIZE_TEXT], uint64_t bytes); /* "1.5 GiB" */

/* Paths that end in /<datastore id>/<vm id>: only such a directory is ever made or removed. */
bool om_disks_dir_valid(const char *dir, const char *vm_id);

#endif
