#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The real sequence around a migration - premigrate, pre, migrate, clean, post, postmigrate, failmigrate - driven from the
# front-end, with stock TM scripts that really remove: on local, shared and ceph-like storage, after false
# answers, and where somebody cannot be asked. No directory of a living VM goes.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

STORE=/var/lib/one/datastores
REMOTES=/var/lib/one/remotes
TM=0 RAN=''

# The <VM> of the document, with the disks' driver $2 and the elements $5 in the template.
vm_document() {
	local vmid=$1 images=$2 document vm mad='<TM_MAD><![CDATA[' i
	document=$(lab action "$vmid" --from "$3" --to "$4")
	vm="<VM>${document#*<VM>}"
	vm="${vm%</VM>*}</VM>"
	for i in shared ssh; do
		vm=${vm//"$mad$i]"/"$mad$images]"}
	done
	printf '%s' "${vm/'</TEMPLATE><USER_TEMPLATE>'/"$5</TEMPLATE><USER_TEMPLATE>"}"
}

datastore_of() {
	cut -d ' ' -f 4 "/run/onemigrate-lab/$LAB/facts.$1"
}

# tm STEP DRIVER VMID [FROM TO]: a TM script as OpenNebula's driver runs it. Sets TM to its status and RAN to the
# stock scripts that ran. DIR, IMAGES (the disks' driver) and NICS can be set.
tm() {
	local step=$1 mad=$2 vmid=$3 from=${4:-node01} to=${5:-node02} ds
	ds=$(datastore_of "$vmid")
	lab exec fe -- rm -f /tmp/tm.ran
	vm_document "$vmid" "${IMAGES:-$mad}" "$from" "$to" "${NICS:-}" | base64 -w 0 >"$T/vm.64"
	TM=0
	lab exec fe --user "$USER_OF_LAB" -- "$REMOTES/tm/$mad/$step" "$from" "$to" \
		"${DIR-/var/lib/one//datastores/$ds/$vmid}" "$vmid" "$ds" <"$T/vm.64" >"$T/tm.out" 2>"$T/tm.err" || TM=$?
	RAN=$(lab exec fe -- cat /tmp/tm.ran 2>/dev/null || true)
	[[ ! -s $T/tm.out ]] || fail "$step of $mad: stdout is empty"
}

# A network script on a host: vnm STEP HOST VMID
vnm() {
	lab exec fe --user "$USER_OF_LAB" -- ssh -A "$2" "/var/tmp/one/vnm/lab/$1 x" <"$T/vm.64"
}

how() {
	echo "status $TM, ran: $RAN"
	cat "$T/tm.err"
}

# The stock script ran and was given what we were given, and the step succeeded.
ran() {
	how
	[[ $TM == 0 && $RAN == "$1 5 $(sha256sum <"$T/vm.64" | cut -d ' ' -f 1)" ]]
}

# No stock script ran, and the step ended so: quiet STATUS [ERE of what was said]
quiet() {
	how
	[[ $TM == "$1" && -z $RAN ]] && { [[ -z ${2-} ]] || grep -qE -- "$2" "$T/tm.err"; }
}

# Lines that OpenNebula 7 shows of a step that succeeds.
visible() {
	how
	grep -qE "^INFO: $1 (WARNING )?(pre|post|fail)migrate: .*$2" "$T/tm.err"
}

has_dir() {
	lab exec "$1" -- ls -la "$STORE/$2"
}

no_dir() {
	! lab exec "$1" -- ls -la "$STORE/$2" 2>/dev/null
}

# Inodes and names, and that no file was emptied: what must not change.
listing() {
	lab exec "$1" -- find "$STORE/$2" -size +0 -printf '%i %P\n' | sort
}

unchanged() {
	diff <(listing "$1" "$2") "$T/listing"
}

keep_listing() {
	listing "$1" "$2" >"$T/listing"
}

begin --mgmt 1gbit "$@"
settings MIGRATE_OPTIONS=--unsafe
if [[ $USER_OF_LAB != root ]]; then
	for node in node01 node02; do
		lab exec "$node" -- sh -c "echo '$USER_OF_LAB ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/lab"
	done
fi

# ---- storage of each host's own
lab guest start 31 --mem 128 --fill 32 --disk --ds 100 --verify 64
lab exec node02 --user "$USER_OF_LAB" -- sh -c "mkdir $STORE/100/31; echo stale >$STORE/100/31/disk.0"
tm premigrate ssh 31
check "local storage: the stock premigrate runs, with our arguments and document" ran ssh/premigrate
check "local storage: it has removed a leftover" no_dir node02 100/31
drive 31
check "local storage: the VM moves" on_node 31 node02
tm postmigrate ssh 31
check "local storage: the stock postmigrate runs" ran ssh/postmigrate
check "local storage: the source's directory is gone" no_dir node01 100/31
check "local storage: the VM has its disk" lab guest verify 31

# ---- the answer was false: it runs on node02, and OpenNebula has it on node01
keep_listing node02 100/31
for driver in ssh local ceph lvm; do
	tm premigrate $driver 31
	check "false failure: premigrate of $driver succeeds without the stock script" quiet 0 'INFO: 31 premigrate: .*node02 already'
done
check "false failure: nothing of the VM is touched" unchanged node02 100/31
drive 31 --from node01 --to node02
check "false failure: migrate answers what is so" moved 31 node02
tm failmigrate lvm 31
check "false failure: failmigrate keeps the VM's directory" quiet 1 'failmigrate of VM 31: the VM is not proven to run on node01'
tm failmigrate ssh 31
check "false failure: a failmigrate that removes nothing runs" ran ssh/failmigrate
check "false failure: still nothing is touched" unchanged node02 100/31
# And it is said to have gone from node02 to node01.
for driver in ssh local ceph lvm; do
	tm postmigrate $driver 31 node02 node01
	check "false success: postmigrate of $driver keeps the VM's directory" quiet 1 'postmigrate of VM 31: .*is kept'
done
check "false success: nothing of the VM is touched" unchanged node02 100/31

# ---- on both hosts
lab exec node01 -- sh -c "cat >/tmp/twin.xml" <<-END
	<domain type='qemu'><name>one-31</name><uuid>$(lab guest uuid 31)</uuid><memory>32768</memory>
	<os><type arch='x86_64'>hvm</type></os></domain>
END
lab exec node01 -- virsh -q create /tmp/twin.xml >/dev/null
tm premigrate ssh 31
check "alive on both: premigrate refuses" quiet 1 'Error migrating VM 31: the VM is on both hosts'
tm premigrate ssh 31 node02 node01
check "alive on both: the other way too" quiet 1 'Error migrating VM 31: the VM is on both hosts'
tm postmigrate ssh 31 node02 node01
check "alive on both: postmigrate keeps" quiet 1
tm failmigrate lvm 31 node01 node02
check "alive on both: failmigrate keeps" quiet 1
lab exec node01 -- virsh -q destroy one-31 >/dev/null
check "alive on both: nothing of the VM is touched" unchanged node02 100/31

# ---- a silent side
lab exec node01 -- pkill -KILL -x libvirtd
await no_libvirtd node01
for pair in 'node01 node02' 'node02 node01'; do
	# shellcheck disable=SC2086
	tm premigrate ssh 31 $pair
	check "a silent libvirt, $pair: premigrate refuses" quiet 1 'where the VM is, is not known'
	# shellcheck disable=SC2086
	tm postmigrate ssh 31 $pair
	check "a silent libvirt, $pair: postmigrate keeps" quiet 1
	# shellcheck disable=SC2086
	tm failmigrate lvm 31 $pair
	check "a silent libvirt, $pair: failmigrate keeps" quiet 1
done
lab exec node01 -- libvirtd --daemon
check "a silent libvirt: nothing of the VM is touched" unchanged node02 100/31

# ---- paths that are none
for pair in 'premigrate /' 'postmigrate ' "failmigrate $STORE/100/" "premigrate $STORE/100/32" "postmigrate $STORE/100/31/.." \
	"failmigrate $STORE//31"; do
	DIR=${pair#* }
	tm "${pair% *}" lvm 31 node02 node01
	check "${pair% *} with the directory '$DIR' is refused" quiet 1 '31: the target directory'
done
unset DIR
check "paths: nothing of the VM is touched" unchanged node02 100/31

# ---- nobody can be asked; and a front-end that has no libvirt can ask
# shellcheck disable=SC2016 # for that shell
lab exec fe -- sh -c 'for f in /usr/lib/*/libvirt.so.0*; do mv "$f" "$f.gone"; done'
tm premigrate local 31 node02 node01
check "a front-end without libvirt: the stock script, in Ruby, runs" ran local/premigrate
lab exec node02 -- mv /var/tmp/one/onemigrate /var/tmp/one/onemigrate.gone
tm premigrate ssh 31 node02 node01
check "no helper on the source: premigrate of ssh fails" quiet 1 'node02 could not be asked'
tm postmigrate ceph 31 node02 node01
check "no helper on the source: postmigrate of ceph keeps" quiet 1 'node02 could not be asked'
tm premigrate shared 31 node02 node01
check "no helper on the source: premigrate of shared runs" ran shared/premigrate
check "no helper on the source: and says so" visible 31 'node02 could not be asked about the VM .*runs unchecked'
lab exec node02 -- mv /var/tmp/one/onemigrate.gone /var/tmp/one/onemigrate
check "nobody asked: nothing of the VM is touched" unchanged node02 100/31

# ---- a failed attempt is undone on the destination, which is node01 now
lab exec node01 --user "$USER_OF_LAB" -- mkdir "$STORE/100/31"
tm premigrate ceph 31 node02 node01
check "ceph-like: the stock premigrate carries the directory over" ran ceph/premigrate
check "ceph-like: it is there" has_dir node01 100/31/disk.0
tm failmigrate ceph 31 node02 node01
check "a failed attempt: a directory that was there before is left" has_dir node01 100/31
check "a failed attempt: the stock failmigrate runs" ran ceph/failmigrate
lab exec node01 -- rm -r "$STORE/100/31"
tm premigrate ceph 31 node02 node01
check "ceph-like: the directory is there once more" has_dir node01 100/31/disk.0
tm failmigrate ceph 31 node02 node01
check "a failed attempt: what it has made is removed" no_dir node01 100/31
check "a failed attempt: and that is said" visible 31 '.*100/31, which this migration had made'
check "a failed attempt: nothing of the VM is touched" unchanged node02 100/31
tm failmigrate ceph 31 node02 node01
check "a failed attempt: once more, there is nothing to undo" ran ceph/failmigrate

# ---- ceph-like: a directory of each host's own, and images that both have
lab guest start 34 --mem 128 --fill 32 --ds 100
tm premigrate ceph 34
check "the sequence on ceph-like storage: the stock premigrate runs" ran ceph/premigrate
drive 34 --shared YES
check "the sequence on ceph-like storage: the VM moves" moved 34 node02
# What the migration has just proven is not asked again: the destination's sshd is not needed.
lab exec node02 -- pkill -o -x sshd
tm postmigrate ceph 34
check "the sequence on ceph-like storage: the stock postmigrate runs" ran ceph/postmigrate
check "the sequence on ceph-like storage: the source's directory is gone" no_dir node01 100/34
check "the sequence on ceph-like storage: the destination's is there" has_dir node02 100/34/deployment.0
tm postmigrate ceph 34
check "once more, with nobody to ask: it is kept" quiet 1
lab exec node02 -- /usr/sbin/sshd

# ---- the same where OpenNebula's own script makes the migration, and where none is made
# deaf HOST TO: its sshd, to another host
deaf() {
	local from
	from=$(lab exec fe -- getent hosts "$2" | cut -d ' ' -f 1)
	lab exec "$1" -- nft "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }
		add rule inet deaf in ip saddr $from tcp dport 22 reject with tcp reset"
}
settings MIGRATE_LOCAL_DISKS=no
tm premigrate ssh 34 node02 node01
drive 34 --timeout 60
check "left to stock: the VM moves" on_node 34 node01
check "left to stock: by OpenNebula's own script" said "left to OpenNebula's own script"
deaf node01 node02
tm postmigrate ssh 34 node02 node01
check "left to stock: the source knows by then where the VM is" ran ssh/postmigrate
check "left to stock: the source's directory is gone" no_dir node02 100/34
lab exec node01 -- nft delete table inet deaf
check "left to stock: the VM lives" lab guest verify 34
settings MIGRATE_TLS=required
for node in node01 node02; do
	lab exec "$node" --user "$USER_OF_LAB" -- sh -c "mkdir -p $STORE/100/34; echo 1 >$STORE/100/34/disk.9"
done
tm premigrate ceph 34 node01 node02
check "refused: the stock premigrate runs" ran ceph/premigrate
drive 34
check "refused: the VM stays" on_node 34 node01
deaf node02 node01
tm failmigrate lvm 34 node01 node02
check "refused: the source knows by then that the VM has stayed" ran lvm/failmigrate
tm failmigrate lvm 34 node01 node02
check "refused: once more, with nobody to ask, it does not run" quiet 1 'not proven to run on node01 and nowhere else'
lab exec node02 -- nft delete table inet deaf
check "refused: the VM has its directory" has_dir node01 100/34/disk.9
# A signal reaches the script that was left to it, and its end is ours: signalled SIGNAL STATUS
signalled() {
	local status=0 client
	lab exec node01 -- rm -f /tmp/stock.pid
	lab exec fe --user "$USER_OF_LAB" -- ssh -A node01 "echo \$\$ >/tmp/migrate.pid
		exec /var/tmp/one/vmm/kvm/migrate '$(lab guest uuid 34)' node02 node01 34 node01" <"$T/action.xml" &
	client=$!
	await lab exec node01 -- test -s /tmp/stock.pid
	lab exec node01 -- sh -c "kill -$1 \$(cat /tmp/migrate.pid)"
	wait "$client" || status=$?
	echo "status $status"
	# shellcheck disable=SC2016 # for that shell
	[[ $status == "$2" ]] && ! lab exec node01 -- sh -c 'kill -0 $(cat /tmp/stock.pid)' 2>/dev/null
}
settings MIGRATE_LOCAL_DISKS=no
tm premigrate ceph 34 node01 node02
lab action 34 --from node01 --to node02 >"$T/action.xml"
lab exec node01 -- mv /var/tmp/one/vmm/kvm/migrate.stock /tmp/
for end in 'exit 7' 'trap - TERM; kill -TERM $$'; do
	lab exec node01 -- sh -c "cat >/var/tmp/one/vmm/kvm/migrate.stock; chmod 755 /var/tmp/one/vmm/kvm/migrate.stock" <<-END
		#!/bin/bash
		trap '$end' TERM
		echo \$\$ >/tmp/stock.pid
		while :; do sleep 0.1; done
	END
	case $end in
	exit*) check "a signal to migrate is one to the stock script" signalled TERM 7 ;;
	*) check "and the end of that is the end of migrate" signalled TERM 255 ;;
	esac
done
# The destination's libvirt falls silent meanwhile: it is not waited for long, and the status is the script's.
lab exec node01 -- sh -c 'cat >/var/tmp/one/vmm/kvm/migrate.stock' <<-'END'
	#!/bin/bash
	echo $$ >/tmp/stock.pid
	until [ -e /tmp/stock.go ]; do sleep 0.1; done
	exit 3
END
ends_soon() {
	local status=0 client begun
	lab exec node01 -- rm -f /tmp/stock.pid /tmp/stock.go
	lab exec fe --user "$USER_OF_LAB" -- ssh -A node01 \
		"/var/tmp/one/vmm/kvm/migrate '$(lab guest uuid 34)' node02 node01 34 node01" <"$T/action.xml" &
	client=$!
	await lab exec node01 -- test -s /tmp/stock.pid
	lab exec node02 -- pkill -STOP -x libvirtd
	begun=$SECONDS
	lab exec node01 -- touch /tmp/stock.go
	wait "$client" || status=$?
	echo "status $status after $((SECONDS - begun)) s"
	[[ $status == 3 ]] && ((SECONDS - begun < 30))
}
check "a destination that falls silent does not hold the answer of the stock script" ends_soon
lab exec node02 -- pkill -CONT -x libvirtd
lab exec node01 -- mv /tmp/migrate.stock /var/tmp/one/vmm/kvm/
settings MIGRATE_OPTIONS=--unsafe

# ---- what `vnm pre` made
lab guest start 32 --mem 128 --fill 32 --nic
NICS='<NIC><BRIDGE><![CDATA[onebr]]></BRIDGE><VN_MAD><![CDATA[lab]]></VN_MAD></NIC>'
fails_after_pre() {
	tm premigrate shared 32
	vnm pre node02
	tm failmigrate shared 32
}
bridge() {
	lab exec node02 -- ip link show onebr
}
no_bridge() {
	! lab exec node02 -- ip link show onebr 2>/dev/null
}
fails_after_pre 2>/dev/null
check "a bridge that was there before is left" bridge
lab exec node02 -- ip link del onebr
fails_after_pre
check "a failed attempt: the bridge that pre has made is cleaned" no_bridge
check "a failed attempt: and that is said" visible 32 'onebr of this migration was cleaned on node02'
tm premigrate shared 32
vnm pre node02
lab exec node02 -- sh -c 'ip tuntap add tap7 mode tap; ip link set tap7 master onebr'
tm failmigrate shared 32
check "a bridge that another VM uses by now is left" bridge
check "a bridge that another VM uses by now: that is said" visible 32 '.*another VM uses onebr'
lab exec node02 -- sh -c 'ip link del tap7; ip link del onebr'
tm premigrate shared 32
vnm pre node02
drive 32
check "the sequence on shared storage: the VM moves" moved 32 node02
vnm clean node01 2>/dev/null || true
vnm post node02
tm postmigrate shared 32
check "the sequence on shared storage: the stock postmigrate runs" ran shared/postmigrate
check "the sequence on shared storage: nothing is removed" has_dir node02 0/32
NICS=''

# ---- storage that is shared in truth, under drivers that remove
lab guest start 33 --mem 128 --fill 32 --disk --verify 64
keep_listing node01 0/33
for driver in ssh local ceph lvm; do
	tm premigrate $driver 33
	check "shared in truth: premigrate of $driver succeeds without the stock script" quiet 0
	check "shared in truth: and warns" visible 33 '.*is the same directory on node01 and node02'
done
IMAGES=ssh tm premigrate shared 33
check "images of a driver that removes, in a chain: likewise" quiet 0 'INFO: 33 WARNING premigrate: .*same directory'
check "shared in truth: nothing of the VM is touched" unchanged node02 0/33
tm premigrate ssh 33
drive 33 --shared NO
check "shared in truth: the VM moves, and its disk is not overwritten" moved 33 node02
for driver in ssh local ceph lvm; do
	tm postmigrate $driver 33
	check "shared in truth: postmigrate of $driver keeps the directory" quiet 1 'same directory'
done
IMAGES=ssh tm postmigrate shared 33
check "shared in truth: so does one of a chain" has_dir node02 0/33
tm failmigrate lvm 33 node02 node01
check "shared in truth: so does failmigrate" quiet 1 'same directory'
check "shared in truth: the VM has its disk" lab guest verify 33

# ---- a mount that shows the images and nothing that is new
lab exec node01 -- sh -ec "
	d=$STORE/0/33
	mkdir /mnt/33
	mount --bind \$d /mnt/33
	mount -t tmpfs -o mode=777 none \$d
	for f in disk.0 disk.1 deployment.0; do touch \$d/\$f; mount --bind /mnt/33/\$f \$d/\$f; done"
keep_listing node02 0/33
for driver in ssh local ceph lvm; do
	tm premigrate $driver 33 node02 node01
	check "a mount that hides markers: premigrate of $driver does not run" quiet 0 'same directory'
done
check "a mount that hides markers: nothing of the VM is touched" unchanged node02 0/33
tm failmigrate lvm 33 node02 node01
check "a mount that hides markers: failmigrate does not run" quiet 1 'same directory'
tm postmigrate lvm 33 node01 node02
check "a mount that hides markers: postmigrate does not run" quiet 1 'same directory'
check "a mount that hides markers: the VM has its disk" lab guest verify 33
lab exec node01 -- sh -ec "umount -R $STORE/0/33; umount /mnt/33; rmdir /mnt/33"

# ---- what the checks find ends it before anything is touched
tm premigrate shared 31 node02 node01
check "a blocker: premigrate fails, and no stock script runs" quiet 1
check "a blocker: one final sentence" grep -qE \
	'^Error migrating VM 31: .*; nothing was touched, the VM still runs on node02\.$' "$T/tm.err"
check "a blocker: nothing was made there" no_dir node01 100/31

# ---- a move between datastores of one host: what the VM uses is kept
tm failmigrate lvm 31 node02 node02
check "one host: failmigrate keeps the directory that the VM uses" quiet 1 'the VM uses files'
tm postmigrate ssh 33 node02 node02
check "one host: postmigrate runs where all is in the new directory" test "$TM" = 0
DIR=/var/lib/one//datastores/100/33 tm postmigrate ssh 33 node02 node02
check "one host: postmigrate keeps the old directory while the VM uses it" quiet 1 'the VM uses files'
check "one host: the VM has its disk" lab guest verify 33

# ---- what it costs: connections, which take nearly all of the time that tests/bench/check measures
for node in node01 node02; do
	lab exec "$node" -- nft 'add table inet cost; add chain inet cost in { type filter hook input priority 0; }
		add rule inet cost in tcp dport 22 tcp flags & (syn | ack) == syn counter'
done
connections() {
	local node
	for node in node01 node02; do
		lab exec "$node" -- nft list chain inet cost in | grep -o 'packets [0-9]*'
	done | awk '{ sum += $2 } END { print sum }'
}
few_connections() { # BEFORE
	local n=$(($(connections) - $1))
	echo "$n connections"
	((n >= 1 && n <= 2))
}
for step in premigrate failmigrate; do
	before=$(connections)
	tm $step shared 33 node02 node01
	check "$step is answered" test "$TM" = 0
	check "$step makes two connections at most" few_connections "$before"
done

# ---- no marker is left anywhere
no_markers() {
	local node
	for node in node01 node02; do
		! lab exec "$node" -- find "$STORE" -name '.onemigrate-*' | grep . || return 1
	done
}
check "no marker is left" no_markers
check "the VMs run" on_node 31 node02
