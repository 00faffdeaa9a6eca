/* SPDX-License-Identifier: Apache-2.0 */
/* A row for each word; what is zero or empty is left out. */
#include "survey_internal.h"

#include "om_buf.h"
#include "om_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define FIELD(s, kind, word, field, max) \
	{ word, kind, offsetof(struct s, field), sizeof(((struct s *)0)->field), 0, max }
#define LIST(s, kind, word, field, counter, max) \
	{ word, kind, offsetof(struct s, field), sizeof(((struct s *)0)->field[0]), \
	  offsetof(struct s, counter), max }
/* clang-format on */

const struct om_survey_row om_survey_ask_rows[] = {
	FIELD(om_survey_ask, OWNED, "uuid", uuid, 0),
	FIELD(om_survey_ask, OWNED, "name", name, 0),
	FIELD(om_survey_ask, OWNED, "arch", arch, 0),
	FIELD(om_survey_ask, OWNED, "virt-type", virt_type, 0),
	FIELD(om_survey_ask, OWNED, "machine", machine, 0),
	FIELD(om_survey_ask, OWNED, "emulator", emulator, 0),
	FIELD(om_survey_ask, OWNED, "cpu", cpu, 0),
	FIELD(om_survey_ask, WORDS, "path", paths, OM_SURVEY_LIST_MAX),
	FIELD(om_survey_ask, WORDS, "bridge", bridges, OM_SURVEY_LIST_MAX),
	FIELD(om_survey_ask, WORDS, "network", networks, OM_SURVEY_LIST_MAX),
	FIELD(om_survey_ask, WORDS, "secret", secrets, OM_SURVEY_LIST_MAX),
	LIST(om_survey_ask, PORTS, "port", ports, port_count, OM_SURVEY_PORTS_MAX),
	FIELD(om_survey_ask, U64, "huge-page-kib", huge_page_kib, UINT64_MAX),
	FIELD(om_survey_ask, BOOL, "tls", tls, 0),
	FIELD(om_survey_ask, BOOL, "postcopy", postcopy, 0),
	FIELD(om_survey_ask, BOOL, "tpm", tpm, 0),
	FIELD(om_survey_ask, BOOL, "speed", speed, 0),
};

const struct om_survey_row om_survey_rows[] = {
	FIELD(om_survey, TEXT, "hostname", hostname, 0),
	FIELD(om_survey, TEXT, "boot-id", boot_id, 0),
	FIELD(om_survey, TEXT, "helper", helper, 0),
	FIELD(om_survey, U32, "uid", uid, UINT32_MAX),
	FIELD(om_survey, U64, "epoch-ms", epoch_ms, UINT64_MAX),
	LIST(om_survey, ADDRS, "addr", addrs, addr_count, OM_SURVEY_ADDRS_MAX),
	FIELD(om_survey, BOOL, "libvirt-known", libvirt_known, 0),
	FIELD(om_survey, TEXT, "libvirt-why", libvirt_why, 0),
	FIELD(om_survey, U64, "libvirt", libvirt, UINT64_MAX),
	FIELD(om_survey, U64, "qemu", qemu, UINT64_MAX),
	FIELD(om_survey, TEXT, "host-uuid", host_uuid, 0),
	FIELD(om_survey, TEXT, "cpu-model", cpu_model, 0),
	FIELD(om_survey, SIDE, "side", side, 0),
	FIELD(om_survey, BOOL, "defined", defined, 0),
	FIELD(om_survey, TEXT, "name-uuid", name_uuid, 0),
	FIELD(om_survey, ANSWER, "machine", machine, 0),
	FIELD(om_survey, TEXT, "machine-why", machine_why, 0),
	FIELD(om_survey, ANSWER, "emulator", emulator, 0),
	FIELD(om_survey, TEXT, "emulator-why", emulator_why, 0),
	FIELD(om_survey, ANSWER, "tpm", tpm, 0),
	FIELD(om_survey, ANSWER, "cpu", cpu, 0),
	FIELD(om_survey, TEXT, "cpu-why", cpu_why, 0),
	LIST(om_survey, ANSWERS, "network", networks, network_count, OM_SURVEY_LIST_MAX),
	LIST(om_survey, ANSWERS, "secret", secrets, secret_count, OM_SURVEY_LIST_MAX),
	FIELD(om_survey, U64, "memory-total-kib", memory_total_kib, UINT64_MAX),
	FIELD(om_survey, U64, "memory-available-kib", memory_available_kib, UINT64_MAX),
	FIELD(om_survey, U64, "page-kib", page_kib, UINT64_MAX),
	FIELD(om_survey, U64, "overcommit-pages", overcommit_pages, UINT64_MAX),
	LIST(om_survey, NODES, "node", nodes, node_count, OM_SURVEY_NODES_MAX),
	LIST(om_survey, FILES, "file", files, file_count, OM_SURVEY_LIST_MAX),
	LIST(om_survey, MORE, "file-more", files, file_count, OM_SURVEY_LIST_MAX),
	LIST(om_survey, ANSWERS, "bridge", bridges, bridge_count, OM_SURVEY_LIST_MAX),
	LIST(om_survey, SOME, "port", ports, port_count, OM_SURVEY_PORTS_MAX),
	FIELD(om_survey, U32, "range-min", range_min, UINT16_MAX),
	FIELD(om_survey, U32, "range-max", range_max, UINT16_MAX),
	FIELD(om_survey, U32, "range-free", range_free, UINT16_MAX + 1),
	FIELD(om_survey, ANSWER, "userfaultfd", userfaultfd, 0),
	FIELD(om_survey, TEXT, "userfaultfd-why", userfaultfd_why, 0),
	FIELD(om_survey, ANSWER, "tls-server", tls_server, 0),
	FIELD(om_survey, ANSWER, "tls-client", tls_client, 0),
	FIELD(om_survey, TEXT, "tls-why", tls_why, 0),
	FIELD(om_survey, BOOL, "tls-unseen", tls_unseen, 0),
	FIELD(om_survey, TEXT, "lock-manager", lock_manager, 0),
	FIELD(om_survey, U32, "cpus", cpus, UINT16_MAX),
	FIELD(om_survey, U32, "cpu-free-permille", cpu_free_permille, 1000),
	FIELD(om_survey, U32, "cpu-share-permille", cpu_share_permille, 1000),
	FIELD(om_survey, U32, "fresh-page-ns", fresh_page_ns, 1000000000),
	FIELD(om_survey, U64, "optmem-bytes", optmem_bytes, UINT64_MAX),
	FIELD(om_survey, U32, "migrations", migrations, UINT32_MAX),
};

const size_t om_survey_ask_row_count = OM_ARRAY_LEN(om_survey_ask_rows);
const size_t om_survey_row_count = OM_ARRAY_LEN(om_survey_rows);

static_assert(sizeof(uid_t) == sizeof(uint32_t), "U32");
static_assert(sizeof(enum om_answer) == sizeof(unsigned int), "ANSWER");

const char *const om_survey_answers[OM_ANSWER_NO + 1] = {
	[OM_ANSWER_NOT_CHECKED] = "not-checked", [OM_ANSWER_YES] = "yes", [OM_ANSWER_NO] = "no"
};

const char *const om_survey_sides[OM_SIDE_COUNT] = {
	[OM_SIDE_UNREACHABLE] = "unreachable", [OM_SIDE_ABSENT] = "absent",
	[OM_SIDE_RUNNING] = "running",	       [OM_SIDE_ROLLED_BACK] = "rolled-back",
	[OM_SIDE_INCOMING] = "incoming",       [OM_SIDE_PAUSED] = "paused",
	[OM_SIDE_POSTCOPY] = "postcopy",       [OM_SIDE_POSTCOPY_FAILED] = "postcopy-failed",
};

const char *const om_survey_kinds[OM_FILE_KIND_COUNT] = {
	[OM_FILE_UNKNOWN] = "unknown", [OM_FILE_MISSING] = "missing", [OM_FILE_REGULAR] = "regular",
	[OM_FILE_DIR] = "directory",   [OM_FILE_BLOCK] = "block",     [OM_FILE_OTHER] = "other",
};

/* ---- printing ---- */

static void add_word(struct om_buf *buf, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c < 0x7f && c != '%')
			om_buf_add(buf, text, 1);
		else
			om_buf_addf(buf, "%%%02X", c);
	}
}

char *om_survey_word(const char *text)
{
	struct om_buf buf = { 0 };

	om_buf_add(&buf, "", 0);
	add_word(&buf, text);
	return buf.text;
}

/* Of the texts that a host says of itself nobody needs what could not be shown. */
static void add_clean(struct om_buf *buf, const char *text)
{
	char clean[512];
	struct om_text to = { .text = clean, .size = sizeof(clean) };

	om_text_add_clean(&to, text);
	add_word(buf, clean);
}

static uint64_t number_of(const struct om_survey_row *row, const char *at)
{
	if (row->type == BOOL)
		return *(const bool *)at;
	if (row->type == U64)
		return *(const uint64_t *)at;
	return *(const uint32_t *)at;
}

static void add_addr(struct om_buf *buf, const struct om_addr *addr)
{
	char text[OM_ADDR_TEXT];

	om_addr_print(addr, text);
	add_word(buf, text);
}

static void add_file(struct om_buf *buf, const struct om_file *file)
{
	om_buf_addf(buf, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ",
		    om_survey_kinds[file->kind], file->size_bytes, file->inode, file->device,
		    file->fs_type, file->fs_id);
	add_clean(buf, file->why);
}

static void add_more(struct om_buf *buf, const struct om_file *file)
{
	om_buf_addf(buf, "%d %" PRIu64 " ", file->free_known, file->free_bytes);
	add_clean(buf, file->device_id);
}

static void add_node(struct om_buf *buf, const struct om_node_pages *node)
{
	om_buf_addf(buf, "%" PRIu32 " %" PRIu64 " %" PRIu64, node->node, node->total, node->free);
}

static void add_value(struct om_buf *buf, const struct om_survey_row *row, const char *at)
{
	switch (row->type) {
	case OWNED:
	case WORDS:
		add_word(buf, *(char *const *)at);
		break;
	case TEXT:
		add_clean(buf, at);
		break;
	case BOOL:
	case U32:
	case U64:
		om_buf_addf(buf, "%" PRIu64, number_of(row, at));
		break;
	case PORTS:
		om_buf_addf(buf, "%u", *(const uint16_t *)at);
		break;
	case ANSWER:
	case ANSWERS:
	case SOME:
		om_buf_addf(buf, "%s", om_survey_answers[*(const enum om_answer *)at]);
		break;
	case SIDE:
		om_buf_addf(buf, "%s", om_survey_sides[*(const enum om_side_state *)at]);
		break;
	case ADDRS:
		add_addr(buf, (const struct om_addr *)at);
		break;
	case NODES:
		add_node(buf, (const struct om_node_pages *)at);
		break;
	case FILES:
		add_file(buf, (const struct om_file *)at);
		break;
	case MORE:
		add_more(buf, (const struct om_file *)at);
		break;
	}
}

static bool is_zero(const struct om_survey_row *row, const char *at)
{
	if (row->type == OWNED)
		return om_str_empty(*(char *const *)at);
	if (row->type == TEXT)
		return !*at;
	return !number_of(row, at);
}

static void add_line(struct om_buf *buf, const struct om_survey_row *row, const char *at)
{
	om_buf_addf(buf, "%s ", row->word);
	add_value(buf, row, at);
	om_buf_add(buf, "\n", 1);
}

static void add_row(struct om_buf *buf, const struct om_survey_row *row, const char *base)
{
	size_t n, size = row->type == WORDS ? sizeof(char *) : row->size;
	const char *items;

	if (!om_survey_is_list(row)) {
		if (!is_zero(row, base + row->offset))
			add_line(buf, row, base + row->offset);
		return;
	}
	items = om_survey_items(row, base, &n);
	for (size_t i = 0; i < n; i++)
		add_line(buf, row, items + i * size);
}

static char *print(const char *first, const struct om_survey_row *table, size_t n, const void *base)
{
	struct om_buf buf = { 0 };

	om_buf_addf(&buf, "%s\n", first);
	for (size_t i = 0; i < n; i++)
		add_row(&buf, &table[i], base);
	om_buf_addf(&buf, "end\n");
	return buf.text;
}

char *om_survey_ask_print(const struct om_survey_ask *ask)
{
	return print(OM_SURVEY_ASK_FIRST, om_survey_ask_rows, om_survey_ask_row_count, ask);
}

char *om_survey_print(const struct om_survey *survey)
{
	return print(OM_SURVEY_FIRST, om_survey_rows, om_survey_row_count, survey);
}

/* The first item of a list, and their number. */
const char *om_survey_items(const struct om_survey_row *row, const char *base, size_t *n)
{
	const char *at = base + row->offset;

	if (row->type == WORDS) {
		*n = ((const struct om_strv *)at)->n;
		return (const char *)((const struct om_strv *)at)->v;
	}
	*n = *(const size_t *)(base + row->count);
	return om_survey_is_allocated(row) ? *(char *const *)at : at;
}

/* ---- freeing ---- */

void om_survey_ask_free(struct om_survey_ask *ask)
{
	free(ask->uuid);
	free(ask->name);
	free(ask->arch);
	free(ask->virt_type);
	free(ask->machine);
	free(ask->emulator);
	free(ask->cpu);
	om_strv_free(&ask->paths);
	om_strv_free(&ask->bridges);
	om_strv_free(&ask->networks);
	om_strv_free(&ask->secrets);
	memset(ask, 0, sizeof(*ask));
}

void om_survey_free(struct om_survey *survey)
{
	free(survey->networks);
	free(survey->secrets);
	free(survey->files);
	free(survey->bridges);
	memset(survey, 0, sizeof(*survey));
}
