/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream between `onemigrate-ssh put` and `onemigrate-ssh serve` on the other host: frames of a type, the
 * length of what follows, and numbers in network order before a name or bytes. Pure.
 *
 * The server begins with the line OM_FRAME_BANNER (a shell's start-up files may have printed before it). Then
 * the client sends, without waiting:
 *	ROOT, a node, PLACE		for each file or tree
 *	node: LINK | FILE DATA* END | ENTER node* LEAVE
 * A node's name is one component of a path, and empty for the first node of a root: there is no name by which
 * a node could be anywhere else than in the directory that was entered last. The server answers ROOT after
 * ROOT by PLACED or by FAILED, after which it passes over all frames up to RESET. ACK tells how much was
 * written meanwhile.
 */
#ifndef OM_FRAME_H
#define OM_FRAME_H

#include "om_buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OM_FRAME_BANNER "onemigrate-serve 1\n"
#define OM_FRAME_HEAD 5				 /* bytes: type, length */
#define OM_FRAME_CHUNK_BYTES ((size_t)256 << 10) /* of a file, in one DATA frame at most */
#define OM_FRAME_MAX_BYTES (OM_FRAME_CHUNK_BYTES + ((size_t)64 << 10))
#define OM_FRAME_NAME_MAX 255

enum om_frame_type {
	OM_FRAME_ROOT = 'R',   /* id, flags (1: may replace a file), path */
	OM_FRAME_ENTER = 'D',  /* mode, mtime s, ns, name */
	OM_FRAME_LEAVE = 'U',  /* - */
	OM_FRAME_FILE = 'F',   /* mode, mtime s, ns, size, name */
	OM_FRAME_DATA = 'd',   /* offset, bytes */
	OM_FRAME_PACKED = 'z', /* offset, length, bytes of that length after inflate */
	OM_FRAME_END = 'E',    /* checksum of the file's frames, see om_frame_sum() */
	OM_FRAME_LINK = 'L',   /* mtime s, ns, length of name, name, target */
	OM_FRAME_PLACE = 'P',  /* - : the root is complete */
	OM_FRAME_RESET = 'C',  /* - : what was begun is dropped, or: go on behind a failure */
	OM_FRAME_ACK = 'A',    /* bytes of files, written since the beginning */
	OM_FRAME_PLACED = 'O', /* id */
	OM_FRAME_FAILED = 'N', /* id, text */
};

/* What a frame holds; which of them, its type says. */
struct om_frame {
	enum om_frame_type type;
	uint32_t id, flags, mode, mtime_ns, raw_bytes;
	int64_t mtime_s;
	uint64_t size_bytes, offset_bytes, sum, done_bytes;
	const char *name; /* into the buffer, not terminated; free of NUL */
	size_t name_len;
	const char *data; /* likewise; any bytes */
	size_t data_len;
};

/* Adds it to `out`. */
void om_frame_add(struct om_buf *out, const struct om_frame *frame);

/*
 * Reads the first frame of `bytes`. Returns its whole length, 0 where more bytes are needed, and -1 where it
 * is none: a type that is not known, a length out of bounds, a name that is too long or not one component.
 */
long om_frame_parse(struct om_frame *frame, const char *bytes, size_t len);

/* The checksum goes over each piece of data and its place, in their order. Begins with 0. */
uint64_t om_frame_sum(uint64_t sum, uint64_t offset_bytes, const char *bytes, size_t len);

/* XXH64. */
uint64_t om_hash64(const char *bytes, size_t len, uint64_t seed);

#endif
