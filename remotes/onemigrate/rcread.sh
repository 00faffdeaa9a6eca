#!/bin/bash
# onemigrate: installed file
# SPDX-License-Identifier: Apache-2.0
#
# rcread.sh FILE FIRST [FILE FIRST]...: sources each FILE from line FIRST on, in a shell of its own, and writes
# to stdout NUL-terminated records, each beginning with \001: F line TAB status TAB command (it failed), X line
# (exit was called), V name=value (the file set it), U name (it is gone), D status (the file was read; the next
# one follows where that is 0), S (the shell ended in mid-file).
# Text between the records is what the shell or the file printed on stderr, in its place in the order.
# Everything below is named __om_ because the files share this shell.

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

declare -A __om_env=() # what is exported, as it was told last

# COMMAND: calls it with V name=value or U name for each difference to the last time.
__om_differences()
{
	local IFS=$' \t\n' __om_name __om_count=0
	local -a __om_names
	mapfile -t __om_names < <(compgen -e)
	for __om_name in "${__om_names[@]}"; do
		[[ -v $__om_name ]] || continue
		__om_count=$((__om_count + 1))
		# Not by [[: the file may have set nocasematch.
		[ "${__om_env[$__om_name]+=}${__om_env[$__om_name]-}" = "=${!__om_name}" ] && continue
		__om_env[$__om_name]=${!__om_name}
		"$1" "V$__om_name=${!__om_name}"
	done
	((__om_count < ${#__om_env[@]})) || return 0
	for __om_name in "${!__om_env[@]}"; do
		[[ -v $__om_name && " ${__om_names[*]} " == *" $__om_name "* ]] && continue
		unset "__om_env[$__om_name]"
		"$1" "U$__om_name"
	done
}

# A file may give a variable the value that it had already; it is this file's all the same.
__om_repetitions()
{
	local __om_line
	local -a __om_lines
	mapfile -t __om_lines <"$1"
	for __om_line in "${__om_lines[@]}"; do
		[[ $__om_line == [!#]*=* && # a regular expression costs more
			$__om_line =~ ^[[:blank:]]*(export[[:blank:]]+)?([A-Za-z_][A-Za-z0-9_]*)\+?= ]] || continue
		__om_line=${BASH_REMATCH[2]}
		[[ -z ${__om_env[$__om_line]+x} ]] || __om_record "V$__om_line=${__om_env[$__om_line]}"
	done
}

# RECORD
__om_end()
{
	trap - EXIT ERR
	set +aeuxvf
	__om_status=${1#?}
	__om_differences __om_record
	__om_repetitions "$__om_file"
	__om_record "$1"
}

__om_differences :
while (($# > 1)); do
	__om_file=$1 __om_first=$2 __om_rest=("${@:3}")
	set --
	IFS=$' \t\n'
	trap '__om_end S; builtin exit 0' EXIT
	trap '__om_failed "$?" "$LINENO" "$BASH_COMMAND" "${BASH_SOURCE[0]}"; set +e' ERR
	set -Ea
	# Read by value and first line, because a pass that goes on behind a syntax error keeps the numbers.
	if ((__om_first == 1)); then
		# shellcheck disable=SC1090
		source "$__om_file"
	else
		# shellcheck disable=SC1090
		source <(printf '%*s' $((__om_first - 1)) '' | tr ' ' '\n'; tail -n "+$__om_first" -- "$__om_file")
	fi
	__om_end "D$?"
	[[ $__om_status == 0 ]] || break
	set -- "${__om_rest[@]}"
done
