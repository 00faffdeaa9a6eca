/* SPDX-License-Identifier: Apache-2.0 */
#include "om_knob.h"

/* clang-format off */
const struct om_knob_row om_knob_table[OM_KNOB_COUNT] = {
	[OM_KNOB_MIGRATE_NETWORK] = {
		.name = "MIGRATE_NETWORK", .type = OM_KNOB_CIDRS, .unit = "", .def = "",
		.example = "10.10.0.0/24",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "The network that guest memory travels over: one or more IPv4 or IPv6 networks "
			"in order of preference; the destination is asked for its own address in them.",
	},
	[OM_KNOB_DEST_HOST_APPEND] = {
		.name = "DEST_HOST_APPEND", .type = OM_KNOB_TEXT, .unit = "", .def = "",
		.max = 63, .chars = "A-Za-z0-9._-", .example = "-10g1",
		.scope = OM_SCOPE_HOST,
		.help = "Makes the destination's name on the fast network: node02 and -10g1 give "
			"node02-10g1, node02.example.org gives node02-10g1.example.org; "
			"used where MIGRATE_NETWORK is not set.",
	},
	[OM_KNOB_MIGRATE_NETWORK_POLICY] = {
		.name = "MIGRATE_NETWORK_POLICY", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "fallback|strict", .def = "fallback",
		.scope = OM_SCOPE_HOST,
		.help = "What happens when the fast network cannot be used: fallback migrates over the "
			"default path with a warning, strict refuses and leaves the VM where it is.",
	},
	[OM_KNOB_MIGRATE_OPTIONS] = {
		.name = "MIGRATE_OPTIONS", .type = OM_KNOB_TEXT, .unit = "", .def = "",
		.example = "--auto-converge",
		.scope = OM_SCOPE_HOST,
		.help = "Options of `virsh migrate` for every live migration; those that onemigrate "
			"does not take over are left to OpenNebula's own script.",
	},
	[OM_KNOB_LIBVIRT_URI] = {
		.name = "LIBVIRT_URI", .type = OM_KNOB_TEXT, .unit = "", .def = "qemu:///system",
		.scope = OM_SCOPE_HOST,
		.help = "The libvirt connection of the host that the VM leaves.",
	},
	[OM_KNOB_QEMU_PROTOCOL] = {
		.name = "QEMU_PROTOCOL", .type = OM_KNOB_TEXT, .unit = "", .def = "qemu+ssh",
		.max = 32, .chars = "a-z0-9+",
		.scope = OM_SCOPE_HOST,
		.help = "The scheme of the libvirt connection to the destination, as in "
			"qemu+ssh://node02/system.",
	},
	[OM_KNOB_VIRSH_TRIES] = {
		.name = "VIRSH_TRIES", .type = OM_KNOB_NUMBER, .unit = "tries", .def = "3",
		.min = 1, .max = 100, .lenient = true,
		.scope = OM_SCOPE_HOST,
		.help = "How often a migration is tried while a disk of the VM has an active block job.",
	},
	[OM_KNOB_SYNC_TIME] = {
		.name = "SYNC_TIME", .type = OM_KNOB_YES_NO, .unit = "", .def = "yes", .lenient = true,
		.scope = OM_SCOPE_HOST,
		.help = "Sets the guest's clock after the migration, through the guest agent and in "
			"the background.",
	},
	[OM_KNOB_CLEANUP_MEMORY_ON_STOP] = {
		.name = "CLEANUP_MEMORY_ON_STOP", .type = OM_KNOB_YES_NO, .unit = "", .def = "no",
		.lenient = true,
		.scope = OM_SCOPE_HOST,
		.help = "Drops caches and compacts memory on the host that the VM has left, in the "
			"background.",
	},
	[OM_KNOB_MIGRATE_POLICY] = {
		.name = "MIGRATE_POLICY", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "auto|gentle|guaranteed|stock", .def = "auto",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.within = OM_WITHIN_POLICY,
		.help = "How hard a migration is driven to its end: auto takes the gentlest action that "
			"ends it and gives up only at MIGRATE_DEADLINE; gentle never slows, pauses or "
			"post-copies the guest and gives up where there is no hope; guaranteed slows "
			"the guest where nothing else ends it; stock watches and never acts; a VM may "
			"choose gentle, or auto instead of guaranteed.",
	},
	[OM_KNOB_MIGRATE_DOWNTIME_MAX_MS] = {
		.name = "MIGRATE_DOWNTIME_MAX_MS", .type = OM_KNOB_NUMBER, .unit = "ms", .def = "500",
		.min = 1, .max = 2000000,
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.help = "How long the guest may stand still at the switch-over without further reason; "
			"where it is not set, a longer limit of the domain's own (virsh "
			"migrate-setmaxdowntime) holds; a VM may only lower it.",
	},
	[OM_KNOB_MIGRATE_PAUSE_MAX_MS] = {
		.name = "MIGRATE_PAUSE_MAX_MS", .type = OM_KNOB_NUMBER, .unit = "ms", .def = "2000",
		.min = 0, .max = 2000000,
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.help = "How long the guest may stand still where nothing gentler ends the migration, "
			"which the log then says; 0 is never; a VM may only lower it.",
	},
	[OM_KNOB_MIGRATE_DEADLINE] = {
		.name = "MIGRATE_DEADLINE", .type = OM_KNOB_DEADLINE, .unit = "", .def = "",
		.example = "06:00",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.within = OM_WITHIN_LIMIT,
		.help = "When a migration that has not ended is given up, with the VM on the source: a "
			"duration from its start (90, 90s, 10m, 2h, 1h30m), a time of day of the host "
			"(06:00, always the next one, such as a maintenance window's end) or a date and "
			"time (2027-01-31T06:00); guaranteed only hurries then, stock ignores it; a VM "
			"may only bring it forward.",
	},
	[OM_KNOB_MIGRATE_POSTCOPY] = {
		.name = "MIGRATE_POSTCOPY", .type = OM_KNOB_YES_NO, .unit = "", .def = "no",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.help = "Allows the switch to post-copy where both hosts and the VM's devices can; while "
			"it lasts, the VM is lost with either host; a VM may only switch it off.",
	},
	[OM_KNOB_MIGRATE_AUTO_CONVERGE] = {
		.name = "MIGRATE_AUTO_CONVERGE", .type = OM_KNOB_YES_NO, .unit = "", .def = "no",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.help = "Allows one restart with throttling as the last step: the guest is slowed down "
			"until the copy keeps up; MIGRATE_POLICY guaranteed allows it too unless this "
			"is set to no; a VM may only switch it off.",
	},
	[OM_KNOB_MIGRATE_BANDWIDTH_MIBPS] = {
		.name = "MIGRATE_BANDWIDTH_MIBPS", .type = OM_KNOB_NUMBER, .unit = "MiB/s", .def = "0",
		.min = 0, .max = INT64_MAX >> 20, /* beyond it libvirt's own bytes overflow */
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE | OM_SCOPE_VM,
		.within = OM_WITHIN_LIMIT,
		.help = "Limit of the bandwidth that a migration takes, 0 is none; --bandwidth in "
			"MIGRATE_OPTIONS wins; a VM may only lower it.",
	},
	[OM_KNOB_MIGRATE_LOCAL_DISKS] = {
		.name = "MIGRATE_LOCAL_DISKS", .type = OM_KNOB_YES_NO, .unit = "", .def = "yes",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "Copies the disks and files of a VM whose storage the hosts do not share, while "
			"it runs and over the fast network; no leaves such a VM to OpenNebula's own "
			"script.",
	},
	[OM_KNOB_MIGRATE_CONNECTIONS] = {
		.name = "MIGRATE_CONNECTIONS", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "auto|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16", .def = "auto",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "Over how many connections memory is sent: auto takes several where that is "
			"faster and post-copy stays possible; words about it in MIGRATE_OPTIONS win.",
	},
	[OM_KNOB_MIGRATE_COMPRESSION] = {
		.name = "MIGRATE_COMPRESSION", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "auto|none|zstd|zlib|xbzrle", .def = "auto",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "How memory is compressed: auto reads 2 to 8 MiB of the guest's memory before it "
			"begins and compresses where the processors of both hosts and the link make "
			"that faster; words about it in MIGRATE_OPTIONS win.",
	},
	[OM_KNOB_MIGRATE_ZEROCOPY] = {
		.name = "MIGRATE_ZEROCOPY", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "auto|no|yes", .def = "auto",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "Sends memory without copying it first, for which it is locked: auto does so for "
			"large guests on links above 24 Gbit/s; not with TLS, nor with compression that "
			"MIGRATE_COMPRESSION names.",
	},
	[OM_KNOB_MIGRATE_TLS] = {
		.name = "MIGRATE_TLS", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "off|opportunistic|required", .def = "off",
		.scope = OM_SCOPE_HOST,
		.help = "Encrypts memory and disks with QEMU's certificates, which are issued for the "
			"hosts' OpenNebula names: opportunistic goes on without where that fails and says "
			"so, required never does; --tls in MIGRATE_OPTIONS is required.",
	},
	[OM_KNOB_MIGRATE_FILE_COMPRESSION] = {
		.name = "MIGRATE_FILE_COMPRESSION", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "auto|always|never", .def = "auto",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "Whether files are compressed on their way to the destination: auto does so "
			"where the link is slower than both hosts and the data shrinks, which is "
			"measured while they are sent.",
	},
	[OM_KNOB_MIGRATE_CHECK] = {
		.name = "MIGRATE_CHECK", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "block|warn|off", .def = "block",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "What a blocker that is found before a migration does: block ends the migration "
			"with nothing touched, warn goes on with a warning, off does not look; "
			"`onemigrate check` looks all the same.",
	},
	[OM_KNOB_MIGRATE_CHECK_IGNORE] = {
		.name = "MIGRATE_CHECK_IGNORE", .type = OM_KNOB_CHECKS, .unit = "", .def = "",
		.example = "cpu hugepages",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "The checks whose blockers are warnings only, by the names that "
			"`onemigrate check` prints.",
	},
	[OM_KNOB_MIGRATE_NOTIFY] = {
		.name = "MIGRATE_NOTIFY", .type = OM_KNOB_CHOICE, .unit = "",
		.choices = "no|agent", .def = "no",
		.scope = OM_SCOPE_HOST | OM_SCOPE_DATASTORE,
		.help = "Tells the guest of its migration, before and after it: agent does so by the "
			"guest agent.",
	},
	[OM_KNOB_MIGRATE_HOOK_SECONDS] = {
		.name = "MIGRATE_HOOK_SECONDS", .type = OM_KNOB_NUMBER, .unit = "seconds", .def = "30",
		.min = 1, .max = 600,
		.scope = OM_SCOPE_HOST,
		.help = "How long each executable of migrate.d may take, in each phase, before it is "
			"ended and counts as failed.",
	},
	[OM_KNOB_MIGRATE_VM_MAY_SET] = {
		.name = "MIGRATE_VM_MAY_SET", .type = OM_KNOB_NAMES, .unit = "", .def = "",
		.example = "MIGRATE_POLICY MIGRATE_DEADLINE",
		.scope = OM_SCOPE_HOST,
		.help = "The settings that count in a VM's user template too, where its owner writes "
			"them, as long as they stay within the administrator's.",
	},
	[OM_KNOB_MIGRATE_DEBUG] = {
		.name = "MIGRATE_DEBUG", .type = OM_KNOB_YES_NO, .unit = "", .def = "no",
		.lenient = true,
		.scope = OM_SCOPE_HOST,
		.help = "Writes DEBUG lines about every decision into the VM's log.",
	},
};
/* clang-format on */
