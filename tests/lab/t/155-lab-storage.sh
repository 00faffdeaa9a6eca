#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lab's own storage: guests that write to their disks, what is seen of a disk that is not right, pauses seen from
# outside, and datastores that are a host's own and can be full.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

STORE=/var/lib/one/datastores

virsh_at() {
	lab exec "$1" -- virsh -q "${@:2}"
}

as_user() {
	lab exec "$1" --user "$USER_OF_LAB" -- "${@:2}"
}

# images VMID [ERE]: they are right, or ERE is what is said of them.
images() {
	local said status=0
	said=$(lab guest verify-image "$1" 2>&1) || status=$?
	echo "$said"
	if [[ -n ${2-} ]]; then
		[[ $status != 0 && $said =~ $2 ]]
	else
		[[ $status == 0 ]]
	fi
}

noticed() {
	local said
	lab guest console "$1" | grep '^ERROR'
	! said=$(lab guest verify "$1" 2>&1) || return 1
	[[ $said == *"disk or kernel errors"* ]] && lab guest console "$1" | grep -qE "^ERROR disk=$2"
}

# watch VMID CMD...: LONGEST is the longest wait in ms for a sign of life while CMD ran.
watch() {
	local watcher
	"$LAB_DIR/lab" guest beats "$1" >"$T/beats" &
	watcher=$!
	sleep 1
	"${@:2}"
	sleep 1
	kill "$watcher"
	wait "$watcher" || true
	LONGEST=$(sed -n 's/.*longest_ms=//p' "$T/beats")
}

stands_still() {
	virsh_at node01 suspend one-31
	sleep "$1"
	virsh_at node01 resume one-31
}

between() {
	echo "$1"
	(($1 >= $2 && $1 <= $3))
}

same_file() {
	[[ $(lab exec node01 -- stat -c '%d %i' "$STORE/$1") == "$(lab exec node02 -- stat -c '%d %i' "$STORE/$1")" ]]
}

not_same_file() {
	! same_file "$1"
}

# By hand: what the guest writes to is mirrored onto placeholders, the rest was sent before.
by_hand() {
	local dir=$STORE/110/31
	lab exec node01 -- tar -C "$STORE/110" -c 31/disk.2.snap/{0,1,disk.2.snap} 31/disk.3 \
		"31/lab guest & \"31\"_VARS.fd" | as_user node02 tar -C "$STORE/110" -x
	as_user node02 sh -c "cd $dir && qemu-img create -q -f qcow2 disk.0 16M &&
		qemu-img create -q -f raw disk.1 16M && qemu-img create -q -f raw 'a b & \"c\"' 8M &&
		qemu-img create -q -f qcow2 -F qcow2 -b disk.2.snap/1 disk.2.snap/2 &&
		ln -s disk.2.snap/2 disk.2"
	on_source node01 virsh -q --connect qemu:///system migrate --live --unsafe --copy-storage-inc \
		--migrate-disks vda,vdb,vdc,vdd --migrateuri tcp://node02-10g1 one-31 qemu+ssh://node02/system
}

document_says() {
	local document
	document=$(lab action 31 --to-ds 111)
	[[ $document == *"MIGRATE ssh node01 node01 /var/lib/one//datastores/111/31 31 111"* &&
		$document == *"<DISK_TARGET_PATH>/var/lib/one//datastores/111/31<"* &&
		$document == *"<DS_ID>111<"* && $document == *"datastores/110]]></BASE_PATH>"* &&
		$document == *"<SHARED><![CDATA[NO]"* ]]
}

fits() {
	as_user node02 sh -c "dd if=/dev/zero of=$STORE/110/filler bs=1M count=$1 2>&1; s=\$?; rm $STORE/110/filler; exit \$s"
}

not_in() {
	! lab exec "$1" -- test -e "$STORE/$2"
}

come_round() {
	[[ $(lab guest console 32) =~ DISK\ vda\ written=[0-9]+\ synced=([6-9][0-9][0-9]|[0-9]{4,})\  ]]
}

no_loops() {
	local loop
	for loop in $loops; do
		! losetup "$loop" 2>/dev/null || return 1
	done
}

does_not_fit() {
	! fits "$1"
}

begin --mgmt 1gbit --local-size 512 "$@"
lab guest start 31 --mem 160 --fill 32 --ds 110 --verify 64 --nvram \
	--storage 'qcow2:16,raw:16:rate=2:unit=64,snap:16,context,empty,raw:8:name=a b & "c"'

# ---- places
check "what nodes share is the same file on both" same_file 0
check "so is the second one" same_file 101
check "a host's own is not" not_same_file 110
check "nor is the second one" not_same_file 111
check "the document of a move to another datastore" document_says
check "it is well-formed" lab exec node01 -- ruby -r rexml/document -e \
	'REXML::Document.new(STDIN.read).root or exit 1' < <(lab action 31 --to-ds 111)

# ---- a guest that writes
check "the guest's disks are right, from inside" lab guest verify 31
check "and from outside" images 31
check "and the guest has gone on" lab guest verify 31
begun=${EPOCHREALTIME/./}
watch 31 stands_still 0.8
check "a pause of 0.8 s is seen from outside" between "$LONGEST" 800 $(((${EPOCHREALTIME/./} - begun) / 1000))
watch 31 sleep 1
check "where there is none, none is seen" between "$LONGEST" 5 300
lab action 31 >"$T/document"
as_user node02 mkdir "$STORE/110/31"
check "premigrate, as the driver of the datastore has it" storage_step premigrate "$T/document"
check "removes what was there" not_in node02 110/31
watch 31 by_hand
check "it migrates with its disks" on_node 31 node02
check "its pause is seen" between "$LONGEST" 20 3000
check "nothing of its disks is lost, from inside" lab guest verify 31
check "and from outside, a chain and a name with a blank among them" images 31
check "its UEFI variables are not those of the template" lab exec node02 -- \
	grep -q 'variables of 31' "$STORE/110/31/lab guest & \"31\"_VARS.fd"

# ---- a disk that is not right
lab exec node02 -- virsh -q qemu-monitor-command one-31 --hmp \
	'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -P 7 1M 4k"' >/dev/null
check "a foreign block is seen from outside" images 31 'block 256: foreign'
check "and by the guest" await noticed 31 'vda block=256 foreign'
lab guest stop 31

lab guest start 32 --mem 128 --fill 16 --ds 110 --verify 64 --storage 'raw:8,snap:8:layers=4'
check "another guest is right" images 32
# Unit 7919 mod 512 is what write 1 goes to; it comes round again with write 513.
check "it has come round" await come_round
virsh_at node01 suspend one-32
LAYOUT=0:2048:1:512:512:1:1024
as_user node01 sh -c "cd $STORE/110/32 && /usr/share/onemigrate-lab/blocks make /var/tmp/old $LAYOUT $((512 + 7919 % 512)) 1 &&
	dd if=/var/tmp/old of=disk.0 bs=4096 seek=$((512 + 7919 % 512)) conv=notrunc status=none"
check "a write that was lost is seen" images 32 "block $((512 + 7919 % 512)): old"
as_user node01 sh -c "cd $STORE/110/32/disk.1.snap && mv 1 1.off && qemu-img create -q -f qcow2 -F qcow2 -b disk.1.snap/0 1 8M"
check "so is a layer of a chain that is not what it was" images 32 'block 16: empty'
lab guest stop 32

# ---- no space
lab fault full node02 110 4
check "a datastore can be made to have 4 MiB left" fits 3
check "and no more" does_not_fit 6
lab fault restore
check "which is undone" fits 16

# ---- devices
status=0
lab guest start 33 --mem 128 --fill 16 --ds 110 --verify 64 --storage 'block:8' || status=$?
if [[ $status == 77 ]]; then
	echo "skip - a disk on a device: no loop devices here"
else
	check "a disk on a device starts" test "$status" = 0
	check "it is right, from inside" lab guest verify 33
	check "and from outside" images 33
	check "it is a link to a volume" lab exec node01 -- \
		bash -c "[[ \$(readlink $STORE/110/33/disk.0) == /dev/vg-one-110/lv-one-33-0 ]]"
	check "which is a device, also on the other node" lab exec node02 -- test -b /dev/vg-one-110/lv-one-33-0
	loops=$(<"/run/onemigrate-lab/$LAB/loops.33")
	lab guest stop 33
	check "the devices go with the guest" no_loops
fi
