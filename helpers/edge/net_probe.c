/* SPDX-License-Identifier: Apache-2.0 */
#include "om_net.h"

#include "net_internal.h"
#include "om_util.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* libvirt's range ends at 49215, but qemu.conf may move it; all of it lies in here. */
#define FORBIDDEN_PORT_MIN 49152

socklen_t om_net_sockaddr(struct sockaddr_storage *to, const struct om_addr *addr, uint16_t port)
{
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (addr->family_bits == 32) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, addr->bytes, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, addr->bytes, 16);
	return sizeof(*v6);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The errno with which the connect ends; ETIMEDOUT where it does not. */
static int wait_for_end(int fd, uint32_t timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms, left;
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0, n;

	do {
		left = deadline - now_ms();
		n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

int om_net_try_connect(const struct om_addr *addr, uint16_t port, uint32_t timeout_ms)
{
	struct sockaddr_storage to;
	socklen_t len = om_net_sockaddr(&to, addr, port);
	OM_AUTOCLOSE int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&to, len) == 0)
		return 0;
	/* An interrupted connect goes on, as one in progress does. */
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	return wait_for_end(fd, timeout_ms);
}

/* Of an errno that is no answer. */
static void say(int error, uint32_t timeout_ms, char *why, size_t why_size)
{
	if (error == ETIMEDOUT)
		snprintf(why, why_size, "no answer within %u ms", timeout_ms);
	else
		snprintf(why, why_size, "%s", strerror(error));
}

enum om_answer om_net_probe(const struct om_addr *addr, uint16_t port, uint32_t timeout_ms,
			    char *why, size_t why_size)
{
	int error;

	om_str_copy(why, why_size, "");
	if (port == 0 || port >= FORBIDDEN_PORT_MIN || !addr->family_bits) {
		snprintf(why, why_size,
			 addr->family_bits ? "port %u is not to be probed" : "no address", port);
		return OM_ANSWER_NOT_CHECKED;
	}
	error = om_net_try_connect(addr, port, timeout_ms);
	if (error == EMFILE || error == ENFILE || error == EAFNOSUPPORT) {
		snprintf(why, why_size, "no socket: %s", strerror(error));
		return OM_ANSWER_NOT_CHECKED;
	}
	if (error == 0 || error == ECONNREFUSED || error == ECONNRESET)
		return OM_ANSWER_YES;
	say(error, timeout_ms, why, why_size);
	return OM_ANSWER_NO;
}

enum om_answer om_net_connects(const struct om_addr *addr, uint16_t port, uint32_t timeout_ms,
			       char *why, size_t why_size)
{
	int error;

	om_str_copy(why, why_size, "");
	if (!port || !addr->family_bits) {
		om_str_copy(why, why_size, "no address");
		return OM_ANSWER_NOT_CHECKED;
	}
	error = om_net_try_connect(addr, port, timeout_ms);
	if (error == 0)
		return OM_ANSWER_YES;
	say(error, timeout_ms, why, why_size);
	return OM_ANSWER_NO;
}
