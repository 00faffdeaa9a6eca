/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which way the memory is sent: connections, compression, zero-copy, encryption. Chosen for each
 * migration from what was measured just before it, so that nobody needs to know these words. Pure.
 *
 * QEMU fixes the way when the migration begins. Several connections (multifd) are what zstd and zlib
 * need, and exclude post-copy below QEMU 10.1; xbzrle needs a single stream; zero-copy excludes
 * compression and encryption.
 */
#ifndef OM_TRANSPORT_H
#define OM_TRANSPORT_H

#include "om_knob.h"
#include "om_opts.h"

/* Pages of the guest that were read before it begins, as if they were sent. */
struct om_sampled {
	uint64_t bytes;	       /* read in all; 0 = not known */
	uint64_t zero_bytes;   /* pages of zeros, which are not sent */
	uint64_t packed_bytes; /* what the others come to with zstd at its first level */
	uint64_t work_ns;      /* and the time that one processor takes for that, about */
	uint32_t used_places;  /* of which not all was zero */
};
/* Adds `size` bytes of memory of one place, whole pages of 4 KiB. Estimates: matches as LZ finds them, and the
 * entropy of what matches nothing. */
void om_sampled_add(struct om_sampled *sampled, const void *memory, size_t size);
/* Of what is not zero, so many per mille are left; 1000 = nothing was measured, or nothing gained. */
uint32_t om_sampled_permille(const struct om_sampled *sampled);

struct om_transport_cpu {
	uint32_t cpus;		/* 0 = not known */
	uint32_t free_permille; /* of all of them together, for as many threads that begin now */
	/* Of one that others run on, for each such thread: a part of the above; 0 = not known. */
	uint32_t share_permille;
};

/* What this pair of hosts, with these versions, has refused before: bits. */
#define OM_REFUSED_ZEROCOPY 1u
#define OM_REFUSED_ZSTD 2u
#define OM_REFUSED_ZLIB 4u
#define OM_REFUSED_XBZRLE 8u
#define OM_REFUSED_CONNECTIONS 16u
#define OM_REFUSED_TLS 32u
/* Beside them: those of these bits that have not been refused within the last day. */
#define OM_REFUSED_DAY_OLD(bits) ((uint32_t)(bits) << 8)

/* What the settings ask for by name, of these bits: it is tried again after a day. */
uint32_t om_transport_asked(const struct om_knobs *knobs);

struct om_transport_facts {
	uint64_t memory_bytes; /* that was ever written, or all there is; 0 = not known */
	struct om_sampled sampled;
	struct om_transport_cpu src, dst;
	uint32_t
		fresh_page_ns; /* the destination takes so long for a page that is new; 0 = not known */
	uint64_t link_bytes_ps;	     /* by the interface's speed; 0 = not known */
	uint64_t busy_bytes_ps;	     /* what it carries of others at present */
	uint64_t seen_bytes_ps;	     /* on the wire, in earlier migrations on this way; 0 = none */
	bool seen_least;	     /* processors held that up, so that the link may carry more */
	uint64_t stream_bytes_ps;    /* of a single stream that they held up; 0 = not known */
	uint32_t packed_downtime_ms; /* that most compressed ones kept to; 0 = not known */
	uint64_t
		hot_bytes; /* that the guest writes again and again; of an earlier one; 0 = not known */
	uint64_t dirty_bytes_ps; /* likewise */
	bool xbzrle_failed; /* used for this guest before, it did not bring it there within its limits */
	uint64_t
		lockable_bytes; /* socket memory that the kernel lets a process pin; 0 = not known */
	bool pinned_cpus;	/* the guest's processors have some of the host's for themselves */
	enum om_answer_of_tls { OM_TLS_NOT_CHECKED, OM_TLS_READY, OM_TLS_MISSING } tls;
	char tls_why[200]; /* what is missing */
	uint32_t refused;  /* OM_REFUSED_*, and OM_REFUSED_DAY_OLD() of them */
};

/* The newest migrations on one way, of those that tell something of its link. */
#define OM_TRANSPORT_SIGHTS 5
struct om_transport_sight {
	uint64_t epoch_ms, bytes_ps; /* bytes_ps 0 = none */
	bool least;		     /* the link may carry more */
	bool plain_stream;	     /* and a single stream, not encrypted, no more than this */
	bool by_options;	     /* by words of MIGRATE_OPTIONS */
	bool unpacked;		     /* by zstd or zlib */
	uint32_t downtime_ms;	     /* of a packed one */
};
struct om_transport_seen {
	const char *src, *dst, *addr; /* the way: as in the records; src NULL: this host */
	uint64_t now_ms;	      /* wall clock */
	struct om_transport_sight plain[OM_TRANSPORT_SIGHTS], packed[OM_TRANSPORT_SIGHTS];
};
struct om_state;
/* Takes a record of the history, in any order; those of other ways, or of no use, are passed over. */
void om_transport_see(struct om_transport_seen *seen, const struct om_state *record);
/* Fills what such migrations tell of the way; after link_bytes_ps is known, which becomes 0 where one of them was
 * much faster than that. */
void om_transport_seen_tell(const struct om_transport_seen *seen, struct om_transport_facts *facts);

/* What earlier migrations of this guest, to whatever host, tell of it; the newest one of each kind counts. */
struct om_transport_guest {
	const char *uuid;
	uint64_t now_ms; /* wall clock */
	uint64_t done_epoch_ms, hot_bytes, dirty_bytes_ps;
	uint64_t xbzrle_epoch_ms;
	bool xbzrle_failed;
};
/* Takes a record of the history, in any order; those of other guests are passed over. */
void om_transport_see_guest(struct om_transport_guest *guest, const struct om_state *record);
/* Fills hot_bytes, dirty_bytes_ps and xbzrle_failed. */
void om_transport_guest_tell(const struct om_transport_guest *guest,
			     struct om_transport_facts *facts);

enum om_compression {
	OM_COMPRESSION_NONE,
	OM_COMPRESSION_ZSTD,
	OM_COMPRESSION_ZLIB,
	OM_COMPRESSION_XBZRLE,
	OM_COMPRESSION_COUNT
};
const char *om_compression_name(enum om_compression compression);

/* Numbers of the settings' choices, in the order of core/knob_table.c. */
enum {
	OM_CHOICE_COMPRESSION_AUTO,
	OM_CHOICE_COMPRESSION_NONE,
	OM_CHOICE_COMPRESSION_ZSTD,
	OM_CHOICE_COMPRESSION_ZLIB,
	OM_CHOICE_COMPRESSION_XBZRLE
};
enum { OM_CHOICE_ZEROCOPY_AUTO, OM_CHOICE_ZEROCOPY_NO, OM_CHOICE_ZEROCOPY_YES };
enum { OM_CHOICE_TLS_OFF, OM_CHOICE_TLS_OPPORTUNISTIC, OM_CHOICE_TLS_REQUIRED };

#define OM_TRANSPORT_WARNINGS 4 /* one of each setting */
struct om_transport {
	unsigned int flags;   /* OM_FLAG_* that are ours, beside those of the options */
	uint32_t connections; /* 0 = a single stream */
	enum om_compression compression;
	uint32_t level;
	uint64_t cache_bytes; /* of xbzrle */
	bool tls_required;    /* MIGRATE_TLS: no attempt without */
	bool by_options;      /* its words decide about connections and compression */
	bool tls_by_options;
	char words[64];		/* with by_options: what they come to, "3 connections, zstd" */
	const char *words_from; /* "MIGRATE_OPTIONS", "FEATURES" */
	/* "2 connections, zstd level 1"; "a single stream"; "3 connections, zstd (MIGRATE_OPTIONS)" */
	char text[96];
	char why[320];				   /* a part of a sentence */
	char warnings[OM_TRANSPORT_WARNINGS][300]; /* what is done other than configured */
	unsigned int warning_count;
	uint64_t expected_bytes_ps; /* of memory that is not zero; 0 = not known */
	uint32_t
		expected_queue_ms; /* that the guest waits for at the switch-over, as it is compressed */
};

/*
 * FEATURES/MIGRATE_COMPRESSED is the text of the VM's owner: as with OpenNebula's own script where nothing else
 * is said of the way of sending, else left out, with a warning in opts->warnings.
 */
void om_transport_settle_features(struct om_opts *opts, const struct om_knobs *knobs);

/*
 * Chooses. `flags` are those of the plan so far, post-copy that MIGRATE_POSTCOPY arms among them.
 * Words of the options are kept as they are. False: OM_E_REFUSED, MIGRATE_TLS is required and cannot
 * be had.
 */
bool om_transport_choose(struct om_transport *transport, const struct om_knobs *knobs,
			 const struct om_opts *opts, unsigned int flags, bool limited,
			 const struct om_versions *versions, const struct om_transport_facts *facts,
			 struct om_err *err) OM_MUST_CHECK;

/* "sent by 2 connections, zstd level 1: of the memory ..."; malloc'ed. NULL: nothing was chosen. */
char *om_transport_sentence(const struct om_transport *transport);

/* What is left of it, and its text, in an attempt that has no more than these flags. */
void om_transport_left(struct om_transport *left, const struct om_transport *transport,
		       unsigned int flags);

/* Measured on the wire: 36 MB/s of 25 allowed, by three connections of QEMU 10.0. */
#define OM_TRANSPORT_LOOSE                                                                         \
	"QEMU does not keep several connections (--parallel) within the bandwidth limit"

/* Can the name that the destination's certificate is issued for be given? (libvirt 6.0 on both hosts) */
bool om_transport_can_name(const struct om_versions *versions);

#define OM_TRANSPORT_ORIGIN "transport" /* of its parameters */

/* Its parameters, for libvirt's call. */
void om_transport_params(const struct om_transport *transport, struct om_params *params,
			 const struct om_versions *versions, const char *dst_host);

#endif
