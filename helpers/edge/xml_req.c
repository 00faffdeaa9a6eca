/* SPDX-License-Identifier: Apache-2.0 */
#include "om_req.h"

#include "om_addr.h"
#include "om_base64.h"
#include "om_text.h"
#include "xml_internal.h"

#include <stdlib.h>
#include <string.h>

#define WHAT "the document on stdin"
#define ROOT "VMM_DRIVER_ACTION_DATA"
#define VM_ID_MAX_DIGITS 10
#define DEPLOY_ID_MAX_BYTES 64
#define PATH_MAX_BYTES 3072 /* leaves room for a disk's name below it */

/* Checks a value and may change it in place; NULL where it is right, else what it is not. */
typedef const char *check_fn(char *text);

static const char *check_host(char *text)
{
	return om_host_valid(text) ? NULL : "is no host name";
}

static const char *check_vm_id(char *text)
{
	uint64_t id;

	if (strlen(text) > VM_ID_MAX_DIGITS || !om_parse_u64(text, 0, UINT64_MAX, &id))
		return "is no number of a VM";
	return NULL;
}

/* A UUID or a name of a domain; not what a command would take for an option. */
static const char *check_deploy_id(char *text)
{
	size_t len = strspn(text,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (text[len] || len > DEPLOY_ID_MAX_BYTES || *text == '-' || *text == '.')
		return "is no UUID and no name of a domain";
	return NULL;
}

/* Writes one segment of a path behind `to`; "." and empty ones vanish. */
static char *add_segment(char *to, const char *segment, size_t len)
{
	if (len == 0 || (len == 1 && *segment == '.'))
		return to;
	*to++ = '/';
	memmove(to, segment, len);
	return to + len;
}

static const char *check_path(char *text)
{
	char *to = text;
	const char *from = text;

	if (*text != '/')
		return "is no absolute path";
	if (strlen(text) > PATH_MAX_BYTES)
		return "is too long for a path";
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return "holds a control character";
	while (*from) {
		size_t len;

		from += *from == '/';
		len = strcspn(from, "/");
		if (len == 2 && memcmp(from, "..", 2) == 0)
			return "has a '..' in it";
		to = add_segment(to, from, len);
		from += len;
	}
	*to = '\0';
	return to == text ? "is the root directory" : NULL;
}

#define AT(field) offsetof(struct om_req, field)

/* With a check an element has to be there, once, and not empty; else the first one counts, as in
 * the stock script, and may be missing. */
static const struct {
	const char *path;
	size_t offset;
	check_fn *check;
} fields[] = {
	/* clang-format off */
	{ "HOST",                               AT(src_host),      check_host },
	{ "MIGR_HOST",                          AT(dst_host),      check_host },
	{ "DEPLOY_ID",                          AT(deploy_id),     check_deploy_id },
	{ "DISK_TARGET_PATH",                   AT(dst_dir),       check_path },
	{ "VM/ID",                              AT(vm_id),         check_vm_id },
	{ "DATASTORE/BASE_PATH",                AT(src_base_path), check_path },
	{ "VM/NAME",                            AT(vm_name),       NULL },
	{ "VM/TEMPLATE/FEATURES/MIGRATE_AUTO_CONVERGE", AT(auto_converge), NULL },
	{ "VM/TEMPLATE/FEATURES/MIGRATE_COMPRESSED",    AT(compressed),    NULL },
	{ "VM/HISTORY_RECORDS/HISTORY/DS_ID",   AT(dst_ds_id),     NULL },
	{ "DATASTORE/ID",                       AT(src_ds_id),     NULL },
	{ "DATASTORE/TM_MAD",                   AT(tm_mad),        NULL },
	/* clang-format on */
};

/* Each element of the path stands once. Not found: *node is NULL. */
static bool find_once(struct _xmlNode **node, const char *path, struct om_err *err)
{
	char names[64];
	char *name, *rest = names;

	om_str_copy(names, sizeof(names), path);
	while (*node && (name = strsep(&rest, "/"))) {
		*node = om_xml_child(*node, name);
		if (om_xml_next(*node, name))
			return om_err_set(err, OM_E_INPUT, WHAT " has more than one %s", name);
	}
	return true;
}

/* The beginning of a value, whole characters of it, fit for a message. */
static void make_shown(char shown[64], const char *text)
{
	char piece[64];
	struct om_text to = { .text = shown, .size = 64 };

	om_str_copy(piece, sizeof(piece), text);
	piece[om_utf8_span(piece, strlen(piece))] = '\0';
	om_text_add_clean(&to, piece);
}

static bool read_needed(char **text, struct _xmlNode *root, const char *path, check_fn *check,
			struct om_err *err)
{
	struct _xmlNode *node = root;
	char shown[64];
	const char *wrong;

	if (!find_once(&node, path, err))
		return false;
	*text = om_xml_text(node);
	if (!**text)
		return om_err_set(err, OM_E_INPUT, WHAT " has no %s, or an empty one", path);
	make_shown(shown, *text);
	wrong = check(*text);
	if (wrong)
		return om_err_set(err, OM_E_INPUT, "%s '%s' in " WHAT " %s", path, shown, wrong);
	return true;
}

static bool read_fields(struct om_req *req, struct _xmlNode *root, struct om_err *err)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(fields); i++) {
		char **text = (char **)(void *)((char *)req + fields[i].offset);

		if (!fields[i].check)
			*text = om_xml_text(om_xml_find(root, fields[i].path));
		else if (!read_needed(text, root, fields[i].path, fields[i].check, err))
			return false;
	}
	return true;
}

/* The elements without elements in them. */
static void read_pairs(struct om_pairs *pairs, struct _xmlNode *parent)
{
	for (struct _xmlNode *node = om_xml_child(parent, NULL); node;
	     node = om_xml_next(node, NULL)) {
		OM_AUTOFREE char *value = om_xml_text(node);

		if (!om_xml_child(node, NULL))
			om_pairs_add(pairs, om_xml_name(node), value);
	}
}

static bool parse_xml(struct om_req *req, const char *xml, size_t len, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	OM_AUTOFREE char *shared = NULL;
	struct _xmlNode *root;

	if (!om_xml_load(&doc, xml, len, ROOT, WHAT, err))
		return false;
	root = om_xml_root(doc);
	if (!read_fields(req, root, err))
		return false;
	shared = om_xml_text(om_xml_find(root, "DATASTORE/TEMPLATE/SHARED"));
	req->shared = om_str_eq_nocase(shared, "YES");
	req->shared_known = true;
	read_pairs(&req->ds_template, om_xml_find(root, "DATASTORE/TEMPLATE"));
	read_pairs(&req->user_template, om_xml_find(root, "VM/USER_TEMPLATE"));
	return true;
}

static bool parse_base64(struct om_req *req, const char *data, size_t len, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;
	size_t xml_len, bad_at;

	if (data[len - 1] == '\n')
		len--;
	if (!om_base64_decode(data, len, &xml, &xml_len, &bad_at))
		return om_err_set(err, OM_E_INPUT, WHAT " is neither XML nor base64 (%s byte %zu)",
				  bad_at == len ? "it is cut off at" : "see", bad_at + 1);
	return parse_xml(req, xml, xml_len, err);
}

static size_t leading_blanks(const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && (data[n] == ' ' || (data[n] >= '\t' && data[n] <= '\r')))
		n++;
	return n;
}

bool om_xml_req_parse(struct om_req *req, const char *data, size_t len, struct om_err *err)
{
	size_t blanks = leading_blanks(data, len);
	bool ok;

	*req = (struct om_req){ 0 };
	if (len > OM_REQ_MAX_BYTES)
		return om_err_set(err, OM_E_INPUT, WHAT " is longer than %u bytes",
				  OM_REQ_MAX_BYTES);
	if (blanks == len)
		return om_err_set(err, OM_E_INPUT, WHAT " is empty");
	if (data[blanks] == '<')
		ok = parse_xml(req, data, len, err);
	else
		ok = parse_base64(req, data + blanks, len - blanks, err);
	if (!ok)
		om_req_free(req);
	return ok;
}
