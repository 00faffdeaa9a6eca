/* SPDX-License-Identifier: Apache-2.0 */
/* The document of the TM scripts, and what their record holds: accepted or refused with a sentence, and freed. */
#include "om_tm.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_vm(const uint8_t *data, size_t size)
{
	struct om_vm vm;
	struct om_err err = { 0 };
	uint64_t id;

	if (!om_xml_vm_parse(&vm, (const char *)data, size, &err)) {
		expect(err.code == OM_E_INPUT && *err.msg && !strchr(err.msg, '\n') && !vm.id);
		return;
	}
	expect(om_parse_u64(vm.id, 0, UINT32_MAX, &id));
	expect(vm.deploy_id && vm.name && vm.vm_mad && vm.seq && vm.auto_converge && vm.compressed);
	for (size_t i = 0; i < vm.nic_count; i++)
		expect(*vm.nics[i].vn_mad && vm.nics[i].bridge);
	om_vm_free(&vm);
}

/* What passes for a VM's directory ends as one. */
static void check_dir(const char *text)
{
	struct om_err err = { 0 };
	char *dir;
	size_t len;

	if (!om_tm_dir(&dir, text, "31", &err)) {
		expect(!dir && *err.msg);
		return;
	}
	len = strlen(dir);
	expect(*dir == '/' && len > 5 && strcmp(dir + len - 3, "/31") == 0);
	expect(!strstr(dir, "//") && !strstr(dir, "/../") && !strstr(dir, "/./"));
	expect(om_tm_path_in(text, dir) && !om_tm_path_in_other(text, dir, "31"));
	free(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);
	struct om_tm_record record;

	check_vm(data, size);
	check_dir(text);
	if (om_tm_record_parse(&record, text)) {
		OM_AUTOFREE char *again = om_tm_record_print(&record);

		expect(again && record.vm_id && record.dst && record.dir && record.seq);
		om_tm_record_free(&record);
	}
	return 0;
}
