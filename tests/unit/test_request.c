/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_request.h"
#include "om_util.h"

#include <string.h>

static void ask(struct om_request_queue *queue, int client, enum om_control_verb verb)
{
	om_request_put(queue, client,
		       &(struct om_request){ .stage = OM_REQUEST_ASKED, .what = { .verb = verb } });
}

static void the_oldest_is_taken_first_and_a_cancel_never(void **unused)
{
	struct om_request_queue queue = { .begun = true };
	struct om_request copy;

	(void)unused;
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), -1);
	ask(&queue, 1, OM_CONTROL_CANCEL);
	ask(&queue, 3, OM_CONTROL_SET);
	ask(&queue, 0, OM_CONTROL_PAUSE);
	assert_int_equal(om_request_take(&queue, OM_REQUEST_STARTED, &copy), -1);
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), 3);
	assert_int_equal(copy.what.verb, OM_CONTROL_SET);
	assert_int_equal(copy.stage, OM_REQUEST_TAKEN);
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), 0);
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), -1);
	assert_int_equal(queue.v[1].stage, OM_REQUEST_ASKED);
}

static void a_pause_waits_until_the_migration_has_begun(void **unused)
{
	struct om_request_queue queue = { 0 };
	struct om_request copy;

	(void)unused;
	ask(&queue, 1, OM_CONTROL_PAUSE);
	ask(&queue, 2, OM_CONTROL_SET);
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), 2);
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), -1);
	assert_int_equal(queue.v[1].stage, OM_REQUEST_ASKED);
	queue.begun = true;
	assert_int_equal(om_request_take(&queue, OM_REQUEST_ASKED, &copy), 1);
	assert_int_equal(copy.what.verb, OM_CONTROL_PAUSE);
}

static void an_answer_comes_back_to_its_place(void **unused)
{
	struct om_request_queue queue = { 0 };
	struct om_request copy;
	int place;

	(void)unused;
	ask(&queue, 2, OM_CONTROL_POSTCOPY);
	place = om_request_take(&queue, OM_REQUEST_ASKED, &copy);
	assert_true(om_request_leave(&queue, place, &copy, OM_REQUEST_STARTED));
	/* libvirt has taken it; that it is so is seen later */
	place = om_request_take(&queue, OM_REQUEST_STARTED, &copy);
	assert_int_equal(place, 2);
	om_control_say(&copy.answer, OM_CONTROL_DONE, "it is so");
	assert_true(om_request_leave(&queue, place, &copy, OM_REQUEST_DONE));
	assert_int_equal(queue.v[2].stage, OM_REQUEST_DONE);
	assert_string_equal(queue.v[2].answer.text, "it is so");
}

static void an_answer_never_reaches_another_client_in_that_place(void **unused)
{
	struct om_request_queue queue = { 0 };
	struct om_request copy;
	int place;

	(void)unused;
	ask(&queue, 0, OM_CONTROL_SET);
	place = om_request_take(&queue, OM_REQUEST_ASKED, &copy);
	/* given up and answered; the place is that of a client who has not said a word yet */
	om_request_answer_late(&queue.v[0], OM_PHASE_COPY, true);
	queue.v[0].stage = OM_REQUEST_NONE;
	assert_false(om_request_leave(&queue, place, &copy, OM_REQUEST_DONE));
	assert_int_equal(queue.v[0].stage, OM_REQUEST_NONE);
	/* and of one who has */
	ask(&queue, 0, OM_CONTROL_PAUSE);
	assert_false(om_request_leave(&queue, place, &copy, OM_REQUEST_DONE));
	assert_int_equal(queue.v[0].stage, OM_REQUEST_ASKED);
}

static void a_cancel_has_more_time_than_the_others(void **unused)
{
	struct om_request request = { .since_ms = 1000, .what = { .verb = OM_CONTROL_SET } };

	(void)unused;
	assert_false(om_request_is_late(&request, 10999));
	assert_true(om_request_is_late(&request, 11000));
	request.what.verb = OM_CONTROL_CANCEL;
	assert_false(om_request_is_late(&request, 30999));
	assert_true(om_request_is_late(&request, 31000));
}

static void what_is_late_is_answered_with_what_is_known(void **unused)
{
	static const struct {
		enum om_control_verb verb;
		enum om_request_stage stage;
		enum om_phase phase;
		enum om_control_result result;
		const char *text;
	} rows[] = {
		{ OM_CONTROL_CANCEL, OM_REQUEST_ASKED, OM_PHASE_COPY, OM_CONTROL_UNPROVEN,
		  "it was told to stop, but has not ended within 30 s" },
		{ OM_CONTROL_POSTCOPY, OM_REQUEST_STARTED, OM_PHASE_COPY, OM_CONTROL_UNPROVEN,
		  "libvirt has taken it, but it is not seen to be so" },
		{ OM_CONTROL_SET, OM_REQUEST_TAKEN, OM_PHASE_COPY, OM_CONTROL_UNPROVEN,
		  "libvirt does not answer; whether it was done is not known" },
		{ OM_CONTROL_SET, OM_REQUEST_ASKED, OM_PHASE_COPY, OM_CONTROL_REFUSED,
		  "libvirt does not answer; nothing was changed" },
		{ OM_CONTROL_SET, OM_REQUEST_ASKED, OM_PHASE_POSTCOPY, OM_CONTROL_REFUSED,
		  "libvirt does not answer; nothing was changed" },
		{ OM_CONTROL_SET, OM_REQUEST_ASKED, OM_PHASE_PREPARE, OM_CONTROL_REFUSED,
		  "libvirt's migration has not begun yet; nothing was changed" },
		{ OM_CONTROL_PAUSE, OM_REQUEST_ASKED, OM_PHASE_SETTLE, OM_CONTROL_REFUSED,
		  "libvirt's migration has ended, and both hosts are asked where the VM is; "
		  "nothing was changed" },
		{ OM_CONTROL_PAUSE, OM_REQUEST_ASKED, OM_PHASE_COPY, OM_CONTROL_REFUSED,
		  "libvirt does not answer; nothing was changed" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_request request = { .stage = rows[i].stage,
					      .what = { .verb = rows[i].verb } };

		om_request_answer_late(&request, rows[i].phase, true);
		assert_int_equal(request.stage, OM_REQUEST_DONE);
		assert_int_equal(request.answer.result, rows[i].result);
		assert_string_equal(request.answer.text, rows[i].text);
	}
}

static void a_pause_that_waited_for_the_begin_is_told_so(void **unused)
{
	static const struct {
		enum om_control_verb verb;
		enum om_phase phase;
		const char *text;
	} rows[] = {
		{ OM_CONTROL_PAUSE, OM_PHASE_COPY,
		  "libvirt's migration has not begun yet; nothing was changed" },
		{ OM_CONTROL_SET, OM_PHASE_COPY, "libvirt does not answer; nothing was changed" },
		{ OM_CONTROL_PAUSE, OM_PHASE_SEND,
		  "files are being sent, libvirt's migration has not begun yet; nothing was "
		  "changed" },
		{ OM_CONTROL_PAUSE, OM_PHASE_SETTLE,
		  "libvirt's migration has ended, and both hosts are asked where the VM is; "
		  "nothing was changed" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_request request = { .stage = OM_REQUEST_ASKED,
					      .what = { .verb = rows[i].verb } };

		om_request_answer_late(&request, rows[i].phase, false);
		assert_int_equal(request.answer.result, OM_CONTROL_REFUSED);
		assert_string_equal(request.answer.text, rows[i].text);
	}
}

static void the_end_answers_whoever_waits(void **unused)
{
	static const struct {
		enum om_control_verb verb;
		enum om_request_stage stage;
		struct om_request_end end;
		enum om_control_result result;
		const char *text;
	} rows[] = {
		{ OM_CONTROL_CANCEL, OM_REQUEST_ASKED, { .proven = true }, OM_CONTROL_DONE, "why" },
		{ OM_CONTROL_CANCEL, OM_REQUEST_ASKED, { 0 }, OM_CONTROL_UNPROVEN, "why" },
		{ OM_CONTROL_CANCEL,
		  OM_REQUEST_ASKED,
		  { .on_dest = true },
		  OM_CONTROL_TOO_LATE,
		  "too late: the VM is on node02" },
		{ OM_CONTROL_POSTCOPY,
		  OM_REQUEST_STARTED,
		  { .on_dest = true },
		  OM_CONTROL_DONE,
		  "done, and the VM is on node02" },
		{ OM_CONTROL_SET,
		  OM_REQUEST_ASKED,
		  { .on_dest = true },
		  OM_CONTROL_TOO_LATE,
		  "too late: the VM is on node02" },
		{ OM_CONTROL_SET,
		  OM_REQUEST_TAKEN,
		  { .proven = true },
		  OM_CONTROL_REFUSED,
		  "the migration has ended: why" },
		/* Asked of libvirt, and where the VM is nobody knows. */
		{ OM_CONTROL_POSTCOPY,
		  OM_REQUEST_STARTED,
		  { 0 },
		  OM_CONTROL_UNPROVEN,
		  "the migration has ended: why" },
		{ OM_CONTROL_CANCEL,
		  OM_REQUEST_ASKED,
		  { .left_to_stock = true },
		  OM_CONTROL_REFUSED,
		  "the migration is left to OpenNebula's own script: why" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_request request = { .stage = rows[i].stage,
					      .what = { .verb = rows[i].verb } };
		struct om_request_end end = rows[i].end;

		end.sentence = "why";
		end.dst = "node02";
		om_request_answer_by_end(&request, &end);
		assert_int_equal(request.stage, OM_REQUEST_DONE);
		assert_int_equal(request.answer.result, rows[i].result);
		assert_string_equal(request.answer.text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_is_taken_first_and_a_cancel_never),
		cmocka_unit_test(a_pause_waits_until_the_migration_has_begun),
		cmocka_unit_test(an_answer_comes_back_to_its_place),
		cmocka_unit_test(an_answer_never_reaches_another_client_in_that_place),
		cmocka_unit_test(a_cancel_has_more_time_than_the_others),
		cmocka_unit_test(what_is_late_is_answered_with_what_is_known),
		cmocka_unit_test(a_pause_that_waited_for_the_begin_is_told_so),
		cmocka_unit_test(the_end_answers_whoever_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
