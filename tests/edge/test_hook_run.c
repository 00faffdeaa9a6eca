/* SPDX-License-Identifier: Apache-2.0 */
/* Real programs in a directory of their own. */
#include "om_cmocka.h"

#include "om_agent.h"
#include "om_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/test-hook-XXXXXX";
static struct om_hook_files files;

struct heard {
	char text[16384];
	unsigned int lines;
};
static struct heard heard;

static int set_up(void **unused)
{
	struct om_err err;

	(void)unused;
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	heard = (struct heard){ 0 };
	return mkdtemp(dir) && om_hook_files_make(&files, &err) ? 0 : -1;
}

static int tear_down(void **unused)
{
	OM_AUTOFREE char *command = om_xasprintf("rm -rf '%s'", dir);

	(void)unused;
	om_hook_files_remove(&files);
	return system(command);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static char *at(const char *name)
{
	return om_xasprintf("%s/%s", dir, name);
}

static void put(const char *name, const char *text, mode_t mode)
{
	OM_AUTOFREE char *path = at(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void put_script(const char *name, const char *text)
{
	OM_AUTOFREE char *script = om_xasprintf("#!/bin/bash\n%s\n", text);

	put(name, script, 0755);
}

static void hear(void *ctx, const char *line)
{
	size_t len = strlen(heard.text);

	(void)ctx;
	heard.lines++;
	snprintf(heard.text + len, sizeof(heard.text) - len, "%s|", line);
}

static bool run(const char *name, uint32_t timeout_ms, int stop_fd, struct om_err *err)
{
	const struct om_hook_call call = { .dir = dir,
					   .name = name,
					   .phase = OM_HOOK_PRE,
					   .files = &files,
					   .timeout_ms = timeout_ms,
					   .stop_fd = stop_fd };

	return om_hook_run(&call, hear, NULL, err);
}

static char *read_text(const char *name)
{
	OM_AUTOFREE char *path = at(name);
	FILE *file = fopen(path, "r");
	char *text = om_xcalloc(1, 256);

	if (file && !fgets(text, 255, file))
		*text = '\0';
	if (file)
		fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* A process that has died may be a zombie for as long as init takes. */
static bool lives(const char *pid)
{
	OM_AUTOFREE char *path = om_xasprintf("/proc/%s/stat", pid);
	FILE *file = fopen(path, "r");
	char state = 'Z';

	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state != 'Z' && state != 'X';
}

static bool dies(const char *pid)
{
	for (int i = 0; i < 200 && lives(pid); i++)
		usleep(10000);
	return !lives(pid);
}

static void hooks_are_listed_in_the_order_of_their_bytes(void **unused)
{
	struct om_strv names = { 0 }, skipped = { 0 };

	(void)unused;
	put_script("20-b", "");
	put_script("10-a", "");
	put_script("B", "");
	put_script("a", "");
	put_script("9", "");
	om_hooks_list(dir, &names, &skipped);
	assert_int_equal(names.n, 5);
	assert_string_equal(names.v[0], "10-a");
	assert_string_equal(names.v[1], "20-b");
	assert_string_equal(names.v[2], "9");
	assert_string_equal(names.v[3], "B");
	assert_string_equal(names.v[4], "a");
	assert_int_equal(skipped.n, 0);
	om_strv_free(&names);
}

static void what_is_not_safe_to_run_is_skipped_and_named(void **unused)
{
	struct om_strv names = { 0 }, skipped = { 0 };
	OM_AUTOFREE char *link = at("30-link"), *other = at("40-other"), *sub = at("60-sub");

	(void)unused;
	put_script("10-good", "");
	put("20-writable", "#!/bin/bash\n", 0775);
	assert_int_equal(symlink("10-good", link), 0);
	put_script("40-other", "");
	put("50-not-executable", "#!/bin/bash\n", 0644);
	put("README", "text\n", 0644);
	put_script("10-good.bak", "");
	put_script("10-good~", "");
	assert_int_equal(mkdir(sub, 0755), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(other, 1234, 1234), 0);
	om_hooks_list(dir, &names, &skipped);
	assert_int_equal(names.n, geteuid() == 0 ? 1 : 2);
	assert_string_equal(names.v[0], "10-good");
	assert_int_equal(skipped.n, geteuid() == 0 ? 3 : 2);
	assert_non_null(
		strstr(skipped.v[0], "/20-writable can be written by others: it is not run"));
	assert_non_null(strstr(skipped.v[1], "/30-link is a link: it is not run"));
	if (geteuid() == 0)
		assert_non_null(strstr(skipped.v[2], "/40-other belongs to another user"));
	om_strv_free(&names);
	om_strv_free(&skipped);
}

static void a_directory_that_others_can_write_has_no_hooks(void **unused)
{
	struct om_strv names = { 0 }, skipped = { 0 };
	OM_AUTOFREE char *missing = at("missing");

	(void)unused;
	om_hooks_list(missing, &names, &skipped);
	assert_int_equal(names.n + skipped.n, 0);
	put_script("10-a", "");
	assert_int_equal(chmod(dir, 01777), 0);
	om_hooks_list(dir, &names, &skipped);
	assert_int_equal(names.n, 0);
	assert_int_equal(skipped.n, 1);
	assert_non_null(strstr(skipped.v[0], "can be written by others"));
	om_strv_free(&skipped);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(remove(missing) == 0, false);
	put("missing", "", 0644);
	om_hooks_list(missing, &names, &skipped);
	assert_int_equal(skipped.n, 1); /* no directory */
	om_strv_free(&skipped);
}

static void there_is_an_end_to_hooks(void **unused)
{
	struct om_strv names = { 0 }, skipped = { 0 };
	char name[16];

	(void)unused;
	for (int i = 0; i < OM_HOOKS_MAX + 2; i++) {
		snprintf(name, sizeof(name), "%03d", i);
		put_script(name, "");
	}
	om_hooks_list(dir, &names, &skipped);
	assert_int_equal(names.n, OM_HOOKS_MAX);
	assert_int_equal(skipped.n, 2);
	om_strv_free(&names);
	om_strv_free(&skipped);
}

static void a_hook_gets_its_arguments_and_no_stdin(void **unused)
{
	OM_AUTOFREE char *want = om_xasprintf("pre %s %s 3|/dev/null|", files.domain, files.vm);
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "echo \"$1 $2 $3 $#\"; readlink /proc/self/fd/0");
	assert_true(run("10-a", 5000, -1, &err));
	assert_string_equal(heard.text, want);
}

static void both_streams_are_heard_in_order(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "echo one; echo two >&2; printf three");
	assert_true(run("10-a", 5000, -1, &err));
	assert_string_equal(heard.text, "one|two|three|");
}

static void a_failure_is_told_with_its_last_line(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "echo first; echo 'no licence for this host' >&2; exit 3");
	assert_false(run("10-a", 5000, -1, &err));
	assert_string_equal(err.msg, "hook 10-a ended with status 3: no licence for this host");
	put_script("20-b", "exit 1");
	assert_false(run("20-b", 5000, -1, &err));
	assert_string_equal(err.msg, "hook 20-b ended with status 1");
	put_script("30-c", "kill -TERM $$");
	assert_false(run("30-c", 5000, -1, &err));
	assert_string_equal(err.msg, "hook 30-c was killed by signal 15");
}

static void what_cannot_be_started_is_a_failure(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	put("10-a", "#!/nonexistent/interpreter\n", 0755);
	assert_false(run("10-a", 5000, -1, &err));
	assert_string_equal(err.msg, "hook 10-a cannot be started: No such file or directory");
}

static void one_that_hangs_is_killed_with_its_children(void **unused)
{
	OM_AUTOFREE char *pids = at("pids");
	OM_AUTOFREE char *script =
		om_xasprintf("trap '' TERM; echo begun; sleep 300 & echo $! >%s; sleep 300", pids);
	OM_AUTOFREE char *pid = NULL;
	uint64_t begun_ms = now_ms();
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", script);
	assert_false(run("10-a", 700, -1, &err));
	assert_true(now_ms() - begun_ms >= 700);
	assert_true(now_ms() - begun_ms < 5000);
	assert_string_equal(err.msg, "hook 10-a did not end within 0.7 s and was killed");
	assert_string_equal(heard.text, "begun|");
	pid = read_text("pids");
	assert_true(*pid);
	assert_true(dies(pid));
}

static void one_that_closes_its_output_and_hangs_is_killed_too(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "exec >/dev/null 2>&1; sleep 300");
	assert_false(run("10-a", 500, -1, &err));
	assert_non_null(strstr(err.msg, "did not end within 0.5 s"));
}

static void a_flood_neither_blocks_nor_fills_the_log(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "for i in {1..20000}; do echo \"line $i of many, many lines\"; done; "
			   "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo done; exit 4");
	assert_false(run("10-a", 60000, -1, &err));
	assert_int_equal(heard.lines, OM_HOOK_LINES + 1);
	assert_non_null(strstr(heard.text, "|line 20 of many, many lines|(19982 more lines)|"));
	assert_string_equal(err.msg, "hook 10-a ended with status 4: done");
}

/* It is gone before a part of it was read. */
static void what_it_prints_last_is_heard(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "printf '%060000d\\nlast words\\n' 0; exit 4");
	for (int i = 0; i < 5; i++) {
		assert_false(run("10-a", 20000, -1, &err));
		assert_string_equal(err.msg, "hook 10-a ended with status 4: last words");
	}
}

static void a_flood_without_end_is_killed(void **unused)
{
	uint64_t begun_ms = now_ms();
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", "yes");
	assert_false(run("10-a", 500, -1, &err));
	assert_true(now_ms() - begun_ms < 5000);
	assert_non_null(strstr(err.msg, "did not end"));
}

static void what_it_leaves_in_the_background_is_not_waited_for(void **unused)
{
	OM_AUTOFREE char *pids = at("pids");
	OM_AUTOFREE char *script = om_xasprintf("sleep 300 & echo $! >%s; echo done", pids);
	OM_AUTOFREE char *pid = NULL;
	uint64_t begun_ms = now_ms();
	struct om_err err = { 0 };

	(void)unused;
	put_script("10-a", script);
	assert_true(run("10-a", 20000, -1, &err));
	assert_true(now_ms() - begun_ms < 10000);
	assert_string_equal(heard.text, "done|");
	pid = read_text("pids");
	assert_true(lives(pid)); /* it is the operator's */
	kill(atoi(pid), SIGKILL);
}

static void a_word_or_the_end_of_it_stops_a_hook(void **unused)
{
	(void)unused;
	for (int word = 0; word < 2; word++) {
		uint64_t begun_ms = now_ms();
		struct om_err err = { 0 };
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		if (word)
			assert_int_equal(write(ends[1], "failed\n", 7), 7);
		close(ends[1]);
		put_script("10-a", "sleep 300");
		assert_false(run("10-a", 60000, ends[0], &err));
		close(ends[0]);
		assert_int_equal(err.code, OM_E_ABORTED);
		assert_string_equal(err.msg, "hook 10-a was stopped");
		assert_true(now_ms() - begun_ms < 5000);
	}
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void the_files_are_private_whatever_the_umask_is(void **unused)
{
	struct om_err err;
	mode_t old = umask(0);

	(void)unused;
	assert_true(om_hook_file_write(files.domain, "<domain/>", &err));
	umask(0777);
	assert_true(om_hook_file_write(files.vm, "<VM/>", &err));
	umask(old);
	assert_mode(files.dir, 0700);
	assert_mode(files.domain, 0600);
	assert_mode(files.vm, 0600);
}

static void they_go_with_whatever_was_put_beside_them(void **unused)
{
	OM_AUTOFREE char *sub = om_xasprintf("%s/sub", files.dir);
	OM_AUTOFREE char *deep = om_xasprintf("%s/sub/file", files.dir);
	OM_AUTOFREE char *link = om_xasprintf("%s/link", files.dir), *kept = at("kept");
	struct om_err err;

	(void)unused;
	put("kept", "x", 0644);
	assert_true(om_hook_file_write(files.domain, "<domain/>", &err));
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_true(om_hook_file_write(deep, "x", &err));
	assert_int_equal(symlink(dir, link), 0);
	om_hook_files_remove(&files);
	assert_int_equal(access(files.dir, F_OK), -1);
	assert_int_equal(access(kept, F_OK), 0);
}

static void what_a_hook_left_in_place_of_the_file_is_refused(void **unused)
{
	OM_AUTOFREE char *big = om_xcalloc(1, OM_HOOK_XML_MAX + 2), *text = NULL;
	struct om_err err;
	size_t len;

	(void)unused;
	assert_false(om_hook_file_read(files.domain, &text, &len, &err)); /* removed */
	assert_int_equal(symlink("/etc/passwd", files.domain), 0);
	assert_false(om_hook_file_read(files.domain, &text, &len, &err));
	assert_int_equal(unlink(files.domain), 0);
	assert_int_equal(mkfifo(files.domain, 0600), 0);
	assert_false(om_hook_file_read(files.domain, &text, &len, &err));
	assert_int_equal(unlink(files.domain), 0);
	memset(big, 'x', OM_HOOK_XML_MAX + 1);
	assert_true(om_hook_file_write(files.domain, big, &err));
	assert_false(om_hook_file_read(files.domain, &text, &len, &err));
	assert_int_equal(truncate(files.domain, OM_HOOK_XML_MAX), 0);
	assert_true(om_hook_file_read(files.domain, &text, &len, &err));
	assert_int_equal(len, OM_HOOK_XML_MAX);
}

/* ---- the guest's agent, behind a virsh of ours: the real one wants a host ---- */

static bool tell(const char *virsh, enum om_agent_word word, int stop_fd, struct om_err *err)
{
	OM_AUTOFREE char *path = om_xasprintf("%s:%s", dir, getenv("PATH"));
	OM_AUTOFREE char *old = om_xstrdup(getenv("PATH"));
	struct om_agent agent = { 0 };
	bool told;

	put_script("virsh", virsh);
	setenv("PATH", path, 1);
	om_agent_open(&agent, "qemu:///system");
	told = om_agent_tell(&agent, "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4", word, stop_fd, err);
	om_agent_close(&agent);
	setenv("PATH", old, 1);
	return told;
}

#define EXEC "read -r line; printf 'virsh # %s\\n{\"return\":{\"pid\":7}}\\n\\n' \"$line\"; "
#define STATUS(text) "read -r line; echo \"virsh # $line\"; echo '{\"return\":{" text "}}'; "

static void a_guest_is_told_and_its_program_waited_for(void **unused)
{
	struct om_err err;

	(void)unused;
	assert_true(tell(EXEC STATUS("\"exited\":false") STATUS("\"exitcode\":0,\"exited\":true"),
			 OM_AGENT_BEFORE, -1, &err));
	assert_string_equal(err.msg, "");
	assert_true(tell(EXEC STATUS("\"exitcode\":2,\"exited\":true"), OM_AGENT_BEFORE, -1, &err));
	assert_string_equal(err.msg, "its program ended with status 2");
	assert_true(tell(EXEC, OM_AGENT_AFTER, -1, &err)); /* not waited for */
	assert_string_equal(err.msg, "");
}

static void an_agent_that_cannot_is_one_sentence(void **unused)
{
	struct om_err err;

	(void)unused;
	assert_false(
		tell("read -r line; echo 'error: Guest agent is not responding' >&2; read -r x",
		     OM_AGENT_BEFORE, -1, &err));
	assert_string_equal(err.msg, "Guest agent is not responding");
	assert_false(tell("exit 1", OM_AGENT_BEFORE, -1, &err));
	assert_true(*err.msg);
	assert_false(
		tell("read -r line; printf '{\"return\":\\033[0m}\\n'", OM_AGENT_BEFORE, -1, &err));
}

static void a_deaf_one_costs_its_limit_and_no_more(void **unused)
{
	uint64_t begun_ms = now_ms();
	struct om_err err;
	int ends[2];

	(void)unused;
	assert_false(tell("sleep 300", OM_AGENT_BEFORE, -1, &err));
	assert_true(now_ms() - begun_ms >= OM_AGENT_LIMIT_MS);
	assert_true(now_ms() - begun_ms < OM_AGENT_LIMIT_MS + 3000);
	begun_ms = now_ms();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[1]);
	assert_false(tell("sleep 300", OM_AGENT_BEFORE, ends[0], &err)); /* it is to stop */
	close(ends[0]);
	assert_true(now_ms() - begun_ms < 3000);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as in the program */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(hooks_are_listed_in_the_order_of_their_bytes),
		TEST(what_is_not_safe_to_run_is_skipped_and_named),
		TEST(a_directory_that_others_can_write_has_no_hooks),
		TEST(there_is_an_end_to_hooks),
		TEST(a_hook_gets_its_arguments_and_no_stdin),
		TEST(both_streams_are_heard_in_order),
		TEST(a_failure_is_told_with_its_last_line),
		TEST(what_cannot_be_started_is_a_failure),
		TEST(one_that_hangs_is_killed_with_its_children),
		TEST(one_that_closes_its_output_and_hangs_is_killed_too),
		TEST(a_flood_neither_blocks_nor_fills_the_log),
		TEST(what_it_prints_last_is_heard),
		TEST(a_flood_without_end_is_killed),
		TEST(what_it_leaves_in_the_background_is_not_waited_for),
		TEST(a_word_or_the_end_of_it_stops_a_hook),
		TEST(the_files_are_private_whatever_the_umask_is),
		TEST(they_go_with_whatever_was_put_beside_them),
		TEST(what_a_hook_left_in_place_of_the_file_is_refused),
		TEST(a_guest_is_told_and_its_program_waited_for),
		TEST(an_agent_that_cannot_is_one_sentence),
		TEST(a_deaf_one_costs_its_limit_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
