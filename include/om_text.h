/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, and bounded text that is put together piece by piece. Pure; allocates nothing. */
#ifndef OM_TEXT_H
#define OM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of the first character of `text` (len bytes), 0 where it is not well-formed UTF-8
 * (overlong, surrogate, above U+10FFFF, cut off, or len 0). `code` gets the character. */
size_t om_utf8_next(const char *text, size_t len, uint32_t *code);

/* The number of well-formed bytes at the beginning of `text`; len where all of it is. */
size_t om_utf8_span(const char *text, size_t len);

/* The number of characters; a stray byte counts as one. */
size_t om_utf8_columns(const char *text);

/* Text in an array of `size` bytes, always terminated; `len` is what the whole would need, so
 * that it was cut off where len >= size. */
struct om_text {
	char *text;
	size_t size, len;
};
void om_text_add(struct om_text *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void om_text_add_bytes(struct om_text *to, const char *bytes, size_t len);
/* No control character (C0, DEL, C1) and none that turns the direction of writing. */
bool om_text_harmless(uint32_t code);
/* Adds text of someone else's: what is not harmless, and bytes that are no UTF-8, become '?'. */
void om_text_add_clean(struct om_text *to, const char *text);

#endif
