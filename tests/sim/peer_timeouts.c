/* SPDX-License-Identifier: Apache-2.0 */
/* Systems that act at a fixed time or count. */
#include "peers.h"

struct om_action sim_cloudstack_step(const struct sim_policy *p, struct sim_policy_state *s,
				     const struct om_sample *sample)
{
	const struct sim_cloudstack *c = p->param;

	if (sample->elapsed_ms > c->wait_s * 1000ull && !s->done) {
		s->done = true;
		return sim_peer_act(OM_ACTION_ABORT, "vm.migrate.wait");
	}
	if (sample->elapsed_ms > c->pause_after_s * 1000ull && !s->suspended) {
		s->suspended = true;
		return sim_peer_act(OM_ACTION_SUSPEND, "vm.migrate.pauseafter");
	}
	return sim_peer_none();
}

struct om_action sim_postcopy_step(const struct sim_policy *p, struct sim_policy_state *s,
				   const struct om_sample *sample)
{
	const struct sim_postcopy *c = p->param;
	bool late = c->s_per_gib &&
		    (double)sample->elapsed_ms / 1000 > c->s_per_gib * (double)s->memory / GIB;

	if (s->done || !(late || (c->counts && sample->iteration >= c->counts)))
		return sim_peer_none();
	s->done = true;
	return sim_peer_act(OM_ACTION_POSTCOPY, late ? "timeout" : "counts");
}
