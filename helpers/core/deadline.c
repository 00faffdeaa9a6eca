/* SPDX-License-Identifier: Apache-2.0 */
/* MIGRATE_DEADLINE: how long there is until then. */
#include "om_limits.h"

#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define DURATION_MAX_S (30u * 24 * 3600)
#define SPELLINGS                                                                                  \
	"a duration (90, 90s, 10m, 2h, 1h30m) of at most 30 days, a time of day (06:00), "         \
	"a date and time (2027-01-31T06:00) or none is expected"

/* Takes the digits at *text; false: none, or too many. */
static bool take_number(const char **text, uint64_t *number)
{
	char digits[10];
	size_t len = strspn(*text, "0123456789");

	if (!len || len >= sizeof(digits))
		return false;
	memcpy(digits, *text, len);
	digits[len] = '\0';
	*text += len;
	return om_parse_u64(digits, 0, UINT32_MAX, number);
}

/* Hours, minutes and seconds in this order, each at most once; a number alone is of seconds. */
static bool parse_duration(const char *text, uint64_t *seconds)
{
	static const struct {
		char unit;
		unsigned int seconds;
	} units[] = { { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t next = 0;
	uint64_t number;

	*seconds = 0;
	if (om_parse_u64(text, 1, DURATION_MAX_S, seconds))
		return true;
	while (*text) {
		if (!take_number(&text, &number))
			return false;
		while (next < OM_ARRAY_LEN(units) && units[next].unit != *text)
			next++;
		if (next == OM_ARRAY_LEN(units))
			return false;
		*seconds += number * units[next++].seconds;
		text++;
	}
	return *seconds >= 1 && *seconds <= DURATION_MAX_S;
}

/* Does `text` look like `form`, in which 0 stands for any digit? */
static bool looks_like(const char *text, const char *form)
{
	for (; *form && *text; form++, text++)
		if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
			return false;
	return *form == *text;
}

static bool is_time(const struct tm *t)
{
	return t->tm_hour < 24 && t->tm_min < 60 && t->tm_sec < 60;
}

static bool is_date(const struct tm *t)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = t->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (t->tm_mon < 0 || t->tm_mon > 11)
		return false;
	return t->tm_mday >= 1 && t->tm_mday <= days[t->tm_mon] + (t->tm_mon == 1 && leap);
}

/*
 * The first moment after now that a local clock shows this date and time; 0: there is none. An hour
 * that the clock is put back over comes twice; one that it is put forward over does not come at
 * all, and is then taken as mktime() does.
 */
static int64_t first_moment(const struct tm *wanted, const struct om_clock *clock)
{
	int64_t best_s = 0, at_s;
	bool shown = false;

	for (int dst = 1; dst >= 0; dst--) {
		struct tm t = *wanted;

		t.tm_isdst = dst;
		at_s = clock->epoch_s(&t);
		if (t.tm_hour != wanted->tm_hour || t.tm_min != wanted->tm_min)
			continue;
		shown = true;
		if (at_s * 1000 > clock->now_ms && (!best_s || at_s < best_s))
			best_s = at_s;
	}
	if (!shown) {
		struct tm t = *wanted;

		t.tm_isdst = -1;
		at_s = clock->epoch_s(&t);
		best_s = at_s * 1000 > clock->now_ms ? at_s : 0;
	}
	return best_s;
}

/* 06:00 at 23:00 is tomorrow's: what is meant is the end of the window that has begun. */
static bool parse_time_of_day(const char *text, const struct om_clock *clock, int64_t *at_s,
			      struct om_err *why)
{
	struct tm wanted = clock->now;

	wanted.tm_sec = 0;
	if (sscanf(text, "%2d:%2d", &wanted.tm_hour, &wanted.tm_min) != 2 || !is_time(&wanted))
		return om_err_set(why, OM_E_INPUT, "there is no such time of day");
	for (int day = 0; day < 3; day++, wanted.tm_mday++) {
		*at_s = first_moment(&wanted, clock);
		if (*at_s)
			return true;
	}
	return om_err_set(why, OM_E_INPUT, "the host's clock does not show this time");
}

static bool parse_date(const char *text, const struct om_clock *clock, int64_t *at_s,
		       struct om_err *why)
{
	struct tm wanted = { 0 };

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &wanted.tm_year, &wanted.tm_mon,
		   &wanted.tm_mday, &wanted.tm_hour, &wanted.tm_min, &wanted.tm_sec) < 5)
		return om_err_set(why, OM_E_INPUT, SPELLINGS);
	wanted.tm_year -= 1900;
	wanted.tm_mon--;
	if (!is_date(&wanted) || !is_time(&wanted))
		return om_err_set(why, OM_E_INPUT, "there is no such date or time");
	*at_s = first_moment(&wanted, clock);
	return *at_s || om_err_set(why, OM_E_INPUT, "that is past");
}

bool om_deadline_left_ms(const char *text, const struct om_clock *clock, uint64_t *left_ms,
			 struct om_err *why)
{
	bool time_of_day = looks_like(text, "00:00");
	uint64_t seconds;
	int64_t at_s;

	if (parse_duration(text, &seconds)) {
		*left_ms = seconds * 1000;
		return true;
	}
	if (!time_of_day && !looks_like(text, "0000-00-00T00:00") &&
	    !looks_like(text, "0000-00-00T00:00:00"))
		return om_err_set(why, OM_E_INPUT, SPELLINGS);
	if (!clock)
		return om_err_set(why, OM_E_INPUT, "there is no clock to judge it by");
	if (!(time_of_day ? parse_time_of_day : parse_date)(text, clock, &at_s, why))
		return false;
	*left_ms = (uint64_t)(at_s * 1000 - clock->now_ms);
	return true;
}
