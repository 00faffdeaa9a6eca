/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `onemigrate migrate`: the supervisor. It owns stdin, stderr and the exit status, and calls no
 * library, so that it is there when everything else has failed: it passes signals on, answers for
 * a working process that died, and hands over to the stock script while nothing has been touched.
 */
#include "cmd.h"
#include "om_log.h"
#include "om_survey.h"
#include "om_tm_host.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
	"Usage: onemigrate migrate [--local] DEPLOY_ID DST SRC VMID [SRC] < VMM_DRIVER_ACTION_DATA\n"
	"\n"
	"Moves a running VM to another host, as OpenNebula's drivers ask for it: called by the scripts\n"
	"vmm/kvm/migrate (on the source host) and, with --local, vmm/kvm/migrate_local (on the front-end).\n"
	"The document on stdin is raw XML or base64. Settings come from the environment; see\n"
	"`onemigrate settings` and onemigrate(8).\n"
	"\n"
	"Exit status: 0 the VM runs on DST; 1 the VM is on SRC (or what is known is said); 2 usage.\n";

/* The document holds decrypted secrets of the datastore: no core dump, no file, no argv. */
static void protect_secrets(void)
{
	struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

/* Reads stdin to its end whatever it holds; what is beyond the bound is dropped, one byte of it is
 * kept so that the reader sees that it is too long. */
static int keep_document(void)
{
	int fd = memfd_create("document", MFD_CLOEXEC);
	size_t kept = 0;
	char buf[65536];
	ssize_t n;

	while (fd >= 0 && (n = read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (kept > OM_REQ_MAX_BYTES)
			continue;
		if (write(fd, buf, (size_t)n) != n)
			return -1;
		kept += (size_t)n;
	}
	return fd;
}

/* With one of them closed the document would become our stderr. */
static void occupy_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What holds until the settings have been read in full: even a crash before that must not send
 * the memory another way than strict allows, or in clear. */
static void assume_settings(struct om_shared *shared, const struct om_args *args)
{
	const char *policy = getenv("MIGRATE_NETWORK_POLICY"), *tls = getenv("MIGRATE_TLS");

	shared->fast_configured = !om_str_empty(getenv("MIGRATE_NETWORK")) ||
				  !om_str_empty(getenv("DEST_HOST_APPEND"));
	shared->strict = policy && om_str_eq_nocase(policy, "strict");
	shared->tls_required = tls && om_str_eq_nocase(tls, "required") &&
			       strcmp(args->src, args->dst) != 0;
}

static struct om_shared *make_shared(void)
{
	struct om_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return NULL;
	shared->snapshots_fd = memfd_create("snapshots", MFD_CLOEXEC);
	shared->storage_fd = memfd_create("storage", MFD_CLOEXEC);
	return shared;
}

struct supervisor {
	struct om_args args;
	char **argv; /* of the driver, for the stock script */
	struct om_shared *shared;
	int document_fd, signal_fd;
	sigset_t old_mask;
	bool stopped; /* a signal, or the driver's connection has gone */
	uint64_t begun_ms;
};

static int block_signals(sigset_t *old_mask)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, old_mask);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* A session of its own: a signal to the driver's process group reaches the supervisor alone. */
static pid_t start_worker(struct supervisor *sup, enum om_work work)
{
	pid_t supervisor = getpid(), pid = fork();

	if (pid)
		return pid;
	/* Killed with its supervisor, nobody would be left to cancel the migration. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setsid();
	close(sup->signal_fd);
	if (getppid() != supervisor)
		_exit(1);
	if (work == OM_WORK_LOOK) { /* all that has to be said was said */
		close(STDERR_FILENO);
		occupy_standard_fds();
	}
	om_worker_main(&sup->args, sup->shared, sup->document_fd, work, sup->begun_ms);
}

/* Waits for the worker; signals and a closed reader of stderr are passed on as SIGTERM. Returns
 * its wait status. */
static int attend_worker(struct supervisor *sup, pid_t pid)
{
	struct pollfd fds[2] = {
		{ .fd = sup->signal_fd, .events = POLLIN },
		{ .fd = STDERR_FILENO, .events = 0 }, /* POLLERR and POLLHUP: the reader is gone */
	};
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			usleep(100000);
		if (fds[1].revents & (POLLERR | POLLHUP)) {
			sup->stopped = true;
			kill(pid, SIGTERM);
		}
		if (fds[1].revents) /* told once; or no stderr at all, which nobody can close */
			fds[1].fd = -1;
		if (fds[0].revents && read(sup->signal_fd, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD) {
			sup->stopped = true;
			kill(pid, SIGTERM);
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
	}
}

static int fail(const struct supervisor *sup, const char *text)
{
	om_log_final("Error migrating VM %s: %s.", sup->args.vm_id, text);
	return 1;
}

/* Each reader of kvmrc has its own ideas; stock is to see what its own one makes of the file, and
 * nothing of ours. PATH stays: the driver's own environment is not known any more. */
static void forget_settings(void)
{
	static const char *const lists[] = { "ONEMIGRATE_KVMRC_SET", "ONEMIGRATE_RC_SET" };
	static const char *const ours[] = { "ONEMIGRATE_KVMRC_SET", "ONEMIGRATE_RC_SET",
					    "ONEMIGRATE_KVMRC",	    "ONEMIGRATE_RC",
					    "ONEMIGRATE_STOCK",	    "ONEMIGRATE_HOOKS" };

	for (size_t i = 0; i < OM_ARRAY_LEN(lists); i++) {
		const char *names = getenv(lists[i]);
		OM_AUTOFREE char *copy = om_xstrdup(names ? names : "");

		for (char *save = NULL, *name = strtok_r(copy, " ", &save); name;
		     name = strtok_r(NULL, " ", &save))
			if (strcmp(name, "PATH"))
				unsetenv(name);
	}
	for (size_t i = 0; i < OM_ARRAY_LEN(ours); i++)
		unsetenv(ours[i]);
}

/* Did premigrate leave something that later steps go by? */
static bool has_record(const struct supervisor *sup)
{
	struct om_tm_record record;

	if (sup->args.local || !om_tm_record_read(&record, sup->args.deploy_id))
		return false;
	om_tm_record_free(&record);
	return true;
}

/* Ends as the script has ended. */
static int end_as(int status)
{
	sigset_t all;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal(WTERMSIG(status), SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

/* Where the VM is afterwards is recorded, so that the TM script that comes next need not ask both hosts. */
static int attend_stock(struct supervisor *sup, pid_t pid)
{
	struct signalfd_siginfo info;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid)
		if (read(sup->signal_fd, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD) {
			sup->stopped = true;
			kill(pid, (int)info.ssi_signo);
		}
	sup->shared->answered = true;
	pid = sup->stopped ? -1 : start_worker(sup, OM_WORK_LOOK);
	if (pid > 0)
		attend_worker(sup, pid);
	return end_as(status);
}

/* Only while nothing has been touched. The script gets what we got, to the byte. */
static int run_stock(struct supervisor *sup, const char *why)
{
	const char *saved = getenv("ONEMIGRATE_STOCK");
	const char *obstacle = om_session_stock_obstacle(sup->shared);
	OM_AUTOFREE char *stock = om_xstrdup(saved ? saved : "");
	char text[1200];
	pid_t pid;

	if (sup->stopped) {
		snprintf(text, sizeof(text), "cancelled; " OM_REPORT_UNASKED, sup->args.src);
		return fail(sup, text);
	}
	if (obstacle) {
		snprintf(text, sizeof(text),
			 "left to OpenNebula's own script, which %s: %s; " OM_REPORT_UNASKED,
			 obstacle, why, sup->args.src);
		return fail(sup, text);
	}
	if (om_str_empty(stock)) {
		snprintf(
			text, sizeof(text),
			"%s, and OpenNebula's own script was not saved beside ours; " OM_REPORT_UNASKED,
			why, sup->args.src);
		return fail(sup, text);
	}
	om_log(sup->shared->fast_configured ? OM_LOG_WARN : OM_LOG_INFO,
	       "left to OpenNebula's own script: %s", why);
	pid = has_record(sup) ? fork() : -1;
	if (pid > 0)
		return attend_stock(sup, pid);
	if (pid == 0) /* a kill of the one is to be one of the other, as without us */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	forget_settings();
	sigprocmask(SIG_SETMASK, &sup->old_mask, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (lseek(sup->document_fd, 0, SEEK_SET) == 0 &&
	    dup2(sup->document_fd, STDIN_FILENO) == STDIN_FILENO) {
		sup->argv[0] = stock;
		execv(stock, sup->argv);
	}
	snprintf(text, sizeof(text), "%s cannot be started: %s; " OM_REPORT_UNASKED, stock,
		 strerror(errno), sup->args.src);
	return fail(sup, text);
}

static bool crashed(int status)
{
	if (WIFEXITED(status))
		return true; /* out of memory */
	return WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM;
}

/* The worker ended without an answer: by now only the two hosts know. */
static int answer_for(struct supervisor *sup, int status)
{
	pid_t pid;

	if (!sup->shared->touched && crashed(status))
		return run_stock(sup, "the helper crashed before it had touched anything");
	pid = start_worker(sup, OM_WORK_SETTLE);
	if (pid > 0)
		attend_worker(sup, pid);
	if (!sup->shared->answered || sup->shared->kind != OM_ANSWER_EXIT)
		return fail(
			sup,
			"the migration's working process ended twice without an answer; where the "
			"VM runs is not known, nothing was destroyed: check both hosts");
	if (sup->shared->exit_status)
		return fail(sup, sup->shared->sentence);
	return 0;
}

static int supervise(struct supervisor *sup)
{
	pid_t pid = start_worker(sup, OM_WORK_MIGRATE);
	int status;

	om_survey_link_disown(); /* it is the worker's */
	if (pid < 0)
		return run_stock(sup, "no process can be started");
	status = attend_worker(sup, pid);
	if (!sup->shared->answered)
		return answer_for(sup, status);
	if (sup->shared->kind == OM_ANSWER_STOCK)
		return run_stock(sup, sup->shared->sentence);
	return sup->shared->exit_status ? fail(sup, sup->shared->sentence) : 0;
}

static bool is_flag(const char *arg, const char *name)
{
	return arg && strcmp(arg, name) == 0;
}

int om_cmd_migrate(int argc, char **argv)
{
	struct supervisor sup = { .begun_ms = om_now_ms() };

	if (is_flag(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	if (is_flag(argv[1], "--local")) {
		sup.args.local = true;
		argc--;
		argv++;
	}
	if (argc < 5 || argc > 6) {
		om_log_final("Error migrating VM: wrong arguments; `onemigrate migrate --help` "
			     "tells the right ones.");
		return 2;
	}
	sup.argv = argv;
	sup.args.deploy_id = argv[1];
	sup.args.dst = argv[2];
	sup.args.src = argv[3];
	sup.args.vm_id = argv[4];
	if (sup.args.local)
		om_log_name_vm(sup.args.vm_id);
	protect_secrets();
	occupy_standard_fds();
	sup.document_fd = keep_document();
	sup.shared = make_shared();
	sup.signal_fd = block_signals(&sup.old_mask);
	if (sup.document_fd < 0 || !sup.shared || sup.signal_fd < 0)
		return fail(&sup, "no memory for the document on stdin; nothing was touched");
	assume_settings(sup.shared, &sup.args);
	return supervise(&sup);
}
