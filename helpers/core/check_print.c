/* SPDX-License-Identifier: Apache-2.0 */
#include "om_check.h"
#include "om_text.h"

#include <stdlib.h>
#include <string.h>

/* Findings of one severity, worst first; what is not checked for the same reason is one line. */
static const enum om_severity order[] = { OM_SEVERITY_BLOCKER, OM_SEVERITY_WARNING,
					  OM_SEVERITY_NOT_CHECKED, OM_SEVERITY_OK };

static bool is_joined(const struct om_finding *a, const struct om_finding *b)
{
	return a->severity == OM_SEVERITY_NOT_CHECKED && b->severity == OM_SEVERITY_NOT_CHECKED &&
	       strcmp(a->found, b->found) == 0 && !*a->remedy && !*b->remedy;
}

static bool is_told_before(const struct om_findings *findings, size_t i)
{
	for (size_t n = 0; n < i; n++)
		if (is_joined(&findings->v[n], &findings->v[i]))
			return true;
	return false;
}

/* "ports, clock" of all that are told with this one. */
static void add_names(struct om_buf *buf, const struct om_findings *findings, size_t i)
{
	om_buf_addf(buf, "%s", findings->v[i].check);
	for (size_t n = i + 1; n < findings->n; n++)
		if (is_joined(&findings->v[i], &findings->v[n]))
			om_buf_addf(buf, ", %s", findings->v[n].check);
}

static int name_width(void)
{
	size_t count, width = 0;
	const struct om_check_info *table = om_check_table(&count);

	for (size_t i = 0; i < count; i++)
		if (strlen(table[i].name) > width)
			width = strlen(table[i].name);
	return (int)width;
}

/* Names that do not fit into their column have the line for themselves. */
static void add_finding(struct om_buf *buf, const struct om_findings *findings, size_t i)
{
	const struct om_finding *finding = &findings->v[i];
	int severities = (int)strlen(om_severity_name(OM_SEVERITY_NOT_CHECKED));
	int names = name_width(), indent = severities + names + 4;
	struct om_buf checks = { 0 };

	add_names(&checks, findings, i);
	om_buf_addf(buf, "%-*s  %-*s", severities, om_severity_name(finding->severity), names,
		    checks.text);
	if (checks.len > (size_t)names)
		om_buf_addf(buf, "\n%*s", indent, "");
	else
		om_buf_addf(buf, "  ");
	om_buf_addf(buf, "%s\n", finding->found);
	if (*finding->remedy)
		om_buf_addf(buf, "%*s-> %s\n", indent, "", finding->remedy);
	free(checks.text);
}

static void add_count(struct om_buf *buf, size_t count, const char *noun, const char *plural)
{
	om_buf_addf(buf, "%zu %s%s, ", count, noun, count == 1 ? "" : plural);
}

void om_check_print_text(struct om_buf *buf, const struct om_findings *findings, bool all)
{
	const size_t *count = findings->count;

	for (size_t s = 0; s < OM_ARRAY_LEN(order); s++)
		for (size_t i = 0; i < findings->n; i++)
			if (findings->v[i].severity == order[s] &&
			    (all || order[s] != OM_SEVERITY_OK) && !is_told_before(findings, i))
				add_finding(buf, findings, i);
	om_buf_addf(buf, "%s: ", findings->hosts ? findings->hosts : "");
	add_count(buf, count[OM_SEVERITY_BLOCKER], "blocker", "s");
	add_count(buf, count[OM_SEVERITY_WARNING], "warning", "s");
	add_count(buf, count[OM_SEVERITY_NOT_CHECKED], "not checked", "");
	om_buf_addf(buf, "%zu in order\n", count[OM_SEVERITY_OK]);
}

static void add_json_field(struct om_buf *buf, const char *name, const char *value)
{
	om_buf_addf(buf, "\"%s\": \"", name);
	om_buf_add_json(buf, value);
	om_buf_addf(buf, "\"");
}

static void add_json_finding(struct om_buf *buf, const struct om_finding *finding)
{
	om_buf_addf(buf, "    { ");
	add_json_field(buf, "check", finding->check);
	om_buf_addf(buf, ", ");
	add_json_field(buf, "severity", om_severity_name(finding->severity));
	om_buf_addf(buf, ", ");
	add_json_field(buf, "found", finding->found);
	om_buf_addf(buf, ", ");
	add_json_field(buf, "remedy", finding->remedy);
	om_buf_addf(buf, " }");
}

void om_check_print_json(struct om_buf *buf, const struct om_findings *findings, const char *vm,
			 const char *src_host, const char *dst_host)
{
	om_buf_addf(buf, "{ ");
	add_json_field(buf, "vm", vm);
	om_buf_addf(buf, ", ");
	add_json_field(buf, "source", src_host);
	om_buf_addf(buf, ", ");
	add_json_field(buf, "destination", dst_host);
	om_buf_addf(
		buf,
		",\n  \"blockers\": %zu, \"warnings\": %zu, \"not_checked\": %zu, \"ok\": %zu,\n",
		findings->count[OM_SEVERITY_BLOCKER], findings->count[OM_SEVERITY_WARNING],
		findings->count[OM_SEVERITY_NOT_CHECKED], findings->count[OM_SEVERITY_OK]);
	om_buf_addf(buf, "  \"findings\": [\n");
	for (size_t i = 0; i < findings->n; i++) {
		add_json_finding(buf, &findings->v[i]);
		om_buf_addf(buf, "%s\n", i + 1 < findings->n ? "," : "");
	}
	om_buf_addf(buf, "  ] }\n");
}

void om_check_print_man(struct om_buf *buf)
{
	size_t count;
	const struct om_check_info *table = om_check_table(&count);

	for (size_t i = 0; i < count; i++) {
		om_buf_addf(buf, ".TP\n.B ");
		om_buf_add_roff(buf, table[i].name);
		om_buf_addf(buf, "\n");
		om_buf_add_roff(buf, table[i].help);
		om_buf_addf(buf, "\n");
	}
}
