/* SPDX-License-Identifier: Apache-2.0 */
/* TCP ports of this host on which somebody listens. On which address does not matter: what asks wants
 * all of them, or would have to tell other users of the port apart. */
#include "survey_parts.h"

#include "net_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENING 0x0a

struct in_use {
	bool known;
	uint8_t bits[(UINT16_MAX + 1) / 8];
};

static void read_table(struct in_use *in_use, const char *name)
{
	OM_AUTOFREE char *path = om_survey_root_path(name);
	FILE *file = fopen(path, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned int port, state;

		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%4x %*[0-9A-Fa-f:] %2x", &port, &state) ==
			    2 &&
		    state == LISTENING)
			in_use->bits[port / 8] |= (uint8_t)(1u << port % 8);
	}
	if (!file)
		return;
	in_use->known = !ferror(file);
	fclose(file);
}

/* Either table has all of its family; a host need not have IPv6. */
static void read_tables(struct in_use *in_use)
{
	memset(in_use, 0, sizeof(*in_use));
	read_table(in_use, "/proc/net/tcp6");
	read_table(in_use, "/proc/net/tcp");
}

static bool is_used(const struct in_use *in_use, uint32_t port)
{
	return in_use->bits[port / 8] & 1u << port % 8;
}

void om_survey_ports(struct om_survey *survey, const struct om_survey_ask *ask)
{
	struct in_use in_use;

	read_tables(&in_use);
	survey->port_count = ask->port_count;
	survey->range_free = 0;
	for (size_t i = 0; i < ask->port_count && in_use.known; i++)
		survey->ports[i] = is_used(&in_use, ask->ports[i]) ? OM_ANSWER_NO : OM_ANSWER_YES;
	for (uint32_t port = survey->range_min; port <= survey->range_max; port++)
		survey->range_free += !is_used(&in_use, port);
}

static int listen_on(const struct om_addr *addr, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = om_net_sockaddr(&at, addr, port);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	/* As QEMU does: connections that have ended do not keep the port. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
	    bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 4) == 0)
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

int om_survey_listen(const struct om_addr *addr, uint32_t min, uint32_t max, uint16_t *port)
{
	struct in_use in_use;

	read_tables(&in_use);
	errno = EADDRINUSE;
	for (uint32_t try = min; try >= 1 && try <= max && try <= UINT16_MAX; try++) {
		int fd = is_used(&in_use, try) ? -1 : listen_on(addr, (uint16_t)try);

		*port = (uint16_t)try;
		if (fd >= 0 || errno != EADDRINUSE)
			return fd;
	}
	return -1;
}
