/* SPDX-License-Identifier: Apache-2.0 */
#include "om_ssh.h"
#include "om_util.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GONE_MS 30000

static int wait_for_end(int fd, uint32_t timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0, n;

	do
		n = poll(&poll_fd, 1, (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

static void set(int fd, int level, int option, int value)
{
	/* Where one is not known the connection is noticed to be gone later. */
	if (setsockopt(fd, level, option, &value, sizeof(value)) != 0)
		return;
}

static int try_one(const struct addrinfo *to, uint32_t timeout_ms)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0)
		return -1;
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, GONE_MS);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0)
		error = errno == EINPROGRESS || errno == EINTR ? wait_for_end(fd, timeout_ms)
							       : errno;
	if (!error)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

int om_tcp_connect(const char *host, uint16_t port, int family, uint32_t timeout_ms,
		   struct om_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_family = family == 4   ? AF_INET
					       : family == 6 ? AF_INET6
							     : AF_UNSPEC };
	struct addrinfo *list = NULL;
	char service[8];
	int ret, fd = -1;

	snprintf(service, sizeof(service), "%u", port);
	ret = getaddrinfo(host, service, &hints, &list);
	if (ret) {
		om_err_set(err, OM_E_INPUT, "the name '%s' cannot be resolved: %s", host,
			   gai_strerror(ret));
		return -1;
	}
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		fd = try_one(at, timeout_ms);
	if (fd < 0)
		om_err_set(err, OM_E_INPUT, "no connection to %s port %u: %s", host, port,
			   strerror(errno));
	freeaddrinfo(list);
	return fd;
}
