/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static struct om_survey_ask full_ask(void)
{
	struct om_survey_ask ask = {
		.uuid = om_xstrdup(UUID),
		.name = om_xstrdup("web front\t01 100%"),
		.arch = om_xstrdup("x86_64"),
		.virt_type = om_xstrdup("kvm"),
		.machine = om_xstrdup("pc-q35-7.2"),
		.emulator = om_xstrdup("/usr/bin/qemu-system-x86_64"),
		.cpu = om_xstrdup("<cpu mode='custom'>\n  <model>Haswell</model>\n</cpu>\n"),
		.ports = { 5900, 5931, 65535, 1 },
		.port_count = 4,
		.huge_page_kib = 2048,
		.tls = true,
		.postcopy = true,
		.tpm = true,
	};

	om_strv_add(&ask.paths, "/var/lib/one/datastores/0/31/disk.0");
	om_strv_add(&ask.paths, "/srv/a b/\xc3\xa4\xff\n");
	om_strv_add(&ask.bridges, "br0");
	om_strv_add(&ask.bridges, "");
	om_strv_add(&ask.bridges, "ovs-br%20");
	om_strv_add(&ask.networks, "default");
	om_strv_add(&ask.secrets, "uuid:" UUID);
	om_strv_add(&ask.secrets, "usage:ceph:client.libvirt secret");
	return ask;
}

static struct om_addr addr(const char *text)
{
	struct om_addr parsed;

	if (!om_addr_parse(&parsed, text))
		fail_msg("'%s' is no address", text);
	return parsed;
}

/* Lists as long as full_ask() has them; no field is zero. */
static struct om_survey full(void)
{
	struct om_survey s = {
		.known = true,
		.hostname = "node02",
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.helper = "0.4.0",
		.uid = 9869,
		.epoch_ms = 1784629430000,
		.addrs = { addr("10.1.0.2"), addr("fd00::2") },
		.addr_count = 2,
		.libvirt_known = true,
		.libvirt_why = "why not",
		.libvirt = 11003000,
		.qemu = 10000002,
		.host_uuid = UUID,
		.cpu_model = "Haswell-noTSX-IBRS",
		.side = OM_SIDE_ROLLED_BACK,
		.defined = true,
		.name_uuid = UUID,
		.machine = OM_ANSWER_YES,
		.emulator = OM_ANSWER_NO,
		.tpm = OM_ANSWER_YES,
		.machine_why = "a",
		.emulator_why = "no such file",
		.cpu = OM_ANSWER_NO,
		.cpu_why = "guest CPU doesn't match specification: missing features: avx512f 100%",
		.memory_total_kib = 131072000,
		.memory_available_kib = UINT64_MAX,
		.page_kib = 2048,
		.nodes = { { 0, 512, 100 }, { 7, UINT64_MAX, 1 } },
		.node_count = 2,
		.ports = { OM_ANSWER_YES, OM_ANSWER_NO, OM_ANSWER_NOT_CHECKED, OM_ANSWER_YES },
		.range_min = 49152,
		.range_max = 65535,
		.range_free = 60,
		.userfaultfd = OM_ANSWER_NO,
		.userfaultfd_why = "`sysctl vm.unprivileged_userfaultfd=1`",
		.tls_server = OM_ANSWER_YES,
		.tls_client = OM_ANSWER_NO,
		.tls_why = "/etc/pki/qemu/client-key.pem: No such file or directory",
		.tls_unseen = true,
		.lock_manager = "sanlock",
		.migrations = 3,
		.file_count = 2,
		.bridge_count = 3,
		.network_count = 1,
		.secret_count = 2,
		.port_count = 4,
	};

	s.files = om_xcalloc(2, sizeof(*s.files));
	s.files[0] = (struct om_file){ .kind = OM_FILE_REGULAR,
				       .size_bytes = 10ull << 30,
				       .inode = 4711,
				       .device = 2049,
				       .fs_type = OM_FS_FUSE_GLUSTER,
				       .fs_id = UINT64_MAX,
				       .free_known = true,
				       .free_bytes = 3ull << 40 };
	s.files[1].why[0] = '?';
	om_str_copy(s.files[1].device_id, sizeof(s.files[1].device_id), "LVM-a b%");
	s.more_count = 2;
	s.bridges = om_xcalloc(3, sizeof(*s.bridges));
	s.bridges[1] = OM_ANSWER_NO;
	s.bridges[2] = OM_ANSWER_YES;
	s.networks = om_xcalloc(1, sizeof(*s.networks));
	s.networks[0] = OM_ANSWER_YES;
	s.secrets = om_xcalloc(2, sizeof(*s.secrets));
	s.secrets[1] = OM_ANSWER_NO;
	return s;
}

static void a_word_has_no_blank_and_no_control_character(void **unused)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "br0", "br0" },
		{ "a b", "a%20b" },
		{ "100%", "100%25" },
		{ "\t\n\x7f", "%09%0A%7F" },
		{ "\xc3\xa4", "%C3%A4" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *word = om_survey_word(rows[i][0]);

		assert_string_equal(word, rows[i][1]);
		assert_true(om_survey_unword(word));
		assert_string_equal(word, rows[i][0]);
	}
}

static void every_byte_survives_being_a_word(void **unused)
{
	(void)unused;
	for (int c = 1; c < 256; c++) {
		char text[] = { 'a', (char)c, 'b', '\0' };
		OM_AUTOFREE char *word = om_survey_word(text);

		assert_null(strpbrk(word, " \n"));
		assert_true(om_survey_unword(word));
		assert_string_equal(word, text);
	}
}

static void what_is_no_word_is_refused(void **unused)
{
	static const char *const texts[] = { "a b", "%",   "%2",   "%zz", "%0",	 "%00",
					     "%c3", "a\n", "\xc3", "%%",  "%2g", "a\x7f" };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++) {
		OM_AUTOFREE char *word = om_xstrdup(texts[i]);

		if (om_survey_unword(word))
			fail_msg("'%s' was taken", texts[i]);
	}
}

static void an_ask_is_read_as_it_was_printed(void **unused)
{
	struct om_survey_ask ask = full_ask(), copy;
	OM_AUTOFREE char *text = om_survey_ask_print(&ask), *again = NULL;
	struct om_err err;

	(void)unused;
	if (!om_survey_ask_parse(&copy, text, &err))
		fail_msg("%s", err.msg);
	again = om_survey_ask_print(&copy);
	assert_string_equal(text, again);
	assert_string_equal(copy.uuid, ask.uuid);
	assert_string_equal(copy.name, ask.name);
	assert_string_equal(copy.cpu, ask.cpu);
	assert_string_equal(copy.virt_type, "kvm");
	assert_int_equal(copy.paths.n, 2);
	assert_string_equal(copy.paths.v[1], ask.paths.v[1]);
	assert_int_equal(copy.bridges.n, 3);
	assert_string_equal(copy.bridges.v[1], "");
	assert_string_equal(copy.bridges.v[2], "ovs-br%20");
	assert_string_equal(copy.secrets.v[1], "usage:ceph:client.libvirt secret");
	assert_int_equal(copy.port_count, 4);
	assert_int_equal(copy.ports[2], 65535);
	assert_int_equal(copy.huge_page_kib, 2048);
	assert_true(copy.tls && copy.postcopy && copy.tpm);
	om_survey_ask_free(&ask);
	om_survey_ask_free(&copy);
}

static void an_empty_ask_has_texts_that_are_empty(void **unused)
{
	struct om_survey_ask nothing = { 0 }, ask;
	OM_AUTOFREE char *text = om_survey_ask_print(&nothing);
	struct om_err err;

	(void)unused;
	assert_string_equal(text, "onemigrate-survey-ask 1\nend\n");
	assert_true(om_survey_ask_parse(&ask, text, &err));
	assert_string_equal(ask.uuid, "");
	assert_string_equal(ask.cpu, "");
	assert_string_equal(ask.emulator, "");
	assert_int_equal(ask.paths.n, 0);
	om_survey_ask_free(&ask);
}

static void an_answer_is_read_as_it_was_printed(void **unused)
{
	struct om_survey_ask ask = full_ask();
	struct om_survey survey = full(), copy;
	OM_AUTOFREE char *text = om_survey_print(&survey), *again = NULL;
	struct om_err err;

	(void)unused;
	if (!om_survey_parse(&copy, &ask, text, &err))
		fail_msg("%s", err.msg);
	again = om_survey_print(&copy);
	assert_string_equal(text, again);
	assert_true(copy.known);
	assert_memory_equal(copy.files, survey.files, 2 * sizeof(*copy.files));
	assert_memory_equal(copy.bridges, survey.bridges, 3 * sizeof(*copy.bridges));
	assert_memory_equal(copy.secrets, survey.secrets, 2 * sizeof(*copy.secrets));
	assert_memory_equal(copy.networks, survey.networks, sizeof(*copy.networks));
	assert_memory_equal(copy.nodes, survey.nodes, sizeof(copy.nodes));
	assert_memory_equal(copy.addrs, survey.addrs, sizeof(copy.addrs));
	assert_memory_equal(copy.ports, survey.ports, sizeof(copy.ports));
	assert_int_equal(copy.side, OM_SIDE_ROLLED_BACK);
	assert_string_equal(copy.cpu_why, survey.cpu_why);
	assert_string_equal(copy.lock_manager, "sanlock");
	assert_true(copy.tls_unseen);
	assert_int_equal(copy.uid, 9869);
	assert_int_equal(copy.epoch_ms, survey.epoch_ms);
	assert_int_equal(copy.libvirt, survey.libvirt);
	assert_int_equal(copy.range_max, 65535);
	om_survey_free(&survey);
	om_survey_free(&copy);
	om_survey_ask_free(&ask);
}

static void no_field_of_an_answer_is_left_out(void **unused)
{
	struct om_survey survey = full();
	OM_AUTOFREE char *text = om_survey_print(&survey);
	size_t lines = 0;

	(void)unused;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	/* The first and the last, single fields, addresses, network, secrets, nodes, files and more of them, bridges,
	 * ports. */
	assert_int_equal(lines, 2 + 35 + 2 + 1 + 2 + 2 + 2 + 2 + 3 + 4);
	om_survey_free(&survey);
}

static void what_is_cut_off_is_refused_at_every_byte(void **unused)
{
	struct om_survey_ask ask = full_ask(), parsed_ask;
	struct om_survey survey = full(), parsed;
	OM_AUTOFREE char *ask_text = om_survey_ask_print(&ask);
	OM_AUTOFREE char *text = om_survey_print(&survey);
	struct om_err err;

	(void)unused;
	for (size_t len = 0; len < strlen(ask_text); len++) {
		OM_AUTOFREE char *cut = om_xstrndup(ask_text, len);

		if (om_survey_ask_parse(&parsed_ask, cut, &err))
			fail_msg("an ask of %zu bytes was taken", len);
	}
	for (size_t len = 0; len < strlen(text); len++) {
		OM_AUTOFREE char *cut = om_xstrndup(text, len);

		if (om_survey_parse(&parsed, &ask, cut, &err))
			fail_msg("an answer of %zu bytes was taken", len);
		assert_false(parsed.known);
		assert_null(parsed.files);
	}
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

/* True where the lines, put between the first and the last, make an ask. */
static bool ask_takes(const char *lines)
{
	OM_AUTOFREE char *text = om_xasprintf("onemigrate-survey-ask 1\n%send\n", lines);
	struct om_survey_ask ask;
	struct om_err err = { 0 };
	bool ok = om_survey_ask_parse(&ask, text, &err);

	if (ok)
		om_survey_ask_free(&ask);
	else if (!*err.msg)
		fail_msg("'%s' was refused without a word", lines);
	return ok;
}

static bool answer_takes(const struct om_survey_ask *ask, const char *lines)
{
	OM_AUTOFREE char *text = om_xasprintf("onemigrate-survey 1\n%send\n", lines);
	struct om_survey survey;
	struct om_err err = { 0 };
	bool ok = om_survey_parse(&survey, ask, text, &err);

	if (ok)
		om_survey_free(&survey);
	else if (!*err.msg)
		fail_msg("'%s' was refused without a word", lines);
	return ok;
}

static void values_of_an_ask_have_a_range(void **unused)
{
	static const struct {
		const char *lines;
		bool taken;
	} rows[] = {
		{ "port 1\nport 65535\n", true },
		{ "port 0\n", false },
		{ "port 65536\n", false },
		{ "port -1\n", false },
		{ "port\n", false },
		{ "port x\n", false },
		{ "tls 1\ntls 0\n", true },
		{ "tls 2\n", false },
		{ "tls yes\n", false },
		{ "huge-page-kib 18446744073709551615\n", true },
		{ "huge-page-kib 18446744073709551616\n", false },
		{ "name a%00b\n", false },
		{ "name a b\n", false },
		{ "name %\n", false },
		{ "name\n", true },
		{ "name a\nname b\n", true },
		{ "path /a\tb\n", false },
		{ "path /\xc3\xa4\n", false },
		{ "path \npath\n", true },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (ask_takes(rows[i].lines) != rows[i].taken)
			fail_msg("'%s' was %s", rows[i].lines, rows[i].taken ? "refused" : "taken");
}

static void values_of_an_answer_have_a_range(void **unused)
{
	static const struct {
		const char *lines;
		bool taken;
	} rows[] = {
		{ "uid 4294967295\n", true },
		{ "uid 4294967296\n", false },
		{ "addr 10.1.0.2\naddr fd00::2\n", true },
		{ "addr 10.1.0\n", false },
		{ "addr \n", false },
		{ "side absent\n", true },
		{ "side away\n", false },
		{ "side \n", false },
		{ "machine yes\nmachine no\nmachine not-checked\n", true },
		{ "machine maybe\n", false },
		{ "machine 1\n", false },
		{ "defined 1\n", true },
		{ "defined 2\n", false },
		{ "range-max 65535\n", true },
		{ "range-max 65536\n", false },
		{ "node 0 1 2\n", true },
		{ "node 0 1\n", false },
		{ "node 0 1 2 3\n", false },
		{ "node 0 1 2 \n", false },
		{ "node 4294967296 1 2\n", false },
		{ "node  1 2\n", false },
		{ "boot-id 123456789012345678901234567890123456\n", true },
		{ "boot-id 1234567890123456789012345678901234567\n", false },
		{ "bridge yes\n", false }, /* nothing was asked */
		{ "file regular 1 2 3 4 5 \n", false },
	};
	struct om_survey_ask nothing = { 0 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (answer_takes(&nothing, rows[i].lines) != rows[i].taken)
			fail_msg("'%s' was %s", rows[i].lines, rows[i].taken ? "refused" : "taken");
}

static void a_file_is_seven_words(void **unused)
{
	static const struct {
		const char *lines;
		bool taken;
	} rows[] = {
		{ "file regular 1 2 3 4 5 \n", true },
		{ "file unknown 0 0 0 0 0 no%20way\n", true },
		{ "file regular 1 2 3 4 5\n", false },
		{ "file regular 1 2 3 4 5 a b\n", false },
		{ "file regular 1 2 3 4 \n", false },
		{ "file regular 1 2 3 -4 5 \n", false },
		{ "file regular 18446744073709551616 2 3 4 5 \n", false },
		{ "file regularly 1 2 3 4 5 \n", false },
		{ "file regular 1 2 3 4 5 \nfile-more 1 7 LVM-x\n", true },
		{ "file regular 1 2 3 4 5 \nfile-more 0 0 \n", true },
		{ "file regular 1 2 3 4 5 \nfile-more 2 7 \n", false },
		{ "file regular 1 2 3 4 5 \nfile-more 1 7\n", false },
		{ "file regular 1 2 3 4 5 \nfile-more 1 7 \nfile-more 1 7 \n", false },
		{ "file-more 1 7 \nfile regular 1 2 3 4 5 \n", false },
		{ "file\n", false },
		{ "file unknown 0 0 0 0 0 "
		  "1234567890123456789012345678901234567890123456789012345678901234567890123456789\n",
		  true },
		{ "file unknown 0 0 0 0 0 "
		  "12345678901234567890123456789012345678901234567890123456789012345678901234567890\n",
		  false },
	};
	struct om_survey_ask ask = { 0 };

	(void)unused;
	om_strv_add(&ask.paths, "/a");
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (answer_takes(&ask, rows[i].lines) != rows[i].taken)
			fail_msg("'%s' was %s", rows[i].lines, rows[i].taken ? "refused" : "taken");
	om_survey_ask_free(&ask);
}

/* `line` so many times. */
static char *repeated(const char *line, size_t n)
{
	char *text = om_xcalloc(1, n * strlen(line) + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(text + i * strlen(line), line, strlen(line));
	return text;
}

static void lists_have_a_greatest_length(void **unused)
{
	static const struct {
		const char *line;
		size_t max;
		bool of_ask;
	} rows[] = {
		{ "path /a\n", OM_SURVEY_LIST_MAX, true },
		{ "bridge br0\n", OM_SURVEY_LIST_MAX, true },
		{ "network n\n", OM_SURVEY_LIST_MAX, true },
		{ "secret s\n", OM_SURVEY_LIST_MAX, true },
		{ "port 1\n", OM_SURVEY_PORTS_MAX, true },
		{ "addr 10.1.0.2\n", OM_SURVEY_ADDRS_MAX, false },
		{ "node 1 2 3\n", OM_SURVEY_NODES_MAX, false },
	};
	struct om_survey_ask nothing = { 0 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *fits = repeated(rows[i].line, rows[i].max);
		OM_AUTOFREE char *more = repeated(rows[i].line, rows[i].max + 1);

		assert_true(rows[i].of_ask ? ask_takes(fits) : answer_takes(&nothing, fits));
		assert_false(rows[i].of_ask ? ask_takes(more) : answer_takes(&nothing, more));
	}
}

static void lists_of_an_answer_are_as_long_as_was_asked(void **unused)
{
	static const char *const lines[] = { "file missing 0 0 0 0 0 \n", "bridge yes\n",
					     "network no\n", "secret yes\n", "port no\n" };
	struct om_survey_ask ask = { .port_count = 2 };

	(void)unused;
	for (int i = 0; i < 2; i++) {
		om_strv_add(&ask.paths, "/a");
		om_strv_add(&ask.bridges, "b");
		om_strv_add(&ask.networks, "n");
		om_strv_add(&ask.secrets, "s");
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(lines); i++) {
		OM_AUTOFREE char *one = repeated(lines[i], 1), *two = repeated(lines[i], 2);
		OM_AUTOFREE char *three = repeated(lines[i], 3);

		assert_false(answer_takes(&ask, one));
		assert_true(answer_takes(&ask, two));
		assert_false(answer_takes(&ask, three));
	}
	om_survey_ask_free(&ask);
}

static void a_list_that_is_not_answered_is_not_known(void **unused)
{
	struct om_survey_ask ask = full_ask();
	struct om_survey survey;
	struct om_err err;

	(void)unused;
	assert_true(om_survey_parse(&survey, &ask, "onemigrate-survey 1\nend\n", &err));
	assert_true(survey.known);
	assert_int_equal(survey.file_count, 2);
	assert_int_equal(survey.files[1].kind, OM_FILE_UNKNOWN);
	assert_int_equal(survey.bridge_count, 3);
	assert_int_equal(survey.bridges[2], OM_ANSWER_NOT_CHECKED);
	assert_int_equal(survey.secret_count, 2);
	assert_int_equal(survey.network_count, 1);
	assert_int_equal(survey.port_count, 4);
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

static void unknown_words_are_skipped(void **unused)
{
	struct om_survey_ask nothing = { 0 };

	(void)unused;
	assert_true(ask_takes("colour blue\n\nfuture\nnamed x y z\nEND\n"));
	assert_true(answer_takes(&nothing, "colour \xff blue\nhostnames a b c\n"));
}

static void another_version_is_refused(void **unused)
{
	static const char *const texts[] = { "",
					     "end\n",
					     "\n",
					     "onemigrate-survey-ask 2\nend\n",
					     "onemigrate-survey-ask 10\nend\n",
					     "onemigrate-survey-ask 1",
					     "onemigrate-survey-ask 1 \nend\n",
					     " onemigrate-survey-ask 1\nend\n",
					     "onemigrate-survey 1\nend\n",
					     "onemigrate-survey-ask 1\nend\nend\n",
					     "onemigrate-survey-ask 1\nend\n ",
					     "onemigrate-survey-ask 1\nend \n",
					     "onemigrate-survey-ask 1\nend" };
	struct om_survey_ask ask;
	struct om_err err;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		if (om_survey_ask_parse(&ask, texts[i], &err))
			fail_msg("'%s' was taken", texts[i]);
}

static void a_text_that_is_too_long_is_refused(void **unused)
{
	char *text = om_xcalloc(1, OM_SURVEY_TEXT_MAX + 2);
	static const char head[] = "onemigrate-survey-ask 1\nname ", tail[] = "\nend\n";
	struct om_survey_ask ask;
	struct om_err err;

	(void)unused;
	memset(text, 'x', OM_SURVEY_TEXT_MAX + 1);
	memcpy(text, head, strlen(head));
	memcpy(text + OM_SURVEY_TEXT_MAX + 1 - strlen(tail), tail, strlen(tail));
	assert_false(om_survey_ask_parse(&ask, text, &err));
	assert_string_equal(err.msg, "the survey is too long");
	memcpy(text + OM_SURVEY_TEXT_MAX - strlen(tail), tail, strlen(tail) + 1);
	assert_true(om_survey_ask_parse(&ask, text, &err));
	om_survey_ask_free(&ask);
	free(text);
}

static void what_a_host_says_of_itself_can_be_printed(void **unused)
{
	struct om_survey_ask nothing = { 0 };
	struct om_survey survey;
	struct om_err err;

	(void)unused;
	assert_true(om_survey_parse(&survey, &nothing,
				    "onemigrate-survey 1\nhostname a%0Ab%1B%C3%A4%FF\nend\n",
				    &err));
	assert_string_equal(survey.hostname, "a?b?\xc3\xa4?");
	om_survey_free(&survey);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_has_no_blank_and_no_control_character),
		cmocka_unit_test(every_byte_survives_being_a_word),
		cmocka_unit_test(what_is_no_word_is_refused),
		cmocka_unit_test(an_ask_is_read_as_it_was_printed),
		cmocka_unit_test(an_empty_ask_has_texts_that_are_empty),
		cmocka_unit_test(an_answer_is_read_as_it_was_printed),
		cmocka_unit_test(no_field_of_an_answer_is_left_out),
		cmocka_unit_test(what_is_cut_off_is_refused_at_every_byte),
		cmocka_unit_test(values_of_an_ask_have_a_range),
		cmocka_unit_test(values_of_an_answer_have_a_range),
		cmocka_unit_test(a_file_is_seven_words),
		cmocka_unit_test(lists_have_a_greatest_length),
		cmocka_unit_test(lists_of_an_answer_are_as_long_as_was_asked),
		cmocka_unit_test(a_list_that_is_not_answered_is_not_known),
		cmocka_unit_test(unknown_words_are_skipped),
		cmocka_unit_test(another_version_is_refused),
		cmocka_unit_test(a_text_that_is_too_long_is_refused),
		cmocka_unit_test(what_a_host_says_of_itself_can_be_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
