/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage of a VM whose hosts do not share it, as one session holds it. Order: ask, look, gather,
 * judge (while both hosts are asked); bring; then libvirt's call; undo where the VM stays.
 */
#ifndef OM_ONEMIGRATE_STORAGE_H
#define OM_ONEMIGRATE_STORAGE_H

#include "om_copy_pace.h"
#include "om_disks.h"
#include "om_remote.h"
#include "om_storage.h"
#include "om_tm_host.h"
#include "session.h"

/* Something on the destination that this run makes, or is about to. */
enum om_made_kind { OM_MADE_DIR, OM_MADE_FILE, OM_MADE_IMAGE, OM_MADE_LINK };
struct om_made {
	enum om_made_kind kind;
	char *name; /* below the directory; "" is the directory itself */
	bool known; /* it was made, and is this: */
	struct om_identity identity;
	bool gone;
};

struct om_first_look {
	char *target;
	struct om_written written;
	uint64_t at_ms;
};

struct om_storage {
	/* facts */
	char *dir, *dst_dir;
	struct om_item *items, *dst_items;
	size_t item_count, dst_item_count;
	struct om_err list_err; /* code OM_E_NONE: it was listed */
	struct om_disk_facts *disks;
	struct om_first_look *written; /* the first look, by disks as they were then */
	size_t written_count;
	struct om_disks_facts facts;

	/* what is done, by s->plan.disks */
	uint64_t limit_bytes_ps; /* by which it was decided; 0 = none */
	struct om_survey_link *link;
	uint64_t link_used_ms;
	char token[OM_TM_TOKEN_SIZE];
	struct om_made *made;
	size_t made_count;
	uint64_t files_bytes;		      /* that were sent */
	uint64_t rate_at_ms, rate_from_bytes; /* for the rate of the moment */
	uint64_t rate_bytes_ps;
	struct om_copy_watch mirrors; /* of one attempt, all in one */
	bool told_need;
};

/* ---- storage.c, storage_judge.c: see session.h ---- */

/* storage_link.c: a question to the destination; the session with it is opened again where it was idle for
 * long. False: "no" was answered, or nothing; `err` says why. */
bool om_storage_call(struct om_session *s, char *answer, size_t size, struct om_err *err,
		     const char *fmt, ...) OM_PRINTF(5, 6) OM_MUST_CHECK;
/* The same with a place first: "WORD DIR VMID NAME ...", and an identity as the answer. */
bool om_storage_ask_place(struct om_session *s, const char *word, const char *name,
			  const char *rest, char *how, size_t how_size,
			  struct om_identity *identity, struct om_err *err) OM_MUST_CHECK;

/* storage_watch.c: tells the state. Worker's thread for files, sampler's for disks. */
void om_storage_progress(struct om_session *s, bool disks, uint64_t done_bytes, uint64_t left_bytes,
			 uint64_t total_bytes);

/* storage_undo.c: a directory of this run's making holds it. */
bool om_storage_in_own_dir(const struct om_storage *st, const char *name);

/* storage_journal.c: what is made, in memory that outlives this process. */
void om_storage_journal_begin(struct om_session *s);
/* About to be made; its place in `made`. */
size_t om_storage_journal_want(struct om_session *s, enum om_made_kind kind, const char *name);
void om_storage_journal_have(struct om_session *s, size_t at, const struct om_identity *identity);
/* Not made after all: it was there before. */
void om_storage_journal_not(struct om_session *s, size_t at);

#endif
