/* SPDX-License-Identifier: Apache-2.0 */
#include "om_storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct list {
	struct om_item *v;
	size_t n;
	dev_t device;
};

void om_items_free(struct om_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].name);
		free(items[i].target);
	}
	free(items);
}

static bool failed(struct om_err *err, const char *name)
{
	return om_err_set(err, OM_E_INPUT, "%.300s cannot be read: %s", name, strerror(errno));
}

static char *target_of(int dirfd, const char *name)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(dirfd, name, target, sizeof(target) - 1);

	return len > 0 ? om_xstrndup(target, (size_t)len) : NULL;
}

static void take_stat(struct om_item *item, const struct stat *st)
{
	item->size_bytes = (uint64_t)st->st_size;
	item->allocated_bytes = (uint64_t)st->st_blocks * 512;
	item->device = st->st_dev;
	item->inode = st->st_ino;
	if (S_ISREG(st->st_mode))
		item->kind = OM_ITEM_FILE;
	else if (S_ISLNK(st->st_mode))
		item->kind = OM_ITEM_LINK;
	else if (S_ISDIR(st->st_mode))
		item->kind = OM_ITEM_DIR;
	else
		item->kind = OM_ITEM_OTHER;
}

static struct om_item *add(struct list *list, char *name, const struct stat *st)
{
	struct om_item *item;

	list->v = om_xrealloc(list->v, (list->n + 1) * sizeof(*list->v));
	item = &list->v[list->n++];
	*item = (struct om_item){ .name = name };
	take_stat(item, st);
	return item;
}

static bool walk(struct list *list, int dirfd, const char *prefix, int depth, struct om_err *err);

static bool enter(struct list *list, int dirfd, const char *name, const char *path,
		  const struct stat *st, int depth, struct om_err *err)
{
	OM_AUTOFREE char *prefix = om_xasprintf("%s/", path);
	OM_AUTOCLOSE int fd = -1;

	if (st->st_dev != list->device)
		return om_err_set(err, OM_E_INPUT, "%.300s is another file system", path);
	if (depth == DEPTH_MAX)
		return om_err_set(err, OM_E_INPUT, "directories are more than %d deep", DEPTH_MAX);
	fd = openat(dirfd, name, DIR_FLAGS);
	if (fd < 0 && errno == EACCES) { /* told as not readable */
		list->v[list->n - 1].readable = false;
		return true;
	}
	return fd >= 0 ? walk(list, fd, prefix, depth + 1, err) : failed(err, path);
}

static bool take(struct list *list, int dirfd, const char *name, const char *prefix, int depth,
		 struct om_err *err)
{
	char *path;
	struct om_item *item;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || failed(err, name);
	if (strlen(prefix) + strlen(name) >= OM_DISKS_NAME_MAX)
		return om_err_set(err, OM_E_INPUT, "a path is too long: %.300s", name);
	if (list->n == OM_DISKS_FILES_MAX)
		return om_err_set(err, OM_E_INPUT, "there are more than %d files",
				  OM_DISKS_FILES_MAX);
	path = om_xasprintf("%s%s", prefix, name);
	item = add(list, path, &st);
	item->readable = faccessat(dirfd, name, R_OK, AT_EACCESS) == 0;
	if (item->kind == OM_ITEM_LINK && !(item->target = target_of(dirfd, name)))
		return failed(err, path);
	return item->kind != OM_ITEM_DIR || enter(list, dirfd, name, path, &st, depth, err);
}

static bool is_ours(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       om_str_starts(name, OM_DISKS_MARK);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool read_names(int dirfd, struct om_strv *names, struct om_err *err)
{
	int copy = openat(dirfd, ".", DIR_FLAGS);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!entries) {
		if (copy >= 0)
			close(copy);
		return failed(err, "a directory");
	}
	while (names->n <= OM_DISKS_FILES_MAX && (entry = readdir(entries)))
		if (!is_ours(entry->d_name))
			om_strv_add(names, entry->d_name);
	closedir(entries);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return true;
}

static bool walk(struct list *list, int dirfd, const char *prefix, int depth, struct om_err *err)
{
	struct om_strv names = { 0 };
	bool ok = read_names(dirfd, &names, err);

	for (size_t i = 0; ok && i < names.n; i++)
		ok = take(list, dirfd, names.v[i], prefix, depth, err);
	om_strv_free(&names);
	return ok;
}

bool om_vm_dir_list(const char *dir, struct om_item **items, size_t *count, struct om_err *err)
{
	OM_AUTOCLOSE int fd = open(dir, DIR_FLAGS);
	struct list list = { 0 };
	struct stat st;

	*items = NULL;
	*count = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(err, dir);
	list.device = st.st_dev;
	if (!walk(&list, fd, "", 0, err)) {
		om_items_free(list.v, list.n);
		return om_err_wrap(err, "%.200s", dir);
	}
	*items = list.v;
	*count = list.n;
	return true;
}
