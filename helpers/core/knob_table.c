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
	[OM_KNOB_MIGRATE_DEBUG] = {
		.name = "MIGRATE_DEBUG", .type = OM_KNOB_YES_NO, .unit = "", .def = "no",
		.lenient = true,
		.scope = OM_SCOPE_HOST,
		.help = "Writes DEBUG lines about every decision into the VM's log.",
	},
};
/* clang-format on */
