# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the tests of moves between datastores of one host: a guest with five disks and an empty drive, in datastore $AT of
# node01, and what has to hold of it after each move. To be sourced after driver.sh.

STORE=/var/lib/one/datastores
AT=110 # where the guest's disks are by now

virsh_at() {
	lab exec node01 -- virsh -q "$@"
}

# Faults of libvirt, in the helper.
inject() {
	printf '%s\n' "$*" >"$T/inject"
	lab push node01 "$T/inject" /tmp/inject 666
}

# move VMID TO: the action, while the guest's signs of life are watched; LONGEST is the longest wait for one, in ms.
move() {
	local watcher
	"$LAB_DIR/lab" guest beats "$1" >"$T/beats" &
	watcher=$!
	sleep 1
	drive "$1" --from node01 --ds "$AT" --to-ds "$2"
	sleep 1
	kill "$watcher"
	wait "$watcher" || true
	LONGEST=$(sed -n 's/.*longest_ms=//p' "$T/beats")
}

# begin_move VMID TO: in the background; returns when a copy is under way. finish_drive waits for it.
begin_move() {
	begin_drive "$1" --from node01 --ds "$AT" --to-ds "$2"
	await copies || fail "the move of $1 did not begin"
}

copies() {
	[[ $(virsh_at dumpxml one-31) == *'<mirror '* ]]
}

no_copies() {
	! copies
}

went_on() {
	echo "$LONGEST ms"
	((LONGEST < 1500))
}

# All disks, layers and the drive's medium are there, by the running domain.
disks_in() {
	local xml
	xml=$(virsh_at dumpxml "one-$1")
	grep -E 'source (file|dev)=' <<<"$xml"
	! grep -E "source (file|dev)='$STORE/[0-9]+/$1/" <<<"$xml" | grep -v "='$STORE/$2/$1/"
}

metadata_says() {
	local xml
	xml=$(virsh_at dumpxml "one-$1")
	grep system_datastore <<<"$xml"
	[[ $xml == *"<one:system_datastore><![CDATA[$STORE/$2/$1]]></one:system_datastore>"* ]]
}

still_transient() {
	grep -x "one-$1" < <(virsh_at list --all --transient --name)
}

# QEMU has no file open that is not there any more.
nothing_gone() {
	# shellcheck disable=SC2016 # expanded on the host
	! lab exec node01 -- sh -c 'ls -l /proc/$(pgrep -o qemu-system)/fd' | grep "$STORE.*(deleted)"
}

right() {
	lab guest verify "$1" && lab guest verify-image "$1"
}

# check_guest TEXT VMID DATASTORE
check_guest() {
	check "$1: its disks are in $3" disks_in "$2" "$3"
	check "$1: the metadata says so" metadata_says "$2" "$3"
	check "$1: it has gone on" went_on
	check "$1: no file in use is gone" nothing_gone
	check "$1: its data is right, from inside and from outside" right "$2"
}

is_gone() {
	! lab exec node01 -- ls -la "$STORE/$1" 2>/dev/null
}

same_names() {
	diff <(lab exec node01 -- find "$STORE/$1" -printf '%P %y\n' | sort) \
		<(lab exec node01 -- find "$STORE/$2" -printf '%P %y\n' | sort)
}

succeeded() {
	cat "$OUT"
	[[ $DRIVE == 0 ]] && filed SUCCESS && on_node "$1" node01
}

failed() {
	cat "$OUT"
	[[ $DRIVE == 1 ]] && filed FAILURE && on_node "$1" node01
}

# The move to $2 failed for the reason $3, all is as before, and nothing is left.
undone() {
	local text=$1 to=$2 why=$3 where=${4:-the VM still runs on node01 with its disks in $STORE/$AT/31, as before}
	check "$text: a failure" failed 31
	check "$text: the sentence says why, and where the VM is" said "Error migrating VM 31: .*$why.*; $where\."
	check "$text: no copy goes on" no_copies
	check "$text: nothing is left of it" is_gone "$to/31"
	check_guest "$text" 31 "$AT"
}

# As OpenNebula's storage driver does after a success.
remove_old() {
	lab exec node01 -- rm -rf "$STORE/$1/31"
}

# goes TEXT TO, as a success.
goes() {
	check "$1: a success" succeeded 31
	[[ $DRIVE == 0 ]] || return 0 # it is where it was
	check "$1: the same names are in both directories" same_names "$AT/31" "$2/31"
	remove_old "$AT"
	AT=$2
	check_guest "$1" 31 "$AT"
}

# Where they are not.
away() {
	[[ $AT == 110 ]] && echo 111 || echo 110
}

# trip TEXT: to the other datastore.
trip() {
	local to
	to=$(away)
	move 31 "$to"
	goes "$1" "$to"
}

begin_moves() {
	begin --mgmt 1gbit --local-size 700 "$@"
	gcc -shared -fPIC -O2 -o "$T/inject.so" "$LAB_DIR/inject.c" -ldl
	lab push node01 "$T/inject.so" /usr/local/lib/inject.so 755
	inject none '*' 0
	lab guest start 31 --mem 128 --fill 16 --ds 110 --verify 32 --storage \
		"snap:32:layers=3,qcow2:32,raw:32:rate=4:unit=64,context,empty,qcow2:16:name=it's <5> & \"6\""
}
