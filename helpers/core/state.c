/* SPDX-License-Identifier: Apache-2.0 */
#include "om_state.h"

#include "om_text.h"
#include "om_util.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define FIRST_LINE "onemigrate-state=1\n"
#define RECORD_BEGIN "onemigrate-history=1\t"
#define RECORD_END "\tend=1"

static const char *const phase_names[] = {
	[OM_PHASE_PREPARE] = "prepare",	   [OM_PHASE_SEND] = "send",	   [OM_PHASE_COPY] = "copy",
	[OM_PHASE_POSTCOPY] = "post-copy", [OM_PHASE_SETTLE] = "settle",   [OM_PHASE_DONE] = "done",
	[OM_PHASE_FAILED] = "failed",	   [OM_PHASE_UNKNOWN] = "unknown",
};
static_assert(OM_ARRAY_LEN(phase_names) == OM_PHASE_COUNT, "a phase has no name");

const char *om_phase_name(enum om_phase phase)
{
	return (unsigned int)phase < OM_PHASE_COUNT ? phase_names[phase] : "unknown";
}

enum type { TEXT, U32, U64, I64, PHASE, PERCENT };

/* clang-format off */
#define SIZE_OF(field) sizeof(((struct om_state *)0)->field)
#define ROW(kind, field) { #field, kind, offsetof(struct om_state, field), SIZE_OF(field), false }
#define KEPT(kind, field) { #field, kind, offsetof(struct om_state, field), SIZE_OF(field), true }
/* clang-format on */

/* ROW: as long as the migration goes on. KEPT: in the history too. */
static const struct row {
	const char *key;
	enum type type;
	size_t offset, size;
	bool kept;
} rows[] = {
	KEPT(TEXT, uuid),
	KEPT(TEXT, vm_id),
	KEPT(TEXT, vm_name),
	KEPT(TEXT, src),
	KEPT(TEXT, dst),
	ROW(TEXT, boot_id),
	ROW(I64, pid),
	KEPT(U64, started_epoch_ms),
	KEPT(U64, updated_epoch_ms),
	KEPT(PHASE, phase),
	KEPT(TEXT, path_addr),
	KEPT(TEXT, path_ifname),
	ROW(U32, path_speed_mbit),
	KEPT(U32, iteration),
	ROW(PERCENT, percent),
	ROW(U64, processed_bytes),
	KEPT(U64, remaining_bytes),
	KEPT(U64, total_bytes),
	ROW(U64, disk_remaining_bytes),
	KEPT(U64, disk_total_bytes),
	ROW(U64, files_remaining_bytes),
	KEPT(U64, files_total_bytes),
	ROW(U64, rate_bytes_ps),
	KEPT(U64, dirty_bytes_ps),
	KEPT(U32, downtime_limit_ms),
	KEPT(U32, throttle_percent),
	KEPT(U32, forecast),
	ROW(U64, eta_ms),
	ROW(U64, eta_low_ms),
	ROW(U64, eta_high_ms),
	KEPT(U32, downtime_low_ms),
	KEPT(U32, downtime_high_ms),
	KEPT(U32, need_downtime_ms),
	KEPT(U64, need_bytes_ps),
	KEPT(TEXT, policy),
	KEPT(U32, downtime_max_ms),
	KEPT(U32, pause_max_ms),
	KEPT(U64, deadline_epoch_ms),
	ROW(U32, postcopy_allowed),
	ROW(U32, throttle_allowed),
	KEPT(U64, bandwidth_bytes_ps),
	ROW(TEXT, decision),
	KEPT(U64, decision_epoch_ms),
	KEPT(TEXT, actions),
	KEPT(U64, elapsed_ms),
	KEPT(U32, downtime_ms),
	KEPT(U64, sent_bytes),
	KEPT(U64, copy_ms),
	KEPT(U64, wire_bytes),
	KEPT(U64, wire_ms),
	KEPT(U64, half_left_ms),
	KEPT(U64, half_eta_low_ms),
	KEPT(U64, half_eta_high_ms),
	KEPT(U64, acted_eta_low_ms),
	KEPT(U64, acted_eta_high_ms),
	KEPT(U32, acted_downtime_low_ms),
	KEPT(U32, acted_downtime_high_ms),
	KEPT(TEXT, transport),
	KEPT(U64, guest_bytes),
	KEPT(U32, packed_permille),
	KEPT(U64, hot_bytes),
	KEPT(U64, src_cpu_ms),
	KEPT(U64, dst_cpu_ms),
	KEPT(TEXT, result),
};

static const struct row *find_row(const char *key, size_t len)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++)
		if (strlen(rows[i].key) == len && memcmp(rows[i].key, key, len) == 0)
			return &rows[i];
	return NULL;
}

static const void *at(const struct om_state *state, const struct row *row)
{
	return (const char *)state + row->offset;
}

uint32_t om_state_percent(const struct om_state *state)
{
	if (state->phase == OM_PHASE_DONE)
		return 100;
	return state->percent < 99 ? state->percent : 99;
}

static uint64_t number_of(const struct om_state *state, const struct row *row)
{
	uint32_t narrow = 0;
	uint64_t wide = 0;

	if (row->type == PERCENT)
		return om_state_percent(state);
	if (row->size == sizeof(narrow))
		memcpy(&narrow, at(state, row), sizeof(narrow));
	else
		memcpy(&wide, at(state, row), sizeof(wide));
	if (row->type == I64 && wide > INT64_MAX)
		return 0;
	return row->size == sizeof(narrow) ? narrow : wide;
}

static void add_value(struct om_text *to, const struct om_state *state, const struct row *row)
{
	if (row->type == TEXT)
		om_text_add_clean(to, at(state, row));
	else if (row->type == PHASE)
		om_text_add(to, "%s", om_phase_name(state->phase));
	else
		om_text_add(to, "%" PRIu64, number_of(state, row));
}

size_t om_state_print(const struct om_state *state, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };

	om_text_add(&to, FIRST_LINE);
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		om_text_add(&to, "%s=", rows[i].key);
		add_value(&to, state, &rows[i]);
		om_text_add(&to, "\n");
	}
	return to.len;
}

static bool is_zero(const struct om_state *state, const struct row *row)
{
	if (row->type == TEXT)
		return !*(const char *)at(state, row);
	return row->type != PHASE && !number_of(state, row);
}

size_t om_state_print_record(const struct om_state *state, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };

	om_text_add(&to, "%.*s", (int)strlen(RECORD_BEGIN) - 1, RECORD_BEGIN);
	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		if (!rows[i].kept || is_zero(state, &rows[i]))
			continue;
		om_text_add(&to, "\t%s=", rows[i].key);
		add_value(&to, state, &rows[i]);
	}
	om_text_add(&to, RECORD_END);
	return to.len;
}

static bool parse_phase(enum om_phase *phase, const char *text)
{
	for (unsigned int i = 0; i < OM_PHASE_COUNT; i++)
		if (strcmp(phase_names[i], text) == 0) {
			*phase = (enum om_phase)i;
			return true;
		}
	return false;
}

static bool parse_value(struct om_state *state, const struct row *row, const char *text)
{
	void *to = (char *)state + row->offset;
	uint64_t number, max = row->type == I64 ? INT64_MAX : UINT64_MAX;
	uint32_t narrow;

	if (row->type == TEXT)
		return om_str_copy(to, row->size, text);
	if (row->type == PHASE)
		return parse_phase(&state->phase, text);
	if (!om_parse_u64(text, 0, row->size == sizeof(narrow) ? UINT32_MAX : max, &number))
		return false;
	narrow = (uint32_t)number;
	memcpy(to, row->size == sizeof(narrow) ? (void *)&narrow : (void *)&number, row->size);
	return true;
}

/* One line without its newline. */
static bool parse_line(struct om_state *state, const char *line, size_t len)
{
	char value[512];
	const char *equals = memchr(line, '=', len);
	const struct row *row;
	size_t key_len, value_len;

	if (!equals)
		return false;
	key_len = (size_t)(equals - line);
	value_len = len - key_len - 1;
	row = find_row(line, key_len);
	if (!row)
		return true;
	if (value_len >= sizeof(value))
		return false;
	memcpy(value, equals + 1, value_len);
	value[value_len] = '\0';
	return parse_value(state, row, value);
}

bool om_state_parse(struct om_state *state, const char *text)
{
	*state = (struct om_state){ 0 };
	if (!om_str_starts(text, FIRST_LINE))
		return false;
	for (text += strlen(FIRST_LINE); *text; text += strcspn(text, "\n") + 1) {
		size_t len = strcspn(text, "\n");

		/* A last line without a newline was cut off. */
		if (!text[len] || !parse_line(state, text, len))
			return false;
	}
	return om_state_uuid_valid(state->uuid);
}

bool om_state_parse_record(struct om_state *state, const char *line)
{
	size_t len = strlen(line);

	*state = (struct om_state){ 0 };
	if (!om_str_starts(line, RECORD_BEGIN) || len < strlen(RECORD_END) ||
	    strcmp(line + len - strlen(RECORD_END), RECORD_END) != 0)
		return false;
	for (line += strlen(RECORD_BEGIN); *line; line += len + (line[len] == '\t')) {
		len = strcspn(line, "\t");
		if (!parse_line(state, line, len))
			return false;
	}
	return om_state_uuid_valid(state->uuid) && om_phase_ended(state->phase);
}

static void add_json_text(struct om_text *to, const char *text)
{
	char clean[1024];
	struct om_text in = { .text = clean, .size = sizeof(clean) };

	om_text_add_clean(&in, text);
	om_text_add(to, "\"");
	for (const char *c = clean; *c; c++) {
		if (*c == '"' || *c == '\\')
			om_text_add(to, "\\");
		om_text_add_bytes(to, c, 1);
	}
	om_text_add(to, "\"");
}

/* Files keep one more of the share that was sent, so that nothing of it is not what is not known. */
static uint64_t told_number(const struct om_state *state, const struct row *row)
{
	uint64_t number = number_of(state, row);

	return row->offset == offsetof(struct om_state, packed_permille) && number ? number - 1
										   : number;
}

static size_t print_json(const struct om_state *state, bool all, char *text, size_t size)
{
	struct om_text to = { .text = text, .size = size };
	const char *before = "{";

	for (size_t i = 0; i < OM_ARRAY_LEN(rows); i++) {
		if (!all && !rows[i].kept)
			continue;
		om_text_add(&to, "%s\"%s\":", before, rows[i].key);
		before = ",";
		if (rows[i].type == TEXT)
			add_json_text(&to, at(state, &rows[i]));
		else if (rows[i].type == PHASE)
			om_text_add(&to, "\"%s\"", om_phase_name(state->phase));
		else
			om_text_add(&to, "%" PRIu64, told_number(state, &rows[i]));
	}
	om_text_add(&to, "}");
	return to.len;
}

size_t om_state_print_json(const struct om_state *state, char *text, size_t size)
{
	return print_json(state, true, text, size);
}

size_t om_state_print_record_json(const struct om_state *state, char *text, size_t size)
{
	return print_json(state, false, text, size);
}

bool om_state_is_of(const struct om_state *state, const char *vm)
{
	const char *id = om_str_starts(vm, "one-") ? vm + strlen("one-") : vm;

	if (*id && strspn(id, "0123456789") == strlen(id))
		return strcmp(state->vm_id, id) == 0;
	if (om_state_uuid_valid(vm))
		return om_str_eq_nocase(state->uuid, vm);
	return strcmp(state->vm_name, vm) == 0;
}

bool om_state_uuid_valid(const char *uuid)
{
	static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(pattern); i++) {
		bool is_hex = uuid[i] && strchr("0123456789abcdefABCDEF", uuid[i]);

		if (pattern[i] == 'x' ? !is_hex : uuid[i] != pattern[i])
			return false;
	}
	return true;
}
