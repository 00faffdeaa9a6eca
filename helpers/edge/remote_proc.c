/* SPDX-License-Identifier: Apache-2.0 */
/* A program with all three streams: it is fed and heard at the same time, so that neither end can wait for
 * the other. */
#include "remote_internal.h"

#include "om_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 200

struct talk {
	struct pollfd p[3]; /* to, from, errors */
	const char *input;
	size_t left;
	struct om_remote_answer *answer;
	remote_heard_fn *heard;
	void *ctx;
};

static void shut(struct pollfd *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void feed(struct talk *t)
{
	ssize_t n = t->left ? write(t->p[0].fd, t->input, t->left) : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		t->input += n;
		t->left -= (size_t)n;
	}
	if (n < 0 || !t->left)
		shut(&t->p[0]);
}

static void hear(struct talk *t, int which)
{
	struct om_buf *to = which == 1 ? &t->answer->out : &t->answer->err;
	char bytes[32768];
	ssize_t n = read(t->p[which].fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		shut(&t->p[which]);
	else if (which == 1 && t->heard)
		t->heard(t->ctx, bytes, (size_t)n);
	else if (to->len < REMOTE_OUTPUT_MAX)
		om_buf_add(to, bytes, (size_t)n);
}

/* False: its time is over, or a stop. */
static bool talk(struct talk *t, uint64_t deadline_ms, const volatile int *stop, struct om_err *err)
{
	while (t->p[1].fd >= 0 || t->p[2].fd >= 0) {
		if (poll(t->p, 3, STEP_MS) < 0 && errno != EINTR)
			return om_err_set(err, OM_E_SOURCE, "poll: %s", strerror(errno));
		if (stop && *stop)
			return om_err_set(err, OM_E_SOURCE, "stopped on request");
		if (remote_now_ms() > deadline_ms)
			return om_err_set(err, OM_E_SOURCE, "it did not end in time");
		if (t->p[0].fd >= 0 && t->p[0].revents)
			feed(t);
		for (int which = 1; which < 3; which++)
			if (t->p[which].fd >= 0 && t->p[which].revents)
				hear(t, which);
	}
	return true;
}

bool remote_proc(const char *const argv[], const char *input, uint32_t timeout_ms,
		 const volatile int *stop, struct om_remote_answer *answer, remote_heard_fn *heard,
		 void *ctx, struct om_err *err)
{
	struct talk t = {
		.input = input,
		.left = strlen(input),
		.answer = answer,
		.heard = heard,
		.ctx = ctx,
		.p = { { .events = POLLOUT }, { .events = POLLIN }, { .events = POLLIN } }
	};
	pid_t pid = om_proc_start_apart(argv, &t.p[0].fd, &t.p[1].fd, &t.p[2].fd);
	int status = 0;
	bool ok;

	om_buf_add(&answer->out, "", 0); /* a text, where not a byte comes too */
	om_buf_add(&answer->err, "", 0);
	if (pid < 0)
		return om_err_set(err, OM_E_INPUT, "%s cannot be started: %s", argv[0],
				  strerror(errno));
	if (fcntl(t.p[0].fd, F_SETFL, O_NONBLOCK) < 0)
		t.left = 0;
	ok = talk(&t, timeout_ms ? remote_now_ms() + timeout_ms : UINT64_MAX, stop, err);
	if (!ok)
		kill(pid, SIGTERM);
	for (int i = 0; i < 3; i++)
		shut(&t.p[i]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	answer->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return ok;
}
