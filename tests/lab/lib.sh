# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the lab's test scripts: one behaviour per script; exit status 0, 1, or 77 for "skipped".
#
#	. "$(dirname "$0")/../lib.sh"
#	lab_begin --src debian13
#	check "the guest is on node02" on_node 31 node02
#
# A script gets a lab of its own, which goes when it ends. With LAB_KEEP=1 a failed one stays up.

LAB_DIR=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
export LAB=${LAB:-t$$}
LAB_FAILED=0

lab() {
	"$LAB_DIR/lab" "$@"
}

pass() {
	echo "ok - $1"
}

fail() {
	echo "not ok - $1"
	LAB_FAILED=1
}

# Ends the script: what it is about cannot be tried here.
skip() {
	echo "skip - $1: ${2:-}"
	exit 77
}

# check TEXT CMD...: the command's status is the result, its output is shown if it fails.
check() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		pass "$text"
	else
		fail "$text"
		echo "#   ${out//$'\n'/$'\n'#   }"
	fi
}

# poll SECONDS CMD...: true as soon as the command is, false when the time is up.
poll() {
	local end=$((SECONDS + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# await CMD...: for what must come sooner or later; far longer than it takes on a busy machine.
await() {
	poll 120 "$@"
}

lab_begin() {
	trap 'exit 130' INT TERM HUP
	trap lab_end EXIT
	lab up "$@"
}

# In the trap: the status says what the checks found, unless the script itself broke off.
lab_end() {
	local status=$?
	trap - EXIT
	[[ $status != 0 || $LAB_FAILED == 0 ]] || status=1
	if [[ $status == 0 || $status == 77 || -z ${LAB_KEEP:-} ]]; then
		lab down || status=1
	else
		echo "# lab '$LAB' is still up (LAB=$LAB $LAB_DIR/lab down)"
	fi
	exit "$status"
}

# As oneadmin's driver does it: from the front-end with the agent forwarded.
on_source() {
	local host=$1
	shift
	lab exec fe --user "$(lab user)" -- ssh -A -o ControlMaster=no -o ControlPath=none "$host" "$@"
}

on_node() {
	grep -q "^$2 running" <<<"$(lab guest where "$1")"
}

not_on_node() {
	grep -q "^$2 absent" <<<"$(lab guest where "$1")"
}

# sent HOST LEG: bytes so far.
sent() {
	lab bytes | awk -v host="$1" -v leg="$2" '$1 == host && $2 == leg { print $3 }'
}
