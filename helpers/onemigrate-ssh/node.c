/* SPDX-License-Identifier: Apache-2.0 */
/* Reads files, links and trees, and sends them. What changes meanwhile is noticed and refused. */
#include "ssh.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 100

static bool bad(const char *path, const char *what, struct om_err *err)
{
	char name[256];

	om_str_copy(name, sizeof(name), path);
	om_str_sanitize(name);
	return om_err_set(err, OM_E_SOURCE, "%s: %s", name, what);
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct om_frame begin(enum om_frame_type type, const struct stat *st, const char *name)
{
	return (struct om_frame){ .type = type,
				  .mode = st->st_mode & 07777,
				  .mtime_s = st->st_mtim.tv_sec,
				  .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
				  .size_bytes = (uint64_t)st->st_size,
				  .name = name,
				  .name_len = strlen(name) };
}

static bool all_zero(const char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* Where the next data is, from `at` on; the size of the file where there is none. */
static off_t next_data(int fd, off_t at, off_t size)
{
	off_t found = lseek(fd, at, SEEK_DATA);

	if (found < 0)
		return errno == ENXIO ? size : at;
	return found;
}

static off_t end_of_data(int fd, off_t at, off_t size)
{
	off_t found = lseek(fd, at, SEEK_HOLE);

	return found <= at || found > size ? size : found;
}

struct reading {
	struct peer *peer;
	const char *path;
	char *room;
	uint64_t sum;
};

static bool send_piece(struct reading *r, int fd, off_t at, size_t want, size_t *got,
		       struct om_err *err)
{
	ssize_t n;

	do
		n = pread(fd, r->room, want, at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return bad(r->path, strerror(errno), err);
	if (n == 0)
		return bad(r->path, "it changed while it was sent", err);
	*got = (size_t)n;
	/* Zeroes are holes there: they take neither the way nor room. */
	if (all_zero(r->room, (size_t)n))
		return true;
	r->sum = om_frame_sum(r->sum, (uint64_t)at, r->room, (size_t)n);
	return peer_send_data(r->peer, (uint64_t)at, r->room, (size_t)n, err);
}

static bool send_content(struct reading *r, int fd, off_t size, struct om_err *err)
{
	off_t at = 0, end;

	while (at < size && (at = next_data(fd, at, size)) < size)
		for (end = end_of_data(fd, at, size); at < end;) {
			off_t room = (off_t)OM_FRAME_CHUNK_BYTES - at % (off_t)OM_FRAME_CHUNK_BYTES;
			size_t got = 0;

			if (!send_piece(r, fd, at, (size_t)(end - at < room ? end - at : room),
					&got, err))
				return false;
			at += (off_t)got;
		}
	return true;
}

static bool send_file(struct peer *peer, int fd, const struct stat *st, const char *name,
		      const char *path, char *room, struct om_err *err)
{
	struct om_frame frame = begin(OM_FRAME_FILE, st, name);
	struct reading r = { .peer = peer, .path = path, .room = room };
	struct stat after;

	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (!peer_send(peer, &frame, err) || !send_content(&r, fd, st->st_size, err))
		return false;
	if (fstat(fd, &after) != 0 || !same(st, &after))
		return bad(path, "it changed while it was sent", err);
	frame = (struct om_frame){ .type = OM_FRAME_END, .sum = r.sum };
	return peer_send(peer, &frame, err);
}

static bool send_link(struct peer *peer, int dir, const struct stat *st, const char *open_name,
		      const char *name, const char *path, struct om_err *err)
{
	struct om_frame frame = begin(OM_FRAME_LINK, st, name);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, open_name, target, sizeof(target));

	if (n <= 0 || n == sizeof(target))
		return bad(path, n < 0 ? strerror(errno) : "a link that is too long", err);
	frame.data = target;
	frame.data_len = (size_t)n;
	return peer_send(peer, &frame, err);
}

typedef bool each_fn(void *ctx, int dir, const char *name, const char *path, struct om_err *err);

/* Calls it for each entry; takes fd over. */
static bool each_entry(int fd, const char *path, each_fn *each, void *ctx, struct om_err *err)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	bool ok = true;

	if (!dir) {
		close(fd);
		return bad(path, strerror(errno), err);
	}
	while (ok && (errno = 0, entry = readdir(dir))) {
		OM_AUTOFREE char *below = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		below = om_xasprintf("%s/%s", path, entry->d_name);
		ok = each(ctx, dirfd(dir), entry->d_name, below, err);
	}
	if (ok && errno)
		ok = bad(path, strerror(errno), err);
	closedir(dir);
	return ok;
}

struct tree {
	struct peer *peer;
	char *room;
};

static bool send_below(void *ctx, int dir, const char *name, const char *path, struct om_err *err)
{
	const struct tree *tree = ctx;

	return node_send(tree->peer, dir, name, name, path, tree->room, err);
}

static bool send_dir(struct peer *peer, int fd, const struct stat *st, const char *name,
		     const char *path, char *room, struct om_err *err)
{
	struct tree tree = { .peer = peer, .room = room };
	struct om_frame frame = begin(OM_FRAME_ENTER, st, name);
	OM_AUTOCLOSE int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct stat after;

	if (own < 0 || !peer_send(peer, &frame, err)) {
		close(fd);
		return own < 0 ? bad(path, strerror(errno), err) : false;
	}
	if (!each_entry(fd, path, send_below, &tree, err))
		return false;
	if (fstat(own, &after) != 0 || !same(st, &after))
		return bad(path, "it changed while it was sent", err);
	frame = (struct om_frame){ .type = OM_FRAME_LEAVE };
	return peer_send(peer, &frame, err);
}

bool node_send(struct peer *peer, int dir, const char *open_name, const char *name,
	       const char *path, char *room, struct om_err *err)
{
	struct stat st, opened;
	bool ok;
	int fd;

	if (fstatat(dir, open_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return bad(path, strerror(errno), err);
	if (S_ISLNK(st.st_mode))
		return send_link(peer, dir, &st, open_name, name, path, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return bad(path, "it is no file, directory or symbolic link", err);
	fd = openat(dir, open_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return bad(path, strerror(errno), err);
	if (fstat(fd, &opened) != 0 || !same(&st, &opened)) {
		close(fd);
		return bad(path, "it changed while it was sent", err);
	}
	if (S_ISDIR(st.st_mode))
		return send_dir(peer, fd, &st, name, path, room, err);
	ok = send_file(peer, fd, &st, name, path, room, err);
	close(fd);
	return ok;
}

struct sum {
	uint64_t *bytes;
	unsigned int depth;
};

static bool measure(struct sum *sum, int dir, const char *name, const char *path,
		    struct om_err *err);

static bool measure_below(void *ctx, int dir, const char *name, const char *path,
			  struct om_err *err)
{
	return measure(ctx, dir, name, path, err);
}

static bool measure(struct sum *sum, int dir, const char *name, const char *path,
		    struct om_err *err)
{
	struct stat st;
	bool ok;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return bad(path, strerror(errno), err);
	if (S_ISREG(st.st_mode))
		*sum->bytes += (uint64_t)st.st_size;
	if (!S_ISDIR(st.st_mode))
		return true;
	if (++sum->depth > DEPTH_MAX)
		return bad(path, "directories are too deep", err);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECTORY);
	if (fd < 0)
		return bad(path, strerror(errno), err);
	ok = each_entry(fd, path, measure_below, sum, err);
	sum->depth--;
	return ok;
}

bool node_measure(int dir, const char *name, const char *path, uint64_t *bytes, struct om_err *err)
{
	struct sum sum = { .bytes = bytes };

	return measure(&sum, dir, name, path, err);
}
