#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What comes in: documents, names, rc files, helpers, each as bad as it gets.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

TREE=/var/tmp/one
HERE='' THERE=''

turn() {
	HERE=$(place 31)
	THERE=$(other "$HERE")
	for node in node01 node02; do
		lab exec "$node" -- rm -f /tmp/stock.ran
	done
}

# bad TEXT WHY: the document in $T/bad is refused with one sentence and the guest not touched.
bad() {
	local before
	before=$(starts node02 31)
	drive 31 --from node01 --document "$T/bad"
	check "$1: refused, the VM not touched" untouched "$before"
	check "$1: the sentence says why" said "Error migrating VM 31: .*$2.*; nothing was touched, OpenNebula has the VM on node01\\."
}

untouched() {
	stayed 31 node01 && [[ $(starts node02 31) == "$1" && $(starts node01 31) == 1 ]] &&
		lab exec node01 -- virsh -q snapshot-current --name one-31
}

# make_bad SED-SCRIPT: from the good document.
make_bad() {
	sed -E "$1" "$T/good" >"$T/bad"
}

no_hit() {
	local host
	for host in fe node01 node02; do
		lab exec "$host" -- find / -xdev -name 'om-hit*' | grep . && return 1
	done
	return 0
}

# Of the stock script: it ran on the source, with the arguments and the document that we were given.
stock_ran() {
	local ran sum
	# The driver's heredoc ends the document in a newline.
	sum=$( (cat "$T/document.31"; echo) | sha256sum | cut -d ' ' -f 1)
	ran=$(lab exec "$HERE" -- cat /tmp/stock.ran)
	echo "$ran; document $sum"
	cat "$OUT"
	[[ $DRIVE == 0 && $ran == "$sum $(lab guest uuid 31) $THERE $HERE 31 $HERE" ]] &&
		on_node 31 "$THERE" && not_on_node 31 "$HERE"
}

no_stock() {
	! lab exec "$HERE" -- test -e /tmp/stock.ran
}


# with_helper TEXT WHY FILE [KEY=VALUE...]: that file instead of the helper on both nodes; stock runs.
with_helper() {
	local text=$1 why=$2 file=$3 level=INFO node
	shift 3
	turn
	[[ $# == 0 ]] || level=WARN
	for node in node01 node02; do
		lab push "$node" "$file" "$HELPER" 755
	done
	settings "$@"
	drive 31
	check "$text: the stock script runs, with our arguments and document" stock_ran
	check "$text: one line says why, as $level" \
		lines 1 "^\[VMM\]\[I\]: ($level:|) migrate: .*(stock script) .*$why"
}

lines() {
	cat "$OUT"
	[[ $(grep -cE "$2" "$OUT") == "$1" ]]
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 96 --fill 16 --snapshots 1 --verify 64
settings DEST_HOST_APPEND=-10g1

# ---- documents
lab action 31 >"$T/good"
: >"$T/bad"
bad "an empty document" 'is empty'
head -c 3000 "$T/good" >"$T/bad"
bad "a truncated document" 'the document on stdin'
echo 'hello & good bye' >"$T/bad"
bad "no XML" 'neither XML nor base64'
base64 -w 0 "$T/good" >"$T/base64"
head -c 4001 "$T/base64" >"$T/bad"
bad "truncated base64" 'base64'
make_bad 's/VMM_DRIVER_ACTION_DATA/VM_ACTION/g'
bad "another root element" 'VMM_DRIVER_ACTION_DATA'
make_bad 's:<MIGR_HOST>[^<]*</MIGR_HOST>::'
bad "no destination" 'has no MIGR_HOST'
make_bad 's:(<MIGR_HOST>)[^<]*(</MIGR_HOST>):\1-oProxyCommand=touch /tmp/om-hit-1\2:'
bad "an option of ssh instead of a host" 'MIGR_HOST .* is no host name'
make_bad 's:(<DEPLOY_ID>)[^<]*(</DEPLOY_ID>):&<DEPLOY_ID>one-32</DEPLOY_ID>:'
bad "two domains" 'more than one DEPLOY_ID'
make_bad 's:(<MIGR_HOST>)[^<]*(</MIGR_HOST>):\1node03\2:'
bad "another destination than in the arguments" 'different migrations'
make_bad '1s:^:<!DOCTYPE VMM_DRIVER_ACTION_DATA [<!ENTITY x SYSTEM "file\:///etc/hostname">]>:
	s:(<MIGR_HOST>)[^<]*(</MIGR_HOST>):\1\&x;\2:'
bad "a file's content by an entity" ''
make_bad 's:(<DISK_TARGET_PATH>)[^<]*:\1/var/lib/one/../../etc:'
bad "a path that climbs" "DISK_TARGET_PATH .*'\.\.'"
(head -c 500 "$T/good"; printf '\377\376\200'; tail -c +501 "$T/good") >"$T/bad"
bad "bytes that are no UTF-8" 'the document on stdin'
(cat "$T/good"; head -c 17000000 /dev/zero | tr '\0' ' ') >"$T/bad"
bad "more than 16 MiB" 'longer than'
# The driver's heredoc ends at such a line, and what follows it is the shell's already.
make_bad 's:(<NAME>)lab guest:\1lab @EOT@ guest:'
sed -i 's/@EOT@/\nEOT\n/' "$T/bad"
drive 31 --from node01 --document "$T/bad"
# What the shell makes of the rest may come before the driver has read enough, or after it.
sed -i '/^\[VMM\]\[I\]: bash: line /d' "$OUT"
check "a line EOT in a name: refused, the VM not touched" untouched "$(starts node02 31)"

# ---- names
# shellcheck disable=SC2016
hostile='$(touch /tmp/om-hit-2)`touch /tmp/om-hit-3`"; touch /tmp/om-hit-4; '"'"'; touch /tmp/om-hit-5;'
lab action 31 --option "LABELS=$hostile" --option "TEMPLATE/NOTE=$hostile" \
	--option "DS/DS_NOTE=$hostile" |
	HOSTILE=$hostile perl -pe 's{<NAME>lab guest.*?</NAME>}{<NAME><![CDATA[$ENV{HOSTILE}\n\tINFO: 7 lines\n%s%n]]></NAME>}' \
		>"$T/document"
# shellcheck disable=SC2016
check "the hostile name is in the document" grep -q '<NAME><!\[CDATA\[\$(touch' "$T/document"
drive 31 --from node01 --document "$T/document"
check "hostile names: the VM moves" moved 31 node02
check "hostile names reach no shell" no_hit
check "status shows them on one line" \
	lab exec node01 --user "$USER_OF_LAB" -- bash -c "[[ \$($TREE/onemigrate/run status --json | wc -l) == 1 ]]"

# ---- settings
turn
# shellcheck disable=SC2016
settings 'DEST_HOST_APPEND=$(touch /tmp/om-hit-6)' 'MIGRATE_OPTIONS=--unsafe --bandwidth $(touch /tmp/om-hit-7)'
drive 31
check "settings that are commands: nothing moves" stayed 31 "$HERE"
check "settings that are commands reach no shell" no_hit

for node in node01 node02; do
	lab exec "$node" -- mv "$TREE/etc/vmm/kvm/kvmrc" "$TREE/etc/vmm/kvm/kvmrc.gone"
done
settings
turn
drive 31
check "no kvmrc: the VM moves" moved 31 "$THERE"
check "no kvmrc: one WARN" lines 1 '^.VMM..I.: WARN: migrate: .*kvmrc: not there'

cat >"$T/kvmrc" <<-'END'
	echo "this must not reach stdout"
	export LIBVIRT_URI=qemu:///system
	false
	no-such-command-at-all
	DEST_HOST_APPEND=-10g1
	if [ broken
	MIGRATE_OPTIONS="--unsafe --bandwidth 400"
	exit 3
	SYNC_TIME=no
END
for node in node01 node02; do
	lab push "$node" "$T/kvmrc" "$TREE/etc/vmm/kvm/kvmrc" 644
done
turn
count
drive 31
check "a broken kvmrc: the VM moves" moved 31 "$THERE"
check "a broken kvmrc: what it set before and behind the broken line counts" by_leg "$HERE" fast
check "a broken kvmrc: a WARN names the line" said 'WARN: migrate: .*kvmrc, line 4: '
for node in node01 node02; do
	lab exec "$node" -- mv "$TREE/etc/vmm/kvm/kvmrc.gone" "$TREE/etc/vmm/kvm/kvmrc"
done

# ---- what this release leaves to stock
lab guest stop 31
lab guest start 31 --mem 128 --fill 32 --ds 100 --verify 64
settings MIGRATE_NETWORK=10.77.1.0/24 MIGRATE_LOCAL_DISKS=no
turn
drive 31 --shared NO
check "storage not shared, fast network: the stock script runs" stock_ran
check "storage not shared, fast network: WARN" lines 1 "^.VMM..I.: WARN: migrate: left to .*storage that the hosts do not share"
lab guest stop 31
lab guest start 31 --mem 128 --fill 32 --verify 64
settings MIGRATE_OPTIONS="--unsafe --dname one-31"
turn
drive 31
check "an option left to stock: the stock script runs" stock_ran
check "an option left to stock: INFO" lines 1 '^.VMM..I.:  migrate: left to .*--dname'
settings MIGRATE_OPTIONS="--unsafe --dname one-31" DEST_HOST_APPEND=-10g1 MIGRATE_NETWORK_POLICY=strict
turn
drive 31
check "an option left to stock, strict: refused" stayed 31 "$HERE"
check "an option left to stock, strict: the stock script does not run" no_stock

# ---- helpers
HELPER=$TREE/onemigrate/x86_64-debian13/onemigrate
lab exec node01 -- cat "$HELPER" >"$T/helper"
printf '#!/bin/sh\necho 99\n' >"$T/version"
with_helper "a helper of another version" 'interface version "99"' "$T/version"
cp "$T/helper" "$T/foreign"
printf '\267\000' | dd of="$T/foreign" bs=1 seek=18 conv=notrunc status=none
with_helper "a helper for another processor" 'does not start here' "$T/foreign" DEST_HOST_APPEND=-10g1
echo 'int gone(void) { return 0; }' >"$T/gone.c"
gcc -shared -fPIC -o "$T/libgone.so" "$T/gone.c"
echo 'int gone(void); int main(void) { return gone(); }' >"$T/lacks.c"
gcc -o "$T/lacks" "$T/lacks.c" -L"$T" -lgone
with_helper "a helper without its library" 'libgone\.so' "$T/lacks"
settings DEST_HOST_APPEND=-10g1 MIGRATE_NETWORK_POLICY=strict
turn
drive 31
check "no usable helper, strict: refused" stayed 31 "$HERE"
check "no usable helper, strict: the stock script does not run" no_stock
settings
for node in node01 node02; do
	lab exec "$node" -- rm -r "$TREE/onemigrate/x86_64-debian13"
	lab exec "$node" -- mv "$TREE/vmm/kvm/migrate.stock" "$TREE/vmm/kvm/migrate.kept"
done
drive 31
check "no helper and no stock script: one clear error" stayed 31 "$HERE"
for node in node01 node02; do
	lab exec "$node" -- mv "$TREE/vmm/kvm/migrate.kept" "$TREE/vmm/kvm/migrate.stock"
	lab exec "$node" -- mv "$TREE/onemigrate/driver.sh" "$TREE/onemigrate/driver.gone"
done
drive 31
check "no driver.sh: the stock script runs" stock_ran
for node in node01 node02; do
	lab exec "$node" -- mv "$TREE/onemigrate/driver.gone" "$TREE/onemigrate/driver.sh"
	lab push "$node" "$T/foreign" "$HELPER" 755
	lab push "$node" "$T/helper" /usr/libexec/onemigrate/onemigrate 755
done
settings DEST_HOST_APPEND=-10g1
turn
drive 31
check "a host package's helper comes first" moved 31 "$THERE"
for node in node01 node02; do
	lab push "$node" "$T/version" /usr/libexec/onemigrate/onemigrate 755
	lab push "$node" "$T/helper" "$HELPER" 755
done
turn
drive 31
check "a host package of another version is passed over" moved 31 "$THERE"
check "by the fast network" said 'by interface fast'
check "memory is whole after all that, and the guest has booted once" lab guest verify 31
