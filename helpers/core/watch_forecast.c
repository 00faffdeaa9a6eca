/* SPDX-License-Identifier: Apache-2.0 */
/* What the watch expects of the migration, from what was measured until now. */
#include "watch_internal.h"

#include <math.h>
#include <string.h>

/* QEMU stops the guest for the limit at the most, and seldom for less than half of one that is long;
 * the state of the devices comes on top. */
static void foresee_pause(struct om_forecast *f, double limit_ms)
{
	double high = limit_ms * 1.08 + OVERHEAD_MS + 10;

	f->known = true;
	f->downtime_high_ms = (uint32_t)fmax(high, OVERHEAD_MS / 2 + 50);
	f->downtime_low_ms = high < 100 ? f->downtime_high_ms - 50 : (uint32_t)(high / 2 + 1);
}

static void foresee_end(struct om_forecast *f, double ms, double unsure_ms)
{
	f->eta_low_ms = (uint64_t)(ms * 0.9);
	f->eta_high_ms = (uint64_t)(ms * 1.15 + unsure_ms) + 1;
}

static void foresee_precopy(struct om_watch *w)
{
	const struct om_model *m = &w->model;
	double limit_ms = w->limit_ms ? w->limit_ms : w->start_ms;
	struct om_projection p;
	bool ends = om_model_project(m, limit_ms, &p);

	foresee_pause(&w->forecast, limit_ms);
	if (ends || om_model_project(m, om_watch_reach_ms(w), &p))
		foresee_end(&w->forecast, p.ms + p.pause_ms, m->pass_count ? 0 : p.ms * 0.2);
}

void om_watch_foresee(struct om_watch *w)
{
	const struct om_model *m = &w->model;
	struct om_forecast *f = &w->forecast;
	double b = om_model_bandwidth(m);

	memset(f, 0, sizeof(*f));
	f->bandwidth_bytes_ps = (uint64_t)b;
	f->hot_bytes = m->pass_count > 1 ? (uint64_t)m->hot : 0;
	f->dirty_bytes_ps = m->pass_count > 1 ? (uint64_t)(m->hot * m->turnover)
					      : m->last.dirty_bytes_ps;
	if (b <= 0)
		return;
	f->need_downtime_ms = (uint32_t)fmin(om_watch_plateau_ms(w) * MARGIN, UINT32_MAX);
	f->need_bytes_ps = (uint64_t)om_model_bandwidth_for(m, om_watch_hard_ms(w));
	if (!m->last.postcopy) {
		foresee_precopy(w);
		return;
	}
	foresee_end(f, om_watch_link_ms(w, (double)m->last.remaining_bytes), 0);
	f->known = true;
	f->downtime_high_ms = 50; /* nothing but the state of the devices; measured: 6-54 */
}
