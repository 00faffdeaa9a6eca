/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate status --watch: progress bars of all that run. */
#include "status.h"

#include "om_text.h"
#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 200
#define BAR_COLUMNS_MIN 4
#define BAR_COLUMNS_MAX 40
#define BAR_COLUMNS_NO_TTY 16

/* The migrations that are followed, as they were shown last. */
struct follow {
	bool json;
	bool redraw; /* on a terminal: those that run are drawn anew each time */
	struct om_state *v;
	size_t n;
	size_t drawn; /* lines that will be drawn over */
};

static struct winsize terminal_size(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	return size;
}

/* The line with as much of a bar as there is room for. */
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

static void draw_line(struct follow *follow, char *line, size_t width)
{
	cut(line, width);
	puts(line);
	follow->drawn++;
}

static void erase(struct follow *follow)
{
	if (follow->drawn)
		printf("\033[%zuA\r\033[J", follow->drawn);
	follow->drawn = 0;
}

/* Those that run, as many as there is room for, and the sums. */
static void draw(struct follow *follow)
{
	struct om_state_totals totals = om_status_total(follow->v, follow->n);
	struct winsize size = terminal_size();
	size_t width = size.ws_col - 1u, room = size.ws_row > 4 ? size.ws_row - 3u : 1;
	char line[OM_STATE_TEXT_MAX];

	for (size_t i = 0; i < follow->n && follow->drawn < room; i++) {
		if (om_phase_ended(follow->v[i].phase))
			continue;
		make_line(&follow->v[i], width, line, sizeof(line));
		if (om_status_silent_s(&follow->v[i]))
			snprintf(line + strlen(line), sizeof(line) - strlen(line),
				 "  silent for %llu s", om_status_silent_s(&follow->v[i]));
		draw_line(follow, line, width);
	}
	if (totals.count > 1) {
		om_state_print_totals(&totals, line, sizeof(line));
		draw_line(follow, line, width);
	}
	fflush(stdout);
}

static bool changed(const struct om_state *a, const struct om_state *b, bool json)
{
	return (json && a->updated_epoch_ms != b->updated_epoch_ms) || a->phase != b->phase ||
	       a->iteration != b->iteration || om_state_percent(a) != om_state_percent(b);
}

/* A line that stays. */
static void print_line(const struct om_state *state, bool json)
{
	char line[OM_STATE_TEXT_MAX], result[sizeof(state->result) + 1];
	struct om_text to = { .text = result, .size = sizeof(result) };

	if (json) {
		om_status_print_json(state);
		return;
	}
	om_state_print_bar(state, BAR_COLUMNS_NO_TTY, line, sizeof(line));
	puts(line);
	om_text_add_clean(&to, state->result);
	if (om_phase_ended(state->phase) && *result)
		puts(result);
}

static struct om_state *followed(struct follow *follow, const char *uuid)
{
	for (size_t i = 0; i < follow->n; i++)
		if (om_str_eq_nocase(follow->v[i].uuid, uuid))
			return &follow->v[i];
	return NULL;
}

static struct om_state *begin_to_follow(struct follow *follow, const struct om_state *state)
{
	follow->v = om_xrealloc(follow->v, (follow->n + 1) * sizeof(*follow->v));
	follow->v[follow->n] = *state;
	return &follow->v[follow->n++];
}

/* Takes over what is new of one; `even_ended`: it is followed though it has ended before. */
static void look_at(struct follow *follow, const struct om_state *state, bool even_ended)
{
	struct om_state *old = followed(follow, state->uuid);
	bool ended = om_phase_ended(state->phase), is_new = !old;

	if (old ? ended && om_phase_ended(old->phase) : ended && !even_ended)
		return;
	if (is_new)
		old = begin_to_follow(follow, state);
	if ((ended || !follow->redraw) && (is_new || changed(old, state, follow->json)))
		print_line(state, follow->json);
	*old = *state;
}

int om_status_watch(const char *vm, bool json)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	struct follow follow = { .json = json, .redraw = !json && isatty(STDOUT_FILENO) };
	size_t running;

	do {
		struct om_found found = om_status_find(vm);

		erase(&follow);
		for (size_t i = 0; i < found.n; i++)
			look_at(&follow, &found.v[i], !follow.n);
		running = om_status_total(found.v, found.n).count;
		if (follow.redraw)
			draw(&follow);
		fflush(stdout);
		free(found.v);
		if (running)
			nanosleep(&step, NULL);
	} while (running);
	free(follow.v);
	return follow.n ? 0 : om_status_none(vm);
}
