/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_check.h"

#include <stdlib.h>
#include <string.h>

static char hosts[] = "node01 -> node02";
static char lacks[] = "node02 lacks avx512f", model[] = "use another model";
static char old[] = "node02 has \"QEMU\" 7.2\\", silent[] = "node02 did not say",
	    fine[] = "it runs";
static char nothing[] = "";

static struct om_finding some[] = {
	{ "domain", OM_SEVERITY_OK, fine, nothing },
	{ "versions", OM_SEVERITY_WARNING, old, nothing },
	{ "cpu", OM_SEVERITY_BLOCKER, lacks, model },
	{ "memory", OM_SEVERITY_NOT_CHECKED, silent, nothing },
	{ "disks", OM_SEVERITY_OK, fine, nothing },
	{ "ports", OM_SEVERITY_NOT_CHECKED, silent, nothing },
	{ "memlock", OM_SEVERITY_NOT_CHECKED, silent, model },
	{ "tls", OM_SEVERITY_NOT_CHECKED, fine, nothing },
};
static const struct om_findings findings = {
	.hosts = hosts, .v = some, .n = OM_ARRAY_LEN(some), .count = { 2, 4, 3, 1 }
};

static void a_person_reads_the_worst_first_and_what_to_do_below_it(void **unused)
{
	struct om_buf buf = { 0 };

	(void)unused;
	om_check_print_text(&buf, &findings, false);
	assert_string_equal(buf.text,
			    "blocker      cpu           node02 lacks avx512f\n"
			    "                           -> use another model\n"
			    "warning      versions      node02 has \"QEMU\" 7.2\\\n"
			    "not checked  memory, ports\n"
			    "                           node02 did not say\n"
			    "not checked  memlock       node02 did not say\n"
			    "                           -> use another model\n"
			    "not checked  tls           it runs\n"
			    "node01 -> node02: 1 blocker, 3 warnings, 4 not checked, 2 in order\n");
	free(buf.text);
}

static void what_is_in_order_is_shown_on_request(void **unused)
{
	struct om_buf buf = { 0 };
	char *at;

	(void)unused;
	om_check_print_text(&buf, &findings, true);
	at = strstr(buf.text, "ok           domain        it runs\n"
			      "ok           disks         it runs\n"
			      "node01 -> node02: ");
	assert_non_null(at);
	free(buf.text);
}

static void nothing_to_tell_is_one_line(void **unused)
{
	struct om_finding ok = { "domain", OM_SEVERITY_OK, fine, nothing };
	const struct om_findings all_ok = { .hosts = hosts, .v = &ok, .n = 1, .count = { 1 } };
	struct om_buf buf = { 0 };

	(void)unused;
	om_check_print_text(&buf, &all_ok, false);
	assert_string_equal(
		buf.text, "node01 -> node02: 0 blockers, 0 warnings, 0 not checked, 1 in order\n");
	free(buf.text);
}

static void the_json_form_has_every_finding_in_the_tables_order(void **unused)
{
	struct om_findings two = findings;
	struct om_buf buf = { 0 };

	(void)unused;
	two.v = some + 1;
	two.n = 2;
	om_check_print_json(&buf, &two, "31\"", "node01", "node02");
	assert_string_equal(
		buf.text,
		"{ \"vm\": \"31\\\"\", \"source\": \"node01\", \"destination\": \"node02\",\n"
		"  \"blockers\": 1, \"warnings\": 3, \"not_checked\": 4, \"ok\": 2,\n"
		"  \"findings\": [\n"
		"    { \"check\": \"versions\", \"severity\": \"warning\", "
		"\"found\": \"node02 has \\\"QEMU\\\" 7.2\\\\\", \"remedy\": \"\" },\n"
		"    { \"check\": \"cpu\", \"severity\": \"blocker\", "
		"\"found\": \"node02 lacks avx512f\", \"remedy\": \"use another model\" }\n"
		"  ] }\n");
	free(buf.text);
	buf = (struct om_buf){ 0 };
	two.n = 0;
	om_check_print_json(&buf, &two, "31", "a", "b");
	assert_non_null(strstr(buf.text, "\"findings\": [\n  ] }\n"));
	free(buf.text);
}

/* A name can be anybody's: a terminal that shows the JSON obeys C1 as it does ESC. */
static void the_json_form_has_no_character_that_a_terminal_obeys(void **unused)
{
	struct om_findings none = { 0 };
	struct om_buf buf = { 0 };

	(void)unused;
	om_check_print_json(&buf, &none,
			    "\x1b[2J\x7f\xc2\x9b"
			    "31m \xe2\x80\xae\xe2\x81\xa6 \xc3\xbc\xff",
			    "a", "b");
	assert_non_null(strstr(buf.text, "\"vm\": \"\\u001b[2J\\u007f\\u009b31m \\u202e\\u2066 "
					 "\xc3\xbc?\""));
	free(buf.text);
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void the_manual_has_one_paragraph_for_each_check(void **unused)
{
	struct om_buf buf = { 0 };
	size_t rows;

	(void)unused;
	om_check_table(&rows);
	om_check_print_man(&buf);
	assert_int_equal(count_of(buf.text, ".TP\n.B "), rows);
	assert_int_equal(count_of(buf.text, "\n"), 3 * rows);
	assert_int_equal(count_of(buf.text, "-"), count_of(buf.text, "\\-"));
	assert_non_null(strstr(buf.text, ".TP\n.B host\\-uuid\nWhether libvirt takes"));
	free(buf.text);
}

static void each_severity_has_a_name(void **unused)
{
	(void)unused;
	assert_string_equal(om_severity_name(OM_SEVERITY_OK), "ok");
	assert_string_equal(om_severity_name(OM_SEVERITY_NOT_CHECKED), "not checked");
	assert_string_equal(om_severity_name(OM_SEVERITY_WARNING), "warning");
	assert_string_equal(om_severity_name(OM_SEVERITY_BLOCKER), "blocker");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_reads_the_worst_first_and_what_to_do_below_it),
		cmocka_unit_test(what_is_in_order_is_shown_on_request),
		cmocka_unit_test(nothing_to_tell_is_one_line),
		cmocka_unit_test(the_json_form_has_every_finding_in_the_tables_order),
		cmocka_unit_test(the_json_form_has_no_character_that_a_terminal_obeys),
		cmocka_unit_test(the_manual_has_one_paragraph_for_each_check),
		cmocka_unit_test(each_severity_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
