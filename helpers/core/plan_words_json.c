/* SPDX-License-Identifier: Apache-2.0 */
/* The plan for programs. */
#include "plan_words_internal.h"

#include <inttypes.h>
#include <string.h>

static const char *const path_keys[OM_PATH_COUNT] = {
	[OM_PATH_FAST] = "fast",
	[OM_PATH_DEFAULT] = "default",
	[OM_PATH_NAME] = "name",
};

static void json_text(struct om_buf *buf, const char *name, const char *text)
{
	om_buf_addf(buf, "\"%s\":", name);
	if (!text) {
		om_buf_addf(buf, "null");
		return;
	}
	om_buf_addf(buf, "\"");
	om_buf_add_json(buf, text);
	om_buf_addf(buf, "\"");
}

static void json_list(struct om_buf *buf, const char *name, const struct om_strv *list)
{
	om_buf_addf(buf, ",\"%s\":[", name);
	for (size_t i = 0; i < list->n; i++) {
		om_buf_addf(buf, "%s\"", i ? "," : "");
		om_buf_add_json(buf, list->v[i]);
		om_buf_addf(buf, "\"");
	}
	om_buf_addf(buf, "]");
}

static void json_flags(struct om_buf *buf, unsigned int flags)
{
	om_buf_addf(buf, "\"flags\":[");
	if (flags) {
		om_buf_addf(buf, "\"");
		om_plan_words_flags(buf, flags, "\",\"");
		om_buf_addf(buf, "\"");
	}
	om_buf_addf(buf, "]");
}

static void json_attempt(struct om_buf *buf, const struct om_attempt *attempt)
{
	om_buf_addf(buf, "{\"path\":\"%s\",", path_keys[attempt->path]);
	json_flags(buf, attempt->flags);
	om_buf_addf(buf, ",\"parameters\":[");
	for (size_t n = 0; n < attempt->params.n; n++) {
		const struct om_param *p = &attempt->params.v[n];

		om_buf_addf(buf, "%s{\"name\":\"%s\",", n ? "," : "", p->name);
		if (p->type == OM_PARAM_STRING)
			json_text(buf, "value", p->text);
		else
			om_buf_addf(buf, "\"value\":%" PRIu64, p->number);
		om_buf_addf(buf, ",");
		json_text(buf, "origin", p->origin);
		om_buf_addf(buf, "}");
	}
	om_buf_addf(buf, "]}");
}

static void json_way(struct om_buf *buf, const struct om_plan *plan)
{
	const struct om_route *route = &plan->fast.route;
	char addr[OM_ADDR_TEXT] = "";

	if (plan->fast.have_addr)
		om_addr_print(&plan->fast.addr, addr);
	om_buf_addf(buf, ",\"way\":{");
	json_text(buf, "address", plan->fast.have_addr ? addr : NULL);
	om_buf_addf(buf, ",");
	json_text(buf, "interface", *route->ifname ? route->ifname : NULL);
	om_buf_addf(buf, ",\"speed_mbit\":%" PRIu32 "},\"transport\":{", route->speed_mbit);
	json_text(buf, "words", *plan->transport.text ? plan->transport.text : NULL);
	om_buf_addf(buf, ",");
	json_text(buf, "why", *plan->transport.why ? plan->transport.why : NULL);
	om_buf_addf(buf, "},");
	json_flags(buf, plan->flags);
	om_buf_addf(buf, ",\"attempts\":[");
	for (size_t i = 0; i < plan->attempt_count; i++) {
		om_buf_addf(buf, "%s", i ? "," : "");
		json_attempt(buf, &plan->attempts[i]);
	}
	om_buf_addf(buf, "]");
}

static void json_limits(struct om_buf *buf, const struct om_plan *plan)
{
	const struct om_limits *limits = &plan->limits;

	om_buf_addf(buf,
		    ",\"limits\":{\"policy\":\"%s\",\"downtime_max_ms\":%" PRIu32
		    ",\"pause_max_ms\":%" PRIu32 ",\"downtime_start_ms\":%" PRIu32
		    ",\"postcopy\":%s,\"auto_converge\":%s,\"bandwidth_bytes_ps\":%" PRIu64 ",",
		    om_policy_name(limits->policy), om_limits_in_force_ms(limits),
		    limits->pause_max_ms, plan->downtime_start_ms,
		    limits->postcopy ? "true" : "false", limits->throttle ? "true" : "false",
		    limits->bandwidth_bytes_ps);
	json_text(buf, "words", om_plan_words_limits(plan) + strlen("limits: "));
	om_buf_addf(buf, ",\"timeout_s\":%" PRIu32 "}", plan->timeout_s);
}

static void json_disks(struct om_buf *buf, const struct om_plan_words *w)
{
	const char *key;

	om_buf_addf(buf, ",\"disks\":[");
	for (size_t i = 0; i < w->dom->disk_count; i++) {
		const struct om_dom_disk *disk = &w->dom->disks[i];

		om_buf_addf(buf, "%s{", i ? "," : "");
		json_text(buf, "target", disk->target);
		om_buf_addf(buf, ",");
		json_text(buf, "source", disk->source);
		om_plan_words_moves(w, disk, &key);
		om_buf_addf(buf, ",\"moves\":\"%s\"", key);
		if (w->plan->disk_facts)
			om_buf_addf(buf, ",\"copy_bytes\":%" PRIu64,
				    w->plan->disks.disk[i].copy_bytes);
		om_buf_addf(buf, "}");
	}
	om_buf_addf(buf, "]");
}

/* What of the VM's directory is sent before the start; null where nothing is. */
static void json_files(struct om_buf *buf, const struct om_plan *plan)
{
	size_t n = 0;

	om_buf_addf(buf, ",\"files_sent\":");
	if (!plan->disk_facts) {
		om_buf_addf(buf, "null");
		return;
	}
	om_buf_addf(buf, "[");
	for (size_t i = 0; i < plan->disks.file_count; i++) {
		const struct om_item *item = &plan->disk_facts->items[i];

		if (plan->disks.file[i] != OM_FILE_SEND_IT)
			continue;
		om_buf_addf(buf, "%s{", n++ ? "," : "");
		json_text(buf, "name", item->name);
		om_buf_addf(buf, ",\"bytes\":%" PRIu64 "}", item->allocated_bytes);
	}
	om_buf_addf(buf, "]");
}

static void json_stages(struct om_buf *buf, const struct om_plan_words *w)
{
	size_t n = 0;

	om_buf_addf(buf, ",\"stages\":[");
	for (int stage = 0; stage < OM_STAGE_COUNT; stage++) {
		const char *words = om_plan_words_stage(w, (enum om_plan_stage)stage);

		if (words)
			om_buf_addf(buf, "%s\"%s\"", n++ ? "," : "", words);
	}
	om_buf_addf(buf, "]");
}

void om_plan_words_json(struct om_buf *buf, const struct om_plan_words *w)
{
	om_buf_addf(buf, "{");
	json_text(buf, "vm", w->vm_id);
	om_buf_addf(buf, ",");
	json_text(buf, "name", w->vm_name);
	om_buf_addf(buf, ",");
	json_text(buf, "source", w->src);
	om_buf_addf(buf, ",");
	json_text(buf, "destination", w->dst);
	om_buf_addf(buf, ",\"document\":%s,", w->by_hand ? "false" : "true");
	json_text(buf, "left_to_stock", w->stock_reason);
	json_way(buf, w->plan);
	json_limits(buf, w->plan);
	json_disks(buf, w);
	json_files(buf, w->plan);
	json_stages(buf, w);
	json_list(buf, "hooks", &w->hooks);
	json_list(buf, "hooks_skipped", &w->hooks_skipped);
	om_buf_addf(buf, ",\"notify\":%s", w->notify ? "true" : "false");
	json_list(buf, "infos", &w->plan->infos);
	json_list(buf, "warnings", &w->plan->warnings);
	om_buf_addf(buf, ",\"prediction\":");
	om_predict_print_json(buf, w->prediction);
	om_buf_addf(buf, "}\n");
}
