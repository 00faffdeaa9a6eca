/* SPDX-License-Identifier: Apache-2.0 */
#include "ssh.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static bool send_root(struct peer *peer, const struct put_file *file, uint32_t id, char *room,
		      struct om_err *err)
{
	struct om_frame root = { .type = OM_FRAME_ROOT,
				 .id = id,
				 .flags = file->replace ? 1 : 0,
				 .name = file->dst,
				 .name_len = strlen(file->dst) };
	struct om_frame place = { .type = OM_FRAME_PLACE };

	return peer_send(peer, &root, err) &&
	       node_send(peer, AT_FDCWD, file->src, "", file->src, room, err) &&
	       peer_send(peer, &place, err);
}

static bool send_all(struct peer *peer, const struct put_file *files, size_t count,
		     struct om_err *err)
{
	OM_AUTOFREE char *room = om_xcalloc(1, OM_FRAME_CHUNK_BYTES);

	for (size_t i = 0; i < count; i++)
		if (!send_root(peer, &files[i], (uint32_t)i, room, err))
			return false;
	return peer_flush(peer, err) && peer_answers(peer, count, err);
}

/*
 * After a failure the stream is where a next put can begin, and what was not complete at the other end is
 * removed. If the failure was the other end's, it waits for the reset; if it was ours, it answers the reset by
 * a failure of its own, or had one on the way meanwhile: one failure is told in any case.
 */
static void settle(struct peer *peer, struct om_err *err)
{
	struct om_frame reset = { .type = OM_FRAME_RESET };
	struct om_err theirs = { 0 };

	om_frame_add(&peer->out, &reset);
	if (!peer_flush(peer, &theirs) && theirs.code == OM_E_UNKNOWN)
		*err = theirs;
	while (!peer->failed && theirs.code != OM_E_UNKNOWN)
		if (!peer_answers(peer, SIZE_MAX, &theirs) && theirs.code == OM_E_UNKNOWN)
			*err = theirs;
}

static bool measure(struct peer *peer, const struct put_file *files, size_t count,
		    struct om_err *err)
{
	peer->total_bytes = 0;
	for (size_t i = 0; i < count; i++) {
		if (!files[i].src[0] || strlen(files[i].src) > OM_SSH_NAME_MAX ||
		    strlen(files[i].dst) > OM_SSH_NAME_MAX)
			return om_err_set(err, OM_E_INPUT, "a name that is empty or too long");
		if (!node_measure(AT_FDCWD, files[i].src, files[i].src, &peer->total_bytes, err))
			return false;
	}
	return true;
}

bool put_files(struct link *link, const struct put_file *files, size_t count,
	       const struct put_watch *watch, struct om_err *err)
{
	struct peer *peer;
	bool ok;

	if (!peer_open(link, err))
		return false;
	peer = link->peer;
	peer->base_bytes += peer->done_bytes;
	peer->done_bytes = peer->answered = peer->told_ms = 0;
	peer->sent_bytes = peer->limited_bytes = 0;
	peer->failed = false;
	peer->watch = watch;
	peer->begun_us = peer->mark_us = now_us();
	if (!measure(peer, files, count, err))
		return false;
	ok = send_all(peer, files, count, err);
	if (!ok && err->code != OM_E_UNKNOWN)
		settle(peer, err);
	else if (ok && watch && watch->progress)
		watch->progress(watch->ctx, peer->total_bytes, peer->total_bytes, peer->sent_bytes);
	peer->watch = NULL;
	return ok;
}
