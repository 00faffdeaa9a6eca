/* SPDX-License-Identifier: Apache-2.0 */
/* What run/move*.c asks of the outside, answered by libvirt and the file system. */
#include "move.h"

#include "om_log.h"
#include "om_tm_host.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSLOG_EVERY_MS 60000
#define FULL_BYTES (4u << 20)
#define CHANGED_TRIES 3 /* of a file that changes while it is copied */
#define RATE_MS 5000	/* over which the rate is taken, at least */

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return om_now_ms();
}

static void sleep_ms(void *ctx, uint32_t ms)
{
	struct om_session *s = ((struct om_mover_session *)ctx)->s;
	struct pollfd stop = { .fd = s->stop ? -1 : s->stop_fd, .events = POLLIN };

	om_requests_work(s);
	poll(&stop, 1, (int)ms);
}

static bool stop_requested(void *ctx)
{
	return ((struct om_mover_session *)ctx)->s->stop;
}

static uint64_t deadline_ms(void *ctx)
{
	return ((struct om_mover_session *)ctx)->s->plan.limits.deadline_ms;
}

static uint64_t limit_bps(void *ctx)
{
	return ((struct om_mover_session *)ctx)->s->plan.limits.bandwidth_bytes_ps;
}

static void log_line(void *ctx, enum om_log_level level, const char *text)
{
	(void)ctx;
	om_log(level, "%s", text);
}

static void set_phase(void *ctx, const char *what)
{
	struct om_mover_session *ms = ctx;
	struct om_session *s = ms->s;

	if (strcmp(what, "copies") == 0)
		ms->copy_begun_ms = om_now_ms();
	pthread_mutex_lock(&s->lock);
	s->state.phase = OM_PHASE_COPY;
	s->phase_since_ms = om_now_ms();
	pthread_mutex_unlock(&s->lock);
	om_log_syslog("datastore move: %s", what);
}

/* ---- progress ---- */

static void publish(struct om_mover_session *ms, uint64_t done, uint64_t total)
{
	uint64_t took_ms = om_now_ms() - ms->copy_begun_ms;
	uint64_t rate = took_ms ? done * 1000 / took_ms : 0, left = total - done;
	struct om_state *state = &ms->s->state;
	uint32_t percent = total ? (uint32_t)((double)done * 100 / (double)total) : 99;

	pthread_mutex_lock(&ms->s->lock);
	state->disk_total_bytes = total;
	state->disk_remaining_bytes = left;
	state->rate_bytes_ps = rate;
	if (percent > state->percent)
		state->percent = percent < 99 ? percent : 99;
	state->forecast = rate && took_ms >= RATE_MS;
	state->eta_ms = rate ? left * 1000 / rate : 0;
	state->eta_low_ms = state->eta_high_ms = state->eta_ms;
	pthread_mutex_unlock(&ms->s->lock);
	if (om_now_ms() < ms->next_syslog_ms)
		return;
	ms->next_syslog_ms = om_now_ms() + SYSLOG_EVERY_MS;
	om_log_syslog("%u %%, %llu MiB remaining, %llu MiB/s", percent,
		      (unsigned long long)left >> 20, (unsigned long long)rate >> 20);
}

static void progress(void *ctx, const struct om_move_seen *seen)
{
	struct om_mover_session *ms = ctx;
	uint64_t done = 0, total = 0;

	for (size_t i = 0; i < ms->move.disk_count; i++) {
		const struct om_move_disk *d = &ms->move.disks[i];

		if (d->way != OM_MOVE_COPY)
			continue;
		if (seen[i].job && seen[i].end) {
			total += seen[i].end;
			done += seen[i].cur < seen[i].end ? seen[i].cur : seen[i].end;
		} else {
			total += d->copy_bytes;
			done += seen[i].where == OM_MOVE_NEW ? d->copy_bytes : 0;
		}
	}
	publish(ms, done, total);
}

/* ---- what is made ---- */

static bool touch(void *ctx, struct om_err *err)
{
	struct om_session *s = ((struct om_mover_session *)ctx)->s;
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = !s->stop && !s->shared->answered;
	if (ok)
		s->shared->touched = true;
	pthread_mutex_unlock(&s->lock);
	return ok || om_err_set(err, OM_E_ABORTED, "cancelled before anything was touched");
}

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
	uint64_t limit = limit_bps(ms), due_ms, took_ms;

	om_requests_work(ms->s);
	ms->file_bytes_done += bytes;
	took_ms = om_now_ms() - ms->copy_begun_ms;
	due_ms = limit ? ms->file_bytes_done * 1000 / limit : 0;
	if (due_ms > took_ms)
		sleep_ms(ms, (uint32_t)(due_ms - took_ms));
	return !ms->s->stop && !(deadline_ms(ms) && om_now_ms() >= deadline_ms(ms));
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

/* ---- libvirt ---- */

static bool same_file(const char *a, const char *b)
{
	struct om_identity x, y;

	if (strcmp(a, b) == 0)
		return true;
	return om_move_identity(a, &x) && om_move_identity(b, &y) && x.device == y.device &&
	       x.inode == y.inode;
}

static void look_at(struct om_mover_session *ms, const struct om_move_disk *d,
		    const struct om_move_xml_disk *xml, struct om_move_seen *seen)
{
	bool is_new = *xml->source && same_file(xml->source, d->to);
	bool is_old = !is_new && *xml->source && same_file(xml->source, d->from);

	*seen = (struct om_move_seen){ .where = is_new	 ? OM_MOVE_NEW
						: is_old ? OM_MOVE_OLD
							 : OM_MOVE_AWAY };
	if (!xml->job)
		return;
	seen->job = *xml->mirror && same_file(xml->mirror, is_new ? d->from : d->to);
	seen->foreign = !seen->job;
	seen->ready = seen->job && xml->ready;
	if (seen->job)
		om_vir_copy_progress(ms->s->vir, d->target, &seen->cur, &seen->end);
}

static void look_at_all(struct om_mover_session *ms, const struct om_move_xml_disk *xml,
			size_t count, struct om_move_seen *seen)
{
	for (size_t i = 0; i < ms->move.disk_count; i++) {
		seen[i] = (struct om_move_seen){ .where = OM_MOVE_AWAY };
		if (ms->move.disks[i].way == OM_MOVE_STAYS)
			continue;
		for (size_t k = 0; k < count; k++)
			if (strcmp(xml[k].target, ms->move.disks[i].target) == 0)
				look_at(ms, &ms->move.disks[i], &xml[k], &seen[i]);
	}
}

/* A connection that was lost is opened again: libvirt's daemon may have been restarted. */
static enum om_move_domain look(void *ctx, struct om_move_seen *seen)
{
	struct om_mover_session *ms = ctx;
	struct om_move_xml_disk *xml_disks;
	OM_AUTOFREE char *xml = NULL;
	struct om_err err = { 0 };
	enum om_move_domain domain;
	size_t count;

	if (om_vir_events(ms->s->vir)->lost[OM_VIR_SRC] &&
	    !om_vir_open(ms->s->vir, OM_VIR_SRC, &err))
		return OM_MOVE_SILENT;
	domain = om_vir_move_xml(ms->s->vir, &xml);
	if (domain != OM_MOVE_ACTIVE)
		return domain;
	if (!om_xml_move_disks(xml, &xml_disks, &count, &err))
		return OM_MOVE_SILENT;
	look_at_all(ms, xml_disks, count, seen);
	om_move_xml_disks_free(xml_disks, count);
	return OM_MOVE_ACTIVE;
}

static bool start(void *ctx, size_t disk, bool back, bool sync, uint64_t bps, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_move_disk *d = &ms->move.disks[disk];
	const struct om_vir_copy copy = { .target = d->target,
					  .to = back ? d->from : d->to,
					  .format = d->format,
					  .shallow = d->shallow,
					  .sync = sync,
					  .persistent = ms->facts.persistent,
					  .bps = bps };

	return om_vir_copy_start(ms->s->vir, &copy, err);
}

static bool set_speed(void *ctx, size_t disk, uint64_t bps, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return om_vir_copy_speed(ms->s->vir, ms->move.disks[disk].target, bps, err);
}

static bool abort_copy(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return om_vir_copy_abort(ms->s->vir, ms->move.disks[disk].target, err);
}

static bool pivot(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;

	return om_vir_copy_pivot(ms->s->vir, ms->move.disks[disk].target, err);
}

static bool media(void *ctx, size_t disk, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	const struct om_move_disk *d = &ms->move.disks[disk];
	OM_AUTOFREE char *xml = NULL, *device = NULL;

	if (om_vir_move_xml(ms->s->vir, &xml) != OM_MOVE_ACTIVE)
		return om_err_set(err, OM_E_SOURCE, "the domain could not be read");
	return om_xml_move_media(xml, d->target, d->to, &device, err) &&
	       om_vir_media(ms->s->vir, device, err);
}

static bool metadata(void *ctx, struct om_err *err)
{
	struct om_mover_session *ms = ctx;
	OM_AUTOFREE char *element = NULL, *changed = NULL;

	return om_vir_metadata_get(ms->s->vir, &element, err) &&
	       om_xml_move_metadata(element, ms->dst_dir, &changed, err) &&
	       om_vir_metadata_set(ms->s->vir, changed, err);
}

static void moved(void *ctx)
{
	(void)ctx;
	om_log_syslog("datastore move: all disks are on the destination");
}

void om_mover_ops(struct om_mover_session *ms, struct om_move_ops *ops)
{
	*ops = (struct om_move_ops){
		.ctx = ms,
		.now_ms = now_ms,
		.sleep_ms = sleep_ms,
		.stop_requested = stop_requested,
		.deadline_ms = deadline_ms,
		.limit_bps = limit_bps,
		.log = log_line,
		.phase = set_phase,
		.progress = progress,
		.touch = touch,
		.make_dir = make_dir,
		.make_file = make_file,
		.make_blank = make_blank,
		.undo = undo,
		.keep = keep,
		.look = look,
		.start = start,
		.speed = set_speed,
		.abort = abort_copy,
		.pivot = pivot,
		.media = media,
		.metadata = metadata,
		.full = full,
		.moved = moved,
	};
}
