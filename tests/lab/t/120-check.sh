#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `onemigrate check`, and the same checks inside migrate: each problem is made on the hosts, its line is
# shown, migrate refuses what is a blocker, and nothing was touched. What cannot be made here is in
# NOT-IN-LAB; an older destination is 125.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"
# shellcheck source-path=SCRIPTDIR source=../check.sh
. "$(dirname "$0")/../check.sh"

FAST=(MIGRATE_NETWORK=10.77.1.0/24)

# Somebody else's machine on node02.
twin() { # NAME UUID
	lab exec node02 -- bash -c "cat >/var/tmp/twin.xml; virsh -q create /var/tmp/twin.xml" <<-END
		<domain type='qemu'><name>$1</name><uuid>$2</uuid><memory>16384</memory>
		<os><type arch='x86_64' machine='q35'>hvm</type></os>
		<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices></domain>
	END
}

# shellcheck disable=SC2016 # the host's shell reads it
listen() { # PORT
	lab exec node02 -- bash -c 'nc -lk "$1" >/dev/null 2>&1 </dev/null & echo $! >/run/nc.pid' nc "$1"
	await lab exec node02 -- nc -z 127.0.0.1 "$1"
}

no_listen() {
	# shellcheck disable=SC2016 # the host's shell reads it
	lab exec node02 -- bash -c 'kill "$(cat /run/nc.pid)"'
}

hide() { # DIRECTORY of node02
	lab exec node02 -- mount -t tmpfs -o mode=755 none "$1"
}

shown() {
	lab exec node02 -- umount "$1"
}

bridge() { # add | del
	lab exec node02 -- ip link "$1" onebr type bridge
	[[ $1 == del ]] || lab exec node02 -- ip link set onebr up
}

hostile() {
	local said
	said=$(cat "$T/said" "$T/said.err")
	echo "$said"
	[[ $STATUS == "$1" && $said != *uid=* ]] && ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' "$T/said"
}

is_json() {
	cat "$T/said" "$T/said.err"
	# shellcheck disable=SC2016 # Ruby
	lab exec fe -- ruby -r json -e '
		d = JSON.parse($stdin.read)
		exit d["findings"].size >= 30 && d["blockers"] == Integer(ARGV[0]) &&
			d["findings"].count { |f| f["severity"] == "blocker" } == d["blockers"] &&
			d["findings"].all? { |f| f.values_at("check", "found", "remedy").all?(String) }' "$1" <"$T/said"
}

begin --mgmt 1gbit "$@"
DIR=/var/lib/one/datastores/0/31
for node in node01 node02; do
	lab exec "$node" -- bash -c 'cp /usr/share/seabios/bios-256k.bin /var/tmp/bios.bin
		truncate -s 128K /var/tmp/vars.bin
		ip addr add 10.77.9.9/32 dev lo'
done
settings
lab guest start 31 --mem 96 --fill 8 --verify 16 --disk --nic --snapshots 1 --vnc 0.0.0.0:5931 \
	--loader /var/tmp/bios.bin
# shellcheck disable=SC2016
HOSTILE=$'one-32 --all $(id) "\';\u009b31m\u202e'
lab guest start 32 --name "$HOSTILE" --mem 96 --fill 8 --verify 16 --vnc 10.77.9.9:5932 \
	--loader /var/tmp/bios.bin:/var/tmp/vars.bin

# ---- nothing is in the way
traces >"$T/before"
by_hand 31 node02 --all
check "a VM that can go: no blocker, no warning" sums_up '^node01 -> node02: 0 blockers, 0 warnings, '
check "snapshots are told of, and no obstacle" shows ok snapshots '1 of libvirt'
by_hand one-31 node02 --json
check "as JSON" is_json 0
check "none of it touched either host" untouched

# ---- one at a time
hide "$DIR"
problem "a disk that is missing there" '(warning|blocker)' disks 'vda: .*/disk\.0 is not on node02'
lab exec node02 -- touch "$DIR/disk.0" "$DIR/disk.1"
problem "other files at the same paths" '(warning|blocker)' disks 'vda: .*/disk\.0 is another file on node02'
shown "$DIR"

lab exec node02 -- mv /var/tmp/bios.bin /var/tmp/bios.off
hide /usr/share/onemigrate-lab
problem "firmware and kernel that are missing there" blocker firmware 'loader /var/tmp/bios\.bin is not on node02'
check "the kernel is told of as well" shows blocker firmware 'kernel /.* is not on node02'
shown /usr/share/onemigrate-lab
lab exec node02 -- mv /var/tmp/bios.off /var/tmp/bios.bin

lab exec node02 -- mv /usr/bin/qemu-system-x86_64 /usr/bin/qemu.off
problem "an emulator that is missing there" blocker emulator 'node02 does not have /usr/bin/qemu-system-x86_64'
lab exec node02 -- mv /usr/bin/qemu.off /usr/bin/qemu-system-x86_64

listen 5931
problem "a VNC port that is taken there" blocker graphics 'port 5931, .*is taken on node02'
no_listen

twin one-31 "$(cat /proc/sys/kernel/random/uuid)"
problem "another domain of its name there" blocker destination 'node02 has another domain with its name one-31'
lab exec node02 -- virsh -q destroy one-31

twin twin "$(lab guest uuid 31)"
traces >"$T/before"
told "its UUID taken there: by hand a blocker" blocker destination 'a domain with its UUID is active on node02: running'
drive 31
check "its UUID taken there: migrate refuses" test "$DRIVE" = 1
check "its UUID taken there: in one sentence" \
	said 'Error migrating VM 31: the VM is active on both hosts .*; nothing was touched, .*nothing was destroyed'
check "its UUID taken there: nothing was touched on either host" untouched
lab exec node02 -- virsh -q destroy twin

for verdict in reject drop; do
	lab fault "$verdict" node02 mgmt --port 49152-49215
	told "a port range that does not answer ($verdict): by hand a warning" warning firewall \
		'a listener on port 49152 of node02 was not reached'
	lab fault restore node02 mgmt
done
settings "${FAST[@]}" MIGRATE_NETWORK_POLICY=strict
lab fault reject node02 fast --port 49152-49215
told "rejected on the fast network, strict, the range only guessed: a warning" warning firewall \
	'a listener on port 49152 of node02 was not reached: Connection refused'
check "as qemu.conf is not to be read" shows 'not checked' lock-manager 'qemu\.conf of node02 could not be read'
for node in node01 node02; do
	lab exec "$node" -- chmod 644 /etc/libvirt/qemu.conf
done
problem "rejected on the fast network, strict" blocker firewall \
	'a listener on port 49152 of node02 was not reached: Connection refused'
lab fault restore node02 fast
lab fault drop node02 fast --port 49152-49215
drive 31
check "silent on the fast network, strict: migrate refuses, in one sentence" refused firewall \
	'a listener on port 49152 of node02 was not reached: no answer'
lab fault restore node02 fast
settings

lab exec node02 -- sed -i 's/^host_uuid/#&/' /etc/libvirt/libvirtd.conf
lab exec node01 -- grep ^host_uuid /etc/libvirt/libvirtd.conf | lab exec node02 -- tee -a /etc/libvirt/libvirtd.conf >/dev/null
restart_libvirtd node02
problem "the same host UUID" blocker host-uuid 'libvirt has the host UUID .* on both hosts'
check "with the remedy" grep -q 'host_uuid_source = "machine-id"' "$T/said"

# ---- five of them at once
hide "$DIR"
hide /usr/share/onemigrate-lab
bridge del
listen 5931
problem "five at once" blocker host-uuid 'libvirt has the host UUID'
for name in 'blocker +firmware' 'blocker +graphics' '(warning|blocker) +disks' 'warning +networks'; do
	check "five at once: $name" grep -qE "^$name " "$T/said"
done
for name in firmware graphics disks networks; do
	check "five at once, migrate: $name" refused "$name" '.'
done
no_listen
shown /usr/share/onemigrate-lab
shown "$DIR"
lab exec node02 -- sed -i -e '/^host_uuid/d' -e 's/^#host_uuid = /host_uuid = /' /etc/libvirt/libvirtd.conf
restart_libvirtd node02

# ---- a bridge alone, and what the settings make of it
problem "a bridge that is missing there" '(warning|blocker)' networks 'node02 has no bridge onebr'
settings MIGRATE_CHECK=warn
drive 31
check "MIGRATE_CHECK=warn: a warning" said 'WARN: migrate: check networks: .*a blocker, were MIGRATE_CHECK not warn'
check "and libvirt refuses it indeed" stayed 31 node01
settings MIGRATE_CHECK=off
drive 31
check "MIGRATE_CHECK=off: nothing is said before" silent 'migrate: check '
check "and libvirt refuses it indeed, in its own words" said 'Error migrating VM 31: .*onebr'
settings MIGRATE_CHECK_IGNORE="cpu, networks"
drive 31
check "MIGRATE_CHECK_IGNORE: a warning" \
	said 'WARN: migrate: check networks: .*a blocker that MIGRATE_CHECK_IGNORE names'
check "MIGRATE_CHECK_IGNORE: the VM stays" stayed 31 node01
bridge add
settings MIGRATE_CHECK_IGNORE=network
drive 31
check "a name that is none: refused, with all names" \
	said "Error migrating VM 31: MIGRATE_CHECK_IGNORE 'network' .*'network' is no check; .*nothing was touched"

# ---- options
settings MIGRATE_OPTIONS=--tls
problem "no certificates for --tls" blocker tls 'node01 lacks the certificates of a TLS client'
check "on either side" shows blocker tls 'node02 lacks the certificates of a TLS server'

# ---- warnings, several at once
settings "${FAST[@]}" MIGRATE_OPTIONS="--parallel --zerocopy"
lab exec node02 -- ip link set fast mtu 1400
lab exec node01 --user "$USER_OF_LAB" -- qemu-img create -q -f qcow2 "$DIR/copy" 64M
lab exec node01 -- virsh -q blockcopy one-31 vda "$DIR/copy" --reuse-external --bandwidth 1 >/dev/null
lab exec node02 -- bash -c 'cd /etc/libvirt; cp -p qemu.conf qemu.saved
	printf "migration_port_min = 49152\nmigration_port_max = 49152\nlock_manager = \"sanlock\"\n" >>qemu.conf'
listen 49152
lab exec node01 -- bash -c 'virsh -q dumpxml one-31 >/run/one-31.xml; virsh -q define /run/one-31.xml; virsh -q suspend one-31' >/dev/null
traces >"$T/before"
by_hand 31 node02
check "packets of full size that are lost" shows warning mtu '.*packets of 1500 bytes are lost'
check "a block job" shows warning job 'a block job works on its disk vda'
check "other lock managers" shows warning lock-manager 'node01 has lock_manager none, node02 has sanlock'
check "no port of the range is free" shows warning ports 'none of the ports 49152 to 49152 is free'
check "a domain that is paused" shows warning domain 'it is paused'
check "and that is defined for good" shows warning domain 'it is defined on node01'
check "no --unsafe: what libvirt may say to the disks" shows warning disks \
	'vda: libvirt takes the file system of .*disk\.0 \(tmpfs\) .*unsafe'
check "--zerocopy: memory that is locked" shows 'not checked' memlock '--zerocopy locks up to'
check "none of it touched either host" untouched
lab exec node01 -- bash -c "virsh -q resume one-31; virsh -q undefine --snapshots-metadata --keep-nvram one-31
	virsh -q blockjob one-31 vda --abort; rm $DIR/copy" >/dev/null
lab exec node02 -- bash -c 'ip link set fast mtu 1500; mv /etc/libvirt/qemu.saved /etc/libvirt/qemu.conf'
no_listen
settings

# ---- destinations that do not answer, and what is no destination
lab fault reject node02 mgmt --port 22
traces >"$T/before"
told "a host that cannot be reached: not checked" warning helper 'most of node02 could not be checked'
check "with what ssh says" grep -q 'node02 did not say: ssh: .*Connection refused$' "$T/said"
drive 31
check "a host that cannot be reached: migrate refuses" stayed 31 node01
check "nothing was touched on either host" untouched
lab fault restore node02 mgmt
# Each line: the status that is wanted, and what was asked.
on_source node01 bash -s >"$T/said" 2>"$T/said.err" <<-'END'
	check() {
		local status=0
		/var/tmp/one/onemigrate/run check "$@" || status=$?
		echo "status $status of [$*]"
	}
	check
	check 31
	check 31 node02 node02
	check --every 31 node02
	check 31 -oProxyCommand=id
	check 31 'node02;id'
	check '$(id)' node02
	check 31 nowhere
	check 99 node02
END
check "wrong arguments: status 2" test "$(grep -c '^status 2 of ' "$T/said")" = 5
check "no such host, no such VM: status 3" test "$(grep -c '^status 3 of ' "$T/said")" = 4
check "the host that was asked is named" grep -q "no such domain on this host: .*'one-99'" "$T/said.err"
STATUS=0
check "none of them runs anything" hostile 0

# ---- a name that is meant to do harm, a listen address, UEFI variables
UUID=$(lab guest uuid 32)
hide /var/lib/one/datastores/0/32
lab exec node02 -- bash -c 'mv /var/tmp/vars.bin /var/tmp/vars.off; ip addr del 10.77.9.9/32 dev lo'
by_hand "$UUID" node02
check "an address that VNC cannot listen on there" shows blocker graphics 'vnc listens on 10\.77\.9\.9, which is no address of node02'
check "neither UEFI variables nor their template" shows '(warning|blocker)' nvram 'neither .*/nvram nor its template /var/tmp/vars\.bin is on node02'
by_hand "$UUID" node02 --all --json
check "a hostile name is printed cleanly" hostile 1
check "and is one text of the JSON" is_json 1
lab exec node02 -- bash -c 'mv /var/tmp/vars.off /var/tmp/vars.bin; ip addr add 10.77.9.9/32 dev lo'
shown /var/lib/one/datastores/0/32

copying_32() {
	[[ $(lab exec node01 -- virsh -q domjobinfo "$UUID") =~ Memory\ processed:\ +[0-9.]+\ MiB ]]
}

settings MIGRATE_OPTIONS="--unsafe --bandwidth 4"
begin_drive 32 --from node01
await copying_32 || fail "the migration of 32 did not begin"
by_hand "$UUID" node02
check "a migration of it that is under way" shows blocker job 'a migration of it is under way on node01'
told "another migration that is under way" warning migrations 'others are under way'
lab exec node01 -- virsh -q domjobabort "$UUID"
finish_drive
lab guest stop 32

# ---- what is only a warning is no obstacle
settings MIGRATE_POSTCOPY=yes
lab exec node02 -- bash -c 'sed -E "s/^(MemAvailable:) .*/\1 65536 kB/" /proc/meminfo >/run/meminfo
	mount --bind /run/meminfo /proc/meminfo; chmod 600 /dev/userfaultfd'
told "memory that is overcommitted on paper" warning memory 'node02 has 64 MiB of memory available, and the VM may take 96 MiB'
[[ $(</proc/sys/vm/unprivileged_userfaultfd) != 0 ]] ||
	check "post-copy that QEMU may not have" shows warning userfaultfd 'QEMU on node02 may not have post-copy: .*vm\.unprivileged_userfaultfd'
drive 31
check "with both the VM moves" moved 31 node02
check "and they are warnings" said 'WARN: migrate: check memory: node02 has 64 MiB'
lab exec node02 -- umount /proc/meminfo
by_hand "$(lab guest uuid 31)" node02
check "asked again where it was: it is there already" shows blocker domain 'it is not on node01, but on node02 already'

settings
lab exec node01 -- mv /var/tmp/one/onemigrate /var/tmp/one/onemigrate.off
STATUS=0
on_source node02 /var/tmp/one/onemigrate/run check 31 node01 >"$T/said" 2>"$T/said.err" || STATUS=$?
check "no helper on the destination: not known" test "$STATUS" = 3
check "and that is told" grep -q 'most of node01 could not be checked' "$T/said"
drive 31
check "without it the VM moves" moved 31 node01
lab exec node01 -- mv /var/tmp/one/onemigrate.off /var/tmp/one/onemigrate

by_hand 31 node02
check "all is undone: nothing is in the way" sums_up '^node01 -> node02: 0 blockers, 0 warnings, '
check "memory is whole" lab guest verify 31
