#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The wrappers of the TM scripts, with stand-ins for ssh and for OpenNebula's own scripts.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

DIR=/var/lib/one//datastores/0/31
DOCUMENT=PFZNPjxJRD4zMTwvSUQ+PC9WTT4=

# What a stock script can see of how it was called. $1: text of the script before, $2: what the file is called.
bash_stock()
{
	cat <<'END2'
#!/bin/bash -u
# A script of OpenNebula's.
DRIVER_PATH=$(dirname $0)
{
	echo "zero $0"
	echo "name ${0##*/}"
	echo "driver $(basename "$DRIVER_PATH")"
	printf 'arg %s\n' "$@"
	echo "stdin $(sha256sum | cut -d ' ' -f 1)"
	echo "flags $-"
} >>"$CASE/ran"
exit "${STOCK_STATUS:-0}"
END2
}

ruby_stock()
{
	cat <<'END2'
#!/usr/bin/env ruby
# frozen_string_literal: true
# A script of OpenNebula's.
require 'digest'
require_relative '../lib/tm_lib'
def out(text)
  File.write("#{ENV['CASE']}/ran", "#{text}\n", mode: 'a')
end
if __FILE__ == $0
  out "zero #{$PROGRAM_NAME}"
  out "name #{File.basename($0)}"
  out "driver #{File.basename(File.dirname($PROGRAM_NAME))}"
  ARGV.each {|a| out "arg #{a}" }
  out "stdin #{Digest::SHA256.hexdigest(STDIN.read)}"
  out "dir #{File.basename(__dir__)} #{LIB}"
end
exit(ENV.fetch('STOCK_STATUS', '0').to_i)
END2
}

# Calls the scripts of other drivers as OpenNebula's function does. $1: other drivers
chaining_stock()
{
	cat <<END2
#!/bin/bash
TEMPLATE_64=\$(cat)
DRIVER_PATH=\$(dirname \$0)
MAD=\${DRIVER_PATH##*/}
echo "ran \$MAD \$#\${6:+ from \$6}" >>"$CASE/ran"
[ -n "\$6" ] && exit 0
for TM in $1; do
	echo \$TEMPLATE_64 | \$DRIVER_PATH/../\$TM/\${0##*/} "\$@" \$MAD
done
exit 0
END2
}

# A tree as a front-end has it, with stand-ins in tm/, and a stand-in of ssh that says $1 and ends with $2.
ground()
{
	local driver step
	mkdir -p bin tm/lib
	for driver in ssh local ceph shared storpool; do
		mkdir -p "tm/$driver"
		for step in premigrate postmigrate failmigrate; do
			cp "$REPO/remotes/tm/step" "tm/$driver/$step"
			bash_stock >"tm/$driver/$step.stock"
			chmod 755 "tm/$driver/$step" "tm/$driver/$step.stock"
		done
	done
	echo "LIB = 'lib'" >tm/lib/tm_lib.rb
	ssh_says "$@"
	export PATH=$CASE/bin:$PATH CASE
	unset ONEMIGRATE_TM_ASKED
	: >ran
}

ssh_says()
{
	cat >bin/ssh <<END2
#!/bin/bash
printf '%s\0' "\$@" >"$CASE/ssh.argv"
sha256sum | cut -d ' ' -f 1 >"$CASE/ssh.stdin"
echo x >>"$CASE/ssh.count"
printf '%s' $(printf '%q' "$1")
echo 'INFO: 31 WARNING premigrate: from the host' >&2
exit $2
END2
	chmod 755 bin/ssh
	rm -f ssh.*
	: >ssh.count
}

asked()
{
	is "$(wc -l <ssh.count)" "$1"
}

# STEP DRIVER [SIXTH]
step()
{
	local -a sixth=("${@:3}")
	: >ran
	try "$CASE/tm/$2/$1" node01 node02 "$DIR" 31 0 "${sixth[@]}" < <(printf %s "$DOCUMENT")
	RAN=$(<ran)
}

SUM=$(printf %s "$DOCUMENT" | sha256sum | cut -d ' ' -f 1)

# How the stock script saw itself, in either language. $1 driver, $2 step, further: the last arguments.
saw_itself()
{
	has "$RAN" "zero $CASE/tm/$1/$2"
	lacks "$RAN" '.stock'
	has "$RAN" "name $2"
	has "$RAN" "driver $1"
	is "$(grep -c '^arg' ran)" $((5 + $# - 2))
	has "$RAN" "arg $DIR"
	has "$RAN" "stdin $SUM"
}

as_without_us()
{
	ground $'onemigrate-tm stock\n' 0
	for step in premigrate postmigrate failmigrate; do
		STOCK_STATUS=7 step "$step" ssh
		is "$STATUS" 7
		saw_itself ssh "$step"
		has "$RAN" 'flags hu'
	done
	asked 3
	ruby_stock >tm/ssh/premigrate.stock
	STOCK_STATUS=9 step premigrate ssh
	cat err
	is "$STATUS" 9
	saw_itself ssh premigrate
	has "$RAN" 'dir ssh lib'
	STOCK_STATUS=0 step premigrate ssh
	is "$STATUS" 0
}
it 'the stock script, bash or Ruby, sees its own name, arguments, stdin; its status is ours' as_without_us

a_link_of_two_names()
{
	ground $'onemigrate-tm stock\n' 0
	rm -r tm/shared
	mkdir tm/qcow2
	mv tm/storpool/* tm/qcow2/
	ln -s qcow2 tm/shared
	step premigrate shared
	is "$STATUS" 0
	saw_itself shared premigrate
	tr '\0' '\n' <ssh.argv >words
	grep -q "'premigrate' 'shared'" words
	# A saved link, as installed trees have it.
	rm tm/qcow2/premigrate.stock
	mkdir tm/common
	bash_stock >tm/common/prepostmigrate
	ln -s ../common/prepostmigrate tm/qcow2/premigrate.stock
	step premigrate qcow2
	is "$STATUS" 0
	saw_itself qcow2 premigrate
}
it 'a driver that is a link, and a stock script that is one, are called by their own names' a_link_of_two_names

what_the_host_gets()
{
	ground $'onemigrate-tm stock\n' 0
	step premigrate ssh
	tr '\0' '\n' <ssh.argv >words
	grep -qx 'ForwardAgent=yes' words
	grep -qx 'ControlPath=none' words
	grep -qx 'ControlMaster=no' words
	is "$(tail -n 2 words | head -n 1)" node01
	is "$(tail -n 1 words)" "'/var/tmp/one/onemigrate/run' 'tm' 'premigrate' 'ssh' 'node01' 'node02' '$DIR' '31' '0' "
	is "$(<ssh.stdin)" "$SUM"
	has "$ERR" 'INFO: 31 WARNING premigrate: from the host'
	# Whatever stands in an argument is one word there.
	DIR="/x'; touch pwned; '\$(touch pwned)/0/31" step premigrate ssh
	tr '\0' '\n' <ssh.argv >words
	mkdir there
	(cd there && eval "set -- $(tail -n 1 ../words)" && is "$7" "/x'; touch pwned; '\$(touch pwned)/0/31")
	[[ ! -e there/pwned && ! -e pwned ]]
	SCRIPTS_REMOTE_DIR=/opt/one step premigrate ssh
	tr '\0' '\n' <ssh.argv >words
	has "$(tail -n 1 words)" "SCRIPTS_REMOTE_DIR='/opt/one' '/opt/one/onemigrate/run' 'tm'"
	# No option can come from a host's name.
	rm -f ssh.argv
	try "$CASE/tm/ssh/premigrate" -oProxyCommand=x node02 "$DIR" 31 0 <<<"$DOCUMENT"
	is "$STATUS" 1
	[[ ! -e ssh.argv ]]
}
it 'the source host gets argv and stdin unchanged, each argument as one word' what_the_host_gets

the_host_decides()
{
	ground $'noise\nonemigrate-tm skip\n' 10
	step premigrate ssh
	is "$STATUS" 0
	is "$RAN" ''
	is "$OUT" ''
	ssh_says $'onemigrate-tm fail\n' 11
	for step in premigrate postmigrate failmigrate; do
		step "$step" local
		is "$STATUS" 1
		is "$RAN" ''
		is "$ERR" 'INFO: 31 WARNING premigrate: from the host'
		[[ $step == postmigrate ]] || step "$step" shared
		is "$STATUS" 1
		is "$RAN" ''
	done
}
it 'skip and fail: the stock script does not run, and the step succeeds or fails' the_host_decides

nobody_can_be_asked()
{
	local answer
	ground '' 255
	for answer in '255 ' '127 ' '69 ' '2 ' '0 ' $'10 onemigrate-tm stock\n' $'0 onemigrate-tm skip\n' \
		$'1 onemigrate-tm stock\n' $'0 onemigrate-tm stock\nmore\n' '124 '; do
		ssh_says "${answer#* }" "${answer%% *}"
		for driver in ssh local ceph storpool; do
			step premigrate "$driver"
			is "$STATUS" 1
			is "$RAN" ''
			has "$(tail -n 1 err)" 'Error migrating VM 31: node01 could not be asked'
			has "$(tail -n 1 err)" 'nothing was touched'
			step postmigrate "$driver"
			is "$STATUS" 1
			is "$RAN" ''
			has "$(tail -n 1 err)" 'postmigrate of VM 31: '
		done
		step failmigrate storpool
		is "$STATUS" 1
		is "$RAN" ''
		# What removes nothing runs, with a warning.
		for call in 'premigrate shared' 'failmigrate shared' 'failmigrate ssh' 'failmigrate ceph'; do
			STOCK_STATUS=3 step "${call% *}" "${call#* }"
			is "$STATUS" 3
			has "$RAN" zero
			has "$ERR" "INFO: 31 WARNING ${call% *}: node01 could not be asked about the VM"
		done
	done
}
it 'where nobody can be asked, what removes something does not run, the rest does' nobody_can_be_asked

nothing_to_ask()
{
	ground '' 255
	step postmigrate shared
	is "$STATUS" 0
	saw_itself shared postmigrate
	asked 0
	# A move between datastores begins as without us; after it, what the VM uses is looked at.
	: >ran
	try "$CASE/tm/ssh/premigrate" node01 node01 "$DIR" 31 0 < <(printf %s "$DOCUMENT")
	is "$STATUS" 0
	has "$(<ran)" zero
	asked 0
	: >ran
	try "$CASE/tm/shared/postmigrate" node01 node01 "$DIR" 31 0 < <(printf %s "$DOCUMENT")
	is "$STATUS" 1
	is "$(<ran)" ''
	asked 1
}
it 'nobody is asked where there is nothing to ask' nothing_to_ask

chains()
{
	ground $'onemigrate-tm stock\n' 0
	chaining_stock 'ceph storpool local' >tm/ssh/premigrate.stock
	for driver in ceph storpool local; do
		chaining_stock '' >tm/$driver/premigrate.stock
	done
	step premigrate ssh
	is "$STATUS" 0
	is "$RAN" $'ran ssh 5\nran ceph 6 from ssh\nran storpool 6 from ssh\nran local 6 from ssh'
	asked 1 # for all of them
	# Begun by a driver whose script is not ours: those of a chain ask for themselves, where they remove something.
	chaining_stock 'ceph local' >tm/storpool/premigrate
	ssh_says $'onemigrate-tm fail\n' 11
	step premigrate storpool
	is "$RAN" $'ran storpool 5\nran ceph 6 from storpool'
	asked 1
	# What was asked for one step says nothing of another.
	ONEMIGRATE_TM_ASKED='premigrate 31' step postmigrate local storpool
	is "$STATUS" 1
	asked 2
}
it 'a chain of drivers is asked about once, and not at all by its harmless ones' chains

no_stock()
{
	ground $'onemigrate-tm stock\n' 0
	rm tm/ssh/premigrate.stock
	step premigrate ssh
	is "$STATUS" 1
	has "$ERR" 'is missing'
	cp tm/ssh/premigrate tm/ssh/premigrate.stock
	step premigrate ssh
	is "$STATUS" 1
	has "$ERR" "is no script of OpenNebula's"
}
it 'a stock script that is missing or our own is told, and is no endless loop' no_stock

relative()
{
	ground $'onemigrate-tm stock\n' 0
	cd tm/ssh
	: >../../ran
	try ./premigrate node01 node02 "$DIR" 31 0 < <(printf %s "$DOCUMENT")
	is "$STATUS" 0
	has "$(<"$CASE/ran")" 'zero ./premigrate'
	tr '\0' '\n' <"$CASE/ssh.argv" >"$CASE/words"
	grep -q "'premigrate' 'ssh'" "$CASE/words"
}
it 'the driver is known by a relative name too' relative

# What another host asks for: no time is spent on asking a helper that will say itself what it cannot do.
quick_verbs()
{
	make_tree <<<'LIBVIRT_URI=qemu:///session'
	mkdir -p "$TREE/onemigrate/$PLATFORM" own
	cat >"$TREE/onemigrate/$PLATFORM/onemigrate" <<'END'
#!/bin/bash
echo "$*" >>"$CASE/calls"
[[ $1 != tm ]] || { echo "read $(cat) $LIBVIRT_URI"; exit 11; }
END
	chmod 755 "$TREE/onemigrate/$PLATFORM/onemigrate"
	try "$TREE/onemigrate/run" tm premigrate ssh <<<document
	is "$STATUS" 11
	is "$OUT" 'read document qemu:///session'
	is "$(<calls)" 'tm premigrate ssh'
	# One that does not start, or is older, leaves the word to the next.
	for broken in 'exit 127' 'echo "no such verb" >&2; exit 2'; do
		printf '#!/bin/bash\n%s\n' "$broken" >own/onemigrate
		chmod 755 own/onemigrate
		ONEMIGRATE_LIBEXEC=$CASE/own try "$TREE/onemigrate/run" tm premigrate ssh <<<document
		is "$STATUS" 11
		has "$OUT" 'read document'
	done
	rm "$TREE/onemigrate/$PLATFORM/onemigrate"
	try "$TREE/onemigrate/run" survey <<<document
	is "$STATUS" 69
	is "$OUT" ''
}
it 'run starts the helper at once where another host waits' quick_verbs

# By hand: the ssh to the destination begins before the helper does, where it is plain which host that is.
check_by_hand()
{
	make_tree <<<''
	mkdir -p "$TREE/onemigrate/$PLATFORM" bin
	cat >"$TREE/onemigrate/$PLATFORM/onemigrate" <<'END'
#!/bin/bash
echo "$*" >>"$CASE/calls"
[[ -n ${ONEMIGRATE_LINK-} ]] || exit 2
read -r to from host <<<"$ONEMIGRATE_LINK"
echo question >&"$to"
read -r answer <&"$from"
echo "$host: $answer"
exit 1
END
	printf '#!/bin/bash\nread -r asked\necho "answer to $asked"\n' >bin/ssh
	chmod 755 bin/ssh "$TREE/onemigrate/$PLATFORM/onemigrate"
	PATH=$CASE/bin:$PATH try "$TREE/onemigrate/run" check 31 node02 --all --json
	is "$STATUS" 1
	is "$OUT" 'node02: answer to question'
	is "$(<calls)" 'check 31 node02 --all --json'
	for wrong in '31' '31 node02 node03' '31 -oProxyCommand=id' '--all 31 node02' '31 node02;id'; do
		: >calls
		# shellcheck disable=SC2086 # the words of a command line
		PATH=$CASE/bin:$PATH try "$TREE/onemigrate/run" check $wrong
		is "$OUT" ''
	done
}
it 'run check begins its ssh before the helper, and only to a host' check_by_hand

# So does the driver's script, for a move to another host; whoever runs in the helper's place gets none of it.
early_link()
{
	make_tree <<<''
	mkdir -p "$TREE/onemigrate/$PLATFORM" bin
	cat >"$TREE/onemigrate/$PLATFORM/onemigrate" <<'END'
#!/bin/bash
[[ $1 != --interface ]] || { [[ -z ${BROKEN-} ]] || exit 1; echo 1; exit; }
[[ -n ${ONEMIGRATE_LINK-} ]] || { echo 'no link' >&2; exit 1; }
read -r to from host <<<"$ONEMIGRATE_LINK"
echo question >&"$to"
read -r answer <&"$from"
echo "$host: $answer, document $(cat)" >&2
exit 1
END
	printf '#!/bin/bash\necho $$ >%q\nread -r asked && echo "answer to $asked"\n' "$CASE/ssh.pid" >bin/ssh
	cat >"$TREE/vmm/kvm/migrate.stock" <<'END'
#!/bin/bash
echo "link ${ONEMIGRATE_LINK-none}" >&2
ls /proc/$$/fd >"$CASE/descriptors"
END
	chmod 755 bin/ssh "$TREE/onemigrate/$PLATFORM/onemigrate"
	PATH=$CASE/bin:$PATH migrate
	is "$ERR" 'node02: answer to question, document <VMM_DRIVER_ACTION_DATA/>'
	PATH=$CASE/bin:$PATH try "$TREE/vmm/kvm/migrate" "$UUID" node01 node01 31 node01 </dev/null
	is "$ERR" 'no link'
	PATH=$CASE/bin:$PATH try "$TREE/vmm/kvm/migrate" "$UUID" -oProxyCommand=id node01 31 node01 </dev/null
	is "$ERR" 'no link'
	export BROKEN=yes
	rm ssh.pid
	PATH=$CASE/bin:$PATH migrate
	has "$ERR" 'the stock script runs'
	has "$ERR" 'link none'
	"$TREE/vmm/kvm/migrate.stock"
	cp descriptors without
	PATH=$CASE/bin:$PATH migrate
	diff without descriptors
	for ((i = 0; i < 50; i++)); do
		[[ -s ssh.pid ]] && ! kill -0 "$(<ssh.pid)" 2>/dev/null && break
		sleep 0.1
	done
	((i < 50))
}
it 'migrate begins its ssh before the helper too, and ends it before the stock script' early_link

# The helper's end, as far as it answers without asking anybody.
helper_refuses()
{
	[[ -x $REPO/build/onemigrate ]] || skip 'no helper was built here'
	local vm="<VM><ID>31</ID><DEPLOY_ID>$UUID</DEPLOY_ID><HISTORY_RECORDS><HISTORY><VM_MAD>kvm</VM_MAD></HISTORY></HISTORY_RECORDS></VM>"
	tm()
	{
		try "$REPO/build/onemigrate" tm "$@" < <(base64 -w 0 <<<"$vm")
	}
	for dir in /var/lib/one/datastores/0/32 /var/lib/one/datastores/0/ / '' /0/31 /x/../0/31; do
		for step in premigrate postmigrate failmigrate; do
			tm "$step" lvm node01 node02 "$dir" 31 0
			is "$STATUS" 11
			is "$OUT" 'onemigrate-tm fail'
			has "$ERR" 'the target directory'
			is "$(wc -l <err)" 1
		done
	done
	tm premigrate ssh node01 node02 "$DIR" 32 0
	is "$STATUS:$OUT" '11:onemigrate-tm fail'
	has "$ERR" 'name different VMs'
	tm premigrate ssh '-oProxyCommand=x' node02 "$DIR" 31 0
	is "$STATUS:$OUT" '11:onemigrate-tm fail'
	tm postmigrate shared node01 node02 "$DIR" 31 0
	is "$STATUS:$OUT" '0:onemigrate-tm stock'
	tm premigrate '../x' node01 node02 "$DIR" 31 0
	is "$STATUS:$OUT" 2:
	tm migrate ssh node01 node02 "$DIR" 31 0
	is "$STATUS:$OUT" 2:
	# What its owner writes does not make it another hypervisor's VM.
	vm=${vm/<ID>/<USER_TEMPLATE><HYPERVISOR>lxc</HYPERVISOR><VM_MAD>lxc</VM_MAD></USER_TEMPLATE><ID>}
	tm premigrate ssh node01 node02 / 31 0
	is "$STATUS:$OUT" '11:onemigrate-tm fail'
	vm=${vm/>kvm</>lxc<}
	tm premigrate ssh node01 node02 / 31 0
	is "$STATUS:$OUT" '0:onemigrate-tm stock'
	try "$REPO/build/onemigrate" tm premigrate ssh node01 node02 "$DIR" 31 0 </dev/null
	is "$STATUS:$OUT" '11:onemigrate-tm fail'
}
it 'the helper refuses what it cannot trust, and passes other hypervisors through' helper_refuses
