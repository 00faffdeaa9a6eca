/* SPDX-License-Identifier: Apache-2.0 */
#include "pareto.h"

#include <math.h>
#include <stddef.h>

#define BETTER 0.05
#define WORSE 0.01	/* less is no difference, and no excuse */
#define LOST_FLOOR 0.02 /* s: below this a difference of work lost is not one */

static double total_of(const struct sim_score *s)
{
	return isnan(s->total) ? INFINITY : s->total;
}

bool sim_score_dominates(const struct sim_score *a, const struct sim_score *b)
{
	double ta = total_of(a), tb = total_of(b);

	if (a->share < b->share || ta > tb || a->lost > b->lost)
		return false;
	return a->share > b->share || ta < tb || a->lost < b->lost;
}

const char *sim_score_better(const struct sim_score *peer, const struct sim_score *ours)
{
	double tp = total_of(peer), to = total_of(ours);

	if (peer->share < ours->share * (1 - WORSE) || tp > to * (1 + WORSE) ||
	    peer->lost > ours->lost * (1 + WORSE) + LOST_FLOOR * WORSE)
		return NULL;
	if (peer->share > ours->share * (1 + BETTER))
		return "a greater share that ends";
	if (tp < to * (1 - BETTER))
		return "a shorter time";
	if (peer->lost < ours->lost * (1 - BETTER) && peer->lost < ours->lost - LOST_FLOOR)
		return "less work lost";
	return NULL;
}
