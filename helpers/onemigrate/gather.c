/* SPDX-License-Identifier: Apache-2.0 */
/* Asks everything that the plan needs. The connection to the destination costs a third of a second,
 * so whatever else can be asked is asked beside it. */
#include "om_checked.h"
#include "om_log.h"
#include "om_qemu_running.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

struct task {
	struct om_session *s;
	pthread_t thread;
	bool started, ok;
	struct om_err err;
};

static void start(struct task *task, struct om_session *s, void *(*fn)(void *))
{
	task->s = s;
	task->started = pthread_create(&task->thread, NULL, fn, task) == 0;
	if (!task->started)
		fn(task);
}

static void join(struct task *task)
{
	if (task->started)
		pthread_join(task->thread, NULL);
	task->started = false;
}

static void *open_destination(void *arg)
{
	struct task *task = arg;

	task->ok = om_vir_open(task->s->vir, OM_VIR_DST, &task->err);
	return NULL;
}

bool om_session_read_domain(struct om_session *s, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;

	om_dom_free(&s->dom);
	return om_vir_domain_xml(s->vir, &xml, err) && om_xml_dom_parse(&s->dom, xml, err);
}

/* What is asked of both hosts depends on the domain. By a name it may have to be looked for on the
 * destination too, whose connection is only being opened; then the hosts are asked without it. */
static void ask_hosts(struct om_session *s)
{
	struct om_err ignored;

	if (om_state_uuid_valid(s->args.deploy_id) &&
	    om_vir_identify(s->vir, s->args.deploy_id, &ignored))
		(void)!om_session_read_domain(s, &ignored);
	om_transport_peek(s);
	om_checkup_ask(s);
	om_transport_peeked(s);
}

bool om_session_connect(struct om_session *s, struct om_err *err)
{
	struct task dst = { 0 };
	uint64_t begun_ms = om_now_ms();
	struct om_err ignored;
	bool ok;

	s->vir = om_vir_new(s->src_uri, s->dst_uri);
	if (s->opts.flags & OM_FLAG_PEER2PEER) {
		char uri[640];

		om_uri_libvirt(uri, sizeof(uri), om_knob_text(&s->knobs, OM_KNOB_QEMU_PROTOCOL),
			       s->args.dst, "");
		om_vir_set_p2p_uri(s->vir, uri);
	}
	(void)!om_checked_take(s->args.deploy_id, s->args.dst, &s->checkup.proven, om_epoch_ms());
	om_transport_begin(s);
	om_checkup_open(s);
	start(&dst, s, open_destination);
	ok = om_vir_open(s->vir, OM_VIR_SRC, err) && om_vir_open(s->vir, OM_VIR_MON, err);
	if (ok)
		ask_hosts(s);
	join(&dst);
	s->connect_ms = om_now_ms() - begun_ms;
	/* A UUID needs no connection: sides can be asked later even if one is silent now. */
	s->identified = om_vir_identify(s->vir, s->args.deploy_id, ok ? err : &ignored);
	if (ok && !dst.ok)
		*err = dst.err;
	return ok && s->identified && dst.ok;
}

/* libvirt makes the migration of a paused guest one that cannot be post-copy. */
static const char *postcopy_obstacle(struct om_session *s)
{
	struct om_side src = { 0 };

	om_vir_side(s->vir, OM_VIR_SRC, &src);
	return src.state == OM_SIDE_PAUSED ? "the VM is paused" : s->dom.postcopy_obstacle;
}

bool om_session_gather(struct om_session *s, struct om_err *err)
{
	const struct om_survey *dst = &s->checkup.dst;
	bool ask_postcopy = om_knob_number(&s->knobs, OM_KNOB_MIGRATE_POSTCOPY);

	/* Another migration may have been waited for since it was read. */
	if (!om_session_read_domain(s, err))
		return false;
	s->facts.has_guest_agent = s->dom.has_guest_agent;
	s->facts.persistent = om_vir_domain_persistent(s->vir);
	/* The kernel does not count huge pages among a process's memory; they are all there from the start. */
	s->facts.populated_bytes = s->dom.huge_page_kib ? 0 : om_vir_populated_bytes(s->vir);
	s->facts.max_downtime_ms = om_vir_max_downtime_ms(s->vir, OM_VIR_SRC);
	s->facts.bandwidth_mibps = om_vir_bandwidth_limit_mibps(s->vir);
	if (ask_postcopy)
		s->facts.postcopy_obstacle = postcopy_obstacle(s);
	om_vir_versions(s->vir, &s->facts.versions);
	s->facts.versions.src_qemu_most = 0;
	if (s->args.local) { /* the guest's process is not among those of this host */
		om_dom_qemu_unseen(&s->dom, &s->facts.versions);
	} else if (om_qemu_is_replaced("/proc", s->dom.uuid)) {
		om_dom_qemu_unseen(&s->dom, &s->facts.versions);
		om_log(OM_LOG_DEBUG, "the guest runs in a QEMU that was replaced since: %s",
		       s->facts.versions.src_qemu ? "its machine type tells the least version"
						  : "its version is not known");
	}
	if (dst->libvirt_known &&
	    !s->facts.versions.dst_libvirt) { /* no connection of ours to it */
		s->facts.versions.dst_libvirt = dst->libvirt;
		s->facts.versions.dst_qemu = dst->qemu;
	}
	om_storage_gather(s);
	om_transport_gather(s);
	return true;
}
