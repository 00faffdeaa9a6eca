/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of libvirt's answers to a survey. The lab's tests have a real libvirt answer. */
/* WRAP: virGetLastError virGetLastErrorCode virConnectOpen virConnectClose virConnectGetLibVersion virConnectGetVersion virConnectGetCapabilities virDomainLookupByUUIDString virDomainLookupByName virDomainGetState virDomainIsPersistent virDomainGetUUIDString virDomainFree */
/* WRAP: virConnectGetDomainCapabilities virConnectCompareHypervisorCPU virConnectGetCPUModelNames virNetworkLookupByName virNetworkIsActive virNetworkFree virSecretLookupByUUIDString virSecretLookupByUsage virSecretFree */
#include "om_cmocka.h"

#include "vir_internal.h"

#include "om_survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define UUID "85b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define OTHER "95b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define HOST "25b4ad9d-6e6c-4a1e-bb1c-0c8ad1b1a4c4"
#define CAPS                                                                                       \
	"<capabilities><host><uuid>" HOST "</uuid><cpu><model>Westmere</model></cpu></host>"       \
	"</capabilities>"
#define DOMCAPS                                                                                    \
	"<domainCapabilities><devices><tpm supported='yes'><enum name='backendModel'>"             \
	"<value>emulator</value></enum></tpm></devices></domainCapabilities>"

#define CPU_ANSWERS 3 /* in turn */

/* How one call fails; code 0: it does not. */
struct failure {
	int code, domain, number;
	const char *text;
};

static struct {
	char token;
	struct _virError error;
	struct failure failed; /* the last call */
	int opened, closed, objects;
	/* what it answers */
	struct failure open, caps, domain, name, state, machine, emulator, cpu[CPU_ANSWERS], models,
		network, secret;
	const char *name_uuid;
	int state_is, reason, persistent, compare, active;
	/* what it was asked */
	const char *machines[3];
	int machine_calls;
	int cpu_calls;
	const char *cpu_machine;
	unsigned int cpu_flags;
	char cpu_asked[400], secret_asked[80];
} fake;

static bool fails(const struct failure *how)
{
	fake.failed = *how;
	return how->code != 0;
}

virErrorPtr __wrap_virGetLastError(void)
{
	if (!fake.failed.code)
		return NULL;
	fake.error.code = fake.failed.code;
	fake.error.domain = fake.failed.domain;
	fake.error.int1 = fake.failed.number;
	fake.error.message = (char *)(fake.failed.text ? fake.failed.text : "fake");
	return &fake.error;
}

int __wrap_virGetLastErrorCode(void)
{
	return fake.failed.code;
}

static void *object(const struct failure *how)
{
	if (fails(how))
		return NULL;
	fake.objects++;
	return &fake.token;
}

virConnectPtr __wrap_virConnectOpen(const char *uri)
{
	assert_string_equal(uri, "qemu:///system");
	if (fails(&fake.open))
		return NULL;
	fake.opened++;
	return (virConnectPtr)(void *)&fake.token;
}

int __wrap_virConnectClose(virConnectPtr conn)
{
	assert_non_null(conn);
	fake.closed++;
	return 0;
}

int __wrap_virConnectGetLibVersion(virConnectPtr conn, unsigned long *version)
{
	assert_non_null(conn);
	*version = 9000000;
	return 0;
}

int __wrap_virConnectGetVersion(virConnectPtr conn, unsigned long *version)
{
	assert_non_null(conn);
	*version = 7002022;
	return 0;
}

char *__wrap_virConnectGetCapabilities(virConnectPtr conn)
{
	assert_non_null(conn);
	return fails(&fake.caps) ? NULL : strdup(CAPS);
}

virDomainPtr __wrap_virDomainLookupByUUIDString(virConnectPtr conn, const char *uuid)
{
	assert_non_null(conn);
	assert_string_equal(uuid, UUID);
	return object(&fake.domain);
}

virDomainPtr __wrap_virDomainLookupByName(virConnectPtr conn, const char *name)
{
	assert_non_null(conn);
	assert_string_equal(name, "one-31");
	return object(&fake.name);
}

int __wrap_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags)
{
	assert_non_null(dom);
	assert_int_equal(flags, 0);
	*state = fake.state_is;
	*reason = fake.reason;
	return fails(&fake.state) ? -1 : 0;
}

int __wrap_virDomainIsPersistent(virDomainPtr dom)
{
	assert_non_null(dom);
	return fake.persistent;
}

int __wrap_virDomainGetUUIDString(virDomainPtr dom, char *uuid)
{
	assert_non_null(dom);
	memcpy(uuid, fake.name_uuid, VIR_UUID_STRING_BUFLEN);
	return 0;
}

int __wrap_virDomainFree(virDomainPtr dom)
{
	assert_non_null(dom);
	fake.objects--;
	return 0;
}

char *__wrap_virConnectGetDomainCapabilities(virConnectPtr conn, const char *emulator,
					     const char *arch, const char *machine,
					     const char *virt_type, unsigned int flags)
{
	assert_non_null(conn);
	assert_string_equal(emulator, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(arch, "x86_64");
	assert_string_equal(virt_type, "kvm");
	assert_int_equal(flags, 0);
	assert_true(fake.machine_calls < 3);
	fake.machines[fake.machine_calls++] = machine;
	return fails(machine ? &fake.machine : &fake.emulator) ? NULL : strdup(DOMCAPS);
}

int __wrap_virConnectCompareHypervisorCPU(virConnectPtr conn, const char *emulator,
					  const char *arch, const char *machine,
					  const char *virt_type, const char *cpu,
					  unsigned int flags)
{
	assert_non_null(conn);
	assert_string_equal(emulator, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(arch, "x86_64");
	assert_string_equal(virt_type, "kvm");
	om_str_copy(fake.cpu_asked, sizeof(fake.cpu_asked), cpu);
	fake.cpu_machine = machine;
	fake.cpu_flags = flags;
	return fails(&fake.cpu[fake.cpu_calls++ % CPU_ANSWERS]) ? VIR_CPU_COMPARE_ERROR
								: fake.compare;
}

int __wrap_virConnectGetCPUModelNames(virConnectPtr conn, const char *arch, char ***models,
				      unsigned int flags)
{
	assert_non_null(conn);
	assert_string_equal(arch, "x86_64");
	assert_int_equal(flags, 0);
	if (fails(&fake.models))
		return -1;
	*models = calloc(3, sizeof(**models));
	(*models)[0] = strdup("qemu64");
	(*models)[1] = strdup("Westmere");
	return 2;
}

virNetworkPtr __wrap_virNetworkLookupByName(virConnectPtr conn, const char *name)
{
	assert_non_null(conn);
	assert_string_equal(name, "default");
	return object(&fake.network);
}

int __wrap_virNetworkIsActive(virNetworkPtr network)
{
	assert_non_null(network);
	return fake.active;
}

int __wrap_virNetworkFree(virNetworkPtr network)
{
	assert_non_null(network);
	fake.objects--;
	return 0;
}

virSecretPtr __wrap_virSecretLookupByUUIDString(virConnectPtr conn, const char *uuid)
{
	assert_non_null(conn);
	snprintf(fake.secret_asked, sizeof(fake.secret_asked), "uuid %s", uuid);
	return object(&fake.secret);
}

virSecretPtr __wrap_virSecretLookupByUsage(virConnectPtr conn, int type, const char *usage)
{
	assert_non_null(conn);
	snprintf(fake.secret_asked, sizeof(fake.secret_asked), "%d %s", type, usage);
	return object(&fake.secret);
}

int __wrap_virSecretFree(virSecretPtr secret)
{
	assert_non_null(secret);
	fake.objects--;
	return 0;
}

/* ---- */

static const struct om_survey_ask whole = {
	.uuid = UUID,
	.name = "one-31",
	.arch = "x86_64",
	.virt_type = "kvm",
	.machine = "pc-q35-7.2",
	.emulator = "/usr/bin/qemu-system-x86_64",
	.cpu = "<cpu mode=\"custom\"><model>Westmere</model></cpu>",
	.tpm = true,
};

static int reset(void **unused)
{
	(void)unused;
	memset(&fake, 0, sizeof(fake));
	fake.name_uuid = UUID;
	fake.state_is = VIR_DOMAIN_RUNNING;
	fake.compare = VIR_CPU_COMPARE_SUPERSET;
	return 0;
}

static void survey_of(struct om_survey *survey, const struct om_survey_ask *ask)
{
	fake.machine_calls = fake.cpu_calls = 0;
	memset(survey, 0, sizeof(*survey));
	om_survey_libvirt(survey, ask, "qemu:///system");
	assert_int_equal(fake.opened, fake.closed);
	assert_int_equal(fake.objects, 0);
}

static void free_answers(struct om_survey *survey)
{
	free(survey->networks);
	free(survey->secrets);
}

static void a_libvirt_that_answers_tells_all(void **unused)
{
	struct om_survey survey;

	(void)unused;
	survey_of(&survey, &whole);
	assert_true(survey.libvirt_known);
	assert_int_equal(survey.libvirt, 9000000);
	assert_int_equal(survey.qemu, 7002022);
	assert_string_equal(survey.host_uuid, HOST);
	assert_string_equal(survey.cpu_model, "Westmere");
	assert_int_equal(survey.side, OM_SIDE_RUNNING);
	assert_false(survey.defined);
	assert_string_equal(survey.name_uuid, "");
	assert_int_equal(survey.machine, OM_ANSWER_YES);
	assert_int_equal(survey.emulator, OM_ANSWER_YES);
	assert_int_equal(survey.tpm, OM_ANSWER_YES);
	assert_int_equal(survey.cpu, OM_ANSWER_YES);
	assert_string_equal(fake.cpu_asked, whole.cpu);
	assert_string_equal(fake.cpu_machine, "pc-q35-7.2");
	assert_int_equal(fake.cpu_flags, VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
	assert_int_equal(fake.machine_calls, 1);
	assert_null(survey.networks);
	assert_null(survey.secrets);
}

static void a_libvirt_that_does_not_answer_is_not_known_and_says_why(void **unused)
{
	struct om_survey_ask ask = whole;
	struct om_survey survey;

	(void)unused;
	om_strv_add(&ask.networks, "default");
	om_strv_add(&ask.secrets, "uuid:" OTHER);
	fake.open = (struct failure){ VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, ENOENT,
				      "Failed to connect socket:\nNo such file" };
	survey_of(&survey, &ask);
	assert_false(survey.libvirt_known);
	assert_string_equal(survey.libvirt_why, "no connection: Failed to connect socket:?No such file");
	assert_int_equal(survey.side, OM_SIDE_UNREACHABLE);
	assert_int_equal(survey.cpu, OM_ANSWER_NOT_CHECKED);
	assert_int_equal(survey.network_count, 1);
	assert_int_equal(survey.networks[0], OM_ANSWER_NOT_CHECKED);
	assert_int_equal(survey.secret_count, 1);
	assert_int_equal(survey.secrets[0], OM_ANSWER_NOT_CHECKED);
	free_answers(&survey);
	om_strv_free(&ask.networks);
	om_strv_free(&ask.secrets);
}

static void what_is_not_asked_is_not_looked_up(void **unused)
{
	static const struct om_survey_ask nothing = { .uuid = "",
						      .name = "",
						      .arch = "",
						      .virt_type = "",
						      .machine = "",
						      .emulator = "",
						      .cpu = "" };
	struct om_survey survey;

	(void)unused;
	survey_of(&survey, &nothing);
	assert_true(survey.libvirt_known);
	assert_int_equal(fake.machine_calls, 0);
	assert_string_equal(fake.cpu_asked, "");
	assert_int_equal(survey.machine, OM_ANSWER_NOT_CHECKED);
	assert_int_equal(survey.side, OM_SIDE_UNREACHABLE);
}

static void only_no_such_domain_means_that_it_is_absent(void **unused)
{
	struct om_survey survey;

	(void)unused;
	fake.domain.code = VIR_ERR_NO_DOMAIN;
	survey_of(&survey, &whole);
	assert_int_equal(survey.side, OM_SIDE_ABSENT);
	fake.domain.code = VIR_ERR_INTERNAL_ERROR;
	survey_of(&survey, &whole);
	assert_int_equal(survey.side, OM_SIDE_UNREACHABLE);
	fake.domain.code = 0;
	fake.state.code = VIR_ERR_NO_DOMAIN;
	survey_of(&survey, &whole);
	assert_int_equal(survey.side, OM_SIDE_ABSENT);
}

static void a_defined_domain_that_is_shut_off_is_absent_and_defined(void **unused)
{
	struct om_survey survey;

	(void)unused;
	fake.state_is = VIR_DOMAIN_SHUTOFF;
	fake.persistent = 1;
	survey_of(&survey, &whole);
	assert_int_equal(survey.side, OM_SIDE_ABSENT);
	assert_true(survey.defined);
	fake.state_is = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_MIGRATION;
	fake.persistent = -1;
	survey_of(&survey, &whole);
	assert_int_equal(survey.side, OM_SIDE_INCOMING);
	assert_false(survey.defined);
}

static void another_domain_of_its_name_is_told(void **unused)
{
	struct om_survey survey;

	(void)unused;
	fake.name_uuid = OTHER;
	survey_of(&survey, &whole);
	assert_string_equal(survey.name_uuid, OTHER);
	fake.name.code = VIR_ERR_NO_DOMAIN;
	survey_of(&survey, &whole);
	assert_string_equal(survey.name_uuid, "");
}

static void the_machine_type_and_the_emulator_are_told_apart(void **unused)
{
	static const char missing_words[] = "no /usr/bin/qemu-system-x86_64 here";
	static const struct failure unknown = { VIR_ERR_INVALID_ARG, VIR_FROM_QEMU, 0, "machine" };
	static const struct failure missing = { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, ENOENT,
						missing_words };
	static const struct failure own = { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, ENOENT, "own" };
	static const struct failure full = { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, ENOMEM,
					     "/usr/bin/qemu-system-x86_64" };
	static const struct failure broken = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, 0, "odd" };
	static const struct failure cut = { VIR_ERR_INVALID_ARG, VIR_FROM_RPC, 0, "cut" };
	static const struct failure none = { 0 };
	static const struct {
		const struct failure *machine, *emulator;
		enum om_answer machine_is, emulator_is;
		const char *machine_why, *emulator_why;
	} rows[] = {
		{ &none, &none, OM_ANSWER_YES, OM_ANSWER_YES, "", "" },
		{ &unknown, &none, OM_ANSWER_NO, OM_ANSWER_YES, "machine", "" },
		{ &missing, &missing, OM_ANSWER_NOT_CHECKED, OM_ANSWER_NO, missing_words,
		  missing_words },
		{ &own, &own, OM_ANSWER_NOT_CHECKED, OM_ANSWER_NOT_CHECKED, "own", "own" },
		{ &full, &full, OM_ANSWER_NOT_CHECKED, OM_ANSWER_NOT_CHECKED,
		  "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64" },
		{ &broken, &none, OM_ANSWER_NOT_CHECKED, OM_ANSWER_YES, "odd", "" },
		{ &broken, &broken, OM_ANSWER_NOT_CHECKED, OM_ANSWER_NOT_CHECKED, "odd", "odd" },
		{ &cut, &cut, OM_ANSWER_NOT_CHECKED, OM_ANSWER_NOT_CHECKED, "cut", "cut" },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_survey survey;

		fake.machine = *rows[i].machine;
		fake.emulator = *rows[i].emulator;
		survey_of(&survey, &whole);
		assert_string_equal(fake.machines[0], "pc-q35-7.2");
		assert_int_equal(survey.machine, rows[i].machine_is);
		assert_int_equal(survey.emulator, rows[i].emulator_is);
		assert_string_equal(survey.machine_why, rows[i].machine_why);
		assert_string_equal(survey.emulator_why, rows[i].emulator_why);
	}
}

/* libvirt's words about a name are a matter of its language, the name at the end is not. */
static const struct failure incompatible = { VIR_ERR_CPU_INCOMPATIBLE, VIR_FROM_CPU, 0,
					     "missing: avx512f, amx-tile" };
static const struct failure unknown_vmx = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_CPU, 0,
					    "Unknown CPU feature vmx-a" };
static const struct failure unknown_new = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_CPU, 0,
					    "Unknown CPU feature new" };

static void the_cpu_is_refused_in_libvirt_s_words(void **unused)
{
	struct om_survey survey;

	(void)unused;
	fake.cpu[0] = incompatible;
	survey_of(&survey, &whole);
	assert_int_equal(survey.cpu, OM_ANSWER_NO);
	assert_string_equal(survey.cpu_why, "missing: avx512f, amx-tile");
	assert_int_equal(fake.cpu_calls, 1);
	fake.cpu[0] = (struct failure){ 0 };
	fake.compare = VIR_CPU_COMPARE_INCOMPATIBLE;
	survey_of(&survey, &whole);
	assert_int_equal(survey.cpu, OM_ANSWER_NO);
	assert_string_equal(survey.cpu_why, "");
	fake.compare = VIR_CPU_COMPARE_IDENTICAL;
	survey_of(&survey, &whole);
	assert_int_equal(survey.cpu, OM_ANSWER_YES);
}

static void a_cpu_is_compared_without_a_machine_type_that_is_unknown(void **unused)
{
	struct om_survey survey;

	(void)unused;
	fake.machine = (struct failure){ VIR_ERR_INVALID_ARG, VIR_FROM_QEMU, 0, "machine" };
	fake.cpu[0] = incompatible;
	survey_of(&survey, &whole);
	assert_int_equal(survey.machine, OM_ANSWER_NO);
	assert_int_equal(survey.cpu, OM_ANSWER_NO);
	assert_null(fake.cpu_machine);
	fake.emulator = fake.machine;
	survey_of(&survey, &whole);
	assert_int_equal(survey.emulator, OM_ANSWER_NO);
	assert_int_equal(survey.cpu, OM_ANSWER_NOT_CHECKED);
	assert_string_equal(survey.cpu_why, "machine");
	assert_int_equal(fake.cpu_calls, 0);
}

static void a_comparison_that_fails_says_nothing_of_a_known_model(void **unused)
{
	struct om_survey_ask ask = whole;
	struct om_survey survey;

	(void)unused;
	fake.cpu[0] = (struct failure){ VIR_ERR_INTERNAL_ERROR, VIR_FROM_CPU, 0, "Unknown" };
	survey_of(&survey, &ask);
	assert_int_equal(survey.cpu, OM_ANSWER_NOT_CHECKED);
	assert_string_equal(survey.cpu_why, "Unknown");
	ask.cpu = (char *)"<cpu mode='custom'><model>EPYC-Venice</model></cpu>";
	survey_of(&survey, &ask);
	assert_int_equal(survey.cpu, OM_ANSWER_NO);
	assert_string_equal(survey.cpu_why, OM_CPU_MODEL_UNKNOWN "EPYC-Venice");
	fake.models.code = VIR_ERR_NO_SUPPORT;
	survey_of(&survey, &ask);
	assert_int_equal(survey.cpu, OM_ANSWER_NOT_CHECKED);
	assert_string_equal(survey.cpu_why, "Unknown");
	fake.models.code = 0;
	ask.cpu = (char *)"<cpu mode='host-passthrough'/>";
	survey_of(&survey, &ask);
	assert_int_equal(survey.cpu, OM_ANSWER_NOT_CHECKED);
	ask.cpu = (char *)"<cpu";
	survey_of(&survey, &ask);
	assert_int_equal(survey.cpu, OM_ANSWER_NOT_CHECKED);
	assert_true(strlen(survey.cpu_why) > 0);
}

#define FEATURES(inside) "<cpu><model>Westmere</model>" inside "</cpu>"

static void a_required_feature_that_libvirt_does_not_know_is_a_no(void **unused)
{
	struct om_survey_ask ask = whole;
	struct om_survey survey;

	(void)unused;
	ask.cpu = (char *)FEATURES("<feature policy='require' name='new'/>");
	fake.cpu[0] = unknown_new;
	survey_of(&survey, &ask);
	assert_int_equal(survey.cpu, OM_ANSWER_NO);
	assert_string_equal(survey.cpu_why, OM_CPU_FEATURE_UNKNOWN "new");
}

static void disabled_features_that_libvirt_does_not_know_do_not_hide_missing_ones(void **unused)
{
	static const struct {
		const char *cpu;
		struct failure cpus[CPU_ANSWERS];
		const char *asked, *why;
		int calls;
		enum om_answer answer;
	} rows[] = {
		{ FEATURES("<feature policy='disable' name='vmx-a'/><feature policy='disable' "
			   "name='vmx-b'/>"),
		  { unknown_vmx, incompatible },
		  FEATURES(""),
		  "missing: avx512f, amx-tile",
		  2,
		  OM_ANSWER_NO },
		{ FEATURES("<feature policy='disable' name='vmx-a'/>"),
		  { unknown_vmx },
		  FEATURES(""),
		  "Unknown CPU feature vmx-a",
		  2,
		  OM_ANSWER_NOT_CHECKED },
		{ FEATURES("<feature policy='disable' name='vmx-a'/><feature policy='disable' "
			   "name='new'/>"),
		  { unknown_vmx, unknown_new, incompatible },
		  FEATURES(""),
		  "missing: avx512f, amx-tile",
		  3,
		  OM_ANSWER_NO },
		{ FEATURES("<feature policy='disable' name='vmx-a'/><feature policy='require' "
			   "name='new'/>"),
		  { unknown_vmx, unknown_new },
		  NULL,
		  OM_CPU_FEATURE_UNKNOWN "new",
		  2,
		  OM_ANSWER_NO },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_survey_ask ask = whole;
		struct om_survey survey;

		ask.cpu = (char *)rows[i].cpu;
		memcpy(fake.cpu, rows[i].cpus, sizeof(fake.cpu));
		survey_of(&survey, &ask);
		assert_int_equal(survey.cpu, rows[i].answer);
		assert_string_equal(survey.cpu_why, rows[i].why);
		assert_int_equal(fake.cpu_calls, rows[i].calls);
		if (rows[i].asked)
			assert_string_equal(fake.cpu_asked, rows[i].asked);
	}
}

/* 400 bytes are kept; the last feature among them is a whole one. */
static void a_long_list_of_features_is_cut_between_two(void **unused)
{
	char text[600] = "missing: ";
	struct om_survey survey;

	(void)unused;
	while (strlen(text) < 500)
		strcat(text, "feature, ");
	fake.cpu[0] = incompatible;
	fake.cpu[0].text = text;
	survey_of(&survey, &whole);
	assert_true(strlen(survey.cpu_why) > 380);
	assert_string_equal(survey.cpu_why + strlen(survey.cpu_why) - 9, ", feature");
}

static void a_network_must_be_there_and_active(void **unused)
{
	static const struct {
		int code, active;
		enum om_answer answer;
	} rows[] = {
		{ 0, 1, OM_ANSWER_YES },
		{ 0, 0, OM_ANSWER_NO },
		{ 0, -1, OM_ANSWER_NOT_CHECKED },
		{ VIR_ERR_NO_NETWORK, 1, OM_ANSWER_NO },
		{ VIR_ERR_NO_SUPPORT, 1, OM_ANSWER_NOT_CHECKED },
	};
	struct om_survey_ask ask = whole;

	(void)unused;
	om_strv_add(&ask.networks, "default");
	om_strv_add(&ask.networks, "default");
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_survey survey;

		fake.network.code = rows[i].code;
		fake.active = rows[i].active;
		survey_of(&survey, &ask);
		assert_int_equal(survey.network_count, 2);
		assert_int_equal(survey.networks[0], rows[i].answer);
		assert_int_equal(survey.networks[1], rows[i].answer);
		free_answers(&survey);
	}
	om_strv_free(&ask.networks);
}

static void a_secret_is_looked_up_as_it_is_named(void **unused)
{
	static const struct {
		const char *secret, *asked;
		int code;
		enum om_answer answer;
	} rows[] = {
		{ "uuid:" OTHER, "uuid " OTHER, 0, OM_ANSWER_YES },
		{ "uuid:" OTHER, "uuid " OTHER, VIR_ERR_NO_SECRET, OM_ANSWER_NO },
		{ "uuid:x", "uuid x", VIR_ERR_INVALID_ARG, OM_ANSWER_NOT_CHECKED },
		{ "usage:ceph:client.one secret", "2 client.one secret", 0, OM_ANSWER_YES },
		{ "usage:iscsi:a:b", "3 a:b", VIR_ERR_NO_SECRET, OM_ANSWER_NO },
		{ "usage:volume:/v", "1 /v", 0, OM_ANSWER_YES },
		{ "usage:odd:x", "", 0, OM_ANSWER_NOT_CHECKED },
		{ "ceph:x", "", 0, OM_ANSWER_NOT_CHECKED },
		{ "", "", 0, OM_ANSWER_NOT_CHECKED },
	};

	(void)unused;
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		struct om_survey_ask ask = whole;
		struct om_survey survey;

		om_strv_add(&ask.secrets, rows[i].secret);
		fake.secret.code = rows[i].code;
		*fake.secret_asked = '\0';
		survey_of(&survey, &ask);
		assert_int_equal(survey.secret_count, 1);
		assert_int_equal(survey.secrets[0], rows[i].answer);
		assert_string_equal(fake.secret_asked, rows[i].asked);
		free_answers(&survey);
		om_strv_free(&ask.secrets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_libvirt_that_answers_tells_all, reset),
		cmocka_unit_test_setup(a_libvirt_that_does_not_answer_is_not_known_and_says_why,
				       reset),
		cmocka_unit_test_setup(what_is_not_asked_is_not_looked_up, reset),
		cmocka_unit_test_setup(only_no_such_domain_means_that_it_is_absent, reset),
		cmocka_unit_test_setup(a_defined_domain_that_is_shut_off_is_absent_and_defined,
				       reset),
		cmocka_unit_test_setup(another_domain_of_its_name_is_told, reset),
		cmocka_unit_test_setup(the_machine_type_and_the_emulator_are_told_apart, reset),
		cmocka_unit_test_setup(the_cpu_is_refused_in_libvirt_s_words, reset),
		cmocka_unit_test_setup(a_comparison_that_fails_says_nothing_of_a_known_model,
				       reset),
		cmocka_unit_test_setup(a_cpu_is_compared_without_a_machine_type_that_is_unknown,
				       reset),
		cmocka_unit_test_setup(a_required_feature_that_libvirt_does_not_know_is_a_no,
				       reset),
		cmocka_unit_test_setup(
			disabled_features_that_libvirt_does_not_know_do_not_hide_missing_ones,
			reset),
		cmocka_unit_test_setup(a_long_list_of_features_is_cut_between_two, reset),
		cmocka_unit_test_setup(a_network_must_be_there_and_active, reset),
		cmocka_unit_test_setup(a_secret_is_looked_up_as_it_is_named, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
