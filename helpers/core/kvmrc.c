/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenNebula's Ruby reader takes each line by
 *	/(export)?[[:blank:]]*([^=]+)=([[:blank:]]*(['"]).*?\4|[^#\n]*)/
 * unless the line begins with '#', strips the value, and takes a pair of equal quotes off it. The
 * expression is not anchored: what stands before it or behind it does not matter. This does the
 * same by hand; the comments say which part of the expression a line stands for.
 */
#include "om_knob.h"

#include <stdlib.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* (export)?[[:blank:]]*([^=]+) between from and the '=' at end: each part takes as much as it can,
 * but the key keeps at least one character. */
static struct span key_of(const char *from, const char *end)
{
	const char *key = from;

	if (end - from >= 6 && memcmp(from, "export", 6) == 0)
		key = from + 6;
	while (key < end && is_blank(*key))
		key++;
	if (key < end)
		return (struct span){ key, (size_t)(end - key) };
	if (is_blank(end[-1]))
		return (struct span){ end - 1, 1 };
	return (struct span){ from, (size_t)(end - from) }; /* "export=": the key is export */
}

/* [[:blank:]]*(['"]).*?\4 or else [^#\n]*; the line holds no newline. */
static struct span value_of(const char *from, const char *end)
{
	const char *open = from, *close;

	while (open < end && is_blank(*open))
		open++;
	if (open < end && (*open == '"' || *open == '\'')) {
		close = memchr(open + 1, *open, (size_t)(end - open - 1));
		if (close)
			return (struct span){ from, (size_t)(close + 1 - from) };
	}
	close = memchr(from, '#', (size_t)(end - from));
	return (struct span){ from, (size_t)((close ? close : end) - from) };
}

/* Strips; takes quotes off. A value that is one quote is none at all (false). */
static bool unquote(struct span *value)
{
	while (value->len && is_space(value->at[0])) {
		value->at++;
		value->len--;
	}
	while (value->len && is_space(value->at[value->len - 1]))
		value->len--;
	if (!value->len || (value->at[0] != '"' && value->at[0] != '\''))
		return true;
	if (value->at[0] != value->at[value->len - 1])
		return true;
	if (value->len == 1)
		return false;
	value->at++;
	value->len -= 2;
	return true;
}

static bool read_line(const char *line, const char *end, struct span *key, struct span *value)
{
	const char *equals;

	if (line == end || *line == '#')
		return false;
	/* A '=' with nothing before it cannot match: the expression starts again behind it. */
	while ((equals = memchr(line, '=', (size_t)(end - line))) == line)
		line++;
	if (!equals)
		return false;
	*key = key_of(line, equals);
	*value = value_of(equals + 1, end);
	return unquote(value);
}

char *om_kvmrc_ruby_value(const char *kvmrc_text, size_t len, const char *name)
{
	const char *at = kvmrc_text, *end = kvmrc_text + len;
	struct span key, value, found = { NULL, 0 };

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (read_line(at, stop, &key, &value) && key.len == strlen(name) &&
		    memcmp(key.at, name, key.len) == 0)
			found = value;
		at = newline ? newline + 1 : end;
	}
	return found.at ? om_xstrndup(found.at, found.len) : NULL;
}
