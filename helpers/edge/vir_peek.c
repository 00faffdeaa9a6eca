/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include <time.h>

#define PIECE (64u << 10)
#define PIECES 32
#define ROUNDS 4		    /* where most is zero */
#define ENOUGH (PIECES * PIECE / 2) /* that is not zero */
/* The guest waits for as long as a piece takes. A slow one may be a moment of its host, and a busy host has several
 * of them; after SLOW_TIMES of them its memory is taken to be swapped out. */
#define SLOW_US 10000
#define SLOW_TIMES 4
#define PAGE 4096u /* what is read first, and after what was slow: it costs little to find out */
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
/* Where an x86 machine may have no memory but devices, of which a read could be a command: below the
 * first MiB, and from 2 GiB to 4 GiB. What lies above 4 GiB is memory but for as much as lies below. */
#define LOW_BEGIN MIB
#define LOW_END (2 * GIB)
#define HIGH_BEGIN (4 * GIB)
#define LOW_MOST (4 * GIB - 512 * MIB)
#define VCPUS_MOST 256
#define HIGH_MOST (512 * GIB) /* an AMD host has a hole below 1 TiB */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct ranges {
	uint64_t low, high; /* bytes that may be read in each */
};

static struct ranges ranges_of(uint64_t memory_bytes)
{
	struct ranges r = { 0 };
	uint64_t end = memory_bytes < LOW_END ? memory_bytes : LOW_END;

	if (end > LOW_BEGIN)
		r.low = end - LOW_BEGIN;
	if (memory_bytes > LOW_MOST + PIECE)
		r.high = memory_bytes - LOW_MOST;
	if (r.high > HIGH_MOST)
		r.high = HIGH_MOST;
	return r;
}

static uint64_t place_of(const struct ranges *r, uint64_t at)
{
	return at < r->low ? LOW_BEGIN + at : HIGH_BEGIN + at - r->low;
}

/* One in each of as many equal parts, at a place that differs from time to time. */
static uint64_t pick(const struct ranges *r, uint32_t n, uint64_t chance)
{
	uint64_t all = r->low + r->high, part = all / PIECES;
	uint64_t at = part * n + (chance * 2654435761u + n * UINT64_C(40503) * PIECE) % part;

	at -= at % PIECE;
	if (at < r->low && at + PIECE > r->low)
		at = r->low - PIECE;
	if (at + PIECE > all)
		at = all - PIECE;
	return place_of(r, at) & ~(uint64_t)4095;
}

struct reading {
	virDomainPtr dom;
	unsigned char *piece;
	uint32_t size; /* of the next one */
	uint64_t begun_us, worst_us;
	unsigned int slow; /* so often */
};

/* False: it could not be read. */
static bool read_piece(struct reading *r, uint64_t start)
{
	uint64_t before_us = now_us(), took_us;

	if (virDomainMemoryPeek(r->dom, start, r->size, r->piece, VIR_MEMORY_PHYSICAL) < 0) {
		virResetLastError();
		return false;
	}
	took_us = now_us() - before_us;
	if (took_us > SLOW_US) {
		r->slow++;
		r->size = PAGE;
	} else if (took_us > r->worst_us) { /* a slow one is no measure of what is next */
		r->worst_us = took_us;
	}
	return true;
}

static bool may_go_on(const struct reading *r, uint32_t budget_ms)
{
	return r->slow < SLOW_TIMES &&
	       now_us() - r->begun_us + r->worst_us <= budget_ms * UINT64_C(1000);
}

void om_vir_peek(struct om_vir *vir, uint64_t memory_bytes, uint32_t budget_ms,
		 struct om_sampled *sampled)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, vir->conn[OM_VIR_MON] ? OM_VIR_MON : OM_VIR_SRC);
	OM_AUTOFREE unsigned char *piece = om_xcalloc(1, PIECE);
	struct reading r = { .dom = dom, .piece = piece, .size = PAGE, .begun_us = now_us() };
	struct ranges ranges = ranges_of(memory_bytes);

	if (!dom || ranges.low + ranges.high < (uint64_t)PIECES * PIECE ||
	    !read_piece(&r, pick(&ranges, 0, r.begun_us)))
		return;
	if (!r.slow)
		r.size = PIECE;
	/* In an order that is spread over the memory however early it ends: 32 and 13 have no divisor. */
	for (uint32_t n = 0; n < PIECES * ROUNDS; n++) {
		uint64_t chance = r.begun_us + n / PIECES;
		uint32_t size = r.size;

		if (n % PIECES == 0 && sampled->bytes - sampled->zero_bytes >= ENOUGH)
			return;
		if (!may_go_on(&r, budget_ms) ||
		    !read_piece(&r, pick(&ranges, n * 13 % PIECES, chance)))
			return;
		om_sampled_add(sampled, piece, size);
	}
}

uint64_t om_vir_cpu_ms(struct om_vir *vir, enum om_vir_role role)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, role);
	virVcpuInfo vcpus[VCPUS_MOST];
	virDomainInfo info;
	uint64_t guest_ns = 0;
	int count;

	if (!dom || virDomainGetInfo(dom, &info) < 0 || info.nrVirtCpu > VCPUS_MOST)
		return 0;
	count = virDomainGetVcpus(dom, vcpus, VCPUS_MOST, NULL, 0);
	for (int i = 0; i < count; i++)
		guest_ns += vcpus[i].cpuTime;
	return count > 0 && info.cpuTime > guest_ns ? (info.cpuTime - guest_ns) / 1000000 : 0;
}
