/* SPDX-License-Identifier: Apache-2.0 */
/* What a migration of ours has proven need not be asked for once more, a moment after it. */
#include "tm.h"

#include <string.h>

#define FRESH_MS 30000

struct search {
	const char *uuid;
	struct om_state state;
	bool found;
};

static void take_latest(const struct om_state *state, void *ctx)
{
	struct search *search = ctx;

	if (strcmp(state->uuid, search->uuid) != 0 ||
	    (search->found && search->state.updated_epoch_ms >= state->updated_epoch_ms))
		return;
	search->state = *state;
	search->found = true;
}

/* It has ended on that host by what both hosts said. */
static bool has_just_moved(const struct om_tm *tm, const char *uuid)
{
	struct search search = { .uuid = uuid };
	uint64_t now_ms = om_epoch_ms();
	char boot_id[37];

	om_state_each(take_latest, &search);
	om_state_boot_id(boot_id);
	return search.found && search.state.phase == OM_PHASE_DONE &&
	       strcmp(search.state.src, tm->src) == 0 && strcmp(search.state.dst, tm->dst) == 0 &&
	       *boot_id && strcmp(search.state.boot_id, boot_id) == 0 &&
	       search.state.updated_epoch_ms <= now_ms &&
	       now_ms - search.state.updated_epoch_ms < FRESH_MS;
}

bool om_tm_recorded(struct om_tm *tm)
{
	return om_state_uuid_valid(tm->vm.deploy_id) && om_tm_recall(tm) && tm->record.other &&
	       has_just_moved(tm, tm->vm.deploy_id);
}

bool om_tm_known(struct om_tm *tm)
{
	if (!om_tm_recorded(tm))
		return false;
	om_tm_look_at_source(tm);
	if (tm->facts.src.state != OM_SIDE_ABSENT)
		return false;
	tm->facts.dst.state = OM_SIDE_RUNNING;
	tm->facts.src_dir = OM_FILE_DIR;
	tm->facts.same = OM_SAME_NO;
	return true;
}
