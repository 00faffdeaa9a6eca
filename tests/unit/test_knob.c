/* SPDX-License-Identifier: Apache-2.0 */
#include "om_check.h"
#include "om_cmocka.h"
#include "om_knob.h"

#include <stdlib.h>
#include <string.h>

static struct om_knobs knobs;
static struct om_err err;

static int64_t epoch_s(struct tm *local)
{
	return timegm(local);
}

/* 2027-01-31 12:00 of a host that keeps UTC. */
static const struct om_clock noon = {
	.now_ms = INT64_C(1801396800000),
	.now = { .tm_year = 127, .tm_mon = 0, .tm_mday = 31, .tm_hour = 12 },
	.epoch_s = epoch_s
};

static int forget(void **state)
{
	(void)state;
	om_knobs_free(&knobs);
	return 0;
}

#define RESOLVE(...)                                                                               \
	resolve((const struct om_knob_source[]){ __VA_ARGS__ },                                    \
		sizeof((struct om_knob_source[]){ __VA_ARGS__ }) / sizeof(struct om_knob_source))

static bool resolve(const struct om_knob_source *sources, size_t count)
{
	om_knobs_free(&knobs);
	memset(&err, 0, sizeof(err));
	return om_knobs_resolve(&knobs, sources, count, &noon, &err);
}

static bool try_one(const char *name, const char *text)
{
	return RESOLVE({ name, text, OM_ORIGIN_KVMRC });
}

static void is_text(enum om_knob_id id, const char *text, enum om_origin origin)
{
	assert_string_equal(om_knob_text(&knobs, id), text);
	assert_int_equal(knobs.v[id].origin, origin);
}

static void without_sources_every_setting_has_its_default(void **state)
{
	(void)state;
	assert_true(resolve(NULL, 0));
	for (int id = 0; id < OM_KNOB_COUNT; id++)
		is_text((enum om_knob_id)id, om_knob_table[id].def, OM_ORIGIN_DEFAULT);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_VIRSH_TRIES), 3);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_SYNC_TIME), 1);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_CLEANUP_MEMORY_ON_STOP), 0);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_NETWORK_POLICY), 0);
}

static void a_later_origin_wins_whatever_the_order(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "MIGRATE_NETWORK", "10.3.0.0/24", OM_ORIGIN_DATASTORE },
			    { "MIGRATE_NETWORK", "10.2.0.0/24", OM_ORIGIN_RC },
			    { "LIBVIRT_URI", "qemu:///a", OM_ORIGIN_KVMRC },
			    { "LIBVIRT_URI", "qemu:///b", OM_ORIGIN_ENVIRONMENT }));
	is_text(OM_KNOB_MIGRATE_NETWORK, "10.3.0.0/24", OM_ORIGIN_DATASTORE);
	is_text(OM_KNOB_LIBVIRT_URI, "qemu:///a", OM_ORIGIN_KVMRC);
}

static void of_one_origin_the_last_source_counts(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "LIBVIRT_URI", "qemu:///a", OM_ORIGIN_KVMRC },
			    { "LIBVIRT_URI", "qemu:///b", OM_ORIGIN_KVMRC }));
	is_text(OM_KNOB_LIBVIRT_URI, "qemu:///b", OM_ORIGIN_KVMRC);
}

static void an_empty_or_blank_text_counts_as_unset(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "LIBVIRT_URI", "qemu:///a", OM_ORIGIN_KVMRC },
			    { "LIBVIRT_URI", "", OM_ORIGIN_RC },
			    { "QEMU_PROTOCOL", " \t\n", OM_ORIGIN_RC },
			    { "SYNC_TIME", NULL, OM_ORIGIN_RC }));
	is_text(OM_KNOB_LIBVIRT_URI, "qemu:///a", OM_ORIGIN_KVMRC);
	is_text(OM_KNOB_QEMU_PROTOCOL, "qemu+ssh", OM_ORIGIN_DEFAULT);
	is_text(OM_KNOB_SYNC_TIME, "yes", OM_ORIGIN_DEFAULT);
}

static void unknown_names_are_ignored(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "NO_SUCH_SETTING", "\x01", OM_ORIGIN_RC },
			    { "migrate_network", "nonsense", OM_ORIGIN_RC }));
}

static void an_origin_out_of_scope_is_ignored_even_with_a_bad_value(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "MIGRATE_OPTIONS", "--unsafe", OM_ORIGIN_KVMRC },
			    { "MIGRATE_OPTIONS", "--auto-converge", OM_ORIGIN_DATASTORE },
			    { "MIGRATE_OPTIONS", "--tls", OM_ORIGIN_VM },
			    { "MIGRATE_NETWORK", "nonsense", OM_ORIGIN_VM },
			    { "MIGRATE_NETWORK", "nonsense", OM_ORIGIN_DEFAULT }));
	is_text(OM_KNOB_MIGRATE_OPTIONS, "--unsafe", OM_ORIGIN_KVMRC);
	is_text(OM_KNOB_MIGRATE_NETWORK, "", OM_ORIGIN_DEFAULT);
}

/* A datastore's template reaches no script that has to do without the helper. */
static void encryption_is_asked_for_where_every_script_reads_it(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "MIGRATE_TLS", "required", OM_ORIGIN_DATASTORE },
			    { "MIGRATE_NETWORK_POLICY", " ", OM_ORIGIN_DATASTORE },
			    { "MIGRATE_POLICY", "gentle", OM_ORIGIN_DATASTORE },
			    { "MIGRATE_NETWORK_POLICY", "strict", OM_ORIGIN_VM }));
	is_text(OM_KNOB_MIGRATE_TLS, "off", OM_ORIGIN_DEFAULT);
	assert_int_equal(knobs.warnings.n, 1);
	assert_string_equal(knobs.warnings.v[0],
			    "MIGRATE_TLS 'required' in the datastore's template is ignored: it "
			    "counts in kvmrc and onemigraterc alone");
	assert_int_equal(knobs.notes.n, 0);
}

static void a_value_that_loses_is_not_judged(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "MIGRATE_NETWORK", "nonsense", OM_ORIGIN_KVMRC },
			    { "MIGRATE_NETWORK", "10.0.0.0/8", OM_ORIGIN_RC }));
}

static void blanks_around_a_value_go(void **state)
{
	(void)state;
	assert_true(try_one("LIBVIRT_URI", "  qemu:///x \n"));
	is_text(OM_KNOB_LIBVIRT_URI, "qemu:///x", OM_ORIGIN_KVMRC);
}

static void yes_and_no_have_six_spellings_in_any_case(void **state)
{
	static const char *const words[][2] = { { "yes", "No" },
						{ "TRUE", "False" },
						{ "1", "0" } };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(words); i++) {
		assert_true(try_one("MIGRATE_DEBUG", words[i][0]));
		is_text(OM_KNOB_MIGRATE_DEBUG, "yes", OM_ORIGIN_KVMRC);
		assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_DEBUG), 1);
		assert_true(try_one("MIGRATE_DEBUG", words[i][1]));
		is_text(OM_KNOB_MIGRATE_DEBUG, "no", OM_ORIGIN_KVMRC);
		assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_DEBUG), 0);
	}
}

static void a_lenient_setting_takes_its_default_for_a_bad_value(void **state)
{
	static const char *const bad[] = { "0", "x", "-1", "3x", "1.5" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++) {
		assert_true(try_one("VIRSH_TRIES", bad[i]));
		is_text(OM_KNOB_VIRSH_TRIES, "3", OM_ORIGIN_DEFAULT);
		assert_int_equal(om_knob_number(&knobs, OM_KNOB_VIRSH_TRIES), 3);
	}
	assert_true(try_one("SYNC_TIME", "perhaps"));
	is_text(OM_KNOB_SYNC_TIME, "yes", OM_ORIGIN_DEFAULT);
	assert_true(try_one("CLEANUP_MEMORY_ON_STOP", "perhaps"));
	is_text(OM_KNOB_CLEANUP_MEMORY_ON_STOP, "no", OM_ORIGIN_DEFAULT);
}

static void the_number_of_tries_has_both_its_ends(void **state)
{
	(void)state;
	assert_true(try_one("VIRSH_TRIES", "1"));
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_VIRSH_TRIES), 1);
	assert_true(try_one("VIRSH_TRIES", " 100 "));
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_VIRSH_TRIES), 100);
	assert_true(try_one("VIRSH_TRIES", " 101 "));
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_VIRSH_TRIES), 100);
	is_text(OM_KNOB_VIRSH_TRIES, "100", OM_ORIGIN_KVMRC);
}

static void a_choice_is_one_of_its_words_in_any_case(void **state)
{
	(void)state;
	assert_true(try_one("MIGRATE_NETWORK_POLICY", "STRICT"));
	is_text(OM_KNOB_MIGRATE_NETWORK_POLICY, "strict", OM_ORIGIN_KVMRC);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_NETWORK_POLICY), 1);
	assert_true(try_one("MIGRATE_NETWORK_POLICY", "fallback"));
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_NETWORK_POLICY), 0);
}

static void a_bad_value_is_refused_with_name_value_origin_and_what_is_allowed(void **state)
{
	(void)state;
	assert_false(RESOLVE({ "MIGRATE_NETWORK_POLICY", "strictly", OM_ORIGIN_RC }));
	assert_int_equal(err.code, OM_E_INPUT);
	assert_string_equal(err.msg,
			    "MIGRATE_NETWORK_POLICY 'strictly' from onemigraterc cannot be "
			    "used: one of fallback|strict is expected");
	assert_int_equal(knobs.texts.n, 0);
	assert_null(om_knob_text(&knobs, OM_KNOB_LIBVIRT_URI));
}

static void a_network_with_host_bits_set_is_refused_with_the_network_meant(void **state)
{
	(void)state;
	assert_false(RESOLVE({ "MIGRATE_NETWORK", "10.1.0.5/24", OM_ORIGIN_DATASTORE }));
	assert_non_null(strstr(err.msg, "MIGRATE_NETWORK '10.1.0.5/24' from datastore"));
	assert_non_null(strstr(err.msg, "10.1.0.0/24"));
}

static void a_host_suffix_has_only_the_characters_of_a_name(void **state)
{
	char longest[65] = "";

	(void)state;
	assert_true(try_one("DEST_HOST_APPEND", "-10g1"));
	assert_true(try_one("DEST_HOST_APPEND", ".mig_Z9"));
	assert_false(try_one("DEST_HOST_APPEND", "-10g1;reboot"));
	assert_false(try_one("DEST_HOST_APPEND", "$(reboot)"));
	assert_false(try_one("DEST_HOST_APPEND", "a b"));
	assert_false(try_one("DEST_HOST_APPEND", "/"));
	memset(longest, 'a', 64);
	assert_false(try_one("DEST_HOST_APPEND", longest));
	longest[63] = '\0';
	assert_true(try_one("DEST_HOST_APPEND", longest));
}

static void a_protocol_has_only_small_letters_digits_and_plus(void **state)
{
	(void)state;
	assert_true(try_one("QEMU_PROTOCOL", "qemu+tls"));
	assert_false(try_one("QEMU_PROTOCOL", "QEMU+ssh"));
	assert_false(try_one("QEMU_PROTOCOL", "qemu+ssh://x"));
	assert_false(try_one("QEMU_PROTOCOL", "qemu,ssh"));
}

static void control_characters_are_refused_and_do_not_reach_the_sentence(void **state)
{
	(void)state;
	assert_true(try_one("MIGRATE_OPTIONS", "--unsafe\t--tls\n--p2p"));
	assert_false(try_one("MIGRATE_OPTIONS", "--unsafe\x1b[2J"));
	assert_null(strchr(err.msg, '\x1b'));
	assert_false(try_one("LIBVIRT_URI", "qemu:///\x7f"));
	assert_false(try_one("MIGRATE_NETWORK", "10.0.0.0/8\nExitCode: 0"));
	assert_null(strchr(err.msg, '\n'));
}

static void a_text_of_more_than_4096_bytes_is_refused(void **state)
{
	char *text = om_xcalloc(4098, 1);

	(void)state;
	memset(text, 'x', 4097);
	assert_false(try_one("MIGRATE_OPTIONS", text));
	text[4096] = '\0';
	assert_true(try_one("MIGRATE_OPTIONS", text));
	free(text);
}

static void only_checks_that_there_are_can_be_ignored(void **state)
{
	size_t count;
	const struct om_check_info *checks = om_check_table(&count);

	(void)state;
	assert_true(try_one("MIGRATE_CHECK_IGNORE", "cpu, host-uuid\thugepages"));
	is_text(OM_KNOB_MIGRATE_CHECK_IGNORE, "cpu, host-uuid\thugepages", OM_ORIGIN_KVMRC);
	assert_true(RESOLVE({ "MIGRATE_CHECK_IGNORE", "tpm", OM_ORIGIN_DATASTORE }));
	is_text(OM_KNOB_MIGRATE_CHECK_IGNORE, "tpm", OM_ORIGIN_DATASTORE);
	assert_true(RESOLVE({ "MIGRATE_CHECK_IGNORE", "no-such", OM_ORIGIN_VM }));
	assert_false(try_one("MIGRATE_CHECK_IGNORE", "cpu,hostuuid"));
	assert_true(om_str_starts(err.msg, "MIGRATE_CHECK_IGNORE 'cpu,hostuuid' from kvmrc cannot "
					   "be used: 'hostuuid' is no check; there are: "));
	for (size_t i = 0; i < count; i++)
		assert_non_null(strstr(err.msg, checks[i].name));
	assert_string_equal(err.msg + strlen(err.msg) - strlen(checks[count - 1].name),
			    checks[count - 1].name);
	assert_false(try_one("MIGRATE_CHECK_IGNORE", "CPU"));
	assert_false(try_one("MIGRATE_CHECK_IGNORE", "yes"));
	assert_false(try_one("MIGRATE_CHECK_IGNORE", "cp"));
}

static void what_a_blocker_does_is_one_of_three(void **state)
{
	static const char *const words[] = { "block", "warn", "off" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(words); i++) {
		assert_true(RESOLVE({ "MIGRATE_CHECK", words[i], OM_ORIGIN_DATASTORE }));
		assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_CHECK), i);
	}
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_CHECK), OM_CHECK_OFF);
	assert_false(try_one("MIGRATE_CHECK", "no"));
	assert_true(RESOLVE({ "MIGRATE_CHECK", "off", OM_ORIGIN_VM }));
	is_text(OM_KNOB_MIGRATE_CHECK, "block", OM_ORIGIN_DEFAULT);
	assert_true(try_one("MIGRATE_HOOK_SECONDS", "600"));
	assert_false(try_one("MIGRATE_HOOK_SECONDS", "601"));
	assert_false(try_one("MIGRATE_HOOK_SECONDS", "0"));
	assert_true(try_one("MIGRATE_NOTIFY", "agent"));
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_NOTIFY), 1);
}

static void every_row_of_the_table_is_complete(void **state)
{
	(void)state;
	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		const struct om_knob_row *row = &om_knob_table[id];

		assert_non_null(row->name);
		assert_non_null(row->unit);
		assert_non_null(row->def);
		assert_true(row->scope & OM_SCOPE_HOST);
		assert_non_null(row->help);
		assert_int_equal(row->help[strlen(row->help) - 1], '.');
		assert_true(*row->def || row->example);
		assert_true((row->type == OM_KNOB_CHOICE) == (row->choices != NULL));
		assert_true(try_one(row->name, row->example ? row->example : row->def));
		assert_string_equal(om_knob_text(&knobs, (enum om_knob_id)id),
				    row->example ? row->example : row->def);
	}
}

/* ---- what a VM's owner may write ---- */

#define MAY_SET(names)                                                                             \
	{                                                                                          \
		"MIGRATE_VM_MAY_SET", names, OM_ORIGIN_RC                                          \
	}
#define ALL_OF_THEM                                                                                \
	"MIGRATE_POLICY MIGRATE_DOWNTIME_MAX_MS, MIGRATE_PAUSE_MAX_MS,MIGRATE_DEADLINE "           \
	"MIGRATE_POSTCOPY MIGRATE_AUTO_CONVERGE\tMIGRATE_BANDWIDTH_MIBPS"

static void an_owner_sets_nothing_unless_the_administrator_names_it(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "MIGRATE_POLICY", "gentle", OM_ORIGIN_VM }));
	is_text(OM_KNOB_MIGRATE_POLICY, "auto", OM_ORIGIN_DEFAULT);
	assert_int_equal(knobs.warnings.n, 0);
	assert_int_equal(knobs.notes.n, 1);
	assert_string_equal(knobs.notes.v[0], "MIGRATE_POLICY 'gentle' in the VM's template is "
					      "ignored: MIGRATE_VM_MAY_SET does not name it");
	assert_true(RESOLVE(MAY_SET("MIGRATE_DEADLINE"),
			    { "MIGRATE_POLICY", "gentle", OM_ORIGIN_VM },
			    { "MIGRATE_DEADLINE", "10m", OM_ORIGIN_VM }));
	is_text(OM_KNOB_MIGRATE_POLICY, "auto", OM_ORIGIN_DEFAULT);
	is_text(OM_KNOB_MIGRATE_DEADLINE, "10m", OM_ORIGIN_VM);
	assert_int_equal(knobs.notes.n, 1);
}

static void what_an_owner_may_never_set_is_not_even_noted(void **state)
{
	(void)state;
	assert_true(RESOLVE(MAY_SET(ALL_OF_THEM),
			    { "MIGRATE_VM_MAY_SET", "SYNC_TIME", OM_ORIGIN_VM },
			    { "MIGRATE_OPTIONS", "--unsafe", OM_ORIGIN_VM }));
	is_text(OM_KNOB_MIGRATE_VM_MAY_SET, ALL_OF_THEM, OM_ORIGIN_RC);
	is_text(OM_KNOB_MIGRATE_OPTIONS, "", OM_ORIGIN_DEFAULT);
	assert_int_equal(knobs.warnings.n + knobs.notes.n, 0);
}

static void only_settings_of_a_vm_can_be_named_for_it(void **state)
{
	(void)state;
	assert_true(try_one("MIGRATE_VM_MAY_SET", ALL_OF_THEM));
	assert_true(try_one("MIGRATE_VM_MAY_SET", " , "));
	assert_false(try_one("MIGRATE_VM_MAY_SET", "MIGRATE_POLICY,SYNC_TIME"));
	assert_string_equal(err.msg, "MIGRATE_VM_MAY_SET 'MIGRATE_POLICY,SYNC_TIME' from kvmrc "
				     "cannot be used: 'SYNC_TIME' is no setting that a VM may set");
	assert_false(try_one("MIGRATE_VM_MAY_SET", "MIGRATE_VM_MAY_SET"));
	assert_false(try_one("MIGRATE_VM_MAY_SET", "MIGRATE_POLIC"));
	assert_false(try_one("MIGRATE_VM_MAY_SET", "yes"));
}

/* administrator's value ("" = not set), owner's value, does the owner's count? */
static void an_owner_stays_within_the_administrators_limits(void **state)
{
	static const struct {
		const char *name, *administrators, *owners;
		bool counts;
	} rows[] = {
		{ "MIGRATE_DOWNTIME_MAX_MS", "", "499", true },
		{ "MIGRATE_DOWNTIME_MAX_MS", "", "500", true },
		{ "MIGRATE_DOWNTIME_MAX_MS", "", "501", false },
		{ "MIGRATE_DOWNTIME_MAX_MS", "1000", "501", true },
		{ "MIGRATE_DOWNTIME_MAX_MS", "", "0", false },
		{ "MIGRATE_PAUSE_MAX_MS", "", "0", true },
		{ "MIGRATE_PAUSE_MAX_MS", "", "2001", false },
		{ "MIGRATE_PAUSE_MAX_MS", "0", "1", false },
		{ "MIGRATE_BANDWIDTH_MIBPS", "", "100", true },
		{ "MIGRATE_BANDWIDTH_MIBPS", "100", "100", true },
		{ "MIGRATE_BANDWIDTH_MIBPS", "100", "101", false },
		{ "MIGRATE_BANDWIDTH_MIBPS", "100", "0", false },
		{ "MIGRATE_POSTCOPY", "", "yes", false },
		{ "MIGRATE_POSTCOPY", "yes", "yes", true },
		{ "MIGRATE_POSTCOPY", "yes", "no", true },
		{ "MIGRATE_AUTO_CONVERGE", "", "yes", false },
		{ "MIGRATE_AUTO_CONVERGE", "yes", "no", true },
		{ "MIGRATE_AUTO_CONVERGE", "", "no", true },
		{ "MIGRATE_DEADLINE", "", "2h", true },
		{ "MIGRATE_DEADLINE", "2h", "90m", true },
		{ "MIGRATE_DEADLINE", "2h", "2h", true },
		{ "MIGRATE_DEADLINE", "2h", "2h1s", false },
		{ "MIGRATE_DEADLINE", "2h", "none", false },
		{ "MIGRATE_DEADLINE", "none", "2h", true },
		{ "MIGRATE_DEADLINE", "18:00", "6h1s", false },
		{ "MIGRATE_DEADLINE", "18:00", "6h", true },
		{ "MIGRATE_DEADLINE", "7h", "18:00", true },
		{ "MIGRATE_DEADLINE", "18:00", "06:00", false },
		{ "MIGRATE_DEADLINE", "18:00", "2027-01-31T17:59:59", true },
		{ "MIGRATE_POLICY", "", "gentle", true },
		{ "MIGRATE_POLICY", "stock", "auto", false },
		{ "MIGRATE_POLICY", "guaranteed", "auto", true },
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		enum om_origin origin = OM_ORIGIN_DEFAULT;

		assert_true(RESOLVE({ rows[i].name, rows[i].owners, OM_ORIGIN_VM },
				    { rows[i].name, rows[i].administrators, OM_ORIGIN_DATASTORE },
				    MAY_SET(ALL_OF_THEM)));
		for (int id = 0; id < OM_KNOB_COUNT; id++)
			if (strcmp(om_knob_table[id].name, rows[i].name) == 0)
				origin = knobs.v[id].origin;
		if ((origin == OM_ORIGIN_VM) != rows[i].counts)
			fail_msg("row %zu: origin %s", i, om_origin_name(origin));
		if (knobs.warnings.n != (rows[i].counts ? 0 : 1))
			fail_msg("row %zu: %zu warnings", i, knobs.warnings.n);
		assert_int_equal(knobs.notes.n, 0);
	}
}

static void of_an_owners_value_that_does_not_count_the_administrators_stays(void **state)
{
	(void)state;
	assert_true(RESOLVE(MAY_SET(ALL_OF_THEM),
			    { "MIGRATE_DOWNTIME_MAX_MS", "300", OM_ORIGIN_KVMRC },
			    { "MIGRATE_DOWNTIME_MAX_MS", "301", OM_ORIGIN_VM },
			    { "MIGRATE_DEADLINE", "2026-01-01T00:00", OM_ORIGIN_VM },
			    { "MIGRATE_PAUSE_MAX_MS", "a\x1b\nExitCode: 0", OM_ORIGIN_VM }));
	is_text(OM_KNOB_MIGRATE_DOWNTIME_MAX_MS, "300", OM_ORIGIN_KVMRC);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_DOWNTIME_MAX_MS), 300);
	is_text(OM_KNOB_MIGRATE_DEADLINE, "", OM_ORIGIN_DEFAULT);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_DEADLINE), 0);
	is_text(OM_KNOB_MIGRATE_PAUSE_MAX_MS, "2000", OM_ORIGIN_DEFAULT);
	assert_int_equal(knobs.warnings.n, 3);
	assert_string_equal(knobs.warnings.v[0],
			    "MIGRATE_DOWNTIME_MAX_MS '301' in the VM's template is ignored: the "
			    "administrator allows 300");
	assert_string_equal(knobs.warnings.v[1],
			    "MIGRATE_PAUSE_MAX_MS 'a??ExitCode: 0' in the VM's template is "
			    "ignored: a number from 0 to 2000000 ms is expected");
	assert_string_equal(knobs.warnings.v[2],
			    "MIGRATE_DEADLINE '2026-01-01T00:00' in the VM's template is ignored: "
			    "that is past");
}

static void an_administrators_deadline_that_is_past_is_refused(void **state)
{
	(void)state;
	assert_false(try_one("MIGRATE_DEADLINE", "2027-01-31T12:00"));
	assert_string_equal(err.msg, "MIGRATE_DEADLINE '2027-01-31T12:00' from kvmrc cannot be "
				     "used: that is past");
	assert_true(try_one("MIGRATE_DEADLINE", "2027-01-31T12:01"));
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_DEADLINE), 60000);
}

static void a_datastore_lifts_the_deadline_of_the_files(void **state)
{
	(void)state;
	assert_true(RESOLVE({ "MIGRATE_DEADLINE", "10m", OM_ORIGIN_RC },
			    { "MIGRATE_DEADLINE", " None", OM_ORIGIN_DATASTORE }));
	is_text(OM_KNOB_MIGRATE_DEADLINE, "", OM_ORIGIN_DATASTORE);
	assert_int_equal(om_knob_number(&knobs, OM_KNOB_MIGRATE_DEADLINE), 0);
	assert_false(try_one("MIGRATE_DEADLINE", "never"));
	assert_non_null(strstr(err.msg, "or none is expected"));
}

static void every_origin_has_a_name(void **state)
{
	(void)state;
	for (int origin = 0; origin < OM_ORIGIN_COUNT; origin++)
		assert_true(*om_origin_name((enum om_origin)origin));
	assert_string_equal(om_origin_name(OM_ORIGIN_RC), "onemigraterc");
}

static void the_text_form_shows_value_and_origin(void **state)
{
	char *text;

	(void)state;
	assert_true(RESOLVE({ "MIGRATE_NETWORK", "fd00::/64", OM_ORIGIN_RC }));
	text = om_knob_print_table(OM_KNOB_FORMAT_TEXT, &knobs);
	assert_non_null(strstr(text, "MIGRATE_NETWORK         fd00::/64       onemigraterc\n"));
	assert_non_null(strstr(text, "VIRSH_TRIES             3               default\n"));
	assert_non_null(strstr(text, "MIGRATE_OPTIONS         (none)          default\n"));
	assert_non_null(strstr(text, "a number from 1 to 100 tries, default 3"));
	free(text);
	text = om_knob_print_table(OM_KNOB_FORMAT_TEXT, NULL);
	assert_null(strstr(text, "onemigraterc\n"));
	free(text);
}

static void each_form_says_what_a_setting_takes(void **state)
{
	static const char networks[] =
		"\n    networks (address/prefix) with blanks or commas between them, default none; "
		"set in kvmrc or onemigraterc, or in the template of the source's system "
		"datastore.\n";
	static const char suffix[] =
		"\n    text of at most 63 characters A-Za-z0-9._-, default none; "
		"set in kvmrc or onemigraterc.\n";
	static const char *const types[] = {
		networks,
		suffix,
		"\n    fallback or strict, default fallback; set in",
		"\n    text, default none; set in",
		"\n    text, default qemu:///system; set in",
		"\n    a number from 1 to 100 tries, default 3; set in",
		"\n    yes or no, default yes; set in",
		"\n    auto, gentle, guaranteed or stock, default auto; set in kvmrc or "
		"onemigraterc, or in the template of the source's system datastore, or in the VM's "
		"user template where MIGRATE_VM_MAY_SET names it.\n",
		"\n    a number from 0 to 2000000 ms, default 2000; set in",
		"\n    a duration, a time of day, a date and time or none, default none; set in",
		"\n    names of settings with blanks or commas between them, default none; set in",
		"\n    names of checks with blanks or commas between them, default none; set in",
	};
	char *text = om_knob_print_table(OM_KNOB_FORMAT_TEXT, NULL);

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(types); i++)
		if (!strstr(text, types[i]))
			fail_msg("missing: %s", types[i]);
	assert_true(om_str_starts(text, "MIGRATE_NETWORK         (none)\n    The network"));
	assert_null(strstr(text, ".TP"));
	assert_null(strstr(text, "]"));
	free(text);
	text = om_knob_print_table(OM_KNOB_FORMAT_MAN, NULL);
	assert_true(om_str_starts(text, ".TP\n.B MIGRATE_NETWORK\nThe network"));
	assert_null(strstr(text, "#"));
	free(text);
	text = om_knob_print_table(OM_KNOB_FORMAT_SAMPLE, NULL);
	assert_true(om_str_starts(text, "# The network"));
	free(text);
}

static void the_json_form_is_one_list_of_objects(void **state)
{
	char *text = om_knob_print_table(OM_KNOB_FORMAT_JSON, NULL);

	(void)state;
	assert_true(om_str_starts(text,
				  "[\n  { \"name\": \"MIGRATE_NETWORK\", \"type\": \"networks\", "
				  "\"default\": \"\", \"help\": \""));
	assert_string_equal(strrchr(text, ','), ", \"scope\": [\"host\"] }\n]\n");
	assert_null(strstr(text, "#"));
	assert_null(strstr(text, ".TP"));
	free(text);
}

static void the_json_form_escapes_what_json_must_escape(void **state)
{
	char *text;

	(void)state;
	assert_true(try_one("MIGRATE_OPTIONS", "--x \"a\\b\"\t'c' \xc3\xbc\xff"));
	text = om_knob_print_table(OM_KNOB_FORMAT_JSON, &knobs);
	assert_non_null(strstr(text, "\"value\": \"--x \\\"a\\\\b\\\"\\u0009'c' \xc3\xbc?\""));
	assert_non_null(strstr(text, "\"min\": 1, \"max\": 100, "));
	assert_non_null(strstr(text, "\"scope\": [\"host\", \"datastore\"]"));
	assert_null(strstr(text, ", }"));
	assert_null(strstr(text, "},\n]"));
	free(text);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void the_manual_has_one_paragraph_for_each_setting(void **state)
{
	char *text = om_knob_print_table(OM_KNOB_FORMAT_MAN, NULL);

	(void)state;
	assert_int_equal(count(text, ".TP\n.B "), OM_KNOB_COUNT);
	assert_int_equal(count(text, "\n."), 3 * OM_KNOB_COUNT - 1);
	assert_int_equal(count(text, "-"), count(text, "\\-"));
	free(text);
}

static void the_sample_says_the_same_to_both_readers_of_opennebula(void **state)
{
	char *text = om_knob_print_table(OM_KNOB_FORMAT_SAMPLE, NULL);

	(void)state;
	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		const struct om_knob_row *row = &om_knob_table[id];
		char *line = om_xasprintf("\n#%s=\"", row->name), *at = strstr(text, line), *value;

		assert_non_null(at);
		at[1] = ' '; /* as an operator takes the '#' away; a blank before it is no matter */
		value = om_kvmrc_ruby_value(text, strlen(text), row->name);
		assert_string_equal(value, row->example ? row->example : row->def);
		assert_null(strpbrk(value, "$`\\\"#"));
		free(value);
		free(line);
	}
	free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, forget)
	const struct CMUnitTest tests[] = {
		TEST(without_sources_every_setting_has_its_default),
		TEST(a_later_origin_wins_whatever_the_order),
		TEST(of_one_origin_the_last_source_counts),
		TEST(an_empty_or_blank_text_counts_as_unset),
		TEST(unknown_names_are_ignored),
		TEST(an_origin_out_of_scope_is_ignored_even_with_a_bad_value),
		TEST(encryption_is_asked_for_where_every_script_reads_it),
		TEST(a_value_that_loses_is_not_judged),
		TEST(blanks_around_a_value_go),
		TEST(yes_and_no_have_six_spellings_in_any_case),
		TEST(a_lenient_setting_takes_its_default_for_a_bad_value),
		TEST(the_number_of_tries_has_both_its_ends),
		TEST(a_choice_is_one_of_its_words_in_any_case),
		TEST(a_bad_value_is_refused_with_name_value_origin_and_what_is_allowed),
		TEST(a_network_with_host_bits_set_is_refused_with_the_network_meant),
		TEST(a_host_suffix_has_only_the_characters_of_a_name),
		TEST(a_protocol_has_only_small_letters_digits_and_plus),
		TEST(control_characters_are_refused_and_do_not_reach_the_sentence),
		TEST(a_text_of_more_than_4096_bytes_is_refused),
		TEST(only_checks_that_there_are_can_be_ignored),
		TEST(what_a_blocker_does_is_one_of_three),
		TEST(every_row_of_the_table_is_complete),
		TEST(an_owner_sets_nothing_unless_the_administrator_names_it),
		TEST(what_an_owner_may_never_set_is_not_even_noted),
		TEST(only_settings_of_a_vm_can_be_named_for_it),
		TEST(an_owner_stays_within_the_administrators_limits),
		TEST(of_an_owners_value_that_does_not_count_the_administrators_stays),
		TEST(an_administrators_deadline_that_is_past_is_refused),
		TEST(a_datastore_lifts_the_deadline_of_the_files),
		TEST(every_origin_has_a_name),
		TEST(the_text_form_shows_value_and_origin),
		TEST(each_form_says_what_a_setting_takes),
		TEST(the_json_form_is_one_list_of_objects),
		TEST(the_json_form_escapes_what_json_must_escape),
		TEST(the_manual_has_one_paragraph_for_each_setting),
		TEST(the_sample_says_the_same_to_both_readers_of_opennebula),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
