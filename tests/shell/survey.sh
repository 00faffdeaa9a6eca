#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `onemigrate survey` of the built helper, spoken to over a pipe as another host does.
# shellcheck disable=SC2317,SC2016 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

HELPER=$REPO/build/onemigrate
[[ -x $HELPER ]] || {
	echo 'skip - survey: the helper is not built'
	exit 0
}
# A libvirt that is there on every machine.
export LIBVIRT_URI=test:///default

# LINE...: an ask with these lines
ask()
{
	printf '%s\n' 'onemigrate-survey-ask 1' "$@" end
}

# Answers what comes on stdin.
survey()
{
	try timeout 30 "$HELPER" survey
}

# LINE...: the output has them, in this order
lines()
{
	local line from=1 at
	for line; do
		at=$(tail -n "+$from" out | grep -nxF -m 1 -- "$line" | cut -d : -f 1)
		[[ -n $at ]] || {
			printf 'no line %q behind line %s of:\n%s\n' "$line" "$from" "$OUT"
			return 1
		}
		from=$((from + at))
	done
}

one_ask()
{
	mkdir dir
	printf 0123456789 >file
	ln -s file link
	mkfifo fifo
	ask "path $CASE/link" "path $CASE/dir" "path $CASE/none" "path $CASE/fifo" 'bridge lo' \
		'bridge none0' 'colour blue' 'port 1' >asked
	survey <asked
	is "$STATUS" 0
	is "$ERR" ''
	is "$(head -n 1 out)" 'onemigrate-survey 1'
	is "$(tail -n 1 out)" end
	is "$(grep -c '^file ' out)" 4
	grep -qE '^file regular 10 [0-9]+ [0-9]+ [0-9]+ [0-9]+ $' out
	lines 'bridge yes' 'bridge no' 'port yes' 'range-min 49152' 'range-max 49215'
	is "$(sed -n 's/^hostname //p' out)" "$(uname -n)"
	is "$(sed -n 's/^boot-id //p' out)" "$(</proc/sys/kernel/random/boot_id)"
	none '[^ -~]' out
	is "$(grep '^file ' out | cut -d ' ' -f 2 | tr '\n' ' ')" 'regular directory missing other '
}
it 'an ask is answered by what this host is' one_ask

libvirt_too()
{
	ask 'uuid 6695eb01-f6a4-8304-79aa-97f2502e193f' 'name test' 'network default' 'network none' >asked
	survey <asked
	is "$STATUS" 0
	lines 'libvirt-known 1' 'side running' 'network yes' 'network no'
	LIBVIRT_URI='qemu+unix:///system?socket=/nonexistent' survey <asked
	is "$STATUS" 0
	none '^libvirt-known' out
	grep -q '^libvirt-why ' out
	is "$(grep -cE '^hostname ' out)" 1
}
it 'libvirt is asked too, and its silence is told' libvirt_too

markers()
{
	mkdir 'a dir'
	ln -s /etc/passwd 'a dir/.onemigrate-link'
	{
		ask
		printf '%s\n' "mark $CASE/a%20dir T-1" "mark $CASE/a%20dir T-1" "look $CASE/a%20dir T-1" \
			"look $CASE/a%20dir T-2" "mark $CASE/a%20dir link"
	} >asked
	survey <asked
	is "$STATUS" 0
	is "$(grep -n '^answer' out | tail -n 5 | cut -d ' ' -f 2 | tr '\n' ' ')" 'yes no yes no no '
	is "$(stat -c '%a %F' 'a dir/.onemigrate-T-1')" '600 regular empty file'
	survey <<<"unmark $CASE/a%20dir T-1"
	is "$OUT" 'answer yes done'
	[[ ! -e 'a dir/.onemigrate-T-1' ]]
	survey <<<"unmark $CASE/a%20dir T-1"
	is "$OUT" 'answer no No%20such%20file%20or%20directory'
}
it 'markers are made, seen and removed by name' markers

bad_markers()
{
	local dir token word
	touch victim
	for word in mark look unmark; do
		for token in '' . .. a/b ../victim a%2Fb a%00 a%20b "$(printf 'x%.0s' {1..65})"; do
			echo "$word $CASE $token"
		done
		for dir in '' . relative "$CASE/none" "$CASE/victim"; do
			echo "$word $dir ok"
		done
	done >asked
	survey <asked
	is "$STATUS" 0
	is "$(cut -d ' ' -f 1,2 out | sort | uniq -c | tr -s ' ')" ' 42 answer no'
	is "$(find . -mindepth 1 ! -name victim ! -name out ! -name err ! -name asked)" ''
	survey <<<"mark $CASE $(printf 'x%.0s' {1..64})"
	is "$OUT" 'answer yes done'
}
it 'no other file can be made, seen or removed' bad_markers

ends()
{
	# There is none of such a VM on any machine; no other name is looked for.
	survey <<<"forget-end $(</proc/sys/kernel/random/uuid)"
	is "$STATUS,$OUT" '0,answer no there%20is%20no%20such%20end'
	printf 'forget-end %s\n' '' .. ../x 85b4ad9d >asked
	survey <asked
	is "$(sort -u out)" 'answer no there%20is%20no%20such%20end'
}
it 'the end of a migration is forgotten by UUID alone' ends

garbage()
{
	printf '%s\n' '' hello 'mark' 'mark a b c' 'a b c d e f g h i j k' 'listen nowhere' '%zz' $'\377' >asked
	survey <asked
	is "$STATUS" 0
	is "$(wc -l <out)" 8
	is "$(cut -d ' ' -f 1,2 out | sort -u)" 'answer no'
	head -c 300000 /dev/zero | tr '\0' x >asked # no line at all
	survey <asked
	is "$STATUS" 0
	is "$OUT" ''
}
it 'garbage is refused line by line' garbage

bad_ask()
{
	local text
	for text in $'onemigrate-survey-ask 2\nend\n' $'onemigrate-survey-ask 1\nport 0\nend\n' \
		$'onemigrate-survey-ask 1\nuuid x\n' $'onemigrate-survey-ask 1\nuuid x'; do
		printf '%s' "$text" >asked
		survey <asked
		is "$STATUS" 1
		is "$OUT" ''
		has "$ERR" 'onemigrate survey: '
	done
	{
		ask
		printf 'look /tmp none\n'
		ask
	} >asked
	survey <asked
	is "$(grep -cx end out)" 2
	try "$HELPER" survey more </dev/null
	is "$STATUS" 2
	survey </dev/null
	is "$STATUS" 0
	is "$OUT" ''
}
it 'an ask that is cut off or out of range ends it, an empty one does not' bad_ask

reachable()
{
	(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

listening()
{
	local port i to
	coproc OTHER { exec "$HELPER" survey; }
	printf 'listen 127.0.0.1\n' >&"${OTHER[1]}"
	read -r -t 20 answer yes port <&"${OTHER[0]}"
	is "$answer $yes" 'answer yes'
	((port >= 49152 && port <= 49215))
	reachable "$port"
	reachable "$port"
	to=${OTHER[1]}
	exec {to}>&-
	for ((i = 0; i < 100; i++)); do
		reachable "$port" || return 0
		sleep 0.05
	done
	return 1
}
it 'a port of the range is listened on until the other end hangs up' listening

abandoned()
{
	local i from
	# A libvirt that says nothing, and ends when nobody speaks to it any more.
	printf '#!/bin/sh\nexec cat >/dev/null\n' >silent
	chmod 0755 silent
	export LIBVIRT_URI="qemu+ext://silent/system?command=$CASE/silent"
	ask >asked
	coproc OTHER { exec "$HELPER" survey; }
	pid=$OTHER_PID
	cat asked >&"${OTHER[1]}"
	sleep 0.5
	kill -0 "$pid"
	from=${OTHER[0]}
	exec {from}<&-
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}
it 'it ends with whoever asked, whatever it waits for' abandoned

# What a migration makes in a VM's directory, by questions alone.
storage()
{
	local dir=$CASE/100/31 token=0123456789abcdef0123456789abcdef inode
	mkdir "$CASE/100"
	{
		echo "storage-dir $dir 31  493"
		echo "storage-dir $dir 31  493"
		echo "storage-make $dir 31 a%20b raw:4096:416:0:0:0:0:0:: $token"
		echo "storage-make $dir 31 a%20b raw:4096:416:0:0:0:0:0:: $token"
		echo "storage-link $dir 31 link a%20b"
		echo "storage-look $dir 31 none"
		echo "storage-list $dir 31"
	} >asked
	survey <asked
	is "$STATUS" 0
	grep -qxE "answer yes made%20[0-9]+%20$(stat -c %i "$dir")" out
	grep -qxE "answer yes there%20[0-9]+%20$(stat -c %i "$dir")" out
	is "$(grep -c '^answer no .*exists%20there$' out)" 1
	is "$(stat -c '%s %a' "$dir/a b")" '4096 640'
	is "$(readlink "$dir/link")" 'a b'
	lines 'answer yes missing%200%200' 'answer yes file%204096%20a%2520b%20link%203%20link%20a%2520b'
	inode=$(stat -c %i "$dir/a b")
	{
		echo "storage-drop $dir 31 a%20b 1 $inode"
		echo "storage-drop $dir 31 a%20b $(stat -c %d "$dir") $inode"
		echo "storage-drop $dir 31  $(stat -c %d "$dir") $(stat -c %i "$dir")"
	} >asked
	survey <asked
	is "$(cut -d ' ' -f 2 out | paste -sd,)" no,yes,no
	is "$(ls -A "$dir")" link
}
it 'a VM directory is filled and emptied by identity' storage

strange_storage()
{
	local token=0123456789abcdef0123456789abcdef
	mkdir -p "$CASE/100/31"
	{
		echo "storage-dir $CASE/100 31  493"
		echo "storage-dir $CASE/100/31 31 ../32 493"
		echo "storage-dir $CASE/100/31 31 x 99999"
		echo "storage-dir 100/31 31 x 493"
		echo "storage-make $CASE/100/31 31 x raw:0:420:0:0:0:0:0:: $token"
		echo "storage-make $CASE/100/31 31 x raw:4096:420:0:0:0:0:0 $token"
		echo "storage-make $CASE/100/31 31 x vmdk:4096:420:0:0:0:0:0:: $token"
		echo "storage-make $CASE/100/31 31 x raw:4096:420:0:0:0:0:0:: ../$token"
		echo "storage-link $CASE/100/31 31 x"
		echo "storage-drop $CASE/100/31 31 x 1"
	} >asked
	survey <asked
	is "$STATUS" 0
	is "$(grep -c '^answer no ' out)" 10
	is "$(find "$CASE/100" | wc -l)" 2
}
it 'what is no place of that VM is refused' strange_storage
