#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An operator cancels and steers migrations in each of their phases: what is answered is so, on both hosts.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

# answers STATUS ERE VERB ARGUMENT...: onemigrate VERB on $AT.
AT=node01
answers() {
	local want=$1 text=$2 status=0 out
	shift 2
	out=$(lab exec "$AT" --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run "$@" 2>&1) || status=$?
	echo "$out (status $status)"
	[[ $status == "$want" && $out =~ $text ]]
}

virsh() {
	lab exec "$AT" -- virsh -q "$@"
}

prints() {
	local want=$1 out
	shift
	out=$("$@")
	echo "$out"
	[[ $out == "$want"* ]]
}

phase() {
	[[ $(lab exec "$AT" --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status "$1" --json) == *"\"phase\":\"$2\""* ]]
}

pass_of() {
	local pass
	pass=$(lab exec "$AT" -- virsh domjobinfo "one-$1" | awk '/^Iteration:/ { print $2 }')
	((${pass:-0} >= $2))
}

# The VM as it was: it runs at $AT alone, without a job, with limits of its own.
whole() {
	local at=$AT
	on_node "$1" "$at" && not_on_node "$1" "$(other "$at")" && prints running virsh domstate "one-$1" &&
		prints 300 virsh migrate-getmaxdowntime "one-$1" && prints 8796093022207 virsh migrate-getspeed "one-$1" &&
		[[ $(virsh domjobinfo "one-$1" | tr -s ' \n' ' ') == "Job type: None "* ]]
}

# cancelled TEXT VMID: cancels a migration that was begun, and proves it.
cancelled() {
	check "$1: cancel says that it is so" answers 0 'cancelled by an operator.*still runs on node.*libvirt: the VM runs' cancel "$2"
	finish_drive
	check "$1: oned hears the same" stayed "$2" "$AT"
	check "$1: the sentence tells who did it" said "Error migrating VM $2: cancelled by an operator \(onemigrate cancel, uid [0-9]*\); "
	check "$1: the VM is as it was" within 10 whole "$2"
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 512 --fill 256 --hot 128 --dirty 200
lab guest start 32 --mem 128 --fill 48 --disk

check "no migration: cancel says so" answers 1 'VM 31: no migration of it is known on this host' cancel 31
check "no migration: set says so" answers 1 'VM 31: no migration of it is known on this host' set 31 bandwidth=1
check "no such VM: postcopy says so" answers 1 'no migration' postcopy 77
check "a wrong word is named, and nothing is asked" answers 2 'speed.*is none of' set 31 speed=1

# ---- before the copy: a block job is waited for
settings DEST_HOST_APPEND=-10g1 VIRSH_TRIES=100
lab exec node01 --user "$USER_OF_LAB" -- qemu-img create -q -f qcow2 /var/lib/one/datastores/0/32/copy 64M
virsh blockcopy one-32 vda /var/lib/one/datastores/0/32/copy --format qcow2 --reuse-external --transient-job
begin_drive 32
poll 60 phase 32 prepare || fail "it does not wait"
early() {
	answers 5 'has not begun yet; nothing was changed' "$@"
}
# All at once: none of them waits for another.
early set 32 bandwidth=1 >"$T/early.set" &
SET=$!
early pause 32 >"$T/early.pause" &
PAUSE=$!
check "before the copy: postcopy says that it is too early" early postcopy 32
wait "$SET" "$PAUSE" || true
check "before the copy: set says that it is too early" grep -q 'status 5' "$T/early.set"
check "before the copy: pause says that it is too early" grep -q 'status 5' "$T/early.pause"
check "before the copy: cancel says that it is so" answers 0 'cancelled by an operator.*libvirt: the VM runs' cancel 32
finish_drive
check "before the copy: oned hears the same" stayed 32 node01
virsh blockjob one-32 vda --abort

# ---- the first pass
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 20"
slow 31
check "first pass: set says what is in force" \
	answers 0 'in force: policy auto, downtime up to 700 ms, .*bandwidth 10 MiB/s, deadline in 9 min' \
	set 31 downtime-max=700 bandwidth=10 deadline=10m
check "first pass: libvirt has that bandwidth" prints 10 virsh migrate-getspeed one-31
check "first pass: another set keeps the rest" \
	answers 0 'policy gentle, downtime up to 700 ms, .*bandwidth 10 MiB/s, no deadline' set 31 policy=gentle deadline=none
answers 0 'bandwidth 11 MiB/s' set 31 bandwidth=11 >"$T/set.11" &
SET=$!
check "two at once: the one" answers 0 'bandwidth 12 MiB/s' set 31 bandwidth=12
wait "$SET" || true
check "two at once: the other" grep -q 'bandwidth 11 MiB/s.*status 0' "$T/set.11"
one_of_two() {
	[[ $(virsh migrate-getspeed one-31) == 1[12] ]]
}
check "two at once: the last one is in force" one_of_two
check "first pass: post-copy was not allowed, postcopy says so" answers 5 'was not started with post-copy' postcopy 31
check "another user is not even let near" eval '! lab exec node01 --user daemon -- /var/tmp/one/onemigrate/run cancel 31'
lab exec node01 -- bash -c "chmod 755 /var/tmp/onemigrate-*; chmod 666 /var/tmp/onemigrate-*/*.sock"
stranger() {
	# shellcheck disable=SC2016 # Perl
	lab exec node01 --user daemon -- perl -MIO::Socket::UNIX -e \
		'$SIG{PIPE} = "IGNORE"; $s = IO::Socket::UNIX->new(Peer => glob "/var/tmp/onemigrate-*/*.sock") or die; print $s "cancel\n"; print <$s>'
}
check "another user who reaches the socket is refused" prints 'refused only root and the user' stranger
lab exec node01 -- bash -c "chmod 700 /var/tmp/onemigrate-*"
check "root may" eval 'lab exec node01 -- /var/tmp/one/onemigrate/run set 31 bandwidth=20'
check "first pass: it goes on after all that" phase 31 copy
cancelled "first pass" 31

# ---- a later pass: with so little allowed a busy guest goes on for ever
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe" MIGRATE_DOWNTIME_MAX_MS=30 MIGRATE_PAUSE_MAX_MS=0 \
	MIGRATE_BANDWIDTH_MIBPS=40
late_pass() {
	slow 31
	poll 60 pass_of 31 3 || fail "no third pass"
}
late_pass
check "later pass: less is allowed from now on" answers 0 'downtime up to 20 ms, no pause' set 31 downtime-max=20
limit_low() {
	[[ $(virsh migrate-getmaxdowntime one-31) -le 20 ]]
}
check "later pass: libvirt's downtime limit comes down with ours" poll 10 limit_low
check "later pass: pause stops the guest" answers 0 'stands still on node01' pause 31
check "later pass: libvirt says so" prints 'paused (migrati' virsh domstate --reason one-31
told_of_pause() { # the state is written twice a second
	lab exec node01 -- /var/tmp/one/onemigrate/run status 31 | grep -E "onemigrate pause|pause at [0-9]"
}
check "later pass: status tells of it" poll 5 told_of_pause
in_sight() {
	[[ $(lab exec "$AT" --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json) =~ '"eta_high_ms":'[1-9] ]]
}
check "later pass: the end of one that would go on for ever is in sight" poll 5 in_sight
check "later pass: a second pause is refused" answers 5 'paused already' pause 31
cancelled "paused in a later pass" 31

late_pass
check "pause ends the migration of a busy guest" answers 0 'stands still on node01' pause 31
finish_drive
check "it runs on the destination" moved 31 node02
check "too late for a cancel, which says where it is" answers 3 'too late: .*node02' cancel 31
AT=node02
check "the other host knows of no migration" answers 1 'no migration' cancel 31

# ---- around the switch-over: whichever comes first, the answer is what both hosts say
settings DEST_HOST_APPEND=-10g1
AT=node01
for ms in 700 1100 1500 2200 3000 4000; do
	begin_drive 32
	poll 10 phase 32 copy || true
	sleep "$(awk "BEGIN { print $ms / 1000 - 0.6 }")"
	if answers 0 'libvirt: the VM runs' cancel 32 >"$T/race"; then
		finish_drive
		check "cancel ${ms} ms after the start came in time: both hosts say so" stayed 32 "$AT"
	else
		finish_drive
		check "cancel ${ms} ms after the start came too late: both hosts say so" moved 32 "$(other "$AT")"
		check "it said so" grep -q 'too late.*(status 3)' "$T/race"
		AT=$(other "$AT")
	fi
done

# ---- post-copy
AT=node02
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 20 --postcopy --postcopy-bandwidth 4"
slow 31
check "postcopy says that it is so" answers 0 'in post-copy: the guest runs on node01' postcopy 31
halves() {
	[[ $(lab guest where 31) == *'node01 running (post-copy)'*'node02 paused (post-copy)'* ]]
}
check "both hosts say so" halves
check "post-copy: once is enough" answers 5 'in post-copy already' postcopy 31
check "post-copy: cancel says why it cannot be" answers 4 'in post-copy a migration cannot be cancelled' cancel 31
check "post-copy: pause is refused" answers 5 'runs on the destination' pause 31
check "post-copy: a downtime has no meaning" answers 5 'only bandwidth=' set 31 downtime-max=100
check "post-copy: the bandwidth has" answers 0 'bandwidth 40 MiB/s' set 31 bandwidth=40
check "post-copy: libvirt has it" prints 40 virsh migrate-getspeed --postcopy one-31
finish_drive
check "it ends as if nobody had asked" moved 31 node01

# ---- nobody watches: a migration by hand
AT=node01
by_hand() {
	on_source "$AT" virsh --connect qemu:///system migrate --live --unsafe --bandwidth 20 "$@" \
		--migrateuri "tcp://$(other "$AT")-10g1" one-31 "qemu+ssh://$(other "$AT")/system" >"$T/hand" 2>&1 &
	HAND=$!
	await copying 31 "$AT"
}
by_hand
check "by hand: set has nobody to reach" answers 5 'no helper watches this migration: virsh' set 31 bandwidth=10
check "by hand: postcopy says libvirt's reason" answers 5 'POSTCOPY' postcopy 31
check "by hand: pause stops the guest" answers 0 'stands still' pause 31
check "by hand: libvirt says so" prints 'paused (migrati' virsh domstate --reason one-31
check "by hand: cancel" answers 0 'cancelled; the VM runs on this host' cancel 31
wait "$HAND" || true
check "by hand: the VM runs on" eval 'on_node 31 node01 && not_on_node 31 node02'
by_hand --postcopy --postcopy-bandwidth 20
check "by hand: postcopy" answers 0 'in post-copy' postcopy one-31
check "by hand: cancel in post-copy" answers 4 'cannot be cancelled' cancel 31
wait "$HAND" || true
check "by hand: it ends" eval 'on_node 31 node02'

# ---- a helper that is gone
AT=node02
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 20"
slow 31
lab exec node02 -- pkill -KILL -f '^/var/tmp/one/onemigrate/[^ ]*/onemigrate migrate '
finish_drive
check "a socket is left" lab exec node02 -- bash -c 'test -S /var/tmp/onemigrate-*/*.sock'
check "set says that the process has died" answers 1 'process of the migration has died' set 31 bandwidth=10
check "cancel too" answers 1 'process of the migration has died' cancel 31
check "the VM runs where it was" eval 'on_node 31 node02 && poll 10 not_on_node 31 node01'

# ---- a libvirt that hangs: nobody waits for ever, and what was asked for happens when it can
slow 31
lab exec node02 -- pkill -STOP -x libvirtd
# The sampler was asking libvirt when it stopped, or it asks now: both are true answers.
either() {
	local said
	said=$(answers 5 'libvirt does not answer' "$@") || true
	echo "$said"
	[[ $said == *'libvirt does not answer; nothing was changed (status 5)' ||
		$said == *'libvirt does not answer; whether it was done is not known (status 6)' ]]
}
check "libvirt hangs: set says so" either set 31 bandwidth=10
SECONDS=0
check "libvirt hangs: cancel says what it knows" answers 6 'told to stop' cancel 31
check "in a bounded time ($SECONDS s)" test "$SECONDS" -le 40
lab exec node02 -- pkill -CONT -x libvirtd
finish_drive
check "libvirt is back: it was cancelled" stayed 31 node02

# ---- migrate_local: it listens on the front-end, where nobody but it knows of the migration
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="--unsafe --bandwidth 20"
slow 31 --local
uuid=$(lab guest uuid 31)
on_fe() {
	local status=0 out want=$1 text=$2
	shift 2
	out=$(lab exec fe --user "$USER_OF_LAB" -- /var/lib/one/remotes/onemigrate/run "$@" 2>&1) || status=$?
	echo "$out (status $status)"
	[[ $status == "$want" && $out =~ $text ]]
}
check "local action: set on the front-end" on_fe 0 'bandwidth 10 MiB/s' set "$uuid" bandwidth=10
check "local action: the source has it" prints 10 virsh migrate-getspeed one-31
check "local action: cancel on the front-end" on_fe 0 'cancelled by an operator.*still runs on node02' cancel "$uuid"
finish_drive
check "local action: oned hears the same" stayed 31 node02
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
