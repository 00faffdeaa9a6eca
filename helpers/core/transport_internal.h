/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/transport*.c alone. */
#ifndef OM_TRANSPORT_INTERNAL_H
#define OM_TRANSPORT_INTERNAL_H

#include "om_transport.h"

struct om_transport_way {
	uint32_t connections;
	enum om_compression compression;
	uint32_t level;
	double speed_ps; /* bytes of memory that are not zero, per second */
	double queue_ms; /* om_transport_queue_ms */
};

/* What the choice is made from. */
struct om_transport_case {
	const struct om_knobs *knobs;
	const struct om_opts *opts;
	const struct om_transport_facts *facts;
	const struct om_versions *versions;
	unsigned int flags;
	bool limited;
	double link_ps;			  /* 0 = not known */
	const char *connections_obstacle; /* NULL = none */
	const char *obstacle;		  /* to what would have been better */
	struct om_transport_way best;
	uint64_t cache_bytes;
};

/* transport_obstacle.c: NULL = none. */
bool om_transport_both_from(uint64_t src, uint64_t dst, uint64_t version);
/* Why several connections cannot be had, or would cost more than they bring. */
const char *om_transport_connections_obstacle(const struct om_transport_case *c);
/* Why it is not tried: a bit of OM_REFUSED_* that is remembered. */
const char *om_transport_refusal(const struct om_transport_case *c, uint32_t bit);
/* The way out of that, which the manual describes. */
#define OM_TRANSPORT_FORGET " (to try again now: see FILES, refused, in onemigrate(8))"
/* For zlib and zstd after `connections_obstacle` is set. */
const char *om_transport_compression_obstacle(const struct om_transport_case *c,
					      enum om_compression method);
/* Do words of the options decide about connections and compression? They are left as they are. */
bool om_transport_has_words(const struct om_transport_case *c);
/* Of these, is there nothing but what the VM's FEATURES ask for? */
bool om_transport_has_features_alone(const struct om_transport_case *c);
/* What they bring about, to be told. */
const char *om_transport_words_harm(const struct om_transport_case *c);
/* Why memory cannot be encrypted. */
const char *om_transport_tls_obstacle(const struct om_transport_case *c);

/* transport_print.c: the text of the way that was chosen, and why, where that is not said yet. */
void om_transport_tell(const struct om_transport_case *c, struct om_transport *transport);
/* The text where words of the options decide. */
void om_transport_tell_words(const struct om_transport_case *c, struct om_transport *transport);

/* ---- transport_speed.c; bytes of memory per second ---- */

#define OM_TRANSPORT_STREAM_PS 1.3e9 /* of a single stream, by a processor of its own */
#define OM_TRANSPORT_TLS_NS 0.8	     /* of a processor, for a byte that is encrypted */
/* Of that speed; from there on a single stream is taken to be held up by its processor, not by the link:
 * many are slower than the one this was measured with, or have others beside them. */
#define OM_TRANSPORT_STREAM_SEEN 0.5

/* What so many threads that begin now get of them: idle ones first, then a share of busy ones. */
double om_transport_cpus_for(const struct om_transport_cpu *cpu, double threads);
double om_transport_speed(const struct om_transport_case *c, const struct om_transport_way *way);
/*
 * How long the guest would wait at the switch-over for what is queued between the hosts: where the
 * destination does not unpack as fast as the link brings it, a few MiB there stand for many.
 */
double om_transport_queue_ms(const struct om_transport_case *c, const struct om_transport_way *way);
/* What the link carries, by all that is known of it; 0 = not known (yet with seen_bytes_ps it is more than
 * a single stream takes). */
double om_transport_link(const struct om_transport_facts *facts);
/* As few as are nearly as fast as the most, or what the setting says. */
uint32_t om_transport_connections(const struct om_transport_case *c, enum om_compression method);

#endif
