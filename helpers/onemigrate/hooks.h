/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's end of the hooks. They are run by a process of their own, `onemigrate hooks`, which
 * is there when the working process is not any more: it ends a hook whose migration was cancelled,
 * tells the operator's later hooks of the end, and removes the files.
 *
 * Words to it, one a line: pre, switched, post, failed. From it: "I text" and "W text" for the log,
 * and after pre "= " or "= sentence" of a failure.
 */
#ifndef OM_HOOKS_H
#define OM_HOOKS_H

#include "om_hook.h"
#include "om_outcome.h"

#include <stdatomic.h>

struct om_session;

struct om_hooks {
	int to, from; /* of the process; -1 = none is there */
	struct om_hook_files files;
	bool switched;	  /* told */
	atomic_bool over; /* the last word was said */
	char spare[1024]; /* read and not yet a line */
	size_t spare_len;
};

/* Runs the hooks of `pre`. What they make of the domain is in each attempt of the plan afterwards.
 * False: the migration ends here, with nothing touched. */
bool om_hooks_pre(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
void om_hooks_switched(struct om_session *s);
/* Says how it has ended; nothing is waited for. */
void om_hooks_end(struct om_session *s, enum om_verdict verdict);
/* Hears what they print, for a moment; who is not ready then goes on, and prints to syslog. */
void om_hooks_wait(struct om_session *s);
/* Main thread, last of all: what was cancelled before anything was touched has failed. */
void om_hooks_leave(struct om_session *s);

#endif
