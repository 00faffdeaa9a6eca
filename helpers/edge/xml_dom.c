/* SPDX-License-Identifier: Apache-2.0 */
#include "om_dom.h"

#include "xml_internal.h"

#include <string.h>

#define WHAT "the domain's XML"
#define AGENT_CHANNEL "org.qemu.guest_agent.0"

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

/* Where each type of disk has its source. */
static const struct {
	const char *type, *attr;
	enum om_disk_kind kind;
} disk_types[] = {
	{ "file", "file", OM_DISK_FILE },	{ "block", "dev", OM_DISK_BLOCK },
	{ "network", "name", OM_DISK_NETWORK }, { "dir", "dir", OM_DISK_OTHER },
	{ "vhostuser", "path", OM_DISK_OTHER },
};

/* A volume of a pool has no path here, but it is not empty either. */
static char *volume_source(const struct _xmlNode *source)
{
	OM_AUTOFREE char *pool = om_xml_attr(source, "pool"),
			 *volume = om_xml_attr(source, "volume");

	return *volume ? om_xasprintf("%s/%s", pool, volume) : om_xstrdup("");
}

static void read_source(struct om_dom_disk *disk, struct _xmlNode *node)
{
	struct _xmlNode *source = om_xml_child(node, "source");

	disk->kind = OM_DISK_OTHER;
	for (size_t i = 0; i < OM_ARRAY_LEN(disk_types); i++)
		if (om_xml_attr_is(node, "type", disk_types[i].type)) {
			disk->kind = disk_types[i].kind;
			disk->source = om_xml_attr(source, disk_types[i].attr);
			break;
		}
	if (!disk->source)
		disk->source = volume_source(source);
	/* An nvme disk names a PCI address below <source>; it is no empty one. */
	if (!*disk->source && !(disk->kind == OM_DISK_OTHER && om_xml_child(source, NULL)))
		disk->kind = OM_DISK_EMPTY;
}

static void read_disk(struct om_dom_disk *disk, struct _xmlNode *node)
{
	disk->target = om_xml_attr(om_xml_child(node, "target"), "dev");
	disk->format = om_xml_attr(om_xml_child(node, "driver"), "type");
	disk->cdrom = om_xml_attr_is(node, "device", "cdrom");
	disk->readonly = om_xml_child(node, "readonly") != NULL;
	disk->shareable = om_xml_child(node, "shareable") != NULL;
	read_source(disk, node);
}

static void read_disks(struct om_dom *dom, struct _xmlNode *devices)
{
	struct _xmlNode *node;
	size_t n = 0;

	for (node = om_xml_child(devices, "disk"); node; node = om_xml_next(node, "disk"))
		n++;
	dom->disks = om_xcalloc(n, sizeof(*dom->disks));
	for (node = om_xml_child(devices, "disk"); node; node = om_xml_next(node, "disk"))
		read_disk(&dom->disks[dom->disk_count++], node);
}

static bool has_agent(struct _xmlNode *devices)
{
	for (struct _xmlNode *node = om_xml_child(devices, "channel"); node;
	     node = om_xml_next(node, "channel"))
		if (om_xml_attr_is(om_xml_child(node, "target"), "name", AGENT_CHANNEL))
			return true;
	return false;
}

static bool has_hostdev(struct _xmlNode *devices)
{
	if (om_xml_child(devices, "hostdev"))
		return true;
	for (struct _xmlNode *node = om_xml_child(devices, "interface"); node;
	     node = om_xml_next(node, "interface"))
		if (om_xml_attr_is(node, "type", "hostdev"))
			return true;
	return false;
}

/* Devices whose driver writes guest memory that a page fault of QEMU's cannot fetch. */
static const struct {
	const char *element, *type, *obstacle;
} postcopy_obstacles[] = {
	/* clang-format off */
	{ "hostdev",    "pci",       "the VM has a PCI device of the host" },
	{ "hostdev",    "mdev",      "the VM has a mediated device of the host" },
	{ "interface",  "hostdev",   "the VM has a PCI device of the host" },
	{ "interface",  "vdpa",      "the VM has a vDPA interface" },
	{ "interface",  "vhostuser", "the VM has a vhost-user interface" },
	{ "disk",       "vhostuser", "the VM has a vhost-user disk" },
	{ "disk",       "vhostvdpa", "the VM has a vDPA disk" },
	/* clang-format on */
};

/* A fault then fetches a whole gigabyte while the guest waits. */
static bool has_huge_pages(struct _xmlNode *root)
{
	struct _xmlNode *node = om_xml_child(om_xml_find(root, "memoryBacking/hugepages"), "page");

	for (; node; node = om_xml_next(node, "page")) {
		OM_AUTOFREE char *size = om_xml_attr(node, "size"),
				 *unit = om_xml_attr(node, "unit");
		uint64_t kib;

		if (to_kib(&kib, size, unit) && kib >= 1u << 20)
			return true;
	}
	return false;
}

static bool has_virtiofs(struct _xmlNode *devices)
{
	for (struct _xmlNode *node = om_xml_child(devices, "filesystem"); node;
	     node = om_xml_next(node, "filesystem"))
		if (om_xml_attr_is(om_xml_child(node, "driver"), "type", "virtiofs"))
			return true;
	return false;
}

static const char *find_obstacle(struct _xmlNode *root, struct _xmlNode *devices)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(postcopy_obstacles); i++)
		for (struct _xmlNode *node = om_xml_child(devices, postcopy_obstacles[i].element);
		     node; node = om_xml_next(node, postcopy_obstacles[i].element))
			if (om_xml_attr_is(node, "type", postcopy_obstacles[i].type))
				return postcopy_obstacles[i].obstacle;
	if (has_virtiofs(devices))
		return "the VM has a virtiofs share";
	return has_huge_pages(root) ? "the VM has pages of 1 GiB or more" : NULL;
}

static bool read_domain(struct om_dom *dom, struct _xmlNode *root, struct om_err *err)
{
	struct _xmlNode *devices = om_xml_child(root, "devices");

	dom->uuid = om_xml_text(om_xml_child(root, "uuid"));
	dom->name = om_xml_text(om_xml_child(root, "name"));
	dom->machine = om_xml_attr(om_xml_find(root, "os/type"), "machine");
	dom->emulator = om_xml_text(om_xml_child(devices, "emulator"));
	if (!*dom->uuid || !*dom->name)
		return om_err_set(err, OM_E_INPUT, WHAT " has no <%s>",
				  *dom->uuid ? "name" : "uuid");
	if (!read_memory(&dom->memory_kib, om_xml_child(root, "memory"), err))
		return false;
	dom->has_guest_agent = has_agent(devices);
	dom->has_hostdev = has_hostdev(devices);
	dom->postcopy_obstacle = find_obstacle(root, devices);
	dom->has_tpm = om_xml_child(devices, "tpm") != NULL;
	read_disks(dom, devices);
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
