/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running pre-copy tells of its guest and its link, and what follows from that. Pure,
 * allocates nothing.
 *
 * The guest writes its hot set of W bytes at random at r bytes/s, so that t seconds after a count
 * W (1 - exp(-t r / W)) of it are dirty again. The long first pass tells W, the short ones r. A
 * saturating curve and not a rate is set against the bandwidth, because a guest that writes the same
 * pages again and again can be moved however fast it writes (KubeVirt's enhancement 248 rejects the
 * plain rate for the same reason). A guest that walks round its hot set behaves as one of these
 * within a factor of about two; what was measured since the last count always comes first.
 */
#ifndef OM_MODEL_H
#define OM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* What libvirt tells of the job. */
struct om_sample {
	uint64_t now_ms;					/* monotonic clock */
	uint64_t elapsed_ms;					/* libvirt's, since the job began */
	uint64_t processed_bytes, remaining_bytes, total_bytes; /* memory */
	uint64_t disk_processed_bytes, disk_remaining_bytes, disk_total_bytes;
	uint64_t guest_bytes;	 /* memory that was sent and is not zero, before compression */
	uint64_t rate_bytes_ps;	 /* memory on the wire; 0 = not known yet */
	uint64_t dirty_bytes_ps; /* QEMU's count at the end of the last pass; 0 until the second */
	uint32_t iteration;	 /* pass, from 1; 0 = none yet */
	uint32_t throttle_percent;
	bool postcopy;
	bool paused;  /* the guest does not run: by an operator, or by --timeout */
	bool stopped; /* QEMU has stopped it for the switch-over */
};

/* An ended pass. */
struct om_pass {
	uint64_t ended_ms, ms; /* monotonic; its length */
	double left, after; /* bytes: unsent when it ended; remaining once the dirty were counted */
	double rate;	    /* bytes of memory per second while it was sent */
	uint32_t throttle_percent;
};

#define OM_MODEL_PASSES 16 /* that are remembered */

struct om_model {
	struct om_sample last; /* the last good one; iteration 0 = none */
	uint64_t pass_begun_ms;
	double wire_fast, wire_slow; /* bytes/s on the wire, over about 1 and 10 s; 0 = not known */
	double wire_now;	     /* of the last interval alone */
	double drain;		     /* bytes/s of memory: what remains falls by it within a pass */
	double drain_wire;	     /* what the wire carried of that */
	bool compressed;	     /* memory is; from whoever begins the attempt */
	double pace_fast, pace_slow; /* the wire; where memory is compressed, after the first pass,
					memory per second; over about 1 and 10 s */
	double speed;		     /* of the last interval, either of both */
	uint64_t wire_bytes, wire_ms; /* sent while nothing but the link was waited for, and when */
	struct om_pass passes[OM_MODEL_PASSES];
	uint32_t pass_count;  /* all ended ones; the newest is passes[(pass_count - 1) % ...] */
	double count_ms;      /* of a pass goes into counting the dirty pages */
	double populated;     /* bytes of guest memory that were ever written; 0 = not known */
	double hot, turnover; /* W in bytes, r / W per second; hot 0 = not known */
};

/* Takes in a sample; true where a pass has ended since the one before. */
bool om_model_take(struct om_model *model, const struct om_sample *sample);

const struct om_pass *om_model_pass(const struct om_model *model, uint32_t ago); /* 0 = the last */

/* Bytes of guest memory per second that the link carries; 0 = not known. */
double om_model_bandwidth(const struct om_model *model);
/* Bytes of it for one on the wire: 1 where it is not compressed, or where that is not known. */
double om_model_packing(const struct om_model *model);
/* What remains and is not memory that the guest never wrote, which takes no time. */
double om_model_unsent(const struct om_model *model);
/* The last second was as good as those before; nothing is decided for ever on a bad one. */
bool om_model_healthy(const struct om_model *model);

/* The same with the link as good as it was in the last seconds, or as usual where it is so at this moment: what
 * a dip has left of its bandwidth does not tell what comes of the migration. One that stays slow is told as
 * such, soon. */
struct om_model om_model_without_dip(const struct om_model *model);

/* The last pass was sent as fast as the link can without a dip, or as the two passes before it; one with a dip
 * in it leaves more than the guest's next ones will. */
bool om_model_steady(const struct om_model *model);

/* False: the passes were so long that only the least rate is known at which the guest may dirty. */
bool om_model_rate_is_known(const struct om_model *model);

/* What remains to be sent after a count `ms` into a pass that began with `remaining` bytes. */
double om_model_after(const struct om_model *model, double remaining, double ms);
/* The least that ever remains, with passes as short as can be: the bytes that the guest keeps dirty
 * at this bandwidth. */
double om_model_plateau(const struct om_model *model, double bandwidth);
/* The bandwidth, of memory too, at which the plateau fits `pause_ms`; 0 = any. */
double om_model_bandwidth_for(const struct om_model *model, double pause_ms);

struct om_projection {
	double ms;	 /* from now until the guest is stopped */
	double pause_ms; /* what is sent then, in time */
	uint32_t passes; /* counts until then */
};
/* Follows QEMU's rule with this downtime limit. False: it does not end within 1000 passes. */
bool om_model_project(const struct om_model *model, double limit_ms, struct om_projection *p);

#endif
