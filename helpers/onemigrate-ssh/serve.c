/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "om_util.h"
#include "ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_BYTES ((size_t)2 << 20)
#define ACK_BYTES ((uint64_t)4 << 20)
/* A client that is alive sends something; one whose host is gone may leave its sshd behind. */
#define SILENT_MS 300000

static volatile sig_atomic_t ended;

struct serve {
	struct root root;
	struct om_buf out;
	char *in;
	size_t at, len;
	uint64_t done_bytes, told_bytes;
	bool pass_over; /* a failure was told: nothing counts before the reset */
};

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static void answer(struct serve *s, const struct om_frame *frame)
{
	om_frame_add(&s->out, frame);
}

static void tell_progress(struct serve *s)
{
	struct om_frame ack = { .type = OM_FRAME_ACK, .done_bytes = s->done_bytes };

	if (s->done_bytes - s->told_bytes < ACK_BYTES)
		return;
	s->told_bytes = s->done_bytes;
	answer(s, &ack);
}

static void tell_failure(struct serve *s, const struct om_err *err)
{
	struct om_frame frame = { .type = OM_FRAME_FAILED,
				  .id = s->root.id,
				  .name = err->msg,
				  .name_len = strlen(err->msg) };

	root_drop(&s->root);
	answer(s, &frame);
	s->pass_over = true;
}

static bool end_file(struct serve *s, const struct om_frame *frame, struct om_err *err)
{
	uint64_t holes = s->root.file.size_bytes - s->root.file.written_bytes;

	if (!writing_end(&s->root, frame, err))
		return false;
	s->done_bytes += holes;
	return true;
}

static bool place(struct serve *s, struct om_err *err)
{
	struct om_frame frame = { .type = OM_FRAME_PLACED, .id = s->root.id };

	if (!root_place(&s->root, err))
		return false;
	answer(s, &frame);
	return true;
}

static bool data(struct serve *s, const struct om_frame *frame, struct om_err *err)
{
	if (!writing_data(&s->root, frame, err))
		return false;
	s->done_bytes += frame->type == OM_FRAME_PACKED ? frame->raw_bytes : frame->data_len;
	return true;
}

static bool reset(struct serve *s, struct om_err *err)
{
	if (!s->pass_over && s->root.open) {
		om_err_set(err, OM_E_SOURCE, "dropped");
		tell_failure(s, err);
	}
	s->pass_over = false;
	return true;
}

static bool step(struct serve *s, const struct om_frame *frame, struct om_err *err)
{
	switch (frame->type) {
	case OM_FRAME_ROOT:
		return root_begin(&s->root, frame, err);
	case OM_FRAME_ENTER:
		return root_enter(&s->root, frame, err);
	case OM_FRAME_LEAVE:
		return root_leave(&s->root, err);
	case OM_FRAME_FILE:
		return writing_begin(&s->root, frame, err);
	case OM_FRAME_DATA:
	case OM_FRAME_PACKED:
		return data(s, frame, err);
	case OM_FRAME_END:
		return end_file(s, frame, err);
	case OM_FRAME_LINK:
		return root_link(&s->root, frame, err);
	case OM_FRAME_PLACE:
		return place(s, err);
	default:
		return om_err_set(err, OM_E_UNKNOWN, "a frame of the wrong direction");
	}
}

/* All whole frames that are there; false: the stream is broken. */
static bool take_frames(struct serve *s)
{
	struct om_frame frame;
	struct om_err err;
	long n;

	while (s->at < s->len && (n = om_frame_parse(&frame, s->in + s->at, s->len - s->at)) != 0) {
		if (n < 0)
			return false;
		if (frame.type == OM_FRAME_RESET)
			reset(s, &err);
		else if (!s->pass_over && !step(s, &frame, &err))
			tell_failure(s, &err);
		tell_progress(s);
		s->at += (size_t)n;
	}
	return true;
}

static bool wait_for_more(const struct serve *s)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, s->root.open ? SILENT_MS : -1) == 1;
}

static bool take_in(struct serve *s)
{
	ssize_t n;

	if (s->at == s->len) {
		s->at = s->len = 0;
	} else if (ROOM_BYTES - s->len < OM_FRAME_MAX_BYTES) {
		memmove(s->in, s->in + s->at, s->len - s->at);
		s->len -= s->at;
		s->at = 0;
	}
	do
		n = wait_for_more(s) ? read(STDIN_FILENO, s->in + s->len, ROOM_BYTES - s->len) : 0;
	while (n < 0 && errno == EINTR && !ended);
	if (n <= 0 || ended)
		return false;
	s->len += (size_t)n;
	return true;
}

static bool put_out(struct serve *s)
{
	bool ok = !s->out.len || om_write_all(STDOUT_FILENO, s->out.text, s->out.len);

	s->out.len = 0;
	return ok;
}

/* What is begun is removed before the end, whatever ends it; only SIGKILL leaves it to the next that comes by. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction act = { .sa_handler = on_signal };

	for (size_t i = 0; i < OM_ARRAY_LEN(numbers); i++)
		sigaction(numbers[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int verb_serve(void)
{
	static struct serve s;

	catch_signals();
	umask(0);
	root_init(&s.root);
	s.in = om_xcalloc(1, ROOM_BYTES);
	/* Fewer turns between sshd and this; not allowed to everybody. */
	if (fcntl(STDIN_FILENO, F_SETPIPE_SZ, 1 << 20) < 0)
		errno = 0;
	om_buf_add(&s.out, OM_FRAME_BANNER, strlen(OM_FRAME_BANNER));
	while (put_out(&s) && take_in(&s) && take_frames(&s))
		;
	root_drop(&s.root);
	free(s.in);
	free(s.out.text);
	return 0;
}
