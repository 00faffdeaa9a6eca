/* SPDX-License-Identifier: Apache-2.0 */
/* Every option of `virsh migrate` from libvirt 9.0 to 11.3, in virsh's order. */
#include "om_buf.h"
#include "om_opts.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

/* Beyond this libvirt's own multiplication to bytes overflows. */
#define MIBPS_MAX (INT64_MAX >> 20)

/* clang-format off */
#define FLAG(name, flag, help) { name, OM_OPT_FLAG, false, flag, NULL, OM_PARAM_STRING, 0, help }
#define TEXT(name, param, help) { name, OM_OPT_TEXT, true, 0, param, OM_PARAM_STRING, 0, help }
#define INT(name, param, help) { name, OM_OPT_NUMBER, true, 0, param, OM_PARAM_INT, INT_MAX, help }
#define U64(name, param, max, help) { name, OM_OPT_NUMBER, true, 0, param, OM_PARAM_U64, max, help }
#define KIND(name, kind, value, help) { name, kind, value, 0, NULL, OM_PARAM_STRING, 0, help }
#define ACTION(name, action, help) { name, OM_OPT_ON_TIMEOUT, false, action, NULL, OM_PARAM_STRING, 0, help }
#define STORAGE(name, value, flag, help) { name, OM_OPT_STORAGE, value, flag, NULL, OM_PARAM_STRING, 0, help }
#define STOCK(name, value, help) KIND(name, OM_OPT_STOCK, value, help)

const struct om_opt_row om_opt_table[] = {
	STOCK("domain", true, "the VM is given by OpenNebula"),
	STOCK("desturi", true, "the destination is given by OpenNebula"),
	KIND("live", OM_OPT_IGNORED, false, "always on"),
	STOCK("offline", false, "there is nothing to migrate live"),
	FLAG("p2p", OM_FLAG_PEER2PEER, "the source's libvirt daemon opens the connection to the destination"),
	STOCK("direct", false, "libvirt's QEMU driver does not have it"),
	FLAG("tunnelled", OM_FLAG_TUNNELLED, "memory travels inside the libvirt connection; needs --p2p"),
	FLAG("tunneled", OM_FLAG_TUNNELLED, "the same as --tunnelled"),
	KIND("persistent", OM_OPT_DROPPED, false, "OpenNebula's domains are transient and must not stay defined on the destination"),
	KIND("undefinesource", OM_OPT_DROPPED, false, "OpenNebula's domains are transient and have no definition on the source"),
	FLAG("suspend", OM_FLAG_PAUSED, "the VM stays paused on the destination"),
	STORAGE("copy-storage-all", false, 0, "disks that are not shared are copied anyway, chains as chains; never where they are shared"),
	STORAGE("copy-storage-inc", false, 0, "the same as --copy-storage-all"),
	STORAGE("copy-storage-synchronous-writes", false, OM_FLAG_SYNC_WRITES, "writes to disks that are copied wait for the destination; without it only those that are written to too fast do"),
	FLAG("change-protection", OM_FLAG_CHANGE_PROTECTION, "no change of the configuration while it migrates"),
	FLAG("unsafe", OM_FLAG_UNSAFE, "skips libvirt's check of disk cache modes"),
	KIND("verbose", OM_OPT_IGNORED, false, "progress is shown by `onemigrate status --watch`"),
	FLAG("compressed", OM_FLAG_COMPRESSED, "compresses memory, xbzrle unless --comp-methods is given"),
	FLAG("auto-converge", OM_FLAG_AUTO_CONVERGE, "slows the guest down until the copy keeps up"),
	FLAG("rdma-pin-all", OM_FLAG_RDMA_PIN_ALL, "pins all memory before an RDMA migration"),
	FLAG("abort-on-error", OM_FLAG_ABORT_ON_ERROR, "gives up when the guest stops for an I/O error"),
	FLAG("postcopy", OM_FLAG_POSTCOPY, "allows the switch to post-copy"),
	KIND("postcopy-after-precopy", OM_OPT_AFTER_PRECOPY, false, "switches to post-copy after the first pass; needs --postcopy"),
	STOCK("postcopy-resume", false, "it repairs a broken post-copy migration by hand"),
	FLAG("zerocopy", OM_FLAG_ZEROCOPY, "sends without copying in the kernel; needs --parallel"),
	TEXT("migrateuri", "migrate_uri", "where memory goes; wins over MIGRATE_NETWORK and DEST_HOST_APPEND"),
	TEXT("graphicsuri", "graphics_uri", "where the graphics client reconnects"),
	TEXT("listen-address", "listen_address", "the address that the destination's QEMU listens on"),
	STOCK("dname", true, "OpenNebula's domains are not renamed"),
	KIND("timeout", OM_OPT_TIMEOUT, true, "seconds until the --timeout-* action, which is to suspend the guest unless given"),
	ACTION("timeout-suspend", OM_TIMEOUT_SUSPEND, "pauses the guest after --timeout, so that the copy ends"),
	ACTION("timeout-postcopy", OM_TIMEOUT_POSTCOPY, "switches to post-copy after --timeout; needs --postcopy"),
	STOCK("xml", true, "the destination's XML is made from the source's"),
	STORAGE("migrate-disks", true, 0, "no effect: each disk that is not shared is copied, and no other one"),
	STORAGE("migrate-disks-detect-zeroes", true, 0, "of disks that are copied, those whose zeroes are not sent; all where it is not given"),
	INT("disks-port", "disks_port", "the destination's port for disks that are copied"),
	TEXT("disks-uri", "disks_uri", "where the data of disks go that are copied; else to where the memory goes"),
	KIND("comp-methods", OM_OPT_METHODS, true, "comma-separated methods: xbzrle, mt; zlib or zstd with --parallel"),
	INT("comp-mt-level", "compression.mt.level", "level of mt, 0 to 9"),
	INT("comp-mt-threads", "compression.mt.threads", "compressing threads of mt, 1 to 255"),
	INT("comp-mt-dthreads", "compression.mt.dthreads", "decompressing threads of mt, 1 to 255"),
	U64("comp-xbzrle-cache", "compression.xbzrle.cache", INT64_MAX, "page cache of xbzrle in bytes, a power of two"),
	INT("auto-converge-initial", "auto_converge.initial", "first slow-down in percent, 1 to 99"),
	INT("auto-converge-increment", "auto_converge.increment", "further slow-downs in percent, 1 to 99"),
	STOCK("persistent-xml", true, "OpenNebula's domains are transient"),
	FLAG("tls", OM_FLAG_TLS, "encrypts memory with QEMU's certificates"),
	U64("postcopy-bandwidth", "bandwidth.postcopy", MIBPS_MAX, "limit of post-copy in MiB/s, 0 is none"),
	FLAG("parallel", OM_FLAG_PARALLEL, "several connections for memory"),
	INT("parallel-connections", "parallel.connections", "number of connections of --parallel, 1 to 255"),
	U64("bandwidth", "bandwidth", MIBPS_MAX, "limit in MiB/s, 0 is none"),
	TEXT("tls-destination", "tls.destination", "the name in the destination's certificate; needs --tls"),
	INT("comp-zlib-level", "compression.zlib.level", "level of zlib, 0 to 9"),
	INT("comp-zstd-level", "compression.zstd.level", "level of zstd, 0 to 20"),
	U64("available-switchover-bandwidth", "bandwidth.avail.switchover", MIBPS_MAX,
	    "MiB/s that the last phase may count on; needs libvirt 11.1 and QEMU 8.2"),
};
/* clang-format on */
const size_t om_opt_table_rows = OM_ARRAY_LEN(om_opt_table);
static_assert(OM_ARRAY_LEN(om_opt_table) <= OM_OPT_ROWS_MAX, "OM_OPT_ROWS_MAX is too small");

/* Four classes are enough for a reader. */
static const char *const classes[] = {
	[OM_OPT_FLAG] = "taken",	  [OM_OPT_TEXT] = "taken",
	[OM_OPT_NUMBER] = "taken",	  [OM_OPT_METHODS] = "taken",
	[OM_OPT_TIMEOUT] = "taken",	  [OM_OPT_ON_TIMEOUT] = "taken",
	[OM_OPT_AFTER_PRECOPY] = "taken", [OM_OPT_IGNORED] = "no effect",
	[OM_OPT_DROPPED] = "left out",	  [OM_OPT_STOCK] = "stock",
	[OM_OPT_STORAGE] = "taken",
};
static_assert(OM_ARRAY_LEN(classes) == OM_OPT_KIND_COUNT, "a class for each kind");

static const char *value_name(const struct om_opt_row *row)
{
	if (!row->takes_value)
		return "";
	return row->kind == OM_OPT_NUMBER || row->kind == OM_OPT_TIMEOUT ? " N" : " TEXT";
}

static void add_man(struct om_buf *out, const struct om_opt_row *row)
{
	om_buf_addf(out, ".TP\n.B ");
	om_buf_add_roff(out, "--");
	om_buf_add_roff(out, row->name);
	om_buf_addf(out, "%s\n(%s) ", value_name(row), classes[row->kind]);
	om_buf_add_roff(out, row->help);
	om_buf_addf(out, ".\n");
}

char *om_opts_print_table(bool man)
{
	struct om_buf out = { 0 };

	for (size_t i = 0; i < om_opt_table_rows; i++) {
		const struct om_opt_row *row = &om_opt_table[i];
		OM_AUTOFREE char *option = om_xasprintf("--%s%s", row->name, value_name(row));

		if (man)
			add_man(&out, row);
		else
			om_buf_addf(&out, "%-34s %-9s  %s\n", option, classes[row->kind],
				    row->help);
	}
	return out.text;
}
