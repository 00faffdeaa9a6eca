/* SPDX-License-Identifier: Apache-2.0 */
/* Both hosts asked what they say of a migration, and what follows from it. */
#include "om_checked.h"
#include "om_log.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 20000

/* Whatever is checked: the fast network needs the destination's addresses, and encryption to know of its
 * certificates before anything is touched. */
static bool is_needed(const struct om_session *s)
{
	enum om_fast_source source = om_plan_fast_source(&s->req, &s->knobs, &s->opts);

	return om_knob_number(&s->knobs, OM_KNOB_MIGRATE_CHECK) != OM_CHECK_OFF || !s->req.shared ||
	       source == OM_FAST_NETWORK || source == OM_FAST_APPEND ||
	       om_knob_number(&s->knobs, OM_KNOB_MIGRATE_TLS) != OM_CHOICE_TLS_OFF;
}

static bool is_proven(const struct om_checkup *c, const char *check)
{
	for (size_t i = 0; i < c->proven.n; i++)
		if (strcmp(c->proven.v[i], check) == 0)
			return true;
	return false;
}

static void clear(char **text)
{
	free(*text);
	*text = om_xstrdup("");
}

/* Leaves out of the question what premigrate has had an answer to a moment ago. */
static void forget_proven(const struct om_session *s, struct om_survey_ask *ask)
{
	const struct om_checkup *c = &s->checkup;

	if (is_proven(c, "cpu"))
		clear(&ask->cpu);
	if (is_proven(c, "machine") && is_proven(c, "emulator"))
		clear(&ask->machine);
	if (is_proven(c, "disks") && is_proven(c, "firmware") && is_proven(c, "nvram") &&
	    s->req.shared)
		om_strv_free(&ask->paths);
	if (is_proven(c, "networks")) {
		om_strv_free(&ask->bridges);
		om_strv_free(&ask->networks);
	}
	if (is_proven(c, "secrets"))
		om_strv_free(&ask->secrets);
}

void om_checkup_remember(const struct om_session *s)
{
	const struct om_findings *findings = &s->checkup.findings;
	struct om_strv names = { 0 };

	/* A check has one finding in order, or several that are not. What premigrate has yet to bring is
	 * not proven. */
	for (size_t i = 0; i < findings->n; i++)
		if (findings->v[i].severity == OM_SEVERITY_OK &&
		    !(s->checkup.other_way && strcmp(findings->v[i].check, "disks") == 0))
			om_strv_add(&names, findings->v[i].check);
	if (s->identified)
		om_checked_write(om_vir_uuid(s->vir), s->args.dst, &names, om_epoch_ms());
	om_strv_free(&names);
}

void om_checkup_open(struct om_session *s)
{
	struct om_checkup *c = &s->checkup;

	c->on = is_needed(s);
	if (c->on)
		c->dst_link = om_survey_link_open(s->args.dst);
	else
		om_survey_link_disown();
	if (c->on && s->args.local)
		c->src_link = om_survey_link_open(s->args.src);
}

struct asking {
	struct om_session *s;
	struct om_survey_link *link;
	struct om_survey *survey;
	uint64_t took_ms;
};

static void *ask_other(void *arg)
{
	struct asking *a = arg;
	uint64_t begun_ms = om_now_ms();

	if (!a->link)
		om_str_copy(a->survey->why, sizeof(a->survey->why), "it was not asked");
	else if (!om_survey_link_ask(a->link, &a->s->checkup.ask, a->survey, ASK_MS))
		om_log(OM_LOG_DEBUG, "survey: %s", a->survey->why);
	a->took_ms = om_now_ms() - begun_ms;
	return NULL;
}

static void ask_this_host(struct om_session *s)
{
	struct om_checkup *c = &s->checkup;

	om_survey_host(&c->src, &c->ask);
	om_survey_libvirt(&c->src, &c->ask, s->src_uri);
}

static void ask_source(struct om_session *s)
{
	struct asking source = { s, s->checkup.src_link, &s->checkup.src, 0 };

	if (s->args.local)
		ask_other(&source);
	else
		ask_this_host(s);
}

void om_checkup_ask(struct om_session *s)
{
	struct om_checkup *c = &s->checkup;
	struct asking destination = { s, c->dst_link, &c->dst, 0 };
	pthread_t thread;
	bool started;

	if (!c->on) {
		om_way_find(s, &c->dst);
		return;
	}
	om_check_ask(&c->ask, &s->dom, &s->opts, &s->knobs, s->dom.vm_dir ? s->dom.vm_dir : "");
	if (om_str_empty(c->ask.uuid)) {
		free(c->ask.uuid);
		c->ask.uuid = om_xstrdup(s->args.deploy_id);
	}
	c->ask.speed = s->look.mark.at_ms; /* the way of sending is to be chosen */
	forget_proven(s, &c->ask);
	om_storage_ask(s, &c->ask);
	started = pthread_create(&thread, NULL, ask_other, &destination) == 0;
	ask_source(s);
	if (started)
		pthread_join(thread, NULL);
	else
		ask_other(&destination);
	om_storage_look_there(s);
	/* The answer was written at some time within the one that it took. */
	c->src.epoch_ms = om_epoch_ms();
	c->clock_error_ms = destination.took_ms;
	c->asked = true;
	om_way_find(s, &c->dst);
	if (om_knob_number(&s->knobs, OM_KNOB_MIGRATE_CHECK) != OM_CHECK_OFF &&
	    !(is_proven(c, "mtu") && is_proven(c, "firewall")))
		om_way_try(s, c->dst_link);
	if (s->vir && s->dom.uuid &&
	    !om_vir_block_job(s->vir, &s->dom, c->block_job, sizeof(c->block_job)))
		c->block_job[0] = '\0';
}

/* Where the VM came from there a moment ago, that host's probe would go on telling monitoring of that end,
 * and this one's of what begins now. A helper that does not know the question says no. */
void om_checkup_forget_end(const struct om_session *s)
{
	OM_AUTOFREE char *question = om_xasprintf("forget-end %s", om_vir_uuid(s->vir));
	char answer[128];

	if (s->checkup.dst_link && s->checkup.dst.known)
		(void)!om_survey_link_call(s->checkup.dst_link, question, ASK_MS, answer,
					   sizeof(answer));
}

void om_checkup_close(struct om_session *s)
{
	om_survey_link_close(s->checkup.dst_link);
	om_survey_link_close(s->checkup.src_link);
	s->checkup.dst_link = s->checkup.src_link = NULL;
}

void om_checkup_judge(struct om_session *s, enum om_check_moment moment, bool other_way)
{
	struct om_checkup *c = &s->checkup;
	struct om_side src = { .state = c->src.side };
	uint32_t snapshots = 0;
	bool counted = false;

	if (s->vir && s->identified) {
		om_vir_side(s->vir, OM_VIR_SRC, &src);
		counted = om_vir_snapshots_count(s->vir, &snapshots);
	}
	c->moment = moment;
	c->other_way = other_way;
	om_findings_free(&c->findings);
	om_check_run(&c->findings, &(struct om_check_facts){
					   .moment = moment,
					   .src_host = s->args.src,
					   .dst_host = s->args.dst,
					   .dom = &s->dom,
					   .ask = &c->ask,
					   .src = &c->src,
					   .dst = &c->dst,
					   .src_state = src.state,
					   .src_job = src.job,
					   .block_job = *c->block_job ? c->block_job : NULL,
					   .persistent = s->facts.persistent,
					   .snapshots_known = counted,
					   .snapshots = snapshots,
					   .shared = s->req.shared,
					   .shared_known = s->req.shared_known,
					   .storage = om_storage_facts(s),
					   .other_way = other_way,
					   .same_host = strcmp(s->args.src, s->args.dst) == 0,
					   .opts = &s->opts,
					   .knobs = &s->knobs,
					   .way = &c->way,
					   .clock_error_ms = c->clock_error_ms,
				   });
}

/* The plan of a migration tells itself why the fast network is not taken, and why nothing is encrypted. */
static bool plan_tells(const struct om_session *s, const char *check)
{
	return s->checkup.moment == OM_CHECK_MIGRATE &&
	       (strcmp(check, "fast-network") == 0 ||
		(strcmp(check, "firewall") == 0 && s->facts.fast.answer == OM_ANSWER_NO) ||
		(strcmp(check, "tls") == 0 && !(s->opts.flags & OM_FLAG_TLS) &&
		 s->facts.transport.tls == OM_TLS_MISSING));
}

static void tell(const struct om_session *s, const struct om_finding *finding)
{
	bool again = plan_tells(s, finding->check);
	bool warn = finding->severity == OM_SEVERITY_WARNING && !again;
	enum om_log_level level = warn ? OM_LOG_WARN : OM_LOG_DEBUG;

	om_log(level, "check %s%s: %s%s%s", finding->check,
	       finding->severity == OM_SEVERITY_NOT_CHECKED ? " (not checked)" : "", finding->found,
	       *finding->remedy ? "; " : "", finding->remedy);
}

bool om_checkup_tell(const struct om_session *s, struct om_err *err)
{
	const struct om_checkup *c = &s->checkup;
	char text[sizeof(err->msg) - 64];

	for (size_t i = 0; i < c->findings.n; i++) {
		const struct om_finding *finding = &c->findings.v[i];

		if (finding->severity == OM_SEVERITY_BLOCKER)
			om_log(OM_LOG_ERROR, "check %s: %s%s%s", finding->check, finding->found,
			       *finding->remedy ? "; " : "", finding->remedy);
		else if (!is_proven(c, finding->check))
			tell(s, finding);
	}
	if (!c->findings.count[OM_SEVERITY_BLOCKER])
		return true;
	om_check_sentence(&c->findings, text, sizeof(text));
	return om_err_set(err, OM_E_INPUT, "%s", text);
}

/* Its place in the lists of both hosts; false: it was not asked about. */
static bool find_path(const struct om_checkup *c, const char *path, size_t *at)
{
	for (*at = 0; *at < c->ask.paths.n; ++*at)
		if (strcmp(c->ask.paths.v[*at], path) == 0)
			return *at < c->src.file_count && *at < c->dst.file_count;
	return false;
}

/* A network file system may go on denying for a while that a file is there. */
static enum om_same same_image(const struct om_file *src, const struct om_file *dst,
			       bool one_kernel)
{
	if (dst->kind == OM_FILE_MISSING)
		return om_fs_is_local(dst->fs_type) ? OM_SAME_NO : OM_SAME_UNKNOWN;
	return om_file_same(src, dst, one_kernel);
}

enum om_same om_checkup_same_disks(const struct om_session *s)
{
	const struct om_checkup *c = &s->checkup;
	bool one_kernel = *c->src.boot_id && strcmp(c->src.boot_id, c->dst.boot_id) == 0;
	size_t count[3] = { 0 }, looked_at = 0, at;

	if (!c->src.known || !c->dst.known)
		return OM_SAME_UNKNOWN;
	for (size_t i = 0; i < s->dom.disk_count; i++) {
		if (s->dom.disks[i].kind != OM_DISK_FILE)
			continue;
		looked_at++;
		if (find_path(c, s->dom.disks[i].source, &at))
			count[same_image(&c->src.files[at], &c->dst.files[at], one_kernel)]++;
	}
	if (looked_at && count[OM_SAME_YES] == looked_at)
		return OM_SAME_YES;
	return count[OM_SAME_NO] == looked_at ? OM_SAME_NO : OM_SAME_UNKNOWN;
}
