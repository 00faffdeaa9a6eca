/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are sent encrypted, and what their refusal says. */
#include "om_cmocka.h"

#include "disks_world.h"
#include "om_plan.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w);
	add_disk(&w, OM_DISK_FILE, DIR "/disk.0", "raw");
	add_file(&w, "disk.0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(&w);
	om_opts_free(&w.opts);
	return 0;
}

/* Does the plan say that this libvirt compares the certificate with the address? */
static bool warns(const char *options, const char *tls)
{
	struct om_req req = { .dst_host = "node02", .src_host = "node01" };
	const struct om_knob_source source = { "MIGRATE_TLS", tls, OM_ORIGIN_RC };
	struct om_facts facts = { .disks = &w.facts, .transport.tls = OM_TLS_READY };
	struct om_knobs knobs;
	struct om_plan plan;
	struct om_err err;
	bool found = false;

	om_opts_free(&w.opts);
	assert_true(om_opts_parse(&w.opts, options, &err));
	assert_true(om_knobs_resolve(&knobs, &source, 1, NULL, &err));
	assert_true(decide(&w, 0)); /* what both hosts have is looked at */
	facts.versions = w.facts.versions;
	if (!om_plan_make(&plan, &req, &knobs, &w.opts, &facts, &err))
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < plan.disks.warnings.n; i++)
		found |= strstr(plan.disks.warnings.v[i], "compares the certificate") != NULL;
	om_plan_free(&plan);
	om_knobs_free(&knobs);
	return found;
}

static void old_libvirt_compares_names_of_certificates(void **state)
{
	(void)state;
	assert_false(warns("--tls", "off"));
	assert_false(warns("", "required"));
	w.facts.versions.src_libvirt = 8001000;
	assert_true(warns("--tls", "off"));
	assert_true(warns("", "required"));
	assert_true(warns("", "opportunistic"));
	assert_false(warns("", "off"));
}

/* What holds for the disks alone is not remembered against VMs that have none to send. */
static void a_certificate_that_disks_refuse_is_not_one_that_memory_refuses(void **state)
{
	struct om_plan plan = { .attempt_count = 2, .transport.flags = OM_FLAG_TLS };
	const struct om_attempt_end end = { .vir_code = 1,
					    .vir_domain = 10,
					    .text = "Certificate does not match the hostname" };
	struct om_versions old = { .src_libvirt = 8001000 }, unknown = { .dst_libvirt = 8002000 },
			   new = { .src_libvirt = 8002000 };

	(void)state;
	plan.attempts[0].flags = OM_FLAG_LIVE | OM_FLAG_TLS;
	assert_int_equal(om_plan_refused_for_all(&plan, 0, &old, &end), OM_REFUSED_TLS);
	plan.attempts[0].flags |= OM_FLAG_NON_SHARED_DISK;
	assert_int_equal(om_plan_refused(&plan, 0, &end), OM_REFUSED_TLS);
	assert_int_equal(om_plan_refused_for_all(&plan, 0, &old, &end), 0);
	assert_int_equal(om_plan_refused_for_all(&plan, 0, &unknown, &end), 0);
	/* One name for both. */
	assert_int_equal(om_plan_refused_for_all(&plan, 0, &new, &end), OM_REFUSED_TLS);
	plan.attempts[0].flags ^= OM_FLAG_NON_SHARED_DISK | OM_FLAG_NON_SHARED_INC;
	assert_int_equal(om_plan_refused_for_all(&plan, 0, &old, &end), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(old_libvirt_compares_names_of_certificates, setup,
						teardown),
		cmocka_unit_test(a_certificate_that_disks_refuse_is_not_one_that_memory_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
