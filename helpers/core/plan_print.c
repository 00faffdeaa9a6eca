/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *at;
	size_t len, size;
};

static void add(struct text *t, const char *fmt, ...) OM_PRINTF(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (t->len + (size_t)len + 1 > t->size) {
		t->size = (t->len + (size_t)len + 1) * 2;
		t->at = om_xrealloc(t->at, t->size);
	}
	va_start(args, fmt);
	vsnprintf(t->at + t->len, (size_t)len + 1, fmt, args);
	va_end(args);
	t->len += (size_t)len;
}

static const struct {
	unsigned int flag;
	const char *name;
} flag_names[] = {
	{ OM_FLAG_LIVE, "live" },
	{ OM_FLAG_PEER2PEER, "peer-to-peer" },
	{ OM_FLAG_TUNNELLED, "tunnelled" },
	{ OM_FLAG_PAUSED, "paused" },
	{ OM_FLAG_NON_SHARED_DISK, "disks" },
	{ OM_FLAG_NON_SHARED_INC, "active-layers" },
	{ OM_FLAG_CHANGE_PROTECTION, "change-protection" },
	{ OM_FLAG_UNSAFE, "unsafe" },
	{ OM_FLAG_COMPRESSED, "compressed" },
	{ OM_FLAG_ABORT_ON_ERROR, "abort-on-error" },
	{ OM_FLAG_AUTO_CONVERGE, "auto-converge" },
	{ OM_FLAG_RDMA_PIN_ALL, "rdma-pin-all" },
	{ OM_FLAG_POSTCOPY, "post-copy" },
	{ OM_FLAG_TLS, "tls" },
	{ OM_FLAG_PARALLEL, "parallel" },
	{ OM_FLAG_SYNC_WRITES, "synchronous-writes" },
	{ OM_FLAG_ZEROCOPY, "zero-copy" },
};

const char *om_plan_flag_name(unsigned int flag)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(flag_names); i++)
		if (flag_names[i].flag == flag)
			return flag_names[i].name;
	return NULL;
}

static const char *const path_names[OM_PATH_COUNT] = {
	[OM_PATH_FAST] = "fast",
	[OM_PATH_DEFAULT] = "default",
	[OM_PATH_NAME] = "oned name",
};

static const char *const timeout_names[] = {
	[OM_TIMEOUT_NONE] = "none",
	[OM_TIMEOUT_SUSPEND] = "suspend",
	[OM_TIMEOUT_POSTCOPY] = "post-copy",
};

void om_plan_print_without(const struct om_plan *plan, const struct om_attempt *attempt,
			   char text[OM_PLAN_WITHOUT])
{
	unsigned int lacks = plan->flags & ~attempt->flags;

	snprintf(text, OM_PLAN_WITHOUT, "%s%s%s",
		 lacks & OM_FLAG_POSTCOPY ? ", without post-copy" : "",
		 lacks & (OM_FLAG_PARALLEL | OM_FLAG_COMPRESSED) ? ", a single stream"
		 : lacks & OM_FLAG_ZEROCOPY			 ? ", without zero-copy"
								 : "",
		 lacks & OM_FLAG_TLS ? ", not encrypted" : "");
}

static void print_attempt(struct text *t, const struct om_plan *plan, size_t i)
{
	const struct om_attempt *attempt = &plan->attempts[i];
	char without[OM_PLAN_WITHOUT];

	om_plan_print_without(plan, attempt, without);
	add(t, "attempt %zu: %s%s\n", i + 1, path_names[attempt->path], without);
	for (size_t n = 0; n < attempt->params.n; n++) {
		const struct om_param *p = &attempt->params.v[n];

		if (p->type == OM_PARAM_STRING)
			add(t, "  %s = %s (%s)\n", p->name, p->text, p->origin);
		else
			add(t, "  %s = %" PRIu64 " (%s)\n", p->name, p->number, p->origin);
	}
}

static void print_disks(struct text *t, const struct om_plan *plan)
{
	struct om_buf buf = { 0 };

	if (plan->disk_facts)
		om_disks_print(&buf, &plan->disks, plan->disk_facts);
	add(t, "%s", buf.text ? buf.text : "");
	free(buf.text);
}

char *om_plan_print(const struct om_plan *plan)
{
	OM_AUTOFREE char *sent = om_transport_sentence(&plan->transport);
	struct text t = { 0 };

	add(&t, "flags:");
	for (size_t i = 0; i < OM_ARRAY_LEN(flag_names); i++)
		if (plan->flags & flag_names[i].flag)
			add(&t, " %s", flag_names[i].name);
	if (plan->limits.policy == OM_POLICY_STOCK)
		add(&t, "\ndowntime limit: the domain's own, %u ms\n",
		    om_limits_in_force_ms(&plan->limits));
	else
		add(&t, "\ndowntime limit: %u ms, at most %u ms\n", plan->downtime_start_ms,
		    plan->limits.downtime_max_ms);
	if (plan->limits_text)
		add(&t, "%s\n", plan->limits_text);
	if (plan->postcopy_after_precopy)
		add(&t, "post-copy: after one pass\n");
	if (plan->never_switch)
		add(&t, "post-copy: never started\n");
	if (plan->timeout_action != OM_TIMEOUT_NONE)
		add(&t, "timeout: %u s, then %s\n", plan->timeout_s,
		    timeout_names[plan->timeout_action]);
	if (!plan->transport.flags && sent) /* any other way is told as INFO */
		add(&t, "%s\n", sent);
	for (size_t i = 0; i < plan->attempt_count; i++)
		print_attempt(&t, plan, i);
	print_disks(&t, plan);
	for (size_t i = 0; i < plan->infos.n; i++)
		add(&t, "INFO: %s\n", plan->infos.v[i]);
	for (size_t i = 0; i < plan->warnings.n; i++)
		add(&t, "WARN: %s\n", plan->warnings.v[i]);
	return t.at;
}
