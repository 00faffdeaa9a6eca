/* SPDX-License-Identifier: Apache-2.0 */
#include "ssh.h"

#include "om_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_file(const char *path, const char *text)
{
	OM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 && om_write_all(fd, text, strlen(text));
}

static ssize_t read_file(const char *path, char *text, size_t size)
{
	OM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* ssh-keygen hashes whole files; this one has the one line. In place. */
static bool hash(char *line, size_t size)
{
	char dir[] = "/tmp/onemigrate-ssh-XXXXXX", out[256];
	char file[sizeof(dir) + 16], old[sizeof(dir) + 16];
	const char *argv[] = { "ssh-keygen", "-H", "-f", file, NULL };
	struct om_err err;
	bool ok;

	if (!mkdtemp(dir))
		return false;
	snprintf(file, sizeof(file), "%s/k", dir);
	snprintf(old, sizeof(old), "%s/k.old", dir);
	ok = write_file(file, line) && om_proc_capture(argv, 10000, out, sizeof(out), &err) &&
	     read_file(file, line, size) > 3 && line[0] == '|' && strchr(line, '\n');
	unlink(file);
	unlink(old);
	rmdir(dir);
	return ok;
}

/* One write for a line: others may add theirs at the same time. */
static bool append(const char *path, const char *line)
{
	OM_AUTOCLOSE int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	OM_AUTOFREE char *text = NULL;
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	char last = '\n';

	if (fd < 0 || (end > 0 && pread(fd, &last, 1, end - 1) != 1))
		return false;
	text = om_xasprintf("%s%s", last == '\n' ? "" : "\n", line);
	return om_write_all(fd, text, strlen(text));
}

static void make_dir(const char *path)
{
	OM_AUTOFREE char *dir = om_xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (slash && slash != dir) {
		*slash = '\0';
		if (mkdir(dir, 0700) != 0)
			return; /* it is there, or append() says why not */
	}
}

bool hostkey_remember(const struct om_ssh_conf *conf, const char *type, const char *key,
		      struct om_err *err)
{
	char name[sizeof(conf->hostname) + 16], line[8192];
	OM_AUTOFREE char *path = conf->user_files.n ? om_ssh_home_path(conf->user_files.v[0])
						    : NULL;

	if (!path)
		return om_err_set(err, OM_E_INPUT, "no UserKnownHostsFile");
	om_ssh_conf_known_name(conf, name, sizeof(name));
	if ((size_t)snprintf(line, sizeof(line), "%s %s %s\n", name, type, key) >= sizeof(line))
		return om_err_set(err, OM_E_INPUT, "the key is too long");
	if (conf->hash_known_hosts && !hash(line, sizeof(line)))
		return om_err_set(err, OM_E_INPUT, "its name cannot be hashed");
	make_dir(path);
	if (!append(path, line))
		return om_err_set(err, OM_E_INPUT, "%s: %s", path, strerror(errno));
	return true;
}
