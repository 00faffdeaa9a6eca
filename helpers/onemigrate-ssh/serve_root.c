/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void root_init(struct root *root)
{
	memset(root, 0, sizeof(*root));
	root->parent = root->file.fd = -1;
}

bool root_is_inside(const struct root *root)
{
	return root->temp[0] && root->tree;
}

int root_dir(const struct root *root)
{
	return root->depth ? root->levels[root->depth - 1].fd : root->parent;
}

/* The frame's own name; that of the root for its first node. */
const char *root_name(const struct root *root, const struct om_frame *frame, char *name,
		      size_t size)
{
	if (!root->depth)
		return om_str_copy(name, size, root->base) ? name : NULL;
	if (!frame->name_len || frame->name_len >= size)
		return NULL;
	memcpy(name, frame->name, frame->name_len);
	name[frame->name_len] = '\0';
	return name;
}

/* "/a/b/" goes as "/a/b"; what ends in "." or ".." has no name of its own. */
static bool split(struct root *root, struct om_err *err)
{
	char dir[sizeof(root->path)], *slash, *name;
	size_t len;

	om_str_copy(dir, sizeof(dir), root->path);
	for (len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
		dir[len - 1] = '\0';
	slash = strrchr(dir, '/');
	name = slash ? slash + 1 : dir;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    !om_str_copy(root->base, sizeof(root->base), name))
		return failed(root->path, "no name that can be given to a file", err);
	*name = '\0';
	root->parent = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->parent < 0)
		return failed(*dir ? dir : ".", strerror(errno), err);
	return true;
}

bool root_begin(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	struct stat st;

	if (root->open || frame->name_len >= sizeof(root->path))
		return om_err_set(err, OM_E_UNKNOWN, "a file begins within another");
	root_init(root);
	root->open = true;
	root->id = frame->id;
	root->replace = frame->flags & 1;
	memcpy(root->path, frame->name, frame->name_len);
	root->path[frame->name_len] = '\0';
	if (!split(root, err))
		return false;
	temp_sweep(root->parent);
	/* Said before anything was sent in vain; what comes about meanwhile is noticed at the end. */
	if (!root->replace && fstatat(root->parent, root->base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(st.st_mode))
		return failed(root->path, "it exists there", err);
	return true;
}

static bool push(struct root *root, int dir, const char *name, bool made,
		 const struct om_frame *frame, struct om_err *err)
{
	struct level *level = &root->levels[root->depth];

	if (root->depth == SERVE_DEPTH)
		return failed(root->path, "directories are too deep", err);
	level->fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (level->fd < 0)
		return failed(root->path, strerror(errno), err);
	level->made = made;
	level->mode = frame->mode & 07777;
	level->times = *frame;
	root->depth++;
	return true;
}

/* The first directory: a new tree, or one that exists and is added to. */
static bool enter_root(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	struct stat st;

	if (fstatat(root->parent, root->base, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode)
			       ? push(root, root->parent, root->base, false, frame, err)
			       : failed(root->path, "it exists there, and is no directory", err);
	temp_name(root->temp, sizeof(root->temp), root->base);
	root->tree = true;
	if (mkdirat(root->parent, root->temp, 0700) != 0) {
		root->temp[0] = '\0';
		return failed_errno(root->parent, root->path, err);
	}
	return push(root, root->parent, root->temp, true, frame, err) &&
	       (temp_lock(root->levels[0].fd) ||
		failed(root->path, "another end is at work on it", err));
}

bool root_enter(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	char buffer[256];
	const char *name = root_name(root, frame, buffer, sizeof(buffer));
	int dir = root_dir(root);

	if (!root->open || root->complete || root->file.fd >= 0 || !name)
		return om_err_set(err, OM_E_UNKNOWN, "a directory where none can be");
	if (!root->depth)
		return enter_root(root, frame, err);
	if (mkdirat(dir, name, 0700) == 0)
		return push(root, dir, name, true, frame, err);
	if (errno == EEXIST && !root_is_inside(root))
		return push(root, dir, name, false, frame, err);
	return failed_errno(dir, root->path, err);
}

static bool dress(const struct level *level)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = level->times.mtime_s,
				       .tv_nsec = level->times.mtime_ns } };

	return !level->made ||
	       (fchmod(level->fd, level->mode) == 0 && futimens(level->fd, times) == 0);
}

bool root_leave(struct root *root, struct om_err *err)
{
	struct level *level;

	if (!root->open || !root->depth || root->file.fd >= 0)
		return om_err_set(err, OM_E_UNKNOWN, "the end of a directory where none is");
	level = &root->levels[root->depth - 1];
	if (!dress(level))
		return failed(root->path, strerror(errno), err);
	root->depth--;
	if (root->depth || !root->tree) {
		close(level->fd);
		level->fd = -1;
	} /* else its lock is needed until it is in its place */
	root->complete = !root->depth;
	return true;
}

static bool make_link(int dir, const char *name, const struct om_frame *frame)
{
	OM_AUTOFREE char *target = om_xstrndup(frame->data, frame->data_len);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = frame->mtime_s, .tv_nsec = frame->mtime_ns } };

	if (symlinkat(target, dir, name) != 0)
		return false;
	/* Not every file system keeps a time with a link. */
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) != 0)
		errno = 0;
	return true;
}

bool root_link(struct root *root, const struct om_frame *frame, struct om_err *err)
{
	char buffer[256], temp[256];
	const char *name = root_name(root, frame, buffer, sizeof(buffer));
	int dir = root_dir(root);
	bool inside = root_is_inside(root);

	if (!root->open || root->complete || root->file.fd >= 0 || !name)
		return om_err_set(err, OM_E_UNKNOWN, "a link where none can be");
	temp_name(temp, sizeof(temp), name);
	if (!make_link(dir, inside ? name : temp, frame))
		return failed_errno(dir, root->path, err);
	if (!inside && !temp_place(dir, temp, name, root->replace, root->path, err)) {
		unlinkat(dir, temp, 0);
		return false;
	}
	root->complete = !root->depth;
	return true;
}

bool root_place(struct root *root, struct om_err *err)
{
	if (!root->open || !root->complete)
		return om_err_set(err, OM_E_UNKNOWN, "a file that is not complete");
	if (root_is_inside(root)) {
		if (!temp_place(root->parent, root->temp, root->base, false, root->path, err))
			return false;
		root->temp[0] = '\0';
		close(root->levels[0].fd);
	}
	close(root->parent);
	root_init(root);
	return true;
}

void root_drop(struct root *root)
{
	if (root->file.fd >= 0)
		writing_drop(&root->file);
	if (root->temp[0])
		tree_remove(root->parent, root->temp);
	if (root->temp[0] && root->complete)
		close(root->levels[0].fd);
	while (root->depth)
		close(root->levels[--root->depth].fd);
	if (root->parent >= 0)
		close(root->parent);
	root_init(root);
}
