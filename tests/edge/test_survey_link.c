/* SPDX-License-Identifier: Apache-2.0 */
/* The link, with a stand-in for ssh that runs the remote command here, and for what runs there. */
#include "om_cmocka.h"

#include "om_survey.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_ASK "while read -r line && [ \"$line\" != end ]; do :; done\n"
#define SURVEY                                                                                     \
	"printf '%s\\n' 'onemigrate-survey 1' 'hostname node02' 'file regular 10 2 3 4 5 ' end\n"

static char dir[64], *path_before;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void put(const char *name, const char *text)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/%s", dir, name);
	FILE *file = fopen(path, "w");

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
}

static int set_up(void **unused)
{
	OM_AUTOFREE char *path = NULL, *scripts = NULL, *ssh = NULL;

	(void)unused;
	path_before = om_xstrdup(getenv("PATH"));
	snprintf(dir, sizeof(dir), "/tmp/om-link-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	path = om_xasprintf("%s:%s", dir, path_before);
	scripts = om_xasprintf("%s/onemigrate", dir);
	mkdir(scripts, 0755);
	setenv("PATH", path, 1);
	setenv("SCRIPTS_REMOTE_DIR", dir, 1);
	/* What it is, for whoever wants to know whether it has ended. */
	ssh = om_xasprintf("#!/bin/sh\necho $$ >%s/pid\nwhile [ \"$1\" != -- ]; do shift; done\n"
			   "echo \"$2\" >%s/host\nexec sh -c \"$3\"\n",
			   dir, dir);
	put("ssh", ssh);
	put("ip", "#!/bin/sh\necho '1: lo    inet 127.0.0.1/8 scope host lo'\n"
		  "echo '2: eth0    inet 10.1.0.2/24 brd 10.1.0.255 scope global eth0'\n"
		  "echo '2: eth0    inet6 fd00::2/64 scope global '\n"
		  "echo '2: eth0    inet6 fe80::2/64 scope link '\n");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **unused)
{
	(void)unused;
	setenv("PATH", path_before, 1);
	unsetenv("SCRIPTS_REMOTE_DIR");
	free(path_before);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* What stands for `run` on the other host; `body` is a piece of shell. */
static void there(const char *body)
{
	OM_AUTOFREE char *text = om_xasprintf("#!/bin/sh\n%s", body);

	put("onemigrate/run", text);
}

static struct om_survey_ask ask_for_one_path(void)
{
	struct om_survey_ask ask = { 0 };

	om_strv_add(&ask.paths, "/a");
	return ask;
}

/* Asks and closes. */
static bool ask_once(struct om_survey *survey, uint32_t timeout_ms)
{
	struct om_survey_ask ask = ask_for_one_path();
	struct om_survey_link *link = om_survey_link_open("node02");
	bool ok;

	assert_non_null(link);
	ok = om_survey_link_ask(link, &ask, survey, timeout_ms);
	assert_int_equal(survey->known, ok);
	om_survey_link_close(link);
	om_survey_ask_free(&ask);
	return ok;
}

static void a_host_that_answers_is_known(void **unused)
{
	struct om_survey survey;

	(void)unused;
	there("[ \"$1\" = survey ] || exit 1\necho 'a word of the login shell' >&2\necho and of kvmrc\n" READ_ASK
		      SURVEY);
	if (!ask_once(&survey, 5000))
		fail_msg("%s", survey.why);
	assert_string_equal(survey.hostname, "node02");
	assert_int_equal(survey.file_count, 1);
	assert_int_equal(survey.files[0].kind, OM_FILE_REGULAR);
	om_survey_free(&survey);
}

static void questions_follow_in_the_same_session(void **unused)
{
	struct om_survey_ask ask = ask_for_one_path();
	struct om_survey_link *link;
	struct om_survey survey;
	char answer[64];

	(void)unused;
	there(READ_ASK SURVEY
	      "read -r line; echo \"answer yes you%20said%20$line\"\n"
	      "read -r line; echo 'a stray word'; echo \"answer no because%0Aof%20$line\"\n"
	      "read -r line; echo \"answer perhaps\"\n"
	      "read -r line; echo \"answer yes %zz\"\n"
	      "read -r line\n");
	link = om_survey_link_open("node02");
	assert_true(om_survey_link_ask(link, &ask, &survey, 5000));
	assert_true(om_survey_link_call(link, "look", 5000, answer, sizeof(answer)));
	assert_string_equal(answer, "you said look");
	assert_false(om_survey_link_call(link, "mark", 5000, answer, sizeof(answer)));
	assert_string_equal(answer, "because?of mark");
	assert_false(om_survey_link_call(link, "x", 5000, answer, sizeof(answer)));
	assert_string_equal(answer, "a strange answer");
	assert_true(om_survey_link_call(link, "x", 5000, answer, sizeof(answer)));
	assert_string_equal(answer, "a strange answer");
	/* It ends without an answer, and is not asked any more. */
	for (int i = 0; i < 2; i++)
		assert_false(om_survey_link_call(link, "x", 5000, answer, sizeof(answer)));
	om_survey_link_close(link);
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

static void addresses_are_known_without_a_helper(void **unused)
{
	static const char *const bodies[] = {
		NULL, "echo 'no helper is usable here: too old' >&2; exit 69\n",
		"echo 'onemigrate: no such verb: survey' >&2; exit 2\n"
	};
	static const char *const words[] = { "there is no helper that could answer",
					     "no helper is usable here: too old",
					     "no such verb: survey" };

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(bodies); i++) {
		struct om_survey survey;
		char text[OM_ADDR_TEXT];

		if (bodies[i])
			there(bodies[i]);
		assert_false(ask_once(&survey, 5000));
		if (!strstr(survey.why, words[i]))
			fail_msg("'%s' without '%s'", survey.why, words[i]);
		assert_int_equal(survey.addr_count, 2);
		om_addr_print(&survey.addrs[0], text);
		assert_string_equal(text, "10.1.0.2");
		om_addr_print(&survey.addrs[1], text);
		assert_string_equal(text, "fd00::2");
	}
}

static void what_ssh_complains_of_is_the_reason(void **unused)
{
	struct om_survey survey;

	(void)unused;
	put("ssh", "#!/bin/sh\n"
		   "printf 'ssh: connect to host node02 port 22: Connection refused\\r\\n' >&2\n"
		   "exit 255\n");
	assert_false(ask_once(&survey, 5000));
	assert_string_equal(survey.why, "ssh: connect to host node02 port 22: Connection refused");
	assert_int_equal(survey.addr_count, 0);
	put("ssh", "#!/bin/sh\nexit 255\n");
	assert_false(ask_once(&survey, 5000));
	assert_string_equal(survey.why, "ssh ended without a word");
}

static void an_answer_that_is_none_is_refused(void **unused)
{
	static const char *const bodies[] = {
		"echo 'onemigrate-survey 1'\n",
		"printf 'onemigrate-survey 1\\nhostname'\n",
		"printf 'onemigrate-survey 2\\nend\\n'\n",
		"printf 'onemigrate-survey 1\\nuid x\\nend\\n'\n",
		"printf 'onemigrate-survey 1\\nbridge yes\\nend\\n'\n",
		"echo 'onemigrate-survey 1'; yes 'future word' | head -c 2000000\n",
		"head -c 2000000 /dev/zero\n",
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(bodies); i++) {
		OM_AUTOFREE char *body = om_xasprintf(READ_ASK "%s exit 0\n", bodies[i]);
		struct om_survey survey;

		there(body);
		if (ask_once(&survey, 5000))
			fail_msg("taken: %s", bodies[i]);
		assert_true(*survey.why);
		assert_null(survey.files);
	}
}

static void a_host_that_is_silent_is_waited_for_no_longer_than_said(void **unused)
{
	struct om_survey survey;
	uint64_t begun = now_ms();

	(void)unused;
	there("sleep 30\n");
	assert_false(ask_once(&survey, 300));
	assert_string_equal(survey.why, "no answer in time");
	assert_in_range(now_ms() - begun, 290, 2500);
}

static void a_long_question_to_nobody_does_not_block(void **unused)
{
	struct om_survey_ask ask = ask_for_one_path();
	struct om_survey_link *link;
	struct om_survey survey;
	uint64_t begun = now_ms();

	(void)unused;
	ask.cpu = om_xcalloc(1, 200001);
	memset(ask.cpu, 'x', 200000);
	there("sleep 30\n");
	link = om_survey_link_open("node02");
	assert_false(om_survey_link_ask(link, &ask, &survey, 300));
	om_survey_link_close(link);
	assert_in_range(now_ms() - begun, 290, 2500);
	/* Nor does one that ends while it is asked, whatever SIGPIPE does here. */
	there("exec <&-; sleep 0.2; exit 0\n");
	signal(SIGPIPE, SIG_DFL);
	link = om_survey_link_open("node02");
	assert_false(om_survey_link_ask(link, &ask, &survey, 5000));
	om_survey_link_close(link);
	om_survey_ask_free(&ask);
}

static void a_late_answer_is_not_that_of_the_next_question(void **unused)
{
	struct om_survey_ask ask = ask_for_one_path();
	struct om_survey_link *link;
	struct om_survey survey;
	uint64_t begun;
	char answer[64];

	(void)unused;
	there(READ_ASK SURVEY "read -r line; sleep 0.5; echo 'answer yes late'; sleep 5\n");
	link = om_survey_link_open("node02");
	assert_true(om_survey_link_ask(link, &ask, &survey, 5000));
	assert_false(om_survey_link_call(link, "one", 100, answer, sizeof(answer)));
	assert_string_equal(answer, "no answer in time");
	begun = now_ms();
	assert_false(om_survey_link_call(link, "two", 2000, answer, sizeof(answer)));
	assert_true(now_ms() - begun < 1000);
	om_survey_link_close(link);
	om_survey_free(&survey);
	om_survey_ask_free(&ask);
}

static int read_pid(void)
{
	OM_AUTOFREE char *path = om_xasprintf("%s/pid", dir);
	FILE *file = fopen(path, "r");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

static void closing_ends_ssh_with_all_that_it_has_started(void **unused)
{
	/* One that ends when it is told to, and one that has to be killed. */
	static const char *const traps[] = { ":", "trap '' TERM" };

	(void)unused;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (size_t i = 0; i < OM_ARRAY_LEN(traps); i++) {
		OM_AUTOFREE char *ssh =
			om_xasprintf("#!/bin/sh\n%s\nsleep 30 & echo $$ >%s/pid\nwait\n"
				     "while :; do sleep 1; done\n",
				     traps[i], dir);
		struct om_survey_link *link;
		int pid = 0;

		put("ssh", ssh);
		put("pid", "");
		link = om_survey_link_open("node02");
		for (int n = 0; n < 500 && !(pid = read_pid()); n++)
			usleep(10000);
		assert_true(pid > 0);
		assert_int_equal(kill(-pid, 0), 0);
		om_survey_link_close(link);
		for (int n = 0; n < 500 && kill(-pid, 0) == 0; n++)
			if (waitpid(-pid, NULL, WNOHANG) <= 0) /* what it has left to us */
				usleep(10000);
		assert_int_equal(kill(-pid, 0), -1);
		assert_int_equal(errno, ESRCH);
	}
	om_survey_link_close(NULL);
}

static void what_is_no_host_name_is_never_given_to_ssh(void **unused)
{
	static const char *const hosts[] = { "", "-oProxyCommand=x", "a b", "a;b", "a\nb" };
	OM_AUTOFREE char *path = om_xasprintf("%s/host", dir);
	struct om_survey survey;

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(hosts); i++)
		assert_null(om_survey_link_open(hosts[i]));
	assert_int_equal(access(path, F_OK), -1);
	setenv("SCRIPTS_REMOTE_DIR", "/x'; touch /tmp/om-link-bad; '", 1);
	assert_false(ask_once(&survey, 1000));
	assert_string_equal(survey.why, "SCRIPTS_REMOTE_DIR is no usable path");
}

/* Another process began it: two pipes stand for its ends. */
static void begun_for(const char *host, int to[2], int from[2])
{
	char text[80];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	snprintf(text, sizeof(text), "%d %d %s", to[1], from[0], host);
	setenv("ONEMIGRATE_LINK", text, 1);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void what_was_begun_before_is_taken_over(void **unused)
{
	struct om_survey_link *link;
	int to[2], from[2];
	char answer[40];

	(void)unused;
	begun_for("node02", to, from);
	assert_int_equal(dprintf(from[1], "answer yes there\n"), 17);
	link = om_survey_link_open("node02");
	assert_null(getenv("ONEMIGRATE_LINK"));
	assert_true(fcntl(to[1], F_GETFD) & FD_CLOEXEC && fcntl(from[0], F_GETFD) & FD_CLOEXEC);
	assert_true(om_survey_link_call(link, "look", 2000, answer, sizeof(answer)));
	assert_string_equal(answer, "there");
	om_survey_link_close(link);
	assert_false(is_open(to[1]) || is_open(from[0]));
	close(to[0]);
	close(from[1]);
}

static void what_was_begun_to_another_host_is_not(void **unused)
{
	struct om_survey survey;
	int to[2], from[2];

	(void)unused;
	there(READ_ASK SURVEY);
	begun_for("node03", to, from);
	assert_true(ask_once(&survey, 5000));
	om_survey_free(&survey);
	assert_true(is_open(to[1]) && is_open(from[0]));
	/* Whoever is not going to open it closes it, and only what is one. */
	om_survey_link_disown();
	assert_false(is_open(to[1]) || is_open(from[0]));
	assert_null(getenv("ONEMIGRATE_LINK"));
	setenv("ONEMIGRATE_LINK", "0 1 node02", 1);
	om_survey_link_disown();
	assert_true(is_open(0) && is_open(1));
	assert_null(getenv("ONEMIGRATE_LINK"));
	om_survey_link_disown();
	close(to[0]);
	close(from[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_host_that_answers_is_known),
		TEST(questions_follow_in_the_same_session),
		TEST(addresses_are_known_without_a_helper),
		TEST(what_ssh_complains_of_is_the_reason),
		TEST(an_answer_that_is_none_is_refused),
		TEST(a_host_that_is_silent_is_waited_for_no_longer_than_said),
		TEST(a_long_question_to_nobody_does_not_block),
		TEST(a_late_answer_is_not_that_of_the_next_question),
		TEST(closing_ends_ssh_with_all_that_it_has_started),
		TEST(what_is_no_host_name_is_never_given_to_ssh),
		TEST(what_was_begun_before_is_taken_over),
		TEST(what_was_begun_to_another_host_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
