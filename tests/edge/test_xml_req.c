/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in the root of the repository: the sample documents are in tests/golden/req. */
#include "om_cmocka.h"

#include "om_req.h"
#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

/* A small whole document with one part replaced. */
#define DOC(host, more)                                                                        \
	"<VMM_DRIVER_ACTION_DATA><HOST>" host "</HOST><MIGR_HOST>node02</MIGR_HOST>"           \
	"<DEPLOY_ID>" UUID "</DEPLOY_ID><DISK_TARGET_PATH>/ds/0/31</DISK_TARGET_PATH>"         \
	"<VM><ID>31</ID></VM><DATASTORE><BASE_PATH>/ds/0</BASE_PATH></DATASTORE>" more         \
	"</VMM_DRIVER_ACTION_DATA>"
#define WHOLE DOC("node01", "")

static char *read_sample(const char *name, size_t *len)
{
	OM_AUTOFREE char *path = om_xasprintf("tests/golden/req/%s", name);
	FILE *file = fopen(path, "r");
	char *text = om_xcalloc(1, 65536);

	if (!file)
		fail_msg("%s is missing", path);
	*len = fread(text, 1, 65535, file);
	fclose(file);
	return text;
}

static void parse_sample(struct om_req *req, const char *name)
{
	size_t len;
	OM_AUTOFREE char *text = read_sample(name, &len);
	struct om_err err = { 0 };

	if (!om_xml_req_parse(req, text, len, &err))
		fail_msg("%s: %s", name, err.msg);
}

static char *replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	assert_non_null(at);
	return om_xasprintf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void the_shared_sample_gives_every_field(void **unused)
{
	struct om_req req;

	(void)unused;
	parse_sample(&req, "shared-7.4.xml");
	assert_string_equal(req.deploy_id, UUID);
	assert_string_equal(req.src_host, "node01");
	assert_string_equal(req.dst_host, "node02");
	assert_string_equal(req.vm_id, "31");
	assert_string_equal(req.vm_name, "web front 01");
	assert_string_equal(req.dst_dir, "/var/lib/one/datastores/0/31");
	assert_string_equal(req.src_base_path, "/var/lib/one/datastores/0");
	assert_string_equal(req.src_ds_id, "0");
	assert_string_equal(req.dst_ds_id, "0");
	assert_string_equal(req.tm_mad, "shared");
	assert_true(req.shared);
	assert_string_equal(req.auto_converge, "30,15");
	assert_string_equal(req.compressed, "YES");
	assert_string_equal(om_pairs_get(&req.ds_template, "SAFE_DIRS"), "/var/tmp");
	assert_string_equal(om_pairs_get(&req.user_template, "NOTE"), "two\nlines");
	assert_null(om_pairs_get(&req.user_template, "NAME"));
	om_req_free(&req);
}

static void an_older_document_lacks_only_what_is_optional(void **unused)
{
	struct om_req req;

	(void)unused;
	parse_sample(&req, "shared-6.4.xml");
	assert_true(req.shared);
	assert_string_equal(req.auto_converge, "");
	assert_string_equal(req.compressed, "");
	om_req_free(&req);
}

static void local_storage_is_told_from_shared_storage(void **unused)
{
	struct om_req req;

	(void)unused;
	parse_sample(&req, "local.xml");
	assert_false(req.shared);
	assert_string_equal(req.tm_mad, "ssh");
	assert_string_equal(req.src_ds_id, "100");
	assert_string_equal(req.dst_ds_id, "100");
	om_req_free(&req);
	parse_sample(&req, "shared-missing.xml");
	assert_false(req.shared);
	om_req_free(&req);
}

static void a_move_on_one_host_has_two_datastores(void **unused)
{
	struct om_req req;

	(void)unused;
	parse_sample(&req, "same-host.xml");
	assert_string_equal(req.src_host, req.dst_host);
	assert_string_equal(req.src_ds_id, "0");
	assert_string_equal(req.dst_ds_id, "101");
	assert_string_equal(req.dst_dir, "/var/lib/one/datastores/101/31");
	assert_string_equal(req.src_base_path, "/var/lib/one/datastores/0");
	om_req_free(&req);
}

static void ceph_and_ipv6_documents_are_read(void **unused)
{
	struct om_req req;

	(void)unused;
	parse_sample(&req, "ceph.xml");
	assert_true(req.shared);
	om_req_free(&req);
	parse_sample(&req, "ipv6-host.xml");
	assert_string_equal(req.dst_host, "fd00::2");
	om_req_free(&req);
}

static void hostile_names_arrive_as_they_are(void **unused)
{
	struct om_req req;

	(void)unused;
	parse_sample(&req, "hostile-names.xml");
	assert_true(
		om_str_starts(req.vm_name, "$(touch /tmp/x) `id` \"q\" 'q' &<b> &amp; %s\nEOT\n"));
	assert_non_null(strstr(req.vm_name, "\nExitCode: 0 EOF_ERR \\ Z\xc3\xbcr"));
	assert_string_equal(om_pairs_get(&req.user_template, "MIGRATE_NETWORK"), "$(id)");
	assert_null(om_pairs_get(&req.user_template, "VECTOR"));
	om_req_free(&req);
}

/* Strict base64, as a front-end sends it to local scripts. */
static char *encode(const char *text, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = om_xcalloc(len / 3 + 2, 4), *to = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;

		bits |= left > 1 ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
		bits |= left > 2 ? (uint32_t)(unsigned char)text[i + 2] : 0;
		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[bits & 63] : '=';
	}
	return out;
}

static void base64_gives_the_same_with_and_without_a_newline(void **unused)
{
	static const char *const ends[] = { "", "\n" };
	size_t len;
	OM_AUTOFREE char *text = read_sample("shared-7.4.xml", &len), *coded = encode(text, len);

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(ends); i++) {
		OM_AUTOFREE char *sent = om_xasprintf("%s%s", coded, ends[i]);
		struct om_req req;
		struct om_err err = { 0 };

		if (!om_xml_req_parse(&req, sent, strlen(sent), &err))
			fail_msg("%s", err.msg);
		assert_string_equal(req.vm_name, "web front 01");
		om_req_free(&req);
	}
}

static void text_may_be_plain_cdata_and_references_in_any_mixture(void **unused)
{
	static const char *const hosts[] = {
		"node01", "<![CDATA[node01]]>", "no<![CDATA[de]]>01", "&#110;ode&#x30;1",
		"no<!-- a comment -->de01", "n<?pi x?>ode01",
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(hosts); i++) {
		OM_AUTOFREE char *text = replaced(WHOLE, "node01", hosts[i]);
		struct om_req req;
		struct om_err err = { 0 };

		if (!om_xml_req_parse(&req, text, strlen(text), &err))
			fail_msg("%s: %s", hosts[i], err.msg);
		assert_string_equal(req.src_host, "node01");
		om_req_free(&req);
	}
}

static void paths_lose_doubled_slashes_and_keep_blanks_and_utf_8(void **unused)
{
	static const char *const rows[][2] = {
		{ "/ds/0", "/ds/0" },	   { "//ds//0/", "/ds/0" },
		{ "/a b/'q'/", "/a b/'q'" }, { "/./d/./0/.", "/d/0" },
		{ "/Z\xc3\xbcrich", "/Z\xc3\xbcrich" }, { "/..x/y..", "/..x/y.." },
		{ "/a&amp;b", "/a&b" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *path = om_xasprintf("<BASE_PATH>%s<", rows[i][0]);
		OM_AUTOFREE char *text = replaced(WHOLE, "<BASE_PATH>/ds/0<", path);
		struct om_req req;
		struct om_err err = { 0 };

		if (!om_xml_req_parse(&req, text, strlen(text), &err))
			fail_msg("%s: %s", rows[i][0], err.msg);
		assert_string_equal(req.src_base_path, rows[i][1]);
		om_req_free(&req);
	}
}

static void shared_is_read_in_any_case(void **unused)
{
	static const struct {
		const char *text;
		bool shared;
	} rows[] = { { "YES", true }, { "yes", true }, { "Yes", true }, { "NO", false },
		     { "", false },   { "1", false },  { "YES ", false } };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *more = om_xasprintf(
			"</BASE_PATH><TEMPLATE><SHARED>%s</SHARED></TEMPLATE>", rows[i].text);
		OM_AUTOFREE char *text = replaced(WHOLE, "</BASE_PATH>", more);
		struct om_req req;
		struct om_err err = { 0 };

		assert_true(om_xml_req_parse(&req, text, strlen(text), &err));
		assert_int_equal(req.shared, rows[i].shared);
		om_req_free(&req);
	}
}

static void assert_refused(const char *data, size_t len, const char *sentence)
{
	struct om_req req;
	struct om_err err = { 0 };

	if (om_xml_req_parse(&req, data, len, &err))
		fail_msg("accepted; expected: %s", sentence);
	assert_int_equal(err.code, OM_E_INPUT);
	assert_string_equal(err.msg, sentence);
	assert_null(req.src_host);
}

#define STDIN "the document on stdin "

static void a_bad_document_is_refused_with_one_sentence(void **unused)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{ "", STDIN "is empty" },
		{ " \n\t", STDIN "is empty" },
		{ "<", STDIN "is cut off or malformed (line 1)" },
		{ "<VMM_DRIVER_ACTION_DATA>\n<HOST>a</HOST>\n",
		  STDIN "is cut off or malformed (line 3)" },
		{ WHOLE "x", STDIN "is cut off or malformed (line 1)" },
		{ WHOLE WHOLE, STDIN "is cut off or malformed (line 1)" },
		{ DOC("&nbsp;", ""), STDIN "is cut off or malformed (line 1)" },
		{ DOC("a & b", ""), STDIN "is cut off or malformed (line 1)" },
		{ "<VM><ID>31</ID></VM>", STDIN "has no root element <VMM_DRIVER_ACTION_DATA>" },
		{ "<x:VMM_DRIVER_ACTION_DATA xmlns:x='u'/>",
		  STDIN "has no root element <VMM_DRIVER_ACTION_DATA>" },
		{ "<!DOCTYPE a>" WHOLE, STDIN "has a DOCTYPE, which is refused" },
		{ "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>" WHOLE,
		  STDIN "has a DOCTYPE, which is refused" },
		{ "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" DOC("&x;", ""),
		  STDIN "has a DOCTYPE, which is refused" },
		{ "<!DOCTYPE a [<!ENTITY x 'aaaaaaaaaa'><!ENTITY y '&x;&x;&x;&x;&x;&x;&x;&x;'>"
		  "<!ENTITY z '&y;&y;&y;&y;&y;&y;&y;&y;'>]>" DOC("&z;", ""),
		  STDIN "has a DOCTYPE, which is refused" },
		{ DOC("\xff", ""), STDIN "is not UTF-8 (line 1)" },
		{ DOC("a", "\n<!-- \xc0\x80 -->"), STDIN "is not UTF-8 (line 2)" },
		{ "no XML", STDIN "is neither XML nor base64 (see byte 3)" },
		{ "Zm9vYmF", STDIN "is neither XML nor base64 (it is cut off at byte 8)" },
		{ "Zm9v\nYmFy", STDIN "is neither XML nor base64 (see byte 5)" },
		{ "Zm9v", STDIN "is cut off or malformed (line 1)" },
		{ DOC("", ""), STDIN "has no HOST, or an empty one" },
		{ DOC("<b>a</b>", ""), STDIN "has no HOST, or an empty one" },
		{ DOC("a</HOST><HOST>b", ""), STDIN "has more than one HOST" },
		{ DOC("a", "<MIGR_HOST/>"), STDIN "has more than one MIGR_HOST" },
		{ DOC("a", "<VM><ID>32</ID></VM>"), STDIN "has more than one VM" },
		{ DOC("a", "<DATASTORE/>"), STDIN "has more than one DATASTORE" },
		{ DOC("-oProxyCommand=x", ""),
		  "HOST '-oProxyCommand=x' in " STDIN "is no host name" },
		{ DOC("a b", ""), "HOST 'a b' in " STDIN "is no host name" },
		{ DOC("a\nb", ""), "HOST 'a?b' in " STDIN "is no host name" },
		{ DOC("$(id)", ""), "HOST '$(id)' in " STDIN "is no host name" },
		{ DOC("a/b?command=x", ""), "HOST 'a/b?command=x' in " STDIN "is no host name" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].sentence);
}

static void a_bad_value_is_refused_with_the_element_named(void **unused)
{
	static const struct {
		const char *old, *new, *sentence;
	} rows[] = {
		{ "<HOST>node01</HOST>", "", STDIN "has no HOST, or an empty one" },
		{ "<HOST>node01</HOST>", "<HOST/>", STDIN "has no HOST, or an empty one" },
		{ "node02", "", STDIN "has no MIGR_HOST, or an empty one" },
		{ UUID, "", STDIN "has no DEPLOY_ID, or an empty one" },
		{ UUID, "a b", "DEPLOY_ID 'a b' in " STDIN "is no UUID and no name of a domain" },
		{ UUID, "--help",
		  "DEPLOY_ID '--help' in " STDIN "is no UUID and no name of a domain" },
		{ UUID, "..", "DEPLOY_ID '..' in " STDIN "is no UUID and no name of a domain" },
		{ UUID, "Z\xc3\xbc\xc2\x9b",
		  "DEPLOY_ID 'Z\xc3\xbc?' in " STDIN "is no UUID and no name of a domain" },
		{ UUID, "a;b", "DEPLOY_ID 'a;b' in " STDIN "is no UUID and no name of a domain" },
		{ UUID, UUID UUID,
		  "DEPLOY_ID '" UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8' in " STDIN
		  "is no UUID and no name of a domain" },
		{ "<VM><ID>31</ID></VM>", "", STDIN "has no VM/ID, or an empty one" },
		{ "<ID>31</ID>", "<ID>31</ID><ID>32</ID>", STDIN "has more than one ID" },
		{ "<ID>31", "<ID>31x", "VM/ID '31x' in " STDIN "is no number of a VM" },
		{ "<ID>31", "<ID>-1", "VM/ID '-1' in " STDIN "is no number of a VM" },
		{ "<ID>31", "<ID> 31", "VM/ID ' 31' in " STDIN "is no number of a VM" },
		{ "<ID>31", "<ID>00000000031",
		  "VM/ID '00000000031' in " STDIN "is no number of a VM" },
		{ "<BASE_PATH>/ds/0</BASE_PATH>", "",
		  STDIN "has no DATASTORE/BASE_PATH, or an empty one" },
		{ "<BASE_PATH>", "<BASE_PATH/><BASE_PATH>", STDIN "has more than one BASE_PATH" },
		{ "<BASE_PATH>/ds/0", "<BASE_PATH>ds/0",
		  "DATASTORE/BASE_PATH 'ds/0' in " STDIN "is no absolute path" },
		{ "<BASE_PATH>/ds/0", "<BASE_PATH>//",
		  "DATASTORE/BASE_PATH '//' in " STDIN "is the root directory" },
		{ "<BASE_PATH>/ds/0", "<BASE_PATH>/ds/../etc",
		  "DATASTORE/BASE_PATH '/ds/../etc' in " STDIN "has a '..' in it" },
		{ "<BASE_PATH>/ds/0", "<BASE_PATH>/..",
		  "DATASTORE/BASE_PATH '/..' in " STDIN "has a '..' in it" },
		{ "<BASE_PATH>/ds/0", "<BASE_PATH>/a\nb",
		  "DATASTORE/BASE_PATH '/a?b' in " STDIN "holds a control character" },
		{ "/ds/0/31", "", STDIN "has no DISK_TARGET_PATH, or an empty one" },
		{ "/ds/0/31", "31", "DISK_TARGET_PATH '31' in " STDIN "is no absolute path" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		OM_AUTOFREE char *text = replaced(WHOLE, rows[i].old, rows[i].new);

		assert_refused(text, strlen(text), rows[i].sentence);
	}
}

static void a_document_cut_anywhere_is_refused(void **unused)
{
	size_t len;
	OM_AUTOFREE char *text = read_sample("hostile-names.xml", &len);

	(void)unused;
	while (len && text[len - 1] != '>')
		len--;
	for (size_t cut = 0; cut < len; cut += cut + 100 < len ? 7 : 1) {
		/* In memory of its own size, so that reading past the end is noticed. */
		OM_AUTOFREE char *part = om_xcalloc(cut, 1);
		struct om_req req;
		struct om_err err = { 0 };

		memcpy(part, text, cut);
		if (om_xml_req_parse(&req, part, cut, &err))
			fail_msg("accepted a document cut at byte %zu of %zu", cut, len);
		assert_true(*err.msg && !strchr(err.msg, '\n'));
	}
}

static void a_nul_byte_is_refused_in_xml_and_in_base64(void **unused)
{
	char text[] = "\n" WHOLE;

	(void)unused;
	text[40] = '\0';
	assert_refused(text, sizeof(text) - 1, STDIN "holds a NUL byte (line 2)");

	OM_AUTOFREE char *coded = encode(text, sizeof(text) - 1);
	assert_refused(coded, strlen(coded), STDIN "holds a NUL byte (line 2)");
}

static void an_over_long_document_is_refused_and_a_long_one_is_read(void **unused)
{
	static const char note[] = "<NOTE>0123456789</NOTE>";
	size_t end = strlen(WHOLE) - strlen("</VMM_DRIVER_ACTION_DATA>"), at;
	OM_AUTOFREE char *text = om_xcalloc(OM_REQ_MAX_BYTES + 2, 1);
	struct om_req req;
	struct om_err err = { 0 };

	(void)unused;
	memset(text, ' ', OM_REQ_MAX_BYTES + 1);
	assert_refused(text, OM_REQ_MAX_BYTES + 1, STDIN "is longer than 16777216 bytes");
	memcpy(text, WHOLE, end);
	for (at = end; at + sizeof(note) + 100 < OM_REQ_MAX_BYTES; at += strlen(note))
		memcpy(text + at, note, strlen(note));
	memcpy(text + at, &WHOLE[end], strlen(WHOLE) - end);
	if (!om_xml_req_parse(&req, text, OM_REQ_MAX_BYTES, &err))
		fail_msg("%s", err.msg);
	om_req_free(&req);
}

static void deep_nesting_is_refused_or_read_but_never_crashes(void **unused)
{
	enum { DEPTH = 100000 };
	OM_AUTOFREE char *text = om_xcalloc(3, DEPTH + 100);
	struct om_req req;
	struct om_err err = { 0 };

	(void)unused;
	for (size_t i = 0; i < DEPTH; i++)
		memcpy(text + 3 * i, "<a>", 3);
	assert_false(om_xml_req_parse(&req, text, 3 * DEPTH, &err));
	assert_int_equal(err.code, OM_E_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shared_sample_gives_every_field),
		cmocka_unit_test(an_older_document_lacks_only_what_is_optional),
		cmocka_unit_test(local_storage_is_told_from_shared_storage),
		cmocka_unit_test(a_move_on_one_host_has_two_datastores),
		cmocka_unit_test(ceph_and_ipv6_documents_are_read),
		cmocka_unit_test(hostile_names_arrive_as_they_are),
		cmocka_unit_test(base64_gives_the_same_with_and_without_a_newline),
		cmocka_unit_test(text_may_be_plain_cdata_and_references_in_any_mixture),
		cmocka_unit_test(paths_lose_doubled_slashes_and_keep_blanks_and_utf_8),
		cmocka_unit_test(shared_is_read_in_any_case),
		cmocka_unit_test(a_bad_document_is_refused_with_one_sentence),
		cmocka_unit_test(a_bad_value_is_refused_with_the_element_named),
		cmocka_unit_test(a_document_cut_anywhere_is_refused),
		cmocka_unit_test(a_nul_byte_is_refused_in_xml_and_in_base64),
		cmocka_unit_test(an_over_long_document_is_refused_and_a_long_one_is_read),
		cmocka_unit_test(deep_nesting_is_refused_or_read_but_never_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
