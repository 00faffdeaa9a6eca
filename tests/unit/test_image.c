/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of images that qemu-img made (tests/fuzz/corpus/image), and the same spoilt in each place. */
#include "om_cmocka.h"

#include "om_disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)
#define FILE_BYTES (4 * GIB)

static unsigned char head[4096];
static size_t head_len;
static struct om_image image;
static struct om_err err;

static void load(const char *name)
{
	OM_AUTOFREE char *path = om_xasprintf("tests/fuzz/corpus/image/%s", name);
	FILE *file = fopen(path, "rb");

	if (!file)
		fail_msg("%s is not there: run it in the top directory", path);
	memset(head, 0, sizeof(head));
	head_len = fread(head, 1, sizeof(head), file);
	fclose(file);
}

static bool parse(void)
{
	/* Of exactly that size, so that a byte read behind it is noticed. */
	OM_AUTOFREE unsigned char *copy = om_xcalloc(1, head_len + !head_len);

	memcpy(copy, head, head_len);
	return om_image_parse(&image, "qcow2", copy, head_len, FILE_BYTES, &err);
}

static void put32(size_t at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		head[at + i] = (unsigned char)(value >> (24 - 8 * i));
}

static void put64(size_t at, uint64_t value)
{
	put32(at, (uint32_t)(value >> 32));
	put32(at + 4, (uint32_t)value);
}

static void images_of_qemu_are_read(void **state)
{
	static const struct {
		const char *name;
		uint64_t bytes;
		uint32_t bits;
		const char *backing, *format;
		bool v2, extended;
	} rows[] = {
		{ "v3", 10 * GIB, 16, "", "", false, false },
		{ "v2", GIB, 16, "", "", true, false },
		{ "ext", GIB, 17, "", "", false, true },
		{ "back", 10 * GIB, 16, "v3", "qcow2", false, false },
		{ "back2", 5 * GIB, 16, "/some/raw", "raw", false, false },
		{ "v2back", 10 * GIB, 16, "v3", "qcow2", true, false },
		{ "lazy", GIB, 16, "", "", false, false },
		{ "big", 65536 * GIB, 21, "", "", false, false },
		{ "small", 100 << 20, 9, "", "", false, false },
		{ "zs", GIB, 16, "", "", false, false },
		{ "empty", 0, 16, "", "", false, false },
		{ "odd", 1000001024, 16, "", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		load(rows[i].name);
		if (!parse())
			fail_msg("%s: %s", rows[i].name, err.msg);
		assert_int_equal(image.format, OM_IMAGE_QCOW2);
		assert_true(image.virtual_bytes == rows[i].bytes);
		assert_int_equal(image.cluster_bits, rows[i].bits);
		assert_string_equal(image.backing, rows[i].backing);
		assert_string_equal(image.backing_format, rows[i].format);
		assert_int_equal(image.compat_v2, rows[i].v2);
		assert_int_equal(image.extended_l2, rows[i].extended);
		assert_false(image.encrypted || image.external_data || image.corrupt ||
			     image.snapshots);
	}
}

static void what_a_mirror_would_lose_is_seen(void **state)
{
	(void)state;
	load("luks");
	assert_true(parse() && image.encrypted);
	load("data.q");
	assert_true(parse() && image.external_data);
	load("snap");
	assert_true(parse());
	assert_int_equal(image.snapshots, 2);
	load("v3");
	put64(72, 2);
	assert_true(parse() && image.corrupt);
	put64(72, 1); /* in use with lazy reference counts */
	assert_true(parse() && !image.corrupt);
}

static void is_refused(const char *why)
{
	assert_false(parse());
	assert_int_equal(err.code, OM_E_INPUT);
	if (!strstr(err.msg, why))
		fail_msg("%s, not %s", err.msg, why);
}

static void spoilt_heads_are_refused(void **state)
{
	static const struct {
		size_t at, bytes;
		uint64_t value;
		const char *why;
	} rows[] = {
		{ 0, 4, 0x514649fa, "no qcow2 image" },
		{ 4, 4, 1, "version" },
		{ 4, 4, 4, "version" },
		{ 8, 8, UINT64_MAX, "backing file's name" },
		{ 8, 8, 8, "backing file's name" },
		{ 8, 8, 1190, "backing file's name" },
		{ 16, 4, 1024, "backing file's name" },
		{ 16, 4, UINT32_MAX, "backing file's name" },
		{ 16, 4, 3, "name of its backing file" }, /* a NUL in it */
		{ 20, 4, 8, "clusters" },
		{ 20, 4, 22, "clusters" },
		{ 24, 8, UINT64_C(1) << 63, "size" },
		{ 24, 8, 11 * GIB, "size" },
		{ 32, 4, 3, "encryption" },
		{ 36, 4, (32 << 20) / 8 + 1, "size" },
		{ 36, 4, 0, "size" },
		{ 40, 8, 0, "table" },
		{ 40, 8, 0x30001, "table" },
		{ 40, 8, FILE_BYTES, "table" },
		{ 60, 4, 65537, "snapshots" },
		{ 72, 8, 32, "not known (0x20)" },
		{ 72, 8, UINT64_C(1) << 63, "not known" },
		{ 100, 4, 96, "length of its header" },
		{ 100, 4, 105, "length of its header" },
		{ 100, 4, 4096, "length of its header" },
		{ 116, 4, 17, "format of its backing file" },
		{ 116, 4, 500, "an extension" },
		{ 116, 4, UINT32_MAX, "an extension" },
		{ 122, 1, 0, "format of its backing file" },
	};

	(void)state;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		load("back");
		if (rows[i].bytes == 8)
			put64(rows[i].at, rows[i].value);
		else if (rows[i].bytes == 4)
			put32(rows[i].at, (uint32_t)rows[i].value);
		else
			head[rows[i].at] = (unsigned char)rows[i].value;
		is_refused(rows[i].why);
	}
}

static void a_head_that_is_cut_off_is_refused(void **state)
{
	size_t whole, taken = 0;

	(void)state;
	load("back");
	whole = head_len;
	for (head_len = 0; head_len < whole; head_len++)
		if (parse())
			taken++;
		else
			assert_true(*err.msg);
	/* From the end of the backing file's name on. */
	assert_int_equal(taken, whole - (0x210 + 2));
}

static void what_is_raw_is_not_looked_into(void **state)
{
	(void)state;
	load("luks");
	assert_true(om_image_parse(&image, "raw", head, head_len, 12345, &err));
	assert_int_equal(image.format, OM_IMAGE_RAW);
	assert_int_equal(image.virtual_bytes, 12345);
	assert_false(image.encrypted);
}

static void other_formats_are_refused(void **state)
{
	(void)state;
	load("vm.vmdk");
	assert_false(om_image_parse(&image, "vmdk", head, head_len, FILE_BYTES, &err));
	assert_non_null(strstr(err.msg, "'vmdk' is neither raw nor qcow2"));
	assert_false(om_image_parse(&image, "", head, head_len, FILE_BYTES, &err));
	is_refused("no qcow2 image");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_of_qemu_are_read),
		cmocka_unit_test(what_a_mirror_would_lose_is_seen),
		cmocka_unit_test(spoilt_heads_are_refused),
		cmocka_unit_test(a_head_that_is_cut_off_is_refused),
		cmocka_unit_test(what_is_raw_is_not_looked_into),
		cmocka_unit_test(other_formats_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
