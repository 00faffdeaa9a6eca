/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_base64.h"

#include <stdlib.h>
#include <string.h>

struct row {
	const char *text, *bytes; /* bytes NULL: refused */
	size_t bad_at;
};

static void decodes_what_rfc_4648_lists(void **unused)
{
	static const struct row rows[] = {
		{ "", "", 0 },		 { "Zg==", "f", 0 },	       { "Zm8=", "fo", 0 },
		{ "Zm9v", "foo", 0 },	 { "Zm9vYg==", "foob", 0 },    { "Zm9vYmE=", "fooba", 0 },
		{ "Zm9vYmFy", "foobar", 0 }, { "+/+/", "\xfb\xff\xbf", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out = NULL;
		size_t len = 99, bad = 0;

		assert_true(om_base64_decode(rows[i].text, strlen(rows[i].text), &out, &len, &bad));
		assert_int_equal(len, strlen(rows[i].bytes));
		assert_memory_equal(out, rows[i].bytes, len + 1);
		free(out);
	}
}

static void refuses_everything_else_and_says_where(void **unused)
{
	static const struct row rows[] = {
		{ "Z", NULL, 1 },	  { "Zg", NULL, 2 },	    { "Zg=", NULL, 3 },
		{ "Zg===", NULL, 2 },	  { "====", NULL, 0 },	    { "Z===", NULL, 1 },
		{ "Zm9v\n", NULL, 5 },	  { "Zm9v\nYmFy", NULL, 4 }, { "Zm 9", NULL, 2 },
		{ "Zg==Zg==", NULL, 2 },  { "Zm9v=", NULL, 5 },	    { "Zm-_", NULL, 2 },
		{ "Zh==", NULL, 1 },	  { "Zm9=", NULL, 2 },	    { "\xc3\xa4\xc3\xa4", NULL, 0 },
		{ "=Zm9", NULL, 0 },	  { "Zm=v", NULL, 2 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out = NULL;
		size_t len = 0, bad = 99;

		if (om_base64_decode(rows[i].text, strlen(rows[i].text), &out, &len, &bad))
			fail_msg("accepted '%s'", rows[i].text);
		if (bad != rows[i].bad_at)
			fail_msg("'%s' is bad at %zu, not %zu", rows[i].text, rows[i].bad_at, bad);
		assert_null(out);
	}
}

static void decodes_every_byte(void **unused)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	(void)unused;
	for (unsigned int byte = 0; byte < 256; byte++) {
		char text[] = { digits[byte >> 2], digits[(byte & 3) << 4], '=', '=' };
		char *out = NULL;
		size_t len = 0, bad = 0;

		assert_true(om_base64_decode(text, sizeof(text), &out, &len, &bad));
		assert_int_equal(len, 1);
		assert_int_equal((unsigned char)*out, byte);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_what_rfc_4648_lists),
		cmocka_unit_test(refuses_everything_else_and_says_where),
		cmocka_unit_test(decodes_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
