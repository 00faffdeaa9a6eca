#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What stock does in the background once the VM has moved: the guest's clock, the source's memory. It
# is done, it delays nobody, and no result depends on it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

SUDOERS=/etc/sudoers.d

# By how many seconds the guest's clock is slow.
slow_by() {
	local answer
	answer=$(lab exec "$1" -- virsh -q qemu-agent-command one-31 '{"execute":"guest-get-time"}')
	[[ $answer =~ ([0-9]+)[0-9]{9}[^0-9] ]] || { echo "no time: $answer"; return 1; }
	echo $(($(date +%s) - BASH_REMATCH[1]))
}

clock_is_right() {
	local seconds
	seconds=$(slow_by "$1")
	echo "slow by $seconds s"
	((seconds >= -5 && seconds <= 5))
}

clock_is_wrong() {
	local seconds
	seconds=$(slow_by "$1")
	echo "slow by $seconds s"
	((seconds > 3500))
}

background() {
	lab exec "$1" -- pgrep -a -f "onemigrate.* aftermath|^/proc/self/exe aftermath"
}

no_background() {
	! background "$1"
}

# At the moment of the driver's return.
still_in_background() {
	printf '%s' "$BACKGROUND"
	[[ -n $BACKGROUND ]]
}

quick() {
	grep -E 'migrate: done in' "$OUT"
	echo "the driver had to wait for $1 s"
	(($1 <= 15))
}

# What sudo has been asked for on a node since its log was emptied.
sudo_log() {
	lab exec "$1" -- cat /tmp/sudo.log 2>/dev/null | tr -s '\n ' ' ' || true
}

compacted() {
	local log
	log=$(sudo_log "$1")
	echo "$log"
	[[ $log =~ oneadmin.*COMMAND=/usr/sbin/sysctl\ vm\.drop_caches=3\ vm\.compact_memory=1 ]]
}

not_compacted() {
	! compacted "$1"
}

# How often this machine's page cache has been dropped: the hosts have one kernel.
drops() {
	awk '$1 == "drop_pagecache" { print $2 }' /proc/vmstat
}

# refused TEXT SOURCE DESTINATION: sudo there has not let us, and nobody is bothered with it.
refused() {
	check "$1: the VM moves" moved 31 "$3"
	check "$1: no line of the log is about it" silent 'sudo|sysctl|memory was'
	check "$1: it ends" within 30 no_background "$2"
	check "$1: sysctl is not tried" not_compacted "$2"
}

begin --mgmt 1gbit "$@"
for node in node01 node02; do
	lab exec "$node" -- bash -c "echo 'Defaults logfile=/tmp/sudo.log, loglinelen=0' >$SUDOERS/log"
done
lab guest start 31 --mem 128 --fill 32 --verify 64 --agent answers
check "the guest's clock is wrong before" clock_is_wrong node01

settings DEST_HOST_APPEND=-10g1 SYNC_TIME=no
drive 31
check "SYNC_TIME=no: the VM moves" moved 31 node02
check "nothing is left in the background" no_background node01
check "SYNC_TIME=no: the guest's clock is as it was" clock_is_wrong node02

settings DEST_HOST_APPEND=-10g1
drive 31
check "SYNC_TIME=yes: the VM moves" moved 31 node01
check "SYNC_TIME=yes: the guest's clock has been set" within 15 clock_is_right node01
check "the process in the background ends" within 15 no_background node02
check "CLEANUP_MEMORY_ON_STOP=no: sudo is not asked" test -z "$(sudo_log node01)$(sudo_log node02)"

# ---- the source's memory
settings DEST_HOST_APPEND=-10g1 SYNC_TIME=no CLEANUP_MEMORY_ON_STOP=yes
before=$(drops)
drive 31
check "CLEANUP_MEMORY_ON_STOP=yes: the VM moves" moved 31 node02
check "sudo has run sysctl on the source" within 30 compacted node01
check "it ends" within 60 no_background node01
check "the caches have been dropped" test "$(drops)" -gt "$before"
check "nothing of it on the destination" not_compacted node02
drive 31 --local
check "by migrate_local: the VM moves" moved 31 node01
check "by migrate_local: sudo has run sysctl on the source" within 30 compacted node02
check "by migrate_local: it ends" within 60 no_background fe

# ---- where sudo refuses
for node in node01 node02; do
	lab exec "$node" -- bash -c "rm -f /tmp/sudo.log; mv $SUDOERS/opennebula /tmp/"
done
lab exec node01 -- bash -c "echo 'oneadmin ALL=(ALL) NOPASSWD: /usr/bin/true' >$SUDOERS/other"
drive 31
refused "sudo allows another command" node01 node02
drive 31
refused "sudo allows nothing" node02 node01

# ---- an agent that does not answer
lab exec node01 -- bash -c "rm $SUDOERS/other; mv /tmp/opennebula $SUDOERS/"
lab guest stop 31
lab guest start 31 --mem 128 --fill 32 --verify 64 --agent deaf
settings DEST_HOST_APPEND=-10g1 CLEANUP_MEMORY_ON_STOP=yes
begun=$SECONDS
drive 31
took=$((SECONDS - begun))
BACKGROUND=$(background node01 || true)
check "an agent that does not answer: the VM moves" moved 31 node02
check "an agent that does not answer: nobody waits for it" quick "$took"
check "an agent that does not answer: it is still waited for in the background" still_in_background
check "an agent that does not answer: that ends too" within 90 no_background node01
check "an agent that does not answer: the source's memory is seen to all the same" compacted node01
check "memory is whole, and the guest has booted once" lab guest verify 31
