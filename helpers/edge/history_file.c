/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the history. Its lock is a flock of the file itself, which counts only as long as the
 * file still has its name: where it is full, the one who holds the lock puts a shorter one in its
 * place.
 */
#include "om_history.h"
#include "om_util.h"
#include "state_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "history"
#define TEMP "history.temp"
#define WAIT_MS 2000
#define WAIT_STEP_MS 20
/* A full file keeps three quarters, so that it is not written anew for each record. */
#define KEEP_RECORDS (OM_HISTORY_RECORDS / 4 * 3)
#define KEEP_BYTES (OM_HISTORY_BYTES / 4 * 3)
#define BLOCK 8192

/* An open file of ours that nobody else may read; -1. */
static int open_private(int dirfd, const char *name, int flags)
{
	struct stat st;
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (!(flags & O_CREAT) || (st.st_uid == geteuid() && fchmod(fd, 0600) == 0)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

static bool still_named(int dirfd, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && fstatat(dirfd, NAME, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* The file, locked; -1 where another one holds it for too long, or there can be none. */
static int open_locked(int dirfd)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_MS * 1000000 };

	for (int waited_ms = 0; waited_ms <= WAIT_MS; waited_ms += WAIT_STEP_MS) {
		int fd = open_private(dirfd, NAME, O_RDWR | O_CREAT | O_APPEND);
		bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

		if (locked && still_named(dirfd, fd))
			return fd;
		if (fd < 0)
			return -1;
		close(fd);
		if (!locked)
			nanosleep(&step, NULL);
	}
	return -1;
}

struct extent {
	off_t size;
	size_t records;
	bool ends_in_line;
};

static bool measure(int fd, struct extent *extent)
{
	char block[BLOCK];
	ssize_t n;

	*extent = (struct extent){ .ends_in_line = true };
	while ((n = pread(fd, block, sizeof(block), extent->size)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			extent->records += block[i] == '\n';
		extent->ends_in_line = block[n - 1] == '\n';
		extent->size += n;
		if (extent->size > 16 * (off_t)OM_HISTORY_BYTES)
			return false; /* not written by us */
	}
	return n == 0;
}

/* Where the newest begin that are kept: behind enough newlines, and near enough to the end. */
static off_t begin_of_kept(int fd, const struct extent *extent)
{
	char block[BLOCK];
	off_t at = 0, found = extent->size;
	size_t drop = extent->records > KEEP_RECORDS ? extent->records - KEEP_RECORDS : 0;
	ssize_t n;

	while ((n = pread(fd, block, sizeof(block), at)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (block[i] != '\n')
				continue;
			drop -= drop > 0;
			if (!drop && extent->size - (at + i + 1) <= KEEP_BYTES) {
				found = at + i + 1;
				return found;
			}
		}
		at += n;
	}
	return found;
}

static bool copy_rest(int from, off_t at, int to)
{
	char block[BLOCK];
	ssize_t n;

	while ((n = pread(from, block, sizeof(block), at)) > 0) {
		if (!om_write_all(to, block, (size_t)n))
			return false;
		at += n;
	}
	return n == 0;
}

static bool write_line(int fd, const struct extent *extent, const char *line, size_t len)
{
	/* One write, so that what is seen of it is seen whole. What was cut off is a line by itself. */
	return (extent->ends_in_line || om_write_all(fd, "\n", 1)) && om_write_all(fd, line, len);
}

/* The newest and the new one in a new file, which takes the place of the old one. */
static bool rotate(int dirfd, int fd, const struct extent *extent, const char *line, size_t len)
{
	OM_AUTOCLOSE int temp = -1;

	unlinkat(dirfd, TEMP, 0);
	temp = open_private(dirfd, TEMP, O_RDWR | O_CREAT | O_EXCL | O_APPEND);
	if (temp < 0)
		return false;
	if (copy_rest(fd, begin_of_kept(fd, extent), temp) && write_line(temp, extent, line, len) &&
	    renameat(dirfd, TEMP, dirfd, NAME) == 0)
		return true;
	unlinkat(dirfd, TEMP, 0);
	return false;
}

bool om_history_append(const struct om_state *state)
{
	char line[OM_STATE_TEXT_MAX];
	size_t len = om_state_print_record(state, line, sizeof(line) - 1);
	struct om_err ignored;
	struct extent extent;
	OM_AUTOCLOSE int dirfd = om_state_open_var(true, &ignored);
	OM_AUTOCLOSE int fd = dirfd < 0 ? -1 : open_locked(dirfd);

	if (fd < 0 || len >= sizeof(line) - 1)
		return false;
	line[len++] = '\n';
	if (!measure(fd, &extent)) {
		unlinkat(dirfd, NAME, 0); /* so that the next ones have a history */
		return false;
	}
	if (extent.records >= OM_HISTORY_RECORDS ||
	    extent.size + (off_t)len + 1 > (off_t)OM_HISTORY_BYTES)
		return rotate(dirfd, fd, &extent, line, len);
	return write_line(fd, &extent, line, len);
}

typedef void record_fn(const struct om_state *record, void *ctx);

/* Takes the whole lines out of `text`, of which *len bytes are there; the rest moves to its begin. A
 * line that is longer than it can be is passed over. */
static void take_lines(char *text, size_t *len, bool *skip, record_fn *fn, void *ctx)
{
	char *at = text, *end;
	struct om_state record;

	while ((end = memchr(at, '\n', *len - (size_t)(at - text)))) {
		*end = '\0';
		if (!*skip && strlen(at) == (size_t)(end - at) &&
		    om_state_parse_record(&record, at))
			fn(&record, ctx);
		*skip = false;
		at = end + 1;
	}
	*len -= (size_t)(at - text);
	memmove(text, at, *len);
	if (*len >= OM_STATE_TEXT_MAX) {
		*skip = true;
		*len = 0;
	}
}

static void each_line(int fd, record_fn *fn, void *ctx)
{
	char text[2 * OM_STATE_TEXT_MAX];
	size_t len = 0, all = 0;
	bool skip = false;
	ssize_t n;

	while (all < 2 * OM_HISTORY_BYTES && (n = read(fd, text + len, sizeof(text) - len)) > 0) {
		len += (size_t)n;
		all += (size_t)n;
		take_lines(text, &len, &skip, fn, ctx);
	}
}

struct each {
	record_fn *fn;
	void *ctx;
};

static void each_in(int dirfd, void *ctx)
{
	const struct each *each = ctx;
	OM_AUTOCLOSE int fd = open_private(dirfd, NAME, O_RDONLY);

	if (fd >= 0)
		each_line(fd, each->fn, each->ctx);
}

void om_history_each(record_fn *fn, void *ctx)
{
	struct each each = { fn, ctx };

	om_state_each_var(each_in, &each);
}
