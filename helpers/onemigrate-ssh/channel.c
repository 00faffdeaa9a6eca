/* SPDX-License-Identifier: Apache-2.0 */
/* The library never blocks; these wait. While a write has not ended, the library allows nothing else that
 * could send, so none of these returns in between. */
#include "ssh.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 30000
/* The other host's disk may be that slow; the link itself is known to be lost much earlier. */
#define STALL_MS 300000

static LIBSSH2_CHANNEL *open_session(struct link *link, int64_t deadline)
{
	LIBSSH2_CHANNEL *channel;

	while (!(channel = libssh2_channel_open_session(link->session)))
		if (libssh2_session_last_errno(link->session) != LIBSSH2_ERROR_EAGAIN ||
		    !link_wait(link, deadline))
			return NULL;
	return channel;
}

static int start(struct link *link, LIBSSH2_CHANNEL *channel, const char *command, int64_t deadline)
{
	int ret;

	while ((ret = libssh2_channel_exec(channel, command)) == LIBSSH2_ERROR_EAGAIN)
		if (!link_wait(link, deadline))
			return -1;
	return ret;
}

LIBSSH2_CHANNEL *channel_open(struct link *link, const char *command, struct om_err *err)
{
	int64_t deadline = now_ms() + ANSWER_MS;
	LIBSSH2_CHANNEL *channel = open_session(link, deadline);

	if (!channel || start(link, channel, command, deadline) != 0) {
		link_lost(link, "no command can be started", err);
		return NULL;
	}
	return channel;
}

/* With its window used up nothing is on its way, and so the other end may be heard: it may have ended, after
 * which nobody would open the window again. */
static bool hear(struct link *link, LIBSSH2_CHANNEL *channel, struct om_buf *in, struct om_err *err)
{
	char text[4096];
	ssize_t n;

	if (!in || libssh2_channel_window_write(channel) != 0)
		return true;
	while ((n = channel_read(link, channel, 0, text, sizeof(text))) > 0)
		om_buf_add(in, text, (size_t)n);
	if (n < 0 || libssh2_channel_eof(channel))
		return link_lost(link, "the other end has ended", err);
	return true;
}

bool channel_write(struct link *link, LIBSSH2_CHANNEL *channel, const char *bytes, size_t len,
		   struct om_buf *in, uint64_t *blocked_us, struct om_err *err)
{
	while (len) {
		ssize_t n = libssh2_channel_write(channel, bytes, len);

		if (n == LIBSSH2_ERROR_EAGAIN) {
			uint64_t begun = now_us();

			if (!hear(link, channel, in, err))
				return false;
			if (!link_wait(link, now_ms() + STALL_MS))
				return link_lost(link, "it stands still", err);
			*blocked_us += now_us() - begun;
			continue;
		}
		if (n < 0)
			return link_lost(link, "writing", err);
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

ssize_t channel_read(struct link *link, LIBSSH2_CHANNEL *channel, int stream, char *to, size_t size)
{
	ssize_t n = libssh2_channel_read_ex(channel, stream, to, size);

	(void)link;
	return n == LIBSSH2_ERROR_EAGAIN ? 0 : n < 0 ? -1 : n;
}

static int signal_number(LIBSSH2_CHANNEL *channel, struct link *link)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = { { "HUP", SIGHUP },   { "INT", SIGINT },	  { "QUIT", SIGQUIT },
			{ "KILL", SIGKILL }, { "TERM", SIGTERM }, { "ABRT", SIGABRT },
			{ "SEGV", SIGSEGV }, { "PIPE", SIGPIPE }, { "ALRM", SIGALRM },
			{ "FPE", SIGFPE },   { "ILL", SIGILL },	  { "USR1", SIGUSR1 } };
	char *name = NULL;
	int number = 0;

	libssh2_channel_get_exit_signal(channel, &name, NULL, NULL, NULL, NULL, NULL);
	for (size_t i = 0; name && i < OM_ARRAY_LEN(signals); i++)
		if (strcmp(name, signals[i].name) == 0)
			number = signals[i].number;
	if (name && !number)
		number = SIGKILL;
	if (name)
		libssh2_free(link->session, name);
	return number;
}

/* An sshd that is told of the end before its child has ended does not tell how that ended: so it comes first. */
static int wait_closed(struct link *link, LIBSSH2_CHANNEL *channel, int64_t deadline)
{
	int ret, number;

	while ((ret = libssh2_channel_wait_closed(channel)) == LIBSSH2_ERROR_EAGAIN)
		if (!link_wait(link, deadline))
			return -1;
	if (ret)
		return -1;
	number = signal_number(channel, link);
	return number ? 128 + number : libssh2_channel_get_exit_status(channel);
}

int channel_end(struct link *link, LIBSSH2_CHANNEL *channel, uint32_t wait_ms)
{
	int64_t deadline = now_ms() + wait_ms;
	int status = wait_ms ? wait_closed(link, channel, deadline) : -1;

	deadline = now_ms() + 1000;
	while (libssh2_channel_free(channel) == LIBSSH2_ERROR_EAGAIN && link_wait(link, deadline))
		;
	return status;
}
