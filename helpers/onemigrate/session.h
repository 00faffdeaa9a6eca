/* SPDX-License-Identifier: Apache-2.0 */
/* One migration, as the working process holds it. Data flows down the file: input, what it was
 * resolved to, what was asked, what was decided, what happens. */
#ifndef OM_SESSION_H
#define OM_SESSION_H

#include "hooks.h"
#include "om_check.h"
#include "om_control_socket.h"
#include "om_dom.h"
#include "om_history.h"
#include "om_host.h"
#include "om_host_cpu.h"
#include "om_knob.h"
#include "om_opts.h"
#include "om_plan.h"
#include "om_report.h"
#include "om_req.h"
#include "om_request.h"
#include "om_run.h"
#include "om_survey.h"
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
	bool tls_required; /* and OpenNebula's own script would send in clear */
	bool asked_paused;
	atomic_bool guest_suspended; /* at an operator's wish: started again where it stays here */
	int snapshots_fd;	     /* memfd: the saved metadata, each text ended by a NUL */
	int storage_fd; /* memfd: what was made on the destination, storage_journal.c */
};

/* The argv of the driver; texts of the process's own argv. */
struct om_args {
	const char *deploy_id, *dst, *src, *vm_id;
	bool local; /* migrate_local: runs on the front-end */
};

/* What operators ask while it runs. The main thread takes it in and answers; what needs libvirt is
 * done by the sampler's. */
struct om_requests {
	struct om_control_server server; /* main thread's, as the next two */
	bool opened;			 /* or tried to */
	int done_fd;			 /* eventfd: there is something to answer */
	struct om_request_queue queue;	 /* under lock */
	char cancelled[80];		 /* "cancelled by ...", set before `stop`; "" = by nobody */
	unsigned int flags;		 /* OM_FLAG_* of the attempt; sampler's, as all below */
	/* A bandwidth was asked for; the attempt began with that of the plan. */
	bool bandwidth_set, bandwidth_again;
	bool postcopy_keeps_bandwidth;	 /* libvirt has refused the one that was set last for it */
	uint64_t postcopy_asked_ms;	 /* when libvirt took it, in this attempt; 0 = not yet */
	uint64_t bandwidth_before_mibps; /* the domain's own; 0 = not known */
};

/* What both hosts say before anything is touched. */
struct om_checkup {
	bool on, asked;
	bool other_way; /* what was judged last: a storage driver has yet to bring the files */
	struct om_survey_link *dst_link,
		*src_link; /* src_link: where this is not the source host */
	struct om_survey_ask ask;
	struct om_survey src, dst;
	struct om_check_way way;
	uint64_t clock_error_ms;
	char block_job[64]; /* target of the disk that has one; "" = none */
	enum om_check_moment moment;
	struct om_findings findings;
	struct om_strv proven; /* names of checks that premigrate found in order */
};

/* What the way of sending is chosen by, while it is looked at. */
struct om_transport_look {
	struct om_host_mark mark;
	char *net_before; /* counters of the interfaces, at net_ms; NULL: none */
	uint64_t net_ms;
	struct om_sampled sampled; /* the thread's while `peeking` */
	pthread_t thread;
	bool peeking;
	unsigned int
		flags; /* of the attempt, of what the plan's transport has; sampler's, as below */
	uint64_t src_cpu_ms, src_cpu_before_ms; /* of its QEMU, its processors aside */
	const struct om_attempt *failed;	/* the attempt before this one; NULL = none */
	struct om_attempt_end failure;
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
	struct om_checkup checkup;
	struct om_storage *storage; /* NULL: the hosts share it, or it was not looked at */
	struct om_transport_look look;
	uint64_t connect_ms; /* time spent waiting for connections */
	bool identified;     /* the domain's UUID is known, both sides can be asked */

	struct om_plan plan;
	struct om_strv snapshots;
	struct om_watch watch;
	struct om_trace trace; /* of its forecasts; the sampler's until it has ended */

	volatile int stop;	     /* set once by the main thread */
	int stop_fd;		     /* eventfd: readable once stop is set */
	uint64_t answered_ms;	     /* main thread's: when it first saw the answer */
	int done_fd;		     /* eventfd: the worker has answered */
	volatile int send_stop;	     /* files are to be sent no further: `stop`, or the deadline */
	atomic_ullong send_until_ms; /* while they are sent: the deadline; 0 = none */
	pthread_mutex_t lock;	     /* guards `state` and the step to `touched` */
	struct om_state state;
	uint64_t call_begun_ms, call_ended_ms; /* of libvirt's migration call */
	uint64_t first_pass_ms;		       /* when QEMU began to send; 0 = not seen */
	uint64_t disks_begun_ms; /* when disks were first seen to be copied, likewise */
	atomic_bool call_ok;	 /* it succeeded */
	uint32_t
		sampling_s; /* over which a sample of the pages is compared; 0 = none, or it is read */
	uint64_t sampling_due_ms;     /* when to look for the result next */
	bool guest_suspended;	      /* by the watch */
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
/* The settings and what follows from them; of s->req only the texts of both templates are needed. */
bool om_session_settings(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
bool om_session_read(struct om_session *s, const char *document, size_t len,
		     struct om_err *err) OM_MUST_CHECK;
void om_session_answer(struct om_session *s, int exit_status, const char *fmt, ...) OM_PRINTF(3, 4);
void om_session_leave_to_stock(struct om_session *s, const char *why);

/* gather.c: opens the connections and asks everything that the plan needs. */
bool om_session_connect(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
bool om_session_gather(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
/* The domain's XML, read again where it was read before. */
bool om_session_read_domain(struct om_session *s, struct om_err *err) OM_MUST_CHECK;

/* transport.c, in this order: the clocks are read; memory of the guest is, beside what follows; all is
 * put into s->facts.transport. */
void om_transport_begin(struct om_session *s);
void om_transport_peek(struct om_session *s);
void om_transport_peeked(struct om_session *s); /* waits for it */
void om_transport_gather(struct om_session *s);
/* Around an attempt; sampler's thread: what its QEMU takes of processors. */
void om_transport_attempt(struct om_session *s, const struct om_attempt *attempt);
void om_transport_sample(struct om_session *s, const struct om_sample *sample);
bool om_transport_packs(const struct om_session *s); /* memory is compressed in this attempt */
/* And QEMU counts it so: below 8.1 it counts what several connections compress as if they did not. */
bool om_transport_counts(const struct om_session *s);
/* The downtime limit that QEMU needs to be given, for one of the watch's. */
uint32_t om_transport_limit_ms(const struct om_session *s, uint32_t limit_ms);
/* In what is remembered: the front-end sends for several sources, and any other host for itself (NULL). */
static inline const char *om_transport_source(const struct om_session *s)
{
	return s->args.local ? s->args.src : NULL;
}
/* An attempt has ended. What the one before it was refused is remembered where this one got further, and at
 * once where none follows that could. */
void om_transport_ended(struct om_session *s, const struct om_attempt *attempt,
			const struct om_attempt_end *end);

/* way.c: where the memory would go. `dst` has the destination's own addresses where it is known. */
void om_way_find(struct om_session *s, const struct om_survey *dst);
/* Does it carry full datagrams, and does a listener of ours on a migration port answer? */
void om_way_try(struct om_session *s, struct om_survey_link *link);

/* checkup.c: both hosts asked, and what would keep the VM from being migrated. Order: open, ask, judge. */
void om_checkup_open(struct om_session *s); /* returns at once */
void om_checkup_ask(struct om_session *s);
void om_checkup_judge(struct om_session *s, enum om_check_moment moment, bool other_way);
/* Ends the sessions with other hosts. */
/* The destination is told to forget how the VM's migration from there ended. */
void om_checkup_forget_end(const struct om_session *s);
void om_checkup_close(struct om_session *s);
/* WARN and DEBUG lines of what was found; false: there are blockers, and `err` names them all. */
bool om_checkup_tell(const struct om_session *s, struct om_err *err) OM_MUST_CHECK;
/* Are the files of the VM's disks on both hosts the same ones? YES and NO only where it holds for all; NO
 * where it has none. */
enum om_same om_checkup_same_disks(const struct om_session *s);
/* For the migration that follows within OM_CHECKED_FRESH_MS: what is in order is not looked at again. */
void om_checkup_remember(const struct om_session *s);

/*
 * byhand.c: a session without OpenNebula's document, on the source host. `vm` is an id of OpenNebula's, a name
 * or a UUID; what the document would tell is taken from the domain. Where the domain is not here,
 * s->dom is empty (uuid NULL) and that is no error for a UUID. `src` NULL: this host's own name.
 */
bool om_session_by_hand(struct om_session *s, const char *vm, const char *src, const char *dst,
			struct om_err *err) OM_MUST_CHECK;
/* The same with the document, of which the hosts and the VM are taken. */
bool om_session_by_document(struct om_session *s, const char *document, size_t len,
			    struct om_err *err) OM_MUST_CHECK;
/* What migrate would do: s->plan, from what om_checkup_ask() has found. Touches nothing. */
bool om_session_draft(struct om_session *s, struct om_err *err) OM_MUST_CHECK;

/* ports.c: the ops of this session. */
void om_session_ops(struct om_session *s, struct om_run_ops *ops);
void om_session_load_snapshots(struct om_session *s);

/*
 * storage*.c: the VM's files and disks, where the hosts do not share them. Order: ask (what to ask both
 * hosts for), gather, judge, add, keep_link; then bring, and undo where the VM stays on the source.
 */
struct om_storage;
void om_storage_ask(struct om_session *s, struct om_survey_ask *ask);
void om_storage_look_there(struct om_session *s); /* at the destination, that has answered */
void om_storage_gather(struct om_session *s);
/* For the checks; NULL: it was not looked at, or is shared. */
const struct om_disks_facts *om_storage_facts(const struct om_session *s);
/* False: it is refused, or left to stock (OM_E_STOCK). Storage that is the same on both hosts becomes
 * shared. `may_mark`: a file of ours may be made in the directory for a moment. */
bool om_storage_judge(struct om_session *s, bool may_mark, struct om_err *err) OM_MUST_CHECK;
void om_storage_draft(
	struct om_session *s); /* the same for a plan alone: says and refuses nothing */
const char *om_storage_why_stock(const struct om_session *s); /* NULL: it is ours to move */
bool om_storage_is_ours(const struct om_session *s);	      /* we bring it */
void om_storage_keep_link(struct om_session *s);
/* Directories, files, placeholders and links, on the destination. False: what was made is still there. */
bool om_storage_bring(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
/* Of this run, and where it is proven that the VM runs on the source; else it says what is kept. */
void om_storage_undo(struct om_session *s, enum om_verdict verdict);
void om_storage_load(struct om_session *s); /* of a process that has died */
/* A sample from before memory moves: what is to be done, mostly nothing. */
struct om_action om_storage_watch(struct om_session *s, const struct om_sample *sample);
/* What memory may take of the limit once the disks are in sync; 0 = no limit. */
uint64_t om_storage_memory_bytes_ps(const struct om_session *s);
/* Main thread, now and then. */
void om_storage_tick(struct om_session *s);

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
/* requests_work.c; sampler's thread, whenever it wakes. `begun`: memory or disks have moved in this attempt. */
void om_requests_work(struct om_session *s, bool begun);
/* Stops the guest until it runs on the destination; whoever answers for this process then knows. */
bool om_session_suspend(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
/* Where libvirt takes it, its event follows a moment later. */
bool om_session_start_postcopy(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
/* Around an attempt. */
void om_requests_begin(struct om_session *s, unsigned int flags);
void om_requests_restore(struct om_session *s);

/* aftermath.c */
void om_aftermath_prepare(struct om_session *s);
void om_aftermath_go(struct om_session *s);
int om_cmd_aftermath(int argc, char **argv);

/* migration.c: what the worker thread does; each ends with an answer. */
void om_session_migrate(struct om_session *s, struct om_run_ops *ops);
void om_session_settle(struct om_session *s, const struct om_run_ops *ops);
void om_session_refuse(struct om_session *s, const struct om_err *err);
/* Gives no answer: OpenNebula's own script has. For the TM steps it records where the VM is. */
void om_session_look(struct om_session *s, const struct om_run_ops *ops);
/* What this release leaves to the stock script, or NULL. */
const char *om_session_stock_case(const struct om_session *s);
/* Why that script may not run then, to follow "which"; NULL = it may. Static. */
const char *om_session_stock_obstacle(const struct om_shared *shared);

/* worker.c: what a signal does; main thread. */
void om_session_stop(struct om_session *s);
/* From here on something may change; false: a signal came first. The worker's thread. */
bool om_session_touch(struct om_session *s, struct om_err *err) OM_MUST_CHECK;
/* What a working process is for: the migration; an answer for one that died; only to record where the VM is, when
 * OpenNebula's own script has ended. */
enum om_work { OM_WORK_MIGRATE, OM_WORK_SETTLE, OM_WORK_LOOK };
/* The working process; never returns. */
_Noreturn void om_worker_main(const struct om_args *args, struct om_shared *shared, int document_fd,
			      enum om_work work, uint64_t begun_ms);

#endif
