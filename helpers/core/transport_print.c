/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a way of sending, and why it was chosen. */
#include "transport_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const names[OM_COMPRESSION_COUNT] = {
	[OM_COMPRESSION_NONE] = "none",
	[OM_COMPRESSION_ZSTD] = "zstd",
	[OM_COMPRESSION_ZLIB] = "zlib",
	[OM_COMPRESSION_XBZRLE] = "xbzrle",
};

const char *om_compression_name(enum om_compression compression)
{
	return names[compression];
}

static bool is_encrypted(const struct om_transport *t)
{
	return t->tls_by_options || (t->flags & OM_FLAG_TLS);
}

static void print_words(struct om_transport *t)
{
	snprintf(t->text, sizeof(t->text), "%s%s (%s)", t->words, is_encrypted(t) ? ", TLS" : "",
		 t->words_from);
}

static void print_way(struct om_transport *t)
{
	char method[48] = "", streams[32] = "a single stream";
	size_t len;

	if (t->by_options) {
		print_words(t);
		return;
	}
	if (t->connections)
		snprintf(streams, sizeof(streams), "%u connection%s", t->connections,
			 t->connections == 1 ? "" : "s");
	if (t->compression == OM_COMPRESSION_XBZRLE)
		snprintf(method, sizeof(method), ", xbzrle with a cache of %u MiB",
			 (unsigned int)(t->cache_bytes >> 20));
	else if (t->compression)
		snprintf(method, sizeof(method), ", %s level %u", names[t->compression], t->level);
	snprintf(t->text, sizeof(t->text), "%s%s", streams, method);
	len = strlen(t->text);
	snprintf(t->text + len, sizeof(t->text) - len, "%s%s",
		 t->flags & OM_FLAG_ZEROCOPY ? ", zero-copy" : "", is_encrypted(t) ? ", TLS" : "");
}

char *om_transport_sentence(const struct om_transport *t)
{
	if (!*t->text)
		return NULL;
	return om_xasprintf("sent by %s%s%s", t->text, *t->why ? ": " : "", t->why);
}

void om_transport_left(struct om_transport *left, const struct om_transport *t, unsigned int flags)
{
	*left = *t;
	left->flags &= flags;
	if (!(left->flags & OM_FLAG_PARALLEL))
		left->connections = 0;
	if (!(left->flags & OM_FLAG_COMPRESSED))
		left->compression = OM_COMPRESSION_NONE;
	print_way(left);
}

static void print_speed(double bytes_ps, char text[24])
{
	double mbit = bytes_ps * 8 / 1e6;

	snprintf(text, 24, mbit < 1000 ? "%.0f Mbit/s" : "%.1f Gbit/s",
		 mbit < 1000 ? mbit : mbit / 1000);
}

static void print_cpus(const struct om_transport_cpu *cpu, char text[24])
{
	if (cpu->cpus)
		snprintf(text, 24, "%.1f", om_transport_cpus_for(cpu, cpu->cpus));
	else
		om_str_copy(text, 24, "(not known)");
}

static void explain(const struct om_transport_case *c, struct om_transport *t)
{
	const struct om_transport_facts *f = c->facts;
	uint32_t permille = om_sampled_permille(&f->sampled);
	char link[24] = "not known", src[24], dst[24];

	if (c->link_ps > 0)
		print_speed(c->link_ps, link);
	print_cpus(&f->src, src);
	print_cpus(&f->dst, dst);
	if (*t->why)
		return;
	if (!f->sampled.bytes)
		snprintf(t->why, sizeof(t->why), "nothing is known of the memory");
	else
		snprintf(
			t->why, sizeof(t->why),
			"of the memory %.0f %% is zero and the rest compresses to %.0f %%, the link "
			"carries %s, %s and %s processors are free%s%s",
			(double)f->sampled.zero_bytes * 100 / (double)f->sampled.bytes,
			permille / 10.0, link, src, dst, c->obstacle ? "; " : "",
			c->obstacle ? c->obstacle : "");
}

void om_transport_tell(const struct om_transport_case *c, struct om_transport *t)
{
	print_way(t);
	explain(c, t);
}

/* ---- words of the options ---- */

static void add_word(struct om_transport *t, const char *word)
{
	size_t len = strlen(t->words);

	snprintf(t->words + len, sizeof(t->words) - len, ", %s", word);
}

static void print_streams(struct om_transport *t, const struct om_opts *opts)
{
	const struct om_param *number = om_params_get(&opts->params, "parallel.connections");

	if (!(opts->flags & OM_FLAG_PARALLEL))
		om_str_copy(t->words, sizeof(t->words), "a single stream");
	else if (!number)
		om_str_copy(t->words, sizeof(t->words), "several connections");
	else
		snprintf(t->words, sizeof(t->words), "%u connection%s",
			 (unsigned int)number->number, number->number == 1 ? "" : "s");
}

static void add_methods(struct om_transport *t, const struct om_opts *opts)
{
	bool named = false;

	for (size_t i = 0; i < opts->params.n; i++)
		if (strcmp(opts->params.v[i].name, "compression") == 0) {
			add_word(t, opts->params.v[i].text);
			named = true;
		}
	if ((opts->flags & OM_FLAG_COMPRESSED) && !named)
		add_word(t, "xbzrle"); /* libvirt's default */
}

void om_transport_tell_words(const struct om_transport_case *c, struct om_transport *t)
{
	const struct om_param *uri = om_params_get(&c->opts->params, "migrate_uri");
	const struct om_opts *opts = c->opts;

	t->words_from = om_transport_has_features_alone(c) ? "FEATURES" : "MIGRATE_OPTIONS";
	print_streams(t, opts);
	add_methods(t, opts);
	if (opts->flags & OM_FLAG_ZEROCOPY)
		add_word(t, "zero-copy");
	if (opts->flags & OM_FLAG_TUNNELLED)
		add_word(t, "tunnelled");
	if (uri && om_str_starts(uri->text, "rdma:"))
		add_word(t, "RDMA");
	else if (uri && om_str_starts(uri->text, "unix:"))
		add_word(t, "UNIX socket");
	print_words(t);
}
