/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What oneadmin's ssh_config says of a host, as OpenSSH itself evaluates it (`ssh -G`), and whether a host's
 * key is to be accepted, by what OpenSSH itself finds in known_hosts (`ssh-keygen -F`). Pure: whoever reads
 * these gives the printed text. What only ssh(1) can answer is said to be so, never guessed.
 */
#ifndef OM_SSH_CONF_H
#define OM_SSH_CONF_H

#include "om_buf.h"
#include "om_err.h"
#include "om_util.h"

#include <stdint.h>

enum om_ssh_strict {
	OM_SSH_STRICT_YES, /* and "ask", because nobody is there to answer */
	OM_SSH_STRICT_ACCEPT_NEW,
	OM_SSH_STRICT_NO,
	OM_SSH_STRICT_COUNT
};

struct om_ssh_conf {
	char hostname[256], user[256];
	uint16_t port;
	int family; /* 0: any, 4, 6 */
	uint32_t connect_s;
	enum om_ssh_strict strict;
	bool hash_known_hosts, identities_only;
	bool proxy;		      /* the connection is made by another program or host */
	char alias[256], agent[1024]; /* HostKeyAlias, IdentityAgent; "" where they are not set */
	char kex[2048], hostkeys[2048], ciphers[2048], macs[2048];
	struct om_strv user_files, global_files, identities;
	char only_ssh
		[160]; /* why only ssh(1) can make this connection; "" = nothing is known to speak for it */
	char unknown_only_ssh
		[80]; /* why only ssh(1) can say whether an unknown key is right; or "" */
};

void om_ssh_conf_free(struct om_ssh_conf *conf);
#define OM_SSH_CONF __attribute__((cleanup(om_ssh_conf_free))) struct om_ssh_conf

/* `text` is all that `ssh -G` printed. False: it names no host, user and port. */
bool om_ssh_conf_parse(struct om_ssh_conf *conf, const char *text,
		       struct om_err *err) OM_MUST_CHECK;

/* The name under which known_hosts has the host: the alias, or the name, in lower case, with its port
 * where that is not 22. */
void om_ssh_conf_known_name(const struct om_ssh_conf *conf, char *name, size_t size);

/* ---- known_hosts ---- */

enum om_ssh_mark { OM_SSH_MARK_NONE, OM_SSH_MARK_CA, OM_SSH_MARK_REVOKED };
struct om_ssh_known {
	enum om_ssh_mark mark;
	char type[64];
	char *key; /* base64 */
};
struct om_ssh_knowns {
	struct om_ssh_known *v;
	size_t n;
};
void om_ssh_knowns_free(struct om_ssh_knowns *knowns);
#define OM_SSH_KNOWNS __attribute__((cleanup(om_ssh_knowns_free))) struct om_ssh_knowns

/* Adds the lines that `ssh-keygen -F NAME -f FILE` printed. */
void om_ssh_knowns_add(struct om_ssh_knowns *knowns, const char *text);

enum om_ssh_verdict {
	OM_SSH_KEY_KNOWN,
	OM_SSH_KEY_NEW,	    /* accepted, to be remembered */
	OM_SSH_KEY_UNKNOWN, /* refused: not known, and strict */
	OM_SSH_KEY_CHANGED, /* refused: another one is known */
	OM_SSH_KEY_REVOKED, /* refused */
	OM_SSH_KEY_ASK,	    /* only ssh(1) can answer */
};
enum om_ssh_verdict om_ssh_conf_judge(const struct om_ssh_conf *conf,
				      const struct om_ssh_knowns *knowns, const char *type,
				      const char *key);

/* The name of its type and base64 (malloc'ed) of a public key as it travels. False: it is none. */
bool om_ssh_key_text(const char *blob, size_t len, char *type, size_t size, char **key);

/*
 * The list of algorithms to offer, of those in `ours` (commas between them) that `allowed` has too ("": all),
 * in the order of `ours`; "" where there is none. For host keys: those of known keys first, so that the other
 * end shows the key that is known.
 */
void om_ssh_conf_methods(char *list, size_t size, const char *ours, const char *allowed);
void om_ssh_conf_hostkey_methods(char *list, size_t size, const char *ours, const char *allowed,
				 const struct om_ssh_knowns *knowns);

#endif
