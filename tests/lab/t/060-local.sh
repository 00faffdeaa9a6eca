#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# migrate_local on the front-end, and what `onemigrate status` shows meanwhile.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

RUN=/var/tmp/one/onemigrate/run

status_of() {
	lab exec "$1" --user "$USER_OF_LAB" -- "$RUN" status "${@:2}"
}

shows() {
	local found
	found=$(status_of "$1" 31)
	echo "$found"
	[[ $found =~ $2 ]]
}

# Valid JSON that says so; the browser's and the script's end.
json_is() {
	local found
	found=$(status_of "$1" 31 --json)
	echo "$found"
	jq_like "$2" <<<"$found"
}

jq_like() {
	# shellcheck disable=SC2016 # Ruby
	lab exec fe -- ruby -rjson -e 'd = JSON.parse($stdin.read); exit(eval(ARGV[0]) ? 0 : 1)' "$1"
}

private() {
	local found
	found=$(lab exec "$1" -- bash -c 'stat -c "%a %U %n" /var/tmp/onemigrate-* /var/tmp/onemigrate-*/*')
	echo "$found"
	[[ $found =~ ^700\ $USER_OF_LAB\  ]] && ! grep -vE '^(600|700) '"$USER_OF_LAB " <<<"$found"
}

nothing_known() {
	status_of "$1" 31 && return 1
	return 0
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 128 --fill 48 --disk --snapshots 1 --verify 64

# ---- the default action, watched
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 16"
slow 31
lab exec node01 --user "$USER_OF_LAB" -- timeout 60 "$RUN" status 31 --watch >"$T/watch" 2>&1 &
WATCH=$!
lab exec node01 --user "$USER_OF_LAB" -- timeout 60 script -qec "$RUN status 31 --watch" /dev/null >"$T/bar" 2>&1 &
BAR=$!
check "status shows the migration" shows node01 'node01 -> node02, .*path +10\.77\.1\.12 by fast'
check "status --json is JSON and shows a pass, a rate, and what remains" \
	await json_is node01 'd["phase"] == "copy" && d["iteration"] >= 1 && d["remaining_bytes"] > 0 &&
		d["percent"].between?(0, 99) && d["path_ifname"] == "fast" && d["pid"] > 1'
check "the state file is private" private node01
finish_drive
check "the VM moves" moved 31 node02
status=0
wait "$WATCH" || status=$?
check "status --watch ends with the migration" test "$status" = 0
check "it has shown the progress" grep -qE '[1-9][0-9]? ?%' "$T/watch"
check "it ends with the summary" grep -q 'done in ' "$T/watch"
status=0
wait "$BAR" || status=$?
check "on a terminal there is a bar" grep -qE '\[[#=].*\]' "$T/bar"
check "afterwards status says that it is done" shows node01 'node01 -> node02, done'
check "as JSON too, with the downtime" json_is node01 'd["phase"] == "done" && d["percent"] == 100 && d["downtime_ms"] > 0 && d["pid"] == 0'
check "a VM that is not known is an error" nothing_known node02

# ---- from the front-end
settings MIGRATE_NETWORK=10.77.1.0/24 MIGRATE_OPTIONS="--unsafe --bandwidth 16"
count
slow 31 --local
check "migrate_local: status on the source shows it" shows node02 'node02 -> node01, .*path +10\.77\.1\.11 by fast'
check "migrate_local: nothing is known on the front-end itself" nothing_known fe
finish_drive
check "migrate_local: the VM moves" moved 31 node01
check "migrate_local: the host that it came back to has forgotten the first one" nothing_known node01
check "migrate_local: memory goes from node to node by the fast leg" by_leg node02 fast
check "migrate_local: status on the source says that it is done" shows node02 'node02 -> node01, done'
settings DEST_HOST_APPEND=-10g1
count
drive 31 --local
check "migrate_local with DEST_HOST_APPEND: the VM moves" moved 31 node02
check "migrate_local with DEST_HOST_APPEND: by the fast leg" by_leg node01 fast
drive 31 --local --from node01 --to node02
check "migrate_local repeated after a success: 0, and the VM is where it was" moved 31 node02
settings DEST_HOST_APPEND=-nowhere MIGRATE_NETWORK_POLICY=strict
drive 31 --local
check "migrate_local, strict: refused" stayed 31 node02
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 4"
slow 31 --local
lab exec fe -- pkill -TERM -o -f 'onemigrate migrate --local'
finish_drive
check "migrate_local, SIGTERM in mid-copy: the answer is true" stayed 31 node02
check "migrate_local: the snapshot came all the way and is still there" \
	lab exec node02 -- virsh -q snapshot-current --name one-31
# A host that has no helper cannot be asked: a WARN, never a guess.
lab exec node02 -- mv "$RUN" "$RUN.gone"
settings DEST_HOST_APPEND=-10g1
drive 31 --local
check "migrate_local, the source cannot be asked: the VM moves" moved 31 node01
check "migrate_local, the source cannot be asked: WARN" grep '^.VM 31..I.: migrate: WARN: .*not checked' "$OUT"
lab exec node02 -- mv "$RUN.gone" "$RUN"
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
