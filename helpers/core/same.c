/* SPDX-License-Identifier: Apache-2.0 */
#include "om_survey.h"

#include <inttypes.h>
#include <stdio.h>

enum reach {
	OPEN,  /* either: FUSE, an image that two hosts may have mounted read-only, ... */
	LOCAL, /* of one kernel */
	NETWORK,
};

#define OVERLAYFS 0x794c7630

/* Numbers of the kernel's headers, and of file systems that come with modules of their own. Since
 * SMB 2 cifs has a number that libvirt does not look for. */
/* clang-format off */
static const struct fs {
	uint64_t type;
	const char *name;
	enum reach reach;
	bool libvirt; /* it takes this one for shared */
} table[] = {
	{ 0x0000ef53, "ext4",		LOCAL,	 false }, /* ext2 and ext3 too */
	{ 0x58465342, "xfs",		LOCAL,	 false },
	{ 0x9123683e, "btrfs",		LOCAL,	 false },
	{ 0x2fc12fc1, "zfs",		LOCAL,	 false },
	{ 0x01021994, "tmpfs",		LOCAL,	 false },
	{ 0x858458f6, "ramfs",		LOCAL,	 false },
	{ 0x958458f6, "hugetlbfs",	LOCAL,	 false },
	{ OVERLAYFS,  "overlay",	LOCAL,	 false },
	{ 0xf2f52010, "f2fs",		LOCAL,	 false },
	{ 0xca451a4e, "bcachefs",	LOCAL,	 false },
	{ 0x52654973, "reiserfs",	LOCAL,	 false },
	{ 0x3153464a, "jfs",		LOCAL,	 false },
	{ 0x00003434, "nilfs2",		LOCAL,	 false },
	{ 0x00004d44, "vfat",		LOCAL,	 false },
	{ 0x2011bab0, "exfat",		LOCAL,	 false },
	{ 0x7366746e, "ntfs3",		LOCAL,	 false },
	{ 0x00006969, "nfs",		NETWORK, true },
	{ 0x01161970, "gfs2",		NETWORK, true },
	{ 0x7461636f, "ocfs2",		NETWORK, true },
	{ 0x6b414653, "afs",		NETWORK, true },
	{ 0x5346414f, "openafs",	NETWORK, false },
	{ 0x0000517b, "smb",		NETWORK, true },
	{ 0xff534d42, "cifs",		NETWORK, true },
	{ 0xfe534d42, "smb2",		NETWORK, false },
	{ 0x00c36400, "ceph",		NETWORK, true },
	{ 0x47504653, "gpfs",		NETWORK, true },
	{ 0x61636673, "acfs",		NETWORK, true },
	{ 0x19830326, "beegfs",		NETWORK, true },
	{ 0x0bd00bd0, "lustre",		NETWORK, false },
	{ 0x20030528, "orangefs",	NETWORK, false },
	{ 0x73757245, "coda",		NETWORK, false },
	{ 0x01021997, "9p",		NETWORK, false },
	{ OM_FS_FUSE_GLUSTER, "fuse.glusterfs", NETWORK, true },
	{ OM_FS_FUSE_QUOBYTE, "fuse.quobyte",	NETWORK, true },
	{ OM_FS_FUSE, "fuse",		OPEN,	 false }, /* virtiofs too */
	{ 0x00009660, "iso9660",	OPEN,	 false },
	{ 0x15013346, "udf",		OPEN,	 false },
	{ 0x73717368, "squashfs",	OPEN,	 false },
	{ 0xe0f5e1e2, "erofs",		OPEN,	 false },
	{ 0x00000187, "autofs",		OPEN,	 false },
	{ 0x00009fa0, "proc",		OPEN,	 false },
	{ 0x62656572, "sysfs",		OPEN,	 false },
};
/* clang-format on */

static const struct fs *find(uint64_t type)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(table); i++)
		if (table[i].type == type)
			return &table[i];
	return NULL;
}

static enum reach reach_of(const struct om_file *file)
{
	const struct fs *fs = find(file->fs_type);

	return fs ? fs->reach : OPEN;
}

bool om_fs_is_local(uint64_t fs_type)
{
	const struct fs *fs = find(fs_type);

	return fs && fs->reach == LOCAL;
}

const char *om_fs_name(uint64_t fs_type, char text[32])
{
	const struct fs *fs = find(fs_type);

	if (fs)
		return fs->name;
	snprintf(text, 32, "type 0x%" PRIx64, fs_type);
	return text;
}

bool om_fs_is_shared_for_libvirt(uint64_t fs_type)
{
	const struct fs *fs = find(fs_type);

	return fs && fs->libvirt;
}

static bool both_local(const struct om_file *a, const struct om_file *b)
{
	return reach_of(a) == LOCAL && reach_of(b) == LOCAL;
}

/* A device's node lies in a local file system, whatever the device is. */
static bool is_device(const struct om_file *file)
{
	return file->kind == OM_FILE_BLOCK || file->kind == OM_FILE_OTHER;
}

/* Directories near the root have the same few inodes on every server. */
static bool same_on_network(const struct om_file *a, const struct om_file *b)
{
	return reach_of(a) == NETWORK && a->kind == b->kind && a->fs_type == b->fs_type &&
	       a->fs_id == b->fs_id && a->inode == b->inode && a->size_bytes == b->size_bytes &&
	       (a->kind == OM_FILE_REGULAR || (a->kind == OM_FILE_DIR && a->fs_id));
}

/* Under one kernel a local file can be a network's elsewhere (a server's own export), and an
 * overlay's can be one of the layers below it. */
static enum om_same same_here(const struct om_file *a, const struct om_file *b)
{
	bool there = a->kind != OM_FILE_MISSING && a->kind == b->kind;

	if (there && a->device == b->device && (a->kind == OM_FILE_BLOCK || a->inode == b->inode))
		return OM_SAME_YES;
	if (is_device(a) || is_device(b) ||
	    (a->kind == OM_FILE_MISSING && b->kind == OM_FILE_MISSING))
		return OM_SAME_UNKNOWN;
	if (both_local(a, b) && (a->fs_type == OVERLAYFS) == (b->fs_type == OVERLAYFS))
		return OM_SAME_NO;
	return same_on_network(a, b) ? OM_SAME_YES : OM_SAME_UNKNOWN;
}

enum om_same om_file_same(const struct om_file *a, const struct om_file *b, bool one_kernel)
{
	if (a->kind == OM_FILE_UNKNOWN || b->kind == OM_FILE_UNKNOWN)
		return OM_SAME_UNKNOWN;
	if (one_kernel)
		return same_here(a, b);
	if (is_device(a) || is_device(b))
		return OM_SAME_UNKNOWN;
	if (both_local(a, b))
		return OM_SAME_NO;
	return same_on_network(a, b) ? OM_SAME_YES : OM_SAME_UNKNOWN;
}
