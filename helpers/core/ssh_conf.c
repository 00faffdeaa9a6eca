/* SPDX-License-Identifier: Apache-2.0 */
#include "om_ssh_conf.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void om_ssh_conf_free(struct om_ssh_conf *conf)
{
	om_strv_free(&conf->user_files);
	om_strv_free(&conf->global_files);
	om_strv_free(&conf->identities);
}

/* The first reason is kept. */
static void only_ssh(struct om_ssh_conf *conf, const char *what)
{
	if (!conf->only_ssh[0])
		snprintf(conf->only_ssh, sizeof(conf->only_ssh), "ssh_config has %s", what);
}

static const struct {
	const char *key;
	size_t offset, size;
} texts[] = {
#define TEXT(key, field)                                                                           \
	{                                                                                          \
		key, offsetof(struct om_ssh_conf, field), sizeof(((struct om_ssh_conf *)0)->field) \
	}
	TEXT("hostname", hostname),  TEXT("user", user),
	TEXT("hostkeyalias", alias), TEXT("identityagent", agent),
	TEXT("kexalgorithms", kex),  TEXT("hostkeyalgorithms", hostkeys),
	TEXT("ciphers", ciphers),    TEXT("macs", macs),
#undef TEXT
};

/* Set to something else than the value that switches it off: not for us. */
static const struct {
	const char *key, *off, *what;
} not_ours[] = {
	{ "proxyjump", "none", "ProxyJump" },
	{ "proxycommand", "none", "ProxyCommand" },
	{ "proxyusefdpass", "no", "ProxyUseFdpass" },
	{ "knownhostscommand", "none", "KnownHostsCommand" },
	{ "revokedhostkeys", "none", "RevokedHostKeys" },
	{ "bindaddress", "none", "BindAddress" },
	{ "bindinterface", "none", "BindInterface" },
	{ "pubkeyauthentication", "true", "PubkeyAuthentication" },
	{ "certificatefile", "none", "CertificateFile" },
	{ "pkcs11provider", "none", "PKCS11Provider" },
	{ "remotecommand", "none", "RemoteCommand" },
};

static bool is_yes(const char *value)
{
	return strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
}

static bool is_no(const char *value)
{
	return strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "off") == 0;
}

static enum om_ssh_strict strictness(const char *value)
{
	if (strcmp(value, "accept-new") == 0)
		return OM_SSH_STRICT_ACCEPT_NEW;
	return is_no(value) ? OM_SSH_STRICT_NO : OM_SSH_STRICT_YES;
}

/* Names with blanks between them: one that has a blank itself cannot be told from two, but both parts are not
 * names that begin at the root. */
static void add_files(struct om_ssh_conf *conf, struct om_strv *list, const char *value)
{
	while (*value) {
		size_t len = strcspn(value, " ");
		OM_AUTOFREE char *name = om_xstrndup(value, len);

		if (len && strcmp(name, "none") != 0 && strcmp(name, "/dev/null") != 0) {
			if (name[0] != '/' && name[0] != '~')
				only_ssh(conf, "a name of a known_hosts file that is not plain");
			om_strv_add(list, name);
		}
		value += len + (value[len] == ' ');
	}
}

static void take_number(struct om_ssh_conf *conf, const char *key, const char *value)
{
	uint64_t number;

	if (strcmp(key, "port") == 0 && om_parse_u64(value, 1, 65535, &number))
		conf->port = (uint16_t)number;
	else if (strcmp(key, "connecttimeout") == 0 && om_parse_u64(value, 1, 3600, &number))
		conf->connect_s = (uint32_t)number;
	else if (strcmp(key, "addressfamily") == 0)
		conf->family = strcmp(value, "inet") == 0 ? 4 : strcmp(value, "inet6") == 0 ? 6 : 0;
}

static void take_word(struct om_ssh_conf *conf, const char *key, const char *value)
{
	if (strcmp(key, "stricthostkeychecking") == 0)
		conf->strict = strictness(value);
	else if (strcmp(key, "hashknownhosts") == 0)
		conf->hash_known_hosts = is_yes(value);
	else if (strcmp(key, "identitiesonly") == 0)
		conf->identities_only = is_yes(value);
	else if (strcmp(key, "identityfile") == 0 && strcmp(value, "none") != 0)
		om_strv_add(&conf->identities, value);
	else if (strcmp(key, "userknownhostsfile") == 0)
		add_files(conf, &conf->user_files, value);
	else if (strcmp(key, "globalknownhostsfile") == 0)
		add_files(conf, &conf->global_files, value);
	else if (strcmp(key, "verifyhostkeydns") == 0 && !is_no(value))
		om_str_copy(conf->unknown_only_ssh, sizeof(conf->unknown_only_ssh),
			    "ssh_config has VerifyHostKeyDNS");
	else
		take_number(conf, key, value);
}

static void take_line(struct om_ssh_conf *conf, const char *key, const char *value)
{
	for (size_t i = 0; i < OM_ARRAY_LEN(texts); i++)
		if (strcmp(key, texts[i].key) == 0 &&
		    !om_str_copy((char *)conf + texts[i].offset, texts[i].size, value))
			only_ssh(conf, "a value that is too long");
	for (size_t i = 0; i < OM_ARRAY_LEN(not_ours); i++)
		if (strcmp(key, not_ours[i].key) == 0 && strcmp(value, not_ours[i].off) != 0 &&
		    !(is_yes(not_ours[i].off) && is_yes(value)))
			only_ssh(conf, not_ours[i].what);
	if ((strcmp(key, "proxyjump") == 0 || strcmp(key, "proxycommand") == 0) &&
	    strcmp(value, "none") != 0)
		conf->proxy = true;
	take_word(conf, key, value);
}

static bool plain(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f)
			return false;
	return true;
}

bool om_ssh_conf_parse(struct om_ssh_conf *conf, const char *text, struct om_err *err)
{
	*conf = (struct om_ssh_conf){ .strict = OM_SSH_STRICT_YES };
	while (*text) {
		size_t len = strcspn(text, "\n");
		OM_AUTOFREE char *line = om_xstrndup(text, len);
		char *value = strchr(line, ' ');

		if (value) {
			*value++ = '\0';
			take_line(conf, line, om_str_strip(value));
		}
		text += len + (text[len] == '\n');
	}
	if (!conf->hostname[0] || !conf->user[0] || !conf->port || !plain(conf->hostname) ||
	    !plain(conf->alias))
		return om_err_set(err, OM_E_INPUT, "ssh -G names no host, user and port");
	return true;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

void om_ssh_conf_known_name(const struct om_ssh_conf *conf, char *name, size_t size)
{
	if (conf->alias[0])
		snprintf(name, size, "%s", conf->alias);
	else if (conf->port == 22)
		snprintf(name, size, "%s", conf->hostname);
	else
		snprintf(name, size, "[%s]:%u", conf->hostname, conf->port);
	lower(name);
}
