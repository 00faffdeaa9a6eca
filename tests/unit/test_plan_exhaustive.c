/* SPDX-License-Identifier: Apache-2.0 */
/* Every combination of what decides about the way of the memory, against a slow predicate that
 * writes down what is expected, attempt by attempt. */
#include "om_cmocka.h"

#include "om_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDR "10.1.0.2"

struct way {
	enum om_fast_source source;
	bool have_addr, routed, mgmt_same, mgmt_routed, strict, tls, tls_name, tunnelled, listen,
		configured;
	enum om_answer answer, own;
};

static unsigned int take(unsigned int *number, unsigned int values)
{
	unsigned int value = *number % values;

	*number /= values;
	return value;
}

#define WAYS (4u * 3 * 3 * 1024)

static struct way way(unsigned int number)
{
	return (struct way){
		.source = (enum om_fast_source)take(&number, OM_FAST_COUNT),
		.answer = (enum om_answer)take(&number, 3),
		.own = (enum om_answer)take(&number, 3),
		.have_addr = take(&number, 2),
		.routed = take(&number, 2),
		.mgmt_same = take(&number, 2),
		.mgmt_routed = take(&number, 2),
		.strict = take(&number, 2),
		.tls = take(&number, 2),
		.tls_name = take(&number, 2),
		.tunnelled = take(&number, 2),
		.listen = take(&number, 2),
		.configured = take(&number, 2),
	};
}

/* Only those that can be met: the source of the fast network follows from the settings. */
static bool can_be_met(const struct way *w)
{
	if (w->routed && !w->have_addr)
		return false;
	if (w->source == OM_FAST_OPTION)
		return !w->tunnelled;
	if (w->source == OM_FAST_NONE)
		return w->tunnelled || !w->configured;
	return w->configured && !w->tunnelled;
}

/* ---- what is expected, as text ---- */

static void add(char *text, const char *more)
{
	strcat(text, more);
}

static void expect_attempt(char *text, const struct way *w, const char *path, const char *uri,
			   bool fast)
{
	add(text, "[");
	add(text, path);
	if (*uri) {
		add(text, " uri=");
		add(text, uri);
	}
	if (w->listen)
		add(text, " listen=10.5.5.5");
	else if (fast && w->own != OM_ANSWER_NO)
		add(text, " listen=" ADDR);
	if (w->tls && w->tls_name)
		add(text, " name=cert.example.org");
	else if (fast && w->tls)
		add(text, " name=node02");
	add(text, "]");
}

static void expect(char *text, const struct way *w)
{
	bool fast_network = w->source == OM_FAST_NETWORK || w->source == OM_FAST_APPEND;
	bool usable = fast_network && w->have_addr && w->routed && w->answer != OM_ANSWER_NO;
	bool by_default = !(fast_network && w->strict) && w->source != OM_FAST_OPTION;

	*text = '\0';
	if (w->strict && fast_network && !usable) {
		add(text, "refused");
		return;
	}
	if (w->strict && w->source == OM_FAST_NONE && w->configured) {
		add(text, "refused");
		return;
	}
	if (w->source == OM_FAST_OPTION)
		expect_attempt(text, w, "fast", "tcp://192.0.2.7", false);
	if (usable)
		expect_attempt(text, w, "fast", "tcp://" ADDR, true);
	if (by_default)
		expect_attempt(text, w, "default", "", false);
	if (by_default && !w->tunnelled)
		expect_attempt(text, w, "name", "tcp://node02", false);
	if (fast_network && !usable)
		add(text, " warn:unusable");
	if (w->source == OM_FAST_NONE && w->configured)
		add(text, " warn:unusable");
	if (usable && !w->listen && w->own == OM_ANSWER_NO)
		add(text, " warn:listens");
	if ((usable || (w->source == OM_FAST_OPTION && w->routed)) && w->mgmt_routed &&
	    w->mgmt_same)
		add(text, " warn:same");
}

/* ---- what there is, as text ---- */

static void tell_attempt(char *text, const struct om_attempt *attempt)
{
	static const char *const paths[OM_PATH_COUNT] = { "fast", "default", "name" };
	static const char *const known[][2] = { { "migrate_uri", " uri=" },
						{ "listen_address", " listen=" },
						{ "tls.destination", " name=" } };
	size_t told = 0;

	add(text, "[");
	add(text, paths[attempt->path]);
	for (size_t i = 0; i < OM_ARRAY_LEN(known); i++) {
		const struct om_param *p = om_params_get(&attempt->params, known[i][0]);

		if (!p)
			continue;
		told++;
		add(text, known[i][1]);
		add(text, p->text);
	}
	assert_int_equal(told, attempt->params.n);
	add(text, "]");
}

static void tell(char *text, const struct om_plan *plan)
{
	*text = '\0';
	for (size_t i = 0; i < plan->attempt_count; i++)
		tell_attempt(text, &plan->attempts[i]);
	for (size_t i = 0; i < plan->warnings.n; i++) {
		const char *warning = plan->warnings.v[i];

		add(text, strstr(warning, "cannot be used") || strstr(warning, "does not apply")
				  ? " warn:unusable"
			  : strstr(warning, "listens on every")		    ? " warn:listens"
			  : strstr(warning, "also leads to the management") ? " warn:same"
									    : " warn:?");
	}
}

/* ---- the combination itself ---- */

static struct om_knobs settings(const struct way *w)
{
	bool append = w->source == OM_FAST_APPEND;
	const struct om_knob_source sources[] = {
		{ "MIGRATE_NETWORK", w->configured && !append ? "10.1.0.0/24" : "",
		  OM_ORIGIN_KVMRC },
		{ "DEST_HOST_APPEND", w->configured && append ? "-10g1" : "", OM_ORIGIN_KVMRC },
		{ "MIGRATE_NETWORK_POLICY", w->strict ? "strict" : "fallback", OM_ORIGIN_KVMRC },
	};
	struct om_knobs knobs;
	struct om_err err;

	assert_true(om_knobs_resolve(&knobs, sources, OM_ARRAY_LEN(sources), NULL, &err));
	return knobs;
}

static struct om_opts options(const struct way *w)
{
	struct om_opts opts = { .flags = OM_FLAG_LIVE };

	if (w->tls)
		opts.flags |= OM_FLAG_TLS;
	if (w->tunnelled)
		opts.flags |= OM_FLAG_TUNNELLED | OM_FLAG_PEER2PEER;
	if (w->source == OM_FAST_OPTION)
		om_params_set_text(&opts.params, "migrate_uri", "tcp://192.0.2.7",
				   "MIGRATE_OPTIONS");
	if (w->listen)
		om_params_set_text(&opts.params, "listen_address", "10.5.5.5", "MIGRATE_OPTIONS");
	if (w->tls && w->tls_name)
		om_params_set_text(&opts.params, "tls.destination", "cert.example.org",
				   "MIGRATE_OPTIONS");
	return opts;
}

static struct om_facts facts(const struct way *w)
{
	struct om_facts facts = { .fast_source = w->source,
				  .mgmt_routed = w->mgmt_routed,
				  .mgmt_route = { .ifname = "eth0" } };

	facts.fast.have_addr = w->have_addr && om_addr_parse(&facts.fast.addr, ADDR);
	facts.fast.routed = w->routed;
	facts.fast.answer = w->answer;
	facts.fast.own = w->own;
	strcpy(facts.fast.route.ifname, w->mgmt_same ? "eth0" : "eth1");
	return facts;
}

static void try_way(unsigned int number, const struct way *w)
{
	struct om_knobs knobs = settings(w);
	struct om_opts opts = options(w);
	struct om_facts known = facts(w);
	OM_AUTOFREE char *host = om_xstrdup("node02");
	struct om_req req = { .dst_host = host };
	struct om_plan plan;
	struct om_err err;
	char expected[600], got[600];

	expect(expected, w);
	/* libvirt refuses the two; the check of options knows it. */
	if (w->tunnelled && w->listen)
		strcpy(expected, "bad");
	if (om_plan_make(&plan, &req, &knobs, &opts, &known, &err)) {
		tell(got, &plan);
		om_plan_free(&plan);
	} else {
		strcpy(got, err.code == OM_E_REFUSED ? "refused" : "bad");
	}
	if (strcmp(expected, got) != 0)
		fail_msg("combination %u:\n  expected %s\n  got      %s", number, expected, got);
	om_opts_free(&opts);
	om_knobs_free(&knobs);
}

static void every_combination_gives_the_expected_attempts_in_order(void **unused)
{
	unsigned int met = 0;

	(void)unused;
	for (unsigned int number = 0; number < WAYS; number++) {
		struct way w = way(number);

		if (!can_be_met(&w))
			continue;
		met++;
		try_way(number, &w);
	}
	assert_true(met > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_gives_the_expected_attempts_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
