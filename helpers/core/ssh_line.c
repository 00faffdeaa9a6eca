/* SPDX-License-Identifier: Apache-2.0 */
#include "om_ssh.h"

#include <string.h>

static bool take_numbers(struct om_ssh_line *line, const char *text)
{
	while (*text) {
		char digits[24];
		size_t len = strcspn(text, " ");

		if (len >= sizeof(digits) || line->numbers == OM_ARRAY_LEN(line->number))
			return false;
		memcpy(digits, text, len);
		digits[len] = '\0';
		if (!om_parse_u64(digits, 0, INT64_MAX, &line->number[line->numbers]))
			return false;
		line->numbers++;
		text += len + (text[len] == ' ');
	}
	return true;
}

bool om_ssh_line_parse(struct om_ssh_line *line, const char *text)
{
	size_t len = strcspn(text, " ");

	*line = (struct om_ssh_line){ .text = text + len + (text[len] == ' ') };
	if (!len || len >= sizeof(line->word))
		return false;
	memcpy(line->word, text, len);
	if (!take_numbers(line, line->text))
		line->numbers = 0;
	return true;
}
