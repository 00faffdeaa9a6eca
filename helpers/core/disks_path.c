/* SPDX-License-Identifier: Apache-2.0 */
/* Where the paths of disks and of their backing files lead, by the listing of the VM's directory; and
 * what both hosts say of what is there. */
#include "disks_internal.h"

#include <stdlib.h>
#include <string.h>

#define LINKS_MAX 40 /* as many as the kernel follows */
#define PATH_LEN_MAX 4096

size_t om_disks_find(const struct om_item *items, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(items[i].name, name) == 0)
			return i;
	return OM_DISKS_NONE;
}

char *om_disks_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return om_xstrndup(path, slash && slash > path ? (size_t)(slash - path) : 1);
}

/* ---- without links ---- */

struct walk {
	const struct om_disks_facts *facts;
	char *done; /* without a link; "" is the root */
	char *rest; /* still to go */
	unsigned int links;
};

/* The name below the VM's directory of what was reached; NULL: it is not below it. */
static const char *name_of(const struct walk *w)
{
	size_t len = strlen(w->facts->dir);

	return len && strncmp(w->done, w->facts->dir, len) == 0 && w->done[len] == '/'
		       ? w->done + len + 1
		       : NULL;
}

static size_t item_of(const struct walk *w)
{
	const char *name = name_of(w);

	return name ? om_disks_find(w->facts->items, w->facts->item_count, name) : OM_DISKS_NONE;
}

static void drop_last(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = '\0';
}

/* What was reached is a link: goes on where it leads. */
static bool follow(struct walk *w, const char *target)
{
	char *rest = om_xasprintf("%s/%s", target, w->rest);

	free(w->rest);
	w->rest = rest;
	if (*target == '/')
		*w->done = '\0';
	else
		drop_last(w);
	return *target && ++w->links <= LINKS_MAX;
}

/* Outside of the directory a link may be anywhere, so that ".." is not known to lead back. */
static bool step_up(struct walk *w)
{
	if (!name_of(w))
		return false;
	drop_last(w);
	return true;
}

static bool step_down(struct walk *w, const char *part, size_t len)
{
	char *done = om_xasprintf("%s/%.*s", w->done, (int)len, part);
	size_t item;

	free(w->done);
	w->done = done;
	item = item_of(w);
	if (item != OM_DISKS_NONE && w->facts->items[item].kind == OM_ITEM_LINK)
		return follow(w, w->facts->items[item].target);
	return true;
}

static bool step(struct walk *w, bool *end)
{
	size_t skip = strspn(w->rest, "/"), len = strcspn(w->rest + skip, "/");
	OM_AUTOFREE char *part = om_xstrndup(w->rest + skip, len);

	*end = !len;
	memmove(w->rest, w->rest + skip + len, strlen(w->rest + skip + len) + 1);
	if (!len || strcmp(part, ".") == 0)
		return true;
	if (strlen(w->done) + len + strlen(w->rest) > PATH_LEN_MAX)
		return false;
	return strcmp(part, "..") == 0 ? step_up(w) : step_down(w, part, len);
}

char *om_disks_resolve(const struct om_disks_facts *facts, const char *from, const char *path,
		       size_t *item)
{
	struct walk w = { .facts = facts, .done = om_xstrdup("") };
	bool ok, end = false;

	*item = OM_DISKS_NONE;
	w.rest = *path == '/' ? om_xstrdup(path) : om_xasprintf("%s/%s", from, path);
	ok = *path && *w.rest == '/';
	while (ok && !end)
		ok = step(&w, &end);
	free(w.rest);
	if (ok && *w.done) {
		*item = item_of(&w);
		return w.done;
	}
	free(w.done);
	return NULL;
}

/* ---- layers ---- */

const char *om_disks_layer(const struct om_disks_facts *facts, size_t disk, size_t layer)
{
	const struct om_strv *chain = &facts->dom->disks[disk].chain;
	const struct om_disk_facts *known = facts->disks ? &facts->disks[disk] : NULL;

	if (layer < chain->n)
		return chain->v[layer];
	/* A libvirt that does not tell the chain; deeper layers are not known then. */
	if (!chain->n && !layer && known && known->have_image && *known->image.backing)
		return known->image.backing;
	return NULL;
}

static void add(struct om_survey_ask *ask, const char *path)
{
	if (!path || *path != '/' || ask->paths.n >= OM_SURVEY_LIST_MAX)
		return;
	for (size_t i = 0; i < ask->paths.n; i++)
		if (strcmp(ask->paths.v[i], path) == 0)
			return;
	om_strv_add(&ask->paths, path);
}

static void ask_disk(struct om_survey_ask *ask, const struct om_disks_facts *facts, size_t i)
{
	const struct om_dom_disk *disk = &facts->dom->disks[i];
	OM_AUTOFREE char *path = NULL, *parent = NULL;
	const char *layer;
	size_t item;

	if (disk->kind != OM_DISK_FILE && disk->kind != OM_DISK_BLOCK)
		return;
	path = om_disks_resolve(facts, "", disk->source, &item);
	add(ask, disk->source);
	add(ask, path);
	parent = om_disks_parent(path ? path : disk->source);
	for (size_t n = 0; (layer = om_disks_layer(facts, i, n)); n++) {
		OM_AUTOFREE char *found = om_disks_resolve(facts, parent, layer, &item);

		add(ask, found);
	}
}

void om_disks_ask(struct om_survey_ask *ask, const struct om_disks_facts *facts)
{
	add(ask, facts->dir);
	for (size_t i = 0; i < facts->dom->disk_count; i++)
		ask_disk(ask, facts, i);
	for (size_t i = 0; i < facts->item_count; i++)
		if (facts->items[i].kind == OM_ITEM_LINK)
			add(ask, facts->items[i].target);
}

/* ---- what both hosts say ---- */

struct om_disks_file om_disks_file(const struct om_disks_facts *facts, const char *path)
{
	struct om_disks_file file = { NULL, NULL };

	if (!facts->ask || !path)
		return file;
	for (size_t i = 0; i < facts->ask->paths.n; i++) {
		if (strcmp(facts->ask->paths.v[i], path) != 0)
			continue;
		if (facts->src && facts->src->known && i < facts->src->file_count)
			file.src = &facts->src->files[i];
		if (facts->dst && facts->dst->known && i < facts->dst->file_count)
			file.dst = &facts->dst->files[i];
		break;
	}
	return file;
}

/* A network file system may go on denying for a while that a file is there. */
static enum om_same same(const struct om_disks_facts *facts, const char *path)
{
	struct om_disks_file file = om_disks_file(facts, path);
	bool one_kernel;

	if (!file.src || !file.dst || file.dst->kind == OM_FILE_UNKNOWN)
		return OM_SAME_UNKNOWN;
	if (file.dst->kind == OM_FILE_MISSING)
		return om_fs_is_local(file.dst->fs_type) ? OM_SAME_NO : OM_SAME_UNKNOWN;
	one_kernel = *facts->src->boot_id && strcmp(facts->src->boot_id, facts->dst->boot_id) == 0;
	return om_file_same(file.src, file.dst, one_kernel);
}

bool om_disks_file_is_same(const struct om_disks_facts *facts, const char *path)
{
	struct om_disks_file file = om_disks_file(facts, path);

	if (file.src && file.dst && file.src->kind == OM_FILE_BLOCK &&
	    file.dst->kind == OM_FILE_BLOCK && *file.src->device_id && *file.dst->device_id)
		return strcmp(file.src->device_id, file.dst->device_id) == 0;
	return same(facts, path) == OM_SAME_YES;
}

bool om_disks_is_below(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* Storage that both hosts have may hold a disk of it, whoever the directory belongs to. */
static bool tells_of_dir(const struct om_disks_facts *facts, const struct om_dom_disk *disk)
{
	OM_AUTOFREE char *path = NULL;
	size_t item;

	if (disk->kind != OM_DISK_FILE)
		return false;
	if (om_str_empty(facts->dir))
		return true;
	path = om_disks_resolve(facts, "", disk->source, &item);
	return path && om_disks_is_below(facts->dir, path);
}

enum om_same om_disks_same(const struct om_disks_facts *facts)
{
	size_t count[3] = { 0 }, all = 0;

	if (!facts->src || !facts->dst || !facts->src->known || !facts->dst->known)
		return OM_SAME_UNKNOWN;
	for (size_t i = 0; i < facts->dom->disk_count; i++)
		if (tells_of_dir(facts, &facts->dom->disks[i])) {
			count[same(facts, facts->dom->disks[i].source)]++;
			all++;
		}
	if (!all)
		return om_str_empty(facts->dir) ? OM_SAME_NO : same(facts, facts->dir);
	if (count[OM_SAME_YES] == all)
		return OM_SAME_YES;
	return count[OM_SAME_NO] == all ? OM_SAME_NO : OM_SAME_UNKNOWN;
}
