/* SPDX-License-Identifier: Apache-2.0 */
#include "state_internal.h"

#include "om_control_socket.h"
#include "om_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OLD_S (24 * 3600)

typedef void state_fn(const struct om_state *state, void *ctx);

bool om_state_name_uuid(const char *name, const char *suffix, char uuid[37])
{
	if (strlen(name) < 36 || strcmp(name + 36, suffix) != 0)
		return false;
	memcpy(uuid, name, 36);
	uuid[36] = '\0';
	return om_state_uuid_valid(uuid);
}

/* A whole small file; -1 where it is no regular one or too long. Always terminated. */
static ssize_t read_small(int dirfd, const char *name, char *text, size_t size, struct stat *st)
{
	OM_AUTOCLOSE int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	text[0] = '\0';
	if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
		return -1;
	while (n > 0 && len < size - 1) {
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	return n < 0 || len == size - 1 || strlen(text) != len ? -1 : (ssize_t)len;
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How long the process has been there; -1 where /proc does not say. */
static int64_t process_age_ms(int64_t pid)
{
	char path[64], text[1024];
	struct stat st;
	unsigned long long start_ticks;
	const char *end_of_name;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	if (read_small(AT_FDCWD, path, text, sizeof(text), &st) <= 0)
		return -1;
	end_of_name = strrchr(text, ')');
	if (!end_of_name || sscanf(end_of_name + 1,
				   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
				   "%*d %*d %*d %*d %llu",
				   &start_ticks) != 1)
		return -1;
	return clock_ms(CLOCK_BOOTTIME) -
	       (int64_t)(start_ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

/* A process that is younger than the last update of the state has only inherited the number. */
static bool process_alive(const struct om_state *state)
{
	int64_t update_age_ms = clock_ms(CLOCK_REALTIME) - (int64_t)state->updated_epoch_ms;
	int64_t process_ms;

	if (state->pid <= 0 || state->pid > INT32_MAX ||
	    (kill((pid_t)state->pid, 0) < 0 && errno == ESRCH))
		return false;
	process_ms = process_age_ms(state->pid);
	return process_ms < 0 || process_ms + 2000 >= update_age_ms;
}

/* What a state that claims to go on is worth. */
static void judge(struct om_state *state)
{
	char boot_id[37];
	const char *why;

	om_state_boot_id(boot_id);
	if (om_phase_ended(state->phase))
		return;
	if (*state->boot_id && *boot_id && strcmp(state->boot_id, boot_id) != 0)
		why = "this host was started anew during the migration; where the VM is was not "
		      "recorded";
	else if (!process_alive(state))
		why = "the process of the migration has died; where the VM is was not recorded";
	else
		return;
	state->phase = OM_PHASE_UNKNOWN;
	state->pid = 0;
	om_str_copy(state->result, sizeof(state->result), why);
}

/* Reads and judges the state of one file of the directory; whose it may be decides `trusted`. */
static bool load(int dirfd, const char *name, uid_t trusted, struct om_state *state,
		 struct stat *st)
{
	char text[OM_STATE_TEXT_MAX], uuid[37];

	if (!om_state_name_uuid(name, ".state", uuid) ||
	    read_small(dirfd, name, text, sizeof(text), st) < 0)
		return false;
	if (st->st_uid != trusted && st->st_uid != geteuid() && st->st_uid != 0)
		return false;
	if (!om_state_parse(state, text) || strcmp(state->uuid, uuid) != 0)
		return false;
	judge(state);
	return true;
}

static DIR *open_entries(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

struct each {
	state_fn *fn;
	void *ctx;
};

static void each_in(int dirfd, void *ctx)
{
	const struct each *each = ctx;
	DIR *dir = open_entries(dirfd);
	const struct dirent *entry;
	struct om_state state;
	struct stat own, st;

	if (!dir)
		return;
	while (fstat(dirfd, &own) == 0 && (entry = readdir(dir)))
		if (load(dirfd, entry->d_name, own.st_uid, &state, &st))
			each->fn(&state, each->ctx);
	closedir(dir);
}

/* The directory of a user, where `name` is the name of one that this user may read; -1. */
static int open_of_user(const char *name)
{
	char path[128];
	uint64_t uid;
	struct om_err err;

	if (!om_str_starts(name, OM_STATE_VAR_NAME) ||
	    !om_parse_u64(name + strlen(OM_STATE_VAR_NAME), 0, UINT32_MAX, &uid))
		return -1;
	if (geteuid() != 0 && geteuid() != uid)
		return -1;
	snprintf(path, sizeof(path), OM_STATE_VAR_DIR "/" OM_STATE_VAR_NAME "%u",
		 (unsigned int)uid);
	return om_state_open_private(path, (uid_t)uid, &err);
}

void om_state_each_var(void (*fn)(int dirfd, void *ctx), void *ctx)
{
	struct om_err err;
	const struct dirent *entry;
	DIR *dir;

	if (om_state_dir_overridden()) {
		OM_AUTOCLOSE int fd = om_state_open_var(false, &err);

		if (fd >= 0)
			fn(fd, ctx);
		return;
	}
	dir = opendir(OM_STATE_VAR_DIR);
	while (dir && (entry = readdir(dir))) {
		OM_AUTOCLOSE int fd = open_of_user(entry->d_name);

		if (fd >= 0)
			fn(fd, ctx);
	}
	if (dir)
		closedir(dir);
}

void om_state_each_dir(void (*fn)(int dirfd, void *ctx), void *ctx)
{
	OM_AUTOCLOSE int run = om_state_dir_overridden() ? -1 : om_state_open_run();

	if (run >= 0)
		fn(run, ctx);
	om_state_each_var(fn, ctx);
}

void om_state_each(state_fn *fn, void *ctx)
{
	om_state_each_dir(each_in, &(struct each){ fn, ctx });
}

static bool has_ended(int dirfd, const char *name)
{
	struct om_state state;
	struct stat own, st;

	return fstat(dirfd, &own) == 0 && load(dirfd, name, own.st_uid, &state, &st) &&
	       om_phase_ended(state.phase);
}

struct forgetting {
	const char *uuid;
	bool done;
};

static void forget_in(int dirfd, void *ctx)
{
	struct forgetting *forgetting = ctx;
	OM_AUTOCLOSE int lock = -1;
	struct om_err busy;
	char name[64];

	snprintf(name, sizeof(name), "%s.state", forgetting->uuid);
	if (!has_ended(dirfd, name))
		return;
	/* Whoever holds it is about to write another state, or has: it is looked at again. */
	lock = om_state_lock(dirfd, forgetting->uuid, 0, NULL, &busy);
	if (lock >= 0 && has_ended(dirfd, name) && unlinkat(dirfd, name, 0) == 0)
		forgetting->done = true;
}

bool om_state_forget(const char *uuid)
{
	struct forgetting forgetting = { .uuid = uuid };

	if (om_state_uuid_valid(uuid))
		om_state_each_dir(forget_in, &forgetting);
	return forgetting.done;
}

/* A lock goes while we hold it, so that nobody takes one that has no name any more (state_file.c
 * looks for that). */
static void remove_lock(int dirfd, const char *name)
{
	OM_AUTOCLOSE int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(dirfd, name, 0);
}

static bool is_temp(const char *name)
{
	char uuid[37];
	size_t len = strlen(name);

	if (len < 36 + strlen(".1.1.temp") || strcmp(name + len - strlen(".temp"), ".temp") != 0)
		return false;
	memcpy(uuid, name, 36);
	uuid[36] = '\0';
	return om_state_uuid_valid(uuid) && strspn(name + 36, ".0123456789") == len - 36 - 4;
}

static void clean_one(int dirfd, const char *name)
{
	char uuid[37];
	struct om_state state;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_mtime + OLD_S > clock_ms(CLOCK_REALTIME) / 1000)
		return;
	if (S_ISSOCK(st.st_mode) && om_state_name_uuid(name, ".sock", uuid))
		om_control_clean(dirfd, name);
	if (!S_ISREG(st.st_mode))
		return;
	if (om_state_name_uuid(name, ".lock", uuid))
		remove_lock(dirfd, name);
	else if (is_temp(name) || om_state_name_uuid(name, ".tm", uuid))
		unlinkat(dirfd, name, 0);
	else if (om_state_name_uuid(name, ".state", uuid) &&
		 (!load(dirfd, name, geteuid(), &state, &st) || om_phase_ended(state.phase)))
		unlinkat(dirfd, name, 0);
}

void om_state_clean(int dirfd)
{
	DIR *dir = open_entries(dirfd);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		clean_one(dirfd, entry->d_name);
	if (dir)
		closedir(dir);
}
