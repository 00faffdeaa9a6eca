/* SPDX-License-Identifier: Apache-2.0 */
/* Every way through a datastore move, in a world that is scripted: what each call does, and what the domain says after it. */
#include "om_cmocka.h"

#include "om_move.h"

#include <stdio.h>
#include <string.h>

#define DISKS 3
#define ALWAYS 1000
#define STEP_MS 250
#define NEVER UINT64_MAX

struct world_disk {
	enum om_move_where where;
	bool job, ready, kept, blank, there;
	int to_be_ready;  /* looks until it is in sync */
	int refuse, lose; /* so many pivots are refused; lose their copy */
	int lie;	  /* so many pivots are said to fail and do not */
	int no_start;	  /* so many copies are not begun */
	int dies;	  /* so many copies end by themselves */
	bool busy;	  /* never in sync, unless its writes wait */
	bool sync;
	/* Of a copy that takes its time: */
	uint64_t size, written_bytes_ps; /* bytes; of what was copied before */
	uint64_t sync_bps;	    /* the same, while its writes wait */
	uint64_t total, left;	    /* as QEMU counts them */
};

struct world {
	struct world_disk disk[DISKS];
	struct om_move_disk plan[DISKS];
	struct om_move_file files[1];
	struct om_item items[1];
	struct om_move move;
	struct om_move_ops ops;
	struct om_move_end end;
	uint64_t now_ms, deadline_ms, ends_ms, silent_ms, stop_ms;
	uint64_t still_ms, again_ms; /* the target stands still from then on, until then */
	uint64_t mute_ms;	     /* libvirt does not tell how far copies are at that time */
	uint64_t not_begun_ms;	     /* until then QEMU has not begun any */
	int looks, refuse_back;
	bool touch_fails, file_fails, blank_fails, undo_fails, no_metadata, moved, undone;
	unsigned int warnings;
	unsigned int seed; /* 0 = no faults by chance */
	char trace[4000], said[400];
};

static void note(struct world *w, const char *fmt, ...) OM_PRINTF(2, 3);
static void note(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->trace);
	va_list args;

	if (len && len + 1 < sizeof(w->trace))
		w->trace[len++] = ' ';
	va_start(args, fmt);
	vsnprintf(w->trace + len, sizeof(w->trace) - len, fmt, args);
	va_end(args);
}

/* One in sixteen. */
static bool chance(struct world *w)
{
	if (!w->seed)
		return false;
	w->seed = w->seed * 1103515245u + 12345u;
	return (w->seed >> 16) % 16 == 0;
}

static bool fails(struct world *w, int *times, struct om_err *err, const char *what)
{
	if (!*times && !chance(w))
		return false;
	if (*times)
		--*times;
	om_err_set(err, OM_E_SOURCE, "%s was refused", what);
	return true;
}

static uint64_t now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static void sleep_ms(void *ctx, uint32_t ms)
{
	((struct world *)ctx)->now_ms += ms;
}

static bool stop_requested(void *ctx)
{
	struct world *w = ctx;

	return w->now_ms >= w->stop_ms;
}

static uint64_t deadline_ms(void *ctx)
{
	return ((struct world *)ctx)->deadline_ms;
}

static uint64_t limit_bps(void *ctx)
{
	return ((struct world *)ctx)->move.limit_bps;
}

static void log_line(void *ctx, enum om_log_level level, const char *text)
{
	struct world *w = ctx;

	w->warnings += level == OM_LOG_WARN;
	if (level == OM_LOG_INFO)
		snprintf(w->said, sizeof(w->said), "%s", text);
}

static void set_phase(void *ctx, const char *what)
{
	note(ctx, "%s:", what);
}

static void progress(void *ctx, const struct om_move_seen *seen)
{
	(void)ctx;
	(void)seen;
}

static bool touch(void *ctx, struct om_err *err)
{
	return !((struct world *)ctx)->touch_fails ||
	       om_err_set(err, OM_E_ABORTED, "cancelled before anything was touched");
}

static bool make_dir(void *ctx, struct om_err *err)
{
	(void)err;
	note(ctx, "dir");
	return true;
}

static bool make_file(void *ctx, size_t item, struct om_err *err)
{
	struct world *w = ctx;

	note(w, "file%zu", item);
	return !w->file_fails || om_err_set(err, OM_E_SOURCE, "the file has changed");
}

static bool make_blank(void *ctx, size_t disk, struct om_err *err)
{
	struct world *w = ctx;

	assert_false(w->disk[disk].job);
	assert_false(w->disk[disk].kept);
	assert_int_not_equal(w->disk[disk].where, OM_MOVE_NEW);
	note(w, "blank%zu", disk);
	w->disk[disk].blank = true;
	return !w->blank_fails || om_err_set(err, OM_E_SOURCE, "no room");
}

/* Nothing that the guest uses may be removed. */
static bool undo(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	for (size_t i = 0; i < DISKS; i++)
		if (!w->disk[i].kept && w->plan[i].way == OM_MOVE_COPY && w->now_ms < w->ends_ms) {
			assert_false(w->disk[i].job);
			assert_int_not_equal(w->disk[i].where, OM_MOVE_NEW);
		}
	note(w, "undo");
	w->undone = true;
	return !w->undo_fails || om_err_set(err, OM_E_SOURCE, "it is in use");
}

static bool keep(void *ctx, size_t disk, bool yes, struct om_err *err)
{
	(void)err;
	((struct world *)ctx)->disk[disk].kept = yes;
	return true;
}

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define COPIED_BPS (100 * MIB)

static void step_copy(struct world *w, struct world_disk *d)
{
	bool still = w->now_ms >= w->still_ms && w->now_ms < w->again_ms;
	uint64_t copied = still ? 0 : COPIED_BPS * STEP_MS / 1000;
	uint64_t written = (d->sync ? d->sync_bps : d->written_bytes_ps) * STEP_MS / 1000;

	if (w->now_ms < w->not_begun_ms)
		return;
	d->total += written;
	d->left += written;
	d->left -= copied < d->left ? copied : d->left;
	d->ready = !d->left;
}

static struct om_move_seen progress_of(const struct world *w, const struct world_disk *d)
{
	bool mute = w->mute_ms && w->now_ms == w->mute_ms;
	struct om_move_seen seen = { .where = d->where,
				     .job = d->job,
				     .ready = d->job && d->ready };

	if (!d->size) {
		seen.cur = (uint64_t)w->looks * 10;
		seen.end = seen.cur + (d->ready ? 0 : 20);
	} else if (w->now_ms < w->not_begun_ms) {
		seen.end = 1; /* libvirt's */
	} else if (!mute) {
		seen.cur = d->total - d->left;
		seen.end = d->total;
	}
	return seen;
}

static void step_job(struct world *w, struct world_disk *d)
{
	if (!d->job || d->ready)
		return;
	if (d->size)
		step_copy(w, d);
	else if (d->dies || chance(w)) {
		d->dies -= d->dies > 0;
		d->job = false;
	} else if (d->busy && !d->sync) {
		return;
	} else {
		d->ready = --d->to_be_ready <= 0;
	}
}

static enum om_move_domain look(void *ctx, struct om_move_seen *seen)
{
	struct world *w = ctx;

	if (++w->looks > 100000)
		fail_msg("endless: %s", w->trace);
	if (w->now_ms >= w->ends_ms)
		return OM_MOVE_ENDED;
	if (w->now_ms >= w->silent_ms)
		return OM_MOVE_SILENT;
	for (size_t i = 0; i < DISKS; i++) {
		struct world_disk *d = &w->disk[i];

		step_job(w, d);
		seen[i] = progress_of(w, d);
	}
	return OM_MOVE_ACTIVE;
}

static bool start(void *ctx, size_t disk, bool back, bool sync, uint64_t bps, struct om_err *err)
{
	struct world *w = ctx;
	struct world_disk *d = &w->disk[disk];

	(void)bps;
	assert_false(d->job);
	assert_int_equal(d->where, back ? OM_MOVE_NEW : OM_MOVE_OLD);
	assert_true(back || d->blank);
	if (fails(w, &d->no_start, err, "a copy"))
		return false;
	note(w, "%s%zu%s", back ? "back" : "start", disk, sync ? "s" : "");
	d->job = true;
	d->ready = false;
	d->sync = sync;
	d->to_be_ready = 3;
	d->total = d->left = d->size;
	return true;
}

static bool set_speed(void *ctx, size_t disk, uint64_t bps, struct om_err *err)
{
	(void)err;
	note(ctx, "speed%zu=%u", disk, (unsigned int)bps);
	return true;
}

static bool abort_copy(void *ctx, size_t disk, struct om_err *err)
{
	struct world *w = ctx;

	(void)err;
	note(w, "abort%zu", disk);
	w->disk[disk].job = false;
	return true;
}

static bool pivot(void *ctx, size_t disk, struct om_err *err)
{
	struct world *w = ctx;
	struct world_disk *d = &w->disk[disk];
	bool back = d->where == OM_MOVE_NEW;

	assert_true(d->kept);
	if (back && fails(w, &w->refuse_back, err, "a pivot"))
		return false;
	if (!back && fails(w, &d->refuse, err, "a pivot"))
		return false;
	if (!d->job || !d->ready)
		return om_err_set(err, OM_E_SOURCE, "not ready");
	d->job = false;
	if (!back && fails(w, &d->lose, err, "a pivot"))
		return false;
	note(w, "pivot%zu", disk);
	d->where = back ? OM_MOVE_OLD : OM_MOVE_NEW;
	return !fails(w, &d->lie, err, "a pivot");
}

static bool media(void *ctx, size_t disk, struct om_err *err)
{
	struct world *w = ctx;

	(void)err;
	note(w, "media%zu", disk);
	w->disk[disk].where = OM_MOVE_NEW;
	return true;
}

static bool metadata(void *ctx, struct om_err *err)
{
	struct world *w = ctx;

	note(w, "metadata");
	return !w->no_metadata || om_err_set(err, OM_E_SOURCE, "no metadata");
}

static bool full(void *ctx)
{
	(void)ctx;
	return true;
}

static void moved(void *ctx)
{
	struct world *w = ctx;

	for (size_t i = 0; i < DISKS; i++)
		if (!w->plan[i].media)
			assert_int_equal(w->disk[i].where, OM_MOVE_NEW);
	w->moved = true;
}

static const char *const targets[DISKS] = { "vda", "vdb", "sda" };

static struct world *new_world(void)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.ends_ms = w.silent_ms = w.stop_ms = NEVER;
	w.items[0].name = (char *)"disk.2";
	w.files[0].way = OM_MOVE_FILE_COPY;
	for (size_t i = 0; i < DISKS; i++) {
		w.plan[i] = (struct om_move_disk){ .way = OM_MOVE_COPY,
						   .target = targets[i],
						   .name = (char *)(i == 2 ? "disk.2" : "x"),
						   .from = (char *)"/old",
						   .to = (char *)"/new" };
		w.disk[i].where = OM_MOVE_OLD;
	}
	w.move = (struct om_move){ .src_dir = "/old",
				   .dst_dir = "/new",
				   .disks = w.plan,
				   .disk_count = DISKS,
				   .files = w.files,
				   .file_count = 1,
				   .items = w.items,
				   .can_sync = true };
	w.ops = (struct om_move_ops){ .ctx = &w,
				      .now_ms = now_ms,
				      .sleep_ms = sleep_ms,
				      .stop_requested = stop_requested,
				      .deadline_ms = deadline_ms,
				      .limit_bps = limit_bps,
				      .log = log_line,
				      .phase = set_phase,
				      .progress = progress,
				      .touch = touch,
				      .make_dir = make_dir,
				      .make_file = make_file,
				      .make_blank = make_blank,
				      .undo = undo,
				      .keep = keep,
				      .look = look,
				      .start = start,
				      .speed = set_speed,
				      .abort = abort_copy,
				      .pivot = pivot,
				      .media = media,
				      .metadata = metadata,
				      .full = full,
				      .moved = moved };
	return &w;
}

/* What is said of the disks has to be so. */
static void check_truth(const struct world *w)
{
	size_t news = 0;

	for (size_t i = 0; i < DISKS; i++) {
		news += w->disk[i].where == OM_MOVE_NEW;
		if (w->end.verdict != OM_MOVE_UNKNOWN && w->now_ms < w->ends_ms)
			assert_false(w->disk[i].job);
	}
	switch (w->end.verdict) {
	case OM_MOVE_DONE:
		assert_int_equal(news, DISKS);
		assert_true(w->moved || w->end.guest_ended);
		return;
	case OM_MOVE_NOT:
		if (news)
			fail_msg("not moved, but %zu are: %s", news, w->trace);
		assert_true(w->end.has_err);
		return;
	case OM_MOVE_MIXED:
		assert_true(w->end.has_err);
		assert_false(w->undone && news == 0);
		return;
	default:
		assert_true(w->end.has_err);
	}
}

static void run(struct world *w, enum om_move_verdict verdict, const char *trace)
{
	om_move_run(&w->ops, &w->move, &w->end);
	if (trace)
		assert_string_equal(w->trace, trace);
	assert_int_equal(w->end.verdict, verdict);
	check_truth(w);
}

#define MADE "files: dir file0 blank0 blank1 blank2 copies: start0 start1 start2 "

static void all_are_in_sync_before_the_first_pivot(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->move.limit_bps = 90;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 pivot2 metadata");
	assert_false(w->end.has_err);
	assert_int_equal(w->warnings, 0);
}

static void nothing_is_touched_after_a_cancellation(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->touch_fails = true;
	run(w, OM_MOVE_NOT, "");
	assert_string_equal(w->end.err.msg, "cancelled before anything was touched");
}

static void what_cannot_be_made_is_undone(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->file_fails = true;
	run(w, OM_MOVE_NOT, "files: dir file0 undo");
	assert_string_equal(w->end.err.msg, "the file has changed");
	w = new_world();
	w->blank_fails = true;
	run(w, OM_MOVE_NOT, "files: dir file0 blank0 undo");
	w = new_world();
	w->disk[1].no_start = 1;
	run(w, OM_MOVE_NOT, "files: dir file0 blank0 blank1 blank2 copies: start0 abort0 undo");
	assert_string_equal(w->end.err.msg, "disk vdb: a copy was refused");
}

static void a_copy_that_ends_ends_all(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[2].dies = 1;
	w->undo_fails = true;
	run(w, OM_MOVE_NOT, MADE "abort0 abort1 undo");
	assert_string_equal(w->end.err.msg,
			    "the copy of disk sda was ended by an error: the destination is full");
	assert_true(w->end.left);
	assert_int_equal(w->warnings, 1);
}

static void it_can_be_cancelled_until_the_first_pivot(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->stop_ms = 300;
	run(w, OM_MOVE_NOT, MADE "abort0 abort1 abort2 undo");
	assert_int_equal(w->end.err.code, OM_E_ABORTED);
	w = new_world();
	w->deadline_ms = 300;
	run(w, OM_MOVE_NOT, MADE "abort0 abort1 abort2 undo");
	assert_string_equal(w->end.err.msg, "MIGRATE_DEADLINE came before the disks were copied");
}

static void a_first_pivot_that_is_refused_is_tried_again(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[0].refuse = 2;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 pivot2 metadata");
	w = new_world();
	w->disk[0].refuse = ALWAYS;
	run(w, OM_MOVE_NOT, MADE "pivots: abort0 abort1 abort2 undo");
	assert_string_equal(w->end.err.msg, "disk vda: a pivot was refused");
}

static void a_pivot_that_was_said_to_fail_is_asked_for(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[0].lie = 1;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 pivot2 metadata");
	w = new_world();
	w->disk[2].lie = 1;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 pivot2 metadata");
}

static void after_a_pivot_it_goes_forward(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[1].refuse = 2;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot2 pivot1 metadata");
	w = new_world();
	w->disk[1].lose = 1;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 blank1 start1s pivot1 pivot2 metadata");
	/* By now it is too late for a cancellation. */
	w = new_world();
	w->disk[2].lose = 1;
	w->stop_ms = 600;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 blank2 start2s pivot2 metadata");
}

static void what_cannot_go_forward_comes_back(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[1].refuse = ALWAYS;
	run(w, OM_MOVE_NOT, MADE "pivots: pivot0 pivot2 back0s back2s pivot0 pivot2 abort1 undo");
	assert_string_equal(w->end.err.msg, "disk vdb: a pivot was refused");
	w = new_world();
	w->disk[1].refuse = ALWAYS;
	w->refuse_back = 1;
	run(w, OM_MOVE_NOT, NULL);
}

static void what_cannot_come_back_either_is_told_disk_by_disk(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[1].refuse = w->refuse_back = ALWAYS;
	run(w, OM_MOVE_MIXED, NULL);
	assert_false(w->undone);
	assert_string_equal(w->end.where, "vda in /new, vdb in /old, sda in /new");
}

static void an_earlier_attempt_is_finished_or_left_as_it_is(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->plan[0].way = OM_MOVE_THERE;
	w->disk[0].where = OM_MOVE_NEW;
	run(w, OM_MOVE_DONE,
	    "files: dir file0 blank1 blank2 copies: start1 start2 pivots: pivot1 "
	    "pivot2 metadata");
	w = new_world();
	w->plan[0].way = OM_MOVE_THERE;
	w->disk[0].where = OM_MOVE_NEW;
	w->disk[0].kept = true;
	w->stop_ms = 300;
	run(w, OM_MOVE_MIXED, NULL);
	assert_string_equal(w->end.where, "vda in /new, vdb in /old, sda in /old");
}

static void the_end_of_the_guest(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->ends_ms = 300;
	run(w, OM_MOVE_NOT, MADE "undo");
	assert_true(w->end.guest_ended);
	w = new_world();
	w->disk[1].refuse = ALWAYS;
	w->ends_ms = 2000;
	run(w, OM_MOVE_MIXED, NULL);
	assert_false(w->undone);
}

static void a_libvirt_that_is_silent(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->silent_ms = 300;
	run(w, OM_MOVE_UNKNOWN,
	    "files: dir file0 blank0 blank1 blank2 copies: start0 start1 start2");
	assert_false(w->undone);
}

static void a_drive_that_is_not_copied_gets_another_medium(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->plan[2].media = true;
	w->disk[2].no_start = 1;
	run(w, OM_MOVE_DONE,
	    "files: dir file0 blank0 blank1 blank2 copies: start0 start1 file0 "
	    "pivots: pivot0 pivot1 media2 metadata");
}

static void what_comes_after_the_pivots_is_no_failure(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->no_metadata = true;
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 pivot2 metadata metadata metadata");
	assert_int_equal(w->warnings, 1);
	w = new_world();
	w->files[0].way = OM_MOVE_FILE_LATER;
	w->file_fails = true;
	run(w, OM_MOVE_DONE,
	    "files: dir blank0 blank1 blank2 copies: start0 start1 start2 pivots: "
	    "pivot0 pivot1 pivot2 metadata file0");
	assert_int_equal(w->warnings, 1);
}

static void a_guest_that_writes_too_fast_waits_for_the_copy(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[1].busy = true;
	run(w, OM_MOVE_DONE, MADE "abort1 blank1 start1s pivots: pivot0 pivot1 pivot2 metadata");
	assert_true(w->now_ms > 20000);
	w = new_world();
	w->disk[1].busy = true;
	w->move.can_sync = false;
	w->deadline_ms = 100000;
	run(w, OM_MOVE_NOT, MADE "abort0 abort1 abort2 undo");
}

/* vdb is large, and the guest writes to what of it was copied. */
static struct world *large_world(uint64_t size, uint64_t written_bytes_ps)
{
	struct world *w = new_world();

	w->disk[1].size = size;
	w->disk[1].written_bytes_ps = written_bytes_ps;
	return w;
}

static void is_copied_once(struct world *w)
{
	run(w, OM_MOVE_DONE, MADE "pivots: pivot0 pivot1 pivot2 metadata");
	assert_string_equal(w->said, "");
}

static uint64_t begins_again_ms(struct world *w)
{
	uint64_t ms;

	run(w, OM_MOVE_DONE, MADE "abort1 blank1 start1s pivots: pivot0 pivot1 pivot2 metadata");
	/* The second copy at the whole pace. */
	ms = w->disk[1].size * 1000 / COPIED_BPS;
	assert_true(w->now_ms > ms);
	return w->now_ms - ms;
}

static void a_large_disk_is_copied_once(void **unused)
{
	struct world *w;

	(void)unused;
	is_copied_once(large_world(1024 * GIB, 0));
	/* 100 GiB are left after the first pass, and get less by 50 MiB/s. */
	w = large_world(200 * GIB, 50 * MIB);
	is_copied_once(w);
	assert_true(w->disk[1].total > 390 * GIB);
	is_copied_once(large_world(1024 * GIB, 10 * MIB));
}

static void a_target_that_stands_still_is_waited_for(void **unused)
{
	(void)unused;
	for (uint64_t written = 0; written <= 20 * MIB; written += 10 * MIB)
		for (uint64_t from_ms = 0; from_ms <= 60000; from_ms += 1750) {
			struct world *w = large_world(20 * GIB, written);

			w->still_ms = from_ms;
			w->again_ms = from_ms + 60000;
			is_copied_once(w);
		}
	for (uint64_t from_ms = 200000; from_ms <= 250000;
	     from_ms += 5000) { /* after the first pass */
		struct world *w = large_world(20 * GIB, 20 * MIB);

		w->still_ms = from_ms;
		w->again_ms = from_ms + 60000;
		is_copied_once(w);
	}
	for (uint64_t left = 1; left <= 2; left++) { /* at the end of it */
		struct world *w = large_world(20 * GIB, 0);

		w->still_ms = (20 * GIB / COPIED_BPS - left) * 1000;
		w->again_ms = w->still_ms + 120000;
		is_copied_once(w);
	}
}

static void one_that_is_written_to_as_fast_begins_again(void **unused)
{
	struct world *w;

	(void)unused;
	for (uint64_t written = 95; written <= 300; written += 5)
		assert_in_range(begins_again_ms(large_world(200 * GIB, written * MIB)), 20000,
				22000);
	/* Whatever the time is: windows are of the copy. */
	w = large_world(200 * GIB, 100 * MIB);
	w->now_ms = 40000000;
	assert_in_range(begins_again_ms(w), 40020000, 40022000);
	w = large_world(200 * GIB, 120 * MIB);
	begins_again_ms(w);
	assert_string_equal(w->said, "disk vdb is written to as fast as it is copied (120 MiB/s, "
				     "100 MiB/s are copied): the copy begins again, and its writes "
				     "wait for it");
	w = large_world(2 * GIB, 120 * MIB);
	w->plan[1].sync = true;
	w->disk[1].sync_bps = 99 * MIB; /* no better would come after it */
	run(w, OM_MOVE_DONE,
	    "files: dir file0 blank0 blank1 blank2 copies: start0 start1s start2 pivots: pivot0 "
	    "pivot1 pivot2 metadata");
	w = large_world(20 * GIB, 120 * MIB);
	w->move.can_sync = false;
	w->deadline_ms = 100000;
	run(w, OM_MOVE_NOT, MADE "abort0 abort1 abort2 undo");
}

static void what_libvirt_does_not_tell_is_not_judged(void **unused)
{
	(void)unused;
	for (uint64_t mute_ms = 250; mute_ms <= 30000; mute_ms += 250) {
		struct world *w = large_world(10 * GIB, 20 * MIB);

		w->mute_ms = mute_ms;
		is_copied_once(w);
	}
	for (uint64_t mute_ms = 250; mute_ms <= 30000; mute_ms += 250) {
		struct world *w = large_world(10 * GIB, 120 * MIB);

		w->mute_ms = mute_ms;
		assert_in_range(begins_again_ms(w), 20000, 22000);
	}
	for (uint64_t begun_ms = 1000; begun_ms <= 30000; begun_ms += 1000) {
		struct world *w = large_world(10 * GIB, 60 * MIB);

		w->not_begun_ms = begun_ms;
		assert_in_range(begins_again_ms(w), begun_ms + 20000, begun_ms + 22000);
	}
}

static void the_share_of_those_in_sync_goes_to_the_others(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->move.limit_bps = 90;
	w->disk[1].busy = true;
	om_move_run(&w->ops, &w->move, &w->end);
	assert_non_null(strstr(w->trace, "speed1=90"));
	assert_int_equal(w->end.verdict, OM_MOVE_DONE);
}

static void settle(struct world *w, enum om_move_verdict verdict, const char *trace)
{
	om_move_settle(&w->ops, &w->move, &w->end);
	assert_string_equal(w->trace, trace);
	assert_int_equal(w->end.verdict, verdict);
	check_truth(w);
}

static void who_answers_for_one_that_has_died(void **unused)
{
	struct world *w = new_world();

	(void)unused;
	w->disk[0].job = w->disk[1].job = true;
	w->disk[1].kept = true;
	settle(w, OM_MOVE_NOT, "abort0 abort1 undo");
	assert_false(w->disk[1].kept);
	w = new_world();
	w->plan[0].way = OM_MOVE_THERE;
	w->disk[0].where = OM_MOVE_NEW;
	w->disk[0].kept = true;
	w->disk[1].job = w->disk[1].ready = true;
	settle(w, OM_MOVE_DONE, "blank2 start2s pivot1 pivot2 metadata");
	w = new_world();
	w->silent_ms = 0;
	settle(w, OM_MOVE_UNKNOWN, "");
}

/* Whatever happens, what is said is so, nothing in use is removed, and it ends. */
static void faults_by_chance(void **unused)
{
	unsigned int verdicts[4] = { 0 };

	(void)unused;
	for (unsigned int seed = 1; seed <= 20000; seed++) {
		struct world *w = new_world();

		w->seed = seed * 2654435761u | 1;
		w->deadline_ms = 200000;
		if (seed % 7 == 0)
			w->disk[seed % DISKS].refuse = ALWAYS;
		if (seed % 11 == 0)
			w->refuse_back = ALWAYS;
		if (seed % 13 == 0)
			w->ends_ms = seed % 5000;
		om_move_run(&w->ops, &w->move, &w->end);
		check_truth(w);
		verdicts[w->end.verdict]++;
	}
	for (int i = OM_MOVE_DONE; i <= OM_MOVE_MIXED; i++)
		assert_true(verdicts[i] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_in_sync_before_the_first_pivot),
		cmocka_unit_test(nothing_is_touched_after_a_cancellation),
		cmocka_unit_test(what_cannot_be_made_is_undone),
		cmocka_unit_test(a_copy_that_ends_ends_all),
		cmocka_unit_test(it_can_be_cancelled_until_the_first_pivot),
		cmocka_unit_test(a_first_pivot_that_is_refused_is_tried_again),
		cmocka_unit_test(a_pivot_that_was_said_to_fail_is_asked_for),
		cmocka_unit_test(after_a_pivot_it_goes_forward),
		cmocka_unit_test(what_cannot_go_forward_comes_back),
		cmocka_unit_test(what_cannot_come_back_either_is_told_disk_by_disk),
		cmocka_unit_test(an_earlier_attempt_is_finished_or_left_as_it_is),
		cmocka_unit_test(the_end_of_the_guest),
		cmocka_unit_test(a_libvirt_that_is_silent),
		cmocka_unit_test(a_drive_that_is_not_copied_gets_another_medium),
		cmocka_unit_test(what_comes_after_the_pivots_is_no_failure),
		cmocka_unit_test(a_guest_that_writes_too_fast_waits_for_the_copy),
		cmocka_unit_test(a_large_disk_is_copied_once),
		cmocka_unit_test(a_target_that_stands_still_is_waited_for),
		cmocka_unit_test(one_that_is_written_to_as_fast_begins_again),
		cmocka_unit_test(what_libvirt_does_not_tell_is_not_judged),
		cmocka_unit_test(the_share_of_those_in_sync_goes_to_the_others),
		cmocka_unit_test(who_answers_for_one_that_has_died),
		cmocka_unit_test(faults_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
