/* SPDX-License-Identifier: Apache-2.0 */
#include "om_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The length that a first byte announces, and the least code of that length. */
static size_t announced(unsigned char first, uint32_t *code, uint32_t *least)
{
	static const struct {
		unsigned char mask, bits;
		uint32_t least;
	} lengths[] = { { 0x80, 0x00, 0 },
			{ 0xe0, 0xc0, 0x80 },
			{ 0xf0, 0xe0, 0x800 },
			{ 0xf8, 0xf0, 0x10000 } };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if ((first & lengths[i].mask) == lengths[i].bits) {
			*code = first & (unsigned char)~lengths[i].mask;
			*least = lengths[i].least;
			return i + 1;
		}
	return 0;
}

size_t om_utf8_next(const char *text, size_t len, uint32_t *code)
{
	uint32_t least;
	size_t need;

	if (!len)
		return 0;
	need = announced((unsigned char)text[0], code, &least);
	if (!need || need > len)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (*code < least || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return need;
}

size_t om_utf8_span(const char *text, size_t len)
{
	size_t at = 0, n;
	uint32_t code;

	while (at < len && (n = om_utf8_next(text + at, len - at, &code)) > 0)
		at += n;
	return at;
}

size_t om_utf8_columns(const char *text)
{
	size_t len = strlen(text), count = 0;

	while (len) {
		uint32_t code;
		size_t n = om_utf8_next(text, len, &code);

		n = n ? n : 1;
		text += n;
		len -= n;
		count++;
	}
	return count;
}

void om_text_add_bytes(struct om_text *to, const char *bytes, size_t len)
{
	if (to->len < to->size) {
		size_t room = to->size - to->len - 1, n = len < room ? len : room;

		memcpy(to->text + to->len, bytes, n);
		to->text[to->len + n] = '\0';
	}
	to->len += len;
}

void om_text_add(struct om_text *to, const char *fmt, ...)
{
	size_t room = to->len < to->size ? to->size - to->len : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? to->text + to->len : NULL, room, fmt, args);
	va_end(args);
	if (n > 0)
		to->len += (size_t)n;
}

bool om_text_harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	return !(code >= 0x202a && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

void om_text_add_clean(struct om_text *to, const char *text)
{
	size_t len = strlen(text);

	om_text_add_bytes(to, "", 0); /* ends the text even where nothing is added */

	while (len) {
		uint32_t code;
		size_t n = om_utf8_next(text, len, &code);

		if (n && om_text_harmless(code))
			om_text_add_bytes(to, text, n);
		else
			om_text_add_bytes(to, "?", 1);
		n = n ? n : 1;
		text += n;
		len -= n;
	}
}
