/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The competitors' rules against another, older, implementation of them: the cases A to F of a
 * deterministic toy (full passes of remaining/bandwidth, at least 50 ms each, no noise, 50 ms of
 * overhead, a pass ends only when all is sent). The expected figures are that toy's output. It
 * counts ended passes, from 0, and looks at the limit only when a pass has ended.
 */
#include "peers.h"

#define LEAST_PASS_MS 50
#define OVERHEAD_MS 50
#define POSTCOPY_PAUSE_MS 300
#define TOLERANCE 0.1
#define DAY_MS 86400000.0

struct toy_case {
	const char *name;
	double memory, rate; /* bytes, bytes per ms */
	struct sim_set sets[2];
};

static const struct toy_case cases[] = {
	{ "A", 8 * GIB, 1.1e6, { { 0.05e9, 0.02e6, 0 } } },
	{ "B", 16 * GIB, 1.1e6, { { 0.4e9, 0.9e6, 0 }, { 2e9, 0.05e6, 0 } } },
	{ "C", 64 * GIB, 1.1e6, { { 1.5e9, 3e6, 0 }, { 10e9, 0.2e6, 0 } } },
	{ "D", 64 * GIB, 2.9e6, { { 1.5e9, 3e6, 0 }, { 10e9, 0.2e6, 0 } } },
	{ "E", 512 * GIB, 2.9e6, { { 8e9, 6e6, 0 }, { 60e9, 0.5e6, 0 } } },
	{ "F", 16 * GIB, 0.115e6, { { 0.4e9, 0.9e6, 0 }, { 2e9, 0.05e6, 0 } } },
};

struct expected {
	enum om_action_kind end; /* NONE = switched over, POSTCOPY, ABORT */
	double total_s, pause_s;
};

#define OK(total, pause)                                                                           \
	{                                                                                          \
		OM_ACTION_NONE, total, pause                                                       \
	}
#define POST(total)                                                                                \
	{                                                                                          \
		OM_ACTION_POSTCOPY, total, 0.30                                                    \
	}
#define ABORTS(total)                                                                              \
	{                                                                                          \
		OM_ACTION_ABORT, total, 0                                                          \
	}

static const struct sim_nova nova = { 500, 10, 75, 800, OM_ACTION_ABORT };
static const struct sim_ovirt ovirt_suspend = { { { 1, OM_ACTION_DOWNTIME, 150 },
						  { 2, OM_ACTION_DOWNTIME, 200 },
						  { 3, OM_ACTION_DOWNTIME, 300 },
						  { 4, OM_ACTION_DOWNTIME, 400 },
						  { 6, OM_ACTION_DOWNTIME, 500 },
						  { -1, OM_ACTION_DOWNTIME, 5000 },
						  { -1, OM_ACTION_ABORT, 0 } },
						7 };
static const struct sim_ovirt ovirt_postcopy = { { { 1, OM_ACTION_DOWNTIME, 150 },
						   { 2, OM_ACTION_DOWNTIME, 200 },
						   { 3, OM_ACTION_DOWNTIME, 300 },
						   { 4, OM_ACTION_DOWNTIME, 400 },
						   { 6, OM_ACTION_DOWNTIME, 500 },
						   { -1, OM_ACTION_POSTCOPY, 0 },
						   { -1, OM_ACTION_ABORT, 0 } },
						 7 };
static const struct sim_ovirt ovirt_minimal = { { { 1, OM_ACTION_DOWNTIME, 150 },
						  { 2, OM_ACTION_DOWNTIME, 200 },
						  { 3, OM_ACTION_DOWNTIME, 300 },
						  { 4, OM_ACTION_DOWNTIME, 400 },
						  { 6, OM_ACTION_DOWNTIME, 500 },
						  { -1, OM_ACTION_ABORT, 0 } },
						6 };
static const struct sim_proxmox proxmox = { 2000000 };
static const struct sim_kubevirt legacy = { 150, 1000000, OM_ACTION_ABORT, 0, 0, false };
static const struct sim_kubevirt stall = { 150, 150, OM_ACTION_ABORT, 900, 2000000, false };
static const struct sim_kubevirt stall_post = { 150, 150, OM_ACTION_POSTCOPY, 900, 2000000, false };

static const struct toy_rule {
	const char *name;
	uint32_t poll_ms, limit_ms;
	sim_step *step;
	const void *param;
	struct expected expected[OM_ARRAY_LEN(cases)];
} rules[] = {
	{ "nova",
	  500,
	  50,
	  sim_nova_step,
	  &nova,
	  { OK(8, .09), OK(18, .09), ABORTS(51201), OK(9600, .16), ABORTS(409601),
	    ABORTS(12806) } },
	{ "ovirt minimal",
	  10000,
	  100,
	  sim_ovirt_step,
	  &ovirt_minimal,
	  { OK(8, .09), OK(18, .14), ABORTS(130), OK(30, .17), ABORTS(260), ABORTS(230) } },
	{ "ovirt suspend",
	  10000,
	  100,
	  sim_ovirt_step,
	  &ovirt_suspend,
	  { OK(8, .09), OK(18, .14), OK(132, 1.64), OK(30, .17), OK(263, 3.02), ABORTS(240) } },
	{ "ovirt post-copy",
	  10000,
	  100,
	  sim_ovirt_step,
	  &ovirt_postcopy,
	  { OK(8, .09), OK(18, .14), POST(132), OK(30, .17), POST(263), POST(236) } },
	{ "proxmox",
	  1000,
	  100,
	  sim_proxmox_step,
	  &proxmox,
	  { OK(8, .09), OK(18, .14), OK(110, 1.64), OK(28, .24), OK(302, 3.02), OK(387, 5.89) } },
	{ "kubevirt legacy",
	  400,
	  300,
	  sim_kubevirt_step,
	  &legacy,
	  { OK(8, .09), OK(17, .27), ABORTS(10309), OK(27, .32), ABORTS(82465), ABORTS(2578) } },
	{ "kubevirt stall",
	  400,
	  300,
	  sim_kubevirt_stall_step,
	  &stall,
	  { OK(8, .09), OK(17, .27), ABORTS(116), OK(27, .32), ABORTS(263), ABORTS(235) } },
	{ "kubevirt stall, post-copy",
	  400,
	  300,
	  sim_kubevirt_stall_step,
	  &stall_post,
	  { OK(8, .09), OK(17, .27), POST(118), OK(27, .32), POST(266), POST(241) } },
};

struct toy {
	const struct toy_case *c;
	struct sim_policy policy;
	struct sim_policy_state state;
	double now, remaining, sent;
	uint32_t passes;
	double limit_ms;
	struct expected end;
	bool over;
};

static double dirtied(const struct toy_case *c, double ms)
{
	double sum = 0;

	for (size_t i = 0; i < OM_ARRAY_LEN(c->sets); i++)
		if (c->sets[i].bytes > 0)
			sum += c->sets[i].bytes * -expm1(-ms * c->sets[i].rate / c->sets[i].bytes);
	return fmin(sum, c->memory);
}

static void finish(struct toy *t, enum om_action_kind kind, double more_ms, double pause_ms)
{
	t->over = true;
	t->end = (struct expected){ kind, (t->now + more_ms) / 1000, pause_ms / 1000 };
}

/* `remaining` is what the sample tells, `pass_bytes` what the pass began with. */
static void ask(struct toy *t, double remaining)
{
	double left_ms = remaining / t->c->rate;
	struct om_sample s = {
		.now_ms = (uint64_t)t->now + 1,
		.elapsed_ms = (uint64_t)t->now,
		.processed_bytes = (uint64_t)t->sent,
		.remaining_bytes = (uint64_t)remaining,
		.total_bytes = (uint64_t)t->c->memory,
		.rate_bytes_ps = (uint64_t)(t->c->rate * 1000),
		.iteration = t->policy.step == sim_kubevirt_stall_step ? t->passes + 1 : t->passes,
	};
	struct om_action a;

	t->state.next_ms = t->now + t->policy.poll_ms;
	a = t->policy.step(&t->policy, &t->state, &s);
	if (a.kind == OM_ACTION_DOWNTIME)
		t->limit_ms = a.downtime_ms;
	else if (a.kind == OM_ACTION_POSTCOPY)
		finish(t, OM_ACTION_POSTCOPY, left_ms, POSTCOPY_PAUSE_MS);
	else if (a.kind == OM_ACTION_ABORT)
		finish(t, OM_ACTION_ABORT, 0, 0);
}

static void pass(struct toy *t)
{
	double begun = t->now, ms = fmax(t->remaining / t->c->rate, LEAST_PASS_MS);

	while (!t->over && t->state.next_ms < begun + ms) {
		t->now = t->state.next_ms;
		ask(t, t->remaining * (1 - (t->now - begun) / ms));
	}
	if (t->over)
		return;
	t->now = begun + ms;
	t->sent += t->remaining;
	t->remaining = dirtied(t->c, ms);
	t->passes++;
}

static struct expected run(const struct toy_case *c, const struct toy_rule *rule)
{
	struct toy t = { .c = c, .remaining = c->memory, .limit_ms = rule->limit_ms };

	t.policy = (struct sim_policy){ .poll_ms = rule->poll_ms,
					.start_limit_ms = rule->limit_ms,
					.param = rule->param,
					.step = rule->step };
	t.state.memory = (uint64_t)c->memory;
	t.state.next_ms = rule->poll_ms;
	while (!t.over && t.now < 20 * DAY_MS) {
		double left_ms;

		pass(&t);
		if (t.over)
			break;
		left_ms = t.remaining / c->rate;
		if (left_ms > t.limit_ms && rule->step == sim_kubevirt_stall_step)
			ask(&t, t.remaining);
		if (!t.over && left_ms <= t.limit_ms)
			finish(&t, OM_ACTION_NONE, left_ms, left_ms + OVERHEAD_MS);
	}
	return t.end;
}

static bool near(double a, double b, double floor)
{
	return fabs(a - b) <= fmax(TOLERANCE * fmax(a, b), floor);
}

static bool agrees(const struct expected *a, const struct expected *b)
{
	/* The expected figures are rounded to 1 s and to 10 ms. */
	return a->end == b->end && near(a->total_s, b->total_s, 0.6) &&
	       near(a->pause_s, b->pause_s, 0.006);
}

void sim_toy(bool print)
{
	static const char *const ends[OM_ACTION_COUNT] = { [OM_ACTION_NONE] = "ends",
							   [OM_ACTION_POSTCOPY] = "post-copy",
							   [OM_ACTION_ABORT] = "aborts" };

	for (size_t r = 0; r < OM_ARRAY_LEN(rules); r++) {
		size_t differ = 0;

		for (size_t i = 0; i < OM_ARRAY_LEN(cases); i++) {
			struct expected got = run(&cases[i], &rules[r]);
			const struct expected *want = &rules[r].expected[i];
			bool ok = agrees(&got, want);

			if (print || !ok)
				printf("  %s, %-26s %-9s %8.0f s %5.2f s, expected %-9s %8.0f s "
				       "%5.2f s\n",
				       cases[i].name, rules[r].name, ends[got.end], got.total_s,
				       got.pause_s, ends[want->end], want->total_s, want->pause_s);
			differ += !ok;
		}
		sim_verdict(!differ, "%s acts as its toy does in the cases A to F", rules[r].name);
	}
}
