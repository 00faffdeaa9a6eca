/* SPDX-License-Identifier: Apache-2.0 */
/* What is made in the destination's directory, and removed from it again. */
#include "move.h"

#include "om_tm_host.h"

#include <string.h>

#define FULL_BYTES (4u << 20)
#define CHANGED_TRIES 3 /* of a file that changes while it is copied */

static struct om_place place_of(const struct om_mover_session *ms, const char *name)
{
	return (struct om_place){ .dir = ms->dst_dir, .vm_id = ms->s->req.vm_id, .name = name };
}

static bool need_journal(struct om_mover_session *ms, struct om_err *err)
{
	return ms->journal || om_move_journal_open(&ms->journal, ms->dst_dir, err);
}

/* As the source's is. */
static uint32_t dir_mode(const struct om_mover_session *ms, const char *name)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", ms->src_dir, name);
	struct om_blank like = { .mode = 0755 };

	om_move_owner(path, &like);
	return like.mode;
}

static bool make_dir(void *ctx, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_place place = place_of(ms, "");
	struct om_identity identity;
	bool made;

	return om_storage_mkdir(&place, dir_mode(ms, ""), &made, &identity, err) &&
	       need_journal(ms, err) && (!made || om_move_journal_add(ms->journal, "", err));
}

static bool copy_progress(void *ctx, uint64_t bytes)
{
	struct om_mover_session *ms = ctx;
	uint64_t limit = ms->s->plan.limits.bandwidth_bytes_ps, due_ms, took_ms;

	om_requests_work(ms->s, true);
	ms->file_bytes_done += bytes;
	took_ms = om_now_ms() - ms->copy_begun_ms;
	due_ms = limit ? ms->file_bytes_done * 1000 / limit : 0;
	if (due_ms > took_ms)
		om_mover_sleep(ms, (uint32_t)(due_ms - took_ms));
	return !ms->s->stop &&
	       !(ms->s->plan.limits.deadline_ms && om_now_ms() >= ms->s->plan.limits.deadline_ms);
}

static bool copy_file(struct om_mover_session *ms, size_t item, struct om_err *err)
{
	const struct om_move_file *file = &ms->move.files[item];
	const char *name = ms->items[item].name;
	OM_AUTOFREE char *from = om_xasprintf("%s/%s", ms->src_dir, name);
	OM_AUTOFREE char *to = om_xasprintf("%s/%s", ms->dst_dir, name);
	const struct om_file_copy copy = {
		.from = from, .to = to, .ctx = ms, .progress = copy_progress
	};
	bool changed = false, ok = false;

	for (int i = 0; i < CHANGED_TRIES && !ok && (!i || changed); i++)
		ok = om_file_copy(&copy, &changed, err);
	return ok &&
	       (!file->backing || om_move_rebase(to, file->backing, file->backing_format, err));
}

static bool make_subdir(struct om_mover_session *ms, const struct om_place *place,
			struct om_err *err)
{
	struct om_identity identity;
	bool made;

	return om_storage_mkdir(place, dir_mode(ms, place->name), &made, &identity, err);
}

/* Is it ours to remove, as far as the journal knows? */
static bool is_ours(const struct om_mover_session *ms, const char *name)
{
	for (size_t i = 0; ms->journal && i < om_move_journal_count(ms->journal); i++) {
		bool kept;

		if (strcmp(om_move_journal_name(ms->journal, i, &kept), name) == 0)
			return !kept;
	}
	return false;
}

/* A placeholder of ours that nobody uses. */
static bool drop_blank(struct om_mover_session *ms, const char *name, struct om_err *err)
{
	const struct om_place place = place_of(ms, name);
	OM_AUTOFREE char *xml = NULL;
	struct om_in_use use = { 0 };
	struct om_identity identity;
	bool there, used = true;

	if (!om_storage_look(&place, &there, &identity, err))
		return false;
	if (!there)
		return true;
	if (!is_ours(ms, name) || om_vir_move_xml(ms->s->vir, &xml) != OM_MOVE_ACTIVE)
		return om_err_set(err, OM_E_SOURCE, "%.200s/%.200s exists, and may hold newer data",
				  ms->dst_dir, name);
	om_in_use_find(&use, xml);
	used = om_in_use_has(&use, &identity);
	om_in_use_free(&use);
	if (used)
		return om_err_set(err, OM_E_SOURCE, "%.200s/%.200s is in use", ms->dst_dir, name);
	return om_storage_drop(&place, &identity, err);
}

static bool make_file(void *ctx, size_t item, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_move_file *file = &ms->move.files[item];
	const struct om_place place = place_of(ms, ms->items[item].name);
	struct om_identity identity;
	bool there;

	if (!need_journal(ms, err) ||
	    (file->way == OM_MOVE_FILE_DISK && !drop_blank(ms, place.name, err)))
		return false;
	/* What is there already is not ours to remove. */
	if (!om_storage_look(&place, &there, &identity, err))
		return false;
	if (there && file->way == OM_MOVE_FILE_DIR)
		return true;
	if (there)
		return om_err_set(err, OM_E_SOURCE, "%.200s/%.200s exists", ms->dst_dir,
				  place.name);
	if (!om_move_journal_add(ms->journal, place.name, err))
		return false;
	if (file->way == OM_MOVE_FILE_DIR)
		return make_subdir(ms, &place, err);
	if (file->way == OM_MOVE_FILE_LINK)
		return om_storage_link(&place, file->target, &identity, err);
	return copy_file(ms, item, err);
}

static bool make_blank(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_move_disk *d = &ms->move.disks[disk];
	const struct om_place place = place_of(ms, d->name);
	struct om_blank blank = d->blank;
	struct om_identity identity;
	char token[OM_TM_TOKEN_SIZE];

	om_move_owner(d->from, &blank);
	om_tm_token(token);
	return need_journal(ms, err) && drop_blank(ms, d->name, err) &&
	       om_move_journal_add(ms->journal, d->name, err) &&
	       om_storage_make(&place, &blank, token, &identity, err);
}

static bool undo(void *ctx, struct om_err *err)
{
	return om_mover_clean(ctx, err);
}

static bool keep(void *ctx, size_t disk, bool yes, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return !ms->journal ||
	       om_move_journal_keep(ms->journal, ms->move.disks[disk].name, yes, err);
}

static bool full(void *ctx)
{
	struct om_mover_session *ms = ctx;
	uint64_t bytes;

	return om_move_free_bytes(ms->dst_dir, &bytes) && bytes < FULL_BYTES;
}

void om_mover_making_ops(struct om_move_ops *ops)
{
	ops->make_dir = make_dir;
	ops->make_file = make_file;
	ops->make_blank = make_blank;
	ops->undo = undo;
	ops->keep = keep;
	ops->full = full;
}
