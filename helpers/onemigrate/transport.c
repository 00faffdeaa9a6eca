/* SPDX-License-Identifier: Apache-2.0 */
/* What the choice of the way of sending is made from, as far as it is not known by other questions. */
#include "om_host_cpu.h"
#include "om_log.h"
#include "om_refused.h"
#include "session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEEK_MS 100 /* in all */

void om_transport_begin(struct om_session *s)
{
	om_host_mark_take(&s->look.mark);
	s->look.net_before = om_host_net_read();
	s->look.net_ms = om_now_ms();
}

/* ---- the guest's memory ---- */

/* Only where something may come of it, the machine's map of memory is known, and what is read does not travel. */
static bool is_worth_a_look(const struct om_session *s)
{
	const unsigned int own = OM_FLAG_COMPRESSED | OM_FLAG_PARALLEL | OM_FLAG_ZEROCOPY |
				 OM_FLAG_TUNNELLED | OM_FLAG_RDMA_PIN_ALL;

	return !s->args.local && !(s->opts.flags & own) && s->dom.arch &&
	       strcmp(s->dom.arch, "x86_64") == 0 &&
	       om_knob_number(&s->knobs, OM_KNOB_MIGRATE_COMPRESSION) != OM_CHOICE_COMPRESSION_NONE;
}

static void *peek(void *arg)
{
	struct om_session *s = arg;
	uint64_t begun_ms = om_now_ms();

	om_vir_peek(s->vir, s->dom.memory_kib * 1024, PEEK_MS, &s->look.sampled);
	om_log(OM_LOG_DEBUG,
	       "memory: %llu KiB read in %llu ms, %llu KiB zero, the rest is %u permille",
	       (unsigned long long)s->look.sampled.bytes >> 10,
	       (unsigned long long)(om_now_ms() - begun_ms),
	       (unsigned long long)s->look.sampled.zero_bytes >> 10,
	       om_sampled_permille(&s->look.sampled));
	return NULL;
}

void om_transport_peek(struct om_session *s)
{
	if (s->look.peeking || s->look.sampled.bytes || !s->vir || !is_worth_a_look(s))
		return;
	s->look.peeking = pthread_create(&s->look.thread, NULL, peek, s) == 0;
}

void om_transport_peeked(struct om_session *s)
{
	if (s->look.peeking)
		pthread_join(s->look.thread, NULL);
	s->look.peeking = false;
}

/* ---- what was reached before ---- */

struct seen {
	struct om_transport_seen link;
	struct om_transport_guest guest;
};

static void see(const struct om_state *record, void *ctx)
{
	struct seen *seen = ctx;

	om_transport_see_guest(&seen->guest, record);
	om_transport_see(&seen->link, record);
}

/* The fast address, where the memory will go there. */
static bool goes_fast(const struct om_session *s)
{
	return s->facts.fast.have_addr && s->facts.fast.routed &&
	       s->facts.fast.answer != OM_ANSWER_NO;
}

static void look_back(struct om_session *s, struct om_transport_facts *f)
{
	char addr[OM_ADDR_TEXT] = "";
	uint64_t now_ms = om_epoch_ms();
	struct seen seen = { .link = { .src = om_transport_source(s),
				       .dst = s->args.dst,
				       .addr = addr,
				       .now_ms = now_ms },
			     .guest = { .uuid = om_vir_uuid(s->vir), .now_ms = now_ms } };

	if (goes_fast(s))
		om_addr_print(&s->facts.fast.addr, addr);
	om_history_each(see, &seen);
	om_transport_seen_tell(&seen.link, f);
	om_transport_guest_tell(&seen.guest, f);
}

/* ---- the link ---- */

static bool find_route(struct om_session *s, struct om_route *route)
{
	struct om_addr addr;
	struct om_err ignored;

	if (goes_fast(s)) {
		*route = s->facts.fast.route;
		return true;
	}
	if (!s->host.available || !s->host.resolve(s->host.ctx, s->args.dst, &addr, &ignored) ||
	    !s->host.route(s->host.ctx, &addr, route, &ignored))
		return false;
	return true;
}

static void look_at_link(struct om_session *s, struct om_transport_facts *f)
{
	uint64_t ms = om_now_ms() - s->look.net_ms, before, after;
	OM_AUTOFREE char *now = NULL;
	struct om_route route = { 0 };

	if (!find_route(s, &route))
		return;
	f->link_bytes_ps = om_link_bytes_ps(route.speed_mbit);
	if (s->args.local || !s->look.net_before || ms < OM_HOST_MARK_LEAST_MS)
		return;
	now = om_host_net_read();
	before = om_host_net_sent(s->look.net_before, route.ifname);
	after = om_host_net_sent(now, route.ifname);
	if (before && after > before)
		f->busy_bytes_ps = (after - before) * 1000 / ms;
}

/* ---- all of it ---- */

static void take_tls(const struct om_session *s, struct om_transport_facts *f)
{
	const struct om_survey *src = &s->checkup.src, *dst = &s->checkup.dst;

	if (src->tls_client == OM_ANSWER_NO || dst->tls_server == OM_ANSWER_NO) {
		bool here = src->tls_client == OM_ANSWER_NO;

		f->tls = OM_TLS_MISSING;
		snprintf(f->tls_why, sizeof(f->tls_why), "no certificates on %.60s: %.110s",
			 here ? s->args.src : s->args.dst, here ? src->tls_why : dst->tls_why);
	} else if (src->tls_client == OM_ANSWER_YES && dst->tls_server == OM_ANSWER_YES) {
		f->tls = OM_TLS_READY;
	}
}

void om_transport_gather(struct om_session *s)
{
	struct om_transport_facts *f = &s->facts.transport;
	const struct om_survey *src = &s->checkup.src, *dst = &s->checkup.dst;

	if (!s->look.sampled.bytes) /* asked by hand, or by a name that had to be looked for */
		om_transport_peek(s);
	om_transport_peeked(s);
	f->memory_bytes = s->facts.populated_bytes ? s->facts.populated_bytes
						   : s->dom.memory_kib * 1024;
	f->sampled = s->look.sampled;
	if (!s->args.local)
		(void)om_host_free_since(&s->look.mark, &f->src.cpus, &f->src.free_permille,
					 &f->src.share_permille);
	else if (src->known)
		f->src = (struct om_transport_cpu){ src->cpus, src->cpu_free_permille,
						    src->cpu_share_permille };
	if (dst->known) {
		f->dst = (struct om_transport_cpu){ dst->cpus, dst->cpu_free_permille,
						    dst->cpu_share_permille };
		f->fresh_page_ns = dst->fresh_page_ns;
	}
	f->lockable_bytes = s->args.local ? src->optmem_bytes : om_host_optmem_bytes();
	look_at_link(s, f);
	look_back(s, f);
	f->pinned_cpus = s->dom.pinned_cpus;
	take_tls(s, f);
	f->refused = om_refused_read(&(struct om_refused_pair){ om_transport_source(s), s->args.dst,
								&s->facts.versions },
				     om_epoch_ms());
	free(s->look.net_before);
	s->look.net_before = NULL;
}
