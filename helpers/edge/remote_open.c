/* SPDX-License-Identifier: Apache-2.0 */
#include "remote_internal.h"

#include "om_log.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_MOST_MIBPS (1 << 20) /* onemigrate-ssh takes no more */

struct remote {
	struct om_remote_want want; /* its texts belong to this */
	struct remote_child child;
	struct remote_ssh ssh;
	bool by_child, files_by_ssh;
};

void om_remote_answer_free(struct om_remote_answer *answer)
{
	free(answer->out.text);
	free(answer->err.text);
	*answer = (struct om_remote_answer){ 0 };
}

/* A caller may read text where there was none. */
static void terminate(struct om_remote_answer *answer)
{
	om_buf_add(&answer->out, "", 0);
	om_buf_add(&answer->err, "", 0);
}

static bool run(void *ctx, const char *script, uint32_t timeout_ms, struct om_remote_answer *answer,
		struct om_err *err)
{
	struct remote *r = ctx;

	*answer = (struct om_remote_answer){ 0 };
	terminate(answer);
	if (r->by_child)
		return remote_child_run(&r->child, script, timeout_ms, answer, err);
	return remote_ssh_run(&r->ssh, script, timeout_ms, answer, err);
}

/* The way of ssh(1) for files alone: the other host has no onemigrate-ssh. */
static bool take_ssh_for_files(struct remote *r, const struct om_err *why, struct om_err *err)
{
	char address[256];

	om_log(OM_LOG_DEBUG, "files go by rsync: %s", why->msg);
	r->files_by_ssh = true;
	return r->ssh.ready || remote_ssh_start(&r->ssh, &r->want, address, sizeof(address), err);
}

static bool put(void *ctx, struct om_remote_file *files, size_t count,
		om_remote_progress_fn *progress, void *progress_ctx, struct om_err *err)
{
	struct remote *r = ctx;
	struct om_err why;

	if (!count)
		return true;
	if (r->by_child && !r->files_by_ssh) {
		if (remote_child_put(&r->child, files, count, progress, progress_ctx, err))
			return true;
		if (err->code != OM_E_STOCK)
			return false;
		why = *err;
		if (!take_ssh_for_files(r, &why, err))
			return false;
	}
	return remote_ssh_put(&r->ssh, files, count, progress, progress_ctx, err);
}

static char *copy(const char *text)
{
	return text ? om_xstrdup(text) : NULL;
}

static void close_remote(void *ctx)
{
	struct remote *r = ctx;

	if (r->by_child)
		remote_child_end(&r->child);
	remote_ssh_end(&r->ssh);
	free((char *)(uintptr_t)r->want.host);
	free((char *)(uintptr_t)r->want.address);
	free((char *)(uintptr_t)r->want.remotes_dir);
	free((char *)(uintptr_t)r->want.ssh_config);
	free((char *)(uintptr_t)r->want.program);
	free(r);
}

static struct remote *make(const struct om_remote_want *want)
{
	struct remote *r = om_xcalloc(1, sizeof(*r));

	r->want = *want;
	if (want->limit_mibps > LIMIT_MOST_MIBPS)
		r->want.limit_mibps = 0;
	r->want.host = copy(want->host);
	r->want.address = copy(want->address);
	r->want.remotes_dir = copy(want->remotes_dir);
	r->want.ssh_config = copy(want->ssh_config);
	r->want.program = copy(want->program);
	return r;
}

static bool start(struct remote *r, struct om_remote_ops *ops, struct om_err *err)
{
	switch (remote_child_start(&r->child, &r->want, ops->address, sizeof(ops->address), err)) {
	case REMOTE_START_READY:
		r->by_child = true;
		ops->how = "onemigrate-ssh";
		return true;
	case REMOTE_START_CANNOT:
		break;
	case REMOTE_START_FAILED:
		return false;
	}
	om_log(OM_LOG_DEBUG, "scripts and files go by ssh(1) and rsync: %s", err->msg);
	ops->how = "ssh";
	return remote_ssh_start(&r->ssh, &r->want, ops->address, sizeof(ops->address), err);
}

bool om_remote_open(struct om_remote_ops *ops, const struct om_remote_want *want,
		    struct om_err *err)
{
	struct remote *r;

	*ops = (struct om_remote_ops){ .run = run, .put = put, .close = close_remote };
	if (om_str_empty(want->host) || want->host[0] == '-')
		return om_err_set(err, OM_E_INPUT, "no name of a host");
	r = make(want);
	if (!start(r, ops, err)) {
		close_remote(r);
		return false;
	}
	ops->ctx = r;
	return true;
}
