/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by cmd_status.c and status_watch.c. */
#ifndef OM_STATUS_H
#define OM_STATUS_H

#include "om_state.h"

/* The newest state of each VM that was asked for, those that run before those that have ended, newer
 * ones before older ones. */
struct om_found {
	const char *vm; /* NULL: all */
	struct om_state *v;
	size_t n;
};
struct om_found om_status_find(const char *vm);

/* Says that there is none; the exit status. */
int om_status_none(const char *vm);
void om_status_print_json(const struct om_state *state);
/* For how long nothing was heard of a migration that is said to go on; 0: lately. */
unsigned long long om_status_silent_s(const struct om_state *state);
struct om_state_totals om_status_total(const struct om_state *states, size_t n);

/* status_watch.c: until none runs any more, what begins meanwhile included. Where none runs at the
 * begin, the newest is shown. The exit status. */
int om_status_watch(const char *vm, bool json);

#endif
