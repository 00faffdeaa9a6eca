/* SPDX-License-Identifier: Apache-2.0 */
#include "environ.h"

#include "om_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KVMRC_MAX_BYTES (1u << 20)

static bool list_has(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; at && (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static enum om_origin origin_of(const char *name)
{
	if (list_has(getenv("ONEMIGRATE_RC_SET"), name))
		return OM_ORIGIN_RC;
	if (list_has(getenv("ONEMIGRATE_KVMRC_SET"), name))
		return OM_ORIGIN_KVMRC;
	return OM_ORIGIN_ENVIRONMENT;
}

static char *read_file(const char *path, size_t max, size_t *len)
{
	OM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > max)
		return NULL;
	text = om_xcalloc(1, (size_t)st.st_size + 1);
	n = read(fd, text, (size_t)st.st_size);
	*len = n > 0 ? (size_t)n : 0;
	return text;
}

/*
 * OpenNebula's Ruby scripts read kvmrc by a pattern, not by a shell. Where the two readings of
 * MIGRATE_OPTIONS differ, the guests of this cloud have been migrated with the Ruby one.
 */
static char *ruby_options(const char *bash_value)
{
	const char *path = getenv("ONEMIGRATE_KVMRC");
	OM_AUTOFREE char *text = NULL;
	char *ruby;
	size_t len = 0;

	text = path ? read_file(path, KVMRC_MAX_BYTES, &len) : NULL;
	if (!text)
		return om_xstrdup(bash_value);
	ruby = om_kvmrc_ruby_value(text, len, "MIGRATE_OPTIONS");
	if (!ruby)
		ruby = om_xstrdup("");
	if (strcmp(ruby, bash_value))
		om_log(OM_LOG_WARN,
		       "MIGRATE_OPTIONS in kvmrc: OpenNebula reads '%s', a shell '%s'; the former "
		       "is used (write it as MIGRATE_OPTIONS=\"...\" at the start of a line)",
		       ruby, bash_value);
	return ruby;
}

size_t om_environ_sources(struct om_knob_source sources[OM_KNOB_COUNT], struct om_strv *texts)
{
	size_t n = 0;

	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		const char *name = om_knob_table[id].name, *value = getenv(name);
		enum om_origin origin = origin_of(name);

		if (id == OM_KNOB_MIGRATE_OPTIONS && origin != OM_ORIGIN_RC) {
			OM_AUTOFREE char *options = ruby_options(value ? value : "");

			om_strv_add(texts, options);
			value = texts->v[texts->n - 1];
			if (getenv("ONEMIGRATE_KVMRC"))
				origin = OM_ORIGIN_KVMRC;
		}
		if (!om_str_empty(value))
			sources[n++] = (struct om_knob_source){ name, value, origin };
	}
	return n;
}
