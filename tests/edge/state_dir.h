/* SPDX-License-Identifier: Apache-2.0 */
/* Each test has a directory of its own for states: `dir` for us, which does not exist yet, in `base`, which is
 * everyone's. */
#ifndef TEST_STATE_DIR_H
#define TEST_STATE_DIR_H

#include "om_state.h"
#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char base[] = "/tmp/onemigrate-test-XXXXXX", dir[64];

/* Both: 0, or what cmocka takes for a failure. */
static int state_dir_make(void)
{
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	if (!mkdtemp(base))
		return -1;
	snprintf(dir, sizeof(dir), "%s/onemigrate", base);
	om_state_dir_override(dir);
	return 0;
}

static int state_dir_remove(void)
{
	OM_AUTOFREE char *command = om_xasprintf("rm -rf '%s'", base);

	return system(command);
}

#endif
