/* SPDX-License-Identifier: Apache-2.0 */
#include "om_tm.h"

#include "om_text.h"

#include <stdio.h>
#include <string.h>

static const char *const step_names[OM_TM_STEP_COUNT] = {
	[OM_TM_PREMIGRATE] = "premigrate",
	[OM_TM_POSTMIGRATE] = "postmigrate",
	[OM_TM_FAILMIGRATE] = "failmigrate",
};

const char *om_tm_step_name(enum om_tm_step step)
{
	return step_names[step];
}

bool om_tm_step_parse(enum om_tm_step *step, const char *name)
{
	for (int i = 0; i < OM_TM_STEP_COUNT; i++)
		if (strcmp(step_names[i], name) == 0) {
			*step = (enum om_tm_step)i;
			return true;
		}
	return false;
}

#define DIRS (OM_TM_PRE_DIR | OM_TM_POST_DIR)
#define VOLUMES (OM_TM_POST_VOLUMES | OM_TM_FAIL_VOLUMES)

static const struct {
	const char *name;
	unsigned int effects, chained;
} drivers[] = {
	/* clang-format off */
	{ "shared",        0, 0 },
	{ "qcow2",         0, 0 },
	{ "dev",           0, 0 },
	{ "iscsi_libvirt", 0, 0 },
	/* These do not look at who called them. */
	{ "ssh",           DIRS | OM_TM_LOCAL, DIRS },
	{ "local",         DIRS | OM_TM_LOCAL, DIRS },
	{ "ceph",          DIRS | OM_TM_CARRIES, 0 },
	{ "fs_lvm",        OM_TM_POST_VOLUMES, OM_TM_POST_VOLUMES },
	{ "fs_lvm_ssh",    DIRS | VOLUMES | OM_TM_CARRIES, DIRS | VOLUMES },
	{ "lvm",           DIRS | VOLUMES | OM_TM_FAIL_DIR | OM_TM_CARRIES,
	                   DIRS | VOLUMES | OM_TM_FAIL_DIR },
	/* clang-format on */
};

static size_t find_driver(const char *name)
{
	size_t i = 0;

	while (i < OM_ARRAY_LEN(drivers) && strcmp(drivers[i].name, name) != 0)
		i++;
	return i;
}

unsigned int om_tm_effects(const char *driver)
{
	size_t i = find_driver(driver);

	if (i < OM_ARRAY_LEN(drivers))
		return drivers[i].effects;
	return DIRS | VOLUMES | OM_TM_FAIL_DIR | OM_TM_CARRIES | OM_TM_UNKNOWN;
}

/* A driver of images that nobody knows has volumes; the directory is not its business. */
unsigned int om_tm_chained_effects(const char *driver)
{
	size_t i = find_driver(driver);

	return i < OM_ARRAY_LEN(drivers) ? drivers[i].chained : VOLUMES;
}

unsigned int om_tm_dangers(enum om_tm_step step, unsigned int effects)
{
	switch (step) {
	case OM_TM_PREMIGRATE:
		return effects & OM_TM_PRE_DIR;
	case OM_TM_POSTMIGRATE:
		return effects & (OM_TM_POST_DIR | OM_TM_POST_VOLUMES);
	default:
		return effects & (OM_TM_FAIL_DIR | OM_TM_FAIL_VOLUMES);
	}
}

bool om_tm_is_kvm(const char *vm_mad)
{
	static const char *const others[] = { "dummy",	 "lxc", "lxd", "firecracker", "xen",
					      "vcenter", "ec2", "az",  "one",	      "equinix" };

	for (size_t i = 0; i < OM_ARRAY_LEN(others); i++)
		if (strcmp(vm_mad, others[i]) == 0)
			return false;
	return true;
}

/* ---- the decision ---- */

static bool is_alive(enum om_side_state state)
{
	return state == OM_SIDE_RUNNING || state == OM_SIDE_ROLLED_BACK || state == OM_SIDE_PAUSED;
}

static enum om_same known_same(const struct om_tm_facts *f)
{
	return f->marker_seen ? OM_SAME_YES : f->same;
}

bool om_tm_dst_is_another(const struct om_tm_facts *f)
{
	if (known_same(f) == OM_SAME_YES)
		return false;
	return known_same(f) == OM_SAME_NO || (f->dst_dir == OM_FILE_MISSING && f->dst_local);
}

static bool src_is_another(const struct om_tm_facts *f)
{
	if (known_same(f) == OM_SAME_YES)
		return false;
	return known_same(f) == OM_SAME_NO || (f->src_dir == OM_FILE_MISSING && f->src_local);
}

static struct om_tm_verdict verdict(enum om_tm_decision decision, enum om_tm_reason reason)
{
	return (struct om_tm_verdict){ .decision = decision, .reason = reason };
}

static struct om_tm_verdict run_stock(void)
{
	return verdict(OM_TM_RUN_STOCK, OM_TM_WHY_NOTHING);
}

static enum om_tm_reason why_same(const struct om_tm_facts *f)
{
	return known_same(f) == OM_SAME_YES ? OM_TM_WHY_SAME : OM_TM_WHY_NOT_PROVEN;
}

/* The VM is on the source and may leave it. */
static struct om_tm_verdict prepare(const struct om_tm_facts *f)
{
	if (f->blocked)
		return verdict(OM_TM_FAIL, OM_TM_WHY_BLOCKED);
	if (!om_tm_dangers(f->step, f->effects) || om_tm_dst_is_another(f))
		return run_stock();
	/* Taken for the same without proof, a leftover would become the guest's disk. */
	return verdict(known_same(f) == OM_SAME_YES ? OM_TM_SKIP : OM_TM_FAIL, why_same(f));
}

static struct om_tm_verdict before(const struct om_tm_facts *f)
{
	switch (om_outcome_entry(&f->src, &f->dst)) {
	case OM_ENTRY_GO:
	case OM_ENTRY_LEFTOVER:
		return prepare(f);
	case OM_ENTRY_DONE_BEFORE:
		return verdict(OM_TM_SKIP, OM_TM_WHY_MOVED_BEFORE);
	case OM_ENTRY_BOTH:
		return verdict(OM_TM_FAIL, OM_TM_WHY_BOTH);
	case OM_ENTRY_SOURCE_BUSY:
		return verdict(OM_TM_FAIL, OM_TM_WHY_BUSY);
	case OM_ENTRY_NOT_FOUND:
		return verdict(OM_TM_FAIL, OM_TM_WHY_NOT_FOUND);
	default:
		return verdict(OM_TM_FAIL, OM_TM_WHY_UNKNOWN);
	}
}

static struct om_tm_verdict after_success(const struct om_tm_facts *f)
{
	unsigned int dangers = om_tm_dangers(f->step, f->effects);

	if (!dangers)
		return run_stock();
	if (f->src.state != OM_SIDE_ABSENT || !is_alive(f->dst.state))
		return verdict(OM_TM_FAIL, OM_TM_WHY_NOT_ON_DEST);
	if ((dangers & OM_TM_POST_DIR) && !src_is_another(f))
		return verdict(OM_TM_FAIL, why_same(f));
	return run_stock();
}

static struct om_tm_verdict after_failure(const struct om_tm_facts *f)
{
	unsigned int dangers = om_tm_dangers(f->step, f->effects);
	bool proven = is_alive(f->src.state) && !f->src.job && f->dst.state == OM_SIDE_ABSENT;
	struct om_tm_verdict v = run_stock();

	if (!proven) {
		v.decision = dangers ? OM_TM_FAIL : OM_TM_RUN_STOCK;
		v.reason = OM_TM_WHY_NOT_ON_SOURCE;
		return v;
	}
	if ((dangers & OM_TM_FAIL_DIR) && !om_tm_dst_is_another(f))
		v = verdict(OM_TM_FAIL, why_same(f));
	v.undo = true;
	v.remove_dir = f->made_by_us && f->dst_dir == OM_FILE_DIR && known_same(f) == OM_SAME_NO &&
		       (f->effects & (OM_TM_PRE_DIR | OM_TM_CARRIES));
	return v;
}

/* A move between datastores: the VM stays on its host and may have one foot in each directory. */
static struct om_tm_verdict one_host(const struct om_tm_facts *f)
{
	if (f->step == OM_TM_PREMIGRATE || f->in_use == OM_ANSWER_NO)
		return run_stock();
	return verdict(OM_TM_FAIL, OM_TM_WHY_IN_USE);
}

struct om_tm_verdict om_tm_decide(const struct om_tm_facts *f)
{
	if (!f->kvm)
		return run_stock();
	if (f->same_host)
		return one_host(f);
	if (f->step == OM_TM_PREMIGRATE)
		return before(f);
	return f->step == OM_TM_POSTMIGRATE ? after_success(f) : after_failure(f);
}

/* ---- words ---- */

static void explain_same(struct om_text *t, const struct om_tm_facts *f, bool proven,
			 const char *src, const char *dst, const char *dir)
{
	const char *done = f->step == OM_TM_POSTMIGRATE ? "it is kept"
			   : f->step == OM_TM_FAILMIGRATE
				   ? "nothing of it is removed"
				   : "OpenNebula's script would have removed or overwritten it";

	if (proven)
		om_text_add(t, "%s is the same directory on %s and %s; %s", dir, src, dst, done);
	else if (f->step == OM_TM_PREMIGRATE)
		om_text_add(
			t,
			"%s is there on %s (or may be), and it is not proven to be another "
			"directory than that of the VM on %s, which %s; look at both, and remove it "
			"from %s by hand if it is a leftover",
			dir, dst, src, "OpenNebula's script would remove", dst);
	else
		om_text_add(t, "%s is not proven to be another directory on %s than on %s; %s", dir,
			    src, dst, done);
}

static void add_states(struct om_text *t, const struct om_tm_facts *f, const char *src,
		       const char *dst)
{
	om_text_add(t, " (%s: %s, %s: %s)", src, om_side_state_name(f->src.state), dst,
		    om_side_state_name(f->dst.state));
}

void om_tm_explain(char *text, size_t size, const struct om_tm_facts *f,
		   const struct om_tm_verdict *v, const char *src, const char *dst, const char *dir)
{
	struct om_text t = { .text = text, .size = size };

	*text = '\0';
	switch (v->reason) {
	case OM_TM_WHY_MOVED_BEFORE:
		om_text_add(
			&t,
			"the VM runs on %s already and is gone from %s: an earlier migration has "
			"moved it; nothing is touched",
			dst, src);
		break;
	case OM_TM_WHY_SAME:
	case OM_TM_WHY_NOT_PROVEN:
		explain_same(&t, f, v->reason == OM_TM_WHY_SAME, src, dst, dir);
		break;
	case OM_TM_WHY_BOTH:
		om_text_add(&t, "the VM is on both hosts");
		add_states(&t, f, src, dst);
		break;
	case OM_TM_WHY_BUSY:
		om_text_add(&t, "another migration of the VM is under way on %s", src);
		break;
	case OM_TM_WHY_NOT_FOUND:
		om_text_add(&t, "the VM is neither on %s nor on %s", src, dst);
		break;
	case OM_TM_WHY_UNKNOWN:
		om_text_add(&t, "where the VM is, is not known");
		add_states(&t, f, src, dst);
		break;
	case OM_TM_WHY_NOT_ON_DEST:
		om_text_add(&t, "the VM is not proven to run on %s and nowhere else", dst);
		add_states(&t, f, src, dst);
		om_text_add(&t, "; what is on %s is kept", src);
		break;
	case OM_TM_WHY_NOT_ON_SOURCE:
		om_text_add(&t, "the VM is not proven to run on %s and nowhere else", src);
		add_states(&t, f, src, dst);
		om_text_add(&t, "; nothing is undone on %s", dst);
		break;
	case OM_TM_WHY_IN_USE:
		om_text_add(&t, "the VM uses files in a directory that OpenNebula's script would "
				"remove, or may do so; they are kept");
		break;
	default:
		break;
	}
}

/* ---- paths ---- */

static bool all_digits(const char *text, size_t len)
{
	return len > 0 && strspn(text, "0123456789") >= len;
}

/* One segment onto `to`, without doubled slashes and "."; false for "..". */
static bool add_segments(char *to, const char *from)
{
	while (*from) {
		size_t len = strcspn(from, "/");

		if (len == 2 && memcmp(from, "..", 2) == 0)
			return false;
		if (len && !(len == 1 && *from == '.')) {
			*to++ = '/';
			memcpy(to, from, len);
			to += len;
		}
		from += len + (from[len] == '/');
	}
	*to = '\0';
	return true;
}

static bool ends_as_it_has_to(const char *dir, const char *vm_id)
{
	const char *last = strrchr(dir, '/'), *before_last = last;

	if (!last || strcmp(last + 1, vm_id) != 0 || !all_digits(vm_id, strlen(vm_id)))
		return false;
	while (before_last > dir && before_last[-1] != '/')
		before_last--;
	/* Something has to be above: /0/31 is no datastore of anybody. */
	return before_last > dir + 1 && before_last < last &&
	       all_digits(before_last, (size_t)(last - before_last));
}

bool om_tm_dir(char **dir, const char *text, const char *vm_id, struct om_err *err)
{
	char *clean;

	*dir = NULL;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return om_err_set(err, OM_E_INPUT,
					  "the target directory holds a control character");
	if (*text != '/' || strlen(text) > 3072)
		return om_err_set(err, OM_E_INPUT, "the target directory is no absolute path");
	clean = om_xcalloc(1, strlen(text) + 2);
	if (add_segments(clean, text) && ends_as_it_has_to(clean, vm_id)) {
		*dir = clean;
		return true;
	}
	om_autofree_(&clean);
	return om_err_set(err, OM_E_INPUT,
			  "the target directory %.200s does not end in the numbers of a datastore "
			  "and of the VM",
			  text);
}

bool om_tm_path_in(const char *path, const char *dir)
{
	OM_AUTOFREE char *clean = om_xcalloc(1, strlen(path) + 2);
	size_t len = strlen(dir);

	return *path == '/' && add_segments(clean, path) && strncmp(clean, dir, len) == 0 &&
	       (clean[len] == '/' || !clean[len]);
}

bool om_tm_path_in_other(const char *path, const char *dir, const char *vm_id)
{
	OM_AUTOFREE char *clean = om_xcalloc(1, strlen(path) + 2);

	if (*path != '/' || !add_segments(clean, path) || om_tm_path_in(path, dir))
		return false;
	for (char *slash = strchr(clean + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		bool found;

		*slash = '\0';
		found = ends_as_it_has_to(clean, vm_id);
		*slash = '/';
		if (found)
			return true;
	}
	return false;
}
