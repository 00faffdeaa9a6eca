/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_control.h"
#include "om_state.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

static struct om_control_request parsed(const char *line)
{
	struct om_control_request request;
	struct om_err err = { 0 };

	if (!om_control_parse(&request, line, NULL, &err))
		fail_msg("'%s': %s", line, err.msg);
	return request;
}

static void assert_refused(const char *line, const char *why)
{
	struct om_control_request request;
	struct om_err err = { 0 };

	if (om_control_parse(&request, line, NULL, &err))
		fail_msg("'%s' was taken", line);
	assert_int_equal(err.code, OM_E_INPUT);
	if (!strstr(err.msg, why))
		fail_msg("'%s': '%s' is not in '%s'", line, why, err.msg);
}

static void a_verb_alone_is_a_request(void **unused)
{
	static const char *const lines[] = { "cancel", "postcopy", "pause" };
	static const enum om_control_verb verbs[] = { OM_CONTROL_CANCEL, OM_CONTROL_POSTCOPY,
						      OM_CONTROL_PAUSE };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(lines); i++) {
		assert_int_equal(parsed(lines[i]).verb, verbs[i]);
		assert_string_equal(om_control_verb_name(verbs[i]), lines[i]);
	}
	assert_refused("", "no such request");
	assert_refused("abort", "no such request");
	assert_refused("cancel now", "cancel takes nothing but a VM");
}

static void set_takes_each_word_once(void **unused)
{
	struct om_control_request r =
		parsed("set downtime-max=800 pause-max=0 bandwidth=100 deadline=90s policy=Gentle");

	(void)unused;
	assert_int_equal(r.verb, OM_CONTROL_SET);
	assert_int_equal(r.given, (1u << OM_CONTROL_WORD_COUNT) - 1);
	assert_int_equal(r.value[OM_CONTROL_DOWNTIME_MAX], 800);
	assert_int_equal(r.value[OM_CONTROL_PAUSE_MAX], 0);
	assert_int_equal(r.value[OM_CONTROL_BANDWIDTH], 100);
	assert_int_equal(r.value[OM_CONTROL_DEADLINE], 90000);
	assert_int_equal(r.value[OM_CONTROL_POLICY], OM_POLICY_GENTLE);
	assert_refused("set", "what is to be set?");
	assert_refused("set bandwidth=1 bandwidth=2", "bandwidth is given twice");
	assert_refused("set speed=1", "'speed' is none of");
	assert_refused("set bandwidth", "'bandwidth' is none of");
	assert_refused("set  bandwidth=1", "'' is none of");
}

static void values_keep_to_the_ranges_of_the_settings(void **unused)
{
	(void)unused;
	assert_refused("set downtime-max=0", "downtime-max=0: a number from 1 to 2000000 ms");
	assert_refused("set downtime-max=2000001", "from 1 to 2000000 ms");
	assert_refused("set downtime-max=none", "from 1 to 2000000 ms");
	assert_refused("set pause-max=-1", "from 0 to 2000000 ms or none");
	assert_refused("set bandwidth=8796093022208", "from 0 to 8796093022207 MiB/s or none");
	assert_refused("set bandwidth=1.5", "MiB/s");
	assert_refused("set policy=brutal", "auto|gentle|guaranteed|stock");
	assert_refused("set deadline=soon", "a duration");
	assert_refused("set deadline=", "a duration");
	assert_int_equal(parsed("set pause-max=none").value[OM_CONTROL_PAUSE_MAX], 0);
	assert_int_equal(parsed("set bandwidth=none").value[OM_CONTROL_BANDWIDTH], 0);
	assert_int_equal(parsed("set deadline=none").value[OM_CONTROL_DEADLINE], 0);
}

static void a_long_line_is_refused(void **unused)
{
	char line[2 * OM_CONTROL_LINE_MAX];

	(void)unused;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	assert_refused(line, "too many words");
}

static void only_what_is_given_is_changed(void **unused)
{
	const struct om_limits before = { .policy = OM_POLICY_AUTO,
					  .downtime_max_ms = 500,
					  .pause_max_ms = 2000,
					  .deadline_ms = 77,
					  .postcopy = true,
					  .throttle = true,
					  .bandwidth_bytes_ps = 1 << 20 };
	struct om_limits limits = before;
	struct om_control_request r = parsed("set downtime-max=800");

	(void)unused;
	om_control_apply(&r, 1000, &limits);
	assert_int_equal(limits.downtime_max_ms, 800);
	limits.downtime_max_ms = before.downtime_max_ms;
	assert_memory_equal(&limits, &before, sizeof(limits));

	r = parsed("set bandwidth=20 deadline=1m policy=stock pause-max=5");
	om_control_apply(&r, 1000, &limits);
	assert_int_equal(limits.bandwidth_bytes_ps, 20 << 20);
	assert_int_equal(limits.deadline_ms, 61000);
	assert_int_equal(limits.policy, OM_POLICY_STOCK);
	assert_int_equal(limits.pause_max_ms, 5);
	assert_true(limits.postcopy);
	assert_false(limits.throttle);

	/* what the one policy allows by itself ends with it */
	limits.throttling = OM_THROTTLING_GUARANTEED;
	r = parsed("set policy=guaranteed");
	om_control_apply(&r, 1000, &limits);
	assert_true(limits.throttle);
	r = parsed("set policy=auto");
	om_control_apply(&r, 1000, &limits);
	assert_false(limits.throttle);

	r = parsed("set deadline=none bandwidth=none");
	om_control_apply(&r, 1000, &limits);
	assert_int_equal(limits.deadline_ms, 0);
	assert_int_equal(limits.bandwidth_bytes_ps, 0);
}

static void the_limits_in_force_are_a_sentence(void **unused)
{
	struct om_limits limits = { .policy = OM_POLICY_GENTLE, .downtime_max_ms = 500 };
	char text[200];

	(void)unused;
	om_control_print_limits(&limits, 0, text, sizeof(text));
	assert_string_equal(text, "policy gentle, downtime up to 500 ms, no pause, bandwidth not "
				  "limited, no deadline");
	limits.pause_max_ms = 2000; /* which gentle never uses */
	om_control_print_limits(&limits, 0, text, sizeof(text));
	assert_non_null(strstr(text, "no pause, bandwidth"));
	limits.policy = OM_POLICY_AUTO;
	limits.bandwidth_bytes_ps = 100 << 20;
	limits.deadline_ms = 1000 + 7384 * 1000;
	om_control_print_limits(&limits, 1000, text, sizeof(text));
	assert_string_equal(text, "policy auto, downtime up to 500 ms, pause up to 2000 ms, "
				  "bandwidth 100 MiB/s, deadline in 2 h 3 min");
	om_limits_set_policy(&limits, OM_POLICY_GUARANTEED);
	om_control_print_limits(&limits, 1000, text, sizeof(text));
	assert_non_null(strstr(text, "pause up to 2000 ms, no throttled restart, bandwidth"));
	limits.pause_max_ms = 100; /* the guest may stand still for 500 without it */
	om_control_print_limits(&limits, 1000, text, sizeof(text));
	assert_non_null(strstr(text, "downtime up to 500 ms, pause up to 500 ms, "));
	limits.pause_max_ms = 2000;
	limits.throttling = OM_THROTTLING_GUARANTEED;
	om_limits_set_policy(&limits, OM_POLICY_GUARANTEED);
	om_control_print_limits(&limits, 1000, text, sizeof(text));
	assert_non_null(strstr(text, "pause up to 2000 ms, a throttled restart allowed, "));
	om_control_print_limits(&limits, limits.deadline_ms - 125000, text, sizeof(text));
	assert_non_null(strstr(text, "deadline in 2 min 5 s"));
	om_control_print_limits(&limits, limits.deadline_ms + 1, text, sizeof(text));
	assert_non_null(strstr(text, "deadline in 0 s"));
	om_limits_set_policy(&limits, OM_POLICY_STOCK); /* which uses none of them */
	om_control_print_limits(&limits, limits.deadline_ms - 125000, text, sizeof(text));
	assert_string_equal(text, "policy stock, the domain's own downtime limit, bandwidth 100 "
				  "MiB/s, deadline in 2 min 5 s without effect");
}

static void an_answer_survives_the_wire(void **unused)
{
	struct om_control_answer answer, copy;
	char line[512];

	(void)unused;
	for (int result = 0; result < OM_CONTROL_RESULT_COUNT; result++) {
		assert_false(om_control_say(&answer, result, "text %d\nmore", result));
		om_control_print_answer(&answer, line, sizeof(line));
		assert_null(strchr(line, '\n'));
		assert_true(om_control_parse_answer(&copy, line));
		assert_int_equal(copy.result, result);
		assert_string_equal(copy.text, answer.text);
	}
	assert_false(om_control_parse_answer(&copy, "perhaps x"));
	assert_false(om_control_parse_answer(&copy, "done"));
	assert_false(om_control_parse_answer(&copy, ""));
}

static void each_result_has_an_exit_status_of_its_own(void **unused)
{
	unsigned int seen = 1u << 2; /* usage */

	(void)unused;
	for (int result = 0; result < OM_CONTROL_RESULT_COUNT; result++) {
		int status = om_control_exit_status(result);

		assert_true(status >= 0 && status < 32 && !(seen & 1u << status));
		seen |= 1u << status;
	}
	assert_int_equal(om_control_exit_status(OM_CONTROL_DONE), 0);
}

#define GO OM_CONTROL_RESULT_COUNT
struct judged {
	const char *line;
	struct om_control_facts facts;
	enum om_control_result result; /* GO: may be carried out */
	const char *why;
};

/* clang-format off */
static const struct judged cases[] = {
	{ "cancel", { 0 }, GO, "" },
	{ "cancel", { .stopping = true }, GO, "" },
	{ "cancel", { .paused = true }, GO, "" },
	{ "cancel", { .ended = true }, GO, "" },
	{ "cancel", { .ended = true, .on_dest = true }, OM_CONTROL_TOO_LATE, "on the destination" },
	{ "cancel", { .postcopy = true }, OM_CONTROL_IN_POSTCOPY, "part of its memory" },
	{ "cancel", { .postcopy = true, .ended = true, .on_dest = true }, OM_CONTROL_TOO_LATE, "" },
	{ "cancel", { .postcopy = true, .postcopy_broken = true }, OM_CONTROL_IN_POSTCOPY,
	  "post-copy is broken, and cannot be cancelled: each host has a part of the guest's memory; do not "
	  "destroy the VM on either host" },
	{ "cancel", { .postcopy = true, .postcopy_broken = true, .ended = true, .on_dest = true }, OM_CONTROL_TOO_LATE, "" },
	{ "postcopy", { .postcopy = true, .postcopy_broken = true }, OM_CONTROL_REFUSED, "already" },
	{ "pause", { .postcopy = true, .postcopy_broken = true }, OM_CONTROL_REFUSED, "broken" },
	{ "set bandwidth=1", { 0 }, GO, "" },
	{ "set bandwidth=1", { .postcopy = true }, GO, "" },
	{ "set bandwidth=1 downtime-max=1", { .postcopy = true }, OM_CONTROL_REFUSED, "only bandwidth=" },
	{ "set bandwidth=1", { .stopping = true }, OM_CONTROL_REFUSED, "being cancelled" },
	{ "set bandwidth=1", { .ended = true }, OM_CONTROL_REFUSED, "ending" },
	{ "set bandwidth=1", { .ended = true, .on_dest = true }, OM_CONTROL_TOO_LATE, "" },
	{ "set downtime-max=1", { .paused = true }, GO, "" },
	{ "postcopy", { 0 }, GO, "" }, /* libvirt will say */
	{ "postcopy", { .postcopy_known = true }, OM_CONTROL_REFUSED, "not started with post-copy" },
	{ "postcopy", { .postcopy_known = true, .postcopy_armed = true }, GO, "" },
	{ "postcopy", { .postcopy_known = true, .postcopy_armed = true, .never_switch = true },
	  OM_CONTROL_REFUSED, "lose" },
	{ "postcopy", { .postcopy = true }, OM_CONTROL_REFUSED, "already" },
	{ "postcopy", { .paused = true }, OM_CONTROL_REFUSED, "paused" },
	{ "postcopy", { .stopping = true }, OM_CONTROL_REFUSED, "being cancelled" },
	{ "postcopy", { .ended = true, .on_dest = true }, OM_CONTROL_TOO_LATE, "" },
	{ "pause", { 0 }, GO, "" },
	{ "pause", { .paused = true }, OM_CONTROL_REFUSED, "already" },
	{ "pause", { .postcopy = true }, OM_CONTROL_REFUSED, "runs on the destination" },
	{ "pause", { .stopping = true }, OM_CONTROL_REFUSED, "being cancelled" },
	{ "pause", { .ended = true }, OM_CONTROL_REFUSED, "" },
};
/* clang-format on */

static void what_cannot_be_done_is_refused_with_a_reason(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(cases); i++) {
		const struct judged *c = &cases[i];
		struct om_control_request request = parsed(c->line);
		struct om_control_answer answer = { .result = GO };

		if (om_control_judge(&request, &c->facts, &answer) != (c->result == GO) ||
		    answer.result != c->result || !strstr(answer.text, c->why))
			fail_msg("case %zu, %s: %d '%s'", i, c->line, answer.result, answer.text);
	}
}

/* ---- where no helper watches it ---- */

struct seen {
	const char *line; /* "": only looked at */
	struct om_side side;
	enum om_control_result result; /* GO: not over yet */
	const char *text;
};

/* clang-format off */
static const struct seen seen_cases[] = {
	{ "cancel", { .state = OM_SIDE_RUNNING }, OM_CONTROL_DONE, "cancelled; the VM runs on this host" },
	{ "cancel", { .state = OM_SIDE_RUNNING, .job = true }, GO, "" },
	{ "cancel", { .state = OM_SIDE_ROLLED_BACK }, OM_CONTROL_DONE, "cancelled; the VM runs" },
	{ "cancel", { .state = OM_SIDE_PAUSED }, OM_CONTROL_DONE, "cancelled; the VM is paused" },
	{ "cancel", { .state = OM_SIDE_PAUSED, .job = true }, GO, "" },
	{ "cancel", { .state = OM_SIDE_INCOMING }, GO, "" },
	{ "cancel", { .state = OM_SIDE_UNREACHABLE }, GO, "" },
	{ "cancel", { .state = OM_SIDE_POSTCOPY }, OM_CONTROL_IN_POSTCOPY, "it ends when that has been sent" },
	{ "cancel", { .state = OM_SIDE_POSTCOPY_FAILED }, OM_CONTROL_IN_POSTCOPY, "do not destroy the VM on either host" },
	{ "cancel", { .state = OM_SIDE_ABSENT }, OM_CONTROL_UNPROVEN, "not on this host any more" },
	{ "", { .state = OM_SIDE_RUNNING }, OM_CONTROL_DONE, "the VM runs on this host" },
	{ "", { .state = OM_SIDE_PAUSED }, OM_CONTROL_DONE, "the VM is paused on this host" },
	{ "", { .state = OM_SIDE_ABSENT }, OM_CONTROL_UNPROVEN, "not on this host any more" },
	{ "postcopy", { .state = OM_SIDE_POSTCOPY }, OM_CONTROL_DONE, "in post-copy: the guest runs on the destination" },
	{ "postcopy", { .state = OM_SIDE_POSTCOPY_FAILED }, GO, "" },
	{ "postcopy", { .state = OM_SIDE_RUNNING }, GO, "" },
	{ "postcopy", { .state = OM_SIDE_ABSENT }, OM_CONTROL_UNPROVEN, "not on this host any more" },
	{ "pause", { .state = OM_SIDE_PAUSED }, OM_CONTROL_DONE, "stands still" },
	{ "pause", { .state = OM_SIDE_INCOMING }, OM_CONTROL_DONE, "stands still" },
	{ "pause", { .state = OM_SIDE_RUNNING, .job = true }, GO, "" },
	{ "pause", { .state = OM_SIDE_ABSENT }, OM_CONTROL_UNPROVEN, "not on this host any more" },
};
/* clang-format on */

static void only_what_libvirt_says_is_an_end(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(seen_cases); i++) {
		const struct seen *c = &seen_cases[i];
		struct om_control_request request = parsed(*c->line ? c->line : "cancel");
		struct om_control_answer answer = { .result = GO };
		bool over = om_control_seen(*c->line ? &request : NULL, &c->side, &answer);

		if (over != (c->result != GO) ||
		    (over && (answer.result != c->result || !strstr(answer.text, c->text))))
			fail_msg("case %zu, '%s': %d, %d '%s'", i, c->line, over, answer.result,
				 answer.text);
	}
}

static void facts_follow_from_libvirts_state(void **unused)
{
	(void)unused;
	for (int state = 0; state < OM_SIDE_COUNT; state++) {
		struct om_side side = { .state = (enum om_side_state)state };
		struct om_control_facts facts = om_control_facts_of(&side);

		assert_int_equal(facts.postcopy,
				 state == OM_SIDE_POSTCOPY || state == OM_SIDE_POSTCOPY_FAILED);
		assert_int_equal(facts.postcopy_broken, state == OM_SIDE_POSTCOPY_FAILED);
		assert_int_equal(facts.paused,
				 state == OM_SIDE_PAUSED || state == OM_SIDE_INCOMING);
	}
}

/* That of an earlier migration proves nothing of this one. */
static void a_vm_that_is_gone_went_where_its_own_migration_says(void **unused)
{
	struct om_state state = { .phase = OM_PHASE_DONE, .updated_epoch_ms = 1000, .dst = "b" };
	struct om_control_answer answer;

	(void)unused;
	assert_false(om_control_went(&state, 1001, &answer));
	assert_true(om_control_went(&state, 1000, &answer));
	assert_int_equal(answer.result, OM_CONTROL_TOO_LATE);
	assert_string_equal(answer.text, "too late: the migration has ended, the VM went to b");
	for (int phase = 0; phase < OM_PHASE_COUNT; phase++) {
		state.phase = (enum om_phase)phase;
		assert_int_equal(om_control_went(&state, 0, &answer), phase == OM_PHASE_DONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verb_alone_is_a_request),
		cmocka_unit_test(set_takes_each_word_once),
		cmocka_unit_test(values_keep_to_the_ranges_of_the_settings),
		cmocka_unit_test(a_long_line_is_refused),
		cmocka_unit_test(only_what_is_given_is_changed),
		cmocka_unit_test(the_limits_in_force_are_a_sentence),
		cmocka_unit_test(an_answer_survives_the_wire),
		cmocka_unit_test(each_result_has_an_exit_status_of_its_own),
		cmocka_unit_test(what_cannot_be_done_is_refused_with_a_reason),
		cmocka_unit_test(only_what_libvirt_says_is_an_end),
		cmocka_unit_test(facts_follow_from_libvirts_state),
		cmocka_unit_test(a_vm_that_is_gone_went_where_its_own_migration_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
