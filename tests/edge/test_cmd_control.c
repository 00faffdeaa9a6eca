/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered where the process that migrates is silent and the VM leaves this host. */
/* WRAP: om_control_ask */
#include "om_cmocka.h"
#include "state_dir.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* It is of the program, not of a library. */
#include "../../helpers/onemigrate/cmd_control.c"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static struct om_direct_end direct_end; /* what libvirt makes of it */
static struct om_state state;
static int dirfd_of_states;

static uint64_t clock_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t om_now_ms(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

uint64_t om_epoch_ms(void)
{
	return clock_of(CLOCK_REALTIME);
}

bool __wrap_om_control_ask(const char *uuid, const char *line, uint32_t timeout_ms,
			   struct om_control_answer *answer)
{
	(void)timeout_ms;
	assert_string_equal(uuid, UUID);
	assert_string_equal(line, "cancel");
	return om_control_say(answer, OM_CONTROL_UNPROVEN, "silent");
}

void om_direct(const char *domain, const struct om_control_request *request, uint32_t limit_ms,
	       struct om_direct_end *end)
{
	(void)request;
	(void)limit_ms;
	assert_string_equal(domain, UUID);
	*end = direct_end;
}

void om_direct_look(const char *domain, uint32_t limit_ms, struct om_direct_end *end)
{
	om_direct(domain, NULL, limit_ms, end);
}

static void write_state(enum om_phase phase)
{
	state.phase = phase;
	state.updated_epoch_ms = om_epoch_ms();
	assert_true(om_state_write(dirfd_of_states, &state));
}

static int set_up(void **unused)
{
	struct om_err err = { 0 };

	(void)unused;
	if (state_dir_make())
		return -1;
	dirfd_of_states = om_state_dir_open(true, &err);
	state = (struct om_state){
		.uuid = UUID, .vm_id = "31", .vm_name = "web", .dst = "node02", .pid = getpid()
	};
	om_state_boot_id(state.boot_id);
	write_state(OM_PHASE_SETTLE);
	direct_end = (struct om_direct_end){ .absent = true };
	om_control_say(&direct_end.answer, OM_CONTROL_UNPROVEN, "gone");
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	close(dirfd_of_states);
	return state_dir_remove();
}

struct later {
	unsigned int after_ms;
	enum om_phase phase;
};

static void *settle(void *ctx)
{
	const struct later *later = ctx;

	poll(NULL, 0, (int)later->after_ms);
	write_state(later->phase);
	return NULL;
}

/* The exit status; *ms: so long it took. */
static int cancel_while(struct later *later, uint64_t *ms)
{
	char verb[] = "cancel", vm[] = "31", *argv[] = { verb, vm, NULL };
	uint64_t begun_ms = om_now_ms();
	pthread_t thread;
	int status;

	if (later)
		assert_int_equal(pthread_create(&thread, NULL, settle, later), 0);
	status = om_cmd_control(2, argv);
	*ms = om_now_ms() - begun_ms;
	if (later)
		pthread_join(thread, NULL);
	return status;
}

static void a_cancel_just_too_late_waits_for_where_the_vm_is(void **unused)
{
	struct later later = { 700, OM_PHASE_DONE };
	uint64_t ms;

	(void)unused;
	assert_int_equal(cancel_while(&later, &ms), om_control_exit_status(OM_CONTROL_TOO_LATE));
	assert_in_range(ms, 600, 3000);
}

static void one_that_ends_without_success_says_nothing_of_it(void **unused)
{
	struct later later = { 300, OM_PHASE_FAILED };
	uint64_t ms;

	(void)unused;
	assert_int_equal(cancel_while(&later, &ms), om_control_exit_status(OM_CONTROL_UNPROVEN));
	assert_in_range(ms, 0, 3000);
}

static void it_does_not_wait_for_ever(void **unused)
{
	uint64_t ms;

	(void)unused;
	assert_int_equal(cancel_while(NULL, &ms), om_control_exit_status(OM_CONTROL_UNPROVEN));
	assert_in_range(ms, GONE_LIMIT_MS, GONE_LIMIT_MS + 3000);
}

static void nothing_is_waited_for_where_libvirt_does_not_say_that_it_is_gone(void **unused)
{
	uint64_t ms;

	(void)unused;
	direct_end.absent = false;
	assert_int_equal(cancel_while(NULL, &ms), om_control_exit_status(OM_CONTROL_UNPROVEN));
	assert_in_range(ms, 0, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cancel_just_too_late_waits_for_where_the_vm_is,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_ends_without_success_says_nothing_of_it,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_does_not_wait_for_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			nothing_is_waited_for_where_libvirt_does_not_say_that_it_is_gone, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
