/* SPDX-License-Identifier: Apache-2.0 */
/* What the golden plans do not show: who names the fast network, and when the next path is tried. */
#include "om_cmocka.h"

#include "om_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* virErrorDomain */
#define FROM_NONE 0
#define FROM_RPC 7
#define FROM_QEMU 10
/* virErrorNumber */
#define INTERNAL_ERROR 1
#define INVALID_ARG 8
#define OPERATION_FAILED 9
#define SYSTEM_ERROR 38
#define OPERATION_ABORTED 78
#define MIGRATE_UNSAFE 81

static char host_name[] = "node02";
static const struct om_req request = { .dst_host = host_name };

static struct om_knobs settings(const char *network, const char *append, const char *policy)
{
	const struct om_knob_source sources[] = {
		{ "MIGRATE_NETWORK", network, OM_ORIGIN_KVMRC },
		{ "DEST_HOST_APPEND", append, OM_ORIGIN_KVMRC },
		{ "MIGRATE_NETWORK_POLICY", policy, OM_ORIGIN_KVMRC },
	};
	struct om_knobs knobs;
	struct om_err err;

	assert_true(om_knobs_resolve(&knobs, sources, OM_ARRAY_LEN(sources), NULL, &err));
	return knobs;
}

static struct om_knobs one_setting(const char *name, const char *text)
{
	const struct om_knob_source source = { name, text, OM_ORIGIN_KVMRC };
	struct om_knobs knobs;
	struct om_err err;

	assert_true(om_knobs_resolve(&knobs, &source, 1, NULL, &err));
	return knobs;
}

static struct om_opts options(const char *text)
{
	struct om_opts opts;
	struct om_err err;

	assert_true(om_opts_parse(&opts, text, &err));
	assert_null(opts.stock_reason);
	return opts;
}

static void the_first_that_is_configured_names_the_fast_network(void **unused)
{
	static const struct {
		const char *host, *network, *append, *options;
		enum om_fast_source expected;
	} rows[] = {
		{ "node02", "", "", "", OM_FAST_NONE },
		{ "node02", "10.1.0.0/24", "", "", OM_FAST_NETWORK },
		{ "node02", "", "-10g1", "", OM_FAST_APPEND },
		{ "node02", "10.1.0.0/24", "-10g1", "", OM_FAST_NETWORK },
		{ "node02", "10.1.0.0/24", "-10g1", "--migrateuri tcp://x", OM_FAST_OPTION },
		{ "node02", "", "", "--migrateuri tcp://x", OM_FAST_OPTION },
		{ "node02", "10.1.0.0/24", "-10g1", "--p2p --tunnelled", OM_FAST_NONE },
		{ "10.0.0.2", "", "-10g1", "", OM_FAST_NONE },
		{ "fd00::2", "", "-10g1", "", OM_FAST_NONE },
		{ "10.0.0.2", "10.1.0.0/24", "-10g1", "", OM_FAST_NETWORK },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_knobs knobs = settings(rows[i].network, rows[i].append, "");
		struct om_opts opts = options(rows[i].options);
		OM_AUTOFREE char *host = om_xstrdup(rows[i].host);
		struct om_req req = { .dst_host = host };

		if (om_plan_fast_source(&req, &knobs, &opts) != rows[i].expected)
			fail_msg("row %zu", i);
		om_opts_free(&opts);
		om_knobs_free(&knobs);
	}
}

#define BIND                                                                                       \
	"unable to execute QEMU command 'migrate-incoming': Failed to bind socket: Cannot assign " \
	"requested address"
#define LOOPBACK "hostname on destination resolved to localhost, but migration requires an FQDN"
#define FAILS(domain, code) .vir_domain = FROM_##domain, .vir_code = code

static void
the_next_path_is_tried_only_if_nothing_was_sent_and_the_path_can_be_the_reason(void **unused)
{
	static const struct {
		unsigned int flags;
		enum om_path path;
		bool listens;
		struct om_attempt_end end;
		bool expected;
	} rows[] = {
		/* libvirt connects */
		{ 0, OM_PATH_FAST, false, { FAILS(RPC, SYSTEM_ERROR) }, true },
		{ 0, OM_PATH_FAST, true, { FAILS(RPC, SYSTEM_ERROR) }, true },
		{ 0, OM_PATH_DEFAULT, false, { FAILS(RPC, SYSTEM_ERROR) }, true },
		{ OM_FLAG_PARALLEL, OM_PATH_FAST, false, { FAILS(RPC, SYSTEM_ERROR) }, true },
		{ 0, OM_PATH_FAST, false, { FAILS(QEMU, SYSTEM_ERROR) }, false },
		{ 0, OM_PATH_FAST, false, { FAILS(NONE, SYSTEM_ERROR) }, false },
		{ 0, OM_PATH_DEFAULT, false, { FAILS(QEMU, SYSTEM_ERROR) }, false },
		/* QEMU connects */
		{ OM_FLAG_PARALLEL, OM_PATH_FAST, false, { FAILS(QEMU, OPERATION_FAILED) }, true },
		{ OM_FLAG_POSTCOPY, OM_PATH_FAST, false, { FAILS(QEMU, OPERATION_FAILED) }, true },
		{ OM_FLAG_POSTCOPY,
		  OM_PATH_DEFAULT,
		  false,
		  { FAILS(QEMU, OPERATION_FAILED) },
		  true },
		{ OM_FLAG_PARALLEL, OM_PATH_FAST, false, { FAILS(RPC, OPERATION_FAILED) }, false },
		{ OM_FLAG_POSTCOPY, OM_PATH_FAST, false, { FAILS(NONE, OPERATION_FAILED) }, false },
		{ 0, OM_PATH_FAST, false, { FAILS(QEMU, OPERATION_FAILED) }, false },
		/* the destination cannot bind the address */
		{ 0, OM_PATH_FAST, true, { FAILS(QEMU, INTERNAL_ERROR), .text = BIND }, true },
		{ 0, OM_PATH_FAST, false, { FAILS(QEMU, INTERNAL_ERROR), .text = BIND }, false },
		{ 0, OM_PATH_FAST, true, { FAILS(QEMU, INTERNAL_ERROR), .text = "no CPU" }, false },
		{ 0, OM_PATH_DEFAULT, true, { FAILS(QEMU, INTERNAL_ERROR), .text = BIND }, false },
		/* the destination's own name is a loopback one */
		{ 0,
		  OM_PATH_DEFAULT,
		  false,
		  { FAILS(QEMU, INTERNAL_ERROR), .text = LOOPBACK },
		  true },
		{ 0,
		  OM_PATH_DEFAULT,
		  false,
		  { FAILS(QEMU, INTERNAL_ERROR), .text = "no CPU" },
		  false },
		{ 0,
		  OM_PATH_FAST,
		  false,
		  { FAILS(QEMU, INTERNAL_ERROR), .text = LOOPBACK },
		  false },
		{ 0, OM_PATH_FAST, true, { FAILS(QEMU, INTERNAL_ERROR), .text = LOOPBACK }, false },
		/* anything else */
		{ 0, OM_PATH_FAST, true, { FAILS(RPC, INVALID_ARG) }, false },
		{ 0, OM_PATH_FAST, true, { FAILS(QEMU, OPERATION_ABORTED) }, false },
		{ 0, OM_PATH_FAST, true, { FAILS(QEMU, MIGRATE_UNSAFE) }, false },
		{ 0, OM_PATH_FAST, true, { FAILS(NONE, 0) }, false },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_plan plan = { .flags = OM_FLAG_LIVE | rows[i].flags, .attempt_count = 2 };
		struct om_attempt_end end = rows[i].end;

		size_t next = 99;

		plan.attempts[0].flags = plan.attempts[1].flags = plan.flags;
		plan.attempts[0].path = rows[i].path;
		plan.attempts[1].path = rows[i].path == OM_PATH_FAST ? OM_PATH_DEFAULT
								     : OM_PATH_NAME;
		if (rows[i].listens)
			om_params_set_text(&plan.attempts[0].params, "listen_address", "10.1.0.2",
					   "x");
		if (om_plan_next(&plan, 0, &end, &next) !=
		    (rows[i].expected ? OM_NEXT_PATH : OM_NEXT_NONE))
			fail_msg("row %zu", i);
		if (rows[i].expected)
			assert_int_equal(next, 1);
		/* There is nothing after the last one. */
		plan.attempt_count = 1;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		plan.attempt_count = 2;
		/* Whatever the failure, these forbid it. */
		end.bytes_sent = true;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		end = rows[i].end;
		end.stop_requested = true;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		end = rows[i].end;
		end.dest_lost = true;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		end = rows[i].end;
		end.ended_by_watch = true;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		end = rows[i].end;
		end.restart = OM_FLAG_AUTO_CONVERGE;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		end = rows[i].end;
		end.ok = true;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		om_plan_free(&plan);
	}
}

#define USERFAULT                                                                                  \
	"internal error: unable to execute QEMU command 'migrate-set-capabilities': Postcopy is "  \
	"not supported"
#define ARGUMENT_UNSUPPORTED 74

/* Two paths with post-copy and then without: 0 1 2 3. */
static struct om_plan armed_plan(void)
{
	static const enum om_path paths[] = { OM_PATH_FAST, OM_PATH_DEFAULT };
	struct om_plan plan = { .flags = OM_FLAG_LIVE | OM_FLAG_POSTCOPY, .attempt_count = 4 };

	for (size_t i = 0; i < 4; i++) {
		plan.attempts[i].path = paths[i % 2];
		plan.attempts[i].flags = i < 2 ? plan.flags : OM_FLAG_LIVE;
	}
	return plan;
}

static void a_refusal_of_post_copy_leads_to_the_same_path_without_it(void **unused)
{
	static const struct {
		struct om_attempt_end end;
		struct {
			enum om_next kind;
			size_t next;
		} expected[4]; /* after each attempt */
	} rows[] = {
		{ { FAILS(QEMU, INTERNAL_ERROR), .text = USERFAULT },
		  { { OM_NEXT_NO_POSTCOPY, 2 }, { OM_NEXT_NO_POSTCOPY, 3 } } },
		{ { FAILS(QEMU, ARGUMENT_UNSUPPORTED), .text = "any language" },
		  { { OM_NEXT_NO_POSTCOPY, 2 }, { OM_NEXT_NO_POSTCOPY, 3 } } },
		{ { FAILS(RPC, ARGUMENT_UNSUPPORTED), .text = "any language" }, { { 0 } } },
		{ { FAILS(RPC, INTERNAL_ERROR), .text = USERFAULT }, { { 0 } } },
		{ { FAILS(QEMU, INTERNAL_ERROR), .text = "no CPU" }, { { 0 } } },
		{ { FAILS(QEMU, OPERATION_ABORTED), .text = USERFAULT }, { { 0 } } },
		/* the path: the next one with the same flags */
		{ { FAILS(RPC, SYSTEM_ERROR) },
		  { { OM_NEXT_PATH, 1 }, { 0 }, { OM_NEXT_PATH, 3 }, { 0 } } },
		/* QEMU connects only with post-copy */
		{ { FAILS(QEMU, OPERATION_FAILED) }, { { OM_NEXT_PATH, 1 } } },
	};
	const struct om_plan plan = armed_plan();

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		for (size_t made = 0; made < 4; made++) {
			struct om_attempt_end end = rows[i].end;
			size_t next = 99;

			if (om_plan_next(&plan, made, &end, &next) != rows[i].expected[made].kind)
				fail_msg("row %zu, attempt %zu", i, made);
			if (rows[i].expected[made].kind != OM_NEXT_NONE)
				assert_int_equal(next, rows[i].expected[made].next);
			end.bytes_sent = true;
			assert_int_equal(om_plan_next(&plan, made, &end, &next), OM_NEXT_NONE);
		}
}

/* Whatever fails, in whatever order: at most one attempt more than there are paths. */
static void no_series_of_failures_makes_many_attempts(void **unused)
{
	static const struct om_attempt_end failures[] = {
		{ FAILS(QEMU, INTERNAL_ERROR), .text = USERFAULT },
		{ FAILS(RPC, SYSTEM_ERROR) },
		{ FAILS(QEMU, OPERATION_FAILED) },
		{ FAILS(QEMU, INVALID_ARG) },
	};
	struct om_plan plan = { .flags = OM_FLAG_LIVE | OM_FLAG_POSTCOPY, .attempt_count = 6 };

	(void)unused;
	for (size_t i = 0; i < 6; i++) {
		plan.attempts[i].path = (enum om_path)(i % 3);
		plan.attempts[i].flags = i < 3 ? plan.flags : OM_FLAG_LIVE;
	}
	for (unsigned int series = 0; series < 4096; series++) {
		unsigned int rest = series, made = 1;
		size_t attempt = 0, next;

		while (om_plan_next(&plan, attempt, &failures[rest % 4], &next) != OM_NEXT_NONE) {
			assert_true(next > attempt && next < plan.attempt_count);
			attempt = next;
			rest /= 4;
			made++;
		}
		assert_true(made <= 4);
	}
}

static void an_operators_own_post_copy_is_not_taken_away(void **unused)
{
	const struct om_attempt_end end = { FAILS(QEMU, INTERNAL_ERROR), .text = USERFAULT };
	struct om_plan plan = armed_plan();
	size_t next;

	(void)unused;
	plan.attempt_count = 2;
	assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
}

static void a_throttled_attempt_is_the_same_with_auto_converge(void **unused)
{
	static const struct {
		uint32_t asked, initial;
	} rows[] = { { 0, 20 }, { 1, 1 }, { 40, 40 }, { 99, 99 }, { 100, 99 }, { UINT32_MAX, 99 } };
	struct om_attempt from = { .path = OM_PATH_NAME, .flags = OM_FLAG_LIVE | OM_FLAG_POSTCOPY };
	struct om_attempt to;

	(void)unused;
	om_params_set_text(&from.params, "migrate_uri", "tcp://node02", "x");
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		const struct om_attempt_end end = { .restart = OM_FLAG_AUTO_CONVERGE,
						    .throttle_initial = rows[i].asked };

		om_plan_again(&to, &from, &end);
		assert_int_equal(to.path, from.path);
		assert_int_equal(to.flags, from.flags | OM_FLAG_AUTO_CONVERGE);
		assert_int_equal(om_params_get(&to.params, "auto_converge.initial")->number,
				 rows[i].initial);
		assert_int_equal(om_params_get(&to.params, "auto_converge.increment")->number, 10);
		assert_ptr_equal(om_params_get(&to.params, "migrate_uri")->text,
				 om_params_get(&from.params, "migrate_uri")->text);
		assert_int_equal(from.params.n, 1);
	}
	om_params_set_number(&from.params, "auto_converge.initial", OM_PARAM_INT, 7, "x");
	om_params_set_number(&from.params, "auto_converge.increment", OM_PARAM_INT, 5, "x");
	om_plan_again(&to, &from,
		      &(struct om_attempt_end){ .restart = OM_FLAG_AUTO_CONVERGE,
						.throttle_initial = 50 });
	assert_int_equal(om_params_get(&to.params, "auto_converge.initial")->number, 7);
	assert_int_equal(om_params_get(&to.params, "auto_converge.increment")->number, 5);
	om_params_free(&from.params);
}

static void another_attempt_with_synchronous_writes_keeps_what_it_has(void **unused)
{
	struct om_attempt attempt = { .flags = OM_FLAG_LIVE | OM_FLAG_AUTO_CONVERGE };

	(void)unused;
	om_plan_again(&attempt, &attempt,
		      &(struct om_attempt_end){ .restart = OM_FLAG_SYNC_WRITES });
	assert_int_equal(attempt.flags, OM_FLAG_LIVE | OM_FLAG_AUTO_CONVERGE | OM_FLAG_SYNC_WRITES);
	assert_int_equal(attempt.params.n, 0);
}

static void
an_interface_that_was_not_checked_is_told_so_and_never_taken_for_the_management_one(void **unused)
{
	struct om_knobs knobs = settings("10.1.0.0/24", "", "");
	struct om_opts opts = options("");
	struct om_facts facts = { .fast_source = OM_FAST_NETWORK, .mgmt_routed = true };
	struct om_plan plan;
	struct om_err err;

	(void)unused;
	strcpy(facts.fast.name, "10.1.0.0/24");
	facts.fast.have_addr = om_addr_parse(&facts.fast.addr, "10.1.0.2");
	facts.fast.routed = true;
	facts.fast.own = OM_ANSWER_YES;
	assert_true(om_plan_make(&plan, &request, &knobs, &opts, &facts, &err));
	assert_int_equal(plan.infos.n, 1);
	assert_string_equal(plan.infos.v[0],
			    "memory goes to 10.1.0.2 (10.1.0.0/24; MIGRATE_NETWORK of "
			    "kvmrc) by interface "
			    "(not checked), link speed not known");
	assert_int_equal(plan.warnings.n, 0);
	assert_true(om_str_starts(plan.limits_text, "limits: policy auto, "));
	om_plan_free(&plan);
	om_opts_free(&opts);
	om_knobs_free(&knobs);
}

static void a_longer_limit_of_the_domains_own_holds_where_nothing_is_set(void **unused)
{
	static const struct {
		uint32_t own_ms;
		const char *set;
		uint32_t start_ms, soft_ms, hard_ms;
	} rows[] = {
		{ 0, "", 30, 500, 2000 },     { 300, "", 30, 500, 2000 },
		{ 12, "", 30, 500, 2000 },    { 501, "", 30, 501, 2000 },
		{ 5000, "", 30, 5000, 5000 }, { 5000, "500", 30, 500, 2000 },
		{ 5000, "29", 29, 29, 2000 }, { 5000, "30", 30, 30, 2000 },
		{ 0, "1", 1, 1, 2000 },	      { 0, "9000", 30, 9000, 9000 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_knobs knobs = one_setting("MIGRATE_DOWNTIME_MAX_MS", rows[i].set);
		struct om_opts opts = options("");
		struct om_facts facts = { .max_downtime_ms = rows[i].own_ms };
		struct om_plan plan;
		struct om_err err;

		assert_true(om_plan_make(&plan, &request, &knobs, &opts, &facts, &err));
		assert_int_equal(plan.downtime_start_ms, rows[i].start_ms);
		assert_int_equal(plan.limits.downtime_max_ms, rows[i].soft_ms);
		assert_int_equal(plan.limits.pause_max_ms, rows[i].hard_ms);
		assert_int_equal(plan.warnings.n, 0);
		om_plan_free(&plan);
		om_opts_free(&opts);
		om_knobs_free(&knobs);
	}
}

static void a_refusal_leaves_nothing_behind(void **unused)
{
	struct om_knobs knobs = settings("10.1.0.0/24", "", "strict");
	struct om_opts opts = options("--parallel");
	struct om_facts facts = { .fast_source = OM_FAST_NETWORK };
	struct om_plan plan;
	struct om_err err = { 0 };

	(void)unused;
	assert_false(om_plan_make(&plan, &request, &knobs, &opts, &facts, &err));
	assert_int_equal(err.code, OM_E_REFUSED);
	assert_int_equal(plan.attempt_count, 0);
	om_opts_free(&opts);
	opts = options("--zerocopy");
	assert_false(om_plan_make(&plan, &request, &knobs, &opts, &facts, &err));
	assert_int_equal(err.code, OM_E_INPUT);
	om_opts_free(&opts);
	om_knobs_free(&knobs);
}

static void every_part_of_a_plan_is_printed(void **unused)
{
	struct om_plan plan = { .flags = ~0u,
				.limits_text = om_xstrdup("limits: some"),
				.postcopy_after_precopy = true,
				.never_switch = true,
				.timeout_s = 7,
				.timeout_action = OM_TIMEOUT_POSTCOPY,
				.attempt_count = 2,
				.attempts = { { .flags = ~0u }, { .path = OM_PATH_NAME } },
				.downtime_start_ms = 1,
				.limits.downtime_max_ms = 2 };
	OM_AUTOFREE char *text = NULL;

	(void)unused;
	om_params_set_number(&plan.attempts[0].params, "bandwidth", OM_PARAM_U64, UINT64_MAX,
			     "MIGRATE_OPTIONS");
	om_strv_add(&plan.infos, "an info");
	om_strv_add(&plan.warnings, "a warning");
	text = om_plan_print(&plan);
	assert_string_equal(
		text,
		"flags: live peer-to-peer tunnelled paused disks active-layers change-protection "
		"unsafe compressed abort-on-error auto-converge rdma-pin-all post-copy tls "
		"parallel synchronous-writes zero-copy\n"
		"downtime limit: 1 ms, at most 2 ms\n"
		"limits: some\n"
		"post-copy: after one pass\npost-copy: never started\n"
		"timeout: 7 s, then post-copy\n"
		"attempt 1: fast\n  bandwidth = 18446744073709551615 (MIGRATE_OPTIONS)\n"
		"attempt 2: oned name, without post-copy, a single stream, not encrypted\n"
		"INFO: an info\nWARN: a warning\n");
	om_plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_is_configured_names_the_fast_network),
		cmocka_unit_test(
			the_next_path_is_tried_only_if_nothing_was_sent_and_the_path_can_be_the_reason),
		cmocka_unit_test(a_refusal_of_post_copy_leads_to_the_same_path_without_it),
		cmocka_unit_test(no_series_of_failures_makes_many_attempts),
		cmocka_unit_test(an_operators_own_post_copy_is_not_taken_away),
		cmocka_unit_test(a_throttled_attempt_is_the_same_with_auto_converge),
		cmocka_unit_test(another_attempt_with_synchronous_writes_keeps_what_it_has),
		cmocka_unit_test(
			an_interface_that_was_not_checked_is_told_so_and_never_taken_for_the_management_one),
		cmocka_unit_test(a_longer_limit_of_the_domains_own_holds_where_nothing_is_set),
		cmocka_unit_test(a_refusal_leaves_nothing_behind),
		cmocka_unit_test(every_part_of_a_plan_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
