/* SPDX-License-Identifier: Apache-2.0 */
/* Combinations that libvirt or QEMU refuse, as rows: what is given, what is missing, on which
 * versions. The operator reads one sentence made from the row. */
#include "om_opts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What may be given. */
enum fact {
	F_P2P,
	F_TUNNELLED,
	F_PAUSED,
	F_COMPRESSED,
	F_AUTO_CONVERGE,
	F_POSTCOPY,
	F_TLS,
	F_PARALLEL,
	F_ZEROCOPY,
	F_URI,
	F_URI_UNIX,
	F_URI_RDMA,
	F_LISTEN,
	F_TLS_DESTINATION,
	F_XBZRLE,
	F_MT,
	F_ZLIB,
	F_ZSTD,
	F_METHOD, /* any of the four above */
	F_CONVERGE_INITIAL,
	F_CONVERGE_INCREMENT,
	F_CONNECTIONS,
	F_MT_LEVEL,
	F_MT_THREADS,
	F_MT_DTHREADS,
	F_XBZRLE_CACHE,
	F_ZLIB_LEVEL,
	F_ZSTD_LEVEL,
	F_AVAIL_SWITCHOVER,
	F_DISKS_PORT,
	F_DISKS_URI,
	F_COUNT
};

static const char *const names[] = {
	[F_P2P] = "--p2p",
	[F_TUNNELLED] = "--tunnelled",
	[F_PAUSED] = "--suspend",
	[F_COMPRESSED] = "--compressed",
	[F_AUTO_CONVERGE] = "--auto-converge",
	[F_POSTCOPY] = "--postcopy",
	[F_TLS] = "--tls",
	[F_PARALLEL] = "--parallel",
	[F_ZEROCOPY] = "--zerocopy",
	[F_URI] = "--migrateuri",
	[F_URI_UNIX] = "--migrateuri unix:",
	[F_URI_RDMA] = "--migrateuri rdma:",
	[F_LISTEN] = "--listen-address",
	[F_TLS_DESTINATION] = "--tls-destination",
	[F_XBZRLE] = "--comp-methods xbzrle",
	[F_MT] = "--comp-methods mt",
	[F_ZLIB] = "--comp-methods zlib",
	[F_ZSTD] = "--comp-methods zstd",
	[F_METHOD] = "--comp-methods",
	[F_CONVERGE_INITIAL] = "--auto-converge-initial",
	[F_CONVERGE_INCREMENT] = "--auto-converge-increment",
	[F_CONNECTIONS] = "--parallel-connections",
	[F_MT_LEVEL] = "--comp-mt-level",
	[F_MT_THREADS] = "--comp-mt-threads",
	[F_MT_DTHREADS] = "--comp-mt-dthreads",
	[F_XBZRLE_CACHE] = "--comp-xbzrle-cache",
	[F_ZLIB_LEVEL] = "--comp-zlib-level",
	[F_ZSTD_LEVEL] = "--comp-zstd-level",
	[F_AVAIL_SWITCHOVER] = "--available-switchover-bandwidth",
	[F_DISKS_PORT] = "--disks-port",
	[F_DISKS_URI] = "--disks-uri",
};
static_assert(OM_ARRAY_LEN(names) == F_COUNT, "a name for each fact");

#define BIT(fact) (UINT64_C(1) << (fact))
#define VERSION(major, minor) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000))

enum when {
	ALWAYS,
	LIBVIRT_BELOW,	/* one side is older */
	LIBVIRT_FROM,	/* one side is that new */
	QEMU_FROM,	/* one side is that new */
	SRC_QEMU_BELOW, /* only the source matters */
	WHEN_COUNT
};

/* Refused where all of need are there, none of lack is, and the versions are such. */
struct rule {
	uint64_t need, lack;
	enum when when;
	uint64_t version;
};
#define ONE(fact) BIT(F_##fact), 0
#define TWO(a, b) BIT(F_##a) | BIT(F_##b), 0
#define LACKS(fact, lack) BIT(F_##fact), BIT(F_##lack)
#define TWO_LACK(a, b, lack) BIT(F_##a) | BIT(F_##b), BIT(F_##lack)

/* clang-format off */
static const struct rule rules[] = {
	{ LACKS(TUNNELLED, P2P), ALWAYS, 0 },
	{ TWO(TUNNELLED, URI), ALWAYS, 0 },
	{ TWO(TUNNELLED, LISTEN), ALWAYS, 0 },
	{ TWO(TUNNELLED, POSTCOPY), ALWAYS, 0 },
	{ TWO(TUNNELLED, ZEROCOPY), ALWAYS, 0 },
	{ TWO(PAUSED, POSTCOPY), ALWAYS, 0 },
	{ TWO(POSTCOPY, URI_RDMA), QEMU_FROM, VERSION(10, 2) },
	{ LACKS(ZEROCOPY, PARALLEL), ALWAYS, 0 },
	{ TWO(TLS, URI_RDMA), ALWAYS, 0 }, /* not refused: QEMU leaves out the encryption */
	{ TWO(ZEROCOPY, TLS), ALWAYS, 0 },
	{ TWO(ZEROCOPY, COMPRESSED), ALWAYS, 0 },
	{ TWO(ZEROCOPY, METHOD), ALWAYS, 0 },
	{ TWO(ZEROCOPY, URI_RDMA), ALWAYS, 0 },
	{ ONE(ZEROCOPY), LIBVIRT_BELOW, VERSION(8, 5) },
	{ ONE(ZEROCOPY), SRC_QEMU_BELOW, VERSION(7, 1) },
	{ TWO_LACK(TLS, URI_UNIX, TLS_DESTINATION), ALWAYS, 0 },
	{ TWO(LISTEN, URI_UNIX), ALWAYS, 0 },
	{ LACKS(ZLIB, PARALLEL), ALWAYS, 0 },
	{ LACKS(ZSTD, PARALLEL), ALWAYS, 0 },
	{ TWO(ZLIB, ZSTD), ALWAYS, 0 },
	{ ONE(ZLIB), LIBVIRT_BELOW, VERSION(9, 4) },
	{ ONE(ZSTD), LIBVIRT_BELOW, VERSION(9, 4) },
	{ TWO(PARALLEL, XBZRLE), LIBVIRT_FROM, VERSION(9, 4) },
	{ TWO(PARALLEL, XBZRLE), QEMU_FROM, VERSION(10, 0) },
	{ TWO(PARALLEL, MT), LIBVIRT_FROM, VERSION(9, 4) },
	{ ONE(MT), QEMU_FROM, VERSION(9, 1) },
	{ TWO_LACK(COMPRESSED, PARALLEL, METHOD), LIBVIRT_FROM, VERSION(9, 4) },
	{ TWO_LACK(COMPRESSED, PARALLEL, METHOD), QEMU_FROM, VERSION(10, 0) },
	{ LACKS(MT_LEVEL, MT), ALWAYS, 0 },
	{ LACKS(MT_THREADS, MT), ALWAYS, 0 },
	{ LACKS(MT_DTHREADS, MT), ALWAYS, 0 },
	{ LACKS(XBZRLE_CACHE, XBZRLE), ALWAYS, 0 },
	{ LACKS(ZLIB_LEVEL, ZLIB), ALWAYS, 0 },
	{ LACKS(ZSTD_LEVEL, ZSTD), ALWAYS, 0 },
	/* libvirt notices these two late and then leaks the migration job. */
	{ LACKS(CONVERGE_INITIAL, AUTO_CONVERGE), ALWAYS, 0 },
	{ LACKS(CONVERGE_INCREMENT, AUTO_CONVERGE), ALWAYS, 0 },
	{ LACKS(CONNECTIONS, PARALLEL), ALWAYS, 0 },
	{ ONE(AVAIL_SWITCHOVER), LIBVIRT_BELOW, VERSION(11, 1) },
	{ ONE(AVAIL_SWITCHOVER), SRC_QEMU_BELOW, VERSION(8, 2) },
	{ TWO(DISKS_PORT, DISKS_URI), ALWAYS, 0 },
	{ ONE(DISKS_URI), LIBVIRT_BELOW, VERSION(6, 8) },
};

/* Numbers that no QEMU takes. */
static const struct {
	const char *param;
	enum fact name;
	uint64_t min, max;
} ranges[] = {
	{ "auto_converge.initial", F_CONVERGE_INITIAL, 1, 99 },
	{ "auto_converge.increment", F_CONVERGE_INCREMENT, 1, 99 },
	{ "parallel.connections", F_CONNECTIONS, 1, 255 },
	{ "compression.mt.level", F_MT_LEVEL, 0, 9 },
	{ "compression.mt.threads", F_MT_THREADS, 1, 255 },
	{ "compression.mt.dthreads", F_MT_DTHREADS, 1, 255 },
	{ "compression.zlib.level", F_ZLIB_LEVEL, 0, 9 },
	{ "compression.zstd.level", F_ZSTD_LEVEL, 0, 20 },
	{ "disks_port", F_DISKS_PORT, 0, 65535 },
};

static const struct {
	unsigned int flag;
	enum fact fact;
} flag_facts[] = {
	{ OM_FLAG_PEER2PEER, F_P2P },
	{ OM_FLAG_TUNNELLED, F_TUNNELLED },
	{ OM_FLAG_PAUSED, F_PAUSED },
	{ OM_FLAG_COMPRESSED, F_COMPRESSED },
	{ OM_FLAG_AUTO_CONVERGE, F_AUTO_CONVERGE },
	{ OM_FLAG_POSTCOPY, F_POSTCOPY },
	{ OM_FLAG_TLS, F_TLS },
	{ OM_FLAG_PARALLEL, F_PARALLEL },
	{ OM_FLAG_ZEROCOPY, F_ZEROCOPY },
};

static const struct {
	const char *param;
	const char *prefix; /* of its text; "" = any */
	enum fact fact;
} param_facts[] = {
	{ "migrate_uri", "", F_URI },
	{ "migrate_uri", "unix:", F_URI_UNIX },
	{ "migrate_uri", "rdma:", F_URI_RDMA },
	{ "listen_address", "", F_LISTEN },
	{ "tls.destination", "", F_TLS_DESTINATION },
	{ "compression", "", F_METHOD },
	{ "compression", "xbzrle", F_XBZRLE },
	{ "compression", "mt", F_MT },
	{ "compression", "zlib", F_ZLIB },
	{ "compression", "zstd", F_ZSTD },
	{ "auto_converge.initial", "", F_CONVERGE_INITIAL },
	{ "auto_converge.increment", "", F_CONVERGE_INCREMENT },
	{ "parallel.connections", "", F_CONNECTIONS },
	{ "compression.mt.level", "", F_MT_LEVEL },
	{ "compression.mt.threads", "", F_MT_THREADS },
	{ "compression.mt.dthreads", "", F_MT_DTHREADS },
	{ "compression.xbzrle.cache", "", F_XBZRLE_CACHE },
	{ "compression.zlib.level", "", F_ZLIB_LEVEL },
	{ "compression.zstd.level", "", F_ZSTD_LEVEL },
	{ "bandwidth.avail.switchover", "", F_AVAIL_SWITCHOVER },
	{ "disks_port", "", F_DISKS_PORT },
	{ "disks_uri", "", F_DISKS_URI },
};
/* clang-format on */

static uint64_t facts_of(const struct om_opts *opts)
{
	uint64_t facts = 0;

	for (size_t i = 0; i < OM_ARRAY_LEN(flag_facts); i++)
		if (opts->flags & flag_facts[i].flag)
			facts |= BIT(flag_facts[i].fact);
	for (size_t p = 0; p < opts->params.n; p++)
		for (size_t i = 0; i < OM_ARRAY_LEN(param_facts); i++) {
			const struct om_param *param = &opts->params.v[p];

			if (strcmp(param->name, param_facts[i].param) == 0 &&
			    (!param->text || om_str_starts(param->text, param_facts[i].prefix)))
				facts |= BIT(param_facts[i].fact);
		}
	return facts;
}

/* The side that makes a version rule hold, and its version. */
struct culprit {
	const char *side; /* NULL: none */
	uint64_t version;
};

static struct culprit culprit_of(uint64_t src, uint64_t dst, bool below, uint64_t limit)
{
	if (src && (below ? src < limit : src >= limit))
		return (struct culprit){ "the source", src };
	if (dst && (below ? dst < limit : dst >= limit))
		return (struct culprit){ "the destination", dst };
	return (struct culprit){ NULL, 0 };
}

static struct culprit rule_culprit(const struct rule *rule, const struct om_versions *v)
{
	switch (rule->when) {
	case LIBVIRT_BELOW:
	case LIBVIRT_FROM:
		return culprit_of(v->src_libvirt, v->dst_libvirt, rule->when == LIBVIRT_BELOW,
				  rule->version);
	case QEMU_FROM:
		return culprit_of(v->src_qemu, v->dst_qemu, false, rule->version);
	case SRC_QEMU_BELOW:
		/* What asks for a newer one may be had where nobody can see it. */
		return culprit_of(v->src_qemu_most ? v->src_qemu_most : v->src_qemu, 0, true,
				  rule->version);
	case ALWAYS:
	case WHEN_COUNT:
		break;
	}
	return (struct culprit){ NULL, 0 };
}

#define VERSION_TEXT 32

static void print_version(char text[VERSION_TEXT], uint64_t version, bool micro)
{
	int len = snprintf(text, VERSION_TEXT, "%u.%u", (unsigned int)(version / 1000000 % 1000),
			   (unsigned int)(version / 1000 % 1000));

	if (micro)
		snprintf(text + len, VERSION_TEXT - (size_t)len, ".%u",
			 (unsigned int)(version % 1000));
}

/* The option as it was written; what only the VM's FEATURES ask for goes by that name. */
static const char *name_of(const struct om_opts *opts, enum fact fact)
{
	if (fact == F_COMPRESSED && (opts->feature_flags & OM_FLAG_COMPRESSED))
		return "FEATURES/MIGRATE_COMPRESSED";
	if (fact == F_POSTCOPY && (opts->setting_flags & OM_FLAG_POSTCOPY))
		return "MIGRATE_POSTCOPY";
	return names[fact];
}

/* Takes the first fact out of a set. */
static enum fact next_fact(uint64_t *facts)
{
	enum fact fact = (enum fact)__builtin_ctzll(*facts);

	*facts &= *facts - 1;
	return fact;
}

/* "--compressed with --parallel needs --comp-methods" and its kind. */
static void print_options(char *text, size_t size, const struct om_opts *opts,
			  const struct rule *rule)
{
	uint64_t need = rule->need, lack = rule->lack;
	const char *first = name_of(opts, next_fact(&need));
	const char *second = need ? name_of(opts, next_fact(&need)) : NULL;

	if (lack && second)
		snprintf(text, size, "%s with %s needs %s", first, second, names[next_fact(&lack)]);
	else if (lack)
		snprintf(text, size, "%s needs %s", first, names[next_fact(&lack)]);
	else if (second)
		snprintf(text, size, "%s cannot be used with %s", first, second);
	else if (rule->when == LIBVIRT_FROM || rule->when == QEMU_FROM)
		snprintf(text, size, "%s does not work", first);
	else
		snprintf(text, size, "%s needs", first);
}

static bool refuse(const struct om_opts *opts, const struct rule *rule, struct culprit culprit,
		   struct om_err *err)
{
	static const char *const around[WHEN_COUNT][2] = {
		[LIBVIRT_BELOW] = { " libvirt ", " or newer on both hosts" },
		[LIBVIRT_FROM] = { " on libvirt ", " and newer" },
		[QEMU_FROM] = { " on QEMU ", " and newer" },
		[SRC_QEMU_BELOW] = { " QEMU ", " or newer" },
	};
	char options[160], limit[VERSION_TEXT], has[VERSION_TEXT];

	print_options(options, sizeof(options), opts, rule);
	if (rule->when == ALWAYS)
		return om_err_set(err, OM_E_INPUT, "%s", options);
	print_version(limit, rule->version, false);
	print_version(has, culprit.version, true);
	return om_err_set(err, OM_E_INPUT, "%s%s%s%s, and %s has %s", options,
			  around[rule->when][0], limit, around[rule->when][1], culprit.side, has);
}

static bool check_rules(const struct om_opts *opts, const struct om_versions *versions,
			struct om_err *err)
{
	uint64_t facts = facts_of(opts);

	for (size_t i = 0; i < OM_ARRAY_LEN(rules); i++) {
		const struct rule *rule = &rules[i];
		struct culprit culprit;

		if ((facts & rule->need) != rule->need || (facts & rule->lack))
			continue;
		culprit = rule_culprit(rule, versions);
		if (rule->when == ALWAYS || culprit.side)
			return refuse(opts, rule, culprit, err);
	}
	return true;
}

static bool check_numbers(const struct om_opts *opts, struct om_err *err)
{
	const struct om_param *cache = om_params_get(&opts->params, "compression.xbzrle.cache");

	for (size_t i = 0; i < OM_ARRAY_LEN(ranges); i++) {
		const struct om_param *p = om_params_get(&opts->params, ranges[i].param);

		if (p && (p->number < ranges[i].min || p->number > ranges[i].max))
			return om_err_set(err, OM_E_INPUT,
					  "%s %llu is out of QEMU's range, %d to %d",
					  names[ranges[i].name], (unsigned long long)p->number,
					  (int)ranges[i].min, (int)ranges[i].max);
	}
	if (cache && (!cache->number || (cache->number & (cache->number - 1))))
		return om_err_set(err, OM_E_INPUT, "%s %llu is no power of two",
				  names[F_XBZRLE_CACHE], (unsigned long long)cache->number);
	return true;
}

/* Multifd and post-copy together: refused by QEMU 8.0 to 10.0, unsafe before, right from 10.1. */
static bool postcopy_would_break(const struct om_opts *opts, const struct om_versions *v)
{
	const unsigned int both = OM_FLAG_PARALLEL | OM_FLAG_POSTCOPY;

	return (opts->flags & both) == both &&
	       (v->src_qemu < VERSION(10, 1) || v->dst_qemu < VERSION(10, 1));
}

/* "--parallel with --postcopy needs ..., and the source has 9.2.0" */
static bool refuse_parallel(const struct om_opts *opts, const struct om_versions *v,
			    struct om_err *err)
{
	struct culprit culprit = culprit_of(v->src_qemu, v->dst_qemu, true, VERSION(10, 1));
	bool perhaps = v->src_qemu && v->src_qemu < VERSION(10, 1) &&
		       v->src_qemu_most >= VERSION(10, 1);
	char has[VERSION_TEXT];

	print_version(has, culprit.version, true);
	return om_err_set(err, OM_E_INPUT,
			  "--parallel with %s needs QEMU 10.1 or newer on both hosts, and %s %s %s",
			  name_of(opts, F_POSTCOPY), culprit.side ? culprit.side : "one of them",
			  perhaps ? "may have" : "has", culprit.side ? has : "an unknown version");
}

static void give_up_postcopy(struct om_opts *opts, const struct om_versions *v)
{
	OM_AUTOFREE char *text = NULL;
	struct om_err why;

	if (refuse_parallel(opts, v, &why))
		return;
	text = om_xasprintf("%s: it migrates without post-copy", why.msg);
	om_strv_add(&opts->warnings, text);
	opts->flags &= ~OM_FLAG_POSTCOPY;
	opts->postcopy_after_precopy = false;
	if (opts->timeout_action == OM_TIMEOUT_POSTCOPY) {
		opts->timeout_action = OM_TIMEOUT_NONE;
		opts->timeout_s = 0;
	}
}

bool om_opts_check(struct om_opts *opts, const struct om_versions *versions, bool *never_switch,
		   struct om_err *err)
{
	*never_switch = false;
	if (!check_rules(opts, versions, err) || !check_numbers(opts, err))
		return false;
	*never_switch = postcopy_would_break(opts, versions);
	if (*never_switch)
		give_up_postcopy(opts, versions);
	return true;
}

/* A destination whose daemon a broken post-copy migration would take down when it is resumed. */
static bool resume_crashes(const struct om_versions *v)
{
	return v->dst_libvirt >= VERSION(11, 2) && v->dst_libvirt < VERSION(11, 4);
}

bool om_opts_can_postcopy(const struct om_opts *opts, const struct om_versions *versions,
			  struct om_err *why)
{
	struct om_opts armed = *opts; /* looked at only; its lists stay those of opts */

	armed.setting_flags |= OM_FLAG_POSTCOPY & ~opts->flags;
	armed.flags |= OM_FLAG_POSTCOPY;
	if (!check_rules(&armed, versions, why))
		return false;
	if (postcopy_would_break(&armed, versions))
		return refuse_parallel(&armed, versions, why);
	if (!versions->dst_libvirt)
		return om_err_set(why, OM_E_INPUT,
				  "the version of the destination's libvirt is not known");
	if (resume_crashes(versions))
		return om_err_set(why, OM_E_INPUT,
				  "libvirt 11.2 and 11.3, which the destination has, crash where a "
				  "broken post-copy migration is resumed");
	return true;
}
