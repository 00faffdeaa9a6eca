/* SPDX-License-Identifier: Apache-2.0 */
/* A libvirt that answers from `fake` and counts. Like the real one it forgets its last error at the
 * beginning of the next call, the freeing of a domain included. One program includes this once. */
#ifndef OM_TEST_VIR_FAKE_H
#define OM_TEST_VIR_FAKE_H

#include "om_cmocka.h"

#include "vir_internal.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

#define FAKE_CONNS 24 /* opened in one test */

struct fake {
	struct {
		int token;
	} conns[FAKE_CONNS], doms[64], moved;
	_Atomic unsigned int opened, closed;
	unsigned int doms_out, doms_in;
	sem_t *hold; /* a connection is opened when it is posted; NULL: at once */
	unsigned int open_calls;
	struct _virError error;
	bool has_error;
	int lookup_code; /* 0: the domain is there */
	int call_code;	 /* 0: calls succeed */
	int call_domain; /* the part of libvirt that fails */
	const char *call_text;
	/* what the last call was given */
	virConnectPtr dconn;
	char uri[128], name[64];
	virTypedParameterPtr params;
	int param_count;
	unsigned int flags;
	unsigned long long number;
	unsigned int migrate3, to_uri3, suspended, resumed, destroyed_gently, destroyed, aborted,
		jobs_asked, postcopies;
	/* what it answers */
	int state, reason, stats_type;
	int operation; /* of the job; negative: not told */
	int job_code;  /* 0: the job's state can be asked */
	bool gentle_fails;
	virConnectDomainEventGenericCallback callbacks[FAKE_CONNS][32];
	void *opaques[FAKE_CONNS][32];
	virFreeCallback frees[FAKE_CONNS][33];
	virConnectCloseFunc on_close[FAKE_CONNS];
	void *close_opaque[FAKE_CONNS];
};

static struct fake fake;

static void fake_error(int code, const char *text)
{
	free(fake.error.message);
	fake.error.domain = VIR_FROM_NONE;
	fake.error.code = code;
	fake.error.message = strdup(text);
	fake.has_error = true;
}

static void fake_forget(void)
{
	fake.has_error = false;
}

static int fake_call(void)
{
	fake_forget();
	if (!fake.call_code)
		return 0;
	fake_error(fake.call_code, fake.call_text ? fake.call_text : "fake");
	fake.error.domain = fake.call_domain;
	return -1;
}

virErrorPtr __wrap_virGetLastError(void)
{
	return fake.has_error ? &fake.error : NULL;
}

int __wrap_virGetLastErrorCode(void)
{
	return fake.has_error ? fake.error.code : 0;
}

void __wrap_virResetLastError(void)
{
	fake_forget();
}

virConnectPtr __wrap_virConnectOpen(const char *uri)
{
	fake.open_calls++;
	if (fake.hold)
		sem_wait(fake.hold);
	if (fake_call() < 0)
		return NULL;
	snprintf(fake.uri, sizeof(fake.uri), "%s", uri);
	assert_true(fake.opened < FAKE_CONNS);
	return (virConnectPtr)&fake.conns[fake.opened++];
}

static size_t fake_conn_index(virConnectPtr conn)
{
	size_t i = (size_t)((char *)conn - (char *)fake.conns) / sizeof(fake.conns[0]);

	assert_true(i < FAKE_CONNS);
	return i;
}

/* A callback that is still registered would keep the real connection open, and its job alive. */
int __wrap_virConnectClose(virConnectPtr conn)
{
	for (size_t id = 0; id < OM_ARRAY_LEN(fake.frees[0]); id++)
		assert_null(fake.frees[fake_conn_index(conn)][id]);
	fake.closed++;
	return 0;
}

int __wrap_virConnectSetKeepAlive(virConnectPtr conn, int interval, unsigned int count)
{
	(void)conn;
	assert_int_equal(interval * (int)(count + 1), 30);
	return 0;
}

int __wrap_virConnectRegisterCloseCallback(virConnectPtr conn, virConnectCloseFunc cb, void *opaque,
					   virFreeCallback freecb)
{
	size_t i = fake_conn_index(conn);

	fake.on_close[i] = cb;
	fake.close_opaque[i] = opaque;
	fake.frees[i][32] = freecb;
	return 0;
}

int __wrap_virConnectUnregisterCloseCallback(virConnectPtr conn, virConnectCloseFunc cb)
{
	size_t i = fake_conn_index(conn);

	if (!cb || cb != fake.on_close[i])
		return -1;
	fake.frees[i][32](fake.close_opaque[i]);
	fake.frees[i][32] = NULL;
	return 0;
}

int __wrap_virConnectDomainEventDeregisterAny(virConnectPtr conn, int id)
{
	size_t i = fake_conn_index(conn);

	assert_non_null(fake.frees[i][id]);
	fake.frees[i][id](fake.opaques[i][id]);
	fake.frees[i][id] = NULL;
	return 0;
}

int __wrap_virConnectDomainEventRegisterAny(virConnectPtr conn, virDomainPtr dom, int id,
					    virConnectDomainEventGenericCallback cb, void *opaque,
					    virFreeCallback freecb)
{
	size_t i = fake_conn_index(conn);

	assert_null(dom);
	fake.callbacks[i][id] = cb;
	fake.opaques[i][id] = opaque;
	fake.frees[i][id] = freecb;
	return id;
}

virDomainPtr __wrap_virDomainLookupByUUID(virConnectPtr conn, const unsigned char *uuid)
{
	fake_forget();
	assert_non_null(conn);
	assert_int_equal(uuid[0], 0x85);
	assert_int_equal(uuid[15], 0xc4);
	if (fake.lookup_code) {
		fake_error(fake.lookup_code, "Domain not found");
		return NULL;
	}
	return (virDomainPtr)&fake.doms[fake.doms_out++ % OM_ARRAY_LEN(fake.doms)];
}

virDomainPtr __wrap_virDomainLookupByName(virConnectPtr conn, const char *name)
{
	fake_forget();
	(void)conn;
	snprintf(fake.name, sizeof(fake.name), "%s", name);
	if (fake.lookup_code) {
		fake_error(fake.lookup_code, "Domain not found");
		return NULL;
	}
	return (virDomainPtr)&fake.doms[fake.doms_out++ % OM_ARRAY_LEN(fake.doms)];
}

int __wrap_virDomainGetUUID(virDomainPtr dom, unsigned char *uuid)
{
	static const unsigned char ours[] = { 0x85, 0xb4, 0xad, 0x9d, 0x6e, 0x6c, 0x4a, 0x1e,
					      0xbb, 0x1c, 0x0c, 0x8a, 0xd1, 0xb1, 0xa4, 0xc4 };

	memcpy(uuid, ours, sizeof(ours));
	if ((void *)dom == (void *)&fake.moved) /* stands for another domain in events */
		uuid[3]++;
	return 0;
}

int __wrap_virDomainFree(virDomainPtr dom)
{
	assert_non_null(dom);
	fake_forget();
	fake.doms_in++;
	return 0;
}

/* A running set-up: three connections, the domain known. */
static struct om_vir *fake_start(void)
{
	struct om_vir *vir;
	struct om_err err;

	free(fake.error.message);
	memset(&fake, 0, sizeof(fake));
	fake.state = VIR_DOMAIN_RUNNING;
	vir = om_vir_new("qemu:///system", "qemu+ssh://node02/system");
	for (int role = 0; role < OM_VIR_ROLES; role++)
		assert_true(om_vir_open(vir, role, &err));
	assert_true(om_vir_identify(vir, UUID, &err));
	return vir;
}

/* Every domain that was handed out has come back, every connection is closed. */
static void fake_end(struct om_vir *vir)
{
	om_vir_free(vir);
	assert_int_equal(fake.doms_out, fake.doms_in);
	assert_int_equal(fake.opened, fake.closed);
	virTypedParamsFree(fake.params, fake.param_count);
	free(fake.error.message);
	memset(&fake, 0, sizeof(fake));
}

#endif
