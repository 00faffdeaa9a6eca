/* SPDX-License-Identifier: Apache-2.0 */
/* All guests of a class under all policies: one row a policy. */
#include "pareto.h"
#include "peers.h"

#include <stdlib.h>
#include <string.h>

#define OVER_PERCENT 15	  /* what a dip in the switch-over explains */
#define SHALLOW_PERCENT 1 /* a dip of 20 s is by and by taken for what the link carries */

struct row {
	const struct sim_policy *p;
	struct sim_score score;
	bool front;
	size_t runs, ended, aborted, cut_off, over_hard, wrong, forbidden;
	size_t needless;		  /* wrong, and not the guest's own doing */
	double *total, *pause, *relative; /* of those that ended */
	double lost_s;			  /* sum over all runs */
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double q)
{
	if (!count)
		return NAN;
	qsort(values, count, sizeof(*values), by_value);
	return values[(size_t)(q * (double)(count - 1) + 0.5)];
}

static double mean(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return count ? sum / (double)count : NAN;
}

/* Above the hard limit by more than what is explained. */
static bool over_hard(const struct sim_result *r)
{
	return r->outcome == SIM_ENDED && r->end.clean &&
	       r->end.limit_pause_ms > SIM_HARD_MS * (1 + OVER_PERCENT / 100.0);
}

static bool gentle(const struct sim_policy *p)
{
	return p->ours && strstr(p->name, "gentle");
}

/* What the gentle policy must never do. */
static bool sharp(const struct sim_result *r)
{
	return r->postcopy || r->suspended || r->throttled || r->restarted || r->above_soft;
}

static bool in_dips(enum sim_class class)
{
	return class == SIM_DIPS || class == SIM_SHALLOW;
}

/* Would the same guest, on a link without dips, have met no such step? */
static bool link_is_why(const struct sim_guest *g, const struct sim_policy *p)
{
	struct sim_guest calm = *g;
	struct sim_result r;

	calm.link.dip_every_ms = 0;
	r = sim_run(&calm, p);
	return r.outcome == SIM_ENDED && !sharp(&r);
}

static void note(struct row *row, const struct sim_guest *g, const struct sim_result *r)
{
	row->runs++;
	row->wrong += r->wrong;
	row->needless += r->wrong && row->p->ours && (!in_dips(g->class) || link_is_why(g, row->p));
	row->forbidden += r->forbidden || (gentle(row->p) && sharp(r));
	row->lost_s += r->lost_ms / 1000;
	row->aborted += r->outcome == SIM_ABORTED;
	row->cut_off += r->outcome == SIM_CUT_OFF;
	if (r->outcome != SIM_ENDED)
		return;
	if (over_hard(r)) {
		row->over_hard++;
		return;
	}
	row->total[row->ended] = r->total_ms / 1000;
	row->pause[row->ended] = r->pause_ms;
	row->relative[row->ended++] = r->total_ms / sim_guest_bulk_ms(g);
}

static void print_row(struct row *row)
{
	printf("%c %-27s %5.1f %% %9.1f %9.1f %6.2f %6.2f %7.0f %7.0f %8.2f %4zu %4zu %4zu %4zu\n",
	       row->front ? '*' : ' ', row->p->name, 100 * row->score.share,
	       quantile(row->total, row->ended, 0.5), quantile(row->total, row->ended, 0.95),
	       quantile(row->relative, row->ended, 0.5), row->score.total,
	       quantile(row->pause, row->ended, 0.5), quantile(row->pause, row->ended, 0.95),
	       row->score.lost, row->wrong, row->aborted, row->cut_off, row->over_hard);
}

static struct row row_of(const struct sim_policy *p, size_t guests)
{
	return (struct row){ .p = p,
			     .total = calloc(guests, sizeof(double)),
			     .pause = calloc(guests, sizeof(double)),
			     .relative = calloc(guests, sizeof(double)) };
}

static void free_row(struct row *row)
{
	free(row->total);
	free(row->pause);
	free(row->relative);
}

static void print_run(const struct sim_guest *g, size_t number, const struct sim_result *r,
		      const char *policy)
{
	static const char *const outcomes[] = { "ended", "aborted", "cut off" };

	printf("%s %zu, %.1f GiB, %.0f MB/s, set %.2f GiB at %.2f of the link: %s: %s %.1f s, %.2f of "
	       "bulk, pause %.0f ms, lost %.2f s, %u passes, limit %u ms%s%s%s%s%s%s%s%s: %s\n",
	       sim_class_name(g->class), number, g->memory / GIB, g->link.rate / 1000,
	       g->sets[0].bytes / GIB, g->sets[0].rate / g->link.rate, policy, outcomes[r->outcome],
	       r->total_ms / 1000, r->total_ms / sim_guest_bulk_ms(g), r->pause_ms,
	       r->lost_ms / 1000, r->passes, r->limit_ms, r->above_soft ? ", above soft" : "",
	       r->postcopy ? ", post-copy" : "", r->suspended ? ", suspended" : "",
	       r->throttled ? ", throttled" : "", r->restarted ? ", restarted" : "",
	       over_hard(r) ? ", OVER HARD" : "", r->wrong ? ", WRONG" : "",
	       r->forbidden ? ", FORBIDDEN" : "", r->why);
}

static void run_class(enum sim_class class, const struct sim_choice *choice, struct row *rows,
		      size_t count)
{
	for (size_t i = choice->first; i < choice->first + choice->guests; i++) {
		struct sim_guest g = sim_guest_make(class, i);

		for (size_t k = 0; k < count; k++) {
			struct sim_result r = sim_run(&g, rows[k].p);

			note(&rows[k], &g, &r);
			if (choice->each)
				print_run(&g, i, &r, rows[k].p->name);
		}
	}
}

/* Those that no other one with the same means is at least as good as in everything. */
static void find_front(struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		rows[i].score = (struct sim_score){
			.share = (double)rows[i].ended / (double)rows[i].runs,
			.total = mean(rows[i].relative, rows[i].ended),
			.lost = rows[i].lost_s / (double)rows[i].runs,
		};
		rows[i].front = true;
	}
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++)
			if (((rows[i].p->can ^ rows[k].p->can) & SIM_CAN_POSTCOPY) == 0 &&
			    sim_score_dominates(&rows[k].score, &rows[i].score))
				rows[i].front = false;
}

static void print_class(enum sim_class class, size_t guests, struct row *rows, size_t count)
{
	printf("\n%s, %zu guests (* = on the front of those with, or without, post-copy)\n  %-27s %7s "
	       "%9s %9s %6s %6s %7s %7s %8s %4s %4s %4s %4s\n",
	       sim_class_name(class), guests, "", "ends", "total s", "p95 s", "x bulk", "mean",
	       "down ms", "p95 ms", "lost s", "wrng", "abrt", "cut", "hard");
	for (size_t k = 0; k < count; k++)
		print_row(&rows[k]);
	fflush(stdout);
}

/* The row of ours that was allowed what this competitor uses. */
static const struct row *counterpart(const struct row *rows, size_t count, const struct row *peer)
{
	const struct row *best = NULL;

	for (size_t i = 0; i < count; i++)
		if (rows[i].p->ours && !gentle(rows[i].p) &&
		    (rows[i].p->can == peer->p->can ||
		     (rows[i].p->can & peer->p->can & SIM_CAN_POSTCOPY)) &&
		    !best)
			best = &rows[i];
	return best;
}

static void judge_front(const char *label, const struct row *rows, size_t count)
{
	char better[2000] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		const struct row *ours = counterpart(rows, count, &rows[i]);
		const char *what;

		if (rows[i].p->ours || !ours)
			continue;
		what = sim_score_better(&rows[i].score, &ours->score);
		if (what && used < sizeof(better))
			used += (size_t)snprintf(better + used, sizeof(better) - used,
						 "; %s has %s than %s", rows[i].p->name, what,
						 ours->p->name);
	}
	sim_verdict(!used,
		    "%s: no competitor is better by 5 %% in one without being worse in another%s",
		    label, better);
}

static void judge_class(enum sim_class class, size_t guests, const struct row *rows, size_t count)
{
	char label[64];
	size_t over = 0, forbidden = 0, needless = 0, runs = 0;

	for (size_t i = 0; i < count; i++)
		if (rows[i].p->ours) {
			over += rows[i].over_hard;
			forbidden += rows[i].forbidden;
			needless += rows[i].needless;
			runs += rows[i].runs;
		}
	snprintf(label, sizeof(label), "%s, %zu guests", sim_class_name(class), guests);
	sim_verdict(!over, "%s: no pause of more than %d %% above the hard limit (%zu)", label,
		    OVER_PERCENT, over);
	sim_verdict(!forbidden, "%s: no action that is not allowed (%zu)", label, forbidden);
	if (class == SIM_IDLE)
		sim_verdict(!needless, "%s: no irreversible step that was not needed (%zu)", label,
			    needless);
	if (class == SIM_DIPS)
		sim_verdict(!needless, "%s: no irreversible step for the sake of a dip (%zu)",
			    label, needless);
	if (class == SIM_SHALLOW)
		sim_verdict(100 * needless <= SHALLOW_PERCENT * runs,
			    "%s: hardly an irreversible step for the sake of a dip (%zu of %zu)",
			    label, needless, runs);
	judge_front(label, rows, count);
}

static size_t rows_of(const struct sim_choice *choice, const struct sim_policy *policies,
		      size_t count, struct row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!choice->policy || strstr(policies[i].name, choice->policy))
			rows[n++] = row_of(&policies[i], choice->guests);
	return n;
}

static void do_class(enum sim_class class, const struct sim_choice *choice)
{
	struct row rows[64];
	size_t count = rows_of(choice, sim_ours, sim_ours_count, rows);

	count += rows_of(choice, sim_peers, sim_peers_count, rows + count);
	run_class(class, choice, rows, count);
	find_front(rows, count);
	if (choice->table)
		print_class(class, choice->guests, rows, count);
	if (!choice->policy && choice->guests)
		judge_class(class, choice->guests, rows, count);
	for (size_t i = 0; i < count; i++)
		free_row(&rows[i]);
}

void sim_table(const struct sim_choice *choice)
{
	for (enum sim_class class = 0; class < SIM_CLASS_COUNT; class ++)
		if (!choice->class || strcmp(choice->class, sim_class_name(class)) == 0)
			do_class(class, choice);
}
