/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's end of `onemigrate-ssh batch`: see om_ssh.h. */
#include "remote_internal.h"

#include "om_log.h"
#include "om_proc.h"
#include "om_ssh.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 200
#define START_MS 90000 /* two attempts to connect, and the child's own limits */
#define SLACK_MS 40000 /* beyond a limit that the child keeps itself */
#define NEVER UINT64_MAX

uint64_t remote_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool read_more(struct remote_child *c, uint64_t deadline_ms, struct om_err *err)
{
	char bytes[65536];
	struct pollfd p = { .fd = c->from, .events = POLLIN };
	ssize_t n;

	if (c->at == c->in.len)
		c->at = c->in.len = 0;
	while (poll(&p, 1, STEP_MS) <= 0) {
		if (c->stop && *c->stop)
			return om_err_set(err, OM_E_SOURCE, "stopped on request");
		if (remote_now_ms() > deadline_ms)
			return om_err_set(err, OM_E_SOURCE, "onemigrate-ssh does not answer");
	}
	n = read(c->from, bytes, sizeof(bytes));
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return om_err_set(err, OM_E_SOURCE, "onemigrate-ssh has ended");
	om_buf_add(&c->in, bytes, (size_t)n);
	return true;
}

/* `to` NULL: passed over. */
static bool take_bytes(struct remote_child *c, size_t len, struct om_buf *to, struct om_err *err)
{
	while (len) {
		size_t have = c->in.len - c->at, n = have < len ? have : len;

		if (to && n && to->len < REMOTE_OUTPUT_MAX)
			om_buf_add(to, c->in.text + c->at,
				   n < REMOTE_OUTPUT_MAX - to->len ? n
								   : REMOTE_OUTPUT_MAX - to->len);
		c->at += n;
		len -= n;
		if (len && !read_more(c, NEVER, err))
			return false;
	}
	return true;
}

/* One line, and what it says if it is one that may come at any time. */
static bool take_any(struct remote_child *c, char *text, size_t size, struct om_ssh_line *line,
		     uint64_t deadline_ms, struct om_err *err)
{
	char *end;
	size_t len;

	while (!(end = c->in.len > c->at ? memchr(c->in.text + c->at, '\n', c->in.len - c->at)
					 : NULL))
		if (!read_more(c, deadline_ms, err))
			return false;
	len = (size_t)(end - (c->in.text + c->at));
	if (len < size) {
		memcpy(text, c->in.text + c->at, len);
		text[len] = '\0';
	}
	c->at += len + 1;
	if (len >= size || !om_ssh_line_parse(line, text))
		return om_err_set(err, OM_E_SOURCE, "onemigrate-ssh says strange things");
	return true;
}

static bool take_line(struct remote_child *c, char *text, size_t size, struct om_ssh_line *line,
		      uint64_t deadline_ms, struct om_err *err)
{
	while (take_any(c, text, size, line, deadline_ms, err)) {
		if (strcmp(line->word, "warn") == 0)
			om_log(OM_LOG_WARN, "%s", line->text);
		else if (strcmp(line->word, "note") == 0)
			om_log(OM_LOG_INFO, "%s", line->text);
		else if (strcmp(line->word, "lost") == 0 || strcmp(line->word, "failed") == 0)
			return om_err_set(err, OM_E_SOURCE, "%s", line->text);
		else
			return true;
	}
	return false;
}

static const char *const when[OM_REMOTE_COMPRESS_COUNT] = {
	[OM_REMOTE_COMPRESS_AUTO] = "auto",
	[OM_REMOTE_COMPRESS_ALWAYS] = "always",
	[OM_REMOTE_COMPRESS_NEVER] = "never",
};

static void add_option(struct om_strv *argv, const char *option, const char *value)
{
	if (om_str_empty(value))
		return;
	om_strv_add(argv, option);
	om_strv_add(argv, value);
}

static void make_argv(struct om_strv *argv, const char *program, const struct om_remote_want *want)
{
	char text[32];

	om_strv_add(argv, program);
	add_option(argv, "--compression", when[want->compression]);
	add_option(argv, "--address", want->address);
	add_option(argv, "--remotes-dir", want->remotes_dir);
	add_option(argv, "--ssh-config", want->ssh_config);
	snprintf(text, sizeof(text), "%" PRIu64, want->limit_mibps);
	add_option(argv, "--bandwidth", text);
	snprintf(text, sizeof(text), "%u", want->connect_ms);
	add_option(argv, "--connect-timeout", text);
	if (want->strict)
		om_strv_add(argv, "--strict");
	om_strv_add(argv, "batch");
	om_strv_add(argv, want->host);
}

static bool spawn(struct remote_child *c, const struct om_remote_want *want, struct om_err *err)
{
	char dir[2000], beside[2048];
	const char *program = want->program;
	struct om_strv argv = { 0 };
	pid_t pid;

	if (!program && om_proc_own_dir(dir, sizeof(dir))) {
		snprintf(beside, sizeof(beside), "%s/onemigrate-ssh", dir);
		program = beside;
	}
	if (om_str_empty(program))
		return om_err_set(err, OM_E_STOCK, "onemigrate-ssh is not wanted");
	make_argv(&argv, program, want);
	pid = om_proc_start((const char *const *)argv.v, &c->to, &c->from);
	om_strv_free(&argv);
	if (pid <= 0)
		return om_err_set(err, OM_E_STOCK, "%s cannot be started: %s", program,
				  strerror(errno));
	c->pid = pid;
	return true;
}

static int wait_for_child(struct remote_child *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static enum remote_start not_started(struct remote_child *c, const char *why, struct om_err *err)
{
	int status = wait_for_child(c);

	if (status == 127)
		om_err_set(err, OM_E_STOCK,
			   "onemigrate-ssh does not start: a library that it needs is missing");
	else if (status >= 126)
		om_err_set(err, OM_E_STOCK, "onemigrate-ssh does not start (status %d)", status);
	else
		om_err_set(err, OM_E_STOCK, "onemigrate-ssh: %s (status %d)", why, status);
	remote_child_end(c);
	return REMOTE_START_CANNOT;
}

enum remote_start remote_child_start(struct remote_child *c, const struct om_remote_want *want,
				     char *address, size_t size, struct om_err *err)
{
	struct om_ssh_line line = { 0 };
	char text[2048];

	*c = (struct remote_child){ .to = -1, .from = -1, .stop = want->stop };
	if (!spawn(c, want, err))
		return REMOTE_START_CANNOT;
	if (!take_line(c, text, sizeof(text), &line, remote_now_ms() + START_MS, err)) {
		if (!line.word[0] && strstr(err->msg, "has ended"))
			return not_started(c, "it says nothing", err);
		err->code = OM_E_INPUT;
	} else if (strcmp(line.word, "ready") == 0) {
		om_str_copy(address, size, line.text);
		return REMOTE_START_READY;
	} else {
		om_err_set(err, strcmp(line.word, "cannot") == 0 ? OM_E_STOCK : OM_E_INPUT, "%s",
			   line.text);
	}
	remote_child_end(c);
	return err->code == OM_E_STOCK ? REMOTE_START_CANNOT : REMOTE_START_FAILED;
}

static bool say(struct remote_child *c, const struct om_buf *request, struct om_err *err)
{
	if (c->pid && om_write_all(c->to, request->text, request->len))
		return true;
	return om_err_set(err, OM_E_SOURCE, "the connection to the other host has ended");
}

static bool hear_run(struct remote_child *c, uint64_t deadline_ms, struct om_remote_answer *answer,
		     struct om_err *err)
{
	struct om_ssh_line line;
	char text[2048];

	while (take_line(c, text, sizeof(text), &line, deadline_ms, err)) {
		struct om_buf *to = strcmp(line.word, "err") == 0 ? &answer->err : &answer->out;

		if (strcmp(line.word, "exit") == 0 && line.numbers == 1) {
			answer->status = (int)line.number[0];
			return true;
		}
		if ((strcmp(line.word, "out") != 0 && strcmp(line.word, "err") != 0) ||
		    line.numbers != 1)
			return om_err_set(err, OM_E_SOURCE, "onemigrate-ssh says strange things");
		if (!take_bytes(c, line.number[0], to, err))
			return false;
	}
	return false;
}

bool remote_child_run(struct remote_child *c, const char *script, uint32_t timeout_ms,
		      struct om_remote_answer *answer, struct om_err *err)
{
	struct om_buf request = { 0 };
	bool ok;

	om_buf_addf(&request, "run %zu %u\n", strlen(script), timeout_ms);
	om_buf_add(&request, script, strlen(script));
	ok = say(c, &request, err) &&
	     hear_run(c, timeout_ms ? remote_now_ms() + timeout_ms + SLACK_MS : NEVER, answer, err);
	free(request.text);
	/* What is between two answers cannot be told from the next one's. */
	if (!ok && c->stop && *c->stop)
		remote_child_end(c);
	return ok;
}

static bool hear_put(struct remote_child *c, struct om_remote_file *files, size_t count,
		     om_remote_progress_fn *progress, void *ctx, struct om_err *err)
{
	struct om_ssh_line line;
	char text[2048];

	while (take_line(c, text, sizeof(text), &line, NEVER, err)) {
		if (strcmp(line.word, "done") == 0)
			return true;
		if (strcmp(line.word, "unserved") == 0)
			return om_err_set(err, OM_E_STOCK, "%s", line.text);
		if (strcmp(line.word, "placed") == 0 && line.numbers == 1 && line.number[0] < count)
			files[line.number[0]].placed = true;
		if (strcmp(line.word, "progress") == 0 && line.numbers == 3 && progress)
			progress(ctx, &(struct om_remote_progress){ line.number[0], line.number[1],
								    line.number[2] });
	}
	return false;
}

bool remote_child_put(struct remote_child *c, struct om_remote_file *files, size_t count,
		      om_remote_progress_fn *progress, void *ctx, struct om_err *err)
{
	struct om_buf request = { 0 };
	bool ok;

	om_buf_addf(&request, "put %zu\n", count);
	for (size_t i = 0; i < count; i++) {
		files[i].placed = false;
		om_buf_addf(&request, "file %zu %zu %d\n", strlen(files[i].src),
			    strlen(files[i].dst), files[i].replace);
		om_buf_add(&request, files[i].src, strlen(files[i].src));
		om_buf_add(&request, files[i].dst, strlen(files[i].dst));
	}
	ok = say(c, &request, err) && hear_put(c, files, count, progress, ctx, err);
	free(request.text);
	if (!ok && c->stop && *c->stop)
		remote_child_end(
			c); /* and with it the other end, which removes what it has begun */
	return ok;
}

void remote_child_end(struct remote_child *c)
{
	if (c->to >= 0)
		close(c->to);
	if (c->from >= 0)
		close(c->from);
	c->to = c->from = -1;
	if (c->pid) {
		kill(c->pid, SIGTERM);
		wait_for_child(c);
	}
	free(c->in.text);
	c->in = (struct om_buf){ 0 };
	c->at = 0;
}
