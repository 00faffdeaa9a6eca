/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by edge/state_*.c alone. */
#ifndef OM_STATE_INTERNAL_H
#define OM_STATE_INTERNAL_H

#include "om_state.h"

#include <sys/types.h>

#define OM_STATE_RUN_DIR "/run/onemigrate"
#define OM_STATE_VAR_DIR "/var/tmp"
#define OM_STATE_VAR_NAME "onemigrate-" /* and the uid */

/* The directory of om_state_dir_override() or NULL. */
const char *om_state_dir_overridden(void);

/* Opens the directory `path` of `owner`, which nobody else may enter. -1: why is in err. */
int om_state_open_private(const char *path, uid_t owner, struct om_err *err);
/* Opens /run/onemigrate where it is safe to use; -1 where not. */
int om_state_open_run(void);

/* Opens the directory of this user in /var/tmp, or that of om_state_dir_override(); -1: err says why,
 * with OM_E_NONE where there is none and `make` is false. */
int om_state_open_var(bool make, struct om_err *err);
/* Calls fn for each such directory that this user may read (root: of every user). */
void om_state_each_var(void (*fn)(int dirfd, void *ctx), void *ctx);

/* Removes what nobody needs any more. */
void om_state_clean(int dirfd);

/* "<uuid><suffix>" with a valid UUID, which is copied. */
bool om_state_name_uuid(const char *name, const char *suffix, char uuid[37]);

#endif
