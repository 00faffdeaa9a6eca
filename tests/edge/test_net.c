/* SPDX-License-Identifier: Apache-2.0 */
/* On the loopback interface alone. */
#include "om_cmocka.h"

#include "om_net.h"
#include "om_util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct om_addr addr(const char *text)
{
	struct om_addr parsed;

	if (!om_addr_parse(&parsed, text))
		fail_msg("'%s' is no address", text);
	return parsed;
}

/* Binds a port below the migration range; listens where asked. */
static int bound_socket(uint16_t *port, bool listening)
{
	for (uint16_t try = 20000 + (uint16_t)getpid() % 10000; try < 49000; try++) {
		struct sockaddr_in to = { .sin_family = AF_INET,
					  .sin_port = htons(try),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		*port = try;
		if (bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		    (!listening || listen(fd, 1) == 0))
			return fd;
		close(fd);
	}
	fail_msg("no free port");
	return -1;
}

static void a_listening_port_answers(void **unused)
{
	struct om_addr loopback = addr("127.0.0.1");
	char why[128] = "x";
	uint16_t port;
	int fd = bound_socket(&port, true);

	(void)unused;
	assert_int_equal(om_net_probe(&loopback, port, 1000, why, sizeof(why)), OM_ANSWER_YES);
	assert_string_equal(why, "");
	close(fd);
}

static void a_refused_connect_is_an_answer_too(void **unused)
{
	struct om_addr loopback = addr("127.0.0.1");
	char why[128] = "x";
	uint16_t port;
	int fd = bound_socket(&port, false);

	(void)unused;
	assert_int_equal(om_net_probe(&loopback, port, 1000, why, sizeof(why)), OM_ANSWER_YES);
	assert_string_equal(why, "");
	close(fd);
}

/* A listener whose queue is full drops further SYNs: silence, without a network. */
static void silence_is_no_answer_and_ends_in_time(void **unused)
{
	struct om_addr loopback = addr("127.0.0.1");
	char why[128] = "";
	int fillers[8];
	uint16_t port;
	int fd = bound_socket(&port, true);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fillers[i], (struct sockaddr *)&to, sizeof(to));
	}
	assert_int_equal(om_net_probe(&loopback, port, 150, why, sizeof(why)), OM_ANSWER_NO);
	assert_string_equal(why, "no answer within 150 ms");
	for (size_t i = 0; i < OM_ARRAY_LEN(fillers); i++)
		close(fillers[i]);
	close(fd);
}

static void an_address_that_cannot_be_reached_is_no_answer(void **unused)
{
	/* TCP to a broadcast address is refused by the kernel itself. */
	struct om_addr nowhere = addr("255.255.255.255");
	char why[128] = "";

	(void)unused;
	assert_int_equal(om_net_probe(&nowhere, 9, 200, why, sizeof(why)), OM_ANSWER_NO);
	assert_true(*why);
}

static void a_port_of_the_migration_range_is_never_touched(void **unused)
{
	static const uint16_t ports[] = { 0, 49152, 49215, 49216, 65535 };
	struct om_addr loopback = addr("127.0.0.1"), none = { 0 };
	char why[128];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(ports); i++) {
		*why = '\0';
		assert_int_equal(om_net_probe(&loopback, ports[i], 1000, why, sizeof(why)),
				 OM_ANSWER_NOT_CHECKED);
		assert_true(*why);
	}
	assert_int_equal(om_net_probe(&loopback, 49151, 1000, why, sizeof(why)), OM_ANSWER_YES);
	assert_int_equal(om_net_probe(&none, 9, 1000, why, sizeof(why)), OM_ANSWER_NOT_CHECKED);
}

static void an_ipv6_address_is_probed_where_the_host_has_ipv6(void **unused)
{
	struct om_addr loopback = addr("::1");
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	char why[128];
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0;

	(void)unused;
	if (has_ipv6)
		assert_int_equal(om_net_probe(&loopback, 9, 1000, why, sizeof(why)), OM_ANSWER_YES);
	else
		assert_int_not_equal(om_net_probe(&loopback, 9, 1000, why, sizeof(why)),
				     OM_ANSWER_YES);
	if (fd >= 0)
		close(fd);
}

static void an_own_address_is_routed_by_lo(void **unused)
{
	struct om_addr loopback = addr("127.0.0.1"), other = addr("127.1.2.3");
	struct om_route route;
	struct om_err err = { 0 };

	(void)unused;
	if (!om_net_route(&loopback, &route, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(route.ifname, "lo");
	assert_int_equal(route.speed_mbit, 0);
	assert_true(route.mtu > 1000);
	assert_true(om_addr_eq(&route.local, &loopback));
	assert_true(om_net_route(&other, &route, &err));
	assert_string_equal(route.ifname, "lo");
}

static void no_route_is_said_with_the_address(void **unused)
{
	static const struct {
		const char *addr, *sentence;
	} rows[] = {
		{ "255.255.255.255", "no route to 255.255.255.255: it is a broadcast address" },
		{ "224.0.0.1", "no route to 224.0.0.1: " },
		{ "0.0.0.1", "no route to 0.0.0.1: " },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_addr to = addr(rows[i].addr);
		struct om_route route;
		struct om_err err = { 0 };

		/* With a default route 0.0.0.1 goes by it, as far as the kernel is concerned. */
		if (om_net_route(&to, &route, &err) && i == 2)
			continue;
		if (!om_str_starts(err.msg, rows[i].sentence))
			fail_msg("'%s' instead of '%s'", err.msg, rows[i].sentence);
	}
}

static void no_address_has_no_route(void **unused)
{
	struct om_addr none = { 0 };
	struct om_route route;
	struct om_err err = { 0 };

	(void)unused;
	assert_false(om_net_route(&none, &route, &err));
	assert_int_equal(err.code, OM_E_INPUT);
}

static void addresses_resolve_to_themselves(void **unused)
{
	static const char *const rows[][2] = {
		{ "10.1.0.2", "10.1.0.2" }, { "fd00::2", "fd00::2" }, { "[fd00::2]", "fd00::2" },
		{ "::ffff:10.1.0.2", "10.1.0.2" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_addr found[4], expected = addr(rows[i][1]);
		struct om_err err = { 0 };
		size_t n = 0;

		assert_true(om_net_resolve(rows[i][0], found, OM_ARRAY_LEN(found), &n, &err));
		assert_int_equal(n, 1);
		assert_true(om_addr_eq(&found[0], &expected));
	}
}

static void localhost_resolves_to_loopback_addresses_once_each(void **unused)
{
	struct om_addr found[8];
	struct om_err err = { 0 };
	size_t n = 0;

	(void)unused;
	if (!om_net_resolve("localhost", found, OM_ARRAY_LEN(found), &n, &err))
		fail_msg("%s", err.msg);
	assert_true(n >= 1);
	for (size_t i = 0; i < n; i++) {
		assert_true(om_addr_is_loopback_or_link_local(&found[i]));
		for (size_t j = 0; j < i; j++)
			assert_false(om_addr_eq(&found[i], &found[j]));
	}
	assert_true(om_net_resolve("localhost", found, 1, &n, &err));
	assert_int_equal(n, 1);
}

static void a_name_that_does_not_exist_is_an_error_with_the_name(void **unused)
{
	struct om_addr found[2];
	struct om_err err = { 0 };
	size_t n = 7;

	(void)unused;
	/* Two dots: no resolver is asked. */
	assert_false(om_net_resolve("no..such.host.invalid", found, OM_ARRAY_LEN(found), &n, &err));
	assert_int_equal(n, 0);
	assert_true(
		om_str_starts(err.msg, "the name 'no..such.host.invalid' cannot be resolved: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listening_port_answers),
		cmocka_unit_test(a_refused_connect_is_an_answer_too),
		cmocka_unit_test(silence_is_no_answer_and_ends_in_time),
		cmocka_unit_test(an_address_that_cannot_be_reached_is_no_answer),
		cmocka_unit_test(a_port_of_the_migration_range_is_never_touched),
		cmocka_unit_test(an_ipv6_address_is_probed_where_the_host_has_ipv6),
		cmocka_unit_test(an_own_address_is_routed_by_lo),
		cmocka_unit_test(no_route_is_said_with_the_address),
		cmocka_unit_test(no_address_has_no_route),
		cmocka_unit_test(addresses_resolve_to_themselves),
		cmocka_unit_test(localhost_resolves_to_loopback_addresses_once_each),
		cmocka_unit_test(a_name_that_does_not_exist_is_an_error_with_the_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
