/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt is given for a migration, and what is made of its answers. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainMigrate3 virDomainMigrateToURI3 virDomainMigrateSetMaxDowntime virDomainMigrateStartPostCopy virDomainAbortJob virDomainGetJobStats */
#include "test_vir_fake.h"

#include <unistd.h>

static void copy_params(virTypedParameterPtr *to, virTypedParameterPtr from, int count)
{
	*to = calloc((size_t)count + 1, sizeof(**to));
	for (int i = 0; i < count; i++) {
		(*to)[i] = from[i];
		if (from[i].type == VIR_TYPED_PARAM_STRING)
			(*to)[i].value.s = strdup(from[i].value.s);
	}
}

static void keep_arguments(virTypedParameterPtr params, unsigned int count, unsigned int flags)
{
	virTypedParamsFree(fake.params, fake.param_count);
	fake.params = NULL;
	fake.param_count = 0;
	if (count)
		copy_params(&fake.params, params, (int)count);
	fake.param_count = (int)count;
	fake.flags = flags;
}

virDomainPtr __wrap_virDomainMigrate3(virDomainPtr dom, virConnectPtr dconn,
				      virTypedParameterPtr params, unsigned int count,
				      unsigned int flags)
{
	assert_non_null(dom);
	fake.migrate3++;
	fake.dconn = dconn;
	keep_arguments(params, count, flags);
	if (fake_call() < 0)
		return NULL;
	return (virDomainPtr)&fake.doms[fake.doms_out++ % OM_ARRAY_LEN(fake.doms)];
}

int __wrap_virDomainMigrateToURI3(virDomainPtr dom, const char *uri, virTypedParameterPtr params,
				  unsigned int count, unsigned int flags)
{
	assert_non_null(dom);
	fake.to_uri3++;
	snprintf(fake.uri, sizeof(fake.uri), "%s", uri ? uri : "");
	keep_arguments(params, count, flags);
	return fake_call();
}

int __wrap_virDomainMigrateSetMaxDowntime(virDomainPtr dom, unsigned long long downtime,
					  unsigned int flags)
{
	assert_non_null(dom);
	fake.number = downtime;
	fake.flags = flags;
	return fake_call();
}

int __wrap_virDomainMigrateStartPostCopy(virDomainPtr dom, unsigned int flags)
{
	assert_non_null(dom);
	fake.flags = flags;
	fake.postcopies++;
	return fake_call();
}

int __wrap_virDomainAbortJob(virDomainPtr dom)
{
	assert_non_null(dom);
	fake.aborted++;
	return fake_call();
}

static virTypedParameterPtr stats;
static int stats_count, stats_max;

int __wrap_virDomainGetJobStats(virDomainPtr dom, int *type, virTypedParameterPtr *params,
				int *count, unsigned int flags)
{
	assert_non_null(dom);
	fake.flags = flags;
	if (fake_call() < 0)
		return -1;
	*type = fake.stats_type;
	copy_params(params, stats, stats_count);
	*count = stats_count;
	return 0;
}

static struct om_plan plan_of(unsigned int flags)
{
	struct om_plan plan = { .flags = flags, .attempt_count = 2 };
	struct om_params *first = &plan.attempts[0].params;

	plan.peer_to_peer = flags & OM_FLAG_PEER2PEER;
	plan.attempts[0].flags = flags;
	plan.attempts[1].flags = flags & ~OM_FLAG_AUTO_CONVERGE;
	om_params_set_text(first, "migrate_uri", "tcp://10.1.0.2", "x");
	om_params_set_text(first, "listen_address", "10.1.0.2", "x");
	om_params_set_number(first, "parallel.connections", OM_PARAM_INT, 4, "x");
	om_params_set_number(first, "bandwidth", OM_PARAM_U64, 500, "x");
	om_params_set_text(first, "compression", "xbzrle", "x");
	om_params_set_text(first, "compression", "mt", "x");
	return plan;
}

static void a_direct_migration_passes_flags_parameters_and_the_destination(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_plan plan = plan_of(OM_FLAG_LIVE | OM_FLAG_PARALLEL | OM_FLAG_AUTO_CONVERGE);
	struct om_attempt_end end;
	static const struct {
		const char *name;
		int type;
	} expected[] = {
		{ VIR_MIGRATE_PARAM_URI, VIR_TYPED_PARAM_STRING },
		{ VIR_MIGRATE_PARAM_LISTEN_ADDRESS, VIR_TYPED_PARAM_STRING },
		{ VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, VIR_TYPED_PARAM_INT },
		{ VIR_MIGRATE_PARAM_BANDWIDTH, VIR_TYPED_PARAM_ULLONG },
		{ VIR_MIGRATE_PARAM_COMPRESSION, VIR_TYPED_PARAM_STRING },
		{ VIR_MIGRATE_PARAM_COMPRESSION, VIR_TYPED_PARAM_STRING },
	};

	(void)unused;
	om_vir_migrate(vir, &plan.attempts[0], plan.peer_to_peer, &end);
	assert_true(end.ok);
	assert_int_equal(end.vir_code, 0);
	assert_int_equal(end.vir_domain, 0);
	assert_int_equal(fake.migrate3, 1);
	assert_int_equal(fake.to_uri3, 0);
	assert_ptr_equal(fake.dconn, &fake.conns[OM_VIR_DST]);
	assert_int_equal(fake.flags,
			 VIR_MIGRATE_LIVE | VIR_MIGRATE_PARALLEL | VIR_MIGRATE_AUTO_CONVERGE);
	assert_int_equal(fake.param_count, OM_ARRAY_LEN(expected));
	for (size_t i = 0; i < OM_ARRAY_LEN(expected); i++) {
		assert_string_equal(fake.params[i].field, expected[i].name);
		assert_int_equal(fake.params[i].type, expected[i].type);
	}
	assert_string_equal(fake.params[0].value.s, "tcp://10.1.0.2");
	assert_int_equal(fake.params[2].value.i, 4);
	assert_int_equal(fake.params[3].value.ul, 500);
	assert_string_equal(fake.params[5].value.s, "mt");
	om_vir_migrate(vir, &plan.attempts[1], plan.peer_to_peer, &end);
	assert_true(end.ok);
	assert_int_equal(fake.param_count, 0);
	assert_int_equal(fake.flags, VIR_MIGRATE_LIVE | VIR_MIGRATE_PARALLEL);
	om_plan_free(&plan);
	fake_end(vir);
}

static void a_peer_to_peer_migration_passes_the_uri_that_the_source_opens(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_plan plan = plan_of(OM_FLAG_LIVE | OM_FLAG_PEER2PEER);
	struct om_attempt_end end;

	(void)unused;
	om_vir_set_p2p_uri(vir, "qemu+tcp://old/system");
	om_vir_set_p2p_uri(vir, "qemu+ssh://node02/system");
	om_vir_migrate(vir, &plan.attempts[0], plan.peer_to_peer, &end);
	assert_true(end.ok);
	assert_int_equal(fake.to_uri3, 1);
	assert_int_equal(fake.migrate3, 0);
	assert_string_equal(fake.uri, "qemu+ssh://node02/system");
	assert_int_equal(fake.flags, VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER);
	assert_int_equal(fake.param_count, 6);
	fake.call_code = VIR_ERR_OPERATION_FAILED;
	fake.call_domain = VIR_FROM_QEMU;
	om_vir_migrate(vir, &plan.attempts[0], plan.peer_to_peer, &end);
	assert_false(end.ok);
	assert_int_equal(end.vir_domain, VIR_FROM_QEMU);
	assert_int_equal(end.vir_code, VIR_ERR_OPERATION_FAILED);
	om_plan_free(&plan);
	fake_end(vir);
}

static void domain_code_and_text_of_a_failure_outlive_the_freeing_of_the_domain(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_plan plan = plan_of(OM_FLAG_LIVE);
	struct om_attempt_end end;
	struct om_err err;

	(void)unused;
	fake.call_code = VIR_ERR_SYSTEM_ERROR;
	fake.call_domain = VIR_FROM_RPC;
	fake.call_text = "unable to connect to server at '10.1.0.2:49152'";
	om_vir_migrate(vir, &plan.attempts[0], plan.peer_to_peer, &end);
	assert_false(end.ok);
	assert_int_equal(end.vir_code, VIR_ERR_SYSTEM_ERROR);
	assert_int_equal(end.vir_domain, VIR_FROM_RPC);
	assert_string_equal(end.text, "unable to connect to server at '10.1.0.2:49152'");
	assert_false(om_vir_set_downtime(vir, 30, &err));
	assert_string_equal(err.msg,
			    "the downtime limit could not be set: unable to connect to server at "
			    "'10.1.0.2:49152'");
	assert_false(om_vir_start_postcopy(vir, &err));
	assert_non_null(strstr(err.msg, "unable to connect"));
	assert_false(om_vir_abort(vir, &err));
	assert_non_null(strstr(err.msg, "unable to connect"));
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	om_vir_migrate(vir, &plan.attempts[0], plan.peer_to_peer, &end);
	assert_int_equal(end.vir_code, VIR_ERR_NO_DOMAIN);
	assert_string_equal(end.text, "Domain not found");
	om_plan_free(&plan);
	fake_end(vir);
}

static void tuning_reaches_libvirt_as_it_is(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	assert_true(om_vir_set_downtime(vir, 30, &err));
	assert_int_equal(fake.number, 30);
	assert_int_equal(fake.flags, 0);
	assert_true(om_vir_start_postcopy(vir, &err));
	assert_int_equal(fake.postcopies, 1);
	assert_true(om_vir_abort(vir, &err));
	assert_int_equal(fake.aborted, 1);
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_false(om_vir_abort(vir, &err));
	assert_int_equal(fake.aborted, 1);
	fake_end(vir);
}

static void add_stat(const char *name, unsigned long long value)
{
	assert_int_equal(virTypedParamsAddULLong(&stats, &stats_count, &stats_max, name, value), 0);
}

static void make_stats(void)
{
	virTypedParamsFree(stats, stats_count);
	stats = NULL;
	stats_count = stats_max = 0;
	add_stat(VIR_DOMAIN_JOB_TIME_ELAPSED, 1500);
	add_stat(VIR_DOMAIN_JOB_MEMORY_TOTAL, 1000);
	add_stat(VIR_DOMAIN_JOB_MEMORY_PROCESSED, 600);
	add_stat(VIR_DOMAIN_JOB_MEMORY_REMAINING, 400);
	add_stat(VIR_DOMAIN_JOB_MEMORY_BPS, 117000000);
	add_stat(VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, 100);
	add_stat(VIR_DOMAIN_JOB_MEMORY_ITERATION, 3);
	add_stat(VIR_DOMAIN_JOB_DATA_PROCESSED, 777);
	add_stat(VIR_DOMAIN_JOB_DOWNTIME, 50);
}

static void a_sample_has_every_field_and_pages_become_bytes(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_sample sample;

	(void)unused;
	make_stats();
	fake.stats_type = VIR_DOMAIN_JOB_UNBOUNDED;
	assert_true(om_vir_sample(vir, &sample, 4711));
	assert_int_equal(fake.flags, 0);
	assert_int_equal(sample.now_ms, 4711);
	assert_int_equal(sample.elapsed_ms, 1500);
	assert_int_equal(sample.total_bytes, 1000);
	assert_int_equal(sample.processed_bytes, 600);
	assert_int_equal(sample.remaining_bytes, 400);
	assert_int_equal(sample.rate_bytes_ps, 117000000);
	assert_int_equal(sample.dirty_bytes_ps, 100 * 4096);
	assert_int_equal(sample.iteration, 3);
	assert_false(sample.postcopy);
	add_stat(VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES, 500);
	add_stat(VIR_DOMAIN_JOB_COMPRESSION_PAGES, 2);
	assert_true(om_vir_sample(vir, &sample, 1));
	assert_int_equal(sample.guest_bytes, 500 + 2 * 4096);
	add_stat(VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, 65536);
	assert_true(om_vir_sample(vir, &sample, 1));
	assert_int_equal(sample.dirty_bytes_ps, 100 * 65536);
	assert_int_equal(sample.guest_bytes, 500 + 2 * 65536);
	fake.stats_type = VIR_DOMAIN_JOB_NONE;
	assert_false(om_vir_sample(vir, &sample, 1));
	assert_int_equal(sample.iteration, 0);
	fake.call_code = VIR_ERR_OPERATION_TIMEOUT;
	assert_false(om_vir_sample(vir, &sample, 1));
	fake_end(vir);
}

static void the_record_of_the_end_is_the_events_or_else_the_destinations(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_vir_completed done;
	virConnectDomainEventJobCompletedCallback on_completed;

	(void)unused;
	make_stats();
	fake.stats_type = VIR_DOMAIN_JOB_COMPLETED;
	om_vir_completed(vir, &done);
	assert_true(done.known);
	assert_int_equal(fake.flags, VIR_DOMAIN_JOB_STATS_COMPLETED);
	assert_int_equal(done.downtime_ms, 50);
	assert_int_equal(done.data_bytes, 777);
	assert_int_equal(done.data_memory_bytes, 600);
	assert_int_equal(done.iterations, 3);
	fake.stats_type = VIR_DOMAIN_JOB_NONE;
	om_vir_completed(vir, &done);
	assert_false(done.known);
	add_stat(VIR_DOMAIN_JOB_DOWNTIME_NET, 41);
	on_completed = (virConnectDomainEventJobCompletedCallback)(void (*)(
		void))fake.callbacks[OM_VIR_MON][VIR_DOMAIN_EVENT_ID_JOB_COMPLETED];
	on_completed((virConnectPtr)&fake.conns[OM_VIR_MON], (virDomainPtr)&fake.doms[0], stats,
		     stats_count, fake.opaques[OM_VIR_MON][VIR_DOMAIN_EVENT_ID_JOB_COMPLETED]);
	om_vir_completed(vir, &done);
	assert_true(done.known);
	assert_int_equal(done.downtime_ms, 41);
	om_vir_events_reset(vir);
	om_vir_completed(vir, &done);
	assert_false(done.known);
	fake_end(vir);
}

static void lifecycle(size_t role, void *dom, int event, int detail)
{
	virConnectDomainEventCallback fn = (virConnectDomainEventCallback)(void (*)(
		void))fake.callbacks[role][VIR_DOMAIN_EVENT_ID_LIFECYCLE];

	assert_non_null(fn);
	fn((virConnectPtr)&fake.conns[role], dom, event, detail,
	   fake.opaques[role][VIR_DOMAIN_EVENT_ID_LIFECYCLE]);
}

static void events_are_noted_for_our_domain_and_wake_the_reader(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_vir_events *events = om_vir_events(vir);
	virConnectDomainEventMigrationIterationCallback on_iteration;
	uint64_t count;

	(void)unused;
	lifecycle(OM_VIR_DST, &fake.moved, VIR_DOMAIN_EVENT_RESUMED,
		  VIR_DOMAIN_EVENT_RESUMED_MIGRATED);
	assert_false(events->dest_resumed);
	assert_int_equal(read(events->wake_fd, &count, sizeof(count)), -1);
	lifecycle(OM_VIR_MON, &fake.doms[0], VIR_DOMAIN_EVENT_RESUMED,
		  VIR_DOMAIN_EVENT_RESUMED_MIGRATED);
	assert_false(events->dest_resumed);
	lifecycle(OM_VIR_DST, &fake.doms[0], VIR_DOMAIN_EVENT_RESUMED,
		  VIR_DOMAIN_EVENT_RESUMED_MIGRATED);
	assert_true(events->dest_resumed);
	assert_int_equal(read(events->wake_fd, &count, sizeof(count)), sizeof(count));
	lifecycle(OM_VIR_DST, &fake.doms[0], VIR_DOMAIN_EVENT_SUSPENDED,
		  VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED);
	assert_false(events->source_stopped);
	lifecycle(OM_VIR_MON, &fake.doms[0], VIR_DOMAIN_EVENT_SUSPENDED,
		  VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED);
	assert_true(events->source_stopped);
	assert_false(events->source_postcopy);
	lifecycle(OM_VIR_MON, &fake.doms[0], VIR_DOMAIN_EVENT_SUSPENDED,
		  VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY);
	assert_true(events->source_postcopy);
	on_iteration = (virConnectDomainEventMigrationIterationCallback)(void (*)(
		void))fake.callbacks[OM_VIR_MON][VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION];
	for (int i = 3; i >= -1; i--)
		on_iteration((virConnectPtr)&fake.conns[OM_VIR_MON], (virDomainPtr)&fake.doms[0], i,
			     fake.opaques[OM_VIR_MON][VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION]);
	assert_int_equal(events->iteration, 3);
	fake.on_close[OM_VIR_DST]((virConnectPtr)&fake.conns[OM_VIR_DST],
				  VIR_CONNECT_CLOSE_REASON_CLIENT, fake.close_opaque[OM_VIR_DST]);
	assert_false(events->lost[OM_VIR_DST]);
	fake.on_close[OM_VIR_DST]((virConnectPtr)&fake.conns[OM_VIR_DST],
				  VIR_CONNECT_CLOSE_REASON_KEEPALIVE,
				  fake.close_opaque[OM_VIR_DST]);
	assert_true(events->lost[OM_VIR_DST]);
	om_vir_events_reset(vir);
	assert_false(events->dest_resumed || events->source_stopped || events->source_postcopy);
	assert_int_equal(events->iteration, 0);
	assert_true(events->lost[OM_VIR_DST]);
	fake_end(vir);
}

static void a_domain_is_found_by_its_uuid_or_by_its_old_name(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	assert_string_equal(om_vir_uuid(vir), UUID);
	assert_int_equal(fake.doms_out, 0);
	assert_true(om_vir_identify(vir, "85B4AD9D6E6C4A1EBB1C0C8AD1B1A4C4", &err));
	assert_string_equal(om_vir_uuid(vir), UUID);
	assert_true(om_vir_identify(vir, "one-31", &err));
	assert_string_equal(fake.name, "one-31");
	assert_string_equal(om_vir_uuid(vir), UUID);
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_false(om_vir_identify(vir, "one-32", &err));
	assert_string_equal(err.msg, "no such domain on either host: Domain not found");
	fake_end(vir);
}

static int clean(void **unused)
{
	(void)unused;
	virTypedParamsFree(stats, stats_count);
	stats = NULL;
	stats_count = stats_max = 0;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_direct_migration_passes_flags_parameters_and_the_destination),
		cmocka_unit_test(a_peer_to_peer_migration_passes_the_uri_that_the_source_opens),
		cmocka_unit_test(
			domain_code_and_text_of_a_failure_outlive_the_freeing_of_the_domain),
		cmocka_unit_test(tuning_reaches_libvirt_as_it_is),
		cmocka_unit_test(a_sample_has_every_field_and_pages_become_bytes),
		cmocka_unit_test(the_record_of_the_end_is_the_events_or_else_the_destinations),
		cmocka_unit_test(events_are_noted_for_our_domain_and_wake_the_reader),
		cmocka_unit_test(a_domain_is_found_by_its_uuid_or_by_its_old_name),
	};

	virInitialize();
	return cmocka_run_group_tests(tests, NULL, clean);
}
