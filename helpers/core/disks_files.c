/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each file of the VM's directory, and whether the destination has room for them. */
#include "disks_internal.h"

#include <string.h>

#define WITHOUT_LIVE "migrate the VM without --live"

/* ---- the listing ---- */

/* A name that leads nowhere but below the directory. */
static bool is_sound(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > OM_DISKS_NAME_MAX)
		return false;
	for (const char *part = name; part; part = strchr(part, '/')) {
		size_t n;

		part += *part == '/';
		n = strcspn(part, "/");
		if (!n || (n == 1 && *part == '.') || (n == 2 && memcmp(part, "..", 2) == 0))
			return false;
	}
	return true;
}

/* What a link leads to is not the VM's. */
static bool is_in_dir(const struct om_disks_facts *facts, size_t i)
{
	const char *name = facts->items[i].name, *slash = strrchr(name, '/');
	OM_AUTOFREE char *parent = slash ? om_xstrndup(name, (size_t)(slash - name)) : NULL;
	size_t found = parent ? om_disks_find(facts->items, i, parent) : OM_DISKS_NONE;

	return !parent || (found != OM_DISKS_NONE && facts->items[found].kind == OM_ITEM_DIR);
}

/* ---- each of them ---- */

static bool is_ours(const char *name)
{
	const char *slash = strrchr(name, '/');

	return om_str_starts(slash ? slash + 1 : name, OM_DISKS_MARK);
}

static bool is_mirrored(const struct om_disks *disks, size_t item)
{
	for (size_t i = 0; i < disks->disk_count; i++)
		if (disks->disk[i].way == OM_DISK_MIRROR && disks->disk[i].item == item)
			return true;
	return false;
}

static void send_file(struct om_disks *disks, const struct om_disks_facts *facts, size_t i)
{
	const struct om_item *item = &facts->items[i];

	disks->file[i] = OM_FILE_SEND_IT;
	disks->sent_files++;
	disks->send_bytes += item->allocated_bytes;
	if (!item->readable)
		om_disks_refuse(disks, "let oneadmin read it, or remove it if it is not needed",
				"%.200s in %.150s cannot be read, and would be lost", item->name,
				facts->dir);
}

static void decide_file(struct om_disks *disks, const struct om_disks_facts *facts, size_t i)
{
	const struct om_item *item = &facts->items[i];

	switch (item->kind) {
	case OM_ITEM_DIR:
		disks->file[i] = OM_FILE_MAKE_DIR;
		if (!item->readable)
			om_disks_refuse(disks, "let oneadmin list it",
					"the directory %.200s in %.150s cannot be listed",
					item->name, facts->dir);
		break;
	case OM_ITEM_LINK:
		disks->file[i] = OM_FILE_LINK_IT;
		break;
	case OM_ITEM_FILE:
		if (is_mirrored(disks, i))
			disks->file[i] = OM_FILE_MIRRORED;
		else
			send_file(disks, facts, i);
		break;
	case OM_ITEM_OTHER:
		disks->file[i] = OM_FILE_LEAVE;
		om_disks_warn(disks, "%.200s in %.150s is no file and stays behind", item->name,
			      facts->dir);
		break;
	}
}

/* Under another name it is the file that the guest writes to. */
static void check_hard_link(struct om_disks *disks, const struct om_disks_facts *facts, size_t i)
{
	const struct om_item *a = &facts->items[i], *b;

	for (size_t n = 0; n < facts->item_count; n++) {
		b = &facts->items[n];
		if (n == i || b->kind != OM_ITEM_FILE || !a->inode || a->inode != b->inode ||
		    a->device != b->device || (disks->file[n] == OM_FILE_MIRRORED && n < i))
			continue;
		om_disks_refuse(disks, "remove one of the names, or " WITHOUT_LIVE,
				"%.150s and %.150s are one file, which the VM writes to", a->name,
				b->name);
	}
}

static void find_nvram(struct om_disks *disks, const struct om_disks_facts *facts)
{
	OM_AUTOFREE char *path = NULL;
	size_t item;

	if (om_str_empty(facts->dom->nvram))
		return;
	path = om_disks_resolve(facts, "", facts->dom->nvram, &item);
	if (item != OM_DISKS_NONE && disks->file[item] == OM_FILE_SEND_IT)
		disks->nvram = item;
}

/* A disk that is refused leaves its file undecided: nobody may think that it can be sent. */
static bool is_refused(const struct om_disks *disks, size_t item)
{
	for (size_t i = 0; i < disks->disk_count; i++)
		if (disks->disk[i].way == OM_DISK_REFUSED && disks->disk[i].item == item)
			return true;
	return false;
}

void om_disks_decide_files(struct om_disks *disks, const struct om_disks_facts *facts)
{
	for (size_t i = 0; i < facts->item_count; i++) {
		const char *name = facts->items[i].name;

		disks->file[i] = OM_FILE_LEAVE;
		if (!is_sound(name) || !is_in_dir(facts, i))
			om_disks_refuse(disks, WITHOUT_LIVE,
					"%.200s is no name of a file in %.150s", name, facts->dir);
		else if (!is_ours(name) && !is_refused(disks, i))
			decide_file(disks, facts, i);
	}
	for (size_t i = 0; i < facts->item_count; i++)
		if (disks->file[i] == OM_FILE_MIRRORED)
			check_hard_link(disks, facts, i);
	find_nvram(disks, facts);
}

/* ---- the destination ---- */

static void refuse_there(struct om_disks *disks, const struct om_disks_facts *facts,
			 const char *name)
{
	struct om_disks_refusal *refusal =
		om_disks_refuse(disks,
				"see what it is, and remove it if it is a leftover of the VM",
				"%.200s is in %.120s on %s already and would be overwritten", name,
				facts->dir, facts->dst_host);

	refusal->exists = true;
}

/* What is there already as it should be is not made again. */
static bool is_made(const struct om_item *item, const struct om_item *there)
{
	return item->kind == there->kind &&
	       (item->kind == OM_ITEM_DIR ||
		(item->kind == OM_ITEM_LINK && item->target && there->target &&
		 strcmp(item->target, there->target) == 0));
}

static void check_listed(struct om_disks *disks, const struct om_disks_facts *facts)
{
	for (size_t i = 0; i < facts->item_count && facts->dst_item_count; i++) {
		const struct om_item *item = &facts->items[i];
		size_t there;

		if (disks->file[i] == OM_FILE_LEAVE)
			continue;
		there = om_disks_find(facts->dst_items, facts->dst_item_count, item->name);
		if (there == OM_DISKS_NONE)
			continue;
		if (is_made(item, &facts->dst_items[there]))
			disks->file[i] = OM_FILE_LEAVE;
		else
			refuse_there(disks, facts, item->name);
	}
}

/* Where its directory was not listed, the survey has looked at the disks. */
static void check_surveyed(struct om_disks *disks, const struct om_disks_facts *facts)
{
	for (size_t i = 0; i < disks->disk_count; i++) {
		size_t item = disks->disk[i].item;
		OM_AUTOFREE char *path = NULL;
		const struct om_file *file;

		if (item == OM_DISKS_NONE || disks->disk[i].way == OM_DISK_REFUSED)
			continue;
		path = om_xasprintf("%s/%s", facts->dir, facts->items[item].name);
		file = om_disks_file(facts, path).dst;
		if (file && file->kind != OM_FILE_MISSING && file->kind != OM_FILE_UNKNOWN)
			refuse_there(disks, facts, facts->items[item].name);
	}
}

static uint64_t virtual_bytes(const struct om_disks *disks, const struct om_disks_facts *facts)
{
	uint64_t sum = disks->send_bytes;

	for (size_t i = 0; i < disks->disk_count; i++)
		if (disks->disk[i].way == OM_DISK_MIRROR && disks->disk[i].placeholder)
			sum += facts->disks[i].image.virtual_bytes;
	return sum;
}

/* What is allocated has to fit; what may yet be allocated may be more than there is, as on the source. */
static void check_space(struct om_disks *disks, const struct om_disks_facts *facts)
{
	const struct om_file *dir = om_disks_file(facts, facts->dir).dst;
	uint64_t most = virtual_bytes(disks, facts);
	char need[OM_DISKS_SIZE_TEXT], room[OM_DISKS_SIZE_TEXT], lack[OM_DISKS_SIZE_TEXT];

	disks->space_bytes = disks->send_bytes;
	for (size_t i = 0; i < disks->disk_count; i++)
		if (disks->disk[i].placeholder)
			disks->space_bytes += disks->disk[i].copy_bytes;
	if (!dir || !dir->free_known)
		return;
	om_disks_size(room, dir->free_bytes);
	if (disks->space_bytes > dir->free_bytes)
		om_disks_refuse(disks, "make room there, or choose another host",
				"the VM's files have %s, and %s are free for %.150s on %s: %s too "
				"little",
				om_disks_size(need, disks->space_bytes), room, facts->dir,
				facts->dst_host,
				om_disks_size(lack, disks->space_bytes - dir->free_bytes));
	else if (most > dir->free_bytes)
		om_disks_warn(disks,
			      "the VM's disks may grow to %s, and %s are free for %.150s on %s",
			      om_disks_size(need, most), room, facts->dir, facts->dst_host);
}

void om_disks_check_destination(struct om_disks *disks, const struct om_disks_facts *facts)
{
	if (facts->dst_items_known)
		check_listed(disks, facts);
	else
		check_surveyed(disks, facts);
	check_space(disks, facts);
}
