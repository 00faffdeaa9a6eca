/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate status: what the migrations of this host are doing. */
#include "cmd.h"
#include "status.h"
#include "vm_args.h"

#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXIT_NONE 1
#define SILENT_MS 10000

static const char usage[] =
	"Usage: onemigrate status [VM] [--json] [--watch]\n"
	"\n"
	"Shows the migrations that this host sends, the running and the last ones.\n"
	"VM is an OpenNebula id, a UUID or a name.\n"
	"\n"
	"  --json   one JSON object per line and VM\n"
	"  --watch  follows those that run until none does any more: progress bars and sums on\n"
	"           a terminal, elsewhere one line per change\n"
	"  --help   this text\n"
	"\n"
	"Exit status: 0, 1 where no such migration is known, 2 for wrong usage.\n";

static void collect(const struct om_state *state, void *ctx)
{
	struct om_found *found = ctx;

	if (found->vm && !om_state_is_of(state, found->vm))
		return;
	for (size_t i = 0; i < found->n; i++)
		if (om_str_eq_nocase(found->v[i].uuid, state->uuid)) {
			if (state->updated_epoch_ms > found->v[i].updated_epoch_ms)
				found->v[i] = *state;
			return;
		}
	found->v = om_xrealloc(found->v, (found->n + 1) * sizeof(*found->v));
	found->v[found->n++] = *state;
}

/* A running migration before an ended one, a newer one before an older one. */
static int compare(const void *left, const void *right)
{
	const struct om_state *a = left, *b = right;
	int a_ended = om_phase_ended(a->phase), b_ended = om_phase_ended(b->phase);

	if (a_ended != b_ended)
		return a_ended - b_ended;
	return (a->updated_epoch_ms < b->updated_epoch_ms) -
	       (a->updated_epoch_ms > b->updated_epoch_ms);
}

struct om_found om_status_find(const char *vm)
{
	struct om_found found = { .vm = vm };

	om_state_each(collect, &found);
	if (found.n)
		qsort(found.v, found.n, sizeof(*found.v), compare);
	return found;
}

int om_status_none(const char *asked)
{
	char vm[128];

	if (!asked) {
		fprintf(stderr, "onemigrate: no migration is known on this host\n");
		return EXIT_NONE;
	}
	om_str_copy(vm, sizeof(vm), asked);
	om_str_sanitize(vm);
	fprintf(stderr, "onemigrate: no migration of VM '%s' is known on this host\n", vm);
	return EXIT_NONE;
}

void om_status_print_json(const struct om_state *state)
{
	char text[OM_STATE_JSON_MAX];

	om_state_print_json(state, text, sizeof(text));
	puts(text);
}

/* For how long nothing was heard of a migration that is said to go on; 0: lately. */
unsigned long long om_status_silent_s(const struct om_state *state)
{
	struct timespec t;
	uint64_t now_ms;

	clock_gettime(CLOCK_REALTIME, &t);
	now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	if (om_phase_ended(state->phase) || now_ms < state->updated_epoch_ms + SILENT_MS)
		return 0;
	return (now_ms - state->updated_epoch_ms) / 1000;
}

static void print_text(const struct om_state *state)
{
	char text[OM_STATE_TEXT_MAX];

	om_state_print_text(state, text, sizeof(text));
	fputs(text, stdout);
	if (om_status_silent_s(state))
		printf("  silent    for %llu s: the process of the migration may hang\n",
		       om_status_silent_s(state));
}

struct om_state_totals om_status_total(const struct om_state *states, size_t n)
{
	struct om_state_totals totals = { 0 };

	for (size_t i = 0; i < n; i++)
		om_state_total(&totals, &states[i]);
	return totals;
}

static int print_all(const char *vm, bool json)
{
	struct om_found found = om_status_find(vm);
	struct om_state_totals totals = om_status_total(found.v, found.n);
	char text[OM_STATE_TEXT_MAX];

	for (size_t i = 0; i < found.n; i++)
		(json ? om_status_print_json : print_text)(&found.v[i]);
	if (totals.count > 1 && !json) {
		om_state_print_totals(&totals, text, sizeof(text));
		puts(text);
	}
	free(found.v);
	return found.n ? 0 : om_status_none(vm);
}

/* argv[0] is the verb. */
int om_cmd_status(int argc, char **argv)
{
	static const struct option watch = { .name = "watch", .has_arg = no_argument };
	struct om_vm_args args;
	int exit_status;

	if (!om_vm_args(&args, argc, argv, usage, &watch, &exit_status))
		return exit_status;
	return (args.own ? om_status_watch : print_all)(args.vm, args.json);
}
