/* SPDX-License-Identifier: Apache-2.0 */
/* Lines "key=value"; the first is the version, the last "end". None of the values can hold a newline. */
#include "om_tm.h"

#include "om_buf.h"

#include <stdlib.h>
#include <string.h>

#define HEAD "onemigrate-tm=1"

static const char *const settled_names[] = {
	[OM_TM_SETTLED_MOVED] = "moved",
	[OM_TM_SETTLED_STAYED] = "stayed",
};

void om_tm_record_free(struct om_tm_record *record)
{
	free(record->vm_id);
	free(record->dst);
	free(record->dir);
	free(record->seq);
	om_strv_free(&record->new_bridges);
	*record = (struct om_tm_record){ 0 };
}

char *om_tm_record_print(const struct om_tm_record *record)
{
	struct om_buf buf = { 0 };

	om_buf_addf(&buf, HEAD "\nvm=%s\ndst=%s\ndir=%s\nseq=%s\n", record->vm_id, record->dst,
		    record->dir, record->seq);
	if (record->dir_missing)
		om_buf_addf(&buf, "missing=1\n");
	if (record->other)
		om_buf_addf(&buf, "other=1\n");
	for (size_t i = 0; i < record->new_bridges.n; i++)
		om_buf_addf(&buf, "bridge=%s\n", record->new_bridges.v[i]);
	if (record->settled)
		om_buf_addf(&buf, "%s=%llu\n", settled_names[record->settled],
			    (unsigned long long)record->settled_epoch_ms);
	om_buf_addf(&buf, "end\n");
	return buf.text;
}

static void take(char **to, const char *value)
{
	free(*to);
	*to = om_xstrdup(value);
}

static void take_settled(struct om_tm_record *record, const char *key, const char *value)
{
	for (size_t i = OM_TM_SETTLED_MOVED; i < OM_ARRAY_LEN(settled_names); i++)
		if (strcmp(key, settled_names[i]) == 0) {
			record->settled = (enum om_tm_settled)i;
			record->settled_epoch_ms = strtoull(value, NULL, 10);
		}
}

static void take_line(struct om_tm_record *record, const char *key, const char *value)
{
	if (strcmp(key, "vm") == 0)
		take(&record->vm_id, value);
	else if (strcmp(key, "dst") == 0)
		take(&record->dst, value);
	else if (strcmp(key, "dir") == 0)
		take(&record->dir, value);
	else if (strcmp(key, "seq") == 0)
		take(&record->seq, value);
	else if (strcmp(key, "missing") == 0)
		record->dir_missing = strcmp(value, "1") == 0;
	else if (strcmp(key, "other") == 0)
		record->other = strcmp(value, "1") == 0;
	else if (strcmp(key, "bridge") == 0)
		om_strv_add(&record->new_bridges, value);
	else
		take_settled(record, key, value);
}

bool om_tm_record_parse(struct om_tm_record *record, const char *text)
{
	OM_AUTOFREE char *copy = om_xstrdup(text);
	char *rest = copy, *line = strsep(&rest, "\n");
	bool ended = false;

	*record = (struct om_tm_record){ 0 };
	if (strcmp(line, HEAD) != 0)
		return false;
	while (!ended && (line = strsep(&rest, "\n"))) {
		char *equals = strchr(line, '=');

		ended = strcmp(line, "end") == 0;
		if (equals) {
			*equals = '\0';
			take_line(record, line, equals + 1);
		}
	}
	if (ended && record->vm_id && record->dst && record->dir && record->seq)
		return true;
	om_tm_record_free(record);
	return false;
}
