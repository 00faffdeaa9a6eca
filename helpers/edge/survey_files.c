/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths are looked at by threads that may be left behind: a call into a network file system whose server
 * is gone ends with the process at the latest, and nothing else ends it. One thread does it as long as
 * there is progress; where there is none another one goes on with the next path.
 */
#include "survey_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define STUCK_MS 100 /* without progress: one more thread */
#define THREADS_MAX 32
#define STACK_BYTES (256u << 10)
#define LINKS_MAX 8
#define MOUNTS_MAX (1u << 20)

struct om_survey_files {
	pthread_mutex_t lock;
	pthread_cond_t progress;
	struct om_strv paths;
	struct om_file *files; /* a kind of OM_FILE_KIND_COUNT: not answered yet */
	size_t next, done;
	unsigned int threads, users; /* started; that still need this */
	uint64_t until_ms;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- one path ---- */

/* The rest of a line of mountinfo, behind " - ", where it is that of the device; else NULL. */
static const char *type_of_line(const char *line, dev_t device)
{
	unsigned int major, minor;
	const char *rest = strstr(line, " - ");

	if (!rest || sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2 ||
	    makedev(major, minor) != device)
		return NULL;
	return rest + 3;
}

/* All of FUSE is one type for statfs(); the name behind it says more. */
static uint64_t fuse_type(dev_t device)
{
	OM_AUTOFREE char *text = om_xcalloc(1, MOUNTS_MAX);
	char *save = NULL;

	if (!om_survey_read("/proc/self/mountinfo", text, MOUNTS_MAX))
		return OM_FS_FUSE;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *type = type_of_line(line, device);

		if (type && om_str_starts(type, "fuse.glusterfs "))
			return OM_FS_FUSE_GLUSTER;
		if (type && om_str_starts(type, "fuse.quobyte "))
			return OM_FS_FUSE_QUOBYTE;
	}
	return OM_FS_FUSE;
}

static void take_fs(struct om_file *file, const char *path, dev_t device)
{
	struct statfs fs;
	uint32_t id[2];

	if (statfs(path, &fs) < 0)
		return;
	file->fs_type = (uint32_t)fs.f_type;
	if (file->fs_type == OM_FS_FUSE)
		file->fs_type = fuse_type(device);
	memcpy(id, &fs.f_fsid, sizeof(id));
	file->fs_id = (uint64_t)id[1] << 32 | id[0];
	file->free_known = true;
	file->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
}

/* The kernel says it without the device being opened, which may need a right or take long. */
static uint64_t block_bytes(const char *path, dev_t device)
{
	char name[64], text[32];
	uint64_t size = 0;
	OM_AUTOCLOSE int fd = -1;

	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/size", major(device), minor(device));
	if (om_survey_read(name, text, sizeof(text)) &&
	    om_parse_u64(om_str_strip(text), 0, UINT64_MAX / 512, &size))
		return size * 512;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0)
		return 0;
	return size;
}

/* What the device is called on every host that has it. A partition is told by its disk and number. */
static void take_device_id(struct om_file *file, dev_t device)
{
	static const char *const names[] = { "dm/uuid", "wwid", "device/wwid", "../wwid",
					     "../device/wwid" };
	char dir[64], name[96], number[32] = "", *id = file->device_id;

	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u", major(device), minor(device));
	for (size_t i = 0; i < OM_ARRAY_LEN(names) && !*id; i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		if (om_survey_read(name, id, sizeof(file->device_id) - 8))
			memmove(id, om_str_strip(id), strlen(om_str_strip(id)) + 1);
	}
	snprintf(name, sizeof(name), "%s/partition", dir);
	if (*id && om_survey_read(name, number, sizeof(number)))
		snprintf(id + strlen(id), 8, "-p%.4s", om_str_strip(number));
}

static void take_stat(struct om_file *file, const char *path, const struct stat *st)
{
	file->inode = st->st_ino;
	file->device = st->st_dev;
	if (S_ISREG(st->st_mode)) {
		file->kind = OM_FILE_REGULAR;
		file->size_bytes = (uint64_t)st->st_size;
	} else if (S_ISDIR(st->st_mode)) {
		file->kind = OM_FILE_DIR;
	} else if (S_ISBLK(st->st_mode)) {
		file->kind = OM_FILE_BLOCK;
		file->device = st->st_rdev;
		file->size_bytes = block_bytes(path, st->st_rdev);
		take_device_id(file, st->st_rdev);
	} else {
		file->kind = OM_FILE_OTHER;
	}
}

/* Where a link that leads nowhere leads to; NULL where it is none. */
static char *target_of(const char *path)
{
	char target[4096];
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	const char *slash = strrchr(path, '/');

	if (len <= 0)
		return NULL;
	target[len] = '\0';
	if (*target == '/')
		return om_xstrdup(target);
	return om_xasprintf("%.*s/%s", (int)(slash - path), path, target);
}

/* The nearest directory that is there. */
static void take_parent(struct om_file *file, const char *path)
{
	OM_AUTOFREE char *at = om_xstrdup(path);
	unsigned int links = 0;
	struct stat st;

	while (stat(at, &st) < 0) {
		char *target = links++ < LINKS_MAX ? target_of(at) : NULL, *slash;

		if (target) {
			free(at);
			at = target;
			continue;
		}
		slash = strrchr(at, '/');
		if (!slash || !slash[1])
			return;
		slash[slash == at] = '\0';
	}
	take_fs(file, at, st.st_dev);
}

static void look(struct om_file *file, const char *path)
{
	struct stat st;

	memset(file, 0, sizeof(*file));
	if (*path != '/') {
		om_str_copy(file->why, sizeof(file->why), "not an absolute path");
	} else if (stat(path, &st) == 0) {
		take_stat(file, path, &st);
		take_fs(file, path, st.st_dev);
	} else if (errno == ENOENT || errno == ENOTDIR) {
		file->kind = OM_FILE_MISSING;
		take_parent(file, path);
	} else {
		om_str_copy(file->why, sizeof(file->why), strerror(errno));
	}
}

/* ---- all of them ---- */

/* Under the lock, which it gives back. */
static void leave(struct om_survey_files *job)
{
	bool last = --job->users == 0;

	pthread_mutex_unlock(&job->lock);
	if (!last)
		return;
	pthread_cond_destroy(&job->progress);
	pthread_mutex_destroy(&job->lock);
	om_strv_free(&job->paths);
	free(job->files);
	free(job);
}

static void *look_at_next(void *arg)
{
	struct om_survey_files *job = arg;

	pthread_mutex_lock(&job->lock);
	while (job->next < job->paths.n) {
		size_t i = job->next++;
		struct om_file file;

		pthread_mutex_unlock(&job->lock);
		look(&file, job->paths.v[i]);
		pthread_mutex_lock(&job->lock);
		job->files[i] = file;
		job->done++;
		pthread_cond_signal(&job->progress);
	}
	leave(job);
	return NULL;
}

/* Under the lock. */
static void start_thread(struct om_survey_files *job)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	job->threads++;
	if (pthread_create(&thread, &attr, look_at_next, job) == 0)
		job->users++;
	pthread_attr_destroy(&attr);
}

struct om_survey_files *om_survey_files_start(const struct om_strv *paths)
{
	struct om_survey_files *job = om_xcalloc(1, sizeof(*job));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&job->progress, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&job->lock, NULL);
	job->files = om_xcalloc(paths->n, sizeof(*job->files));
	for (size_t i = 0; i < paths->n; i++) {
		om_strv_add(&job->paths, paths->v[i]);
		job->files[i].kind = OM_FILE_KIND_COUNT;
	}
	job->users = 1;
	job->until_ms = now_ms() + OM_SURVEY_FILES_MS;
	pthread_mutex_lock(&job->lock);
	if (paths->n)
		start_thread(job);
	pthread_mutex_unlock(&job->lock);
	return job;
}

/* Under the lock. */
static void wait_for_progress(struct om_survey_files *job, uint64_t until_ms)
{
	struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
				  .tv_nsec = (long)(until_ms % 1000) * 1000000 };
	size_t done = job->done;

	while (job->done == done)
		if (pthread_cond_timedwait(&job->progress, &job->lock, &until) == ETIMEDOUT)
			break;
	if (job->done == done && job->next < job->paths.n && job->threads < THREADS_MAX)
		start_thread(job);
}

/* Under the lock. */
static void take_answers(const struct om_survey_files *job, struct om_survey *survey)
{
	survey->file_count = job->paths.n;
	survey->files = om_xcalloc(job->paths.n, sizeof(*survey->files));
	for (size_t i = 0; i < job->paths.n; i++) {
		if (job->files[i].kind != OM_FILE_KIND_COUNT)
			survey->files[i] = job->files[i];
		else
			snprintf(survey->files[i].why, sizeof(survey->files[i].why),
				 "no answer within %d s", OM_SURVEY_FILES_MS / 1000);
	}
}

void om_survey_files_finish(struct om_survey_files *job, struct om_survey *survey)
{
	uint64_t now;

	pthread_mutex_lock(&job->lock);
	while (job->done < job->paths.n && (now = now_ms()) < job->until_ms)
		wait_for_progress(job,
				  now + STUCK_MS < job->until_ms ? now + STUCK_MS : job->until_ms);
	if (job->paths.n)
		take_answers(job, survey);
	job->next = job->paths.n; /* whoever comes back has nothing more to do */
	leave(job);
}
