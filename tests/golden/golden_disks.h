/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file `disks` of a case: disks that the hosts do not share, key=value lines.
 *   file, block, network, empty   TARGET SOURCE FORMAT
 *   readonly, layer               TARGET, TARGET PATH
 *   backing                       TARGET NAME FORMAT: in the head of the image
 *   snapshots, written            TARGET NUMBER, TARGET MIBPS
 *   entry                         file|dir|link NAME MIB, or the target of a link; of the directory
 *   same                          PATH: both hosts have it, by a network file system
 *   free_mib, link_mibps          numbers
 */
#ifndef GOLDEN_DISKS_H
#define GOLDEN_DISKS_H

#include "om_disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 32

struct golden_disks {
	struct om_dom dom;
	struct om_dom_disk disks[MANY];
	struct om_disk_facts known[MANY];
	struct om_item items[MANY];
	struct om_survey_ask ask;
	struct om_survey src, dst;
	struct om_file src_files[MANY * 4], dst_files[MANY * 4];
	struct om_strv same;
	uint64_t free_mib;
	struct om_disks_facts facts;
};

static inline const char *golden_word(char **rest)
{
	const char *word = *rest ? strsep(rest, " ") : NULL;

	return word ? word : "";
}

static inline size_t golden_disk(const struct golden_disks *g, const char *target)
{
	for (size_t i = 0; i < g->dom.disk_count; i++)
		if (strcmp(g->disks[i].target, target) == 0)
			return i;
	fprintf(stderr, "golden_plan: no disk %s\n", target);
	exit(2);
}

static inline void golden_add_disk(struct golden_disks *g, enum om_disk_kind kind, char *rest)
{
	size_t i = g->dom.disk_count++;
	struct om_dom_disk *disk = &g->disks[i];
	struct om_image *image = &g->known[i].image;

	disk->kind = kind;
	disk->target = om_xstrdup(golden_word(&rest));
	disk->source = om_xstrdup(golden_word(&rest));
	disk->format = om_xstrdup(rest ? golden_word(&rest) : "raw");
	g->known[i].have_image = true;
	image->format = strcmp(disk->format, "raw") == 0 ? OM_IMAGE_RAW : OM_IMAGE_QCOW2;
	image->virtual_bytes = UINT64_C(10) << 30;
}

static inline void golden_add_entry(struct golden_disks *g, char *rest)
{
	struct om_item *item = &g->items[g->facts.item_count++];
	const char *kind = golden_word(&rest);

	item->kind = strcmp(kind, "dir") == 0	 ? OM_ITEM_DIR
		     : strcmp(kind, "link") == 0 ? OM_ITEM_LINK
						 : OM_ITEM_FILE;
	item->name = om_xstrdup(golden_word(&rest));
	item->readable = true;
	if (item->kind == OM_ITEM_LINK)
		item->target = om_xstrdup(rest);
	else if (item->kind == OM_ITEM_FILE)
		item->allocated_bytes = (uint64_t)atoi(rest) << 20;
}

static inline void golden_set_disk(struct golden_disks *g, const char *name, char *rest)
{
	size_t i = golden_disk(g, golden_word(&rest));
	struct om_image *image = &g->known[i].image;

	if (strcmp(name, "readonly") == 0) {
		g->disks[i].readonly = true;
	} else if (strcmp(name, "layer") == 0) {
		om_strv_add(&g->disks[i].chain, rest);
	} else if (strcmp(name, "backing") == 0) {
		om_str_copy(image->backing, sizeof(image->backing), golden_word(&rest));
		om_str_copy(image->backing_format, sizeof(image->backing_format), rest);
	} else if (strcmp(name, "snapshots") == 0) {
		image->snapshots = (uint32_t)atoi(rest);
	} else if (strcmp(name, "written") == 0) {
		g->known[i].measured = true;
		g->known[i].written_bytes_ps = (uint64_t)atoi(rest) << 20;
	} else {
		fprintf(stderr, "golden_plan: unknown word of disks: %s\n", name);
		exit(2);
	}
}

static inline void golden_set(void *ctx, const char *name, const char *value)
{
	static const char *const kinds[] = { [OM_DISK_FILE] = "file",
					     [OM_DISK_BLOCK] = "block",
					     [OM_DISK_NETWORK] = "network",
					     [OM_DISK_EMPTY] = "empty" };
	OM_AUTOFREE char *copy = om_xstrdup(value);
	struct golden_disks *g = ctx;

	for (size_t i = 0; i < OM_ARRAY_LEN(kinds); i++)
		if (strcmp(name, kinds[i]) == 0) {
			golden_add_disk(g, (enum om_disk_kind)i, copy);
			return;
		}
	if (strcmp(name, "entry") == 0)
		golden_add_entry(g, copy);
	else if (strcmp(name, "same") == 0)
		om_strv_add(&g->same, value);
	else if (strcmp(name, "free_mib") == 0)
		g->free_mib = (uint64_t)atoi(value);
	else if (strcmp(name, "link_mibps") == 0)
		g->facts.link_bps = (uint64_t)atoi(value) << 20;
	else
		golden_set_disk(g, name, copy);
}

static inline bool golden_is_same(const struct golden_disks *g, const char *path)
{
	for (size_t i = 0; i < g->same.n; i++)
		if (strcmp(g->same.v[i], path) == 0)
			return true;
	return false;
}

static inline void golden_survey(struct golden_disks *g)
{
	om_disks_ask(&g->ask, &g->facts);
	for (size_t i = 0; i < g->ask.paths.n; i++) {
		bool same = golden_is_same(g, g->ask.paths.v[i]);

		g->src_files[i] = (struct om_file){ .kind = OM_FILE_REGULAR,
						    .fs_type = same ? 0x6969 : 0xef53,
						    .inode = i + 1,
						    .size_bytes = 4096 };
		g->dst_files[i] = g->src_files[i];
		if (!same)
			g->dst_files[i].kind = OM_FILE_MISSING;
		g->dst_files[i].free_known = g->free_mib;
		g->dst_files[i].free_bytes = g->free_mib << 20;
	}
	g->src.known = g->dst.known = true;
	g->src.files = g->src_files;
	g->dst.files = g->dst_files;
	g->src.file_count = g->dst.file_count = g->ask.paths.n;
}

static inline void golden_free(struct golden_disks *g)
{
	for (size_t i = 0; i < g->dom.disk_count; i++) {
		free(g->disks[i].target);
		free(g->disks[i].source);
		free(g->disks[i].format);
		om_strv_free(&g->disks[i].chain);
	}
	for (size_t i = 0; i < g->facts.item_count; i++) {
		free(g->items[i].name);
		free(g->items[i].target);
	}
	om_strv_free(&g->ask.paths);
	om_strv_free(&g->same);
}

#endif
