/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model against runs of the lab. Four parameters are fitted on the runs 0, 2, 4 ...; the error
 * is printed of the runs 1, 3, 5 ... A file has any number of runs:
 *
 *	# run=NAME memory_mib=768 filled_mib=640 hot_mib=320 dirty_mibps=165 link_mibps=110 \
 *	  limit_ms=300 total_ms=9900 downtime_ms=310 [pattern=uniform] [auto_converge=1] \
 *	  [cpu_share=0.3]
 *	t_ms,iteration,remaining,processed,rate,dirty,limit_ms[,action]
 *	250,1,671088640,28311552,115343360,0,30
 *	...
 *
 * all on one line after the '#'. `total_ms` is from the command's start to its end; t_ms is
 * libvirt's elapsed time; bytes and bytes per second; `limit_ms` is the downtime limit then in force
 * and `action` is postcopy or pause, at the sample at which it was done. The samples are optional:
 * without them the limit stays what the header says. What was set is set in the model at the same
 * time of the same pass.
 */
#include "peers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 512
#define STEPS_MAX 4096
#define PAUSE_FLOOR_MS 20 /* a smaller pause is known no better than this */

struct set_step {
	uint32_t iteration, limit_ms;
	double offset_ms; /* since the first sample of the pass */
	enum om_action_kind kind;
};

struct lab_run {
	char name[64];
	double memory, filled, hot, dirty, link, cpu_share; /* bytes, bytes per ms */
	double total_ms, downtime_ms;
	uint32_t limit_ms;
	bool uniform, auto_converge;
	struct set_step *steps;
	size_t step_count;
	/* while it is read */
	uint32_t last_iteration, last_limit;
	double pass_begun_ms;
	/* while it is replayed */
	double model_total_ms, model_downtime_ms;
};

enum { OVERHEAD_MS, SYNC_MS_PER_GIB, LINK_SHARE, AROUND_MS, PARAM_COUNT };
static const char *const param_names[] = { "overhead of a switch-over, ms", "sync, ms per GiB",
					   "share of the link that is reached",
					   "before and after the copy, ms" };

static struct lab_run runs[RUNS_MAX];
static size_t run_count;

/* ---- reading ---- */

static double number_of(const char *line, const char *key, double missing)
{
	char name[40];
	const char *at;

	snprintf(name, sizeof(name), " %s=", key);
	at = strstr(line, name);
	return at ? strtod(at + strlen(name), NULL) : missing;
}

static struct lab_run *read_header(const char *line)
{
	struct lab_run *r = &runs[run_count];
	const char *name = strstr(line, "run=");

	if (run_count == RUNS_MAX)
		return NULL;
	run_count++;
	memset(r, 0, sizeof(*r));
	if (name)
		sscanf(name, "run=%63s", r->name);
	r->memory = number_of(line, "memory_mib", 0) * MIB;
	r->filled = number_of(line, "filled_mib", r->memory / MIB) * MIB;
	r->hot = number_of(line, "hot_mib", 0) * MIB;
	r->dirty = number_of(line, "dirty_mibps", 0) * MIB / 1000;
	r->link = number_of(line, "link_mibps", 0) * MIB / 1000;
	r->cpu_share = number_of(line, "cpu_share", 0.3);
	r->limit_ms = (uint32_t)number_of(line, "limit_ms", 300);
	r->total_ms = number_of(line, "total_ms", 0);
	r->downtime_ms = number_of(line, "downtime_ms", 0);
	r->auto_converge = number_of(line, "auto_converge", 0) > 0;
	r->uniform = strstr(line, "pattern=uniform");
	r->steps = calloc(STEPS_MAX, sizeof(*r->steps));
	r->last_limit = r->limit_ms;
	return r;
}

static void read_sample(struct lab_run *r, const char *line)
{
	double t, remaining, processed, rate, dirty;
	unsigned int iteration, limit;
	char action[20] = "";
	struct set_step step = { .kind = OM_ACTION_DOWNTIME };

	if (sscanf(line, "%lf,%u,%lf,%lf,%lf,%lf,%u,%19s", &t, &iteration, &remaining, &processed,
		   &rate, &dirty, &limit, action) < 7)
		return;
	if (iteration != r->last_iteration) {
		r->last_iteration = iteration;
		r->pass_begun_ms = t;
	}
	if (strncmp(action, "postcopy", 8) == 0)
		step.kind = OM_ACTION_POSTCOPY;
	else if (strncmp(action, "pause", 5) == 0)
		step.kind = OM_ACTION_SUSPEND;
	else if (limit == r->last_limit || r->step_count == STEPS_MAX)
		return;
	step.iteration = iteration;
	step.limit_ms = r->last_limit = limit;
	step.offset_ms = t - r->pass_begun_ms;
	r->steps[r->step_count++] = step;
}

static bool read_file(const char *path)
{
	struct lab_run *r = NULL;
	char line[2000];
	FILE *f = fopen(path, "re");

	if (!f) {
		perror(path);
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' && strstr(line, "memory_mib="))
			r = read_header(line);
		else if (r && isdigit((unsigned char)line[0]))
			read_sample(r, line);
	}
	fclose(f);
	return true;
}

/* ---- replaying ---- */

/* `rung` is the next step; `first_iteration` and `tuned_ms` tell the pass and when it began. */
static struct om_action replay_step(const struct sim_policy *p, struct sim_policy_state *s,
				    const struct om_sample *sample)
{
	const struct lab_run *r = p->param;
	const struct set_step *step = &r->steps[s->rung];

	if (sample->iteration != s->first_iteration) {
		s->first_iteration = sample->iteration;
		s->tuned_ms = sample->elapsed_ms;
	}
	if (s->rung >= r->step_count || sample->iteration < step->iteration)
		return sim_peer_none();
	if (sample->iteration == step->iteration &&
	    (double)(sample->elapsed_ms - s->tuned_ms) < step->offset_ms)
		return sim_peer_none();
	s->rung++;
	if (step->kind == OM_ACTION_DOWNTIME)
		return sim_peer_limit(s, step->limit_ms, "replayed");
	return sim_peer_act(step->kind, "replayed");
}

static void replay(struct lab_run *r, const double *params)
{
	struct sim_policy policy = { .name = "replay",
				     .can = SIM_CAN_POSTCOPY,
				     .poll_ms = 20,
				     .events = true,
				     .auto_converge = r->auto_converge,
				     .start_limit_ms = r->limit_ms,
				     .param = r,
				     .step = replay_step };
	struct sim_guest g = { .memory = r->memory,
			       .zero = r->memory - r->filled,
			       .sets = { { .bytes = r->hot,
					   .rate = r->dirty,
					   .pattern = r->uniform ? SIM_UNIFORM : SIM_SWEEP } },
			       .set_count = r->hot > 0 && r->dirty > 0,
			       .cpu_share = r->cpu_share,
			       .sync_ms = params[SYNC_MS_PER_GIB] * r->memory / GIB,
			       .overhead_ms = params[OVERHEAD_MS],
			       .around_ms = params[AROUND_MS],
			       .phi = 0.2,
			       .link.rate = r->link * params[LINK_SHARE] };
	struct sim_result result = sim_run(&g, &policy);

	r->model_total_ms = result.outcome == SIM_ENDED ? result.total_ms : INFINITY;
	r->model_downtime_ms = result.pause_ms;
}

static double error_of(double model, double measured, double floor)
{
	return fabs(fmin(model, 100 * measured + floor) - measured) / fmax(measured, floor);
}

static double total_error(const struct lab_run *r)
{
	return error_of(r->model_total_ms, r->total_ms, 1);
}

static double downtime_error(const struct lab_run *r)
{
	return error_of(r->model_downtime_ms, r->downtime_ms, PAUSE_FLOOR_MS);
}

/* ---- fitting ---- */

/* Absolute errors, so that one strange run does not bend the others. */
static double misfit(const double *params)
{
	double sum = 0;

	for (size_t i = 0; i < run_count; i += 2) {
		replay(&runs[i], params);
		sum += fmin(total_error(&runs[i]), 2) + fmin(downtime_error(&runs[i]), 2) / 4;
	}
	return sum;
}

/* One parameter at a time, up and down, with ever smaller steps. */
static void fit(double *params)
{
	double best = misfit(params);

	for (double step = 0.5; step > 0.004; step /= 1.5)
		for (int i = 0; i < PARAM_COUNT; i++)
			for (int up = 0; up < 2; up++) {
				double before = params[i], now;

				params[i] *= up ? 1 + step : 1 / (1 + step);
				if (i == LINK_SHARE && params[i] > 1.2)
					params[i] = 1.2;
				now = misfit(params);
				if (now < best)
					best = now;
				else
					params[i] = before;
			}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_errors(const char *what, double (*error)(const struct lab_run *), size_t first)
{
	double errors[RUNS_MAX];
	size_t n = 0;

	for (size_t i = first; i < run_count; i += 2)
		errors[n++] = error(&runs[i]);
	if (!n)
		return;
	qsort(errors, n, sizeof(errors[0]), by_value);
	printf("%s, %s runs: median error %.1f %%, p90 %.1f %% (%zu runs)\n", what,
	       first ? "odd (not fitted)" : "even (fitted)", 100 * errors[(n - 1) / 2],
	       100 * errors[(size_t)(0.9 * (double)(n - 1) + 0.5)], n);
}

int sim_fit(char *const *files)
{
	double params[PARAM_COUNT] = { 35, 5, 0.95, 1300 };

	for (; *files; files++)
		if (!read_file(*files))
			return 1;
	fit(params);
	for (int i = 0; i < PARAM_COUNT; i++)
		printf("%s: %.3g\n", param_names[i], params[i]);
	for (size_t i = 0; i < run_count; i++) {
		struct lab_run *r = &runs[i];

		replay(r, params);
		printf("%-30s total %8.0f ms, model %8.0f (%5.1f %%); downtime %6.0f ms, model "
		       "%6.0f\n",
		       r->name, r->total_ms, r->model_total_ms, 100 * total_error(r),
		       r->downtime_ms, r->model_downtime_ms);
	}
	for (size_t first = 0; first < 2; first++) {
		print_errors("total", total_error, first);
		print_errors("downtime", downtime_error, first);
	}
	return 0;
}
