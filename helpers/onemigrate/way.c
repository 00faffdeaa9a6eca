/* SPDX-License-Identifier: Apache-2.0 */
/* Where the memory would go, and whether that way carries it. */
#include "session.h"

#include <stdio.h>
#include <string.h>

#define CONNECT_MS 1000
#define CALL_MS 5000

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

/* The destination itself says which addresses it has: names and networks can be wrong about it. */
static void pick_network(struct om_session *s, struct om_fast *fast, const struct om_survey *dst)
{
	const char *networks = om_knob_text(&s->knobs, OM_KNOB_MIGRATE_NETWORK);
	struct om_cidr cidrs[OM_CIDRS_MAX];
	struct om_err err;
	size_t n = 0;
	int i;

	om_str_copy(fast->name, sizeof(fast->name), networks);
	if (!dst->addr_count) {
		snprintf(fast->why, sizeof(fast->why),
			 "the destination could not be asked for its addresses: %.120s", dst->why);
		return;
	}
	if (!om_cidrs_parse(cidrs, OM_ARRAY_LEN(cidrs), &n, networks, &err)) {
		no_address(fast, err.msg);
		return;
	}
	i = om_cidrs_pick(cidrs, n, dst->addrs, dst->addr_count);
	if (i < 0) {
		no_address(fast, "the destination has no address in it");
		return;
	}
	fast->addr = dst->addrs[i];
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

static void judge_own(struct om_fast *fast, const struct om_survey *dst)
{
	if (!dst->addr_count || !fast->have_addr)
		return; /* not checked */
	fast->own = OM_ANSWER_NO;
	for (size_t i = 0; i < dst->addr_count; i++)
		if (om_addr_eq(&dst->addrs[i], &fast->addr))
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

void om_way_find(struct om_session *s, const struct om_survey *dst)
{
	struct om_fast *fast = &s->facts.fast;

	s->facts.fast_source = om_plan_fast_source(&s->req, &s->knobs, &s->opts);
	if (s->facts.fast_source == OM_FAST_OPTION)
		look_at_option(s, fast);
	if (s->facts.fast_source != OM_FAST_NETWORK && s->facts.fast_source != OM_FAST_APPEND)
		return;
	route_management(s);
	if (s->facts.fast_source == OM_FAST_APPEND)
		resolve_append(s, fast);
	else
		pick_network(s, fast, dst);
	check_way(s, fast);
	judge_own(fast, dst);
}

/* Without a fast network: the address that oned's name for the destination has. */
static bool target(struct om_session *s, struct om_addr *addr, struct om_route *route)
{
	const struct om_fast *fast = &s->facts.fast;
	struct om_err ignored;

	if (fast->have_addr && fast->routed && fast->answer != OM_ANSWER_NO) {
		*addr = fast->addr;
		*route = fast->route;
		return true;
	}
	return s->facts.fast_source == OM_FAST_NONE &&
	       s->host.resolve(s->host.ctx, s->args.dst, addr, &ignored) &&
	       s->host.route(s->host.ctx, addr, route, &ignored);
}

struct full_size {
	pthread_t thread;
	struct om_check_way *way;
	struct om_addr addr;
	uint32_t mtu;
};

static void *try_full_size(void *arg)
{
	struct full_size *try = arg;

	try->way->full_size = om_net_full_size(&try->addr, try->mtu, try->way->mtu_why,
					       sizeof(try->way->mtu_why));
	return NULL;
}

/* libvirt listens on the fast address alone where it is the destination's own. */
static void try_listener(const struct om_session *s, struct om_check_way *way,
			 struct om_survey_link *link, const struct om_addr *addr)
{
	char question[OM_ADDR_TEXT + 16], answer[200], text[OM_ADDR_TEXT];
	uint64_t port;

	if (s->facts.fast.own == OM_ANSWER_YES)
		om_addr_print(addr, text);
	else
		om_str_copy(text, sizeof(text), addr->family_bits == 32 ? "0.0.0.0" : "::");
	snprintf(question, sizeof(question), "listen %s", text);
	if (!link || !om_survey_link_call(link, question, CALL_MS, answer, sizeof(answer)) ||
	    !om_parse_u64(answer, 1, UINT16_MAX, &port))
		return;
	way->range_port = (uint16_t)port;
	way->range = om_net_connects(addr, way->range_port, CONNECT_MS, way->range_why,
				     sizeof(way->range_why));
}

/* QEMU would meet the same: better to know before than after two minutes of silence. Where qemu.conf
 * cannot be read, its lock manager being "?", the range may be another one. */
static void judge_range(struct om_session *s, const struct om_survey *dst)
{
	const struct om_check_way *way = &s->checkup.way;
	struct om_fast *fast = &s->facts.fast;

	if (way->range != OM_ANSWER_NO || strcmp(dst->lock_manager, "?") == 0 || !dst->range_max ||
	    (way->source != OM_FAST_NETWORK && way->source != OM_FAST_APPEND))
		return;
	fast->answer = OM_ANSWER_NO;
	snprintf(fast->why, sizeof(fast->why), "%sa listener on port %u was not reached: %.100s",
		 fast->own == OM_ANSWER_NO ? "it is no address of the destination itself, and "
					   : "",
		 (unsigned int)way->range_port, way->range_why);
}

void om_way_try(struct om_session *s, struct om_survey_link *link)
{
	struct om_check_way *way = &s->checkup.way;
	struct full_size try = { .way = way };
	struct om_route route = { 0 };
	bool started;

	way->source = s->facts.fast_source;
	way->fast = s->facts.fast;
	way->strict = s->shared->strict;
	/* From the front-end it would be another way. */
	if (s->args.local || !target(s, &try.addr, &route))
		return;
	try.mtu = route.mtu;
	started = pthread_create(&try.thread, NULL, try_full_size, &try) == 0;
	try_listener(s, way, link, &try.addr);
	if (started)
		pthread_join(try.thread, NULL);
	judge_range(s, &s->checkup.dst);
}
