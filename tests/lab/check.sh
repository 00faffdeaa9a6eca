# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the tests of `onemigrate check`: what it says by hand, what migrate makes of the same, and what either
# has touched. To be sourced after driver.sh. The VM is $VM, on node01.
#
#	hide /var/lib/one/datastores/0/31
#	problem "a missing disk" warning disks 'vda: .* is not on node02'

VM=31 STATUS=0

# by_hand ARGUMENT...: `onemigrate check` on node01, as oneadmin calls it.
by_hand() {
	STATUS=0
	on_source node01 /var/tmp/one/onemigrate/run check "$@" >"$T/said" 2>"$T/said.err" || STATUS=$?
}

# shows SEVERITY CHECK ERE: there is that line; the status goes with the worst of them.
shows() {
	cat "$T/said" "$T/said.err"
	echo "status $STATUS"
	grep -qE "^$1 +$2 +$3" "$T/said" && status_fits
}

status_fits() {
	local want=0
	if grep -q 'most of node02 could not be checked' "$T/said"; then
		want=3
	elif grep -q '^blocker ' "$T/said"; then
		want=1
	fi
	[[ $STATUS == "$want" ]]
}

sums_up() { # ERE
	cat "$T/said" "$T/said.err"
	[[ $(tail -n 1 "$T/said") =~ $1 ]]
}

# What a migration could have touched on both hosts. The guest goes on: its console and what it writes
# into disk.0 do not count, nor do the records that migrate keeps of its attempts.
traces() {
	local host
	for host in node01 node02; do
		lab exec "$host" -- bash -s <<'END' | sed "s/^/$host /"
			for uuid in $(virsh -q list --all --uuid); do
				echo "$uuid $(virsh -q domstate --reason "$uuid") $(virsh -q snapshot-list --name "$uuid" | paste -sd,)"
				virsh -q dumpxml --security-info "$uuid" | sha256sum
			done
			find /var/lib/one/datastores -name disk.0 -printf '%p %m %U %i\n' -o \
				-printf '%p %y %s %m %U %i %T@\n' | sort
			find /var/tmp /tmp /run/one ! -name '*.lock' ! -name '*.state' ! -name history \
				! -name 'onemigrate-[0-9]*' ! -type d ! -path '*/ssh-*' -printf '%p %s %i %T@\n' 2>/dev/null | sort
			ip -br link
			ss -Hltn | sort
			nft list ruleset
			grep -c 'starting up libvirt' /var/log/libvirt/qemu/*.log 2>/dev/null || true
END
	done
}

untouched() {
	traces >"$T/after"
	diff "$T/before" "$T/after"
}

# refused CHECK ERE: one sentence for oned, a line of the check, and the VM where it was.
refused() {
	whereabouts "$VM"
	[[ $DRIVE == 1 ]] && filed FAILURE && on_node "$VM" node01 &&
		grep -qE "^\[VMM\]\[E\]:  migrate: check $1: $2" "$OUT" &&
		said "Error migrating VM $VM: (.*; )?$1: $2.*; nothing was touched, the VM still runs on node01\.$"
}

# problem TEXT SEVERITY CHECK ERE: of what was made before: told by hand, refused by migrate, nothing touched.
problem() {
	local text=$1 severity=$2 name=$3 what=$4
	traces >"$T/before"
	by_hand "$VM" node02
	check "$text: by hand a $severity" shows "$severity" "$name" "$what"
	drive "$VM"
	check "$text: migrate refuses, in one sentence" refused "$name" "$what"
	check "$text: nothing was touched on either host" untouched
}

# told TEXT SEVERITY CHECK ERE: of what does not keep migrate from trying.
told() {
	by_hand "$VM" node02
	check "$1" shows "$2" "$3" "$4"
}
