/* SPDX-License-Identifier: Apache-2.0 */
/* The replies are those of libvirt 9.0 and 11.3, and of a guest that means no good. */
#include "om_cmocka.h"

#include "om_agent.h"
#include "om_util.h"

#include <string.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static void the_lines_are_what_virsh_takes(void **unused)
{
	char line[400];

	(void)unused;
	om_agent_print_exec(line, sizeof(line), UUID, OM_AGENT_BEFORE);
	assert_string_equal(line, "qemu-agent-command " UUID " --timeout 4 "
				  "'{\"execute\":\"guest-exec\",\"arguments\":{\"path\":"
				  "\"/etc/qemu-ga/migration-notify\",\"arg\":[\"before\"]}}'\n");
	om_agent_print_exec(line, sizeof(line), UUID, OM_AGENT_AFTER);
	assert_non_null(strstr(line, "\"arg\":[\"after\"]"));
	om_agent_print_status(line, sizeof(line), UUID, 999999999999999);
	assert_non_null(
		strstr(line, "\"guest-exec-status\",\"arguments\":{\"pid\":999999999999999}}'\n"));
}

static void a_reply_is_found_behind_prompt_and_echo(void **unused)
{
	char echo[500] = "virsh # ";
	const char *reply;
	size_t len = strlen(echo);

	(void)unused;
	om_agent_print_exec(echo + len, sizeof(echo) - len, UUID, OM_AGENT_BEFORE);
	assert_int_equal(om_agent_find_reply(echo, &reply), OM_AGENT_NOTHING_YET);
	assert_true(om_str_copy(echo + strlen(echo), 60, "{\"return\":{\"pid\":101}}"));
	assert_int_equal(om_agent_find_reply(echo, &reply), OM_AGENT_NOTHING_YET);
	assert_true(om_str_copy(echo + strlen(echo), 30, "\nvirsh # "));
	assert_int_equal(om_agent_find_reply(echo, &reply), OM_AGENT_REPLY);
	assert_true(om_str_starts(reply, "{\"return\":{\"pid\":101}}\n"));
}

static void an_error_is_found(void **unused)
{
	const char *reply;

	(void)unused;
	assert_int_equal(om_agent_find_reply("virsh # error: Guest agent is not resp", &reply),
			 OM_AGENT_NOTHING_YET);
	assert_int_equal(om_agent_find_reply("virsh # x\nerror: Guest agent is not responding\n",
					     &reply),
			 OM_AGENT_ERROR);
	assert_string_equal(reply, "Guest agent is not responding\n");
}

static void numbers_of_the_guest_are_read_with_care(void **unused)
{
	static const char *const bad[] = { "{\"return\":{}}\n",
					   "{\"return\":{\"pid\":-1}}\n",
					   "{\"return\":{\"pid\":\"1\"}}\n",
					   "{\"return\":{\"pid\"",
					   "{\"return\":{\"pid\":",
					   "{\"return\":{\"pid\":99999999999999999999}}\n",
					   "" };
	uint64_t pid;

	(void)unused;
	assert_true(om_agent_parse_pid("{\"return\": {\"pid\": 4711}}\n", &pid));
	assert_int_equal(pid, 4711);
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++)
		assert_false(om_agent_parse_pid(bad[i], &pid));
}

static void the_end_of_the_program_is_read(void **unused)
{
	uint64_t status = 9;
	bool ended = true;

	(void)unused;
	assert_true(om_agent_parse_status("{\"return\":{\"exited\":false}}", &ended, &status));
	assert_false(ended);
	assert_true(om_agent_parse_status("{\"return\":{\"exitcode\":3,\"exited\":true}}", &ended,
					  &status));
	assert_true(ended);
	assert_int_equal(status, 3);
	assert_true(om_agent_parse_status("{\"return\":{\"exited\":true,\"signal\":9}}", &ended,
					  &status));
	assert_int_equal(status, 9);
	assert_false(om_agent_parse_status("{\"return\":{}}", &ended, &status));
	assert_false(om_agent_parse_status("{\"return\":{\"exited\":1}}", &ended, &status));
	assert_false(om_agent_parse_status("{\"return\":{\"exited\":true}}", &ended, &status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lines_are_what_virsh_takes),
		cmocka_unit_test(a_reply_is_found_behind_prompt_and_echo),
		cmocka_unit_test(an_error_is_found),
		cmocka_unit_test(numbers_of_the_guest_are_read_with_care),
		cmocka_unit_test(the_end_of_the_program_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
