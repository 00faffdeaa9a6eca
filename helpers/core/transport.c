/* SPDX-License-Identifier: Apache-2.0 */
#include "transport_internal.h"

#include "om_net.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VERSION(major, minor) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000))

#define WORTH 0.9 /* of the time of a single stream, for another way to be chosen */
/* The same where the link was never seen: what its interface promises may not be so, and several connections
 * lengthen the switch-over (by 20 ms in the lab). The next migration knows the link. */
#define WORTH_UNSEEN 0.5
/* The same for compression, which takes processors from guests and lets QEMU underrate the link. */
#define WORTH_PACKED 0.75
/* Of the downtime that is allowed, for what is queued: of the default as much as libvirt's own limit. */
#define QUEUE_PART 0.6
#define PACKED_MOST (1000 * WORTH_PACKED) /* per mille */
/* Less that is not zero says too little: so many bytes, and places. */
#define SAMPLED_LEAST (32u << 10)
#define PLACES_LEAST 4
/* Below this much to be sent nothing is gained that anyone would notice. */
#define LEAST_BYTES (32u << 20)
/* Of a processor on each host, for two threads. With less the destination falls behind compression, and the guest
 * has to wait for it in the end: in the lab, with hogs on both hosts, half of one still sent twice as fast as
 * plain. */
#define PACKED_CPUS_LEAST 0.4
/* And with less than this several connections gain nothing that is not packed. */
#define PLAIN_CPUS_LEAST 0.8

static void consider(struct om_transport_case *c, struct om_transport_way way)
{
	double worth = way.compression		 ? WORTH_PACKED
		       : c->facts->seen_bytes_ps ? WORTH
						 : WORTH_UNSEEN;

	way.speed_ps = om_transport_speed(c, &way);
	if (way.speed_ps * worth > c->best.speed_ps)
		c->best = way;
}

static bool have_cpus(const struct om_transport_facts *f, double least)
{
	return fmin(om_transport_cpus_for(&f->src, 2), om_transport_cpus_for(&f->dst, 2)) >= least;
}

static void choose_compression(struct om_transport_case *c)
{
	const struct om_transport_facts *f = c->facts;
	struct om_transport_way way = { .compression = OM_COMPRESSION_ZSTD, .level = 1 };
	double soft_ms = (double)om_knob_number(c->knobs, OM_KNOB_MIGRATE_DOWNTIME_MAX_MS);
	double most_ms = QUEUE_PART * soft_ms;
	bool in_time = f->packed_downtime_ms && f->packed_downtime_ms <= soft_ms;
	bool asked = om_knob_number(c->knobs, OM_KNOB_MIGRATE_CONNECTIONS);

	if (!f->src.cpus || !f->dst.cpus) {
		c->obstacle = f->src.cpus ? "nothing is known of the destination's processors"
					  : "nothing is known of the source's processors";
		return;
	}
	if (!have_cpus(f, PACKED_CPUS_LEAST)) {
		c->obstacle = "the processors are too busy for compression";
		return;
	}
	if (f->pinned_cpus) {
		c->obstacle = "the guest's processors are pinned, and would be shared with "
			      "compression";
		return;
	}
	if (om_transport_compression_obstacle(c, OM_COMPRESSION_ZSTD) ||
	    om_sampled_permille(&f->sampled) > PACKED_MOST)
		return;
	if (f->sampled.bytes - f->sampled.zero_bytes < SAMPLED_LEAST ||
	    f->sampled.used_places < PLACES_LEAST) {
		c->obstacle = "too little of what was read is not zero to judge by";
		return;
	}
	way.connections = om_transport_connections(c, way.compression);
	way.queue_ms = om_transport_queue_ms(c, &way);
	while (!asked && way.connections > 1 && way.queue_ms > most_ms) {
		way.connections--; /* less is queued */
		way.queue_ms = om_transport_queue_ms(c, &way);
	}
	/* What was measured counts for more than this estimate. */
	if (way.queue_ms > most_ms && !in_time) {
		c->obstacle = "the destination would unpack so slowly that the guest waits for it";
		return;
	}
	consider(c, way);
}

/* A link that one stream does not fill; not where nothing at all is known of it. */
static void choose_connections(struct om_transport_case *c)
{
	struct om_transport_way way = { .connections = 0 };

	if (c->connections_obstacle || c->facts->pinned_cpus ||
	    !have_cpus(c->facts, PLAIN_CPUS_LEAST) || (c->link_ps <= 0 && !c->facts->seen_bytes_ps))
		return;
	way.connections = om_transport_connections(c, OM_COMPRESSION_NONE);
	consider(c, way);
}

/* ---- xbzrle ---- */

#define CACHE_LEAST (UINT64_C(64) << 20)
#define CACHE_MOST (UINT64_C(1) << 30)
#define HOT_LEAST (UINT64_C(8) << 20)

/* Only what is written again and again gains, and only where plain copying would not catch up. */
static bool xbzrle_pays(const struct om_transport_case *c)
{
	const struct om_transport_facts *f = c->facts;

	return f->hot_bytes >= HOT_LEAST && f->hot_bytes <= CACHE_MOST && c->link_ps > 0 &&
	       (double)f->dirty_bytes_ps > c->link_ps / 2 && !f->xbzrle_failed;
}

static uint64_t cache_for(const struct om_transport_facts *f)
{
	uint64_t bytes = CACHE_LEAST;

	while (bytes < f->hot_bytes + f->hot_bytes / 4 && bytes < CACHE_MOST)
		bytes *= 2;
	return bytes;
}

static void set_xbzrle(struct om_transport_case *c)
{
	c->best = (struct om_transport_way){ .compression = OM_COMPRESSION_XBZRLE,
					     .speed_ps = c->best.speed_ps };
	c->cache_bytes = cache_for(c->facts);
}

static void warn(struct om_transport *t, const char *fmt, ...) OM_PRINTF(2, 3);
static void warn(struct om_transport *t, const char *fmt, ...)
{
	va_list args;

	if (t->warning_count == OM_TRANSPORT_WARNINGS)
		return;
	va_start(args, fmt);
	vsnprintf(t->warnings[t->warning_count++], sizeof(t->warnings[0]), fmt, args);
	va_end(args);
}

static void not_followed(struct om_transport *t, const char *setting, const char *value,
			 const char *why)
{
	warn(t, "%s %s is not followed: %s", setting, value, why);
}

/* ---- the settings ---- */

/* Where certificates are seen on both hosts, what is required is tried again: they may have been put right. */
static bool choose_tls(struct om_transport_case *c, struct om_transport *t, struct om_err *err)
{
	uint64_t asked = om_knob_number(c->knobs, OM_KNOB_MIGRATE_TLS);
	bool refused = c->facts->refused & OM_REFUSED_TLS;
	const char *why = om_transport_tls_obstacle(c);

	t->tls_by_options = c->flags & OM_FLAG_TLS; /* which is never taken back */
	if (asked == OM_CHOICE_TLS_OFF)
		return true;
	t->tls_required = asked == OM_CHOICE_TLS_REQUIRED;
	if (t->tls_by_options)
		return true;
	if (!why && refused && asked == OM_CHOICE_TLS_OPPORTUNISTIC)
		why = om_transport_refusal(c, OM_REFUSED_TLS);
	if (!why && refused && c->facts->tls == OM_TLS_NOT_CHECKED)
		why = "this pair of hosts has refused it within the last hour, and whether both "
		      "have certificates is not known" OM_TRANSPORT_FORGET;
	if (why && asked == OM_CHOICE_TLS_REQUIRED)
		return om_err_set(err, OM_E_REFUSED,
				  "MIGRATE_TLS is required and cannot be had: %s", why);
	if (why && asked == OM_CHOICE_TLS_OPPORTUNISTIC) {
		warn(t, "memory is not encrypted (MIGRATE_TLS is opportunistic): %s", why);
		return true;
	}
	t->flags |= OM_FLAG_TLS;
	c->flags |= OM_FLAG_TLS;
	return true;
}

static enum om_compression named(uint64_t choice)
{
	return choice == OM_CHOICE_COMPRESSION_ZSTD	? OM_COMPRESSION_ZSTD
	       : choice == OM_CHOICE_COMPRESSION_ZLIB	? OM_COMPRESSION_ZLIB
	       : choice == OM_CHOICE_COMPRESSION_XBZRLE ? OM_COMPRESSION_XBZRLE
							: OM_COMPRESSION_NONE;
}

/* The method that a setting names. */
static void obey_compression(struct om_transport_case *c, struct om_transport *t, uint64_t asked)
{
	enum om_compression method = named(asked);
	const char *why = om_transport_compression_obstacle(c, method);

	if (!why && method == OM_COMPRESSION_XBZRLE &&
	    om_knob_number(c->knobs, OM_KNOB_MIGRATE_CONNECTIONS) > 1)
		why = "it needs a single connection";
	if (why) {
		not_followed(t, "MIGRATE_COMPRESSION", om_compression_name(method), why);
		return;
	}
	if (method == OM_COMPRESSION_XBZRLE)
		set_xbzrle(c);
	else
		c->best = (struct om_transport_way){ .compression = method,
						     .level = 1,
						     .connections =
							     om_transport_connections(c, method) };
	c->best.speed_ps = om_transport_speed(c, &c->best);
	c->best.queue_ms = om_transport_queue_ms(c, &c->best);
	snprintf(t->why, sizeof(t->why), "MIGRATE_COMPRESSION is %s", om_compression_name(method));
}

static void obey_connections(struct om_transport_case *c, struct om_transport *t)
{
	uint32_t asked = (uint32_t)om_knob_number(c->knobs, OM_KNOB_MIGRATE_CONNECTIONS);
	char number[16];

	if (asked < 2 || c->best.connections)
		return;
	snprintf(number, sizeof(number), "%u", asked);
	if (c->connections_obstacle) {
		not_followed(t, "MIGRATE_CONNECTIONS", number, c->connections_obstacle);
		return;
	}
	if (c->best.compression == OM_COMPRESSION_XBZRLE)
		return;
	c->best.connections = asked;
	if (!*t->why)
		snprintf(t->why, sizeof(t->why), "MIGRATE_CONNECTIONS is %s", number);
}

/* So much has to go by a connection before its pages come back, and the kernel counts it all. */
#define LOCKABLE_LEAST (UINT64_C(512) << 10)
#define ZEROCOPY_LINK_MBIT 24000
#define ZEROCOPY_MEMORY (UINT64_C(16) << 30)

/* By its interface where that is known: what earlier ones reached they reached with copying. */
static bool is_fast_link(const struct om_transport_case *c)
{
	double link = c->facts->link_bytes_ps ? (double)c->facts->link_bytes_ps : c->link_ps;

	return link > (double)om_link_bytes_ps(ZEROCOPY_LINK_MBIT);
}

/* Whatever is compressed. */
static const char *zerocopy_obstacle(const struct om_transport_case *c)
{
	const char *refusal = om_transport_refusal(c, OM_REFUSED_ZEROCOPY);
	const struct om_versions *v = c->versions;

	if (c->flags & OM_FLAG_TLS)
		return "the memory is encrypted";
	if (!om_transport_both_from(v->src_libvirt, v->dst_libvirt, VERSION(8, 5)) ||
	    v->src_qemu < VERSION(7, 1))
		return "it needs libvirt 8.5 and QEMU 7.1";
	return refusal ? refusal : c->connections_obstacle;
}

static void choose_zerocopy(struct om_transport_case *c, struct om_transport *t)
{
	uint64_t asked = om_knob_number(c->knobs, OM_KNOB_MIGRATE_ZEROCOPY);
	const char *why = c->best.compression ? "the memory is compressed" : zerocopy_obstacle(c);

	if (asked == OM_CHOICE_ZEROCOPY_NO)
		return;
	if (asked == OM_CHOICE_ZEROCOPY_YES && why) {
		not_followed(t, "MIGRATE_ZEROCOPY", "yes", why);
		return;
	}
	if (asked == OM_CHOICE_ZEROCOPY_AUTO &&
	    (why || !c->best.connections || !is_fast_link(c) ||
	     c->facts->memory_bytes < ZEROCOPY_MEMORY || c->facts->lockable_bytes < LOCKABLE_LEAST))
		return;
	if (!c->best.connections)
		c->best.connections = om_transport_connections(c, OM_COMPRESSION_NONE);
	t->flags |= OM_FLAG_ZEROCOPY;
}

static void choose_streams(struct om_transport_case *c, struct om_transport *t)
{
	uint64_t asked = om_knob_number(c->knobs, OM_KNOB_MIGRATE_COMPRESSION);
	uint64_t connections = om_knob_number(c->knobs, OM_KNOB_MIGRATE_CONNECTIONS);
	bool enough = c->facts->memory_bytes >= LEAST_BYTES;
	/* What is asked for by name goes before what we would choose. */
	bool zerocopy = om_knob_number(c->knobs, OM_KNOB_MIGRATE_ZEROCOPY) ==
				OM_CHOICE_ZEROCOPY_YES &&
			!zerocopy_obstacle(c);
	bool compress = asked == OM_CHOICE_COMPRESSION_AUTO && !zerocopy;

	c->best.speed_ps = om_transport_speed(c, &c->best);
	if (named(asked) != OM_COMPRESSION_NONE) {
		obey_compression(c, t, asked);
	} else if (enough) {
		if (!connections)
			choose_connections(c);
		if (compress)
			choose_compression(c);
		if (compress && !c->best.connections && connections < 2 &&
		    om_transport_compression_obstacle(c, OM_COMPRESSION_ZSTD) &&
		    !om_transport_compression_obstacle(c, OM_COMPRESSION_XBZRLE) && xbzrle_pays(c))
			set_xbzrle(c);
	}
	obey_connections(c, t);
	choose_zerocopy(c, t);
	if (compress && !c->best.connections && enough &&
	    om_sampled_permille(&c->facts->sampled) <= PACKED_MOST && !c->obstacle)
		c->obstacle = om_transport_compression_obstacle(c, OM_COMPRESSION_ZSTD);
}

static void take_best(const struct om_transport_case *c, struct om_transport *t)
{
	t->connections = c->best.connections;
	t->compression = c->best.compression;
	t->level = c->best.level;
	t->cache_bytes = c->cache_bytes;
	t->expected_queue_ms = (uint32_t)c->best.queue_ms;
	t->expected_bytes_ps = isfinite(c->best.speed_ps) ? (uint64_t)c->best.speed_ps : 0;
	t->flags |= t->connections ? OM_FLAG_PARALLEL : 0;
	t->flags |= t->compression ? OM_FLAG_COMPRESSED : 0;
}

bool om_transport_choose(struct om_transport *t, const struct om_knobs *knobs,
			 const struct om_opts *opts, unsigned int flags, bool limited,
			 const struct om_versions *versions, const struct om_transport_facts *facts,
			 struct om_err *err)
{
	struct om_transport_case c = { .knobs = knobs,
				       .opts = opts,
				       .facts = facts,
				       .versions = versions,
				       .flags = flags,
				       .limited = limited,
				       .link_ps = om_transport_link(facts) };

	memset(t, 0, sizeof(*t));
	if (!choose_tls(&c, t, err))
		return false;
	c.connections_obstacle = om_transport_connections_obstacle(&c);
	if (om_transport_has_words(&c)) {
		const char *harm = om_transport_words_harm(&c);

		t->by_options = true;
		if (harm)
			warn(t, "%s", harm);
		om_transport_tell_words(&c, t);
		return true;
	}
	choose_streams(&c, t);
	take_best(&c, t);
	om_transport_tell(&c, t);
	return true;
}

#define ORIGIN OM_TRANSPORT_ORIGIN

void om_transport_params(const struct om_transport *t, struct om_params *params,
			 const struct om_versions *versions, const char *dst_host)
{
	const char *level = t->compression == OM_COMPRESSION_ZSTD ? "compression.zstd.level"
								  : "compression.zlib.level";

	if (t->connections)
		om_params_set_number(params, "parallel.connections", OM_PARAM_INT, t->connections,
				     ORIGIN);
	if (t->compression)
		om_params_set_text(params, "compression", om_compression_name(t->compression),
				   ORIGIN);
	if (t->compression == OM_COMPRESSION_XBZRLE)
		om_params_set_number(params, "compression.xbzrle.cache", OM_PARAM_U64,
				     t->cache_bytes, ORIGIN);
	else if (t->compression)
		om_params_set_number(params, level, OM_PARAM_INT, t->level, ORIGIN);
	/* The certificate is issued for the host's name, which no fast address is. */
	if ((t->flags & OM_FLAG_TLS) && om_transport_can_name(versions) &&
	    !om_params_get(params, "tls.destination"))
		om_params_set_text(params, "tls.destination", dst_host, ORIGIN);
}
