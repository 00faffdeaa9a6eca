/* SPDX-License-Identifier: Apache-2.0 */
/* `run` and `put` on a command line. */
#include "ssh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int exit_status(const struct om_err *err)
{
	switch (err->code) {
	case OM_E_STOCK:
		return OM_SSH_EXIT_CANNOT;
	case OM_E_REFUSED:
		return OM_SSH_EXIT_REFUSED;
	case OM_E_SOURCE:
		return OM_SSH_EXIT_FAILED;
	default:
		return OM_SSH_EXIT_LOST;
	}
}

static int fail(const struct om_err *err)
{
	fprintf(stderr, "onemigrate-ssh: %s\n", err->msg);
	return exit_status(err);
}

static void say(bool warn, const char *text)
{
	fprintf(stderr, "onemigrate-ssh: %s%s\n", warn ? "warning: " : "", text);
}

static void output(void *ctx, int stream, const char *bytes, size_t len)
{
	(void)ctx;
	if (!om_write_all(stream ? STDERR_FILENO : STDOUT_FILENO, bytes, len))
		exit(OM_SSH_EXIT_FAILED);
}

static bool read_script(struct om_buf *script, struct om_err *err)
{
	char text[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, text, sizeof(text))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return om_err_set(err, OM_E_INPUT, "stdin: %s", strerror(errno));
		om_buf_add(script, text, (size_t)n);
		if (script->len > OM_SSH_SCRIPT_MAX)
			return om_err_set(err, OM_E_INPUT, "the script is longer than 1 MiB");
	}
	om_buf_add(script, "", 0);
	return true;
}

int verb_run(const struct options *options)
{
	struct options own = *options;
	struct om_buf script = { 0 };
	struct link link = { .fd = -1 };
	struct om_err err = { 0 };
	int status = 0;
	bool ok;

	own.say = say;
	ok = read_script(&script, &err) && link_open(&link, &own, &err) &&
	     run_script(&link, script.text, script.len, 0, output, NULL, &status, &err);
	link_close(&link);
	free(script.text);
	return ok ? status : fail(&err);
}

struct show {
	uint64_t total, sent;
	int64_t begun_ms;
	bool line;
};

static void progress(void *ctx, uint64_t done, uint64_t total, uint64_t sent)
{
	struct show *show = ctx;
	int64_t ms = now_ms() - show->begun_ms;

	show->total = total;
	show->sent = sent;
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%3d %%  %.1f of %.1f MiB  %.1f MiB/s ",
		total ? (int)(done * 100 / total) : 100, (double)done / 1048576,
		(double)total / 1048576, ms > 0 ? (double)done / 1048.576 / (double)ms : 0);
	show->line = true;
}

/* DST is the new name; with "/" behind it, or of several files, the directory that they go into. */
static char *target(const char *src, const char *dst, bool several)
{
	size_t len = strlen(dst), end = strlen(src), at;

	if (!several && !(len && dst[len - 1] == '/'))
		return om_xstrdup(dst);
	while (end > 1 && src[end - 1] == '/')
		end--;
	for (at = end; at && src[at - 1] != '/';)
		at--;
	return om_xasprintf("%s%s%.*s", dst, len && dst[len - 1] == '/' ? "" : "/", (int)(end - at),
			    src + at);
}

int verb_put(const struct options *options, char **names, size_t count)
{
	struct options own = *options;
	struct put_file *files = om_xcalloc(count, sizeof(*files));
	struct show show = { .begun_ms = now_ms() };
	struct put_watch watch = { .ctx = &show, .progress = progress };
	struct om_err err = { 0 };
	struct link link = { .fd = -1 };
	bool ok;

	own.say = say;
	for (size_t i = 0; i + 1 < count; i++)
		files[i] = (struct put_file){ .src = names[i],
					      .dst = target(names[i], names[count - 1], count > 2),
					      .replace = options->replace };
	ok = link_open(&link, &own, &err) && put_files(&link, files, count - 1, &watch, &err);
	link_close(&link);
	if (show.line)
		fputc('\n', stderr);
	for (size_t i = 0; i + 1 < count; i++)
		free((char *)(uintptr_t)files[i].dst);
	free(files);
	return ok ? 0 : fail(&err);
}
