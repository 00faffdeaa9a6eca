/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic guests. Rates of idle, web and database guests are absolute, as users' are, so that the
 * same guest is light on one link and hopeless on another; batch, phases and saturating ones are
 * made relative to their link, as the lab's are.
 */
#include "sim.h"

#include <string.h>

#define SEEDS 8 /* a number; another class leaves the guests of the others as they are */

static const char *const names[] = { "idle",	   "web",  "database", "batch",	 "phases",
				     "saturating", "huge", "dips",     "shallow" };

const char *sim_class_name(enum sim_class class)
{
	return names[class];
}

struct draw {
	uint64_t seed, next;
};

static double between(struct draw *d, double low, double high)
{
	return sim_between(d->seed, d->next++, low, high);
}

static double log_between(struct draw *d, double low, double high)
{
	return sim_log_between(d->seed, d->next++, low, high);
}

static void add_set(struct sim_guest *g, double bytes, double rate, enum sim_pattern pattern)
{
	struct sim_set *set = &g->sets[g->set_count++];
	double room = g->memory - g->zero;

	for (size_t i = 0; i + 1 < g->set_count; i++)
		room -= g->sets[i].bytes;
	*set = (struct sim_set){ .bytes = fmin(bytes, 0.95 * room),
				 .rate = rate,
				 .pattern = pattern };
}

static double link_of(struct draw *d, double lowest)
{
	static const double gbit[] = { 1, 10, 10, 25, 100 };
	double rate;

	do
		rate = gbit[(size_t)between(d, 0, 4.999)];
	while (rate < lowest);
	return rate * GBIT_PS;
}

static void memory_of(struct sim_guest *g, struct draw *d, double low_gib, double high_gib,
		      double used_low, double used_high)
{
	double used = between(d, used_low, used_high);

	g->memory = floor(log_between(d, low_gib, high_gib) * 4) / 4 * GIB;
	g->zero = g->memory * (1 - used);
}

static void make_idle(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 0.5, 32, 0.1, 0.7);
	add_set(g, log_between(d, 4, 60) * MIB, log_between(d, 0.05, 4) * MIB / 1000, SIM_UNIFORM);
}

static void make_web(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 2, 32, 0.4, 0.9);
	add_set(g, log_between(d, 50, 600) * MIB, log_between(d, 0.02, 0.9) * GB_PS, SIM_UNIFORM);
	add_set(g, log_between(d, 0.3, 2) * GIB, log_between(d, 2, 50) * MIB / 1000, SIM_UNIFORM);
}

static void make_database(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 8, g->link.rate > 5 * GBIT_PS ? 256 : 64, 0.7, 0.98);
	add_set(g, log_between(d, 0.2, 6) * GIB, log_between(d, 0.05, 3) * GB_PS, SIM_UNIFORM);
	add_set(g, g->memory * between(d, 0.05, 0.3), log_between(d, 5, 200) * MIB / 1000,
		SIM_UNIFORM);
	if (between(d, 0, 1) < 0.3) /* a log that is written round and round */
		add_set(g, log_between(d, 0.05, 1) * GIB, log_between(d, 10, 200) * MIB / 1000,
			SIM_SWEEP);
}

static void make_batch(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 1, 64, 0.8, 1);
	add_set(g, (g->memory - g->zero) * between(d, 0.03, 0.9),
		g->link.rate * log_between(d, 0.2, 4), SIM_SWEEP);
}

static void phase(struct sim_guest *g, double until, double factor)
{
	g->phases.until[g->phases.count] = until;
	g->phases.factor[g->phases.count++] = factor;
}

/* A rate of 1 is the busy one. */
static void make_phases(struct sim_guest *g, struct draw *d)
{
	double quiet, bulk, first, length;

	g->link.rate = link_of(d, 1);
	memory_of(g, d, 4, 64, 0.5, 1);
	add_set(g, log_between(d, 0.2, 4) * GIB, g->link.rate * between(d, 1.2, 4), SIM_UNIFORM);
	quiet = between(d, 0.02, 0.2);
	bulk = (g->memory - g->zero) / g->link.rate;
	first = bulk * between(d, 0.3, 1.3);
	length = log_between(d, 3000, 60000);
	switch ((int)between(d, 0, 2.999)) {
	case 0: /* quiet to busy and back */
		phase(g, first, quiet);
		phase(g, first + length, 1);
		phase(g, INFINITY, quiet);
		break;
	case 1: /* busy to quiet */
		phase(g, first + length, 1);
		phase(g, INFINITY, quiet);
		break;
	default: /* now and then */
		phase(g, length * between(d, 0.2, 1), 1);
		phase(g, length * 2, quiet);
		g->phases.period = length * 2;
	}
}

static void make_saturating(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 1, 64, 0.8, 1);
	add_set(g, (g->memory - g->zero) * between(d, 0.3, 0.95), g->link.rate * between(d, 2, 6),
		between(d, 0, 1) < 0.5 ? SIM_UNIFORM : SIM_SWEEP);
}

static void make_huge(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 10);
	memory_of(g, d, 512, 1024, 0.8, 1);
	add_set(g, log_between(d, 1, 40) * GIB, log_between(d, 0.1, 6) * GB_PS, SIM_UNIFORM);
	add_set(g, log_between(d, 20, 100) * GIB, log_between(d, 0.02, 0.5) * GB_PS, SIM_UNIFORM);
}

/* Light enough to end within soft limits; what makes it hard is the link. */
static void make_dips(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 1, 32, 0.4, 0.95);
	add_set(g, log_between(d, 50, 1000) * MIB, g->link.rate * between(d, 0.02, 0.6),
		between(d, 0, 1) < 0.7 ? SIM_UNIFORM : SIM_SWEEP);
	g->link.dip_every_ms = log_between(d, 5000, 40000);
	g->link.dip_share = 0.7;
}

/* Somebody else takes a good part of the link for a while, and it is enough without. */
static void make_shallow(struct sim_guest *g, struct draw *d)
{
	g->link.rate = link_of(d, 1);
	memory_of(g, d, 1, 32, 0.4, 0.95);
	add_set(g, log_between(d, 200, 2000) * MIB, g->link.rate * between(d, 0.3, 0.8),
		SIM_UNIFORM);
	g->link.shallow = true;
	g->link.dip_every_ms = log_between(d, 15000, 60000);
	g->link.dip_share = 0.7;
}

static void (*const makers[])(struct sim_guest *,
			      struct draw *) = { make_idle,  make_web,	  make_database,
						 make_batch, make_phases, make_saturating,
						 make_huge,  make_dips,	  make_shallow };

struct sim_guest sim_guest_make(enum sim_class class, uint64_t number)
{
	struct draw d = { .seed = number * SEEDS + class + 1 };
	struct sim_guest g = { .class = class, .seed = d.seed, .link.seed = d.seed ^ 0x5eed };

	makers[class](&g, &d);
	g.link.jitter = between(&d, 0, 0.1);
	if (!g.link.dip_share && between(&d, 0, 1) < 0.2) { /* real links are not clean either */
		g.link.dip_every_ms = 120000;
		g.link.dip_share = 0.3;
	}
	g.cpu_share = between(&d, 0.4, 1);
	g.sync_ms = g.memory / (1024 * GIB) * log_between(&d, 100, 1000);
	g.overhead_ms = log_between(&d, 15, 60) + g.memory / (1024 * GIB) * between(&d, 0, 200);
	g.around_ms = between(&d, 900, 1700);
	g.phi = between(&d, 0.1, 0.3);
	return g;
}

static double phase_factor(const struct sim_phases *p, double at, double *until)
{
	double base = p->period > 0 ? floor(at / p->period) * p->period : 0;

	for (size_t i = 0; i < p->count; i++)
		if (at - base < p->until[i]) {
			*until = base + p->until[i];
			return p->factor[i];
		}
	*until = p->period > 0 ? base + p->period : INFINITY;
	return p->factor[p->count - 1];
}

double sim_guest_activity(const struct sim_guest *g, double from, double to)
{
	double sum = 0;

	if (!g->phases.count)
		return to - from;
	while (from < to) {
		double until, factor = phase_factor(&g->phases, from, &until);

		until = fmin(fmax(until, from + 0.001), to);
		sum += factor * (until - from);
		from = until;
	}
	return sum;
}

double sim_guest_bulk_ms(const struct sim_guest *g)
{
	return (g->memory - g->zero) / g->link.rate + g->zero / ZERO_PAGES_PS + g->around_ms;
}
