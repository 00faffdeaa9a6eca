/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The working process. Its main thread listens (signals, the end of its supervisor, the clock) and
 * makes no libvirt call, so that nothing can make it deaf; the worker thread does the work and
 * ends with one answer in the shared page.
 */
#include "om_log.h"
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define STATE_EVERY_MS 500

static uint64_t epoch_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "eth1 to 10.77.1.2" of the attempt that carried the memory. */
static void describe_way(const struct om_session *s, size_t attempt, char *text, size_t size)
{
	const struct om_attempt *made = &s->plan.attempts[attempt];
	const struct om_param *uri = om_params_get(&made->params, "migrate_uri");
	char addr[OM_ADDR_TEXT];

	if (made->path == OM_PATH_FAST && s->plan.fast.routed) {
		om_addr_print(&s->plan.fast.addr, addr);
		snprintf(text, size, "%s to %s", s->plan.fast.route.ifname, addr);
	} else if (uri) {
		om_str_copy(text, size, uri->text);
	} else {
		om_str_copy(text, size, "the default path");
	}
}

static void summarise(struct om_session *s, const struct om_run_end *end)
{
	struct om_vir_completed done = { 0 };
	char way[128], text[256];

	om_vir_completed(s->vir, &done);
	describe_way(s, end->attempt, way, sizeof(way));
	om_report_summary(&(struct om_report){ .total_ms = om_now_ms() - s->begun_ms,
					       .downtime_ms = done.downtime_ms,
					       .data_bytes = done.data_bytes,
					       .copy_ms = s->first_pass_ms
								  ? s->call_ended_ms -
									    s->first_pass_ms
								  : done.elapsed_ms,
					       .passes = done.iterations,
					       .via = way },
			  text, sizeof(text));
	om_log(OM_LOG_INFO, "%s", text);
	pthread_mutex_lock(&s->lock);
	s->state.downtime_ms = (uint32_t)done.downtime_ms;
	om_str_copy(s->state.result, sizeof(s->state.result), text);
	pthread_mutex_unlock(&s->lock);
}

/* Turns the end of a run into the answer for the driver. */
static void answer(struct om_session *s, const struct om_run_end *end)
{
	char where[400];
	int status = om_report_exit_status(end->verdict);

	om_report_whereabouts(end->verdict, s->args.src, s->args.dst, where, sizeof(where));
	if (status == 0 && end->has_err)
		om_log(OM_LOG_WARN, "libvirt reported '%s', but both hosts say: %s", end->err.msg,
		       where);
	else if (status == 0 && end->verdict != OM_VERDICT_DEST)
		om_log(OM_LOG_ERROR, "%s", where);
	om_session_answer(s, status, "%s; %s", end->has_err ? end->err.msg : "the migration failed",
			  where);
}

static void warn_and_inform(const struct om_session *s)
{
	OM_AUTOFREE char *plan = om_plan_print(&s->plan);

	for (size_t i = 0; i < s->plan.infos.n; i++)
		om_log(OM_LOG_INFO, "%s", s->plan.infos.v[i]);
	for (size_t i = 0; i < s->plan.warnings.n; i++)
		om_log(OM_LOG_WARN, "%s", s->plan.warnings.v[i]);
	if (s->facts.persistent)
		om_log(OM_LOG_WARN, "the domain is defined on %s and stays defined there",
		       s->args.src);
	for (char *save = NULL, *line = strtok_r(plan, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		om_log(OM_LOG_DEBUG, "plan: %s", line);
}

/* Refused before anything was touched: the guest is where it was. */
static void refuse(struct om_session *s, const struct om_err *err)
{
	if (err->code == OM_E_STOCK)
		om_session_leave_to_stock(s, err->msg);
	else
		om_session_answer(s, 1, "%s; nothing was touched, the VM still runs on %s",
				  err->msg, s->args.src);
}

/* What this release leaves to the stock script, or NULL. */
static const char *stock_case(const struct om_session *s)
{
	if (strcmp(s->req.src_host, s->req.dst_host) == 0)
		return "a move between datastores of one host";
	if (!s->req.shared)
		return "storage that the hosts do not share";
	return s->opts.stock_reason;
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
	state->started_epoch_ms = epoch_ms();
	state->phase = OM_PHASE_PREPARE;
	pthread_mutex_unlock(&s->lock);
}

/* The way, as status shows it; the plan is known by now. */
static void publish_way(struct om_session *s)
{
	struct om_state *state = &s->state;

	if (!s->plan.fast.have_addr)
		return;
	pthread_mutex_lock(&s->lock);
	om_addr_print(&s->plan.fast.addr, state->path_addr);
	om_str_copy(state->path_ifname, sizeof(state->path_ifname), s->plan.fast.route.ifname);
	state->path_speed_mbit = s->plan.fast.route.speed_mbit;
	pthread_mutex_unlock(&s->lock);
}

/* Repeated after a lost reply: the VM has left this host and runs on the other one. */
static bool was_done_before(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_side src, dst;

	ops->sides(ops->ctx, &src, &dst);
	if (om_outcome_entry(&src, &dst) != OM_ENTRY_DONE_BEFORE)
		return false;
	om_log(OM_LOG_INFO, "VM %s is on %s already and no longer on %s; nothing was touched",
	       s->req.vm_id, s->args.dst, s->args.src);
	pthread_mutex_lock(&s->lock);
	s->state.phase = OM_PHASE_DONE;
	pthread_mutex_unlock(&s->lock);
	om_session_answer(s, 0, "the VM runs on %s", s->args.dst);
	return true;
}

static bool prepare(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_err err = { 0 };

	if (!om_vir_init(&err) || !om_session_connect(s, &err)) {
		refuse(s, &err);
		return false;
	}
	identify_state(s);
	if (!s->host.lock(s->host.ctx, om_vir_uuid(s->vir), &s->stop, &err)) {
		if (s->stop) {
			refuse(s, &err);
			return false;
		}
		om_log(OM_LOG_WARN, "no lock and no state file: %s", err.msg);
	}
	if (was_done_before(s, ops))
		return false;
	if (!om_session_gather(s, &err) ||
	    !om_plan_make(&s->plan, &s->req, &s->knobs, &s->opts, &s->facts, &err)) {
		refuse(s, &err);
		return false;
	}
	return true;
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

static void set_end_phase(struct om_session *s, const struct om_run_end *end)
{
	bool unknown = end->verdict == OM_VERDICT_UNKNOWN || end->verdict == OM_VERDICT_NEITHER;

	pthread_mutex_lock(&s->lock);
	s->state.phase = om_report_exit_status(end->verdict) == 0 ? OM_PHASE_DONE
			 : unknown				  ? OM_PHASE_UNKNOWN
								  : OM_PHASE_FAILED;
	if (end->has_err)
		om_str_copy(s->state.result, sizeof(s->state.result), end->err.msg);
	pthread_mutex_unlock(&s->lock);
}

static void migrate(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_run_end end;

	if (!prepare(s, ops))
		return;
	publish_way(s);
	warn_and_inform(s);
	om_log_syslog("migration from %s to %s begins", s->args.src, s->args.dst);
	om_aftermath_prepare(s);
	om_run_migrate(ops, &s->plan, (uint32_t)om_knob_number(&s->knobs, OM_KNOB_VIRSH_TRIES),
		       &end);
	set_end_phase(s, &end);
	if (om_report_exit_status(end.verdict) == 0) {
		summarise(s, &end);
		om_aftermath_go(s);
	}
	debug_times(s);
	answer(s, &end);
}

/* Answers for a working process that has died: nobody knows what it had done, so ask both sides. */
static void settle(struct om_session *s, const struct om_run_ops *ops)
{
	struct om_outcome_context context = { .asked_paused = s->shared->asked_paused };
	struct om_run_end end = { .has_err = true };
	struct om_err err = { 0 };

	om_err_set(&end.err, OM_E_UNKNOWN, "the migration's working process ended unexpectedly");
	end.verdict = OM_VERDICT_UNKNOWN;
	if (om_vir_init(&err)) {
		s->vir = om_vir_new(s->src_uri, s->dst_uri);
		if (!om_vir_open(s->vir, OM_VIR_DST, &err))
			om_log(OM_LOG_WARN, "%s", err.msg); /* asked again while settling */
		if (om_vir_open(s->vir, OM_VIR_MON, &err) &&
		    om_vir_open(s->vir, OM_VIR_SRC, &err) &&
		    om_vir_identify(s->vir, s->args.deploy_id, &err)) {
			identify_state(s);
			om_session_load_snapshots(s);
			end.verdict = om_run_settle(ops, &context);
			om_run_put_snapshots(ops, end.verdict);
		}
	}
	set_end_phase(s, &end);
	answer(s, &end);
}

struct worker {
	struct om_session s;
	char *document;
	size_t len;
	bool settle_only;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct om_session *s = &w->s;
	struct om_run_ops ops;
	struct om_err err = { 0 };
	const char *stock;
	uint64_t one = 1;

	om_session_ops(s, &ops);
	if (!om_session_read(s, w->document, w->len, &err))
		refuse(s, &err);
	else if (w->settle_only)
		settle(s, &ops);
	else if ((stock = stock_case(s)))
		om_session_leave_to_stock(s, stock);
	else
		migrate(s, &ops);
	if (write(s->done_fd, &one, sizeof(one)) < 0)
		_exit(1);
	return NULL;
}

static void write_state(struct om_session *s, bool ended)
{
	static struct om_state copy;

	pthread_mutex_lock(&s->lock);
	copy = s->state;
	pthread_mutex_unlock(&s->lock);
	if (!copy.uuid[0])
		return;
	copy.updated_epoch_ms = epoch_ms();
	copy.elapsed_ms = om_now_ms() - s->begun_ms;
	if (copy.phase == OM_PHASE_DONE)
		copy.percent = 100;
	if (ended) {
		copy.pid = 0;
		copy.remaining_bytes = copy.phase == OM_PHASE_DONE ? 0 : copy.remaining_bytes;
		copy.eta_ms = 0;
	}
	s->host.state(s->host.ctx, &copy);
}

/* Before anything is touched a signal ends the run at once, even when a host does not answer. */
static void stop(struct om_session *s)
{
	uint64_t one = 1;

	if (s->stop)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = 1;
	pthread_mutex_unlock(&s->lock);
	if (write(s->stop_fd, &one, sizeof(one)) < 0)
		_exit(1);
	if (!s->shared->touched && !s->shared->answered)
		om_session_answer(s, 1,
				  "cancelled before anything was touched; the VM still runs on %s",
				  s->args.src);
}

static void listen(struct om_session *s, int signal_fd)
{
	struct pollfd fds[2] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = s->done_fd, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	while (!s->shared->answered || !(fds[1].revents & POLLIN)) {
		int ready = poll(fds, 2, STATE_EVERY_MS);

		if (ready > 0 && fds[0].revents && read(signal_fd, &info, sizeof(info)) > 0) {
			stop(s);
			if (s->shared->answered && !s->shared->touched)
				return;
		}
		write_state(s, false);
	}
}

static void read_document(struct worker *w, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t n;

	w->document = om_xcalloc(1, (size_t)(size > 0 ? size : 0) + 1);
	n = size > 0 ? pread(fd, w->document, (size_t)size, 0) : 0;
	w->len = n > 0 ? (size_t)n : 0;
}

static int listen_for_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

_Noreturn void om_worker_main(const struct om_args *args, struct om_shared *shared, int document_fd,
			      bool settle_only, uint64_t begun_ms)
{
	static struct worker w;
	int signal_fd = listen_for_signals();
	char who[64];
	struct om_err err;

	/* Killed with its supervisor, nobody would be left to cancel the migration. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	w.s = (struct om_session){
		.args = *args, .shared = shared, .begun_ms = begun_ms, .aftermath_fd = -1
	};
	w.settle_only = settle_only;
	w.s.stop_fd = eventfd(0, EFD_CLOEXEC);
	w.s.done_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&w.s.lock, NULL);
	snprintf(who, sizeof(who), "%s", args->vm_id);
	om_log_open(who);
	read_document(&w, document_fd);
	if (args->local)
		om_host_remote(&w.s.host, args->src, &err);
	else
		om_host_local(&w.s.host);
	pthread_t thread;
	if (signal_fd < 0 || pthread_create(&thread, NULL, work, &w))
		om_session_leave_to_stock(&w.s, "no thread can be started");
	else
		listen(&w.s, signal_fd);
	write_state(&w.s, true);
	_exit(0);
}
