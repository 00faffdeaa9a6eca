/* SPDX-License-Identifier: Apache-2.0 */
/* onemigrate plan: what `migrate` would do with a VM, and how it would go. */
#include "cmd.h"
#include "move.h"
#include "session.h"
#include "vm_args.h"

#include "om_hook.h"
#include "om_plan_words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EXIT_NO_PLAN 1

#define EXACT_LIBVIRT 8001000 /* from these versions on each page can be counted */
#define EXACT_QEMU 6002000
#define LEAST_COPY_MS 1000 /* a shorter one says nothing of its link */
#define SEEN_MOST 3	   /* of the newest copies on that way the middle one counts */

static const char usage[] =
	"Usage: onemigrate plan VM HOST [--json] [--document FILE]\n"
	"\n"
	"Tells what a migration of VM from this host to HOST would do, and how it would go: for that\n"
	"it measures for four to six seconds how fast the guest writes its memory. Touches nothing. VM\n"
	"is an OpenNebula id, a name or a UUID of a VM on this host.\n"
	"\n"
	"  --json           one JSON object\n"
	"  --document FILE  OpenNebula's VMM_DRIVER_ACTION_DATA (- is stdin); without it what it\n"
	"                   would tell is taken from the domain\n"
	"  --help           this text\n"
	"\n"
	"Exit status: 0 there is a plan, 1 there is none (the reason is on stderr), 2 wrong usage.\n";

/* ---- the session ---- */

static bool read_document(const char *path, struct om_buf *buf, struct om_err *err)
{
	OM_AUTOCLOSE int opened = -1;
	char piece[65536];
	ssize_t n;
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0)
		fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	/* What is too long is told by the reader, so one byte more is kept. */
	while (fd >= 0 && buf->len <= OM_REQ_MAX_BYTES &&
	       (n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fd = -1;
		else
			om_buf_add(buf, piece, (size_t)n);
	}
	return fd >= 0 || om_err_set(err, OM_E_INPUT, "%s: %s", path, strerror(errno));
}

static bool is_named(const struct om_session *s, const struct om_vm_args *args, struct om_err *err)
{
	const struct om_req *req = &s->req;
	bool vm = strcmp(args->vm, req->vm_id) == 0 || strcmp(args->vm, req->deploy_id) == 0 ||
		  (s->dom.name && strcmp(args->vm, s->dom.name) == 0) ||
		  (s->dom.uuid && om_str_eq_nocase(args->vm, s->dom.uuid));

	return (vm && strcmp(args->host, req->dst_host) == 0) ||
	       om_err_set(err, OM_E_INPUT, "the document is of another migration: VM %s to %s",
			  req->vm_id, req->dst_host);
}

static bool open_session(struct om_session *s, const struct om_vm_args *args, struct om_err *err)
{
	struct om_buf document = { 0 };
	bool ok;

	if (!args->own)
		return om_session_by_hand(s, args->vm, NULL, args->host, err);
	prctl(PR_SET_DUMPABLE, 0); /* it holds secrets of the datastore */
	ok = read_document(args->own, &document, err) &&
	     om_session_by_document(s, document.text ? document.text : "", document.len, err) &&
	     is_named(s, args, err);
	free(document.text);
	return ok;
}

static bool make_plan(struct om_session *s, struct om_err *err)
{
	if (om_str_empty(s->dom.uuid))
		return om_err_set(err, OM_E_INPUT, "VM %s is not on this host", s->args.vm_id);
	om_checkup_ask(s);
	om_checkup_close(s);
	return om_session_draft(s, err);
}

/* ---- what the prediction needs ---- */

struct seen {
	const struct om_session *s;
	char addr[OM_ADDR_TEXT];
	struct {
		uint64_t epoch_ms, rate;
	} v[SEEN_MOST]; /* the newest first */
	size_t n;
};

/* Held back by a limit, it would tell that limit; compressed, the speed of the processors. */
static void see(const struct om_state *record, void *ctx)
{
	struct seen *seen = ctx;
	uint64_t rate = om_history_rate(record);
	size_t at = seen->n;

	if (record->phase != OM_PHASE_DONE || !rate || record->copy_ms < LEAST_COPY_MS ||
	    record->bandwidth_bytes_ps || record->packed_permille ||
	    strcmp(record->dst, seen->s->args.dst) != 0 ||
	    strcmp(record->path_addr, seen->addr) != 0)
		return;
	while (at && seen->v[at - 1].epoch_ms < record->updated_epoch_ms)
		at--;
	if (at == SEEN_MOST)
		return;
	seen->n += seen->n < SEEN_MOST;
	for (size_t i = seen->n - 1; i > at; i--)
		seen->v[i] = seen->v[i - 1];
	seen->v[at].epoch_ms = record->updated_epoch_ms;
	seen->v[at].rate = rate;
}

static uint64_t seen_before(const struct om_session *s)
{
	struct seen seen = { .s = s };
	uint64_t low, high;

	if (s->plan.attempts[0].path == OM_PATH_FAST && s->plan.fast.have_addr)
		om_addr_print(&s->plan.fast.addr, seen.addr);
	om_history_each(see, &seen);
	if (seen.n < SEEN_MOST)
		return seen.n ? seen.v[0].rate : 0;
	low = seen.v[0].rate < seen.v[1].rate ? seen.v[0].rate : seen.v[1].rate;
	high = seen.v[0].rate < seen.v[1].rate ? seen.v[1].rate : seen.v[0].rate;
	return seen.v[2].rate < low ? low : seen.v[2].rate > high ? high : seen.v[2].rate;
}

/* Of the interface by which the memory leaves; 0 = not known. */
static uint64_t link_bytes_ps(const struct om_session *s)
{
	struct om_route route = s->plan.fast.route;
	struct om_addr addr;
	struct om_err ignored;

	if (s->plan.attempts[0].path != OM_PATH_FAST &&
	    !(s->host.resolve(s->host.ctx, s->args.dst, &addr, &ignored) &&
	      s->host.route(s->host.ctx, &addr, &route, &ignored)))
		return 0;
	return om_link_bytes_ps(route.speed_mbit);
}

static bool is_emulated(const struct om_session *s)
{
	return strcmp(s->dom.virt_type, "kvm") != 0;
}

static void measure(struct om_session *s, struct om_predict_facts *facts,
		    struct om_vir_dirty *dirty)
{
	struct om_versions versions = { 0 };
	bool exact;

	om_vir_versions(s->vir, &versions);
	/* QEMU does not count the pages of an emulated processor. */
	exact = !is_emulated(s) && versions.src_libvirt >= EXACT_LIBVIRT &&
		versions.src_qemu >= EXACT_QEMU;
	om_vir_measure_dirty(s->vir, exact, dirty);
	facts->dirty_known = dirty->known;
	facts->dirty_1s_bytes = dirty->in_1s_bytes;
	facts->dirty_1s_times = dirty->in_1s_times;
	facts->dirty_3s_bytes = dirty->in_3s_bytes;
	facts->dirty_grain_bytes = dirty->grain_bytes;
}

static bool is_packed(const struct om_plan *plan)
{
	return plan->transport.compression == OM_COMPRESSION_ZSTD ||
	       plan->transport.compression == OM_COMPRESSION_ZLIB;
}

static void gather(struct om_session *s, struct om_predict_facts *facts, struct om_vir_dirty *dirty)
{
	const struct om_plan *plan = &s->plan;
	struct om_side side = { 0 };

	om_vir_side(s->vir, OM_VIR_SRC, &side);
	*facts = (struct om_predict_facts){
		.total_bytes = s->dom.memory_kib * 1024,
		.resident_bytes = s->facts.populated_bytes,
		.emulated = is_emulated(s),
		.link_bytes_ps = link_bytes_ps(s),
		.limit_bytes_ps = plan->limits.bandwidth_bytes_ps,
		.disk_bytes = plan->disks.mirror_bytes + plan->disks.send_bytes,
		.disk_limit_bytes_ps = plan->disks.mirrors * (plan->disks.mirror_mibps << 20),
		.seen_bytes_ps = seen_before(s),
		.limits = plan->limits,
		.paused = side.state == OM_SIDE_PAUSED,
		.start_ms = plan->downtime_start_ms,
		.postcopy_after_precopy = plan->postcopy_after_precopy,
		.auto_converge = plan->flags & OM_FLAG_AUTO_CONVERGE,
		.timeout_s = plan->timeout_s,
		.timeout_action = plan->timeout_action,
	};
	if (is_packed(plan) && plan->transport.expected_bytes_ps) {
		/* Of memory: what earlier ones had on the wire says nothing of that. */
		facts->link_bytes_ps = plan->transport.expected_bytes_ps;
		facts->seen_bytes_ps = 0;
		facts->queue_ms = plan->transport.expected_queue_ms;
	}
	if (facts->limits.deadline_ms)
		facts->limits.deadline_ms -= s->facts.begun_ms;
	if (!facts->paused)
		measure(s, facts, dirty);
}

static void predict(struct om_session *s, struct om_prediction *prediction)
{
	struct om_vir_dirty dirty = { 0 };
	struct om_predict_facts facts;
	size_t len;

	gather(s, &facts, &dirty);
	om_predict(prediction, &facts);
	len = strlen(prediction->why);
	if (!prediction->known && *dirty.why)
		snprintf(prediction->why + len, sizeof(prediction->why) - len, ": %s", dirty.why);
}

static enum om_images images(const struct om_session *s)
{
	if (s->req.shared)
		return OM_IMAGES_SHARED;
	switch (om_checkup_same_disks(s)) {
	case OM_SAME_YES:
		return OM_IMAGES_FOUND_SAME;
	case OM_SAME_NO:
		return OM_IMAGES_APART;
	default:
		return s->req.shared_known ? OM_IMAGES_UNKNOWN : OM_IMAGES_UNSAID;
	}
}

static bool has_files(const struct om_dom *dom)
{
	for (size_t i = 0; i < dom->disk_count; i++)
		if (dom->disks[i].kind == OM_DISK_FILE)
			return true;
	return false;
}

static void find_hooks(const struct om_session *s, struct om_plan_words *words)
{
	const char *dir = getenv("ONEMIGRATE_HOOKS");

	if (dir)
		om_hooks_list(dir, &words->hooks, &words->hooks_skipped);
	words->notify = s->dom.has_guest_agent && om_knob_number(&s->knobs, OM_KNOB_MIGRATE_NOTIFY);
}

static void print(struct om_session *s, const struct om_vm_args *args)
{
	struct om_prediction prediction = { 0 };
	struct om_plan_words words = {
		.vm_id = s->req.vm_id,
		.vm_name = s->req.vm_name,
		.src = s->args.src,
		.dst = s->args.dst,
		.by_hand = !args->own,
		.stock_reason = om_session_stock_case(s),
		.plan = &s->plan,
		.dom = &s->dom,
		.images = images(s),
		.sync_time = om_knob_number(&s->knobs, OM_KNOB_SYNC_TIME),
		.prediction = &prediction,
	};
	const char *obstacle = om_session_stock_obstacle(s->shared);
	struct om_buf buf = { 0 };

	find_hooks(s, &words);
	if (!words.stock_reason && words.images == OM_IMAGES_APART && has_files(&s->dom) &&
	    !s->plan.disk_facts)
		words.stock_reason = om_storage_why_stock(s);
	if (words.stock_reason)
		snprintf(prediction.why, sizeof(prediction.why), "OpenNebula's own script %s%s",
			 obstacle ? obstacle : "would do it",
			 obstacle ? ": it would be refused" : "");
	else
		predict(s, &prediction);
	(args->json ? om_plan_words_json : om_plan_words_text)(&buf, &words);
	fputs(buf.text, stdout);
	free(buf.text);
	om_strv_free(&words.hooks);
	om_strv_free(&words.hooks_skipped);
}

static bool tell(struct om_session *s, const struct om_vm_args *args, struct om_err *err)
{
	if (args->own && om_session_is_move(s))
		return om_mover_plan(s, args->json, err);
	if (!om_mover_by_hand(s, err) || !make_plan(s, err))
		return false;
	print(s, args);
	return true;
}

int om_cmd_plan(int argc, char **argv)
{
	static const struct option own = { "document", required_argument, NULL, 0 };
	static struct om_session s;
	struct om_vm_args args;
	struct om_err err = { 0 };
	int exit_status;

	if (!om_vm_host_args(&args, argc, argv, usage, &own, &exit_status))
		return exit_status;
	if (!open_session(&s, &args, &err) || !tell(&s, &args, &err)) {
		fprintf(stderr, "onemigrate: %s\n", err.msg);
		return EXIT_NO_PLAN;
	}
	return 0;
}
