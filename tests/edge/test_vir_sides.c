/* SPDX-License-Identifier: Apache-2.0 */
/* What each side's state is taken for, the repairs, and the snapshots' metadata. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainGetState virDomainGetJobStats virDomainSuspend virDomainResume virDomainDestroy virDomainDestroyFlags virDomainListAllSnapshots virDomainSnapshotGetXMLDesc virDomainSnapshotIsCurrent virDomainSnapshotDelete virDomainSnapshotCreateXML virDomainSnapshotFree virDomainGetBlockJobInfo */
#include "test_vir_fake.h"

#include <time.h>
#include <unistd.h>

int __wrap_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	if (fake_call() < 0)
		return -1;
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
	fake.jobs_asked++;
	if (fake.job_code) {
		fake_error(fake.job_code, "the job cannot be asked");
		return -1;
	}
	*type = fake.stats_type;
	*params = NULL;
	*count = 0;
	virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_TIME_ELAPSED, 1500);
	if (fake.operation >= 0)
		virTypedParamsAddInt(params, count, &max, VIR_DOMAIN_JOB_OPERATION, fake.operation);
	return 0;
}

int __wrap_virDomainSuspend(virDomainPtr dom)
{
	assert_non_null(dom);
	fake.suspended++;
	return fake_call();
}

int __wrap_virDomainResume(virDomainPtr dom)
{
	assert_non_null(dom);
	fake.resumed++;
	return fake_call();
}

int __wrap_virDomainDestroy(virDomainPtr dom)
{
	assert_non_null(dom);
	fake.destroyed++;
	return fake_call();
}

int __wrap_virDomainDestroyFlags(virDomainPtr dom, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, VIR_DOMAIN_DESTROY_GRACEFUL);
	fake.destroyed_gently++;
	return fake.gentle_fails ? -1 : fake_call();
}

/* ---- states ---- */

#define R(reason) VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_##reason
#define P(reason) VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_##reason

static void every_state_and_reason_is_taken_for_what_it_is(void **unused)
{
	static const struct {
		int state, reason;
		enum om_side_state expected;
	} rows[] = {
		{ R(UNKNOWN), OM_SIDE_RUNNING },
		{ R(BOOTED), OM_SIDE_RUNNING },
		{ R(MIGRATED), OM_SIDE_RUNNING },
		{ R(RESTORED), OM_SIDE_RUNNING },
		{ R(FROM_SNAPSHOT), OM_SIDE_RUNNING },
		{ R(UNPAUSED), OM_SIDE_RUNNING },
		{ R(MIGRATION_CANCELED), OM_SIDE_ROLLED_BACK },
		{ R(SAVE_CANCELED), OM_SIDE_RUNNING },
		{ R(WAKEUP), OM_SIDE_RUNNING },
		{ R(CRASHED), OM_SIDE_RUNNING },
		{ R(POSTCOPY), OM_SIDE_POSTCOPY },
		{ VIR_DOMAIN_RUNNING, 11, OM_SIDE_POSTCOPY_FAILED }, /* libvirt 8.5 */
		{ VIR_DOMAIN_RUNNING, 99, OM_SIDE_RUNNING },
		{ VIR_DOMAIN_BLOCKED, 0, OM_SIDE_RUNNING },
		{ P(UNKNOWN), OM_SIDE_PAUSED },
		{ P(USER), OM_SIDE_PAUSED },
		{ P(MIGRATION), OM_SIDE_INCOMING },
		{ P(SAVE), OM_SIDE_PAUSED },
		{ P(DUMP), OM_SIDE_PAUSED },
		{ P(IOERROR), OM_SIDE_PAUSED },
		{ P(WATCHDOG), OM_SIDE_PAUSED },
		{ P(FROM_SNAPSHOT), OM_SIDE_PAUSED },
		{ P(SHUTTING_DOWN), OM_SIDE_PAUSED },
		{ P(SNAPSHOT), OM_SIDE_PAUSED },
		{ P(CRASHED), OM_SIDE_PAUSED },
		{ P(STARTING_UP), OM_SIDE_INCOMING },
		{ P(POSTCOPY), OM_SIDE_POSTCOPY },
		{ P(POSTCOPY_FAILED), OM_SIDE_POSTCOPY_FAILED },
		{ VIR_DOMAIN_PAUSED, 99, OM_SIDE_PAUSED },
		{ VIR_DOMAIN_PMSUSPENDED, 0, OM_SIDE_PAUSED },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_MIGRATED, OM_SIDE_ABSENT },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, OM_SIDE_ABSENT },
		{ VIR_DOMAIN_CRASHED, 0, OM_SIDE_PAUSED },
		{ VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED, OM_SIDE_PAUSED },
		{ VIR_DOMAIN_SHUTDOWN, 0, OM_SIDE_UNREACHABLE },
		{ VIR_DOMAIN_NOSTATE, 0, OM_SIDE_UNREACHABLE },
		{ 99, 0, OM_SIDE_UNREACHABLE },
	};
	struct om_vir *vir = fake_start();

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		for (int role = OM_VIR_MON; role <= OM_VIR_DST; role++) {
			struct om_side side;

			fake.state = rows[i].state;
			fake.reason = rows[i].reason;
			om_vir_side(vir, (enum om_vir_role)role, &side);
			if (side.state != rows[i].expected)
				fail_msg("state %d, reason %d: %s", rows[i].state, rows[i].reason,
					 om_side_state_name(side.state));
		}
	fake_end(vir);
}

static void only_no_such_domain_means_that_it_is_not_there(void **unused)
{
	static const int others[] = {
		VIR_ERR_INTERNAL_ERROR,	   VIR_ERR_SYSTEM_ERROR, VIR_ERR_RPC,
		VIR_ERR_OPERATION_TIMEOUT, VIR_ERR_AUTH_FAILED,	 VIR_ERR_NO_CONNECT
	};
	struct om_vir *vir = fake_start();
	struct om_side side;

	(void)unused;
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_int_equal(side.state, OM_SIDE_ABSENT);
	for (size_t i = 0; i < OM_ARRAY_LEN(others); i++) {
		fake.lookup_code = others[i];
		om_vir_side(vir, OM_VIR_DST, &side);
		assert_int_equal(side.state, OM_SIDE_UNREACHABLE);
	}
	fake.lookup_code = 0;
	fake.call_code = VIR_ERR_NO_DOMAIN; /* gone between the two calls */
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_int_equal(side.state, OM_SIDE_ABSENT);
	fake.call_code = VIR_ERR_OPERATION_TIMEOUT;
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_int_equal(side.state, OM_SIDE_UNREACHABLE);
	fake_end(vir);
}

static void a_lost_connection_is_opened_again_or_the_side_is_unreachable(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_side side;

	(void)unused;
	om_vir_events(vir)->lost[OM_VIR_DST] = true;
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_int_equal(side.state, OM_SIDE_RUNNING);
	assert_int_equal(fake.opened, 4);
	assert_int_equal(fake.closed, 1);
	assert_string_equal(fake.uri, "qemu+ssh://node02/system");
	assert_false(om_vir_events(vir)->lost[OM_VIR_DST]);
	om_vir_close(vir, OM_VIR_DST);
	fake.call_code = VIR_ERR_SYSTEM_ERROR;
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_int_equal(side.state, OM_SIDE_UNREACHABLE);
	fake_end(vir);
}

static void a_connection_that_cannot_be_opened_stays_lost_until_it_can(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_side side;
	struct om_err err;

	(void)unused;
	for (int role = 0; role < OM_VIR_ROLES; role++) {
		fake.call_code = VIR_ERR_SYSTEM_ERROR;
		assert_false(om_vir_open(vir, (enum om_vir_role)role, &err));
		assert_true(om_vir_events(vir)->lost[role]);
		fake.call_code = 0;
		assert_true(om_vir_open(vir, (enum om_vir_role)role, &err));
		assert_false(om_vir_events(vir)->lost[role]);
	}
	fake.call_code = VIR_ERR_SYSTEM_ERROR;
	om_vir_events(vir)->lost[OM_VIR_MON] = true;
	for (int i = 0; i < 3; i++) {
		om_vir_side(vir, OM_VIR_MON, &side);
		assert_int_equal(side.state, OM_SIDE_UNREACHABLE);
		assert_true(om_vir_events(vir)->lost[OM_VIR_MON]);
	}
	fake.call_code = 0;
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_int_equal(side.state, OM_SIDE_RUNNING);
	assert_false(om_vir_events(vir)->lost[OM_VIR_MON]);
	fake_end(vir);
}

static void a_destination_is_watched_only_over_its_first_connection(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_side side;

	(void)unused;
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_false(side.unwatched);
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_false(side.unwatched);
	om_vir_events(vir)->lost[OM_VIR_DST] = true;
	for (int i = 0; i < 2; i++) {
		om_vir_side(vir, OM_VIR_DST, &side);
		assert_int_equal(side.state, OM_SIDE_RUNNING);
		assert_true(side.unwatched);
	}
	/* A new migration forgets the old one's events, and not that some may be missing. */
	om_vir_events_reset(vir);
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_true(side.unwatched);
	/* The source's events decide nothing that its state does not show. */
	om_vir_events(vir)->lost[OM_VIR_MON] = true;
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_int_equal(side.state, OM_SIDE_RUNNING);
	assert_false(side.unwatched);
	fake_end(vir);
}

static void a_first_connection_that_comes_late_is_watched_too(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_side side;
	struct om_err err;

	(void)unused;
	om_vir_free(vir);
	vir = om_vir_new("qemu:///system", "qemu+ssh://node02/system");
	fake.call_code = VIR_ERR_SYSTEM_ERROR;
	assert_false(om_vir_open(vir, OM_VIR_DST, &err));
	fake.call_code = 0;
	assert_true(om_vir_open(vir, OM_VIR_SRC, &err));
	assert_true(om_vir_identify(vir, UUID, &err));
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_int_equal(side.state, OM_SIDE_RUNNING);
	assert_false(side.unwatched);
	fake_end(vir);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void a_daemon_that_hangs_is_given_up_in_time_and_heard_when_it_goes_on(void **unused)
{
	struct om_vir *vir = fake_start();
	uint64_t begun_ms = now_ms();
	struct om_side side;
	struct om_err err;
	sem_t hold;

	(void)unused;
	sem_init(&hold, 0, 0);
	fake.hold = &hold;
	vir->open_limit_ms = 300;
	assert_false(om_vir_open(vir, OM_VIR_DST, &err));
	assert_in_range(now_ms() - begun_ms, 290, 5000);
	assert_string_equal(err.msg, "no connection to the destination's libvirt: it does not "
				     "answer within 1 s");
	/* The same one is asked for again, and for no longer. */
	begun_ms = now_ms();
	for (int i = 0; i < 10; i++) {
		om_vir_side(vir, OM_VIR_DST, &side);
		assert_int_equal(side.state, OM_SIDE_UNREACHABLE);
	}
	assert_true(now_ms() - begun_ms < 290);
	assert_int_equal(fake.open_calls, 4);
	sem_post(&hold);
	while (side.state == OM_SIDE_UNREACHABLE && now_ms() - begun_ms < 5000)
		om_vir_side(vir, OM_VIR_DST, &side);
	assert_int_equal(side.state, OM_SIDE_RUNNING);
	assert_true(side.unwatched);
	assert_int_equal(fake.open_calls, 4);
	fake_end(vir);
	sem_destroy(&hold);
}

static void a_connection_that_nobody_waits_for_is_closed(void **unused)
{
	struct om_vir *vir = fake_start();
	uint64_t begun_ms = now_ms();
	struct om_err err;
	sem_t hold;

	(void)unused;
	sem_init(&hold, 0, 0);
	fake.hold = &hold;
	vir->open_limit_ms = 50;
	assert_false(om_vir_open(vir, OM_VIR_DST, &err));
	assert_false(om_vir_open(vir, OM_VIR_SRC, &err));
	om_vir_free(vir);
	assert_int_equal(fake.closed, 3);
	sem_post(&hold);
	sem_post(&hold);
	while (fake.closed < 5 && now_ms() - begun_ms < 5000)
		usleep(1000);
	assert_int_equal(fake.closed, 5);
	usleep(20000); /* the threads end */
	sem_destroy(&hold);
}

static void events_are_told_of_the_side_that_they_belong_to(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_side side;

	(void)unused;
	om_vir_events(vir)->dest_resumed = true;
	om_vir_events(vir)->source_stopped = true;
	fake.stats_type = VIR_DOMAIN_JOB_UNBOUNDED;
	fake.operation = VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_true(side.job && side.stopped && !side.resumed);
	assert_int_equal(fake.jobs_asked, 1);
	/* An incoming domain answers no question about its job. */
	om_vir_side(vir, OM_VIR_DST, &side);
	assert_true(!side.job && !side.stopped && side.resumed);
	assert_int_equal(fake.jobs_asked, 1);
	fake_end(vir);
}

static void post_copy_that_is_seen_counts_as_its_event(void **unused)
{
	static const int reasons[] = { VIR_DOMAIN_PAUSED_POSTCOPY,
				       VIR_DOMAIN_PAUSED_POSTCOPY_FAILED };
	struct om_side side;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(reasons); i++) {
		struct om_vir *vir = fake_start();

		fake.state = VIR_DOMAIN_PAUSED;
		fake.reason = VIR_DOMAIN_PAUSED_MIGRATION;
		om_vir_side(vir, OM_VIR_MON, &side);
		fake.reason = reasons[i];
		om_vir_side(vir, OM_VIR_DST, &side);
		assert_false(om_vir_events(vir)->source_postcopy);
		om_vir_side(vir, OM_VIR_MON, &side);
		assert_true(om_vir_events(vir)->source_postcopy);
		fake_end(vir);
	}
}

static void a_job_is_a_migration_unless_libvirt_says_that_it_is_none(void **unused)
{
	static const int failures[] = { VIR_ERR_OPERATION_TIMEOUT, VIR_ERR_INTERNAL_ERROR,
					VIR_ERR_RPC, VIR_ERR_OPERATION_INVALID,
					VIR_ERR_NO_SUPPORT };
	struct om_vir *vir = fake_start();
	struct om_side side;

	(void)unused;
	for (int type = VIR_DOMAIN_JOB_NONE; type <= VIR_DOMAIN_JOB_CANCELLED; type++)
		for (int operation = -1; operation <= VIR_DOMAIN_JOB_OPERATION_DUMP + 3;
		     operation++) {
			bool active = type == VIR_DOMAIN_JOB_BOUNDED ||
				      type == VIR_DOMAIN_JOB_UNBOUNDED;
			bool migrates = operation == -1 ||
					operation == VIR_DOMAIN_JOB_OPERATION_UNKNOWN ||
					operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;

			fake.stats_type = type;
			fake.operation = operation;
			om_vir_side(vir, OM_VIR_MON, &side);
			assert_int_equal(side.state, OM_SIDE_RUNNING);
			if (side.job != (active && migrates))
				fail_msg("type %d, operation %d: %d", type, operation, side.job);
		}
	fake.stats_type = VIR_DOMAIN_JOB_NONE;
	for (size_t i = 0; i < OM_ARRAY_LEN(failures); i++) {
		fake.job_code = failures[i];
		om_vir_side(vir, OM_VIR_MON, &side);
		assert_int_equal(side.state, OM_SIDE_RUNNING);
		assert_true(side.job);
	}
	fake.job_code = VIR_ERR_NO_DOMAIN;
	om_vir_side(vir, OM_VIR_MON, &side);
	assert_false(side.job);
	fake_end(vir);
}

static void repairs_are_made_once_and_keep_libvirts_words(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	assert_true(om_vir_suspend(vir, OM_VIR_MON, &err));
	assert_true(om_vir_resume(vir, OM_VIR_MON, &err));
	assert_true(om_vir_destroy(vir, OM_VIR_DST, &err));
	assert_int_equal(fake.suspended, 1);
	assert_int_equal(fake.resumed, 1);
	assert_int_equal(fake.destroyed_gently, 1);
	assert_int_equal(fake.destroyed, 0);
	fake.gentle_fails = true;
	assert_true(om_vir_destroy(vir, OM_VIR_DST, &err));
	assert_int_equal(fake.destroyed, 1);
	fake.call_code = VIR_ERR_OPERATION_FAILED;
	fake.call_text = "device busy";
	assert_false(om_vir_destroy(vir, OM_VIR_DST, &err));
	assert_string_equal(err.msg, "the stopped copy could not be removed: device busy");
	assert_false(om_vir_resume(vir, OM_VIR_MON, &err));
	assert_string_equal(err.msg, "the guest could not be resumed: device busy");
	assert_false(om_vir_suspend(vir, OM_VIR_MON, &err));
	assert_string_equal(err.msg, "the guest could not be paused: device busy");
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_false(om_vir_destroy(vir, OM_VIR_DST, &err));
	fake_end(vir);
}

/* ---- snapshots ---- */

static struct {
	int tokens[4];
	int count, current, freed, deleted, fail_at, defined;
	char xml[8][32];
	unsigned int flags[8];
	unsigned int list_flags;
} snaps;

static int snap_index(virDomainSnapshotPtr snap)
{
	return (int)((int *)(void *)snap - snaps.tokens);
}

int __wrap_virDomainListAllSnapshots(virDomainPtr dom, virDomainSnapshotPtr **list,
				     unsigned int flags)
{
	assert_non_null(dom);
	snaps.list_flags = flags;
	if (fake_call() < 0)
		return -1;
	*list = calloc((size_t)snaps.count + 1, sizeof(**list));
	for (int i = 0; i < snaps.count; i++)
		(*list)[i] = (virDomainSnapshotPtr)(void *)&snaps.tokens[i];
	return snaps.count;
}

char *__wrap_virDomainSnapshotGetXMLDesc(virDomainSnapshotPtr snap, unsigned int flags)
{
	char *xml;

	assert_int_equal(flags, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
	if (snap_index(snap) == snaps.fail_at) {
		fake_error(VIR_ERR_INTERNAL_ERROR, "no XML");
		return NULL;
	}
	xml = calloc(1, 16);
	snprintf(xml, 16, "<s%d/>", snap_index(snap));
	return xml;
}

int __wrap_virDomainSnapshotIsCurrent(virDomainSnapshotPtr snap, unsigned int flags)
{
	assert_int_equal(flags, 0);
	return snap_index(snap) == snaps.current;
}

int __wrap_virDomainSnapshotDelete(virDomainSnapshotPtr snap, unsigned int flags)
{
	assert_int_equal(flags, VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY);
	if (snap_index(snap) == snaps.fail_at) {
		fake_error(VIR_ERR_INTERNAL_ERROR, "busy");
		return -1;
	}
	snaps.deleted++;
	return 0;
}

virDomainSnapshotPtr __wrap_virDomainSnapshotCreateXML(virDomainPtr dom, const char *xml,
						       unsigned int flags)
{
	assert_non_null(dom);
	snprintf(snaps.xml[snaps.defined], sizeof(snaps.xml[0]), "%s", xml);
	snaps.flags[snaps.defined] = flags;
	if (snaps.defined++ == snaps.fail_at) {
		fake_error(VIR_ERR_INTERNAL_ERROR, "no place");
		return NULL;
	}
	return (virDomainSnapshotPtr)(void *)&snaps.tokens[0];
}

int __wrap_virDomainSnapshotFree(virDomainSnapshotPtr snap)
{
	assert_non_null(snap);
	fake_forget();
	snaps.freed++;
	return 0;
}

static struct om_vir *start_with_snapshots(int count, int current)
{
	memset(&snaps, 0, sizeof(snaps));
	snaps.count = count;
	snaps.current = current;
	snaps.fail_at = -1;
	return fake_start();
}

static void snapshots_are_saved_parents_first_and_the_current_one_is_marked(void **unused)
{
	struct om_vir *vir = start_with_snapshots(3, 1);
	struct om_strv xml = { 0 };
	struct om_err err;

	(void)unused;
	assert_true(om_vir_snapshots_save(vir, &xml, &err));
	assert_int_equal(snaps.list_flags, VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);
	assert_int_equal(xml.n, 3);
	assert_string_equal(xml.v[0], "-<s0/>");
	assert_string_equal(xml.v[1], "C<s1/>");
	assert_string_equal(xml.v[2], "-<s2/>");
	assert_int_equal(snaps.freed, 3);
	om_strv_free(&xml);
	snaps.fail_at = 1;
	snaps.freed = 0;
	assert_false(om_vir_snapshots_save(vir, &xml, &err));
	assert_string_equal(err.msg, "snapshot metadata: no XML");
	assert_int_equal(snaps.freed, 3);
	om_strv_free(&xml);
	fake_end(vir);
}

static void only_metadata_is_dropped_and_the_first_failure_ends_it(void **unused)
{
	struct om_vir *vir = start_with_snapshots(3, 0);
	struct om_err err;

	(void)unused;
	assert_true(om_vir_snapshots_drop(vir, &err));
	assert_int_equal(snaps.deleted, 3);
	assert_int_equal(snaps.freed, 3);
	snaps.deleted = snaps.freed = 0;
	snaps.fail_at = 1;
	assert_false(om_vir_snapshots_drop(vir, &err));
	assert_string_equal(err.msg, "snapshot metadata could not be dropped: busy");
	assert_int_equal(snaps.deleted, 1);
	assert_int_equal(snaps.freed, 3);
	fake.call_code = VIR_ERR_INTERNAL_ERROR;
	assert_false(om_vir_snapshots_drop(vir, &err));
	fake_end(vir);
}

static void snapshots_are_defined_again_in_order_with_the_current_one_told(void **unused)
{
	struct om_vir *vir = start_with_snapshots(0, 0);
	struct om_strv xml = { 0 };
	struct om_err err;

	(void)unused;
	assert_true(om_vir_snapshots_define(vir, OM_VIR_DST, &xml, &err));
	assert_int_equal(fake.doms_out, 0);
	om_strv_add(&xml, "-<a/>");
	om_strv_add(&xml, "C<b/>");
	assert_true(om_vir_snapshots_define(vir, OM_VIR_DST, &xml, &err));
	assert_int_equal(snaps.defined, 2);
	assert_string_equal(snaps.xml[0], "<a/>");
	assert_int_equal(snaps.flags[0], VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE);
	assert_string_equal(snaps.xml[1], "<b/>");
	assert_int_equal(snaps.flags[1],
			 VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT);
	assert_int_equal(snaps.freed, 2);
	/* One that fails does not keep the others from it. */
	snaps.defined = snaps.freed = 0;
	snaps.fail_at = 0;
	assert_false(om_vir_snapshots_define(vir, OM_VIR_MON, &xml, &err));
	assert_string_equal(err.msg, "snapshot metadata could not be defined again: no place");
	assert_int_equal(snaps.defined, 2);
	assert_int_equal(snaps.freed, 1);
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_false(om_vir_snapshots_define(vir, OM_VIR_MON, &xml, &err));
	om_strv_free(&xml);
	fake_end(vir);
}

/* ---- block jobs ---- */

int __wrap_virDomainGetBlockJobInfo(virDomainPtr dom, const char *disk,
				    virDomainBlockJobInfoPtr info, unsigned int flags)
{
	assert_non_null(dom);
	assert_non_null(info);
	assert_int_equal(flags, 0);
	assert_string_not_equal(disk, "hda"); /* an empty drive has none */
	return strcmp(disk, fake.name) == 0 ? 1 : strcmp(disk, "vda") == 0 ? -1 : 0;
}

static void the_first_disk_with_a_block_job_is_named(void **unused)
{
	struct om_dom_disk disks[] = {
		{ .target = (char[]){ "hda" }, .kind = OM_DISK_EMPTY, .cdrom = true },
		{ .target = (char[]){ "vda" }, .kind = OM_DISK_FILE },
		{ .target = (char[]){ "vdb" }, .kind = OM_DISK_BLOCK }
	};
	struct om_dom dom = { .disks = disks, .disk_count = OM_ARRAY_LEN(disks) };
	struct om_vir *vir = start_with_snapshots(0, 0);
	char target[8] = "";

	(void)unused;
	assert_false(om_vir_block_job(vir, &dom, target, sizeof(target)));
	strcpy(fake.name, "vdb");
	assert_true(om_vir_block_job(vir, &dom, target, sizeof(target)));
	assert_string_equal(target, "vdb");
	fake_end(vir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_and_reason_is_taken_for_what_it_is),
		cmocka_unit_test(only_no_such_domain_means_that_it_is_not_there),
		cmocka_unit_test(a_lost_connection_is_opened_again_or_the_side_is_unreachable),
		cmocka_unit_test(a_connection_that_cannot_be_opened_stays_lost_until_it_can),
		cmocka_unit_test(a_destination_is_watched_only_over_its_first_connection),
		cmocka_unit_test(a_first_connection_that_comes_late_is_watched_too),
		cmocka_unit_test(a_daemon_that_hangs_is_given_up_in_time_and_heard_when_it_goes_on),
		cmocka_unit_test(a_connection_that_nobody_waits_for_is_closed),
		cmocka_unit_test(events_are_told_of_the_side_that_they_belong_to),
		cmocka_unit_test(post_copy_that_is_seen_counts_as_its_event),
		cmocka_unit_test(a_job_is_a_migration_unless_libvirt_says_that_it_is_none),
		cmocka_unit_test(repairs_are_made_once_and_keep_libvirts_words),
		cmocka_unit_test(snapshots_are_saved_parents_first_and_the_current_one_is_marked),
		cmocka_unit_test(only_metadata_is_dropped_and_the_first_failure_ends_it),
		cmocka_unit_test(snapshots_are_defined_again_in_order_with_the_current_one_told),
		cmocka_unit_test(the_first_disk_with_a_block_job_is_named),
	};

	virInitialize();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
