/* SPDX-License-Identifier: Apache-2.0 */
#include "om_control_socket.h"

#include "om_state.h"
#include "om_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (sizeof(((struct om_control_answer *)0)->text) + 16)
#define REST_MS 1000 /* before somebody is let in once more */

/* By way of the directory's descriptor: that is the directory whose owner was checked, and its path
 * may be longer than an address can hold. */
static void make_address(struct sockaddr_un *addr, int dirfd, const char *name)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%.48s", dirfd, name);
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A descriptor that is connected, or -1 (errno). Connecting to a listening socket does not wait:
 * EAGAIN where its queue is full. */
static int dial(int dirfd, const char *name)
{
	struct sockaddr_un addr;
	int saved, fd = new_socket();

	make_address(&addr, dirfd, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool nobody_listens(int dirfd, const char *name)
{
	OM_AUTOCLOSE int fd = dial(dirfd, name);

	return fd < 0 && errno == ECONNREFUSED;
}

void om_control_clean(int dirfd, const char *name)
{
	if (nobody_listens(dirfd, name))
		unlinkat(dirfd, name, 0);
}

/* ---- the server's end ---- */

static bool bind_private(struct om_control_server *server)
{
	struct sockaddr_un addr;

	make_address(&addr, server->dirfd, server->name);
	/* Linux takes the file's mode from the socket, so that it is never open to others. */
	return fchmod(server->fd, 0600) == 0 &&
	       bind(server->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       listen(server->fd, OM_CONTROL_CLIENTS) == 0;
}

bool om_control_open(struct om_control_server *server, const char *uuid, struct om_err *err)
{
	memset(server, 0, sizeof(*server));
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++)
		server->clients[i].fd = -1;
	server->fd = server->dirfd = -1;
	if (!om_state_uuid_valid(uuid))
		return om_err_set(err, OM_E_INPUT, "no socket without a UUID");
	snprintf(server->name, sizeof(server->name), "%s.sock", uuid);
	server->dirfd = om_state_dir_open(true, err);
	if (server->dirfd < 0)
		return false;
	om_control_clean(server->dirfd, server->name);
	server->fd = new_socket();
	if (server->fd >= 0 && bind_private(server))
		return true;
	om_err_set(err, OM_E_INPUT, "no socket %s: %s", server->name, strerror(errno));
	if (server->fd >= 0)
		close(server->fd);
	close(server->dirfd);
	server->fd = server->dirfd = -1;
	return false;
}

static void hang_up(struct om_control_client *client)
{
	close(client->fd);
	client->fd = -1;
}

void om_control_close(struct om_control_server *server)
{
	if (server->fd < 0)
		return;
	unlinkat(server->dirfd, server->name, 0);
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++)
		if (server->clients[i].fd >= 0)
			hang_up(&server->clients[i]);
	close(server->fd);
	close(server->dirfd);
	server->fd = server->dirfd = -1;
}

static struct om_control_client *free_client(struct om_control_server *server)
{
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++)
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	return NULL;
}

void om_control_fds(const struct om_control_server *server, struct pollfd fds[OM_CONTROL_FDS])
{
	bool room = false;

	for (int i = 0; i < OM_CONTROL_CLIENTS; i++) {
		room |= server->clients[i].fd < 0;
		fds[1 + i] = (struct pollfd){ .fd = server->clients[i].fd, .events = POLLIN };
	}
	room = room && !server->rest_until_ms;
	fds[0] = (struct pollfd){ .fd = room ? server->fd : -1, .events = POLLIN };
}

/* One small write into an empty buffer: it fits, or the client has gone. */
static void send_answer(int fd, const struct om_control_answer *answer)
{
	char line[ANSWER_MAX + 1];
	size_t len;

	om_control_print_answer(answer, line, sizeof(line) - 1);
	len = strlen(line);
	line[len] = '\n';
	if (send(fd, line, len + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

void om_control_reply(struct om_control_server *server, int client,
		      const struct om_control_answer *answer)
{
	if (server->clients[client].fd < 0)
		return;
	send_answer(server->clients[client].fd, answer);
	hang_up(&server->clients[client]);
}

static void refuse(struct om_control_client *client, const char *why)
{
	struct om_control_answer answer;

	if (!om_control_say(&answer, OM_CONTROL_REFUSED, "%s", why))
		send_answer(client->fd, &answer);
	hang_up(client);
}

/* The file's mode keeps others out; this holds where it does not. */
static bool peer_allowed(int fd, uid_t *uid)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*uid = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid();
}

/* No descriptor is left, or no memory: whoever knocks stays at the door, and poll() would tell it
 * again and again. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

static void accept_client(struct om_control_server *server, uint64_t now_ms)
{
	struct om_control_client *client = free_client(server);

	if (!client)
		return;
	*client = (struct om_control_client){
		.fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
		.since_ms = now_ms,
	};
	if (client->fd < 0 && !is_passing(errno))
		server->rest_until_ms = now_ms + REST_MS;
	if (client->fd >= 0 && !peer_allowed(client->fd, &client->uid))
		refuse(client, "only root and the user of the migration may do this");
}

/* True once there is a whole line. */
static bool read_some(struct om_control_client *client)
{
	ssize_t n = recv(client->fd, client->line + client->len, sizeof(client->line) - client->len,
			 MSG_DONTWAIT);
	char *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		hang_up(client);
		return false;
	}
	client->len += (size_t)n;
	newline = memchr(client->line, '\n', client->len);
	if (newline && !memchr(client->line, '\0', (size_t)(newline - client->line))) {
		*newline = '\0';
		return true;
	}
	if (newline || client->len == sizeof(client->line))
		refuse(client, "that is no line of words");
	return false;
}

/* Whoever has asked has nothing more to say: this is the end of its connection, or nonsense. */
static bool has_gone(const struct om_control_client *client)
{
	char byte;
	ssize_t n = recv(client->fd, &byte, 1, MSG_DONTWAIT);

	return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static void serve(struct om_control_server *server, int i, om_control_fn *fn, void *ctx)
{
	struct om_control_client *client = &server->clients[i];

	if (!client->asked) {
		client->asked = read_some(client);
		if (client->asked)
			fn(ctx, i, client->uid, client->line);
	} else if (has_gone(client)) {
		hang_up(client);
		fn(ctx, i, client->uid, NULL);
	}
}

void om_control_step(struct om_control_server *server, const struct pollfd fds[OM_CONTROL_FDS],
		     uint64_t now_ms, om_control_fn *fn, void *ctx)
{
	if (now_ms >= server->rest_until_ms)
		server->rest_until_ms = 0;
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++) {
		struct om_control_client *client = &server->clients[i];

		if (client->fd >= 0 && client->fd == fds[1 + i].fd && fds[1 + i].revents)
			serve(server, i, fn, ctx);
		if (client->fd >= 0 && !client->asked &&
		    now_ms - client->since_ms >= OM_CONTROL_CLIENT_MS)
			hang_up(client);
	}
	if (server->fd >= 0 && fds[0].fd == server->fd && fds[0].revents)
		accept_client(server, now_ms);
}

/* ---- a client's end ---- */

struct search {
	char name[48];
	int fd;
	int error; /* of a socket that is there; 0 = there is none */
};

/* A directory that others may write to could hold another user's socket. */
static bool trusted(int dirfd, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct stat dir;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       fstat(dirfd, &dir) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid() || peer.uid == dir.st_uid);
}

static void look_in(int dirfd, void *ctx)
{
	struct search *search = ctx;
	int fd;

	if (search->fd >= 0)
		return;
	fd = dial(dirfd, search->name);
	if (fd >= 0 && trusted(dirfd, fd)) {
		search->fd = fd;
		return;
	}
	if (fd >= 0 || errno != ENOENT)
		search->error = fd >= 0 ? EACCES : errno;
	if (fd >= 0)
		close(fd);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool no_answer(struct om_control_answer *answer, int error)
{
	switch (error) {
	case 0:
		return om_control_say(answer, OM_CONTROL_NO_SUCH,
				      "no helper watches this migration");
	case EACCES:
	case EPERM:
		return om_control_say(answer, OM_CONTROL_REFUSED,
				      "the migration belongs to another user");
	case ECONNREFUSED:
		return om_control_say(answer, OM_CONTROL_NO_SUCH,
				      "the helper of this migration has died, its socket is left");
	default:
		return om_control_say(answer, OM_CONTROL_UNPROVEN,
				      "the helper of this migration does not answer: %s",
				      strerror(error));
	}
}

/* 0, or the error that ended it. */
static int read_answer(int fd, uint64_t until_ms, char *line, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	uint64_t now;
	ssize_t n;

	for (;;) {
		now = now_ms();
		if (now >= until_ms || poll(&p, 1, (int)(until_ms - now)) == 0)
			return ETIMEDOUT;
		n = recv(fd, line + len, size - 1 - len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return ECONNRESET;
		len += (size_t)n;
		line[len] = '\0';
		if (line[len - 1] == '\n') {
			line[len - 1] = '\0';
			return 0;
		}
		if (len + 1 == size)
			return EPROTO;
	}
}

bool om_control_ask(const char *uuid, const char *line, uint32_t timeout_ms,
		    struct om_control_answer *answer)
{
	char question[OM_CONTROL_LINE_MAX], text[ANSWER_MAX + 2];
	struct search search = { .fd = -1 };
	int error, len = snprintf(question, sizeof(question), "%s\n", line);
	OM_AUTOCLOSE int fd = -1;

	snprintf(search.name, sizeof(search.name), "%s.sock", uuid);
	if (om_state_uuid_valid(uuid))
		om_state_each_dir(look_in, &search);
	fd = search.fd;
	if (fd < 0)
		return no_answer(answer, search.error);
	/* Who is refused may find the connection closed before its question: there is an answer. */
	if (len >= (int)sizeof(question) ||
	    (send(fd, question, (size_t)len, MSG_NOSIGNAL) < 0 && errno != EPIPE))
		return no_answer(answer, EPROTO);
	error = read_answer(fd, now_ms() + timeout_ms, text, sizeof(text));
	if (!error && !om_control_parse_answer(answer, text))
		error = EPROTO;
	return error ? no_answer(answer, error) : true;
}
