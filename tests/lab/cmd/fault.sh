# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What can go wrong on a wire, done in the namespaces of the lab alone. Sourced by `lab`.
# HOST is where it happens, LEG is mgmt or fast. Everything is given back by `restore`.

fault_usage() {
	cat >&2 <<-'END'
		usage: lab fault ...
		  cut HOST LEG            packets vanish, the carrier stays (a switch far away has died)
		  unplug HOST LEG         the carrier is lost
		  drop HOST LEG [--port A[-B]] [--from HOST]      firewall: silence, both directions
		  reject HOST LEG [--port A[-B]] [--from HOST]    firewall: TCP reset to what comes in
		  delay HOST LEG MS       77 where the kernel has no netem
		  rate HOST LEG RATE      another speed, as for lab up --mgmt
		  full HOST DATASTORE [MIB]   110 or 111: only so much space is left (default none)
		  restore [HOST LEG]      undo all of these, on that leg or everywhere
	END
	exit 2
}

fault_rule() {
	in_host "$1" root nft add rule inet "lab_$2" "${@:3}"
}

# Stateless, so that streams that exist already are hit as well.
fault_filter() {
	local verdict=$1 host=$2 leg=$3 port='' from='' address sport=() dport=()
	shift 3
	while [[ $# -gt 0 ]]; do
		case $1 in
		--port) port=$2 ;;
		--from) from=$2 ;;
		*) fault_usage ;;
		esac
		shift 2
	done
	[[ -z $port ]] || sport=(tcp sport "$port") dport=(tcp dport "$port")
	in_host "$host" root nft "add table inet lab_$leg
		add chain inet lab_$leg in { type filter hook input priority 0; }
		add chain inet lab_$leg out { type filter hook output priority 0; }"
	address=${from:+${ADDRESS[$from]}}
	if [[ $verdict == reject ]]; then
		[[ -n $port ]] || dport=(meta l4proto tcp)
		dport+=(reject with tcp reset)
		sport=()
	else
		dport+=(drop)
		sport+=(drop)
	fi
	if [[ -z $from ]]; then
		fault_rule "$host" "$leg" in iifname "$leg" "${dport[@]}"
		[[ $verdict == reject ]] || fault_rule "$host" "$leg" out oifname "$leg" "${sport[@]}"
		return
	fi
	local index=0
	[[ $leg == mgmt ]] || index=1
	fault_rule "$host" "$leg" in iifname "$leg" ip saddr "10.77.$index.$address" "${dport[@]}"
	fault_rule "$host" "$leg" in iifname "$leg" ip6 saddr "fd77:$index::$address" "${dport[@]}"
	if [[ $verdict != reject ]]; then
		fault_rule "$host" "$leg" out oifname "$leg" ip daddr "10.77.$index.$address" "${sport[@]}"
		fault_rule "$host" "$leg" out oifname "$leg" ip6 daddr "fd77:$index::$address" "${sport[@]}"
	fi
}

fault_delay() {
	local host=$1 leg=$2 ms=$3
	if ! in_switch tc qdisc replace dev "$leg-$host" root netem delay "${ms}ms" 2>/dev/null; then
		note "this kernel has no netem"
		return 77
	fi
}

# The limit of the file system is drawn close to what is used. Oneadmin has no reserve of root's there. What is
# written meanwhile may already be more than the limit that was computed, which the kernel refuses: then once more.
fault_full() {
	local host=$1 store=/var/lib/one/datastores/$2
	[[ $2 == 11[01] && $host == node* ]] || fault_usage
	# shellcheck disable=SC2016 # expanded on the host
	in_host "$host" root bash -c '
		for ((try = 0; try < 50; try++)); do
			used=$(df --output=used -k "$2" | tail -n 1)
			mount -o "remount,size=$((used + $3 * 1024 + 4))k" "$1" "$2" 2>/dev/null && exit
		done
		echo "the limit of $2 could not be drawn" >&2
		exit 1' full "store$2" "$store" "$3"
}

fault_space() {
	local host store
	for host in "${NODES[@]}"; do
		for store in 110 111; do
			in_host "$host" root mount -o "remount,size=$(<"$RUN/local-size")m" \
				"store$store" "/var/lib/one/datastores/$store"
		done
	done
}

fault_restore() {
	local host=$1 leg=$2
	in_switch ip link set "$leg-$host" master "br-$leg"
	in_switch ip link set "$leg-$host" up
	in_host "$host" root nft delete table inet "lab_$leg" 2>/dev/null || true
	up_shape "$host" "$leg" "$(<"$RUN/rate.$leg")"
}

fault_restore_all() {
	local host
	for host in "${HOSTS[@]}"; do
		fault_restore "$host" mgmt
		[[ $host == fe ]] || fault_restore "$host" fast
	done
	fault_space
}

lab_fault() {
	local verb=${1:-} host=${2:-} leg=${3:-}
	if [[ $verb == restore && -z $host ]]; then
		fault_restore_all
		return
	fi
	if [[ $verb == full ]]; then
		fault_full "$host" "$leg" "${4:-0}"
		return
	fi
	[[ -n $leg && -n ${ADDRESS[$host]:-} ]] || fault_usage
	in_switch ip link show dev "$leg-$host" >/dev/null || die "$host has no leg '$leg'"
	shift 3
	case $verb in
	cut) in_switch ip link set "$leg-$host" nomaster ;;
	unplug) in_switch ip link set "$leg-$host" down ;;
	drop | reject) fault_filter "$verb" "$host" "$leg" "$@" ;;
	delay) fault_delay "$host" "$leg" "${1:?milliseconds}" ;;
	rate) up_shape "$host" "$leg" "${1:?rate}" ;;
	restore) fault_restore "$host" "$leg" ;;
	*) fault_usage ;;
	esac
}
