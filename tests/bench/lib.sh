# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the benchmarks: a lab of their own, one guest that goes to and fro, what is measured, medians.
# Sourced from the top of the tree.

export LAB=${LAB:-bench}
lab=$PWD/tests/lab/lab
work=$(mktemp -d)
fast_net=10.77.1.0/24

finish() {
	"$lab" down >/dev/null 2>&1 || true
	rm -rf "$work"
}

bench_up() { # rc file's text
	trap finish EXIT
	trap 'exit 130' INT TERM HUP
	tests/lab/stage "$work/stage" >/dev/null
	printf '%s\n' "$1" >"$work/stage/remotes/etc/vmm/kvm/onemigraterc"
	"$lab" up --remotes "$work/stage/remotes" >/dev/null 2>"$work/up" || { cat "$work/up" >&2; exit 1; }
}

as_driver() { # HOST; a script on stdin, run as the driver's ssh runs it
	"$lab" exec fe --user oneadmin -- ssh -A "$1" bash -s
}

other() { [[ $1 == node01 ]] && echo node02 || echo node01; }

where() { "$lab" guest where 31 | awk '$2 == "running" { print $1 }'; }

setup() { # guest options
	"$lab" guest stop 31 >/dev/null 2>&1 || true
	"$lab" guest start 31 "$@" >/dev/null
	uuid=$("$lab" guest uuid 31)
	for src in node01 node02; do
		"$lab" action 31 --from "$src" --to "$(other "$src")" >"$work/action.xml"
		"$lab" push "$src" "$work/action.xml" "/var/tmp/action-$src.xml" 0644
	done
}

# The command of the driver for the guest, to be run on the source.
ours() { # SRC DST
	echo "/var/tmp/one/vmm/kvm/migrate '$uuid' '$2' '$1' 31 $1 < /var/tmp/action-$1.xml"
}

# Of the last migration that has come to this host, in ms.
downtime_at() { # DST
	"$lab" exec "$1" -- virsh -q domjobinfo one-31 --completed --keep-completed |
		awk '/^Total downtime:/ { print $3 }'
}

# For awk programs: median(list, n), which leaves the least and the most in `least` and `most`.
awk_median='
	function median(a, n,   i, j, t) {
		for (i = 2; i <= n; i++) {
			t = a[i]
			for (j = i - 1; j && a[j] > t; j--)
				a[j + 1] = a[j]
			a[j + 1] = t
		}
		least = a[1]
		most = a[n]
		return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
	}'
# shellcheck disable=SC2034 # used by those that source this file
readonly lab work fast_net awk_median
