/* SPDX-License-Identifier: Apache-2.0 */
/* A move between datastores of one host, as the working process holds it. */
#ifndef OM_ONEMIGRATE_MOVE_H
#define OM_ONEMIGRATE_MOVE_H

#include "om_move_host.h"
#include "session.h"

struct om_mover_session {
	struct om_session *s;
	char *src_dir, *dst_dir; /* as om_tm_dir() gives them */
	struct om_item *items, *dst_items;
	size_t item_count, dst_item_count;
	bool *dst_in_use;
	char *nvram;
	struct om_move_disk_facts *disks; /* by s->dom.disks */
	struct om_move_facts facts;
	struct om_move move;
	struct om_move_journal *journal;
	uint64_t copy_begun_ms, file_bytes_done;
	uint64_t next_syslog_ms;
};

enum om_mover_why {
	OM_MOVER_RUN,	 /* what an earlier attempt has left, and nobody uses, is removed */
	OM_MOVER_SETTLE, /* for a process that has died: all that it made is there still */
	OM_MOVER_LOOK,	 /* nothing is changed */
};
/* move_gather.c */
bool om_mover_gather(struct om_mover_session *ms, enum om_mover_why why,
		     struct om_err *err) OM_MUST_CHECK;
void om_mover_free(struct om_mover_session *ms);
/* What the running VM uses: files that are named anywhere in its XML. */
struct om_in_use {
	struct om_identity *v;
	size_t n;
};
void om_in_use_find(struct om_in_use *use, const char *xml);
bool om_in_use_has(const struct om_in_use *use, const struct om_identity *identity);
void om_in_use_free(struct om_in_use *use);
/* Removes what the journal names and the VM does not use; false: something is left. */
bool om_mover_clean(struct om_mover_session *ms, struct om_err *err);

/* move_ports.c; ctx is the om_mover_session. */
void om_mover_sleep(void *ctx, uint32_t ms);
/* move_make.c: those that make and remove files. */
void om_mover_making_ops(struct om_move_ops *ops);
void om_mover_ops(struct om_mover_session *ms, struct om_move_ops *ops);

/* move_requests.c: in the place of what a migration of memory answers; returns false, as done. */
bool om_mover_request(struct om_session *s, struct om_request *request);

/* move_plan.c: tells on stdout; s is one by document. False: there is no plan. */
bool om_mover_plan(struct om_session *s, bool json, struct om_err *err) OM_MUST_CHECK;
/* False: to its own host a VM is not migrated by hand. */
bool om_mover_by_hand(const struct om_session *s, struct om_err *err) OM_MUST_CHECK;

/* move.c: limits of the settings; in the place of om_session_migrate() and om_session_settle(). */
void om_mover_set_limits(struct om_session *s);
bool om_session_is_move(const struct om_session *s);
void om_session_move(struct om_session *s);
void om_session_move_settle(struct om_session *s);

#endif
