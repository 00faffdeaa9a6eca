/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's guest: all that runs in a VM. It fills memory, dirties a part of it at a paced rate,
 * reads all of it back again and again, and says each second on the serial console how it fares.
 *
 * Kernel command line (MiB and MiB/s):
 *   om.fill=N    memory to fill                      om.kind=random|text|zero|mixed
 *   om.hot=N     size of the part that is dirtied    om.dirty=N  rate of dirtying, 0 = idle
 *   om.pace=yes      the rate of dirtying is what a read-only virtio disk says, looked at each tenth of a second
 *   om.verify=N  rate of reading back, 0 = a pass in about two seconds
 *   om.disk=yes  there is a virtio disk
 *   om.blk=... om.beat=...   disk.h;  om.cdrom=yes   there are SCSI drives
 *   om.agent=answers|deaf|old   there is a channel for the guest agent; the clock is an hour slow; an
 *                    old one starts no programs
 *
 * Each page carries its number and a generation at its head and again at its tail. What generation
 * a page must have stands in a table elsewhere in memory, so a page that a migration loses, mixes
 * up or tears is an error, and so is a lost page of the table. The body between the stamps never
 * changes and follows from the page's number.
 *
 * Console lines: one "BOOT id=", one "READY", then "HB seq= errors= ..." each second, and "ERROR
 * ..." for the first problems. Two BOOT lines mean that the guest has died and started again.
 */
#define _GNU_SOURCE
#include "disk.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AGENT_CHANNEL "org.qemu.guest_agent.0"
#define WRONG_BY_S 3600
#define PACE_MS 100
#define NOTIFY "/etc/qemu-ga/migration-notify"

enum { PAGE_BYTES = 4096, PAGE_WORDS = PAGE_BYTES / 8, TICK_MS = 10, PAGES_PER_MIB = 256 };
enum kind { KIND_RANDOM, KIND_TEXT, KIND_ZERO, KIND_MIXED };

struct stamp {
	uint32_t number;
	uint32_t generation;
};

struct page {
	struct stamp head;
	uint64_t body[PAGE_WORDS - 2];
	struct stamp tail;
};

static struct {
	uint64_t fill_pages, hot_pages, dirty_mibps, verify_mibps;
	enum kind kind;
	bool disk, pace, agent, agent_deaf, agent_old;
} cfg;

static struct page *pages;
static uint32_t *generations;
static uint64_t checked, passes, errors, dirtied, disk_writes;
static int disk = -1;
static char command_line[2048];

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t xorshift(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void report_error(const char *what, uint64_t number)
{
	if (errors++ < 20)
		printf("ERROR %s page=%ju\n", what, number);
}

/* Word i of page n's body; state is carried from word to word. */
static uint64_t body_word(enum kind kind, uint64_t *state, uint64_t i)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog, again and again; ";
	uint64_t word;

	switch (kind) {
	case KIND_RANDOM:
		return xorshift(state);
	case KIND_TEXT:
		memcpy(&word, text + i % 7 * 8, sizeof(word));
		return i % 64 ? word : *state;
	case KIND_ZERO:
	case KIND_MIXED: /* no page's own */
		break;
	}
	return 0;
}

/* Mixed memory is a half of text, three eighths random and an eighth of zeros, in runs. */
static enum kind kind_of(uint64_t number)
{
	static const enum kind runs[8] = { KIND_TEXT, KIND_RANDOM, KIND_TEXT, KIND_RANDOM,
					   KIND_TEXT, KIND_ZERO,   KIND_TEXT, KIND_RANDOM };

	return cfg.kind == KIND_MIXED ? runs[number / 64 % 8] : cfg.kind;
}

static uint64_t body_seed(uint64_t number)
{
	return number * 0x9e3779b97f4a7c15ULL + 0x1234567ULL;
}

static void stamp_page(uint64_t number)
{
	struct stamp s = { (uint32_t)number, generations[number] };

	/* A page of zeros stays one until it is first dirtied. */
	if (cfg.kind == KIND_ZERO && !s.generation)
		s.number = 0;
	pages[number].head = s;
	pages[number].tail = s;
}

static void fill_page(uint64_t number)
{
	uint64_t state = body_seed(number);
	enum kind kind = kind_of(number);

	for (uint64_t i = 0; i < PAGE_WORDS - 2; i++)
		pages[number].body[i] = body_word(kind, &state, i);
	stamp_page(number);
}

static void check_page(uint64_t number)
{
	const struct page *page = &pages[number];
	uint32_t generation = generations[number];
	uint32_t want = cfg.kind == KIND_ZERO && !generation ? 0 : (uint32_t)number;
	uint64_t state = body_seed(number), bad = 0;
	enum kind kind = kind_of(number);

	if (page->head.number != want || page->tail.number != want)
		report_error("number", number);
	if (page->head.generation != generation || page->tail.generation != generation)
		report_error("generation", number);
	for (uint64_t i = 0; i < PAGE_WORDS - 2; i++)
		bad |= page->body[i] ^ body_word(kind, &state, i);
	if (bad)
		report_error("body", number);
}

static void dirty_some(uint64_t count)
{
	static uint64_t next;

	while (count--) {
		generations[next]++;
		stamp_page(next);
		next = (next + 1) % cfg.hot_pages;
		dirtied++;
	}
}

static void check_some(uint64_t count)
{
	static uint64_t next;

	while (count--) {
		check_page(next);
		checked++;
		if (++next == cfg.fill_pages) {
			next = 0;
			passes++;
		}
	}
}

/*
 * One sector a second is written past the page cache and read back with the one of the second
 * before: a disk that a migration leaves behind is an error here.
 */
static void disk_tick(void)
{
	static uint64_t *sector;
	uint64_t at = disk_writes % 64 * PAGE_BYTES;
	uint64_t before = (disk_writes + 63) % 64 * PAGE_BYTES;

	if (disk < 0 || cfg.pace)
		return;
	if (!sector)
		sector = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	if (disk_writes) {
		if (pread(disk, sector, PAGE_BYTES, (off_t)before) != PAGE_BYTES)
			report_error("disk-read", disk_writes);
		else if (sector[0] != disk_writes || sector[PAGE_WORDS - 1] != ~disk_writes)
			report_error("disk-content", disk_writes);
	}
	disk_writes++;
	memset(sector, 0, PAGE_BYTES);
	sector[0] = disk_writes;
	sector[PAGE_WORDS - 1] = ~disk_writes;
	if (pwrite(disk, sector, PAGE_BYTES, (off_t)at) != PAGE_BYTES)
		report_error("disk-write", disk_writes);
}

static void load_modules(const char *dir)
{
	struct dirent **names;
	char path[512];
	int n = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		int fd;

		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			printf("MODULE %s: %s\n", names[i]->d_name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}

static void read_line_of(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, (int)size, f))
		buf[0] = 0;
	else
		buf[strcspn(buf, "\n")] = 0;
	if (f)
		fclose(f);
}

/*
 * A stand-in for the QEMU guest agent, in a process of its own: it answers what libvirt asks before
 * it trusts an agent, and the time. Without a time guest-set-time takes the hardware's, with one it
 * sets both, as the real one does.
 */
static bool clock_from_rtc(int rtc)
{
	struct rtc_time t;
	struct tm tm;
	struct timespec ts = { 0 };

	if (ioctl(rtc, RTC_RD_TIME, &t))
		return false;
	tm = (struct tm){ .tm_year = t.tm_year,
			  .tm_mon = t.tm_mon,
			  .tm_mday = t.tm_mday,
			  .tm_hour = t.tm_hour,
			  .tm_min = t.tm_min,
			  .tm_sec = t.tm_sec };
	ts.tv_sec = timegm(&tm);
	return clock_settime(CLOCK_REALTIME, &ts) == 0;
}

static bool clock_to(int rtc, uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	struct rtc_time t = { 0 };
	struct tm tm;

	if (clock_settime(CLOCK_REALTIME, &ts) || !gmtime_r(&ts.tv_sec, &tm))
		return false;
	t = (struct rtc_time){ .tm_year = tm.tm_year,
			       .tm_mon = tm.tm_mon,
			       .tm_mday = tm.tm_mday,
			       .tm_hour = tm.tm_hour,
			       .tm_min = tm.tm_min,
			       .tm_sec = tm.tm_sec };
	return ioctl(rtc, RTC_SET_TIME, &t) == 0;
}

static bool set_time(const char *request)
{
	const char *time = strstr(request, "\"time\":");
	int rtc = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	bool ok;

	if (rtc < 0)
		return false;
	ok = time ? clock_to(rtc, strtoull(time + strlen("\"time\":"), NULL, 10))
		  : clock_from_rtc(rtc);
	close(rtc);
	return ok;
}

static bool asks(const char *request, const char *command)
{
	char execute[64];

	snprintf(execute, sizeof(execute), "\"execute\":\"%s\"", command);
	return strstr(request, execute);
}

/*
 * guest-exec of one program, which says on the console what it was told and takes until it was asked for
 * twice; and what became of it.
 */
static bool agent_exec(const char *request, int port)
{
	static const char path[] = "\"path\":\"" NOTIFY "\"", arg[] = "\"arg\":[\"";
	static int pid = 100, asked;
	const char *word = strstr(request, arg);

	if (asks(request, "guest-exec-status")) {
		dprintf(port, ++asked < 2 ? "{\"return\": {\"exited\": false}}\n"
					  : "{\"return\": {\"exitcode\": 0, \"exited\": true}}\n");
		return true;
	}
	if (!asks(request, "guest-exec") || !strstr(request, path) || !word)
		return false;
	word += strlen(arg);
	printf("NOTIFY %.*s\n", (int)strcspn(word, "\""), word);
	asked = 0;
	dprintf(port, "{\"return\": {\"pid\": %d}}\n", ++pid);
	return true;
}

/* The request has no blanks. */
static void agent_answer(const char *request, int port)
{
	const char *id = strstr(request, "\"id\":");
	uint64_t number = id ? strtoull(id + strlen("\"id\":"), NULL, 10) : 0;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (asks(request, "guest-sync-delimited"))
		dprintf(port, "\xff{\"return\": %ju}\n", number);
	else if (asks(request, "guest-sync"))
		dprintf(port, "{\"return\": %ju}\n", number);
	else if (asks(request, "guest-get-time"))
		dprintf(port, "{\"return\": %jd}\n",
			(intmax_t)now.tv_sec * 1000000000 + now.tv_nsec);
	else if (asks(request, "guest-info"))
		dprintf(port, "{\"return\": {\"version\": \"0\", \"supported_commands\": []}}\n");
	else if (asks(request, "guest-set-time") && set_time(request))
		dprintf(port, "{\"return\": {}}\n");
	else if (!cfg.agent_old && agent_exec(request, port))
		return;
	else
		dprintf(port, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n");
}

static int agent_port(void)
{
	char path[64], name[64];

	for (int i = 0; i < 1000; i++, usleep(10000)) {
		for (int port = 0; port < 4; port++) {
			snprintf(path, sizeof(path), "/sys/class/virtio-ports/vport0p%d/name",
				 port);
			read_line_of(path, name, sizeof(name));
			if (strcmp(name, AGENT_CHANNEL))
				continue;
			snprintf(path, sizeof(path), "/dev/vport0p%d", port);
			return open(path, O_RDWR | O_CLOEXEC);
		}
	}
	return -1;
}

static void agent(void)
{
	struct timespec wrong;
	char request[4096];
	size_t len = 0;
	int port = agent_port();

	clock_gettime(CLOCK_REALTIME, &wrong);
	wrong.tv_sec -= WRONG_BY_S;
	if (port < 0 || clock_settime(CLOCK_REALTIME, &wrong))
		printf("ERROR agent\n");
	for (;;) {
		char c;

		/* Nobody is at the other end: a read ends at once. */
		if (read(port, &c, 1) != 1)
			usleep(100000);
		else if (c == '\n' && len) {
			request[len] = '\0';
			len = 0;
			if (!cfg.agent_deaf)
				agent_answer(request, port);
		} else if (c > ' ' && len + 1 < sizeof(request))
			request[len++] = c;
	}
}

static uint64_t mib_option(const char *cmdline, const char *name, uint64_t dflt)
{
	const char *at = strstr(cmdline, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : dflt;
}

static void configure(void)
{
	uint64_t hot;

	read_line_of("/proc/cmdline", command_line, sizeof(command_line));
	cfg.fill_pages = mib_option(command_line, "om.fill=", 16) * PAGES_PER_MIB;
	if (!cfg.fill_pages)
		cfg.fill_pages = PAGES_PER_MIB;
	hot = mib_option(command_line, "om.hot=", 0) * PAGES_PER_MIB;
	cfg.hot_pages = hot && hot < cfg.fill_pages ? hot : cfg.fill_pages;
	cfg.dirty_mibps = mib_option(command_line, "om.dirty=", 0);
	cfg.verify_mibps = mib_option(command_line, "om.verify=", 0);
	if (!cfg.verify_mibps)
		cfg.verify_mibps = cfg.fill_pages / PAGES_PER_MIB / 2 + 1;
	cfg.disk = strstr(command_line, "om.disk=yes");
	cfg.pace = strstr(command_line, "om.pace=yes");
	cfg.agent = strstr(command_line, "om.agent=");
	cfg.agent_deaf = strstr(command_line, "om.agent=deaf");
	cfg.agent_old = strstr(command_line, "om.agent=old");
	if (strstr(command_line, "om.kind=text"))
		cfg.kind = KIND_TEXT;
	else if (strstr(command_line, "om.kind=zero"))
		cfg.kind = KIND_ZERO;
	else if (strstr(command_line, "om.kind=mixed"))
		cfg.kind = KIND_MIXED;
}

/* Quiet to busy and back, as it is told from outside. */
static void look_at_pace(uint64_t now)
{
	static char *sector;
	static uint64_t looked;

	if (!cfg.pace || now - looked < PACE_MS)
		return;
	looked = now;
	if (!sector)
		sector = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	if (pread(disk, sector, PAGE_BYTES, 0) != PAGE_BYTES)
		report_error("pace", 0);
	else
		cfg.dirty_mibps = strtoull(sector, NULL, 10);
}

static void setup(void)
{
	int console;

	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	console = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	if (console >= 0) {
		dup2(console, 0);
		dup2(console, 1);
		dup2(console, 2);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	configure();
	if (cfg.disk || cfg.pace || cfg.agent || strstr(command_line, "om.blk="))
		load_modules("/modules");
	if (strstr(command_line, "om.cdrom=yes"))
		load_modules("/cdrom");
	if (cfg.agent && fork() == 0)
		agent();
	for (int i = 0; i < 100 && (cfg.disk || cfg.pace) && disk < 0; i++) {
		disk = open("/dev/vda", (cfg.pace ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
		if (disk < 0)
			usleep(10000);
	}
}

static void *memory(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		printf("ERROR no memory\n");
		for (;;)
			pause();
	}
	return p;
}

static void heartbeat(uint64_t seq, uint64_t up_ms, uint64_t dirty_mibps, uint64_t gap_ms)
{
	uint64_t disk_errors = disks_report();

	printf("HB seq=%ju up_ms=%ju checked=%ju passes=%ju errors=%ju dirtied=%ju rate=%ju "
	       "gap_ms=%ju disk=%ju\n",
	       seq, up_ms, checked, passes, errors + disk_errors, dirtied, dirty_mibps, gap_ms,
	       disk_writes);
}

/*
 * Work is owed by the clock: a tick that comes late does what was missed, up to a second's worth,
 * so the rate holds on a slow machine and a pause is not followed by a storm.
 */
static void run(void)
{
	uint64_t start = now_ms(), last = start, beat = start + 1000, seq = 0;
	uint64_t dirty_due = 0, check_due = 0, dirtied_before = 0, gap = 0;

	for (;;) {
		struct timespec tick = { 0, TICK_MS * 1000000L };
		uint64_t now, passed, worked;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
		now = now_ms();
		passed = now - last;
		last = now;
		gap = passed > gap ? passed : gap;
		worked = passed < 1000 ? passed : 1000;

		look_at_pace(now);
		dirty_due += worked * cfg.dirty_mibps * PAGES_PER_MIB;
		dirty_some(dirty_due / 1000);
		dirty_due %= 1000;
		check_due += worked * cfg.verify_mibps * PAGES_PER_MIB;
		check_some(check_due / 1000);
		check_due %= 1000;

		if (now >= beat) {
			uint64_t span = now - (beat - 1000);

			disk_tick();
			heartbeat(++seq, now - start,
				  (dirtied - dirtied_before) * 1000 / PAGES_PER_MIB / span, gap);
			dirtied_before = dirtied;
			gap = 0;
			beat = now + 1000;
		}
	}
}

int main(void)
{
	char id[64];

	setup();
	read_line_of("/proc/sys/kernel/random/boot_id", id, sizeof(id));
	printf("\nBOOT id=%s\n", id);
	pages = memory(cfg.fill_pages * PAGE_BYTES);
	generations = memory(cfg.fill_pages * sizeof(*generations));
	for (uint64_t i = 0; i < cfg.fill_pages; i++)
		fill_page(i);
	disks_start(command_line);
	beat_start(command_line);
	printf("READY fill_mib=%ju hot_mib=%ju disk=%s\n", cfg.fill_pages / PAGES_PER_MIB,
	       cfg.hot_pages / PAGES_PER_MIB, disk >= 0 ? "yes" : "no");
	run();
	return 0;
}
