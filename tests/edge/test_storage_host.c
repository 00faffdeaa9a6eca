/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's directory: what is listed of it, and what is made and removed in it. */
#include "om_cmocka.h"

#include "om_storage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static char base[] = "/tmp/test-storage-XXXXXX";
static char dir[64];

static int set_up(void **unused)
{
	(void)unused;
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	if (!mkdtemp(base))
		return -1;
	snprintf(dir, sizeof(dir), "%s/100/31", base);
	return 0;
}

static int tear_down(void **unused)
{
	OM_AUTOFREE char *command = om_xasprintf("chmod -R u+rwX '%s'; rm -rf '%s'", base, base);

	(void)unused;
	return system(command);
}

static void run(const char *format)
{
	OM_AUTOFREE char *command = om_xasprintf("mkdir -p '%s' && cd '%s' && %s", dir, dir,
						 format);

	assert_int_equal(system(command), 0);
}

static struct om_place place(const char *name)
{
	return (struct om_place){ .dir = dir, .vm_id = "31", .name = name };
}

static bool is_there(const char *name)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static const struct om_item *find(const struct om_item *items, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(items[i].name, name) == 0)
			return &items[i];
	fail_msg("%s is not listed", name);
	return NULL;
}

/* ---- listing ---- */

static void all_that_is_there_is_listed(void **unused)
{
	struct om_item *items;
	struct om_err err;
	size_t count;

	(void)unused;
	run("mkdir -p disk.2.snap/d && printf 12345 >disk.2.snap/d/0 && ln -s disk.2.snap/d/0 disk.2 && "
	    "mkfifo fifo && truncate -s 1M disk.1 && touch .onemigrate-x '.a b'");
	assert_true(om_vm_dir_list(dir, &items, &count, &err));
	assert_int_equal(count, 7);
	assert_string_equal(items[0].name, ".a b");
	assert_int_equal(find(items, count, "disk.1")->size_bytes, 1 << 20);
	assert_int_equal(find(items, count, "disk.1")->allocated_bytes, 0);
	assert_int_equal(find(items, count, "disk.1")->kind, OM_ITEM_FILE);
	assert_int_equal(find(items, count, "disk.2")->kind, OM_ITEM_LINK);
	assert_string_equal(find(items, count, "disk.2")->target, "disk.2.snap/d/0");
	assert_int_equal(find(items, count, "disk.2.snap/d")->kind, OM_ITEM_DIR);
	assert_int_equal(find(items, count, "disk.2.snap/d/0")->size_bytes, 5);
	assert_true(find(items, count, "disk.2.snap/d/0")->readable);
	assert_true(find(items, count, "disk.2.snap") < find(items, count, "disk.2.snap/d"));
	assert_int_equal(find(items, count, "fifo")->kind, OM_ITEM_OTHER);
	om_items_free(items, count);
}

static void what_cannot_be_listed_is_told(void **unused)
{
	struct om_item *items;
	struct om_err err;
	size_t count;

	(void)unused;
	assert_false(om_vm_dir_list(dir, &items, &count, &err));
	assert_non_null(strstr(err.msg, dir));
	run("mkdir x && ln -s x link");
	memcpy(dir + strlen(dir), "/link", 6);
	assert_false(om_vm_dir_list(dir, &items, &count, &err));
}

static void of_too_many_files_nothing_is_listed(void **unused)
{
	struct om_item *items;
	struct om_err err;
	size_t count;

	(void)unused;
	run("seq 1 4096 | xargs touch");
	assert_true(om_vm_dir_list(dir, &items, &count, &err));
	assert_int_equal(count, OM_DISKS_FILES_MAX);
	om_items_free(items, count);
	run("touch one.more");
	assert_false(om_vm_dir_list(dir, &items, &count, &err));
	assert_null(items);
}

static void of_an_image_the_beginning_is_read(void **unused)
{
	static char data[OM_IMAGE_HEAD_BYTES];
	char path[128], why[100];
	uint64_t bytes;
	size_t len;

	(void)unused;
	run("printf QFI >disk.0 && truncate -s 1G disk.0");
	snprintf(path, sizeof(path), "%s/disk.0", dir);
	assert_true(om_image_head(path, data, &len, &bytes, why, sizeof(why)));
	assert_int_equal(len, OM_IMAGE_HEAD_BYTES);
	assert_int_equal(bytes, 1 << 30);
	assert_memory_equal(data, "QFI", 4);
	assert_false(om_image_head(dir, data, &len, &bytes, why, sizeof(why)));
	assert_string_equal(why, "it is no regular file");
}

/* ---- making ---- */

static void directories_are_made_once(void **unused)
{
	struct om_place top = place(""), below = place("disk.2.snap");
	struct om_identity first, again;
	struct om_err err;
	struct stat st;
	bool made;

	(void)unused;
	assert_true(om_storage_mkdir(&top, 0750, &made, &first, &err));
	assert_true(made);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(st.st_ino, first.inode);
	assert_true(om_storage_mkdir(&top, 0700, &made, &again, &err));
	assert_false(made);
	assert_int_equal(again.inode, first.inode);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_true(om_storage_mkdir(&below, 0755, &made, &again, &err));
	assert_true(is_there("disk.2.snap"));
}

static void only_below_a_directory_of_that_vm(void **unused)
{
	static const char *const names[] = { "..",   "../x", "a/../../x", "/x",
					     "a//b", "a/",   ".",	  "./a" };
	struct om_place other = { .dir = dir, .vm_id = "3", .name = "x" };
	struct om_place relative = { .dir = "100/31", .vm_id = "31", .name = "x" };
	struct om_identity id;
	struct om_err err;

	(void)unused;
	run("mkdir a");
	assert_false(om_storage_link(&other, "t", &id, &err));
	assert_false(om_storage_link(&relative, "t", &id, &err));
	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++) {
		struct om_place bad = place(names[i]);

		if (om_storage_link(&bad, "t", &id, &err))
			fail_msg("'%s' was taken", names[i]);
	}
}

static void no_link_is_followed(void **unused)
{
	struct om_place through = place("link/x"), made = place("a/x");
	struct om_identity id;
	struct om_err err;

	(void)unused;
	run("mkdir a && ln -s a link");
	assert_false(om_storage_link(&through, "t", &id, &err));
	assert_true(om_storage_link(&made, "t", &id, &err));
	assert_true(is_there("a/x"));
}

static const struct om_blank raw = { .virtual_bytes = 12345678,
				     .mode = 0640,
				     .uid = 0,
				     .gid = 0,
				     .backing = "",
				     .backing_format = "" };

static void an_image_has_exactly_its_size_and_mode(void **unused)
{
	struct om_place at = place("disk 1");
	struct om_identity id;
	struct om_err err;
	struct stat st;
	char path[128];

	(void)unused;
	run("true");
	if (!om_storage_make(&at, &raw, TOKEN, &id, &err))
		fail_msg("%s", err.msg);
	snprintf(path, sizeof(path), "%s/disk 1", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 12345678);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_ino, id.inode);
	assert_int_equal(st.st_dev, id.device);
	assert_int_equal(st.st_nlink, 1);
	assert_false(is_there(OM_STORAGE_MARK TOKEN));
}

static void what_exists_is_never_replaced(void **unused)
{
	static const char *const names[] = { "file", "link", "dangling", "dir" };
	struct om_identity id;
	struct om_err err;

	(void)unused;
	run("echo mine >file && ln -s file link && ln -s nowhere dangling && mkdir dir");
	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++) {
		struct om_place at = place(names[i]);

		assert_false(om_storage_make(&at, &raw, TOKEN, &id, &err));
		assert_false(om_storage_link(&at, "t", &id, &err));
		assert_false(is_there(OM_STORAGE_MARK TOKEN));
	}
	run("[ \"$(cat file)\" = mine ] && [ ! -e nowhere ]");
}

static void an_image_that_is_none_is_refused(void **unused)
{
	struct om_place at = place("disk.0");
	struct om_blank blank = raw;
	struct om_identity id;
	struct om_err err;

	(void)unused;
	run("true");
	assert_false(om_storage_make(&at, &blank, "x", &id, &err));
	assert_false(om_storage_make(&at, &blank, "../456789abcdef0123456789abcdef0", &id, &err));
	blank.virtual_bytes = 0;
	assert_false(om_storage_make(&at, &blank, TOKEN, &id, &err));
	blank = raw;
	blank.qcow2 = true;
	blank.cluster_bits = 8;
	assert_false(om_storage_make(&at, &blank, TOKEN, &id, &err));
	assert_false(is_there("disk.0"));
}

/* ---- removing ---- */

static void only_what_it_was_is_dropped(void **unused)
{
	struct om_place at = place("disk.0");
	struct om_identity id, now;
	struct om_err err;
	bool there;

	(void)unused;
	run("true");
	assert_true(om_storage_make(&at, &raw, TOKEN, &id, &err));
	run("mv disk.0 away && echo another >disk.0");
	assert_false(om_storage_drop(&at, &id, &err));
	assert_true(is_there("disk.0"));
	run("mv away disk.0");
	assert_true(om_storage_look(&at, &there, &now, &err));
	assert_true(there && now.inode == id.inode && now.device == id.device);
	assert_true(om_storage_drop(&at, &id, &err));
	assert_false(is_there("disk.0"));
	assert_true(om_storage_drop(&at, &id, &err)); /* it is gone */
	assert_true(om_storage_look(&at, &there, &now, &err));
	assert_false(there);
}

static void a_directory_is_dropped_when_it_is_empty(void **unused)
{
	struct om_place top = place(""), below = place("gone/x");
	struct om_identity id;
	struct om_err err;
	bool made, there;

	(void)unused;
	assert_true(om_storage_mkdir(&top, 0755, &made, &id, &err));
	run("echo mine >file");
	assert_false(om_storage_drop(&top, &id, &err));
	run("rm file");
	assert_true(om_storage_drop(&top, &id, &err));
	assert_false(is_there(""));
	assert_true(om_storage_look(&below, &there, &id, &err));
	assert_false(there);
}

static void a_link_is_dropped_and_not_what_it_leads_to(void **unused)
{
	struct om_place at = place("link");
	struct om_identity id;
	struct om_err err;

	(void)unused;
	run("echo mine >file");
	assert_true(om_storage_link(&at, "file", &id, &err));
	assert_true(om_storage_drop(&at, &id, &err));
	assert_false(is_there("link"));
	assert_true(is_there("file"));
}

static void what_is_not_whole_is_swept(void **unused)
{
	struct om_place top = place("");
	struct om_err err;

	(void)unused;
	run("touch .onemigrate-put.disk.0.0123456789abcdef .onemigratex disk.0 && mkdir .onemigrate-d");
	assert_true(om_storage_sweep(&top, &err));
	assert_false(is_there(".onemigrate-put.disk.0.0123456789abcdef"));
	assert_true(is_there(".onemigratex") && is_there("disk.0") && is_there(".onemigrate-d"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_is_there_is_listed),
		TEST(what_cannot_be_listed_is_told),
		TEST(of_too_many_files_nothing_is_listed),
		TEST(of_an_image_the_beginning_is_read),
		TEST(directories_are_made_once),
		TEST(only_below_a_directory_of_that_vm),
		TEST(no_link_is_followed),
		TEST(an_image_has_exactly_its_size_and_mode),
		TEST(what_exists_is_never_replaced),
		TEST(an_image_that_is_none_is_refused),
		TEST(only_what_it_was_is_dropped),
		TEST(a_directory_is_dropped_when_it_is_empty),
		TEST(a_link_is_dropped_and_not_what_it_leads_to),
		TEST(what_is_not_whole_is_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
