/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "om_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define NAME_PART 180
/* Between its making and its locking a name is nobody's. */
#define YOUNG_S 4

bool failed(const char *path, const char *what, struct om_err *err)
{
	char name[300];

	om_str_copy(name, sizeof(name), path);
	om_str_sanitize(name);
	return om_err_set(err, OM_E_SOURCE, "%s: %s", name, what);
}

bool failed_errno(int dir, const char *path, struct om_err *err)
{
	int error = errno;
	struct statvfs fs;
	char what[120];

	if (error != ENOSPC && error != EDQUOT)
		return failed(path, strerror(error), err);
	snprintf(what, sizeof(what), "no space is left there%s", error == EDQUOT ? " (quota)" : "");
	if (error == ENOSPC && fstatvfs(dir, &fs) == 0)
		snprintf(what, sizeof(what), "no space is left there (%llu MiB)",
			 (unsigned long long)fs.f_bavail * fs.f_frsize >> 20);
	return failed(path, what, err);
}

void temp_name(char *temp, size_t size, const char *name)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)getpid() << 32 | (uint64_t)time(NULL);
	snprintf(temp, size, SERVE_TEMP "%.*s.%016llx", NAME_PART, name,
		 (unsigned long long)random);
}

bool temp_lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* Where the file system cannot rename without replacing. */
static bool place_by_link(int dir, const char *temp, const char *name)
{
	struct stat st;

	if (linkat(dir, temp, dir, name, 0) == 0) {
		unlinkat(dir, temp, 0);
		return true;
	}
	if (errno == EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return false;
	}
	return renameat(dir, temp, dir, name) == 0;
}

bool temp_place(int dir, const char *temp, const char *name, bool replace, const char *path,
		struct om_err *err)
{
	bool ok = renameat2(dir, temp, dir, name, replace ? 0 : RENAME_NOREPLACE) == 0;

	if (!ok && !replace && (errno == EINVAL || errno == ENOSYS))
		ok = place_by_link(dir, temp, name);
	if (ok)
		return true;
	return errno == EEXIST ? failed(path, "it exists there", err)
			       : failed_errno(dir, path, err);
}

static void remove_entries(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			tree_remove(dirfd(dir), entry->d_name);
	closedir(dir);
}

void tree_remove(int dir, const char *name)
{
	int fd;

	if (unlinkat(dir, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		fchmod(fd, 0700);
		remove_entries(fd);
	}
	unlinkat(dir, name, AT_REMOVEDIR);
}

static void sweep_one(int dir, const char *name)
{
	OM_AUTOCLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_uid != geteuid() ||
	    st.st_ctim.tv_sec > time(NULL) - YOUNG_S || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return;
	tree_remove(dir, name);
}

void temp_sweep(int dir)
{
	static dev_t last_dev;
	static ino_t last_ino;
	const struct dirent *entry;
	struct stat st;
	DIR *list;
	int fd;

	/* Once for many files that go into one directory. */
	if (fstat(dir, &st) != 0 || (st.st_dev == last_dev && st.st_ino == last_ino))
		return;
	last_dev = st.st_dev;
	last_ino = st.st_ino;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list)
		return;
	while ((entry = readdir(list)))
		if (om_str_starts(entry->d_name, SERVE_TEMP))
			sweep_one(dir, entry->d_name);
	closedir(list);
}
