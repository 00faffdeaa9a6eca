/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle and light guests must lose nothing by the watch: it is set against libvirt's fixed limit of
 * 300 ms, with the same limit as its most. A window more than 1.1 times stock's time is taken for
 * equal: a guest whose copy ends in a third of a second is stopped at the end of one or of the next.
 */
#include "peers.h"

#include <string.h>

#define WINDOW_MS 100
#define OVERHEAD_MS 8
#define STOCK_LIMIT_MS 300

static const double sizes_mib[] = { 256, 512, 1024, 4096, 16384, 65536 };
static const double links_mibps[] = { 110, 1100, 2800 };
static const double hot_parts[] = { 0.02, 0.1, 0.25, 0.5, 1 };

struct worst {
	double total_ratio, pause_ratio, pause_ms;
	double over_ms; /* beyond 1.1 times stock's time */
	bool acted;	/* something that stock would not have done */
	double shipped_pause_ms;
	bool shipped_acted; /* more than the soft limit, or what cannot be taken back */
};

/* What is shipped: more is allowed than the soft limit, and must not be used. */
static void run_shipped(const struct sim_guest *g, struct worst *worst)
{
	static const struct om_limits limits = { .policy = OM_POLICY_AUTO,
						 .downtime_max_ms = SIM_SOFT_MS,
						 .pause_max_ms = SIM_HARD_MS };
	struct sim_policy policy = sim_ours[0];
	struct sim_result ours;

	policy.param = &limits;
	ours = sim_run(g, &policy);
	worst->shipped_acted |= ours.postcopy || ours.suspended || ours.restarted ||
				ours.above_soft || ours.outcome == SIM_ABORTED;
	worst->shipped_pause_ms = fmax(worst->shipped_pause_ms, ours.pause_ms);
}

static void compare(const struct sim_guest *g, struct worst *worst)
{
	static const struct om_limits limits = { .downtime_max_ms = STOCK_LIMIT_MS };
	struct sim_policy policy = sim_ours[0];
	struct sim_result stock = sim_run(g, &sim_stock), ours;

	run_shipped(g, worst);
	policy.param = &limits;
	ours = sim_run(g, &policy);
	worst->acted |= ours.postcopy || ours.suspended || ours.restarted || ours.above_soft;
	if (stock.outcome != SIM_ENDED) /* endless either way */
		return;
	worst->acted |= ours.outcome == SIM_ABORTED;
	worst->total_ratio = fmax(worst->total_ratio, ours.total_ms / stock.total_ms);
	worst->over_ms = fmax(worst->over_ms, ours.total_ms - 1.1 * stock.total_ms);
	worst->pause_ratio = fmax(worst->pause_ratio, ours.pause_ms / stock.pause_ms);
	worst->pause_ms = fmax(worst->pause_ms, ours.pause_ms);
}

/* All guests that write at this share of the link. */
static struct worst all_guests(double ratio)
{
	struct worst worst = { 0 };

	for (size_t s = 0; s < OM_ARRAY_LEN(sizes_mib); s++)
		for (size_t l = 0; l < OM_ARRAY_LEN(links_mibps); l++)
			for (size_t h = 0; h < OM_ARRAY_LEN(hot_parts); h++) {
				double rate = links_mibps[l] * MIB / 1000;
				struct sim_guest g = {
					.memory = sizes_mib[s] * MIB,
					.sets = { { .bytes = sizes_mib[s] * hot_parts[h] * MIB,
						    .rate = rate * ratio } },
					.set_count = 1,
					.cpu_share = 1,
					.overhead_ms = OVERHEAD_MS,
					.around_ms = 1300,
					.link.rate = rate,
				};

				compare(&g, &worst);
			}
	return worst;
}

static void judge_shipped(const struct worst *w, const char *guest)
{
	sim_verdict(!w->shipped_acted && w->shipped_pause_ms <= SIM_SOFT_MS + OVERHEAD_MS + 1,
		    "%s, with the limits as shipped: nothing irreversible, and no pause above the "
		    "soft limit (%.0f ms)",
		    guest, w->shipped_pause_ms);
}

void sim_light(void)
{
	static const double bound[] = { 0.1, 0.3, 0.6 };
	struct worst w = all_guests(0);

	sim_verdict(w.total_ratio <= 1.02, "an idle guest takes no longer than with 300 ms");
	sim_verdict(w.pause_ratio <= 1 && w.pause_ms <= OM_DOWNTIME_START_MS + OVERHEAD_MS + 1,
		    "an idle guest is paused no longer than with 300 ms, and for 30 ms at most");
	judge_shipped(&w, "an idle guest");
	for (size_t i = 0; i < OM_ARRAY_LEN(bound); i++) {
		w = all_guests(bound[i]);
		judge_shipped(&w, "a light guest");
		sim_verdict(w.over_ms <= WINDOW_MS,
			    "a guest that dirties at %.1f of the link ends within 1.1 times "
			    "stock's time and %d ms (%.3f)",
			    bound[i], WINDOW_MS, w.total_ratio);
		sim_verdict(w.pause_ms <= STOCK_LIMIT_MS + OVERHEAD_MS + 1,
			    "a guest that dirties at %.1f of the link is paused no longer than "
			    "the domain's limit (%.0f ms)",
			    bound[i], w.pause_ms);
		sim_verdict(!w.acted,
			    "a guest that dirties at %.1f of the link meets nothing that stock "
			    "would not do",
			    bound[i]);
	}
	w = all_guests(0.95);
	sim_verdict(w.over_ms <= WINDOW_MS,
		    "a guest at 0.95 of the link ends wherever stock's does, within 1.1 times its "
		    "time and %d ms (%.3f)",
		    WINDOW_MS, w.total_ratio);
}
