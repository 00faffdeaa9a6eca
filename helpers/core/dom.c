/* SPDX-License-Identifier: Apache-2.0 */
#include "om_dom.h"
#include "om_opts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

uint64_t om_dom_machine_version(const struct om_dom *dom)
{
	const char *dash = dom->machine ? strrchr(dom->machine, '-') : NULL;
	unsigned int major, minor;
	int end = 0;

	if (!dash || sscanf(dash, "-%3u.%3u%n", &major, &minor, &end) != 2 || dash[end])
		return 0;
	return (uint64_t)major * 1000000 + (uint64_t)minor * 1000;
}

void om_dom_qemu_unseen(const struct om_dom *dom, struct om_versions *versions)
{
	uint64_t machine = om_dom_machine_version(dom), installed = versions->src_qemu;

	versions->src_qemu = machine < installed ? machine : installed;
	versions->src_qemu_most = machine > installed ? machine : installed;
	if (!installed) /* it may be any */
		versions->src_qemu_most = UINT64_MAX;
}

/*
 * What a NO of virConnectCompareHypervisorCPU() is worth, by the guest's live <cpu>.
 *
 *   mode               check    at the start on the destination                         a NO is
 *   custom             full     QEMU tells which features the guest has got, and        certain where
 *                               libvirt refuses each difference                         features are missing
 *   custom             partial  compared with all that the processor has: more than     a doubt
 *                               the call compares with
 *   custom             none     nothing: QEMU leaves out what it cannot give            a doubt
 *   host-passthrough,  any      nothing                                                 never given
 *   maximum
 *
 * A running x86 guest of a named model has check='full', whatever it was defined with, under kvm and qemu
 * alike; host-model is a named model from its start on. It is this live CPU that the destination gets, in
 * the migration's cookie. No certainty comes
 *   - where the source, on which the guest runs, says NO to its CPU as well: the call knows less than QEMU;
 *   - from the vendor, match='strict' and forbidden features, which check='full' does not look at;
 *   - from features that QEMU can give but not by "-cpu host" or "-cpu max", of which libvirt learns what
 *     there is, and from those that libvirt itself takes out of each CPU before a start;
 *   - from vmx-..., which a newer libvirt leaves out of the cookie where nobody asked for them.
 * A model or a required feature that libvirt there does not know is refused with any check, because it is
 * looked up.
 */
static const char *const unproven_features[] = {
	"ht", "topoext", "invtsc", "cmt", "mbm_total", "mbm_local", "osxsave", "ospke",
};

static bool is_feature(const char *word, size_t len)
{
	return len > 0 && strspn(word, "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+") >= len;
}

static bool is_unproven(const char *word, size_t len)
{
	if (om_str_starts(word, "vmx-"))
		return true;
	for (size_t i = 0; i < OM_ARRAY_LEN(unproven_features); i++)
		if (strlen(unproven_features[i]) == len &&
		    memcmp(unproven_features[i], word, len) == 0)
			return true;
	return false;
}

/* The words before the list may be translated; the list stands after the last colon. */
static bool names_missing_feature(const char *why)
{
	const char *colon = strrchr(why, ':');
	bool proven = false;

	if (!colon)
		return false;
	for (const char *word = colon + 1; *word;) {
		size_t len;

		word += strspn(word, ", ");
		len = strcspn(word, ",");
		if (!is_feature(word, len))
			return false;
		proven = proven || !is_unproven(word, len);
		word += len;
	}
	return proven;
}

bool om_dom_cpu_refused(const struct om_dom *dom, enum om_answer source, const char *why)
{
	bool named = strcmp(dom->cpu_mode, "custom") == 0 ||
		     strcmp(dom->cpu_mode, "host-model") == 0;

	if (om_str_starts(why, OM_CPU_MODEL_UNKNOWN) || om_str_starts(why, OM_CPU_FEATURE_UNKNOWN))
		return named;
	return source == OM_ANSWER_YES && named && !dom->cpu_strict &&
	       strcmp(dom->cpu_check, "full") == 0 && names_missing_feature(why);
}
