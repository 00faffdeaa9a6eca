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
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define STATE_EVERY_MS 500
#define ASK_LIMIT_MS 120000    /* both connections, and every fact */
#define SETTLE_LIMIT_MS 150000 /* the longest wait of om_outcome.h, and reconnecting */
#define LAST_WORDS_MS 10000    /* the summary, once the answer is known */

uint64_t om_epoch_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct worker {
	struct om_session s;
	char *document;
	size_t len;
	enum om_work what;
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
	s->document = w->document;
	s->document_len = w->len;
	if (!om_session_read(s, w->document, w->len, &err)) {
		om_session_refuse(s, &err);
	} else if (w->what == OM_WORK_LOOK) {
		om_session_look(s, &ops);
	} else if (w->what == OM_WORK_MIGRATE && (stock = om_session_stock_case(s))) {
		om_session_leave_to_stock(s, stock);
	} else {
		if (s->args.local)
			om_host_remote(&s->host, s->args.src, &err);
		w->what == OM_WORK_SETTLE ? om_session_settle(s, &ops)
					  : om_session_migrate(s, &ops);
	}
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
	copy.updated_epoch_ms = om_epoch_ms();
	copy.elapsed_ms = om_now_ms() - s->begun_ms;
	if (copy.phase == OM_PHASE_DONE)
		copy.percent = 100;
	if (ended) {
		copy.pid = 0;
		copy.remaining_bytes = copy.phase == OM_PHASE_DONE ? 0 : copy.remaining_bytes;
		copy.eta_ms = copy.eta_low_ms = copy.eta_high_ms = 0;
		copy.forecast = 0;
	}
	s->host.state(s->host.ctx, &copy);
}

bool om_session_touch(struct om_session *s, struct om_err *err)
{
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = !s->stop && !s->shared->answered;
	if (ok)
		s->shared->touched = true;
	pthread_mutex_unlock(&s->lock);
	return ok || om_err_set(err, OM_E_ABORTED, "cancelled before anything was touched");
}

/* What the main thread has answered, as status and the history tell it. What the worker's thread has found out
 * meanwhile stays: it knows more. */
static void note_end(struct om_session *s, enum om_phase phase)
{
	pthread_mutex_lock(&s->lock);
	if (!om_phase_ended(s->state.phase)) {
		s->state.phase = phase;
		om_str_copy(s->state.result, sizeof(s->state.result), s->shared->sentence);
	}
	pthread_mutex_unlock(&s->lock);
}

/* Before anything is touched a signal ends the run at once, even when a host does not answer. */
void om_session_stop(struct om_session *s)
{
	uint64_t one = 1;

	if (s->stop)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = 1;
	pthread_mutex_unlock(&s->lock);
	om_storage_tick(s);
	if (write(s->stop_fd, &one, sizeof(one)) < 0)
		_exit(1);
	if (s->shared->touched || s->shared->answered)
		return;
	om_session_answer(s, 1, "%s; " OM_REPORT_UNASKED,
			  *s->requests.cancelled ? s->requests.cancelled : "cancelled",
			  s->args.src);
	note_end(s, OM_PHASE_FAILED);
}

/* libvirt's migration call has returned, but a host does not say what became of the VM. */
static void answer_for_hung(struct om_session *s)
{
	enum om_verdict verdict = s->call_ok ? OM_VERDICT_DEST_LEFTOVER : OM_VERDICT_UNKNOWN;
	char where[400];

	om_report_whereabouts(verdict, s->args.src, s->args.dst, where, sizeof(where));
	if (s->call_ok)
		om_log(OM_LOG_ERROR, "a host's libvirt does not answer any more; %s", where);
	om_session_answer(s, om_report_exit_status(verdict),
			  "a host's libvirt does not answer any more; %s", where);
	note_end(s, s->call_ok ? OM_PHASE_DONE : OM_PHASE_UNKNOWN);
}

static void answer_unasked(struct om_session *s)
{
	om_session_answer(s, 1, "a host's libvirt does not answer; " OM_REPORT_UNASKED,
			  s->args.src);
	note_end(s, OM_PHASE_FAILED);
}

/*
 * No call of libvirt has a time limit, and a daemon that hangs holds its caller for ever. Nobody
 * else would ever answer the driver, which waits without end. True: the process is to end now;
 * no migration call is under way then.
 */
static bool watchdog(struct om_session *s)
{
	enum om_phase phase;
	uint64_t since_ms;
	bool asking;

	pthread_mutex_lock(&s->lock);
	phase = s->state.phase;
	asking = s->asking; /* as of the same moment: it begins together with the time */
	since_ms = om_now_ms() - s->phase_since_ms;
	pthread_mutex_unlock(&s->lock);
	if (s->shared->answered) {
		if (!s->answered_ms)
			s->answered_ms = om_now_ms();
		return om_now_ms() - s->answered_ms > LAST_WORDS_MS;
	}
	if (asking && since_ms > ASK_LIMIT_MS)
		s->shared->touched ? answer_for_hung(s) : answer_unasked(s);
	else if (phase == OM_PHASE_SETTLE && since_ms > SETTLE_LIMIT_MS)
		answer_for_hung(s);
	return s->shared->answered;
}

static void listen(struct om_session *s, int signal_fd)
{
	struct pollfd fds[2 + OM_REQUESTS_FDS] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = s->done_fd, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	uint64_t next_state_ms = 0;

	while (!(fds[1].revents & POLLIN) && !watchdog(s)) {
		om_requests_fds(s, fds + 2);
		if (poll(fds, OM_ARRAY_LEN(fds), STATE_EVERY_MS) > 0 && fds[0].revents &&
		    read(signal_fd, &info, sizeof(info)) > 0)
			om_session_stop(s);
		om_requests_serve(s, fds + 2);
		om_storage_tick(s);
		if (s->stop && s->shared->answered && !s->shared->touched)
			return;
		if (om_now_ms() < next_state_ms)
			continue;
		write_state(s, false);
		next_state_ms = om_now_ms() + STATE_EVERY_MS;
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
			      enum om_work what, uint64_t begun_ms)
{
	static struct worker w;
	int signal_fd = listen_for_signals();
	pthread_t thread;
	char who[64];

	w.s = (struct om_session){ .args = *args,
				   .shared = shared,
				   .begun_ms = begun_ms,
				   .aftermath_fd = -1,
				   .hooks = { .to = -1, .from = -1 } };
	w.what = what;
	w.s.stop_fd = eventfd(0, EFD_CLOEXEC);
	w.s.done_fd = eventfd(0, EFD_CLOEXEC);
	om_requests_init(&w.s);
	pthread_mutex_init(&w.s.lock, NULL);
	snprintf(who, sizeof(who), "%s", args->vm_id);
	om_log_open(who);
	read_document(&w, document_fd);
	om_host_local(&w.s.host); /* for migrate_local replaced before it is asked anything */
	if (signal_fd >= 0 && pthread_create(&thread, NULL, work, &w) == 0)
		listen(&w.s, signal_fd);
	else if (what == OM_WORK_SETTLE)
		om_session_answer(&w.s, 1,
				  "no thread can be started; where the VM runs was not asked");
	else
		om_session_leave_to_stock(&w.s, "no thread can be started");
	om_hooks_leave(&w.s);
	write_state(&w.s, true);
	om_requests_end(&w.s);
	_exit(0);
}
