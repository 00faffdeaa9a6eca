/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other systems do, as read in their sources. Where a rule of theirs would exceed the limits
 * that ours is given, it is bounded by them, so that all compete under the same ones.
 */
#ifndef PEERS_H
#define PEERS_H

#include "sim.h"

extern const struct sim_policy sim_stock;
extern const struct sim_policy sim_peers[];
extern const size_t sim_peers_count;

struct om_action sim_peer_none(void);
struct om_action sim_peer_act(enum om_action_kind kind, const char *why);
struct om_action sim_peer_limit(struct sim_policy_state *s, uint32_t ms, const char *why);

typedef struct om_action sim_step(const struct sim_policy *p, struct sim_policy_state *s,
				  const struct om_sample *sample);

/* OpenStack Nova: steps by time and size, then the action. */
struct sim_nova {
	uint32_t downtime_ms, steps, delay_s_per_gib, timeout_s_per_gib;
	enum om_action_kind at_timeout;
};
sim_step sim_nova_step;

/* oVirt: one rung a poll and pass; `after` is the number of passes that must have ended. */
#define SIM_OVIRT_RUNGS 8
struct sim_ovirt {
	struct {
		int after; /* -1 = at the next pass */
		enum om_action_kind kind;
		uint32_t ms;
	} rungs[SIM_OVIRT_RUNGS];
	size_t count;
};
sim_step sim_ovirt_step;

/* Proxmox VE: the limit doubles after six rises of what remains. */
struct sim_proxmox {
	uint32_t most_ms;
};
sim_step sim_proxmox_step;

/* KubeVirt: by time and size. */
struct sim_kubevirt {
	uint32_t accepted_s_per_gb, progress_s;
	enum om_action_kind end; /* what a disruption that is allowed is; else ABORT */
	/* Its stall detection only: */
	uint32_t soft_ms, hard_ms;
	bool tune; /* the limit rises from 150 ms in 7 steps meanwhile */
};
sim_step sim_kubevirt_step, sim_kubevirt_stall_step;

/* Apache CloudStack: vm.migrate.pauseafter and vm.migrate.wait. */
struct sim_cloudstack {
	uint32_t pause_after_s, wait_s;
};
sim_step sim_cloudstack_step;

/* Post-copy after `s_per_gib` (addon-storpool), or after so many counts (ganeti, QEMU). */
struct sim_postcopy {
	uint32_t s_per_gib, counts;
};
sim_step sim_postcopy_step;

#endif
