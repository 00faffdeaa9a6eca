/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate history: what the migrations of this host have been. */
#include "cmd.h"
#include "vm_args.h"

#include "om_history.h"
#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXIT_NONE 1
#define EXIT_USAGE 2

static const char usage[] =
	"Usage: onemigrate history [VM] [--last N] [--json]\n"
	"\n"
	"Shows the migrations that this host has sent, the newest last, and sums: how many were\n"
	"done, and the 50th and 95th percentile of time, downtime and rate of those.\n"
	"VM is an OpenNebula id, a UUID or a name.\n"
	"\n"
	"  --last N  only the N newest\n"
	"  --json    one JSON object per line and migration, and one of sums\n"
	"  --help    this text\n"
	"\n"
	"Exit status: 0, 1 where there is none, 2 for wrong usage.\n";

struct found {
	const char *vm; /* NULL: all */
	struct om_state *v;
	size_t n;
};

static void collect(const struct om_state *record, void *ctx)
{
	struct found *found = ctx;

	if (found->vm && !om_state_is_of(record, found->vm))
		return;
	if ((found->n & (found->n + 1)) == 0) /* room for twice as many */
		found->v = om_xrealloc(found->v, 2 * (found->n + 1) * sizeof(*found->v));
	found->v[found->n++] = *record;
}

static int older_first(const void *left, const void *right)
{
	const struct om_state *a = left, *b = right;

	return (a->updated_epoch_ms > b->updated_epoch_ms) -
	       (a->updated_epoch_ms < b->updated_epoch_ms);
}

static void local_time(uint64_t epoch_ms, char text[32])
{
	time_t seconds = (time_t)(epoch_ms / 1000);
	struct tm parts;

	if (!localtime_r(&seconds, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts))
		snprintf(text, 32, "?");
}

static void print_text(const struct om_state *records, size_t n)
{
	char line[OM_STATE_TEXT_MAX], end[32];
	struct om_history_sums sums;

	om_history_print_row(NULL, NULL, line, sizeof(line));
	puts(line);
	for (size_t i = 0; i < n; i++) {
		local_time(records[i].updated_epoch_ms, end);
		om_history_print_row(&records[i], end, line, sizeof(line));
		puts(line);
	}
	om_history_sum(&sums, records, n);
	om_history_print_sums(&sums, line, sizeof(line));
	printf("\n%s", line);
}

static void print_json(const struct om_state *records, size_t n)
{
	char text[OM_STATE_JSON_MAX];
	struct om_history_sums sums;

	for (size_t i = 0; i < n; i++) {
		om_state_print_record_json(&records[i], text, sizeof(text));
		puts(text);
	}
	om_history_sum(&sums, records, n);
	om_history_print_sums_json(&sums, text, sizeof(text));
	puts(text);
}

static int none(const char *asked)
{
	char vm[128];

	if (!asked) {
		fputs("onemigrate: no migration is in the history of this host\n", stderr);
		return EXIT_NONE;
	}
	om_str_copy(vm, sizeof(vm), asked);
	om_str_sanitize(vm);
	fprintf(stderr, "onemigrate: no migration of VM '%s' is in the history of this host\n", vm);
	return EXIT_NONE;
}

/* last 0: all */
static int print_all(const struct om_vm_args *args, uint64_t last)
{
	struct found found = { .vm = args->vm };
	size_t skip;

	om_history_each(collect, &found);
	if (!found.n)
		return none(args->vm);
	qsort(found.v, found.n, sizeof(*found.v), older_first);
	skip = last && last < found.n ? found.n - last : 0;
	(args->json ? print_json : print_text)(found.v + skip, found.n - skip);
	free(found.v);
	return 0;
}

/* argv[0] is the verb. */
int om_cmd_history(int argc, char **argv)
{
	static const struct option last_option = { .name = "last", .has_arg = required_argument };
	struct om_vm_args args;
	uint64_t last = 0;
	int exit_status;

	if (!om_vm_args(&args, argc, argv, usage, &last_option, &exit_status))
		return exit_status;
	if (args.own && !om_parse_u64(args.own, 1, UINT32_MAX, &last)) {
		fputs("onemigrate: history --last takes a number from 1\n", stderr);
		return EXIT_USAGE;
	}
	return print_all(&args, last);
}
