/* SPDX-License-Identifier: Apache-2.0 */
#include "om_frame.h"

#include <string.h>

/* What a frame of each type holds, in this order: i id, f flags, m mode, t time, s size, o offset, r length,
 * h checksum, a done, l length of the name; then N: the name is the rest, B: the data is, L: both are, P: the
 * rest is a path or a text, in `name`. */
static const struct {
	enum om_frame_type type;
	const char *fields;
} layouts[] = {
	{ OM_FRAME_ROOT, "ifP" },  { OM_FRAME_ENTER, "mtN" }, { OM_FRAME_LEAVE, "" },
	{ OM_FRAME_FILE, "mtsN" }, { OM_FRAME_DATA, "oB" },   { OM_FRAME_PACKED, "orB" },
	{ OM_FRAME_END, "h" },	   { OM_FRAME_LINK, "tlL" },  { OM_FRAME_PLACE, "" },
	{ OM_FRAME_RESET, "" },	   { OM_FRAME_ACK, "a" },     { OM_FRAME_PLACED, "i" },
	{ OM_FRAME_FAILED, "iP" },
};

static const char *layout(unsigned char type)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if ((unsigned char)layouts[i].type == type)
			return layouts[i].fields;
	return NULL;
}

static void add_number(struct om_buf *out, uint64_t value, size_t width)
{
	char bytes[8];

	for (size_t i = 0; i < width; i++)
		bytes[i] = (char)(value >> 8 * (width - 1 - i));
	om_buf_add(out, bytes, width);
}

static uint64_t number(const char *bytes, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value = value << 8 | (unsigned char)bytes[i];
	return value;
}

static void add_field(struct om_buf *out, const struct om_frame *f, char field)
{
	switch (field) {
	case 'i':
		add_number(out, f->id, 4);
		break;
	case 'f':
		add_number(out, f->flags, 4);
		break;
	case 'm':
		add_number(out, f->mode, 4);
		break;
	case 't':
		add_number(out, (uint64_t)f->mtime_s, 8);
		add_number(out, f->mtime_ns, 4);
		break;
	case 's':
		add_number(out, f->size_bytes, 8);
		break;
	case 'o':
		add_number(out, f->offset_bytes, 8);
		break;
	case 'r':
		add_number(out, f->raw_bytes, 4);
		break;
	case 'h':
		add_number(out, f->sum, 8);
		break;
	case 'a':
		add_number(out, f->done_bytes, 8);
		break;
	case 'l':
		add_number(out, f->name_len, 4);
		break;
	case 'L':
		om_buf_add(out, f->name, f->name_len);
		om_buf_add(out, f->data, f->data_len);
		break;
	case 'B':
		om_buf_add(out, f->data, f->data_len);
		break;
	default:
		om_buf_add(out, f->name ? f->name : "", f->name_len);
	}
}

void om_frame_add(struct om_buf *out, const struct om_frame *frame)
{
	const char *fields = layout((unsigned char)frame->type);
	size_t at = out->len;
	uint32_t len;

	add_number(out, (uint64_t)frame->type, 1);
	add_number(out, 0, 4);
	for (; fields && *fields; fields++)
		add_field(out, frame, *fields);
	len = (uint32_t)(out->len - at - OM_FRAME_HEAD);
	for (size_t i = 0; i < 4; i++)
		out->text[at + 1 + i] = (char)(len >> 8 * (3 - i));
}

static bool component(const char *name, size_t len)
{
	if (len > OM_FRAME_NAME_MAX || memchr(name, '/', len))
		return false;
	return !(len == 1 && name[0] == '.') && !(len == 2 && memcmp(name, "..", 2) == 0);
}

static size_t width_of(char field)
{
	static const char four[] = "ifmrl", eight[] = "soha";

	if (memchr(four, field, sizeof(four) - 1))
		return 4;
	return memchr(eight, field, sizeof(eight) - 1) ? 8 : field == 't' ? 12 : 0;
}

static void take_number(struct om_frame *f, char field, const char *p)
{
	uint64_t value = number(p, field == 't' ? 8 : width_of(field));

	switch (field) {
	case 'i':
		f->id = (uint32_t)value;
		break;
	case 'f':
		f->flags = (uint32_t)value;
		break;
	case 'm':
		f->mode = (uint32_t)value;
		break;
	case 't':
		f->mtime_s = (int64_t)value;
		f->mtime_ns = (uint32_t)number(p + 8, 4);
		break;
	case 's':
		f->size_bytes = value;
		break;
	case 'o':
		f->offset_bytes = value;
		break;
	case 'r':
		f->raw_bytes = (uint32_t)value;
		break;
	case 'h':
		f->sum = value;
		break;
	case 'a':
		f->done_bytes = value;
		break;
	default:
		f->name_len = (size_t)value;
	}
}

static bool take_rest(struct om_frame *f, char field, const char *p, size_t len)
{
	size_t name_len = field == 'L' ? f->name_len : field == 'B' ? 0 : len;

	if (name_len > len)
		return false;
	f->name = p;
	f->name_len = name_len;
	f->data = p + name_len;
	f->data_len = len - name_len;
	if (memchr(p, '\0', field == 'B' ? 0 : len))
		return false;
	return field == 'P' || component(p, name_len);
}

static bool in_bounds(const struct om_frame *f)
{
	if (f->mtime_ns > 999999999 || f->size_bytes > INT64_MAX || f->offset_bytes > INT64_MAX)
		return false;
	if (f->type == OM_FRAME_DATA)
		return f->data_len > 0 && f->data_len <= OM_FRAME_CHUNK_BYTES;
	if (f->type == OM_FRAME_PACKED)
		return f->raw_bytes > 0 && f->raw_bytes <= OM_FRAME_CHUNK_BYTES && f->data_len > 0;
	return f->type != OM_FRAME_LINK || f->data_len > 0;
}

static bool take_fields(struct om_frame *f, const char *fields, const char *p, size_t len)
{
	for (; *fields; fields++) {
		size_t width = width_of(*fields);

		if (!width)
			return take_rest(f, *fields, p, len);
		if (len < width)
			return false;
		take_number(f, *fields, p);
		p += width;
		len -= width;
	}
	return len == 0;
}

long om_frame_parse(struct om_frame *frame, const char *bytes, size_t len)
{
	const char *fields;
	size_t need;

	memset(frame, 0, sizeof(*frame));
	if (len < 1)
		return 0;
	fields = layout((unsigned char)bytes[0]);
	if (!fields)
		return -1;
	if (len < OM_FRAME_HEAD)
		return 0;
	need = (size_t)number(bytes + 1, 4);
	if (need > OM_FRAME_MAX_BYTES)
		return -1;
	if (len - OM_FRAME_HEAD < need)
		return 0;
	frame->type = (enum om_frame_type)(unsigned char)bytes[0];
	if (!take_fields(frame, fields, bytes + OM_FRAME_HEAD, need) || !in_bounds(frame))
		return -1;
	return (long)(OM_FRAME_HEAD + need);
}
