#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lab itself: a guest migrates over the fast leg by hand, whole, and nothing of the lab remains.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# What a lab may leave behind, seen from the machine. Other instances may come and go meanwhile.
leftovers() {
	find /run/onemigrate-lab -maxdepth 1 -name "$LAB" 2>/dev/null
	grep -F "/run/onemigrate-lab/$LAB " /proc/self/mountinfo || true
	grep -lsF "/run/onemigrate-lab/$LAB/" /proc/[0-9]*/mountinfo || true
}

memory_on_fast_leg() {
	local mgmt fast
	mgmt=$(($(sent node01 mgmt) - mgmt_before))
	fast=$(($(sent node01 fast) - fast_before))
	echo "mgmt $mgmt bytes, fast $fast bytes"
	((fast > 128 << 20 && mgmt * 99 < fast))
}

# HOST: how many there do nothing but compute.
computing() {
	lab exec "$1" -- pgrep -cfx 'sh -c while :; do :; done' || true
}

compute() {
	[[ $(computing node01) == "$1" && $(computing node02) == "$2" ]]
}

# Those that go on computing are left for the lab's end.
load_is_set() {
	lab load node01 1 && lab load node02 2 && await compute 1 2 &&
		lab load node02 1 && await compute 1 1 &&
		lab load node01 0 && await compute 0 1
}

lab_begin "$@"
lab guest start 31 --mem 256 --fill 128
mapfile -t pids < <(awk '{ print $1 }' "/run/onemigrate-lab/$LAB"/pid.*)
mgmt_before=$(sent node01 mgmt) fast_before=$(sent node01 fast)

check "virsh migrates as oneadmin with a forwarded agent" \
	on_source node01 virsh -q --connect qemu:///system migrate --live --unsafe \
	--migrateuri tcp://node02-10g1 one-31 qemu+ssh://node02/system
check "the guest runs on node02" on_node 31 node02
check "it is gone from node01" not_on_node 31 node01
check "it has not booted again and its memory is whole" lab guest verify 31
check "over 99 % of the bytes went over the fast leg" memory_on_fast_leg
check "the action document is well-formed" lab exec node01 -- \
	ruby -r rexml/document -e 'REXML::Document.new(STDIN.read).root or exit 1' < <(lab action 31)
check "a host computes as much as it is told to" load_is_set

check "the lab goes down" lab down
check "no directory and no mount is left" test -z "$(leftovers)"
for pid in "${pids[@]}"; do
	[[ ! -e /proc/$pid ]] || fail "process $pid is left: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
done
