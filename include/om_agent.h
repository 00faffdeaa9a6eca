/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling a guest of its migration: its agent runs one fixed program there, with "before" or
 * "after" as its argument. What a guest answers is the guest's: only numbers and words of the
 * protocol are taken from it.
 */
#ifndef OM_AGENT_H
#define OM_AGENT_H

#include "om_err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OM_AGENT_PROGRAM "/etc/qemu-ga/migration-notify"
#define OM_AGENT_LIMIT_MS 5000 /* for all of it; libvirt itself gives an agent up before */

enum om_agent_word { OM_AGENT_BEFORE, OM_AGENT_AFTER };

/* ---- core/agent.c: pure ---- */

/* One line for virsh(1). `uuid` is libvirt's own text. */
void om_agent_print_exec(char *line, size_t size, const char *uuid, enum om_agent_word word);
void om_agent_print_status(char *line, size_t size, const char *uuid, uint64_t pid);

enum om_agent_reply { OM_AGENT_NOTHING_YET, OM_AGENT_REPLY, OM_AGENT_ERROR };
/* Is there an answer in what virsh has printed since the line was sent? It points to its words. */
enum om_agent_reply om_agent_find_reply(const char *printed, const char **reply);
bool om_agent_parse_pid(const char *reply, uint64_t *pid);
/* `status` holds where it has ended. False: that is no such answer. */
bool om_agent_parse_status(const char *reply, bool *ended, uint64_t *status);

/* ---- edge/agent_virsh.c ---- */

/* A virsh with an open connection: what is needed to open it (a forwarded agent of ssh) may be gone
 * later. */
struct om_agent {
	pid_t pid; /* 0 = not open */
	int to, from;
};
bool om_agent_open(struct om_agent *agent, const char *uri);
void om_agent_close(struct om_agent *agent);

/*
 * Runs the program in the guest and, for OM_AGENT_BEFORE, waits for its end; OM_AGENT_LIMIT_MS at
 * most. False: the program was not started, and `err` says why; true: it was, and err->msg is what
 * there is to say of its end, or "". stop_fd: gives up once it is readable or closed; -1 = none.
 */
bool om_agent_tell(struct om_agent *agent, const char *uuid, enum om_agent_word word, int stop_fd,
		   struct om_err *err) OM_MUST_CHECK;

#endif
