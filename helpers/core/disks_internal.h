/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/disks*.c alone. */
#ifndef OM_DISKS_INTERNAL_H
#define OM_DISKS_INTERNAL_H

#include "om_disks.h"

/* What both surveys say of a path; NULL where it was not asked for or not answered. */
struct om_disks_file {
	const struct om_file *src, *dst;
};

/* ---- disks_path.c ---- */

size_t om_disks_find(const struct om_item *items, size_t count, const char *name);
struct om_disks_file om_disks_file(const struct om_disks_facts *facts, const char *path);
/* Of a file: both have the same; a device: both call it the same. */
bool om_disks_file_is_same(const struct om_disks_facts *facts, const char *path);
/* One layer below the active one: as the domain has it, else as the head does; NULL: there is none. A
 * relative one begins where the active layer lies. */
const char *om_disks_layer(const struct om_disks_facts *facts, size_t disk, size_t layer);
/* Textually. */
bool om_disks_is_below(const char *dir, const char *path);
/* The directory part of a path, malloc'ed. */
char *om_disks_parent(const char *path);

/* ---- disks_table.c ---- */

/* Fills in disks->disk. */
void om_disks_decide_disks(struct om_disks *disks, const struct om_disks_facts *facts);

/* ---- disks_files.c ---- */

void om_disks_decide_files(struct om_disks *disks, const struct om_disks_facts *facts);
/* Is there room, and nothing in the way? */
void om_disks_check_destination(struct om_disks *disks, const struct om_disks_facts *facts);

/* ---- disks_rates.c ---- */

void om_disks_decide_rates(struct om_disks *disks, const struct om_disks_facts *facts,
			   const struct om_opts *opts, uint64_t limit_mibps);

/* ---- disks.c ---- */

/* Of all that is found, each is kept. `remedy` is a sentence. */
struct om_disks_refusal *om_disks_refuse(struct om_disks *disks, const char *remedy,
					 const char *fmt, ...) OM_PRINTF(3, 4);
void om_disks_warn(struct om_disks *disks, const char *fmt, ...) OM_PRINTF(2, 3);
void om_disks_inform(struct om_disks *disks, const char *fmt, ...) OM_PRINTF(2, 3);

#endif
