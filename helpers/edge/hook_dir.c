/* SPDX-License-Identifier: Apache-2.0 */
#include "om_hook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not in a directory that another user can be at, and where the kernel has it in memory. */
#define FILES_TEMPLATE "/tmp/onemigrate-hooks-XXXXXX"

static struct om_hook_file look_at(const struct stat *st)
{
	return (struct om_hook_file){ .link = S_ISLNK(st->st_mode),
				      .regular = S_ISREG(st->st_mode),
				      .mode = st->st_mode,
				      .uid = st->st_uid };
}

static void skip(struct om_strv *skipped, const char *dir, const char *name, const char *why)
{
	OM_AUTOFREE char *text = om_xasprintf("%s%s%s %s: it is not run", dir, *name ? "/" : "",
					      name, why);

	om_strv_add(skipped, text);
}

static void take(int fd, const char *dir, const char *name, struct om_strv *names,
		 struct om_strv *skipped)
{
	struct om_hook_file file;
	const char *why = NULL;
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	file = look_at(&st);
	file.executable = st.st_mode & 0111;
	switch (om_hook_judge_file(name, &file, geteuid(), &why)) {
	case OM_HOOK_TAKE:
		if (names->n < OM_HOOKS_MAX)
			om_strv_add(names, name);
		else
			skip(skipped, dir, name, "is one hook too many");
		break;
	case OM_HOOK_SKIP:
		skip(skipped, dir, name, why);
		break;
	case OM_HOOK_IGNORE:
		break;
	}
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void take_all(int fd, const char *dir, struct om_strv *names, struct om_strv *skipped)
{
	struct dirent **entries;
	int n = scandirat(fd, ".", &entries, NULL, by_bytes);

	if (n < 0) {
		skip(skipped, dir, "", strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		take(fd, dir, entries[i]->d_name, names, skipped);
		free(entries[i]);
	}
	free(entries);
}

void om_hooks_list(const char *dir, struct om_strv *names, struct om_strv *skipped)
{
	OM_AUTOCLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct om_hook_file file;
	const char *why;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &st) < 0) {
		skip(skipped, dir, "", strerror(errno));
		return;
	}
	file = look_at(&st);
	why = om_hook_judge_dir(&file, geteuid());
	if (why)
		skip(skipped, dir, "", why);
	else
		take_all(fd, dir, names, skipped);
}

void om_hook_files_name(struct om_hook_files *files, const char *dir)
{
	om_str_copy(files->dir, sizeof(files->dir), dir);
	snprintf(files->domain, sizeof(files->domain), "%s/domain.xml", files->dir);
	snprintf(files->vm, sizeof(files->vm), "%s/vm.xml", files->dir);
}

bool om_hook_files_make(struct om_hook_files *files, struct om_err *err)
{
	char dir[] = FILES_TEMPLATE;

	if (!mkdtemp(dir))
		return om_err_set(err, OM_E_INPUT, "no directory for the hooks' files in /tmp: %s",
				  strerror(errno));
	om_hook_files_name(files, dir);
	return true;
}

bool om_hook_file_write(const char *path, const char *text, struct om_err *err)
{
	OM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				   0600);

	if (fd < 0 || fchmod(fd, 0600) < 0 || !om_write_all(fd, text, strlen(text)))
		return om_err_set(err, OM_E_INPUT, "%s cannot be written: %s", path,
				  strerror(errno));
	return true;
}

static bool read_all(int fd, char *text, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < size && (n = read(fd, text + *len, size - *len)) != 0) {
		if (n < 0 && errno != EINTR)
			return false;
		*len += n > 0 ? (size_t)n : 0;
	}
	text[*len] = '\0';
	return true;
}

bool om_hook_file_read(const char *path, char **text, size_t *len, struct om_err *err)
{
	OM_AUTOCLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return om_err_set(err, OM_E_INPUT, "%s cannot be read: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > OM_HOOK_XML_MAX)
		return om_err_set(err, OM_E_INPUT, "%s is no file, or longer than %u bytes", path,
				  OM_HOOK_XML_MAX);
	*text = om_xcalloc(1, (size_t)st.st_size + 1);
	if (read_all(fd, *text, (size_t)st.st_size, len))
		return true;
	free(*text);
	*text = NULL;
	return om_err_set(err, OM_E_INPUT, "%s cannot be read: %s", path, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	remove(path);
	return 0;
}

void om_hook_files_remove(const struct om_hook_files *files)
{
	nftw(files->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
