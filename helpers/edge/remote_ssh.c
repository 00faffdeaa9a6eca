/* SPDX-License-Identifier: Apache-2.0 */
/* ssh(1) and rsync(1): slower, and everywhere. */
#include "remote_internal.h"

#include "om_log.h"
#include "om_proc.h"
#include "om_ssh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 10000

/* These words stand in rsync's -e too, which splits at blanks. */
static bool is_plain(const char *word)
{
	return *word &&
	       strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			    "._:=/@+,[]-") == strlen(word);
}

static void add_option(struct om_strv *words, const char *name, const char *value)
{
	OM_AUTOFREE char *option = om_xasprintf("%s=%s", name, value);

	om_strv_add(words, "-o");
	om_strv_add(words, option);
}

static bool answers(const struct om_remote_want *want, const struct om_ssh_conf *conf,
		    struct om_err *err)
{
	int fd = om_tcp_connect(want->address, conf->port, conf->family,
				want->connect_ms ? want->connect_ms : CONNECT_MS, err);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The address, where there is an sshd on it; else the host's own, said or refused. */
static bool choose_address(struct remote_ssh *ssh, const struct om_remote_want *want, char *address,
			   size_t size, struct om_err *err)
{
	OM_SSH_CONF conf = { 0 };
	char known[sizeof(conf.hostname) + 16];
	bool ok;

	if (!om_ssh_conf_read(&conf, want->host, want->ssh_config, err))
		return false;
	om_str_copy(address, size, conf.hostname);
	if (om_str_empty(want->address))
		return true;
	om_ssh_conf_known_name(&conf, known, sizeof(known));
	if (conf.proxy)
		ok = om_err_set(err, OM_E_INPUT, "%s", conf.only_ssh);
	else if (!is_plain(want->address) || !is_plain(known))
		ok = om_err_set(err, OM_E_INPUT, "no address: '%s'", want->address);
	else
		ok = answers(want, &conf, err);
	if (ok) {
		om_str_copy(address, size, want->address);
		add_option(&ssh->words, "HostName", want->address);
		add_option(&ssh->words, "HostKeyAlias", known);
		return true;
	}
	if (want->strict)
		return om_err_wrap(err, "the fast network cannot be used for files");
	om_log(OM_LOG_WARN, "%s; files take the way of '%s'", err->msg, want->host);
	return true;
}

static char *join(const struct om_strv *words)
{
	struct om_buf text = { 0 };

	for (size_t i = 0; i < words->n; i++)
		om_buf_addf(&text, "%s%s", i ? " " : "", words->v[i]);
	return text.text;
}

bool remote_ssh_start(struct remote_ssh *ssh, const struct om_remote_want *want, char *address,
		      size_t size, struct om_err *err)
{
	*ssh = (struct remote_ssh){ .host = om_xstrdup(want->host),
				    .limit_mibps = (uint32_t)want->limit_mibps,
				    .always_packed = want->compression == OM_REMOTE_COMPRESS_ALWAYS,
				    .stop = want->stop };
	for (size_t i = 0; om_proc_ssh[i]; i++)
		om_strv_add(&ssh->words, om_proc_ssh[i]);
	if (want->ssh_config) {
		om_strv_add(&ssh->words, "-F");
		om_strv_add(&ssh->words, want->ssh_config);
	}
	if (!choose_address(ssh, want, address, size, err))
		return false;
	for (size_t i = 0; i < ssh->words.n; i++)
		if (!is_plain(ssh->words.v[i]))
			return om_err_set(err, OM_E_INPUT,
					  "rsync cannot be given the word '%s' for ssh",
					  ssh->words.v[i]);
	ssh->rsh = join(&ssh->words);
	ssh->ready = true;
	return true;
}

/* In place. */
static const char *last_line(const struct om_buf *text)
{
	char *line = om_str_strip(text->text), *end = strrchr(line, '\n');

	line = end ? end + 1 : line;
	om_str_sanitize(line);
	return line;
}

bool remote_ssh_run(struct remote_ssh *ssh, const char *script, uint32_t timeout_ms,
		    struct om_remote_answer *answer, struct om_err *err)
{
	const char *const tail[] = { "--", ssh->host, "bash -s" };
	struct om_strv argv = { 0 };
	bool ok;

	for (size_t i = 0; i < ssh->words.n; i++)
		om_strv_add(&argv, ssh->words.v[i]);
	for (size_t i = 0; i < OM_ARRAY_LEN(tail); i++)
		om_strv_add(&argv, tail[i]);
	ok = remote_proc((const char *const *)argv.v, script, timeout_ms, ssh->stop, answer, NULL,
			 NULL, err);
	om_strv_free(&argv);
	if (!ok)
		return om_err_wrap(err, "the script on %s", ssh->host);
	/* Of ssh itself, as far as anybody can tell; our scripts do not end so. */
	if (answer->status == 255)
		return om_err_set(err, OM_E_SOURCE, "ssh to %s: %s", ssh->host,
				  last_line(&answer->err));
	return true;
}

void remote_ssh_end(struct remote_ssh *ssh)
{
	om_strv_free(&ssh->words);
	free(ssh->host);
	free(ssh->rsh);
	*ssh = (struct remote_ssh){ 0 };
}
