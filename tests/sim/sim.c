/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pre-copy of synthetic guests, with the watch in the loop and with a fixed limit of 300 ms, by
 * QEMU's rule: every 100 ms the bandwidth of that window times the limit is what may remain; below
 * that the dirty pages are counted exactly and the guest is stopped. Prints a table with -v; the
 * assertions are lines "ok - " and "not ok - ". A window more than 1.1 times stock's time is taken
 * for equal: a guest whose copy ends in a third of a second is stopped at the end of one or of the
 * next.
 *
 * The guest: `hot` bytes of memory are written at random at `ratio` times the bandwidth, so that a
 * page that is written twice is sent once. With hot == memory it writes everywhere.
 */
#include "om_watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 10
#define WINDOW_MS 100
#define SAMPLE_MS 250
#define STOCK_LIMIT_MS 300
#define FIXED_PAUSE_MS 8 /* device state and the like */
#define AROUND_MS 1300	 /* measured: destination's start, source's end, whatever is copied */
#define ENDLESS_MS 3000000
#define MIB ((double)(1 << 20))

struct guest {
	double memory, hot, bandwidth, ratio; /* bytes, bytes, bytes/s, of bandwidth */
};

struct result {
	double total_ms, pause_ms;
	unsigned int passes;
};

struct copy {
	const struct guest *g;
	double now_ms, sent, remaining, dirty; /* of this pass; dirty since its beginning */
	double pass_begun_ms, window_begun_ms, dirty_rate;
	uint32_t pass, limit_ms;
};

/* Dirty pages of the hot set after one more step of random writes. */
static void dirty_step(struct copy *c, double ms)
{
	double written = c->g->ratio * c->g->bandwidth * ms / 1000;

	if (c->g->hot > 0 && written > 0)
		c->dirty = c->g->hot - (c->g->hot - c->dirty) * exp(-written / c->g->hot);
}

static void next_pass(struct copy *c)
{
	double ms = c->now_ms - c->pass_begun_ms;

	c->dirty_rate = ms > 0 ? c->dirty * 1000 / ms : 0;
	c->remaining = c->dirty;
	c->dirty = 0;
	c->pass++;
	c->pass_begun_ms = c->now_ms;
}

static void obey(struct copy *c, const struct om_action *action)
{
	if (action->kind == OM_ACTION_DOWNTIME)
		c->limit_ms = action->downtime_ms;
}

static void sample(struct copy *c, struct om_watch *watch)
{
	struct om_sample s = {
		.now_ms = (uint64_t)c->now_ms + 1,
		.elapsed_ms = (uint64_t)c->now_ms,
		.processed_bytes = (uint64_t)c->sent,
		.remaining_bytes = (uint64_t)c->remaining,
		.total_bytes = (uint64_t)c->g->memory,
		.rate_bytes_ps = (uint64_t)c->g->bandwidth,
		.dirty_bytes_ps = (uint64_t)c->dirty_rate,
		.iteration = c->pass,
	};
	struct om_action action = om_watch_step(watch, &s);

	obey(c, &action);
}

/* QEMU's question at the end of a window: does what remains fit? */
static bool fits(struct copy *c)
{
	double threshold = c->g->bandwidth * c->limit_ms / 1000;

	if (c->remaining > threshold)
		return false;
	/* The estimate says yes: the exact count is a new pass, and the second half of the question. */
	c->remaining += c->dirty;
	c->dirty = 0;
	c->dirty_rate = c->now_ms > c->pass_begun_ms
				? c->remaining * 1000 / (c->now_ms - c->pass_begun_ms)
				: 0;
	c->pass++;
	c->pass_begun_ms = c->now_ms;
	return c->remaining <= threshold;
}

static struct result migrate(const struct guest *g, struct om_watch *watch)
{
	struct copy c = { .g = g, .remaining = g->memory, .pass = 1, .limit_ms = STOCK_LIMIT_MS };
	double next_sample_ms = 0;
	uint32_t told = 0;

	for (;;) {
		if (watch && c.pass != told) { /* the event */
			told = c.pass;
			next_sample_ms = c.now_ms;
		}
		if (watch && c.now_ms >= next_sample_ms) {
			sample(&c, watch);
			next_sample_ms = c.now_ms + SAMPLE_MS;
		}
		double chunk = fmin(g->bandwidth * STEP_MS / 1000, c.remaining);
		double ms = fmax(chunk * 1000 / g->bandwidth, 0.1);

		c.now_ms += ms;
		c.sent += chunk;
		c.remaining -= chunk;
		dirty_step(&c, ms);
		if (c.now_ms - c.window_begun_ms >= WINDOW_MS) {
			c.window_begun_ms = c.now_ms;
			if (fits(&c))
				break;
		} else if (c.remaining < 1) {
			/* Nothing is left to send: QEMU asks at once. */
			if (fits(&c))
				break;
		}
		if (c.remaining < 1)
			next_pass(&c);
		if (c.now_ms > ENDLESS_MS)
			return (struct result){ .total_ms = INFINITY,
						.pause_ms = INFINITY,
						.passes = c.pass };
	}
	double pause_ms = FIXED_PAUSE_MS + c.remaining * 1000 / g->bandwidth;

	return (struct result){ .total_ms = AROUND_MS + c.now_ms + pause_ms,
				.pause_ms = pause_ms,
				.passes = c.pass };
}

static struct result with_watch(const struct guest *g)
{
	struct om_plan plan = { .downtime_start_ms = OM_DOWNTIME_START_MS,
				.limits = { .downtime_max_ms = STOCK_LIMIT_MS } };
	struct om_watch watch;

	om_watch_init(&watch, &plan);
	return migrate(g, &watch);
}

static bool verbose;
static unsigned int failed;

static void verdict(bool ok, const char *what)
{
	printf("%s - %s\n", ok ? "ok" : "not ok", what);
	failed += !ok;
}

static const double sizes_mib[] = { 256, 512, 1024, 4096, 16384, 65536 };
static const double links_mibps[] = { 110, 1100, 2800 };
static const double hot_parts[] = { 0.02, 0.1, 0.25, 0.5, 1 };

struct worst {
	double total_ratio, pause_ratio, pause_ms;
	double over_ms; /* beyond 1.1 times stock's time */
};

/* All guests of one dirty ratio. */
static struct worst all_guests(double ratio)
{
	struct worst worst = { 0 };

	for (size_t s = 0; s < OM_ARRAY_LEN(sizes_mib); s++)
		for (size_t l = 0; l < OM_ARRAY_LEN(links_mibps); l++)
			for (size_t h = 0; h < OM_ARRAY_LEN(hot_parts); h++) {
				struct guest g = { .memory = sizes_mib[s] * MIB,
						   .hot = sizes_mib[s] * hot_parts[h] * MIB,
						   .bandwidth = links_mibps[l] * MIB,
						   .ratio = ratio };
				struct result stock = migrate(&g, NULL), ours = with_watch(&g);

				worst.total_ratio = fmax(worst.total_ratio,
							 ours.total_ms / stock.total_ms);
				if (!isinf(stock.total_ms))
					worst.over_ms = fmax(worst.over_ms,
							     ours.total_ms - 1.1 * stock.total_ms);
				worst.pause_ratio = fmax(worst.pause_ratio,
							 ours.pause_ms / stock.pause_ms);
				if (!isinf(stock.pause_ms)) /* endless either way */
					worst.pause_ms = fmax(worst.pause_ms, ours.pause_ms);
				if (verbose)
					printf("%6.0f MiB, hot %3.0f %%, %4.0f MiB/s, dirty %.2f: stock %8.0f "
					       "ms, pause %3.0f, %2u passes; ours %8.0f ms, pause %3.0f, %2u "
					       "passes; %.3f\n",
					       sizes_mib[s], hot_parts[h] * 100, links_mibps[l],
					       ratio, stock.total_ms, stock.pause_ms, stock.passes,
					       ours.total_ms, ours.pause_ms, ours.passes,
					       ours.total_ms / stock.total_ms);
			}
	return worst;
}

int main(int argc, char **argv)
{
	static const double bound[] = { 0.1, 0.3, 0.6 };
	char line[160];

	verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	struct worst idle = all_guests(0);

	if (verbose)
		printf("idle: total at most %.3f of stock's, pause at most %.0f ms\n",
		       idle.total_ratio, idle.pause_ms);
	verdict(idle.total_ratio <= 1.02, "an idle guest takes no longer than with 300 ms");
	verdict(idle.pause_ratio <= 1 && idle.pause_ms <= OM_DOWNTIME_START_MS + FIXED_PAUSE_MS + 1,
		"an idle guest is paused no longer than with 300 ms, and for 30 ms at most");
	for (size_t i = 0; i < OM_ARRAY_LEN(bound); i++) {
		struct worst w = all_guests(bound[i]);

		if (verbose)
			printf("dirty %.1f: total at most %.3f of stock's, pause at most %.0f ms\n",
			       bound[i], w.total_ratio, w.pause_ms);
		snprintf(line, sizeof(line),
			 "a guest that dirties at %.1f of the link ends within 1.1 times "
			 "stock's time",
			 bound[i]);
		verdict(w.over_ms <= WINDOW_MS, line);
		snprintf(line, sizeof(line),
			 "a guest that dirties at %.1f of the link is paused no longer "
			 "than the domain's limit",
			 bound[i]);
		verdict(w.pause_ms <= STOCK_LIMIT_MS + FIXED_PAUSE_MS + 1, line);
	}
	struct worst hard = all_guests(0.95);

	if (verbose)
		printf("dirty 0.95: total at most %.3f of stock's\n", hard.total_ratio);
	verdict(hard.over_ms <= WINDOW_MS,
		"a guest at 0.95 of the link ends wherever stock's does, within 1.1 times its time");
	return failed != 0;
}
