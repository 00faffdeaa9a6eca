/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate status: what the migrations of this host are doing. */
#include "cmd.h"

#include "om_state.h"
#include "om_text.h"
#include "om_util.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define EXIT_NONE 1
#define EXIT_USAGE 2
#define STEP_MS 200
#define BAR_COLUMNS_MIN 4
#define BAR_COLUMNS_MAX 40
#define BAR_COLUMNS_NO_TTY 16

static const char usage[] =
	"Usage: onemigrate status [VM] [--json] [--watch]\n"
	"\n"
	"Shows the migrations that this host sends, the running and the last ones.\n"
	"VM is an OpenNebula id, a UUID or a name.\n"
	"\n"
	"  --json   one JSON object per line and VM\n"
	"  --watch  follows one migration until it ends: a progress bar on a terminal,\n"
	"           elsewhere one line per change\n"
	"  --help   this text\n"
	"\n"
	"Exit status: 0, 1 where no such migration is known, 2 for wrong usage.\n";

struct args {
	const char *vm; /* NULL: all */
	bool json, watch;
};

/* The newest state of each VM that was asked for. */
struct found {
	const struct args *args;
	struct om_state *v;
	size_t n;
};

static bool wanted(const struct om_state *state, const char *vm)
{
	return !vm || strcmp(state->vm_id, vm) == 0 || om_str_eq_nocase(state->uuid, vm) ||
	       strcmp(state->vm_name, vm) == 0;
}

static void collect(const struct om_state *state, void *ctx)
{
	struct found *found = ctx;

	if (!wanted(state, found->args->vm))
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

static struct found find(const struct args *args)
{
	struct found found = { .args = args };

	om_state_each(collect, &found);
	if (found.n)
		qsort(found.v, found.n, sizeof(*found.v), compare);
	return found;
}

static int none(const struct args *args)
{
	char vm[128];

	if (!args->vm) {
		fprintf(stderr, "onemigrate: no migration is known on this host\n");
		return EXIT_NONE;
	}
	om_str_copy(vm, sizeof(vm), args->vm);
	om_str_sanitize(vm);
	fprintf(stderr, "onemigrate: no migration of VM '%s' is known on this host\n", vm);
	return EXIT_NONE;
}

static void print_json(const struct om_state *state)
{
	char text[OM_STATE_JSON_MAX];

	om_state_print_json(state, text, sizeof(text));
	puts(text);
}

static int print_all(const struct args *args)
{
	struct found found = find(args);
	char text[OM_STATE_TEXT_MAX];

	for (size_t i = 0; i < found.n; i++) {
		if (args->json) {
			print_json(&found.v[i]);
			continue;
		}
		om_state_print_text(&found.v[i], text, sizeof(text));
		fputs(text, stdout);
	}
	free(found.v);
	return found.n ? 0 : none(args);
}

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return 80;
	return size.ws_col;
}

/* The line with as much of a bar as the terminal has room for. */
static void make_line(const struct om_state *state, size_t width, char *line, size_t size)
{
	size_t need, bar = BAR_COLUMNS_MIN;

	om_state_print_bar(state, 0, line, size);
	need = om_utf8_columns(line) + strlen("  []");
	if (width > need + bar)
		bar = width - need;
	om_state_print_bar(state, bar < BAR_COLUMNS_MAX ? (unsigned int)bar : BAR_COLUMNS_MAX, line,
			   size);
}

/* Ends the text after `columns` characters, so that a line never wraps. */
static void cut(char *text, size_t columns)
{
	size_t len = strlen(text), at = 0, n;
	uint32_t code;

	for (; columns && at < len; columns--) {
		n = om_utf8_next(text + at, len - at, &code);
		at += n ? n : 1;
	}
	text[at] = '\0';
}

static void draw(const struct om_state *state, size_t *drawn_columns)
{
	char line[OM_STATE_TEXT_MAX];
	size_t width = terminal_columns() - 1, columns;

	make_line(state, width, line, sizeof(line));
	cut(line, width);
	columns = om_utf8_columns(line);
	printf("\r%s%*s", line, (int)(*drawn_columns > columns ? *drawn_columns - columns : 0), "");
	*drawn_columns = columns;
}

static bool changed(const struct om_state *a, const struct om_state *b, bool json)
{
	return (json && a->updated_epoch_ms != b->updated_epoch_ms) || a->phase != b->phase ||
	       a->iteration != b->iteration || om_state_percent(a) != om_state_percent(b);
}

static void show(const struct om_state *state, const struct args *args, size_t *drawn_columns)
{
	char line[OM_STATE_TEXT_MAX];

	if (args->json) {
		print_json(state);
	} else if (isatty(STDOUT_FILENO)) {
		draw(state, drawn_columns);
	} else {
		om_state_print_bar(state, BAR_COLUMNS_NO_TTY, line, sizeof(line));
		puts(line);
	}
	fflush(stdout);
}

static void end_line(const struct om_state *last, const struct args *args)
{
	char result[sizeof(last->result) + 1];
	struct om_text to = { .text = result, .size = sizeof(result) };

	if (args->json)
		return;
	if (isatty(STDOUT_FILENO))
		puts("");
	om_text_add_clean(&to, last->result);
	if (*last->result)
		puts(result);
}

static int watch(const struct args *args)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	struct found found = find(args);
	struct args one = { .json = args->json };
	struct om_state last;
	size_t drawn_columns = 0;
	bool first = true;

	if (!found.n)
		return none(args);
	last = found.v[0];
	one.vm = last.uuid;
	while (found.n) {
		if (first || changed(&last, &found.v[0], args->json) ||
		    (!args->json && isatty(STDOUT_FILENO)))
			show(&found.v[0], args, &drawn_columns);
		first = false;
		last = found.v[0];
		if (om_phase_ended(last.phase))
			break;
		nanosleep(&step, NULL);
		free(found.v);
		found = find(&one);
	}
	free(found.v);
	end_line(&last, args);
	return found.n ? 0 : none(args);
}

static bool parse_args(struct args *args, int argc, char **argv, int *exit_status)
{
	enum { HELP = 256, JSON, WATCH, STATE_DIR };
	static const struct option options[] = {
		{ "help", no_argument, NULL, HELP },
		{ "json", no_argument, NULL, JSON },
		{ "watch", no_argument, NULL, WATCH },
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
		if (option == JSON)
			args->json = true;
		else if (option == WATCH)
			args->watch = true;
		else if (option == STATE_DIR)
			om_state_dir_override(optarg);
		else
			return false;
	}
	args->vm = optind < argc ? argv[optind++] : NULL;
	if (optind < argc)
		fputs("onemigrate: status takes one VM; see onemigrate status --help\n", stderr);
	return optind >= argc;
}

/* argv[0] is the verb. */
int om_cmd_status(int argc, char **argv)
{
	struct args args = { 0 };
	int exit_status;

	if (!parse_args(&args, argc, argv, &exit_status))
		return exit_status;
	return args.watch ? watch(&args) : print_all(&args);
}
