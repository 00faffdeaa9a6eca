/* SPDX-License-Identifier: Apache-2.0 */
/* Watches libvirt's call from a second connection and carries out what the watch decides. One call
 * at a time: each one that hangs would hold a worker of libvirtd. Allocates nothing once it runs. */
#include "om_log.h"
#include "session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SAMPLES_MS 100 /* until the first pass is announced; QEMU's own window is 100 ms */
#define SAMPLE_MS 250
#define SYSLOG_EVERY_MS 60000
#define LOOK_AGAIN_MS 1000 /* for the sample of the pages */
#define LOOK_MOST 5
#define POSTCOPY_COMES_MS 5000 /* the event of one that libvirt has taken */
#define CLEARLY_MORE_MS                                                                            \
	1000 /* than a switch-over sends: what was measured is not what QEMU reckons */

struct om_sampler {
	struct om_session *s;
	pthread_t thread;
	bool started;
	atomic_bool ended;
	bool moved; /* memory has, or disks have */
	bool abort_sent;
	unsigned int iteration, looks, refusals;
	uint64_t next_sample_ms, next_syslog_ms;
};

static void note(struct om_session *s, const struct om_action *action, const char *why, bool done)
{
	pthread_mutex_lock(&s->lock);
	om_state_take_action(&s->state, action, why, done, om_now_ms() - s->begun_ms,
			     om_epoch_ms());
	pthread_mutex_unlock(&s->lock);
	om_log(action->tell ? OM_LOG_INFO : OM_LOG_DEBUG, "pass %u: %s",
	       s->watch.model.last.iteration, why);
}

/* The call returns with libvirt's error; the reason is kept beside it. */
static bool end_call(struct om_session *s, const struct om_action *action, struct om_err *err)
{
	if (!om_vir_abort(s->vir, err))
		return false;
	s->watch_ended = *action;
	return true;
}

/* Once, and not the first time: it may have come when the migration had just ended. Without it one that
 * never gets what it asks for would look like one that needs nothing. */
static void tell_refusal(struct om_sampler *sampler, const struct om_err *err)
{
	if (++sampler->refusals == 2)
		om_log(OM_LOG_WARN, "what the migration asks for is refused: %s", err->msg);
}

static void act(struct om_sampler *sampler, const struct om_action *action)
{
	struct om_session *s = sampler->s;
	struct om_err err = { 0 };
	bool ok = true;

	switch (action->kind) {
	case OM_ACTION_DOWNTIME:
		ok = om_vir_set_downtime(s->vir, om_transport_limit_ms(s, action->downtime_ms),
					 &err);
		break;
	case OM_ACTION_POSTCOPY:
		ok = om_session_start_postcopy(s, &err);
		break;
	case OM_ACTION_SUSPEND:
		ok = om_session_suspend(s, &err);
		break;
	case OM_ACTION_THROTTLE:
	case OM_ACTION_SYNC_WRITES:
	case OM_ACTION_ABORT:
		ok = end_call(s, action, &err);
		break;
	case OM_ACTION_SAY:
		break;
	default:
		return;
	}
	if (!ok) {
		om_watch_failed(&s->watch, action);
		tell_refusal(sampler, &err);
	}
	note(s, action, ok ? action->why : err.msg, ok);
}

static void publish(struct om_session *s, const struct om_sample *sample)
{
	pthread_mutex_lock(&s->lock);
	om_state_take(&s->state, sample, &s->watch, om_epoch_ms());
	pthread_mutex_unlock(&s->lock);
	om_trace_add(&s->trace, sample->now_ms, &s->watch.forecast);
}

static void progress_line(struct om_sampler *sampler, const struct om_sample *sample)
{
	if (sample->now_ms < sampler->next_syslog_ms)
		return;
	sampler->next_syslog_ms = sample->now_ms + SYSLOG_EVERY_MS;
	/* Only this thread writes the share; the main thread reads it. */
	om_log_syslog("%u %%, pass %u, %llu MiB remaining, %llu MiB/s", sampler->s->state.percent,
		      sample->iteration, (unsigned long long)sample->remaining_bytes >> 20,
		      (unsigned long long)sample->rate_bytes_ps >> 20);
}

/* What the simulator is fitted with; one line a sample. */
static void debug_sample(const struct om_session *s, const struct om_sample *sample)
{
	const struct om_forecast *f = &s->watch.forecast;

	om_log(OM_LOG_DEBUG,
	       "sample t=%llu pass=%u remaining=%llu processed=%llu rate=%llu dirty=%llu "
	       "throttle=%u limit=%u hot=%llu rewrite=%llu downtime=%u-%u eta=%llu-%llu",
	       (unsigned long long)(sample->now_ms - s->call_begun_ms), sample->iteration,
	       (unsigned long long)sample->remaining_bytes,
	       (unsigned long long)sample->processed_bytes,
	       (unsigned long long)sample->rate_bytes_ps,
	       (unsigned long long)sample->dirty_bytes_ps, sample->throttle_percent,
	       s->watch.limit_ms, (unsigned long long)f->hot_bytes,
	       (unsigned long long)f->dirty_bytes_ps, f->downtime_low_ms, f->downtime_high_ms,
	       (unsigned long long)f->eta_low_ms, (unsigned long long)f->eta_high_ms);
}

static void note_moved(struct om_sampler *sampler)
{
	sampler->moved = true;
	if (!sampler->s->first_pass_ms)
		sampler->s->first_pass_ms = om_now_ms();
}

/* How much the guest wrote in the first seconds; QEMU is a little late with it. */
static void take_sampled(struct om_sampler *sampler)
{
	struct om_session *s = sampler->s;
	uint64_t bytes;

	if (!s->sampling_s || om_now_ms() < s->sampling_due_ms)
		return;
	s->sampling_due_ms = om_now_ms() + LOOK_AGAIN_MS;
	if (om_vir_sampling_end(s->vir, s->sampling_s, &bytes)) {
		om_watch_sampled(&s->watch, (uint64_t)s->sampling_s * 1000, bytes);
		om_log(OM_LOG_DEBUG, "the guest dirtied %llu MiB within %u s",
		       (unsigned long long)bytes >> 20, s->sampling_s);
	} else if (++sampler->looks < LOOK_MOST)
		return;
	s->sampling_s = 0;
}

static bool lost_destination(const struct om_session *s)
{
	return om_vir_events(s->vir)->lost[OM_VIR_DST] && !s->plan.peer_to_peer;
}

/* An abort now could hit a guest that is half on the destination. */
static bool postcopy_comes(const struct om_session *s)
{
	return s->requests.postcopy_asked_ms &&
	       om_now_ms() - s->requests.postcopy_asked_ms < POSTCOPY_COMES_MS;
}

/* The migration is being ended, or its post-copy begins: whatever else were asked for would be in the
 * way, or would be told and never be. */
static bool is_decided(const struct om_session *s)
{
	return s->stop || lost_destination(s) || postcopy_comes(s) ||
	       s->watch_ended.kind != OM_ACTION_NONE;
}

/* For libvirt a pause and the stop for the switch-over are the same. Which one it is, is known of ours;
 * for a switch-over no more remains than the limit carries. */
static void tell_pause(const struct om_session *s, struct om_sample *sample)
{
	const struct om_watch *w = &s->watch;
	uint32_t limit_ms = om_transport_limit_ms(s, w->limit_ms ? w->limit_ms : w->own_ms);
	double link = (double)w->forecast.bandwidth_bytes_ps;
	double more_ms = link > 0 ? (double)sample->remaining_bytes * 1000 / link - limit_ms : 0;
	bool by_hand = sample->stopped && more_ms > CLEARLY_MORE_MS;

	if (!s->guest_suspended && !by_hand)
		return;
	sample->paused = true;
	sample->stopped = false;
}

static void take_sample(struct om_sampler *sampler)
{
	struct om_session *s = sampler->s;
	struct om_sample sample;
	struct om_action action = { .kind = OM_ACTION_NONE };

	if (!om_vir_sample(s->vir, &sample, om_now_ms()))
		return;
	if (sample.processed_bytes || sample.iteration)
		note_moved(sampler);
	if (!sample.iteration) { /* QEMU has not begun with memory */
		sampler->moved |= sample.disk_processed_bytes > 0;
		if (is_decided(s))
			return;
		action = om_storage_watch(s, &sample);
		act(sampler, &action);
		return;
	}
	tell_pause(s, &sample);
	om_transport_sample(s, &sample);
	if (is_decided(s))
		om_watch_observe(&s->watch, &sample);
	else
		action = om_watch_step(&s->watch, &sample);
	publish(s, &sample);
	act(sampler, &action);
	debug_sample(s, &sample);
	progress_line(sampler, &sample);
}

static void follow_events(struct om_sampler *sampler)
{
	struct om_session *s = sampler->s;
	unsigned int iteration = om_vir_events(s->vir)->iteration;

	if (iteration == sampler->iteration)
		return;
	sampler->iteration = iteration;
	note_moved(sampler);
	sampler->next_sample_ms = 0;
}

/* A signal, or a destination that is gone: libvirt's source knows of neither. Repeated until the
 * call returns, because the job may not have begun yet. */
static void abort_if_needed(struct om_sampler *sampler)
{
	struct om_session *s = sampler->s;
	struct om_vir_events *events = om_vir_events(s->vir);
	const struct om_action cancel = { .kind = OM_ACTION_ABORT };
	bool lost = lost_destination(s);
	struct om_err err;

	if ((!s->stop && !lost) || events->source_postcopy || postcopy_comes(s))
		return;
	if (!sampler->abort_sent)
		note(s, &cancel,
		     lost		      ? "cancel: the connection to the destination is lost"
		     : *s->requests.cancelled ? s->requests.cancelled
					      : "cancel: asked by a signal",
		     true);
	if (!om_vir_abort(s->vir, &err) && !sampler->abort_sent)
		om_log_syslog("%s", err.msg);
	sampler->abort_sent = true;
}

static void wait_for_something(struct om_sampler *sampler)
{
	struct om_session *s = sampler->s;
	uint64_t now = om_now_ms(), count;
	struct pollfd fds[2] = {
		{ .fd = om_vir_events(s->vir)->wake_fd, .events = POLLIN },
		{ .fd = s->stop ? -1 : s->stop_fd, .events = POLLIN },
	};

	poll(fds, 2, sampler->next_sample_ms > now ? (int)(sampler->next_sample_ms - now) : 0);
	if (fds[0].revents && read(fds[0].fd, &count, sizeof(count)) < 0)
		return; /* another wake-up was faster */
}

/* False: it does not answer yet. The events of meanwhile are lost; what the source says now is noted. */
static bool reopen_monitor(struct om_session *s)
{
	struct om_err ignored;
	struct om_side side;

	if (!om_vir_open(s->vir, OM_VIR_MON, &ignored))
		return false;
	om_vir_side(s->vir, OM_VIR_MON, &side);
	return true;
}

static void *run(void *arg)
{
	struct om_sampler *sampler = arg;
	struct om_session *s = sampler->s;

	while (!sampler->ended) {
		wait_for_something(sampler);
		if (sampler->ended)
			break;
		if (om_vir_events(s->vir)->lost[OM_VIR_MON] && !reopen_monitor(s)) {
			sampler->next_sample_ms = om_now_ms() + SAMPLE_MS;
			continue;
		}
		om_requests_work(s, sampler->moved);
		follow_events(sampler);
		if (om_now_ms() < sampler->next_sample_ms)
			continue;
		abort_if_needed(sampler);
		take_sampled(sampler);
		take_sample(sampler);
		sampler->next_sample_ms = om_now_ms() +
					  (sampler->iteration ? SAMPLE_MS : FIRST_SAMPLES_MS);
	}
	return NULL;
}

struct om_sampler *om_sampler_start(struct om_session *s)
{
	struct om_sampler *sampler = om_xcalloc(1, sizeof(*sampler));

	sampler->s = s;
	sampler->next_syslog_ms = om_now_ms() + SYSLOG_EVERY_MS;
	sampler->started = pthread_create(&sampler->thread, NULL, run, sampler) == 0;
	return sampler;
}

bool om_sampler_stop(struct om_sampler *sampler)
{
	uint64_t one = 1;
	bool moved;

	sampler->ended = true;
	if (write(om_vir_events(sampler->s->vir)->wake_fd, &one, sizeof(one)) < 0)
		sampler->next_sample_ms = 0; /* full: it is awake */
	if (sampler->started)
		pthread_join(sampler->thread, NULL);
	moved = sampler->moved || om_vir_events(sampler->s->vir)->iteration;
	free(sampler);
	return moved;
}
