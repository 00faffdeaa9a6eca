# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Disks of guests that write to them and read them back; guest/block.h says what stands there. Sourced by `lab`.
#
# $RUN/storage.VMID has a line a disk: NUMBER KIND MIB TARGET LAYERS LAYOUT CACHE; its file's name, which may hold
# anything, is in $RUN/storage.VMID.NUMBER.

storage_usage() {
	cat >&2 <<-'END'
		--storage KIND[:MIB][:KEY=VALUE]...[,...]     MIB: 32, of CD-ROMs 1
		  qcow2, raw     images that the guest writes to
		  snap           a chain of qcow2 as disk snapshots leave it: disk.N -> disk.N.snap/LAST
		  internal       qcow2 with internal snapshots snap-0, ...
		  block          disk.N -> /dev/vg-one-DATASTORE/lv-one-VMID-N, a loop device; on both nodes; status 77
		                 where there is none
		  readonly       raw, which the guest only reads; cdrom, context the same as CD-ROM; empty: no medium
		  layers=N       of snap (3), or snapshots of internal (1)
		  rate=MIBPS     that the guest writes (1); 300k for KiB/s
		  region=MIB     that is written to again and again (a quarter), in units of unit=KIB (4)
		  cache=MODE     of libvirt (writeback)
		  name=NAME      of the file, instead of disk.N; the last key
	END
	exit 2
}

storage_is_cdrom() {
	[[ $1 == cdrom || $1 == context || $1 == empty ]]
}

# storage_item VMID NUMBER TARGET ITEM: a line of the record.
storage_item() {
	local vmid=$1 number=$2 target=$3 rest=$4 kind mib='' layers='' rate=1 region='' unit=4 cache=writeback
	local name=disk.$2 blocks key chain start units
	kind=${rest%%:*}
	while [[ $rest == *:* ]]; do
		rest=${rest#*:}
		key=${rest%%:*}
		case $key in
		name=*) name=${rest#name=}; break ;;
		layers=*) layers=${key#*=} ;;
		rate=*) rate=${key#*=} ;;
		region=*) region=${key#*=} ;;
		unit=*) unit=${key#*=} ;;
		cache=*) cache=${key#*=} ;;
		[0-9]*) mib=$key ;;
		*) storage_usage ;;
		esac
	done
	case $kind in
	qcow2 | raw | block) layers=1 ;;
	snap) : "${layers:=3}" ;;
	internal) : "${layers:=1}" ;;
	readonly) layers=1 region=0 ;;
	cdrom | context) layers=1 region=0 mib=${mib:-1} ;;
	empty) layers=1 region=0 mib=1 ;;
	*) storage_usage ;;
	esac
	: "${mib:=32}" "${region:=$((mib / 4))}"
	[[ $region != 0 ]] || rate=0
	[[ $rate == *k ]] && rate=${rate%k} || rate=$((rate * 1024))
	blocks=$((mib * 256))
	printf '%s' "$name" >"$RUN/storage.$vmid.$number"
	# The region begins with a cluster of qcow2.
	[[ $kind == snap ]] && chain=$layers || chain=1
	start=$((blocks / 4 - blocks / 4 % 16)) units=$((region * 1024 / unit))
	echo "$number $kind $mib $target $layers $number:$blocks:$chain:$start:$units:$((unit / 4)):$rate $cache" \
		>>"$RUN/storage.$vmid"
}

# storage_parse VMID LIST
storage_parse() {
	local vmid=$1 items item number=0 virtio=0 cdrom=0 letters=abcdefghijklmnopqrstuvwxyz
	mapfile -t -d , items < <(printf '%s' "$2")
	for item in "${items[@]}"; do
		if storage_is_cdrom "${item%%:*}"; then
			storage_item "$vmid" "$number" "sd${letters:cdrom:1}" "$item"
			cdrom=$((cdrom + 1))
		else
			storage_item "$vmid" "$number" "vd${letters:virtio:1}" "$item"
			virtio=$((virtio + 1))
		fi
		number=$((number + 1))
	done
}

storage_name() {
	cat "$RUN/storage.$1.$2"
}

# What the domain's XML has as the source: a driver resolves the link to a snapshot, not the one to a device.
storage_file() {
	local vmdir=$1 vmid=$2 number=$3 kind=$4 layers=$5 name
	name=$(storage_name "$vmid" "$number"; echo x)
	name=${name%x}
	[[ $kind != snap ]] || name=$name.snap/$((layers - 1))
	printf '%s' "$vmdir/$name"
}

storage_text() {
	local text=$1
	# Quoted: a bare & would stand for what was found.
	text=${text//&/"&amp;"}
	text=${text//</"&lt;"}
	text=${text//\'/"&apos;"}
	text=${text//\"/"&quot;"}
	text=${text//$'\n'/"&#10;"}
	printf '%s' "$text"
}

# storage_xml VMID VMDIR
storage_xml() {
	local vmid=$1 vmdir=$2 number kind mib target layers layout cache file type attribute format
	[[ -e $RUN/storage.$vmid ]] || return 0
	while read -r number kind mib target layers layout cache; do
		file=$(storage_file "$vmdir" "$vmid" "$number" "$kind" "$layers"; echo x)
		file=$(storage_text "${file%x}"; echo x)
		type=file attribute=file format=raw
		[[ $kind != block ]] || type=block attribute=dev
		[[ ! $kind =~ ^(qcow2|snap|internal)$ ]] || format=qcow2
		echo "<disk type='$type' device='$(storage_is_cdrom "$kind" && echo cdrom || echo disk)'>"
		echo "<driver name='qemu' type='$format' cache='$cache'/>"
		[[ $kind == empty ]] || echo "<source $attribute='${file%x}'/>"
		echo "<target dev='$target' bus='$([[ $target == sd* ]] && echo scsi || echo virtio)'/>"
		[[ $target != sd* && $kind != readonly ]] || echo '<readonly/>'
		echo '</disk>'
	done <"$RUN/storage.$vmid"
	! grep -q ' sd[a-z] ' "$RUN/storage.$vmid" || echo "<controller type='scsi' model='virtio-scsi'/>"
	# The guest's beat, for who watches from outside.
	echo "<serial type='file'><source path='/var/lib/one/consoles/$vmid.beat' append='on'/><target port='1'/></serial>"
}

# What the guest is told. Its CD-ROM drives are numbered in our order.
storage_cmdline() {
	local vmid=$1 number kind target layout cdrom=0
	[[ -e $RUN/storage.$vmid ]] || return 0
	while read -r number kind _ target _ layout _; do
		[[ $target != sd* ]] || { target=sr$cdrom; cdrom=$((cdrom + 1)); }
		[[ $kind == empty ]] || printf ' om.blk=%s:%s' "$target" "$layout"
	done <"$RUN/storage.$vmid"
	((!cdrom)) || printf ' om.cdrom=yes'
	printf ' om.beat=5'
}

# A device on each node, as a volume of the datastore's group; the image is the source's.
storage_block() {
	local vmid=$1 number=$2 mib=$3 ds=$4 node loop
	for node in "${NODES[@]}"; do
		truncate --size="${mib}M" "$RUN/volume.$vmid.$number.$node"
		loop=$(losetup --find --show "$RUN/volume.$vmid.$number.$node") || {
			note "no loop device"
			exit 77
		}
		echo "$loop" >>"$RUN/loops.$vmid"
		# shellcheck disable=SC2016 # text of the script
		in_host "$node" root bash -c '
			set -e
			mknod -m 660 "$1" b "$(($2))" "$(($3))" 2>/dev/null || chmod 660 "$1"
			chown oneadmin: "$1"
			mkdir -p "/dev/vg-one-$4"
			ln -sf "$1" "/dev/vg-one-$4/$5"' \
			block "$loop" "0x$(stat -c %t "$loop")" "0x$(stat -c %T "$loop")" "$ds" "lv-one-$vmid-$number"
	done
}

# storage_make HOST USER VMID VMDIR DS: the files of all disks.
storage_make() {
	local host=$1 user=$2 vmid=$3 vmdir=$4 ds=$5 number kind mib layers layout name
	[[ -e $RUN/storage.$vmid ]] || return 0
	while read -r number kind mib _ layers layout _ <&3; do
		[[ $kind != block ]] || storage_block "$vmid" "$number" "$mib" "$ds"
		name=$(storage_name "$vmid" "$number"; echo x)
		storage_script | in_host "$host" "$user" bash -s "$vmdir" "${name%x}" "$kind" "$layers" "$layout" \
			"/dev/vg-one-$ds/lv-one-$vmid-$number" >&2 || die "disk $number of guest $vmid was not made"
	done 3<"$RUN/storage.$vmid"
}

# Of one disk, in the host.
storage_script() {
	cat <<-'END'
		set -euo pipefail
		cd "$1"
		name=$2 kind=$3 layers=$4 layout=$5 device=$6
		blocks=/usr/share/onemigrate-lab/blocks
		stamp=$(mktemp /var/tmp/stamp-XXXXXX)
		trap 'rm -f "$stamp"' EXIT
		chmod 644 "$stamp"
		chain() {
			local i dir=$name.snap
			mkdir "./$dir"
			ln -s . "./$dir/$dir"
			for ((i = 0; i < layers; i++)); do
				: >"$stamp"
				"$blocks" stamp "$stamp" "$layout" "$i"
				qemu-img convert -f raw -O qcow2 "$stamp" "./$dir/$i"
				((!i)) || qemu-img rebase -q -u -f qcow2 -F qcow2 -b "$dir/$((i - 1))" "./$dir/$i"
			done
			ln -s "$dir/$((layers - 1))" "./$name"
		}
		case $kind in
		snap) chain; exit ;;
		empty) exit ;;
		esac
		"$blocks" stamp "$stamp" "$layout" all
		case $kind in
		qcow2 | internal) qemu-img convert -f raw -O qcow2 "$stamp" "file:$name" ;;
		block)
			dd if="$stamp" of="$device" bs=1M conv=fsync status=none
			ln -s "$device" "./$name"
			;;
		*) cp --sparse=always "$stamp" "./$name" ;;
		esac
		if [[ $kind == internal ]]; then
			for ((i = 0; i < layers; i++)); do
				qemu-img snapshot -c "snap-$i" "file:$name"
			done
		fi
	END
}

storage_drop() {
	local vmid=$1 loop
	if [[ -e $RUN/loops.$vmid ]]; then
		while read -r loop; do
			losetup --detach "$loop" || true
		done <"$RUN/loops.$vmid"
	fi
	rm -f "$RUN"/{loops,storage}."$vmid" "$RUN/storage.$vmid".* "$RUN/volume.$vmid".*
}

# The last complete line that the console has of a disk: a field of it.
storage_beat() {
	local value
	value=$(sed -nE "s/^DISK $2 .*\b$3=([0-9]+)\b.*/\1/p" "$1" | tail -n 1)
	echo "${value:-0}"
}

# The guest's name of a disk, by the order of the record.
storage_devices() {
	storage_cmdline "$1" | tr ' ' '\n' | sed -nE 's/^om\.blk=([a-z0-9]+):([0-9]+):.*/\1 \2/p'
}

# All that a console says of the passes over the disks, one word a disk.
storage_passes() {
	local device
	while read -r device _; do
		storage_beat "$2" "$device" passes
	done < <(storage_devices "$1")
}

# Each disk was read all over, from its first block on, since the passes were those.
storage_reread() {
	local now before=("${@:3}") i
	mapfile -t now < <(storage_passes "$1" "$2")
	for ((i = 0; i < ${#now[@]}; i++)); do
		((now[i] >= before[i] + 2)) || return 1
	done
}

# The source of the disk in the live domain, after which an x stands.
storage_source() {
	# shellcheck disable=SC2016 # Ruby
	in_host "$1" root virsh -q dumpxml "$2" | in_host "$1" root ruby -rrexml/document -e '
		d = REXML::Document.new($stdin.read).elements["//disk[target/@dev=\"#{ARGV[0]}\"]/source"]
		print((d.attributes["file"] || d.attributes["dev"]) + "x")' "$3"
}

# From outside: the images of the guest where it runs, which stands still meanwhile, as one disk each.
guest_verify_image() {
	local vmid=$1 node name bad=0
	[[ -e $RUN/storage.$vmid ]] || die "guest $vmid has no --storage"
	name=$(guest_name "$vmid")
	node=$(guest_where "$vmid" | awk '$2 == "running" || $2 == "paused" { print $1; exit }')
	[[ -n $node ]] || die "guest $vmid runs nowhere"
	in_host "$node" root virsh -q suspend "$name" >/dev/null
	storage_images "$vmid" "$node" "$name" || bad=1
	in_host "$node" root virsh -q resume "$name" >/dev/null
	[[ $bad == 0 ]] || die "guest $vmid: its disks are not right"
}

storage_images() {
	local vmid=$1 node=$2 name=$3 console number kind target layout device file bad=0 out
	console=$(guest_console "$vmid")
	while read -r number kind _ target _ layout _ <&3; do
		[[ $kind != empty ]] || continue
		device=$(storage_devices "$vmid" | awk -v n="$number" '$2 == n { print $1 }')
		file=$(storage_source "$node" "$name" "$target")
		out=$(storage_check | in_host "$node" root bash -s "${file%x}" "$layout" \
			"$(storage_beat "$console" "$device" synced)" 2>&1) || { bad=1; echo "$target of $node:"; }
		echo "$target ${out//$'\n'/$'\n'  }"
	done 3<"$RUN/storage.$vmid"
	return "$bad"
}

storage_check() {
	cat <<-'END'
		set -euo pipefail
		disk=$(mktemp /var/tmp/verify-XXXXXX)
		trap 'rm -f "$disk"' EXIT
		format=$(qemu-img info -U --output json -- "$1" | sed -nE 's/^    "format": "(.*)".*/\1/p' | tail -n 1)
		qemu-img convert -U -f "$format" -O raw -- "$1" "$disk"
		/usr/share/onemigrate-lab/blocks verify "$disk" "$2" "$3"
	END
}

# Until SIGTERM: prints how many signs of life there were, and the longest wait (ms) for one.
guest_beats() {
	exec "$(build_guest_path)/blocks" beats "$RUN/shared/consoles/$1.beat"
}
