/* SPDX-License-Identifier: Apache-2.0 */
#include "disks_internal.h"

#include "om_text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static const char *const file_words[] = {
	[OM_FILE_SEND_IT] = "sent",	[OM_FILE_LINK_IT] = "linked again",
	[OM_FILE_MAKE_DIR] = "made",	[OM_FILE_MIRRORED] = "mirrored",
	[OM_FILE_LEAVE] = "left alone",
};
static_assert(OM_ARRAY_LEN(file_words) == OM_FILE_WAY_COUNT, "a word for each way");

/* One line, whatever the owner has put into the name. */
static void add_name(struct om_buf *buf, const char *name)
{
	char clean[OM_DISKS_NAME_MAX + 1];
	struct om_text to = { .text = clean, .size = sizeof(clean) };

	om_text_add_clean(&to, name);
	om_buf_addf(buf, "%s", clean);
}

static void add_mirror(struct om_buf *buf, const struct om_disks_facts *facts,
		       const struct om_disk_plan *plan, size_t i)
{
	const struct om_image *image = &facts->disks[i].image;

	om_buf_addf(buf, ", %" PRIu64 " bytes", plan->copy_bytes);
	if (!plan->placeholder) {
		om_buf_addf(buf, " to ");
		add_name(buf, plan->device);
	} else {
		om_buf_addf(buf, " of %" PRIu64 " to ", image->virtual_bytes);
		add_name(buf, facts->items[plan->item].name);
		om_buf_addf(buf, " (%s)", image->format == OM_IMAGE_RAW ? "raw" : "qcow2");
	}
	if (plan->chain) {
		om_buf_addf(buf, " on ");
		add_name(buf, image->backing);
		om_buf_addf(buf, " (%s)", plan->backing_format);
	}
	if (plan->sync_wanted)
		om_buf_addf(buf, ", written to too fast");
}

static void add_disk(struct om_buf *buf, const struct om_disks *disks,
		     const struct om_disks_facts *facts, size_t i)
{
	const struct om_disk_plan *plan = &disks->disk[i];

	om_buf_addf(buf, "disk %s: %s", facts->dom->disks[i].target, om_disk_way_name(plan->way));
	if (plan->way == OM_DISK_MIRROR)
		add_mirror(buf, facts, plan, i);
	else
		om_buf_addf(buf, ", %s", plan->why);
	om_buf_addf(buf, "\n");
}

static void add_file(struct om_buf *buf, const struct om_disks *disks,
		     const struct om_disks_facts *facts, size_t i)
{
	om_buf_addf(buf, "file ");
	add_name(buf, facts->items[i].name);
	om_buf_addf(buf, ": %s%s\n", file_words[disks->file[i]],
		    i == disks->nvram ? " (its NVRAM)" : "");
}

void om_disks_print(struct om_buf *buf, const struct om_disks *disks,
		    const struct om_disks_facts *facts)
{
	for (size_t i = 0; i < disks->disk_count; i++)
		add_disk(buf, disks, facts, i);
	for (size_t i = 0; i < disks->file_count; i++)
		add_file(buf, disks, facts, i);
	if (disks->mirrors)
		om_buf_addf(buf, "mirrors: %zu, %s%s\n", disks->mirrors,
			    disks->incremental ? "active layers" : "whole disks",
			    disks->sync_writes ? ", writes wait for the destination" : "");
	if (disks->mirror_mibps)
		om_buf_addf(buf,
			    "limits: %" PRIu64 " MiB/s for each mirror, then %" PRIu64
			    " MiB/s for memory\n",
			    disks->mirror_mibps, disks->memory_mibps);
}
