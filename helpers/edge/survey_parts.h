/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by edge/survey_*.c alone, and by their tests. */
#ifndef OM_SURVEY_PARTS_H
#define OM_SURVEY_PARTS_H

#include "om_survey.h"

#define OM_SURVEY_FILES_MS 5000 /* how long file systems may take to answer */

/* A directory to take the place of "/" for what is read below /etc, /proc and /sys; NULL: none. For
 * tests. */
void om_survey_root_override(const char *path);
/* The path below it; the caller frees it. */
char *om_survey_root_path(const char *path);
/* A file of text, cut at size - 1 bytes; false: errno says why, and the text is empty. */
bool om_survey_read(const char *path, char *text, size_t size) OM_MUST_CHECK;

/* survey_files.c. Looking begins with start; finish waits for at most what is left of
 * OM_SURVEY_FILES_MS, and allocates survey->files. */
struct om_survey_files;
struct om_survey_files *om_survey_files_start(const struct om_strv *paths);
void om_survey_files_finish(struct om_survey_files *job, struct om_survey *survey);

/* survey_conf.c: what qemu.conf says. */
struct om_qemu_conf {
	bool known; /* it could be read, or there is none */
	uint32_t port_min, port_max;
	char tls_dir[256]; /* of migrations */
	char lock_manager[64];
};
void om_qemu_conf_read(struct om_qemu_conf *conf);
void om_survey_tls(struct om_survey *survey, const struct om_qemu_conf *conf);
void om_survey_userfaultfd(struct om_survey *survey, uid_t uid);

/* survey_ports.c */
void om_survey_ports(struct om_survey *survey, const struct om_survey_ask *ask);

#endif
