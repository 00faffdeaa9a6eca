/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#ifndef OM_VERSION
#define OM_VERSION "unknown"
#endif

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* NULL: not for people */
} verbs[] = {
	{ "migrate", om_cmd_migrate, "move a running VM; called by OpenNebula's driver scripts" },
	{ "check", om_cmd_check, "tell what would keep a VM from being migrated" },
	{ "plan", om_cmd_plan, "tell what a migration would do, and how it would go" },
	{ "status", om_cmd_status, "show the migrations of this host" },
	{ "history", om_cmd_history, "show what the migrations of this host have been" },
	{ "cancel", om_cmd_control, "cancel a migration that runs" },
	{ "set", om_cmd_control, "change the limits of a migration that runs" },
	{ "postcopy", om_cmd_control, "switch a migration that runs to post-copy" },
	{ "pause", om_cmd_control, "stop the guest of a migration that runs, so that it ends" },
	{ "settings", om_cmd_settings, "show every setting, its value and where it came from" },
	{ "attend", om_cmd_attend, NULL },
	{ "tm", om_cmd_tm, NULL },
	{ "survey", om_cmd_survey, NULL },
	{ "aftermath", om_cmd_aftermath, NULL },
	{ "hooks", om_cmd_hooks, NULL },
};

static void print_help(FILE *out)
{
	fputs("Usage: onemigrate VERB [ARGUMENT...]\n"
	      "       onemigrate --help | --version | --interface\n"
	      "\n"
	      "Live migration of OpenNebula's KVM guests.\n"
	      "\n",
	      out);
	for (size_t i = 0; i < OM_ARRAY_LEN(verbs); i++)
		if (verbs[i].help)
			fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	fputs("\n`onemigrate VERB --help` tells more, onemigrate(8) everything.\n", out);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "--help";

	for (size_t i = 0; i < OM_ARRAY_LEN(verbs); i++)
		if (strcmp(word, verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (strcmp(word, "--version") == 0)
		return printf("onemigrate %s\n", OM_VERSION) < 0;
	if (strcmp(word, "--interface") == 0)
		return printf("%d\n", OM_INTERFACE) < 0;
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_help(argc > 1 ? stdout : stderr);
		return argc > 1 ? 0 : 2;
	}
	fprintf(stderr, "onemigrate: no such verb: %s\n", word);
	print_help(stderr);
	return 2;
}
