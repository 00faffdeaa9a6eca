/* SPDX-License-Identifier: Apache-2.0 */
/* What is learnt from a refusal, and for how long it counts. */
#include "om_cmocka.h"

#include "om_plan.h"
#include "om_util.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct om_plan plan_for(const char *name, const char *value, uint32_t refused)
{
	static char host[] = "node02";
	const struct om_req req = { .dst_host = host };
	const struct om_knob_source source = { name, value, OM_ORIGIN_RC };
	struct om_facts facts = {
		.versions = { 11003000, 11003000, 10000013, 10000013, 0 },
		.transport = { .memory_bytes = 8192 * MIB,
			       .sampled = { .bytes = 1000000,
					    .packed_bytes = 300000,
					    .work_ns = 3000000,
					    .used_places = 4 },
			       .src = { 8, 800 },
			       .dst = { 8, 800 },
			       .link_bytes_ps = 117000000,
			       .refused = refused },
	};
	struct om_knobs knobs;
	struct om_opts opts;
	struct om_plan plan;
	struct om_err err;

	assert_true(om_knobs_resolve(&knobs, &source, 1, NULL, &err));
	assert_true(om_opts_parse(&opts, "", &err));
	assert_true(om_plan_make(&plan, &req, &knobs, &opts, &facts, &err));
	om_opts_free(&opts);
	om_knobs_free(&knobs);
	return plan;
}

static unsigned int flags_for(const char *name, const char *value, uint32_t refused)
{
	struct om_plan plan = plan_for(name, value, refused);
	unsigned int flags = plan.transport.flags;

	om_plan_free(&plan);
	return flags;
}

static void what_is_asked_for_by_name_is_tried_again_after_a_day(void **unused)
{
	static const struct {
		const char *name, *value;
		uint32_t refused;
		unsigned int flag;
	} rows[] = {
		{ "MIGRATE_COMPRESSION", "zstd", OM_REFUSED_ZSTD, OM_FLAG_COMPRESSED },
		{ "MIGRATE_COMPRESSION", "zstd", OM_REFUSED_CONNECTIONS, OM_FLAG_COMPRESSED },
		{ "MIGRATE_COMPRESSION", "zlib", OM_REFUSED_ZLIB | OM_REFUSED_ZSTD,
		  OM_FLAG_COMPRESSED },
		{ "MIGRATE_COMPRESSION", "xbzrle", OM_REFUSED_XBZRLE | OM_REFUSED_ZSTD,
		  OM_FLAG_COMPRESSED },
		{ "MIGRATE_ZEROCOPY", "yes", OM_REFUSED_ZEROCOPY | OM_REFUSED_ZSTD,
		  OM_FLAG_ZEROCOPY },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		uint32_t old = rows[i].refused | OM_REFUSED_DAY_OLD(rows[i].refused);

		assert_false(flags_for(rows[i].name, rows[i].value, rows[i].refused) &
			     rows[i].flag);
		assert_true(flags_for(rows[i].name, rows[i].value, old) & rows[i].flag);
		/* Nobody asks. */
		assert_false(flags_for(rows[i].name, "auto", old) & rows[i].flag);
	}
	/* One of several is still young. */
	assert_false(flags_for("MIGRATE_COMPRESSION", "zstd",
			       OM_REFUSED_ZSTD | OM_REFUSED_CONNECTIONS |
				       OM_REFUSED_DAY_OLD(OM_REFUSED_ZSTD)) &
		     OM_FLAG_COMPRESSED);
	assert_false(
		flags_for("MIGRATE_CONNECTIONS", "4", OM_REFUSED_CONNECTIONS | OM_REFUSED_ZSTD) &
		OM_FLAG_PARALLEL);
	assert_true(flags_for("MIGRATE_CONNECTIONS", "4",
			      OM_REFUSED_CONNECTIONS | OM_REFUSED_ZSTD |
				      OM_REFUSED_DAY_OLD(OM_REFUSED_CONNECTIONS)) &
		    OM_FLAG_PARALLEL);
}

static void only_a_weaker_attempt_that_gets_further_proves_it(void **unused)
{
	const unsigned int ours = OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED;
	const struct om_attempt failed = { .path = OM_PATH_FAST, .flags = OM_FLAG_LIVE | ours };
	const struct om_attempt_end ok = { .ok = true }, sent = { .bytes_sent = true };
	/* "domain has active block job" */
	const struct om_attempt_end same = { .vir_code = 55, .vir_domain = 10 };
	struct om_attempt next = { .path = OM_PATH_FAST, .flags = OM_FLAG_LIVE };

	(void)unused;
	assert_true(om_plan_got_further(&failed, &next, &ok));
	assert_true(om_plan_got_further(&failed, &next, &sent));
	assert_false(om_plan_got_further(&failed, &next, &same));
	next.path = OM_PATH_DEFAULT;
	assert_false(om_plan_got_further(&failed, &next, &ok));
	next = failed; /* the same once more */
	assert_false(om_plan_got_further(&failed, &next, &ok));
	next.flags |= OM_FLAG_AUTO_CONVERGE; /* a restart */
	assert_false(om_plan_got_further(&failed, &next, &ok));
}

/* No weaker attempt follows which could prove it. */
static void encryption_that_is_required_is_refused_at_once(void **unused)
{
	static const struct om_versions versions = { 11003000, 11003000, 10000013, 10000013, 0 };
	const struct om_attempt_end no_credentials = {
		.vir_code = 1,
		.vir_domain = 10,
		.text = "internal error: unable to execute QEMU command 'object-add': Unable to "
			"access credentials /etc/pki/qemu/ca-cert.pem",
	};
	const struct om_attempt_end no_method = { .vir_code = 8,
						  .text = "Unsupported compression method" };
	static const char *const passing[] = {
		"operation failed: job 'migration out' failed: GnuTLS recv failed: ",
		"TLS handshake failed: Error in the pull function.",
	};
	struct om_attempt_end broken = { .vir_code = 9, .vir_domain = 10 };
	const struct om_attempt_end other_host = {
		.vir_code = 9,
		.vir_domain = 10,
		.text = "Certificate does not match the hostname node02",
	};
	struct om_plan plan = plan_for("MIGRATE_TLS", "required", 0);

	(void)unused;
	assert_int_equal(om_plan_refused_at_once(&plan, 0, &versions, &other_host), OM_REFUSED_TLS);
	for (size_t i = 0; i < OM_ARRAY_LEN(passing); i++) {
		om_str_copy(broken.text, sizeof(broken.text), passing[i]);
		assert_int_equal(om_plan_refused_at_once(&plan, 0, &versions, &broken), 0);
	}
	assert_int_equal(om_plan_refused_at_once(&plan, 0, &versions, &no_credentials),
			 OM_REFUSED_TLS);
	/* A weaker attempt follows that. */
	assert_int_equal(om_plan_refused_at_once(&plan, 0, &versions, &no_method), 0);
	om_plan_free(&plan);
	plan = plan_for("MIGRATE_TLS", "opportunistic", 0);
	assert_int_equal(om_plan_refused_for_all(&plan, 0, &versions, &no_credentials),
			 OM_REFUSED_TLS);
	assert_int_equal(om_plan_refused_at_once(&plan, 0, &versions, &no_credentials), 0);
	om_plan_free(&plan);
}

static void zero_copy_that_is_refused_leaves_the_connections(void **unused)
{
	const struct om_attempt_end locked = { .vir_code = 38,
					       .text = "cannot limit locked memory" };
	const struct om_attempt_end unknown = { .vir_code = 8, .text = "unsupported flags" };
	struct om_plan plan = plan_for("MIGRATE_ZEROCOPY", "yes", OM_REFUSED_ZSTD);
	const struct om_attempt *first = &plan.attempts[0], *next;
	size_t at;

	(void)unused;
	assert_true(plan.attempt_count <= OM_ATTEMPTS_MAX);
	assert_true(first->flags & OM_FLAG_ZEROCOPY);
	assert_int_equal(om_plan_next(&plan, 0, &locked, &at), OM_NEXT_TRANSPORT);
	next = &plan.attempts[at];
	assert_int_equal(next->path, first->path);
	assert_int_equal(next->flags, first->flags & ~OM_FLAG_ZEROCOPY);
	assert_non_null(om_params_get(&next->params, "parallel.connections"));
	assert_int_equal(om_plan_refused(&plan, 0, &unknown), OM_REFUSED_ZEROCOPY);
	assert_int_equal(om_plan_refused(&plan, at, &unknown), OM_REFUSED_CONNECTIONS);
	/* The connections may be refused as well. */
	assert_int_equal(om_plan_next(&plan, at, &unknown, &at), OM_NEXT_TRANSPORT);
	next = &plan.attempts[at];
	assert_int_equal(next->path, first->path);
	assert_false(next->flags & OM_FLAG_PARALLEL);
	assert_null(om_params_get(&next->params, "parallel.connections"));
	assert_int_equal(om_plan_next(&plan, at, &unknown, &at), OM_NEXT_NONE);
	om_plan_free(&plan);
}

static void what_is_left_of_a_way_is_told(void **unused)
{
	struct om_transport way = { .flags = OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED | OM_FLAG_TLS,
				    .connections = 2,
				    .compression = OM_COMPRESSION_ZSTD,
				    .level = 1 };
	struct om_transport left;

	(void)unused;
	om_transport_left(&left, &way, OM_FLAG_LIVE | way.flags);
	assert_string_equal(left.text, "2 connections, zstd level 1, TLS");
	om_transport_left(&left, &way, OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED);
	assert_string_equal(left.text, "2 connections, zstd level 1");
	om_transport_left(&left, &way, OM_FLAG_TLS);
	assert_string_equal(left.text, "a single stream, TLS");
	/* Words of MIGRATE_OPTIONS are in every attempt. */
	way = (struct om_transport){ .flags = OM_FLAG_TLS,
				     .by_options = true,
				     .words = "3 connections, zstd",
				     .words_from = "MIGRATE_OPTIONS" };
	om_transport_left(&left, &way, OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED | OM_FLAG_TLS);
	assert_string_equal(left.text, "3 connections, zstd, TLS (MIGRATE_OPTIONS)");
	om_transport_left(&left, &way, OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED);
	assert_string_equal(left.text, "3 connections, zstd (MIGRATE_OPTIONS)");
	way = (struct om_transport){ .flags = OM_FLAG_PARALLEL,
				     .connections = 2,
				     .tls_by_options = true };
	om_transport_left(&left, &way, OM_FLAG_PARALLEL | OM_FLAG_TLS);
	assert_string_equal(left.text, "2 connections, TLS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_for_by_name_is_tried_again_after_a_day),
		cmocka_unit_test(only_a_weaker_attempt_that_gets_further_proves_it),
		cmocka_unit_test(encryption_that_is_required_is_refused_at_once),
		cmocka_unit_test(zero_copy_that_is_refused_leaves_the_connections),
		cmocka_unit_test(what_is_left_of_a_way_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
