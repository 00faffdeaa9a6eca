#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The monitoring probe, on state files made here. Its two directories are those of the case.
# shellcheck disable=SC2317,SC2016 # cases are called by name; texts for other shells

# shellcheck source=tests/shell/lib.bash
. "${0%/*}/lib.bash"

PROBE=im/kvm-probes.d/vm/monitor/onemigrate
CONFIG='<MONITOR_MESSAGES><PROBES_PERIOD><BEACON_HOST>30</BEACON_HOST><MONITOR_VM>30</MONITOR_VM></PROBES_PERIOD></MONITOR_MESSAGES>'

ground()
{
	mkdir run var
	chmod 0700 run var
	sed "s|^DIRS=.*|DIRS=('$CASE/run' '$CASE/var')|" "$REPO/remotes/$PROBE" >the-probe
	grep -qF "DIRS=('$CASE/run'" the-probe
	chmod 0755 the-probe
	read -r BOOT </proc/sys/kernel/random/boot_id
	NOW=$(date +%s%3N)
}

# FILE-OR-'' KEY=VALUE...: a state file as the helper writes it, of a migration that runs; a key that is
# given takes the place of that line.
put()
{
	local file=${1:-run/$UUID.state} pair line
	local -a lines=(onemigrate-state=1 "uuid=$UUID" vm_id=31 'vm_name=web front' src=node01 dst=node02
		"boot_id=$BOOT" "pid=$$" started_epoch_ms=1 "updated_epoch_ms=$NOW" phase=copy path_addr= iteration=2
		percent=57 processed_bytes=5000000000 remaining_bytes=956301312 total_bytes=8589934592
		disk_remaining_bytes=0 files_remaining_bytes=0 rate_bytes_ps=117440512 dirty_bytes_ps=1048577 downtime_limit_ms=30 throttle_percent=0 forecast=1
		eta_low_ms=8000 eta_high_ms=9100 downtime_low_ms=180 downtime_high_ms=220 elapsed_ms=2000 downtime_ms=41
		'decision=downtime limit 30 ms' result=)
	shift
	for line in "${lines[@]}"; do
		for pair; do [[ ${pair%%=*} != "${line%%=*}" ]] || line=$pair; done
		printf '%s\n' "$line"
	done >"$file"
}

# REGEX FILE: there is no other line in it
all_like()
{
	! grep -avE -- "$1" "$2"
}

# The probe as monitord-client runs it. Whatever it finds: status 0, no word on stderr, and each line is one
# that monitord parses.
probe()
{
	try timeout -k 1 10 ./the-probe kvm /var/lib/one/datastores 4124 20 0 node01 <<<"${1-$CONFIG}"
	is "$STATUS,$ERR" 0,
	[[ ! -s out ]] || is "$(tail -c 1 out | od -An -tx1 | tr -d ' ')" 0a
	all_like '^VM = \[ ID="[0-9]+", DEPLOY_ID="[0-9A-Fa-f-]{36}", MONITOR="[A-Za-z0-9+/]+={0,2}" \]$' out
	sed -n 's/.*MONITOR="\(.*\)" \]$/\1/p' out | while IFS= read -r line; do
		base64 -d <<<"$line"
	done >decoded
	all_like '^MIGRATION_[A-Z_]{1,10}="([0-9]{0,18}|prepare|send|copy|post-copy|settle|done|failed|unknown)"$' decoded
}

nothing()
{
	probe
	is "$OUT" ''
}

running()
{
	ground
	put ''
	probe
	has "$OUT" "VM = [ ID=\"31\", DEPLOY_ID=\"$UUID\", MONITOR=\""
	is "$(<decoded)" 'MIGRATION_PHASE="copy"
MIGRATION_PROGRESS="57"
MIGRATION_LEFT_MB="912"
MIGRATION_RATE_MB="112"
MIGRATION_DIRTY_MB="2"
MIGRATION_PASS="2"
MIGRATION_THROTTLE="0"
MIGRATION_ETA="10"
MIGRATION_DOWNTIME="220"'
	put '' phase=post-copy percent=100 eta_high_ms=0 downtime_high_ms=0
	probe
	has "$(<decoded)" 'MIGRATION_PROGRESS="99"'
	has "$(<decoded)" 'MIGRATION_ETA=""'
	has "$(<decoded)" 'MIGRATION_DOWNTIME=""'
}
it 'a migration that runs is a line with its attributes' running

phases()
{
	local phase
	ground
	# All that the helper knows, in its own words.
	mapfile -t all < <(sed -n '/phase_names\[\] = {/,/^};/p' "$REPO/helpers/core/state.c" | grep -o '"[^"]*"' | tr -d '"')
	has " ${all[*]} " ' prepare send copy '
	for phase in "${all[@]}"; do
		put '' phase="$phase"
		probe
		has "$(<decoded)" "MIGRATION_PHASE=\"$phase\""
	done
}
it 'every phase of the helper is told' phases

remains()
{
	ground
	# What is left of files, then of disks, then of memory; each is 0 when its turn is over.
	put '' phase=send remaining_bytes=0 disk_remaining_bytes=0 files_remaining_bytes=1048577
	probe
	has "$(<decoded)" 'MIGRATION_LEFT_MB="2"'
	put '' remaining_bytes=0 disk_remaining_bytes=5242880 files_remaining_bytes=0
	probe
	has "$(<decoded)" 'MIGRATION_LEFT_MB="5"'
	put '' remaining_bytes=1048576 disk_remaining_bytes=524288 files_remaining_bytes=524289
	probe
	has "$(<decoded)" 'MIGRATION_LEFT_MB="3"'
	put '' remaining_bytes=x disk_remaining_bytes= files_remaining_bytes=-1
	probe
	has "$(<decoded)" 'MIGRATION_LEFT_MB=""'
}
it 'what remains is memory, disks and files' remains

lengths()
{
	local text size plain
	ground
	plain=$(sed -n '/^encode()/,/^}/p' the-probe)
	eval "$plain"
	text='MIGRATION_PHASE="copy"'
	for size in 0 1 2 3 4 5 20 21 22; do
		encode "${text:0:size}"
		is "$ENCODED" "$(printf %s "${text:0:size}" | base64 -w 0)"
	done
}
it 'its base64 is base64' lengths

ended()
{
	local phase seconds
	ground
	for phase in 'done' failed unknown; do
		put '' phase="$phase" pid=0 percent=100
		probe
		has "$(<decoded)" "MIGRATION_PHASE=\"$phase\""
		has "$(<decoded)" 'MIGRATION_LEFT_MB=""'
		if [[ $phase == 'done' ]]; then
			has "$(<decoded)" 'MIGRATION_PROGRESS="100"'
			has "$(<decoded)" 'MIGRATION_DOWNTIME="41"'
		else
			has "$(<decoded)" 'MIGRATION_PROGRESS=""'
			has "$(<decoded)" 'MIGRATION_DOWNTIME=""'
		fi
		# Told for two rounds of monitoring and a little more, then never again.
		for seconds in 70 80; do
			NOW=$(date +%s%3N) # the machine may have other work
			put '' phase="$phase" pid=0 updated_epoch_ms=$((NOW - seconds * 1000))
			probe
			is "$seconds $([[ -z $OUT ]] && echo nothing)" "$seconds $( ((seconds < 75)) || echo nothing)"
		done
		probe "${CONFIG/<MONITOR_VM>30/<MONITOR_VM>600}"
		has "$OUT" 'ID="31"'
		probe 'no configuration'
		is "$OUT" ''
	done
	put '' phase='done' pid=0 updated_epoch_ms=$((NOW + 3600000)) # the clock was set back
	nothing
}
it 'an end is told for two rounds, and then nothing' ended

dead()
{
	ground
	put '' pid=0
	probe
	has "$(<decoded)" 'MIGRATION_PHASE="unknown"'
	has "$(<decoded)" 'MIGRATION_PROGRESS=""'
	put '' pid=4194305
	probe
	has "$(<decoded)" 'MIGRATION_PHASE="unknown"'
	put '' boot_id=11111111-2222-3333-4444-555555555555
	probe
	has "$(<decoded)" 'MIGRATION_PHASE="unknown"'
	put '' updated_epoch_ms=$((NOW - 65000)) # the process hangs, or another one has its number
	probe
	has "$(<decoded)" 'MIGRATION_PHASE="unknown"'
	put '' updated_epoch_ms=$((NOW - 80000))
	nothing
}
it 'a process that has died is not progress' dead

two_directories()
{
	ground
	put "run/$UUID.state" percent=11 updated_epoch_ms=$((NOW - 20))
	put "var/$UUID.state" percent=22
	put "run/${UUID%4}5.state" "uuid=${UUID%4}5" vm_id=32 percent=33
	probe
	is "$(wc -l <out)" 2
	has "$(<decoded)" 'PROGRESS="22"'
	has "$(<decoded)" 'PROGRESS="33"'
	lacks "$(<decoded)" 'PROGRESS="11"'
}
it 'the newest state of a VM counts, wherever it is' two_directories

not_states()
{
	ground
	nothing
	put run/x.state
	put "run/$UUID.state.old"
	put "run/$UUID.lock"
	put "run/${UUID%4}5.state" # another UUID inside
	nothing
	put elsewhere
	ln -s "$CASE/elsewhere" "run/$UUID.state"
	nothing
	rm "run/$UUID.state"
	mkfifo "run/$UUID.state"
	nothing
	rm "run/$UUID.state"
	mkdir "run/$UUID.state"
	nothing
	rmdir "run/$UUID.state"
	put ''
	mv run real
	ln -s real run
	nothing
	rm run
	nothing
	touch run
	nothing
}
it 'links, pipes, directories and other files are no states' not_states

not_ours()
{
	((EUID == 0)) || skip 'only root can give a file away'
	ground
	put ''
	chown 65534 "run/$UUID.state"
	nothing
	# As a user who may read neither directory.
	chown 0 "run/$UUID.state"
	chmod 0755 "$TEST_TMP" "$CASE"
	try setpriv --reuid 65534 --regid 65534 --clear-groups ./the-probe kvm <<<"$CONFIG"
	is "$STATUS,$OUT,$ERR" 0,,
}
it 'files of others, and directories that cannot be read, are passed over' not_ours

hostile()
{
	local pair
	ground
	# Nothing that an owner wrote, and nothing that is no number, is ever printed.
	put '' 'vm_name=" ] VM = [ ID="1", MONITOR="' 'src=$(touch proof)' 'decision=`touch proof`'
	probe
	is "$(wc -l <out)" 1
	for pair in 'vm_id=x' vm_id= 'vm_id=-1' 'vm_id=2147483648' 'vm_id=99999999999999999999' 'vm_id=31" ]' \
		'vm_id=a[$(touch proof)]' phase=flying 'phase=copy" ]' phase= updated_epoch_ms= updated_epoch_ms=x \
		'updated_epoch_ms=a[$(touch proof)]' onemigrate-state=2; do
		put '' "$pair"
		[[ $pair != onemigrate-state=2 ]] || sed -i '1s/1/2/' "run/$UUID.state"
		nothing
	done
	for pair in percent=x percent= percent=-1 'percent=a[$(touch proof)]' remaining_bytes=99999999999999999999 \
		rate_bytes_ps=1e9 'eta_high_ms=$(touch proof)' iteration=08 throttle_percent=0x10 'pid=1/../self' pid=; do
		put '' "$pair"
		probe
		is "$pair $(wc -l <out)" "$pair 1"
	done
	put '' vm_id=031 iteration=08
	probe
	has "$OUT" 'ID="31"'
	has "$(<decoded)" 'MIGRATION_PASS="8"'
	[[ ! -e proof ]]
}
it 'hostile values are never printed and never run' hostile

cut_off()
{
	local size
	ground
	put ''
	cp "run/$UUID.state" whole
	for ((size = 0; size < $(stat -c %s whole); size += 37)); do
		head -c "$size" whole >"run/$UUID.state"
		probe
	done
	head -c 4000 /dev/zero | tr '\0' x >>whole
	echo >>whole
	cp whole "run/$UUID.state"
	nothing # too long
	head -c 3000 /dev/urandom >"run/$UUID.state"
	nothing
	tr '\n' '\r' <whole >"run/$UUID.state"
	nothing
	put ''
	printf '\0' >>"run/$UUID.state"
	probe
}
it 'files that are cut off, too long or rubbish are passed over' cut_off

huge()
{
	ground
	put "run/${UUID%4}5.state" "uuid=${UUID%4}5" vm_id=32
	head -c 300000000 /dev/zero | tr '\0' x >"run/$UUID.state"
	SECONDS=0
	probe
	has "$OUT" 'ID="32"'
	((SECONDS <= 1))
}
it 'a huge file is not read' huge

hangs()
{
	local before after
	ground
	put "run/${UUID%4}5.state" "uuid=${UUID%4}5" vm_id=32
	# bash passes over zeros, however many there are: this does not end for minutes.
	truncate -s 1T "run/$UUID.state"
	before=$(date +%s%3N)
	probe
	after=$(date +%s%3N)
	is "$OUT" ''
	((after - before >= 1900 && after - before < 3000))
	sleep 0.2
	[[ -z $(pgrep -f '^/bin/bash ./the-probe kvm' || :) ]]
	# One that cannot be killed must not hold the pipes of monitord-client either.
	sed -i 's/^\tkill -KILL .*/\t:/' the-probe
	before=$(date +%s%3N)
	try timeout 20 bash -c 'out=$(./the-probe kvm 2>&1 <<<x); echo "[$out]"'
	after=$(date +%s%3N)
	is "$OUT" '[]'
	((after - before < 3000))
	pkill -KILL -P 1 -f '^/bin/bash ./the-probe kvm$' || pkill -KILL -f '^/bin/bash ./the-probe kvm$' || :
}
it 'where a disk does not answer it prints nothing and ends after two seconds' hangs

closed()
{
	ground
	put ''
	./the-probe kvm <<<"$CONFIG" >&-
	./the-probe kvm <<<"$CONFIG" >&- 2>&- 
	./the-probe kvm <&- >out
	has "$(<out)" 'ID="31"'
	set -o pipefail
	./the-probe kvm <<<"$CONFIG" | :
	# stdin that stays open is not waited for.
	SECONDS=0
	sleep 5 | ./the-probe kvm >out &
	wait -n || :
	kill %% 2>/dev/null || :
	has "$(<out)" 'ID="31"'
}
it 'closed or open ends of its pipes are no failure' closed

# TIMES: the probe so many times, its output in out. Sets CPU_MS and WALL_MS, each of the run that took least: a
# machine that has other work makes a run wait, but does not make it work more. The second process is waited
# for, else its work would not count.
quickest()
{
	local i before wall spent TIMEFORMAT='%3U %3S'
	CPU_MS=999999 WALL_MS=999999
	sed '$i wait "$pid"' the-probe >counted
	chmod 0755 counted
	for ((i = 0; i < $1; i++)); do
		before=${EPOCHREALTIME/./}
		{ time ./counted kvm <<<"$CONFIG" >out; } 2>spent
		wall=$(((${EPOCHREALTIME/./} - before) / 1000))
		spent=$(<spent)
		spent=${spent//./}
		spent=$((10#${spent% *} + 10#${spent#* }))
		((spent >= CPU_MS)) || CPU_MS=$spent
		((wall >= WALL_MS)) || WALL_MS=$wall
	done
	echo "$2: CPU $CPU_MS ms, wall $WALL_MS ms" >>"${PROBE_TIME:-/dev/null}"
}

fast()
{
	local i ago
	ground
	put ''
	quickest 50 'one that runs'
	((CPU_MS < 100 && WALL_MS < 100))
	# After a host was emptied: many that ended, in any order, and four that run.
	for ((i = 0; i < 200; i++)); do
		ago=$((3600 + i * 37 % 200 * 60))
		put "run/${UUID%???}$((i + 100)).state" "uuid=${UUID%???}$((i + 100))" vm_id="$((i + 100))" phase='done' pid=0 \
			updated_epoch_ms=$((NOW - ago * 1000))
		touch -d "@$((NOW / 1000 - ago))" "run/${UUID%???}$((i + 100)).state"
	done
	NOW=$(date +%s%3N)
	put ''
	for i in 301 302 303; do
		put "run/${UUID%???}$i.state" "uuid=${UUID%???}$i" vm_id="$i"
	done
	quickest 20 'with 200 ended ones'
	is "$(wc -l <out)" 4
	((CPU_MS < 100 && WALL_MS < 1000))
}
it 'it ends within 100 ms, where many have ended too' fast

unread()
{
	local other=${UUID%????} hour
	ground
	hour=$((NOW / 1000 - 3600))
	put "run/${other}1000.state" "uuid=${other}1000" phase='done' pid=0 updated_epoch_ms=$((hour * 1000))
	touch -d "@$hour" "run/${other}1000.state"
	truncate -s 1T "run/${other}1001.state" # to read it would take minutes
	touch -d "@$((hour - 60))" "run/${other}1001.state"
	put "run/${other}1002.state" "uuid=${other}1002" vm_id=32
	put "run/${other}1003.state" "uuid=${other}1003" vm_id=33 phase='done' pid=0 updated_epoch_ms=$((NOW - 30000))
	touch -d "@$((NOW / 1000 - 30))" "run/${other}1003.state"
	probe
	is "$(wc -l <out)" 2
	has "$(<decoded)" 'PHASE="copy"'
	has "$(<decoded)" 'PHASE="done"'
	# One from the future, as after a clock was set back, says nothing of the others.
	rm "run/${other}1001.state"
	put "run/${other}1000.state" "uuid=${other}1000" phase='done' pid=0 updated_epoch_ms=$((NOW + 3600000))
	probe
	is "$(wc -l <out)" 2
}
it 'what was written before an end of long ago is not read' unread

both()
{
	local place
	for place in kvm qemu; do
		[[ -x $REPO/remotes/im/$place-probes.d/vm/monitor/onemigrate ]]
		cmp "$REPO/remotes/$PROBE" "$REPO/remotes/im/$place-probes.d/vm/monitor/onemigrate"
	done
	# As it stands it looks where the helper writes.
	grep -qxF 'DIRS=(/run/onemigrate "/var/tmp/onemigrate-$EUID")' "$REPO/remotes/$PROBE"
	grep -q '"/run/onemigrate"' "$REPO/helpers/edge/state_internal.h"
	grep -q '"/var/tmp"' "$REPO/helpers/edge/state_internal.h"
	grep -q '"onemigrate-"' "$REPO/helpers/edge/state_internal.h"
	# Only builtins: with no program to be found it says the same.
	ground
	put ''
	./the-probe kvm <<<"$CONFIG" >with
	/usr/bin/env PATH=/nonexistent /bin/bash ./the-probe kvm <<<"$CONFIG" >without
	cmp with without
}
it 'both drivers have it, it looks where the helper writes, and needs no program' both
