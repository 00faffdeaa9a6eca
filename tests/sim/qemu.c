/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's migration thread (migration/migration.c, migration/ram.c of QEMU 10.0): every 100 ms the
 * bandwidth of that window times the downtime limit is the threshold; every 50 ms what remains is
 * held against it; below it the dirty bitmap is synchronized, which begins a pass, and if the sum
 * still fits the guest is stopped. Far from the threshold the model leaps.
 */
#include "region.h"

#include <string.h>

#define WINDOW_MS 100.0
#define LOOK_MS 50.0	      /* MAX_WAIT of ram_save_iterate() */
#define LEAP_MARGIN 1.4	      /* of the threshold, where steps become small */
#define PERIOD_MS 1000.0      /* least time between two counts of the dirty rate */
#define FORCED_SYNC_MS 5000.0 /* with auto-converge, since QEMU 9.2 */
#define THROTTLE_TRIGGER 0.5
#define THROTTLE_INITIAL 0.2
#define THROTTLE_INCREMENT 0.1
#define THROTTLE_MAX 0.99
#define POSTCOPY_MS 200.0 /* more than an ordinary switch-over: discards, packaged device state */

void sim_copy_begin(struct sim_copy *c, const struct sim_guest *g, double now, uint32_t limit_ms)
{
	memset(c, 0, sizeof(*c));
	c->guest = g;
	c->now = c->begun = c->window_begun = c->period_begun = c->synced = now;
	c->cold = g->memory;
	c->pass = 1;
	c->limit_ms = limit_ms;
	c->throttle_first = THROTTLE_INITIAL;
	c->throttle_step = THROTTLE_INCREMENT;
}

double sim_copy_remaining(const struct sim_copy *c)
{
	double sum = c->cold;

	for (size_t i = 0; i < c->guest->set_count; i++)
		sum += c->regions[i].unsent;
	return sum;
}

/* The guest runs, or not, from now to now + ms. */
static void guest_runs(struct sim_copy *c, double ms)
{
	const struct sim_guest *g = c->guest;
	double speed = fmin(1, (1 - c->throttle) / g->cpu_share);

	if (!c->paused) {
		double active = sim_guest_activity(g, c->now, c->now + ms) * speed;

		for (size_t i = 0; i < g->set_count; i++)
			c->regions[i].written += g->sets[i].rate * active;
		c->lost_ms += c->throttle * ms;
	}
	c->now += ms;
}

static void send_bytes(struct sim_copy *c, double bytes)
{
	const struct sim_guest *g = c->guest;
	double mixed = c->cold, part;

	for (size_t i = 0; i < g->set_count; i++)
		if (g->sets[i].pattern == SIM_UNIFORM)
			mixed += c->regions[i].unsent;
	part = mixed > 0 ? fmin(1, bytes / mixed) : 0;
	for (size_t i = 0; i < g->set_count; i++)
		if (g->sets[i].pattern == SIM_UNIFORM)
			sim_region_send(&c->regions[i], &g->sets[i], c->regions[i].unsent * part);
	c->cold -= c->cold * part;
	if (c->cold < 1)
		c->cold = 0;
	bytes -= mixed * part;
	for (size_t i = 0; i < g->set_count && bytes > 0; i++)
		if (g->sets[i].pattern == SIM_SWEEP)
			bytes -= sim_region_send(&c->regions[i], &g->sets[i], bytes);
}

/* Part of the memory that costs the link something: zero pages do not. */
static double wire_share(const struct sim_copy *c)
{
	return c->pass == 1 ? 1 - c->guest->zero / c->guest->memory : 1;
}

/* How fast the remaining memory falls at this rate of the link. */
static double drain_rate(const struct sim_copy *c, double rate)
{
	double share = wire_share(c);

	if (rate <= 0)
		return 0;
	return 1 / (share / rate + (1 - share) / ZERO_PAGES_PS);
}

static void close_window(struct sim_copy *c, double jitter)
{
	double ms = c->now - c->window_begun;

	if (ms < WINDOW_MS - 1e-6)
		return;
	c->bandwidth = c->window_bytes / ms * jitter;
	c->threshold = c->bandwidth * c->limit_ms;
	c->window_begun = c->now;
	c->window_bytes = 0;
}

static void transfer(struct sim_copy *c, double ms, double rate)
{
	double bytes = fmin(drain_rate(c, rate) * ms, sim_copy_remaining(c));
	double wire = bytes * wire_share(c);

	send_bytes(c, bytes);
	guest_runs(c, ms);
	c->window_bytes += wire;
	c->sent += wire;
	c->steps++;
}

/* migration_trigger_throttle() and migration_update_rates() */
static void count_period(struct sim_copy *c)
{
	double ms = c->now - c->period_begun, sent = c->sent - c->period_sent;

	if (ms <= PERIOD_MS)
		return;
	if (c->period_dirty > sent * THROTTLE_TRIGGER && ++c->dirty_high >= 2) {
		c->dirty_high = 0;
		if (c->auto_converge)
			c->throttle = c->throttle > 0
					      ? fmin(c->throttle + c->throttle_step, THROTTLE_MAX)
					      : c->throttle_first;
	}
	c->dirty_rate = c->period_dirty / ms;
	c->period_begun = c->now;
	c->period_dirty = 0;
	c->period_sent = c->sent;
}

/* Nothing is sent meanwhile, and the guest goes on. */
static void synchronize(struct sim_copy *c)
{
	guest_runs(c, c->guest->sync_ms);
	for (size_t i = 0; i < c->guest->set_count; i++)
		c->period_dirty += sim_region_sync(&c->regions[i], &c->guest->sets[i]);
	count_period(c);
	c->synced = c->now;
	c->pass++;
}

/* The first window has no threshold yet; with nothing left QEMU asks at once. True: a new pass. */
static bool look(struct sim_copy *c)
{
	double remaining = sim_copy_remaining(c);

	if (remaining >= 1 && remaining >= c->threshold)
		return false;
	if (c->threshold <= 0 && c->bandwidth <= 0 && remaining >= 1)
		return false;
	synchronize(c);
	remaining = sim_copy_remaining(c);
	if (remaining < 1 || remaining < c->threshold)
		c->state = SIM_SWITCHING;
	return true;
}

static bool forced_sync(struct sim_copy *c)
{
	if (!c->auto_converge || c->pass < 2 || c->now - c->synced < FORCED_SYNC_MS)
		return false;
	synchronize(c);
	return true;
}

/* Until steps must become small; 0 = they must. */
static double leap_ms(const struct sim_copy *c, double rate)
{
	double drain = drain_rate(c, rate), reach, ms;

	reach = fmax(c->threshold, c->guest->link.rate * c->limit_ms * LEAP_MARGIN);
	if (drain <= 0) /* a dip to nothing: only the window's bandwidth matters */
		return c->bandwidth > 0 ? 0 : INFINITY;
	ms = (sim_copy_remaining(c) - reach) / drain;
	return ms > 2 * WINDOW_MS ? ms - WINDOW_MS : 0;
}

bool sim_copy_run(struct sim_copy *c, double until)
{
	const struct sim_link *link = &c->guest->link;

	while (c->state == SIM_RUNNING && c->now < until - SIM_INSTANT_MS) {
		double rate = sim_link_rate(link, c->now), jitter = sim_link_jitter(link, c->now);
		double end = fmin(until, sim_link_change(link, c->now));
		double leap = leap_ms(c, rate);

		if (c->auto_converge)
			end = fmin(end, fmax(c->now + LOOK_MS, c->synced + FORCED_SYNC_MS));
		if (leap > 0) {
			transfer(c, fmin(leap, end - c->now), rate);
			close_window(c, jitter);
		} else {
			double drain = drain_rate(c, rate * jitter);
			double slot = (floor(c->now / WINDOW_MS) + 1) * WINDOW_MS;

			end = fmin(end, fmin(c->now + LOOK_MS, fmax(slot, c->now + 1e-3)));
			end = fmin(end, fmax(c->window_begun + WINDOW_MS, c->now + 1e-3));
			if (drain > 0)
				end = fmin(end, fmax(c->now + sim_copy_remaining(c) / drain,
						     c->now + 0.1));
			transfer(c, end - c->now, rate * jitter);
			close_window(c, 1);
		}
		if (look(c) || forced_sync(c))
			return true;
	}
	return c->state != SIM_RUNNING;
}

void sim_copy_limit(struct sim_copy *c, uint32_t limit_ms)
{
	c->limit_ms = limit_ms;
}

void sim_copy_pause(struct sim_copy *c)
{
	if (!c->paused)
		c->paused_at = c->now;
	c->paused = true;
}

struct sim_end sim_copy_switch(struct sim_copy *c)
{
	const struct sim_guest *g = c->guest;
	struct sim_end end = { 0 };
	double ms = sim_link_ms(&g->link, c->now, sim_copy_remaining(c), &end.clean);
	double fixed = g->overhead_ms + g->sync_ms;

	end.pause_ms = fixed + ms + (c->paused ? c->now - c->paused_at : 0);
	end.limit_pause_ms = end.pause_ms - fixed;
	end.ms = c->now + ms + fixed;
	return end;
}

struct sim_end sim_copy_postcopy(struct sim_copy *c)
{
	const struct sim_guest *g = c->guest;
	struct sim_end end = { .pause_ms = g->overhead_ms + g->sync_ms + POSTCOPY_MS };
	double bytes, ms;

	for (size_t i = 0; i < g->set_count; i++)
		sim_region_sync(&c->regions[i], &g->sets[i]);
	bytes = sim_copy_remaining(c) * wire_share(c);
	c->state = SIM_POSTCOPY;
	c->now += end.pause_ms;
	ms = sim_link_ms(&g->link, c->now, bytes, &end.clean);
	/* Page faults cost a share of the time; what a dip adds is lost whole. */
	c->lost_ms += g->phi * bytes / g->link.rate + (ms - bytes / g->link.rate);
	c->now += ms;
	end.ms = c->now;
	end.limit_pause_ms = 0;
	return end;
}

void sim_copy_sample(const struct sim_copy *c, struct om_sample *s)
{
	double throttle = c->throttle * 100;

	memset(s, 0, sizeof(*s));
	s->now_ms = (uint64_t)c->now + 1000000;
	s->elapsed_ms = (uint64_t)(c->now - c->begun);
	s->processed_bytes = (uint64_t)c->sent;
	s->remaining_bytes = (uint64_t)sim_copy_remaining(c);
	s->total_bytes = (uint64_t)c->guest->memory;
	s->rate_bytes_ps = (uint64_t)(c->bandwidth * 1000);
	s->dirty_bytes_ps = (uint64_t)(c->dirty_rate * 1000);
	s->iteration = c->pass;
	s->throttle_percent = (uint32_t)(throttle + 0.5);
	s->postcopy = c->state == SIM_POSTCOPY;
	s->paused = c->paused;
}
