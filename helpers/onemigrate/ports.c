/* SPDX-License-Identifier: Apache-2.0 */
/* What run/ asks of the outside, answered by libvirt and the kernel. */
#include "om_log.h"
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return om_now_ms();
}

static void sleep_ms(void *ctx, uint32_t ms)
{
	struct om_session *s = ctx;
	struct pollfd stop = { .fd = s->stop_fd, .events = POLLIN };

	if (s->stop) /* asked before: what still has to be waited for is waited for */
		stop.fd = -1;
	poll(&stop, 1, (int)ms);
}

static bool stop_requested(void *ctx)
{
	return ((struct om_session *)ctx)->stop;
}

static void log_line(void *ctx, enum om_log_level level, const char *text)
{
	(void)ctx;
	om_log(level, "%s", text);
}

static void set_phase(void *ctx, enum om_phase phase)
{
	struct om_session *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->state.phase = phase;
	s->phase_since_ms = om_now_ms();
	pthread_mutex_unlock(&s->lock);
	om_log_syslog("phase %s", om_phase_name(phase));
}

static void sides(void *ctx, struct om_side *src, struct om_side *dst)
{
	struct om_session *s = ctx;

	om_vir_side(s->vir, OM_VIR_MON, src);
	om_vir_side(s->vir, OM_VIR_DST, dst);
}

static bool resume_source(void *ctx, struct om_err *err)
{
	return om_vir_resume(((struct om_session *)ctx)->vir, OM_VIR_MON, err);
}

static bool resume_dest(void *ctx, struct om_err *err)
{
	return om_vir_resume(((struct om_session *)ctx)->vir, OM_VIR_DST, err);
}

static bool suspend_source(void *ctx, struct om_err *err)
{
	return om_vir_suspend(((struct om_session *)ctx)->vir, OM_VIR_MON, err);
}

static bool abort_source(void *ctx, struct om_err *err)
{
	return om_vir_abort(((struct om_session *)ctx)->vir, err);
}

static bool destroy_source(void *ctx, struct om_err *err)
{
	return om_vir_destroy(((struct om_session *)ctx)->vir, OM_VIR_MON, err);
}

static bool destroy_dest(void *ctx, struct om_err *err)
{
	return om_vir_destroy(((struct om_session *)ctx)->vir, OM_VIR_DST, err);
}

static bool touch(void *ctx, struct om_err *err)
{
	return om_session_touch(ctx, err);
}

static bool block_job(void *ctx, char *target, size_t size)
{
	struct om_session *s = ctx;

	return om_vir_block_job(s->vir, &s->dom, target, size);
}

/* Whoever answers for this process, should it die, finds the metadata here. */
static bool keep_snapshots(struct om_session *s)
{
	for (size_t i = 0; i < s->snapshots.n; i++) {
		const char *text = s->snapshots.v[i];

		if (!om_write_all(s->shared->snapshots_fd, text, strlen(text) + 1))
			return false;
	}
	return true;
}

static bool snapshots_save(void *ctx, struct om_err *err)
{
	struct om_session *s = ctx;

	if (!om_vir_snapshots_save(s->vir, &s->snapshots, err))
		return false;
	return keep_snapshots(s) ||
	       om_err_set(err, OM_E_INPUT, "snapshot metadata could not be kept: %s",
			  strerror(errno));
}

static bool snapshots_drop(void *ctx, struct om_err *err)
{
	struct om_session *s = ctx;

	return !s->snapshots.n || om_vir_snapshots_drop(s->vir, err);
}

static bool snapshots_define(void *ctx, bool on_dest, struct om_err *err)
{
	struct om_session *s = ctx;

	return om_vir_snapshots_define(s->vir, on_dest ? OM_VIR_DST : OM_VIR_MON, &s->snapshots,
				       err);
}

/* libvirt restores the limit with the end of a failed migration; one that was set just after that
 * end would stay in QEMU. */
static void restore_downtime(struct om_session *s)
{
	uint32_t now = om_vir_max_downtime_ms(s->vir, OM_VIR_MON), own = s->facts.max_downtime_ms;
	struct om_err err;

	if (now && own && now != own && !om_vir_set_downtime(s->vir, own, &err))
		om_log_syslog("%s", err.msg);
}

/* What the guest writes in the first pass, for the forecast. */
static void begin_sampling(struct om_session *s, const struct om_attempt *attempt)
{
	uint32_t speed_mbit = 0;

	if (attempt->path == OM_PATH_FAST)
		speed_mbit = s->plan.fast.route.speed_mbit;
	else if (s->facts.mgmt_routed)
		speed_mbit = s->facts.mgmt_route.speed_mbit;
	s->sampling_s = om_watch_sampling_s(&s->plan, speed_mbit);
	if (s->sampling_s && !om_vir_sampling_begin(s->vir, s->sampling_s))
		s->sampling_s = 0;
	s->sampling_due_ms = om_now_ms() + (uint64_t)s->sampling_s * 1000;
}

static void memory(void *ctx, const struct om_attempt *attempt, struct om_attempt_end *end)
{
	struct om_session *s = ctx;
	struct om_sampler *sampler;

	om_watch_init_again(&s->watch, &s->plan);
	om_watch_attempt(&s->watch, attempt);
	s->first_pass_ms = 0;
	s->disks_begun_ms = 0;
	s->guest_suspended = false;
	s->watch_ended = (struct om_action){ .kind = OM_ACTION_NONE };
	s->trace = (struct om_trace){ .count = 0 };
	om_transport_attempt(s, attempt);
	om_vir_events_reset(s->vir);
	om_requests_begin(s, attempt->flags);
	begin_sampling(s, attempt);
	sampler = om_sampler_start(s);
	s->call_begun_ms = om_now_ms();
	om_vir_migrate(s->vir, attempt, s->plan.peer_to_peer, end);
	s->call_ended_ms = om_now_ms();
	s->call_ok = end->ok;
	set_phase(s, OM_PHASE_SETTLE); /* from here the main thread sees to it that this ends */
	end->bytes_sent = om_sampler_stop(sampler);
	end->stop_requested = s->stop;
	end->suspended = s->guest_suspended;
	end->ended_by_watch = s->watch_ended.kind == OM_ACTION_ABORT;
	end->restart = s->watch_ended.kind == OM_ACTION_THROTTLE      ? OM_FLAG_AUTO_CONVERGE
		       : s->watch_ended.kind == OM_ACTION_SYNC_WRITES ? OM_FLAG_SYNC_WRITES
								      : 0;
	end->throttle_initial = s->watch_ended.throttle_percent;
	om_str_copy(end->watch_why, sizeof(end->watch_why), s->watch_ended.why);
	end->dest_lost = om_vir_events(s->vir)->lost[OM_VIR_DST];
	om_transport_ended(s, attempt, end);
	if (!end->ok) {
		restore_downtime(s);
		om_requests_restore(s);
	}
}

static bool storage_bring(void *ctx, struct om_err *err)
{
	return om_storage_bring(ctx, err);
}

static void storage_undo(void *ctx, enum om_verdict verdict)
{
	set_phase(ctx, OM_PHASE_SETTLE);
	om_storage_undo(ctx, verdict);
}

static void switched(void *ctx)
{
	om_hooks_switched(ctx);
}

static bool reopen_source(void *ctx, struct om_err *err)
{
	return om_vir_open(((struct om_session *)ctx)->vir, OM_VIR_SRC, err);
}

void om_session_ops(struct om_session *s, struct om_run_ops *ops)
{
	*ops = (struct om_run_ops){
		.ctx = s,
		.now_ms = now_ms,
		.sleep_ms = sleep_ms,
		.stop_requested = stop_requested,
		.log = log_line,
		.phase = set_phase,
		.sides = sides,
		.resume_source = resume_source,
		.resume_dest = resume_dest,
		.suspend_source = suspend_source,
		.abort_source = abort_source,
		.destroy_source = destroy_source,
		.destroy_dest = destroy_dest,
		.touch = touch,
		.block_job = block_job,
		.snapshots_save = snapshots_save,
		.snapshots_drop = snapshots_drop,
		.snapshots_define = snapshots_define,
		.memory = memory,
		.reopen_source = reopen_source,
		.switched = switched,
	};
	if (om_storage_is_ours(s)) {
		ops->storage_bring = storage_bring;
		ops->storage_undo = storage_undo;
	}
}

void om_session_load_snapshots(struct om_session *s)
{
	off_t size = lseek(s->shared->snapshots_fd, 0, SEEK_END);
	OM_AUTOFREE char *texts = NULL;
	ssize_t n;

	if (size <= 0)
		return;
	texts = om_xcalloc(1, (size_t)size + 1);
	n = pread(s->shared->snapshots_fd, texts, (size_t)size, 0);
	for (char *at = texts; n > 0 && at < texts + n; at += strlen(at) + 1)
		om_strv_add(&s->snapshots, at);
}
