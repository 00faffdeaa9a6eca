/* SPDX-License-Identifier: Apache-2.0 */
/* How fast each way of sending would be. */
#include "transport_internal.h"

#include <math.h>

/* One thread of QEMU: memory is looked through for zeros, copied and sent; received and written to
 * pages that are new. Bytes per ns; measured in the lab between emulated guests' hosts. */
#define CHANNEL_NS 0.6	   /* the same by one of several connections */
#define UNPACK_NS 0.7	   /* and unpacking it */
#define FRESH_PAGE_NS 1000 /* of a page that is new, where the destination did not say */
/* What stands in the sockets of both hosts for each connection: Linux lets it grow to 4 + 6 MiB (tcp_wmem,
 * tcp_rmem), less what it takes for itself. */
#define QUEUE_BYTES (8u << 20)
#define ZLIB_WORK 5.0  /* of the time of zstd's first level */
#define ZLIB_SIZE 0.95 /* and of its size */
#define CPUS_UNKNOWN 1.0
#define NEARLY 0.97

double om_transport_cpus_for(const struct om_transport_cpu *cpu, double threads)
{
	double share = cpu->share_permille / 1000.0, all = cpu->cpus, idle;

	if (!cpu->cpus)
		return fmin(threads, CPUS_UNKNOWN);
	idle = share < 1 ? all * fmax(0, cpu->free_permille / 1000.0 - share) / (1 - share) : 0;
	return fmax(0.05, fmin(all, fmin(threads, idle) + fmax(0, threads - idle) * share));
}

static double packed_part(const struct om_transport_case *c, const struct om_transport_way *way)
{
	double part = om_sampled_permille(&c->facts->sampled) / 1000.0;

	if (way->compression == OM_COMPRESSION_ZLIB)
		return fmin(1, part * ZLIB_SIZE);
	return way->compression == OM_COMPRESSION_ZSTD ? part : 1;
}

/* Time of one processor for a byte that is not zero. */
static double work_ns(const struct om_transport_case *c, const struct om_transport_way *way)
{
	const struct om_sampled *sampled = &c->facts->sampled;
	double sent = (double)(sampled->bytes - sampled->zero_bytes);
	double ns = sent > 0 ? (double)sampled->work_ns / sent : 0;

	if (way->compression == OM_COMPRESSION_ZLIB)
		return ns * ZLIB_WORK;
	return way->compression == OM_COMPRESSION_ZSTD ? ns : 0;
}

/* These processors are so much slower than the lab's, as a single stream has shown. */
static double slowness(const struct om_transport_case *c)
{
	double seen = (double)c->facts->stream_bytes_ps;

	return seen > 0 ? fmax(1, OM_TRANSPORT_STREAM_PS / seen) : 1;
}

/* Bytes of memory per second that the destination takes in. */
static double taken_ps(const struct om_transport_case *c, const struct om_transport_way *way)
{
	uint32_t page_ns = c->facts->fresh_page_ns ? c->facts->fresh_page_ns : FRESH_PAGE_NS;
	double ns = CHANNEL_NS * slowness(c) + (way->compression ? UNPACK_NS : 0) +
		    page_ns / 4096.0;

	ns += c->flags & OM_FLAG_TLS ? OM_TRANSPORT_TLS_NS : 0;
	return om_transport_cpus_for(&c->facts->dst, fmax(1, way->connections)) * 1e9 / ns;
}

/* Bytes of memory per second that the source's processors send by several connections. */
static double given_ps(const struct om_transport_case *c, const struct om_transport_way *way)
{
	double ns = CHANNEL_NS * slowness(c) + work_ns(c, way);

	ns += c->flags & OM_FLAG_TLS ? OM_TRANSPORT_TLS_NS : 0;
	return om_transport_cpus_for(&c->facts->src, way->connections) * 1e9 / ns;
}

/* Bytes of memory per second. */
double om_transport_speed(const struct om_transport_case *c, const struct om_transport_way *way)
{
	double tls = c->flags & OM_FLAG_TLS ? OM_TRANSPORT_TLS_NS : 0;
	double link = c->link_ps > 0 ? c->link_ps / packed_part(c, way) : INFINITY;

	if (!way->connections) {
		double cpus = fmin(om_transport_cpus_for(&c->facts->src, 1),
				   om_transport_cpus_for(&c->facts->dst, 1));

		link = fmin(link, taken_ps(c, way));
		return fmin(link, cpus * 1e9 / (slowness(c) * 1e9 / OM_TRANSPORT_STREAM_PS + tls));
	}
	return fmin(link, fmin(given_ps(c, way), taken_ps(c, way)));
}

/* What the link carries, by all that is known of it. */
double om_transport_link(const struct om_transport_facts *f)
{
	double seen = (double)f->seen_bytes_ps, most = fmax((double)f->link_bytes_ps, seen);
	double left = fmax(most - (double)f->busy_bytes_ps, most / 4);

	if (!f->link_bytes_ps)
		return f->seen_least && seen > OM_TRANSPORT_STREAM_SEEN * OM_TRANSPORT_STREAM_PS
			       ? 0
			       : seen;
	/* What was slower than the interface, and not for the processors, found the link full, or what is
	 * behind it; what others send now was beside it then. */
	return seen > 0 && !f->seen_least ? fmin(seen, left) : left;
}

#define CONNECTIONS_MOST 8

/* So many at the most: several wait for the network in turn, and take the guests' processors, two for
 * each where nothing but the sending is to be done. */
static uint32_t most_connections(const struct om_transport_case *c, enum om_compression method)
{
	double each = method == OM_COMPRESSION_NONE ? 2 : 1, threads = CONNECTIONS_MOST * each;
	double n = fmin(om_transport_cpus_for(&c->facts->src, threads),
			om_transport_cpus_for(&c->facts->dst, threads));

	return (uint32_t)fmax(2, fmin(CONNECTIONS_MOST, floor(n / each)));
}

/* As few as are nearly as fast as the most. */
uint32_t om_transport_connections(const struct om_transport_case *c, enum om_compression method)
{
	uint32_t asked = (uint32_t)om_knob_number(c->knobs, OM_KNOB_MIGRATE_CONNECTIONS);
	struct om_transport_way way = { .compression = method };
	double best;

	if (asked)
		return asked;
	way.connections = most_connections(c, method);
	best = om_transport_speed(c, &way);
	for (way.connections = 2; way.connections < most_connections(c, method); way.connections++)
		if (om_transport_speed(c, &way) >= NEARLY * best)
			break;
	return way.connections;
}

/* There stands what was sent faster than it is taken in, until the sockets are full. */
double om_transport_queue_ms(const struct om_transport_case *c, const struct om_transport_way *way)
{
	double taken = taken_ps(c, way), part = packed_part(c, way), sent = given_ps(c, way);
	const struct om_sampled *sampled = &c->facts->sampled;
	double memory = (double)c->facts->memory_bytes, most;

	if (c->link_ps > 0)
		sent = fmin(sent, c->link_ps / part);
	if (!way->compression || sent <= taken)
		return 0;
	if (sampled->bytes)
		memory *= 1 - (double)sampled->zero_bytes / (double)sampled->bytes;
	most = (double)way->connections * QUEUE_BYTES / part;
	return fmin(most, memory * (1 - taken / sent)) * 1000 / taken;
}
