/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that only look: `check`, `plan` and the TM scripts. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct om_shared nobody; /* there is no supervisor to share it with */

/* OpenNebula calls the domain of its VM 31 one-31. */
static void set_vm(struct om_session *s, const char *vm)
{
	uint64_t id;

	if (om_parse_u64(vm, 0, UINT32_MAX, &id)) {
		s->args.deploy_id = om_xasprintf("one-%s", vm);
		s->args.vm_id = om_xstrdup(vm);
		return;
	}
	s->args.deploy_id = om_xstrdup(vm);
	s->args.vm_id = om_xstrdup(om_str_starts(vm, "one-") ? vm + 4 : vm);
}

static const char *own_name(void)
{
	static char name[256];

	if (gethostname(name, sizeof(name) - 1) < 0)
		om_str_copy(name, sizeof(name), "localhost");
	return name;
}

/* The document's texts, as far as the domain tells them. */
static void request_of_domain(struct om_session *s)
{
	const char *dir = s->dom.vm_dir ? s->dom.vm_dir : "", *slash = strrchr(dir, '/');
	struct om_req *req = &s->req;

	req->deploy_id = om_xstrdup(s->args.deploy_id);
	req->src_host = om_xstrdup(s->args.src);
	if (s->dom.name && om_str_starts(s->dom.name, "one-"))
		req->vm_id = om_xstrdup(s->dom.name + strlen("one-"));
	else
		req->vm_id = om_xstrdup(s->args.vm_id);
	req->vm_name = om_xstrdup(s->dom.name ? s->dom.name : "");
	req->dst_dir = om_xstrdup(dir);
	req->src_base_path = om_xstrndup(dir, slash ? (size_t)(slash - dir) : 0);
	req->src_ds_id = om_xstrdup("");
	req->dst_ds_id = om_xstrdup("");
	req->tm_mad = om_xstrdup("");
	req->auto_converge = om_xstrdup("");
	req->compressed = om_xstrdup("");
}

static bool open_source(struct om_session *s, struct om_err *err)
{
	if (!om_vir_init(err))
		return false;
	s->vir = om_vir_new(s->src_uri, s->dst_uri);
	if (!om_vir_open(s->vir, OM_VIR_SRC, err) ||
	    !om_vir_identify(s->vir, s->args.deploy_id, err))
		return false;
	s->identified = true;
	return true;
}

/* A domain that is not here leaves s->dom empty; one that cannot be read is an error. */
static bool read_source(struct om_session *s, struct om_err *err)
{
	struct om_side side = { 0 };

	om_vir_side(s->vir, OM_VIR_SRC, &side);
	if (side.state == OM_SIDE_ABSENT)
		return true;
	if (!om_session_read_domain(s, err))
		return false;
	s->facts.persistent = om_vir_domain_persistent(s->vir);
	return true;
}

static bool begin(struct om_session *s, struct om_err *err)
{
	s->shared = &nobody;
	s->begun_ms = om_now_ms();
	s->aftermath_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	om_host_local(&s->host);
	if (!om_host_valid(s->args.dst))
		return om_err_set(err, OM_E_INPUT, "no name or address of a host: %.200s",
				  s->args.dst);
	return true;
}

bool om_session_by_hand(struct om_session *s, const char *vm, const char *src, const char *dst,
			struct om_err *err)
{
	set_vm(s, vm);
	s->args.src = src ? src : own_name();
	s->args.dst = dst;
	s->req.dst_host = om_xstrdup(dst); /* the ways there are chosen by it */
	if (!begin(s, err) || !om_session_settings(s, err))
		return false;
	om_transport_begin(s);
	om_checkup_open(s); /* its ssh takes longer than all that is asked here */
	if (!open_source(s, err) || !read_source(s, err))
		return false;
	request_of_domain(s);
	return true;
}

bool om_session_by_document(struct om_session *s, const char *document, size_t len,
			    struct om_err *err)
{
	if (!om_xml_req_parse(&s->req, document, len, err))
		return false;
	s->args = (struct om_args){ .deploy_id = s->req.deploy_id,
				    .dst = s->req.dst_host,
				    .src = s->req.src_host,
				    .vm_id = s->req.vm_id };
	if (!begin(s, err) || !om_session_settings(s, err))
		return false;
	om_transport_begin(s);
	om_checkup_open(s);
	return open_source(s, err) && read_source(s, err);
}

bool om_session_draft(struct om_session *s, struct om_err *err)
{
	if (!om_session_gather(s, err))
		return false;
	om_storage_draft(s);
	return om_plan_make(&s->plan, &s->req, &s->knobs, &s->opts, &s->facts, err);
}
