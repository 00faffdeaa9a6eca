/* SPDX-License-Identifier: Apache-2.0 */
#include "move_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_MAX_MS 60000
#define TRIES 3
#define TRY_AGAIN_MS 1000

/* ---- small things ---- */

void om_mover_blame(struct mover *m, enum om_errc code, const char *fmt, ...)
{
	va_list args;

	if (m->end->has_err)
		return;
	m->end->has_err = true;
	m->end->err.code = code;
	va_start(args, fmt);
	vsnprintf(m->end->err.msg, sizeof(m->end->err.msg), fmt, args);
	va_end(args);
}

bool om_mover_fail(struct mover *m, const struct om_err *err)
{
	om_mover_blame(m, err->code, "%s", err->msg);
	return false;
}

void om_mover_say(const struct mover *m, enum om_log_level level, const char *fmt, ...)
{
	char text[700];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	m->ops->log(m->ops->ctx, level, text);
}

bool om_mover_copied(const struct mover *m, size_t disk)
{
	return m->move->disks[disk].way == OM_MOVE_COPY && !m->disks[disk].by_media;
}

/* Of those that are copied; those of an earlier attempt are on the destination. */
size_t om_mover_count(const struct mover *m, enum om_move_where where)
{
	size_t n = 0;

	for (size_t i = 0; i < m->move->disk_count; i++)
		n += (om_mover_copied(m, i) || m->move->disks[i].way == OM_MOVE_THERE) &&
		     m->seen[i].where == where;
	return n;
}

bool om_mover_look(struct mover *m)
{
	uint64_t begun_ms = m->ops->now_ms(m->ops->ctx);

	for (;;) {
		m->domain = m->ops->look(m->ops->ctx, m->seen);
		if (m->domain == OM_MOVE_ACTIVE) {
			m->ops->progress(m->ops->ctx, m->seen);
			return true;
		}
		if (m->domain == OM_MOVE_ENDED) {
			m->end->guest_ended = true;
			om_mover_blame(m, OM_E_SOURCE, "the VM ended while its disks were copied");
			return false;
		}
		if (m->ops->now_ms(m->ops->ctx) - begun_ms >= SILENT_MAX_MS) {
			om_mover_blame(m, OM_E_UNKNOWN, "libvirt does not answer any more");
			return false;
		}
		m->ops->sleep_ms(m->ops->ctx, TRY_AGAIN_MS);
	}
}

/* ---- the way back ---- */

void om_mover_undo(struct mover *m)
{
	struct om_err err = { 0 };

	m->end->verdict = OM_MOVE_NOT;
	if (om_mover_count(m, OM_MOVE_NEW)) { /* of an earlier attempt */
		m->end->verdict = OM_MOVE_MIXED;
		om_mover_tell_each(m);
	}
	if (!m->touched || m->ops->undo(m->ops->ctx, &err))
		return;
	m->end->left = true;
	om_mover_say(m, OM_LOG_WARN, "%s", err.msg);
}

static bool any_new(const struct mover *m)
{
	for (size_t i = 0; i < m->move->disk_count; i++)
		if (m->move->disks[i].way == OM_MOVE_COPY && m->seen[i].where == OM_MOVE_NEW)
			return true;
	return false;
}

/* Before the first pivot: nothing has changed for the guest. */
static void give_up(struct mover *m)
{
	bool ended = om_mover_abort(m);

	if (m->domain == OM_MOVE_SILENT)
		m->end->verdict = OM_MOVE_UNKNOWN;
	else if (any_new(m))
		om_mover_resolve(m);
	else if (ended)
		om_mover_undo(m);
	else {
		om_mover_say(m, OM_LOG_WARN, "a copy could not be ended; nothing was removed");
		m->end->verdict = OM_MOVE_NOT;
		m->end->left = true;
	}
}

/* ---- files, placeholders, copies ---- */

static bool made_by_us(enum om_move_file_way way)
{
	return way == OM_MOVE_FILE_DIR || way == OM_MOVE_FILE_LINK || way == OM_MOVE_FILE_COPY;
}

static bool make_all(struct mover *m)
{
	const struct om_move *move = m->move;
	struct om_err err = { 0 };

	m->ops->phase(m->ops->ctx, "files");
	if (!m->ops->make_dir(m->ops->ctx, &err))
		return om_mover_fail(m, &err);
	for (size_t i = 0; i < move->file_count; i++) {
		if (om_mover_stopped(m))
			return false;
		if (made_by_us(move->files[i].way) && !m->ops->make_file(m->ops->ctx, i, &err))
			return om_mover_stopped(m) ? false : om_mover_fail(m, &err);
	}
	for (size_t i = 0; i < move->disk_count; i++)
		if (move->disks[i].way == OM_MOVE_COPY && !m->ops->make_blank(m->ops->ctx, i, &err))
			return om_mover_fail(m, &err);
	return true;
}

static bool start_all(struct mover *m)
{
	m->ops->phase(m->ops->ctx, "copies");
	if (!om_mover_look(m))
		return false;
	for (size_t i = 0; i < m->move->disk_count; i++) {
		if (m->move->disks[i].way != OM_MOVE_COPY)
			continue;
		if (om_mover_stopped(m))
			return false;
		if (m->seen[i].foreign) {
			om_mover_blame(m, OM_E_SOURCE, "disk %s has an active block job",
				       m->move->disks[i].target);
			return false;
		}
		if (!om_mover_start(m, i, false, m->move->disks[i].sync))
			return false;
	}
	return true;
}

/* ---- pivots ---- */

/* What a pivot may have made a guest's disk is never removed, whatever becomes of this process. */
bool om_mover_pivot(struct mover *m, size_t disk, struct om_err *err)
{
	return m->ops->keep(m->ops->ctx, disk, true, err) && m->ops->pivot(m->ops->ctx, disk, err);
}

/* False: one was refused; who has pivoted is asked after it. */
static bool pivot_each(struct mover *m, struct om_err *err)
{
	for (size_t i = 0; i < m->move->disk_count; i++) {
		if (!om_mover_copied(m, i) || m->seen[i].where != OM_MOVE_OLD)
			continue;
		if (!om_mover_pivot(m, i, err))
			return om_err_wrap(err, "disk %s", m->move->disks[i].target);
	}
	return true;
}

void om_mover_forget_pivots(struct mover *m)
{
	struct om_err err = { 0 };

	for (size_t i = 0; i < m->move->disk_count; i++)
		if (om_mover_copied(m, i) && m->seen[i].where == OM_MOVE_OLD &&
		    !m->ops->keep(m->ops->ctx, i, false, &err))
			om_mover_say(m, OM_LOG_DEBUG, "%s", err.msg);
}

static void pivot_all(struct mover *m)
{
	struct om_err err = { 0 };
	bool ok = false;

	m->ops->phase(m->ops->ctx, "pivots");
	for (int i = 0; i < TRIES && !ok; i++) {
		if (i)
			m->ops->sleep_ms(m->ops->ctx, TRY_AGAIN_MS);
		ok = pivot_each(m, &err);
		if (!om_mover_look(m))
			break;
		if (ok || any_new(m))
			break;
		om_mover_forget_pivots(m); /* the first one was refused, and nothing has changed */
	}
	if (!ok)
		om_mover_say(m, OM_LOG_WARN, "%s", err.msg);
	if ((m->domain == OM_MOVE_ACTIVE && !om_mover_count(m, OM_MOVE_OLD)) ||
	    (m->domain == OM_MOVE_ENDED && ok)) {
		om_mover_finish(m);
		return;
	}
	om_mover_blame(m, OM_E_SOURCE, "%s", ok ? "a disk has not pivoted" : err.msg);
	if (any_new(m) || m->domain != OM_MOVE_ACTIVE)
		om_mover_resolve(m);
	else
		give_up(m);
}

/* ---- afterwards ---- */

static bool try_media(struct mover *m, size_t disk, struct om_err *err)
{
	for (int i = 0; i < TRIES; i++) {
		if (m->ops->media(m->ops->ctx, disk, err))
			return true;
		m->ops->sleep_ms(m->ops->ctx, TRY_AGAIN_MS);
	}
	return false;
}

static void change_media(struct mover *m)
{
	struct om_err err = { 0 };

	for (size_t i = 0; i < m->move->disk_count; i++)
		if (m->disks[i].by_media && m->seen[i].where == OM_MOVE_OLD &&
		    !try_media(m, i, &err))
			om_mover_say(m, OM_LOG_WARN,
				     "the medium of %s could not be changed (%s): the VM goes on "
				     "reading %s",
				     m->move->disks[i].target, err.msg, m->move->disks[i].from);
}

static void set_metadata(struct mover *m)
{
	struct om_err err = { 0 };

	for (int i = 0; i < TRIES; i++) {
		if (m->ops->metadata(m->ops->ctx, &err))
			return;
		m->ops->sleep_ms(m->ops->ctx, TRY_AGAIN_MS);
	}
	om_mover_say(m, OM_LOG_WARN, "the domain's metadata goes on naming the old datastore: %s",
		     err.msg);
}

static void copy_later(struct mover *m)
{
	struct om_err err = { 0 };

	for (size_t i = 0; i < m->move->file_count; i++)
		if (m->move->files[i].way == OM_MOVE_FILE_LATER &&
		    !m->ops->make_file(m->ops->ctx, i, &err))
			om_mover_say(m, OM_LOG_WARN, "%s is not in %s: %s", m->move->items[i].name,
				     m->move->dst_dir, err.msg);
}

/* From here on nothing is a failure: the guest's data is where OpenNebula is told it is. */
void om_mover_finish(struct mover *m)
{
	m->ops->moved(m->ops->ctx);
	change_media(m);
	set_metadata(m);
	copy_later(m);
	m->end->verdict = OM_MOVE_DONE;
	m->end->has_err = false;
}

/* ---- from the beginning ---- */

static void begin(struct mover *m, const struct om_move_ops *ops, const struct om_move *move,
		  struct om_move_end *end)
{
	memset(end, 0, sizeof(*end));
	*m = (struct mover){
		.ops = ops,
		.move = move,
		.end = end,
		.seen = om_xcalloc(move->disk_count + 1, sizeof(*m->seen)),
		.disks = om_xcalloc(move->disk_count + 1, sizeof(*m->disks)),
	};
}

static void finally(struct mover *m)
{
	free(m->seen);
	free(m->disks);
}

void om_move_run(const struct om_move_ops *ops, const struct om_move *move, struct om_move_end *end)
{
	struct mover m;

	begin(&m, ops, move, end);
	m.touched = ops->touch(ops->ctx, &end->err);
	if (!m.touched) {
		end->has_err = true;
		end->verdict = OM_MOVE_NOT;
	} else if (make_all(&m) && start_all(&m) && om_mover_wait_ready(&m)) {
		pivot_all(&m);
	} else {
		give_up(&m);
	}
	finally(&m);
}

void om_move_settle(const struct om_move_ops *ops, const struct om_move *move,
		    struct om_move_end *end)
{
	struct mover m;

	begin(&m, ops, move, end);
	m.touched = true;
	om_mover_blame(&m, OM_E_UNKNOWN, "the migration's working process ended unexpectedly");
	if (!om_mover_look(&m)) {
		end->verdict = OM_MOVE_UNKNOWN;
	} else {
		om_mover_forget_pivots(&m); /* what was about to pivot and has not */
		if (om_mover_count(&m, OM_MOVE_NEW))
			om_mover_resolve(&m);
		else
			give_up(&m);
	}
	finally(&m);
}
