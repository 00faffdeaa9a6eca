/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate check: what would keep a VM from being migrated to a host, before anything is touched. */
#include "cmd.h"
#include "move.h"
#include "session.h"
#include "vm_args.h"

#include <stdio.h>

enum { EXIT_BLOCKED = 1, EXIT_NOT_KNOWN = 3 };

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

static void print(const struct om_session *s, const struct om_vm_args *args)
{
	const struct om_findings *findings = &s->checkup.findings;
	struct om_buf buf = { 0 };

	if (args->json)
		om_check_print_json(&buf, findings, s->req.vm_id, s->args.src, s->args.dst);
	else
		om_check_print_text(&buf, findings, args->own != NULL);
	fputs(buf.text ? buf.text : "", stdout);
}

int om_cmd_check(int argc, char **argv)
{
	static const struct option own = { "all", no_argument, NULL, 0 };
	static struct om_session s;
	struct om_vm_args args;
	struct om_err err = { 0 };
	int exit_status;

	if (!om_vm_host_args(&args, argc, argv, usage, &own, &exit_status))
		return exit_status;
	if (!om_session_by_hand(&s, args.vm, NULL, args.host, &err) ||
	    !om_mover_by_hand(&s, &err)) {
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
