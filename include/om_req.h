/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenNebula asks for: VMM_DRIVER_ACTION_DATA and argv, as one value. Everything in it that a
 * VM's owner can write is marked; it is never used as a path, an option or a command. */
#ifndef OM_REQ_H
#define OM_REQ_H

#include "om_err.h"
#include "om_util.h"

#include <stddef.h>

#define OM_REQ_MAX_BYTES (16u << 20) /* a real document is below 100 KiB */

struct om_pair {
	char *name, *value;
};
struct om_pairs {
	struct om_pair *v;
	size_t n;
};
void om_pairs_add(struct om_pairs *pairs, const char *name, const char *value);
const char *om_pairs_get(const struct om_pairs *pairs, const char *name); /* last one, or NULL */
void om_pairs_free(struct om_pairs *pairs);

struct om_req {
	char *deploy_id;     /* DEPLOY_ID: UUID of the domain, or "one-31" from before 6.0 */
	char *src_host;	     /* HOST */
	char *dst_host;	     /* MIGR_HOST */
	char *vm_id;	     /* VM/ID, decimal */
	char *vm_name;	     /* VM/NAME; owner's text, for messages only */
	char *dst_dir;	     /* DISK_TARGET_PATH, without doubled slashes */
	char *src_base_path; /* DATASTORE/BASE_PATH of the source's system datastore, likewise */
	char *src_ds_id;     /* DATASTORE/ID */
	char *dst_ds_id;     /* HISTORY/DS_ID; "" where absent */
	char *tm_mad;	     /* DATASTORE/TM_MAD; "" where absent */
	bool shared;	     /* DATASTORE/TEMPLATE/SHARED, any case; missing is false as in stock */
	bool shared_known;   /* there was a document that could say so */
	char *auto_converge; /* FEATURES/MIGRATE_AUTO_CONVERGE or ""; owner's text */
	char *compressed;    /* FEATURES/MIGRATE_COMPRESSED or ""; owner's text */
	struct om_pairs ds_template;   /* DATASTORE/TEMPLATE/ *: the administrator's */
	struct om_pairs user_template; /* VM/USER_TEMPLATE/ *: the owner's; flat elements only */
};
void om_req_free(struct om_req *req);

/*
 * Reads the document: raw XML, or strict base64 of it (with or without a final newline). No
 * entity is loaded, nothing is fetched. False (OM_E_INPUT) with one sentence for what is
 * empty, malformed, truncated, over-long, holds a NUL byte, has another root, or lacks an element
 * of a migration or has an empty one: HOST, MIGR_HOST, DEPLOY_ID, VM/ID (decimal), DATASTORE and
 * its BASE_PATH, DISK_TARGET_PATH.
 */
bool om_xml_req_parse(struct om_req *req, const char *data, size_t len,
		      struct om_err *err) OM_MUST_CHECK;

#endif
