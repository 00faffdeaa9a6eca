/* SPDX-License-Identifier: Apache-2.0 */
#include "om_limits.h"

#include "om_util.h"

#include <assert.h>

#define LIBVIRT_DOWNTIME_MS 300

static const char *const policy_names[] = {
	[OM_POLICY_AUTO] = "auto",
	[OM_POLICY_GENTLE] = "gentle",
	[OM_POLICY_GUARANTEED] = "guaranteed",
	[OM_POLICY_STOCK] = "stock",
};
static_assert(OM_ARRAY_LEN(policy_names) == OM_POLICY_COUNT, "a name for each policy");

const char *om_policy_name(enum om_policy policy)
{
	return policy_names[policy];
}

bool om_policy_may_harm(enum om_policy policy)
{
	return policy == OM_POLICY_AUTO || policy == OM_POLICY_GUARANTEED;
}

bool om_policy_ends_at_deadline(enum om_policy policy)
{
	return policy == OM_POLICY_AUTO || policy == OM_POLICY_GENTLE;
}

uint32_t om_limits_own_ms(const struct om_limits *limits)
{
	return limits->own_ms ? limits->own_ms : LIBVIRT_DOWNTIME_MS;
}

uint32_t om_limits_in_force_ms(const struct om_limits *limits)
{
	return limits->policy == OM_POLICY_STOCK ? om_limits_own_ms(limits)
						 : limits->downtime_max_ms;
}

uint64_t om_limits_deadline_ms(const struct om_limits *limits)
{
	return limits->policy == OM_POLICY_STOCK ? 0 : limits->deadline_ms;
}

uint32_t om_limits_pause_ms(const struct om_limits *limits)
{
	if (!limits->pause_max_ms || !om_policy_may_harm(limits->policy))
		return 0;
	return limits->pause_max_ms > limits->downtime_max_ms ? limits->pause_max_ms
							      : limits->downtime_max_ms;
}

void om_limits_set_policy(struct om_limits *limits, enum om_policy policy)
{
	limits->policy = policy;
	limits->throttle = om_policy_may_harm(policy) &&
			   (limits->throttling == OM_THROTTLING_ALLOWED ||
			    (limits->throttling == OM_THROTTLING_GUARANTEED &&
			     policy == OM_POLICY_GUARANTEED));
}

/*
 * Sparing the own guest more is an owner's right; doing more to the guest or the host than the
 * administrator would is not, nor is ending at no deadline, as stock does.
 */
bool om_policy_within(enum om_policy owners, enum om_policy administrators)
{
	return owners == administrators || owners == OM_POLICY_GENTLE ||
	       (owners == OM_POLICY_AUTO && administrators == OM_POLICY_GUARANTEED);
}
