/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "om_opts.h"

#include <string.h>

/* expected: the words with a '|' behind each; NULL: cannot be split. */
static void splits(const char *text, const char *expected)
{
	struct om_strv words;
	char joined[256] = "";

	if (!om_shell_split(&words, text)) {
		if (expected)
			fail_msg("could not split: %s", text);
		assert_int_equal(words.n, 0);
		return;
	}
	for (size_t i = 0; i < words.n; i++) {
		strcat(joined, words.v[i]);
		strcat(joined, "|");
	}
	om_strv_free(&words);
	if (!expected)
		fail_msg("was split: %s", text);
	assert_string_equal(joined, expected);
}

static void blanks_tabs_and_newlines_separate_words(void **state)
{
	(void)state;
	splits("", "");
	splits("  \t\n ", "");
	splits("--a", "--a|");
	splits(" --a\t --b 1\n--c ", "--a|--b|1|--c|");
}

static void single_quotes_keep_everything(void **state)
{
	(void)state;
	splits("'a b' c", "a b|c|");
	splits("a'b \\ \"$'c", "ab \\ \"$c|");
	splits("''", "|");
	splits("'' ''", "||");
}

static void double_quotes_keep_blanks_and_most_backslashes(void **state)
{
	(void)state;
	splits("\"a b\"c", "a bc|");
	splits("\"a\\\"b\"", "a\"b|");
	splits("\"a\\\\b\"", "a\\b|");
	splits("\"a\\nb\"", "a\\nb|");
	splits("\"a\\$b\\`c\"", "a$b`c|");
	splits("\"a\\\nb\"", "ab|");
	splits("--x=\"\"", "--x=|");
}

static void a_backslash_makes_the_next_character_plain(void **state)
{
	(void)state;
	splits("a\\ b", "a b|");
	splits("\\'a", "'a|");
	splits("\\\\", "\\|");
	splits("a\\\nb", "ab|");
	splits("a \\\n b", "a|b|");
}

static void an_open_quote_or_a_final_backslash_cannot_be_split(void **state)
{
	(void)state;
	splits("'a", NULL);
	splits("a \"b", NULL);
	splits("a\\", NULL);
	splits("\"a\\", NULL);
	splits("\"a\\\"", NULL);
	splits("a b '", NULL);
}

static void glob_characters_are_plain(void **state)
{
	(void)state;
	splits("tcp://[fd00::2] a* b?", "tcp://[fd00::2]|a*|b?|");
	assert_int_equal(om_shell_active("tcp://[fd00::2] a* b? {x,y} !z 50%"), '\0');
}

static void what_only_a_shell_can_do_is_noticed(void **state)
{
	static const struct {
		const char *text;
		char active;
	} rows[] = {
		{ "--a; b", ';' },   { "a & b", '&' }, { "a|b", '|' },	  { "a <b", '<' },
		{ "a >b", '>' },     { "(a", '(' },    { "a)", ')' },	  { "$A", '$' },
		{ "a$(b)", '$' },    { "`a`", '`' },   { "\"$A\"", '$' }, { "\"a`b`\"", '`' },
		{ "--a # c", '#' },  { "#", '#' },     { "~/a", '~' },	  { "a ~b", '~' },
		{ "$(a) ; b", '$' },
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		assert_int_equal(om_shell_active(rows[i].text), rows[i].active);
}

static void quoted_or_inner_characters_need_no_shell(void **state)
{
	(void)state;
	assert_int_equal(om_shell_active("';&|<>()$`#~'"), '\0');
	assert_int_equal(om_shell_active("\";&|<>()#~\""), '\0');
	assert_int_equal(om_shell_active("\"\\$a \\`b\""), '\0');
	assert_int_equal(om_shell_active("\\; \\$a \\# \\~"), '\0');
	assert_int_equal(om_shell_active("a#b a~b ''#c"), '\0');
	assert_int_equal(om_shell_active("--auto-converge --bandwidth=5"), '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_tabs_and_newlines_separate_words),
		cmocka_unit_test(single_quotes_keep_everything),
		cmocka_unit_test(double_quotes_keep_blanks_and_most_backslashes),
		cmocka_unit_test(a_backslash_makes_the_next_character_plain),
		cmocka_unit_test(an_open_quote_or_a_final_backslash_cannot_be_split),
		cmocka_unit_test(glob_characters_are_plain),
		cmocka_unit_test(what_only_a_shell_can_do_is_noticed),
		cmocka_unit_test(quoted_or_inner_characters_need_no_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
