/* SPDX-License-Identifier: Apache-2.0 */
#include "om_survey.h"

#include "om_buf.h"
#include "om_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Where OpenNebula keeps the scripts on hosts, unless oned.conf says otherwise. */
#define REMOTES_DIR "/var/tmp/one"
#define ANSWER "answer "
#define CLOSE_MS 300

/* Where there is no helper, or an older one, the addresses at least. */
#define COMMAND                                                                                    \
	"r='%s/onemigrate/run'; [ -x \"$r\" ] && \"$r\" survey && exit 0; echo " OM_SURVEY_NONE    \
	"; PATH=$PATH:/usr/sbin:/sbin exec ip -o addr show"

struct om_survey_link {
	pid_t pid;
	int to, from; /* -1: nothing more can be asked */
	struct om_buf in;
	size_t taken; /* bytes of `in` that have been read as lines */
	char said
		[160]; /* the last line that was no answer: what ssh or the other shell complain of */
	bool no_helper;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void hang_up(struct om_survey_link *link)
{
	if (link->to >= 0)
		close(link->to);
	if (link->from >= 0)
		close(link->from);
	link->to = link->from = -1;
}

static bool start(struct om_survey_link *link, const char *host, const char *dir)
{
	OM_AUTOFREE char *command = om_xasprintf(COMMAND, dir);
	const char *argv[OM_PROC_SSH_WORDS];

	om_proc_ssh_words(argv, host, command);
	link->pid = om_proc_start_all(argv, &link->to, &link->from);
	if (link->pid < 0)
		snprintf(link->said, sizeof(link->said), "ssh cannot be started: %s",
			 strerror(errno));
	else /* a full pipe must not make us wait longer than we want to */
		fcntl(link->to, F_SETFL, O_NONBLOCK);
	return link->pid > 0;
}

/* The scripts may have begun the ssh before they looked for a helper: "TO FROM HOST", two descriptors. */
static bool begun_before(int *to, int *from, const char **host)
{
	const char *text = getenv("ONEMIGRATE_LINK");
	int at = 0;
	bool ok = text && sscanf(text, "%d %d %n", to, from, &at) == 2 && at &&
		  *to > STDERR_FILENO && *from > STDERR_FILENO;

	if (ok)
		*host = text + at;
	return ok;
}

static bool adopt(struct om_survey_link *link, const char *host)
{
	const char *of;
	int to, from;

	if (!begun_before(&to, &from, &of) || strcmp(of, host) != 0 ||
	    fcntl(to, F_SETFD, FD_CLOEXEC) || fcntl(from, F_SETFD, FD_CLOEXEC) ||
	    fcntl(to, F_SETFL, O_NONBLOCK))
		return false;
	unsetenv("ONEMIGRATE_LINK");
	link->to = to;
	link->from = from;
	return true;
}

void om_survey_link_disown(void)
{
	const char *host;
	int to, from;

	if (begun_before(&to, &from, &host)) {
		close(to);
		close(from);
	}
	unsetenv("ONEMIGRATE_LINK");
}

struct om_survey_link *om_survey_link_open(const char *host)
{
	const char *dir = getenv("SCRIPTS_REMOTE_DIR");
	struct om_survey_link *link;

	if (!om_host_valid(host))
		return NULL;
	link = om_xcalloc(1, sizeof(*link));
	link->to = link->from = -1;
	if (adopt(link, host))
		return link;
	if (om_str_empty(dir))
		dir = REMOTES_DIR;
	if (strchr(dir, '\''))
		om_str_copy(link->said, sizeof(link->said), "SCRIPTS_REMOTE_DIR is no usable path");
	else if (!start(link, host, dir))
		link->to = link->from = -1;
	return link;
}

/* Waits for what poll() tells; false when the time is over. */
static bool wait_for(int fd, short events, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = now_ms();
		int ready = now < until_ms ? poll(&p, 1, (int)(until_ms - now)) : 0;

		if (ready >= 0 || errno != EINTR)
			return ready > 0;
	}
}

/* The other end may be gone, and whoever calls us need not ignore SIGPIPE. */
static ssize_t write_quietly(int fd, const char *text, size_t len)
{
	sigset_t pipe_only, before, pending;
	struct timespec none = { 0 };
	bool was_pending;
	ssize_t n;
	int error;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	n = write(fd, text, len);
	error = errno;
	if (n < 0 && error == EPIPE && !was_pending)
		sigtimedwait(&pipe_only, NULL, &none);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return n;
}

static bool send_all(struct om_survey_link *link, const char *text, uint64_t until_ms)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = link->to < 0 ? -1 : write_quietly(link->to, text, len);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (link->to < 0 || (errno != EAGAIN && errno != EINTR)) {
			return false;
		} else if (!wait_for(link->to, POLLOUT, until_ms)) {
			return false;
		}
	}
	return true;
}

enum got { LINE, END, LATE };

/* The next line, without its newline; it stays where it is until the next one is asked for. */
static enum got next_line(struct om_survey_link *link, char **line, uint64_t until_ms)
{
	struct om_buf *in = &link->in;
	char chunk[4096], *newline;
	ssize_t n;

	if (link->taken) {
		in->len -= link->taken;
		memmove(in->text, in->text + link->taken, in->len + 1);
		link->taken = 0;
	}
	while (!(newline = in->text ? memchr(in->text, '\n', in->len) : NULL)) {
		if (link->from < 0 || in->len > OM_SURVEY_TEXT_MAX)
			return END;
		if (!wait_for(link->from, POLLIN, until_ms))
			return LATE;
		n = read(link->from, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return END;
		om_buf_add(in, chunk, (size_t)n);
	}
	*newline = '\0';
	*line = in->text;
	link->taken = (size_t)(newline + 1 - in->text);
	return LINE;
}

/* ssh ends its own lines with a carriage return too. */
static void keep_said(struct om_survey_link *link, char *line)
{
	line = om_str_strip(line);
	om_str_sanitize(line);
	if (*line)
		om_str_copy(link->said, sizeof(link->said), line);
}

static void say(char *why, size_t size, const struct om_survey_link *link, enum got got)
{
	if (got == LATE)
		snprintf(why, size, "no answer in time");
	else if (link->no_helper)
		snprintf(why, size, "there is no helper that could answer%s%s",
			 *link->said ? ": " : "", link->said);
	else
		snprintf(why, size, "%s", *link->said ? link->said : "ssh ended without a word");
}

/* Adds lines up to "end". */
static enum got read_survey(struct om_survey_link *link, struct om_buf *text, uint64_t until_ms)
{
	enum got got;
	char *line;

	while ((got = next_line(link, &line, until_ms)) == LINE) {
		if (text->len > OM_SURVEY_TEXT_MAX)
			return END;
		om_buf_addf(text, "%s\n", line);
		if (strcmp(line, "end") == 0)
			return LINE;
	}
	return got;
}

static enum got read_addresses(struct om_survey_link *link, struct om_survey *survey,
			       uint64_t until_ms)
{
	char *line, ifname[64];
	enum got got;

	while ((got = next_line(link, &line, until_ms)) == LINE) {
		struct om_addr addr;

		if (survey->addr_count < OM_ARRAY_LEN(survey->addrs) &&
		    om_ip_addr_line(line, &addr, ifname, sizeof(ifname)) &&
		    !om_addr_is_loopback_or_link_local(&addr))
			survey->addrs[survey->addr_count++] = addr;
	}
	return got;
}

/* What comes before the answer is of the login shell, of `run`, or of ssh itself. */
static enum got read_answer(struct om_survey_link *link, struct om_survey *survey,
			    struct om_buf *text, uint64_t until_ms)
{
	enum got got;
	char *line;

	while ((got = next_line(link, &line, until_ms)) == LINE) {
		if (strcmp(line, OM_SURVEY_NONE) == 0) {
			link->no_helper = true;
			got = read_addresses(link, survey, until_ms);
			return got == LATE ? LATE : END;
		}
		if (om_str_starts(line, "onemigrate-survey ")) {
			om_buf_addf(text, "%s\n", line);
			return read_survey(link, text, until_ms);
		}
		keep_said(link, line);
	}
	return got;
}

bool om_survey_link_ask(struct om_survey_link *link, const struct om_survey_ask *ask,
			struct om_survey *survey, uint32_t timeout_ms)
{
	uint64_t until_ms = now_ms() + timeout_ms;
	OM_AUTOFREE char *question = om_survey_ask_print(ask);
	struct om_survey found = { 0 };
	struct om_buf text = { 0 };
	struct om_err err;
	enum got got;
	bool ok;

	memset(survey, 0, sizeof(*survey));
	/* Where nobody reads the question there is an answer all the same. */
	(void)send_all(link, question, until_ms);
	got = read_answer(link, survey, &text, until_ms);
	ok = got == LINE && om_survey_parse(&found, ask, text.text, &err);
	if (ok)
		*survey = found;
	else if (got == LINE)
		om_str_copy(survey->why, sizeof(survey->why), err.msg);
	else
		say(survey->why, sizeof(survey->why), link, got);
	free(text.text);
	/* A late answer would be taken for that of the next question. */
	if (got != LINE)
		hang_up(link);
	return ok;
}

bool om_survey_link_call(struct om_survey_link *link, const char *question, uint32_t timeout_ms,
			 char *answer, size_t size)
{
	uint64_t until_ms = now_ms() + timeout_ms;
	OM_AUTOFREE char *line = om_xasprintf("%s\n", question);
	char *reply, *text, strange[] = "a strange answer";
	enum got got = END;

	if (send_all(link, line, until_ms))
		while ((got = next_line(link, &reply, until_ms)) == LINE &&
		       !om_str_starts(reply, ANSWER)) {
			link->no_helper |= strcmp(reply, OM_SURVEY_NONE) == 0;
			keep_said(link, reply);
		}
	if (got != LINE) {
		say(answer, size, link, got);
		hang_up(link);
		return false;
	}
	reply += strlen(ANSWER);
	text = strchr(reply, ' ');
	if (text)
		*text++ = '\0';
	if (!text || !om_survey_unword(text))
		text = strange;
	om_str_sanitize(text);
	om_str_copy(answer, size, text);
	return strcmp(reply, "yes") == 0;
}

/* It leads a session of its own, with whatever it was told to start on the way. A connection that hangs
 * is not waited for. */
static void end_ssh(pid_t pid)
{
	uint64_t until_ms = now_ms() + CLOSE_MS;
	struct timespec step = { .tv_nsec = 5000000 };

	kill(-pid, SIGTERM);
	while (now_ms() < until_ms) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&step, NULL);
	}
	kill(-pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void om_survey_link_close(struct om_survey_link *link)
{
	if (!link)
		return;
	hang_up(link);
	if (link->pid > 0)
		end_ssh(link->pid);
	free(link->in.text);
	free(link);
}
