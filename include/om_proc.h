/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs, started from an argv array: no shell of ours ever sees a value. */
#ifndef OM_PROC_H
#define OM_PROC_H

#include "om_err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The words that precede a host: ssh, never asking, noticing a dead host, no shared connection
 * (its socket would outlive us and the forwarded agent). NULL-terminated. */
extern const char *const om_proc_ssh[];
#define OM_PROC_SSH_WORDS 24
/* Those words, `host` and one remote command, NULL-terminated. */
void om_proc_ssh_words(const char *argv[OM_PROC_SSH_WORDS], const char *host, const char *command);

/*
 * Runs argv with /dev/null as stdin and returns what it printed, cut at size - 1. False: it could
 * not be started, did not end in time (it is killed), or ended with another status than 0; the
 * message ends with the last line of its stderr. Any thread.
 */
bool om_proc_capture(const char *const argv[], uint32_t timeout_ms, char *out, size_t size,
		     struct om_err *err) OM_MUST_CHECK;

/* The same, by om_proc_ssh_words(). The command is fixed text of ours: a shell reads it there. */
bool om_proc_ssh_capture(const char *host, const char *command, uint32_t timeout_ms, char *out,
			 size_t size, struct om_err *err) OM_MUST_CHECK;

/* Starts argv in a session of its own; its stdin is *to (write end), its stdout *from, or
 * /dev/null where from is NULL; stderr /dev/null. Returns its id, or -1. */
pid_t om_proc_start(const char *const argv[], int *to, int *from);
/* The same, with stderr in *from too; `to` NULL: /dev/null as stdin. errno says why it fails. */
pid_t om_proc_start_all(const char *const argv[], int *to, int *from);

/* The same, with stderr in *errors, in the session of this process: a terminal's ^C ends both. */
pid_t om_proc_start_apart(const char *const argv[], int *to, int *from, int *errors);

/* Directory of this program's own file, without a final slash; false where unknown. */
bool om_proc_own_dir(char *dir, size_t size) OM_MUST_CHECK;

#endif
