/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook prints, and what virsh prints of a guest's agent: clean and bounded lines come of the one, numbers of the
 * other. */
#include "om_agent.h"
#include "om_hook.h"
#include "om_text.h"
#include "om_util.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_line(void *ctx, const char *text)
{
	unsigned int *lines = ctx;
	size_t len = strlen(text);

	expect(++*lines <= OM_HOOK_LINES + 1);
	expect(len > 0 && len <= OM_HOOK_LINE_BYTES + 3);
	expect(om_utf8_span(text, len) == len);
	for (size_t i = 0; i < len; i++)
		expect((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void check_output(const char *bytes, size_t size, size_t step)
{
	struct om_hook_output output = { 0 };
	unsigned int lines = 0;

	for (size_t at = 0; at < size; at += step)
		om_hook_output_add(&output, bytes + at, size - at < step ? size - at : step,
				   check_line, &lines);
	om_hook_output_end(&output, check_line, &lines);
	expect(strlen(output.last) <= OM_HOOK_LINE_BYTES + 3);
}

static void check_reply(const char *text)
{
	const char *reply;
	uint64_t number = 0;
	bool ended = false;

	if (om_agent_find_reply(text, &reply) == OM_AGENT_NOTHING_YET)
		return;
	expect(reply >= text && reply < text + strlen(text) && strchr(reply, '\n'));
	if (om_agent_parse_pid(reply, &number))
		expect(number < 1000000000000000);
	if (om_agent_parse_status(reply, &ended, &number) && ended)
		expect(number < 1000000000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);

	check_output((const char *)data, size, size ? data[0] + 1u : 1);
	check_reply(text);
	return 0;
}
