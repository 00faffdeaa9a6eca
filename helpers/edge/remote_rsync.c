/* SPDX-License-Identifier: Apache-2.0 */
/* Files by rsync(1), with the promises of the port: beside its place, whole, never over something. */
#include "remote_internal.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define SCRIPT_MS 60000

/* $temp, $name, $replace. Status 3: it exists there, 4: it could not be placed. */
static const char place_script[] =
	"set -u; there() { [[ -e $1 || -L $1 ]]; }\n"
	"if [[ -d $temp && ! -L $temp && -d $name && ! -L $name ]]; then\n"
	"\tif [[ $replace == 0 ]]; then\n"
	"\t\twhile IFS= read -r -d '' f; do ! there \"$name/$f\" || exit 3; done < <(cd \"$temp\" && "
	"find . ! -type d -print0)\n"
	"\tfi\n"
	"\tcp -a -- \"$temp/.\" \"$name/\" && rm -rf -- \"$temp\" || exit 4\n"
	"elif there \"$name\" && [[ $replace == 0 || -d $name ]]; then exit 3\n"
	"else mv -T -- \"$temp\" \"$name\" || exit 4; fi\n";
static const char check_script[] =
	"set -u\n"
	"[[ $replace == 1 || ( ! -e $name && ! -L $name ) || ( $tree == 1 && -d $name ) ]] || exit 3\n"
	"[[ -d ${temp%/*} ]] || exit 5\n";
static const char drop_script[] = "rm -rf -- \"$temp\"\n";

struct transfer {
	struct remote_ssh *ssh;
	const struct om_remote_file *file;
	char temp[4200];
	bool tree;
	uint64_t size_bytes;
	om_remote_progress_fn *progress;
	void *ctx;
	struct om_remote_progress total; /* before this one */
};

void om_remote_quote(struct om_buf *script, const char *text)
{
	om_buf_add(script, "'", 1);
	for (; *text; text++) {
		if (*text == '\'')
			om_buf_add(script, "'\\''", 4);
		else
			om_buf_add(script, text, 1);
	}
	om_buf_add(script, "'", 1);
}

static bool fail(const struct transfer *t, const char *what, struct om_err *err)
{
	char name[256];

	om_str_copy(name, sizeof(name), t->file->dst);
	om_str_sanitize(name);
	return om_err_set(err, OM_E_SOURCE, "%s: %s", name, what);
}

static bool run_script(struct transfer *t, const char *text, struct om_err *err)
{
	struct om_buf script = { 0 };
	OM_REMOTE_ANSWER answer = { 0 };
	bool ok;

	om_buf_addf(&script, "replace=%d tree=%d temp=", t->file->replace, t->tree);
	om_remote_quote(&script, t->temp);
	om_buf_add(&script, " name=", 6);
	om_remote_quote(&script, t->file->dst);
	om_buf_addf(&script, "\n%s", text);
	ok = remote_ssh_run(t->ssh, script.text, SCRIPT_MS, &answer, err);
	free(script.text);
	if (!ok || answer.status == 0)
		return ok;
	if (answer.status == 3)
		return fail(t, "it exists there", err);
	return fail(t,
		    answer.status == 5 ? "its directory is not there"
				       : "it cannot be moved into its place",
		    err);
}

/* What would be different if anything of it had changed. */
static bool look(const char *path, uint64_t *mark, uint64_t *bytes)
{
	char *const paths[] = { (char *)(uintptr_t)path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	bool ok = fts != NULL;

	*mark = *bytes = 0;
	while (ok && (errno = 0, entry = fts_read(fts))) {
		const struct stat *st = entry->fts_statp;

		if (entry->fts_info == FTS_DP)
			continue;
		ok = entry->fts_info == FTS_D || entry->fts_info == FTS_F ||
		     entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE;
		/* In no order: directories are not read in one. */
		*mark += ((uint64_t)st->st_ino * 31 + (uint64_t)st->st_size) * 1000003 +
			 (uint64_t)st->st_mtim.tv_nsec * 7 + (uint64_t)st->st_mtim.tv_sec +
			 (uint64_t)st->st_ctim.tv_nsec * 13 + (uint64_t)st->st_ctim.tv_sec * 5;
		*bytes += entry->fts_info == FTS_F ? (uint64_t)st->st_size : 0;
	}
	ok = ok && !errno;
	if (fts)
		fts_close(fts);
	return ok;
}

/* --info=progress2: the first number behind a carriage return are the bytes. */
static void heard(void *ctx, const char *bytes, size_t len)
{
	struct transfer *t = ctx;
	OM_AUTOFREE char *text = om_xstrndup(bytes, len);
	const char *at = strrchr(text, '\r');
	struct om_remote_progress now = t->total;
	uint64_t done = at ? strtoull(at + 1, NULL, 10) : 0;

	if (!done || !t->progress)
		return;
	now.done_bytes += done < t->size_bytes ? done : t->size_bytes;
	now.sent_bytes += done;
	t->progress(t->ctx, &now);
}

static bool send(struct transfer *t, struct om_err *err)
{
	OM_AUTOFREE char *from = om_xasprintf("%s%s", t->file->src, t->tree ? "/" : "");
	OM_AUTOFREE char *to = om_xasprintf(strchr(t->ssh->host, ':') ? "[%s]:%s" : "%s:%s",
					    t->ssh->host, t->temp);
	OM_AUTOFREE char *limit = om_xasprintf("--bwlimit=%llu",
					       (unsigned long long)t->ssh->limit_mibps << 10);
	OM_REMOTE_ANSWER answer = { 0 };
	const char *argv[] = { "rsync", "-rlptSsW", "--no-h",	 "--info=progress2",
			       limit,	"-e",	    t->ssh->rsh, "--",
			       from,	to,	    NULL,	 NULL };

	if (t->ssh->always_packed) {
		memmove(&argv[6], &argv[5], 5 * sizeof(argv[0]));
		argv[5] = "-z";
	}
	if (!remote_proc(argv, "", 0, t->ssh->stop, &answer, heard, t, err))
		return om_err_wrap(err, "rsync");
	if (answer.status == 0)
		return true;
	if (strstr(answer.err.text, "No space left on device"))
		return fail(t, "no space is left there", err);
	om_str_sanitize(om_str_strip(answer.err.text));
	return om_err_set(err, OM_E_SOURCE, "%s: rsync failed (%d): %.300s", t->file->src,
			  answer.status, answer.err.text);
}

/* rsync's other end expands what a shell would. */
static bool name_temp(struct transfer *t, struct om_err *err)
{
	const char *slash = strrchr(t->file->dst, '/');
	uint64_t random = 0;

	if (t->file->src[0] != '/' || t->file->dst[0] != '/' || !slash[1] ||
	    strlen(t->file->dst) > 4000)
		return fail(t, "no absolute name of a file", err);
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = remote_now_ms();
	snprintf(t->temp, sizeof(t->temp), "%.*s/.onemigrate-put.%016llx",
		 (int)(slash - t->file->dst), t->file->dst, (unsigned long long)random);
	if (strpbrk(t->temp, "*?[]\\"))
		return fail(t, "the name of its directory is nothing for rsync", err);
	return true;
}

static bool put_one(struct transfer *t, struct om_err *err)
{
	uint64_t before, after, bytes;
	struct stat st;
	struct om_err none;

	if (!name_temp(t, err))
		return false;
	if (lstat(t->file->src, &st) != 0 || !look(t->file->src, &before, &t->size_bytes))
		return om_err_set(err, OM_E_SOURCE, "%s: %s", t->file->src,
				  errno ? strerror(errno)
					: "not only files, directories and links");
	t->tree = S_ISDIR(st.st_mode);
	if (!run_script(t, check_script, err))
		return false;
	if (send(t, err)) {
		if (!look(t->file->src, &after, &bytes) || before != after)
			om_err_set(err, OM_E_SOURCE, "%s: it changed while it was sent",
				   t->file->src);
		else if (run_script(t, place_script, err))
			return true;
	}
	if (!run_script(t, drop_script, &none))
		om_err_wrap(err, "%s may be left there", t->temp);
	return false;
}

bool remote_ssh_put(struct remote_ssh *ssh, struct om_remote_file *files, size_t count,
		    om_remote_progress_fn *progress, void *ctx, struct om_err *err)
{
	struct transfer t = { .ssh = ssh, .progress = progress, .ctx = ctx };
	uint64_t mark, bytes;

	for (size_t i = 0; i < count; i++) {
		files[i].placed = false;
		if (look(files[i].src, &mark, &bytes))
			t.total.total_bytes += bytes;
	}
	for (size_t i = 0; i < count; i++) {
		t.file = &files[i];
		if (!put_one(&t, err))
			return false;
		files[i].placed = true;
		t.total.done_bytes += t.size_bytes;
		t.total.sent_bytes += t.size_bytes;
		if (progress)
			progress(ctx, &t.total);
	}
	return true;
}
