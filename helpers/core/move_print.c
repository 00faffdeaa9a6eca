/* SPDX-License-Identifier: Apache-2.0 */
#include "move_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const file_ways[OM_MOVE_FILE_WAY_COUNT] = {
	[OM_MOVE_FILE_COPY] = "copied",
	[OM_MOVE_FILE_LINK] = "a link",
	[OM_MOVE_FILE_DIR] = "a directory",
	[OM_MOVE_FILE_DISK] = "a disk",
	[OM_MOVE_FILE_LATER] = "copied at the end",
	[OM_MOVE_FILE_THERE] = "there already",
	[OM_MOVE_FILE_LEAVE] = "no file, left out",
};

static void print_disk(struct om_buf *buf, const struct om_move_disk *disk)
{
	om_buf_addf(buf, "disk %s: ", disk->target);
	switch (disk->way) {
	case OM_MOVE_STAYS:
		om_buf_addf(buf, "stays, %s\n", disk->why);
		return;
	case OM_MOVE_THERE:
		om_buf_addf(buf, "there already, %s\n", disk->name);
		return;
	default:
		om_buf_addf(buf, "copied by libvirt, %s, %s, %" PRIu64 " of %" PRIu64 " bytes",
			    disk->name, disk->format, disk->copy_bytes, disk->blank.virtual_bytes);
	}
	if (disk->shallow)
		om_buf_addf(buf, ", on top of %s (%s)", disk->blank.backing,
			    disk->blank.backing_format);
	om_buf_addf(buf, "%s\n", disk->sync ? ", with synchronous writes" : "");
}

static void print_file(struct om_buf *buf, const struct om_move_file *file,
		       const struct om_item *item)
{
	om_buf_addf(buf, "file %s: %s", item->name, file_ways[file->way]);
	if (file->target)
		om_buf_addf(buf, " to %s", file->target);
	if (file->backing)
		om_buf_addf(buf, ", then on top of %s (%s)", file->backing, file->backing_format);
	om_buf_addf(buf, "\n");
}

void om_move_print(struct om_buf *buf, const struct om_move *move)
{
	for (size_t i = 0; i < move->disk_count; i++)
		print_disk(buf, &move->disks[i]);
	for (size_t i = 0; i < move->file_count; i++)
		print_file(buf, &move->files[i], &move->items[i]);
}

static void add(struct om_strv *list, char *text)
{
	om_strv_add(list, text);
	free(text);
}

static size_t count(const struct om_move *move, enum om_move_way way)
{
	size_t n = 0;

	for (size_t i = 0; i < move->disk_count; i++)
		n += move->disks[i].way == way;
	return n;
}

static size_t count_files(const struct om_move *move)
{
	size_t n = 0;

	for (size_t i = 0; i < move->file_count; i++)
		n += move->files[i].way == OM_MOVE_FILE_COPY ||
		     move->files[i].way == OM_MOVE_FILE_LATER;
	return n;
}

void om_move_tell(struct om_move *move, const struct om_move_facts *facts)
{
	size_t copies = count(move, OM_MOVE_COPY), there = count(move, OM_MOVE_THERE);
	size_t files = count_files(move);
	OM_AUTOFREE char *limit = move->limit_bps ? om_xasprintf(", %" PRIu64 " MiB/s in all",
								 move->limit_bps >> 20)
						  : om_xstrdup("");

	add(&move->infos,
	    om_xasprintf("%zu %s (%" PRIu64 " MiB) and %zu %s (%" PRIu64 " MiB) go to %s%s", copies,
			 copies == 1 ? "disk" : "disks", move->copy_bytes >> 20, files,
			 files == 1 ? "other file" : "other files", move->file_bytes >> 20,
			 move->dst_dir, limit));
	if (there)
		add(&move->infos,
		    om_xasprintf("an earlier attempt has moved %zu of the disks", there));
	for (size_t i = 0; i < move->disk_count; i++)
		if (move->disks[i].sync)
			add(&move->infos,
			    om_xasprintf("disk %s is written to faster than it can be copied: its "
					 "writes wait for the copy meanwhile",
					 move->disks[i].target));
	if (facts->nvram)
		add(&move->warnings,
		    om_xasprintf("the running VM goes on with its firmware's variables in %s/%s: "
				 "they are copied, the old file is kept, and what the guest "
				 "changes in them until it is powered off is lost then",
				 facts->src_dir, facts->nvram));
	if (facts->persistent)
		add(&move->warnings,
		    om_xstrdup("the domain is defined, and its definition goes on naming the old "
			       "paths"));
}

int om_move_exit_status(enum om_move_verdict verdict)
{
	return verdict == OM_MOVE_DONE ? 0 : 1;
}

void om_move_whereabouts(const struct om_move_end *end, const struct om_move *move,
			 const char *host, char *text, size_t size)
{
	const char *guest = end->guest_ended ? "the VM has ended on" : "the VM still runs on";
	const char *src = move->src_dir ? move->src_dir : "the old datastore";
	const char *dst = move->dst_dir ? move->dst_dir : "the new one";

	switch (end->verdict) {
	case OM_MOVE_DONE:
		snprintf(text, size, "%s %s with its disks in %s", guest, host, dst);
		return;
	case OM_MOVE_NOT:
		snprintf(text, size, "%s %s with its disks in %s, as before%s%s", guest, host, src,
			 end->left ? "; something was left in " : "", end->left ? dst : "");
		return;
	case OM_MOVE_MIXED:
		snprintf(text, size,
			 "%s %s with its disks in two places, and nothing was removed: %s. %s",
			 guest, host, end->where,
			 end->guest_ended
				 ? "Put them together by hand before it is started again"
				 : "Move it to the same datastore again before it is powered off");
		return;
	default:
		snprintf(
			text, size,
			"it is not known whether the VM's disks are in %s or in %s: look at `virsh "
			"domblklist` on %s; nothing was removed",
			src, dst, host);
	}
}
