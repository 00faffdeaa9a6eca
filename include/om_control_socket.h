/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unix socket of a migration that runs: "<uuid>.sock" beside its state file, 0600. A client
 * sends one line and gets one. The server's end never blocks and allocates nothing once it is
 * open: it belongs to a thread that must not be made deaf by a slow or hostile client.
 */
#ifndef OM_CONTROL_SOCKET_H
#define OM_CONTROL_SOCKET_H

#include "om_control.h"

#include <poll.h>
#include <sys/types.h>

#define OM_CONTROL_CLIENT_MS 2000 /* in which a client has to send its line */

struct om_control_client {
	int fd; /* -1: free */
	bool asked;
	uid_t uid;
	uint64_t since_ms;
	size_t len;
	char line[OM_CONTROL_LINE_MAX];
};

struct om_control_server {
	int dirfd, fd; /* fd -1: not open */
	char name[48];
	uint64_t rest_until_ms; /* nobody can be let in until then; 0 = now */
	struct om_control_client clients[OM_CONTROL_CLIENTS];
};

/* Where a living process has this VM's socket, that one stays, and this fails. */
bool om_control_open(struct om_control_server *server, const char *uuid,
		     struct om_err *err) OM_MUST_CHECK;
/* Removes the socket. Clients without an answer see the end of their connection. */
void om_control_close(struct om_control_server *server);

#define OM_CONTROL_FDS (1 + OM_CONTROL_CLIENTS)
void om_control_fds(const struct om_control_server *server, struct pollfd fds[OM_CONTROL_FDS]);

/* A client's line without its newline, or NULL: it has gone without waiting for its answer. */
typedef void om_control_fn(void *ctx, int client, uid_t uid, const char *line);
/* After poll(), and now and then: a client whose time is over is dropped. */
void om_control_step(struct om_control_server *server, const struct pollfd fds[OM_CONTROL_FDS],
		     uint64_t now_ms, om_control_fn *fn, void *ctx);
/* The answer to a client that has asked; ends its connection. */
void om_control_reply(struct om_control_server *server, int client,
		      const struct om_control_answer *answer);

/*
 * A client's end, blocking. False: answer->result is OM_CONTROL_NO_SUCH where there is no socket of
 * this VM or nobody listens on it, OM_CONTROL_REFUSED where we may not use it, else
 * OM_CONTROL_UNPROVEN: nobody answers.
 */
bool om_control_ask(const char *uuid, const char *line, uint32_t timeout_ms,
		    struct om_control_answer *answer) OM_MUST_CHECK;

/* Removes a socket that nobody listens on. */
void om_control_clean(int dirfd, const char *name);

#endif
