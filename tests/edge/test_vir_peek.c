/* SPDX-License-Identifier: Apache-2.0 */
/* Where a guest's memory is read before it is sent, how much of it, and when that ends. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainMemoryPeek clock_gettime */
#include "test_vir_fake.h"

#include "om_transport.h"

#include <time.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* What is read first, before the pieces, is one page, and what is read after something slow. */
static unsigned int peeks, pages, used_in, slow_us, later_us;
static unsigned int hiccup; /* of so many peeks and pages this one is slow; 0: none */
static bool was_slow;
/* While it peeks the clock stands still but for what a piece takes; 0: it does not peek. */
static uint64_t clock_us;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (!clock_us)
		return __real_clock_gettime(id, t);
	t->tv_sec = (time_t)(clock_us / 1000000);
	t->tv_nsec = (long)(clock_us % 1000000) * 1000;
	return 0;
}

/* One in `used_in` pieces is not zero. */
int __wrap_virDomainMemoryPeek(virDomainPtr dom, unsigned long long start, size_t size,
			       void *buffer, unsigned int flags)
{
	unsigned int took_us;

	assert_non_null(dom);
	assert_int_equal(flags, VIR_MEMORY_PHYSICAL);
	assert_int_equal(start % 4096, 0);
	/* Where there may be devices. */
	assert_true(start >= MIB);
	assert_true(start + size <= 2 * GIB || start >= 4 * GIB);
	memset(buffer, 0, size);
	assert_int_equal(size, (!peeks && !pages) || was_slow ? 4096 : 65536);
	if (used_in && peeks % used_in == 0)
		for (size_t i = 0; i < size; i++)
			((unsigned char *)buffer)[i] = (unsigned char)(i * i / 7);
	took_us = slow_us + (pages ? later_us : 0) + (peeks + pages + 1 == hiccup ? 15000 : 0);
	size == 4096 ? pages++ : peeks++;
	clock_us += took_us;
	was_slow = was_slow || took_us > 10000;
	return fake_call();
}

static struct om_sampled peek(uint64_t memory, uint32_t budget_ms)
{
	struct om_vir *vir = fake_start();
	struct om_sampled sampled = { 0 };

	peeks = pages = 0;
	was_slow = false;
	clock_us = 1000000;
	om_vir_peek(vir, memory, budget_ms, &sampled);
	clock_us = 0;
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
	slow_us = 15000; /* four pages tell */
	peek(GIB, 10000);
	assert_int_equal(pages, 4);
	assert_int_equal(peeks, 0);
	slow_us = 0;
	later_us = 15000; /* the first piece */
	peek(GIB, 10000);
	assert_int_equal(peeks, 1);
	assert_int_equal(pages, 4);
	later_us = 0;
	slow_us = 8000;
	peek(GIB, 100);
	assert_int_equal(peeks, 11);
	slow_us = 5000;
	peek(GIB, 50);
	assert_in_range(peeks, 1, 10);
	slow_us = 0;
	peek(MIB, 10000); /* has none that is known to be memory */
	assert_int_equal(peeks + pages, 0);
}

/* A moment of its host is not taken for swapped memory, nor does it leave one piece to judge by. */
static void after_a_hiccup_pages_are_read(void **unused)
{
	struct om_sampled sampled;

	(void)unused;
	used_in = 1;
	slow_us = later_us = 0;
	hiccup = 2; /* the first piece */
	sampled = peek(8 * GIB, 10000);
	assert_int_equal(peeks, 1);
	assert_int_equal(pages, 128);
	assert_int_equal(sampled.bytes, 65536 + 127 * 4096);
	assert_int_equal(sampled.zero_bytes, 0);
	hiccup = 1; /* what is read to find out */
	sampled = peek(8 * GIB, 10000);
	assert_int_equal(peeks, 0);
	assert_int_equal(pages, 129);
	assert_int_equal(sampled.bytes, 128 * 4096);
	hiccup = 2;
	slow_us = 3000; /* the slow one is no measure of the others */
	peek(8 * GIB, 100);
	assert_int_equal(pages, 27);
	hiccup = slow_us = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_is_read_where_most_is_zero),
		cmocka_unit_test(a_guest_is_not_kept_waiting),
		cmocka_unit_test(after_a_hiccup_pages_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
