/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by edge/vir_*.c alone. */
#ifndef OM_VIR_INTERNAL_H
#define OM_VIR_INTERNAL_H

#include "om_vir.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* Since libvirt 8.5; Ubuntu 22.04 and EL 8 build with 8.0 and may yet talk to a newer daemon. */
#if !LIBVIR_CHECK_VERSION(8, 5, 0)
#define VIR_MIGRATE_ZEROCOPY (1 << 20)
#define VIR_DOMAIN_RUNNING_POSTCOPY_FAILED 11
#endif

#define OM_VIR_CALLBACKS_MAX 4

#define OM_VIR_OPEN_MS 60000

struct om_vir_opening;
struct om_vir {
	virConnectPtr conn[OM_VIR_ROLES];
	struct om_vir_opening *opening[OM_VIR_ROLES]; /* that did not end in time; NULL: none */
	uint32_t open_limit_ms;
	char *uri[OM_VIR_ROLES];
	char *p2p_uri;
	unsigned char uuid[VIR_UUID_BUFLEN];
	char uuid_text[VIR_UUID_STRING_BUFLEN];
	unsigned int opened[OM_VIR_ROLES]; /* how often */
	struct om_vir_events events;
	int callbacks[OM_VIR_ROLES][OM_VIR_CALLBACKS_MAX]; /* registered ids + 1; 0 = none */
};

/* Turns libvirt's last error of this thread into an om_err, at once: it is lost at the next call. */
bool om_vir_fail(struct om_err *err, enum om_errc code, const char *what);

static inline void om_vir_domain_unref_(virDomainPtr *dom)
{
	if (*dom)
		virDomainFree(*dom);
}
#define OM_AUTODOMAIN __attribute__((cleanup(om_vir_domain_unref_))) virDomainPtr

/*
 * Opens a connection, or goes on waiting for the one in *pending, limit_ms after its begin at the
 * latest; NULL: `what` and why in err, and *pending where that is still to come. No two threads at a
 * time with one *pending.
 */
virConnectPtr om_vir_connect(struct om_vir_opening **pending, const char *uri, uint32_t limit_ms,
			     const char *what, struct om_err *err);
/* Nobody waits for it any more; it closes what it opens. */
void om_vir_abandon(struct om_vir_opening *opening);

/* The domain over that role's connection, or NULL; the caller frees it by OM_AUTODOMAIN. */
virDomainPtr om_vir_lookup(struct om_vir *vir, enum om_vir_role role);

/* What a domain's state is taken for, asked at once after the look-up that gave `dom` (NULL: it found
 * none): UNREACHABLE where the answer is anything but a state or "no such domain". */
enum om_side_state om_vir_state_of(virDomainPtr dom);

/* 0 = not known. */
void om_vir_versions_of(virConnectPtr conn, uint64_t *libvirt, uint64_t *qemu);

/* Keeps libvirt from printing its errors; whatever opens a connection comes after it. Any thread. */
void om_vir_quiet(void);

/* Registers the events of this connection. Each callback holds a reference to it, so that nothing
 * is closed, and no leaked job is released, before all are unregistered. */
void om_vir_watch_events(struct om_vir *vir, enum om_vir_role role);
void om_vir_unwatch_events(struct om_vir *vir, enum om_vir_role role);

/* Copies what a list of job statistics says. */
void om_vir_read_completed(struct om_vir_completed *completed, virTypedParameterPtr params,
			   int count);

#endif
