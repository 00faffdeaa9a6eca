/* SPDX-License-Identifier: Apache-2.0 */
#include "om_refused.h"

#include "om_buf.h"
#include "om_state.h"
#include "om_transport.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "refused"
#define HEAD "onemigrate-refused=1"
#define TLS_FRESH_MS 3600000
#define KEY_MAX 400
#define TEXT_MAX (OM_REFUSED_LINES * (KEY_MAX + 64))

/* "node02 11003000 11003000 10000013 10000013" */
static void print_key(char key[KEY_MAX], const char *dst_host, const struct om_versions *v)
{
	snprintf(key, KEY_MAX, "%.250s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, dst_host,
		 v->src_libvirt, v->dst_libvirt, v->src_qemu, v->dst_qemu);
}

/* NULL where there is none; malloc'ed. */
static char *read_text(int dirfd)
{
	OM_AUTOCLOSE int fd = openat(dirfd, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *text;
	ssize_t n;

	if (fd < 0)
		return NULL;
	text = om_xcalloc(1, TEXT_MAX + 1);
	n = read(fd, text, TEXT_MAX);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* "EPOCH_MS MASK KEY" */
static bool read_line(const char *line, uint64_t epoch_ms, uint32_t *refused, const char **key)
{
	uint64_t written_ms;
	int at = 0;

	if (sscanf(line, "%" SCNu64 " %" SCNu32 " %n", &written_ms, refused, &at) != 2 || !at ||
	    written_ms > epoch_ms || epoch_ms - written_ms > OM_REFUSED_FRESH_MS)
		return false;
	/* Certificates are put right sooner than programs. */
	if (epoch_ms - written_ms > TLS_FRESH_MS)
		*refused &= ~OM_REFUSED_TLS;
	*key = line + at;
	return true;
}

uint32_t om_refused_read(const char *dst_host, const struct om_versions *versions,
			 uint64_t epoch_ms)
{
	struct om_err ignored;
	OM_AUTOCLOSE int dirfd = om_state_dir_open(false, &ignored);
	OM_AUTOFREE char *text = dirfd >= 0 ? read_text(dirfd) : NULL;
	char wanted[KEY_MAX], *rest = text;
	uint32_t refused, all = 0;
	const char *key;

	print_key(wanted, dst_host, versions);
	for (char *line; (line = strsep(&rest, "\n"));)
		if (read_line(line, epoch_ms, &refused, &key) && strcmp(key, wanted) == 0)
			all |= refused;
	return all;
}

/* The newest lines are last; those of the same key are one. */
static void print_all(struct om_buf *buf, char *text, const char *wanted, uint32_t refused,
		      uint64_t epoch_ms)
{
	char *lines[OM_REFUSED_LINES], *rest = text;
	size_t n = 0, count = 0;
	uint32_t other;
	const char *key;

	for (char *line; (line = strsep(&rest, "\n"));) {
		if (!read_line(line, epoch_ms, &other, &key))
			continue;
		if (strcmp(key, wanted) == 0)
			refused |= other;
		else
			lines[n++ % OM_REFUSED_LINES] = line;
	}
	om_buf_addf(buf, HEAD "\n");
	count = n < OM_REFUSED_LINES - 1 ? n : OM_REFUSED_LINES - 1;
	for (size_t i = n - count; i < n; i++)
		om_buf_addf(buf, "%s\n", lines[i % OM_REFUSED_LINES]);
	om_buf_addf(buf, "%" PRIu64 " %" PRIu32 " %s\n", epoch_ms, refused, wanted);
}

/* Of two processes at once one may be forgotten, which costs one more attempt. */
void om_refused_add(const char *dst_host, const struct om_versions *versions, uint32_t refused,
		    uint64_t epoch_ms)
{
	struct om_err ignored;
	OM_AUTOCLOSE int dirfd = om_state_dir_open(true, &ignored), fd = -1;
	OM_AUTOFREE char *text = dirfd >= 0 ? read_text(dirfd) : NULL;
	char wanted[KEY_MAX], temp[64];
	struct om_buf buf = { 0 };

	if (dirfd < 0)
		return;
	print_key(wanted, dst_host, versions);
	print_all(&buf, text, wanted, refused, epoch_ms);
	snprintf(temp, sizeof(temp), NAME ".%d", (int)getpid());
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !om_write_all(fd, buf.text, buf.len) ||
	    renameat(dirfd, temp, dirfd, NAME) < 0)
		unlinkat(dirfd, temp, 0);
	free(buf.text);
}
