#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The way of sending between hosts of which one or both are older: what they do not have is not asked of them,
# xbzrle is what they have.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

FAST=MIGRATE_NETWORK=10.77.1.0/24
UNSAFE=MIGRATE_OPTIONS=--unsafe

# one_attempt: nothing was refused by libvirt on the way.
one_attempt() {
	! grep -E 'refused|next attempt' "$OUT"
}

begin --mgmt 1gbit --src debian13 --dst debian12 "$@"
lab guest start 31 --mem 192 --fill 96 --kind text --verify 64

for word in auto zstd zlib; do
	settings "$FAST" "$UNSAFE" MIGRATE_COMPRESSION=$word MIGRATE_DEBUG=yes
	to=$(other "$(place 31)")
	drive 31
	check "$word: the VM moves to $to" moved 31 "$to"
	check "$word: by the first attempt" one_attempt
	[[ $word == auto ]] ||
		check "$word: it is told why not" said "MIGRATE_COMPRESSION $word is not followed: it needs libvirt 9\\.4"
done
settings "$FAST" "$UNSAFE" MIGRATE_CONNECTIONS=2
to=$(other "$(place 31)")
drive 31
check "two connections: the VM moves to $to" moved 31 "$to"
check "two connections: it is told why not" said 'MIGRATE_CONNECTIONS 2 is not followed: .*not safe'

# What is written again and again, and changes little: each page has its number and a count. Not back: emulated by
# Debian 12's QEMU 7.2, a guest that writes much does not survive any migration, by virsh alone neither.
lab guest stop 31
lab guest start 31 --mem 192 --fill 96 --hot 24 --dirty 60 --verify 64
settings "$FAST" "$UNSAFE" MIGRATE_BANDWIDTH_MIBPS=48 MIGRATE_COMPRESSION=xbzrle
drive 31
check "xbzrle: a guest that writes faster than the link moves" moved 31 node02
check "xbzrle: the log says so" said 'sent by a single stream, xbzrle with a cache of [0-9]+ MiB'
check "xbzrle: memory is whole" lab guest verify 31
