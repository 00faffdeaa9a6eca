/* SPDX-License-Identifier: Apache-2.0 */
#include "om_squeeze.h"

#define BLOCKED_MIN 0.15 /* of the time: less, and the link is not what holds us back */
#define SHRINK_MIN 0.90	 /* what is left of a block; more is not worth a processor's time */
#define FASTER_MIN 1.15	 /* than plain: room for what was measured badly */
#define ROUND 8000000	 /* bytes after which a trial is too old */

static double ratio(const struct om_squeeze *s)
{
	return s->tried_bytes ? (double)s->packed_bytes / (double)s->tried_bytes : 1;
}

/* File bytes per second: by the compressor alone, by the link alone; the slower one counts. */
static double squeezed_Bps(const struct om_squeeze *s)
{
	double packer = s->tried_us ? (double)s->tried_bytes * 1e6 / (double)s->tried_us : 1e12;
	double link = s->link_Bps / (ratio(s) > 0.001 ? ratio(s) : 0.001);

	return packer < link ? packer : link;
}

bool om_squeeze_wants_trial(const struct om_squeeze *s)
{
	return !s->on && s->tried_bytes == 0 && s->blocked_us * 20 > OM_SQUEEZE_PERIOD_US;
}

static void forget(struct om_squeeze *s)
{
	s->since_bytes += s->raw_bytes;
	if (s->on || s->since_bytes >= ROUND)
		s->tried_bytes = s->packed_bytes = s->tried_us = s->since_bytes = 0;
	s->wire_bytes = s->raw_bytes = s->elapsed_us = s->blocked_us = 0;
}

bool om_squeeze_decide(struct om_squeeze *s)
{
	double seconds = (double)s->elapsed_us / 1e6;
	bool blocked = (double)s->blocked_us > BLOCKED_MIN * (double)s->elapsed_us;

	if (s->elapsed_us < OM_SQUEEZE_PERIOD_US)
		return false;
	if (blocked || (double)s->wire_bytes / seconds > s->link_Bps)
		s->link_Bps = blocked || s->link_Bps > 0 ? (double)s->wire_bytes / seconds : 0;
	if (s->tried_bytes)
		s->on = (s->on || blocked) && s->link_Bps > 0 && ratio(s) < SHRINK_MIN &&
			squeezed_Bps(s) > FASTER_MIN * s->link_Bps;
	forget(s);
	return true;
}
