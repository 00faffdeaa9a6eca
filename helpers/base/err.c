/* SPDX-License-Identifier: Apache-2.0 */
#include "om_err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool om_err_set(struct om_err *err, enum om_errc code, const char *fmt, ...)
{
	va_list args;

	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	return false;
}

bool om_err_wrap(struct om_err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)], prefix[160];
	va_list args;

	memcpy(inner, err->msg, sizeof(inner));
	va_start(args, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);
	/* What does not fit is the tail of the inner message: the prefix says what failed. */
	snprintf(err->msg, sizeof(err->msg), "%s: %.*s", prefix,
		 (int)(sizeof(err->msg) - strlen(prefix) - 3), inner);
	return false;
}
