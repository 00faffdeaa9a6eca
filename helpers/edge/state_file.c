/* SPDX-License-Identifier: Apache-2.0 */
#include "state_internal.h"

#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_STEP_MS 50
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *override;

void om_state_dir_override(const char *path)
{
	override = path;
}

const char *om_state_dir_overridden(void)
{
	return override;
}

int om_state_open_private(const char *path, uid_t owner, struct om_err *err)
{
	struct stat st;
	int fd = open(path, DIR_FLAGS);

	if (fd < 0) {
		om_err_set(err, OM_E_INPUT, "the directory %s cannot be used: %s", path,
			   errno == ELOOP || errno == ENOTDIR ? "it is a link or no directory"
							      : strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) == 0 && st.st_uid == owner && !(st.st_mode & 077))
		return fd;
	om_err_set(err, OM_E_INPUT,
		   "the directory %s cannot be used: it does not belong to uid %u alone", path,
		   (unsigned int)owner);
	close(fd);
	return -1;
}

/* Made by root, who alone can write to /run; but others must not be able to replace our files. */
int om_state_open_run(void)
{
	struct stat st;
	int fd = open(OM_STATE_RUN_DIR, DIR_FLAGS);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && (!(st.st_mode & 022) || (st.st_mode & S_ISVTX)))
		return fd;
	close(fd);
	return -1;
}

static int open_own(const char *path, bool make, struct om_err *err)
{
	struct stat st;

	if (!make && lstat(path, &st) < 0 && errno == ENOENT)
		return -1;
	/* What was just made cannot be replaced by another user (/var/tmp is sticky), so that the
	 * mode is set safely by name; only a umask without our own bits makes that necessary. */
	if (make && mkdir(path, 0700) == 0 && chmod(path, 0700) < 0) {
		om_err_set(err, OM_E_INPUT, "the directory %s cannot be used: %s", path,
			   strerror(errno));
		return -1;
	}
	return om_state_open_private(path, geteuid(), err);
}

int om_state_open_var(bool make, struct om_err *err)
{
	char path[64];

	*err = (struct om_err){ 0 };
	snprintf(path, sizeof(path), OM_STATE_VAR_DIR "/" OM_STATE_VAR_NAME "%u",
		 (unsigned int)geteuid());
	return open_own(override ? override : path, make, err);
}

int om_state_dir_open(bool make, struct om_err *err)
{
	int fd = override ? -1 : om_state_open_run();

	*err = (struct om_err){ 0 };
	if (fd >= 0 && make && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		fd = om_state_open_var(make, err);
	if (fd >= 0 && make)
		om_state_clean(fd);
	return fd;
}

/* Root works in another user's directory (by hand): the file shall be that user's. */
static void give_to_owner(int dirfd, int fd)
{
	struct stat st;

	if (geteuid() == 0 && fstat(dirfd, &st) == 0 && st.st_uid != 0 &&
	    fchown(fd, st.st_uid, st.st_gid) < 0)
		return; /* stays root's: only less convenient */
}

static int create(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int saved;

	if (fd < 0)
		return -1;
	if (fchmod(fd, 0600) == 0) {
		give_to_owner(dirfd, fd);
		return fd;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* The lock's file, made where needed; -1 (errno). */
static int open_lock(int dirfd, const char *name)
{
	struct stat st;
	int fd = create(dirfd, name);

	if (fd < 0 && errno == EEXIST)
		fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* One try. Returns the locked descriptor, or -1: EWOULDBLOCK where someone else has it. */
static int try_lock(int dirfd, const char *name)
{
	struct stat ours, there;
	int saved, fd = open_lock(dirfd, name);

	if (fd < 0)
		return errno == ENOENT ? (errno = EWOULDBLOCK, -1) : -1;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		saved = errno;
	} else if (fstat(fd, &ours) < 0 || fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
		   ours.st_ino != there.st_ino || ours.st_dev != there.st_dev) {
		saved = EWOULDBLOCK; /* it was removed as an old one meanwhile */
	} else {
		futimens(fd, NULL); /* its age counts from the last use */
		return fd;
	}
	close(fd);
	errno = saved;
	return -1;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int lock_failed(struct om_err *err, bool stopped, const char *uuid, uint64_t waited_ms)
{
	if (stopped)
		om_err_set(err, OM_E_ABORTED,
			   "stopped while another migration of the VM held its lock");
	else if (errno == EWOULDBLOCK)
		om_err_set(err, OM_E_INPUT,
			   "another migration of the VM has held its lock for %u s",
			   (unsigned int)(waited_ms / 1000));
	else
		om_err_set(err, OM_E_INPUT, "the lock %s.lock cannot be taken: %s", uuid,
			   strerror(errno));
	return -1;
}

int om_state_lock(int dirfd, const char *uuid, uint32_t wait_ms, const volatile int *stop,
		  struct om_err *err)
{
	const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000 };
	uint64_t begin_ms = now_ms(), waited_ms;
	char name[64];
	int fd;

	if (!om_state_uuid_valid(uuid)) {
		om_err_set(err, OM_E_INPUT, "no lock without a UUID");
		return -1;
	}
	snprintf(name, sizeof(name), "%s.lock", uuid);
	for (;;) {
		fd = try_lock(dirfd, name);
		if (fd >= 0)
			return fd;
		waited_ms = now_ms() - begin_ms;
		if (errno != EWOULDBLOCK || (stop && *stop) ||
		    (wait_ms != UINT32_MAX && waited_ms >= wait_ms))
			return lock_failed(err, errno == EWOULDBLOCK && stop && *stop, uuid,
					   waited_ms);
		nanosleep(&step, NULL);
	}
}

bool om_state_write(int dirfd, const struct om_state *state)
{
	static unsigned int counter;
	char text[OM_STATE_TEXT_MAX], name[64], temp[96];
	size_t len = om_state_print(state, text, sizeof(text));
	OM_AUTOCLOSE int fd = -1;

	if (len >= sizeof(text) || !om_state_uuid_valid(state->uuid))
		return false;
	snprintf(name, sizeof(name), "%s.state", state->uuid);
	if (state->phase == OM_PHASE_PREPARE && !state->pid)
		return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT;
	snprintf(temp, sizeof(temp), "%s.%u.%u.temp", state->uuid, (unsigned int)getpid(),
		 __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
	fd = create(dirfd, temp);
	if (fd < 0 && errno == EEXIST) { /* left behind by a dead process of our number */
		unlinkat(dirfd, temp, 0);
		fd = create(dirfd, temp);
	}
	if (fd < 0)
		return false;
	if (om_write_all(fd, text, len) && renameat(dirfd, temp, dirfd, name) == 0)
		return true;
	unlinkat(dirfd, temp, 0);
	return false;
}

void om_state_boot_id(char boot_id[37])
{
	OM_AUTOCLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot_id, 36);

	boot_id[n == 36 ? 36 : 0] = '\0';
}
