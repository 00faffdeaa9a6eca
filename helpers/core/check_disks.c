/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of disks and their backing files, as both hosts see them. */
#include "check_internal.h"

#include <inttypes.h>
#include <string.h>

/* One path of one disk: its image, or a backing file of it. */
struct layer {
	const struct om_dom_disk *disk;
	const char *path;
	bool writable; /* the guest writes into it */
	struct om_check_file file;
};

/* What was found of all of them. */
struct tally {
	size_t layers, same, unproven, brought;
};

static bool is_on_host(const struct om_dom_disk *disk)
{
	return (disk->kind == OM_DISK_FILE || disk->kind == OM_DISK_BLOCK) && *disk->source == '/';
}

static bool is_writable(const struct om_dom_disk *disk)
{
	return !disk->readonly && !disk->cdrom;
}

/* ---- missing, another one, another size ---- */

static bool is_one_kernel(const struct om_check *c)
{
	return *c->src->boot_id && strcmp(c->src->boot_id, c->dst->boot_id) == 0;
}

static enum om_same same(const struct om_check *c, const struct om_check_file *file)
{
	return file->src && file->dst ? om_file_same(file->src, file->dst, is_one_kernel(c))
				      : OM_SAME_UNKNOWN;
}

/*
 * That storage is shared is OpenNebula's to say. Where it was not asked, a file is meant to be shared
 * that lies in a network's file system, or if the VM's directory is one on both hosts; a volume may
 * have to be switched on there all the same.
 */
static bool is_meant_shared(const struct om_check *c, const struct layer *layer)
{
	const struct om_file *src = layer->file.src;
	struct om_check_file dir = om_check_file(c, c->dom->vm_dir);

	if (c->facts->shared_known)
		return true;
	return src && src->kind == OM_FILE_REGULAR &&
	       (om_fs_is_shared_for_libvirt(src->fs_type) || same(c, &dir) == OM_SAME_YES);
}

/* Before premigrate a storage driver may yet bring it or, as with LVM, switch it on. */
static void check_missing(struct om_check *c, const struct layer *layer, struct tally *tally)
{
	bool shared = is_meant_shared(c, layer);

	if (om_check_is_early(c) && c->facts->other_way) {
		tally->brought++;
		return;
	}
	om_check_found(c, shared ? OM_SEVERITY_BLOCKER : OM_SEVERITY_WARNING,
		       "%s: %s is not on %s%s", layer->disk->target, layer->path, c->dst_host,
		       shared ? "" : ", unless OpenNebula's storage driver brings it");
	om_check_remedy(c, "see that the datastore is mounted, or the volume active, on %s",
			c->dst_host);
}

/* Copies that nobody writes to may be as good as the file; of a disk that is written to one is not. */
static void check_other(struct om_check *c, const struct layer *layer, struct tally *tally)
{
	if (c->facts->other_way && (om_check_is_early(c) || !layer->writable)) {
		tally->brought++;
		return;
	}
	if (layer->writable && is_meant_shared(c, layer))
		om_check_found(
			c, OM_SEVERITY_BLOCKER,
			"%s: %s is another file on %s, with which the VM's data would be lost",
			layer->disk->target, layer->path, c->dst_host);
	else
		om_check_found(c, OM_SEVERITY_WARNING, "%s: %s is another file on %s",
			       layer->disk->target, layer->path, c->dst_host);
	om_check_remedy(c,
			"mount the same storage on both hosts, or set SHARED=NO in the datastore "
			"if it is not meant to be shared");
}

static bool sizes_differ(const struct om_check_file *file)
{
	return file->src && file->src->kind == file->dst->kind && file->src->size_bytes &&
	       file->dst->size_bytes && file->src->size_bytes != file->dst->size_bytes;
}

static void check_size(struct om_check *c, const struct layer *layer)
{
	om_check_found(c, OM_SEVERITY_WARNING,
		       "%s: %s has %" PRIu64 " bytes on %s and %" PRIu64 " on %s",
		       layer->disk->target, layer->path, layer->file.src->size_bytes, c->src_host,
		       layer->file.dst->size_bytes, c->dst_host);
	om_check_remedy(c, "see that it is the same storage on both hosts");
}

static void check_there(struct om_check *c, const struct layer *layer, struct tally *tally)
{
	switch (same(c, &layer->file)) {
	case OM_SAME_YES:
		tally->same++;
		return;
	case OM_SAME_NO:
		check_other(c, layer, tally);
		return;
	case OM_SAME_UNKNOWN:
		break;
	}
	if (sizes_differ(&layer->file))
		check_size(c, layer);
	else
		tally->unproven++;
}

static void check_destination(struct om_check *c, const struct layer *layer, struct tally *tally)
{
	const struct om_file *dst = layer->file.dst;

	if (!dst || dst->kind == OM_FILE_UNKNOWN)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "%s: %s could not be looked at on %s%s%s", layer->disk->target,
			       layer->path, c->dst_host, dst && *dst->why ? ": " : "",
			       dst ? dst->why : "");
	else if (dst->kind == OM_FILE_MISSING)
		check_missing(c, layer, tally);
	else
		check_there(c, layer, tally);
}

/* ---- what libvirt calls unsafe ---- */

/*
 * libvirt of the source refuses to migrate a file on a file system that it does not know as a shared
 * one. Later ones can be told otherwise by shared_filesystems in qemu.conf; from when on is not the
 * same everywhere, as enterprise distributions took it into their 10.x.
 */
static void check_safe(struct om_check *c, const struct layer *layer)
{
	const struct om_file *src = layer->file.src;
	bool certain = c->facts->shared_known && c->src->libvirt &&
		       c->src->libvirt < OM_CHECK_VERSION(10, 0);
	char name[32];

	if (layer->disk->kind != OM_DISK_FILE || !layer->writable || (c->flags & OM_FLAG_UNSAFE) ||
	    !src || src->kind <= OM_FILE_MISSING || !src->fs_type ||
	    om_fs_is_shared_for_libvirt(src->fs_type))
		return;
	om_check_found(c, certain ? OM_SEVERITY_BLOCKER : OM_SEVERITY_WARNING,
		       "%s: libvirt takes the file system of %s (%s) for one of %s alone and calls "
		       "the migration unsafe",
		       layer->disk->target, layer->path, om_fs_name(src->fs_type, name),
		       c->src_host);
	om_check_remedy(c, "if it is shared, add --unsafe to MIGRATE_OPTIONS%s",
			certain ? "" : ", or its directory to shared_filesystems in qemu.conf");
}

/* ---- all of them ---- */

static void check_layer(struct om_check *c, const struct om_dom_disk *disk, const char *path,
			struct tally *tally)
{
	bool is_top = path == disk->source;
	struct layer layer = {
		.disk = disk,
		.path = path,
		.writable = is_top && is_writable(disk),
		.file = om_check_file(c, path),
	};

	if (*path != '/')
		return;
	tally->layers++;
	check_safe(c, &layer);
	if (c->dst->known)
		check_destination(c, &layer, tally);
}

/* A move on one host is OpenNebula's to make; what it needs is there. */
static void check_source(struct om_check *c, const struct om_dom_disk *disk)
{
	const struct om_file *src = om_check_file(c, disk->source).src;

	if (!src || src->kind != OM_FILE_MISSING)
		return;
	om_check_found(c, OM_SEVERITY_WARNING, "%s: %s is not on %s", disk->target, disk->source,
		       c->src_host);
	om_check_remedy(c, "it was moved or deleted while the VM has it open: save what is in it");
}

static void sum_up(struct om_check *c, const struct tally *tally)
{
	bool proven = tally->same || !tally->unproven;

	if (!tally->layers)
		om_check_found(c, OM_SEVERITY_OK, "no file and no device of a host");
	else if (c->facts->same_host)
		om_check_found(c, OM_SEVERITY_OK, "all %zu are there", tally->layers);
	else if (tally->same == tally->layers)
		om_check_found(c, OM_SEVERITY_OK, "all %zu are the same on both hosts",
			       tally->layers);
	else
		om_check_found(c, proven ? OM_SEVERITY_OK : OM_SEVERITY_NOT_CHECKED,
			       "%zu the same on both hosts, %zu on both but not proven to be the "
			       "same, %zu brought by OpenNebula's storage driver",
			       tally->same, tally->unproven, tally->brought);
}

/* Storage of its own is copied; what is the same file in truth would be destroyed by that. */
static void check_not_shared(struct om_check *c)
{
	for (size_t i = 0; i < c->dom->disk_count && !c->facts->storage; i++) {
		const struct om_dom_disk *disk = &c->dom->disks[i];
		struct om_check_file file = om_check_file(c, disk->source);

		if (!is_on_host(disk) || !is_writable(disk) || same(c, &file) != OM_SAME_YES)
			continue;
		om_check_found(c, OM_SEVERITY_WARNING,
			       "%s: %s is the same on both hosts, and the datastore does not say "
			       "that it is shared",
			       disk->target, disk->source);
		om_check_remedy(c, "set SHARED=YES in the system datastore");
		return;
	}
	om_check_storage(c);
}

static void check_disk(struct om_check *c, const struct om_dom_disk *disk, struct tally *tally)
{
	if (c->facts->same_host) {
		tally->layers++;
		check_source(c, disk);
		return;
	}
	check_layer(c, disk, disk->source, tally);
	for (size_t n = 0; n < disk->chain.n; n++)
		check_layer(c, disk, disk->chain.v[n], tally);
}

void om_check_disks(struct om_check *c)
{
	size_t before = c->findings->n;
	struct tally tally = { 0 };

	if (!om_check_needs_dom(c))
		return;
	if (c->facts->shared_known && !c->facts->shared && !c->facts->same_host) {
		check_not_shared(c);
		return;
	}
	for (size_t i = 0; i < c->dom->disk_count; i++)
		if (is_on_host(&c->dom->disks[i]))
			check_disk(c, &c->dom->disks[i], &tally);
	if (tally.layers && !c->facts->same_host && !om_check_needs_dst(c))
		return;
	if (c->findings->n == before)
		sum_up(c, &tally);
}
