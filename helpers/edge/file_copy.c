/* SPDX-License-Identifier: Apache-2.0 */
#include "om_move_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES (4u << 20)

struct work {
	const struct om_file_copy *copy;
	int in, out;
	struct stat before;
	char *buffer; /* NULL while the kernel copies */
	bool given_up;
};

static bool failed(struct om_err *err, const char *what, const char *path)
{
	return om_err_set(err, OM_E_SOURCE, "%.300s cannot be %s: %s", path, what, strerror(errno));
}

/* How many were copied; -1: errno. Not all file systems copy for us, and none between some. */
static ssize_t copy_piece(struct work *w, off_t at, size_t len)
{
	ssize_t n;

	if (!w->buffer) {
		off_t from = at, to = at;

		n = copy_file_range(w->in, &from, w->out, &to, len, 0);
		if (n > 0 || (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS &&
			      errno != EOPNOTSUPP && errno != EPERM))
			return n;
		w->buffer = om_xrealloc(NULL, PIECE_BYTES);
	}
	n = pread(w->in, w->buffer, len, at);
	return n > 0 ? pwrite(w->out, w->buffer, (size_t)n, at) : n;
}

static bool copy_extent(struct work *w, off_t at, off_t end, struct om_err *err)
{
	const struct om_file_copy *c = w->copy;

	while (at < end) {
		size_t len = end - at < (off_t)PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
		ssize_t n = copy_piece(w, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(err, errno == EIO ? "read" : "written", c->to);
		if (n == 0) /* it has become shorter, which is noticed at the end */
			return true;
		at += n;
		w->given_up = c->progress && !c->progress(c->ctx, (uint64_t)n);
		if (w->given_up)
			return om_err_set(err, OM_E_ABORTED, "the copy of %.300s was given up",
					  c->from);
	}
	return true;
}

/* A file system that knows no holes takes all of it for data. */
static bool copy_data(struct work *w, struct om_err *err)
{
	off_t size = w->before.st_size, at = 0;

	while (at < size) {
		off_t data = lseek(w->in, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return true; /* nothing but a hole */
		if (data < 0)
			data = at;
		hole = lseek(w->in, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		if (!copy_extent(w, data, hole, err))
			return false;
		at = hole;
	}
	return true;
}

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool dress(const struct work *w, struct om_err *err)
{
	const struct om_file_copy *c = w->copy;
	const struct timespec times[2] = { w->before.st_atim, w->before.st_mtim };

	/* Who is not root owns what he makes. */
	if (fchown(w->out, w->before.st_uid, w->before.st_gid) < 0 && geteuid() == 0)
		return failed(err, "given to its owner", c->to);
	return (fchmod(w->out, w->before.st_mode & 07777) == 0 && futimens(w->out, times) == 0 &&
		fsync(w->out) == 0) ||
	       failed(err, "finished", c->to);
}

static bool verify(const struct work *w, bool *changed, struct om_err *err)
{
	struct stat in, out;

	if (fstat(w->in, &in) < 0 || fstat(w->out, &out) < 0)
		return failed(err, "looked at", w->copy->to);
	if (!is_unchanged(&w->before, &in)) {
		if (changed)
			*changed = true;
		return om_err_set(err, OM_E_SOURCE, "%.300s has changed while it was copied",
				  w->copy->from);
	}
	return out.st_size == w->before.st_size ||
	       om_err_set(err, OM_E_SOURCE, "%.300s is not whole", w->copy->to);
}

static bool fill(struct work *w, bool *changed, struct om_err *err)
{
	/* Shared with the original where the file system can do that; then there is nothing to copy. */
	bool shared = ioctl(w->out, FICLONE, w->in) == 0;

	if (!shared && ftruncate(w->out, w->before.st_size) < 0)
		return failed(err, "given its size", w->copy->to);
	return (shared || copy_data(w, err)) && dress(w, err) && verify(w, changed, err);
}

bool om_file_copy(const struct om_file_copy *copy, bool *changed, struct om_err *err)
{
	OM_AUTOCLOSE int in = open(copy->from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	OM_AUTOCLOSE int out = -1;
	struct work w = { .copy = copy, .in = in };
	bool ok;

	if (in < 0 || fstat(in, &w.before) < 0)
		return failed(err, "read", copy->from);
	if (!S_ISREG(w.before.st_mode))
		return om_err_set(err, OM_E_SOURCE, "%.300s is no file", copy->from);
	out = open(copy->to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return failed(err, "made", copy->to);
	w.out = out;
	ok = fill(&w, changed, err);
	free(w.buffer);
	if (!ok)
		unlink(copy->to);
	return ok;
}
