/* SPDX-License-Identifier: Apache-2.0 */
#include "peers.h"

static void begin(const struct sim_policy *p, struct sim_policy_state *s, uint64_t memory)
{
	(void)p;
	s->memory = memory;
}

#define NOVA(action)                                                                               \
	&(const struct sim_nova)                                                                   \
	{                                                                                          \
		500, 10, 75, 800, action                                                           \
	}
#define RUNG(after, ms)                                                                            \
	{                                                                                          \
		after, OM_ACTION_DOWNTIME, ms                                                      \
	}
#define LAST(kind)                                                                                 \
	{                                                                                          \
		-1, kind, 0                                                                        \
	}

const struct sim_ovirt sim_ovirt_minimal = { { RUNG(1, 150), RUNG(2, 200), RUNG(3, 300),
					       RUNG(4, 400), RUNG(6, 500), LAST(OM_ACTION_ABORT) },
					     6 };
const struct sim_ovirt sim_ovirt_suspend = { { RUNG(1, 150), RUNG(2, 200), RUNG(3, 300),
					       RUNG(4, 400), RUNG(6, 500), RUNG(-1, SIM_HARD_MS),
					       LAST(OM_ACTION_ABORT) },
					     7 };
const struct sim_ovirt sim_ovirt_postcopy = {
	{ RUNG(1, 150), RUNG(2, 200), LAST(OM_ACTION_POSTCOPY) }, 3
};
const struct sim_ovirt sim_ovirt_large = { { RUNG(1, 400), RUNG(2, 500), RUNG(3, 700),
					     RUNG(4, 1000), RUNG(6, 1500), RUNG(-1, SIM_HARD_MS),
					     LAST(OM_ACTION_ABORT) },
					   7 };

#define OVIRT(label, means, limit, rungs)                                                          \
	{                                                                                          \
		.name = label, .can = SIM_CAN_THROTTLE | means, .poll_ms = 10000,                  \
		.auto_converge = true, .start_limit_ms = limit, .param = rungs, .begin = begin,    \
		.step = sim_ovirt_step                                                             \
	}
#define KUBEVIRT(label, means, action)                                                             \
	{                                                                                          \
		.name = label, .can = means, .poll_ms = 400,                                       \
		.param = &(const struct sim_kubevirt){ 150, 150, action, 0, 0, false },            \
		.begin = begin, .step = sim_kubevirt_step                                          \
	}
#define STALL(label, means, action, tuned)                                                         \
	{                                                                                          \
		.name = label, .can = means, .poll_ms = 400, .events = true,                       \
		.param = &(const struct sim_kubevirt){ 150,	    150,	 action,           \
						       SIM_SOFT_MS, SIM_HARD_MS, tuned },          \
		.begin = begin, .step = sim_kubevirt_stall_step                                    \
	}
#define POSTCOPY(label, poll, limit, s_per_gib, counts)                                            \
	{                                                                                          \
		.name = label, .can = SIM_CAN_POSTCOPY, .poll_ms = poll, .events = poll < 1000,    \
		.start_limit_ms = limit,                                                           \
		.param = &(const struct sim_postcopy){ s_per_gib, counts }, .begin = begin,        \
		.step = sim_postcopy_step                                                          \
	}

const struct sim_policy sim_stock = { .name = "stock" };

const struct sim_policy sim_peers[] = {
	{ .name = "stock" },
	{ .name = "nova, abort",
	  .poll_ms = 5000,
	  .param = NOVA(OM_ACTION_ABORT),
	  .begin = begin,
	  .step = sim_nova_step },
	{ .name = "nova, force_complete",
	  .poll_ms = 5000,
	  .param = NOVA(OM_ACTION_SUSPEND),
	  .begin = begin,
	  .step = sim_nova_step },
	KUBEVIRT("kubevirt, abort", 0, OM_ACTION_ABORT),
	KUBEVIRT("kubevirt, suspend", 0, OM_ACTION_SUSPEND),
	STALL("kubevirt stall, soft", 0, OM_ACTION_ABORT, false),
	STALL("kubevirt stall, soft, tuned", 0, OM_ACTION_ABORT, true),
	STALL("kubevirt stall, hard", 0, OM_ACTION_DOWNTIME, false),
	STALL("kubevirt stall, hard, tuned", 0, OM_ACTION_DOWNTIME, true),
	{ .name = "cloudstack, pauseafter",
	  .poll_ms = 1000,
	  .param = &(const struct sim_cloudstack){ 120, 3600 },
	  .begin = begin,
	  .step = sim_cloudstack_step },
	{ .name = "auto-converge", .can = SIM_CAN_THROTTLE, .auto_converge = true },
	OVIRT("ovirt minimal", 0, 100, &sim_ovirt_minimal),
	OVIRT("ovirt suspend", 0, 100, &sim_ovirt_suspend),
	OVIRT("ovirt very large", 0, 300, &sim_ovirt_large),
	{ .name = "proxmox",
	  .can = SIM_CAN_THROTTLE,
	  .poll_ms = 1000,
	  .auto_converge = true,
	  .start_limit_ms = 100,
	  .param = &(const struct sim_proxmox){ SIM_HARD_MS },
	  .begin = begin,
	  .step = sim_proxmox_step },
	{ .name = "nova, post-copy",
	  .can = SIM_CAN_POSTCOPY,
	  .poll_ms = 5000,
	  .param = NOVA(OM_ACTION_POSTCOPY),
	  .begin = begin,
	  .step = sim_nova_step },
	OVIRT("ovirt post-copy", SIM_CAN_POSTCOPY, 100, &sim_ovirt_postcopy),
	KUBEVIRT("kubevirt, post-copy", SIM_CAN_POSTCOPY, OM_ACTION_POSTCOPY),
	STALL("kubevirt stall, post-copy", SIM_CAN_POSTCOPY, OM_ACTION_POSTCOPY, false),
	POSTCOPY("storpool timeout", 500, 0, 2, 0),
	POSTCOPY("ganeti", 1000, 30, 0, 2),
	POSTCOPY("postcopy-after-precopy", 500, 0, 0, 2),
};
const size_t sim_peers_count = OM_ARRAY_LEN(sim_peers);
