/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as OpenNebula's drivers send it (RFC 4648, section 4). Pure. */
#ifndef OM_BASE64_H
#define OM_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Strict: only the alphabet, padding where it belongs and nowhere else, no blank, no newline,
 * unused bits zero. On success *out is malloc'ed, has a NUL behind its *out_len bytes and belongs
 * to the caller. False: *bad_at is the offset of the first byte that is wrong (len: it is cut off).
 */
bool om_base64_decode(const char *text, size_t len, char **out, size_t *out_len, size_t *bad_at)
	__attribute__((warn_unused_result));

#endif
