/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_frame.h"
#include "om_squeeze.h"
#include "om_ssh.h"
#include "om_ssh_conf.h"

#include <stdlib.h>
#include <string.h>

static void hash_is_xxh64(void **unused)
{
	char bytes[101];

	(void)unused;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	assert_true(om_hash64("", 0, 0) == 0xEF46DB3751D8E999ULL);
	assert_true(om_hash64("abc", 3, 0) == 0x44BC2CF5AD770999ULL);
	/* each byte counts, wherever it is */
	for (size_t i = 0; i < sizeof(bytes); i++) {
		uint64_t before = om_hash64(bytes, sizeof(bytes), 7);

		bytes[i] ^= 1;
		assert_true(om_hash64(bytes, sizeof(bytes), 7) != before);
		bytes[i] ^= 1;
	}
	assert_true(om_frame_sum(0, 0, "ab", 2) != om_frame_sum(0, 1, "ab", 2));
	assert_true(om_frame_sum(om_frame_sum(0, 0, "a", 1), 1, "b", 1) !=
		    om_frame_sum(om_frame_sum(0, 1, "b", 1), 0, "a", 1));
}

static void frames_are_read_as_they_were_written(void **unused)
{
	static const struct om_frame rows[] = {
		{ .type = OM_FRAME_ROOT, .id = 7, .flags = 1, .name = "/a/b\n", .name_len = 5 },
		{ .type = OM_FRAME_ENTER,
		  .mode = 0755,
		  .mtime_s = -5,
		  .mtime_ns = 999999999,
		  .name = "",
		  .name_len = 0 },
		{ .type = OM_FRAME_LEAVE },
		{ .type = OM_FRAME_FILE,
		  .mode = 07777,
		  .mtime_s = 1LL << 40,
		  .size_bytes = 1ULL << 50,
		  .name = "\xff x",
		  .name_len = 3 },
		{ .type = OM_FRAME_DATA,
		  .offset_bytes = 1ULL << 41,
		  .data = "\0\1",
		  .data_len = 2 },
		{ .type = OM_FRAME_PACKED,
		  .offset_bytes = 9,
		  .raw_bytes = 77,
		  .data = "zz",
		  .data_len = 2 },
		{ .type = OM_FRAME_END, .sum = 0xfedcba9876543210ULL },
		{ .type = OM_FRAME_LINK,
		  .mtime_s = 3,
		  .name = "n",
		  .name_len = 1,
		  .data = "../t",
		  .data_len = 4 },
		{ .type = OM_FRAME_PLACE },
		{ .type = OM_FRAME_RESET },
		{ .type = OM_FRAME_ACK, .done_bytes = 12345678901ULL },
		{ .type = OM_FRAME_PLACED, .id = 3 },
		{ .type = OM_FRAME_FAILED, .id = 3, .name = "why", .name_len = 3 },
	};
	struct om_buf buf = { 0 };
	size_t at = 0;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		om_frame_add(&buf, &rows[i]);
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		const struct om_frame *want = &rows[i];
		struct om_frame got;
		long n;

		/* no part of it is taken for a frame */
		for (size_t len = 0; (n = om_frame_parse(&got, buf.text + at, len)) == 0;)
			assert_true(++len <= buf.len - at);
		assert_true(n > 0);
		assert_int_equal(got.type, want->type);
		assert_int_equal(got.id, want->id);
		assert_int_equal(got.mode, want->mode);
		assert_true(got.mtime_s == want->mtime_s && got.mtime_ns == want->mtime_ns);
		assert_true(got.size_bytes == want->size_bytes &&
			    got.offset_bytes == want->offset_bytes);
		assert_true(got.sum == want->sum && got.done_bytes == want->done_bytes &&
			    got.raw_bytes == want->raw_bytes);
		assert_int_equal(got.name_len, want->name_len);
		assert_memory_equal(got.name_len ? got.name : "", want->name_len ? want->name : "",
				    want->name_len);
		assert_int_equal(got.data_len, want->data_len);
		assert_memory_equal(got.data_len ? got.data : "", want->data_len ? want->data : "",
				    want->data_len);
		at += (size_t)n;
	}
	assert_int_equal(at, buf.len);
	free(buf.text);
}

static long parse_one(const struct om_frame *frame)
{
	struct om_buf buf = { 0 };
	struct om_frame got;
	long n;

	om_frame_add(&buf, frame);
	n = om_frame_parse(&got, buf.text, buf.len);
	free(buf.text);
	return n;
}

static void a_frame_names_nothing_but_one_component(void **unused)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = { { "a", true },    { "..a", true }, { " ", true },
		     { "\n", true },   { ".", false },	{ "..", false },
		     { "a/b", false }, { "/", false },	{ "../x", false } };
	char name[300];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_frame frame = { .type = OM_FRAME_FILE,
					  .name = rows[i].name,
					  .name_len = strlen(rows[i].name) };
		struct om_frame link = frame;

		link.type = OM_FRAME_LINK;
		link.data = "t";
		link.data_len = 1;
		assert_int_equal(parse_one(&frame) > 0, rows[i].good);
		assert_int_equal(parse_one(&link) > 0, rows[i].good);
	}
	memset(name, 'x', sizeof(name));
	assert_true(parse_one(&(struct om_frame){
			    .type = OM_FRAME_ENTER, .name = name, .name_len = 255 }) > 0);
	assert_int_equal(parse_one(&(struct om_frame){
				 .type = OM_FRAME_ENTER, .name = name, .name_len = 256 }),
			 -1);
	assert_int_equal(parse_one(&(struct om_frame){
				 .type = OM_FRAME_ROOT, .name = "a\0b", .name_len = 3 }),
			 -1);
	assert_int_equal(parse_one(&(struct om_frame){
				 .type = OM_FRAME_DATA, .data = "", .data_len = 0 }),
			 -1);
	assert_int_equal(parse_one(&(struct om_frame){ .type = OM_FRAME_FILE,
						       .size_bytes = UINT64_MAX,
						       .name = "a",
						       .name_len = 1 }),
			 -1);
	assert_int_equal(parse_one(&(struct om_frame){ .type = OM_FRAME_PACKED,
						       .raw_bytes = 1 << 30,
						       .data = "a",
						       .data_len = 1 }),
			 -1);
}

static const char config[] =
	"host there\nuser oneadmin\nhostname Node02\nport 22\nstricthostkeychecking accept-new\n"
	"proxyjump none\nhashknownhosts yes\nidentityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519\n"
	"userknownhostsfile /h/.ssh/known_hosts /h/.ssh/known_hosts2\nglobalknownhostsfile /etc/g\n"
	"verifyhostkeydns false\nconnecttimeout none\naddressfamily any\nciphers a,b\n";

static void what_ssh_prints_is_understood(void **unused)
{
	OM_SSH_CONF conf = { 0 };
	struct om_err err;
	char name[300];

	(void)unused;
	assert_true(om_ssh_conf_parse(&conf, config, &err));
	assert_string_equal(conf.hostname, "Node02");
	assert_string_equal(conf.user, "oneadmin");
	assert_int_equal(conf.port, 22);
	assert_int_equal(conf.strict, OM_SSH_STRICT_ACCEPT_NEW);
	assert_true(conf.hash_known_hosts);
	assert_int_equal(conf.identities.n, 2);
	assert_int_equal(conf.user_files.n, 2);
	assert_string_equal(conf.user_files.v[1], "/h/.ssh/known_hosts2");
	assert_string_equal(conf.only_ssh, "");
	om_ssh_conf_known_name(&conf, name, sizeof(name));
	assert_string_equal(name, "node02");
	conf.port = 2222;
	om_ssh_conf_known_name(&conf, name, sizeof(name));
	assert_string_equal(name, "[node02]:2222");
	strcpy(conf.alias, "Other");
	om_ssh_conf_known_name(&conf, name, sizeof(name));
	assert_string_equal(name, "other");
}

static void what_is_not_for_us_is_left_to_ssh(void **unused)
{
	static const struct {
		const char *line;
		bool ours;
	} rows[] = {
		{ "proxyjump jump", false },
		{ "proxycommand nc %h %p", false },
		{ "knownhostscommand /bin/x", false },
		{ "revokedhostkeys /etc/ssh/krl", false },
		{ "bindaddress 10.0.0.1", false },
		{ "bindinterface eth1", false },
		{ "pubkeyauthentication false", false },
		{ "pubkeyauthentication yes", true },
		{ "pubkeyauthentication true", true },
		{ "certificatefile ~/.ssh/x-cert.pub", false },
		{ "userknownhostsfile %d/known", false },
		{ "userknownhostsfile none", true },
		{ "controlpath /run/x", true },
		{ "nonsense", true },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *text = om_xasprintf("%s%s\n", config, rows[i].line);
		OM_SSH_CONF conf = { 0 };
		struct om_err err;

		assert_true(om_ssh_conf_parse(&conf, text, &err));
		if ((conf.only_ssh[0] == '\0') != rows[i].ours)
			fail_msg("%s", rows[i].line);
		assert_int_equal(conf.proxy, strncmp(rows[i].line, "proxy", 5) == 0);
	}
	for (const char *const *bad =
		     (const char *const[]){ "", "hostname x\nuser y\n", "hostname x\nport 22\n",
					    "user y\nport 22\n", "hostname x\nuser y\nport 0\n",
					    "hostname a b\nuser y\nport 22\n", NULL };
	     *bad; bad++) {
		OM_SSH_CONF conf = { 0 };
		struct om_err err;

		assert_false(om_ssh_conf_parse(&conf, *bad, &err));
	}
}

/* strict, known lines, the key shown, the verdict */
static void a_key_is_judged_as_ssh_judges_it(void **unused)
{
#define OTHER "h ssh-ed25519 OTHER\n"
#define SAME "# Host h found: line 1\nh ssh-ed25519 KEY comment\n"
	static const struct {
		enum om_ssh_strict strict;
		const char *known;
		enum om_ssh_verdict verdict;
	} rows[] = {
		{ OM_SSH_STRICT_YES, "", OM_SSH_KEY_UNKNOWN },
		{ OM_SSH_STRICT_ACCEPT_NEW, "", OM_SSH_KEY_NEW },
		{ OM_SSH_STRICT_NO, "", OM_SSH_KEY_NEW },
		{ OM_SSH_STRICT_YES, SAME, OM_SSH_KEY_KNOWN },
		{ OM_SSH_STRICT_YES, OTHER SAME, OM_SSH_KEY_KNOWN },
		{ OM_SSH_STRICT_YES, "|1|a=|b= ssh-ed25519 KEY\n", OM_SSH_KEY_KNOWN },
		{ OM_SSH_STRICT_YES, OTHER, OM_SSH_KEY_CHANGED },
		{ OM_SSH_STRICT_ACCEPT_NEW, OTHER, OM_SSH_KEY_CHANGED },
		{ OM_SSH_STRICT_NO, OTHER, OM_SSH_KEY_ASK },
		{ OM_SSH_STRICT_ACCEPT_NEW, "h ssh-rsa KEY\n", OM_SSH_KEY_CHANGED },
		{ OM_SSH_STRICT_ACCEPT_NEW, "@revoked h ssh-ed25519 KEY\n" SAME,
		  OM_SSH_KEY_REVOKED },
		{ OM_SSH_STRICT_ACCEPT_NEW, "@revoked h ssh-ed25519 OTHER\n" SAME,
		  OM_SSH_KEY_KNOWN },
		{ OM_SSH_STRICT_ACCEPT_NEW, "@cert-authority h ssh-ed25519 KEY\n", OM_SSH_KEY_ASK },
		{ OM_SSH_STRICT_ACCEPT_NEW, "@cert-authority h ssh-ed25519 OTHER\n" SAME,
		  OM_SSH_KEY_KNOWN },
		{ OM_SSH_STRICT_ACCEPT_NEW, "@something h ssh-ed25519 KEY\n", OM_SSH_KEY_ASK },
		{ OM_SSH_STRICT_ACCEPT_NEW, "h ssh-ed25519\nh\n#\n\n@revoked\n", OM_SSH_KEY_NEW },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_ssh_conf conf = { .strict = rows[i].strict };
		OM_SSH_KNOWNS knowns = { 0 };

		om_ssh_knowns_add(&knowns, rows[i].known);
		if (om_ssh_conf_judge(&conf, &knowns, "ssh-ed25519", "KEY") != rows[i].verdict)
			fail_msg("row %zu: %s", i, rows[i].known);
	}
}

static void an_unknown_key_that_dns_may_know_is_left_to_ssh(void **unused)
{
	OM_AUTOFREE char *text = om_xasprintf("%sverifyhostkeydns true\n", config);
	OM_SSH_CONF conf = { 0 };
	OM_SSH_KNOWNS knowns = { 0 };
	struct om_err err;

	(void)unused;
	assert_true(om_ssh_conf_parse(&conf, text, &err));
	assert_string_equal(conf.only_ssh, "");
	assert_int_equal(om_ssh_conf_judge(&conf, &knowns, "t", "k"), OM_SSH_KEY_ASK);
	om_ssh_knowns_add(&knowns, "h t k\n");
	assert_int_equal(om_ssh_conf_judge(&conf, &knowns, "t", "k"), OM_SSH_KEY_KNOWN);
}

static void methods_are_ours_that_are_allowed_and_known_keys_come_first(void **unused)
{
	OM_SSH_KNOWNS knowns = { 0 };
	char list[100];

	(void)unused;
	om_ssh_conf_methods(list, sizeof(list), "a,b,c", "c,x,a");
	assert_string_equal(list, "a,c");
	om_ssh_conf_methods(list, sizeof(list), "a,b,c", "");
	assert_string_equal(list, "a,b,c");
	om_ssh_conf_methods(list, sizeof(list), "a,b", "aa,bb");
	assert_string_equal(list, "");
	om_ssh_knowns_add(&knowns, "h ssh-rsa K\n@revoked h e K\n");
	om_ssh_conf_hostkey_methods(list, sizeof(list), "e,f,rsa-sha2-512,rsa-sha2-256",
				    "rsa-sha2-256,e,rsa-sha2-512", &knowns);
	assert_string_equal(list, "rsa-sha2-512,rsa-sha2-256,e");
}

static void a_key_is_written_as_in_known_hosts(void **unused)
{
	static const char blob[] = "\0\0\0\7ssh-xyz\0\0\0\1k";
	OM_AUTOFREE char *key = NULL;
	char type[16];

	(void)unused;
	assert_true(om_ssh_key_text(blob, sizeof(blob) - 1, type, sizeof(type), &key));
	assert_string_equal(type, "ssh-xyz");
	assert_string_equal(key, "AAAAB3NzaC14eXoAAAABaw==");
	assert_false(om_ssh_key_text(blob, 8, type, sizeof(type), &key));
	assert_false(om_ssh_key_text("\0\0\0\0", 4, type, sizeof(type), &key));
	assert_false(om_ssh_key_text("\377\377\377\377abc", 7, type, sizeof(type), &key));
}

static void lines_of_the_batch(void **unused)
{
	struct om_ssh_line line;

	(void)unused;
	assert_true(om_ssh_line_parse(&line, "run 12 0"));
	assert_string_equal(line.word, "run");
	assert_true(line.numbers == 2 && line.number[0] == 12 && line.number[1] == 0);
	assert_true(om_ssh_line_parse(&line, "done"));
	assert_true(line.numbers == 0 && !*line.text);
	assert_true(om_ssh_line_parse(&line, "failed 3 of them"));
	assert_int_equal(line.numbers, 0);
	assert_string_equal(line.text, "3 of them");
	assert_true(om_ssh_line_parse(&line, "file 1 2 3 4"));
	assert_int_equal(line.numbers, 0);
	assert_true(om_ssh_line_parse(&line, "run -1 0"));
	assert_int_equal(line.numbers, 0);
	assert_false(om_ssh_line_parse(&line, ""));
	assert_false(om_ssh_line_parse(&line, " x"));
	assert_false(om_ssh_line_parse(&line, "0123456789abcdef 1"));
}

/* A link of link_Bps, data that shrinks to `ratio`, a compressor of packer_Bps; one step of what the sender does. */
static void period(struct om_squeeze *s, double link_Bps, double ratio, double packer_Bps)
{
	double raw = s->on ? packer_Bps < link_Bps / ratio ? packer_Bps : link_Bps / ratio
			   : link_Bps;
	double busy = s->on ? raw / packer_Bps : raw / 2e9, seconds = 0.2;
	uint64_t trial = 262144;

	s->elapsed_us = (uint64_t)(seconds * 1e6);
	s->blocked_us = (uint64_t)(seconds * 1e6 * (busy < 1 ? 1 - busy : 0));
	s->raw_bytes = (uint64_t)(raw * seconds);
	s->wire_bytes = (uint64_t)(raw * seconds * (s->on ? ratio : 1));
	if (s->on || om_squeeze_wants_trial(s)) {
		s->tried_bytes += s->on ? s->raw_bytes : trial;
		s->packed_bytes +=
			(uint64_t)((s->on ? (double)s->raw_bytes : (double)trial) * ratio);
		s->tried_us += (uint64_t)((s->on ? (double)s->raw_bytes : (double)trial) /
					  packer_Bps * 1e6);
	}
	assert_true(om_squeeze_decide(s));
}

static void compression_is_on_where_it_pays_and_nowhere_else(void **unused)
{
	static const struct {
		double link_Bps, ratio, packer_Bps;
		bool on;
	} rows[] = {
		{ 12e6, 0.25, 100e6, true },   /* 100 Mbit/s */
		{ 12e6, 0.80, 100e6, true },   /* a little is something */
		{ 12e6, 0.95, 100e6, false },  /* too little */
		{ 12e6, 1.00, 40e6, false },   /* random */
		{ 118e6, 0.25, 80e6, false },  /* 1 Gbit/s: the compressor is slower */
		{ 118e6, 0.25, 125e6, false }, /* hardly faster */
		{ 118e6, 0.25, 400e6, true },
		{ 5e9, 0.25, 100e6, false }, /* not the link, but we are what is slow */
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_squeeze s = { 0 };

		for (int n = 0; n < 20; n++)
			period(&s, rows[i].link_Bps, rows[i].ratio, rows[i].packer_Bps);
		for (int n = 0; n < 20; n++) {
			period(&s, rows[i].link_Bps, rows[i].ratio, rows[i].packer_Bps);
			if (s.on != rows[i].on)
				fail_msg("row %zu, period %d", i, n);
		}
	}
}

static void what_is_begun_compressed_is_so_only_on_a_link_that_holds_back(void **unused)
{
	struct om_squeeze fast = { .on = true }, slow = { .on = true };

	(void)unused;
	period(&fast, 5e9, 0.25, 100e6);
	assert_false(fast.on);
	for (int n = 0; n < 5; n++) {
		period(&slow, 12e6, 0.25, 100e6);
		assert_true(slow.on);
	}
}

static void compression_follows_data_that_changes(void **unused)
{
	struct om_squeeze s = { 0 };

	(void)unused;
	for (int n = 0; n < 10; n++)
		period(&s, 12e6, 0.2, 100e6);
	assert_true(s.on);
	for (int n = 0; n < 10; n++)
		period(&s, 12e6, 1, 50e6);
	assert_false(s.on);
	for (int n = 0; n < 20; n++)
		period(&s, 12e6, 0.2, 100e6);
	assert_true(s.on);
	/* the link becomes fast */
	for (int n = 0; n < 10; n++)
		period(&s, 1e9, 0.2, 100e6);
	s.elapsed_us = OM_SQUEEZE_PERIOD_US - 1;
	assert_false(om_squeeze_decide(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_xxh64),
		cmocka_unit_test(frames_are_read_as_they_were_written),
		cmocka_unit_test(a_frame_names_nothing_but_one_component),
		cmocka_unit_test(what_ssh_prints_is_understood),
		cmocka_unit_test(what_is_not_for_us_is_left_to_ssh),
		cmocka_unit_test(a_key_is_judged_as_ssh_judges_it),
		cmocka_unit_test(an_unknown_key_that_dns_may_know_is_left_to_ssh),
		cmocka_unit_test(methods_are_ours_that_are_allowed_and_known_keys_come_first),
		cmocka_unit_test(a_key_is_written_as_in_known_hosts),
		cmocka_unit_test(lines_of_the_batch),
		cmocka_unit_test(compression_is_on_where_it_pays_and_nowhere_else),
		cmocka_unit_test(what_is_begun_compressed_is_so_only_on_a_link_that_holds_back),
		cmocka_unit_test(compression_follows_data_that_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
