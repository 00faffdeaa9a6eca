/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_model.h"

#include <math.h>

#define MIB 1048576.0
#define LINK (100 * MIB) /* bytes/s */

/* Feeds passes of a guest that writes `hot` bytes at random at `rate` bytes/s. */
struct feed {
	struct om_model model;
	double now_ms, sent, remaining, hot, rate;
	uint32_t pass;
};

static void sample(struct feed *f)
{
	struct om_sample s = { .now_ms = (uint64_t)f->now_ms,
			       .processed_bytes = (uint64_t)f->sent,
			       .remaining_bytes = (uint64_t)f->remaining,
			       .total_bytes = (uint64_t)(1000 * MIB),
			       .rate_bytes_ps = (uint64_t)LINK,
			       .iteration = f->pass };

	om_model_take(&f->model, &s);
}

static struct feed begin(double hot_mib, double rate_mibps)
{
	struct feed f = { .now_ms = 1000,
			  .remaining = 1000 * MIB,
			  .hot = hot_mib * MIB,
			  .rate = rate_mibps * MIB,
			  .pass = 1 };

	sample(&f);
	return f;
}

/* A pass down to `left` bytes, with a sample every 250 ms. */
static void pass(struct feed *f, double left)
{
	double begun_ms = f->now_ms, clean;

	while (f->remaining > left) {
		double bytes = fmin(LINK / 4, f->remaining - left);

		f->now_ms += bytes / LINK * 1000;
		f->sent += bytes;
		f->remaining -= bytes;
		if (f->remaining > left)
			sample(f);
	}
	clean = fmax(0, f->hot - left);
	f->remaining = left + clean * (1 - exp(-f->rate / f->hot * (f->now_ms - begun_ms) / 1000));
	f->pass++;
	sample(f);
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
	assert_true(p.pause_ms <= 300);
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
}

static void odd_samples_do_no_harm(void **unused)
{
	struct feed f = begin(100, 50);
	struct om_sample s = { .now_ms = 2000, .iteration = 1 };

	(void)unused;
	pass(&f, 0);
	assert_false(om_model_take(&f.model, &s)); /* an older pass */
	s.iteration = 0;
	assert_false(om_model_take(&f.model, &s));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bandwidth_and_curve_are_found_in_three_passes),
		cmocka_unit_test(after_one_pass_the_slowest_guest_is_taken),
		cmocka_unit_test(a_projection_ends_where_the_guest_does),
		cmocka_unit_test(a_projection_without_end_says_so),
		cmocka_unit_test(health_follows_the_wire),
		cmocka_unit_test(untouched_memory_takes_no_time),
		cmocka_unit_test(zeros_that_go_by_say_nothing_of_the_link),
		cmocka_unit_test(odd_samples_do_no_harm),
		cmocka_unit_test(passes_are_kept_newest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
