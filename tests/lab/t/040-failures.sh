#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Migrations that fail, and others that must not be disturbed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

QEMU=/usr/bin/qemu-system-x86_64
OPTIONS="--unsafe --bandwidth 12"

# What a failed migration must give back.
as_before() {
	local snapshots current limit
	snapshots=$(lab exec node01 -- virsh -q snapshot-list --name --topological one-31 | tr '\n' ' ')
	current=$(lab exec node01 -- virsh -q snapshot-current --name one-31)
	limit=$(lab exec node01 -- virsh -q migrate-getmaxdowntime one-31)
	echo "snapshots $snapshots, current $current, downtime limit $limit"
	[[ "${snapshots%% }" == 'snap-0 snap-1 ' || "$snapshots" == 'snap-0 snap-1 '* ]] &&
		[[ $current == snap-1 && $limit == 250 ]]
}

# It is set at the copy's begin, or a moment after.
low_limit() {
	local limit
	limit=$(lab exec node01 -- virsh -q migrate-getmaxdowntime one-31)
	echo "$limit ms"
	[[ $limit == 30 ]]
}

# Disks of a guest on the nodes' own storage, as the driver for local storage makes them first.
make_room() {
	# shellcheck disable=SC2016
	lab exec node02 --user "$USER_OF_LAB" -- bash -c '
		mkdir -p "$1" && cd "$1" && qemu-img create -q -f qcow2 disk.0 64M && truncate -s 372K disk.1
		' room "/var/lib/one/datastores/100/$1"
}

fill_disk() {
	lab exec node01 -- virsh -q qemu-monitor-command "one-$1" --hmp \
		'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -P 7 16M 40M"' >/dev/null
}

waits_for_memory() {
	[[ $(lab exec node02 -- ss -Hltn 'sport >= :49152 and sport <= :49215' | wc -l) == "$1" ]]
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 128 --fill 32 --disk --snapshots 2 --verify 64
lab exec node01 -- virsh -q migrate-setmaxdowntime one-31 250

# ---- the destination cannot run it
lab exec node02 -- cp "$QEMU" "$QEMU.real"
cat >"$T/lacking" <<-'END'
	#!/bin/bash
	# A QEMU that lacks the CPU model of the guests here.
	for word; do
		if [[ $word == qemu64* ]]; then
			echo "qemu-system-x86_64: unable to find CPU model 'qemu64'" >&2
			exit 1
		fi
	done
	exec /usr/bin/qemu-system-x86_64.real "$@"
END
lab push node02 "$T/lacking" "$QEMU" 755
settings DEST_HOST_APPEND=-10g1
drive 31
check "a CPU model that the destination lacks: the VM stays" stayed 31 node01
check "the sentence says why" said "Error migrating VM 31: .*unable to find CPU model 'qemu64'.*; the VM still runs on node01"
check "its snapshots and its downtime limit are as before" as_before
check "no second attempt was made for what the path is not to blame for" silent 'WARN'
lab exec node02 -- mv "$QEMU.real" "$QEMU"

# ---- the destination dies in mid-copy
settings DEST_HOST_APPEND=-10g1 MIGRATE_OPTIONS="$OPTIONS"
slow 31
check "the limit is low in mid-copy" poll 5 low_limit
lab exec node02 -- pkill -KILL -f guest=one-31
finish_drive
check "the destination's QEMU is killed in mid-copy: the VM stays" stayed 31 node01
check "its snapshots and its downtime limit are as before" as_before

# ---- a paused leftover: its libvirt thinks that a client still holds it
lab exec node02 -- bash -c 'echo "keepalive_interval = -1" >>/etc/libvirt/libvirtd.conf'
restart_libvirtd node02
lab fault drop node02 fast --port 49152-49215
lab exec node01 --user "$USER_OF_LAB" -- virsh -q --connect qemu:///system snapshot-delete --metadata one-31 snap-1
lab exec node01 --user "$USER_OF_LAB" -- virsh -q --connect qemu:///system snapshot-delete --metadata one-31 snap-0
on_source node01 virsh -q --connect qemu:///system migrate --live --unsafe --migrateuri tcp://node02-10g1 \
	one-31 qemu+ssh://node02/system >"$T/virsh" 2>&1 &
HELD=$!
leftover() {
	[[ $(lab exec node02 -- virsh -q domstate --reason one-31) == "paused (migrating)" ]]
}
await leftover || fail "no leftover was made: $(lab guest where 31)"
lab exec node01 -- pkill -STOP -x virsh
restart_libvirtd node01 -KILL
lab fault restore node02 fast
check "there is a paused leftover on the destination" await leftover
settings DEST_HOST_APPEND=-10g1
drive 31
check "a paused leftover is removed and the VM moves" moved 31 node02
check "the log says so" said 'WARN: migrate: a paused leftover'
lab exec node01 -- pkill -KILL -x virsh
wait "$HELD" || true

# ---- the reply was lost, and oned asks again
before=$(starts node01 31)$(starts node02 31)
drive 31 --from node01 --to node02
check "the action repeated after a success: 0, and the VM is where it was" moved 31 node02
check "nothing was started or stopped for it" test "$before" = "$(starts node01 31)$(starts node02 31)"
check "the log says so" said 'VM 31 is on node02 already'
check "memory is whole after all that, and the guest has booted once" lab guest verify 31

# ---- a block job
drive 31
check "back" moved 31 node01
fill_disk 31
lab exec node01 --user "$USER_OF_LAB" -- qemu-img create -q -f qcow2 /var/lib/one/datastores/0/31/copy 64M
lab exec node01 --user "$USER_OF_LAB" -- virsh -q --connect qemu:///system blockcopy one-31 vda \
	/var/lib/one/datastores/0/31/copy --format qcow2 --reuse-external --transient-job --bandwidth 1
settings DEST_HOST_APPEND=-10g1 VIRSH_TRIES=1
drive 31
check "an active block job, one try: the VM stays" stayed 31 node01
check "the sentence names the disk" said 'Error migrating VM 31: disk vda has an active block job'
settings DEST_HOST_APPEND=-10g1
begin_drive 31
# Still preparing long after the time that opening the connections takes.
in_the_wait() {
	local state
	state=$(lab exec node01 --user "$USER_OF_LAB" -- /var/tmp/one/onemigrate/run status 31 --json)
	[[ $state == *'"phase":"prepare"'* && $state =~ elapsed_ms\":([0-9]+) ]] && ((BASH_REMATCH[1] > 2500))
}
await in_the_wait || fail "it does not wait"
lab exec node01 -- virsh -q blockjob one-31 vda --abort
finish_drive
check "an active block job is waited for and the VM moves" moved 31 node02
check "the log says so" said 'disk vda has an active block job; trying again in 5 s'

# ---- another VM copies its disks to our destination
lab guest stop 31
lab guest start 31 --mem 128 --fill 16 --verify 64
lab guest start 32 --mem 128 --fill 16 --disk --ds 100 --verify 64
fill_disk 32
make_room 32
on_source node01 virsh -q --connect qemu:///system migrate --live --unsafe --copy-storage-all \
	--migrate-disks vda --bandwidth 2 --migrateuri tcp://node02-10g1 one-32 qemu+ssh://node02/system \
	>"$T/virsh" 2>&1 &
COPY=$!
await waits_for_memory 2 || fail "the other VM's disk copy did not begin"
# By a network that is asked of the destination, and by a name; as many checks as there are.
for setting in MIGRATE_NETWORK=10.77.1.0/24 DEST_HOST_APPEND=-10g1; do
	settings "$setting" MIGRATE_NETWORK_POLICY=strict
	here=$(place 31)
	drive 31
	check "$setting, beside another VM's disk copy: the VM moves" moved 31 "$(other "$here")"
	if [[ $here == node01 ]]; then
		check "the other VM's QEMU waited for its memory all the time" waits_for_memory 2
	fi
done
lab exec node01 -- virsh -q migrate-setspeed one-32 400
status=0
wait "$COPY" || status=$?
check "the other VM's migration ends well" test "$status" = 0
check "it is on the destination" on_node 32 node02
check "its memory is whole" lab guest verify 32
check "ours too" lab guest verify 31
