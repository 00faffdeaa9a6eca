/* SPDX-License-Identifier: Apache-2.0 */
#include "om_agent.h"

#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBVIRT_LIMIT_S 4
#define NUMBER_DIGITS_MAX 15

static void print(char *line, size_t size, const char *uuid, const char *command)
{
	snprintf(line, size, "qemu-agent-command %s --timeout %d '%s'\n", uuid, LIBVIRT_LIMIT_S,
		 command);
}

void om_agent_print_exec(char *line, size_t size, const char *uuid, enum om_agent_word word)
{
	char command[200];

	snprintf(command, sizeof(command),
		 "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"" OM_AGENT_PROGRAM
		 "\",\"arg\":[\"%s\"]}}",
		 word == OM_AGENT_BEFORE ? "before" : "after");
	print(line, size, uuid, command);
}

void om_agent_print_status(char *line, size_t size, const char *uuid, uint64_t pid)
{
	char command[200];

	snprintf(command, sizeof(command),
		 "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":%llu}}",
		 (unsigned long long)pid);
	print(line, size, uuid, command);
}

/* The line that was sent may be in it too; it has neither of these words. */
enum om_agent_reply om_agent_find_reply(const char *printed, const char **reply)
{
	const char *good = strstr(printed, "{\"return\""), *bad = strstr(printed, "error: ");

	*reply = bad ? bad + strlen("error: ") : good;
	if (!*reply || !strchr(*reply, '\n'))
		return OM_AGENT_NOTHING_YET;
	return bad ? OM_AGENT_ERROR : OM_AGENT_REPLY;
}

/* What stands behind "name":, or NULL. */
static const char *member(const char *reply, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\"", name);
	at = strstr(reply, key);
	if (!at)
		return NULL;
	at += strlen(key);
	at += strspn(at, " ");
	if (*at++ != ':')
		return NULL;
	return at + strspn(at, " ");
}

static bool number(const char *at, uint64_t *value)
{
	size_t digits = at ? strspn(at, "0123456789") : 0;

	if (!digits || digits > NUMBER_DIGITS_MAX)
		return false;
	*value = strtoull(at, NULL, 10);
	return true;
}

bool om_agent_parse_pid(const char *reply, uint64_t *pid)
{
	return number(member(reply, "pid"), pid);
}

bool om_agent_parse_status(const char *reply, bool *ended, uint64_t *status)
{
	const char *exited = member(reply, "exited");

	if (!exited)
		return false;
	*ended = om_str_starts(exited, "true");
	if (!*ended)
		return om_str_starts(exited, "false");
	/* Ended by a signal it has no exit code. */
	return number(member(reply, "exitcode"), status) || number(member(reply, "signal"), status);
}
