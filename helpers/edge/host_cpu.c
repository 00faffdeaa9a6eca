/* SPDX-License-Identifier: Apache-2.0 */
/* How busy this host's processors and interfaces are, over a short while. */
#include "om_host_cpu.h"

#include "survey_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define TEXT 65536

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "cpu  user nice system idle iowait irq softirq steal ...": the guests' time is in user. */
static void take_times(struct om_host_mark *mark, const char *text)
{
	uint64_t v[8] = { 0 };

	if (sscanf(text,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 5)
		return;
	mark->idle = v[3] + v[4];
	for (int i = 0; i < 8; i++)
		mark->all += v[i];
}

static uint32_t count_cpus(const char *text)
{
	uint32_t n = 0;

	for (const char *at = strstr(text, "\ncpu"); at; at = strstr(at + 1, "\ncpu"))
		n++;
	return n;
}

void om_host_mark_take(struct om_host_mark *mark)
{
	OM_AUTOFREE char *text = om_xcalloc(1, TEXT);
	const char *at;

	memset(mark, 0, sizeof(*mark));
	mark->at_ms = now_ms();
	if (om_survey_read("/proc/stat", text, TEXT))
		take_times(mark, text);
	mark->cpus = count_cpus(text);
	at = strstr(text, "\nprocs_running ");
	if (at && sscanf(at, "\nprocs_running %" SCNu32, &mark->running) == 1 && mark->running)
		mark->running--; /* this one */
}

bool om_host_free_since(const struct om_host_mark *mark, uint32_t *cpus, uint32_t *free_permille,
			uint32_t *share_permille)
{
	struct om_host_mark now;
	double idle, others, share;

	om_host_mark_take(&now);
	if (!now.cpus || now.all <= mark->all || now.at_ms - mark->at_ms < OM_HOST_MARK_LEAST_MS)
		return false;
	*cpus = now.cpus;
	idle = now.idle > mark->idle
		       ? (double)(now.idle - mark->idle) / (double)(now.all - mark->all)
		       : 0;
	others = (mark->running + now.running) / 2.0 / now.cpus;
	share = 1 / (1 + fmax(1, others));
	*free_permille = (uint32_t)(1000 * (idle + (1 - idle) * share));
	*share_permille = (uint32_t)(1000 * share);
	return true;
}

#define FRESH_BYTES (8u << 20)
#define HUGE_BYTES (2u << 20)

uint32_t om_host_fresh_page_ns(void)
{
	const size_t size = FRESH_BYTES + HUGE_BYTES;
	struct timespec begin, end;
	unsigned char *at, *memory;
	double ns;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 0;
	at = memory + (HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES) % HUGE_BYTES;
	(void)madvise(at, FRESH_BYTES, MADV_HUGEPAGE); /* as QEMU does */
	/* Without the time in which others had the processor. */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (size_t i = 0; i < FRESH_BYTES; i += 4096)
		((volatile unsigned char *)at)[i] = 1;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	munmap(memory, size);
	ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
	return (uint32_t)fmin(1 + ns / (FRESH_BYTES / 4096), 1e9);
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes ..." */
char *om_host_net_read(void)
{
	char *text = om_xcalloc(1, TEXT);

	if (!om_survey_read("/proc/net/dev", text, TEXT))
		*text = '\0';
	return text;
}

uint64_t om_host_net_sent(const char *text, const char *ifname)
{
	char name[24];
	const char *at;
	uint64_t sent;

	snprintf(name, sizeof(name), "%.15s:", ifname);
	for (at = strstr(text, name); at; at = strstr(at + 1, name))
		if ((at == text || at[-1] == ' ' || at[-1] == '\n') &&
		    sscanf(at + strlen(name), " %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &sent) ==
			    1)
			return sent;
	return 0;
}

uint64_t om_host_optmem_bytes(void)
{
	uint64_t bytes;
	char text[32];

	if (!om_survey_read("/proc/sys/net/core/optmem_max", text, sizeof(text)) ||
	    !om_parse_u64(om_str_strip(text), 0, UINT64_MAX, &bytes))
		return 0;
	return bytes;
}
