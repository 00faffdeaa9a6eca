/* SPDX-License-Identifier: Apache-2.0 */
#include "om_move_host.h"

#include "om_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define QEMU_IMG_MS 60000

char *om_move_real(const char *path)
{
	return realpath(path, NULL);
}

bool om_move_identity(const char *path, struct om_identity *identity)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*identity = (struct om_identity){ .device = st.st_dev, .inode = st.st_ino };
	return true;
}

void om_move_owner(const char *path, struct om_blank *blank)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	blank->mode = st.st_mode & 07777;
	blank->uid = st.st_uid;
	blank->gid = st.st_gid;
}

/* Of a path whose end may be missing: the real path of what is there, and the rest as it stands. */
static char *real_as_far(const char *path)
{
	OM_AUTOFREE char *part = om_xstrdup(path);
	size_t len = strlen(part);

	while (len > 1) {
		OM_AUTOFREE char *real = realpath(part, NULL);

		if (real)
			return om_xasprintf("%s%s", real, path + len);
		if (errno != ENOENT)
			return NULL;
		while (len > 1 && part[--len] != '/')
			;
		part[len] = '\0';
	}
	return om_xstrdup(path);
}

static bool is_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

bool om_move_dirs_differ(const char *src, const char *dst, struct om_err *err)
{
	OM_AUTOFREE char *from = realpath(src, NULL), *to = real_as_far(dst);
	struct om_identity a, b;

	if (!from || !om_move_identity(from, &a))
		return om_err_set(err, OM_E_INPUT, "the VM's directory %.200s cannot be found: %s",
				  src, strerror(errno));
	if (!to)
		return om_err_set(err, OM_E_INPUT, "%.200s cannot be looked at: %s", dst,
				  strerror(errno));
	if (is_inside(from, to) || is_inside(to, from) ||
	    (om_move_identity(to, &b) && a.device == b.device && a.inode == b.inode))
		return om_err_set(
			err, OM_E_INPUT,
			"%.160s and %.160s are the same directory, or one is in the other", src,
			dst);
	return true;
}

bool om_move_free_bytes(const char *dir, uint64_t *bytes)
{
	OM_AUTOFREE char *part = om_xstrdup(dir);
	struct statvfs fs;

	while (statvfs(part, &fs) < 0) {
		char *slash = strrchr(part, '/');

		if (errno != ENOENT || !slash || slash == part)
			return false;
		*slash = '\0';
	}
	*bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return true;
}

bool om_move_rebase(const char *image, const char *backing, const char *format, struct om_err *err)
{
	const char *argv[] = { "qemu-img", "rebase", "-q", "-u",    "-f",  "qcow2",
			       "-F",	   format,   "-b", backing, image, NULL };
	char out[64];

	return om_proc_capture(argv, QEMU_IMG_MS, out, sizeof(out), err);
}
