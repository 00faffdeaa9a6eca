/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* libvirt's own defaults for peer-to-peer migration (qemu.conf): a dead host is given up after 30 s. */
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 5

bool om_vir_fail(struct om_err *err, enum om_errc code, const char *what)
{
	virErrorPtr last = virGetLastError();

	return om_err_set(err, code, "%s: %s", what,
			  last && last->message ? last->message : "no reason was given");
}

static void ignore_error(void *opaque, virErrorPtr error)
{
	(void)opaque;
	(void)error;
}

static void set_quiet(void)
{
	virSetErrorFunc(NULL, ignore_error);
}

void om_vir_quiet(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_quiet);
}

static void *run_events(void *unused)
{
	(void)unused;
	for (;;)
		if (virEventRunDefaultImpl() < 0)
			usleep(10000);
	return NULL;
}

bool om_vir_init(struct om_err *err)
{
	pthread_t thread;

	if (virInitialize() < 0)
		return om_vir_fail(err, OM_E_STOCK, "libvirt does not start");
	om_vir_quiet();
	if (virEventRegisterDefaultImpl() < 0)
		return om_vir_fail(err, OM_E_STOCK, "libvirt's event loop does not start");
	if (pthread_create(&thread, NULL, run_events, NULL))
		return om_err_set(err, OM_E_STOCK, "no thread for events: %s", strerror(errno));
	pthread_detach(thread);
	return true;
}

struct om_vir *om_vir_new(const char *src_uri, const char *dst_uri)
{
	struct om_vir *vir = om_xcalloc(1, sizeof(*vir));

	vir->open_limit_ms = OM_VIR_OPEN_MS;
	vir->uri[OM_VIR_SRC] = om_xstrdup(src_uri);
	vir->uri[OM_VIR_MON] = om_xstrdup(src_uri);
	vir->uri[OM_VIR_DST] = om_xstrdup(dst_uri);
	vir->events.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&vir->events.lock, NULL);
	return vir;
}

void om_vir_free(struct om_vir *vir)
{
	if (!vir)
		return;
	for (int role = 0; role < OM_VIR_ROLES; role++) {
		om_vir_close(vir, role);
		om_vir_abandon(vir->opening[role]);
		free(vir->uri[role]);
	}
	free(vir->p2p_uri);
	if (vir->events.wake_fd >= 0)
		close(vir->events.wake_fd);
	pthread_mutex_destroy(&vir->events.lock);
	free(vir);
}

struct om_vir_events *om_vir_events(struct om_vir *vir)
{
	return &vir->events;
}

bool om_vir_open(struct om_vir *vir, enum om_vir_role role, struct om_err *err)
{
	om_vir_close(vir, role);
	vir->events.lost[role] = false;
	vir->conn[role] = om_vir_connect(&vir->opening[role], vir->uri[role], vir->open_limit_ms,
					 role == OM_VIR_DST
						 ? "no connection to the destination's libvirt"
						 : "no connection to the source's libvirt",
					 err);
	if (!vir->conn[role]) {
		vir->events.lost[role] = true; /* so that whoever needs it tries again */
		return false;
	}
	vir->opened[role]++;
	/* Not every transport has a keepalive; without it ssh's own notices a dead host. */
	if (virConnectSetKeepAlive(vir->conn[role], KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0)
		virResetLastError();
	om_vir_watch_events(vir, role);
	return true;
}

void om_vir_close(struct om_vir *vir, enum om_vir_role role)
{
	if (!vir->conn[role])
		return;
	om_vir_unwatch_events(vir, role);
	virConnectClose(vir->conn[role]);
	vir->conn[role] = NULL;
}

void om_vir_set_p2p_uri(struct om_vir *vir, const char *uri)
{
	free(vir->p2p_uri);
	vir->p2p_uri = om_xstrdup(uri);
}

virDomainPtr om_vir_lookup(struct om_vir *vir, enum om_vir_role role)
{
	if (!vir->conn[role])
		return NULL;
	return virDomainLookupByUUID(vir->conn[role], vir->uuid);
}

const char *om_vir_uuid(const struct om_vir *vir)
{
	return vir->uuid_text;
}

/* Reads the 32 digits of a UUID, dashes anywhere between bytes. */
static bool parse_uuid(const char *text, unsigned char uuid[VIR_UUID_BUFLEN])
{
	for (int i = 0; i < VIR_UUID_BUFLEN; i++) {
		char digits[3] = { 0 };
		char *end;

		if (*text == '-')
			text++;
		if (!text[0] || !text[1])
			return false;
		memcpy(digits, text, 2);
		uuid[i] = (unsigned char)strtoul(digits, &end, 16);
		if (*end || digits[0] == '+' || digits[0] == '-' || digits[0] == ' ')
			return false;
		text += 2;
	}
	return !*text;
}

static void print_uuid(struct om_vir *vir)
{
	static const char hex[] = "0123456789abcdef";
	char *at = vir->uuid_text;

	for (int i = 0; i < VIR_UUID_BUFLEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex[vir->uuid[i] >> 4];
		*at++ = hex[vir->uuid[i] & 15];
	}
	*at = '\0';
}

bool om_vir_identify(struct om_vir *vir, const char *deploy_id, struct om_err *err)
{
	OM_AUTODOMAIN
	dom = NULL;

	if (!parse_uuid(deploy_id, vir->uuid)) {
		for (int role = 0; role < OM_VIR_ROLES && !dom; role++)
			if (vir->conn[role])
				dom = virDomainLookupByName(vir->conn[role], deploy_id);
		if (!dom)
			return om_vir_fail(err, OM_E_INPUT,
					   vir->conn[OM_VIR_DST] ? "no such domain on either host"
								 : "no such domain on this host");
		if (virDomainGetUUID(dom, vir->uuid) < 0)
			return om_vir_fail(err, OM_E_INPUT, "the domain tells no UUID");
	}
	print_uuid(vir);
	return true;
}
