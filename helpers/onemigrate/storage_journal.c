/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this run makes on the destination. Whoever answers for this process, should it die, finds it here:
 * lines in memory that the supervisor shares. Each thing is written down before it is made, and once more
 * with its identity.
 */
#include "storage.h"

#include "om_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOURNAL_MAX (8u << 20)

static void add_line(struct om_session *s, char *line)
{
	if (!om_write_all(s->shared->storage_fd, line, strlen(line)))
		om_log_syslog("the record of what is made on %s is not whole", s->args.dst);
	free(line);
}

void om_storage_journal_begin(struct om_session *s)
{
	om_tm_token(s->storage->token);
	add_line(s, om_xasprintf("token %s\n", s->storage->token));
}

static size_t add_made(struct om_storage *st, enum om_made_kind kind, const char *name)
{
	st->made = om_xrealloc(st->made, (st->made_count + 1) * sizeof(*st->made));
	st->made[st->made_count] = (struct om_made){ .kind = kind, .name = om_xstrdup(name) };
	return st->made_count++;
}

size_t om_storage_journal_want(struct om_session *s, enum om_made_kind kind, const char *name)
{
	OM_AUTOFREE char *word = om_survey_word(name);

	add_line(s, om_xasprintf("want %d %s\n", (int)kind, word));
	return add_made(s->storage, kind, name);
}

void om_storage_journal_have(struct om_session *s, size_t at, const struct om_identity *identity)
{
	struct om_made *made = &s->storage->made[at];

	made->known = true;
	made->identity = *identity;
	add_line(s, om_xasprintf("have %zu %" PRIu64 " %" PRIu64 "\n", at, identity->device,
				 identity->inode));
}

void om_storage_journal_not(struct om_session *s, size_t at)
{
	s->storage->made[at].gone = true;
	add_line(s, om_xasprintf("not %zu\n", at));
}

/* ---- reading it back ---- */

static void take_want(struct om_storage *st, const char *text)
{
	unsigned int kind;
	int at = 0;
	OM_AUTOFREE char *name = NULL;

	if (sscanf(text, "%u %n", &kind, &at) != 1 || !at || kind > OM_MADE_LINK)
		return;
	name = om_xstrdup(text + at);
	if (om_survey_unword(name))
		add_made(st, (enum om_made_kind)kind, name);
}

static void take_line(struct om_storage *st, const char *line)
{
	struct om_identity identity;
	size_t at;

	if (om_str_starts(line, "token "))
		om_str_copy(st->token, sizeof(st->token), line + strlen("token "));
	else if (om_str_starts(line, "want "))
		take_want(st, line + strlen("want "));
	else if (sscanf(line, "have %zu %" SCNu64 " %" SCNu64, &at, &identity.device,
			&identity.inode) == 3 &&
		 at < st->made_count) {
		st->made[at].known = true;
		st->made[at].identity = identity;
	} else if (sscanf(line, "not %zu", &at) == 1 && at < st->made_count) {
		st->made[at].gone = true;
	}
}

void om_storage_load(struct om_session *s)
{
	off_t size = lseek(s->shared->storage_fd, 0, SEEK_END);
	OM_AUTOFREE char *text = NULL;
	char *save = NULL;
	ssize_t n;

	if (size <= 0 || size > JOURNAL_MAX)
		return;
	text = om_xcalloc(1, (size_t)size + 1);
	n = pread(s->shared->storage_fd, text, (size_t)size, 0);
	if (n <= 0)
		return;
	om_checkup_close(s); /* both hosts were asked for as long as it took */
	s->storage = om_xcalloc(1, sizeof(*s->storage));
	if (!om_tm_dir(&s->storage->dst_dir, s->req.dst_dir, s->req.vm_id, &(struct om_err){ 0 }))
		s->storage->dst_dir = om_xstrdup(s->req.dst_dir);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(s->storage, line);
}
