/* SPDX-License-Identifier: Apache-2.0 */
/* What waits between two ends of connections, over loopback. */
#include "om_cmocka.h"

#include "om_backlog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener = -1, sender = -1, taker = -1;
static uint16_t port;

static int set_up(void **unused)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	(void)unused;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len))
		return -1;
	port = ntohs(at.sin_port);
	sender = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(sender, (struct sockaddr *)&at, len))
		return -1;
	taker = accept(listener, NULL, NULL);
	return taker < 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	close(listener);
	close(sender);
	return close(taker);
}

static void what_is_not_taken_in_is_counted(void **unused)
{
	struct om_backlog backlog = { .known = false };
	struct om_addr addr;
	static char data[100000];

	(void)unused;
	assert_true(om_addr_parse(&addr, "127.0.0.1"));
	om_backlog_read(&backlog, &addr, port, port);
	if (!backlog.known) /* a kernel before 5.4, or without this interface */
		skip();
	assert_in_range(backlog.bytes, 0, 1000);
	for (int i = 0; i < 20; i++)
		(void)!send(sender, data, sizeof(data), MSG_DONTWAIT);
	usleep(100000);
	om_backlog_read(&backlog, &addr, port, port);
	assert_true(backlog.known);
	assert_true(backlog.bytes > 200000);
	for (int i = 0; i < 200; i++) {
		if (recv(taker, data, sizeof(data), MSG_DONTWAIT) <= 0)
			usleep(1000);
	}
	(void)!send(sender, data, 1, 0);
	usleep(100000);
	om_backlog_read(&backlog, &addr, port, port);
	assert_true(backlog.bytes < 1500000);
}

static void other_connections_do_not_count(void **unused)
{
	struct om_backlog backlog = { .known = false };
	struct om_addr addr;

	(void)unused;
	assert_true(om_addr_parse(&addr, "127.0.0.2"));
	om_backlog_read(&backlog, &addr, port, port);
	assert_false(backlog.known);
	assert_true(om_addr_parse(&addr, "127.0.0.1"));
	om_backlog_read(&backlog, &addr, 1, 1);
	assert_false(backlog.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_not_taken_in_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_connections_do_not_count, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
