/* SPDX-License-Identifier: Apache-2.0 */
#include "ssh.h"

#include <stdio.h>
#include <string.h>

static const char our_hostkeys[] =
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
	"rsa-sha2-512,rsa-sha2-256";

bool hostkey_offer(struct link *link, struct om_ssh_knowns *knowns, struct om_err *err)
{
	char list[1024];

	om_ssh_conf_hostkey_methods(list, sizeof(list), our_hostkeys, link->conf.hostkeys, knowns);
	if (list[0] &&
	    libssh2_session_method_pref(link->session, LIBSSH2_METHOD_HOSTKEY, list) == 0)
		return true;
	return om_err_set(err, OM_E_STOCK,
			  "libssh2 %s has none of the kinds of host keys that ssh_config allows",
			  libssh2_version(0));
}

/* ssh takes a key that is known without the port, too. */
static bool known_without_port(const struct link *link, const char *type, const char *key)
{
	struct om_ssh_conf conf = link->conf;
	OM_SSH_KNOWNS knowns = { 0 };
	struct om_err none;

	if (conf.port == 22 || conf.alias[0])
		return false;
	conf.port = 22;
	return om_ssh_known_read(&knowns, &conf, &none) &&
	       om_ssh_conf_judge(&conf, &knowns, type, key) == OM_SSH_KEY_KNOWN;
}

static void accept_new(struct link *link, const char *name, const char *type, const char *key)
{
	char text[1200];
	struct om_err err;

	bool kept = hostkey_remember(&link->conf, type, key, &err);

	if (kept)
		snprintf(text, sizeof(text), "the %s key of %s was not known and is so now", type,
			 name);
	else
		snprintf(text, sizeof(text), "the %s key of %s is accepted, but not remembered: %s",
			 type, name, err.msg);
	link->options->say(!kept, text);
}

static bool verdict(struct link *link, const struct om_ssh_knowns *knowns, const char *type,
		    const char *key, struct om_err *err)
{
	enum om_ssh_verdict is = om_ssh_conf_judge(&link->conf, knowns, type, key);
	char name[sizeof(link->conf.hostname) + 16];

	om_ssh_conf_known_name(&link->conf, name, sizeof(name));
	if ((is == OM_SSH_KEY_UNKNOWN || is == OM_SSH_KEY_NEW) &&
	    known_without_port(link, type, key))
		return true;
	switch (is) {
	case OM_SSH_KEY_KNOWN:
		return true;
	case OM_SSH_KEY_NEW:
		accept_new(link, name, type, key);
		return true;
	case OM_SSH_KEY_UNKNOWN:
		return om_err_set(err, OM_E_REFUSED, "the %s key of %s at %s is not known", type,
				  name, link->address);
	case OM_SSH_KEY_CHANGED:
		return om_err_set(err, OM_E_REFUSED,
				  "the %s key that %s shows at %s is not the one that is known",
				  type, name, link->address);
	case OM_SSH_KEY_REVOKED:
		return om_err_set(err, OM_E_REFUSED, "the %s key of %s is revoked", type, name);
	case OM_SSH_KEY_ASK:
		break;
	}
	return om_err_set(err, OM_E_STOCK, "whether the %s key of %s is right only ssh can say",
			  type, name);
}

bool hostkey_accept(struct link *link, const struct om_ssh_knowns *knowns, struct om_err *err)
{
	size_t len = 0;
	int kind;
	const char *blob = libssh2_session_hostkey(link->session, &len, &kind);
	OM_AUTOFREE char *key = NULL;
	char type[64];

	if (!blob || !om_ssh_key_text(blob, len, type, sizeof(type), &key))
		return om_err_set(err, OM_E_STOCK, "libssh2 does not tell the host's key");
	return verdict(link, knowns, type, key, err);
}
