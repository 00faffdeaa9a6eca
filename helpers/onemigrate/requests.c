/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask of the migration while it runs: taken in by the main thread, which makes no
 * libvirt call, carried out by the sampler's (requests_work.c), answered by the main thread. A
 * cancel is what a signal is, and is answered when its end is known.
 */
#include "om_log.h"
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

static void wake_sampler(struct om_session *s)
{
	uint64_t one = 1;

	if (write(om_vir_events(s->vir)->wake_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

static struct om_request_end known_end(const struct om_session *s)
{
	bool to_stock = s->shared->kind == OM_ANSWER_STOCK;

	return (struct om_request_end){
		.left_to_stock = to_stock,
		.on_dest = !to_stock && s->shared->exit_status == 0,
		.proven = s->state.phase == OM_PHASE_FAILED,
		.sentence = s->shared->sentence,
		.dst = s->args.dst,
	};
}

static void answer_all(struct om_session *s)
{
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < OM_CONTROL_CLIENTS; i++) {
		struct om_request *request = &s->requests.queue.v[i];
		struct om_request_end end = known_end(s);

		if (request->stage == OM_REQUEST_NONE)
			continue;
		if (request->stage != OM_REQUEST_DONE && s->shared->answered)
			om_request_answer_by_end(request, &end);
		else if (request->stage != OM_REQUEST_DONE &&
			 om_request_is_late(request, om_now_ms()))
			om_request_answer_late(request, s->state.phase, s->requests.queue.begun);
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
	om_request_put(&s->requests.queue, client, request);
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
