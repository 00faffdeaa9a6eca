/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_model.h"

#include <math.h>

#define MIB 1048576.0
#define LINK (100 * MIB) /* bytes/s */

/* Feeds passes of a guest that writes `hot` bytes at random at `rate` bytes/s. */
struct feed {
	struct om_model model;
	double now_ms, sent, remaining, hot, rate, total;
	double packing; /* bytes of memory for one on the wire; 0 = 1 */
	uint32_t pass;
};

static void sample(struct feed *f)
{
	struct om_sample s = { .now_ms = (uint64_t)f->now_ms,
			       .processed_bytes = (uint64_t)f->sent,
			       .remaining_bytes = (uint64_t)f->remaining,
			       .total_bytes = (uint64_t)f->total,
			       .rate_bytes_ps = (uint64_t)LINK,
			       .iteration = f->pass };

	om_model_take(&f->model, &s);
}

static struct feed begin(double hot_mib, double rate_mibps)
{
	struct feed f = { .now_ms = 1000,
			  .remaining = 1000 * MIB,
			  .total = 1000 * MIB,
			  .hot = hot_mib * MIB,
			  .rate = rate_mibps * MIB,
			  .pass = 1 };

	sample(&f);
	return f;
}

/* A pass down to `left` bytes on such a link, with a sample every 250 ms. */
static void pass_on(struct feed *f, double left, double link)
{
	double begun_ms = f->now_ms, clean;

	while (f->remaining > left) {
		double bytes = fmin(link / 4, f->remaining - left);

		f->now_ms += bytes / link * 1000;
		f->sent += bytes / (f->packing > 0 ? f->packing : 1);
		f->remaining -= bytes;
		if (f->remaining > left)
			sample(f);
	}
	clean = fmax(0, f->hot - left);
	f->remaining = left + clean * (1 - exp(-f->rate / f->hot * (f->now_ms - begun_ms) / 1000));
	f->pass++;
	sample(f);
}

static void pass(struct feed *f, double left)
{
	pass_on(f, left, LINK);
}

static void near(double value, double expected, double part, const char *what)
{
	if (fabs(value - expected) > part * expected)
		fail_msg("%s: %g, not %g", what, value, expected);
}

static void bandwidth_and_curve_are_found_in_three_passes(void **unused)
{
	static const double hots[] = { 50, 200, 500 }, rates[] = { 20, 60, 150 };

	(void)unused;
	for (size_t h = 0; h < 3; h++)
		for (size_t r = 0; r < 3; r++) {
			struct feed f = begin(hots[h], rates[r]);
			double plateau;

			pass(&f, 0);
			pass(&f, 0);
			pass(&f, f.remaining / 2);
			near(om_model_bandwidth(&f.model), LINK, 0.02, "bandwidth");
			near(f.model.hot, f.hot, 0.15, "hot set");
			near(f.model.hot * f.model.turnover, f.rate, 0.25, "dirty rate");
			plateau = f.rate > LINK ? f.hot * (1 - LINK / f.rate) : 0;
			if (plateau > 0)
				near(om_model_plateau(&f.model, LINK), plateau, 0.35, "plateau");
			else
				assert_true(om_model_plateau(&f.model, LINK) < 0.1 * f.hot);
		}
}

static void add_sample(struct om_model *m, uint64_t now_ms, uint64_t sent, uint64_t remaining)
{
	struct om_sample s = { .now_ms = now_ms,
			       .processed_bytes = sent,
			       .remaining_bytes = remaining,
			       .total_bytes = 1000000000,
			       .iteration = 1 };

	om_model_take(m, &s);
}

/* Neither what fills the sockets at first nor zeros that go by; what comes after the last sample is the
 * end of it. */
static void what_the_wire_carried_is_kept(void **unused)
{
	struct om_model m = { 0 };

	(void)unused;
	add_sample(&m, 1000, 0, 1000000000);
	add_sample(&m, 1250, 40000000, 960000000);
	add_sample(&m, 1500, 65000000, 935000000);
	add_sample(&m, 2500, 66000000, 135000000);
	add_sample(&m, 2750, 91000000, 110000000);
	assert_int_equal(m.wire_ms, 500);
	assert_int_equal(m.wire_bytes, 50000000);
}

static void after_one_pass_the_slowest_guest_is_taken(void **unused)
{
	struct feed f = begin(200, 30);

	(void)unused;
	pass(&f, 0);
	assert_true(f.model.hot * f.model.turnover <= f.rate * 1.05);
	assert_true(om_model_plateau(&f.model, LINK) == 0);
}

static void a_projection_ends_where_the_guest_does(void **unused)
{
	struct feed f = begin(300, 60);
	struct om_projection p;
	double from_ms;

	(void)unused;
	pass(&f, 0);
	pass(&f, 0);
	pass(&f, 0);
	assert_true(om_model_project(&f.model, 300, &p));
	from_ms = f.now_ms;
	for (int i = 0; i < 20 && f.remaining > 0.3 * LINK; i++)
		pass(&f, 0.3 * LINK);
	near(p.ms, f.now_ms - from_ms, 0.3, "time until the switch-over");
	assert_in_range(p.pause_ms, 50, 300);
}

static void a_projection_without_end_says_so(void **unused)
{
	struct feed f = begin(300, 400);
	struct om_projection p;

	(void)unused;
	assert_false(om_model_project(&f.model, 300, &p)); /* no bandwidth is known yet */
	pass(&f, 0);
	pass(&f, 0);
	pass(&f, f.remaining * 0.8);
	assert_false(om_model_project(&f.model, 300, &p));
	assert_true(p.passes < 100); /* seen at once */
	/* 300 MiB at 400 MiB/s: 2.25 s remain at 100 MiB/s, so 2 s need a little more than that */
	near(om_model_bandwidth_for(&f.model, 2000), 109 * MIB, 0.1, "bandwidth for 2 s");
}

static void health_follows_the_wire(void **unused)
{
	struct feed f = begin(300, 50);

	(void)unused;
	assert_false(om_model_healthy(&f.model));
	pass(&f, 200 * MIB);
	assert_true(om_model_healthy(&f.model));
	for (int i = 0; i < 6; i++) { /* 1.5 s at a twentieth */
		f.now_ms += 250;
		f.sent += LINK / 80;
		f.remaining -= LINK / 80;
		sample(&f);
	}
	assert_false(om_model_healthy(&f.model));
	for (int i = 0; i < 180; i++) { /* 45 s: that is what the link is now */
		f.now_ms += 250;
		f.sent += LINK / 80;
		f.remaining = fmax(0, f.remaining - LINK / 80);
		sample(&f);
	}
	assert_true(om_model_healthy(&f.model));
}

static void untouched_memory_takes_no_time(void **unused)
{
	struct feed f = begin(1, 1);

	(void)unused;
	f.model.populated = 400 * MIB;
	f.sent = 100 * MIB;
	f.remaining = 900 * MIB;
	f.now_ms += 1000;
	sample(&f);
	near(om_model_unsent(&f.model), 300 * MIB, 0.01, "unsent");
	f.remaining = 300 * MIB; /* all of the untouched has gone by */
	sample(&f);
	near(om_model_unsent(&f.model), 300 * MIB, 0.01, "unsent");
	f.model.populated = 2000 * MIB; /* more than there is: not to be believed */
	near(om_model_unsent(&f.model), 300 * MIB, 0.01, "unsent");
}

static void interval(struct feed *f, double sent, double passed)
{
	f->now_ms += 250;
	f->sent += sent;
	f->remaining -= passed;
	sample(f);
}

static void zeros_that_go_by_say_nothing_of_the_link(void **unused)
{
	struct feed f = begin(50, 20);

	(void)unused;
	for (int i = 0; i < 40; i++)
		interval(&f, 0.001 * MIB, 5 * MIB);
	assert_true(om_model_bandwidth(&f.model) == 0); /* not known */
	for (int i = 0; i < 8; i++)
		interval(&f, LINK / 4, LINK / 4);
	near(om_model_bandwidth(&f.model), LINK, 0.01, "bandwidth");
	for (int i = 0; i < 100; i++)
		interval(&f, 0.001 * MIB, 5 * MIB);
	near(om_model_bandwidth(&f.model), LINK, 0.01, "bandwidth");
	assert_true(om_model_healthy(&f.model));
	for (int i = 0; i < 20; i++) /* but a link that is dead is a dead link */
		interval(&f, 0, 0);
	assert_false(om_model_healthy(&f.model));
	/* Where memory is among them, they only make it faster. */
	f = begin(50, 20);
	for (int i = 0; i < 6; i++)
		interval(&f, LINK / 4, LINK / 4 * 6);
	near(om_model_bandwidth(&f.model), LINK, 0.01, "bandwidth");
}

static void what_is_no_rate_is_not_taken_for_one(void **unused)
{
	struct feed f = begin(100, 50);

	(void)unused;
	pass(&f, 500 * MIB);
	near(om_model_bandwidth(&f.model), LINK, 0.02, "bandwidth");
	f.now_ms += 10; /* two samples that are too near to each other */
	f.sent += LINK;
	sample(&f);
	near(om_model_bandwidth(&f.model), LINK, 0.02, "bandwidth");
	f.sent = 0; /* counters that fall */
	f.now_ms += 250;
	sample(&f);
	near(om_model_bandwidth(&f.model), LINK, 0.02, "bandwidth");
	f.pass++; /* less remains, but because it was counted anew */
	interval(&f, LINK / 4, 400 * MIB);
	near(om_model_bandwidth(&f.model), LINK, 0.02, "bandwidth");
}

static void memory_that_is_compressed_goes_faster_than_the_wire(void **unused)
{
	struct feed f = begin(100, 50);

	(void)unused;
	pass(&f, 900 * MIB);
	for (int i = 0; i < 8; i++)
		interval(&f, LINK / 4, LINK / 4 * 3);
	near(om_model_bandwidth(&f.model), 3 * LINK, 0.15, "bandwidth");
	/* All the more where the wire has little to do. */
	f.remaining = 900 * MIB;
	f.pass++;
	sample(&f);
	for (int i = 0; i < 8; i++)
		interval(&f, LINK / 40, LINK);
	near(om_model_bandwidth(&f.model), 4 * LINK, 0.15, "bandwidth");
}

static void a_slower_link_is_seen_beside_a_few_zeros(void **unused)
{
	struct feed f = begin(100, 50);

	(void)unused;
	for (int i = 0; i < 8; i++)
		interval(&f, LINK / 4, LINK / 4);
	for (int i = 0; i < 20; i++)
		interval(&f, LINK / 10, LINK / 7);
	near(om_model_bandwidth(&f.model), LINK * 0.4, 0.05, "bandwidth");
}

static void one_good_or_bad_moment_is_not_enough_for_health(void **unused)
{
	struct feed f = begin(300, 50);

	(void)unused;
	for (int i = 0; i < 20; i++)
		interval(&f, LINK / 4, LINK / 4);
	assert_true(om_model_healthy(&f.model));
	interval(&f, 0, 0); /* just now nothing goes */
	assert_false(om_model_healthy(&f.model));
	for (int i = 0; i < 8; i++)
		interval(&f, LINK / 80, LINK / 80);
	interval(&f, LINK / 4, LINK / 4); /* and again, but only just now */
	assert_false(om_model_healthy(&f.model));
	for (int i = 0; i < 12; i++)
		interval(&f, LINK / 4, LINK / 4);
	assert_true(om_model_healthy(&f.model));
}

static void a_hot_set_is_no_larger_than_the_guest(void **unused)
{
	struct feed f = begin(4000, 40);

	(void)unused;
	pass(&f, 0);
	assert_true(f.model.hot == 1000 * MIB); /* after one pass: all of it, slowly */
	pass(&f, 0);
	pass(&f, 0);
	assert_true(f.model.hot <= 1000 * MIB);
}

static void a_guest_that_is_always_dirty_is_taken_for_the_slowest_of_those(void **unused)
{
	struct feed f = begin(50, 20000);

	(void)unused;
	for (int i = 0; i < 4; i++)
		pass(&f, 0);
	/* Passes of half a second, in each of which it wrote all of its set: 2 times, for all one knows. */
	near(f.model.hot, 50 * MIB, 0.2, "hot set");
	assert_true(f.model.hot * f.model.turnover < 250 * MIB);
}

static void a_change_is_believed_before_what_was(void **unused)
{
	struct feed f = begin(400, 300);

	(void)unused;
	for (int i = 0; i < 3; i++)
		pass(&f, 0);
	f.rate = 20 * MIB;
	pass(&f, 0);
	pass(&f, 0);
	if (f.model.hot * f.model.turnover > 100 * MIB)
		fail_msg("%.0f MiB/s", f.model.hot * f.model.turnover / MIB);
}

static void counting_takes_time_in_which_the_guest_goes_on(void **unused)
{
	struct feed f = begin(300, 60);
	struct om_projection p;

	(void)unused;
	f.total = (1 << 20) * MIB; /* of which little was ever written */
	for (int i = 0; i < 6; i++) {
		double begun_ms = f.now_ms;

		while (f.remaining > 0)
			interval(&f, fmin(LINK / 4, f.remaining), fmin(LINK / 4, f.remaining));
		f.now_ms += 600;
		f.remaining = f.hot * (1 - exp(-f.rate / f.hot * (f.now_ms - begun_ms) / 1000));
		f.pass++;
		sample(&f);
	}
	near(f.model.count_ms, 600, 0.2, "time of a count");
	/* Nothing is unsent, no time is over, and yet so much is dirty when it has been counted. */
	near(om_model_after(&f.model, 0, 0), om_model_plateau(&f.model, 1e12), 0.01,
	     "after a count");
	assert_true(om_model_after(&f.model, 0, 0) > 10 * MIB);
	assert_true(om_model_project(&f.model, 1500, &p));
	assert_true(p.ms > p.passes * f.model.count_ms);
}

static void a_dip_is_not_taken_for_the_time_of_a_count(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	pass(&f, 0);
	assert_true(om_model_steady(&f.model));
	pass(&f, 0);
	assert_true(om_model_steady(&f.model));
	pass_on(&f, 0, LINK / 3);
	assert_false(om_model_steady(&f.model));
	assert_true(f.model.count_ms < 600); /* of the 2 s that the dip has cost */
	pass(&f, 0);
	assert_true(om_model_steady(&f.model));
	assert_true(f.model.count_ms < 50);
}

/* The second pass is the first that tells the time of a count, and there is nothing yet to set it against. */
static void a_link_that_is_dead_in_the_second_pass_is_a_dip_too(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	pass(&f, 0);
	pass(&f, 100 * MIB);
	assert_true(om_model_steady(&f.model));
	f = begin(300, 30);
	pass(&f, 0);
	f.now_ms += 1500; /* nothing is sent, and then as fast as ever */
	pass(&f, 0);
	assert_false(om_model_steady(&f.model));
	assert_true(f.model.count_ms < 150);
}

/* Long before the end of the pass, and far too short to make it unsteady. */
static void a_short_dip_amid_the_second_pass_is_no_count(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	pass(&f, 0);
	for (int i = 0; i < 2; i++)
		interval(&f, LINK / 4, LINK / 4);
	interval(&f, LINK / 40, LINK / 40);
	pass(&f, 0);
	assert_int_equal(f.model.pass_count, 2);
	assert_true(f.model.count_ms < 20);
}

static double without_dip(const struct feed *f)
{
	struct om_model good = om_model_without_dip(&f->model);

	return om_model_bandwidth(&good);
}

static void go_on(struct feed *f, double link, int intervals)
{
	for (int i = 0; i < intervals; i++)
		interval(f, link / 4, link / 4);
}

static void a_link_that_is_good_again_is_as_usual_at_once(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	f.remaining = f.total = 1e6 * MIB; /* all of it in one pass */
	go_on(&f, LINK, 40);
	go_on(&f, LINK / 5, 60);
	assert_true(without_dip(&f) < 0.4 * LINK);
	go_on(&f, LINK, 1);
	near(without_dip(&f), 0.53 * LINK, 0.03, "after a quarter of a second");
}

/* Neither a link that had more for a moment nor a limit that is kept to in bursts is better than it is. */
static void what_was_fast_for_a_moment_is_not_the_link(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	f.remaining = f.total = 1e6 * MIB;
	go_on(&f, LINK / 2, 200);
	go_on(&f, LINK, 12);
	go_on(&f, LINK / 2, 20);
	assert_true(without_dip(&f) < 0.65 * LINK);
	go_on(&f, LINK, 200);
	for (int i = 0; i < 20; i++)
		go_on(&f, LINK * (i % 2 ? 1.2 : 0.8), 1);
	go_on(&f, 1.67 * LINK, 1);
	assert_true(without_dip(&f) < 1.2 * LINK);
}

static void a_pass_that_lost_a_fifth_of_its_time_is_not_steady(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	pass(&f, 0);
	go_on(&f, LINK, 4);
	interval(&f, 0, 0);
	interval(&f, 0, 0);
	pass(&f, 0);
	assert_false(om_model_steady(&f.model));
}

/* From the end of the first pass to that of the second: neither ended as fast as the link is. */
static void a_dip_over_the_whole_second_pass_is_one(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	go_on(&f, LINK, 32);
	pass_on(&f, 0, LINK / 2);
	pass_on(&f, 0, LINK / 2);
	assert_int_equal(f.model.pass_count, 2);
	assert_false(om_model_steady(&f.model));
}

static void a_first_pass_is_not_steady_in_a_dip(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	go_on(&f, LINK, 4);
	go_on(&f, LINK / 10, 100);
	pass(&f, 0);
	assert_false(om_model_steady(&f.model));
	f = begin(300, 30); /* nor must a slow link be one, or zeros */
	pass_on(&f, 0, LINK / 10);
	assert_true(om_model_steady(&f.model));
	f = begin(300, 30);
	for (int i = 0; i < 10; i++)
		interval(&f, LINK / 4 * 0.7, LINK / 4 * 1.5);
	pass(&f, 0);
	assert_true(om_model_steady(&f.model));
}

/* What lasts is no dip: the link is slower now. */
static void a_link_that_stays_slow_is_steady_again(void **unused)
{
	struct feed f = begin(300, 30);

	(void)unused;
	pass(&f, 0);
	pass(&f, 0);
	for (int i = 0; i < 12; i++)
		pass_on(&f, 0, LINK / 3);
	assert_true(om_model_steady(&f.model));
}

/* Another migration has a part of the link, or a part of the memory packs well: it ends fast each time. */
static void what_comes_again_in_each_pass_is_no_dip(void **unused)
{
	struct feed f = begin(1000, 1000);

	(void)unused;
	for (int i = 0; i < 5; i++) {
		go_on(&f, LINK / 2, 40);
		pass(&f, 0);
	}
	assert_true(om_model_steady(&f.model));
	go_on(&f, LINK / 4, 80);
	pass(&f, 0);
	assert_false(om_model_steady(&f.model));
}

static void what_is_unsent_stays_unsent(void **unused)
{
	struct feed f = begin(500, 50);

	(void)unused;
	pass(&f, 0);
	pass(&f, 0);
	/* 900 MiB less 500 in 5 s; of the others a part is dirty again */
	assert_true(om_model_after(&f.model, 900 * MIB, 5000) > 400 * MIB);
	f.model.populated = 100 * MIB; /* counts in the first pass only */
	assert_true(om_model_unsent(&f.model) == f.model.last.remaining_bytes);
	/* What was unsent is between nothing and what remains. */
	f.now_ms += 250;
	f.remaining = 1 * MIB;
	f.pass++;
	sample(&f);
	assert_true(om_model_pass(&f.model, 0)->left >= 0);
	assert_true(om_model_pass(&f.model, 0)->left <= 1 * MIB);
}

static void a_projection_knows_how_far_the_pass_is(void **unused)
{
	struct feed f = begin(300, 60);
	struct om_projection p, from_begin;
	double begun_ms;

	(void)unused;
	pass(&f, 0);
	pass(&f, 0);
	assert_true(om_model_project(&f.model, 200, &from_begin));
	begun_ms = f.now_ms;
	for (int i = 0; i < 3; i++)
		interval(&f, LINK / 4, LINK / 4);
	assert_true(om_model_project(&f.model, 200, &p));
	/* The same end, seen from later. */
	assert_int_equal(p.passes, from_begin.passes);
	near(p.ms + f.now_ms - begun_ms, from_begin.ms, 0.02, "the end");
	near(p.pause_ms, from_begin.pause_ms, 0.05, "the pause");
	assert_true(p.pause_ms > 20);
}

static void odd_samples_do_no_harm(void **unused)
{
	struct feed f = begin(100, 50);
	struct om_sample s = { .now_ms = 2000, .iteration = 1 };
	struct om_model none = { .pass_count = 0 };

	(void)unused;
	pass(&f, 0);
	assert_false(om_model_take(&f.model, &s)); /* an older pass */
	assert_int_equal(f.model.last.iteration, 2);
	s.iteration = 0;
	assert_false(om_model_take(&f.model, &s));
	assert_int_equal(f.model.last.iteration, 2);
	assert_false(om_model_take(&none, &s)); /* before there is a pass */
	assert_int_equal(none.pass_begun_ms, 0);
	f.sent = 0; /* counters that fall */
	f.now_ms += 250;
	sample(&f);
	assert_true(isfinite(om_model_bandwidth(&f.model)) && om_model_bandwidth(&f.model) > 0);
	f.remaining = 0;
	f.pass++;
	sample(&f); /* a pass of no length */
	f.pass++;
	sample(&f);
	assert_true(isfinite(f.model.hot) && isfinite(f.model.turnover));
	assert_true(isfinite(om_model_after(&f.model, 1e9, 1e3)));
}

static void passes_are_kept_newest_first(void **unused)
{
	struct feed f = begin(100, 50);

	(void)unused;
	assert_null(om_model_pass(&f.model, 0));
	for (int i = 0; i < 40; i++)
		pass(&f, 0);
	assert_int_equal(f.model.pass_count, 40);
	assert_int_equal(om_model_pass(&f.model, 0)->ended_ms, (uint64_t)f.now_ms);
	assert_non_null(om_model_pass(&f.model, OM_MODEL_PASSES - 1));
	assert_null(om_model_pass(&f.model, OM_MODEL_PASSES));
}

/* The wire carries a fifth from the second pass on, of memory that goes as fast as before. */
static void a_wire_that_carries_less_of_what_drains_as_before_is_healthy(void **unused)
{
	struct feed f = begin(300, 400);

	(void)unused;
	f.model.compressed = true;
	pass(&f, 100 * MIB);
	f.packing = 5;
	pass(&f, 100 * MIB);
	assert_true(om_model_healthy(&f.model));
	/* And where each interval has a count in it, so that none tells what drains. */
	for (int i = 0; i < 60; i++) {
		pass(&f, f.remaining - 5 * MIB);
		assert_true(om_model_healthy(&f.model));
	}
	assert_true(f.model.wire_fast < 0.3 * LINK);
	/* It is not where both fall, */
	pass_on(&f, f.remaining - 40 * MIB, LINK / 4);
	assert_false(om_model_healthy(&f.model));
	/* nor where the wire of what is not compressed does. */
	f = begin(300, 400);
	pass(&f, 100 * MIB);
	pass(&f, 100 * MIB);
	pass_on(&f, f.remaining - 40 * MIB, LINK / 4);
	assert_false(om_model_healthy(&f.model));
}

/* Whatever becomes of the link: what is not compressed is judged by the wire alone. */
static void without_compression_the_pace_is_that_of_the_wire(void **unused)
{
	static const double links[] = { LINK, LINK / 3, LINK, LINK / 10, LINK / 2, LINK };
	struct feed f = begin(300, 400);

	(void)unused;
	for (int i = 0; i < 60; i++) {
		double left = i % 7 ? f.remaining - 6 * MIB : f.remaining / 2;

		pass_on(&f, fmax(0, left), links[i / 7 % 6]);
		near(f.model.pace_fast, f.model.wire_fast, 1e-6, "the fast pace");
		near(f.model.pace_slow, f.model.wire_slow, 1e-6, "the slow pace");
	}
}

/* In the third pass, after what makes the model know its link. */
static struct feed in_third_pass(bool compressed)
{
	struct feed f = begin(300, 400);

	f.model.compressed = compressed;
	f.total = 40000 * MIB;
	pass(&f, 100 * MIB);
	pass(&f, 100 * MIB);
	f.remaining = 30000 * MIB; /* the guest has zeroed much since the last count */
	f.pass++;
	sample(&f);
	for (int i = 0; i < 8; i++)
		interval(&f, LINK / 4, LINK / 4);
	return f;
}

static void zeros_of_a_later_pass_say_nothing_against_the_link(void **unused)
{
	(void)unused;
	for (int compressed = 0; compressed < 2; compressed++) {
		struct feed f = in_third_pass(compressed);

		assert_true(om_model_healthy(&f.model));
		/* 4 GiB within half a second */
		for (int i = 0; i < 2; i++) {
			interval(&f, LINK / 80, 20 * LINK);
			assert_true(om_model_packing(&f.model) == 1 || compressed);
		}
		for (int i = 0; i < 40; i++) {
			interval(&f, LINK / 4, LINK / 4);
			assert_true(om_model_healthy(&f.model));
		}
		near(om_model_packing(&f.model), 1, compressed ? 0.1 : 0, "packing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wire_that_carries_less_of_what_drains_as_before_is_healthy),
		cmocka_unit_test(without_compression_the_pace_is_that_of_the_wire),
		cmocka_unit_test(zeros_of_a_later_pass_say_nothing_against_the_link),
		cmocka_unit_test(bandwidth_and_curve_are_found_in_three_passes),
		cmocka_unit_test(what_the_wire_carried_is_kept),
		cmocka_unit_test(after_one_pass_the_slowest_guest_is_taken),
		cmocka_unit_test(a_projection_ends_where_the_guest_does),
		cmocka_unit_test(a_projection_without_end_says_so),
		cmocka_unit_test(health_follows_the_wire),
		cmocka_unit_test(untouched_memory_takes_no_time),
		cmocka_unit_test(zeros_that_go_by_say_nothing_of_the_link),
		cmocka_unit_test(what_is_no_rate_is_not_taken_for_one),
		cmocka_unit_test(memory_that_is_compressed_goes_faster_than_the_wire),
		cmocka_unit_test(a_slower_link_is_seen_beside_a_few_zeros),
		cmocka_unit_test(one_good_or_bad_moment_is_not_enough_for_health),
		cmocka_unit_test(a_hot_set_is_no_larger_than_the_guest),
		cmocka_unit_test(a_guest_that_is_always_dirty_is_taken_for_the_slowest_of_those),
		cmocka_unit_test(a_change_is_believed_before_what_was),
		cmocka_unit_test(counting_takes_time_in_which_the_guest_goes_on),
		cmocka_unit_test(a_dip_is_not_taken_for_the_time_of_a_count),
		cmocka_unit_test(a_link_that_is_dead_in_the_second_pass_is_a_dip_too),
		cmocka_unit_test(a_short_dip_amid_the_second_pass_is_no_count),
		cmocka_unit_test(a_link_that_is_good_again_is_as_usual_at_once),
		cmocka_unit_test(what_was_fast_for_a_moment_is_not_the_link),
		cmocka_unit_test(a_pass_that_lost_a_fifth_of_its_time_is_not_steady),
		cmocka_unit_test(a_dip_over_the_whole_second_pass_is_one),
		cmocka_unit_test(a_first_pass_is_not_steady_in_a_dip),
		cmocka_unit_test(a_link_that_stays_slow_is_steady_again),
		cmocka_unit_test(what_comes_again_in_each_pass_is_no_dip),
		cmocka_unit_test(what_is_unsent_stays_unsent),
		cmocka_unit_test(a_projection_knows_how_far_the_pass_is),
		cmocka_unit_test(odd_samples_do_no_harm),
		cmocka_unit_test(passes_are_kept_newest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
