/* SPDX-License-Identifier: Apache-2.0 */
/* OpenNebula's own `clean` of a network driver, on the host where `pre` made something for a VM that never came. */
#include "om_tm_host.h"

#include "om_proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NET "/sys/class/net"
#define LIMIT_MS 30000
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool name_valid(const char *name, size_t max)
{
	size_t len = strlen(name);

	return len > 0 && len <= max && *name != '.' && *name != '-' &&
	       strspn(name, NAME_CHARS) == len;
}

bool om_tm_vn_mad_valid(const char *vn_mad)
{
	return name_valid(vn_mad, 64);
}

/* ---- who uses a bridge ---- */

static bool is_tap(const char *device)
{
	OM_AUTOFREE char *path = om_xasprintf(NET "/%s/tun_flags", device);

	return access(path, F_OK) == 0;
}

static bool has_taps(const char *bridge)
{
	OM_AUTOFREE char *path = om_xasprintf(NET "/%s/brif", bridge);
	DIR *entries = opendir(path);
	const struct dirent *entry;
	bool found = !entries;

	while (entries && !found && (entry = readdir(entries)))
		found = *entry->d_name != '.' && is_tap(entry->d_name);
	if (entries)
		closedir(entries);
	return found;
}

static bool may_go(const char *bridge, struct om_err *err)
{
	OM_AUTOFREE char *device = om_xasprintf(NET "/%s", bridge);
	OM_AUTOFREE char *own = om_xasprintf(NET "/%s/bridge", bridge);

	if (!name_valid(bridge, 15))
		return om_err_set(err, OM_E_INPUT, "no name of a bridge");
	if (access(device, F_OK) < 0)
		return errno == ENOENT ||
		       om_err_set(err, OM_E_INPUT, "%s cannot be looked at", bridge);
	/* Ports of other kinds of bridges are known to their own programs alone. */
	if (access(own, F_OK) < 0)
		return om_err_set(err, OM_E_INPUT,
				  "%s is no Linux bridge, who uses it is not known", bridge);
	if (has_taps(bridge))
		return om_err_set(err, OM_E_INPUT, "another VM uses %s", bridge);
	return true;
}

static bool all_may_go(const char *bridges, struct om_err *err)
{
	OM_AUTOFREE char *copy = om_xstrdup(bridges);

	for (char *save = NULL, *bridge = strtok_r(copy, ",", &save); bridge;
	     bridge = strtok_r(NULL, ",", &save))
		if (!may_go(bridge, err))
			return false;
	return *bridges || om_err_set(err, OM_E_INPUT, "no bridge was named");
}

/* ---- running it ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The tree that this program is in, unless a package brought it. */
static char *find_script(const char *vn_mad)
{
	const char *tree = getenv("SCRIPTS_REMOTE_DIR");
	char own[256];
	char *script;

	if (om_proc_own_dir(own, sizeof(own))) {
		script = om_xasprintf("%s/../../vnm/%s/clean", own, vn_mad);
		if (access(script, X_OK) == 0)
			return script;
		free(script);
	}
	return om_xasprintf("%s/vnm/%s/clean", om_str_empty(tree) ? "/var/tmp/one" : tree, vn_mad);
}

/* It need not read it all. */
static void feed(int fd, const char *text, uint64_t until_ms)
{
	size_t len = strlen(text);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (len) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		uint64_t now = now_ms();
		ssize_t n;

		if (now >= until_ms || poll(&p, 1, (int)(until_ms - now)) <= 0 ||
		    (p.revents & (POLLERR | POLLHUP)))
			return;
		n = write(fd, text, len);
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static bool wait_for(pid_t pid, uint64_t until_ms, const char *script, struct om_err *err)
{
	const struct timespec step = { .tv_nsec = 20000000 };
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() >= until_ms) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return om_err_set(err, OM_E_INPUT, "%s did not end in time", script);
		}
		nanosleep(&step, NULL);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	return om_err_set(err, OM_E_INPUT, "%s failed", script);
}

bool om_tm_vnm_clean(const char *vn_mad, const char *bridges, const char *host,
		     const char *document, struct om_err *err)
{
	OM_AUTOFREE char *script = om_tm_vn_mad_valid(vn_mad) ? find_script(vn_mad) : NULL;
	const char *argv[] = { script, host, NULL };
	uint64_t until_ms = now_ms() + LIMIT_MS;
	pid_t pid;
	int to;

	if (!script || !om_host_valid(host))
		return om_err_set(err, OM_E_INPUT, "no name of a network driver");
	if (!all_may_go(bridges, err))
		return false;
	if (access(script, X_OK) < 0)
		return om_err_set(err, OM_E_INPUT, "%s is not there", script);
	signal(SIGPIPE, SIG_IGN);
	pid = om_proc_start(argv, &to, NULL);
	if (pid < 0)
		return om_err_set(err, OM_E_INPUT, "%s cannot be started", script);
	feed(to, document, until_ms);
	close(to);
	return wait_for(pid, until_ms, script, err);
}
