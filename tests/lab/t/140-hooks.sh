#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The operator's hooks around a migration, and the guest that is told of it through its agent.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

# hooks NAME TEXT...: all there are, on every host.
hooks() {
	local host dir
	for host in fe node01 node02; do
		dir=$(hooks_dir "$host")
		lab exec "$host" -- bash -c "rm -rf $dir /tmp/hooks.log /tmp/seen.*; mkdir $dir; : >/tmp/hooks.log; chmod 666 /tmp/hooks.log"
	done
	while [[ $# -gt 0 ]]; do
		printf '#!/bin/bash\n%s\n' "$2" >"$T/hook"
		for host in fe node01 node02; do
			lab push "$host" "$T/hook" "$(hooks_dir "$host")/$1" 755
		done
		shift 2
	done
}

hooks_dir() {
	[[ $1 == fe ]] && echo /var/lib/one/remotes/vmm/kvm/migrate.d || echo /var/tmp/one/vmm/kvm/migrate.d
}

# shellcheck disable=SC2016 # text of hooks
{
	LOG='echo "$1 $ONEMIGRATE_PHASE $ONEMIGRATE_VM_ID $ONEMIGRATE_UUID $ONEMIGRATE_SRC $ONEMIGRATE_DST" >>/tmp/hooks.log; echo "this is $1"'
	SEE='[[ $1 != pre ]] || { cp "$2" /tmp/seen.domain; cp "$3" /tmp/seen.vm; stat -c "%a %U" "${2%/*}" "$2" "$3" >/tmp/seen.modes; }'
	TITLE='[[ $1 != pre ]] || sed -i "s#</name>#</name><title>by a hook</title>#" "$2"'
	MEMORY='[[ $1 != pre ]] || sed -i "s#<memory unit=.KiB.>#&1#" "$2"'
	MACHINE='[[ $1 != pre ]] || sed -i "s#machine=.pc-q35-[0-9.]*.#machine=\"pc-q35-6.2\"#" "$2"'
	VETO='[[ $1 != pre ]] || { echo "not while the moon is full"; exit 3; }'
	HANG='[[ $1 != pre ]] || { echo $$ >/tmp/seen.pid; trap "" TERM; sleep 300 & wait; }'
	SLOW='[[ $1 != switched ]] || sleep 20'
	BROKEN='[[ $1 == pre ]] || { echo "no such route"; exit 7; }'
}

# called HOST FROM TO PHASE...: what LOG has written there, and nothing else.
called() {
	local host=$1 want='' phase uuid
	uuid=$(lab guest uuid 31)
	for phase in "${@:4}"; do
		want+="$phase $phase 31 $uuid $2 $3"$'\n'
	done
	lab exec "$host" -- cat /tmp/hooks.log
	[[ $(lab exec "$host" -- cat /tmp/hooks.log) == "${want%$'\n'}" ]]
}

# Nothing of a run is left on a host: neither files nor processes.
cleaned() {
	local left
	left=$(lab exec "$1" -- bash -c 'ls -d /tmp/onemigrate-hooks-*; pgrep -a -f "/proc/self/exe hooks |[v]irsh -q -c"' 2>/dev/null || true)
	echo "$left"
	[[ -z $left ]]
}

title_is() {
	local title
	title=$(lab exec "$1" -- virsh -q dumpxml one-31 | grep -c '<title>by a hook</title>' || true)
	echo "titles: $title"
	[[ $title == "$2" ]]
}

private_files() {
	lab exec "$1" -- cat /tmp/seen.modes
	[[ $(lab exec "$1" -- cat /tmp/seen.modes) == "700 $USER_OF_LAB"$'\n'"600 $USER_OF_LAB"$'\n'"600 $USER_OF_LAB" ]]
}

# The VM alone: what the rest of the document says of the datastore is not in it.
vm_alone() {
	local vm
	vm=$(lab exec "$1" -- cat /tmp/seen.vm)
	echo "$vm"
	[[ $vm == '<VM>'*'</VM>' && $vm == *'<ID>31</ID>'* && $vm != *BASE_PATH* && $vm != *MIGR_HOST* ]]
}

# No QEMU was started for it there since STARTS was noted.
untouched() {
	echo "$(starts "$1" 31) starts, $STARTS before"
	[[ $(starts "$1" 31) == "$STARTS" ]]
}

at_most() {
	echo "$2 s"
	(($2 <= $1))
}

dead() {
	! lab exec "$1" -- kill -0 "$2"
}

# What the guest's console says that it was told.
told() {
	local got
	got=$(lab guest console 31 | grep -a '^NOTIFY ' | tr -s '\r\n' '  ' || true)
	echo "told: $got"
	[[ $got == "$1" ]]
}

has_pid() {
	lab exec "$1" -- test -s /tmp/seen.pid
}

begin --mgmt 1gbit "$@"
lab guest start 31 --mem 128 --fill 32 --verify 64 --snapshots 1
QUICK=(DEST_HOST_APPEND=-10g1 SYNC_TIME=no)
settings "${QUICK[@]}"

# ---- before and after
hooks 10-title "$TITLE" 20-see "$SEE" 30-log "$LOG"
drive 31
check "with hooks the VM moves" moved 31 node02
check "they were called on the source, with phase and hosts" within 10 called node01 node01 node02 pre switched post
check "what they print is in the log" said 'hook 30-log: this is pre'
check "that of quick hooks afterwards too" said 'hook 30-log: this is switched'
check "who has written the domain XML is named" said 'hook 10-title has written the domain XML'
check "what they wrote is on the destination" title_is node02 1
check "their files were private" private_files node01
check "one is the VM, without the datastore" vm_alone node01
check "on the destination nothing was called" test -z "$(lab exec node02 -- cat /tmp/hooks.log)"
check "nothing is left on the source" within 10 cleaned node01

# ---- the end of it before anything is touched
hooks 10-veto "$VETO" 20-log "$LOG"
STARTS=$(starts node01 31)
drive 31
check "a pre hook that fails: the VM stays" stayed 31 node02
check "the answer is its sentence" said 'Error migrating VM 31: hook 10-veto ended with status 3: not while the moon is full; nothing was touched'
check "the destination was not touched" untouched node01
check "nor were the snapshots" lab exec node02 -- virsh -q snapshot-info one-31 --current
check "later hooks of pre are not called, those of failed are" within 10 called node02 node02 node01 failed
check "nothing is left" within 10 cleaned node02

settings "${QUICK[@]}" MIGRATE_HOOK_SECONDS=2
hooks 10-hang "$HANG" 20-log "$LOG"
begun=$SECONDS
drive 31
check "a pre hook that hangs: the VM stays" stayed 31 node02
check "the answer says why" said 'Error migrating VM 31: hook 10-hang did not end within 2 s and was killed; nothing was touched'
check "it took no longer than that" at_most 25 $((SECONDS - begun))
check "it is dead" dead node02 "$(lab exec node02 -- cat /tmp/seen.pid)"
check "the destination was not touched by it" untouched node01

settings "${QUICK[@]}"
lab guest where 31 >/dev/null
hooks
drive 31
check "without any the VM moves back" moved 31 node01
hooks 10-hang "$HANG" 20-log "$LOG"
begin_drive 31
await has_pid node01 || fail "the hook was not called"
begun=$SECONDS
lab exec node01 -- kill -TERM "$(supervisor)"
finish_drive
check "cancelled while a pre hook runs: the VM stays" stayed 31 node01
check "it is told to be cancelled" said 'Error migrating VM 31: cancelled; nothing was touched'
check "at once" at_most 5 $((SECONDS - begun))
check "the hook is ended" within 5 dead node01 "$(lab exec node01 -- cat /tmp/seen.pid)"
check "those of failed are called" within 10 called node01 node01 node02 failed
check "nothing is left of it" within 10 cleaned node01

# ---- a helper that dies meanwhile
hooks 10-hang "$HANG" 20-log "$LOG"
begin_drive 31
await has_pid node01 || fail "the hook was not called"
lab exec node01 -- kill -KILL "$(worker)"
finish_drive
check "killed while a pre hook runs: the VM stays" stayed 31 node01
check "the hook is ended with it" within 5 dead node01 "$(lab exec node01 -- cat /tmp/seen.pid)"
check "and its files are removed" within 10 cleaned node01
check "nobody knows how it ended: no hook is called" called node01 node01 node02

# ---- what may not be changed
STARTS=$(starts node02 31)
hooks 10-memory "$MEMORY"
drive 31
check "a hook that changes the memory: the VM stays" stayed 31 node01
check "that is what the answer says" said 'the domain XML that the hooks wrote has another memory; nothing was touched'
hooks 10-machine "$MACHINE" 20-log "$LOG"
drive 31
check "one that changes what only libvirt minds: the VM stays" stayed 31 node01
check "libvirt's words are the answer" said 'Error migrating VM 31: .*[Tt]arget.*machine'
check "the destination was not touched by either" untouched node02
check "hooks of pre and of failed were called" within 10 called node01 node01 node02 pre failed

# ---- afterwards
hooks 10-slow "$SLOW" 20-log "$LOG"
drive 31
SO_FAR=$(lab exec node01 -- cat /tmp/hooks.log)
check "a slow hook of switched: the VM moves" moved 31 node02
check "the answer does not wait for it" test "${SO_FAR%% *}" = pre -a "${SO_FAR//switched/}" = "$SO_FAR"
check "it ends, and those of post are called" within 30 called node01 node01 node02 pre switched post
check "nothing of it is left" within 10 cleaned node01

hooks 10-broken "$BROKEN" 20-log "$LOG" 30-open "$LOG"
lab exec node02 -- chmod 777 "$(hooks_dir node02)/30-open"
drive 31
check "hooks that fail afterwards: the VM moves" moved 31 node01
check "each is a warning" said 'WARN: migrate: hook 10-broken ended with status 7: no such route \(phase switched\)'
check "the next one is called all the same, one that others can write is not" within 10 \
	called node02 node02 node01 pre switched post
check "and that is a warning" said 'WARN: migrate: .*/30-open can be written by others: it is not run'

hooks 20-log "$LOG"
drive 31 --local
check "by migrate_local: the VM moves" moved 31 node02
check "the hooks are those of the front-end, and run there" within 10 called fe node01 node02 pre switched post
check "not on the source" test -z "$(lab exec node01 -- cat /tmp/hooks.log)"
check "nothing is left on the front-end" within 10 cleaned fe
check "memory is whole, and the guest has booted once" lab guest verify 31
lab guest stop 31

# ---- the guest is told
hooks
lab guest start 31 --mem 128 --fill 32 --verify 64 --agent answers
settings "${QUICK[@]}"
drive 31
check "MIGRATE_NOTIFY=no: the VM moves" moved 31 node02
check "the guest was told nothing" told ''
settings "${QUICK[@]}" MIGRATE_NOTIFY=agent
drive 31
check "MIGRATE_NOTIFY=agent: the VM moves" moved 31 node01
check "the guest was told, before and after" within 10 told 'NOTIFY before NOTIFY after '
check "the log says so" said 'the guest was told by its agent \(before\)$'
check "no virsh is left" within 10 cleaned node02
hooks 10-machine "$MACHINE"
drive 31
check "one that fails: the VM stays" stayed 31 node01
check "the guest is told of the end there too" within 10 told 'NOTIFY before NOTIFY after NOTIFY before NOTIFY after '
hooks 10-veto "$VETO"
drive 31
check "one that a hook forbids: the VM stays" stayed 31 node01
check "the guest hears nothing of it" told 'NOTIFY before NOTIFY after NOTIFY before NOTIFY after '
hooks
drive 31 --local
check "by migrate_local: the VM moves, and the guest is told" moved 31 node02
check "as often as by migrate" within 10 \
	told 'NOTIFY before NOTIFY after NOTIFY before NOTIFY after NOTIFY before NOTIFY after '
lab guest stop 31

lab guest start 31 --mem 128 --fill 32 --verify 64 --agent old
drive 31
check "an agent that starts no programs: the VM moves" moved 31 node02
check "that is one line" test "$(grep -c '^\[VMM\].*guest was' "$OUT")" = 1
check "with libvirt's words" said 'the guest was not told by its agent \(before\): .*guest-exec'
lab guest stop 31

lab guest start 31 --mem 128 --fill 32 --verify 64 --agent deaf
begun=$SECONDS
drive 31
check "an agent that does not answer: the VM moves" moved 31 node02
check "it is waited for, but not for long" at_most 30 $((SECONDS - begun))
check "and that is one line, too" test "$(grep -c '^\[VMM\].*guest was not told' "$OUT")" = 1
lab guest stop 31

lab guest start 31 --mem 128 --fill 32 --verify 64
drive 31
check "no channel for an agent: the VM moves" moved 31 node02
check "no line is about it" silent 'guest (was|is) (not )?told'
