#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How kvmrc and onemigraterc, as they are found in the field, reach the helper.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

# LINE...: a tree with that kvmrc, and a migration in it.
with_kvmrc()
{
	printf '%s\n' "$@" >kvmrc
	make_tree <kvmrc
	make_helper
	migrate
	is "$STATUS" 0
	is "$(words helper.argv)" "$(printf '%q\n' migrate "${ARGV[@]}")"
}
# How many lines of WARN there were.
warnings()
{
	grep -c '^WARN: migrate: ' "$CASE/err" || :
}

unexported()
{
	with_kvmrc 'MIGRATE_NETWORK="10.1.0.0/24"'
	is "$(seen helper MIGRATE_NETWORK)" 10.1.0.0/24
	is "$ERR" ''
}
it 'a variable of kvmrc that is not exported arrives' unexported

exported()
{
	with_kvmrc 'export A=1 B="two words"' 'declare -x C=3'
	is "$(seen helper A),$(seen helper B),$(seen helper C)" '1,two words,3'
}
it 'exported variables of kvmrc arrive, several on a line too' exported

conditional()
{
	with_kvmrc 'BASE="--unsafe"' 'if [ -n "$BASE" ]; then MIGRATE_OPTIONS="$BASE --live"; fi' \
		'MIGRATE_OPTIONS+=" --verbose"'
	is "$(seen helper MIGRATE_OPTIONS)" '--unsafe --live --verbose'
}
it 'conditions, expansions and += of kvmrc have their meaning in bash' conditional

multiline()
{
	with_kvmrc "NOTE='one" "two'" 'QUOTED="a\"b $(echo c)"'
	is "$(seen helper NOTE)" $'one\ntwo'
	is "$(seen helper QUOTED)" 'a"b c'
}
it 'values with newlines and quotes arrive unchanged' multiline

failing_line()
{
	with_kvmrc 'A=1' 'nosuchcommand' 'B=2'
	is "$(seen helper A)$(seen helper B)" 12
	is "$(warnings)" 1
	has "$ERR" "$TREE/etc/vmm/kvm/kvmrc, line 2: "
}
it 'a line that fails is one WARN with file and line, and the rest is read' failing_line

unquoted_words()
{
	with_kvmrc 'MIGRATE_OPTIONS=--a --b # c' 'B=2'
	is "$(seen helper B)" 2
	is "$(warnings)" 1
	has "$ERR" 'line 1: '
	is "$(seen helper ONEMIGRATE_KVMRC)" "$TREE/etc/vmm/kvm/kvmrc"
}
it 'MIGRATE_OPTIONS=--a --b # c is one WARN, and the helper gets the path of the file' unquoted_words

spaced()
{
	with_kvmrc 'FOO = bar' 'B=2'
	is "$(seen helper B)$(seen helper FOO)" 2unset
	is "$(warnings)" 1
}
it 'blanks around the equals sign are one WARN' spaced

exits()
{
	with_kvmrc 'A=1' 'exit 3' 'B=2'
	is "$(seen helper A)$(seen helper B)" 12
	is "$(warnings)" 1
	has "$ERR" 'line 2: '
}
it 'an exit in kvmrc ends neither the script nor the reading' exits

syntax_error()
{
	with_kvmrc 'A=1' 'fi fi' 'B=2' 'C="open' 'D=4'
	is "$(seen helper A)$(seen helper B)" 12
	has "$ERR" 'line 2: '
	has "$ERR" 'line 4: '
	is "$(seen helper D)" 4
}
it 'a syntax error in kvmrc costs its own line' syntax_error

errexit()
{
	with_kvmrc 'set -e' 'false' 'B=2' 'set -u' 'C=$NOWHERE' 'D=4' 'set -f; shopt -s nullglob'
	is "$(seen helper B)$(seen helper C)$(seen helper D)" 2unset4
	has "$ERR" 'line 2: '
	has "$ERR" 'line 5: '
}
it 'set -e and set -u in kvmrc stay in kvmrc' errexit

unset_variable()
{
	with_kvmrc 'A=$NOWHERE' 'B=${NOWHERE:?gone}' 'C=3'
	is "$(seen helper A)$(seen helper C)" 3
}
it 'unset variables in kvmrc end nothing' unset_variable

noise()
{
	with_kvmrc 'echo noise' 'echo "12 noise" >&2' 'printf "no newline"' 'A=1'
	is "$(seen helper A)" 1
	is "$ERR" ''
}
it 'what kvmrc prints reaches neither stdout nor stderr' noise

reader()
{
	with_kvmrc 'read -r LINE || :' 'cat' 'A=1'
	is "$(seen helper A)" 1
	is "$(<helper.stdin)" '<VMM_DRIVER_ACTION_DATA/>'
}
it 'a kvmrc that reads stdin gets nothing of the document' reader

background()
{
	SECONDS=0
	with_kvmrc 'sleep 30 &' 'B=$!' 'A=1'
	kill "$(seen helper B)"
	is "$(seen helper A)" 1
	((SECONDS < 10))
}
it 'a process that kvmrc leaves behind does not delay the migration' background

replaced()
{
	with_kvmrc 'A=1' 'exec sleep 0'
	has "$ERR" 'its settings are not used'
	is "$(warnings)" 1
}
it 'a kvmrc that replaces its shell is one WARN' replaced

traps()
{
	with_kvmrc 'trap "" ERR' 'trap - EXIT' 'IFS=:' 'PATH=$PATH:/nonexistent' 'record=1 line=2 name=3 first=4' 'A=1'
	is "$(seen helper A)" 1
	is "$(seen helper record)$(seen helper line)$(seen helper name)$(seen helper first)" 1234
	has "$(seen helper PATH)" :/nonexistent
	is "$ERR" ''
}
it 'traps, IFS, PATH and unlucky names in kvmrc do no harm' traps

missing()
{
	make_tree </dev/null
	rm "$TREE/etc/vmm/kvm/kvmrc"
	make_helper
	migrate
	is "$STATUS" 0
	is "$(warnings)" 1
	has "$ERR" 'kvmrc: not there'
	is "$(seen helper ONEMIGRATE_KVMRC),$(seen helper ONEMIGRATE_KVMRC_SET)" unset,unset
}
it 'a missing kvmrc is one WARN' missing

old_place()
{
	make_tree </dev/null
	rm "$TREE/etc/vmm/kvm/kvmrc"
	echo A=old >"$TREE/vmm/kvm/kvmrc"
	make_helper
	migrate
	is "$(seen helper A),$(seen helper ONEMIGRATE_KVMRC)" "old,$TREE/vmm/kvm/kvmrc"
	echo A=new >"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	is "$(seen helper A),$(seen helper ONEMIGRATE_KVMRC)" "new,$TREE/etc/vmm/kvm/kvmrc"
}
it 'the old place of kvmrc counts where the new one is empty' old_place

onemigraterc()
{
	make_tree <<'END'
A=kvmrc
B=kvmrc
C=same
GONE=kvmrc
END
	printf '%s\n' 'A="$A and rc"' 'C=same' 'unset GONE' 'nosuch' >"$TREE/etc/vmm/kvm/onemigraterc"
	make_helper
	migrate
	is "$(seen helper A),$(seen helper B),$(seen helper GONE)" 'kvmrc and rc,kvmrc,unset'
	is "$(seen helper ONEMIGRATE_RC)" "$TREE/etc/vmm/kvm/onemigraterc"
	has "$ERR" 'onemigraterc, line 4: '
	is "$(seen helper ONEMIGRATE_RC_SET | tr ' ' '\n' | sort | tr '\n' ' ')" 'A C '
	is "$(seen helper ONEMIGRATE_KVMRC_SET | tr ' ' '\n' | sort | tr '\n' ' ')" 'A B C GONE '
}
it 'onemigraterc is read after kvmrc and wins, and the origins are told apart' onemigraterc

origin()
{
	make_tree <<<'A=kvmrc'
	make_helper
	A=environment B=environment ONEMIGRATE_STOCK=wrong ONEMIGRATE_RC_SET=wrong migrate
	is "$(seen helper A),$(seen helper B)" kvmrc,environment
	is "$(seen helper ONEMIGRATE_KVMRC_SET)" A
	is "$(seen helper ONEMIGRATE_STOCK)" "$TREE/vmm/kvm/migrate.stock"
	is "$(seen helper ONEMIGRATE_RC_SET)" unset
	rm "$TREE/vmm/kvm/migrate.stock"
	ONEMIGRATE_STOCK=wrong migrate
	is "$(seen helper ONEMIGRATE_STOCK)" unset
}
it 'the helper is told what kvmrc set and where the stock script is, whatever the environment says' origin

unreadable()
{
	make_tree </dev/null
	rm "$TREE/etc/vmm/kvm/kvmrc"
	mkdir "$TREE/etc/vmm/kvm/kvmrc"
	make_helper
	migrate
	is "$STATUS,$(warnings)" 0,1
}
it 'a kvmrc that cannot be read is one WARN' unreadable

many()
{
	local i
	for ((i = 0; i < 50; i++)); do
		echo "nosuch$i"
	done >kvmrc
	echo 'for i in 1 2 3; do nosuch; done' >>kvmrc
	make_tree <kvmrc
	make_helper
	migrate
	is "$STATUS,$(warnings)" 0,11
}
it 'a kvmrc that fails everywhere does not flood the log' many

sleeps()
{
	printf '%s\n' 'A=1' 'sleep 5' >kvmrc
	make_tree <kvmrc
	make_helper
	sed -i 's/^OM_RC_LIMIT_S=.*/OM_RC_LIMIT_S=1/' "$TREE/onemigrate/driver.sh"
	SECONDS=0
	migrate
	((SECONDS < 5))
	is "$STATUS,$(warnings)" 0,1
	[[ -e helper.argv ]]
}
it 'a kvmrc that does not come to its end is given up with one WARN' sleeps

sleeps_then_rc()
{
	printf '%s\n' 'A=1' 'trap "" TERM' 'while :; do echo noise >&2; sleep 0.1; done' >kvmrc
	make_tree <kvmrc
	echo B=2 >"$TREE/etc/vmm/kvm/onemigraterc"
	make_helper
	sed -i 's/^OM_RC_LIMIT_S=.*/OM_RC_LIMIT_S=1/' "$TREE/onemigrate/driver.sh"
	SECONDS=0
	migrate
	((SECONDS < 8))
	is "$STATUS,$(warnings)" 0,1
	is "$(seen helper A),$(seen helper B)" unset,2
}
it 'one that makes noise for ever is given up too, and onemigraterc is read' sleeps_then_rc

broken_then_rc()
{
	make_tree <<<$'A=1\nshopt -s nocasematch nullglob; set -f; IFS=:\nB=x\nfi fi\nC=3\nexit 4\nset -u\nD=$NOWHERE\nE=5'
	printf '%s\n' 'B=X' 'F="$A $C"' 'G=a:b' 'H=$G' 'false' 'I=9' >"$TREE/etc/vmm/kvm/onemigraterc"
	make_helper
	migrate
	is "$(seen helper A)$(seen helper C)$(seen helper E),$(seen helper B),$(seen helper F),$(seen helper H)$(seen helper I)" \
		'135,X,1 3,a:b9'
	is "$(warnings)" 4
	has "$ERR" 'onemigraterc, line 5: '
	is "$(seen helper ONEMIGRATE_RC_SET | tr ' ' '\n' | sort | tr '\n' ' ')" 'B F G H I '
	is "$(seen helper ONEMIGRATE_KVMRC_SET | tr ' ' '\n' | sort | tr '\n' ' ')" 'A B C E '
}
it 'onemigraterc is read whole behind a kvmrc that breaks in every way' broken_then_rc

taken_back()
{
	make_tree <<<$'A=1\nB=2\nunset B\nexport -n C\nNAME=\'a\nexport D=no\n\''
	echo 'unset A; B=3' >"$TREE/etc/vmm/kvm/onemigraterc"
	make_helper
	C=c E=e migrate
	is "$(seen helper A),$(seen helper B),$(seen helper C),$(seen helper D),$(seen helper E)" unset,3,unset,unset,e
	is "$(seen helper NAME)" $'a\nexport D=no'
}
it 'what one rc file takes back is gone for the helper' taken_back
