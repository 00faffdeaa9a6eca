#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `onemigrate plan`: it tells what migrate would do and how it would go, measures how the guest writes, and
# touches nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

STATUS=0

# plan ARGUMENT...: on node01, as oneadmin does it by hand.
plan() {
	STATUS=0
	on_source node01 /var/tmp/one/onemigrate/run plan "$@" >"$OUT" 2>"$OUT.err" || STATUS=$?
}

tells() { # ERE
	cat "$OUT" "$OUT.err"
	grep -qE "$1" "$OUT"
}

ends() { # STATUS ERE: of what it says on stderr
	cat "$OUT" "$OUT.err"
	[[ $STATUS == "$1" ]] && grep -qE "$2" "$OUT.err"
}

number() { # NAME
	grep -oE "\"$1\":[0-9]+" "$OUT" | tail -n 1 | cut -d : -f 2
}

between() { # LOW NAME HIGH
	cat "$OUT"
	[[ $(number "$2") -ge $1 && $(number "$2") -le $3 ]]
}

# Of both hosts: domains and what libvirt knows of this one, files (the guest writes its own), and what is
# listened on.
traces() {
	local host
	for host in node01 node02; do
		lab exec "$host" -- sh -c '
			virsh -q list --all --uuid --name --title
			virsh -q dumpxml one-31 2>/dev/null
			virsh -q domjobinfo one-31 2>/dev/null | grep -i type
			virsh -q migrate-getmaxdowntime one-31 2>/dev/null
			find /var/lib/one /var/tmp /run/onemigrate* -printf "%p %m %U %i\n" 2>/dev/null | sort
			ss -Hltn | sort
			nft list ruleset 2>/dev/null' | sed "s/^/$host /"
	done
}

unchanged() { # COMMAND...
	traces >"$T/before"
	"$@"
	traces >"$T/after"
	diff "$T/before" "$T/after"
}

is_json() {
	cat "$OUT"
	ruby -r json -e 'd = JSON.parse(STDIN.read); exit d["prediction"]["known"] && !d["attempts"].empty?' <"$OUT"
}

begin "$@"
FAST=MIGRATE_NETWORK=10.77.1.0/24
settings "$FAST" MIGRATE_DOWNTIME_MAX_MS=400
lab guest start 31 --mem 320 --fill 160 --hot 60 --dirty 200 --verify 32 --disk

plan 31 node02 # the first ssh of all notes the host's key
check "it touches nothing on either host" unchanged plan 31 node02
check "it makes a plan" test "$STATUS" = 0
check "the way, and who named it" tells \
	'^  way  .*memory goes to 10\.77\.1\.12 \(10\.77\.1\.0/24; MIGRATE_NETWORK of onemigraterc\) by interface fast'
check "the flags" tells '^  flags  .*live, unsafe'
check "parameters with their origins" tells '^ +migrate_uri = tcp://10\.77\.1\.12 \(fast network\)'
check "the other ways, in order" tells '^ +3\. by the host.s OpenNebula name'
check "the limits, and who set them" tells '^  limits  .*downtime 400 ms \(onemigraterc\)'
check "each disk, and how it moves" tells '^  disks  .*vda .*/disk\.0: .*stays where it is'
check "the stages" tells '^  stages  .*1\. '
check "that there was no document" tells '^  from  .*as no document of OpenNebula was given'
check "the prediction" tells '^  total  .* to .* s'

plan 31 node02 --json
check "the same in JSON" is_json
# A sample of some 80 pages: it cannot be exact.
check "the guest's hot set, low end" between 20000000 hot_low_bytes 75000000
check "the guest's hot set, high end" between 50000000 hot_high_bytes 140000000
check "its rate" between 50000000 dirty_bytes_ps 2000000000

settings "$FAST" MIGRATE_POLICY=gentle MIGRATE_BANDWIDTH_MIBPS=20
plan 31 node02
check "gentle on a narrow way: it says that it would be given up" tells '^  action  .*is given up, with the VM on the source'
settings "$FAST" MIGRATE_BANDWIDTH_MIBPS=20
plan one-31 node02
check "auto on a narrow way: it says what would end it" tells '^  action  .*does not converge within the limits; a pause of .* would end it'
settings "$FAST"

HOOKS=/var/tmp/one/vmm/kvm/migrate.d
printf '#!/bin/bash\n' >"$T/hook"
lab exec node01 -- mkdir -p "$HOOKS"
lab push node01 "$T/hook" "$HOOKS/10-dns" 755
lab push node01 "$T/hook" "$HOOKS/20-open" 777
plan one-31 node02
check "the hooks that will run" tells '^  hooks  .*10-dns: before it'
check "and what is skipped" tells 'migrate\.d/20-open .*: it is not run'
lab exec node01 -- rm -rf "$HOOKS"

lab action 31 --from node01 --to node02 --option MIGRATE_POLICY=gentle >"$T/document"
lab push node01 "$T/document" /var/tmp/document.xml 644
plan "$(lab guest uuid 31)" node02 --document /var/tmp/document.xml
check "with the document" tells '^Plan for VM 31 \(.*\): from node01 to node02'
check "with the document it does not speak of the domain" test "$(grep -c '^  from ' "$OUT")" = 0
plan 32 node02 --document /var/tmp/document.xml
check "a document of another VM" ends 1 'of another migration'
plan 31 node01 --document /var/tmp/document.xml
check "a document of another destination" ends 1 'of another migration'

plan 99 node02
check "a VM that is not here" ends 1 'onemigrate: '
plan 31
check "wrong usage" ends 2 'takes a VM and a host'
plan 31 "'node02;id'"
check "a host that is none" ends 1 'no name or address of a host'

settings "$FAST" MIGRATE_NETWORK_POLICY=strict MIGRATE_NETWORK=10.99.0.0/16
plan 31 node02
check "what migrate would refuse" ends 1 'MIGRATE_NETWORK_POLICY is strict'
settings "$FAST" MIGRATE_TLS=required MIGRATE_OPTIONS="--unsafe --dname one-31"
plan 31 node02
check "what the stock script may not do" tells "own script does not encrypt, and MIGRATE_TLS is required: it would be refused"
settings "$FAST"

lab exec node01 -- virsh -q suspend one-31
plan 31 node02 --json
lab exec node01 -- virsh -q resume one-31
check "a paused guest is not measured" between 0 dirty_bytes_ps 0

plan 31 node02
drive 31
check "a migration right after it" moved 31 node02
plan 31 node02
check "it is gone from here" ends 1 'onemigrate: '
check "memory is whole" lab guest verify 31
