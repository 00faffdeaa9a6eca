# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# VMM_DRIVER_ACTION_DATA for a guest, as OpenNebula 7.4 sends it. Sourced by `lab`.

# element NAME VALUE: all values of templates are CDATA on the wire.
action_element() {
	echo "<$1><![CDATA[$2]]></$1>"
}

# The --option pairs of one place.
action_options() {
	local place=$1 option key
	shift
	for option in "$@"; do
		key=${option%%=*}
		[[ $key == */* ]] || key=USER/$key
		[[ ${key%%/*} != "$place" ]] || action_element "${key#*/}" "${option#*=}"
	done
}

action_permissions() {
	local who what
	echo "<PERMISSIONS>"
	for who in OWNER GROUP OTHER; do
		for what in U M A; do
			echo "<${who}_$what>$([[ $who$what != OWNER[UM] ]] && echo 0 || echo 1)</${who}_$what>"
		done
	done
	echo "</PERMISSIONS>"
}

action_disks() {
	[[ $1 == yes ]] || return 0
	cat <<-END
		<CONTEXT>
		$(action_element DISK_ID 1)
		$(action_element NETWORK YES)
		<START_SCRIPT><![CDATA[#!/bin/sh@NL@echo "price: \$5 & \`uname -r\` <ok>" > /etc/motd@NL@]]></START_SCRIPT>
		$(action_element TARGET sda)
		</CONTEXT>
		<DISK>
		$(action_element CACHE default)
		$(action_element CLONE YES)
		$(action_element CLONE_TARGET SYSTEM)
		$(action_element CLUSTER_ID 0)
		$(action_element DATASTORE default)
		$(action_element DATASTORE_ID 1)
		$(action_element DEV_PREFIX vd)
		$(action_element DISK_ID 0)
		$(action_element DISK_SNAPSHOT_TOTAL_SIZE 0)
		$(action_element DISK_TYPE FILE)
		$(action_element DRIVER qcow2)
		$(action_element FORMAT qcow2)
		$(action_element IMAGE lab)
		$(action_element IMAGE_ID 7)
		$(action_element LN_TARGET NONE)
		$(action_element READONLY NO)
		$(action_element SAVE NO)
		$(action_element SIZE 64)
		$(action_element SOURCE /var/lib/one//datastores/1/4b2c1f0e9d8a7766554433221100ffee)
		$(action_element TARGET vda)
		$(action_element TM_MAD "$2")
		$(action_element TYPE FILE)
		</DISK>
	END
}

# The disks of --storage: images, volatile disks (raw, which have no image), CD-ROMs.
action_storage() {
	local vmid=$1 tm=$2 ds=$3 number kind mib target format type fixed
	[[ -e $RUN/storage.$vmid ]] || return 0
	while read -r number kind mib target _; do
		format=raw type=FILE fixed=NO
		[[ ! $kind =~ ^(qcow2|snap|internal)$ ]] || format=qcow2
		[[ $kind != readonly && $target != sd* ]] || fixed=YES
		[[ $target != sd* ]] || type=CDROM
		[[ $kind != raw ]] || type=fs
		[[ $kind != block ]] || type=BLOCK
		if [[ $kind == context ]]; then
			echo "<CONTEXT>$(action_element DISK_ID "$number")$(action_element TARGET "$target")</CONTEXT>"
			continue
		fi
		echo "<DISK>"
		action_element CLONE YES
		action_element DATASTORE_ID "$([[ $kind == raw ]] && echo "$ds" || echo 1)"
		action_element DEV_PREFIX "${target%?}"
		action_element DISK_ID "$number"
		action_element DISK_TYPE "$([[ $kind == block ]] && echo BLOCK || echo FILE)"
		action_element DRIVER "$format"
		action_element FORMAT "$format"
		if [[ $kind != raw ]]; then
			action_element IMAGE_ID "$((number + 7))"
			action_element SOURCE "/var/lib/one//datastores/1/image$number"
			action_element TM_MAD "$tm"
		fi
		action_element READONLY "$fixed"
		action_element SIZE "$mib"
		action_element TARGET "$target"
		action_element TYPE "$type"
		echo "</DISK>"
	done <"$RUN/storage.$vmid"
}

# Those that have left a chain; the first of an image is its base.
action_disk_snapshots() {
	local vmid=$1 number kind layers i found=''
	[[ ! -e $RUN/storage.$vmid ]] || while read -r number kind _ _ layers _; do
		[[ $kind == snap ]] || continue
		found=yes
		echo "<SNAPSHOTS>$(action_element ALLOW_ORPHANS NO)$(action_element CURRENT_BASE "$((layers - 2))")"
		action_element DISK_ID "$number"
		action_element NEXT_SNAPSHOT "$((layers - 1))"
		for ((i = 0; i < layers - 1; i++)); do
			echo "<SNAPSHOT>$(action_element DATE "$((1700000000 + i))")$(action_element ID "$i")"
			action_element NAME "snapshot $i"
			action_element PARENT "$((i - 1))"
			action_element SIZE 32
			[[ $i != "$((layers - 2))" ]] || action_element ACTIVE YES
			echo "</SNAPSHOT>"
		done
		echo "</SNAPSHOTS>"
	done <"$RUN/storage.$vmid"
	[[ -n $found ]] || echo '<SNAPSHOTS/>'
}

# HYPERVISOR_ID is libvirt's name of the snapshot, which is also the file's.
action_snapshots() {
	local i
	for ((i = 0; i < $1; i++)); do
		echo "<SNAPSHOT>$(action_element ACTIVE "$((i == $1 - 1))")"
		action_element HYPERVISOR_ID "snap-$i"
		action_element NAME "lab snapshot $i"
		action_element SNAPSHOT_ID "$i"
		action_element SYSTEM_DISK_SIZE 64
		action_element TIME "$((1700000000 + i))"
		echo "</SNAPSHOT>"
	done
}

action_vm() {
	local vmid=$1 dst=$2 tm=$3 ds=$4 mem vcpus disk snapshots machine cpu uuid
	shift 4
	read -r mem vcpus disk _ snapshots machine cpu <"$RUN/facts.$vmid"
	uuid=$(guest_uuid "$vmid")
	cat <<-END
		<VM>
		<ID>$vmid</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME>
		<NAME>$(storage_text "$(guest_vm_name "$vmid")")</NAME>
		$(action_permissions)
		<LAST_POLL>1784629422</LAST_POLL>
		<STATE>3</STATE><LCM_STATE>4</LCM_STATE>
		<PREV_STATE>3</PREV_STATE><PREV_LCM_STATE>3</PREV_LCM_STATE>
		<RESCHED>0</RESCHED><STIME>1784600000</STIME><ETIME>0</ETIME>
		<DEPLOY_ID>$uuid</DEPLOY_ID>
		<MONITORING>
		$(action_element CPU 12.5)
		$(action_element ID "$vmid")
		$(action_element MEMORY "$((mem * 1024))")
		$(action_element TIMESTAMP 1784629422)
		</MONITORING>
		<SCHED_ACTIONS/>
		<TEMPLATE>
		$(action_element AUTOMATIC_DS_REQUIREMENTS '("CLUSTERS/ID" @> 0)')
		$(action_element AUTOMATIC_REQUIREMENTS '(CLUSTER_ID = 0) & !(PUBLIC_CLOUD = YES)')
		$(action_element CPU 1)
		<CPU_MODEL>$(action_element MODEL "$cpu")</CPU_MODEL>
		$(action_disks "$disk" "$tm")
		$(action_storage "$vmid" "$tm" "$ds")
		<FEATURES>
		$(action_element ACPI YES)
		$(action_options FEATURES "$@")
		</FEATURES>
		$(action_element MEMORY "$mem")
		<OS>$(action_element ARCH x86_64)$(action_element MACHINE "$machine")$(action_element UUID "$uuid")</OS>
		$(action_snapshots "$snapshots")
		$(action_element TEMPLATE_ID 12)
		$(action_element TM_MAD_SYSTEM "$tm")
		$(action_element VCPU "$vcpus")
		$(action_element VMID "$vmid")
		$(action_options TEMPLATE "$@")
		</TEMPLATE>
		<USER_TEMPLATE>
		$(action_element HYPERVISOR kvm)
		<NOTE><![CDATA[two@NL@lines]]></NOTE>
		$(action_options USER "$@")
		</USER_TEMPLATE>
		<HISTORY_RECORDS><HISTORY>
		<OID>$vmid</OID><SEQ>1</SEQ><HOSTNAME>$dst</HOSTNAME><HID>2</HID><CID>0</CID>
		<STIME>1784629430</STIME><ETIME>0</ETIME>
		$(action_element VM_MAD kvm)
		$(action_element TM_MAD "$tm")
		<DS_ID>$ds</DS_ID><PLAN_ID>-1</PLAN_ID><ACTION_ID>-1</ACTION_ID>
		<PSTIME>0</PSTIME><PETIME>0</PETIME><RSTIME>1784629430</RSTIME><RETIME>0</RETIME>
		<ESTIME>0</ESTIME><EETIME>0</EETIME>
		<ACTION>0</ACTION><UID>-1</UID><GID>-1</GID><REQUEST_ID>-1</REQUEST_ID>
		</HISTORY></HISTORY_RECORDS>
		$(action_disk_snapshots "$vmid")
		<BACKUPS><BACKUP_CONFIG/><BACKUP_IDS/></BACKUPS>
		</VM>
	END
}

action_datastore() {
	local ds=$1 tm=$2 shared=$3
	shift 3
	cat <<-END
		<DATASTORE>
		<ID>$ds</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME><NAME>system</NAME>
		$(action_permissions)
		$(action_element DS_MAD -)
		$(action_element TM_MAD "$tm")
		$(action_element BASE_PATH "/var/lib/one//datastores/$ds")
		<TYPE>1</TYPE><DISK_TYPE>0</DISK_TYPE><STATE>0</STATE>
		<CLUSTERS><ID>0</ID></CLUSTERS>
		<TOTAL_MB>1030000</TOTAL_MB><FREE_MB>700000</FREE_MB><USED_MB>330000</USED_MB>
		<IMAGES/>
		<TEMPLATE>
		$(action_element ALLOW_ORPHANS NO)
		$(action_element DISK_TYPE FILE)
		$(action_element DS_LIVE_MIGRATE YES)
		$(action_element DS_MIGRATE YES)
		$(action_element RESTRICTED_DIRS /)
		$(action_element SAFE_DIRS /var/tmp)
		$([[ -z $shared ]] || action_element SHARED "$shared")
		$(action_element TM_MAD "$tm")
		$(action_element TYPE SYSTEM_DS)
		$(action_options DS "$@")
		</TEMPLATE>
		</DATASTORE>
	END
}

# The driver of a datastore.
action_tm() {
	[[ $1 == 0 || $1 == 101 ]] && echo shared || echo ssh
}

action_document() {
	local vmid=$1 src=$2 dst=$3 ds=$4 to_ds=$5 shared=$6 tm vmdir
	shift 6
	tm=$(action_tm "$ds")
	vmdir=/var/lib/one//datastores/$to_ds/$vmid
	cat <<-END
		<VMM_DRIVER_ACTION_DATA>
		<HOST>$src</HOST>
		<MIGR_HOST>$dst</MIGR_HOST>
		<DEPLOY_ID>$(guest_uuid "$vmid")</DEPLOY_ID>
		<LOCAL_DEPLOYMENT_FILE/>
		<REMOTE_DEPLOYMENT_FILE/>
		<CHECKPOINT_FILE/>
		<TM_COMMAND><![CDATA[MIGRATE $tm $src $dst $vmdir $vmid $to_ds@NL@]]></TM_COMMAND>
		<TM_COMMAND_ROLLBACK/>
		<DISK_TARGET_PATH>$vmdir</DISK_TARGET_PATH>
		$(action_vm "$vmid" "$dst" "$tm" "$to_ds" "$@")
		$(action_datastore "$ds" "$tm" "$shared" "$@")
		</VMM_DRIVER_ACTION_DATA>
	END
}

# On the wire no white space stands between elements; newlines inside of values are real.
lab_action() {
	local vmid=${1:-} src=node01 dst='' ds to_ds='' shared options=()
	[[ $vmid =~ ^[0-9]+$ ]] || usage
	shift
	guest_name "$vmid" >/dev/null
	ds=$(cut -d ' ' -f 4 "$RUN/facts.$vmid")
	while [[ $# -gt 0 ]]; do
		case $1 in
		--from) src=$2 ;;
		--to) dst=$2 ;;
		--ds) ds=$2 ;;
		--to-ds) to_ds=$2 ;;
		--shared) shared=$2 ;;
		--option) options+=("$2") ;;
		*) usage ;;
		esac
		shift 2
	done
	# To another datastore a VM moves on its host.
	: "${to_ds:=$ds}" "${dst:=$([[ $to_ds == "$ds" ]] && echo node02 || echo "$src")}"
	: "${shared=$([[ $(action_tm "$ds") == shared ]] && echo YES || echo NO)}"
	action_document "$vmid" "$src" "$dst" "$ds" "$to_ds" "$shared" "${options[@]}" | tr -d '\n' | sed 's/@NL@/\n/g'
}
