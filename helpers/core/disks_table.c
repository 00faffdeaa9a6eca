/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each disk, by rows: the first whose conditions hold. */
#include "disks_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITHOUT_LIVE "migrate the VM without --live"
#define SLICED_LIBVIRT 10000000 /* from 10.0 on a device may be larger than what is copied to it */

/* What may be known of a disk. */
enum fact {
	F_EMPTY = 1 << 0,
	F_NETWORK = 1 << 1,
	F_FILE = 1 << 2, /* by what its path leads to, whatever the domain calls it */
	F_BLOCK = 1 << 3,
	F_TRANSIENT = 1 << 4,
	F_SHAREABLE = 1 << 5,
	F_READONLY = 1 << 6,
	F_INSIDE = 1 << 7,	 /* a regular file of the VM's directory */
	F_LOST = 1 << 8,	 /* its path leads nowhere in the directory */
	F_SAME = 1 << 9,	 /* both hosts have the same file or device */
	F_LIKE = 1 << 10,	 /* the destination has a file of that size */
	F_TWICE = 1 << 11,	 /* one disk writes to what another one uses */
	F_LAYER_ODD = 1 << 12,	 /* a layer below that is no path, or leads nowhere */
	F_LAYER_APART = 1 << 13, /* a layer below that the destination does not have */
	F_IMAGE = 1 << 14,	 /* its head was read */
	F_RAW = 1 << 15,
	F_CORRUPT = 1 << 16,
	F_ENCRYPTED = 1 << 17,
	F_EXTERNAL = 1 << 18,
	F_SNAPSHOTS = 1 << 19,
	F_GONE = 1 << 20,   /* no block device is at its path on the destination */
	F_THERE = 1 << 21,  /* one is */
	F_OTHER = 1 << 22,  /* it is another device */
	F_VOLUME = 1 << 23, /* likewise: both are logical volumes */
	F_SMALLER = 1 << 24,
	F_LARGER = 1 << 25, /* by more than this libvirt can do with */
};

struct row {
	uint32_t need, lack;
	enum om_disk_way way;
	bool warn;
	const char *why;    /* behind the disk's path; @ stands for the destination */
	const char *remedy; /* OM_DISK_REFUSED */
};

/* clang-format off */
static const struct row rows[] = {
	{ F_EMPTY, 0, OM_DISK_STAYS, false, "an empty drive", NULL },
	{ F_TRANSIENT, 0, OM_DISK_REFUSED, false,
	  "is transient, which libvirt does not migrate", "detach it, or " WITHOUT_LIVE },
	{ F_NETWORK, 0, OM_DISK_STAYS, false,
	  "a volume on the network, which the destination opens as well", NULL },
	{ 0, F_FILE | F_BLOCK, OM_DISK_REFUSED, false,
	  "is of a kind of storage that cannot be copied while the VM runs", "detach it, or " WITHOUT_LIVE },

	{ F_LAYER_ODD, 0, OM_DISK_REFUSED, false,
	  "has a backing file that is no file of this host",
	  "flatten the image (virsh blockpull), or " WITHOUT_LIVE },
	{ F_LAYER_APART, 0, OM_DISK_REFUSED, false,
	  "has a backing file outside of the VM's directory that is not proven to be the same on @",
	  "mount the storage that holds it on both hosts, or flatten the image (virsh blockpull)" },
	{ F_TWICE, 0, OM_DISK_REFUSED, false,
	  "is used by two disks of the VM, of which one writes to it", "detach one of them, or " WITHOUT_LIVE },

	/* Files. */
	{ F_FILE | F_LOST, 0, OM_DISK_REFUSED, false,
	  "is not among the files of the VM's directory",
	  "it was moved or deleted while the VM has it open: save what is in it" },
	{ F_FILE | F_READONLY | F_INSIDE, 0, OM_DISK_SEND, false, "read-only, sent before the start", NULL },
	{ F_FILE | F_SAME, F_INSIDE, OM_DISK_STAYS, false, "the same file on both hosts", NULL },
	{ F_FILE | F_READONLY | F_LIKE, F_INSIDE, OM_DISK_STAYS, true,
	  "is read-only and outside of the VM's directory: a file of the same size is on @ and taken for a copy",
	  NULL },
	{ F_FILE, F_INSIDE, OM_DISK_REFUSED, false,
	  "lies outside of the VM's directory and is not proven to be the same file on @",
	  "put it on storage that both hosts have, or " WITHOUT_LIVE },
	{ F_FILE | F_SHAREABLE, 0, OM_DISK_REFUSED, false,
	  "is shareable: others may write to it while it is copied", "put it on storage that both hosts have" },
	{ F_FILE, F_IMAGE, OM_DISK_REFUSED, false, NULL,
	  "see that it is raw or qcow2 and that oneadmin can read it, or " WITHOUT_LIVE },
	{ F_FILE | F_CORRUPT, 0, OM_DISK_REFUSED, false,
	  "is marked as corrupt", "power the VM off and repair the image (qemu-img check -r)" },
	{ F_FILE | F_ENCRYPTED, 0, OM_DISK_REFUSED, false,
	  "is encrypted, which is not copied while the VM runs", WITHOUT_LIVE },
	{ F_FILE | F_EXTERNAL, 0, OM_DISK_REFUSED, false,
	  "keeps its data in another file, which is not copied while the VM runs", WITHOUT_LIVE },
	{ F_FILE | F_SNAPSHOTS, 0, OM_DISK_REFUSED, false,
	  "has internal snapshots, which a copy of the running disk would lose",
	  "delete them (onevm snapshot-delete), or " WITHOUT_LIVE },
	{ F_FILE, 0, OM_DISK_MIRROR, false, "copied while the guest runs", NULL },

	/* Devices. */
	{ F_BLOCK | F_SAME, 0, OM_DISK_STAYS, false, "the same device on both hosts", NULL },
	{ F_BLOCK | F_GONE, 0, OM_DISK_REFUSED, false,
	  "is no block device on @", "see that the volume is active, or the device connected, on @" },
	{ F_BLOCK | F_OTHER, F_VOLUME, OM_DISK_REFUSED, false,
	  "is another device on @, with other data", "detach it, or connect the same device to both hosts" },
	{ F_BLOCK | F_VOLUME | F_READONLY, 0, OM_DISK_REFUSED, false,
	  "is another volume on @, and read-only, so that it is not copied while the VM runs", WITHOUT_LIVE },
	{ F_BLOCK | F_VOLUME | F_SHAREABLE, 0, OM_DISK_REFUSED, false,
	  "is shareable: others may write to it while it is copied", "put it on storage that both hosts have" },
	{ F_BLOCK | F_VOLUME, F_RAW, OM_DISK_REFUSED, false,
	  "is another volume on @, and not raw, so that it is not copied while the VM runs", WITHOUT_LIVE },
	{ F_BLOCK | F_VOLUME | F_SMALLER, 0, OM_DISK_REFUSED, false,
	  "is smaller on @ than here", "enlarge the volume on @" },
	{ F_BLOCK | F_VOLUME | F_LARGER, 0, OM_DISK_REFUSED, false,
	  "is larger on @ than here, which libvirt takes from 10.0 on", "make both volumes of one size" },
	{ F_BLOCK | F_VOLUME, 0, OM_DISK_MIRROR, false, "copied to the destination's volume while the guest runs", NULL },
	{ F_BLOCK | F_THERE, 0, OM_DISK_STAYS, true,
	  "is on both hosts and taken for the same device, which is not proven", NULL },
	{ F_BLOCK, 0, OM_DISK_STAYS, true,
	  "could not be looked at on @ and is taken for a device that both hosts have", NULL },
};
/* clang-format on */

/* By items: how many disks write to it, and how many need it as it is. */
struct use {
	uint32_t written, read;
};

struct work {
	struct om_disks *disks;
	const struct om_disks_facts *facts;
	struct use *use;
};

/* A disk, and what its path leads to. */
struct found {
	size_t i;
	const struct om_dom_disk *disk;
	char *path; /* without links; NULL: it leads nowhere */
	size_t item;
	struct om_disks_file file;
};

static bool is_read_only(const struct om_dom_disk *disk)
{
	return disk->readonly || disk->cdrom;
}

static struct found find(const struct om_disks_facts *facts, size_t i)
{
	struct found found = { .i = i, .disk = &facts->dom->disks[i], .item = OM_DISKS_NONE };

	if (found.disk->kind != OM_DISK_FILE && found.disk->kind != OM_DISK_BLOCK)
		return found;
	found.path = om_disks_resolve(facts, "", found.disk->source, &found.item);
	found.file = om_disks_file(facts, found.path);
	return found;
}

/* ---- what uses what ---- */

static char *layer_path(const struct work *w, const struct found *found, size_t layer, size_t *item)
{
	const char *text = om_disks_layer(w->facts, found->i, layer);
	OM_AUTOFREE char *parent = om_disks_parent(found->path);
	size_t colon = strcspn(text, ":");

	*item = OM_DISKS_NONE;
	/* "nbd://...", "json:{...}": QEMU takes what stands before a colon for a protocol. */
	if (text[colon] && strcspn(text, "/") > colon)
		return NULL;
	return om_disks_resolve(w->facts, parent, text, item);
}

static void count_layers(struct work *w, const struct found *found)
{
	size_t item;

	for (size_t n = 0; found->path && om_disks_layer(w->facts, found->i, n); n++) {
		free(layer_path(w, found, n, &item));
		if (item != OM_DISKS_NONE)
			w->use[item].read++;
	}
}

static void count_uses(struct work *w)
{
	for (size_t i = 0; i < w->facts->dom->disk_count; i++) {
		struct found found = find(w->facts, i);

		if (found.item != OM_DISKS_NONE && is_read_only(found.disk))
			w->use[found.item].read++;
		else if (found.item != OM_DISKS_NONE)
			w->use[found.item].written++;
		count_layers(w, &found);
		free(found.path);
	}
}

/* ---- what is known of one ---- */

static bool is_file_item(const struct om_disks_facts *facts, size_t item)
{
	return item != OM_DISKS_NONE && facts->items[item].kind == OM_ITEM_FILE;
}

static uint32_t layer_facts(const struct work *w, const struct found *found, size_t layer)
{
	size_t item;
	OM_AUTOFREE char *path = layer_path(w, found, layer, &item);

	if (!path)
		return F_LAYER_ODD;
	if (is_file_item(w->facts, item))
		return w->use[item].written ? F_TWICE : 0;
	return om_disks_file_is_same(w->facts, path) ? 0 : F_LAYER_APART;
}

static uint32_t chain_facts(const struct work *w, const struct found *found)
{
	uint32_t facts = 0;

	for (size_t n = 0; found->path && om_disks_layer(w->facts, found->i, n); n++)
		facts |= layer_facts(w, found, n);
	return facts;
}

/* A domain with a chain whose head names none: what is on the disk is not what QEMU has. */
static bool chain_is_denied(const struct found *found, const struct om_disk_facts *known)
{
	return found->disk->chain.n && known->have_image && !*known->image.backing;
}

static uint32_t image_facts(const struct found *found, const struct om_disk_facts *known)
{
	const struct om_image *image = &known->image;

	if (!known->have_image)
		return 0;
	return F_IMAGE | (image->corrupt ? F_CORRUPT : 0) | (image->encrypted ? F_ENCRYPTED : 0) |
	       (image->external_data ? F_EXTERNAL : 0) | (image->snapshots ? F_SNAPSHOTS : 0) |
	       (chain_is_denied(found, known) ? F_LAYER_ODD : 0);
}

static uint32_t file_facts(const struct work *w, const struct found *found)
{
	const struct om_disks_file *file = &found->file;
	uint32_t facts = F_FILE;
	struct use use;

	if (!found->path ||
	    (found->item == OM_DISKS_NONE && om_disks_is_below(w->facts->dir, found->path)))
		return facts | F_LOST;
	if (file->src && file->dst && file->src->kind == OM_FILE_REGULAR &&
	    file->dst->kind == OM_FILE_REGULAR && file->src->size_bytes == file->dst->size_bytes)
		facts |= F_LIKE;
	if (om_disks_file_is_same(w->facts, found->path))
		facts |= F_SAME;
	if (found->item == OM_DISKS_NONE)
		return facts;
	use = w->use[found->item];
	if (is_read_only(found->disk) ? use.written : use.written > 1 || use.read)
		facts |= F_TWICE;
	return facts | (is_file_item(w->facts, found->item) ? F_INSIDE : F_LOST);
}

static bool is_volume(const struct om_file *file)
{
	return om_str_starts(file->device_id, "LVM-");
}

static uint32_t device_size_facts(const struct work *w, const struct om_disks_file *file)
{
	uint64_t libvirt = w->facts->versions.src_libvirt;

	if (file->dst->size_bytes < file->src->size_bytes)
		return F_SMALLER;
	return file->dst->size_bytes > file->src->size_bytes && libvirt && libvirt < SLICED_LIBVIRT
		       ? F_LARGER
		       : 0;
}

static uint32_t device_facts(const struct work *w, const struct found *found)
{
	const struct om_disks_file *file = &found->file;
	uint32_t facts = F_BLOCK;

	if (found->path && om_disks_file_is_same(w->facts, found->path))
		return facts | F_SAME;
	if (!file->dst || file->dst->kind == OM_FILE_UNKNOWN)
		return facts;
	if (file->dst->kind != OM_FILE_BLOCK)
		return facts | F_GONE;
	if (!file->src || !*file->src->device_id || !*file->dst->device_id)
		return facts | F_THERE;
	facts |= F_THERE | F_OTHER | device_size_facts(w, file);
	return facts | (is_volume(file->src) && is_volume(file->dst) ? F_VOLUME : 0);
}

/* A link to a volume may stand as a file in the domain. */
static bool is_device(const struct found *found)
{
	return found->disk->kind == OM_DISK_BLOCK ||
	       (found->file.src && found->file.src->kind == OM_FILE_BLOCK);
}

static uint32_t facts_of(const struct work *w, const struct found *found)
{
	const struct om_dom_disk *disk = found->disk;
	uint32_t facts = (disk->transient ? F_TRANSIENT : 0) | (disk->shareable ? F_SHAREABLE : 0) |
			 (is_read_only(disk) ? F_READONLY : 0) |
			 (strcmp(disk->format, "raw") == 0 ? F_RAW : 0);

	if (disk->kind == OM_DISK_EMPTY || disk->kind == OM_DISK_NETWORK)
		return facts | (disk->kind == OM_DISK_EMPTY ? F_EMPTY : F_NETWORK);
	if (disk->kind != OM_DISK_FILE && disk->kind != OM_DISK_BLOCK)
		return facts;
	facts |= chain_facts(w, found) | image_facts(found, &w->facts->disks[found->i]);
	return facts | (is_device(found) ? device_facts(w, found) : file_facts(w, found));
}

/* ---- the answer ---- */

static const struct row *row_of(uint32_t facts)
{
	const struct row *row = rows;

	while ((facts & row->need) != row->need || (facts & row->lack))
		row++; /* the last rows need nothing but a kind */
	return row;
}

/* The text with the destination's name for each @. */
static char *fill_in(const struct work *w, const char *text)
{
	struct om_buf buf = { 0 };

	for (size_t len; *text; text += len + (text[len] == '@')) {
		len = strcspn(text, "@");
		om_buf_add(&buf, text, len);
		if (text[len])
			om_buf_addf(&buf, "%s", w->facts->dst_host);
	}
	return buf.text;
}

static void tell(struct work *w, const struct found *found, const struct row *row)
{
	OM_AUTOFREE char *why = fill_in(w, row->why ? row->why : "cannot be copied: "),
			 *remedy = fill_in(w, row->remedy ? row->remedy : "none");
	const char *more = row->why ? "" : w->facts->disks[found->i].why;
	const struct om_dom_disk *disk = found->disk;

	if (row->way == OM_DISK_REFUSED)
		om_disks_refuse(w->disks, remedy, "%s: %.150s %s%s", disk->target, disk->source,
				why, more);
	else if (row->warn)
		om_disks_warn(w->disks, "%s: %.150s %s", disk->target, disk->source, why);
}

static void plan_mirror(struct work *w, struct om_disk_plan *plan, struct found *found)
{
	const struct om_image *image = &w->facts->disks[found->i].image;

	plan->placeholder = plan->item != OM_DISKS_NONE;
	w->disks->mirrors++;
	if (!plan->placeholder) {
		plan->device = found->path;
		found->path = NULL;
		plan->copy_bytes = found->file.src->size_bytes;
	} else {
		plan->copy_bytes = w->facts->items[plan->item].allocated_bytes;
		plan->chain = *image->backing;
		plan->backing_format = *image->backing_format ? image->backing_format : "raw";
		w->disks->incremental |= plan->chain;
	}
	w->disks->mirror_bytes += plan->copy_bytes;
}

static void decide(struct work *w, size_t i)
{
	struct om_disk_plan *plan = &w->disks->disk[i];
	struct found found = find(w->facts, i);
	const struct row *row = row_of(facts_of(w, &found));
	OM_AUTOFREE char *why = fill_in(w, row->why ? row->why : w->facts->disks[i].why);

	plan->way = row->way;
	plan->item = is_file_item(w->facts, found.item) ? found.item : OM_DISKS_NONE;
	om_str_copy(plan->why, sizeof(plan->why), why ? why : "");
	tell(w, &found, row);
	if (plan->way == OM_DISK_MIRROR)
		plan_mirror(w, plan, &found);
	free(found.path);
}

void om_disks_decide_disks(struct om_disks *disks, const struct om_disks_facts *facts)
{
	struct work w = { .disks = disks, .facts = facts };

	w.use = om_xcalloc(facts->item_count + 1, sizeof(*w.use));
	count_uses(&w);
	for (size_t i = 0; i < disks->disk_count; i++)
		decide(&w, i);
	free(w.use);
}
