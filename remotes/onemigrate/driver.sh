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
unset ONEMIGRATE_LINK

# One line of at most 1500 bytes without control characters: the driver waits for ever for a line
# that does not end, and argv and rc files may hold anything. In a shell of its own: a locale that is
# not there is told when it is put back.
om_clean()
(
	LC_ALL=C
	text=${1//[[:cntrl:]]/?}
	printf '%s' "${text:0:1500}"
)

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
	local file line key value id=unknown release='' platform=''
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
	OM_PLATFORM=${BASH_VERSINFO[5]%%-*}-$id$release # of bash itself, as uname -m would say
	OM_PLATFORM=${OM_PLATFORM//[^A-Za-z0-9._-]/}
}

# CANDIDATE: starts it, for om_helper_answers to hear which interface it speaks; else OM_REASON says why
# not. bash does the exec: execvp(3), and with it timeout(1), would give a program of another architecture
# to sh as if it were a script.
om_helper_start()
{
	OM_REASON=''
	if [[ ! -e $1 && ! -L $1 ]]; then
		OM_REASON='not there'
	elif [[ ! -f $1 || ! -x $1 ]]; then
		OM_REASON='not an executable file'
	else
		exec {om_answer}< <(exec "$1" --interface 2>/dev/null </dev/null)
		om_answer_pid=$!
	fi
	[[ -z $OM_REASON ]]
}

# CANDIDATE, just started. True where it starts on this machine and speaks our interface, else OM_REASON
# says why not. The end of the answer is the end of the program: only then is it known to be all.
om_helper_answers()
{
	local answer='' status=0
	IFS= read -r -d '' -t "$OM_HELPER_LIMIT_S" -n 300 answer <&"$om_answer" || status=$?
	exec {om_answer}<&-
	if ((status == 1)) && [[ $answer == "$OM_INTERFACE"$'\n' ]]; then
		return 0
	elif ((status > 128)); then
		kill "$om_answer_pid" 2>/dev/null
		OM_REASON="no answer within $OM_HELPER_LIMIT_S s"
	elif [[ -n $answer ]]; then
		OM_REASON="has interface version \"$(om_clean "${answer%$'\n'}")\", version $OM_INTERFACE is needed"
	else # once more, for what it says
		status=0
		answer=$(
			exec 2>/dev/null </dev/null
			(exec "$1" --interface 2>&1) | tr -d '\000' | head -n 1 | head -c 300
			exit "${PIPESTATUS[0]}"
		) || status=$?
		answer=$(om_clean "${answer##*"$1: "}")
		OM_REASON="does not start here${answer:+: $answer} (status $status)"
	fi
	return 1
}

om_helper_works()
{
	om_helper_start "$1" && om_helper_answers "$1"
}

# TREE [COMMAND...]. Sets OM_HELPER, or leaves it empty and sets OM_WHY. COMMAND runs meanwhile, because
# a helper has to load libvirt's libraries before it can say anything. The prefix can be moved by the
# environment alone, never by an rc file or by anything that a VM's owner can write.
om_find_helper()
{
	local candidate tree=$1
	shift
	OM_HELPER='' OM_WHY=''
	om_platform
	for candidate in "${ONEMIGRATE_LIBEXEC:-/usr/libexec/onemigrate}/onemigrate" \
		"$tree/onemigrate/$OM_PLATFORM/onemigrate"; do
		if om_helper_start "$candidate"; then
			"$@"
			set --
			if om_helper_answers "$candidate"; then
				OM_HELPER=$candidate
				return 0
			fi
		fi
		OM_WHY+="${OM_WHY:+; }$candidate: $OM_REASON"
	done
	"$@"
	return 1
}

# ---------------------------------------------------------------------------------------------
# The rc files
#
# They are sourced in a bash of their own (rcread.sh), which sends back what failed and what they set.
# Values stay in OM_RC until a helper is about to be executed, so that the stock script gets the
# environment that it would have had without us.

declare -gA OM_RC=()      # name -> value, of every variable that an rc file set or changed
declare -gA OM_RC_GONE=() # names that were in the environment and that an rc file unset
OM_KVMRC='' OM_KVMRC_SET='' OM_ONERC='' OM_ONERC_SET=''

# Variables that belong to a shell and not to a setting.
om_rc_is_setting()
{
	case $1 in
	_ | SHLVL | PWD | OLDPWD | IFS | UID | EUID | PPID | SHELLOPTS | BASH* | POSIXLY_CORRECT | \
		LINENO | FUNCNAME | OPTIND | OPTARG | OM_* | om_* | __om_* | ONEMIGRATE_STOCK | \
		ONEMIGRATE_KVMRC | ONEMIGRATE_RC | ONEMIGRATE_KVMRC_SET | ONEMIGRATE_RC_SET | \
		ONEMIGRATE_HOOKS) return 1 ;;
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
	local -a __om_argv=("$BASH" "$OM_LIB_DIR/rcread.sh" "${om_queue[@]}")
	om_rc_export
	exec "${__om_argv[@]}" </dev/null
}

# LINE TEXT. One WARN for each line of a file, however often it fails.
om_rc_warn()
{
	[[ -z ${om_warned[at$1]-} ]] || return 0
	om_warned[at$1]=1
	if ((${#om_warned[@]} <= 10)); then
		om_say WARN "${om_queue[0]}${1:+, line $1}: $2"
	elif ((${#om_warned[@]} == 11)); then
		om_say WARN "${om_queue[0]}: more lines fail"
	fi
}

# The first file of the queue is done with.
om_rc_next()
{
	case ${om_queue[0]-} in
	'') ;;
	*/onemigraterc) OM_ONERC=${om_queue[0]} OM_ONERC_SET=${!om_set[*]} ;;
	*) OM_KVMRC=${om_queue[0]} OM_KVMRC_SET=${!om_set[*]} ;;
	esac
	om_queue=("${om_queue[@]:2}")
	om_set=() om_warned=() om_rounds=0 om_until=$((SECONDS + OM_RC_LIMIT_S))
	om_stop='' om_stop_text='' om_named='' om_last_failed=''
}

# TEXT: what was printed on stderr. The shell's own complaints begin with the name of the file; where the
# shell ends or gives up the file, the line of the last one is where that was.
om_rc_complaints()
{
	local line file=${om_queue[0]}
	while IFS= read -r line; do
		[[ $line == "$file:"* || $line == /dev/fd/*:* || $line == /proc/self/fd/*:* ]] || continue
		line=${line#"$file"} line=${line#/dev/fd/*:} line=${line#/proc/self/fd/*:}
		[[ -z $om_named && $line =~ ^[^0-9]*([0-9]+)[^:]*:(.*)$ ]] || continue
		om_stop=${BASH_REMATCH[1]} om_stop_text=${BASH_REMATCH[2]# }
		[[ $line == *'syntax error'* || $line == *'unexpected EOF'* ||
			$line == *'unbound variable'* ]] && om_named=yes
	done <<<"$1"
}

# One rcread.sh reads the files of the queue: to their end, or to a line that bash cannot get over. The
# next pass goes on behind that one.
om_rc_pass()
{
	local record number name left pid om_records ended=''
	exec {om_records}< <(om_rc_child 2>/dev/null)
	pid=$!
	while ((left = om_until - SECONDS, left > 0)) &&
		IFS= read -r -d '' -t "$left" record <&"$om_records"; do
		case $record in
		'') ;;
		$'\001V'*)
			record=${record#??} name=${record%%=*}
			om_rc_is_setting "$name" || continue
			OM_RC[$name]=${record#*=} om_set[$name]=1
			unset "OM_RC_GONE[$name]"
			;;
		$'\001U'*)
			name=${record#??}
			om_rc_is_setting "$name" || continue
			unset "OM_RC[$name]" "om_set[$name]"
			OM_RC_GONE[$name]=1
			;;
		$'\001F'*) # a command failed: line, status, command
			record=${record#??}
			number=${record%%$'\t'*} record=${record#*$'\t'}
			om_rc_warn "$number" "passed over, it fails with status ${record%%$'\t'*}: ${record#*$'\t'}"
			om_stop='' om_stop_text='' om_named='' om_last_failed=$number
			;;
		$'\001X'*) om_rc_warn "${record#??}" 'passed over: exit' ;;
		$'\001D'*) # the file was read, or stopped by a syntax error
			ended=${record#??}
			[[ $ended == 0 || -z $om_stop ]] || break
			om_rc_next
			[[ $ended == 0 && -n ${om_queue[0]-} ]] || break
			ended=''
			;;
		$'\001S'*) # the shell ended in mid-file
			ended=stopped
			break
			;;
		*) om_rc_complaints "$record" ;;
		esac
	done
	exec {om_records}<&-
	if [[ -z $ended ]]; then
		kill -KILL "$pid" 2>/dev/null
		om_say WARN "${om_queue[0]}: reading it did not come to an end (within $OM_RC_LIMIT_S s), its settings are not used"
		om_rc_next
		return
	fi
	[[ $ended == stopped || -n $om_stop ]] || return
	if [[ -n $om_stop ]]; then
		om_rc_warn "$om_stop" "passed over: $om_stop_text"
	else
		om_stop=$om_last_failed
		om_rc_warn "$om_stop" 'ends the reading of the file'
	fi
	if [[ -n $om_stop ]] && ((om_stop >= om_queue[1] && ++om_rounds < 20)); then
		om_queue[1]=$((om_stop + 1))
		om_stop='' om_stop_text='' om_named='' om_last_failed=''
	else
		om_rc_next
	fi
}

# TREE OLD_DIR. kvmrc first, then the optional onemigraterc, which wins.
om_rc_load()
{
	local kvmrc=$1/etc/vmm/kvm/kvmrc rc=$1/etc/vmm/kvm/onemigraterc file
	local om_rounds om_until om_stop om_stop_text om_named om_last_failed
	local -a om_queue=() # FILE FIRST...
	local -A om_set=() om_warned=()
	om_rc_next
	[[ -e $kvmrc ]] || kvmrc=$2/kvmrc
	[[ -e $kvmrc ]] || om_say WARN "$1/etc/vmm/kvm/kvmrc: not there, defaults are used"
	for file in "$kvmrc" "$rc"; do
		[[ -e $file ]] || continue
		if [[ ! -f $file || ! -r $file ]]; then
			om_say WARN "$file: cannot be read, its settings are not used"
		elif [[ ! -r $OM_LIB_DIR/rcread.sh ]]; then
			om_say WARN "$file: its settings are not used, because $OM_LIB_DIR/rcread.sh is missing"
		else
			om_queue+=("$file" 1)
		fi
	done
	while ((${#om_queue[@]})); do
		om_rc_pass
	done
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
# The ssh to the destination

# HOST: the ssh to the destination takes longer than all that is done meanwhile. The helper takes it over where it
# is the host that it wants; else it ends with the helper.
om_link()
{
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._:-]*$ && ${SCRIPTS_REMOTE_DIR-} != *\'* ]] || return 0
	coproc OM_LINK {
		exec ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=5 \
			-o ControlMaster=no -o ControlPath=none -- "$1" \
			"r='${SCRIPTS_REMOTE_DIR:-/var/tmp/one}/onemigrate/run'; [ -x \"\$r\" ] && \"\$r\" survey && exit 0; $(
			)echo onemigrate-survey-none; PATH=\$PATH:/usr/sbin:/sbin exec ip -o addr show" 2>&1
	}
	# Opened anew: a coprocess's descriptors, and what is duplicated from them, end with exec. It may have ended.
	{ exec {om_to}>"/proc/self/fd/${OM_LINK[1]-}" {om_from}<"/proc/self/fd/${OM_LINK[0]-}"; } 2>/dev/null || return 0
	export ONEMIGRATE_LINK="$om_to $om_from $1"
}

om_unlink()
{
	[[ -n ${ONEMIGRATE_LINK-} ]] || return 0
	exec {om_to}>&- {om_from}<&-
	kill "$OM_LINK_PID" 2>/dev/null
	unset ONEMIGRATE_LINK
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
	export ONEMIGRATE_HOOKS=${OM_LIB_DIR%/*}/vmm/kvm/migrate.d # of this tree, whatever else says
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

# The stock script does by the word --tls in the MIGRATE_OPTIONS that it reads itself: not those of onemigraterc,
# nor where a shell would make something else of them.
om_stock_encrypts()
{
	om_value MIGRATE_OPTIONS
	[[ " $OM_ONERC_SET " != *' MIGRATE_OPTIONS '* && " $OM_VALUE " == *' --tls '* &&
		! $OM_VALUE =~ [^A-Za-z0-9\ =,.:/_-] ]]
}

# The last word of a refusal, after the document was read to its end: the writer of the other end of
# the pipe must not see it break.
om_refuse()
{
	local vmid=$1 src=$2 text=$3
	cat >/dev/null 2>&1
	printf '%s\n' "$(om_clean "Error migrating VM ${vmid:-?}: $text")$(om_clean \
		"; nothing was touched, OpenNebula has the VM on ${src:-its host}.")" >&2
	exit 1
}

# DIR NAME ARGV...: the whole of a driver script. DIR is the script's own directory, absolute.
om_driver()
{
	local dir=$1 name=$2 tree fast='' setting why
	local -a verb=(migrate)
	shift 2
	tree=${dir%/*} tree=${tree%/*}
	[[ $name != migrate_local ]] || verb+=(--local)

	[[ $name != migrate || ${2-} == "${3-}" ]] || om_link "${2-}"
	om_find_stock "$dir" "$tree" "$name"
	om_find_helper "$tree" om_rc_load "$tree" "$dir"
	if [[ -n $OM_HELPER ]]; then
		om_exec_helper "$OM_STOCK" "${verb[@]}" "$@"
		OM_WHY="$OM_HELPER: cannot be executed"
	fi
	om_unlink
	why="no onemigrate helper is usable here ($OM_WHY)"

	for setting in MIGRATE_NETWORK DEST_HOST_APPEND; do
		om_value "$setting"
		[[ -z $OM_VALUE || -n $fast ]] || fast="$setting=$OM_VALUE"
	done
	om_value MIGRATE_NETWORK_POLICY
	if [[ -n $fast && ${OM_VALUE,,} == strict ]]; then
		om_refuse "${4-}" "${3-}" "$why, and MIGRATE_NETWORK_POLICY=strict forbids to go without the fast network ($fast)"
	fi
	om_value MIGRATE_TLS
	if [[ ${OM_VALUE,,} == required && ${2-} != "${3-}" ]] && ! om_stock_encrypts; then
		om_refuse "${4-}" "${3-}" "$why, and MIGRATE_TLS=required forbids the stock script, which does not encrypt"
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
