/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU may have the image open and locked; its head is read all the same, and nothing else. */
#include "om_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool say(char *why, size_t size)
{
	om_str_copy(why, size, strerror(errno));
	return false;
}

bool om_image_head(const char *path, void *data, size_t *len, uint64_t *file_bytes, char *why,
		   size_t why_size)
{
	OM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = 1;

	*len = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return say(why, why_size);
	if (!S_ISREG(st.st_mode)) {
		om_str_copy(why, why_size, "it is no regular file");
		return false;
	}
	*file_bytes = (uint64_t)st.st_size;
	while (n > 0 && *len < OM_IMAGE_HEAD_BYTES) {
		n = pread(fd, (char *)data + *len, OM_IMAGE_HEAD_BYTES - *len, (off_t)*len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			*len += (size_t)n;
	}
	return n >= 0 || say(why, why_size);
}
