/* SPDX-License-Identifier: Apache-2.0 */
/* A move between datastores of one host, from the request to the answer: the worker thread's. */
#include "move.h"

#include "om_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_JOB_WAIT_MS 5000 /* as stock */

bool om_session_is_move(const struct om_session *s)
{
	return strcmp(s->req.src_host, s->req.dst_host) == 0 && !s->args.local;
}

/* ---- before ---- */

static void set_asking(struct om_session *s, bool asking)
{
	pthread_mutex_lock(&s->lock);
	s->phase_since_ms = om_now_ms();
	s->asking = asking;
	pthread_mutex_unlock(&s->lock);
}

static bool connect_here(struct om_session *s, struct om_err *err)
{
	if (!om_vir_init(err))
		return false;
	s->vir = om_vir_new(s->src_uri, s->src_uri);
	s->identified = om_vir_open(s->vir, OM_VIR_SRC, err) &&
			om_vir_open(s->vir, OM_VIR_MON, err) &&
			om_vir_identify(s->vir, s->args.deploy_id, err);
	return s->identified;
}

/* What is asked of the copies: other limits are for memory. */
void om_mover_set_limits(struct om_session *s)
{
	const struct om_param *option = om_params_get(&s->opts.params, "bandwidth");
	uint64_t left_ms = om_knob_number(&s->knobs, OM_KNOB_MIGRATE_DEADLINE);
	enum om_policy policy = (enum om_policy)om_knob_number(&s->knobs, OM_KNOB_MIGRATE_POLICY);
	uint64_t mibps = option ? option->number
				: om_knob_number(&s->knobs, OM_KNOB_MIGRATE_BANDWIDTH_MIBPS);

	s->plan.limits.bandwidth_bytes_ps = mibps << 20;
	s->plan.limits.deadline_ms = left_ms && om_policy_ends_at_deadline(policy)
					     ? s->begun_ms + left_ms
					     : 0;
}

/* "node01:100", as both ends are on one host. */
static void name_end(char *text, size_t size, const char *host, const char *dir)
{
	const char *slash = strrchr(dir, '/'), *ds = slash;

	while (ds > dir && ds[-1] != '/')
		ds--;
	snprintf(text, size, "%s:%.*s", host, (int)(slash - ds), ds);
}

static void publish(struct om_mover_session *ms)
{
	struct om_session *s = ms->s;
	struct om_state *state = &s->state;

	pthread_mutex_lock(&s->lock);
	om_str_copy(state->uuid, sizeof(state->uuid), om_vir_uuid(s->vir));
	om_str_copy(state->vm_id, sizeof(state->vm_id), s->req.vm_id);
	om_str_copy(state->vm_name, sizeof(state->vm_name), s->req.vm_name);
	name_end(state->src, sizeof(state->src), s->args.src, s->req.src_base_path);
	om_str_copy(state->dst, sizeof(state->dst), s->args.dst);
	if (ms->dst_dir) {
		name_end(state->dst, sizeof(state->dst), s->args.dst, ms->dst_dir);
		name_end(state->src, sizeof(state->src), s->args.src, ms->src_dir);
	}
	om_state_boot_id(state->boot_id);
	state->pid = getpid();
	state->started_epoch_ms = state->started_epoch_ms ? state->started_epoch_ms : om_epoch_ms();
	state->phase = OM_PHASE_PREPARE;
	state->bandwidth_bytes_ps = s->plan.limits.bandwidth_bytes_ps;
	pthread_mutex_unlock(&s->lock);
}

static void lock_vm(struct om_mover_session *ms)
{
	struct om_session *s = ms->s;
	struct om_err err = { 0 };

	if (!s->host.lock(s->host.ctx, om_vir_uuid(s->vir), &s->stop, &err) && !s->stop)
		om_log(OM_LOG_WARN, "no lock and no state file: %s", err.msg);
	publish(ms);
}

static void wait_a_moment(struct om_session *s)
{
	for (uint32_t ms = 0; ms < BLOCK_JOB_WAIT_MS && !s->stop; ms += 100)
		usleep(100000);
}

/* A backup, a snapshot that is committed: they end, and are waited for as stock does. */
static bool wait_for_block_jobs(struct om_session *s, struct om_err *err)
{
	uint64_t tries = om_knob_number(&s->knobs, OM_KNOB_VIRSH_TRIES);
	char target[32];

	for (uint64_t i = 1; om_vir_block_job(s->vir, &s->dom, target, sizeof(target)); i++) {
		if (s->stop || i >= tries)
			return om_err_set(err, OM_E_INPUT,
					  "disk %s has an active block job (asked %llu times)",
					  target, (unsigned long long)i);
		om_log(OM_LOG_INFO, "disk %s has an active block job; trying again in 5 s", target);
		wait_a_moment(s);
	}
	return true;
}

static bool is_running(struct om_session *s, struct om_err *err)
{
	struct om_side side;

	om_vir_side(s->vir, OM_VIR_SRC, &side);
	if (side.job)
		return om_err_set(err, OM_E_INPUT, "another job of this VM is active");
	return side.state == OM_SIDE_RUNNING || side.state == OM_SIDE_ROLLED_BACK ||
	       side.state == OM_SIDE_PAUSED ||
	       om_err_set(err, OM_E_INPUT, "the VM does not run on %s (%s)", s->args.src,
			  om_side_state_name(side.state));
}

static bool prepare(struct om_mover_session *ms, struct om_err *err)
{
	struct om_session *s = ms->s;
	bool ok;

	om_mover_set_limits(s);
	set_asking(s, true);
	ok = connect_here(s, err);
	set_asking(s, false);
	if (!ok)
		return false;
	lock_vm(ms);
	set_asking(s, true);
	ok = is_running(s, err) && om_mover_gather(ms, OM_MOVER_RUN, err);
	publish(ms);
	set_asking(s, false);
	return ok && wait_for_block_jobs(s, err) && om_move_decide(&ms->move, &ms->facts, err);
}

/* ---- afterwards ---- */

static void print_plan(const struct om_mover_session *ms)
{
	struct om_buf buf = { 0 };

	for (size_t i = 0; i < ms->move.infos.n; i++)
		om_log(OM_LOG_INFO, "%s", ms->move.infos.v[i]);
	for (size_t i = 0; i < ms->move.warnings.n; i++)
		om_log(OM_LOG_WARN, "%s", ms->move.warnings.v[i]);
	om_move_print(&buf, &ms->move);
	for (char *save = NULL, *line = strtok_r(buf.text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		om_log(OM_LOG_DEBUG, "plan: %s", line);
	free(buf.text);
}

/* What runs after this may take none of it for a leftover, but for copies that never were whole. */
static void keep_everything(struct om_mover_session *ms)
{
	struct om_err err = { 0 };

	for (size_t i = 0; ms->journal && i < om_move_journal_count(ms->journal); i++) {
		const char *name = om_move_journal_name(ms->journal, i, NULL);
		bool half = false;

		for (size_t k = 0; k < ms->move.disk_count; k++) {
			const struct om_move_disk *d = &ms->move.disks[k];
			bool kept;

			om_move_journal_name(ms->journal, i, &kept);
			half = half ||
			       (d->way == OM_MOVE_COPY && !kept && strcmp(d->name, name) == 0);
		}
		if (*name && !half && !om_move_journal_keep(ms->journal, name, true, &err))
			om_log(OM_LOG_WARN, "%s", err.msg);
	}
}

static void close_journal(struct om_mover_session *ms, enum om_move_verdict verdict)
{
	if (verdict == OM_MOVE_MIXED || verdict == OM_MOVE_UNKNOWN)
		keep_everything(ms);
	om_move_journal_close(ms->journal, verdict == OM_MOVE_DONE);
	ms->journal = NULL;
}

static void set_result(struct om_session *s, enum om_phase phase, const char *text)
{
	pthread_mutex_lock(&s->lock);
	s->state.phase = phase;
	om_str_copy(s->state.result, sizeof(s->state.result), text);
	pthread_mutex_unlock(&s->lock);
}

static void summarise(struct om_mover_session *ms)
{
	struct om_session *s = ms->s;
	uint64_t total = s->state.disk_total_bytes ? s->state.disk_total_bytes
						   : ms->move.copy_bytes;
	uint64_t took_ms = om_now_ms() - ms->copy_begun_ms;
	char text[256];

	snprintf(text, sizeof(text), "done in %.1f s: %llu MiB at %llu MiB/s to %.120s",
		 (double)(om_now_ms() - s->begun_ms) / 1000, (unsigned long long)total >> 20,
		 (unsigned long long)(took_ms ? total * 1000 / took_ms : 0) >> 20, ms->dst_dir);
	om_log(OM_LOG_INFO, "%s", text);
	pthread_mutex_lock(&s->lock);
	s->state.sent_bytes = total;
	s->state.copy_ms = took_ms;
	s->state.disk_remaining_bytes = 0;
	pthread_mutex_unlock(&s->lock);
	set_result(s, OM_PHASE_DONE, text);
}

static void answer(struct om_mover_session *ms, const struct om_move_end *end)
{
	struct om_session *s = ms->s;
	const char *what = end->has_err ? end->err.msg : "the move failed";
	char where[700];

	if (end->verdict == OM_MOVE_DONE) {
		summarise(ms);
		om_session_answer(s, 0, "moved");
		return;
	}
	if (end->has_err && end->err.code == OM_E_ABORTED && *s->requests.cancelled)
		what = s->requests.cancelled;
	om_move_whereabouts(end, &ms->move, s->args.src, where, sizeof(where));
	set_result(s, end->verdict == OM_MOVE_NOT ? OM_PHASE_FAILED : OM_PHASE_UNKNOWN, what);
	om_log_syslog("ends with status %d: %s; %s", om_move_exit_status(end->verdict), what,
		      where);
	om_session_answer(s, om_move_exit_status(end->verdict), "%s; %s%s", what,
			  s->shared->touched ? "" : "nothing was touched, ", where);
}

static void refuse(struct om_mover_session *ms, const struct om_err *err)
{
	struct om_session *s = ms->s;

	if (err->code == OM_E_STOCK) {
		/* It has nothing to do with any network. */
		s->shared->fast_configured = s->shared->strict = false;
		om_session_leave_to_stock(s, err->msg);
		return;
	}
	set_result(s, OM_PHASE_FAILED, err->msg);
	om_session_answer(s, 1, "%s; " OM_REPORT_UNASKED, err->msg, s->args.src);
}

void om_session_move(struct om_session *s)
{
	struct om_mover_session ms = { .s = s, .copy_begun_ms = om_now_ms() };
	struct om_move_end end;
	struct om_move_ops ops;
	struct om_err err = { 0 };

	if (!prepare(&ms, &err)) {
		refuse(&ms, &err);
		om_mover_free(&ms);
		return;
	}
	print_plan(&ms);
	om_log_syslog("move of the disks from %s to %s begins", ms.src_dir, ms.dst_dir);
	om_mover_ops(&ms, &ops);
	om_move_run(&ops, &ms.move, &end);
	close_journal(&ms, end.verdict);
	answer(&ms, &end);
	om_mover_free(&ms);
}

static void settle(struct om_mover_session *ms, struct om_move_end *end)
{
	struct om_move_ops ops;
	struct om_err err = { 0 };

	lock_vm(ms);
	if (!om_mover_gather(ms, OM_MOVER_SETTLE, &err) ||
	    !om_move_decide(&ms->move, &ms->facts, &err)) {
		om_log(OM_LOG_WARN, "%s", err.msg);
		return;
	}
	om_mover_ops(ms, &ops);
	om_move_settle(&ops, &ms->move, end);
}

/* Answers for a working process that has died: the domain says which disks are where. */
void om_session_move_settle(struct om_session *s)
{
	struct om_mover_session ms = { .s = s, .copy_begun_ms = om_now_ms() };
	struct om_move_end end = { .verdict = OM_MOVE_UNKNOWN, .has_err = true };
	struct om_err err = { 0 };
	bool known;

	om_err_set(&end.err, OM_E_UNKNOWN, "the migration's working process ended unexpectedly");
	om_mover_set_limits(s);
	set_asking(s, true);
	known = s->shared->touched && connect_here(s, &err);
	set_asking(s, false);
	if (!s->shared->touched)
		end.verdict = OM_MOVE_NOT;
	else if (known)
		settle(&ms, &end);
	else
		om_log(OM_LOG_WARN, "%s", err.msg);
	close_journal(&ms, end.verdict);
	answer(&ms, &end);
	om_mover_free(&ms);
}
