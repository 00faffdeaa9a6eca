/* SPDX-License-Identifier: Apache-2.0 */
#include "om_tm_host.h"

#include "om_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool record_name(char name[64], const char *uuid)
{
	snprintf(name, 64, "%.36s.tm", uuid);
	return om_state_uuid_valid(uuid);
}

bool om_tm_record_write(const struct om_tm_record *record, const char *uuid, struct om_err *err)
{
	OM_AUTOFREE char *text = om_tm_record_print(record);
	OM_AUTOCLOSE int dirfd = om_state_dir_open(true, err);
	OM_AUTOCLOSE int fd = -1;
	char name[64];

	if (dirfd < 0)
		return false;
	if (!record_name(name, uuid))
		return om_err_set(err, OM_E_INPUT, "no record without a UUID");
	unlinkat(dirfd, name, 0);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* One that is cut off has no last line, and counts for nothing. */
	if (fd >= 0 && om_write_all(fd, text, strlen(text)))
		return true;
	return om_err_set(err, OM_E_INPUT, "the record %s cannot be written: %s", name,
			  strerror(errno));
}

bool om_tm_record_read(struct om_tm_record *record, const char *uuid)
{
	struct om_err ignored;
	OM_AUTOCLOSE int dirfd = om_state_dir_open(false, &ignored);
	OM_AUTOFREE char *text = om_xcalloc(1, OM_TM_RECORD_MAX);
	OM_AUTOCLOSE int fd = -1;
	char name[64];
	size_t len = 0;
	struct stat st;
	ssize_t n;

	*record = (struct om_tm_record){ 0 };
	if (dirfd < 0 || !record_name(name, uuid))
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return false;
	while (len < OM_TM_RECORD_MAX - 1 &&
	       (n = read(fd, text + len, OM_TM_RECORD_MAX - 1 - len)) > 0)
		len += (size_t)n;
	return om_tm_record_parse(record, text);
}

void om_tm_record_settle(const char *uuid, const char *vm_id, const char *dst,
			 enum om_tm_settled settled, uint64_t epoch_ms)
{
	struct om_tm_record record;
	struct om_err ignored;

	if (!om_tm_record_read(&record, uuid))
		return;
	record.settled = settled;
	record.settled_epoch_ms = epoch_ms;
	/* Without it the later steps ask both hosts themselves. */
	if (strcmp(record.vm_id, vm_id) == 0 && strcmp(record.dst, dst) == 0)
		(void)!om_tm_record_write(&record, uuid, &ignored);
	om_tm_record_free(&record);
}

void om_tm_record_remove(const char *uuid)
{
	struct om_err ignored;
	OM_AUTOCLOSE int dirfd = om_state_dir_open(false, &ignored);
	char name[64];

	if (dirfd >= 0 && record_name(name, uuid))
		unlinkat(dirfd, name, 0);
}
