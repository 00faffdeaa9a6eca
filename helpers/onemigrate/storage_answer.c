/* SPDX-License-Identifier: Apache-2.0 */
/* The destination's end of om_storage.h: questions of `onemigrate survey`. */
#include "om_storage.h"

#include "om_text.h"
#include "om_tm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct om_place place_of(char *words[])
{
	return (struct om_place){ .dir = words[1], .vm_id = words[2], .name = words[3] };
}

static bool say(char *answer, size_t size, const char *word, const struct om_identity *identity)
{
	snprintf(answer, size, "%s %" PRIu64 " %" PRIu64, word, identity->device, identity->inode);
	return true;
}

static bool refuse(char *answer, size_t size, const char *why)
{
	om_str_copy(answer, size, why);
	return false;
}

bool om_storage_answer_mkdir(char *words[], char *answer, size_t size)
{
	struct om_place place = place_of(words);
	struct om_identity identity;
	struct om_err err;
	uint64_t mode;
	bool made;

	if (!om_parse_u64(words[4], 0, 07777, &mode))
		return refuse(answer, size, "that is no mode");
	if (!om_storage_mkdir(&place, (uint32_t)mode, &made, &identity, &err))
		return refuse(answer, size, err.msg);
	return say(answer, size, made ? "made" : "there", &identity);
}

bool om_storage_answer_make(char *words[], char *answer, size_t size)
{
	struct om_place place = place_of(words);
	struct om_identity identity;
	struct om_blank blank;
	struct om_err err;

	if (!om_storage_blank_parse(&blank, words[4]))
		return refuse(answer, size, "that is no image");
	if (!om_storage_make(&place, &blank, words[5], &identity, &err))
		return refuse(answer, size, err.msg);
	return say(answer, size, "made", &identity);
}

bool om_storage_answer_link(char *words[], char *answer, size_t size)
{
	struct om_place place = place_of(words);
	struct om_identity identity;
	struct om_err err;

	if (!om_storage_link(&place, words[4], &identity, &err))
		return refuse(answer, size, err.msg);
	return say(answer, size, "made", &identity);
}

bool om_storage_answer_look(char *words[], char *answer, size_t size)
{
	struct om_place place = place_of(words);
	struct om_identity identity = { 0 };
	struct om_err err;
	bool there;

	if (!om_storage_look(&place, &there, &identity, &err))
		return refuse(answer, size, err.msg);
	return say(answer, size, there ? "there" : "missing", &identity);
}

bool om_storage_answer_sweep(char *words[], char *answer, size_t size)
{
	struct om_place place = place_of(words);
	struct om_identity none = { 0 };
	struct om_err err;

	if (!om_storage_sweep(&place, &err))
		return refuse(answer, size, err.msg);
	return say(answer, size, "swept", &none);
}

bool om_storage_answer_drop(char *words[], char *answer, size_t size)
{
	struct om_place place = place_of(words);
	struct om_identity identity;
	struct om_err err;

	if (!om_parse_u64(words[4], 0, UINT64_MAX, &identity.device) ||
	    !om_parse_u64(words[5], 1, UINT64_MAX, &identity.inode))
		return refuse(answer, size, "that is no identity");
	if (!om_storage_drop(&place, &identity, &err))
		return refuse(answer, size, err.msg);
	return say(answer, size, "gone", &identity);
}

/* ---- the list ---- */

static const char *const kinds[] = { [OM_ITEM_FILE] = "file",
				     [OM_ITEM_LINK] = "link",
				     [OM_ITEM_DIR] = "directory",
				     [OM_ITEM_OTHER] = "other" };

bool om_storage_answer_list(char *words[], char *answer, size_t size)
{
	OM_AUTOFREE char *dir = NULL;
	struct om_text to = { .text = answer, .size = size };
	struct om_item *items;
	struct om_err err;
	size_t count;

	if (!om_tm_dir(&dir, words[1], words[2], &err) ||
	    !om_vm_dir_list(dir, &items, &count, &err))
		return refuse(answer, size, err.msg);
	for (size_t i = 0; i < count; i++) {
		OM_AUTOFREE char *name = om_survey_word(items[i].name);

		om_text_add(&to, "%s%s %" PRIu64 " %s", i ? " " : "", kinds[items[i].kind],
			    items[i].size_bytes, name);
		if (items[i].kind == OM_ITEM_LINK) {
			OM_AUTOFREE char *target = om_survey_word(items[i].target);

			om_text_add(&to, " %s", target);
		}
	}
	om_items_free(items, count);
	return to.len + 1 < size || refuse(answer, size, "there are too many files");
}

static bool parse_kind(enum om_item_kind *kind, const char *word)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], word) == 0) {
			*kind = (enum om_item_kind)i;
			return true;
		}
	return false;
}

/* Takes three words, or four of a link. */
static bool parse_item(struct om_item *item, char **rest)
{
	char *kind = strsep(rest, " "), *size = strsep(rest, " "), *name = strsep(rest, " ");
	char *target;

	if (!name || !parse_kind(&item->kind, kind) ||
	    !om_parse_u64(size, 0, UINT64_MAX, &item->size_bytes) || !om_survey_unword(name) ||
	    !*name)
		return false;
	item->name = om_xstrdup(name);
	if (item->kind != OM_ITEM_LINK)
		return true;
	target = strsep(rest, " ");
	if (!target || !om_survey_unword(target))
		return false;
	item->target = om_xstrdup(target);
	return true;
}

bool om_storage_list_parse(const char *text, struct om_item **items, size_t *count)
{
	OM_AUTOFREE char *copy = om_xstrdup(text);
	char *rest = *copy ? copy : NULL;
	bool ok = true;

	*items = NULL;
	*count = 0;
	while (ok && rest && *count < OM_DISKS_FILES_MAX) {
		*items = om_xrealloc(*items, (*count + 1) * sizeof(**items));
		(*items)[*count] = (struct om_item){ .readable = true };
		ok = parse_item(&(*items)[(*count)++], &rest);
	}
	if (ok && !rest)
		return true;
	om_items_free(*items, *count);
	*items = NULL;
	*count = 0;
	return false;
}

/* ---- a blank as a word ---- */

char *om_storage_blank_print(const struct om_blank *b)
{
	return om_xasprintf("%s:%" PRIu64 ":%" PRIu32 ":%" PRIu32 ":%" PRIu32 ":%" PRIu32
			    ":%d:%d:%s:%s",
			    b->qcow2 ? "qcow2" : "raw", b->virtual_bytes, b->mode, b->uid, b->gid,
			    b->cluster_bits, b->compat_v2, b->extended_l2, b->backing_format,
			    b->backing);
}

static bool next_number(char **text, uint64_t max, uint64_t *number)
{
	char *word = strsep(text, ":");

	return word && om_parse_u64(word, 0, max, number);
}

bool om_storage_blank_parse(struct om_blank *b, char *text)
{
	static const uint64_t max[] = { INT64_MAX, 07777, UINT32_MAX, UINT32_MAX, 63, 1, 1 };
	const char *format = strsep(&text, ":");
	uint64_t v[OM_ARRAY_LEN(max)];

	for (size_t i = 0; i < OM_ARRAY_LEN(max); i++)
		if (!text || !next_number(&text, max[i], &v[i]))
			return false;
	*b = (struct om_blank){ .qcow2 = strcmp(format, "qcow2") == 0,
				.virtual_bytes = v[0],
				.mode = (uint32_t)v[1],
				.uid = (uint32_t)v[2],
				.gid = (uint32_t)v[3],
				.cluster_bits = (uint32_t)v[4],
				.compat_v2 = v[5],
				.extended_l2 = v[6],
				.backing_format = strsep(&text, ":") };
	b->backing = text;
	return b->backing && (b->qcow2 || strcmp(format, "raw") == 0);
}
