#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which helper is taken, and what is said where none is.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

# The stock script ran, with one line of the given level.
stock_ran()
{
	is "$STATUS" 0
	[[ -e stock.argv && ! -e helper.argv ]]
	is "$(wc -l <err)" 1
	has "$ERR" "$1: migrate: "
}

# TEXT...: os-release with these lines.
platform()
{
	printf '%s\n' "$@" >os-release
	ONEMIGRATE_OS_RELEASE=$CASE/os-release "$REPO/remotes/onemigrate/run" --platform
}

names()
{
	local arch
	arch=$(uname -m)
	is "$(platform 'ID=debian' 'VERSION_ID="12"')" "$arch-debian12"
	is "$(platform 'ID=debian' 'VERSION_ID="13"')" "$arch-debian13"
	is "$(platform 'ID=ubuntu' "VERSION_ID='24.04'")" "$arch-ubuntu24.04"
	is "$(platform 'ID="almalinux"' 'VERSION_ID="9.4"' 'PLATFORM_ID="platform:el9"')" "$arch-el9"
	is "$(platform 'PLATFORM_ID="platform:el9"' 'ID="rocky"' 'VERSION_ID="9.5"')" "$arch-el9"
	is "$(platform 'ID="rhel"' 'VERSION_ID="10.0"' 'PLATFORM_ID="platform:el10"')" "$arch-el10"
	is "$(platform 'ID="opensuse-leap"' 'VERSION_ID="15.6"')" "$arch-opensuse-leap15.6"
	is "$(platform 'ID=fedora' 'VERSION_ID=40' 'PLATFORM_ID="platform:f40"')" "$arch-fedora40"
	is "$(platform 'ID="../../x"' 'VERSION_ID="$(touch z)"')" "$arch-....xtouchz"
	is "$(platform)" "$arch-unknown"
	[[ ! -e z ]]
}
it 'a platform is named by architecture, id and release, the rebuilds of RHEL by PLATFORM_ID' names

order()
{
	make_tree </dev/null
	make_helper
	mkdir libexec
	recorder package >libexec/onemigrate
	chmod 0755 libexec/onemigrate
	ONEMIGRATE_LIBEXEC=$CASE/libexec migrate
	[[ -e package.argv && ! -e helper.argv ]]
	rm package.argv
	chmod 0644 libexec/onemigrate
	ONEMIGRATE_LIBEXEC=$CASE/libexec migrate
	[[ ! -e package.argv && -e helper.argv ]]
	is "$ERR" ''
}
it 'the helper of a host package comes first, that of the tree second' order

package_of_other_version()
{
	make_tree </dev/null
	make_helper
	mkdir libexec
	recorder package | sed 's/ANSWER:-1/ANSWER:-2/' >libexec/onemigrate
	chmod 0755 libexec/onemigrate
	ONEMIGRATE_LIBEXEC=$CASE/libexec migrate
	[[ ! -e package.argv && -e helper.argv ]]
}
it 'a host package of another interface version is passed over' package_of_other_version

not_by_kvmrc()
{
	mkdir libexec
	recorder package >libexec/onemigrate
	chmod 0755 libexec/onemigrate
	make_tree <<<"export ONEMIGRATE_LIBEXEC=$CASE/libexec"
	migrate
	[[ ! -e package.argv ]]
}
it 'kvmrc cannot move the place of the host package' not_by_kvmrc

missing()
{
	make_tree </dev/null
	migrate
	stock_ran INFO
	has "$ERR" "$PLATFORM/onemigrate: not there"
}
it 'without a helper the stock script runs, with one INFO' missing

fast_network()
{
	make_tree <<<'MIGRATE_NETWORK=10.1.0.0/24'
	migrate
	stock_ran WARN
	has "$ERR" 'MIGRATE_NETWORK=10.1.0.0/24'
	echo 'DEST_HOST_APPEND="-10g1"' >"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	stock_ran WARN
	echo 'MIGRATE_NETWORK="  "' >"$TREE/etc/vmm/kvm/kvmrc"
	migrate
	stock_ran INFO
}
it 'that line is a WARN where a fast network is configured' fast_network

other_architecture()
{
	make_tree </dev/null
	make_helper
	# The head of an ELF file for a machine that this is not.
	printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\377\0\1\0\0\0\n> proof\ntouch proof\n' >"$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	stock_ran INFO
	has "$ERR" 'does not start here'
	[[ ! -e proof ]]
}
it 'a helper for another architecture is passed over, and never run as a script' other_architecture

missing_library()
{
	type -P gcc >/dev/null || skip 'no compiler'
	make_tree </dev/null
	make_helper
	echo 'int f(void) { return 0; }' >lib.c
	echo 'int f(void); int main(void) { return f(); }' >main.c
	gcc -shared -fPIC -o libomtest.so lib.c
	gcc -o "$TREE/onemigrate/$PLATFORM/onemigrate" main.c -L. -lomtest
	migrate
	stock_ran INFO
	has "$ERR" libomtest.so
}
it 'a helper that lacks a library is passed over, and the library is named' missing_library

other_version()
{
	make_tree </dev/null
	make_helper
	ANSWER=2 migrate
	stock_ran INFO
	has "$ERR" 'interface version "2"'
}
it 'a helper of another interface version is passed over' other_version

garbage()
{
	make_tree </dev/null
	make_helper
	printf '#!/bin/bash\nprintf "1\\n2\\n"\n' >"$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	stock_ran INFO
	printf '#!/bin/bash\nprintf "\\0\\a\\e[31m" >&2; head -c 100000 /dev/zero; exit 3\n' >"$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	stock_ran INFO
	printf '#!/bin/bash\nkill -SEGV $$\n' >"$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	stock_ran INFO
	: >"$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	stock_ran INFO
}
it 'a helper that answers nonsense, crashes or is empty is passed over' garbage

warns()
{
	make_tree </dev/null
	make_helper
	sed -i '2i [ "${1-}" != --interface ] || echo "no version information available" >&2' "$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	[[ -e helper.argv ]]
	is "$ERR" ''
}
it 'a helper that starts with a warning on stderr is used' warns

hangs()
{
	type -P timeout >/dev/null || skip 'no timeout(1)'
	make_tree </dev/null
	make_helper
	sed -i 's/^OM_HELPER_LIMIT_S=.*/OM_HELPER_LIMIT_S=1/' "$TREE/onemigrate/driver.sh"
	printf '#!/bin/bash\nexec sleep 60\n' >"$TREE/onemigrate/$PLATFORM/onemigrate"
	SECONDS=0
	migrate
	((SECONDS < 20))
	stock_ran INFO
	has "$ERR" 'no answer'
}
it 'a helper that does not answer is passed over in time' hangs

stdin_of_probe()
{
	make_tree </dev/null
	make_helper
	sed -i '2i [ "${1-}" != --interface ] || cat >probe.stdin' "$TREE/onemigrate/$PLATFORM/onemigrate"
	migrate
	is "$(<probe.stdin)" ''
	is "$(<helper.stdin)" '<VMM_DRIVER_ACTION_DATA/>'
}
it 'asking a helper for its version takes nothing of the document' stdin_of_probe

local_action()
{
	make_tree <<<'A=1'
	make_helper
	try "$TREE/vmm/kvm/migrate_local" "${ARGV[@]}" <<<PFhNTC8+
	by_the_rules
	is "$(words helper.argv)" "$(printf '%q\n' migrate --local "${ARGV[@]}")"
	is "$(<helper.stdin),$(seen helper A)" PFhNTC8+,1
	is "$(seen helper ONEMIGRATE_STOCK)" "$TREE/vmm/kvm/migrate_local.stock"
}
it 'migrate_local hands over to the same helper with --local' local_action

status_of_helper()
{
	make_tree </dev/null
	make_helper
	RECORDER_STATUS=1 migrate
	is "$STATUS" 1
	[[ ! -e stock.argv ]]
}
it 'once the helper runs, its exit status counts and no stock script follows' status_of_helper

by_hand()
{
	make_tree <<<'A=1'
	try "$TREE/onemigrate/run" status 31
	is "$STATUS" 69
	has "$ERR" 'no helper is usable here'
	make_helper
	try "$TREE/onemigrate/run" status 'a b'
	is "$(words helper.argv)" "$(printf '%q\n' status 'a b')"
	is "$(seen helper A)" 1
	is "$("$TREE/onemigrate/run" --helper)" "$TREE/onemigrate/$PLATFORM/onemigrate"
}
it 'run executes the helper by hand with the settings of its tree' by_hand
