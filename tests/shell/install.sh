#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh on a synthetic tree of OpenNebula's remote scripts.
# shellcheck disable=SC2317,SC2016,SC2119 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

# A built tree at src, OpenNebula at one, as after the installation of its package.
ground()
{
	mkdir -p src/build one/remotes/vmm/kvm one/remotes/etc/vmm/kvm one/remotes/tm/qcow2 bin
	cp -a "$REPO/install.sh" "$REPO/remotes" src/
	echo 1.2.3 >src/VERSION
	recorder built >src/build/onemigrate
	chmod 0755 src/build/onemigrate
	R=$CASE/one/remotes
	export ONE_VAR=$CASE/one ONE_BIN=$CASE/bin
	echo 7.0.0 >"$R/VERSION"
	: >"$R/scripts_common.sh"
	printf '#!/usr/bin/ruby\n# stock migrate \n\377\0' >"$R/vmm/kvm/migrate"
	printf '#!/bin/bash\n# stock migrate_local \n' >"$R/vmm/kvm/migrate_local"
	chmod 0755 "$R/vmm/kvm/migrate"
	chmod 0750 "$R/vmm/kvm/migrate_local"
	touch -d 2020-02-02 "$R"/vmm/kvm/*
	snapshot >before
}

# All names, modes, owners and contents below one and bin, stamps of the stock scripts too.
snapshot()
{
	(
		cd "$CASE"
		find one bin -printf '%p %y %m %U:%G %l\n' | sort
		find one bin -type f -exec sha256sum {} + | sort -k 2
		find one/remotes/vmm -name 'migrate*' -printf '%p %T@\n' | sort
	)
}

inst()
{
	try src/install.sh "$@"
}

installs()
{
	ground
	inst
	is "$STATUS" 0
	grep -q 'onemigrate: installed file' "$R/vmm/kvm/migrate"
	grep -q '# stock migrate ' "$R/vmm/kvm/migrate.stock"
	cmp src/build/onemigrate "$R/onemigrate/$PLATFORM/onemigrate"
	is "$(<"$R/onemigrate/$PLATFORM/VERSION")" 1.2.3
	[[ -x bin/onemigrate && -x $R/onemigrate/run ]]
	has "$(tail -n 1 out)" 'onehost sync --force'
	TREE=$R
	: >"$R/etc/vmm/kvm/kvmrc"
	migrate
	is "$(words built.argv)" "$(printf '%q\n' migrate "${ARGV[@]}")"
	is "$(seen built ONEMIGRATE_STOCK)" "$R/vmm/kvm/migrate.stock"
}
it 'installs scripts that find their helper, saves the stock scripts, hints at onehost sync' installs

byte_for_byte()
{
	ground
	inst
	inst --uninstall
	is "$STATUS" 0
	snapshot | diff before -
}
it 'uninstall puts everything back: bytes, modes, owners, stamps, and leaves nothing' byte_for_byte

idempotent()
{
	ground
	inst
	snapshot >first
	find one bin -printf '%p %T@ %i\n' | sort >stamps
	inst
	is "$STATUS" 0
	has "$OUT" 'nothing to do'
	snapshot | diff first -
	find one bin -printf '%p %T@ %i\n' | sort | diff stamps - || {
		# Directories change when a manifest is written beside and dropped; files must not.
		find one bin -type f -printf '%p %T@ %i\n' | sort >files
		grep -F -x -f files stamps | sort | diff files -
	}
	inst --uninstall
	snapshot | diff before -
	inst --uninstall
	is "$STATUS" 0
	has "$OUT" 'not installed'
}
it 'a second run changes nothing, nor does a second uninstall' idempotent

dry_run()
{
	ground
	inst --dry-run
	is "$STATUS" 0
	has "$OUT" "would: save $R/vmm/kvm/migrate"
	snapshot | diff before -
	inst
	snapshot >installed
	inst --uninstall --dry-run
	has "$OUT" "would: put back $R/vmm/kvm/migrate"
	snapshot | diff installed -
}
it '--dry-run says what it would do and does nothing' dry_run

probes()
{
	ground
	inst
	[[ ! -e $R/im ]] # an OpenNebula without that directory gets none
	inst --uninstall
	mkdir -p "$R/im/kvm-probes.d/vm/monitor" "$R/im/qemu-probes.d/vm"
	echo '#!/usr/bin/ruby' >"$R/im/kvm-probes.d/vm/monitor/poll.rb"
	snapshot >before
	inst
	is "$STATUS" 0
	cmp "$REPO/remotes/im/kvm-probes.d/vm/monitor/onemigrate" "$R/im/kvm-probes.d/vm/monitor/onemigrate"
	is "$(stat -c '%a %F' "$R/im/kvm-probes.d/vm/monitor/onemigrate")" '755 regular file'
	[[ ! -e $R/im/qemu-probes.d/vm/monitor ]]
	inst --check
	is "$STATUS" 0
	chmod 0644 "$R/im/kvm-probes.d/vm/monitor/onemigrate"
	inst --check
	is "$STATUS" 1
	has "$OUT" 'monitor/onemigrate is not executable'
	inst
	inst --check
	is "$STATUS" 0
	rm "$R/im/kvm-probes.d/vm/monitor/onemigrate"
	inst --check
	is "$STATUS" 1
	inst
	inst --uninstall
	snapshot | diff before -
	# Both drivers, each a directory of its own; or the one a link to the other.
	mkdir "$R/im/qemu-probes.d/vm/monitor"
	inst
	is "$(stat -c %F "$R/im/qemu-probes.d/vm/monitor/onemigrate")" 'regular file'
	cmp "$R/im/kvm-probes.d/vm/monitor/onemigrate" "$R/im/qemu-probes.d/vm/monitor/onemigrate"
	inst --uninstall
	rmdir "$R/im/qemu-probes.d/vm/monitor"
	ln -s ../../kvm-probes.d/vm/monitor "$R/im/qemu-probes.d/vm/monitor"
	snapshot >before
	inst
	is "$(find -L "$R/im" -name onemigrate | wc -l)" 2
	inst --check
	is "$STATUS" 0
	inst --uninstall
	snapshot | diff before -
}
it 'the monitoring probe goes where OpenNebula has probes, and goes away again' probes

modes()
{
	ground
	inst
	is "$(stat -c %a "$R/vmm/kvm/migrate" "$R/vmm/kvm/migrate_local" | tr '\n' ' ')" '755 750 '
	inst --uninstall
	chmod 0750 "$R/vmm/kvm"
	inst
	is "$(stat -c %a "$R/onemigrate/run" "$R/onemigrate/driver.sh" "$R/onemigrate/$PLATFORM" "$R/onemigrate/$PLATFORM/onemigrate" | tr '\n' ' ')" '750 640 750 750 '
}
it 'modes are those of the stock scripts, and closed to others where the tree is' modes

owners()
{
	((EUID == 0)) || skip 'not root'
	ground
	chown -R 9869:9868 one
	snapshot >before
	inst
	is "$(find one -printf '%U:%G\n' | sort -u)" 9869:9868
	is "$(stat -c %U bin/onemigrate)" root
	inst --uninstall
	snapshot | diff before -
}
it 'as root everything belongs to the owner of the tree' owners

as_owner()
{
	((EUID == 0)) || skip 'not root'
	type -P setpriv >/dev/null || skip 'no setpriv'
	ground
	chown -R 9869:9869 one
	chmod 0755 "$CASE" "$TEST_TMP"
	chmod -R a+rX src
	# Readable wherever the temporary directory is.
	local user=(setpriv --reuid 9869 --regid 9869 --clear-groups)
	"${user[@]}" test -r src/install.sh || skip 'the temporary directory is closed'
	try "${user[@]}" src/install.sh
	is "$STATUS" 0
	has "$OUT" 'left out: '
	[[ ! -e bin/onemigrate ]]
	is "$(find one -printf '%U:%G\n' | sort -u)" 9869:9869
	try "${user[@]}" src/install.sh --check
	is "$STATUS" 0
	user=(setpriv --reuid 9870 --regid 9870 --clear-groups)
	try "${user[@]}" src/install.sh
	is "$STATUS" 1
	has "$ERR" 'run this as root or as'
}
it 'oneadmin can install, without the command where it cannot be written; others cannot' as_owner

upgrade()
{
	ground
	inst
	printf '#!/usr/bin/ruby\n# newer stock\n' >"$R/vmm/kvm/migrate"
	inst --check
	is "$STATUS" 1
	has "$OUT" "undone: $R/vmm/kvm/migrate is not ours any more"
	inst
	is "$STATUS" 0
	has "$OUT" 'a newer one'
	grep -q 'newer stock' "$R/vmm/kvm/migrate.stock"
	inst --check
	is "$STATUS" 0
	inst --uninstall
	is "$(tail -n 1 "$R/vmm/kvm/migrate")" '# newer stock'
}
it 'a run after an upgrade saves the newer stock script' upgrade

upgrade_then_uninstall()
{
	ground
	inst
	echo '# newer stock' >"$R/vmm/kvm/migrate"
	inst --uninstall
	is "$STATUS" 0
	is "$(<"$R/vmm/kvm/migrate")" '# newer stock'
	[[ ! -e $R/vmm/kvm/migrate.stock && ! -e $R/onemigrate ]]
	grep -q '# stock migrate_local' "$R/vmm/kvm/migrate_local"
}
it 'uninstall leaves a script that is no longer ours and removes the saved copy' upgrade_then_uninstall

newer_ours()
{
	ground
	inst
	cp "$R/vmm/kvm/migrate.stock" stock
	echo '# newer' >>src/remotes/vmm/kvm/migrate
	echo 1.2.4 >src/VERSION
	inst
	tail -n 1 "$R/vmm/kvm/migrate" | grep -q '# newer'
	cmp stock "$R/vmm/kvm/migrate.stock"
	inst --check
	is "$STATUS" 0
}
it 'a newer onemigrate replaces its own scripts and keeps the saved stock' newer_ours

check()
{
	ground
	inst --check
	is "$STATUS" 2
	has "$OUT" 'not installed'
	inst
	inst --check
	is "$STATUS" 0
	has "$OUT" "intact: $R/vmm/kvm/migrate"
	# Each of these alone is found, and cured by another run.
	local damage
	for damage in 'rm $R/onemigrate/driver.sh' 'echo >>$R/onemigrate/run' 'rm $R/vmm/kvm/migrate' \
		'chmod a-x $R/vmm/kvm/migrate' 'rm $R/onemigrate/$PLATFORM/onemigrate' 'rm bin/onemigrate' \
		'echo >>$R/vmm/kvm/migrate' 'rm $R/onemigrate/MANIFEST' 'sed -i \$d $R/onemigrate/MANIFEST' \
		'echo >$R/onemigrate/MANIFEST' 'chmod a-x $R/onemigrate/run' 'rm $R/onemigrate/$PLATFORM/VERSION'; do
		eval "$damage"
		inst --check
		is "$damage: $STATUS" "$damage: 1"
		inst
		inst --check
		is "$damage: $STATUS" "$damage: 0"
	done
	inst --uninstall
	snapshot | diff before - || is "$(tail -n 1 "$R/vmm/kvm/migrate_local")" '# stock migrate_local '
}
it '--check finds each damage, and a run of install cures it' check

no_stock_saved()
{
	ground
	inst
	rm "$R/vmm/kvm/migrate.stock"
	inst --check
	is "$STATUS" 1
	inst
	is "$STATUS" 1
	has "$OUT" 'WARNING: '
	inst --uninstall
	is "$STATUS" 1
	[[ -e $R/vmm/kvm/migrate && -e $R/onemigrate/driver.sh ]]
	cp "$R/vmm/kvm/migrate" "$R/vmm/kvm/migrate.stock"
	inst --uninstall
	is "$STATUS" 1
	[[ -e $R/vmm/kvm/migrate ]]
}
it 'a lost stock copy is a warning, and uninstall then leaves what works' no_stock_saved

half_installed()
{
	ground
	inst
	rm -r "$R/onemigrate/MANIFEST" "$R/onemigrate/run"
	echo half >"$R/onemigrate/MANIFEST.new.123"
	inst --uninstall
	is "$STATUS" 0
	snapshot | diff before -
}
it 'uninstall cleans up what a broken installation left' half_installed

linked_directory()
{
	ground
	# As a tm directory may be: one row for each name, one real place.
	mv "$R/vmm/kvm/migrate_local" "$R/tm/qcow2/premigrate"
	ln -s qcow2 "$R/tm/shared"
	snapshot >before
	sed -i 's|^stock  vmm/kvm/migrate_local$|stock  tm/qcow2/premigrate\nstock  tm/shared/premigrate|' src/install.sh
	mkdir -p src/remotes/tm/{qcow2,shared}
	cp src/remotes/vmm/kvm/migrate_local src/remotes/tm/qcow2/premigrate
	cp src/remotes/vmm/kvm/migrate_local src/remotes/tm/shared/premigrate
	inst --dry-run
	is "$(grep -c 'would: save .*premigrate' out)" 1
	inst
	is "$STATUS" 0
	is "$(grep -c 'save .*premigrate' out)" 1
	grep -q '# stock migrate_local' "$R/tm/qcow2/premigrate.stock"
	inst
	has "$OUT" 'nothing to do'
	inst --check
	is "$STATUS" 0
	inst --uninstall
	snapshot | diff before -
}
it 'a linked driver directory is handled once' linked_directory

linked_script()
{
	ground
	mkdir "$R/vmm/common"
	mv "$R/vmm/kvm/migrate_local" "$R/vmm/common/ml"
	ln -s ../common/ml "$R/vmm/kvm/migrate_local"
	snapshot >before
	inst
	is "$STATUS" 0
	[[ -L $R/vmm/kvm/migrate_local.stock && ! -L $R/vmm/kvm/migrate_local ]]
	inst --uninstall
	snapshot | diff before -
}
it 'a stock script that is a link is saved and put back as a link' linked_script

linked_tree()
{
	ground
	mv one real
	ln -s real one
	inst
	is "$STATUS" 0
	inst --check
	is "$STATUS" 0
	inst --uninstall
	rm one
	mv real one
	snapshot | diff before -
}
it 'the whole tree may lie behind a link' linked_tree

blanks()
{
	mkdir "with blank"
	CASE="$CASE/with blank"
	cd "$CASE"
	ground
	inst
	is "$STATUS" 0
	inst --check
	is "$STATUS" 0
	inst --uninstall
	snapshot | diff before -
}
it 'paths with blanks will do' blanks

refusals()
{
	ground
	ONE_VAR=$CASE/nothing inst
	is "$STATUS" 1
	mkdir -p other/remotes/vmm/kvm
	ONE_VAR=$CASE/other inst
	is "$STATUS" 1
	has "$ERR" "no tree of OpenNebula's remote scripts"
	rm src/VERSION
	inst
	is "$STATUS" 1
	has "$ERR" VERSION
	echo 1 >src/VERSION
	ANSWER=7 inst
	is "$STATUS" 1
	has "$ERR" 'interface version'
	rm src/build/onemigrate
	inst
	is "$STATUS" 1
	has "$ERR" 'run make first'
	inst --nonsense
	is "$STATUS" 1
	inst surplus
	is "$STATUS" 1
	inst --helpers
	is "$STATUS" 1
	snapshot | diff before -
}
it 'another tree, a missing or wrong helper, an unknown word: a sentence, and nothing is touched' refusals

without_local()
{
	ground
	rm "$R/vmm/kvm/migrate_local"
	snapshot >before
	inst
	is "$STATUS" 0
	has "$OUT" "left out: $R/vmm/kvm/migrate_local"
	inst --check
	is "$STATUS" 0
	inst --uninstall
	snapshot | diff before -
}
it 'a stock script that this OpenNebula lacks is left out' without_local

# PLATFORM VERSION FILE...: an archive as make dist packs it, in helpers.tar.gz.
pack()
{
	mkdir -p "pack/$1"
	recorder packed >"pack/$1/onemigrate"
	[[ -z $2 ]] || echo "$2" >"pack/$1/VERSION"
	tar -czf helpers.tar.gz -C pack . 2>/dev/null
	rm -r pack
}

helpers()
{
	ground
	pack aarch64-el9 1.2.3
	inst --helpers helpers.tar.gz
	is "$STATUS" 0
	[[ -x $R/onemigrate/aarch64-el9/onemigrate ]]
	pack x86_64-ubuntu24.04 1.0.0
	inst --helpers helpers.tar.gz
	has "$OUT" 'is of version 1.0.0'
	inst
	[[ -x $R/onemigrate/aarch64-el9/onemigrate && -x $R/onemigrate/x86_64-ubuntu24.04/onemigrate ]]
	inst --check
	is "$STATUS" 0
	rm src/build/onemigrate
	inst
	is "$STATUS" 0
	inst --uninstall
	snapshot | diff before -
}
it '--helpers adds platforms, a second run keeps them, uninstall removes them' helpers

helpers_only()
{
	ground
	rm src/build/onemigrate
	pack aarch64-el9 1.2.3
	inst --helpers helpers.tar.gz
	is "$STATUS" 0
	has "$OUT" 'no helper was built here'
}
it 'a front-end on which nothing was built takes helpers from archives' helpers_only

bad_helpers()
{
	ground
	echo nonsense >helpers.tar.gz
	inst --helpers helpers.tar.gz
	is "$STATUS" 1
	pack aarch64-el9 ''
	inst --helpers helpers.tar.gz
	has "$ERR" 'VERSION is missing'
	mkdir -p pack/x/y
	: >pack/x/y/z
	tar -czf helpers.tar.gz -C pack x
	inst --helpers helpers.tar.gz
	has "$ERR" 'which no archive of make dist does'
	mkdir pack/p
	ln -s /etc/passwd pack/p/onemigrate
	echo 1 >pack/p/VERSION
	tar -czf helpers.tar.gz -C pack p
	inst --helpers helpers.tar.gz
	has "$ERR" 'links or special files'
	: >evil
	tar -czPf helpers.tar.gz --transform 's|^evil|../evil|' evil
	rm evil
	inst --helpers helpers.tar.gz
	is "$STATUS" 1
	[[ ! -e one/evil && ! -e evil ]]
	pack "$PLATFORM" 1
	ANSWER=9 inst --helpers helpers.tar.gz
	is "$STATUS" 1
	inst --helpers "$CASE/none.tar"
	is "$STATUS" 1
	[[ ! -e $R/vmm/kvm/migrate.stock ]]
}
it 'an archive that make dist did not pack is refused before any script is replaced' bad_helpers

second_bad()
{
	ground
	pack aarch64-el9 1.2.3
	mv helpers.tar.gz good.tar.gz
	echo nonsense >bad:archive.tar.gz
	inst --helpers good.tar.gz bad:archive.tar.gz
	is "$STATUS" 1
	has "$ERR" 'is no tar archive'
	snapshot | diff before -
}
it 'all archives are checked before anything is copied' second_bad

hard_links()
{
	ground
	mkdir -p pack/p
	echo 1 >pack/p/VERSION
	ln pack/p/VERSION pack/p/onemigrate
	tar -czf helpers.tar.gz -C pack p
	inst --helpers helpers.tar.gz
	has "$ERR" 'links or special files'
	snapshot | diff before -
}
it 'an archive with hard links is refused' hard_links

interrupted()
{
	local file
	ground
	# Between the save of the stock script and its replacement, and while files were written.
	cp -a "$R/vmm/kvm/migrate" "$R/vmm/kvm/migrate.stock"
	mkdir "$R/onemigrate"
	for file in vmm/kvm/migrate.new.12 vmm/kvm/migrate.stock.new.12 onemigrate/driver.sh.new.12 onemigrate/MANIFEST.new.12; do
		echo half >"$R/$file"
	done
	inst
	is "$STATUS" 0
	is "$(find one -name '*.new.*')" ''
	grep -q '# stock migrate ' "$R/vmm/kvm/migrate.stock"
	inst --check
	is "$STATUS" 0
	echo half >"$R/vmm/kvm/migrate.stock.new.13"
	inst --uninstall
	snapshot | diff before -
}
it 'a run after an interrupted one, or an uninstall, cleans up and ends well' interrupted

killed()
{
	local i status=0
	ground
	# At every copy in turn.
	printf '#!/bin/bash\necho x >>%q\n(($(wc -l <%q) != ${AT:-0})) || kill -%s $PPID\nexec /bin/cp "$@"\n' \
		"$CASE/count" "$CASE/count" TERM >bin/cp
	chmod 0755 bin/cp
	for ((i = 1; i < 40; i++)); do
		: >count
		AT=$i PATH=$CASE/bin:$PATH inst
		((STATUS != 0)) || break
		TREE=$R
		[[ -e $R/vmm/kvm/migrate && -e $R/vmm/kvm/migrate_local ]]
		is "$(find one -name '*.new.*')" ''
		((i % 3)) || inst --uninstall
	done
	((i > 5 && i < 40))
	inst
	is "$STATUS" 0
	rm bin/cp
	inst --uninstall
	snapshot | diff before -
}
it 'a run that is ended at any copy leaves nothing half written, and the next one goes on' killed

twice()
{
	ground
	type -P flock >/dev/null || skip 'no flock'
	flock "$R/vmm/kvm" sleep 5 &
	sleep 0.5
	inst
	is "$STATUS" 1
	has "$ERR" 'another install.sh'
	inst --check
	is "$STATUS" 2
	kill $!
	snapshot | diff before -
}
it 'two runs at a time do not mix' twice

not_followed()
{
	((EUID == 0)) || skip 'not root'
	ground
	chown -R 9869:9869 one
	echo precious >victim
	inst
	# What oneadmin might put in the way of root.
	ln -s "$CASE/victim" "$R/onemigrate/VERSION.new.1"
	rm "$R/onemigrate/driver.sh" "$R/onemigrate/run"
	ln -s "$CASE/victim" "$R/onemigrate/driver.sh"
	ln -s "$CASE/victim" "$R/onemigrate/run"
	inst
	is "$STATUS" 0
	is "$(<victim),$(stat -c %u:%a victim)" precious,0:644
	[[ ! -L $R/onemigrate/driver.sh && ! -L $R/onemigrate/run ]]
	mv "$R/onemigrate" elsewhere
	ln -s "$CASE/elsewhere" "$R/onemigrate"
	inst
	is "$STATUS" 1
	has "$ERR" 'is a link'
}
it 'root follows no link that stands in its place in the tree' not_followed

foreign_command()
{
	ground
	echo other >bin/onemigrate
	inst
	is "$STATUS" 0
	has "$OUT" "left out: $CASE/bin/onemigrate"
	is "$(<bin/onemigrate)" other
	inst --uninstall
	is "$(<bin/onemigrate)" other
	ONE_BIN=$CASE/none inst
	is "$STATUS" 0
	has "$OUT" 'cannot be written'
}
it 'a command of that name that is not ours stays' foreign_command

operator_files()
{
	ground
	inst
	echo A=1 >"$R/etc/vmm/kvm/onemigraterc"
	echo mine >"$R/onemigrate/notes"
	inst --uninstall
	is "$STATUS" 0
	[[ -e $R/etc/vmm/kvm/onemigraterc && -e $R/onemigrate/notes ]]
	has "$OUT" onemigraterc
}
it 'files of the operator are left' operator_files

# A stand-in for ssh: HOST's os-release is in CASE/HOST.os; a host without one cannot be reached.
stand_in_ssh()
{
	cat >bin/ssh <<'END'
#!/bin/bash
while [ "$1" != -- ]; do shift; done
shift
host=$1
shift
[ -e "$CASE/$host.os" ] || exit 255
ONEMIGRATE_OS_RELEASE=$CASE/$host.os exec bash -c "$*"
END
	chmod 0755 bin/ssh
	PATH=$CASE/bin:$PATH
}

check_hosts()
{
	ground
	stand_in_ssh
	inst
	cp /etc/os-release a.os
	echo 'PLATFORM_ID="platform:el9"' >b.os
	cp /etc/os-release c.os
	export SCRIPTS_REMOTE_DIR=$CASE/host
	inst --check a
	is "$STATUS" 0
	has "$OUT" "a: $PLATFORM, a helper is installed here and not yet on the host"
	mkdir host
	cp -a "$R/." host/
	inst --check a b down
	is "$STATUS" 1
	has "$OUT" "a: $PLATFORM, has a helper that starts"
	has "$OUT" '-el9, would run the stock script: no helper for this platform'
	has "$OUT" 'down: cannot be asked by ssh'
	echo 'exit 3' >"host/onemigrate/$PLATFORM/onemigrate"
	inst --check c
	is "$STATUS" 1
	has "$OUT" 'c: '
	has "$OUT" 'does not start here'
	ONEMIGRATE_LIBEXEC=$CASE/src/build inst --check b
	is "$STATUS" 0
}
it '--check HOST... names the hosts that would run the stock script' check_hosts

ha_hint()
{
	ground
	type -P ruby >/dev/null || skip 'no ruby'
	cat >bin/onezone <<'END'
#!/bin/bash
cat <<X
<ZONE><ID>0</ID><SERVER_POOL><SERVER><ID>0</ID><NAME>$(uname -n)</NAME></SERVER>
<SERVER><ID>1</ID><NAME><![CDATA[fe-2]]></NAME></SERVER></SERVER_POOL></ZONE>
X
END
	chmod 0755 bin/onezone
	PATH=$CASE/bin:$PATH inst
	has "$OUT" 'several front-ends; do the same on: fe-2'
	lacks "$(grep 'several front-ends' out)" "$(uname -n)"
	printf '#!/bin/bash\nexit 255\n' >bin/onezone
	PATH=$CASE/bin:$PATH inst
	is "$STATUS" 0
	lacks "$OUT" 'several front-ends'
}
it 'in an HA zone the other front-ends are named' ha_hint

help()
{
	try "$REPO/install.sh" --help
	is "$STATUS" 0
	has "$OUT" --uninstall
}
it '--help needs no OpenNebula' help

# TM scripts as the packages have them: files, a driver that is a link, scripts that are links.
tm_ground()
{
	local driver step
	ground
	rm -r "$R/tm"
	mkdir -p "$R/tm/common" "$R/tm/mine"
	echo '#!/bin/bash' >"$R/tm/common/failmigrate"
	for driver in ssh ceph qcow2 dev; do
		mkdir "$R/tm/$driver"
		for step in premigrate postmigrate; do
			printf '#!/bin/bash\n# stock %s %s\n' "$driver" "$step" >"$R/tm/$driver/$step"
		done
		ln -s ../common/failmigrate "$R/tm/$driver/failmigrate"
	done
	mkdir "$R/tm/local"
	printf '#!/usr/bin/env ruby\n' >"$R/tm/local/premigrate"
	ln -s qcow2 "$R/tm/shared"
	echo other >"$R/tm/mine/premigrate.stock"
	echo own >"$R/tm/mine/premigrate"
	chmod 0755 "$R"/tm/*/*migrate
	snapshot >before
}

ours_in()
{
	(cd "$R/tm" && grep -l 'onemigrate: installed file' -- */*migrate | tr '\n' ' ')
}

tm_scripts()
{
	tm_ground
	inst
	is "$STATUS" 0
	is "$(ours_in)" "ceph/failmigrate ceph/postmigrate ceph/premigrate local/premigrate qcow2/failmigrate $(
		)qcow2/postmigrate qcow2/premigrate shared/failmigrate shared/postmigrate shared/premigrate $(
		)ssh/failmigrate ssh/postmigrate ssh/premigrate "
	cmp "$REPO/remotes/tm/step" "$R/tm/ssh/premigrate"
	grep -q 'stock ssh premigrate' "$R/tm/ssh/premigrate.stock"
	is "$(readlink "$R/tm/ssh/failmigrate.stock")" ../common/failmigrate
	is "$(<"$R/tm/common/failmigrate")" '#!/bin/bash'
	[[ -L $R/tm/shared && ! -L $R/tm/ssh/failmigrate && -x $R/tm/ssh/failmigrate ]]
	lacks "$OUT" mine
	inst
	has "$OUT" 'nothing to do'
	inst --check
	is "$STATUS" 0
	has "$OUT" "intact: $R/tm/ssh/premigrate"
	# An upgrade of OpenNebula writes its own over ours.
	rm "$R/tm/qcow2/premigrate" # as the package does: a new file
	printf '#!/bin/bash\n# newer\n' >"$R/tm/qcow2/premigrate"
	chmod 0755 "$R/tm/qcow2/premigrate"
	inst --check
	is "$STATUS" 1
	has "$OUT" "undone: $R/tm/qcow2/premigrate is not ours any more"
	inst
	grep -q newer "$R/tm/qcow2/premigrate.stock"
	inst --check
	is "$STATUS" 0
	printf '#!/bin/bash\n# stock qcow2 premigrate\n' >"$R/tm/qcow2/premigrate.stock"
	inst --uninstall
	is "$STATUS" 0
	snapshot | diff before -
}
it 'the TM scripts of the known drivers are replaced, links handled once, and all of it is put back' tm_scripts

tm_choice()
{
	tm_ground
	inst --tm 'ssh shared'
	is "$STATUS" 0
	is "$(ours_in)" "qcow2/failmigrate qcow2/postmigrate qcow2/premigrate shared/failmigrate $(
		)shared/postmigrate shared/premigrate ssh/failmigrate ssh/postmigrate ssh/premigrate "
	inst # keeps the choice
	has "$OUT" 'nothing to do'
	inst --check
	is "$STATUS" 0
	inst --tm dev
	is "$(ours_in)" 'dev/failmigrate dev/postmigrate dev/premigrate '
	grep -q 'stock ssh premigrate' "$R/tm/ssh/premigrate"
	[[ -L $R/tm/ssh/failmigrate && ! -e $R/tm/ssh/premigrate.stock ]]
	inst --tm none
	is "$STATUS" 0
	is "$(ours_in)" ''
	inst --check
	is "$STATUS" 0
	is "$(<"$R/tm/mine/premigrate.stock")" other
	inst --tm 'mine'
	grep -q 'installed file' "$R/tm/mine/premigrate"
	inst --tm none
	echo other >"$R/tm/mine/premigrate.stock"
	inst --uninstall
	snapshot | diff before -
	for wrong in '' '-x' '../x' 'a/b' 'ssh .'; do
		inst --tm "$wrong"
		is "$STATUS" 1
	done
	inst --uninstall --tm ssh
	is "$STATUS" 1
	inst --tm 'ssh cehp local'
	is "$STATUS,$OUT,$ERR" "1,,install.sh: --tm: cehp is no TM driver here, $R/tm/cehp is not there"
	snapshot | diff before -
}
it '--tm chooses the drivers, puts the others back, and is kept for the next time' tm_choice
