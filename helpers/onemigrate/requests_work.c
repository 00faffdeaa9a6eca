/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of the migration while it runs, as the sampler's thread carries it out. */
#include "move.h"
#include "om_log.h"
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int take(struct om_session *s, enum om_request_stage stage, struct om_request *copy)
{
	int place;

	pthread_mutex_lock(&s->lock);
	place = om_request_take(&s->requests.queue, stage, copy);
	pthread_mutex_unlock(&s->lock);
	return place;
}

static void leave(struct om_session *s, int place, const struct om_request *request,
		  enum om_request_stage stage)
{
	uint64_t one = 1;
	bool waited_for;

	pthread_mutex_lock(&s->lock);
	waited_for = om_request_leave(&s->requests.queue, place, request, stage);
	pthread_mutex_unlock(&s->lock);
	if (waited_for && stage == OM_REQUEST_DONE &&
	    write(s->requests.done_fd, &one, sizeof(one)) < 0)
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

/* QEMU has a limit for pre-copy and another one for post-copy, and post-copy may begin later. */
static bool set_bandwidth(struct om_session *s, uint64_t bytes_ps, struct om_err *err)
{
	bool postcopy = om_vir_events(s->vir)->source_postcopy;
	struct om_err ignored;

	if (!om_vir_set_bandwidth(s->vir, bytes_ps >> 20, postcopy, err))
		return false;
	s->requests.postcopy_keeps_bandwidth =
		!postcopy && (s->requests.flags & OM_FLAG_POSTCOPY) &&
		!om_vir_set_bandwidth(s->vir, bytes_ps >> 20, true, &ignored);
	s->requests.bandwidth_set |= !postcopy;
	s->requests.bandwidth_again = !s->first_pass_ms; /* libvirt has yet to set the plan's */
	return true;
}

static bool set(struct om_session *s, struct om_request *request)
{
	struct om_limits limits = s->watch.limits;
	bool bandwidth = om_control_given(&request->what, OM_CONTROL_BANDWIDTH);
	char text[300];
	struct om_err err;

	om_control_apply(&request->what, om_now_ms(), &limits);
	if (bandwidth && !set_bandwidth(s, limits.bandwidth_bytes_ps, &err))
		return om_control_say(&request->answer, OM_CONTROL_REFUSED,
				      "%s; nothing was changed", err.msg);
	om_watch_set_limits(&s->watch, &limits);
	s->plan.limits = limits; /* for the next attempt */
	om_control_print_limits(&limits, om_now_ms(), text, sizeof(text));
	/* libvirt takes no other speed for a mirror while it migrates. */
	return om_control_say(&request->answer, OM_CONTROL_DONE, "in force: %s%s%s%s", text,
			      bandwidth && s->plan.disks.mirrors
				      ? "; the disks keep the bandwidth that they began with"
				      : "",
			      bandwidth && s->requests.postcopy_keeps_bandwidth
				      ? "; post-copy would keep the bandwidth that it had, as "
					"libvirt refuses another one"
				      : "",
			      bandwidth && (s->requests.flags & OM_FLAG_PARALLEL)
				      ? "; QEMU does not keep several connections within it"
				      : "");
}

bool om_session_suspend(struct om_session *s, struct om_err *err)
{
	bool before = s->guest_suspended;

	/* Told before it is so: whoever answers for this process shall rather resume once more. */
	s->shared->guest_suspended = true;
	s->guest_suspended = om_vir_suspend(s->vir, OM_VIR_MON, err) || before;
	s->shared->guest_suspended = s->guest_suspended;
	return s->guest_suspended;
}

bool om_session_start_postcopy(struct om_session *s, struct om_err *err)
{
	if (!om_vir_start_postcopy(s->vir, err))
		return false;
	s->requests.postcopy_asked_ms = om_now_ms();
	return true;
}

static bool pause_guest(struct om_session *s, struct om_request *request)
{
	struct om_side side;
	struct om_err err;

	if (!om_session_suspend(s, &err))
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

	return om_session_start_postcopy(s, &err) ||
	       om_control_say(&request->answer, OM_CONTROL_REFUSED, "%s", err.msg);
}

static bool carry_out(struct om_session *s, struct om_request *request)
{
	struct om_control_facts facts = {
		.stopping = s->stop,
		.postcopy_known = true,
		.postcopy_armed = s->requests.flags & OM_FLAG_POSTCOPY,
		.never_switch = s->plan.never_switch,
	};
	struct om_side side;

	if (om_session_is_move(s))
		return om_mover_request(s, request);
	om_vir_side(s->vir, OM_VIR_MON, &side);
	facts.postcopy = om_vir_events(s->vir)->source_postcopy;
	facts.postcopy_broken = side.state == OM_SIDE_POSTCOPY_FAILED;
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
	if (!set_bandwidth(s, om_storage_memory_bytes_ps(s), &err))
		om_log_syslog("%s", err.msg);
}

static void set_begun(struct om_session *s, bool begun)
{
	pthread_mutex_lock(&s->lock);
	s->requests.queue.begun = begun;
	pthread_mutex_unlock(&s->lock);
}

void om_requests_begin(struct om_session *s, unsigned int flags)
{
	set_begun(s, false);
	s->requests.flags = flags;
	s->requests.postcopy_asked_ms = 0;
	s->requests.bandwidth_before_mibps = om_vir_bandwidth_mibps(s->vir);
	s->requests.bandwidth_again = s->requests.bandwidth_set ||
				      om_storage_memory_bytes_ps(s) !=
					      s->plan.limits.bandwidth_bytes_ps;
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

void om_requests_work(struct om_session *s, bool begun)
{
	struct om_request request;
	int place = take(s, OM_REQUEST_STARTED, &request);

	set_begun(s, begun);
	repeat_bandwidth(s);
	if (place >= 0)
		finish_postcopy(s, place, &request);
	while ((place = take(s, OM_REQUEST_ASKED, &request)) >= 0) {
		bool started = carry_out(s, &request);

		if (!started)
			tell(s, &request);
		leave(s, place, &request, started ? OM_REQUEST_STARTED : OM_REQUEST_DONE);
	}
}
