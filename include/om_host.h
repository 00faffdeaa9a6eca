/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the source host can answer or keep: its resolver and routes, the lock of the VM, the
 * state file. Run there, they are calls; run from the front-end (migrate_local) they go over one
 * ssh to `onemigrate attend` on the source, and what cannot be asked is "not checked".
 */
#ifndef OM_HOST_H
#define OM_HOST_H

#include "om_addr.h"
#include "om_net.h"
#include "om_state.h"

struct om_host_ops {
	void *ctx;
	bool (*resolve)(void *ctx, const char *name, struct om_addr *addr, struct om_err *err);
	bool (*route)(void *ctx, const struct om_addr *addr, struct om_route *route,
		      struct om_err *err);
	enum om_answer (*probe)(void *ctx, const struct om_addr *addr, char *why, size_t why_size);
	/* Waits for another migration of the same VM; false: stopped, or no place for the lock. */
	bool (*lock)(void *ctx, const char *uuid, const volatile int *stop, struct om_err *err);
	void (*state)(void *ctx,
		      const struct om_state *state); /* main thread; never blocks for long */
	bool available;				     /* false: nothing above can be asked */
};

/* A port outside of the migration range, on which a refusal is as good an answer as any. */
#define OM_HOST_PROBE_PORT 9 /* discard, RFC 863 */
#define OM_HOST_PROBE_MS 1000

void om_host_local(struct om_host_ops *ops);
/* Starts the ssh; where that fails ops->available is false and `err` says why. `command` is what
 * runs on the source. */
void om_host_remote(struct om_host_ops *ops, const char *host, struct om_err *err);

/* The other end of om_host_remote: serves questions on stdin until it ends. Exit status. */
int om_host_attend(void);

#endif
