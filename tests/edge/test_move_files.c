/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories of a datastore move, in a directory of their own. */
#include "om_cmocka.h"

#include "om_move_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1l << 20)

static char top[64];

static char *in_top(const char *name)
{
	return om_xasprintf("%s/%s", top, name);
}

static int set_up(void **unused)
{
	(void)unused;
	snprintf(top, sizeof(top), "/tmp/om-move-XXXXXX");
	return mkdtemp(top) && chdir(top) == 0 ? 0 : -1;
}

static int tear_down(void **unused)
{
	char command[128];

	(void)unused;
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return chdir("/") == 0 ? system(command) : -1;
}

/* 8 MiB with data at 2 and at 6 MiB. */
static void make_sparse(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000, .tv_nsec = 5 } };

	assert_true(fd >= 0 && ftruncate(fd, 8 * MIB) == 0);
	assert_int_equal(pwrite(fd, "two", 3, 2 * MIB), 3);
	assert_int_equal(pwrite(fd, "six", 3, 6 * MIB), 3);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static bool copy(const char *from, const char *to, bool (*progress)(void *, uint64_t), void *ctx,
		 bool *changed, struct om_err *err)
{
	const struct om_file_copy c = { .from = from,
					.to = to,
					.ctx = ctx,
					.progress = progress };

	return om_file_copy(&c, changed, err);
}

static void holes_mode_and_times_are_kept(void **unused)
{
	struct om_err err;
	struct stat a, b;
	char text[4] = "";
	int fd;

	(void)unused;
	make_sparse("a");
	if (!copy("a", "b", NULL, NULL, NULL, &err))
		fail_msg("%s", err.msg);
	assert_true(stat("a", &a) == 0 && stat("b", &b) == 0);
	assert_int_equal(b.st_size, 8 * MIB);
	assert_int_equal(b.st_mode & 07777, 0640);
	assert_int_equal(b.st_mtim.tv_sec, 2000);
	assert_int_equal(b.st_mtim.tv_nsec, 5);
	assert_true(b.st_blocks <= a.st_blocks + 8);
	fd = open("b", O_RDONLY);
	assert_int_equal(pread(fd, text, 3, 6 * MIB), 3);
	assert_string_equal(text, "six");
	close(fd);
	assert_int_equal(system("cmp a b"), 0);
}

static void nothing_that_exists_is_replaced(void **unused)
{
	struct om_err err;

	(void)unused;
	make_sparse("a");
	assert_int_equal(system("echo mine >c; ln -s d e; ln -s a l"), 0);
	assert_false(copy("a", "c", NULL, NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "File exists"));
	assert_false(copy("a", "e", NULL, NULL, NULL, &err));
	assert_int_equal(access("d", F_OK), -1);
	assert_int_equal(system("test \"$(cat c)\" = mine"), 0);
	/* Neither is a link followed, nor a pipe waited for. */
	assert_false(copy("l", "m", NULL, NULL, NULL, &err));
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_false(copy("pipe", "m", NULL, NULL, NULL, &err));
	assert_false(copy("missing", "m", NULL, NULL, NULL, &err));
	assert_int_equal(access("m", F_OK), -1);
}

static bool write_to_it(void *ctx, uint64_t bytes)
{
	int fd = open(ctx, O_WRONLY);

	(void)bytes;
	assert_int_equal(pwrite(fd, "new", 3, 2 * MIB), 3);
	close(fd);
	return true;
}

static bool give_up(void *ctx, uint64_t bytes)
{
	*(uint64_t *)ctx += bytes;
	return false;
}

static void what_changes_meanwhile_is_an_error_and_leaves_no_copy(void **unused)
{
	struct om_err err;
	bool changed = false;
	uint64_t bytes = 0;

	(void)unused;
	make_sparse("a");
	assert_false(copy("a", "x", write_to_it, "a", &changed, &err));
	assert_true(changed);
	assert_non_null(strstr(err.msg, "a has changed while it was copied"));
	assert_int_equal(access("x", F_OK), -1);
	changed = false;
	assert_false(copy("a", "x", give_up, &bytes, &changed, &err));
	assert_int_equal(err.code, OM_E_ABORTED);
	assert_true(bytes > 0 && !changed);
	assert_int_equal(access("x", F_OK), -1);
}

static void directories_have_to_be_different_ones(void **unused)
{
	OM_AUTOFREE char *a = in_top("ds/1/31"), *b = in_top("ds/2/31"), *link = in_top("link/31");
	OM_AUTOFREE char *below = in_top("ds/1/31/2/31"), *via = in_top("ds/x/../1/31");
	struct om_err err;
	uint64_t bytes;

	(void)unused;
	assert_int_equal(system("mkdir -p ds/1/31 ds/x; ln -s ds/1 link"), 0);
	assert_true(om_move_dirs_differ(a, b, &err)); /* the second one is missing */
	assert_int_equal(system("mkdir -p ds/2/31"), 0);
	assert_true(om_move_dirs_differ(a, b, &err));
	assert_false(om_move_dirs_differ(a, a, &err));
	assert_false(om_move_dirs_differ(a, link, &err));
	assert_false(om_move_dirs_differ(link, a, &err));
	assert_false(om_move_dirs_differ(a, below, &err));
	assert_false(om_move_dirs_differ(below, a, &err));
	assert_false(om_move_dirs_differ(a, via, &err));
	assert_true(om_move_free_bytes(below, &bytes) && bytes > 0);
}

static void what_was_made_is_remembered(void **unused)
{
	struct om_move_journal *j;
	struct om_err err;
	bool keep;

	(void)unused;
	assert_int_equal(system("rm -rf j; mkdir j"), 0);
	assert_false(om_move_journal_exists("j"));
	assert_true(om_move_journal_open(&j, "j", &err));
	assert_true(om_move_journal_add(j, "", &err));
	assert_true(om_move_journal_add(j, "a b\n", &err));
	assert_true(om_move_journal_add(j, "c", &err));
	assert_true(om_move_journal_add(j, "c", &err));
	assert_true(om_move_journal_keep(j, "a b\n", true, &err));
	assert_true(om_move_journal_keep(j, "c", true, &err));
	assert_true(om_move_journal_keep(j, "c", false, &err));
	om_move_journal_close(j, false); /* as if the process had died */
	assert_true(om_move_journal_exists("j"));
	assert_int_equal(system("printf 'M half' >>j/.onemigrate-move"), 0);
	assert_true(om_move_journal_open(&j, "j", &err));
	assert_int_equal(om_move_journal_count(j), 3);
	assert_string_equal(om_move_journal_name(j, 0, &keep), "");
	assert_string_equal(om_move_journal_name(j, 1, &keep), "a b\n");
	assert_true(keep);
	assert_string_equal(om_move_journal_name(j, 2, &keep), "c");
	assert_false(keep);
	assert_true(om_move_journal_has(j, "c"));
	assert_false(om_move_journal_has(j, "half"));
	om_move_journal_close(j, true);
	assert_false(om_move_journal_exists("j"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_mode_and_times_are_kept),
		cmocka_unit_test(nothing_that_exists_is_replaced),
		cmocka_unit_test(what_changes_meanwhile_is_an_error_and_leaves_no_copy),
		cmocka_unit_test(directories_have_to_be_different_ones),
		cmocka_unit_test(what_was_made_is_remembered),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
