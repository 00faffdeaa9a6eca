/* SPDX-License-Identifier: Apache-2.0 */
/* Which of two policies is the better one, over all guests of a class. */
#ifndef PARETO_H
#define PARETO_H

#include <stdbool.h>

struct sim_score {
	double share; /* that ended within the limits */
	double total; /* mean time of those, in bulk passes; NAN where none did */
	double lost;  /* mean of the guests' work, in s */
};

/* As good in everything, better in something. */
bool sim_score_dominates(const struct sim_score *a, const struct sim_score *b);
/* What `peer` is better in by more than 5 % without being worse in another; NULL = nothing. */
const char *sim_score_better(const struct sim_score *peer, const struct sim_score *ours);

#endif
