#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `onemigrate status` and `onemigrate history` of the built helper, on files made here.
# shellcheck disable=SC2317,SC2016 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

HELPER=$REPO/build/onemigrate
[[ -x $HELPER ]] || {
	echo 'skip - status and history: the helper is not built'
	exit 0
}

# NUMBER KEY=VALUE...: the state file of VM NUMBER, which this process moves; as it is at this moment.
state()
{
	local uuid file line
	printf -v uuid '85b4ad9d-6e6c-4a1e-bb1c-%012d' "$1"
	mkdir -p -m 0700 dir
	file=dir/$uuid.state
	{
		printf '%s\n' onemigrate-state=1 "uuid=$uuid" "vm_id=$1" "vm_name=vm $1" src=node01 dst=node02 \
			"pid=$$" "updated_epoch_ms=$(date +%s%3N)" phase=copy iteration=2 percent=57 \
			rate_bytes_ps=117440512 remaining_bytes=1073741824 forecast=1 eta_low_ms=8000 eta_high_ms=9100
		shift
		for line; do printf '%s\n' "$line"; done
	} >"$file.new"
	chmod 0600 "$file.new"
	mv "$file.new" "$file"
}

# KEY=VALUE...: a line of the history
record()
{
	local line=$'onemigrate-history=1\tuuid='$UUID part
	mkdir -p -m 0700 dir
	for part; do line+=$'\t'$part; done
	printf '%s\tend=1\n' "$line" >>dir/history
	chmod 0600 dir/history
}

status()
{
	try "$HELPER" status --state-dir "$CASE/dir" "$@"
}

history()
{
	TZ=UTC try "$HELPER" history --state-dir "$CASE/dir" "$@"
}

# REGEX: waits until --watch has printed such a line
until_seen()
{
	local i
	for ((i = 0; i < 200; i++)); do
		! grep -qE -- "$1" watched 2>/dev/null || return 0
		sleep 0.05
	done
	echo "never seen: $1"
	cat watched
	return 1
}

one()
{
	state 31
	status
	is "$STATUS" 0
	has "$OUT" 'VM 31 vm 31, 85b4ad9d'
	has "$OUT" '8.0-9.1 s left'
	lacks "$OUT" 'under way'
	lacks "$OUT" silent
	status 32
	is "$STATUS,$OUT" 1,
}
it 'status of one migration has no sums' one

several()
{
	state 31
	state 32 eta_high_ms=12000
	state 33 phase=done pid=0
	status
	is "$STATUS" 0
	is "$(tail -n 1 out)" '2 under way: 224 MiB/s, 2048 MiB left, the last ends in 8.0-12.0 s'
	has "$(tail -n 7 out)" 'VM 33' # what has ended comes last
	status --json
	is "$(wc -l <out)" 3
	lacks "$OUT" 'under way'
	status 'vm 32'
	lacks "$OUT" 'VM 31'
	lacks "$OUT" 'under way'
}
it 'status of several ends with their sums' several

hung()
{
	state 31 pid=1 "updated_epoch_ms=$(($(date +%s%3N) - 35000))"
	status
	grep -qE '^  silent    for 3[56] s: the process of the migration may hang' out
}
it 'a migration of which nothing is heard is not shown as if it went on' hung

watch_lines()
{
	state 31
	state 32
	"$HELPER" status --state-dir "$CASE/dir" --watch >watched &
	until_seen '^32 .* 57 %'
	state 31 percent=60
	until_seen '^31 .* 60 %'
	state 33 # begins meanwhile
	until_seen '^33 .* 57 %'
	state 31 phase=done pid=0 elapsed_ms=4500 'result=done in 4.5 s'
	until_seen '^done in 4.5 s$'
	kill -0 $!
	state 33 phase=done pid=0
	until_seen '^33 .* 100 %'
	state 32 phase=failed pid=0 'result=why not'
	wait $!
	is "$(grep -c '57 %' watched)" 4 # each once, and that which failed
	is "$(grep -c '60 %' watched)" 1
	is "$(grep -c '100 %' watched)" 2
	is "$(tail -n 1 watched)" 'why not'
	none $'\033' watched
}
it 'status --watch follows all that run, also what begins meanwhile, until none does' watch_lines

watch_json()
{
	state 31
	state 32 phase=done pid=0
	"$HELPER" status --state-dir "$CASE/dir" --watch --json >watched &
	until_seen '"percent":57'
	state 31 percent=58
	until_seen '"percent":58'
	state 31 phase=done pid=0
	wait $!
	is "$(wc -l <watched)" 3
	has "$(tail -n 1 watched)" '"phase":"done","path_addr"'
	none '"vm_id":"32"' watched # it had ended before
	status --watch
	is "$STATUS" 0
	is "$(wc -l <out)" 1
}
it 'status --watch --json is one object per change; with nothing under way the newest is shown' watch_json

terminal()
{
	local i
	type -P script >/dev/null || skip 'no script(1)'
	for i in 31 32 33; do state "$i"; done
	(
		sleep 1
		state 31 phase=done pid=0 'result=summary of 31'
		sleep 0.5
		state 32 phase=done pid=0
		state 33 phase=done pid=0
	) &
	script -qec "stty rows 24 cols 100; $HELPER status --state-dir $CASE/dir --watch" /dev/null >watched
	wait
	# While three run: three bars, the sums, and back over these four lines.
	tr -d '\r' <watched | tr '\033' '\n' | sed 's/^\[J//' >lines
	grep -q '3 under way: 336 MiB/s' lines
	grep -q '^\[4A' lines
	grep -q 'summary of 31' lines
	is "$(grep -c 'summary of 31' lines)" 1
	[[ $(awk '{ print length }' lines | sort -n | tail -n 1) -le 100 ]]
	grep -q '\[#*\.*\]  57 %' lines
	# A small terminal is never left by scrolling: at most two bars and the sums.
	for i in 31 32 33 34 35 36; do state "$i"; done
	(
		sleep 1
		for i in 31 32 33 34 35 36; do state "$i" phase=done pid=0; done
	) &
	script -qec "stty rows 5 cols 60; $HELPER status --state-dir $CASE/dir --watch" /dev/null >watched
	wait
	tr -d '\r' <watched | tr '\033' '\n' | sed 's/^\[J//' >lines
	grep -q '^\[3A' lines
	none '^\[[4-9]A' lines
	grep -q '^6 under way' lines
}
it 'on a terminal the bars of all are drawn over each other, and fit it' terminal

named()
{
	local verb
	state 42
	state 43 vm_name=42
	record vm_id=42 vm_name=web phase=done
	record vm_id=43 vm_name=42 phase=done
	for verb in status history; do
		try "$HELPER" "$verb" --state-dir "$CASE/dir" --json 42
		has "$OUT" '"vm_id":"42"'
		lacks "$OUT" '"vm_id":"43"'
	done
	# Asks a helper that is not there, and no libvirt.
	try "$HELPER" set "--state-dir=$CASE/dir" 42 policy=auto
	lacks "$ERR" 'several VMs'
	state 44 vm_name=web
	state 45 vm_name=web
	try "$HELPER" set "--state-dir=$CASE/dir" web policy=auto
	is "$STATUS" 5
	has "$ERR" 'several VMs go by this name'
}
it 'a VM whose name is the id of another one is not taken for it' named

past()
{
	record vm_id=31 'vm_name=web front' src=node01 dst=node02 phase=done updated_epoch_ms=1784629432000 \
		elapsed_ms=4500 downtime_ms=33 sent_bytes=342884352 copy_ms=3000 iteration=3 'actions=downtime 30 ms at 0.8 s'
	record vm_id=32 phase=failed updated_epoch_ms=1784629431000 elapsed_ms=900 'result=why not'
	echo rubbish >>dir/history
	record vm_id=31 phase=done updated_epoch_ms=1784629433000 elapsed_ms=8100
	history
	is "$STATUS" 0
	is "$(sed -n 's/^\(2026[^ ]* [^ ]*  [^ ]*\) .*/\1/p' out)" \
		$'2026-07-21 10:23:51  32\n2026-07-21 10:23:52  31\n2026-07-21 10:23:53  31'
	has "$OUT" '3 migrations: 2 done (66 %), 1 failed, 0 unknown'
	has "$OUT" '  time            4.5 s        8.1 s'
	history 31 --last 1
	has "$OUT" '1 migration: 1 done'
	lacks "$OUT" 'web front'
	history --json
	is "$(wc -l <out)" 4
	has "$OUT" '"summary":{"count":3'
	history 99
	is "$STATUS,$OUT,$ERR" "1,,onemigrate: no migration of VM '99' is in the history of this host"
	history --last 0
	is "$STATUS" 2
	history --last x
	is "$STATUS" 2
	history 1 2
	is "$STATUS,$ERR" '2,onemigrate: history takes one VM; see onemigrate history --help'
}
it 'history is the migrations by their end, and sums' past

empty()
{
	history
	is "$STATUS,$OUT" 1,
	has "$ERR" 'no migration is in the history'
	[[ ! -e dir ]]
}
it 'no history is status 1, and nothing is made' empty

arguments()
{
	local verb
	state 31
	record vm_id=31 phase=done
	for verb in status history; do
		try "$HELPER" "$verb" --help
		is "$STATUS,$ERR" 0,
		has "$OUT" "Usage: onemigrate $verb [VM]"
		try "$HELPER" "$verb" --wrong
		is "$STATUS,$OUT" 2,
		try "$HELPER" "$verb" --state-dir "$CASE/dir" --json 31
		is "$STATUS" 0
		has "$OUT" '"vm_id":"31"'
		try "$HELPER" "$verb" --state-dir "$CASE/dir" 31 32
		is "$STATUS,$OUT,$ERR" "2,,onemigrate: $verb takes one VM; see onemigrate $verb --help"
	done
	try "$HELPER" status --last 1
	is "$STATUS" 2
	try "$HELPER" history --watch
	is "$STATUS" 2
}
it 'both verbs take the same arguments, and each its own option' arguments

help_of_steering()
{
	local verb
	[[ -x $HELPER ]] || skip 'build/onemigrate is not built'
	for verb in cancel set postcopy pause; do
		for words in --help '31 --help' '31 pause-max=none --help'; do
			IFS=' ' read -r -a words <<<"$words"
			try "$HELPER" "$verb" "${words[@]}"
			is "$STATUS,$ERR" 0,
			has "$OUT" "Usage: onemigrate $verb VM"
			has "$OUT" '6 what became of it is not known'
		done
		try "$HELPER" "$verb"
		is "$STATUS" 2
	done
}
it 'the verbs that steer a migration tell their usage wherever --help stands' help_of_steering

is_json()
{
	type -P ruby >/dev/null || skip 'no ruby'
	state 31 'vm_name=a "b" \c' 'actions=x; "y"'
	record 'vm_name=a "b" \c' phase=done 'result="\\b'
	status --json
	ruby -r json -e 'h = JSON.parse($stdin.read); exit h["vm_name"] == "a \"b\" \\c" && h["forecast"] == 1' <out
	history --json
	ruby -r json -e '$stdin.each { |l| JSON.parse(l) }' <out
}
it 'JSON is JSON whatever the texts hold' is_json

documented()
{
	local key manual
	state 31
	record phase=done
	manual=$(sed 's/\\-/-/g' "$REPO/man/onemigrate.8")
	status --json
	for key in $(grep -o '"[a-z_]*":' out | tr -d '":'); do
		grep -qw -- "$key" <<<"$manual" || { echo "$key is not in the manual"; exit 1; }
	done
	history --json
	for key in $(head -n 1 out | grep -o '"[a-z_]*":' | tr -d '":'); do
		grep -qE "\b$key \"?\*" <<<"$manual" || { echo "$key is not marked in the manual"; exit 1; }
	done
}
it 'every member of the JSON is in the manual' documented
