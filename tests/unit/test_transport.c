/* SPDX-License-Identifier: Apache-2.0 */
/* The way of sending: what memory is taken for, what is chosen, and what a refusal is taken for. */
#include "om_cmocka.h"

#include "om_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 65536u
#define MIB (UINT64_C(1) << 20)

static uint64_t xorshift(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void fill_random(unsigned char *memory, size_t size)
{
	uint64_t state = 88172645463325252u, word;

	for (size_t i = 0; i < size; i += 8) {
		word = xorshift(&state);
		memcpy(memory + i, &word, 8);
	}
}

static void fill_text(unsigned char *memory, size_t size)
{
	static const char text[] = "every page of a guest that serves documents has words in it; ";

	for (size_t i = 0; i < size; i++)
		memory[i] = (unsigned char)text[i % (sizeof(text) - 1)];
	for (size_t i = 0; i < size; i += 97) /* no two pages are the same */
		memory[i] = (unsigned char)('0' + i / 97 % 10);
}

static void memory_is_told_apart(void **unused)
{
	OM_AUTOFREE unsigned char *memory = om_xcalloc(1, PIECE);
	struct om_sampled zeros = { 0 }, random = { 0 }, text = { 0 }, nothing = { 0 };

	(void)unused;
	om_sampled_add(&zeros, memory, PIECE);
	assert_int_equal(zeros.bytes, PIECE);
	assert_int_equal(zeros.zero_bytes, PIECE);
	assert_int_equal(zeros.packed_bytes, 0);
	assert_int_equal(zeros.used_places, 0);
	fill_random(memory, PIECE);
	om_sampled_add(&random, memory, PIECE);
	assert_int_equal(random.zero_bytes, 0);
	assert_in_range(om_sampled_permille(&random), 980, 1000);
	fill_text(memory, PIECE);
	om_sampled_add(&text, memory, PIECE);
	assert_in_range(om_sampled_permille(&text), 10, 150);
	assert_int_equal(om_sampled_permille(&nothing), 1000);
}

static void zeros_among_pages_count_as_such(void **unused)
{
	OM_AUTOFREE unsigned char *memory = om_xcalloc(1, PIECE);
	struct om_sampled sampled = { 0 };

	(void)unused;
	fill_random(memory, PIECE / 2);
	memory[PIECE - 1] = 1; /* the last page is none of zeros */
	om_sampled_add(&sampled, memory, PIECE);
	assert_int_equal(sampled.zero_bytes, PIECE / 2 - 4096);
	assert_int_equal(sampled.used_places, 1);
	/* The page with a single byte comes to next to nothing. */
	assert_in_range(sampled.packed_bytes, PIECE / 2 * 98 / 100, PIECE / 2 + 700);
}

/* ---- the choice ---- */

static const struct om_versions trixie = { 11003000, 11003000, 10000013, 10000013, 0 };

static struct om_transport_facts usual(unsigned int permille)
{
	struct om_transport_facts facts = {
		.memory_bytes = 8192 * MIB,
		.sampled = { .bytes = 1000000,
			     .packed_bytes = permille * 1000,
			     .work_ns = 3000000,
			     .used_places = 4 },
		.src = { 8, 800 },
		.dst = { 8, 800 },
		.link_bytes_ps = 117000000,
	};

	return facts;
}

struct given {
	const char *name, *value;   /* a setting; NULL: none */
	struct om_knob_source also; /* another one; its name NULL: none */
	const char *options;
	unsigned int flags;
	bool limited;
	struct om_versions versions;
	struct om_transport_facts facts;
};

static bool choose(const struct given *given, struct om_transport *t, struct om_err *err)
{
	struct om_knob_source sources[] = { { given->name, given->value, OM_ORIGIN_RC },
					    given->also };
	size_t count = given->also.name ? 2 : given->name != NULL;
	struct om_knobs knobs;
	struct om_opts opts;
	bool ok;

	assert_true(om_knobs_resolve(&knobs, sources, count, NULL, err));
	assert_true(om_opts_parse(&opts, given->options ? given->options : "", err));
	ok = om_transport_choose(t, &knobs, &opts, given->flags | opts.flags, given->limited,
				 &given->versions, &given->facts, err);
	om_knobs_free(&knobs);
	om_opts_free(&opts);
	return ok;
}

static enum om_compression chosen(const struct given *given)
{
	struct om_transport t;
	struct om_err err;

	assert_true(choose(given, &t, &err));
	assert_int_equal(t.compression != OM_COMPRESSION_NONE, (t.flags & OM_FLAG_COMPRESSED) != 0);
	assert_int_equal(t.connections != 0, (t.flags & OM_FLAG_PARALLEL) != 0);
	return t.compression;
}

static void compresses_where_it_is_faster(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(300) };

	(void)unused;
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.facts = usual(990);
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts = usual(500);
	given.facts.link_bytes_ps = 11700000000u;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts.seen_bytes_ps = 50000000; /* the link is not what its interface says */
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.facts.seen_least = true; /* and may be better than that */
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts = usual(300);
	given.facts.memory_bytes = 16 * MIB;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts = usual(300);
	given.facts.sampled.bytes = 0;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
}

static void slow_processors_are_helped_by_a_second_one(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(990) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.facts.link_bytes_ps = 1175000000;
	given.facts.src = given.facts.dst = (struct om_transport_cpu){ 2, 1000, 0 };
	given.facts.seen_bytes_ps = 800000000;
	given.facts.seen_least = true;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.connections, 0);
	given.facts.stream_bytes_ps =
		800000000; /* which is less than others need a processor for */
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.connections, 2);
	assert_int_equal(t.compression, OM_COMPRESSION_NONE);
}

static void not_for_little(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(740) };

	(void)unused;
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.facts = usual(760);
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
}

/* What is queued before a destination that is slow to unpack has to be unpacked in the pause. */
static void not_where_the_guest_would_wait_for_it(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(60) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.facts.dst.cpus = 2;
	given.facts.sampled.work_ns /= 10; /* it is packed faster than that */
	given.facts.fresh_page_ns = 500;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	assert_int_equal(t.connections, 2);
	given.facts.fresh_page_ns = 2500; /* with one less is queued */
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	assert_int_equal(t.connections, 1);
	given.facts.fresh_page_ns = 15000;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_NONE);
	assert_non_null(strstr(t.why, "waits for it"));
	given.facts.packed_downtime_ms = 499; /* it has not, so far */
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	given.facts.packed_downtime_ms = 501;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.name = "MIGRATE_DOWNTIME_MAX_MS"; /* where it may */
	given.value = "2500";
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	assert_in_range(t.expected_queue_ms, 100, 1500);
	given.facts = usual(600); /* it keeps up with the link */
	given.facts.fresh_page_ns = 15000;
	given.value = "100";
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
}

/* The queue grows by what is sent faster than it is taken in, for as long as memory is sent. */
static void a_queue_needs_time_and_a_faster_sender(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(60) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.facts.dst.cpus = 2;
	given.facts.sampled.work_ns = 300000;
	given.facts.fresh_page_ns = 15000;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts.memory_bytes = 64 * MIB;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	assert_in_range(t.expected_queue_ms, 50, 299);
	given.facts.memory_bytes = 512 * MIB;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts.sampled.bytes *= 10; /* a tenth of it is to be sent */
	given.facts.sampled.zero_bytes = 9000000;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	given = (struct given){ .versions = trixie, .facts = usual(60) };
	given.facts.dst.cpus = given.facts.src.cpus = 2;
	given.facts.fresh_page_ns = 2500;
	given.facts.sampled.work_ns = 1400000; /* packed less fast than it is unpacked */
	given.name = "MIGRATE_DOWNTIME_MAX_MS";
	given.value = "50";
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	assert_int_equal(t.expected_queue_ms, 0);
	given.facts.sampled.work_ns = 900000;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
}

/* `plan` foretells with it. */
static void what_is_asked_for_has_a_speed_too(void **unused)
{
	struct given given = { .versions = trixie,
			       .facts = usual(300),
			       .name = "MIGRATE_COMPRESSION",
			       .value = "zstd" };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	assert_true(choose(&given, &t, &err));
	assert_in_range(t.expected_bytes_ps, 200000000, 400000000);
	given.value = "none";
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.expected_bytes_ps, 117000000);
}

/* What must remain possible. */
static void never_against_what_must_remain(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(300) };

	(void)unused;
	given.flags = OM_FLAG_POSTCOPY;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.versions.src_qemu = given.versions.dst_qemu = 10001000;
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.flags = 0;
	given.limited = true;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.limited = false;
	given.facts.refused = OM_REFUSED_ZSTD;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts.refused = 0;
	given.versions.dst_libvirt = 9003000;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.versions.dst_libvirt = 0;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
}

static void neither_on_pinned_processors_nor_for_a_few_pages(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(300) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.facts.pinned_cpus = true;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.name = "MIGRATE_COMPRESSION";
	given.value = "zstd";
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given = (struct given){ .versions = trixie, .facts = usual(300) };
	given.facts.sampled.packed_bytes = 20u << 10;
	given.facts.sampled.work_ns = 300000;
	given.facts.sampled.zero_bytes = given.facts.sampled.bytes - (40u << 10);
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.facts.sampled.zero_bytes = given.facts.sampled.bytes - (30u << 10);
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_NONE);
	assert_non_null(strstr(t.why, "; too little of what was read is not zero"));
	given.facts = usual(300);
	given.facts.sampled.used_places = 3;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
}

/* Shared with what computes there: each thread gets a part of a processor. */
static void busy_processors_compress_as_long_as_they_can(void **unused)
{
	static const struct om_transport_cpu thirds = { 2, 300, 300 }, fifths = { 2, 200, 200 },
					     less = { 2, 190, 190 };
	struct given given = { .versions = trixie, .facts = usual(300) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.facts.sampled.work_ns /= 6;
	given.facts.src = given.facts.dst = thirds;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_ZSTD);
	given.facts.dst = fifths;
	assert_int_equal(chosen(&given), OM_COMPRESSION_ZSTD);
	given.facts.dst = less;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_NONE);
	assert_non_null(strstr(t.why, "too busy for compression"));
	given.facts = usual(990); /* several connections, where one does not fill the link */
	given.facts.link_bytes_ps = 1175000000;
	given.facts.seen_bytes_ps = 800000000;
	given.facts.seen_least = true;
	given.facts.stream_bytes_ps = 800000000;
	given.facts.src = given.facts.dst = (struct om_transport_cpu){ 2, 1000, 0 };
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.connections, 2);
	given.facts.src = thirds;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.connections, 0);
}

static void what_the_words_come_to_is_told(void **unused)
{
	static const struct {
		const char *options, *text;
	} rows[] = {
		{ "--parallel", "several connections (MIGRATE_OPTIONS)" },
		{ "--parallel --parallel-connections 1", "1 connection (MIGRATE_OPTIONS)" },
		{ "--parallel --parallel-connections 3 --tls --compressed --comp-methods zstd",
		  "3 connections, zstd, TLS (MIGRATE_OPTIONS)" },
		{ "--parallel --zerocopy", "several connections, zero-copy (MIGRATE_OPTIONS)" },
		{ "--compressed", "a single stream, xbzrle (MIGRATE_OPTIONS)" },
		{ "--comp-methods mt,xbzrle", "a single stream, mt, xbzrle (MIGRATE_OPTIONS)" },
		{ "--p2p --tunnelled", "a single stream, tunnelled (MIGRATE_OPTIONS)" },
		{ "--migrateuri rdma://node02", "a single stream, RDMA (MIGRATE_OPTIONS)" },
		{ "--tls", "2 connections, zstd level 1, TLS" }, /* which we choose */
	};
	struct given given = { .versions = trixie, .facts = usual(300) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		given.options = rows[i].options;
		assert_true(choose(&given, &t, &err));
		assert_string_equal(t.text, rows[i].text);
	}
}

static void words_of_the_options_win(void **unused)
{
	static const char *const words[] = { "--parallel", "--compressed", "--zerocopy --parallel",
					     "--p2p --tunnelled",
					     "--comp-methods mt --compressed" };
	struct given given = { .versions = trixie, .facts = usual(300) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(words); i++) {
		given.options = words[i];
		given.name = "MIGRATE_COMPRESSION";
		given.value = "zlib";
		assert_true(choose(&given, &t, &err));
		assert_int_equal(t.flags, 0);
		assert_true(t.by_options);
		assert_int_equal(t.warning_count, 0);
		given.limited = true;
		assert_true(choose(&given, &t, &err));
		assert_int_equal(strstr(words[i], "--parallel") != NULL, t.warning_count != 0);
		given.limited = false;
	}
}

static void encryption_is_never_given_up_where_it_is_required(void **unused)
{
	struct given given = { .versions = trixie, .facts = usual(300), .name = "MIGRATE_TLS" };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.value = "required";
	assert_true(choose(&given, &t, &err)); /* nobody could look for certificates */
	assert_true((t.flags & OM_FLAG_TLS) && t.tls_required);
	given.facts.tls = OM_TLS_READY;
	given.facts.refused = OM_REFUSED_TLS; /* it is tried again, and fails if it must */
	assert_true(choose(&given, &t, &err));
	assert_true((t.flags & OM_FLAG_TLS) && t.tls_required);
	given.facts.tls = OM_TLS_NOT_CHECKED;
	assert_false(choose(&given, &t, &err));
	assert_int_equal(err.code, OM_E_REFUSED);
	assert_non_null(
		strstr(err.msg,
		       "cannot be had: this pair of hosts has refused it within the last hour"));
	given.facts.tls = OM_TLS_MISSING;
	given.facts.refused = 0;
	assert_false(choose(&given, &t, &err));
	assert_int_equal(err.code, OM_E_REFUSED);
	given.facts.refused = OM_REFUSED_TLS; /* whatever else is known */
	assert_false(choose(&given, &t, &err));
	given.value = "opportunistic";
	assert_true(choose(&given, &t, &err));
	assert_false(t.flags & OM_FLAG_TLS);
	assert_int_equal(t.warning_count, 1);
	given.facts.tls = OM_TLS_READY;
	given.facts.refused = 0;
	assert_true(choose(&given, &t, &err));
	assert_true((t.flags & OM_FLAG_TLS) && !t.tls_required && !t.warning_count);
}

static void zero_copy_goes_with_nothing_that_excludes_it(void **unused)
{
	struct given given = { .versions = trixie,
			       .facts = usual(300),
			       .name = "MIGRATE_ZEROCOPY" };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.value = "yes";
	assert_true(choose(&given, &t, &err)); /* though compression would be faster */
	assert_int_equal(t.flags, OM_FLAG_ZEROCOPY | OM_FLAG_PARALLEL);
	assert_int_equal(t.warning_count, 0);
	given.facts.refused = OM_REFUSED_ZEROCOPY;
	assert_true(choose(&given, &t, &err)); /* where it cannot be had, and said so */
	assert_int_equal(t.flags, OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL);
	assert_int_equal(t.warning_count, 1);
	given.facts = usual(300);
	given.also = (struct om_knob_source){ "MIGRATE_COMPRESSION", "zstd", OM_ORIGIN_RC };
	assert_true(choose(&given, &t, &err)); /* both by name: likewise */
	assert_int_equal(t.flags, OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL);
	assert_int_equal(t.warning_count, 1);
	given.also.name = NULL;
	given.facts = usual(990);
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.flags, OM_FLAG_ZEROCOPY | OM_FLAG_PARALLEL);
	given.flags = OM_FLAG_TLS;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.flags, 0);
}

static bool takes_zero_copy(uint32_t speed_mbit, uint64_t seen_bytes_ps)
{
	struct given given = { .versions = trixie, .facts = usual(990) };
	struct om_transport t;
	struct om_err err;

	given.facts.memory_bytes = 65536 * MIB;
	given.facts.lockable_bytes = MIB;
	given.facts.fresh_page_ns = 200;
	given.facts.src.cpus = given.facts.dst.cpus = 16;
	given.facts.link_bytes_ps = om_link_bytes_ps(speed_mbit);
	given.facts.seen_bytes_ps = seen_bytes_ps;
	assert_true(choose(&given, &t, &err));
	assert_true(t.connections > 1);
	return t.flags & OM_FLAG_ZEROCOPY;
}

/* "On links above 24 Gbit/s", by what the interface says, whatever frames and packets take. */
static void zero_copy_is_for_fast_links(void **unused)
{
	(void)unused;
	assert_true(takes_zero_copy(100000, 0));
	assert_true(takes_zero_copy(25000, 0));
	assert_true(takes_zero_copy(25000, 2700000000u)); /* in an earlier one, which copied */
	assert_false(takes_zero_copy(24000, 2800000000u));
	assert_false(takes_zero_copy(20000, 2300000000u));
}

static void xbzrle_where_nothing_else_helps(void **unused)
{
	struct given given = { .versions = { 9000000, 9000000, 7002000, 7002000, 0 },
			       .facts = usual(300) };
	struct om_transport t;
	struct om_err err;

	(void)unused;
	given.facts.hot_bytes = 100 * MIB;
	given.facts.dirty_bytes_ps = 100 * MIB;
	assert_true(choose(&given, &t, &err));
	assert_int_equal(t.compression, OM_COMPRESSION_XBZRLE);
	assert_int_equal(t.cache_bytes, 128 * MIB);
	assert_int_equal(t.connections, 0);
	given.facts.xbzrle_failed = true;
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
	given.facts.xbzrle_failed = false;
	given.facts.dirty_bytes_ps = 10 * MIB; /* converges without */
	assert_int_equal(chosen(&given), OM_COMPRESSION_NONE);
}

/* ---- refusals ---- */

static struct om_plan plan_of(unsigned int flags, unsigned int ours, enum om_compression method)
{
	struct om_plan plan = { .flags = flags | ours,
				.transport = { .flags = ours, .compression = method } };

	plan.attempts[0] = (struct om_attempt){ .path = OM_PATH_FAST, .flags = flags | ours };
	plan.attempts[1] = (struct om_attempt){ .path = OM_PATH_DEFAULT, .flags = flags | ours };
	plan.attempt_count = 2;
	plan.attempts[2] = (struct om_attempt){ .path = OM_PATH_FAST, .flags = flags };
	plan.attempts[3] = (struct om_attempt){ .path = OM_PATH_DEFAULT, .flags = flags };
	plan.attempt_count = 4;
	return plan;
}

#define WITHOUT_ZSTD                                                                               \
	"internal error: unable to execute QEMU command 'migrate-set-parameters': Parameter "      \
	"'multifd-compression' does not accept value 'zstd'"

static void a_refusal_leads_to_what_is_weaker(void **unused)
{
	/* Codes and domains as libvirt 9.0 and 11.3 give them. */
	static const struct {
		unsigned int ours;
		enum om_compression method;
		int code, domain;
		const char *text;
		uint32_t refused;
		enum om_next next;
	} rows[] = {
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 8, 10,
		  "Unsupported compression method 'zstd'", OM_REFUSED_ZSTD, OM_NEXT_TRANSPORT },
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZLIB, 1, 10,
		  "unable to execute QEMU command 'migrate-set-parameters': Invalid",
		  OM_REFUSED_ZLIB, OM_NEXT_TRANSPORT },
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 1, 10, WITHOUT_ZSTD,
		  OM_REFUSED_ZSTD, OM_NEXT_TRANSPORT },
		{ OM_FLAG_ZEROCOPY | OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 38, 0,
		  "cannot limit locked memory of process 7 to 5", OM_REFUSED_ZEROCOPY,
		  OM_NEXT_TRANSPORT },
		{ OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 8, 0, "unsupported flags (0x20000)",
		  OM_REFUSED_CONNECTIONS, OM_NEXT_TRANSPORT },
		{ OM_FLAG_TLS, OM_COMPRESSION_NONE, 1, 10,
		  "unable to execute QEMU command 'object-add': Unable to access credentials",
		  OM_REFUSED_TLS, OM_NEXT_NO_TLS },
		{ OM_FLAG_TLS, OM_COMPRESSION_NONE, 74, 0,
		  "parameter 'tls.destination' not supported", OM_REFUSED_TLS, OM_NEXT_NO_TLS },
		{ OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 74, 10,
		  "Migration option 'multifd' is not supported by QEMU binary",
		  OM_REFUSED_CONNECTIONS, OM_NEXT_TRANSPORT },
		{ OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 74, 0,
		  "argument unsupported: parameter 'parallel.connections' not supported",
		  OM_REFUSED_CONNECTIONS, OM_NEXT_TRANSPORT },
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 55, 10,
		  "Compression method 'zstd' isn't supported with parallel migration",
		  OM_REFUSED_ZSTD, OM_NEXT_TRANSPORT },
		{ OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 67, 10,
		  "Migration option 'multifd' is not supported by QEMU binary",
		  OM_REFUSED_CONNECTIONS, OM_NEXT_TRANSPORT },
		/* In any language. */
		{ OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 67, 10,
		  "nicht unterstuetzte Konfiguration: QEMU kennt das nicht", OM_REFUSED_CONNECTIONS,
		  OM_NEXT_TRANSPORT },
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 55, 10,
		  "Angeforderte Operation ist nicht gueltig", OM_REFUSED_ZSTD, OM_NEXT_TRANSPORT },
		/* The domain's. */
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 55, 10,
		  "Requested operation is not valid: domain has active block job", 0,
		  OM_NEXT_NONE },
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 55, 10,
		  "Requested operation is not valid: cannot migrate domain: Migration disabled: "
		  "vhost-user backend lacks a feature",
		  0, OM_NEXT_NONE },
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 67, 31,
		  "unsupported configuration: Target network card type does not match source", 0,
		  OM_NEXT_NONE },
		/* The path's, and nobody's of these. */
		{ OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL, OM_COMPRESSION_ZSTD, 9, 10,
		  "operation failed: Failed to connect", 0, OM_NEXT_PATH },
		{ OM_FLAG_PARALLEL, OM_COMPRESSION_NONE, 1, 10, "internal error: something else", 0,
		  OM_NEXT_NONE },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_plan plan = plan_of(OM_FLAG_LIVE, rows[i].ours, rows[i].method);
		struct om_attempt_end end = { .vir_code = rows[i].code,
					      .vir_domain = rows[i].domain };
		size_t next = 99;

		om_str_copy(end.text, sizeof(end.text), rows[i].text);
		if (om_plan_refused(&plan, 0, &end) != rows[i].refused ||
		    om_plan_next(&plan, 0, &end, &next) != rows[i].next)
			fail_msg("%s", rows[i].text);
		if (rows[i].refused)
			assert_int_equal(next, 2);
		if (!rows[i].refused)
			continue;
		/* Not the operator's own flags, and not once memory has moved. */
		plan.transport.flags = 0;
		assert_int_equal(om_plan_refused(&plan, 0, &end), 0);
		plan.transport.flags = rows[i].ours;
		end.stop_requested = true;
		assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
		end.stop_requested = false;
		end.bytes_sent = true;
		if (!(rows[i].ours & OM_FLAG_ZEROCOPY))
			assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
	}
}

static void required_encryption_has_no_weaker_attempt(void **unused)
{
	struct om_plan plan = plan_of(OM_FLAG_LIVE, OM_FLAG_TLS, OM_COMPRESSION_NONE);
	struct om_attempt_end end = { .vir_code = 1, .vir_domain = 10, .text = "'object-add'" };
	size_t next;

	(void)unused;
	plan.transport.tls_required = true;
	plan.attempt_count = 2; /* as om_plan_make() leaves it */
	assert_int_equal(om_plan_next(&plan, 0, &end, &next), OM_NEXT_NONE);
}

static struct om_plan plan_for(const char *compression, const char *tls, uint32_t refused)
{
	static char host[] = "node02";
	const struct om_req req = { .dst_host = host };
	const struct om_knob_source sources[] = {
		{ "MIGRATE_COMPRESSION", compression, OM_ORIGIN_RC },
		{ "MIGRATE_TLS", tls, OM_ORIGIN_RC },
	};
	struct om_facts facts = { .versions = trixie, .transport = usual(300) };
	struct om_knobs knobs;
	struct om_opts opts;
	struct om_plan plan;
	struct om_err err;

	facts.transport.refused = refused;
	facts.transport.tls = OM_TLS_READY;
	assert_true(om_knobs_resolve(&knobs, sources, OM_ARRAY_LEN(sources), NULL, &err));
	assert_true(om_opts_parse(&opts, "", &err));
	assert_true(om_plan_make(&plan, &req, &knobs, &opts, &facts, &err));
	om_opts_free(&opts);
	om_knobs_free(&knobs);
	return plan;
}

static bool packs(const struct om_attempt *attempt)
{
	bool flagged = attempt->flags & OM_FLAG_COMPRESSED;

	assert_int_equal(flagged, om_params_get(&attempt->params, "compression") != NULL);
	assert_int_equal(flagged,
			 om_params_get(&attempt->params, "compression.zstd.level") != NULL);
	return flagged;
}

/* A QEMU that was built without zstd: only trying tells. */
static void what_was_refused_is_tried_on_no_other_path_and_not_the_next_time(void **unused)
{
	static const char *const settings[] = { "auto", "zstd" };
	const struct om_attempt_end refusal = { .vir_domain = 10,
						.vir_code = 1,
						.text = WITHOUT_ZSTD };
	const struct om_attempt_end no_route = { .vir_domain = 7, .vir_code = 38 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(settings); i++) {
		struct om_plan plan = plan_for(settings[i], "off", 0);
		size_t at;

		assert_int_equal(plan.attempt_count, 4);
		assert_true(packs(&plan.attempts[0]) && packs(&plan.attempts[1]));
		assert_int_equal(om_plan_refused(&plan, 0, &refusal), OM_REFUSED_ZSTD);
		assert_int_equal(om_plan_next(&plan, 0, &refusal, &at), OM_NEXT_TRANSPORT);
		assert_int_equal(plan.attempts[at].path, plan.attempts[0].path);
		assert_false(packs(&plan.attempts[at]));
		assert_int_equal(om_plan_next(&plan, at, &no_route, &at), OM_NEXT_PATH);
		assert_int_equal(plan.attempts[at].path, plan.attempts[1].path);
		assert_false(packs(&plan.attempts[at]));
		assert_int_equal(om_plan_refused(&plan, at, &refusal), 0);
		assert_int_equal(om_plan_next(&plan, at, &refusal, &at), OM_NEXT_NONE);
		/* The path first, the refusal on the second. */
		assert_int_equal(om_plan_next(&plan, 0, &no_route, &at), OM_NEXT_PATH);
		assert_int_equal(om_plan_next(&plan, at, &refusal, &at), OM_NEXT_TRANSPORT);
		assert_int_equal(plan.attempts[at].path, plan.attempts[1].path);
		assert_false(packs(&plan.attempts[at]));
		om_plan_free(&plan);

		plan = plan_for(settings[i], "off", OM_REFUSED_ZSTD);
		assert_int_equal(plan.attempt_count, 2);
		assert_false(packs(&plan.attempts[0]) || packs(&plan.attempts[1]));
		assert_int_equal(plan.warnings.n, i);
		if (i)
			assert_string_equal(plan.warnings.v[0],
					    "MIGRATE_COMPRESSION zstd is not followed: this pair "
					    "of hosts has refused it within the last day (to try "
					    "again now: see FILES, refused, in onemigrate(8))");
		om_plan_free(&plan);
	}
}

static void each_refusal_takes_only_its_own_away(void **unused)
{
	const struct om_attempt_end zstd = { .vir_domain = 10,
					     .vir_code = 1,
					     .text = WITHOUT_ZSTD };
	const struct om_attempt_end tls = { .vir_domain = 10,
					    .vir_code = 1,
					    .text = "'object-add': Unable to access credentials" };
	struct om_plan plan = plan_for("zstd", "opportunistic", 0);
	size_t at;

	(void)unused;
	assert_true(packs(&plan.attempts[0]) && (plan.attempts[0].flags & OM_FLAG_TLS));
	assert_int_equal(om_plan_next(&plan, 0, &zstd, &at), OM_NEXT_TRANSPORT);
	assert_true(!packs(&plan.attempts[at]) && (plan.attempts[at].flags & OM_FLAG_TLS));
	assert_int_equal(om_plan_next(&plan, at, &tls, &at), OM_NEXT_NO_TLS);
	assert_true(!packs(&plan.attempts[at]) && !(plan.attempts[at].flags & OM_FLAG_TLS));
	assert_int_equal(om_plan_next(&plan, 0, &tls, &at), OM_NEXT_NO_TLS);
	assert_true(packs(&plan.attempts[at]) && !(plan.attempts[at].flags & OM_FLAG_TLS));
	assert_int_equal(om_plan_next(&plan, at, &zstd, &at), OM_NEXT_TRANSPORT);
	assert_true(!packs(&plan.attempts[at]) && !(plan.attempts[at].flags & OM_FLAG_TLS));
	assert_int_equal(plan.attempts[at].path, plan.attempts[0].path);
	om_plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_told_apart),
		cmocka_unit_test(zeros_among_pages_count_as_such),
		cmocka_unit_test(compresses_where_it_is_faster),
		cmocka_unit_test(slow_processors_are_helped_by_a_second_one),
		cmocka_unit_test(not_for_little),
		cmocka_unit_test(a_queue_needs_time_and_a_faster_sender),
		cmocka_unit_test(what_is_asked_for_has_a_speed_too),
		cmocka_unit_test(not_where_the_guest_would_wait_for_it),
		cmocka_unit_test(never_against_what_must_remain),
		cmocka_unit_test(neither_on_pinned_processors_nor_for_a_few_pages),
		cmocka_unit_test(busy_processors_compress_as_long_as_they_can),
		cmocka_unit_test(words_of_the_options_win),
		cmocka_unit_test(what_the_words_come_to_is_told),
		cmocka_unit_test(encryption_is_never_given_up_where_it_is_required),
		cmocka_unit_test(zero_copy_goes_with_nothing_that_excludes_it),
		cmocka_unit_test(zero_copy_is_for_fast_links),
		cmocka_unit_test(xbzrle_where_nothing_else_helps),
		cmocka_unit_test(a_refusal_leads_to_what_is_weaker),
		cmocka_unit_test(what_was_refused_is_tried_on_no_other_path_and_not_the_next_time),
		cmocka_unit_test(each_refusal_takes_only_its_own_away),
		cmocka_unit_test(required_encryption_has_no_weaker_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
