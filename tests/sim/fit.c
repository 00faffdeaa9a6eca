/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model against runs of the lab, as `BENCH_TRACES=DIR make bench-busy` writes them: a file per run. Four
 * parameters are fitted on the runs 0, 2, 4 ...; the error is printed of the runs 1, 3, 5 ... What was
 * decided in the lab is done in the model at the same time of the same pass.
 */
#include "peers.h"

#include <ctype.h>
#include <stddef.h>
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
	bool ended, postcopy;
	struct set_step *steps;
	size_t step_count;
	/* while it is read */
	uint32_t last_iteration, last_limit;
	double pass_begun_ms;
	enum om_action_kind decided; /* to be done at the next sample */
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

static struct lab_run *new_run(const char *path)
{
	struct lab_run *r = &runs[run_count];
	const char *slash = strrchr(path, '/');

	if (run_count == RUNS_MAX)
		return NULL;
	run_count++;
	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%s", slash ? slash + 1 : path);
	if (strstr(r->name, ".log"))
		*strstr(r->name, ".log") = '\0';
	r->cpu_share = 0.3;
	r->steps = calloc(STEPS_MAX, sizeof(*r->steps));
	return r;
}

/* "# KEY VALUE" */
static void read_header(struct lab_run *r, const char *line)
{
	static const struct {
		const char *key;
		size_t offset;
		double unit;
	} keys[] = {
		{ "memory_mib", offsetof(struct lab_run, memory), MIB },
		{ "filled_mib", offsetof(struct lab_run, filled), MIB },
		{ "hot_mib", offsetof(struct lab_run, hot), MIB },
		{ "dirty_at_rest_mibps", offsetof(struct lab_run, dirty), MIB / 1000 },
		{ "link_mibps", offsetof(struct lab_run, link), MIB / 1000 },
		{ "total_ms", offsetof(struct lab_run, total_ms), 1 },
		{ "downtime_ms", offsetof(struct lab_run, downtime_ms), 1 },
	};
	char key[40], value[40];

	if (sscanf(line, "# %39s %39s", key, value) != 2)
		return;
	if (strcmp(key, "postcopy_ms") == 0)
		r->postcopy = isdigit((unsigned char)*value);
	if (strcmp(key, "outcome") == 0)
		r->ended = strcmp(value, "ended") == 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i].key) == 0)
			*(double *)(void *)((char *)r + keys[i].offset) = strtod(value, NULL) *
									  keys[i].unit;
}

/* "# pass 3: post-copy: why": what the watch decided before the sample that follows. */
static void read_decision(struct lab_run *r, const char *line)
{
	const char *what = strstr(line, ": ");

	if (what && strncmp(what + 2, "post-copy:", 10) == 0)
		r->decided = OM_ACTION_POSTCOPY;
	else if (what && strncmp(what + 2, "pause", 5) == 0)
		r->decided = OM_ACTION_SUSPEND;
}

/* t pass remaining processed rate dirty throttle limit ... */
static void read_sample(struct lab_run *r, const char *line)
{
	struct set_step step = { .kind = OM_ACTION_DOWNTIME };
	unsigned int iteration, limit;
	double t;

	if (sscanf(line, "%lf %u %*s %*s %*s %*s %*s %u", &t, &iteration, &limit) != 3)
		return;
	if (!r->limit_ms)
		r->limit_ms = r->last_limit = limit;
	if (iteration != r->last_iteration) {
		r->last_iteration = iteration;
		r->pass_begun_ms = t;
	}
	if (r->decided != OM_ACTION_NONE)
		step.kind = r->decided;
	else if (limit == r->last_limit)
		return;
	r->decided = OM_ACTION_NONE;
	if (r->step_count == STEPS_MAX)
		return;
	step.iteration = iteration;
	step.limit_ms = r->last_limit = limit;
	step.offset_ms = t - r->pass_begun_ms;
	r->steps[r->step_count++] = step;
}

static bool read_file(const char *path)
{
	struct lab_run *r = new_run(path);
	char line[2000];
	FILE *f = fopen(path, "re");

	if (!f || !r) {
		perror(path);
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "# pass ", 7) == 0)
			read_decision(r, line);
		else if (line[0] == '#')
			read_header(r, line);
		else if (isdigit((unsigned char)line[0]))
			read_sample(r, line);
	}
	fclose(f);
	if (!r->ended ||
	    !r->limit_ms) { /* cut off from outside: nothing to set the model against */
		free(r->steps);
		run_count--;
	}
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
				     .start_limit_ms = r->limit_ms,
				     .param = r,
				     .step = replay_step };
	struct sim_guest g = {
		.memory = r->memory,
		.zero = r->memory - r->filled,
		.sets = { { .bytes = r->hot, .rate = r->dirty, .pattern = SIM_SWEEP } },
		.set_count = r->hot > 0 && r->dirty > 0,
		.cpu_share = r->cpu_share,
		.sync_ms = params[SYNC_MS_PER_GIB] * r->memory / GIB,
		.overhead_ms = params[OVERHEAD_MS],
		.around_ms = params[AROUND_MS],
		.phi = 0.2,
		.link.rate = r->link * params[LINK_SHARE]
	};
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

/* Of post-copy libvirt tells the time without the guest's wait for its first pages; not compared. */
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
		sum += fmin(total_error(&runs[i]), 2) +
		       (runs[i].postcopy ? 0 : fmin(downtime_error(&runs[i]), 2) / 4);
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
		if (error != downtime_error || !runs[i].postcopy)
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
