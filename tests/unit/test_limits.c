/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan allows its migration to do, for every combination of what decides about it. */
#include "om_cmocka.h"

#include "om_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char host_name[] = "node02";
static const struct om_req request = { .dst_host = host_name };

static void a_deadline_ends_what_does_not_have_to_end_well(void **unused)
{
	(void)unused;
	assert_true(om_policy_ends_at_deadline(OM_POLICY_AUTO));
	assert_true(om_policy_ends_at_deadline(OM_POLICY_GENTLE));
	assert_false(om_policy_ends_at_deadline(OM_POLICY_GUARANTEED));
	assert_false(om_policy_ends_at_deadline(OM_POLICY_STOCK));
}

static void each_policy_has_the_name_of_its_choice(void **unused)
{
	OM_AUTOFREE char *choices = om_xstrdup(om_knob_table[OM_KNOB_MIGRATE_POLICY].choices);
	char *rest = choices;

	(void)unused;
	for (int policy = 0; policy < OM_POLICY_COUNT; policy++)
		assert_string_equal(om_policy_name((enum om_policy)policy), strsep(&rest, "|"));
	assert_null(rest);
}

static void an_owner_may_only_choose_what_does_less(void **unused)
{
	/* the owner's, down; the administrator's: auto, gentle, guaranteed, stock */
	static const bool allowed[OM_POLICY_COUNT][OM_POLICY_COUNT] = {
		[OM_POLICY_AUTO] = { true, false, true, false },
		[OM_POLICY_GENTLE] = { true, true, true, true },
		[OM_POLICY_GUARANTEED] = { false, false, true, false },
		[OM_POLICY_STOCK] = { false, false, false, true },
	};

	(void)unused;
	for (int owners = 0; owners < OM_POLICY_COUNT; owners++)
		for (int administrators = 0; administrators < OM_POLICY_COUNT; administrators++)
			if (om_policy_within((enum om_policy)owners,
					     (enum om_policy)administrators) !=
			    allowed[owners][administrators])
				fail_msg("%d within %d", owners, administrators);
}

/* ---- every combination ---- */

enum answer { UNSET, NO, YES };
static const char *const answers[] = { "", "no", "yes" };

struct combination {
	enum om_policy policy;
	enum answer postcopy, converge;
	bool option_postcopy, option_converge, suspend, parallel, obstacle, old_qemu;
	unsigned int libvirt; /* 0 not known, 1 11.3, 2 11.4 */
};

static unsigned int take(unsigned int *number, unsigned int values)
{
	unsigned int value = *number % values;

	*number /= values;
	return value;
}

#define COMBINATIONS (4u * 3 * 3 * 3 * 64)

static struct combination combination(unsigned int number)
{
	return (struct combination){
		.policy = (enum om_policy)take(&number, OM_POLICY_COUNT),
		.postcopy = (enum answer)take(&number, 3),
		.converge = (enum answer)take(&number, 3),
		.libvirt = take(&number, 3),
		.option_postcopy = take(&number, 2),
		.option_converge = take(&number, 2),
		.suspend = take(&number, 2),
		.parallel = take(&number, 2),
		.obstacle = take(&number, 2),
		.old_qemu = take(&number, 2),
	};
}

static bool make(struct om_plan *plan, const struct combination *c)
{
	const struct om_knob_source sources[] = {
		{ "MIGRATE_POLICY", om_policy_name(c->policy), OM_ORIGIN_KVMRC },
		{ "MIGRATE_POSTCOPY", answers[c->postcopy], OM_ORIGIN_KVMRC },
		{ "MIGRATE_AUTO_CONVERGE", answers[c->converge], OM_ORIGIN_KVMRC },
	};
	const uint64_t qemu = c->old_qemu ? 9002000 : 10001000;
	const struct om_facts facts = {
		.versions = { .src_libvirt = 11004000,
			      .dst_libvirt = c->libvirt ? 11002000 + c->libvirt * 1000 : 0,
			      .src_qemu = qemu,
			      .dst_qemu = qemu },
		.postcopy_obstacle = c->obstacle ? "it has a thing" : NULL,
	};
	struct om_opts opts = { .flags = OM_FLAG_LIVE };
	struct om_knobs knobs;
	struct om_err err;
	bool ok;

	opts.flags |= c->option_postcopy ? OM_FLAG_POSTCOPY : 0;
	opts.flags |= c->option_converge ? OM_FLAG_AUTO_CONVERGE : 0;
	opts.flags |= c->suspend ? OM_FLAG_PAUSED : 0;
	opts.flags |= c->parallel ? OM_FLAG_PARALLEL : 0;
	assert_true(om_knobs_resolve(&knobs, sources, OM_ARRAY_LEN(sources), NULL, &err));
	ok = om_plan_make(plan, &request, &knobs, &opts, &facts, &err);
	om_opts_free(&opts);
	om_knobs_free(&knobs);
	return ok;
}

static bool may_throttle(const struct combination *c, enum om_policy policy)
{
	if (policy == OM_POLICY_GENTLE || policy == OM_POLICY_STOCK || c->option_converge)
		return false;
	return c->converge == YES || (c->converge == UNSET && policy == OM_POLICY_GUARANTEED);
}

/* The rules, each by itself. */
static void check(const struct combination *c, const struct om_plan *plan)
{
	bool calm = c->policy == OM_POLICY_GENTLE || c->policy == OM_POLICY_STOCK;
	bool broken_pair = c->parallel && c->old_qemu;
	bool can = !c->suspend && !broken_pair && !c->obstacle && c->libvirt == 2;
	bool armed = c->postcopy == YES && !calm && can && !c->option_postcopy;
	bool theirs = c->option_postcopy && !broken_pair;
	bool told = false;

	assert_int_equal(plan->limits.policy, c->policy);
	assert_int_equal((plan->flags & OM_FLAG_POSTCOPY) != 0, armed || theirs);
	assert_int_equal(plan->limits.postcopy, c->postcopy == YES && !calm && (armed || theirs));
	assert_int_equal((plan->flags & OM_FLAG_AUTO_CONVERGE) != 0, c->option_converge);
	assert_int_equal(plan->limits.throttle, may_throttle(c, c->policy));
	/* The policy of a migration that runs can be changed: the same holds then. */
	for (int policy = 0; policy < OM_POLICY_COUNT; policy++) {
		struct om_limits limits = plan->limits;

		om_limits_set_policy(&limits, (enum om_policy)policy);
		assert_int_equal(limits.policy, policy);
		assert_int_equal(limits.throttle, may_throttle(c, (enum om_policy)policy));
	}
	assert_int_equal(plan->limits.pause_max_ms, calm ? 0 : 2000);
	assert_int_equal(plan->limits.deadline_ms, 0);
	assert_int_equal(plan->attempt_count, armed ? 4 : 2);
	for (size_t i = 0; i < plan->attempt_count; i++)
		assert_int_equal(plan->attempts[i].flags,
				 i < 2 ? plan->flags : plan->flags & ~OM_FLAG_POSTCOPY);
	/* One line says why not, if nothing else has said so. */
	for (size_t i = 0; i < plan->infos.n; i++)
		told = told || om_str_starts(plan->infos.v[i], "no post-copy");
	assert_int_equal(told, c->postcopy == YES && !armed && !c->option_postcopy);
	assert_int_equal(plan->warnings.n, c->option_postcopy && broken_pair);
}

static void every_combination_keeps_to_the_rules(void **unused)
{
	unsigned int made = 0;

	(void)unused;
	for (unsigned int number = 0; number < COMBINATIONS; number++) {
		struct combination c = combination(number);
		struct om_plan plan;
		/* Only words of the operator's own can make a combination that is refused. */
		bool refused = c.suspend && c.option_postcopy;

		if (make(&plan, &c) == refused)
			fail_msg("combination %u", number);
		if (refused)
			continue;
		made++;
		check(&c, &plan);
		om_plan_free(&plan);
	}
	assert_true(made > COMBINATIONS / 2);
}

/* ---- single values ---- */

struct value_row {
	struct om_knob_source set[3];
	const char *options, *auto_converge;
	uint32_t own_ms; /* of the domain */
	struct om_limits limits;
	const char *told; /* a part of the line */
	bool info;	  /* it is in the VM's log */
	size_t warnings;
};

static void under_stock_the_domains_own_limit_is_in_force(void **unused)
{
	struct om_limits limits = { .downtime_max_ms = 500, .own_ms = 120, .deadline_ms = 7 };

	(void)unused;
	for (int policy = 0; policy < OM_POLICY_COUNT; policy++) {
		bool stock = policy == OM_POLICY_STOCK;

		limits.policy = (enum om_policy)policy;
		assert_int_equal(om_limits_in_force_ms(&limits), stock ? 120 : 500);
		assert_int_equal(om_limits_deadline_ms(&limits), stock ? 0 : 7);
	}
	limits.policy = OM_POLICY_STOCK;
	limits.own_ms = 0; /* libvirt's default */
	assert_int_equal(om_limits_in_force_ms(&limits), 300);
}

static void check_value(const struct value_row *row)
{
	const struct om_facts facts = { .begun_ms = 70000, .max_downtime_ms = row->own_ms };
	struct om_knob_source sources[OM_ARRAY_LEN(row->set)];
	size_t count = 0;
	struct om_knobs knobs;
	struct om_opts opts;
	struct om_plan plan;
	struct om_err err;
	const char *line;

	while (count < OM_ARRAY_LEN(row->set) && row->set[count].name) {
		sources[count] = row->set[count];
		count++;
	}
	assert_true(om_knobs_resolve(&knobs, sources, count, NULL, &err));
	assert_true(om_opts_parse(&opts, row->options ? row->options : "", &err));
	om_opts_add_features(&opts, row->auto_converge, NULL);
	assert_true(om_plan_make(&plan, &request, &knobs, &opts, &facts, &err));
	assert_int_equal(plan.limits.downtime_max_ms, row->limits.downtime_max_ms);
	assert_int_equal(plan.limits.pause_max_ms, row->limits.pause_max_ms);
	assert_int_equal(plan.limits.deadline_ms, row->limits.deadline_ms);
	assert_int_equal(plan.limits.bandwidth_bytes_ps, row->limits.bandwidth_bytes_ps);
	assert_int_equal(plan.infos.n, row->info);
	assert_int_equal(plan.limits_text == NULL, row->info);
	line = row->info ? plan.infos.v[0] : plan.limits_text;
	if (!strstr(line, row->told))
		fail_msg("'%s' is not in '%s'", row->told, line);
	assert_int_equal(plan.warnings.n, row->warnings);
	om_plan_free(&plan);
	om_opts_free(&opts);
	om_knobs_free(&knobs);
}

#define SET(name, text)                                                                            \
	{                                                                                          \
		"MIGRATE_" name, text, OM_ORIGIN_RC                                                \
	}
#define DOWNTIME 500, 2000

static void each_limit_is_kept_and_told_with_its_origin(void **unused)
{
	static const struct value_row rows[] = {
		{ .limits = { 0, DOWNTIME },
		  .told = "limits: policy auto, downtime 500 ms, pause 2000 ms, deadline none, "
			  "post-copy no, auto-converge no, bandwidth unlimited" },
		/* the default, written down, is no news */
		{ { SET("DOWNTIME_MAX_MS", "500") },
		  .limits = { 0, DOWNTIME },
		  .told = "downtime 500 ms (onemigraterc), " },
		{ { SET("DOWNTIME_MAX_MS", "100") },
		  .own_ms = 5000,
		  .limits = { 0, 100, 2000 },
		  .told = "downtime 100 ms (onemigraterc), ",
		  .info = true },
		{ .own_ms = 501,
		  .limits = { 0, 501, 2000 },
		  .told = "downtime 501 ms (domain), pause 2000 ms, ",
		  .info = true },
		{ { SET("PAUSE_MAX_MS", "0") },
		  .limits = { 0, 500, 0 },
		  .told = "pause never (onemigraterc), ",
		  .info = true },
		{ { SET("PAUSE_MAX_MS", "500") },
		  .limits = { 0, 500, 500 },
		  .told = "pause 500 ms (onemigraterc), ",
		  .info = true },
		{ { SET("PAUSE_MAX_MS", "499") },
		  .limits = { 0, 500, 500 },
		  .told = "pause 500 ms (as the downtime), ",
		  .info = true,
		  .warnings = 1 },
		/* what does not count is no reason to warn */
		{ { SET("PAUSE_MAX_MS", "499"), SET("POLICY", "gentle") },
		  .limits = { 0, 500, 0 },
		  .told = "policy gentle (onemigraterc), downtime 500 ms, pause never "
			  "(MIGRATE_POLICY), ",
		  .info = true },
		{ { SET("DEADLINE", "1h30m") },
		  .limits = { 0, DOWNTIME, 70000 + 5400000 },
		  .told = "deadline 1h30m (onemigraterc), ",
		  .info = true },
		{ { { "MIGRATE_DEADLINE", "10s", OM_ORIGIN_VM },
		    SET("VM_MAY_SET", "MIGRATE_DEADLINE"),
		    SET("DEADLINE", "20s") },
		  .limits = { 0, DOWNTIME, 80000 },
		  .told = "deadline 10s (VM), ",
		  .info = true },
		{ { { "MIGRATE_DEADLINE", "30s", OM_ORIGIN_VM },
		    SET("VM_MAY_SET", "MIGRATE_DEADLINE"),
		    SET("DEADLINE", "20s") },
		  .limits = { 0, DOWNTIME, 90000 },
		  .told = "deadline 20s (onemigraterc), ",
		  .info = true,
		  .warnings = 1 },
		{ { SET("BANDWIDTH_MIBPS", "8796093022207") },
		  .limits = { 0, DOWNTIME, .bandwidth_bytes_ps = UINT64_C(8796093022207) << 20 },
		  .told = "bandwidth 8796093022207 MiB/s (onemigraterc)",
		  .info = true },
		{ { SET("BANDWIDTH_MIBPS", "50") },
		  .options = "--bandwidth 100",
		  .limits = { 0, DOWNTIME, .bandwidth_bytes_ps = 100 << 20 },
		  .told = "bandwidth 100 MiB/s (MIGRATE_OPTIONS)" },
		{ { SET("BANDWIDTH_MIBPS", "50") },
		  .options = "--bandwidth 0",
		  .limits = { 0, DOWNTIME },
		  .told = "bandwidth unlimited (MIGRATE_OPTIONS)",
		  .info = true },
		{ .options = "--auto-converge",
		  .limits = { 0, DOWNTIME },
		  .told = "auto-converge from the start (MIGRATE_OPTIONS), " },
		{ .auto_converge = "30,15",
		  .limits = { 0, DOWNTIME },
		  .told = "auto-converge from the start (FEATURES), " },
		{ { SET("AUTO_CONVERGE", "yes") },
		  .limits = { 0, DOWNTIME },
		  .told = "auto-converge yes (onemigraterc), ",
		  .info = true },
		/* stock sets no limit: the domain's own holds, and no deadline ends it */
		{ { SET("POLICY", "stock"), SET("DEADLINE", "10m") },
		  .limits = { 0, 500, 0, 70000 + 600000 },
		  .told = "policy stock (onemigraterc), downtime 300 ms (domain), pause never "
			  "(MIGRATE_POLICY), deadline 10m without effect (onemigraterc), ",
		  .info = true },
		{ { SET("POLICY", "stock"), SET("DOWNTIME_MAX_MS", "900") },
		  .own_ms = 120,
		  .limits = { 0, 900, 0 },
		  .told = "downtime 120 ms (domain), pause never (MIGRATE_POLICY), deadline none, ",
		  .info = true },
		{ { SET("POLICY", "guaranteed"), SET("DEADLINE", "10m") },
		  .limits = { 0, DOWNTIME, 70000 + 600000 },
		  .told = "deadline 10m (onemigraterc), ",
		  .info = true },
		{ { SET("POLICY", "guaranteed") },
		  .limits = { 0, DOWNTIME },
		  .told = "policy guaranteed (onemigraterc), downtime 500 ms, pause 2000 ms, "
			  "deadline none, post-copy no, auto-converge yes (MIGRATE_POLICY), ",
		  .info = true },
		{ { SET("POLICY", "guaranteed"), SET("AUTO_CONVERGE", "no") },
		  .limits = { 0, DOWNTIME },
		  .told = "auto-converge no (onemigraterc), ",
		  .info = true },
		{ .options = "--postcopy",
		  .limits = { 0, DOWNTIME },
		  .told = "post-copy as asked (MIGRATE_OPTIONS), " },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		check_value(&rows[i]);
}

/* ---- bandwidth among the parameters ---- */

static uint64_t number_of(const struct om_attempt *attempt, const char *name)
{
	const struct om_param *param = om_params_get(&attempt->params, name);

	return param ? param->number : UINT64_MAX;
}

static void the_limit_is_one_of_post_copy_too_unless_a_word_says_otherwise(void **unused)
{
	static const struct {
		const char *setting, *options, *postcopy;
		uint64_t bandwidth, armed, without; /* UINT64_MAX: not given */
	} rows[] = {
		{ "0", "", "yes", UINT64_MAX, UINT64_MAX, UINT64_MAX },
		{ "50", "", "yes", 50, 50, UINT64_MAX },
		{ "50", "--bandwidth 9", "yes", 9, 9, UINT64_MAX },
		{ "50", "--bandwidth 0", "yes", 0, UINT64_MAX, UINT64_MAX },
		{ "50", "--postcopy-bandwidth 7", "yes", 50, 7, 7 },
		{ "50", "", "no", 50, UINT64_MAX, UINT64_MAX },
		{ "50", "--postcopy", "yes", 50, 50, UINT64_MAX },
		{ "50", "--postcopy", "no", 50, 50, UINT64_MAX },
		{ "0", "--postcopy", "yes", UINT64_MAX, UINT64_MAX, UINT64_MAX },
		{ "50", "--postcopy --bandwidth 9", "yes", 9, UINT64_MAX, UINT64_MAX },
		{ "50", "--postcopy --postcopy-bandwidth 7", "yes", 50, 7, UINT64_MAX },
		{ "50", "--postcopy --postcopy-bandwidth 0", "yes", 50, 0, UINT64_MAX },
	};
	const struct om_facts facts = { .versions = { .dst_libvirt = 11004000 } };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		const struct om_knob_source sources[] = {
			{ "MIGRATE_BANDWIDTH_MIBPS", rows[i].setting, OM_ORIGIN_RC },
			{ "MIGRATE_POSTCOPY", rows[i].postcopy, OM_ORIGIN_RC },
		};
		struct om_knobs knobs;
		struct om_opts opts;
		struct om_plan plan;
		struct om_err err;

		assert_true(om_knobs_resolve(&knobs, sources, 2, NULL, &err));
		assert_true(om_opts_parse(&opts, rows[i].options, &err));
		assert_true(om_plan_make(&plan, &request, &knobs, &opts, &facts, &err));
		for (size_t a = 0; a < plan.attempt_count; a++) {
			const struct om_attempt *attempt = &plan.attempts[a];

			assert_int_equal(number_of(attempt, "bandwidth"), rows[i].bandwidth);
			assert_int_equal(number_of(attempt, "bandwidth.postcopy"),
					 attempt->flags & OM_FLAG_POSTCOPY ? rows[i].armed
									   : rows[i].without);
		}
		om_plan_free(&plan);
		om_opts_free(&opts);
		om_knobs_free(&knobs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_policy_has_the_name_of_its_choice),
		cmocka_unit_test(a_deadline_ends_what_does_not_have_to_end_well),
		cmocka_unit_test(an_owner_may_only_choose_what_does_less),
		cmocka_unit_test(every_combination_keeps_to_the_rules),
		cmocka_unit_test(under_stock_the_domains_own_limit_is_in_force),
		cmocka_unit_test(each_limit_is_kept_and_told_with_its_origin),
		cmocka_unit_test(the_limit_is_one_of_post_copy_too_unless_a_word_says_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
