/* SPDX-License-Identifier: Apache-2.0 */
#include "survey_internal.h"

#include "om_text.h"

#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool om_survey_unword(char *word)
{
	char *to = word;

	for (; *word; word++) {
		unsigned char c = (unsigned char)*word;

		if (c <= ' ' || c >= 0x7f)
			return false;
		if (c == '%') {
			int high = hex(word[1]), low = high < 0 ? -1 : hex(word[2]);

			if (low < 0 || high + low == 0)
				return false;
			c = (unsigned char)(high * 16 + low);
			word += 2;
		}
		*to++ = (char)c;
	}
	*to = '\0';
	return true;
}

static bool parse_word(const char *const words[], size_t n, const char *text, unsigned int *found)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0) {
			*found = (unsigned int)i;
			return true;
		}
	return false;
}

static bool parse_text(char *to, size_t size, char *word)
{
	struct om_text clean = { .text = to, .size = size };

	if (!om_survey_unword(word) || strlen(word) >= size)
		return false;
	om_text_add_clean(&clean, word);
	return true;
}

static bool parse_number(const struct om_survey_row *row, char *at, const char *text)
{
	uint64_t number;

	if (!om_parse_u64(text, 0, row->type == BOOL ? 1 : row->max, &number))
		return false;
	if (row->type == BOOL)
		*(bool *)at = number;
	else if (row->type == U64)
		*(uint64_t *)at = number;
	else
		*(uint32_t *)at = (uint32_t)number;
	return true;
}

/* The words of a line; false where there are fewer or more. */
static bool split(char *line, char *words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = strsep(&line, " ");
	return words[n - 1] && !line;
}

static bool parse_node(struct om_node_pages *node, char *line)
{
	char *words[3];
	uint64_t number;

	if (!split(line, words, 3) || !om_parse_u64(words[0], 0, UINT32_MAX, &number))
		return false;
	node->node = (uint32_t)number;
	return om_parse_u64(words[1], 0, UINT64_MAX, &node->total) &&
	       om_parse_u64(words[2], 0, UINT64_MAX, &node->free);
}

static bool parse_file(struct om_file *file, char *line)
{
	char *words[7];
	uint64_t *numbers[] = { &file->size_bytes, &file->inode, &file->device, &file->fs_type,
				&file->fs_id };
	unsigned int kind;

	if (!split(line, words, 7) ||
	    !parse_word(om_survey_kinds, OM_ARRAY_LEN(om_survey_kinds), words[0], &kind))
		return false;
	file->kind = kind;
	for (size_t i = 0; i < OM_ARRAY_LEN(numbers); i++)
		if (!om_parse_u64(words[1 + i], 0, UINT64_MAX, numbers[i]))
			return false;
	return parse_text(file->why, sizeof(file->why), words[6]);
}

/* Of the next file that was named before. */
static bool parse_more(struct om_survey *survey, char *line)
{
	struct om_file *file = &survey->files[survey->more_count];
	char *words[3];
	uint64_t known;

	if (survey->more_count++ >= survey->file_count || !split(line, words, 3) ||
	    !om_parse_u64(words[0], 0, 1, &known))
		return false;
	file->free_known = known;
	return om_parse_u64(words[1], 0, UINT64_MAX, &file->free_bytes) &&
	       parse_text(file->device_id, sizeof(file->device_id), words[2]);
}

static bool parse_value(const struct om_survey_row *row, char *at, char *text)
{
	unsigned int found = 0;
	uint64_t port;
	bool ok;

	switch (row->type) {
	case OWNED:
		free(*(char **)at);
		ok = om_survey_unword(text);
		*(char **)at = om_xstrdup(text);
		return ok;
	case TEXT:
		return parse_text(at, row->size, text);
	case PORTS:
		ok = om_parse_u64(text, 1, UINT16_MAX, &port);
		*(uint16_t *)at = ok ? (uint16_t)port : 0;
		return ok;
	case ANSWER:
	case ANSWERS:
	case SOME:
		ok = parse_word(om_survey_answers, OM_ARRAY_LEN(om_survey_answers), text, &found);
		*(enum om_answer *)at = found;
		return ok;
	case SIDE:
		ok = parse_word(om_survey_sides, OM_ARRAY_LEN(om_survey_sides), text, &found);
		*(enum om_side_state *)at = found;
		return ok;
	case ADDRS:
		return om_survey_unword(text) && om_addr_parse((struct om_addr *)at, text);
	case NODES:
		return parse_node((struct om_node_pages *)at, text);
	case FILES:
		return parse_file((struct om_file *)at, text);
	default:
		return parse_number(row, at, text);
	}
}

static bool parse_row(const struct om_survey_row *row, char *base, char *text)
{
	char *at = base + row->offset;
	size_t n;

	if (!om_survey_is_list(row))
		return parse_value(row, at, text);
	if (row->type == MORE)
		return parse_more((struct om_survey *)(void *)base, text);
	om_survey_items(row, base, &n);
	if (n >= row->max)
		return false;
	if (row->type == WORDS) {
		if (!om_survey_unword(text))
			return false;
		om_strv_add((struct om_strv *)at, text);
		return true;
	}
	if (om_survey_is_allocated(row)) {
		char **list = (char **)at;

		*list = om_xrealloc(*list, (n + 1) * row->size);
		at = *list;
	}
	memset(at + n * row->size, 0, row->size);
	*(size_t *)(base + row->count) = n + 1;
	return parse_value(row, at + n * row->size, text);
}

static const struct om_survey_row *find_row(const struct om_survey_row *table, size_t n,
					    const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(table[i].word) == len && memcmp(table[i].word, word, len) == 0)
			return &table[i];
	return NULL;
}

/* All lines up to "end", each of which has to be whole. */
static bool parse_lines(const struct om_survey_row *table, size_t n, char *base, char *text,
			struct om_err *err)
{
	for (unsigned int number = 2;; number++) {
		char *newline = strchr(text, '\n');
		size_t len = strcspn(text, " \n");
		const struct om_survey_row *row = find_row(table, n, text, len);

		if (!newline)
			return om_err_set(err, OM_E_INPUT, "the survey is cut off");
		*newline = '\0';
		if (strcmp(text, "end") == 0)
			return !newline[1] ||
			       om_err_set(err, OM_E_INPUT, "the survey goes on behind its end");
		if (row && !parse_row(row, base, text + len + (text[len] == ' ')))
			return om_err_set(err, OM_E_INPUT, "line %u of the survey is not valid",
					  number);
		text = newline + 1;
	}
}

static bool parse(const char *first, const struct om_survey_row *table, size_t n, void *base,
		  const char *text, struct om_err *err)
{
	size_t len = strnlen(text, OM_SURVEY_TEXT_MAX + 1), first_len = strlen(first);
	OM_AUTOFREE char *copy = NULL;

	if (len > OM_SURVEY_TEXT_MAX)
		return om_err_set(err, OM_E_INPUT, "the survey is too long");
	if (!om_str_starts(text, first) || text[first_len] != '\n')
		return om_err_set(err, OM_E_INPUT, "the survey is of another version");
	copy = om_xstrndup(text + first_len + 1, len - first_len - 1);
	return parse_lines(table, n, base, copy, err);
}

bool om_survey_ask_parse(struct om_survey_ask *ask, const char *text, struct om_err *err)
{
	bool ok;

	memset(ask, 0, sizeof(*ask));
	ok = parse(OM_SURVEY_ASK_FIRST, om_survey_ask_rows, om_survey_ask_row_count, ask, text,
		   err);
	for (size_t i = 0; i < om_survey_ask_row_count; i++) {
		char **owned = (char **)((char *)ask + om_survey_ask_rows[i].offset);

		if (om_survey_ask_rows[i].type == OWNED && !*owned)
			*owned = om_xstrdup("");
	}
	if (!ok)
		om_survey_ask_free(ask);
	return ok;
}

/* As long as what was asked for, or not answered at all: then nothing of it is known. */
static bool fit(size_t *n, void **list, size_t size, size_t asked)
{
	if (*n == 0 && asked) {
		*list = om_xcalloc(asked, size);
		*n = asked;
	}
	return *n == asked;
}

bool om_survey_fit(struct om_survey *s, const struct om_survey_ask *ask)
{
	void *files = s->files, *bridges = s->bridges, *networks = s->networks,
	     *secrets = s->secrets;
	size_t size = sizeof(enum om_answer);
	bool ok = fit(&s->file_count, &files, sizeof(*s->files), ask->paths.n);

	ok = fit(&s->bridge_count, &bridges, size, ask->bridges.n) && ok;
	ok = fit(&s->network_count, &networks, size, ask->networks.n) && ok;
	ok = fit(&s->secret_count, &secrets, size, ask->secrets.n) && ok;
	s->files = files;
	s->bridges = bridges;
	s->networks = networks;
	s->secrets = secrets;
	if (!s->port_count)
		s->port_count = ask->port_count;
	return ok && s->port_count == ask->port_count;
}

bool om_survey_parse(struct om_survey *survey, const struct om_survey_ask *ask, const char *text,
		     struct om_err *err)
{
	bool ok;

	memset(survey, 0, sizeof(*survey));
	ok = parse(OM_SURVEY_FIRST, om_survey_rows, om_survey_row_count, survey, text, err) &&
	     (om_survey_fit(survey, ask) ||
	      om_err_set(err, OM_E_INPUT, "the survey answers another question"));
	if (!ok)
		om_survey_free(survey);
	survey->known = ok;
	return ok;
}
