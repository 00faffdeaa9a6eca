#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong while the storage of a VM is brought to the other host: each time the VM runs where it was, nothing
# of ours is left on the destination, and what was there before is untouched.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

STORE=/var/lib/one/datastores
RUN=/var/tmp/one/onemigrate/run
SLOW=(DEST_HOST_APPEND=-10g1 MIGRATE_BANDWIDTH_MIBPS=6)

# All that is in the destination's datastore, with inodes, times and sums.
listing() {
	lab exec node02 -- bash -c "cd $STORE/110 && find . -mindepth 1 -type d -printf '%p %y %i %m\n' -o \
		-printf '%p %y %i %s %m %T@ %l\n' -type f -exec sha256sum {} \; | sort"
}

remember() {
	listing >"$T/before"
}

# A lost connection is noticed there a moment later.
nothing_left() {
	diff "$T/before" <(listing)
}

back_as_before() {
	stayed 31 node01 && poll 10 nothing_left
	nothing_left
}

phase_is() {
	local state
	state=$(lab exec node01 --user "$USER_OF_LAB" -- $RUN status 31 --json)
	echo "$state"
	[[ $state == *"\"phase\":\"$1\""* && $state =~ ${2:-.} ]]
}

sending() { phase_is send '"files_remaining_bytes":[1-9]'; }
copying_disks() { phase_is copy '"iteration":0,.*"disk_remaining_bytes":[1-9]'; }
copying_memory() { phase_is copy '"iteration":[1-9]'; }

# during TEXT PHASE CMD...: a migration in which CMD is done in that phase, and what must hold then.
during() {
	local text=$1 phase=$2
	shift 2
	begin_drive 31
	await "$phase" || fail "$text: that phase did not come: $(phase_is x 2>&1 || true)"
	"$@" || fail "$text: it could not be done"
	finish_drive
	check "$text: the VM stays, and nothing is left" back_as_before
}

cancel() {
	lab exec node01 --user "$USER_OF_LAB" -- $RUN cancel 31
}

# answers STATUS ERE VERB...: what an operator is told.
answers() {
	local want=$1 text=$2 status=0 out
	shift 2
	out=$(lab exec node01 --user "$USER_OF_LAB" -- $RUN "$@" 2>&1) || status=$?
	echo "$* -> $out (status $status)"
	[[ $status == "$want" && $out =~ $text ]]
}

runs_on() { # the guest computes
	[[ $(lab exec node01 -- virsh -q domstate one-31) == running ]]
}

# A verb that cannot be carried out yet is waited for, for ten seconds; all at once.
steer_files() {
	local pids=() pid
	answers 5 'files are being sent.*nothing was changed' set 31 downtime-max=400 >"$T/steer.set" 2>&1 & pids+=($!)
	answers 5 'files are being sent.*nothing was changed' pause 31 >"$T/steer.pause" 2>&1 & pids+=($!)
	answers 5 'files are being sent.*nothing was changed' postcopy 31 >"$T/steer.postcopy" 2>&1 & pids+=($!)
	for pid in "${pids[@]}"; do
		wait "$pid" || { cat "$T"/steer.*; return 1; }
	done
	runs_on && cancel
}

# The guest stands still for the rest of the copy, if that is what an operator wants, and runs again where it ends.
steer_disks() {
	answers 0 'in force: .*400 ms' set 31 downtime-max=400 &&
		answers 0 'the disks keep the bandwidth' set 31 bandwidth=5 &&
		answers 5 'not started with post-copy' postcopy 31 &&
		answers 0 'the guest stands still on node01' pause 31 &&
		[[ $(lab exec node01 -- virsh -q domstate one-31) == paused ]] &&
		cancel && runs_on
}

terminate() {
	lab exec node01 -- kill -TERM "$(supervisor)"
}

kill_worker() {
	lab exec node01 -- kill -KILL "$(worker)"
}

kill_ssh() {
	lab exec node01 -- pkill -KILL -f 'onemigrate-ssh' || lab exec node01 -- pkill -KILL -x rsync
}

append() {
	lab exec node01 --user "$USER_OF_LAB" -- bash -c "echo more >>$STORE/110/31/big"
}

# A hook that waits until it is told to go on: between the checks and the first byte.
gate() {
	# shellcheck disable=SC2016 # text of the hook
	printf '#!/bin/bash\n[[ $1 != pre ]] || for ((i = 0; i < 200; i++)); do [[ ! -e /tmp/go ]] || exit 0; sleep 0.1; done\n' >"$T/hook"
	lab push node01 "$T/hook" /var/tmp/one/vmm/kvm/migrate.d/gate 755
	lab exec node01 -- rm -f /tmp/go
}

no_gate() {
	lab exec node01 -- rm -rf /var/tmp/one/vmm/kvm/migrate.d
}

preparing() {
	lab exec node01 -- pgrep -f migrate.d/gate
}

# full TEXT MIB: only so much space is left there once everything was looked at.
full() {
	gate
	begin_drive 31
	await preparing || fail "$1: it does not wait"
	lab fault full node02 110 "$2"
	lab exec node01 -- touch /tmp/go
	finish_drive
	lab fault restore
	no_gate
	check "$1: the VM stays, and nothing is left" back_as_before
	check "$1: the sentence says why" said "Error migrating VM 31: .*([Nn]o space|space left|full)"
}

begin --mgmt 1gbit --local-size 192 "$@"
lab exec node02 --user "$USER_OF_LAB" -- bash -c "mkdir -p $STORE/110/99 && echo mine >$STORE/110/99/disk.0"
lab guest start 31 --mem 128 --fill 32 --ds 110 --storage qcow2:24:rate=1,raw:24:rate=1,snap:16,context,empty --nvram \
	--snapshots 1 --verify 64
lab exec node01 --user "$USER_OF_LAB" -- bash -c "head -c 20M /dev/urandom >$STORE/110/31/big"
remember

# ---- no space
settings DEST_HOST_APPEND=-10g1
full "full before the files are sent" 0
full "full in the middle of the files" 8
full "full in the middle of the copy" 50

# ---- in the send phase
settings "${SLOW[@]}"
during "cancelled while files are sent" sending cancel
during "SIGTERM while files are sent" sending terminate
during "a file that changes while it is sent" sending append
check "the sentence names it" said 'Error migrating VM 31: .*big'
during "the connection is lost while files are sent" sending kill_ssh
during "the working process is killed while files are sent" sending kill_worker
settings DEST_HOST_APPEND=-10g1 MIGRATE_BANDWIDTH_MIBPS=1
during "set, pause and postcopy while files are sent" sending steer_files

# ---- in the disk phase
settings "${SLOW[@]}"
during "set, pause and postcopy while disks are copied" copying_disks steer_disks
during "cancelled while disks are copied" copying_disks cancel
during "SIGTERM while disks are copied" copying_disks terminate
during "the destination's QEMU is killed while disks are copied" copying_disks \
	lab exec node02 -- pkill -KILL -f guest=one-31
during "the working process is killed while disks are copied" copying_disks kill_worker
settings "${SLOW[@]}" MIGRATE_DEADLINE=9s
drive 31
check "the deadline comes before memory: the VM stays, and nothing is left" back_as_before
check "the sentence says so" said 'Error migrating VM 31: ended at the deadline'

# ---- in the memory phase
settings DEST_HOST_APPEND=-10g1 MIGRATE_BANDWIDTH_MIBPS=20
during "cancelled while memory is copied" copying_memory cancel
during "the destination's QEMU is killed while memory is copied" copying_memory \
	lab exec node02 -- pkill -KILL -f guest=one-31
check "its snapshot is still there" lab exec node01 -- virsh -q snapshot-current --name one-31
check "memory and disks are right after all that" lab guest verify 31

# ---- something is there already
lab exec node02 --user "$USER_OF_LAB" -- bash -c "mkdir $STORE/110/31 && echo another >$STORE/110/31/disk.0"
remember
settings DEST_HOST_APPEND=-10g1
drive 31
check "a file is where one would be made: refused" back_as_before
check "the sentence names it" said 'Error migrating VM 31: .*disk\.0'
lab exec node02 -- bash -c "rm $STORE/110/31/disk.0; echo note >$STORE/110/31/note"
remember
settings "${SLOW[@]}"
during "cancelled in a directory that was there before" copying_disks cancel
during "the connection is lost in such a directory" sending kill_ssh
lab exec node02 --user "$USER_OF_LAB" -- bash -c "cd $STORE/110/31 && mkdir disk.2.snap && ln -s . disk.2.snap/disk.2.snap"
remember
during "cancelled where a directory and a link are there as they should be" copying_disks cancel
lab exec node02 --user "$USER_OF_LAB" -- ln -sfn elsewhere "$STORE/110/31/disk.2.snap/disk.2.snap"
remember
drive 31
check "a link that leads elsewhere: refused" back_as_before
check "the sentence names it" said 'Error migrating VM 31: .*disk\.2\.snap/disk\.2\.snap is in .* already'
lab exec node02 -- rm -r "$STORE/110/31"

# ---- the network is cut while files are sent
remember
begin_drive 31 --timeout 200
await sending || fail "that phase did not come"
lab fault cut node02 fast
finish_drive
lab fault restore node02 fast
check "the fast network is cut while files are sent: the VM stays, and nothing is left" back_as_before

# ---- and at last
settings DEST_HOST_APPEND=-10g1
drive 31
check "then the VM moves" moved 31 node02
check "memory and disks are right" lab guest verify 31
check "the images are right" lab guest verify-image 31
check "what was there before is untouched" test "$(lab exec node02 -- cat $STORE/110/99/disk.0)" = mine

# ---- names
lab guest start 32 --mem 128 --fill 16 --ds 100 --verify 64 \
	--storage $'raw:8:name=a b\'c"d%e$(touch hit);f&<g>' --nvram
lab exec node01 --user "$USER_OF_LAB" -- bash -c "cd $STORE/100/32 && echo text >\$'new\nline \$(touch hit)' && ln -s 'no\\where' -- '-l k'"
drive 32
check "names with blanks, quotes, newlines: the VM moves" moved 32 node02
check "its disk is right" lab guest verify 32
odd_names() {
	lab exec node02 -- bash -c "cd $STORE/100/32 && ls -b && [[ \$(cat \$'new\nline \$(touch hit)') == text && -L '-l k' ]]"
}
check "files of such names are there" odd_names
no_hit() {
	local host
	for host in fe node01 node02; do
		lab exec "$host" -- find / -xdev -name hit | grep . && return 1
	done
	return 0
}
check "nothing in them was run" no_hit

# ---- shared in truth
lab guest start 33 --mem 128 --fill 16 --ds 101 --storage qcow2:16 --verify 64
drive 33 --shared NO
check "shared in truth: the VM moves, and its files stay" moved 33 node02
check "shared in truth: a WARN says so" said 'WARN: migrate: .*are the same files'
check "shared in truth: the disk is right" lab guest verify 33
lab exec node01 -- sh -ec "
	d=$STORE/101/33
	mkdir /mnt/33
	mount --bind \$d /mnt/33
	mount -t tmpfs -o mode=777 none \$d
	for f in disk.0 deployment.0; do touch \$d/\$f; mount --bind /mnt/33/\$f \$d/\$f; done"
drive 33 --shared NO
check "shared in truth, seen through a mount that hides markers: it moves or is refused, nothing is written" \
	lab guest verify 33
check "so the images say" lab guest verify-image 33
