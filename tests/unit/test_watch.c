/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MIB (1ull << 20)

static struct om_watch begin(struct om_plan plan)
{
	struct om_watch watch;

	if (!plan.downtime_start_ms)
		plan.downtime_start_ms = 30;
	if (!plan.limits.downtime_max_ms)
		plan.limits.downtime_max_ms = 500;
	om_watch_init(&watch, &plan);
	return watch;
}

static struct om_sample busy(uint32_t pass, uint64_t now_ms, uint64_t remaining_mib,
			     uint64_t dirty_mib)
{
	return (struct om_sample){ .now_ms = now_ms,
				   .processed_bytes = now_ms * MIB / 10,
				   .remaining_bytes = remaining_mib * MIB,
				   .total_bytes = 1024 * MIB,
				   .rate_bytes_ps = 100 * MIB,
				   .dirty_bytes_ps = dirty_mib * MIB,
				   .iteration = pass };
}

static struct om_action step(struct om_watch *watch, struct om_sample sample)
{
	return om_watch_step(watch, &sample);
}

/* ---- a guest, a link of 100 MiB/s, and QEMU's rule ---- */

struct guest {
	double memory, hot, dirty;	    /* MiB, MiB, MiB/s at random */
	double busy_from_ms, busy_until_ms; /* dirties only then; 0, 0 = always */
	double dip_from_ms, dip_until_ms;   /* the link carries less then: */
	double dip_share;		    /* 0 = a twentieth */
};

struct end {
	bool ended;
	double ms, pause_ms;
	uint32_t passes, limit_ms, most_limit_ms, least_limit_ms;
	unsigned int told_limits; /* that were worth a line in the VM's log */
	double told_ms;		  /* the last of them */
	struct om_action last;	  /* the last action that is no limit */
	uint32_t last_pass;	  /* the passes that had ended then */
	double last_ms;
	unsigned int kinds[OM_ACTION_COUNT];
	bool missed; /* the pause was outside of the range that was foreseen last */
};

#define LINK_MIBPS 100.0

static double now_dirty(const struct guest *g, double ms)
{
	bool always = g->busy_until_ms <= 0;

	return always || (ms >= g->busy_from_ms && ms < g->busy_until_ms) ? g->dirty : 0;
}

static struct end migrate(struct om_watch *watch, const struct guest *g, double most_ms)
{
	double remaining = g->memory, sent = 0, fresh = 0, window = 0, limit = 300, next = 100;
	double fits = 0, turn = 0;
	uint32_t pass = 1, told = 0;
	struct end e = { 0 };

	for (double ms = 0; ms < most_ms; ms += 1) {
		bool dip = ms >= g->dip_from_ms && ms < g->dip_until_ms;
		double share = g->dip_share > 0 ? g->dip_share : 0.05;
		double chunk = fmin(LINK_MIBPS / 1000 * (dip ? share : 1), remaining);

		if (told != pass || ms >= next) {
			struct om_sample s = { .now_ms = 1000 + (uint64_t)ms,
					       .processed_bytes = (uint64_t)(sent * MIB),
					       .remaining_bytes = (uint64_t)(remaining * MIB),
					       .total_bytes = (uint64_t)(g->memory * MIB),
					       .rate_bytes_ps = (uint64_t)(LINK_MIBPS * MIB),
					       .iteration = pass };
			struct om_action a = om_watch_step(watch, &s);

			told = pass;
			next = ms + 250;
			e.kinds[a.kind]++;
			if (a.kind == OM_ACTION_DOWNTIME) {
				limit = a.downtime_ms;
				e.told_limits += a.tell;
				e.told_ms = a.tell ? ms : e.told_ms;
				if (!e.least_limit_ms || a.downtime_ms < e.least_limit_ms)
					e.least_limit_ms = a.downtime_ms;
			} else if (a.kind != OM_ACTION_NONE) {
				e.last = a;
				e.last_pass = pass - 1;
				e.last_ms = ms;
			}
			e.most_limit_ms = fmax(e.most_limit_ms, watch->limit_ms);
			if (a.kind == OM_ACTION_POSTCOPY || a.kind == OM_ACTION_ABORT ||
			    a.kind == OM_ACTION_THROTTLE)
				return e;
		}
		remaining -= chunk;
		sent += chunk;
		window += chunk;
		if (g->hot > 0)
			fresh = g->hot - (g->hot - fresh) * exp(-now_dirty(g, ms) / 1000 / g->hot);
		if ((unsigned int)ms % 100 == 99) {
			fits = window * 10 * limit / 1000;
			window = 0;
		}
		if (remaining > 0 && (remaining > fits || ms - turn < 50))
			continue;
		turn = ms;
		/* What is unsent and what is dirty again overlap by chance. */
		remaining = fmin(g->memory,
				 remaining + fresh * (1 - fmin(1, remaining / fmax(g->hot, 1))));
		fresh = 0;
		pass++;
		if (remaining <= fits) {
			uint32_t low = watch->forecast.downtime_low_ms;

			e.ended = true;
			e.pause_ms = remaining / LINK_MIBPS * 1000 + 40;
			e.ms = ms + e.pause_ms;
			e.passes = pass;
			e.limit_ms = (uint32_t)limit;
			e.missed = !watch->forecast.known || e.pause_ms < low ||
				   e.pause_ms > watch->forecast.downtime_high_ms;
			return e;
		}
	}
	return e;
}

/* The usual limits. */
static struct om_plan plan_of(enum om_policy policy)
{
	return (struct om_plan){
		.limits = { .policy = policy, .downtime_max_ms = 500, .pause_max_ms = 2000 }
	};
}

static struct end run(enum om_policy policy, struct guest guest)
{
	struct om_watch watch = begin(plan_of(policy));

	return migrate(&watch, &guest, 60000);
}

/* ---- */

static void the_limit_begins_at_30_ms_or_lower_where_less_is_allowed(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });
	struct om_action action = step(&watch, busy(1, 5, 500, 0));

	(void)unused;
	assert_int_equal(action.kind, OM_ACTION_DOWNTIME);
	assert_int_equal(action.downtime_ms, 30);
	assert_string_equal(action.why, "downtime limit 30 ms: begin low");
	assert_int_equal(step(&watch, busy(1, 6, 500, 0)).kind, OM_ACTION_NONE);
	watch = begin((struct om_plan){ .limits.downtime_max_ms = 12 });
	assert_int_equal(step(&watch, busy(1, 5, 500, 0)).downtime_ms, 10); /* of 12 */
	watch = begin((struct om_plan){ .limits.downtime_max_ms = 1 });
	assert_int_equal(step(&watch, busy(1, 5, 500, 0)).downtime_ms, 1);
}

static void an_idle_guest_keeps_the_low_limit(void **unused)
{
	struct end e = run(OM_POLICY_AUTO, (struct guest){ .memory = 400 });

	(void)unused;
	assert_true(e.ended);
	assert_int_equal(e.most_limit_ms, 30);
	assert_int_equal(e.kinds[OM_ACTION_DOWNTIME], 1);
	assert_true(e.ms < 4200 && e.pause_ms < 75);
}

static void a_light_guest_ends_with_little_left(void **unused)
{
	struct end e = run(OM_POLICY_AUTO,
			   (struct guest){ .memory = 400, .hot = 200, .dirty = 40 });

	(void)unused;
	assert_true(e.ended);
	assert_true(e.pause_ms < 80);
	/* 4000 ms, and the passes that leave 0.33, 0.12 and less of the one before */
	assert_true(e.ms < 7000);
}

static void a_guest_that_rewrites_a_small_set_is_stopped_near_its_plateau(void **unused)
{
	/* 30 MiB at three times the link: 200 ms of it are always dirty */
	struct end e = run(OM_POLICY_AUTO,
			   (struct guest){ .memory = 1600, .hot = 30, .dirty = 300 });

	(void)unused;
	assert_true(e.ended);
	assert_true(e.most_limit_ms <= 500);
	assert_true(e.pause_ms < 40 + 200 * 1.25);
	assert_true(e.ms < 16000 + 300 + 1700);
}

static void the_hard_pause_is_used_only_by_those_who_may(void **unused)
{
	/* 100 MiB at three times the link: 667 ms are always dirty */
	struct guest guest = { .memory = 400, .hot = 100, .dirty = 300 };
	struct end e = run(OM_POLICY_AUTO, guest);

	(void)unused;
	assert_true(e.ended);
	assert_in_range(e.limit_ms, 501, 2000);
	assert_true(e.pause_ms < 40 + 667 * 1.25);
	assert_int_equal(e.told_limits, 1); /* once, and not each time that it changes */
	assert_in_range(e.least_limit_ms, 8, 30);
	e = run(OM_POLICY_GUARANTEED, guest);
	assert_true(e.ended);
	e = run(OM_POLICY_GENTLE, guest);
	assert_false(e.ended);
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	assert_in_range(e.last_pass, 3, 6);
	assert_int_equal(e.kinds[OM_ACTION_SAY], 0); /* who gives up does not go on */
	assert_int_equal(e.told_limits, 0);
	assert_in_range(e.most_limit_ms, 1, 500);
	assert_non_null(strstr(e.last.why, "needs "));
	e = run(OM_POLICY_STOCK, guest);
	assert_false(e.ended);
	assert_int_equal(e.most_limit_ms, 0);
	assert_int_equal(e.kinds[OM_ACTION_NONE] > 100, 1);
}

static void nothing_irreversible_follows_a_single_pass(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .limits = { .policy = OM_POLICY_AUTO,
								    .downtime_max_ms = 500,
								    .pause_max_ms = 2000 } });

	(void)unused;
	for (uint64_t ms = 0; ms <= 4000; ms += 250)
		step(&watch, busy(1, 1 + ms, 400 - ms / 10, 0));
	assert_int_not_equal(step(&watch, busy(2, 4010, 390, 90)).kind, OM_ACTION_ABORT);
	assert_true(watch.limit_ms <= 500);
}

static void what_it_would_need_is_told_by_the_end_of_the_second_pass(void **unused)
{
	/* 350 MiB at six times the link: 2.9 s are always dirty */
	struct end e = run(OM_POLICY_AUTO,
			   (struct guest){ .memory = 400, .hot = 350, .dirty = 600 });

	(void)unused;
	assert_false(e.ended);
	assert_int_equal(e.kinds[OM_ACTION_SAY], 1);
	assert_int_equal(e.last.kind, OM_ACTION_SAY);
	assert_true(e.last.tell);
	assert_int_equal(e.last_pass, 2);
	assert_non_null(strstr(e.last.why, "allowed 2.0 s"));
	assert_int_equal(e.kinds[OM_ACTION_ABORT], 0);
}

static void a_deadline_ends_what_does_not_converge(void **unused)
{
	struct om_plan plan = { .limits = { .policy = OM_POLICY_AUTO,
					    .downtime_max_ms = 500,
					    .pause_max_ms = 2000,
					    .deadline_ms = 1000 + 20000 } };
	struct om_watch watch = begin(plan);
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 600 };
	struct end e = migrate(&watch, &guest, 60000);

	(void)unused;
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	assert_true(e.last_ms >= 20000 && e.last_ms < 20600);
	plan.limits.policy = OM_POLICY_GUARANTEED;
	watch = begin(plan);
	e = migrate(&watch, &guest, 30000);
	assert_int_equal(e.kinds[OM_ACTION_ABORT], 0);
}

static void what_only_a_limit_that_cannot_be_set_would_end_is_hopeless(void **unused)
{
	/* 480 ms are always dirty: of 500 ms no more than 455 are set */
	struct end e = run(OM_POLICY_GENTLE,
			   (struct guest){ .memory = 400, .hot = 60, .dirty = 500 });

	(void)unused;
	assert_false(e.ended);
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
}

static void a_throttled_restart_is_asked_for_once_where_it_is_allowed(void **unused)
{
	struct om_plan plan = { .limits = { .policy = OM_POLICY_AUTO,
					    .downtime_max_ms = 500,
					    .pause_max_ms = 2000,
					    .throttle = true } };
	struct om_watch watch = begin(plan);
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 600 };
	struct end e = migrate(&watch, &guest, 60000);

	(void)unused;
	assert_int_equal(e.last.kind, OM_ACTION_THROTTLE);
	e = migrate(&watch, &guest, 20000); /* the same watch goes on */
	assert_int_equal(e.kinds[OM_ACTION_THROTTLE], 0);
	/* A deadline that leaves no time for another first pass forbids it, but not to guaranteed. */
	plan.limits.deadline_ms = 1000 + 16000;
	watch = begin(plan);
	e = migrate(&watch, &guest, 60000);
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	assert_int_equal(e.kinds[OM_ACTION_THROTTLE], 0);
	plan.limits.policy = OM_POLICY_GUARANTEED;
	watch = begin(plan);
	e = migrate(&watch, &guest, 60000);
	assert_int_equal(e.last.kind, OM_ACTION_THROTTLE);
}

static void post_copy_is_started_where_pre_copy_would_take_longer(void **unused)
{
	struct om_plan plan = { .limits = { .policy = OM_POLICY_AUTO,
					    .downtime_max_ms = 500,
					    .pause_max_ms = 2000,
					    .postcopy = true } };
	struct om_watch watch = begin(plan);
	struct guest heavy = { .memory = 400, .hot = 350, .dirty = 300 };
	struct guest light = { .memory = 400, .hot = 350, .dirty = 10 };
	struct end e = migrate(&watch, &heavy, 60000);

	(void)unused;
	assert_int_equal(e.last.kind, OM_ACTION_POSTCOPY);
	assert_in_range(e.last_pass, 1, 2);
	watch = begin(plan);
	e = migrate(&watch, &light, 60000);
	assert_true(e.ended);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY], 0);
}

/* Of 1600 MiB, in which it writes at random; the first pass takes 16 s. */
static struct end with_postcopy(enum om_policy policy, double dirty, uint64_t deadline_ms)
{
	struct om_plan plan = plan_of(policy);
	struct guest guest = { .memory = 1600, .hot = 1600, .dirty = dirty };
	struct om_watch watch;

	plan.limits.postcopy = true;
	plan.limits.deadline_ms = deadline_ms;
	watch = begin(plan);
	return migrate(&watch, &guest, 60000);
}

static void post_copy_has_to_be_worth_it(void **unused)
{
	struct end e = with_postcopy(OM_POLICY_AUTO, 35, 0);

	(void)unused;
	/* After one pass it may be this slow, and after two it is known to be. */
	assert_true(e.ended);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY], 0);
	/* A third of the time more is too much, and known after one. */
	e = with_postcopy(OM_POLICY_AUTO, 60, 0);
	assert_int_equal(e.last.kind, OM_ACTION_POSTCOPY);
	assert_int_equal(e.last_pass, 1);
	e = with_postcopy(OM_POLICY_AUTO, 90, 0);
	assert_int_equal(e.last.kind, OM_ACTION_POSTCOPY);
	assert_int_equal(e.last_pass, 1);
}

/* After the first pass 4.7 s have yet to be sent, and pre-copy would need 2 s more. */
static void a_deadline_is_for_post_copy_only_where_that_meets_it(void **unused)
{
	struct end e = with_postcopy(OM_POLICY_AUTO, 35, 1000 + 22000);

	(void)unused;
	assert_int_equal(e.last.kind, OM_ACTION_POSTCOPY);
	assert_int_equal(e.last_pass, 1);
	/* The guest would be split over both hosts past it: left on the source. */
	e = with_postcopy(OM_POLICY_AUTO, 35, 1000 + 18000);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY], 0);
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	e = with_postcopy(OM_POLICY_AUTO, 90, 1000 + 18000);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY], 0);
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	/* Which is no way out where it has to end. */
	e = with_postcopy(OM_POLICY_GUARANTEED, 35, 1000 + 18000);
	assert_int_equal(e.last.kind, OM_ACTION_POSTCOPY);
	assert_int_equal(e.last_pass, 1);
}

/* A guest that would end gently, and a second and a half at a twentieth of the link, at any time. */
static void survive_dips(const struct om_plan *plan)
{
	for (double from = 500; from < 5000; from += 250) {
		struct om_watch watch = begin(*plan);
		struct guest guest = { .memory = 400,
				       .hot = 100,
				       .dirty = 20,
				       .dip_from_ms = from,
				       .dip_until_ms = from + 1500 };
		struct end e = migrate(&watch, &guest, 60000);

		if (!e.ended || e.last.kind != OM_ACTION_NONE || e.most_limit_ms > 500)
			fail_msg("a dip at %.0f ms: %s, %u ms", from, e.last.why, e.most_limit_ms);
	}
}

static void a_bad_second_of_the_network_decides_nothing(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_GENTLE);

	(void)unused;
	plan.limits.postcopy = plan.limits.throttle = true;
	survive_dips(&plan);
	plan.limits.policy = OM_POLICY_AUTO;
	survive_dips(&plan);
}

/* What a dip adds to a pass is no property of the guest, which pre-copy ends soon. */
static void a_short_dip_starts_no_post_copy(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);

	(void)unused;
	plan.limits.postcopy = true;
	for (double dirty = 20; dirty <= 50; dirty += 10)
		for (double ms = 200; ms <= 1600; ms *= 2)
			for (double from = 500; from < 16000; from += 100) {
				struct om_watch watch = begin(plan);
				struct guest guest = { .memory = 1000,
						       .hot = 250,
						       .dirty = dirty,
						       .dip_from_ms = from,
						       .dip_until_ms = from + ms };
				struct end e = migrate(&watch, &guest, 60000);

				if (!e.ended || e.last.kind != OM_ACTION_NONE)
					fail_msg("%.0f MiB/s, %.0f ms from %.0f ms on: %s", dirty,
						 ms, from, e.last.why);
			}
}

/* 60 of 100 MiB/s, of which another migration takes half, or a little less or more. */
static struct end beside_another(enum om_policy policy, double share, double from_ms, double ms)
{
	struct om_plan plan = plan_of(policy);
	struct guest guest = { .memory = 1000,
			       .hot = 430,
			       .dirty = 60,
			       .dip_from_ms = from_ms,
			       .dip_until_ms = from_ms + ms,
			       .dip_share = share };
	struct om_watch watch;

	plan.limits.throttle = true;
	watch = begin(plan);
	return migrate(&watch, &guest, 120000);
}

static void half_the_link_for_some_seconds_decides_nothing(void **unused)
{
	(void)unused;
	for (double share = 0.45; share < 0.7; share += 0.05)
		for (double from = 6000; from < 15000; from += 500)
			for (int policy = OM_POLICY_AUTO; policy <= OM_POLICY_GUARANTEED;
			     policy++) {
				struct end e = beside_another(policy, share, from, 8000);

				if (!e.ended || e.last.kind != OM_ACTION_NONE ||
				    e.most_limit_ms > 500)
					fail_msg("policy %d, %.2f at %.0f ms: %s, %u ms", policy,
						 share, from, e.last.why, e.most_limit_ms);
			}
}

static void half_the_link_for_good_is_what_there_is(void **unused)
{
	struct end e = beside_another(OM_POLICY_GENTLE, 0.5, 11000, INFINITY);

	(void)unused;
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	assert_true(e.last_ms < 11000 + 27500); /* 20 s, and three passes of them */
	e = beside_another(OM_POLICY_AUTO, 0.5, 11000, INFINITY);
	assert_true(e.ended);
	assert_int_equal(e.told_limits, 1);
	assert_true(e.told_ms < 11000 + 22500);
}

static void what_was_not_armed_is_not_started(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 300 };
	struct om_watch watch;
	struct end e;

	(void)unused;
	plan.limits.postcopy = plan.never_switch = true;
	watch = begin(plan);
	e = migrate(&watch, &guest, 20000);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY], 0);
	/* And what libvirt did not start three times is not tried again. */
	plan.never_switch = false;
	watch = begin(plan);
	for (int refusals = 0; refusals < 3; refusals++) {
		e = migrate(&watch, &guest, 20000);
		assert_int_equal(e.last.kind, OM_ACTION_POSTCOPY);
		om_watch_failed(&watch, &e.last);
		watch.model = (struct om_model){ .pass_count = 0 };
	}
	e = migrate(&watch, &guest, 20000);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY], 0);
}

/* The times in s at which post-copy is asked for, where libvirt refuses it each time. */
static void refuse_postcopy(struct om_plan plan, char *times, size_t size)
{
	struct om_watch watch = begin(plan);

	*times = 0;
	for (uint64_t ms = 1; ms < 60000; ms += 250) {
		uint32_t pass = 1 + (uint32_t)(ms / 2000);
		struct om_action action = step(&watch, busy(pass, ms, 500 - ms % 2000 / 10, 60));
		size_t used = strlen(times);

		if (action.kind != OM_ACTION_POSTCOPY)
			continue;
		snprintf(times + used, size - used, "%u ", (unsigned int)(ms / 1000));
		om_watch_failed(&watch, &action);
	}
	assert_int_equal(watch.limits.postcopy, plan.limits.postcopy);
}

static void post_copy_that_was_refused_for_a_moment_is_asked_for_again(void **unused)
{
	struct om_plan by_policy = plan_of(OM_POLICY_AUTO);
	struct om_plan by_time = { .timeout_s = 10, .timeout_action = OM_TIMEOUT_POSTCOPY };
	struct om_plan by_option = { .postcopy_after_precopy = true };
	char times[100];

	(void)unused;
	by_policy.limits.postcopy = true;
	refuse_postcopy(by_time, times, sizeof(times));
	assert_string_equal(times, "10 15 20 ");
	refuse_postcopy(by_option, times, sizeof(times));
	assert_string_equal(times, "2 7 12 ");
	refuse_postcopy(by_policy, times, sizeof(times)); /* at the end of a pass */
	assert_string_equal(times, "2 8 14 ");
}

static struct end throttled(struct guest guest)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct om_watch watch;

	plan.limits.pause_max_ms = 600;
	plan.limits.throttle = true;
	watch = begin(plan);
	return migrate(&watch, &guest, 60000);
}

static void it_is_throttled_to_what_fits_the_soft_limit(void **unused)
{
	struct end e = throttled((struct guest){ .memory = 400, .hot = 350, .dirty = 200 });

	(void)unused;
	/* 117 of 200 MiB/s leave 500 ms */
	assert_int_equal(e.last.kind, OM_ACTION_THROTTLE);
	assert_in_range(e.last.throttle_percent, 35, 48);
	e = throttled((struct guest){ .memory = 400, .hot = 350, .dirty = 130 });
	assert_int_equal(e.last.throttle_percent, 20); /* and not 10 */
	e = throttled((struct guest){ .memory = 400, .hot = 350, .dirty = 2000 });
	assert_in_range(e.last.throttle_percent, 48, 80);
}

static void a_throttled_restart_that_was_refused_is_asked_for_again(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 600 };
	struct om_watch watch;
	struct end e;

	(void)unused;
	plan.limits.throttle = true;
	watch = begin(plan);
	e = migrate(&watch, &guest, 60000);
	assert_int_equal(e.last.kind, OM_ACTION_THROTTLE);
	om_watch_failed(&watch, &e.last);
	watch.model = (struct om_model){ .pass_count = 0 };
	watch.not_before_ms = 0;
	e = migrate(&watch, &guest, 60000);
	assert_int_equal(e.last.kind, OM_ACTION_THROTTLE);
}

/* A watch in a pass that is to end with what remains: 100 MiB/s, and a second pass of 2 s. */
static struct om_watch in_second_pass(struct om_plan plan, uint64_t remaining_mib)
{
	struct om_watch watch = begin(plan);

	for (uint64_t ms = 1; ms < 8000; ms += 250)
		step(&watch, busy(1, ms, 800 - ms / 10, 0));
	for (uint64_t ms = 8001; ms < 10000; ms += 250)
		step(&watch, busy(2, ms, remaining_mib + (10000 - ms) / 10, 0));
	return watch;
}

static void a_switch_over_that_qemu_refuses_opens_what_is_harder(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct om_watch watch;
	struct om_action action = { .kind = OM_ACTION_NONE };
	uint32_t before = 0, louder = 0;

	(void)unused;
	watch = in_second_pass(plan, 1);
	/* 10 MiB remain after each pass: 100 ms, and QEMU does not stop for it. */
	for (uint32_t pass = 3; pass < 40; pass++) {
		action = step(&watch, busy(pass, 10000 + pass * 250, 10, 0));
		louder += action.downtime_ms > before;
		before = action.downtime_ms;
		/* Passes that are soon over prove nothing in a second or two. */
		assert_true(!watch.refused || pass * 250 >= 750 + 5000);
	}
	assert_true(louder > 3);
	assert_true(watch.refused);
	assert_true(watch.limit_ms > 500);
	assert_int_equal(watch.reach, OM_REACH_HARD);
	/* Limits that are set anew are asked for from the beginning. */
	om_watch_set_limits(&watch, &plan.limits);
	assert_false(watch.refused);
	/* Where post-copy may be used, it is gentler. */
	plan.limits.postcopy = true;
	watch = in_second_pass(plan, 1);
	assert_int_not_equal(step(&watch, busy(3, 10250, 10, 0)).kind, OM_ACTION_POSTCOPY);
	watch.refused = true;
	assert_int_equal(step(&watch, busy(4, 10500, 10, 0)).kind, OM_ACTION_POSTCOPY);
}

static void gentle_gives_up_only_what_does_not_fit(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_GENTLE);
	struct om_watch watch = in_second_pass(plan, 1);

	(void)unused;
	watch.refused = true; /* by QEMU: it may take it yet */
	for (uint32_t pass = 3; pass < 12; pass++)
		assert_int_not_equal(step(&watch, busy(pass, 10000 + pass * 250, 10, 0)).kind,
				     OM_ACTION_ABORT);
	assert_true(watch.hopeless_passes >= 3);
	/* What does not fit is given up, but not on a bad second. */
	watch = in_second_pass(plan, 1);
	watch.hopeless_passes = 5;
	for (uint64_t ms = 10000; ms < 11500; ms += 250) {
		struct om_sample s = busy(2, ms, 90, 0);

		s.processed_bytes = 1000 * MIB;
		step(&watch, s);
	}
	{
		struct om_sample s = busy(3, 11500, 390, 0);

		s.processed_bytes = 1000 * MIB;
		assert_int_not_equal(step(&watch, s).kind, OM_ACTION_ABORT);
	}
}

/* 10 MiB remain after each pass, and QEMU does not stop the guest for it. */
static struct end refuse(enum om_policy policy, uint32_t passes)
{
	struct om_watch watch = in_second_pass(plan_of(policy), 1);
	struct end e = { 0 };

	for (uint32_t pass = 3; pass < 3 + passes && !e.kinds[OM_ACTION_ABORT]; pass++)
		for (uint64_t ms = 0; ms < 500; ms += 250) {
			struct om_action a = step(&watch,
						  busy(pass, 10000 + pass * 500ull + ms, 10, 0));

			e.kinds[a.kind]++;
			e.passes = pass - 2;
			if (a.kind == OM_ACTION_SAY || a.kind == OM_ACTION_ABORT)
				e.last = a;
		}
	return e;
}

static void a_switch_over_that_is_refused_for_good_is_told_and_gently_given_up(void **unused)
{
	struct end e = refuse(OM_POLICY_AUTO, 200);

	(void)unused;
	assert_int_equal(e.kinds[OM_ACTION_ABORT], 0);
	assert_int_equal(e.kinds[OM_ACTION_SAY], 1);
	assert_non_null(strstr(e.last.why, "needs more than "));
	e = refuse(OM_POLICY_GENTLE, 200);
	assert_int_equal(e.kinds[OM_ACTION_ABORT], 1);
	assert_int_equal(e.kinds[OM_ACTION_SAY], 0);
	/* Not before four counts have left it all. */
	assert_in_range(e.passes, 4 + 17 + 16, 4 + 17 + 16 + 3);
	assert_non_null(strstr(e.last.why, "; allowed 500 ms"));
}

static void an_end_is_asked_for_once(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_GENTLE);
	struct om_watch watch;

	(void)unused;
	plan.limits.deadline_ms = 9000;
	watch = begin(plan);
	for (uint64_t ms = 1; ms < 9000; ms += 250)
		step(&watch, busy(1, ms, 2000 - ms / 10, 0));
	assert_int_equal(step(&watch, busy(1, 9000, 1100, 0)).kind, OM_ACTION_ABORT);
	for (uint64_t ms = 9250; ms < 30000; ms += 250)
		assert_int_equal(step(&watch, busy(1, ms, 1000, 0)).kind, OM_ACTION_NONE);
}

static void a_switch_over_that_was_asked_for_gets_its_time(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct om_watch watch;

	(void)unused;
	plan.limits.deadline_ms = 10000;
	watch = in_second_pass(plan, 20);
	watch.limit_ms = 450;
	watch.limit_set_ms = 9500;
	/* 30 MiB remain, and the limit is set for as much. */
	assert_int_equal(step(&watch, busy(2, 10001, 30, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(2, 14400, 30, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(2, 14600, 30, 0)).kind, OM_ACTION_ABORT);
	/* With more than it is set for none is on its way. */
	watch = in_second_pass(plan, 80);
	watch.limit_ms = 450;
	watch.limit_set_ms = 9900;
	assert_int_equal(step(&watch, busy(2, 10001, 90, 0)).kind, OM_ACTION_ABORT);
}

static void once_qemu_has_stopped_the_guest_nothing_is_done(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct om_watch watch;
	struct om_sample s = busy(2, 20000, 90, 0);

	(void)unused;
	plan.limits.deadline_ms = 12000;
	watch = in_second_pass(plan, 80);
	s.stopped = true;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_NONE);
	s.stopped = false;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_ABORT);
}

static void what_it_needs_is_told_again_for_new_limits(void **unused)
{
	struct om_watch watch = begin(plan_of(OM_POLICY_AUTO));
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 600 };
	struct om_limits limits;
	struct end e = migrate(&watch, &guest, 30000);

	(void)unused;
	assert_int_equal(e.kinds[OM_ACTION_SAY], 1);
	limits = watch.limits;
	limits.pause_max_ms = 200; /* the soft limit holds anyway */
	om_watch_set_limits(&watch, &limits);
	watch.model = (struct om_model){ .pass_count = 0 };
	e = migrate(&watch, &guest, 30000);
	assert_int_equal(e.kinds[OM_ACTION_SAY], 1);
	assert_non_null(strstr(e.last.why, "; allowed 500 ms"));
}

/* The number behind `before` in the text. */
static double number_in(const char *text, const char *before)
{
	const char *at = strstr(text, before);
	double number = -1;

	if (!at || sscanf(at + strlen(before), "%lf", &number) != 1)
		fail_msg("'%s' is not in '%s'", before, text);
	return number;
}

/* Its plateau is 460 ms, which takes a limit of more than the 500 ms that are allowed. */
static void what_it_needs_is_never_told_to_be_what_is_allowed(void **unused)
{
	struct end e = run(OM_POLICY_GENTLE,
			   (struct guest){ .memory = 400, .hot = 92, .dirty = 200 });
	struct om_watch watch;

	(void)unused;
	assert_int_equal(e.kinds[OM_ACTION_ABORT], 1);
	assert_true(number_in(e.last.why, "needs ") > 500 && number_in(e.last.why, "needs ") < 560);
	assert_non_null(strstr(e.last.why, " ms of downtime or "));
	assert_non_null(strstr(e.last.why, "; allowed 500 ms"));
	/* Nor with a little more than 2 s, and what is allowed is never nothing. */
	watch = in_second_pass(plan_of(OM_POLICY_AUTO), 20);
	watch.least_bytes = 204.0 * MIB;
	watch.tell_need = true;
	e.last = step(&watch, busy(2, 10001, 20, 0));
	assert_non_null(strstr(e.last.why, "needs 2.1 s of downtime or "));
	assert_non_null(strstr(e.last.why, "; allowed 2.0 s"));
	watch = in_second_pass(plan_of(OM_POLICY_GENTLE), 20);
	watch.limits.downtime_max_ms = 30;
	watch.tell_need = true;
	e.last = step(&watch, busy(2, 10001, 20, 0));
	assert_non_null(strstr(e.last.why, "; allowed 30 ms"));
}

static void what_it_needs_is_what_would_end_it(void **unused)
{
	struct end e = run(OM_POLICY_AUTO,
			   (struct guest){ .memory = 400, .hot = 350, .dirty = 600 });
	struct om_watch watch;

	(void)unused;
	/* 2.9 s are always dirty; and 135 MiB/s would leave 2 s of it, if it dirtied no faster than must be */
	assert_true(number_in(e.last.why, "needs ") > 2.9 && number_in(e.last.why, "needs ") < 4.5);
	assert_non_null(strstr(e.last.why, " Mbit/s"));
	assert_true(number_in(e.last.why, "downtime or at least ") > 850 &&
		    number_in(e.last.why, "downtime or at least ") < 1200);
	e = run(OM_POLICY_GENTLE, (struct guest){ .memory = 400, .hot = 250, .dirty = 130 });
	assert_true(number_in(e.last.why, "of downtime or ") > 0); /* its passes tell its rate */
	/* Two passes tell little of the guest, but that it has never left less than 7 s. */
	watch = in_second_pass(plan_of(OM_POLICY_AUTO), 20);
	watch.least_bytes = 700.0 * MIB;
	watch.tell_need = true;
	e.last = step(&watch, busy(2, 10001, 20, 0));
	assert_int_equal(e.last.kind, OM_ACTION_SAY);
	assert_true(number_in(e.last.why, "needs ") > 6.5);
}

/* 100 MiB/s of memory, for which the wire carries so much less. */
static uint64_t needed_on_the_wire(uint64_t packing, unsigned int flags)
{
	struct om_watch watch = begin(plan_of(OM_POLICY_AUTO));
	struct om_attempt attempt = { .flags = flags };
	uint64_t ms = 1, sent = 0;

	om_watch_attempt(&watch, &attempt);

	for (uint32_t pass = 1; pass < 6; pass++)
		for (uint64_t left = pass == 1 ? 800 : 300; left > 50; left -= 25, ms += 250) {
			struct om_sample s = busy(pass, ms, left, 0);

			sent += 25 * MIB / (pass > 1 ? packing : 1);
			s.processed_bytes = sent;
			step(&watch, s);
		}
	return watch.forecast.need_bytes_ps;
}

static void what_it_needs_of_the_link_is_told_as_the_link_carries_it(void **unused)
{
	double plain = (double)needed_on_the_wire(1, OM_FLAG_COMPRESSED);
	double packed = (double)needed_on_the_wire(4, OM_FLAG_COMPRESSED);

	(void)unused;
	/* Zeros go by unpacked, too: what is not compressed needs what it needs. */
	assert_true(needed_on_the_wire(1, 0) == (uint64_t)plain);
	assert_true(fabs((double)needed_on_the_wire(4, 0) - plain) < 0.1 * plain);
	assert_true(plain > 50 * MIB);
	assert_true(packed > 0.23 * plain && packed < 0.27 * plain);
}

/* A weaker attempt has less than the plan. */
static void an_attempt_tells_what_is_in_force(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct om_attempt attempt = { .flags = OM_FLAG_COMPRESSED | OM_FLAG_POSTCOPY };
	struct om_watch watch;

	(void)unused;
	plan.flags = attempt.flags;
	plan.limits.postcopy = true;
	watch = begin(plan);
	om_watch_attempt(&watch, &attempt);
	assert_true(watch.model.compressed && watch.limits.postcopy && !watch.throttled);
	attempt.flags = OM_FLAG_AUTO_CONVERGE;
	watch = begin(plan);
	om_watch_attempt(&watch, &attempt);
	assert_false(watch.model.compressed || watch.limits.postcopy);
	assert_true(watch.throttled);
	/* --comp-methods alone compresses, too */
	om_params_set_text(&attempt.params, "compression", "xbzrle", "MIGRATE_OPTIONS");
	om_watch_attempt(&watch, &attempt);
	assert_true(watch.model.compressed);
	om_params_free(&attempt.params);
}

static void a_pause_that_fails_is_not_tried_again_and_the_limits_hold(void **unused)
{
	struct om_watch watch = begin((struct om_plan){
		.timeout_s = 2, .timeout_action = OM_TIMEOUT_SUSPEND, .limits.deadline_ms = 5000 });
	struct om_action action;

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	action = step(&watch, busy(1, 2500, 400, 0));
	assert_int_equal(action.kind, OM_ACTION_SUSPEND);
	om_watch_failed(&watch, &action);
	assert_int_equal(step(&watch, busy(1, 3000, 400, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(1, 5500, 200, 0)).kind, OM_ACTION_ABORT);
}

static void a_deadline_that_is_near_makes_it_hurry(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct guest guest = { .memory = 1600, .hot = 800, .dirty = 75 };
	struct om_watch watch = begin(plan);
	struct end calm = migrate(&watch, &guest, 120000), hurried;

	(void)unused;
	/* It falls by a quarter with each pass: with time it ends gently. */
	assert_true(calm.ended && calm.pause_ms < 540);
	plan.limits.deadline_ms = 1000 + (uint64_t)calm.ms - 2000;
	watch = begin(plan);
	hurried = migrate(&watch, &guest, 120000);
	assert_true(hurried.ended);
	assert_true(hurried.ms < calm.ms - 2000);
	assert_true(hurried.pause_ms > 540 && hurried.pause_ms < 2040);
}

static void patience_has_an_end(void **unused)
{
	/* It falls, but by a twentieth with each pass. */
	struct end e = run(OM_POLICY_AUTO,
			   (struct guest){ .memory = 400, .hot = 390, .dirty = 104 });

	(void)unused;
	assert_true(e.ended);
	assert_true(e.ms < 30000);
}

static void the_forecast_of_the_first_pass_knows_that_more_may_follow(void **unused)
{
	struct om_watch watch = begin(plan_of(OM_POLICY_AUTO));

	(void)unused;
	step(&watch, busy(1, 1, 1000, 0));
	assert_false(watch.forecast.known); /* no bandwidth yet */
	for (uint64_t ms = 251; ms < 5000; ms += 250)
		step(&watch, busy(1, ms, 1000 - ms / 10, 0));
	assert_true(watch.forecast.known);
	assert_true((double)watch.forecast.eta_high_ms > 1.4 * (double)watch.forecast.eta_low_ms);
	watch = in_second_pass(plan_of(OM_POLICY_AUTO), 20);
	assert_true(watch.forecast.eta_low_ms > 0);
	assert_true((double)watch.forecast.eta_high_ms < 1.4 * (double)watch.forecast.eta_low_ms);
}

static void in_post_copy_the_end_is_in_sight(void **unused)
{
	struct om_watch watch = in_second_pass(plan_of(OM_POLICY_AUTO), 400);
	struct om_sample s = busy(2, 10001, 400, 0);

	(void)unused;
	s.postcopy = true;
	step(&watch, s);
	assert_true(watch.forecast.known);
	assert_int_equal(watch.forecast.downtime_high_ms, 50);
	assert_in_range(watch.forecast.eta_low_ms, 3500, 4000);
	assert_in_range(watch.forecast.eta_high_ms, 4000, 5000);
}

static void a_guest_that_turns_quiet_is_stopped_gently(void **unused)
{
	struct end e = run(OM_POLICY_AUTO, (struct guest){ .memory = 400,
							   .hot = 350,
							   .dirty = 600,
							   .busy_from_ms = 0,
							   .busy_until_ms = 15000 });

	(void)unused;
	assert_true(e.ended);
	assert_true(e.pause_ms < 540);
}

static void a_guest_that_turns_busy_still_ends(void **unused)
{
	struct end e = run(OM_POLICY_AUTO, (struct guest){ .memory = 400,
							   .hot = 100,
							   .dirty = 300,
							   .busy_from_ms = 4000,
							   .busy_until_ms = 1e9 });

	(void)unused;
	assert_true(e.ended);
	assert_true(e.pause_ms <= 2040);
}

static void a_limit_whose_switch_over_does_not_come_is_taken_back(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .limits = { .policy = OM_POLICY_AUTO,
								    .downtime_max_ms = 500,
								    .pause_max_ms = 2000 } });

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	watch.limit_ms = 1800;
	watch.limit_set_ms = 1000;
	watch.reach = OM_REACH_HARD;
	assert_int_equal(step(&watch, busy(1, 11000, 100, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(1, 11500, 100, 0)).downtime_ms, 455);
}

static void a_limit_that_could_not_be_set_is_set_again(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });
	struct om_action action = step(&watch, busy(1, 5, 500, 0));

	(void)unused;
	assert_int_equal(action.downtime_ms, 30);
	om_watch_failed(&watch, &action);
	action = step(&watch, busy(1, 255, 475, 0));
	assert_int_equal(action.kind, OM_ACTION_DOWNTIME);
	assert_int_equal(action.downtime_ms, 30);
	assert_int_equal(step(&watch, busy(1, 505, 450, 0)).kind, OM_ACTION_NONE);
}

static void an_end_that_is_refused_is_not_asked_for_all_the_time(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .limits.deadline_ms = 10000 });
	unsigned int asked = 0;

	(void)unused;
	for (uint64_t ms = 1; ms < 30000; ms += 250) {
		struct om_action action = step(&watch, busy(1, ms, 5000 - ms / 10, 0));

		asked += action.kind == OM_ACTION_ABORT;
		if (action.kind == OM_ACTION_ABORT)
			om_watch_failed(&watch, &action);
	}
	assert_int_equal(asked, 4); /* at 10, 15, 20 and 25 s */
}

static void a_deadline_says_what_was_missing(void **unused)
{
	struct om_plan plan = { .limits.deadline_ms = 5000 };
	struct om_watch watch = begin(plan);
	struct om_action action = { .kind = OM_ACTION_NONE };

	(void)unused;
	for (uint64_t ms = 1; ms <= 5001; ms += 250)
		action = step(&watch, busy(1, ms, 900 - ms / 10, 0));
	assert_string_equal(action.why, "ended at the deadline; the first pass was not over, "
					"400 MiB had yet to be sent");
	/* 100 MiB are left of a guest that dirties little: 1 s at 100 MiB/s */
	plan.limits.deadline_ms = 10500;
	watch = begin(plan);
	for (uint64_t ms = 1; ms < 10000; ms += 250)
		step(&watch, busy(1, ms, 1000 - ms / 10, 0));
	for (uint64_t ms = 10001; ms <= 10501; ms += 250)
		action = step(&watch, busy(2, ms, 1100 - ms / 10, 0));
	assert_int_equal(action.kind, OM_ACTION_ABORT);
	if (!strstr(action.why, "; it would have taken up to ") || !strstr(action.why, " s more"))
		fail_msg("%s", action.why);
}

/* The limit that was set last, what libvirt told of the stop, and the connections: measured in the lab. */
static void pauses_that_were_measured_are_foreseen(void **unused)
{
	static const struct {
		uint32_t limit, pause, connections;
	} rows[] = {
		{ 8, 43, 0 },	   { 11, 34, 0 },     { 9, 63, 0 },	 { 8, 66, 0 },
		{ 8, 68, 2 },	   { 8, 76, 2 },      { 8, 51, 2 },	 { 38, 62, 0 },
		{ 75, 98, 0 },	   { 74, 120, 0 },    { 179, 234, 0 },	 { 206, 258, 0 },
		{ 248, 237, 0 },   { 256, 279, 2 },   { 383, 491, 0 },	 { 1338, 1116, 0 },
		{ 1377, 1424, 0 }, { 1396, 1661, 2 }, { 1955, 2257, 0 }, { 1806, 1845, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_plan plan = { .transport.connections = rows[i].connections,
					.limits.downtime_max_ms = 2000,
					.downtime_start_ms = rows[i].limit };
		struct om_watch watch = begin(plan);
		const struct om_forecast *f = &watch.forecast;

		for (uint64_t ms = 1; ms < 1000; ms += 250)
			step(&watch, busy(1, ms, 400 - ms / 10, 0));
		assert_true(f->known);
		if (rows[i].pause < f->downtime_low_ms || rows[i].pause > f->downtime_high_ms)
			fail_msg("%u ms with a limit of %u ms, said %u-%u", rows[i].pause,
				 rows[i].limit, f->downtime_low_ms, f->downtime_high_ms);
		assert_true(f->downtime_high_ms <= 2 * f->downtime_low_ms ||
			    f->downtime_high_ms - f->downtime_low_ms <= 50);
	}
}

/* Its plateau is 400 ms on the link: between the domain's own limit and the soft one. */
static void what_stock_expects_is_what_the_domains_own_limit_lets_happen(void **unused)
{
	static const struct {
		enum om_policy policy;
		uint32_t own_ms;
		bool ends;
	} rows[] = {
		{ OM_POLICY_STOCK, 300, false },
		{ OM_POLICY_STOCK, 450, true },
		{ OM_POLICY_STOCK, 5000, true },
		{ OM_POLICY_GENTLE, 300, true },
	};
	const struct guest guest = { .memory = 400, .hot = 80, .dirty = 160 };
	uint64_t need_bytes_ps[OM_ARRAY_LEN(rows)];

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_plan plan = { .limits = { .policy = rows[i].policy,
						    .own_ms = rows[i].own_ms } };
		struct om_watch watch = begin(plan);
		const struct om_forecast *f = &watch.forecast;
		struct end e;

		e = migrate(&watch, &guest, 9000);
		need_bytes_ps[i] = f->need_bytes_ps;
		if ((f->eta_high_ms > 0) != rows[i].ends && !e.ended)
			fail_msg("row %zu: an end in %u ms", i, (unsigned int)f->eta_high_ms);
	}
	assert_true(need_bytes_ps[0] > need_bytes_ps[1] && need_bytes_ps[1] > need_bytes_ps[2]);
}

static void stock_has_the_limit_of_its_own(void **unused)
{
	struct om_plan plan = {
		.limits = { .policy = OM_POLICY_STOCK, .pause_max_ms = 2000, .own_ms = 300 }
	};
	struct om_watch watch = begin(plan);
	struct om_action action;

	(void)unused;
	for (uint64_t ms = 1; ms < 3000; ms += 250)
		assert_int_equal(step(&watch, busy(1, ms, 400 - ms / 10, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(watch.forecast.downtime_high_ms, 420);
	/* and gets it back where another policy had set one */
	plan.limits.policy = OM_POLICY_AUTO;
	watch = begin(plan);
	step(&watch, busy(1, 1, 400, 0));
	watch.limit_ms = 1800;
	watch.reach = OM_REACH_HARD;
	plan.limits.policy = OM_POLICY_STOCK;
	om_watch_set_limits(&watch, &plan.limits);
	action = step(&watch, busy(1, 251, 375, 0));
	assert_int_equal(action.kind, OM_ACTION_DOWNTIME);
	assert_int_equal(action.downtime_ms, 300);
	om_watch_failed(&watch, &action);
	assert_int_equal(step(&watch, busy(1, 501, 350, 0)).downtime_ms, 300);
	assert_int_equal(step(&watch, busy(1, 751, 325, 0)).kind, OM_ACTION_NONE);
}

static void a_dead_link_is_no_end_in_ages(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });

	(void)unused;
	for (uint64_t ms = 1; ms < 5000; ms += 250)
		step(&watch, busy(1, ms, 1000 - ms / 10, 0));
	assert_in_range(watch.forecast.eta_high_ms, 5000, 10000);
	for (uint64_t ms = 5001; ms < 90000; ms += 250) {
		struct om_sample s = busy(1, ms, 500, 0);

		s.processed_bytes = 500 * MIB;
		step(&watch, s);
	}
	assert_int_equal(watch.forecast.eta_high_ms, 0);
	assert_int_equal(watch.forecast.eta_low_ms, 0);
}

static void a_guest_that_is_paused_is_expected_on_the_destination(void **unused)
{
	struct om_watch watch =
		begin((struct om_plan){ .timeout_s = 15, .timeout_action = OM_TIMEOUT_SUSPEND });
	struct om_sample s;

	(void)unused;
	for (uint64_t ms = 1; ms <= 10001; ms += 250) {
		s = busy(ms < 8000 ? 1 : 2, ms, 1500 - ms / 10, 0);
		s.paused = ms > 9000;
		step(&watch, s);
	}
	/* 500 MiB: 5 s, after the one that is over */
	assert_in_range(watch.forecast.eta_low_ms, 4000, 5000);
	assert_in_range(watch.forecast.eta_high_ms, 5000, 6000);
	assert_in_range(watch.forecast.downtime_low_ms, 5000, 6000);
	assert_in_range(watch.forecast.downtime_high_ms, 6000, 7000);
	s = busy(2, 16001, 400, 0);
	s.paused = true;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_NONE); /* nothing to pause */
}

static void a_pause_by_an_operator_is_a_fact(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });
	struct om_sample s = busy(1, 5, 500, 0);

	(void)unused;
	s.paused = true;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_NONE);
}

static struct om_action paused(struct om_watch *watch, uint64_t now_ms)
{
	struct om_sample s = busy(1, now_ms, 1000 - now_ms / 100, 0);

	s.paused = true;
	return om_watch_step(watch, &s);
}

static void the_deadline_ends_a_paused_migration_too(void **unused)
{
	static const enum om_action_kind expected[OM_POLICY_COUNT] = {
		[OM_POLICY_AUTO] = OM_ACTION_ABORT,
		[OM_POLICY_GENTLE] = OM_ACTION_ABORT,
	};

	(void)unused;
	for (unsigned int way = 0; way < 2 * OM_POLICY_COUNT; way++) {
		enum om_policy policy = (enum om_policy)(way / 2);
		struct om_plan plan = { .limits = { .policy = policy, .deadline_ms = 9000 } };
		struct om_watch watch;
		struct om_action action;

		/* By an operator, and by the words of MIGRATE_OPTIONS. */
		plan.timeout_action = way % 2 ? OM_TIMEOUT_SUSPEND : OM_TIMEOUT_NONE;
		plan.timeout_s = 2;
		watch = begin(plan);
		step(&watch, busy(1, 1000, 1000, 0));
		if (way % 2)
			assert_int_equal(step(&watch, busy(1, 3000, 970, 0)).kind,
					 OM_ACTION_SUSPEND);
		assert_int_equal(paused(&watch, 3250).kind, OM_ACTION_NONE);
		assert_int_equal(paused(&watch, 8999).kind, OM_ACTION_NONE);
		action = paused(&watch, 9000);
		assert_int_equal(action.kind, expected[policy]);
		assert_int_equal(paused(&watch, 9250).kind, OM_ACTION_NONE);
		if (!expected[policy])
			continue;
		om_watch_failed(&watch, &action);
		assert_int_equal(paused(&watch, 14250).kind, OM_ACTION_ABORT);
	}
}

static void a_paused_migration_that_is_nearly_over_is_not_ended(void **unused)
{
	struct om_plan plan = { .limits = { .policy = OM_POLICY_AUTO, .deadline_ms = 9000 } };
	struct om_watch watch = begin(plan);
	struct om_sample s;

	(void)unused;
	for (uint64_t ms = 1000; ms < 9000; ms += 250) {
		s = busy(ms > 5000 ? 2 : 1, ms, 950 - ms / 10, 0);
		s.paused = ms > 4000;
		assert_int_not_equal(om_watch_step(&watch, &s).kind, OM_ACTION_ABORT);
	}
	s = busy(2, 9000, 50, 0);
	s.paused = true;
	assert_int_equal(om_watch_step(&watch, &s).kind, OM_ACTION_NONE);
	/* But a link that dies then does not keep it for ever. */
	s.now_ms = 14250;
	assert_int_equal(om_watch_step(&watch, &s).kind, OM_ACTION_ABORT);
}

static void what_could_not_be_done_is_not_taken_for_done(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .postcopy_after_precopy = true });
	struct om_action action;

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	action = step(&watch, busy(2, 300, 400, 0));
	assert_int_equal(action.kind, OM_ACTION_POSTCOPY);
	om_watch_failed(&watch, &action);
	action = step(&watch, busy(3, 600, 300, 0));
	assert_int_equal(action.kind, OM_ACTION_DOWNTIME);
	/* Without it the limits count again. */
	watch = begin((struct om_plan){ .timeout_s = 2,
					.timeout_action = OM_TIMEOUT_POSTCOPY,
					.limits.deadline_ms = 5000 });
	step(&watch, busy(1, 1, 500, 0));
	action = step(&watch, busy(1, 2500, 400, 0));
	assert_int_equal(action.kind, OM_ACTION_POSTCOPY);
	om_watch_failed(&watch, &action);
	assert_int_equal(step(&watch, busy(1, 3000, 400, 0)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(1, 5500, 200, 0)).kind, OM_ACTION_ABORT);
}

static void a_policy_that_turns_gentle_holds_at_once(void **unused)
{
	struct om_plan plan = { .limits = { .policy = OM_POLICY_AUTO,
					    .downtime_max_ms = 500,
					    .pause_max_ms = 2000,
					    .postcopy = true,
					    .throttle = true } };
	struct om_watch watch = begin(plan);
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 600 };
	struct end e;

	(void)unused;
	plan.limits.policy = OM_POLICY_GENTLE;
	om_watch_set_limits(&watch, &plan.limits);
	e = migrate(&watch, &guest, 60000);
	assert_int_equal(e.last.kind, OM_ACTION_ABORT);
	assert_int_equal(e.kinds[OM_ACTION_POSTCOPY] + e.kinds[OM_ACTION_THROTTLE], 0);
	assert_in_range(e.most_limit_ms, 1, 500);
}

static void new_limits_count_at_once(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ 0 });
	struct om_limits limits = watch.limits;

	(void)unused;
	step(&watch, busy(1, 5, 500, 0));
	limits.downtime_max_ms = 10;
	om_watch_set_limits(&watch, &limits);
	assert_int_equal(step(&watch, busy(1, 6, 500, 0)).downtime_ms, 9);
}

static void predictions_hold(void **unused)
{
	unsigned int all = 0, missed = 0;

	(void)unused;
	for (double hot = 5; hot <= 350; hot *= 1.6)
		for (double dirty = 5; dirty <= 600; dirty *= 1.7) {
			struct end e =
				run(OM_POLICY_AUTO,
				    (struct guest){ .memory = 400, .hot = hot, .dirty = dirty });

			all += e.ended;
			missed += e.ended && e.missed;
		}
	assert_true(all > 50);
	if (missed * 10 > all)
		fail_msg("%u of %u pauses were not foreseen", missed, all);
}

static void post_copy_starts_once_when_the_first_pass_is_over(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .postcopy_after_precopy = true });

	(void)unused;
	assert_int_equal(step(&watch, busy(1, 1, 500, 0)).kind, OM_ACTION_DOWNTIME);
	assert_int_equal(step(&watch, busy(1, 2, 100, 60)).kind, OM_ACTION_NONE);
	assert_int_equal(step(&watch, busy(2, 3, 500, 0)).kind, OM_ACTION_POSTCOPY);
	for (uint32_t pass = 2; pass < 9; pass++)
		assert_int_equal(step(&watch, busy(pass, 3 + pass, 100, 60)).kind, OM_ACTION_NONE);
}

static void post_copy_that_would_lose_the_guest_is_never_started(void **unused)
{
	struct om_watch watch = begin((struct om_plan){ .postcopy_after_precopy = true,
							.never_switch = true,
							.timeout_s = 1,
							.timeout_action = OM_TIMEOUT_POSTCOPY });

	(void)unused;
	for (uint32_t pass = 1; pass < 9; pass++) {
		assert_int_not_equal(step(&watch, busy(pass, pass * 1000, 500, 0)).kind,
				     OM_ACTION_POSTCOPY);
		assert_int_not_equal(step(&watch, busy(pass, pass * 1000, 100, 60)).kind,
				     OM_ACTION_POSTCOPY);
	}
}

static void the_timeout_acts_once(void **unused)
{
	static const struct {
		enum om_timeout_action action;
		enum om_action_kind expected;
	} rows[] = {
		{ OM_TIMEOUT_SUSPEND, OM_ACTION_SUSPEND },
		{ OM_TIMEOUT_POSTCOPY, OM_ACTION_POSTCOPY },
		{ OM_TIMEOUT_NONE, OM_ACTION_NONE },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_watch watch = begin(
			(struct om_plan){ .timeout_s = 10, .timeout_action = rows[i].action });

		step(&watch, busy(1, 1000, 500, 0));
		assert_int_equal(step(&watch, busy(1, 10999, 100, 0)).kind, OM_ACTION_NONE);
		assert_int_equal(step(&watch, busy(1, 11000, 100, 0)).kind, rows[i].expected);
		assert_int_equal(step(&watch, busy(1, 12000, 100, 0)).kind, OM_ACTION_NONE);
		assert_int_equal(step(&watch, busy(1, 99000, 90, 0)).kind, OM_ACTION_NONE);
	}
}

static void the_timeout_counts_from_the_first_attempt(void **unused)
{
	struct om_plan plan = { .timeout_s = 10,
				.timeout_action = OM_TIMEOUT_SUSPEND,
				.downtime_start_ms = 30,
				.limits.downtime_max_ms = 500 };
	struct om_watch watch = { 0 };

	(void)unused;
	om_watch_init_again(&watch, &plan);
	step(&watch, busy(1, 3000, 900, 0));
	assert_int_equal(step(&watch, busy(1, 9000, 300, 0)).kind, OM_ACTION_NONE);
	om_watch_init_again(&watch, &plan);
	step(&watch, busy(1, 10000, 900, 0));
	assert_int_equal(watch.begun_ms, 10000); /* for what comes of this attempt */
	assert_int_equal(step(&watch, busy(1, 12750, 600, 0)).kind, OM_ACTION_NONE);
	om_watch_init_again(&watch, &plan);
	assert_int_equal(step(&watch, busy(1, 13000, 900, 0)).kind, OM_ACTION_SUSPEND);
	assert_int_not_equal(step(&watch, busy(1, 13250, 900, 0)).kind, OM_ACTION_SUSPEND);
}

static void the_next_attempt_does_not_say_again_what_it_would_need(void **unused)
{
	struct om_plan plan = plan_of(OM_POLICY_AUTO);
	struct guest guest = { .memory = 400, .hot = 350, .dirty = 600 };
	struct om_watch watch = { 0 };

	(void)unused;
	plan.downtime_start_ms = 30;
	for (unsigned int attempt = 0; attempt < 3; attempt++) {
		struct end e;

		om_watch_init_again(&watch, &plan);
		e = migrate(&watch, &guest, 30000);
		assert_int_equal(e.kinds[OM_ACTION_SAY], attempt == 0);
	}
	/* What an operator asks for since is worth an answer. */
	om_watch_set_limits(&watch, &plan.limits);
	om_watch_init_again(&watch, &plan);
	assert_int_equal(migrate(&watch, &guest, 30000).kinds[OM_ACTION_SAY], 1);
}

static void nothing_is_done_once_post_copy_has_begun(void **unused)
{
	struct om_watch watch =
		begin((struct om_plan){ .timeout_s = 1, .timeout_action = OM_TIMEOUT_SUSPEND });
	struct om_sample s = busy(9, 90000, 100, 60);

	(void)unused;
	step(&watch, busy(1, 1, 500, 0));
	s.postcopy = true;
	assert_int_equal(step(&watch, s).kind, OM_ACTION_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_begins_at_30_ms_or_lower_where_less_is_allowed),
		cmocka_unit_test(an_idle_guest_keeps_the_low_limit),
		cmocka_unit_test(a_light_guest_ends_with_little_left),
		cmocka_unit_test(a_guest_that_rewrites_a_small_set_is_stopped_near_its_plateau),
		cmocka_unit_test(the_hard_pause_is_used_only_by_those_who_may),
		cmocka_unit_test(nothing_irreversible_follows_a_single_pass),
		cmocka_unit_test(what_it_would_need_is_told_by_the_end_of_the_second_pass),
		cmocka_unit_test(a_deadline_ends_what_does_not_converge),
		cmocka_unit_test(what_only_a_limit_that_cannot_be_set_would_end_is_hopeless),
		cmocka_unit_test(a_throttled_restart_is_asked_for_once_where_it_is_allowed),
		cmocka_unit_test(post_copy_is_started_where_pre_copy_would_take_longer),
		cmocka_unit_test(post_copy_has_to_be_worth_it),
		cmocka_unit_test(a_deadline_is_for_post_copy_only_where_that_meets_it),
		cmocka_unit_test(a_bad_second_of_the_network_decides_nothing),
		cmocka_unit_test(a_short_dip_starts_no_post_copy),
		cmocka_unit_test(half_the_link_for_some_seconds_decides_nothing),
		cmocka_unit_test(half_the_link_for_good_is_what_there_is),
		cmocka_unit_test(what_was_not_armed_is_not_started),
		cmocka_unit_test(post_copy_that_was_refused_for_a_moment_is_asked_for_again),
		cmocka_unit_test(it_is_throttled_to_what_fits_the_soft_limit),
		cmocka_unit_test(a_throttled_restart_that_was_refused_is_asked_for_again),
		cmocka_unit_test(a_switch_over_that_qemu_refuses_opens_what_is_harder),
		cmocka_unit_test(gentle_gives_up_only_what_does_not_fit),
		cmocka_unit_test(
			a_switch_over_that_is_refused_for_good_is_told_and_gently_given_up),
		cmocka_unit_test(an_end_is_asked_for_once),
		cmocka_unit_test(a_switch_over_that_was_asked_for_gets_its_time),
		cmocka_unit_test(once_qemu_has_stopped_the_guest_nothing_is_done),
		cmocka_unit_test(what_it_needs_is_told_again_for_new_limits),
		cmocka_unit_test(what_it_needs_of_the_link_is_told_as_the_link_carries_it),
		cmocka_unit_test(an_attempt_tells_what_is_in_force),
		cmocka_unit_test(what_it_needs_is_never_told_to_be_what_is_allowed),
		cmocka_unit_test(what_it_needs_is_what_would_end_it),
		cmocka_unit_test(a_pause_that_fails_is_not_tried_again_and_the_limits_hold),
		cmocka_unit_test(a_deadline_that_is_near_makes_it_hurry),
		cmocka_unit_test(patience_has_an_end),
		cmocka_unit_test(the_forecast_of_the_first_pass_knows_that_more_may_follow),
		cmocka_unit_test(pauses_that_were_measured_are_foreseen),
		cmocka_unit_test(in_post_copy_the_end_is_in_sight),
		cmocka_unit_test(a_guest_that_turns_quiet_is_stopped_gently),
		cmocka_unit_test(a_guest_that_turns_busy_still_ends),
		cmocka_unit_test(a_limit_whose_switch_over_does_not_come_is_taken_back),
		cmocka_unit_test(a_limit_that_could_not_be_set_is_set_again),
		cmocka_unit_test(an_end_that_is_refused_is_not_asked_for_all_the_time),
		cmocka_unit_test(a_deadline_says_what_was_missing),
		cmocka_unit_test(what_stock_expects_is_what_the_domains_own_limit_lets_happen),
		cmocka_unit_test(stock_has_the_limit_of_its_own),
		cmocka_unit_test(a_dead_link_is_no_end_in_ages),
		cmocka_unit_test(a_guest_that_is_paused_is_expected_on_the_destination),
		cmocka_unit_test(a_pause_by_an_operator_is_a_fact),
		cmocka_unit_test(the_deadline_ends_a_paused_migration_too),
		cmocka_unit_test(a_paused_migration_that_is_nearly_over_is_not_ended),
		cmocka_unit_test(what_could_not_be_done_is_not_taken_for_done),
		cmocka_unit_test(a_policy_that_turns_gentle_holds_at_once),
		cmocka_unit_test(new_limits_count_at_once),
		cmocka_unit_test(predictions_hold),
		cmocka_unit_test(post_copy_starts_once_when_the_first_pass_is_over),
		cmocka_unit_test(post_copy_that_would_lose_the_guest_is_never_started),
		cmocka_unit_test(the_timeout_acts_once),
		cmocka_unit_test(the_timeout_counts_from_the_first_attempt),
		cmocka_unit_test(the_next_attempt_does_not_say_again_what_it_would_need),
		cmocka_unit_test(nothing_is_done_once_post_copy_has_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
