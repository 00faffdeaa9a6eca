/* SPDX-License-Identifier: Apache-2.0 */
#include "om_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const whereabouts[OM_VERDICT_COUNT] = {
	[OM_VERDICT_SOURCE] = "the VM still runs on {src}",
	[OM_VERDICT_SOURCE_LEFTOVER] =
		"the VM still runs on {src}, and {dst} holds a paused leftover "
		"that could not be proven safe to remove",
	[OM_VERDICT_DEST] = "the VM runs on {dst}",
	[OM_VERDICT_DEST_LEFTOVER] =
		"the VM runs on {dst}, and a stopped copy is left on {src}: remove it "
		"by hand",
	[OM_VERDICT_DEST_POSTCOPY] =
		"the VM is on {dst} in an unfinished post-copy and needs {src} to go "
		"on: do not destroy it on either host",
	[OM_VERDICT_BOTH] =
		"the VM ran on both hosts: it goes on on {dst}, {src} was told to pause it and "
		"nothing was destroyed; check that it is paused there, and its disks",
	[OM_VERDICT_NEITHER] = "the VM is on neither {src} nor {dst}",
	[OM_VERDICT_UNKNOWN] =
		"it could not be proven whether the VM is on {src} or {dst}; nothing was "
		"destroyed, check both hosts",
};

/* Puts the hosts' names into a sentence; what does not fit is cut off. */
void om_report_whereabouts(enum om_verdict verdict, const char *src, const char *dst, char *text,
			   size_t size)
{
	const char *form = whereabouts[verdict] ? whereabouts[verdict]
						: whereabouts[OM_VERDICT_UNKNOWN];
	size_t len = 0;

	text[0] = '\0';
	while (*form && len + 1 < size) {
		bool is_src = strncmp(form, "{src}", 5) == 0,
		     is_dst = strncmp(form, "{dst}", 5) == 0;

		if (is_src || is_dst) {
			snprintf(text + len, size - len, "%s", is_src ? src : dst);
			len += strlen(text + len);
			form += 5;
		} else {
			text[len++] = *form++;
			text[len] = '\0';
		}
	}
}

int om_report_exit_status(enum om_verdict verdict)
{
	switch (verdict) {
	case OM_VERDICT_DEST:
	case OM_VERDICT_DEST_LEFTOVER:
	case OM_VERDICT_DEST_POSTCOPY:
	case OM_VERDICT_BOTH:
		return 0;
	default:
		return 1;
	}
}

static size_t add_size(char *text, size_t size, uint64_t bytes)
{
	if (bytes >= (10ull << 30))
		return (size_t)snprintf(text, size, "%.1f GiB", (double)bytes / (1u << 30));
	return (size_t)snprintf(text, size, "%.0f MiB", (double)bytes / (1u << 20));
}

/* What the way of sending was worth. */
static void add_transport(const struct om_report *r, char *text, size_t size)
{
	char memory[32], rate[32] = "?";
	size_t len = strlen(text);

	if (r->transport)
		len += (size_t)snprintf(text + len, size - len, "; %s", r->transport);
	if (r->transport && r->guest_bytes && r->memory_ms && len < size) {
		add_size(memory, sizeof(memory), r->guest_bytes);
		add_size(rate, sizeof(rate), r->guest_bytes * 1000 / r->memory_ms);
		len += (size_t)snprintf(text + len, size - len, ": %s of memory at %s/s", memory,
					rate);
		if (r->packed && r->memory_bytes && len < size)
			len += (size_t)snprintf(text + len, size - len, ", %.0f %% of it sent",
						(double)r->memory_bytes * 100 /
							(double)r->guest_bytes);
	}
	if (r->src_cpu_ms && r->dst_cpu_ms && len < size)
		snprintf(text + len, size - len, "%s CPU %.1f s + %.1f s", r->transport ? "," : ";",
			 (double)r->src_cpu_ms / 1000, (double)r->dst_cpu_ms / 1000);
}

void om_report_summary(const struct om_report *r, char *text, size_t size)
{
	char data[32] = "", rate[32] = "", downtime[48] = "";

	if (r->downtime_ms)
		snprintf(downtime, sizeof(downtime), ", downtime %" PRIu64 " ms", r->downtime_ms);
	if (!r->data_bytes) {
		snprintf(text, size, "done in %.1f s%s, by %s", (double)r->total_ms / 1000,
			 downtime, r->via);
		add_transport(r, text, size);
		return;
	}
	add_size(data, sizeof(data), r->data_bytes);
	if (r->copy_ms)
		add_size(rate, sizeof(rate), r->data_bytes * 1000 / r->copy_ms);
	snprintf(text, size, "done in %.1f s%s: %s in %u %s%s%s%s by %s",
		 (double)r->total_ms / 1000, downtime, data, r->passes,
		 r->passes == 1 ? "pass" : "passes", *rate ? " at " : "", rate, *rate ? "/s" : "",
		 r->via);
	add_transport(r, text, size);
}
