/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line a name, "M" (made) or "K" (kept), a blank and the name as one word. A line is written before what
 * it names is made; its letter is changed in place, so that a full file system cannot refuse it.
 */
#include "om_move_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME OM_DISKS_MARK "move"
#define FIRST "onemigrate-move 1\n"
#define FILE_MAX (4u << 20)

struct entry {
	char *name;
	bool keep;
	off_t at; /* of its letter */
};

struct om_move_journal {
	int fd;
	char *path;
	struct entry *v;
	size_t n;
	off_t end;
};

static bool failed(struct om_err *err, const char *path)
{
	return om_err_set(err, OM_E_SOURCE, "%.300s cannot be written: %s", path, strerror(errno));
}

static void take(struct om_move_journal *j, const char *name, bool keep, off_t at)
{
	j->v = om_xrealloc(j->v, (j->n + 1) * sizeof(*j->v));
	j->v[j->n++] = (struct entry){ .name = om_xstrdup(name), .keep = keep, .at = at };
}

/* A last line that was cut off names something that was not made yet. */
static void read_lines(struct om_move_journal *j, char *text)
{
	char *at = text;

	if (!om_str_starts(text, FIRST))
		return;
	for (at += strlen(FIRST); *at;) {
		char *newline = strchr(at, '\n');

		if (!newline)
			return;
		*newline = '\0';
		if ((at[0] == 'M' || at[0] == 'K') && at[1] == ' ' && om_survey_unword(at + 2))
			take(j, at + 2, at[0] == 'K', at - text);
		at = newline + 1;
		j->end = at - text;
	}
}

static bool read_all(struct om_move_journal *j, struct om_err *err)
{
	off_t size = lseek(j->fd, 0, SEEK_END);
	OM_AUTOFREE char *text = NULL;
	ssize_t n;

	if (size < 0 || size > FILE_MAX)
		return om_err_set(err, OM_E_INPUT, "%.300s is no record of ours", j->path);
	text = om_xcalloc(1, (size_t)size + 1);
	n = pread(j->fd, text, (size_t)size, 0);
	if (n < 0)
		return failed(err, j->path);
	j->end = (off_t)strlen(FIRST);
	read_lines(j, text);
	if (pwrite(j->fd, FIRST, strlen(FIRST), 0) != (ssize_t)strlen(FIRST))
		return failed(err, j->path);
	return true;
}

static char *path_in(const char *dir)
{
	return om_xasprintf("%s/" NAME, dir);
}

bool om_move_journal_exists(const char *dir)
{
	OM_AUTOFREE char *path = path_in(dir);

	return access(path, F_OK) == 0;
}

bool om_move_journal_open(struct om_move_journal **journal, const char *dir, struct om_err *err)
{
	struct om_move_journal *j = om_xcalloc(1, sizeof(*j));

	j->path = path_in(dir);
	j->fd = open(j->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j->fd >= 0 && read_all(j, err)) {
		*journal = j;
		return true;
	}
	if (j->fd < 0)
		failed(err, j->path);
	om_move_journal_close(j, false);
	*journal = NULL;
	return false;
}

static struct entry *find(const struct om_move_journal *j, const char *name)
{
	for (size_t i = 0; i < j->n; i++)
		if (strcmp(j->v[i].name, name) == 0)
			return &j->v[i];
	return NULL;
}

bool om_move_journal_has(const struct om_move_journal *j, const char *name)
{
	return find(j, name) != NULL;
}

bool om_move_journal_add(struct om_move_journal *j, const char *name, struct om_err *err)
{
	OM_AUTOFREE char *word = om_survey_word(name);
	OM_AUTOFREE char *line = om_xasprintf("M %s\n", word);
	size_t len = strlen(line);

	if (find(j, name))
		return true;
	if (pwrite(j->fd, line, len, j->end) != (ssize_t)len || fdatasync(j->fd) < 0)
		return failed(err, j->path);
	take(j, name, false, j->end);
	j->end += (off_t)len;
	return true;
}

bool om_move_journal_keep(struct om_move_journal *j, const char *name, bool keep,
			  struct om_err *err)
{
	struct entry *entry = find(j, name);

	if (!entry || entry->keep == keep)
		return true;
	if (pwrite(j->fd, keep ? "K" : "M", 1, entry->at) != 1 || fdatasync(j->fd) < 0)
		return failed(err, j->path);
	entry->keep = keep;
	return true;
}

size_t om_move_journal_count(const struct om_move_journal *j)
{
	return j->n;
}

const char *om_move_journal_name(const struct om_move_journal *j, size_t i, bool *keep)
{
	if (keep)
		*keep = j->v[i].keep;
	return j->v[i].name;
}

void om_move_journal_close(struct om_move_journal *j, bool remove)
{
	if (!j)
		return;
	if (remove)
		unlink(j->path);
	if (j->fd >= 0)
		close(j->fd);
	for (size_t i = 0; i < j->n; i++)
		free(j->v[i].name);
	free(j->v);
	free(j->path);
	free(j);
}
