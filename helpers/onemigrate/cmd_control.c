/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onemigrate cancel, set, postcopy, pause: what an operator does to a migration that runs. Asked
 * of the helper that watches it; where none does, of libvirt. What is answered was seen to be so.
 */
#include "cmd.h"
#include "direct.h"
#include "om_control_socket.h"
#include "om_state.h"
#include "om_util.h"
#include "session.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define CANCEL_LIMIT_MS 32000 /* the helper's own limit, and a little */
#define HELPER_LIMIT_MS 12000 /* likewise */
#define DIRECT_LIMIT_MS 32000
#define LOOK_LIMIT_MS 8000
#define GONE_LIMIT_MS 5000 /* both sides are looked at before a migration is said to be done */
#define GONE_STEP_MS 200

static const char usage_exit[] =
	"\n"
	"Exit status: 0 it is so, 1 no such migration on this host, 2 wrong usage, 3 too late (the\n"
	"VM is on the destination), 4 in post-copy, which cannot be cancelled, 5 not possible now,\n"
	"nothing was changed (why is said), 6 what became of it is not known.\n";

static const char *const usages[] = {
	[OM_CONTROL_CANCEL] =
		"Usage: onemigrate cancel VM\n"
		"\n"
		"Cancels a migration that runs, and waits until both hosts have said where the VM is\n"
		"(at most 40 s; 77 s where the process that migrates does not answer).\n",
	[OM_CONTROL_SET] =
		"Usage: onemigrate set VM WORD=VALUE...\n"
		"\n"
		"Changes the limits of a migration that runs, and says which are in force then. The values\n"
		"are those of the settings (`onemigrate settings`):\n"
		"\n"
		"  downtime-max=MS  MIGRATE_DOWNTIME_MAX_MS\n"
		"  pause-max=MS     MIGRATE_PAUSE_MAX_MS, or none\n"
		"  bandwidth=MIBPS  MIGRATE_BANDWIDTH_MIBPS, or none\n"
		"  deadline=WHEN    MIGRATE_DEADLINE, from now on, or none\n"
		"  policy=POLICY    MIGRATE_POLICY\n",
	[OM_CONTROL_POSTCOPY] =
		"Usage: onemigrate postcopy VM\n"
		"\n"
		"Switches a migration to post-copy, if it was started with it (MIGRATE_POSTCOPY): the guest\n"
		"runs on the destination at once, the rest of its memory follows. There is no way back.\n",
	[OM_CONTROL_PAUSE] =
		"Usage: onemigrate pause VM\n"
		"\n"
		"Stops the guest of a migration that runs, so that the copy ends soon: it runs again on the\n"
		"destination, or on the source if the migration fails or is cancelled.\n",
};

struct target {
	const char *vm;
	struct om_state
		state; /* the newest one that is wanted; a running one before an ended one */
	bool known;
	char ids[200]; /* of several that are meant equally; "" = one, or none */
};

/* Above 0: a is rather meant than b. */
static int compare(const struct om_state *a, const struct om_state *b)
{
	int ended = om_phase_ended(b->phase) - om_phase_ended(a->phase);

	if (ended || !om_str_eq_nocase(a->uuid, b->uuid))
		return ended;
	return a->updated_epoch_ms > b->updated_epoch_ms ? 1 : -1;
}

static void add_id(struct target *target, const struct om_state *state)
{
	size_t len = strlen(target->ids);

	snprintf(target->ids + len, sizeof(target->ids) - len, "%s%s", len ? ", " : "",
		 state->vm_id);
}

static void collect(const struct om_state *state, void *ctx)
{
	struct target *target = ctx;
	int more;

	if (!om_state_is_of(state, target->vm))
		return;
	more = target->known ? compare(state, &target->state) : 1;
	if (more == 0 && !*target->ids)
		add_id(target, &target->state);
	if (more == 0)
		add_id(target, state);
	if (more <= 0)
		return;
	if (!target->known || !om_str_eq_nocase(state->uuid, target->state.uuid))
		target->ids[0] = '\0';
	target->state = *state;
	target->known = true;
}

/* What libvirt may know it by. OpenNebula names domains one-ID. */
static void domain_name(const struct target *target, char *name, size_t size)
{
	if (target->known)
		om_str_copy(name, size, target->state.uuid);
	else if (strspn(target->vm, "0123456789") == strlen(target->vm))
		snprintf(name, size, "one-%.100s", target->vm);
	else
		om_str_copy(name, size, target->vm);
}

static bool running(const struct target *target)
{
	return target->known && !om_phase_ended(target->state.phase);
}

/* The helper says that it is cancelled; libvirt of this host has to agree. */
static void confirm(const struct target *target, struct om_control_answer *answer)
{
	char sentence[sizeof(answer->text)];
	struct om_direct_end end;

	/* A local action works on the front-end, where no libvirt knows the VM. */
	if (!target->known)
		return;
	om_str_copy(sentence, sizeof(sentence), answer->text);
	om_direct_look(target->state.uuid, LOOK_LIMIT_MS, &end);
	if (end.answer.result == OM_CONTROL_DONE)
		om_control_say(answer, OM_CONTROL_DONE, "%s (asked libvirt: %s)", sentence,
			       end.answer.text);
	else
		om_control_say(answer, OM_CONTROL_UNPROVEN,
			       "the helper says '%.200s', but of libvirt: %.150s", sentence,
			       end.answer.text);
}

/* True: the helper has answered, or nobody else may. */
static bool ask_helper(const struct target *target, const struct om_control_request *request,
		       const char *line, struct om_control_answer *answer)
{
	const char *uuid = target->known ? target->state.uuid : target->vm;
	bool cancel = request->verb == OM_CONTROL_CANCEL;

	if (om_control_ask(uuid, line, cancel ? CANCEL_LIMIT_MS : HELPER_LIMIT_MS, answer)) {
		if (cancel && answer->result == OM_CONTROL_DONE)
			confirm(target, answer);
		return true;
	}
	if (answer->result == OM_CONTROL_REFUSED)
		return true;
	/* A helper that is there but silent: a cancel is urgent enough to go past it. */
	return answer->result == OM_CONTROL_UNPROVEN && !cancel;
}

static void say_none(const struct target *target, const struct om_direct_end *end,
		     struct om_control_answer *answer)
{
	if (target->known && !end->present && om_control_went(&target->state, 0, answer))
		return;
	if (target->known)
		om_control_say(answer, OM_CONTROL_NO_SUCH,
			       "no migration of it is under way on this host; the last one: %s",
			       *target->state.result ? target->state.result
						     : om_phase_name(target->state.phase));
	else
		om_control_say(answer, OM_CONTROL_NO_SUCH,
			       "no migration of it is known on this host");
}

/* A helper that should be at it, but does not answer, and libvirt has no migration. */
static void say_silent(const struct target *target, const struct om_control_request *request,
		       struct om_control_answer *answer)
{
	struct om_direct_end end;

	om_direct_look(target->state.uuid, LOOK_LIMIT_MS, &end);
	*answer = end.answer;
	if (request->verb != OM_CONTROL_CANCEL && end.answer.result == OM_CONTROL_DONE)
		answer->result = OM_CONTROL_REFUSED;
	om_control_say(answer, answer->result,
		       "libvirt has no migration of it, and its helper does not answer: %.300s",
		       end.answer.text);
}

/* False: it is not known any more. */
static bool look_again(const struct target *target, struct target *now)
{
	*now = (struct target){ .vm = target->vm };
	om_state_each(collect, now);
	return now->known && om_str_eq_nocase(now->state.uuid, target->state.uuid);
}

/* The VM has left this host since; the process that migrates it may tell where it is, soon. */
static bool has_gone(const struct target *target, const struct om_direct_end *end,
		     uint64_t since_epoch_ms, struct om_control_answer *answer)
{
	uint64_t until_ms = om_now_ms() + GONE_LIMIT_MS;
	struct target now;

	if (end->present || !target->known)
		return false;
	while (look_again(target, &now)) {
		if (om_control_went(&now.state, since_epoch_ms, answer))
			return true;
		if (!end->absent || !running(&now) || om_now_ms() >= until_ms)
			break;
		poll(NULL, 0, GONE_STEP_MS);
	}
	return false;
}

static void carry_out(const struct target *target, const struct om_control_request *request,
		      const char *line, struct om_control_answer *answer)
{
	uint64_t since_epoch_ms = om_epoch_ms();
	struct om_direct_end end;
	char domain[128];

	if (*target->ids) {
		om_control_say(answer, OM_CONTROL_REFUSED,
			       "several VMs go by this name: use one of the ids %s", target->ids);
		return;
	}
	if (ask_helper(target, request, line, answer))
		return;
	if (request->verb == OM_CONTROL_SET && running(target)) {
		answer->result = OM_CONTROL_REFUSED;
		return;
	}
	domain_name(target, domain, sizeof(domain));
	om_direct(domain, request, DIRECT_LIMIT_MS, &end);
	if (has_gone(target, &end, since_epoch_ms, answer))
		return;
	if (end.answer.result != OM_CONTROL_NO_SUCH)
		*answer = end.answer;
	else if (running(target))
		say_silent(target, request, answer);
	else
		say_none(target, &end, answer);
}

static int print_answer(const char *vm, const struct om_control_answer *answer)
{
	OM_AUTOFREE char *name = om_xstrdup(vm);
	bool done = answer->result == OM_CONTROL_DONE;

	om_str_sanitize(name);
	fprintf(done ? stdout : stderr, "%sVM %s: %s\n", done ? "" : "onemigrate: ", name,
		answer->text);
	return om_control_exit_status(answer->result);
}

static bool verb_of(const char *name, enum om_control_verb *verb)
{
	for (int i = 0; i < OM_CONTROL_VERB_COUNT; i++)
		if (strcmp(name, om_control_verb_name(i)) == 0) {
			*verb = i;
			return true;
		}
	return false;
}

/* The line for the helper: the verb and the words behind the VM. */
static bool make_line(int argc, char **argv, char *line, size_t size, struct om_err *err)
{
	size_t len = (size_t)snprintf(line, size, "%s", argv[0]);

	for (int i = 2; i < argc; i++) {
		if (strpbrk(argv[i], " \t\n") || len + strlen(argv[i]) + 2 > size)
			return om_err_set(err, OM_E_INPUT, "'%.60s' is no word", argv[i]);
		len += (size_t)snprintf(line + len, size - len, " %s", argv[i]);
	}
	return true;
}

static bool parse_args(int argc, char **argv, struct om_control_request *request, char *line,
		       struct om_err *err)
{
	struct om_clock clock;

	if (argc < 2 || argv[1][0] == '-' || !*argv[1])
		return om_err_set(err, OM_E_INPUT, "which VM?");
	om_clock_local(&clock, om_epoch_ms());
	return make_line(argc, argv, line, OM_CONTROL_LINE_MAX - 1, err) &&
	       om_control_parse(request, line, &clock, err);
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

/* Before the verb's own arguments; for tests. */
static void take_state_dir(int *argc, char **argv)
{
	static const char option[] = "--state-dir=";

	if (*argc < 2 || !om_str_starts(argv[1], option))
		return;
	om_state_dir_override(argv[1] + strlen(option));
	argv[1] = argv[0];
	memmove(argv, argv + 1, (size_t)*argc * sizeof(*argv));
	(*argc)--;
}

int om_cmd_control(int argc, char **argv)
{
	struct om_control_request request;
	struct om_control_answer answer = { 0 };
	static struct target target;
	enum om_control_verb verb;
	char line[OM_CONTROL_LINE_MAX];
	struct om_err err = { 0 };

	if (!verb_of(argv[0], &verb))
		return EXIT_USAGE;
	if (wants_help(argc, argv))
		return printf("%s%s", usages[verb], usage_exit) < 0;
	take_state_dir(&argc, argv);
	if (!parse_args(argc, argv, &request, line, &err)) {
		om_str_sanitize(err.msg);
		fprintf(stderr, "onemigrate: %s; see onemigrate %s --help\n", err.msg,
			om_control_verb_name(verb));
		return EXIT_USAGE;
	}
	target.vm = argv[1];
	om_state_each(collect, &target);
	carry_out(&target, &request, line, &answer);
	return print_answer(argv[1], &answer);
}
