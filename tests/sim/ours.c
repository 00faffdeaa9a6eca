/* SPDX-License-Identifier: Apache-2.0 */
/* The watch that ships, under several settings. */
#include "sim.h"

#include <string.h>

static void begin(const struct sim_policy *p, struct sim_policy_state *s, uint64_t memory)
{
	struct om_plan plan = { .downtime_start_ms = OM_DOWNTIME_START_MS,
				.limits = *(const struct om_limits *)p->param };

	(void)memory;
	om_watch_init(&s->watch, &plan);
}

static void restarted(struct sim_policy_state *s, const struct sim_policy *p)
{
	begin(p, s, 0);
	s->watch.throttled = true;
}

static struct om_action step(const struct sim_policy *p, struct sim_policy_state *s,
			     const struct om_sample *sample)
{
	(void)p;
	return om_watch_step(&s->watch, sample);
}

#define LIMITS(kind, ...)                                                                          \
	&(const struct om_limits)                                                                  \
	{                                                                                          \
		.policy = kind, .downtime_max_ms = SIM_SOFT_MS, .pause_max_ms = SIM_HARD_MS,       \
		__VA_ARGS__                                                                        \
	}

#define OURS(label, means, limits)                                                                 \
	{                                                                                          \
		.name = label, .ours = true, .can = means, .poll_ms = 250, .events = true,         \
		.param = limits, .begin = begin, .restarted = restarted, .step = step              \
	}

const struct sim_policy sim_ours[] = {
	OURS("ours auto", 0, LIMITS(OM_POLICY_AUTO, .postcopy = false)),
	OURS("ours auto, throttle", SIM_CAN_THROTTLE, LIMITS(OM_POLICY_AUTO, .throttle = true)),
	OURS("ours auto, post-copy", SIM_CAN_POSTCOPY, LIMITS(OM_POLICY_AUTO, .postcopy = true)),
	OURS("ours gentle", 0, LIMITS(OM_POLICY_GENTLE, .postcopy = false)),
	OURS("ours guaranteed", SIM_CAN_THROTTLE, LIMITS(OM_POLICY_GUARANTEED, .throttle = true)),
};
const size_t sim_ours_count = OM_ARRAY_LEN(sim_ours);
