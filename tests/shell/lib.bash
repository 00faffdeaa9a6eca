# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the cases share. A case is a function that runs under `set -eu` in an empty directory of its own
# ($CASE); it fails with the first command that fails.

: "${REPO:?run these by tests/shell/run}" "${TEST_TMP:?}"
unset ONE_VAR ONE_BIN ONE_LOCATION SCRIPTS_REMOTE_DIR ONEMIGRATE_OS_RELEASE
unset MIGRATE_NETWORK MIGRATE_OPTIONS MIGRATE_NETWORK_POLICY DEST_HOST_APPEND
export ONEMIGRATE_LIBEXEC=/nonexistent/libexec
export LC_ALL=C
PATH=$TEST_TMP/no-ssh:$PATH

UUID=85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4
ARGV=("$UUID" node02 node01 31 node01)
# shellcheck source=remotes/onemigrate/driver.sh
PLATFORM=$(. "$REPO/remotes/onemigrate/driver.sh" && om_platform && echo "$OM_PLATFORM")

# SENTENCE FUNCTION
it()
{
	local log status
	CASE=$(mktemp -d "$TEST_TMP/case.XXXXXX")
	export CASE
	log=$CASE.log
	(
		set -eu
		trap 'echo "line $LINENO: $BASH_COMMAND"' ERR
		set -E
		cd "$CASE"
		"$2"
	) >"$log" 2>&1
	status=$?
	case $status in
	0) printf 'ok - %s\n' "$1" ;;
	77) printf 'skip - %s: %s\n' "$1" "$(tail -n 1 "$log")" ;;
	*)
		printf 'not ok - %s\n' "$1"
		sed 's/^/# /' "$log" | tail -n 25
		;;
	esac
	chmod -R u+rwX "$CASE" 2>/dev/null
	rm -rf -- "$CASE" "$log"
}

skip()
{
	printf '%s\n' "$1"
	exit 77
}

is()
{
	[[ $1 == "$2" ]] && return
	printf 'got:  %q\nwant: %q\n' "$1" "$2"
	return 1
}

has()
{
	[[ $1 == *"$2"* ]] && return
	printf 'in:      %q\nmissing: %q\n' "$1" "$2"
	return 1
}

lacks()
{
	[[ $1 != *"$2"* ]] && return
	printf 'in:         %q\nunexpected: %q\n' "$1" "$2"
	return 1
}

# REGEX FILE: no line of it matches. (A bare `! grep` never fails a case.)
none()
{
	! grep -aE -- "$1" "$2"
}

# shellcheck disable=SC2034 # for the cases
# COMMAND...: runs it; sets STATUS, OUT and ERR, and leaves the texts in the files out and err.
try()
{
	STATUS=0
	"$@" >"$CASE/out" 2>"$CASE/err" || STATUS=$?
	OUT=$(tr -d '\000' <"$CASE/out")
	ERR=$(tr -d '\000' <"$CASE/err")
}

# A program that keeps what it is given: argv, stdin and environment, below $CASE/NAME.*
recorder()
{
	printf '#!/bin/bash\n__to=%q\n' "$CASE/$1"
	cat <<'END'
if [ "${1-}" = --interface ]; then echo "${ANSWER:-1}"; exit 0; fi
printf '%s\0' "$@" >"$__to.argv"
env -0 >"$__to.env"
cat >"$__to.stdin"
exit "${RECORDER_STATUS:-0}"
END
}

# A synced tree at $TREE with our scripts, saved stock scripts, and a kvmrc from stdin.
make_tree()
{
	TREE=${1:-$CASE/tree}
	mkdir -p "$TREE/etc/vmm/kvm"
	cp -a "$REPO/remotes/." "$TREE/"
	recorder stock >"$TREE/vmm/kvm/migrate.stock"
	recorder stock_local >"$TREE/vmm/kvm/migrate_local.stock"
	chmod 0755 "$TREE/vmm/kvm"/*.stock
	[[ -t 0 ]] || cat >"$TREE/etc/vmm/kvm/kvmrc"
}

make_helper()
{
	mkdir -p "$TREE/onemigrate/$PLATFORM"
	recorder helper >"$TREE/onemigrate/$PLATFORM/onemigrate"
	chmod 0755 "$TREE/onemigrate/$PLATFORM/onemigrate"
}

# Runs migrate as OpenNebula does, with a small document.
migrate()
{
	try "$TREE/vmm/kvm/migrate" "${ARGV[@]}" <<<'<VMM_DRIVER_ACTION_DATA/>'
	by_the_rules
}

# What the driver demands of every output: stdout empty, each line of stderr ended, none with control
# characters, no tagged text that begins with a digit, no marker.
by_the_rules()
{
	is "$(<"$CASE/out")" ''
	[[ ! -s $CASE/err ]] || is "$(tail -c 1 "$CASE/err" | od -An -tx1 | tr -d ' ')" 0a
	none $'[\001-\010\013-\037\177]' "$CASE/err"
	none '^(INFO|WARN|ERROR|DEBUG):[[:space:]]*[0-9]' "$CASE/err"
	none '^Exit(SSH)?Code:' "$CASE/err"
	none '^-' "$CASE/err"
}

# FILE: the NUL-separated words of a recording, one per line, as %q.
words()
{
	local -a all
	mapfile -d '' -t all <"$1"
	printf '%q\n' "${all[@]}"
}

# NAME VARIABLE: the value that a recorded program found in its environment, or `unset`.
seen()
{
	local entry
	while IFS= read -r -d '' entry; do
		[[ ${entry%%=*} == "$2" ]] || continue
		printf '%s' "${entry#*=}"
		return
	done <"$CASE/$1.env"
	printf unset
}
