#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The front-end's onemigrate, with stand-ins for onevm, onehost and ssh.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

type -P ruby >/dev/null || {
	echo 'skip - the front-end command: no ruby'
	exit 0
}

# OpenNebula with the VM 31, whose history is node01, node02 and which migrates if LCM is 4. Each host is a
# directory HOST/ with a synced tree; a host without one cannot be reached. HOST/knows: its status knows the VM.
ground()
{
	local host
	mkdir bin one
	export LCM=${1:-4} ONE_VAR=$CASE/one SCRIPTS_REMOTE_DIR="/remote dir"
	cat >bin/onevm <<END
#!/bin/bash
echo "onevm \$*" >>'$CASE/calls'
case "\$1 \${3-}" in
'show 31')
	cat <<X
<VM><ID>31</ID><NAME><![CDATA[<HOSTNAME>evil</HOSTNAME>]]></NAME><LCM_STATE>\$LCM</LCM_STATE>
<DEPLOY_ID>$UUID</DEPLOY_ID><USER_TEMPLATE><HISTORY><HOSTNAME>evil</HOSTNAME></HISTORY></USER_TEMPLATE>
<HISTORY_RECORDS><HISTORY><HOSTNAME>node09</HOSTNAME></HISTORY><HISTORY><HOSTNAME><![CDATA[node01]]></HOSTNAME></HISTORY>
<HISTORY><HOSTNAME>node02</HOSTNAME></HISTORY></HISTORY_RECORDS></VM>
X
	;;
'show 32') echo "<VM><ID>32</ID><LCM_STATE>3</LCM_STATE><DEPLOY_ID>one-32</DEPLOY_ID><HISTORY_RECORDS><HISTORY><HOSTNAME>-oProxyCommand=touch</HOSTNAME></HISTORY></HISTORY_RECORDS></VM>" ;;
'show 33') echo '<VM><ID>33</ID><LCM_STATE>0</LCM_STATE><HISTORY_RECORDS/></VM>' ;;
'list '*) echo '<VM_POOL><VM><ID>31</ID><DEPLOY_ID>$UUID</DEPLOY_ID></VM><VM><ID>40</ID><DEPLOY_ID/></VM></VM_POOL>' ;;
*)
	echo '[one.vm.info] Error getting virtual machine.' >&2
	exit 255
	;;
esac
END
	cat >bin/onehost <<'END'
#!/bin/bash
echo '<HOST_POOL><HOST><NAME>node01</NAME></HOST><HOST><NAME>node02</NAME></HOST><HOST><NAME>node03</NAME></HOST></HOST_POOL>'
END
	cat >bin/ssh <<'END'
#!/bin/bash
printf '%s\0' "$@" >>"$CASE/ssh.argv"
while [ "$1" != -- ]; do shift; done
host=$2
shift 2
echo "$host" >>"$CASE/asked"
[ -d "$CASE/hosts/$host" ] || { echo "ssh: connect to host $host: No route" >&2; exit 255; }
cd "$CASE/hosts/$host" && export HOST=$host
cat >stdin
exec bash -c "${*//\/remote\\ dir\/onemigrate\//./}"
END
	for host in node01 node02; do
		mkdir -p "hosts/$host"
		cat >"hosts/$host/run" <<'END'
#!/bin/bash
printf '%s\0' "$@" >argv
case $1 in
status)
	[ -e knows ] || [[ ${2--} == -* ]] || { echo 'not known here' >&2; exit 3; }
	case " $* " in
	*' --json '*) echo "{\"on\": \"$HOST\"}" ;;
	*) echo "line from $HOST" ;;
	esac
	;;
--version) echo "onemigrate 1 $HOST" ;;
*) echo "$1 on $HOST" ;;
esac
END
		chmod 0755 "hosts/$host/run"
	done
	chmod 0755 bin/*
	PATH=$CASE/bin:$PATH
	cp "$REPO/remotes/onemigrate/frontend" bin/onemigrate
}

source_first()
{
	ground
	touch hosts/node01/knows
	try onemigrate status 31
	is "$STATUS,$OUT" '0,line from node01'
	is "$(words hosts/node01/argv)" "$(printf '%s\n' status "$UUID")"
	lacks "$(<asked)" node02
	lacks "$(<asked)" evil
}
it 'status of a VM that migrates asks its source first, and gives the UUID' source_first

after_end()
{
	ground 3
	touch hosts/node01/knows
	try onemigrate status 31 --json
	is "$STATUS,$OUT" '0,{"on": "node01"}'
	is "$(head -n 1 asked)" node02
}
it 'status of a VM that ended its migration finds the host that knows of it' after_end

steered()
{
	ground
	touch hosts/node02/knows # from an earlier migration
	try onemigrate set 31 bandwidth=10 deadline=none
	is "$STATUS,$OUT" '0,set on node01'
	is "$(words hosts/node01/argv)" "$(printf '%s\n' set "$UUID" bandwidth=10 deadline=none)"
	lacks "$(<asked)" node02
	try onemigrate cancel
	is "$STATUS" 2
	has "$ERR" 'which VM?'
}
it 'what changes a migration goes to its source, whatever another host remembers' steered

steered_late()
{
	ground 3
	touch hosts/node01/knows
	try onemigrate cancel 31
	is "$STATUS,$OUT" '0,cancel on node01'
}
it 'a cancel that comes too late goes to the host that knows how it ended' steered_late

nobody()
{
	ground
	try onemigrate status 31
	is "$STATUS,$ERR" '3,not known here'
	is "$(tail -n 1 asked)" node01
}
it 'where no host knows the VM the answer and status of the likely one count' nobody

unreachable()
{
	ground
	rm -r hosts/node01
	touch hosts/node02/knows
	try onemigrate status 31
	is "$STATUS,$OUT" '0,line from node02'
	rm -r hosts/node02
	try onemigrate status 31
	is "$STATUS" 1
	has "$ERR" 'node01: cannot be reached by ssh'
}
it 'a host that cannot be reached is passed over, or named' unreachable

other_verbs()
{
	ground 3
	try onemigrate plan 31 node07 --x 'a b;$(touch proof)' "it's"
	is "$STATUS,$OUT" '0,plan on node02'
	is "$(words hosts/node02/argv)" "$(printf '%q\n' plan "$UUID" node07 --x 'a b;$(touch proof)' "it's")"
	[[ -z $(find . -name proof) ]]
	is "$(<hosts/node02/stdin)" ''
}
it 'any verb runs on the host of the VM, its arguments whole, no stdin taken' other_verbs

names()
{
	local name
	ground
	touch hosts/node01/knows
	for name in 31 one-31 "$UUID" "${UUID^^}"; do
		try onemigrate status "$name"
		is "$name $STATUS,$OUT" "$name 0,line from node01"
	done
	try onemigrate status 85b4ad9d-0000-0000-0000-000000000000
	is "$STATUS" 1
	has "$ERR" 'no VM of OpenNebula has'
	try onemigrate status 99
	is "$STATUS" 1
	has "$ERR" 'Error getting virtual machine'
	try onemigrate status 33
	has "$ERR" 'has never been on a host'
	try onemigrate status "x']"
	is "$STATUS" 1
}
it 'a VM is an id, one-ID or a UUID; unknown ones are a clear error' names

hostile_host()
{
	ground
	try onemigrate status 32
	is "$STATUS" 1
	mapfile -d '' -t argv <ssh.argv
	is "${argv[*]: -3:2}" '-- -oProxyCommand=touch'
	is "${argv[-1]}" '/remote\ dir/onemigrate/run status 32 '
}
it 'a host name is never taken for an option of ssh' hostile_host

all_hosts()
{
	ground
	try onemigrate status
	is "$STATUS" 1
	is "$OUT" $'node01: line from node01\nnode02: line from node02'
	is "$ERR" 'node03: cannot be reached by ssh: ssh: connect to host node03: No route'
	cp -r hosts/node02 hosts/node03
	try onemigrate status
	is "$STATUS" 0
	is "$(wc -l <out)" 3
	rm hosts/node02/run
	try onemigrate status
	has "$ERR" 'node02: onemigrate is not there (onehost sync --force puts it there)'
}
it 'status without a VM asks all hosts; one that fails is a line' all_hosts

none_known()
{
	ground
	printf '#!/bin/bash\necho "no migration is known on this host" >&2\nexit 1\n' >hosts/node01/run
	try onemigrate status
	is "$OUT" 'node02: line from node02'
	lacks "$ERR" node01
	cp hosts/node01/run hosts/node02/run
	cp -r hosts/node01 hosts/node03
	try onemigrate status
	is "$STATUS,$OUT,$ERR" '1,,onemigrate: no migration is known on any host'
	printf '#!/bin/bash\necho "no helper: why" >&2\nexit 69\n' >hosts/node02/run
	try onemigrate status
	is "$STATUS" 1
	has "$ERR" 'node02: no helper starts there'
}
it 'a host that knows of no migration is no line; where none does, that is said' none_known

all_json()
{
	ground
	echo 'echo "{\"on\": \"$HOST\"}"' >>hosts/node01/run
	try onemigrate status --json
	is "$(ruby -r json -e '$stdin.each { |l| h = JSON.parse(l); puts [h["host"], h["on"], !h["error"].nil?].join(",") }' <out)" \
		$'node01,node01,false\nnode01,node01,false\nnode02,node02,false\nnode03,,true'
}
it 'status --json without a VM is one JSON object per line, each with its host' all_json

parallel()
{
	ground
	local i
	for i in node01 node02; do
		sed -i '2i sleep 1' "hosts/$i/run"
	done
	cp -r hosts/node01 hosts/node03
	SECONDS=0
	try onemigrate status
	is "$STATUS" 0
	((SECONDS <= 2))
}
it 'all hosts are asked at the same time' parallel

anywhere()
{
	ground
	try onemigrate --version
	is "$STATUS,$OUT" '0,onemigrate 1 node01'
	rm hosts/node01/run
	try onemigrate settings
	is "$STATUS,$OUT" '0,settings on node02'
	rm hosts/node02/run
	try onemigrate --version
	is "$STATUS" 1
	has "$ERR" 'none of the hosts answers'
	# With a helper that starts on this machine no host is asked.
	rm asked
	make_tree "$CASE/one/remotes" <<<'A=1'
	make_helper
	try onemigrate settings --json
	is "$(words helper.argv)" "$(printf '%s\n' settings --json)"
	is "$(seen helper A)" 1
	[[ ! -e asked ]]
}
it 'settings and --version run here where a helper starts, else on a host that answers' anywhere

local_action()
{
	ground
	make_tree "$CASE/one/remotes" </dev/null
	make_helper
	try onemigrate status 31
	is "$STATUS" 0
	is "$(words helper.argv)" "$(printf '%s\n' status "$UUID")"
	[[ ! -e asked ]]
}
it 'a migration that works from this front-end is asked of this front-end' local_action

usage()
{
	ground
	try onemigrate --help
	is "$STATUS" 0
	has "$OUT" 'status VM'
	try onemigrate
	is "$STATUS" 2
	try onemigrate --nonsense
	is "$STATUS" 2
	try onemigrate plan
	is "$STATUS" 2
	try onemigrate status --watch
	is "$STATUS" 2
	try onemigrate migrate 31
	is "$STATUS" 2
	has "$ERR" 'onevm migrate --live'
}
it 'wrong usage is status 2 and a sentence' usage

no_tools()
{
	ground
	rm bin/onevm bin/onehost
	try onemigrate status 31
	is "$STATUS" 1
	has "$ERR" 'onevm is not there'
	printf '#!/bin/bash\necho "<VM><cut"\n' >bin/onevm
	chmod 0755 bin/onevm
	try onemigrate status 31
	is "$STATUS" 1
	[[ ! -e asked ]]
}
it 'no OpenNebula, or an answer that is no XML: a clear error' no_tools

remote_dir()
{
	ground
	unset SCRIPTS_REMOTE_DIR
	mkdir -p loc/etc
	printf '%s\n' '#SCRIPTS_REMOTE_DIR=/commented' 'SCRIPTS_REMOTE_DIR = "/from conf" # text' >loc/etc/oned.conf
	ONE_LOCATION=$CASE/loc try onemigrate status 31
	mapfile -d '' -t argv <ssh.argv
	has "${argv[-1]}" '/from\ conf/onemigrate/run '
	rm ssh.argv
	printf '%s\n' 'SCRIPTS_REMOTE_DIR=/srv/one' >loc/etc/oned.conf
	ONE_LOCATION=$CASE/loc try onemigrate status 31
	mapfile -d '' -t argv <ssh.argv
	has "${argv[-1]}" '/srv/one/onemigrate/run '
	rm ssh.argv
	: >loc/etc/oned.conf
	ONE_LOCATION=$CASE/loc try onemigrate status 31
	mapfile -d '' -t argv <ssh.argv
	has "${argv[-1]}" '/var/tmp/one/onemigrate/run '
}
it 'the place on the hosts is that of oned.conf, else the default' remote_dir

as_root()
{
	((EUID == 0)) || skip 'not root'
	type -P runuser >/dev/null || skip 'no runuser'
	ground
	local uid
	uid=$(id -u nobody)
	mkdir -p one/remotes/onemigrate
	cp "$REPO/remotes/onemigrate/"* one/remotes/onemigrate/
	chown -R nobody one hosts
	chmod 0755 "$CASE" "$TEST_TMP"
	runuser -u nobody -- test -x "$CASE/bin/onemigrate" || skip 'the temporary directory is closed'
	printf '#!/bin/bash\necho "$(id -u) $HOME ${#1} $#" >&2\nexit 1\n' >bin/onevm
	try onemigrate status "31 'x" --json
	has "$ERR" "$uid $(getent passwd nobody | cut -d : -f 6) "
	try one/remotes/onemigrate/frontend status 31
	has "$ERR" "$uid "
	# Where root owns the tree, it is root's.
	chown -R root one
	try onemigrate status 31
	has "$ERR" "0 $HOME "
}
it 'what root calls goes on as the owner of the tree' as_root

warnings()
{
	ground
	touch hosts/node01/knows
	sed -i '2i echo "gem.rb:1: warning: already initialized constant" >&2' bin/onevm
	try onemigrate status 31
	is "$STATUS,$OUT" '0,line from node01'
}
it 'warnings of Ruby are no part of the answer' warnings

wrong_option()
{
	ground
	sed -i '2i echo "usage" >&2; exit 2' hosts/node01/run
	try onemigrate settings --nonsense
	is "$STATUS,$OUT,$ERR" 2,,usage
}
it 'a verb that fails on the first host that answers is not tried on others' wrong_option
