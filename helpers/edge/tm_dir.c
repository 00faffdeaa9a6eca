/* SPDX-License-Identifier: Apache-2.0 */
#include "om_tm_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define MARK ".onemigrate-"

bool om_tm_is_regular(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

void om_tm_dir_files(const char *dir, struct om_strv *files)
{
	DIR *entries = opendir(dir);
	const struct dirent *entry;

	while (entries && files->n < OM_TM_FILES_MAX && (entry = readdir(entries))) {
		OM_AUTOFREE char *path = om_xasprintf("%s/%s", dir, entry->d_name);

		if (!strpbrk(entry->d_name, "\n\r") && !om_str_starts(entry->d_name, MARK) &&
		    om_tm_is_regular(path))
			om_strv_add(files, path);
	}
	if (entries)
		closedir(entries);
}

/* ---- removal ---- */

static bool remove_failed(struct om_err *err, const char *name)
{
	return om_err_set(err, OM_E_INPUT, "%s cannot be removed: %s", name, strerror(errno));
}

static bool empty(int dirfd, dev_t device, int depth, struct om_err *err);

static bool remove_entry(int dirfd, const char *name, dev_t device, int depth, struct om_err *err)
{
	struct stat st;
	OM_AUTOCLOSE int fd = -1;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || remove_failed(err, name);
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT || remove_failed(err, name);
	fd = openat(dirfd, name, DIR_FLAGS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return remove_failed(err, name);
	if (st.st_dev != device)
		return om_err_set(err, OM_E_INPUT, "%s is another file system", name);
	return empty(fd, device, depth + 1, err) &&
	       (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || remove_failed(err, name));
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool empty(int dirfd, dev_t device, int depth, struct om_err *err)
{
	int copy = depth > DEPTH_MAX ? (errno = ELOOP, -1) : openat(dirfd, ".", DIR_FLAGS);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	bool ok = true;

	if (!entries) {
		if (copy >= 0)
			close(copy);
		return remove_failed(err, "a directory");
	}
	while (ok && (entry = readdir(entries)))
		ok = is_dot(entry->d_name) ||
		     remove_entry(dirfd, entry->d_name, device, depth, err);
	closedir(entries);
	return ok;
}

bool om_tm_dir_remove(const char *dir, const char *vm_id, struct om_err *err)
{
	OM_AUTOFREE char *clean = NULL, *parent = NULL;
	OM_AUTOCLOSE int fd = -1;
	struct stat st;
	char *slash;

	if (!om_tm_dir(&clean, dir, vm_id, err))
		return false;
	parent = om_xstrdup(clean);
	slash = strrchr(parent, '/');
	*slash = '\0';
	/* A datastore may be a link to where it is mounted; the VM's directory may not. */
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT || remove_failed(err, parent);
	return remove_entry(fd, slash + 1, st.st_dev, 0, err);
}

/* ---- markers ---- */

void om_tm_token(char token[OM_TM_TOKEN_SIZE])
{
	unsigned char bytes[(OM_TM_TOKEN_SIZE - 1) / 2] = { 0 };

	/* Without randomness the time will do: it only has to be new. */
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		memcpy(bytes, &t, sizeof(t) < sizeof(bytes) ? sizeof(t) : sizeof(bytes));
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

static bool token_valid(const char *token)
{
	return strlen(token) == OM_TM_TOKEN_SIZE - 1 &&
	       strspn(token, "0123456789abcdef") == OM_TM_TOKEN_SIZE - 1;
}

static char *mark_path(const char *dir, const char *token)
{
	return token_valid(token) ? om_xasprintf("%s/" MARK "%s", dir, token) : NULL;
}

bool om_tm_mark(const char *dir, const char *token)
{
	OM_AUTOFREE char *path = mark_path(dir, token);
	OM_AUTOCLOSE int fd =
		path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;

	/* Seen by others only once it is on the server. */
	return fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == EROFS);
}

bool om_tm_marked(const char *dir, const char *token)
{
	OM_AUTOFREE char *path = mark_path(dir, token);

	return path && om_tm_is_regular(path);
}

void om_tm_unmark(const char *dir, const char *token)
{
	OM_AUTOFREE char *path = mark_path(dir, token);

	if (path)
		unlink(path);
}
