#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Faults between the pivots of a move between datastores: it goes forward, else back, else it says where the data is, and
# goes on from there; NVRAM; what is not moved.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"
# shellcheck source-path=SCRIPTDIR source=../move.sh
. "$(dirname "$0")/../move.sh"

begin_moves "$@"
settings LD_PRELOAD=/usr/local/lib/inject.so

# ---- between the pivots
inject refuse vdb 2
trip "a pivot is refused twice"
inject lose vdc 1
trip "a copy is lost at its pivot"
inject die vda 1
trip "the working process is killed after the first pivot"
inject late vdc 1
trip "the working process is killed before the third pivot"
inject refuse vdc 99
move 31 "$(away)"
undone "a pivot is refused for good: the others come back" "$(away)" "disk vdc: "

# ---- no way forward and none back
TO=$(away)
inject stuck '*' 999
move 31 "$TO"
check "stuck: a failure" failed 31
check "stuck: it says disk by disk where the data is" said \
	"disks in two places, and nothing was removed: vda in $STORE/$TO/31/disk.0.snap/2, vdb in $STORE/$AT/31/disk.1,"
check "stuck: the guest has gone on" went_on
check "stuck: no file in use is gone" nothing_gone
check "stuck: its data is right" right 31
inject none '*' 0
move 31 "$TO"
check "once more: it goes on from there" said "an earlier attempt has moved 1 of the disks"
goes "once more" "$TO"
check "the domain is defined nowhere, after all that" still_transient 31

# ---- a drive whose medium libvirt does not copy, and which the guest holds closed
inject medium sda 1
move 31 "$(away)"
check "no copy of a medium: a success" succeeded 31
check "no copy of a medium: a WARN" said "WARN: migrate: the medium of sda could not be changed .* the VM goes on reading $STORE/$AT/31/disk.3"
check "no copy of a medium: it is in both directories" lab exec node01 -- cmp "$STORE"/11{0,1}/31/disk.3
check "no copy of a medium: no file in use is gone" nothing_gone
check "no copy of a medium: the guest reads it, and its data is right" right 31

# ---- what is not moved
lab guest stop 31
lab guest start 32 --mem 128 --fill 16 --ds 110 --storage internal:16
settings MIGRATE_DEBUG=yes
drive 32 --from node01 --ds 110 --to-ds 111
check "internal snapshots: refused, with what to do" said \
	'Error migrating VM 32: disk vda \(disk.0\) has 1 internal snapshots.*delete them, or move the VM while it is powered off; nothing was touched'
check "internal snapshots: nothing is left" is_gone 111/32
lab guest stop 32

# ---- NVRAM
lab guest start 33 --mem 128 --fill 16 --ds 110 --nvram --storage raw:16
drive 33 --from node01 --ds 110 --to-ds 111 --tm
check "NVRAM: the VM moves" succeeded 33
check "NVRAM: postmigrate keeps the directory that it is in" grep 'the VM uses files in a directory' "$T/tm.err"
check "NVRAM: a WARN" said "WARN: migrate: the running VM goes on with its firmware's variables in $STORE/110/33/"
check "NVRAM: it is in both directories, the same" lab exec node01 -- sh -c "cmp $STORE/11[01]/33/*_VARS.fd"
check "NVRAM: its data is right" right 33
