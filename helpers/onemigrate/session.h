/* SPDX-License-Identifier: Apache-2.0 */
/* One migration, as the working process holds it. Data flows down the file: input, what it was
 * resolved to, what was asked, what was decided, what happens. */
#ifndef OM_SESSION_H
#define OM_SESSION_H

#include "hooks.h"
#include "om_control_socket.h"
#include "om_dom.h"
#include "om_history.h"
#include "om_host.h"
#include "om_knob.h"
#include "om_opts.h"
#include "om_plan.h"
#include "om_report.h"
#include "om_req.h"
#include "om_run.h"
#include "om_vir.h"
#include "om_watch.h"

#include <pthread.h>

/* What the working process and its supervisor share: one page of memory that outlives the former. */
enum om_answer_kind { OM_ANSWER_EXIT, OM_ANSWER_STOCK };
struct om_shared {
	atomic_bool answered; /* the fields below are complete */
	enum om_answer_kind kind;
	int exit_status;     /* OM_ANSWER_EXIT */
	char sentence[1024]; /* the final untagged line of a failure, or why stock runs */
	atomic_bool touched; /* from here on nothing may run after the helper */
	bool fast_configured, strict;
	bool asked_paused;
	atomic_bool guest_suspended; /* at an operator's wish: started again where it stays here */
	int snapshots_fd;	     /* memfd: the saved metadata, each text ended by a NUL */
};

/* The argv of the driver; texts of the process's own argv. */
struct om_args {
	const char *deploy_id, *dst, *src, *vm_id;
	bool local; /* migrate_local: runs on the front-end */
};

/* What operators ask while it runs. The main thread takes it in and answers; what needs libvirt is
 * done by the sampler's. */
enum om_request_stage {
	OM_REQUEST_NONE,
	OM_REQUEST_ASKED,   /* may still be withdrawn */
	OM_REQUEST_TAKEN,   /* the sampler is at it */
	OM_REQUEST_STARTED, /* done, but not seen to be so yet */
	OM_REQUEST_DONE,    /* to be answered */
};
struct om_request {
	enum om_request_stage stage;
	unsigned int number; /* in order; tells a new request from the one before in its place */
	uint64_t since_ms;
	uid_t uid;
	struct om_control_request what;
	struct om_control_answer answer;
};
struct om_requests {
	struct om_control_server server; /* main thread's, as the next two */
	bool opened;			 /* or tried to */
	unsigned int count;
	int done_fd;				 /* eventfd: there is something to answer */
	struct om_request v[OM_CONTROL_CLIENTS]; /* under lock; by client */
	char cancelled[80]; /* "cancelled by ...", set before `stop`; "" = by nobody */
	unsigned int flags; /* OM_FLAG_* of the attempt; sampler's, as all below */
	/* A bandwidth was asked for; the attempt began with that of the plan. */
	bool bandwidth_set, bandwidth_again;
	uint64_t bandwidth_before_mibps; /* the domain's own; 0 = not known */
};

struct om_session {
	struct om_args args;
	struct om_shared *shared;
	uint64_t begun_ms; /* monotonic, of the start of the program */

	const char *document; /* as it came */
	size_t document_len;
	struct om_req req;
	struct om_knobs knobs;
	struct om_opts opts;
	char src_uri[640], dst_uri[640];

	struct om_vir *vir;
	struct om_host_ops host;
	struct om_dom dom;
	struct om_facts facts;
	uint64_t connect_ms; /* time spent waiting for connections */
	bool identified;     /* the domain's UUID is known, both sides can be asked */

	struct om_plan plan;
	struct om_strv snapshots;
	struct om_watch watch;
	struct om_trace trace; /* of its forecasts; the sampler's until it has ended */

	volatile int stop;    /* set once by the main thread */
	int stop_fd;	      /* eventfd: readable once stop is set */
	uint64_t answered_ms; /* main thread's: when it first saw the answer */
	int done_fd;	      /* eventfd: the worker has answered */
	pthread_mutex_t lock; /* guards `state` and the step to `touched` */
	struct om_state state;
	uint64_t call_begun_ms, call_ended_ms; /* of libvirt's migration call */
	uint64_t first_pass_ms;		       /* when QEMU began to send; 0 = not seen */
	atomic_bool call_ok;		       /* it succeeded */
	bool guest_suspended;		       /* by the watch */
	struct om_action watch_ended; /* it had the call cancelled, to throttle or for good */
	uint64_t phase_since_ms;      /* under lock */
	atomic_bool asking; /* since phase_since_ms: connections are opened, facts gathered */
	struct om_requests requests;
	struct om_hooks hooks;
	int aftermath_fd; /* stdin of the process for the time after; -1 = none */
};

uint64_t om_now_ms(void);
uint64_t om_epoch_ms(void);

/* session.c */
bool om_session_read(struct om_session *s, const char *document, size_t len,
		     struct om_err *err) OM_MUST_CHECK;
void om_session_answer(struct om_session *s, int exit_status, const char *fmt, ...) OM_PRINTF(3, 4);
void om_session_leave_to_stock(struct om_session *s, const char *why);

/* gather.c: opens the connections and asks everything that the plan needs. */
bool om_session_connect(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
bool om_session_gather(struct om_session *s, struct om_err *err) OM_MUST_CHECK;

/* ports.c: the ops of this session. */
void om_session_ops(struct om_session *s, struct om_run_ops *ops);
void om_session_load_snapshots(struct om_session *s);

/* sampler.c: watches libvirt's call until `ended` is set. */
struct om_sampler;
struct om_sampler *om_sampler_start(struct om_session *s);
/* Returns whether memory had moved. */
bool om_sampler_stop(struct om_sampler *sampler);

/* requests.c; main thread: */
void om_requests_init(struct om_session *s);
#define OM_REQUESTS_FDS (1 + OM_CONTROL_FDS)
void om_requests_fds(struct om_session *s, struct pollfd fds[OM_REQUESTS_FDS]);
void om_requests_serve(struct om_session *s, const struct pollfd fds[OM_REQUESTS_FDS]);
/* Answers whoever still waits; the process ends. */
void om_requests_end(struct om_session *s);
/* Sampler's thread: whenever it wakes. */
void om_requests_work(struct om_session *s);
/* Around an attempt. */
void om_requests_begin(struct om_session *s, unsigned int flags);
void om_requests_restore(struct om_session *s);

/* aftermath.c */
void om_aftermath_prepare(struct om_session *s);
void om_aftermath_go(struct om_session *s);
int om_cmd_aftermath(int argc, char **argv);

/* migration.c: what the worker thread does; each ends with an answer. */
void om_session_migrate(struct om_session *s, const struct om_run_ops *ops);
void om_session_settle(struct om_session *s, const struct om_run_ops *ops);
void om_session_refuse(struct om_session *s, const struct om_err *err);
/* What this release leaves to the stock script, or NULL. */
const char *om_session_stock_case(const struct om_session *s);

/* worker.c: what a signal does; main thread. */
void om_session_stop(struct om_session *s);
/* The working process; never returns. */
_Noreturn void om_worker_main(const struct om_args *args, struct om_shared *shared, int document_fd,
			      bool settle_only, uint64_t begun_ms);

#endif
