/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which guests fit what was counted. Two counts do not tell everything: a set that is rewritten
 * within the first second may be written once in it or a hundred times, and one that still grows in
 * the third may have any size.
 */
#include "predict_internal.h"

#include "om_util.h"

#include <math.h>

#define MIB 1048576.0
#define GRID 160 /* steps of size and of rate, each */
/* Sizes and rates between these are taken to be equally likely, by their logarithm. */
#define HOT_LEAST MIB
#define RATE_LEAST (0.25 * MIB / 1000)
#define RATE_MOST (512 * MIB / 1000)
#define RATE_MOST_COUNTED 8.0 /* or this multiple of what was counted */
#define EXACT_PART 0.04	      /* no guest writes the same in every second */
#define ROUNDING (0.7 * MIB)

static double log_between(double low, double high, double part)
{
	return low * pow(high / low, part);
}

static double deviation(const struct om_predict_facts *f, double count, uint32_t times)
{
	double total = fmax(1, (double)f->total_bytes);
	double sampled = (double)f->dirty_grain_bytes * count * fmax(0.05, 1 - count / total);

	return sqrt(sampled / fmax(1, times) + pow(EXACT_PART * count, 2) + ROUNDING * ROUNDING);
}

static double dirtied(double hot, double rate, bool sweeps, double ms)
{
	return sweeps ? fmin(hot, rate * ms) : hot * (1 - exp(-rate * ms / hot));
}

/* How well such a guest fits a count, by the logarithm. */
static double fit_one(const struct om_predict_facts *f, uint64_t measured, uint32_t times,
		      double expected)
{
	double sigma = deviation(f, fmax(expected, (double)f->dirty_grain_bytes / fmax(1, times)),
				 times);
	double z = ((double)measured - expected) / sigma;

	return -0.5 * z * z - log(sigma);
}

static double fit(const struct om_predict_facts *f, double hot, double rate, bool sweeps)
{
	double sum = fit_one(f, f->dirty_1s_bytes, f->dirty_1s_times,
			     dirtied(hot, rate, sweeps, 1000));

	if (f->dirty_3s_bytes)
		sum += fit_one(f, f->dirty_3s_bytes, f->dirty_3s_times,
			       dirtied(hot, rate, sweeps, 3000));
	return sum;
}

struct grid {
	double hot_least, hot_most, rate_least, rate_most;
};
struct grid_point {
	double hot, rate;
	bool sweeps;
};

/* The guest has written at least what was counted, as exactly as that is known. */
static struct grid grid_for(const struct om_predict_facts *f, double written)
{
	double counted = (double)f->dirty_1s_bytes, later = (double)f->dirty_3s_bytes;
	double sure = counted / 2 - 2 * (double)f->dirty_grain_bytes;
	struct grid g = { .hot_least = fmax(HOT_LEAST, sure),
			  .rate_least = fmax(RATE_LEAST, sure / 1000),
			  .rate_most = fmax(RATE_MOST, RATE_MOST_COUNTED * counted / 1000) };

	g.hot_most = fmax(2 * g.hot_least, fmax(written, fmax(counted, later)));
	return g;
}

static struct grid_point grid_at(const struct grid *g, uint32_t number)
{
	struct grid_point p = { .sweeps = number & 1 };
	double size = (number / 2 / GRID + 0.5) / GRID, speed = (number / 2 % GRID + 0.5) / GRID;

	p.hot = log_between(g->hot_least, g->hot_most, size);
	p.rate = log_between(g->rate_least, g->rate_most, speed);
	return p;
}

void om_predict_fit(struct om_predict_fit *fitting, const struct om_predict_facts *f,
		    double written)
{
	const uint32_t points = GRID * GRID * 2;
	OM_AUTOFREE double *weights = om_xcalloc(points, sizeof(*weights));
	double best = -INFINITY, sum = 0, passed = 0;
	struct grid g = grid_for(f, written);
	uint32_t n = 0;

	for (uint32_t i = 0; i < points; i++) {
		struct grid_point p = grid_at(&g, i);

		weights[i] = fit(f, p.hot, p.rate, p.sweeps);
		best = fmax(best, weights[i]);
	}
	for (uint32_t i = 0; i < points; i++)
		sum += weights[i] = exp(weights[i] - best);
	for (uint32_t i = 0; i < points && n < OM_PREDICT_CASES; i++) {
		struct grid_point p = grid_at(&g, i);

		passed += weights[i];
		for (; n < OM_PREDICT_CASES && passed >= (n + 0.5) / OM_PREDICT_CASES * sum; n++) {
			fitting->hot[n] = p.hot;
			fitting->rate[n] = p.rate;
			fitting->sweeps[n] = p.sweeps;
		}
	}
}
