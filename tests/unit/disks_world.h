/* SPDX-License-Identifier: Apache-2.0 */
/* A VM with storage of its own: each test adds disks and files, and spoils a part. */
#ifndef DISKS_WORLD_H
#define DISKS_WORLD_H

#include "om_disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXT4 0xef53
#define NFS 0x6969
#define DIR "/ds/0/31"
#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

#define DISKS 48
#define ITEMS 64
#define PATHS 160

struct world {
	struct om_dom dom;
	struct om_dom_disk disks[DISKS];
	struct om_disk_facts known[DISKS];
	struct om_item items[ITEMS], there[ITEMS];
	struct om_survey_ask ask;
	struct om_survey src, dst;
	struct om_file src_files[PATHS], dst_files[PATHS];
	struct om_disks_facts facts;
	struct om_disks disk_plan;
	struct om_opts opts;
	struct om_err err;
	bool fresh; /* disk_plan is to be freed */
};

/* Texts of the tables belong to nobody. */
static inline char *text(const char *literal)
{
	union {
		const char *in;
		char *out;
	} cast = { literal };

	return cast.out;
}

static inline size_t add_disk(struct world *w, enum om_disk_kind kind, const char *source,
			      const char *format)
{
	static const char *const targets[] = { "vda", "vdb", "vdc", "vdd", "vde", "vdf" };
	size_t i = w->dom.disk_count++;

	w->disks[i] = (struct om_dom_disk){ .target = text(i < 6 ? targets[i] : "vdx"),
					    .source = text(source),
					    .format = text(format),
					    .cache = text("none"),
					    .secret_uuid = text(""),
					    .secret_usage = text(""),
					    .kind = kind };
	w->known[i] = (struct om_disk_facts){
		.have_image = strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0,
		.image = { .format = strcmp(format, "raw") == 0 ? OM_IMAGE_RAW : OM_IMAGE_QCOW2,
			   .virtual_bytes = 10 * GIB,
			   .cluster_bits = 16 }
	};
	return i;
}

static inline size_t add_item(struct world *w, enum om_item_kind kind, const char *name,
			      const char *target)
{
	size_t i = w->facts.item_count++;

	w->items[i] = (struct om_item){ .name = text(name),
					.kind = kind,
					.target = text(target),
					.size_bytes = 2 * GIB,
					.allocated_bytes = kind == OM_ITEM_FILE ? GIB : 0,
					.device = 1,
					.inode = 100 + i,
					.readable = true };
	return i;
}

static inline size_t add_file(struct world *w, const char *name)
{
	return add_item(w, OM_ITEM_FILE, name, NULL);
}

static inline size_t add_there(struct world *w, enum om_item_kind kind, const char *name,
			       const char *target)
{
	size_t i = w->facts.dst_item_count++;

	w->facts.dst_items_known = true;
	w->there[i] = (struct om_item){
		.name = text(name), .kind = kind, .target = text(target), .readable = true
	};
	return i;
}

static inline size_t ask_path(struct world *w, const char *path)
{
	for (size_t i = 0; i < w->ask.paths.n; i++)
		if (strcmp(w->ask.paths.v[i], path) == 0)
			return i;
	om_strv_add(&w->ask.paths, path);
	return w->ask.paths.n - 1;
}

/* What both hosts say of a path. */
static inline void say(struct world *w, const char *path, struct om_file src, struct om_file dst)
{
	size_t i = ask_path(w, path);

	w->src_files[i] = src;
	w->dst_files[i] = dst;
}

static inline struct om_file regular(uint64_t fs_type, uint64_t inode, uint64_t size)
{
	return (struct om_file){ .kind = OM_FILE_REGULAR,
				 .fs_type = fs_type,
				 .fs_id = 7,
				 .inode = inode,
				 .size_bytes = size };
}

static inline struct om_file missing(uint64_t fs_type)
{
	return (struct om_file){ .kind = OM_FILE_MISSING, .fs_type = fs_type };
}

static inline struct om_file device(const char *id, uint64_t size)
{
	struct om_file file = { .kind = OM_FILE_BLOCK, .fs_type = 0x01021994, .size_bytes = size };

	om_str_copy(file.device_id, sizeof(file.device_id), id);
	return file;
}

static inline void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->dom.disks = w->disks;
	w->dom.nvram = text("");
	w->src.known = w->dst.known = true;
	strcpy(w->src.boot_id, "a");
	strcpy(w->dst.boot_id, "b");
	w->src.files = w->src_files;
	w->dst.files = w->dst_files;
	w->facts =
		(struct om_disks_facts){ .dom = &w->dom,
					 .vm_id = "31",
					 .dir = DIR,
					 .disks = w->known,
					 .items = w->items,
					 .dst_items = w->there,
					 .ask = &w->ask,
					 .src = &w->src,
					 .dst = &w->dst,
					 .src_host = "node01",
					 .dst_host = "node02",
					 .versions = { 11003000, 11003000, 10000000, 10000000 } };
	say(w, DIR, (struct om_file){ .kind = OM_FILE_DIR, .fs_type = EXT4, .inode = 2 },
	    (struct om_file){ .kind = OM_FILE_MISSING, .fs_type = EXT4 });
}

static inline void world_free(struct world *w)
{
	if (w->fresh)
		om_disks_free(&w->disk_plan);
	w->fresh = false;
	om_strv_free(&w->ask.paths);
}

/* Asks what the product would ask; of paths that nothing was said of, that they are files here and
 * missing there. */
static inline void survey(struct world *w)
{
	size_t before = w->ask.paths.n;

	om_disks_ask(&w->ask, &w->facts);
	for (size_t i = before; i < w->ask.paths.n; i++) {
		w->src_files[i] = regular(EXT4, 1000 + i, 2 * GIB);
		w->dst_files[i] = missing(EXT4);
	}
	w->src.file_count = w->dst.file_count = w->ask.paths.n;
}

static inline bool decide(struct world *w, uint64_t limit_mibps)
{
	if (w->fresh)
		om_disks_free(&w->disk_plan);
	survey(w);
	w->fresh = true;
	w->err = (struct om_err){ 0 };
	return om_disks_decide(&w->disk_plan, &w->facts, &w->opts, w->opts.flags & OM_FLAG_TLS,
			       limit_mibps, &w->err);
}

#endif
