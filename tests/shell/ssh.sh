#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# onemigrate-ssh against a real sshd on loopback, with keys and a configuration of its own.
# shellcheck disable=SC2317,SC2016,SC2119,SC2094,SC1003 # cases are called by name; texts for other shells; `known` is
# a function and a file; a name with a backslash

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

SSH=$REPO/build/onemigrate-ssh
PATH=${PATH#"$TEST_TMP/no-ssh:"}
SSHD=$(PATH=$PATH:/usr/sbin:/sbin type -P sshd) || SSHD=''
if [[ ! -x $SSH || -z $SSHD ]]; then
	echo 'skip - onemigrate-ssh: it was not built, or there is no sshd'
	exit 0
fi
unset SSH_AUTH_SOCK
TEMP=.onemigrate-put.
((EUID)) || mkdir -p /run/sshd

# KEY-TYPE [CONFIG-LINE...]: an sshd for this case, which ends with it; `there` is its name in the
# configuration, the rest of which comes from stdin and wins.
sshd_up()
{
	local port type=${1:-ed25519}
	shift
	[[ -f hostkey ]] || ssh-keygen -q -t "$type" -N '' -f hostkey
	[[ -f id ]] || ssh-keygen -q -t ed25519 -N '' -f id
	for port in $(shuf -n 20 -i 20000-32000); do
		printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' 'ListenAddress 127.0.0.2' "HostKey $CASE/hostkey" \
			"AuthorizedKeysFile $CASE/id.pub $CASE/more.pub" 'PidFile none' 'StrictModes no' 'UsePAM no' \
			'PermitRootLogin yes' 'LogLevel VERBOSE' "$@" >sshd_config
		"${IN[@]}" "$SSHD" -D -f "$CASE/sshd_config" -E "$CASE/sshd.log" </dev/null &
		SSHD_PID=$!
		trap 'kill "$SSHD_PID" 2>/dev/null; [[ -z ${AGENT_PID-} ]] || kill "$AGENT_PID"' EXIT
		wait_for grep -qs 'listening on 127.0.0.2' sshd.log && break
	done
	PORT=$port
	{
		[[ -t 0 ]] || cat
		printf '%s\n' 'Host *' 'HostName 127.0.0.1' "Port $PORT" "UserKnownHostsFile $CASE/known" "IdentityFile $CASE/id" \
			'GlobalKnownHostsFile none' 'StrictHostKeyChecking accept-new' 'HashKnownHosts no'
	} >config
	OURS=("$SSH" --ssh-config "$CASE/config" --remote-path "$SSH")
}
IN=()

# COMMAND...: until it is true, for 5 s at most.
wait_for()
{
	local i
	for ((i = 0; i < 100; i++)); do
		if "$@"; then
			return 0
		fi
		kill -0 "$SSHD_PID" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

known()
{
	printf '[127.0.0.1]:%s %s\n' "$PORT" "$(cut -d ' ' -f 1,2 "${1:-hostkey}.pub")"
}

known_now()
{
	known >known
}

# DIRECTORY: what is in it, with kind, mode, time, size and target.
facts()
{
	(cd "$1" && find . -printf '%P|%y|%m|%T@|%l|' \( -type f -printf '%s\n' -o -printf '\n' \) | LC_ALL=C sort)
}

no_temps()
{
	[[ -z $(find "${1:-.}" -name "$TEMP*") ]]
}

script()
{
	sshd_up ed25519 </dev/null
	try "${OURS[@]}" run there <<<'echo out; echo err >&2; cat /dev/null; exit 7'
	is "$STATUS" 7
	is "$OUT" out
	has "$ERR" err
	try "${OURS[@]}" run there <<<'kill -TERM $$'
	is "$STATUS" 143
	try "${OURS[@]}" run there <<<'head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2'
	is "$STATUS" 0
	is "$(wc -c <out) $(wc -c <err)" '5000000 3000000'
	# as long as a script may be
	{ printf '#%.0s' {1..600000}; printf '\necho last\n'; } >long
	is "$("${OURS[@]}" run there <long)" last
}
it 'a script runs there; output of both kinds, exit status and signal are its own' script

files()
{
	sshd_up ed25519 </dev/null
	mkdir to
	head -c 3000001 /dev/urandom >big
	chmod 2751 big
	touch -d '2001-02-03 04:05:06.789' big
	: >empty
	printf 'x' >'a "b'\''  c
$(touch y)*?[z]\'
	printf 'y' >-n
	printf 'z' >$'\xff\xfe'
	ln -s 'no where' link
	"${OURS[@]}" put there big empty 'a "b'\''  c
$(touch y)*?[z]\' -n $'\xff\xfe' link "$CASE/to"
	cmp big to/big
	is "$(stat -c '%a %y %s' to/big)" "$(stat -c '%a %y %s' big)"
	cmp 'a "b'\''  c
$(touch y)*?[z]\' to/'a "b'\''  c
$(touch y)*?[z]\'
	is "$(cat to/-n)" y
	is "$(cat to/$'\xff\xfe')" z
	is "$(readlink to/link)" 'no where'
	[[ -f to/empty && ! -s to/empty && ! -e y ]]
	"${OURS[@]}" put there big "$CASE/to/other name"
	cmp big 'to/other name'
	"${OURS[@]}" put there empty "$CASE/to/other/" && return 1
	no_temps to
}
it 'files arrive whole with their mode and time, whatever their names are, and links stay links' files

never_over()
{
	sshd_up ed25519 </dev/null
	mkdir dir tree
	echo new >new
	echo old >old
	echo x >tree/x
	try "${OURS[@]}" put there new "$CASE/old"
	is "$STATUS" 1
	has "$ERR" "$CASE/old: it exists there"
	is "$(<old)" old
	ln -s nothing dangling
	try "${OURS[@]}" put there new "$CASE/dangling"
	has "$ERR" 'it exists there'
	[[ ! -e nothing ]]
	try "${OURS[@]}" put there tree "$CASE/old"
	has "$ERR" 'it exists there'
	# one that comes about meanwhile
	head -c 3000000 /dev/urandom >slow
	"${OURS[@]}" --bandwidth 1 put there slow "$CASE/late" 2>late.err &
	wait_for compgen -G "$TEMP*" >/dev/null
	echo mine >late
	wait $! && return 1
	has "$(<late.err)" 'late: it exists there'
	is "$(<late)" mine
	"${OURS[@]}" --replace put there new "$CASE/old"
	is "$(<old)" new
	no_temps
}
it 'nothing that exists is written over, unless it may be replaced' never_over

sparse()
{
	sshd_up ed25519 </dev/null
	truncate -s 300M holes
	printf 'begin' | dd of=holes conv=notrunc status=none
	head -c 100000 /dev/urandom | dd of=holes bs=1000 seek=123457 conv=notrunc status=none
	printf 'end' | dd of=holes bs=1 seek=314572797 conv=notrunc status=none
	head -c 20000000 /dev/zero >zeroes
	truncate -s 1G hole
	"${OURS[@]}" --bandwidth 20 put there holes zeroes hole "$CASE/../$(basename "$CASE")/to" && return 1
	mkdir to
	"${OURS[@]}" --bandwidth 20 put there holes zeroes hole "$CASE/to"
	cmp holes to/holes
	cmp zeroes to/zeroes
	is "$(stat -c %s to/hole)" 1073741824
	(($(stat -c %b to/holes) <= $(stat -c %b holes) + 16))
	is "$(stat -c %b to/zeroes) $(stat -c %b to/hole)" '0 0'
}
it 'holes and zeroes are not sent, and are holes there' sparse

trees()
{
	local i
	sshd_up ed25519 </dev/null
	mkdir -p tree/deep/{a,b}/c/d/e tree/locked
	for ((i = 0; i < 3000; i++)); do
		printf '%s\n' "$i" >"tree/deep/a/$i"
	done
	ln -s ../deep tree/locked/up
	ln tree/deep/a/1 tree/deep/b/hard
	touch -d '2010-01-01' tree/deep/b
	chmod 1700 tree/deep/b
	touch -h -d '2011-01-01' tree/locked/up
	chmod 0555 tree/locked
	"${OURS[@]}" put there tree "$CASE/copy"
	diff <(facts tree) <(facts copy)
	diff -r tree copy
	# one that exists is added to
	mkdir -p more/deep/a more/new/dir
	echo 1 >more/deep/a/added
	echo 2 >more/new/dir/file
	"${OURS[@]}" put there more "$CASE/copy"
	is "$(cat copy/deep/a/added copy/new/dir/file copy/deep/a/7)" $'1\n2\n7'
	try "${OURS[@]}" put there more "$CASE/copy"
	has "$ERR" 'it exists there'
	no_temps copy
	chmod -R u+w tree copy
}
it 'trees are moved into place as a whole, or added to' trees

odd_things()
{
	sshd_up ed25519 </dev/null
	mkdir -p tree/a
	echo x >tree/a/x
	mkfifo tree/a/pipe
	try "${OURS[@]}" put there tree "$CASE/copy"
	is "$STATUS" 1
	has "$ERR" 'tree/a/pipe: it is no file, directory or symbolic link'
	[[ ! -e copy ]]
	no_temps
	for to in . .. "$CASE/.." "$CASE/no/where"; do
		try "${OURS[@]}" put there tree/a/x "$to"
		is "$STATUS" 1
	done
	try "${OURS[@]}" put there not-there "$CASE/x"
	has "$ERR" 'not-there: No such file'
	no_temps
}
it 'what is no file is refused by its name, and nothing of it is left' odd_things

changing()
{
	sshd_up ed25519 </dev/null
	mkdir -p tree to
	head -c 4000000 /dev/urandom >tree/grows
	echo first >before
	(while echo more >>tree/grows; do sleep 0.02; done) &
	local writer=$!
	try "${OURS[@]}" --bandwidth 4 put there before tree "$CASE/to"
	is "$STATUS" 1
	has "$ERR" 'tree/grows: it changed while it was sent'
	[[ ! -e to/tree && $(<to/before) == first ]]
	try "${OURS[@]}" --bandwidth 4 put there tree/grows "$CASE/to/grows"
	is "$STATUS" 1
	has "$ERR" 'tree/grows: it changed while it was sent'
	kill "$writer"
	no_temps to
	[[ ! -e to/grows ]]
}
it 'a file that changes while it is sent is noticed and refused by its name' changing

full()
{
	((EUID == 0)) || skip 'only root can mount'
	mkdir full
	IN=(unshare -m sh -c 'mount -t tmpfs -o size=8m none "$0" && exec "$@"' "$CASE/full")
	sshd_up ed25519 </dev/null
	known_now
	head -c 12000000 /dev/urandom >big
	mkdir tree
	cp big tree
	echo small >small
	for what in big tree; do
		try "${OURS[@]}" put there small "$what" small "$CASE/full"
		is "$STATUS" 1
		has "$ERR" "$CASE/full/$what: no space is left there"
		is "$(wc -l <err)" 1
		is "$("${OURS[@]}" run there <<<"cd $CASE/full && ls -A && rm small")" small
	done
}
it 'a full disk there is one clear error, and what was begun is removed' full

cut_off()
{
	local child
	sshd_up ed25519 </dev/null
	head -c 8000000 /dev/urandom >big
	"${OURS[@]}" --bandwidth 1 put there big "$CASE/copy" 2>err &
	wait_for compgen -G "$TEMP*" >/dev/null
	# the sshd of this session: ours, or in newer releases its child
	for child in $(pgrep -P "$SSHD_PID"); do
		# shellcheck disable=SC2046 # numbers
		kill -KILL "$child" $(pgrep -P "$child" -x 'sshd|sshd-session' || :)
	done
	STATUS=0
	wait $! || STATUS=$?
	is "$STATUS" 255
	has "$(<err)" 'the connection to 127.0.0.1 is lost'
	wait_for no_temps
	[[ ! -e copy ]]
}
it 'a connection that is cut is an error, and the other end removes what was begun' cut_off

left_behind()
{
	local pid
	sshd_up ed25519 </dev/null
	head -c 12000000 /dev/urandom >big
	echo x >small
	mkdir to
	"${OURS[@]}" --bandwidth 1 put there big "$CASE/to/copy" 2>err &
	wait_for compgen -G "to/$TEMP*" >/dev/null
	pid=$(pgrep -f "^$SSH serve" | while read -r pid; do [[ -z $(find "/proc/$pid/fd" -lname "$CASE/to/*") ]] || echo "$pid"; done)
	kill -KILL "$pid"
	wait $! && return 1
	[[ -n $(compgen -G "to/$TEMP*") ]]
	# what another one is at work on is left alone
	"${OURS[@]}" --bandwidth 1 put there big "$CASE/to/other" 2>/dev/null &
	sleep 6
	is "$(compgen -G "to/$TEMP*" | wc -l)" 2
	"${OURS[@]}" put there small "$CASE/to/"
	is "$(compgen -G "to/$TEMP*" | wc -l)" 1
	wait $!
	cmp big to/other
	no_temps to
}
it 'what a killed end has left is removed by the next one, and nothing else' left_behind

host_keys()
{
	sshd_up ed25519 < <(printf '%s\n' 'Host strict' 'StrictHostKeyChecking yes' 'Host ask' 'StrictHostKeyChecking ask' \
		'Host lax' 'StrictHostKeyChecking no' 'Host hashed' 'HashKnownHosts yes' 'Host alias' 'HostKeyAlias Other')
	# not known
	for host in strict ask; do
		try "${OURS[@]}" run "$host" <<<'echo ran'
		is "$STATUS $OUT" '77 '
		has "$ERR" 'is not known'
	done
	[[ ! -e known ]]
	printf 'unended ssh-ed25519 AAAA' >known
	try "${OURS[@]}" run there <<<'echo ran'
	is "$STATUS $OUT" '0 ran'
	has "$ERR" 'was not known and is so now'
	is "$(tail -n 1 known)" "$(known)"
	try "${OURS[@]}" run strict <<<'echo ran'
	is "$STATUS $OUT$ERR" '0 ran'
	is "$(ssh -F config strict echo as ssh)" 'as ssh'
	# hashed
	rm known
	try "${OURS[@]}" run hashed <<<'echo ran'
	is "$STATUS $OUT" '0 ran'
	is "$(cut -c 1-3 known) $(wc -l <known)" '|1| 1'
	is "$(ssh -F config strict echo as ssh)" 'as ssh'
	try "${OURS[@]}" run strict <<<'echo ran'
	is "$STATUS $OUT$ERR" '0 ran'
	# by another name; without the port
	try "${OURS[@]}" run alias <<<'echo ran'
	has "$(tail -n 1 known)" 'other ssh-ed25519'
	known | sed 's/^[^ ]*/127.0.0.1/' >known
	try "${OURS[@]}" run strict <<<'echo ran'
	is "$STATUS $OUT$ERR" '0 ran'
	# changed
	ssh-keygen -q -t ed25519 -N '' -f other
	known other >known
	for host in strict there; do
		try "${OURS[@]}" run "$host" <<<'echo ran'
		is "$STATUS $OUT" '77 '
		has "$ERR" 'is not the one that is known'
	done
	try "${OURS[@]}" run lax <<<'echo ran'
	is "$STATUS $OUT" '69 '
	is "$(<known)" "$(known other)"
	# among others, with a pattern
	{
		known other
		known | sed 's/^[^ ]*/nowhere,[127.0.0.?]:*/'
	} >known
	try "${OURS[@]}" run strict <<<'echo ran'
	is "$STATUS $OUT$ERR" '0 ran'
}
it 'a host key is accepted where ssh accepts it, remembered as ssh does it, else refused' host_keys

only_ssh_knows()
{
	sshd_up ed25519 < <(printf '%s\n' 'Host command' 'KnownHostsCommand /bin/false %H' 'Host dns' 'VerifyHostKeyDNS yes' \
		'Host jump' 'ProxyJump there' 'Host proxy' 'ProxyCommand nc %h %p' 'Host revoked' "RevokedHostKeys $CASE/krl" 'Host *')
	for host in command dns jump proxy revoked; do
		try "${OURS[@]}" run "$host" <<<'echo ran'
		is "$STATUS $OUT" '69 '
	done
	printf '@cert-authority * %s\n' "$(cut -d ' ' -f 1,2 id.pub)" >known
	try "${OURS[@]}" run there <<<'echo ran'
	is "$STATUS $OUT" '69 '
	known | sed 's/^/@revoked /' >known
	try "${OURS[@]}" run there <<<'echo ran'
	is "$STATUS $OUT" '77 '
	has "$ERR" 'is revoked'
	none 'Accepted' sshd.log
}
it 'what only ssh can answer is left to it, before anything was touched' only_ssh_knows

kinds_of_keys()
{
	local type
	for type in ecdsa rsa; do
		rm -f hostkey hostkey.pub known sshd.log
		sshd_up "$type" </dev/null
		if [[ $type == rsa && $("$SSH" --version) == *'libssh2 1.10'* ]]; then
			try "${OURS[@]}" run there <<<'echo ran'
			is "$STATUS $OUT" '69 '
		else
			is "$("${OURS[@]}" run there <<<'echo ran')" ran
		fi
		kill "$SSHD_PID"
	done
	# of several keys the one that is known is asked for
	rm -f hostkey hostkey.pub known sshd.log
	ssh-keygen -q -t ecdsa -N '' -f second
	sshd_up ed25519 "HostKey $CASE/second" </dev/null
	known second >known
	try "${OURS[@]}" run there <<<'echo ran'
	is "$STATUS $OUT$ERR" '0 ran'
}
it 'host keys of each kind; of several the one that is known' kinds_of_keys

rsa_user_key()
{
	ssh-keygen -q -t rsa -b 2048 -N '' -f id
	sshd_up ed25519 </dev/null
	try "${OURS[@]}" run there <<<'echo ran'
	if [[ $("$SSH" --version) == *'libssh2 1.10'* ]]; then
		is "$STATUS $OUT" '69 '
		has "$ERR" 'RSA keys need libssh2 1.11'
	else
		is "$STATUS $OUT" '0 ran'
	fi
}
it 'an RSA key that this libssh2 cannot use is left to ssh' rsa_user_key

agent()
{
	ssh-keygen -q -t ed25519 -N '' -f more
	ssh-keygen -q -t ecdsa -N secret -f id
	sshd_up ed25519 < <(printf '%s\n' 'Host no-agent' 'IdentityAgent none' 'Host only' 'IdentitiesOnly yes')
	try "${OURS[@]}" run there <<<'echo ran'
	is "$STATUS $OUT" '69 '
	has "$ERR" 'no key of'
	eval "$(ssh-agent -s -a "$CASE/agent")" >/dev/null
	AGENT_PID=$SSH_AGENT_PID
	export SSH_AUTH_SOCK=$CASE/agent
	ssh-add -q more
	is "$("${OURS[@]}" run there <<<'echo ran')" ran
	for host in no-agent only; do
		try "${OURS[@]}" run "$host" <<<'echo ran'
		is "$STATUS $OUT" '69 '
	done
}
it 'the agent comes first, then the key files; nobody is asked for a passphrase' agent

addresses()
{
	sshd_up ed25519 < <(printf '%s\n' 'Host strict' 'StrictHostKeyChecking yes')
	known >known
	try "${OURS[@]}" --address 127.0.0.2 run strict <<<'echo "${SSH_CONNECTION% *}" | cut -d " " -f 3'
	is "$STATUS $OUT$ERR" '0 127.0.0.2'
	try "${OURS[@]}" --address 127.0.0.3 run strict <<<'echo "${SSH_CONNECTION% *}" | cut -d " " -f 3'
	is "$STATUS $OUT" '0 127.0.0.1'
	has "$ERR" 'warning: no connection to 127.0.0.3'
	is "$(wc -l <err)" 1
	try "${OURS[@]}" --strict --address 127.0.0.3 run strict <<<'echo ran'
	is "$STATUS $OUT" '255 '
	has "$ERR" 'the fast network cannot be used'
	# somebody else on the fast address is not the host
	kill "$SSHD_PID"
	mv hostkey.pub first.pub
	rm hostkey sshd.log
	sshd_up ed25519 < <(printf '%s\n' 'Host strict' 'StrictHostKeyChecking yes')
	known first >known
	try "${OURS[@]}" --address 127.0.0.2 run strict <<<'echo ran'
	is "$STATUS $OUT" '77 '
}
it 'it connects to the fast address and checks the key under the name of the host' addresses

batch()
{
	local script='/usr/bin/printf "a\nb"; sleep 0.5; echo to err >&2; exit 3' name=$'with\nnewline  "q"'
	sshd_up ed25519 </dev/null
	known >known
	printf 1 >"$name"
	printf 2 >two
	mkdir to
	{
		printf 'run %d 0\n%s' ${#script} "$script"
		printf 'put 2\nfile %d %d 0\n%s%s' ${#name} $((${#CASE} + 4 + ${#name})) "$name" "$CASE/to/$name"
		printf 'file 3 %d 0\ntwo%s' $((${#CASE} + 7)) "$CASE/to/two"
		printf 'put 1\nfile 3 %d 0\ntwo%s' $((${#CASE} + 7)) "$CASE/to/two"
		printf 'run 8 200\nsleep 60'
		printf 'run 4 0\ntrue'
	} >requests
	try "${OURS[@]}" batch there <requests
	is "$STATUS" 0
	is "$(grep -v ^progress out)" "ready 127.0.0.1
out 3
a
berr 7
to err
exit 3
placed 0
placed 1
done
failed $CASE/to/two: it exists there
failed the script on there did not end in time
exit 0"
	has "$OUT" 'progress 2 2 '
	cmp "$name" "to/$name"
	for bad in 'run' 'run x y' 'put 0' 'put 99999999' 'nonsense' $'put 1\nfile 1 1 0\nab' $'put 1\nfile 5 5 0\nab'; do
		try "${OURS[@]}" batch there <<<"$bad"
		((STATUS != 0)) || has "$OUT" failed
	done
	try "$SSH" batch nowhere.invalid </dev/null
	is "$STATUS" 255
	has "$OUT" 'lost the name'
}
it 'a batch of requests on one connection; names of any bytes' batch

not_served()
{
	sshd_up ed25519 </dev/null
	echo x >x
	try "$SSH" --ssh-config config --remotes-dir "$CASE/nowhere" put there x "$CASE/y"
	is "$STATUS" 69
	has "$ERR" 'no onemigrate-ssh starts on there'
	[[ ! -e y ]]
	# by the tree as onehost sync makes it; what start-up files of shells print does not disturb
	make_tree </dev/null
	mkdir -p "$TREE/onemigrate/$PLATFORM"
	cp "$SSH" "$TREE/onemigrate/$PLATFORM/"
	"$SSH" --ssh-config config --remotes-dir "$TREE" put there x "$CASE/y"
	cmp x y
	printf '#!/bin/sh\necho noise\nprintf more\nexec %q "$@"\n' "$SSH" >noisy
	chmod 0755 noisy
	"$SSH" --ssh-config config --remote-path "$CASE/noisy" put there x "$CASE/z"
	cmp x z
	# one that is told something strange ends, and leaves nothing
	for strange in 'R' 'xyzzy-and-more-than-a-frame-head' $'R\xff\xff\xff\xff' $'E\0\0\0\0'; do
		printf '%s' "$strange" | "$SSH" serve >served
		is "$(head -n 1 served)" 'onemigrate-serve 1'
	done
}
it 'where the other host lacks the program nothing is touched; the tree of onehost sync has it' not_served

# The stream of put by hand: numbers of 32 bits, and frames of a type with what stdin has.
u32()
{
	local hex n
	for n; do
		hex=$(printf '%08x' "$n")
		# shellcheck disable=SC2059 # four bytes
		printf "\\x${hex:0:2}\\x${hex:2:2}\\x${hex:4:2}\\x${hex:6:2}"
	done
}

frame()
{
	cat >payload
	printf '%s' "$1"
	u32 "$(stat -c %s payload)"
	cat payload
}

hostile_stream()
{
	local name
	sshd_up ed25519 </dev/null
	mkdir dir
	# the sum is not that of the data
	{
		(u32 1 0 && printf '%s' "$CASE/dir/bad") | frame R
		u32 0644 0 5 0 0 2 | frame F
		(u32 0 0 && printf hi) | frame d
		u32 1 2 | frame E
		frame P </dev/null
	} >stream
	"$SSH" serve <stream >served
	grep -aq 'dir/bad: what was written is not what was sent' served
	is "$(ls -A dir)" ''
	# names that lead elsewhere; a link that is followed by nothing
	for name in ../out /etc/out . .. a/b; do
		{
			(u32 1 0 && printf '%s' "$CASE/dir/tree") | frame R
			u32 0755 0 5 0 | frame D
			(u32 0644 0 5 0 0 0 && printf '%s' "$name") | frame F
			u32 0 0 | frame E
			frame U </dev/null
			frame P </dev/null
		} >stream
		"$SSH" serve <stream >served
		is "$(ls -A dir; compgen -G "out*" || :)" ''
	done
	{
		(u32 1 0 && printf '%s' "$CASE/dir/tree") | frame R
		u32 0755 0 5 0 | frame D
		(u32 0 5 0 4 && printf 'link%s' "$CASE") | frame L
		(u32 0755 0 5 0 && printf link) | frame D
		(u32 0644 0 5 0 0 0 && printf out) | frame F
	} >stream
	"$SSH" serve <stream >served
	is "$(ls -A dir; compgen -G "out*" || :)" ''
	# data beyond the end of the file
	{
		(u32 1 0 && printf '%s' "$CASE/dir/long") | frame R
		u32 0644 0 5 0 0 2 | frame F
		(u32 0 1 && printf hi) | frame d
		(u32 0 0xffffffff && printf hi) | frame d
	} >stream
	"$SSH" serve <stream >served
	grep -aq 'belongs to no file' served
	is "$(ls -A dir)" ''
}
it 'a stream that is wrong or hostile makes nothing, and nothing elsewhere' hostile_stream

caller_gone()
{
	sshd_up ed25519 </dev/null
	known_now
	head -c 30000000 /dev/urandom >big
	{
		printf 'put 1\nfile 3 %d 0\nbig%s' $((${#CASE} + 5)) "$CASE/copy"
	} | "${OURS[@]}" --bandwidth 2 batch there | head -n 2 >heard
	wait_for no_temps
	[[ ! -e copy ]]
}
it 'a caller that is gone ends what it asked for' caller_gone

compression()
{
	local all never
	sshd_up ed25519 </dev/null
	seq 1000000 >text
	head -c 3000000 /dev/urandom >random
	for when in always never auto; do
		mkdir "$when"
		printf 'put 2\nfile 4 %d 0\ntext%sfile 6 %d 0\nrandom%s' $((${#CASE} + ${#when} + 6)) "$CASE/$when/text" \
			$((${#CASE} + ${#when} + 8)) "$CASE/$when/random" >requests
		"${OURS[@]}" --compression "$when" batch there <requests >"$when.out"
		cmp text "$when/text"
		cmp random "$when/random"
	done
	read -r _ _ _ all < <(grep progress always.out | tail -n 1)
	read -r _ _ _ never < <(grep progress never.out | tail -n 1)
	((all < 3000000 + 6888896 / 2 && never > 9888896))
}
it 'compressed or not, what arrives is the same' compression

wrong_usage()
{
	for words in '' 'run' 'run -oProxyCommand=x' 'put there x' 'batch' 'serve x' '--compression some run there' 'nonsense there' \
		'--bandwidth -1 run there' '--nonsense run there'; do
		# shellcheck disable=SC2086 # words
		try "$SSH" $words </dev/null
		is "$STATUS" 2
	done
	has "$("$SSH" --help)" 'usage: onemigrate-ssh'
	has "$("$SSH" --version)" "onemigrate-ssh $(<"$REPO/VERSION") (libssh2 "
}
it 'wrong usage is told' wrong_usage
