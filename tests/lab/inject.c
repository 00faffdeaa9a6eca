/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into the helper: what libvirt cannot be brought to do when a test needs it. /tmp/inject holds one
 * line "WHAT DISK TIMES":
 *   refuse   a pivot of DISK fails, and nothing has changed
 *   lose     a pivot of DISK fails, and its copy is gone
 *   stuck    all pivots fail, but for the first one (DISK is not looked at)
 *   die      the process is killed after that pivot of DISK
 *   late     likewise, before it
 *   medium   a copy of DISK is not begun
 * DISK "*" is any. Each use counts TIMES down; at 0 there is no more of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "/tmp/inject"

static int pivots;

static int asked(const char *what, const char *disk)
{
	char word[32] = "", of[64] = "";
	int times = 0, found;
	FILE *file = fopen(FILE_NAME, "r");

	if (!file)
		return 0;
	found = fscanf(file, "%31s %63s %d", word, of, &times) == 3 && times > 0 &&
		strcmp(word, what) == 0 && (*of == '*' || strcmp(of, disk) == 0);
	fclose(file);
	file = found ? fopen(FILE_NAME, "w") : NULL;
	if (file) {
		fprintf(file, "%s %s %d\n", word, of, times - 1);
		fclose(file);
	}
	return found;
}

/* As a failing call leaves it, with words that no libvirt has. */
static int fail(virDomainPtr dom)
{
	virDomainBlockJobAbort(dom, "no-such-disk", 0);
	return -1;
}

int virDomainBlockJobAbort(virDomainPtr dom, const char *disk, unsigned int flags)
{
	int (*real)(virDomainPtr, const char *, unsigned int) = dlsym(RTLD_NEXT, __func__);
	int result;

	if (!(flags & VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT))
		return real(dom, disk, flags);
	if (asked("late", disk))
		raise(SIGKILL);
	if (asked("refuse", disk) || (pivots && asked("stuck", disk)))
		return fail(dom);
	if (asked("lose", disk)) {
		real(dom, disk, 0);
		return fail(dom);
	}
	result = real(dom, disk, flags);
	pivots += result == 0;
	if (asked("die", disk))
		raise(SIGKILL);
	return result;
}

int virDomainBlockCopy(virDomainPtr dom, const char *disk, const char *xml,
		       virTypedParameterPtr params, int count, unsigned int flags)
{
	int (*real)(virDomainPtr, const char *, const char *, virTypedParameterPtr, int,
		    unsigned int) = dlsym(RTLD_NEXT, __func__);

	return asked("medium", disk) ? fail(dom) : real(dom, disk, xml, params, count, flags);
}
