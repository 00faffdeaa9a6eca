/* SPDX-License-Identifier: Apache-2.0 */
/* The measurement of what a guest writes. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainStartDirtyRateCalc virDomainListGetStats virDomainStatsRecordListFree usleep */
#include "test_vir_fake.h"

#define MIB (1ull << 20)

/* QEMU's side of it, with a clock of its own. */
static struct {
	uint64_t now_us, begun_us;
	unsigned int starts, lists, freed, bitmap_refused_from, refused_from;
	int seconds, mode, modes[8];
	uint64_t late_us; /* after the period */
	long long mibps[8], more_each_time;
	bool never, stale, silent;
} qemu;

int __wrap_usleep(useconds_t us)
{
	qemu.now_us += us;
	return 0;
}

int __wrap_virDomainStartDirtyRateCalc(virDomainPtr dom, int seconds, unsigned int flags)
{
	assert_non_null(dom);
	fake_forget();
	qemu.starts++;
	if ((flags && qemu.bitmap_refused_from && qemu.starts >= qemu.bitmap_refused_from) ||
	    (qemu.refused_from && qemu.starts >= qemu.refused_from)) {
		fake_error(VIR_ERR_OPERATION_UNSUPPORTED, "not with this QEMU");
		return -1;
	}
	qemu.begun_us = qemu.now_us;
	qemu.seconds = seconds;
	qemu.mode = (int)flags;
	qemu.modes[seconds] = (int)flags;
	return 0;
}

static void add_int(virDomainStatsRecordPtr record, int *max, const char *name, int value)
{
	assert_int_equal(virTypedParamsAddInt(&record->params, &record->nparams, max, name, value),
			 0);
}

int __wrap_virDomainListGetStats(virDomainPtr *doms, unsigned int stats,
				 virDomainStatsRecordPtr **records, unsigned int flags)
{
	bool over = qemu.now_us - qemu.begun_us >= (uint64_t)qemu.seconds * 1000000 + qemu.late_us;
	virDomainStatsRecordPtr record;
	int max = 0;

	assert_non_null(doms[0]);
	assert_null(doms[1]);
	assert_int_equal(stats, VIR_DOMAIN_STATS_DIRTYRATE);
	assert_int_equal(flags, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
	fake_forget();
	if (qemu.silent) {
		fake_error(VIR_ERR_OPERATION_INVALID, "busy");
		return -1;
	}
	qemu.lists++;
	record = calloc(1, sizeof(*record));
	*records = calloc(2, sizeof(record));
	(*records)[0] = record;
	add_int(record, &max, "dirtyrate.calc_status", over && !qemu.never ? 2 : 1);
	add_int(record, &max, "dirtyrate.calc_period", qemu.stale ? 7 : qemu.seconds);
	if (over)
		assert_int_equal(virTypedParamsAddLLong(&record->params, &record->nparams, &max,
							"dirtyrate.megabytes_per_second",
							qemu.mibps[qemu.seconds] +
								qemu.more_each_time *
									(qemu.starts - 1)),
				 0);
	return 1;
}

void __wrap_virDomainStatsRecordListFree(virDomainStatsRecordPtr *records)
{
	if (!records)
		return;
	qemu.freed++;
	virTypedParamsFree(records[0]->params, records[0]->nparams);
	free(records[0]);
	free(records);
}

static struct om_vir *begin(void)
{
	memset(&qemu, 0, sizeof(qemu));
	qemu.mibps[1] = 56;
	qemu.mibps[3] = 40;
	return fake_start();
}

static struct om_vir_dirty end(struct om_vir *vir, bool exact)
{
	struct om_vir_dirty dirty;

	om_vir_measure_dirty(vir, exact, &dirty);
	assert_int_equal(qemu.lists, qemu.freed);
	fake_end(vir);
	return dirty;
}

static void two_counts_are_what_was_dirtied_in_one_second_and_in_three(void **unused)
{
	struct om_vir_dirty dirty = end(begin(), true);

	(void)unused;
	assert_true(dirty.known);
	assert_int_equal(dirty.in_1s_bytes, 56 * MIB);
	assert_int_equal(dirty.in_3s_bytes, 120 * MIB);
	assert_int_equal(dirty.grain_bytes, 0);
	assert_int_equal(qemu.modes[1], VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP);
	assert_int_equal(qemu.modes[3], VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP);
	assert_true(qemu.now_us < 4200000);
}

static void an_emulated_guest_is_sampled(void **unused)
{
	struct om_vir_dirty dirty = end(begin(), false);

	(void)unused;
	assert_true(dirty.known);
	assert_int_equal(dirty.grain_bytes, 2 * MIB);
	assert_int_equal(qemu.modes[1], VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING);
	assert_int_equal(qemu.starts, 4);
	assert_true(qemu.now_us < 6400000);
}

/* Each second as much as it is the measurement. */
static void of_three_samples_the_mean_counts(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.more_each_time = 3;
	dirty = end(vir, false);
	assert_int_equal(dirty.in_1s_times, 3);
	assert_int_equal(dirty.in_1s_bytes, (56 + 62 + 65) / 3 * MIB);
	assert_int_equal(dirty.in_3s_bytes, (40 + 3) * 3 * MIB);
}

static void one_sample_that_fails_leaves_the_others(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.refused_from = 4;
	dirty = end(vir, false);
	assert_true(dirty.known);
	assert_int_equal(dirty.in_1s_times, 2);
	assert_int_equal(dirty.in_1s_bytes, 56 * MIB);
	assert_string_equal(dirty.why, "");
}

static void where_counting_is_refused_it_is_sampled(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.bitmap_refused_from = 1;
	dirty = end(vir, true);
	assert_true(dirty.known);
	assert_int_equal(dirty.grain_bytes, 2 * MIB);
	assert_int_equal(dirty.in_3s_bytes, 120 * MIB);
	assert_int_equal(qemu.starts, 5); /* it is not asked for again */
}

static void two_kinds_are_not_mixed(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.bitmap_refused_from = 2;
	dirty = end(vir, true);
	assert_true(dirty.known);
	assert_int_equal(dirty.in_1s_bytes, 56 * MIB);
	assert_int_equal(dirty.in_3s_bytes, 0);
	assert_int_equal(dirty.grain_bytes, 0);
}

static void a_late_result_is_waited_for(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.late_us = 1400000;
	dirty = end(vir, true);
	assert_true(dirty.known);
	assert_int_equal(dirty.in_3s_bytes, 120 * MIB);
}

static void the_wait_is_bounded(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.never = true;
	dirty = end(vir, true);
	assert_false(dirty.known);
	assert_non_null(strstr(dirty.why, "QEMU did not tell in 2.5 s"));
	assert_true(qemu.now_us <= 2600000);
}

static void the_result_of_another_measurement_is_none(void **unused)
{
	struct om_vir *vir = begin();

	(void)unused;
	qemu.stale = true;
	assert_false(end(vir, true).known);
}

static void statistics_that_cannot_be_read_are_no_failure(void **unused)
{
	struct om_vir *vir = begin();

	(void)unused;
	qemu.silent = true;
	assert_false(end(vir, true).known);
}

static void a_refusal_is_told_in_libvirts_words(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.refused_from = 1;
	dirty = end(vir, true);
	assert_false(dirty.known);
	assert_string_equal(dirty.why, "libvirt does not measure it: not with this QEMU");
}

static void the_second_count_may_fail(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	qemu.refused_from = 2;
	dirty = end(vir, false);
	assert_true(dirty.known);
	assert_int_equal(dirty.in_1s_bytes, 56 * MIB);
	assert_int_equal(dirty.in_3s_bytes, 0);
}

static void without_the_domain_nothing_is_known(void **unused)
{
	struct om_vir *vir = begin();
	struct om_vir_dirty dirty;

	(void)unused;
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	dirty = end(vir, true);
	assert_false(dirty.known);
	assert_string_equal(dirty.why, "the domain is not found: Domain not found");
	assert_int_equal(qemu.starts, 0);
}

/* For a migration: begun, not waited for, and read by somebody else. */
static void a_sample_is_read_when_it_is_over(void **unused)
{
	struct om_vir *vir = begin();
	uint64_t bytes = 1;

	(void)unused;
	qemu.mibps[7] = 30;
	assert_true(om_vir_sampling_begin(vir, 7));
	assert_int_equal(qemu.now_us, 0);
	assert_int_equal(qemu.seconds, 7);
	assert_int_equal(qemu.mode, VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING);
	qemu.now_us = 6900000;
	assert_false(om_vir_sampling_end(vir, 7, &bytes));
	assert_int_equal(bytes, 1);
	qemu.now_us = 7000000;
	assert_true(om_vir_sampling_end(vir, 7, &bytes));
	assert_int_equal(bytes, 210 * MIB);
	/* One of another length is none of ours. */
	assert_false(om_vir_sampling_end(vir, 6, &bytes));
	assert_int_equal(qemu.lists, qemu.freed);
	fake_end(vir);
}

static void a_sample_that_is_refused_is_no_failure(void **unused)
{
	struct om_vir *vir = begin();
	uint64_t bytes;

	(void)unused;
	qemu.refused_from = 1;
	assert_false(om_vir_sampling_begin(vir, 7));
	qemu.silent = true;
	assert_false(om_vir_sampling_end(vir, 7, &bytes));
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_false(om_vir_sampling_begin(vir, 7));
	assert_false(om_vir_sampling_end(vir, 7, &bytes));
	assert_int_equal(qemu.starts, 1);
	fake_end(vir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_counts_are_what_was_dirtied_in_one_second_and_in_three),
		cmocka_unit_test(an_emulated_guest_is_sampled),
		cmocka_unit_test(of_three_samples_the_mean_counts),
		cmocka_unit_test(one_sample_that_fails_leaves_the_others),
		cmocka_unit_test(where_counting_is_refused_it_is_sampled),
		cmocka_unit_test(two_kinds_are_not_mixed),
		cmocka_unit_test(a_late_result_is_waited_for),
		cmocka_unit_test(the_wait_is_bounded),
		cmocka_unit_test(the_result_of_another_measurement_is_none),
		cmocka_unit_test(statistics_that_cannot_be_read_are_no_failure),
		cmocka_unit_test(a_refusal_is_told_in_libvirts_words),
		cmocka_unit_test(the_second_count_may_fail),
		cmocka_unit_test(without_the_domain_nothing_is_known),
		cmocka_unit_test(a_sample_is_read_when_it_is_over),
		cmocka_unit_test(a_sample_that_is_refused_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
