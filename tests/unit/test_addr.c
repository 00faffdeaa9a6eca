/* SPDX-License-Identifier: Apache-2.0 */
#include "om_addr.h"
#include "om_cmocka.h"
#include "om_util.h"

#include <string.h>

static struct om_err err;

static struct om_addr addr_of(const char *text)
{
	struct om_addr addr;

	if (!om_addr_parse(&addr, text))
		fail_msg("no address: %s", text);
	return addr;
}

static void prints(const char *text, const char *expected, int family_bits)
{
	struct om_addr addr = addr_of(text);
	char printed[OM_ADDR_TEXT];

	om_addr_print(&addr, printed);
	assert_string_equal(printed, expected);
	assert_int_equal(addr.family_bits, family_bits);
}

static void addresses_of_both_families_are_parsed(void **state)
{
	(void)state;
	prints("10.1.0.2", "10.1.0.2", 32);
	prints("fd00::2", "fd00::2", 128);
	prints("FD00:0:0::2", "fd00::2", 128);
	prints("[fd00::2]", "fd00::2", 128);
	prints("::", "::", 128);
	prints("::ffff:10.1.0.2", "10.1.0.2", 32);
	prints("[::ffff:a01:2]", "10.1.0.2", 32);
	prints("::10.1.0.2", "::10.1.0.2", 128);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"node02",
		"10.1.0",
		"10.1.0.256",
		"10.1.0.2 ",
		" 10.1.0.2",
		"010.1.0.2",
		"[10.1.0.2]",
		"[]",
		"[",
		"[fd00::2",
		"fd00::2]",
		"fe80::1%e",
		"fd00::2/64",
		"fd00:::2",
		"1:2:3:4:5:6:7",
		"[[fd00::2]]",
		"1111:2222:3333:4444:5555:6666:7777:8888:1111:2222:3333:4444:5555:6666:7777:8888",
	};
	struct om_addr addr;

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++) {
		if (om_addr_parse(&addr, bad[i]))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(addr.family_bits, 0);
	}
}

static void no_address_prints_as_nothing(void **state)
{
	struct om_addr none = { 0 };
	char text[OM_ADDR_TEXT] = "x";

	(void)state;
	om_addr_print(&none, text);
	assert_string_equal(text, "");
}

static void addresses_are_equal_within_a_family_only(void **state)
{
	struct om_addr a = addr_of("0.0.0.1"), b = addr_of("0.0.0.1"), c = addr_of("0.0.0.2");
	struct om_addr d = addr_of("0:1::");

	(void)state;
	assert_true(om_addr_eq(&a, &b));
	assert_false(om_addr_eq(&a, &c));
	assert_false(om_addr_eq(&a, &d));
	assert_false(om_addr_eq(&d, &a));
}

static void loopback_and_link_local_are_known(void **state)
{
	static const char *const local[] = { "127.0.0.1", "127.255.0.9", "169.254.1.1",
					     "::1",	  "fe80::1",	 "febf::1" };
	static const char *const global[] = { "10.0.0.1", "169.253.1.1", "126.0.0.1", "128.0.0.1",
					      "::2",	  "fec0::1",	 "fd00::1",   "::" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(local); i++) {
		struct om_addr addr = addr_of(local[i]);

		assert_true(om_addr_is_loopback_or_link_local(&addr));
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(global); i++) {
		struct om_addr addr = addr_of(global[i]);

		assert_false(om_addr_is_loopback_or_link_local(&addr));
	}
}

static void networks_may_be_separated_by_blanks_or_commas(void **state)
{
	struct om_cidr cidrs[4];
	size_t count;

	(void)state;
	assert_true(om_cidrs_parse(cidrs, 4, &count, " 10.1.0.0/24, fd00::/64\t\n,,10.2.3.4 ::1",
				   &err));
	assert_int_equal(count, 4);
	assert_int_equal(cidrs[0].prefix_bits, 24);
	assert_int_equal(cidrs[1].prefix_bits, 64);
	assert_int_equal(cidrs[2].prefix_bits, 32);
	assert_int_equal(cidrs[3].prefix_bits, 128);
	assert_true(om_cidrs_parse(cidrs, 4, &count, "", &err));
	assert_int_equal(count, 0);
}

static void a_mapped_network_is_an_ipv4_network(void **state)
{
	struct om_cidr cidr;
	size_t count;

	(void)state;
	assert_true(om_cidrs_parse(&cidr, 1, &count, "::ffff:10.1.0.0/120", &err));
	assert_int_equal(cidr.net.family_bits, 32);
	assert_int_equal(cidr.prefix_bits, 24);
	assert_false(om_cidrs_parse(&cidr, 1, &count, "::ffff:10.1.0.0/95", &err));
}

static void refused(const char *text, const char *part)
{
	struct om_cidr cidrs[2];
	size_t count;

	if (om_cidrs_parse(cidrs, 2, &count, text, &err))
		fail_msg("taken: %s", text);
	assert_int_equal(err.code, OM_E_INPUT);
	if (!strstr(err.msg, part))
		fail_msg("%s: %s", text, err.msg);
}

static void a_cidr_with_host_bits_set_is_refused(void **state)
{
	(void)state;
	refused("10.1.0.5/24", "'10.1.0.5/24' is an address in the network 10.1.0.0/24");
	refused("10.1.1.0/23", "10.1.0.0/23");
	refused("fd00::1/64", "fd00::/64");
	refused("1.0.0.0/0", "0.0.0.0/0");
	refused("10.0.0.0/8 10.0.0.1/31", "10.0.0.0/31");
}

static void a_bad_network_is_refused_with_its_text(void **state)
{
	(void)state;
	refused("10.0.0.0/33", "'10.0.0.0/33'");
	refused("fd00::/129", "prefix length");
	refused("10.0.0.0/", "prefix length");
	refused("10.0.0.0/-1", "prefix length");
	refused("10.0.0.0/255.0.0.0", "prefix length");
	refused("10.0.0.0/8/8", "prefix length");
	refused("/8", "'/8' is no IP network");
	refused("eth0", "'eth0' is no IP network");
	refused("10.0.0.0/8;fd00::/64", "prefix length");
	refused("10.0.0.0/8 10.1.0.0/16 10.2.0.0/16", "more than 2 networks");
}

static bool contains(const char *network, const char *address)
{
	struct om_addr addr = addr_of(address);
	struct om_cidr cidr;
	size_t count;

	assert_true(om_cidrs_parse(&cidr, 1, &count, network, &err));
	return om_cidr_contains(&cidr, &addr);
}

static void a_network_contains_its_first_and_last_address_and_no_neighbour(void **state)
{
	(void)state;
	assert_true(contains("10.1.2.0/23", "10.1.2.0"));
	assert_true(contains("10.1.2.0/23", "10.1.3.255"));
	assert_false(contains("10.1.2.0/23", "10.1.1.255"));
	assert_false(contains("10.1.2.0/23", "10.1.4.0"));
	assert_true(contains("fd00:1::/33", "fd00:1:7fff::1"));
	assert_false(contains("fd00:1::/33", "fd00:1:8000::1"));
	assert_true(contains("10.1.2.3", "10.1.2.3"));
	assert_false(contains("10.1.2.3", "10.1.2.2"));
	assert_true(contains("0.0.0.0/0", "255.1.1.1"));
	assert_false(contains("0.0.0.0/0", "fd00::1"));
	assert_false(contains("::/0", "10.0.0.1"));
	assert_true(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
}

static int pick(const char *networks, const char *addresses)
{
	struct om_addr addrs[8];
	struct om_cidr cidrs[8], hosts[8];
	size_t count, n;

	assert_true(om_cidrs_parse(cidrs, 8, &count, networks, &err));
	assert_true(om_cidrs_parse(hosts, 8, &n, addresses, &err));
	for (size_t i = 0; i < n; i++)
		addrs[i] = hosts[i].net;
	return om_cidrs_pick(cidrs, count, addrs, n);
}

static void the_order_of_the_networks_comes_before_that_of_the_addresses(void **state)
{
	(void)state;
	assert_int_equal(pick("10.2.0.0/16 10.1.0.0/16", "10.1.0.1 10.2.0.1 10.2.0.2"), 1);
	assert_int_equal(pick("10.1.0.0/16 10.2.0.0/16", "10.2.0.1 10.1.0.2 10.1.0.1"), 1);
	assert_int_equal(pick("fd00::/64 10.0.0.0/8", "10.0.0.1 fd00::1"), 1);
	assert_int_equal(pick("10.3.0.0/16", "10.1.0.1 10.2.0.1"), -1);
	assert_int_equal(pick("", "10.1.0.1"), -1);
	assert_int_equal(pick("10.1.0.0/16", ""), -1);
}

/* Each candidate that is expected; NULL: there is none (any more). */
static void appends(const char *host, const char *suffix, const char *first, const char *second)
{
	char candidates[2][OM_HOST_TEXT];
	size_t n = om_host_append(host, suffix, candidates);

	assert_int_equal(n, (first != NULL) + (second != NULL));
	if (first)
		assert_string_equal(candidates[0], first);
	if (second)
		assert_string_equal(candidates[1], second);
}

static void a_short_name_gets_the_suffix_at_its_end(void **state)
{
	(void)state;
	appends("node02", "-10g1", "node02-10g1", NULL);
	appends("node02", ".mig", "node02.mig", NULL);
	appends("node02", "_x", "node02_x", NULL);
}

static void a_full_name_gets_it_before_its_first_dot_and_then_at_its_end(void **state)
{
	(void)state;
	appends("node02.example.org", "-10g1", "node02-10g1.example.org",
		"node02.example.org-10g1");
	appends("node02.example.org.", "-10g1", "node02-10g1.example.org.", NULL);
}

static void an_address_gets_no_suffix(void **state)
{
	(void)state;
	appends("10.1.0.2", "-10g1", NULL, NULL);
	appends("fd00::2", "-10g1", NULL, NULL);
	appends("[fd00::2]", "-10g1", NULL, NULL);
	appends("node02", "", NULL, NULL);
}

static void what_would_be_no_host_name_is_no_candidate(void **state)
{
	char host[OM_HOST_TEXT + 1];

	(void)state;
	appends("node02", "-a b", NULL, NULL);
	appends("node02", ";x", NULL, NULL);
	appends("node02", "..x", NULL, NULL);
	appends("node02.example.org", ".", "node02.example.org.", NULL);
	appends("-node02", "-x", NULL, NULL);
	appends("", "-x", NULL, NULL);
	memset(host, 'a', 62);
	host[62] = '\0';
	appends(host, "-x", NULL, NULL);
	appends(host, "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax", NULL);
	host[61] = '\0';
	strcpy(host + 61, ".b");
	appends(host, "-xyz", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b-xyz",
		NULL);
	for (size_t i = 0; i < 252; i++)
		host[i] = i % 50 == 49 ? '.' : 'a';
	host[252] = '\0';
	appends(host, "-xyzw", NULL, NULL);
}

static void a_host_name_has_no_character_of_a_shell_or_a_uri(void **state)
{
	static const char *const good[] = { "node02",	"Node_02.example.org",
					    "10.1.0.2", "fd00::2",
					    "a",	"azAZ09" };
	static const char *const bad[] = {
		"",    "-oProxyCommand=x", "a b",  "a;b", "$(a)", "a/b", "a@b",
		"a%b", "[fd00::2]",	   "a\nb", "a'b", "a?b",  "a#b", "\xc3\xa4"
	};
	char longest[257];

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(good); i++)
		assert_true(om_host_valid(good[i]));
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++)
		if (om_host_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	memset(longest, 'a', 256);
	longest[256] = '\0';
	assert_false(om_host_valid(longest));
	longest[255] = '\0';
	assert_true(om_host_valid(longest));
}

static void uris_put_brackets_around_ipv6(void **state)
{
	char uri[128];

	(void)state;
	om_uri_tcp(uri, sizeof(uri), "10.1.0.2");
	assert_string_equal(uri, "tcp://10.1.0.2");
	om_uri_tcp(uri, sizeof(uri), "fd00::2");
	assert_string_equal(uri, "tcp://[fd00::2]");
	om_uri_libvirt(uri, sizeof(uri), "qemu+ssh", "fd00::2", "no_tty=1");
	assert_string_equal(uri, "qemu+ssh://[fd00::2]/system?no_tty=1");
	om_uri_libvirt(uri, sizeof(uri), "qemu+ssh", "node02", "");
	assert_string_equal(uri, "qemu+ssh://node02/system");
	om_uri_libvirt(uri, sizeof(uri), "qemu+tls", "node02", NULL);
	assert_string_equal(uri, "qemu+tls://node02/system");
	om_uri_tcp(uri, 8, "10.1.0.2");
	assert_string_equal(uri, "tcp://1");
}

static void leads_to(const char *uri, const char *expected)
{
	char host[16];
	bool found = om_uri_host(uri, host, sizeof(host));

	assert_int_equal(found, expected != NULL);
	if (found)
		assert_string_equal(host, expected);
}

static void the_host_of_a_migration_uri_is_found(void **state)
{
	(void)state;
	leads_to("tcp://node02", "node02");
	leads_to("tcp://node02:49152", "node02");
	leads_to("tcp:node02:49152", "node02");
	leads_to("tcp://[fd00::2]:49152", "fd00::2");
	leads_to("tcp://10.1.0.2/?x", "10.1.0.2");
	leads_to("tcp://fifteen-letters", "fifteen-letters");
	leads_to("tcp://sixteen--letters", NULL);
	leads_to("rdma://node02", NULL);
	leads_to("unix:///tmp/s", NULL);
	leads_to("tcp://", NULL);
	leads_to("tcp://[fd00::2", NULL);
	leads_to("tcp://-oProxy", NULL);
	leads_to("", NULL);
}

static void line_has(const char *line, const char *expected, const char *name)
{
	char ifname[16], text[OM_ADDR_TEXT];
	struct om_addr addr;

	if (!om_ip_addr_line(line, &addr, ifname, sizeof(ifname)))
		fail_msg("no address in: %s", line);
	om_addr_print(&addr, text);
	assert_string_equal(text, expected);
	assert_string_equal(ifname, name);
}

static void lines_of_ip_addr_give_address_and_interface(void **state)
{
	(void)state;
	line_has("1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft "
		 "forever",
		 "127.0.0.1", "lo");
	line_has("2: eth0    inet 10.1.0.2/24 brd 10.1.0.255 scope global dynamic noprefixroute "
		 "eth0\\       "
		 "valid_lft 86018sec preferred_lft 86018sec\n",
		 "10.1.0.2", "eth0");
	line_has("2: eth0    inet6 fd00::2/64 scope global \\       valid_lft forever", "fd00::2",
		 "eth0");
	line_has("12: eth0@if5    inet 10.1.0.2/24 scope global eth0", "10.1.0.2", "eth0");
	line_has("7: br-mig.100    inet 10.100.0.2/24 scope global br-mig.100", "10.100.0.2",
		 "br-mig.100");
	line_has("9: tun0    inet 10.0.0.1 peer 10.0.0.2/32 scope global tun0", "10.0.0.1", "tun0");
	line_has("9: tun0    inet6 fd00::1 peer fd00::2/128 scope global", "fd00::1", "tun0");
	line_has("2: eth0    inet 10.1.0.3/24 scope global secondary eth0:1", "10.1.0.3", "eth0");
	line_has("2: eth0    inet6 fd00::3/64 scope global deprecated \\    valid_lft forever",
		 "fd00::3", "eth0");
	line_has("3: tentative    inet 10.1.0.9/24 scope global tentative\\   valid_lft forever",
		 "10.1.0.9", "tentative");
	line_has("2: eth0 inet 10.1.0.2/24", "10.1.0.2", "eth0");
	line_has("2: eth0 inet 10.1.0.2", "10.1.0.2", "eth0");
}

static void lines_without_a_usable_address_are_passed_over(void **state)
{
	static const char too_long[] = "2: eth0    inet 1111111111111111111111111111111111111111111"
				       "1111111111111111111111111111111111/24";
	static const char *const lines[] = {
		"",
		"\n",
		"2:",
		"2: eth0",
		"2: eth0    inet",
		"2: eth0    inet   ",
		"2: eth0    inet x/24",
		"2: eth0    inet6 fd00::9/64 scope global tentative \\   valid_lft forever",
		"2: eth0    inet6 fd00::9/64 scope global dadfailed tentative\\   valid_lft "
		"forever",
		"2: eth0    link/ether 52:54:00:00:00:01 brd ff:ff:ff:ff:ff:ff",
		"2: eth0: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc fq state UP",
		"    inet 10.1.0.2/24 brd 10.1.0.255 scope global eth0",
		"x: eth0    inet 10.1.0.2/24",
		"2 eth0    inet 10.1.0.2/24",
		"2: @if5    inet 10.1.0.2/24",
		"2: a-name-that-is-too-long    inet 10.1.0.2/24",
		"Object \"addr\" is unknown, try \"ip help\".",
		too_long,
	};
	struct om_addr addr;
	char ifname[16];

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(lines); i++)
		if (om_ip_addr_line(lines[i], &addr, ifname, sizeof(ifname)))
			fail_msg("taken: %s", lines[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_both_families_are_parsed),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(no_address_prints_as_nothing),
		cmocka_unit_test(addresses_are_equal_within_a_family_only),
		cmocka_unit_test(loopback_and_link_local_are_known),
		cmocka_unit_test(networks_may_be_separated_by_blanks_or_commas),
		cmocka_unit_test(a_mapped_network_is_an_ipv4_network),
		cmocka_unit_test(a_cidr_with_host_bits_set_is_refused),
		cmocka_unit_test(a_bad_network_is_refused_with_its_text),
		cmocka_unit_test(a_network_contains_its_first_and_last_address_and_no_neighbour),
		cmocka_unit_test(the_order_of_the_networks_comes_before_that_of_the_addresses),
		cmocka_unit_test(a_short_name_gets_the_suffix_at_its_end),
		cmocka_unit_test(a_full_name_gets_it_before_its_first_dot_and_then_at_its_end),
		cmocka_unit_test(an_address_gets_no_suffix),
		cmocka_unit_test(what_would_be_no_host_name_is_no_candidate),
		cmocka_unit_test(a_host_name_has_no_character_of_a_shell_or_a_uri),
		cmocka_unit_test(uris_put_brackets_around_ipv6),
		cmocka_unit_test(the_host_of_a_migration_uri_is_found),
		cmocka_unit_test(lines_of_ip_addr_give_address_and_interface),
		cmocka_unit_test(lines_without_a_usable_address_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
