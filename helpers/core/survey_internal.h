/* SPDX-License-Identifier: Apache-2.0 */
/* The table of words, for core/survey*.c alone. */
#ifndef OM_SURVEY_INTERNAL_H
#define OM_SURVEY_INTERNAL_H

#include "om_survey.h"

enum om_survey_type {
	OWNED,	/* char * */
	TEXT,	/* char[] */
	BOOL,	/* bool */
	U32,	/* uint32_t, uid_t */
	U64,	/* uint64_t */
	ANSWER, /* enum om_answer */
	SIDE,	/* enum om_side_state */
	/* One line an item. */
	WORDS,	 /* struct om_strv */
	PORTS,	 /* uint16_t[] */
	ADDRS,	 /* struct om_addr[] */
	NODES,	 /* struct om_node_pages[] */
	ANSWERS, /* enum om_answer *, allocated */
	SOME,	 /* enum om_answer[] */
	FILES,	 /* struct om_file *, allocated */
	MORE,	 /* more of the same, in their order */
};

struct om_survey_row {
	const char *word;
	enum om_survey_type type;
	size_t offset, size; /* of the field; from WORDS on: of an item */
	size_t count;	     /* offset of the number of items */
	uint64_t max;	     /* of a number; of items */
};

extern const struct om_survey_row om_survey_ask_rows[], om_survey_rows[];
extern const size_t om_survey_ask_row_count, om_survey_row_count;

extern const char *const om_survey_answers[OM_ANSWER_NO + 1];
extern const char *const om_survey_sides[OM_SIDE_COUNT];
extern const char *const om_survey_kinds[OM_FILE_KIND_COUNT];

static inline bool om_survey_is_list(const struct om_survey_row *row)
{
	return row->type >= WORDS;
}

/* The items of a list that is allocated. */
static inline bool om_survey_is_allocated(const struct om_survey_row *row)
{
	return row->type == ANSWERS || row->type == FILES || row->type == MORE;
}

/* The first item of a list, and their number. */
const char *om_survey_items(const struct om_survey_row *row, const char *base, size_t *n);

#endif
