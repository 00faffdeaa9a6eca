/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "om_opts.h"

#include <stdio.h>
#include <string.h>

#define V(major, minor, micro) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000) + (micro))

static struct om_opts opts;
static struct om_err err;
static bool never;

/* Debian 12, Debian 13, and a pair that can do everything. */
static const struct om_versions deb12 = { V(9, 0, 0), V(9, 0, 0), V(7, 2, 22), V(7, 2, 22), 0 };
static const struct om_versions deb13 = { V(11, 3, 0), V(11, 3, 0), V(10, 0, 13), V(10, 0, 13), 0 };
static const struct om_versions newest = { V(11, 3, 0), V(11, 3, 0), V(10, 1, 0), V(10, 1, 0), 0 };
static const struct om_versions unknown = { 0, 0, 0, 0, 0 };

static int forget(void **state)
{
	(void)state;
	om_opts_free(&opts);
	return 0;
}

static bool check(const char *text, const struct om_versions *v)
{
	om_opts_free(&opts);
	if (!om_opts_parse(&opts, text, &err) || opts.stock_reason)
		fail_msg("%s: %s", text, opts.stock_reason ? opts.stock_reason : err.msg);
	never = true;
	return om_opts_check(&opts, v, &never, &err);
}

static void passes(const char *text, const struct om_versions *v)
{
	if (!check(text, v))
		fail_msg("%s: %s", text, err.msg);
}

static void fails(const char *text, const struct om_versions *v, const char *sentence)
{
	if (check(text, v))
		fail_msg("passed: %s", text);
	assert_int_equal(err.code, OM_E_INPUT);
	assert_string_equal(err.msg, sentence);
	assert_false(never);
}

/* Refused whatever the versions are, even where they are not known. */
static void fails_always(const char *text, const char *sentence)
{
	fails(text, &unknown, sentence);
	fails(text, &newest, sentence);
}

static void single_options_pass(void **state)
{
	static const char *const texts[] = {
		"",
		"--p2p",
		"--suspend",
		"--compressed",
		"--postcopy",
		"--tls",
		"--parallel",
		"--auto-converge",
		"--unsafe",
		"--timeout 5",
		"--rdma-pin-all",
		"--migrateuri tcp://x",
		"--listen-address ::",
		"--p2p --tunnelled",
		"--comp-methods xbzrle",
		"--bandwidth 5 --postcopy-bandwidth 5",
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++) {
		passes(texts[i], &deb12);
		passes(texts[i], &newest);
		assert_false(never);
		assert_int_equal(opts.warnings.n, 0);
	}
}

static void tunnelled_needs_p2p_and_has_no_address_and_no_postcopy(void **state)
{
	(void)state;
	fails_always("--tunnelled", "--tunnelled needs --p2p");
	fails_always("--p2p --tunnelled --migrateuri tcp://x",
		     "--tunnelled cannot be used with --migrateuri");
	fails_always("--p2p --tunnelled --listen-address ::",
		     "--tunnelled cannot be used with --listen-address");
	fails_always("--p2p --tunnelled --postcopy", "--tunnelled cannot be used with --postcopy");
	fails_always("--p2p --tunnelled --parallel --zerocopy",
		     "--tunnelled cannot be used with --zerocopy");
}

static void postcopy_cannot_end_paused(void **state)
{
	(void)state;
	fails_always("--postcopy --suspend", "--suspend cannot be used with --postcopy");
}

static void zerocopy_needs_parallel_without_tls_and_compression(void **state)
{
	(void)state;
	fails_always("--zerocopy", "--zerocopy needs --parallel");
	fails_always("--zerocopy --parallel --tls", "--tls cannot be used with --zerocopy");
	fails_always("--zerocopy --parallel --compressed",
		     "--compressed cannot be used with --zerocopy");
	fails_always("--zerocopy --parallel --comp-methods zstd",
		     "--zerocopy cannot be used with --comp-methods");
	fails_always("--tls --migrateuri rdma://x", "--tls cannot be used with --migrateuri rdma:");
	fails_always("--zerocopy --parallel --migrateuri rdma://x",
		     "--zerocopy cannot be used with --migrateuri rdma:");
	passes("--zerocopy --parallel", &unknown);
	passes("--zerocopy --parallel", &deb12);
}

static void zerocopy_needs_libvirt_8_5_on_both_and_qemu_7_1_on_the_source(void **state)
{
	struct om_versions v = { V(8, 5, 0), V(8, 4, 0), V(7, 1, 0), V(6, 2, 0), 0 };

	(void)state;
	fails("--zerocopy --parallel", &v,
	      "--zerocopy needs libvirt 8.5 or newer on both hosts, and the destination has 8.4.0");
	v.dst_libvirt = V(8, 5, 0);
	passes("--zerocopy --parallel", &v);
	v.src_qemu = V(7, 0, 90);
	fails("--zerocopy --parallel", &v,
	      "--zerocopy needs QEMU 7.1 or newer, and the source has 7.0.90");
}

static void multifd_compression_needs_parallel_and_libvirt_9_4(void **state)
{
	struct om_versions v = { V(9, 4, 0), V(9, 3, 0), 0, 0, 0 };

	(void)state;
	fails_always("--comp-methods zlib", "--comp-methods zlib needs --parallel");
	fails_always("--comp-methods zstd", "--comp-methods zstd needs --parallel");
	fails_always("--parallel --comp-methods zlib,zstd",
		     "--comp-methods zlib cannot be used with --comp-methods zstd");
	fails("--parallel --comp-methods zstd", &v,
	      "--comp-methods zstd needs libvirt 9.4 or newer on both hosts, and the destination "
	      "has 9.3.0");
	fails("--parallel --comp-methods zlib", &deb12,
	      "--comp-methods zlib needs libvirt 9.4 or newer on both hosts, and the source has "
	      "9.0.0");
	passes("--parallel --comp-methods zstd --comp-zstd-level 20", &deb13);
	passes("--parallel --comp-methods zstd", &unknown);
}

static void xbzrle_and_mt_do_not_go_with_parallel_from_libvirt_9_4(void **state)
{
	struct om_versions v = { 0, V(9, 4, 0), 0, 0, 0 };

	(void)state;
	fails("--parallel --comp-methods xbzrle", &v,
	      "--parallel cannot be used with --comp-methods xbzrle on libvirt 9.4 and newer, and "
	      "the "
	      "destination has 9.4.0");
	fails("--parallel --comp-methods mt", &v,
	      "--parallel cannot be used with --comp-methods mt on libvirt 9.4 and newer, and the "
	      "destination has 9.4.0");
	passes("--parallel --comp-methods mt", &deb12);
	passes("--parallel --comp-methods xbzrle", &deb12);
	v = (struct om_versions){ V(9, 0, 0), V(9, 0, 0), V(7, 2, 0), V(10, 0, 0), 0 };
	fails("--parallel --comp-methods xbzrle", &v,
	      "--parallel cannot be used with --comp-methods xbzrle on QEMU 10.0 and newer, and "
	      "the "
	      "destination has 10.0.0");
}

static void compressed_with_parallel_needs_a_method_from_libvirt_9_4(void **state)
{
	(void)state;
	passes("--compressed --parallel", &deb12);
	passes("--compressed --parallel", &unknown);
	passes("--compressed --parallel --comp-methods zlib", &deb13);
	fails("--compressed --parallel", &deb13,
	      "--compressed with --parallel needs --comp-methods on libvirt 9.4 and newer, and the "
	      "source has 11.3.0");
}

static void what_the_features_ask_for_goes_by_their_name(void **state)
{
	(void)state;
	assert_true(om_opts_parse(&opts, "--parallel", &err));
	om_opts_add_features(&opts, NULL, "YES");
	assert_false(om_opts_check(&opts, &deb13, &never, &err));
	assert_string_equal(err.msg,
			    "FEATURES/MIGRATE_COMPRESSED with --parallel needs --comp-methods "
			    "on libvirt 9.4 and newer, and the source has 11.3.0");
}

static void mt_is_gone_from_qemu_9_1(void **state)
{
	struct om_versions v = { 0, 0, V(9, 0, 99), V(9, 1, 0), 0 };

	(void)state;
	fails("--comp-methods mt", &v,
	      "--comp-methods mt does not work on QEMU 9.1 and newer, and the destination has "
	      "9.1.0");
	v.dst_qemu = V(9, 0, 0);
	passes("--comp-methods mt", &v);
}

static void tuning_needs_what_it_tunes(void **state)
{
	(void)state;
	fails_always("--auto-converge-initial 20", "--auto-converge-initial needs --auto-converge");
	fails_always("--auto-converge-increment 20",
		     "--auto-converge-increment needs --auto-converge");
	fails_always("--parallel-connections 4", "--parallel-connections needs --parallel");
	fails_always("--comp-mt-level 1 --compressed", "--comp-mt-level needs --comp-methods mt");
	fails_always("--comp-mt-threads 1", "--comp-mt-threads needs --comp-methods mt");
	fails_always("--comp-mt-dthreads 1", "--comp-mt-dthreads needs --comp-methods mt");
	fails_always("--comp-xbzrle-cache 4096 --compressed",
		     "--comp-xbzrle-cache needs --comp-methods xbzrle");
	fails_always("--comp-zlib-level 1 --parallel",
		     "--comp-zlib-level needs --comp-methods zlib");
	fails_always("--comp-zstd-level 1 --parallel",
		     "--comp-zstd-level needs --comp-methods zstd");
}

static void numbers_have_qemus_ranges(void **state)
{
	static const struct {
		const char *given, *option;
		unsigned int min, max;
	} rows[] = {
		{ "--auto-converge", "--auto-converge-initial", 1, 99 },
		{ "--auto-converge", "--auto-converge-increment", 1, 99 },
		{ "--parallel", "--parallel-connections", 1, 255 },
		{ "--comp-methods mt", "--comp-mt-level", 0, 9 },
		{ "--comp-methods mt", "--comp-mt-threads", 1, 255 },
		{ "--comp-methods mt", "--comp-mt-dthreads", 1, 255 },
		{ "--parallel --comp-methods zlib", "--comp-zlib-level", 0, 9 },
		{ "--parallel --comp-methods zstd", "--comp-zstd-level", 0, 20 },
	};
	char text[128], sentence[128];

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		for (unsigned int n = rows[i].min ? rows[i].min - 1 : 0; n <= rows[i].max + 1;
		     n++) {
			bool good = n >= rows[i].min && n <= rows[i].max;

			snprintf(text, sizeof(text), "%s %s %u", rows[i].given, rows[i].option, n);
			snprintf(sentence, sizeof(sentence),
				 "%s %u is out of QEMU's range, %u to %u", rows[i].option, n,
				 rows[i].min, rows[i].max);
			if (good)
				passes(text, &unknown);
			else
				fails(text, &unknown, sentence);
		}
}

static void the_cache_of_xbzrle_is_a_power_of_two(void **state)
{
	(void)state;
	passes("--comp-methods xbzrle --comp-xbzrle-cache 67108864", &deb12);
	fails_always("--comp-methods xbzrle --comp-xbzrle-cache 67108865",
		     "--comp-xbzrle-cache 67108865 is no power of two");
	fails_always("--comp-methods xbzrle --comp-xbzrle-cache 0",
		     "--comp-xbzrle-cache 0 is no power of two");
}

static void switchover_bandwidth_needs_libvirt_11_1_on_both_and_qemu_8_2_on_the_source(void **state)
{
	struct om_versions v = { V(11, 1, 0), V(11, 0, 0), V(8, 2, 0), V(7, 2, 0), 0 };
	const char *text = "--available-switchover-bandwidth 500";

	(void)state;
	fails(text, &v,
	      "--available-switchover-bandwidth needs libvirt 11.1 or newer on both hosts, and the "
	      "destination has 11.0.0");
	v.dst_libvirt = V(11, 1, 0);
	passes(text, &v);
	v.src_qemu = V(8, 1, 5);
	fails(text, &v,
	      "--available-switchover-bandwidth needs QEMU 8.2 or newer, and the source has 8.1.5");
	passes(text, &unknown);
}

static void a_unix_uri_has_no_listen_address_and_needs_a_certificate_name(void **state)
{
	(void)state;
	fails_always("--migrateuri unix:///tmp/s --listen-address ::",
		     "--migrateuri unix: cannot be used with --listen-address");
	fails_always("--migrateuri unix:///tmp/s --tls",
		     "--tls with --migrateuri unix: needs --tls-destination");
	passes("--migrateuri unix:///tmp/s --tls --tls-destination node02", &newest);
	passes("--migrateuri tcp://unix: --tls --listen-address ::", &newest);
}

static void rdma_and_postcopy_part_with_qemu_10_2(void **state)
{
	struct om_versions v = { 0, 0, V(10, 1, 0), V(10, 1, 9), 0 };

	(void)state;
	passes("--migrateuri rdma://x --postcopy", &v);
	v.src_qemu = V(10, 2, 0);
	fails("--migrateuri rdma://x --postcopy", &v,
	      "--postcopy cannot be used with --migrateuri rdma: on QEMU 10.2 and newer, and the "
	      "source has 10.2.0");
}

static void gives_up_postcopy(const struct om_versions *v, const char *whose)
{
	passes("--parallel --postcopy --postcopy-after-precopy --timeout 9 --timeout-postcopy", v);
	assert_true(never);
	assert_int_equal(opts.flags, OM_FLAG_LIVE | OM_FLAG_PARALLEL);
	assert_false(opts.postcopy_after_precopy);
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_NONE);
	assert_int_equal(opts.timeout_s, 0);
	assert_int_equal(opts.warnings.n, 1);
	assert_non_null(strstr(opts.warnings.v[0], "--parallel with --postcopy needs QEMU 10.1"));
	assert_non_null(strstr(opts.warnings.v[0], whose));
}

static void parallel_postcopy_below_qemu_10_1_migrates_without_postcopy(void **state)
{
	struct om_versions v = newest;

	(void)state;
	gives_up_postcopy(&deb12, "the source has 7.2.22");
	gives_up_postcopy(&deb13, "the source has 10.0.13");
	v.dst_qemu = V(10, 0, 99);
	gives_up_postcopy(&v, "the destination has 10.0.99");
	v.dst_qemu = 0;
	gives_up_postcopy(&v, "one of them has an unknown version");
}

static void giving_up_postcopy_keeps_a_timeout_that_suspends(void **state)
{
	(void)state;
	passes("--parallel --postcopy --timeout 9", &deb13);
	assert_true(never);
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_SUSPEND);
	assert_int_equal(opts.timeout_s, 9);
}

static void parallel_postcopy_from_qemu_10_1_is_kept(void **state)
{
	(void)state;
	passes("--parallel --postcopy --postcopy-after-precopy", &newest);
	assert_false(never);
	assert_true(opts.flags & OM_FLAG_POSTCOPY);
	assert_true(opts.postcopy_after_precopy);
	assert_int_equal(opts.warnings.n, 0);
}

static bool can(const char *text, const struct om_versions *v)
{
	passes(text, v);
	memset(&err, 0, sizeof(err));
	return om_opts_can_postcopy(&opts, v, &err);
}

static void cannot(const char *text, const struct om_versions *v, const char *why)
{
	if (can(text, v))
		fail_msg("can: %s", text);
	assert_string_equal(err.msg, why);
}

static void a_setting_arms_postcopy_only_where_it_is_right(void **state)
{
	static const struct om_versions good = { V(9, 0, 0), V(11, 4, 0), V(7, 2, 0), V(7, 2, 0),
						 0 };
	struct om_versions v = good;

	(void)state;
	assert_true(can("", &good));
	assert_true(can("--tls --auto-converge --bandwidth 5", &good));
	assert_true(can("--postcopy", &good));
	assert_true(can("--migrateuri tcp://x --timeout 9", &good));
	cannot("--suspend", &good, "--suspend cannot be used with MIGRATE_POSTCOPY");
	cannot("--p2p --tunnelled", &good, "--tunnelled cannot be used with MIGRATE_POSTCOPY");
	cannot("--parallel", &good,
	       "--parallel with MIGRATE_POSTCOPY needs QEMU 10.1 or newer on "
	       "both hosts, and the source has 7.2.0");
	v.src_qemu = v.dst_qemu = V(10, 1, 0);
	assert_true(can("--parallel", &v));
	v.dst_qemu = 0;
	cannot("--parallel", &v,
	       "--parallel with MIGRATE_POSTCOPY needs QEMU 10.1 or newer on both "
	       "hosts, and one of them has an unknown version");
	v = good;
	v.dst_qemu = V(10, 2, 0);
	cannot("--migrateuri rdma://x", &v,
	       "MIGRATE_POSTCOPY cannot be used with --migrateuri rdma: "
	       "on QEMU 10.2 and newer, and the destination has "
	       "10.2.0");
	v = good;
	v.dst_libvirt = 0;
	cannot("", &v, "the version of the destination's libvirt is not known");
}

static void libvirt_11_2_and_11_3_are_no_destination_of_postcopy(void **state)
{
	static const struct {
		uint64_t version;
		bool can;
	} rows[] = { { V(9, 0, 0), true },   { V(11, 1, 99), true }, { V(11, 2, 0), false },
		     { V(11, 2, 9), false }, { V(11, 3, 0), false }, { V(11, 3, 99), false },
		     { V(11, 4, 0), true },  { V(12, 2, 0), true } };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		/* The source's is no matter. */
		const struct om_versions v = { V(11, 3, 0), rows[i].version, 0, 0, 0 };

		if (can("", &v) != rows[i].can)
			fail_msg("row %zu: %s", i, err.msg);
	}
}

/* Whatever the operator asks for: our flag beside it makes no combination that is refused, and none
 * that is given up. */
static void the_flag_of_a_setting_never_makes_a_refused_combination(void **state)
{
	static const unsigned int flags[] = { OM_FLAG_PEER2PEER, OM_FLAG_TUNNELLED,
					      OM_FLAG_PAUSED,	 OM_FLAG_COMPRESSED,
					      OM_FLAG_TLS,	 OM_FLAG_PARALLEL,
					      OM_FLAG_ZEROCOPY,	 OM_FLAG_AUTO_CONVERGE };
	static const char *const uris[] = { NULL, "tcp://x", "unix:/x", "rdma://x" };
	static const uint64_t qemus[] = { 0, V(7, 2, 0), V(10, 0, 0), V(10, 1, 0), V(10, 2, 0) };
	unsigned int armed = 0, kept = 0;

	(void)state;
	for (unsigned int n = 0; n < (1u << OM_ARRAY_LEN(flags)) * 4 * 25; n++) {
		const struct om_versions v = { V(11, 4, 0), V(11, 4, 0), qemus[n / 1024 % 5],
					       qemus[n / 1024 / 5 % 5], 0 };
		struct om_opts o = { .flags = OM_FLAG_LIVE };
		struct om_err why = { 0 };

		for (size_t i = 0; i < OM_ARRAY_LEN(flags); i++)
			o.flags |= n >> i & 1 ? flags[i] : 0;
		if (uris[n / 256 % 4])
			om_params_set_text(&o.params, "migrate_uri", uris[n / 256 % 4], "x");
		if (!om_opts_check(&o, &v, &never, &why)) {
			om_opts_free(&o);
			continue;
		}
		kept++;
		if (om_opts_can_postcopy(&o, &v, &why)) {
			armed++;
			o.flags |= OM_FLAG_POSTCOPY;
			assert_true(om_opts_check(&o, &v, &never, &why));
			assert_false(never);
		} else {
			assert_true(*why.msg);
			o.flags |= OM_FLAG_POSTCOPY;
			assert_true(!om_opts_check(&o, &v, &never, &why) || never);
		}
		om_opts_free(&o);
	}
	assert_true(kept > 1000 && armed > 500 && armed < kept);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, forget)
	const struct CMUnitTest tests[] = {
		TEST(single_options_pass),
		TEST(tunnelled_needs_p2p_and_has_no_address_and_no_postcopy),
		TEST(postcopy_cannot_end_paused),
		TEST(zerocopy_needs_parallel_without_tls_and_compression),
		TEST(zerocopy_needs_libvirt_8_5_on_both_and_qemu_7_1_on_the_source),
		TEST(multifd_compression_needs_parallel_and_libvirt_9_4),
		TEST(xbzrle_and_mt_do_not_go_with_parallel_from_libvirt_9_4),
		TEST(compressed_with_parallel_needs_a_method_from_libvirt_9_4),
		TEST(what_the_features_ask_for_goes_by_their_name),
		TEST(mt_is_gone_from_qemu_9_1),
		TEST(tuning_needs_what_it_tunes),
		TEST(numbers_have_qemus_ranges),
		TEST(the_cache_of_xbzrle_is_a_power_of_two),
		TEST(switchover_bandwidth_needs_libvirt_11_1_on_both_and_qemu_8_2_on_the_source),
		TEST(a_unix_uri_has_no_listen_address_and_needs_a_certificate_name),
		TEST(rdma_and_postcopy_part_with_qemu_10_2),
		TEST(parallel_postcopy_below_qemu_10_1_migrates_without_postcopy),
		TEST(giving_up_postcopy_keeps_a_timeout_that_suspends),
		TEST(parallel_postcopy_from_qemu_10_1_is_kept),
		TEST(a_setting_arms_postcopy_only_where_it_is_right),
		TEST(libvirt_11_2_and_11_3_are_no_destination_of_postcopy),
		TEST(the_flag_of_a_setting_never_makes_a_refused_combination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
