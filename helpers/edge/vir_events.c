/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks only note and wake: they run in the event loop's thread, and a libvirt call from there
 * would stop the loop that has to read the answer. */
#include "vir_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a callback needs to know of its connection. */
struct watched {
	struct om_vir *vir;
	enum om_vir_role role;
};

static void wake(struct om_vir *vir)
{
	uint64_t one = 1;

	if (write(vir->events.wake_fd, &one, sizeof(one)) < 0)
		return; /* full: the reader is awake already */
}

static bool is_ours(struct om_vir *vir, virDomainPtr dom)
{
	unsigned char uuid[VIR_UUID_BUFLEN];

	return virDomainGetUUID(dom, uuid) == 0 && !memcmp(uuid, vir->uuid, sizeof(uuid));
}

static void note_source(struct om_vir_events *events, int event, int detail)
{
	if (event == VIR_DOMAIN_EVENT_RESUMED)
		events->source_paused = false;
	if (event != VIR_DOMAIN_EVENT_SUSPENDED)
		return;
	if (detail == VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)
		events->source_paused = true;
	if (detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED)
		events->source_stopped = true;
	if (detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY)
		events->source_postcopy = true;
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
	struct watched *w = opaque;

	(void)conn;
	if (!is_ours(w->vir, dom))
		return 0;
	if (w->role == OM_VIR_DST && event == VIR_DOMAIN_EVENT_RESUMED)
		w->vir->events.dest_resumed = true;
	if (w->role == OM_VIR_MON)
		note_source(&w->vir->events, event, detail);
	wake(w->vir);
	return 0;
}

static void on_iteration(virConnectPtr conn, virDomainPtr dom, int iteration, void *opaque)
{
	struct watched *w = opaque;

	(void)conn;
	if (!is_ours(w->vir, dom) || iteration < 0)
		return;
	if ((unsigned int)iteration > w->vir->events.iteration)
		w->vir->events.iteration = (unsigned int)iteration;
	wake(w->vir);
}

static void on_completed(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params,
			 int count, void *opaque)
{
	struct watched *w = opaque;

	(void)conn;
	if (!is_ours(w->vir, dom))
		return;
	pthread_mutex_lock(&w->vir->events.lock);
	om_vir_read_completed(&w->vir->events.completed, params, count);
	pthread_mutex_unlock(&w->vir->events.lock);
	wake(w->vir);
}

static void on_closed(virConnectPtr conn, int reason, void *opaque)
{
	struct watched *w = opaque;

	(void)conn;
	if (reason == VIR_CONNECT_CLOSE_REASON_CLIENT)
		return;
	w->vir->events.lost[w->role] = true;
	wake(w->vir);
}

void om_vir_events_reset(struct om_vir *vir)
{
	struct om_vir_events *events = &vir->events;

	events->iteration = 0;
	events->source_stopped = events->source_postcopy = events->dest_resumed = false;
	events->source_paused = false;
	pthread_mutex_lock(&events->lock);
	memset(&events->completed, 0, sizeof(events->completed));
	pthread_mutex_unlock(&events->lock);
}

static struct watched *watched(struct om_vir *vir, enum om_vir_role role)
{
	struct watched *w = om_xcalloc(1, sizeof(*w));

	w->vir = vir;
	w->role = role;
	return w;
}

static void subscribe(struct om_vir *vir, enum om_vir_role role, int id,
		      virConnectDomainEventGenericCallback fn)
{
	struct watched *w = watched(vir, role);
	int callback = virConnectDomainEventRegisterAny(vir->conn[role], NULL, id, fn, w, free);

	/* Without events the samples still tell everything, later. */
	if (callback < 0) {
		free(w);
		virResetLastError();
		return;
	}
	for (int i = 0; i < OM_VIR_CALLBACKS_MAX; i++)
		if (!vir->callbacks[role][i]) {
			vir->callbacks[role][i] = callback + 1;
			return;
		}
}

void om_vir_unwatch_events(struct om_vir *vir, enum om_vir_role role)
{
	for (int i = 0; i < OM_VIR_CALLBACKS_MAX; i++) {
		if (vir->callbacks[role][i])
			virConnectDomainEventDeregisterAny(vir->conn[role],
							   vir->callbacks[role][i] - 1);
		vir->callbacks[role][i] = 0;
	}
	virConnectUnregisterCloseCallback(vir->conn[role], on_closed);
	virResetLastError();
}

void om_vir_watch_events(struct om_vir *vir, enum om_vir_role role)
{
	struct watched *w = watched(vir, role);

	if (virConnectRegisterCloseCallback(vir->conn[role], on_closed, w, free) < 0) {
		free(w);
		virResetLastError();
	}
	if (role == OM_VIR_SRC) /* held by the migration call; the monitor sees the same events */
		return;
	subscribe(vir, role, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
		  VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle));
	if (role != OM_VIR_MON)
		return;
	subscribe(vir, role, VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
		  VIR_DOMAIN_EVENT_CALLBACK(on_iteration));
	subscribe(vir, role, VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
		  VIR_DOMAIN_EVENT_CALLBACK(on_completed));
}
