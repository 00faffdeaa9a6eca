/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_plan DIR: prints the plan, or the refusal, for the case in DIR:
 *   req.xml, or req (the name of a document in ../../req)   what OpenNebula asks for
 *   args    src_host=, dst_host=, auto_converge=, compressed=: replaces that of the document
 *   env     NAME=VALUE lines as of kvmrc; likewise datastore and vm, of the two templates
 *   facts   key=value lines: src_libvirt, dst_libvirt, src_qemu, dst_qemu (11.3.0), src_qemu_most, addr, name,
 *           ifname (routed by it), speed_mbit, answer, own (yes, no), why, mgmt (interface),
 *           max_downtime_ms, bandwidth_mibps, obstacle (to post-copy); of the way of sending memory_mib, packed and
 *           zero (permille of what was sampled), src_cpu and dst_cpu (CPUS:FREE_PERMILLE), seen_mbps,
 *           lockable_kib, tls (missing, ready), refused (bits)
 *   disks   disks that the hosts do not share: see golden_disks.h
 * The clock stands at 23:00 of 2027-01-31, UTC, and the migration began 1000 ms after the boot.
 */
#include "golden_disks.h"
#include "om_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's text, or NULL. */
static char *slurp(const char *dir, const char *name)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", dir, name);
	FILE *file = fopen(path, "r");
	char *text;
	size_t n;

	if (!file)
		return NULL;
	text = om_xcalloc(1, 1 << 20);
	n = fread(text, 1, (1 << 20) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "golden_plan: %s: %s\n", what, detail);
	exit(2);
}

/* Calls fn for each NAME=VALUE line. */
static void each_pair(char *text, void (*fn)(void *ctx, const char *name, const char *value),
		      void *ctx)
{
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');

		if (*line == '#')
			continue;
		if (!value)
			die("no NAME=VALUE", line);
		*value++ = '\0';
		fn(ctx, line, value);
	}
}

static void set_req(void *ctx, const char *name, const char *value)
{
	struct om_req *req = ctx;
	char **field = strcmp(name, "src_host") == 0	    ? &req->src_host
		       : strcmp(name, "dst_host") == 0	    ? &req->dst_host
		       : strcmp(name, "auto_converge") == 0 ? &req->auto_converge
		       : strcmp(name, "compressed") == 0    ? &req->compressed
							    : NULL;

	if (!field)
		die("unknown argument", name);
	free(*field);
	*field = om_xstrdup(value);
}

static uint64_t version(const char *text)
{
	unsigned int major, minor, micro;

	if (sscanf(text, "%u.%u.%u", &major, &minor, &micro) != 3)
		die("no version", text);
	return major * UINT64_C(1000000) + minor * UINT64_C(1000) + micro;
}

static enum om_answer answer(const char *text)
{
	return strcmp(text, "yes") == 0	 ? OM_ANSWER_YES
	       : strcmp(text, "no") == 0 ? OM_ANSWER_NO
					 : OM_ANSWER_NOT_CHECKED;
}

static struct om_transport_cpu cpu(const char *text)
{
	struct om_transport_cpu cpu = { 0 };

	if (sscanf(text, "%u:%u", &cpu.cpus, &cpu.free_permille) != 2)
		die("no CPUS:PERMILLE", text);
	return cpu;
}

static void sample(struct om_sampled *sampled, unsigned int zero, unsigned int packed)
{
	sampled->bytes = 1000000;
	sampled->zero_bytes = zero * 1000;
	sampled->packed_bytes = (sampled->bytes - sampled->zero_bytes) * packed / 1000;
	sampled->work_ns = (sampled->bytes - sampled->zero_bytes) * 3;
	sampled->used_places = 16;
}

/* False: it is none of these. */
static bool set_transport(struct om_transport_facts *t, const char *name, const char *value)
{
	static unsigned int zero;
	unsigned int number = (unsigned int)atoi(value);

	if (strcmp(name, "memory_mib") == 0)
		t->memory_bytes = (uint64_t)number << 20;
	else if (strcmp(name, "zero") == 0)
		zero = number;
	else if (strcmp(name, "packed") == 0)
		sample(&t->sampled, zero, number);
	else if (strcmp(name, "src_cpu") == 0)
		t->src = cpu(value);
	else if (strcmp(name, "dst_cpu") == 0)
		t->dst = cpu(value);
	else if (strcmp(name, "seen_mbps") == 0)
		t->seen_bytes_ps = (uint64_t)number * 1000000;
	else if (strcmp(name, "link_mbps") == 0)
		t->link_bytes_ps = (uint64_t)number * 1000000;
	else if (strcmp(name, "lockable_kib") == 0)
		t->lockable_bytes = (uint64_t)number << 10;
	else if (strcmp(name, "tls") == 0)
		t->tls = strcmp(value, "ready") == 0 ? OM_TLS_READY : OM_TLS_MISSING;
	else if (strcmp(name, "tls_why") == 0)
		om_str_copy(t->tls_why, sizeof(t->tls_why), value);
	else if (strcmp(name, "refused") == 0)
		t->refused = number;
	else
		return false;
	return true;
}

static void set_fact(void *ctx, const char *name, const char *value)
{
	struct om_facts *facts = ctx;
	struct om_fast *fast = &facts->fast;

	if (strcmp(name, "src_libvirt") == 0) {
		facts->versions.src_libvirt = version(value);
	} else if (strcmp(name, "dst_libvirt") == 0) {
		facts->versions.dst_libvirt = version(value);
	} else if (strcmp(name, "src_qemu") == 0) {
		facts->versions.src_qemu = version(value);
	} else if (strcmp(name, "src_qemu_most") == 0) {
		facts->versions.src_qemu_most = version(value);
	} else if (strcmp(name, "dst_qemu") == 0) {
		facts->versions.dst_qemu = version(value);
	} else if (strcmp(name, "addr") == 0) {
		fast->have_addr = om_addr_parse(&fast->addr, value);
		if (!fast->have_addr)
			die("no address", value);
	} else if (strcmp(name, "name") == 0) {
		om_str_copy(fast->name, sizeof(fast->name), value);
	} else if (strcmp(name, "ifname") == 0) {
		fast->routed = true;
		om_str_copy(fast->route.ifname, sizeof(fast->route.ifname), value);
	} else if (strcmp(name, "speed_mbit") == 0) {
		fast->route.speed_mbit = (uint32_t)atoi(value);
	} else if (strcmp(name, "answer") == 0) {
		fast->answer = answer(value);
	} else if (strcmp(name, "own") == 0) {
		fast->own = answer(value);
	} else if (strcmp(name, "why") == 0) {
		om_str_copy(fast->why, sizeof(fast->why), value);
	} else if (strcmp(name, "mgmt") == 0) {
		facts->mgmt_routed = true;
		om_str_copy(facts->mgmt_route.ifname, sizeof(facts->mgmt_route.ifname), value);
	} else if (strcmp(name, "max_downtime_ms") == 0) {
		facts->max_downtime_ms = (uint32_t)atoi(value);
	} else if (strcmp(name, "bandwidth_mibps") == 0) {
		facts->bandwidth_mibps = (uint64_t)atoi(value);
	} else if (strcmp(name, "obstacle") == 0) {
		facts->postcopy_obstacle = value;
	} else if (!set_transport(&facts->transport, name, value)) {
		die("unknown fact", name);
	}
}

struct sources {
	struct om_knob_source v[32];
	size_t n;
	enum om_origin origin; /* of those that are added */
};

static void add_source(void *ctx, const char *name, const char *value)
{
	struct sources *sources = ctx;

	if (sources->n == OM_ARRAY_LEN(sources->v))
		die("too many settings", name);
	sources->v[sources->n++] = (struct om_knob_source){ name, value, sources->origin };
}

static int64_t epoch_s(struct tm *local)
{
	return timegm(local);
}

static bool resolve(struct om_knobs *knobs, const struct sources *sources, struct om_err *err)
{
	struct om_clock clock = { .now = { .tm_year = 127, .tm_mday = 31, .tm_hour = 23 },
				  .epoch_s = epoch_s };
	struct tm now = clock.now;

	clock.now_ms = epoch_s(&now) * 1000;
	return om_knobs_resolve(knobs, sources->v, sources->n, &clock, err);
}

static void read_request(const char *dir, struct om_req *req)
{
	OM_AUTOFREE char *name = slurp(dir, "req"), *args = slurp(dir, "args");
	OM_AUTOFREE char *path = name ? om_xasprintf("../../req/%s", om_str_strip(name))
				      : om_xstrdup("req.xml");
	OM_AUTOFREE char *text = slurp(dir, path);
	struct om_err err;

	if (!text)
		die("no document", path);
	if (!om_xml_req_parse(req, text, strlen(text), &err))
		die(path, err.msg);
	each_pair(args, set_req, req);
}

/* What the fast network is called, as the gatherer of facts would have it. */
static void name_fast(struct om_facts *facts, const struct om_req *req,
		      const struct om_knobs *knobs)
{
	char candidates[2][OM_HOST_TEXT];

	if (*facts->fast.name)
		return;
	if (facts->fast_source == OM_FAST_NETWORK)
		om_str_copy(facts->fast.name, sizeof(facts->fast.name),
			    om_knob_text(knobs, OM_KNOB_MIGRATE_NETWORK));
	if (facts->fast_source == OM_FAST_APPEND &&
	    om_host_append(req->dst_host, om_knob_text(knobs, OM_KNOB_DEST_HOST_APPEND),
			   candidates))
		om_str_copy(facts->fast.name, sizeof(facts->fast.name), candidates[0]);
}

static void read_disks(const char *dir, struct golden_disks *g, struct om_facts *facts)
{
	OM_AUTOFREE char *text = slurp(dir, "disks");

	if (!text)
		return;
	g->dom.disks = g->disks;
	g->facts = (struct om_disks_facts){ .dom = &g->dom,
					    .vm_id = "31",
					    .dir = "/ds/100/31",
					    .disks = g->known,
					    .items = g->items,
					    .ask = &g->ask,
					    .src = &g->src,
					    .dst = &g->dst,
					    .versions = facts->versions,
					    .src_host = "node01",
					    .dst_host = "node02" };
	each_pair(text, golden_set, g);
	golden_survey(g);
	facts->disks = &g->facts;
}

static void print(const struct om_req *req, const struct om_knobs *knobs, struct om_opts *opts,
		  const struct om_facts *facts)
{
	struct om_plan plan;
	struct om_err err = { 0 };

	if (opts->stock_reason) {
		printf("left to stock: %s\n", opts->stock_reason);
	} else if (!om_plan_make(&plan, req, knobs, opts, facts, &err)) {
		printf("%s: %s\n", err.code == OM_E_REFUSED ? "refused" : "bad input", err.msg);
	} else {
		OM_AUTOFREE char *text = om_plan_print(&plan);

		fputs(text, stdout);
		om_plan_free(&plan);
	}
}

int main(int argc, char **argv)
{
	struct om_req req = { 0 };
	struct om_knobs knobs = { 0 };
	struct om_opts opts = { 0 };
	struct om_facts facts = { .begun_ms = 1000 };
	struct sources sources = { .origin = OM_ORIGIN_KVMRC };
	static struct golden_disks disks;
	struct om_err err;

	if (argc != 2)
		die("usage", "golden_plan DIR");
	OM_AUTOFREE char *env = slurp(argv[1], "env"), *fact_text = slurp(argv[1], "facts");
	OM_AUTOFREE char *datastore = slurp(argv[1], "datastore"), *vm = slurp(argv[1], "vm");

	read_request(argv[1], &req);
	each_pair(env, add_source, &sources);
	sources.origin = OM_ORIGIN_DATASTORE;
	each_pair(datastore, add_source, &sources);
	sources.origin = OM_ORIGIN_VM;
	each_pair(vm, add_source, &sources);
	each_pair(fact_text, set_fact, &facts);
	read_disks(argv[1], &disks, &facts);
	if (!resolve(&knobs, &sources, &err)) {
		printf("bad setting: %s\n", err.msg);
	} else if (!om_opts_parse(&opts, om_knob_text(&knobs, OM_KNOB_MIGRATE_OPTIONS), &err)) {
		printf("bad options: %s\n", err.msg);
	} else {
		om_opts_add_features(&opts, req.auto_converge, req.compressed);
		om_transport_settle_features(&opts, &knobs);
		facts.fast_source = om_plan_fast_source(&req, &knobs, &opts);
		name_fast(&facts, &req, &knobs);
		print(&req, &knobs, &opts, &facts);
	}
	om_opts_free(&opts);
	om_knobs_free(&knobs);
	om_req_free(&req);
	golden_free(&disks);
	return 0;
}
