/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/plan*.c alone. */
#ifndef OM_PLAN_INTERNAL_H
#define OM_PLAN_INTERNAL_H

#include "om_plan.h"

/* Each takes a malloc'ed text and frees it. */
void om_plan_warn(struct om_plan *plan, char *text);
void om_plan_info(struct om_plan *plan, char *text);

/* "live" ...; NULL: no such flag. plan_print.c */
const char *om_plan_flag_name(unsigned int flag);

/* plan_limits.c, in the order of the calls */
void om_plan_set_limits(struct om_plan *plan, const struct om_knobs *knobs,
			const struct om_opts *opts, const struct om_facts *facts);
/* What MIGRATE_POLICY rules out, whatever the other settings say. */
bool om_plan_policy_forbids(const struct om_plan *plan);
/* Puts the limit among the parameters of the call; to the domain's own libvirt keeps without. */
void om_plan_set_bandwidth(struct om_plan *plan, const struct om_knobs *knobs, struct om_opts *opts,
			   const struct om_facts *facts);
void om_plan_tell_limits(struct om_plan *plan, const struct om_knobs *knobs,
			 const struct om_opts *opts);

/* plan_postcopy.c, likewise. True: armed by us, not by the operator's own words. */
bool om_plan_arm_postcopy(struct om_plan *plan, const struct om_knobs *knobs, struct om_opts *opts,
			  const struct om_facts *facts);
/* The same attempts once more, for a destination that refuses it. */
void om_plan_add_without_postcopy(struct om_plan *plan);

/* What of the plan an attempt does without: ", without post-copy, a single stream". plan_print.c */
#define OM_PLAN_WITHOUT 64
void om_plan_print_without(const struct om_plan *plan, const struct om_attempt *attempt,
			   char text[OM_PLAN_WITHOUT]);

/* plan_transport.c, after post-copy is armed. False: it is refused. */
bool om_plan_set_transport(struct om_plan *plan, const struct om_req *req,
			   const struct om_knobs *knobs, struct om_opts *opts,
			   const struct om_facts *facts, struct om_err *err);
/* The same attempts once more with what is weaker, for hosts that refuse it. */
void om_plan_add_weaker(struct om_plan *plan);

/* plan_disks.c, likewise: takes out of the options what does not apply, decides, adds to the attempts. */
void om_plan_drop_storage(struct om_plan *plan, struct om_opts *opts, const struct om_facts *facts);
bool om_plan_decide_disks(struct om_plan *plan, const struct om_opts *opts,
			  const struct om_facts *facts, struct om_err *err) OM_MUST_CHECK;
void om_plan_add_disks(struct om_plan *plan, const struct om_opts *opts);

#endif
