/* SPDX-License-Identifier: Apache-2.0 */
/* What premigrate leaves for failmigrate, and what that undoes on the destination. */
#include "om_log.h"
#include "tm.h"

#include <string.h>

#define REMOVE_MS 60000
#define CLEAN_MS 45000
#define DOCUMENT_MAX (200u << 10) /* of an ask's line */

static const char *uuid_of(const struct om_tm *tm)
{
	return tm->s.identified ? om_vir_uuid(tm->s.vir) : tm->vm.deploy_id;
}

static bool is_of_this_attempt(const struct om_tm *tm)
{
	const struct om_tm_record *r = &tm->record;

	return strcmp(r->vm_id, tm->vm_id) == 0 && strcmp(r->dst, tm->dst) == 0 &&
	       strcmp(r->dir, tm->dir) == 0 && strcmp(r->seq, tm->vm.seq) == 0;
}

bool om_tm_recall(struct om_tm *tm)
{
	om_tm_record_free(&tm->record);
	tm->have_record = om_tm_record_read(&tm->record, uuid_of(tm)) && is_of_this_attempt(tm);
	return tm->have_record;
}

void om_tm_forget(const struct om_tm *tm)
{
	om_tm_record_remove(uuid_of(tm));
}

bool om_tm_has_made(const struct om_tm *tm)
{
	return tm->have_record && (tm->record.dir_missing || tm->record.new_bridges.n);
}

void om_tm_remember(struct om_tm *tm)
{
	const struct om_checkup *c = &tm->s.checkup;
	struct om_tm_record record = { .vm_id = om_xstrdup(tm->vm_id),
				       .dst = om_xstrdup(tm->dst),
				       .dir = om_xstrdup(tm->dir),
				       .seq = om_xstrdup(tm->vm.seq),
				       .dir_missing = tm->facts.dst_dir == OM_FILE_MISSING,
				       .other = om_tm_dst_is_another(&tm->facts) };
	struct om_err err = { 0 };

	for (size_t i = 0; i < c->ask.bridges.n && i < c->dst.bridge_count; i++)
		if (c->dst.bridges[i] == OM_ANSWER_NO)
			om_strv_add(&record.new_bridges, c->ask.bridges.v[i]);
	om_str_sanitize(record.seq);
	if (!om_tm_record_write(&record, uuid_of(tm), &err))
		om_log(OM_LOG_DEBUG, "%s", err.msg);
	om_tm_record_free(&record);
}

static void remove_directory(struct om_tm *tm)
{
	OM_AUTOFREE char *dir = om_survey_word(tm->dir);
	OM_AUTOFREE char *question = om_xasprintf("remove-dir %s %s " OM_TM_PROOF, dir, tm->vm_id);
	char answer[200];

	if (om_survey_link_call(tm->s.checkup.dst_link, question, REMOVE_MS, answer,
				sizeof(answer)))
		om_log(OM_LOG_INFO, "%s, which this migration had made, was removed from %s",
		       tm->dir, tm->dst);
	else
		om_log(OM_LOG_WARN, "%s, which this migration had made, is left on %s: %s", tm->dir,
		       tm->dst, answer);
}

/* ---- networks ---- */

static bool is_new(const struct om_tm *tm, const char *bridge)
{
	for (size_t i = 0; i < tm->record.new_bridges.n; i++)
		if (strcmp(tm->record.new_bridges.v[i], bridge) == 0)
			return true;
	return false;
}

static bool seen_before(const struct om_vm *vm, size_t nic)
{
	for (size_t i = 0; i < nic; i++)
		if (strcmp(vm->nics[i].vn_mad, vm->nics[nic].vn_mad) == 0)
			return true;
	return false;
}

/* The bridges of a driver, with commas between them; NULL where one of them is older than this attempt: `clean`
 * looks after all of them. */
static char *new_bridges_of(const struct om_tm *tm, const char *vn_mad)
{
	char *list = om_xstrdup("");
	bool ok = true;

	for (size_t i = 0; i < tm->vm.nic_count; i++) {
		const struct om_vm_nic *nic = &tm->vm.nics[i];
		char *longer;

		if (strcmp(nic->vn_mad, vn_mad) != 0)
			continue;
		ok = ok && is_new(tm, nic->bridge);
		longer = om_xasprintf("%s%s%s", list, *list ? "," : "", nic->bridge);
		om_autofree_(&list);
		list = longer;
	}
	if (ok && *list)
		return list;
	om_autofree_(&list);
	return NULL;
}

static void clean_network(struct om_tm *tm, const char *vn_mad)
{
	OM_AUTOFREE char *bridges = new_bridges_of(tm, vn_mad), *list = NULL, *question = NULL;
	OM_AUTOFREE char *dst = om_survey_word(tm->dst), *document = NULL;
	char answer[200] = "the VM's document is too long";

	if (!bridges || !om_tm_vn_mad_valid(vn_mad))
		return;
	list = om_survey_word(bridges);
	document = om_survey_word(tm->document);
	question = om_xasprintf("vnm-clean %s %s %s %s", vn_mad, list, dst, document);
	if (strlen(question) < DOCUMENT_MAX &&
	    om_survey_link_call(tm->s.checkup.dst_link, question, CLEAN_MS, answer, sizeof(answer)))
		om_log(OM_LOG_INFO, "%s of this migration was cleaned on %s (%s)", bridges, tm->dst,
		       vn_mad);
	else
		om_log(OM_LOG_WARN, "%s, which this migration had made, is left on %s: %s", bridges,
		       tm->dst, answer);
}

void om_tm_undo(struct om_tm *tm)
{
	if (tm->verdict.remove_dir)
		remove_directory(tm);
	if (tm->verdict.undo && tm->have_record)
		for (size_t i = 0; i < tm->vm.nic_count; i++)
			if (!seen_before(&tm->vm, i))
				clean_network(tm, tm->vm.nics[i].vn_mad);
	om_tm_forget(tm);
}
