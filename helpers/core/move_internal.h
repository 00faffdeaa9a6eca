/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/move*.c alone. */
#ifndef OM_MOVE_INTERNAL_H
#define OM_MOVE_INTERNAL_H

#include "om_move.h"

/* The backing file that the copy of a lower layer gets, malloc'ed, and its format; NULL: what it has. */
char *om_move_other_backing(const struct om_move_facts *facts, const char *name,
			    const char **format);

/* move_files.c; disks have been decided. */
bool om_move_decide_files(struct om_move *move, const struct om_move_facts *facts,
			  struct om_err *err) OM_MUST_CHECK;
bool om_move_space(const struct om_move *move, const struct om_move_facts *facts,
		   struct om_err *err) OM_MUST_CHECK;
/* move_print.c: the lines of what is done otherwise than one may expect. */
void om_move_tell(struct om_move *move, const struct om_move_facts *facts);

#endif
