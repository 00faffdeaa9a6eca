/* SPDX-License-Identifier: Apache-2.0 */
#include "om_disks.h"

#include "om_tm.h"

#include <stdlib.h>
#include <string.h>

bool om_disks_dir_valid(const char *dir, const char *vm_id)
{
	OM_AUTOFREE char *clean = NULL;
	struct om_err ignored;

	return om_tm_dir(&clean, dir, vm_id, &ignored) && strcmp(clean, dir) == 0;
}

void om_disks_ask(struct om_survey_ask *ask, const struct om_disks_facts *facts)
{
	(void)ask;
	(void)facts;
}

enum om_same om_disks_same(const struct om_disks_facts *facts)
{
	(void)facts;
	return OM_SAME_UNKNOWN;
}

char *om_disks_resolve(const struct om_disks_facts *facts, const char *from, const char *path,
		       size_t *item)
{
	(void)facts;
	(void)from;
	(void)path;
	*item = OM_DISKS_NONE;
	return NULL;
}

bool om_disks_decide(struct om_disks *disks, const struct om_disks_facts *facts,
		     const struct om_opts *opts, uint64_t limit_mibps, struct om_err *err)
{
	(void)facts;
	(void)limit_mibps;
	(void)opts;
	memset(disks, 0, sizeof(*disks));
	return om_err_set(err, OM_E_STOCK, "storage that the hosts do not share");
}

void om_disks_free(struct om_disks *disks)
{
	memset(disks, 0, sizeof(*disks));
}

void om_disks_add_params(const struct om_disks *disks, const struct om_disks_facts *facts,
			 const struct om_opts *opts, unsigned int *flags, struct om_params *params,
			 const char *fast_addr)
{
	(void)disks;
	(void)facts;
	(void)opts;
	(void)flags;
	(void)params;
	(void)fast_addr;
}

void om_disks_print(struct om_buf *buf, const struct om_disks *disks,
		    const struct om_disks_facts *facts)
{
	(void)buf;
	(void)disks;
	(void)facts;
}

const char *om_disk_way_name(enum om_disk_way way)
{
	(void)way;
	return "";
}
