#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A running VM's disks go to another datastore of its host and back, and with faults before the pivots. The guest writes all the
# time and checks what it reads; it never stands still for long, and no file that it uses is ever removed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"
# shellcheck source-path=SCRIPTDIR source=../move.sh
. "$(dirname "$0")/../move.sh"

begin_moves "$@"

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
		d["disks"].map { |x| x["way"] } == %w[copied copied copied copied copied stays] ? 0 : 1)'
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
check "the domain is defined nowhere, after all that" still_transient 31
