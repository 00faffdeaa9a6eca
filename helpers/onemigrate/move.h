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

/* move_gather.c. `settling`: what was made by the process that has died is taken for in use. */
bool om_mover_gather(struct om_mover_session *ms, bool settling, struct om_err *err) OM_MUST_CHECK;
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

/* move_ports.c */
void om_mover_ops(struct om_mover_session *ms, struct om_move_ops *ops);

/* move.c: in the place of om_session_migrate() and om_session_settle(). */
bool om_session_is_move(const struct om_session *s);
void om_session_move(struct om_session *s);
void om_session_move_settle(struct om_session *s);

#endif
