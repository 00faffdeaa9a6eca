/* SPDX-License-Identifier: Apache-2.0 */
#include "om_backlog.h"

#include "om_util.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* tcpi_snd_wnd of struct tcp_info, which older headers do not have; the kernel since 5.4. */
#define SEND_WINDOW_AT 228
#define ANSWER_BYTES 32768
#define LIMIT_US 200000

struct query {
	struct nlmsghdr header;
	struct inet_diag_req_v2 request;
};

struct sum {
	const struct om_addr *addr;
	uint16_t min, max;
	uint64_t queued, window, most_window;
	bool found, windows;
};

/* An IPv4 connection of a socket for both families has the mapped form. */
static bool is_to(const struct inet_diag_msg *msg, const struct sum *sum)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const unsigned char *at = (const unsigned char *)msg->id.idiag_dst;
	uint16_t port = ntohs(msg->id.idiag_dport);
	size_t bytes = sum->addr->family_bits / 8;

	if (port < sum->min || port > sum->max)
		return false;
	if (bytes == 4 && msg->idiag_family == AF_INET6)
		return memcmp(at, mapped, 12) == 0 && memcmp(at + 12, sum->addr->bytes, 4) == 0;
	return memcmp(at, sum->addr->bytes, bytes) == 0;
}

static void take_window(struct sum *sum, const struct nlmsghdr *header)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(header);
	const struct rtattr *attr = (const struct rtattr *)(const void *)(msg + 1);
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	uint32_t window;

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type != INET_DIAG_INFO ||
		    RTA_PAYLOAD(attr) < SEND_WINDOW_AT + sizeof(window))
			continue;
		memcpy(&window, (const char *)RTA_DATA(attr) + SEND_WINDOW_AT, sizeof(window));
		sum->window += window;
		sum->windows = true;
	}
}

static void take_message(struct sum *sum, const struct nlmsghdr *header)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(header);

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)) || !is_to(msg, sum))
		return;
	sum->found = true;
	sum->queued += msg->idiag_wqueue;
	take_window(sum, header);
}

/* False: that was the last one. */
static bool take_answer(struct sum *sum, const char *answer, size_t left)
{
	while (left >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
		size_t step = NLMSG_ALIGN((size_t)header->nlmsg_len);

		if (header->nlmsg_len < sizeof(*header) || header->nlmsg_len > left)
			break;
		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
			return false;
		take_message(sum, header);
		if (step >= left)
			break;
		answer += step;
		left -= step;
	}
	return true;
}

static bool ask(struct sum *sum, int family)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_usec = LIMIT_US };
	struct query query = {
		.header = { .nlmsg_len = sizeof(query),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.request = { .sdiag_family = (uint8_t)family,
			     .sdiag_protocol = IPPROTO_TCP,
			     .idiag_ext = 1 << (INET_DIAG_INFO - 1),
			     .idiag_states = 1 << TCP_ESTABLISHED },
	};
	OM_AUTOCLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	static __thread char answer[ANSWER_BYTES];
	ssize_t n;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    sendto(fd, &query, sizeof(query), 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return false;
	do {
		n = recv(fd, answer, sizeof(answer), 0);
	} while (n > 0 && take_answer(sum, answer, (size_t)n));
	return n > 0;
}

void om_backlog_read(struct om_backlog *backlog, const struct om_addr *addr, uint16_t min,
		     uint16_t max)
{
	struct sum sum = { .addr = addr, .min = min, .max = max };
	bool ok = ask(&sum, AF_INET6);

	if (addr->family_bits == 32)
		ok = ask(&sum, AF_INET) || ok;
	backlog->known = ok && sum.found && sum.windows;
	if (!backlog->known)
		return;
	if (sum.window > backlog->most_window)
		backlog->most_window = sum.window;
	backlog->bytes = sum.queued + backlog->most_window - sum.window;
}
