/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's end of what its guests write: run on the hosts.
 *
 *   blocks stamp FILE LAYOUT LAYER|all   makes FILE as the disk is before the first write; of a chain one layer
 *   blocks make FILE LAYOUT NUMBER WRITE one block, as that write puts it there
 *   blocks verify FILE LAYOUT SYNCED     is FILE a disk whose write number SYNCED, and all before it, arrived?
 *   blocks beats FILE                    until SIGTERM: each byte that is added is a sign of life; then how
 *                                        many, over what time, and the longest wait (ms) of all
 */
#define _GNU_SOURCE
#include "block.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "blocks: %s: %s\n", what, strerror(errno));
	return 1;
}

static int stamp(const char *path, const struct layout *l, const char *layer)
{
	bool all = !strcmp(layer, "all");
	uint32_t wanted = (uint32_t)strtoul(layer, NULL, 10);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct block b;

	if (fd < 0 || ftruncate(fd, (off_t)(l->blocks * BLOCK_BYTES)))
		return fail(path);
	for (uint64_t n = 0; n < l->blocks; n++) {
		if (block_is_hole(l, n, 0) || (!all && block_layer(l, n) != wanted))
			continue;
		block_make(&b, l, n, 0);
		if (pwrite(fd, &b, sizeof(b), (off_t)(n * BLOCK_BYTES)) != sizeof(b))
			return fail(path);
	}
	return close(fd) ? fail(path) : 0;
}

static int make(const char *path, const struct layout *l, uint64_t number, uint64_t write_number)
{
	struct block b;
	FILE *f = fopen(path, "we");

	if (!f)
		return fail(path);
	block_make(&b, l, number, write_number);
	if (fwrite(&b, sizeof(b), 1, f) != 1 || fclose(f))
		return fail(path);
	return 0;
}

/* A write later than the last synced one may have come to a block, as the whole of it. */
static const char *wrong(const struct block *b, const struct layout *l, uint64_t number,
			 uint64_t synced)
{
	uint64_t least = write_of_block(l, number, synced), found = b->write;

	if (found < least || write_of_block(l, number, found) != found)
		found = least;
	return block_wrong(b, l, number, found);
}

static int verify(const char *path, const struct layout *l, uint64_t synced)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bad = 0;
	struct block b;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return fail(path);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size != l->blocks * BLOCK_BYTES) {
		printf("it has %jd bytes, not %ju\n", (intmax_t)st.st_size,
		       (uintmax_t)(l->blocks * BLOCK_BYTES));
		return 1;
	}
	for (uint64_t n = 0; n < l->blocks; n++) {
		const char *what = "cannot be read";

		if (pread(fd, &b, sizeof(b), (off_t)(n * BLOCK_BYTES)) == sizeof(b))
			what = wrong(&b, l, n, synced);
		if (what && bad++ < 10)
			printf("block %ju: %s\n", (uintmax_t)n, what);
	}
	close(fd);
	printf("%ju of %ju blocks wrong\n", (uintmax_t)bad, (uintmax_t)l->blocks);
	return bad != 0;
}

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* The last wait counts too: it may be the one that never ends. */
static int beats(const char *path)
{
	char events[4096];
	int fd = inotify_init1(IN_CLOEXEC);
	double begun, last, longest = 0;
	uint64_t count = 0;

	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return fail(path);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that is killed leaves nobody waiting */
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	begun = last = now_ms();
	while (!ended) {
		double now;

		if (read(fd, events, sizeof(events)) < 0 && errno != EINTR)
			return fail("inotify");
		now = now_ms();
		if (now - last > longest)
			longest = now - last;
		count += !ended;
		last = now;
	}
	printf("beats=%ju span_ms=%.0f longest_ms=%.0f\n", (uintmax_t)count, last - begun, longest);
	return 0;
}

int main(int argc, char **argv)
{
	struct layout l;

	if (argc == 3 && !strcmp(argv[1], "beats"))
		return beats(argv[2]);
	if (argc < 5 || !layout_parse(&l, argv[3])) {
		fprintf(stderr, "usage: blocks stamp|make|verify FILE LAYOUT ... | beats FILE\n");
		return 2;
	}
	if (!strcmp(argv[1], "stamp"))
		return stamp(argv[2], &l, argv[4]);
	if (!strcmp(argv[1], "verify"))
		return verify(argv[2], &l, strtoull(argv[4], NULL, 10));
	if (!strcmp(argv[1], "make") && argc == 6)
		return make(argv[2], &l, strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	return 2;
}
