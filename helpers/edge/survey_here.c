/* SPDX-License-Identifier: Apache-2.0 */
#include "om_survey.h"

#include "om_host_cpu.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What the thread that asks libvirt needs, for as long as it may last. */
struct task {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct om_survey_ask ask;
	struct om_survey survey;
	char *uri;
	unsigned int users;
	bool done;
};

/* Under the lock, which it gives back. */
static void leave(struct task *task)
{
	bool last = --task->users == 0;

	pthread_mutex_unlock(&task->lock);
	if (!last)
		return;
	pthread_cond_destroy(&task->ended);
	pthread_mutex_destroy(&task->lock);
	om_survey_ask_free(&task->ask);
	om_survey_free(&task->survey);
	free(task->uri);
	free(task);
}

static void *ask_libvirt(void *arg)
{
	struct task *task = arg;

	om_survey_libvirt(&task->survey, &task->ask, task->uri);
	pthread_mutex_lock(&task->lock);
	task->done = true;
	pthread_cond_signal(&task->ended);
	leave(task);
	return NULL;
}

/* NULL: `why` says so. */
static struct task *start(const struct om_survey_ask *ask, const char *uri, char *why, size_t size)
{
	struct task *task = om_xcalloc(1, sizeof(*task));
	OM_AUTOFREE char *text = om_survey_ask_print(ask);
	pthread_condattr_t cond_attr;
	pthread_attr_t attr;
	pthread_t thread;
	struct om_err err;
	bool started = false;

	pthread_condattr_init(&cond_attr);
	pthread_condattr_setclock(&cond_attr, CLOCK_MONOTONIC);
	pthread_cond_init(&task->ended, &cond_attr);
	pthread_condattr_destroy(&cond_attr);
	pthread_mutex_init(&task->lock, NULL);
	task->uri = om_xstrdup(uri);
	task->users = 1;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (!om_survey_ask_parse(&task->ask, text, &err)) { /* a copy of its own */
		om_str_copy(why, size, err.msg);
	} else {
		task->users = 2;
		started = pthread_create(&thread, &attr, ask_libvirt, task) == 0;
	}
	pthread_attr_destroy(&attr);
	if (started)
		return task;
	if (task->users == 2)
		om_str_copy(why, size, "no thread could be started");
	task->users = 1;
	pthread_mutex_lock(&task->lock);
	leave(task);
	return NULL;
}

static void take_libvirt(struct om_survey *to, struct om_survey *from)
{
#define TAKE(field) memcpy(&to->field, &from->field, sizeof(to->field))
	TAKE(libvirt_known);
	TAKE(libvirt_why);
	TAKE(libvirt);
	TAKE(qemu);
	TAKE(host_uuid);
	TAKE(cpu_model);
	TAKE(side);
	TAKE(defined);
	TAKE(name_uuid);
	TAKE(machine);
	TAKE(emulator);
	TAKE(tpm);
	TAKE(machine_why);
	TAKE(emulator_why);
	TAKE(cpu);
	TAKE(cpu_why);
	TAKE(networks);
	TAKE(secrets);
	TAKE(network_count);
	TAKE(secret_count);
#undef TAKE
	from->networks = from->secrets = NULL;
}

static void finish(struct task *task, struct om_survey *survey, const struct timespec *until,
		   uint32_t timeout_ms)
{
	pthread_mutex_lock(&task->lock);
	while (!task->done)
		if (pthread_cond_timedwait(&task->ended, &task->lock, until) == ETIMEDOUT)
			break;
	if (task->done)
		take_libvirt(survey, &task->survey);
	else
		snprintf(survey->libvirt_why, sizeof(survey->libvirt_why),
			 "libvirt does not answer within %u s", timeout_ms / 1000);
	leave(task);
}

void om_survey_here(struct om_survey *survey, const struct om_survey_ask *ask, const char *uri,
		    uint32_t timeout_ms)
{
	struct timespec until, now;
	struct om_host_mark mark;
	struct task *task;

	memset(survey, 0, sizeof(*survey));
	om_host_mark_take(&mark);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	task = start(ask, uri, survey->libvirt_why, sizeof(survey->libvirt_why));
	om_survey_host(survey, ask);
	if (ask->speed)
		survey->fresh_page_ns = om_host_fresh_page_ns();
	if (task)
		finish(task, survey, &until, timeout_ms);
	if (ask->speed && !om_host_free_since(&mark, &survey->cpus, &survey->cpu_free_permille,
					      &survey->cpu_share_permille)) {
		usleep(OM_HOST_MARK_LEAST_MS * 1000);
		(void)om_host_free_since(&mark, &survey->cpus, &survey->cpu_free_permille,
					 &survey->cpu_share_permille);
	}
	survey->optmem_bytes = om_host_optmem_bytes();
	(void)om_survey_fit(survey, ask); /* what libvirt did not answer is not known */
	clock_gettime(CLOCK_REALTIME, &now);
	survey->epoch_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
