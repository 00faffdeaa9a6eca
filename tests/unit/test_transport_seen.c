/* SPDX-License-Identifier: Apache-2.0 */
/* What earlier migrations tell of the link, and what is chosen by that. */
#include "om_cmocka.h"

#include "../../helpers/core/transport_internal.h"
#include "om_state.h"
#include "om_transport.h"

#include <string.h>

#define MB UINT64_C(1000000)
#define NOW_MS UINT64_C(1784629432000)
#define DAY_MS (86400 * UINT64_C(1000))
#define INTERFACE (9400 * MB / 8) /* of 10 Gbit/s */

static struct om_transport_seen begin(void)
{
	return (struct om_transport_seen){
		.src = "node01", .dst = "node02", .addr = "10.1.0.2", .now_ms = NOW_MS
	};
}

/* A copy that took `ms`, `ago` minutes ago, at so many MB/s while memory was sent. */
static struct om_state record_of(uint64_t mbps, uint64_t ms, uint64_t ago)
{
	return (struct om_state){ .phase = OM_PHASE_DONE,
				  .src = "node01",
				  .dst = "node02",
				  .path_addr = "10.1.0.2",
				  .updated_epoch_ms = NOW_MS - ago * 60000,
				  .sent_bytes = mbps * MB * ms / 1000,
				  .copy_ms = ms + 500, /* and its end */
				  .wire_bytes = mbps * MB * ms / 1000,
				  .wire_ms = ms };
}

static struct om_transport_facts told(const struct om_transport_seen *seen)
{
	struct om_transport_facts facts = { .link_bytes_ps = INTERFACE };

	om_transport_seen_tell(seen, &facts);
	return facts;
}

static struct om_transport_facts told_by(struct om_state record)
{
	struct om_transport_seen seen = begin();

	om_transport_see(&seen, &record);
	return told(&seen);
}

static struct om_state packed(struct om_state record)
{
	om_str_copy(record.transport, sizeof(record.transport), "2 connections, zstd level 1");
	record.packed_permille = 60;
	return record;
}

static void only_what_tells_of_the_link_counts(void **unused)
{
	struct om_state good = record_of(115, 3000, 1), record = good;
	struct om_transport_seen here = begin();

	(void)unused;
	assert_int_equal(told_by(good).seen_bytes_ps, 115 * MB);
	assert_false(told_by(good).seen_least);
	/* A quarter of a second of sending, but not with so little. */
	assert_int_equal(told_by(record_of(60, 250, 1)).seen_bytes_ps, 0);
	assert_int_equal(told_by(record_of(115, 250, 1)).seen_bytes_ps, 115 * MB);
	assert_int_equal(told_by(record_of(115, 150, 1)).seen_bytes_ps, 0);
	record.disk_total_bytes = 1;
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
	record = good;
	record.bandwidth_bytes_ps = 200 * MB;
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
	record = good;
	record.phase = OM_PHASE_FAILED;
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
	record = good;
	*record.path_addr = '\0';
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
	record = good;
	om_str_copy(record.dst, sizeof(record.dst), "node03");
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
	record = good; /* as the front-end has them */
	om_str_copy(record.src, sizeof(record.src), "node03");
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
	here.src = NULL; /* by whatever name this host is called */
	om_transport_see(&here, &record);
	assert_int_equal(told(&here).seen_bytes_ps, 115 * MB);
	record = good;
	record.updated_epoch_ms = NOW_MS - 31 * DAY_MS;
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
}

static void what_most_of_the_compressed_ones_kept_to_is_told(void **unused)
{
	struct om_transport_seen seen = begin();
	struct om_state record = packed(record_of(115, 3000, 1));

	(void)unused;
	assert_int_equal(told(&seen).packed_downtime_ms, 0);
	record.downtime_ms = 499;
	om_transport_see(&seen, &record);
	assert_int_equal(told(&seen).packed_downtime_ms, 499);
	record.updated_epoch_ms--;
	record.downtime_ms = 501;
	om_transport_see(&seen, &record);
	assert_int_equal(told(&seen).packed_downtime_ms, 501); /* one of two is not most */
	record.updated_epoch_ms--;
	record.downtime_ms = 20;
	om_transport_see(&seen, &record);
	assert_int_equal(told(&seen).packed_downtime_ms, 499);
	record.updated_epoch_ms--;
	record.downtime_ms = 2000;
	om_str_copy(record.transport, sizeof(record.transport), "a single stream, xbzrle");
	om_transport_see(&seen, &record);
	assert_int_equal(told(&seen).packed_downtime_ms, 499);
}

static void what_a_single_stream_reached_stays_known(void **unused)
{
	struct om_transport_seen seen = begin();
	struct om_state record = record_of(700, 3000, 1), slow = record_of(115, 3000, 2);

	(void)unused;
	om_transport_see(&seen, &slow);
	assert_int_equal(told(&seen).stream_bytes_ps, 0); /* that was the link */
	om_transport_see(&seen, &record);
	record = record_of(1000, 3000, 3);
	om_str_copy(record.transport, sizeof(record.transport), "2 connections");
	om_transport_see(&seen, &record);
	assert_int_equal(told(&seen).seen_bytes_ps, 1000 * MB);
	assert_int_equal(told(&seen).stream_bytes_ps, 700 * MB);
	record = record_of(700, 3000, 1);
	om_str_copy(record.transport, sizeof(record.transport), "a single stream, TLS");
	assert_int_equal(told_by(record).stream_bytes_ps, 0);
	om_str_copy(record.transport, sizeof(record.transport), "as MIGRATE_OPTIONS says");
	assert_int_equal(told_by(record).stream_bytes_ps, 0);
	record = record_of(INTERFACE / MB * 95 / 100, 3000, 1); /* it filled the link */
	assert_int_equal(told_by(record).stream_bytes_ps, 0);
}

static void a_single_stream_at_its_own_speed_is_a_bound_alone(void **unused)
{
	struct om_state record = record_of(900, 3000, 1);
	struct om_transport_facts facts;

	(void)unused;
	facts = told_by(record);
	assert_true(facts.seen_least);
	assert_int_equal(facts.stream_bytes_ps, 900 * MB);
	assert_true(om_transport_link(&facts) == INTERFACE);
	facts.link_bytes_ps = 0;
	assert_true(om_transport_link(&facts) == 0);
	om_str_copy(record.transport, sizeof(record.transport), "4 connections");
	facts = told_by(record);
	assert_true(om_transport_link(&facts) == 900 * MB);
	record = record_of(400, 3000, 1);
	facts = told_by(record);
	assert_true(om_transport_link(&facts) == 400 * MB);
	om_str_copy(record.transport, sizeof(record.transport), "a single stream, TLS");
	facts = told_by(record);
	assert_true(om_transport_link(&facts) == INTERFACE);
}

/* As a virtual one can that says 10 Gbit/s whatever it carries. */
static void an_interface_that_carried_more_is_no_bound(void **unused)
{
	struct om_state record = record_of(INTERFACE / MB * 120 / 100, 3000, 1);
	struct om_transport_facts facts = told_by(record);

	(void)unused;
	assert_int_equal(facts.link_bytes_ps, INTERFACE);
	assert_int_equal(facts.seen_bytes_ps, INTERFACE);
	record = record_of(INTERFACE / MB * 130 / 100, 3000, 1);
	facts = told_by(record);
	assert_int_equal(facts.link_bytes_ps, 0);
	assert_true(om_transport_link(&facts) == 0); /* no end of it is known */
	om_str_copy(record.transport, sizeof(record.transport), "2 connections");
	facts = told_by(record);
	assert_true(om_transport_link(&facts) == (double)(record.wire_bytes * 1000 / 3000));
}

/* Of a single stream that words of MIGRATE_OPTIONS made slower than the link. */
static void what_options_made_of_it_is_no_bound_of_the_link(void **unused)
{
	static const struct {
		const char *transport;
		uint64_t mbps;
		bool least;
	} rows[] = {
		{ "a single stream, tunnelled (MIGRATE_OPTIONS)", 50, true },
		{ "a single stream, tunnelled, TLS (MIGRATE_OPTIONS)", 50, true },
		{ "3 connections (MIGRATE_OPTIONS)", 400, false },
		{ "3 connections, TLS (MIGRATE_OPTIONS)", 400, false },
		/* of older releases: --tls; and whatever it was */
		{ "a single stream", 400, true },
		{ "a single stream", 115, false },
		{ "as MIGRATE_OPTIONS says", 115, true },
	};
	struct om_state record;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		record = record_of(rows[i].mbps, 3000, 1);
		om_str_copy(record.transport, sizeof(record.transport), rows[i].transport);
		if (told_by(record).seen_least != rows[i].least)
			fail_msg("%s", rows[i].transport);
		assert_int_equal(told_by(record).seen_bytes_ps, rows[i].mbps * MB);
	}
	record = record_of(3000, 3000, 1);
	om_str_copy(record.transport, sizeof(record.transport), "as MIGRATE_OPTIONS says");
	assert_int_equal(told_by(record).seen_bytes_ps, INTERFACE);
	record = packed(record_of(300, 3000, 1));
	om_str_copy(record.transport, sizeof(record.transport),
		    "3 connections, zstd (MIGRATE_OPTIONS)");
	assert_true(told_by(record).seen_least);
	record.packed_permille = 0;
	assert_int_equal(told_by(record).seen_bytes_ps, 0);
}

static void one_bad_moment_does_not_stand_for_the_link(void **unused)
{
	struct om_transport_seen seen = begin();
	struct om_state record;

	(void)unused;
	for (uint64_t ago = 5; ago > 0; ago--) { /* the newest comes last, or first */
		record = record_of(ago == 3 ? 110 : 10, 5000, ago);
		om_transport_see(&seen, &record);
	}
	assert_int_equal(told(&seen).seen_bytes_ps, 110 * MB);
	record = record_of(500, 5000, 100); /* older than five others */
	om_transport_see(&seen, &record);
	assert_int_equal(told(&seen).seen_bytes_ps, 110 * MB);
	for (uint64_t i = 0; i < 5; i++) {
		record = record_of(12, 5000, 0);
		record.updated_epoch_ms += i;
		om_transport_see(&seen, &record);
	}
	assert_int_equal(told(&seen).seen_bytes_ps, 12 * MB);
}

static void compressed_ones_are_bounds(void **unused)
{
	struct om_transport_seen seen = begin();
	struct om_state record = record_of(100, 3000, 9);

	(void)unused;
	om_transport_see(&seen, &record);
	for (uint64_t ago = 8; ago > 0; ago--) { /* so many do not drive the plain one out */
		record = packed(record_of(120, 3000, ago));
		om_transport_see(&seen, &record);
	}
	assert_int_equal(told(&seen).seen_bytes_ps, 102857142);
	assert_false(told(&seen).seen_least);
	record = packed(record_of(300, 3000, 0));
	om_transport_see(&seen, &record);
	assert_true(told(&seen).seen_least);
	assert_true(told_by(packed(record_of(100, 3000, 1))).seen_least);
}

static void what_old_ones_count_wrong_does_not_count(void **unused)
{
	struct om_state record = packed(record_of(600, 3000, 1));
	struct om_transport_facts facts;

	(void)unused;
	record.packed_permille = 0; /* QEMU below 8.1 cannot tell */
	facts = told_by(record);
	assert_int_equal(facts.seen_bytes_ps, 0);
	assert_false(facts.seen_least);
	/* Nothing goes faster than the interface, whatever was counted. */
	facts = told_by(packed(record_of(3000, 3000, 1)));
	assert_int_equal(facts.seen_bytes_ps, INTERFACE);
	assert_true(om_transport_link(&facts) == INTERFACE);
}

/* ---- the guest ---- */

#define GUEST "0d5e7a0e-7a1c-4b8e-9a55-9f1f6c3f2b11"

/* A migration of the guest, `ago` minutes ago. */
static struct om_state of_guest(const char *transport, uint32_t downtime_ms, uint64_t ago)
{
	struct om_state record = record_of(100, 3000, ago);

	om_str_copy(record.uuid, sizeof(record.uuid), GUEST);
	om_str_copy(record.transport, sizeof(record.transport), transport);
	record.iteration = 7;
	record.hot_bytes = ago * MB;
	record.dirty_bytes_ps = ago * 2 * MB;
	record.downtime_ms = downtime_ms;
	record.downtime_max_ms = 500;
	return record;
}

static void what_a_guest_showed_counts_until_it_shows_something_else(void **unused)
{
	struct om_transport_guest guest = { .uuid = GUEST, .now_ms = NOW_MS };
	struct om_transport_facts facts = { 0 };
	struct om_state records[] = {
		of_guest("a single stream, xbzrle with a cache of 64 MiB", 900, 8),
		of_guest("", 100, 4), /* plain: says nothing of xbzrle */
		of_guest("", 100, 2),
		of_guest("", 100, 1),
	};

	(void)unused;
	om_str_copy(records[2].uuid, sizeof(records[2].uuid), "another");
	records[3].phase = OM_PHASE_FAILED;
	for (size_t i = OM_ARRAY_LEN(records); i > 0; i--)
		om_transport_see_guest(&guest, &records[i - 1]);
	om_transport_guest_tell(&guest, &facts);
	assert_int_equal(facts.hot_bytes, 4 * MB);
	assert_int_equal(facts.dirty_bytes_ps, 8 * MB);
	assert_true(facts.xbzrle_failed);
	records[0].downtime_ms = 300;
	records[0].updated_epoch_ms += 1;
	om_transport_see_guest(&guest, &records[0]);
	om_transport_guest_tell(&guest, &facts);
	assert_false(facts.xbzrle_failed);
}

static bool fails(struct om_state record)
{
	struct om_transport_guest guest = { .uuid = GUEST, .now_ms = NOW_MS };
	struct om_transport_facts facts = { 0 };

	om_transport_see_guest(&guest, &record);
	om_transport_guest_tell(&guest, &facts);
	return facts.xbzrle_failed;
}

static void xbzrle_that_did_not_bring_it_to_its_end_has_failed(void **unused)
{
	struct om_state record = of_guest("a single stream, xbzrle with a cache of 64 MiB", 300, 8);

	(void)unused;
	assert_false(fails(record));
	om_str_copy(record.actions, sizeof(record.actions),
		    "downtime 180 ms at 4.2 s; post-copy at 9.0 s");
	assert_true(fails(record));
	*record.actions = '\0';
	record.phase = OM_PHASE_FAILED;
	assert_true(fails(record));
	record.iteration = 1; /* it never came to writing a page again */
	assert_false(fails(record));
	record.iteration = 7;
	record.updated_epoch_ms = NOW_MS - 31 * DAY_MS;
	assert_false(fails(record));
}

static void what_others_send_is_subtracted_once(void **unused)
{
	struct om_transport_facts facts = { .link_bytes_ps = 1000 * MB, .busy_bytes_ps = 300 * MB };

	(void)unused;
	assert_true(om_transport_link(&facts) == 700 * MB);
	facts.seen_bytes_ps = 900 * MB;
	assert_true(om_transport_link(&facts) == 700 * MB);
	facts.seen_bytes_ps = 200 * MB; /* beside them, or behind a narrower link */
	assert_true(om_transport_link(&facts) == 200 * MB);
	facts.seen_bytes_ps = 900 * MB;
	facts.seen_least = true;
	assert_true(om_transport_link(&facts) == 700 * MB);
	facts.busy_bytes_ps = 990 * MB;
	assert_true(om_transport_link(&facts) == 250 * MB);
}

/* ---- several connections ---- */

static uint32_t connections(const struct om_transport_facts *given)
{
	const struct om_versions trixie = { 11003000, 11003000, 10000013, 10000013, 0 };
	struct om_transport_facts facts = *given;
	struct om_transport t;
	struct om_knobs knobs;
	struct om_opts opts;
	struct om_err err;

	facts.memory_bytes = UINT64_C(8) << 30;
	facts.src = facts.dst = (struct om_transport_cpu){ 16, 900, 0 };
	assert_true(om_knobs_resolve(&knobs, NULL, 0, NULL, &err));
	assert_true(om_opts_parse(&opts, "", &err));
	assert_true(om_transport_choose(&t, &knobs, &opts, 0, false, &trixie, &facts, &err));
	om_knobs_free(&knobs);
	om_opts_free(&opts);
	return t.connections;
}

static void several_connections_after_a_single_one_too(void **unused)
{
	struct om_transport_facts facts = told_by(record_of(900, 3000, 1));

	(void)unused;
	facts.link_bytes_ps = 11700 * MB; /* 100 Gbit/s */
	assert_in_range(connections(&facts), 2, 8);
	facts.link_bytes_ps = 0;
	assert_in_range(connections(&facts), 2, 8);
	facts.seen_bytes_ps = 0;
	facts.seen_least = false;
	assert_int_equal(connections(&facts), 0);
}

static void several_connections_where_one_is_slower_than_the_link(void **unused)
{
	struct om_transport_facts facts = { .link_bytes_ps = INTERFACE };

	(void)unused;
	assert_int_equal(connections(&facts), 0);
	facts.link_bytes_ps = 2900 * MB; /* 25 Gbit/s */
	assert_in_range(connections(&facts), 2, 4);
	/* Less than twice as fast is worth it where the link has shown what it carries, not for a promise. */
	facts.link_bytes_ps = INTERFACE;
	facts.fresh_page_ns = 3000;
	assert_int_equal(connections(&facts), 0);
	facts.seen_bytes_ps = 940 * MB;
	facts.seen_least = true;
	assert_in_range(connections(&facts), 2, 4);
	facts.link_bytes_ps = 117 * MB;
	facts.seen_bytes_ps = 0;
	facts.seen_least = false;
	assert_int_equal(connections(&facts), 0);
}

/* ---- processors ---- */

static void near(double value, double expected)
{
	if (value < expected - 0.02 || value > expected + 0.02)
		fail_msg("%g, not %g", value, expected);
}

static void busy_processors_are_shared_by_each_thread(void **unused)
{
	const struct om_transport_cpu busy = { 64, 333, 333 }, half = { 8, 750, 500 };
	const struct om_transport_cpu old = { 8, 500, 0 }, unknown = { 0 };

	(void)unused;
	near(om_transport_cpus_for(&busy, 1), 0.33);
	near(om_transport_cpus_for(&busy, 2), 0.67);
	near(om_transport_cpus_for(&half, 3), 3);
	near(om_transport_cpus_for(&half, 6), 5);
	near(om_transport_cpus_for(&half, 100), 8);
	near(om_transport_cpus_for(&old, 2), 2); /* a helper that does not tell the share */
	near(om_transport_cpus_for(&old, 8), 4);
	near(om_transport_cpus_for(&unknown, 2), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_processors_are_shared_by_each_thread),
		cmocka_unit_test(only_what_tells_of_the_link_counts),
		cmocka_unit_test(what_most_of_the_compressed_ones_kept_to_is_told),
		cmocka_unit_test(what_a_single_stream_reached_stays_known),
		cmocka_unit_test(a_single_stream_at_its_own_speed_is_a_bound_alone),
		cmocka_unit_test(an_interface_that_carried_more_is_no_bound),
		cmocka_unit_test(what_options_made_of_it_is_no_bound_of_the_link),
		cmocka_unit_test(one_bad_moment_does_not_stand_for_the_link),
		cmocka_unit_test(compressed_ones_are_bounds),
		cmocka_unit_test(what_old_ones_count_wrong_does_not_count),
		cmocka_unit_test(what_a_guest_showed_counts_until_it_shows_something_else),
		cmocka_unit_test(xbzrle_that_did_not_bring_it_to_its_end_has_failed),
		cmocka_unit_test(what_others_send_is_subtracted_once),
		cmocka_unit_test(several_connections_after_a_single_one_too),
		cmocka_unit_test(several_connections_where_one_is_slower_than_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
