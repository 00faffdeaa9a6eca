/* SPDX-License-Identifier: Apache-2.0 */
/* MIGRATE_OPTIONS on the first line, FEATURES/MIGRATE_AUTO_CONVERGE on the second and
 * FEATURES/MIGRATE_COMPRESSED on the third (each may hold anything but NUL and newline), then all
 * that is done with them, on three pairs of versions. */
#include "om_opts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_line(const char *text)
{
	expect(*text);
	for (; *text; text++)
		expect((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_params(const struct om_params *params)
{
	expect(params->n <= OM_ARRAY_LEN(params->v));
	for (size_t i = 0; i < params->n; i++) {
		const struct om_param *p = &params->v[i];

		expect(p->name && p->origin);
		expect((p->type == OM_PARAM_STRING) == (p->text != NULL));
		expect(p->type != OM_PARAM_STRING || *p->text);
		expect(p->type != OM_PARAM_INT || p->number <= INT32_MAX);
	}
}

static void check_parsed(const struct om_opts *opts)
{
	expect(opts->flags & OM_FLAG_LIVE);
	expect(!(opts->feature_flags & ~opts->flags));
	if (opts->stock_reason)
		check_line(opts->stock_reason);
	else
		expect((opts->timeout_s != 0) == (opts->timeout_action != OM_TIMEOUT_NONE));
	for (size_t i = 0; i < opts->warnings.n; i++)
		check_line(opts->warnings.v[i]);
	check_params(&opts->params);
}

static void check_combination(struct om_opts *opts, const struct om_versions *versions)
{
	struct om_params copy;
	struct om_err err = { 0 };
	bool never;

	if (!om_opts_check(opts, versions, &never, &err)) {
		expect(err.code == OM_E_INPUT && !never);
		check_line(err.msg);
	}
	expect(!never || !(opts->flags & OM_FLAG_POSTCOPY));
	check_parsed(opts);
	om_params_copy(&copy, &opts->params);
	om_params_drop(&copy, "compression");
	om_params_free(&copy);
}

static void try_all(const char *text, const char *converge, const char *compressed)
{
	static const struct om_versions versions[] = {
		{ 11003000, 11003000, 10001000, 10001000, 0 },
		{ 9000000, 9000000, 7002022, 7002022, 0 },
		{ 0, 0, 0, 0, 0 },
	};
	struct om_err err = { 0 };

	for (size_t i = 0; i < OM_ARRAY_LEN(versions); i++) {
		struct om_opts opts;

		if (om_opts_parse(&opts, text, &err)) {
			check_parsed(&opts);
			om_opts_add_features(&opts, converge, compressed);
			check_combination(&opts, &versions[i]);
		} else {
			expect(err.code == OM_E_INPUT);
			check_line(err.msg);
		}
		om_opts_free(&opts);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);
	char *rest = text, *parts[3];

	for (size_t i = 0; i < OM_ARRAY_LEN(parts); i++)
		parts[i] = rest ? strsep(&rest, "\n") : NULL;
	try_all(parts[0], parts[1], parts[2]);
	/* Once more with the newlines in it, as a value from bash may have them. */
	free(text);
	text = om_xstrndup((const char *)data, size);
	try_all(text, NULL, NULL);
	return 0;
}
