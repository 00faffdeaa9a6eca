#!/bin/bash
# onemigrate: installed file
# SPDX-License-Identifier: Apache-2.0
#
# rcread.sh FILE FIRST: sources FILE from line FIRST on, in a shell of its own, and writes to stdout
# NUL-separated records, each beginning with \001: F line TAB status TAB command (it failed), X line (exit was
# called), D status (the file was read), S (the shell ended in mid-file), V name=value before D and S.
# Text between the records is what the shell or the file printed on stderr, in its place in the order.
# Everything below is named __om_ because the file shares this shell.

exec 9>&1 >/dev/null 2>&9 </dev/null

__om_record()
{
	printf '\000\001%s\000' "$1" >&9 || :
}

# A file that fails is a line of WARN; `set -e` in it is taken back where it would have ended the shell.
# shellcheck disable=SC2317 # called by a trap
__om_failed()
{
	[[ $4 == "$0" ]] || __om_record "F$2"$'\t'"$1"$'\t'"$3"
	return 0
}

# Shadows the builtin: the Ruby reader of OpenNebula does not stop at an exit, neither do we.
# shellcheck disable=SC2317 # called by the file
exit()
{
	((BASH_SUBSHELL == 0)) || builtin exit "$@"
	__om_record "X${BASH_LINENO[0]}"
	return 0
}

__om_end()
{
	trap - EXIT ERR
	set +aeuxvf
	local __om_name
	while IFS= read -r __om_name; do
		[[ ! -v $__om_name ]] || __om_record "V$__om_name=${!__om_name}"
	done < <(compgen -e)
	__om_record "$1"
	builtin exit 0
}

trap '__om_end S' EXIT
trap '__om_failed "$?" "$LINENO" "$BASH_COMMAND" "${BASH_SOURCE[0]}"; set +e' ERR
set -E
__om_file=$1 __om_first=$2
set --
# Read by value and first line, because a pass that goes on behind a syntax error keeps the numbers.
if ((__om_first == 1)); then
	set -a
	# shellcheck disable=SC1090
	source "$__om_file"
else
	set -a
	# shellcheck disable=SC1090
	source <(printf '%*s' $((__om_first - 1)) '' | tr ' ' '\n'; tail -n "+$__om_first" -- "$__om_file")
fi
__om_end "D$?"
