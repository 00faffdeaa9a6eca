/* SPDX-License-Identifier: Apache-2.0 */
#include "om_qemu_running.h"

#include "om_util.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CMDLINE_MOST (256u << 10) /* a guest with hundreds of disks */
#define GONE " (deleted)"	  /* proc(5): of a program that was unlinked, as packages do */

/* Whether it is a word of the command line, and the one after -uuid. */
static bool has_uuid(const char *words, size_t size, const char *uuid)
{
	bool after = false;

	for (size_t at = 0; at < size; at += strlen(words + at) + 1) {
		if (after && strcmp(words + at, uuid) == 0)
			return true;
		after = strcmp(words + at, "-uuid") == 0;
	}
	return false;
}

static bool runs_guest(int proc, const char *pid, char *words, const char *uuid)
{
	char path[280];
	size_t size = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/cmdline", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (size < CMDLINE_MOST && (got = read(fd, words + size, CMDLINE_MOST - size)) > 0)
		size += (size_t)got;
	close(fd);
	words[size] = '\0';
	return has_uuid(words, size, uuid);
}

static bool is_gone(int proc, const char *pid)
{
	char path[280], target[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "%s/exe", pid);
	length = readlinkat(proc, path, target, sizeof(target) - 1);
	if (length < (ssize_t)strlen(GONE))
		return false;
	target[length] = '\0';
	return strcmp(target + length - strlen(GONE), GONE) == 0;
}

bool om_qemu_is_replaced(const char *proc, const char *uuid)
{
	OM_AUTOFREE char *words = om_xcalloc(1, CMDLINE_MOST + 1);
	DIR *dir = opendir(proc);
	const struct dirent *entry;
	bool gone = false;

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name) &&
		    runs_guest(dirfd(dir), entry->d_name, words, uuid)) {
			gone = is_gone(dirfd(dir), entry->d_name);
			break;
		}
	closedir(dir);
	return gone;
}
