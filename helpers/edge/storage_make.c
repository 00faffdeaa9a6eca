/* SPDX-License-Identifier: Apache-2.0 */
#include "om_storage.h"

#include "om_proc.h"
#include "om_tm_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QEMU_IMG_MS 25000
#define DATASTORE_MODE 0755
#define PARENT_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define DIR_FLAGS (PARENT_FLAGS | O_NOFOLLOW)

/* The directory that holds something, opened, and its name in there. */
struct spot {
	int dirfd;
	const char *last; /* in `path` */
	char *path;	  /* absolute, of the thing itself */
	bool missing;	  /* there is no such directory */
};

static void spot_close(struct spot *spot)
{
	if (spot->dirfd >= 0)
		close(spot->dirfd);
	free(spot->path);
}
#define AUTOSPOT __attribute__((cleanup(spot_close))) struct spot

static bool failed(struct om_err *err, const char *what, const char *path)
{
	return om_err_set(err, OM_E_INPUT, "%.300s cannot be %s: %s", path, what, strerror(errno));
}

static bool segment_valid(const char *text, size_t len)
{
	return len && !(len == 1 && *text == '.') &&
	       !(len == 2 && text[0] == '.' && text[1] == '.');
}

/* No empty part, no "." and no "..". */
static bool name_valid(const char *name)
{
	while (*name) {
		size_t len = strcspn(name, "/");

		if (!segment_valid(name, len) || (name[len] && !name[len + 1]))
			return false;
		name += len + (name[len] == '/');
	}
	return true;
}

/* One directory further down; takes what is open. */
static bool step_into(int *dirfd, const char *name, size_t len)
{
	OM_AUTOFREE char *part = om_xstrndup(name, len);
	int next = openat(*dirfd, part, DIR_FLAGS);

	if (next < 0)
		return false;
	close(*dirfd);
	*dirfd = next;
	return true;
}

static bool go_down(struct spot *spot, size_t dir_len, struct om_err *err)
{
	const char *at = spot->path + dir_len;
	const char *slash = strrchr(spot->path, '/');

	while (at < slash) {
		size_t len;

		at += *at == '/';
		len = strcspn(at, "/");
		if (!step_into(&spot->dirfd, at, len)) {
			spot->missing = errno == ENOENT;
			return failed(err, "opened", spot->path);
		}
		at += len;
	}
	spot->last = slash + 1;
	return true;
}

/* Where the datastore is a link to, is the administrator's business; what is below the VM's directory
 * is reached by no link. */
static bool find(struct spot *spot, const struct om_place *place, struct om_err *err)
{
	OM_AUTOFREE char *clean = NULL, *parent = NULL;

	*spot = (struct spot){ .dirfd = -1 };
	if (!om_tm_dir(&clean, place->dir, place->vm_id, err))
		return false;
	if (!name_valid(place->name))
		return om_err_set(err, OM_E_INPUT, "that is no name below %.200s", clean);
	parent = om_xstrndup(clean, (size_t)(strrchr(clean, '/') - clean));
	spot->path = om_xasprintf("%s%s%s", clean, *place->name ? "/" : "", place->name);
	spot->dirfd = open(parent, PARENT_FLAGS);
	spot->missing = spot->dirfd < 0 && errno == ENOENT;
	if (spot->dirfd < 0)
		return failed(err, "opened", parent);
	return go_down(spot, strlen(parent), err);
}

static bool identify(const struct spot *spot, const char *name, struct om_identity *identity,
		     struct stat *st)
{
	if (fstatat(spot->dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*identity = (struct om_identity){ .device = st->st_dev, .inode = st->st_ino };
	return true;
}

/* ---- looking, dropping ---- */

bool om_storage_look(const struct om_place *place, bool *there, struct om_identity *identity,
		     struct om_err *err)
{
	AUTOSPOT spot;
	struct stat st;

	*there = false;
	if (!find(&spot, place, err))
		return spot.missing;
	*there = identify(&spot, spot.last, identity, &st);
	return *there || errno == ENOENT || failed(err, "looked at", spot.path);
}

bool om_storage_drop(const struct om_place *place, const struct om_identity *identity,
		     struct om_err *err)
{
	AUTOSPOT spot;
	struct om_identity now;
	struct stat st;

	if (!find(&spot, place, err))
		return spot.missing;
	if (!identify(&spot, spot.last, &now, &st))
		return errno == ENOENT || failed(err, "looked at", spot.path);
	if (now.device != identity->device || now.inode != identity->inode)
		return om_err_set(err, OM_E_INPUT, "%.300s is another file by now", spot.path);
	return unlinkat(spot.dirfd, spot.last, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0 ||
	       errno == ENOENT || failed(err, "removed", spot.path);
}

static bool is_unfinished(int dirfd, const char *name)
{
	struct stat st;

	return om_str_starts(name, OM_STORAGE_MARK) &&
	       fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool om_storage_sweep(const struct om_place *place, struct om_err *err)
{
	AUTOSPOT spot;
	const struct dirent *entry;
	DIR *entries = NULL;
	int fd;

	if (!find(&spot, place, err))
		return spot.missing;
	fd = openat(spot.dirfd, spot.last, DIR_FLAGS);
	if (fd >= 0 && !(entries = fdopendir(fd)))
		close(fd);
	while (entries && (entry = readdir(entries)))
		if (is_unfinished(dirfd(entries), entry->d_name))
			unlinkat(dirfd(entries), entry->d_name, 0);
	if (entries)
		closedir(entries);
	return true;
}

/* ---- directories and links ---- */

static bool make_datastore(const struct om_place *place, struct om_err *err)
{
	OM_AUTOFREE char *clean = NULL;
	char *slash;

	if (!om_tm_dir(&clean, place->dir, place->vm_id, err))
		return false;
	slash = strrchr(clean, '/');
	*slash = '\0';
	return mkdir(clean, DATASTORE_MODE) == 0 || errno == EEXIST || failed(err, "made", clean);
}

static bool take_dir(const struct spot *spot, uint32_t mode, bool made,
		     struct om_identity *identity, struct om_err *err)
{
	OM_AUTOCLOSE int fd = openat(spot->dirfd, spot->last, DIR_FLAGS);
	struct stat st;

	if (fd < 0 || (made && fchmod(fd, mode) < 0) || fstat(fd, &st) < 0)
		return failed(err, "opened", spot->path);
	*identity = (struct om_identity){ .device = st.st_dev, .inode = st.st_ino };
	return true;
}

bool om_storage_mkdir(const struct om_place *place, uint32_t mode, bool *made,
		      struct om_identity *identity, struct om_err *err)
{
	AUTOSPOT spot = { .dirfd = -1 };

	if ((!*place->name && !make_datastore(place, err)) || !find(&spot, place, err))
		return false;
	*made = mkdirat(spot.dirfd, spot.last, 0700) == 0;
	if (!*made && errno != EEXIST)
		return failed(err, "made", spot.path);
	return take_dir(&spot, mode & 07777, *made, identity, err);
}

bool om_storage_link(const struct om_place *place, const char *target, struct om_identity *identity,
		     struct om_err *err)
{
	AUTOSPOT spot;
	struct stat st;

	if (!find(&spot, place, err))
		return false;
	if (symlinkat(target, spot.dirfd, spot.last) < 0 ||
	    !identify(&spot, spot.last, identity, &st))
		return failed(err, "made", spot.path);
	return true;
}

/* ---- images ---- */

static bool run_qemu_img(const char *path, const struct om_blank *blank, struct om_err *err)
{
	const char *argv[16] = { "qemu-img", "create", "-q", "-f", "qcow2", "-o" };
	char options[128], size[32], out[64];
	size_t n = 6;

	snprintf(options, sizeof(options), "compat=%s,cluster_size=%" PRIu64 "%s",
		 blank->compat_v2 ? "0.10" : "1.1", UINT64_C(1) << blank->cluster_bits,
		 blank->extended_l2 ? ",extended_l2=on" : "");
	snprintf(size, sizeof(size), "%" PRIu64, blank->virtual_bytes);
	argv[n++] = options;
	if (*blank->backing) {
		argv[n++] = "-b";
		argv[n++] = blank->backing;
		argv[n++] = "-F";
		argv[n++] = *blank->backing_format ? blank->backing_format : "raw";
	}
	argv[n++] = path;
	argv[n] = size;
	return om_proc_capture(argv, QEMU_IMG_MS, out, sizeof(out), err);
}

static bool fill(int fd, const char *path, const struct om_blank *blank, struct om_err *err)
{
	if (blank->qcow2 && !run_qemu_img(path, blank, err))
		return false;
	if (!blank->qcow2 && ftruncate(fd, (off_t)blank->virtual_bytes) < 0)
		return failed(err, "given its size", path);
	if (fchown(fd, blank->uid, blank->gid) < 0 && geteuid() == 0)
		return failed(err, "given to its owner", path);
	return fchmod(fd, blank->mode & 07777) == 0 || failed(err, "given its mode", path);
}

/* Under its final name it is whole, and nothing that had that name is gone. */
static bool place_it(const struct spot *spot, const char *name, struct om_err *err)
{
	if (linkat(spot->dirfd, name, spot->dirfd, spot->last, 0) == 0 ||
	    (errno != EEXIST &&
	     renameat2(spot->dirfd, name, spot->dirfd, spot->last, RENAME_NOREPLACE) == 0))
		return true;
	return errno == EEXIST ? om_err_set(err, OM_E_INPUT, "%.300s exists there", spot->path)
			       : failed(err, "put in its place", spot->path);
}

static bool token_valid(const char *token)
{
	return strlen(token) == OM_TM_TOKEN_SIZE - 1 &&
	       strspn(token, "0123456789abcdef") == OM_TM_TOKEN_SIZE - 1;
}

static bool blank_valid(const struct om_blank *blank)
{
	return blank->virtual_bytes && blank->virtual_bytes <= INT64_MAX &&
	       (!blank->qcow2 || (blank->cluster_bits >= 9 && blank->cluster_bits <= 21));
}

bool om_storage_make(const struct om_place *place, const struct om_blank *blank, const char *token,
		     struct om_identity *identity, struct om_err *err)
{
	char name[OM_TM_TOKEN_SIZE + sizeof(OM_DISKS_MARK)];
	OM_AUTOFREE char *path = NULL;
	OM_AUTOCLOSE int fd = -1;
	AUTOSPOT spot = { .dirfd = -1 };
	struct stat st;
	bool ok;

	if (!blank_valid(blank) || !token_valid(token))
		return om_err_set(err, OM_E_INPUT, "there is no such image");
	if (!find(&spot, place, err))
		return false;
	snprintf(name, sizeof(name), OM_DISKS_MARK "%s", token);
	path = om_xasprintf("%.*s%s", (int)(spot.last - spot.path), spot.path, name);
	fd = openat(spot.dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(err, "made", spot.path);
	ok = fill(fd, path, blank, err) && place_it(&spot, name, err);
	unlinkat(spot.dirfd, name, 0);
	if (ok && fstat(fd, &st) < 0)
		return failed(err, "looked at", spot.path);
	if (ok)
		*identity = (struct om_identity){ .device = st.st_dev, .inode = st.st_ino };
	return ok;
}
