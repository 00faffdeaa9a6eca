/* SPDX-License-Identifier: Apache-2.0 */
#include "om_buf.h"

#include "om_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *grow(struct om_buf *buf, size_t more)
{
	buf->text = om_xrealloc(buf->text, buf->len + more + 1);
	return buf->text + buf->len;
}

void om_buf_addf(struct om_buf *buf, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	va_start(args, fmt);
	vsnprintf(grow(buf, (size_t)len), (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
}

void om_buf_add_json(struct om_buf *buf, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			om_buf_addf(buf, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			om_buf_addf(buf, "\\u%04x", (unsigned int)*text);
		else
			om_buf_addf(buf, "%c", *text);
	}
}

void om_buf_add_roff(struct om_buf *buf, const char *text)
{
	if (*text == '.' || *text == '\'')
		om_buf_addf(buf, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			om_buf_addf(buf, "\\e");
		else if (*text == '-')
			om_buf_addf(buf, "\\-");
		else
			om_buf_addf(buf, "%c", *text);
	}
}
