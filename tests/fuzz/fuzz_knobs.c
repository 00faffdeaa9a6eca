/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a kvmrc, read as OpenNebula's Ruby does: its settings are resolved and printed; and
 * the same text as networks, as a host and as a line of `ip -o addr`. */
#include "om_addr.h"
#include "om_knob.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_line(const char *text)
{
	expect(*text);
	for (; *text; text++)
		expect((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_host(const char *host, const char *suffix)
{
	char candidates[2][OM_HOST_TEXT], uri[OM_HOST_TEXT * 2];
	size_t n = om_host_append(host, suffix, candidates);

	expect(n <= 2);
	for (size_t i = 0; i < n; i++) {
		expect(om_host_valid(candidates[i]));
		om_uri_tcp(uri, sizeof(uri), candidates[i]);
		om_uri_libvirt(uri, sizeof(uri), "qemu+ssh", candidates[i], suffix);
	}
}

static void check_resolved(const struct om_knobs *knobs)
{
	struct om_cidr cidrs[OM_CIDRS_MAX];
	struct om_err err;
	size_t count;

	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		expect(knobs->v[id].text != NULL);
		expect(knobs->v[id].origin < OM_ORIGIN_COUNT);
	}
	expect(om_knob_number(knobs, OM_KNOB_VIRSH_TRIES) >= 1 &&
	       om_knob_number(knobs, OM_KNOB_VIRSH_TRIES) <= 100);
	expect(om_knob_number(knobs, OM_KNOB_MIGRATE_NETWORK_POLICY) <= 1);
	expect(om_cidrs_parse(cidrs, OM_CIDRS_MAX, &count,
			      om_knob_text(knobs, OM_KNOB_MIGRATE_NETWORK), &err));
	for (size_t i = 0; i < count; i++)
		expect(om_cidr_contains(&cidrs[i], &cidrs[i].net));
	expect(om_cidrs_pick(cidrs, count, count ? &cidrs[0].net : NULL, count ? 1 : 0) ==
	       (count ? 0 : -1));
	check_host("node02.example.org", om_knob_text(knobs, OM_KNOB_DEST_HOST_APPEND));
}

static void check_print(const struct om_knobs *knobs, enum om_knob_format format)
{
	OM_AUTOFREE char *text = om_knob_print_table(format, knobs);

	expect(*text && text[strlen(text) - 1] == '\n');
}

/* The text as a line of `ip -o addr`, a host and networks, which are strangers' texts as well. */
static void check_as_network(const char *text)
{
	struct om_cidr cidrs[2];
	struct om_addr addr, again;
	struct om_err err = { 0 };
	char printed[OM_ADDR_TEXT], ifname[16];
	size_t count;

	if (!om_cidrs_parse(cidrs, 2, &count, text, &err))
		expect(err.code == OM_E_INPUT && *err.msg);
	if (om_ip_addr_line(text, &addr, ifname, sizeof(ifname))) {
		expect(*ifname && strlen(ifname) < sizeof(ifname));
		om_addr_print(&addr, printed);
		expect(om_addr_parse(&again, printed) && om_addr_eq(&addr, &again));
	}
	check_host(text, "-x");
}

static int64_t epoch_s(struct tm *local)
{
	return timegm(local);
}

static void check_settings(const char *data, size_t size)
{
	struct om_knob_source sources[OM_KNOB_COUNT];
	char *values[OM_KNOB_COUNT];
	const struct om_clock clock = { .now = { .tm_year = 70, .tm_mday = 1 },
					.epoch_s = epoch_s };
	struct om_knobs knobs;
	struct om_err err = { 0 };

	for (int id = 0; id < OM_KNOB_COUNT; id++) {
		values[id] = om_kvmrc_ruby_value(data, size, om_knob_table[id].name);
		sources[id] = (struct om_knob_source){ om_knob_table[id].name, values[id],
						       OM_ORIGIN_KVMRC };
		if (id == OM_KNOB_MIGRATE_NETWORK && size % 2)
			sources[id].origin = OM_ORIGIN_DATASTORE;
	}
	if (om_knobs_resolve(&knobs, sources, OM_KNOB_COUNT, &clock, &err)) {
		check_resolved(&knobs);
		check_print(&knobs, (enum om_knob_format)(size % 4));
		om_knobs_free(&knobs);
	} else {
		expect(err.code == OM_E_INPUT);
		check_line(err.msg);
	}
	for (int id = 0; id < OM_KNOB_COUNT; id++)
		free(values[id]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size);

	check_settings((const char *)data, size);
	check_as_network(text);
	return 0;
}
