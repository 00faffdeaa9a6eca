/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that the hosts do not share go before the memory, all over the same way. */
#include "predict_internal.h"

static uint64_t copy_ms(uint64_t bytes, uint64_t bytes_ps, uint64_t limit_bytes_ps)
{
	uint64_t rate = limit_bytes_ps && limit_bytes_ps < bytes_ps ? limit_bytes_ps : bytes_ps;

	return rate ? (uint64_t)((double)bytes * 1000 / (double)rate) + 1 : 0;
}

struct om_predict_facts om_predict_disks(struct om_prediction *p, const struct om_predict_facts *f)
{
	struct om_predict_facts memory = *f;
	uint64_t *left_ms = &memory.limits.deadline_ms, ms;

	if (!f->disk_bytes)
		return memory;
	p->disks.low = copy_ms(f->disk_bytes, p->bandwidth_high_bytes_ps, f->disk_limit_bytes_ps);
	p->disks.high = copy_ms(f->disk_bytes, p->bandwidth_low_bytes_ps, f->disk_limit_bytes_ps);
	ms = (p->disks.low + p->disks.high) / 2;
	if (*left_ms)
		*left_ms = *left_ms > ms ? *left_ms - ms : 1;
	return memory;
}

void om_predict_add_disks(struct om_prediction *p)
{
	p->total.low += p->disks.low;
	if (p->total.high)
		p->total.high += p->disks.high;
}
