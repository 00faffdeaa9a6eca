/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"
#include "state_dir.h"

#include "om_dom.h"
#include "om_opts.h"
#include "om_qemu_running.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "0d5e7a0e-7a1c-4b8e-9a55-9f1f6c3f2b11"
#define ANOTHER "1d5e7a0e-7a1c-4b8e-9a55-9f1f6c3f2b11"

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

struct guest {
	char program[100];
	pid_t pid;
	int in; /* it ends when this is closed */
};

/* The kernel shows a new program first, and its words a moment later. */
static bool has_begun(pid_t pid, const char *uuid)
{
	char path[64], words[200];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	length = read(fd, words, sizeof(words));
	close(fd);
	assert_true(length >= 0);
	return memmem(words, (size_t)length, uuid, strlen(uuid)) != NULL;
}

/* A program of ours with the words of a guest's QEMU among its own. */
static void begin(struct guest *guest, const char *uuid)
{
	char command[200];
	int ends[2];

	snprintf(guest->program, sizeof(guest->program), "%s/qemu", base);
	snprintf(command, sizeof(command), "cp \"$(readlink -f /bin/sh)\" %s", guest->program);
	assert_int_equal(system(command), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	guest->in = ends[1];
	guest->pid = fork();
	assert_true(guest->pid >= 0);
	if (!guest->pid) {
		dup2(ends[0], STDIN_FILENO);
		execl(guest->program, "qemu", "-c", "read x", "-name", "-uuid", uuid, "-S",
		      (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	while (!has_begun(guest->pid, uuid))
		assert_int_equal(waitpid(guest->pid, NULL, WNOHANG), 0);
}

static void end(struct guest *guest)
{
	close(guest->in);
	waitpid(guest->pid, NULL, 0);
}

static void an_upgrade_replaces_the_program_under_a_guest(void **unused)
{
	struct guest guest;

	(void)unused;
	begin(&guest, UUID);
	assert_false(om_qemu_is_replaced("/proc", UUID));
	assert_int_equal(unlink(guest.program), 0);
	assert_true(om_qemu_is_replaced("/proc", UUID));
	end(&guest);
	assert_false(om_qemu_is_replaced("/proc", UUID));
}

static void another_guest_is_not_this_one(void **unused)
{
	struct guest guest;

	(void)unused;
	begin(&guest, ANOTHER);
	assert_int_equal(unlink(guest.program), 0);
	assert_false(om_qemu_is_replaced("/proc", UUID));
	assert_false(om_qemu_is_replaced("/proc", ""));
	assert_false(om_qemu_is_replaced("/nowhere", ANOTHER));
	end(&guest);
}

static void the_machine_type_tells_the_least_version(void **unused)
{
	static const struct {
		const char *machine;
		uint64_t version;
	} rows[] = {
		{ "pc-q35-10.0", 10000000 },
		{ "pc-i440fx-7.2", 7002000 },
		{ "pc-q35-noble", 0 },
		{ "pc-q35-rhel9.4.0", 0 },
		{ "pc-q35-10.0-hpb", 0 },
		{ "pc-q35-10.0.1", 0 },
		{ "q35", 0 },
		{ "", 0 },
		{ NULL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_dom dom = { .machine = (char *)(uintptr_t)rows[i].machine };

		assert_int_equal(om_dom_machine_version(&dom), rows[i].version);
	}
}

static void unseen_it_is_between_machine_type_and_installed(void **unused)
{
	static const struct {
		const char *machine;
		uint64_t installed, least, most;
	} rows[] = {
		{ "pc-q35-7.2", 10000013, 7002000, 10000013 },
		{ "pc-q35-7.2", 7002000, 7002000, 7002000 },
		{ "pc-q35-7.2", 7001000, 7001000, 7002000 },
		{ "pc-q35-7.2", 0, 0, UINT64_MAX },
		{ NULL, 10000013, 0, 10000013 }, /* it does not tell */
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_dom dom = { .machine = (char *)(uintptr_t)rows[i].machine };
		struct om_versions versions = { .src_qemu = rows[i].installed };

		om_dom_qemu_unseen(&dom, &versions);
		assert_true(versions.src_qemu == rows[i].least);
		assert_true(versions.src_qemu_most == rows[i].most);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_upgrade_replaces_the_program_under_a_guest),
		TEST(another_guest_is_not_this_one),
		cmocka_unit_test(the_machine_type_tells_the_least_version),
		cmocka_unit_test(unseen_it_is_between_machine_type_and_installed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
