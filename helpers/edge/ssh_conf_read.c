/* SPDX-License-Identifier: Apache-2.0 */
/* Asks OpenSSH's own programs what they would do. */
#include "om_proc.h"
#include "om_ssh.h"
#include "om_util.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 15000 /* `Match exec` and names may be asked for */
#define CONF_BYTES 65536
#define KNOWN_BYTES (1 << 20)

char *om_ssh_home_path(const char *path)
{
	const struct passwd *user;

	if (path[0] != '~' || (path[1] && path[1] != '/'))
		return om_xstrdup(path);
	user = getpwuid(getuid()); /* as ssh: HOME does not count */
	return om_xasprintf("%s%s", user ? user->pw_dir : "", path + 1);
}

bool om_ssh_conf_read(struct om_ssh_conf *conf, const char *host, const char *file,
		      struct om_err *err)
{
	const char *argv[] = { "ssh", "-G", "-o", "BatchMode=yes", "-F", file, "--", host, NULL };
	OM_AUTOFREE char *text = om_xcalloc(1, CONF_BYTES);

	*conf = (struct om_ssh_conf){ 0 };
	if (om_str_empty(host) || host[0] == '-')
		return om_err_set(err, OM_E_INPUT, "no name of a host");
	if (!file)
		memmove(&argv[4], &argv[6], 3 * sizeof(argv[0]));
	if (!om_proc_capture(argv, TIMEOUT_MS, text, CONF_BYTES, err))
		return om_err_wrap(err, "ssh_config cannot be evaluated");
	return om_ssh_conf_parse(conf, text, err);
}

static bool read_file(struct om_ssh_knowns *knowns, const char *name, const char *file,
		      struct om_err *err)
{
	OM_AUTOFREE char *path = om_ssh_home_path(file), *text = om_xcalloc(1, KNOWN_BYTES);
	const char *argv[] = { "ssh-keygen", "-F", name, "-f", path, NULL };
	struct om_err none;

	if (access(path, R_OK) != 0)
		return true;
	/* Status 1 and no text: it is not in there. */
	if (!om_proc_capture(argv, TIMEOUT_MS, text, KNOWN_BYTES, &none) && text[0])
		return om_err_set(err, OM_E_STOCK, "%s cannot be read (%s)", path, none.msg);
	om_ssh_knowns_add(knowns, text);
	return true;
}

bool om_ssh_known_read(struct om_ssh_knowns *knowns, const struct om_ssh_conf *conf,
		       struct om_err *err)
{
	const struct om_strv *lists[] = { &conf->user_files, &conf->global_files };
	char name[sizeof(conf->hostname) + 16];

	om_ssh_conf_known_name(conf, name, sizeof(name));
	for (size_t l = 0; l < OM_ARRAY_LEN(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++)
			if (!read_file(knowns, name, lists[l]->v[i], err))
				return false;
	return true;
}
