/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate history: what the migrations of this host have been. */
#include "cmd.h"

#include "om_history.h"
#include "om_util.h"

#include <getopt.h>
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

struct args {
	const char *vm; /* NULL: all */
	uint64_t last;	/* 0: all */
	bool json;
};

struct found {
	const struct args *args;
	struct om_state *v;
	size_t n;
};

static void collect(const struct om_state *record, void *ctx)
{
	struct found *found = ctx;

	if (found->args->vm && !om_state_is_of(record, found->args->vm))
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

static int print_all(const struct args *args)
{
	struct found found = { .args = args };
	size_t skip;

	om_history_each(collect, &found);
	if (!found.n) {
		fputs("onemigrate: no migration is in the history of this host\n", stderr);
		return EXIT_NONE;
	}
	qsort(found.v, found.n, sizeof(*found.v), older_first);
	skip = args->last && args->last < found.n ? found.n - args->last : 0;
	(args->json ? print_json : print_text)(found.v + skip, found.n - skip);
	free(found.v);
	return 0;
}

static bool parse_args(struct args *args, int argc, char **argv, int *exit_status)
{
	enum { HELP = 256, JSON, LAST, STATE_DIR };
	static const struct option options[] = {
		{ "help", no_argument, NULL, HELP },
		{ "json", no_argument, NULL, JSON },
		{ "last", required_argument, NULL, LAST },
		{ "state-dir", required_argument, NULL, STATE_DIR }, /* for tests */
		{ 0 },
	};
	int option;

	*exit_status = EXIT_USAGE;
	optind = 0; /* begin anew, whoever used getopt before */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == HELP) {
			fputs(usage, stdout);
			*exit_status = 0;
			return false;
		}
		if (option == JSON) {
			args->json = true;
		} else if (option == STATE_DIR) {
			om_state_dir_override(optarg);
		} else if (option != LAST) {
			return false;
		} else if (!om_parse_u64(optarg, 1, UINT32_MAX, &args->last)) {
			fputs("onemigrate: history --last takes a number from 1\n", stderr);
			return false;
		}
	}
	args->vm = optind < argc ? argv[optind++] : NULL;
	if (optind < argc)
		fputs("onemigrate: history takes one VM; see onemigrate history --help\n", stderr);
	return optind >= argc;
}

/* argv[0] is the verb. */
int om_cmd_history(int argc, char **argv)
{
	struct args args = { 0 };
	int exit_status;

	if (!parse_args(&args, argc, argv, &exit_status))
		return exit_status;
	return print_all(&args);
}
