/* SPDX-License-Identifier: Apache-2.0 */
/* Makes on the destination what QEMU needs there before it starts: directories, the files that nobody writes
 * to, placeholders for the disks that are copied, links. */
#include "storage.h"

#include "om_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *path_of(const struct om_storage *st, const char *name)
{
	return om_xasprintf("%s%s%s", st->dir, *name ? "/" : "", name);
}

static bool look_at(const struct om_storage *st, const char *name, struct stat *file,
		    struct om_err *err)
{
	OM_AUTOFREE char *path = path_of(st, name);

	return stat(path, file) == 0 ||
	       om_err_set(err, OM_E_SOURCE, "%.300s is gone meanwhile", path);
}

/* Between two things that are made. */
static bool may_go_on(const struct om_session *s, struct om_err *err)
{
	if (!s->send_stop)
		return true;
	return s->stop ? om_err_set(err, OM_E_ABORTED, "cancelled on request")
		       : om_err_set(err, OM_E_SOURCE,
				    "ended at the deadline, before the copy began");
}

/* ---- directories, placeholders, links ---- */

static bool make_dir(struct om_session *s, const char *name, struct om_err *err)
{
	size_t at = om_storage_journal_want(s, OM_MADE_DIR, name);
	struct om_identity identity;
	char mode[16], how[16];
	struct stat file;

	if (!may_go_on(s, err) || !look_at(s->storage, name, &file, err))
		return false;
	snprintf(mode, sizeof(mode), "%u", (unsigned int)file.st_mode & 07777);
	if (!om_storage_ask_place(s, "storage-dir", name, mode, how, sizeof(how), &identity, err))
		return false;
	if (strcmp(how, "made") == 0)
		om_storage_journal_have(s, at, &identity);
	else
		om_storage_journal_not(s, at);
	return true;
}

static bool make_dirs(struct om_session *s, struct om_err *err)
{
	const struct om_storage *st = s->storage;
	bool ok = make_dir(s, "", err);

	for (size_t i = 0; ok && i < s->plan.disks.file_count; i++)
		if (s->plan.disks.file[i] == OM_FILE_MAKE_DIR)
			ok = make_dir(s, st->items[i].name, err);
	return ok;
}

static char *blank_word(const struct om_session *s, size_t disk, const struct stat *file)
{
	const struct om_image *image = &s->storage->disks[disk].image;
	OM_AUTOFREE char *blank = om_storage_blank_print(&(struct om_blank){
		.qcow2 = image->format == OM_IMAGE_QCOW2,
		.virtual_bytes = image->virtual_bytes,
		.mode = file->st_mode & 07777,
		.uid = file->st_uid,
		.gid = file->st_gid,
		.cluster_bits = image->cluster_bits,
		.compat_v2 = image->compat_v2,
		.extended_l2 = image->extended_l2,
		.backing = image->backing,
		.backing_format = *image->backing ? s->plan.disks.disk[disk].backing_format : "",
	});

	return om_survey_word(blank);
}

static bool make_image(struct om_session *s, size_t disk, struct om_err *err)
{
	struct om_storage *st = s->storage;
	const char *name = st->items[s->plan.disks.disk[disk].item].name;
	OM_AUTOFREE char *blank = NULL, *rest = NULL;
	struct om_identity identity;
	struct stat file;
	char how[16];
	size_t at;

	if (!may_go_on(s, err) || !look_at(st, name, &file, err))
		return false;
	blank = blank_word(s, disk, &file);
	rest = om_xasprintf("%s %s", blank, st->token);
	at = om_storage_journal_want(s, OM_MADE_IMAGE, name);
	if (!om_storage_ask_place(s, "storage-make", name, rest, how, sizeof(how), &identity, err))
		return om_err_wrap(err, "disk %s", s->dom.disks[disk].target);
	om_storage_journal_have(s, at, &identity);
	return true;
}

static bool make_images(struct om_session *s, size_t *count, struct om_err *err)
{
	const struct om_disks *plan = &s->plan.disks;
	bool ok = true;

	for (size_t i = 0; ok && i < plan->disk_count; i++)
		if (plan->disk[i].way == OM_DISK_MIRROR && plan->disk[i].placeholder) {
			ok = make_image(s, i, err);
			++*count;
		}
	return ok;
}

static bool make_link(struct om_session *s, const struct om_item *item, struct om_err *err)
{
	size_t at = om_storage_journal_want(s, OM_MADE_LINK, item->name);
	OM_AUTOFREE char *target = om_survey_word(item->target);
	struct om_identity identity;
	char how[16];

	if (!may_go_on(s, err) || !om_storage_ask_place(s, "storage-link", item->name, target, how,
							sizeof(how), &identity, err))
		return false;
	om_storage_journal_have(s, at, &identity);
	return true;
}

static bool make_links(struct om_session *s, struct om_err *err)
{
	const struct om_storage *st = s->storage;
	bool ok = true;

	for (size_t i = 0; ok && i < s->plan.disks.file_count; i++)
		if (s->plan.disks.file[i] == OM_FILE_LINK_IT)
			ok = make_link(s, &st->items[i], err);
	return ok;
}

/* ---- files ---- */

struct sending {
	struct om_session *s;
	struct om_remote_file *files;
	size_t *made; /* places in the journal, by files */
	size_t count;
	bool begun; /* there was a connection: what was not told of may have come all the same */
};

static void list_files(struct om_session *s, struct sending *sending)
{
	const struct om_storage *st = s->storage;

	sending->s = s;
	sending->files = om_xcalloc(s->plan.disks.file_count + 1, sizeof(*sending->files));
	sending->made = om_xcalloc(s->plan.disks.file_count + 1, sizeof(*sending->made));
	for (size_t i = 0; i < s->plan.disks.file_count; i++) {
		struct om_remote_file *file = &sending->files[sending->count];

		if (s->plan.disks.file[i] != OM_FILE_SEND_IT)
			continue;
		file->src = path_of(st, st->items[i].name);
		file->dst = om_xasprintf("%s/%s", st->dst_dir, st->items[i].name);
		sending->made[sending->count++] = om_storage_journal_want(s, OM_MADE_FILE,
									  st->items[i].name);
	}
}

static void free_files(struct sending *sending)
{
	for (size_t i = 0; i < sending->count; i++) {
		free((char *)(uintptr_t)sending->files[i].src);
		free((char *)(uintptr_t)sending->files[i].dst);
	}
	free(sending->files);
	free(sending->made);
}

static void progress(void *ctx, const struct om_remote_progress *p)
{
	struct om_session *s = ((struct sending *)ctx)->s;
	/* A file may have grown since all of them were measured. */
	uint64_t total = p->done_bytes > p->total_bytes ? p->done_bytes : p->total_bytes;

	s->storage->files_bytes = total;
	om_storage_progress(s, false, p->done_bytes, total - p->done_bytes, total);
}

/* In a directory that was there before, a file that came is told from others by its identity. One whose
 * arrival was not told, as the sending was broken off, stays wanted: an undo looks for it. */
static void note_file(struct om_session *s, size_t made, const struct om_remote_file *file,
		      bool begun)
{
	struct om_identity identity;
	char how[16];
	struct om_err err;

	if (!file->placed && !begun)
		om_storage_journal_not(s, made);
	else if (file->placed && !om_storage_in_own_dir(s->storage, s->storage->made[made].name) &&
		 om_storage_ask_place(s, "storage-look", s->storage->made[made].name, "", how,
				      sizeof(how), &identity, &err) &&
		 strcmp(how, "there") == 0)
		om_storage_journal_have(s, made, &identity);
}

static bool open_remote(struct om_session *s, struct om_remote_ops *remote, struct om_err *err)
{
	const struct om_plan *plan = &s->plan;
	char addr[OM_ADDR_TEXT];
	bool fast = plan->attempts[0].path == OM_PATH_FAST && plan->fast.have_addr;

	om_addr_print(&plan->fast.addr, addr);
	return om_remote_open(remote,
			      &(struct om_remote_want){
				      .host = s->args.dst,
				      .address = fast ? addr : NULL,
				      .strict = s->shared->strict && s->shared->fast_configured,
				      .limit_mibps = plan->limits.bandwidth_bytes_ps >> 20,
				      .compression = (enum om_remote_compression)om_knob_number(
					      &s->knobs, OM_KNOB_MIGRATE_FILE_COMPRESSION),
				      .remotes_dir = getenv("SCRIPTS_REMOTE_DIR"),
				      .stop = &s->send_stop,
			      },
			      err);
}

static bool put_files(struct om_session *s, struct sending *sending, struct om_err *err)
{
	struct om_remote_ops remote;
	uint64_t begun_ms = om_now_ms();
	bool ok;

	if (!open_remote(s, &remote, err))
		return false;
	sending->begun = true;
	ok = remote.put(remote.ctx, sending->files, sending->count, progress, sending, err);
	if (ok)
		om_log(OM_LOG_INFO, "%zu file%s, %.1f MiB, sent to %s in %.1f s", sending->count,
		       sending->count == 1 ? "" : "s", (double)s->storage->files_bytes / (1u << 20),
		       remote.address, (double)(om_now_ms() - begun_ms) / 1000);
	remote.close(remote.ctx);
	return ok;
}

static bool send_files(struct om_session *s, struct om_err *err)
{
	struct sending sending = { 0 };
	bool ok = true;

	list_files(s, &sending);
	if (sending.count)
		ok = put_files(s, &sending, err);
	for (size_t i = 0; i < sending.count; i++)
		note_file(s, sending.made[i], &sending.files[i], sending.begun);
	free_files(&sending);
	return ok || (may_go_on(s, err) && false);
}

/* ---- all of it ---- */

static void set_deadline(struct om_session *s)
{
	const struct om_limits *limits = &s->plan.limits;

	s->send_until_ms = limits->policy == OM_POLICY_GUARANTEED ||
					   limits->policy == OM_POLICY_STOCK
				   ? 0
				   : limits->deadline_ms;
	s->send_stop = s->stop;
}

bool om_storage_bring(struct om_session *s, struct om_err *err)
{
	size_t images = 0;
	bool ok;

	set_deadline(s);
	om_storage_journal_begin(s);
	s->storage->limit_bytes_ps = s->plan.limits.bandwidth_bytes_ps;
	om_storage_progress(s, false, 0, s->plan.disks.send_bytes, s->plan.disks.send_bytes);
	/* A backing file may be reached by a link, and has to be there. */
	ok = make_dirs(s, err) && make_links(s, err) && send_files(s, err) &&
	     make_images(s, &images, err);
	s->send_until_ms = 0;
	if (ok)
		om_log(OM_LOG_DEBUG, "%s on %s is ready, with %zu empty image%s",
		       s->storage->dst_dir, s->args.dst, images, images == 1 ? "" : "s");
	return ok;
}
