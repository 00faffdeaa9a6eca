#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The destination's libvirtd hangs: it takes connections and never answers. First in mid-copy, then
# before anything is touched. Among the first because it takes four minutes, nearly all of them waiting.
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
	(($1 <= $2))
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
# A keepalive of 30 s, and a minute for a new connection.
check "the driver is answered in time" in_time "$took" 120
# The source was never stopped, so that the destination was never told to start; it need not be asked.
check "the sentence says why, and where the VM is" \
	said "Error migrating VM 31: the connection to the destination's libvirt was lost .*; the VM still runs on node01"
check "once it goes on, the VM is on the source alone" within 60 on_the_source_alone
lab exec node02 -- pkill -STOP -x libvirtd
begun=$SECONDS
drive 31 --from node01 || true
took=$((SECONDS - begun))
check "hung from the start: oned hears of a failure" failed
check "the driver is answered in time" in_time "$took" 100
check "the sentence says that nothing was touched" \
	said "Error migrating VM 31: no connection to the destination's libvirt: it does not answer within 60 s; nothing was touched, the VM still runs on node01"
lab exec node02 -- pkill -CONT -x libvirtd
check "the VM is on the source alone" within 60 on_the_source_alone
settings DEST_HOST_APPEND=-10g1
drive 31
check "the next migration succeeds" moved 31 node02
check "memory is whole, and the guest has booted once" lab guest verify 31
