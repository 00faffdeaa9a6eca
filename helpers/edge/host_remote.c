/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the one ssh by which migrate_local asks the source host. A question is one line, the
 * answer is one line: "yes ...", "no <why>"; a state file is sent as "state <length>" and its bytes,
 * without an answer. The end of the stream releases the lock.
 */
#include "om_host.h"
#include "om_log.h"
#include "om_proc.h"
#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 600
#define ANSWER_TIMEOUT_MS 20000 /* covers the ssh handshake */

/* Where OpenNebula keeps the scripts on hosts, unless oned.conf says otherwise. */
#define REMOTES_DIR "/var/tmp/one"

static struct {
	int to, from;
	pthread_mutex_t lock; /* questions come from two threads */
} link_ = { .to = -1, .from = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

/* One line without its newline; stop may be NULL. False: the end, the time is over, or a stop. */
static bool read_line(int fd, char *line, size_t size, int timeout_ms, const volatile int *stop)
{
	size_t len = 0;

	while (len + 1 < size) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int step = timeout_ms < 0 || timeout_ms > 200 ? 200 : timeout_ms;
		int ready = poll(&p, 1, step);

		if (ready == 0 && timeout_ms >= 0 && (timeout_ms -= step) <= 0)
			return false;
		if (ready <= 0) {
			if (stop && *stop)
				return false;
			continue;
		}
		if (read(fd, line + len, 1) != 1)
			return false;
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
		len++;
	}
	return false;
}

/* Under the lock. */
static void hang_up(void)
{
	if (link_.to < 0)
		return;
	close(link_.to);
	close(link_.from);
	link_.to = link_.from = -1;
}

/* True: "yes", and what follows it in `answer`. */
static bool ask(const char *question, char *answer, size_t size, int timeout_ms,
		const volatile int *stop, struct om_err *err)
{
	char line[LINE_MAX_BYTES];
	bool ok;

	pthread_mutex_lock(&link_.lock);
	ok = om_write_all(link_.to, question, strlen(question)) &&
	     read_line(link_.from, line, sizeof(line), timeout_ms, stop);
	/* A late answer would be taken for that of the next question: nothing more is asked. */
	if (!ok)
		hang_up();
	pthread_mutex_unlock(&link_.lock);
	if (!ok)
		return om_err_set(err, OM_E_UNKNOWN,
				  "not checked: the source host does not answer");
	if (om_str_starts(line, "yes ")) {
		om_str_copy(answer, size, line + 4);
		return true;
	}
	return om_err_set(err, OM_E_INPUT, "%s",
			  om_str_starts(line, "no ") ? line + 3 : "a strange answer");
}

static bool resolve(void *ctx, const char *name, struct om_addr *addr, struct om_err *err)
{
	char question[LINE_MAX_BYTES], answer[OM_ADDR_TEXT];

	(void)ctx;
	snprintf(question, sizeof(question), "resolve %s\n", name);
	if (!ask(question, answer, sizeof(answer), ANSWER_TIMEOUT_MS, NULL, err))
		return false;
	return om_addr_parse(addr, answer) || om_err_set(err, OM_E_INPUT, "a strange answer");
}

static bool route(void *ctx, const struct om_addr *addr, struct om_route *found, struct om_err *err)
{
	char question[LINE_MAX_BYTES], answer[LINE_MAX_BYTES], text[OM_ADDR_TEXT];

	(void)ctx;
	memset(found, 0, sizeof(*found));
	om_addr_print(addr, text);
	snprintf(question, sizeof(question), "route %s\n", text);
	if (!ask(question, answer, sizeof(answer), ANSWER_TIMEOUT_MS, NULL, err))
		return false;
	if (sscanf(answer, "%u %u %15s", &found->speed_mbit, &found->mtu, found->ifname) != 3)
		return om_err_set(err, OM_E_INPUT, "a strange answer");
	return true;
}

static enum om_answer probe(void *ctx, const struct om_addr *addr, char *why, size_t why_size)
{
	char question[LINE_MAX_BYTES], answer[16], text[OM_ADDR_TEXT];
	struct om_err err;

	(void)ctx;
	om_addr_print(addr, text);
	snprintf(question, sizeof(question), "probe %s\n", text);
	if (ask(question, answer, sizeof(answer), ANSWER_TIMEOUT_MS, NULL, &err))
		return strcmp(answer, "answers") == 0 ? OM_ANSWER_YES : OM_ANSWER_NOT_CHECKED;
	om_str_copy(why, why_size, err.msg);
	return err.code == OM_E_UNKNOWN ? OM_ANSWER_NOT_CHECKED : OM_ANSWER_NO;
}

static bool lock(void *ctx, const char *uuid, const volatile int *stop, struct om_err *err)
{
	char question[LINE_MAX_BYTES], answer[16];

	(void)ctx;
	snprintf(question, sizeof(question), "lock %s\n", uuid);
	return ask(question, answer, sizeof(answer), -1, stop, err);
}

/* Dropped where the pipe is full: the main thread must never wait for a host. */
static void write_state(void *ctx, const struct om_state *state)
{
	char text[OM_STATE_TEXT_MAX], message[OM_STATE_TEXT_MAX + 32];
	size_t len = om_state_print(state, text, sizeof(text));
	int head = snprintf(message, sizeof(message), "state %zu\n", len);
	struct pollfd p = { .fd = link_.to, .events = POLLOUT };

	(void)ctx;
	memcpy(message + head, text, len);
	/* Another thread that waits for an answer holds the lock; a pipe takes 4 KiB at once. */
	if (pthread_mutex_trylock(&link_.lock))
		return;
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) &&
	    !om_write_all(link_.to, message, (size_t)head + len)) {
		hang_up();
		om_log_syslog("the state of the migration no longer reaches the source host");
	}
	pthread_mutex_unlock(&link_.lock);
}

static bool not_checked(struct om_err *err)
{
	return om_err_set(err, OM_E_INPUT, "not checked: the source host could not be asked");
}

static bool no_resolve(void *ctx, const char *name, struct om_addr *addr, struct om_err *err)
{
	(void)ctx;
	(void)name;
	(void)addr;
	return not_checked(err);
}

static bool no_route(void *ctx, const struct om_addr *addr, struct om_route *found,
		     struct om_err *err)
{
	(void)ctx;
	(void)addr;
	(void)err;
	memset(found, 0, sizeof(*found));
	return true;
}

static enum om_answer no_probe(void *ctx, const struct om_addr *addr, char *why, size_t why_size)
{
	(void)ctx;
	(void)addr;
	om_str_copy(why, why_size, "not checked");
	return OM_ANSWER_NOT_CHECKED;
}

static bool no_lock(void *ctx, const char *uuid, const volatile int *stop, struct om_err *err)
{
	(void)ctx;
	(void)uuid;
	(void)stop;
	return not_checked(err);
}

static void no_state(void *ctx, const struct om_state *state)
{
	(void)ctx;
	(void)state;
}

static bool start_ssh(const char *host)
{
	const char *dir = getenv("SCRIPTS_REMOTE_DIR"), *argv[OM_PROC_SSH_WORDS];
	OM_AUTOFREE char *command = om_xasprintf("'%s/onemigrate/run' attend",
						 om_str_empty(dir) ? REMOTES_DIR : dir);

	if (!om_str_empty(dir) && strchr(dir, '\''))
		return false;
	om_proc_ssh_words(argv, host, command);
	return om_proc_start(argv, &link_.to, &link_.from) > 0;
}

void om_host_remote(struct om_host_ops *ops, const char *host, struct om_err *err)
{
	char answer[16];

	*ops = (struct om_host_ops){ .resolve = resolve,
				     .route = route,
				     .probe = probe,
				     .lock = lock,
				     .state = write_state,
				     .available = true };
	if (start_ssh(host) && ask("hello\n", answer, sizeof(answer), ANSWER_TIMEOUT_MS, NULL, err))
		return;
	*ops = (struct om_host_ops){ .resolve = no_resolve,
				     .route = no_route,
				     .probe = no_probe,
				     .lock = no_lock,
				     .state = no_state };
	not_checked(err);
}

/* ---- the source host's end ---- */

static void answer_yes(const char *text)
{
	printf("yes %s\n", text);
}

static void answer_no(const char *why)
{
	printf("no %s\n", *why ? why : "no reason");
}

static void serve_resolve(const struct om_host_ops *ops, const char *name)
{
	char text[OM_ADDR_TEXT];
	struct om_addr addr;
	struct om_err err;

	if (!ops->resolve(ops->ctx, name, &addr, &err)) {
		answer_no(err.msg);
		return;
	}
	om_addr_print(&addr, text);
	answer_yes(text);
}

static void serve_route(const struct om_host_ops *ops, const char *text)
{
	struct om_addr addr;
	struct om_route found;
	struct om_err err = { .msg = "no address" };

	if (!om_addr_parse(&addr, text) || !ops->route(ops->ctx, &addr, &found, &err))
		answer_no(err.msg);
	else
		printf("yes %u %u %s\n", found.speed_mbit, found.mtu, found.ifname);
}

static void serve_probe(const struct om_host_ops *ops, const char *text)
{
	struct om_addr addr;
	char why[200] = "no address";

	enum om_answer answer = OM_ANSWER_NO;

	if (om_addr_parse(&addr, text))
		answer = ops->probe(ops->ctx, &addr, why, sizeof(why));
	if (answer == OM_ANSWER_NO)
		answer_no(why);
	else
		answer_yes(answer == OM_ANSWER_YES ? "answers" : "not-checked");
}

static void *wait_for_end(void *gone)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = 0 };

	while (poll(&p, 1, -1) < 0 || !(p.revents & (POLLHUP | POLLERR)))
		;
	*(volatile int *)gone = 1;
	return NULL;
}

static void serve_lock(const struct om_host_ops *ops, const char *uuid)
{
	static volatile int gone;
	struct om_err err;
	pthread_t thread;

	/* Whoever waits for the lock may be given up by the front-end meanwhile. */
	if (pthread_create(&thread, NULL, wait_for_end, (void *)(uintptr_t)&gone) == 0)
		pthread_detach(thread);
	if (ops->lock(ops->ctx, uuid, &gone, &err))
		answer_yes("locked");
	else
		answer_no(err.msg);
}

static bool serve_state(const struct om_host_ops *ops, const char *length)
{
	char text[OM_STATE_TEXT_MAX + 1];
	struct om_state state;
	uint64_t len;
	size_t have = 0;

	if (!om_parse_u64(length, 1, OM_STATE_TEXT_MAX, &len))
		return false;
	while (have < len) {
		ssize_t n = read(STDIN_FILENO, text + have, len - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	text[len] = '\0';
	/* The front-end's process is not one of this host; this one stands for it. */
	if (om_state_parse(&state, text)) {
		state.pid = state.pid ? getpid() : 0;
		om_state_boot_id(state.boot_id);
		ops->state(ops->ctx, &state);
	}
	return true;
}

int om_host_attend(void)
{
	struct om_host_ops ops;
	char line[LINE_MAX_BYTES];

	om_host_local(&ops);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (read_line(STDIN_FILENO, line, sizeof(line), -1, NULL)) {
		char *space = strchr(line, ' ');
		const char *rest = space ? space + 1 : "";

		if (space)
			*space = '\0';
		if (strcmp(line, "hello") == 0)
			answer_yes("1");
		else if (strcmp(line, "resolve") == 0)
			serve_resolve(&ops, rest);
		else if (strcmp(line, "route") == 0)
			serve_route(&ops, rest);
		else if (strcmp(line, "probe") == 0)
			serve_probe(&ops, rest);
		else if (strcmp(line, "lock") == 0)
			serve_lock(&ops, rest);
		else if (strcmp(line, "state") != 0 || !serve_state(&ops, rest))
			answer_no("no such question");
	}
	return 0;
}
