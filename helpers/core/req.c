/* SPDX-License-Identifier: Apache-2.0 */
#include "om_req.h"

#include <stdlib.h>
#include <string.h>

void om_pairs_add(struct om_pairs *pairs, const char *name, const char *value)
{
	pairs->v = om_xrealloc(pairs->v, (pairs->n + 1) * sizeof(*pairs->v));
	pairs->v[pairs->n].name = om_xstrdup(name);
	pairs->v[pairs->n].value = om_xstrdup(value);
	pairs->n++;
}

const char *om_pairs_get(const struct om_pairs *pairs, const char *name)
{
	for (size_t i = pairs->n; i > 0; i--)
		if (strcmp(pairs->v[i - 1].name, name) == 0)
			return pairs->v[i - 1].value;
	return NULL;
}

void om_pairs_free(struct om_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->v[i].name);
		free(pairs->v[i].value);
	}
	free(pairs->v);
	*pairs = (struct om_pairs){ 0 };
}

void om_req_free(struct om_req *req)
{
	char *texts[] = { req->deploy_id, req->src_host, req->dst_host,	     req->vm_id,
			  req->vm_name,	  req->dst_dir,	 req->src_base_path, req->src_ds_id,
			  req->dst_ds_id, req->tm_mad,	 req->auto_converge, req->compressed };

	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		free(texts[i]);
	om_pairs_free(&req->ds_template);
	om_pairs_free(&req->user_template);
	*req = (struct om_req){ 0 };
}
