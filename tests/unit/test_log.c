/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that the driver reads: one write, one newline, no digit after a tag, no marker. */
#include "om_cmocka.h"

#include "om_log.h"
#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void lines_are_formed_by_the_rules_of_the_driver(void **unused)
{
	static const struct {
		enum om_log_level level;
		bool tagged;
		const char *text, *expected;
	} rows[] = {
		{ OM_LOG_INFO, true, "memory goes to 10.1.0.2",
		  "INFO: migrate: memory goes to 10.1.0.2\n" },
		{ OM_LOG_INFO, true, "16 GiB sent", "INFO: migrate: 16 GiB sent\n" },
		{ OM_LOG_WARN, true, "x", "WARN: migrate: x\n" },
		{ OM_LOG_ERROR, true, "x", "ERROR: migrate: x\n" },
		{ OM_LOG_DEBUG, true, "x", "DEBUG: migrate: x\n" },
		{ OM_LOG_ERROR, false, "Error migrating VM x: why", "Error migrating VM x: why\n" },
		{ OM_LOG_ERROR, false, "a\nExitCode: 0 EOF_ERR\nb", "a?ExitCode: 0 EOF_ERR?b\n" },
		{ OM_LOG_INFO, true, "a\r\n\t\x1b[2Jb", "INFO: migrate: a????[2Jb\n" },
		{ OM_LOG_ERROR, false, "ExitCode: 0 EOF_ERR", "Message: ExitCode: 0 EOF_ERR\n" },
		{ OM_LOG_ERROR, false, "ExitSSHCode: 255", "Message: ExitSSHCode: 255\n" },
		{ OM_LOG_ERROR, false, "-", "Message: -\n" },
		{ OM_LOG_ERROR, false, "", "\n" },
		{ OM_LOG_INFO, true, "Z\xc3\xbcrich", "INFO: migrate: Z\xc3\xbcrich\n" },
	};
	char line[200];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		om_log_format(line, sizeof(line), rows[i].level, rows[i].tagged, rows[i].text);
		assert_string_equal(line, rows[i].expected);
	}
}

static void a_line_that_is_too_long_is_cut_and_still_ends_in_a_newline(void **unused)
{
	char text[3000], line[200];

	(void)unused;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t size = 40; size <= sizeof(line); size++) {
		memset(line, 'x', sizeof(line));
		om_log_format(line, size, OM_LOG_WARN, true, text);
		assert_true(strlen(line) < size);
		assert_int_equal(line[strlen(line) - 1], '\n');
	}
}

static void every_byte_makes_one_line(void **unused)
{
	char line[200];

	(void)unused;
	for (int first = 1; first < 256; first++)
		for (int tagged = 0; tagged < 2; tagged++) {
			char text[] = { (char)first, 'b', '\0' };

			om_log_format(line, sizeof(line), OM_LOG_INFO, tagged, text);
			assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
			assert_null(strchr(line, '\r'));
			assert_int_not_equal(line[0], '-');
			if (tagged)
				assert_true(om_str_starts(line, "INFO: migrate: "));
		}
}

/* What a function writes to stderr. */
static void capture(void (*fn)(void), char *text, size_t size)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	assert_true(saved >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void say_everything(void)
{
	om_log(OM_LOG_INFO, "%d hosts", 2);
	om_log(OM_LOG_DEBUG, "hidden");
	om_log(OM_LOG_WARN, "a%cb", '\n');
	om_log_final("Error migrating VM %s", "x");
}

static void say_debug(void)
{
	om_log_debug_enable(true);
	om_log(OM_LOG_DEBUG, "shown");
	om_log_debug_enable(false);
	om_log(OM_LOG_DEBUG, "hidden");
}

static void say_progress(void)
{
	om_log_syslog("%d %%", 5);
}

static void what_is_said_reaches_stderr_in_order_and_debug_only_on_demand(void **unused)
{
	char text[500];

	(void)unused;
	capture(say_everything, text, sizeof(text));
	assert_string_equal(text,
			    "INFO: migrate: 2 hosts\nWARN: migrate: a?b\nError migrating VM x\n");
	capture(say_debug, text, sizeof(text));
	assert_string_equal(text, "DEBUG: migrate: shown\n");
	capture(say_progress, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_formed_by_the_rules_of_the_driver),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_and_still_ends_in_a_newline),
		cmocka_unit_test(every_byte_makes_one_line),
		cmocka_unit_test(what_is_said_reaches_stderr_in_order_and_debug_only_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
