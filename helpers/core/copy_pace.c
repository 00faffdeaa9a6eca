/* SPDX-License-Identifier: Apache-2.0 */
#include "om_copy_pace.h"

#include <math.h>

#define WINDOW_MS 10000u /* at least */
#define WINDOW_SHARE 8u	 /* and this part of the time that the copy has taken */
#define WINDOWS 2u	 /* in a row, for a verdict */
#define STILL_MS 10000u	 /* nothing was copied for so long: the target stands still */
#define SOONER 2	 /* so many times, to be worth beginning again */
#define NOISE (1 / 64.0) /* of what was copied: no nearer than that is not nearer */

struct window {
	double ms;
	double written, copied, nearer; /* bytes; nearer < 0: more is left than before */
};

static bool stands_still(struct om_copy_watch *w, const struct om_copy_sample *sample)
{
	uint64_t done = sample->total_bytes - sample->left_bytes;

	if (!w->done_at_ms || done != w->done_bytes) {
		w->done_bytes = done;
		w->done_at_ms = sample->now_ms;
	}
	return sample->now_ms - w->done_at_ms >= STILL_MS;
}

/* False: the window goes on. */
static bool end_window(struct om_copy_watch *w, const struct om_copy_sample *sample,
		       struct window *window)
{
	uint64_t ms = sample->now_ms - w->from_ms, took_ms = sample->now_ms - sample->begun_ms;
	uint64_t done = sample->total_bytes - sample->left_bytes;
	bool begun = w->from_ms;

	if (!begun || sample->left_bytes < w->least_left_bytes)
		w->least_left_bytes = sample->left_bytes;
	if (begun && (ms < WINDOW_MS || ms < took_ms / WINDOW_SHARE))
		return false;
	window->ms = (double)ms;
	window->written = (double)sample->total_bytes - (double)w->from_total_bytes;
	window->nearer = (double)w->from_least_bytes - (double)w->least_left_bytes;
	window->copied = (double)done - (double)w->from_done_bytes;
	w->from_ms = sample->now_ms;
	w->from_total_bytes = sample->total_bytes;
	w->from_done_bytes = done;
	w->from_least_bytes = w->least_left_bytes;
	w->least_left_bytes = sample->left_bytes;
	return begun;
}

static double expected_ms(uint64_t bytes, double done_bytes, double ms)
{
	return done_bytes > 0 ? (double)bytes * ms / done_bytes : INFINITY;
}

/*
 * Beginning again costs all that was copied: it has to be done in half the time that going on takes, both at the
 * pace of the window. That is never so where the guest does not write. A target that stands still makes each guest
 * look busy, in two windows where it does so at the end of one and the beginning of the next: they count for nothing. A disk
 * whose copy begins after the others makes one window look so, and it takes two in a row; they grow with the copy, as a
 * burst of writes must not cost a long one. Where the guest writes to a part of the disk all the time, what is left
 * goes up and down with each pass over that part, so it is the least of a window that counts.
 */
bool om_copy_restart_pays(struct om_copy_watch *watch, const struct om_copy_sample *sample,
			  struct om_copy_pace *pace)
{
	uint64_t left = sample->left_bytes;
	struct window window;
	double on_ms, again_ms;

	/* More than there ever was: another disk has joined, and the least before it says nothing. */
	if (left > watch->most_left_bytes)
		watch->most_left_bytes = watch->least_left_bytes = left;
	if (stands_still(watch, sample)) {
		watch->from_ms = watch->behind = 0;
		return false;
	}
	if (!end_window(watch, sample, &window))
		return false;
	again_ms = expected_ms(watch->most_left_bytes, window.copied, window.ms);
	on_ms = expected_ms(left, window.nearer > NOISE * window.copied ? window.nearer : 0,
			    window.ms);
	if (!left || on_ms <= SOONER * again_ms) {
		watch->behind = 0;
		return false;
	}
	if (++watch->behind < WINDOWS)
		return false;
	watch->behind = 0;
	*pace = (struct om_copy_pace){ .written_bytes_ps = window.written * 1000 / window.ms,
				       .copied_bytes_ps = window.copied * 1000 / window.ms,
				       .again_ms = again_ms };
	return true;
}
