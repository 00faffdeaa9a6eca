/* SPDX-License-Identifier: Apache-2.0 */
/* Who brings the storage of a VM to the other host, and how. */
#include "storage.h"

#include "om_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 10000

/* ---- is it the same directory? ---- */

static bool call(struct om_session *s, const char *verb, const char *token)
{
	OM_AUTOFREE char *dir = om_survey_word(s->storage->dst_dir);
	OM_AUTOFREE char *question = om_xasprintf("%s %s %s", verb, dir, token);
	char answer[200];

	return s->checkup.dst_link &&
	       om_survey_link_call(s->checkup.dst_link, question, CALL_MS, answer, sizeof(answer));
}

/* In both directions: either host may have an old list of the directory's names in its cache. */
static bool marker_is_seen(struct om_session *s)
{
	const char *dir = s->storage->dir;
	char here[OM_TM_TOKEN_SIZE], there[OM_TM_TOKEN_SIZE];
	bool seen;

	om_tm_token(here);
	seen = om_tm_mark(dir, here) && call(s, "look", here);
	om_tm_unmark(dir, here);
	if (seen)
		return true;
	om_tm_token(there);
	seen = call(s, "mark", there) && om_tm_marked(dir, there);
	/* Also where nothing was answered: it may have been made. */
	(void)!call(s, "unmark", there);
	return seen;
}

static enum om_same same_storage(struct om_session *s, bool may_mark)
{
	enum om_same same = om_checkup_same_disks(s);

	if (same == OM_SAME_YES || !s->storage)
		return same;
	same = om_disks_same(&s->storage->facts);
	if (same == OM_SAME_UNKNOWN && may_mark && s->checkup.dst.known && marker_is_seen(s))
		return OM_SAME_YES;
	return same;
}

/* ---- who does it ---- */

/* NULL: we can. */
const char *om_storage_why_stock(const struct om_session *s)
{
	const struct om_storage *st = s->storage;
	const struct om_survey *dst = &s->checkup.dst;

	if (!om_knob_number(&s->knobs, OM_KNOB_MIGRATE_LOCAL_DISKS))
		return "storage that the hosts do not share, and MIGRATE_LOCAL_DISKS is no";
	if (s->args.local)
		return "storage that the hosts do not share, and migrate_local runs on the "
		       "front-end";
	if (s->opts.flags & OM_FLAG_TUNNELLED)
		return "storage that the hosts do not share, and --tunnelled";
	if (!dst->known)
		return "storage that the hosts do not share, and the destination has no helper "
		       "that could be asked";
	if (dst->file_count && !dst->more_count)
		return "storage that the hosts do not share, and the destination's helper is of "
		       "an earlier release";
	if (!st)
		return "storage that the hosts do not share, of a domain that could not be read";
	if (strcmp(st->dir, st->dst_dir) != 0)
		return "storage that the hosts do not share, in a directory of another path on "
		       "the destination";
	return NULL;
}

static bool refuse_unproven(struct om_err *err)
{
	return om_err_set(
		err, OM_E_INPUT,
		"the datastore is not shared (SHARED), but files at the paths of this VM's disks "
		"are on the destination, or its directory is, and may be the very same ones; "
		"they would be overwritten");
}

bool om_storage_judge(struct om_session *s, bool may_mark, struct om_err *err)
{
	enum om_same same;
	const char *stock;

	if (s->req.shared)
		return true;
	same = same_storage(s, may_mark);
	if (same == OM_SAME_YES) {
		om_log(OM_LOG_WARN,
		       "the datastore is not marked as shared (SHARED), but this VM's disks are the "
		       "same files on both hosts; they are left as they are");
		s->req.shared = true;
		return true;
	}
	if (same != OM_SAME_NO && s->checkup.dst.known)
		return refuse_unproven(err);
	stock = om_storage_why_stock(s);
	if (stock)
		return om_err_set(err, OM_E_STOCK, "%s", stock);
	if (s->storage->list_err.code != OM_E_NONE) {
		*err = s->storage->list_err;
		return false;
	}
	s->facts.disks = &s->storage->facts;
	return true;
}

void om_storage_draft(struct om_session *s)
{
	if (!s->req.shared && s->storage && same_storage(s, false) == OM_SAME_NO &&
	    !om_storage_why_stock(s) && s->storage->list_err.code == OM_E_NONE)
		s->facts.disks = &s->storage->facts;
}

bool om_storage_is_ours(const struct om_session *s)
{
	return s->storage && s->facts.disks;
}

void om_storage_keep_link(struct om_session *s)
{
	if (!om_storage_is_ours(s))
		return;
	s->storage->link = s->checkup.dst_link;
	s->storage->link_used_ms = om_now_ms();
	s->checkup.dst_link = NULL;
}
