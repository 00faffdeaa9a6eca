/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dirty pages of one set: those in QEMU's bitmap, not yet sent, and those that were written
 * since the bitmap was last synchronized.
 *
 * A page counts as written from the sync on, as under TCG and as for KVM's chunks of 1 GiB that are
 * cleared when the first of their pages is sent.
 */
#include "region.h"

#include <stdlib.h>
#include <string.h>

static int by_begin(const void *a, const void *b)
{
	const struct sim_span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static void add_span(struct sim_region *r, double from, double to)
{
	if (to > from)
		r->spans[r->span_count++] = (struct sim_span){ from, to };
}

/* Two more spans may be added afterwards. */
static void merge_spans(struct sim_region *r)
{
	size_t n = 0;

	qsort(r->spans, r->span_count, sizeof(r->spans[0]), by_begin);
	for (size_t i = 1; i < r->span_count; i++) {
		if (r->spans[i].from <= r->spans[n].to || r->span_count - i + n > SIM_SPANS - 4)
			r->spans[n].to = fmax(r->spans[n].to, r->spans[i].to);
		else
			r->spans[++n] = r->spans[i];
	}
	r->span_count = r->span_count ? n + 1 : 0;
	r->unsent = 0;
	for (size_t i = 0; i < r->span_count; i++)
		r->unsent += r->spans[i].to - r->spans[i].from;
}

static void sweep_sync(struct sim_region *r, const struct sim_set *set)
{
	double end = r->position + fmin(r->written, set->bytes);

	add_span(r, r->position, fmin(end, set->bytes));
	add_span(r, 0, end - set->bytes);
	merge_spans(r);
	r->position = fmod(r->position + r->written, set->bytes);
}

double sim_region_fresh(const struct sim_region *r, const struct sim_set *set)
{
	if (set->pattern == SIM_SWEEP)
		return fmin(r->written, set->bytes);
	return set->bytes * -expm1(-r->written / set->bytes);
}

double sim_region_sync(struct sim_region *r, const struct sim_set *set)
{
	double before = r->unsent, fresh;

	if (set->bytes <= 0)
		return 0;
	if (set->pattern == SIM_SWEEP) {
		sweep_sync(r, set);
	} else {
		fresh = sim_region_fresh(r, set);
		r->unsent += fresh * (1 - r->unsent / set->bytes);
	}
	r->written = 0;
	return r->unsent - before;
}

/* Of what lies between these addresses, up to so many bytes in their order; returns how many. */
static double send_between(struct sim_region *r, double from, double to, double bytes)
{
	struct sim_span rest[SIM_SPANS];
	double sent = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->span_count; i++) {
		struct sim_span s = r->spans[i];
		double begin = fmax(s.from, from), end = fmin(s.to, to);

		end = fmin(end, begin + bytes - sent);
		if (end <= begin) {
			rest[n++] = s;
			continue;
		}
		sent += end - begin;
		r->sender = end;
		if (begin > s.from)
			rest[n++] = (struct sim_span){ s.from, begin };
		if (s.to > end)
			rest[n++] = (struct sim_span){ end, s.to };
	}
	memcpy(r->spans, rest, n * sizeof(*rest));
	r->span_count = n;
	return sent;
}

/* A pass goes on where the one before it ended (ram_find_and_save_block() in migration/ram.c). */
double sim_region_send(struct sim_region *r, const struct sim_set *set, double bytes)
{
	double sent = fmin(bytes, r->unsent), rest;

	r->unsent -= sent;
	if (set->pattern != SIM_SWEEP)
		return sent;
	rest = sent - send_between(r, r->sender, set->bytes, sent);
	send_between(r, 0, r->sender, rest);
	if (!r->span_count)
		r->unsent = 0;
	return sent;
}
