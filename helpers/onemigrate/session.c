/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"
#include "environ.h"

#include "om_log.h"
#include "om_proc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t om_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The settings among the attributes of a template. */
static size_t template_sources(struct om_knob_source *sources, const struct om_pairs *attributes,
			       enum om_origin origin)
{
	size_t n = 0;

	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		const char *name = om_knob_table[id].name;
		const char *value = om_pairs_get(attributes, name);

		if (!om_str_empty(value))
			sources[n++] = (struct om_knob_source){ name, value, origin };
	}
	return n;
}

static bool resolve_knobs(struct om_session *s, struct om_err *err)
{
	struct om_knob_source sources[OM_KNOB_COUNT * 3];
	struct om_strv texts = { 0 };
	size_t n = om_environ_sources(sources, &texts);
	struct om_clock clock;
	bool ok;

	n += template_sources(sources + n, &s->req.ds_template, OM_ORIGIN_DATASTORE);
	n += template_sources(sources + n, &s->req.user_template, OM_ORIGIN_VM);
	/* A deadline counts from the start of the program, as begun_ms does. */
	om_clock_local(&clock, om_epoch_ms() - (om_now_ms() - s->begun_ms));
	s->facts.begun_ms = s->begun_ms;
	ok = om_knobs_resolve(&s->knobs, sources, n, &clock, err);
	om_strv_free(&texts);
	return ok;
}

static void tell_notes(const struct om_session *s)
{
	for (size_t i = 0; i < s->knobs.notes.n; i++)
		om_log(OM_LOG_DEBUG, "%s", s->knobs.notes.v[i]);
}

/* ssh with a time limit and keepalive, as a wrapper beside this program; libvirt has no option for it. */
static void wrapper_query(char *query, size_t size)
{
	char dir[256], path[300];

	om_str_copy(query, size, "no_tty=1");
	if (!om_proc_own_dir(dir, sizeof(dir)) ||
	    strspn(dir, "abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") != strlen(dir))
		return;
	for (int up = 0; up < 2; up++) {
		snprintf(path, sizeof(path), "%s%s/ssh", dir, up ? "/.." : "");
		if (access(path, X_OK) == 0) {
			snprintf(query, size, "no_tty=1&command=%s", path);
			return;
		}
	}
}

static void make_uris(struct om_session *s)
{
	const char *protocol = om_knob_text(&s->knobs, OM_KNOB_QEMU_PROTOCOL);
	char query[400] = "";

	if (strcmp(protocol, "qemu+ssh") == 0)
		wrapper_query(query, sizeof(query));
	om_uri_libvirt(s->dst_uri, sizeof(s->dst_uri), protocol, s->args.dst, query);
	if (s->args.local)
		om_uri_libvirt(s->src_uri, sizeof(s->src_uri), protocol, s->args.src, query);
	else
		om_str_copy(s->src_uri, sizeof(s->src_uri),
			    om_knob_text(&s->knobs, OM_KNOB_LIBVIRT_URI));
}

static bool args_agree(const struct om_session *s, struct om_err *err)
{
	const struct om_req *req = &s->req;

	if (strcmp(req->dst_host, s->args.dst) || strcmp(req->src_host, s->args.src) ||
	    strcmp(req->vm_id, s->args.vm_id) || strcmp(req->deploy_id, s->args.deploy_id))
		return om_err_set(
			err, OM_E_INPUT,
			"the arguments and the document on stdin name different migrations");
	return true;
}

/* That script reads MIGRATE_OPTIONS from kvmrc and the environment alone, and its virsh encrypts by
 * a word there. Within one host nothing is sent. */
static bool stock_lacks_tls(const struct om_session *s)
{
	const struct om_knob_value *options = &s->knobs.v[OM_KNOB_MIGRATE_OPTIONS];

	return om_str_eq_nocase(om_knob_text(&s->knobs, OM_KNOB_MIGRATE_TLS), "required") &&
	       strcmp(s->args.src, s->args.dst) != 0 &&
	       (options->origin > OM_ORIGIN_KVMRC || !om_opts_say_tls(options->text));
}

const char *om_session_stock_obstacle(const struct om_shared *shared)
{
	if (shared->strict && shared->fast_configured)
		return "does not know the fast network, and MIGRATE_NETWORK_POLICY is strict";
	return shared->tls_required ? "does not encrypt, and MIGRATE_TLS is required" : NULL;
}

bool om_session_settings(struct om_session *s, struct om_err *err)
{
	if (!resolve_knobs(s, err))
		return false;
	om_log_debug_enable(om_knob_number(&s->knobs, OM_KNOB_MIGRATE_DEBUG));
	tell_notes(s);
	if (!om_opts_parse(&s->opts, om_knob_text(&s->knobs, OM_KNOB_MIGRATE_OPTIONS), err))
		return false;
	om_opts_add_features(&s->opts, s->req.auto_converge, s->req.compressed);
	om_transport_settle_features(&s->opts, &s->knobs);
	s->shared->fast_configured =
		!om_str_empty(om_knob_text(&s->knobs, OM_KNOB_MIGRATE_NETWORK)) ||
		!om_str_empty(om_knob_text(&s->knobs, OM_KNOB_DEST_HOST_APPEND));
	s->shared->strict = om_knob_number(&s->knobs, OM_KNOB_MIGRATE_NETWORK_POLICY) == 1;
	s->shared->tls_required = stock_lacks_tls(s);
	s->shared->asked_paused = s->opts.flags & OM_FLAG_PAUSED;
	make_uris(s);
	return true;
}

bool om_session_read(struct om_session *s, const char *document, size_t len, struct om_err *err)
{
	return om_xml_req_parse(&s->req, document, len, err) && args_agree(s, err) &&
	       om_session_settings(s, err);
}

/* The first answer counts: the main thread may have given one for a signal. */
static void give(struct om_session *s, enum om_answer_kind kind, int exit_status, const char *text)
{
	pthread_mutex_lock(&s->lock);
	if (!s->shared->answered) {
		s->shared->kind = kind;
		s->shared->exit_status = exit_status;
		om_str_copy(s->shared->sentence, sizeof(s->shared->sentence), text);
		s->shared->answered = true;
	}
	pthread_mutex_unlock(&s->lock);
}

void om_session_answer(struct om_session *s, int exit_status, const char *fmt, ...)
{
	char text[sizeof(s->shared->sentence)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	give(s, OM_ANSWER_EXIT, exit_status, text);
}

void om_session_leave_to_stock(struct om_session *s, const char *why)
{
	give(s, OM_ANSWER_STOCK, 0, why);
}
