#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest that is busy for some passes and quiet again while it is migrated: it is waited for, and nothing is
# done that cannot be taken back.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

FAST=MIGRATE_NETWORK=10.77.1.0/24

# last NODE KEY: of the last state that the source NODE wrote.
last() {
	lab exec "$1" --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json |
		grep -oE "\"$2\":(\"[^\"]*\"|[0-9]+)" | sed 's/^[^:]*://; s/^"//; s/"$//'
}

no_harm() {
	local actions
	actions=$(last node01 actions)
	echo "$actions"
	[[ $actions != *post-copy* && $actions != *throttle* && $actions != *pause* ]] && silent "$HARM"
}

at_most() {
	echo "$1"
	[[ $1 =~ ^[0-9]+$ && $1 -le $2 ]]
}

# state KEY...: of the migration that copies at present, one number a line.
state() {
	local json key
	json=$(lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json 2>/dev/null)
	[[ $json == *'"phase":"copy"'* ]] || return 1 # of the migration before
	for key in "$@"; do
		[[ $json =~ \"$key\":([0-9]+) ]] || return 1
		echo "${BASH_REMATCH[1]}"
	done
}

# in_pass N: it has begun. $T/left is what had to be sent in it in MiB, less what was sent before this was seen.
in_pass() {
	local iteration left
	{ read -r iteration && read -r left; } < <(state iteration remaining_bytes) || return 1
	echo $((left >> 20)) >"$T/left"
	((iteration >= $1))
}

few_left() { # MIB, of the first pass
	in_pass 1 && (($(<"$T/left") <= $1))
}

quiet() {
	lab guest pace 31 "$1"
}

left_above() { # MIB
	echo "$(<"$T/left") MiB"
	(($(<"$T/left") > $1))
}

# 15 MiB/s on the wire: the first pass takes 8 s or more, and a pass of the 64 MiB that a busy guest dirties 4 s.
begin_with() { # MIBPS HOT SETTING...
	lab guest start 31 --mem 192 --fill 96 --hot "$2" --dirty "$1" --paced --verify 64
	settings "$FAST" MIGRATE_BANDWIDTH_MIBPS=15 "${@:3}"
	begin_drive 31
	check "a migration begins" await in_pass 1
}

# Two passes end with more than can be sent in any pause (2 s are 30 MiB); in the third the guest turns quiet.
busy_for_two_passes() {
	lab guest pace 31 200
	check "$1: busy in the first pass" await in_pass 2
	check "$1: which leaves too much" left_above 34
	check "$1: busy in the second pass" await in_pass 3
	quiet 4
	check "$1: which leaves too much" left_above 34
}

handled() { # NAME
	finish_drive
	check "$1: the VM moves" moved 31 node02
	check "$1: nothing irreversible was done" no_harm
	check "$1: the pause is within the soft limit" at_most "$(last node01 downtime_ms)" 500
	check "$1: memory is whole, and the guest has booted once" lab guest verify 31
	lab guest stop 31
}

begin --mgmt 1gbit "$@"

begin_with 4 64 MIGRATE_AUTO_CONVERGE=yes
busy_for_two_passes auto
handled auto

begin_with 4 64 MIGRATE_POLICY=gentle
busy_for_two_passes gentle
handled gentle

# Busy only while the first pass is under way, and in a part that is small for that pass: what it leaves says nothing
# of the next one, though it is more than the soft limit (7 MiB).
begin_with 200 32 MIGRATE_OPTIONS="--unsafe --postcopy" MIGRATE_POSTCOPY=yes
check "post-copy: busy in the first pass" await few_left 30
quiet 2
check "post-copy: until little is left of it" await in_pass 2
check "post-copy: which leaves more than the soft limit" left_above 8
handled post-copy
