#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A running VM's disks go to another datastore of its host, and with faults before, between and after the pivots. The guest
# writes all the time and checks what it reads; it never stands still for long, and no file that it uses is ever removed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

STORE=/var/lib/one/datastores
AT=110 # where the guest's disks are by now

virsh_at() {
	lab exec node01 -- virsh -q "$@"
}

# Faults of libvirt, in the helper.
inject() {
	printf '%s\n' "$*" >"$T/inject"
	lab push node01 "$T/inject" /tmp/inject 666
}

# move VMID TO: the action, while the guest's signs of life are watched; LONGEST is the longest wait for one, in ms.
move() {
	local watcher
	"$LAB_DIR/lab" guest beats "$1" >"$T/beats" &
	watcher=$!
	sleep 1
	drive "$1" --from node01 --ds "$AT" --to-ds "$2"
	sleep 1
	kill "$watcher"
	wait "$watcher" || true
	LONGEST=$(sed -n 's/.*longest_ms=//p' "$T/beats")
}

# begin_move VMID TO: in the background; returns when a copy is under way. finish_drive waits for it.
begin_move() {
	begin_drive "$1" --from node01 --ds "$AT" --to-ds "$2"
	poll 30 copies || fail "the move of $1 did not begin"
}

copies() {
	[[ $(virsh_at dumpxml one-31) == *'<mirror '* ]]
}

no_copies() {
	! copies
}

went_on() {
	echo "$LONGEST ms"
	((LONGEST < 1500))
}

# All disks, layers and the drive's medium are there, by the running domain.
disks_in() {
	local xml
	xml=$(virsh_at dumpxml "one-$1")
	grep -E 'source (file|dev)=' <<<"$xml"
	! grep -E "source (file|dev)='$STORE/[0-9]+/$1/" <<<"$xml" | grep -v "='$STORE/$2/$1/"
}

metadata_says() {
	local xml
	xml=$(virsh_at dumpxml "one-$1")
	grep system_datastore <<<"$xml"
	[[ $xml == *"<one:system_datastore><![CDATA[$STORE/$2/$1]]></one:system_datastore>"* ]]
}

still_transient() {
	grep -x "one-$1" < <(virsh_at list --all --transient --name)
}

# QEMU has no file open that is not there any more.
nothing_gone() {
	# shellcheck disable=SC2016 # expanded on the host
	! lab exec node01 -- sh -c 'ls -l /proc/$(pgrep -o qemu-system)/fd' | grep "$STORE.*(deleted)"
}

right() {
	lab guest verify "$1" && lab guest verify-image "$1"
}

# check_guest TEXT VMID DATASTORE
check_guest() {
	check "$1: its disks are in $3" disks_in "$2" "$3"
	check "$1: the metadata says so" metadata_says "$2" "$3"
	check "$1: it has gone on" went_on
	check "$1: no file in use is gone" nothing_gone
	check "$1: its data is right, from inside and from outside" right "$2"
}

is_gone() {
	! lab exec node01 -- ls -la "$STORE/$1" 2>/dev/null
}

same_names() {
	diff <(lab exec node01 -- find "$STORE/$1" -printf '%P %y\n' | sort) \
		<(lab exec node01 -- find "$STORE/$2" -printf '%P %y\n' | sort)
}

succeeded() {
	cat "$OUT"
	[[ $DRIVE == 0 ]] && filed SUCCESS && on_node "$1" node01
}

failed() {
	cat "$OUT"
	[[ $DRIVE == 1 ]] && filed FAILURE && on_node "$1" node01
}

# The move to $2 failed for the reason $3, all is as before, and nothing is left.
undone() {
	local text=$1 to=$2 why=$3 where=${4:-the VM still runs on node01 with its disks in $STORE/$AT/31, as before}
	check "$text: a failure" failed 31
	check "$text: the sentence says why, and where the VM is" said "Error migrating VM 31: .*$why.*; $where\."
	check "$text: no copy goes on" no_copies
	check "$text: nothing is left of it" is_gone "$to/31"
	check_guest "$text" 31 "$AT"
}

# As OpenNebula's storage driver does after a success.
remove_old() {
	lab exec node01 -- rm -rf "$STORE/$1/31"
}

# goes TEXT TO, as a success.
goes() {
	check "$1: a success" succeeded 31
	[[ $DRIVE == 0 ]] || return 0 # it is where it was
	check "$1: the same names are in both directories" same_names "$AT/31" "$2/31"
	remove_old "$AT"
	AT=$2
	check_guest "$1" 31 "$AT"
}

# Where they are not.
away() {
	[[ $AT == 110 ]] && echo 111 || echo 110
}

# trip TEXT: to the other datastore.
trip() {
	local to
	to=$(away)
	move 31 "$to"
	goes "$1" "$to"
}

begin --mgmt 1gbit --local-size 700 "$@"
gcc -shared -fPIC -O2 -o "$T/inject.so" "$LAB_DIR/inject.c" -ldl
lab push node01 "$T/inject.so" /usr/local/lib/inject.so 755
inject none '*' 0
lab guest start 31 --mem 128 --fill 16 --ds 110 --verify 32 --storage \
	"snap:32:layers=3,qcow2:32,raw:32:rate=4:unit=64,context,empty,qcow2:16:name=it's <5> & \"6\""

# ---- what would be done
plan() {
	lab action 31 --from node01 --ds 110 --to-ds 111 |
		lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run plan 31 node01 --document - "$@"
}

plans() {
	local text
	text=$(plan)
	echo "$text"
	[[ $text == *"disk vda: copied by libvirt, disk.0.snap/2, qcow2,"*"on top of "*"disk sdb: stays, the drive is empty"* ]]
}

plan_is_json() {
	# shellcheck disable=SC2016 # Ruby
	plan --json | lab exec node01 -- ruby -rjson -e 'd = JSON.parse($stdin.read)
		exit(d["from"].end_with?("/110/31") && d["to"].end_with?("/111/31") && d["stock"].nil? &&
		d["disks"].map { |x| x["way"] } == %w[copied copied copied copied stays copied] ? 0 : 1)'
}

check "plan tells of each disk" plans
check "plan --json is JSON, and says so too" plan_is_json
check "by hand it asks for the document" grep -q 'move to another datastore' \
	<(lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run check 31 node01 2>&1 || true)
check "nothing was made" is_gone 111/31

# ---- there and back
settings MIGRATE_DEBUG=yes
move 31 111
check "five disks move" succeeded 31
check "it says what moves, and how long it took" said "5 disks .* go to $STORE/111/31"
check "the same names are in both directories" same_names 110/31 111/31
check "the old files are still there" lab exec node01 -- test -f "$STORE/110/31/disk.1"
remove_old 110
AT=111
check_guest "moved" 31 111
check "the domain is defined nowhere" still_transient 31
settings MIGRATE_BANDWIDTH_MIBPS=8 MIGRATE_OPTIONS="--unsafe --auto-converge --no-such-option"
trip "back, with a limit, and options of virsh migrate that are not for it"
check "the guest's writes wait for the copy where they are faster" said 'disk vdc is written to faster'

# ---- before the pivots
settings LD_PRELOAD=/usr/local/lib/inject.so
lab fault full node01 111 8
move 31 111
undone "no room, known before" 111 "has room for [0-9]+ MiB" "nothing was touched, OpenNebula has the VM on node01"
lab fault restore
settings MIGRATE_BANDWIDTH_MIBPS=4 LD_PRELOAD=/usr/local/lib/inject.so
begin_move 31 111
lab fault full node01 111 3 # while more is written
LONGEST=0
finish_drive
undone "no room in mid-copy" 111 "was ended by an error: the destination is full"
lab fault restore
settings MIGRATE_BANDWIDTH_MIBPS=1 LD_PRELOAD=/usr/local/lib/inject.so
begin_move 31 111
lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 >"$T/status.txt" || true
check "status shows it" grep -E 'node01:110 -> node01:111' "$T/status.txt"
lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run cancel 31 >"$T/cancel" 2>&1 || true
finish_drive
undone "cancelled" 111 "cancelled by an operator"
settings MIGRATE_BANDWIDTH_MIBPS=1 MIGRATE_DEADLINE=6s
move 31 111
undone "the deadline" 111 "MIGRATE_DEADLINE"
settings MIGRATE_BANDWIDTH_MIBPS=1
begin_move 31 111
lab exec node01 -- kill -KILL "$(worker)"
finish_drive
undone "the working process is killed in mid-copy" 111 "ended unexpectedly"
settings LD_PRELOAD=/usr/local/lib/inject.so
inject refuse vda 9
move 31 111
undone "the first pivot is refused" 111 "disk vda: "

# ---- between the pivots
inject refuse vdb 2
trip "a pivot is refused twice"
inject lose vdc 1
trip "a copy is lost at its pivot"
inject die vda 1
trip "the working process is killed after the first pivot"
inject late vdc 1
trip "the working process is killed before the third pivot"
inject medium sda 1
trip "libvirt does not copy a drive's medium"
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
