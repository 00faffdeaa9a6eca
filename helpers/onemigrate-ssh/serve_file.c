/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

bool writing_begin(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	struct writing *file = &root->file;
	const char *name = root_name(root, frame, file->name, sizeof(file->name));

	if (!root->open || root->complete || file->fd >= 0 || !name)
		return om_err_set(err, OM_E_UNKNOWN, "a file where none can be");
	file->dir = root_dir(root);
	file->sum = file->written_bytes = 0;
	file->size_bytes = frame->size_bytes;
	file->times = *frame;
	file->temp[0] = '\0';
	if (!root_is_inside(root))
		temp_name(file->temp, sizeof(file->temp), name);
	file->fd = openat(file->dir, file->temp[0] ? file->temp : name,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return failed_errno(file->dir, root->path, err);
	if (file->temp[0] && !temp_lock(file->fd))
		return failed(root->path, "another end is at work on it", err);
	if (file->size_bytes && ftruncate(file->fd, (off_t)file->size_bytes) != 0)
		return failed_errno(file->dir, root->path, err);
	return true;
}

static bool write_at(int fd, const char *bytes, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : EIO;
			return false;
		}
		bytes += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static const char *inflate_to(char *room, const struct om_frame *frame)
{
	static z_stream z;
	static bool ready;

	if (!ready && inflateInit2(&z, -15) != Z_OK)
		return NULL;
	ready = true;
	inflateReset(&z);
	z.next_in = (Bytef *)(uintptr_t)frame->data;
	z.avail_in = (uInt)frame->data_len;
	z.next_out = (Bytef *)room;
	z.avail_out = frame->raw_bytes;
	return inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == frame->raw_bytes ? room
											: NULL;
}

/* The sum goes over what the file has, not over what it was given. */
static bool add_to_sum(struct writing *file, off_t at, size_t len)
{
	static char room[OM_FRAME_CHUNK_BYTES];

	for (size_t have = 0; have < len;) {
		ssize_t n = pread(file->fd, room + have, len - have, at + (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	file->sum = om_frame_sum(file->sum, (uint64_t)at, room, len);
	return true;
}

bool writing_data(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	static char room[OM_FRAME_CHUNK_BYTES];
	struct writing *file = &root->file;
	bool packed = frame->type == OM_FRAME_PACKED;
	const char *data = packed ? inflate_to(room, frame) : frame->data;
	size_t len = packed ? frame->raw_bytes : frame->data_len;

	if (file->fd < 0 || !data || frame->offset_bytes > file->size_bytes ||
	    len > file->size_bytes - frame->offset_bytes)
		return om_err_set(err, OM_E_UNKNOWN, "data that belongs to no file");
	if (!write_at(file->fd, data, len, (off_t)frame->offset_bytes) ||
	    !add_to_sum(file, (off_t)frame->offset_bytes, len))
		return failed_errno(file->dir, root->path, err);
	file->written_bytes += len;
	return true;
}

static bool dress(const struct writing *file)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = file->times.mtime_s,
				       .tv_nsec = file->times.mtime_ns } };

	return fchmod(file->fd, file->times.mode & 07777) == 0 && futimens(file->fd, times) == 0;
}

bool writing_end(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	struct writing *file = &root->file;

	if (file->fd < 0)
		return om_err_set(err, OM_E_UNKNOWN, "the end of a file where none is");
	if (file->sum != frame->sum)
		return failed(root->path, "what was written is not what was sent", err);
	if (!dress(file))
		return failed_errno(file->dir, root->path, err);
	if (file->temp[0] &&
	    !temp_place(file->dir, file->temp, file->name, root->replace, root->path, err))
		return false;
	/* Some file systems tell only now that there is no space. */
	if (close(file->fd) != 0 && errno != EINTR) {
		file->fd = -1;
		return failed_errno(file->dir, root->path, err);
	}
	file->fd = -1;
	root->complete = !root->depth;
	return true;
}

void writing_drop(struct writing *file)
{
	unlinkat(file->dir, file->temp[0] ? file->temp : file->name, 0);
	close(file->fd);
	file->fd = -1;
}
