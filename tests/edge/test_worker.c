/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the working process: what it answers for a libvirt that hangs, and what is recorded of it. */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_history.h"
#include "session.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* It is of the program, not of a library. */
#include "../../helpers/onemigrate/worker.c"

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static uint64_t clock_ms;

uint64_t om_now_ms(void)
{
	return clock_ms;
}

/* The first answer counts. */
void om_session_answer(struct om_session *s, int exit_status, const char *fmt, ...)
{
	va_list args;

	if (s->shared->answered)
		return;
	va_start(args, fmt);
	vsnprintf(s->shared->sentence, sizeof(s->shared->sentence), fmt, args);
	va_end(args);
	s->shared->exit_status = exit_status;
	s->shared->answered = true;
}

void om_storage_tick(struct om_session *s)
{
	assert_non_null(s);
}

/* What the worker's thread does, and the rest of the main one: none of it here. */
void om_session_leave_to_stock(struct om_session *s, const char *why)
{
	fail_msg("%p %s", (void *)s, why);
}

bool om_session_read(struct om_session *s, const char *document, size_t len, struct om_err *err)
{
	fail_msg("%p %p %zu %p", (void *)s, (const void *)document, len, (void *)err);
	return false;
}

void om_session_refuse(struct om_session *s, const struct om_err *err)
{
	fail_msg("%p %p", (void *)s, (const void *)err);
}

const char *om_session_stock_case(const struct om_session *s)
{
	fail_msg("%p", (const void *)s);
	return NULL;
}

void om_session_ops(struct om_session *s, struct om_run_ops *ops)
{
	fail_msg("%p %p", (void *)s, (void *)ops);
}

void om_session_migrate(struct om_session *s, struct om_run_ops *ops)
{
	fail_msg("%p %p", (void *)s, (void *)ops);
}

void om_session_settle(struct om_session *s, const struct om_run_ops *ops)
{
	fail_msg("%p %p", (void *)s, (const void *)ops);
}

void om_session_look(struct om_session *s, const struct om_run_ops *ops)
{
	fail_msg("%p %p", (void *)s, (const void *)ops);
}

void om_requests_init(struct om_session *s)
{
	fail_msg("%p", (void *)s);
}

void om_requests_fds(struct om_session *s, struct pollfd fds[OM_REQUESTS_FDS])
{
	fail_msg("%p %p", (void *)s, (void *)fds);
}

void om_requests_serve(struct om_session *s, const struct pollfd fds[OM_REQUESTS_FDS])
{
	fail_msg("%p %p", (void *)s, (const void *)fds);
}

void om_requests_end(struct om_session *s)
{
	fail_msg("%p", (void *)s);
}

void om_hooks_leave(struct om_session *s)
{
	fail_msg("%p", (void *)s);
}

static struct om_session s;
static struct om_shared shared;

/* A migration of which memory has moved, in that phase since time 0. */
static void begin(enum om_phase phase)
{
	memset(&s, 0, sizeof(s));
	memset(&shared, 0, sizeof(shared));
	clock_ms = 0;
	s.shared = &shared;
	s.args = (struct om_args){ .src = "node01", .dst = "node02", .vm_id = "31" };
	s.stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s.state = (struct om_state){
		.uuid = UUID, .vm_id = "31", .pid = getpid(), .iteration = 3, .phase = phase
	};
	pthread_mutex_init(&s.lock, NULL);
	om_host_local(&s.host);
}

static void end(void)
{
	close(s.stop_fd);
	pthread_mutex_destroy(&s.lock);
}

struct seen {
	unsigned int count;
	struct om_state last;
};

static void see(const struct om_state *state, void *ctx)
{
	struct seen *seen = ctx;

	if (strcmp(state->uuid, UUID) != 0)
		return;
	seen->count++;
	seen->last = *state;
}

/* The clock has answered: the process ends, and this is left of it. */
static void is_recorded(enum om_phase phase, int exit_status, const char *sentence)
{
	struct seen states = { 0 }, before = { 0 }, after = { 0 };

	assert_true(watchdog(&s));
	assert_true(shared.answered);
	assert_int_equal(shared.exit_status, exit_status);
	om_history_each(see, &before);
	write_state(&s, true);
	om_history_each(see, &after);
	om_state_each(see, &states);
	assert_int_equal(after.count, before.count + 1);
	assert_int_equal(states.count, 1);
	assert_int_equal(states.last.phase, phase);
	assert_int_equal(after.last.phase, phase);
	if (!strstr(after.last.result, sentence))
		fail_msg("'%s' is not in '%s'", sentence, after.last.result);
	assert_string_equal(states.last.result, after.last.result);
}

static void a_libvirt_that_hangs_after_the_call_ends_the_record(void **unused)
{
	(void)unused;
	begin(OM_PHASE_SETTLE);
	shared.touched = true;
	clock_ms = SETTLE_LIMIT_MS;
	assert_false(watchdog(&s));
	assert_int_equal(s.state.phase, OM_PHASE_SETTLE);
	clock_ms++;
	is_recorded(OM_PHASE_UNKNOWN, 1, "a host's libvirt does not answer any more; it could not");
	end();
	begin(OM_PHASE_SETTLE);
	shared.touched = true;
	s.call_ok = true;
	clock_ms = SETTLE_LIMIT_MS + 1;
	is_recorded(OM_PHASE_DONE, 0, "does not answer any more; the VM runs on node02");
	end();
}

static void a_libvirt_that_hangs_before_anything_is_touched_ends_the_record(void **unused)
{
	(void)unused;
	begin(OM_PHASE_PREPARE);
	s.asking = true;
	clock_ms = ASK_LIMIT_MS;
	assert_false(watchdog(&s));
	clock_ms++;
	is_recorded(OM_PHASE_FAILED, 1, "does not answer; nothing was touched");
	end();
	/* For a process that has died, which had begun. */
	begin(OM_PHASE_PREPARE);
	s.asking = true;
	shared.touched = true;
	clock_ms = ASK_LIMIT_MS + 1;
	is_recorded(OM_PHASE_UNKNOWN, 1, "a host's libvirt does not answer any more; it could not");
	end();
}

static void a_signal_before_anything_is_touched_ends_the_record(void **unused)
{
	(void)unused;
	begin(OM_PHASE_PREPARE);
	om_session_stop(&s);
	assert_int_equal(s.state.phase, OM_PHASE_FAILED);
	assert_non_null(strstr(s.state.result, "cancelled; "));
	end();
}

static void what_the_worker_has_found_out_stays(void **unused)
{
	(void)unused;
	begin(OM_PHASE_DONE);
	om_str_copy(s.state.result, sizeof(s.state.result), "done in 4.5 s");
	s.call_ok = true;
	answer_for_hung(&s); /* it had read the phase a moment before */
	assert_int_equal(s.state.phase, OM_PHASE_DONE);
	assert_string_equal(s.state.result, "done in 4.5 s");
	end();
}

static int set_up(void **unused)
{
	(void)unused;
	return state_dir_make();
}

static int tear_down(void **unused)
{
	(void)unused;
	return state_dir_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_libvirt_that_hangs_after_the_call_ends_the_record),
		cmocka_unit_test(a_libvirt_that_hangs_before_anything_is_touched_ends_the_record),
		cmocka_unit_test(a_signal_before_anything_is_touched_ends_the_record),
		cmocka_unit_test(what_the_worker_has_found_out_stays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
