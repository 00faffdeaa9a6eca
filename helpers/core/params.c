/* SPDX-License-Identifier: Apache-2.0 */
#include "om_opts.h"

#include <stdlib.h>
#include <string.h>

static bool is_repeatable(const char *name)
{
	static const char *const names[] = { "compression", "migrate_disks",
					     "migrate_disks_detect_zeroes" };

	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static struct om_param *find(struct om_params *p, const char *name, const char *text)
{
	bool repeatable = is_repeatable(name);

	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, name) == 0 &&
		    (!repeatable || (text && strcmp(p->v[i].text, text) == 0)))
			return &p->v[i];
	return NULL;
}

/* The array has room for every parameter that the table of options knows and for OM_DISKS_MIRRORS_MAX
 * disks, so it is never full. */
static struct om_param *slot(struct om_params *p, const char *name, const char *text)
{
	struct om_param *param = find(p, name, text);

	if (!param) {
		if (p->n == OM_ARRAY_LEN(p->v))
			abort();
		param = &p->v[p->n++];
		param->text = NULL;
	}
	free(param->text);
	memset(param, 0, sizeof(*param));
	param->name = name;
	return param;
}

void om_params_set_text(struct om_params *p, const char *name, const char *text, const char *origin)
{
	char *copy = om_xstrdup(text); /* first: text may be the one that is replaced */
	struct om_param *param = slot(p, name, copy);

	param->type = OM_PARAM_STRING;
	param->text = copy;
	param->origin = origin;
}

void om_params_set_number(struct om_params *p, const char *name, enum om_param_type type,
			  uint64_t number, const char *origin)
{
	struct om_param *param = slot(p, name, NULL);

	param->type = type;
	param->number = number;
	param->origin = origin;
}

const struct om_param *om_params_get(const struct om_params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, name) == 0)
			return &p->v[i];
	return NULL;
}

void om_params_drop(struct om_params *p, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->v[i].name, name) == 0)
			free(p->v[i].text);
		else
			p->v[kept++] = p->v[i];
	}
	p->n = kept;
}

void om_params_copy(struct om_params *to, const struct om_params *from)
{
	*to = *from;
	for (size_t i = 0; i < to->n; i++)
		if (to->v[i].text)
			to->v[i].text = om_xstrdup(to->v[i].text);
}

void om_params_free(struct om_params *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].text);
	p->n = 0;
}
