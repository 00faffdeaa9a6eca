/* SPDX-License-Identifier: Apache-2.0 */
#include "om_dom.h"

#include <stdlib.h>

static void free_disk(struct om_dom_disk *disk)
{
	char *texts[] = { disk->target, disk->source,	   disk->format,
			  disk->cache,	disk->secret_uuid, disk->secret_usage };

	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		free(texts[i]);
	om_strv_free(&disk->chain);
}

static void free_nic(struct om_dom_nic *nic)
{
	free(nic->type);
	free(nic->source);
	free(nic->virtualport);
	free(nic->target);
}

void om_dom_free(struct om_dom *dom)
{
	char *texts[] = { dom->uuid,   dom->name,      dom->machine,  dom->emulator,
			  dom->arch,   dom->virt_type, dom->loader,   dom->nvram,
			  dom->kernel, dom->initrd,    dom->cpu,      dom->nvram_template,
			  dom->vm_dir, dom->cpu_mode,  dom->cpu_check };

	for (size_t i = 0; i < dom->disk_count; i++)
		free_disk(&dom->disks[i]);
	for (size_t i = 0; i < dom->nic_count; i++)
		free_nic(&dom->nics[i]);
	for (size_t i = 0; i < dom->graphics_count; i++) {
		free(dom->graphics[i].type);
		free(dom->graphics[i].listen);
	}
	free(dom->disks);
	free(dom->nics);
	free(dom->graphics);
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		free(texts[i]);
	*dom = (struct om_dom){ 0 };
}
