/* SPDX-License-Identifier: Apache-2.0 */
/* A state file, or a line of the history: what was parsed prints to a text that parses and prints to
 * itself, in every form without a control character. */
#include "om_history.h"
#include "om_state.h"
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

static void check_clean(const char *text, const char *allowed)
{
	size_t len = strlen(text);

	expect(om_utf8_span(text, len) == len);
	for (const char *c = text; *c; c++)
		expect(((unsigned char)*c >= 0x20 && *c != 0x7f) || strchr(allowed, *c));
}

static void check_accepted(const struct om_state *state)
{
	static char text[OM_STATE_TEXT_MAX], again[OM_STATE_TEXT_MAX], json[OM_STATE_JSON_MAX];
	struct om_state copy;

	expect(om_state_print(state, text, sizeof(text)) < sizeof(text));
	check_clean(text, "\n");
	expect(om_state_parse(&copy, text));
	om_state_print(&copy, again, sizeof(again));
	expect(strcmp(text, again) == 0);
	expect(om_state_print_json(state, json, sizeof(json)) < sizeof(json));
	check_clean(json, "");
	expect(om_state_print_text(state, text, sizeof(text)) < sizeof(text));
	check_clean(text, "\n");
	expect(om_state_print_bar(state, 40, text, sizeof(text)) < sizeof(text));
	check_clean(text, "");
}

static void check_record(const struct om_state *state)
{
	static char line[OM_STATE_TEXT_MAX], again[OM_STATE_TEXT_MAX], json[OM_STATE_JSON_MAX];
	struct om_state copy;

	expect(om_state_print_record(state, line, sizeof(line)) < sizeof(line));
	check_clean(line, "\t");
	expect(om_state_parse_record(&copy, line));
	om_state_print_record(&copy, again, sizeof(again));
	expect(strcmp(line, again) == 0);
	expect(om_state_print_record_json(state, json, sizeof(json)) < sizeof(json));
	check_clean(json, "");
	expect(om_history_print_row(state, "2026-11-21 15:30:12", line, sizeof(line)) <
	       sizeof(line));
	check_clean(line, "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);
	struct om_state state;

	if (om_state_parse(&state, text))
		check_accepted(&state);
	if (om_state_parse_record(&state, text))
		check_record(&state);
	return 0;
}
