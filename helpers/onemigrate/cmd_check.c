/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate check: what would keep a VM from being migrated to a host, before anything is touched. */
#include "cmd.h"
#include "session.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_BLOCKED = 1, EXIT_USAGE = 2, EXIT_NOT_KNOWN = 3 };

static const char usage[] =
	"Usage: onemigrate check VM HOST [--all] [--json]\n"
	"\n"
	"Looks at this host and at HOST, and tells what would keep VM from being migrated there, all of\n"
	"it at once. Touches nothing. VM is an OpenNebula id, a name or a UUID of a VM on this host.\n"
	"\n"
	"  --all   also what is in order\n"
	"  --json  one JSON document\n"
	"  --help  this text\n"
	"\n"
	"Exit status: 0 nothing is in the way (warnings may be), 1 something is, 2 wrong usage,\n"
	"3 it could not be found out.\n";

struct args {
	const char *vm, *host;
	bool all, json;
};

static bool parse_args(struct args *args, int argc, char **argv, int *exit_status)
{
	enum { HELP = 256, ALL, JSON };
	static const struct option options[] = {
		{ "help", no_argument, NULL, HELP },
		{ "all", no_argument, NULL, ALL },
		{ "json", no_argument, NULL, JSON },
		{ 0 },
	};
	int option;

	*exit_status = EXIT_USAGE;
	optind = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == HELP) {
			*exit_status = fputs(usage, stdout) < 0;
			return false;
		}
		if (option != ALL && option != JSON)
			return false;
		*(option == ALL ? &args->all : &args->json) = true;
	}
	if (argc - optind != 2) {
		fputs("onemigrate: check takes a VM and a host; see onemigrate check --help\n",
		      stderr);
		return false;
	}
	args->vm = argv[optind];
	args->host = argv[optind + 1];
	return true;
}

static void print(const struct om_session *s, const struct args *args)
{
	const struct om_findings *findings = &s->checkup.findings;
	struct om_buf buf = { 0 };

	if (args->json)
		om_check_print_json(&buf, findings, s->req.vm_id, s->args.src, s->args.dst);
	else
		om_check_print_text(&buf, findings, args->all);
	fputs(buf.text ? buf.text : "", stdout);
}

int om_cmd_check(int argc, char **argv)
{
	static struct om_session s;
	struct args args = { 0 };
	struct om_err err = { 0 };
	int exit_status;

	if (!parse_args(&args, argc, argv, &exit_status))
		return exit_status;
	if (!om_session_by_hand(&s, args.vm, NULL, args.host, &err)) {
		fprintf(stderr, "onemigrate: %s\n", err.msg);
		return EXIT_NOT_KNOWN;
	}
	om_checkup_ask(&s);
	om_checkup_judge(&s, OM_CHECK_BY_HAND, false);
	om_checkup_close(&s);
	print(&s, &args);
	if (s.checkup.findings.count[OM_SEVERITY_BLOCKER])
		return EXIT_BLOCKED;
	return s.checkup.dst.known ? 0 : EXIT_NOT_KNOWN;
}
