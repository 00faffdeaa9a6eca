/* SPDX-License-Identifier: Apache-2.0 */
/* What the watch expects of the migration, from what was measured until now. */
#include "watch_internal.h"

#include <math.h>
#include <string.h>

#define FORESEEABLE_MS 1e10 /* what takes longer has no end in sight */

/* What no rate of a link that is dead makes a number without meaning. */
static uint64_t whole(double value)
{
	return value > 0 ? (uint64_t)fmin(value, 1e18) : 0;
}

/*
 * What remains at the count fits the limit, at the bandwidth of a moment; the link is a little slower in
 * the stop, and what is queued before it and the state of the devices come on top. Measured in the lab
 * in 56 runs: PAUSE_PER_LIMIT times the limit and PAUSE_MORE_MS at the most but for two, and with a low
 * limit PAUSE_WIDTH_MS less at the least.
 */
#define PAUSE_PER_LIMIT 1.2
#define PAUSE_MORE_MS 60.0
#define PAUSE_WIDTH_MS 50
#define QUEUED_MS 20 /* with two connections, against one; at 1 Gbit/s */

static void foresee_pause(struct om_watch *w, double limit_ms)
{
	struct om_forecast *f = &w->forecast;
	double high = limit_ms * PAUSE_PER_LIMIT + PAUSE_MORE_MS + (w->queues ? QUEUED_MS : 0);

	f->known = true;
	f->downtime_high_ms = (uint32_t)high;
	f->downtime_low_ms = high < 2 * PAUSE_WIDTH_MS ? f->downtime_high_ms - PAUSE_WIDTH_MS
						       : (uint32_t)(high / 2 + 1);
}

static void foresee_between(struct om_forecast *f, double low_ms, double high_ms)
{
	f->eta_low_ms = whole(low_ms);
	f->eta_high_ms = whole(high_ms) + 1;
}

static void foresee_end(struct om_forecast *f, double ms, double unsure_ms)
{
	if (ms <= FORESEEABLE_MS)
		foresee_between(f, ms * 0.9, ms * 1.15 + unsure_ms);
}

static void foresee_precopy(struct om_watch *w)
{
	const struct om_model *m = &w->model;
	uint32_t first_ms = w->limits.policy == OM_POLICY_STOCK ? w->own_ms : w->start_ms;
	double limit_ms = w->limit_ms ? w->limit_ms : first_ms;
	double low_ms, high_ms, latest_ms;
	bool waits = om_watch_waits(w, &latest_ms);
	struct om_projection p;

	/* What is asked for more loudly is no more for that. */
	foresee_pause(w, w->asked ? fmin(limit_ms, w->asked_stop_ms * MARGIN) : limit_ms);
	if (om_watch_ahead(w, limit_ms, &low_ms, &high_ms)) {
		if (high_ms <= FORESEEABLE_MS)
			foresee_between(&w->forecast, low_ms, high_ms);
		return;
	}
	if (om_model_project(m, limit_ms, &p) || om_model_project(m, om_watch_reach_ms(w), &p))
		foresee_end(&w->forecast, p.ms + p.pause_ms, m->pass_count ? 0 : p.ms * 0.2);
	if (waits && w->forecast.eta_high_ms && latest_ms > (double)w->forecast.eta_high_ms)
		foresee_between(&w->forecast, (double)w->forecast.eta_low_ms, latest_ms);
}

/* The guest stands still until all is sent, and dirties nothing any more. */
static void foresee_paused(struct om_watch *w)
{
	struct om_forecast *f = &w->forecast;
	double since_ms = (double)(w->model.last.now_ms - w->paused_ms);

	f->known = true;
	foresee_end(f, om_watch_link_ms(w, om_model_unsent(&w->model)), 0);
	f->downtime_low_ms = (uint32_t)fmin(since_ms + (double)f->eta_low_ms, UINT32_MAX);
	f->downtime_high_ms = (uint32_t)fmin(since_ms + (double)f->eta_high_ms + 2 * OVERHEAD_MS,
					     UINT32_MAX);
}

void om_watch_foresee(struct om_watch *w)
{
	const struct om_model *m = &w->model;
	struct om_forecast *f = &w->forecast;
	double b = om_model_bandwidth(m);

	memset(f, 0, sizeof(*f));
	f->bandwidth_bytes_ps = whole(b);
	f->hot_bytes = m->pass_count > 1 ? whole(m->hot) : 0;
	f->dirty_bytes_ps = m->pass_count > 1 ? whole(m->hot * m->turnover)
					      : m->last.dirty_bytes_ps;
	if (b <= 0)
		return;
	f->need_downtime_ms = (uint32_t)fmin(om_watch_plateau_ms(w) * MARGIN, UINT32_MAX);
	f->need_bytes_ps =
		whole(om_model_bandwidth_for(m, om_watch_hard_reach_ms(w)) / om_model_packing(m));
	if (!m->last.postcopy) {
		m->last.paused ? foresee_paused(w) : foresee_precopy(w);
		return;
	}
	foresee_end(f, om_watch_link_ms(w, (double)m->last.remaining_bytes), 0);
	f->known = true;
	f->downtime_high_ms = 50; /* nothing but the state of the devices; measured: 6-54 */
}
