/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each disk and each file, for every row of what can be there. */
#include "om_cmocka.h"

#include "om_move.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SRC "/var/lib/one/datastores/110/31"
#define DST "/var/lib/one/datastores/111/31"
#define MIB (1ull << 20)
#define NEW_LIBVIRT 9000000

/* A VM that a test changes before it asks. */
struct vm {
	struct om_dom dom;
	struct om_dom_disk disk[4];
	struct om_move_disk_facts of[4];
	struct om_move_layer layer[4][3];
	struct om_item items[10], there[4];
	bool used[4];
	struct om_move_facts facts;
};

static struct om_item file(const char *name, uint64_t allocated)
{
	return (struct om_item){ .name = (char *)name,
				 .kind = OM_ITEM_FILE,
				 .size_bytes = 64 * MIB,
				 .allocated_bytes = allocated,
				 .readable = true };
}

static struct om_move_layer layer(const char *dir, const char *name, const char *format,
				  const char *backing, const char *backing_format)
{
	static char paths[64][200];
	static size_t n;
	struct om_move_layer l = { .name = (char *)name, .format = (char *)format, .have_image = true };

	snprintf(paths[n % 64], sizeof(paths[0]), "%s/%s", dir, name);
	l.path = paths[n++ % 64];
	l.image.virtual_bytes = 64 * MIB;
	l.image.cluster_bits = 16;
	l.image.format = strcmp(format, "raw") == 0 ? OM_IMAGE_RAW : OM_IMAGE_QCOW2;
	snprintf(l.image.backing, sizeof(l.image.backing), "%s", backing);
	snprintf(l.image.backing_format, sizeof(l.image.backing_format), "%s", backing_format);
	return l;
}

static void add_disk(struct vm *vm, const char *target, const char *format, const char *name)
{
	size_t i = vm->dom.disk_count++;

	vm->disk[i] = (struct om_dom_disk){ .target = (char *)target,
					    .format = (char *)format,
					    .source = (char *)"",
					    .kind = OM_DISK_FILE };
	vm->layer[i][0] = layer(SRC, name, format, "", "");
	vm->of[i] = (struct om_move_disk_facts){ .layers = vm->layer[i], .layer_count = 1 };
	vm->items[vm->facts.item_count++] = file(name, 10 * MIB);
}

/* One qcow2 disk, one raw, a context CD-ROM, an empty drive. */
static struct vm *new_vm(void)
{
	static struct vm vm;

	memset(&vm, 0, sizeof(vm));
	vm.dom.disks = vm.disk;
	vm.facts = (struct om_move_facts){ .dom = &vm.dom,
					   .src_dir = SRC,
					   .dst_dir = DST,
					   .disks = vm.of,
					   .items = vm.items,
					   .dst_items = vm.there,
					   .dst_in_use = vm.used,
					   .free_known = true,
					   .free_bytes = 1000 * MIB,
					   .libvirt = NEW_LIBVIRT };
	add_disk(&vm, "vda", "qcow2", "disk.0");
	add_disk(&vm, "vdb", "raw", "disk.1");
	add_disk(&vm, "sda", "raw", "disk.2");
	vm.disk[2].cdrom = vm.disk[2].readonly = true;
	vm.disk[3] = (struct om_dom_disk){ .target = (char *)"sdb",
					   .format = (char *)"",
					   .kind = OM_DISK_EMPTY };
	vm.dom.disk_count = 4;
	return &vm;
}

/* What is decided has to be that, to the byte. */
static void decides(const struct vm *vm, const char *expected)
{
	struct om_move move;
	struct om_buf buf = { 0 };
	struct om_err err = { 0 };

	if (!om_move_decide(&move, &vm->facts, &err))
		fail_msg("%s", err.msg);
	om_move_print(&buf, &move);
	assert_string_equal(buf.text ? buf.text : "", expected);
	free(buf.text);
	om_move_free(&move);
}

static void refuses(const struct vm *vm, enum om_errc code, const char *expected)
{
	struct om_move move;
	struct om_err err = { 0 };
	bool ok = om_move_decide(&move, &vm->facts, &err);

	om_move_free(&move);
	assert_false(ok);
	assert_string_equal(err.msg, expected);
	assert_int_equal(err.code, code);
}

#define DISKS                                                                                      \
	"disk vda: copied by libvirt, disk.0, qcow2, 10485760 of 67108864 bytes\n"                 \
	"disk vdb: copied by libvirt, disk.1, raw, 10485760 of 67108864 bytes\n"                   \
	"disk sda: copied by libvirt, disk.2, raw, 10485760 of 67108864 bytes\n"                   \
	"disk sdb: stays, the drive is empty\n"
#define FILES "file disk.0: a disk\nfile disk.1: a disk\nfile disk.2: a disk\n"

static void plain_disks_are_copied_and_an_empty_drive_stays(void **unused)
{
	(void)unused;
	decides(new_vm(), DISKS FILES);
}

static void add_item(struct vm *vm, struct om_item item)
{
	vm->items[vm->facts.item_count++] = item;
}

static void everything_else_in_the_directory_goes_too(void **unused)
{
	struct vm *vm = new_vm();

	(void)unused;
	vm->facts.nvram = "x_VARS.fd";
	add_item(vm, file("snap-0.xml", 4096));
	add_item(vm, (struct om_item){ .name = (char *)"dir", .kind = OM_ITEM_DIR });
	add_item(vm, (struct om_item){ .name = (char *)"in",
				       .kind = OM_ITEM_LINK,
				       .target = (char *)"/var/lib/one//datastores/110/31/disk.0" });
	add_item(vm, (struct om_item){ .name = (char *)"out",
				       .kind = OM_ITEM_LINK,
				       .target = (char *)"/var/lib/one/datastores/110/310" });
	add_item(vm, (struct om_item){ .name = (char *)"near",
				       .kind = OM_ITEM_LINK,
				       .target = (char *)"dir/x" });
	add_item(vm, (struct om_item){ .name = (char *)"socket", .kind = OM_ITEM_OTHER });
	add_item(vm, file("x_VARS.fd", 4096));
	decides(vm, DISKS FILES "file snap-0.xml: copied\n"
				"file dir: a directory\n"
				"file in: a link to " DST "/disk.0\n"
				"file out: a link to /var/lib/one/datastores/110/310\n"
				"file near: a link to dir/x\n"
				"file socket: no file, left out\n"
				"file x_VARS.fd: copied at the end\n");
}

/* disk.0 -> disk.0.snap/2, below it 1 and 0; how each refers to the next one differs. */
static struct vm *chain(const char *two, const char *one, const char *base_dir)
{
	struct vm *vm = new_vm();

	vm->dom.disk_count = 1;
	vm->facts.item_count = 0;
	vm->layer[0][0] = layer(SRC, "disk.0.snap/2", "qcow2", two, "qcow2");
	vm->layer[0][1] = layer(SRC, "disk.0.snap/1", "qcow2", one, "");
	vm->layer[0][2] = layer(base_dir, "disk.0.snap/0", "raw", "", "");
	if (strcmp(base_dir, SRC) != 0)
		vm->layer[0][2].name = NULL;
	vm->of[0].layer_count = 3;
	add_item(vm, file("disk.0.snap/1", MIB));
	add_item(vm, file("disk.0.snap/2", MIB));
	return vm;
}

#define ON_TOP(of)                                                                                 \
	"disk vda: copied by libvirt, disk.0.snap/2, qcow2, 1048576 of 67108864 bytes, on top "    \
	"of " of " (qcow2)\n"

static void a_chain_stays_a_chain(void **unused)
{
	(void)unused;
	decides(chain("disk.0.snap/1", "disk.0.snap/0", SRC),
		ON_TOP("disk.0.snap/1") "file disk.0.snap/1: copied\nfile disk.0.snap/2: a disk\n");
}

static void what_refers_to_the_old_directory_by_its_path_refers_to_the_new_one(void **unused)
{
	(void)unused;
	decides(chain(SRC "/disk.0.snap/1", SRC "/disk.0.snap/0", SRC),
		ON_TOP(DST "/disk.0.snap/1") "file disk.0.snap/1: copied, then on top of " DST
					     "/disk.0.snap/0 (raw)\n"
					     "file disk.0.snap/2: a disk\n");
}

static void a_base_elsewhere_is_referred_to_by_its_path(void **unused)
{
	(void)unused;
	decides(chain("disk.0.snap/1", "../../1/disk.0.snap/0", "/ds/1"),
		ON_TOP("disk.0.snap/1") "file disk.0.snap/1: copied, then on top of "
					"/ds/1/disk.0.snap/0 (raw)\n"
					"file disk.0.snap/2: a disk\n");
	decides(chain("disk.0.snap/1", "/ds/1/disk.0.snap/0", "/ds/1"),
		ON_TOP("disk.0.snap/1") "file disk.0.snap/1: copied\nfile disk.0.snap/2: a disk\n");
}

static void what_an_earlier_attempt_has_moved_is_not_touched(void **unused)
{
	struct vm *vm = new_vm();

	(void)unused;
	vm->layer[0][0].name = NULL;
	vm->of[0].new_name = (char *)"disk.0";
	vm->there[0] = file("disk.0", MIB);
	vm->there[1] = file("disk.1", MIB); /* a placeholder of ours */
	vm->used[0] = vm->used[1] = true;
	vm->facts.dst_item_count = 2;
	decides(vm, "disk vda: there already, disk.0\n"
		    "disk vdb: copied by libvirt, disk.1, raw, 10485760 of 67108864 bytes\n"
		    "disk sda: copied by libvirt, disk.2, raw, 10485760 of 67108864 bytes\n"
		    "disk sdb: stays, the drive is empty\n"
		    "file disk.0: there already\nfile disk.1: a disk\nfile disk.2: a disk\n");
}

static void nothing_that_exists_is_overwritten(void **unused)
{
	struct vm *vm = new_vm();

	(void)unused;
	vm->there[0] = file("disk.1", MIB);
	vm->facts.dst_item_count = 1;
	refuses(vm, OM_E_INPUT,
		DST "/disk.1 exists already, and the running VM does not use it: look at it, and "
		    "remove it by hand if nobody needs it");
	vm->there[0].name = (char *)"another";
	decides(vm, DISKS FILES);
}

static void disks_elsewhere_stay(void **unused)
{
	struct vm *vm = new_vm();

	(void)unused;
	vm->facts.item_count = 0;
	vm->layer[0][0].name = NULL;
	vm->disk[1].kind = OM_DISK_NETWORK;
	vm->of[2].layer_count = 0;
	vm->disk[2].kind = OM_DISK_OTHER;
	decides(vm, "disk vda: stays, its file lies elsewhere\n"
		    "disk vdb: stays, of the network\n"
		    "disk sda: stays, no file\n"
		    "disk sdb: stays, the drive is empty\n");
}

static void each_refusal_says_what_to_do(void **unused)
{
	struct vm *vm;

	(void)unused;
	vm = new_vm();
	vm->layer[0][0].image.snapshots = 2;
	refuses(vm, OM_E_INPUT,
		"disk vda (disk.0) has 2 internal snapshots, which a copy of the running VM would "
		"lose: delete them, or move the VM while it is powered off");
	vm = new_vm();
	vm->disk[1].shareable = true;
	refuses(vm, OM_E_INPUT,
		"disk vdb (disk.1) is shared with other VMs, which would not see what is written "
		"to a copy: move the VM while it is powered off");
	vm = new_vm();
	vm->disk[0].transient = true;
	refuses(vm, OM_E_INPUT,
		"disk vda (disk.0) is one that libvirt discards at the end (<transient/>), and "
		"cannot be copied while the VM runs: move the VM while it is powered off");
	vm = new_vm();
	vm->layer[0][0].image.corrupt = true;
	refuses(vm, OM_E_INPUT,
		"disk vda (disk.0) is marked as corrupt: check it by qemu-img");
	vm = new_vm();
	vm->layer[1][0].have_image = false;
	strcpy(vm->layer[1][0].why, "Permission denied");
	refuses(vm, OM_E_INPUT, "disk vdb (disk.1) cannot be read: Permission denied");
	vm = new_vm();
	add_item(vm, file("secret", MIB));
	vm->items[3].readable = false;
	refuses(vm, OM_E_INPUT, SRC "/secret cannot be read by this user");
	vm = new_vm();
	vm->layer[1][0].name = (char *)"disk.0";
	refuses(vm, OM_E_INPUT, "disk vdb (disk.0) is two disks of the VM");
}

static void what_stock_may_know_is_left_to_it(void **unused)
{
	struct vm *vm;

	(void)unused;
	vm = new_vm();
	vm->disk[0].format = (char *)"vmdk";
	refuses(vm, OM_E_STOCK, "disk vda (disk.0) is of the format vmdk");
	vm = new_vm();
	vm->layer[0][0].image.encrypted = true;
	refuses(vm, OM_E_STOCK, "disk vda (disk.0) is encrypted");
	vm = new_vm();
	vm->layer[0][0].image.external_data = true;
	refuses(vm, OM_E_STOCK, "disk vda (disk.0) has its data in another file");
	vm = new_vm();
	strcpy(vm->layer[0][0].image.backing, "nbd://x/y");
	refuses(vm, OM_E_STOCK, "disk vda (disk.0) has a backing file that is no path");
	vm = new_vm();
	vm->layer[0][0].name = NULL;
	vm->of[0].leads_out = true;
	vm->layer[0][0].path = (char *)SRC "/disk.0";
	refuses(vm, OM_E_STOCK, "disk vda is a link of the VM's directory to " SRC "/disk.0");
	vm = chain("x", "", SRC);
	vm->layer[0][0].name = NULL;
	refuses(vm, OM_E_STOCK,
		"disk vda (disk.0.snap/1) is a layer below an image that lies elsewhere");
}

static void room_is_needed_for_what_is_allocated(void **unused)
{
	struct vm *vm = new_vm();

	(void)unused;
	add_item(vm, file("big", 70 * MIB)); /* its size is 64 MiB */
	vm->facts.free_bytes = 94 * MIB;
	decides(vm, DISKS FILES "file big: copied\n");
	vm->facts.free_bytes--;
	refuses(vm, OM_E_INPUT, DST " has room for 93 MiB, and the VM's files take 94 MiB");
	vm->facts.free_known = false;
	decides(vm, DISKS FILES "file big: copied\n");
}

static bool waits(const struct vm *vm, size_t disk)
{
	struct om_move move;
	struct om_err err = { 0 };
	bool sync;

	assert_true(om_move_decide(&move, &vm->facts, &err));
	sync = move.disks[disk].sync;
	om_move_free(&move);
	return sync;
}

static void writes_wait_where_they_are_faster_than_the_copy(void **unused)
{
	struct vm *vm = new_vm();

	(void)unused;
	vm->facts.limit_bps = 30 * MIB; /* three copies */
	vm->of[1].measured = true;
	vm->of[1].written_bytes_ps = 8 * MIB;
	assert_true(waits(vm, 1));
	assert_false(waits(vm, 0));
	vm->of[1].written_bytes_ps = 6 * MIB;
	assert_false(waits(vm, 1));
	vm->of[1].written_bytes_ps = 8 * MIB;
	vm->facts.limit_bps = 0;
	assert_false(waits(vm, 1));
	vm->of[1].written_bytes_ps = 60 * MIB;
	assert_true(waits(vm, 1));
	vm->facts.libvirt = 7010000;
	assert_false(waits(vm, 1));
	vm->facts.libvirt = NEW_LIBVIRT;
	vm->of[1].measured = false;
	assert_false(waits(vm, 1));
}

static void the_limit_is_on_all_copies_together(void **unused)
{
	(void)unused;
	assert_int_equal(om_move_share_bps(100, 4), 25);
	assert_int_equal(om_move_share_bps(100, 0), 100);
	assert_int_equal(om_move_share_bps(3, 4), 1); /* 0 would be none */
	assert_int_equal(om_move_share_bps(0, 4), 0);
}

static void what_the_driver_is_told(void **unused)
{
	struct om_move move = { .src_dir = SRC, .dst_dir = DST };
	struct om_move_end end = { .verdict = OM_MOVE_NOT };
	char text[700];

	(void)unused;
	om_move_whereabouts(&end, &move, "node01", text, sizeof(text));
	assert_string_equal(text, "the VM still runs on node01 with its disks in " SRC ", as before");
	end.verdict = OM_MOVE_MIXED;
	strcpy(end.where, "vda in x, vdb in y");
	om_move_whereabouts(&end, &move, "node01", text, sizeof(text));
	assert_string_equal(
		text, "the VM still runs on node01 with its disks in two places, and nothing was "
		      "removed: vda in x, vdb in y. Move it to the same datastore again before it "
		      "is powered off");
	/* A failure removes nothing; after a success OpenNebula removes the old directory. */
	assert_int_equal(om_move_exit_status(OM_MOVE_DONE), 0);
	assert_int_equal(om_move_exit_status(OM_MOVE_NOT), 1);
	assert_int_equal(om_move_exit_status(OM_MOVE_MIXED), 1);
	assert_int_equal(om_move_exit_status(OM_MOVE_UNKNOWN), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_disks_are_copied_and_an_empty_drive_stays),
		cmocka_unit_test(everything_else_in_the_directory_goes_too),
		cmocka_unit_test(a_chain_stays_a_chain),
		cmocka_unit_test(what_refers_to_the_old_directory_by_its_path_refers_to_the_new_one),
		cmocka_unit_test(a_base_elsewhere_is_referred_to_by_its_path),
		cmocka_unit_test(what_an_earlier_attempt_has_moved_is_not_touched),
		cmocka_unit_test(nothing_that_exists_is_overwritten),
		cmocka_unit_test(disks_elsewhere_stay),
		cmocka_unit_test(each_refusal_says_what_to_do),
		cmocka_unit_test(what_stock_may_know_is_left_to_it),
		cmocka_unit_test(room_is_needed_for_what_is_allocated),
		cmocka_unit_test(writes_wait_where_they_are_faster_than_the_copy),
		cmocka_unit_test(the_limit_is_on_all_copies_together),
		cmocka_unit_test(what_the_driver_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
