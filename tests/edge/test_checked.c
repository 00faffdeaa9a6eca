/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_checked.h"
#include "om_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define NOW 1784629422000

static char file[128];

static int set_up(void **unused)
{
	(void)unused;
	if (state_dir_make())
		return -1;
	snprintf(file, sizeof(file), "%s/" UUID ".checked", dir);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	return state_dir_remove();
}

static void write_two(void)
{
	struct om_strv names = { 0 };

	om_strv_add(&names, "cpu");
	om_strv_add(&names, "machine");
	om_checked_write(UUID, "node02", &names, NOW);
	om_strv_free(&names);
}

static bool takes(const char *uuid, const char *host, uint64_t epoch_ms)
{
	struct om_strv names = { 0 };
	bool taken = om_checked_take(uuid, host, &names, epoch_ms);

	if (taken) {
		assert_int_equal(names.n, 2);
		assert_string_equal(names.v[0], "cpu");
		assert_string_equal(names.v[1], "machine");
	} else {
		assert_int_equal(names.n, 0);
	}
	om_strv_free(&names);
	return taken;
}

static void what_was_in_order_is_taken_once_within_its_time(void **unused)
{
	struct stat st;

	(void)unused;
	write_two();
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(takes(UUID, "node02", NOW + OM_CHECKED_FRESH_MS));
	assert_int_equal(access(file, F_OK), -1);
	assert_false(takes(UUID, "node02", NOW));
}

static void what_is_old_or_of_the_future_or_of_another_host_counts_for_nothing(void **unused)
{
	(void)unused;
	write_two();
	assert_false(takes(UUID, "node02", NOW + OM_CHECKED_FRESH_MS + 1));
	write_two();
	assert_false(takes(UUID, "node02", NOW - 1));
	write_two();
	assert_false(takes(UUID, "node03", NOW));
	assert_int_equal(access(file, F_OK), -1);
}

static void put(const char *text)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void what_is_damaged_or_of_another_boot_counts_for_nothing(void **unused)
{
	static const char *const texts[] = {
		"",
		"onemigrate-checked=1\n",
		"onemigrate-checked=1\nno-boot\nnode02\n1784629422000\ncpu\n",
		"onemigrate-checked=2\n\n\n\n",
	};

	(void)unused;
	write_two();
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++) {
		put(texts[i]);
		assert_false(takes(UUID, "node02", NOW));
	}
}

static void a_link_is_not_followed_and_only_a_uuid_names_a_file(void **unused)
{
	char real[160];

	(void)unused;
	write_two();
	snprintf(real, sizeof(real), "%s/elsewhere", base);
	assert_int_equal(rename(file, real), 0);
	assert_int_equal(symlink(real, file), 0);
	assert_false(takes(UUID, "node02", NOW));
	assert_int_equal(access(real, F_OK), 0);
	assert_false(takes("../" UUID, "node02", NOW));
	assert_false(takes("one-31", "node02", NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_in_order_is_taken_once_within_its_time,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_old_or_of_the_future_or_of_another_host_counts_for_nothing, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_damaged_or_of_another_boot_counts_for_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_is_not_followed_and_only_a_uuid_names_a_file,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
