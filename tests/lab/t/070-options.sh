#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What MIGRATE_OPTIONS asks for, with a guest that is too busy for a plain copy.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"
# shellcheck source-path=SCRIPTDIR source=../tls.sh
. "$(dirname "$0")/../tls.sh"

paused_on() {
	whereabouts 31
	[[ $DRIVE == 0 ]] && filed SUCCESS && grep -q "^$1 paused" <<<"$(lab guest where 31)" &&
		not_on_node 31 "$(other "$1")"
}


# decided NODE TEXT: the last decision that the source made.
decided() {
	local state
	state=$(lab exec "$1" --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json)
	echo "$state"
	[[ $state == *'"decision":"'"$2"* ]]
}

begin --mgmt 1gbit "$@"
FAST=MIGRATE_NETWORK=10.77.1.0/24
NO_PAUSE=MIGRATE_PAUSE_MAX_MS=0 # the watch would end it before the options do
lab guest start 31 --mem 160 --fill 64 --hot 48 --dirty 120 --verify 64

# Bandwidths below the dirty rate: without what is asked for, none of these would ever end.
settings "$FAST" MIGRATE_OPTIONS="--unsafe --postcopy --postcopy-after-precopy --bandwidth 40"
drive 31
check "--postcopy-after-precopy: the VM moves" moved 31 node02
check "it was post-copy that ended it" decided node01 'post-copy: the first pass is over'
settings "$FAST" "$NO_PAUSE" MIGRATE_OPTIONS="--unsafe --timeout 3 --timeout-suspend --bandwidth 40"
drive 31
check "--timeout --timeout-suspend: the VM moves and runs" moved 31 node01
check "it was the pause that ended it" decided node02 'pause: the time of --timeout is over'
settings "$FAST" "$NO_PAUSE" MIGRATE_OPTIONS="--unsafe --postcopy --timeout 3 --timeout-postcopy --bandwidth 40"
drive 31
check "--timeout --timeout-postcopy: the VM moves" moved 31 node02
check "it was post-copy that ended it" decided node01 'post-copy: the time of --timeout is over'
check "memory is whole" lab guest verify 31

settings "$FAST" MIGRATE_OPTIONS="--unsafe --parallel --parallel-connections 3 --postcopy"
lab guest stop 31
lab guest start 31 --mem 128 --fill 32 --verify 64
drive 31
check "--parallel with --postcopy below QEMU 10.1: the VM moves" moved 31 node02
check "with a WARN" said 'WARN: migrate: .*--parallel with --postcopy needs QEMU 10\.1'
settings "$FAST" MIGRATE_OPTIONS="--unsafe --parallel --parallel-connections=3 --comp-methods zstd --comp-zstd-level=1"
drive 31
check "--parallel with zstd: the VM moves" moved 31 node01
settings "$FAST" MIGRATE_OPTIONS="--unsafe --p2p --live --verbose --persistent --undefinesource --auto-converge --auto-converge-initial 30"
drive 31 --option FEATURES/MIGRATE_COMPRESSED=YES
check "--p2p as oneadmin: the source's daemon has no key, the VM stays" stayed 31 node01
settings "$FAST" MIGRATE_OPTIONS="--unsafe --live --verbose --persistent --undefinesource --auto-converge"
drive 31 --option FEATURES/MIGRATE_COMPRESSED=YES --option FEATURES/MIGRATE_AUTO_CONVERGE=0,100
check "dropped options and the VM's features: the VM moves" moved 31 node02
check "dropped with a WARN" said 'WARN: migrate: .*--persistent'
check "the domain is not left defined" test -z "$(lab exec node01 -- virsh -q list --all --name; lab exec node02 -- virsh -q list --persistent --all --name)"
settings "$FAST" MIGRATE_OPTIONS="--unsafe --tunnelled --postcopy --p2p"
drive 31
check "a combination that libvirt refuses: refused before it" stayed 31 node02
check "the sentence names the two" said 'Error migrating VM 31: .*--tunnelled.*--postcopy|Error migrating VM 31: .*--postcopy.*--tunnelled'

# The certificates know the names that OpenNebula knows, and not the fast addresses.
authority
certificate node01 node01
certificate node02 node02
settings "$FAST" MIGRATE_OPTIONS="--unsafe --tls"
count
drive 31
check "--tls over the fast address: the VM moves" moved 31 node01
check "--tls: by the fast leg" by_leg node02 fast
certificate node02 elsewhere
drive 31
check "--tls with another host's certificate: the VM stays" stayed 31 node01
check "the sentence says why" said 'Error migrating VM 31: .*ertificate'
settings "$FAST" MIGRATE_OPTIONS="--unsafe --tls --tls-destination elsewhere"
drive 31
check "--tls-destination wins over OpenNebula's name: the VM moves" moved 31 node02

settings "$FAST" MIGRATE_OPTIONS="--unsafe --suspend"
drive 31
check "--suspend: the VM is on the destination, paused" paused_on node01
lab exec node01 -- virsh -q resume one-31
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
