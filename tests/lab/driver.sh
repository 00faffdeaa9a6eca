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

# drive VMID [--to HOST] [--local] [--release R] [--document FILE] [--option K=V]...: the action as
# OpenNebula's driver does it, by default from where the guest runs to the other node.
drive() {
	local vmid=$1 to='' from='' document='' script=/var/tmp/one/vmm/kvm/migrate
	local -a driver=(--release 7.0 --timeout 150) options=() shell
	shift
	while [[ $# -gt 0 ]]; do
		case $1 in
		--to) to=$2 ;;
		--from) from=$2 ;;
		--document) document=$2 ;;
		--option) options+=(--option "$2") ;;
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
	[[ -n $to ]] || to=$(other "$from")
	if [[ -z $document ]]; then
		document=$T/document.$vmid
		lab action "$vmid" --from "$from" --to "$to" "${options[@]}" >"$document"
	fi
	shell=(ssh -o ForwardAgent=yes -o ControlMaster=no -o ControlPath=none "$from" bash -s)
	DRIVE=0
	lab exec fe --user "$USER_OF_LAB" -- onedriver "${driver[@]}" --script "$script" \
		--args "$(lab guest uuid "$vmid")" "$to" "$from" "$vmid" "$from" -- "${shell[@]}" \
		<"$document" >"$OUT" 2>&1 || DRIVE=$?
}
