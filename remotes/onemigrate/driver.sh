#!/bin/bash
# onemigrate: installed file
# SPDX-License-Identifier: Apache-2.0
#
# What migrate, migrate_local, run, the front-end command and install.sh have in common: read the rc
# files, find a helper that starts here, hand over to it or to the stock script. To be sourced.
#
# No `set -e` in here or in those who source it at migration time: an error that nobody thought of
# must lead to the stock script, not to the end. stdin holds the document for the helper or for the
# stock script; nothing in here may read it, so each child gets /dev/null.

OM_INTERFACE=1
OM_MARK='# onemigrate: installed file'
OM_RC_LIMIT_S=10
OM_HELPER_LIMIT_S=10

OM_LIB_DIR=${BASH_SOURCE[0]%/*} # those who source this name it by an absolute path

# One line of at most 1500 bytes without control characters: the driver waits for ever for a line
# that does not end, and argv and rc files may hold anything.
om_clean()
{
	printf '%s' "$1" | LC_ALL=C tr '\000-\037\177' '?' | head -c 1500
}

# LEVEL TEXT. The text never begins with a digit, because "migrate:" stands before it.
om_say()
{
	printf '%s: migrate: %s\n' "$1" "$(om_clean "$2")" >&2
}

om_is_ours()
{
	local head=''
	[[ -f $1 && -r $1 ]] || return 1
	IFS= read -r -d '' -n 512 head <"$1" || :
	[[ $head == *"$OM_MARK"* ]]
}

# ---------------------------------------------------------------------------------------------
# Platform and helper

# Sets OM_PLATFORM to <arch>-<id><release>. The rebuilds of RHEL share one name, because they share
# one set of libraries; they say so by PLATFORM_ID.
om_platform()
{
	local file line key value id=unknown release='' platform='' arch
	OM_PLATFORM=''
	for file in "${ONEMIGRATE_OS_RELEASE:-/etc/os-release}" /usr/lib/os-release; do
		[[ -r $file ]] && break
	done
	if [[ -r $file ]]; then
		while IFS= read -r line || [[ -n $line ]]; do
			[[ $line =~ ^(ID|VERSION_ID|PLATFORM_ID)=(.*)$ ]] || continue
			key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
			value=${value%$'\r'}
			value=${value#[\"\']} value=${value%[\"\']}
			value=${value//[^A-Za-z0-9._:-]/}
			case $key in
			ID) id=$value ;;
			VERSION_ID) release=$value ;;
			PLATFORM_ID) platform=$value ;;
			esac
		done <"$file"
	fi
	case $platform in
	platform:el*) id=${platform#platform:} release='' ;;
	esac
	arch=$(uname -m 2>/dev/null)
	OM_PLATFORM=${arch:-unknown}-$id$release
	OM_PLATFORM=${OM_PLATFORM//[^A-Za-z0-9._-]/}
}

# CANDIDATE. True where it starts on this machine and speaks our interface, else OM_REASON says why
# not. bash does the exec: execvp(3), and with it timeout(1), would give a program of another
# architecture to sh as if it were a script. read(1) is the time limit, at the price of one process.
om_helper_works()
{
	local answer='' rest='' status=0 pid om_answer
	OM_REASON=''
	if [[ ! -e $1 && ! -L $1 ]]; then
		OM_REASON='not there'
		return 1
	fi
	if [[ ! -f $1 || ! -x $1 ]]; then
		OM_REASON='not an executable file'
		return 1
	fi
	exec {om_answer}< <(exec "$1" --interface 2>/dev/null </dev/null)
	pid=$!
	IFS= read -r -t "$OM_HELPER_LIMIT_S" -n 300 answer <&"$om_answer" || status=$?
	if ((status <= 128)); then
		status=0
		IFS= read -r -t "$OM_HELPER_LIMIT_S" -n 1 rest <&"$om_answer" || status=$?
	fi
	exec {om_answer}<&-
	if ((status > 128)); then
		kill "$pid" 2>/dev/null
		OM_REASON="no answer within $OM_HELPER_LIMIT_S s"
		return 1
	fi
	((status != 0)) || rest+=' and more'
	status=0
	wait "$pid" 2>/dev/null || status=$?
	if ((status == 0)) && [[ $answer == "$OM_INTERFACE" && -z $rest ]]; then
		return 0
	fi
	if ((status != 0)); then # once more, for what it says
		IFS= read -r -t "$OM_HELPER_LIMIT_S" -n 300 answer \
			< <(exec 2>&1 </dev/null && exec "$1" --interface)
		answer=$(om_clean "${answer##*"$1: "}")
		OM_REASON="does not start here${answer:+: $answer} (status $status)"
	else
		OM_REASON="has interface version \"$(om_clean "$answer$rest")\", version $OM_INTERFACE is needed"
	fi
	return 1
}

# TREE. Sets OM_HELPER, or leaves it empty and sets OM_WHY. The prefix can be moved by the
# environment alone, never by an rc file or by anything that a VM's owner can write.
om_find_helper()
{
	local candidate
	OM_HELPER='' OM_WHY=''
	om_platform
	for candidate in "${ONEMIGRATE_LIBEXEC:-/usr/libexec/onemigrate}/onemigrate" \
		"$1/onemigrate/$OM_PLATFORM/onemigrate"; do
		if om_helper_works "$candidate"; then
			OM_HELPER=$candidate
			return 0
		fi
		OM_WHY+="${OM_WHY:+; }$candidate: $OM_REASON"
	done
	return 1
}

# ---------------------------------------------------------------------------------------------
# The rc files
#
# Each is sourced in a bash of its own (rcread.sh), which sends back numbered failures and then the
# environment, NUL-separated. Values stay in OM_RC until a helper is about to be executed, so that
# the stock script gets the environment that it would have had without us.

declare -gA OM_RC=()      # name -> value, of every variable that an rc file set or changed
declare -gA OM_RC_GONE=() # names that were in the environment and that an rc file unset
OM_KVMRC='' OM_KVMRC_SET='' OM_ONERC='' OM_ONERC_SET=''

# Variables that belong to a shell and not to a setting.
om_rc_is_setting()
{
	case $1 in
	_ | SHLVL | PWD | OLDPWD | IFS | UID | EUID | PPID | SHELLOPTS | BASH* | POSIXLY_CORRECT | \
		LINENO | FUNCNAME | OPTIND | OPTARG | OM_* | om_* | __om_* | ONEMIGRATE_STOCK | \
		ONEMIGRATE_KVMRC | ONEMIGRATE_RC | ONEMIGRATE_KVMRC_SET | ONEMIGRATE_RC_SET) return 1 ;;
	esac
	[[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]
}

# Gives this shell the environment of the rc files.
om_rc_export()
{
	local __om_name
	for __om_name in "${!OM_RC_GONE[@]}"; do
		unset "$__om_name"
	done
	for __om_name in "${!OM_RC[@]}"; do
		export "$__om_name=${OM_RC[$__om_name]}"
	done
}

om_rc_child()
{
	local -a __om_argv=("$BASH" "$OM_LIB_DIR/rcread.sh" "$1" "$2")
	om_rc_export
	exec "${__om_argv[@]}" </dev/null
}

# FILE LINE TEXT. One WARN for each line of a file, however often it fails.
om_rc_warn()
{
	[[ -z ${om_warned[at$2]-} ]] || return 0
	om_warned[at$2]=1
	if ((${#om_warned[@]} <= 10)); then
		om_say WARN "$1${2:+, line $2}: $3"
	elif ((${#om_warned[@]} == 11)); then
		om_say WARN "$1: more lines fail"
	fi
}

# FILE FIRST: reads from line FIRST on. Fills om_env; sets om_stop to the line that ended the reading
# before the end of the file, or leaves it empty.
om_rc_pass()
{
	local record line number pid om_records status='' ended='' stop='' stop_text='' named=''
	om_env=() om_stop=''
	exec {om_records}< <(om_rc_child "$1" "$2" 2>/dev/null)
	pid=$!
	while IFS= read -r -d '' -t "$OM_RC_LIMIT_S" record <&"$om_records"; do
		case $record in
		$'\001V'*)
			record=${record#??}
			om_env[${record%%=*}]=${record#*=}
			;;
		$'\001F'*) # a command failed: line, status, command
			record=${record#??}
			number=${record%%$'\t'*} record=${record#*$'\t'}
			om_rc_warn "$1" "$number" \
				"passed over, it fails with status ${record%%$'\t'*}: ${record#*$'\t'}"
			stop='' stop_text='' named='' last_failed=$number
			;;
		$'\001X'*) om_rc_warn "$1" "${record#??}" 'passed over: exit' ;;
		$'\001D'*) # the file was read, or stopped by a syntax error
			status=${record#??} ended=yes
			break
			;;
		$'\001S'*) # the shell ended in mid-file
			ended=stopped
			break
			;;
		*) # what was printed on stderr; the shell's own complaints begin with the name of the file
			while IFS= read -r line; do
				[[ $line == "$1:"* || $line == /dev/fd/*:* || $line == /proc/self/fd/*:* ]] ||
					continue
				line=${line#"$1"} line=${line#/dev/fd/*:} line=${line#/proc/self/fd/*:}
				[[ $line =~ ^[^0-9]*([0-9]+)[^:]*:(.*)$ ]] || continue
				[[ -z $named ]] || continue
				stop=${BASH_REMATCH[1]} stop_text=${BASH_REMATCH[2]# }
				[[ $line == *'syntax error'* || $line == *'unexpected EOF'* ||
					$line == *'unbound variable'* ]] && named=yes
			done <<<"$record"
			;;
		esac
	done
	exec {om_records}<&-
	if [[ $ended == yes && ( $status == 0 || -z $stop ) ]]; then
		return 0
	fi
	if [[ -z $ended ]]; then
		kill "$pid" 2>/dev/null
		om_rc_warn "$1" '' "reading it did not come to an end (within $OM_RC_LIMIT_S s), its settings are not used"
		return 1
	fi
	if [[ -n $stop ]]; then
		om_rc_warn "$1" "$stop" "passed over: $stop_text"
	else
		stop=${last_failed:-}
		om_rc_warn "$1" "$stop" 'ends the reading of the file'
	fi
	om_stop=$stop
	return 0
}

# FILE. Reads all of it, going on behind a line that bash cannot get over. Sets OM_SET to the names
# that the file set.
om_rc_read()
{
	local first=1 rounds=0 name line om_stop last_failed=''
	local -A om_env=() om_warned=() set_here=()
	OM_SET=''
	if [[ ! -f $1 || ! -r $1 ]]; then
		om_say WARN "$1: cannot be read, its settings are not used"
		return 1
	fi
	if [[ ! -r $OM_LIB_DIR/rcread.sh ]]; then
		om_say WARN "$1: its settings are not used, because $OM_LIB_DIR/rcread.sh is missing"
		return 1
	fi
	while ((rounds++ < 20)); do
		om_rc_pass "$1" "$first" || break
		for name in "${!om_env[@]}"; do
			om_rc_is_setting "$name" || continue
			if [[ -n ${OM_RC[$name]+x} ]]; then
				[[ ${OM_RC[$name]} != "${om_env[$name]}" ]] || continue
			elif [[ -v $name && -z ${OM_RC_GONE[$name]+x} && ${!name} == "${om_env[$name]}" ]]; then
				continue
			fi
			OM_RC[$name]=${om_env[$name]} set_here[$name]=1
			unset "OM_RC_GONE[$name]"
		done
		for name in "${!OM_RC[@]}"; do
			[[ -n ${om_env[$name]+x} ]] || { unset "OM_RC[$name]"; OM_RC_GONE[$name]=1; }
		done
		[[ -n $om_stop ]] || break
		((om_stop >= first)) || break
		first=$((om_stop + 1))
	done
	# A file may give a variable the value that it had already; it is this file's all the same.
	while IFS= read -r line || [[ -n $line ]]; do
		[[ $line =~ ^[[:blank:]]*(export[[:blank:]]+)?([A-Za-z_][A-Za-z0-9_]*)\+?= ]] || continue
		name=${BASH_REMATCH[2]}
		om_rc_is_setting "$name" || continue
		[[ -n ${om_env[$name]+x} ]] || continue
		OM_RC[$name]=${om_env[$name]} set_here[$name]=1
	done <"$1"
	for name in "${!set_here[@]}"; do
		[[ -n ${OM_RC[$name]+x} ]] && OM_SET+="${OM_SET:+ }$name"
	done
	return 0
}

# TREE OLD_DIR. kvmrc first, then the optional onemigraterc, which wins.
om_rc_load()
{
	local kvmrc=$1/etc/vmm/kvm/kvmrc rc=$1/etc/vmm/kvm/onemigraterc
	[[ -e $kvmrc ]] || kvmrc=$2/kvmrc
	if [[ ! -e $kvmrc ]]; then
		om_say WARN "$1/etc/vmm/kvm/kvmrc: not there, defaults are used"
	elif om_rc_read "$kvmrc"; then
		OM_KVMRC=$kvmrc OM_KVMRC_SET=$OM_SET
	fi
	if [[ -e $rc ]] && om_rc_read "$rc"; then
		OM_ONERC=$rc OM_ONERC_SET=$OM_SET
	fi
}

# NAME. Sets OM_VALUE to the effective value, without blanks around it.
om_value()
{
	OM_VALUE=''
	if [[ -n ${OM_RC[$1]+x} ]]; then
		OM_VALUE=${OM_RC[$1]}
	elif [[ -z ${OM_RC_GONE[$1]+x} ]]; then
		OM_VALUE=${!1-}
	fi
	OM_VALUE=${OM_VALUE#"${OM_VALUE%%[![:space:]]*}"}
	OM_VALUE=${OM_VALUE%"${OM_VALUE##*[![:space:]]}"}
}

# ---------------------------------------------------------------------------------------------
# Handing over

# STOCK-OR-EMPTY ARGV...: replaces this process by the helper, with the environment that it expects.
# Returns only where that fails.
om_exec_helper()
{
	local __om_stock=$1
	local -a __om_argv=("$OM_HELPER" "${@:2}")
	shopt -s execfail
	unset ONEMIGRATE_STOCK ONEMIGRATE_KVMRC ONEMIGRATE_KVMRC_SET ONEMIGRATE_RC ONEMIGRATE_RC_SET
	[[ -z $__om_stock ]] || export ONEMIGRATE_STOCK=$__om_stock
	[[ -z $OM_KVMRC ]] || export ONEMIGRATE_KVMRC=$OM_KVMRC ONEMIGRATE_KVMRC_SET=$OM_KVMRC_SET
	[[ -z $OM_ONERC ]] || export ONEMIGRATE_RC=$OM_ONERC ONEMIGRATE_RC_SET=$OM_ONERC_SET
	om_rc_export 2>/dev/null # bash complains of a locale that is not there
	exec "${__om_argv[@]}"
}

# DIR TREE NAME. Sets OM_STOCK to the saved stock script, or to nothing. A driver directory made of
# links to vmm/kvm need not have the saved copy. Our own script under that name would be an endless loop.
om_find_stock()
{
	local file
	OM_STOCK=''
	for file in "$1/$3.stock" "$2/vmm/kvm/$3.stock"; do
		if [[ -f $file && -x $file ]] && ! om_is_ours "$file"; then
			OM_STOCK=$file
			return 0
		fi
	done
	return 1
}

# The last word of a refusal, after the document was read to its end: the writer of the other end of
# the pipe must not see it break.
om_refuse()
{
	local vmid=$1 src=$2 text=$3
	cat >/dev/null 2>&1
	printf '%s\n' "$(om_clean "Error migrating VM ${vmid:-?}: $text")$(om_clean \
		"; the VM still runs on ${src:-its host}, nothing was touched.")" >&2
	exit 1
}

# DIR NAME ARGV...: the whole of a driver script. DIR is the script's own directory, absolute.
om_driver()
{
	local dir=$1 name=$2 tree fast='' setting why om_found
	local -a verb=(migrate)
	shift 2
	tree=${dir%/*} tree=${tree%/*}
	[[ $name != migrate_local ]] || verb+=(--local)

	om_find_stock "$dir" "$tree" "$name"
	# A helper has to load libvirt's libraries before it can say anything: meanwhile the rc files
	# are read. They have no say in which helper it is.
	exec {om_found}< <(om_find_helper "$tree" </dev/null; printf '%s\0%s\0' "$OM_HELPER" "$OM_WHY")
	om_rc_load "$tree" "$dir"
	IFS= read -r -d '' OM_HELPER <&"$om_found" || OM_HELPER=''
	IFS= read -r -d '' OM_WHY <&"$om_found" || OM_WHY='the search for it has failed'
	exec {om_found}<&-
	if [[ -n $OM_HELPER ]]; then
		om_exec_helper "$OM_STOCK" "${verb[@]}" "$@"
		OM_WHY="$OM_HELPER: cannot be executed"
	fi
	why="no onemigrate helper is usable here ($OM_WHY)"

	for setting in MIGRATE_NETWORK DEST_HOST_APPEND; do
		om_value "$setting"
		[[ -z $OM_VALUE || -n $fast ]] || fast="$setting=$OM_VALUE"
	done
	om_value MIGRATE_NETWORK_POLICY
	if [[ -n $fast && ${OM_VALUE,,} == strict ]]; then
		om_refuse "${4-}" "${3-}" "$why, and MIGRATE_NETWORK_POLICY=strict forbids to go without the fast network ($fast)"
	fi
	if [[ -z $OM_STOCK ]]; then
		om_refuse "${4-}" "${3-}" "$why, and there is no stock script $dir/$name.stock to run instead"
	fi
	if [[ -n $fast ]]; then
		om_say WARN "the fast network ($fast) is not used, the stock script runs: $why"
	else
		om_say INFO "the stock script runs: $why"
	fi
	shopt -s execfail
	# shellcheck disable=SC2093 # execfail: what follows is for an exec that fails
	exec "$OM_STOCK" "$@"
	om_refuse "${4-}" "${3-}" "$why, and the stock script $OM_STOCK cannot be executed"
}
