#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The driver's end itself: that it hangs, misfiles and tells oned what OpenNebula would; and our scripts
# seen through it.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

[[ -n ${ONEDRIVER-} ]] || {
	echo 'skip - the driver end: no compiler'
	exit 0
}

# TEXT [OPTION...]: a migrate script of that text, run by the driver.
driver()
{
	local text=$1
	shift
	printf '#!/bin/bash\n%s\n' "$text" >script
	chmod 0755 script
	try "$ONEDRIVER" --timeout "${LIMIT:-20}" "$@" --script "$CASE/script" --args "${ARGV[@]}" \
		-- bash -s < <(printf '%s' "${DOCUMENT-<A/>}")
	LAST=$(tail -n 1 out)
}

success()
{
	driver 'cat >stdin; printf "%s\n" "$@" >argv'
	is "$STATUS,$LAST" '0,MIGRATE SUCCESS 31 -'
	is "$(<stdin)" '<A/>'
	is "$(<argv)" "$(printf '%s\n' "${ARGV[@]}")"
	has "$OUT" '[VMM][I]: ExitCode: 0'
}
it 'the driver: a quiet script that ends 0 is success' success

failure()
{
	driver 'cat >/dev/null; echo "ERROR: migrate: why" >&2; echo "First. " >&2; echo "Second." >&2; exit 3'
	is "$STATUS,$LAST" '1,MIGRATE FAILURE 31 First.Second.ExitCode: 3'
	has "$OUT" "[VMM][I]: Command execution fail (exit code: 3): cat << 'EOT' | $CASE/script '$UUID' 'node02' 'node01' 31 node01"
	has "$OUT" '[VMM][E]:  migrate: why'
	has "$OUT" '[VMM][I]: First. '
	has "$OUT" '[ONED][E]: migrate: why'
	has "$OUT" '[VMM][E]: MIGRATE: First.Second.'
}
it 'the driver: release 7 takes tagged lines out of the text and glues the rest' failure

failure_six()
{
	driver 'cat >/dev/null; echo "ERROR: migrate: why" >&2; echo "Last." >&2; exit 1' --release 6.4
	is "$STATUS,$LAST" '1,MIGRATE FAILURE 31 ERROR: migrate: why Last. '
}
it 'the driver: release 6 tells oned all of stderr' failure_six

no_newline()
{
	LIMIT=1 driver 'cat >/dev/null; printf "100 %%" >&2'
	is "$STATUS" 2
	has "$OUT" 'HANG: '
	has "$OUT" '100 %ExitCode: 0 EOF_ERR'
	LIMIT=1 driver 'cat >/dev/null; printf "a\rb" >&2; exit 1'
	is "$STATUS" 2
}
it 'the driver: a last line without its newline hangs it' no_newline

stdout_without_newline()
{
	driver 'cat >/dev/null; printf noise'
	is "$STATUS,$LAST" '0,MIGRATE SUCCESS 31 noise'
	driver 'cat >/dev/null; printf "a\nb\n"'
	has "$OUT" 'PROTOCOL: '
	is "$LAST" 'MIGRATE SUCCESS 31 a'
}
it 'the driver: stdout becomes the text of success, a newline in it breaks the protocol' stdout_without_newline

forged_lost()
{
	driver 'cat >/dev/null; echo "ExitSSHCode: 255" >&2; sleep 0.2'
	is "$STATUS" 1
	has "$LAST" 'Error connecting to node01'
}
it 'the driver: a line ExitSSHCode is taken for a lost connection' forged_lost

forged_marker()
{
	driver 'cat >/dev/null; echo EOF_OUT; echo "ExitCode: 0 EOF_ERR" >&2; sleep 1; exit 1'
	is "$STATUS" 0
}
it 'the driver: forged markers are believed' forged_marker

lost_shell()
{
	driver 'cat >/dev/null; kill -9 "$(cut -d " " -f 4 /proc/$PPID/stat)"; sleep 0.3; exit 0'
	is "$STATUS" 1
	has "$LAST" 'Error connecting to node01'
}
it 'the driver: the end of the shell is a lost connection' lost_shell

digits()
{
	driver 'cat >/dev/null; echo "INFO: 16 GB sent" >&2; echo "WARN: 17 x" >&2'
	is "$STATUS" 0
	has "$OUT" '[VM 16][I]: GB sent'
	has "$OUT" '[VM 17][W]: x'
	driver 'cat >/dev/null; echo "INFO: 16 GB sent" >&2' --release 6.4
	lacks "$OUT" 'VM 16'
	has "$OUT" '[VMM][I]:  16 GB sent'
}
it 'the driver: release 7 takes a number behind the tag for a VM' digits

dash()
{
	driver 'cat >/dev/null; echo "- a text" >&2; exit 1'
	is "$LAST" 'MIGRATE FAILURE 31 - a textExitCode: 1'
	lacks "$OUT" 'MIGRATE: '
}
it 'the driver: a text that begins with - is dropped by oned' dash

severities()
{
	driver 'cat >/dev/null; for t in ERROR DEBUG INFO WARN WARNING; do echo "$t: t" >&2; done; echo " ERROR: u" >&2'
	is "$(grep -c '^\[VMM\]\[E\]: ' out),$(grep -c '^\[VMM\]\[D\]: ' out)" 1,1
	has "$OUT" '[VMM][I]: WARN: t'
	has "$OUT" '[VMM][I]: WARNING: t'
	has "$OUT" '[VMM][I]:  ERROR: u'
}
it 'the driver: three tags give the severity, all else is information' severities

missing_script()
{
	try "$ONEDRIVER" --script "$CASE/none" --args "${ARGV[@]}" -- bash -s <<<x
	is "$STATUS" 1
	has "$OUT" 'Remote worker node files not found'
	driver 'cat >/dev/null; exit 42'
	is "$STATUS" 1
	lacks "$OUT" 'Remote worker node files not found'
}
it 'the driver: only a script that is not there is 42' missing_script

background()
{
	SECONDS=0
	driver 'cat >/dev/null; sleep 20 & echo $! >pid; exit 0'
	is "$STATUS" 0
	((SECONDS < 10))
	kill "$(<pid)"
}
it 'the driver: a child left behind does not hold up a remote action' background

document()
{
	head -c 400000 /dev/zero | tr '\0' 'x' >big
	DOCUMENT="<A><![CDATA[\$(touch proof) \`touch proof\` \\ ']]>$(<big)</A>"
	driver 'cat >stdin'
	is "$STATUS" 0
	is "$(<stdin)" "$DOCUMENT"
	[[ ! -e proof ]]
}
it 'the driver: the document goes through the heredoc as it is' document

eot()
{
	DOCUMENT=$'<A>\nEOT\n</A>'
	LIMIT=2 driver 'cat >stdin; exit 1'
	is "$(<stdin)" '<A>'
}
it 'the driver: a line EOT ends the document' eot

log_file()
{
	driver 'cat >/dev/null; echo hello >&2' --log "$CASE/log" --vmid 7
	is "$OUT" 'MIGRATE SUCCESS 7 -'
	has "$(<log)" '[VMM][I]: hello'
}
it 'the driver: --log takes the lines of vm.log, --vmid names the VM' log_file

local_action()
{
	printf '#!/bin/bash\ncat >stdin; echo "INFO: 31 text" >&2; echo other >&2; exit ${CODE:-0}\n' >script
	chmod 0755 script
	printf 'a\0b' >document
	try "$ONEDRIVER" --local --script "$CASE/script" --args "${ARGV[@]}" <document
	is "$STATUS" 0
	is "$(<stdin)" "$(base64 -w0 <document)"
	has "$OUT" '[VM 31][I]: text'
	lacks "$OUT" other
	CODE=4 try "$ONEDRIVER" --local --script "$CASE/script" --args "${ARGV[@]}" <document
	is "$STATUS" 1
	has "$OUT" 'Command execution failed (exit code: 4): '
	has "$OUT" '[VMM][I]: other'
}
it 'the driver: a local action gets base64 and is logged only if it fails' local_action

local_hang()
{
	printf '#!/bin/bash\nsleep 5 &\n' >script
	chmod 0755 script
	try "$ONEDRIVER" --local --timeout 1 --script "$CASE/script" --args "${ARGV[@]}" </dev/null
	is "$STATUS" 2
}
it 'the driver: a child that keeps the streams of a local action open holds it up' local_hang

usage()
{
	try "$ONEDRIVER" --nonsense
	is "$STATUS" 64
	try "$ONEDRIVER" --script x --args a b
	is "$STATUS" 64
}
it 'the driver: wrong usage is an error of its own' usage

# ---- our scripts through it

# Every end that the scripts themselves have, in both releases.
ours()
{
	local release
	for release in 6.4 7.0; do
		try "$ONEDRIVER" --timeout 30 --release "$release" --script "$TREE/vmm/kvm/migrate" \
			--args "${ARGV[@]}" -- bash -s <<<'<A/>'
		is "$STATUS" "$1"
		has "$(tail -n 1 out)" "$2"
		none '^\[VM [0-9]' out
		lacks "$OUT" PROTOCOL
	done
}

through_stock()
{
	make_tree <<<$'nosuch\nexit 1\nMIGRATE_NETWORK=10.0.0.0/8'
	ours 0 'MIGRATE SUCCESS 31 -'
	has "$OUT" '[VMM][I]: WARN: migrate: '
}
it 'through the driver: a broken kvmrc and the stock script end and are filed as intended' through_stock

through_helper()
{
	make_tree <<<'A=1'
	make_helper
	ours 0 'MIGRATE SUCCESS 31 -'
	is "$(<helper.stdin)" '<A/>'
}
it 'through the driver: the helper' through_helper

through_strict()
{
	make_tree <<<$'MIGRATE_NETWORK=10.0.0.0/8\nMIGRATE_NETWORK_POLICY=strict'
	ours 1 'MIGRATE FAILURE 31 Error migrating VM 31: '
	has "$OUT" 'nothing was touched, OpenNebula has the VM on node01.'
	rm "$TREE"/vmm/kvm/*.stock
	: >"$TREE/etc/vmm/kvm/kvmrc"
	ours 1 'MIGRATE FAILURE 31 Error migrating VM 31: '
}
it 'through the driver: a refusal is one sentence for oned' through_strict

through_local()
{
	make_tree <<<'A=1'
	make_helper
	try "$ONEDRIVER" --local --script "$TREE/vmm/kvm/migrate_local" --args "${ARGV[@]}" <<<'<A/>'
	is "$STATUS" 0
	is "$(base64 -d helper.stdin)" '<A/>'
}
it 'through the driver: migrate_local' through_local
