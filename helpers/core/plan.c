/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum om_fast_source om_plan_fast_source(const struct om_req *req, const struct om_knobs *knobs,
					const struct om_opts *opts)
{
	char candidates[2][OM_HOST_TEXT];

	if (opts->flags & OM_FLAG_TUNNELLED)
		return OM_FAST_NONE;
	if (om_params_get(&opts->params, "migrate_uri"))
		return OM_FAST_OPTION;
	if (!om_str_empty(om_knob_text(knobs, OM_KNOB_MIGRATE_NETWORK)))
		return OM_FAST_NETWORK;
	if (!om_str_empty(om_knob_text(knobs, OM_KNOB_DEST_HOST_APPEND)) &&
	    om_host_append(req->dst_host, om_knob_text(knobs, OM_KNOB_DEST_HOST_APPEND),
			   candidates))
		return OM_FAST_APPEND;
	return OM_FAST_NONE;
}

static bool is_strict(const struct om_knobs *knobs)
{
	return om_knob_number(knobs, OM_KNOB_MIGRATE_NETWORK_POLICY) == 1;
}

const char *om_fast_defect(const struct om_fast *fast)
{
	if (!fast->have_addr)
		return fast->why[0] ? fast->why : "the destination has no address there";
	if (!fast->routed)
		return fast->why[0] ? fast->why : "the kernel has no route to it";
	if (fast->answer == OM_ANSWER_NO)
		return fast->why[0] ? fast->why : "it does not answer";
	return NULL;
}

static const enum om_knob_id fast_knob[OM_FAST_COUNT] = {
	[OM_FAST_OPTION] = OM_KNOB_MIGRATE_OPTIONS,
	[OM_FAST_NETWORK] = OM_KNOB_MIGRATE_NETWORK,
	[OM_FAST_APPEND] = OM_KNOB_DEST_HOST_APPEND,
};

static void describe_fast(struct om_plan *plan, const struct om_knobs *knobs,
			  const struct om_facts *facts)
{
	enum om_knob_id id = fast_knob[facts->fast_source];
	const struct om_fast *fast = &facts->fast;
	char addr[OM_ADDR_TEXT], speed[32] = "link speed not known";

	om_addr_print(&fast->addr, addr);
	if (fast->route.speed_mbit >= 1000 && fast->route.speed_mbit % 1000 == 0)
		snprintf(speed, sizeof(speed), "%u Gbit/s", fast->route.speed_mbit / 1000);
	else if (fast->route.speed_mbit)
		snprintf(speed, sizeof(speed), "%u Mbit/s", fast->route.speed_mbit);
	om_plan_info(plan, om_xasprintf("memory goes to %s (%s; %s of %s) by interface %s, %s",
					addr, fast->name, om_knob_table[id].name,
					om_origin_name(knobs->v[id].origin),
					*fast->route.ifname ? fast->route.ifname : "(not checked)",
					speed));
	if (facts->mgmt_routed && *fast->route.ifname &&
	    strcmp(facts->mgmt_route.ifname, fast->route.ifname) == 0)
		om_plan_warn(
			plan,
			om_xasprintf("%s is reached by %s, the interface that also leads to the "
				     "management address",
				     addr, fast->route.ifname));
}

/* Listening on the fast address alone keeps the memory off every other network of the destination. */
static void set_listen(struct om_plan *plan, struct om_params *params, const struct om_fast *fast,
		       const char *addr)
{
	if (om_params_get(params, "listen_address"))
		return;
	if (fast->own == OM_ANSWER_NO) {
		om_plan_warn(
			plan,
			om_xasprintf("%s is not an address of the destination itself, so that it "
				     "listens on every address",
				     addr));
		return;
	}
	om_params_set_text(params, "listen_address", addr, "fast network");
}

static struct om_attempt *add_attempt(struct om_plan *plan, enum om_path path,
				      const struct om_opts *opts)
{
	struct om_attempt *attempt = &plan->attempts[plan->attempt_count++];

	attempt->path = path;
	attempt->flags = plan->flags;
	om_params_copy(&attempt->params, &opts->params);
	return attempt;
}

static void add_fast_attempt(struct om_plan *plan, const struct om_req *req,
			     const struct om_knobs *knobs, const struct om_opts *opts,
			     const struct om_facts *facts)
{
	struct om_attempt *attempt = add_attempt(plan, OM_PATH_FAST, opts);
	char addr[OM_ADDR_TEXT], uri[OM_HOST_TEXT + 16];

	plan->fast = facts->fast;
	if (facts->fast_source == OM_FAST_OPTION) {
		if (facts->fast.routed)
			describe_fast(plan, knobs, facts);
		else
			om_plan_info(
				plan,
				om_xasprintf("memory goes to %s, from MIGRATE_OPTIONS",
					     om_params_get(&opts->params, "migrate_uri")->text));
		return;
	}
	om_addr_print(&facts->fast.addr, addr);
	om_uri_tcp(uri, sizeof(uri), addr);
	om_params_set_text(&attempt->params, "migrate_uri", uri, "fast network");
	set_listen(plan, &attempt->params, &facts->fast, addr);
	/* The certificate is issued for the host's name, which the address is not. */
	if ((plan->flags & OM_FLAG_TLS) && om_transport_can_name(&facts->versions) &&
	    !om_params_get(&attempt->params, "tls.destination"))
		om_params_set_text(&attempt->params, "tls.destination", req->dst_host, "oned name");
	describe_fast(plan, knobs, facts);
}

static void add_default_attempts(struct om_plan *plan, const struct om_req *req,
				 const struct om_opts *opts)
{
	struct om_attempt *attempt = add_attempt(plan, OM_PATH_DEFAULT, opts);
	char uri[OM_HOST_TEXT + 16];

	if (plan->flags & OM_FLAG_TUNNELLED)
		return;
	attempt = add_attempt(plan, OM_PATH_NAME, opts);
	om_uri_tcp(uri, sizeof(uri), req->dst_host);
	om_params_set_text(&attempt->params, "migrate_uri", uri, "oned name");
}

/* No fast network for this migration; strict minds where one is configured that cannot apply. */
static bool choose_default(struct om_plan *plan, const struct om_req *req,
			   const struct om_knobs *knobs, const struct om_opts *opts,
			   struct om_err *err)
{
	const char *why = opts->flags & OM_FLAG_TUNNELLED ? "MIGRATE_OPTIONS has --tunnelled"
							  : "the host is known by its address";
	bool configured = !om_str_empty(om_knob_text(knobs, OM_KNOB_MIGRATE_NETWORK)) ||
			  !om_str_empty(om_knob_text(knobs, OM_KNOB_DEST_HOST_APPEND));

	if (configured && is_strict(knobs))
		return om_err_set(err, OM_E_REFUSED,
				  "the fast network does not apply (%s) and "
				  "MIGRATE_NETWORK_POLICY is strict",
				  why);
	if (configured)
		om_plan_warn(plan, om_xasprintf("the fast network does not apply: %s", why));
	add_default_attempts(plan, req, opts);
	return true;
}

/* Puts the ways that the memory may take in order; false: strict, and the fast one is not there. */
static bool choose_path(struct om_plan *plan, const struct om_req *req,
			const struct om_knobs *knobs, const struct om_opts *opts,
			const struct om_facts *facts, struct om_err *err)
{
	const char *defect = NULL;

	if (facts->fast_source == OM_FAST_NONE)
		return choose_default(plan, req, knobs, opts, err);
	if (facts->fast_source != OM_FAST_OPTION)
		defect = om_fast_defect(&facts->fast);
	if (defect && is_strict(knobs))
		return om_err_set(
			err, OM_E_REFUSED,
			"the fast network %s cannot be used (%s) and MIGRATE_NETWORK_POLICY is strict",
			facts->fast.name, defect);
	if (defect)
		om_plan_warn(
			plan,
			om_xasprintf("the fast network %s cannot be used: %s; memory takes the "
				     "default path",
				     facts->fast.name, defect));
	else
		add_fast_attempt(plan, req, knobs, opts, facts);
	/* The operator's own URI is meant as it stands; strict means the fast network or none. */
	if (facts->fast_source != OM_FAST_OPTION && !is_strict(knobs))
		add_default_attempts(plan, req, opts);
	return true;
}

static void set_behaviour(struct om_plan *plan, const struct om_opts *opts,
			  const struct om_facts *facts)
{
	plan->fast_source = facts->fast_source;
	plan->flags = opts->flags;
	plan->peer_to_peer = opts->flags & OM_FLAG_PEER2PEER;
	plan->postcopy_after_precopy = opts->postcopy_after_precopy;
	plan->timeout_s = opts->timeout_s;
	plan->timeout_action = opts->timeout_action;
	plan->populated_bytes = facts->populated_bytes;
	plan->downtime_start_ms = plan->limits.downtime_max_ms < OM_DOWNTIME_START_MS
					  ? plan->limits.downtime_max_ms
					  : OM_DOWNTIME_START_MS;
}

void om_plan_warn(struct om_plan *plan, char *text)
{
	om_strv_add(&plan->warnings, text);
	free(text);
}

void om_plan_info(struct om_plan *plan, char *text)
{
	om_strv_add(&plan->infos, text);
	free(text);
}

static void take_warnings(struct om_plan *plan, const struct om_strv *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		om_strv_add(&plan->warnings, warnings->v[i]);
}

bool om_plan_make(struct om_plan *plan, const struct om_req *req, const struct om_knobs *knobs,
		  struct om_opts *opts, const struct om_facts *facts, struct om_err *err)
{
	bool armed;

	memset(plan, 0, sizeof(*plan));
	om_plan_drop_storage(plan, opts, facts);
	if (!om_opts_check(opts, &facts->versions, &plan->never_switch, err)) {
		om_plan_free(plan);
		return false;
	}
	om_plan_set_limits(plan, knobs, opts, facts);
	om_plan_set_bandwidth(plan, knobs, opts, facts);
	set_behaviour(plan, opts, facts);
	armed = om_plan_arm_postcopy(plan, knobs, opts, facts);
	/* Of the disks it matters whether they are encrypted. */
	if (!om_plan_set_transport(plan, req, knobs, opts, facts, err) ||
	    !om_plan_decide_disks(plan, opts, facts, err) ||
	    !choose_path(plan, req, knobs, opts, facts, err)) {
		om_plan_free(plan);
		return false;
	}
	om_plan_add_disks(plan, opts);
	if (armed)
		om_plan_add_without_postcopy(plan);
	om_plan_add_weaker(plan);
	om_plan_tell_limits(plan, knobs, opts);
	take_warnings(plan, &knobs->warnings);
	take_warnings(plan, &opts->warnings);
	return true;
}

void om_plan_free(struct om_plan *plan)
{
	for (size_t i = 0; i < plan->attempt_count; i++)
		om_params_free(&plan->attempts[i].params);
	om_disks_free(&plan->disks);
	plan->disk_facts = NULL;
	om_strv_free(&plan->infos);
	om_strv_free(&plan->warnings);
	free(plan->limits_text);
	plan->limits_text = NULL;
	plan->attempt_count = 0;
}
