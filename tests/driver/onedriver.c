/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's end of the live migration action, for tests: starts the script as OpenNebula's
 * one_vmm_exec does, reads its output by the same byte rules, files each line as vm.log would have
 * it and forms the text that oned is told (OpenNebula driver contract, 1.1 and 1.2).
 *
 *   onedriver [--release 6.4|7.0] [--timeout S] [--vmid N] [--log FILE]
 *             --script PATH --args DEPLOY_ID DST SRC VMID SRC -- SHELL-COMMAND... < XML
 *   onedriver --local [...] --script PATH --args DEPLOY_ID DST SRC VMID SRC < XML
 *
 * SHELL-COMMAND reads commands from its stdin: `bash -s`, or `ssh HOST bash -s`.
 * Prints the lines of vm.log (or writes them to FILE), then `MIGRATE SUCCESS|FAILURE <vmid> <text>`.
 * Exit status: 0 success, 1 failure, 2 the driver would wait for ever, 64 wrong usage.
 *
 * Lines of the log: `[VMM][I]: ...` is the VM's own log; `[VM 16][I]: ...` and `[ONED][I]: ...` are
 * lines that release 7 files under the VM whose number follows the tag, or under oned. The driver
 * does that on failure; here it is shown on success too, because a misfiled line is a fault at any time.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_HANG = 2, EXIT_USAGE_ERROR = 64 };
enum { CODE_LOST_SCRIPT = 42, CODE_NONE = -1 };

struct buf {
	char *data; /* always terminated; may hold NULs */
	size_t len, cap;
};

struct options {
	bool local, seven;
	long timeout_s;
	const char *vmid, *log, *script;
	char **args;  /* five */
	char **shell; /* NULL-terminated; unused with local */
};

struct run {
	pid_t pid;
	int in, out, err; /* -1 once closed */
	struct buf input;
	size_t written;
	struct buf out_text, err_text;
	bool reaped;
	int status; /* of waitpid, once reaped */
};

static FILE *log_file;

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "onedriver: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_USAGE_ERROR);
}

static void buf_add(struct buf *b, const char *data, size_t len)
{
	if (b->len + len + 1 > b->cap) {
		b->cap = (b->len + len + 1) * 2;
		b->data = realloc(b->data, b->cap);
		if (!b->data)
			die("out of memory");
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

static void buf_puts(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void read_all(int fd, struct buf *b)
{
	char chunk[65536];
	ssize_t n;

	buf_add(b, "", 0);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno != EINTR)
			die("stdin: %s", strerror(errno));
		if (n > 0)
			buf_add(b, chunk, (size_t)n);
	}
}

/* ---- the log ---- */

static void log_line(const char *where, char severity, const char *text, size_t len)
{
	fprintf(log_file, "[%s][%c]: ", where, severity);
	fwrite(text, 1, len, log_file);
	fputc('\n', log_file);
}

static void log_printf(char severity, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void log_printf(char severity, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	log_line("VMM", severity, text, strlen(text));
	free(text);
}

static bool starts(const char *text, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* ^(ERROR|DEBUG|INFO):(.*)$ decides the severity; all else, WARN too, is information as it stands. */
static void log_stderr_line(const char *line, size_t len)
{
	static const struct {
		const char *tag;
		char severity;
	} tags[] = { { "ERROR:", 'E' }, { "DEBUG:", 'D' }, { "INFO:", 'I' } };

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		size_t skip = strlen(tags[i].tag);

		if (starts(line, len, tags[i].tag)) {
			log_line("VMM", tags[i].severity, line + skip, len - skip);
			return;
		}
	}
	log_line("VMM", 'I', line, len);
}

/* ---- what oned is told ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r' ||
	       c == '\0';
}

static void strip(const char **text, size_t *len)
{
	while (*len && is_space(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && is_space((*text)[*len - 1]))
		(*len)--;
}

/*
 * ^(ERROR|INFO|WARN|DEBUG):\s+(\d+)?\s*(.*)$ : a line that release 7 takes out of the text and
 * sends as a log message, to the VM of that number or to oned.
 */
static bool route_tagged(const char *line, size_t len)
{
	static const char *const tags[] = { "ERROR:", "INFO:", "WARN:", "DEBUG:" };
	char where[64] = "ONED";
	size_t at = 0, digits;

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (starts(line, len, tags[i]))
			at = strlen(tags[i]);
	if (!at || at == len || !is_space(line[at]))
		return false;
	while (at < len && is_space(line[at]))
		at++;
	for (digits = 0; at + digits < len && isdigit((unsigned char)line[at + digits]);)
		digits++;
	if (digits) {
		snprintf(where, sizeof(where), "VM %.*s", (int)(digits < 20 ? digits : 20),
			 line + at);
		at += digits;
		while (at < len && is_space(line[at]))
			at++;
	}
	log_line(where, line[0], line + at, len - at);
	return true;
}

/* Calls `each` for every line of the text, without its newline; a last one that has none counts. */
static void for_lines(const struct buf *text, void (*each)(const char *, size_t, void *),
		      void *data)
{
	const char *p = text->data, *end = text->data + text->len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		each(p, len, data);
		p += len + 1;
	}
}

static void each_log(const char *line, size_t len, void *data)
{
	(void)data;
	log_stderr_line(line, len);
}

/* Without a separator: two lines that are not tagged are glued together. */
static void each_text_seven(const char *line, size_t len, void *data)
{
	if (route_tagged(line, len))
		return;
	strip(&line, &len);
	buf_add(data, line, len);
}

static void each_local_success(const char *line, size_t len, void *data)
{
	const char *p = line + strlen("INFO:");

	(void)data;
	if (!starts(line, len, "INFO: ") || !isdigit((unsigned char)p[1]))
		return;
	route_tagged(line, len);
}

static void text_of_failure(const struct options *o, const struct buf *err, int code,
			    struct buf *text)
{
	char tail[32];

	buf_add(text, "", 0);
	if (o->seven) {
		for_lines(err, each_text_seven, text);
		snprintf(tail, sizeof(tail), "ExitCode: %d", code);
		buf_puts(text, tail);
		return;
	}
	buf_add(text, err->data, err->len);
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] == '\n')
			text->data[i] = ' ';
}

static void text_of_success(const struct buf *out, struct buf *text)
{
	const char *p = out->data;
	size_t len = out->len;

	strip(&p, &len);
	buf_add(text, p, len);
	if (!len)
		buf_puts(text, "-");
}

static int answer(const struct options *o, bool success, struct buf *text)
{
	size_t line = text->len ? strcspn(text->data, "\n") : 0;

	if (line < text->len)
		log_printf('E', "PROTOCOL: the text holds a newline or a NUL, oned takes what "
				"follows as another message");
	log_printf('I', "%s virtualization driver operation: migrate.",
		   success ? "Successfully execute" : "Failed to execute");
	if (!success && text->len && text->data[0] != '-')
		log_printf('E', "MIGRATE: %.*s", (int)line, text->data);
	if (log_file != stdout)
		fclose(log_file);
	printf("MIGRATE %s %s %.*s\n", success ? "SUCCESS" : "FAILURE", o->vmid, (int)line,
	       text->data);
	fflush(stdout);
	return success ? 0 : 1;
}

/* ---- the process at the other end ---- */

/* In a process group of its own, as the driver has it: its time-out signals the group. */
static void start(struct run *r, char **argv)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	r->pid = fork();
	if (r->pid < 0)
		die("fork: %s", strerror(errno));
	if (r->pid == 0) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
			_exit(126);
		execvp(argv[0], argv);
		fprintf(stderr, "onedriver: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	setpgid(r->pid, r->pid);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	r->in = in[1];
	r->out = out[0];
	r->err = err[0];
	if (fcntl(r->in, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl: %s", strerror(errno));
	buf_add(&r->out_text, "", 0);
	buf_add(&r->err_text, "", 0);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void read_some(int *fd, struct buf *b)
{
	char chunk[65536];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n > 0)
		buf_add(b, chunk, (size_t)n);
	else if (n == 0 || errno != EINTR)
		close_fd(fd);
}

static void write_some(struct run *r, bool then_close)
{
	ssize_t n = write(r->in, r->input.data + r->written, r->input.len - r->written);

	if (n > 0)
		r->written += (size_t)n;
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		close_fd(&r->in);
	if (then_close && r->written == r->input.len)
		close_fd(&r->in);
}

/* One turn of input and output, at most until `deadline`; false where the time is over. */
static bool turn(struct run *r, double deadline, bool then_close)
{
	struct pollfd p[3] = { { .fd = r->out, .events = POLLIN },
			       { .fd = r->err, .events = POLLIN },
			       { .fd = r->written < r->input.len || then_close ? r->in : -1,
				 .events = POLLOUT } };
	double left = deadline - now_s();

	if (left <= 0)
		return false;
	if (poll(p, 3, left > 0.1 ? 100 : (int)(left * 1000) + 1) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
	if (p[0].revents && r->out >= 0)
		read_some(&r->out, &r->out_text);
	if (p[1].revents && r->err >= 0)
		read_some(&r->err, &r->err_text);
	if (p[2].revents && r->in >= 0)
		write_some(r, then_close);
	return true;
}

static bool reap(struct run *r, double deadline)
{
	while (!r->reaped) {
		if (waitpid(r->pid, &r->status, WNOHANG) == r->pid)
			r->reaped = true;
		else if (now_s() >= deadline)
			return false;
		else
			usleep(5000);
	}
	return true;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * A line `<head><digits><tail>` at the beginning of some line. Returns its number and where it is,
 * else CODE_NONE.
 */
static int find_marker(const struct buf *b, const char *head, const char *tail, size_t *at,
		       size_t *len)
{
	size_t pos = 0;

	while (pos < b->len) {
		const char *line = b->data + pos;
		const char *nl = memchr(line, '\n', b->len - pos);
		size_t n, digits;

		if (!nl)
			return CODE_NONE;
		n = (size_t)(nl - line) + 1;
		if (starts(line, n, head)) {
			const char *p = line + strlen(head);

			for (digits = 0; isdigit((unsigned char)p[digits]);)
				digits++;
			if (starts(p + digits, n - strlen(head) - digits, tail)) {
				*at = pos;
				*len = n;
				return atoi(p);
			}
		}
		pos += n;
	}
	return CODE_NONE;
}

static void buf_cut(struct buf *b, size_t at, size_t len)
{
	memmove(b->data + at, b->data + at + len, b->len - at - len + 1);
	b->len -= len;
}

static void hang(struct run *r, const struct options *o)
{
	const char *tail = r->err_text.data;

	for (const char *p = tail; *p; p++)
		if (p[0] == '\n' && p[1])
			tail = p + 1;
	log_printf('E', "HANG: no end of the action after %ld s; last on stderr: %.200s",
		   o->timeout_s, tail);
	if (log_file != stdout)
		fclose(log_file);
	fflush(stdout);
	kill(-r->pid, SIGHUP);
	close_fd(&r->in);
	if (!reap(r, now_s() + 2)) {
		kill(-r->pid, SIGKILL);
		reap(r, now_s() + 2);
	}
	exit(EXIT_HANG);
}

/*
 * Reads until `EOF_OUT\n` was seen anywhere on stdout and the marker of the exit code as a line of
 * its own on stderr. The end of the shell is a line `ExitSSHCode: N`, as the driver's wrapper around
 * ssh prints it; so is such a line from anybody else.
 */
static int until_markers(struct run *r, const struct options *o, bool *lost)
{
	double deadline = now_s() + (double)o->timeout_s;
	bool ended = false;

	*lost = false;
	for (;;) {
		size_t at, len;
		char *eof = memmem(r->out_text.data, r->out_text.len, "EOF_OUT\n", 8);
		int code = find_marker(&r->err_text, "ExitSSHCode: ", "\n", &at, &len);

		if (code != CODE_NONE) {
			*lost = true;
			return code;
		}
		code = find_marker(&r->err_text, "ExitCode: ", " EOF_ERR\n", &at, &len);
		if (eof && code != CODE_NONE) {
			buf_cut(&r->err_text, at, len);
			buf_cut(&r->out_text, (size_t)(eof - r->out_text.data), 8);
			return code;
		}
		if (!turn(r, deadline, false))
			hang(r, o);
		if (!ended && r->out < 0 && r->err < 0 && reap(r, deadline)) {
			char line[64];

			ended = true;
			snprintf(line, sizeof(line), "ExitSSHCode: %d\n", exit_code(r->status));
			buf_puts(&r->err_text, line);
		}
	}
}

static char *quoted_command(const struct options *o)
{
	char *text;

	/* As the driver quotes: three words in single quotes, its own two as they are. */
	if (asprintf(&text, "%s '%s' '%s' '%s' %s %s", o->script, o->args[0], o->args[1],
		     o->args[2], o->args[3], o->args[4]) < 0)
		die("out of memory");
	return text;
}

static void log_command(const struct buf *err, int code, const char *what, const char *command)
{
	if (code != 0)
		log_printf('I', "Command execution %s (exit code: %d): %s", what, code, command);
	for_lines(err, each_log, NULL);
	log_printf('I', "ExitCode: %d", code);
}

static int finish(const struct options *o, const struct run *r, int code)
{
	struct buf text = { 0 };
	int status;

	if (code == 0) {
		struct buf unused = { 0 };

		if (o->seven && !o->local)
			for_lines(&r->err_text, each_text_seven, &unused);
		free(unused.data);
		text_of_success(&r->out_text, &text);
	} else {
		text_of_failure(o, &r->err_text, code, &text);
	}
	status = answer(o, code == 0, &text);
	free(text.data);
	return status;
}

static const char MARKERS[] = "; echo \"ExitCode: $? EOF_ERR\" 1>&2; echo \"EOF_OUT\"\n";

static int run_remote(const struct options *o, const struct buf *xml)
{
	struct run r = { .in = -1, .out = -1, .err = -1 };
	char *command = quoted_command(o), *heredoc;
	bool lost;
	int code;

	start(&r, o->shell);

	buf_puts(&r.input, "(if [ ! -x \"");
	buf_puts(&r.input, o->script);
	buf_puts(&r.input, "\" ]; then exit 42; fi)");
	buf_puts(&r.input, MARKERS);
	code = until_markers(&r, o, &lost);
	if (!lost && code == CODE_LOST_SCRIPT) {
		log_printf('I', "Remote worker node files not found");
		log_printf('I', "Updating remotes");
	}
	if (!lost && code == 0) {
		r.input.len = r.written = r.out_text.len = r.err_text.len = 0;
		r.out_text.data[0] = r.err_text.data[0] = '\0';
		if (asprintf(&heredoc, "cat << 'EOT' | %s", command) < 0)
			die("out of memory");
		buf_puts(&r.input, "(");
		buf_puts(&r.input, heredoc);
		buf_puts(&r.input, ")");
		buf_puts(&r.input, MARKERS);
		buf_add(&r.input, xml->data, xml->len);
		buf_puts(&r.input, "\nEOT\n");
		code = until_markers(&r, o, &lost);
		if (lost) {
			buf_puts(&r.err_text, "Error connecting to ");
			buf_puts(&r.err_text, o->args[2]);
			buf_puts(&r.err_text, "\n");
			code = code ? code : 255;
		}
		log_command(&r.err_text, code, "fail", heredoc);
		free(heredoc);
	} else if (lost) {
		buf_puts(&r.err_text, "Error connecting to ");
		buf_puts(&r.err_text, o->args[2]);
		buf_puts(&r.err_text, "\n");
		code = code ? code : 255;
		log_command(&r.err_text, code, "fail", command);
	}
	code = finish(o, &r, code);

	/* The stream is closed; who still holds its other ends is not waited for. */
	close_fd(&r.in);
	close_fd(&r.out);
	close_fd(&r.err);
	if (!reap(&r, now_s() + 2))
		kill(-r.pid, SIGHUP);
	free(command);
	return code;
}

static void base64(const struct buf *from, struct buf *to)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < from->len; i += 3) {
		size_t n = from->len - i < 3 ? from->len - i : 3;
		unsigned char in[3] = { 0 };
		char out[4];

		memcpy(in, from->data + i, n);
		out[0] = set[in[0] >> 2];
		out[1] = set[(in[0] & 3) << 4 | in[1] >> 4];
		out[2] = n > 1 ? set[(in[1] & 15) << 2 | in[2] >> 6] : '=';
		out[3] = n > 2 ? set[in[2] & 63] : '=';
		buf_add(to, out, 4);
	}
}

/* A local action ends with its streams: a child that keeps stdout open delays it. */
static int run_local(const struct options *o, const struct buf *xml)
{
	struct run r = { .in = -1, .out = -1, .err = -1 };
	char *command = quoted_command(o);
	char *argv[] = { "sh", "-c", command, NULL };
	double deadline;
	int code;

	base64(xml, &r.input);
	start(&r, argv);
	deadline = now_s() + (double)o->timeout_s;
	while (r.out >= 0 || r.err >= 0)
		if (!turn(&r, deadline, true))
			hang(&r, o);
	if (!reap(&r, deadline))
		hang(&r, o);
	close_fd(&r.in);
	code = exit_code(r.status);
	if (code != 0)
		log_command(&r.err_text, code, "failed", command);
	else if (o->seven)
		for_lines(&r.err_text, each_local_success, NULL);
	free(command);
	return finish(o, &r, code);
}

/* ---- the command line ---- */

static char *value_of(char **argv, int argc, int *i)
{
	if (*i + 1 >= argc)
		die("%s needs a value", argv[*i]);
	return argv[++*i];
}

static void parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--release")) {
			const char *v = value_of(argv, argc, &i);

			if (strcmp(v, "6.4") && strcmp(v, "7.0"))
				die("--release is 6.4 or 7.0");
			o->seven = v[0] == '7';
		} else if (!strcmp(argv[i], "--timeout")) {
			o->timeout_s = atol(value_of(argv, argc, &i));
		} else if (!strcmp(argv[i], "--vmid")) {
			o->vmid = value_of(argv, argc, &i);
		} else if (!strcmp(argv[i], "--log")) {
			o->log = value_of(argv, argc, &i);
		} else if (!strcmp(argv[i], "--script")) {
			o->script = value_of(argv, argc, &i);
		} else if (!strcmp(argv[i], "--local")) {
			o->local = true;
		} else if (!strcmp(argv[i], "--args")) {
			if (i + 5 >= argc)
				die("--args needs DEPLOY_ID DST SRC VMID SRC");
			o->args = argv + i + 1;
			i += 5;
		} else if (!strcmp(argv[i], "--")) {
			o->shell = argv + i + 1;
			break;
		} else {
			die("unknown argument %s", argv[i]);
		}
	}
	if (!o->script || !o->args)
		die("--script PATH and --args DEPLOY_ID DST SRC VMID SRC are needed");
	if (!o->local && (!o->shell || !o->shell[0]))
		die("-- SHELL-COMMAND is needed");
	if (o->timeout_s < 1)
		die("--timeout is at least 1");
	if (!o->vmid)
		o->vmid = o->args[3];
}

int main(int argc, char **argv)
{
	struct options o = { .seven = true, .timeout_s = 60 };
	struct buf xml = { 0 };

	parse(&o, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	log_file = o.log ? fopen(o.log, "we") : stdout;
	if (!log_file)
		die("%s: %s", o.log, strerror(errno));
	read_all(0, &xml);
	return o.local ? run_local(&o, &xml) : run_remote(&o, &xml);
}
