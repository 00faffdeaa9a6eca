/* SPDX-License-Identifier: Apache-2.0 */
/* On the loopback interface, and between two network namespaces where the link is to lose what is too
 * long for one end of it. */
#include "om_cmocka.h"

#include "om_net.h"
#include "om_util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct om_addr addr(const char *text)
{
	struct om_addr parsed;

	if (!om_addr_parse(&parsed, text))
		fail_msg("'%s' is no address", text);
	return parsed;
}

static enum om_answer full_size(const char *to, uint32_t mtu, char why[200])
{
	struct om_addr parsed = addr(to);

	return om_net_full_size(&parsed, mtu, why, 200);
}

static void a_closed_port_answers_packets_of_any_size_on_loopback(void **unused)
{
	static const uint32_t mtus[] = { 576, 1500, 9000, 65535, 65536, UINT32_MAX };
	char why[200];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(mtus); i++) {
		if (full_size("127.0.0.1", mtus[i], why) != OM_ANSWER_YES)
			fail_msg("%u: %s", mtus[i], why);
		assert_string_equal(why, "");
		usleep(50000); /* the kernel counts how often it complains to one address */
	}
}

static void ipv6_is_asked_likewise(void **unused)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	char why[200];

	(void)unused;
	assert_int_equal(full_size("::1", 1500, why),
			 has_ipv6 ? OM_ANSWER_YES : OM_ANSWER_NOT_CHECKED);
	if (fd >= 0)
		close(fd);
}

static void where_nothing_can_be_sent_nothing_is_known(void **unused)
{
	struct om_addr none = { 0 };
	char why[200] = "";

	(void)unused;
	assert_int_equal(om_net_full_size(&none, 1500, why, sizeof(why)), OM_ANSWER_NOT_CHECKED);
	assert_string_equal(why, "no address");
	assert_int_equal(full_size("127.0.0.1", 40, why), OM_ANSWER_NOT_CHECKED);
	assert_int_equal(full_size("255.255.255.255", 1500, why), OM_ANSWER_NOT_CHECKED);
	assert_true(*why);
}

/* ---- in network namespaces of our own ---- */

static int status_of(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Runs fn in a child with a network of its own: 0 done, 77 this machine cannot, else it failed. */
static int in_netns(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWNET) < 0 || status_of("ip link set lo up 2>/dev/null")
			      ? 77
			      : fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void run_in_netns(int (*fn)(void))
{
	int status = in_netns(fn);

	if (status == 77)
		skip();
	if (status)
		fail_msg("status %d", status);
}

/* What is written is seen where the test fails. */
static int expect(enum om_answer answer, enum om_answer expected, const char *why,
		  const char *expected_why)
{
	if (answer == expected && strcmp(why, expected_why) == 0)
		return 0;
	printf("%d '%s' instead of %d '%s'\n", answer, why, expected, expected_why);
	fflush(stdout);
	return 1;
}

static int with_a_small_mtu(void)
{
	char why[200];
	enum om_answer answer;

	if (status_of("ip link set lo mtu 1400"))
		return 77;
	answer = full_size("127.0.0.1", 1500, why);
	if (expect(answer, OM_ANSWER_NO, why,
		   "a packet of 1500 bytes is too long, the way takes 1400"))
		return 1;
	return expect(full_size("127.0.0.1", 1400, why), OM_ANSWER_YES, why, "");
}

static void a_packet_that_is_too_long_for_the_interface_is_told_with_its_limit(void **unused)
{
	(void)unused;
	run_in_netns(with_a_small_mtu);
}

/* Somebody takes all datagrams of the port and says nothing. */
static int with_a_listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char why[200];

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return 77;
	return expect(full_size("127.0.0.1", 1500, why), OM_ANSWER_NOT_CHECKED, why,
		      "a closed UDP port does not answer there");
}

static void silence_on_small_packets_says_nothing_of_large_ones(void **unused)
{
	(void)unused;
	run_in_netns(with_a_listener);
}

/* The other end of the link lives in the namespace of a child. */
static pid_t start_far_end(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	usleep(200000);
	return pid;
}

static int ask_far_end(pid_t far)
{
	char why[200], command[512];

	snprintf(command, sizeof(command),
		 "ip link add near mtu 9000 type veth peer name far mtu 1500 netns %d &&"
		 "ip addr add 10.99.0.1/24 dev near && ip link set near up &&"
		 "nsenter -t %d -n sh -c 'ip addr add 10.99.0.2/24 dev far && ip link set far up'",
		 (int)far, (int)far);
	if (status_of(command))
		return 77;
	usleep(200000);
	if (expect(full_size("10.99.0.2", 1500, why), OM_ANSWER_YES, why, ""))
		return 1;
	if (expect(full_size("10.99.0.2", 9000, why), OM_ANSWER_NO, why,
		   "packets of 9000 bytes are lost on the way, small ones arrive"))
		return 2;
	return expect(full_size("10.99.0.3", 1500, why), OM_ANSWER_NOT_CHECKED, why,
		      "a closed UDP port does not answer there");
}

static int with_a_link_of_two_mtus(void)
{
	pid_t far = start_far_end();
	int result = ask_far_end(far);

	kill(far, SIGKILL);
	waitpid(far, NULL, 0);
	return result;
}

static void what_the_other_end_of_a_link_does_not_take_is_lost(void **unused)
{
	(void)unused;
	run_in_netns(with_a_link_of_two_mtus);
}

/* ---- om_net_connects ---- */

static void only_an_accepted_connection_is_one(void **unused)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct om_addr loopback = addr("127.0.0.1"), none = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);
	uint16_t port;
	char why[128];

	(void)unused;
	/* The kernel chooses: a port of the migration range can be one of them here, and is ours. */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	port = ntohs(at.sin_port);
	assert_int_equal(om_net_connects(&loopback, port, 1000, why, sizeof(why)), OM_ANSWER_NO);
	assert_string_equal(why, "Connection refused");
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(om_net_connects(&loopback, port, 1000, why, sizeof(why)), OM_ANSWER_YES);
	assert_string_equal(why, "");
	/* Its queue is full, so that it is silent. */
	for (int i = 0; i < 8; i++)
		assert_true(om_net_connects(&loopback, port, 100, why, sizeof(why)) <=
			    OM_ANSWER_NO);
	assert_int_equal(om_net_connects(&loopback, port, 150, why, sizeof(why)), OM_ANSWER_NO);
	assert_string_equal(why, "no answer within 150 ms");
	assert_int_equal(om_net_connects(&none, port, 100, why, sizeof(why)),
			 OM_ANSWER_NOT_CHECKED);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_port_answers_packets_of_any_size_on_loopback),
		cmocka_unit_test(ipv6_is_asked_likewise),
		cmocka_unit_test(where_nothing_can_be_sent_nothing_is_known),
		cmocka_unit_test(
			a_packet_that_is_too_long_for_the_interface_is_told_with_its_limit),
		cmocka_unit_test(silence_on_small_packets_says_nothing_of_large_ones),
		cmocka_unit_test(what_the_other_end_of_a_link_does_not_take_is_lost),
		cmocka_unit_test(only_an_accepted_connection_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
