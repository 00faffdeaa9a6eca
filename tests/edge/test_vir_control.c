/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt is given when an operator steers a migration. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainMigrateSetMaxSpeed virDomainMigrateGetMaxSpeed */
#include "test_vir_fake.h"

static unsigned long own_speed = 77;

int __wrap_virDomainMigrateSetMaxSpeed(virDomainPtr dom, unsigned long bandwidth,
				       unsigned int flags)
{
	assert_non_null(dom);
	fake.number = bandwidth;
	fake.flags = flags;
	return fake_call();
}

int __wrap_virDomainMigrateGetMaxSpeed(virDomainPtr dom, unsigned long *bandwidth,
				       unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	*bandwidth = own_speed;
	return fake_call();
}

static void a_bandwidth_is_set_and_none_is_libvirts_most(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	assert_true(om_vir_set_bandwidth(vir, 40, false, &err));
	assert_int_equal(fake.number, 40);
	assert_int_equal(fake.flags, 0);
	assert_true(om_vir_set_bandwidth(vir, 0, false, &err));
	assert_int_equal(fake.number, INT64_MAX >> 20);
	assert_true(om_vir_set_bandwidth(vir, UINT64_MAX, false, &err));
	assert_int_equal(fake.number, INT64_MAX >> 20);
	fake_end(vir);
}

static void that_of_post_copy_is_one_of_its_own(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	assert_true(om_vir_set_bandwidth(vir, 40, true, &err));
	assert_int_equal(fake.flags, VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY);
	fake_end(vir);
}

static void a_refusal_keeps_libvirts_words(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	fake.call_code = VIR_ERR_OPERATION_INVALID;
	fake.call_text = "no job";
	assert_false(om_vir_set_bandwidth(vir, 40, false, &err));
	assert_int_equal(err.code, OM_E_REFUSED);
	assert_string_equal(err.msg, "the bandwidth could not be set: no job");
	assert_int_equal(om_vir_bandwidth_mibps(vir), 0);
	fake.call_code = 0;
	assert_int_equal(om_vir_bandwidth_mibps(vir), 77);
	fake_end(vir);
}

static void what_libvirt_calls_its_most_limits_nothing(void **unused)
{
	struct om_vir *vir = fake_start();

	(void)unused;
	assert_int_equal(om_vir_bandwidth_limit_mibps(vir), 77);
	own_speed = INT64_MAX >> 20;
	assert_int_equal(om_vir_bandwidth_limit_mibps(vir), 0);
	own_speed = 10000000; /* nor what people give for it */
	assert_int_equal(om_vir_bandwidth_limit_mibps(vir), 0);
	own_speed = 1 << 20;
	assert_int_equal(om_vir_bandwidth_limit_mibps(vir), 1 << 20);
	own_speed = 77;
	fake.call_code = VIR_ERR_OPERATION_INVALID;
	assert_int_equal(om_vir_bandwidth_limit_mibps(vir), 0);
	fake_end(vir);
}

/* `onemigrate cancel one-31` opens no other connection. */
static void a_name_is_looked_up_where_a_connection_is_open(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	om_vir_close(vir, OM_VIR_SRC);
	om_vir_close(vir, OM_VIR_DST);
	assert_true(om_vir_identify(vir, "one-31", &err));
	assert_string_equal(fake.name, "one-31");
	assert_string_equal(om_vir_uuid(vir), UUID);
	fake_end(vir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bandwidth_is_set_and_none_is_libvirts_most),
		cmocka_unit_test(that_of_post_copy_is_one_of_its_own),
		cmocka_unit_test(what_libvirt_calls_its_most_limits_nothing),
		cmocka_unit_test(a_refusal_keeps_libvirts_words),
		cmocka_unit_test(a_name_is_looked_up_where_a_connection_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
