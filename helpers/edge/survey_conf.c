/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's configuration says of migrations: qemu.conf, certificates, a sysctl. */
#include "survey_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QEMU_CONF "/etc/libvirt/qemu.conf"
#define QEMU_CONF_MAX (256u << 10)
#define SYSCTL "vm.unprivileged_userfaultfd"

/* ---- qemu.conf ---- */

/* "key = value" or 'key = "value"'; false for any other line. */
static bool take_value(char *line, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);
	char *end;

	line = om_str_strip(line);
	if (strncmp(line, key, len) != 0)
		return false;
	line = om_str_strip(line + len);
	if (*line != '=')
		return false;
	line = om_str_strip(line + 1);
	if (*line == '"' || *line == '\'') {
		end = strchr(line + 1, *line);
		line++;
	} else {
		end = line + strcspn(line, " \t#");
	}
	if (!end)
		return false;
	*end = '\0';
	return om_str_copy(value, size, line);
}

static bool find_value(const char *text, const char *key, char *value, size_t size)
{
	OM_AUTOFREE char *copy = om_xstrdup(text);
	char *rest = copy, *line;
	bool found = false;

	*value = '\0';
	while ((line = strsep(&rest, "\n")))
		found |= take_value(line, key, value, size);
	return found;
}

static uint32_t port_value(const char *text, const char *key, uint32_t otherwise)
{
	char value[16];
	uint64_t number;

	if (find_value(text, key, value, sizeof(value)) &&
	    om_parse_u64(value, 1, UINT16_MAX, &number))
		return (uint32_t)number;
	return otherwise;
}

/* libvirt's order: the setting of migrations, their own directory, the general setting. */
static void find_tls_dir(const char *text, char *dir, size_t size)
{
	static const char own[] = "/etc/pki/libvirt-migrate";
	OM_AUTOFREE char *path = om_survey_root_path(own);
	struct stat st;

	if (find_value(text, "migrate_tls_x509_cert_dir", dir, size) && *dir)
		return;
	if (stat(path, &st) == 0)
		om_str_copy(dir, size, own);
	else if (!find_value(text, "default_tls_x509_cert_dir", dir, size) || !*dir)
		om_str_copy(dir, size, "/etc/pki/qemu");
}

void om_qemu_conf_read(struct om_qemu_conf *conf)
{
	OM_AUTOFREE char *text = om_xcalloc(1, QEMU_CONF_MAX);

	memset(conf, 0, sizeof(*conf));
	conf->known = om_survey_read(QEMU_CONF, text, QEMU_CONF_MAX) || errno == ENOENT;
	conf->port_min = port_value(text, "migration_port_min", OM_PORT_MIN);
	conf->port_max = port_value(text, "migration_port_max", OM_PORT_MAX);
	find_tls_dir(text, conf->tls_dir, sizeof(conf->tls_dir));
	find_value(text, "lock_manager", conf->lock_manager, sizeof(conf->lock_manager));
	if (strcmp(conf->lock_manager, "nop") == 0)
		*conf->lock_manager = '\0';
	if (!conf->known)
		om_str_copy(conf->lock_manager, sizeof(conf->lock_manager), "?");
}

/* ---- certificates ---- */

static enum om_answer look_for(const char *dir, const char *name, char *why, size_t size)
{
	OM_AUTOFREE char *inside = om_xasprintf("%s/%s", dir, name);
	OM_AUTOFREE char *path = om_survey_root_path(inside);
	struct stat st;

	if (stat(path, &st) == 0)
		return OM_ANSWER_YES;
	snprintf(why, size, "%s: %s", inside, strerror(errno));
	return errno == ENOENT || errno == ENOTDIR ? OM_ANSWER_NO : OM_ANSWER_NOT_CHECKED;
}

/* The authority's certificate, and the key and certificate of that end. */
static enum om_answer look_for_end(const char *dir, const char *end, char *why, size_t size)
{
	char cert[32], key[32];
	const char *const names[] = { "ca-cert.pem", cert, key };
	enum om_answer answer = OM_ANSWER_YES;

	snprintf(cert, sizeof(cert), "%s-cert.pem", end);
	snprintf(key, sizeof(key), "%s-key.pem", end);
	for (size_t i = 0; i < OM_ARRAY_LEN(names) && answer == OM_ANSWER_YES; i++)
		answer = look_for(dir, names[i], why, size);
	return answer;
}

void om_survey_tls(struct om_survey *survey, const struct om_qemu_conf *conf)
{
	char *why = survey->tls_why;
	size_t size = sizeof(survey->tls_why);

	survey->tls_server = look_for_end(conf->tls_dir, "server", why, size);
	survey->tls_client = look_for_end(conf->tls_dir, "client", why, size);
	if (conf->known)
		return;
	/* What is not there may be in another directory. */
	survey->tls_unseen = survey->tls_server == OM_ANSWER_NO ||
			     survey->tls_client == OM_ANSWER_NO;
	if (survey->tls_server == OM_ANSWER_NO)
		survey->tls_server = OM_ANSWER_NOT_CHECKED;
	if (survey->tls_client == OM_ANSWER_NO)
		survey->tls_client = OM_ANSWER_NOT_CHECKED;
	if (*why)
		snprintf(why + strlen(why), size - strlen(why),
			 ", and " QEMU_CONF " cannot be read, which may name another directory");
}

/* ---- post-copy ---- */

/* A kernel from before the sysctl lets everybody; one without userfaultfd has neither. */
static bool kernel_has_none(void)
{
	long fd = syscall(SYS_userfaultfd, -1);

	if (fd >= 0)
		close((int)fd);
	return fd < 0 && errno == ENOSYS;
}

void om_survey_userfaultfd(struct om_survey *survey, uid_t uid)
{
	OM_AUTOFREE char *device = om_survey_root_path("/dev/userfaultfd");
	char text[16], *why = survey->userfaultfd_why;
	size_t size = sizeof(survey->userfaultfd_why);
	bool has_sysctl = om_survey_read("/proc/sys/vm/unprivileged_userfaultfd", text,
					 sizeof(text));

	survey->userfaultfd = OM_ANSWER_YES;
	*why = '\0';
	if (!has_sysctl && kernel_has_none()) {
		survey->userfaultfd = OM_ANSWER_NO;
		om_str_copy(why, size, "this kernel has no userfaultfd");
	} else if (uid == 0 || !has_sysctl || *text == '1') {
		return;
	} else if (access(device, R_OK | W_OK) == 0) {
		om_str_copy(why, size, "by /dev/userfaultfd, which QEMU uses since 8.0");
	} else {
		survey->userfaultfd = OM_ANSWER_NO;
		om_str_copy(why, size,
			    SYSCTL " is 0, so that QEMU, which is not root, may not have it; "
				   "`sysctl " SYSCTL "=1` changes that");
	}
}
