/* SPDX-License-Identifier: Apache-2.0 */
/* What the watch says: why it acts, and of a migration that does not end. */
#include "watch_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct om_action om_watch_act(enum om_action_kind kind, bool tell, const char *fmt, ...)
{
	struct om_action action = { .kind = kind, .tell = tell };
	va_list args;

	va_start(args, fmt);
	vsnprintf(action.why, sizeof(action.why), fmt, args);
	va_end(args);
	return action;
}

static void print_rate(double bytes_ps, char text[32])
{
	double mbit = bytes_ps * 8 / 1e6;

	snprintf(text, 32, mbit < 1000 ? "%.0f Mbit/s" : "%.1f Gbit/s",
		 mbit < 1000 ? mbit : mbit / 1000);
}

/* "524 ms", "2.3 s". What is needed is rounded up and what is allowed is not, so that the one is never told
 * to be as much as the other. */
static const char *print_pause(double ms, bool up, char text[32])
{
	if (ms < 1000)
		snprintf(text, 32, "%.0f ms", up ? fmin(999, ceil(ms)) : ms);
	else
		snprintf(text, 32, "%.1f s", (up ? ceil(ms / 100) : floor(ms / 100)) / 10);
	return text;
}

void om_watch_print_need(const struct om_watch *w, char *text, size_t size)
{
	double need = w->forecast.need_downtime_ms, least = om_watch_link_ms(w, w->least_bytes);
	char rate[32], pause[32], limit[32], allowed[32];

	print_pause(om_watch_hard_ms(w), false, allowed);
	if (w->refused && om_watch_plateau_ms(w) <= om_watch_hard_reach_ms(w)) {
		snprintf(text, size,
			 "needs more than %s of downtime as QEMU reckons, %s as measured; "
			 "allowed %s",
			 print_pause(w->limit_ms, false, limit), print_pause(need, true, pause),
			 allowed);
		return;
	}
	if (w->model.pass_count < 3)
		need = fmax(need, least);
	print_rate((double)w->forecast.need_bytes_ps, rate);
	snprintf(text, size, "needs %s of downtime or %s%s; allowed %s",
		 print_pause(need, true, pause),
		 om_model_rate_is_known(&w->model) ? "" : "at least ", rate, allowed);
}

void om_watch_print_missing(const struct om_watch *w, char *text, size_t size)
{
	const struct om_forecast *f = &w->forecast;

	if (w->model.last.iteration <= 1)
		snprintf(text, size, "the first pass was not over, %.0f MiB had yet to be sent",
			 om_model_unsent(&w->model) / (1u << 20));
	else if (f->known && f->eta_high_ms)
		snprintf(text, size, "it would have taken up to %.1f s more",
			 (double)f->eta_high_ms / 1000);
	else
		om_watch_print_need(w, text, size);
}
