/* SPDX-License-Identifier: Apache-2.0 */
/* What premigrate has found in order, kept for the `migrate` that follows it: one file per VM in the
 * state directory, "<uuid>.checked", taken away by whoever reads it. */
#ifndef OM_CHECKED_H
#define OM_CHECKED_H

#include "om_util.h"

#define OM_CHECKED_FRESH_MS 60000

/* Names of the checks that were in order, of the VM towards this host. A failure costs time only. */
void om_checked_write(const char *uuid, const char *dst_host, const struct om_strv *names,
		      uint64_t epoch_ms);
/* False where there is none, or one that is older than OM_CHECKED_FRESH_MS, of another boot, or of
 * another destination. */
bool om_checked_take(const char *uuid, const char *dst_host, struct om_strv *names,
		     uint64_t epoch_ms);

#endif
