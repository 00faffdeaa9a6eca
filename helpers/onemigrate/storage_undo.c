/* SPDX-License-Identifier: Apache-2.0 */
/* Removes from the destination what this run has made there, and nothing else. */
#include "storage.h"

#include "om_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MS 60000
#define EMPTY_TRIES 8 /* what a lost connection was writing goes a moment later */
#define EMPTY_MS 500

bool om_storage_in_own_dir(const struct om_storage *st, const char *name)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;

	for (size_t i = 0; *name && i < st->made_count; i++) {
		const struct om_made *m = &st->made[i];

		if (m->kind == OM_MADE_DIR && m->known && strlen(m->name) == len &&
		    strncmp(m->name, name, len) == 0)
			return true;
	}
	return false;
}

static bool drop_identity(struct om_session *s, const char *name,
			  const struct om_identity *identity, struct om_err *err)
{
	struct om_identity ignored;
	char rest[64], how[16];

	snprintf(rest, sizeof(rest), "%" PRIu64 " %" PRIu64, identity->device, identity->inode);
	return om_storage_ask_place(s, "storage-drop", name, rest, how, sizeof(how), &ignored, err);
}

static bool look(struct om_session *s, const char *name, bool *there, struct om_identity *identity,
		 struct om_err *err)
{
	char how[16];

	if (!om_storage_ask_place(s, "storage-look", name, "", how, sizeof(how), identity, err))
		return false;
	*there = strcmp(how, "there") == 0;
	return true;
}

/* An image that was not finished; its name is nobody else's. */
static bool drop_unfinished(struct om_session *s, const char *name, struct om_err *err)
{
	const char *slash = strrchr(name, '/');
	OM_AUTOFREE char *mark = om_xasprintf("%.*s" OM_DISKS_MARK "%s",
					      slash ? (int)(slash - name) + 1 : 0, name,
					      s->storage->token);
	struct om_identity identity;
	bool there;

	return look(s, mark, &there, &identity, err) &&
	       (!there || drop_identity(s, mark, &identity, err));
}

/* It may have been made; whoever was to say so has died, or the answer was lost. */
static bool identify(struct om_session *s, struct om_made *m, struct om_err *err)
{
	bool there;

	if (m->kind == OM_MADE_IMAGE && !drop_unfinished(s, m->name, err))
		return false;
	if (!look(s, m->name, &there, &m->identity, err))
		return false;
	m->gone = !there;
	if (there && !om_storage_in_own_dir(s->storage, m->name))
		return om_err_set(err, OM_E_SOURCE,
				  "it is not proven to be of this migration's making");
	return true;
}

/* What a lost connection has left unfinished, in a directory that nobody else has anything in. */
static void sweep(struct om_session *s, const char *name)
{
	struct om_identity ignored;
	struct om_err err;
	char how[16];

	if (!om_storage_ask_place(s, "storage-sweep", name, "", how, sizeof(how), &ignored, &err))
		om_log(OM_LOG_DEBUG, "%s", err.msg);
}

/* A host that does not answer takes its time for each question: the watchdog gives all of it less than that. */
static bool drop(struct om_session *s, struct om_made *m, uint64_t until_ms, struct om_err *err)
{
	bool ok = m->gone || m->known || identify(s, m, err);
	int tries = m->kind == OM_MADE_DIR ? EMPTY_TRIES : 1;

	if (!ok || m->gone)
		return ok;
	for (ok = false; !ok && tries > 0; tries--) {
		if (m->kind == OM_MADE_DIR)
			sweep(s, m->name);
		ok = drop_identity(s, m->name, &m->identity, err);
		if (!ok && om_now_ms() > until_ms)
			break;
		if (!ok && tries > 1)
			usleep(EMPTY_MS * 1000);
	}
	m->gone = ok;
	return ok;
}

static void drop_all(struct om_session *s)
{
	struct om_storage *st = s->storage;
	uint64_t until_ms = om_now_ms() + LIMIT_MS;
	size_t dropped = 0;

	for (size_t i = st->made_count; i-- > 0;) {
		struct om_made *m = &st->made[i];
		struct om_err err = { 0 };
		bool was_gone = m->gone;

		if (om_now_ms() > until_ms)
			om_err_set(&err, OM_E_SOURCE, "there is no more time for it");
		else if (drop(s, m, until_ms, &err)) {
			dropped += !was_gone;
			continue;
		}
		om_log(OM_LOG_WARN, "%s%s%s is left on %s: %s", st->dst_dir, *m->name ? "/" : "",
		       m->name, s->args.dst, err.msg);
	}
	if (dropped)
		om_log(OM_LOG_INFO, "what this migration had made in %s on %s was removed",
		       st->dst_dir, s->args.dst);
}

void om_storage_undo(struct om_session *s, enum om_verdict verdict)
{
	const struct om_storage *st = s->storage;

	if (!st || !st->made_count)
		return;
	switch (verdict) {
	case OM_VERDICT_SOURCE:
		drop_all(s);
		break;
	case OM_VERDICT_DEST:
	case OM_VERDICT_DEST_LEFTOVER:
	case OM_VERDICT_DEST_POSTCOPY:
		break;
	default:
		om_log(OM_LOG_WARN,
		       "what this migration made in %s on %s is kept: the VM is not proven to run "
		       "on %s and nowhere else",
		       st->dst_dir, s->args.dst, s->args.src);
	}
	om_survey_link_close(s->storage->link);
	s->storage->link = NULL;
}
