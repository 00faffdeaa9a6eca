# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Guests: transient domains as OpenNebula makes them. Sourced by `lab`.

guest_uuid() {
	md5sum <<<"one-$1" | up_uuid
}

# The VM's name, which is its owner's choice.
guest_vm_name() {
	echo "lab guest & \"$1\""
}

guest_console() {
	echo "$RUN/shared/consoles/$1.log"
}

# The newest machine type that all hosts of this lab know.
guest_machine() {
	if [[ $(<"$RUN/systems") == "debian13 debian13" ]]; then
		echo pc-q35-10.0
	else
		echo pc-q35-7.2
	fi
}

# An image and a context CD-ROM, as every OpenNebula VM has them.
guest_disk_xml() {
	[[ $1 != pace ]] || guest_pace_xml "$2"
	[[ $1 == yes ]] || return 0
	cat <<-END
		<disk type='file' device='disk'>
		  <driver name='qemu' type='qcow2' cache='writeback'/>
		  <source file='$2/disk.0'/>
		  <target dev='vda' bus='virtio'/>
		</disk>
		<disk type='file' device='cdrom'>
		  <driver name='qemu' type='raw'/>
		  <source file='$2/disk.1'/>
		  <target dev='sda' bus='sata'/>
		  <readonly/>
		</disk>
	END
}

# What guest_pace writes is seen by the guest at once: nobody keeps it in a cache.
guest_pace_xml() {
	cat <<-END
		<disk type='file' device='disk'>
		  <driver name='qemu' type='raw' cache='none'/>
		  <source file='$1/pace'/>
		  <target dev='vda' bus='virtio'/>
		  <readonly/>
		</disk>
	END
}

# VMID MIBPS: a guest that was started --paced dirties so much from now on.
guest_pace() {
	local mem vcpus disk ds rest
	[[ ${2:-} =~ ^[0-9]+$ ]] || usage
	read -r mem vcpus disk ds rest <"$RUN/facts.$1" || die "no guest $1"
	printf '%-4095s\n' "$2" | in_host node01 "$(lab_user)" \
		dd of="/var/lib/one/datastores/$ds/$1/pace" conv=notrunc,fsync status=none
}

# virtio would need vhost-net, and e1000 is what its boot ROM is there for.
guest_nic_xml() {
	[[ $1 == yes ]] || return 0
	cat <<-END
		<interface type='bridge'>
		  <mac address='02:00:0a:4d:02:$(printf %02x $(($2 % 256)))'/>
		  <source bridge='onebr'/>
		  <target dev='one-$2-0'/>
		  <model type='e1000'/>
		</interface>
	END
}

guest_agent_xml() {
	[[ -n $1 ]] || return 0
	cat <<-END
		<channel type='unix'>
		  <source mode='bind'/>
		  <target type='virtio' name='org.qemu.guest_agent.0'/>
		</channel>
	END
}

# ADDRESS:PORT
guest_vnc_xml() {
	[[ -z $1 ]] || echo "<graphics type='vnc' listen='${1%:*}' port='${1##*:}' autoport='no'/>"
}

# ROM, or CODE:VARIABLES for flash, whose file is $2.
guest_loader_xml() {
	case $1 in
	'') ;;
	*:*)
		echo "<loader readonly='yes' type='pflash'>${1%:*}</loader>"
		echo "<nvram template='${1#*:}'>$(storage_text "$2")</nvram>"
		;;
	*) echo "<loader type='rom'>$1</loader>" ;;
	esac
}

# MODEL[,+FEATURE]...
guest_cpu_xml() {
	local word words
	IFS=, read -ra words <<<"$1"
	echo "<cpu mode='custom' match='exact'><model fallback='forbid'>${words[0]}</model>"
	for word in "${words[@]:1}"; do
		echo "<feature policy='require' name='${word#+}'/>"
	done
	echo '</cpu>'
}

guest_domain_xml() {
	local vmid=$1 name=$2 mem=$3 vcpus=$4 machine=$5 cpu=$6 vmdir=$7 cmdline=$8 disk=$9 nic=${10}
	local agent=${11} vnc=${12} loader=${13} nvram=${14}
	cat <<-END
		<domain type='qemu'>
		  <name>$name</name>
		  <uuid>$(guest_uuid "$vmid")</uuid>
		  <vcpu>$vcpus</vcpu>
		  <memory>$((mem * 1024))</memory>
		  <os>
		    <type arch='x86_64' machine='$machine'>hvm</type>
		    $(guest_loader_xml "$loader" "$nvram")
		    <kernel>/usr/share/onemigrate-lab/vmlinuz</kernel>
		    <initrd>/usr/share/onemigrate-lab/initrd</initrd>
		    <cmdline>$cmdline</cmdline>
		  </os>
		  $(guest_cpu_xml "$cpu")
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    $(guest_disk_xml "$disk" "$vmdir")
		    $(guest_nic_xml "$nic" "$vmid")
		    $(guest_agent_xml "$agent")
		    $(guest_vnc_xml "$vnc")
		    <serial type='file'>
		      <source path='/var/lib/one/consoles/$vmid.log' append='on'/>
		      <target port='0'/>
		    </serial>
		    $(storage_xml "$vmid" "$vmdir")
		    <memballoon model='none'/>
		  </devices>
		  <features><acpi/></features>
		  <metadata>
		    <one:vm xmlns:one="http://opennebula.org/xmlns/libvirt/1.0">
		      <one:system_datastore><![CDATA[$vmdir]]></one:system_datastore>
		      <one:name><![CDATA[$name]]></one:name>
		      <one:uname><![CDATA[oneadmin]]></one:uname>
		      <one:uid>0</one:uid>
		      <one:gname><![CDATA[oneadmin]]></one:gname>
		      <one:gid>0</one:gid>
		    </one:vm>
		  </metadata>
		</domain>
	END
}

# Metadata alone, as --redefine takes it; a real one would cost a full save of the guest's memory.
guest_snapshot_xml() {
	local number=$1 disk=$2
	cat <<-END
		<domainsnapshot>
		  <name>snap-$number</name>
		  <state>running</state>
		  <creationTime>$((1700000000 + number))</creationTime>
		  $([[ $number == 0 ]] || echo "<parent><name>snap-$((number - 1))</name></parent>")
		  <memory snapshot='internal'/>
		  <disks>$([[ $disk != yes ]] || echo "<disk name='vda' snapshot='internal'/>")</disks>
	END
}

guest_snapshots() {
	local host=$1 user=$2 name=$3 vmdir=$4 count=$5 disk=$6 i
	local virsh=(in_host "$host" "$user" virsh -q --connect qemu:///system)
	for ((i = 0; i < count; i++)); do
		{
			guest_snapshot_xml "$i" "$disk"
			"${virsh[@]}" dumpxml --migratable "$name"
			echo '</domainsnapshot>'
		} | in_host "$host" "$user" tee "$vmdir/snap-$i.xml" >/dev/null
		"${virsh[@]}" snapshot-create --redefine "$name" "$vmdir/snap-$i.xml" >/dev/null
	done
	[[ $count == 0 ]] || "${virsh[@]}" snapshot-current "$name" "snap-$((count - 1))" >/dev/null
}

guest_start() {
	local vmid=$1 mem=256 fill=64 kind=random dirty=0 hot=0 verify=0 vcpus=1 disk=no nic=no ds=0
	local cpu=qemu64 machine name=one-$1 snapshots=0 host=node01 agent='' vnc='' loader=''
	local user vmdir cmdline storage='' nvram='' pace=''
	shift
	machine=$(guest_machine)
	while [[ $# -gt 0 ]]; do
		case $1 in
		--mem) mem=$2 ;;
		--fill) fill=$2 ;;
		--kind) kind=$2 ;;
		--dirty) dirty=$2 ;;
		--hot) hot=$2 ;;
		--verify) verify=$2 ;;
		--vcpus) vcpus=$2 ;;
		--cpu) cpu=$2 ;;
		--machine) machine=$2 ;;
		--name) name=$2 ;;
		--snapshots) snapshots=$2 ;;
		--on) host=$2 ;;
		--ds) ds=$2 ;;
		--agent) agent=$2 ;;
		--vnc) vnc=$2 ;;
		--loader) loader=$2 ;;
		--storage) storage=$2 ;;
		--nvram) nvram=yes; shift; continue ;;
		--paced) pace=yes; shift; continue ;;
		--disk) disk=yes; shift; continue ;;
		--nic) nic=yes; shift; continue ;;
		*) usage ;;
		esac
		shift 2
	done
	[[ $agent =~ ^(|answers|deaf|old)$ ]] || usage
	((mem >= fill + 64)) || die "--mem $mem is too little for --fill $fill"
	user=$(lab_user)
	vmdir=/var/lib/one/datastores/$ds/$vmid
	# The second half only saves time on an emulated processor.
	cmdline="console=ttyS0 loglevel=4 panic=1 tsc=unstable clocksource=acpi_pm"
	cmdline+=" mitigations=off nokaslr no_timer_check lpj=4000000 cryptomgr.notests audit=0"
	cmdline+=" om.fill=$fill om.kind=$kind om.dirty=$dirty om.hot=$hot om.verify=$verify om.disk=$disk"
	cmdline+="${agent:+ om.agent=$agent}${pace:+ om.pace=yes}"

	[[ ! -e $(guest_console "$vmid") ]] || die "guest $vmid exists (lab guest stop $vmid)"
	[[ $disk == no || -z $storage ]] || usage
	[[ -z $pace || $disk$storage == no ]] || usage
	if [[ -n $storage ]]; then
		storage_drop "$vmid"
		storage_parse "$vmid" "$storage"
		cmdline+=$(storage_cmdline "$vmid")
	fi
	in_host "$host" "$user" mkdir -p "$vmdir"
	in_host "$host" "$user" touch "/var/lib/one/consoles/$vmid.log"
	echo "$name" >"$RUN/guest.$vmid"
	echo "$mem $vcpus $disk $ds $snapshots $machine ${cpu%%,*}" >"$RUN/facts.$vmid"
	if [[ -n $pace ]]; then
		disk=pace
		in_host "$host" "$user" truncate --size=4K "$vmdir/pace"
		guest_pace "$vmid" "$dirty"
	fi
	if [[ $disk == yes ]]; then
		in_host "$host" "$user" qemu-img create -q -f qcow2 "$vmdir/disk.0" 64M
		in_host "$host" "$user" truncate --size=372K "$vmdir/disk.1"
	fi
	if [[ -n $storage ]]; then
		storage_make "$host" "$user" "$vmid" "$vmdir" "$ds"
		in_host "$host" "$user" touch "/var/lib/one/consoles/$vmid.beat"
	fi
	if [[ -n $nvram ]]; then
		loader=/usr/share/seabios/bios-256k.bin:/usr/share/onemigrate-lab/vars.fd
		nvram="$vmdir/$(guest_vm_name "$vmid")_VARS.fd"
		# Not what the template holds: one that was made again from there is seen.
		head -c 128K < <(yes "variables of $vmid") | in_host "$host" "$user" tee "$nvram" >/dev/null
	fi
	guest_domain_xml "$vmid" "$name" "$mem" "$vcpus" "$machine" "$cpu" "$vmdir" "$cmdline" \
		"$disk" "$nic" "$agent" "$vnc" "$loader" "${nvram:-$vmdir/nvram}" | in_host "$host" "$user" tee "$vmdir/deployment.0" >/dev/null
	in_host "$host" "$user" virsh -q --connect qemu:///system create "$vmdir/deployment.0" \
		>/dev/null || { guest_stop "$vmid"; die "guest $vmid did not start"; }
	guest_ready "$vmid" $((60 + fill / 4))
	guest_snapshots "$host" "$user" "$name" "$vmdir" "$snapshots" "$disk"
}

guest_ready() { # VMID SECONDS
	local i
	for ((i = 0; i < $2 * 10; i++)); do
		! grep -qs '^READY' "$(guest_console "$1")" || return 0
		sleep 0.1
	done
	tail -n 20 "$(guest_console "$1")" >&2
	die "guest $1 did not become ready in $2 s"
}

guest_name() {
	cat "$RUN/guest.$1" 2>/dev/null || die "no guest $1"
}

guest_where() {
	local node name
	name=$(guest_name "$1")
	for node in "${NODES[@]}"; do
		echo "$node $(in_host "$node" root virsh -q domstate --reason "$name" 2>/dev/null ||
			echo absent)"
	done
}

guest_beat() {
	local console=$1 field=$2 value
	value=$(sed -nE "s/^HB .*\b$field=([0-9]+).*/\1/p" "$console" | tail -n 1)
	echo "${value:-0}"
}

# One boot, no error, and all of the memory read back once more from now on: the pass that runs at
# the time of the call may have begun before it, so two must end.
guest_verify() {
	local vmid=$1 console seq passes i disks
	console=$(guest_console "$vmid")
	[[ -r $console ]] || die "no guest $vmid"
	seq=$(guest_beat "$console" seq)
	passes=$(guest_beat "$console" passes)
	mapfile -t disks < <(storage_passes "$vmid" "$console")
	for ((i = 0; i < 600; i++)); do
		(($(guest_beat "$console" seq) < seq + 2 ||
			$(guest_beat "$console" passes) < passes + 2)) ||
			! storage_reread "$vmid" "$console" "${disks[@]}" || break
		! grep -q '^ERROR' "$console" || break
		sleep 0.1
	done
	[[ $i -lt 600 ]] || guest_bad "$vmid" "its heartbeat or its check stands still"
	[[ $(grep -c '^BOOT ' "$console") == 1 ]] || guest_bad "$vmid" "it has booted again"
	! grep -qE '^ERROR|Kernel panic|BUG:|Oops' "$console" || guest_bad "$vmid" "memory, disk or kernel errors"
	[[ $(guest_beat "$console" errors) == 0 ]] || guest_bad "$vmid" "errors counted"
}

guest_bad() {
	tail -n 5 "$(guest_console "$1")" >&2
	die "guest $1: $2"
}

guest_stop() {
	local vmid=$1 node name store
	name=$(guest_name "$vmid")
	for node in "${NODES[@]}"; do
		in_host "$node" root virsh -q destroy "$name" >/dev/null 2>&1 || true
		for store in "${STORES[@]}"; do
			in_host "$node" root rm -rf "/var/lib/one/datastores/$store/$vmid"
		done
	done
	storage_drop "$vmid"
	rm -f "$RUN/shared/consoles/$vmid".{log,beat}
	rm -f "$RUN/guest.$vmid" "$RUN/facts.$vmid"
}

lab_guest() {
	local verb=${1:-} vmid=${2:-}
	[[ $vmid =~ ^[0-9]+$ ]] || usage
	shift 2
	lab_user >/dev/null
	case $verb in
	start) guest_start "$vmid" "$@" ;;
	stop | where | verify | uuid | ready | pace) "guest_$verb" "$vmid" "$@" ;;
	console) cat "$(guest_console "$vmid")" ;;
	verify-image) guest_verify_image "$vmid" ;;
	beats) guest_beats "$vmid" ;;
	xml) guest_xml "$vmid" ;;
	*) usage ;;
	esac
}

guest_xml() {
	local node
	for node in "${NODES[@]}"; do
		in_host "$node" root virsh -q dumpxml "$(guest_name "$1")" 2>/dev/null && return
	done
	die "guest $1 is on no node"
}
