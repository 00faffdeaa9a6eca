/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered where no helper watches the migration: by what libvirt of this host says. */
#include "om_control.h"

#include "om_state.h"

#define GONE                                                                                       \
	"the VM is not on this host any more, and whether it runs on another one is not known here"

struct om_control_facts om_control_facts_of(const struct om_side *side)
{
	return (struct om_control_facts){
		.postcopy = side->state == OM_SIDE_POSTCOPY ||
			    side->state == OM_SIDE_POSTCOPY_FAILED,
		.postcopy_broken = side->state == OM_SIDE_POSTCOPY_FAILED,
		.paused = side->state == OM_SIDE_PAUSED || side->state == OM_SIDE_INCOMING,
	};
}

/* True, for `return ended(...)`. */
static bool ended(struct om_control_answer *answer, enum om_control_result result, const char *text)
{
	om_control_say(answer, result, "%s", text);
	return true;
}

static bool cancel_ended(bool asked, const struct om_side *side, struct om_control_answer *answer)
{
	static const struct om_control_request cancel = { .verb = OM_CONTROL_CANCEL };
	struct om_control_facts facts = om_control_facts_of(side);

	switch (side->state) {
	case OM_SIDE_POSTCOPY:
	case OM_SIDE_POSTCOPY_FAILED:
		return !om_control_judge(&cancel, &facts, answer);
	case OM_SIDE_RUNNING:
	case OM_SIDE_ROLLED_BACK:
		ended(answer, OM_CONTROL_DONE,
		      asked ? "cancelled; the VM runs on this host" : "the VM runs on this host");
		return !side->job;
	case OM_SIDE_PAUSED:
		ended(answer, OM_CONTROL_DONE,
		      asked ? "cancelled; the VM is paused on this host"
			    : "the VM is paused on this host");
		return !side->job;
	default: /* stopped for a switch-over, or no answer: somebody is at it */
		return false;
	}
}

static bool postcopy_begun(const struct om_side *side, struct om_control_answer *answer)
{
	return side->state == OM_SIDE_POSTCOPY &&
	       ended(answer, OM_CONTROL_DONE,
		     "in post-copy: the guest runs on the destination, the rest of its memory "
		     "follows");
}

static bool guest_paused(const struct om_side *side, struct om_control_answer *answer)
{
	return om_control_facts_of(side).paused &&
	       ended(answer, OM_CONTROL_DONE,
		     "the guest stands still from now until it runs on the destination; should the "
		     "migration fail, libvirt starts it again");
}

bool om_control_seen(const struct om_control_request *request, const struct om_side *side,
		     struct om_control_answer *answer)
{
	/* A migration that ends well leaves nothing here, nor does a guest that ends or crashes. */
	if (side->state == OM_SIDE_ABSENT)
		return ended(answer, OM_CONTROL_UNPROVEN, GONE);
	if (request && request->verb == OM_CONTROL_POSTCOPY)
		return postcopy_begun(side, answer);
	if (request && request->verb == OM_CONTROL_PAUSE)
		return guest_paused(side, answer);
	return cancel_ended(request, side, answer);
}

bool om_control_went(const struct om_state *state, uint64_t since_epoch_ms,
		     struct om_control_answer *answer)
{
	if (state->phase != OM_PHASE_DONE || state->updated_epoch_ms < since_epoch_ms)
		return false;
	om_control_say(answer, OM_CONTROL_TOO_LATE,
		       "too late: the migration has ended, the VM went to %s", state->dst);
	return true;
}
