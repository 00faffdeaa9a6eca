/* SPDX-License-Identifier: Apache-2.0 */
/* The document of the TM scripts: base64 of one <VM>. */
#include "om_tm.h"

#include "om_base64.h"
#include "xml_internal.h"

#include <stdlib.h>
#include <string.h>

#define WHAT "the document on stdin"

void om_vm_free(struct om_vm *vm)
{
	char *texts[] = { vm->id,  vm->deploy_id,     vm->name,	     vm->vm_mad,
			  vm->seq, vm->auto_converge, vm->compressed };

	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < vm->nic_count; i++) {
		free(vm->nics[i].vn_mad);
		free(vm->nics[i].bridge);
	}
	free(vm->nics);
	om_pairs_free(&vm->user_template);
	om_strv_free(&vm->tm_mads);
	*vm = (struct om_vm){ 0 };
}

static char *text_at(struct _xmlNode *root, const char *path)
{
	return om_xml_text(om_xml_find(root, path));
}

static void read_nics(struct om_vm *vm, struct _xmlNode *template, const char *kind)
{
	for (struct _xmlNode *node = om_xml_child(template, kind); node;
	     node = om_xml_next(node, kind)) {
		OM_AUTOFREE char *vn_mad = text_at(node, "VN_MAD");

		if (!*vn_mad)
			continue;
		vm->nics = om_xrealloc(vm->nics, (vm->nic_count + 1) * sizeof(*vm->nics));
		vm->nics[vm->nic_count].vn_mad = om_xstrdup(vn_mad);
		vm->nics[vm->nic_count++].bridge = text_at(node, "BRIDGE");
	}
}

static bool has(const struct om_strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

static void read_disks(struct om_vm *vm, struct _xmlNode *template)
{
	for (struct _xmlNode *node = om_xml_child(template, "DISK"); node;
	     node = om_xml_next(node, "DISK")) {
		OM_AUTOFREE char *tm_mad = text_at(node, "TM_MAD");

		if (*tm_mad && !has(&vm->tm_mads, tm_mad))
			om_strv_add(&vm->tm_mads, tm_mad);
	}
}

static void read_user_template(struct om_vm *vm, struct _xmlNode *parent)
{
	for (struct _xmlNode *node = om_xml_child(parent, NULL); node;
	     node = om_xml_next(node, NULL)) {
		OM_AUTOFREE char *value = om_xml_text(node);

		if (!om_xml_child(node, NULL))
			om_pairs_add(&vm->user_template, om_xml_name(node), value);
	}
}

/* A second one would make two readers see two VMs. */
static bool read_once(char **text, struct _xmlNode *root, const char *name, struct om_err *err)
{
	struct _xmlNode *node = om_xml_child(root, name);

	if (om_xml_next(node, name))
		return om_err_set(err, OM_E_INPUT, WHAT " has more than one %s", name);
	*text = om_xml_text(node);
	return true;
}

static bool parse_xml(struct om_vm *vm, const char *xml, size_t len, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	struct _xmlNode *root, *template;
	uint64_t id;

	if (!om_xml_load(&doc, xml, len, "VM", WHAT, err))
		return false;
	root = om_xml_root(doc);
	template = om_xml_child(root, "TEMPLATE");
	if (!read_once(&vm->id, root, "ID", err) ||
	    !read_once(&vm->deploy_id, root, "DEPLOY_ID", err))
		return false;
	if (strlen(vm->id) > 10 || !om_parse_u64(vm->id, 0, UINT32_MAX, &id))
		return om_err_set(err, OM_E_INPUT, WHAT " has no ID of a VM");
	vm->name = text_at(root, "NAME");
	vm->vm_mad = text_at(root, "HISTORY_RECORDS/HISTORY/VM_MAD");
	vm->seq = text_at(root, "HISTORY_RECORDS/HISTORY/SEQ");
	vm->auto_converge = text_at(template, "FEATURES/MIGRATE_AUTO_CONVERGE");
	vm->compressed = text_at(template, "FEATURES/MIGRATE_COMPRESSED");
	read_nics(vm, template, "NIC");
	read_nics(vm, template, "PCI");
	read_disks(vm, template);
	read_user_template(vm, om_xml_child(root, "USER_TEMPLATE"));
	return true;
}

static bool parse_base64(struct om_vm *vm, const char *data, size_t len, struct om_err *err)
{
	OM_AUTOFREE char *xml = NULL;
	size_t xml_len, bad_at;

	if (data[len - 1] == '\n')
		len--;
	if (!om_base64_decode(data, len, &xml, &xml_len, &bad_at))
		return om_err_set(err, OM_E_INPUT, WHAT " is no base64 (%s byte %zu)",
				  bad_at == len ? "it is cut off at" : "see", bad_at + 1);
	return parse_xml(vm, xml, xml_len, err);
}

bool om_xml_vm_parse(struct om_vm *vm, const char *data, size_t len, struct om_err *err)
{
	bool ok;

	*vm = (struct om_vm){ 0 };
	if (len > OM_REQ_MAX_BYTES)
		return om_err_set(err, OM_E_INPUT, WHAT " is longer than %u bytes",
				  OM_REQ_MAX_BYTES);
	if (len == 0)
		return om_err_set(err, OM_E_INPUT, WHAT " is empty");
	ok = *data == '<' ? parse_xml(vm, data, len, err) : parse_base64(vm, data, len, err);
	if (!ok)
		om_vm_free(vm);
	return ok;
}
