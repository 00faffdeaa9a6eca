/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket against real clients: honest, slow, hostile, foreign. */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_control_socket.h"
#include "om_state.h"
#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define NOBODY 65534

static char path[108];
static struct om_control_server server;
static char heard[OM_CONTROL_CLIENTS][OM_CONTROL_LINE_MAX];
static unsigned int lines, gone;
static uid_t heard_uid;

static int set_up(void **unused)
{
	(void)unused;
	if (state_dir_make())
		return -1;
	snprintf(path, sizeof(path), "%s/" UUID ".sock", dir);
	lines = gone = 0;
	memset(&server, 0, sizeof(server));
	server.fd = -1;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	om_control_close(&server);
	return state_dir_remove();
}

static void open_server(void)
{
	struct om_err err = { 0 };

	if (!om_control_open(&server, UUID, &err))
		fail_msg("%s", err.msg);
}

static void hear(void *ctx, int client, uid_t uid, const char *line)
{
	(void)ctx;
	if (!line) {
		gone++;
		return;
	}
	lines++;
	heard_uid = uid;
	snprintf(heard[client], sizeof(heard[client]), "%s", line);
}

/* One turn of the server's loop at that time. */
static void turn(uint64_t now_ms)
{
	struct pollfd fds[OM_CONTROL_FDS];

	om_control_fds(&server, fds);
	poll(fds, OM_CONTROL_FDS, 10);
	om_control_step(&server, fds, now_ms, hear, NULL);
}

static void turns(uint64_t now_ms)
{
	for (int i = 0; i < 8; i++)
		turn(now_ms);
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What came until now: text, "" for nothing yet, "END". */
static const char *got(int fd)
{
	static char text[600];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? "" : "END";
	text[n] = '\0';
	return n ? text : "END";
}

static void a_line_is_heard_and_answered(void **unused)
{
	struct om_control_answer answer;
	int fd;

	(void)unused;
	open_server();
	fd = dial();
	say(fd, "set band");
	turns(0);
	assert_int_equal(lines, 0);
	say(fd, "width=1\n");
	turns(0);
	assert_int_equal(lines, 1);
	assert_string_equal(heard[0], "set bandwidth=1");
	assert_int_equal(heard_uid, geteuid());
	assert_string_equal(got(fd), "");
	om_control_say(&answer, OM_CONTROL_DONE, "in force");
	om_control_reply(&server, 0, &answer);
	assert_string_equal(got(fd), "done in force\n");
	assert_string_equal(got(fd), "END");
	close(fd);
}

static void the_socket_is_private_and_goes_with_its_server(void **unused)
{
	mode_t mask = umask(0);
	struct stat st;

	(void)unused;
	open_server();
	umask(mask);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	om_control_close(&server);
	assert_int_equal(lstat(path, &st), -1);
	om_control_close(&server);
}

static void a_silent_client_is_dropped_when_its_time_is_over(void **unused)
{
	int fd;

	(void)unused;
	open_server();
	fd = dial();
	say(fd, "set");
	turns(1000);
	turns(1000 + OM_CONTROL_CLIENT_MS - 1);
	assert_string_equal(got(fd), "");
	turns(1000 + OM_CONTROL_CLIENT_MS);
	assert_string_equal(got(fd), "END");
	assert_int_equal(lines, 0);
	close(fd);
}

static void who_waits_for_an_answer_is_not_dropped(void **unused)
{
	int fd;

	(void)unused;
	open_server();
	fd = dial();
	say(fd, "cancel\n");
	turns(0);
	turns(10 * OM_CONTROL_CLIENT_MS);
	assert_string_equal(got(fd), "");
	close(fd);
	assert_int_equal(gone, 0);
	turns(10 * OM_CONTROL_CLIENT_MS);
	assert_int_equal(gone, 1);
}

static void more_clients_than_places_wait_their_turn(void **unused)
{
	struct om_control_answer answer;
	int fds[OM_CONTROL_CLIENTS + 2];

	(void)unused;
	open_server();
	om_control_say(&answer, OM_CONTROL_DONE, "x");
	for (size_t i = 0; i < OM_ARRAY_LEN(fds); i++) {
		fds[i] = dial();
		assert_true(fds[i] >= 0);
		say(fds[i], "pause\n");
		turns(0);
	}
	assert_int_equal(lines, OM_CONTROL_CLIENTS);
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++)
		om_control_reply(&server, i, &answer);
	turns(0);
	assert_int_equal(lines, OM_ARRAY_LEN(fds));
	for (size_t i = 0; i < OM_ARRAY_LEN(fds); i++)
		close(fds[i]);
}

static void nonsense_is_refused_and_ends_the_connection(void **unused)
{
	char flood[2 * OM_CONTROL_LINE_MAX];
	int fd;

	(void)unused;
	open_server();
	memset(flood, 'x', sizeof(flood) - 1);
	flood[sizeof(flood) - 1] = '\0';
	fd = dial();
	say(fd, flood);
	turns(0);
	assert_string_equal(got(fd), "refused that is no line of words\n");
	close(fd);
	fd = dial();
	assert_int_equal(send(fd, "pau\0se\n", 7, 0), 7);
	turns(0);
	assert_string_equal(got(fd), "refused that is no line of words\n");
	close(fd);
	assert_int_equal(lines, 0);
	/* Who goes on talking after its line has lost its place. */
	fd = dial();
	say(fd, "pause\n");
	turns(0);
	say(fd, "more");
	turns(0);
	assert_int_equal(gone, 1);
	close(fd);
}

static void another_user_is_refused_whatever_the_files_mode(void **unused)
{
	int pipe_fd[2], status;
	char text[128] = "";
	pid_t pid;

	(void)unused;
	if (geteuid() != 0)
		skip();
	open_server();
	assert_int_equal(chmod(base, 0755) | chmod(dir, 0755) | chmod(path, 0666), 0);
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		int fd = setuid(NOBODY) == 0 ? dial() : -1;
		ssize_t n = fd < 0 ? -1 : recv(fd, text, sizeof(text) - 1, 0);

		_exit(n > 0 && write(pipe_fd[1], text, (size_t)n) == n ? 0 : 1);
	}
	for (int i = 0; i < 50 && waitpid(pid, &status, WNOHANG) == 0; i++)
		turn(0);
	assert_true(read(pipe_fd[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "refused only root and the user of the migration may do this\n");
	assert_int_equal(lines, 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* Whoever knocks meanwhile is not lost, and the loop does not run hot. */
static void without_descriptors_the_door_rests(void **unused)
{
	struct pollfd fds[OM_CONTROL_FDS];
	struct rlimit before, none;
	int fd, next;

	(void)unused;
	open_server();
	fd = dial();
	next = dup(fd);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn(100);
	om_control_fds(&server, fds);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fds[0].fd, -1);
	say(fd, "cancel\n");
	turns(900);
	assert_int_equal(lines, 0);
	turns(1100);
	assert_int_equal(lines, 1);
	close(fd);
}

static void a_living_servers_socket_is_not_taken(void **unused)
{
	struct om_control_server second;
	struct om_err err = { 0 };
	int fd;

	(void)unused;
	open_server();
	assert_false(om_control_open(&second, UUID, &err));
	assert_non_null(strstr(err.msg, "Address already in use"));
	fd = dial();
	assert_true(fd >= 0);
	close(fd);
}

/* As a helper leaves it that was killed. */
static void leave_stale_socket(void)
{
	open_server();
	close(server.fd);
	close(server.dirfd);
	server.fd = -1;
}

static void a_dead_servers_socket_is_replaced(void **unused)
{
	int fd;

	(void)unused;
	leave_stale_socket();
	assert_int_equal(dial(), -1);
	open_server();
	fd = dial();
	assert_true(fd >= 0);
	close(fd);
}

static void an_old_stale_socket_is_cleaned_up_and_a_living_one_stays(void **unused)
{
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct om_err err;
	int fd;

	(void)unused;
	open_server();
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	close(om_state_dir_open(true, &err));
	assert_int_equal(access(path, F_OK), 0);
	fd = server.fd;
	server.fd = -1;
	close(fd);
	close(server.dirfd);
	close(om_state_dir_open(true, &err));
	assert_int_equal(access(path, F_OK), -1);
}

static void *serve(void *done)
{
	struct om_control_answer answer;

	om_control_say(&answer, OM_CONTROL_TOO_LATE, "gone");
	while (!lines)
		turn(0);
	om_control_reply(&server, 0, &answer);
	return done;
}

static void a_client_gets_its_answer(void **unused)
{
	struct om_control_answer answer;
	pthread_t thread;

	(void)unused;
	open_server();
	pthread_create(&thread, NULL, serve, NULL);
	assert_true(om_control_ask(UUID, "cancel", 5000, &answer));
	pthread_join(thread, NULL);
	assert_string_equal(heard[0], "cancel");
	assert_int_equal(answer.result, OM_CONTROL_TOO_LATE);
	assert_string_equal(answer.text, "gone");
}

static void a_client_says_why_there_is_no_answer(void **unused)
{
	struct om_control_answer answer;

	(void)unused;
	assert_false(om_control_ask(UUID, "cancel", 100, &answer));
	assert_int_equal(answer.result, OM_CONTROL_NO_SUCH);
	assert_false(om_control_ask("../../etc/x", "cancel", 100, &answer));
	assert_int_equal(answer.result, OM_CONTROL_NO_SUCH);
	leave_stale_socket();
	assert_false(om_control_ask(UUID, "cancel", 100, &answer));
	assert_int_equal(answer.result, OM_CONTROL_NO_SUCH);
	assert_non_null(strstr(answer.text, "has died"));
	open_server();
	assert_false(om_control_ask(UUID, "cancel", 100, &answer));
	assert_int_equal(answer.result, OM_CONTROL_UNPROVEN);
	assert_non_null(strstr(answer.text, "timed out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_is_heard_and_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_socket_is_private_and_goes_with_its_server,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_silent_client_is_dropped_when_its_time_is_over,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_for_an_answer_is_not_dropped, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(more_clients_than_places_wait_their_turn, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nonsense_is_refused_and_ends_the_connection, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_user_is_refused_whatever_the_files_mode,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_descriptors_the_door_rests, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_living_servers_socket_is_not_taken, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_dead_servers_socket_is_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			an_old_stale_socket_is_cleaned_up_and_a_living_one_stays, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_client_gets_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_says_why_there_is_no_answer, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
