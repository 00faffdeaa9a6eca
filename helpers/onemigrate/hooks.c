/* SPDX-License-Identifier: Apache-2.0 */
#include "om_log.h"
#include "om_proc.h"
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAST_WORDS_MS 2000 /* the driver waits so long, and with it the network of the VM */

static void say(struct om_session *s, const char *word)
{
	char line[16];
	int n = snprintf(line, sizeof(line), "%s\n", word);

	if (s->hooks.to >= 0 && write(s->hooks.to, line, (size_t)n) != n)
		om_log(OM_LOG_WARN, "the process that runs the hooks has gone");
}

/* Takes one line out of what was read. */
static bool take_line(struct om_hooks *h, char *line, size_t size)
{
	char *end = memchr(h->spare, '\n', h->spare_len);
	size_t len;

	if (!end)
		return false;
	*end = '\0';
	len = (size_t)(end - h->spare) + 1;
	om_str_copy(line, size, h->spare);
	h->spare_len -= len;
	memmove(h->spare, h->spare + len, h->spare_len);
	return true;
}

/* False: it has ended, the time is over, or the migration is to stop. */
static bool hear(struct om_session *s, int timeout_ms, int stop_fd, char *line, size_t size)
{
	struct om_hooks *h = &s->hooks;
	struct pollfd fds[2] = { { .fd = h->from, .events = POLLIN },
				 { .fd = stop_fd, .events = POLLIN } };

	while (!take_line(h, line, size)) {
		ssize_t n;

		if (h->spare_len == sizeof(h->spare))
			h->spare_len = 0; /* it never writes such a line */
		if (poll(fds, 2, timeout_ms) <= 0 || fds[1].revents)
			return false;
		n = read(h->from, h->spare + h->spare_len, sizeof(h->spare) - h->spare_len);
		if (n <= 0)
			return false;
		h->spare_len += (size_t)n;
	}
	return true;
}

static void pass_on(const char *line)
{
	if (line[0] && line[1])
		om_log(line[0] == 'W' ? OM_LOG_WARN : OM_LOG_INFO, "%s", line + 2);
}

static bool start(struct om_session *s, const char *dir, bool notify, struct om_err *err)
{
	const char *seconds = om_knob_text(&s->knobs, OM_KNOB_MIGRATE_HOOK_SECONDS);
	const char *argv[] = { "/proc/self/exe",
			       "hooks",
			       dir,
			       s->hooks.files.dir,
			       seconds,
			       notify ? "agent" : "no",
			       s->src_uri,
			       s->dst_uri,
			       om_vir_uuid(s->vir),
			       s->req.vm_id,
			       s->args.src,
			       s->args.dst,
			       NULL };

	if (om_proc_start(argv, &s->hooks.to, &s->hooks.from) > 0)
		return true;
	s->hooks.to = s->hooks.from = -1;
	om_hook_files_remove(&s->hooks.files);
	return om_err_set(err, OM_E_INPUT, "no process for the hooks can be started");
}

static bool write_files(struct om_session *s, char **domain_xml, struct om_err *err)
{
	OM_AUTOFREE char *vm = NULL;

	return om_vir_migratable_xml(s->vir, domain_xml, err) &&
	       om_xml_req_vm(&vm, s->document, s->document_len, err) &&
	       om_hook_file_write(s->hooks.files.domain, *domain_xml, err) &&
	       om_hook_file_write(s->hooks.files.vm, vm, err);
}

static bool run_pre(struct om_session *s, struct om_err *err)
{
	char line[OM_HOOK_LINE_BYTES + 300];

	say(s, om_hook_phase_name(OM_HOOK_PRE));
	while (hear(s, -1, s->stop_fd, line, sizeof(line))) {
		if (line[0] != '=')
			pass_on(line);
		else if (line[1] && line[2])
			return om_err_set(err, OM_E_INPUT, "%s", line + 2);
		else
			return true;
	}
	if (s->stop)
		return om_err_set(err, OM_E_ABORTED, "cancelled before anything was touched");
	return om_err_set(err, OM_E_INPUT, "the process that runs the hooks has died");
}

static bool judge(const char *before, const char *after, size_t len, struct om_err *err)
{
	struct om_hook_xml old = { 0 }, new = { 0 };
	bool ok = om_xml_hook_read(&old, before, strlen(before), err) &&
		  om_xml_hook_read(&new, after, len, err) && om_hook_xml_judge(&old, &new, err);

	om_hook_xml_free(&old);
	om_hook_xml_free(&new);
	return ok;
}

/* What libvirt makes of it, it says in its call. */
static bool take_xml(struct om_session *s, const char *before, struct om_err *err)
{
	OM_AUTOFREE char *after = NULL;
	size_t len;

	if (!om_hook_file_read(s->hooks.files.domain, &after, &len, err))
		return false;
	if (len == strlen(before) && memcmp(after, before, len) == 0)
		return true;
	if (!judge(before, after, len, err))
		return false;
	for (size_t i = 0; i < s->plan.attempt_count; i++)
		om_params_set_text(&s->plan.attempts[i].params, "destination_xml", after, "hooks");
	om_log(OM_LOG_INFO, "the domain on the destination is as the hooks wrote it");
	return true;
}

static bool has_hooks(const char *dir)
{
	struct om_strv names = { 0 }, skipped = { 0 };
	bool any;

	om_hooks_list(dir, &names, &skipped);
	for (size_t i = 0; i < skipped.n; i++)
		om_log(OM_LOG_WARN, "%s", skipped.v[i]);
	any = names.n;
	om_strv_free(&names);
	om_strv_free(&skipped);
	return any;
}

static bool has_guest_to_tell(const struct om_session *s)
{
	if (!om_knob_number(&s->knobs, OM_KNOB_MIGRATE_NOTIFY))
		return false;
	if (!s->dom.has_guest_agent)
		om_log(OM_LOG_DEBUG, "the guest is not told: it has no channel for an agent");
	return s->dom.has_guest_agent;
}

bool om_hooks_pre(struct om_session *s, struct om_err *err)
{
	const char *dir = getenv("ONEMIGRATE_HOOKS");
	OM_AUTOFREE char *domain_xml = NULL;
	bool any = dir && has_hooks(dir), notify = has_guest_to_tell(s);

	if (!any && !notify)
		return true;
	/* The process first: who removes the files has to be there before they are. */
	if (!om_hook_files_make(&s->hooks.files, err) || !start(s, any ? dir : "", notify, err))
		return false;
	if (any && !write_files(s, &domain_xml, err)) {
		s->hooks.over = true; /* none has run */
		return false;
	}
	return run_pre(s, err) && (!domain_xml || take_xml(s, domain_xml, err));
}

void om_hooks_switched(struct om_session *s)
{
	if (!s->hooks.switched)
		say(s, om_hook_phase_name(OM_HOOK_SWITCHED));
	s->hooks.switched = true;
}

void om_hooks_end(struct om_session *s, enum om_verdict verdict)
{
	bool expected = false;

	switch (verdict) {
	case OM_VERDICT_DEST:
	case OM_VERDICT_DEST_LEFTOVER:
		om_hooks_switched(s);
		if (atomic_compare_exchange_strong(&s->hooks.over, &expected, true))
			say(s, om_hook_phase_name(OM_HOOK_POST));
		break;
	case OM_VERDICT_SOURCE:
	case OM_VERDICT_SOURCE_LEFTOVER:
		if (atomic_compare_exchange_strong(&s->hooks.over, &expected, true))
			say(s, om_hook_phase_name(OM_HOOK_FAILED));
		break;
	default: /* nobody knows what they should be told */
		break;
	}
}

void om_hooks_wait(struct om_session *s)
{
	uint64_t until_ms = om_now_ms() + LAST_WORDS_MS, now;
	char line[OM_HOOK_LINE_BYTES + 300];

	if (s->hooks.from < 0 || !s->hooks.over)
		return;
	while ((now = om_now_ms()) < until_ms &&
	       hear(s, (int)(until_ms - now), -1, line, sizeof(line)))
		pass_on(line);
}

void om_hooks_leave(struct om_session *s)
{
	if (s->shared->answered && s->shared->kind == OM_ANSWER_EXIT && s->shared->exit_status &&
	    !s->shared->touched)
		om_hooks_end(s, OM_VERDICT_SOURCE);
}
