/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on stdin, answers on stdout: see om_ssh.h. */
#include "ssh.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A caller that hears nothing any more is gone: so is the reason to go on. The other end cleans up. */
static void say_it(void)
{
	if (fflush(stdout) != 0)
		_exit(OM_SSH_EXIT_LOST);
}

static void answer(const char *word, const char *text)
{
	char line[1200];

	snprintf(line, sizeof(line), "%s%s%s", word, *text ? " " : "", text);
	om_str_sanitize(line);
	printf("%s\n", line);
	say_it();
}

static void say(bool warn, const char *text)
{
	answer(warn ? "warn" : "note", text);
}

/* While nobody asks for anything, what the other host's sshd asks is answered. */
static bool wait_for_request(struct link *link, struct om_err *err)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
			       { .fd = link->fd, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return om_err_set(err, OM_E_INPUT, "poll: %s", strerror(errno));
		if (p[0].revents)
			return true;
		if (!p[1].revents)
			continue;
		if (link->peer) {
			if (!peer_answers(link->peer, 0, err))
				return false;
		} else {
			char byte;

			/* Without a channel the library reads nothing; only the end is of interest. */
			if (recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
				return link_lost(link, "idle", err);
			p[1].events = 0;
			if (p[1].revents & (POLLHUP | POLLERR))
				return link_lost(link, "idle", err);
		}
	}
}

static char *read_bytes(size_t len)
{
	char *bytes = om_xcalloc(1, len + 1);

	if (fread(bytes, 1, len, stdin) == len)
		return bytes;
	free(bytes);
	return NULL;
}

static void output(void *ctx, int stream, const char *bytes, size_t len)
{
	(void)ctx;
	printf("%s %zu\n", stream ? "err" : "out", len);
	fwrite(bytes, 1, len, stdout);
	say_it();
}

/* False: the caller is not to be understood, or the connection is lost. */
static bool ended_well(bool ok, struct om_err *err, const char *word)
{
	if (ok) {
		answer(word, "");
		return true;
	}
	if (err->code == OM_E_UNKNOWN)
		return false;
	answer(err->code == OM_E_STOCK ? "unserved" : "failed", err->msg);
	return true;
}

static bool request_run(struct link *link, const struct om_ssh_line *line, struct om_err *err)
{
	OM_AUTOFREE char *script = NULL;
	char status_text[32];
	int status = 0;

	if (line->numbers != 2 || line->number[0] > OM_SSH_SCRIPT_MAX ||
	    line->number[1] > UINT32_MAX || !(script = read_bytes(line->number[0])))
		return om_err_set(err, OM_E_INPUT, "a strange request");
	if (!run_script(link, script, line->number[0], (uint32_t)line->number[1], output, NULL,
			&status, err))
		return ended_well(false, err, "");
	snprintf(status_text, sizeof(status_text), "%d", status);
	answer("exit", status_text);
	return true;
}

static bool read_line(char *line, size_t size)
{
	size_t len;

	if (!fgets(line, (int)size, stdin))
		return false;
	len = strlen(line);
	if (!len || line[len - 1] != '\n')
		return false;
	line[len - 1] = '\0';
	return true;
}

static bool read_file(struct put_file *file)
{
	struct om_ssh_line line;
	char text[100];

	if (!read_line(text, sizeof(text)) || !om_ssh_line_parse(&line, text) ||
	    strcmp(line.word, "file") != 0 || line.numbers != 3 ||
	    line.number[0] > OM_SSH_NAME_MAX || line.number[1] > OM_SSH_NAME_MAX)
		return false;
	file->src = read_bytes(line.number[0]);
	file->dst = read_bytes(line.number[1]);
	file->replace = line.number[2] == 1;
	return file->src && file->dst && strlen(file->src) == line.number[0] &&
	       strlen(file->dst) == line.number[1];
}

static void placed(void *ctx, size_t index)
{
	char text[32];

	(void)ctx;
	snprintf(text, sizeof(text), "%zu", index);
	answer("placed", text);
}

static void progress(void *ctx, uint64_t done, uint64_t total, uint64_t sent)
{
	char text[100];

	(void)ctx;
	snprintf(text, sizeof(text), "%llu %llu %llu", (unsigned long long)done,
		 (unsigned long long)total, (unsigned long long)sent);
	answer("progress", text);
}

static bool request_put(struct link *link, const struct om_ssh_line *line, struct om_err *err)
{
	static const struct put_watch watch = { .placed = placed, .progress = progress };
	size_t count = line->numbers == 1 ? line->number[0] : 0;
	struct put_file *files;
	bool ok = count && count <= OM_SSH_FILES_MAX;

	files = om_xcalloc(ok ? count : 1, sizeof(*files));
	for (size_t i = 0; ok && i < count; i++)
		ok = read_file(&files[i]);
	if (ok)
		ok = ended_well(put_files(link, files, count, &watch, err), err, "done");
	else
		om_err_set(err, OM_E_INPUT, "a strange request");
	for (size_t i = 0; i < count && count <= OM_SSH_FILES_MAX; i++) {
		free((char *)(uintptr_t)files[i].src);
		free((char *)(uintptr_t)files[i].dst);
	}
	free(files);
	return ok;
}

static bool serve_requests(struct link *link, struct om_err *err)
{
	struct om_ssh_line line;
	char text[100];

	for (;;) {
		if (!wait_for_request(link, err))
			return false;
		if (!read_line(text, sizeof(text)))
			return true;
		if (!om_ssh_line_parse(&line, text))
			return om_err_set(err, OM_E_INPUT, "a strange request");
		if (strcmp(line.word, "run") == 0) {
			if (!request_run(link, &line, err))
				return false;
		} else if (strcmp(line.word, "put") != 0) {
			return om_err_set(err, OM_E_INPUT, "a strange request");
		} else if (!request_put(link, &line, err)) {
			return false;
		}
	}
}

int verb_batch(const struct options *options)
{
	struct options own = *options;
	struct om_err err = { 0 };
	struct link link;
	bool ok;

	own.say = say;
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what was not read yet */
	ok = link_open(&link, &own, &err);
	if (ok) {
		answer("ready", link.address);
		ok = serve_requests(&link, &err);
		if (!ok && err.code == OM_E_UNKNOWN)
			answer("lost", err.msg);
		else if (!ok)
			answer("failed", err.msg);
	} else {
		answer(err.code == OM_E_STOCK	  ? "cannot"
		       : err.code == OM_E_REFUSED ? "refused"
						  : "lost",
		       err.msg);
	}
	link_close(&link);
	return ok ? 0 : exit_status(&err);
}
