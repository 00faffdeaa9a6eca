/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGION_H
#define REGION_H

#include "sim.h"

/* Bytes that a sync would find written, whether or not they are in the bitmap already. */
double sim_region_fresh(const struct sim_region *r, const struct sim_set *set);
/* What was written goes into the bitmap; returns what was not there already. */
double sim_region_sync(struct sim_region *r, const struct sim_set *set);
double sim_region_send(struct sim_region *r, const struct sim_set *set, double bytes);

#endif
