/* SPDX-License-Identifier: Apache-2.0 */
#include "om_knob.h"

#include "om_addr.h"
#include "om_check.h"
#include "om_limits.h"
#include "om_text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096

static const char *const origin_names[] = {
	[OM_ORIGIN_DEFAULT] = "default",     [OM_ORIGIN_ENVIRONMENT] = "environment",
	[OM_ORIGIN_KVMRC] = "kvmrc",	     [OM_ORIGIN_RC] = "onemigraterc",
	[OM_ORIGIN_DATASTORE] = "datastore", [OM_ORIGIN_VM] = "VM",
};
static_assert(OM_ARRAY_LEN(origin_names) == OM_ORIGIN_COUNT, "a name for each origin");

const char *om_origin_name(enum om_origin origin)
{
	return origin_names[origin];
}

/* Which scope lets a value of this origin in; the default needs none. */
static const unsigned int origin_scopes[] = {
	[OM_ORIGIN_DEFAULT] = 0,
	[OM_ORIGIN_ENVIRONMENT] = OM_SCOPE_HOST,
	[OM_ORIGIN_KVMRC] = OM_SCOPE_HOST,
	[OM_ORIGIN_RC] = OM_SCOPE_HOST,
	[OM_ORIGIN_DATASTORE] = OM_SCOPE_DATASTORE,
	[OM_ORIGIN_VM] = OM_SCOPE_VM,
};
static_assert(OM_ARRAY_LEN(origin_scopes) == OM_ORIGIN_COUNT, "a scope for each origin");

/* Is c in a set such as "A-Za-z0-9._-"? */
static bool in_set(const char *set, char c)
{
	for (; *set; set++) {
		if (set[1] == '-' && set[2]) {
			if (c >= set[0] && c <= set[2])
				return true;
			set += 2;
		} else if (c == *set) {
			return true;
		}
	}
	return false;
}

/* What a parser judges by. */
struct judge {
	const struct om_knob_row *row;
	const struct om_clock *clock;
};

static bool parse_restricted(const struct om_knob_row *row, const char *text, struct om_err *why)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!in_set(row->chars, text[i]))
			return om_err_set(why, OM_E_INPUT, "only the characters %s are allowed",
					  row->chars);
	if (len > row->max)
		return om_err_set(why, OM_E_INPUT, "at most %d characters are allowed",
				  (int)row->max);
	return true;
}

/* Each parser may replace *text by another static or stripped spelling of it. */
static bool parse_text(const struct judge *judge, const char **text, uint64_t *number,
		       struct om_err *why)
{
	*number = 0;
	if (judge->row->chars)
		return parse_restricted(judge->row, *text, why);
	if (strlen(*text) > TEXT_MAX)
		return om_err_set(why, OM_E_INPUT, "at most %d bytes are allowed", TEXT_MAX);
	for (const char *c = *text; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t' && *c != '\n') || *c == 0x7f)
			return om_err_set(why, OM_E_INPUT, "control characters are not allowed");
	return true;
}

static bool parse_yes_no(const struct judge *judge, const char **text, uint64_t *number,
			 struct om_err *why)
{
	static const char *const words[][3] = { { "no", "false", "0" }, { "yes", "true", "1" } };

	(void)judge;
	for (size_t value = 0; value < 2; value++)
		for (size_t i = 0; i < 3; i++)
			if (om_str_eq_nocase(*text, words[value][i])) {
				*number = value;
				*text = words[value][0];
				return true;
			}
	return om_err_set(why, OM_E_INPUT, "yes or no is expected");
}

static bool parse_number(const struct judge *judge, const char **text, uint64_t *number,
			 struct om_err *why)
{
	const struct om_knob_row *row = judge->row;

	if (om_parse_u64(*text, row->min, row->max, number))
		return true;
	return om_err_set(why, OM_E_INPUT, "a number from %llu to %llu%s%s is expected",
			  (unsigned long long)row->min, (unsigned long long)row->max,
			  *row->unit ? " " : "", row->unit);
}

static bool parse_choice(const struct judge *judge, const char **text, uint64_t *number,
			 struct om_err *why)
{
	OM_AUTOFREE char *choices = om_xstrdup(judge->row->choices);
	char *rest = choices, *choice;

	for (uint64_t i = 0; (choice = strsep(&rest, "|")); i++)
		if (om_str_eq_nocase(choice, *text)) {
			*number = i;
			return true;
		}
	return om_err_set(why, OM_E_INPUT, "one of %s is expected", judge->row->choices);
}

static bool parse_cidrs(const struct judge *judge, const char **text, uint64_t *number,
			struct om_err *why)
{
	struct om_cidr cidrs[OM_CIDRS_MAX];
	size_t count;

	(void)judge;
	*number = 0;
	return om_cidrs_parse(cidrs, OM_CIDRS_MAX, &count, *text, why);
}

static bool parse_deadline(const struct judge *judge, const char **text, uint64_t *number,
			   struct om_err *why)
{
	*number = 0;
	if (om_str_eq_nocase(*text, "none")) /* as a datastore lifts that of the files */
		*text = "";
	return !**text || om_deadline_left_ms(*text, judge->clock, number, why);
}

static bool vm_may_set(const char *name)
{
	for (int id = 0; id < OM_KNOB_COUNT; id++)
		if ((om_knob_table[id].scope & OM_SCOPE_VM) &&
		    strcmp(om_knob_table[id].name, name) == 0)
			return true;
	return false;
}

/* The next name of the list at *rest, or NULL. */
static char *next_name(char **rest)
{
	char *name;

	while ((name = strsep(rest, ", \t\n")))
		if (*name)
			return name;
	return NULL;
}

static bool parse_names(const struct judge *judge, const char **text, uint64_t *number,
			struct om_err *why)
{
	OM_AUTOFREE char *copy = om_xstrdup(*text);
	char *rest = copy, *name;

	(void)judge;
	*number = 0;
	while ((name = next_name(&rest)))
		if (!vm_may_set(name))
			return om_err_set(why, OM_E_INPUT,
					  "'%.60s' is no setting that a VM may set", name);
	return true;
}

/* Says which checks there are. */
static bool no_check(const char *name, struct om_err *why)
{
	size_t count;
	const struct om_check_info *checks = om_check_table(&count);
	char list[400] = "";
	struct om_text names = { list, sizeof(list), 0 };

	for (size_t i = 0; i < count; i++)
		om_text_add(&names, "%s%s", i ? " " : "", checks[i].name);
	return om_err_set(why, OM_E_INPUT, "'%.30s' is no check; there are: %s", name, list);
}

static bool parse_checks(const struct judge *judge, const char **text, uint64_t *number,
			 struct om_err *why)
{
	OM_AUTOFREE char *copy = om_xstrdup(*text);
	char *rest = copy, *name;

	(void)judge;
	*number = 0;
	while ((name = next_name(&rest)))
		if (!om_check_name_valid(name, strlen(name)))
			return no_check(name, why);
	return true;
}

typedef bool parser(const struct judge *judge, const char **text, uint64_t *number,
		    struct om_err *why);
static parser *const parsers[] = {
	[OM_KNOB_TEXT] = parse_text,	 [OM_KNOB_YES_NO] = parse_yes_no,
	[OM_KNOB_NUMBER] = parse_number, [OM_KNOB_CHOICE] = parse_choice,
	[OM_KNOB_CIDRS] = parse_cidrs,	 [OM_KNOB_DEADLINE] = parse_deadline,
	[OM_KNOB_NAMES] = parse_names,	 [OM_KNOB_CHECKS] = parse_checks,
};
static_assert(OM_ARRAY_LEN(parsers) == OM_KNOB_TYPE_COUNT, "a parser for each type");

/* The text of the n-th choice, malloc'ed. */
static char *choice_text(const char *choices, uint64_t n)
{
	while (n--)
		choices = strchr(choices, '|') + 1;
	return om_xstrndup(choices, strcspn(choices, "|"));
}

/* What is resolved, and by which clock. */
struct resolver {
	struct om_knobs *knobs;
	const struct om_clock *clock;
	const struct om_knob_source *sources;
	size_t count;
};

static bool take(const struct resolver *r, enum om_knob_id id, const char *text,
		 enum om_origin origin, struct om_err *why)
{
	const struct om_knob_row *row = &om_knob_table[id];
	const struct judge judge = { row, r->clock };
	struct om_knob_value *to = &r->knobs->v[id];
	OM_AUTOFREE char *copy = om_xstrdup(text), *choice = NULL;
	const char *value = om_str_strip(copy);
	uint64_t number;

	if (!parsers[row->type](&judge, &value, &number, why))
		return false;
	if (row->type == OM_KNOB_CHOICE)
		value = choice = choice_text(row->choices, number);
	om_strv_add(&r->knobs->texts, value);
	to->text = r->knobs->texts.v[r->knobs->texts.n - 1];
	to->number = number;
	to->origin = origin;
	return true;
}

/* A lenient row: a number that is only too large becomes the largest, all else the default. */
static bool take_lenient(const struct resolver *r, enum om_knob_id id,
			 const struct om_knob_source *source, struct om_err *why)
{
	const struct om_knob_row *row = &om_knob_table[id];
	OM_AUTOFREE char *copy = om_xstrdup(source->text), *most = NULL;
	uint64_t number;

	if (row->type == OM_KNOB_NUMBER &&
	    om_parse_u64(om_str_strip(copy), row->max, UINT64_MAX, &number)) {
		most = om_xasprintf("%llu", (unsigned long long)row->max);
		return take(r, id, most, source->origin, why);
	}
	return take(r, id, row->def, OM_ORIGIN_DEFAULT, why);
}

static bool is_blank(const char *text)
{
	return !text || text[strspn(text, " \t\n\v\f\r")] == '\0';
}

/* Of the administrator's sources the one that counts, or of the VM's owner's. */
static const struct om_knob_source *winner(const struct resolver *r, const struct om_knob_row *row,
					   bool owners)
{
	const struct om_knob_source *best = NULL;

	for (size_t i = 0; i < r->count; i++) {
		const struct om_knob_source *s = &r->sources[i];

		if ((s->origin == OM_ORIGIN_VM) != owners || strcmp(s->name, row->name) != 0 ||
		    is_blank(s->text))
			continue;
		if ((origin_scopes[s->origin] & row->scope) && (!best || s->origin >= best->origin))
			best = s;
	}
	return best;
}

static bool resolve_one(const struct resolver *r, enum om_knob_id id, struct om_err *err)
{
	const struct om_knob_source *source = winner(r, &om_knob_table[id], false);
	struct om_err why;

	if (!source)
		return take(r, id, om_knob_table[id].def, OM_ORIGIN_DEFAULT, err);
	if (take(r, id, source->text, source->origin, &why))
		return true;
	if (om_knob_table[id].lenient)
		return take_lenient(r, id, source, err);
	om_err_set(err, OM_E_INPUT, "%s '%.80s' from %s cannot be used: %.360s",
		   om_knob_table[id].name, source->text, om_origin_name(source->origin), why.msg);
	om_str_sanitize(err->msg);
	return false;
}

static void complain(struct om_strv *list, const struct om_knob_source *source, const char *whose,
		     const char *why)
{
	OM_AUTOFREE char *text = om_xasprintf("%s '%.60s' in the %s template is ignored: %.250s",
					      source->name, source->text, whose, why);

	om_str_sanitize(text);
	om_strv_add(list, text);
}

/* Whoever wrote it there relies on it. */
static void tell_out_of_scope(const struct resolver *r, const struct om_knob_row *row)
{
	for (size_t i = 0; i < r->count && !(row->scope & OM_SCOPE_DATASTORE); i++)
		if (r->sources[i].origin == OM_ORIGIN_DATASTORE && !is_blank(r->sources[i].text) &&
		    strcmp(r->sources[i].name, row->name) == 0)
			complain(&r->knobs->warnings, &r->sources[i], "datastore's",
				 "it counts in kvmrc and onemigraterc alone");
}

/* ---- what the VM's owner wants ---- */

static bool is_allowed(const struct om_knobs *knobs, const char *name)
{
	OM_AUTOFREE char *copy = om_xstrdup(om_knob_text(knobs, OM_KNOB_MIGRATE_VM_MAY_SET));
	char *rest = copy, *allowed;

	while ((allowed = next_name(&rest)))
		if (strcmp(allowed, name) == 0)
			return true;
	return false;
}

static bool stays_within(enum om_within within, uint64_t owners, uint64_t administrators)
{
	switch (within) {
	case OM_WITHIN_LOWER:
		break;
	case OM_WITHIN_LIMIT:
		return !administrators || (owners && owners <= administrators);
	case OM_WITHIN_POLICY:
		return om_policy_within((enum om_policy)owners, (enum om_policy)administrators);
	}
	return owners <= administrators;
}

/* Puts the owner's value in the place of the administrator's where it may stand there. */
static void apply_owners(const struct resolver *r, enum om_knob_id id)
{
	const struct om_knob_row *row = &om_knob_table[id];
	const struct om_knob_source *source = winner(r, row, true);
	struct om_knob_value administrators = r->knobs->v[id];
	struct om_err why;

	if (!source)
		return;
	if (!is_allowed(r->knobs, row->name)) {
		complain(&r->knobs->notes, source, "VM's", "MIGRATE_VM_MAY_SET does not name it");
		return;
	}
	if (!take(r, id, source->text, OM_ORIGIN_VM, &why)) {
		complain(&r->knobs->warnings, source, "VM's", why.msg);
		return;
	}
	if (stays_within(row->within, r->knobs->v[id].number, administrators.number))
		return;
	r->knobs->v[id] = administrators;
	om_err_set(&why, OM_E_INPUT, "the administrator allows %s",
		   *administrators.text ? administrators.text : "none");
	complain(&r->knobs->warnings, source, "VM's", why.msg);
}

bool om_knobs_resolve(struct om_knobs *knobs, const struct om_knob_source *sources, size_t count,
		      const struct om_clock *clock, struct om_err *err)
{
	const struct resolver r = { knobs, clock, sources, count };

	memset(knobs, 0, sizeof(*knobs));
	for (int id = 0; id < OM_KNOB_COUNT; id++)
		if (!resolve_one(&r, (enum om_knob_id)id, err)) {
			om_knobs_free(knobs);
			return false;
		}
	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		tell_out_of_scope(&r, &om_knob_table[id]);
		apply_owners(&r, (enum om_knob_id)id);
	}
	return true;
}

void om_knobs_free(struct om_knobs *knobs)
{
	om_strv_free(&knobs->texts);
	om_strv_free(&knobs->warnings);
	om_strv_free(&knobs->notes);
	memset(knobs->v, 0, sizeof(knobs->v));
}
