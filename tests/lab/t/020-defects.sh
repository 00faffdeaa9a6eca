#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A fast network that is not what it should be, under both policies.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

# refused KEY=VALUE...: strict ends it before the destination hears of it.
refused() {
	local before
	before=$(starts "$there" 31)
	settings "$@" MIGRATE_NETWORK_POLICY=strict
	drive 31
	stayed 31 "$here" && [[ $(starts "$there" 31) == "$before" ]] && said 'strict; nothing was touched' &&
		silent '^.VMM..I.: WARN'
}

turn() {
	here=$(place 31)
	there=$(other "$here")
}

# defect TEXT WHY KEY=VALUE...: strict refuses, fallback warns once with the reason and goes.
defect() {
	local text=$1 why=$2
	shift 2
	turn
	check "$text, strict: refused and nothing touched" refused "$@"
	check "$text, strict: the sentence says why" said "Error migrating VM 31: .*$why"
	settings "$@"
	drive 31
	check "$text, fallback: the VM moves" moved 31 "$there"
	check "$text, fallback: one WARN says why" one_warning "$why.*default path"
}

# The check of the firewall warns for itself where it does not know the range for certain.
one_warning() {
	cat "$OUT"
	[[ $(grep '^.VMM..I.: WARN' "$OUT" | grep -vc 'check firewall: ') == 1 ]] && said "WARN: migrate: .*$1"
}

# Too late for a refusal before: the destination had to be asked for a port.
late() {
	local text=$1 why=$2
	shift 2
	turn
	settings "$@" MIGRATE_NETWORK_POLICY=strict
	drive 31
	check "$text, strict: the VM stays" stayed 31 "$here"
	check "$text, strict: the sentence says why" said "Error migrating VM 31: .*$why"
	check "$text, strict: it has its snapshot" lab exec "$here" -- virsh snapshot-current one-31
	settings "$@"
	drive 31
	check "$text, fallback: the VM moves" moved 31 "$there"
	check "$text, fallback: one WARN says why" one_warning "before the first byte.*$why.*default path"
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 96 --fill 16 --disk --snapshots 1 --verify 64
for node in node01 node02; do
	# Addresses that a host answers on without having them, and a name of the other host.
	lab exec "$node" -- bash -c 'cat >>/etc/hosts' <<-'END'
		10.77.3.11 node01-any
		10.77.3.12 node02-any
		10.77.1.12 node01-crossed
		10.77.1.11 node02-crossed
	END
	# An answer of the firewall costs nothing; silence would be two minutes of a test.
	lab exec "$node" -- sysctl -qw net.ipv4.tcp_syn_retries=1
done
lab exec node01 -- ip route add local 10.77.3.11 dev lo
lab exec node02 -- ip route add local 10.77.3.12 dev lo
lab exec node01 -- ip route add 10.77.3.12 via 10.77.1.12
lab exec node02 -- ip route add 10.77.3.11 via 10.77.1.11

defect "a name that does not resolve" 'nowhere' DEST_HOST_APPEND=-nowhere
defect "no address of the destination in the network" 'no address in it' MIGRATE_NETWORK=10.79.0.0/16

lab fault drop node02 fast
defect "silence" 'no answer within 1000 ms' DEST_HOST_APPEND=-10g1
lab fault restore node02 fast

lab exec node01 -- ip route add prohibit 10.77.1.12/32
lab exec node02 -- ip route add prohibit 10.77.1.11/32
defect "a route that says prohibited" 'no route to 10.77.1.1[12]: ' MIGRATE_NETWORK=10.77.1.0/24
lab exec node01 -- ip route del prohibit 10.77.1.12/32
lab exec node02 -- ip route del prohibit 10.77.1.11/32

for node in node01 node02; do
	lab fault reject "$node" fast --port 49152-49215
done
late "migration ports rejected" 'Connection refused' MIGRATE_NETWORK=10.77.1.0/24
lab fault restore
for node in node01 node02; do
	lab fault drop "$node" fast --port 49152-49215
done
late "migration ports silent" 'timed out' MIGRATE_NETWORK=10.77.1.0/24

# Where qemu.conf can be read the range is known for certain, and what is closed is not tried.
for node in node01 node02; do
	lab exec "$node" -- chmod 644 /etc/libvirt/qemu.conf
done
turn
settings MIGRATE_NETWORK=10.77.1.0/24
drive 31
check "migration ports known to be silent: the VM moves" moved 31 "$there"
check "migration ports known to be silent: one WARN, and the default path at once" \
	one_warning 'a listener on port 49152 was not reached: no answer .*default path'
check "migration ports known to be silent: that is told once" silent 'check firewall: '
lab fault restore
for node in node01 node02; do
	lab exec "$node" -- chmod 600 /etc/libvirt/qemu.conf
done

# What OpenNebula's users know as #7276: the name that the destination has of itself.
turn
settings
lab exec "$there" -- hostname no-such-name
drive 31
check "nothing configured, the destination's own name does not resolve: the VM moves" moved 31 "$there"
check "one WARN says why, and that OpenNebula's name was taken" \
	one_warning "before the first byte.*no-such-name.*OpenNebula name"
lab exec "$there" -- hostname "$there"

turn
settings DEST_HOST_APPEND=-crossed
drive 31
check "the name of another host: the VM moves all the same" moved 31 "$there"
check "it says that the destination has no such address" \
	said 'WARN: migrate: 10\.77\.1\.1[12] is not an address of the destination'
for policy in fallback strict; do
	turn
	settings DEST_HOST_APPEND=-any MIGRATE_NETWORK_POLICY=$policy
	count
	drive 31
	check "an address that the destination answers on and does not have, $policy: the VM moves" moved 31 "$there"
	check "it warns that QEMU listens on every address" \
		one_warning '10\.77\.3\.1[12] is not an address of the destination itself.*listens on every address'
	check "it goes there" by_leg "$here" fast
	turn
	settings MIGRATE_NETWORK=10.77.0.0/24 MIGRATE_NETWORK_POLICY=$policy
	drive 31
	check "the management network given as the fast one, $policy: the VM moves" moved 31 "$there"
	check "it warns that both are one interface" \
		one_warning '10\.77\.0\.1[12] is reached by mgmt, the interface that also leads to the management'
done
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
