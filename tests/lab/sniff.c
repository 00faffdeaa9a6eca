/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sniff INTERFACE TEXT: counts the frames that leave or reach this interface with TEXT in them, until
 * it is told to end by SIGTERM; prints the number of all frames and of those with TEXT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	static char frame[262144];
	unsigned long all = 0, found = 0;
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), size = 256 << 20;

	if (argc != 3 || fd < 0)
		return 2;
	at.sll_ifindex = (int)if_nametoindex(argv[1]);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (!at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return 2;
	sigaction(SIGTERM, &action, NULL);
	while (!ended) {
		ssize_t n = recv(fd, frame, sizeof(frame), 0);

		if (n < 0 && errno != EINTR)
			return 2;
		if (n <= 0)
			continue;
		all++;
		found += memmem(frame, (size_t)n, argv[2], strlen(argv[2])) != NULL;
	}
	printf("%lu %lu\n", all, found);
	return 0;
}
