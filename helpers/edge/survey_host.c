/* SPDX-License-Identifier: Apache-2.0 */
#include "survey_parts.h"

#include "om_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NODES_DIR "/sys/devices/system/node"
#define PAGES_DIR "/sys/kernel/mm/hugepages"
#define TENTATIVE 0x40u /* IFA_F_ of linux/if_addr.h, which another header of the same keeps out */
#define DAD_FAILED 0x08u

static const char *root = "";

void om_survey_root_override(const char *path)
{
	root = path ? path : "";
}

char *om_survey_root_path(const char *path)
{
	return om_xasprintf("%s%s", root, path);
}

static bool read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size - 1) {
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	text[n < 0 ? 0 : len] = '\0';
	return n >= 0;
}

bool om_survey_read(const char *path, char *text, size_t size)
{
	char *full = om_survey_root_path(path);
	int error, fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool ok = fd >= 0 && read_all(fd, text, size);

	error = errno;
	if (fd >= 0)
		close(fd);
	else
		*text = '\0';
	free(full);
	errno = error;
	return ok;
}

/* ---- addresses ---- */

/* Nobody can listen on an address whose duplicate detection has not ended, or has failed. */
static bool is_usable_v6(const struct om_addr *addr, const char *table)
{
	char hex[33];

	for (size_t i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", addr->bytes[i]);
	for (const char *line = table; line; line = strchr(line, '\n')) {
		unsigned int flags;

		line += *line == '\n';
		if (om_str_starts(line, hex) && sscanf(line + 32, " %*x %*x %*x %x", &flags) == 1)
			return !(flags & (TENTATIVE | DAD_FAILED));
	}
	return true;
}

static bool take_addr(struct om_addr *addr, const struct sockaddr *from)
{
	memset(addr, 0, sizeof(*addr));
	if (from->sa_family == AF_INET) {
		addr->family_bits = 32;
		memcpy(addr->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		addr->family_bits = 128;
		memcpy(addr->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
		       16);
	}
	return addr->family_bits != 0;
}

static void take_addresses(struct om_survey *survey)
{
	OM_AUTOFREE char *table = om_xcalloc(1, 65536);
	struct ifaddrs *list = NULL;

	if (!om_survey_read("/proc/net/if_inet6", table, 65536))
		*table = '\0';
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct om_addr addr;

		if (survey->addr_count == OM_ARRAY_LEN(survey->addrs))
			break;
		if (i->ifa_addr && (i->ifa_flags & IFF_UP) && take_addr(&addr, i->ifa_addr) &&
		    !om_addr_is_loopback_or_link_local(&addr) &&
		    (addr.family_bits == 32 || is_usable_v6(&addr, table)))
			survey->addrs[survey->addr_count++] = addr;
	}
	freeifaddrs(list);
}

/* ---- memory ---- */

/* "Key:  123 kB" */
static uint64_t meminfo(const char *text, const char *key)
{
	unsigned long long kib;

	while (!om_str_starts(text, key)) {
		text = strchr(text, '\n');
		if (!text)
			return 0;
		text++;
	}
	return sscanf(text + strlen(key), " %llu kB", &kib) == 1 ? kib : 0;
}

static bool read_number(const char *dir, const char *name, uint64_t *number)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", dir, name);
	char text[32];

	return om_survey_read(path, text, sizeof(text)) &&
	       om_parse_u64(om_str_strip(text), 0, UINT64_MAX, number);
}

static void take_pages(struct om_survey *survey, uint32_t node, const char *dir)
{
	struct om_node_pages *to = &survey->nodes[survey->node_count];

	*to = (struct om_node_pages){ .node = node };
	if (read_number(dir, "nr_hugepages", &to->total) &&
	    read_number(dir, "free_hugepages", &to->free))
		survey->node_count++;
}

static void take_huge_pages(struct om_survey *survey)
{
	OM_AUTOFREE char *all = om_xasprintf(PAGES_DIR "/hugepages-%llukB",
					     (unsigned long long)survey->page_kib);
	uint64_t most, made;

	if (read_number(all, "nr_overcommit_hugepages", &most) &&
	    read_number(all, "surplus_hugepages", &made) && most > made)
		survey->overcommit_pages = most - made;
	for (uint32_t node = 0; node < 1024 && survey->node_count < OM_SURVEY_NODES_MAX; node++) {
		OM_AUTOFREE char *dir = om_xasprintf(NODES_DIR "/node%u/hugepages/hugepages-%llukB",
						     node, (unsigned long long)survey->page_kib);

		take_pages(survey, node, dir);
	}
	if (!survey->node_count) /* a kernel without NUMA */
		take_pages(survey, 0, all);
}

static void take_memory(struct om_survey *survey, uint64_t page_kib)
{
	char text[8192];

	if (!om_survey_read("/proc/meminfo", text, sizeof(text)))
		return;
	survey->memory_total_kib = meminfo(text, "MemTotal:");
	survey->memory_available_kib = meminfo(text, "MemAvailable:");
	survey->page_kib = page_kib == 1 ? meminfo(text, "Hugepagesize:") : page_kib;
	if (survey->page_kib)
		take_huge_pages(survey);
}

/* ---- devices, migrations ---- */

static enum om_answer has_device(const char *name)
{
	OM_AUTOFREE char *inside = om_xasprintf("/sys/class/net/%s", name);
	OM_AUTOFREE char *path = om_survey_root_path(inside);
	struct stat st;

	if (!*name || strlen(name) >= IFNAMSIZ || strchr(name, '/') || *name == '.')
		return OM_ANSWER_NO; /* no device can have that name */
	if (lstat(path, &st) == 0)
		return OM_ANSWER_YES;
	return errno == ENOENT ? OM_ANSWER_NO : OM_ANSWER_NOT_CHECKED;
}

static void take_bridges(struct om_survey *survey, const struct om_strv *names)
{
	if (!names->n)
		return;
	survey->bridge_count = names->n;
	survey->bridges = om_xcalloc(names->n, sizeof(*survey->bridges));
	for (size_t i = 0; i < names->n; i++)
		survey->bridges[i] = has_device(names->v[i]);
}

struct others {
	const char *own;
	struct om_strv seen; /* one VM can have states in two directories */
};

static void count_other(const struct om_state *state, void *ctx)
{
	struct others *others = ctx;

	if (om_phase_ended(state->phase) || om_str_eq_nocase(state->uuid, others->own))
		return;
	for (size_t i = 0; i < others->seen.n; i++)
		if (om_str_eq_nocase(state->uuid, others->seen.v[i]))
			return;
	om_strv_add(&others->seen, state->uuid);
}

static uint32_t count_others(const char *own)
{
	struct others others = { .own = own ? own : "" };
	uint32_t n;

	om_state_each(count_other, &others);
	n = (uint32_t)others.seen.n;
	om_strv_free(&others.seen);
	return n;
}

/* ---- all of it ---- */

static void take_identity(struct om_survey *survey)
{
	if (gethostname(survey->hostname, sizeof(survey->hostname) - 1) < 0)
		*survey->hostname = '\0';
	om_state_boot_id(survey->boot_id);
	om_str_copy(survey->helper, sizeof(survey->helper), OM_VERSION);
	survey->uid = geteuid();
	survey->known = true;
}

static void take_clock(struct om_survey *survey)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	survey->epoch_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void om_survey_host(struct om_survey *survey, const struct om_survey_ask *ask)
{
	struct om_survey_files *files = om_survey_files_start(&ask->paths);
	struct om_qemu_conf conf;

	take_identity(survey);
	take_addresses(survey);
	take_memory(survey, ask->huge_page_kib);
	take_bridges(survey, &ask->bridges);
	om_qemu_conf_read(&conf);
	survey->range_min = conf.port_min;
	survey->range_max = conf.port_max;
	om_str_copy(survey->lock_manager, sizeof(survey->lock_manager), conf.lock_manager);
	om_survey_ports(survey, ask);
	if (ask->postcopy)
		om_survey_userfaultfd(survey, geteuid());
	if (ask->tls)
		om_survey_tls(survey, &conf);
	survey->migrations = count_others(ask->uuid);
	om_survey_files_finish(files, survey);
	take_clock(survey);
}
