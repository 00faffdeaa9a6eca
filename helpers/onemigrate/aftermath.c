/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stock does in the background once the VM is there: set the guest's clock through its agent,
 * compact the memory of the source. A process of its own, started and connected while the memory
 * moves, because the forwarded agent ends with the driver's script; it waits for one word on stdin
 * and changes no result.
 */
#include "om_log.h"
#include "om_proc.h"
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYNC_ROUNDS 4
#define SYNC_EVERY_S 5
#define CLEANUP_TIMEOUT_MS 60000

void om_aftermath_prepare(struct om_session *s)
{
	bool sync = om_knob_number(&s->knobs, OM_KNOB_SYNC_TIME) && s->dom.has_guest_agent;
	bool cleanup = om_knob_number(&s->knobs, OM_KNOB_CLEANUP_MEMORY_ON_STOP);
	const char *argv[] = { "/proc/self/exe",
			       "aftermath",
			       sync ? "sync-time" : "-",
			       cleanup ? "cleanup-memory" : "-",
			       s->dst_uri,
			       om_vir_uuid(s->vir),
			       s->args.local ? s->args.src : "",
			       NULL };

	if (!sync && !cleanup)
		return;
	if (om_proc_start(argv, &s->aftermath_fd, NULL) < 0) {
		s->aftermath_fd = -1;
		om_log(OM_LOG_WARN, "no process for the time after the migration could be started");
	}
}

void om_aftermath_go(struct om_session *s)
{
	if (s->aftermath_fd >= 0 && write(s->aftermath_fd, "go\n", 3) != 3)
		om_log(OM_LOG_WARN, "the guest's clock and the host's memory are left as they are");
}

static bool told_to_go(void)
{
	char word[4] = { 0 };

	return read(STDIN_FILENO, word, 3) == 3 && strcmp(word, "go\n") == 0;
}

static void sync_time(struct om_vir *vir)
{
	for (int i = 0; i < SYNC_ROUNDS; i++) {
		if (om_vir_sync_time(vir, OM_VIR_DST)) {
			om_log_syslog("the guest's clock was set");
			return;
		}
		sleep(SYNC_EVERY_S);
	}
	om_log_syslog("the guest's agent did not set its clock");
}

/* Allowed? As stock asks, so that no sudo complains to its administrator. With exactly these words,
 * because sudo allows no others (OpenNebula's ONE_MEM). */
static bool cleanup_memory(const char *host, struct om_err *err)
{
	static const char *const list[] = { "sudo", "-n", "-l", NULL };
	static const char *const argv[] = {
		"sudo", "-n", "sysctl", "vm.drop_caches=3", "vm.compact_memory=1", NULL
	};
	char out[8192];

	if (*host)
		return om_proc_ssh_capture(host,
					   "sudo -n -l | grep -q sysctl && "
					   "sudo -n sysctl vm.drop_caches=3 vm.compact_memory=1",
					   CLEANUP_TIMEOUT_MS, out, sizeof(out), err);
	if (!om_proc_capture(list, CLEANUP_TIMEOUT_MS, out, sizeof(out), err))
		return false;
	if (!strstr(out, "sysctl"))
		return om_err_set(err, OM_E_INPUT, "sudo does not allow it");
	return om_proc_capture(argv, CLEANUP_TIMEOUT_MS, out, sizeof(out), err);
}

int om_cmd_aftermath(int argc, char **argv)
{
	struct om_err err;
	struct om_vir *vir = NULL;
	bool sync;

	if (argc != 6)
		return 2;
	om_log_open("aftermath");
	sync = strcmp(argv[1], "sync-time") == 0;
	if (sync) {
		if (!om_vir_init(&err))
			return 1;
		vir = om_vir_new("qemu:///system", argv[3]);
		if (!om_vir_open(vir, OM_VIR_DST, &err) || !om_vir_identify(vir, argv[4], &err)) {
			om_log_syslog("%s", err.msg);
			sync = false;
		}
	}
	if (!told_to_go())
		return 0;
	if (sync) /* first: compacting can take a minute */
		sync_time(vir);
	if (strcmp(argv[2], "cleanup-memory") == 0 && !cleanup_memory(argv[5], &err))
		om_log_syslog("the host's memory was not compacted: %s", err.msg);
	return 0;
}
