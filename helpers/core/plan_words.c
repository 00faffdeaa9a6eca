/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_words_internal.h"

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

const char *om_plan_words_moves(const struct om_plan_words *w, const struct om_dom_disk *disk,
				const char **key)
{
	const struct om_disk_plan *decided = w->plan->disk_facts
						     ? &w->plan->disks.disk[disk - w->dom->disks]
						     : NULL;

	switch (disk->kind) {
	case OM_DISK_EMPTY:
		*key = "empty";
		return "empty";
	case OM_DISK_NETWORK:
		*key = "network";
		return "a volume on the network, which the destination opens as well";
	default:
		if (decided) {
			*key = om_disk_way_name(decided->way);
			return decided->why;
		}
		*key = image_keys[w->images];
		return image_words[w->images];
	}
}

const char *om_plan_words_stage(const struct om_plan_words *w, enum om_plan_stage stage)
{
	static const char *const words[] = {
		[OM_STAGE_LOOK] = "both hosts are asked for the state of the VM",
		[OM_STAGE_BLOCK_JOBS] = "active block jobs of its disks are waited for",
		[OM_STAGE_SNAPSHOTS] = "its snapshots' metadata, if any, is taken from the source",
		[OM_STAGE_FILES] = "files that nobody writes to are sent, and empty images made",
		[OM_STAGE_DISKS] = "disks are copied while the guest runs, and kept in sync",
		[OM_STAGE_MEMORY] =
			"the memory is copied while the guest runs; then it is switched over",
		[OM_STAGE_POSTCOPY] = "post-copy begins after the first pass",
		[OM_STAGE_SETTLE] =
			"both hosts are asked where it runs; the snapshots' metadata follows",
		[OM_STAGE_TIME] = "the guest's clock is set",
	};
	static_assert(OM_ARRAY_LEN(words) == OM_STAGE_COUNT, "words for each stage");

	if ((stage == OM_STAGE_BLOCK_JOBS && !w->dom->disk_count) ||
	    (stage == OM_STAGE_FILES && !w->plan->disk_facts) ||
	    (stage == OM_STAGE_DISKS && !w->plan->disks.mirrors) ||
	    (stage == OM_STAGE_POSTCOPY && !w->plan->postcopy_after_precopy) ||
	    (stage == OM_STAGE_TIME && !(w->sync_time && w->dom->has_guest_agent)))
		return NULL;
	return words[stage];
}

const char *om_plan_words_limits(const struct om_plan *plan)
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
	char without[OM_PLAN_WITHOUT];

	om_plan_print_without(plan, attempt, without);
	add_label(buf, i ? "" : "attempts");
	om_buf_addf(buf, "%zu. by %s%s", i + 1, path_words[attempt->path], without);
	for (size_t n = 0; n < attempt->params.n; n++)
		add_param(buf, &attempt->params.v[n]);
	om_buf_addf(buf, "\n");
}

void om_plan_words_flags(struct om_buf *buf, unsigned int flags, const char *between)
{
	const char *name;
	size_t n = 0;

	for (unsigned int bit = 1; bit; bit <<= 1)
		if ((flags & bit) && (name = om_plan_flag_name(bit)))
			om_buf_addf(buf, "%s%s", n++ ? between : "", name);
}

static void add_way(struct om_buf *buf, const struct om_plan *plan)
{
	OM_AUTOFREE char *sent = om_transport_sentence(&plan->transport);
	size_t n = 0;

	for (size_t i = 0; i < plan->infos.n; i++) {
		if (om_str_starts(plan->infos.v[i], "limits: "))
			continue;
		add_label(buf, n++ ? "" : "way");
		add_clean(buf, plan->infos.v[i]);
		om_buf_addf(buf, "\n");
	}
	if (!plan->transport.flags && sent) { /* any other way is among infos */
		add_label(buf, n ? "" : "way");
		add_clean(buf, sent);
		om_buf_addf(buf, "\n");
	}
	add_label(buf, "flags");
	om_plan_words_flags(buf, plan->flags, ", ");
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
	add_clean(buf, om_plan_words_limits(plan) + strlen("limits: "));
	om_buf_addf(buf, "\n");
	if (plan->timeout_action != OM_TIMEOUT_NONE) {
		add_label(buf, "timeout");
		om_buf_addf(buf, "after %" PRIu32 " s %s (MIGRATE_OPTIONS)\n", plan->timeout_s,
			    timeout_words[plan->timeout_action]);
	}
}

/* Of a disk that is copied. */
static void add_amount(struct om_buf *buf, const struct om_plan *plan, size_t i)
{
	const struct om_disk_plan *disk = plan->disk_facts ? &plan->disks.disk[i] : NULL;
	char size[OM_DISKS_SIZE_TEXT];

	if (disk && disk->way == OM_DISK_MIRROR)
		om_buf_addf(buf, ", %s%s", om_disks_size(size, disk->copy_bytes),
			    disk->chain ? " of its active layer" : "");
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
		om_buf_addf(buf, ": %s", om_plan_words_moves(w, disk, &key));
		add_amount(buf, w->plan, i);
		om_buf_addf(buf, "\n");
	}
	if (!w->dom->disk_count) {
		add_label(buf, "disks");
		om_buf_addf(buf, "none\n");
	}
}

static void add_stages(struct om_buf *buf, const struct om_plan_words *w)
{
	unsigned int number = 0;

	for (int stage = 0; stage < OM_STAGE_COUNT; stage++) {
		const char *words = om_plan_words_stage(w, (enum om_plan_stage)stage);

		if (!words)
			continue;
		add_label(buf, number ? "" : "stages");
		om_buf_addf(buf, "%u. %s\n", ++number, words);
	}
}

static void add_hooks(struct om_buf *buf, const struct om_plan_words *w)
{
	size_t lines = 0;

	for (size_t i = 0; i < w->hooks.n; i++) {
		if (!i)
			add_label(buf, lines++ ? "" : "hooks");
		om_buf_addf(buf, "%s", i ? ", " : "");
		add_clean(buf, w->hooks.v[i]);
	}
	if (w->hooks.n)
		om_buf_addf(buf,
			    ": before it, and after the switch-over, its end, or its failure\n");
	for (size_t i = 0; i < w->hooks_skipped.n; i++) {
		add_label(buf, lines++ ? "" : "hooks");
		add_clean(buf, w->hooks_skipped.v[i]);
		om_buf_addf(buf, "\n");
	}
	if (w->notify) {
		add_label(buf, lines ? "" : "hooks");
		om_buf_addf(buf, "the guest is told by its agent, before and after it\n");
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
	add_hooks(buf, w);
	for (size_t i = 0; i < w->plan->warnings.n; i++) {
		add_label(buf, i ? "" : "warnings");
		add_clean(buf, w->plan->warnings.v[i]);
		om_buf_addf(buf, "\n");
	}
	om_predict_print_text(buf, w->prediction);
}
