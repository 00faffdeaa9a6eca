/* SPDX-License-Identifier: Apache-2.0 */
/* One step of the TM scripts, on the source host. */
#ifndef OM_ONEMIGRATE_TM_H
#define OM_ONEMIGRATE_TM_H

#include "om_tm.h"
#include "session.h"

#include "om_tm_host.h"

struct om_tm {
	const char *driver, *src, *dst, *vm_id; /* of argv */
	bool chained;				/* another driver's script runs this one */
	char *dir;				/* the target directory, as om_tm_dir() gives it */
	char *document;				/* as it came on stdin */
	size_t document_len;
	struct om_vm vm;
	struct om_session s;
	struct om_tm_facts facts;
	struct om_tm_verdict verdict;
	char blockers[512];
	struct om_tm_record record; /* what premigrate and migrate left */
	bool have_record;
};

/* tm_look.c: fills `facts` from both hosts. */
/* Of the session: its settings, its hosts, the connection to this host's libvirt. What cannot be had is not
 * known afterwards; false only where the settings are wrong. */
bool om_tm_begin(struct om_tm *tm, struct om_err *err) OM_MUST_CHECK;
/* By the checks that `migrate` makes, with all that they ask. */
void om_tm_look_with_checks(struct om_tm *tm);
void om_tm_look_at_source(struct om_tm *tm); /* its state alone */
/* Where the VM is, and the directories. */
void om_tm_look(struct om_tm *tm);
/* Of a VM that stays on its host: does it use what would be removed? */
void om_tm_look_at_use(struct om_tm *tm);

/* tm_known.c: `migrate` has asked both hosts a moment ago, and premigrate has told the directories apart: then
 * only this host is asked. */
bool om_tm_known(struct om_tm *tm);
/* Do the records alone say so? */
bool om_tm_recorded(struct om_tm *tm);

/* tm_undo.c */
/* What premigrate of this very attempt left; true where it is there. */
bool om_tm_recall(struct om_tm *tm);
void om_tm_forget(const struct om_tm *tm);
/* Is there anything that this attempt may have made on the destination? */
bool om_tm_has_made(const struct om_tm *tm);
void om_tm_remember(struct om_tm *tm);
void om_tm_undo(struct om_tm *tm);

#endif
