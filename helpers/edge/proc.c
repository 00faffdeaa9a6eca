/* SPDX-License-Identifier: Apache-2.0 */
#include "om_proc.h"

#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

const char *const om_proc_ssh[] = { "ssh", "-T",
				    "-o",  "BatchMode=yes",
				    "-o",  "ConnectTimeout=10",
				    "-o",  "ServerAliveInterval=5",
				    "-o",  "ServerAliveCountMax=5",
				    "-o",  "ControlMaster=no",
				    "-o",  "ControlPath=none",
				    NULL };

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool make_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC) == 0;
}

/* Signals are blocked in every thread of ours; a program of another should not inherit that. */
static void set_signals(posix_spawnattr_t *attr, short flags)
{
	sigset_t none, pipe_default;

	sigemptyset(&none);
	sigemptyset(&pipe_default);
	sigaddset(&pipe_default, SIGPIPE);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &pipe_default);
	posix_spawnattr_setflags(attr,
				 (short)(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
}

/* fd -1: /dev/null. */
static void set_fd(posix_spawn_file_actions_t *actions, int fd, int number)
{
	if (fd >= 0)
		posix_spawn_file_actions_adddup2(actions, fd, number);
	else
		posix_spawn_file_actions_addopen(actions, number, "/dev/null", O_RDWR, 0);
}

static pid_t start(const char *const argv[], int in, int out, int errors, short flags)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	pid_t pid;
	int ret;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	set_fd(&actions, in, STDIN_FILENO);
	set_fd(&actions, out, STDOUT_FILENO);
	set_fd(&actions, errors, STDERR_FILENO);
	set_signals(&attr, flags);
	ret = posix_spawnp(&pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	errno = ret;
	return ret ? -1 : pid;
}

/* Appends what can be read now; false at the end of the stream. */
static bool drain(int fd, char *text, size_t size, size_t *len)
{
	char spill[512];
	bool full = *len + 1 >= size;
	ssize_t n = read(fd, full ? spill : text + *len, full ? sizeof(spill) : size - 1 - *len);

	if (n > 0 && !full) {
		*len += (size_t)n;
		text[*len] = '\0';
	}
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Reads both streams until they end; false when the time is over. */
static bool read_both(int out_fd, int err_fd, uint64_t deadline_ms, char *out, size_t out_size,
		      char *errors, size_t err_size)
{
	struct pollfd fds[2] = { { .fd = out_fd, .events = POLLIN },
				 { .fd = err_fd, .events = POLLIN } };
	size_t out_len = 0, err_len = 0;

	out[0] = errors[0] = '\0';
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		uint64_t now = now_ms();

		if (now >= deadline_ms || poll(fds, 2, (int)(deadline_ms - now)) == 0)
			return false;
		if (fds[0].revents && !drain(out_fd, out, out_size, &out_len))
			fds[0].fd = -1;
		if (fds[1].revents && !drain(err_fd, errors, err_size, &err_len))
			fds[1].fd = -1;
	}
	return true;
}

static const char *last_line(char *text)
{
	char *line;

	text = om_str_strip(text);
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

static bool finish(pid_t pid, bool in_time, const char *name, char *errors, struct om_err *err)
{
	int status = 0;

	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!in_time)
		return om_err_set(err, OM_E_INPUT, "%s did not answer in time", name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	return om_err_set(err, OM_E_INPUT, "%s failed (%d): %s", name,
			  WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
			  last_line(errors));
}

bool om_proc_capture(const char *const argv[], uint32_t timeout_ms, char *out, size_t size,
		     struct om_err *err)
{
	char errors[512];
	int out_pipe[2], err_pipe[2];
	bool in_time;
	pid_t pid;

	if (!make_pipe(out_pipe))
		return om_err_set(err, OM_E_INPUT, "%s: %s", argv[0], strerror(errno));
	if (!make_pipe(err_pipe)) {
		close(out_pipe[0]);
		close(out_pipe[1]);
		return om_err_set(err, OM_E_INPUT, "%s: %s", argv[0], strerror(errno));
	}
	pid = start(argv, -1, out_pipe[1], err_pipe[1], 0);
	close(out_pipe[1]);
	close(err_pipe[1]);
	in_time = pid < 0 || read_both(out_pipe[0], err_pipe[0], now_ms() + timeout_ms, out, size,
				       errors, sizeof(errors));
	close(out_pipe[0]);
	close(err_pipe[0]);
	if (pid < 0)
		return om_err_set(err, OM_E_INPUT, "%s cannot be started: %s", argv[0],
				  strerror(errno));
	return finish(pid, in_time, argv[0], errors, err);
}

void om_proc_ssh_words(const char *argv[OM_PROC_SSH_WORDS], const char *host, const char *command)
{
	size_t n = 0;

	for (; om_proc_ssh[n]; n++)
		argv[n] = om_proc_ssh[n];
	argv[n++] = "--";
	argv[n++] = host;
	argv[n++] = command;
	argv[n] = NULL;
}

bool om_proc_ssh_capture(const char *host, const char *command, uint32_t timeout_ms, char *out,
			 size_t size, struct om_err *err)
{
	const char *argv[OM_PROC_SSH_WORDS];

	om_proc_ssh_words(argv, host, command);
	return om_proc_capture(argv, timeout_ms, out, size, err);
}

static void close_pipe(const int ends[2])
{
	int saved = errno;

	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	errno = saved;
}

static pid_t start_piped(const char *const argv[], int *to, int *from, bool errors)
{
	int in_pipe[2] = { -1, -1 }, out_pipe[2] = { -1, -1 };
	pid_t pid = -1;

	if ((!to || make_pipe(in_pipe)) && (!from || make_pipe(out_pipe)))
		pid = start(argv, in_pipe[0], out_pipe[1], errors ? out_pipe[1] : -1,
			    POSIX_SPAWN_SETSID);
	if (pid < 0) {
		close_pipe(in_pipe);
		close_pipe(out_pipe);
		return -1;
	}
	if (to) {
		close(in_pipe[0]);
		*to = in_pipe[1];
	}
	if (from) {
		close(out_pipe[1]);
		*from = out_pipe[0];
	}
	return pid;
}

pid_t om_proc_start(const char *const argv[], int *to, int *from)
{
	return start_piped(argv, to, from, false);
}

pid_t om_proc_start_all(const char *const argv[], int *to, int *from)
{
	return start_piped(argv, to, from, true);
}

pid_t om_proc_start_apart(const char *const argv[], int *to, int *from, int *errors)
{
	int in_pipe[2] = { -1, -1 }, out_pipe[2] = { -1, -1 }, err_pipe[2] = { -1, -1 };
	pid_t pid = -1;

	if (make_pipe(in_pipe) && make_pipe(out_pipe) && make_pipe(err_pipe))
		pid = start(argv, in_pipe[0], out_pipe[1], err_pipe[1], 0);
	if (pid < 0) {
		close_pipe(in_pipe);
		close_pipe(out_pipe);
		close_pipe(err_pipe);
		return -1;
	}
	close(in_pipe[0]);
	close(out_pipe[1]);
	close(err_pipe[1]);
	*to = in_pipe[1];
	*from = out_pipe[0];
	*errors = err_pipe[0];
	return pid;
}

bool om_proc_own_dir(char *dir, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (len <= 0)
		return false;
	dir[len] = '\0';
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return false;
	*slash = '\0';
	return true;
}
