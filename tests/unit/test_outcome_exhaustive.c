/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every combination of what two hosts can say, against a predicate that is written from the rules
 * and not from the code; and a model checker, in which decisions act on two hosts that fail,
 * recover and clean up by themselves in every order.
 */
#include "om_cmocka.h"

#include "om_outcome.h"
#include "om_report.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

static const uint64_t times_ms[] = { 0, OM_AUTODESTROY_WAIT_MS - 1, OM_AUTODESTROY_WAIT_MS,
				     OM_UNREACHABLE_WAIT_MS - 1, OM_UNREACHABLE_WAIT_MS };

struct situation {
	struct om_side src, dst;
	struct om_outcome_context c;
};

static unsigned int take(unsigned int *number, unsigned int values)
{
	unsigned int value = *number % values;

	*number /= values;
	return value;
}

#define SITUATIONS (8u * 8 * 5 * 256 * 256)

/* The number-th situation: each bit and state is a digit of it. */
static struct situation situation(unsigned int number)
{
	struct situation s = { 0 };

	s.src.state = take(&number, OM_SIDE_COUNT);
	s.dst.state = take(&number, OM_SIDE_COUNT);
	s.c.waited_ms = times_ms[take(&number, OM_ARRAY_LEN(times_ms))];
	s.src.job = take(&number, 2);
	s.src.stopped = take(&number, 2);
	s.src.resumed = take(&number, 2);
	s.dst.job = take(&number, 2);
	s.dst.stopped = take(&number, 2);
	s.dst.resumed = take(&number, 2);
	s.src.unwatched = take(&number, 2);
	s.dst.unwatched = take(&number, 2);
	s.c.asked_paused = take(&number, 2);
	s.c.source_paused = take(&number, 2);
	s.c.call_ok = take(&number, 2);
	s.c.suspended_by_us = take(&number, 2);
	s.c.resume_failed = take(&number, 2);
	s.c.destroy_dest_failed = take(&number, 2);
	s.c.destroy_source_failed = take(&number, 2);
	s.c.suspended = take(&number, 2);
	return s;
}

#define SET(...) ((unsigned int)(__VA_ARGS__))
#define IS(side, set) ((set) >> (side).state & 1)
enum {
	RUNS = 1 << OM_SIDE_RUNNING | 1 << OM_SIDE_ROLLED_BACK,
	INCOMING = 1 << OM_SIDE_INCOMING,
	ABSENT = 1 << OM_SIDE_ABSENT,
	SILENT = 1 << OM_SIDE_UNREACHABLE,
	PAUSED = 1 << OM_SIDE_PAUSED,
	HALF = 1 << OM_SIDE_POSTCOPY | 1 << OM_SIDE_POSTCOPY_FAILED,
};

/* Each part: NULL where the verdict keeps every rule, else the rule that it breaks. */
static const char *broken_repair_rule(const struct situation *s, enum om_verdict v)
{
	bool dst_never_ran = !s->dst.resumed &&
			     (IS(s->dst, INCOMING) ||
			      (s->c.asked_paused && IS(s->dst, PAUSED) && !s->dst.unwatched));
	bool dst_ran_and_went = IS(s->dst, ABSENT) && s->c.call_ok && !s->c.asked_paused;
	bool destroys = v == OM_VERDICT_DESTROY_DEST || v == OM_VERDICT_DESTROY_SOURCE;
	bool our_pause = s->c.suspended_by_us && !s->c.source_paused;
	bool our_pause_there = our_pause && !s->c.asked_paused && IS(s->src, ABSENT) &&
			       IS(s->dst, PAUSED) && !s->dst.resumed && !s->dst.unwatched;

	if (destroys && (IS(s->src, SILENT) || IS(s->dst, SILENT)))
		return "nothing is destroyed while a side is silent";
	if (v == OM_VERDICT_DESTROY_DEST && !(dst_never_ran && IS(s->src, RUNS)))
		return "a destination goes only if it never ran and the source runs";
	if (v == OM_VERDICT_DESTROY_DEST && s->src.job)
		return "a destination does not go under a job";
	if (v == OM_VERDICT_DESTROY_DEST && IS(s->dst, INCOMING) &&
	    s->c.waited_ms < OM_AUTODESTROY_WAIT_MS)
		return "its own libvirt has its time to remove a destination";
	if (v == OM_VERDICT_DESTROY_SOURCE && !IS(s->dst, RUNS | PAUSED))
		return "a source goes only if the destination has the guest";
	if (v == OM_VERDICT_DESTROY_SOURCE && !IS(s->src, INCOMING | HALF))
		return "a source goes only if the migration stopped it";
	if (v == OM_VERDICT_DESTROY_SOURCE && IS(s->src, HALF) && !IS(s->dst, RUNS))
		return "half a source goes only if the destination runs without it";
	if (v == OM_VERDICT_RESUME_SOURCE && !IS(s->src, INCOMING) &&
	    !(IS(s->src, PAUSED) && our_pause))
		return "only what the migration or our own pause stopped is resumed";
	if (v == OM_VERDICT_RESUME_SOURCE && IS(s->src, PAUSED) && !IS(s->dst, ABSENT))
		return "our own pause ends only with nothing on the destination";
	if (v == OM_VERDICT_RESUME_SOURCE && (s->dst.resumed || !IS(s->dst, ABSENT | INCOMING)))
		return "a source is resumed only if the destination never ran";
	if (v == OM_VERDICT_RESUME_SOURCE && IS(s->src, INCOMING) && dst_ran_and_went)
		return "a source is not resumed after the destination acknowledged its start";
	if (v == OM_VERDICT_RESUME_SOURCE && s->src.job)
		return "a source is not resumed under a job";
	if (v == OM_VERDICT_RESUME_SOURCE && IS(s->dst, INCOMING) &&
	    s->c.waited_ms < OM_UNREACHABLE_WAIT_MS)
		return "a waiting destination has a minute to go before the source is resumed";
	if (v == OM_VERDICT_SUSPEND_SOURCE && !(IS(s->src, RUNS) && IS(s->dst, RUNS)))
		return "a source is paused only if both run";
	if ((v == OM_VERDICT_RESUME_SOURCE && s->c.resume_failed) ||
	    (v == OM_VERDICT_DESTROY_DEST && s->c.destroy_dest_failed) ||
	    (v == OM_VERDICT_DESTROY_SOURCE && s->c.destroy_source_failed))
		return "a repair that failed is not tried again";
	if (v != OM_VERDICT_RESUME_SOURCE && IS(s->src, PAUSED) && our_pause &&
	    IS(s->dst, ABSENT) && !s->src.job && !s->dst.resumed && !s->c.resume_failed)
		return "our own pause is taken back";
	if (v == OM_VERDICT_RESUME_DEST && !our_pause_there)
		return "a destination is resumed only if our own pause went there, and the source is gone";
	if (our_pause_there && v != (s->c.resume_failed ? OM_VERDICT_DEST : OM_VERDICT_RESUME_DEST))
		return "our own pause that went to the destination is taken back there, once";
	return NULL;
}

static const char *broken_job_rule(const struct situation *s, enum om_verdict v)
{
	bool source_has_it = IS(s->src, RUNS | PAUSED);
	bool to_be_cancelled = s->src.job &&
			       ((IS(s->src, RUNS) && !IS(s->dst, RUNS)) ||
				(IS(s->src, PAUSED) && IS(s->dst, ABSENT | INCOMING)));

	if (v == OM_VERDICT_ABORT_JOB && !s->src.job)
		return "only a job is cancelled";
	if (v == OM_VERDICT_ABORT_JOB && (!source_has_it || IS(s->dst, RUNS)))
		return "a job is cancelled only before the switch-over";
	if (v == OM_VERDICT_ABORT_JOB && IS(s->src, PAUSED) && !IS(s->dst, ABSENT | INCOMING))
		return "the job of a paused source is cancelled only if the destination has it not";
	if (to_be_cancelled && v != (s->c.waited_ms < OM_UNREACHABLE_WAIT_MS ? OM_VERDICT_ABORT_JOB
									     : OM_VERDICT_UNKNOWN))
		return "a job that goes on is cancelled for a minute, and then nothing is known";
	if (s->src.job && (v == OM_VERDICT_SOURCE || v == OM_VERDICT_SOURCE_LEFTOVER))
		return "the source is not named while its job goes on";
	if (s->src.job && source_has_it && om_verdict_is_final(v) && v != OM_VERDICT_UNKNOWN &&
	    v != OM_VERDICT_BOTH)
		return "while the job of a complete source goes on nothing is known";
	return NULL;
}

static const char *broken_answer_rule(const struct situation *s, enum om_verdict v)
{
	int status = om_verdict_is_final(v) ? om_report_exit_status(v) : -1;
	bool late = s->c.waited_ms >= OM_AUTODESTROY_WAIT_MS;
	bool very_late = s->c.waited_ms >= OM_UNREACHABLE_WAIT_MS;
	bool started_there = s->c.call_ok || s->dst.resumed;

	if (status == 0 && IS(s->dst, ABSENT | INCOMING))
		return "success needs a destination that has it";
	if (status == 0 && IS(s->dst, SILENT) &&
	    !(v == OM_VERDICT_DEST && IS(s->src, ABSENT) && s->c.call_ok && very_late))
		return "a silent destination has it only if it said so and the source is gone";
	if (status == 0 && IS(s->src, RUNS | PAUSED) && v != OM_VERDICT_BOTH)
		return "success leaves no complete copy on the source";
	if (status == 0 && IS(s->src, SILENT) && !(IS(s->dst, RUNS) && late))
		return "success needs a source that answers, or a destination that runs";
	if (v == OM_VERDICT_DEST_LEFTOVER && IS(s->src, SILENT) && !started_there)
		return "a silent source is stopped only if the destination was started";
	if (v == OM_VERDICT_DEST_LEFTOVER && IS(s->src, SILENT) && s->c.suspended)
		return "a silent source that ran beside the destination is not told to be stopped";
	if (IS(s->src, SILENT) && IS(s->dst, RUNS) && s->c.suspended && late &&
	    v != OM_VERDICT_BOTH)
		return "what was seen to run on both is told so";
	if (v == OM_VERDICT_DEST && IS(s->src, SILENT))
		return "a silent source is not told to be empty";
	if ((v == OM_VERDICT_SOURCE || v == OM_VERDICT_SOURCE_LEFTOVER) &&
	    !IS(s->src, RUNS | PAUSED))
		return "the source has it only where it says so";
	if (v == OM_VERDICT_SOURCE && !IS(s->dst, ABSENT) &&
	    !(IS(s->dst, SILENT) && !s->src.stopped && s->src.state == OM_SIDE_RUNNING))
		return "the source alone has it only if the destination cannot";
	if (v == OM_VERDICT_NEITHER && !(IS(s->src, ABSENT) && IS(s->dst, ABSENT)))
		return "neither means neither";
	if (v == OM_VERDICT_BOTH && !IS(s->dst, RUNS))
		return "both means both: the destination";
	if (v == OM_VERDICT_BOTH && !IS(s->src, RUNS | PAUSED) &&
	    !(IS(s->src, SILENT) && s->c.suspended))
		return "both means both: the source";
	if (v == OM_VERDICT_DEST_POSTCOPY && !IS(s->src, HALF) && !IS(s->dst, HALF))
		return "post-copy is told only of a side that is in it";
	if (very_late && v == OM_VERDICT_WAIT)
		return "nothing is waited for after a minute";
	if (very_late && s->c.resume_failed && s->c.suspended && s->c.destroy_dest_failed &&
	    s->c.destroy_source_failed && !om_verdict_is_final(v))
		return "a minute and failed repairs are the end";
	return NULL;
}

static const char *broken_rule(const struct situation *s, enum om_verdict v)
{
	const char *rule = broken_repair_rule(s, v);

	if (!rule)
		rule = broken_job_rule(s, v);
	return rule ? rule : broken_answer_rule(s, v);
}

static void every_situation_keeps_every_rule(void **unused)
{
	unsigned int seen[OM_VERDICT_COUNT] = { 0 };

	(void)unused;
	for (unsigned int i = 0; i < SITUATIONS; i++) {
		struct situation s = situation(i);
		enum om_verdict v = om_outcome_decide(&s.src, &s.dst, &s.c);
		const char *rule = broken_rule(&s, v);

		assert_true(v < OM_VERDICT_COUNT);
		seen[v]++;
		if (rule)
			fail_msg("%s: source %s, destination %s, %u s, verdict %d (situation %u)",
				 rule, om_side_state_name(s.src.state),
				 om_side_state_name(s.dst.state),
				 (unsigned int)(s.c.waited_ms / 1000), (int)v, i);
	}
	for (int v = 0; v < OM_VERDICT_COUNT; v++)
		if (!seen[v])
			fail_msg("verdict %d never comes", v);
}

/* ---- the model ---- */

enum truth { NONE, WHOLE, STALE, PIECE };

struct world {
	enum om_side_state src, dst; /* as they are; reachable or not is apart */
	bool src_silent, dst_silent, job, dst_ran, ran_seen, stopped_seen, unwatched;
	unsigned int time; /* index into times_ms, and beyond */
	enum om_verdict answered;
	struct om_outcome_context c;
	unsigned int steps;
};

/* What a side's memory is worth. */
static enum truth worth_dst(const struct world *w)
{
	if (SET(RUNS | PAUSED) >> w->dst & 1)
		return w->src != OM_SIDE_POSTCOPY && w->src != OM_SIDE_POSTCOPY_FAILED ? WHOLE
		       : w->dst == OM_SIDE_PAUSED				       ? PIECE
										       : WHOLE;
	if (SET(HALF) >> w->dst & 1)
		return PIECE;
	/* Complete, but only if the source had sent all: unknown, so that it must not be lost. */
	if (w->dst == OM_SIDE_INCOMING && w->src == OM_SIDE_ABSENT)
		return WHOLE;
	return NONE;
}

static enum truth worth_src(const struct world *w)
{
	if (SET(RUNS | PAUSED) >> w->src & 1)
		return WHOLE;
	if (w->src == OM_SIDE_INCOMING)
		return w->dst_ran ? STALE : WHOLE;
	if (SET(HALF) >> w->src & 1)
		return worth_dst(w) == WHOLE ? STALE : PIECE;
	return NONE;
}

static bool is_safe(const struct world *w)
{
	enum truth s = worth_src(w), d = worth_dst(w);

	return s == WHOLE || d == WHOLE || (s == PIECE && d == PIECE);
}

static unsigned int visited_count;

typedef void (*next)(struct world w, bool safe);
static void explore(struct world w, bool safe);

static struct om_side says(enum om_side_state state, bool silent)
{
	return (struct om_side){ .state = silent ? OM_SIDE_UNREACHABLE : state };
}

static void complain(const struct world *w, const char *what)
{
	fail_msg("%s: source %s%s, destination %s%s, job %d, ran %d, seen %d, call ok %d, "
		 "suspended %d, verdict %d, step %u",
		 what, om_side_state_name(w->src), w->src_silent ? " (silent)" : "",
		 om_side_state_name(w->dst), w->dst_silent ? " (silent)" : "", w->job, w->dst_ran,
		 w->ran_seen, w->c.call_ok, w->c.suspended, (int)w->answered, w->steps);
}

/* Where the job of a call that has failed goes on (peer-to-peer) and what it makes of both hosts. */
static void let_job_go_on(struct world w, bool safe, next then)
{
	struct world n = w;

	if (!w.job)
		return;
	if (w.dst == OM_SIDE_ABSENT && !w.dst_ran && (SET(RUNS | PAUSED) >> w.src & 1)) {
		n.dst = OM_SIDE_INCOMING; /* prepared */
		then(n, safe);
	} else if (w.dst == OM_SIDE_INCOMING && (SET(RUNS) >> w.src & 1)) {
		n.src = OM_SIDE_INCOMING; /* the switch-over */
		n.stopped_seen = !w.src_silent;
		then(n, safe);
	} else if (w.dst == OM_SIDE_INCOMING && (SET(INCOMING | PAUSED) >> w.src & 1)) {
		if (w.c.asked_paused || w.c.source_paused) {
			n.dst = OM_SIDE_PAUSED;
		} else {
			n.dst = OM_SIDE_RUNNING;
			n.dst_ran = true;
			n.ran_seen = !w.dst_silent;
		}
		then(n, safe);
	} else if ((SET(INCOMING | PAUSED) >> w.src & 1) && (SET(RUNS | PAUSED) >> w.dst & 1)) {
		n.src = OM_SIDE_ABSENT; /* confirmed */
		n.job = false;
		then(n, safe);
	}
}

/* The source was named: from now on nothing may take the guest away from it. */
static void keep_the_answer(struct world w, bool safe)
{
	if (!(SET(RUNS | PAUSED) >> w.src & 1) || (SET(RUNS) >> w.dst & 1))
		complain(&w, "told to be on the source, and then the job goes on");
	let_job_go_on(w, safe, keep_the_answer);
}

static void check_end(const struct world *w, enum om_verdict v, bool safe)
{
	enum truth s = worth_src(w), d = worth_dst(w);
	/* The guest was there when it was last heard of; what became of it nobody can know. */
	bool said_so = w->dst_silent && w->c.call_ok && w->src == OM_SIDE_ABSENT;

	if (safe && !is_safe(w))
		complain(w, "no complete copy is left");
	if (om_report_exit_status(v) == 0 && v != OM_VERDICT_DEST_POSTCOPY && d != WHOLE &&
	    !(SET(HALF) >> w->dst & 1) && !said_so)
		complain(w, "told to be on the destination, which has it not");
	if (v == OM_VERDICT_SOURCE && s != WHOLE)
		complain(w, "told to be on the source, which has it not");
	if (v == OM_VERDICT_DEST && s == WHOLE)
		complain(w, "a complete copy is left on the source");
	if (v == OM_VERDICT_SOURCE && d == WHOLE && (SET(RUNS) >> w->dst & 1) && !w->dst_silent)
		complain(w, "it runs on the destination");
	/* A source that was rolled back unseen, because the reply to it was lost, cannot be told from
	 * a stopped one while it is silent; the status is right, and one copy is named to look at. */
	if (v == OM_VERDICT_DEST_LEFTOVER && (SET(RUNS) >> w->src & 1) &&
	    !(w->src_silent && !w->c.call_ok && !w->c.suspended))
		complain(w, "told to be stopped on the source, where it runs");
	if (v == OM_VERDICT_SOURCE || v == OM_VERDICT_SOURCE_LEFTOVER) {
		let_job_go_on(*w, safe, keep_the_answer);
		if (w->job)
			complain(w, "the source is named under a job");
	}
}

/* What the hosts may do while nothing is done here. */
static void let_time_pass(struct world w, bool safe)
{
	struct world n;

	if (w.time + 1 < OM_ARRAY_LEN(times_ms))
		w.time++;
	explore(w, safe);
	n = w;
	if (w.src_silent || w.dst_silent) {
		n.src_silent = n.dst_silent = false;
		explore(n, safe);
	}
	n = w;
	if (!w.src_silent) {
		n.src_silent = true;
		explore(n, safe);
	}
	n = w;
	if (!w.dst_silent) {
		n.dst_silent = true;
		explore(n, safe);
	}
	n = w;
	if (w.dst == OM_SIDE_INCOMING && w.src != OM_SIDE_ABSENT) { /* autodestroy */
		n.dst = OM_SIDE_ABSENT;
		explore(n, safe);
	}
	n = w;
	if (w.job) {
		n.job = false;
		explore(n, safe);
		if (w.src == OM_SIDE_INCOMING && !w.dst_ran) { /* cancelled */
			n.src = OM_SIDE_ROLLED_BACK;
			explore(n, safe);
		} else if (w.src == OM_SIDE_INCOMING) { /* confirmed */
			n.src = OM_SIDE_ABSENT;
			explore(n, safe);
		}
	}
	let_job_go_on(w, safe, explore);
	n = w;
	if ((SET(HALF) >> w.src & 1) && w.dst == OM_SIDE_POSTCOPY) {
		n.src = OM_SIDE_ABSENT;
		n.dst = OM_SIDE_RUNNING;
		explore(n, safe);
		n.src = n.dst = OM_SIDE_POSTCOPY_FAILED;
		explore(n, safe);
	}
}

/* Success and failure of a repair, both. */
static void repair(struct world w, enum om_verdict v, bool safe)
{
	struct world n = w;

	switch (v) {
	case OM_VERDICT_RESUME_SOURCE:
		if (worth_src(&w) != WHOLE)
			complain(&w, "an old copy is resumed");
		if (SET(RUNS) >> w.dst & 1)
			complain(&w, "a second copy is started");
		n.src = OM_SIDE_RUNNING;
		w.c.resume_failed = true;
		break;
	case OM_VERDICT_RESUME_DEST:
		if (worth_dst(&w) != WHOLE || worth_src(&w) != NONE)
			complain(&w, "a destination is resumed that has it not alone");
		n.dst = OM_SIDE_RUNNING;
		n.dst_ran = true;
		n.ran_seen = !w.dst_silent;
		w.c.resume_failed = true;
		break;
	case OM_VERDICT_DESTROY_DEST:
		if (worth_dst(&w) == PIECE || worth_src(&w) != WHOLE)
			complain(&w, "the destination is destroyed");
		n.dst = OM_SIDE_ABSENT;
		w.c.destroy_dest_failed = true;
		break;
	case OM_VERDICT_DESTROY_SOURCE:
		if (worth_dst(&w) != WHOLE)
			complain(&w, "the source is destroyed");
		n.src = OM_SIDE_ABSENT;
		w.c.destroy_source_failed = true;
		break;
	case OM_VERDICT_ABORT_JOB: /* or it is too late for it */
		if (worth_src(&w) != WHOLE)
			complain(&w, "the job of a source without the guest is cancelled");
		n.job = false;
		explore(n, safe);
		let_time_pass(w, safe);
		return;
	case OM_VERDICT_SUSPEND_SOURCE:
		n.src = OM_SIDE_PAUSED;
		n.c.suspended = w.c.suspended = true;
		let_time_pass(w, safe);
		explore(n, safe);
		return;
	default:
		return;
	}
	explore(n, safe);
	explore(w, safe);
}

static void explore(struct world w, bool safe)
{
	struct om_side src = says(w.src, w.src_silent), dst = says(w.dst, w.dst_silent);
	enum om_verdict v;

	visited_count++;
	if (++w.steps > 16)
		complain(&w, "it does not end");
	src.job = w.job && !w.src_silent;
	src.stopped = w.stopped_seen;
	dst.resumed = w.ran_seen;
	dst.unwatched = w.unwatched;
	w.c.waited_ms = times_ms[w.time];
	v = w.answered = om_outcome_decide(&src, &dst, &w.c);
	if (om_verdict_is_final(v))
		check_end(&w, v, safe);
	else if (v == OM_VERDICT_WAIT)
		let_time_pass(w, safe);
	else
		repair(w, v, safe);
}

/* The destination acknowledged that it had all, and unless it was to stay paused that it ran. */
static bool call_can_have_succeeded(const struct world *w)
{
	bool to_be_paused = w->c.asked_paused || w->c.source_paused || w->c.suspended_by_us;

	if (w->dst == OM_SIDE_INCOMING || (!to_be_paused && !w->dst_ran))
		return false;
	if (w->src == OM_SIDE_PAUSED)
		return w->c.source_paused;
	return !(SET(RUNS) >> w->src & 1);
}

/* Could these hosts be seen so in reality? */
static bool is_possible(const struct world *w)
{
	bool dst_shows_that_it_ran = SET(RUNS | HALF) >> w->dst & 1 ||
				     (w->dst == OM_SIDE_PAUSED && !w->c.asked_paused &&
				      !w->c.suspended_by_us);
	bool start_known = w->ran_seen || (w->c.call_ok && !w->c.asked_paused);

	if (w->dst == OM_SIDE_INCOMING && w->dst_ran)
		return false;
	if (dst_shows_that_it_ran && !w->dst_ran)
		return false;
	if (w->ran_seen && !w->dst_ran)
		return false;
	/* Nobody can know of a destination that ran unseen and is gone. */
	if (w->dst == OM_SIDE_ABSENT && w->dst_ran && !start_known)
		return false;
	/* The destination is started by one call, which the source was stopped for. */
	if (w->dst_ran && w->src == OM_SIDE_RUNNING && !w->stopped_seen)
		return false;
	/* A destination that ran under --suspend was started by somebody, which is seen if it was
	 * watched all the time. */
	if (w->c.asked_paused && w->dst == OM_SIDE_PAUSED && w->dst_ran && !w->ran_seen &&
	    !w->unwatched)
		return false;
	if (w->job && w->src == OM_SIDE_ABSENT)
		return false;
	return !w->c.call_ok || call_can_have_succeeded(w);
}

static void from_every_start_it_ends_and_no_last_copy_is_lost(void **unused)
{
	unsigned int starts = 0;

	(void)unused;
	for (unsigned int number = 0; number < 7u * 7 * 2048; number++) {
		unsigned int rest = number;
		struct world w = { 0 };

		w.src = 1 + take(&rest, OM_SIDE_COUNT - 1);
		w.dst = 1 + take(&rest, OM_SIDE_COUNT - 1);
		w.src_silent = take(&rest, 2);
		w.dst_silent = take(&rest, 2);
		w.job = take(&rest, 2);
		w.dst_ran = take(&rest, 2);
		w.ran_seen = take(&rest, 2);
		w.stopped_seen = take(&rest, 2);
		w.unwatched = take(&rest, 2);
		w.c.asked_paused = take(&rest, 2);
		w.c.source_paused = take(&rest, 2);
		w.c.call_ok = take(&rest, 2);
		w.c.suspended_by_us = take(&rest, 2);
		if (!is_possible(&w))
			continue;
		starts++;
		explore(w, is_safe(&w));
	}
	print_message("%u starts, %u states visited\n", starts, visited_count);
	assert_true(visited_count > 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_situation_keeps_every_rule),
		cmocka_unit_test(from_every_start_it_ends_and_no_last_copy_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
