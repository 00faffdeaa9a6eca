/* SPDX-License-Identifier: Apache-2.0 */
#include "direct.h"
#include "om_knob.h"
#include "om_vir.h"
#include "session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 200
#define RESERVE_MS 2000 /* of the limit: for the child to tell what it has seen */

struct job {
	struct om_vir *vir;
	const struct om_control_request *request; /* NULL: only look */
	uint64_t until_ms;
	struct om_side side;
	struct om_direct_end *end;
};

static bool say(struct job *job, enum om_control_result result, const char *text)
{
	return om_control_say(&job->end->answer, result, "%s", text);
}

static void look(struct job *job)
{
	om_vir_side(job->vir, OM_VIR_MON, &job->side);
	job->end->present = job->side.state != OM_SIDE_ABSENT &&
			    job->side.state != OM_SIDE_UNREACHABLE;
	job->end->absent = job->side.state == OM_SIDE_ABSENT;
}

static void wait_for_end(struct job *job)
{
	const char *name;

	for (;;) {
		look(job);
		if (om_control_seen(job->request, &job->side, &job->end->answer))
			return;
		if (om_now_ms() >= job->until_ms)
			break;
		poll(NULL, 0, STEP_MS);
	}
	name = om_side_state_name(job->side.state);
	om_control_say(&job->end->answer, OM_CONTROL_UNPROVEN,
		       "libvirt has taken it, but it is not seen to be so: the VM is %s on this "
		       "host%s",
		       name, job->side.job ? ", with a migration under way" : "");
}

/* libvirt may refuse because it has just ended: how is asked in any case. */
static void cancel(struct job *job)
{
	struct om_err err = { 0 };
	bool taken = om_vir_abort(job->vir, &err);

	wait_for_end(job);
	if (!taken && job->end->present && job->end->answer.result == OM_CONTROL_UNPROVEN)
		say(job, OM_CONTROL_UNPROVEN, err.msg);
}

static void start_postcopy(struct job *job)
{
	struct om_err err = { 0 };

	if (om_vir_start_postcopy(job->vir, &err))
		wait_for_end(job);
	else
		say(job, OM_CONTROL_REFUSED, err.msg);
}

static void pause_guest(struct job *job)
{
	struct om_err err = { 0 };

	if (om_vir_suspend(job->vir, OM_VIR_MON, &err))
		wait_for_end(job);
	else
		say(job, OM_CONTROL_REFUSED, err.msg);
}

/* libvirt takes a guest that is paused before for one that is to stay so on the destination. */
static bool moves(const struct job *job)
{
	struct om_sample sample;

	return om_vir_sample(job->vir, &sample, om_now_ms()) &&
	       (sample.iteration || sample.processed_bytes || sample.disk_processed_bytes);
}

static bool is_possible(struct job *job)
{
	struct om_control_facts facts = om_control_facts_of(&job->side);

	if (job->side.state == OM_SIDE_UNREACHABLE)
		return say(job, OM_CONTROL_UNPROVEN, "libvirt of this host does not answer");
	if (!job->side.job && !facts.postcopy)
		return say(job, OM_CONTROL_NO_SUCH, "libvirt has no outgoing migration of it");
	if (job->request->verb == OM_CONTROL_PAUSE && !facts.postcopy && !moves(job))
		return say(job, OM_CONTROL_REFUSED,
			   "libvirt's migration has not begun yet; nothing was changed");
	return om_control_judge(job->request, &facts, &job->end->answer);
}

static void act(struct job *job)
{
	look(job);
	if (!is_possible(job))
		return;
	switch (job->request->verb) {
	case OM_CONTROL_CANCEL:
		cancel(job);
		break;
	case OM_CONTROL_POSTCOPY:
		start_postcopy(job);
		break;
	case OM_CONTROL_PAUSE:
		pause_guest(job);
		break;
	default:
		say(job, OM_CONTROL_REFUSED,
		    "no helper watches this migration: virsh migrate-setmaxdowntime and "
		    "migrate-setspeed remain");
	}
}

static void work(struct job *job, const char *domain)
{
	const char *uri = getenv("LIBVIRT_URI");
	struct om_err err = { 0 };

	job->vir = om_vir_new(om_str_empty(uri) ? om_knob_table[OM_KNOB_LIBVIRT_URI].def : uri, "");
	if (!om_vir_init(&err) || !om_vir_open(job->vir, OM_VIR_MON, &err))
		say(job, OM_CONTROL_UNPROVEN, err.msg);
	else if (!om_vir_identify(job->vir, domain, &err))
		say(job, OM_CONTROL_NO_SUCH, "there is no such domain on this host");
	else if (job->request)
		act(job);
	else
		wait_for_end(job);
}

_Noreturn static void child(int fd, const char *domain, const struct om_control_request *request,
			    uint32_t limit_ms)
{
	struct om_direct_end end = { 0 };
	struct job job = { .request = request,
			   .until_ms = om_now_ms() + limit_ms - RESERVE_MS,
			   .end = &end };

	work(&job, domain);
	_exit(om_write_all(fd, (const char *)&end, sizeof(end)) ? 0 : 1);
}

/* False: nothing, or not all, came in time. */
static bool read_end(int fd, uint64_t until_ms, struct om_direct_end *end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now;

	do {
		now = om_now_ms();
		if (now >= until_ms)
			return false;
	} while (poll(&p, 1, (int)(until_ms - now)) <= 0);
	return read(fd, end, sizeof(*end)) == (ssize_t)sizeof(*end);
}

static void run(const char *domain, const struct om_control_request *request, uint32_t limit_ms,
		struct om_direct_end *end)
{
	uint64_t until_ms = om_now_ms() + limit_ms;
	int pipe_fd[2];
	pid_t pid;

	memset(end, 0, sizeof(*end));
	om_control_say(&end->answer, OM_CONTROL_UNPROVEN, "libvirt does not answer within %u s",
		       limit_ms / 1000);
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0)
		child(pipe_fd[1], domain, request, limit_ms);
	close(pipe_fd[1]);
	if (pid > 0) {
		struct om_direct_end told;

		if (read_end(pipe_fd[0], until_ms, &told))
			*end = told;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(pipe_fd[0]);
}

void om_direct(const char *domain, const struct om_control_request *request, uint32_t limit_ms,
	       struct om_direct_end *end)
{
	run(domain, request, limit_ms, end);
}

void om_direct_look(const char *domain, uint32_t limit_ms, struct om_direct_end *end)
{
	run(domain, NULL, limit_ms, end);
}
