#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest that is quiet, busy for some seconds, and quiet again while it is migrated: it is waited for,
# and nothing is done that cannot be taken back.
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
	[[ $actions != *post-copy* && $actions != *throttle* && $actions != *pause* ]]
}

at_most() {
	echo "$1"
	[[ $1 =~ ^[0-9]+$ && $1 -le $2 ]]
}

# The most that the guest wrote in a second, and the least after that, in MiB.
rates() {
	lab guest console 31 | tr -d '\r' | sed -nE 's/^HB .* rate=([0-9]+) .*/\1/p' |
		awk '$1 > most { most = $1; least = $1 } $1 < least { least = $1 } END { print most + 0, least + 0 }'
}

was_busy_and_quiet_again() {
	local most least
	read -r most least < <(rates)
	echo "$most $least"
	[[ $most -ge 150 && $least -le 10 ]]
}

# 15 MiB/s on the wire: the first pass takes 8 s, and as long as it is busy 64 MiB are dirty, 4 s of the link:
# more than any limit.
busy_guest() { # PHASES
	lab guest start 31 --mem 192 --fill 96 --hot 64 --dirty 4 --phases "$1" --verify 64
}

migrates() { # SETTING...
	settings "$FAST" MIGRATE_BANDWIDTH_MIBPS=15 "$@"
	drive 31
}

handled() { # NAME
	check "$1: the VM moves" moved 31 node02
	check "$1: the guest was busy, and then quiet" was_busy_and_quiet_again
	check "$1: nothing irreversible was done" no_harm
	check "$1: the pause is within the soft limit" at_most "$(last node01 downtime_ms)" 500
	check "$1: memory is whole, and the guest has booted once" lab guest verify 31
	lab guest stop 31
}

begin --mgmt 1gbit "$@"

busy_guest 4:200,18:4
migrates MIGRATE_AUTO_CONVERGE=yes
handled "busy in the second pass, auto"

busy_guest 4:200,18:4
migrates MIGRATE_POLICY=gentle
handled "busy in the second pass, gentle"

# Busy only while the first pass is under way: at its end there is nothing that would not converge.
lab guest start 31 --mem 192 --fill 96 --hot 24 --dirty 2 --phases 3:200,6:2 --verify 64
migrates MIGRATE_OPTIONS="--unsafe --postcopy" MIGRATE_POSTCOPY=yes
handled "busy in the first pass, post-copy allowed"
