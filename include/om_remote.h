/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other host, for everything that a migration does there: scripts and files. One port, two ways to
 * serve it: `onemigrate-ssh` as a child (one authenticated connection, requests one after the other), and
 * where that cannot serve, ssh(1) and rsync(1). Which one it is, is decided by om_remote_open() alone and
 * before anything was touched; one DEBUG line says why it is the second. The child cannot put files where
 * the other host lacks the program: then rsync puts them and the child goes on running scripts.
 *
 * The connection goes to `address` (on the fast network) while the host's key is checked under the name
 * that known_hosts has for `host`; user, port, keys and known_hosts are those of ssh_config for `host`.
 *
 * One thread at a time; each call blocks until it has ended, was stopped or its time is over. SIGPIPE must
 * be ignored. Nothing here knows where the guest is: errors are OM_E_INPUT where nothing was touched on the
 * other host (all of om_remote_open()), else OM_E_SOURCE.
 */
#ifndef OM_REMOTE_H
#define OM_REMOTE_H

#include "om_buf.h"
#include "om_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* auto: only where the link is the bottleneck and the data shrinks, both measured while sending. */
enum om_remote_compression {
	OM_REMOTE_COMPRESS_AUTO,
	OM_REMOTE_COMPRESS_ALWAYS,
	OM_REMOTE_COMPRESS_NEVER,
	OM_REMOTE_COMPRESS_COUNT
};

struct om_remote_want {
	const char *host;    /* as oned names it */
	const char *address; /* where to connect instead, a name or an address; NULL: to `host` */
	bool strict;	     /* no sshd on `address`: refused, instead of `host` with one WARN */
	enum om_remote_compression compression;
	uint64_t limit_mibps;	  /* of all that is put; 0: none, as is more than 1 TiB/s */
	uint32_t connect_ms;	  /* for one TCP connection to be made; 0: 10 s */
	const char *remotes_dir;  /* the product's tree on the other host; NULL: /var/tmp/one */
	const char *ssh_config;	  /* ssh's -F; NULL: the user's and the system's */
	const char *program;	  /* NULL: onemigrate-ssh beside this program; "": ssh(1) at once */
	const volatile int *stop; /* every call ends soon after it is not 0; NULL: none */
};

/* What a script printed, cut at 1 MiB each, and its exit status (128 + n where signal n ended it). */
struct om_remote_answer {
	int status;
	struct om_buf out, err;
};
void om_remote_answer_free(struct om_remote_answer *answer);
#define OM_REMOTE_ANSWER __attribute__((cleanup(om_remote_answer_free))) struct om_remote_answer

/*
 * A file, a symbolic link (kept as one) or a tree. `dst` is its name there, not the directory that it goes
 * into, whose parent must exist. Both absolute; any byte may be in them.
 * A file is written beside its place and moved there when it is complete and its checksum is right. A tree
 * whose `dst` does not exist is moved there as a whole; one that exists is added to, file by file.
 */
struct om_remote_file {
	const char *src, *dst;
	bool replace; /* a file that exists there may be replaced; else it is an error */
	bool placed;  /* set by put(): it is in its place there, whatever put() returned */
};

/* bytes of the files, holes included; `sent` is what the network carried. */
struct om_remote_progress {
	uint64_t done_bytes, total_bytes, sent_bytes;
};
typedef void om_remote_progress_fn(void *ctx, const struct om_remote_progress *progress);

struct om_remote_ops {
	void *ctx;
	const char *how;   /* "onemigrate-ssh" or "ssh": static text */
	char address[256]; /* the name or address that the connection goes to */
	/*
	 * Runs `script` (ours: whatever of others stands in it was quoted by om_remote_quote()) by `bash -s`.
	 * True: it ran, answer->status says how it ended. False: it could not be run, the connection was
	 * lost, or timeout_ms (0: none) is over; whether it ran is then not known.
	 */
	bool (*run)(void *ctx, const char *script, uint32_t timeout_ms,
		    struct om_remote_answer *answer, struct om_err *err);
	/*
	 * Puts all files, in their order; ends with the first that fails, of which nothing is left there,
	 * if the connection still stands, or once the other end has noticed that it does not (files that
	 * were added to a directory that existed stay). The message names the file and the reason: it
	 * changed while it was sent, it exists there, no space is left there. `progress` may be NULL.
	 */
	bool (*put)(void *ctx, struct om_remote_file *files, size_t count,
		    om_remote_progress_fn *progress, void *progress_ctx, struct om_err *err);
	/* Ends the connection. Nothing may be called afterwards. */
	void (*close)(void *ctx);
};

bool om_remote_open(struct om_remote_ops *ops, const struct om_remote_want *want,
		    struct om_err *err) OM_MUST_CHECK;

/* Adds text as one word of a script for bash. */
void om_remote_quote(struct om_buf *script, const char *text);

#endif
