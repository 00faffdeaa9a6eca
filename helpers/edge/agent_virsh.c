/* SPDX-License-Identifier: Apache-2.0 */
/* virsh(1) as the way to the guest's agent: libvirt's own call for it is in a library that is not
 * linked, and a process can be given up at any time. */
#include "om_agent.h"

#include "om_proc.h"
#include "om_text.h"
#include "om_util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRINTED_MAX 8192
#define STATUS_EVERY_MS 200

struct talk {
	struct om_agent *agent;
	uint64_t deadline_ms;
	int stop_fd;
	char printed[PRINTED_MAX];
	const char *reply; /* in `printed` */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool om_agent_open(struct om_agent *agent, const char *uri)
{
	/* Its words are looked at, and its line is not to be wrapped. */
	const char *argv[] = { "env", "LC_ALL=C", "TERM=dumb", "virsh", "-q", "-c", uri, NULL };

	agent->pid = om_proc_start_all(argv, &agent->to, &agent->from);
	if (agent->pid < 0)
		agent->pid = 0;
	return agent->pid;
}

void om_agent_close(struct om_agent *agent)
{
	if (!agent->pid)
		return;
	close(agent->to);
	close(agent->from);
	kill(-agent->pid, SIGKILL);
	while (waitpid(agent->pid, NULL, 0) < 0 && errno == EINTR)
		;
	agent->pid = 0;
}

/* False: the time is over, or it is to stop. */
static bool wait_for(struct talk *talk, int fd, uint32_t ms)
{
	uint64_t now = now_ms();
	uint64_t left = talk->deadline_ms > now ? talk->deadline_ms - now : 0;
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = talk->stop_fd, .events = POLLIN } };

	poll(fds, 2, (int)(left < ms ? left : ms));
	return !fds[1].revents && now_ms() < talk->deadline_ms;
}

static bool read_reply(struct talk *talk, struct om_err *err)
{
	enum om_agent_reply kind = OM_AGENT_NOTHING_YET;
	size_t len = 0;
	char text[300];
	struct om_text to = { .text = text, .size = sizeof(text) };

	while (kind == OM_AGENT_NOTHING_YET) {
		ssize_t n;

		if (!wait_for(talk, talk->agent->from, OM_AGENT_LIMIT_MS))
			return om_err_set(err, OM_E_REFUSED, "its agent did not answer in time");
		n = read(talk->agent->from, talk->printed + len, PRINTED_MAX - 1 - len);
		if (n <= 0)
			return om_err_set(err, OM_E_REFUSED, "virsh has no connection");
		len += (size_t)n;
		talk->printed[len] = '\0';
		kind = om_agent_find_reply(talk->printed, &talk->reply);
	}
	talk->printed[strcspn(talk->reply, "\n") + (size_t)(talk->reply - talk->printed)] = '\0';
	om_text_add_clean(&to, talk->reply);
	return kind == OM_AGENT_REPLY || om_err_set(err, OM_E_REFUSED, "%s", text);
}

static bool ask(struct talk *talk, const char *line, struct om_err *err)
{
	if (!om_write_all(talk->agent->to, line, strlen(line)))
		return om_err_set(err, OM_E_REFUSED, "virsh has ended");
	return read_reply(talk, err);
}

static void wait_for_end(struct talk *talk, const char *uuid, uint64_t pid, struct om_err *err)
{
	uint64_t status = 0;
	bool ended = false;
	char line[400];

	om_agent_print_status(line, sizeof(line), uuid, pid);
	while (!ended) {
		if (!ask(talk, line, err))
			return;
		if (!om_agent_parse_status(talk->reply, &ended, &status)) {
			om_err_set(err, OM_E_REFUSED, "its agent's answer is not understood");
			return;
		}
		if (!ended && !wait_for(talk, -1, STATUS_EVERY_MS)) {
			om_err_set(err, OM_E_REFUSED, "its program is not waited for any longer");
			return;
		}
	}
	if (status)
		om_err_set(err, OM_E_REFUSED, "its program ended with status %llu",
			   (unsigned long long)status);
}

bool om_agent_tell(struct om_agent *agent, const char *uuid, enum om_agent_word word, int stop_fd,
		   struct om_err *err)
{
	struct talk talk = { .agent = agent,
			     .deadline_ms = now_ms() + OM_AGENT_LIMIT_MS,
			     .stop_fd = stop_fd };
	char line[400];
	uint64_t pid;

	*err = (struct om_err){ 0 };
	if (!agent->pid)
		return om_err_set(err, OM_E_REFUSED, "virsh cannot be started");
	om_agent_print_exec(line, sizeof(line), uuid, word);
	if (!ask(&talk, line, err))
		return false;
	if (!om_agent_parse_pid(talk.reply, &pid))
		return om_err_set(err, OM_E_REFUSED, "its agent's answer is not understood");
	if (word == OM_AGENT_BEFORE)
		wait_for_end(&talk, uuid, pid, err);
	return true;
}
