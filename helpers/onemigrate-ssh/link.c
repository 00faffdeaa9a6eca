/* SPDX-License-Identifier: Apache-2.0 */
#include "ssh.h"

#include "om_util.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define HANDSHAKE_MS 20000

/* In the order of what should cost the two processors least: one pass over the data before two. */
static const char our_ciphers[] =
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,"
	"aes256-ctr,chacha20-poly1305@openssh.com";
static const char our_macs[] =
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512-etm@openssh.com,"
	"hmac-sha2-512,hmac-sha1-etm@openssh.com,hmac-sha1";
static const char our_kex[] =
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
	"ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,"
	"diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
	"diffie-hellman-group14-sha256,diffie-hellman-group14-sha1";

int64_t now_ms(void)
{
	return (int64_t)(now_us() / 1000);
}

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

bool link_wait(struct link *link, int64_t deadline_ms)
{
	int directions = libssh2_session_block_directions(link->session);
	struct pollfd p = { .fd = link->fd };
	int64_t left = deadline_ms - now_ms();

	if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
		p.events |= POLLOUT;
	if (!(directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) ||
	    directions & LIBSSH2_SESSION_BLOCK_INBOUND)
		p.events |= POLLIN;
	return left > 0 && poll(&p, 1, (int)(left > 1000000 ? 1000000 : left)) != 0;
}

bool link_lost(struct link *link, const char *what, struct om_err *err)
{
	char *text = NULL;

	libssh2_session_last_error(link->session, &text, NULL, 0);
	return om_err_set(err, OM_E_UNKNOWN, "the connection to %s is lost (%s: %s)", link->address,
			  what, om_str_empty(text) ? "it was closed" : text);
}

static bool connect_to(struct link *link, const char *address, struct om_err *err)
{
	const struct options *o = link->options;
	uint32_t timeout_ms = o->connect_ms	     ? o->connect_ms
			      : link->conf.connect_s ? link->conf.connect_s * 1000
						     : CONNECT_MS;

	om_str_copy(link->address, sizeof(link->address), address);
	link->fd = om_tcp_connect(address, link->conf.port, link->conf.family, timeout_ms, err);
	return link->fd >= 0;
}

/* The fast address first; without an sshd there the host's own. */
static bool connect_either(struct link *link, struct om_err *err)
{
	const struct options *o = link->options;
	char text[700];

	if (om_str_empty(o->address))
		return connect_to(link, link->conf.hostname, err);
	if (connect_to(link, o->address, err))
		return true;
	if (o->strict)
		return om_err_wrap(err, "the fast network cannot be used for files");
	snprintf(text, sizeof(text), "%s; files take the way of '%s'", err->msg, o->host);
	o->say(true, text);
	return connect_to(link, link->conf.hostname, err);
}

static bool prefer(struct link *link, int method, const char *ours, const char *allowed)
{
	char list[2048];

	om_ssh_conf_methods(list, sizeof(list), ours, allowed);
	return list[0] && libssh2_session_method_pref(link->session, method, list) == 0;
}

static bool offer(struct link *link, struct om_ssh_knowns *knowns, struct om_err *err)
{
	const struct om_ssh_conf *conf = &link->conf;

	if (!prefer(link, LIBSSH2_METHOD_KEX, our_kex, conf->kex) ||
	    !prefer(link, LIBSSH2_METHOD_CRYPT_CS, our_ciphers, conf->ciphers) ||
	    !prefer(link, LIBSSH2_METHOD_CRYPT_SC, our_ciphers, conf->ciphers) ||
	    !prefer(link, LIBSSH2_METHOD_MAC_CS, our_macs, conf->macs) ||
	    !prefer(link, LIBSSH2_METHOD_MAC_SC, our_macs, conf->macs))
		return om_err_set(err, OM_E_STOCK,
				  "libssh2 %s has none of the algorithms that ssh_config allows",
				  libssh2_version(0));
	return hostkey_offer(link, knowns, err);
}

static bool handshake(struct link *link, struct om_err *err)
{
	char *text = NULL;
	int ret = libssh2_session_handshake(link->session, link->fd);

	if (ret == 0)
		return true;
	libssh2_session_last_error(link->session, &text, NULL, 0);
	if (ret == LIBSSH2_ERROR_SOCKET_DISCONNECT || ret == LIBSSH2_ERROR_SOCKET_RECV ||
	    ret == LIBSSH2_ERROR_TIMEOUT || ret == LIBSSH2_ERROR_SOCKET_TIMEOUT)
		return om_err_set(err, OM_E_UNKNOWN, "no ssh connection to %s: %s", link->address,
				  text);
	return om_err_set(err, OM_E_STOCK, "libssh2 %s and the sshd of %s do not agree: %s",
			  libssh2_version(0), link->address, text);
}

static bool greet(struct link *link, struct om_err *err)
{
	OM_SSH_KNOWNS knowns = { 0 };

	if (!om_ssh_known_read(&knowns, &link->conf, err))
		return false;
	link->session = libssh2_session_init();
	if (!link->session)
		return om_err_set(err, OM_E_STOCK, "libssh2 does not start");
	libssh2_session_set_timeout(link->session, HANDSHAKE_MS);
	libssh2_session_set_blocking(link->session, 1);
	if (!offer(link, &knowns, err) || !handshake(link, err) ||
	    !hostkey_accept(link, &knowns, err) || !auth(link, err))
		return false;
	libssh2_session_set_blocking(link->session, 0);
	return true;
}

bool link_open(struct link *link, const struct options *options, struct om_err *err)
{
	*link = (struct link){ .options = options, .fd = -1 };
	if (!om_ssh_conf_read(&link->conf, options->host, options->config, err))
		return false;
	if (link->conf.only_ssh[0])
		return om_err_set(err, OM_E_STOCK, "%s", link->conf.only_ssh);
	return connect_either(link, err) && greet(link, err);
}

void link_close(struct link *link)
{
	peer_close(link);
	if (link->session) {
		libssh2_session_set_blocking(link->session, 1);
		libssh2_session_set_timeout(link->session, 2000);
		libssh2_session_disconnect(link->session, "done");
		libssh2_session_free(link->session);
	}
	if (link->fd >= 0)
		close(link->fd);
	om_ssh_conf_free(&link->conf);
}
