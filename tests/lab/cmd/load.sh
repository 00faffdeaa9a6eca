# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Processes that do nothing but compute. Sourced by `lab`.
#
# They are processes of the host, and so end with it; $RUN/load.HOST has a line "PID START-TIME" for each, as the
# host sees them.

# load_begin N: on the host. Like what up_spawn starts they outlive this command.
load_begin() {
	local i
	for ((i = 0; i < $1; i++)); do
		setsid sh -c 'while :; do :; done' </dev/null >/dev/null 2>&1 &
		echo "$! $(start_time "$!")"
	done
}

# load_end [PID START-TIME]...: on the host.
load_end() {
	while [[ $# -gt 0 ]]; do
		[[ $(start_time "$1") != "$2" ]] || kill -KILL "$1"
		shift 2
	done
}

# load_at HOST FUNCTION ARGUMENT...
load_at() {
	{
		declare -f start_time load_begin load_end
		echo '"$@"'
	} | in_host "$1" root bash -s "${@:2}"
}

lab_load() {
	local host=${1:-} count=${2:-} old=()
	[[ $# == 2 && $count =~ ^(0|[1-9][0-9]*)$ && " ${HOSTS[*]} " == *" $host "* ]] || usage
	host_pid "$host" >/dev/null
	[[ ! -e $RUN/load.$host ]] || read -r -d '' -a old <"$RUN/load.$host" || true
	load_at "$host" load_end "${old[@]}"
	load_at "$host" load_begin "$count" >"$RUN/load.$host"
}
