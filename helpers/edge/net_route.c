/* SPDX-License-Identifier: Apache-2.0 */
#include "om_net.h"

#include "om_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYS_NET "/sys/class/net"
#define LOWER_LEVELS_MAX 3 /* vlan on bond on a port */

struct query {
	struct nlmsghdr header;
	struct rtmsg route;
	char attrs[64];
};

static size_t make_query(struct query *query, const struct om_addr *addr)
{
	struct rtattr *attr = (struct rtattr *)(void *)query->attrs;
	unsigned short bytes = addr->family_bits / 8;

	memset(query, 0, sizeof(*query));
	query->header.nlmsg_type = RTM_GETROUTE;
	query->header.nlmsg_flags = NLM_F_REQUEST;
	query->header.nlmsg_seq = 1;
	query->route.rtm_family = bytes == 4 ? AF_INET : AF_INET6;
	query->route.rtm_dst_len = addr->family_bits;
	attr->rta_type = RTA_DST;
	attr->rta_len = (unsigned short)RTA_LENGTH(bytes);
	memcpy(RTA_DATA(attr), addr->bytes, bytes);
	query->header.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(struct rtmsg)) + RTA_SPACE(bytes));
	return query->header.nlmsg_len;
}

/* One question, one answer; returns its length or -1 (errno). */
static ssize_t ask(const struct query *query, size_t len, void *answer, size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = 2 };
	OM_AUTOCLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -1;
	if (sendto(fd, query, len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -1;
	do {
		n = recv(fd, answer, size, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

static const char *why_of_type(unsigned char type)
{
	static const struct {
		unsigned char type;
		const char *why;
	} refused[] = {
		{ RTN_UNREACHABLE, "the route says unreachable" },
		{ RTN_BLACKHOLE, "the route is a black hole" },
		{ RTN_PROHIBIT, "the route says prohibited" },
		{ RTN_THROW, "the route leads nowhere" },
		{ RTN_BROADCAST, "it is a broadcast address" },
		{ RTN_MULTICAST, "it is a multicast address" },
	};

	for (size_t i = 0; i < OM_ARRAY_LEN(refused); i++)
		if (refused[i].type == type)
			return refused[i].why;
	return NULL;
}

static void read_attr(struct om_route *route, unsigned int *ifindex, const struct rtattr *attr,
		      uint8_t family_bits)
{
	size_t len = RTA_PAYLOAD(attr);

	if (attr->rta_type == RTA_OIF && len == sizeof(*ifindex))
		memcpy(ifindex, RTA_DATA(attr), len);
	if (attr->rta_type == RTA_PREFSRC && len == family_bits / 8u) {
		route->local.family_bits = family_bits;
		memcpy(route->local.bytes, RTA_DATA(attr), len);
	}
}

/* The kernel answers a route of such a type by an error, or by the route, as it pleases. */
static const char *why_of_error(int error)
{
	if (error == EINVAL)
		return why_of_type(RTN_BLACKHOLE);
	if (error == EHOSTUNREACH)
		return why_of_type(RTN_UNREACHABLE);
	return error == EACCES ? why_of_type(RTN_PROHIBIT) : strerror(error);
}

/* NULL where the answer names an interface, else the reason why it does not. */
static const char *read_answer(struct om_route *route, struct nlmsghdr *header, size_t len,
			       uint8_t family_bits)
{
	const struct nlmsgerr *error = NLMSG_DATA(header);
	const struct rtmsg *message = NLMSG_DATA(header);
	const char *why;
	unsigned int ifindex = 0;
	int left;

	if (!NLMSG_OK(header, len) || header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return "the kernel's answer is cut off";
	if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)))
		return why_of_error(-error->error);
	if (header->nlmsg_type != RTM_NEWROUTE)
		return "the kernel's answer is not understood";
	why = why_of_type(message->rtm_type);
	if (why)
		return why;
	left = (int)RTM_PAYLOAD(header);
	for (struct rtattr *attr = RTM_RTA(message); RTA_OK(attr, left);
	     attr = RTA_NEXT(attr, left))
		read_attr(route, &ifindex, attr, family_bits);
	if (message->rtm_type == RTN_LOCAL)
		om_str_copy(route->ifname, sizeof(route->ifname), "lo");
	else if (!if_indextoname(ifindex, route->ifname))
		return "the route names no interface";
	return NULL;
}

/* A number from /sys; -1 where there is none (no such file, a link that is down). */
static long read_number(const char *ifname, const char *file)
{
	char path[128], text[32];
	OM_AUTOCLOSE int fd = -1;
	uint64_t number;
	ssize_t n;

	snprintf(path, sizeof(path), SYS_NET "/%s/%s", ifname, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return om_parse_u64(om_str_strip(text), 0, INT32_MAX, &number) ? (long)number : -1;
}

static bool next_lower(DIR *dir, char name[IFNAMSIZ])
{
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (om_str_starts(entry->d_name, "lower_"))
			return om_str_copy(name, IFNAMSIZ, entry->d_name + strlen("lower_"));
	return false;
}

/* The interface's own speed, else that of the fastest one below it (a bridge, a vlan). */
static uint32_t speed_of(const char *ifname, unsigned int levels)
{
	long own = read_number(ifname, "speed");
	char path[128], lower[IFNAMSIZ];
	uint32_t best = 0;
	DIR *dir;

	if (own > 0)
		return (uint32_t)own;
	snprintf(path, sizeof(path), SYS_NET "/%s", ifname);
	dir = levels ? opendir(path) : NULL;
	while (dir && next_lower(dir, lower)) {
		uint32_t speed = speed_of(lower, levels - 1);

		best = speed > best ? speed : best;
	}
	if (dir)
		closedir(dir);
	return best;
}

/* Not from /sys, which may be that of another network namespace. */
static uint32_t mtu_of(const char *ifname)
{
	struct ifreq request = { 0 };
	OM_AUTOCLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	om_str_copy(request.ifr_name, sizeof(request.ifr_name), ifname);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0 || request.ifr_mtu < 0)
		return 0;
	return (uint32_t)request.ifr_mtu;
}

bool om_net_route(const struct om_addr *addr, struct om_route *route, struct om_err *err)
{
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} answer;
	struct query query;
	char text[OM_ADDR_TEXT];
	const char *why;
	ssize_t len;

	memset(route, 0, sizeof(*route));
	om_addr_print(addr, text);
	if (!addr->family_bits)
		return om_err_set(err, OM_E_INPUT, "no address to find a route to");
	len = ask(&query, make_query(&query, addr), &answer, sizeof(answer));
	why = len < 0 ? strerror(errno)
		      : read_answer(route, &answer.header, (size_t)len, addr->family_bits);
	if (why)
		return om_err_set(err, OM_E_INPUT, "no route to %s: %s", text, why);
	route->mtu = mtu_of(route->ifname);
	if (read_number(route->ifname, "ifindex") == (long)if_nametoindex(route->ifname))
		route->speed_mbit = speed_of(route->ifname, LOWER_LEVELS_MAX);
	return true;
}
