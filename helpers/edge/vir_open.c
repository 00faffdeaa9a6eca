/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a connection with a limit of time, which libvirt has not: its keepalive begins when there
 * is a connection, and a daemon that hangs takes one and never says a word. The call is made in a
 * thread of its own; one that does not come back is left behind, and asked for again later.
 */
#include "vir_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct om_vir_opening {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *uri;
	const char *what;
	struct timespec until;
	bool ended;	/* the fields below hold */
	bool abandoned; /* nobody will ask: whoever ends frees it */
	virConnectPtr conn;
	struct om_err err;
};

static struct om_vir_opening *new_opening(const char *uri, const char *what, uint32_t limit_ms)
{
	struct om_vir_opening *o = om_xcalloc(1, sizeof(*o));
	pthread_condattr_t attr;

	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->changed, &attr);
	pthread_condattr_destroy(&attr);
	o->uri = om_xstrdup(uri);
	o->what = what;
	clock_gettime(CLOCK_MONOTONIC, &o->until);
	o->until.tv_sec += limit_ms / 1000;
	o->until.tv_nsec += (long)(limit_ms % 1000) * 1000000;
	if (o->until.tv_nsec >= 1000000000) {
		o->until.tv_sec++;
		o->until.tv_nsec -= 1000000000;
	}
	return o;
}

static void free_opening(struct om_vir_opening *o)
{
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->changed);
	free(o->uri);
	free(o);
}

static void drop(struct om_vir_opening *o)
{
	if (o->conn)
		virConnectClose(o->conn);
	free_opening(o);
}

/* True: nobody waits for it any more. */
static bool open_it(struct om_vir_opening *o)
{
	virConnectPtr conn = virConnectOpen(o->uri);
	struct om_err err = { 0 };
	bool abandoned;

	if (!conn)
		om_vir_fail(&err, OM_E_INPUT, o->what);
	pthread_mutex_lock(&o->lock);
	o->conn = conn;
	o->err = err;
	o->ended = true;
	abandoned = o->abandoned;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->lock);
	return abandoned;
}

static void *run(void *arg)
{
	if (open_it(arg))
		drop(arg);
	return NULL;
}

/* Without a thread it is opened all the same, and waited for. */
static void start(struct om_vir_opening *o)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, o) == 0)
		pthread_detach(thread);
	else
		open_it(o);
}

static bool wait_for(struct om_vir_opening *o)
{
	bool ended;

	pthread_mutex_lock(&o->lock);
	while (!o->ended && pthread_cond_timedwait(&o->changed, &o->lock, &o->until) != ETIMEDOUT)
		;
	ended = o->ended;
	pthread_mutex_unlock(&o->lock);
	return ended;
}

virConnectPtr om_vir_connect(struct om_vir_opening **pending, const char *uri, uint32_t limit_ms,
			     const char *what, struct om_err *err)
{
	struct om_vir_opening *o = *pending;
	virConnectPtr conn;

	if (!o) {
		*pending = o = new_opening(uri, what, limit_ms);
		start(o);
	}
	if (!wait_for(o)) {
		om_err_set(err, OM_E_INPUT, "%s: it does not answer within %u s", what,
			   (limit_ms + 999) / 1000);
		return NULL;
	}
	conn = o->conn;
	if (!conn)
		*err = o->err;
	free_opening(o);
	*pending = NULL;
	return conn;
}

void om_vir_abandon(struct om_vir_opening *o)
{
	bool ended;

	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->abandoned = true;
	ended = o->ended;
	pthread_mutex_unlock(&o->lock);
	if (ended)
		drop(o);
}
