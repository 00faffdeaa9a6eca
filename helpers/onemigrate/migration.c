/* SPDX-License-Identifier: Apache-2.0 */
/* One migration from the request to the answer, as the worker thread goes through it. */
#include "move.h"
#include "om_log.h"
#include "om_tm_host.h"
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* "eth1 to 10.77.1.2" of the attempt that carried the memory. */
static void describe_way(const struct om_session *s, size_t attempt, char *text, size_t size)
{
	const struct om_attempt *made = &s->plan.attempts[attempt];
	const struct om_param *uri = om_params_get(&made->params, "migrate_uri");
	char addr[OM_ADDR_TEXT];

	if (made->path == OM_PATH_FAST && s->plan.fast.routed) {
		om_addr_print(&s->plan.fast.addr, addr);
		if (*s->plan.fast.route.ifname)
			snprintf(text, size, "%s to %s", s->plan.fast.route.ifname, addr);
		else
			snprintf(text, size, "%s", addr);
	} else if (uri) {
		om_str_copy(text, size, uri->text);
	} else {
		om_str_copy(text, size, "the default path");
	}
}

static void summarise(struct om_session *s, const struct om_run_end *end)
{
	struct om_vir_completed done = { 0 };
	char way[128], text[400];
	uint64_t copy_ms, memory_ms;

	om_vir_completed(s->vir, &done);
	s->state.dst_cpu_ms = om_vir_cpu_ms(s->vir, OM_VIR_DST);
	describe_way(s, end->attempt, way, sizeof(way));
	memory_ms = s->first_pass_ms ? s->call_ended_ms - s->first_pass_ms : done.elapsed_ms;
	copy_ms = s->disks_begun_ms ? s->call_ended_ms - s->disks_begun_ms : memory_ms;
	om_report_summary(&(struct om_report){ .total_ms = om_now_ms() - s->begun_ms,
					       .downtime_ms = done.downtime_ms,
					       .data_bytes = done.data_bytes,
					       .copy_ms = copy_ms,
					       .memory_bytes = done.data_memory_bytes,
					       .memory_ms = memory_ms,
					       .passes = done.iterations,
					       .transport = *s->state.transport ? s->state.transport
										: NULL,
					       .guest_bytes = done.guest_bytes,
					       .packed = om_transport_counts(s),
					       .src_cpu_ms = s->look.src_cpu_ms,
					       .dst_cpu_ms = s->state.dst_cpu_ms,
					       .via = way },
			  text, sizeof(text));
	om_log(OM_LOG_INFO, "%s", text);
	pthread_mutex_lock(&s->lock);
	s->state.downtime_ms = (uint32_t)done.downtime_ms;
	s->state.sent_bytes = done.data_bytes;
	s->state.copy_ms = copy_ms;
	s->state.wire_bytes = s->watch.model.wire_bytes;
	s->state.wire_ms = s->watch.model.wire_ms;
	om_state_take_path(&s->state, &s->plan, end->attempt);
	s->state.guest_bytes = done.guest_bytes;
	s->state.hot_bytes = s->watch.forecast.hot_bytes;
	s->state.src_cpu_ms = s->look.src_cpu_ms;
	if (done.guest_bytes && om_transport_counts(s))
		s->state.packed_permille =
			1 + (uint32_t)(done.data_memory_bytes * 1000 / done.guest_bytes);
	if (done.iterations)
		s->state.iteration = done.iterations;
	om_trace_half(&s->trace, s->begun_ms, s->call_ended_ms, &s->state);
	om_str_copy(s->state.result, sizeof(s->state.result), text);
	pthread_mutex_unlock(&s->lock);
}

static void set_end_phase(struct om_session *s, const struct om_run_end *end, const char *what)
{
	bool unknown = end->verdict != OM_VERDICT_SOURCE &&
		       end->verdict != OM_VERDICT_SOURCE_LEFTOVER;
	bool done = end->verdict == OM_VERDICT_DEST || end->verdict == OM_VERDICT_DEST_LEFTOVER;

	pthread_mutex_lock(&s->lock);
	s->state.phase = done ? OM_PHASE_DONE : unknown ? OM_PHASE_UNKNOWN : OM_PHASE_FAILED;
	if (end->has_err)
		om_str_copy(s->state.result, sizeof(s->state.result), what);
	pthread_mutex_unlock(&s->lock);
}

/* For the TM script that comes next. */
static void record_end(const struct om_session *s, enum om_verdict verdict)
{
	enum om_tm_settled settled = OM_TM_SETTLED_NOT;

	if (verdict == OM_VERDICT_DEST || verdict == OM_VERDICT_DEST_LEFTOVER)
		settled = OM_TM_SETTLED_MOVED;
	else if (verdict == OM_VERDICT_SOURCE)
		settled = OM_TM_SETTLED_STAYED;
	om_tm_record_settle(om_vir_uuid(s->vir), s->args.vm_id, s->args.dst, settled,
			    om_epoch_ms());
}

/* Turns the end of a run into the answer for the driver. */
static void answer(struct om_session *s, const struct om_run_end *end)
{
	char where[400];
	int status = om_report_exit_status(end->verdict);
	const char *what = end->has_err ? end->err.msg : "the migration failed";

	if (end->has_err && end->err.code == OM_E_ABORTED && *s->requests.cancelled)
		what = s->requests.cancelled;
	om_report_whereabouts(end->verdict, s->args.src, s->args.dst, where, sizeof(where));
	if (end->repeated)
		om_log(OM_LOG_INFO,
		       "VM %s is on %s already and no longer on %s; nothing was touched",
		       s->req.vm_id, s->args.dst, s->args.src);
	else if (status == 0 && end->has_err)
		om_log(OM_LOG_WARN, "libvirt reported '%s', but both hosts say: %s", what, where);
	else if (status == 0 && end->verdict != OM_VERDICT_DEST)
		om_log(OM_LOG_ERROR, "%s", where);
	set_end_phase(s, end, what);
	if (s->identified)
		record_end(s, end->verdict);
	om_log_syslog("ends with status %d: %s", status, status ? what : where);
	om_session_answer(s, status, "%s; %s%s", what,
			  s->shared->touched ? "" : "nothing was touched, ", where);
}

static void warn_and_inform(const struct om_session *s)
{
	OM_AUTOFREE char *plan = om_plan_print(&s->plan);

	for (size_t i = 0; i < s->plan.infos.n; i++)
		om_log(OM_LOG_INFO, "%s", s->plan.infos.v[i]);
	for (size_t i = 0; i < s->plan.warnings.n; i++)
		om_log(OM_LOG_WARN, "%s", s->plan.warnings.v[i]);
	if (s->facts.persistent && om_knob_number(&s->knobs, OM_KNOB_MIGRATE_CHECK) == OM_CHECK_OFF)
		om_log(OM_LOG_WARN, "the domain is defined on %s and stays defined there",
		       s->args.src);
	for (char *save = NULL, *line = strtok_r(plan, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		om_log(OM_LOG_DEBUG, "plan: %s", line);
}

/* Where the guest is, asked where it can be asked. */
void om_session_refuse(struct om_session *s, const struct om_err *err)
{
	struct om_run_end end = { .has_err = true, .err = *err, .verdict = OM_VERDICT_SOURCE };
	struct om_run_ops ops;

	if (err->code == OM_E_STOCK) {
		om_session_leave_to_stock(s, err->msg);
		return;
	}
	if (!s->identified) {
		om_session_answer(s, 1, "%s; " OM_REPORT_UNASKED, err->msg, s->args.src);
		return;
	}
	om_session_ops(s, &ops);
	end.verdict = om_run_look(&ops, &end.repeated);
	answer(s, &end);
}

/* What this release leaves to the stock script, or NULL. */
const char *om_session_stock_case(const struct om_session *s)
{
	/* The options are of `virsh migrate`, which has no part in a move between datastores. */
	if (strcmp(s->req.src_host, s->req.dst_host) == 0)
		return s->args.local ? "a move between datastores of one host, from the front-end"
				     : NULL;
	return s->opts.stock_reason;
}

static bool judge(struct om_session *s, struct om_err *err)
{
	if (!s->checkup.asked)
		return true;
	om_checkup_judge(s, OM_CHECK_MIGRATE, false);
	return om_checkup_tell(s, err);
}

static void identify_state(struct om_session *s)
{
	struct om_state *state = &s->state;

	pthread_mutex_lock(&s->lock);
	om_str_copy(state->uuid, sizeof(state->uuid), om_vir_uuid(s->vir));
	om_str_copy(state->vm_id, sizeof(state->vm_id), s->req.vm_id);
	om_str_copy(state->vm_name, sizeof(state->vm_name), s->req.vm_name);
	om_str_copy(state->src, sizeof(state->src), s->args.src);
	om_str_copy(state->dst, sizeof(state->dst), s->args.dst);
	om_state_boot_id(state->boot_id);
	state->pid = getpid();
	state->started_epoch_ms = om_epoch_ms();
	state->phase = OM_PHASE_PREPARE;
	pthread_mutex_unlock(&s->lock);
}

/* The way and the limits, as status shows them; the plan is known by now. */
static void publish_plan(struct om_session *s)
{
	struct om_state *state = &s->state;

	pthread_mutex_lock(&s->lock);
	om_state_take_limits(state, &s->plan.limits, om_now_ms(), om_epoch_ms());
	om_state_take_path(state, &s->plan, 0);
	pthread_mutex_unlock(&s->lock);
}

static void lock_vm(struct om_session *s)
{
	struct om_err err = { 0 };

	if (!s->host.lock(s->host.ctx, om_vir_uuid(s->vir), &s->stop, &err) && !s->stop)
		om_log(OM_LOG_WARN, "no lock and no state file: %s", err.msg);
	identify_state(s);
}

static void set_asking(struct om_session *s, bool asking)
{
	pthread_mutex_lock(&s->lock);
	s->phase_since_ms = om_now_ms();
	s->asking = asking;
	pthread_mutex_unlock(&s->lock);
}

/* Asks until there is a plan; false: it was answered. */
static bool prepare(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_run_end end = { 0 };
	struct om_err err = { 0 };
	bool ok, ignored;

	set_asking(s, true);
	ok = om_vir_init(&err) && om_session_connect(s, &err);
	set_asking(s, false);
	if (ok) {
		lock_vm(s);
		if (!om_run_enter(ops, &end, &ignored)) {
			om_checkup_close(s);
			answer(s, &end);
			return false;
		}
		set_asking(s, true);
		ok = om_session_gather(s, &err) && om_storage_judge(s, true, &err) &&
		     judge(s, &err) &&
		     om_plan_make(&s->plan, &s->req, &s->knobs, &s->opts, &s->facts, &err);
		if (ok)
			om_checkup_forget_end(s);
		set_asking(s, false);
	}
	if (ok)
		om_storage_keep_link(s);
	om_checkup_close(s);
	if (!ok)
		om_session_refuse(s, &err);
	return ok;
}

static void debug_times(const struct om_session *s)
{
	struct rusage usage;

	if (!s->call_begun_ms || getrusage(RUSAGE_SELF, &usage))
		return;
	om_log(OM_LOG_DEBUG,
	       "time from start to the call of libvirt %llu ms, of which %llu ms waiting for "
	       "connections; the call %llu ms; from its return until now %llu ms; peak memory "
	       "%ld KiB",
	       (unsigned long long)(s->call_begun_ms - s->begun_ms),
	       (unsigned long long)s->connect_ms,
	       (unsigned long long)(s->call_ended_ms - s->call_begun_ms),
	       (unsigned long long)(om_now_ms() - s->call_ended_ms), usage.ru_maxrss);
}

void om_session_migrate(struct om_session *s, struct om_run_ops *ops)
{
	struct om_run_end end;
	struct om_err err = { 0 };

	if (om_session_is_move(s)) {
		om_session_move(s);
		return;
	}
	if (!prepare(s, ops))
		return;
	om_session_ops(s, ops); /* with what is known by now */
	publish_plan(s);
	warn_and_inform(s);
	if (!om_hooks_pre(s, &err)) {
		om_session_refuse(s, &err);
		om_hooks_end(s, OM_VERDICT_SOURCE);
		om_hooks_wait(s);
		return;
	}
	om_log_syslog("migration from %s to %s begins", s->args.src, s->args.dst);
	om_aftermath_prepare(s);
	om_run_migrate(ops, &s->plan, (uint32_t)om_knob_number(&s->knobs, OM_KNOB_VIRSH_TRIES),
		       &end);
	answer(s, &end); /* first of all: what follows asks hosts that may not answer */
	om_hooks_end(s, end.verdict);
	if (!end.repeated &&
	    (end.verdict == OM_VERDICT_DEST || end.verdict == OM_VERDICT_DEST_LEFTOVER)) {
		summarise(s, &end);
		om_aftermath_go(s);
	}
	om_hooks_wait(s);
	debug_times(s);
}

/*
 * Answers for a working process that has died: only the two hosts know what it had done. Where it
 * had touched nothing, neither may this; and another action on the same VM goes first.
 */
void om_session_settle(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_outcome_context context = { .asked_paused = s->shared->asked_paused,
					      .suspended_by_us = s->shared->guest_suspended };
	struct om_run_end end = { .has_err = true, .verdict = OM_VERDICT_UNKNOWN };
	struct om_err err = { 0 };

	if (om_session_is_move(s)) {
		om_session_move_settle(s);
		return;
	}
	om_err_set(&end.err, OM_E_UNKNOWN, "the migration's working process ended unexpectedly");
	set_asking(s, true);
	/* A side that cannot be reached now is asked again while settling. */
	s->identified = om_vir_init(&err);
	if (s->identified && !om_session_connect(s, &err))
		om_log(OM_LOG_WARN, "%s", err.msg);
	set_asking(s, false);
	if (s->identified) {
		lock_vm(s);
		om_session_load_snapshots(s);
		if (s->shared->touched) {
			end.verdict = om_run_settle(ops, &context);
			om_run_put_snapshots(ops, end.verdict);
			om_storage_load(s);
			set_asking(s, false); /* it has a time of its own */
			om_storage_undo(s, end.verdict);
		} else {
			end.verdict = om_run_look(ops, &end.repeated);
		}
	}
	answer(s, &end);
}

/* OpenNebula's own script has ended, however it did; nothing is done about it. */
void om_session_look(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_err ignored;
	bool repeated;

	if (om_session_is_move(s) || !om_vir_init(&ignored))
		return;
	s->vir = om_vir_new(s->src_uri, s->dst_uri);
	s->identified = om_vir_open(s->vir, OM_VIR_DST, &ignored) &&
			om_vir_open(s->vir, OM_VIR_SRC, &ignored) &&
			om_vir_identify(s->vir, s->args.deploy_id, &ignored);
	if (s->identified)
		record_end(s, om_run_look(ops, &repeated));
}
