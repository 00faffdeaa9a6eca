/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator asks of a migration that runs, and what is answered: one line each way over a
 * socket, made of the words of the command line. What a word may hold is what its setting may. Pure.
 */
#ifndef OM_CONTROL_H
#define OM_CONTROL_H

#include "om_err.h"
#include "om_limits.h"
#include "om_outcome.h"

#include <stddef.h>

enum om_control_verb {
	OM_CONTROL_CANCEL,
	OM_CONTROL_SET,
	OM_CONTROL_POSTCOPY,
	OM_CONTROL_PAUSE,
	OM_CONTROL_VERB_COUNT
};
const char *om_control_verb_name(enum om_control_verb verb);

/* The words of `set`, each followed by "=" and its value. */
enum om_control_word {
	OM_CONTROL_DOWNTIME_MAX, /* ms */
	OM_CONTROL_PAUSE_MAX,	 /* ms; 0 = never */
	OM_CONTROL_BANDWIDTH,	 /* MiB/s; 0 or "none" = no limit */
	OM_CONTROL_DEADLINE,	 /* as MIGRATE_DEADLINE, or "none" */
	OM_CONTROL_POLICY,
	OM_CONTROL_WORD_COUNT
};

struct om_control_request {
	enum om_control_verb verb;
	unsigned int given; /* bits 1 << om_control_word; OM_CONTROL_SET only */
	/* In the unit of the word; the deadline in ms from now, 0 = none. */
	uint64_t value[OM_CONTROL_WORD_COUNT];
};

static inline bool om_control_given(const struct om_control_request *request,
				    enum om_control_word word)
{
	return request->given & 1u << word;
}

#define OM_CONTROL_LINE_MAX 512 /* with the newline and the NUL */
#define OM_CONTROL_CLIENTS 4	/* of one migration at a time; more wait to be accepted */

/* A line without its newline: a verb and its words, one blank between them. OM_E_INPUT. Without a
 * clock (NULL) a deadline by the wall clock is refused. */
bool om_control_parse(struct om_control_request *request, const char *line,
		      const struct om_clock *clock, struct om_err *err) OM_MUST_CHECK;

/* Changes what the request gives. */
void om_control_apply(const struct om_control_request *request, uint64_t now_ms,
		      struct om_limits *limits);
/* "policy auto, downtime up to 500 ms, ..." */
void om_control_print_limits(const struct om_limits *limits, uint64_t now_ms, char *text,
			     size_t size);

enum om_control_result {
	OM_CONTROL_DONE,	/* done, and seen to be so */
	OM_CONTROL_NO_SUCH,	/* no such migration is known here */
	OM_CONTROL_TOO_LATE,	/* the guest is on the destination */
	OM_CONTROL_IN_POSTCOPY, /* cannot be cancelled: either half alone is worthless */
	OM_CONTROL_REFUSED,	/* not possible now; nothing was changed */
	OM_CONTROL_UNPROVEN,	/* asked for, but what became of it is not known */
	OM_CONTROL_RESULT_COUNT
};
int om_control_exit_status(enum om_control_result result);

struct om_control_answer {
	enum om_control_result result;
	char text[400];
};
/* Sets the answer; returns false, for `return om_control_say(...)` where nothing can be done. */
bool om_control_say(struct om_control_answer *answer, enum om_control_result result,
		    const char *fmt, ...) OM_PRINTF(3, 4);
/* As a line, without a newline; and back. False for what is no answer. */
void om_control_print_answer(const struct om_control_answer *answer, char *line, size_t size);
bool om_control_parse_answer(struct om_control_answer *answer, const char *line) OM_MUST_CHECK;

/* What is known of the migration when a request is to be carried out. */
struct om_control_facts {
	bool ended;	      /* libvirt's call has returned, or there is no job */
	bool on_dest;	      /* it succeeded */
	bool stopping;	      /* it is being cancelled */
	bool postcopy;	      /* the switch was made */
	bool postcopy_broken; /* and its link has failed since: it waits for nothing any more */
	bool postcopy_known;  /* the two fields below tell something */
	bool postcopy_armed;  /* started with VIR_MIGRATE_POSTCOPY */
	bool never_switch;    /* armed, but a switch would lose the guest */
	bool paused;	      /* the guest does not run */
};
/* May it be carried out? False: the answer says why not. */
bool om_control_judge(const struct om_control_request *request,
		      const struct om_control_facts *facts,
		      struct om_control_answer *answer) OM_MUST_CHECK;

/* ---- where no helper watches it (core/control_seen.c) ---- */

struct om_control_facts om_control_facts_of(const struct om_side *side);
/*
 * Once libvirt has taken the request (NULL: somebody else's cancel): is what libvirt of this host
 * says of the VM an end of it? True: the answer says which. That the VM is not here any more proves
 * nothing.
 */
bool om_control_seen(const struct om_control_request *request, const struct om_side *side,
		     struct om_control_answer *answer) OM_MUST_CHECK;
/* The VM is not here any more. True where the state is that of a migration which has taken it to the
 * destination, and ended since then: the answer says so. */
struct om_state;
bool om_control_went(const struct om_state *state, uint64_t since_epoch_ms,
		     struct om_control_answer *answer) OM_MUST_CHECK;

#endif
