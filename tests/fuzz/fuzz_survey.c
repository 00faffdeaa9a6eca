/* SPDX-License-Identifier: Apache-2.0 */
/* An ask and an answer: what was parsed prints to a text that parses and prints to itself. */
#include "om_survey.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_lines(const char *text)
{
	expect(strlen(text) >= 4 && strcmp(text + strlen(text) - 4, "end\n") == 0);
	for (const char *c = text; *c; c++)
		expect(*c == '\n' || (*c >= ' ' && *c < 0x7f));
}

/* Percent signs can make the second text longer than is taken. */
static void check_ask(const struct om_survey_ask *ask)
{
	OM_AUTOFREE char *text = om_survey_ask_print(ask), *again = NULL;
	struct om_survey_ask copy;
	struct om_err err;

	check_lines(text);
	if (strlen(text) > OM_SURVEY_TEXT_MAX)
		return;
	expect(om_survey_ask_parse(&copy, text, &err));
	again = om_survey_ask_print(&copy);
	expect(strcmp(text, again) == 0);
	om_survey_ask_free(&copy);
}

static void check_survey(const struct om_survey *survey, const struct om_survey_ask *ask)
{
	OM_AUTOFREE char *text = om_survey_print(survey), *again = NULL;
	struct om_survey copy;
	struct om_err err;

	check_lines(text);
	expect(survey->known && survey->file_count == ask->paths.n);
	expect(om_survey_parse(&copy, ask, text, &err));
	again = om_survey_print(&copy);
	expect(strcmp(text, again) == 0);
	om_survey_free(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);
	struct om_survey_ask ask, asked = { .port_count = 2 };
	struct om_survey survey;
	struct om_err err = { 0 };

	if (om_survey_ask_parse(&ask, text, &err)) {
		check_ask(&ask);
		om_survey_ask_free(&ask);
	} else {
		expect(*err.msg);
	}
	om_strv_add(&asked.paths, "/a");
	om_strv_add(&asked.paths, "/b");
	om_strv_add(&asked.bridges, "br0");
	om_strv_add(&asked.networks, "default");
	om_strv_add(&asked.secrets, "usage:ceph:x");
	if (om_survey_parse(&survey, &asked, text, &err)) {
		check_survey(&survey, &asked);
		om_survey_free(&survey);
	}
	om_survey_ask_free(&asked);
	return 0;
}
