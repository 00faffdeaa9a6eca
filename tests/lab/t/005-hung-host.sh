#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The destination's libvirtd hangs in mid-copy: it takes connections and never answers. Among the
# first because it takes three minutes, nearly all of them waiting.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

failed() {
	cat "$OUT"
	[[ $DRIVE == 1 ]] && filed FAILURE
}

in_time() {
	echo "$1 s"
	(($1 <= 200))
}

on_the_source_alone() {
	lab guest where 31
	on_node 31 node01 && not_on_node 31 node02
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 128 --fill 32 --verify 64
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 1"
slow 31 --timeout 300
lab exec node02 -- pkill -STOP -x libvirtd
begun=$SECONDS
finish_drive
took=$((SECONDS - begun))
check "the guest is alive while the destination's libvirtd hangs" lab guest verify 31
check "the source's libvirt has it running, and no migration of it" \
	test "$(lab exec node01 -- bash -c 'virsh domstate one-31; virsh -q domjobinfo one-31' | tr -s ' \n' ' ')" = \
	"running Job type: None "
lab exec node02 -- pkill -CONT -x libvirtd
check "the destination's libvirtd hangs in mid-copy: oned hears of a failure" failed
check "the driver is answered in time" in_time "$took"
check "the sentence claims no more than is known" \
	said 'Error migrating VM 31: .*it could not be proven whether the VM is on node01 or node02; nothing was destroyed'
check "once it goes on, the VM is on the source alone" within 60 on_the_source_alone
settings DEST_HOST_APPEND=-10g1
drive 31
check "the next migration succeeds" moved 31 node02
check "memory is whole, and the guest has booted once" lab guest verify 31
