/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's disks, each with a thread that writes to it and reads it back, and the beat. */
#ifndef LAB_DISK_H
#define LAB_DISK_H

#include <stdint.h>

/* All `om.blk=DEVICE:LAYOUT` of the command line; returns when each disk is open. */
void disks_start(const char *cmdline);
/* A line a disk; their errors in all. */
uint64_t disks_report(void);
/* om.beat=MS: a byte on the second serial port each so many milliseconds, ahead of all other work. */
void beat_start(const char *cmdline);

#endif
