/* SPDX-License-Identifier: Apache-2.0 */
/* The settings that the driver's script hands over: kvmrc and onemigraterc as environment, and the
 * names that each of the two has set (ONEMIGRATE_KVMRC_SET, ONEMIGRATE_RC_SET). */
#ifndef OM_ENVIRON_H
#define OM_ENVIRON_H

#include "om_knob.h"

/* Returns the number of sources; values point into the environment or into `texts`, which the
 * caller frees. Warns where OpenNebula's reading of MIGRATE_OPTIONS is not the shell's. */
size_t om_environ_sources(struct om_knob_source sources[OM_KNOB_COUNT], struct om_strv *texts);

#endif
