/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_history.h"
#include "om_util.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static char file[96];

static int set_up(void **unused)
{
	(void)unused;
	if (state_dir_make())
		return -1;
	snprintf(file, sizeof(file), "%s/history", dir);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	return state_dir_remove();
}

static struct om_state record(uint64_t number)
{
	return (struct om_state){ .uuid = UUID,
				  .vm_id = "31",
				  .phase = OM_PHASE_DONE,
				  .updated_epoch_ms = number,
				  .elapsed_ms = 4500,
				  .sent_bytes = 1 << 20 };
}

static bool append(uint64_t number)
{
	struct om_state state = record(number);

	return om_history_append(&state);
}

/* What was seen, in its order: how many, the first and the last number, and whether each number is
 * above the one before. */
struct seen {
	size_t n;
	uint64_t first, last;
	bool ascending;
};

static void see(const struct om_state *state, void *ctx)
{
	struct seen *seen = ctx;

	if (!seen->n++)
		seen->first = state->updated_epoch_ms;
	else
		seen->ascending &= state->updated_epoch_ms > seen->last;
	seen->last = state->updated_epoch_ms;
}

static struct seen look(void)
{
	struct seen seen = { .ascending = true };

	om_history_each(see, &seen);
	return seen;
}

static void put_raw(const char *bytes, size_t len)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void put(const char *text)
{
	put_raw(text, strlen(text));
}

static void what_is_appended_is_seen_oldest_first(void **unused)
{
	struct stat st;
	mode_t before = umask(0777);
	struct seen seen;

	(void)unused;
	for (uint64_t i = 1; i <= 5; i++)
		assert_true(append(i));
	umask(before);
	seen = look();
	assert_int_equal(seen.n, 5);
	assert_int_equal(seen.first, 1);
	assert_int_equal(seen.last, 5);
	assert_true(seen.ascending);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void without_a_history_there_is_nothing_and_nothing_is_made(void **unused)
{
	(void)unused;
	assert_int_equal(look().n, 0);
	assert_int_equal(access(dir, F_OK), -1);
}

static void it_holds_1000_records_at_most(void **unused)
{
	struct seen seen;

	(void)unused;
	for (uint64_t i = 1; i <= 2600; i++) {
		assert_true(append(i));
		if (i % 97 && i % 250 > 2) /* it is cut at 1001, 1251, ... */
			continue;
		seen = look();
		assert_int_equal(seen.last, i);
		assert_true(seen.n <= OM_HISTORY_RECORDS);
		assert_true(seen.n >= (i < 750 ? i : 750));
		assert_int_equal(seen.last - seen.first + 1, seen.n);
	}
}

static void it_holds_one_mib_at_most(void **unused)
{
	struct om_state state = record(0);
	struct stat st;
	struct seen seen;

	(void)unused;
	memset(state.vm_name, 'n', sizeof(state.vm_name) - 1);
	memset(state.src, 's', sizeof(state.src) - 1);
	memset(state.dst, 'd', sizeof(state.dst) - 1);
	memset(state.actions, 'a', sizeof(state.actions) - 1);
	memset(state.result, 'r', sizeof(state.result) - 1);
	for (uint64_t i = 1; i <= 1000; i++) {
		state.updated_epoch_ms = i;
		assert_true(om_history_append(&state));
		assert_int_equal(stat(file, &st), 0);
		assert_true(st.st_size <= (off_t)OM_HISTORY_BYTES);
	}
	seen = look();
	assert_int_equal(seen.last, 1000);
	assert_int_equal(seen.last - seen.first + 1, seen.n);
	assert_true(st.st_size > (off_t)OM_HISTORY_BYTES / 2);
}

static void a_damaged_line_is_passed_over(void **unused)
{
	static const char with_nul[] =
		"onemigrate-history=1\tuuid=" UUID "\tphase=done\tend=1\0\tend=1\n";
	OM_AUTOFREE char *wide = om_xcalloc(3, OM_STATE_TEXT_MAX);
	struct seen seen;

	(void)unused;
	assert_true(append(1));
	put("\n\nno record\nonemigrate-history=1\tuuid=x\tphase=done\tend=1\n");
	put_raw(with_nul, sizeof(with_nul) - 1);
	assert_true(append(2));
	memset(wide, 'x', 3 * OM_STATE_TEXT_MAX - 1);
	put(wide);
	put("\tend=1\n");
	assert_true(append(3));
	put("onemigrate-history=1\tuuid=" UUID "\tphase=done\tdownti"); /* the disk was full */
	assert_true(append(4));
	seen = look();
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.last, 4);
	assert_true(seen.ascending);
}

static void rubbish_does_not_make_it_grow(void **unused)
{
	OM_AUTOFREE char *wide = om_xcalloc(1, OM_HISTORY_BYTES + 1);
	struct stat st;

	(void)unused;
	assert_true(append(1));
	memset(wide, 'x', OM_HISTORY_BYTES);
	put(wide);
	assert_true(append(2));
	assert_int_equal(look().n, 1);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size < 1000);
	/* Far more than can be read in time: begun anew. */
	assert_int_equal(truncate(file, 1ll << 40), 0);
	assert_false(append(3));
	assert_true(append(4));
	assert_int_equal(look().n, 1);
	assert_int_equal(look().last, 4);
}

static void a_link_or_a_pipe_in_its_place_is_left_alone(void **unused)
{
	OM_AUTOFREE char *victim = om_xasprintf("%s/victim", base);
	struct stat st;

	(void)unused;
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(close(open(victim, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(symlink(victim, file), 0);
	assert_false(append(1));
	assert_int_equal(look().n, 0);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_false(append(1));
	assert_int_equal(look().n, 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_false(append(1));
	assert_int_equal(look().n, 0);
}

static void a_directory_that_is_not_ours_alone_is_not_used(void **unused)
{
	(void)unused;
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_false(append(1));
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_true(append(1));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(look().n, 0);
}

static void concurrent_writers_lose_nothing(void **unused)
{
	enum { WRITERS = 8, ROUNDS = 100 };
	struct seen seen;
	int failed = 0;

	(void)unused;
	for (uint64_t i = 0; i < 800; i++)
		assert_true(append(1)); /* so that it is rotated meanwhile */
	for (int i = 0; i < WRITERS; i++) {
		if (fork() != 0)
			continue;
		for (int round = 0; round < ROUNDS; round++)
			if (!append(2))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		wait(&status);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	seen = look();
	assert_int_equal(seen.n, 850); /* cut to 751 by the 201st, the 451st and the 701st of 800 */
}

static void whoever_holds_it_too_long_is_not_waited_for(void **unused)
{
	struct timespec begin, end;
	int fd;

	(void)unused;
	assert_true(append(1));
	fd = open(file, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_false(append(2));
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec >= 1 && end.tv_sec - begin.tv_sec <= 4);
	assert_int_equal(look().n, 1); /* to be read it needs no lock */
	close(fd);
	assert_true(append(3));
	assert_int_equal(look().n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_appended_is_seen_oldest_first),
		TEST(without_a_history_there_is_nothing_and_nothing_is_made),
		TEST(it_holds_1000_records_at_most),
		TEST(it_holds_one_mib_at_most),
		TEST(a_damaged_line_is_passed_over),
		TEST(rubbish_does_not_make_it_grow),
		TEST(a_link_or_a_pipe_in_its_place_is_left_alone),
		TEST(a_directory_that_is_not_ours_alone_is_not_used),
		TEST(concurrent_writers_lose_nothing),
		TEST(whoever_holds_it_too_long_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
