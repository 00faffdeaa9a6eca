/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the destination, before the migration and long after its begin. */
#include "storage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IDLE_MS 40000 /* the other end hangs up after a minute */
#define CALL_MS 40000 /* it gives up earlier */

/* While both hosts are asked there is a session with it anyway. */
static struct om_survey_link *open_link(struct om_session *s)
{
	struct om_storage *st = s->storage;

	if (s->checkup.dst_link)
		return s->checkup.dst_link;
	if (st->link && om_now_ms() - st->link_used_ms > IDLE_MS) {
		om_survey_link_close(st->link);
		st->link = NULL;
	}
	if (!st->link)
		st->link = om_survey_link_open(s->args.dst);
	return st->link;
}

bool om_storage_call(struct om_session *s, char *answer, size_t size, struct om_err *err,
		     const char *fmt, ...)
{
	struct om_survey_link *link = open_link(s);
	OM_AUTOFREE char *question = NULL;
	va_list args;
	int len;
	bool ok;

	va_start(args, fmt);
	len = vasprintf(&question, fmt, args);
	va_end(args);
	if (len < 0 || !link)
		return om_err_set(err, OM_E_SOURCE, "%s cannot be asked", s->args.dst);
	ok = om_survey_link_call(link, question, CALL_MS, answer, size);
	/* It may have been lost: the next question gets another one. */
	s->storage->link_used_ms = ok ? om_now_ms() : 0;
	return ok || om_err_set(err, OM_E_SOURCE, "on %s: %.400s", s->args.dst, answer);
}

bool om_storage_ask_place(struct om_session *s, const char *word, const char *name,
			  const char *rest, char *how, size_t how_size,
			  struct om_identity *identity, struct om_err *err)
{
	OM_AUTOFREE char *dir = om_survey_word(s->storage->dst_dir);
	OM_AUTOFREE char *below = om_survey_word(name);
	char answer[512], said[16];

	if (!om_storage_call(s, answer, sizeof(answer), err, "%s %s %s %s%s%s", word, dir,
			     s->req.vm_id, below, *rest ? " " : "", rest))
		return false;
	if (sscanf(answer, "%15s %" SCNu64 " %" SCNu64, said, &identity->device,
		   &identity->inode) != 3)
		return om_err_set(err, OM_E_SOURCE, "%s gives a strange answer: %.100s",
				  s->args.dst, answer);
	om_str_copy(how, how_size, said);
	return true;
}
