/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt, as this program uses it: two connections to the source, one to the destination, one
 * domain, found by UUID on each. No libvirt type is seen outside of edge/vir_*.c.
 *
 * Threads: OM_VIR_SRC and OM_VIR_DST belong to the worker, OM_VIR_MON to the sampler until it has
 * ended; two calls on one connection at a time are legal but never made. Events are noted in
 * struct om_vir_events by the event loop's thread, which makes no libvirt call.
 */
#ifndef OM_VIR_H
#define OM_VIR_H

#include "om_dom.h"
#include "om_outcome.h"
#include "om_plan.h"
#include "om_watch.h"

#include <pthread.h>
#include <stdatomic.h>

enum om_vir_role { OM_VIR_SRC, OM_VIR_MON, OM_VIR_DST, OM_VIR_ROLES };

/* The statistics of a migration that has ended; zero where libvirt did not tell. */
struct om_vir_completed {
	bool known;
	uint64_t elapsed_ms, downtime_ms, memory_bytes, guest_bytes, rate_bytes_ps;
	uint64_t data_bytes, data_memory_bytes; /* sent: with the disks, and without them */
	uint32_t iterations;
};

struct om_vir_events {
	int wake_fd;			/* eventfd, written at each event; owned by om_vir */
	atomic_uint iteration;		/* highest announced pass */
	atomic_bool source_stopped;	/* SUSPENDED on the source */
	atomic_bool source_paused;	/* by somebody who asked for it; it may run again */
	atomic_bool source_postcopy;	/* the switch to post-copy was made */
	atomic_bool dest_resumed;	/* its CPUs were started */
	atomic_bool lost[OM_VIR_ROLES]; /* connection closed under us */
	pthread_mutex_t lock;
	struct om_vir_completed completed; /* under lock */
};

struct om_vir;

/* Before any other call and before threads: silences libvirt's own printing, registers its event
 * loop, starts the thread that runs it. */
bool om_vir_init(struct om_err *err) OM_MUST_CHECK;

struct om_vir *om_vir_new(const char *src_uri, const char *dst_uri);
void om_vir_free(struct om_vir *vir);
struct om_vir_events *om_vir_events(struct om_vir *vir);
/* Forgets what an earlier attempt noted; lost connections stay noted. */
void om_vir_events_reset(struct om_vir *vir);

/* Opens (again) with keepalive, 5 s x 6; gives up after a minute, and goes on with the same one when
 * it is called again. The message holds libvirt's own words. */
bool om_vir_open(struct om_vir *vir, enum om_vir_role role, struct om_err *err) OM_MUST_CHECK;
void om_vir_close(struct om_vir *vir, enum om_vir_role role);

/*
 * Which domain is meant: a UUID is taken as it is, a name ("one-31", from before OpenNebula 6.0)
 * is looked up on the source and then on the destination. Must precede everything below.
 */
bool om_vir_identify(struct om_vir *vir, const char *deploy_id, struct om_err *err) OM_MUST_CHECK;
const char *om_vir_uuid(const struct om_vir *vir);

/* The state on one side, asked over `role`'s connection; reopens a lost one once. Never fails. Post-copy
 * that is seen on the source becomes known to the events, one of which may have been missed. */
void om_vir_side(struct om_vir *vir, enum om_vir_role role, struct om_side *side);

/* Facts of the domain on the source. */
bool om_vir_domain_xml(struct om_vir *vir, char **xml, struct om_err *err) OM_MUST_CHECK;
/* As the destination gets it, with what is secret in it. */
bool om_vir_migratable_xml(struct om_vir *vir, char **xml, struct om_err *err) OM_MUST_CHECK;
bool om_vir_domain_persistent(struct om_vir *vir);
uint32_t om_vir_max_downtime_ms(struct om_vir *vir, enum om_vir_role role); /* 0 = not known */
/* Resident memory of its QEMU, which is at least what the guest ever wrote unless the host swaps; 0 =
 * not known. */
uint64_t om_vir_populated_bytes(struct om_vir *vir);
void om_vir_versions(struct om_vir *vir, struct om_versions *versions); /* 0 = not known */
/*
 * How much the guest on the source writes: the distinct pages within 1 s and within 3 s, for which it takes
 * a little more than 4 s. Leaves nothing behind. `exact`: each page may be counted, for which the
 * guest takes a fault at the first write to each, as in a migration; otherwise, or where that is
 * refused, a sample of its pages is compared.
 */
struct om_vir_dirty {
	bool known;
	uint64_t in_1s_bytes, in_3s_bytes; /* in_3s 0: that one failed */
	uint32_t in_1s_times;		   /* in_1s is the mean of so many */
	uint64_t grain_bytes; /* memory for which one page of the sample stands; 0 = exact */
	char why[160];	      /* why it is not known */
};
void om_vir_measure_dirty(struct om_vir *vir, bool exact, struct om_vir_dirty *dirty);
/*
 * The same with a sample alone, over so many seconds, without waiting: begun before a migration, as
 * libvirt begins none during one, and read while that runs. QEMU reads 512 pages of each GiB twice, in
 * a thread of its own; nothing is done to the guest. False: it is not measured, or not over.
 */
bool om_vir_sampling_begin(struct om_vir *vir, uint32_t seconds);
bool om_vir_sampling_end(struct om_vir *vir, uint32_t seconds, uint64_t *bytes);
/*
 * Adds 32 to 128 pieces of 64 KiB of the guest's memory, spread over all of it, as far as they can be read
 * within budget_ms. Memory of an x86 machine alone: its map is known, and no device is ever read.
 * QEMU is kept from its devices for as long as it copies a piece, and the guest goes on. By the
 * connection of OM_VIR_MON, before there is a sampler; any thread.
 */
void om_vir_peek(struct om_vir *vir, uint64_t memory_bytes, uint32_t budget_ms,
		 struct om_sampled *sampled);
/* Time that its QEMU on that side has taken of processors, the guest's own aside; 0 = not known. */
uint64_t om_vir_cpu_ms(struct om_vir *vir, enum om_vir_role role);
/* The first disk with an active block job; false: none. */
bool om_vir_block_job(struct om_vir *vir, const struct om_dom *dom, char *target, size_t size);

bool om_vir_snapshots_count(struct om_vir *vir, uint32_t *count); /* false: not known */
/* Snapshot metadata of the source, parents first; `xml.v[i]` starts with 'C' (the current one) or '-'. */
bool om_vir_snapshots_save(struct om_vir *vir, struct om_strv *xml,
			   struct om_err *err) OM_MUST_CHECK;
/* Drops the metadata, and only that, of every snapshot on the source. */
bool om_vir_snapshots_drop(struct om_vir *vir, struct om_err *err) OM_MUST_CHECK;
/* Defines them again on that side; those already there are left alone. */
bool om_vir_snapshots_define(struct om_vir *vir, enum om_vir_role role, const struct om_strv *xml,
			     struct om_err *err) OM_MUST_CHECK;

/* What the guest on the source has written to a disk since it was started. False: not known. */
bool om_vir_disk_written(struct om_vir *vir, const char *target,
			 struct om_written *written) OM_MUST_CHECK;

/* The one blocking call; worker's thread. Fills `end`. */
void om_vir_migrate(struct om_vir *vir, const struct om_attempt *attempt, bool peer_to_peer,
		    struct om_attempt_end *end);
/* Destination URI that the source's own libvirtd opens with --p2p; set before om_vir_migrate(). */
void om_vir_set_p2p_uri(struct om_vir *vir, const char *uri);

/* While it runs; sampler's thread, OM_VIR_MON. False is "no sample", never a failure. */
bool om_vir_sample(struct om_vir *vir, struct om_sample *sample, uint64_t now_ms);
bool om_vir_set_downtime(struct om_vir *vir, uint32_t downtime_ms,
			 struct om_err *err) OM_MUST_CHECK;
uint64_t om_vir_bandwidth_mibps(struct om_vir *vir); /* the domain's limit; 0 = not known */
/* The same where it limits anything; 0 = it does not, or is not known. */
uint64_t om_vir_bandwidth_limit_mibps(struct om_vir *vir);
/* 0 = no limit; that of post-copy is one of its own. */
bool om_vir_set_bandwidth(struct om_vir *vir, uint64_t mibps, bool postcopy,
			  struct om_err *err) OM_MUST_CHECK;
bool om_vir_start_postcopy(struct om_vir *vir, struct om_err *err) OM_MUST_CHECK;
bool om_vir_abort(struct om_vir *vir, struct om_err *err) OM_MUST_CHECK;
bool om_vir_suspend(struct om_vir *vir, enum om_vir_role role, struct om_err *err) OM_MUST_CHECK;

/* Repairs, each preceded by om_outcome_decide(). `suspend` above is one of them. */
bool om_vir_resume(struct om_vir *vir, enum om_vir_role role, struct om_err *err) OM_MUST_CHECK;
bool om_vir_destroy(struct om_vir *vir, enum om_vir_role role, struct om_err *err) OM_MUST_CHECK;

/* Statistics of the ended migration: the source's event, else the destination's record. */
void om_vir_completed(struct om_vir *vir, struct om_vir_completed *completed);

/* virDomainSetTime(SYNC) on `role`; false where the guest's agent did not do it. */
bool om_vir_sync_time(struct om_vir *vir, enum om_vir_role role);

#endif
