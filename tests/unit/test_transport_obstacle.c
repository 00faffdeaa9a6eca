/* SPDX-License-Identifier: Apache-2.0 */
/* What is not chosen between these hosts, since it is refused, loses memory or does not encrypt. */
#include "om_cmocka.h"

#include "om_plan.h"
#include "om_state.h"

#include <stdio.h>
#include <string.h>

struct row {
	uint64_t src, dst; /* QEMU */
	uint64_t src_most; /* 0: src is it */
	const char *options, *setting, *value;
	enum om_compression method;
	bool several;
	const char *warning; /* a part of it; NULL: none */
};

/* Text-like memory on 1 Gbit/s, with processors to spare. */
static bool choose(const struct row *row, struct om_transport *t, struct om_err *err)
{
	const struct om_versions versions = { 11003000, 11003000, row->src, row->dst,
					      row->src_most };
	const struct om_transport_facts facts = {
		.memory_bytes = UINT64_C(8) << 30,
		.sampled = { .bytes = 1000000,
			     .packed_bytes = 200000,
			     .work_ns = 3000000,
			     .used_places = 4 },
		.src = { 8, 800, 0 },
		.dst = { 8, 800, 0 },
		.link_bytes_ps = 117000000,
		.tls = OM_TLS_READY,
	};
	struct om_knob_source source = { row->setting, row->value, OM_ORIGIN_RC };
	struct om_knobs knobs;
	struct om_opts opts;
	bool ok;

	assert_true(om_knobs_resolve(&knobs, &source, row->setting != NULL, NULL, err));
	assert_true(om_opts_parse(&opts, row->options ? row->options : "", err));
	ok = om_transport_choose(t, &knobs, &opts, opts.flags, false, &versions, &facts, err);
	om_knobs_free(&knobs);
	om_opts_free(&opts);
	return ok;
}

static void expect(const struct row *rows, size_t count)
{
	struct om_transport t;
	struct om_err err;

	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];

		assert_true(choose(row, &t, &err));
		if (t.compression != row->method || (t.connections > 1) != row->several ||
		    !t.warning_count != !row->warning ||
		    !strstr(t.warnings[0], row->warning ? row->warning : ""))
			fail_msg("row %zu: %s, \"%s\"", i, t.text, t.warnings[0]);
	}
}

#define PAIR(from, to) .src = from, .dst = to
#define ASKED(name, text) .setting = name, .value = text
#define PACKED .method = OM_COMPRESSION_ZSTD, .several = true

static void what_loses_memory_is_not_chosen(void **unused)
{
	static const char lost[] = "lose pages that the guest clears", unread[] = "cannot read";
	static const char words[] = "--parallel --compressed --comp-methods zstd";
	static const struct row rows[] = {
		{ PAIR(10000000, 10000000), PACKED },
		{ PAIR(8002002, 8002002), PACKED },
		{ PAIR(8002002, 9000004), PACKED },
		{ PAIR(9000000, 9000000) },
		{ PAIR(9000004, 10000000) },
		{ PAIR(9001002, 9001002) },
		{ PAIR(9001003, 9001003), PACKED },
		{ PAIR(9002000, 10000000) },
		{ PAIR(9002001, 9002001), PACKED },
		{ PAIR(10000000, 9002000), PACKED },
		{ PAIR(8002002, 9002000) },
		{ PAIR(8002002, 9002001), PACKED },
		{ PAIR(9001002, 9001002), ASKED("MIGRATE_COMPRESSION", "zstd"), .warning = lost },
		{ PAIR(9001002, 9001002), ASKED("MIGRATE_COMPRESSION", "zlib"), .warning = lost },
		{ PAIR(9001002, 9001002), ASKED("MIGRATE_CONNECTIONS", "4"), .several = true },
		{ PAIR(8002002, 9002000), ASKED("MIGRATE_CONNECTIONS", "4"), .warning = unread },
		{ PAIR(9001002, 9001002), .options = words, .warning = lost },
		{ PAIR(9001003, 9001003), .options = words },
		{ PAIR(9001002, 9001002), .options = "--parallel" },
		{ PAIR(8002002, 9002000), .options = "--parallel", .warning = unread },
		{ PAIR(8002002, 9002000), .options = "--migrateuri tcp://x" },
		{ PAIR(0, 9002000), .options = "--parallel" }, /* not known */
	};

	(void)unused;
	expect(rows, OM_ARRAY_LEN(rows));
}

/* From the machine type's to the installed one. */
static void nor_what_may_lose_it_in_a_qemu_that_nobody_can_see(void **unused)
{
	static const char lost[] = "lose pages that the guest clears", unread[] = "cannot read";
	static const char words[] = "--parallel --compressed --comp-methods zstd";
	static const struct row rows[] = {
		{ PAIR(8002000, 10000000), .src_most = 8002000, PACKED },
		{ PAIR(8002000, 10000000), .src_most = 8002099, PACKED },
		{ PAIR(8002000, 10000000), .src_most = 9001000 },
		{ PAIR(8002000, 10000000), .src_most = 10000000 },
		{ PAIR(9001000, 10000000), .src_most = 9001003 },
		{ PAIR(9001003, 10000000), .src_most = 9001009, PACKED },
		{ PAIR(9001003, 10000000), .src_most = 9002000 },
		{ PAIR(9002001, 10000000), .src_most = 10000000, PACKED },
		{ PAIR(8002000, 10000000), .src_most = UINT64_MAX },
		{ PAIR(8002000, 9001000), .src_most = 9001000, ASKED("MIGRATE_COMPRESSION", "zstd"),
		  .warning = lost },
		{ PAIR(8002000, 9001000), .src_most = 9001000, .options = words, .warning = lost },
		{ PAIR(8002000, 9001000), .src_most = 8002000, .options = words },
		{ PAIR(0, 9001000), .src_most = 9001000, .options = words, .warning = lost },
		{ PAIR(8002000, 9002000), .src_most = 9002000, .options = "--parallel",
		  .warning = unread },
		{ PAIR(7002000, 7002000), ASKED("MIGRATE_CONNECTIONS", "4"), PACKED },
		{ PAIR(7002000, 7002000), .src_most = 8002000, ASKED("MIGRATE_CONNECTIONS", "4"),
		  .warning = "below 8.0 and another one" },
	};

	(void)unused;
	expect(rows, OM_ARRAY_LEN(rows));
}

static void what_goes_by_rdma_is_not_encrypted(void **unused)
{
	struct row row = { PAIR(10000000, 10000000), .options = "--migrateuri rdma://x",
			   ASKED("MIGRATE_TLS", "required") };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	assert_false(choose(&row, &t, &err));
	assert_int_equal(err.code, OM_E_REFUSED);
	assert_non_null(strstr(err.msg, "RDMA"));
	row.value = "opportunistic";
	assert_true(choose(&row, &t, &err));
	assert_int_equal(t.flags & OM_FLAG_TLS, 0);
	assert_non_null(strstr(t.warnings[0], "not encrypted"));
	row.options = "--migrateuri tcp://x";
	assert_true(choose(&row, &t, &err));
	assert_int_equal(t.flags & OM_FLAG_TLS, OM_FLAG_TLS);
}

static bool has_warning(const struct om_plan *plan, const char *part)
{
	for (size_t i = 0; i < plan->warnings.n; i++)
		if (strstr(plan->warnings.v[i], part))
			return true;
	return false;
}

/* WARN is whatever is done other than configured: each of it. */
static void each_setting_that_is_not_followed_is_told(void **unused)
{
	static char host[] = "node02";
	static const struct om_knob_source sources[] = {
		{ "MIGRATE_TLS", "opportunistic", OM_ORIGIN_RC },
		{ "MIGRATE_COMPRESSION", "zstd", OM_ORIGIN_RC },
		{ "MIGRATE_CONNECTIONS", "3", OM_ORIGIN_RC },
		{ "MIGRATE_ZEROCOPY", "yes", OM_ORIGIN_RC },
	};
	static const struct {
		const char *options, *parts[4];
	} rows[] = {
		{ "--bandwidth 90",
		  { "memory is not encrypted", "MIGRATE_COMPRESSION zstd", "MIGRATE_CONNECTIONS 3",
		    "MIGRATE_ZEROCOPY yes" } },
		{ "--bandwidth 90 --parallel", { "memory is not encrypted", "--parallel" } },
	};
	const struct om_req req = { .dst_host = host };
	const struct om_facts facts = {
		.versions = { 11003000, 11003000, 10000000, 10000000, 0 },
		.transport = { .tls = OM_TLS_MISSING, .tls_why = "no certificates on node01" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_knobs knobs;
		struct om_opts opts;
		struct om_plan plan;
		struct om_err err;

		assert_true(om_knobs_resolve(&knobs, sources, OM_ARRAY_LEN(sources), NULL, &err));
		assert_true(om_opts_parse(&opts, rows[i].options, &err));
		assert_true(om_plan_make(&plan, &req, &knobs, &opts, &facts, &err));
		for (size_t n = 0; n < 4 && rows[i].parts[n]; n++)
			if (!has_warning(&plan, rows[i].parts[n]))
				fail_msg("row %zu: no warning has '%s'", i, rows[i].parts[n]);
		om_plan_free(&plan);
		om_opts_free(&opts);
		om_knobs_free(&knobs);
	}
}

struct remembered {
	uint32_t refused;
	const char *setting, *value;
	unsigned int flags;
	bool limited;
	enum om_answer_of_tls tls;
	struct om_versions versions;
};

/* The longest numbers that a host may give. */
static bool choose_remembered(const struct remembered *r, struct om_transport *t,
			      struct om_err *err)
{
	struct om_transport_facts facts = {
		.memory_bytes = UINT64_C(8) << 30,
		.sampled = { .bytes = 1000000,
			     .packed_bytes = 200000,
			     .work_ns = 3000000,
			     .used_places = 4 },
		.src = { 1024, 1000, 0 },
		.dst = { 1024, 1000, 0 },
		.link_bytes_ps = UINT64_C(400) * 1000000000 / 8,
		.seen_bytes_ps = 100000000,
		.tls = r->tls,
		.refused = r->refused,
	};
	struct om_knob_source source = { r->setting, r->value, OM_ORIGIN_RC };
	struct om_knobs knobs;
	struct om_opts opts;
	bool ok;

	memset(facts.tls_why, 'x', sizeof(facts.tls_why) - 1);
	assert_true(om_knobs_resolve(&knobs, &source, r->setting != NULL, NULL, err));
	assert_true(om_opts_parse(&opts, "", err));
	ok = om_transport_choose(t, &knobs, &opts, r->flags, r->limited, &r->versions, &facts, err);
	om_knobs_free(&knobs);
	om_opts_free(&opts);
	return ok;
}

#define NEW                                                                                        \
	{                                                                                          \
		11003000, 11003000, 10000000, 10000000, 0                                          \
	}
#define FORGET " (to try again now: see FILES, refused, in onemigrate(8))"

/* Whoever has mended the hosts learns for how long it is remembered, and where. */
static void a_refusal_that_is_remembered_has_a_way_out(void **unused)
{
	static const struct {
		struct remembered given;
		const char *told;
	} rows[] = {
		{ { OM_REFUSED_ZSTD, .versions = NEW },
		  "are free; this pair of hosts has refused it within the last week" FORGET },
		{ { OM_REFUSED_CONNECTIONS, .versions = NEW },
		  "has refused several connections within the last week" FORGET },
		{ { OM_REFUSED_ZSTD, "MIGRATE_COMPRESSION", "zstd", .versions = NEW },
		  "zstd is not followed: this pair of hosts has refused it within the last "
		  "day" FORGET },
		{ { OM_REFUSED_CONNECTIONS, "MIGRATE_CONNECTIONS", "2", .versions = NEW },
		  "has refused several connections within the last day" FORGET },
		{ { OM_REFUSED_ZEROCOPY | OM_REFUSED_ZSTD, "MIGRATE_ZEROCOPY", "yes",
		    .versions = NEW },
		  "has refused it within the last day" FORGET },
		{ { OM_REFUSED_TLS, "MIGRATE_TLS", "opportunistic", .versions = NEW },
		  "has refused it within the last hour" FORGET },
		{ { OM_REFUSED_TLS, "MIGRATE_TLS", "required", .versions = NEW },
		  "whether both have certificates is not known" FORGET },
	};
	struct om_transport t;
	struct om_err err;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		const char *told;

		told = !choose_remembered(&rows[i].given, &t, &err) ? err.msg
		       : t.warning_count			    ? t.warnings[0]
								    : t.why;
		if (!strstr(told, rows[i].told))
			fail_msg("row %zu: '%s' is not in '%s'", i, rows[i].told, told);
	}
}

static void is_whole(const char *text, size_t size)
{
	if (strlen(text) + 1 >= size)
		fail_msg("cut: %s", text);
}

static void no_sentence_is_cut(void **unused)
{
	static const struct om_versions pairs[] = {
		NEW,
		{ 9000000, 9000000, 7002000, 7002000, 0 },
		{ 11003000, 11003000, 8002002, 9002000, 0 },
		{ 11003000, 11003000, 9001002, 9001002, 0 },
		{ 11003000, 11003000, 7002000, 10000000, 0 },
		{ 0 },
	};
	static const char *const settings[][2] = {
		{ NULL, NULL },
		{ "MIGRATE_COMPRESSION", "xbzrle" },
		{ "MIGRATE_COMPRESSION", "zstd" },
		{ "MIGRATE_CONNECTIONS", "16" },
		{ "MIGRATE_ZEROCOPY", "yes" },
		{ "MIGRATE_TLS", "opportunistic" },
		{ "MIGRATE_TLS", "required" },
	};

	(void)unused;
	for (uint32_t n = 0; n < 64u * 6 * 7 * 12; n++) {
		struct remembered given = {
			.refused = n % 64,
			.versions = pairs[n / 64 % 6],
			.setting = settings[n / 384 % 7][0],
			.value = settings[n / 384 % 7][1],
			.tls = (enum om_answer_of_tls)(n / 2688 % 3),
			.flags = n / 8064 % 2 ? OM_FLAG_POSTCOPY : 0,
			.limited = n / 16128 % 2,
		};
		struct om_state state;
		struct om_transport t;
		struct om_err err;

		if (!choose_remembered(&given, &t, &err)) {
			is_whole(err.msg, sizeof(state.result));
			continue;
		}
		is_whole(t.text, sizeof(state.transport));
		is_whole(t.why, sizeof(t.why));
		for (unsigned int i = 0; i < t.warning_count; i++)
			is_whole(t.warnings[i], sizeof(t.warnings[i]));
	}
}

static bool is_named(uint64_t src, uint64_t dst)
{
	const struct om_versions versions = { .src_libvirt = src, .dst_libvirt = dst };
	const struct om_transport t = { .flags = OM_FLAG_TLS };
	struct om_params params = { 0 };
	bool named;

	om_transport_params(&t, &params, &versions, "node02");
	named = om_params_get(&params, "tls.destination") != NULL;
	om_params_free(&params);
	return named;
}

static void a_libvirt_that_does_not_know_the_name_is_not_given_it(void **unused)
{
	(void)unused;
	assert_true(is_named(6000000, 11003000));
	assert_true(is_named(0, 0));
	assert_false(is_named(5010000, 6000000));
	assert_false(is_named(6000000, 5010000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_loses_memory_is_not_chosen),
		cmocka_unit_test(nor_what_may_lose_it_in_a_qemu_that_nobody_can_see),
		cmocka_unit_test(what_goes_by_rdma_is_not_encrypted),
		cmocka_unit_test(each_setting_that_is_not_followed_is_told),
		cmocka_unit_test(a_refusal_that_is_remembered_has_a_way_out),
		cmocka_unit_test(no_sentence_is_cut),
		cmocka_unit_test(a_libvirt_that_does_not_know_the_name_is_not_given_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
