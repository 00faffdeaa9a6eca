/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask of the migration while it runs: taken in by the main thread, which makes no
 * libvirt call, carried out by the sampler's, answered by the main thread. A cancel is what a
 * signal is, and is answered when its end is known.
 */
#include "om_log.h"
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CANCEL_LIMIT_MS 30000
#define REQUEST_LIMIT_MS 10000 /* a call of libvirt can hang */

void om_requests_init(struct om_session *s)
{
	s->requests.server.fd = s->requests.server.dirfd = -1;
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++)
		s->requests.server.clients[i].fd = -1;
	s->requests.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Once the lock of the VM is ours: whoever waits for it must not take the other one's socket. */
static void open_socket(struct om_session *s)
{
	struct om_err err;
	char uuid[37];

	pthread_mutex_lock(&s->lock);
	om_str_copy(uuid, sizeof(uuid), s->state.uuid);
	pthread_mutex_unlock(&s->lock);
	if (!*uuid || s->stop || s->shared->answered)
		return;
	s->requests.opened = true;
	if (!om_control_open(&s->requests.server, uuid, &err))
		om_log_syslog("%s", err.msg);
}

void om_requests_fds(struct om_session *s, struct pollfd fds[OM_REQUESTS_FDS])
{
	if (!s->requests.opened)
		open_socket(s);
	fds[0] = (struct pollfd){ .fd = s->requests.done_fd, .events = POLLIN };
	om_control_fds(&s->requests.server, fds + 1);
}

/* ---- the main thread's part ---- */

static void wake_sampler(struct om_session *s)
{
	uint64_t one = 1;

	if (write(om_vir_events(s->vir)->wake_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

/* What became of a request when the end of the migration is known. */
static void answer_by_end(struct om_session *s, struct om_request *request)
{
	enum om_control_result result = OM_CONTROL_REFUSED;
	bool cancel = request->what.verb == OM_CONTROL_CANCEL;
	const char *sentence = s->shared->sentence;

	if (s->shared->kind == OM_ANSWER_STOCK)
		om_control_say(&request->answer, OM_CONTROL_REFUSED,
			       "the migration is left to OpenNebula's own script: %s", sentence);
	else if (s->shared->exit_status == 0 && request->stage == OM_REQUEST_STARTED)
		om_control_say(&request->answer, OM_CONTROL_DONE, "done, and the VM is on %s",
			       s->args.dst);
	else if (s->shared->exit_status == 0)
		om_control_say(&request->answer, OM_CONTROL_TOO_LATE, "too late: the VM is on %s",
			       s->args.dst);
	else {
		if (cancel)
			result = s->state.phase == OM_PHASE_FAILED ? OM_CONTROL_DONE
								   : OM_CONTROL_UNPROVEN;
		om_control_say(&request->answer, result, "%s%s",
			       cancel ? "" : "the migration has ended: ", sentence);
	}
	request->stage = OM_REQUEST_DONE;
}

static void answer_by_time(struct om_session *s, struct om_request *request)
{
	if (request->what.verb == OM_CONTROL_CANCEL)
		om_control_say(&request->answer, OM_CONTROL_UNPROVEN,
			       "it was told to stop, but has not ended within %d s",
			       CANCEL_LIMIT_MS / 1000);
	else if (request->stage == OM_REQUEST_STARTED)
		om_control_say(&request->answer, OM_CONTROL_UNPROVEN,
			       "libvirt has taken it, but it is not seen to be so");
	else if (request->stage == OM_REQUEST_TAKEN)
		om_control_say(&request->answer, OM_CONTROL_UNPROVEN,
			       "libvirt does not answer; whether it was done is not known");
	else if (s->state.phase == OM_PHASE_COPY || s->state.phase == OM_PHASE_POSTCOPY)
		om_control_say(&request->answer, OM_CONTROL_REFUSED,
			       "libvirt does not answer; nothing was changed");
	else
		om_control_say(&request->answer, OM_CONTROL_REFUSED,
			       "libvirt's migration has not begun yet; nothing was changed");
	request->stage = OM_REQUEST_DONE;
}

static bool time_is_over(const struct om_request *request)
{
	uint64_t limit_ms = request->what.verb == OM_CONTROL_CANCEL ? CANCEL_LIMIT_MS
								    : REQUEST_LIMIT_MS;

	return om_now_ms() - request->since_ms >= limit_ms;
}

static void answer_all(struct om_session *s)
{
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++) {
		struct om_request *request = &s->requests.v[i];

		if (request->stage == OM_REQUEST_NONE)
			continue;
		if (request->stage != OM_REQUEST_DONE && s->shared->answered)
			answer_by_end(s, request);
		else if (request->stage != OM_REQUEST_DONE && time_is_over(request))
			answer_by_time(s, request);
		if (request->stage != OM_REQUEST_DONE)
			continue;
		om_control_reply(&s->requests.server, i, &request->answer);
		request->stage = OM_REQUEST_NONE;
	}
	pthread_mutex_unlock(&s->lock);
}

static void put(struct om_session *s, int client, const struct om_request *request)
{
	pthread_mutex_lock(&s->lock);
	s->requests.v[client] = *request;
	s->requests.v[client].number = ++s->requests.count;
	pthread_mutex_unlock(&s->lock);
}

static void cancel(struct om_session *s, uid_t uid)
{
	if (!s->stop)
		snprintf(s->requests.cancelled, sizeof(s->requests.cancelled),
			 "cancelled by an operator (onemigrate cancel, uid %u)", (unsigned int)uid);
	om_session_stop(s);
}

/* Judged once more by the sampler, which knows more. */
static bool is_possible(struct om_session *s, struct om_request *request)
{
	struct om_control_facts facts = { .ended = s->call_ok,
					  .on_dest = s->call_ok,
					  .stopping = s->stop,
					  .postcopy = om_vir_events(s->vir)->source_postcopy };

	return om_control_judge(&request->what, &facts, &request->answer);
}

static void take_in(void *ctx, int client, uid_t uid, const char *line)
{
	struct om_session *s = ctx;
	struct om_request request = { .stage = OM_REQUEST_ASKED,
				      .since_ms = om_now_ms(),
				      .uid = uid };
	struct om_clock clock;
	struct om_err err = { 0 };

	if (!line) {
		put(s, client, &(struct om_request){ 0 });
		return;
	}
	om_clock_local(&clock, om_epoch_ms());
	if (!om_control_parse(&request.what, line, &clock, &err))
		om_control_say(&request.answer, OM_CONTROL_REFUSED, "%s", err.msg);
	if (*err.msg || (!s->shared->answered && !is_possible(s, &request)))
		request.stage = OM_REQUEST_DONE;
	put(s, client, &request);
	if (request.stage == OM_REQUEST_DONE || s->shared->answered)
		return;
	if (request.what.verb == OM_CONTROL_CANCEL)
		cancel(s, uid);
	else
		wake_sampler(s);
}

void om_requests_serve(struct om_session *s, const struct pollfd fds[OM_REQUESTS_FDS])
{
	uint64_t count;

	if (s->requests.server.fd < 0)
		return;
	if ((fds[0].revents & POLLIN) && read(fds[0].fd, &count, sizeof(count)) < 0)
		om_log_syslog("a wake-up was lost");
	om_control_step(&s->requests.server, fds + 1, om_now_ms(), take_in, s);
	answer_all(s);
}

void om_requests_end(struct om_session *s)
{
	if (s->requests.server.fd < 0)
		return;
	answer_all(s);
	om_control_close(&s->requests.server);
}

/* ---- the sampler's part ---- */

/* The oldest one at that stage, as a copy; its place, or -1. */
static int oldest(struct om_session *s, enum om_request_stage stage, struct om_request *copy)
{
	int found = -1;

	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++) {
		const struct om_request *v = s->requests.v;

		/* A cancel is the main thread's. */
		if (v[i].stage == stage && v[i].what.verb != OM_CONTROL_CANCEL &&
		    (found < 0 || v[i].number < v[found].number))
			found = i;
	}
	if (found >= 0) {
		if (stage == OM_REQUEST_ASKED)
			s->requests.v[found].stage = OM_REQUEST_TAKEN;
		*copy = s->requests.v[found];
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* Unless it was given up meanwhile. */
static void leave(struct om_session *s, int place, const struct om_request *request,
		  enum om_request_stage stage)
{
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	if (s->requests.v[place].number == request->number) {
		s->requests.v[place].stage = stage;
		s->requests.v[place].answer = request->answer;
	}
	pthread_mutex_unlock(&s->lock);
	if (stage == OM_REQUEST_DONE && write(s->requests.done_fd, &one, sizeof(one)) < 0)
		om_log_syslog("an answer will be late");
}

/* Into the VM's log, and among the decisions. */
static void tell(struct om_session *s, const struct om_request *request)
{
	static const enum om_action_kind kinds[OM_CONTROL_VERB_COUNT] = {
		[OM_CONTROL_CANCEL] = OM_ACTION_ABORT,
		[OM_CONTROL_SET] = OM_ACTION_SAY,
		[OM_CONTROL_POSTCOPY] = OM_ACTION_POSTCOPY,
		[OM_CONTROL_PAUSE] = OM_ACTION_SUSPEND,
	};
	const struct om_action action = { .kind = kinds[request->what.verb] };
	char text[sizeof(request->answer.text) + 64];

	if (request->answer.result != OM_CONTROL_DONE)
		return;
	snprintf(text, sizeof(text), "onemigrate %s (uid %u): %s",
		 om_control_verb_name(request->what.verb), (unsigned int)request->uid,
		 request->answer.text);
	pthread_mutex_lock(&s->lock);
	om_state_take_action(&s->state, &action, text, true, om_now_ms() - s->begun_ms,
			     om_epoch_ms());
	pthread_mutex_unlock(&s->lock);
	om_log(OM_LOG_INFO, "%s", text);
}

static bool set_bandwidth(struct om_session *s, uint64_t bytes_ps, struct om_err *err)
{
	bool postcopy = om_vir_events(s->vir)->source_postcopy;

	if (!om_vir_set_bandwidth(s->vir, bytes_ps >> 20, postcopy, err))
		return false;
	s->requests.bandwidth_set |= !postcopy;
	return true;
}

static bool set(struct om_session *s, struct om_request *request)
{
	struct om_limits limits = s->watch.limits;
	char text[300];
	struct om_err err;

	om_control_apply(&request->what, om_now_ms(), &limits);
	if (om_control_given(&request->what, OM_CONTROL_BANDWIDTH) &&
	    !set_bandwidth(s, limits.bandwidth_bytes_ps, &err))
		return om_control_say(&request->answer, OM_CONTROL_REFUSED,
				      "%s; nothing was changed", err.msg);
	om_watch_set_limits(&s->watch, &limits);
	s->plan.limits = limits; /* for the next attempt */
	om_control_print_limits(&limits, om_now_ms(), text, sizeof(text));
	return om_control_say(&request->answer, OM_CONTROL_DONE, "in force: %s", text);
}

static bool pause_guest(struct om_session *s, struct om_request *request)
{
	struct om_side side;
	struct om_err err;

	/* Told before it is so: whoever answers for this process shall rather resume once more. */
	s->shared->guest_suspended = true;
	s->guest_suspended = om_vir_suspend(s->vir, OM_VIR_MON, &err);
	s->shared->guest_suspended = s->guest_suspended;
	if (!s->guest_suspended)
		return om_control_say(&request->answer, OM_CONTROL_REFUSED, "%s", err.msg);
	om_vir_side(s->vir, OM_VIR_MON, &side);
	if (side.state == OM_SIDE_RUNNING || side.state == OM_SIDE_ROLLED_BACK ||
	    side.state == OM_SIDE_UNREACHABLE)
		return om_control_say(&request->answer, OM_CONTROL_UNPROVEN,
				      "libvirt has taken it, but says that the guest is %s",
				      om_side_state_name(side.state));
	return om_control_say(&request->answer, OM_CONTROL_DONE,
			      "the guest stands still on %s from now until it runs on %s; should "
			      "the migration fail, it is started again on %s",
			      s->args.src, s->args.dst, s->args.src);
}

static bool in_postcopy(struct om_session *s)
{
	struct om_side side;

	om_vir_side(s->vir, OM_VIR_MON, &side);
	return side.state == OM_SIDE_POSTCOPY;
}

static void finish_postcopy(struct om_session *s, int place, struct om_request *request)
{
	if (!in_postcopy(s))
		return;
	om_control_say(&request->answer, OM_CONTROL_DONE,
		       "in post-copy: the guest runs on %s, the rest of its memory follows",
		       s->args.dst);
	tell(s, request);
	leave(s, place, request, OM_REQUEST_DONE);
}

/* True: libvirt has taken it; the switch follows. */
static bool start_postcopy(struct om_session *s, struct om_request *request)
{
	struct om_err err;

	return om_vir_start_postcopy(s->vir, &err) ||
	       om_control_say(&request->answer, OM_CONTROL_REFUSED, "%s", err.msg);
}

static bool carry_out(struct om_session *s, struct om_request *request)
{
	struct om_control_facts facts = {
		.stopping = s->stop,
		.postcopy = om_vir_events(s->vir)->source_postcopy,
		.postcopy_known = true,
		.postcopy_armed = s->requests.flags & OM_FLAG_POSTCOPY,
		.never_switch = s->plan.never_switch,
	};
	struct om_side side;

	om_vir_side(s->vir, OM_VIR_MON, &side);
	facts.paused = side.state == OM_SIDE_PAUSED || side.state == OM_SIDE_INCOMING;
	if (!om_control_judge(&request->what, &facts, &request->answer))
		return false;
	if (request->what.verb == OM_CONTROL_SET)
		return set(s, request);
	return request->what.verb == OM_CONTROL_PAUSE ? pause_guest(s, request)
						      : start_postcopy(s, request);
}

/* An attempt begins with the bandwidth of the plan, which an operator may have changed since. */
static void repeat_bandwidth(struct om_session *s)
{
	struct om_err err;

	if (!s->requests.bandwidth_again || !s->first_pass_ms)
		return;
	s->requests.bandwidth_again = false;
	if (!set_bandwidth(s, s->plan.limits.bandwidth_bytes_ps, &err))
		om_log_syslog("%s", err.msg);
}

void om_requests_begin(struct om_session *s, unsigned int flags)
{
	s->requests.flags = flags;
	s->requests.bandwidth_before_mibps = om_vir_bandwidth_mibps(s->vir);
	s->requests.bandwidth_again = s->requests.bandwidth_set;
}

/* libvirt would use it for the domain's next migration too. */
void om_requests_restore(struct om_session *s)
{
	uint64_t own_mibps = s->requests.bandwidth_before_mibps;
	struct om_err err;

	if (s->requests.bandwidth_set && own_mibps && own_mibps != om_vir_bandwidth_mibps(s->vir) &&
	    !om_vir_set_bandwidth(s->vir, own_mibps, false, &err))
		om_log_syslog("%s", err.msg);
}

void om_requests_work(struct om_session *s)
{
	struct om_request request;
	int place = oldest(s, OM_REQUEST_STARTED, &request);

	repeat_bandwidth(s);
	if (place >= 0)
		finish_postcopy(s, place, &request);
	while ((place = oldest(s, OM_REQUEST_ASKED, &request)) >= 0) {
		bool started = carry_out(s, &request);

		if (!started)
			tell(s, &request);
		leave(s, place, &request, started ? OM_REQUEST_STARTED : OM_REQUEST_DONE);
	}
}
