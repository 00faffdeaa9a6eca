/* SPDX-License-Identifier: Apache-2.0 */
/*
 * om_opts_check() over every combination of what its rules look at, against a second statement of
 * the same rules: om_opts_check() walks a table of bit masks, this is prose in C, written from the
 * combination matrix of libvirt and QEMU and ordered by whose rule it is.
 */
#include "om_cmocka.h"
#include "om_opts.h"

#include <stdio.h>
#include <string.h>

#define V(major, minor) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000))

enum uri { URI_NONE, URI_TCP, URI_UNIX, URI_RDMA, URI_COUNT };

struct wish {
	bool p2p, tunnelled, paused, compressed, converge, postcopy, tls, parallel, zerocopy;
	bool xbzrle, mt, zlib, zstd;
	enum uri uri;
	bool listen, certificate;
	bool converge_tuned, connections, mt_tuned, cache, zlib_level, zstd_level, switchover;
	struct om_versions v;
};

static bool older(uint64_t version, uint64_t than)
{
	return version != 0 && version < than;
}

static bool any_older(uint64_t a, uint64_t b, uint64_t than)
{
	return older(a, than) || older(b, than);
}

static bool any_at_least(uint64_t a, uint64_t b, uint64_t than)
{
	return a >= than || b >= than;
}

/* qemu_migration.c, begin and prepare phases */
static bool libvirt_refuses(const struct wish *w)
{
	if (w->tunnelled)
		if (!w->p2p || w->uri != URI_NONE || w->listen || w->postcopy)
			return true;
	if (w->postcopy && w->paused)
		return true;
	if (w->uri == URI_UNIX && (w->listen || (w->tls && !w->certificate)))
		return true;
	if (w->zerocopy &&
	    !(w->parallel && !any_older(w->v.src_libvirt, w->v.dst_libvirt, V(8, 5))))
		return true;
	return w->switchover && any_older(w->v.src_libvirt, w->v.dst_libvirt, V(11, 1));
}

/* qemu_migration_params.c */
static bool libvirt_refuses_to_tune(const struct wish *w)
{
	if (!w->converge && w->converge_tuned)
		return true;
	if (!w->parallel && w->connections)
		return true;
	return (!w->mt && w->mt_tuned) || (!w->xbzrle && w->cache) || (!w->zlib && w->zlib_level) ||
	       (!w->zstd && w->zstd_level);
}

static bool libvirt_refuses_to_compress(const struct wish *w)
{
	bool nine_four = any_at_least(w->v.src_libvirt, w->v.dst_libvirt, V(9, 4));

	if (w->zlib || w->zstd) {
		if (any_older(w->v.src_libvirt, w->v.dst_libvirt, V(9, 4)))
			return true;
		if (!w->parallel || (w->zlib && w->zstd))
			return true;
	}
	if (!nine_four || !w->parallel)
		return false;
	if (w->xbzrle || w->mt)
		return true;
	return w->compressed && !w->zlib && !w->zstd;
}

/* migrate_caps_check() and the capabilities that a QEMU has */
static bool qemu_refuses(const struct wish *w)
{
	uint64_t src = w->v.src_qemu, dst = w->v.dst_qemu;
	bool methods = w->xbzrle || w->mt || w->zlib || w->zstd;
	bool xbzrle_on = w->xbzrle || (w->compressed && !methods);

	if (w->zerocopy) {
		if (w->tls || w->compressed || methods || w->tunnelled || w->uri == URI_RDMA)
			return true;
		if (older(src, V(7, 1)))
			return true;
	}
	if (w->mt && any_at_least(src, dst, V(9, 1)))
		return true;
	if (xbzrle_on && w->parallel && any_at_least(src, dst, V(10, 0)))
		return true;
	if (w->switchover && older(src, V(8, 2)))
		return true;
	return w->postcopy && w->uri == URI_RDMA && any_at_least(src, dst, V(10, 2));
}

/* rdma_start_outgoing_migration() goes past the step that adds it */
static bool qemu_does_not_encrypt(const struct wish *w)
{
	return w->tls && w->uri == URI_RDMA;
}

static bool is_refused(const struct wish *w)
{
	return qemu_does_not_encrypt(w) || libvirt_refuses(w) || libvirt_refuses_to_tune(w) ||
	       libvirt_refuses_to_compress(w) || qemu_refuses(w);
}

static bool must_never_switch(const struct wish *w)
{
	if (!w->postcopy || !w->parallel)
		return false;
	return !(w->v.src_qemu >= V(10, 1) && w->v.dst_qemu >= V(10, 1));
}

/* The options without the allocations of the parser. */
static void add(struct om_opts *opts, bool wanted, const char *name, char *text, uint64_t number)
{
	struct om_param *param = &opts->params.v[opts->params.n];

	if (!wanted)
		return;
	*param = (struct om_param){ name, text ? OM_PARAM_STRING : OM_PARAM_INT, number, text,
				    "test" };
	opts->params.n++;
}

static unsigned int flags_of(const struct wish *w)
{
	return OM_FLAG_LIVE | (w->p2p ? OM_FLAG_PEER2PEER : 0) |
	       (w->tunnelled ? OM_FLAG_TUNNELLED : 0) | (w->paused ? OM_FLAG_PAUSED : 0) |
	       (w->compressed ? OM_FLAG_COMPRESSED : 0) |
	       (w->converge ? OM_FLAG_AUTO_CONVERGE : 0) | (w->postcopy ? OM_FLAG_POSTCOPY : 0) |
	       (w->tls ? OM_FLAG_TLS : 0) | (w->parallel ? OM_FLAG_PARALLEL : 0) |
	       (w->zerocopy ? OM_FLAG_ZEROCOPY : 0);
}

static void make(struct om_opts *opts, const struct wish *w)
{
	static char uris[URI_COUNT][16] = { "", "tcp://x", "unix:///x", "rdma://x" };
	static char methods[4][8] = { "xbzrle", "mt", "zlib", "zstd" };
	static char text[] = "x";

	opts->flags = flags_of(w);
	opts->params.n = 0;
	add(opts, w->uri != URI_NONE, "migrate_uri", uris[w->uri], 0);
	add(opts, w->listen, "listen_address", text, 0);
	add(opts, w->certificate, "tls.destination", text, 0);
	add(opts, w->xbzrle, "compression", methods[0], 0);
	add(opts, w->mt, "compression", methods[1], 0);
	add(opts, w->zlib, "compression", methods[2], 0);
	add(opts, w->zstd, "compression", methods[3], 0);
	add(opts, w->converge_tuned, "auto_converge.increment", NULL, 10);
	add(opts, w->connections, "parallel.connections", NULL, 4);
	add(opts, w->mt_tuned, "compression.mt.threads", NULL, 4);
	add(opts, w->cache, "compression.xbzrle.cache", NULL, 65536);
	add(opts, w->zlib_level, "compression.zlib.level", NULL, 1);
	add(opts, w->zstd_level, "compression.zstd.level", NULL, 1);
	add(opts, w->switchover, "bandwidth.avail.switchover", NULL, 100);
}

static unsigned long checked, refused, without_postcopy;

static void compare(const struct wish *w)
{
	struct om_opts opts = { 0 };
	struct om_err err = { 0 };
	bool never = !must_never_switch(w), ok, expected = !is_refused(w);
	unsigned int flags;

	make(&opts, w);
	flags = opts.flags;
	ok = om_opts_check(&opts, &w->v, &never, &err);
	checked++;
	refused += !ok;
	without_postcopy += never;
	if (ok != expected)
		fail_msg("flags %#x, %zu parameters: %s instead (%s)", flags, opts.params.n,
			 ok ? "passed" : "refused", err.msg);
	if (never != (ok && must_never_switch(w)) || never != (opts.warnings.n == 1))
		fail_msg("flags %#x: never_switch is %d", flags, never);
	if (opts.flags != (never ? flags & ~OM_FLAG_POSTCOPY : flags))
		fail_msg("flags %#x became %#x", flags, opts.flags);
	om_strv_free(&opts.warnings);
}

static bool bit(unsigned int bits, unsigned int n)
{
	return bits >> n & 1;
}

static void set_flags(struct wish *w, unsigned int bits)
{
	w->p2p = bit(bits, 0);
	w->tunnelled = bit(bits, 1);
	w->paused = bit(bits, 2);
	w->compressed = bit(bits, 3);
	w->converge = bit(bits, 4);
	w->postcopy = bit(bits, 5);
	w->tls = bit(bits, 6);
	w->parallel = bit(bits, 7);
	w->zerocopy = bit(bits, 8);
}

static void set_methods(struct wish *w, unsigned int bits)
{
	w->xbzrle = bit(bits, 0);
	w->mt = bit(bits, 1);
	w->zlib = bit(bits, 2);
	w->zstd = bit(bits, 3);
}

static void set_tuning(struct wish *w, unsigned int bits)
{
	w->converge_tuned = bit(bits, 0);
	w->connections = bit(bits, 1);
	w->mt_tuned = bit(bits, 2);
	w->cache = bit(bits, 3);
	w->zlib_level = bit(bits, 4);
	w->zstd_level = bit(bits, 5);
	w->switchover = bit(bits, 6);
}

static void set_addresses(struct wish *w, unsigned int bits)
{
	w->uri = (enum uri)(bits & 3);
	w->listen = bit(bits, 2);
	w->certificate = bit(bits, 3);
}

static const struct om_versions some_versions[] = {
	{ 0, 0, 0, 0, 0 },
	{ V(9, 0), V(9, 0), V(7, 2), V(7, 2), 0 },
	{ V(11, 3), V(11, 3), V(10, 2), V(10, 2), 0 },
};

/* Either side of each limit, and unknown. */
static const uint64_t libvirts[] = { 0, V(8, 4), V(8, 5), V(9, 3), V(9, 4), V(11, 0), V(11, 1) };
static const uint64_t qemus[] = { 0,	   V(7, 0), V(7, 1),  V(8, 1),	V(8, 2), V(9, 0),
				  V(9, 1), V(9, 2), V(10, 0), V(10, 1), V(10, 2) };
#define PAIRS(list) (OM_ARRAY_LEN(list) * OM_ARRAY_LEN(list))

static void set_libvirts(struct wish *w, size_t pair)
{
	w->v.src_libvirt = libvirts[pair % OM_ARRAY_LEN(libvirts)];
	w->v.dst_libvirt = libvirts[pair / OM_ARRAY_LEN(libvirts)];
}

static void set_qemus(struct wish *w, size_t pair)
{
	w->v.src_qemu = qemus[pair % OM_ARRAY_LEN(qemus)];
	w->v.dst_qemu = qemus[pair / OM_ARRAY_LEN(qemus)];
}

/* No rule about flags alone has another limit than these; four sides, each on its own. */
static void all_flags_agree_on_all_versions_of_both_sides(void **state)
{
	static const uint64_t l[] = { 0, V(8, 4), V(8, 5), V(9, 3), V(9, 4) };
	static const uint64_t q[] = { 0, V(7, 0), V(7, 1), V(9, 2), V(10, 0), V(10, 1) };
	const unsigned int nl = OM_ARRAY_LEN(l), nq = OM_ARRAY_LEN(q);

	(void)state;
	for (unsigned int flags = 0; flags < 1 << 9; flags++)
		for (unsigned int i = 0; i < nl * nl * nq * nq; i++) {
			struct wish w = { 0 };

			set_flags(&w, flags);
			w.v.src_libvirt = l[i % nl];
			w.v.dst_libvirt = l[i / nl % nl];
			w.v.src_qemu = q[i / nl / nl % nq];
			w.v.dst_qemu = q[i / nl / nl / nq];
			compare(&w);
		}
}

/* Without the flags that no rule about a parameter looks at. */
static unsigned int few_flags(unsigned int bits)
{
	static const unsigned int flags[] = { 1 << 3, 1 << 4, 1 << 5, 1 << 7, 1 << 8 };
	unsigned int all = 0;

	for (size_t i = 0; i < OM_ARRAY_LEN(flags); i++)
		all |= bit(bits, (unsigned int)i) ? flags[i] : 0;
	return all;
}

static void methods_agree_on_all_versions(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 1 << 11; bits++)
		for (size_t pair = 0; pair < PAIRS(libvirts) + PAIRS(qemus); pair++) {
			struct wish w = { .uri = bit(bits, 5) ? URI_RDMA : URI_NONE };

			set_flags(&w, few_flags(bits & 31));
			w.switchover = bit(bits, 6);
			set_methods(&w, bits >> 7);
			if (pair < PAIRS(libvirts))
				set_libvirts(&w, pair);
			else
				set_qemus(&w, pair - PAIRS(libvirts));
			compare(&w);
		}
}

static void all_flags_and_addresses_agree(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 1 << 9; flags++)
		for (unsigned int rest = 0; rest < 1 << 6; rest++)
			for (size_t v = 0; v < OM_ARRAY_LEN(some_versions); v++) {
				struct wish w = { .v = some_versions[v] };

				set_flags(&w, flags);
				set_methods(&w, (rest & 3) == 3 ? 8 : rest & 3);
				set_addresses(&w, rest >> 2);
				compare(&w);
			}
}

static void methods_and_tuning_agree(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 1 << 6; flags++)
		for (unsigned int rest = 0; rest < 1 << 11; rest++) {
			struct wish w = { .v = some_versions[bit(flags, 5) ? 2 : 0] };

			set_flags(&w, few_flags(flags));
			set_methods(&w, rest & 15);
			set_tuning(&w, rest >> 4);
			compare(&w);
		}
}

static void both_answers_were_seen_often(void **state)
{
	(void)state;
	printf("%lu combinations, %lu refused, %lu without post-copy\n", checked, refused,
	       without_postcopy);
	assert_true(checked > 500000);
	assert_true(checked - refused > 10000);
	assert_true(without_postcopy > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_flags_agree_on_all_versions_of_both_sides),
		cmocka_unit_test(methods_agree_on_all_versions),
		cmocka_unit_test(all_flags_and_addresses_agree),
		cmocka_unit_test(methods_and_tuning_agree),
		cmocka_unit_test(both_answers_were_seen_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
