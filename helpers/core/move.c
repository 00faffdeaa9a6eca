/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each disk when a VM's storage moves to another directory of its host. */
#include "move_internal.h"

#include "om_tm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNC_LIBVIRT 8000000	   /* has synchronous writes for copies */
#define ASSUMED_BPS (200ull << 20) /* of storage whose speed nobody knows */
#define POWERED_OFF "move the VM while it is powered off"

/* ---- the backing file that an image on the destination gets ---- */

static const char *format_below(const struct om_move_disk_facts *disk, size_t layer)
{
	const struct om_image *image = &disk->layers[layer].image;

	if (*image->backing_format)
		return image->backing_format;
	if (layer + 1 < disk->layer_count && *disk->layers[layer + 1].format)
		return disk->layers[layer + 1].format;
	return "raw"; /* QEMU never guesses for a guest that may have written it */
}

/* malloc'ed; "" = none. A relative name inside of the directory is right there too. */
static char *new_backing(const struct om_move_facts *facts, const struct om_move_disk_facts *disk,
			 size_t layer)
{
	const char *now = disk->layers[layer].image.backing;
	const struct om_move_layer *below = layer + 1 < disk->layer_count ? &disk->layers[layer + 1]
									  : NULL;

	if (!*now || !below)
		return om_xstrdup(now);
	if (below->name)
		return *now == '/' ? om_xasprintf("%s/%s", facts->dst_dir, below->name)
				   : om_xstrdup(now);
	return om_xstrdup(*now == '/' ? now : below->path);
}

/* Of a layer that is copied as a file; NULL: what stands in it is right. */
char *om_move_other_backing(const struct om_move_facts *facts, const char *name,
			    const char **format)
{
	for (size_t i = 0; i < facts->dom->disk_count; i++)
		for (size_t k = 1; k < facts->disks[i].layer_count; k++) {
			const struct om_move_layer *layer = &facts->disks[i].layers[k];
			OM_AUTOFREE char *backing = NULL;

			if (!layer->name || strcmp(layer->name, name) != 0 || !layer->have_image ||
			    !*layer->image.backing)
				continue;
			backing = new_backing(facts, &facts->disks[i], k);
			*format = format_below(&facts->disks[i], k);
			return strcmp(backing, layer->image.backing) == 0 ? NULL
									  : om_xstrdup(backing);
		}
	return NULL;
}

/* ---- what cannot be done ---- */

static bool is_protocol(const char *backing)
{
	size_t word = strspn(backing, "abcdefghijklmnopqrstuvwxyz+");

	return word > 1 && backing[word] == ':';
}

static bool refuse(struct om_err *err, enum om_errc code, const char *target, const char *name,
		   const char *why)
{
	return om_err_set(err, code, "disk %s (%.120s) %s", target, name, why);
}

/* libvirt's copy is of what the guest sees now. */
static bool image_movable(const struct om_dom_disk *dom, const struct om_move_layer *layer,
			  struct om_err *err)
{
	const struct om_image *image = &layer->image;
	const char *target = dom->target, *name = layer->name;

	if (!layer->have_image)
		return om_err_set(err, OM_E_INPUT, "disk %s (%.120s) cannot be read: %s", target,
				  name, layer->why);
	if (image->snapshots)
		return om_err_set(
			err, OM_E_INPUT,
			"disk %s (%.120s) has %u internal snapshots, which a copy of the running "
			"VM would lose: delete them, or " POWERED_OFF,
			target, name, image->snapshots);
	if (image->corrupt)
		return refuse(err, OM_E_INPUT, target, name,
			      "is marked as corrupt: check it by qemu-img");
	if (image->encrypted)
		return refuse(err, OM_E_STOCK, target, name, "is encrypted");
	if (image->external_data)
		return refuse(err, OM_E_STOCK, target, name, "has its data in another file");
	return !is_protocol(image->backing) ||
	       refuse(err, OM_E_STOCK, target, name, "has a backing file that is no path");
}

static bool disk_movable(const struct om_dom_disk *dom, const struct om_move_disk_facts *facts,
			 struct om_err *err)
{
	const char *name = facts->layers[0].name;

	if (strcmp(dom->format, "raw") != 0 && strcmp(dom->format, "qcow2") != 0)
		return om_err_set(err, OM_E_STOCK, "disk %s (%.120s) is of the format %.30s",
				  dom->target, name, dom->format);
	if (dom->shareable)
		return refuse(err, OM_E_INPUT, dom->target, name,
			      "is shared with other VMs, which would not see what is written to a "
			      "copy: " POWERED_OFF);
	if (dom->transient)
		return refuse(
			err, OM_E_INPUT, dom->target, name,
			"is one that libvirt discards at the end (<transient/>), and cannot be "
			"copied while the VM runs: " POWERED_OFF);
	return image_movable(dom, &facts->layers[0], err);
}

/* ---- one disk ---- */

static const struct om_item *find_item(const struct om_move_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->item_count; i++)
		if (strcmp(facts->items[i].name, name) == 0)
			return &facts->items[i];
	return NULL;
}

static void set_blank(struct om_move_disk *disk, const struct om_move_facts *facts,
		      const struct om_move_disk_facts *of)
{
	const struct om_image *image = &of->layers[0].image;

	disk->blank = (struct om_blank){
		.qcow2 = strcmp(disk->format, "qcow2") == 0,
		.virtual_bytes = image->virtual_bytes,
		.mode = 0644,
		.uid = facts->uid,
		.gid = facts->gid,
		.cluster_bits = image->cluster_bits,
		.compat_v2 = image->compat_v2,
		.extended_l2 = image->extended_l2,
		.backing = new_backing(facts, of, 0),
		.backing_format = om_xstrdup(*image->backing ? format_below(of, 0) : ""),
	};
	disk->shallow = *disk->blank.backing;
}

static void set_paths(struct om_move_disk *disk, const struct om_move_facts *facts)
{
	disk->from = om_xasprintf("%s/%s", facts->src_dir, disk->name);
	disk->to = om_xasprintf("%s/%s", facts->dst_dir, disk->name);
}

static void stays(struct om_move_disk *disk, const char *why)
{
	disk->way = OM_MOVE_STAYS;
	om_str_copy(disk->why, sizeof(disk->why), why);
}

static bool copy(struct om_move_disk *disk, const struct om_move_facts *facts, size_t i,
		 struct om_err *err)
{
	const struct om_move_disk_facts *of = &facts->disks[i];
	const struct om_item *item = find_item(facts, of->layers[0].name);

	if (!disk_movable(&facts->dom->disks[i], of, err))
		return false;
	if (!item || item->kind != OM_ITEM_FILE)
		return refuse(err, OM_E_STOCK, disk->target, of->layers[0].name,
			      "is no file of the VM's directory");
	disk->way = OM_MOVE_COPY;
	disk->media = facts->dom->disks[i].cdrom;
	disk->name = om_xstrdup(of->layers[0].name);
	disk->copy_bytes = item->allocated_bytes;
	set_paths(disk, facts);
	set_blank(disk, facts, of);
	return true;
}

/* What lies elsewhere stays there, but then with all that is below it. */
static bool lies_elsewhere(struct om_move_disk *disk, const struct om_move_disk_facts *of,
			   struct om_err *err)
{
	for (size_t k = 1; k < of->layer_count; k++)
		if (of->layers[k].name)
			return refuse(err, OM_E_STOCK, disk->target, of->layers[k].name,
				      "is a layer below an image that lies elsewhere");
	stays(disk, "its file lies elsewhere");
	return true;
}

static bool decide_disk(struct om_move_disk *disk, const struct om_move_facts *facts, size_t i,
			struct om_err *err)
{
	const struct om_dom_disk *dom = &facts->dom->disks[i];
	const struct om_move_disk_facts *of = &facts->disks[i];

	disk->target = dom->target;
	disk->format = dom->format;
	if (dom->kind == OM_DISK_EMPTY || !of->layer_count)
		stays(disk, dom->kind == OM_DISK_EMPTY ? "the drive is empty" : "no file");
	else if (dom->kind == OM_DISK_NETWORK)
		stays(disk, "of the network");
	else if (of->new_name) {
		disk->way = OM_MOVE_THERE;
		disk->name = om_xstrdup(of->new_name);
		disk->media = dom->cdrom;
		set_paths(disk, facts);
	} else if (of->leads_out)
		return om_err_set(err, OM_E_STOCK,
				  "disk %s is a link of the VM's directory to %.200s", dom->target,
				  of->layers[0].path);
	else if (!of->layers[0].name)
		return lies_elsewhere(disk, of, err);
	else
		return copy(disk, facts, i, err);
	return true;
}

static bool decide_disks(struct om_move *move, const struct om_move_facts *facts,
			 struct om_err *err)
{
	for (size_t i = 0; i < move->disk_count; i++) {
		if (!decide_disk(&move->disks[i], facts, i, err))
			return false;
		for (size_t k = 0; k < i; k++)
			if (move->disks[i].name && move->disks[k].name &&
			    strcmp(move->disks[i].name, move->disks[k].name) == 0)
				return refuse(err, OM_E_INPUT, move->disks[i].target,
					      move->disks[i].name, "is two disks of the VM");
	}
	return true;
}

/* ---- all of them ---- */

uint64_t om_move_share_bps(uint64_t limit_bps, size_t active)
{
	uint64_t share = active ? limit_bps / active : limit_bps;

	return limit_bps && !share ? 1 : share;
}

/* A guest that writes as fast as its disk is copied would never be in sync. */
static void decide_sync(struct om_move *move, const struct om_move_facts *facts)
{
	size_t copies = 0;
	uint64_t share;

	for (size_t i = 0; i < move->disk_count; i++)
		copies += move->disks[i].way == OM_MOVE_COPY;
	move->can_sync = facts->libvirt >= SYNC_LIBVIRT;
	share = om_move_share_bps(facts->limit_bps ? facts->limit_bps : ASSUMED_BPS, copies);
	for (size_t i = 0; i < move->disk_count; i++) {
		struct om_move_disk *disk = &move->disks[i];

		if (disk->way != OM_MOVE_COPY)
			continue;
		move->copy_bytes += disk->copy_bytes;
		disk->sync = move->can_sync && facts->disks[i].measured &&
			     facts->disks[i].written_bytes_ps > share / 10 * 7;
	}
}

bool om_move_decide(struct om_move *move, const struct om_move_facts *facts, struct om_err *err)
{
	*move = (struct om_move){
		.src_dir = facts->src_dir,
		.dst_dir = facts->dst_dir,
		.items = facts->items,
		.disks = om_xcalloc(facts->dom->disk_count + 1, sizeof(*move->disks)),
		.disk_count = facts->dom->disk_count,
		.files = om_xcalloc(facts->item_count + 1, sizeof(*move->files)),
		.file_count = facts->item_count,
		.limit_bps = facts->limit_bps,
	};
	if (!decide_disks(move, facts, err) || !om_move_decide_files(move, facts, err))
		return false;
	decide_sync(move, facts);
	om_move_tell(move, facts);
	return om_move_space(move, facts, err);
}

static void free_disk(struct om_move_disk *disk)
{
	free(disk->name);
	free(disk->from);
	free(disk->to);
	free((char *)disk->blank.backing);
	free((char *)disk->blank.backing_format);
}

void om_move_free(struct om_move *move)
{
	for (size_t i = 0; i < move->disk_count; i++)
		free_disk(&move->disks[i]);
	for (size_t i = 0; i < move->file_count; i++) {
		free(move->files[i].target);
		free(move->files[i].backing);
	}
	free(move->disks);
	free(move->files);
	om_strv_free(&move->infos);
	om_strv_free(&move->warnings);
	memset(move, 0, sizeof(*move));
}
