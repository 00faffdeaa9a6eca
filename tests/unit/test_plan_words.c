/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_plan_words.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
	struct om_plan plan;
	struct om_dom dom;
	struct om_dom_disk disks[3];
	struct om_prediction prediction;
	struct om_plan_words words;
	struct om_buf buf;
};

static struct om_dom_disk disk(char *target, char *source, enum om_disk_kind kind)
{
	return (struct om_dom_disk){ .target = target, .source = source, .kind = kind };
}

static void add_attempt(struct om_plan *plan, enum om_path path, unsigned int flags)
{
	struct om_attempt *attempt = &plan->attempts[plan->attempt_count++];

	attempt->path = path;
	attempt->flags = flags;
}

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->plan.flags = OM_FLAG_LIVE | OM_FLAG_POSTCOPY;
	f->plan.downtime_start_ms = 30;
	f->plan.limits.downtime_max_ms = 500;
	f->plan.limits_text = om_xstrdup("limits: policy auto, downtime 500 ms");
	om_strv_add(&f->plan.infos, "memory goes to 192.0.2.7 by interface eth1, 10 Gbit/s");
	add_attempt(&f->plan, OM_PATH_FAST, f->plan.flags);
	om_params_set_text(&f->plan.attempts[0].params, "migrate_uri", "tcp://192.0.2.7",
			   "fast network");
	om_params_set_number(&f->plan.attempts[0].params, "bandwidth", OM_PARAM_U64, 90,
			     "MIGRATE_OPTIONS");
	add_attempt(&f->plan, OM_PATH_DEFAULT, OM_FLAG_LIVE);
	f->disks[0] = disk("vda", "/var/lib/one/datastores/0/31/disk.0", OM_DISK_FILE);
	f->disks[1] = disk("vdb", "one/one-7", OM_DISK_NETWORK);
	f->disks[2] = disk("sda", "", OM_DISK_EMPTY);
	f->dom.disks = f->disks;
	f->dom.disk_count = 3;
	f->words = (struct om_plan_words){ .vm_id = "31",
					   .vm_name = "one-31",
					   .src = "node01",
					   .dst = "node02",
					   .by_hand = true,
					   .plan = &f->plan,
					   .dom = &f->dom,
					   .prediction = &f->prediction };
}

static const char *text(struct fixture *f)
{
	free(f->buf.text);
	f->buf = (struct om_buf){ 0 };
	om_plan_words_text(&f->buf, &f->words);
	return f->buf.text;
}

static const char *json(struct fixture *f)
{
	free(f->buf.text);
	f->buf = (struct om_buf){ 0 };
	om_plan_words_json(&f->buf, &f->words);
	return f->buf.text;
}

static void end(struct fixture *f)
{
	om_plan_free(&f->plan);
	free(f->buf.text);
}

static void has(const char *all, const char *part)
{
	if (!strstr(all, part))
		fail_msg("'%s' is not in:\n%s", part, all);
}

static void it_names_the_way_flags_parameters_and_their_origins(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	has(text(&f), "Plan for VM 31 (one-31): from node01 to node02\n");
	has(f.buf.text, "  way         memory goes to 192.0.2.7 by interface eth1, 10 Gbit/s\n");
	has(f.buf.text, "  flags       live, post-copy\n");
	has(f.buf.text, "  attempts    1. by the fast network\n");
	has(f.buf.text, "migrate_uri = tcp://192.0.2.7 (fast network)\n");
	has(f.buf.text, "bandwidth = 90 (MIGRATE_OPTIONS)\n");
	has(f.buf.text,
	    "2. by the address that the destination's libvirt names, without post-copy\n");
	has(f.buf.text, "  limits      policy auto, downtime 500 ms\n");
	end(&f);
}

static void how_it_is_sent_is_told_with_its_reason(void **unused)
{
	struct om_transport *t;
	struct fixture f;

	(void)unused;
	begin(&f);
	t = &f.plan.transport;
	assert_null(strstr(text(&f), "sent by"));
	has(json(&f), ",\"transport\":{\"words\":null,\"why\":null},\"flags\"");
	*t = (struct om_transport){ .text = "a single stream",
				    .why = "nothing is known of the memory" };
	has(text(&f), " by interface eth1, 10 Gbit/s\n"
		      "              sent by a single stream: nothing is known of the memory\n");
	has(json(&f), ",\"transport\":{\"words\":\"a single stream\","
		      "\"why\":\"nothing is known of the memory\"},");
	*t = (struct om_transport){ .text = "3 connections (MIGRATE_OPTIONS)", .by_options = true };
	has(text(&f), "              sent by 3 connections (MIGRATE_OPTIONS)\n");
	/* What is ours is among the lines for the log, and told once. */
	*t = (struct om_transport){ .text = "2 connections", .flags = OM_FLAG_PARALLEL };
	om_strv_add(&f.plan.infos, "sent by 2 connections");
	has(text(&f), "sent by 2 connections\n");
	assert_null(strstr(strstr(f.buf.text, "sent by") + 1, "sent by"));
	has(json(&f), ",\"transport\":{\"words\":\"2 connections\",\"why\":null},");
	end(&f);
}

static void disks_that_are_copied_are_told_with_their_size(void **unused)
{
	struct om_item items[] = { { .name = (char[]){ "disk.0" } },
				   { .name = (char[]){ "a\"b" }, .allocated_bytes = 5 } };
	struct om_disks_facts facts = { .items = items };
	struct om_disk_plan *disk;
	struct fixture f;

	(void)unused;
	begin(&f);
	facts.dom = &f.dom;
	f.plan.disk_facts = &facts;
	f.plan.disks = (struct om_disks){ .disk = om_xcalloc(3, sizeof(*f.plan.disks.disk)),
					  .disk_count = 3,
					  .file = om_xcalloc(2, sizeof(*f.plan.disks.file)),
					  .file_count = 2,
					  .mirrors = 1 };
	disk = &f.plan.disks.disk[0];
	*disk = (struct om_disk_plan){ .way = OM_DISK_MIRROR,
				       .why = "copied while the guest runs",
				       .copy_bytes = 3u << 29,
				       .chain = true };
	f.plan.disks.file[0] = OM_FILE_MIRRORED;
	f.plan.disks.file[1] = OM_FILE_SEND_IT;
	has(text(&f), "disk.0: copied while the guest runs, 1.5 GiB of its active layer\n");
	has(f.buf.text, "sda: empty\n");
	has(f.buf.text, "files that nobody writes to are sent, and empty images made\n");
	has(f.buf.text, "disks are copied while the guest runs, and kept in sync\n");
	has(json(&f), "\"moves\":\"mirrored\",\"copy_bytes\":1610612736}");
	has(f.buf.text, "\"files_sent\":[{\"name\":\"a\\\"b\",\"bytes\":5}]");
	f.plan.disks.mirrors = 0;
	assert_null(strstr(text(&f), "kept in sync"));
	f.plan.disk_facts = NULL;
	assert_null(strstr(text(&f), "are sent"));
	has(json(&f), "\"files_sent\":null");
	end(&f);
}

static void hooks_are_named(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	assert_null(strstr(text(&f), "hooks"));
	has(json(&f), ",\"hooks\":[],\"hooks_skipped\":[],\"notify\":false,");
	om_strv_add(&f.words.hooks, "10-dns");
	om_strv_add(&f.words.hooks, "20-\x1b[2J");
	om_strv_add(&f.words.hooks_skipped, "/d/30 is a link: it is not run");
	f.words.notify = true;
	has(text(&f), "  hooks       10-dns, 20-?[2J: before it, ");
	has(f.buf.text, "\n              /d/30 is a link: it is not run\n");
	has(f.buf.text, "\n              the guest is told by its agent, before and after it\n");
	has(json(&f), ",\"hooks\":[\"10-dns\",\"20-\\u001b[2J\"],\"hooks_skipped\":[\"/d/30 is a "
		      "link: it is not run\"],\"notify\":true,");
	om_strv_free(&f.words.hooks);
	om_strv_free(&f.words.hooks_skipped);
	end(&f);
}

static void limits_that_were_set_are_found_among_the_lines(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	free(f.plan.limits_text);
	f.plan.limits_text = NULL;
	om_strv_add(&f.plan.infos, "limits: policy gentle (onemigraterc)");
	has(text(&f), "  limits      policy gentle (onemigraterc)\n");
	assert_null(strstr(f.buf.text, "limits: "));
	has(json(&f), "\"words\":\"policy gentle (onemigraterc)\"");
	end(&f);
}

static void each_disk_says_how_it_moves(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	has(text(&f),
	    "  disks       vda /var/lib/one/datastores/0/31/disk.0: shared, stays where it is\n");
	has(f.buf.text, "vdb one/one-7: a volume on the network");
	has(f.buf.text, "sda: empty\n");
	f.words.images = OM_IMAGES_APART;
	has(text(&f), "disk.0: not shared: left to OpenNebula's own script");
	has(json(&f), "\"target\":\"vda\",\"source\":\"/var/lib/one/datastores/0/31/disk.0\","
		      "\"moves\":\"stock\"}");
	has(f.buf.text, "\"moves\":\"network\"}");
	f.dom.disk_count = 0;
	has(text(&f), "  disks       none\n");
	has(json(&f), "\"disks\":[]");
	end(&f);
}

static void stages_are_those_that_will_be(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	f.words.sync_time = true;
	assert_null(strstr(text(&f), "clock is set"));
	assert_null(strstr(f.buf.text, "after the first pass"));
	f.dom.has_guest_agent = true;
	f.plan.postcopy_after_precopy = true;
	has(text(&f), "the guest's clock is set\n");
	has(f.buf.text, "post-copy begins after the first pass\n");
	f.dom.disk_count = 0;
	assert_null(strstr(text(&f), "block jobs"));
	end(&f);
}

static void it_says_when_there_was_no_document_and_when_it_is_left_to_stock(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	has(text(&f), "as no document of OpenNebula was given");
	has(json(&f), "\"document\":false,\"left_to_stock\":null");
	f.words.by_hand = false;
	f.words.stock_reason = "storage that the hosts do not share";
	assert_null(strstr(text(&f), "no document"));
	has(f.buf.text, "OpenNebula's own script: storage that the hosts do not share\n");
	has(json(&f),
	    "\"document\":true,\"left_to_stock\":\"storage that the hosts do not share\"");
	end(&f);
}

static void a_timeout_and_warnings_are_told(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	f.plan.timeout_s = 60;
	f.plan.timeout_action = OM_TIMEOUT_SUSPEND;
	om_strv_add(&f.plan.warnings, "something is odd");
	has(text(&f), "  timeout     after 60 s the guest is paused (MIGRATE_OPTIONS)\n");
	has(f.buf.text, "  warnings    something is odd\n");
	has(json(&f), "\"warnings\":[\"something is odd\"]");
	has(f.buf.text, "\"timeout_s\":60");
	end(&f);
}

/* The name of the VM is its owner's. */
static void foreign_text_cannot_leave_its_place(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	f.words.vm_name = "a\033[2J\"\n  total";
	assert_null(strchr(text(&f), '\033'));
	assert_null(strstr(f.buf.text, "\n  total"));
	has(json(&f), "\"name\":\"a\\u001b[2J\\\"\\u000a  total\"");
	end(&f);
}

static void the_json_ends_in_a_newline_and_has_the_prediction(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f);
	has(json(&f), ",\"prediction\":{\"known\":false,");
	assert_int_equal(f.buf.text[f.buf.len - 1], '\n');
	assert_ptr_equal(strchr(f.buf.text, '\n'), f.buf.text + f.buf.len - 1);
	has(f.buf.text, "\"flags\":[\"live\",\"post-copy\"]");
	has(f.buf.text, "{\"path\":\"default\",\"flags\":[\"live\"],\"parameters\":[]}");
	has(f.buf.text, "{\"name\":\"bandwidth\",\"value\":90,\"origin\":\"MIGRATE_OPTIONS\"}");
	has(f.buf.text, "\"way\":{\"address\":null,\"interface\":null,\"speed_mbit\":0}");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_names_the_way_flags_parameters_and_their_origins),
		cmocka_unit_test(how_it_is_sent_is_told_with_its_reason),
		cmocka_unit_test(disks_that_are_copied_are_told_with_their_size),
		cmocka_unit_test(hooks_are_named),
		cmocka_unit_test(limits_that_were_set_are_found_among_the_lines),
		cmocka_unit_test(each_disk_says_how_it_moves),
		cmocka_unit_test(stages_are_those_that_will_be),
		cmocka_unit_test(it_says_when_there_was_no_document_and_when_it_is_left_to_stock),
		cmocka_unit_test(a_timeout_and_warnings_are_told),
		cmocka_unit_test(foreign_text_cannot_leave_its_place),
		cmocka_unit_test(the_json_ends_in_a_newline_and_has_the_prediction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
