/* SPDX-License-Identifier: Apache-2.0 */
#include "om_dom.h"

#include "xml_internal.h"

#include <string.h>

#define WHAT "the domain's XML"
#define OPENNEBULA "http://opennebula.org/xmlns/libvirt/1.0"
#define CPU_MAX_BYTES (32u << 10) /* a real one is below 8 KiB */

/* libvirt writes KiB itself; the other units are those that it reads. */
static const struct {
	const char *unit;
	uint64_t bytes;
} units[] = {
	/* clang-format off */
	{ "",  1u << 10 }, { "KiB", 1u << 10 }, { "k", 1u << 10 }, { "KB", 1000 },
	{ "b", 1 },        { "bytes", 1 },      { "B", 1 },
	{ "M", 1u << 20 }, { "MiB", 1u << 20 }, { "MB", 1000000 },
	{ "G", 1u << 30 }, { "GiB", 1u << 30 }, { "GB", 1000000000 },
	{ "T", 1ull << 40 }, { "TiB", 1ull << 40 }, { "TB", 1000000000000 },
	/* clang-format on */
};

static bool to_kib(uint64_t *kib, const char *text, const char *unit)
{
	uint64_t number;

	for (size_t i = 0; i < OM_ARRAY_LEN(units); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		if (!om_parse_u64(text, 0, UINT64_MAX / units[i].bytes, &number))
			return false;
		*kib = number * units[i].bytes / 1024;
		return true;
	}
	return false;
}

static bool read_memory(uint64_t *memory_kib, struct _xmlNode *node, struct om_err *err)
{
	OM_AUTOFREE char *raw = om_xml_text(node), *unit = om_xml_attr(node, "unit");

	return to_kib(memory_kib, om_str_strip(raw), unit) ||
	       om_err_set(err, OM_E_INPUT, WHAT " has no readable <memory>");
}

/* The largest size that is named; 1 where only "huge" is asked for. */
static uint64_t read_huge_pages(struct _xmlNode *pages)
{
	uint64_t largest = pages ? 1 : 0, kib;

	for (struct _xmlNode *node = om_xml_child(pages, "page"); node;
	     node = om_xml_next(node, "page")) {
		OM_AUTOFREE char *size = om_xml_attr(node, "size"),
				 *unit = om_xml_attr(node, "unit");

		if (to_kib(&kib, size, unit) && kib > largest)
			largest = kib;
	}
	return largest;
}

/* libvirt's default, which it writes out all the same. */
static bool is_strict(const struct _xmlNode *node)
{
	return node && (om_xml_attr_is(node, "mode", "strict") || om_xml_attr_is(node, "mode", ""));
}

static bool read_numa_strict(struct _xmlNode *tune)
{
	struct _xmlNode *node;

	if (is_strict(om_xml_child(tune, "memory")))
		return true;
	for (node = om_xml_child(tune, "memnode"); node; node = om_xml_next(node, "memnode"))
		if (is_strict(node))
			return true;
	return false;
}

static char *stripped_text(const struct _xmlNode *node)
{
	OM_AUTOFREE char *raw = om_xml_text(node);

	return om_xstrdup(om_str_strip(raw));
}

/* <nvram>path</nvram>, or since libvirt 8.5 a source as a disk has it. */
static char *read_nvram(struct _xmlNode *nvram)
{
	struct _xmlNode *source = om_xml_child(nvram, "source");

	if (om_xml_attr_is(nvram, "type", "file"))
		return om_xml_attr(source, "file");
	if (om_xml_attr_is(nvram, "type", "block"))
		return om_xml_attr(source, "dev");
	return stripped_text(nvram);
}

static void read_os(struct om_dom *dom, struct _xmlNode *os)
{
	struct _xmlNode *nvram = om_xml_child(os, "nvram");

	dom->machine = om_xml_attr(om_xml_child(os, "type"), "machine");
	dom->arch = om_xml_attr(om_xml_child(os, "type"), "arch");
	dom->loader = stripped_text(om_xml_child(os, "loader"));
	dom->nvram = read_nvram(nvram);
	dom->nvram_template = om_xml_attr(nvram, "template");
	dom->kernel = stripped_text(om_xml_child(os, "kernel"));
	dom->initrd = stripped_text(om_xml_child(os, "initrd"));
}

/* The live CPU, which the destination is told in the migration's cookie, and which it compares with. The
 * migratable form of the XML has the one that was asked for instead. */
static void read_cpu(struct om_dom *dom, struct _xmlNode *cpu)
{
	dom->cpu = om_xml_print(cpu, CPU_MAX_BYTES);
	dom->cpu_mode = om_xml_attr(cpu, "mode");
	dom->cpu_check = om_xml_attr(cpu, "check");
	dom->cpu_strict = om_xml_attr_is(cpu, "match", "strict");
	for (struct _xmlNode *node = om_xml_child(cpu, "feature"); node;
	     node = om_xml_next(node, "feature")) {
		if (om_xml_attr_is(node, "policy", "forbid"))
			dom->cpu_strict = true;
		if (om_xml_attr_is(node, "name", "invtsc") &&
		    om_xml_attr_is(node, "policy", "require"))
			dom->invtsc = true;
	}
}

static bool read_tsc_frequency(struct _xmlNode *clock)
{
	for (struct _xmlNode *node = om_xml_child(clock, "timer"); node;
	     node = om_xml_next(node, "timer")) {
		OM_AUTOFREE char *hertz = om_xml_attr(node, "frequency");
		uint64_t number;

		if (om_xml_attr_is(node, "name", "tsc") &&
		    om_parse_u64(hertz, 1, UINT64_MAX, &number))
			return true;
	}
	return false;
}

static char *read_vm_dir(struct _xmlNode *metadata)
{
	struct _xmlNode *vm = om_xml_child_in(metadata, OPENNEBULA, "vm");

	return stripped_text(om_xml_child_in(vm, OPENNEBULA, "system_datastore"));
}

static bool read_domain(struct om_dom *dom, struct _xmlNode *root, struct om_err *err)
{
	dom->uuid = om_xml_text(om_xml_child(root, "uuid"));
	dom->name = om_xml_text(om_xml_child(root, "name"));
	dom->virt_type = om_xml_attr(root, "type");
	if (!*dom->uuid || !*dom->name)
		return om_err_set(err, OM_E_INPUT, WHAT " has no <%s>",
				  *dom->uuid ? "name" : "uuid");
	if (!read_memory(&dom->memory_kib, om_xml_child(root, "memory"), err))
		return false;
	dom->huge_page_kib = read_huge_pages(om_xml_find(root, "memoryBacking/hugepages"));
	dom->numa_strict = read_numa_strict(om_xml_child(root, "numatune"));
	dom->pinned_cpus = om_xml_find(root, "cputune/vcpupin");
	dom->vm_dir = read_vm_dir(om_xml_child(root, "metadata"));
	read_os(dom, om_xml_child(root, "os"));
	read_cpu(dom, om_xml_child(root, "cpu"));
	dom->tsc_frequency = read_tsc_frequency(om_xml_child(root, "clock"));
	om_xml_dom_devices(dom, om_xml_child(root, "devices"));
	return true;
}

bool om_xml_dom_parse(struct om_dom *dom, const char *xml, struct om_err *err)
{
	OM_XML_AUTOFREE struct _xmlDoc *doc = NULL;
	size_t len = strlen(xml);

	*dom = (struct om_dom){ 0 };
	if (len > OM_DOM_MAX_BYTES)
		return om_err_set(err, OM_E_INPUT, WHAT " is longer than %u bytes",
				  OM_DOM_MAX_BYTES);
	if (!om_xml_load(&doc, xml, len, "domain", WHAT, err))
		return false;
	if (read_domain(dom, om_xml_root(doc), err))
		return true;
	om_dom_free(dom);
	return false;
}
