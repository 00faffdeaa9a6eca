/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that includes cmocka, for 1.1 and 2.0 alike: 1.1 wants four headers before it, 2.0
 * deprecates the untyped mocking macros, which 1.1 has no other form of. */
#ifndef OM_CMOCKA_H
#define OM_CMOCKA_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#endif
