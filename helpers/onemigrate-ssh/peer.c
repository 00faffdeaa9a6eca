/* SPDX-License-Identifier: Apache-2.0 */
/* The stream to `onemigrate-ssh serve` at the other end. Nothing waits for an answer but the end of a put. */
#include "ssh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define FLUSH_BYTES ((size_t)192 << 10)
#define BANNER_MS 20000
#define STALL_MS 300000
#define TELL_MS 250
#define REMOTES_DIR "/var/tmp/one"

/* The path is the operator's; in single quotes a shell sees nothing in it but its end. */
static char *command(const struct options *o, struct om_err *err)
{
	const char *dir = om_str_empty(o->remotes_dir) ? REMOTES_DIR : o->remotes_dir;

	if (strchr(o->remote_path ? o->remote_path : dir, '\'')) {
		om_err_set(err, OM_E_INPUT, "a quote in the path of the program at the other end");
		return NULL;
	}
	if (o->remote_path)
		return om_xasprintf("'%s' serve", o->remote_path);
	return om_xasprintf("'%s/onemigrate/run' --serve", dir);
}

/* What a shell's start-up files print may come before it. */
static bool banner_came(struct peer *peer)
{
	char *at = peer->in.len ? memmem(peer->in.text, peer->in.len, OM_FRAME_BANNER,
					 strlen(OM_FRAME_BANNER))
				: NULL;
	size_t len;

	if (!at)
		return false;
	len = (size_t)(at - peer->in.text) + strlen(OM_FRAME_BANNER);
	peer->in.len -= len;
	memmove(peer->in.text, peer->in.text + len, peer->in.len);
	return true;
}

/* Bytes that have come; -1: lost, or the other end has closed. */
static ssize_t take_in(struct peer *peer)
{
	char text[8192];
	ssize_t n = channel_read(peer->link, peer->channel, 0, text, sizeof(text));

	if (n > 0)
		om_buf_add(&peer->in, text, (size_t)n);
	else if (n == 0 && libssh2_channel_eof(peer->channel))
		return -1;
	return n;
}

static bool not_served(struct peer *peer, struct om_err *err)
{
	char text[300];
	ssize_t n = channel_read(peer->link, peer->channel, 1, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	om_str_sanitize(om_str_strip(text));
	return om_err_set(err, OM_E_STOCK, "no onemigrate-ssh starts on %s%s%s",
			  peer->link->options->host, text[0] ? ": " : "", om_str_strip(text));
}

bool peer_open(struct link *link, struct om_err *err)
{
	OM_AUTOFREE char *words = command(link->options, err);
	int64_t deadline = now_ms() + BANNER_MS;
	struct peer *peer;

	if (link->peer)
		return true;
	if (!words)
		return false;
	peer = link->peer = om_xcalloc(1, sizeof(*peer));
	peer->link = link;
	peer->channel = channel_open(link, words, err);
	if (!peer->channel)
		return false;
	while (!banner_came(peer)) {
		ssize_t n = take_in(peer);

		if (n < 0 || peer->in.len > 65536 || (n == 0 && !link_wait(link, deadline))) {
			not_served(peer, err);
			peer_close(link);
			return false;
		}
	}
	peer->squeeze.on = link->options->squeeze == SQUEEZE_ALWAYS;
	peer->mark_us = now_us();
	return true;
}

void peer_close(struct link *link)
{
	struct peer *peer = link->peer;

	if (!peer)
		return;
	link->peer = NULL;
	if (peer->channel)
		channel_end(link, peer->channel, 0);
	if (peer->deflate)
		deflateEnd(peer->deflate);
	free(peer->deflate);
	free(peer->packed);
	free(peer->out.text);
	free(peer->in.text);
	free(peer);
}

static void tell(struct peer *peer, bool at_once)
{
	int64_t now = now_ms();

	if (!peer->watch || !peer->watch->progress || (!at_once && now < peer->told_ms + TELL_MS))
		return;
	peer->told_ms = now;
	peer->watch->progress(peer->watch->ctx, peer->done_bytes, peer->total_bytes,
			      peer->sent_bytes);
}

/* One answer of the other end. */
static bool take(struct peer *peer, const struct om_frame *frame, struct om_err *err)
{
	switch (frame->type) {
	case OM_FRAME_ACK:
		peer->done_bytes = frame->done_bytes - peer->base_bytes;
		tell(peer, false);
		return true;
	case OM_FRAME_PLACED:
		if (peer->watch && peer->watch->placed)
			peer->watch->placed(peer->watch->ctx, peer->answered);
		peer->answered++;
		return true;
	case OM_FRAME_FAILED:
		peer->failed = true;
		return om_err_set(err, OM_E_SOURCE, "%.*s", (int)frame->name_len, frame->name);
	default:
		return om_err_set(err, OM_E_UNKNOWN, "a strange answer of the other end");
	}
}

static bool take_all(struct peer *peer, struct om_err *err)
{
	struct om_frame frame;
	size_t at = 0;
	bool ok = true;
	long n = 0;

	while (ok && at < peer->in.len &&
	       (n = om_frame_parse(&frame, peer->in.text + at, peer->in.len - at)) > 0) {
		ok = take(peer, &frame, err);
		at += (size_t)n;
	}
	peer->in.len -= at;
	memmove(peer->in.text, peer->in.text + at, peer->in.len);
	if (ok && n < 0)
		return om_err_set(err, OM_E_UNKNOWN, "a strange answer of the other end");
	return ok;
}

bool peer_answers(struct peer *peer, size_t roots, struct om_err *err)
{
	for (;;) {
		ssize_t n = take_in(peer);

		if (peer->in.len && !take_all(peer, err))
			return false;
		if (peer->answered >= roots && n <= 0)
			return true;
		if (n < 0)
			return link_lost(peer->link, "the other end has ended", err);
		if (n == 0 && !link_wait(peer->link, now_ms() + STALL_MS))
			return link_lost(peer->link, "no answer", err);
	}
}

bool peer_flush(struct peer *peer, struct om_err *err)
{
	size_t len = peer->out.len;

	peer->out.len = 0;
	if (len && !channel_write(peer->link, peer->channel, peer->out.text, len, &peer->in,
				  &peer->squeeze.blocked_us, err))
		return false;
	peer->sent_bytes += len;
	peer->squeeze.wire_bytes += len;
	return peer_answers(peer, 0, err);
}

bool peer_send(struct peer *peer, const struct om_frame *frame, struct om_err *err)
{
	om_frame_add(&peer->out, frame);
	return peer->out.len < FLUSH_BYTES || peer_flush(peer, err);
}

/* Sleeps where more was sent than the limit allows; a pause is not made up for. */
static void hold_back(struct peer *peer)
{
	uint64_t limit = (uint64_t)peer->link->options->limit_mibps << 20, due_us, now = now_us();
	struct timespec t;

	if (!limit)
		return;
	due_us = peer->begun_us +
		 (uint64_t)((double)(peer->sent_bytes - peer->limited_bytes) * 1e6 / (double)limit);
	if (due_us <= now) {
		peer->begun_us = now;
		peer->limited_bytes = peer->sent_bytes;
		return;
	}
	t.tv_sec = (time_t)((due_us - now) / 1000000);
	t.tv_nsec = (long)((due_us - now) % 1000000) * 1000;
	nanosleep(&t, NULL);
	peer->squeeze.blocked_us += due_us - now;
}

static void decide(struct peer *peer, size_t raw)
{
	uint64_t now = now_us();

	peer->squeeze.raw_bytes += raw;
	peer->squeeze.elapsed_us = now - peer->mark_us;
	if (peer->link->options->squeeze == SQUEEZE_AUTO && om_squeeze_decide(&peer->squeeze))
		peer->mark_us = now;
}

/* The length of the piece in peer->packed; 0: it does not shrink. */
static size_t pack(struct peer *peer, const char *bytes, size_t len)
{
	uint64_t begun = now_us();
	z_stream *z = peer->deflate;
	size_t packed;

	if (!z) {
		z = peer->deflate = om_xcalloc(1, sizeof(*z));
		peer->packed = om_xcalloc(1, OM_FRAME_CHUNK_BYTES);
		if (deflateInit2(z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
			return 0;
	}
	deflateReset(z);
	z->next_in = (Bytef *)(uintptr_t)bytes;
	z->avail_in = (uInt)len;
	z->next_out = (Bytef *)peer->packed;
	z->avail_out = (uInt)(len - len / 16);
	packed = len && deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
	peer->squeeze.tried_bytes += len;
	peer->squeeze.packed_bytes += packed ? packed : len;
	peer->squeeze.tried_us += now_us() - begun;
	return packed;
}

bool peer_send_data(struct peer *peer, uint64_t offset, const char *bytes, size_t len,
		    struct om_err *err)
{
	bool automatic = peer->link->options->squeeze == SQUEEZE_AUTO;
	bool first = automatic && !peer->tried;
	bool try = peer->squeeze.on || first ||
		   (automatic && om_squeeze_wants_trial(&peer->squeeze));
	size_t packed = try ? pack(peer, bytes, len) : 0;
	struct om_frame frame = {
		.type = OM_FRAME_DATA, .offset_bytes = offset, .data = bytes, .data_len = len
	};

	/* Data that shrinks is compressed until the link has shown what it is: that costs little time on a fast
	 * one, and what fills all buffers on the way of a slow one is not sent plainly. */
	if (first) {
		peer->tried = true;
		peer->squeeze.on = packed && packed < len - len / 8;
	}
	if (packed) {
		frame.type = OM_FRAME_PACKED;
		frame.raw_bytes = (uint32_t)len;
		frame.data = peer->packed;
		frame.data_len = packed;
	}
	if (!peer_send(peer, &frame, err))
		return false;
	hold_back(peer);
	decide(peer, len);
	return true;
}
