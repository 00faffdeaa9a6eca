/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_refused.h"
#include "om_state.h"
#include "om_transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW UINT64_C(1784629422000)
#define HOUR UINT64_C(3600000)

static char file[128];
static const struct om_versions versions = { 11003000, 11003000, 10000013, 10000013, 0 };

static uint32_t read_of(const char *dst, const struct om_versions *v, uint64_t epoch_ms)
{
	return om_refused_read(&(struct om_refused_pair){ "node01", dst, v }, epoch_ms);
}

static void add_of(const char *dst, const struct om_versions *v, uint32_t refused,
		   uint64_t epoch_ms)
{
	om_refused_add(&(struct om_refused_pair){ "node01", dst, v }, refused, epoch_ms);
}

static int set_up(void **unused)
{
	(void)unused;
	if (state_dir_make())
		return -1;
	snprintf(file, sizeof(file), "%s/refused", dir);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	return state_dir_remove();
}

static void what_was_refused_is_known_of_this_pair_alone(void **unused)
{
	const struct om_refused_pair other = { "node04", "node02", &versions },
				     here = { NULL, "node02", &versions };
	struct om_versions newer = versions;
	struct stat st;

	(void)unused;
	assert_int_equal(read_of("node02", &versions, NOW), 0);
	add_of("node02", &versions, OM_REFUSED_ZSTD, NOW);
	add_of("node02", &versions, OM_REFUSED_ZEROCOPY, NOW + 1);
	add_of("node03", &versions, OM_REFUSED_ZLIB, NOW + 1);
	assert_int_equal(read_of("node02", &versions, NOW + 2),
			 OM_REFUSED_ZSTD | OM_REFUSED_ZEROCOPY);
	assert_int_equal(read_of("node03", &versions, NOW + 2), OM_REFUSED_ZLIB);
	assert_int_equal(read_of("node0", &versions, NOW + 2), 0);
	/* The front-end keeps those of every source. */
	assert_int_equal(om_refused_read(&other, NOW + 2), 0);
	assert_int_equal(om_refused_read(&here, NOW + 2), 0);
	om_refused_add(&here, OM_REFUSED_XBZRLE, NOW + 1);
	assert_int_equal(om_refused_read(&here, NOW + 2), OM_REFUSED_XBZRLE);
	newer.dst_libvirt++;
	assert_int_equal(read_of("node02", &newer, NOW + 2), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void it_is_forgotten(void **unused)
{
	(void)unused;
	add_of("node02", &versions, OM_REFUSED_ZSTD | OM_REFUSED_TLS, NOW);
	assert_int_equal(read_of("node02", &versions, NOW + HOUR),
			 OM_REFUSED_ZSTD | OM_REFUSED_TLS);
	assert_int_equal(read_of("node02", &versions, NOW + HOUR + 1), OM_REFUSED_ZSTD);
	assert_int_equal(read_of("node02", &versions, NOW + 24 * HOUR), OM_REFUSED_ZSTD);
	assert_int_equal(read_of("node02", &versions, NOW + 24 * HOUR + 1),
			 OM_REFUSED_ZSTD | OM_REFUSED_DAY_OLD(OM_REFUSED_ZSTD));
	assert_int_equal(read_of("node02", &versions, NOW + OM_REFUSED_FRESH_MS + 1), 0);
	assert_int_equal(read_of("node02", &versions, NOW - 1), 0); /* of the future */
}

static void each_has_its_own_date(void **unused)
{
	const uint64_t week = OM_REFUSED_FRESH_MS, later = NOW + week - HOUR;

	(void)unused;
	add_of("node02", &versions, OM_REFUSED_ZSTD | OM_REFUSED_ZLIB, NOW);
	add_of("node02", &versions, OM_REFUSED_TLS, later);
	add_of("node02", &versions, OM_REFUSED_ZLIB, later);
	add_of("node02", &versions, OM_REFUSED_TLS, later + 1);
	assert_int_equal(read_of("node02", &versions, NOW + week),
			 OM_REFUSED_ZSTD | OM_REFUSED_ZLIB | OM_REFUSED_TLS |
				 OM_REFUSED_DAY_OLD(OM_REFUSED_ZSTD));
	assert_int_equal(read_of("node02", &versions, NOW + week + 1),
			 OM_REFUSED_ZLIB | OM_REFUSED_TLS);
}

static void older_forms_are_read(void **unused)
{
	FILE *f;

	(void)unused;
	add_of("node03", &versions, OM_REFUSED_ZLIB, NOW); /* makes the directory */
	f = fopen(file, "w");
	/* Several bits of one date; and without the source, which matches none. */
	fprintf(f,
		"onemigrate-refused=1\n%llu 35 node01 node02 11003000 11003000 10000013 10000013\n"
		"%llu 4 node02 11003000 11003000 10000013 10000013\n",
		(unsigned long long)NOW, (unsigned long long)NOW);
	fclose(f);
	assert_int_equal(read_of("node02", &versions, NOW + 1), 35);
	add_of("node02", &versions, OM_REFUSED_ZSTD, NOW + 2 * HOUR);
	assert_int_equal(read_of("node02", &versions, NOW + 25 * HOUR),
			 OM_REFUSED_ZEROCOPY | OM_REFUSED_ZSTD |
				 OM_REFUSED_DAY_OLD(OM_REFUSED_ZEROCOPY));
}

static void it_is_bounded(void **unused)
{
	char host[32];
	struct stat st;

	(void)unused;
	for (int i = 0; i < 3 * OM_REFUSED_LINES; i++) {
		snprintf(host, sizeof(host), "node%d", i);
		add_of(host, &versions, OM_REFUSED_ZSTD, NOW);
	}
	assert_int_equal(read_of(host, &versions, NOW), OM_REFUSED_ZSTD);
	assert_int_equal(read_of("node1", &versions, NOW), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size < OM_REFUSED_LINES * 100);
}

static void what_is_damaged_is_passed_over(void **unused)
{
	FILE *f;

	(void)unused;
	add_of("node02", &versions, OM_REFUSED_ZSTD, NOW);
	f = fopen(file, "a");
	fputs("x\n\n99999999999999999999999 7 node02\n1 \n-5 5 5", f);
	fclose(f);
	assert_int_equal(read_of("node02", &versions, NOW), OM_REFUSED_ZSTD);
	add_of("node03", &versions, OM_REFUSED_ZLIB, NOW);
	assert_int_equal(read_of("node02", &versions, NOW), OM_REFUSED_ZSTD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_refused_is_known_of_this_pair_alone,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_has_its_own_date, set_up, tear_down),
		cmocka_unit_test_setup_teardown(older_forms_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_passed_over, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
