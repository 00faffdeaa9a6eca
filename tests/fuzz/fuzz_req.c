/* SPDX-License-Identifier: Apache-2.0 */
/* The action document: what is accepted keeps every promise of om_req.h, and is freed. */
#include "om_addr.h"
#include "om_req.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_accepted(const struct om_req *req)
{
	uint64_t id;

	expect(om_host_valid(req->src_host) && om_host_valid(req->dst_host));
	expect(om_parse_u64(req->vm_id, 0, 9999999999, &id));
	expect(*req->deploy_id && strlen(req->deploy_id) <= 64 && *req->deploy_id != '-');
	expect(*req->dst_dir == '/' && !strstr(req->dst_dir, "//") &&
	       !strstr(req->dst_dir, "/../"));
	expect(*req->src_base_path == '/' && !strstr(req->src_base_path, "//"));
	expect(req->vm_name && req->src_ds_id && req->dst_ds_id && req->tm_mad);
	expect(req->auto_converge && req->compressed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct om_req req;
	struct om_err err = { 0 };

	if (om_xml_req_parse(&req, (const char *)data, size, &err)) {
		check_accepted(&req);
		om_req_free(&req);
	} else {
		expect(err.code == OM_E_INPUT && *err.msg && !strchr(err.msg, '\n'));
	}
	return 0;
}
