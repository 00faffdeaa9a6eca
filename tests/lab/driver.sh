# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the tests of the product: a lab with onemigrate installed, and the driver's end of the action.
# To be sourced after lib.sh.
#
#	begin --mgmt 1gbit
#	lab guest start 31
#	settings DEST_HOST_APPEND=-10g1
#	drive 31
#	check "it took the fast way" moved 31 node02

# What a run of the driver printed (vm.log and the answer to oned) and its exit status.
OUT='' DRIVE=''

# begin ARGS...: `lab up ARGS` with a freshly staged tree and the driver on fe.
begin() {
	local root stage driver
	root=$(realpath "$LAB_DIR/../..")
	driver=$root/build/tests/onedriver
	stage=$(mktemp -d)
	if [[ ! -x $driver ]]; then
		driver=$stage/onedriver
		gcc -O2 -o "$driver" "$root/tests/driver/onedriver.c"
	fi
	"$LAB_DIR/stage" "$stage"
	lab_begin --remotes "$stage/remotes" "$@"
	lab push fe "$driver" /usr/local/bin/onedriver 755
	lab push fe "$stage/bin/onemigrate" /usr/local/bin/onemigrate 755
	rm -rf "$stage"
	T=/run/onemigrate-lab/$LAB/test
	mkdir "$T"
	OUT=$T/out
	USER_OF_LAB=$(lab user)
}

# settings KEY=VALUE...: the whole of onemigraterc, on all hosts.
settings() {
	local pair host tree
	: >"$T/rc"
	for pair in "$@"; do
		printf '%s=%q\n' "${pair%%=*}" "${pair#*=}" >>"$T/rc"
	done
	for host in fe node01 node02; do
		tree=/var/tmp/one
		[[ $host != fe ]] || tree=/var/lib/one/remotes
		lab push "$host" "$T/rc" "$tree/etc/vmm/kvm/onemigraterc" 644
	done
}

other() {
	[[ $1 == node01 ]] && echo node02 || echo node01
}

# The node on which a guest runs.
place() {
	lab guest where "$1" | awk '$2 == "running" { print $1; exit }'
}

# drive VMID [--from HOST] [--to HOST] [--local] [--release R] [--timeout S] [--document FILE] [--option K=V]... [--shared NO]
# [--ds ID] [--to-ds ID] [--tm]: the action as OpenNebula's driver does it, by default from where the guest runs to the
# other node; with --to-ds to another datastore on that host. --ds says in which one the guest is by now. With --tm the
# steps of the storage driver come before and after it.
drive() {
	local vmid=$1 to='' from='' document='' script=/var/tmp/one/vmm/kvm/migrate
	local -a driver=(--release 7.0 --timeout 150) options=() shell
	local same='' steps=no
	shift
	while [[ $# -gt 0 ]]; do
		case $1 in
		--to) to=$2 ;;
		--from) from=$2 ;;
		--document) document=$2 ;;
		--option | --shared | --ds) options+=("$1" "$2") ;;
		--to-ds) options+=("$1" "$2"); same=yes ;;
		--tm) steps=yes; shift; continue ;;
		--release | --timeout) driver+=("$1" "$2") ;;
		--local)
			driver+=(--local)
			script=/var/lib/one/remotes/vmm/kvm/migrate_local
			shift
			continue
			;;
		*) echo "drive: $1?" >&2; return 64 ;;
		esac
		shift 2
	done
	[[ -n $from ]] || from=$(place "$vmid")
	[[ -z $same ]] || : "${to:=$from}"
	[[ -n $to ]] || to=$(other "$from")
	if [[ -z $document ]]; then
		document=$T/document.$vmid
		lab action "$vmid" --from "$from" --to "$to" "${options[@]}" >"$document"
	fi
	printf '%s' "${driver[*]}" >"$T/how"
	shell=(ssh -o ForwardAgent=yes -o ControlMaster=no -o ControlPath=none "$from" bash -s)
	DRIVE=0
	[[ $steps == no ]] || storage_step premigrate "$document" || DRIVE=1
	[[ $DRIVE == 0 ]] && lab exec fe --user "$USER_OF_LAB" -- onedriver "${driver[@]}" --script "$script" \
		--args "$(lab guest uuid "$vmid")" "$to" "$from" "$vmid" "$from" -- "${shell[@]}" \
		<"$document" >"$OUT" 2>&1 || DRIVE=$?
	no_false_blocker
	[[ $steps == no ]] || storage_step "$([[ $DRIVE == 0 ]] && echo postmigrate || echo failmigrate)" "$document" || true
}

# storage_step STEP DOCUMENT: a script of the target datastore's driver, with the arguments that the document's
# TM_COMMAND has. What it says is in $T/tm.err.
storage_step() {
	local document command mad from to dir vmid ds
	document=$(<"$2")
	command=${document#*<TM_COMMAND><![CDATA[MIGRATE }
	read -r mad from to dir vmid ds <<<"${command%%]]>*}"
	document="<VM>${document#*<VM>}"
	document="${document%</VM>*}</VM>"
	printf '%s' "$document" | base64 -w 0 | lab exec fe --user "$USER_OF_LAB" -- \
		"/var/lib/one/remotes/tm/$mad/$1" "$from" "$to" "$dir" "$vmid" "$ds" >"$T/tm.out" 2>"$T/tm.err"
}

# Whatever a check calls a blocker is certain to fail: a migration that succeeds proves it wrong, also where
# the settings made a warning of it.
no_false_blocker() {
	[[ $DRIVE == 0 ]] || return 0
	! grep -E '^\[VM[M 0-9]*\]\[E\]:.*migrate: check |migrate: check .*\(a blocker' "$OUT" ||
		fail "the migration succeeded, and a check had called that impossible"
}

# The log and the answer are what the driver's rules make of output that keeps them: every line is
# the VM's own, none was taken for another VM's or for a marker, and stdout was empty.
filed() {
	local line id=''
	# A local action's lines name the VM, else they would be nobody's (contract 1.2).
	[[ $(<"$T/how") != *--local* ]] || id='[0-9]* '
	while IFS= read -r line; do
		case $line in
		'[VMM]['[IED]']:  '$id'migrate: '* | '[VMM][I]: WARN: '$id'migrate: '*) continue ;;
		'[VM '[0-9]*']['[IWED]']: migrate: '*) [[ -n $id ]] && continue ;;
		'[ONED]['[IWED]']: migrate: '*) [[ -z $id ]] && continue ;;
		esac
		case $line in
		'[VMM][I]: Error migrating VM '*.) [[ $1 == FAILURE ]] || return 1 ;;
		'[VMM][E]: MIGRATE: Error migrating VM '*) [[ $1 == FAILURE ]] || return 1 ;;
		'[VMM][I]: Command execution fail'*) [[ $1 == FAILURE ]] || return 1 ;;
		'[VMM][I]: ExitCode: '[01]) ;;
		'[VMM][I]: '*'execute virtualization driver operation: migrate.') ;;
		'MIGRATE SUCCESS '*' -') [[ $1 == SUCCESS ]] || return 1 ;;
		'MIGRATE FAILURE '*' Error migrating VM '*) [[ $1 == FAILURE ]] || return 1 ;;
		*) echo "misfiled: $line"; return 1 ;;
		esac
	done <"$OUT"
	[[ $1 == SUCCESS || $(grep -c '^\[VMM\]\[I\]: Error migrating VM ' "$OUT") == 1 ]]
}

whereabouts() {
	lab guest where "$1"
	cat "$OUT"
}

# Success as oned knows it: the guest runs there and nowhere else.
moved() {
	whereabouts "$1"
	[[ $DRIVE == 0 ]] && filed SUCCESS && on_node "$1" "$2" && not_on_node "$1" "$(other "$2")"
}

# Failure as oned knows it: the guest runs where it was, nothing of it is elsewhere, and the sentence
# says so. The destination's libvirt may need a moment to remove what it had begun.
stayed() {
	local vmid=$1 at=$2
	poll 10 not_on_node "$vmid" "$(other "$at")" || true
	whereabouts "$vmid"
	[[ $DRIVE == 1 ]] && filed FAILURE && on_node "$vmid" "$at" && not_on_node "$vmid" "$(other "$at")" &&
		grep -qE "^\[VMM\]\[I\]: Error migrating VM .*(the VM still runs on|nothing was touched).*$at" "$OUT"
}

# said ERE / silent ERE: of the lines that the VM's log got.
said() {
	cat "$OUT"
	grep -qE "^\[VMM\].*$1" "$OUT"
}

silent() {
	cat "$OUT"
	! grep -qE "^\[VMM\].*$1" "$OUT"
}

# What the log says of more than limits: started by the watch, or asked for.
# shellcheck disable=SC2034 # for the tests that read this file
HARM=' *migrate: (pass [0-9]+: (post-copy|pause): |the copy was cancelled and begins again with |onemigrate (postcopy|pause) )'

# Bytes that left a node by both legs since `count` was called.
count() {
	lab bytes >"$T/bytes"
}

gone_by() {
	local now before
	now=$(sent "$1" "$2")
	before=$(awk -v host="$1" -v leg="$2" '$1 == host && $2 == leg { print $3 }' "$T/bytes")
	echo $((now - before))
}

# Over 99 % of what node $1 sent went by leg $2.
by_leg() {
	local mine rest
	mine=$(gone_by "$1" "$2")
	rest=$(gone_by "$1" "$([[ $2 == fast ]] && echo mgmt || echo fast)")
	echo "$2 $mine bytes, the other leg $rest bytes"
	((mine > 30 << 20 && rest * 99 < mine))
}

# begin_drive VMID ...: `drive` in the background; finish_drive waits for it.
begin_drive() {
	[[ " $* " == *' --from '* ]] || set -- "$@" --from "$(place "$1")"
	DRIVE=''
	(
		drive "$@"
		echo "$DRIVE" >"$T/status"
	) &
	DRIVEN=$!
}

finish_drive() {
	wait "$DRIVEN" || true
	DRIVE=$(cat "$T/status")
	no_false_blocker
}

# slow VMID ...: begin_drive, and returns when memory moves. MIGRATE_OPTIONS has to slow it down.
slow() {
	local from
	from=$(place "$1")
	begin_drive "$@"
	await copying "$1" "$from" || fail "the migration of $1 did not begin"
}

# Memory is moving: a pass has begun.
copying() {
	[[ $(lab exec "$2" -- virsh -q domjobinfo "one-$1") =~ Memory\ processed:\ +[0-9.]+\ MiB ]]
}

# How often a node's libvirt has started a QEMU for a guest, to run it or to receive it.
starts() {
	lab exec "$1" -- cat "/var/log/libvirt/qemu/one-$2.log" 2>/dev/null | grep -c 'starting up libvirt' || true
}

# restart_libvirtd NODE [-KILL]: one that holds a migration goes by force only.
restart_libvirtd() {
	lab exec "$1" -- pkill "${2:--TERM}" -x libvirtd || true
	await no_libvirtd "$1"
	lab exec "$1" -- libvirtd --daemon
}

no_libvirtd() {
	! lab exec "$1" -- pgrep -x libvirtd
}

# within SECONDS CMD...: as poll, and what CMD prints at last can be shown.
within() {
	poll "$@" || true
	"${@:2}"
}

# The helper's processes on node01: the supervisor is the older one, the worker in a session of its own.
supervisor() {
	lab exec node01 -- pgrep -o -f '^/var/tmp/one/onemigrate/[^ ]*/onemigrate migrate '
}

worker() {
	lab exec node01 -- pgrep -P "$(supervisor)" -f 'onemigrate migrate '
}
