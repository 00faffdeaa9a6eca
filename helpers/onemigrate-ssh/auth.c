/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's keys, then those in files; as ssh does, without ever asking. */
#include "ssh.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Before 1.11 RSA keys sign by SHA-1 alone, which sshd has not taken since OpenSSH 8.8. */
#define RSA_SHA2_SINCE 0x010b00

static bool usable(const char *type, bool *rsa)
{
	if (strcmp(type, "ssh-rsa") == 0 && !libssh2_version(RSA_SHA2_SINCE)) {
		*rsa = true;
		return false;
	}
	return strncmp(type, "sk-", 3) != 0 && !strstr(type, "-cert-") &&
	       strcmp(type, "ssh-dss") != 0;
}

/* The type and key of a FILE.pub; false: it is not there. */
static bool public_part(const char *file, char *type, size_t size, char *key, size_t key_size)
{
	OM_AUTOFREE char *name = om_xasprintf("%s.pub", file);
	OM_AUTOCLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
	char text[16384], *save = NULL, *word;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	word = strtok_r(text, " \t\n", &save);
	if (!word || !om_str_copy(type, size, word))
		return false;
	word = strtok_r(NULL, " \t\n", &save);
	return word && om_str_copy(key, key_size, word);
}

/* With IdentitiesOnly the agent's keys count only where a file names them. */
static bool wanted(const struct om_ssh_conf *conf, const char *key)
{
	char type[64], other[12288];

	if (!conf->identities_only)
		return true;
	for (size_t i = 0; i < conf->identities.n; i++) {
		OM_AUTOFREE char *path = om_ssh_home_path(conf->identities.v[i]);

		if (public_part(path, type, sizeof(type), other, sizeof(other)) &&
		    strcmp(other, key) == 0)
			return true;
	}
	return false;
}

static bool agent_key(struct link *link, LIBSSH2_AGENT *agent,
		      struct libssh2_agent_publickey *identity, bool *rsa)
{
	OM_AUTOFREE char *key = NULL;
	char type[64];

	if (!om_ssh_key_text((const char *)identity->blob, identity->blob_len, type, sizeof(type),
			     &key))
		return false;
	return usable(type, rsa) && wanted(&link->conf, key) &&
	       libssh2_agent_userauth(agent, link->conf.user, identity) == 0;
}

/* IdentityAgent: a path, the name of a variable, none. NULL: SSH_AUTH_SOCK. */
static char *agent_path(const struct om_ssh_conf *conf, bool *none)
{
	const char *set = conf->agent;

	*none = strcmp(set, "none") == 0;
	if (!set[0] || strcmp(set, "SSH_AUTH_SOCK") == 0)
		return NULL;
	if (set[0] == '$')
		return getenv(set + 1) ? om_xstrdup(getenv(set + 1)) : NULL;
	return om_ssh_home_path(set);
}

static bool by_agent(struct link *link, bool *rsa)
{
	bool none, done = false;
	OM_AUTOFREE char *path = agent_path(&link->conf, &none);
	struct libssh2_agent_publickey *identity = NULL, *last = NULL;
	LIBSSH2_AGENT *agent;

	if (none || (!path && om_str_empty(getenv("SSH_AUTH_SOCK"))))
		return false;
	agent = libssh2_agent_init(link->session);
	if (!agent)
		return false;
	if (path)
		libssh2_agent_set_identity_path(agent, path);
	if (libssh2_agent_connect(agent) == 0 && libssh2_agent_list_identities(agent) == 0)
		while (!done && libssh2_agent_get_identity(agent, &identity, last) == 0) {
			done = agent_key(link, agent, identity, rsa);
			last = identity;
		}
	libssh2_agent_disconnect(agent);
	libssh2_agent_free(agent);
	return done;
}

static bool by_file(struct link *link, const char *file, bool *rsa)
{
	OM_AUTOFREE char *path = om_ssh_home_path(file);
	char type[64], key[12288];
	bool known = public_part(path, type, sizeof(type), key, sizeof(key));

	if (strchr(file, '%') || access(path, R_OK) != 0 || (known && !usable(type, rsa)))
		return false;
	return libssh2_userauth_publickey_fromfile_ex(link->session, link->conf.user,
						      (unsigned int)strlen(link->conf.user), NULL,
						      path, "") == 0;
}

bool auth(struct link *link, struct om_err *err)
{
	const struct om_ssh_conf *conf = &link->conf;
	const char *methods = libssh2_userauth_list(link->session, conf->user,
						    (unsigned int)strlen(conf->user));
	bool rsa = false;

	if (libssh2_userauth_authenticated(link->session))
		return true;
	if (methods && strstr(methods, "publickey")) {
		if (by_agent(link, &rsa))
			return true;
		for (size_t i = 0; i < conf->identities.n; i++)
			if (by_file(link, conf->identities.v[i], &rsa))
				return true;
	}
	return om_err_set(err, OM_E_STOCK, "no key of %s is taken by %s%s%s", conf->user,
			  link->address, rsa ? "; RSA keys need libssh2 1.11, this is " : "",
			  rsa ? libssh2_version(0) : "");
}
