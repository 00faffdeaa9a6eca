/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the table of disks, and every refusal. */
#include "om_cmocka.h"

#include "disks_world.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(&w);
	om_opts_free(&w.opts);
	return 0;
}

static void is_decided(void)
{
	if (!decide(&w, 0))
		fail_msg("%s", w.err.msg);
	assert_int_equal(w.disk_plan.refused_count, 0);
}

static void goes(size_t disk, enum om_disk_way way)
{
	is_decided();
	if (w.disk_plan.disk[disk].way != way)
		fail_msg("disk %zu is %s, not %s", disk,
			 om_disk_way_name(w.disk_plan.disk[disk].way), om_disk_way_name(way));
}

/* One refusal, and it says so. */
static void is_refused(const char *found)
{
	assert_false(decide(&w, 0));
	assert_int_equal(w.err.code, OM_E_INPUT);
	if (w.disk_plan.refused_count != 1)
		fail_msg("%zu refusals: %s", w.disk_plan.refused_count, w.err.msg);
	if (!strstr(w.disk_plan.refused[0].found, found) || !strstr(w.err.msg, found))
		fail_msg("%s", w.err.msg);
	assert_true(*w.disk_plan.refused[0].remedy);
	assert_non_null(strstr(w.err.msg, w.disk_plan.refused[0].remedy));
	assert_null(strchr(w.err.msg, '@'));
	assert_null(strchr(w.err.msg, '\n'));
}

static void warns(const char *what)
{
	assert_int_equal(w.disk_plan.warnings.n, 1);
	if (!strstr(w.disk_plan.warnings.v[0], what))
		fail_msg("%s", w.disk_plan.warnings.v[0]);
	assert_null(strchr(w.disk_plan.warnings.v[0], '@'));
}

/* ---- files ---- */

static void a_writable_disk_is_mirrored(void **state)
{
	static const char *const formats[] = { "raw", "qcow2" };

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(formats); i++) {
		const struct om_disk_plan *plan;

		world_free(&w);
		world_init(&w);
		add_disk(&w, OM_DISK_FILE, DIR "/disk.0", formats[i]);
		add_file(&w, "disk.0");
		goes(0, OM_DISK_MIRROR);
		plan = &w.disk_plan.disk[0];
		assert_true(plan->placeholder);
		assert_null(plan->device);
		assert_int_equal(plan->item, 0);
		assert_true(plan->copy_bytes == GIB);
		assert_false(w.disk_plan.incremental);
		assert_int_equal(w.disk_plan.file[0], OM_FILE_MIRRORED);
		assert_true(w.disk_plan.mirror_bytes == GIB && !w.disk_plan.send_bytes);
		assert_true(w.disk_plan.space_bytes == GIB);
	}
}

static void what_nobody_writes_to_is_sent_whatever_its_format(void **state)
{
	(void)state;
	w.disks[add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw")].cdrom = true;
	w.disks[add_disk(&w, OM_DISK_FILE, DIR "/disk.1", "qcow2")].readonly = true;
	w.disks[add_disk(&w, OM_DISK_FILE, DIR "/disk.2", "vmdk")].readonly = true;
	w.known[1].image.snapshots = 3; /* a file keeps them */
	w.known[1].image.encrypted = true;
	add_file(&w, "disk.0");
	add_file(&w, "disk.1");
	add_file(&w, "disk.2");
	for (size_t i = 0; i < 3; i++) {
		goes(i, OM_DISK_SEND);
		assert_int_equal(w.disk_plan.file[i], OM_FILE_SEND_IT);
	}
	assert_int_equal(w.disk_plan.mirrors, 0);
	assert_int_equal(w.disk_plan.sent_files, 3);
	assert_true(w.disk_plan.send_bytes == 3 * GIB);
}

static void empty_drives_and_volumes_of_the_network_stay(void **state)
{
	(void)state;
	w.disks[add_disk(&w, OM_DISK_EMPTY, "", "raw")].cdrom = true;
	add_disk(&w, OM_DISK_NETWORK, "pool/one-1", "raw");
	goes(0, OM_DISK_STAYS);
	goes(1, OM_DISK_STAYS);
	assert_int_equal(w.disk_plan.mirrors, 0);
}

static void a_file_elsewhere_stays_where_both_hosts_have_it(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, "/ds/1/abc", "qcow2");
	w.known[0].image.snapshots = 1;
	say(&w, "/ds/1/abc", regular(NFS, 5, GIB), regular(NFS, 5, GIB));
	goes(0, OM_DISK_STAYS);
	say(&w, "/ds/1/abc", regular(NFS, 5, GIB), regular(NFS, 6, GIB));
	is_refused("vda: /ds/1/abc lies outside");
	say(&w, "/ds/1/abc", regular(EXT4, 5, GIB), missing(EXT4));
	is_refused("not proven to be the same file on node02");
}

static void a_link_that_leads_elsewhere_is_judged_by_what_is_there(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_item(&w, OM_ITEM_LINK, "disk.0", "/ds/1/abc");
	say(&w, "/ds/1/abc", regular(NFS, 5, GIB), regular(NFS, 5, GIB));
	goes(0, OM_DISK_STAYS);
	assert_int_equal(w.disk_plan.file[0], OM_FILE_LINK_IT);
	say(&w, "/ds/1/abc", regular(EXT4, 5, GIB), missing(EXT4));
	is_refused("lies outside of the VM's directory");
}

static void a_copy_of_a_medium_elsewhere_is_taken_with_a_warning(void **state)
{
	(void)state;
	w.disks[add_disk(&w, OM_DISK_FILE, "/iso/debian.iso", "raw")].cdrom = true;
	say(&w, "/iso/debian.iso", regular(EXT4, 5, GIB), regular(EXT4, 6, GIB));
	goes(0, OM_DISK_STAYS);
	warns("a file of the same size is on node02");
	say(&w, "/iso/debian.iso", regular(EXT4, 5, GIB), regular(EXT4, 6, GIB + 1));
	is_refused("lies outside");
	/* What is written to is no copy. */
	w.disks[0].cdrom = false;
	say(&w, "/iso/debian.iso", regular(EXT4, 5, GIB), regular(EXT4, 6, GIB));
	is_refused("lies outside");
}

static void what_is_gone_from_the_directory_is_refused(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	is_refused("vda: " DIR "/disk.0 is not among the files");
	w.disks[0].readonly = true;
	is_refused("is not among the files");
	w.disks[0].source = text(DIR "/loop");
	add_item(&w, OM_ITEM_LINK, "loop", "loop");
	is_refused("is not among the files");
	w.disks[0].source = text(DIR "/sub");
	add_item(&w, OM_ITEM_DIR, "sub", NULL);
	is_refused("is not among the files");
}

static void what_cannot_be_kept_by_a_mirror_is_refused(void **state)
{
	static const struct {
		size_t offset;
		const char *found;
	} rows[] = {
		{ offsetof(struct om_image, encrypted), "is encrypted" },
		{ offsetof(struct om_image, external_data), "keeps its data in another file" },
		{ offsetof(struct om_image, corrupt), "is marked as corrupt" },
	};

	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "qcow2");
	add_file(&w, "disk.0");
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		bool *flag = (bool *)((char *)&w.known[0].image + rows[i].offset);

		*flag = true;
		is_refused(rows[i].found);
		assert_int_equal(w.disk_plan.file[0], OM_FILE_LEAVE);
		*flag = false;
	}
	w.known[0].image.snapshots = 2;
	is_refused("vda: " DIR "/disk.0 has internal snapshots");
	assert_non_null(strstr(w.err.msg, "delete them"));
	assert_non_null(strstr(w.err.msg, "without --live"));
	w.known[0].image.snapshots = 0;
	w.disks[0].shareable = true;
	is_refused("is shareable");
	w.disks[0].shareable = false;
	w.disks[0].transient = true;
	is_refused("is transient");
	w.disks[0].transient = false;
	w.known[0].have_image = false;
	strcpy(w.known[0].why, "its format 'vmdk' is neither raw nor qcow2");
	is_refused("cannot be copied: its format 'vmdk'");
}

static void other_kinds_of_storage_are_refused(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_OTHER, "/run/vhost.sock", "raw");
	is_refused("of a kind of storage");
}

/* ---- chains ---- */

static char *layers[3];

/* disk.0 -> disk.0.snap/2 -> 1 -> 0, as OpenNebula lays them out; 9 is one to revert to. */
static void add_chain(const char *backing)
{
	size_t i = add_disk(&w, OM_DISK_FILE, DIR "/disk.0.snap/2", "qcow2");

	layers[0] = text(DIR "/disk.0.snap/disk.0.snap/1");
	layers[1] = text(DIR "/disk.0.snap/disk.0.snap/0");
	w.disks[i].chain = (struct om_strv){ layers, 2 };
	strcpy(w.known[i].image.backing, backing);
	strcpy(w.known[i].image.backing_format, "qcow2");
	add_item(&w, OM_ITEM_LINK, "disk.0", "disk.0.snap/2");
	add_item(&w, OM_ITEM_DIR, "disk.0.snap", NULL);
	add_file(&w, "disk.0.snap/0");
	add_file(&w, "disk.0.snap/1");
	add_file(&w, "disk.0.snap/2");
	add_file(&w, "disk.0.snap/9");
	add_item(&w, OM_ITEM_LINK, "disk.0.snap/disk.0.snap", ".");
}

static void a_chain_stays_one_and_no_layer_goes_twice(void **state)
{
	static const enum om_file_way expected[] = { OM_FILE_LINK_IT,  OM_FILE_MAKE_DIR,
						     OM_FILE_SEND_IT,  OM_FILE_SEND_IT,
						     OM_FILE_MIRRORED, OM_FILE_SEND_IT,
						     OM_FILE_LINK_IT };

	(void)state;
	add_chain("disk.0.snap/1");
	goes(0, OM_DISK_MIRROR);
	assert_true(w.disk_plan.incremental);
	assert_true(w.disk_plan.disk[0].chain);
	assert_string_equal(w.disk_plan.disk[0].backing_format, "qcow2");
	assert_int_equal(w.disk_plan.disk[0].item, 4);
	for (size_t i = 0; i < OM_ARRAY_LEN(expected); i++)
		assert_int_equal(w.disk_plan.file[i], expected[i]);
	assert_true(w.disk_plan.mirror_bytes == GIB && w.disk_plan.send_bytes == 3 * GIB);
}

static void the_domain_may_name_the_link(void **state)
{
	(void)state;
	add_chain(DIR "/disk.0.snap/1");
	w.disks[0].source = text(DIR "/disk.0");
	w.known[0].image.backing_format[0] = '\0';
	goes(0, OM_DISK_MIRROR);
	assert_int_equal(w.disk_plan.disk[0].item, 4);
	assert_string_equal(w.disk_plan.disk[0].backing_format, "raw");
}

static void the_head_tells_the_layer_that_libvirt_does_not(void **state)
{
	(void)state;
	add_chain("disk.0.snap/1");
	w.disks[0].chain = (struct om_strv){ 0 };
	goes(0, OM_DISK_MIRROR);
	strcpy(w.known[0].image.backing, "nbd://host/export");
	is_refused("has a backing file that is no file of this host");
	strcpy(w.known[0].image.backing, "json:{\"driver\":\"raw\"}");
	is_refused("has a backing file that is no file of this host");
	strcpy(w.known[0].image.backing, "../../etc/passwd");
	is_refused("has a backing file that is no file of this host");
	strcpy(w.known[0].image.backing, "disk.0.snap/7");
	is_refused("is not proven to be the same on node02");
	/* A colon behind a slash is a name. */
	strcpy(w.known[0].image.backing, "./a:b");
	add_file(&w, "disk.0.snap/a:b");
	goes(0, OM_DISK_MIRROR);
}

static void a_chain_may_leave_the_directory_to_what_both_have(void **state)
{
	(void)state;
	add_chain("/ds/1/base");
	layers[0] = text("/ds/1/base");
	w.disks[0].chain.n = 1;
	say(&w, "/ds/1/base", regular(NFS, 9, GIB), regular(NFS, 9, GIB));
	goes(0, OM_DISK_MIRROR);
	say(&w, "/ds/1/base", regular(EXT4, 9, GIB), regular(EXT4, 9, GIB));
	is_refused("has a backing file outside of the VM's directory");
	say(&w, "/ds/1/base", device("LVM-a", GIB), device("LVM-a", GIB));
	goes(0, OM_DISK_MIRROR);
	say(&w, "/ds/1/base", device("LVM-a", GIB), device("LVM-b", GIB));
	is_refused("has a backing file outside of the VM's directory");
}

static void a_chain_that_the_head_does_not_know_is_refused(void **state)
{
	(void)state;
	add_chain("");
	is_refused("has a backing file that is no file of this host");
}

static void what_two_disks_use_is_not_written_to(void **state)
{
	(void)state;
	add_chain("disk.0.snap/1");
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0.snap/1", "qcow2");
	assert_false(decide(&w, 0)); /* both are wrong */
	assert_int_equal(w.disk_plan.refused_count, 2);
	assert_non_null(strstr(w.err.msg, "is used by two disks"));
	assert_non_null(strstr(w.err.msg, "(and 1 more)"));
	w.disks[1].readonly = true;
	goes(1, OM_DISK_SEND);
	w.disks[1].source = text(DIR "/disk.0");
	assert_false(decide(&w, 0));
	assert_int_equal(w.disk_plan.refused_count, 2);
	w.disks[0].readonly = true;
	is_decided();
	w.disks[0].readonly = w.disks[1].readonly = false;
	assert_false(decide(&w, 0));
	assert_int_equal(w.disk_plan.refused_count, 2);
}

static void a_second_name_of_a_file_is_not_sent(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	add_file(&w, "backup");
	w.items[1].inode = w.items[0].inode;
	is_refused("disk.0 and backup are one file");
	w.items[1].device = 2;
	is_decided();
}

/* ---- devices ---- */

#define LV "/dev/vg-one-0/lv-one-31-0"

static void add_device(struct om_file src, struct om_file dst)
{
	if (!w.dom.disk_count) {
		add_disk(&w, OM_DISK_BLOCK, DIR "/disk.0", "raw");
		add_item(&w, OM_ITEM_LINK, "disk.0", LV);
	}
	say(&w, LV, src, dst);
}

static void one_device_on_both_hosts_stays(void **state)
{
	(void)state;
	add_device(device("LVM-a", GIB), device("LVM-a", GIB));
	goes(0, OM_DISK_STAYS);
	assert_int_equal(w.disk_plan.file[0], OM_FILE_LINK_IT);
	w.disks[0].kind = OM_DISK_FILE;
	goes(0, OM_DISK_STAYS);
	assert_int_equal(w.disk_plan.warnings.n, 0);
}

static void a_volume_of_the_destinations_own_is_mirrored_onto(void **state)
{
	(void)state;
	add_device(device("LVM-a", GIB), device("LVM-b", GIB));
	goes(0, OM_DISK_MIRROR);
	assert_false(w.disk_plan.disk[0].placeholder);
	assert_string_equal(w.disk_plan.disk[0].device, LV);
	assert_true(w.disk_plan.disk[0].copy_bytes == GIB && !w.disk_plan.space_bytes);
	/* Whatever the domain calls it. */
	w.disks[0].kind = OM_DISK_FILE;
	goes(0, OM_DISK_MIRROR);
	assert_string_equal(w.disk_plan.disk[0].device, LV);
	w.disks[0].kind = OM_DISK_BLOCK;
	add_device(device("LVM-a", GIB), device("LVM-b", GIB + 1));
	goes(0, OM_DISK_MIRROR);
	w.facts.versions.src_libvirt = 9000000;
	is_refused("is larger on node02");
	add_device(device("LVM-a", GIB), device("LVM-b", GIB - 1));
	is_refused("is smaller on node02");
	add_device(device("LVM-a", GIB), device("LVM-b", GIB));
	w.disks[0].format = text("qcow2");
	is_refused("and not raw");
	w.disks[0].format = text("raw");
	w.disks[0].shareable = true;
	is_refused("is shareable");
	w.disks[0].shareable = false;
	w.disks[0].readonly = true;
	is_refused("and read-only");
}

static void another_device_is_never_written_to(void **state)
{
	(void)state;
	add_device(device("naa.5000", GIB), device("naa.6000", GIB));
	is_refused("is another device on node02");
	add_device(device("LVM-a", GIB), device("naa.6000", GIB));
	is_refused("is another device on node02");
	add_device(device("naa.5000", GIB), device("LVM-a", GIB));
	is_refused("is another device on node02");
}

static void a_device_that_cannot_be_told_stays_with_a_warning(void **state)
{
	(void)state;
	add_device(device("", GIB), device("", GIB));
	goes(0, OM_DISK_STAYS);
	warns("taken for the same device");
	add_device(device("", GIB), (struct om_file){ .kind = OM_FILE_UNKNOWN });
	goes(0, OM_DISK_STAYS);
	warns("could not be looked at on node02");
	add_device(device("", GIB), missing(EXT4));
	is_refused("is no block device on node02");
	add_device(device("LVM-a", GIB), regular(EXT4, 1, GIB));
	is_refused("is no block device on node02");
}

/* ---- the directory ---- */

static void every_file_is_sent_or_said(void **state)
{
	(void)state;
	add_file(&w, "31-0.xml");
	add_file(&w, "name with\nnewline 'and' \"quotes\"");
	add_item(&w, OM_ITEM_DIR, "sub", NULL);
	add_file(&w, "sub/file");
	add_item(&w, OM_ITEM_LINK, "link", "/etc/passwd");
	add_file(&w, OM_DISKS_MARK "0123");
	add_file(&w, "sub/" OM_DISKS_MARK "4567");
	is_decided();
	assert_int_equal(w.disk_plan.file[0], OM_FILE_SEND_IT);
	assert_int_equal(w.disk_plan.file[1], OM_FILE_SEND_IT);
	assert_int_equal(w.disk_plan.file[2], OM_FILE_MAKE_DIR);
	assert_int_equal(w.disk_plan.file[3], OM_FILE_SEND_IT);
	assert_int_equal(w.disk_plan.file[4], OM_FILE_LINK_IT);
	assert_int_equal(w.disk_plan.file[5], OM_FILE_LEAVE);
	assert_int_equal(w.disk_plan.file[6], OM_FILE_LEAVE);
	assert_int_equal(w.disk_plan.nvram, OM_DISKS_NONE);
	add_item(&w, OM_ITEM_OTHER, "socket", NULL);
	is_decided();
	warns("socket in " DIR " is no file");
	assert_int_equal(w.disk_plan.file[7], OM_FILE_LEAVE);
}

static void the_nvram_is_known(void **state)
{
	(void)state;
	add_file(&w, "a");
	add_file(&w, "my vm_VARS.fd");
	w.dom.nvram = text(DIR "/my vm_VARS.fd");
	is_decided();
	assert_int_equal(w.disk_plan.nvram, 1);
	w.dom.nvram = text("/var/lib/libvirt/qemu/nvram/x");
	is_decided();
	assert_int_equal(w.disk_plan.nvram, OM_DISKS_NONE);
}

static void what_cannot_be_read_is_refused_by_name(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	w.items[0].readable = false; /* QEMU reads it */
	add_file(&w, "secret.xml");
	is_decided();
	w.items[1].readable = false;
	is_refused("secret.xml in " DIR " cannot be read");
	w.items[1].kind = OM_ITEM_DIR;
	is_refused("the directory secret.xml in " DIR " cannot be listed");
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "",     "/etc/passwd", "a//b",  "../x",
					     "a/..", "./a",	    "a/./b", "a/" };
	char *longest = om_xcalloc(1, OM_DISKS_NAME_MAX + 2);

	(void)state;
	add_item(&w, OM_ITEM_DIR, "a", NULL);
	add_file(&w, "x");
	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++) {
		w.items[1].name = text(names[i]);
		is_refused("is no name of a file");
	}
	memset(longest, 'n', OM_DISKS_NAME_MAX + 1);
	w.items[1].name = longest;
	is_refused("is no name of a file");
	w.items[1].name[OM_DISKS_NAME_MAX] = '\0';
	is_decided();
	free(longest);
	w.items[1].name = text("a/x");
	is_decided();
	w.items[0].kind = OM_ITEM_LINK;
	w.items[0].target = text("/etc");
	is_refused("is no name of a file");
	w.items[1].name = text("b/x");
	is_refused("is no name of a file");
}

static void more_files_than_can_be_are_refused(void **state)
{
	static struct om_item many[OM_DISKS_FILES_MAX + 1];
	static char names[OM_DISKS_FILES_MAX + 1][8];

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(many); i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		many[i] = (struct om_item){ .name = names[i], .readable = true };
	}
	w.facts.items = many;
	w.facts.item_count = OM_DISKS_FILES_MAX;
	is_decided();
	w.facts.item_count++;
	is_refused("more than 4096 files");
}

static void what_exists_there_is_not_overwritten(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	add_item(&w, OM_ITEM_DIR, "sub", NULL);
	add_item(&w, OM_ITEM_LINK, "link", "x");
	add_file(&w, "f");
	add_there(&w, OM_ITEM_DIR, "sub", NULL);
	add_there(&w, OM_ITEM_LINK, "link", "x");
	add_there(&w, OM_ITEM_FILE, OM_DISKS_MARK "1", NULL);
	is_decided();
	assert_int_equal(w.disk_plan.file[1], OM_FILE_LEAVE);
	assert_int_equal(w.disk_plan.file[2], OM_FILE_LEAVE);
	w.there[1].target = text("y");
	is_refused("link is in " DIR " on node02 already");
	assert_true(w.disk_plan.refused[0].exists);
	w.there[1].target = NULL; /* it is not known where it leads */
	is_refused("link is in " DIR " on node02 already");
	w.there[1] = (struct om_item){ .name = text("f"), .kind = OM_ITEM_FILE };
	is_refused("f is in " DIR " on node02 already");
	w.there[1].name = text("disk.0");
	is_refused("disk.0 is in " DIR " on node02 already");
	w.there[1] = (struct om_item){ .name = text("sub"), .kind = OM_ITEM_FILE };
	w.there[0].name = text("other");
	is_refused("sub is in " DIR);
	/* Where nobody has listed it, what the survey saw counts. */
	w.facts.dst_items_known = false;
	say(&w, DIR "/disk.0", regular(EXT4, 1, GIB), regular(EXT4, 2, GIB));
	is_refused("disk.0 is in " DIR " on node02 already");
}

static void only_a_vms_directory_is_made(void **state)
{
	static const char *const bad[] = { "/",		"/ds/0",      "/ds/0/32",  "/ds/x/31",
					   "/31",	"ds/0/31",    "/ds/0/31/", "/ds//0/31",
					   "/ds/../31", "/ds/0/31/x", "" };

	(void)state;
	assert_true(om_disks_dir_valid("/var/lib/one/datastores/100/31", "31"));
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++) {
		assert_false(om_disks_dir_valid(bad[i], "31"));
		w.facts.dir = bad[i];
		is_refused("does not end in the numbers");
	}
	w.facts.dir = DIR;
	w.facts.dst_dir = DIR;
	is_decided();
	w.facts.dst_dir = "/ds/100/31";
	is_refused("would be /ds/100/31 on node02");
}

static void what_is_not_proven_another_is_taken_for_the_same(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	is_decided();
	assert_int_equal(om_disks_same(&w.facts), OM_SAME_NO);
	w.facts.dst_items_known = true;
	say(&w, DIR "/disk.0", regular(NFS, 1, GIB), missing(NFS));
	is_refused("is not proven to be another directory");
	say(&w, DIR "/disk.0", regular(EXT4, 1, GIB), regular(NFS, 1, GIB));
	is_refused("is not proven to be another directory");
	say(&w, DIR "/disk.0", regular(NFS, 1, GIB), regular(NFS, 1, GIB));
	is_refused("is the same directory on both hosts");
	assert_int_equal(om_disks_same(&w.facts), OM_SAME_YES);
	say(&w, DIR "/disk.0", regular(EXT4, 1, GIB), missing(EXT4));
	w.dst.known = false;
	is_refused("is not proven to be another directory");
}

static void without_images_the_directory_itself_counts(void **state)
{
	struct om_file dir = { .kind = OM_FILE_DIR, .fs_type = NFS, .fs_id = 3, .inode = 8 };

	(void)state;
	add_disk(&w, OM_DISK_NETWORK, "pool/x", "raw");
	/* A disk of shared storage says nothing of the directory. */
	add_disk(&w, OM_DISK_FILE, "/ds/1/abc", "raw");
	say(&w, "/ds/1/abc", regular(NFS, 5, GIB), regular(NFS, 5, GIB));
	is_decided();
	say(&w, DIR, dir, dir);
	is_refused("is the same directory on both hosts");
	say(&w, DIR, dir, missing(NFS));
	is_refused("is not proven to be another directory");
}

/* ---- space ---- */

static void set_free(uint64_t bytes)
{
	size_t i = ask_path(&w, DIR);

	w.dst_files[i].free_known = true;
	w.dst_files[i].free_bytes = bytes;
}

static void what_is_allocated_has_to_fit(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "qcow2");
	add_file(&w, "disk.0");
	add_file(&w, "disk.1");
	set_free(2 * GIB - 1);
	is_refused("the VM's files have 2.0 GiB, and 2.0 GiB are free for " DIR
		   " on node02: 1 bytes too little");
	set_free(2 * GIB);
	is_decided();
	warns("may grow to 11.0 GiB");
	set_free(11 * GIB);
	is_decided();
	assert_int_equal(w.disk_plan.warnings.n, 0);
}

/* ---- rates ---- */

static void writes_wait_where_a_mirror_would_not_get_in_sync(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	w.facts.link_bps = 100 * MIB;
	w.known[0].measured = true;
	w.known[0].written_bytes_ps = 25 * MIB;
	is_decided();
	assert_false(w.disk_plan.sync_writes);
	w.known[0].written_bytes_ps++;
	is_decided();
	assert_true(w.disk_plan.sync_writes && w.disk_plan.disk[0].sync_wanted);
	assert_int_equal(w.disk_plan.infos.n, 1);
	assert_non_null(strstr(w.disk_plan.infos.v[0],
			       "vda is written to, 25.0 MiB/s have to be copied again"));
	w.facts.versions.dst_libvirt = 7000000;
	is_decided();
	assert_false(w.disk_plan.sync_writes);
	warns("only libvirt 8.0 on both");
	w.facts.versions.dst_libvirt = 0;
	is_decided();
	assert_false(w.disk_plan.sync_writes);
	w.facts.versions.dst_libvirt = 8000000;
	w.known[0].measured = false;
	is_decided();
	assert_false(w.disk_plan.sync_writes);
	/* The operator's limit is the way. */
	w.known[0].measured = true;
	w.known[0].written_bytes_ps = 3 * MIB;
	assert_true(decide(&w, 10) && w.disk_plan.sync_writes);
	assert_true(decide(&w, 12) && !w.disk_plan.sync_writes);
	w.facts.link_bps = 0;
	is_decided();
	assert_false(w.disk_plan.sync_writes);
	assert_true(decide(&w, 10) && w.disk_plan.sync_writes);
}

static void small_writes_cost_a_mirror_whole_grains(void **state)
{
	const struct om_written none = { 0, 0 }, small = { 4096 * 100, 100 };
	const struct om_written large = { MIB * 100, 100 }, flush = { 0, 100 };

	(void)state;
	assert_int_equal(om_written_bytes_ps(&none, &small, 1000), 100 * 65536);
	assert_int_equal(om_written_bytes_ps(&none, &small, 500), 200 * 65536);
	assert_int_equal(om_written_bytes_ps(&none, &large, 1000), 100 * MIB);
	assert_int_equal(om_written_bytes_ps(&small, &small, 1000), 0);
	assert_int_equal(om_written_bytes_ps(&none, &flush, 1000), 0);
	assert_int_equal(om_written_bytes_ps(&small, &none, 1000), 0);
	assert_int_equal(om_written_bytes_ps(&none, &small, 0), 0);
}

static void writes_wait_where_the_operator_says_so(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	w.opts.sync_writes = true;
	is_decided();
	assert_true(w.disk_plan.sync_writes);
	w.facts.versions.src_libvirt = 0;
	is_decided();
	assert_true(w.disk_plan.sync_writes);
	w.facts.versions.src_libvirt = 7999000;
	is_refused("needs libvirt 8.0");
	w.disks[0].readonly = true;
	is_decided();
	assert_false(w.disk_plan.sync_writes);
}

static void the_link_never_sees_more_than_the_limit(void **state)
{
	(void)state;
	for (size_t disks = 1; disks <= 5; disks++) {
		char name[5][16];

		world_free(&w);
		world_init(&w);
		for (size_t i = 0; i < disks; i++) {
			snprintf(name[i], sizeof(name[i]), DIR "/d%zu", i);
			add_disk(&w, OM_DISK_FILE, name[i], "raw");
			add_file(&w, strrchr(name[i], '/') + 1);
			w.known[i].measured = true;
		}
		for (uint64_t limit = 1; limit < 5000; limit = limit * 3 / 2 + 1)
			for (uint64_t written = 0; written < 9000 * MIB;
			     written = written * 4 + MIB / 3) {
				uint64_t all = (written / MIB + 1) * disks;
				const struct om_disks *d = &w.disk_plan;

				for (size_t i = 0; i < disks; i++)
					w.known[i].written_bytes_ps = written;
				assert_true(decide(&w, limit));
				assert_true(d->mirror_mibps && d->memory_mibps);
				if (limit < disks) {
					assert_int_equal(d->mirror_mibps, 1);
					continue;
				}
				if (d->mirror_mibps > 1)
					assert_true(d->mirror_mibps * disks <= limit);
				assert_true(d->memory_mibps <= limit);
				/* In sync, the mirrors carry what the guest writes. */
				if (all * 2 <= limit / 2)
					assert_true(d->memory_mibps + all <= limit);
				assert_true(d->memory_mibps >= limit / 2);
				assert_true(d->memory_mibps >= d->mirror_mibps);
			}
	}
}

static void without_a_limit_nothing_is_limited(void **state)
{
	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	is_decided();
	assert_true(!w.disk_plan.mirror_mibps && !w.disk_plan.memory_mibps);
	w.disks[0].readonly = true;
	assert_true(decide(&w, 100));
	assert_true(!w.disk_plan.mirror_mibps && w.disk_plan.memory_mibps == 100);
}

/* ---- libvirt's call ---- */

static size_t count_of(const struct om_params *params, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < params->n; i++)
		n += strcmp(params->v[i].name, name) == 0;
	return n;
}

static void the_call_names_each_mirrored_disk(void **state)
{
	struct om_params params = { 0 };
	unsigned int flags = OM_FLAG_LIVE;

	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_disk(&w, OM_DISK_FILE, DIR "/disk.1", "raw");
	w.disks[add_disk(&w, OM_DISK_FILE, DIR "/disk.2", "raw")].cdrom = true;
	add_file(&w, "disk.0");
	add_file(&w, "disk.1");
	add_file(&w, "disk.2");
	om_params_set_number(&params, "bandwidth", OM_PARAM_U64, 100, "MIGRATE_OPTIONS");
	assert_true(decide(&w, 100));
	om_disks_add_params(&w.disk_plan, &w.facts, &w.opts, &flags, &params, "fd00::2");
	assert_int_equal(flags, OM_FLAG_LIVE | OM_FLAG_NON_SHARED_DISK);
	assert_int_equal(count_of(&params, "migrate_disks"), 2);
	assert_int_equal(count_of(&params, "migrate_disks_detect_zeroes"), 2);
	assert_string_equal(om_params_get(&params, "disks_uri")->text, "tcp://[fd00::2]");
	assert_int_equal(om_params_get(&params, "bandwidth")->number, w.disk_plan.mirror_mibps);
	om_params_free(&params);
}

static void old_versions_and_the_operators_words_are_minded(void **state)
{
	struct om_params params = { 0 };
	unsigned int flags = OM_FLAG_LIVE;

	(void)state;
	add_chain("disk.0.snap/1");
	w.opts.sync_writes = true;
	om_strv_add(&w.opts.zero_disks, "vdb");
	om_params_set_number(&params, "disks_port", OM_PARAM_INT, 49200, "MIGRATE_OPTIONS");
	is_decided();
	om_disks_add_params(&w.disk_plan, &w.facts, &w.opts, &flags, &params, "10.0.0.2");
	assert_int_equal(flags, OM_FLAG_LIVE | OM_FLAG_NON_SHARED_INC | OM_FLAG_SYNC_WRITES);
	assert_int_equal(count_of(&params, "migrate_disks_detect_zeroes"), 0);
	assert_int_equal(count_of(&params, "disks_uri"), 0);
	om_params_drop(&params, "disks_port");
	w.facts.versions.dst_libvirt = 6007000;
	om_disks_add_params(&w.disk_plan, &w.facts, NULL, &flags, &params, "10.0.0.2");
	assert_int_equal(count_of(&params, "migrate_disks_detect_zeroes"), 0);
	assert_int_equal(count_of(&params, "disks_uri"), 0);
	w.facts.versions.dst_libvirt = 6008000;
	om_disks_add_params(&w.disk_plan, &w.facts, NULL, &flags, &params, NULL);
	assert_int_equal(count_of(&params, "disks_uri"), 0);
	om_disks_add_params(&w.disk_plan, &w.facts, NULL, &flags, &params, "10.0.0.2");
	assert_int_equal(count_of(&params, "disks_uri"), 1);
	om_disks_add_params(&w.disk_plan, &w.facts, NULL, &flags, &params, "10.0.0.3");
	assert_string_equal(om_params_get(&params, "disks_uri")->text, "tcp://10.0.0.2");
	om_params_free(&params);
}

static void a_tunnel_and_too_many_disks_are_refused(void **state)
{
	char sources[DISKS][32];

	(void)state;
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	w.opts.flags = OM_FLAG_TUNNELLED;
	is_refused("--tunnelled cannot carry the disks");
	w.opts.flags = 0;
	for (size_t i = 1; i <= OM_DISKS_MIRRORS_MAX; i++) {
		snprintf(sources[i], sizeof(sources[i]), DIR "/disk.%zu", i);
		if (i == OM_DISKS_MIRRORS_MAX)
			is_decided();
		add_disk(&w, OM_DISK_FILE, sources[i], "raw");
		add_file(&w, strrchr(sources[i], '/') + 1);
	}
	is_refused("35 disks would have to be copied");
}

static void a_mirror_less_migration_is_as_ever(void **state)
{
	struct om_params params = { 0 };
	unsigned int flags = OM_FLAG_LIVE;

	(void)state;
	add_disk(&w, OM_DISK_NETWORK, "pool/x", "raw");
	assert_true(decide(&w, 7));
	om_disks_add_params(&w.disk_plan, &w.facts, &w.opts, &flags, &params, "10.0.0.2");
	assert_int_equal(flags, OM_FLAG_LIVE);
	assert_int_equal(params.n, 0);
}

static void it_is_printed_line_by_line(void **state)
{
	struct om_buf buf = { 0 };

	(void)state;
	add_chain("disk.0.snap/1");
	w.disks[add_disk(&w, OM_DISK_FILE, DIR "/my\ndisk", "raw")].cdrom = true;
	add_file(&w, "my\ndisk");
	assert_true(decide(&w, 160));
	om_disks_print(&buf, &w.disk_plan, &w.facts);
	assert_string_equal(
		buf.text,
		"disk vda: mirrored, 1073741824 bytes of 10737418240 to disk.0.snap/2 (qcow2) on "
		"disk.0.snap/1 (qcow2)\n"
		"disk vdb: sent, read-only, sent before the start\n"
		"file disk.0: linked again\n"
		"file disk.0.snap: made\n"
		"file disk.0.snap/0: sent\n"
		"file disk.0.snap/1: sent\n"
		"file disk.0.snap/2: mirrored\n"
		"file disk.0.snap/9: sent\n"
		"file disk.0.snap/disk.0.snap: linked again\n"
		"file my?disk: sent\n"
		"mirrors: 1, active layers\n"
		"limits: 150 MiB/s for each mirror, then 150 MiB/s for memory\n");
	free(buf.text);
}

/* ---- paths ---- */

static void resolves(const char *path, const char *to, size_t item)
{
	size_t found;
	char *got = om_disks_resolve(&w.facts, DIR "/disk.0.snap", path, &found);

	if (!to)
		assert_null(got);
	else
		assert_string_equal(got, to);
	assert_int_equal(found, item);
	free(got);
}

static void paths_are_followed_within_the_directory(void **state)
{
	(void)state;
	add_chain("");
	add_item(&w, OM_ITEM_LINK, "out", "/somewhere/else");
	resolves("disk.0.snap/1", DIR "/disk.0.snap/1", 3);
	resolves("../disk.0", DIR "/disk.0.snap/2", 4);
	resolves(DIR "//./disk.0.snap/disk.0.snap/disk.0.snap/0", DIR "/disk.0.snap/0", 2);
	resolves("7", DIR "/disk.0.snap/7", OM_DISKS_NONE);
	resolves("../out/x", "/somewhere/else/x", OM_DISKS_NONE);
	resolves("../out/../x", NULL, OM_DISKS_NONE);
	resolves("../../32/disk.0", NULL, OM_DISKS_NONE);
	resolves("/a/b/../c", NULL, OM_DISKS_NONE);
	resolves("/ds/0/31x/y", "/ds/0/31x/y", OM_DISKS_NONE);
	resolves("", NULL, OM_DISKS_NONE);
	resolves("/", NULL, OM_DISKS_NONE);
	w.dom.disk_count = 0;
	w.items[6].target = text("disk.0.snap");
	resolves("disk.0.snap/1", NULL, OM_DISKS_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_writable_disk_is_mirrored),
		TEST(what_nobody_writes_to_is_sent_whatever_its_format),
		TEST(empty_drives_and_volumes_of_the_network_stay),
		TEST(a_file_elsewhere_stays_where_both_hosts_have_it),
		TEST(a_link_that_leads_elsewhere_is_judged_by_what_is_there),
		TEST(a_copy_of_a_medium_elsewhere_is_taken_with_a_warning),
		TEST(what_is_gone_from_the_directory_is_refused),
		TEST(what_cannot_be_kept_by_a_mirror_is_refused),
		TEST(other_kinds_of_storage_are_refused),
		TEST(a_chain_stays_one_and_no_layer_goes_twice),
		TEST(the_domain_may_name_the_link),
		TEST(the_head_tells_the_layer_that_libvirt_does_not),
		TEST(a_chain_may_leave_the_directory_to_what_both_have),
		TEST(a_chain_that_the_head_does_not_know_is_refused),
		TEST(what_two_disks_use_is_not_written_to),
		TEST(a_second_name_of_a_file_is_not_sent),
		TEST(one_device_on_both_hosts_stays),
		TEST(a_volume_of_the_destinations_own_is_mirrored_onto),
		TEST(another_device_is_never_written_to),
		TEST(a_device_that_cannot_be_told_stays_with_a_warning),
		TEST(every_file_is_sent_or_said),
		TEST(the_nvram_is_known),
		TEST(what_cannot_be_read_is_refused_by_name),
		TEST(names_that_lead_elsewhere_are_refused),
		TEST(more_files_than_can_be_are_refused),
		TEST(what_exists_there_is_not_overwritten),
		TEST(only_a_vms_directory_is_made),
		TEST(what_is_not_proven_another_is_taken_for_the_same),
		TEST(without_images_the_directory_itself_counts),
		TEST(what_is_allocated_has_to_fit),
		TEST(writes_wait_where_a_mirror_would_not_get_in_sync),
		TEST(small_writes_cost_a_mirror_whole_grains),
		TEST(writes_wait_where_the_operator_says_so),
		TEST(the_link_never_sees_more_than_the_limit),
		TEST(without_a_limit_nothing_is_limited),
		TEST(the_call_names_each_mirrored_disk),
		TEST(old_versions_and_the_operators_words_are_minded),
		TEST(a_tunnel_and_too_many_disks_are_refused),
		TEST(a_mirror_less_migration_is_as_ever),
		TEST(it_is_printed_line_by_line),
		TEST(paths_are_followed_within_the_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
