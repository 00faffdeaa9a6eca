/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's disks. Each second a line says of each, after `DISK NAME`: written= (number of the last
 * write), synced= (of the last one that fdatasync covers), passes= (over all of the disk, reading),
 * errors= and max_ms= (longest request of that second). The first problems are `ERROR` lines.
 *
 * One thread does all of a disk's work, so each block is known to the write when it is read.
 */
#define _GNU_SOURCE
#include "disk.h"
#include "block.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

/* A pass over a disk is to take PASS_S, at no more than CHECKS_MAX blocks a second. */
enum { DISKS_MAX = 24, TICK_MS = 20, SYNC_MS = 200, PASS_S = 3, CHECKS_MAX = 1024, WAIT_S = 20 };

struct disk {
	char name[16];
	struct layout layout;
	int fd;
	struct block *unit, *chunk; /* what is written, what is read */
	uint64_t next;		    /* block that is read next */
	_Atomic uint64_t written, synced, passes, errors, max_ms;
};

static struct disk disks[DISKS_MAX];
static int disk_count;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void disk_error(struct disk *d, const char *what, uint64_t block)
{
	if (d->errors++ < 20)
		printf("ERROR disk=%s block=%ju %s\n", d->name, (uintmax_t)block, what);
}

static void took(struct disk *d, uint64_t since)
{
	uint64_t ms = now_ms() - since;

	if (ms > d->max_ms)
		d->max_ms = ms;
}

static void disk_write(struct disk *d)
{
	const struct layout *l = &d->layout;
	uint64_t k = d->written + 1, at = l->start + unit_of_write(l, k) * l->unit, begun;
	size_t size = l->unit * BLOCK_BYTES;

	for (uint64_t i = 0; i < l->unit; i++)
		block_make(&d->unit[i], l, at + i, k);
	begun = now_ms();
	if (pwrite(d->fd, d->unit, size, (off_t)(at * BLOCK_BYTES)) != (ssize_t)size)
		disk_error(d, "write fails", at);
	took(d, begun);
	d->written = k;
}

static void disk_sync(struct disk *d)
{
	uint64_t begun = now_ms();

	if (d->synced == d->written)
		return;
	if (fdatasync(d->fd))
		disk_error(d, "sync fails", 0);
	else
		d->synced = d->written;
	took(d, begun);
}

static void disk_check(struct disk *d)
{
	const struct layout *l = &d->layout;
	uint64_t left = l->blocks - d->next, count = left < CHUNK_BLOCKS ? left : CHUNK_BLOCKS;
	size_t size = count * BLOCK_BYTES;
	uint64_t begun = now_ms();

	if (pread(d->fd, d->chunk, size, (off_t)(d->next * BLOCK_BYTES)) != (ssize_t)size)
		disk_error(d, "read fails", d->next);
	else
		for (uint64_t i = 0; i < count; i++) {
			uint64_t n = d->next + i;
			const char *wrong = block_wrong(&d->chunk[i], l, n,
							write_of_block(l, n, d->written));

			if (wrong)
				disk_error(d, wrong, n);
		}
	took(d, begun);
	d->next += count;
	if (d->next == l->blocks) {
		d->next = 0;
		d->passes++;
	}
}

/* Work is owed by the clock, at most what a second brings. */
static void *disk_run(void *arg)
{
	struct disk *d = arg;
	uint64_t last = now_ms(), sync_at = last + SYNC_MS, write_due = 0, check_due = 0;
	uint64_t write_cost = d->layout.unit * 4 * 1000, check_cost = CHUNK_BLOCKS * 1000;
	uint64_t checks = d->layout.blocks / PASS_S < CHECKS_MAX ? d->layout.blocks / PASS_S
								 : CHECKS_MAX;

	for (;;) {
		uint64_t now, passed;

		usleep(TICK_MS * 1000);
		now = now_ms();
		passed = now - last < 1000 ? now - last : 1000;
		last = now;
		write_due += passed * d->layout.rate_kibps;
		for (; write_due >= write_cost; write_due -= write_cost)
			disk_write(d);
		check_due += passed * checks;
		for (; check_due >= check_cost; check_due -= check_cost)
			disk_check(d);
		if (now >= sync_at) {
			disk_sync(d);
			sync_at = now + SYNC_MS;
		}
	}
	return NULL;
}

static void disk_open(struct disk *d)
{
	char path[32];
	int mode = d->layout.units ? O_RDWR : O_RDONLY;
	uint64_t end = now_ms() + WAIT_S * 1000;
	pthread_t thread;

	snprintf(path, sizeof(path), "/dev/%s", d->name);
	do {
		d->fd = open(path, mode | O_DIRECT | O_CLOEXEC);
		if (d->fd < 0)
			usleep(20000);
	} while (d->fd < 0 && now_ms() < end);
	d->unit = aligned_alloc(BLOCK_BYTES, d->layout.unit * BLOCK_BYTES);
	d->chunk = aligned_alloc(BLOCK_BYTES, CHUNK_BLOCKS * BLOCK_BYTES);
	if (d->fd < 0 || !d->unit || !d->chunk || pthread_create(&thread, NULL, disk_run, d))
		disk_error(d, "cannot be opened", 0);
}

void disks_start(const char *cmdline)
{
	static const char option[] = "om.blk=";
	const char *at = cmdline;

	while ((at = strstr(at, option)) && disk_count < DISKS_MAX) {
		struct disk *d = &disks[disk_count++];
		size_t len;

		at += strlen(option);
		len = strcspn(at, ":");
		snprintf(d->name, sizeof(d->name), "%.*s", (int)len, at);
		at += len;
		if (*at == ':' && layout_parse(&d->layout, at + 1))
			disk_open(d);
		else
			disk_error(d, "has no layout", 0);
	}
}

uint64_t disks_report(void)
{
	uint64_t errors = 0;

	for (struct disk *d = disks; d < disks + disk_count; d++) {
		/* Synced first: it must not be ahead of written. */
		uint64_t synced = d->synced;

		printf("DISK %s written=%ju synced=%ju passes=%ju errors=%ju max_ms=%ju\n", d->name,
		       (uintmax_t)d->written, (uintmax_t)synced, (uintmax_t)d->passes,
		       (uintmax_t)d->errors, (uintmax_t)atomic_exchange(&d->max_ms, 0));
		errors += d->errors;
	}
	return errors;
}

static void *beat_run(void *arg)
{
	struct timespec tick = { 0, *(long *)arg * 1000000 };
	int fd = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	while (fd >= 0 && write(fd, ".", 1) == 1)
		nanosleep(&tick, NULL);
	printf("ERROR beat\n");
	return NULL;
}

void beat_start(const char *cmdline)
{
	static const char option[] = "om.beat=";
	static long ms;
	const char *at = strstr(cmdline, option);
	struct sched_param first = { .sched_priority = 50 };
	pthread_attr_t attr;
	pthread_t thread;

	if (!at)
		return;
	ms = strtol(at + strlen(option), NULL, 10);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &first);
	if (pthread_create(&thread, &attr, beat_run, &ms))
		printf("ERROR beat\n");
}
