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
	const char *tag;
	int priority;
} levels[OM_LOG_COUNT] = {
	[OM_LOG_ERROR] = { "ERROR: migrate: ", LOG_ERR },
	[OM_LOG_WARN] = { "WARN: migrate: ", LOG_WARNING },
	[OM_LOG_INFO] = { "INFO: migrate: ", LOG_INFO },
	[OM_LOG_DEBUG] = { "DEBUG: migrate: ", LOG_DEBUG },
};

static struct {
	char who[128];
	bool syslog, debug;
} state;

void om_log_open(const char *who)
{
	om_str_copy(state.who, sizeof(state.who), who);
	om_str_sanitize(state.who);
	openlog("onemigrate", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	state.syslog = true;
}

void om_log_debug_enable(bool on)
{
	state.debug = on;
}

void om_log_format(char *line, unsigned long size, enum om_log_level level, bool tagged,
		   const char *text)
{
	char clean[TEXT_SIZE];
	const char *tag = tagged ? levels[level].tag : "";

	om_str_copy(clean, sizeof(clean), text);
	om_str_sanitize(clean);
	/* The tag ends in a word, so that no digit of the text stands where OpenNebula takes a VM
	 * id; an untagged text must not begin with '-', which oned drops, nor with a marker. */
	if (!tagged && (*clean == '-' || om_str_starts(clean, "ExitCode:") ||
			om_str_starts(clean, "ExitSSHCode:")))
		tag = "Message: ";
	snprintf(line, size - 1, "%s%s", tag, clean);
	memcpy(line + strlen(line), "\n", 2);
}

static void write_line(const char *line)
{
	size_t len = strlen(line);

	/* A closed reader is noticed by the supervisor; here it is no error (SIGPIPE is ignored). */
	while (len) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
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
