/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the control socket sends, and what a server answers: what is taken keeps to the
 * settings' ranges, and what is printed of it is one clean line. */
#include "om_control.h"
#include "om_knob.h"
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

static void check_line(const char *text)
{
	for (const char *c = text; *c; c++)
		expect((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_range(const struct om_control_request *request, enum om_control_word word,
			enum om_knob_id id)
{
	if (om_control_given(request, word))
		expect(request->value[word] >= om_knob_table[id].min &&
		       request->value[word] <= om_knob_table[id].max);
}

static void check_request(const struct om_control_request *request)
{
	struct om_limits limits = { .downtime_max_ms = 500 };
	char text[400];

	expect((request->verb == OM_CONTROL_SET) == (request->given != 0));
	expect(request->given < 1u << OM_CONTROL_WORD_COUNT);
	check_range(request, OM_CONTROL_DOWNTIME_MAX, OM_KNOB_MIGRATE_DOWNTIME_MAX_MS);
	check_range(request, OM_CONTROL_PAUSE_MAX, OM_KNOB_MIGRATE_PAUSE_MAX_MS);
	check_range(request, OM_CONTROL_BANDWIDTH, OM_KNOB_MIGRATE_BANDWIDTH_MIBPS);
	expect(request->value[OM_CONTROL_POLICY] < OM_POLICY_COUNT);
	om_control_apply(request, 1000, &limits);
	om_control_print_limits(&limits, 1000, text, sizeof(text));
	check_line(text);
	expect(strlen(text) < sizeof(text) - 1);
}

static void check_answer(const struct om_control_answer *answer)
{
	struct om_control_answer copy;
	char line[sizeof(answer->text) + 16];

	om_control_print_answer(answer, line, sizeof(line));
	check_line(line);
	expect(om_control_parse_answer(&copy, line));
	expect(copy.result == answer->result && strcmp(copy.text, answer->text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);
	struct om_control_request request;
	struct om_control_answer answer;
	struct om_err err = { 0 };

	if (om_control_parse(&request, text, NULL, &err))
		check_request(&request);
	else
		check_line(err.msg);
	if (om_control_parse_answer(&answer, text))
		check_answer(&answer);
	return 0;
}
