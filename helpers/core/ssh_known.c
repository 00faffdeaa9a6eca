/* SPDX-License-Identifier: Apache-2.0 */
#include "om_ssh_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void om_ssh_knowns_free(struct om_ssh_knowns *knowns)
{
	for (size_t i = 0; i < knowns->n; i++)
		free(knowns->v[i].key);
	free(knowns->v);
	*knowns = (struct om_ssh_knowns){ 0 };
}

/* [@mark] names type key [comment] */
static void add_line(struct om_ssh_knowns *knowns, char *line)
{
	struct om_ssh_known known = { 0 };
	char *save = NULL, *word = strtok_r(line, " \t", &save);

	if (!word || *word == '#')
		return;
	if (*word == '@') {
		known.mark = strcmp(word, "@revoked") == 0 ? OM_SSH_MARK_REVOKED : OM_SSH_MARK_CA;
		word = strtok_r(NULL, " \t", &save);
	}
	word = word ? strtok_r(NULL, " \t", &save) : NULL;
	if (!word || !om_str_copy(known.type, sizeof(known.type), word))
		return;
	word = strtok_r(NULL, " \t\r", &save);
	if (!word)
		return;
	known.key = om_xstrdup(word);
	knowns->v = om_xrealloc(knowns->v, (knowns->n + 1) * sizeof(*knowns->v));
	knowns->v[knowns->n++] = known;
}

void om_ssh_knowns_add(struct om_ssh_knowns *knowns, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		OM_AUTOFREE char *line = om_xstrndup(text, len);

		add_line(knowns, line);
		text += len + (text[len] == '\n');
	}
}

static bool has(const struct om_ssh_knowns *knowns, enum om_ssh_mark mark, const char *type,
		const char *key)
{
	for (size_t i = 0; i < knowns->n; i++)
		if (knowns->v[i].mark == mark && (!key || (strcmp(knowns->v[i].type, type) == 0 &&
							   strcmp(knowns->v[i].key, key) == 0)))
			return true;
	return false;
}

enum om_ssh_verdict om_ssh_conf_judge(const struct om_ssh_conf *conf,
				      const struct om_ssh_knowns *knowns, const char *type,
				      const char *key)
{
	if (has(knowns, OM_SSH_MARK_REVOKED, type, key))
		return OM_SSH_KEY_REVOKED;
	if (has(knowns, OM_SSH_MARK_NONE, type, key))
		return OM_SSH_KEY_KNOWN;
	/* ssh would have asked for a certificate. */
	if (has(knowns, OM_SSH_MARK_CA, NULL, NULL))
		return OM_SSH_KEY_ASK;
	/* ssh goes on with a changed key under "no", without what a changed key could abuse. */
	if (has(knowns, OM_SSH_MARK_NONE, NULL, NULL))
		return conf->strict == OM_SSH_STRICT_NO ? OM_SSH_KEY_ASK : OM_SSH_KEY_CHANGED;
	if (conf->unknown_only_ssh[0])
		return OM_SSH_KEY_ASK;
	return conf->strict == OM_SSH_STRICT_YES ? OM_SSH_KEY_UNKNOWN : OM_SSH_KEY_NEW;
}

static bool listed(const char *list, const char *word, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* Whether a key of this type is known; a signature by SHA-2 is one of an RSA key. */
static bool known_type(const struct om_ssh_knowns *knowns, const char *method, size_t len)
{
	bool rsa = len > 9 && memcmp(method, "rsa-sha2-", 9) == 0;

	for (size_t i = 0; knowns && i < knowns->n; i++) {
		const char *type = knowns->v[i].type;

		if (knowns->v[i].mark != OM_SSH_MARK_NONE)
			continue;
		if (rsa ? strcmp(type, "ssh-rsa") == 0
			: strlen(type) == len && memcmp(type, method, len) == 0)
			return true;
	}
	return false;
}

static void add_methods(char *list, size_t size, const char *ours, const char *allowed,
			const struct om_ssh_knowns *knowns, bool wanted)
{
	while (*ours) {
		size_t n = strcspn(ours, ","), at = strlen(list);

		if ((!*allowed || listed(allowed, ours, n)) &&
		    known_type(knowns, ours, n) == wanted && at + n + 2 <= size)
			snprintf(list + at, size - at, "%s%.*s", at ? "," : "", (int)n, ours);
		ours += n + (ours[n] == ',');
	}
}

void om_ssh_conf_methods(char *list, size_t size, const char *ours, const char *allowed)
{
	list[0] = '\0';
	add_methods(list, size, ours, allowed, NULL, false);
}

void om_ssh_conf_hostkey_methods(char *list, size_t size, const char *ours, const char *allowed,
				 const struct om_ssh_knowns *knowns)
{
	list[0] = '\0';
	add_methods(list, size, ours, allowed, knowns, true);
	add_methods(list, size, ours, allowed, knowns, false);
}

static char *base64(const char *bytes, size_t len)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = om_xcalloc(len / 3 + 2, 4), *to = text;

	for (size_t at = 0; at < len; at += 3) {
		size_t n = len - at < 3 ? len - at : 3;
		uint32_t bits = 0;

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 | (i < n ? (unsigned char)bytes[at + i] : 0);
		for (size_t i = 0; i < 4; i++)
			*to++ = i <= n ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
	}
	return text;
}

bool om_ssh_key_text(const char *blob, size_t len, char *type, size_t size, char **key)
{
	size_t name_len = 0;

	for (size_t i = 0; i < 4 && len > 4; i++)
		name_len = name_len << 8 | (unsigned char)blob[i];
	if (!name_len || name_len > len - 4 || name_len >= size || memchr(blob + 4, 0, name_len))
		return false;
	memcpy(type, blob + 4, name_len);
	type[name_len] = '\0';
	*key = base64(blob, len);
	return true;
}
