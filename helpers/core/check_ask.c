/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks need to know of both hosts. */
#include "check_internal.h"

#include <string.h>

static bool has(const struct om_strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

/* Each once; what does not fit is "not checked" later. */
static void add(struct om_strv *list, const char *text)
{
	if (!om_str_empty(text) && list->n < OM_SURVEY_LIST_MAX && !has(list, text))
		om_strv_add(list, text);
}

static void add_path(struct om_survey_ask *ask, const char *path)
{
	if (!om_str_empty(path) && *path == '/')
		add(&ask->paths, path);
}

static void add_disk(struct om_survey_ask *ask, const struct om_dom_disk *disk)
{
	OM_AUTOFREE char *secret = NULL;

	if (disk->kind == OM_DISK_FILE || disk->kind == OM_DISK_BLOCK)
		add_path(ask, disk->source);
	for (size_t i = 0; i < disk->chain.n; i++)
		add_path(ask, disk->chain.v[i]);
	if (!om_str_empty(disk->secret_uuid))
		secret = om_xasprintf("uuid:%s", disk->secret_uuid);
	else if (!om_str_empty(disk->secret_usage))
		secret = om_xasprintf("usage:%s", disk->secret_usage);
	add(&ask->secrets, secret);
}

static void add_nic(struct om_survey_ask *ask, const struct om_dom_nic *nic)
{
	if (strcmp(nic->type, "network") == 0)
		add(&ask->networks, nic->source);
	else if (strcmp(nic->type, "bridge") == 0 || strcmp(nic->type, "direct") == 0)
		add(&ask->bridges, nic->source);
}

static void add_port(struct om_survey_ask *ask, uint16_t port)
{
	for (size_t i = 0; i < ask->port_count; i++)
		if (ask->ports[i] == port)
			return;
	if (port && ask->port_count < OM_SURVEY_PORTS_MAX)
		ask->ports[ask->port_count++] = port;
}

static char *copy(const char *text)
{
	return om_xstrdup(text ? text : "");
}

static void ask_texts(struct om_survey_ask *ask, const struct om_dom *dom)
{
	ask->uuid = copy(dom->uuid);
	ask->name = copy(dom->name);
	ask->arch = copy(dom->arch);
	ask->virt_type = copy(dom->virt_type);
	ask->machine = copy(dom->machine);
	ask->emulator = copy(dom->emulator);
	ask->cpu = copy(dom->cpu);
}

void om_check_ask(struct om_survey_ask *ask, const struct om_dom *dom, const struct om_opts *opts,
		  const struct om_knobs *knobs, const char *vm_dir)
{
	const char *const files[] = { dom->loader, dom->nvram, dom->nvram_template, dom->kernel,
				      dom->initrd };

	*ask = (struct om_survey_ask){ .huge_page_kib = dom->huge_page_kib, .tpm = dom->has_tpm };
	ask_texts(ask, dom);
	add_path(ask, vm_dir);
	for (size_t i = 0; i < OM_ARRAY_LEN(files); i++)
		add_path(ask, files[i]);
	for (size_t i = 0; i < dom->disk_count; i++)
		add_disk(ask, &dom->disks[i]);
	for (size_t i = 0; i < dom->nic_count; i++)
		add_nic(ask, &dom->nics[i]);
	for (size_t i = 0; i < dom->graphics_count; i++) {
		add_port(ask, dom->graphics[i].port[0]);
		add_port(ask, dom->graphics[i].port[1]);
	}
	ask->tls = (opts->flags & OM_FLAG_TLS) || om_knob_number(knobs, OM_KNOB_MIGRATE_TLS);
	ask->postcopy = (opts->flags & OM_FLAG_POSTCOPY) ||
			om_knob_number(knobs, OM_KNOB_MIGRATE_POSTCOPY);
}
