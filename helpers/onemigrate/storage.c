/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a VM's storage where the hosts do not share it. */
#include "storage.h"

#include "om_log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 500 /* between the two looks at what the guest writes */

static bool same_host(const struct om_session *s)
{
	return strcmp(s->args.src, s->args.dst) == 0;
}

/* ---- the directory and its images ---- */

static char *clean_dir(const char *text, const char *vm_id)
{
	struct om_err ignored;
	char *clean;

	return om_tm_dir(&clean, text, vm_id, &ignored) ? clean : om_xstrdup(text);
}

static void name_dirs(struct om_session *s, struct om_storage *st)
{
	OM_AUTOFREE char *src = om_xasprintf("%s/%s", s->req.src_base_path, s->req.vm_id);

	st->dir = clean_dir(src, s->req.vm_id);
	st->dst_dir = clean_dir(s->req.dst_dir, s->req.vm_id);
}

static void list_dir(struct om_storage *st)
{
	om_items_free(st->items, st->item_count);
	st->list_err = (struct om_err){ .code = OM_E_NONE };
	if (!om_vm_dir_list(st->dir, &st->items, &st->item_count, &st->list_err)) {
		st->items = NULL;
		st->item_count = 0;
	}
}

static void look_at_image(const struct om_dom_disk *disk, struct om_disk_facts *facts, void *head)
{
	uint64_t file_bytes;
	struct om_err err;
	size_t len;

	if (disk->kind != OM_DISK_FILE && disk->kind != OM_DISK_BLOCK)
		return;
	if (!om_image_head(disk->source, head, &len, &file_bytes, facts->why, sizeof(facts->why)))
		return;
	facts->have_image = om_image_parse(&facts->image, disk->format, head, len, file_bytes,
					   &err);
	if (!facts->have_image)
		om_str_copy(facts->why, sizeof(facts->why), err.msg);
}

static void look_at_images(struct om_session *s, struct om_storage *st)
{
	OM_AUTOFREE char *head = om_xcalloc(1, OM_IMAGE_HEAD_BYTES);

	free(st->disks);
	st->disks = om_xcalloc(s->dom.disk_count + 1, sizeof(*st->disks));
	for (size_t i = 0; i < s->dom.disk_count; i++)
		look_at_image(&s->dom.disks[i], &st->disks[i], head);
}

/* ---- what the guest writes ---- */

static void look_at_writes(struct om_session *s, struct om_storage *st)
{
	if (st->written || !s->vir)
		return;
	st->written = om_xcalloc(s->dom.disk_count + 1, sizeof(*st->written));
	for (size_t i = 0; i < s->dom.disk_count; i++) {
		const struct om_dom_disk *disk = &s->dom.disks[i];
		struct om_first_look *w = &st->written[st->written_count];

		if (disk->kind == OM_DISK_EMPTY || disk->readonly ||
		    !om_vir_disk_written(s->vir, disk->target, &w->written))
			continue;
		w->at_ms = om_now_ms();
		w->target = om_xstrdup(disk->target);
		st->written_count++;
	}
}

static const struct om_first_look *find_written(const struct om_storage *st, const char *target)
{
	for (size_t i = 0; i < st->written_count; i++)
		if (strcmp(st->written[i].target, target) == 0)
			return &st->written[i];
	return NULL;
}

/* By now the hosts have been asked, which has mostly taken longer. */
static void wait_for_writes(const struct om_storage *st)
{
	uint64_t begun_ms = st->written_count ? st->written[st->written_count - 1].at_ms : 0;
	uint64_t passed_ms = om_now_ms() - begun_ms;

	if (begun_ms && passed_ms < LOOK_AGAIN_MS)
		usleep((useconds_t)(LOOK_AGAIN_MS - passed_ms) * 1000);
}

static void measure_writes(struct om_session *s, struct om_storage *st)
{
	wait_for_writes(st);
	for (size_t i = 0; i < s->dom.disk_count; i++) {
		const struct om_first_look *first = find_written(st, s->dom.disks[i].target);
		struct om_disk_facts *facts = &st->disks[i];
		struct om_written now;
		uint64_t ms;

		if (!first || !om_vir_disk_written(s->vir, first->target, &now) ||
		    now.bytes < first->written.bytes)
			continue;
		ms = om_now_ms() - first->at_ms;
		facts->measured = ms > 0;
		facts->written_bytes_ps = om_written_bytes_ps(&first->written, &now, ms);
	}
}

/* ---- all of it ---- */

static uint64_t link_bps(const struct om_session *s)
{
	const struct om_route *route = &s->facts.fast.route;

	if (!s->facts.fast.routed || s->facts.fast.answer == OM_ANSWER_NO)
		route = &s->facts.mgmt_route;
	return om_link_bytes_ps(route->speed_mbit);
}

static void fill_facts(struct om_session *s, struct om_storage *st)
{
	st->facts = (struct om_disks_facts){
		.dom = &s->dom,
		.vm_id = s->req.vm_id,
		.dir = st->dir,
		.dst_dir = st->dst_dir,
		.disks = st->disks,
		.items = st->items,
		.item_count = st->item_count,
		.dst_items_known = st->facts.dst_items_known,
		.dst_items = st->dst_items,
		.dst_item_count = st->dst_item_count,
		.ask = &s->checkup.ask,
		.src = &s->checkup.src,
		.dst = &s->checkup.dst,
		.versions = s->facts.versions,
		.src_host = s->args.src,
		.dst_host = s->args.dst,
		.link_bps = link_bps(s),
	};
}

static void collect(struct om_session *s, struct om_storage *st)
{
	list_dir(st);
	look_at_images(s, st);
	fill_facts(s, st);
}

void om_storage_ask(struct om_session *s, struct om_survey_ask *ask)
{
	if (s->req.shared || s->args.local || same_host(s) || om_str_empty(s->dom.uuid))
		return;
	if (!s->storage) {
		s->storage = om_xcalloc(1, sizeof(*s->storage));
		name_dirs(s, s->storage);
	}
	look_at_writes(s, s->storage);
	collect(s, s->storage);
	om_disks_ask(ask, &s->storage->facts);
}

static const struct om_file *find_file(const struct om_session *s, const char *path)
{
	const struct om_checkup *c = &s->checkup;

	for (size_t i = 0; i < c->ask.paths.n && i < c->dst.file_count; i++)
		if (strcmp(c->ask.paths.v[i], path) == 0)
			return &c->dst.files[i];
	return NULL;
}

static void list_destination(struct om_session *s, struct om_storage *st)
{
	OM_AUTOFREE char *answer = om_xcalloc(1, OM_STORAGE_LIST_MAX);
	OM_AUTOFREE char *dir = om_survey_word(st->dst_dir);
	const struct om_file *there = find_file(s, st->dst_dir);
	struct om_err err = { 0 };

	st->facts.dst_items_known = there && there->kind == OM_FILE_MISSING;
	if (!there || there->kind != OM_FILE_DIR)
		return;
	st->facts.dst_items_known =
		om_storage_call(s, answer, OM_STORAGE_LIST_MAX, &err, "storage-list %s %s", dir,
				s->req.vm_id) &&
		(om_storage_list_parse(answer, &st->dst_items, &st->dst_item_count) ||
		 om_err_set(&err, OM_E_REFUSED, "its list cannot be read"));
	if (!st->facts.dst_items_known)
		om_log(OM_LOG_DEBUG, "what is in %s on %s is not known: %s", st->dst_dir,
		       s->args.dst, err.msg);
}

void om_storage_look_there(struct om_session *s)
{
	if (s->storage && s->checkup.dst.known)
		list_destination(s, s->storage);
	if (s->storage)
		fill_facts(s, s->storage);
}

void om_storage_gather(struct om_session *s)
{
	struct om_storage *st = s->storage;

	if (!st)
		return;
	collect(s, st);
	measure_writes(s, st);
}

const struct om_disks_facts *om_storage_facts(const struct om_session *s)
{
	return s->storage && !s->req.shared && !om_storage_why_stock(s) &&
			       s->storage->list_err.code == OM_E_NONE
		       ? &s->storage->facts
		       : NULL;
}
