/* SPDX-License-Identifier: Apache-2.0 */
/* Where a guest's memory is read before it is sent, how much of it, and when that ends. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainMemoryPeek */
#include "test_vir_fake.h"

#include "om_transport.h"

#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static unsigned int peeks, used_in, slow_us;

/* One in `used_in` pieces is not zero. */
int __wrap_virDomainMemoryPeek(virDomainPtr dom, unsigned long long start, size_t size,
			       void *buffer, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, VIR_MEMORY_PHYSICAL);
	assert_int_equal(start % 4096, 0);
	/* Where there may be devices. */
	assert_true(start >= MIB);
	assert_true(start + size <= 2 * GIB || start >= 4 * GIB);
	memset(buffer, 0, size);
	if (used_in && peeks % used_in == 0)
		for (size_t i = 0; i < size; i++)
			((unsigned char *)buffer)[i] = (unsigned char)(i * i / 7);
	peeks++;
	if (slow_us)
		usleep(slow_us);
	return fake_call();
}

static struct om_sampled peek(uint64_t memory, uint32_t budget_ms)
{
	struct om_vir *vir = fake_start();
	struct om_sampled sampled = { 0 };

	peeks = 0;
	om_vir_peek(vir, memory, budget_ms, &sampled);
	fake_end(vir);
	return sampled;
}

static void more_is_read_where_most_is_zero(void **unused)
{
	struct om_sampled sampled;

	(void)unused;
	slow_us = 0;
	used_in = 1;
	sampled = peek(8 * GIB, 10000);
	assert_int_equal(peeks, 32);
	assert_int_equal(sampled.zero_bytes, 0);
	used_in = 8;
	sampled = peek(64 * GIB, 10000);
	assert_int_equal(peeks, 128);
	assert_int_equal(sampled.bytes - sampled.zero_bytes, 16 * 65536);
	used_in = 4; /* enough in two rounds */
	peek(GIB, 10000);
	assert_int_equal(peeks, 64);
	used_in = 0;
	sampled = peek(GIB, 10000);
	assert_int_equal(peeks, 128);
	assert_int_equal(sampled.bytes, sampled.zero_bytes);
}

static void a_guest_is_not_kept_waiting(void **unused)
{
	(void)unused;
	used_in = 0;
	slow_us = 60000;
	peek(GIB, 10000);
	assert_int_equal(peeks, 1);
	slow_us = 5000;
	peek(GIB, 50);
	assert_in_range(peeks, 1, 10);
	slow_us = 0;
	peek(MIB, 10000); /* has none that is known to be memory */
	assert_int_equal(peeks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_is_read_where_most_is_zero),
		cmocka_unit_test(a_guest_is_not_kept_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
