/* SPDX-License-Identifier: Apache-2.0 */
/* The destination's end of what failmigrate undoes: questions of `onemigrate survey`. */
#include "om_tm_host.h"

#include <string.h>
#include <unistd.h>

#define CLEAN_S 60 /* instead of the limit of a mere question */

bool om_tm_answer_remove(char *words[], char *answer, size_t size)
{
	struct om_err err;

	if (strcmp(words[3], OM_TM_PROOF) != 0) {
		om_str_copy(answer, size, "nothing was proven");
		return false;
	}
	alarm(CLEAN_S);
	if (om_tm_dir_remove(words[1], words[2], &err))
		return true;
	om_str_copy(answer, size, err.msg);
	return false;
}

bool om_tm_answer_vnm_clean(char *words[], char *answer, size_t size)
{
	struct om_err err;

	alarm(CLEAN_S);
	if (om_tm_vnm_clean(words[1], words[2], words[3], words[4], &err))
		return true;
	om_str_copy(answer, size, err.msg);
	return false;
}
