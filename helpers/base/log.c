/* SPDX-License-Identifier: Apache-2.0 */
#include "om_log.h"

#include "om_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define TEXT_SIZE 1024

static const struct {
	const char *tag, *word;
	int priority;
} levels[OM_LOG_COUNT] = {
	[OM_LOG_ERROR] = { "ERROR", "ERROR", LOG_ERR },
	[OM_LOG_WARN] = { "WARN", "WARNING", LOG_WARNING },
	[OM_LOG_INFO] = { "INFO", "INFO", LOG_INFO },
	[OM_LOG_DEBUG] = { "DEBUG", "DEBUG", LOG_DEBUG },
};

static struct {
	char who[128];
	char vm_id[16]; /* behind the tag; with its blank */
	char step[16];	/* of a TM script; "" = migrate */
	bool syslog, debug;
} state;

void om_log_open(const char *who)
{
	om_str_copy(state.who, sizeof(state.who), who);
	om_str_sanitize(state.who);
	openlog("onemigrate", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	state.syslog = true;
}

void om_log_name_vm(const char *vm_id)
{
	uint64_t number;

	if (om_parse_u64(vm_id, 0, UINT32_MAX, &number))
		snprintf(state.vm_id, sizeof(state.vm_id), "%u ", (unsigned int)number);
}

void om_log_name_step(const char *vm_id, const char *step)
{
	om_log_name_vm(vm_id);
	om_str_copy(state.step, sizeof(state.step), step);
}

void om_log_debug_enable(bool on)
{
	state.debug = on;
}

void om_log_format(char *line, unsigned long size, enum om_log_level level, bool tagged,
		   const char *text)
{
	char clean[TEXT_SIZE];

	om_str_copy(clean, sizeof(clean), text);
	om_str_sanitize(clean);
	/* "migrate:" stands before the text, so that no digit of it is where OpenNebula takes the
	 * id of a VM; an untagged text must not begin with '-', which oned drops, nor be a marker.
	 * Of a local action that succeeds, lines `INFO: <id> ` alone are passed on: a warning is
	 * one of them. */
	if (tagged && *state.step)
		snprintf(line, size - 1, "INFO: %s%s%s%s: %s", state.vm_id,
			 level == OM_LOG_INFO ? "" : levels[level].word,
			 level == OM_LOG_INFO ? "" : " ", state.step, clean);
	else if (tagged && state.vm_id[0] && level != OM_LOG_INFO)
		snprintf(line, size - 1, "INFO: %smigrate: %s: %s", state.vm_id, levels[level].tag,
			 clean);
	else if (tagged)
		snprintf(line, size - 1, "%s: %smigrate: %s", levels[level].tag, state.vm_id,
			 clean);
	else if (*clean == '-' || om_str_starts(clean, "ExitCode:") ||
		 om_str_starts(clean, "ExitSSHCode:"))
		snprintf(line, size - 1, "Message: %s", clean);
	else
		snprintf(line, size - 1, "%s", clean);
	memcpy(line + strlen(line), "\n", 2);
}

static void write_line(const char *line)
{
	/* A closed reader is noticed by the supervisor; here it is no error (SIGPIPE is ignored). */
	if (!om_write_all(STDERR_FILENO, line, strlen(line)))
		return;
}

void om_log(enum om_log_level level, const char *fmt, ...)
{
	char text[TEXT_SIZE], line[TEXT_SIZE + 64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	om_str_sanitize(text);
	if (state.syslog)
		syslog(levels[level].priority, "[%s] %s", state.who, text);
	if (level == OM_LOG_DEBUG && !state.debug)
		return;
	om_log_format(line, sizeof(line), level, true, text);
	write_line(line);
}

void om_log_syslog(const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	if (!state.syslog)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	om_str_sanitize(text);
	syslog(LOG_INFO, "[%s] %s", state.who, text);
}

void om_log_final(const char *fmt, ...)
{
	char text[TEXT_SIZE], line[TEXT_SIZE + 64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	om_str_sanitize(text);
	if (state.syslog)
		syslog(LOG_ERR, "[%s] %s", state.who, text);
	om_log_format(line, sizeof(line), OM_LOG_ERROR, false, text);
	write_line(line);
}
