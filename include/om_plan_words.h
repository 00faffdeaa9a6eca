/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a migration for people and for programs: what would be done, and where each part of
 * it comes from. Pure. */
#ifndef OM_PLAN_WORDS_H
#define OM_PLAN_WORDS_H

#include "om_buf.h"
#include "om_dom.h"
#include "om_plan.h"
#include "om_predict.h"

/* What becomes of the VM's images. */
enum om_images {
	OM_IMAGES_SHARED,     /* both hosts have the same ones: they stay */
	OM_IMAGES_FOUND_SAME, /* nobody says that they are shared, but they are the same files */
	OM_IMAGES_APART,      /* left to OpenNebula's own script, which copies them */
	OM_IMAGES_UNKNOWN,    /* not proven: it is refused */
	OM_IMAGES_UNSAID,     /* neither proven nor, without a document, said */
	OM_IMAGES_COUNT
};

struct om_plan_words {
	const char *vm_id, *vm_name, *src, *dst;
	bool by_hand; /* no document: settings of the VM and of its datastore are not known */
	const char *stock_reason; /* why OpenNebula's own script does it; NULL = it does not */
	const struct om_plan *plan;
	const struct om_dom *dom;
	enum om_images images;
	bool sync_time;			     /* the guest's clock is set afterwards */
	bool notify;			     /* the guest is told by its agent before and after */
	struct om_strv hooks, hooks_skipped; /* names; sentences */
	const struct om_prediction *prediction;
};

void om_plan_words_text(struct om_buf *buf, const struct om_plan_words *words);
/* One JSON object and a newline. */
void om_plan_words_json(struct om_buf *buf, const struct om_plan_words *words);

#endif
