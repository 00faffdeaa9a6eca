/* SPDX-License-Identifier: Apache-2.0 */
#include "om_buf.h"

#include "om_text.h"
#include "om_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for more bytes and a terminator. */
static char *grow(struct om_buf *buf, size_t more)
{
	if (buf->len + more + 1 > buf->size) {
		buf->size = 2 * buf->size + more + 256;
		buf->text = om_xrealloc(buf->text, buf->size);
	}
	return buf->text + buf->len;
}

void om_buf_add(struct om_buf *buf, const char *bytes, size_t len)
{
	char *to = grow(buf, len);

	memcpy(to, bytes, len);
	to[len] = '\0';
	buf->len += len;
}

/* Tried in the room of most pieces first, then in as much as it takes. */
void om_buf_addf(struct om_buf *buf, const char *fmt, ...)
{
	size_t room = 255;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(grow(buf, room), room + 1, fmt, args);
	va_end(args);
	if (len > (int)room) {
		va_start(args, fmt);
		len = vsnprintf(grow(buf, (size_t)len), (size_t)len + 1, fmt, args);
		va_end(args);
	}
	buf->len += len > 0 ? (size_t)len : 0;
}

void om_buf_add_json(struct om_buf *buf, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		uint32_t code;
		size_t n = om_utf8_next(text, len, &code);

		if (!n)
			om_buf_add(buf, "?", 1);
		else if (!om_text_harmless(code))
			om_buf_addf(buf, "\\u%04x", (unsigned int)code);
		else if (code == '"' || code == '\\')
			om_buf_addf(buf, "\\%c", *text);
		else
			om_buf_add(buf, text, n);
		n = n ? n : 1;
		text += n;
		len -= n;
	}
}

void om_buf_add_roff(struct om_buf *buf, const char *text)
{
	if (*text == '.' || *text == '\'')
		om_buf_add(buf, "\\&", 2);
	for (; *text; text++) {
		if (*text == '\\')
			om_buf_add(buf, "\\e", 2);
		else if (*text == '-')
			om_buf_add(buf, "\\-", 2);
		else
			om_buf_add(buf, text, 1);
	}
}
