/* SPDX-License-Identifier: Apache-2.0 */
#include "om_buf.h"
#include "om_knob.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The largest value column; longer values push the origin to the right. */
#define VALUE_WIDTH_MAX 40

struct shown {
	const struct om_knob_row *row;
	const char *value, *origin; /* origin NULL where no values were resolved */
};

static struct shown shown_of(enum om_knob_id id, const struct om_knobs *values)
{
	struct shown s = { &om_knob_table[id], om_knob_table[id].def, NULL };

	if (values) {
		s.value = values->v[id].text;
		s.origin = om_origin_name(values->v[id].origin);
	}
	return s;
}

/* "auto, gentle, guaranteed or stock" of "auto|gentle|guaranteed|stock" */
static void add_choices(struct om_buf *out, const char *choices)
{
	for (;;) {
		size_t len = strcspn(choices, "|");

		om_buf_addf(out, "%.*s", (int)len, choices);
		if (!choices[len])
			return;
		choices += len + 1;
		om_buf_addf(out, "%s", strchr(choices, '|') ? ", " : " or ");
	}
}

/* "a number from 1 to 100 tries, default 3", for people. */
static void add_type(struct om_buf *out, const struct om_knob_row *row)
{
	switch (row->type) {
	case OM_KNOB_TEXT:
		om_buf_addf(out, "text");
		if (row->chars)
			om_buf_addf(out, " of at most %d characters %s", (int)row->max, row->chars);
		break;
	case OM_KNOB_YES_NO:
		om_buf_addf(out, "yes or no");
		break;
	case OM_KNOB_NUMBER:
		om_buf_addf(out, "a number from %llu to %llu%s%s", (unsigned long long)row->min,
			    (unsigned long long)row->max, *row->unit ? " " : "", row->unit);
		break;
	case OM_KNOB_CHOICE:
		add_choices(out, row->choices);
		break;
	case OM_KNOB_CIDRS:
		om_buf_addf(out, "networks (address/prefix) with blanks or commas between them");
		break;
	case OM_KNOB_DEADLINE:
		om_buf_addf(out, "a duration, a time of day, a date and time or none");
		break;
	case OM_KNOB_NAMES:
		om_buf_addf(out, "names of settings with blanks or commas between them");
		break;
	case OM_KNOB_CHECKS:
		om_buf_addf(out, "names of checks with blanks or commas between them");
		break;
	case OM_KNOB_TYPE_COUNT:
		break;
	}
	om_buf_addf(out, ", default %s", *row->def ? row->def : "none");
}

static void add_scope(struct om_buf *out, const struct om_knob_row *row)
{
	om_buf_addf(out, "set in kvmrc or onemigraterc");
	if (row->scope & OM_SCOPE_DATASTORE)
		om_buf_addf(out, ", or in the template of the source's system datastore");
	if (row->scope & OM_SCOPE_VM)
		om_buf_addf(out,
			    ", or in the VM's user template where MIGRATE_VM_MAY_SET names it");
}

static int value_width(const struct om_knobs *values)
{
	size_t width = strlen("(none)");

	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		size_t len = strlen(shown_of((enum om_knob_id)id, values).value);

		width = len > width ? len : width;
	}
	return (int)(width < VALUE_WIDTH_MAX ? width : VALUE_WIDTH_MAX);
}

static void add_text(struct om_buf *out, const struct shown *s, int width)
{
	OM_AUTOFREE char *value = om_xstrdup(*s->value ? s->value : "(none)");

	om_str_sanitize(value);
	if (s->origin)
		om_buf_addf(out, "%-23s %-*s  %s\n", s->row->name, width, value, s->origin);
	else
		om_buf_addf(out, "%-23s %s\n", s->row->name, value);
	om_buf_addf(out, "    %s\n    ", s->row->help);
	add_type(out, s->row);
	om_buf_addf(out, "; ");
	add_scope(out, s->row);
	om_buf_addf(out, ".\n");
}

static void add_json_field(struct om_buf *out, const char *name, const char *value)
{
	om_buf_addf(out, "\"%s\": \"", name);
	om_buf_add_json(out, value);
	om_buf_addf(out, "\", ");
}

static void add_json_scope(struct om_buf *out, unsigned int scope)
{
	om_buf_addf(out, "\"scope\": [\"host\"%s%s]",
		    scope & OM_SCOPE_DATASTORE ? ", \"datastore\"" : "",
		    scope & OM_SCOPE_VM ? ", \"vm\"" : "");
}

static void add_json(struct om_buf *out, const struct shown *s)
{
	static const char *const types[] = {
		[OM_KNOB_TEXT] = "text",      [OM_KNOB_YES_NO] = "yes_no",
		[OM_KNOB_NUMBER] = "number",  [OM_KNOB_CHOICE] = "choice",
		[OM_KNOB_CIDRS] = "networks", [OM_KNOB_DEADLINE] = "deadline",
		[OM_KNOB_NAMES] = "names",    [OM_KNOB_CHECKS] = "checks",
	};
	static_assert(OM_ARRAY_LEN(types) == OM_KNOB_TYPE_COUNT, "a name for each type");

	om_buf_addf(out, "  { ");
	add_json_field(out, "name", s->row->name);
	if (s->origin) {
		add_json_field(out, "value", s->value);
		add_json_field(out, "origin", s->origin);
	}
	add_json_field(out, "type", types[s->row->type]);
	add_json_field(out, "default", s->row->def);
	if (*s->row->unit)
		add_json_field(out, "unit", s->row->unit);
	if (s->row->choices)
		add_json_field(out, "choices", s->row->choices);
	if (s->row->type == OM_KNOB_NUMBER)
		om_buf_addf(out, "\"min\": %llu, \"max\": %llu, ", (unsigned long long)s->row->min,
			    (unsigned long long)s->row->max);
	add_json_field(out, "help", s->row->help);
	add_json_scope(out, s->row->scope);
	om_buf_addf(out, " }");
}

static void add_man(struct om_buf *out, const struct om_knob_row *row)
{
	struct om_buf details = { 0 };

	om_buf_addf(out, ".TP\n.B ");
	om_buf_add_roff(out, row->name);
	om_buf_addf(out, "\n");
	om_buf_add_roff(out, row->help);
	add_type(&details, row);
	om_buf_addf(&details, "; ");
	add_scope(&details, row);
	om_buf_addf(out, "\n.br\n");
	om_buf_add_roff(out, details.text);
	om_buf_addf(out, ".\n");
	free(details.text);
}

/* Comments in column 0 and NAME="value" without expansions: what bash and OpenNebula's Ruby reader
 * take alike. */
static void add_sample(struct om_buf *out, const struct om_knob_row *row)
{
	om_buf_addf(out, "# %s\n# ", row->help);
	add_type(out, row);
	om_buf_addf(out, "\n#%s=\"%s\"\n\n", row->name, row->example ? row->example : row->def);
}

char *om_knob_print_table(enum om_knob_format format, const struct om_knobs *values_or_null)
{
	struct om_buf out = { 0 };
	int width = value_width(values_or_null);

	om_buf_addf(&out, "%s", format == OM_KNOB_FORMAT_JSON ? "[\n" : "");
	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		struct shown s = shown_of((enum om_knob_id)id, values_or_null);

		switch (format) {
		case OM_KNOB_FORMAT_TEXT:
			add_text(&out, &s, width);
			break;
		case OM_KNOB_FORMAT_JSON:
			add_json(&out, &s);
			om_buf_addf(&out, "%s\n", id + 1 < OM_KNOB_COUNT ? "," : "");
			break;
		case OM_KNOB_FORMAT_MAN:
			add_man(&out, s.row);
			break;
		case OM_KNOB_FORMAT_SAMPLE:
			add_sample(&out, s.row);
			break;
		}
	}
	om_buf_addf(&out, "%s", format == OM_KNOB_FORMAT_JSON ? "]\n" : "");
	return out.text;
}
