/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows: for the printed forms of tables. */
#ifndef OM_BUF_H
#define OM_BUF_H

#include <stddef.h>

struct om_buf {
	char *text;	  /* malloc'ed, terminated; NULL while nothing was added */
	size_t len, size; /* without the terminator; allocated */
};

void om_buf_add(struct om_buf *buf, const char *bytes, size_t len);
void om_buf_addf(struct om_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds text as the inside of a JSON string (no quotes around it): what is not om_text_harmless() as
 * \uXXXX, a byte that is no UTF-8 as '?'. */
void om_buf_add_json(struct om_buf *buf, const char *text);

/* Adds text for roff: backslashes, hyphens and a leading control character are made safe. */
void om_buf_add_roff(struct om_buf *buf, const char *text);

#endif
