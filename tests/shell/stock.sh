#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The hand-over to the stock script, and what is refused instead.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

# FILE: through migrate into the stock script, byte for byte.
passes()
{
	try "$TREE/vmm/kvm/migrate" "${ARGV[@]}" <"$1"
	by_the_rules
	is "$STATUS" 0
	cmp "$1" stock.stdin
}

bytes()
{
	make_tree <<<'cat'
	head -c 1048576 /dev/urandom >random
	passes random
	rm stock.stdin
	# shellcheck disable=SC2002 # a pipe is what is wanted
	cat random | try "$TREE/vmm/kvm/migrate" "${ARGV[@]}"
	cmp random stock.stdin
	: >empty
	passes empty
	printf '<A><![CDATA[$(touch proof) `touch proof` \\ "\n]]></A>\nEOT\n\0\xff no newline' >hostile
	passes hostile
	[[ ! -e proof ]]
}
it 'the stock script gets stdin byte for byte: 1 MiB, a pipe, nothing, CDATA, an EOT line, NUL' bytes

arguments()
{
	make_tree </dev/null
	ARGV=("a'b\"c" $'new\nline' '$(touch proof)' '3`touch proof`1' '' '*' '-n' 'b  c')
	migrate
	is "$(words stock.argv)" "$(printf '%q\n' "${ARGV[@]}")"
	[[ ! -e proof ]]
}
it 'the stock script gets identical arguments, hostile ones too' arguments

hostile_to_helper()
{
	make_tree </dev/null
	make_helper
	ARGV=("a'b\"c" $'new\nline' '$(touch proof)' '3`touch proof`1' '' '*')
	migrate
	is "$(words helper.argv)" "$(printf '%q\n' migrate "${ARGV[@]}")"
	[[ ! -e proof ]]
}
it 'the helper gets identical arguments, hostile ones too' hostile_to_helper

environment()
{
	make_tree <<<'MIGRATE_OPTIONS="--from-kvmrc"'
	B=kept migrate
	is "$(seen stock MIGRATE_OPTIONS),$(seen stock B)" unset,kept
	is "$(seen stock ONEMIGRATE_KVMRC)" unset
}
it 'the stock script gets the environment that it would have had without us' environment

status()
{
	make_tree </dev/null
	RECORDER_STATUS=17 migrate
	is "$STATUS" 17
}
it 'the exit status of the stock script is ours' status

strict()
{
	make_tree <<<$'MIGRATE_NETWORK=10.1.0.0/24\nMIGRATE_NETWORK_POLICY=Strict'
	head -c 300000 /dev/zero >document
	{
		cat document
		echo $? >writer
	} | {
		try "$TREE/vmm/kvm/migrate" "${ARGV[@]}"
		by_the_rules
		is "$STATUS" 1
		is "$(wc -l <err)" 1
		[[ $ERR =~ ^'Error migrating VM 31: '.*'; nothing was touched, OpenNebula has the VM on node01.'$ ]]
		[[ ! -e stock.argv ]]
	}
	is "$(<writer)" 0
}
it 'strict refuses instead, having read its input to the end' strict

strict_without_network()
{
	make_tree <<<'MIGRATE_NETWORK_POLICY=strict'
	migrate
	is "$STATUS" 0
	[[ -e stock.argv ]]
}
it 'strict without a fast network refuses nothing' strict_without_network

strict_by_rc()
{
	make_tree <<<$'DEST_HOST_APPEND=-10g1\nMIGRATE_NETWORK_POLICY=strict'
	echo MIGRATE_NETWORK_POLICY=fallback >"$TREE/etc/vmm/kvm/onemigraterc"
	migrate
	is "$STATUS" 0
	echo 'MIGRATE_NETWORK_POLICY=strict; DEST_HOST_APPEND=' >"$TREE/etc/vmm/kvm/onemigraterc"
	migrate
	is "$STATUS" 0
	echo MIGRATE_NETWORK_POLICY=STRICT >"$TREE/etc/vmm/kvm/onemigraterc"
	migrate
	is "$STATUS" 1
}
it 'the policy and the network of onemigraterc win here too' strict_by_rc

tls_required()
{
	make_tree <<<'MIGRATE_TLS=Required'
	migrate
	is "$STATUS" 1
	is "$(wc -l <err)" 1
	has "$ERR" 'MIGRATE_TLS=required forbids the stock script, which does not encrypt; nothing was touched'
	[[ ! -e stock.argv ]]
	echo MIGRATE_OPTIONS=--tls >"$TREE/etc/vmm/kvm/onemigraterc" # stock does not read it
	migrate
	is "$STATUS" 1
	rm "$TREE/etc/vmm/kvm/onemigraterc"
	echo 'MIGRATE_OPTIONS="--unsafe #--tls --tls #"' >>"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	is "$STATUS" 1
	[[ ! -e stock.argv ]]
	echo 'MIGRATE_OPTIONS="--unsafe --tls"' >>"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	is "$STATUS" 0
	[[ -e stock.argv ]]
}
it 'where encryption is required the stock script runs only with --tls of its own' tls_required

tls_on_one_host()
{
	make_tree <<<'MIGRATE_TLS=required'
	ARGV=("$UUID" node01 node01 31 node01)
	migrate
	is "$STATUS" 0
	[[ -e stock.argv ]]
}
it 'a move within one host sends nothing that could be encrypted' tls_on_one_host

# [SCRIPT]: by the helper itself, with a document of tests/golden/req; it needs no host for what it leaves to stock.
tls_helper()
{
	local doc=$REPO/tests/golden/req/${DOC:-shared-7.4}.xml
	[[ -x $REPO/build/onemigrate ]] || skip 'build/onemigrate is not built'
	rm -f stock.argv
	mkdir -p "$TREE/onemigrate/$PLATFORM"
	cp "$REPO/build/onemigrate" "$TREE/onemigrate/$PLATFORM/"
	try "$TREE/vmm/kvm/${1:-migrate}" "${ARGV[@]}" <"$doc"
}

tls_left_to_stock()
{
	local options
	for options in '--nosuch' '--bandwidth $X' '--xml /x' '--nosuch "--tls ""--tls"' '$X --tls'; do
		make_tree <<<"MIGRATE_TLS=required"$'\n'"MIGRATE_OPTIONS='$options'"
		tls_helper
		is "$STATUS" 1
		has "$ERR" "left to OpenNebula's own script, which does not encrypt, and MIGRATE_TLS is required: "
		has "$ERR" '; nothing was touched, OpenNebula has the VM on node01'
		[[ ! -e stock.argv ]]
	done
	echo MIGRATE_TLS=opportunistic >"$TREE/etc/vmm/kvm/onemigraterc"
	tls_helper
	is "$STATUS" 0
	[[ -e stock.argv ]]
}
it 'where encryption is required the helper leaves nothing to the stock script' tls_left_to_stock

tls_of_stock()
{
	make_tree <<<$'MIGRATE_TLS=required\nMIGRATE_OPTIONS="--nosuch --tls"'
	tls_helper
	is "$STATUS" 0
	[[ -e stock.argv ]]
	echo 'MIGRATE_OPTIONS="--nosuch --tls"' >"$TREE/etc/vmm/kvm/onemigraterc" # stock does not read it
	tls_helper
	is "$STATUS" 1
	[[ ! -e stock.argv ]]
}
it 'unless that one has --tls of its own' tls_of_stock

tls_move()
{
	make_tree <<<$'MIGRATE_TLS=required\nMIGRATE_OPTIONS=--nosuch'
	ARGV=("$UUID" node01 node01 31 node01)
	DOC=same-host tls_helper migrate_local
	is "$STATUS" 0
	[[ -e stock_local.argv ]]
}
it 'nor of a move within one host' tls_move

tls_early()
{
	make_tree <<<'MIGRATE_TLS=required'
	ulimit -Ss 400000000000 # no thread can have such a stack
	tls_helper
	is "$STATUS" 1
	has "$ERR" 'MIGRATE_TLS is required: no thread can be started'
	[[ ! -e stock.argv ]]
	echo MIGRATE_TLS=off >"$TREE/etc/vmm/kvm/kvmrc"
	tls_helper
	is "$STATUS" 0
	[[ -e stock.argv ]]
}
it 'nor before it has read the settings' tls_early

no_stock()
{
	make_tree </dev/null
	rm "$TREE"/vmm/kvm/*.stock
	migrate
	is "$STATUS" 1
	is "$(wc -l <err)" 1
	has "$ERR" 'Error migrating VM 31: '
	has "$ERR" 'no stock script'
	has "$ERR" '; nothing was touched, OpenNebula has the VM on node01.'
	try "$TREE/vmm/kvm/migrate_local" "${ARGV[@]}" <<<x
	is "$STATUS" 1
}
it 'neither helper nor stock script: one clear error' no_stock

own_script_as_stock()
{
	make_tree </dev/null
	cp "$TREE/vmm/kvm/migrate" "$TREE/vmm/kvm/migrate.stock"
	migrate
	is "$STATUS" 1
	has "$ERR" 'no stock script'
}
it 'our own script under the name of the stock script does not run itself for ever' own_script_as_stock

broken_stock()
{
	make_tree </dev/null
	printf '#!/nonexistent/interpreter\n' >"$TREE/vmm/kvm/migrate.stock"
	migrate
	is "$STATUS" 1
	is "$(grep -c '^Error migrating VM 31: ' err)" 1
}
it 'a stock script that cannot be executed is a clear error' broken_stock

hostile_message()
{
	make_tree <<<'MIGRATE_NETWORK=$'"'"'10.0.0.0/8\n\033[31mExitCode: 0 EOF_ERR'"'"
	ARGV=(x y $'node\n1 ExitCode: 0 EOF_ERR\r' $'3\n1' z)
	migrate
	is "$(wc -l <err)" 1
	rm "$TREE"/vmm/kvm/*.stock
	migrate
	is "$(wc -l <err)" 1
}
it 'hostile names make no line of their own in our messages' hostile_message

no_arguments()
{
	make_tree </dev/null
	ARGV=()
	migrate
	is "$STATUS" 0
	rm "$TREE"/vmm/kvm/*.stock
	migrate
	is "$STATUS" 1
}
it 'missing arguments are no trouble of ours' no_arguments

library_missing()
{
	make_tree </dev/null
	make_helper
	rm "$TREE/onemigrate/driver.sh"
	migrate
	[[ -e stock.argv ]]
	is "$(wc -l <err)" 1
	head -c 3000 "$REPO/remotes/onemigrate/driver.sh" >"$TREE/onemigrate/driver.sh"
	rm stock.argv
	migrate
	[[ -e stock.argv ]]
	is "$(wc -l <err)" 1
	rm "$TREE"/vmm/kvm/*.stock
	migrate
	is "$STATUS" 1
}
it 'without the shared part, or with half of it, the stock script runs with one line' library_missing

library_missing_strict()
{
	make_tree <<<'MIGRATE_NETWORK_POLICY="strict"'
	rm "$TREE/onemigrate/driver.sh"
	migrate
	is "$STATUS" 1
	has "$ERR" 'Error migrating VM: onemigrate/driver.sh is missing'
	[[ ! -e stock.argv ]]
	echo 'MIGRATE_TLS="required"' >"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	is "$STATUS" 1
	[[ ! -e stock.argv ]]
	echo 'MIGRATE_TLS=off' >"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	[[ -e stock.argv ]]
}
it 'without the shared part and with strict, or encryption required, nothing runs' library_missing_strict

reader_missing()
{
	make_tree <<<'A=1'
	rm "$TREE/onemigrate/rcread.sh"
	make_helper
	migrate
	is "$STATUS" 0
	is "$(grep -c ^WARN err)" 1
	[[ -e helper.argv ]]
}
it 'without the reader of the rc files there is one WARN and the migration' reader_missing

places()
{
	make_tree "$CASE/with blank/o'n\"e" <<<'A=1'
	make_helper
	cd /
	migrate
	is "$(seen helper A)" 1
	cd "$CASE"
	rm helper.argv
	ln -s "$TREE/vmm/kvm/migrate" link
	try ./link "${ARGV[@]}" </dev/null
	is "$(seen helper ONEMIGRATE_STOCK)" "$TREE/vmm/kvm/migrate.stock"
	rm helper.argv
	cd "$TREE/vmm"
	try kvm/../kvm/migrate "${ARGV[@]}" </dev/null
	[[ -e $CASE/helper.argv ]]
}
it 'paths with blanks and quotes, links and any directory will do' places

linked_driver()
{
	make_tree <<<'A=1'
	make_helper
	mkdir "$TREE/vmm/kvm_fast"
	cp "$TREE/vmm/kvm/migrate" "$TREE/vmm/kvm_fast/migrate"
	try "$TREE/vmm/kvm_fast/migrate" "${ARGV[@]}" </dev/null
	is "$(seen helper A),$(seen helper ONEMIGRATE_STOCK)" "1,$TREE/vmm/kvm/migrate.stock"
}
it 'a copy in another driver directory finds kvmrc and the stock script' linked_driver

bad_locale()
{
	make_tree <<<'LC_ALL=xx_XX.UTF-8'
	make_helper
	migrate
	lacks "$ERR" driver.sh
	is "$(seen helper LC_ALL)" xx_XX.UTF-8
}
it 'a locale that is not there makes no noise' bad_locale

closed_fds()
{
	make_tree </dev/null
	make_helper
	"$TREE/vmm/kvm/migrate" "${ARGV[@]}" <&- >out 2>err || :
	by_the_rules
	[[ -e helper.argv ]]
}
it 'a closed stdin is no trouble' closed_fds
