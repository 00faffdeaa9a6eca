# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Making and removing the hosts. Sourced by `lab`.

declare -A ADDRESS=([fe]=1 [node01]=11 [node02]=12)
# System datastores: two that the nodes share, one of each node's own on its root, and two of its own on
# file systems of their own, which can be made small. host-init mounts them.
STORES=(0 101 100 110 111)

up_hosts_file() {
	cat <<-'END'
		127.0.0.1 localhost
		::1 localhost ip6-localhost
		10.77.0.1 fe.lab.example fe
		10.77.0.11 node01.lab.example node01
		10.77.0.12 node02.lab.example node02
		10.77.1.11 node01-10g1.lab.example node01-10g1
		10.77.1.12 node02-10g1.lab.example node02-10g1
		fd77:0::11 node01-v6
		fd77:0::12 node02-v6
		fd77:1::11 node01-10g1-v6
		fd77:1::12 node02-10g1-v6
	END
}

# A host's own files, laid into the overlay's upper directory before it is mounted.
up_files() {
	local host=$1 user=$2 up=$RUN/$1/upper home=$RUN/$1/upper/var/lib/one
	mkdir -p "$up"/etc/{ssh,libvirt} "$up/var/tmp"
	chmod 1777 "$up/var/tmp"
	install -d -o 9869 -g 9869 "$home" "$home/datastores" "$home/remotes" "$up/var/tmp/one" \
		"$home/consoles" "${STORES[@]/#/$home/datastores/}"
	install -d -m 700 -o 9869 -g 9869 "$home/.ssh"
	install -d -m 700 "$up/root" "$up/root/.ssh"

	up_hosts_file >"$up/etc/hosts"
	: >"$up/etc/resolv.conf"
	echo "$host" >"$up/etc/hostname"
	md5sum <<<"$LAB $host" | cut -c 1-32 >"$up/etc/machine-id"
	install -m 644 "$LAB_SRC/conf/sshd_config" "$up/etc/ssh/sshd_config"
	ssh-keygen -q -t ed25519 -N '' -C "$host" -f "$up/etc/ssh/ssh_host_ed25519_key"

	install -m 600 -o 9869 -g 9869 "$LAB_SRC/conf/ssh_config" "$home/.ssh/config"
	install -m 600 "$LAB_SRC/conf/ssh_config" "$up/root/.ssh/config"
	if [[ $user == root ]]; then
		install -m 600 "$RUN/key.pub" "$up/root/.ssh/authorized_keys"
	else
		install -m 600 -o 9869 -g 9869 "$RUN/key.pub" "$home/.ssh/authorized_keys"
	fi

	[[ $host != fe ]] || return 0
	install -m 644 "$LAB_SRC/conf/libvirtd.conf" "$up/etc/libvirt/libvirtd.conf"
	# Both nodes would read the machine's own uuid and refuse to migrate "to the same host".
	echo "host_uuid = \"$(md5sum <<<"uuid $LAB $host" | up_uuid)\"" >>"$up/etc/libvirt/libvirtd.conf"
	install -m 600 "$LAB_SRC/conf/qemu.conf" "$up/etc/libvirt/qemu.conf"
	printf 'user = "%s"\ngroup = "%s"\n' "$user" "$user" >>"$up/etc/libvirt/qemu.conf"
	# A console that is rotated away in mid-test would lose its BOOT line.
	echo 'max_size = 0' >"$up/etc/libvirt/virtlogd.conf"
}

# 32 hexadecimal digits to the form of a random uuid.
up_uuid() {
	sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-4\3-8\4-\5/'
}

# The process outlives this command: no inherited descriptor, no terminal, no process group.
up_spawn() {
	local name=$1
	shift
	setsid "$@" </dev/null >"$RUN/$name.log" 2>&1 &
	record_pid "$name" "$!"
	disown "$!"
}

up_host() {
	local host=$1 root=$2 pid child size=
	[[ $host == fe ]] || size=$(<"$RUN/local-size")
	mkdir -p "$RUN/$host"/{work,root}
	up_spawn "ns.$host" unshare --mount --net --uts --ipc --pid --fork --kill-child -- \
		"$LAB_SRC/host-init" "$host" "$root" "$RUN/$host" "$(build_guest_path)" "$size"
	pid=$(recorded_pid "ns.$host")
	for ((i = 0; i < 200; i++)); do
		child=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || break
		if [[ -n $child && $(cat "/proc/${child% }/comm") == tini ]]; then
			record_pid "$host" "${child% }"
			return
		fi
		sleep 0.05
	done
	cat "$RUN/ns.$host.log" >&2
	die "$host did not start"
}

up_switch() {
	local net
	up_spawn switch unshare --net -- sleep infinity
	for ((i = 0; i < 100; i++)); do
		[[ $(cat "/proc/$(host_pid switch)/comm") != sleep ]] || break
		sleep 0.02
	done
	for net in mgmt fast; do
		in_switch ip link add "br-$net" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
		in_switch ip link set "br-$net" up
	done
}

# Both ends are shaped: a token bucket works on what leaves, so one end alone is one direction alone.
up_leg() {
	local host=$1 net=$2 rate=$3 index=$4 n=${ADDRESS[$1]} port=$2-$1
	in_switch ip link add "$port" type veth peer name "$net" netns "$(host_pid "$host")"
	in_switch ip link set "$port" master "br-$net" up
	in_host "$host" root ip link set "$net" up
	in_host "$host" root ip addr add "10.77.$index.$n/24" dev "$net"
	in_host "$host" root ip addr add "fd77:$index::$n/64" dev "$net" nodad
	up_shape "$host" "$net" "$rate"
}

up_shape() {
	local host=$1 net=$2 rate=$3 tbf
	read -ra tbf <<<"root tbf rate $rate burst 256k latency 50ms"
	in_switch tc qdisc replace dev "$net-$host" "${tbf[@]}"
	nsenter --target "$(host_pid "$host")" --net -- tc qdisc replace dev "$net" "${tbf[@]}"
}

up_services() {
	local host=$1 user=$2
	in_host "$host" root /usr/sbin/sshd
	if [[ $host == fe ]]; then
		in_host fe "$user" ssh-agent -a /run/one/agent.sock >/dev/null
		in_host fe "$user" ssh-add -q - <"$RUN/key"
		rm "$RUN/key"
	else
		in_host "$host" root virtlogd --daemon
		in_host "$host" root libvirtd --daemon
		# libvirt's probe of QEMU would else count into the first guest's start and migration.
		in_host "$host" root virsh -q domcapabilities --virttype qemu >/dev/null
	fi
}

up_remotes() {
	local dir=$1 user=$2
	[[ -d $dir ]] || die "--remotes $dir: no such directory"
	tar -C "$dir" -c . | in_host fe root tar -C /var/lib/one/remotes --owner=9869 --group=9869 -x
	in_host fe root chown -R "$user:" /var/lib/one/remotes
	lab_sync
}

lab_sync() {
	local node user
	user=$(lab_user)
	for node in "${NODES[@]}"; do
		in_host fe "$user" env --chdir=/var/lib/one/remotes \
			rsync -LRaz --delete . "$node:/var/tmp/one/"
	done
}

# QEMU 7.2 asks the system call alone, and the switch for it is the whole machine's: it is given back
# by the last lab that wanted it. Newer ones open /dev/userfaultfd, which every host has.
UFFD=/proc/sys/vm/unprivileged_userfaultfd

up_userfaultfd() {
	if [[ $(<"$UFFD") == 0 || -n $(compgen -G "$RUN_BASE/*/userfaultfd") ]]; then
		: >"$RUN/userfaultfd"
		echo 1 >"$UFFD"
	fi
}

down_userfaultfd() {
	[[ -e $RUN/userfaultfd ]] || return 0
	rm "$RUN/userfaultfd"
	[[ -n $(compgen -G "$RUN_BASE/*/userfaultfd") ]] || echo 0 >"$UFFD"
}

up_everything() {
	local user=$1 src=$2 dst=$3 mgmt=$4 fast=$5 remotes=$6 local_size=$7 host pids=() pid
	local -A root
	root=([fe]=$(build_root_path "$src") [node01]=$(build_root_path "$src")
		[node02]=$(build_root_path "$dst"))
	printf '%s\n' "${root[@]}" "$(build_guest_path)" >"$RUN/trees"
	echo "$user" >"$RUN/user"
	echo "$src $dst" >"$RUN/systems"
	echo "$mgmt" >"$RUN/rate.mgmt"
	echo "$fast" >"$RUN/rate.fast"
	echo "$local_size" >"$RUN/local-size"
	ssh-keygen -q -t ed25519 -N '' -C "lab $LAB" -f "$RUN/key"
	install -d -o 9869 -g 9869 "$RUN"/shared/{0,101,consoles}

	up_switch
	for host in "${HOSTS[@]}"; do
		up_files "$host" "$user"
		up_host "$host" "${root[$host]}"
		in_host "$host" root ip link set lo up
		up_leg "$host" mgmt "$mgmt" 0
		if [[ $host != fe ]]; then
			up_leg "$host" fast "$fast" 1
			in_host "$host" root ip link add onebr type bridge
			in_host "$host" root ip link set onebr up
		fi
	done
	for host in "${HOSTS[@]}"; do
		up_services "$host" "$user" &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || die "a service did not start"
	done
	[[ -z $remotes ]] || up_remotes "$remotes" "$user"
}

lab_up() {
	local user=oneadmin src=debian13 dst=debian13 mgmt=100mbit fast=1gbit remotes='' uffd=no
	local local_size=4096
	while [[ $# -gt 0 ]]; do
		case $1 in
		--src) src=$2 ;;
		--dst) dst=$2 ;;
		--mgmt) mgmt=$2 ;;
		--fast) fast=$2 ;;
		--remotes) remotes=$2 ;;
		--local-size) local_size=$2 ;;
		--as-root) user=root; shift; continue ;;
		--userfaultfd) uffd=yes; shift; continue ;;
		*) usage ;;
		esac
		shift 2
	done
	[[ $local_size =~ ^[0-9]+$ ]] || usage
	lab_build "$src"
	lab_build "$dst"
	mkdir -p "$RUN_BASE"
	mkdir "$RUN" 2>/dev/null || die "lab '$LAB' is up already (or half down: lab down)"
	trap 'note "failed; taking down"; lab_down' EXIT
	trap 'exit 130' INT TERM HUP
	mount -t tmpfs -o mode=755,size=75% "onemigrate-lab" "$RUN"
	[[ $uffd == no ]] || up_userfaultfd
	up_everything "$user" "$src" "$dst" "$mgmt" "$fast" "$remotes" "$local_size"
	trap - EXIT
}

# Whatever of a lab there is: works on a half-built one, and twice.
lab_down() {
	local file name pid
	set +e
	# The first process of a pid namespace takes all others with it.
	for file in "$RUN"/pid.*; do
		name=${file##*/pid.}
		[[ -e $file ]] && pid=$(recorded_pid "$name") && kill -KILL "$pid" 2>/dev/null
	done
	for file in "$RUN"/pid.*; do
		name=${file##*/pid.}
		[[ -e $file ]] || continue
		for ((i = 0; i < 200; i++)); do
			recorded_pid "$name" >/dev/null || break
			sleep 0.05
		done
	done
	down_userfaultfd
	for file in "$RUN"/loops.*; do
		[[ ! -e $file ]] || xargs -r -n 1 losetup --detach <"$file"
	done
	if mountpoint -q "$RUN"; then
		umount "$RUN" 2>/dev/null || umount -l "$RUN"
	fi
	# Empty by now: rmdir and not rm, for what is left would be a mount that did not go.
	if [[ -d $RUN ]]; then
		rmdir "$RUN" || return 1
	fi
	rmdir --ignore-fail-on-non-empty "$RUN_BASE" 2>/dev/null
	return 0
}
