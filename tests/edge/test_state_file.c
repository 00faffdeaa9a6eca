/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_state.h"
#include "om_util.h"

#include <errno.h>
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
#define UUID_2 "85b4ad9d-6e6c-4a1e-bb1c-000000000002"

static int set_up(void **unused)
{
	(void)unused;
	if (state_dir_make())
		return -1;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	return state_dir_remove();
}

static int open_dir(void)
{
	struct om_err err = { 0 };
	int fd = om_state_dir_open(true, &err);

	if (fd < 0)
		fail_msg("%s", err.msg);
	return fd;
}

static char *in_dir(const char *name)
{
	return om_xasprintf("%s/%s", dir, name);
}

static uint64_t now_epoch_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct om_state running(void)
{
	struct om_state state = { .uuid = UUID,
				  .vm_id = "31",
				  .vm_name = "web front 01",
				  .phase = OM_PHASE_COPY,
				  .percent = 57,
				  .pid = getpid(),
				  .updated_epoch_ms = now_epoch_ms() };

	om_state_boot_id(state.boot_id);
	return state;
}

struct seen {
	struct om_state last;
	size_t n;
};

static void see(const struct om_state *state, void *ctx)
{
	struct seen *seen = ctx;

	seen->last = *state;
	seen->n++;
}

static struct seen look(void)
{
	struct seen seen = { 0 };

	om_state_each(see, &seen);
	return seen;
}

static void assert_mode(const char *path, unsigned int type, unsigned int mode)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & S_IFMT, type);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void age(const char *path)
{
	struct timespec old[2] = { { .tv_sec = time(NULL) - 25 * 3600 },
				   { .tv_sec = time(NULL) - 25 * 3600 } };

	assert_int_equal(utimensat(AT_FDCWD, path, old, AT_SYMLINK_NOFOLLOW), 0);
}

static void put_file(const char *name, const char *text)
{
	OM_AUTOFREE char *path = in_dir(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static bool is_there(const char *name)
{
	OM_AUTOFREE char *path = in_dir(name);

	return access(path, F_OK) == 0;
}

static void a_written_state_is_seen_whole(void **unused)
{
	struct om_state state = running();
	OM_AUTOCLOSE int fd = open_dir();
	struct seen seen;

	(void)unused;
	assert_true(om_state_write(fd, &state));
	state.percent = 58;
	assert_true(om_state_write(fd, &state));
	seen = look();
	assert_int_equal(seen.n, 1);
	assert_memory_equal(&seen.last, &state, sizeof(state));
}

static void directory_and_files_are_private_under_any_umask(void **unused)
{
	static const mode_t masks[] = { 0, 022, 0777 };
	OM_AUTOFREE char *file = in_dir(UUID ".state"), *lock = in_dir(UUID ".lock");
	struct om_state state = running();

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(masks); i++) {
		mode_t before = umask(masks[i]);
		struct om_err err = { 0 };
		int fd = om_state_dir_open(true, &err), lock_fd;
		bool written = om_state_write(fd, &state);

		lock_fd = om_state_lock(fd, UUID, 0, NULL, &err);
		umask(before);
		assert_true(fd >= 0 && written && lock_fd >= 0);
		assert_mode(dir, S_IFDIR, 0700);
		assert_mode(file, S_IFREG, 0600);
		assert_mode(lock, S_IFREG, 0600);
		close(lock_fd);
		close(fd);
		assert_int_equal(unlink(file) | unlink(lock) | rmdir(dir), 0);
	}
}

static void reading_makes_no_directory_and_is_no_error_without_one(void **unused)
{
	struct om_err err = { .code = OM_E_UNKNOWN };

	(void)unused;
	assert_int_equal(om_state_dir_open(false, &err), -1);
	assert_int_equal(err.code, OM_E_NONE);
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(look().n, 0);
}

static void assert_dir_refused(const char *why)
{
	for (int make = 0; make < 2; make++) {
		struct om_err err = { 0 };

		assert_int_equal(om_state_dir_open(make, &err), -1);
		assert_int_equal(err.code, OM_E_INPUT);
		if (!strstr(err.msg, why))
			fail_msg("'%s' without '%s'", err.msg, why);
	}
	assert_int_equal(look().n, 0);
}

static void a_link_in_place_of_the_directory_is_refused(void **unused)
{
	OM_AUTOFREE char *elsewhere = om_xasprintf("%s/elsewhere", base);

	(void)unused;
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(symlink(elsewhere, dir), 0);
	assert_dir_refused("it is a link or no directory");
	assert_int_equal(rmdir(elsewhere), 0); /* and nothing was put there */
}

static void a_file_in_place_of_the_directory_is_refused(void **unused)
{
	(void)unused;
	assert_true(close(open(dir, O_CREAT | O_WRONLY, 0600)) == 0);
	assert_dir_refused("it is a link or no directory");
}

static void a_directory_open_to_others_is_refused(void **unused)
{
	static const mode_t modes[] = { 0777, 0750, 0701, 01777 };

	(void)unused;
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t i = 0; i < OM_ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(dir, modes[i]), 0);
		assert_dir_refused("does not belong to uid");
	}
}

static void a_directory_of_another_user_is_refused(void **unused)
{
	(void)unused;
	if (geteuid() != 0) /* only root can give one away; make check runs as root */
		return;
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chown(dir, 65534, 65534), 0);
	assert_dir_refused("does not belong to uid 0 alone");
}

static void a_link_in_place_of_the_state_is_replaced_not_followed(void **unused)
{
	OM_AUTOFREE char *victim = om_xasprintf("%s/victim", base), *path = in_dir(UUID ".state");
	struct om_state state = running();
	OM_AUTOCLOSE int fd = open_dir();

	(void)unused;
	assert_int_equal(close(open(victim, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(look().n, 0);
	assert_true(om_state_write(fd, &state));
	assert_mode(path, S_IFREG, 0600);
	assert_int_equal(look().n, 1);

	struct stat st;
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void a_link_in_place_of_the_lock_is_refused(void **unused)
{
	OM_AUTOFREE char *victim = om_xasprintf("%s/victim", base), *path = in_dir(UUID ".lock");
	OM_AUTOCLOSE int fd = open_dir();
	struct om_err err = { 0 };

	(void)unused;
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(om_state_lock(fd, UUID, 0, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "cannot be taken"));
	assert_int_equal(access(victim, F_OK), -1);
}

static void only_a_uuid_becomes_a_file(void **unused)
{
	struct om_state state = running();
	OM_AUTOCLOSE int fd = open_dir();
	struct om_err err = { 0 };

	(void)unused;
	om_str_copy(state.uuid, sizeof(state.uuid), "../victim");
	assert_false(om_state_write(fd, &state));
	assert_int_equal(om_state_lock(fd, "../victim", 0, NULL, &err), -1);
	assert_int_equal(om_state_lock(fd, "", 0, NULL, &err), -1);
}

static void files_that_are_no_states_are_passed_over(void **unused)
{
	struct om_state state = running();
	OM_AUTOFREE char *fifo = in_dir("85b4ad9d-6e6c-4a1e-bb1c-000000000003.state");
	OM_AUTOFREE char *state_path = in_dir(UUID ".state");
	char text[OM_STATE_TEXT_MAX];

	(void)unused;
	close(open_dir());
	om_state_print(&state, text, sizeof(text));
	put_file(UUID_2 ".state", text); /* another UUID inside */
	put_file(UUID ".state.old", text);
	put_file("x.state", text);
	put_file(UUID ".state", "no state");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(look().n, 0);
	assert_int_equal(unlink(state_path), 0);
	put_file("elsewhere", text);
	assert_int_equal(symlink("elsewhere", state_path), 0);
	assert_int_equal(look().n, 0);
	assert_int_equal(unlink(state_path), 0);
	put_file(UUID ".state", text);
	assert_int_equal(look().n, 1);
}

static void a_state_of_another_boot_is_not_believed(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_state state = running();
	struct seen seen;

	(void)unused;
	om_str_copy(state.boot_id, sizeof(state.boot_id), "00000000-0000-0000-0000-000000000000");
	assert_true(om_state_write(fd, &state));
	seen = look();
	assert_int_equal(seen.last.phase, OM_PHASE_UNKNOWN);
	assert_non_null(strstr(seen.last.result, "started anew"));
	state.phase = OM_PHASE_DONE;
	om_str_copy(state.result, sizeof(state.result), "done");
	assert_true(om_state_write(fd, &state));
	seen = look();
	assert_int_equal(seen.last.phase, OM_PHASE_DONE);
	assert_string_equal(seen.last.result, "done");
}

static void a_state_whose_process_died_is_not_believed(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_state state = running();
	pid_t child = fork();

	(void)unused;
	if (child == 0)
		_exit(0);
	assert_true(waitpid(child, NULL, 0) == child);
	state.pid = child;
	assert_true(om_state_write(fd, &state));
	assert_int_equal(look().last.phase, OM_PHASE_UNKNOWN);
	assert_non_null(strstr(look().last.result, "has died"));
	state.pid = 0;
	assert_true(om_state_write(fd, &state));
	assert_int_equal(look().last.phase, OM_PHASE_UNKNOWN);
}

static void what_was_left_to_stock_leaves_no_state(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_state state = running();

	(void)unused;
	state.phase = OM_PHASE_PREPARE;
	assert_true(om_state_write(fd, &state));
	assert_int_equal(look().n, 1);
	state.pid = 0;
	assert_true(om_state_write(fd, &state));
	assert_int_equal(look().n, 0);
	assert_true(om_state_write(fd, &state)); /* nor is it an error that there is none */
}

static void a_process_that_inherited_the_number_is_not_the_writer(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_state state = running();

	(void)unused;
	state.updated_epoch_ms -= 3600 * 1000; /* before this process began */
	assert_true(om_state_write(fd, &state));
	assert_int_equal(look().last.phase, OM_PHASE_UNKNOWN);
}

static void concurrent_writers_leave_one_whole_state_and_nothing_else(void **unused)
{
	enum { WRITERS = 4, ROUNDS = 200 };
	OM_AUTOCLOSE int fd = open_dir();
	struct om_state state = running();
	pid_t children[WRITERS];
	int running_count = WRITERS;

	(void)unused;
	assert_true(om_state_write(fd, &state));
	for (int i = 0; i < WRITERS; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		for (int round = 0; round < ROUNDS; round++) {
			memset(state.result, 'a' + i, sizeof(state.result) - 1);
			if (!om_state_write(fd, &state))
				_exit(1);
		}
		_exit(0);
	}
	while (running_count) {
		int status;

		assert_int_equal(look().n, 1);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			running_count--;
		}
	}
	OM_AUTOFREE char *command = om_xasprintf("test \"$(ls -A '%s')\" = " UUID ".state", dir);
	assert_int_equal(system(command), 0);
}

/* A child that holds the lock for hold_ms, or until it is killed; returns once it has it. */
static pid_t hold_lock(int fd, unsigned int hold_ms)
{
	int pipes[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		struct om_err err;
		int lock = om_state_lock(fd, UUID, 0, NULL, &err);

		if (lock < 0 || write(pipes[1], "x", 1) != 1)
			_exit(1);
		usleep(hold_ms * 1000);
		_exit(0);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	return child;
}

static void a_second_process_waits_for_the_lock(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_err err = { 0 };
	pid_t child = hold_lock(fd, 400);
	int lock = om_state_lock(fd, UUID, 0, NULL, &err), other;

	(void)unused;
	assert_int_equal(lock, -1);
	assert_int_equal(err.code, OM_E_INPUT);
	assert_string_equal(err.msg, "another migration of the VM has held its lock for 0 s");
	assert_int_equal(om_state_lock(fd, UUID, 100, NULL, &err), -1);
	other = om_state_lock(fd, UUID_2, 0, NULL, &err); /* of another VM: free */
	assert_true(other >= 0);
	lock = om_state_lock(fd, UUID, UINT32_MAX, NULL, &err);
	assert_true(lock >= 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(other);
	close(lock);
}

static void a_killed_process_holds_no_lock(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_err err = { 0 };
	pid_t child = hold_lock(fd, 60000);
	int lock;

	(void)unused;
	assert_int_equal(om_state_lock(fd, UUID, 0, NULL, &err), -1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	lock = om_state_lock(fd, UUID, 0, NULL, &err);
	assert_true(lock >= 0);
	close(lock);
}

static volatile int stop;

static void set_stop(int signal_number)
{
	(void)signal_number;
	stop = 1;
}

static void waiting_for_the_lock_ends_when_told(void **unused)
{
	OM_AUTOCLOSE int fd = open_dir();
	struct om_err err = { 0 };
	pid_t child = hold_lock(fd, 60000);

	(void)unused;
	stop = 0;
	signal(SIGALRM, set_stop);
	alarm(1);
	assert_int_equal(om_state_lock(fd, UUID, UINT32_MAX, &stop, &err), -1);
	assert_int_equal(err.code, OM_E_ABORTED);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void files_that_nobody_needs_are_removed_after_a_day(void **unused)
{
	static const char *const gone[] = { UUID ".state", UUID ".lock", UUID ".77.1.temp" };
	static const char *const kept[] = { UUID_2 ".state", UUID_2 ".lock", "notes.txt",
					    UUID ".state.bak", UUID ".x.temp" };
	struct om_state ended = running(), going_on = running();
	struct om_err err = { 0 };
	int fd = open_dir(), lock;

	(void)unused;
	ended.phase = OM_PHASE_DONE;
	om_str_copy(going_on.uuid, sizeof(going_on.uuid), UUID_2);
	assert_true(om_state_write(fd, &ended) && om_state_write(fd, &going_on));
	lock = om_state_lock(fd, UUID_2, 0, NULL, &err);
	put_file(UUID ".lock", "");
	put_file(UUID ".77.1.temp", "");
	put_file("notes.txt", "");
	put_file(UUID ".state.bak", "");
	put_file(UUID ".x.temp", "");
	close(fd);
	close(open_dir());
	for (size_t i = 0; i < OM_ARRAY_LEN(gone); i++) {
		OM_AUTOFREE char *path = in_dir(gone[i]);

		assert_true(is_there(gone[i])); /* young */
		age(path);
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(kept); i++) {
		OM_AUTOFREE char *path = in_dir(kept[i]);

		age(path);
	}
	close(open_dir());
	for (size_t i = 0; i < OM_ARRAY_LEN(gone); i++)
		assert_false(is_there(gone[i]));
	for (size_t i = 0; i < OM_ARRAY_LEN(kept); i++)
		assert_true(is_there(kept[i]));
	close(lock);
}

static void an_end_is_forgotten_and_nothing_else(void **unused)
{
	struct om_state state = running(), other = running();
	struct om_err err = { 0 };
	int fd = open_dir(), lock;

	(void)unused;
	om_str_copy(other.uuid, sizeof(other.uuid), UUID_2);
	other.phase = OM_PHASE_DONE;
	assert_false(om_state_forget(UUID));
	assert_true(om_state_write(fd, &state));
	assert_true(om_state_write(fd, &other));
	assert_false(om_state_forget(UUID)); /* it goes on */
	state.phase = OM_PHASE_DONE;
	assert_true(om_state_write(fd, &state));
	lock = om_state_lock(fd, UUID, 0, NULL, &err);
	assert_true(lock >= 0);
	assert_false(om_state_forget(UUID)); /* the next one begins */
	close(lock);
	assert_true(is_there(UUID ".state"));
	put_file("victim.state", "x");
	assert_false(om_state_forget("victim"));
	assert_false(om_state_forget(""));
	assert_true(om_state_forget(UUID));
	assert_false(om_state_forget(UUID));
	assert_false(is_there(UUID ".state"));
	assert_true(is_there(UUID_2 ".state") && is_there("victim.state"));
	close(fd);
}

static void a_full_or_closed_directory_is_no_one_s_end(void **unused)
{
	struct om_state state = running();

	(void)unused;
	assert_false(om_state_write(-1, &state));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_written_state_is_seen_whole),
		TEST(directory_and_files_are_private_under_any_umask),
		TEST(reading_makes_no_directory_and_is_no_error_without_one),
		TEST(a_link_in_place_of_the_directory_is_refused),
		TEST(a_file_in_place_of_the_directory_is_refused),
		TEST(a_directory_open_to_others_is_refused),
		TEST(a_directory_of_another_user_is_refused),
		TEST(a_link_in_place_of_the_state_is_replaced_not_followed),
		TEST(a_link_in_place_of_the_lock_is_refused),
		TEST(only_a_uuid_becomes_a_file),
		TEST(files_that_are_no_states_are_passed_over),
		TEST(a_state_of_another_boot_is_not_believed),
		TEST(a_state_whose_process_died_is_not_believed),
		TEST(what_was_left_to_stock_leaves_no_state),
		TEST(a_process_that_inherited_the_number_is_not_the_writer),
		TEST(concurrent_writers_leave_one_whole_state_and_nothing_else),
		TEST(a_second_process_waits_for_the_lock),
		TEST(a_killed_process_holds_no_lock),
		TEST(waiting_for_the_lock_ends_when_told),
		TEST(files_that_nobody_needs_are_removed_after_a_day),
		TEST(an_end_is_forgotten_and_nothing_else),
		TEST(a_full_or_closed_directory_is_no_one_s_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
