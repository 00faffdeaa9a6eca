/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a qcow2 image, as its specification has it: big-endian numbers at fixed places, then
 * extensions, then the name of the backing file. The guest's owner may have uploaded it, so nothing in
 * it is believed.
 */
#include "om_disks.h"

#include <string.h>

#define MAGIC 0x514649fbu /* "QFI", 0xfb */
#define HEADER_V2 72
#define HEADER_V3 104
#define EXTENSION_BACKING 0xe2792acau
#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define BACKING_MAX 1023	 /* QEMU's */
#define L1_BYTES_MAX (32u << 20) /* QEMU's */
#define SNAPSHOTS_MAX 65536	 /* QEMU's */

enum place {
	AT_VERSION = 4,
	AT_BACKING_OFFSET = 8,
	AT_BACKING_SIZE = 16,
	AT_CLUSTER_BITS = 20,
	AT_SIZE = 24,
	AT_CRYPT = 32,
	AT_L1_SIZE = 36,
	AT_L1_OFFSET = 40,
	AT_SNAPSHOTS = 60,
	AT_INCOMPATIBLE = 72,
	AT_HEADER_LENGTH = 100,
};

enum feature {
	DIRTY = 1 << 0, /* of an image in use with lazy reference counts: nothing wrong */
	CORRUPT = 1 << 1,
	EXTERNAL_DATA = 1 << 2,
	COMPRESSION_TYPE = 1 << 3,
	EXTENDED_L2 = 1 << 4,
	KNOWN = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2,
};

struct head {
	const unsigned char *data;
	size_t len;
	uint64_t file_bytes;
};

static uint32_t get32(const struct head *h, size_t at)
{
	const unsigned char *p = h->data + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const struct head *h, size_t at)
{
	return (uint64_t)get32(h, at) << 32 | get32(h, at + 4);
}

static bool bad(struct om_err *err, const char *what)
{
	return om_err_set(err, OM_E_INPUT, "it is no sound qcow2 image: %s", what);
}

/* Where the extensions begin; 0: `err`. */
static size_t read_version(struct om_image *image, const struct head *h, struct om_err *err)
{
	uint32_t version = get32(h, AT_VERSION), length;

	image->compat_v2 = version == 2;
	if (version == 2)
		return HEADER_V2;
	if (version != 3)
		bad(err, "its version is neither 2 nor 3");
	else if (h->len < HEADER_V3)
		bad(err, "it is cut off");
	else if ((length = get32(h, AT_HEADER_LENGTH)) < HEADER_V3 || length % 8 || length > h->len)
		bad(err, "the length of its header");
	else
		return length;
	return 0;
}

static bool read_features(struct om_image *image, const struct head *h, struct om_err *err)
{
	uint64_t features = image->compat_v2 ? 0 : get64(h, AT_INCOMPATIBLE);
	uint32_t crypt = get32(h, AT_CRYPT);

	if (features & ~(uint64_t)KNOWN)
		return om_err_set(err, OM_E_INPUT,
				  "it is a qcow2 image with features that are not known (0x%llx)",
				  (unsigned long long)(features & ~(uint64_t)KNOWN));
	if (crypt > 2)
		return bad(err, "its encryption");
	image->encrypted = crypt != 0;
	image->corrupt = features & CORRUPT;
	image->external_data = features & EXTERNAL_DATA;
	image->extended_l2 = features & EXTENDED_L2;
	return true;
}

/* The clusters that hold its size, by the tables that it has. */
static bool read_size(struct om_image *image, const struct head *h, struct om_err *err)
{
	uint32_t bits = get32(h, AT_CLUSTER_BITS), l1_size = get32(h, AT_L1_SIZE), covered;
	uint64_t size = get64(h, AT_SIZE), l1_offset = get64(h, AT_L1_OFFSET);

	if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX)
		return bad(err, "the size of its clusters");
	if (image->extended_l2 && bits < 14)
		return bad(err, "subclusters in small clusters");
	covered = bits + bits - (image->extended_l2 ? 4 : 3); /* bits of a table's reach */
	if (size > INT64_MAX || l1_size > L1_BYTES_MAX / 8 ||
	    (size && (size - 1) >> covered >= l1_size))
		return bad(err, "its size");
	if (l1_size &&
	    (!l1_offset || l1_offset % (UINT64_C(1) << bits) || l1_offset >= h->file_bytes))
		return bad(err, "the place of its table");
	image->cluster_bits = bits;
	image->virtual_bytes = size;
	image->snapshots = get32(h, AT_SNAPSHOTS);
	return image->snapshots <= SNAPSHOTS_MAX || bad(err, "the number of its snapshots");
}

static bool copy_text(char *to, size_t size, const unsigned char *from, size_t len)
{
	if (len >= size || memchr(from, '\0', len))
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

/* Up to `end`, which is where the backing file's name is, or the end of what is known. */
static bool read_extensions(struct om_image *image, const struct head *h, size_t at, size_t end,
			    struct om_err *err)
{
	while (at + 8 <= end) {
		uint32_t type = get32(h, at), len = get32(h, at + 4);

		at += 8;
		if (!type)
			break;
		if (len > end - at)
			return bad(err, "an extension of its header");
		if (type == EXTENSION_BACKING &&
		    !copy_text(image->backing_format, sizeof(image->backing_format), h->data + at,
			       len))
			return bad(err, "the format of its backing file");
		at += ((size_t)len + 7) & ~(size_t)7;
	}
	return true;
}

static bool read_backing(struct om_image *image, const struct head *h, size_t header,
			 struct om_err *err)
{
	uint64_t offset = get64(h, AT_BACKING_OFFSET);
	uint32_t size = get32(h, AT_BACKING_SIZE);
	size_t cluster = (size_t)1 << image->cluster_bits;
	size_t end = h->len < cluster ? h->len : cluster;

	if (!offset || !size)
		return read_extensions(image, h, header, end, err);
	if (size > BACKING_MAX || offset < header || offset > end || size > end - offset)
		return bad(err, "the place of its backing file's name");
	return read_extensions(image, h, header, (size_t)offset, err) &&
	       (copy_text(image->backing, sizeof(image->backing), h->data + offset, size) ||
		bad(err, "the name of its backing file"));
}

static bool parse_qcow2(struct om_image *image, const struct head *h, struct om_err *err)
{
	size_t header;

	image->format = OM_IMAGE_QCOW2;
	if (h->len < HEADER_V2 || get32(h, 0) != MAGIC)
		return om_err_set(err, OM_E_INPUT, "it is no qcow2 image");
	header = read_version(image, h, err);
	return header && read_features(image, h, err) && read_size(image, h, err) &&
	       read_backing(image, h, header, err);
}

bool om_image_parse(struct om_image *image, const char *format, const void *data, size_t len,
		    uint64_t file_bytes, struct om_err *err)
{
	struct head head = { data, len, file_bytes };

	memset(image, 0, sizeof(*image));
	if (strcmp(format, "raw") == 0) {
		image->virtual_bytes = file_bytes;
		return true;
	}
	if (strcmp(format, "qcow2") == 0)
		return parse_qcow2(image, &head, err);
	return om_err_set(err, OM_E_INPUT, "its format '%.20s' is neither raw nor qcow2", format);
}
