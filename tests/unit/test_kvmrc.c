/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "om_knob.h"

#include <stdlib.h>
#include <string.h>

/* What OpenNebula's Ruby reader makes of a file; NULL: it sees no such variable. */
static void reads(const char *text, const char *name, const char *expected)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1), *value; /* a byte read behind it is noticed */

	memcpy(exact, text, len);
	value = om_kvmrc_ruby_value(exact, len, name);
	free(exact);
	if (!expected)
		assert_null(value);
	else if (!value)
		fail_msg("no %s in: %s", name, text);
	else
		assert_string_equal(value, expected);
	free(value);
}

static void the_lines_that_both_readers_agree_on_are_read(void **state)
{
	(void)state;
	reads("MIGRATE_OPTIONS=\"--a --b\"\n", "MIGRATE_OPTIONS", "--a --b");
	reads("MIGRATE_OPTIONS='--a --b'\n", "MIGRATE_OPTIONS", "--a --b");
	reads("MIGRATE_OPTIONS=--a\n", "MIGRATE_OPTIONS", "--a");
	reads("export MIGRATE_OPTIONS=--a\n", "MIGRATE_OPTIONS", "--a");
	reads("MIGRATE_OPTIONS=--a", "MIGRATE_OPTIONS", "--a");
}

static void a_comment_behind_an_unquoted_value_ends_it(void **state)
{
	(void)state;
	reads("MIGRATE_OPTIONS=--a --b # c\n", "MIGRATE_OPTIONS", "--a --b");
	reads("FOO=a#b\n", "FOO", "a");
	reads("FOO=\"a#b\" # c\n", "FOO", "a#b");
}

static void an_indented_export_is_lost(void **state)
{
	(void)state;
	reads("  export FOO=bar\n", "FOO", NULL);
	reads("  export FOO=bar\n", "export FOO", "bar");
	reads("  FOO=bar\n", "FOO", "bar");
}

static void blanks_or_a_plus_before_the_equals_sign_lose_the_line(void **state)
{
	(void)state;
	reads("FOO = bar\n", "FOO", NULL);
	reads("FOO = bar\n", "FOO ", "bar");
	reads("FOO+=\" --x\"\n", "FOO", NULL);
	reads("FOO+=\" --x\"\n", "FOO+", " --x");
}

static void nothing_is_expanded(void **state)
{
	(void)state;
	reads("FOO=\"$BAR --x\"\n", "FOO", "$BAR --x");
	reads("FOO=`date`\n", "FOO", "`date`");
}

static void an_escaped_quote_ends_the_value(void **state)
{
	(void)state;
	reads("FOO=\"a\\\"b\"\n", "FOO", "a\\");
}

static void two_variables_on_one_line_are_one(void **state)
{
	(void)state;
	reads("export A=1 B=2\n", "A", "1 B=2");
	reads("export A=1 B=2\n", "B", NULL);
}

static void a_condition_is_taken_literally(void **state)
{
	(void)state;
	reads("if [ -f /x ]; then X=1; fi\n", "X", NULL);
	reads("if [ -f /x ]; then X=1; fi\n", "if [ -f /x ]; then X", "1; fi");
	reads("if true; then\nX=1\nfi\n", "X", "1");
}

static void the_last_assignment_wins(void **state)
{
	(void)state;
	reads("X=1\nX=2\n", "X", "2");
	reads("X=1\n#X=2\n", "X", "1");
	reads("X=1\nX=\n", "X", "");
}

static void a_hash_in_column_0_skips_the_line_and_an_indented_one_does_not(void **state)
{
	(void)state;
	reads("#X=1\n", "X", NULL);
	reads(" #X=1\n", "#X", "1");
}

static void an_open_quote_stays_in_the_value(void **state)
{
	(void)state;
	reads("X=\"--a\n --b\"\n", "X", "\"--a");
	reads("X=\"a#b\n", "X", "\"a");
	reads("X='it\"s\n", "X", "'it\"s");
}

static void a_lone_quote_assigns_nothing(void **state)
{
	(void)state;
	reads("X=1\nX=\"\n", "X", "1");
	reads("X=\"#\n", "X", NULL);
}

/* Each line was given to the expression in Ruby 3.1; the answers are Ruby's. */
static void odd_lines_give_what_ruby_gives(void **state)
{
	static const struct {
		const char *line, *name, *value;
	} golden[] = {
		{ "export=x", "export", "x" },
		{ "export =x", " ", "x" },
		{ "exportX=1", "X", "1" },
		{ "export  X=1", "X", "1" },
		{ "export\tX=1", "X", "1" },
		{ "=a=b", "a", "b" },
		{ "==a", "a", NULL },
		{ " =x", " ", "x" },
		{ "\t =x", " ", "x" },
		{ "X==y", "X", "=y" },
		{ "X=a=b", "X", "a=b" },
		{ "X=  \"a b\"  tail", "X", "a b" },
		{ "X=  a b  ", "X", "a b" },
		{ "X=a\"b\"", "X", "a\"b\"" },
		{ "X='a'b'", "X", "a" },
		{ "X=\"\"", "X", "" },
		{ "X='\"a\"'", "X", "\"a\"" },
		{ "X=\"a\" \"b\"", "X", "a" },
		{ "X=\"a'", "X", "\"a'" },
		{ "X=\"a\"\r", "X", "a" },
		{ "X=a\r", "X", "a" },
		{ "X=\ta\t", "X", "a" },
		{ "X=", "X", "" },
		{ "X= ", "X", "" },
		{ "X=\"", "X", NULL },
		{ "\n\nX=1\n\n", "X", "1" },
		{ "X=\v\"a\"", "X", "a" },
		{ "X=\v\"a b", "X", "\"a b" },
		{ "X", "X", NULL },
		{ "", "X", NULL },
		{ "export", "export", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
		reads(golden[i].line, golden[i].name, golden[i].value);
}

static void the_length_is_kept_to(void **state)
{
	char *value = om_kvmrc_ruby_value("X=12345", 4, "X");

	(void)state;
	assert_string_equal(value, "12");
	free(value);
	assert_null(om_kvmrc_ruby_value("X=1", 0, "X"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lines_that_both_readers_agree_on_are_read),
		cmocka_unit_test(a_comment_behind_an_unquoted_value_ends_it),
		cmocka_unit_test(an_indented_export_is_lost),
		cmocka_unit_test(blanks_or_a_plus_before_the_equals_sign_lose_the_line),
		cmocka_unit_test(nothing_is_expanded),
		cmocka_unit_test(an_escaped_quote_ends_the_value),
		cmocka_unit_test(two_variables_on_one_line_are_one),
		cmocka_unit_test(a_condition_is_taken_literally),
		cmocka_unit_test(the_last_assignment_wins),
		cmocka_unit_test(a_hash_in_column_0_skips_the_line_and_an_indented_one_does_not),
		cmocka_unit_test(an_open_quote_stays_in_the_value),
		cmocka_unit_test(a_lone_quote_assigns_nothing),
		cmocka_unit_test(odd_lines_give_what_ruby_gives),
		cmocka_unit_test(the_length_is_kept_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
