/* SPDX-License-Identifier: Apache-2.0 */
/* What may not be had between these hosts, and why. */
#include "transport_internal.h"

#include <string.h>

#define VERSION(major, minor, micro) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000) + (micro))

bool om_transport_both_from(uint64_t src, uint64_t dst, uint64_t version)
{
	return src >= version && dst >= version; /* 0: not known */
}

bool om_transport_can_name(const struct om_versions *v)
{
	return (!v->src_libvirt || v->src_libvirt >= VERSION(6, 0, 0)) &&
	       (!v->dst_libvirt || v->dst_libvirt >= VERSION(6, 0, 0));
}

static bool is_in(uint64_t version, uint64_t from, uint64_t below)
{
	return version >= from && version < below;
}

static uint64_t src_qemu_most(const struct om_versions *v)
{
	return v->src_qemu_most ? v->src_qemu_most : v->src_qemu;
}

static bool src_may_be_in(const struct om_versions *v, uint64_t from, uint64_t below)
{
	return src_qemu_most(v) >= from && v->src_qemu < below;
}

static bool goes_by(const struct om_transport_case *c, const char *scheme)
{
	const struct om_param *uri = om_params_get(&c->opts->params, "migrate_uri");

	return uri && om_str_starts(uri->text, scheme);
}

static bool has_words(const struct om_transport_case *c, unsigned int flags)
{
	static const unsigned int ways = OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED | OM_FLAG_ZEROCOPY |
					 OM_FLAG_TUNNELLED | OM_FLAG_RDMA_PIN_ALL;
	const struct om_params *params = &c->opts->params;

	return (flags & ways) || om_params_get(params, "compression") ||
	       (om_params_get(params, "migrate_uri") && !goes_by(c, "tcp:"));
}

bool om_transport_has_words(const struct om_transport_case *c)
{
	return has_words(c, c->opts->flags);
}

bool om_transport_has_features_alone(const struct om_transport_case *c)
{
	return !has_words(c, c->opts->flags & ~c->opts->feature_flags);
}

/* What the administrator has said of it; NULL: nothing. */
static const char *said_instead(const struct om_opts *opts, const struct om_knobs *knobs)
{
	static const enum om_knob_id settings[] = { OM_KNOB_MIGRATE_COMPRESSION,
						    OM_KNOB_MIGRATE_CONNECTIONS,
						    OM_KNOB_MIGRATE_ZEROCOPY };

	for (size_t i = 0; i < OM_ARRAY_LEN(settings); i++)
		if (knobs->v[settings[i]].origin != OM_ORIGIN_DEFAULT)
			return om_knob_table[settings[i]].name;
	return opts->flags & OM_FLAG_PARALLEL ? "--parallel" : NULL;
}

void om_transport_settle_features(struct om_opts *opts, const struct om_knobs *knobs)
{
	const char *instead = said_instead(opts, knobs);
	OM_AUTOFREE char *text = NULL;

	/* By a method that MIGRATE_OPTIONS names it is compressed anyway. */
	if (!(opts->feature_flags & OM_FLAG_COMPRESSED) || !instead ||
	    om_params_get(&opts->params, "compression"))
		return;
	opts->flags &= ~OM_FLAG_COMPRESSED;
	opts->feature_flags &= ~OM_FLAG_COMPRESSED;
	text = om_xasprintf("FEATURES/MIGRATE_COMPRESSED is left out: %s is set", instead);
	om_strv_add(&opts->warnings, text);
}

/* ---- defects of QEMU's several connections ---- */

/* Older ones send memory in packets that 9.2.0 no longer reads it from; mended in 9.2.1 (QEMU commit
 * b93d897ea2f0, its issue 2720). */
static const char *loses_old_packets(const struct om_versions *v)
{
	return src_may_be_in(v, 1, VERSION(9, 0, 0)) &&
			       is_in(v->dst_qemu, VERSION(9, 2, 0), VERSION(9, 2, 1))
		       ? "QEMU 9.2.0 cannot read several connections of a QEMU below 9.0"
		       : NULL;
}

/* Since 9.0 these threads look for zeros, and what compresses did not send a packet of nothing but
 * zeros: a page that was cleared meanwhile kept its old content there. Mended in 9.1.3 and 9.2.1
 * (QEMU commit cdc3970f8597). */
static const char *loses_zeros(const struct om_versions *v)
{
	return src_may_be_in(v, VERSION(9, 0, 0), VERSION(9, 1, 3)) ||
			       src_may_be_in(v, VERSION(9, 2, 0), VERSION(9, 2, 1))
		       ? "QEMU 9.0 to 9.1.2 and 9.2.0 lose pages that the guest clears, as they "
			 "compress over several connections"
		       : NULL;
}

/* ---- refusals ---- */

uint32_t om_transport_asked(const struct om_knobs *knobs)
{
	uint64_t compression = om_knob_number(knobs, OM_KNOB_MIGRATE_COMPRESSION);
	uint32_t asked = 0;

	if (om_knob_number(knobs, OM_KNOB_MIGRATE_CONNECTIONS) > 1)
		asked |= OM_REFUSED_CONNECTIONS;
	if (compression == OM_CHOICE_COMPRESSION_ZSTD)
		asked |= OM_REFUSED_ZSTD | OM_REFUSED_CONNECTIONS;
	else if (compression == OM_CHOICE_COMPRESSION_ZLIB)
		asked |= OM_REFUSED_ZLIB | OM_REFUSED_CONNECTIONS;
	else if (compression == OM_CHOICE_COMPRESSION_XBZRLE)
		asked |= OM_REFUSED_XBZRLE;
	if (om_knob_number(knobs, OM_KNOB_MIGRATE_ZEROCOPY) == OM_CHOICE_ZEROCOPY_YES)
		asked |= OM_REFUSED_ZEROCOPY | OM_REFUSED_CONNECTIONS;
	return asked;
}

#define HAS_REFUSED(what, span) "this pair of hosts has refused " what " within the last " span

/* Whoever has put the hosts right needs to know for how long, and what to do. */
const char *om_transport_refusal(const struct om_transport_case *c, uint32_t bit)
{
	bool for_a_day = om_transport_asked(c->knobs) & bit;

	if (!(c->facts->refused & bit))
		return NULL;
	if (bit == OM_REFUSED_TLS)
		return HAS_REFUSED("it", "hour") OM_TRANSPORT_FORGET;
	if (bit == OM_REFUSED_CONNECTIONS)
		return for_a_day ? HAS_REFUSED("several connections", "day") OM_TRANSPORT_FORGET
				 : HAS_REFUSED("several connections", "week") OM_TRANSPORT_FORGET;
	return for_a_day ? HAS_REFUSED("it", "day") OM_TRANSPORT_FORGET
			 : HAS_REFUSED("it", "week") OM_TRANSPORT_FORGET;
}

/* ---- what is chosen ---- */

const char *om_transport_connections_obstacle(const struct om_transport_case *c)
{
	const char *refusal = om_transport_refusal(c, OM_REFUSED_CONNECTIONS);
	const struct om_versions *v = c->versions;

	if (refusal)
		return refusal;
	if (!om_transport_both_from(v->src_libvirt, v->dst_libvirt, VERSION(5, 2, 0)) ||
	    !v->src_qemu || !v->dst_qemu)
		return "the versions of both hosts are not known";
	if ((c->flags & OM_FLAG_POSTCOPY) &&
	    !om_transport_both_from(v->src_qemu, v->dst_qemu, VERSION(10, 1, 0)))
		return "post-copy has to stay possible, which several connections exclude below "
		       "QEMU 10.1";
	if (c->limited)
		return "QEMU does not keep several connections within a bandwidth limit";
	/* Nobody tests old ones against new ones. */
	if (!om_transport_both_from(v->src_qemu, v->dst_qemu, VERSION(8, 0, 0)) &&
	    (v->src_qemu != v->dst_qemu || src_qemu_most(v) != v->dst_qemu))
		return "several connections between a QEMU below 8.0 and another one are not safe";
	if ((c->flags & OM_FLAG_TLS) && v->src_qemu < VERSION(10, 0, 0) &&
	    v->dst_qemu >= VERSION(10, 0, 0))
		return "encrypted connections towards a newer QEMU may end in an error";
	return loses_old_packets(v);
}

static const struct {
	uint32_t refused;
	uint64_t libvirt;
} needs[OM_COMPRESSION_COUNT] = {
	[OM_COMPRESSION_ZSTD] = { OM_REFUSED_ZSTD, VERSION(9, 4, 0) },
	[OM_COMPRESSION_ZLIB] = { OM_REFUSED_ZLIB, VERSION(9, 4, 0) },
	[OM_COMPRESSION_XBZRLE] = { OM_REFUSED_XBZRLE, VERSION(1, 3, 0) },
};

const char *om_transport_compression_obstacle(const struct om_transport_case *c,
					      enum om_compression method)
{
	const char *refusal = om_transport_refusal(c, needs[method].refused);
	const struct om_versions *v = c->versions;

	if (method == OM_COMPRESSION_NONE)
		return NULL;
	if (refusal)
		return refusal;
	if (!om_transport_both_from(v->src_libvirt, v->dst_libvirt, needs[method].libvirt))
		return "it needs libvirt 9.4 or newer on both hosts";
	if (method == OM_COMPRESSION_XBZRLE)
		return NULL;
	return c->connections_obstacle ? c->connections_obstacle : loses_zeros(v);
}

const char *om_transport_tls_obstacle(const struct om_transport_case *c)
{
	if (c->facts->tls == OM_TLS_MISSING)
		return c->facts->tls_why;
	if (c->flags & OM_FLAG_TUNNELLED)
		return "MIGRATE_OPTIONS has --tunnelled";
	if (c->flags & OM_FLAG_ZEROCOPY)
		return "MIGRATE_OPTIONS has --zerocopy";
	/* Neither libvirt nor QEMU says that it does not. */
	return goes_by(c, "rdma:") ? "QEMU does not encrypt what goes by RDMA (--migrateuri rdma:)"
				   : NULL;
}

/* ---- what the options ask for ---- */

const char *om_transport_words_harm(const struct om_transport_case *c)
{
	const struct om_param *method = om_params_get(&c->opts->params, "compression");
	const char *harm = NULL;

	if (!(c->opts->flags & OM_FLAG_PARALLEL))
		return NULL;
	if (method && method->text[0] == 'z')
		harm = loses_zeros(c->versions);
	if (!harm)
		harm = loses_old_packets(c->versions);
	return !harm && c->limited ? OM_TRANSPORT_LOOSE : harm;
}
