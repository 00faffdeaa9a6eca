/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel queues what ICMP says of a datagram together with who said it. Whatever the destination
 * itself complains of, it has got the datagram: a closed port, a firewall that rejects.
 */
#include "om_net.h"

#include "net_internal.h"
#include "om_util.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* needs struct timespec */

#define CLOSED_PORT 9 /* discard, RFC 863 */
#define WAIT_MS 150
#define ANSWERS_AGAIN_MS 1100
#define SMALL_BYTES 32
#define IP_MAX_BYTES 65535
#define V4_HEADERS_BYTES 28
#define V6_HEADERS_BYTES 48

enum got { ARRIVED, SILENCE, TOO_LONG, FAILED };

struct probe {
	const struct om_addr *to;
	int fd, error;	/* of FAILED */
	uint32_t limit; /* of TOO_LONG; 0 = not said */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* It must not be fragmented, and the kernel keeps what is said of it. */
static bool prepare(int fd, bool v4)
{
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6, on = 1;
	int discover = v4 ? IP_PMTUDISC_DO : IPV6_PMTUDISC_DO;

	return setsockopt(fd, level, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &discover,
			  sizeof(discover)) == 0 &&
	       setsockopt(fd, level, v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on)) == 0;
}

static bool open_probe(struct probe *probe)
{
	struct sockaddr_storage to;
	socklen_t len = om_net_sockaddr(&to, probe->to, CLOSED_PORT);

	probe->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd >= 0 && prepare(probe->fd, probe->to->family_bits == 32) &&
	    connect(probe->fd, (struct sockaddr *)&to, len) == 0)
		return true;
	probe->error = errno;
	return false;
}

/* What the kernel knows of the way. */
static uint32_t path_mtu(const struct probe *probe)
{
	bool v4 = probe->to->family_bits == 32;
	socklen_t len = sizeof(int);
	int mtu = 0;

	if (getsockopt(probe->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu,
		       &len) < 0)
		return 0;
	return mtu > 0 ? (uint32_t)mtu : 0;
}

/* Who complained stands behind the complaint. */
static bool is_from_destination(const struct probe *probe, const struct sock_extended_err *e,
				size_t len)
{
	const char *offender = (const char *)(e + 1);

	if (probe->to->family_bits == 32)
		return len >= sizeof(*e) + sizeof(struct sockaddr_in) &&
		       memcmp(offender + offsetof(struct sockaddr_in, sin_addr), probe->to->bytes,
			      4) == 0;
	return len >= sizeof(*e) + sizeof(struct sockaddr_in6) &&
	       memcmp(offender + offsetof(struct sockaddr_in6, sin6_addr), probe->to->bytes, 16) ==
		       0;
}

static enum got judge(struct probe *probe, const struct sock_extended_err *e, size_t len)
{
	if (e->ee_errno == EMSGSIZE) {
		probe->limit = e->ee_info;
		return TOO_LONG;
	}
	if ((e->ee_origin == SO_EE_ORIGIN_ICMP || e->ee_origin == SO_EE_ORIGIN_ICMP6) &&
	    is_from_destination(probe, e, len))
		return ARRIVED;
	probe->error = (int)e->ee_errno;
	return FAILED;
}

/* One entry of the queue; SILENCE where it is empty. */
static enum got read_error(struct probe *probe)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	char data[64];
	struct iovec piece = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	if (recvmsg(probe->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return SILENCE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		     (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) &&
		    c->cmsg_len > CMSG_LEN(0) && len >= sizeof(struct sock_extended_err))
			return judge(probe, (const void *)CMSG_DATA(c), len);
	}
	return SILENCE;
}

static enum got wait_for_answer(struct probe *probe)
{
	struct pollfd p = { .fd = probe->fd, .events = POLLIN };
	uint64_t now, until_ms = now_ms() + WAIT_MS;
	char byte;

	while ((now = now_ms()) < until_ms) {
		enum got got;

		if (poll(&p, 1, (int)(until_ms - now)) <= 0)
			continue;
		got = read_error(probe);
		if (got != SILENCE)
			return got;
		/* Somebody listens there and answers, or the same error once more. */
		if (recv(probe->fd, &byte, 1, MSG_DONTWAIT) >= 0)
			return ARRIVED;
	}
	return SILENCE;
}

static enum got send_one(struct probe *probe, size_t len)
{
	static const char zeros[IP_MAX_BYTES];
	enum got got;

	while (read_error(probe) != SILENCE)
		; /* of the one before */
	/* ENOBUFS: it was dropped on the way out, for which a device that it is too long for is as good
	 * a reason as a full queue. */
	if (send(probe->fd, zeros, len, MSG_NOSIGNAL) >= 0 || errno == ENOBUFS)
		return wait_for_answer(probe);
	probe->error = errno;
	if (probe->error == EMSGSIZE) {
		probe->limit = path_mtu(probe);
		return TOO_LONG;
	}
	got = read_error(probe); /* a late answer to the one before makes this call fail */
	return got == SILENCE ? FAILED : got;
}

static enum om_answer too_long(const struct probe *probe, uint32_t mtu, char *why, size_t why_size)
{
	if (probe->limit)
		snprintf(why, why_size, "a packet of %u bytes is too long, the way takes %u", mtu,
			 probe->limit);
	else
		snprintf(why, why_size, "a packet of %u bytes is too long", mtu);
	return OM_ANSWER_NO;
}

static enum om_answer not_checked(const struct probe *probe, enum got got, char *why,
				  size_t why_size)
{
	if (got == SILENCE)
		snprintf(why, why_size, "a closed UDP port does not answer there");
	else
		snprintf(why, why_size, "%s", strerror(probe->error));
	return OM_ANSWER_NOT_CHECKED;
}

/*
 * A host answers only so many of these: six at once, then one a second (icmp_ratelimit of Linux). So
 * the full size comes first, and its loss counts only if a small one is answered between two of it.
 */
static enum om_answer try_both(struct probe *probe, uint32_t mtu, size_t payload, char *why,
			       size_t why_size)
{
	enum got got = open_probe(probe) ? send_one(probe, payload) : FAILED;

	if (got == SILENCE) {
		got = send_one(probe, SMALL_BYTES);
		if (got != ARRIVED)
			return not_checked(probe, got, why, why_size);
		usleep(ANSWERS_AGAIN_MS * 1000);
		got = send_one(probe, payload);
	}
	if (got == ARRIVED)
		return OM_ANSWER_YES;
	if (got == TOO_LONG)
		return too_long(probe, mtu, why, why_size);
	if (got == FAILED)
		return not_checked(probe, got, why, why_size);
	snprintf(why, why_size, "packets of %u bytes are lost on the way, small ones arrive", mtu);
	return OM_ANSWER_NO;
}

enum om_answer om_net_full_size(const struct om_addr *addr, uint32_t mtu, char *why,
				size_t why_size)
{
	uint32_t headers = addr->family_bits == 32 ? V4_HEADERS_BYTES : V6_HEADERS_BYTES;
	struct probe probe = { .to = addr, .fd = -1 };
	enum om_answer answer;

	om_str_copy(why, why_size, "");
	if (mtu > IP_MAX_BYTES)
		mtu = IP_MAX_BYTES;
	if (!addr->family_bits || mtu < headers + SMALL_BYTES) {
		om_str_copy(why, why_size, addr->family_bits ? "no size" : "no address");
		return OM_ANSWER_NOT_CHECKED;
	}
	answer = try_both(&probe, mtu, mtu - headers, why, why_size);
	if (probe.fd >= 0)
		om_autoclose_(&probe.fd);
	return answer;
}
