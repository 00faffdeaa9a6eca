/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's copies of the disks: begun, given their shares, watched until all are in sync, ended. */
#include "move_internal.h"

#include <string.h>

#define ABORT_MAX_MS 30000

static size_t count_unready(const struct mover *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->move->disk_count; i++)
		n += om_mover_copied(m, i) && m->seen[i].where != OM_MOVE_AWAY && !m->seen[i].ready;
	return n;
}

/* The limit is on all copies; those that are in sync need next to nothing of it. */
void om_mover_share(struct mover *m)
{
	uint64_t share = om_move_share_bps(m->ops->limit_bps(m->ops->ctx), count_unready(m));
	struct om_err err;

	for (size_t i = 0; i < m->move->disk_count; i++) {
		if (!om_mover_copied(m, i) || !m->seen[i].job || m->seen[i].ready ||
		    m->disks[i].speed_bps == share)
			continue;
		if (!m->ops->speed(m->ops->ctx, i, share, &err))
			om_mover_say(m, OM_LOG_DEBUG, "disk %s: %s", m->move->disks[i].target,
				     err.msg);
		m->disks[i].speed_bps = share;
	}
}

/* A drive whose medium libvirt does not copy gets the file of it, and is told at the end. */
static bool take_as_media(struct mover *m, size_t disk, struct om_err *err)
{
	size_t item = 0;

	while (item < m->move->file_count &&
	       strcmp(m->move->items[item].name, m->move->disks[disk].name) != 0)
		item++;
	if (item == m->move->file_count || !m->ops->make_file(m->ops->ctx, item, err))
		return false;
	m->disks[disk].by_media = true;
	return true;
}

bool om_mover_start(struct mover *m, size_t disk, bool back, bool sync)
{
	const struct om_move_disk *d = &m->move->disks[disk];
	uint64_t share = om_move_share_bps(m->ops->limit_bps(m->ops->ctx), count_unready(m));
	struct om_err err = { 0 };

	if (m->ops->start(m->ops->ctx, disk, back, sync, share, &err)) {
		m->disks[disk].begun_ms = m->ops->now_ms(m->ops->ctx);
		m->disks[disk].watch = (struct om_copy_watch){ 0 };
		m->disks[disk].sync = sync;
		m->disks[disk].speed_bps = share;
		return true;
	}
	if (d->media && !back && take_as_media(m, disk, &err)) {
		om_mover_say(m, OM_LOG_DEBUG, "disk %s is not copied by libvirt (%s)", d->target,
			     err.msg);
		return true;
	}
	om_mover_blame(m, OM_E_SOURCE, "disk %s: %s", d->target, err.msg);
	return false;
}

static bool abort_once(struct mover *m)
{
	struct om_err err = { 0 };
	bool none = true;

	for (size_t i = 0; i < m->move->disk_count; i++) {
		if (!m->seen[i].job)
			continue;
		none = false;
		if (!m->ops->abort(m->ops->ctx, i, &err))
			om_mover_say(m, OM_LOG_DEBUG, "disk %s: %s", m->move->disks[i].target,
				     err.msg);
	}
	return none;
}

bool om_mover_abort(struct mover *m)
{
	uint64_t begun_ms = m->ops->now_ms(m->ops->ctx);

	while (om_mover_look(m)) {
		if (abort_once(m))
			return true;
		if (m->ops->now_ms(m->ops->ctx) - begun_ms >= ABORT_MAX_MS)
			return false;
		m->ops->sleep_ms(m->ops->ctx, OM_MOVE_LOOK_MS);
	}
	return m->domain == OM_MOVE_ENDED;
}

/* ---- until all are in sync ---- */

bool om_mover_stopped(struct mover *m)
{
	uint64_t deadline_ms = m->ops->deadline_ms(m->ops->ctx);

	if (m->ops->stop_requested(m->ops->ctx))
		om_mover_blame(m, OM_E_ABORTED, "cancelled on request");
	else if (deadline_ms && m->ops->now_ms(m->ops->ctx) >= deadline_ms)
		om_mover_blame(m, OM_E_SOURCE,
			       "MIGRATE_DEADLINE came before the disks were copied");
	else
		return false;
	return true;
}

/* Its writes wait for the copy then. */
static bool restart_stalled(struct mover *m, size_t disk, const struct om_copy_pace *pace)
{
	const struct om_move_disk *d = &m->move->disks[disk];
	const double mib = 1u << 20;
	struct om_err err = { 0 };

	om_mover_say(m, OM_LOG_INFO,
		     "disk %s is written to as fast as it is copied (%.0f MiB/s, %.0f MiB/s are "
		     "copied): the copy begins again, and its writes wait for it",
		     d->target, pace->written_bytes_ps / mib, pace->copied_bytes_ps / mib);
	if (!m->ops->abort(m->ops->ctx, disk, &err) || !m->ops->make_blank(m->ops->ctx, disk, &err))
		return om_mover_fail(m, &err);
	return om_mover_start(m, disk, false, true);
}

static bool is_stalled(struct mover *m, size_t disk, struct om_copy_pace *pace)
{
	const struct om_move_seen *seen = &m->seen[disk];
	struct mover_disk *d = &m->disks[disk];
	struct om_copy_sample sample = { .now_ms = m->ops->now_ms(m->ops->ctx),
					 .begun_ms = d->begun_ms,
					 .total_bytes = seen->end,
					 .left_bytes = seen->end > seen->cur ? seen->end - seen->cur
									     : 0 };

	/* Not told, or libvirt's 0 of 1: QEMU has not begun to copy. */
	if (seen->end <= 1)
		return false;
	return m->move->can_sync && !d->sync && om_copy_restart_pays(&d->watch, &sample, pace);
}

static bool watch_disk(struct mover *m, size_t disk, bool *ready)
{
	const struct om_move_seen *seen = &m->seen[disk];
	struct om_copy_pace pace;

	if (!om_mover_copied(m, disk) || seen->where != OM_MOVE_OLD || seen->ready)
		return true;
	*ready = false;
	if (!seen->job) {
		om_mover_blame(m, OM_E_SOURCE, "the copy of disk %s was ended by an error%s",
			       m->move->disks[disk].target,
			       m->ops->full(m->ops->ctx) ? ": the destination is full" : "");
		return false;
	}
	return !is_stalled(m, disk, &pace) || restart_stalled(m, disk, &pace);
}

bool om_mover_wait_ready(struct mover *m)
{
	for (;;) {
		bool ready = true;

		if (!om_mover_look(m) || om_mover_stopped(m))
			return false;
		for (size_t i = 0; i < m->move->disk_count; i++)
			if (!watch_disk(m, i, &ready))
				return false;
		if (ready)
			return true;
		om_mover_share(m);
		m->ops->sleep_ms(m->ops->ctx, OM_MOVE_LOOK_MS);
	}
}
