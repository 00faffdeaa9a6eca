/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to another host. */
#ifndef OM_REMOTE_INTERNAL_H
#define OM_REMOTE_INTERNAL_H

#include "om_remote.h"
#include "om_util.h"

#include <sys/types.h>

#define REMOTE_OUTPUT_MAX ((size_t)1 << 20)

/* onemigrate-ssh, started. */
struct remote_child {
	pid_t pid; /* 0: none */
	int to, from;
	struct om_buf in; /* what has come and was not taken */
	size_t at;
	const volatile int *stop;
};

enum remote_start {
	REMOTE_START_READY,
	REMOTE_START_CANNOT, /* ssh(1) may; err says why */
	REMOTE_START_FAILED,
};
enum remote_start remote_child_start(struct remote_child *child, const struct om_remote_want *want,
				     char *address, size_t size, struct om_err *err);
bool remote_child_run(struct remote_child *child, const char *script, uint32_t timeout_ms,
		      struct om_remote_answer *answer, struct om_err *err) OM_MUST_CHECK;
/* False with OM_E_STOCK: the other host lacks the program, nothing was touched. */
bool remote_child_put(struct remote_child *child, struct om_remote_file *files, size_t count,
		      om_remote_progress_fn *progress, void *ctx, struct om_err *err) OM_MUST_CHECK;
void remote_child_end(struct remote_child *child);

/* ssh(1) and rsync(1). */
struct remote_ssh {
	bool ready;
	char *host;
	struct om_strv words; /* that precede the host */
	char *rsh;	      /* the same for rsync */
	bool always_packed;
	uint32_t limit_mibps;
	const volatile int *stop;
};
bool remote_ssh_start(struct remote_ssh *ssh, const struct om_remote_want *want, char *address,
		      size_t size, struct om_err *err) OM_MUST_CHECK;
bool remote_ssh_run(struct remote_ssh *ssh, const char *script, uint32_t timeout_ms,
		    struct om_remote_answer *answer, struct om_err *err) OM_MUST_CHECK;
bool remote_ssh_put(struct remote_ssh *ssh, struct om_remote_file *files, size_t count,
		    om_remote_progress_fn *progress, void *ctx, struct om_err *err) OM_MUST_CHECK;
void remote_ssh_end(struct remote_ssh *ssh);

/* Runs argv with `input` as stdin, until its end, its time or a stop. `heard`, if any, gets stdout as it
 * comes, else answer->out. False: it could not be started, was stopped, or its time is over. */
typedef void remote_heard_fn(void *ctx, const char *bytes, size_t len);
bool remote_proc(const char *const argv[], const char *input, uint32_t timeout_ms,
		 const volatile int *stop, struct om_remote_answer *answer, remote_heard_fn *heard,
		 void *ctx, struct om_err *err) OM_MUST_CHECK;
uint64_t remote_now_ms(void);

#endif
