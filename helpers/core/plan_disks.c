/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that the hosts do not share, within the plan. */
#include "plan_internal.h"

#include <stdlib.h>
#include <string.h>

#define STORAGE_FLAGS (OM_FLAG_NON_SHARED_DISK | OM_FLAG_NON_SHARED_INC | OM_FLAG_SYNC_WRITES)

/* "--copy-storage-all, --disks-port"; malloc'ed. */
static char *storage_options(const struct om_opts *opts)
{
	struct om_buf buf = { 0 };

	for (size_t i = 0; i < opts->storage.n; i++)
		om_buf_addf(&buf, "%s%s", i ? ", " : "", opts->storage.v[i]);
	if (om_params_get(&opts->params, "disks_port"))
		om_buf_addf(&buf, "%s--disks-port", buf.len ? ", " : "");
	if (om_params_get(&opts->params, "disks_uri"))
		om_buf_addf(&buf, "%s--disks-uri", buf.len ? ", " : "");
	return buf.text;
}

static bool is_named(const struct om_opts *opts, const char *option)
{
	for (size_t i = 0; i < opts->storage.n; i++)
		if (strcmp(opts->storage.v[i], option) == 0)
			return true;
	return false;
}

/* virsh would copy an image of shared storage onto itself. */
void om_plan_drop_storage(struct om_plan *plan, struct om_opts *opts, const struct om_facts *facts)
{
	OM_AUTOFREE char *names = facts->disks ? NULL : storage_options(opts);

	if (facts->disks && is_named(opts, "--migrate-disks"))
		om_plan_warn(plan,
			     om_xstrdup("--migrate-disks in MIGRATE_OPTIONS is left out: each "
					"disk that the hosts do not share is copied"));
	if (!names)
		return;
	om_plan_warn(plan,
		     om_xasprintf("left out of MIGRATE_OPTIONS, as the disks are shared and stay "
				  "where they are: %s",
				  names));
	om_params_drop(&opts->params, "disks_port");
	om_params_drop(&opts->params, "disks_uri");
}

static void add_part(struct om_buf *buf, const char *what, size_t count, uint64_t bytes,
		     const char *how)
{
	char size[OM_DISKS_SIZE_TEXT];

	if (count)
		om_buf_addf(buf, "%s%zu %s%s (%s) %s %s", buf->len ? "; " : "", count, what,
			    count == 1 ? "" : "s", om_disks_size(size, bytes),
			    count == 1 ? "is" : "are", how);
}

static void tell(struct om_plan *plan)
{
	const struct om_disks *disks = &plan->disks;
	struct om_buf buf = { 0 };

	add_part(&buf, "disk", disks->mirrors, disks->mirror_bytes, "copied while the guest runs");
	add_part(&buf, "file", disks->sent_files, disks->send_bytes, "sent before the start");
	if (buf.text)
		om_plan_info(plan, buf.text);
	for (size_t i = 0; i < disks->infos.n; i++)
		om_plan_info(plan, om_xstrdup(disks->infos.v[i]));
	for (size_t i = 0; i < disks->warnings.n; i++)
		om_plan_warn(plan, om_xstrdup(disks->warnings.v[i]));
}

bool om_plan_decide_disks(struct om_plan *plan, const struct om_opts *opts,
			  const struct om_facts *facts, struct om_err *err)
{
	if (!facts->disks)
		return true;
	plan->disk_facts = facts->disks;
	if (!om_disks_decide(&plan->disks, facts->disks, opts, plan->flags & OM_FLAG_TLS,
			     plan->limits.bandwidth_bytes_ps >> 20, err))
		return false;
	tell(plan);
	return true;
}

/* Only what the destination listens on by our own wish is an address that it has for sure. */
static const char *listen_address(const struct om_attempt *attempt)
{
	const struct om_param *listen = om_params_get(&attempt->params, "listen_address");

	return attempt->path == OM_PATH_FAST && listen &&
			       strcmp(listen->origin, "fast network") == 0
		       ? listen->text
		       : NULL;
}

void om_plan_add_disks(struct om_plan *plan, const struct om_opts *opts)
{
	if (!plan->disk_facts)
		return;
	for (size_t i = 0; i < plan->attempt_count; i++) {
		struct om_attempt *attempt = &plan->attempts[i];

		om_disks_add_params(&plan->disks, plan->disk_facts, opts, &attempt->flags,
				    &attempt->params, listen_address(attempt));
		plan->flags |= attempt->flags & STORAGE_FLAGS;
	}
}
