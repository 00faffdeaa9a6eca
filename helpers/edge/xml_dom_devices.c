/* SPDX-License-Identifier: Apache-2.0 */
#include "om_dom.h"

#include "xml_internal.h"

#include <stdlib.h>
#include <string.h>

#define AGENT_CHANNEL "org.qemu.guest_agent.0"
#define GIB_KIB (1u << 20)

static size_t count(struct _xmlNode *parent, const char *name)
{
	size_t n = 0;

	for (struct _xmlNode *node = om_xml_child(parent, name); node;
	     node = om_xml_next(node, name))
		n++;
	return n;
}

/* ---- disks ---- */

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

/* Layers that are no path of the host, as on a network, are left out. */
static void read_chain(struct om_strv *chain, struct _xmlNode *node)
{
	while ((node = om_xml_child(node, "backingStore"))) {
		struct _xmlNode *source = om_xml_child(node, "source");
		OM_AUTOFREE char *file = om_xml_attr(source, "file"),
				 *dev = om_xml_attr(source, "dev");

		if (*file || *dev)
			om_strv_add(chain, *file ? file : dev);
	}
}

/* Both <auth> and <encryption> may stand below <disk>, as in old releases, or below its <source>. */
static struct _xmlNode *find_secret(struct _xmlNode *node, const char *parent)
{
	struct _xmlNode *old = om_xml_child(om_xml_child(node, parent), "secret");

	return old ? old
		   : om_xml_child(om_xml_child(om_xml_child(node, "source"), parent), "secret");
}

static void read_secret(struct om_dom_disk *disk, struct _xmlNode *node)
{
	struct _xmlNode *auth = find_secret(node, "auth");
	struct _xmlNode *secret = auth ? auth : find_secret(node, "encryption");
	OM_AUTOFREE char *type = om_xml_attr(secret, "type"), *usage = om_xml_attr(secret, "usage");

	disk->secret_uuid = om_xml_attr(secret, "uuid");
	/* A pass phrase is kept as a secret of a volume. */
	disk->secret_usage = *usage ? om_xasprintf("%s:%s", auth ? type : "volume", usage)
				    : om_xstrdup("");
}

static void read_disk(struct om_dom_disk *disk, struct _xmlNode *node)
{
	struct _xmlNode *driver = om_xml_child(node, "driver");

	disk->target = om_xml_attr(om_xml_child(node, "target"), "dev");
	disk->format = om_xml_attr(driver, "type");
	disk->cache = om_xml_attr(driver, "cache");
	disk->cdrom = om_xml_attr_is(node, "device", "cdrom");
	disk->readonly = om_xml_child(node, "readonly") != NULL;
	disk->shareable = om_xml_child(node, "shareable") != NULL;
	disk->transient = om_xml_child(node, "transient") != NULL;
	read_source(disk, node);
	read_chain(&disk->chain, node);
	read_secret(disk, node);
}

static void read_disks(struct om_dom *dom, struct _xmlNode *devices)
{
	dom->disks = om_xcalloc(count(devices, "disk"), sizeof(*dom->disks));
	for (struct _xmlNode *node = om_xml_child(devices, "disk"); node;
	     node = om_xml_next(node, "disk"))
		read_disk(&dom->disks[dom->disk_count++], node);
}

/* ---- network ---- */

static const struct {
	const char *type, *attr;
} nic_sources[] = {
	{ "bridge", "bridge" }, { "network", "network" }, { "direct", "dev" },
	{ "vdpa", "dev" },	{ "vhostuser", "path" },
};

static void read_nic(struct om_dom_nic *nic, struct _xmlNode *node)
{
	nic->type = om_xml_attr(node, "type");
	nic->virtualport = om_xml_attr(om_xml_child(node, "virtualport"), "type");
	nic->target = om_xml_attr(om_xml_child(node, "target"), "dev");
	for (size_t i = 0; i < OM_ARRAY_LEN(nic_sources); i++)
		if (strcmp(nic->type, nic_sources[i].type) == 0)
			nic->source = om_xml_attr(om_xml_child(node, "source"),
						  nic_sources[i].attr);
	if (!nic->source)
		nic->source = om_xstrdup("");
}

static void read_nics(struct om_dom *dom, struct _xmlNode *devices)
{
	dom->nics = om_xcalloc(count(devices, "interface"), sizeof(*dom->nics));
	for (struct _xmlNode *node = om_xml_child(devices, "interface"); node;
	     node = om_xml_next(node, "interface"))
		read_nic(&dom->nics[dom->nic_count++], node);
}

/* ---- graphics ---- */

/* A port that libvirt chose is free to be another one on the destination. */
static uint16_t read_port(const struct _xmlNode *node, const char *attr)
{
	OM_AUTOFREE char *text = om_xml_attr(node, attr);
	uint64_t port;

	if (om_xml_attr_is(node, "autoport", "yes") || !om_parse_u64(text, 1, UINT16_MAX, &port))
		return 0;
	return (uint16_t)port;
}

/* The address of a libvirt network's <listen> is what this host made of it. */
static char *read_listen(const struct _xmlNode *node, const struct _xmlNode *listen)
{
	if (om_xml_attr_is(listen, "type", "address")) {
		char *address = om_xml_attr(listen, "address");

		if (*address)
			return address;
		free(address);
	}
	return om_xml_attr_is(listen, "type", "network") ? om_xstrdup("")
							 : om_xml_attr(node, "listen");
}

static void read_graphics(struct om_dom_graphics *graphics, struct _xmlNode *node)
{
	struct _xmlNode *listen = om_xml_child(node, "listen");
	bool no_port = om_xml_attr_is(listen, "type", "socket") ||
		       om_xml_attr_is(listen, "type", "none") ||
		       !om_xml_attr_is(node, "socket", "");

	graphics->type = om_xml_attr(node, "type");
	graphics->listen = no_port ? om_xstrdup("") : read_listen(node, listen);
	graphics->port[0] = no_port ? 0 : read_port(node, "port");
	graphics->port[1] = no_port ? 0 : read_port(node, "tlsPort");
}

static void read_all_graphics(struct om_dom *dom, struct _xmlNode *devices)
{
	dom->graphics = om_xcalloc(count(devices, "graphics"), sizeof(*dom->graphics));
	for (struct _xmlNode *node = om_xml_child(devices, "graphics"); node;
	     node = om_xml_next(node, "graphics"))
		read_graphics(&dom->graphics[dom->graphics_count++], node);
}

/* ---- what ties a guest to its host ---- */

/* libvirt takes a transient one out before the migration and another in after it. */
static bool is_teamed(struct _xmlNode *node)
{
	return om_xml_attr_is(om_xml_child(node, "teaming"), "type", "transient");
}

static bool any_of_type(struct _xmlNode *devices, const char *name, const char *type)
{
	for (struct _xmlNode *node = om_xml_child(devices, name); node;
	     node = om_xml_next(node, name))
		if (om_xml_attr_is(node, "type", type) && !is_teamed(node))
			return true;
	return false;
}

/* Whether an element `name` has a child `child` with that attribute's value. */
static bool any_with(struct _xmlNode *devices, const char *name, const char *child,
		     const char *attr, const char *value)
{
	for (struct _xmlNode *node = om_xml_child(devices, name); node;
	     node = om_xml_next(node, name))
		if (om_xml_attr_is(om_xml_child(node, child), attr, value))
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

/* A peer is what it is called where nothing is said; libvirt migrates masters, and no old device. */
static bool has_shmem_peer(struct _xmlNode *devices)
{
	for (struct _xmlNode *node = om_xml_child(devices, "shmem"); node;
	     node = om_xml_next(node, "shmem"))
		if (!om_xml_attr_is(node, "role", "master") ||
		    om_xml_attr_is(om_xml_child(node, "model"), "type", "ivshmem"))
			return true;
	return false;
}

static void read_ties(struct om_dom *dom, struct _xmlNode *devices)
{
	dom->has_hostdev = has_hostdev(devices);
	dom->has_pci_hostdev = any_of_type(devices, "hostdev", "pci") ||
			       any_of_type(devices, "interface", "hostdev");
	dom->has_mdev = any_of_type(devices, "hostdev", "mdev");
	dom->has_usb_hostdev = any_of_type(devices, "hostdev", "usb");
	dom->has_vdpa = any_of_type(devices, "interface", "vdpa") ||
			any_of_type(devices, "disk", "vhostvdpa");
	dom->has_virtiofs = any_with(devices, "filesystem", "driver", "type", "virtiofs");
	dom->has_shmem_peer = has_shmem_peer(devices);
	dom->has_tpm = om_xml_child(devices, "tpm") != NULL;
	dom->has_guest_agent = any_with(devices, "channel", "target", "name", AGENT_CHANNEL);
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

static const char *find_obstacle(const struct om_dom *dom, struct _xmlNode *devices)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(postcopy_obstacles); i++)
		for (struct _xmlNode *node = om_xml_child(devices, postcopy_obstacles[i].element);
		     node; node = om_xml_next(node, postcopy_obstacles[i].element))
			if (om_xml_attr_is(node, "type", postcopy_obstacles[i].type))
				return postcopy_obstacles[i].obstacle;
	if (dom->has_virtiofs)
		return "the VM has a virtiofs share";
	/* A fault then fetches a whole gigabyte while the guest waits. */
	return dom->huge_page_kib >= GIB_KIB ? "the VM has pages of 1 GiB or more" : NULL;
}

void om_xml_dom_devices(struct om_dom *dom, struct _xmlNode *devices)
{
	dom->emulator = om_xml_text(om_xml_child(devices, "emulator"));
	read_disks(dom, devices);
	read_nics(dom, devices);
	read_all_graphics(dom, devices);
	read_ties(dom, devices);
	dom->postcopy_obstacle = find_obstacle(dom, devices);
}
