/* SPDX-License-Identifier: Apache-2.0 */
#include "om_opts.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096
#define WORDS_MAX 128
#define ORIGIN "MIGRATE_OPTIONS"

struct parse {
	struct om_opts *opts;
	bool seen[OM_OPT_ROWS_MAX];
};

/* The first reason stands. */
static void to_stock(struct om_opts *opts, const char *fmt, ...) OM_PRINTF(2, 3);
static void to_stock(struct om_opts *opts, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (opts->stock_reason)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	om_str_sanitize(text);
	opts->stock_reason = om_xstrdup(text);
}

/* The row of a word "--name" or "--name=value"; NULL if there is none. */
static const struct om_opt_row *find_row(const char *word)
{
	size_t len;

	if (!om_str_starts(word, "--"))
		return NULL;
	word += 2;
	len = strcspn(word, "=");
	for (size_t i = 0; i < om_opt_table_rows; i++)
		if (strlen(om_opt_table[i].name) == len &&
		    memcmp(om_opt_table[i].name, word, len) == 0)
			return &om_opt_table[i];
	return NULL;
}

/* Two names of one flag (--tunnelled, --tunneled) are one option. */
static bool is_repeated(const struct parse *p, const struct om_opt_row *row)
{
	return p->seen[row - om_opt_table] ||
	       (row->kind == OM_OPT_FLAG && (p->opts->flags & row->flag));
}

static bool seen(const struct parse *p, const char *word)
{
	return p->seen[find_row(word) - om_opt_table];
}

static void take_number(struct om_opts *opts, const struct om_opt_row *row, const char *value)
{
	uint64_t number;

	if (om_parse_u64(value, 0, row->max, &number))
		om_params_set_number(&opts->params, row->param, row->type, number, ORIGIN);
	else
		to_stock(opts, "the value '%.60s' of --%s is left to virsh", value, row->name);
}

static bool is_method(const char *name)
{
	static const char *const methods[] = { "xbzrle", "mt", "zlib", "zstd" };

	for (size_t i = 0; i < OM_ARRAY_LEN(methods); i++)
		if (strcmp(name, methods[i]) == 0)
			return true;
	return false;
}

static bool has_method(const struct om_params *params, const char *name)
{
	for (size_t i = 0; i < params->n; i++)
		if (strcmp(params->v[i].name, "compression") == 0 &&
		    strcmp(params->v[i].text, name) == 0)
			return true;
	return false;
}

static void take_methods(struct om_opts *opts, const char *value)
{
	OM_AUTOFREE char *copy = om_xstrdup(value);
	char *rest = copy, *name;

	while ((name = strsep(&rest, ","))) {
		if (!is_method(name) || has_method(&opts->params, name)) {
			to_stock(opts, "the value '%.60s' of --comp-methods is left to virsh",
				 value);
			return;
		}
		om_params_set_text(&opts->params, "compression", name, ORIGIN);
	}
}

static void take_timeout(struct om_opts *opts, const char *value)
{
	uint64_t seconds;

	if (om_parse_u64(value, 0, UINT32_MAX, &seconds))
		opts->timeout_s = (uint32_t)seconds;
	else
		to_stock(opts, "the value '%.60s' of --timeout is left to virsh", value);
}

/* Names of disks; what virsh would make of an empty one is the same. */
static void take_names(struct om_strv *names, const char *value)
{
	OM_AUTOFREE char *copy = om_xstrdup(value);
	char *rest = copy, *name;

	while ((name = strsep(&rest, ",")))
		if (*name)
			om_strv_add(names, name);
}

static void take_storage(struct om_opts *opts, const struct om_opt_row *row, const char *value)
{
	OM_AUTOFREE char *text = om_xasprintf("--%s", row->name);

	om_strv_add(&opts->storage, text);
	opts->sync_writes = opts->sync_writes || row->flag;
	if (strcmp(row->name, "migrate-disks-detect-zeroes") == 0)
		take_names(&opts->zero_disks, value);
}

/* value is empty where the option takes none. */
static void take(struct om_opts *opts, const struct om_opt_row *row, const char *value)
{
	switch (row->kind) {
	case OM_OPT_FLAG:
		opts->flags |= row->flag;
		break;
	case OM_OPT_TEXT:
		if (*value)
			om_params_set_text(&opts->params, row->param, value, ORIGIN);
		else
			to_stock(opts, "the empty value of --%s is left to virsh", row->name);
		break;
	case OM_OPT_NUMBER:
		take_number(opts, row, value);
		break;
	case OM_OPT_METHODS:
		take_methods(opts, value);
		break;
	case OM_OPT_TIMEOUT:
		take_timeout(opts, value);
		break;
	case OM_OPT_ON_TIMEOUT:
		opts->timeout_action = (enum om_timeout_action)row->flag;
		break;
	case OM_OPT_AFTER_PRECOPY:
		opts->postcopy_after_precopy = true;
		break;
	case OM_OPT_DROPPED: {
		OM_AUTOFREE char *text = om_xasprintf("--%s in " ORIGIN " is left out: %s",
						      row->name, row->help);

		om_strv_add(&opts->warnings, text);
		break;
	}
	case OM_OPT_STORAGE:
		take_storage(opts, row, value);
		break;
	case OM_OPT_STOCK:
		to_stock(opts, "--%s in MIGRATE_OPTIONS (%s)", row->name, row->help);
		break;
	case OM_OPT_IGNORED:
	case OM_OPT_KIND_COUNT:
		break;
	}
}

/* Takes the option at words->v[i]; returns how many words it used, 0 if it is left to stock. */
static size_t take_word(struct parse *p, const struct om_strv *words, size_t i)
{
	const char *word = words->v[i], *equals = strchr(word, '=');
	const struct om_opt_row *row = find_row(word);

	if (!row) {
		to_stock(p->opts, "'%.60s' is no option that onemigrate knows", word);
		return 0;
	}
	if (is_repeated(p, row))
		to_stock(p->opts, "--%s is given twice", row->name);
	else if (!row->takes_value && equals)
		to_stock(p->opts, "--%s takes no value", row->name);
	else if (row->takes_value && !equals && i + 1 == words->n)
		to_stock(p->opts, "--%s has no value", row->name);
	else
		take(p->opts, row, !row->takes_value ? "" : equals ? equals + 1 : words->v[i + 1]);
	p->seen[row - om_opt_table] = true;
	if (p->opts->stock_reason)
		return 0;
	return row->takes_value && !equals ? 2 : 1;
}

/* What virsh itself asks for; the sentences are ours, the answer will be virsh's. */
static void check_requirements(struct parse *p)
{
	static const char *const requires[][2] = {
		{ "--postcopy-after-precopy", "--postcopy" },
		{ "--timeout-postcopy", "--postcopy" },
		{ "--tls-destination", "--tls" },
	};
	struct om_opts *opts = p->opts;

	for (size_t i = 0; i < OM_ARRAY_LEN(requires); i++)
		if (seen(p, requires[i][0]) && !seen(p, requires[i][1]))
			to_stock(opts, "%s needs %s", requires[i][0], requires[i][1]);
	if (seen(p, "--timeout-suspend") && seen(p, "--timeout-postcopy"))
		to_stock(opts, "--timeout-suspend and --timeout-postcopy exclude each other");
	if (opts->timeout_action != OM_TIMEOUT_NONE && !opts->timeout_s)
		to_stock(opts, "--timeout-%s needs --timeout",
			 opts->timeout_action == OM_TIMEOUT_SUSPEND ? "suspend" : "postcopy");
	if (opts->timeout_s && opts->timeout_action == OM_TIMEOUT_NONE)
		opts->timeout_action = OM_TIMEOUT_SUSPEND;
}

static void parse_words(struct om_opts *opts, const struct om_strv *words)
{
	struct parse p = { .opts = opts };
	size_t i = 0, used;

	while (i < words->n && (used = take_word(&p, words, i)))
		i += used;
	if (!opts->stock_reason)
		check_requirements(&p);
}

static bool parse_text(struct om_opts *opts, const char *text, const struct om_strv *words,
		       struct om_err *err)
{
	char active = om_shell_active(text);

	if (words->n > WORDS_MAX)
		return om_err_set(err, OM_E_INPUT, ORIGIN " has more than %d words", WORDS_MAX);
	if (active)
		to_stock(opts, ORIGIN " holds '%c', which takes a shell", active);
	else
		parse_words(opts, words);
	return true;
}

bool om_opts_parse(struct om_opts *opts, const char *text, struct om_err *err)
{
	struct om_strv words;
	bool ok;

	memset(opts, 0, sizeof(*opts));
	opts->flags = OM_FLAG_LIVE;
	if (strlen(text) > TEXT_MAX)
		return om_err_set(err, OM_E_INPUT, ORIGIN " is longer than %d bytes", TEXT_MAX);
	if (!om_shell_split(&words, text)) {
		to_stock(opts, ORIGIN " has an open quote or ends in a backslash");
		return true;
	}
	ok = parse_text(opts, text, &words, err);
	om_strv_free(&words);
	return ok;
}

bool om_opts_say_tls(const char *text)
{
	struct om_strv words;
	bool found = false;

	if (om_shell_active(text) || !om_shell_split(&words, text))
		return false;
	for (size_t i = 0; i < words.n; i++)
		found = found || strcmp(words.v[i], "--tls") == 0;
	om_strv_free(&words);
	return found;
}

void om_opts_free(struct om_opts *opts)
{
	om_params_free(&opts->params);
	om_strv_free(&opts->warnings);
	om_strv_free(&opts->storage);
	om_strv_free(&opts->zero_disks);
	free(opts->stock_reason);
	opts->stock_reason = NULL;
}
