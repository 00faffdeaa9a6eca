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
	*' --json '*) if [ -e states ]; then cat states; else echo "{\"on\": \"$HOST\"}"; fi ;;
	*) echo "line from $HOST" ;;
	esac
	;;
history) cat history ;;
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

looks_ahead()
{
	ground 3
	touch hosts/node01/knows # from an earlier migration
	try onemigrate check 31 node03 --json
	is "$STATUS,$OUT" '0,check on node02'
	is "$(words hosts/node02/argv)" "$(printf '%s\n' check "$UUID" node03 --json)"
	lacks "$(<asked)" node01
	has "$(words ssh.argv)" ForwardAgent=yes
	try onemigrate plan
	is "$STATUS" 2
	has "$ERR" 'which VM?'
}
it 'check and plan go to where the VM is, with the agent, whatever another host remembers' looks_ahead

moves_now()
{
	ground
	try onemigrate check 31 node03
	is "$STATUS" 1
	has "$ERR" 'is being migrated'
	[[ ! -e asked ]]
}
it 'a VM that is being migrated is not checked for another one' moves_now

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

lost_connection()
{
	local verb
	ground
	for verb in cancel set postcopy pause; do
		printf '#!/bin/bash\nexit 255\n' >hosts/node01/run # as ssh, whose connection is lost meanwhile
		try onemigrate "$verb" 31 pause-max=none
		is "$verb $STATUS" "$verb 6"
		has "$ERR" 'node01: cannot be reached by ssh'
		printf '#!/bin/bash\nexit 69\n' >hosts/node01/run
		try onemigrate "$verb" 31 pause-max=none
		is "$verb $STATUS" "$verb 6"
		has "$ERR" 'node01: no helper starts there'
		rm hosts/node01/run
		try onemigrate "$verb" 31 pause-max=none
		is "$verb $STATUS" "$verb 6"
		try onemigrate "$verb" 99 # OpenNebula does not answer for it
		is "$verb $STATUS" "$verb 6"
		try onemigrate "$verb" 33
		is "$verb $STATUS" "$verb 1"
		try onemigrate "$verb" "${UUID//8/7}"
		is "$verb $STATUS" "$verb 1"
		cp hosts/node02/run hosts/node01/run
	done
}
it 'what became of a migration whose host does not answer is not known, which is 6' lost_connection

not_looked()
{
	ground 3
	rm -r hosts/node02
	try onemigrate check 31 node03
	is "$STATUS" 3
	try onemigrate plan 31 node03
	is "$STATUS" 1
	has "$ERR" 'node02: cannot be reached by ssh'
}
it 'of a host that does not answer check has not found out (3), and plan has none (1)' not_looked

help_of_verbs()
{
	local verb
	ground
	for verb in check plan cancel set postcopy pause; do
		try onemigrate "$verb" --help
		is "$STATUS,$OUT" "0,$verb on node01"
		is "$(words hosts/node01/argv)" "$(printf '%s\n' "$verb" --help)"
		try onemigrate "$verb" 31 --help
		is "$STATUS,$OUT" "0,$verb on node01"
	done
	[[ ! -e calls ]]
}
it '--help of a verb is that of the helper, with or without a VM' help_of_verbs

document()
{
	ground 3
	mkdir sub
	echo 'the document' >"sub/a file"
	for words in '--document|a file' '--document=a file' '--document|-' '--document=-'; do
		IFS='|' read -r -a words <<<"$words"
		(cd sub && onemigrate plan 31 node01 "${words[@]}" --json <"a file" >out)
		is "$(<sub/out)" 'plan on node02'
		is "$(words hosts/node02/argv)" "$(printf '%s\n' plan "$UUID" node01 --document=- --json)"
		is "$(<hosts/node02/stdin)" 'the document'
	done
	rm asked
	try onemigrate plan 31 node01 --document missing
	is "$STATUS,$ERR" '1,onemigrate: missing: cannot be read'
	[[ ! -e asked ]]
	try onemigrate plan 31 node01 --document # what is wrong is told there
	is "$(words hosts/node02/argv)" "$(printf '%s\n' plan "$UUID" node01 --document)"
}
it 'the document of a plan is read on this machine, and sent' document

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

# VM HOST-IT-LEAVES KEY:VALUE...: what that host says of it
moving()
{
	local vm=$1 from=$2 pair
	shift 2
	{
		printf '{"vm_id":"%s","vm_name":"vm %s","src":"%s","dst":"node09"' "$vm" "$vm" "$from"
		for pair; do printf ',"%s":%s' "${pair%%:*}" "${pair#*:}"; done
		printf '}\n'
	} >>"hosts/$from/states"
}

all_hosts()
{
	ground
	moving 31 node01 phase:'"copy"' percent:57 elapsed_ms:2000 rate_bytes_ps:117440512 remaining_bytes:1073741824 \
		forecast:1 eta_low_ms:8000 eta_high_ms:9100 downtime_low_ms:180 downtime_high_ms:220 updated_epoch_ms:3
	moving 32 node02 phase:'"done"' percent:100 elapsed_ms:4500 downtime_ms:41 updated_epoch_ms:9
	moving 33 node02 phase:'"copy"' percent:9 elapsed_ms:65000 rate_bytes_ps:117440512 remaining_bytes:1073741824 \
		disk_remaining_bytes:1048576 files_remaining_bytes:2097152 forecast:1 eta_high_ms:0 updated_epoch_ms:4
	try onemigrate status
	is "$STATUS" 1
	is "$ERR" 'node03: cannot be reached by ssh: ssh: connect to host node03: No route'
	is "$(tr -s ' ' <out)" 'VM NAME FROM TO PHASE DONE TIME RATE LEFT ENDS IN DOWNTIME
33 vm 33 node02 node09 copy 9 % 1 min 5 s 112 MiB/s 1027 MiB no end in sight -
31 vm 31 node01 node09 copy 57 % 2.0 s 112 MiB/s 1024 MiB 8.0 s - 9.1 s 180-220 ms
32 vm 32 node02 node09 done 100 % 4.5 s - - - 41 ms
2 under way from 2 host(s): 224 MiB/s, 2051 MiB left'
	is "$(sed -n '2,4s/node09.*//p' out | awk '{ print length }' | sort -u | wc -l)" 1 # aligned
	cp -r hosts/node02 hosts/node03
	try onemigrate status
	is "$STATUS" 0
	rm hosts/node02/run
	try onemigrate status
	has "$ERR" 'node02: onemigrate is not there (onehost sync --force puts it there)'
}
it 'status without a VM is a table of all hosts and sums; a host that fails is a line' all_hosts

older_helper()
{
	ground
	moving 31 node01
	moving 32 node02 phase:'"copy"' eta_ms:3000 vm_name:'"a\u001b[2J\nb"' src:null rate_bytes_ps:'"x"'
	try onemigrate status
	is "$(wc -l <out)" 3
	has "$(tr -s ' ' <out)" '32 a?[2J?b node02 node09 copy 0 % - - - 3.0 s -'
	none $'\033' out
	printf 'no JSON at all\n' >hosts/node01/states
	try onemigrate status
	has "$ERR" 'node01: its answer is not JSON'
	has "$OUT" '32 '
}
it 'what an older helper does not say is left out; a strange answer is a line' older_helper

silent()
{
	ground
	moving 31 node01 phase:'"copy"'
	sed -i '2i sleep 60' hosts/node02/run
	sed -i 's/^ASK_LIMIT_S=.*/ASK_LIMIT_S=1/' bin/onemigrate
	SECONDS=0
	try onemigrate status
	((SECONDS <= 4))
	is "$STATUS" 1
	has "$OUT" 'vm 31'
	has "$ERR" 'node02: does not answer within 1 s'
}
it 'a host that hangs is a line, and the others are shown' silent

watch_all()
{
	ground
	cp -r hosts/node02 hosts/node03
	sed -i 's/^WATCH_STEP_S=.*/WATCH_STEP_S=0.2/' bin/onemigrate
	moving 31 node01 phase:'"copy"' percent:57
	# The third time it is done.
	sed -i '2i echo x >>asked; [ "$(wc -l <asked)" -lt 3 ] || sed -i s/copy/done/ states' hosts/node01/run
	try onemigrate status --watch
	is "$STATUS" 0
	is "$(grep -c 'node09  copy' out)" 2
	is "$(grep -c 'node09  done' out)" 1
	has "$(tail -n 1 out)" 'node09  done'
	none $'\033' out
	lacks "$(words hosts/node01/argv)" --watch
}
it 'status --watch without a VM goes on until none runs on any host' watch_all

past()
{
	ground
	cp -r hosts/node02 hosts/node03
	cat >hosts/node01/history <<'END'
{"vm_id":"31","vm_name":"a","src":"node01","dst":"node02","phase":"done","updated_epoch_ms":1784629432000,"elapsed_ms":4500,"downtime_ms":33,"sent_bytes":342884352,"copy_ms":3000,"iteration":3,"actions":"downtime 30 ms at 0.8 s","result":"done"}
{"vm_id":"33","vm_name":"c","src":"node01","dst":"node02","phase":"done","updated_epoch_ms":1784629434000,"elapsed_ms":8100,"downtime_ms":180}
{"summary":{"count":2}}
END
	cat >hosts/node02/history <<'END'
{"vm_id":"32","vm_name":"b","src":"node02","dst":"node01","phase":"failed","updated_epoch_ms":1784629433000,"elapsed_ms":900,"result":"why not"}
{"summary":{"count":1}}
END
	printf '#!/bin/bash\nexit 1\n' >hosts/node03/run
	TZ=UTC try onemigrate history
	is "$STATUS,$ERR" 0,
	is "$(tr -s ' ' <out)" 'END VM NAME FROM TO OUTCOME TIME DOWNTIME SENT RATE PASSES WAY OF SENDING AND ACTIONS, OR WHY IT FAILED
2026-07-21 10:23:52 31 a node01 node02 done 4.5 s 33 ms 327 MiB 109 MiB/s 3 downtime 30 ms at 0.8 s
2026-07-21 10:23:53 32 b node02 node01 failed 0.9 s - - - - why not
2026-07-21 10:23:54 33 c node01 node02 done 8.1 s 180 ms - - -

3 migrations: 2 done (66 %), 1 failed, 0 unknown
 time p50 4.5 s p95 8.1 s
 downtime p50 33 ms p95 180 ms
 rate p50 109 MiB/s p95 109 MiB/s'
	try onemigrate history one-31 --last 2
	is "$(words hosts/node01/argv)" "$(printf '%s\n' history 31 --last 2 --json)"
	has "$OUT" '2 migrations: 1 done (50 %)'
	try onemigrate history --json
	is "$(ruby -r json -e '$stdin.each { |l| h = JSON.parse(l); puts h["summary"] ? h["summary"].values_at("count", "done").join(",") : h.values_at("host", "vm_id").join(",") }' <out)" \
		$'node01,31\nnode02,32\nnode01,33\n3,2'
	try onemigrate history --last x
	is "$STATUS" 2
	for host in node01 node02; do cp hosts/node03/run "hosts/$host/run"; done
	try onemigrate history
	is "$STATUS,$OUT,$ERR" '1,,onemigrate: no migration is in the history of any host'
}
it 'history is that of all hosts, by the end, with sums over all' past

# The same words as the helper's own table has.
past_sent()
{
	ground
	printf '#!/bin/bash\nexit 1\n' >hosts/node02/run
	cat >hosts/node01/history <<'END'
{"vm_id":"31","phase":"done","updated_epoch_ms":1,"copy_ms":1000,"transport":"2 connections, zstd level 1","guest_bytes":104857600,"packed_permille":100,"src_cpu_ms":1234,"dst_cpu_ms":800,"actions":"pause at 1 s"}
{"vm_id":"32","phase":"done","updated_epoch_ms":2,"disk_total_bytes":1,"copy_ms":1000,"transport":"2 connections, zstd level 1","guest_bytes":104857600,"packed_permille":65}
{"vm_id":"33","phase":"done","updated_epoch_ms":3,"src_cpu_ms":1234,"dst_cpu_ms":800}
{"vm_id":"34","phase":"failed","updated_epoch_ms":4,"transport":"2 connections","src_cpu_ms":1234,"dst_cpu_ms":800,"result":"why not"}
END
	try onemigrate history
	is "$(sed -n 's/^1970.*  -  *//p' out)" '2 connections, zstd level 1: memory at 100 MiB/s, 10 % of it sent, CPU 1.2 s + 0.8 s; pause at 1 s
2 connections, zstd level 1: memory, 7 % of it sent
CPU 1.2 s + 0.8 s
why not'
}
it 'history tells how the memory was sent, how much of it, and the time of the processors' past_sent

none_known()
{
	ground
	printf '#!/bin/bash\necho "no migration is known on this host" >&2\nexit 1\n' >hosts/node01/run
	moving 32 node02 phase:'"done"'
	try onemigrate status
	has "$OUT" 'vm 32'
	is "$(wc -l <out)" 2
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
		sed -i '2i sleep 2' "hosts/$i/run"
	done
	cp -r hosts/node01 hosts/node03
	SECONDS=0
	try onemigrate status
	is "$STATUS" 0
	((SECONDS <= 5)) # one after the other they would need six
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

roots_document()
{
	((EUID == 0)) || skip 'not root'
	type -P runuser >/dev/null || skip 'no runuser'
	ground 3
	mkdir -p one/remotes/onemigrate
	chown -R nobody .
	chmod 0755 "$CASE" "$TEST_TMP"
	runuser -u nobody -- test -x "$CASE/bin/onemigrate" || skip 'the temporary directory is closed'
	echo secret >document
	chmod 0600 document
	try onemigrate plan 31 node01 --document document
	is "$STATUS,$OUT" '0,plan on node02'
	is "$(<hosts/node02/stdin)" secret
}
it 'a document that root alone may read is read as root, from where root is' roots_document

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
