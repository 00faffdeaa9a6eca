#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The way of a setting from the rc files through the scripts into the helper itself, and where two
# readers of kvmrc differ.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

# The settings of a tree with the kvmrc on stdin, and RC as its onemigraterc.
settings()
{
	[[ -x $REPO/build/onemigrate ]] || skip 'build/onemigrate is not built'
	make_tree
	[[ -z ${RC-} ]] || printf '%s\n' "$RC" >"$TREE/etc/vmm/kvm/onemigraterc"
	mkdir -p "$TREE/onemigrate/$PLATFORM"
	cp "$REPO/build/onemigrate" "$TREE/onemigrate/$PLATFORM/"
	try "$TREE/onemigrate/run" settings --json
	is "$STATUS" 0
}

# NAME VALUE ORIGIN
setting()
{
	has "$OUT" "{ \"name\": \"$1\", \"value\": \"$2\", \"origin\": \"$3\","
}

warnings()
{
	grep -c '^WARN: migrate: ' "$CASE/err" || :
}

# RUBY SHELL: one line that names both readings.
differ()
{
	is "$(grep -c 'WARN: migrate: MIGRATE_OPTIONS in kvmrc: ' err)" 1
	has "$ERR" "OpenNebula reads '$1', a shell '$2'; the former is used"
}

agree()
{
	settings <<<'MIGRATE_OPTIONS="--unsafe --live"'
	setting MIGRATE_OPTIONS '--unsafe --live' kvmrc
	is "$ERR" ''
	settings <<<"export MIGRATE_OPTIONS='--unsafe' # both read this"
	setting MIGRATE_OPTIONS --unsafe kvmrc
	is "$ERR" ''
}
it 'MIGRATE_OPTIONS that both readers of kvmrc understand: no WARN, and it comes from kvmrc' agree

expanded()
{
	settings <<'END'
BASE=--unsafe
MIGRATE_OPTIONS="$BASE --live"
END
	setting MIGRATE_OPTIONS '$BASE --live' kvmrc
	differ '$BASE --live' '--unsafe --live'
	is "$(warnings)" 1
}
it 'what a shell expands is taken literally, as OpenNebula does, with one WARN' expanded

appended()
{
	settings <<'END'
MIGRATE_OPTIONS=--unsafe
MIGRATE_OPTIONS+=" --verbose"
if false; then MIGRATE_OPTIONS=--never; fi
END
	setting MIGRATE_OPTIONS --unsafe kvmrc
	differ --unsafe '--unsafe --verbose'
	is "$(warnings)" 1
}
it 'what += adds is lost to OpenNebula and to us, with one WARN' appended

unquoted()
{
	settings <<<'MIGRATE_OPTIONS=--unsafe --live # words'
	setting MIGRATE_OPTIONS '--unsafe --live' kvmrc
	differ '--unsafe --live' ''
}
it 'words without quotes are all taken, as OpenNebula does' unquoted

lost()
{
	settings <<<'  export MIGRATE_OPTIONS="--unsafe"'
	setting MIGRATE_OPTIONS '' default
	differ '' --unsafe
	is "$(warnings)" 1
}
it 'an indented export is lost to OpenNebula and to us, with one WARN' lost

several_lines()
{
	settings <<'END'
MIGRATE_OPTIONS='--unsafe
--live'
END
	differ "'--unsafe" '--unsafe?--live'
	is "$(wc -l <err)" 1
}
it 'a value of several lines is one line in the WARN' several_lines

onemigraterc()
{
	RC='MIGRATE_OPTIONS="$HOME --live"' settings <<<'MIGRATE_OPTIONS="$BASE --never"'
	setting MIGRATE_OPTIONS "$HOME --live" onemigraterc
	is "$ERR" ''
}
it 'onemigraterc is read by a shell alone, and what kvmrc says is not compared' onemigraterc

others()
{
	settings <<'END'
NET=10.1.0.0/24
MIGRATE_NETWORK="$NET"
  export SYNC_TIME="no"
END
	setting MIGRATE_NETWORK 10.1.0.0/24 kvmrc
	setting SYNC_TIME no kvmrc
	is "$ERR" ''
}
it 'all other settings of kvmrc are read by a shell' others

origins()
{
	export VIRSH_TRIES=7 MIGRATE_DEBUG=yes SYNC_TIME=yes
	RC=MIGRATE_DEBUG=no settings <<'END'
SYNC_TIME=no
OUR_VIRSH_TRIES=1 VIRSH_TRIES_MAX=1
END
	setting VIRSH_TRIES 7 environment
	setting SYNC_TIME no kvmrc
	setting MIGRATE_DEBUG no onemigraterc
	setting QEMU_PROTOCOL qemu+ssh default
}
it 'each setting names the file that it comes from, or the environment' origins

no_kvmrc()
{
	export MIGRATE_OPTIONS=--unsafe
	settings </dev/null
	rm "$TREE/etc/vmm/kvm/kvmrc"
	try "$TREE/onemigrate/run" settings --json
	setting MIGRATE_OPTIONS --unsafe environment
	is "$(warnings)" 1
	has "$ERR" 'kvmrc: not there, defaults are used'
}
it 'without a kvmrc there is nothing to compare' no_kvmrc

long_kvmrc()
{
	printf '#%1048576s\nMIGRATE_OPTIONS="$HOME --live"\n' '' >kvmrc
	settings <kvmrc
	setting MIGRATE_OPTIONS "$HOME --live" kvmrc
	is "$ERR" ''
}
it 'a kvmrc beyond the bound is read by a shell alone' long_kvmrc

bad_value()
{
	settings <<<SYNC_TIME=no
	echo 'MIGRATE_NETWORK_POLICY=sometimes' >"$TREE/etc/vmm/kvm/kvmrc"
	try "$TREE/onemigrate/run" settings
	is "$STATUS" 1
	has "$ERR" "MIGRATE_NETWORK_POLICY"
	has "$ERR" kvmrc
}
it 'a malformed setting is named with the file that it stands in' bad_value

unknown_check()
{
	settings <<<'MIGRATE_CHECK_IGNORE="cpu, host-uuid"'
	setting MIGRATE_CHECK_IGNORE 'cpu, host-uuid' kvmrc
	setting MIGRATE_CHECK block default
	echo 'MIGRATE_CHECK_IGNORE="cpu hostuuid"' >"$TREE/etc/vmm/kvm/kvmrc"
	try "$TREE/onemigrate/run" settings
	is "$STATUS" 1
	has "$ERR" "'hostuuid' is no check; there are: "
	has "$ERR" ' host-uuid '
}
it 'a check that there is not cannot be ignored, and those that there are are named' unknown_check
