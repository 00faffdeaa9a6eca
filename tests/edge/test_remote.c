/* SPDX-License-Identifier: Apache-2.0 */
/* Both ways of the port against a real sshd on loopback: what one promises, the other has to keep. */
#include "om_cmocka.h"

#include "om_remote.h"
#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "build/onemigrate-ssh"
#define SSHD "/usr/sbin/sshd"

static char dir[] = "/tmp/test-remote-XXXXXX", config[64], program[4096];
static pid_t keeper;
static int keeper_pipe = -1;
static volatile int stop;

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
	OM_AUTOFREE char *command = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&command, fmt, args) < 0)
		command = NULL;
	va_end(args);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static char *at(const char *name)
{
	return om_xasprintf("%s/%s", dir, name);
}

/* Ends sshd when the last writer of the pipe has gone, however the test program ended. Whoever reads what the tests
 * print does not wait for a session that lives a little longer. */
static void keep(int alive, char *const argv[])
{
	struct pollfd writers = { .fd = alive };
	pid_t pid = fork();

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0)
		if (poll(&writers, 1, 50) > 0) {
			kill(pid, SIGTERM);
			waitpid(pid, NULL, 0);
		}
	_exit(0);
}

static void start_sshd(int port)
{
	OM_AUTOFREE char *conf = at("sshd_config"), *log = at("log"),
			 *number = om_xasprintf("%d", port);
	char *argv[] = { SSHD, "-D", "-f", conf, "-E", log, "-p", number, NULL };
	int alive[2];

	if (pipe2(alive, O_CLOEXEC) != 0)
		fail_msg("pipe2: %s", strerror(errno));
	keeper = fork();
	if (keeper == 0) {
		close(alive[1]);
		keep(alive[0], argv);
	}
	close(alive[0]);
	keeper_pipe = alive[1];
}

static void end_sshd(void)
{
	close(keeper_pipe);
	keeper_pipe = -1;
	waitpid(keeper, NULL, 0);
}

static bool listens(int port)
{
	OM_AUTOFREE char *command = om_xasprintf("grep -qs 'listening on 127.0.0.2 port %d' %s/log",
						 port, dir);

	for (int i = 0; i < 60; i++) {
		if (system(command) == 0)
			return true;
		if (waitpid(keeper, NULL, WNOHANG) == keeper)
			break;
		usleep(50000);
	}
	end_sshd();
	return false;
}

static int set_up(void **unused)
{
	int port = 0, tries = 20;

	(void)unused;
	if (access(SSHD, X_OK) != 0 || access(PROGRAM, X_OK) != 0 || !realpath(PROGRAM, program) ||
	    !mkdtemp(dir))
		return -1;
	signal(SIGPIPE, SIG_IGN);
	unsetenv("SSH_AUTH_SOCK");
	shell("cd %s && mkdir -p tree/onemigrate to && ssh-keygen -q -t ed25519 -N '' -f host && "
	      "ssh-keygen -q -t ed25519 -N '' -f id && { [ $(id -u) != 0 ] || mkdir -p /run/sshd; }",
	      dir);
	shell("printf '%%s\\n' 'ListenAddress 127.0.0.1' 'ListenAddress 127.0.0.2' 'HostKey %s/host' 'AuthorizedKeysFile "
	      "%s/id.pub' 'PidFile none' 'StrictModes no' 'UsePAM no' 'PermitRootLogin yes' >%s/sshd_config",
	      dir, dir, dir);
	do
		start_sshd(port = 20000 +
				  (int)((unsigned int)(getpid() * 7 + tries * 611) % 12000));
	while (!listens(port) && --tries);
	snprintf(config, sizeof(config), "%s/config", dir);
	shell("printf '%%s\\n' 'Host quiet' 'LogLevel QUIET' 'Host jump' 'ProxyJump there' 'Host strict' 'StrictHostKeyChecking yes' 'UserKnownHostsFile "
	      "/dev/null' 'Host *' 'HostName 127.0.0.1' 'Port %d' 'UserKnownHostsFile %s/known' 'IdentityFile %s/id' "
	      "'StrictHostKeyChecking accept-new' 'GlobalKnownHostsFile none' >%s",
	      port, dir, dir, config);
	/* The tree of the other host: a program that serves, found as in a synced one. */
	shell("printf '#!/bin/sh\\nexec %s serve\\n' >%s/tree/onemigrate/run && chmod 755 %s/tree/onemigrate/run",
	      program, dir, dir);
	return tries ? 0 : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	end_sshd();
	shell("rm -rf %s", dir);
	return 0;
}

/* The two ways, and the one in which only scripts go by the first. */
enum way { CHILD, SSH, MIXED, WAYS };

static struct om_remote_want wish(enum way way, const char *host)
{
	static char tree[64];

	snprintf(tree, sizeof(tree), "%s/%s", dir, way == MIXED ? "nowhere" : "tree");
	stop = 0;
	return (struct om_remote_want){ .host = host,
					.ssh_config = config,
					.remotes_dir = tree,
					.program = way == SSH ? "" : program,
					.stop = &stop };
}

static void open_way(struct om_remote_ops *ops, enum way way)
{
	struct om_remote_want want = wish(way, "there");
	struct om_err err = { 0 };

	if (!om_remote_open(ops, &want, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(ops->how, way == SSH ? "ssh" : "onemigrate-ssh");
	assert_string_equal(ops->address, "127.0.0.1");
}

static void a_script_s_output_and_status_come_back(void **unused)
{
	(void)unused;
	for (enum way way = CHILD; way < WAYS; way++) {
		OM_REMOTE_ANSWER answer = { 0 };
		struct om_remote_ops ops;
		struct om_err err = { 0 };
		struct om_buf script = { 0 };

		open_way(&ops, way);
		om_buf_addf(&script, "printf '%%s' ");
		om_remote_quote(&script, "it's\n$(false) \"q\"");
		om_buf_addf(&script, "; echo why >&2; exit 9");
		assert_true(ops.run(ops.ctx, script.text, 30000, &answer, &err));
		assert_int_equal(answer.status, 9);
		assert_string_equal(answer.out.text, "it's\n$(false) \"q\"");
		assert_non_null(strstr(answer.err.text, "why\n"));
		om_remote_answer_free(&answer);
		assert_true(ops.run(ops.ctx, "head -c 3000000 /dev/zero | tr '\\0' x", 30000,
				    &answer, &err));
		assert_true(answer.out.len >= 1 << 20 && answer.out.len < 2000000);
		om_remote_answer_free(&answer);
		assert_false(ops.run(ops.ctx, "sleep 30", 300, &answer, &err));
		assert_non_null(strstr(err.msg, "in time"));
		free(script.text);
		ops.close(ops.ctx);
	}
}

static struct om_remote_progress seen;
static void on_progress(void *ctx, const struct om_remote_progress *progress)
{
	(void)ctx;
	seen = *progress;
}

static bool put(struct om_remote_ops *ops, const char *src, const char *dst, bool replace,
		struct om_err *err)
{
	OM_AUTOFREE char *from = at(src), *to = at(dst);
	struct om_remote_file file = { .src = from, .dst = to, .replace = replace };
	bool ok = ops->put(ops->ctx, &file, 1, on_progress, NULL, err);

	assert_int_equal(ok, file.placed);
	return ok;
}

static void nothing_is_left_there(void)
{
	shell("test -z \"$(find %s -name '.onemigrate-put.*')\"", dir);
}

/* ssh is told to say nothing, and has something to say. */
static void a_failure_without_a_word_is_a_failure(void **unused)
{
	struct om_remote_want want = wish(SSH, "quiet");
	struct om_remote_ops ops;
	struct om_err err = { 0 };

	(void)unused;
	shell("echo text >%s/said", dir);
	assert_true(om_remote_open(&ops, &want, &err));
	assert_true(put(&ops, "said", "to/said", false, &err));
	shell("mv %s/id.pub %s/id.away", dir, dir);
	assert_false(put(&ops, "said", "to/unsaid", false, &err));
	shell("mv %s/id.away %s/id.pub && rm %s/to/said", dir, dir, dir);
	assert_string_not_equal(err.msg, "");
	ops.close(ops.ctx);
	nothing_is_left_there();
}

#define ODD "a 'b' \"c\" $(touch no)\n;d"

static void files_and_trees_arrive_as_they_are(void **unused)
{
	OM_AUTOFREE char *odd = at(ODD);
	FILE *file;

	(void)unused;
	file = fopen(odd, "w");
	assert_non_null(file);
	fputs("odd", file);
	fclose(file);
	shell("cd %s && truncate -s 40M sparse && echo x | dd of=sparse bs=1 seek=20000000 conv=notrunc 2>/dev/null && "
	      "chmod 640 sparse && touch -d 2001-02-03 sparse && mkdir -p t/e && for i in $(seq 200); do echo $i >t/e/$i; "
	      "done && ln -s /no/where t/link",
	      dir);
	for (enum way way = CHILD; way < MIXED; way++) {
		struct om_remote_ops ops;
		struct om_err err = { 0 };

		shell("rm -rf %s/to && mkdir %s/to", dir, dir);
		open_way(&ops, way);
		if (!put(&ops, "sparse", "to/sparse", false, &err) ||
		    !put(&ops, "t", "to/t", false, &err) ||
		    !put(&ops, ODD, "to/" ODD, false, &err) ||
		    !put(&ops, "t/link", "to/link", false, &err))
			fail_msg("%s", err.msg);
		assert_int_equal(seen.done_bytes, seen.total_bytes);
		shell("cd %s && cmp sparse to/sparse && [ $(stat -c %%b to/sparse) -lt 200 ] && [ \"$(stat -c '%%a %%Y' "
		      "sparse)\" = \"$(stat -c '%%a %%Y' to/sparse)\" ] && diff -r --no-dereference t to/t && [ -L "
		      "to/t/link ] && [ -L to/link ] && [ $(cat to/a*) = odd ] && [ ! -e no ]",
		      dir);
		/* added to what exists, never over it */
		shell("cd %s && rm -rf u && mkdir -p u/e u/new && echo 1 >u/e/added && echo 2 >u/new/f",
		      dir);
		assert_true(put(&ops, "u", "to/t", false, &err));
		shell("cd %s/to/t && [ $(cat e/added new/f e/7 | tr -d '\\n') = 127 ]", dir);
		assert_false(put(&ops, "u", "to/t", false, &err));
		assert_non_null(strstr(err.msg, "it exists there"));
		assert_false(put(&ops, ODD, "to/sparse", false, &err));
		assert_non_null(strstr(err.msg, "to/sparse: it exists there"));
		assert_true(put(&ops, ODD, "to/sparse", true, &err));
		shell("[ $(cat %s/to/sparse) = odd ]", dir);
		assert_false(put(&ops, "not-there", "to/x", false, &err));
		assert_false(put(&ops, "sparse", "no/such/dir", false, &err));
		assert_int_equal(err.code, OM_E_SOURCE);
		ops.close(ops.ctx);
		nothing_is_left_there();
	}
}

static void the_first_that_fails_ends_it_and_what_is_in_place_is_told(void **unused)
{
	OM_AUTOFREE char *one = at("one"), *two = at("two"), *to_one = at("to/one"),
			 *to_two = at("to/two"), *to_three = at("to/three");

	(void)unused;
	shell("cd %s && echo 1 >one && echo 2 >two", dir);
	for (enum way way = CHILD; way < WAYS; way++) {
		struct om_remote_file files[] = { { .src = one, .dst = to_one },
						  { .src = two, .dst = to_two },
						  { .src = one, .dst = to_three } };
		struct om_remote_ops ops;
		struct om_err err = { 0 };

		shell("rm -rf %s/to && mkdir %s/to && echo mine >%s", dir, dir, to_two);
		open_way(&ops, way);
		assert_false(ops.put(ops.ctx, files, 3, NULL, NULL, &err));
		assert_true(files[0].placed && !files[1].placed && !files[2].placed);
		assert_int_equal(access(to_three, F_OK), -1);
		ops.close(ops.ctx);
		nothing_is_left_there();
	}
}

static void a_limit_that_no_host_reaches_is_none(void **unused)
{
	(void)unused;
	shell("echo fast >%s/fast", dir);
	for (enum way way = CHILD; way < WAYS; way++) {
		struct om_remote_want want = wish(way, "there");
		struct om_remote_ops ops;
		struct om_err err = { 0 };

		shell("rm -rf %s/to && mkdir %s/to", dir, dir);
		want.limit_mibps = (UINT64_C(1) << 32) + 10000000;
		assert_true(om_remote_open(&ops, &want, &err));
		assert_string_equal(ops.how, way == SSH ? "ssh" : "onemigrate-ssh");
		assert_true(put(&ops, "fast", "to/fast", false, &err));
		ops.close(ops.ctx);
	}
}

static void *change(void *path)
{
	for (int i = 0; i < 3000 && !stop; i++) {
		int fd = open(path, O_WRONLY | O_APPEND);

		if (fd < 0 || write(fd, "x", 1) != 1)
			abort();
		close(fd);
		usleep(20000);
	}
	return NULL;
}

static void a_file_that_changes_is_refused(void **unused)
{
	OM_AUTOFREE char *path = at("changes");

	(void)unused;
	for (enum way way = CHILD; way < MIXED; way++) {
		struct om_remote_want want = wish(way, "there");
		struct om_remote_ops ops;
		struct om_err err = { 0 };
		pthread_t thread;

		shell("head -c 3000000 /dev/urandom >%s", path);
		want.limit_mibps = 3;
		assert_true(om_remote_open(&ops, &want, &err));
		assert_int_equal(pthread_create(&thread, NULL, change, path), 0);
		assert_false(put(&ops, "changes", "to/changes", false, &err));
		assert_non_null(strstr(err.msg, "it changed while it was sent"));
		stop = 1;
		pthread_join(thread, NULL);
		ops.close(ops.ctx);
		nothing_is_left_there();
	}
}

static void *stop_soon(void *unused)
{
	(void)unused;
	usleep(700000);
	stop = 1;
	return NULL;
}

static void a_stop_ends_what_runs(void **unused)
{
	(void)unused;
	shell("head -c 30000000 /dev/urandom >%s/big", dir);
	for (enum way way = CHILD; way < SSH; way++) {
		struct om_remote_want want = wish(way, "there");
		struct om_remote_ops ops;
		struct om_err err = { 0 };
		pthread_t thread;

		want.limit_mibps = 1;
		assert_true(om_remote_open(&ops, &want, &err));
		assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
		assert_false(put(&ops, "big", "to/big", false, &err));
		assert_non_null(strstr(err.msg, "stopped"));
		pthread_join(thread, NULL);
		ops.close(ops.ctx);
		usleep(1000000); /* its other end notices */
		nothing_is_left_there();
	}
}

static void where_the_program_cannot_serve_ssh_does(void **unused)
{
	OM_AUTOFREE char *absent = at("absent"), *broken = at("broken");
	struct {
		const char *program, *host;
	} rows[] = { { absent, "there" },
		     { "/nonexistent/onemigrate-ssh", "there" },
		     { broken, "there" },
		     { program, "jump" } };

	(void)unused;
	/* as the loader ends a program whose library is missing */
	shell("printf '#!/bin/sh\\nLD_LIBRARY_PATH=%s/lib exec %s \"$@\"\\n' >%s && chmod 755 %s && mkdir -p %s/lib && : "
	      ">%s/lib/libssh2.so.1",
	      dir, program, absent, absent, dir, dir);
	shell("printf '#!/bin/sh\\nexit 1\\n' >%s && chmod 755 %s", broken, broken);
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_remote_want want = wish(CHILD, rows[i].host);
		OM_REMOTE_ANSWER answer = { 0 };
		struct om_remote_ops ops;
		struct om_err err = { 0 };

		want.program = rows[i].program;
		if (!om_remote_open(&ops, &want, &err))
			fail_msg("%s", err.msg);
		assert_string_equal(ops.how, "ssh");
		assert_true(ops.run(ops.ctx, "echo ran", 30000, &answer, &err));
		assert_string_equal(answer.out.text, "ran\n");
		ops.close(ops.ctx);
	}
}

static void the_fast_address_is_taken_with_the_key_of_the_host(void **unused)
{
	(void)unused;
	for (enum way way = CHILD; way < MIXED; way++) {
		struct om_remote_want want = wish(way, "there");
		OM_REMOTE_ANSWER answer = { 0 };
		struct om_remote_ops ops;
		struct om_err err = { 0 };

		want.address = "127.0.0.2";
		if (!om_remote_open(&ops, &want, &err))
			fail_msg("%s", err.msg);
		assert_string_equal(ops.address, "127.0.0.2");
		assert_true(
			ops.run(ops.ctx, "set -- $SSH_CONNECTION; echo $3", 30000, &answer, &err));
		assert_string_equal(answer.out.text, "127.0.0.2\n");
		ops.close(ops.ctx);
		shell("! grep -q '127.0.0.2' %s/known", dir);
		want.address = "127.0.0.3";
		assert_true(om_remote_open(&ops, &want, &err));
		assert_string_equal(ops.address, "127.0.0.1");
		ops.close(ops.ctx);
		want.strict = true;
		assert_false(om_remote_open(&ops, &want, &err));
		assert_int_equal(err.code, OM_E_INPUT);
	}
}

static void a_key_that_is_not_known_is_refused_both_ways(void **unused)
{
	(void)unused;
	for (enum way way = CHILD; way < MIXED; way++) {
		struct om_remote_want want = wish(way, "strict");
		OM_REMOTE_ANSWER answer = { 0 };
		struct om_remote_ops ops;
		struct om_err err = { 0 };

		if (!om_remote_open(&ops, &want, &err))
			continue;
		assert_int_equal(way, SSH); /* which tells at the first request */
		assert_false(ops.run(ops.ctx, "true", 30000, &answer, &err));
		ops.close(ops.ctx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_s_output_and_status_come_back),
		cmocka_unit_test(a_failure_without_a_word_is_a_failure),
		cmocka_unit_test(files_and_trees_arrive_as_they_are),
		cmocka_unit_test(the_first_that_fails_ends_it_and_what_is_in_place_is_told),
		cmocka_unit_test(a_limit_that_no_host_reaches_is_none),
		cmocka_unit_test(a_file_that_changes_is_refused),
		cmocka_unit_test(a_stop_ends_what_runs),
		cmocka_unit_test(where_the_program_cannot_serve_ssh_does),
		cmocka_unit_test(the_fast_address_is_taken_with_the_key_of_the_host),
		cmocka_unit_test(a_key_that_is_not_known_is_refused_both_ways),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
