/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include <string.h>

static uint64_t get_u64(virTypedParameterPtr params, int count, const char *name)
{
	unsigned long long value = 0;

	if (virTypedParamsGetULLong(params, count, name, &value) < 0)
		virResetLastError();
	return value;
}

static uint32_t get_int(virTypedParameterPtr params, int count, const char *name)
{
	int value = 0;

	if (virTypedParamsGetInt(params, count, name, &value) < 0)
		virResetLastError();
	return value > 0 ? (uint32_t)value : 0;
}

/* What xbzrle encoded QEMU does not count among the normal pages. */
static uint64_t get_guest_bytes(virTypedParameterPtr params, int count)
{
	uint64_t page = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE);

	return get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES) +
	       get_u64(params, count, VIR_DOMAIN_JOB_COMPRESSION_PAGES) * (page ? page : 4096);
}

static void read_sample(struct om_sample *s, virTypedParameterPtr params, int count)
{
	uint64_t page = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE);

	s->elapsed_ms = get_u64(params, count, VIR_DOMAIN_JOB_TIME_ELAPSED);
	s->processed_bytes = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_PROCESSED);
	s->remaining_bytes = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_REMAINING);
	s->total_bytes = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_TOTAL);
	s->disk_processed_bytes = get_u64(params, count, VIR_DOMAIN_JOB_DISK_PROCESSED);
	s->disk_remaining_bytes = get_u64(params, count, VIR_DOMAIN_JOB_DISK_REMAINING);
	s->disk_total_bytes = get_u64(params, count, VIR_DOMAIN_JOB_DISK_TOTAL);
	s->guest_bytes = get_guest_bytes(params, count);
	s->rate_bytes_ps = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_BPS);
	s->dirty_bytes_ps = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE) *
			    (page ? page : 4096);
	s->iteration = (uint32_t)get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_ITERATION);
	s->throttle_percent = get_int(params, count, VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE);
}

bool om_vir_sample(struct om_vir *vir, struct om_sample *sample, uint64_t now_ms)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);
	virTypedParameterPtr params = NULL;
	int type, count = 0;

	memset(sample, 0, sizeof(*sample));
	if (!dom || virDomainGetJobStats(dom, &type, &params, &count, 0) < 0)
		return false;
	if (type == VIR_DOMAIN_JOB_UNBOUNDED || type == VIR_DOMAIN_JOB_BOUNDED)
		read_sample(sample, params, count);
	virTypedParamsFree(params, count);
	sample->now_ms = now_ms;
	sample->postcopy = vir->events.source_postcopy;
	sample->paused = vir->events.source_paused;
	sample->stopped = vir->events.source_stopped && !sample->postcopy;
	return type == VIR_DOMAIN_JOB_UNBOUNDED || type == VIR_DOMAIN_JOB_BOUNDED;
}

void om_vir_read_completed(struct om_vir_completed *c, virTypedParameterPtr params, int count)
{
	uint64_t net_ms;

	c->known = true;
	c->elapsed_ms = get_u64(params, count, VIR_DOMAIN_JOB_TIME_ELAPSED);
	c->downtime_ms = get_u64(params, count, VIR_DOMAIN_JOB_DOWNTIME);
	/* The plain value spans two clocks; where libvirt could correct for that, take its word. */
	net_ms = get_u64(params, count, VIR_DOMAIN_JOB_DOWNTIME_NET);
	if (net_ms)
		c->downtime_ms = net_ms;
	c->data_bytes = get_u64(params, count, VIR_DOMAIN_JOB_DATA_PROCESSED);
	c->data_memory_bytes = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_PROCESSED);
	c->memory_bytes = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_TOTAL);
	c->guest_bytes = get_guest_bytes(params, count);
	c->rate_bytes_ps = get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_BPS);
	c->iterations = (uint32_t)get_u64(params, count, VIR_DOMAIN_JOB_MEMORY_ITERATION);
}

void om_vir_completed(struct om_vir *vir, struct om_vir_completed *completed)
{
	OM_AUTODOMAIN dom = NULL;
	virTypedParameterPtr params = NULL;
	int type, count = 0;

	pthread_mutex_lock(&vir->events.lock);
	*completed = vir->events.completed;
	pthread_mutex_unlock(&vir->events.lock);
	if (completed->known)
		return;
	dom = om_vir_lookup(vir, OM_VIR_DST);
	if (!dom ||
	    virDomainGetJobStats(dom, &type, &params, &count, VIR_DOMAIN_JOB_STATS_COMPLETED) < 0)
		return;
	if (type == VIR_DOMAIN_JOB_COMPLETED)
		om_vir_read_completed(completed, params, count);
	virTypedParamsFree(params, count);
}
