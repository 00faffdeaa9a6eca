/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU that a guest runs in, which an upgrade may have left behind. edge/qemu_running.c; any thread. */
#ifndef OM_QEMU_RUNNING_H
#define OM_QEMU_RUNNING_H

#include <stdbool.h>

/* True: the program that this guest's QEMU on this host was started from is not there any more, so that
 * libvirt, which looks at the one that is, tells the version of another. False also where the kernel does
 * not say (QEMU belongs to another user). `proc` is "/proc". */
bool om_qemu_is_replaced(const char *proc, const char *uuid);

#endif
