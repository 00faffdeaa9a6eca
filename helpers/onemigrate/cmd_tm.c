/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `onemigrate tm`: called by the TM scripts on the front-end, over ssh, on the source host; not for
 * people. Whether OpenNebula's own script may run is answered twice, by the exit status and by the last line of
 * stdout: a login script that ends the shell has an exit status too.
 */
#include "cmd.h"
#include "om_addr.h"
#include "om_log.h"
#include "tm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Beyond it there is no answer, and the front-end keeps everything. */
#define LIMIT_S 120

static const struct {
	const char *word;
	int status;
} answers[OM_TM_DECISION_COUNT] = {
	[OM_TM_RUN_STOCK] = { "stock", 0 },
	[OM_TM_SKIP] = { "skip", 10 },
	[OM_TM_FAIL] = { "fail", 11 },
};

static int give(enum om_tm_decision decision)
{
	if (printf("onemigrate-tm %s\n", answers[decision].word) < 0 || fflush(stdout))
		return 1;
	return answers[decision].status;
}

static int refuse(const struct om_tm *tm, const char *text)
{
	if (tm->facts.step == OM_TM_PREMIGRATE)
		om_log_final("Error migrating VM %s: %s; nothing was touched.", tm->vm_id, text);
	else
		om_log_final("%s of VM %s: %s; nothing was touched.",
			     om_tm_step_name(tm->facts.step), tm->vm_id, text);
	return give(OM_TM_FAIL);
}

static bool read_stdin(struct om_tm *tm)
{
	size_t size = 0;
	ssize_t n;

	do {
		if (size - tm->document_len < 65536)
			tm->document = om_xrealloc(tm->document, size += 262144);
		n = read(STDIN_FILENO, tm->document + tm->document_len,
			 size - tm->document_len - 1);
		if (n > 0)
			tm->document_len += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EINTR)) && tm->document_len <= OM_REQ_MAX_BYTES);
	tm->document[tm->document_len] = '\0';
	return n == 0;
}

static bool is_name(const char *text)
{
	return *text && *text != '-' && *text != '.' &&
	       !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-")];
}

static bool take_input(struct om_tm *tm, const char *dir, struct om_err *err)
{
	if (!read_stdin(tm))
		return om_err_set(err, OM_E_INPUT, "the document on stdin cannot be read");
	if (!om_host_valid(tm->src) || !om_host_valid(tm->dst))
		return om_err_set(err, OM_E_INPUT, "an argument is no name or address of a host");
	if (!om_xml_vm_parse(&tm->vm, tm->document, tm->document_len, err))
		return false;
	if (strcmp(tm->vm.id, tm->vm_id) != 0)
		return om_err_set(err, OM_E_INPUT,
				  "the arguments and the document on stdin name different VMs");
	tm->facts.kvm = om_tm_is_kvm(tm->vm.vm_mad);
	if (!tm->facts.kvm)
		return true;
	if (!is_name(tm->vm.deploy_id))
		return om_err_set(err, OM_E_INPUT, "the document on stdin has no DEPLOY_ID");
	return om_tm_dir(&tm->dir, dir, tm->vm_id, err);
}

/* Of the driver, and of those that its script runs for the images of other drivers. */
static void take_effects(struct om_tm *tm)
{
	struct om_tm_facts *f = &tm->facts;

	if (tm->chained) {
		f->effects = om_tm_chained_effects(tm->driver);
		return;
	}
	f->effects = om_tm_effects(tm->driver);
	for (size_t i = 0; i < tm->vm.tm_mads.n; i++)
		if (strcmp(tm->vm.tm_mads.v[i], tm->driver) != 0)
			f->effects |= om_tm_chained_effects(tm->vm.tm_mads.v[i]);
}

/* ---- the steps ---- */

static bool is_on_source(const struct om_tm *tm)
{
	enum om_entry entry = om_outcome_entry(&tm->facts.src, &tm->facts.dst);

	return entry == OM_ENTRY_GO || entry == OM_ENTRY_LEFTOVER;
}

static void check(struct om_tm *tm)
{
	struct om_err err = { 0 };

	if (tm->chained || !is_on_source(tm))
		return;
	om_checkup_judge(&tm->s, OM_CHECK_PREMIGRATE, tm->facts.effects & OM_TM_CARRIES);
	tm->facts.blocked = !om_checkup_tell(&tm->s, &err);
	om_str_copy(tm->blockers, sizeof(tm->blockers), err.msg);
}

static void premigrate(struct om_tm *tm)
{
	om_tm_look_with_checks(tm);
	check(tm);
	tm->verdict = om_tm_decide(&tm->facts);
	if (tm->verdict.decision == OM_TM_FAIL) {
		om_tm_undo(tm); /* forgets an earlier attempt */
		return;
	}
	om_tm_remember(tm);
	if (is_on_source(tm) && !tm->chained)
		om_checkup_remember(&tm->s);
}

static void postmigrate(struct om_tm *tm)
{
	if (!om_tm_known(tm))
		om_tm_look(tm);
	tm->verdict = om_tm_decide(&tm->facts);
	om_tm_forget(tm); /* it was good for one time */
}

static void failmigrate(struct om_tm *tm)
{
	tm->facts.made_by_us = om_tm_recall(tm) && tm->record.dir_missing;
	/* Nobody need be asked about what is not undone. */
	if (om_tm_dangers(tm->facts.step, tm->facts.effects) || om_tm_has_made(tm)) {
		if (om_tm_has_made(tm) || !om_tm_known(tm))
			om_tm_look(tm);
		tm->verdict = om_tm_decide(&tm->facts);
	}
	om_tm_undo(tm);
}

static bool decide(struct om_tm *tm, struct om_err *err)
{
	/* Nothing to ask about. */
	if (!tm->facts.kvm || (tm->facts.step == OM_TM_POSTMIGRATE && !tm->facts.same_host &&
			       !om_tm_dangers(tm->facts.step, tm->facts.effects))) {
		tm->verdict = om_tm_decide(&tm->facts);
		return true;
	}
	if (!om_tm_begin(tm, err))
		return false;
	if (tm->facts.same_host) {
		om_tm_look_at_use(tm);
		tm->verdict = om_tm_decide(&tm->facts);
	} else if (tm->facts.step == OM_TM_PREMIGRATE) {
		premigrate(tm);
	} else if (tm->facts.step == OM_TM_POSTMIGRATE) {
		postmigrate(tm);
	} else {
		failmigrate(tm);
	}
	om_checkup_close(&tm->s);
	return true;
}

/* ---- what is said ---- */

static void tell_failure(const struct om_tm *tm, const char *text)
{
	if (tm->facts.step != OM_TM_PREMIGRATE)
		om_log_final("%s of VM %s: %s.", om_tm_step_name(tm->facts.step), tm->vm_id, text);
	else if (is_on_source(tm))
		om_log_final(
			"Error migrating VM %s: %s; nothing was touched, the VM still runs on %s.",
			tm->vm_id, text, tm->src);
	else
		om_log_final("Error migrating VM %s: %s; nothing was touched.", tm->vm_id, text);
}

static int tell(const struct om_tm *tm)
{
	char text[900];

	om_tm_explain(text, sizeof(text), &tm->facts, &tm->verdict, tm->src, tm->dst,
		      tm->dir ? tm->dir : "");
	if (tm->verdict.reason == OM_TM_WHY_BLOCKED)
		om_str_copy(text, sizeof(text), tm->blockers);
	if (tm->verdict.decision == OM_TM_FAIL)
		tell_failure(tm, text);
	else if (tm->verdict.reason == OM_TM_WHY_MOVED_BEFORE)
		om_log(OM_LOG_INFO, "%s", text);
	else if (*text)
		om_log(OM_LOG_WARN, "%s", text);
	return give(tm->verdict.decision);
}

static void protect_secrets(void)
{
	struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

int om_cmd_tm(int argc, char **argv)
{
	static struct om_tm tm;
	struct om_err err = { 0 };

	if (argc < 8 || argc > 9 || !om_tm_step_parse(&tm.facts.step, argv[1]) || !is_name(argv[2]))
		return 2;
	alarm(LIMIT_S);
	signal(SIGPIPE, SIG_IGN);
	protect_secrets();
	tm.driver = argv[2];
	tm.src = argv[3];
	tm.dst = argv[4];
	tm.vm_id = argv[6];
	tm.chained = argc == 9;
	tm.facts.same_host = strcmp(tm.src, tm.dst) == 0;
	tm.s.args.vm_id = tm.vm_id;
	om_log_open(tm.vm_id);
	om_log_name_step(tm.vm_id, om_tm_step_name(tm.facts.step));
	if (!take_input(&tm, argv[5], &err))
		return refuse(&tm, err.msg);
	take_effects(&tm);
	if (!decide(&tm, &err))
		return refuse(&tm, err.msg);
	return tell(&tm);
}
