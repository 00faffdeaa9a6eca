/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of a migration that runs, down to what libvirt is given. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainGetState virDomainGetJobStats virDomainSuspend virDomainMigrateSetMaxSpeed virDomainMigrateGetMaxSpeed virDomainMigrateStartPostCopy */
#include "test_vir_fake.h"

#include "move.h"

/* It is of the program, not of a library. */
#include "../../helpers/onemigrate/requests_work.c"

#include <sys/eventfd.h>

static unsigned long long own_speed;	  /* the domain's, MiB/s */
static unsigned long long postcopy_speed; /* QEMU's other one; 0: it was not set */
static bool postcopy_refused;
static bool begun; /* memory or disks move */
static bool stops; /* a suspend is carried out, too */

int __wrap_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	fake_forget();
	*state = fake.state;
	*reason = fake.reason;
	return 0;
}

int __wrap_virDomainGetJobStats(virDomainPtr dom, int *type, virTypedParameterPtr *params,
				int *count, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	fake_forget();
	*type = VIR_DOMAIN_JOB_NONE;
	*params = NULL;
	*count = 0;
	return 0;
}

int __wrap_virDomainSuspend(virDomainPtr dom)
{
	assert_non_null(dom);
	fake.suspended++;
	if (stops) {
		fake.state = VIR_DOMAIN_PAUSED;
		fake.reason = VIR_DOMAIN_PAUSED_USER;
	}
	return fake_call();
}

int __wrap_virDomainMigrateSetMaxSpeed(virDomainPtr dom, unsigned long bandwidth,
				       unsigned int flags)
{
	assert_non_null(dom);
	if (flags == VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY) {
		if (postcopy_refused) {
			fake_error(VIR_ERR_OPERATION_INVALID, "not for post-copy");
			return -1;
		}
		postcopy_speed = bandwidth;
		return 0;
	}
	fake.number = bandwidth;
	fake.flags = flags;
	if (fake_call() < 0)
		return -1;
	own_speed = bandwidth;
	return 0;
}

int __wrap_virDomainMigrateGetMaxSpeed(virDomainPtr dom, unsigned long *bandwidth,
				       unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	*bandwidth = own_speed;
	return 0;
}

int __wrap_virDomainMigrateStartPostCopy(virDomainPtr dom, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	fake.postcopies++;
	return fake_call();
}

uint64_t om_now_ms(void)
{
	return 5000;
}

uint64_t om_epoch_ms(void)
{
	return 1700000000000;
}

/* Of a VM whose hosts share the storage. */
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

static struct om_session s;
static struct om_shared shared;

static void begin(void)
{
	memset(&s, 0, sizeof(s));
	memset(&shared, 0, sizeof(shared));
	own_speed = 1000;
	postcopy_speed = 0;
	postcopy_refused = false;
	stops = true;
	begun = true;
	s.shared = &shared;
	s.vir = fake_start();
	s.args = (struct om_args){ .src = "node01", .dst = "node02", .vm_id = "31" };
	s.requests.done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s.plan.limits = (struct om_limits){ .policy = OM_POLICY_AUTO,
					    .downtime_max_ms = 500,
					    .pause_max_ms = 2000 };
	s.watch.limits = s.plan.limits;
	pthread_mutex_init(&s.lock, NULL);
	s.first_pass_ms = 1;
	om_requests_begin(&s, OM_FLAG_LIVE | OM_FLAG_POSTCOPY);
}

static void end(void)
{
	close(s.requests.done_fd);
	pthread_mutex_destroy(&s.lock);
	fake_end(s.vir);
}

static const struct om_request *ask(int client, const char *line)
{
	struct om_request request = { .stage = OM_REQUEST_ASKED, .uid = 42 };
	struct om_err err;

	if (!om_control_parse(&request.what, line, NULL, &err))
		fail_msg("%s", err.msg);
	om_request_put(&s.requests.queue, client, &request);
	om_requests_work(&s, begun);
	return &s.requests.queue.v[client];
}

static bool was_told(void)
{
	uint64_t count = 0;

	return read(s.requests.done_fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static void answers(const struct om_request *r, enum om_control_result result, const char *text)
{
	assert_int_equal(r->stage, OM_REQUEST_DONE);
	assert_int_equal(r->answer.result, result);
	if (!strstr(r->answer.text, text))
		fail_msg("'%s' is not in '%s'", text, r->answer.text);
	assert_true(was_told());
}

static void a_setting_is_in_force_and_holds_for_the_next_attempt(void **unused)
{
	(void)unused;
	begin();
	answers(ask(0, "set downtime-max=700 bandwidth=40"), OM_CONTROL_DONE, "in force: ");
	assert_int_equal(fake.number, 40);
	assert_int_equal(fake.flags, 0);
	assert_int_equal(s.watch.limits.downtime_max_ms, 700);
	assert_int_equal(s.plan.limits.downtime_max_ms, 700);
	assert_int_equal(s.plan.limits.bandwidth_bytes_ps, 40ull << 20);
	end();
}

static void what_a_bandwidth_does_not_reach_is_said(void **unused)
{
	(void)unused;
	begin();
	s.plan.disks.mirrors = 2;
	answers(ask(0, "set bandwidth=40"), OM_CONTROL_DONE, "the disks keep the bandwidth");
	assert_null(strstr(ask(1, "set downtime-max=700")->answer.text, "disks"));
	end();
	begin();
	assert_null(strstr(ask(0, "set bandwidth=40")->answer.text, "several"));
	s.requests.flags |= OM_FLAG_PARALLEL;
	answers(ask(0, "set bandwidth=40"), OM_CONTROL_DONE, "several connections");
	end();
}

static void a_bandwidth_holds_in_a_post_copy_that_follows(void **unused)
{
	(void)unused;
	begin();
	answers(ask(0, "set bandwidth=40"), OM_CONTROL_DONE, "in force: ");
	assert_int_equal(own_speed, 40);
	assert_int_equal(postcopy_speed, 40);
	answers(ask(0, "set bandwidth=none"), OM_CONTROL_DONE, "bandwidth not limited");
	assert_true(postcopy_speed > 1000000);
	postcopy_refused = true;
	answers(ask(0, "set bandwidth=50"), OM_CONTROL_DONE, "post-copy would keep the bandwidth");
	assert_int_equal(own_speed, 50);
	assert_null(strstr(ask(1, "set downtime-max=700")->answer.text, "post-copy would"));
	end();
	/* Where it was not armed there is none. */
	begin();
	s.requests.flags = OM_FLAG_LIVE;
	ask(0, "set bandwidth=40");
	assert_int_equal(postcopy_speed, 0);
	end();
	/* In it, it is the one that counts. */
	begin();
	om_vir_events(s.vir)->source_postcopy = true;
	answers(ask(0, "set bandwidth=60"), OM_CONTROL_DONE, "in force: ");
	assert_int_equal(postcopy_speed, 60);
	assert_int_equal(own_speed, 1000);
	end();
	/* And again once libvirt has set the plan's. */
	begin();
	s.first_pass_ms = 0;
	ask(0, "set bandwidth=40");
	postcopy_speed = 0;
	s.first_pass_ms = 5;
	om_requests_work(&s, begun);
	assert_int_equal(postcopy_speed, 40);
	end();
}

static void what_libvirt_refuses_changes_nothing(void **unused)
{
	(void)unused;
	begin();
	fake.call_code = VIR_ERR_OPERATION_INVALID;
	fake.call_text = "no job";
	answers(ask(1, "set downtime-max=700 bandwidth=40"), OM_CONTROL_REFUSED,
		"no job; nothing was changed");
	assert_int_equal(s.watch.limits.downtime_max_ms, 500);
	assert_int_equal(s.plan.limits.bandwidth_bytes_ps, 0);
	om_requests_restore(&s);
	assert_int_equal(own_speed, 1000);
	end();
}

/* libvirt gives QEMU the plan's at the beginning of the copy, after an operator's. */
static void a_bandwidth_before_the_first_pass_is_set_once_more(void **unused)
{
	(void)unused;
	begin();
	s.first_pass_ms = 0;
	ask(0, "set bandwidth=40");
	own_speed = 1000;
	om_requests_work(&s, begun);
	assert_int_equal(own_speed, 1000);
	s.first_pass_ms = 5;
	om_requests_work(&s, begun);
	assert_int_equal(own_speed, 40);
	own_speed = 77;
	om_requests_work(&s, begun);
	assert_int_equal(own_speed, 77);
	end();
}

static void the_domains_own_bandwidth_comes_back(void **unused)
{
	(void)unused;
	begin();
	ask(0, "set bandwidth=40");
	om_requests_restore(&s);
	assert_int_equal(own_speed, 1000);
	end();
	begin();
	own_speed = 50; /* not by us */
	om_requests_restore(&s);
	assert_int_equal(own_speed, 50);
	end();
}

static void post_copy_is_answered_once_the_guest_is_there(void **unused)
{
	const struct om_request *r;

	(void)unused;
	begin();
	r = ask(2, "postcopy");
	assert_int_equal(fake.postcopies, 1);
	assert_int_equal(r->stage, OM_REQUEST_STARTED);
	assert_false(was_told());
	om_requests_work(&s, begun);
	assert_int_equal(r->stage, OM_REQUEST_STARTED);
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_POSTCOPY;
	om_requests_work(&s, begun);
	answers(r, OM_CONTROL_DONE, "the guest runs on node02");
	assert_int_equal(fake.postcopies, 1);
	end();
}

static void post_copy_is_not_asked_for_where_it_was_not_armed(void **unused)
{
	(void)unused;
	begin();
	s.requests.flags = OM_FLAG_LIVE;
	answers(ask(0, "postcopy"), OM_CONTROL_REFUSED, "");
	assert_int_equal(fake.postcopies, 0);
	s.requests.flags = OM_FLAG_POSTCOPY;
	fake.call_code = VIR_ERR_OPERATION_INVALID;
	fake.call_text = "not now";
	answers(ask(0, "postcopy"), OM_CONTROL_REFUSED, "not now");
	end();
}

/* Its event is lost with a connection that breaks at the switch. */
static void post_copy_of_which_no_event_told_is_seen(void **unused)
{
	static const char *const lines[] = { "postcopy", "pause", "set downtime-max=700" };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(lines); i++) {
		begin();
		fake.state = VIR_DOMAIN_PAUSED;
		fake.reason = VIR_DOMAIN_PAUSED_POSTCOPY;
		answers(ask(0, lines[i]), OM_CONTROL_REFUSED, "it is in post-copy");
		assert_int_equal(fake.suspended + fake.postcopies, 0);
		end();
	}
	begin();
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_POSTCOPY;
	answers(ask(0, "set bandwidth=60"), OM_CONTROL_DONE, "in force: ");
	assert_int_equal(postcopy_speed, 60);
	assert_int_equal(own_speed, 1000);
	assert_true(om_vir_events(s.vir)->source_postcopy); /* for a cancel, too */
	end();
}

static void a_pause_is_told_to_whoever_answers_for_the_process(void **unused)
{
	(void)unused;
	begin();
	answers(ask(0, "pause"), OM_CONTROL_DONE, "stands still on node01");
	assert_int_equal(fake.suspended, 1);
	assert_true(s.guest_suspended && shared.guest_suspended);
	end();
	begin();
	stops = false;
	answers(ask(0, "pause"), OM_CONTROL_UNPROVEN, "says that the guest is");
	assert_true(shared.guest_suspended);
	end();
	begin();
	stops = false;
	fake.call_code = VIR_ERR_OPERATION_INVALID;
	fake.call_text = "busy";
	answers(ask(0, "pause"), OM_CONTROL_REFUSED, "busy");
	assert_false(s.guest_suspended || shared.guest_suspended);
	end();
}

/* libvirt asks whether the guest is paused when it begins, and would leave it so on the destination. */
static void a_pause_waits_until_memory_or_disks_move(void **unused)
{
	const struct om_request *r;

	(void)unused;
	begin();
	begun = false;
	r = ask(0, "pause");
	assert_int_equal(r->stage, OM_REQUEST_ASKED);
	answers(ask(1, "set downtime-max=700"), OM_CONTROL_DONE, "in force: ");
	assert_int_equal(fake.suspended, 0);
	assert_false(shared.guest_suspended);
	begun = true;
	om_requests_work(&s, begun);
	answers(r, OM_CONTROL_DONE, "stands still on node01");
	assert_int_equal(fake.suspended, 1);
	/* Another attempt begins anew. */
	om_requests_begin(&s, OM_FLAG_LIVE);
	assert_false(s.requests.queue.begun);
	end();
}

static void while_it_is_cancelled_nothing_else_is_done(void **unused)
{
	(void)unused;
	begin();
	s.stop = true;
	answers(ask(0, "set bandwidth=40"), OM_CONTROL_REFUSED, "being cancelled");
	answers(ask(1, "pause"), OM_CONTROL_REFUSED, "being cancelled");
	assert_int_equal(fake.suspended, 0);
	assert_int_equal(own_speed, 1000);
	end();
}

static void several_are_answered_in_their_order(void **unused)
{
	struct om_request first = { .stage = OM_REQUEST_ASKED };
	struct om_err err;

	(void)unused;
	begin();
	assert_true(om_control_parse(&first.what, "set bandwidth=30", NULL, &err));
	om_request_put(&s.requests.queue, 3, &first);
	answers(ask(0, "set bandwidth=60"), OM_CONTROL_DONE, "");
	assert_int_equal(s.requests.queue.v[3].stage, OM_REQUEST_DONE);
	assert_int_equal(own_speed, 60);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_setting_is_in_force_and_holds_for_the_next_attempt),
		cmocka_unit_test(a_bandwidth_holds_in_a_post_copy_that_follows),
		cmocka_unit_test(what_libvirt_refuses_changes_nothing),
		cmocka_unit_test(what_a_bandwidth_does_not_reach_is_said),
		cmocka_unit_test(a_bandwidth_before_the_first_pass_is_set_once_more),
		cmocka_unit_test(the_domains_own_bandwidth_comes_back),
		cmocka_unit_test(post_copy_is_answered_once_the_guest_is_there),
		cmocka_unit_test(post_copy_is_not_asked_for_where_it_was_not_armed),
		cmocka_unit_test(post_copy_of_which_no_event_told_is_seen),
		cmocka_unit_test(a_pause_is_told_to_whoever_answers_for_the_process),
		cmocka_unit_test(a_pause_waits_until_memory_or_disks_move),
		cmocka_unit_test(while_it_is_cancelled_nothing_else_is_done),
		cmocka_unit_test(several_are_answered_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
