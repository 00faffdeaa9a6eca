/* SPDX-License-Identifier: Apache-2.0 */
/* Systems that raise the downtime limit step by step: Nova, oVirt, Proxmox VE. */
#include "peers.h"

#include <string.h>

struct om_action sim_peer_none(void)
{
	return (struct om_action){ .kind = OM_ACTION_NONE };
}

struct om_action sim_peer_act(enum om_action_kind kind, const char *why)
{
	struct om_action a = { .kind = kind };

	snprintf(a.why, sizeof(a.why), "%s", why);
	return a;
}

struct om_action sim_peer_limit(struct sim_policy_state *s, uint32_t ms, const char *why)
{
	struct om_action a;

	if (ms == s->limit_ms)
		return sim_peer_none();
	s->limit_ms = ms;
	a = sim_peer_act(OM_ACTION_DOWNTIME, why);
	a.downtime_ms = ms;
	return a;
}

/* nova/virt/libvirt/migration.py: downtime_steps(), should_abort() */
struct om_action sim_nova_step(const struct sim_policy *p, struct sim_policy_state *s,
			       const struct om_sample *sample)
{
	const struct sim_nova *nova = p->param;
	double gib = fmax(2, (double)s->memory / GIB);
	double elapsed_s = (double)sample->elapsed_ms / 1000;
	uint32_t base = nova->downtime_ms / nova->steps;
	uint32_t offset = (nova->downtime_ms - base) / nova->steps, step;

	if (s->done)
		return sim_peer_none();
	if (elapsed_s > nova->timeout_s_per_gib * gib) {
		s->done = true;
		return sim_peer_act(nova->at_timeout, "completion timeout");
	}
	step = (uint32_t)(elapsed_s / (nova->delay_s_per_gib * gib));
	step = step > nova->steps ? nova->steps : step;
	return sim_peer_limit(s, base + offset * step, "next step");
}

/* vdsm/virt/migration.py: MonitorThread */
struct om_action sim_ovirt_step(const struct sim_policy *p, struct sim_policy_state *s,
				const struct om_sample *sample)
{
	const struct sim_ovirt *ovirt = p->param;
	int ended;

	if (!s->first_iteration)
		s->first_iteration = sample->iteration ? sample->iteration : 1;
	if (sample->iteration <= s->last_iteration || s->rung >= ovirt->count || s->done)
		return sim_peer_none();
	s->last_iteration = sample->iteration;
	ended = (int)sample->iteration - (int)s->first_iteration;
	if (ovirt->rungs[s->rung].after >= ended)
		return sim_peer_none();
	s->rung++;
	if (ovirt->rungs[s->rung - 1].kind == OM_ACTION_DOWNTIME)
		return sim_peer_limit(s, ovirt->rungs[s->rung - 1].ms, "next rung");
	s->done = true;
	return sim_peer_act(ovirt->rungs[s->rung - 1].kind, "last rung");
}

/* PVE/QemuMigrate.pm: phase2; looked at every second, every 100 ms near the end of a pass */
struct om_action sim_proxmox_step(const struct sim_policy *p, struct sim_policy_state *s,
				  const struct om_sample *sample)
{
	const struct sim_proxmox *proxmox = p->param;
	bool rose = sample->remaining_bytes > s->last_remaining || !sample->remaining_bytes;

	if (s->last_remaining && rose)
		s->rises++;
	s->last_remaining = sample->remaining_bytes;
	if (sample->remaining_bytes < sample->rate_bytes_ps)
		s->next_ms -= p->poll_ms - 100;
	if (s->rises <= 5)
		return sim_peer_none();
	s->rises = 0;
	if (!s->limit_ms)
		s->limit_ms = p->start_limit_ms;
	return sim_peer_limit(s,
			      s->limit_ms * 2 < proxmox->most_ms ? s->limit_ms * 2
								 : proxmox->most_ms,
			      "doubled");
}
