#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where the memory goes, for each way of saying so; snapshots go with it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

NETWORK_4=10.77.1.0/24

# What the destination's QEMU listens on; several connections keep the socket open.
listening() {
	lab exec "$1" -- ss -Hltn 'sport >= :49152 and sport <= :49215' | awk '{ print $4 }'
}

listens_on() {
	local found
	found=$(listening "$1")
	echo "$found"
	[[ $found == "$2":* && $found != *$'\n'* ]]
}

both_snapshots() {
	local found
	found=$(lab exec "$1" -- virsh -q snapshot-list --tree one-31
		lab exec "$1" -- virsh -q snapshot-current --name one-31)
	echo "$found"
	[[ $(tr -d ' \n' <<<"$found") == 'snap-0|+-snap-1snap-1' ]]
}

has_metadata() {
	lab exec "$1" -- virsh metadata one-31 http://opennebula.org/xmlns/libvirt/1.0 &&
		[[ $(lab exec "$1" -- virsh dominfo one-31) =~ Persistent:\ *no ]]
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 128 --fill 32 --disk --snapshots 2

settings DEST_HOST_APPEND=-10g1
count
drive 31
check "DEST_HOST_APPEND: the VM moves" moved 31 node02
check "over 99 % of the bytes went over the fast leg" by_leg node01 fast
check "the log names address, interface and speed" \
	said 'memory goes to 10\.77\.1\.12 \(node02-10g1; DEST_HOST_APPEND of onemigraterc\) by interface fast, [0-9]+ Gbit/s'
check "the log sums it up in one line" \
	said 'done in [0-9.]+ s, downtime [0-9]+ ms: [0-9]+ MiB in [0-9]+ pass.* at [0-9]+ MiB/s by fast to 10\.77\.1\.12; .*CPU [0-9.]+ s \+ [0-9.]+ s$'
check "snapshots arrived, the current one too" both_snapshots node02
check "the domain is transient still and keeps its metadata" has_metadata node02

settings MIGRATE_NETWORK="fd77:2::/64,fd77:1::/64 $NETWORK_4"
count
drive 31 --release 6.4
check "MIGRATE_NETWORK, IPv6 first: the VM moves" moved 31 node01
check "over 99 % of the bytes went over the fast leg" by_leg node02 fast
check "it is the IPv6 address" said 'memory goes to fd77:1::11 '

settings MIGRATE_OPTIONS="--unsafe --migrateuri tcp://node02-10g1" MIGRATE_NETWORK=10.77.0.0/24
count
drive 31
check "--migrateuri wins over MIGRATE_NETWORK: the VM moves" moved 31 node02
check "over 99 % of the bytes went over the fast leg" by_leg node01 fast

settings
count
drive 31
check "nothing configured: the VM moves" moved 31 node01
check "as with stock, by the management leg" by_leg node02 mgmt
check "and nothing is said about a network" silent 'WARN|fast'

lab exec node02 -- bash -c 'echo "migration_host = \"node02-10g1\"" >>/etc/libvirt/qemu.conf'
restart_libvirtd node02
settings SYNC_TIME=no
count
drive 31
check "nothing configured, migration_host on the destination: the VM moves" moved 31 node02
check "it goes there" by_leg node01 fast

settings MIGRATE_NETWORK="$NETWORK_4" MIGRATE_OPTIONS="--unsafe --parallel --parallel-connections 2 --bandwidth 16"
slow 31
check "QEMU listens on the fast address alone" listens_on node01 10.77.1.11
finish_drive
check "several connections: the VM moves" moved 31 node01
settings MIGRATE_OPTIONS="--unsafe --parallel --parallel-connections 2 --bandwidth 16"
slow 31
check "without a fast network it listens on every address" listens_on node02 '*'
finish_drive
check "the VM moves again" moved 31 node02
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
check "snapshots are there still" both_snapshots node02
