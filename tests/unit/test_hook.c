/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_hook.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define OWN 9869

static enum om_hook_take judge(const char *name, const struct om_hook_file *file)
{
	const char *why = NULL;
	enum om_hook_take take = om_hook_judge_file(name, file, OWN, &why);

	assert_int_equal(take == OM_HOOK_SKIP, why != NULL && take == OM_HOOK_SKIP);
	return take;
}

static void names_are_taken_unless_a_tool_left_the_file(void **unused)
{
	static const struct {
		const char *name;
		enum om_hook_take take;
	} rows[] = {
		{ "10-graphics", OM_HOOK_TAKE },
		{ "a.sh", OM_HOOK_TAKE },
		{ "Z_9", OM_HOOK_TAKE },
		{ "-n", OM_HOOK_TAKE },
		{ "bak", OM_HOOK_TAKE },
		{ "x.bak.sh", OM_HOOK_TAKE },
		{ "", OM_HOOK_IGNORE },
		{ ".", OM_HOOK_IGNORE },
		{ "..", OM_HOOK_IGNORE },
		{ ".10-graphics.swp", OM_HOOK_IGNORE },
		{ "10-graphics~", OM_HOOK_IGNORE },
		{ "10-graphics.bak", OM_HOOK_IGNORE },
		{ "10-graphics.orig", OM_HOOK_IGNORE },
		{ "10-graphics.rpmsave", OM_HOOK_IGNORE },
		{ "10-graphics.rpmnew", OM_HOOK_IGNORE },
		{ "10-graphics.dpkg-old", OM_HOOK_IGNORE },
		{ "10-graphics.dpkg-dist", OM_HOOK_IGNORE },
		{ "with blank", OM_HOOK_IGNORE },
		{ "new\nline", OM_HOOK_IGNORE },
		{ "a/b", OM_HOOK_IGNORE },
		{ "h\303\266k", OM_HOOK_IGNORE },
		{ "$(touch x)", OM_HOOK_IGNORE },
	};
	const struct om_hook_file good = {
		.regular = true, .executable = true, .mode = 0755, .uid = OWN
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (judge(rows[i].name, &good) != rows[i].take)
			fail_msg("%s", rows[i].name);
}

static void files_of_others_and_links_are_skipped_and_that_is_said(void **unused)
{
	static const struct {
		const char *what;
		struct om_hook_file file;
		enum om_hook_take take;
	} rows[] = {
		{ "ours",
		  { .regular = true, .executable = true, .mode = 0700, .uid = OWN },
		  OM_HOOK_TAKE },
		{ "root's", { .regular = true, .executable = true, .mode = 0755 }, OM_HOOK_TAKE },
		{ "another's",
		  { .regular = true, .executable = true, .mode = 0755, .uid = 1000 },
		  OM_HOOK_SKIP },
		{ "group",
		  { .regular = true, .executable = true, .mode = 0775, .uid = OWN },
		  OM_HOOK_SKIP },
		{ "other", { .regular = true, .executable = true, .mode = 0757 }, OM_HOOK_SKIP },
		{ "link",
		  { .link = true, .executable = true, .mode = 0777, .uid = OWN },
		  OM_HOOK_SKIP },
		{ "not executable", { .regular = true, .mode = 0644, .uid = OWN }, OM_HOOK_IGNORE },
		{ "README of another",
		  { .regular = true, .mode = 0644, .uid = 1000 },
		  OM_HOOK_IGNORE },
		{ "directory", { .executable = true, .mode = 0755, .uid = OWN }, OM_HOOK_IGNORE },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (judge("10-x", &rows[i].file) != rows[i].take)
			fail_msg("%s", rows[i].what);
}

static void the_directory_is_ours_or_roots_alone(void **unused)
{
	(void)unused;
	assert_null(om_hook_judge_dir(&(struct om_hook_file){ .mode = 0755, .uid = OWN }, OWN));
	assert_null(om_hook_judge_dir(&(struct om_hook_file){ .mode = 0755 }, OWN));
	assert_non_null(om_hook_judge_dir(&(struct om_hook_file){ .mode = 0755, .uid = 1 }, OWN));
	assert_non_null(om_hook_judge_dir(&(struct om_hook_file){ .mode = 01777 }, OWN));
}

static void phases_have_names_that_are_read_again(void **unused)
{
	enum om_hook_phase phase;

	(void)unused;
	for (size_t i = 0; i < OM_HOOK_PHASE_COUNT; i++) {
		assert_true(om_hook_phase_parse(om_hook_phase_name((enum om_hook_phase)i), &phase));
		assert_int_equal(phase, i);
	}
	assert_false(om_hook_phase_parse("", &phase));
	assert_false(om_hook_phase_parse("pre ", &phase));
}

struct heard {
	char text[16384];
	unsigned int lines;
};

static void hear(void *ctx, const char *line)
{
	struct heard *heard = ctx;
	size_t len = strlen(heard->text);

	heard->lines++;
	snprintf(heard->text + len, sizeof(heard->text) - len, "%s|", line);
}

/* In pieces of `step` bytes. */
static void print(struct om_hook_output *output, struct heard *heard, const char *text, size_t len,
		  size_t step)
{
	for (size_t at = 0; at < len; at += step)
		om_hook_output_add(output, text + at, len - at < step ? len - at : step, hear,
				   heard);
	om_hook_output_end(output, hear, heard);
}

static void output_comes_line_by_line_and_clean(void **unused)
{
	static const char text[] = "one\n\ntwo\r\n \t\n\tthree\x1b[31m\a\nExitCode: 0\n\xff\xfe\n"
				   "\xc3\xa4\n\xe2\x80\xaetxt\nlast";

	(void)unused;
	for (size_t step = 1; step < 12; step++) {
		struct om_hook_output output = { 0 };
		struct heard heard = { 0 };

		print(&output, &heard, text, sizeof(text) - 1, step);
		assert_string_equal(heard.text,
				    "one|two| three?[31m?|ExitCode: 0|??|\xc3\xa4|?txt|last|");
		assert_string_equal(output.last, "last");
	}
}

static void a_flood_is_cut_and_its_last_line_is_kept(void **unused)
{
	struct om_hook_output output = { 0 };
	struct heard heard = { 0 };
	char line[32];

	(void)unused;
	for (int i = 1; i <= 1000; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		om_hook_output_add(&output, line, strlen(line), hear, &heard);
	}
	om_hook_output_end(&output, hear, &heard);
	assert_int_equal(heard.lines, OM_HOOK_LINES + 1);
	assert_non_null(strstr(heard.text, "|line 20|(980 more lines)|"));
	assert_string_equal(output.last, "line 1000");
}

static void twenty_lines_are_all_shown(void **unused)
{
	struct om_hook_output output = { 0 };
	struct heard heard = { 0 };

	(void)unused;
	for (int i = 0; i < OM_HOOK_LINES; i++)
		om_hook_output_add(&output, "x\n", 2, hear, &heard);
	om_hook_output_end(&output, hear, &heard);
	assert_int_equal(heard.lines, OM_HOOK_LINES);
}

static void a_long_line_is_cut_between_characters(void **unused)
{
	char text[2000];

	(void)unused;
	for (size_t before = 296; before <= 301; before++) {
		struct om_hook_output output = { 0 };
		struct heard heard = { 0 };

		memset(text, 'x', sizeof(text));
		memcpy(text + before, "\xe2\x82\xac", 3);
		print(&output, &heard, text, sizeof(text), 7);
		assert_int_equal(heard.lines, 1);
		assert_null(strchr(heard.text, '?'));
		assert_non_null(strstr(heard.text, "...|"));
		assert_true(strlen(heard.text) <= OM_HOOK_LINE_BYTES + 4);
		assert_true(strlen(heard.text) >= OM_HOOK_LINE_BYTES);
	}
}

static void what_must_stay_of_a_domain_is_compared(void **unused)
{
	static const struct om_hook_xml before = { "u", "one-31", "262144 KiB", "1", true };
	static const struct {
		struct om_hook_xml after;
		const char *err; /* NULL: it will do */
	} rows[] = {
		{ { "u", "one-31", "262144 KiB", "1", true }, NULL },
		{ { "v", "one-31", "262144 KiB", "1", true }, "another uuid" },
		{ { "u", "one-32", "262144 KiB", "1", true }, "another name" },
		{ { "u", "one-31", "524288 KiB", "1", true }, "another memory" },
		{ { "u", "one-31", "262144 KiB", "2", true }, "another number of vcpus" },
		{ { "u", "one-31", "262144 KiB", "1", false }, "lacks OpenNebula's metadata" },
	};
	struct om_hook_xml bare = before;
	struct om_err err;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		bool ok = om_hook_xml_judge(&before, &rows[i].after, &err);

		assert_int_equal(ok, !rows[i].err);
		if (rows[i].err)
			assert_non_null(strstr(err.msg, rows[i].err));
	}
	bare.one = false; /* it had none before */
	assert_true(om_hook_xml_judge(&bare, &bare, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_unless_a_tool_left_the_file),
		cmocka_unit_test(files_of_others_and_links_are_skipped_and_that_is_said),
		cmocka_unit_test(the_directory_is_ours_or_roots_alone),
		cmocka_unit_test(phases_have_names_that_are_read_again),
		cmocka_unit_test(output_comes_line_by_line_and_clean),
		cmocka_unit_test(a_flood_is_cut_and_its_last_line_is_kept),
		cmocka_unit_test(twenty_lines_are_all_shown),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
		cmocka_unit_test(what_must_stay_of_a_domain_is_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
