#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever ends a migration, before it or in mid-copy: the answer is true, the VM runs whole on the source, nothing
# is left on the destination, and the next migration succeeds.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

none_left() {
	! lab exec node01 -- pgrep -a -f 'onemigrate/[^ ]*/onemigrate '
}

# The VM is as if nothing had been tried.
whole() {
	local state
	state=$(lab exec node01 -- virsh domstate one-31; lab exec node01 -- virsh snapshot-current --name one-31
		lab exec node01 -- virsh -q migrate-getmaxdowntime one-31; lab exec node01 -- virsh -q domjobinfo one-31)
	echo "$state"
	[[ $(tr -s ' \n' ' ' <<<"$state") =~ ^running\ snap-0\ 300\ Job\ type:\ None ]]
}

free_of_31() {
	not_on_node 31 node02
}

# after TEXT: what has to be so after every interruption, whoever could still be told of it.
after() {
	check "$1: the VM runs on the source alone" within 15 free_of_31
	check "$1: it is as before, with its snapshot and its downtime limit" within 15 whole
	check "$1: no process is left" within 15 none_left
}

# answered TEXT WHY: as `after`, where there was somebody to be told.
answered() {
	finish_drive
	check "$1: the answer is true" stayed 31 node01
	check "$1: the sentence says why" said "Error migrating VM 31: .*$2.*the VM still runs on node01"
	after "$1"
}

at_the_destination() {
	lab exec node02 -- pgrep -f virt-ssh-helper
}

# Ends a run that has begun to ask; how long the driver then waits is in TOOK, in ms.
interrupt() {
	local begun
	await at_the_destination || fail "the destination is not asked"
	sleep 1
	begun=$EPOCHREALTIME
	lab exec node01 -- kill -TERM "$(supervisor)"
	finish_drive
	TOOK=$(((${EPOCHREALTIME/./} - ${begun/./}) / 1000))
}

at_once() {
	echo "$TOOK ms"
	((TOOK < 3000))
}

never_begun() {
	stayed 31 node01 && [[ $(starts node02 31) == "$before" ]]
}

# untouched TEXT: as `answered`, before anything was touched.
untouched() {
	check "$1: the answer comes at once" at_once
	check "$1: oned hears of a failure, and the destination was asked for nothing" never_begun
	check "$1: the sentence claims what is known" \
		said 'Error migrating VM 31: cancelled; nothing was touched, OpenNebula has the VM on node01\.'
	after "$1"
}

# Holds the lock of the VM as another migration of it would, until it is killed.
hold_lock() {
	# shellcheck disable=SC2016
	lab exec node01 --user "$USER_OF_LAB" -- bash -c '
		dir=/var/tmp/onemigrate-$(id -u)
		mkdir -p -m 700 "$dir"
		exec 9>"$dir/$1.lock"
		flock 9
		exec sleep 61' hold "$(lab guest uuid 31)" 2>/dev/null &
	HOLDER=$!
}

lock_is_held() {
	lab exec node01 -- pgrep -x -f 'sleep 61'
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 128 --fill 32 --disk --snapshots 1 --verify 64
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 4"

# ---- before anything is touched
before=$(starts node02 31)
lab exec node02 -- pkill -STOP -x libvirtd
begin_drive 31 --from node01
interrupt
lab exec node02 -- pkill -CONT -x libvirtd
untouched "SIGTERM while the destination's libvirtd hangs"
hold_lock
await lock_is_held || fail "the lock is not held"
begin_drive 31 --from node01
interrupt
lab exec node01 -- pkill -x -f 'sleep 61'
wait "$HOLDER" || true
untouched "SIGTERM while another migration holds the VM's lock"

# ---- in mid-copy

for signal in TERM INT; do
	slow 31
	lab exec node01 -- kill -s "$signal" "$(supervisor)"
	answered "SIG$signal" 'cancel'
done
slow 31
# As a terminal or a dying shell does it; what is in the group with the supervisor may die of it.
lab exec node01 -- kill -s HUP -- "-$(lab exec node01 -- ps -o pgid= "$(supervisor)" | tr -d ' ')"
finish_drive
after "SIGHUP to the process group"

slow 31
lab exec node01 -- kill -KILL "$(worker)"
answered "the working process is killed" 'working process ended unexpectedly'

slow 31
lab exec node01 -- kill -SEGV "$(worker)"
answered "the working process crashes" 'working process ended unexpectedly'

slow 31
lab exec node01 -- kill -KILL "$(supervisor)"
finish_drive
check "the supervisor is killed: oned hears of a failure" test "$DRIVE" = 1
after "the supervisor is killed"

slow 31
lab exec fe -- pkill -KILL -x ssh
finish_drive
check "the driver's ssh is killed: oned hears of a lost connection" said 'Error connecting to node01'
after "the driver's ssh is killed"

slow 31
lab exec node02 -- pkill -KILL -x libvirtd
answered "the destination's libvirtd is killed" ''
lab exec node02 -- libvirtd --daemon

slow 31
restart_libvirtd node01 -KILL
answered "the source's libvirtd is killed" ''

slow 31
lab exec node01 -- pkill -KILL -f 'ssh .*node02.*virt-ssh-helper|ssh.* node02 sh -c'
answered "the connection to the destination is killed" ''

# Only keepalives can notice: half a minute.
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 1"
slow 31
lab fault cut node02 mgmt
finish_drive
lab fault restore
check "the control link is cut: the answer is true" stayed 31 node01
after "the control link is cut"

# Asked twice at once, as after a restart of oned: the second one waits for the first.
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 24"
slow 31
first=$OUT
OUT=$T/second
drive 31 --from node01
check "the action asked for twice at once: the second one says that it is done" moved 31 node02
check "it touches nothing" said 'VM 31 is on node02 already'
OUT=$first
finish_drive
check "the next migration succeeds" moved 31 node02
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
