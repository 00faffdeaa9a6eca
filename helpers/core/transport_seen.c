/* SPDX-License-Identifier: Apache-2.0 */
/* What earlier migrations tell of the link and of the guest. */
#include "transport_internal.h"

#include "om_history.h"

#include <string.h>

#define FRESH_MS (30 * 86400 * UINT64_C(1000))
/* Less tells more of how a copy begins and ends than of its link. */
#define LEAST_BYTES (UINT64_C(16) * 1000000)
#define LEAST_MS 200
/* So much more with compression shows that the processors held the plain ones up. */
#define PACKED_MORE 1.25
#define FULL 0.9
#define BELIED 1.25

/* The newest few of them are kept. */
static void keep(struct om_transport_sight *sights, const struct om_transport_sight *sight)
{
	struct om_transport_sight *oldest = sights;

	for (size_t i = 1; i < OM_TRANSPORT_SIGHTS; i++)
		if (sights[i].epoch_ms < oldest->epoch_ms)
			oldest = &sights[i];
	if (sight->epoch_ms > oldest->epoch_ms)
		*oldest = *sight;
}

/* By older releases a stream that MIGRATE_OPTIONS encrypted was called no more than "a single stream". */
static bool is_encrypted(const struct om_state *record)
{
	return strstr(record->transport, "TLS") ||
	       strcmp(record->transport, "a single stream") == 0;
}

/* A single stream that is nearly as fast as its processor found the link at least as fast; what else words of
 * MIGRATE_OPTIONS made of it (tunnelled, say) may have held it up at any speed, and those of older releases tell
 * nothing of it: "as MIGRATE_OPTIONS says". */
static bool is_held_up_by_the_processor(const struct om_state *record, uint64_t bytes_ps)
{
	double ns = 1e9 / OM_TRANSPORT_STREAM_PS;

	if (strstr(record->transport, "connection"))
		return false;
	if (is_encrypted(record))
		ns += OM_TRANSPORT_TLS_NS;
	return strstr(record->transport, "MIGRATE_OPTIONS") ||
	       (double)bytes_ps > OM_TRANSPORT_STREAM_SEEN * 1e9 / ns;
}

/* By zstd or zlib, which xbzrle is not like: it is counted as it goes. */
static bool is_packed(const struct om_state *record)
{
	return strstr(record->transport, "zstd") || strstr(record->transport, "zlib");
}

void om_transport_see(struct om_transport_seen *seen, const struct om_state *record)
{
	struct om_transport_sight sight = { .epoch_ms = record->updated_epoch_ms };

	if (record->phase != OM_PHASE_DONE || record->sent_bytes < LEAST_BYTES ||
	    record->bandwidth_bytes_ps || record->disk_total_bytes ||
	    (seen->src && strcmp(record->src, seen->src) != 0) ||
	    strcmp(record->dst, seen->dst) != 0 || strcmp(record->path_addr, seen->addr) != 0 ||
	    record->updated_epoch_ms + FRESH_MS < seen->now_ms)
		return;
	/* By a QEMU that counts what it compresses as if it did not. */
	if (!record->packed_permille && is_packed(record))
		return;
	if (record->packed_permille) { /* in the whole time, since it stands for a bound alone */
		sight.bytes_ps = om_history_rate(record);
		sight.downtime_ms = record->downtime_ms;
		sight.unpacked = is_packed(record);
		keep(seen->packed, &sight);
	} else if (record->wire_ms >= LEAST_MS && record->wire_bytes) {
		sight.bytes_ps = record->wire_bytes * 1000 / record->wire_ms;
		sight.least = is_held_up_by_the_processor(record, sight.bytes_ps);
		sight.plain_stream = sight.least && !*record->transport;
		sight.by_options = strstr(record->transport, "MIGRATE_OPTIONS");
		keep(seen->plain, &sight);
	}
}

/* One bad moment of a link must not stand for it. */
static struct om_transport_sight largest(const struct om_transport_sight *sights)
{
	struct om_transport_sight found = { 0 };

	for (size_t i = 0; i < OM_TRANSPORT_SIGHTS; i++)
		if (sights[i].bytes_ps > found.bytes_ps)
			found = sights[i];
	return found;
}

static uint64_t fastest_stream(const struct om_transport_sight *sights)
{
	uint64_t fastest = 0;

	for (size_t i = 0; i < OM_TRANSPORT_SIGHTS; i++)
		if (sights[i].plain_stream && sights[i].bytes_ps > fastest)
			fastest = sights[i].bytes_ps;
	return fastest;
}

/* The least that more than half of them kept to; what is not unpacked has no queue. */
static uint32_t usual_downtime(const struct om_transport_sight *sights)
{
	uint32_t found = 0;
	size_t count = 0;

	for (size_t i = 0; i < OM_TRANSPORT_SIGHTS; i++)
		count += sights[i].unpacked;
	for (size_t i = 0; i < OM_TRANSPORT_SIGHTS; i++) {
		size_t within = 0;

		for (size_t j = 0; j < OM_TRANSPORT_SIGHTS; j++)
			within += sights[j].unpacked &&
				  sights[j].downtime_ms <= sights[i].downtime_ms;
		if (sights[i].unpacked && 2 * within > count &&
		    (!found || sights[i].downtime_ms < found))
			found = sights[i].downtime_ms + !sights[i].downtime_ms;
	}
	return found;
}

/* It has carried so much more than it promises, as a virtual one can, that its promise is no bound. What words
 * of MIGRATE_OPTIONS sent may be counted otherwise. */
static bool is_belied(const struct om_transport_sight *sights, uint64_t link_bytes_ps)
{
	for (size_t i = 0; i < OM_TRANSPORT_SIGHTS; i++)
		if (!sights[i].by_options &&
		    (double)sights[i].bytes_ps > BELIED * (double)link_bytes_ps)
			return true;
	return false;
}

/* No wire is faster than its interface, whatever was counted. */
static void cap(struct om_transport_sight *sight, uint64_t link_bytes_ps)
{
	if (link_bytes_ps && sight->bytes_ps > link_bytes_ps)
		sight->bytes_ps = link_bytes_ps;
}

void om_transport_seen_tell(const struct om_transport_seen *seen, struct om_transport_facts *facts)
{
	struct om_transport_sight plain = largest(seen->plain), packed = largest(seen->packed);

	if (is_belied(seen->plain, facts->link_bytes_ps))
		facts->link_bytes_ps = 0;
	cap(&plain, facts->link_bytes_ps);
	cap(&packed, facts->link_bytes_ps);
	facts->seen_least = plain.least ||
			    (double)packed.bytes_ps > PACKED_MORE * (double)plain.bytes_ps;
	facts->packed_downtime_ms = usual_downtime(seen->packed);
	facts->stream_bytes_ps = fastest_stream(seen->plain);
	/* Near what the interface carries it was the link that held it up. */
	if ((double)facts->stream_bytes_ps > FULL * (double)facts->link_bytes_ps &&
	    facts->link_bytes_ps)
		facts->stream_bytes_ps = 0;
	facts->seen_bytes_ps = plain.bytes_ps > packed.bytes_ps ? plain.bytes_ps : packed.bytes_ps;
}

/* ---- the guest ---- */

/* It did not bring the guest there, or not within its limits, or post-copy had to. */
static bool has_failed(const struct om_state *record)
{
	return record->phase != OM_PHASE_DONE || strstr(record->actions, "post-copy") ||
	       record->downtime_ms > record->downtime_max_ms;
}

void om_transport_see_guest(struct om_transport_guest *guest, const struct om_state *record)
{
	uint64_t epoch_ms = record->updated_epoch_ms;

	if (strcmp(record->uuid, guest->uuid) != 0)
		return;
	if (record->phase == OM_PHASE_DONE && epoch_ms >= guest->done_epoch_ms) {
		guest->done_epoch_ms = epoch_ms;
		guest->hot_bytes = record->hot_bytes;
		guest->dirty_bytes_ps = record->dirty_bytes_ps;
	}
	if (strstr(record->transport, "xbzrle") && record->iteration >= 2 &&
	    epoch_ms >= guest->xbzrle_epoch_ms && epoch_ms + FRESH_MS >= guest->now_ms) {
		guest->xbzrle_epoch_ms = epoch_ms;
		guest->xbzrle_failed = has_failed(record);
	}
}

void om_transport_guest_tell(const struct om_transport_guest *guest,
			     struct om_transport_facts *facts)
{
	facts->hot_bytes = guest->hot_bytes;
	facts->dirty_bytes_ps = guest->dirty_bytes_ps;
	facts->xbzrle_failed = guest->xbzrle_failed;
}
