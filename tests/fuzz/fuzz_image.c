/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an image file: refused with a sentence, or sound as far as anybody relies on it. */
#include "om_disks.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check(const uint8_t *data, size_t size, uint64_t file_bytes)
{
	struct om_image image;
	struct om_err err = { 0 };

	if (!om_image_parse(&image, "qcow2", data, size, file_bytes, &err)) {
		expect(err.code == OM_E_INPUT && *err.msg && !strchr(err.msg, '\n'));
		return;
	}
	expect(image.format == OM_IMAGE_QCOW2);
	expect(image.virtual_bytes <= INT64_MAX);
	expect(image.cluster_bits >= 9 && image.cluster_bits <= 21);
	expect(memchr(image.backing, '\0', sizeof(image.backing)));
	expect(memchr(image.backing_format, '\0', sizeof(image.backing_format)));
	/* Whatever it names stands in the head. */
	expect(!*image.backing || memmem(data, size, image.backing, strlen(image.backing)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct om_image image;
	struct om_err err;

	check(data, size, size);
	check(data, size, UINT64_C(1) << 40);
	expect(om_image_parse(&image, "raw", data, size, size, &err) &&
	       image.virtual_bytes == size && !*image.backing);
	return 0;
}
