/* SPDX-License-Identifier: Apache-2.0 */
#include "om_opts.h"

#include <stdlib.h>
#include <string.h>

/* One pass over the text serves both functions. */
struct scan {
	const char *at;
	char *word; /* being built; as long as the text */
	size_t len;
	bool in_word;
	char active;
};

static void put(struct scan *s, char c)
{
	s->word[s->len++] = c;
	s->in_word = true;
}

static void note(struct scan *s, char c)
{
	if (!s->active)
		s->active = c;
}

static void end_word(struct scan *s, struct om_strv *words)
{
	if (!s->in_word)
		return;
	s->word[s->len] = '\0';
	om_strv_add(words, s->word);
	s->len = 0;
	s->in_word = false;
}

static bool single_quoted(struct scan *s)
{
	const char *close = strchr(s->at + 1, '\'');

	if (!close)
		return false;
	s->in_word = true;
	for (s->at++; s->at < close; s->at++)
		put(s, *s->at);
	return true;
}

/* In double quotes a backslash stays unless one of these follows; with a newline both go. */
static bool double_quoted(struct scan *s)
{
	s->in_word = true;
	for (s->at++; *s->at && *s->at != '"'; s->at++) {
		if (*s->at == '\\' && s->at[1] && strchr("$`\"\\\n", s->at[1])) {
			s->at++;
			if (*s->at != '\n')
				put(s, *s->at);
			continue;
		}
		if (*s->at == '$' || *s->at == '`')
			note(s, *s->at);
		put(s, *s->at);
	}
	return *s->at == '"';
}

static bool escaped(struct scan *s)
{
	s->at++;
	if (!*s->at)
		return false;
	if (*s->at != '\n')
		put(s, *s->at);
	return true;
}

static bool step(struct scan *s, struct om_strv *words)
{
	char c = *s->at;

	if (c == ' ' || c == '\t' || c == '\n') {
		end_word(s, words);
		return true;
	}
	if (c == '\'')
		return single_quoted(s);
	if (c == '"')
		return double_quoted(s);
	if (c == '\\')
		return escaped(s);
	if (strchr(";&|<>()$`", c) || (!s->in_word && (c == '#' || c == '~')))
		note(s, c);
	put(s, c);
	return true;
}

static bool scan_text(struct om_strv *words, const char *text, char *active)
{
	OM_AUTOFREE char *word = om_xcalloc(strlen(text) + 1, 1);
	struct scan s = { .at = text, .word = word };
	bool closed = true;

	while (*s.at && (closed = step(&s, words)))
		s.at++;
	if (closed)
		end_word(&s, words);
	*active = s.active;
	return closed;
}

bool om_shell_split(struct om_strv *words, const char *text)
{
	char active;

	memset(words, 0, sizeof(*words));
	if (scan_text(words, text, &active))
		return true;
	om_strv_free(words);
	return false;
}

char om_shell_active(const char *text)
{
	struct om_strv words = { 0 };
	char active;

	scan_text(&words, text, &active);
	om_strv_free(&words);
	return active;
}
