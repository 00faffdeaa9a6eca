/* SPDX-License-Identifier: Apache-2.0 */
/* What both hosts said when the migration had ended need not be asked for once more, a moment after it. */
#include "tm.h"

#define FRESH_MS 30000

static bool is_fresh(uint64_t epoch_ms)
{
	uint64_t now_ms = om_epoch_ms();

	return epoch_ms <= now_ms && now_ms - epoch_ms < FRESH_MS;
}

bool om_tm_recorded(struct om_tm *tm)
{
	enum om_tm_settled needed = tm->facts.step == OM_TM_POSTMIGRATE ? OM_TM_SETTLED_MOVED
									: OM_TM_SETTLED_STAYED;

	return om_tm_recall(tm) && tm->record.other && tm->record.settled == needed &&
	       is_fresh(tm->record.settled_epoch_ms);
}

bool om_tm_known(struct om_tm *tm)
{
	struct om_tm_facts *f = &tm->facts;

	if (!om_tm_recorded(tm))
		return false;
	om_tm_look_at_source(tm);
	if ((f->src.state == OM_SIDE_ABSENT) != (f->step == OM_TM_POSTMIGRATE))
		return false;
	f->dst.state = f->step == OM_TM_POSTMIGRATE ? OM_SIDE_RUNNING : OM_SIDE_ABSENT;
	f->src_dir = OM_FILE_DIR;
	f->same = OM_SAME_NO;
	return true;
}
