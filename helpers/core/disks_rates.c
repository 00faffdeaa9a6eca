/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast each stream may go, which disks are written to faster than they can be copied, and what all
 * that is in the words of libvirt's call.
 */
#include "disks_internal.h"

#include "om_addr.h"

#include <string.h>

#define LIBVIRT(major, minor) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000))
#define MIB (UINT64_C(1) << 20)
#define PARAMS_LEFT 4 /* for what another attempt adds */
#define ORIGIN "disks"

/* ---- versions ---- */

static bool both_have(const struct om_versions *v, uint64_t version)
{
	return v->src_libvirt >= version && v->dst_libvirt >= version;
}

/* What is not known is taken for new enough, as the operator asks for it. */
static bool one_lacks(const struct om_versions *v, uint64_t version)
{
	return (v->src_libvirt && v->src_libvirt < version) ||
	       (v->dst_libvirt && v->dst_libvirt < version);
}

/* ---- synchronous writes ---- */

uint64_t om_written_bytes_ps(const struct om_written *from, const struct om_written *to,
			     uint64_t ms)
{
	uint64_t bytes = to->bytes > from->bytes ? to->bytes - from->bytes : 0;
	uint64_t requests = to->requests > from->requests ? to->requests - from->requests : 0;

	if (bytes && bytes < requests * OM_GRAIN_BYTES)
		bytes = requests * OM_GRAIN_BYTES;
	return ms ? bytes * 1000 / ms : 0;
}

/*
 * A mirror in the background copies again what the guest has written meanwhile, so that it is in sync only if
 * it copies faster than the guest writes. All streams share the way alike: each mirror, and memory, which
 * follows while the mirrors stay in sync. Half of that share is the threshold: what is left halves with each
 * turn then, however much it was. Above it, writes are made to wait for the destination, which costs the guest latency.
 */
static bool wants_sync(const struct om_disks *disks, const struct om_disk_facts *disk,
		       uint64_t way_bps)
{
	return way_bps && disk->measured &&
	       disk->written_bytes_ps > way_bps / (disks->mirrors + 1) / 2;
}

static uint64_t way_bps(const struct om_disks_facts *facts, uint64_t limit_mibps)
{
	uint64_t limit = limit_mibps > UINT64_MAX / MIB ? UINT64_MAX : limit_mibps * MIB;

	if (!limit || !facts->link_bps)
		return limit ? limit : facts->link_bps;
	return limit < facts->link_bps ? limit : facts->link_bps;
}

static void decide_sync(struct om_disks *disks, const struct om_disks_facts *facts,
			const struct om_opts *opts, uint64_t way)
{
	bool asked = opts && opts->sync_writes && disks->mirrors, wanted = false;

	for (size_t i = 0; i < disks->disk_count; i++) {
		struct om_disk_plan *plan = &disks->disk[i];
		char rate[OM_DISKS_SIZE_TEXT];

		plan->sync_wanted = plan->way == OM_DISK_MIRROR &&
				    wants_sync(disks, &facts->disks[i], way);
		if (!plan->sync_wanted)
			continue;
		wanted = true;
		om_disks_inform(
			disks,
			"%s is written to, %s/s have to be copied again: too much for its share of the way%s",
			facts->dom->disks[i].target,
			om_disks_size(rate, facts->disks[i].written_bytes_ps),
			both_have(&facts->versions, LIBVIRT(8, 0))
				? ": while it is copied, writes wait for the destination"
				: "");
	}
	if (asked && one_lacks(&facts->versions, LIBVIRT(8, 0)))
		om_disks_refuse(disks,
				"take it out of MIGRATE_OPTIONS, or update libvirt on both hosts",
				"--copy-storage-synchronous-writes needs libvirt 8.0");
	disks->sync_writes = asked || (wanted && both_have(&facts->versions, LIBVIRT(8, 0)));
	if (wanted && !disks->sync_writes)
		om_disks_warn(disks,
			      "a disk is written to so much that its copy may never be in sync; "
			      "only libvirt 8.0 on both hosts can make writes wait");
}

/* ---- the limit ---- */

/*
 * In sync, a mirror carries what the guest writes, beside the memory. Twice what was measured is kept for it,
 * a sixteenth of the limit at least and half of it at most; the rest is that of the mirrors while they copy,
 * and of memory once they are in sync.
 */
static uint64_t kept_mibps(const struct om_disks *disks, const struct om_disks_facts *facts,
			   uint64_t limit_mibps)
{
	uint64_t written = 0, kept;

	for (size_t i = 0; i < disks->disk_count; i++)
		if (disks->disk[i].way == OM_DISK_MIRROR && facts->disks[i].measured)
			written += facts->disks[i].written_bytes_ps / MIB + 1;
	kept = written > limit_mibps / 4 ? limit_mibps / 2 : written * 2;
	return kept < limit_mibps / 16 ? limit_mibps / 16 : kept;
}

static void divide(struct om_disks *disks, const struct om_disks_facts *facts, uint64_t limit_mibps)
{
	uint64_t left;

	if (!limit_mibps || !disks->mirrors) {
		disks->memory_mibps = limit_mibps;
		return;
	}
	left = limit_mibps - kept_mibps(disks, facts, limit_mibps);
	disks->memory_mibps = left;
	disks->mirror_mibps = left / disks->mirrors;
	if (disks->mirror_mibps)
		return;
	disks->mirror_mibps = 1; /* libvirt's 0 is no limit */
	if (disks->mirrors > limit_mibps)
		om_disks_warn(disks,
			      "%zu disks are copied at once, each with 1 MiB/s at least: that is "
			      "more than the limit of %llu MiB/s",
			      disks->mirrors, (unsigned long long)limit_mibps);
}

void om_disks_decide_rates(struct om_disks *disks, const struct om_disks_facts *facts,
			   const struct om_opts *opts, uint64_t limit_mibps)
{
	decide_sync(disks, facts, opts, way_bps(facts, limit_mibps));
	divide(disks, facts, limit_mibps);
}

/* ---- libvirt's call ---- */

static bool is_named(const struct om_opts *opts, const char *target)
{
	if (!opts || !opts->zero_disks.n)
		return true;
	for (size_t i = 0; i < opts->zero_disks.n; i++)
		if (strcmp(opts->zero_disks.v[i], target) == 0)
			return true;
	return false;
}

/* Blocks of zeroes then need no room on the wire, nor in the new file. */
static void add_detect_zeroes(const struct om_disks *disks, const struct om_disks_facts *facts,
			      const struct om_opts *opts, struct om_params *params)
{
	if (!both_have(&facts->versions, LIBVIRT(10, 9)))
		return;
	for (size_t i = 0; i < disks->disk_count && params->n < OM_PARAMS_MAX - PARAMS_LEFT; i++)
		if (disks->disk[i].way == OM_DISK_MIRROR &&
		    is_named(opts, facts->dom->disks[i].target))
			om_params_set_text(params, "migrate_disks_detect_zeroes",
					   facts->dom->disks[i].target, ORIGIN);
}

static void add_uri(const struct om_disks_facts *facts, struct om_params *params, const char *addr)
{
	char uri[OM_HOST_TEXT + 16];

	/* The operator's own words count; without any, the data go where the memory goes. */
	if (!addr || om_params_get(params, "disks_uri") || om_params_get(params, "disks_port") ||
	    !both_have(&facts->versions, LIBVIRT(6, 8)))
		return;
	om_uri_tcp(uri, sizeof(uri), addr);
	om_params_set_text(params, "disks_uri", uri, "fast network");
}

void om_disks_add_params(const struct om_disks *disks, const struct om_disks_facts *facts,
			 const struct om_opts *opts, unsigned int *flags, struct om_params *params,
			 const char *fast_addr)
{
	if (!disks->mirrors)
		return;
	*flags |= disks->incremental ? OM_FLAG_NON_SHARED_INC : OM_FLAG_NON_SHARED_DISK;
	if (disks->sync_writes)
		*flags |= OM_FLAG_SYNC_WRITES;
	add_uri(facts, params, fast_addr);
	if (disks->mirror_mibps)
		om_params_set_number(params, "bandwidth", OM_PARAM_U64, disks->mirror_mibps,
				     ORIGIN);
	for (size_t i = 0; i < disks->disk_count; i++)
		if (disks->disk[i].way == OM_DISK_MIRROR)
			om_params_set_text(params, "migrate_disks", facts->dom->disks[i].target,
					   ORIGIN);
	add_detect_zeroes(disks, facts, opts, params);
}
