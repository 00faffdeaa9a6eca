/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of onemigrate-ssh share. One connection, one thread. */
#ifndef OM_SSH_INTERNAL_H
#define OM_SSH_INTERNAL_H

#include "om_buf.h"
#include "om_err.h"
#include "om_frame.h"
#include "om_squeeze.h"
#include "om_ssh.h"

#include <libssh2.h>
#include <stdbool.h>
#include <stdint.h>

enum squeeze { SQUEEZE_AUTO, SQUEEZE_ALWAYS, SQUEEZE_NEVER, SQUEEZE_COUNT };

struct options {
	const char *host, *address, *config, *remote_path, *remotes_dir;
	bool strict, replace;
	enum squeeze squeeze;
	uint32_t limit_mibps, connect_ms;
	/* A line for people; `warn`: something was done other than wished for. */
	void (*say)(bool warn, const char *text);
};

/* Errors: OM_E_STOCK where only ssh(1) can serve, OM_E_REFUSED for a host's key, OM_E_UNKNOWN where the
 * connection is lost, else OM_E_INPUT before and OM_E_SOURCE after something may have been touched. */
struct link {
	const struct options *options;
	struct om_ssh_conf conf;
	LIBSSH2_SESSION *session;
	int fd;
	char address[256];
	struct peer *peer; /* onemigrate-ssh at the other end; NULL: not started */
};

bool link_open(struct link *link, const struct options *options, struct om_err *err) OM_MUST_CHECK;
void link_close(struct link *link);
/* Waits until the library can go on; false: nothing happened in time, or the time is over. */
bool link_wait(struct link *link, int64_t deadline_ms);
bool link_lost(struct link *link, const char *what, struct om_err *err);
int64_t now_ms(void);
uint64_t now_us(void);

bool hostkey_offer(struct link *link, struct om_ssh_knowns *knowns,
		   struct om_err *err) OM_MUST_CHECK;
bool hostkey_accept(struct link *link, const struct om_ssh_knowns *knowns,
		    struct om_err *err) OM_MUST_CHECK;
/* Adds a line for the host to known_hosts as ssh does. */
bool hostkey_remember(const struct om_ssh_conf *conf, const char *type, const char *key,
		      struct om_err *err) OM_MUST_CHECK;
bool auth(struct link *link, struct om_err *err) OM_MUST_CHECK;

/* A channel that runs `command`; NULL with the reason in err. */
LIBSSH2_CHANNEL *channel_open(struct link *link, const char *command, struct om_err *err);
/* What comes of stdout while it waits is added to `in`, if that is not NULL. */
bool channel_write(struct link *link, LIBSSH2_CHANNEL *channel, const char *bytes, size_t len,
		   struct om_buf *in, uint64_t *blocked_us, struct om_err *err) OM_MUST_CHECK;
/* Bytes that have come; 0: none now; -1: the connection is lost. */
ssize_t channel_read(struct link *link, LIBSSH2_CHANNEL *channel, int stream, char *to,
		     size_t size);
/* Waits, where wait_ms is not 0, for the exit status (128 + n by a signal, -1: not known); frees it. */
int channel_end(struct link *link, LIBSSH2_CHANNEL *channel, uint32_t wait_ms);

/* stream 0: stdout, 1: stderr */
typedef void run_output_fn(void *ctx, int stream, const char *bytes, size_t len);
bool run_script(struct link *link, const char *script, size_t len, uint32_t timeout_ms,
		run_output_fn *output, void *ctx, int *status, struct om_err *err) OM_MUST_CHECK;

/* ---- put ---- */

struct put_file {
	const char *src, *dst;
	bool replace;
};
struct put_watch {
	void *ctx;
	void (*placed)(void *ctx, size_t index);
	void (*progress)(void *ctx, uint64_t done, uint64_t total, uint64_t sent);
};
/* False with OM_E_STOCK: the other host has no onemigrate-ssh that starts; nothing was touched. */
bool put_files(struct link *link, const struct put_file *files, size_t count,
	       const struct put_watch *watch, struct om_err *err) OM_MUST_CHECK;

/* The stream to the other end. */
struct peer {
	struct link *link;
	LIBSSH2_CHANNEL *channel;
	struct om_buf out, in;
	struct om_squeeze squeeze;
	void *deflate;					    /* z_stream, once it is needed */
	char *packed;					    /* its room */
	uint64_t sent_bytes, done_bytes, begun_us, mark_us; /* done: of this put */
	uint64_t total_bytes, base_bytes, limited_bytes;
	const struct put_watch *watch;
	int64_t told_ms;
	size_t answered; /* roots of this put */
	struct om_err failure;
	bool failed, tried;
};
bool peer_open(struct link *link, struct om_err *err) OM_MUST_CHECK;
void peer_close(struct link *link);
/* Sends it with what follows; false: the connection is lost, or the other end said that it has failed. */
bool peer_send(struct peer *peer, const struct om_frame *frame, struct om_err *err) OM_MUST_CHECK;
/* A piece of a file, compressed if that pays. */
bool peer_send_data(struct peer *peer, uint64_t offset, const char *bytes, size_t len,
		    struct om_err *err) OM_MUST_CHECK;
bool peer_flush(struct peer *peer, struct om_err *err) OM_MUST_CHECK;
/* Takes answers until `roots` were answered; 0: those that are there. */
bool peer_answers(struct peer *peer, size_t roots, struct om_err *err) OM_MUST_CHECK;

/* Sends the node and, of a tree, all below it. `room` holds OM_FRAME_CHUNK_BYTES. */
bool node_send(struct peer *peer, int dir, const char *open_name, const char *name,
	       const char *path, char *room, struct om_err *err) OM_MUST_CHECK;
/* Bytes of all files of a node. */
bool node_measure(int dir, const char *name, const char *path, uint64_t *bytes,
		  struct om_err *err) OM_MUST_CHECK;

/* ---- verbs ---- */

int verb_batch(const struct options *options);
int verb_run(const struct options *options);
int verb_put(const struct options *options, char **names, size_t count);
int verb_serve(void);
int exit_status(const struct om_err *err);

#endif
