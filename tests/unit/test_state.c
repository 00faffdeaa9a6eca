/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_state.h"
#include "om_text.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static struct om_state sample(void)
{
	return (struct om_state){
		.uuid = UUID,
		.vm_id = "31",
		.vm_name = "web front 01",
		.src = "node01",
		.dst = "node02",
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.pid = 4711,
		.started_epoch_ms = 1784629430000,
		.updated_epoch_ms = 1784629432000,
		.phase = OM_PHASE_COPY,
		.path_addr = "10.1.0.2",
		.path_ifname = "eth1",
		.path_speed_mbit = 10000,
		.iteration = 2,
		.percent = 57,
		.processed_bytes = 5000000000,
		.remaining_bytes = 1 << 30,
		.total_bytes = 8ull << 30,
		.rate_bytes_ps = 112 << 20,
		.dirty_bytes_ps = 1 << 20,
		.downtime_limit_ms = 30,
		.throttle_percent = 20,
		.eta_ms = 2150,
		.elapsed_ms = 2000,
		.downtime_ms = 41,
		.decision = "downtime limit 30 ms",
		.result = "a = b",
	};
}

/* No field is zero. */
static struct om_state full(void)
{
	struct om_state state = sample();

	om_str_copy(state.transport, sizeof(state.transport), "2 connections, zstd level 1");
	state.guest_bytes = 400ull << 20;
	state.packed_permille = 65;
	state.hot_bytes = 40ull << 20;
	state.wire_bytes = 390ull << 20;
	state.wire_ms = 3400;
	state.src_cpu_ms = 900;
	state.dst_cpu_ms = 700;
	state.disk_remaining_bytes = 3ull << 30;
	state.disk_total_bytes = 20ull << 30;
	state.files_remaining_bytes = 5ull << 20;
	state.files_total_bytes = 1ull << 30;
	state.forecast = 1;
	state.eta_low_ms = 8000;
	state.eta_high_ms = 9100;
	state.eta_ms = 9100;
	state.downtime_low_ms = 180;
	state.downtime_high_ms = 1220;
	state.need_downtime_ms = 3200;
	state.need_bytes_ps = 286ull << 20;
	om_str_copy(state.policy, sizeof(state.policy), "guaranteed");
	state.downtime_max_ms = 500;
	state.pause_max_ms = 2000;
	state.deadline_epoch_ms = 1784629432000 + 303000;
	state.postcopy_allowed = state.throttle_allowed = 1;
	state.bandwidth_bytes_ps = 64 << 20;
	state.decision_epoch_ms = 1784629430800;
	om_str_copy(state.actions, sizeof(state.actions), "downtime 30 ms at 0.8 s");
	state.sent_bytes = 5000000001;
	state.copy_ms = 1800;
	state.half_left_ms = 1000;
	state.half_eta_low_ms = 900;
	state.half_eta_high_ms = 1100;
	state.acted_eta_low_ms = 700;
	state.acted_eta_high_ms = 800;
	state.acted_downtime_low_ms = 20;
	state.acted_downtime_high_ms = 40;
	return state;
}

/* As large as it can be, every character of its texts `c`. */
static struct om_state largest(char c)
{
	struct om_state state;

	memset(&state, 0xff, sizeof(state)); /* every number is the highest */
	state.pid = INT64_MAX;
	state.phase = OM_PHASE_POSTCOPY;
	memcpy(state.uuid, UUID, sizeof(state.uuid));
#define FILL(field) (memset(state.field, c, sizeof(state.field) - 1), state.field[sizeof(state.field) - 1] = '\0')
	FILL(vm_id), FILL(vm_name), FILL(src), FILL(dst), FILL(boot_id);
	FILL(path_addr), FILL(path_ifname), FILL(policy);
	FILL(decision), FILL(actions), FILL(transport), FILL(result);
#undef FILL
	return state;
}

static void assert_round_trip(const struct om_state *state)
{
	char text[OM_STATE_TEXT_MAX], again[OM_STATE_TEXT_MAX];
	struct om_state copy;

	assert_true(om_state_print(state, text, sizeof(text)) < sizeof(text));
	assert_true(om_state_parse(&copy, text));
	om_state_print(&copy, again, sizeof(again));
	assert_string_equal(text, again);
}

static void every_field_survives_printing_and_parsing(void **unused)
{
	struct om_state state = full(), copy;
	char text[OM_STATE_TEXT_MAX], *zero;

	(void)unused;
	om_state_print(&state, text, sizeof(text));
	zero = strstr(text, "=0\n");
	if (zero || strstr(text, "=\n"))
		fail_msg("a field of the sample is zero: %s", text);
	assert_true(om_state_parse(&copy, text));
	assert_memory_equal(&state, &copy, sizeof(state));
	for (unsigned int i = 0; i < OM_PHASE_COUNT; i++) {
		state.phase = (enum om_phase)i;
		assert_round_trip(&state);
	}
}

static void the_largest_state_fits_into_its_text(void **unused)
{
	static const char characters[] = "x\"\\";
	char text[OM_STATE_TEXT_MAX], json[OM_STATE_JSON_MAX];

	(void)unused;
	for (const char *c = characters; *c; c++) {
		struct om_state state = largest(*c);

		assert_round_trip(&state);
		assert_true(om_state_print_json(&state, json, sizeof(json)) < sizeof(json));
		assert_true(om_state_print_text(&state, text, sizeof(text)) < sizeof(text));
		assert_true(om_state_print_bar(&state, 40, text, sizeof(text)) < sizeof(text));
		assert_true(om_state_print_record(&state, text, sizeof(text)) < sizeof(text));
		/* Some of it is free: a newer release may add to it, and this one still reads it. */
		assert_true(om_state_print(&state, text, sizeof(text)) < 3584);
	}
}

static void a_record_is_one_line_that_keeps_what_the_history_needs(void **unused)
{
	struct om_state state = full(), copy;
	char line[OM_STATE_TEXT_MAX], again[OM_STATE_TEXT_MAX];

	(void)unused;
	state.phase = OM_PHASE_FAILED;
	om_str_copy(state.vm_name, sizeof(state.vm_name), "a\tb\nphase=done\tc");
	om_state_print_record(&state, line, sizeof(line));
	assert_null(strchr(line, '\n'));
	assert_non_null(strstr(line, "\tvm_name=a?b?phase=done?c\t"));
	assert_null(strstr(line, "boot_id"));
	assert_true(om_state_parse_record(&copy, line));
	assert_int_equal(copy.phase, OM_PHASE_FAILED);
	assert_int_equal(copy.downtime_ms, 41);
	assert_int_equal(copy.sent_bytes, 5000000001);
	assert_int_equal(copy.half_eta_high_ms, 1100);
	assert_int_equal(copy.acted_downtime_high_ms, 40);
	assert_string_equal(copy.actions, state.actions);
	assert_string_equal(copy.policy, "guaranteed");
	assert_int_equal(copy.pid, 0);
	om_state_print_record(&copy, again, sizeof(again));
	assert_string_equal(line, again);
}

static void a_record_has_no_zeros(void **unused)
{
	struct om_state state = { .uuid = UUID, .phase = OM_PHASE_DONE };
	char line[OM_STATE_TEXT_MAX];

	(void)unused;
	om_state_print_record(&state, line, sizeof(line));
	assert_string_equal(line, "onemigrate-history=1\tuuid=" UUID "\tphase=done\tend=1");
}

static void what_is_no_record_is_refused(void **unused)
{
	static const char *const lines[] = {
		"",
		"onemigrate-history=1",
		"onemigrate-history=1\tend=1",
		"onemigrate-history=2\tuuid=" UUID "\tphase=done\tend=1",
		"onemigrate-state=1\tuuid=" UUID "\tphase=done\tend=1",
		"onemigrate-history=1\tuuid=" UUID "\tphase=copy\tend=1",
		"onemigrate-history=1\tuuid=" UUID "\tend=1",
		"onemigrate-history=1\tuuid=x\tphase=done\tend=1",
		"onemigrate-history=1\tuuid=" UUID "\tphase=done",
		"onemigrate-history=1\tuuid=" UUID "\tphase=done\t\tend=1",
		"onemigrate-history=1\tuuid=" UUID "\tphase=done\tdowntime_ms=x\tend=1",
	};
	struct om_state state = full(), copy;
	char line[OM_STATE_TEXT_MAX];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(lines); i++)
		if (om_state_parse_record(&state, lines[i]))
			fail_msg("accepted row %zu: %s", i, lines[i]);
	/* Cut off anywhere. */
	state = full();
	state.phase = OM_PHASE_DONE;
	for (size_t len = om_state_print_record(&state, line, sizeof(line)); len--;) {
		line[len] = '\0';
		assert_false(om_state_parse_record(&copy, line));
	}
}

static void a_newline_in_a_name_makes_no_second_line(void **unused)
{
	struct om_state state = sample(), copy;
	char text[OM_STATE_TEXT_MAX];

	(void)unused;
	om_str_copy(state.vm_name, sizeof(state.vm_name), "x\nphase=done\x1b[2J\xc2\x9b" "1m\xff");
	om_state_print(&state, text, sizeof(text));
	assert_true(om_state_parse(&copy, text));
	assert_int_equal(copy.phase, OM_PHASE_COPY);
	assert_string_equal(copy.vm_name, "x?phase=done?[2J?1m?");
}

static void unknown_keys_are_ignored_and_missing_ones_are_zero(void **unused)
{
	struct om_state state;

	(void)unused;
	assert_true(om_state_parse(&state, "onemigrate-state=1\nuuid=" UUID "\nnew_key=a=b\n=\n"));
	assert_string_equal(state.uuid, UUID);
	assert_int_equal(state.phase, OM_PHASE_PREPARE);
	assert_int_equal(state.percent, 0);
}

static void what_is_no_state_file_is_refused(void **unused)
{
	static const char *const texts[] = {
		"",
		"onemigrate-state=1",
		"onemigrate-state=1\n",
		"onemigrate-state=2\nuuid=" UUID "\n",
		"uuid=" UUID "\n",
		"onemigrate-state=1\nuuid=" UUID,
		"onemigrate-state=1\nuuid=" UUID "\nno equals sign\n",
		"onemigrate-state=1\nuuid=" UUID "\n\n",
		"onemigrate-state=1\nuuid=" UUID "\npercent=x\n",
		"onemigrate-state=1\nuuid=" UUID "\npercent=4294967296\n",
		"onemigrate-state=1\nuuid=" UUID "\npercent=-1\n",
		"onemigrate-state=1\nuuid=" UUID "\npercent=\n",
		"onemigrate-state=1\nuuid=" UUID "\npid=9223372036854775808\n",
		"onemigrate-state=1\nuuid=" UUID "\nphase=flying\n",
		"onemigrate-state=1\nuuid=" UUID "\nvm_id=12345678901234567890\n",
		"onemigrate-state=1\nuuid=../../etc/passwd\n",
	};
	struct om_state state;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		if (om_state_parse(&state, texts[i]))
			fail_msg("accepted row %zu: %s", i, texts[i]);
}

static void a_vm_has_an_id_a_uuid_and_a_name(void **unused)
{
	struct om_state state = sample();

	(void)unused;
	assert_true(om_state_is_of(&state, "31"));
	assert_true(om_state_is_of(&state, "85B4AD9D-6E6C-4A1E-BB1C-0C8AD1B1A4C4"));
	assert_true(om_state_is_of(&state, "web front 01"));
	assert_false(om_state_is_of(&state, "3"));
	assert_false(om_state_is_of(&state, "Web front 01"));
}

static void a_name_never_stands_for_the_id_or_the_uuid_of_another_vm(void **unused)
{
	static const char *const names[] = { "42", "one-42", "11111111-2222-3333-4444-555555555555",
					     "11111111-AAAA-3333-4444-555555555555" };
	struct om_state state = sample();

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++) {
		om_str_copy(state.vm_name, sizeof(state.vm_name), names[i]);
		if (om_state_is_of(&state, names[i]))
			fail_msg("VM 31 is taken for %s", names[i]);
		assert_true(om_state_is_of(&state, "31"));
		assert_true(om_state_is_of(&state, "one-31"));
		assert_true(om_state_is_of(&state, UUID));
	}
	om_str_copy(state.vm_name, sizeof(state.vm_name), "one-31b");
	assert_true(om_state_is_of(&state, "one-31b"));
	om_str_copy(state.vm_name, sizeof(state.vm_name), "one-");
	assert_true(om_state_is_of(&state, "one-"));
}

static void only_a_uuid_is_a_uuid(void **unused)
{
	static const char *const wrong[] = {
		"", "85b4ad9d", UUID "0", "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c",
		"85b4ad9d-6e6c-4a1e-bb1c/0c8ad1b1a4c4", "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4cg",
		"85b4ad9d.6e6c-4a1e-bb1c-0c8ad1b1a4c4", "../../../../../../../../../../etc/aaa",
	};

	(void)unused;
	assert_true(om_state_uuid_valid(UUID));
	assert_true(om_state_uuid_valid("85B4AD9D-6E6C-4A1E-BB1C-0C8AD1B1A4C4"));
	for (size_t i = 0; i < OM_ARRAY_LEN(wrong); i++)
		assert_false(om_state_uuid_valid(wrong[i]));
}

static void json_is_one_object_with_every_key_escaped(void **unused)
{
	struct om_state state = sample();
	char json[OM_STATE_JSON_MAX];

	(void)unused;
	om_str_copy(state.vm_name, sizeof(state.vm_name), "\"q\\\n\xc3\xbc\xff");
	om_state_print_json(&state, json, sizeof(json));
	assert_int_equal(json[0], '{');
	assert_int_equal(json[strlen(json) - 1], '}');
	assert_non_null(strstr(json, "\"vm_name\":\"\\\"q\\\\?\xc3\xbc?\","));
	assert_non_null(strstr(json, "\"phase\":\"copy\""));
	assert_non_null(strstr(json, "\"processed_bytes\":5000000000,"));
	assert_non_null(strstr(json, "\"packed_permille\":0,")); /* not known */
	state.packed_permille = 1 + 64;
	om_state_print_json(&state, json, sizeof(json));
	assert_non_null(strstr(json, "\"packed_permille\":64,"));
	om_state_print_record_json(&state, json, sizeof(json));
	assert_non_null(strstr(json, "\"packed_permille\":64,"));
	assert_null(strchr(json, '\n'));
}

static void an_empty_text_is_empty_in_json(void **unused)
{
	struct om_state state = sample();
	char json[OM_STATE_JSON_MAX];

	(void)unused;
	state.decision[0] = state.result[0] = '\0';
	om_state_print_json(&state, json, sizeof(json));
	assert_non_null(strstr(json, "\"decision\":\"\","));
	assert_non_null(strstr(json, "\"result\":\"\""));
}

static void a_short_buffer_is_never_overrun_and_the_length_is_told(void **unused)
{
	struct om_state state = sample();
	char whole[OM_STATE_JSON_MAX], part[64];
	size_t len = om_state_print_json(&state, whole, sizeof(whole));

	(void)unused;
	for (size_t size = 1; size <= sizeof(part); size++) {
		memset(part, 'x', sizeof(part));
		assert_int_equal(om_state_print_json(&state, part, size), len);
		assert_int_equal(strlen(part), size - 1);
		assert_memory_equal(part, whole, size - 1);
	}
}

static void the_bar_is_one_readable_line(void **unused)
{
	struct om_state state = sample();
	char line[512];

	(void)unused;
	om_state_print_bar(&state, 16, line, sizeof(line));
	assert_string_equal(line, "31 web front 01 node01->node02  [#########.......]  57 %  "
				  "112 MiB/s  pass 2  2.1 s left");
	state.phase = OM_PHASE_DONE;
	om_state_print_bar(&state, 4, line, sizeof(line));
	assert_string_equal(line, "31 web front 01 node01->node02  [####]  100 %  done in 2.0 s  "
				  "downtime 41 ms");
	state.phase = OM_PHASE_POSTCOPY;
	state.percent = 100;
	state.eta_ms = 0;
	om_state_print_bar(&state, 0, line, sizeof(line));
	assert_string_equal(line, "31 web front 01 node01->node02  99 %  112 MiB/s  post-copy");
}

static void a_bar_shows_no_control_character_and_keeps_utf_8(void **unused)
{
	struct om_state state = sample();
	char line[512];

	(void)unused;
	om_str_copy(state.vm_name, sizeof(state.vm_name),
		    "Z\xc3\xbcrich \r\x1b]0;x\x07\xe2\x80\xae");
	om_str_copy(state.src, sizeof(state.src), "a\nb");
	om_state_print_bar(&state, 0, line, sizeof(line));
	assert_non_null(strstr(line, "31 Z\xc3\xbcrich ??]0;x?? a?b->node02  57 %"));
}

static void only_a_finished_migration_is_at_100_percent(void **unused)
{
	struct om_state state = sample();
	char text[OM_STATE_JSON_MAX];

	(void)unused;
	for (unsigned int phase = 0; phase < OM_PHASE_COUNT; phase++)
		for (state.percent = 98; state.percent < 103; state.percent++) {
			uint32_t expected = state.percent < 99 ? state.percent : 99;

			state.phase = (enum om_phase)phase;
			expected = phase == OM_PHASE_DONE ? 100 : expected;
			assert_int_equal(om_state_percent(&state), expected);
			om_state_print_json(&state, text, sizeof(text));
			assert_int_equal(strstr(text, "\"percent\":100") != NULL, expected == 100);
			om_state_print_text(&state, text, sizeof(text));
			assert_int_equal(strstr(text, " 100 %") != NULL, expected == 100);
			om_state_print_bar(&state, 20, text, sizeof(text));
			assert_int_equal(strstr(text, " 100 %") != NULL, expected == 100);
		}
}

static void the_text_for_people_names_path_and_result(void **unused)
{
	struct om_state state = sample();
	char text[OM_STATE_TEXT_MAX];

	(void)unused;
	om_state_print_text(&state, text, sizeof(text));
	assert_non_null(strstr(text, "VM 31 web front 01, " UUID "\n"));
	assert_non_null(strstr(text, "node01 -> node02, copy, 57 %, pass 2\n"));
	assert_non_null(strstr(text, "10.1.0.2 by eth1 (10000 Mbit/s)\n"));
	assert_non_null(strstr(text, "2.0 s so far, 2.1 s left\n"));
	assert_non_null(strstr(text, "result    a = b\n"));
	snprintf(state.transport, sizeof(state.transport), "2 connections, zstd level 1");
	om_state_print_text(&state, text, sizeof(text));
	assert_non_null(strstr(text, "eth1 (10000 Mbit/s), 2 connections, zstd level 1\n"));
	*state.transport = *state.path_addr = *state.path_ifname = '\0';
	state.path_speed_mbit = 0;
	om_state_print_text(&state, text, sizeof(text));
	assert_non_null(strstr(text, "the default one\n"));
}

static void assert_text_has(const struct om_state *state, const char *expected)
{
	char text[OM_STATE_TEXT_MAX];

	om_state_print_text(state, text, sizeof(text));
	if (!strstr(text, expected))
		fail_msg("'%s' is not in\n%s", expected, text);
}

static void assert_text_lacks(const struct om_state *state, const char *unexpected)
{
	char text[OM_STATE_TEXT_MAX];

	om_state_print_text(state, text, sizeof(text));
	if (strstr(text, unexpected))
		fail_msg("'%s' is in\n%s", unexpected, text);
}

static void the_text_tells_what_is_expected_and_allowed(void **unused)
{
	struct om_state state = full();

	(void)unused;
	assert_text_has(&state, "\n  disks     3072 MiB remain, of 20.0 GiB\n");
	assert_text_has(&state, "1 MiB/s, its CPUs slowed by 20 %\n");
	assert_text_has(&state, "\n  time      2.0 s so far, 8.0-9.1 s left\n");
	assert_text_has(&state, "\n  downtime  180 ms to 1.2 s expected; limit at present 30 ms\n");
	assert_text_has(&state, "\n  limits    guaranteed: downtime 500 ms, pause 2.0 s, post-copy, "
				"throttling, 64 MiB/s; deadline in 5 min 3 s\n");
	assert_text_lacks(&state, "needs");
	assert_text_has(&state, "\n  decision  downtime limit 30 ms (1.2 s ago)\n");
	assert_text_has(&state, "\n  actions   downtime 30 ms at 0.8 s\n");
	state.deadline_epoch_ms = state.updated_epoch_ms;
	state.postcopy_allowed = state.throttle_allowed = state.pause_max_ms = 0;
	state.bandwidth_bytes_ps = 0;
	assert_text_has(&state, "guaranteed: downtime 500 ms, no post-copy; deadline over\n");
}

static void no_end_in_sight_is_said_with_what_it_would_need(void **unused)
{
	struct om_state state = full();
	char line[512];

	(void)unused;
	state.eta_low_ms = state.eta_high_ms = state.eta_ms = 0;
	assert_text_has(&state, "2.0 s so far, no end in sight\n");
	assert_text_has(&state, "\n  needs     a downtime of 3.2 s, or 286 MiB/s\n");
	om_state_print_bar(&state, 0, line, sizeof(line));
	assert_non_null(strstr(line, "  pass 2  no end in sight"));
	state.need_downtime_ms = 0;
	assert_text_has(&state, "\n  needs     286 MiB/s\n");
	state.forecast = 0;
	assert_text_lacks(&state, "no end in sight");
	assert_text_lacks(&state, "needs");
	assert_text_lacks(&state, "expected");
}

static void an_ended_migration_expects_nothing_any_more(void **unused)
{
	struct om_state state = full();

	(void)unused;
	state.phase = OM_PHASE_DONE;
	assert_text_has(&state, "\n  time      2.0 s\n  downtime  41 ms\n");
	assert_text_lacks(&state, "left");
	assert_text_lacks(&state, "expected");
	assert_text_lacks(&state, "deadline");
	assert_text_lacks(&state, "ago)");
	assert_text_has(&state, "\n  actions   downtime 30 ms at 0.8 s\n");
}

static void a_range_is_as_short_as_its_digits_allow(void **unused)
{
	static const struct {
		uint64_t low_ms, high_ms;
		const char *text;
	} rows[] = {
		{ 2000, 2099, "so far, 2.0 s left\n" },
		{ 2000, 2100, "so far, 2.0-2.1 s left\n" },
		{ 0, 59900, "so far, 0.0-59.9 s left\n" },
		{ 59000, 61000, "so far, 59.0 s - 1 min 1 s left\n" },
		{ 61000, 61999, "so far, 1 min 1 s left\n" },
		{ 3600000, 7260000, "so far, 1 h 0 min - 2 h 1 min left\n" },
	};
	struct om_state state = full();

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		state.eta_low_ms = rows[i].low_ms;
		state.eta_high_ms = rows[i].high_ms;
		assert_text_has(&state, rows[i].text);
	}
}

static void totals_sum_what_is_under_way(void **unused)
{
	struct om_state one = full(), two = full(), ended = full();
	struct om_state_totals totals = { 0 };
	char text[200];

	(void)unused;
	ended.phase = OM_PHASE_DONE;
	two.eta_low_ms = 4000;
	two.eta_high_ms = 12000;
	two.disk_remaining_bytes = 0;
	om_state_total(&totals, &one);
	om_state_total(&totals, &ended);
	om_state_total(&totals, &two);
	om_state_print_totals(&totals, text, sizeof(text));
	assert_string_equal(text, "2 under way: 224 MiB/s, 5130 MiB left, "
				  "the last ends in 8.0-12.0 s");
	two.eta_high_ms = 0;
	om_state_total(&totals, &two);
	om_state_print_totals(&totals, text, sizeof(text));
	assert_string_equal(text, "3 under way: 336 MiB/s, 6159 MiB left, "
				  "one of them with no end in sight");
	totals = (struct om_state_totals){ 0 };
	two.forecast = 0;
	om_state_total(&totals, &one);
	om_state_total(&totals, &two);
	om_state_print_totals(&totals, text, sizeof(text));
	assert_string_equal(text, "2 under way: 224 MiB/s, 5130 MiB left");
}

static void utf_8_is_read_strictly(void **unused)
{
	static const struct {
		const char *text;
		size_t bytes;
		uint32_t code;
	} rows[] = {
		{ "a", 1, 'a' },
		{ "\xc3\xbc", 2, 0xfc },
		{ "\xe2\x82\xac", 3, 0x20ac },
		{ "\xf0\x9f\x98\x80", 4, 0x1f600 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
		{ "", 0, 0 },
		{ "\x80", 0, 0 },
		{ "\xc3", 0, 0 },
		{ "\xc0\x80", 0, 0 },
		{ "\xc1\xbf", 0, 0 },
		{ "\xe0\x9f\xbf", 0, 0 },
		{ "\xed\xa0\x80", 0, 0 },
		{ "\xf0\x8f\xbf\xbf", 0, 0 },
		{ "\xf4\x90\x80\x80", 0, 0 },
		{ "\xf8\x88\x80\x80\x80", 0, 0 },
		{ "\xe2\x82", 0, 0 },
		{ "\xe2x", 0, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		uint32_t code = 0;
		size_t bytes = om_utf8_next(rows[i].text, strlen(rows[i].text), &code);

		if (bytes != rows[i].bytes || (bytes && code != rows[i].code))
			fail_msg("row %zu: %zu bytes, U+%04X", i, bytes, code);
	}
	assert_int_equal(om_utf8_span("a\xc3\xbc\xff" "b", 5), 3);
	assert_int_equal(om_utf8_columns("a\xc3\xbc\xff" "b"), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_survives_printing_and_parsing),
		cmocka_unit_test(the_largest_state_fits_into_its_text),
		cmocka_unit_test(a_newline_in_a_name_makes_no_second_line),
		cmocka_unit_test(unknown_keys_are_ignored_and_missing_ones_are_zero),
		cmocka_unit_test(what_is_no_state_file_is_refused),
		cmocka_unit_test(a_vm_has_an_id_a_uuid_and_a_name),
		cmocka_unit_test(a_name_never_stands_for_the_id_or_the_uuid_of_another_vm),
		cmocka_unit_test(only_a_uuid_is_a_uuid),
		cmocka_unit_test(json_is_one_object_with_every_key_escaped),
		cmocka_unit_test(an_empty_text_is_empty_in_json),
		cmocka_unit_test(a_short_buffer_is_never_overrun_and_the_length_is_told),
		cmocka_unit_test(the_bar_is_one_readable_line),
		cmocka_unit_test(a_bar_shows_no_control_character_and_keeps_utf_8),
		cmocka_unit_test(only_a_finished_migration_is_at_100_percent),
		cmocka_unit_test(the_text_for_people_names_path_and_result),
		cmocka_unit_test(a_record_is_one_line_that_keeps_what_the_history_needs),
		cmocka_unit_test(a_record_has_no_zeros),
		cmocka_unit_test(what_is_no_record_is_refused),
		cmocka_unit_test(the_text_tells_what_is_expected_and_allowed),
		cmocka_unit_test(no_end_in_sight_is_said_with_what_it_would_need),
		cmocka_unit_test(an_ended_migration_expects_nothing_any_more),
		cmocka_unit_test(a_range_is_as_short_as_its_digits_allow),
		cmocka_unit_test(totals_sum_what_is_under_way),
		cmocka_unit_test(utf_8_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
