/* SPDX-License-Identifier: Apache-2.0 */
/* Real files, sockets and processes; what a machine need not have stands below a directory of the
 * test's own. */
#include "om_cmocka.h"

#include "om_state.h"
#include "survey_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

/* WRAP: stat om_survey_libvirt */

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define OTHER "95b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"

static char dir[64];

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- a file system and a libvirt that do not answer ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: they wait */
static _Atomic int waiting;
static bool gate_closed;

static void close_gate(void)
{
	pthread_mutex_lock(&gate);
	gate_closed = true;
}

static void wait_at_gate(void)
{
	waiting++;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	waiting--;
}

/* Also after a test that has failed, so that the others can go on. */
static void open_gate(void)
{
	if (!gate_closed)
		return;
	gate_closed = false;
	pthread_mutex_unlock(&gate);
	while (waiting)
		usleep(1000);
	usleep(20000); /* what they hold is freed behind it */
}

int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st)
{
	if (strstr(path, "/hangs"))
		wait_at_gate();
	return __real_stat(path, st);
}

static bool libvirt_hangs;

void __wrap_om_survey_libvirt(struct om_survey *survey, const struct om_survey_ask *ask,
			      const char *uri);
void __wrap_om_survey_libvirt(struct om_survey *survey, const struct om_survey_ask *ask,
			      const char *uri)
{
	if (libvirt_hangs)
		wait_at_gate();
	survey->libvirt_known = true;
	survey->side = OM_SIDE_PAUSED;
	om_str_copy(survey->libvirt_why, sizeof(survey->libvirt_why), uri);
	om_str_copy(survey->cpu_model, sizeof(survey->cpu_model), ask->name);
	survey->network_count = ask->networks.n;
	survey->networks = om_xcalloc(ask->networks.n, sizeof(*survey->networks));
	survey->networks[0] = OM_ANSWER_YES;
}

/* ---- the directory ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_dir(void **unused)
{
	(void)unused;
	snprintf(dir, sizeof(dir), "/tmp/om-survey-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **unused)
{
	(void)unused;
	open_gate();
	om_survey_root_override(NULL);
	om_state_dir_override(NULL);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *in_dir(const char *name)
{
	return om_xasprintf("%s/%s", dir, name);
}

/* Makes the file with all directories above it. */
static void put(const char *name, const char *text)
{
	OM_AUTOFREE char *path = in_dir(name);
	FILE *file;

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	file = fopen(path, "w");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	fputs(text, file);
	fclose(file);
}

static struct om_survey_ask ask_for_path(const char *path)
{
	struct om_survey_ask ask = { 0 };

	om_strv_add(&ask.paths, path);
	return ask;
}

static struct om_file look(const char *path)
{
	struct om_survey_ask ask = ask_for_path(path);
	struct om_survey survey = { 0 };
	struct om_file file;

	om_survey_files_finish(om_survey_files_start(&ask.paths), &survey);
	assert_int_equal(survey.file_count, 1);
	file = survey.files[0];
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
	return file;
}

static uint64_t fs_of(const char *path)
{
	struct statfs fs;

	assert_int_equal(statfs(path, &fs), 0);
	return (uint32_t)fs.f_type;
}

/* ---- files ---- */

static void a_regular_file_is_known_by_size_inode_and_device(void **unused)
{
	OM_AUTOFREE char *path = in_dir("disk.0"), *link = in_dir("link");
	struct om_file file;
	struct stat st;

	(void)unused;
	put("disk.0", "0123456789");
	assert_int_equal(symlink("disk.0", link), 0);
	assert_int_equal(__real_stat(path, &st), 0);
	for (int i = 0; i < 2; i++) {
		file = look(i ? link : path);
		assert_int_equal(file.kind, OM_FILE_REGULAR);
		assert_int_equal(file.size_bytes, 10);
		assert_int_equal(file.inode, st.st_ino);
		assert_int_equal(file.device, st.st_dev);
		assert_int_equal(file.fs_type, fs_of(dir));
		assert_string_equal(file.why, "");
	}
}

static void directories_and_other_things_are_told_apart(void **unused)
{
	OM_AUTOFREE char *fifo = in_dir("fifo");

	(void)unused;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(look(dir).kind, OM_FILE_DIR);
	assert_int_equal(look(dir).size_bytes, 0);
	assert_int_equal(look(fifo).kind, OM_FILE_OTHER);
	assert_int_equal(look("/dev/null").kind, OM_FILE_OTHER);
	assert_int_equal(look("/proc").fs_type, 0x9fa0);
}

static void what_is_missing_has_the_file_system_of_what_is_there(void **unused)
{
	static const char *const names[] = { "none", "none/of/it", "file/below" };

	(void)unused;
	put("file", "");
	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++) {
		OM_AUTOFREE char *path = in_dir(names[i]);
		struct om_file file = look(path);

		assert_int_equal(file.kind, OM_FILE_MISSING);
		assert_int_equal(file.fs_type, fs_of(dir));
		assert_int_equal(file.inode, 0);
	}
	assert_int_equal(look("/proc/none/of/it").fs_type, 0x9fa0);
	assert_int_equal(look("/none").fs_type, fs_of("/"));
}

static void a_link_that_leads_nowhere_is_missing_where_it_leads(void **unused)
{
	OM_AUTOFREE char *absolute = in_dir("absolute"), *relative = in_dir("relative");
	OM_AUTOFREE char *loop = in_dir("loop");

	(void)unused;
	assert_int_equal(symlink("/proc/none/of/it", absolute), 0);
	assert_int_equal(symlink("absolute", relative), 0);
	assert_int_equal(symlink("loop", loop), 0);
	assert_int_equal(look(absolute).kind, OM_FILE_MISSING);
	assert_int_equal(look(absolute).fs_type, 0x9fa0);
	assert_int_equal(look(relative).fs_type, 0x9fa0);
	assert_int_equal(look(loop).kind, OM_FILE_UNKNOWN);
	assert_string_equal(look(loop).why, strerror(ELOOP));
}

static void what_may_not_be_looked_at_is_not_missing(void **unused)
{
	OM_AUTOFREE char *inside = in_dir("shut/disk.0"), *shut = in_dir("shut");
	struct om_file file;
	uid_t uid = geteuid();

	(void)unused;
	put("shut/disk.0", "");
	assert_int_equal(chmod(shut, 0), 0);
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	file = look(inside);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(chmod(shut, 0700), 0);
	assert_int_equal(file.kind, OM_FILE_UNKNOWN);
	/* Not even the directory of the test is open to others. */
	assert_string_equal(file.why, strerror(EACCES));
	assert_int_equal(look("disk.0").kind, OM_FILE_UNKNOWN);
	assert_string_equal(look("disk.0").why, "not an absolute path");
}

/* "/dev/NAME" of a disk of this machine; false where it has none. */
static bool find_disk(char path[300])
{
	DIR *list = opendir("/sys/block");
	const struct dirent *entry;
	struct stat st;
	bool found = false;

	while (list && !found && (entry = readdir(list))) {
		snprintf(path, 300, "/dev/%s", entry->d_name);
		found = __real_stat(path, &st) == 0 && S_ISBLK(st.st_mode);
	}
	if (list)
		closedir(list);
	return found;
}

static void a_block_device_has_the_size_that_the_kernel_says(void **unused)
{
	OM_AUTOFREE char *size_path = NULL;
	char path[300], text[32];
	struct om_file file;
	struct stat st;
	uint64_t sectors;

	(void)unused;
	if (!find_disk(path))
		skip();
	file = look(path);
	assert_int_equal(__real_stat(path, &st), 0);
	assert_int_equal(file.kind, OM_FILE_BLOCK);
	assert_int_equal(file.device, st.st_rdev);
	size_path = om_xasprintf("/sys/block/%s/size", path + strlen("/dev/"));
	assert_true(om_survey_read(size_path, text, sizeof(text)));
	assert_true(om_parse_u64(om_str_strip(text), 0, UINT64_MAX, &sectors));
	assert_int_equal(file.size_bytes, sectors * 512);
}

static void a_file_system_that_does_not_answer_holds_nothing_else_up(void **unused)
{
	struct om_survey survey = { 0 };
	struct om_survey_ask ask = { 0 };
	uint64_t begun = now_ms(), lasted;

	(void)unused;
	close_gate();
	for (int i = 0; i < 4; i++) {
		om_strv_add(&ask.paths, "/hangs/disk.0");
		om_strv_add(&ask.paths, dir);
	}
	om_survey_files_finish(om_survey_files_start(&ask.paths), &survey);
	lasted = now_ms() - begun;
	assert_in_range(lasted, OM_SURVEY_FILES_MS - 100, OM_SURVEY_FILES_MS + 2000);
	assert_int_equal(survey.file_count, 8);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(survey.files[2 * i].kind, OM_FILE_UNKNOWN);
		assert_string_equal(survey.files[2 * i].why, "no answer within 5 s");
		assert_int_equal(survey.files[2 * i + 1].kind, OM_FILE_DIR);
	}
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

static void hundreds_of_paths_are_looked_at_in_order(void **unused)
{
	struct om_survey survey = { 0 };
	struct om_survey_ask ask = { 0 };

	(void)unused;
	for (int i = 0; i < OM_SURVEY_LIST_MAX; i++)
		om_strv_add(&ask.paths, i % 3 ? "/none" : dir);
	om_survey_files_finish(om_survey_files_start(&ask.paths), &survey);
	assert_int_equal(survey.file_count, OM_SURVEY_LIST_MAX);
	for (int i = 0; i < OM_SURVEY_LIST_MAX; i++)
		assert_int_equal(survey.files[i].kind, i % 3 ? OM_FILE_MISSING : OM_FILE_DIR);
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

/* ---- the configuration ---- */

static struct om_qemu_conf conf_of(const char *text)
{
	struct om_qemu_conf conf;

	om_survey_root_override(dir);
	if (text)
		put("etc/libvirt/qemu.conf", text);
	om_qemu_conf_read(&conf);
	return conf;
}

static void without_qemu_conf_its_defaults_hold(void **unused)
{
	struct om_qemu_conf conf = conf_of(NULL);

	(void)unused;
	assert_true(conf.known);
	assert_int_equal(conf.port_min, 49152);
	assert_int_equal(conf.port_max, 49215);
	assert_string_equal(conf.tls_dir, "/etc/pki/qemu");
	assert_string_equal(conf.lock_manager, "");
}

static void settings_of_qemu_conf_are_read(void **unused)
{
	struct om_qemu_conf conf = conf_of("# migration_port_min = 1\n"
					   "migration_port_min = 50000 # from here\n"
					   "  migration_port_max=50100\n"
					   "migration_port_maximum = 7\n"
					   "default_tls_x509_cert_dir = \"/etc/pki/other\"\n"
					   "lock_manager = \"lockd\"\n"
					   "migration_port_max = \"");

	(void)unused;
	assert_true(conf.known);
	assert_int_equal(conf.port_min, 50000);
	assert_int_equal(conf.port_max, 50100);
	assert_string_equal(conf.tls_dir, "/etc/pki/other");
	assert_string_equal(conf.lock_manager, "lockd");
	assert_string_equal(conf_of("lock_manager = \"nop\"\n").lock_manager, "");
	assert_int_equal(conf_of("migration_port_min = 70000\n").port_min, 49152);
	assert_string_equal(conf_of("migrate_tls_x509_cert_dir = '/a b'\n"
				    "default_tls_x509_cert_dir = \"/c\"\n")
				    .tls_dir,
			    "/a b");
	put("etc/pki/libvirt-migrate/x", "");
	assert_string_equal(conf_of("default_tls_x509_cert_dir = \"/c\"\n").tls_dir,
			    "/etc/pki/libvirt-migrate");
}

static void a_qemu_conf_that_cannot_be_read_is_not_known(void **unused)
{
	struct om_survey survey = { 0 };
	struct om_qemu_conf conf;

	(void)unused;
	put("etc/libvirt/qemu.conf/x", ""); /* a directory: not even root can read it */
	conf = conf_of(NULL);
	assert_false(conf.known);
	assert_string_equal(conf.lock_manager, "?");
	assert_int_equal(conf.port_max, 49215);
	/* Certificates may be in another place. */
	om_survey_tls(&survey, &conf);
	assert_int_equal(survey.tls_server, OM_ANSWER_NOT_CHECKED);
	assert_int_equal(survey.tls_client, OM_ANSWER_NOT_CHECKED);
	assert_non_null(strstr(survey.tls_why, "/etc/pki/qemu/ca-cert.pem: No such file"));
	assert_non_null(strstr(survey.tls_why, "qemu.conf cannot be read"));
	assert_true(survey.tls_unseen);
}

static void certificates_are_looked_for_one_end_at_a_time(void **unused)
{
	struct om_qemu_conf conf = conf_of(NULL);
	struct om_survey survey = { 0 };

	(void)unused;
	put("etc/pki/qemu/ca-cert.pem", "");
	put("etc/pki/qemu/server-cert.pem", "");
	put("etc/pki/qemu/server-key.pem", "");
	put("etc/pki/qemu/client-cert.pem", "");
	om_survey_tls(&survey, &conf);
	assert_int_equal(survey.tls_server, OM_ANSWER_YES);
	assert_int_equal(survey.tls_client, OM_ANSWER_NO);
	assert_string_equal(survey.tls_why,
			    "/etc/pki/qemu/client-key.pem: No such file or directory");
	put("etc/pki/qemu/client-key.pem", "");
	survey = (struct om_survey){ 0 };
	om_survey_tls(&survey, &conf);
	assert_int_equal(survey.tls_client, OM_ANSWER_YES);
	assert_string_equal(survey.tls_why, "");
	assert_false(survey.tls_unseen);
}

static enum om_answer userfaultfd(uid_t uid, const char *why)
{
	struct om_survey survey = { 0 };

	om_survey_root_override(dir);
	om_survey_userfaultfd(&survey, uid);
	if (!strstr(survey.userfaultfd_why, why) || (!*why && *survey.userfaultfd_why))
		fail_msg("'%s' instead of '%s'", survey.userfaultfd_why, why);
	return survey.userfaultfd;
}

static void post_copy_needs_a_sysctl_or_a_device_or_root(void **unused)
{
	OM_AUTOFREE char *path = in_dir("proc/sys/vm/unprivileged_userfaultfd");

	(void)unused;
	put("proc/sys/vm/unprivileged_userfaultfd", "0\n");
	assert_int_equal(userfaultfd(9869, "`sysctl vm.unprivileged_userfaultfd=1`"), OM_ANSWER_NO);
	assert_int_equal(userfaultfd(0, ""), OM_ANSWER_YES);
	put("dev/userfaultfd", "");
	assert_int_equal(userfaultfd(9869, "/dev/userfaultfd"), OM_ANSWER_YES);
	put("proc/sys/vm/unprivileged_userfaultfd", "1\n");
	assert_int_equal(userfaultfd(9869, ""), OM_ANSWER_YES);
	/* A kernel from before the sysctl; ours has userfaultfd. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(userfaultfd(9869, ""), OM_ANSWER_YES);
}

/* ---- memory, devices ---- */

static struct om_survey survey_of(const struct om_survey_ask *ask)
{
	struct om_survey survey = { 0 };

	om_survey_root_override(dir);
	om_survey_host(&survey, ask);
	return survey;
}

static void put_pages(const char *below, const char *total, const char *free_pages)
{
	OM_AUTOFREE char *nr = om_xasprintf("%s/nr_hugepages", below);
	OM_AUTOFREE char *unused = om_xasprintf("%s/free_hugepages", below);

	put(nr, total);
	put(unused, free_pages);
}

static void huge_pages_are_counted_by_node(void **unused)
{
	struct om_survey_ask ask = { .huge_page_kib = 1 };
	struct om_survey survey;

	(void)unused;
	put("proc/meminfo", "MemTotal:  131072000 kB\nMemFree: 1 kB\nMemAvailable:    64000000 kB\n"
			    "XHugepagesize: 4 kB\nHugepagesize:       2048 kB\n");
	put_pages("sys/devices/system/node/node0/hugepages/hugepages-2048kB", "512\n", "100\n");
	put_pages("sys/devices/system/node/node3/hugepages/hugepages-2048kB", "256\n", "0\n");
	put_pages("sys/devices/system/node/node3/hugepages/hugepages-1048576kB", "4\n", "2\n");
	put_pages("sys/kernel/mm/hugepages/hugepages-16384kB", "9\n", "8\n");
	survey = survey_of(&ask);
	assert_int_equal(survey.memory_total_kib, 131072000);
	assert_int_equal(survey.memory_available_kib, 64000000);
	assert_int_equal(survey.page_kib, 2048);
	assert_int_equal(survey.node_count, 2);
	assert_int_equal(survey.nodes[0].total, 512);
	assert_int_equal(survey.nodes[0].free, 100);
	assert_int_equal(survey.nodes[1].node, 3);
	assert_int_equal(survey.nodes[1].free, 0);
	ask.huge_page_kib = 1048576;
	survey = survey_of(&ask);
	assert_int_equal(survey.node_count, 1);
	assert_int_equal(survey.nodes[0].node, 3);
	assert_int_equal(survey.nodes[0].free, 2);
	ask.huge_page_kib = 16384; /* a kernel without NUMA */
	survey = survey_of(&ask);
	assert_int_equal(survey.node_count, 1);
	assert_int_equal(survey.nodes[0].node, 0);
	assert_int_equal(survey.nodes[0].free, 8);
	ask.huge_page_kib = 0;
	survey = survey_of(&ask);
	assert_int_equal(survey.page_kib, 0);
	assert_int_equal(survey.node_count, 0);
}

static void bridges_are_devices_of_the_host(void **unused)
{
	static const char *const names[] = { "br0", "br1", "", "..", "a/b", "abcdefghijklmnop" };
	struct om_survey_ask ask = { 0 };
	struct om_survey survey;

	(void)unused;
	put("sys/class/net/br0/x", "");
	for (size_t i = 0; i < OM_ARRAY_LEN(names); i++)
		om_strv_add(&ask.bridges, names[i]);
	survey = survey_of(&ask);
	assert_int_equal(survey.bridge_count, OM_ARRAY_LEN(names));
	assert_int_equal(survey.bridges[0], OM_ANSWER_YES);
	for (size_t i = 1; i < OM_ARRAY_LEN(names); i++)
		assert_int_equal(survey.bridges[i], OM_ANSWER_NO);
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

static void a_host_tells_who_and_when_it_is(void **unused)
{
	struct om_survey_ask ask = { 0 };
	struct om_survey survey = { 0 };
	char hostname[256];

	(void)unused;
	om_survey_host(&survey, &ask);
	assert_true(survey.known);
	assert_int_equal(gethostname(hostname, sizeof(hostname)), 0);
	assert_string_equal(survey.hostname, hostname);
	assert_int_equal(strlen(survey.boot_id), 36);
	assert_string_equal(survey.helper, OM_VERSION);
	assert_int_equal(survey.uid, geteuid());
	assert_in_range(survey.epoch_ms / 1000, (uint64_t)time(NULL) - 2, (uint64_t)time(NULL));
	assert_true(survey.memory_total_kib > survey.memory_available_kib);
	assert_true(survey.memory_available_kib > 0);
	for (size_t i = 0; i < survey.addr_count; i++)
		assert_false(om_addr_is_loopback_or_link_local(&survey.addrs[i]));
	/* Not asked for. */
	assert_int_equal(survey.userfaultfd, OM_ANSWER_NOT_CHECKED);
	assert_int_equal(survey.tls_server, OM_ANSWER_NOT_CHECKED);
	assert_null(survey.files);
	assert_null(survey.bridges);
}

/* ---- migrations ---- */

static void put_state(const char *uuid, enum om_phase phase)
{
	struct om_state state = { .pid = getpid(),
				  .phase = phase,
				  .updated_epoch_ms = (uint64_t)time(NULL) * 1000 };
	struct om_err err = { 0 };
	int fd;

	om_str_copy(state.uuid, sizeof(state.uuid), uuid);
	om_state_boot_id(state.boot_id);
	om_state_dir_override(dir);
	fd = om_state_dir_open(true, &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	assert_true(om_state_write(fd, &state));
	close(fd);
}

static void migrations_of_other_vms_are_counted_while_they_last(void **unused)
{
	char uuid[] = UUID;
	struct om_survey_ask ask = { .uuid = uuid };
	struct om_survey survey = { 0 };

	(void)unused;
	put_state(UUID, OM_PHASE_COPY);
	om_survey_host(&survey, &ask);
	assert_int_equal(survey.migrations, 0);
	put_state(OTHER, OM_PHASE_COPY);
	om_survey_host(&survey, &ask);
	assert_int_equal(survey.migrations, 1);
	put_state("a5b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4", OM_PHASE_PREPARE);
	om_survey_host(&survey, &ask);
	assert_int_equal(survey.migrations, 2);
	put_state(OTHER, OM_PHASE_DONE);
	om_survey_host(&survey, &ask);
	assert_int_equal(survey.migrations, 1);
}

/* ---- ports ---- */

static void ports_of_the_kernels_table_are_used_whoever_listens(void **unused)
{
	struct om_survey_ask ask = { .ports = { 5900, 5901, 5902, 5903, 22 }, .port_count = 5 };
	struct om_survey survey;

	(void)unused;
	survey = survey_of(&ask);
	assert_int_equal(survey.ports[0], OM_ANSWER_NOT_CHECKED); /* no table */
	put("proc/net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue\n"
			    "   0: 00000000:170C 00000000:0000 0A 00000000:00000000 00:00000000\n"
			    "   1: 0100007F:170D 00000000:0000 0A 00000000:00000000 00:00000000\n"
			    "   2: 0100007F:0016 0100007F:C000 01 00000000:00000000 00:00000000\n"
			    "   3: 00000000:C005 00000000:0000 0A 00000000:00000000 00:00000000\n"
			    "  14: 00000000:C006 00000000:0000 06 00000000:00000000 00:00000000\n");
	put("proc/net/tcp6",
	    "  sl  local_address                         remote_address                        st\n"
	    "   0: 00000000000000000000000000000000:170E 00000000000000000000000000000000:0000 0A "
	    "00000000:00000000\n");
	survey = survey_of(&ask);
	assert_int_equal(survey.port_count, 5);
	assert_int_equal(survey.ports[0], OM_ANSWER_NO);
	assert_int_equal(survey.ports[1], OM_ANSWER_NO);
	assert_int_equal(survey.ports[2], OM_ANSWER_NO);
	assert_int_equal(survey.ports[3], OM_ANSWER_YES);
	assert_int_equal(survey.ports[4], OM_ANSWER_YES);
	assert_int_equal(survey.range_min, 49152);
	assert_int_equal(survey.range_free, 63);
}

static struct om_addr loopback(void)
{
	return (struct om_addr){ .family_bits = 32, .bytes = { 127, 0, 0, 1 } };
}

/* Listens on two ports that follow each other, below the range of migrations. */
static void take_two(uint16_t *first, int fds[2])
{
	struct om_addr addr = loopback();

	for (uint32_t try = 20000 + (uint32_t)getpid() % 10000; try < 48000; try += 3) {
		uint16_t second;

		fds[0] = om_survey_listen(&addr, try, try, first);
		fds[1] = fds[0] < 0 ? -1 : om_survey_listen(&addr, try + 1, try + 1, &second);
		if (fds[1] >= 0)
			return;
		if (fds[0] >= 0)
			close(fds[0]);
	}
	fail_msg("no free ports");
}

static void the_lowest_free_port_of_a_range_is_listened_on(void **unused)
{
	struct om_survey_ask ask = { .port_count = 1 };
	struct om_addr addr = loopback();
	struct om_survey survey = { 0 };
	uint16_t first, found = 0;
	char why[128];
	int fds[2], fd;

	(void)unused;
	take_two(&first, fds);
	ask.ports[0] = first;
	om_survey_host(&survey, &ask);
	assert_int_equal(survey.ports[0], OM_ANSWER_NO);
	assert_int_equal(om_survey_listen(&addr, first, first + 1u, &found), -1);
	assert_int_equal(errno, EADDRINUSE);
	fd = om_survey_listen(&addr, first, first + 20u, &found);
	assert_true(fd >= 0 && found >= first + 2);
	close(fd);
	close(fds[1]);
	fd = om_survey_listen(&addr, first, first + 20u, &found);
	assert_true(fd >= 0);
	assert_int_equal(found, first + 1);
	assert_int_equal(om_net_connects(&addr, found, 1000, why, sizeof(why)), OM_ANSWER_YES);
	assert_string_equal(why, "");
	close(fd);
	assert_int_equal(om_net_connects(&addr, found, 1000, why, sizeof(why)), OM_ANSWER_NO);
	assert_string_equal(why, "Connection refused");
	close(fds[0]);
	om_survey_host(&survey, &ask);
	assert_int_equal(survey.ports[0], OM_ANSWER_YES);
}

static void nobody_listens_on_an_address_of_another_host(void **unused)
{
	struct om_addr addr = { .family_bits = 32, .bytes = { 203, 0, 113, 77 } };
	uint16_t port;

	(void)unused;
	assert_int_equal(om_survey_listen(&addr, 20000, 20100, &port), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_int_equal(om_survey_listen(&addr, 0, 0, &port), -1);
}

/* ---- with libvirt ---- */

static void libvirt_is_asked_beside_the_host(void **unused)
{
	char name[] = "web front";
	struct om_survey_ask ask = { .name = name };
	struct om_survey survey;

	(void)unused;
	libvirt_hangs = false;
	om_strv_add(&ask.networks, "default");
	om_strv_add(&ask.secrets, "uuid:" UUID);
	om_survey_here(&survey, &ask, "test:///default", 5000);
	assert_true(survey.known && survey.libvirt_known);
	assert_int_equal(survey.side, OM_SIDE_PAUSED);
	assert_string_equal(survey.libvirt_why, "test:///default");
	assert_string_equal(survey.cpu_model, "web front");
	assert_int_equal(survey.networks[0], OM_ANSWER_YES);
	assert_int_equal(survey.secret_count, 1); /* as long as what was asked for */
	assert_int_equal(survey.secrets[0], OM_ANSWER_NOT_CHECKED);
	assert_true(*survey.hostname);
	om_survey_free(&survey);
	om_strv_free(&ask.networks);
	om_strv_free(&ask.secrets);
}

/* Which takes a moment. */
static void how_fast_the_host_is_is_measured_only_where_it_is_asked(void **unused)
{
	struct om_survey_ask ask = { .speed = true };
	struct om_survey survey;

	(void)unused;
	libvirt_hangs = false;
	om_survey_here(&survey, &ask, "test:///default", 5000);
	assert_in_range(survey.cpus, 1, UINT16_MAX);
	assert_in_range(survey.fresh_page_ns, 10, 10000000);
	om_survey_free(&survey);
	ask.speed = false;
	om_survey_here(&survey, &ask, "test:///default", 5000);
	assert_int_equal(survey.cpus, 0);
	assert_int_equal(survey.fresh_page_ns, 0);
	om_survey_free(&survey);
}

static void a_libvirt_that_does_not_answer_is_left_alone(void **unused)
{
	char name[] = "web front";
	struct om_survey_ask ask = { .name = name };
	struct om_survey survey;
	uint64_t begun = now_ms(), lasted;

	(void)unused;
	close_gate();
	libvirt_hangs = true;
	om_strv_add(&ask.networks, "default");
	om_survey_here(&survey, &ask, "test:///default", 1000);
	lasted = now_ms() - begun;
	assert_in_range(lasted, 900, 3000);
	assert_true(survey.known && !survey.libvirt_known);
	assert_string_equal(survey.libvirt_why, "libvirt does not answer within 1 s");
	assert_int_equal(survey.networks[0], OM_ANSWER_NOT_CHECKED);
	om_survey_free(&survey);
	om_strv_free(&ask.networks);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(a_regular_file_is_known_by_size_inode_and_device),
		TEST(directories_and_other_things_are_told_apart),
		TEST(what_is_missing_has_the_file_system_of_what_is_there),
		TEST(a_link_that_leads_nowhere_is_missing_where_it_leads),
		TEST(what_may_not_be_looked_at_is_not_missing),
		TEST(a_block_device_has_the_size_that_the_kernel_says),
		TEST(a_file_system_that_does_not_answer_holds_nothing_else_up),
		TEST(hundreds_of_paths_are_looked_at_in_order),
		TEST(without_qemu_conf_its_defaults_hold),
		TEST(settings_of_qemu_conf_are_read),
		TEST(a_qemu_conf_that_cannot_be_read_is_not_known),
		TEST(certificates_are_looked_for_one_end_at_a_time),
		TEST(post_copy_needs_a_sysctl_or_a_device_or_root),
		TEST(huge_pages_are_counted_by_node),
		TEST(bridges_are_devices_of_the_host),
		TEST(a_host_tells_who_and_when_it_is),
		TEST(migrations_of_other_vms_are_counted_while_they_last),
		TEST(ports_of_the_kernels_table_are_used_whoever_listens),
		TEST(the_lowest_free_port_of_a_range_is_listened_on),
		TEST(nobody_listens_on_an_address_of_another_host),
		TEST(libvirt_is_asked_beside_the_host),
		TEST(how_fast_the_host_is_is_measured_only_where_it_is_asked),
		TEST(a_libvirt_that_does_not_answer_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
