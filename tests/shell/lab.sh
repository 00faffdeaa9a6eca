#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What of the lab can be tried without one: this machine stands for a host of it.
# shellcheck disable=SC2317 # cases are called by name

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

lab_parts()
{
	RUN=$CASE HOSTS=(node01) hogs=()
	# shellcheck source=/dev/null
	. <(sed -n '/^start_time() {$/,/^}$/p' "$REPO/tests/lab/lab")
	# shellcheck source=tests/lab/cmd/load.sh
	. "$REPO/tests/lab/cmd/load.sh"
	trap end_hogs EXIT
}

host_pid()
{
	echo $$
}

in_host()
{
	shift 2
	"$@"
}

usage()
{
	exit 2
}

# PID: what has ended has no command line, also while nobody has waited for it.
computes()
{
	[[ $(tr '\0' ' ' <"/proc/$1/cmdline") == 'sh -c while :; do :; done ' ]]
} 2>/dev/null

# None of a case that failed goes on.
end_hogs()
{
	local pid
	for pid in "${hogs[@]}"; do
		! computes "$pid" || kill -KILL "$pid"
	done
}

ended()
{
	local i
	for ((i = 0; i < 100; i++)); do
		computes "$1" || return 0
		sleep 0.05
	done
	return 1
}

started()
{
	local pids
	mapfile -t pids < <(cut -d ' ' -f 1 "$RUN/load.node01")
	hogs+=("${pids[@]}")
}

load_is_what_was_said_last()
{
	lab_parts
	lab_load node01 2
	started
	is "${#hogs[@]}" 2
	computes "${hogs[0]}"
	computes "${hogs[1]}"
	lab_load node01 1
	started
	is "${#hogs[@]}" 3
	ended "${hogs[0]}"
	ended "${hogs[1]}"
	computes "${hogs[2]}"
	lab_load node01 0
	ended "${hogs[2]}"
	is "$(cat "$RUN/load.node01")" ''
	lab_load node01 0
}

load_ends_nobody_else()
{
	lab_parts
	sh -c 'while :; do :; done' &
	hogs=("$!")
	echo "$! 1" >"$RUN/load.node01"
	lab_load node01 0
	sleep 0.2
	computes "${hogs[0]}"
}

load_wants_a_host_and_a_number()
{
	local words
	lab_parts
	: >"$RUN/load.node01"
	for words in '' node01 'node01 -1' 'node01 many' 'node01 08' 'node01 1 2' 'switch 1'; do
		# shellcheck disable=SC2086 # words
		(lab_load $words) && return 1
		is "$?" 2
	done
}

it "lab load: a host has as many as was said last" load_is_what_was_said_last
it "lab load: a process that has the number of one that has ended is left alone" load_ends_nobody_else
it "lab load: anything but a host and a number is refused" load_wants_a_host_and_a_number
