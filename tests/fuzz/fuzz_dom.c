/* SPDX-License-Identifier: Apache-2.0 */
/* A domain's XML: every text is there, and is freed. */
#include "om_dom.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_disk(const struct om_dom_disk *disk)
{
	expect(disk->target && disk->source && disk->format && disk->cache);
	expect(disk->secret_uuid && disk->secret_usage);
	expect(disk->kind != OM_DISK_EMPTY || !*disk->source);
	expect(*disk->source || disk->kind == OM_DISK_EMPTY || disk->kind == OM_DISK_OTHER);
	for (size_t i = 0; i < disk->chain.n; i++)
		expect(*disk->chain.v[i]);
}

static void check_accepted(const struct om_dom *dom)
{
	const char *texts[] = { dom->machine,  dom->emulator,	    dom->arch,	 dom->virt_type,
				dom->loader,   dom->nvram,	    dom->kernel, dom->initrd,
				dom->cpu,      dom->nvram_template, dom->vm_dir, dom->cpu_mode,
				dom->cpu_check };

	expect(*dom->uuid && *dom->name);
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		expect(texts[i]);
	for (size_t i = 0; i < dom->disk_count; i++)
		check_disk(&dom->disks[i]);
	for (size_t i = 0; i < dom->nic_count; i++)
		expect(dom->nics[i].type && dom->nics[i].source && dom->nics[i].virtualport &&
		       dom->nics[i].target);
	for (size_t i = 0; i < dom->graphics_count; i++)
		expect(dom->graphics[i].type && dom->graphics[i].listen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *xml = om_xstrndup((const char *)data, size);
	struct om_dom dom;
	struct om_err err = { 0 };

	if (om_xml_dom_parse(&dom, xml, &err)) {
		check_accepted(&dom);
		om_dom_cpu_refused(&dom, OM_ANSWER_YES, xml); /* whatever the words are */
		om_dom_free(&dom);
	} else {
		expect(err.code == OM_E_INPUT && *err.msg);
	}
	return 0;
}
