/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_limits.h"
#include "om_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t epoch_s(struct tm *local)
{
	return mktime(local);
}

/* The clock of a host in that zone, at that moment of UTC. */
static struct om_clock clock_in(const char *zone, const char *utc)
{
	struct om_clock clock = { .epoch_s = epoch_s };
	struct tm t = { 0 };
	time_t now_s;

	setenv("TZ", zone, 1);
	tzset();
	assert_int_equal(sscanf(utc, "%d-%d-%dT%d:%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday,
				&t.tm_hour, &t.tm_min, &t.tm_sec),
			 6);
	t.tm_year -= 1900;
	t.tm_mon--;
	now_s = timegm(&t);
	localtime_r(&now_s, &clock.now);
	clock.now_ms = (int64_t)now_s * 1000;
	return clock;
}

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"

/* Seconds that are left, 0 where the text is refused. */
static uint64_t left_s(const char *text, const struct om_clock *clock)
{
	struct om_err why = { 0 };
	uint64_t left_ms;

	if (!om_deadline_left_ms(text, clock, &left_ms, &why)) {
		assert_int_equal(why.code, OM_E_INPUT);
		assert_true(*why.msg);
		return 0;
	}
	assert_true(left_ms >= 1);
	return (left_ms + 999) / 1000;
}

static void a_duration_is_seconds_or_has_units(void **unused)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} rows[] = {
		{ "90", 90 },	 { "1", 1 },	      { "90s", 90 },	      { "10m", 600 },
		{ "2h", 7200 },	 { "1h30m", 5400 },   { "1h30m5s", 5405 },    { "1h5s", 3605 },
		{ "90m", 5400 }, { "720h", 2592000 }, { "2592000", 2592000 }, { "000000090", 90 },
		{ "0h1s", 1 },
	};
	static const char *const bad[] = { "",
					   "0",
					   "0s",
					   "h",
					   "1h30",
					   "30m1h",
					   "1h1h",
					   "1d",
					   "-1",
					   "+1",
					   "1.5h",
					   "1 h",
					   "90S",
					   "2592001",
					   "721h",
					   "1hm",
					   "99999999999999999999",
					   "0x10",
					   "1h-5m",
					   "4294967295h",
					   "10000000000s",
					   "ten" };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (left_s(rows[i].text, NULL) != rows[i].seconds)
			fail_msg("%s", rows[i].text);
	for (size_t i = 0; i < OM_ARRAY_LEN(bad); i++)
		if (left_s(bad[i], NULL))
			fail_msg("%s is taken", bad[i]);
}

static void a_wall_clock_time_is_the_next_one(void **unused)
{
	static const struct {
		const char *zone, *utc, *text;
		uint64_t seconds; /* 0: refused */
	} rows[] = {
		{ "UTC0", "2027-01-31T12:00:00", "18:00", 6 * 3600 },
		{ "UTC0", "2027-01-31T12:00:30", "12:01", 30 },
		{ "UTC0", "2027-01-31T12:00:00", "12:00", 24 * 3600 },
		{ "UTC0", "2027-01-31T12:00:01", "12:00", 24 * 3600 - 1 },
		{ "UTC0", "2027-01-31T23:00:00", "06:00", 7 * 3600 },
		{ "UTC0", "2027-12-31T23:00:00", "00:00", 3600 },
		{ "UTC0", "2028-02-28T23:00:00", "01:00", 2 * 3600 },
		{ BERLIN, "2027-01-31T22:00:00", "06:00", 7 * 3600 },
		{ BERLIN, "2027-07-01T04:30:00", "06:00", 23 * 3600 + 1800 },
		/* the night of the 28th of March has no hour 2 */
		{ BERLIN, "2027-03-27T22:00:00", "06:00", 6 * 3600 },
		{ BERLIN, "2027-03-28T00:30:00", "03:30", 3600 },
		/* the night of the 31st of October has it twice */
		{ BERLIN, "2027-10-30T21:00:00", "06:00", 8 * 3600 },
		{ BERLIN, "2027-10-30T23:00:00", "02:30", 5400 },
		{ BERLIN, "2027-10-31T00:45:00", "02:30", 2700 },
		{ BERLIN, "2027-10-31T01:45:00", "02:30", 23 * 3600 + 2700 + 0 },
		/* half an hour */
		{ LORD_HOWE, "2027-04-03T14:00:00", "01:45", 2700 },
		{ LORD_HOWE, "2027-04-03T14:50:00", "01:45", 1500 },
		/* dates */
		{ "UTC0", "2027-01-31T12:00:00", "2027-02-01T06:00", 18 * 3600 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-02-01T06:00:05", 18 * 3600 + 5 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-01-31T12:00:01", 1 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-01-31T12:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-01-31T11:59:59", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "1999-01-01T00:00", 0 },
		{ "UTC0", "2028-02-28T12:00:00", "2028-02-29T12:00", 24 * 3600 },
		{ "UTC0", "2027-02-28T12:00:00", "2027-02-29T12:00", 0 },
		{ BERLIN, "2027-10-31T00:45:00", "2027-10-31T02:30", 2700 },
		{ BERLIN, "2027-10-31T01:45:00", "2027-10-31T02:30", 0 },
		/* no such thing */
		{ "UTC0", "2027-01-31T12:00:00", "24:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "12:60", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "6:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "18:00:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "18:00 ", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "-1:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-13-01T00:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-00-01T00:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-31T00:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-00T00:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-01T24:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-01T00:00:60", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-01 00:00", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-01T00:00Z", 0 },
		{ "UTC0", "2027-01-31T12:00:00", "2027-04-01", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_clock clock = clock_in(rows[i].zone, rows[i].utc);
		uint64_t seconds = left_s(rows[i].text, &clock);

		if (seconds != rows[i].seconds)
			fail_msg("%s at %s in %s: %llu s", rows[i].text, rows[i].utc, rows[i].zone,
				 (unsigned long long)seconds);
	}
}

/* Every minute of the days on which the clock is put forward and back: what is promised is at most
 * a day and an hour away, and the clock shows it then, if it shows it at all that day. */
static void at_any_minute_the_next_moment_is_found(void **unused)
{
	static const char *const days[] = { "2027-03-27T20:00:00", "2027-10-30T20:00:00",
					    "2027-06-30T20:00:00" };
	char text[16];

	(void)unused;
	for (size_t d = 0; d < OM_ARRAY_LEN(days); d++)
		for (int minute = 0; minute < 24 * 60; minute += 7) {
			struct om_clock clock = clock_in(BERLIN, days[d]);
			time_t then;
			struct tm t;

			snprintf(text, sizeof(text), "%02d:%02d", minute / 60, minute % 60);
			then = (time_t)(clock.now_ms / 1000 + (int64_t)left_s(text, &clock));
			assert_true(then > clock.now_ms / 1000);
			assert_true(then <= clock.now_ms / 1000 + 25 * 3600);
			localtime_r(&then, &t);
			if (d == 0 && minute / 60 == 2) /* there is no such hour that night */
				continue;
			if (t.tm_hour * 60 + t.tm_min != minute || t.tm_sec)
				fail_msg("%s from %s on: %02d:%02d:%02d", text, days[d], t.tm_hour,
					 t.tm_min, t.tm_sec);
		}
}

static void without_a_clock_only_durations_are_known(void **unused)
{
	struct om_err why;
	uint64_t left_ms;

	(void)unused;
	assert_false(om_deadline_left_ms("18:00", NULL, &left_ms, &why));
	assert_string_equal(why.msg, "there is no clock to judge it by");
	assert_true(om_deadline_left_ms("1s", NULL, &left_ms, &why));
	assert_int_equal(left_ms, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duration_is_seconds_or_has_units),
		cmocka_unit_test(a_wall_clock_time_is_the_next_one),
		cmocka_unit_test(at_any_minute_the_next_moment_is_found),
		cmocka_unit_test(without_a_clock_only_durations_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
