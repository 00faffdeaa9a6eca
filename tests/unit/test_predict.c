/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "../../helpers/core/predict_internal.h"

#include "om_predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1ull << 20)
#define GBIT 117500000ull /* bytes/s of 1 Gbit/s, less headers */

/* An idle guest of 1 GiB, a quarter of it written, on 1 Gbit/s, under the default limits. */
static struct om_predict_facts idle(void)
{
	return (struct om_predict_facts){
		.total_bytes = 1024 * MIB,
		.resident_bytes = 256 * MIB,
		.link_bytes_ps = GBIT,
		.dirty_known = true,
		.limits = { .policy = OM_POLICY_AUTO,
			    .downtime_max_ms = 500,
			    .pause_max_ms = 2000 },
		.start_ms = 30,
	};
}

/* A guest that walks round its hot set, as each page is counted. */
static struct om_predict_facts busy(uint64_t hot_mib, uint64_t rate_mibps)
{
	struct om_predict_facts f = idle();

	f.resident_bytes = 512 * MIB;
	f.dirty_1s_bytes = (hot_mib < rate_mibps ? hot_mib : rate_mibps) * MIB;
	f.dirty_3s_bytes = (hot_mib < 3 * rate_mibps ? hot_mib : 3 * rate_mibps) * MIB;
	return f;
}

static struct om_prediction predict(const struct om_predict_facts *f)
{
	struct om_prediction p;

	om_predict(&p, f);
	return p;
}

/* ---- disks that go first ---- */

static void disks_take_their_time_before_the_memory(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction alone = predict(&f), p;
	struct om_buf buf = { 0 };

	(void)unused;
	assert_true(!alone.disks.low && !alone.disks.high);
	f.disk_bytes = 10 * GBIT;
	p = predict(&f);
	assert_true(p.disks.low >= 10000 && p.disks.high >= p.disks.low && p.disks.high < 30000);
	assert_true(p.total.low == alone.total.low + p.disks.low);
	assert_true(p.total.high == alone.total.high + p.disks.high);
	assert_true(p.bulk.high == alone.bulk.high && p.downtime.high == alone.downtime.high);
	om_predict_print_text(&buf, &p);
	assert_non_null(strstr(buf.text, "  disks first 1121 MiB, "));
	free(buf.text);
	f.disk_limit_bytes_ps = GBIT / 10;
	p = predict(&f);
	assert_true(p.disks.low == 100001 && p.disks.high == 100001);
	/* The memory has what they leave of the time. */
	f.limits.deadline_ms = 100500;
	p = predict(&f);
	f.limits.deadline_ms = 200000;
	assert_string_not_equal(p.action, predict(&f).action);
}

/* ---- stock ---- */

/* It always has 64 MiB dirty, which take 0.6 s: only a longer limit of the domain's own ends it. */
static void under_stock_it_ends_as_the_domains_own_limit_lets_it(void **unused)
{
	static const struct {
		uint32_t own_ms, soft_ms;
		bool ends;
		const char *action;
	} rows[] = {
		{ 300, 500, false, "it does not converge within the limits" },
		{ 0, 5000, false, "it does not converge within the limits" }, /* libvirt's 300 */
		{ 5000, 500, true, "none" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_predict_facts f = busy(64, 400);
		struct om_prediction p;

		f.limits = (struct om_limits){ .policy = OM_POLICY_STOCK,
					       .downtime_max_ms = rows[i].soft_ms,
					       .own_ms = rows[i].own_ms };
		p = predict(&f);
		if ((p.total.high > 0) != rows[i].ends ||
		    strncmp(p.action, rows[i].action, strlen(rows[i].action)) != 0)
			fail_msg("row %zu: %u ms, %s", i, (unsigned int)p.total.high, p.action);
	}
}

/* ---- the model ---- */

/* Least and most of three runs between two hosts of the lab: 256 MiB of 512 filled, 1 Gbit/s. */
static void it_goes_as_it_went_in_the_lab(void **unused)
{
	/* clang-format off */
	static const struct {
		double hot, rate, total_least, total_most, pause_least, pause_most;
	} measured[] = {
		{  26,  56, 4423,  4551,   48,   55 },
		{  26, 168, 4543,  4610,  225,  231 },
		{  26, 448, 4617,  4833,  264,  269 },
		{ 128,  56, 6372,  6716,   49,   52 },
		{ 128, 168, 8629, 10111,  762,  993 },
		{ 128, 448, 7923,  8062, 1045, 1123 },
		{ 230,  56, 6762,  7103,   52,   64 },
		{ 230, 168, 11650, 13497, 1266, 1515 },
		{ 230, 448, 10201, 10418, 1880, 1943 },
	};
	/* clang-format on */
	struct om_predict_facts f = idle();

	(void)unused;
	f.total_bytes = 512 * MIB;
	for (size_t i = 0; i < OM_ARRAY_LEN(measured); i++) {
		struct om_predict_case c = {
			.total = 512 * (double)MIB,
			.populated = 325 * (double)MIB,
			.hot = measured[i].hot * MIB,
			.rate = measured[i].rate * MIB / 1000,
			.sweeps = true,
			.bandwidth = 112 * MIB / 1000.0,
			.burst = 112 * MIB / 1000.0,
			.before_ms = 600,
			.after_ms = 450,
			.stop_ms = 40,
		};
		struct om_predict_end end;

		om_predict_run(&end, &c, &f);
		assert_int_equal(end.how, OM_PREDICT_SWITCHED);
		if (end.ms < 0.92 * measured[i].total_least ||
		    end.ms > 1.08 * measured[i].total_most)
			fail_msg("%g MiB at %g MiB/s: %g ms", measured[i].hot, measured[i].rate,
				 end.ms);
		if (end.pause_ms < 0.82 * measured[i].pause_least - 10 ||
		    end.pause_ms > 1.18 * measured[i].pause_most + 10)
			fail_msg("%g MiB at %g MiB/s: a pause of %g ms", measured[i].hot,
				 measured[i].rate, end.pause_ms);
	}
}

static void the_switch_over_goes_as_fast_as_the_link(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_predict_case c = {
		.total = 512 * (double)MIB,
		.populated = 256 * (double)MIB,
		.hot = 30 * (double)MIB,
		.rate = 400 * (double)MIB / 1000,
		.sweeps = true,
		.bandwidth = 50 * (double)MIB / 1000,
		.burst = 100 * (double)MIB / 1000,
	};
	struct om_predict_end end;

	(void)unused;
	om_predict_run(&end, &c, &f);
	assert_int_equal(end.how, OM_PREDICT_SWITCHED);
	assert_true(end.pause_ms > 250 && end.pause_ms < 310);
}

/* Least and most of a dozen guests in the lab that write little. */
static void the_shortest_pause_follows_the_bandwidth(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p;

	(void)unused;
	f.seen_bytes_ps = 107 * MIB;
	p = predict(&f);
	assert_in_range(p.downtime.low, 15, 34);
	assert_in_range(p.downtime.high, 58, 85);
	f.seen_bytes_ps = 54 * MIB;
	p = predict(&f);
	assert_in_range(p.downtime.low, 40, 73);
	assert_in_range(p.downtime.high, 90, 110);
	/* Held back by a limit, nothing waits in queues. */
	f.limit_bytes_ps = 21 * MIB;
	p = predict(&f);
	assert_in_range(p.downtime.low, 10, 41);
	assert_in_range(p.downtime.high, 60, 90);
	/* Where it is fast, all but the devices is nothing. */
	f.limit_bytes_ps = 0;
	f.seen_bytes_ps = 1100 * MIB;
	p = predict(&f);
	assert_in_range(p.downtime.low, 0, 20);
	assert_in_range(p.downtime.high, 30, 60);
}

/* ---- ranges ---- */

static bool of_use(const struct om_range_ms *range)
{
	return range->high <= 2 * range->low || range->high - range->low <= 50;
}

static void every_range_is_of_use(void **unused)
{
	static const uint64_t hots[] = { 1, 5, 20, 60, 150, 400 },
			      rates[] = { 1, 10, 60, 200, 900 };

	(void)unused;
	for (size_t h = 0; h < OM_ARRAY_LEN(hots); h++)
		for (size_t r = 0; r < OM_ARRAY_LEN(rates); r++) {
			struct om_predict_facts f = busy(hots[h], rates[r]);
			struct om_prediction p = predict(&f);

			assert_true(p.known);
			assert_true(of_use(&p.total));
			assert_true(of_use(&p.downtime));
			assert_true(of_use(&p.bulk));
			assert_true(p.total.percent <= 100);
			assert_true(p.downtime.percent <= 100);
			assert_true(!p.total.high || p.total.low < p.total.high);
			assert_true(*p.action != '\0');
		}
}

static void an_idle_guest_takes_its_memory_over_the_link(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p = predict(&f);

	(void)unused;
	assert_true(p.known);
	assert_true(p.converges);
	assert_string_equal(p.action, "none");
	assert_in_range(p.bulk.low, 1000, 2300);
	assert_in_range(p.total.low, 1800, 3100);
	assert_in_range(p.total.high, 3100, 4500);
	assert_in_range(p.downtime.high, 45, 120);
}

static void a_set_that_is_rewritten_within_a_second_is_found(void **unused)
{
	struct om_predict_facts f = busy(150, 600);
	struct om_prediction p = predict(&f);

	(void)unused;
	assert_in_range(p.hot_low_bytes, 130 * MIB, 150 * MIB);
	assert_in_range(p.hot_high_bytes, 150 * MIB, 170 * MIB);
	assert_true(p.dirty_bytes_ps >= 150 * MIB);
	assert_false(p.converges); /* 1.3 s on the wire */
	assert_non_null(strstr(p.action, "a pause of more than 500 ms"));
	assert_in_range(p.downtime.low, 700, 1400);
	assert_in_range(p.downtime.high, 1200, 1900);
}

static void a_set_that_still_grows_may_be_large(void **unused)
{
	struct om_predict_facts f = busy(400, 30);
	struct om_prediction p = predict(&f);

	(void)unused;
	assert_true(p.hot_high_bytes > 200 * MIB);
	assert_in_range(p.dirty_bytes_ps, 25 * MIB, 45 * MIB);
	assert_true(p.converges);
	assert_in_range(p.downtime.high, 45, 150);
}

static void a_rate_that_cannot_be_known_is_said(void **unused)
{
	struct om_predict_facts f = busy(40, 400); /* or at 40 MiB/s: it looks the same */
	struct om_prediction p = predict(&f);

	(void)unused;
	assert_true(p.downtime.percent < 90);
	assert_true(*p.note != '\0' || p.downtime.percent >= 75);
}

static void a_sample_leaves_more_open_than_a_count(void **unused)
{
	struct om_predict_facts f = busy(20, 400);
	struct om_prediction exact = predict(&f), sampled;

	(void)unused;
	f.dirty_grain_bytes = 2 * MIB;
	sampled = predict(&f);
	assert_true(sampled.hot_high_bytes - sampled.hot_low_bytes >
		    exact.hot_high_bytes - exact.hot_low_bytes);
	exact = sampled;
	f.dirty_1s_times = f.dirty_3s_times = 6;
	sampled = predict(&f);
	assert_true(sampled.hot_high_bytes - sampled.hot_low_bytes <
		    exact.hot_high_bytes - exact.hot_low_bytes);
}

static void one_count_is_enough_to_say_something(void **unused)
{
	struct om_predict_facts f = busy(150, 600);
	struct om_prediction p;

	(void)unused;
	f.dirty_3s_bytes = 0;
	p = predict(&f);
	assert_true(p.known);
	assert_true(p.total.high > 0);
}

/* ---- what is missing ---- */

static void without_a_dirty_rate_only_the_link_is_told(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p;

	(void)unused;
	f.dirty_known = false;
	p = predict(&f);
	assert_false(p.known);
	assert_non_null(strstr(p.why, "how fast the guest writes"));
	assert_true(p.bandwidth_high_bytes_ps > 0);
	assert_int_equal(p.total.high, 0);
}

static void without_a_speed_nothing_is_told(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p;

	(void)unused;
	f.link_bytes_ps = 0;
	p = predict(&f);
	assert_false(p.known);
	assert_non_null(strstr(p.why, "speed of the interface"));
	f.seen_bytes_ps = GBIT;
	assert_true(predict(&f).known);
	f.seen_bytes_ps = 0;
	f.limit_bytes_ps = 40 * MIB;
	assert_true(predict(&f).known);
	f.total_bytes = 0;
	assert_false(predict(&f).known);
}

static void without_the_resident_memory_all_of_it_is_taken(void **unused)
{
	struct om_predict_facts f = idle();
	uint64_t high = predict(&f).total.high;

	(void)unused;
	f.resident_bytes = 0;
	assert_true(predict(&f).total.low > high);
	/* More than there is: QEMU's own. */
	f.resident_bytes = 4096 * MIB;
	assert_true(predict(&f).total.high < 20000);
}

static void a_paused_guest_needs_no_dirty_rate(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p;

	(void)unused;
	f.dirty_known = false;
	f.paused = true;
	p = predict(&f);
	assert_true(p.known);
	assert_int_equal(p.hot_high_bytes, 0);
	assert_int_equal(p.dirty_bytes_ps, 0);
	assert_true(p.downtime.low == 0 && p.downtime.high <= 50);
}

/* ---- the link ---- */

static void more_bandwidth_never_takes_longer(void **unused)
{
	static const uint64_t hots[] = { 3, 40, 150 }, rates[] = { 2, 50, 300 };

	(void)unused;
	for (size_t h = 0; h < OM_ARRAY_LEN(hots); h++)
		for (size_t r = 0; r < OM_ARRAY_LEN(rates); r++) {
			struct om_predict_facts f = busy(hots[h], rates[r]);
			struct om_range_ms before = { 0 };
			uint64_t bulk = UINT64_MAX;

			for (uint64_t mib = 150; mib < 3000; mib *= 2) {
				struct om_prediction p;

				f.seen_bytes_ps = mib * MIB;
				p = predict(&f);
				assert_true(p.bulk.high <= bulk);
				bulk = p.bulk.high;
				assert_true(p.total.high > 0);
				if (before.high && p.total.low > before.high)
					fail_msg("%zu/%zu: with %zu MiB/s later", h, r,
						 (size_t)mib);
				before = p.total;
			}
		}
}

static void what_was_seen_before_counts_more_than_the_interface(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p;

	(void)unused;
	f.link_bytes_ps = 10 * GBIT;
	f.seen_bytes_ps = GBIT;
	p = predict(&f);
	assert_true(p.bandwidth_high_bytes_ps < 2 * GBIT);
}

static void a_limit_holds_the_copy_back_and_not_the_switch_over(void **unused)
{
	struct om_predict_facts f = busy(60, 400);
	struct om_prediction fast = predict(&f), limited;

	(void)unused;
	f.limit_bytes_ps = 50 * MIB;
	limited = predict(&f);
	assert_true(limited.total.low > fast.total.high);
	assert_true(limited.bandwidth_high_bytes_ps <= 50 * MIB);
	assert_true(limited.downtime.low < 2 * fast.downtime.high);
}

static void one_stream_does_not_fill_a_fast_link(void **unused)
{
	struct om_predict_facts f = idle();
	struct om_prediction p;

	(void)unused;
	f.link_bytes_ps = 100 * GBIT;
	p = predict(&f);
	assert_true(p.bandwidth_high_bytes_ps < 3000000000ull);
	assert_true(p.bandwidth_low_bytes_ps < p.bandwidth_high_bytes_ps);
}

/* ---- what will be needed ---- */

static void post_copy_is_told_where_it_is_allowed(void **unused)
{
	struct om_predict_facts f = busy(300, 600);
	struct om_prediction p;

	(void)unused;
	f.limits.postcopy = true;
	p = predict(&f);
	assert_string_equal(p.action, "post-copy");
	assert_false(p.converges);
	assert_true(p.downtime.high == 50);
	assert_true(p.total.high > 0);
}

static void no_end_is_told_with_what_would_end_it(void **unused)
{
	struct om_predict_facts f = busy(400, 900);
	struct om_prediction p = predict(&f);

	(void)unused;
	assert_false(p.converges);
	assert_int_equal(p.total.high, 0);
	assert_int_equal(p.downtime.high, 0);
	assert_non_null(strstr(p.action, "does not converge within the limits; a pause of "));
	assert_non_null(strstr(p.action, " Gbit/s would end it"));
}

static void gentle_gives_up(void **unused)
{
	struct om_predict_facts f = busy(200, 900);
	struct om_prediction p;

	(void)unused;
	f.limits.policy = OM_POLICY_GENTLE;
	f.limits.pause_max_ms = 0;
	p = predict(&f);
	assert_non_null(strstr(p.action, "is given up, with the VM on the source"));
	assert_int_equal(p.downtime.high, 0);
	assert_true(p.total.high > 0);
}

static void a_deadline_ends_it(void **unused)
{
	struct om_predict_facts f = busy(400, 900);
	struct om_prediction p;

	(void)unused;
	f.limits.deadline_ms = 15000;
	p = predict(&f);
	assert_non_null(strstr(p.action, "given up"));
	assert_in_range(p.total.high, 12000, 30000);
}

static void throttling_is_told(void **unused)
{
	struct om_predict_facts f = busy(400, 900);
	struct om_prediction p;

	(void)unused;
	f.limits.policy = OM_POLICY_GUARANTEED;
	f.limits.throttle = true;
	p = predict(&f);
	assert_non_null(strstr(p.action, "auto-converge"));
	assert_true(p.total.high > 0);
}

static void the_words_of_the_options_are_followed(void **unused)
{
	struct om_predict_facts f = busy(20, 900);
	struct om_prediction p;

	(void)unused;
	f.limits.postcopy = true;
	f.postcopy_after_precopy = true;
	assert_string_equal(predict(&f).action, "post-copy");
	f.postcopy_after_precopy = false;
	f.limits.postcopy = false;
	f.timeout_s = 2;
	f.timeout_action = OM_TIMEOUT_SUSPEND;
	p = predict(&f);
	assert_non_null(strstr(p.action, "--timeout"));
	assert_true(p.downtime.low > 1000);
}

/* ---- sizes ---- */

static void a_terabyte_is_predicted_as_well(void **unused)
{
	struct om_predict_facts f = busy(8000, 6000);
	struct om_prediction p;

	(void)unused;
	f.total_bytes = 1024 * 1024 * MIB;
	f.resident_bytes = 900 * 1024 * MIB;
	f.link_bytes_ps = 25 * GBIT;
	p = predict(&f);
	assert_true(p.known);
	assert_true(p.bulk.low > 200000);
}

static void the_same_facts_give_the_same_prediction(void **unused)
{
	struct om_predict_facts f = busy(77, 123);
	struct om_prediction a = predict(&f), b = predict(&f);

	(void)unused;
	assert_memory_equal(&a, &b, sizeof(a));
}

/* ---- printed ---- */

static void it_is_told_to_people(void **unused)
{
	struct om_predict_facts f = busy(150, 600);
	struct om_prediction p = predict(&f);
	struct om_buf buf = { 0 };

	(void)unused;
	om_predict_print_text(&buf, &p);
	assert_non_null(strstr(buf.text, "Prediction\n"));
	assert_non_null(strstr(buf.text, "  total       "));
	assert_non_null(strstr(buf.text, "  downtime    "));
	assert_non_null(strstr(buf.text, "  converges   no\n"));
	free(buf.text);
	buf = (struct om_buf){ 0 };
	f.dirty_known = false;
	p = predict(&f);
	om_predict_print_text(&buf, &p);
	assert_non_null(strstr(buf.text, "  it cannot be said how it will go: "));
	assert_null(strstr(buf.text, "total"));
	free(buf.text);
}

static void it_is_told_to_programs(void **unused)
{
	struct om_prediction p = {
		.known = true,
		.total = { 4000, 5000, 91 },
		.action = "say \"x\"\n",
		.facts = { .resident_bytes = 5, .dirty_1s_bytes = 7, .dirty_3s_bytes = 9 }
	};
	struct om_buf buf = { 0 };

	(void)unused;
	om_predict_print_json(&buf, &p);
	assert_int_equal(buf.text[0], '{');
	assert_int_equal(buf.text[buf.len - 1], '}');
	assert_non_null(
		strstr(buf.text,
		       "\"total_low_ms\":4000,\"total_high_ms\":5000,\"total_percent\":91"));
	assert_non_null(strstr(buf.text, "\"action\":\"say \\\"x\\\"\\u000a\""));
	assert_non_null(strstr(buf.text, "\"known\":true"));
	assert_non_null(strstr(buf.text, "\"measured\":{\"resident_bytes\":5,"));
	assert_non_null(strstr(buf.text, "\"dirty_1s_bytes\":7,\"dirty_3s_bytes\":9,"));
	free(buf.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_stock_it_ends_as_the_domains_own_limit_lets_it),
		cmocka_unit_test(disks_take_their_time_before_the_memory),
		cmocka_unit_test(it_goes_as_it_went_in_the_lab),
		cmocka_unit_test(the_switch_over_goes_as_fast_as_the_link),
		cmocka_unit_test(the_shortest_pause_follows_the_bandwidth),
		cmocka_unit_test(every_range_is_of_use),
		cmocka_unit_test(an_idle_guest_takes_its_memory_over_the_link),
		cmocka_unit_test(a_set_that_is_rewritten_within_a_second_is_found),
		cmocka_unit_test(a_set_that_still_grows_may_be_large),
		cmocka_unit_test(a_rate_that_cannot_be_known_is_said),
		cmocka_unit_test(a_sample_leaves_more_open_than_a_count),
		cmocka_unit_test(one_count_is_enough_to_say_something),
		cmocka_unit_test(without_a_dirty_rate_only_the_link_is_told),
		cmocka_unit_test(without_a_speed_nothing_is_told),
		cmocka_unit_test(without_the_resident_memory_all_of_it_is_taken),
		cmocka_unit_test(a_paused_guest_needs_no_dirty_rate),
		cmocka_unit_test(more_bandwidth_never_takes_longer),
		cmocka_unit_test(what_was_seen_before_counts_more_than_the_interface),
		cmocka_unit_test(a_limit_holds_the_copy_back_and_not_the_switch_over),
		cmocka_unit_test(one_stream_does_not_fill_a_fast_link),
		cmocka_unit_test(post_copy_is_told_where_it_is_allowed),
		cmocka_unit_test(no_end_is_told_with_what_would_end_it),
		cmocka_unit_test(gentle_gives_up),
		cmocka_unit_test(a_deadline_ends_it),
		cmocka_unit_test(throttling_is_told),
		cmocka_unit_test(the_words_of_the_options_are_followed),
		cmocka_unit_test(a_terabyte_is_predicted_as_well),
		cmocka_unit_test(the_same_facts_give_the_same_prediction),
		cmocka_unit_test(it_is_told_to_people),
		cmocka_unit_test(it_is_told_to_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
