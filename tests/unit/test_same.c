/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_survey.h"

#include <stdlib.h>
#include <string.h>

#define EXT4 0xef53u
#define XFS 0x58465342u
#define TMPFS 0x01021994u
#define OVERLAY 0x794c7630u
#define NFS 0x6969u
#define CEPH 0x00c36400u
#define CIFS 0xff534d42u
#define SMB2 0xfe534d42u
#define UNHEARD_OF 0x12345678u

static struct om_file file(enum om_file_kind kind, uint64_t fs_type)
{
	return (struct om_file){ .kind = kind,
				 .size_bytes = kind == OM_FILE_REGULAR ? 10ull << 30 : 0,
				 .inode = 4711,
				 .device = 2049,
				 .fs_type = fs_type };
}

/* Whichever comes first. */
static enum om_same same(struct om_file a, struct om_file b, bool one_kernel)
{
	enum om_same result = om_file_same(&a, &b, one_kernel);

	assert_int_equal(om_file_same(&b, &a, one_kernel), result);
	return result;
}

static void local_file_systems_of_two_hosts_hold_two_files(void **unused)
{
	static const uint64_t types[] = { EXT4, XFS, TMPFS, OVERLAY };
	static const enum om_file_kind kinds[] = { OM_FILE_REGULAR, OM_FILE_DIR, OM_FILE_MISSING };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(types); i++)
		for (size_t j = 0; j < OM_ARRAY_LEN(types); j++)
			for (size_t k = 0; k < OM_ARRAY_LEN(kinds); k++)
				assert_int_equal(same(file(kinds[k], types[i]),
						      file(OM_FILE_REGULAR, types[j]), false),
						 OM_SAME_NO);
}

static void one_local_end_proves_nothing(void **unused)
{
	static const uint64_t others[] = { NFS, CEPH, OM_FS_FUSE, UNHEARD_OF, 0 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(others); i++)
		assert_int_equal(same(file(OM_FILE_REGULAR, EXT4), file(OM_FILE_REGULAR, others[i]),
				      false),
				 OM_SAME_UNKNOWN);
}

static void a_network_file_is_the_same_by_type_id_inode_and_size(void **unused)
{
	struct om_file a = file(OM_FILE_REGULAR, NFS), b = a;

	(void)unused;
	b.device = 77; /* of each host its own */
	assert_int_equal(same(a, b, false), OM_SAME_YES);
	b.size_bytes++;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
	b = a;
	b.inode++;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
	b = a;
	b.fs_id = 1;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
	b = a;
	b.fs_type = CEPH;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
	b = a;
	b.kind = OM_FILE_DIR;
	b.size_bytes = a.size_bytes;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
}

static void a_network_directory_is_the_same_only_by_an_id(void **unused)
{
	struct om_file a = file(OM_FILE_DIR, CEPH), b = a;

	(void)unused;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
	a.fs_id = b.fs_id = 9;
	assert_int_equal(same(a, b, false), OM_SAME_YES);
	b.fs_id = 10;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
}

static void equal_numbers_of_an_unknown_file_system_prove_nothing(void **unused)
{
	static const uint64_t types[] = { OM_FS_FUSE, UNHEARD_OF, 0 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(types); i++)
		assert_int_equal(same(file(OM_FILE_REGULAR, types[i]),
				      file(OM_FILE_REGULAR, types[i]), false),
				 OM_SAME_UNKNOWN);
	assert_int_equal(same(file(OM_FILE_REGULAR, OM_FS_FUSE_GLUSTER),
			      file(OM_FILE_REGULAR, OM_FS_FUSE_GLUSTER), false),
			 OM_SAME_YES);
}

static void what_is_missing_on_a_network_proves_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(same(file(OM_FILE_MISSING, NFS), file(OM_FILE_REGULAR, NFS), false),
			 OM_SAME_UNKNOWN);
	assert_int_equal(same(file(OM_FILE_MISSING, NFS), file(OM_FILE_MISSING, NFS), false),
			 OM_SAME_UNKNOWN);
	assert_int_equal(same(file(OM_FILE_MISSING, NFS), file(OM_FILE_MISSING, NFS), true),
			 OM_SAME_UNKNOWN);
}

static void what_could_not_be_looked_at_is_unknown(void **unused)
{
	(void)unused;
	for (int one_kernel = 0; one_kernel < 2; one_kernel++)
		for (int kind = 0; kind < OM_FILE_KIND_COUNT; kind++)
			assert_int_equal(same(file(OM_FILE_UNKNOWN, EXT4),
					      file((enum om_file_kind)kind, EXT4), one_kernel),
					 OM_SAME_UNKNOWN);
}

/* Its node lies in a tmpfs of either host, and behind it may be the same LUN. */
static void a_block_device_is_never_told_apart(void **unused)
{
	struct om_file a = file(OM_FILE_BLOCK, TMPFS), b = a;

	(void)unused;
	assert_int_equal(same(a, b, false), OM_SAME_UNKNOWN);
	assert_int_equal(same(a, file(OM_FILE_REGULAR, EXT4), false), OM_SAME_UNKNOWN);
	assert_int_equal(same(a, file(OM_FILE_MISSING, TMPFS), false), OM_SAME_UNKNOWN);
	b.inode++; /* another node */
	assert_int_equal(same(a, b, true), OM_SAME_YES);
	b.device++; /* could be another path to it */
	assert_int_equal(same(a, b, true), OM_SAME_UNKNOWN);
}

static void under_one_kernel_device_and_inode_decide(void **unused)
{
	static const uint64_t types[] = { EXT4, TMPFS, OVERLAY, NFS, OM_FS_FUSE, UNHEARD_OF };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(types); i++)
		for (int kind = OM_FILE_REGULAR; kind <= OM_FILE_DIR; kind++) {
			struct om_file a = file((enum om_file_kind)kind, types[i]), b = a;
			enum om_same other = om_fs_is_local(types[i]) ? OM_SAME_NO
								      : OM_SAME_UNKNOWN;

			assert_int_equal(same(a, b, true), OM_SAME_YES);
			b.inode++;
			assert_int_equal(same(a, b, true), other);
			b = a;
			b.device++;
			if (types[i] == NFS && kind == OM_FILE_REGULAR)
				other = OM_SAME_YES; /* two mounts of one export */
			assert_int_equal(same(a, b, true), other);
		}
}

static void under_one_kernel_a_local_file_can_be_an_export_or_a_layer(void **unused)
{
	struct om_file a = file(OM_FILE_REGULAR, EXT4), b = file(OM_FILE_REGULAR, NFS);

	(void)unused;
	b.device++;
	assert_int_equal(same(a, b, true), OM_SAME_UNKNOWN);
	b.fs_type = OVERLAY;
	assert_int_equal(same(a, b, true), OM_SAME_UNKNOWN);
	b.fs_type = XFS;
	assert_int_equal(same(a, b, true), OM_SAME_NO);
	b.kind = OM_FILE_MISSING;
	assert_int_equal(same(a, b, true), OM_SAME_NO);
	a.kind = OM_FILE_MISSING;
	assert_int_equal(same(a, b, true), OM_SAME_UNKNOWN);
}

static void file_systems_have_names(void **unused)
{
	char text[32];

	(void)unused;
	assert_string_equal(om_fs_name(EXT4, text), "ext4");
	assert_string_equal(om_fs_name(NFS, text), "nfs");
	assert_string_equal(om_fs_name(OM_FS_FUSE, text), "fuse");
	assert_string_equal(om_fs_name(OM_FS_FUSE_QUOBYTE, text), "fuse.quobyte");
	assert_string_equal(om_fs_name(UNHEARD_OF, text), "type 0x12345678");
	assert_string_equal(om_fs_name(UINT64_MAX, text), "type 0xffffffffffffffff");
}

static void libvirt_takes_some_network_file_systems_for_shared(void **unused)
{
	static const uint64_t shared[] = {
		NFS,	CEPH,	    CIFS,	0x01161970, 0x7461636f,		0x6b414653,
		0x517b, 0x47504653, 0x61636673, 0x19830326, OM_FS_FUSE_GLUSTER, OM_FS_FUSE_QUOBYTE
	};
	static const uint64_t not_shared[] = { EXT4,	   XFS,	       TMPFS,	   OVERLAY, SMB2,
					       OM_FS_FUSE, 0x0bd00bd0, UNHEARD_OF, 0 };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(shared); i++) {
		assert_true(om_fs_is_shared_for_libvirt(shared[i]));
		assert_false(om_fs_is_local(shared[i]));
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(not_shared); i++)
		assert_false(om_fs_is_shared_for_libvirt(not_shared[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_file_systems_of_two_hosts_hold_two_files),
		cmocka_unit_test(one_local_end_proves_nothing),
		cmocka_unit_test(a_network_file_is_the_same_by_type_id_inode_and_size),
		cmocka_unit_test(a_network_directory_is_the_same_only_by_an_id),
		cmocka_unit_test(equal_numbers_of_an_unknown_file_system_prove_nothing),
		cmocka_unit_test(what_is_missing_on_a_network_proves_nothing),
		cmocka_unit_test(what_could_not_be_looked_at_is_unknown),
		cmocka_unit_test(a_block_device_is_never_told_apart),
		cmocka_unit_test(under_one_kernel_device_and_inode_decide),
		cmocka_unit_test(under_one_kernel_a_local_file_can_be_an_export_or_a_layer),
		cmocka_unit_test(file_systems_have_names),
		cmocka_unit_test(libvirt_takes_some_network_file_systems_for_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
