/* SPDX-License-Identifier: Apache-2.0 */
#include "om_request.h"

void om_request_put(struct om_request_queue *queue, int client, const struct om_request *request)
{
	queue->v[client] = *request;
	queue->v[client].number = ++queue->count;
}

static bool may_be_taken(const struct om_request_queue *queue, const struct om_request *request)
{
	return request->what.verb != OM_CONTROL_CANCEL &&
	       (request->what.verb != OM_CONTROL_PAUSE || queue->begun);
}

int om_request_take(struct om_request_queue *queue, enum om_request_stage stage,
		    struct om_request *copy)
{
	struct om_request *v = queue->v;
	int found = -1;

	for (int i = 0; i < OM_CONTROL_CLIENTS; i++)
		if (v[i].stage == stage && may_be_taken(queue, &v[i]) &&
		    (found < 0 || v[i].number < v[found].number))
			found = i;
	if (found < 0)
		return -1;
	if (stage == OM_REQUEST_ASKED)
		v[found].stage = OM_REQUEST_TAKEN;
	*copy = v[found];
	return found;
}

bool om_request_leave(struct om_request_queue *queue, int place, const struct om_request *request,
		      enum om_request_stage stage)
{
	struct om_request *there = &queue->v[place];

	/* Given up meanwhile, its place is free, or another client's already. */
	if (there->number != request->number || there->stage != request->stage)
		return false;
	there->stage = stage;
	there->answer = request->answer;
	return true;
}

bool om_request_is_late(const struct om_request *request, uint64_t now_ms)
{
	uint64_t limit_ms = request->what.verb == OM_CONTROL_CANCEL ? OM_REQUEST_CANCEL_MS
								    : OM_REQUEST_MS;

	return now_ms - request->since_ms >= limit_ms;
}

/* Nobody has come by to take it. */
static const char *why_not_taken(const struct om_request *request, enum om_phase phase, bool begun)
{
	bool waits = request->what.verb == OM_CONTROL_PAUSE && !begun && phase == OM_PHASE_COPY;

	switch (waits ? OM_PHASE_PREPARE : phase) {
	case OM_PHASE_SEND:
		return "files are being sent, libvirt's migration has not begun yet; nothing was "
		       "changed";
	case OM_PHASE_COPY:
	case OM_PHASE_POSTCOPY:
		return "libvirt does not answer; nothing was changed";
	case OM_PHASE_SETTLE:
		return "libvirt's migration has ended, and both hosts are asked where the VM is; "
		       "nothing was changed";
	default:
		return "libvirt's migration has not begun yet; nothing was changed";
	}
}

void om_request_answer_late(struct om_request *request, enum om_phase phase, bool begun)
{
	struct om_control_answer *answer = &request->answer;

	if (request->what.verb == OM_CONTROL_CANCEL)
		om_control_say(answer, OM_CONTROL_UNPROVEN,
			       "it was told to stop, but has not ended within %d s",
			       OM_REQUEST_CANCEL_MS / 1000);
	else if (request->stage == OM_REQUEST_STARTED)
		om_control_say(answer, OM_CONTROL_UNPROVEN,
			       "libvirt has taken it, but it is not seen to be so");
	else if (request->stage == OM_REQUEST_TAKEN)
		om_control_say(answer, OM_CONTROL_UNPROVEN,
			       "libvirt does not answer; whether it was done is not known");
	else
		om_control_say(answer, OM_CONTROL_REFUSED, "%s",
			       why_not_taken(request, phase, begun));
	request->stage = OM_REQUEST_DONE;
}

void om_request_answer_by_end(struct om_request *request, const struct om_request_end *end)
{
	bool cancel = request->what.verb == OM_CONTROL_CANCEL;
	struct om_control_answer *answer = &request->answer;

	if (end->left_to_stock)
		om_control_say(answer, OM_CONTROL_REFUSED,
			       "the migration is left to OpenNebula's own script: %s",
			       end->sentence);
	else if (end->on_dest && request->stage == OM_REQUEST_STARTED)
		om_control_say(answer, OM_CONTROL_DONE, "done, and the VM is on %s", end->dst);
	else if (end->on_dest)
		om_control_say(answer, OM_CONTROL_TOO_LATE, "too late: the VM is on %s", end->dst);
	else if (cancel)
		om_control_say(answer, end->proven ? OM_CONTROL_DONE : OM_CONTROL_UNPROVEN, "%s",
			       end->sentence);
	else
		om_control_say(answer, end->proven ? OM_CONTROL_REFUSED : OM_CONTROL_UNPROVEN,
			       "the migration has ended: %s", end->sentence);
	request->stage = OM_REQUEST_DONE;
}
