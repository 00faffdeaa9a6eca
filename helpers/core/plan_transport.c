/* SPDX-License-Identifier: Apache-2.0 */
/* The way of sending as a part of the plan, and what is tried where hosts refuse it. */
#include "plan_internal.h"

#include <string.h>

#define STREAMS (OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED | OM_FLAG_ZEROCOPY)

/* Hosts are put right without their versions changing; whoever asks for it waits for that. */
static uint32_t still_refused(uint32_t refused, const struct om_knobs *knobs)
{
	uint32_t asked = om_transport_asked(knobs);

	for (uint32_t bit = 1; bit <= OM_REFUSED_TLS; bit <<= 1)
		if ((asked & bit) && (refused & OM_REFUSED_DAY_OLD(bit)))
			refused &= ~bit;
	return refused;
}

bool om_plan_set_transport(struct om_plan *plan, const struct om_req *req,
			   const struct om_knobs *knobs, struct om_opts *opts,
			   const struct om_facts *facts, struct om_err *err)
{
	struct om_transport *t = &plan->transport;
	struct om_transport_facts known = facts->transport;
	bool limited = plan->limits.bandwidth_bytes_ps != 0;

	known.refused = still_refused(known.refused, knobs);
	if (!om_transport_choose(t, knobs, opts, plan->flags, limited, &facts->versions, &known,
				 err))
		return false;
	plan->flags |= t->flags;
	om_transport_params(t, &opts->params, &facts->versions, req->dst_host);
	if (t->flags)
		om_plan_info(plan, om_transport_sentence(t));
	for (unsigned int i = 0; i < t->warning_count; i++)
		om_plan_warn(plan, om_xstrdup(t->warnings[i]));
	return true;
}

static void drop_ours(struct om_params *params, const char *name)
{
	const struct om_param *param = om_params_get(params, name);

	if (param && strcmp(param->origin, OM_TRANSPORT_ORIGIN) == 0)
		om_params_drop(params, name);
}

static void add_without(struct om_plan *plan, size_t count, unsigned int flags)
{
	static const char *const streams[] = { "compression", "compression.zstd.level",
					       "compression.zlib.level", "compression.xbzrle.cache",
					       "parallel.connections" };

	for (size_t i = 0; i < count; i++) {
		const struct om_attempt *from = &plan->attempts[i];
		struct om_attempt *to = &plan->attempts[plan->attempt_count++];

		to->path = from->path;
		to->flags = from->flags & ~flags;
		om_params_copy(&to->params, &from->params);
		for (size_t p = 0;
		     (flags & (OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED)) && p < OM_ARRAY_LEN(streams);
		     p++)
			drop_ours(&to->params, streams[p]);
		if (flags & OM_FLAG_TLS)
			drop_ours(&to->params, "tls.destination");
	}
}

/*
 * Whether both hosts take it is known for certain only by trying. A single stream is what remains: it
 * is what every host can.
 */
void om_plan_add_weaker(struct om_plan *plan)
{
	const struct om_transport *t = &plan->transport;
	unsigned int streams = t->flags & STREAMS, tls = t->flags & OM_FLAG_TLS;

	size_t count = plan->attempt_count;

	if (t->flags & OM_FLAG_ZEROCOPY) /* its refusal says nothing of the connections */
		add_without(plan, count, OM_FLAG_ZEROCOPY);
	if (streams)
		add_without(plan, count, streams);
	if (tls && !t->tls_required)
		add_without(plan, plan->attempt_count, tls);
}
