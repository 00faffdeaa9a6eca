/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every combination of what two hosts can say of a VM and its directory, against predicates that are written from
 * the rules and not from the code.
 */
#include "om_cmocka.h"

#include "om_tm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- exhaustive ---- */

static const char *const drivers[] = { "shared",     "ssh", "ceph",    "fs_lvm",
				       "fs_lvm_ssh", "lvm", "storpool" };

static unsigned int take(uint64_t *number, unsigned int values)
{
	unsigned int value = (unsigned int)(*number % values);

	*number /= values;
	return value;
}

struct case_ {
	const char *driver, *chained; /* NULL: no image of another driver */
	struct om_tm_facts f;
};

/* steps, drivers, chained drivers, states, jobs, kinds, file systems, sameness, and five bits */
#define CASES (3ull * 7 * 4 * 8 * 8 * 2 * 3 * 3 * 2 * 2 * 3 * 2 * 2 * 2)

static struct case_ nth(uint64_t n)
{
	static const char *const chained[] = { NULL, "ssh", "ceph", "storpool" };
	static const enum om_file_kind kinds[] = { OM_FILE_UNKNOWN, OM_FILE_MISSING, OM_FILE_DIR };
	struct case_ c = { .f.kvm = true };

	c.f.step = take(&n, OM_TM_STEP_COUNT);
	c.driver = drivers[take(&n, OM_ARRAY_LEN(drivers))];
	c.chained = chained[take(&n, OM_ARRAY_LEN(chained))];
	c.f.src.state = take(&n, OM_SIDE_COUNT);
	c.f.dst.state = take(&n, OM_SIDE_COUNT);
	c.f.src.job = take(&n, 2);
	c.f.src_dir = kinds[take(&n, 3)];
	c.f.dst_dir = kinds[take(&n, 3)];
	c.f.src_local = take(&n, 2);
	c.f.dst_local = take(&n, 2);
	c.f.same = take(&n, 3);
	c.f.marker_seen = take(&n, 2);
	c.f.blocked = take(&n, 2);
	c.f.made_by_us = take(&n, 2);
	c.f.effects = om_tm_effects(c.driver);
	if (c.chained)
		c.f.effects |= om_tm_chained_effects(c.chained);
	return c;
}

static bool one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}
#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define HARMLESS "shared"

/* What a stock script does, said once more in another form: which directory goes, and where. */
static bool removes_on_dst(const struct case_ *c)
{
	if (c->f.step == OM_TM_PREMIGRATE)
		return !one_of(c->driver, NAMES(HARMLESS, "fs_lvm")) ||
		       (c->chained && strcmp(c->chained, "ssh") == 0);
	return c->f.step == OM_TM_FAILMIGRATE && one_of(c->driver, NAMES("lvm", "storpool"));
}

static bool removes_on_src(const struct case_ *c)
{
	return c->f.step == OM_TM_POSTMIGRATE && (!one_of(c->driver, NAMES(HARMLESS, "fs_lvm")) ||
						  (c->chained && strcmp(c->chained, "ssh") == 0));
}

static bool touches_volumes(const struct case_ *c)
{
	if (c->f.step == OM_TM_PREMIGRATE)
		return false;
	if (c->chained && strcmp(c->chained, "storpool") == 0)
		return true;
	return one_of(c->driver, c->f.step == OM_TM_POSTMIGRATE
					 ? NAMES("fs_lvm", "fs_lvm_ssh", "lvm", "storpool")
					 : NAMES("fs_lvm_ssh", "lvm", "storpool"));
}

static bool in(enum om_side_state state, unsigned int set)
{
	return set >> state & 1;
}
#define RUNS (1u << OM_SIDE_RUNNING | 1u << OM_SIDE_ROLLED_BACK | 1u << OM_SIDE_PAUSED)
#define ABSENT (1u << OM_SIDE_ABSENT)
#define NEVER_RAN (1u << OM_SIDE_INCOMING)

static bool lives_on_src_alone(const struct om_tm_facts *f)
{
	return in(f->src.state, RUNS) && !f->src.job && in(f->dst.state, ABSENT);
}

/* Stopped for a switch-over that never was, it is `migrate` that starts it again; and on the destination there is at
 * most something that never ran, which `migrate` removes. */
static bool may_leave_src(const struct om_tm_facts *f)
{
	return lives_on_src_alone(f) ||
	       (in(f->src.state, NEVER_RAN) && !f->src.job && in(f->dst.state, ABSENT)) ||
	       (in(f->src.state, 1u << OM_SIDE_RUNNING | 1u << OM_SIDE_ROLLED_BACK) &&
		!f->src.job && in(f->dst.state, NEVER_RAN));
}

static bool lives_on_dst_alone(const struct om_tm_facts *f)
{
	return in(f->dst.state, RUNS) && in(f->src.state, ABSENT);
}

/* The rule that RUN_STOCK breaks, or NULL. */
static const char *broken_by_running(const struct case_ *c)
{
	const struct om_tm_facts *f = &c->f;
	bool same = f->marker_seen || f->same == OM_SAME_YES;
	bool other = f->same == OM_SAME_NO && !same;

	if (removes_on_dst(c) && !other && (same || f->dst_dir != OM_FILE_MISSING || !f->dst_local))
		return "removes a directory on the destination that may be the VM's";
	if (removes_on_src(c) && !other && (same || f->src_dir != OM_FILE_MISSING || !f->src_local))
		return "removes a directory on the source that may be the VM's";
	if (removes_on_dst(c) && !may_leave_src(f))
		return "removes on the destination, and the VM is not proven to be on the source";
	if (f->step == OM_TM_FAILMIGRATE && (removes_on_dst(c) || touches_volumes(c)) &&
	    !lives_on_src_alone(f))
		return "undoes on the destination, and the VM is not proven to be on the source alone";
	if (f->step == OM_TM_POSTMIGRATE && (removes_on_src(c) || touches_volumes(c)) &&
	    !lives_on_dst_alone(f))
		return "cleans the source, and the VM is not proven to be on the destination alone";
	if (f->step == OM_TM_PREMIGRATE && (f->blocked || !may_leave_src(f)))
		return "begins a migration that must not begin";
	return NULL;
}

static const char *broken_by_us(const struct case_ *c, const struct om_tm_verdict *v)
{
	const struct om_tm_facts *f = &c->f;

	if ((v->undo || v->remove_dir) && (f->step != OM_TM_FAILMIGRATE || !lives_on_src_alone(f)))
		return "undoes where the VM is not proven to be on the source alone";
	if (v->remove_dir && (!f->made_by_us || f->marker_seen || f->same != OM_SAME_NO))
		return "removes what this attempt did not make, or what may be the VM's";
	return NULL;
}

static const char *broken_by_skipping(const struct case_ *c)
{
	const struct om_tm_facts *f = &c->f;
	bool same = f->marker_seen || f->same == OM_SAME_YES;

	if (f->step != OM_TM_PREMIGRATE)
		return "only premigrate succeeds without the stock script";
	if (lives_on_dst_alone(f))
		return NULL;
	if (!may_leave_src(f) || f->blocked)
		return "lets a migration begin that must not begin";
	/* A leftover that is taken for the VM's own directory becomes its disk. */
	if (!same || !removes_on_dst(c))
		return "leaves out the stock script, and the directory is not proven to be the same";
	return NULL;
}

/* Caution is no excuse: where nothing is against it the stock script runs. */
static const char *broken_by_failing(const struct case_ *c)
{
	const struct om_tm_facts *f = &c->f;
	bool other = f->same == OM_SAME_NO && !f->marker_seen;

	if (f->step == OM_TM_PREMIGRATE && lives_on_src_alone(f) && !f->blocked &&
	    (other || !removes_on_dst(c)))
		return "refuses a migration for nothing";
	if (f->step == OM_TM_PREMIGRATE && lives_on_dst_alone(f))
		return "refuses what was done before";
	if (f->step == OM_TM_POSTMIGRATE && lives_on_dst_alone(f) && (other || !removes_on_src(c)))
		return "keeps for nothing";
	if (f->step == OM_TM_FAILMIGRATE && lives_on_src_alone(f) && (other || !removes_on_dst(c)))
		return "keeps for nothing";
	if (f->step != OM_TM_PREMIGRATE && !removes_on_dst(c) && !removes_on_src(c) &&
	    !touches_volumes(c))
		return "keeps a script from running that removes nothing";
	return NULL;
}

static const char *broken(const struct case_ *c, const struct om_tm_verdict *v)
{
	const char *rule = broken_by_us(c, v);

	if (rule)
		return rule;
	if (v->decision == OM_TM_RUN_STOCK)
		return broken_by_running(c);
	return v->decision == OM_TM_SKIP ? broken_by_skipping(c) : broken_by_failing(c);
}

static void no_combination_breaks_a_rule(void **unused)
{
	uint64_t count[OM_TM_DECISION_COUNT] = { 0 };

	(void)unused;
	for (uint64_t i = 0; i < CASES; i++) {
		struct case_ c = nth(i);
		struct om_tm_verdict v = om_tm_decide(&c.f);
		const char *rule = broken(&c, &v);

		count[v.decision]++;
		if (rule)
			fail_msg(
				"%s of %s (images: %s), source %s%s, destination %s, same %d, marker %d: %s",
				om_tm_step_name(c.f.step), c.driver,
				c.chained ? c.chained : "its own",
				om_side_state_name(c.f.src.state), c.f.src.job ? " with a job" : "",
				om_side_state_name(c.f.dst.state), c.f.same, c.f.marker_seen, rule);
	}
	assert_true(count[OM_TM_RUN_STOCK] && count[OM_TM_SKIP] && count[OM_TM_FAIL]);
}

static void every_verdict_has_a_sentence(void **unused)
{
	(void)unused;
	for (uint64_t i = 0; i < CASES; i += 101) {
		struct case_ c = nth(i);
		struct om_tm_verdict v = om_tm_decide(&c.f);
		char text[900];

		om_tm_explain(text, sizeof(text), &c.f, &v, "node01", "node02", "/ds/0/31");
		if (v.reason == OM_TM_WHY_NOTHING || v.reason == OM_TM_WHY_BLOCKED)
			assert_string_equal(text, "");
		else
			assert_true(strlen(text) > 20 && text[strlen(text) - 1] != '.');
	}
}

/* ---- single ones ---- */

static struct om_tm_facts quiet(enum om_tm_step step, const char *driver)
{
	return (struct om_tm_facts){ .step = step,
				     .effects = om_tm_effects(driver),
				     .kvm = true,
				     .src.state = OM_SIDE_RUNNING,
				     .dst.state = OM_SIDE_ABSENT,
				     .src_dir = OM_FILE_DIR,
				     .dst_dir = OM_FILE_MISSING,
				     .src_local = true,
				     .dst_local = true };
}

static void an_ordinary_migration_runs_the_stock_scripts(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(drivers); i++) {
		struct om_tm_facts f = quiet(OM_TM_PREMIGRATE, drivers[i]);

		assert_int_equal(om_tm_decide(&f).decision, OM_TM_RUN_STOCK);
		f.dst_dir = OM_FILE_DIR;
		f.same = OM_SAME_NO;
		f.step = OM_TM_FAILMIGRATE;
		assert_int_equal(om_tm_decide(&f).decision, OM_TM_RUN_STOCK);
		f.step = OM_TM_POSTMIGRATE;
		f.src.state = OM_SIDE_ABSENT;
		f.dst.state = OM_SIDE_RUNNING;
		assert_int_equal(om_tm_decide(&f).decision, OM_TM_RUN_STOCK);
	}
}

static void what_the_attempt_has_made_is_removed(void **unused)
{
	struct om_tm_facts f = quiet(OM_TM_FAILMIGRATE, "ssh");

	(void)unused;
	f.dst_dir = OM_FILE_DIR;
	f.same = OM_SAME_NO;
	assert_false(om_tm_decide(&f).remove_dir);
	f.made_by_us = true;
	assert_true(om_tm_decide(&f).remove_dir);
	f.effects = om_tm_effects("shared");
	assert_false(om_tm_decide(&f).remove_dir);
}

static void other_hypervisors_are_none_of_our_business(void **unused)
{
	struct om_tm_facts f = quiet(OM_TM_PREMIGRATE, "ssh");

	(void)unused;
	assert_true(om_tm_is_kvm("kvm"));
	assert_true(om_tm_is_kvm("qemu"));
	assert_true(om_tm_is_kvm("kvm_ha")); /* a driver by another name */
	assert_true(om_tm_is_kvm(""));
	assert_false(om_tm_is_kvm("lxc"));
	f.kvm = false;
	f.src.state = OM_SIDE_UNREACHABLE;
	assert_int_equal(om_tm_decide(&f).decision, OM_TM_RUN_STOCK);
}

static void a_datastore_move_keeps_what_the_vm_uses(void **unused)
{
	static const enum om_answer answers[] = { OM_ANSWER_NO, OM_ANSWER_YES,
						  OM_ANSWER_NOT_CHECKED };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(answers); i++) {
		struct om_tm_facts f = quiet(OM_TM_FAILMIGRATE, "lvm");

		f.same_host = true;
		f.in_use = answers[i];
		assert_int_equal(om_tm_decide(&f).decision, i ? OM_TM_FAIL : OM_TM_RUN_STOCK);
		f.step = OM_TM_POSTMIGRATE;
		assert_int_equal(om_tm_decide(&f).decision, i ? OM_TM_FAIL : OM_TM_RUN_STOCK);
		f.step = OM_TM_PREMIGRATE;
		assert_int_equal(om_tm_decide(&f).decision, OM_TM_RUN_STOCK);
	}
}

static void only_a_vms_directory_of_a_datastore_is_one(void **unused)
{
	static const struct {
		const char *text, *dir; /* NULL: refused */
	} cases[] = {
		{ "/var/lib/one//datastores/0/31", "/var/lib/one/datastores/0/31" },
		{ "/var/lib/one/datastores/100/31/", "/var/lib/one/datastores/100/31" },
		{ "/ds/./0//31", "/ds/0/31" },
		{ "/ds/0/32", NULL },
		{ "/ds/0/031", NULL },
		{ "/ds/0/31/..", NULL },
		{ "/ds/../0/31", NULL },
		{ "/ds/x/31", NULL },
		{ "/ds/0x/31", NULL },
		{ "/0/31", NULL },
		{ "//0/31", NULL },
		{ "/31", NULL },
		{ "31", NULL },
		{ "ds/0/31", NULL },
		{ "/", NULL },
		{ "", NULL },
		{ "/ds/0/", NULL },
		{ "/ds/0", NULL },
		{ "/ds\n/0/31", NULL },
	};
	struct om_err err;
	char *dir;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(cases); i++) {
		bool ok = om_tm_dir(&dir, cases[i].text, "31", &err);

		if (ok != (cases[i].dir != NULL))
			fail_msg("'%s'", cases[i].text);
		if (ok)
			assert_string_equal(dir, cases[i].dir);
		free(dir);
	}
	assert_false(om_tm_dir(&dir, "/ds/0/", "", &err));
	assert_false(om_tm_dir(&dir, "/ds/0/*", "*", &err));
}

static void paths_are_told_apart(void **unused)
{
	(void)unused;
	assert_true(om_tm_path_in("/one//datastores/0/31/disk.0", "/one/datastores/0/31"));
	assert_true(om_tm_path_in("/one/datastores/0/31", "/one/datastores/0/31"));
	assert_false(om_tm_path_in("/one/datastores/0/310/disk.0", "/one/datastores/0/31"));
	assert_false(om_tm_path_in("/one/datastores/0/31/../32", "/one/datastores/0/31"));
	assert_false(om_tm_path_in("", "/one/datastores/0/31"));
	assert_true(om_tm_path_in_other("/one//datastores/0/31/disk.0", "/one/datastores/100/31",
					"31"));
	assert_false(om_tm_path_in_other("/one/datastores/100/31/disk.0", "/one/datastores/100/31",
					 "31"));
	assert_false(
		om_tm_path_in_other("/one/datastores/1/abcdef", "/one/datastores/100/31", "31"));
	assert_false(om_tm_path_in_other("rbd/one-31", "/one/datastores/100/31", "31"));
}

static void a_record_survives_being_written(void **unused)
{
	struct om_tm_record record = { .vm_id = om_xstrdup("31"),
				       .dst = om_xstrdup("node02"),
				       .dir = om_xstrdup("/ds/100/31"),
				       .seq = om_xstrdup("4"),
				       .dir_missing = true,
				       .other = true,
				       .settled = OM_TM_SETTLED_STAYED,
				       .settled_epoch_ms = 1795000000123 };
	struct om_tm_record again;
	char *text;

	(void)unused;
	om_strv_add(&record.new_bridges, "onebr.7");
	om_strv_add(&record.new_bridges, "onebr.8");
	text = om_tm_record_print(&record);
	assert_true(om_tm_record_parse(&again, text));
	assert_string_equal(again.dir, "/ds/100/31");
	assert_string_equal(again.dst, "node02");
	assert_string_equal(again.seq, "4");
	assert_true(again.dir_missing && again.other);
	assert_int_equal(again.new_bridges.n, 2);
	assert_string_equal(again.new_bridges.v[1], "onebr.8");
	assert_int_equal(again.settled, OM_TM_SETTLED_STAYED);
	assert_int_equal(again.settled_epoch_ms, 1795000000123);
	om_tm_record_free(&again);
	/* One that was cut off is none, wherever it ends. */
	for (size_t len = strlen(text) - 1; len > 0; len--) {
		text[len - 1] = '\0';
		assert_false(om_tm_record_parse(&again, text));
	}
	free(text);
	om_tm_record_free(&record);
}

static void drivers_alike_are_treated_alike(void **unused)
{
	(void)unused;
	assert_int_equal(om_tm_effects("qcow2"), om_tm_effects("shared"));
	assert_int_equal(om_tm_effects("dev"), 0);
	assert_int_equal(om_tm_effects("local"), om_tm_effects("ssh"));
	assert_int_equal(om_tm_chained_effects("local"), om_tm_chained_effects("ssh"));
	assert_true(om_tm_effects("") & OM_TM_UNKNOWN);
}

static void steps_have_names(void **unused)
{
	enum om_tm_step step;

	(void)unused;
	for (int i = 0; i < OM_TM_STEP_COUNT; i++) {
		assert_true(om_tm_step_parse(&step, om_tm_step_name((enum om_tm_step)i)));
		assert_int_equal(step, i);
	}
	assert_false(om_tm_step_parse(&step, "migrate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_combination_breaks_a_rule),
		cmocka_unit_test(every_verdict_has_a_sentence),
		cmocka_unit_test(an_ordinary_migration_runs_the_stock_scripts),
		cmocka_unit_test(what_the_attempt_has_made_is_removed),
		cmocka_unit_test(other_hypervisors_are_none_of_our_business),
		cmocka_unit_test(a_datastore_move_keeps_what_the_vm_uses),
		cmocka_unit_test(only_a_vms_directory_of_a_datastore_is_one),
		cmocka_unit_test(paths_are_told_apart),
		cmocka_unit_test(a_record_survives_being_written),
		cmocka_unit_test(drivers_alike_are_treated_alike),
		cmocka_unit_test(steps_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
