/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt is given for the copies of a datastore move. */
/* WRAP: virGetLastError virGetLastErrorCode virResetLastError virConnectOpen virConnectClose virConnectSetKeepAlive virConnectRegisterCloseCallback virConnectUnregisterCloseCallback virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny virDomainLookupByUUID virDomainLookupByName virDomainGetUUID virDomainFree */
/* WRAP: virDomainBlockCopy virDomainBlockJobAbort virDomainBlockJobSetSpeed virDomainGetBlockJobInfo virDomainUpdateDeviceFlags virDomainIsActive virDomainGetXMLDesc virDomainGetMetadata virDomainSetMetadata virDomainBlockStats */
#include "test_vir_fake.h"

#include "om_move_host.h"

static struct {
	char disk[32], xml[1000], uri[100], key[16];
	unsigned int flags;
	unsigned long bps;
	unsigned long long bandwidth;
	int active, jobs, refused_updates, type;
} qemu;

int __wrap_virDomainBlockCopy(virDomainPtr dom, const char *disk, const char *xml,
			      virTypedParameterPtr params, int count, unsigned int flags)
{
	assert_non_null(dom);
	if (fake_call() < 0)
		return -1;
	om_str_copy(qemu.disk, sizeof(qemu.disk), disk);
	om_str_copy(qemu.xml, sizeof(qemu.xml), xml);
	qemu.flags = flags;
	qemu.bandwidth = 0;
	assert_true(count <= 1);
	if (count) {
		assert_string_equal(params[0].field, "bandwidth");
		assert_int_equal(params[0].type, VIR_TYPED_PARAM_ULLONG);
		qemu.bandwidth = params[0].value.ul;
	}
	return 0;
}

int __wrap_virDomainBlockJobAbort(virDomainPtr dom, const char *disk, unsigned int flags)
{
	assert_non_null(dom);
	qemu.flags = flags;
	om_str_copy(qemu.disk, sizeof(qemu.disk), disk);
	return fake_call();
}

int __wrap_virDomainBlockJobSetSpeed(virDomainPtr dom, const char *disk, unsigned long bps,
				     unsigned int flags)
{
	assert_non_null(dom);
	assert_string_equal(disk, "vda");
	qemu.flags = flags;
	qemu.bps = bps;
	return fake_call();
}

int __wrap_virDomainGetBlockJobInfo(virDomainPtr dom, const char *disk, virDomainBlockJobInfoPtr info,
				    unsigned int flags)
{
	assert_non_null(dom);
	assert_string_equal(disk, "vda");
	assert_int_equal(flags, 0);
	info->cur = 5;
	info->end = 9;
	return qemu.jobs;
}

int __wrap_virDomainUpdateDeviceFlags(virDomainPtr dom, const char *xml, unsigned int flags)
{
	assert_non_null(dom);
	om_str_copy(qemu.xml, sizeof(qemu.xml), xml);
	qemu.flags = flags;
	if (qemu.refused_updates-- > 0) {
		fake_error(VIR_ERR_OPERATION_FAILED, "the tray is locked");
		return -1;
	}
	return 0;
}

int __wrap_virDomainIsActive(virDomainPtr dom)
{
	assert_non_null(dom);
	return qemu.active;
}

char *__wrap_virDomainGetXMLDesc(virDomainPtr dom, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	return fake_call() < 0 ? NULL : strdup("<domain/>");
}

char *__wrap_virDomainGetMetadata(virDomainPtr dom, int type, const char *uri, unsigned int flags)
{
	assert_non_null(dom);
	qemu.type = type;
	qemu.flags = flags;
	om_str_copy(qemu.uri, sizeof(qemu.uri), uri);
	return fake_call() < 0 ? NULL : strdup("<vm/>");
}

int __wrap_virDomainSetMetadata(virDomainPtr dom, int type, const char *metadata, const char *key,
				const char *uri, unsigned int flags)
{
	assert_non_null(dom);
	qemu.type = type;
	qemu.flags = flags;
	om_str_copy(qemu.xml, sizeof(qemu.xml), metadata);
	om_str_copy(qemu.key, sizeof(qemu.key), key);
	om_str_copy(qemu.uri, sizeof(qemu.uri), uri);
	return fake_call();
}

int __wrap_virDomainBlockStats(virDomainPtr dom, const char *disk, virDomainBlockStatsPtr stats,
			       size_t size)
{
	assert_non_null(dom);
	assert_int_equal(size, sizeof(*stats));
	stats->wr_req = 7;
	stats->wr_bytes = strcmp(disk, "vda") == 0 ? 77 : -1;
	return fake_call();
}

static void starts_with(const struct om_vir_copy *copy, unsigned int flags,
			unsigned long long bandwidth)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	assert_true(om_vir_copy_start(vir, copy, &err));
	assert_string_equal(qemu.disk, "vda");
	assert_int_equal(qemu.flags, flags);
	assert_int_equal(qemu.bandwidth, bandwidth);
	fake_end(vir);
}

static void a_copy_is_made_onto_a_file_that_is_there(void **unused)
{
	struct om_vir_copy copy = { .target = "vda", .to = "/n/it's <&>\n", .format = "raw" };

	(void)unused;
	starts_with(&copy, VIR_DOMAIN_BLOCK_COPY_REUSE_EXT, 0);
	assert_string_equal(qemu.xml, "<disk type='file'><driver name='qemu' type='raw'/>"
				      "<source file='/n/it&apos;s &lt;&amp;>&#10;'/></disk>");
	copy.shallow = true;
	copy.bps = 1000;
	starts_with(&copy, VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | VIR_DOMAIN_BLOCK_COPY_SHALLOW, 1000);
	copy.shallow = false;
	copy.sync = true;
	starts_with(&copy,
		    VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES,
		    1000);
	copy.sync = false;
	copy.persistent = true;
	starts_with(&copy, VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB,
		    1000);
}

static void a_refusal_keeps_libvirts_words(void **unused)
{
	const struct om_vir_copy copy = { .target = "vda", .to = "/n", .format = "raw", .bps = 1 };
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	fake.call_code = VIR_ERR_OPERATION_UNSUPPORTED;
	fake.call_text = "no such thing";
	assert_false(om_vir_copy_start(vir, &copy, &err));
	assert_string_equal(err.msg, "it cannot be copied: no such thing");
	assert_false(om_vir_copy_abort(vir, "vda", &err));
	assert_string_equal(err.msg, "the copy goes on: no such thing");
	assert_false(om_vir_copy_pivot(vir, "vda", &err));
	assert_string_equal(err.msg, "it does not go on on the copy: no such thing");
	assert_int_equal(qemu.flags, VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT);
	assert_false(om_vir_copy_speed(vir, "vda", 1, &err));
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_false(om_vir_copy_start(vir, &copy, &err));
	assert_string_equal(err.msg, "the domain: Domain not found");
	fake.call_code = fake.lookup_code = 0;
	fake_end(vir);
}

static void a_copy_while_it_runs(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;
	struct om_written written;
	uint64_t cur, end;

	(void)unused;
	qemu.jobs = 1;
	assert_true(om_vir_copy_progress(vir, "vda", &cur, &end));
	assert_true(cur == 5 && end == 9);
	qemu.jobs = 0;
	assert_false(om_vir_copy_progress(vir, "vda", &cur, &end));
	qemu.jobs = -1;
	assert_false(om_vir_copy_progress(vir, "vda", &cur, &end));
	assert_true(om_vir_copy_speed(vir, "vda", 1234, &err));
	assert_int_equal(qemu.bps, 1234);
	assert_int_equal(qemu.flags, VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES);
	assert_true(om_vir_copy_abort(vir, "vdb", &err));
	assert_int_equal(qemu.flags, 0);
	assert_string_equal(qemu.disk, "vdb");
	assert_true(om_vir_copy_pivot(vir, "vda", &err));
	assert_true(om_vir_disk_written(vir, "vda", &written));
	assert_true(written.bytes == 77 && written.requests == 7);
	assert_false(om_vir_disk_written(vir, "vdb", &written));
	fake_end(vir);
}

static void a_drive_that_the_guest_holds_closed_is_not_forced(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;

	(void)unused;
	qemu.refused_updates = 0;
	assert_true(om_vir_media(vir, "<disk/>", &err));
	assert_int_equal(qemu.flags, VIR_DOMAIN_AFFECT_LIVE);
	qemu.refused_updates = 1;
	assert_false(om_vir_media(vir, "<disk/>", &err));
	assert_int_equal(qemu.flags, VIR_DOMAIN_AFFECT_LIVE);
	assert_string_equal(err.msg, "the medium: the tray is locked");
	fake_end(vir);
}

static void ended_and_silent_are_told_apart(void **unused)
{
	struct om_vir *vir = fake_start();
	char *xml;

	(void)unused;
	qemu.active = 1;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_ACTIVE);
	assert_string_equal(xml, "<domain/>");
	free(xml);
	qemu.active = 0;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_ENDED);
	assert_null(xml);
	qemu.active = -1;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_SILENT);
	qemu.active = 1;
	fake.call_code = VIR_ERR_RPC;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_SILENT);
	fake.call_code = VIR_ERR_NO_DOMAIN;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_ENDED);
	fake.call_code = 0;
	fake.lookup_code = VIR_ERR_NO_DOMAIN;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_ENDED);
	fake.lookup_code = VIR_ERR_RPC;
	assert_int_equal(om_vir_move_xml(vir, &xml), OM_MOVE_SILENT);
	fake.lookup_code = 0;
	fake_end(vir);
}

static void only_the_running_domains_metadata_is_set(void **unused)
{
	struct om_vir *vir = fake_start();
	struct om_err err;
	char *element;

	(void)unused;
	assert_true(om_vir_metadata_get(vir, &element, &err));
	assert_string_equal(element, "<vm/>");
	assert_string_equal(qemu.uri, "http://opennebula.org/xmlns/libvirt/1.0");
	assert_int_equal(qemu.type, VIR_DOMAIN_METADATA_ELEMENT);
	assert_int_equal(qemu.flags, VIR_DOMAIN_AFFECT_LIVE);
	free(element);
	qemu.flags = qemu.type = 0;
	qemu.uri[0] = '\0';
	assert_true(om_vir_metadata_set(vir, "<vm>x</vm>", &err));
	assert_string_equal(qemu.xml, "<vm>x</vm>");
	assert_string_equal(qemu.key, "one");
	assert_string_equal(qemu.uri, "http://opennebula.org/xmlns/libvirt/1.0");
	assert_int_equal(qemu.type, VIR_DOMAIN_METADATA_ELEMENT);
	assert_int_equal(qemu.flags, VIR_DOMAIN_AFFECT_LIVE);
	fake.call_code = VIR_ERR_OPERATION_INVALID;
	assert_false(om_vir_metadata_set(vir, "<vm/>", &err));
	assert_false(om_vir_metadata_get(vir, &element, &err));
	fake.call_code = 0;
	fake_end(vir);
}

static int set_up(void **unused)
{
	(void)unused;
	return virInitialize();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_made_onto_a_file_that_is_there),
		cmocka_unit_test(a_refusal_keeps_libvirts_words),
		cmocka_unit_test(a_copy_while_it_runs),
		cmocka_unit_test(a_drive_that_the_guest_holds_closed_is_not_forced),
		cmocka_unit_test(ended_and_silent_are_told_apart),
		cmocka_unit_test(only_the_running_domains_metadata_is_set),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
