/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: one stack value, the last parameter of each function that can fail. Such a function
 * returns bool, false only through om_err_set(). An error is made where it is detected, wrapped at
 * most once per layer by om_err_wrap(), and printed once, by the supervisor. Nobody logs an error
 * that it also returns.
 */
#ifndef OM_ERR_H
#define OM_ERR_H

#include <stdbool.h>

#define OM_MUST_CHECK __attribute__((warn_unused_result))
#define OM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* What an operator needs to know first: where the guest is now. */
enum om_errc {
	OM_E_NONE,
	OM_E_INPUT,   /* refused before anything was touched: input, settings, arguments */
	OM_E_STOCK,   /* nothing touched; the case belongs to the stock script */
	OM_E_REFUSED, /* libvirt or QEMU refused, the guest was not touched */
	OM_E_SOURCE,  /* it was tried and the guest is still on the source */
	OM_E_UNKNOWN, /* where the guest is could not be proven; nothing was destroyed */
	OM_E_ABORTED, /* the migration was cancelled on request, guest on the source */
	OM_E_COUNT
};

struct om_err {
	enum om_errc code;
	char msg[512]; /* one sentence without a newline and without a final full stop */
};

/* Sets the error and returns false, so that `return om_err_set(...)` is the failure statement. */
bool om_err_set(struct om_err *err, enum om_errc code, const char *fmt, ...) OM_PRINTF(3, 4);

/* Puts "prefix: " in front of the message; keeps the code; returns false. */
bool om_err_wrap(struct om_err *err, const char *fmt, ...) OM_PRINTF(2, 3);

#endif
