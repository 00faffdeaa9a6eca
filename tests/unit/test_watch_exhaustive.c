/* SPDX-License-Identifier: Apache-2.0 */
/* What the watch may never do, in every short sequence of samples and in drawn long ones, under each
 * policy and what can be allowed beside it. */
#include "om_cmocka.h"

#include "om_util.h"
#include "om_watch.h"

#define MIB (1ull << 20)
#define FIRST_MS 1000

/* ---- the rules ---- */

struct seen {
	uint32_t iteration, passes; /* that have ended */
	unsigned int kinds[OM_ACTION_COUNT];
	bool in_postcopy;
};

/* Two that tell something of the guest, and two more that say the same. */
#define HOPELESS_PASSES 4

static unsigned int all_kinds[OM_ACTION_COUNT], beyond_soft;

static void note_sample(struct seen *seen, const struct om_sample *s)
{
	seen->in_postcopy |= s->postcopy;
	if (s->stopped || s->iteration <= seen->iteration)
		return;
	seen->passes += seen->iteration > 0;
	seen->iteration = s->iteration;
}

static bool may_harm(const struct om_plan *plan)
{
	return om_policy_may_harm(plan->limits.policy);
}

static uint32_t hard_ms(const struct om_plan *plan)
{
	uint32_t soft_ms = plan->limits.downtime_max_ms, pause_ms = plan->limits.pause_max_ms;

	return may_harm(plan) && pause_ms > soft_ms ? pause_ms : soft_ms;
}

static void check_limit(const struct om_plan *plan, const struct seen *seen, uint32_t ms)
{
	if (ms == 0 || ms > hard_ms(plan))
		fail_msg("a limit of %u ms", ms);
	if (plan->limits.policy == OM_POLICY_STOCK)
		fail_msg("a limit of %u ms, under stock", ms);
	if (ms > plan->limits.downtime_max_ms && seen->passes < 2)
		fail_msg("a limit of %u ms after %u passes", ms, seen->passes);
	beyond_soft += ms > plan->limits.downtime_max_ms;
}

/* Asked for by a word of MIGRATE_OPTIONS it is carried out under every policy. */
static void check_postcopy(const struct om_plan *plan, const struct seen *seen)
{
	bool by_options = plan->postcopy_after_precopy ||
			  plan->timeout_action == OM_TIMEOUT_POSTCOPY;

	if (!by_options && !(plan->limits.postcopy && may_harm(plan)))
		fail_msg("post-copy that nobody asked for");
	if (!by_options && !seen->passes) /* one tells the least rate of the guest */
		fail_msg("post-copy before a pass has ended");
}

static void check_abort(const struct om_plan *plan, const struct seen *seen,
			const struct om_sample *s)
{
	const struct om_limits *limits = &plan->limits;

	if (limits->deadline_ms && s->now_ms >= limits->deadline_ms &&
	    om_policy_ends_at_deadline(limits->policy))
		return;
	if (limits->policy != OM_POLICY_GENTLE)
		fail_msg("an end that was not asked for");
	if (seen->passes < HOPELESS_PASSES)
		fail_msg("given up after %u passes", seen->passes);
}

static void check_action(const struct om_plan *plan, struct seen *seen, const struct om_sample *s,
			 const struct om_action *action)
{
	if (action->kind == OM_ACTION_NONE)
		return;
	if (seen->in_postcopy || s->stopped)
		fail_msg("an action after post-copy began, or after QEMU has stopped the guest");
	if (!action->why[0])
		fail_msg("an action without a reason");
	switch (action->kind) {
	case OM_ACTION_DOWNTIME:
		check_limit(plan, seen, action->downtime_ms);
		break;
	case OM_ACTION_POSTCOPY:
		check_postcopy(plan, seen);
		seen->in_postcopy = true;
		break;
	case OM_ACTION_SUSPEND:
		if (plan->timeout_action != OM_TIMEOUT_SUSPEND)
			fail_msg("a pause that nobody asked for");
		break;
	case OM_ACTION_THROTTLE:
		if (!plan->limits.throttle || !may_harm(plan) || seen->passes < HOPELESS_PASSES)
			fail_msg("a throttled restart after %u passes", seen->passes);
		break;
	case OM_ACTION_ABORT:
		check_abort(plan, seen, s);
		break;
	case OM_ACTION_SAY:
		if (plan->limits.policy == OM_POLICY_STOCK)
			fail_msg("stock says nothing");
		break;
	default:
		fail_msg("action %d", action->kind);
	}
	/* A guest that was paused may still be let run by post-copy, as with virsh. */
	if (++seen->kinds[action->kind] > 1 && action->kind != OM_ACTION_DOWNTIME)
		fail_msg("action %d twice", action->kind);
	all_kinds[action->kind]++;
}

static void take(struct om_watch *watch, const struct om_plan *plan, struct seen *seen,
		 const struct om_sample *s)
{
	struct om_action action;

	note_sample(seen, s);
	action = om_watch_step(watch, s);
	check_action(plan, seen, s, &action);
}

/* ---- what is allowed ---- */

static const uint32_t ceilings_ms[] = { 1, 30, 31, 300, 5000 };
#define CEILING_WAYS (6 * OM_ARRAY_LEN(ceilings_ms))

static struct om_plan with_ceiling(unsigned int way)
{
	uint32_t ceiling_ms = ceilings_ms[way / 6];

	return (struct om_plan){
		.limits.downtime_max_ms = ceiling_ms,
		.downtime_start_ms = ceiling_ms < 30 ? ceiling_ms : 30,
		.postcopy_after_precopy = way % 2,
		.timeout_s = 1,
		.timeout_action = (enum om_timeout_action)(way / 2 % 3),
	};
}

#define POLICY_WAYS (OM_POLICY_COUNT * 2 * 2 * 2 * 3)

/* Also what a plan rules out: the watch is not to rely on it. */
static struct om_plan with_policy(unsigned int way, uint64_t deadline_ms)
{
	unsigned int rest = way / OM_POLICY_COUNT;

	return (struct om_plan){
		.limits = { .policy = (enum om_policy)(way % OM_POLICY_COUNT),
			    .downtime_max_ms = 500,
			    .pause_max_ms = 2000,
			    .postcopy = rest % 2,
			    .throttle = rest / 2 % 2,
			    .deadline_ms = rest / 4 % 2 ? deadline_ms : 0 },
		.downtime_start_ms = 30,
		.postcopy_after_precopy = rest / 8 == 1,
		.timeout_s = rest / 8 == 2 ? 1 : 0,
		.timeout_action = rest / 8 == 2 ? OM_TIMEOUT_SUSPEND : OM_TIMEOUT_NONE,
	};
}

/* ---- every short sequence ---- */

static const struct om_sample alphabet[] = {
	{ .iteration = 0 },
	{ .iteration = 1, .remaining_bytes = 900 * MIB, .processed_bytes = 100 * MIB },
	{ .iteration = 2,
	  .remaining_bytes = 10 * MIB,
	  .processed_bytes = 990 * MIB,
	  .rate_bytes_ps = 100 * MIB,
	  .dirty_bytes_ps = MIB },
	{ .iteration = 2,
	  .remaining_bytes = 500 * MIB,
	  .processed_bytes = 900 * MIB,
	  .rate_bytes_ps = 100 * MIB,
	  .dirty_bytes_ps = 90 * MIB },
	{ .iteration = 3,
	  .remaining_bytes = 30 * MIB,
	  .processed_bytes = 999 * MIB,
	  .rate_bytes_ps = 100 * MIB,
	  .dirty_bytes_ps = 30 * MIB },
	{ .iteration = 4,
	  .remaining_bytes = UINT64_MAX / 4,
	  .processed_bytes = UINT64_MAX / 4,
	  .rate_bytes_ps = 1,
	  .dirty_bytes_ps = UINT64_MAX / 200 },
	{ .iteration = 9, .postcopy = true },
	{ .iteration = 3,
	  .remaining_bytes = 30 * MIB,
	  .processed_bytes = 1200 * MIB,
	  .paused = true },
	{ .iteration = 4,
	  .remaining_bytes = 5 * MIB,
	  .processed_bytes = 1300 * MIB,
	  .stopped = true },
};
#define LETTERS OM_ARRAY_LEN(alphabet)
#define LENGTH 4

static void try_sequence(const struct om_plan *plan, unsigned int number, unsigned int length)
{
	struct om_watch watch;
	struct seen seen = { 0 };

	om_watch_init(&watch, plan);
	for (unsigned int i = 0; i < length; i++, number /= LETTERS) {
		struct om_sample s = alphabet[number % LETTERS];

		s.now_ms = i * 700;
		take(&watch, plan, &seen, &s);
	}
}

static void every_short_sequence_of_samples_keeps_the_rules(void **unused)
{
	unsigned int all = 1;

	(void)unused;
	for (unsigned int length = 1; length <= LENGTH; length++) {
		all *= LETTERS;
		for (unsigned int number = 0; number < all; number++) {
			for (unsigned int way = 0; way < CEILING_WAYS; way++) {
				struct om_plan plan = with_ceiling(way);

				try_sequence(&plan, number, length);
			}
			for (unsigned int way = 0; way < POLICY_WAYS && length < LENGTH; way++) {
				struct om_plan plan = with_policy(way, 700);

				try_sequence(&plan, number, length);
			}
		}
	}
}

/* ---- long ones, drawn ---- */

#define WALKS 60
#define STEPS 80

enum letter { GOES_ON, DEAD, PAUSED, STOPPED, POSTCOPY, COUNTED };

static enum letter draw(uint32_t *seed, uint32_t *remaining_mib)
{
	static const uint32_t left_mib[] = { 5, 20, 60, 150, 300, 300, 300, 300 };
	uint32_t n;

	*seed = *seed * 1103515245 + 12345;
	n = *seed >> 16 & 255;
	*remaining_mib = left_mib[*seed >> 24 & 7];
	return n < 1	? POSTCOPY
	       : n < 2	? PAUSED
	       : n < 5	? STOPPED
	       : n < 9	? DEAD
	       : n < 80 ? GOES_ON
			: COUNTED;
}

/* 100 MiB/s; a guest that turns from busy to quiet and back at random. */
static void walk(const struct om_plan *plan, uint32_t seed)
{
	struct om_sample s = { .now_ms = FIRST_MS,
			       .remaining_bytes = 800 * MIB,
			       .total_bytes = 800 * MIB,
			       .iteration = 1 };
	struct om_watch watch;
	struct seen seen = { 0 };

	om_watch_init(&watch, plan);
	for (unsigned int i = 0; i < STEPS; i++) {
		uint32_t remaining_mib;
		enum letter letter = draw(&seed, &remaining_mib);

		s.now_ms += letter == DEAD ? 1500 : 250;
		s.stopped = letter == STOPPED;
		s.paused ^= letter == PAUSED;
		s.postcopy |= letter == POSTCOPY;
		if (letter != DEAD) {
			uint64_t sent = s.remaining_bytes < 25 * MIB ? s.remaining_bytes : 25 * MIB;

			s.processed_bytes += sent;
			s.remaining_bytes -= sent;
		}
		if (letter == COUNTED) {
			s.iteration++;
			s.remaining_bytes = remaining_mib * MIB;
		}
		take(&watch, plan, &seen, &s);
	}
}

static void long_sequences_keep_the_rules(void **unused)
{
	(void)unused;
	for (uint32_t seed = 1; seed <= WALKS; seed++)
		for (unsigned int way = 0; way < POLICY_WAYS; way++) {
			struct om_plan plan = with_policy(way, FIRST_MS + 9000);

			walk(&plan, seed * 7919);
		}
}

/* The rules are about something. */
static void each_action_was_seen(void **unused)
{
	(void)unused;
	for (int kind = OM_ACTION_NONE + 1; kind < OM_ACTION_COUNT; kind++)
		if (!all_kinds[kind] && kind != OM_ACTION_SYNC_WRITES) /* of the disks */
			fail_msg("action %d was never taken", kind);
	assert_true(beyond_soft > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_sequence_of_samples_keeps_the_rules),
		cmocka_unit_test(long_sequences_keep_the_rules),
		cmocka_unit_test(each_action_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
