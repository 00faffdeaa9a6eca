/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator allows a migration to do to its guest. Pure. */
#ifndef OM_LIMITS_H
#define OM_LIMITS_H

#include "om_clock.h"
#include "om_err.h"

#include <stdbool.h>
#include <stdint.h>

/* In the order of MIGRATE_POLICY's choices. */
enum om_policy {
	OM_POLICY_AUTO,	  /* the gentlest action that ends the migration; ends without success only
				 at a deadline that was set */
	OM_POLICY_GENTLE, /* never throttles, pauses or post-copies; ends early where hopeless */
	OM_POLICY_GUARANTEED, /* ending matters most: throttles where nothing else ends it */
	OM_POLICY_STOCK,      /* watches and never acts */
	OM_POLICY_COUNT
};
const char *om_policy_name(enum om_policy policy); /* "auto" ... */
/* May it do more to the guest than stop it within the soft limit? */
bool om_policy_may_harm(enum om_policy policy);
/* Does a deadline that was set end what is not over by then? */
bool om_policy_ends_at_deadline(enum om_policy policy);
/* May a VM's owner choose this policy where the administrator has chosen that one? */
bool om_policy_within(enum om_policy owners, enum om_policy administrators);

/* Which policies may begin anew with auto-converge. */
enum om_throttling {
	OM_THROTTLING_NEVER,	  /* it was switched off, or is on from the start */
	OM_THROTTLING_GUARANTEED, /* nobody has said anything */
	OM_THROTTLING_ALLOWED,	  /* each that may harm at all */
};

struct om_limits {
	enum om_policy policy;
	uint32_t downtime_max_ms; /* soft: reached without asking */
	uint32_t pause_max_ms;	  /* hard: where nothing gentler ends it; 0 = never */
	uint64_t deadline_ms;	  /* monotonic clock, as om_sample.now_ms; 0 = none */
	bool postcopy;		  /* armed in libvirt's flags, and ours to start */
	bool throttle;		  /* one restart with auto-converge is allowed, by the policy
					and by what follows */
	enum om_throttling throttling;
	uint64_t bandwidth_bytes_ps; /* the operator's limit; 0 = none */
	uint32_t own_ms;	     /* the domain's own downtime limit; 0 = not known */
};

/* The domain's own downtime limit: libvirt's default where it is not known. */
uint32_t om_limits_own_ms(const struct om_limits *limits);
/* The downtime that is reached without asking: under stock, which sets no limit, the domain's own. */
uint32_t om_limits_in_force_ms(const struct om_limits *limits);
/* The deadline, where it has an effect; 0 = none, as always under stock. */
uint64_t om_limits_deadline_ms(const struct om_limits *limits);

/* How long the guest may stand still at all: 0 = no longer than by the soft limit. */
uint32_t om_limits_pause_ms(const struct om_limits *limits);
/* Another policy, and what follows from it. */
void om_limits_set_policy(struct om_limits *limits, enum om_policy policy);

/*
 * Milliseconds from the clock's now to a deadline, at least 1: a duration (90, 90s, 10m, 2h, 1h30m),
 * a time of day (18:00: the next one) or a local date and time (2027-01-31T06:00[:30]). False
 * (OM_E_INPUT): no such spelling, no such date, or past. Without a clock (NULL) only a duration
 * can be told.
 */
bool om_deadline_left_ms(const char *text, const struct om_clock *clock, uint64_t *left_ms,
			 struct om_err *why) OM_MUST_CHECK;

#endif
