/* SPDX-License-Identifier: Apache-2.0 */
/* What a host's libvirt says to one migration. Changes nothing; no event loop, and any thread: libvirt
 * keeps its last error for each thread. */
#include "vir_internal.h"

#include "om_caps.h"
#include "om_survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MS 10000 /* a daemon may hang; the survey as a whole has 20 s */
#define UNKNOWN_FEATURES_MAX 8

/* libvirt's words, for one line; what does not fit is left out, and so is half a word of it. */
static void copy_words(char *to, size_t size, const char *words)
{
	if (!om_str_copy(to, size, words)) {
		char *end = strrchr(to, ',');

		if (!end)
			end = strrchr(to, ' ');
		if (end)
			*end = '\0';
	}
	om_str_sanitize(to);
}

static void copy_error(char *to, size_t size)
{
	virErrorPtr last = virGetLastError();

	copy_words(to, size, last && last->message ? last->message : "no reason was given");
}

static const char *or_null(const char *text)
{
	return om_str_empty(text) ? NULL : text;
}

static void ask_host(struct om_survey *survey, virConnectPtr conn)
{
	OM_AUTOFREE char *xml = virConnectGetCapabilities(conn);
	struct om_caps caps;
	struct om_err ignored;

	om_vir_versions_of(conn, &survey->libvirt, &survey->qemu);
	if (!xml || !om_xml_caps_parse(&caps, xml, &ignored))
		return;
	om_str_copy(survey->host_uuid, sizeof(survey->host_uuid), caps.host_uuid);
	om_str_copy(survey->cpu_model, sizeof(survey->cpu_model), caps.cpu_model);
}

/* ---- the domain ---- */

static void ask_domain(struct om_survey *survey, const char *uuid, virConnectPtr conn)
{
	OM_AUTODOMAIN dom = virDomainLookupByUUIDString(conn, uuid);

	survey->side = om_vir_state_of(dom);
	survey->defined = dom && virDomainIsPersistent(dom) == 1;
}

/* Of another domain, running or not: libvirt lets no second one of the same name in. */
static void ask_name(struct om_survey *survey, const struct om_survey_ask *ask, virConnectPtr conn)
{
	OM_AUTODOMAIN dom = virDomainLookupByName(conn, ask->name);
	char uuid[VIR_UUID_STRING_BUFLEN];

	if (dom && virDomainGetUUIDString(dom, uuid) == 0 && !om_str_eq_nocase(uuid, ask->uuid))
		om_str_copy(survey->name_uuid, sizeof(survey->name_uuid), uuid);
}

/* ---- what it runs on ---- */

static char *domain_capabilities(virConnectPtr conn, const struct om_survey_ask *ask,
				 const char *machine)
{
	return virConnectGetDomainCapabilities(conn, or_null(ask->emulator), or_null(ask->arch),
					       machine, or_null(ask->virt_type), 0);
}

/* A system error of the emulator's file, and not of one of libvirt's own, whose name is in the words. */
static bool is_of_file(const struct _virError *error, const char *path)
{
	static const int reasons[] = { ENOENT, EACCES, ENOTDIR, EISDIR };

	if (error->code != VIR_ERR_SYSTEM_ERROR || !error->message || !strstr(error->message, path))
		return false;
	for (size_t i = 0; i < OM_ARRAY_LEN(reasons); i++)
		if (error->int1 == reasons[i])
			return true;
	return false;
}

/*
 * Did libvirt look and find that this cannot be had? It says "invalid argument" for what its emulator
 * cannot do; what is said of the connection says nothing of the host, and anything else may pass.
 */
static bool is_refusal(const char *emulator)
{
	virErrorPtr last = virGetLastError();

	if (!last || last->domain == VIR_FROM_RPC || last->domain == VIR_FROM_REMOTE)
		return false;
	return last->code == VIR_ERR_INVALID_ARG || last->code == VIR_ERR_CONFIG_UNSUPPORTED ||
	       (!om_str_empty(emulator) && is_of_file(last, emulator));
}

/* Which of the two is not there? Without the machine type the emulator alone is looked at. */
static void find_culprit(struct om_survey *survey, const struct om_survey_ask *ask,
			 virConnectPtr conn)
{
	bool refused = is_refusal(ask->emulator);
	OM_AUTOFREE char *xml = NULL;

	copy_error(survey->machine_why, sizeof(survey->machine_why));
	xml = domain_capabilities(conn, ask, NULL);
	if (xml) {
		survey->emulator = OM_ANSWER_YES;
		survey->machine = refused ? OM_ANSWER_NO : OM_ANSWER_NOT_CHECKED;
		return;
	}
	survey->emulator = is_refusal(ask->emulator) ? OM_ANSWER_NO : OM_ANSWER_NOT_CHECKED;
	copy_error(survey->emulator_why, sizeof(survey->emulator_why));
}

static void ask_machine(struct om_survey *survey, const struct om_survey_ask *ask,
			virConnectPtr conn)
{
	OM_AUTOFREE char *xml = domain_capabilities(conn, ask, or_null(ask->machine));
	struct om_domcaps caps;
	struct om_err ignored;

	if (!xml) {
		find_culprit(survey, ask, conn);
		return;
	}
	if (!om_str_empty(ask->emulator))
		survey->emulator = OM_ANSWER_YES;
	if (!om_str_empty(ask->machine))
		survey->machine = OM_ANSWER_YES;
	if (ask->tpm && om_xml_domcaps_parse(&caps, xml, &ignored))
		survey->tpm = caps.tpm;
}

/* ---- CPU ---- */

/* False where libvirt does not tell; that it knows none for this architecture is no answer either. */
static bool lacks_model(virConnectPtr conn, const char *arch, const char *model)
{
	char **names = NULL;
	int count = virConnectGetCPUModelNames(conn, arch, &names, 0);
	bool found = false;

	for (int i = 0; i < count; i++) {
		found = found || strcmp(names[i], model) == 0;
		free(names[i]);
	}
	free(names);
	return count > 0 && !found;
}

/* The last word of libvirt's is the name; in which words is a matter of its language. */
static const char *last_word(const char *text)
{
	const char *blank = strrchr(text, ' ');

	return blank ? blank + 1 : text;
}

/* libvirt has no error of its own for a name that it does not know. */
static bool has_unknown_name(const struct om_survey_ask *ask, const struct om_cpu *cpu,
			     virConnectPtr conn, char *why, size_t size)
{
	OM_AUTOFREE char *model = om_xml_cpu_model(cpu), *feature = om_xstrdup(last_word(why));

	if (om_xml_cpu_requires(cpu, feature))
		snprintf(why, size, OM_CPU_FEATURE_UNKNOWN "%s", feature);
	else if (*model && !om_str_empty(ask->arch) && lacks_model(conn, ask->arch, model))
		snprintf(why, size, OM_CPU_MODEL_UNKNOWN "%s", model);
	else
		return false;
	om_str_sanitize(why);
	return true;
}

/* Without the machine type where that is what cannot be had: the CPU may be a problem of its own. */
static enum om_answer compare(const struct om_survey *survey, const struct om_survey_ask *ask,
			      virConnectPtr conn, const struct om_cpu *cpu, char *why, size_t size)
{
	OM_AUTOFREE char *xml = om_xml_cpu_print(cpu);
	const char *machine = survey->machine == OM_ANSWER_NO ? NULL : or_null(ask->machine);
	int result = virConnectCompareHypervisorCPU(conn, or_null(ask->emulator),
						    or_null(ask->arch), machine,
						    or_null(ask->virt_type), xml,
						    VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);

	if (result == VIR_CPU_COMPARE_IDENTICAL || result == VIR_CPU_COMPARE_SUPERSET)
		return OM_ANSWER_YES;
	if (result == VIR_CPU_COMPARE_INCOMPATIBLE)
		return OM_ANSWER_NO;
	copy_error(why, size);
	return virGetLastErrorCode() == VIR_ERR_CPU_INCOMPATIBLE ? OM_ANSWER_NO
								 : OM_ANSWER_NOT_CHECKED;
}

/*
 * A newer source can disable features that libvirt here has never heard of, and some of them are left out
 * when it migrates. Without these the others can be compared: a NO is one, but a YES is not.
 */
static void compare_rest(struct om_survey *survey, const struct om_survey_ask *ask,
			 virConnectPtr conn, struct om_cpu *cpu)
{
	char why[sizeof(survey->cpu_why)];
	enum om_answer answer = OM_ANSWER_NOT_CHECKED;

	om_str_copy(why, sizeof(why), survey->cpu_why);
	for (int i = 0; i < UNKNOWN_FEATURES_MAX && answer == OM_ANSWER_NOT_CHECKED; i++) {
		if (!om_xml_cpu_forget(cpu, last_word(why))) {
			om_str_copy(survey->cpu_why, sizeof(survey->cpu_why), why);
			return;
		}
		answer = compare(survey, ask, conn, cpu, why, sizeof(why));
	}
	if (answer != OM_ANSWER_NO)
		return;
	survey->cpu = OM_ANSWER_NO;
	om_str_copy(survey->cpu_why, sizeof(survey->cpu_why), why);
}

/*
 * Compares with what QEMU here gives to guests of this kind. What a NO is worth depends on the guest's
 * CPU: om_dom_cpu_refused().
 */
static void ask_cpu(struct om_survey *survey, const struct om_survey_ask *ask, virConnectPtr conn)
{
	struct om_cpu *cpu;
	struct om_err err;

	if (survey->emulator == OM_ANSWER_NO) {
		om_str_copy(survey->cpu_why, sizeof(survey->cpu_why), survey->emulator_why);
		return;
	}
	if (!om_xml_cpu_parse(&cpu, ask->cpu, &err)) {
		copy_words(survey->cpu_why, sizeof(survey->cpu_why), err.msg);
		return;
	}
	survey->cpu = compare(survey, ask, conn, cpu, survey->cpu_why, sizeof(survey->cpu_why));
	if (survey->cpu == OM_ANSWER_NOT_CHECKED)
		compare_rest(survey, ask, conn, cpu);
	if (survey->cpu == OM_ANSWER_NOT_CHECKED &&
	    has_unknown_name(ask, cpu, conn, survey->cpu_why, sizeof(survey->cpu_why)))
		survey->cpu = OM_ANSWER_NO;
	om_xml_cpu_free(cpu);
}

/* ---- networks, secrets ---- */

static enum om_answer not_found(int code)
{
	return virGetLastErrorCode() == code ? OM_ANSWER_NO : OM_ANSWER_NOT_CHECKED;
}

static enum om_answer ask_network(virConnectPtr conn, const char *name)
{
	virNetworkPtr network = virNetworkLookupByName(conn, name);
	int active;

	if (!network)
		return not_found(VIR_ERR_NO_NETWORK);
	active = virNetworkIsActive(network);
	virNetworkFree(network);
	if (active < 0)
		return OM_ANSWER_NOT_CHECKED;
	return active ? OM_ANSWER_YES : OM_ANSWER_NO;
}

static const struct {
	const char *name;
	int type;
} usages[] = {
	{ "volume:", VIR_SECRET_USAGE_TYPE_VOLUME }, { "ceph:", VIR_SECRET_USAGE_TYPE_CEPH },
	{ "iscsi:", VIR_SECRET_USAGE_TYPE_ISCSI },   { "tls:", VIR_SECRET_USAGE_TYPE_TLS },
	{ "vtpm:", VIR_SECRET_USAGE_TYPE_VTPM },
};

/* False: what kind of a secret that is was not understood. */
static bool look_up_secret(virConnectPtr conn, const char *secret, virSecretPtr *found)
{
	if (om_str_starts(secret, "uuid:")) {
		*found = virSecretLookupByUUIDString(conn, secret + strlen("uuid:"));
		return true;
	}
	if (!om_str_starts(secret, "usage:"))
		return false;
	secret += strlen("usage:");
	for (size_t i = 0; i < OM_ARRAY_LEN(usages); i++)
		if (om_str_starts(secret, usages[i].name)) {
			*found = virSecretLookupByUsage(conn, usages[i].type,
							secret + strlen(usages[i].name));
			return true;
		}
	return false;
}

static enum om_answer ask_secret(virConnectPtr conn, const char *text)
{
	virSecretPtr secret;

	if (!look_up_secret(conn, text, &secret))
		return OM_ANSWER_NOT_CHECKED;
	if (!secret)
		return not_found(VIR_ERR_NO_SECRET);
	virSecretFree(secret);
	return OM_ANSWER_YES;
}

static enum om_answer *ask_each(virConnectPtr conn, const struct om_strv *list, size_t *count,
				enum om_answer (*ask_one)(virConnectPtr conn, const char *name))
{
	enum om_answer *answers = list->n ? om_xcalloc(list->n, sizeof(*answers)) : NULL;

	for (size_t i = 0; conn && i < list->n; i++)
		answers[i] = ask_one(conn, list->v[i]);
	*count = list->n;
	return answers;
}

void om_survey_libvirt(struct om_survey *survey, const struct om_survey_ask *ask, const char *uri)
{
	struct om_vir_opening *pending = NULL;
	virConnectPtr conn;
	struct om_err err = { 0 };

	om_vir_quiet();
	conn = om_vir_connect(&pending, uri, OPEN_MS, "no connection", &err);
	om_vir_abandon(pending);
	survey->libvirt_known = conn != NULL;
	if (conn) {
		ask_host(survey, conn);
		if (!om_str_empty(ask->uuid))
			ask_domain(survey, ask->uuid, conn);
		if (!om_str_empty(ask->name))
			ask_name(survey, ask, conn);
		if (!om_str_empty(ask->emulator) || !om_str_empty(ask->machine))
			ask_machine(survey, ask, conn);
		if (!om_str_empty(ask->cpu))
			ask_cpu(survey, ask, conn);
	} else {
		om_str_copy(survey->libvirt_why, sizeof(survey->libvirt_why), err.msg);
		om_str_sanitize(survey->libvirt_why);
	}
	survey->networks = ask_each(conn, &ask->networks, &survey->network_count, ask_network);
	survey->secrets = ask_each(conn, &ask->secrets, &survey->secret_count, ask_secret);
	if (conn)
		virConnectClose(conn);
}
