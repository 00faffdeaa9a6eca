/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, memory and scope clean-up. Out of memory ends the process: it can only happen while
 * planning, because nothing is allocated once the guest's memory moves. */
#ifndef OM_UTIL_H
#define OM_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OM_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *om_xcalloc(size_t count, size_t size);
void *om_xrealloc(void *old, size_t size);
char *om_xstrdup(const char *text);
char *om_xstrndup(const char *text, size_t len);
char *om_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Frees at the end of the scope: `OM_AUTOFREE char *x = ...`. */
void om_autofree_(void *pointer_to_pointer);
#define OM_AUTOFREE __attribute__((cleanup(om_autofree_)))

void om_autoclose_(int *fd);
#define OM_AUTOCLOSE __attribute__((cleanup(om_autoclose_)))

/* A list of strings that owns them; NULL-terminated once something was added. */
struct om_strv {
	char **v;
	size_t n;
};
void om_strv_add(struct om_strv *list, const char *text);
void om_strv_free(struct om_strv *list);

static inline bool om_str_empty(const char *text)
{
	return !text || !*text;
}
bool om_str_eq_nocase(const char *a, const char *b);
bool om_str_starts(const char *text, const char *prefix);

/* Copies into a fixed array, always terminated; returns false where it did not fit. */
bool om_str_copy(char *to, size_t size, const char *from);

/* Removes blanks, tabs and newlines from both ends, in place; returns the new beginning. */
char *om_str_strip(char *text);

/* A whole unsigned decimal number in [min, max], no sign, no blanks; false otherwise. */
bool om_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* Writes all of it, however many calls it takes; false: errno says why. */
bool om_write_all(int fd, const char *text, size_t len) __attribute__((warn_unused_result));

/* Makes text safe for one line of a log: control characters become '?', in place. UTF-8 stays. */
void om_str_sanitize(char *text);

#endif
