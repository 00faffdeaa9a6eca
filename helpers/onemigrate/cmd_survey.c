/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `onemigrate survey`: asked by another host over ssh; not for people. An ask is a text of several lines
 * and so is its answer; a question is one line, "WORD ARGUMENT...", and its answer is "answer yes TEXT"
 * or "answer no WHY". Arguments and texts are words of om_survey_word().
 */
#include "cmd.h"
#include "om_buf.h"
#include "om_knob.h"
#include "om_state.h"
#include "om_storage.h"
#include "om_survey.h"
#include "om_tm_host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IDLE_MS 60000
#define LIBVIRT_MS 15000
#define ANSWER_S 30 /* then something hangs that nothing else ends */
#define WORDS_MAX 8
#define TOKEN_MAX 64

static struct {
	struct om_buf in;
	size_t taken;	/* bytes of `in` that have been read as a line */
	int listener;	/* -1: none */
	uint64_t until; /* when it is closed */
	uint32_t range_min, range_max;
} self = { .listener = -1 };

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the listener ---- */

static void stop_listening(void)
{
	if (self.listener >= 0)
		close(self.listener);
	self.listener = -1;
}

static void accept_one(void)
{
	int fd = accept4(self.listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

/* ---- questions ---- */

/* The range of this host, where no ask has told it yet. */
static void find_range(void)
{
	struct om_survey_ask nothing = { 0 };
	struct om_survey survey = { 0 };

	if (self.range_max)
		return;
	om_survey_host(&survey, &nothing);
	self.range_min = survey.range_min;
	self.range_max = survey.range_max;
	om_survey_free(&survey);
}

static bool answer_listen(char *words[], char *answer, size_t size)
{
	struct om_addr addr;
	uint16_t port;

	stop_listening();
	if (!om_addr_parse(&addr, words[1])) {
		snprintf(answer, size, "that is no address");
		return false;
	}
	find_range();
	self.listener = om_survey_listen(&addr, self.range_min, self.range_max, &port);
	if (self.listener < 0) {
		snprintf(answer, size, "no port of %u to %u can be listened on: %s", self.range_min,
			 self.range_max, strerror(errno));
		return false;
	}
	self.until = now_ms() + OM_SURVEY_LISTEN_MS;
	snprintf(answer, size, "%u", port);
	return true;
}

static bool is_token(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
	return len >= 1 && len <= TOKEN_MAX;
}

/* The directory of words[1], opened, and the name of the marker of words[2]; -1. */
static int open_marked(char *words[], char name[TOKEN_MAX + 16], char *answer, size_t size)
{
	int fd;

	if (words[1][0] != '/' || !is_token(words[2])) {
		snprintf(answer, size, "that is no directory and token");
		return -1;
	}
	snprintf(name, TOKEN_MAX + 16, ".onemigrate-%s", words[2]);
	fd = open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		snprintf(answer, size, "%.180s: %s", words[1], strerror(errno));
	return fd;
}

static bool say_errno(bool ok, char *answer, size_t size)
{
	snprintf(answer, size, "%s", ok ? "done" : strerror(errno));
	return ok;
}

static bool answer_mark(char *words[], char *answer, size_t size)
{
	char name[TOKEN_MAX + 16];
	OM_AUTOCLOSE int dir = open_marked(words, name, answer, size), fd = -1;

	if (dir < 0)
		return false;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return say_errno(fd >= 0, answer, size);
}

static bool answer_look(char *words[], char *answer, size_t size)
{
	char name[TOKEN_MAX + 16];
	OM_AUTOCLOSE int dir = open_marked(words, name, answer, size);
	struct stat st;

	if (dir < 0)
		return false;
	return say_errno(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0, answer, size);
}

static bool answer_unmark(char *words[], char *answer, size_t size)
{
	char name[TOKEN_MAX + 16];
	OM_AUTOCLOSE int dir = open_marked(words, name, answer, size);

	return dir >= 0 && say_errno(unlinkat(dir, name, 0) == 0, answer, size);
}

static bool answer_forget(char *words[], char *answer, size_t size)
{
	bool done = om_state_forget(words[1]);

	snprintf(answer, size, "%s", done ? "done" : "there is no such end");
	return done;
}

/* words[0] is the question itself. The answer is one sentence or value. */
static const struct question {
	const char *word;
	size_t arguments;
	bool (*answer)(char *words[], char *answer, size_t size);
} questions[] = {
	{ "listen", 1, answer_listen },	    /* ADDR: the port */
	{ "mark", 2, answer_mark },	    /* DIR TOKEN */
	{ "look", 2, answer_look },	    /* DIR TOKEN */
	{ "unmark", 2, answer_unmark },	    /* DIR TOKEN */
	{ "forget-end", 1, answer_forget }, /* UUID */
	{ "remove-dir", 3, om_tm_answer_remove },
	{ "vnm-clean", 4, om_tm_answer_vnm_clean },
	{ "storage-dir", 4, om_storage_answer_mkdir },
	{ "storage-make", 5, om_storage_answer_make },
	{ "storage-link", 4, om_storage_answer_link },
	{ "storage-look", 3, om_storage_answer_look },
	{ "storage-sweep", 3, om_storage_answer_sweep },
	{ "storage-drop", 5, om_storage_answer_drop },
	{ "storage-list", 2, om_storage_answer_list },
};

/* The number of words; 0 where one is none or where there are too many. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t n = 0;
	char *word;

	while ((word = strsep(&line, " ")))
		if (n == WORDS_MAX || !om_survey_unword(word))
			return 0;
		else
			words[n++] = word;
	return n;
}

static bool find_answer(char *line, char *answer, size_t size)
{
	char *words[WORDS_MAX];
	size_t n = split(line, words);

	*answer = '\0';
	for (size_t i = 0; n && i < OM_ARRAY_LEN(questions); i++)
		if (strcmp(words[0], questions[i].word) == 0 && n == questions[i].arguments + 1)
			return questions[i].answer(words, answer, size);
	snprintf(answer, size, "no such question");
	return false;
}

/* ---- the dialogue ---- */

static bool put(const char *text)
{
	return om_write_all(STDOUT_FILENO, text, strlen(text));
}

static bool serve_question(char *line)
{
	static char answer[OM_STORAGE_LIST_MAX]; /* the longest there is */
	bool yes = find_answer(line, answer, sizeof(answer));
	OM_AUTOFREE char *word = om_survey_word(answer);
	OM_AUTOFREE char *text = om_xasprintf("answer %s %s\n", yes ? "yes" : "no", word);

	return put(text);
}

/* Bytes to read, within the time; meanwhile whoever knocks at the listener is let in. */
static bool wait_for_input(uint64_t until_ms)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
					 { .fd = self.listener, .events = POLLIN } };
		uint64_t now = now_ms(), end = until_ms;

		if (self.listener >= 0 && now >= self.until)
			stop_listening();
		if (self.listener >= 0 && self.until < end)
			end = self.until;
		fds[1].fd = self.listener;
		if (now >= until_ms)
			return false;
		if (poll(fds, 2, (int)(end - now)) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents)
			accept_one();
		if (fds[0].revents)
			return true;
	}
}

/* A whole line without its newline, valid until the next one; NULL: the end, the time is over, or the
 * line is too long. */
static char *next_line(uint64_t until_ms)
{
	struct om_buf *in = &self.in;
	char chunk[4096], *newline, *line;
	ssize_t n;

	if (self.taken) {
		in->len -= self.taken;
		memmove(in->text, in->text + self.taken, in->len + 1);
		self.taken = 0;
	}
	while (!(newline = in->text ? memchr(in->text, '\n', in->len) : NULL)) {
		if (in->len > OM_SURVEY_TEXT_MAX || !wait_for_input(until_ms))
			return NULL;
		n = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return NULL;
		om_buf_add(in, chunk, (size_t)n);
	}
	*newline = '\0';
	line = in->text;
	self.taken = (size_t)(newline + 1 - line);
	return line;
}

/* The lines of an ask, up to "end"; NULL where they do not come. */
static char *read_ask(const char *first)
{
	uint64_t until_ms = now_ms() + ANSWER_S * 1000;
	struct om_buf text = { 0 };
	const char *line = first;

	while (line && text.len <= OM_SURVEY_TEXT_MAX) {
		om_buf_addf(&text, "%s\n", line);
		if (strcmp(line, "end") == 0)
			return text.text;
		line = next_line(until_ms);
	}
	free(text.text);
	return NULL;
}

static const char *libvirt_uri(void)
{
	const char *uri = getenv("LIBVIRT_URI");

	return om_str_empty(uri) ? om_knob_table[OM_KNOB_LIBVIRT_URI].def : uri;
}

/* False: whoever asks does not speak as we do, and nothing that follows is to be trusted. */
static bool serve_ask(const char *first)
{
	OM_AUTOFREE char *text = read_ask(first), *answer = NULL;
	struct om_survey_ask ask;
	struct om_survey survey;
	struct om_err err;

	if (!text || !om_survey_ask_parse(&ask, text, &err)) {
		fprintf(stderr, "onemigrate survey: %s\n", text ? err.msg : "the ask is cut off");
		return false;
	}
	/* ssh mixes what is said there into the answer. */
	if (!freopen("/dev/null", "w", stderr))
		fclose(stderr);
	om_survey_here(&survey, &ask, libvirt_uri(), LIBVIRT_MS);
	self.range_min = survey.range_min;
	self.range_max = survey.range_max;
	answer = om_survey_print(&survey);
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
	return put(answer);
}

/* While an answer is made nobody looks at stdin: once nobody reads stdout, there is no one to answer. */
static void *die_with_reader(void *unused)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = 0 };

	(void)unused;
	while (poll(&p, 1, -1) < 0 || !(p.revents & (POLLERR | POLLHUP)))
		if (p.revents & POLLNVAL)
			return NULL;
	_exit(0);
}

static void prepare(void)
{
	pthread_t thread;
	sigset_t none;

	/* Whatever this was started from: SIGALRM has to end it. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&thread, NULL, die_with_reader, NULL) == 0)
		pthread_detach(thread);
}

int om_cmd_survey(int argc, char **argv)
{
	bool going = argc == 1;
	char *line;

	(void)argv;
	if (!going)
		return 2;
	prepare();
	while (going && (line = next_line(now_ms() + IDLE_MS))) {
		alarm(ANSWER_S);
		if (om_str_starts(line, "onemigrate-survey-ask "))
			going = serve_ask(line);
		else
			going = serve_question(line);
		alarm(0);
	}
	stop_listening();
	free(self.in.text);
	return going ? 0 : 1;
}
