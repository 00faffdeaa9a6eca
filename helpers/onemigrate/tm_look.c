/* SPDX-License-Identifier: Apache-2.0 */
/* What both hosts say of the VM and of its directory. */
#include "om_log.h"
#include "om_move_host.h"
#include "tm.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_MS 20000
#define CALL_MS 10000
#define SETTLE_TRIES 6

static char *parent_of(const char *dir)
{
	return om_xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
}

/* What the driver's document would tell of the same migration. */
static void make_request(struct om_tm *tm)
{
	struct om_req *req = &tm->s.req;
	OM_AUTOFREE char *datastore = parent_of(tm->dir);
	const char *ds_id = strrchr(datastore, '/') + 1;

	req->deploy_id = om_xstrdup(tm->vm.deploy_id);
	req->src_host = om_xstrdup(tm->src);
	req->dst_host = om_xstrdup(tm->dst);
	req->vm_id = om_xstrdup(tm->vm_id);
	req->vm_name = om_xstrdup(tm->vm.name);
	req->dst_dir = om_xstrdup(tm->dir);
	req->src_base_path = om_xstrdup(datastore);
	req->src_ds_id = om_xstrdup(ds_id);
	req->dst_ds_id = om_xstrdup(ds_id);
	req->tm_mad = om_xstrdup(tm->driver);
	req->auto_converge = om_xstrdup(tm->vm.auto_converge);
	req->compressed = om_xstrdup(tm->vm.compressed);
	req->shared = !(tm->facts.effects & OM_TM_LOCAL);
	req->shared_known = !(tm->facts.effects & OM_TM_UNKNOWN);
	for (size_t i = 0; i < tm->vm.user_template.n; i++)
		om_pairs_add(&req->user_template, tm->vm.user_template.v[i].name,
			     tm->vm.user_template.v[i].value);
}

static void open_libvirt(struct om_session *s)
{
	struct om_err err = { 0 };

	if (!om_vir_init(&err))
		return;
	s->vir = om_vir_new(s->src_uri, s->dst_uri);
	if (om_vir_open(s->vir, OM_VIR_SRC, &err) &&
	    om_vir_identify(s->vir, s->args.deploy_id, &err))
		s->identified = true;
	else
		om_log(OM_LOG_DEBUG, "%s", err.msg);
}

static void open_link(struct om_session *s)
{
	if (!s->checkup.dst_link)
		s->checkup.dst_link = om_survey_link_open(s->args.dst);
	s->checkup.on = true;
}

/* Will the destination be asked, for all that is known before anything is? */
static bool will_ask(struct om_tm *tm)
{
	bool dangers = om_tm_dangers(tm->facts.step, tm->facts.effects);

	if (tm->facts.same_host)
		return false;
	switch (tm->facts.step) {
	case OM_TM_PREMIGRATE:
		return true;
	case OM_TM_POSTMIGRATE:
		return dangers && !om_tm_recorded(tm);
	default:
		return (dangers && !om_tm_recorded(tm)) || (om_tm_recall(tm) && om_tm_has_made(tm));
	}
}

bool om_tm_begin(struct om_tm *tm, struct om_err *err)
{
	static struct om_shared nobody; /* there is no supervisor to share it with */
	struct om_session *s = &tm->s;
	bool ok;

	make_request(tm);
	s->args = (struct om_args){
		.deploy_id = s->req.deploy_id, .dst = tm->dst, .src = tm->src, .vm_id = tm->vm_id
	};
	s->shared = &nobody;
	s->begun_ms = om_now_ms();
	s->aftermath_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	om_host_local(&s->host);
	ok = om_session_settings(s, err);
	if (!*s->src_uri)
		om_str_copy(s->src_uri, sizeof(s->src_uri), "qemu:///system");
	if (!ok && tm->facts.step == OM_TM_PREMIGRATE)
		return false;
	/* First of all: its handshake takes longer than all that is asked here. */
	if (tm->facts.step == OM_TM_PREMIGRATE && !tm->facts.same_host)
		om_checkup_open(s);
	if (will_ask(tm))
		open_link(s);
	open_libvirt(s);
	return true;
}

void om_tm_look_at_source(struct om_tm *tm)
{
	tm->facts.src = (struct om_side){ .state = OM_SIDE_UNREACHABLE };
	if (tm->s.identified)
		om_vir_side(tm->s.vir, OM_VIR_SRC, &tm->facts.src);
}

/* A domain that is known by a name alone may have another UUID there. */
static void take_destination_state(struct om_tm *tm)
{
	const struct om_checkup *c = &tm->s.checkup;
	bool known = c->dst.known && c->dst.libvirt_known && c->ask.uuid &&
		     om_state_uuid_valid(c->ask.uuid);

	tm->facts.dst = (struct om_side){ .state = known ? c->dst.side : OM_SIDE_UNREACHABLE };
}

/* ---- directories ---- */

static bool find_path(const struct om_checkup *c, const char *path, size_t *at)
{
	for (*at = 0; *at < c->ask.paths.n; ++*at)
		if (strcmp(c->ask.paths.v[*at], path) == 0)
			return *at < c->src.file_count && *at < c->dst.file_count;
	return false;
}

/* An image of the directory itself: what a link in it leads to is not removed with it. */
static bool is_own_image(const struct om_tm *tm, const char *path)
{
	return strcmp(path, tm->dir) != 0 && om_tm_path_in(path, tm->dir) && om_tm_is_regular(path);
}

static enum om_same same_images(const struct om_tm *tm, bool one_kernel)
{
	const struct om_checkup *c = &tm->s.checkup;
	enum om_same all = OM_SAME_NO;

	for (size_t i = 0; i < c->ask.paths.n && i < c->src.file_count && i < c->dst.file_count;
	     i++) {
		enum om_same one;

		if (c->dst.files[i].kind == OM_FILE_MISSING || !is_own_image(tm, c->ask.paths.v[i]))
			continue;
		one = om_file_same(&c->src.files[i], &c->dst.files[i], one_kernel);
		if (one == OM_SAME_YES)
			return OM_SAME_YES;
		if (one == OM_SAME_UNKNOWN)
			all = OM_SAME_UNKNOWN;
	}
	return all;
}

static void judge_directories(struct om_tm *tm)
{
	const struct om_checkup *c = &tm->s.checkup;
	struct om_tm_facts *f = &tm->facts;
	bool one_kernel = *c->src.boot_id && strcmp(c->src.boot_id, c->dst.boot_id) == 0;
	const struct om_file *src, *dst;
	enum om_same images;
	size_t at;

	if (!c->src.known || !c->dst.known || !find_path(c, tm->dir, &at))
		return;
	src = &c->src.files[at];
	dst = &c->dst.files[at];
	f->src_dir = src->kind;
	f->dst_dir = dst->kind;
	f->src_local = om_fs_is_local(src->fs_type);
	f->dst_local = om_fs_is_local(dst->fs_type);
	if (src->kind == OM_FILE_MISSING || dst->kind == OM_FILE_MISSING)
		return;
	f->same = om_file_same(src, dst, one_kernel);
	images = same_images(tm, one_kernel);
	if (images == OM_SAME_YES || f->same == OM_SAME_NO)
		f->same = images;
}

/* ---- markers ---- */

static bool call(struct om_tm *tm, const char *verb, const char *token)
{
	OM_AUTOFREE char *dir = om_survey_word(tm->dir);
	OM_AUTOFREE char *question = om_xasprintf("%s %s %s", verb, dir, token);
	char answer[200];

	return om_survey_link_call(tm->s.checkup.dst_link, question, CALL_MS, answer,
				   sizeof(answer));
}

/* In both directions: either host may have an old list of the directory's names in its cache. */
static void try_markers(struct om_tm *tm)
{
	char here[OM_TM_TOKEN_SIZE], there[OM_TM_TOKEN_SIZE];

	om_tm_token(here);
	if (om_tm_mark(tm->dir, here))
		tm->facts.marker_seen = call(tm, "look", here);
	om_tm_unmark(tm->dir, here);
	if (tm->facts.marker_seen)
		return;
	om_tm_token(there);
	if (call(tm, "mark", there))
		tm->facts.marker_seen = om_tm_marked(tm->dir, there);
	/* Also where nothing was answered: it may have been made. */
	(void)!call(tm, "unmark", there);
	if (tm->facts.marker_seen)
		om_tm_unmark(tm->dir, there);
}

static void compare_directories(struct om_tm *tm)
{
	judge_directories(tm);
	if (tm->facts.same != OM_SAME_YES && tm->facts.src_dir == OM_FILE_DIR &&
	    tm->facts.dst_dir == OM_FILE_DIR)
		try_markers(tm);
}

/* ---- all of it ---- */

static void name_directory(struct om_dom *dom, const char *dir)
{
	free(dom->vm_dir);
	dom->vm_dir = om_xstrdup(dir);
}

static void read_domain(struct om_tm *tm)
{
	struct om_session *s = &tm->s;
	struct om_err err = { 0 };

	if (!s->identified || tm->facts.src.state == OM_SIDE_ABSENT)
		return;
	if (!om_session_read_domain(s, &err))
		om_log(OM_LOG_DEBUG, "%s", err.msg);
	else
		s->facts.persistent = om_vir_domain_persistent(s->vir);
}

/* The checks ask both hosts for what is needed here too. */
void om_tm_look_with_checks(struct om_tm *tm)
{
	om_tm_look_at_source(tm);
	read_domain(tm);
	name_directory(&tm->s.dom, tm->dir);
	om_checkup_ask(&tm->s);
	om_tm_look_at_source(tm);
	take_destination_state(tm);
	if (om_tm_dangers(tm->facts.step, tm->facts.effects))
		compare_directories(tm);
	else
		judge_directories(tm);
}

static void ask_both(struct om_tm *tm)
{
	struct om_checkup *c = &tm->s.checkup;

	om_survey_free(&c->src);
	om_survey_free(&c->dst);
	memset(&c->src, 0, sizeof(c->src));
	om_survey_host(&c->src, &c->ask);
	c->src.known = true;
	if (!c->dst_link || !om_survey_link_ask(c->dst_link, &c->ask, &c->dst, ASK_MS))
		om_log(OM_LOG_DEBUG, "survey: %s", c->dst.why);
	om_tm_look_at_source(tm);
	take_destination_state(tm);
}

static void make_ask(struct om_tm *tm)
{
	struct om_survey_ask *ask = &tm->s.checkup.ask;
	const char *uuid = tm->s.identified ? om_vir_uuid(tm->s.vir) : tm->vm.deploy_id;
	char **texts[] = { &ask->name,	  &ask->arch,	  &ask->virt_type,
			   &ask->machine, &ask->emulator, &ask->cpu };

	ask->uuid = om_xstrdup(om_state_uuid_valid(uuid) ? uuid : "");
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		*texts[i] = om_xstrdup("");
	om_strv_add(&ask->paths, tm->dir);
	om_tm_dir_files(tm->dir, &ask->paths);
}

/* What a failed migration has left on the destination may be going this very moment. */
void om_tm_look(struct om_tm *tm)
{
	const struct timespec step = { .tv_sec = 1 };

	open_link(&tm->s);
	make_ask(tm);
	ask_both(tm);
	for (int i = 1; i < SETTLE_TRIES && tm->facts.step == OM_TM_FAILMIGRATE &&
			tm->facts.dst.state == OM_SIDE_INCOMING;
	     i++) {
		nanosleep(&step, NULL);
		ask_both(tm);
	}
	compare_directories(tm);
}

/* ---- one host ---- */

static bool would_go(const struct om_tm *tm, const char *path)
{
	if (tm->facts.step == OM_TM_FAILMIGRATE)
		return om_tm_path_in(path, tm->dir);
	return om_tm_path_in_other(path, tm->dir, tm->vm_id);
}

/* Whatever is named anywhere in the running domain's XML: images and their layers, copies that are being made,
 * NVRAM, logs. */
void om_tm_look_at_use(struct om_tm *tm)
{
	struct om_strv paths = { 0 };
	OM_AUTOFREE char *xml = NULL;
	struct om_err ignored;

	tm->facts.in_use = OM_ANSWER_NOT_CHECKED;
	om_tm_look_at_source(tm);
	if (tm->facts.src.state == OM_SIDE_UNREACHABLE)
		return;
	if (om_vir_move_xml(tm->s.vir, &xml) != OM_MOVE_ACTIVE ||
	    !om_xml_move_paths(xml, &paths, &ignored))
		return; /* it runs no more, or could not be read */
	tm->facts.in_use = OM_ANSWER_NO;
	for (size_t i = 0; i < paths.n; i++)
		if (would_go(tm, paths.v[i]))
			tm->facts.in_use = OM_ANSWER_YES;
	om_strv_free(&paths);
}
