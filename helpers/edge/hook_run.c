/* SPDX-License-Identifier: Apache-2.0 */
#include "om_hook.h"

#include "om_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_MS 20
#define REAP_TRIES 100 /* 2 s: what waits for a dead file server cannot be killed */
#define LAST_READS 16  /* no more than a pipe holds: what is left behind may print on */

struct run {
	const struct om_hook_call *call;
	pid_t pid;
	int fd; /* what it prints; -1: no more of it */
	struct om_hook_output output;
	om_hook_line_fn *line;
	void *ctx;
	int status;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* False: nothing to be read at present. */
static bool read_some(struct run *run)
{
	char bytes[4096];
	ssize_t n = read(run->fd, bytes, sizeof(bytes));

	if (n > 0)
		om_hook_output_add(&run->output, bytes, (size_t)n, run->line, run->ctx);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(run->fd);
		run->fd = -1;
	}
	return n > 0;
}

static bool has_ended(struct run *run)
{
	return waitpid(run->pid, &run->status, WNOHANG) == run->pid;
}

static void end_by_force(struct run *run)
{
	kill(-run->pid, SIGKILL);
	for (int i = 0; i < REAP_TRIES && !has_ended(run); i++)
		poll(NULL, 0, LOOK_EVERY_MS);
}

enum end { ENDED, STOPPED, TOO_LATE };

/* Its end is that of the program itself: what it leaves in the background may go on. */
static enum end attend(struct run *run)
{
	uint64_t deadline_ms = now_ms() + run->call->timeout_ms;
	struct pollfd fds[2] = { { .events = POLLIN },
				 { .fd = run->call->stop_fd, .events = POLLIN } };

	for (;;) {
		fds[0].fd = run->fd;
		fds[0].revents = fds[1].revents = 0;
		poll(fds, 2, LOOK_EVERY_MS);
		if (fds[0].revents)
			read_some(run);
		if (has_ended(run))
			return ENDED;
		if (fds[1].revents || now_ms() >= deadline_ms) {
			end_by_force(run);
			return fds[1].revents ? STOPPED : TOO_LATE;
		}
	}
}

static bool judge(const struct run *run, enum end end, struct om_err *err)
{
	const char *name = run->call->name, *last = run->output.last;
	const char *colon = *last ? ": " : "";

	if (end == STOPPED)
		return om_err_set(err, OM_E_ABORTED, "hook %s was stopped", name);
	if (end == TOO_LATE)
		return om_err_set(err, OM_E_INPUT, "hook %s did not end within %g s and was killed",
				  name, run->call->timeout_ms / 1000.0);
	if (WIFSIGNALED(run->status))
		return om_err_set(err, OM_E_INPUT, "hook %s was killed by signal %d%s%s", name,
				  WTERMSIG(run->status), colon, last);
	if (WEXITSTATUS(run->status))
		return om_err_set(err, OM_E_INPUT, "hook %s ended with status %d%s%s", name,
				  WEXITSTATUS(run->status), colon, last);
	return true;
}

bool om_hook_run(const struct om_hook_call *call, om_hook_line_fn *line, void *ctx,
		 struct om_err *err)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", call->dir, call->name);
	const char *argv[] = { path, om_hook_phase_name(call->phase), call->files->domain,
			       call->files->vm, NULL };
	struct run run = { .call = call, .line = line, .ctx = ctx };
	enum end end;

	run.pid = om_proc_start_all(argv, NULL, &run.fd);
	if (run.pid < 0)
		return om_err_set(err, OM_E_INPUT, "hook %s cannot be started: %s", call->name,
				  strerror(errno));
	fcntl(run.fd, F_SETFL, O_NONBLOCK);
	end = attend(&run);
	for (int i = 0; i < LAST_READS && run.fd >= 0 && read_some(&run); i++)
		;
	if (run.fd >= 0)
		close(run.fd);
	om_hook_output_end(&run.output, line, ctx);
	return judge(&run, end, err);
}
