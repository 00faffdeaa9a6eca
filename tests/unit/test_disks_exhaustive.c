/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every combination of what two disks may be, and of what the files of their directory may be, against
 * what has to hold whatever the table says: where it is done at all, every regular file is either mirrored or
 * sent, once; none that the guest writes to is sent; nothing outside of the directory is written to but a
 * volume of the destination's own.
 */
#include "om_cmocka.h"

#include "disks_world.h"

#define LV "/dev/vg/lv"

enum place {
	INSIDE,
	LINKED,
	LAYER,
	OUTSIDE_SAME,
	OUTSIDE_OTHER,
	VOLUME_SAME,
	VOLUME_OTHER,
	PLACES
};

static const char *const sources[PLACES] = {
	[INSIDE] = DIR "/a",	    [LINKED] = DIR "/l",	 [LAYER] = DIR "/snap/0",
	[OUTSIDE_SAME] = "/ds/1/s", [OUTSIDE_OTHER] = "/ds/1/o", [VOLUME_SAME] = "/dev/vg/s",
	[VOLUME_OTHER] = LV,
};

struct combination {
	enum place place[2];
	bool read_only[2], shareable, snapshots, chain[2], listed_there, readable;
};

static size_t done, refused;

static void build(struct world *w, const struct combination *c)
{
	static char *layers[] = { NULL };

	layers[0] = text(DIR "/snap/0");
	world_init(w);
	for (size_t i = 0; i < 2; i++) {
		bool volume = c->place[i] == VOLUME_SAME || c->place[i] == VOLUME_OTHER;
		size_t disk = add_disk(w, volume ? OM_DISK_BLOCK : OM_DISK_FILE,
				       sources[c->place[i]], c->chain[i] ? "qcow2" : "raw");

		w->disks[disk].readonly = c->read_only[i];
		if (!c->chain[i])
			continue;
		w->disks[disk].chain = (struct om_strv){ layers, 1 };
		strcpy(w->known[disk].image.backing, DIR "/snap/0");
	}
	w->disks[0].shareable = c->shareable;
	w->known[0].image.snapshots = c->snapshots;
	add_file(w, "a");
	add_item(w, OM_ITEM_LINK, "l", "snap/1");
	add_item(w, OM_ITEM_DIR, "snap", NULL);
	add_file(w, "snap/0");
	add_file(w, "snap/1");
	add_file(w, OM_DISKS_MARK "0");
	add_file(w, "x.xml");
	w->items[6].readable = c->readable;
	if (c->listed_there)
		add_there(w, OM_ITEM_FILE, "snap/1", NULL);
	say(w, sources[OUTSIDE_SAME], regular(NFS, 1, GIB), regular(NFS, 1, GIB));
	say(w, sources[OUTSIDE_OTHER], regular(EXT4, 1, GIB), regular(EXT4, 2, GIB + 1));
	say(w, sources[VOLUME_SAME], device("LVM-a", GIB), device("LVM-a", GIB));
	say(w, sources[VOLUME_OTHER], device("LVM-a", GIB), device("LVM-b", GIB));
}

/* The slow way: by hand. */
static const char *file_of(enum place place)
{
	return place == INSIDE ? "a" : place == LINKED ? "snap/1" : place == LAYER ? "snap/0" : "";
}

static bool writes_to(const struct combination *c, const char *name)
{
	for (size_t i = 0; i < 2; i++)
		if (!c->read_only[i] && strcmp(file_of(c->place[i]), name) == 0)
			return true;
	return false;
}

static size_t mirrors_of(const struct world *w, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		const struct om_disk_plan *plan = &w->disk_plan.disk[i];

		n += plan->way == OM_DISK_MIRROR && plan->placeholder &&
		     strcmp(w->items[plan->item].name, name) == 0;
	}
	return n;
}

static void holds(const struct world *w, const struct combination *c)
{
	for (size_t i = 0; i < w->facts.item_count; i++) {
		const struct om_item *item = &w->items[i];
		size_t mirrored = mirrors_of(w, item->name);
		bool sent = w->disk_plan.file[i] == OM_FILE_SEND_IT;
		bool ours = om_str_starts(item->name, OM_DISKS_MARK);

		if (item->kind != OM_ITEM_FILE || ours) {
			assert_false(sent || mirrored);
			continue;
		}
		assert_int_equal(mirrored + sent, 1);
		assert_int_equal(w->disk_plan.file[i] == OM_FILE_MIRRORED, mirrored);
		assert_int_equal(writes_to(c, item->name), mirrored);
		assert_false(sent && !item->readable);
	}
	for (size_t i = 0; i < 2; i++) {
		const struct om_disk_plan *plan = &w->disk_plan.disk[i];

		assert_int_not_equal(plan->way, OM_DISK_REFUSED);
		assert_int_equal(plan->device != NULL,
				 plan->way == OM_DISK_MIRROR && c->place[i] == VOLUME_OTHER);
		/* A device that is raw has no snapshots. */
		if (plan->way == OM_DISK_MIRROR)
			assert_false(c->read_only[i] ||
				     (!i && (c->shareable || (c->snapshots && !plan->device))));
		assert_int_not_equal(c->place[i], OUTSIDE_OTHER);
	}
	assert_false(c->listed_there);
}

/* What may be done is done: the refusals are those that are meant. */
static bool may_be_done(const struct combination *c)
{
	if (c->listed_there || !c->readable)
		return false;
	for (size_t i = 0; i < 2; i++) {
		const char *name = file_of(c->place[i]), *other = file_of(c->place[!i]);
		bool inside = c->place[i] <= LAYER, volume = c->place[i] == VOLUME_OTHER;

		if (c->place[i] == OUTSIDE_OTHER)
			return false;
		if (volume && (c->read_only[i] || c->chain[i] || (!i && c->shareable)))
			return false;
		if (inside && !c->read_only[i] && !i && (c->shareable || c->snapshots))
			return false;
		/* One that is written to belongs to one disk, and is nobody's layer. */
		if (inside && !c->read_only[i] && strcmp(name, other) == 0)
			return false;
		if ((c->chain[0] || c->chain[1]) && writes_to(c, "snap/0"))
			return false;
	}
	return true;
}

static void try(const struct combination *c)
{
	struct world w;

	build(&w, c);
	if (decide(&w, 0)) {
		holds(&w, c);
		done++;
	} else {
		assert_true(w.disk_plan.refused_count && *w.err.msg);
		refused++;
	}
	if (may_be_done(c) == (w.disk_plan.refused_count > 0))
		fail_msg("%d %d ro %d %d chain %d %d share %d snap %d: %s", c->place[0],
			 c->place[1], c->read_only[0], c->read_only[1], c->chain[0], c->chain[1],
			 c->shareable, c->snapshots, w.err.msg);
	world_free(&w);
}

static void no_file_is_lost_or_torn(void **state)
{
	(void)state;
	for (int a = 0; a < PLACES; a++)
		for (int b = 0; b < PLACES; b++)
			for (unsigned int bits = 0; bits < 1u << 8; bits++)
				try(&(struct combination){
					.place = { (enum place)a, (enum place)b },
					.read_only = { bits & 1, bits & 2 },
					.shareable = bits & 4,
					.snapshots = bits & 8,
					.chain = { bits & 16, bits & 32 },
					.listed_there = bits & 64,
					.readable = !(bits & 128),
				});
	assert_true(done > 500 && refused > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file_is_lost_or_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
