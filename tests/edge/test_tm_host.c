/* SPDX-License-Identifier: Apache-2.0 */
/* The document of the TM scripts, directories that are removed, markers, records. */
#include "om_cmocka.h"

#include "om_state.h"
#include "om_tm_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

#define VM(more)                                                                                   \
	"<VM><ID>31</ID><NAME>web <![CDATA[& 01]]></NAME><DEPLOY_ID>" UUID "</DEPLOY_ID>" more     \
	"</VM>"
#define WHOLE                                                                                      \
	VM("<TEMPLATE><DISK><TM_MAD><![CDATA[qcow2]]></TM_MAD></DISK>"                             \
	   "<DISK><TM_MAD>ssh</TM_MAD></DISK><DISK><TM_MAD>ssh</TM_MAD></DISK><DISK/>"             \
	   "<FEATURES><MIGRATE_COMPRESSED>YES</MIGRATE_COMPRESSED></FEATURES>"                     \
	   "<NIC><BRIDGE>br0</BRIDGE><VN_MAD>802.1Q</VN_MAD></NIC><NIC><BRIDGE>br1</BRIDGE></NIC>" \
	   "<PCI><VN_MAD>bridge</VN_MAD></PCI></TEMPLATE>"                                         \
	   "<USER_TEMPLATE><MIGRATE_POLICY>gentle</MIGRATE_POLICY><A><B>x</B></A></USER_TEMPLATE>" \
	   "<HISTORY_RECORDS><HISTORY><SEQ>4</SEQ><VM_MAD>kvm</VM_MAD></HISTORY></HISTORY_RECORDS>")

static char base[] = "/tmp/test-tm-XXXXXX";

static int set_up(void **unused)
{
	(void)unused;
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **unused)
{
	OM_AUTOFREE char *command = om_xasprintf("rm -rf '%s'", base);

	(void)unused;
	return system(command);
}

static void run(const char *format)
{
	OM_AUTOFREE char *command = om_xasprintf("cd '%s' && %s", base, format);

	assert_int_equal(system(command), 0);
}

static bool is_there(const char *name)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", base, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

/* ---- the document ---- */

static void check_whole(const char *text, size_t len)
{
	struct om_vm vm;
	struct om_err err = { 0 };

	if (!om_xml_vm_parse(&vm, text, len, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(vm.id, "31");
	assert_string_equal(vm.name, "web & 01");
	assert_string_equal(vm.deploy_id, UUID);
	assert_string_equal(vm.vm_mad, "kvm");
	assert_string_equal(vm.seq, "4");
	assert_string_equal(vm.compressed, "YES");
	assert_string_equal(vm.auto_converge, "");
	assert_int_equal(vm.tm_mads.n, 2);
	assert_string_equal(vm.tm_mads.v[0], "qcow2");
	assert_string_equal(vm.tm_mads.v[1], "ssh");
	assert_int_equal(vm.nic_count, 2);
	assert_string_equal(vm.nics[0].vn_mad, "802.1Q");
	assert_string_equal(vm.nics[0].bridge, "br0");
	assert_string_equal(vm.nics[1].vn_mad, "bridge");
	assert_string_equal(vm.nics[1].bridge, "");
	assert_string_equal(om_pairs_get(&vm.user_template, "MIGRATE_POLICY"), "gentle");
	assert_null(om_pairs_get(&vm.user_template, "A"));
	om_vm_free(&vm);
}

static void base64_of(const char *text, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += 3) {
		unsigned int n = (unsigned int)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			n |= (unsigned int)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			n |= (unsigned char)text[i + 2];
		*out++ = digits[n >> 18];
		*out++ = digits[n >> 12 & 63];
		*out++ = i + 1 < len ? digits[n >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[n & 63] : '=';
	}
	*out = '\0';
}

static void the_document_is_read_plain_and_in_base64(void **unused)
{
	char text[4096];

	(void)unused;
	check_whole(WHOLE, strlen(WHOLE));
	base64_of(WHOLE, text);
	check_whole(text, strlen(text));
	strcat(text, "\n");
	check_whole(text, strlen(text));
}

static void what_is_no_vm_is_refused(void **unused)
{
	static const char *const wrong[] = {
		"",
		"\n",
		"<VM>",
		"<VM/>",
		"<VM><ID>31</ID><ID>32</ID></VM>",
		"<VM><ID>x</ID></VM>",
		"<VM><ID>-1</ID></VM>",
		"<VM><ID>31</ID><DEPLOY_ID>a</DEPLOY_ID><DEPLOY_ID>b</DEPLOY_ID></VM>",
		"<VMM_DRIVER_ACTION_DATA><VM><ID>31</ID></VM></VMM_DRIVER_ACTION_DATA>",
		"<!DOCTYPE VM [<!ENTITY a 'b'>]><VM><ID>31</ID></VM>",
		"PFZNPjxJRD4zMTwvSUQ+PC9WTT4", /* cut off */
		"PFZN Pjx",
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(wrong); i++) {
		struct om_err err = { 0 };
		struct om_vm vm;

		if (om_xml_vm_parse(&vm, wrong[i], strlen(wrong[i]), &err))
			fail_msg("taken: %s", wrong[i]);
		assert_true(*err.msg);
		assert_null(vm.id);
	}
}

/* ---- removal ---- */

static bool remove_at(const char *name, const char *vm_id)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", base, name);
	struct om_err err = { 0 };
	bool ok = om_tm_dir_remove(path, vm_id, &err);

	assert_true(ok || *err.msg);
	return ok;
}

static void a_vms_directory_goes_with_all_in_it(void **unused)
{
	(void)unused;
	run("mkdir -p ds/0/31/a/b ds/0/32 && touch ds/0/31/disk.0 ds/0/31/a/b/c ds/0/32/disk.0");
	assert_true(remove_at("ds//0/31", "31"));
	assert_false(is_there("ds/0/31"));
	assert_true(is_there("ds/0/32/disk.0"));
	assert_true(remove_at("ds/0/31", "31")); /* once more */
}

static void links_are_removed_and_never_followed(void **unused)
{
	(void)unused;
	run("mkdir -p ds/0/31 keep/sub && touch keep/sub/image && ln -s ../../../keep ds/0/31/link && "
	    "ln -s ../../../keep/sub/image ds/0/31/disk.0");
	assert_true(remove_at("ds/0/31", "31"));
	assert_true(is_there("keep/sub/image"));
	assert_false(is_there("ds/0/31"));
	/* The directory itself is a link: the link goes. */
	run("ln -s ../../keep ds/0/31");
	assert_true(remove_at("ds/0/31", "31"));
	assert_true(is_there("keep/sub/image"));
	/* A datastore may be one. */
	run("mkdir -p real/31 && touch real/31/disk.0 && ln -s ../real ds/100");
	assert_true(remove_at("ds/100/31", "31"));
	assert_false(is_there("real/31"));
	assert_true(is_there("real"));
}

static void nothing_else_is_ever_removed(void **unused)
{
	static const char *const paths[] = { "ds/0/32",	   "ds/0",	"ds",	  "",
					     "ds/0/31/..", "ds/0/31/a", "ds/x/31" };

	(void)unused;
	run("mkdir -p ds/0/31/a ds/0/32 ds/x/31");
	for (size_t i = 0; i < OM_ARRAY_LEN(paths); i++)
		assert_false(remove_at(paths[i], "31"));
	assert_false(remove_at("ds/0/31", ""));
	assert_true(is_there("ds/0/31/a") && is_there("ds/0/32") && is_there("ds/x/31"));
}

static void another_file_system_is_not_entered(void **unused)
{
	(void)unused;
	run("mkdir -p ds/0/31/m");
	if (geteuid() != 0)
		skip();
	run("mount -t tmpfs none ds/0/31/m && touch ds/0/31/m/image");
	assert_false(remove_at("ds/0/31", "31"));
	assert_true(is_there("ds/0/31/m/image"));
	run("umount ds/0/31/m");
}

static void only_the_directorys_own_files_are_listed(void **unused)
{
	OM_AUTOFREE char *dir = om_xasprintf("%s/ds/0/31", base);
	struct om_strv files = { 0 };

	(void)unused;
	run("mkdir -p ds/0/31/sub && touch ds/0/31/disk.0 image && ln -s ../../../image ds/0/31/disk.1");
	om_tm_dir_files(dir, &files);
	assert_int_equal(files.n, 1);
	assert_non_null(strstr(files.v[0], "/ds/0/31/disk.0"));
	om_strv_free(&files);
	om_tm_dir_files("/nonexistent", &files);
	assert_int_equal(files.n, 0);
}

/* ---- markers and records ---- */

static void a_marker_is_seen_until_it_is_removed(void **unused)
{
	char token[OM_TM_TOKEN_SIZE], other[OM_TM_TOKEN_SIZE];

	(void)unused;
	om_tm_token(token);
	om_tm_token(other);
	assert_int_equal(strlen(token), OM_TM_TOKEN_SIZE - 1);
	assert_string_not_equal(token, other);
	assert_false(om_tm_marked(base, token));
	assert_true(om_tm_mark(base, token));
	assert_true(om_tm_marked(base, token));
	assert_false(om_tm_mark(base, token)); /* it is somebody's */
	assert_false(om_tm_marked(base, other));
	om_tm_unmark(base, token);
	assert_false(om_tm_marked(base, token));
	assert_false(om_tm_mark("/nonexistent", token));
	assert_false(om_tm_mark(base, "../x"));
	assert_false(om_tm_marked(base, ""));
}

static void a_record_is_of_one_vm_and_can_be_forgotten(void **unused)
{
	OM_AUTOFREE char *dir = om_xasprintf("%s/state", base);
	struct om_tm_record record = { .vm_id = om_xstrdup("31"),
				       .dst = om_xstrdup("node02"),
				       .dir = om_xstrdup("/ds/0/31"),
				       .seq = om_xstrdup("2") };
	struct om_tm_record again;
	struct om_err err = { 0 };

	(void)unused;
	om_state_dir_override(dir);
	assert_false(om_tm_record_read(&again, UUID));
	assert_true(om_tm_record_write(&record, UUID, &err));
	record.dir_missing = true;
	assert_true(om_tm_record_write(&record, UUID, &err)); /* over the old one */
	assert_true(om_tm_record_read(&again, UUID));
	assert_true(again.dir_missing);
	assert_string_equal(again.dst, "node02");
	assert_int_equal(again.settled, OM_TM_SETTLED_NOT);
	om_tm_record_free(&again);
	/* How it ended is added to the record of that migration, and to no other. */
	om_tm_record_settle(UUID, "31", "node03", OM_TM_SETTLED_MOVED, 5);
	om_tm_record_settle(UUID, "32", "node02", OM_TM_SETTLED_MOVED, 5);
	om_tm_record_settle("85b4ad9d-6e6c-4a1e-bb1c-000000000002", "31", "node02",
			    OM_TM_SETTLED_MOVED, 5);
	assert_true(om_tm_record_read(&again, UUID));
	assert_int_equal(again.settled, OM_TM_SETTLED_NOT);
	om_tm_record_free(&again);
	om_tm_record_settle(UUID, "31", "node02", OM_TM_SETTLED_MOVED, 5);
	assert_true(om_tm_record_read(&again, UUID));
	assert_int_equal(again.settled, OM_TM_SETTLED_MOVED);
	assert_int_equal(again.settled_epoch_ms, 5);
	assert_true(again.dir_missing);
	om_tm_record_free(&again);
	assert_false(om_tm_record_read(&again, "85b4ad9d-6e6c-4a1e-bb1c-000000000002"));
	assert_false(om_tm_record_write(&record, "../../etc/x", &err));
	om_tm_record_remove(UUID);
	assert_false(om_tm_record_read(&again, UUID));
	/* Nothing that somebody else put there is believed. */
	run("mkdir -p other && printf 'onemigrate-tm=1\\nvm=31\\ndst=a\\ndir=/ds/0/31\\nseq=1\\nend\\n' >other/x && "
	    "ln -s ../other/x state/" UUID ".tm");
	assert_false(om_tm_record_read(&again, UUID));
	om_tm_record_free(&record);
	om_state_dir_override(NULL);
}

static void a_network_driver_is_a_name(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	assert_true(om_tm_vn_mad_valid("802.1Q"));
	assert_true(om_tm_vn_mad_valid("ovswitch_vxlan"));
	assert_false(om_tm_vn_mad_valid(""));
	assert_false(om_tm_vn_mad_valid(".."));
	assert_false(om_tm_vn_mad_valid("a/b"));
	assert_false(om_tm_vn_mad_valid("-x"));
	assert_false(om_tm_vnm_clean("../../tmp/x", "br0", "node02", "", &err));
	assert_false(om_tm_vnm_clean("bridge", "", "node02", "", &err));
	assert_false(om_tm_vnm_clean("bridge", "../lo", "node02", "", &err));
	/* That one is a device, and no Linux bridge. */
	assert_false(om_tm_vnm_clean("bridge", "lo", "node02", "", &err));
	assert_non_null(strstr(err.msg, "lo is no Linux bridge"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_document_is_read_plain_and_in_base64),
		TEST(what_is_no_vm_is_refused),
		TEST(a_vms_directory_goes_with_all_in_it),
		TEST(links_are_removed_and_never_followed),
		TEST(nothing_else_is_ever_removed),
		TEST(another_file_system_is_not_entered),
		TEST(only_the_directorys_own_files_are_listed),
		TEST(a_marker_is_seen_until_it_is_removed),
		TEST(a_record_is_of_one_vm_and_can_be_forgotten),
		TEST(a_network_driver_is_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
