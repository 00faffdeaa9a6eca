/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of a datastore move while it runs. */
#include "move.h"

#include "om_log.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_for_disks(const struct om_control_request *what)
{
	const unsigned int ours = 1u << OM_CONTROL_BANDWIDTH | 1u << OM_CONTROL_DEADLINE;

	return what->verb == OM_CONTROL_SET && !(what->given & ~ours);
}

bool om_mover_request(struct om_session *s, struct om_request *request)
{
	struct om_limits *limits = &s->plan.limits;
	char bandwidth[64];

	if (!is_for_disks(&request->what))
		return om_control_say(
			&request->answer, OM_CONTROL_REFUSED,
			"its disks move to another datastore, for which `bandwidth` and `deadline` can "
			"be set, and which can be cancelled; nothing was changed");
	om_control_apply(&request->what, om_now_ms(), limits);
	pthread_mutex_lock(&s->lock);
	s->state.bandwidth_bytes_ps = limits->bandwidth_bytes_ps;
	pthread_mutex_unlock(&s->lock);
	om_str_copy(bandwidth, sizeof(bandwidth), "bandwidth unlimited");
	if (limits->bandwidth_bytes_ps)
		snprintf(bandwidth, sizeof(bandwidth), "bandwidth %" PRIu64 " MiB/s",
			 limits->bandwidth_bytes_ps >> 20);
	return om_control_say(&request->answer, OM_CONTROL_DONE, "in force: %s%s", bandwidth,
			      limits->deadline_ms ? ", a deadline" : "");
}
