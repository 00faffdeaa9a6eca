/* SPDX-License-Identifier: Apache-2.0 */
/* `onemigrate hooks`: runs the hooks of one migration, as its working process says by words on
 * stdin. One thread, no library; see hooks.h. */
#include "cmd.h"
#include "hooks.h"
#include "om_agent.h"
#include "om_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct runner {
	const char *dir, *src_uri, *dst_uri, *uuid;
	struct om_hook_files files;
	uint32_t limit_ms;
	bool notify, told;     /* the guest is to be told; was told of the beginning */
	struct om_agent agent; /* of the destination, opened in time */
};

/* To the working process as long as it reads, then to syslog. */
static void report(char kind, const char *fmt, ...) OM_PRINTF(2, 3);
static void report(char kind, const char *fmt, ...)
{
	char line[OM_HOOK_LINE_BYTES + 300];
	va_list args;
	size_t len;

	line[0] = kind;
	line[1] = ' ';
	va_start(args, fmt);
	vsnprintf(line + 2, sizeof(line) - 3, fmt, args);
	va_end(args);
	om_str_sanitize(line);
	len = strlen(line);
	line[len] = '\n';
	if (write(STDOUT_FILENO, line, len + 1) == (ssize_t)len + 1)
		return;
	line[len] = '\0';
	om_log_syslog("%s%s", kind == 'W' ? "WARN: " : "", line + 2);
}

struct saying {
	const char *name;
};

static void print_line(void *ctx, const char *text)
{
	report('I', "hook %s: %s", ((const struct saying *)ctx)->name, text);
}

/* To see whether a hook has changed the file: not what was changed. */
static struct stat stamp(const struct runner *r)
{
	struct stat st = { 0 };

	if (stat(r->files.domain, &st) < 0)
		st.st_ino = 0;
	return st;
}

static bool is_other(const struct stat *a, const struct stat *b)
{
	return a->st_ino != b->st_ino || a->st_size != b->st_size ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static bool run_one(const struct runner *r, enum om_hook_phase phase, const char *name,
		    struct om_err *err)
{
	struct om_hook_call call = { .dir = r->dir,
				     .name = name,
				     .phase = phase,
				     .files = &r->files,
				     .timeout_ms = r->limit_ms,
				     .stop_fd = phase == OM_HOOK_PRE ? STDIN_FILENO : -1 };
	struct saying saying = { name };
	struct stat before = stamp(r), after;
	bool ok = om_hook_run(&call, print_line, &saying, err);

	after = stamp(r);
	if (ok && phase == OM_HOOK_PRE && is_other(&before, &after))
		report('I', "hook %s has written the domain XML", name);
	return ok;
}

/* In `pre` the first that fails ends it, later all are run. */
static bool run_all(const struct runner *r, enum om_hook_phase phase, struct om_err *err)
{
	struct om_strv names = { 0 }, skipped = { 0 };
	bool ok = true;

	setenv("ONEMIGRATE_PHASE", om_hook_phase_name(phase), 1);
	if (*r->dir)
		om_hooks_list(r->dir, &names, &skipped);
	for (size_t i = 0; i < names.n && (ok || phase != OM_HOOK_PRE); i++) {
		ok = run_one(r, phase, names.v[i], err);
		if (!ok && phase != OM_HOOK_PRE)
			report('W', "%s (phase %s)", err->msg, om_hook_phase_name(phase));
	}
	om_strv_free(&names);
	om_strv_free(&skipped);
	return ok;
}

static bool tell_guest(struct om_agent *agent, const char *uuid, enum om_agent_word word)
{
	const char *when = word == OM_AGENT_BEFORE ? "before" : "after";
	struct om_err err;
	bool told = om_agent_tell(agent, uuid, word, word == OM_AGENT_BEFORE ? STDIN_FILENO : -1,
				  &err);

	report('I', "the guest was %s by its agent (%s)%s%s", told ? "told" : "not told", when,
	       *err.msg ? ": " : "", err.msg);
	return told;
}

static bool tell_guest_at(const struct runner *r, const char *uri, enum om_agent_word word)
{
	struct om_agent agent = { 0 };
	bool told;

	om_agent_open(&agent, uri);
	told = tell_guest(&agent, r->uuid, word);
	om_agent_close(&agent);
	return told;
}

static void pre(struct runner *r)
{
	struct om_err err = { 0 };
	bool ok = run_all(r, OM_HOOK_PRE, &err);

	/* Last, so that a guest hears nothing of a migration that is not to be. */
	r->told = ok && r->notify && tell_guest_at(r, r->src_uri, OM_AGENT_BEFORE);
	if (r->told)
		om_agent_open(&r->agent, r->dst_uri);
	report('=', "%s", ok ? "" : err.msg);
}

static void post(struct runner *r)
{
	struct om_err err = { 0 };

	if (r->told)
		tell_guest(&r->agent, r->uuid, OM_AGENT_AFTER);
	run_all(r, OM_HOOK_POST, &err);
}

static void failed(struct runner *r)
{
	struct om_err err = { 0 };

	if (r->told)
		tell_guest_at(r, r->src_uri, OM_AGENT_AFTER);
	run_all(r, OM_HOOK_FAILED, &err);
}

/* False at the end of stdin, or for what is no word of ours. */
static bool read_word(enum om_hook_phase *phase)
{
	char word[16], c;
	size_t len = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &c, 1)) == 1 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if (c == '\n') {
			word[len] = '\0';
			return om_hook_phase_parse(word, phase);
		}
		if (len + 1 == sizeof(word))
			return false;
		word[len++] = c;
	}
	return false;
}

/* Until the last word, or until nobody can say it any more. */
static void serve(struct runner *r)
{
	struct om_err err = { 0 };
	enum om_hook_phase phase;

	while (read_word(&phase)) {
		switch (phase) {
		case OM_HOOK_PRE:
			pre(r);
			break;
		case OM_HOOK_SWITCHED:
			run_all(r, phase, &err);
			break;
		case OM_HOOK_POST:
			post(r);
			return;
		default:
			failed(r);
			return;
		}
	}
}

int om_cmd_hooks(int argc, char **argv)
{
	struct runner r = { 0 };
	uint64_t seconds;

	if (argc != 11 || !om_parse_u64(argv[3], 1, 3600, &seconds))
		return 2;
	om_log_open(argv[8]);
	signal(SIGPIPE, SIG_IGN);
	fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	r.dir = argv[1];
	om_hook_files_name(&r.files, argv[2]);
	r.limit_ms = (uint32_t)seconds * 1000;
	r.notify = strcmp(argv[4], "agent") == 0;
	r.src_uri = argv[5];
	r.dst_uri = argv[6];
	r.uuid = argv[7];
	setenv("ONEMIGRATE_UUID", argv[7], 1);
	setenv("ONEMIGRATE_VM_ID", argv[8], 1);
	setenv("ONEMIGRATE_SRC", argv[9], 1);
	setenv("ONEMIGRATE_DST", argv[10], 1);
	if (chdir("/") == 0)
		serve(&r);
	om_agent_close(&r.agent);
	om_hook_files_remove(&r.files);
	return 0;
}
