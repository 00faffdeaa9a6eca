/* SPDX-License-Identifier: Apache-2.0 */
/* Some disks have pivoted and others have not: forward, else back, else it is told where each is. */
#include "move_internal.h"

#include "om_text.h"

#include <string.h>

#define ROUNDS 3
#define AGAIN_MS 2000
#define IDLE_MAX_MS 60000 /* without any copy coming nearer to its end */

/* Which way they all are to go. */
struct course {
	bool back;
	enum om_move_where from;
};

static bool has_to_go(const struct mover *m, const struct course *c, size_t disk)
{
	return om_mover_copied(m, disk) && m->seen[disk].where == c->from;
}

static size_t how_many(const struct mover *m, const struct course *c)
{
	size_t n = 0;

	for (size_t i = 0; i < m->move->disk_count; i++)
		n += has_to_go(m, c, i);
	return n;
}

/* A copy that has ended is begun again; forward on a placeholder of its own, back onto the old file, which
 * nobody uses by now and which OpenNebula expects there. */
static bool start_missing(struct mover *m, const struct course *c)
{
	struct om_err err = { 0 };

	for (size_t i = 0; i < m->move->disk_count; i++) {
		if (!has_to_go(m, c, i) || m->seen[i].job)
			continue;
		/* QEMU uses the old one, by its own word, so that what was kept in case is no disk. */
		if (!c->back && (!m->ops->keep(m->ops->ctx, i, false, &err) ||
				 !m->ops->make_blank(m->ops->ctx, i, &err))) {
			om_mover_say(m, OM_LOG_WARN, "%s", err.msg);
			return false;
		}
		if (!om_mover_start(m, i, c->back, m->move->can_sync))
			return false;
	}
	return true;
}

static uint64_t left_bytes(const struct mover *m, const struct course *c, bool *ready, bool *lost)
{
	uint64_t left = 0;

	*ready = true;
	*lost = false;
	for (size_t i = 0; i < m->move->disk_count; i++) {
		const struct om_move_seen *seen = &m->seen[i];

		if (!has_to_go(m, c, i))
			continue;
		*ready = *ready && seen->ready;
		*lost = *lost || !seen->job;
		left += seen->end > seen->cur ? seen->end - seen->cur : 0;
	}
	return left;
}

/* Until all that have to go are in sync; a cancellation does not count any more. */
static bool wait_ready(struct mover *m, const struct course *c)
{
	uint64_t least = UINT64_MAX, since_ms = m->ops->now_ms(m->ops->ctx), left;
	bool ready, lost;

	while (om_mover_look(m)) {
		left = left_bytes(m, c, &ready, &lost);
		if (ready || lost)
			return ready;
		if (left < least) {
			least = left;
			since_ms = m->ops->now_ms(m->ops->ctx);
		} else if (m->ops->now_ms(m->ops->ctx) - since_ms >= IDLE_MAX_MS) {
			return false;
		}
		om_mover_share(m);
		m->ops->sleep_ms(m->ops->ctx, OM_MOVE_LOOK_MS);
	}
	return false;
}

static void pivot_ready(struct mover *m, const struct course *c)
{
	struct om_err err = { 0 };

	for (size_t i = 0; i < m->move->disk_count; i++) {
		bool ok;

		if (!has_to_go(m, c, i) || !m->seen[i].ready)
			continue;
		ok = c->back ? m->ops->pivot(m->ops->ctx, i, &err) : om_mover_pivot(m, i, &err);
		if (!ok)
			om_mover_say(m, OM_LOG_WARN, "disk %s: %s", m->move->disks[i].target,
				     err.msg);
	}
}

/* True: none is where they came from any more. */
static bool go(struct mover *m, const struct course *c)
{
	for (int round = 0; round < ROUNDS; round++) {
		if (round)
			m->ops->sleep_ms(m->ops->ctx, AGAIN_MS);
		if (!om_mover_look(m))
			return false;
		if (!how_many(m, c))
			return true;
		if (start_missing(m, c) && (wait_ready(m, c) || m->domain == OM_MOVE_ACTIVE))
			pivot_ready(m, c);
		if (m->domain != OM_MOVE_ACTIVE || !om_mover_look(m))
			return false;
		if (!how_many(m, c))
			return true;
	}
	return false;
}

static void may_go(struct mover *m)
{
	struct om_err err = { 0 };

	for (size_t i = 0; i < m->move->disk_count; i++)
		if (om_mover_copied(m, i) && !m->ops->keep(m->ops->ctx, i, false, &err))
			om_mover_say(m, OM_LOG_DEBUG, "%s", err.msg);
}

void om_mover_tell_each(struct mover *m)
{
	struct om_text t = { .text = m->end->where, .size = sizeof(m->end->where) };

	*t.text = '\0';
	for (size_t i = 0; i < m->move->disk_count; i++) {
		const struct om_move_disk *d = &m->move->disks[i];

		if (d->way == OM_MOVE_STAYS || m->seen[i].where == OM_MOVE_AWAY)
			continue;
		om_text_add(&t, "%s%s in %s", *t.text ? ", " : "", d->target,
			    m->seen[i].where == OM_MOVE_NEW ? d->to : d->from);
	}
}

static bool go_back(struct mover *m)
{
	const struct course back = { .back = true, .from = OM_MOVE_NEW };

	for (size_t i = 0; i < m->move->disk_count; i++)
		if (m->move->disks[i].way == OM_MOVE_THERE)
			return false; /* what it was copied from is not known any more */
	om_mover_say(m, OM_LOG_WARN, "the disks that are in %s go back to %s", m->move->dst_dir,
		     m->move->src_dir);
	return go(m, &back);
}

/* No copy goes on, in neither direction; who comes next shall find each disk in one place. */
static void stop_where_it_is(struct mover *m)
{
	if (m->domain == OM_MOVE_ACTIVE && !om_mover_abort(m))
		om_mover_say(m, OM_LOG_WARN, "a copy could not be ended");
	if (m->domain == OM_MOVE_ACTIVE)
		om_mover_forget_pivots(m);
	m->end->verdict = m->domain == OM_MOVE_SILENT ? OM_MOVE_UNKNOWN : OM_MOVE_MIXED;
	om_mover_tell_each(m);
}

void om_mover_resolve(struct mover *m)
{
	const struct course forward = { .from = OM_MOVE_OLD };

	if (m->domain == OM_MOVE_ACTIVE && go(m, &forward)) {
		om_mover_finish(m);
		return;
	}
	if (m->domain == OM_MOVE_ACTIVE && go_back(m) && om_mover_abort(m)) {
		may_go(m);
		om_mover_undo(m);
		return;
	}
	stop_where_it_is(m);
}
