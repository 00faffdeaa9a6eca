/* SPDX-License-Identifier: Apache-2.0 */
#include "om_control.h"

#include "om_knob.h"
#include "om_text.h"
#include "om_util.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const verb_names[] = {
	[OM_CONTROL_CANCEL] = "cancel",
	[OM_CONTROL_SET] = "set",
	[OM_CONTROL_POSTCOPY] = "postcopy",
	[OM_CONTROL_PAUSE] = "pause",
};
static_assert(OM_ARRAY_LEN(verb_names) == OM_CONTROL_VERB_COUNT, "a verb has no name");

/* clang-format off */
static const struct {
	const char *name;
	int exit_status;
} results[] = {
	[OM_CONTROL_DONE]        = { "done", 0 },
	[OM_CONTROL_NO_SUCH]     = { "none", 1 },
	[OM_CONTROL_TOO_LATE]    = { "late", 3 },
	[OM_CONTROL_IN_POSTCOPY] = { "post-copy", 4 },
	[OM_CONTROL_REFUSED]     = { "refused", 5 },
	[OM_CONTROL_UNPROVEN]    = { "unproven", 6 },
};
/* clang-format on */
static_assert(OM_ARRAY_LEN(results) == OM_CONTROL_RESULT_COUNT, "a result has no row");

const char *om_control_verb_name(enum om_control_verb verb)
{
	return verb_names[verb];
}

int om_control_exit_status(enum om_control_result result)
{
	return results[result].exit_status;
}

/* clang-format off */
static const struct {
	const char *name;
	enum om_knob_id knob; /* which says what it may hold */
	const char *zero;     /* another spelling of 0 */
} words[] = {
	[OM_CONTROL_DOWNTIME_MAX] = { "downtime-max", OM_KNOB_MIGRATE_DOWNTIME_MAX_MS, NULL },
	[OM_CONTROL_PAUSE_MAX]    = { "pause-max", OM_KNOB_MIGRATE_PAUSE_MAX_MS, "none" },
	[OM_CONTROL_BANDWIDTH]    = { "bandwidth", OM_KNOB_MIGRATE_BANDWIDTH_MIBPS, "none" },
	[OM_CONTROL_DEADLINE]     = { "deadline", OM_KNOB_MIGRATE_DEADLINE, "none" },
	[OM_CONTROL_POLICY]       = { "policy", OM_KNOB_MIGRATE_POLICY, NULL },
};
/* clang-format on */
static_assert(OM_ARRAY_LEN(words) == OM_CONTROL_WORD_COUNT, "a word has no row");

static bool parse_policy(const char *text, uint64_t *value, struct om_err *err)
{
	for (int policy = 0; policy < OM_POLICY_COUNT; policy++)
		if (om_str_eq_nocase(text, om_policy_name(policy))) {
			*value = (uint64_t)policy;
			return true;
		}
	return om_err_set(err, OM_E_INPUT, "one of %s is expected",
			  om_knob_table[OM_KNOB_MIGRATE_POLICY].choices);
}

static bool parse_value(enum om_control_word word, const char *text, const struct om_clock *clock,
			uint64_t *value, struct om_err *err)
{
	const struct om_knob_row *row = &om_knob_table[words[word].knob];
	const char *zero = words[word].zero;

	*value = 0;
	if (zero && strcmp(text, zero) == 0)
		return true;
	if (word == OM_CONTROL_POLICY)
		return parse_policy(text, value, err);
	if (word == OM_CONTROL_DEADLINE)
		return om_deadline_left_ms(text, clock, value, err);
	return om_parse_u64(text, row->min, row->max, value) ||
	       om_err_set(err, OM_E_INPUT, "a number from %llu to %llu %s%s%s is expected",
			  (unsigned long long)row->min, (unsigned long long)row->max, row->unit,
			  zero ? " or " : "", zero ? zero : "");
}

static bool parse_word(struct om_control_request *request, char *text, const struct om_clock *clock,
		       struct om_err *err)
{
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < OM_ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i].name) != 0)
			continue;
		if (om_control_given(request, i))
			return om_err_set(err, OM_E_INPUT, "%s is given twice", text);
		request->given |= 1u << i;
		return parse_value(i, value, clock, &request->value[i], err) ||
		       om_err_wrap(err, "%s=%.60s", text, value);
	}
	return om_err_set(
		err, OM_E_INPUT,
		"'%.60s' is none of downtime-max=, pause-max=, bandwidth=, deadline=, policy=",
		text);
}

static bool parse_verb(struct om_control_request *request, const char *name)
{
	for (size_t i = 0; name && i < OM_ARRAY_LEN(verb_names); i++)
		if (strcmp(name, verb_names[i]) == 0) {
			request->verb = i;
			return true;
		}
	return false;
}

bool om_control_parse(struct om_control_request *request, const char *line,
		      const struct om_clock *clock, struct om_err *err)
{
	char copy[OM_CONTROL_LINE_MAX], *rest = copy, *text;

	memset(request, 0, sizeof(*request));
	if (!om_str_copy(copy, sizeof(copy), line))
		return om_err_set(err, OM_E_INPUT, "too many words");
	om_str_sanitize(copy);
	if (!parse_verb(request, strsep(&rest, " ")))
		return om_err_set(err, OM_E_INPUT, "no such request");
	while ((text = strsep(&rest, " "))) {
		if (request->verb != OM_CONTROL_SET)
			return om_err_set(err, OM_E_INPUT, "%s takes nothing but a VM",
					  verb_names[request->verb]);
		if (!parse_word(request, text, clock, err))
			return false;
	}
	return request->verb != OM_CONTROL_SET || request->given ||
	       om_err_set(err, OM_E_INPUT, "what is to be set?");
}

void om_control_apply(const struct om_control_request *request, uint64_t now_ms,
		      struct om_limits *limits)
{
	const uint64_t *value = request->value;

	if (om_control_given(request, OM_CONTROL_DOWNTIME_MAX))
		limits->downtime_max_ms = (uint32_t)value[OM_CONTROL_DOWNTIME_MAX];
	if (om_control_given(request, OM_CONTROL_PAUSE_MAX))
		limits->pause_max_ms = (uint32_t)value[OM_CONTROL_PAUSE_MAX];
	if (om_control_given(request, OM_CONTROL_BANDWIDTH))
		limits->bandwidth_bytes_ps = value[OM_CONTROL_BANDWIDTH] << 20;
	if (om_control_given(request, OM_CONTROL_POLICY))
		om_limits_set_policy(limits, (enum om_policy)value[OM_CONTROL_POLICY]);
	if (om_control_given(request, OM_CONTROL_DEADLINE))
		limits->deadline_ms = value[OM_CONTROL_DEADLINE]
					      ? now_ms + value[OM_CONTROL_DEADLINE]
					      : 0;
}

static void print_left(struct om_text *to, uint64_t left_s)
{
	if (left_s >= 7200)
		om_text_add(to, "%u h %u min", (unsigned int)(left_s / 3600),
			    (unsigned int)(left_s / 60 % 60));
	else if (left_s >= 120)
		om_text_add(to, "%u min %u s", (unsigned int)(left_s / 60),
			    (unsigned int)(left_s % 60));
	else
		om_text_add(to, "%u s", (unsigned int)left_s);
}

static void print_standstill(struct om_text *to, const struct om_limits *limits)
{
	if (limits->policy == OM_POLICY_STOCK) {
		om_text_add(to, "the domain's own downtime limit, ");
		return;
	}
	om_text_add(to, "downtime up to %u ms, ", limits->downtime_max_ms);
	if (om_limits_pause_ms(limits))
		om_text_add(to, "pause up to %u ms, ", om_limits_pause_ms(limits));
	else
		om_text_add(to, "no pause, ");
	/* It is what guaranteed promises; else only those who asked for it expect it. */
	if (limits->throttle)
		om_text_add(to, "a throttled restart allowed, ");
	else if (limits->policy == OM_POLICY_GUARANTEED)
		om_text_add(to, "no throttled restart, ");
}

static void print_deadline(struct om_text *to, const struct om_limits *limits, uint64_t now_ms)
{
	if (!limits->deadline_ms) {
		om_text_add(to, "no deadline");
		return;
	}
	om_text_add(to, "deadline in ");
	print_left(to, limits->deadline_ms > now_ms ? (limits->deadline_ms - now_ms) / 1000 : 0);
	if (limits->policy == OM_POLICY_STOCK)
		om_text_add(to, " without effect");
}

void om_control_print_limits(const struct om_limits *limits, uint64_t now_ms, char *text,
			     size_t size)
{
	struct om_text to = { .text = text, .size = size };

	om_text_add(&to, "policy %s, ", om_policy_name(limits->policy));
	print_standstill(&to, limits);
	if (limits->bandwidth_bytes_ps)
		om_text_add(&to, "bandwidth %llu MiB/s, ",
			    (unsigned long long)limits->bandwidth_bytes_ps >> 20);
	else
		om_text_add(&to, "bandwidth not limited, ");
	print_deadline(&to, limits, now_ms);
}

bool om_control_say(struct om_control_answer *answer, enum om_control_result result,
		    const char *fmt, ...)
{
	va_list args;

	answer->result = result;
	va_start(args, fmt);
	vsnprintf(answer->text, sizeof(answer->text), fmt, args);
	va_end(args);
	om_str_sanitize(answer->text);
	return false;
}

void om_control_print_answer(const struct om_control_answer *answer, char *line, size_t size)
{
	snprintf(line, size, "%s %s", results[answer->result].name, answer->text);
}

bool om_control_parse_answer(struct om_control_answer *answer, const char *line)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(results); i++) {
		size_t len = strlen(results[i].name);

		if (strncmp(line, results[i].name, len) != 0 || line[len] != ' ')
			continue;
		om_control_say(answer, (enum om_control_result)i, "%s", line + len + 1);
		return true;
	}
	return false;
}

static bool judge_ended(const struct om_control_facts *facts, struct om_control_answer *answer)
{
	if (facts->on_dest)
		return om_control_say(answer, OM_CONTROL_TOO_LATE,
				      "too late: the VM is on the destination already");
	return om_control_say(answer, OM_CONTROL_REFUSED,
			      "the migration is ending without success already");
}

static bool judge_postcopy(const struct om_control_facts *facts, struct om_control_answer *answer)
{
	if (facts->postcopy)
		return om_control_say(answer, OM_CONTROL_REFUSED, "it is in post-copy already");
	if (facts->postcopy_known && !facts->postcopy_armed)
		return om_control_say(answer, OM_CONTROL_REFUSED,
				      "the migration was not started with post-copy");
	if (facts->postcopy_known && facts->never_switch)
		return om_control_say(answer, OM_CONTROL_REFUSED,
				      "with parallel connections these versions of QEMU would lose "
				      "the guest in post-copy");
	if (facts->paused)
		return om_control_say(answer, OM_CONTROL_REFUSED,
				      "the guest is paused: the copy ends by itself");
	return true;
}

static bool judge_pause(const struct om_control_facts *facts, struct om_control_answer *answer)
{
	if (facts->postcopy)
		return om_control_say(
			answer, OM_CONTROL_REFUSED,
			facts->postcopy_broken
				? "it is in post-copy, which is broken"
				: "it is in post-copy: the guest runs on the destination");
	if (facts->paused)
		return om_control_say(answer, OM_CONTROL_REFUSED, "the guest is paused already");
	return true;
}

static bool judge_set(const struct om_control_request *request,
		      const struct om_control_facts *facts, struct om_control_answer *answer)
{
	if (facts->postcopy && request->given != 1u << OM_CONTROL_BANDWIDTH)
		return om_control_say(answer, OM_CONTROL_REFUSED,
				      "it is in post-copy: only bandwidth= has a meaning there");
	return true;
}

bool om_control_judge(const struct om_control_request *request,
		      const struct om_control_facts *facts, struct om_control_answer *answer)
{
	if (request->verb == OM_CONTROL_CANCEL && facts->postcopy_broken && !facts->ended)
		return om_control_say(
			answer, OM_CONTROL_IN_POSTCOPY,
			"post-copy is broken, and cannot be cancelled: each host has a part of the "
			"guest's memory; do not destroy the VM on either host");
	if (request->verb == OM_CONTROL_CANCEL && facts->postcopy && !facts->ended)
		return om_control_say(
			answer, OM_CONTROL_IN_POSTCOPY,
			"in post-copy a migration cannot be cancelled: the guest runs on the "
			"destination, and part of its memory is still on the source; it ends when "
			"that has been sent");
	if (request->verb == OM_CONTROL_CANCEL && !facts->on_dest)
		return true; /* once more does no harm */
	if (facts->ended)
		return judge_ended(facts, answer);
	if (facts->stopping)
		return om_control_say(answer, OM_CONTROL_REFUSED, "it is being cancelled");
	switch (request->verb) {
	case OM_CONTROL_POSTCOPY:
		return judge_postcopy(facts, answer);
	case OM_CONTROL_PAUSE:
		return judge_pause(facts, answer);
	default:
		return judge_set(request, facts, answer);
	}
}
