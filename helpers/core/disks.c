/* SPDX-License-Identifier: Apache-2.0 */
#include "disks_internal.h"

#include "om_tm.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITHOUT_LIVE "migrate the VM without --live"
#define NAMED_LIBVIRT 8002000 /* from 8.2 on --tls-destination is that of the disks too */

bool om_disks_dir_valid(const char *dir, const char *vm_id)
{
	OM_AUTOFREE char *clean = NULL;
	struct om_err ignored;

	return om_tm_dir(&clean, dir, vm_id, &ignored) && strcmp(clean, dir) == 0;
}

static const char *const way_names[] = {
	[OM_DISK_STAYS] = "stays",
	[OM_DISK_MIRROR] = "mirrored",
	[OM_DISK_SEND] = "sent",
	[OM_DISK_REFUSED] = "refused",
};
static_assert(OM_ARRAY_LEN(way_names) == OM_DISK_WAY_COUNT, "a name for each way");

const char *om_disk_way_name(enum om_disk_way way)
{
	return way_names[way];
}

const char *om_disks_size(char text[OM_DISKS_SIZE_TEXT], uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	double value = (double)bytes;

	for (; value >= 1024 && unit + 1 < OM_ARRAY_LEN(units); unit++)
		value /= 1024;
	snprintf(text, OM_DISKS_SIZE_TEXT, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

/* ---- what is found ---- */

/* Names are the owner's: one line, and none so long that the remedy is cut off. */
static char *sentence(const char *fmt, va_list args) OM_PRINTF(1, 0);
static char *sentence(const char *fmt, va_list args)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, args);
	om_str_sanitize(text);
	return om_xstrdup(text);
}

struct om_disks_refusal *om_disks_refuse(struct om_disks *disks, const char *remedy,
					 const char *fmt, ...)
{
	struct om_disks_refusal *refusal;
	va_list args;

	disks->refused = om_xrealloc(disks->refused,
				     (disks->refused_count + 1) * sizeof(*disks->refused));
	refusal = &disks->refused[disks->refused_count++];
	va_start(args, fmt);
	*refusal = (struct om_disks_refusal){ sentence(fmt, args), om_xstrdup(remedy), false };
	va_end(args);
	return refusal;
}

static void add_sentence(struct om_strv *list, const char *fmt, va_list args) OM_PRINTF(2, 0);
static void add_sentence(struct om_strv *list, const char *fmt, va_list args)
{
	OM_AUTOFREE char *text = sentence(fmt, args);

	om_strv_add(list, text);
}

void om_disks_warn(struct om_disks *disks, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_sentence(&disks->warnings, fmt, args);
	va_end(args);
}

void om_disks_inform(struct om_disks *disks, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_sentence(&disks->infos, fmt, args);
	va_end(args);
}

/* ---- the whole ---- */

/* Before anything is looked at in it. */
static bool check_dir(struct om_disks *disks, const struct om_disks_facts *facts)
{
	size_t before = disks->refused_count;

	if (!om_disks_dir_valid(facts->dir, facts->vm_id))
		om_disks_refuse(disks, "see that its system datastore is one of OpenNebula",
				"the VM's directory %s does not end in the numbers of a datastore "
				"and of the VM",
				facts->dir);
	else if (facts->dst_dir && strcmp(facts->dst_dir, facts->dir) != 0)
		om_disks_refuse(disks, WITHOUT_LIVE,
				"the VM's directory is %s on %s and would be %s on %s: the domain "
				"names the first",
				facts->dir, facts->src_host, facts->dst_dir, facts->dst_host);
	else if (facts->item_count > OM_DISKS_FILES_MAX)
		om_disks_refuse(disks, WITHOUT_LIVE, "more than %d files are in %s",
				OM_DISKS_FILES_MAX, facts->dir);
	return disks->refused_count == before;
}

static void check_another(struct om_disks *disks, const struct om_disks_facts *facts)
{
	enum om_same same = om_disks_same(facts);

	if (same == OM_SAME_YES)
		om_disks_refuse(disks, "set SHARED=YES in the system datastore",
				"%s is the same directory on both hosts, though the datastore does "
				"not say that it is shared",
				facts->dir);
	else if (same == OM_SAME_UNKNOWN)
		om_disks_refuse(
			disks,
			"set SHARED=YES in the system datastore if it is shared, else see that nothing lies "
			"at the paths of its disks there",
			"%s is not proven to be another directory on %s", facts->dir,
			facts->dst_host)
			->exists = true;
}

/* A mirror is fed by QEMU; libvirt's tunnel carries memory alone. */
static void check_options(struct om_disks *disks, const struct om_disks_facts *facts,
			  const struct om_opts *opts, bool encrypted)
{
	uint64_t libvirt = facts->versions.src_libvirt;

	if (!disks->mirrors)
		return;
	if (encrypted && libvirt && libvirt < NAMED_LIBVIRT)
		om_disks_warn(disks,
			      "libvirt of %s compares the certificate of the disks' data with "
			      "the address that they go to, as do all before 8.2",
			      facts->src_host);
	if (opts && (opts->flags & OM_FLAG_TUNNELLED))
		om_disks_refuse(disks, "take --tunnelled out of MIGRATE_OPTIONS",
				"--tunnelled cannot carry the disks");
	if (disks->mirrors > OM_DISKS_MIRRORS_MAX)
		om_disks_refuse(disks, WITHOUT_LIVE,
				"%zu disks would have to be copied, and libvirt takes %d",
				disks->mirrors, OM_DISKS_MIRRORS_MAX);
}

static bool answer(const struct om_disks *disks, struct om_err *err)
{
	const struct om_disks_refusal *first = disks->refused;
	char more[48] = "";

	if (!disks->refused_count)
		return true;
	if (disks->refused_count > 1)
		snprintf(more, sizeof(more), " (and %zu more)", disks->refused_count - 1);
	return om_err_set(err, OM_E_INPUT, "%.280s; %.170s%s", first->found, first->remedy, more);
}

bool om_disks_decide(struct om_disks *disks, const struct om_disks_facts *facts,
		     const struct om_opts *opts, bool encrypted, uint64_t limit_mibps,
		     struct om_err *err)
{
	*disks = (struct om_disks){ .disk_count = facts->dom->disk_count,
				    .file_count = facts->item_count,
				    .nvram = OM_DISKS_NONE };
	disks->disk = om_xcalloc(disks->disk_count + 1, sizeof(*disks->disk));
	disks->file = om_xcalloc(disks->file_count + 1, sizeof(*disks->file));
	if (!check_dir(disks, facts))
		return answer(disks, err);
	check_another(disks, facts);
	om_disks_decide_disks(disks, facts);
	om_disks_decide_files(disks, facts);
	om_disks_check_destination(disks, facts);
	check_options(disks, facts, opts, encrypted);
	om_disks_decide_rates(disks, facts, opts, limit_mibps);
	return answer(disks, err);
}

void om_disks_free(struct om_disks *disks)
{
	for (size_t i = 0; i < disks->disk_count && disks->disk; i++)
		free(disks->disk[i].device);
	for (size_t i = 0; i < disks->refused_count; i++) {
		free(disks->refused[i].found);
		free(disks->refused[i].remedy);
	}
	free(disks->disk);
	free(disks->file);
	free(disks->refused);
	om_strv_free(&disks->infos);
	om_strv_free(&disks->warnings);
	*disks = (struct om_disks){ 0 };
}
