/* SPDX-License-Identifier: Apache-2.0 */
#include "om_checked.h"

#include "om_buf.h"
#include "om_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD "onemigrate-checked=1"
#define TEXT_MAX 4096

static bool file_name(char name[64], const char *uuid)
{
	if (!om_state_uuid_valid(uuid))
		return false;
	snprintf(name, 64, "%s.checked", uuid);
	return true;
}

void om_checked_write(const char *uuid, const char *dst_host, const struct om_strv *names,
		      uint64_t epoch_ms)
{
	OM_AUTOCLOSE int dirfd = -1, fd = -1;
	char name[64], temp[80], boot_id[37];
	struct om_buf buf = { 0 };
	struct om_err ignored;

	if (!file_name(name, uuid) || (dirfd = om_state_dir_open(true, &ignored)) < 0)
		return;
	om_state_boot_id(boot_id);
	om_buf_addf(&buf, HEAD "\n%s\n%s\n%llu\n", boot_id, dst_host, (unsigned long long)epoch_ms);
	for (size_t i = 0; i < names->n; i++)
		om_buf_addf(&buf, "%s\n", names->v[i]);
	snprintf(temp, sizeof(temp), "%s.%d", name, (int)getpid());
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !om_write_all(fd, buf.text, buf.len) ||
	    renameat(dirfd, temp, dirfd, name) < 0)
		unlinkat(dirfd, temp, 0);
	free(buf.text);
}

/* The lines in their order; a file that ends early has no time, which is none that is fresh. */
static bool is_fresh(char *text, const char *dst_host, uint64_t epoch_ms, char **rest)
{
	char boot_id[37], *head = strtok_r(text, "\n", rest), *boot = strtok_r(NULL, "\n", rest),
			  *dst = strtok_r(NULL, "\n", rest), *when = strtok_r(NULL, "\n", rest);
	uint64_t written_ms;

	om_state_boot_id(boot_id);
	return when && strcmp(head, HEAD) == 0 && strcmp(boot, boot_id) == 0 &&
	       strcmp(dst, dst_host) == 0 && om_parse_u64(when, 0, UINT64_MAX, &written_ms) &&
	       written_ms <= epoch_ms && epoch_ms - written_ms <= OM_CHECKED_FRESH_MS;
}

bool om_checked_take(const char *uuid, const char *dst_host, struct om_strv *names,
		     uint64_t epoch_ms)
{
	OM_AUTOCLOSE int dirfd = -1, fd = -1;
	char name[64], text[TEXT_MAX + 1], *rest;
	struct om_err ignored;
	ssize_t n;

	if (!file_name(name, uuid) || (dirfd = om_state_dir_open(false, &ignored)) < 0)
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	unlinkat(dirfd, name, 0);
	n = read(fd, text, TEXT_MAX);
	text[n > 0 ? n : 0] = '\0';
	if (!is_fresh(text, dst_host, epoch_ms, &rest))
		return false;
	for (char *line = strtok_r(NULL, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		om_strv_add(names, line);
	return true;
}
