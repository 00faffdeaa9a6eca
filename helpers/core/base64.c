/* SPDX-License-Identifier: Apache-2.0 */
#include "om_base64.h"

#include "om_util.h"

#include <stdint.h>
#include <stdlib.h>

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* One group of four; `digits` of them (2 to 4) are no padding. Returns the bytes, 0 if bad. */
static size_t group(const char *text, size_t digits, char *out, size_t *bad)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < digits ? digit(text[i]) : 0;

		if (value < 0) {
			*bad = i;
			return 0;
		}
		bits = bits << 6 | (uint32_t)value;
	}
	for (size_t i = 0; i < 3; i++)
		out[i] = (char)(bits >> (16 - 8 * i));
	if ((digits < 4 && out[2]) || (digits < 3 && out[1])) {
		*bad = digits - 1;
		return 0;
	}
	return digits - 1;
}

static size_t digits_of_last(const char *text, size_t len)
{
	if (text[len - 1] != '=')
		return 4;
	return text[len - 2] == '=' ? 2 : 3;
}

bool om_base64_decode(const char *text, size_t len, char **out, size_t *out_len, size_t *bad_at)
{
	char *bytes = om_xcalloc(len / 4 * 3 + 4, 1);
	size_t at, n = 0, bad = 0;

	for (at = 0; at + 4 <= len; at += 4) {
		size_t digits = at + 4 == len ? digits_of_last(text, len) : 4;
		size_t got = group(text + at, digits, bytes + n, &bad);

		if (!got)
			break;
		n += got;
	}
	if (at != len) {
		*bad_at = at + 4 <= len ? at + bad : len;
		free(bytes);
		return false;
	}
	bytes[n] = '\0';
	*out = bytes;
	*out_len = n;
	return true;
}
