/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what a VM starts from: firmware, kernel, UEFI variables, secrets. */
#include "check_internal.h"

#include <string.h>

static bool is_missing(const struct om_file *file)
{
	return file && file->kind == OM_FILE_MISSING;
}

static bool is_unknown(const struct om_file *file)
{
	return !file || file->kind == OM_FILE_UNKNOWN;
}

static void add_unknown(struct om_check *c, const char *what, const char *path,
			const struct om_file *file)
{
	om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s %s could not be looked at on %s%s%s", what,
		       path, c->dst_host, file && *file->why ? ": " : "", file ? file->why : "");
}

/* ---- firmware ---- */

static void check_boot_file(struct om_check *c, const char *what, const char *path)
{
	const struct om_file *there = om_check_file(c, path).dst;

	if (is_missing(there)) {
		om_check_found(c, OM_SEVERITY_BLOCKER, "%s %s is not on %s", what, path,
			       c->dst_host);
		om_check_remedy(c, "install the same firmware or kernel there, at the same path");
	} else if (is_unknown(there)) {
		add_unknown(c, what, path, there);
	}
}

void om_check_firmware(struct om_check *c)
{
	const struct {
		const char *what, *path;
	} files[] = {
		{ "loader", c->dom->loader },
		{ "kernel", c->dom->kernel },
		{ "initrd", c->dom->initrd },
	};
	size_t before = c->findings->n, named = 0;

	if (!om_check_needs_dom(c))
		return;
	for (size_t i = 0; i < OM_ARRAY_LEN(files); i++)
		named += *files[i].path != '\0';
	if (named && !om_check_needs_dst(c))
		return;
	for (size_t i = 0; i < OM_ARRAY_LEN(files); i++)
		if (*files[i].path)
			check_boot_file(c, files[i].what, files[i].path);
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "%s",
			       named ? "all of it is there" : "the VM names none of its own");
}

/* ---- UEFI variables ---- */

/* libvirt makes the file of its template before QEMU starts there, and QEMU sends what is in it. */
static void check_template(struct om_check *c)
{
	const char *template = c->dom->nvram_template;
	const struct om_file *there = om_check_file(c, template).dst;
	bool may_come = (om_check_is_early(c) || c->facts->storage) &&
			(c->facts->other_way || !c->facts->shared_known || !c->facts->shared);

	if (!*template) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "%s is not on %s, and no template is named of which libvirt could "
			       "make it there",
			       c->dom->nvram, c->dst_host);
	} else if (is_unknown(there)) {
		add_unknown(c, "template", template, there);
		return;
	} else if (!is_missing(there)) {
		om_check_found(
			c, OM_SEVERITY_OK,
			"%s is not on %s: libvirt makes it of its template, and QEMU fills it",
			c->dom->nvram, c->dst_host);
		return;
	} else {
		om_check_found(c, may_come ? OM_SEVERITY_WARNING : OM_SEVERITY_BLOCKER,
			       "neither %s nor its template %s is on %s", c->dom->nvram, template,
			       c->dst_host);
	}
	om_check_remedy(c, "install the same firmware package on %s", c->dst_host);
}

void om_check_nvram(struct om_check *c)
{
	const struct om_file *there;

	if (!om_check_needs_dom(c))
		return;
	if (!*c->dom->nvram) {
		om_check_found(c, OM_SEVERITY_OK, "the VM has none");
		return;
	}
	if (!om_check_needs_dst(c))
		return;
	there = om_check_file(c, c->dom->nvram).dst;
	if (is_missing(there))
		check_template(c);
	else if (is_unknown(there))
		add_unknown(c, "the file", c->dom->nvram, there);
	else
		om_check_found(c, OM_SEVERITY_OK, "%s is on %s", c->dom->nvram, c->dst_host);
}

/* ---- secrets ---- */

void om_check_secrets(struct om_check *c)
{
	size_t before = c->findings->n, unknown = 0;

	if (!om_check_needs_dom(c))
		return;
	if (!c->ask->secrets.n) {
		om_check_found(c, OM_SEVERITY_OK, "the VM's disks need none");
		return;
	}
	if (!om_check_needs_dst_libvirt(c))
		return;
	for (size_t i = 0; i < c->ask->secrets.n; i++) {
		enum om_answer answer = c->dst->secrets && i < c->dst->secret_count
						? c->dst->secrets[i]
						: OM_ANSWER_NOT_CHECKED;

		unknown += answer == OM_ANSWER_NOT_CHECKED;
		if (answer != OM_ANSWER_NO)
			continue;
		om_check_found(c, OM_SEVERITY_BLOCKER, "libvirt of %s has no secret %s",
			       c->dst_host, c->ask->secrets.v[i]);
		om_check_remedy(c,
				"define it there as on %s: virsh secret-define, "
				"secret-set-value",
				c->src_host);
	}
	if (unknown)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "libvirt of %s did not say of %zu",
			       c->dst_host, unknown);
	if (c->findings->n == before)
		om_check_found(c, OM_SEVERITY_OK, "all of them are there");
}
