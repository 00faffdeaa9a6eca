/* SPDX-License-Identifier: Apache-2.0 */
/* What a datastore move has to know: both directories, each layer of each disk, what is in use. */
#include "move.h"

#include "om_log.h"
#include "om_tm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITES_MS 1000 /* for how long the guest's writes are counted */

/* ---- what is in use ---- */

void om_in_use_find(struct om_in_use *use, const char *xml)
{
	struct om_strv paths = { 0 };
	struct om_err err = { 0 };

	*use = (struct om_in_use){ .n = 0 };
	if (!om_xml_move_paths(xml, &paths, &err))
		om_log(OM_LOG_DEBUG, "%s", err.msg);
	use->v = om_xcalloc(paths.n + 1, sizeof(*use->v));
	for (size_t i = 0; i < paths.n; i++)
		use->n += om_move_identity(paths.v[i], &use->v[use->n]);
	om_strv_free(&paths);
}

bool om_in_use_has(const struct om_in_use *use, const struct om_identity *identity)
{
	for (size_t i = 0; i < use->n; i++)
		if (use->v[i].device == identity->device && use->v[i].inode == identity->inode)
			return true;
	return false;
}

void om_in_use_free(struct om_in_use *use)
{
	free(use->v);
	*use = (struct om_in_use){ .n = 0 };
}

/* ---- directories ---- */

static bool take_dirs(struct om_mover_session *ms, struct om_err *err)
{
	const struct om_req *req = &ms->s->req;
	OM_AUTOFREE char *src = om_xasprintf("%s/%s", req->src_base_path, req->vm_id);

	return om_tm_dir(&ms->src_dir, src, req->vm_id, err) &&
	       om_tm_dir(&ms->dst_dir, req->dst_dir, req->vm_id, err) &&
	       om_move_dirs_differ(ms->src_dir, ms->dst_dir, err) &&
	       om_vm_dir_list(ms->src_dir, &ms->items, &ms->item_count, err);
}

/* Below that directory, links followed; NULL: elsewhere, or nothing. */
static char *name_below(const char *path, const char *dir)
{
	OM_AUTOFREE char *real = om_move_real(path), *top = om_move_real(dir);
	size_t len = top ? strlen(top) : 0;

	if (!real || !top || strncmp(real, top, len) != 0 || real[len] != '/')
		return NULL;
	return om_xstrdup(real + len + 1);
}

/* ---- disks ---- */

static void read_image(struct om_move_layer *layer)
{
	OM_AUTOFREE char *head = om_xcalloc(1, OM_IMAGE_HEAD_BYTES);
	struct om_err err = { 0 };
	uint64_t file_bytes;
	size_t len;

	if (!om_image_head(layer->path, head, &len, &file_bytes, layer->why, sizeof(layer->why)))
		return;
	layer->have_image = om_image_parse(&layer->image, layer->format, head, len, file_bytes,
					   &err);
	if (!layer->have_image)
		om_str_copy(layer->why, sizeof(layer->why), err.msg);
}

static void add_layer(struct om_mover_session *ms, struct om_move_disk_facts *disk,
		      const char *path, const char *format)
{
	struct om_move_layer *layer;

	disk->layers = om_xrealloc(disk->layers, (disk->layer_count + 1) * sizeof(*layer));
	layer = &disk->layers[disk->layer_count++];
	*layer = (struct om_move_layer){ .path = om_xstrdup(path),
					 .format = om_xstrdup(format),
					 .name = name_below(path, ms->src_dir) };
	if (layer->name)
		read_image(layer);
}

static void gather_disk(struct om_mover_session *ms, struct om_move_disk_facts *disk,
			const struct om_dom_disk *dom, const struct om_move_xml_disk *of)
{
	if (dom->kind != OM_DISK_FILE && dom->kind != OM_DISK_BLOCK)
		return;
	disk->new_name = name_below(dom->source, ms->dst_dir);
	add_layer(ms, disk, dom->source, dom->format);
	for (size_t k = 0; k < dom->chain.n; k++)
		add_layer(ms, disk, dom->chain.v[k], k < of->formats.n ? of->formats.v[k] : "");
	disk->leads_out = !disk->layers[0].name && !disk->new_name &&
			  om_tm_path_in(dom->source, ms->src_dir);
}

static bool gather_disks(struct om_mover_session *ms, const char *xml, struct om_err *err)
{
	struct om_session *s = ms->s;
	struct om_move_xml_disk *of;
	size_t count;

	om_dom_free(&s->dom);
	if (!om_xml_dom_parse(&s->dom, xml, err) || !om_xml_move_disks(xml, &of, &count, err))
		return false;
	ms->disks = om_xcalloc(s->dom.disk_count + 1, sizeof(*ms->disks));
	for (size_t i = 0; i < s->dom.disk_count && i < count; i++)
		gather_disk(ms, &ms->disks[i], &s->dom.disks[i], &of[i]);
	om_move_xml_disks_free(of, count);
	if (!om_str_empty(s->dom.nvram))
		ms->nvram = name_below(s->dom.nvram, ms->src_dir);
	return true;
}

/* How much the guest writes to each, counted over a second of all of them. */
static void measure_writes(struct om_mover_session *ms)
{
	size_t count = ms->s->dom.disk_count;
	OM_AUTOFREE struct om_written *before = om_xcalloc(count + 1, sizeof(*before));
	uint64_t begun_ms = om_now_ms(), took_ms;
	struct om_written now;

	for (size_t i = 0; i < count; i++)
		ms->disks[i].measured = ms->disks[i].layer_count && !ms->s->dom.disks[i].cdrom &&
					om_vir_disk_written(ms->s->vir, ms->s->dom.disks[i].target,
							    &before[i]);
	usleep(WRITES_MS * 1000);
	took_ms = om_now_ms() - begun_ms;
	for (size_t i = 0; i < count; i++) {
		struct om_move_disk_facts *disk = &ms->disks[i];

		if (!disk->measured)
			continue;
		disk->measured = om_vir_disk_written(ms->s->vir, ms->s->dom.disks[i].target,
						     &now) &&
				 now.bytes >= before[i].bytes;
		disk->written_bytes_ps = disk->measured
						 ? om_written_bytes_ps(&before[i], &now, took_ms)
						 : 0;
	}
}

/* ---- what an earlier attempt has left ---- */

static bool drop(struct om_mover_session *ms, const char *name, const struct om_in_use *use,
		 struct om_err *err)
{
	const struct om_place place = { ms->dst_dir, ms->s->req.vm_id, name };
	struct om_identity identity;
	bool there;

	if (!om_storage_look(&place, &there, &identity, err))
		return false;
	if (!there)
		return true;
	if (om_in_use_has(use, &identity))
		return om_err_set(err, OM_E_SOURCE, "%.200s/%.200s is in use, and was kept",
				  ms->dst_dir, name);
	return om_storage_drop(&place, &identity, err);
}

/* Files first, then what held them; the directory itself goes last, without the journal in it. */
static bool drop_all(struct om_mover_session *ms, const struct om_in_use *use, struct om_err *err)
{
	bool ok = true, made_dir = false;

	for (size_t i = om_move_journal_count(ms->journal); i-- > 0;) {
		bool keep;
		const char *name = om_move_journal_name(ms->journal, i, &keep);
		struct om_err one = { 0 };

		if (!*name) {
			made_dir = true;
		} else if (keep) {
			ok = om_err_set(err, OM_E_SOURCE,
					"%.200s/%.200s may hold newer data, and was kept",
					ms->dst_dir, name);
		} else if (!drop(ms, name, use, &one)) {
			*err = one;
			ok = false;
		}
	}
	if (!ok)
		return false;
	om_move_journal_close(ms->journal, true);
	ms->journal = NULL;
	return !made_dir || drop(ms, "", use, err);
}

bool om_mover_clean(struct om_mover_session *ms, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;
	struct om_in_use use = { 0 };
	bool ok;

	if (!ms->journal)
		return true;
	if (om_vir_move_xml(ms->s->vir, &xml) == OM_MOVE_SILENT)
		return om_err_set(err, OM_E_SOURCE,
				  "libvirt does not say what the VM uses; nothing was removed");
	if (xml)
		om_in_use_find(&use, xml);
	ok = drop_all(ms, &use, err);
	om_in_use_free(&use);
	return ok;
}

/* Copies that a process began which is not there any more. */
static void end_copies(struct om_mover_session *ms, const char *xml)
{
	struct om_move_xml_disk *disks;
	struct om_err err = { 0 };
	size_t count;

	if (!om_xml_move_disks(xml, &disks, &count, &err))
		return;
	for (size_t i = 0; i < count; i++)
		if (disks[i].job &&
		    (om_tm_path_in(disks[i].mirror, ms->dst_dir) ||
		     om_tm_path_in(disks[i].mirror, ms->src_dir)) &&
		    !om_vir_copy_abort(ms->s->vir, disks[i].target, &err))
			om_log(OM_LOG_DEBUG, "%s", err.msg);
	om_move_xml_disks_free(disks, count);
}

/* Before anything else: what nobody uses is ours to remove, as the journal proves. */
static bool open_journal(struct om_mover_session *ms, enum om_mover_why why, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;
	struct om_err left = { 0 };

	if (!om_move_journal_exists(ms->dst_dir))
		return true;
	if (!om_move_journal_open(&ms->journal, ms->dst_dir, err))
		return false;
	if (why != OM_MOVER_RUN)
		return true;
	if (om_vir_move_xml(ms->s->vir, &xml) == OM_MOVE_ACTIVE)
		end_copies(ms, xml);
	if (!om_mover_clean(ms, &left))
		om_log(OM_LOG_DEBUG, "an earlier attempt: %s", left.msg);
	return true;
}

static bool list_destination(struct om_mover_session *ms, const struct om_in_use *use,
			     struct om_err *err)
{
	if (access(ms->dst_dir, F_OK) != 0)
		return true;
	if (!om_vm_dir_list(ms->dst_dir, &ms->dst_items, &ms->dst_item_count, err))
		return false;
	ms->dst_in_use = om_xcalloc(ms->dst_item_count + 1, sizeof(*ms->dst_in_use));
	for (size_t i = 0; i < ms->dst_item_count; i++) {
		OM_AUTOFREE char *path = om_xasprintf("%s/%s", ms->dst_dir, ms->dst_items[i].name);
		struct om_identity identity;

		ms->dst_in_use[i] =
			(ms->journal && om_move_journal_has(ms->journal, ms->dst_items[i].name)) ||
			(om_move_identity(path, &identity) && om_in_use_has(use, &identity));
	}
	return true;
}

static void set_facts(struct om_mover_session *ms)
{
	struct om_session *s = ms->s;
	struct om_versions versions = { 0 };

	om_vir_versions(s->vir, &versions);
	ms->facts = (struct om_move_facts){
		.dom = &s->dom,
		.src_dir = ms->src_dir,
		.dst_dir = ms->dst_dir,
		.disks = ms->disks,
		.items = ms->items,
		.item_count = ms->item_count,
		.dst_items = ms->dst_items,
		.dst_in_use = ms->dst_in_use,
		.dst_item_count = ms->dst_item_count,
		.nvram = ms->nvram,
		.limit_bps = s->plan.limits.bandwidth_bytes_ps,
		.libvirt = versions.src_libvirt,
		.persistent = s->facts.persistent,
		.uid = geteuid(),
		.gid = getegid(),
	};
	ms->facts.free_known = om_move_free_bytes(ms->dst_dir, &ms->facts.free_bytes);
}

bool om_mover_gather(struct om_mover_session *ms, enum om_mover_why why, struct om_err *err)
{
	struct om_session *s = ms->s;
	OM_AUTOFREE char *xml = NULL;
	struct om_in_use use;
	bool ok;

	if (!take_dirs(ms, err) || !open_journal(ms, why, err))
		return false;
	if (om_vir_move_xml(s->vir, &xml) != OM_MOVE_ACTIVE)
		return om_err_set(err, OM_E_INPUT, "the VM does not run here");
	if (!gather_disks(ms, xml, err))
		return false;
	if (why != OM_MOVER_SETTLE)
		measure_writes(ms);
	om_in_use_find(&use, xml);
	ok = list_destination(ms, &use, err);
	om_in_use_free(&use);
	s->facts.persistent = om_vir_domain_persistent(s->vir);
	set_facts(ms);
	ms->facts.free_known &= why != OM_MOVER_SETTLE;
	return ok;
}

static void free_disk(struct om_move_disk_facts *disk)
{
	for (size_t k = 0; k < disk->layer_count; k++) {
		free(disk->layers[k].path);
		free(disk->layers[k].name);
		free(disk->layers[k].format);
	}
	free(disk->layers);
	free(disk->new_name);
}

void om_mover_free(struct om_mover_session *ms)
{
	om_move_free(&ms->move);
	for (size_t i = 0; ms->disks && i < ms->s->dom.disk_count; i++)
		free_disk(&ms->disks[i]);
	free(ms->disks);
	om_items_free(ms->items, ms->item_count);
	om_items_free(ms->dst_items, ms->dst_item_count);
	om_move_journal_close(ms->journal, false);
	free(ms->dst_in_use);
	free(ms->nvram);
	free(ms->src_dir);
	free(ms->dst_dir);
}
