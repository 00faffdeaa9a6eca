/* SPDX-License-Identifier: Apache-2.0 */
#include "om_history.h"
#include "om_host.h"

#include <string.h>

/* One migration per process: one lock, one state directory. */
static struct {
	int dirfd, lock_fd;
	bool tried;
} own = { .dirfd = -1, .lock_fd = -1 };

static int state_dir(struct om_err *err)
{
	if (!own.tried)
		own.dirfd = om_state_dir_open(true, err);
	else if (own.dirfd < 0)
		om_err_set(err, OM_E_INPUT, "there is no directory for the state file");
	own.tried = true;
	return own.dirfd;
}

static bool resolve(void *ctx, const char *name, struct om_addr *addr, struct om_err *err)
{
	size_t count = 0;

	(void)ctx;
	return om_net_resolve(name, addr, 1, &count, err);
}

static bool route(void *ctx, const struct om_addr *addr, struct om_route *found, struct om_err *err)
{
	(void)ctx;
	return om_net_route(addr, found, err);
}

static enum om_answer probe(void *ctx, const struct om_addr *addr, char *why, size_t why_size)
{
	(void)ctx;
	return om_net_probe(addr, OM_HOST_PROBE_PORT, OM_HOST_PROBE_MS, why, why_size);
}

static bool lock(void *ctx, const char *uuid, const volatile int *stop, struct om_err *err)
{
	(void)ctx;
	if (state_dir(err) < 0)
		return false;
	own.lock_fd = om_state_lock(own.dirfd, uuid, UINT32_MAX, stop, err);
	return own.lock_fd >= 0;
}

static void write_state(void *ctx, const struct om_state *state)
{
	struct om_err ignored;

	(void)ctx;
	/* A full disk is no reason to end a migration. */
	if (state_dir(&ignored) >= 0)
		(void)om_state_write(own.dirfd, state);
	if (om_history_due(state))
		(void)om_history_append(state);
}

void om_host_local(struct om_host_ops *ops)
{
	*ops = (struct om_host_ops){ .resolve = resolve,
				     .route = route,
				     .probe = probe,
				     .lock = lock,
				     .state = write_state,
				     .available = true };
}
