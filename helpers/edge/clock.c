/* SPDX-License-Identifier: Apache-2.0 */
#include "om_clock.h"

static int64_t epoch_s(struct tm *local)
{
	return mktime(local);
}

void om_clock_local(struct om_clock *clock, uint64_t epoch_ms)
{
	time_t now_s = (time_t)(epoch_ms / 1000);

	clock->now_ms = (int64_t)epoch_ms;
	clock->epoch_s = epoch_s;
	localtime_r(&now_s, &clock->now);
}
