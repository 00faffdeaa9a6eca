/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link: a rate, noise in each 100 ms, and dips. All of it follows from the time and the seed, so
 * every policy meets the same link, and the model may leap over a quiet hour.
 */
#include "sim.h"

#define SLOT_MS 100.0

/* splitmix64 over the pair */
double sim_chance(uint64_t seed, uint64_t number)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + number * 0xd1342543de82ef95ULL + 1;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return (double)(x >> 11) / 9007199254740992.0;
}

double sim_between(uint64_t seed, uint64_t number, double low, double high)
{
	return low + (high - low) * sim_chance(seed, number);
}

double sim_log_between(uint64_t seed, uint64_t number, double low, double high)
{
	return low * pow(high / low, sim_chance(seed, number));
}

struct dip {
	double from, to, share;
};

/* The dip of a slot of time: 0.1 to 10 s, down to 0 to 30 % of the rate, or, as by another migration on
 * the same link, 3 to 20 s, down to 20 to 70 %; none: from == to. */
static struct dip dip_of(const struct sim_link *link, uint64_t slot)
{
	uint64_t seed = link->seed ^ 0xd1b5;
	double begin = (double)slot * link->dip_every_ms;
	struct dip d = { begin, begin, 1 };
	double low = link->shallow ? 3000 : 100, high = link->shallow ? 20000 : 10000, ms;

	if (sim_chance(seed, slot * 4) >= link->dip_share)
		return d;
	ms = fmin(sim_log_between(seed, slot * 4 + 1, low, high), link->dip_every_ms * 0.9);
	d.from = begin + sim_chance(seed, slot * 4 + 2) * (link->dip_every_ms - ms);
	d.to = d.from + ms;
	d.share = link->shallow ? sim_between(seed, slot * 4 + 3, 0.2, 0.7)
				: sim_between(seed, slot * 4 + 3, -0.1, 0.3);
	d.share = d.share < 0 ? 0 : d.share; /* a quarter of them stop everything */
	return d;
}

double sim_link_rate(const struct sim_link *link, double now)
{
	struct dip d;

	if (link->dip_every_ms <= 0)
		return link->rate;
	d = dip_of(link, (uint64_t)(now / link->dip_every_ms));
	return now >= d.from && now < d.to ? link->rate * d.share : link->rate;
}

double sim_link_jitter(const struct sim_link *link, double now)
{
	return 1 + link->jitter * sim_between(link->seed, (uint64_t)(now / SLOT_MS), -1, 1);
}

static double next_change(const struct sim_link *link, double now)
{
	uint64_t slot;
	struct dip d;

	if (link->dip_every_ms <= 0)
		return INFINITY;
	slot = (uint64_t)(now / link->dip_every_ms);
	d = dip_of(link, slot);
	if (now < d.from)
		return d.from;
	if (now < d.to)
		return d.to;
	return (double)(slot + 1) * link->dip_every_ms;
}

/* Later than `now`, whatever rounding does at the end of a slot. */
double sim_link_change(const struct sim_link *link, double now)
{
	return fmax(next_change(link, now), now + 1e-3);
}

double sim_link_ms(const struct sim_link *link, double now, double bytes, bool *clean)
{
	double begun = now;

	*clean = true;
	for (;;) {
		double rate = sim_link_rate(link, now), change = sim_link_change(link, now);
		double ms = rate > 0 ? bytes / rate : INFINITY;

		if (rate < link->rate)
			*clean = false;
		if (now + ms <= change)
			return now + ms - begun;
		bytes -= rate * (change - now);
		now = change;
	}
}
