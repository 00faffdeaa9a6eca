/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"
#include "environ.h"
#include "om_check.h"
#include "om_opts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"Usage: onemigrate settings [--json | --man | --sample | --options | --options-man |\n"
	"                            --checks-man]\n"
	"\n"
	"Prints every setting with its value, where the value came from, and what it does.\n"
	"Run it through the `onemigrate` command of the front-end, or with the settings in the\n"
	"environment.\n"
	"\n"
	"  --json         one JSON document\n"
	"  --man          the table of onemigrate(8)\n"
	"  --sample       a commented onemigraterc\n"
	"  --options      the options of `virsh migrate`, and what MIGRATE_OPTIONS makes of each\n"
	"  --options-man  the same for onemigrate(8)\n"
	"  --checks-man   what `onemigrate check` looks at, for onemigrate(8)\n";

static bool resolve_environment(struct om_knobs *knobs)
{
	struct om_knob_source sources[OM_KNOB_COUNT];
	struct om_strv texts = { 0 };
	struct om_clock clock;
	struct om_err err;
	bool ok;

	om_clock_local(&clock, (uint64_t)time(NULL) * 1000);
	ok = om_knobs_resolve(knobs, sources, om_environ_sources(sources, &texts), &clock, &err);

	om_strv_free(&texts);
	if (ok)
		return true;
	fprintf(stderr, "onemigrate: %s\n", err.msg);
	return false;
}

static char *checks_man(void)
{
	struct om_buf buf = { 0 };

	om_check_print_man(&buf);
	return buf.text;
}

int om_cmd_settings(int argc, char **argv)
{
	static const char *const words[] = { "--text", "--json", "--man", "--sample" };
	static const enum om_knob_format formats[] = { OM_KNOB_FORMAT_TEXT, OM_KNOB_FORMAT_JSON,
						       OM_KNOB_FORMAT_MAN, OM_KNOB_FORMAT_SAMPLE };
	const char *word = argc > 1 ? argv[1] : words[0];
	struct om_knobs knobs = { 0 };
	OM_AUTOFREE char *text = NULL;

	if (strcmp(word, "--help") == 0)
		return fputs(usage, stdout) < 0;
	if (argc == 2 && (strcmp(word, "--options") == 0 || strcmp(word, "--options-man") == 0)) {
		text = om_opts_print_table(strcmp(word, "--options-man") == 0);
		return fputs(text, stdout) < 0;
	}
	if (argc == 2 && strcmp(word, "--checks-man") == 0) {
		text = checks_man();
		return fputs(text, stdout) < 0;
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(words) && argc <= 2; i++) {
		if (strcmp(word, words[i]))
			continue;
		if (!resolve_environment(&knobs))
			return 1;
		text = om_knob_print_table(formats[i], &knobs);
		om_knobs_free(&knobs);
		return fputs(text, stdout) < 0;
	}
	fputs(usage, stderr);
	return 2;
}
