/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each file of the directory, and whether there is room for all. */
#include "move_internal.h"

#include "om_tm.h"

#include <string.h>

static bool is_disk(const struct om_move *move, const char *name)
{
	for (size_t i = 0; i < move->disk_count; i++)
		if (move->disks[i].way == OM_MOVE_COPY && strcmp(move->disks[i].name, name) == 0)
			return true;
	return false;
}

static enum om_move_file_way way_of(const struct om_move *move, const struct om_move_facts *facts,
				    const struct om_item *item)
{
	switch (item->kind) {
	case OM_ITEM_DIR:
		return OM_MOVE_FILE_DIR;
	case OM_ITEM_LINK:
		return OM_MOVE_FILE_LINK;
	case OM_ITEM_FILE:
		if (is_disk(move, item->name))
			return OM_MOVE_FILE_DISK;
		return facts->nvram && strcmp(facts->nvram, item->name) == 0 ? OM_MOVE_FILE_LATER
									     : OM_MOVE_FILE_COPY;
	default:
		return OM_MOVE_FILE_LEAVE;
	}
}

/* What led to something in the directory leads to it there too. */
static char *new_target(const struct om_move_facts *facts, const char *target)
{
	const char *at = target;

	if (*target != '/' || !om_tm_path_in(target, facts->src_dir))
		return om_xstrdup(target);
	/* Past as many names as the directory has, however many slashes stand between them. */
	for (const char *c = facts->src_dir; *c; c++) {
		if (*c != '/')
			continue;
		at += strspn(at, "/");
		at += strcspn(at, "/");
	}
	return om_xasprintf("%s%s", facts->dst_dir, at);
}

static bool same_link(const struct om_move_file *file, const struct om_item *there)
{
	return file->way == OM_MOVE_FILE_LINK && there->kind == OM_ITEM_LINK && there->target &&
	       strcmp(file->target, there->target) == 0;
}

/* Something has that name on the destination. */
static bool meet(struct om_move_file *file, const struct om_move_facts *facts, size_t k,
		 struct om_err *err)
{
	const struct om_item *there = &facts->dst_items[k];

	if (file->way == OM_MOVE_FILE_LEAVE ||
	    (file->way == OM_MOVE_FILE_DIR && there->kind == OM_ITEM_DIR))
		return true;
	if (facts->dst_in_use[k] || same_link(file, there)) {
		if (file->way != OM_MOVE_FILE_DISK)
			file->way = OM_MOVE_FILE_THERE;
		return true;
	}
	return om_err_set(
		err, OM_E_INPUT,
		"%.160s/%.120s exists already, and the running VM does not use it: look at it, and "
		"remove it by hand if nobody needs it",
		facts->dst_dir, there->name);
}

static bool decide_file(struct om_move_file *file, const struct om_move *move,
			const struct om_move_facts *facts, const struct om_item *item,
			struct om_err *err)
{
	file->way = way_of(move, facts, item);
	if (file->way == OM_MOVE_FILE_LINK)
		file->target = new_target(facts, item->target);
	if (file->way == OM_MOVE_FILE_COPY)
		file->backing = om_move_other_backing(facts, item->name, &file->backing_format);
	for (size_t k = 0; k < facts->dst_item_count; k++)
		if (strcmp(facts->dst_items[k].name, item->name) == 0)
			return meet(file, facts, k, err);
	if (!item->readable && (file->way == OM_MOVE_FILE_COPY || file->way == OM_MOVE_FILE_LATER))
		return om_err_set(err, OM_E_INPUT, "%.160s/%.160s cannot be read by this user",
				  facts->src_dir, item->name);
	return true;
}

static uint64_t copied_bytes(const struct om_item *item)
{
	return item->allocated_bytes < item->size_bytes ? item->allocated_bytes : item->size_bytes;
}

bool om_move_decide_files(struct om_move *move, const struct om_move_facts *facts,
			  struct om_err *err)
{
	for (size_t i = 0; i < facts->item_count; i++) {
		struct om_move_file *file = &move->files[i];

		if (!decide_file(file, move, facts, &facts->items[i], err))
			return false;
		if (file->way == OM_MOVE_FILE_COPY || file->way == OM_MOVE_FILE_LATER)
			move->file_bytes += copied_bytes(&facts->items[i]);
	}
	return true;
}

bool om_move_space(const struct om_move *move, const struct om_move_facts *facts,
		   struct om_err *err)
{
	uint64_t need = move->copy_bytes + move->file_bytes;

	if (!facts->free_known || need <= facts->free_bytes)
		return true;
	return om_err_set(err, OM_E_INPUT,
			  "%.200s has room for %llu MiB, and the VM's files take %llu MiB",
			  facts->dst_dir, (unsigned long long)(facts->free_bytes >> 20),
			  (unsigned long long)((need + (1u << 20) - 1) >> 20));
}
