/* SPDX-License-Identifier: Apache-2.0 */
#include "ssh.h"

#include <string.h>

#define STREAMS 2

/* What has come of both streams; -1: lost, else the number of bytes. */
static ssize_t drain(struct link *link, LIBSSH2_CHANNEL *channel, run_output_fn *output, void *ctx)
{
	char text[32768];
	ssize_t all = 0, n;

	for (int stream = 0; stream < STREAMS; stream++)
		while ((n = channel_read(link, channel, stream, text, sizeof(text))) != 0) {
			if (n < 0)
				return -1;
			output(ctx, stream, text, (size_t)n);
			all += n;
		}
	return all;
}

static bool listen(struct link *link, LIBSSH2_CHANNEL *channel, int64_t deadline,
		   run_output_fn *output, void *ctx, struct om_err *err)
{
	for (;;) {
		ssize_t n = drain(link, channel, output, ctx);

		if (n < 0)
			return link_lost(link, "reading", err);
		if (n == 0 && libssh2_channel_eof(channel))
			return true;
		if (n == 0 && !link_wait(link, deadline) && now_ms() >= deadline)
			return om_err_set(err, OM_E_SOURCE, "the script on %s did not end in time",
					  link->options->host);
	}
}

static bool send_script(struct link *link, LIBSSH2_CHANNEL *channel, const char *script, size_t len,
			struct om_err *err)
{
	uint64_t blocked = 0;
	int ret;

	if (!channel_write(link, channel, script, len, NULL, &blocked, err))
		return false;
	while ((ret = libssh2_channel_send_eof(channel)) == LIBSSH2_ERROR_EAGAIN)
		if (!link_wait(link, now_ms() + 30000))
			break;
	return ret == 0 || link_lost(link, "writing", err);
}

bool run_script(struct link *link, const char *script, size_t len, uint32_t timeout_ms,
		run_output_fn *output, void *ctx, int *status, struct om_err *err)
{
	int64_t deadline = timeout_ms ? now_ms() + timeout_ms : INT64_MAX;
	LIBSSH2_CHANNEL *channel = channel_open(link, "bash -s", err);

	if (!channel)
		return false;
	if (!send_script(link, channel, script, len, err) ||
	    !listen(link, channel, deadline, output, ctx, err)) {
		channel_end(link, channel, 0);
		return false;
	}
	*status = channel_end(link, channel, 30000);
	if (*status < 0)
		return link_lost(link, "no exit status", err);
	return true;
}
