/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the watch's decisions and its forecast. */
#ifndef OM_WATCH_INTERNAL_H
#define OM_WATCH_INTERNAL_H

#include "om_watch.h"

/* More than what is predicted, since the guest goes on until QEMU looks. */
#define MARGIN 1.15
#define OVERHEAD_MS 30.0 /* device state and the hosts' messages; measured in the lab: 25-45 */

/* The longest pause that the policy allows at all. */
uint32_t om_watch_hard_ms(const struct om_watch *w);
/* The limit that may be set at present. */
double om_watch_reach_ms(const struct om_watch *w);
/* The time that these bytes take on the link; INFINITY where its bandwidth is not known. */
double om_watch_link_ms(const struct om_watch *w, double bytes);
/* The least that ever remains, in time on the link. */
double om_watch_plateau_ms(const struct om_watch *w);

/* Fills w->forecast; before a decision, which reads it, and after one, which may change it. */
void om_watch_foresee(struct om_watch *w);

#endif
