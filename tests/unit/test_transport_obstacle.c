/* SPDX-License-Identifier: Apache-2.0 */
/* What is not chosen between these hosts, since it is refused, loses memory or does not encrypt. */
#include "om_cmocka.h"

#include "om_plan.h"

#include <stdio.h>
#include <string.h>

struct row {
	uint64_t src, dst; /* QEMU */
	const char *options, *setting, *value;
	enum om_compression method;
	bool several;
	const char *warning; /* a part of it; NULL: none */
};

/* Text-like memory on 1 Gbit/s, with processors to spare. */
static bool choose(const struct row *row, struct om_transport *t, struct om_err *err)
{
	const struct om_versions versions = { 11003000, 11003000, row->src, row->dst };
	const struct om_transport_facts facts = {
		.memory_bytes = UINT64_C(8) << 30,
		.sampled = { .bytes = 1000000, .packed_bytes = 200000, .work_ns = 3000000 },
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
		.versions = { 11003000, 11003000, 10000000, 10000000 },
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
		cmocka_unit_test(what_goes_by_rdma_is_not_encrypted),
		cmocka_unit_test(each_setting_that_is_not_followed_is_told),
		cmocka_unit_test(a_libvirt_that_does_not_know_the_name_is_not_given_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
