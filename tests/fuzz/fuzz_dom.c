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

static void check_accepted(const struct om_dom *dom)
{
	expect(*dom->uuid && *dom->name && dom->machine && dom->emulator);
	for (size_t i = 0; i < dom->disk_count; i++) {
		const struct om_dom_disk *disk = &dom->disks[i];

		expect(disk->target && disk->source && disk->format);
		expect(disk->kind != OM_DISK_EMPTY || !*disk->source);
		expect(*disk->source || disk->kind == OM_DISK_EMPTY || disk->kind == OM_DISK_OTHER);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *xml = om_xstrndup((const char *)data, size);
	struct om_dom dom;
	struct om_err err = { 0 };

	if (om_xml_dom_parse(&dom, xml, &err)) {
		check_accepted(&dom);
		om_dom_free(&dom);
	} else {
		expect(err.code == OM_E_INPUT && *err.msg);
	}
	return 0;
}
