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
#define DAY_MS 86400000
#define KEY_MAX 600
#define TEXT_MAX (OM_REFUSED_LINES * (KEY_MAX + 64))

/* "here node02 11003000 11003000 10000013 10000013"; the source matters where one directory serves several
 * sources, as on the front-end. Lines of older releases, which lack it, match none. */
static void print_key(char key[KEY_MAX], const struct om_refused_pair *pair)
{
	const struct om_versions *v = pair->versions;

	snprintf(key, KEY_MAX, "%.250s %.250s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
		 pair->src_host ? pair->src_host : "here", pair->dst_host, v->src_libvirt,
		 v->dst_libvirt, v->src_qemu, v->dst_qemu);
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

struct line {
	uint64_t written_ms;
	uint32_t refused;
	const char *key;
};

/* "EPOCH_MS MASK KEY"; one key may have several, each with bits of its own date. */
static bool read_line(const char *text, uint64_t epoch_ms, struct line *line)
{
	int at = 0;

	if (sscanf(text, "%" SCNu64 " %" SCNu32 " %n", &line->written_ms, &line->refused, &at) !=
		    2 ||
	    !at || line->written_ms > epoch_ms || epoch_ms - line->written_ms > OM_REFUSED_FRESH_MS)
		return false;
	/* Certificates are put right sooner than programs. */
	if (epoch_ms - line->written_ms > TLS_FRESH_MS)
		line->refused &= ~OM_REFUSED_TLS;
	line->key = text + at;
	return true;
}

uint32_t om_refused_read(const struct om_refused_pair *pair, uint64_t epoch_ms)
{
	struct om_err ignored;
	OM_AUTOCLOSE int dirfd = om_state_dir_open(false, &ignored);
	OM_AUTOFREE char *text = dirfd >= 0 ? read_text(dirfd) : NULL;
	char wanted[KEY_MAX], *rest = text;
	uint32_t all = 0, today = 0;
	struct line line;

	print_key(wanted, pair);
	for (char *at; (at = strsep(&rest, "\n"));) {
		if (!read_line(at, epoch_ms, &line) || strcmp(line.key, wanted) != 0)
			continue;
		all |= line.refused;
		if (epoch_ms - line.written_ms <= DAY_MS)
			today |= line.refused;
	}
	return all | OM_REFUSED_DAY_OLD(all & ~today);
}

/* The newest lines are last. A bit that is refused again gets a new date, and no other one does: else
 * what fails often would keep alive what is never tried. */
static void print_all(struct om_buf *buf, char *text, const char *wanted, uint32_t refused,
		      uint64_t epoch_ms)
{
	struct line lines[OM_REFUSED_LINES], line;
	size_t n = 0, count;
	char *rest = text;

	for (char *at; (at = strsep(&rest, "\n"));) {
		if (!read_line(at, epoch_ms, &line))
			continue;
		if (strcmp(line.key, wanted) == 0)
			line.refused &= ~refused;
		if (line.refused)
			lines[n++ % OM_REFUSED_LINES] = line;
	}
	om_buf_addf(buf, HEAD "\n");
	count = n < OM_REFUSED_LINES - 1 ? n : OM_REFUSED_LINES - 1;
	for (size_t i = n - count; i < n; i++) {
		line = lines[i % OM_REFUSED_LINES];
		om_buf_addf(buf, "%" PRIu64 " %" PRIu32 " %s\n", line.written_ms, line.refused,
			    line.key);
	}
	om_buf_addf(buf, "%" PRIu64 " %" PRIu32 " %s\n", epoch_ms, refused, wanted);
}

/* Of two processes at once one may be forgotten, which costs one more attempt. */
void om_refused_add(const struct om_refused_pair *pair, uint32_t refused, uint64_t epoch_ms)
{
	struct om_err ignored;
	OM_AUTOCLOSE int dirfd = om_state_dir_open(true, &ignored), fd = -1;
	OM_AUTOFREE char *text = dirfd >= 0 ? read_text(dirfd) : NULL;
	char wanted[KEY_MAX], temp[64];
	struct om_buf buf = { 0 };

	if (dirfd < 0)
		return;
	print_key(wanted, pair);
	print_all(&buf, text, wanted, refused, epoch_ms);
	snprintf(temp, sizeof(temp), NAME ".%d", (int)getpid());
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !om_write_all(fd, buf.text, buf.len) ||
	    renameat(dirfd, temp, dirfd, NAME) < 0)
		unlinkat(dirfd, temp, 0);
	free(buf.text);
}
