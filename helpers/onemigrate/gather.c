/* SPDX-License-Identifier: Apache-2.0 */
/* Asks everything that the plan needs. The connection to the destination costs a third of a second,
 * so whatever else can be asked is asked beside it. */
#include "om_proc.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_TIMEOUT_MS 20000
#define IP_OUTPUT_MAX (256u << 10)

struct addr_list {
	struct om_addr v[OM_DST_ADDRS_MAX];
	size_t n;
};

struct task {
	struct om_session *s;
	pthread_t thread;
	bool started, ok;
	struct om_err err;
	struct addr_list addrs; /* of ask_addresses */
};

static void start(struct task *task, struct om_session *s, void *(*fn)(void *))
{
	task->s = s;
	task->started = pthread_create(&task->thread, NULL, fn, task) == 0;
	if (!task->started)
		fn(task);
}

static void join(struct task *task)
{
	if (task->started)
		pthread_join(task->thread, NULL);
	task->started = false;
}

static void *open_destination(void *arg)
{
	struct task *task = arg;

	task->ok = om_vir_open(task->s->vir, OM_VIR_DST, &task->err);
	return NULL;
}

static void read_addresses(struct addr_list *list, char *text)
{
	char *save = NULL, ifname[64];

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct om_addr addr;

		if (list->n == OM_ARRAY_LEN(list->v))
			return;
		if (om_ip_addr_line(line, &addr, ifname, sizeof(ifname)) &&
		    !om_addr_is_loopback_or_link_local(&addr))
			list->v[list->n++] = addr;
	}
}

/* The destination itself says which addresses it has: names and networks can be wrong about it. */
static void *ask_addresses(void *arg)
{
	struct task *task = arg;
	OM_AUTOFREE char *text = om_xcalloc(1, IP_OUTPUT_MAX);

	task->ok = om_proc_ssh_capture(task->s->args.dst,
				       "PATH=$PATH:/usr/sbin:/sbin ip -o addr show", ASK_TIMEOUT_MS,
				       text, IP_OUTPUT_MAX, &task->err);
	if (task->ok)
		read_addresses(&task->addrs, text);
	return NULL;
}

static void no_address(struct om_fast *fast, const char *why)
{
	om_str_copy(fast->why, sizeof(fast->why), why);
}

static void resolve_append(struct om_session *s, struct om_fast *fast)
{
	char candidates[2][OM_HOST_TEXT];
	size_t n = om_host_append(s->args.dst, om_knob_text(&s->knobs, OM_KNOB_DEST_HOST_APPEND),
				  candidates);
	struct om_err err = { 0 };

	for (size_t i = 0; i < n && !fast->have_addr; i++) {
		om_str_copy(fast->name, sizeof(fast->name), candidates[i]);
		fast->have_addr = s->host.resolve(s->host.ctx, candidates[i], &fast->addr, &err);
	}
	if (!fast->have_addr)
		no_address(fast, err.msg);
}

static void pick_network(struct om_session *s, struct om_fast *fast, const struct task *asked)
{
	const char *networks = om_knob_text(&s->knobs, OM_KNOB_MIGRATE_NETWORK);
	struct om_cidr cidrs[16];
	struct om_err err;
	size_t n = 0;
	int i;

	om_str_copy(fast->name, sizeof(fast->name), networks);
	if (!asked->ok) {
		snprintf(fast->why, sizeof(fast->why),
			 "the destination could not be asked for its "
			 "addresses: %.120s",
			 asked->err.msg);
		return;
	}
	if (!om_cidrs_parse(cidrs, OM_ARRAY_LEN(cidrs), &n, networks, &err)) {
		no_address(fast, err.msg);
		return;
	}
	i = om_cidrs_pick(cidrs, n, asked->addrs.v, asked->addrs.n);
	if (i < 0) {
		no_address(fast, "the destination has no address in it");
		return;
	}
	fast->addr = asked->addrs.v[i];
	fast->have_addr = true;
}

static void check_way(struct om_session *s, struct om_fast *fast)
{
	struct om_err err = { 0 };

	if (!fast->have_addr)
		return;
	fast->routed = s->host.route(s->host.ctx, &fast->addr, &fast->route, &err);
	if (!fast->routed) {
		no_address(fast, err.msg);
		return;
	}
	fast->answer = s->host.probe(s->host.ctx, &fast->addr, fast->why, sizeof(fast->why));
}

static void judge_own(struct om_fast *fast, const struct task *asked)
{
	if (!asked->ok || !fast->have_addr)
		return; /* not checked */
	fast->own = OM_ANSWER_NO;
	for (size_t i = 0; i < asked->addrs.n; i++)
		if (om_addr_eq(&asked->addrs.v[i], &fast->addr))
			fast->own = OM_ANSWER_YES;
}

static void route_management(struct om_session *s)
{
	struct om_addr addr;
	struct om_err ignored;

	s->facts.mgmt_routed = s->host.resolve(s->host.ctx, s->args.dst, &addr, &ignored) &&
			       s->host.route(s->host.ctx, &addr, &s->facts.mgmt_route, &ignored);
}

/* The operator's own URI is used as it stands; where it leads is told all the same. */
static void look_at_option(struct om_session *s, struct om_fast *fast)
{
	const struct om_param *uri = om_params_get(&s->opts.params, "migrate_uri");
	struct om_err err;

	if (!om_uri_host(uri->text, fast->name, sizeof(fast->name)))
		return;
	fast->have_addr = s->host.resolve(s->host.ctx, fast->name, &fast->addr, &err);
	fast->routed = fast->have_addr &&
		       s->host.route(s->host.ctx, &fast->addr, &fast->route, &err);
	route_management(s);
}

static void *find_fast_way(void *arg)
{
	struct task *task = arg, asked = { 0 };
	struct om_session *s = task->s;
	struct om_fast *fast = &s->facts.fast;

	s->facts.fast_source = om_plan_fast_source(&s->req, &s->knobs, &s->opts);
	if (s->facts.fast_source == OM_FAST_OPTION)
		look_at_option(s, fast);
	if (s->facts.fast_source != OM_FAST_NETWORK && s->facts.fast_source != OM_FAST_APPEND)
		return NULL;
	start(&asked, s, ask_addresses);
	route_management(s);
	if (s->facts.fast_source == OM_FAST_APPEND) {
		resolve_append(s, fast);
		check_way(s, fast);
		join(&asked);
	} else {
		join(&asked);
		pick_network(s, fast, &asked);
		check_way(s, fast);
	}
	judge_own(fast, &asked);
	return NULL;
}

bool om_session_connect(struct om_session *s, struct om_err *err)
{
	struct task dst = { 0 }, way = { 0 };
	uint64_t begun_ms = om_now_ms();
	struct om_err ignored;
	bool ok;

	s->vir = om_vir_new(s->src_uri, s->dst_uri);
	if (s->opts.flags & OM_FLAG_PEER2PEER) {
		char uri[640];

		om_uri_libvirt(uri, sizeof(uri), om_knob_text(&s->knobs, OM_KNOB_QEMU_PROTOCOL),
			       s->args.dst, "");
		om_vir_set_p2p_uri(s->vir, uri);
	}
	start(&dst, s, open_destination);
	start(&way, s, find_fast_way);
	ok = om_vir_open(s->vir, OM_VIR_SRC, err) && om_vir_open(s->vir, OM_VIR_MON, err);
	join(&dst);
	join(&way);
	s->connect_ms = om_now_ms() - begun_ms;
	/* A UUID needs no connection: sides can be asked later even if one is silent now. */
	s->identified = om_vir_identify(s->vir, s->args.deploy_id, ok ? err : &ignored);
	if (ok && !dst.ok)
		*err = dst.err;
	return ok && s->identified && dst.ok;
}

/* Only combinations of these can be refused by one version and taken by another. */
#define VERSIONED_FLAGS                                                                            \
	(OM_FLAG_PARALLEL | OM_FLAG_POSTCOPY | OM_FLAG_COMPRESSED | OM_FLAG_ZEROCOPY | OM_FLAG_TLS)

/* libvirt makes the migration of a paused guest one that cannot be post-copy. */
static const char *postcopy_obstacle(struct om_session *s)
{
	struct om_side src = { 0 };

	om_vir_side(s->vir, OM_VIR_MON, &src);
	return src.state == OM_SIDE_PAUSED ? "the VM is paused" : s->dom.postcopy_obstacle;
}

bool om_session_gather(struct om_session *s, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;
	bool ask_postcopy = om_knob_number(&s->knobs, OM_KNOB_MIGRATE_POSTCOPY);

	if (!om_vir_domain_xml(s->vir, &xml, err) || !om_xml_dom_parse(&s->dom, xml, err))
		return false;
	s->facts.has_guest_agent = s->dom.has_guest_agent;
	s->facts.persistent = om_vir_domain_persistent(s->vir);
	s->facts.populated_bytes = om_vir_populated_bytes(s->vir);
	s->facts.max_downtime_ms = om_vir_max_downtime_ms(s->vir, OM_VIR_SRC);
	if (ask_postcopy)
		s->facts.postcopy_obstacle = postcopy_obstacle(s);
	if ((s->opts.flags & VERSIONED_FLAGS) || s->opts.params.n > 0 || ask_postcopy)
		om_vir_versions(s->vir, &s->facts.versions);
	return true;
}
