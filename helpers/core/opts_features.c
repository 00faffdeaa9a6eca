/* SPDX-License-Identifier: Apache-2.0 */
/* What the VM's own FEATURES add to MIGRATE_OPTIONS. */
#include "om_opts.h"

#include <stdlib.h>
#include <string.h>

#define ORIGIN "FEATURES"
/* QEMU takes 1..99 for both numbers; oned lets 0 and 100 pass. */
#define PERCENT_MIN 1
#define PERCENT_MAX 99

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_OTHER };

static enum answer answer_of(const char *text)
{
	static const char *const words[][2] = { { "no", "yes" },
						{ "false", "true" },
						{ "0", "1" } };

	for (size_t i = 0; i < OM_ARRAY_LEN(words); i++)
		for (int yes = 0; yes < 2; yes++)
			if (om_str_eq_nocase(text, words[i][yes]))
				return yes ? ANSWER_YES : ANSWER_NO;
	return *text ? ANSWER_OTHER : ANSWER_NO;
}

static void warn(struct om_opts *opts, const char *name, const char *value, const char *why)
{
	OM_AUTOFREE char *text = om_xasprintf("FEATURES/%s '%.60s' %s", name, value, why);

	om_str_sanitize(text);
	om_strv_add(&opts->warnings, text);
}

static void set_flag(struct om_opts *opts, unsigned int flag)
{
	opts->feature_flags |= flag & ~opts->flags;
	opts->flags |= flag;
}

static uint64_t clamp(uint64_t percent)
{
	return percent < PERCENT_MIN ? PERCENT_MIN : percent > PERCENT_MAX ? PERCENT_MAX : percent;
}

/* "initial[,increment]" into values; returns how many there are, 0 where it cannot be read. */
static size_t read_percents(const char *text, uint64_t values[2])
{
	OM_AUTOFREE char *copy = om_xstrdup(text);
	char *rest = copy, *part;
	size_t n = 0;

	while ((part = strsep(&rest, ",")))
		if (n == 2 || !om_parse_u64(om_str_strip(part), 0, UINT64_MAX, &values[n++]))
			return 0;
	return n;
}

static void set_percents(struct om_opts *opts, const char *text)
{
	static const char *const names[] = { "auto_converge.initial", "auto_converge.increment" };
	uint64_t values[2];
	size_t n = read_percents(text, values);
	bool clamped = false;

	if (!n) {
		warn(opts, "MIGRATE_AUTO_CONVERGE", text,
		     "is left out: initial[,increment] in percent is expected");
		return;
	}
	if (!values[0])
		return;
	set_flag(opts, OM_FLAG_AUTO_CONVERGE);
	for (size_t i = 0; i < n; i++) {
		clamped = clamped || clamp(values[i]) != values[i];
		om_params_set_number(&opts->params, names[i], OM_PARAM_INT, clamp(values[i]),
				     ORIGIN);
	}
	if (clamped)
		warn(opts, "MIGRATE_AUTO_CONVERGE", text, "is brought into QEMU's range, 1 to 99");
}

static void add_auto_converge(struct om_opts *opts, const char *text)
{
	switch (answer_of(text)) {
	case ANSWER_NO:
		break;
	case ANSWER_YES:
		/* "1" is a percentage, not an answer. */
		if (*text == '1')
			set_percents(opts, text);
		else
			set_flag(opts, OM_FLAG_AUTO_CONVERGE);
		break;
	case ANSWER_OTHER:
		set_percents(opts, text);
		break;
	}
}

static void add_compressed(struct om_opts *opts, const char *text)
{
	switch (answer_of(text)) {
	case ANSWER_NO:
		break;
	case ANSWER_YES:
		set_flag(opts, OM_FLAG_COMPRESSED);
		break;
	case ANSWER_OTHER:
		warn(opts, "MIGRATE_COMPRESSED", text, "is left out: YES or NO is expected");
		break;
	}
}

void om_opts_add_features(struct om_opts *opts, const char *auto_converge, const char *compressed)
{
	OM_AUTOFREE char *converge = om_xstrdup(auto_converge ? auto_converge : "");
	OM_AUTOFREE char *compress = om_xstrdup(compressed ? compressed : "");

	add_auto_converge(opts, om_str_strip(converge));
	add_compressed(opts, om_str_strip(compress));
}
