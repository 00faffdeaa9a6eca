/* SPDX-License-Identifier: Apache-2.0 */
/* The thread beside libvirt's call: what it asks of libvirt, how often, and what it says. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainGetState virDomainGetJobStats virDomainSuspend virDomainMigrateSetMaxDowntime virDomainAbortJob virDomainMigrateStartPostCopy om_log */
#include "test_vir_fake.h"

#include "move.h"

/* They are of the program, not of a library. */
#include "../../helpers/onemigrate/requests_work.c"
#include "../../helpers/onemigrate/sampler.c"

#include <sys/eventfd.h>
#include <time.h>

#define MIB (1ull << 20)

/* A copy of 64 MiB that stands still, as the test's thread wants it. */
static atomic_bool has_job;
static atomic_uint asked, limits_set, aborts, warnings;
static atomic_int refuses; /* so many of the next limits; negative: all */
static unsigned long long last_limit_ms, remaining_mib;
static atomic_uint postcopies, infos;
static enum om_action_kind disks_want;
static unsigned int pass;
static char warning[300];

uint64_t om_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t om_epoch_ms(void)
{
	return 1700000000000;
}

/* Nothing is compressed here; of the disks a test says what is to be done. */
struct om_action om_storage_watch(struct om_session *session, const struct om_sample *sample)
{
	assert_non_null(session);
	assert_int_equal(sample->iteration, 0);
	return (struct om_action){ .kind = disks_want, .tell = true, .why = "the disks" };
}

uint64_t om_storage_memory_bytes_ps(const struct om_session *session)
{
	return session->plan.limits.bandwidth_bytes_ps;
}

bool om_session_is_move(const struct om_session *session)
{
	assert_non_null(session);
	return false;
}

bool om_mover_request(struct om_session *session, struct om_request *request)
{
	fail_msg("%p %p", (void *)session, (void *)request);
	return false;
}

void om_transport_sample(struct om_session *session, const struct om_sample *sample)
{
	assert_non_null(session);
	assert_non_null(sample);
}

bool om_transport_holds(const struct om_session *session)
{
	assert_non_null(session);
	return false;
}

uint32_t om_transport_limit_ms(const struct om_session *session, uint32_t limit_ms)
{
	assert_non_null(session);
	return limit_ms;
}

void __wrap_om_log(enum om_log_level level, const char *fmt, ...)
{
	va_list args;

	infos += level == OM_LOG_INFO;
	if (level != OM_LOG_WARN)
		return;
	va_start(args, fmt);
	vsnprintf(warning, sizeof(warning), fmt, args);
	va_end(args);
	warnings++;
}

int __wrap_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	*state = fake.state;
	*reason = fake.reason;
	return 0;
}

int __wrap_virDomainGetJobStats(virDomainPtr dom, int *type, virTypedParameterPtr *params,
				int *count, unsigned int flags)
{
	int max = 0;

	assert_non_null(dom);
	assert_int_equal(flags, 0);
	fake_forget();
	asked++;
	*type = has_job ? VIR_DOMAIN_JOB_UNBOUNDED : VIR_DOMAIN_JOB_NONE;
	*params = NULL;
	*count = 0;
	virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_TIME_ELAPSED, 500);
	virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_MEMORY_TOTAL, 64 * MIB);
	virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_MEMORY_REMAINING,
				remaining_mib * MIB);
	virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_MEMORY_PROCESSED, 32 * MIB);
	virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_MEMORY_ITERATION, pass);
	return 0;
}

int __wrap_virDomainSuspend(virDomainPtr dom)
{
	assert_non_null(dom);
	return fake_call();
}

int __wrap_virDomainMigrateStartPostCopy(virDomainPtr dom, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	postcopies++;
	return fake_call();
}

int __wrap_virDomainMigrateSetMaxDowntime(virDomainPtr dom, unsigned long long downtime,
					  unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	fake_forget();
	last_limit_ms = downtime;
	limits_set++;
	if (!refuses)
		return 0;
	refuses--;
	fake_error(VIR_ERR_OPERATION_FAILED, "not by this QEMU");
	return -1;
}

int __wrap_virDomainAbortJob(virDomainPtr dom)
{
	assert_non_null(dom);
	aborts++;
	return fake_call();
}

static struct om_session s;
static struct om_shared shared;

static void begin(enum om_policy policy)
{
	struct om_plan plan = {
		.downtime_start_ms = 30,
		.limits = { .policy = policy, .downtime_max_ms = 500, .pause_max_ms = 2000 }
	};

	memset(&s, 0, sizeof(s));
	memset(&shared, 0, sizeof(shared));
	asked = limits_set = aborts = warnings = postcopies = infos = 0;
	disks_want = OM_ACTION_NONE;
	pass = 1;
	remaining_mib = 32;
	refuses = 0;
	has_job = true;
	s.shared = &shared;
	s.vir = fake_start();
	s.args = (struct om_args){ .src = "node01", .dst = "node02", .vm_id = "31" };
	s.requests.done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s.stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s.plan = plan;
	pthread_mutex_init(&s.lock, NULL);
	om_watch_init(&s.watch, &plan);
}

static void end(void)
{
	close(s.requests.done_fd);
	close(s.stop_fd);
	pthread_mutex_destroy(&s.lock);
	fake_end(s.vir);
}

static bool runs_for(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct om_sampler *sampler = om_sampler_start(&s);

	nanosleep(&t, NULL);
	return om_sampler_stop(sampler);
}

static void it_asks_one_thing_at_a_time_and_not_too_often(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	assert_true(runs_for(550)); /* memory has moved */
	assert_in_range(asked, 3, 7);
	assert_int_equal(limits_set, 1);
	assert_int_equal(last_limit_ms, 30);
	assert_int_equal(aborts, 0);
	assert_int_equal(warnings, 0);
	assert_true(s.first_pass_ms > 0);
	end();
	begin(OM_POLICY_AUTO);
	om_vir_events(s.vir)->iteration = 1; /* announced: it need not be waited for */
	runs_for(600);
	assert_in_range(asked, 2, 4);
	end();
}

static void a_pause_waits_for_libvirts_job(void **unused)
{
	const struct om_request pause = { .stage = OM_REQUEST_ASKED,
					  .what = { .verb = OM_CONTROL_PAUSE } };

	(void)unused;
	begin(OM_POLICY_AUTO);
	has_job = false;
	om_request_put(&s.requests.queue, 0, &pause);
	runs_for(250);
	assert_int_equal(s.requests.queue.v[0].stage, OM_REQUEST_ASKED);
	assert_false(s.guest_suspended);
	has_job = true;
	runs_for(350);
	assert_int_equal(s.requests.queue.v[0].stage, OM_REQUEST_DONE);
	assert_true(s.guest_suspended);
	end();
}

static void without_a_job_nothing_has_moved_and_nothing_is_set(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	has_job = false;
	assert_false(runs_for(350));
	assert_true(asked >= 2);
	assert_int_equal(limits_set, 0);
	assert_int_equal(s.first_pass_ms, 0);
	end();
}

/* libvirt forgets nothing: the call returns when the job is gone, which may not have begun yet. */
static void a_signal_ends_the_call_again_and_again(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	has_job = false;
	s.stop = true;
	runs_for(450);
	assert_in_range(aborts, 3, 7);
	end();
}

/* The abort may be refused once; post-copy would make the cancel impossible. */
static void what_is_being_ended_is_watched_and_nothing_is_decided(void **unused)
{
	(void)unused;
	for (int lost = 0; lost < 2; lost++) {
		begin(OM_POLICY_AUTO);
		s.watch.postcopy_after_precopy = true;
		s.watch.timeout_action = OM_TIMEOUT_POSTCOPY; /* of no time */
		fake.call_code = VIR_ERR_OPERATION_INVALID;
		s.stop = !lost;
		om_vir_events(s.vir)->lost[OM_VIR_DST] = lost;
		runs_for(450);
		assert_true(aborts > 0);
		assert_int_equal(postcopies, 0);
		assert_int_equal(limits_set, 0);
		assert_int_equal(s.state.remaining_bytes, 32 * MIB);
		end();
	}
}

/* libvirt's event of it comes a moment later. */
static void post_copy_that_was_taken_is_not_ended(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	s.watch.timeout_action = OM_TIMEOUT_POSTCOPY;
	runs_for(150);
	assert_int_equal(postcopies, 1);
	s.stop = true;
	runs_for(350);
	assert_int_equal(aborts, 0);
	s.requests.postcopy_asked_ms = om_now_ms() - 60000; /* it never came */
	runs_for(150);
	assert_true(aborts > 0);
	end();
	/* An operator's, of which the watch is not told, at a deadline. */
	begin(OM_POLICY_AUTO);
	s.requests.postcopy_asked_ms = om_now_ms();
	s.watch.limits.deadline_ms = 1;
	runs_for(250);
	assert_int_equal(aborts, 0);
	end();
}

/* The call returns a while after it was ended. */
static void what_the_disks_want_is_done_and_told_once(void **unused)
{
	static const enum om_action_kind kinds[] = { OM_ACTION_ABORT, OM_ACTION_SYNC_WRITES };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(kinds); i++) {
		begin(OM_POLICY_AUTO);
		pass = 0;
		disks_want = kinds[i];
		runs_for(550);
		assert_true(asked >= 3);
		assert_int_equal(aborts, 1);
		assert_int_equal(infos, 1);
		assert_int_equal(s.watch_ended.kind, kinds[i]);
		end();
		/* What is refused is asked for again. */
		begin(OM_POLICY_AUTO);
		pass = 0;
		disks_want = kinds[i];
		fake.call_code = VIR_ERR_OPERATION_INVALID;
		runs_for(550);
		assert_true(aborts > 1);
		assert_int_equal(s.watch_ended.kind, OM_ACTION_NONE);
		end();
	}
}

/* To libvirt both are a stop for the switch-over. */
static void a_pause_by_hand_is_no_switch_over(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	om_vir_events(s.vir)->source_stopped = true;
	s.watch.forecast.bandwidth_bytes_ps = 100 * MIB; /* of which 300 ms are 30 MiB */
	remaining_mib = 131;
	take_sample(&(struct om_sampler){ .s = &s });
	assert_true(s.watch.model.last.paused);
	assert_false(s.watch.model.last.stopped);
	end();
	begin(OM_POLICY_AUTO);
	om_vir_events(s.vir)->source_stopped = true;
	s.watch.forecast.bandwidth_bytes_ps = 100 * MIB;
	remaining_mib = 129;
	take_sample(&(struct om_sampler){ .s = &s });
	assert_int_equal(s.watch.model.last.iteration, 0); /* it was not looked at */
	end();
}

static void in_post_copy_nothing_is_ended(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	om_vir_events(s.vir)->source_postcopy = true;
	s.stop = true;
	runs_for(250);
	assert_int_equal(aborts, 0);
	end();
}

static void post_copy_that_began_while_the_connection_was_lost_is_not_ended(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_POSTCOPY;
	om_vir_events(s.vir)->lost[OM_VIR_MON] = true;
	s.stop = true;
	runs_for(250);
	assert_false(om_vir_events(s.vir)->lost[OM_VIR_MON]);
	assert_true(om_vir_events(s.vir)->source_postcopy);
	assert_int_equal(aborts, 0);
	end();
}

static void a_destination_that_is_gone_ends_it_unless_libvirt_looks_itself(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	om_vir_events(s.vir)->lost[OM_VIR_DST] = true;
	runs_for(150);
	assert_true(aborts > 0);
	end();
	begin(OM_POLICY_AUTO);
	s.plan.peer_to_peer = true;
	om_vir_events(s.vir)->lost[OM_VIR_DST] = true;
	runs_for(150);
	assert_int_equal(aborts, 0);
	end();
}

static void a_refusal_is_asked_for_again_and_said_once(void **unused)
{
	static const enum om_policy policies[] = { OM_POLICY_AUTO, OM_POLICY_GENTLE };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(policies); i++) {
		begin(policies[i]);
		refuses = -1;
		runs_for(700);
		assert_true(limits_set >= 3);
		assert_int_equal(warnings, 1);
		assert_non_null(strstr(warning, "not by this QEMU"));
		end();
	}
}

/* It can come when the migration has just ended. */
static void a_single_refusal_is_not_said(void **unused)
{
	(void)unused;
	begin(OM_POLICY_AUTO);
	refuses = 1;
	runs_for(700);
	assert_int_equal(limits_set, 2);
	assert_int_equal(warnings, 0);
	end();
}

static void an_announced_pass_is_looked_at_at_once(void **unused)
{
	struct om_sampler *sampler;
	const struct timespec step = { .tv_nsec = 20000000 };
	uint64_t one = 1, begun_ms;
	unsigned int before;

	(void)unused;
	begin(OM_POLICY_AUTO);
	om_vir_events(s.vir)->iteration = 1;
	sampler = om_sampler_start(&s);
	while (asked < 2)
		nanosleep(&step, NULL);
	before = asked;
	begun_ms = om_now_ms();
	om_vir_events(s.vir)->iteration = 2;
	assert_int_equal(write(om_vir_events(s.vir)->wake_fd, &one, sizeof(one)), sizeof(one));
	while (asked == before && om_now_ms() < begun_ms + 200)
		nanosleep(&step, NULL);
	assert_true(om_now_ms() < begun_ms + 150);
	assert_true(om_sampler_stop(sampler));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_asks_one_thing_at_a_time_and_not_too_often),
		cmocka_unit_test(a_pause_waits_for_libvirts_job),
		cmocka_unit_test(without_a_job_nothing_has_moved_and_nothing_is_set),
		cmocka_unit_test(a_signal_ends_the_call_again_and_again),
		cmocka_unit_test(what_is_being_ended_is_watched_and_nothing_is_decided),
		cmocka_unit_test(post_copy_that_was_taken_is_not_ended),
		cmocka_unit_test(what_the_disks_want_is_done_and_told_once),
		cmocka_unit_test(a_pause_by_hand_is_no_switch_over),
		cmocka_unit_test(in_post_copy_nothing_is_ended),
		cmocka_unit_test(post_copy_that_began_while_the_connection_was_lost_is_not_ended),
		cmocka_unit_test(a_destination_that_is_gone_ends_it_unless_libvirt_looks_itself),
		cmocka_unit_test(a_refusal_is_asked_for_again_and_said_once),
		cmocka_unit_test(a_single_refusal_is_not_said),
		cmocka_unit_test(an_announced_pass_is_looked_at_at_once),
	};

	/* Its lists of values are libvirt's own here, made in a thread. */
	return virInitialize() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
