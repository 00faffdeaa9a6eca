/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the watch's decisions, its way to a limit and its forecast. */
#ifndef OM_WATCH_INTERNAL_H
#define OM_WATCH_INTERNAL_H

#include "om_watch.h"

/* More than what is predicted, since the guest goes on until QEMU looks. */
#define MARGIN 1.15
/* A switch-over that QEMU does not make is asked for with more, up to 650 times the first limit. */
#define LOUDER 1.5
#define ASKED_MOST 16
#define REFUSED_MS 5000 /* passes of 50 ms are soon over; their link may have failed for a moment */
#define ASK_AGAIN_MS 5000 /* for what libvirt has refused and cannot be done without */
#define OVERHEAD_MS 30.0  /* device state and the hosts' messages; measured in the lab: 25-45 */

static inline double om_watch_elapsed_ms(const struct om_watch *w)
{
	return (double)(w->model.last.now_ms - w->begun_ms);
}

/* INFINITY where there is no deadline, below 0 where it is over. */
double om_watch_deadline_left_ms(const struct om_watch *w);
/* The longest pause that the policy allows at all. */
uint32_t om_watch_hard_ms(const struct om_watch *w);
/* The limit that may be set at present. */
double om_watch_reach_ms(const struct om_watch *w);
/* The same where the hard limit is used. */
double om_watch_hard_reach_ms(const struct om_watch *w);
/* And without asking. */
double om_watch_soft_reach_ms(const struct om_watch *w);
/* The time that these bytes take on the link; INFINITY where its bandwidth is not known. */
double om_watch_link_ms(const struct om_watch *w, double bytes);
/* The least that ever remains, in time on the link. */
double om_watch_plateau_ms(const struct om_watch *w);
/* The same without a dip of the link, for what is not taken back. */
double om_watch_best_plateau_ms(const struct om_watch *w);

static inline struct om_action om_watch_no_action(void)
{
	return (struct om_action){ .kind = OM_ACTION_NONE };
}

/* watch_limit.c */
/* Sets the limit to `ms`, or to what may be set at present; nothing where that is set. */
struct om_action om_watch_set_limit(struct om_watch *w, double ms, const char *why);
/* After a count: whether the hard limit is needed by now, and the limit that follows. */
void om_watch_choose_reach(struct om_watch *w);
struct om_action om_watch_follow(struct om_watch *w);
/* Is the least waited for that can remain? Until `latest_ms` from now on, at the latest. */
bool om_watch_waits(const struct om_watch *w, double *latest_ms);

/* watch_postcopy.c */
/* Not just after it was refused, nor for ever. */
bool om_watch_may_ask_postcopy(const struct om_watch *w);
void om_watch_postcopy_refused(struct om_watch *w);
struct om_action om_watch_start_postcopy(struct om_watch *w, const char *why);
/* Would pre-copy end so much later? After a count. */
bool om_watch_postcopy_is_better(const struct om_watch *w);

/* watch_print.c */
struct om_action om_watch_act(enum om_action_kind kind, bool tell, const char *fmt, ...)
	OM_PRINTF(3, 4);
/* "needs 3.2 s of downtime or 2.4 Gbit/s; allowed 2.0 s", "needs 524 ms of downtime or ..." */
void om_watch_print_need(const struct om_watch *w, char *text, size_t size);
/* What was missing for an end in time. */
void om_watch_print_missing(const struct om_watch *w, char *text, size_t size);

/* Fills w->forecast; before a decision, which reads it, and after one, which may change it. */
void om_watch_foresee(struct om_watch *w);

/* The end as the sample of the guest's pages lets expect it, until two passes tell it better; high_ms
 * INFINITY: none is in sight. False: there is no sample. */
bool om_watch_ahead(const struct om_watch *w, double limit_ms, double *low_ms, double *high_ms);

#endif
