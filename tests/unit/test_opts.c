/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "om_opts.h"

#include <stdlib.h>
#include <string.h>

static struct om_opts opts;
static struct om_err err;

static int forget(void **state)
{
	(void)state;
	om_opts_free(&opts);
	return 0;
}

static void parse(const char *text)
{
	om_opts_free(&opts);
	if (!om_opts_parse(&opts, text, &err))
		fail_msg("%s: %s", text, err.msg);
}

static void is_taken(const char *text)
{
	parse(text);
	if (opts.stock_reason)
		fail_msg("%s: %s", text, opts.stock_reason);
}

static void is_stock(const char *text, const char *reason)
{
	parse(text);
	if (!opts.stock_reason)
		fail_msg("not left to stock: %s", text);
	if (!strstr(opts.stock_reason, reason))
		fail_msg("%s: %s", text, opts.stock_reason);
}

static void has_text(const char *name, const char *text)
{
	const struct om_param *param = om_params_get(&opts.params, name);

	assert_non_null(param);
	assert_int_equal(param->type, OM_PARAM_STRING);
	assert_string_equal(param->text, text);
}

static void has_number(const char *name, enum om_param_type type, uint64_t number)
{
	const struct om_param *param = om_params_get(&opts.params, name);

	assert_non_null(param);
	assert_int_equal(param->type, type);
	assert_true(param->number == number);
	assert_null(param->text);
}

static void no_options_are_a_plain_live_migration(void **state)
{
	(void)state;
	is_taken("");
	assert_int_equal(opts.flags, OM_FLAG_LIVE);
	assert_int_equal(opts.params.n, 0);
	assert_int_equal(opts.warnings.n, 0);
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_NONE);
}

static void each_flag_sets_its_bit_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		unsigned int flag;
	} rows[] = {
		{ "--p2p", 2 },
		{ "--tunnelled", 4 },
		{ "--tunneled", 4 },
		{ "--suspend", 32 },
		{ "--change-protection", 256 },
		{ "--unsafe", 512 },
		{ "--compressed", 2048 },
		{ "--abort-on-error", 4096 },
		{ "--auto-converge", 8192 },
		{ "--rdma-pin-all", 16384 },
		{ "--postcopy", 32768 },
		{ "--tls", 65536 },
		{ "--parallel", 131072 },
		{ "--zerocopy", 1048576 },
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		is_taken(rows[i].text);
		assert_int_equal(opts.flags, rows[i].flag | 1);
		assert_int_equal(opts.params.n, 0);
		assert_int_equal(opts.feature_flags, 0);
	}
}

static void each_text_option_becomes_its_parameter(void **state)
{
	(void)state;
	is_taken("--migrateuri tcp://[fd00::2]:49152 --graphicsuri=spice://h:1/?tlsPort=2 "
		 "--listen-address '0.0.0.0' --tls --tls-destination \"node02\"");
	has_text("migrate_uri", "tcp://[fd00::2]:49152");
	has_text("graphics_uri", "spice://h:1/?tlsPort=2");
	has_text("listen_address", "0.0.0.0");
	has_text("tls.destination", "node02");
	assert_int_equal(opts.params.n, 4);
	assert_string_equal(opts.params.v[0].origin, "MIGRATE_OPTIONS");
}

static void each_number_option_becomes_its_parameter_of_libvirts_type(void **state)
{
	(void)state;
	is_taken("--comp-mt-level 1 --comp-mt-threads=2 --comp-mt-dthreads 3 "
		 "--comp-xbzrle-cache 67108864 --auto-converge-initial 20 "
		 "--auto-converge-increment=10 --postcopy-bandwidth 5 --parallel-connections 4 "
		 "--bandwidth 1000 --comp-zlib-level 6 --comp-zstd-level 7 "
		 "--available-switchover-bandwidth 8");
	has_number("compression.mt.level", OM_PARAM_INT, 1);
	has_number("compression.mt.threads", OM_PARAM_INT, 2);
	has_number("compression.mt.dthreads", OM_PARAM_INT, 3);
	has_number("compression.xbzrle.cache", OM_PARAM_U64, 67108864);
	has_number("auto_converge.initial", OM_PARAM_INT, 20);
	has_number("auto_converge.increment", OM_PARAM_INT, 10);
	has_number("bandwidth.postcopy", OM_PARAM_U64, 5);
	has_number("parallel.connections", OM_PARAM_INT, 4);
	has_number("bandwidth", OM_PARAM_U64, 1000);
	has_number("compression.zlib.level", OM_PARAM_INT, 6);
	has_number("compression.zstd.level", OM_PARAM_INT, 7);
	has_number("bandwidth.avail.switchover", OM_PARAM_U64, 8);
	assert_int_equal(opts.params.n, 12);
}

static void numbers_keep_within_what_libvirt_can_multiply(void **state)
{
	(void)state;
	is_taken("--bandwidth 8796093022207");
	is_stock("--bandwidth 8796093022208", "--bandwidth");
	is_taken("--parallel-connections 2147483647");
	is_stock("--parallel-connections 2147483648", "--parallel-connections");
	is_taken("--timeout 4294967295");
	is_stock("--timeout 4294967296", "--timeout");
	is_stock("--bandwidth 99999999999999999999", "--bandwidth");
}

static void a_number_that_is_not_plain_is_left_to_virsh(void **state)
{
	static const char *const bad[] = { "--bandwidth x",   "--bandwidth -1", "--bandwidth 1G",
					   "--bandwidth=",    "--bandwidth ''", "--bandwidth ' 5'",
					   "--bandwidth 0x5", "--timeout 5s",	"--timeout=" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++)
		is_stock(bad[i], "is left to virsh");
}

static void compression_methods_are_a_list(void **state)
{
	(void)state;
	is_taken("--comp-methods mt,xbzrle");
	assert_int_equal(opts.params.n, 2);
	assert_string_equal(opts.params.v[0].name, "compression");
	assert_string_equal(opts.params.v[0].text, "mt");
	assert_string_equal(opts.params.v[1].text, "xbzrle");
	is_taken("--comp-methods=zstd");
	has_text("compression", "zstd");
	is_stock("--comp-methods lz4", "--comp-methods");
	is_stock("--comp-methods mt,,zlib", "--comp-methods");
	is_stock("--comp-methods mt,mt", "--comp-methods");
	is_stock("--comp-methods ''", "--comp-methods");
	is_stock("--comp-methods MT", "--comp-methods");
}

static void a_timeout_without_an_action_suspends(void **state)
{
	(void)state;
	is_taken("--timeout 30");
	assert_int_equal(opts.timeout_s, 30);
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_SUSPEND);
	is_taken("--timeout-suspend --timeout=30");
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_SUSPEND);
	is_taken("--postcopy --timeout 5 --timeout-postcopy");
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_POSTCOPY);
	is_taken("--postcopy --timeout-postcopy --timeout 5");
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_POSTCOPY);
	assert_false(opts.postcopy_after_precopy);
	is_taken("--timeout 0");
	assert_int_equal(opts.timeout_s, 0);
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_NONE);
}

static void what_virsh_requires_is_left_to_virsh_where_it_is_missing(void **state)
{
	(void)state;
	is_stock("--timeout-suspend", "--timeout-suspend needs --timeout");
	is_stock("--timeout 0 --timeout-suspend", "--timeout-suspend needs --timeout");
	is_stock("--postcopy --timeout-postcopy", "--timeout-postcopy needs --timeout");
	is_stock("--timeout 5 --timeout-postcopy", "--timeout-postcopy needs --postcopy");
	is_stock("--timeout 5 --timeout-suspend --timeout-postcopy --postcopy",
		 "exclude each other");
	is_stock("--postcopy-after-precopy", "needs --postcopy");
	is_stock("--tls-destination x", "needs --tls");
	is_taken("--postcopy-after-precopy --postcopy");
	assert_true(opts.postcopy_after_precopy);
	assert_int_equal(opts.warnings.n, 0);
	assert_int_equal(opts.timeout_action, OM_TIMEOUT_NONE);
	is_taken("--postcopy-bandwidth 5");
}

static void live_and_verbose_have_no_effect(void **state)
{
	(void)state;
	is_taken("--verbose --live");
	assert_int_equal(opts.flags, OM_FLAG_LIVE);
	assert_int_equal(opts.warnings.n, 0);
}

static void what_would_define_the_domain_is_dropped_with_a_sentence(void **state)
{
	(void)state;
	is_taken("--persistent --unsafe --undefinesource");
	assert_int_equal(opts.flags, OM_FLAG_LIVE | OM_FLAG_UNSAFE);
	assert_int_equal(opts.warnings.n, 2);
	assert_non_null(strstr(opts.warnings.v[0], "--persistent in MIGRATE_OPTIONS is left out"));
	assert_non_null(strstr(opts.warnings.v[1], "--undefinesource"));
}

static void what_this_release_does_not_do_is_left_to_stock(void **state)
{
	static const char *const words[] = {
		"--offline",  "--direct",	   "--xml /tmp/x",
		"--dname x",  "--postcopy-resume", "--persistent-xml /x",
		"--domain x", "--desturi x",
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(words); i++)
		is_stock(words[i], " in MIGRATE_OPTIONS (");
}

static void options_of_storage_are_kept_for_where_it_is_not_shared(void **state)
{
	(void)state;
	is_taken(
		"--copy-storage-all --copy-storage-inc --copy-storage-synchronous-writes "
		"--migrate-disks vda,vdb --migrate-disks-detect-zeroes=vda,,vdb --disks-port 49200");
	assert_int_equal(opts.flags, OM_FLAG_LIVE);
	assert_true(opts.sync_writes);
	assert_int_equal(opts.storage.n, 5);
	assert_string_equal(opts.storage.v[0], "--copy-storage-all");
	assert_string_equal(opts.storage.v[3], "--migrate-disks");
	assert_int_equal(opts.zero_disks.n, 2);
	assert_string_equal(opts.zero_disks.v[1], "vdb");
	assert_int_equal(om_params_get(&opts.params, "disks_port")->number, 49200);
	is_taken("--copy-storage-all --disks-uri tcp://10.0.0.2");
	assert_false(opts.sync_writes);
	assert_string_equal(om_params_get(&opts.params, "disks_uri")->text, "tcp://10.0.0.2");
	is_stock("--copy-storage-all --copy-storage-all", "given twice");
	is_stock("--migrate-disks", "no value");
}

static void what_virsh_does_not_know_is_left_to_virsh(void **state)
{
	(void)state;
	is_stock("foo", "'foo'");
	is_stock("-x", "'-x'");
	is_stock("--", "'--'");
	is_stock("--=5", "'--=5'");
	is_stock("--liv", "'--liv'");
	is_stock("--Suspend", "'--Suspend'");
	is_stock("--unsafe --help", "'--help'");
	is_stock("''", "''");
	is_stock("--unsafe\\ ", "'--unsafe '");
}

static void a_flag_with_a_value_or_an_option_without_one_is_left_to_virsh(void **state)
{
	(void)state;
	is_stock("--suspend=yes", "--suspend takes no value");
	is_stock("--suspend=", "--suspend takes no value");
	is_stock("--bandwidth", "--bandwidth has no value");
	is_stock("--migrateuri ''", "--migrateuri");
	is_stock("--migrateuri=", "--migrateuri");
}

static void an_option_takes_the_next_word_whatever_it_is(void **state)
{
	(void)state;
	is_taken("--migrateuri --unsafe");
	has_text("migrate_uri", "--unsafe");
	assert_int_equal(opts.flags, OM_FLAG_LIVE);
}

static void a_repeated_option_is_left_to_virsh(void **state)
{
	(void)state;
	is_stock("--unsafe --unsafe", "--unsafe is given twice");
	is_stock("--bandwidth 5 --bandwidth=6", "--bandwidth is given twice");
	is_stock("--live --live", "--live is given twice");
	is_stock("--p2p --tunnelled --tunneled", "given twice");
}

static void what_only_a_shell_can_expand_is_left_to_stock(void **state)
{
	(void)state;
	is_stock("--migrateuri tcp://$FAST", "'$'");
	is_stock("--unsafe; reboot", "';'");
	is_stock("--unsafe # why", "'#'");
	is_taken("--migrateuri 'tcp://$FAST'");
	has_text("migrate_uri", "tcp://$FAST");
}

static void an_open_quote_is_left_to_stock(void **state)
{
	(void)state;
	is_stock("--unsafe \"", "open quote");
	is_stock("--unsafe \\", "backslash");
}

static void the_reason_is_one_clean_line(void **state)
{
	(void)state;
	is_stock("'--x\ny\x1b'", "'--x?y?'");
}

static void the_first_reason_stands(void **state)
{
	(void)state;
	is_stock("--offline foo --timeout-suspend", "--offline");
}

static void an_endless_text_is_refused(void **state)
{
	char *text = om_xcalloc(4098, 1);

	(void)state;
	memset(text, ' ', 4097);
	assert_false(om_opts_parse(&opts, text, &err));
	assert_int_equal(err.code, OM_E_INPUT);
	om_opts_free(&opts);
	text[4096] = '\0';
	is_taken(text);
	for (size_t i = 0; i < 129 * 2; i += 2)
		text[i] = 'x';
	om_opts_free(&opts);
	assert_false(om_opts_parse(&opts, text, &err));
	assert_non_null(strstr(err.msg, "128 words"));
	text[128 * 2] = ' ';
	is_stock(text, "'x'");
	free(text);
}

/* From `virsh help migrate` of libvirt 9.0 and opts_migrate of 11.3. */
static void the_table_has_every_option_of_virsh(void **state)
{
	static const char *const all =
		"domain desturi live offline p2p direct tunnelled persistent undefinesource "
		"suspend "
		"copy-storage-all copy-storage-inc copy-storage-synchronous-writes "
		"change-protection unsafe verbose compressed auto-converge rdma-pin-all "
		"abort-on-error postcopy postcopy-after-precopy postcopy-resume zerocopy "
		"migrateuri graphicsuri listen-address dname timeout timeout-suspend "
		"timeout-postcopy xml migrate-disks disks-port disks-uri comp-methods "
		"comp-mt-level comp-mt-threads comp-mt-dthreads comp-xbzrle-cache "
		"auto-converge-initial auto-converge-increment persistent-xml tls "
		"postcopy-bandwidth parallel parallel-connections bandwidth tls-destination "
		"tunneled migrate-disks-detect-zeroes comp-zlib-level comp-zstd-level "
		"available-switchover-bandwidth";
	struct om_strv names;
	size_t found = 0;

	(void)state;
	assert_true(om_shell_split(&names, all));
	for (size_t i = 0; i < names.n; i++)
		for (size_t row = 0; row < om_opt_table_rows; row++)
			found += strcmp(names.v[i], om_opt_table[row].name) == 0;
	assert_int_equal(found, names.n);
	assert_int_equal(om_opt_table_rows, names.n);
	om_strv_free(&names);
}

static void the_printed_table_has_a_line_for_each_option(void **state)
{
	char *text = om_opts_print_table(false), *man = om_opts_print_table(true);
	size_t lines = 0;

	(void)state;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, om_opt_table_rows);
	assert_non_null(strstr(text, "--copy-storage-all                 taken "));
	assert_non_null(strstr(man, ".TP\n.B \\-\\-bandwidth N\n(taken) limit in MiB/s"));
	free(text);
	free(man);
}

static void encryption_by_virsh_is_told_only_where_it_is_certain(void **state)
{
	static const struct {
		const char *text;
		bool says;
	} rows[] = {
		{ "--tls", true },
		{ "--nosuch\t'--tls'", true },
		{ "--xml f --tls --live", true },
		{ "", false },
		{ "--tls-destination x", false },
		{ "'--nosuch --tls'", false },
		{ "--nosuch #--tls", false },
		{ "--live # --tls", false },
		{ "--tls $X", false },
		{ "x; --tls", false },
		{ "--tls '", false },
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (om_opts_say_tls(rows[i].text) != rows[i].says)
			fail_msg("%s", rows[i].text);
}

static void a_parameter_is_replaced_but_for_compression(void **state)
{
	struct om_params p = { 0 }, copy;

	(void)state;
	om_params_set_text(&p, "migrate_uri", "tcp://a", "A");
	om_params_set_text(&p, "migrate_uri", "tcp://b", "B");
	om_params_set_text(&p, "compression", "mt", "A");
	om_params_set_text(&p, "compression", "xbzrle", "A");
	om_params_set_text(&p, "compression", "mt", "B");
	om_params_set_number(&p, "bandwidth", OM_PARAM_U64, 5, "A");
	om_params_set_number(&p, "bandwidth", OM_PARAM_U64, 6, "B");
	assert_int_equal(p.n, 4);
	assert_string_equal(om_params_get(&p, "migrate_uri")->text, "tcp://b");
	assert_string_equal(om_params_get(&p, "migrate_uri")->origin, "B");
	assert_int_equal(om_params_get(&p, "bandwidth")->number, 6);
	om_params_copy(&copy, &p);
	om_params_drop(&p, "compression");
	assert_int_equal(p.n, 2);
	assert_null(om_params_get(&p, "compression"));
	assert_non_null(om_params_get(&p, "bandwidth"));
	om_params_free(&p);
	assert_string_equal(om_params_get(&copy, "migrate_uri")->text, "tcp://b");
	om_params_set_text(&copy, "migrate_uri", om_params_get(&copy, "migrate_uri")->text, "C");
	assert_string_equal(om_params_get(&copy, "migrate_uri")->text, "tcp://b");
	om_params_free(&copy);
	assert_int_equal(copy.n, 0);
}

static void the_features_stand_after_the_options(void **state)
{
	(void)state;
	is_taken("--auto-converge --auto-converge-initial 5 --auto-converge-increment 6");
	om_opts_add_features(&opts, "20", "YES");
	has_number("auto_converge.initial", OM_PARAM_INT, 20);
	has_number("auto_converge.increment", OM_PARAM_INT, 6);
	assert_string_equal(om_params_get(&opts.params, "auto_converge.initial")->origin,
			    "FEATURES");
	assert_int_equal(opts.flags, OM_FLAG_LIVE | OM_FLAG_AUTO_CONVERGE | OM_FLAG_COMPRESSED);
	assert_int_equal(opts.feature_flags, OM_FLAG_COMPRESSED);
	is_taken("");
	om_opts_add_features(&opts, " 20 , 10 ", NULL);
	has_number("auto_converge.initial", OM_PARAM_INT, 20);
	has_number("auto_converge.increment", OM_PARAM_INT, 10);
	assert_int_equal(opts.feature_flags, OM_FLAG_AUTO_CONVERGE);
	assert_int_equal(opts.warnings.n, 0);
}

static void features_that_say_no_switch_nothing_on(void **state)
{
	static const char *const no[] = { "0", "no", "NO", "false", "", "  ", "0,10", NULL };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(no); i++) {
		bool number = no[i] && strchr(no[i], ',');

		is_taken("");
		om_opts_add_features(&opts, no[i], number ? NULL : no[i]);
		assert_int_equal(opts.flags, OM_FLAG_LIVE);
		assert_int_equal(opts.params.n, 0);
		assert_int_equal(opts.warnings.n, 0);
	}
}

static void features_that_say_yes_take_the_defaults(void **state)
{
	static const char *const yes[] = { "yes", "YES", " yes\n", "true" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(yes); i++) {
		is_taken("");
		om_opts_add_features(&opts, yes[i], yes[i]);
		assert_int_equal(opts.flags,
				 OM_FLAG_LIVE | OM_FLAG_AUTO_CONVERGE | OM_FLAG_COMPRESSED);
		assert_int_equal(opts.params.n, 0);
		assert_int_equal(opts.warnings.n, 0);
	}
}

static void percentages_are_clamped_to_what_qemu_takes(void **state)
{
	(void)state;
	is_taken("");
	om_opts_add_features(&opts, "100,0", NULL);
	has_number("auto_converge.initial", OM_PARAM_INT, 99);
	has_number("auto_converge.increment", OM_PARAM_INT, 1);
	assert_int_equal(opts.warnings.n, 1);
	is_taken("");
	om_opts_add_features(&opts, "1,99", NULL);
	has_number("auto_converge.initial", OM_PARAM_INT, 1);
	has_number("auto_converge.increment", OM_PARAM_INT, 99);
	assert_int_equal(opts.warnings.n, 0);
	is_taken("");
	om_opts_add_features(&opts, "1", NULL);
	has_number("auto_converge.initial", OM_PARAM_INT, 1);
}

static void features_that_cannot_be_read_are_left_out_with_a_warning(void **state)
{
	static const char *const bad[] = { "20,10,5", "20,", ",10", "x",
					   "20%",     "-5",  "2 0", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++) {
		is_taken("");
		om_opts_add_features(&opts, bad[i], bad[i]);
		assert_int_equal(opts.flags, OM_FLAG_LIVE);
		assert_int_equal(opts.params.n, 0);
		assert_int_equal(opts.warnings.n, 2);
		assert_non_null(strstr(opts.warnings.v[0], bad[i]));
	}
	is_taken("");
	om_opts_add_features(&opts, "a\nb", NULL);
	assert_non_null(strstr(opts.warnings.v[0], "'a?b'"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, forget)
	const struct CMUnitTest tests[] = {
		TEST(no_options_are_a_plain_live_migration),
		TEST(each_flag_sets_its_bit_and_nothing_else),
		TEST(each_text_option_becomes_its_parameter),
		TEST(each_number_option_becomes_its_parameter_of_libvirts_type),
		TEST(numbers_keep_within_what_libvirt_can_multiply),
		TEST(a_number_that_is_not_plain_is_left_to_virsh),
		TEST(compression_methods_are_a_list),
		TEST(a_timeout_without_an_action_suspends),
		TEST(what_virsh_requires_is_left_to_virsh_where_it_is_missing),
		TEST(live_and_verbose_have_no_effect),
		TEST(what_would_define_the_domain_is_dropped_with_a_sentence),
		TEST(what_this_release_does_not_do_is_left_to_stock),
		TEST(options_of_storage_are_kept_for_where_it_is_not_shared),
		TEST(what_virsh_does_not_know_is_left_to_virsh),
		TEST(a_flag_with_a_value_or_an_option_without_one_is_left_to_virsh),
		TEST(an_option_takes_the_next_word_whatever_it_is),
		TEST(a_repeated_option_is_left_to_virsh),
		TEST(what_only_a_shell_can_expand_is_left_to_stock),
		TEST(an_open_quote_is_left_to_stock),
		TEST(the_reason_is_one_clean_line),
		TEST(the_first_reason_stands),
		TEST(an_endless_text_is_refused),
		TEST(the_table_has_every_option_of_virsh),
		TEST(the_printed_table_has_a_line_for_each_option),
		TEST(encryption_by_virsh_is_told_only_where_it_is_certain),
		TEST(a_parameter_is_replaced_but_for_compression),
		TEST(the_features_stand_after_the_options),
		TEST(features_that_say_no_switch_nothing_on),
		TEST(features_that_say_yes_take_the_defaults),
		TEST(percentages_are_clamped_to_what_qemu_takes),
		TEST(features_that_cannot_be_read_are_left_out_with_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
