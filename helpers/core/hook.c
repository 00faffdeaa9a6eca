/* SPDX-License-Identifier: Apache-2.0 */
#include "om_hook.h"

#include "om_text.h"

#include <stdlib.h>
#include <string.h>

#define MODE_OTHERS_WRITE 022

static const char *const phases[OM_HOOK_PHASE_COUNT] = {
	[OM_HOOK_PRE] = "pre",
	[OM_HOOK_SWITCHED] = "switched",
	[OM_HOOK_POST] = "post",
	[OM_HOOK_FAILED] = "failed",
};

const char *om_hook_phase_name(enum om_hook_phase phase)
{
	return phases[phase];
}

bool om_hook_phase_parse(const char *name, enum om_hook_phase *phase)
{
	for (size_t i = 0; i < OM_HOOK_PHASE_COUNT; i++)
		if (strcmp(name, phases[i]) == 0) {
			*phase = (enum om_hook_phase)i;
			return true;
		}
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Not what an editor or a package manager leaves beside a file. */
static bool name_is_taken(const char *name)
{
	static const char *const leftovers[] = { ".bak", ".orig", ".rpmsave", ".rpmnew",
						 ".rpmorig" };
	size_t len = strspn(name,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	if (!len || name[len] || *name == '.' || strstr(name, ".dpkg-"))
		return false;
	for (size_t i = 0; i < OM_ARRAY_LEN(leftovers); i++)
		if (ends_with(name, leftovers[i]))
			return false;
	return true;
}

static const char *judge_owner(const struct om_hook_file *file, unsigned int own_uid)
{
	if (file->uid != 0 && file->uid != own_uid)
		return "belongs to another user";
	if (file->mode & MODE_OTHERS_WRITE)
		return "can be written by others";
	return NULL;
}

enum om_hook_take om_hook_judge_file(const char *name, const struct om_hook_file *file,
				     unsigned int own_uid, const char **why)
{
	if (!name_is_taken(name))
		return OM_HOOK_IGNORE;
	*why = "is a link";
	if (file->link)
		return OM_HOOK_SKIP;
	if (!file->regular || !file->executable)
		return OM_HOOK_IGNORE;
	*why = judge_owner(file, own_uid);
	return *why ? OM_HOOK_SKIP : OM_HOOK_TAKE;
}

const char *om_hook_judge_dir(const struct om_hook_file *dir, unsigned int own_uid)
{
	return judge_owner(dir, own_uid);
}

/* The line is whole; an empty one is none. */
static void end_line(struct om_hook_output *o, om_hook_line_fn *line, void *ctx)
{
	struct om_text to = { .text = o->last, .size = sizeof(o->last) };
	size_t good;

	while (o->len && (o->line[o->len - 1] == '\r' || o->line[o->len - 1] == ' '))
		o->len--;
	o->line[o->len] = '\0';
	good = om_utf8_span(o->line, o->len);
	if (o->cut && o->len - good < 4) /* in the middle of a character */
		o->line[good] = '\0';
	if (o->len) {
		om_text_add_clean(&to, o->line);
		if (o->cut)
			om_text_add(&to, "...");
		if (++o->lines <= OM_HOOK_LINES)
			line(ctx, o->last);
	}
	o->len = 0;
	o->cut = false;
}

void om_hook_output_add(struct om_hook_output *o, const char *bytes, size_t len,
			om_hook_line_fn *line, void *ctx)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n')
			end_line(o, line, ctx);
		else if (o->len < OM_HOOK_LINE_BYTES)
			o->line[o->len++] = bytes[i] == '\t' || !bytes[i] ? ' ' : bytes[i];
		else
			o->cut = true;
	}
}

void om_hook_output_end(struct om_hook_output *o, om_hook_line_fn *line, void *ctx)
{
	char text[64];
	struct om_text to = { .text = text, .size = sizeof(text) };

	end_line(o, line, ctx);
	if (o->lines <= OM_HOOK_LINES)
		return;
	om_text_add(&to, "(%u more lines)", o->lines - OM_HOOK_LINES);
	line(ctx, text);
}

void om_hook_xml_free(struct om_hook_xml *xml)
{
	free(xml->uuid);
	free(xml->name);
	free(xml->memory);
	free(xml->vcpus);
	*xml = (struct om_hook_xml){ 0 };
}

#define WRONG "the domain XML that the hooks wrote "

bool om_hook_xml_judge(const struct om_hook_xml *before, const struct om_hook_xml *after,
		       struct om_err *err)
{
	const struct {
		const char *what, *before, *after;
	} kept[] = {
		{ "uuid", before->uuid, after->uuid },
		{ "name", before->name, after->name },
		{ "memory", before->memory, after->memory },
		{ "number of vcpus", before->vcpus, after->vcpus },
	};

	for (size_t i = 0; i < OM_ARRAY_LEN(kept); i++)
		if (strcmp(kept[i].before, kept[i].after) != 0)
			return om_err_set(err, OM_E_INPUT, WRONG "has another %s", kept[i].what);
	if (before->one && !after->one)
		return om_err_set(err, OM_E_INPUT, WRONG "lacks OpenNebula's metadata");
	return true;
}
