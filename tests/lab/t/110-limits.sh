#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest that is too busy for its link, under each policy and limit; and a link that fails for a
# moment.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

# last NODE KEY: of the last state that the source NODE wrote.
last() {
	lab exec "$1" --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json |
		grep -oE "\"$2\":(\"[^\"]*\"|[0-9]+)" | sed 's/^[^:]*://; s/^"//; s/"$//'
}

# Without post-copy, throttle or a pause above what is said, by what the state and the log tell.
only_limits() {
	local actions
	actions=$(last "$1" actions)
	echo "$actions"
	[[ $actions != *post-copy* && $actions != *throttle* && $actions != *pause* ]] && silent "$HARM"
}

between() {
	echo "$2"
	[[ $2 -ge $1 && $2 -le $3 ]]
}

own_limit() {
	lab exec "$1" -- virsh -q migrate-getmaxdowntime one-31
}

tells() { # NODE PATTERN in the state's decision
	last "$1" decision | grep -qE "$2"
}

begin --mgmt 1gbit "$@"
FAST=MIGRATE_NETWORK=10.77.1.0/24
# 64 MiB at 200 MiB/s: with 20 MiB/s on the wire 2.9 s of them are always dirty, with 50 MiB/s 1 s.
lab guest start 31 --mem 160 --fill 72 --hot 64 --dirty 200 --verify 64
own=$(own_limit node01)

settings "$FAST" MIGRATE_POLICY=gentle MIGRATE_BANDWIDTH_MIBPS=20
drive 31
check "gentle: it is ended early, the VM stays" stayed 31 node01
check "gentle: the sentence says what it needs" said \
	'Error migrating VM 31: .*does not converge; needs [0-9.]+ s of downtime or (at least )?[0-9.]+ [GM]bit/s; allowed 500 ms'
check "gentle: nothing but the limit was touched" only_limits node01
check "gentle: the domain has its own limit again" test "$(own_limit node01)" = "$own"

settings "$FAST" MIGRATE_DEADLINE=20s MIGRATE_BANDWIDTH_MIBPS=20
drive 31
check "deadline: the VM stays" stayed 31 node01
check "deadline: the sentence says so" said 'Error migrating VM 31: .*ended at the deadline; needs '
check "deadline: what it would need was told before" said ' *migrate: pass [0-9]+: it does not converge and goes on; it needs '

settings "$FAST" MIGRATE_BANDWIDTH_MIBPS=50
drive 31
check "the hard pause: the VM moves" moved 31 node02
check "the hard pause: the limit went beyond the soft one, and not beyond the hard one" \
	between 501 "$(last node01 downtime_limit_ms)" 2000
check "the hard pause: it was no longer than that" between 1 "$(last node01 downtime_ms)" 2000
check "the hard pause: it is told" said ' *migrate: pass [0-9]+: downtime limit [0-9]+ ms, beyond 500 ms as nothing gentler ends it: '

settings "$FAST" MIGRATE_BANDWIDTH_MIBPS=10 MIGRATE_POLICY=stock MIGRATE_DEADLINE=5s
begin_drive 31
check "stock: it is not ended at a deadline" test "$(sleep 8; last node02 phase)" = copy
check "stock: no limit is set" test "$(own_limit node02)" = "$own"
check "stock: the domain's own limit is told as that in force" test "$(last node02 downtime_limit_ms)" = "$own"
lab exec node02 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run cancel 31 >/dev/null || true
finish_drive 60
check "stock: an operator can still end it" stayed 31 node02

# Asked for while it runs, so that what it allows has to follow.
settings "$FAST" MIGRATE_BANDWIDTH_MIBPS=20 MIGRATE_PAUSE_MAX_MS=700
slow 31
answer=$(lab exec node02 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run set 31 policy=guaranteed || true)
check "guaranteed: the answer says what follows" grep -q 'policy guaranteed, .* a throttled restart allowed' <<<"$answer"
finish_drive
check "guaranteed: the VM moves" moved 31 node01
check "guaranteed: it began again with auto-converge" said \
	' *migrate: .*begin again with auto-converge from [0-9]+ %'
check "guaranteed: the hard limit holds" between 1 "$(last node02 downtime_ms)" 700

settings "$FAST" MIGRATE_OPTIONS="--unsafe --postcopy --bandwidth 30" MIGRATE_POSTCOPY=yes
drive 31
check "post-copy where it is allowed: the VM moves" moved 31 node02
check "post-copy where it is allowed: started by the watch" said \
	' *migrate: pass [0-9]+: post-copy: pre-copy would take longer'
check "memory is whole" lab guest verify 31

# in_pass N [MIB]: it has begun, of the migration that copies at present; and no more remains.
in_pass() {
	local json
	json=$(lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json 2>/dev/null)
	[[ $json == *'"phase":"copy"'* && $json =~ \"iteration\":([0-9]+) && ${BASH_REMATCH[1]} -ge $1 ]] || return 1
	[[ $json =~ \"remaining_bytes\":([0-9]+) ]] && ((BASH_REMATCH[1] >> 20 <= ${2:-9999}))
}

# A light guest and a link that is dead for a second and a half, in its second pass: nothing irreversible follows. It
# is busy until little is left of the first pass, so that the second one takes 2 s, and says nothing of the next.
lab guest stop 31
lab guest start 31 --mem 192 --fill 96 --hot 32 --dirty 200 --paced --verify 64
settings "$FAST" MIGRATE_OPTIONS="--unsafe --postcopy --bandwidth 15" MIGRATE_POSTCOPY=yes MIGRATE_AUTO_CONVERGE=yes
begin_drive 31
check "a dip: the first pass is nearly over" await in_pass 1 30
lab guest pace 31 2
check "a dip: the second pass is on its way" await in_pass 2
lab fault cut node01 fast
sleep 1.5
lab fault restore node01 fast
finish_drive 90
check "a dip: the VM moves" moved 31 node02
check "a dip: nothing irreversible was done" only_limits node01
check "a dip: the pause is within the soft limit" between 1 "$(last node01 downtime_ms)" 500
check "memory is whole, and the guest has booted once" lab guest verify 31
