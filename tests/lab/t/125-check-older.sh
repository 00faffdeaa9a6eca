#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `onemigrate check` towards an older host: what its QEMU does not have is told before, libvirt refuses the
# same indeed, and a VM that can go is not kept from it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"
# shellcheck source-path=SCRIPTDIR source=../check.sh
. "$(dirname "$0")/../check.sh"

begin --mgmt 1gbit --src debian13 --dst debian12 "$@"
settings
lab guest start 31 --mem 96 --fill 8 --verify 16 --disk --snapshots 1 &
lab guest start 32 --mem 96 --fill 8 --verify 16 --machine pc-q35-10.0
lab guest start 33 --mem 96 --fill 8 --verify 16 --cpu qemu64,+sha-ni
wait "$!"

VM=32
problem "a machine type that is newer" blocker machine 'node02 does not have pc-q35-10\.0: '
check "the older releases: two warnings" shows warning versions 'node02 has libvirt 9\.[0-9.]+, older than 1[0-9.]+ of node01'
check "QEMU's as well" shows warning versions 'node02 has QEMU 7\.2\.[0-9]+, older than 10[0-9.]+ of node01'
VM=33
problem "a CPU feature that is missing" blocker cpu 'node02 .*CPU: (.*: )?sha-ni'

settings MIGRATE_CHECK=off
for vm in 32 33; do
	drive "$vm"
	check "without checks libvirt refuses it indeed (VM $vm)" stayed "$vm" node01
	check "and that is no check's line" silent 'migrate: check '
done
check "in its own words: the feature" said 'Error migrating VM 33: .*sha-ni'
lab guest stop 32
lab guest stop 33

VM=31
settings MIGRATE_POSTCOPY=yes
traces >"$T/before"
by_hand 31 node02 --all
check "a VM that both can have: no blocker" sums_up '^node01 -> node02: 0 blockers, '
check "its CPU and machine are known there" shows ok cpu 'node02 can give the guest its CPU'
[[ $(</proc/sys/vm/unprivileged_userfaultfd) != 0 ]] ||
	check "post-copy that an older QEMU may not have: a warning with the sysctl" \
		shows warning userfaultfd 'QEMU on node02 may not have post-copy: .*vm\.unprivileged_userfaultfd'
check "none of it touched either host" untouched
drive 31
check "it moves" moved 31 node02
check "its memory is whole" lab guest verify 31
