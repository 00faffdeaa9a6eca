#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --p2p: the migration is a job of the source's libvirtd, which goes on when whoever asked for it has
# died. It is cancelled before the VM is said to be on the source.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

# The source's libvirtd, which runs as root, may log in to the destination by a key of its own.
give_key() {
	lab exec "$1" -- ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
	lab exec "$1" -- cat /root/.ssh/id_ed25519.pub >"$T/key.pub"
	lab push "$(other "$1")" "$T/key.pub" /root/.ssh/authorized_keys 600
}

# In this order: a job that went on would have ended well, or still run, when we look.
job_has_gone() {
	local info
	info=$(lab exec node01 -- virsh -q domjobinfo one-31)
	echo "$info"
	[[ $info =~ ^Job\ type:\ +None ]]
}

free_of_31() {
	not_on_node 31 node02
}

none_left() {
	! lab exec node01 -- pgrep -a -f 'onemigrate/[^ ]*/onemigrate '
}

as_before() {
	local snapshot limit
	snapshot=$(lab exec node01 -- virsh snapshot-current --name one-31)
	limit=$(lab exec node01 -- virsh -q migrate-getmaxdowntime one-31)
	echo "snapshot $snapshot, downtime limit $limit"
	[[ $snapshot == snap-0 && $limit == 300 ]]
}

# cancelled TEXT WHY
cancelled() {
	finish_drive
	check "$1: no job is left when the answer comes" job_has_gone
	check "$1: the answer is true" stayed 31 node01
	check "$1: the sentence says why" said "Error migrating VM 31: .*$2.*the VM still runs on node01"
	check "$1: the VM stays on the source alone" within 15 free_of_31
	check "$1: its snapshot and its downtime limit are as before" as_before
	check "$1: no process is left" within 15 none_left
}

begin --mgmt 1gbit "$@"
give_key node01
lab guest start 31 --mem 128 --fill 32 --disk --snapshots 1 --verify 64
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --p2p --bandwidth 4"

slow 31
lab exec node01 -- kill -TERM "$(supervisor)"
cancelled "SIGTERM" 'cancel'
slow 31
lab exec node01 -- kill -KILL "$(worker)"
cancelled "the working process is killed" 'working process ended unexpectedly'
slow 31
lab exec node01 -- kill -SEGV "$(worker)"
cancelled "the working process crashes" 'working process ended unexpectedly'

settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --p2p"
count
drive 31
check "the next migration succeeds" moved 31 node02
check "by the fast leg" by_leg node01 fast
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
