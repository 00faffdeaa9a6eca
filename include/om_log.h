/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for the driver, on stderr. The rules, because the driver hangs or misfiles otherwise
 * (OpenNebula driver contract, 1.1.3):
 *  - each line is written by one write(2) and ends in a newline, control characters replaced;
 *  - "INFO: migrate: text": the text of a tagged line never begins with a digit, because OpenNebula
 *    7 takes a number there as the id of a VM;
 *  - the only untagged line is the final sentence of a failure (om_log_final);
 *  - no line is "ExitCode: ..." or "ExitSSHCode: ..."; stdout stays empty.
 * Until the migration has ended nothing of this reaches an operator, so live progress goes to the
 * state file and to syslog instead.
 */
#ifndef OM_LOG_H
#define OM_LOG_H

#include <stdbool.h>

enum om_log_level { OM_LOG_ERROR, OM_LOG_WARN, OM_LOG_INFO, OM_LOG_DEBUG, OM_LOG_COUNT };

/* Opens syslog as "onemigrate". `who` ("31 web front 01") is put into syslog lines. Not thread-safe. */
void om_log_open(const char *who);

/* Puts the VM's id behind the tag: "INFO: 31 migrate: text", "INFO: 31 migrate: WARN: text".
 * OpenNebula 7 shows the lines of a successful local action (migrate_local) only so, and those of a
 * remote one twice. */
void om_log_name_vm(const char *vm_id);

/* Of a TM script, likewise: "INFO: 31 premigrate: text", "INFO: 31 WARNING premigrate: text". */
void om_log_name_step(const char *vm_id, const char *step);

/* Any thread. To stderr (DEBUG only where om_log_debug_enable() was called) and to syslog. */
void om_log(enum om_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Any thread. To syslog alone: progress and decisions while the migration runs. */
void om_log_syslog(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The last, untagged line of a failure. */
void om_log_final(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void om_log_debug_enable(bool on);

/* Formats one line by the rules above into `line` (size bytes, newline included); for tests too. */
void om_log_format(char *line, unsigned long size, enum om_log_level level, bool tagged,
		   const char *text);

#endif
