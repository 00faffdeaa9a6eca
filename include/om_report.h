/* SPDX-License-Identifier: Apache-2.0 */
/* The sentences that an operator reads at the end. Pure. */
#ifndef OM_REPORT_H
#define OM_REPORT_H

#include "om_outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct om_report {
	uint64_t total_ms;		  /* from the start of this program */
	uint64_t downtime_ms;		  /* 0 = not known */
	uint64_t data_bytes;		  /* sent; 0 = not known */
	uint64_t copy_ms;		  /* time of the copy, for the throughput */
	uint64_t memory_bytes, memory_ms; /* of both, the memory's part */
	uint32_t passes;
	/* How it was sent, where that was not a single stream: "2 connections, zstd level 1"; or NULL. */
	const char *transport;
	uint64_t guest_bytes;		 /* of memory that is not zero; 0 = not known */
	bool packed;			 /* it was compressed */
	uint64_t src_cpu_ms, dst_cpu_ms; /* taken for it; 0 = not known */
	const char *via;		 /* "eth1 to 10.77.1.2", "the default path" */
};

/* "done in 3.1 s, downtime 41 ms: 268 MiB in 2 passes at 108 MiB/s by eth1 to 10.77.1.2; CPU 0.3 s + 0.2 s", or
 * "...; 2 connections, zstd level 1: 456 MiB of memory at 612 MiB/s, 6 % of it sent, CPU 0.8 s + 0.6 s" */
void om_report_summary(const struct om_report *report, char *text, size_t size);

/* "; the VM still runs on node01": the whereabouts for each verdict that is not a success. */
void om_report_whereabouts(enum om_verdict verdict, const char *src, const char *dst, char *text,
			   size_t size);

/* Where the VM is when nothing was touched and no host was asked: with the source's name. */
#define OM_REPORT_UNASKED "nothing was touched, OpenNebula has the VM on %s"

/* Exit status for the driver: 0 = on the destination. */
int om_report_exit_status(enum om_verdict verdict);

#endif
