#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hooks: which directory the helper is told of, and the process that runs them, by the words of its parent.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

told()
{
	make_tree <<<$'ONEMIGRATE_HOOKS=/tmp/of-kvmrc\nexport ONEMIGRATE_HOOKS\nA=1'
	make_helper
	ONEMIGRATE_HOOKS=/tmp/of-the-environment migrate
	is "$(seen helper ONEMIGRATE_HOOKS)" "$TREE/vmm/kvm/migrate.d"
	is "$(seen helper ONEMIGRATE_KVMRC_SET)" A
	echo 'ONEMIGRATE_HOOKS=/tmp/of-rc OM_LIB_DIR=/tmp/x/y' >"$TREE/etc/vmm/kvm/onemigraterc"
	migrate
	is "$(seen helper ONEMIGRATE_HOOKS)" "$TREE/vmm/kvm/migrate.d"
	mkdir "$TREE/vmm/kvm_fast"
	cp "$TREE/vmm/kvm/migrate" "$TREE/vmm/kvm_fast/migrate"
	try "$TREE/vmm/kvm_fast/migrate" "${ARGV[@]}" </dev/null
	is "$(seen helper ONEMIGRATE_HOOKS)" "$TREE/vmm/kvm/migrate.d"
}
it 'the directory is that of the tree, whatever a file or the environment says' told

untold()
{
	make_tree </dev/null
	migrate
	is "$(seen stock ONEMIGRATE_HOOKS)" unset
}
it 'the stock script is not told' untold

# ---- the process

# NAME TEXT: a hook.
hook()
{
	mkdir -p d
	printf '#!/bin/bash\n%s\n' "$2" >"d/$1"
	chmod 0755 "d/$1"
}

# What the hooks of this case write into, and the files they are given.
runner_begin()
{
	F=$(mktemp -d)
	printf '<domain/>' >"$F/domain.xml"
	printf '<VM/>' >"$F/vm.xml"
}

# SECONDS WORD...: says the words, one after the other; sets OUT.
runner()
{
	local seconds=$1
	shift
	try "$REPO/build/onemigrate" hooks "$CASE/d" "$F" "$seconds" no qemu:///system qemu+ssh://node02/system \
		"$UUID" 31 node01 node02 < <(printf '%s\n' "$@")
}

# Words are said as the answers come, because the next word ends a hook of `pre`.
talk_begin()
{
	coproc RUNNER { exec "$REPO/build/onemigrate" hooks "$CASE/d" "$F" "$1" no qemu:///system x:/// "$UUID" 31 node01 node02; }
	PID=$RUNNER_PID
	exec {to}>&"${RUNNER[1]}" {from}<&"${RUNNER[0]}"
	eval "exec ${RUNNER[1]}>&-"
}

# WORD: says it and hears until a line that begins with "=", into OUT.
talk_pre()
{
	local line
	OUT=''
	echo pre >&"$to"
	while IFS= read -r -t 20 line <&"$from"; do
		OUT+=$line$'\n'
		[[ $line != =* ]] || return 0
	done
	return 1
}

talk_end()
{
	[[ -z $1 ]] || echo "$1" >&"$to"
	exec {to}>&-
	OUT=$(timeout 20 cat <&"$from")
	wait "$PID" || :
	[[ ! -e $F ]]
}

order()
{
	hook 20-b 'echo "b $1 $ONEMIGRATE_PHASE $ONEMIGRATE_VM_ID $ONEMIGRATE_UUID $ONEMIGRATE_SRC $ONEMIGRATE_DST $(<"$2")$(<"$3")"'
	hook 10-a 'echo "a $1"'
	runner_begin
	talk_begin 10
	talk_pre
	is "$OUT" "I hook 10-a: a pre
I hook 20-b: b pre pre 31 $UUID node01 node02 <domain/><VM/>
= 
"
	echo switched >&"$to"
	talk_end post
	is "$OUT" "I hook 10-a: a switched
I hook 20-b: b switched switched 31 $UUID node01 node02 <domain/><VM/>
I hook 10-a: a post
I hook 20-b: b post post 31 $UUID node01 node02 <domain/><VM/>"
}
it 'hooks run in order, with the phase and the environment that is promised, and the files go' order

written()
{
	hook 10-a 'sed -i s/domain/other/ "$2"'
	hook 20-b ':'
	runner_begin
	talk_begin 10
	talk_pre
	has "$OUT" 'I hook 10-a has written the domain XML'
	lacks "$OUT" '20-b has written'
	is "$(<"$F/domain.xml")" '<other/>'
	talk_end failed
}
it 'who has written the domain XML is named' written

refusing()
{
	hook 10-a 'touch a'
	hook 20-b 'echo "not in working hours" >&2; exit 3'
	hook 30-c 'echo c'
	runner_begin
	talk_begin 10
	talk_pre
	is "$OUT" $'I hook 20-b: not in working hours\n= hook 20-b ended with status 3: not in working hours\n'
	talk_end failed
	has "$OUT" 'W hook 20-b ended with status 3: not in working hours (phase failed)'
	has "$OUT" 'I hook 30-c: c'
}
it 'the first that fails ends pre; later all are run, and a failure is a warning' refusing

# The parent has gone while a hook of `pre` runs.
orphan()
{
	hook 10-a "echo \$\$ >'$CASE/pid'; sleep 300"
	hook 20-b "echo \$1 >>'$CASE/b'"
	runner_begin
	talk_begin 60
	echo pre >&"$to"
	for _ in {1..100}; do
		[[ ! -s pid ]] || break
		sleep 0.1
	done
	talk_end ''
	[[ ! -e b ]]
	! kill -0 "$(<pid)" 2>/dev/null
}
it 'where its parent dies it ends the hook, calls no other, and removes the files' orphan

cancelled()
{
	hook 10-a "[[ \$1 != pre ]] || { echo \$\$ >'$CASE/pid'; sleep 300; }"
	hook 20-b "echo \$1 >>'$CASE/b'"
	runner_begin
	talk_begin 60
	echo pre >&"$to"
	for _ in {1..100}; do
		[[ ! -s pid ]] || break
		sleep 0.1
	done
	talk_end failed
	is "$(<b)" failed
	! kill -0 "$(<pid)" 2>/dev/null
}
it 'where the migration is cancelled it ends the hook and runs those of failed' cancelled

# Nobody reads: a hook that prints must not hold the others up.
unheard()
{
	hook 10-a 'echo heard by nobody; for i in {1..20}; do printf "%0290d\n" $i; done'
	hook 20-b "echo \$1 >>'$CASE/b'"
	for ((i = 11; i < 20; i++)); do cp d/10-a "d/$i"; done
	for ((i = 0; i < 30; i++)); do cp d/10-a "d/1-$i"; done
	runner_begin
	talk_begin 20
	printf 'switched\npost\n' >&"$to"
	exec {to}>&-
	wait "$PID"
	is "$(<b)" $'switched\npost'
	(($(head -c 1000000 <&"$from" | wc -c) > 50000)) # the pipe was full
}
it 'what nobody hears holds nothing up' unheard

words()
{
	hook 10-a "echo \$1 >>'$CASE/a'"
	runner_begin
	runner 10 nonsense pre
	[[ ! -e a && ! -e $F ]]
	runner_begin
	runner 10
	[[ ! -e a && ! -e $F ]]
	try "$REPO/build/onemigrate" hooks
	is "$STATUS" 2
}
it 'a word that is none ends it' words
