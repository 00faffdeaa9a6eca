/* SPDX-License-Identifier: Apache-2.0 */
#include "om_plan_words.h"
#include "plan_internal.h"

#include "om_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const path_words[] = {
	[OM_PATH_FAST] = "the fast network",
	[OM_PATH_DEFAULT] = "the address that the destination's libvirt names",
	[OM_PATH_NAME] = "the host's OpenNebula name",
};
static_assert(OM_ARRAY_LEN(path_words) == OM_PATH_COUNT, "words for each path");

static const char *const path_keys[OM_PATH_COUNT] = {
	[OM_PATH_FAST] = "fast",
	[OM_PATH_DEFAULT] = "default",
	[OM_PATH_NAME] = "name",
};

static const char *const image_words[] = {
	[OM_IMAGES_SHARED] = "shared, stays where it is",
	[OM_IMAGES_FOUND_SAME] = "the same on both hosts, stays where it is",
	[OM_IMAGES_APART] = "not shared: left to OpenNebula's own script, which copies it",
	[OM_IMAGES_UNKNOWN] = "not known to be the same on both hosts: the migration is refused",
	[OM_IMAGES_UNSAID] =
		"not known to be the same on both hosts; stays if the datastore is shared",
};
static_assert(OM_ARRAY_LEN(image_words) == OM_IMAGES_COUNT, "words for each case");

static const char *const image_keys[OM_IMAGES_COUNT] = {
	[OM_IMAGES_SHARED] = "shared",	[OM_IMAGES_FOUND_SAME] = "same",
	[OM_IMAGES_APART] = "stock",	[OM_IMAGES_UNKNOWN] = "refused",
	[OM_IMAGES_UNSAID] = "unknown",
};

static const char *const timeout_words[] = {
	[OM_TIMEOUT_NONE] = "nothing",
	[OM_TIMEOUT_SUSPEND] = "the guest is paused",
	[OM_TIMEOUT_POSTCOPY] = "post-copy begins",
};

/* How a disk moves: its text, and a word for programs in *key. */
static const char *moves(const struct om_plan_words *w, const struct om_dom_disk *disk,
			 const char **key)
{
	switch (disk->kind) {
	case OM_DISK_EMPTY:
		*key = "empty";
		return "empty";
	case OM_DISK_NETWORK:
		*key = "network";
		return "a volume on the network, which the destination opens as well";
	default:
		*key = image_keys[w->images];
		return image_words[w->images];
	}
}

/* In order; NULL where the stage is not needed. */
enum stage {
	STAGE_LOOK,
	STAGE_BLOCK_JOBS,
	STAGE_SNAPSHOTS,
	STAGE_MEMORY,
	STAGE_POSTCOPY,
	STAGE_SETTLE,
	STAGE_TIME,
	STAGE_COUNT
};

static const char *stage_words(const struct om_plan_words *w, enum stage stage)
{
	static const char *const words[] = {
		[STAGE_LOOK] = "both hosts are asked for the state of the VM",
		[STAGE_BLOCK_JOBS] = "active block jobs of its disks are waited for",
		[STAGE_SNAPSHOTS] = "its snapshots' metadata, if any, is taken from the source",
		[STAGE_MEMORY] =
			"the memory is copied while the guest runs; then it is switched over",
		[STAGE_POSTCOPY] = "post-copy begins after the first pass",
		[STAGE_SETTLE] =
			"both hosts are asked where it runs; the snapshots' metadata follows",
		[STAGE_TIME] = "the guest's clock is set",
	};
	static_assert(OM_ARRAY_LEN(words) == STAGE_COUNT, "words for each stage");

	if ((stage == STAGE_BLOCK_JOBS && !w->dom->disk_count) ||
	    (stage == STAGE_POSTCOPY && !w->plan->postcopy_after_precopy) ||
	    (stage == STAGE_TIME && !(w->sync_time && w->dom->has_guest_agent)))
		return NULL;
	return words[stage];
}

/* The line that om_plan_tell_limits() has made. */
static const char *limits_of(const struct om_plan *plan)
{
	if (plan->limits_text)
		return plan->limits_text;
	for (size_t i = 0; i < plan->infos.n; i++)
		if (om_str_starts(plan->infos.v[i], "limits: "))
			return plan->infos.v[i];
	return "limits: ";
}

/* ---- for people ---- */

static void add_clean(struct om_buf *buf, const char *text)
{
	char clean[1024];
	struct om_text to = { .text = clean, .size = sizeof(clean) };

	om_text_add_clean(&to, text ? text : "");
	om_buf_add(buf, clean, strlen(clean));
}

static void add_label(struct om_buf *buf, const char *label)
{
	om_buf_addf(buf, "  %-11s ", label);
}

static void add_param(struct om_buf *buf, const struct om_param *p)
{
	om_buf_addf(buf, "\n                 %s = ", p->name);
	if (p->type == OM_PARAM_STRING)
		add_clean(buf, p->text);
	else
		om_buf_addf(buf, "%" PRIu64, p->number);
	om_buf_addf(buf, " (%s)", p->origin);
}

static void add_attempt(struct om_buf *buf, const struct om_plan *plan, size_t i)
{
	const struct om_attempt *attempt = &plan->attempts[i];
	bool without = plan->flags & ~attempt->flags & OM_FLAG_POSTCOPY;

	add_label(buf, i ? "" : "attempts");
	om_buf_addf(buf, "%zu. by %s%s", i + 1, path_words[attempt->path],
		    without ? ", without post-copy" : "");
	for (size_t n = 0; n < attempt->params.n; n++)
		add_param(buf, &attempt->params.v[n]);
	om_buf_addf(buf, "\n");
}

static void add_flags(struct om_buf *buf, unsigned int flags, const char *between)
{
	const char *name;
	size_t n = 0;

	for (unsigned int bit = 1; bit; bit <<= 1)
		if ((flags & bit) && (name = om_plan_flag_name(bit)))
			om_buf_addf(buf, "%s%s", n++ ? between : "", name);
}

static void add_way(struct om_buf *buf, const struct om_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->infos.n; i++) {
		if (om_str_starts(plan->infos.v[i], "limits: "))
			continue;
		add_label(buf, n++ ? "" : "way");
		add_clean(buf, plan->infos.v[i]);
		om_buf_addf(buf, "\n");
	}
	add_label(buf, "flags");
	add_flags(buf, plan->flags, ", ");
	om_buf_addf(buf, "\n");
	for (size_t i = 0; i < plan->attempt_count; i++)
		add_attempt(buf, plan, i);
	if (plan->attempt_count > 1) {
		add_label(buf, "");
		om_buf_addf(buf, "a later one only where the one before has sent nothing\n");
	}
}

static void add_limits(struct om_buf *buf, const struct om_plan *plan)
{
	add_label(buf, "limits");
	add_clean(buf, limits_of(plan) + strlen("limits: "));
	om_buf_addf(buf, "\n");
	if (plan->timeout_action != OM_TIMEOUT_NONE) {
		add_label(buf, "timeout");
		om_buf_addf(buf, "after %" PRIu32 " s %s (MIGRATE_OPTIONS)\n", plan->timeout_s,
			    timeout_words[plan->timeout_action]);
	}
}

static void add_disks(struct om_buf *buf, const struct om_plan_words *w)
{
	const char *key;

	for (size_t i = 0; i < w->dom->disk_count; i++) {
		const struct om_dom_disk *disk = &w->dom->disks[i];

		add_label(buf, i ? "" : "disks");
		add_clean(buf, disk->target);
		if (*disk->source) {
			om_buf_addf(buf, " ");
			add_clean(buf, disk->source);
		}
		om_buf_addf(buf, ": %s\n", moves(w, disk, &key));
	}
	if (!w->dom->disk_count) {
		add_label(buf, "disks");
		om_buf_addf(buf, "none\n");
	}
}

static void add_stages(struct om_buf *buf, const struct om_plan_words *w)
{
	unsigned int number = 0;

	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		const char *words = stage_words(w, (enum stage)stage);

		if (!words)
			continue;
		add_label(buf, number ? "" : "stages");
		om_buf_addf(buf, "%u. %s\n", ++number, words);
	}
}

void om_plan_words_text(struct om_buf *buf, const struct om_plan_words *w)
{
	om_buf_addf(buf, "Plan for VM ");
	add_clean(buf, w->vm_id);
	if (!om_str_empty(w->vm_name)) {
		om_buf_addf(buf, " (");
		add_clean(buf, w->vm_name);
		om_buf_addf(buf, ")");
	}
	om_buf_addf(buf, ": from %s to %s\n", w->src, w->dst);
	if (w->by_hand) {
		add_label(buf, "from");
		om_buf_addf(buf,
			    "the domain, as no document of OpenNebula was given: what the VM's "
			    "and the\n              datastore's templates set is not known\n");
	}
	if (w->stock_reason) {
		add_label(buf, "left to");
		om_buf_addf(buf, "OpenNebula's own script: ");
		add_clean(buf, w->stock_reason);
		om_buf_addf(buf, "\n");
	}
	add_way(buf, w->plan);
	add_limits(buf, w->plan);
	add_disks(buf, w);
	add_stages(buf, w);
	for (size_t i = 0; i < w->plan->warnings.n; i++) {
		add_label(buf, i ? "" : "warnings");
		add_clean(buf, w->plan->warnings.v[i]);
		om_buf_addf(buf, "\n");
	}
	om_predict_print_text(buf, w->prediction);
}

/* ---- for programs ---- */

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
		add_flags(buf, flags, "\",\"");
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
	om_buf_addf(buf, ",\"speed_mbit\":%" PRIu32 "},", route->speed_mbit);
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
		    om_policy_name(limits->policy), limits->downtime_max_ms, limits->pause_max_ms,
		    plan->downtime_start_ms, limits->postcopy ? "true" : "false",
		    limits->throttle ? "true" : "false", limits->bandwidth_bytes_ps);
	json_text(buf, "words", limits_of(plan) + strlen("limits: "));
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
		moves(w, disk, &key);
		om_buf_addf(buf, ",\"moves\":\"%s\"}", key);
	}
	om_buf_addf(buf, "]");
}

static void json_stages(struct om_buf *buf, const struct om_plan_words *w)
{
	size_t n = 0;

	om_buf_addf(buf, ",\"stages\":[");
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		const char *words = stage_words(w, (enum stage)stage);

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
	json_stages(buf, w);
	json_list(buf, "infos", &w->plan->infos);
	json_list(buf, "warnings", &w->plan->warnings);
	om_buf_addf(buf, ",\"prediction\":");
	om_predict_print_json(buf, w->prediction);
	om_buf_addf(buf, "}\n");
}
