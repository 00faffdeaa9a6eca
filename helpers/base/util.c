/* SPDX-License-Identifier: Apache-2.0 */
#include "om_util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void *check(void *memory)
{
	static const char msg[] = "WARN: migrate: out of memory\n";

	if (memory)
		return memory;
	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
		_exit(1);
	_exit(1);
}

void *om_xcalloc(size_t count, size_t size)
{
	return check(calloc(count ? count : 1, size ? size : 1));
}

void *om_xrealloc(void *old, size_t size)
{
	return check(realloc(old, size ? size : 1));
}

char *om_xstrdup(const char *text)
{
	return check(strdup(text));
}

char *om_xstrndup(const char *text, size_t len)
{
	return check(strndup(text, len));
}

char *om_xasprintf(const char *fmt, ...)
{
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	return check(text);
}

void om_autofree_(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

void om_autoclose_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void om_strv_add(struct om_strv *list, const char *text)
{
	list->v = om_xrealloc(list->v, (list->n + 2) * sizeof(*list->v));
	list->v[list->n++] = om_xstrdup(text);
	list->v[list->n] = NULL;
}

void om_strv_free(struct om_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	list->v = NULL;
	list->n = 0;
}

bool om_str_eq_nocase(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

bool om_str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool om_str_copy(char *to, size_t size, const char *from)
{
	int len = snprintf(to, size, "%s", from);

	return len >= 0 && (size_t)len < size;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *om_str_strip(char *text)
{
	size_t len;

	while (is_space(*text))
		text++;
	len = strlen(text);
	while (len && is_space(text[len - 1]))
		text[--len] = '\0';
	return text;
}

bool om_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned char)*text - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

void om_str_sanitize(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

bool om_write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}
