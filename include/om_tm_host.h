/* SPDX-License-Identifier: Apache-2.0 */
/* What the TM scripts do on a host: directories, markers, records, networks. edge/tm_*.c */
#ifndef OM_TM_HOST_H
#define OM_TM_HOST_H

#include "om_tm.h"

/* ---- edge/tm_dir.c ---- */

/* The regular files that are right in it, links not followed, at most OM_TM_FILES_MAX; absolute paths. */
#define OM_TM_FILES_MAX 64
void om_tm_dir_files(const char *dir, struct om_strv *files);
/* True where the path itself is a regular file, no link. */
bool om_tm_is_regular(const char *path);

/* Whoever asks for a removal says so by this word: the other end cannot know what was proven. */
#define OM_TM_PROOF "the-vm-is-elsewhere"
/*
 * Removes the directory and all in it. No link is followed, no other file system entered; the path has to be one
 * that om_tm_dir() gives. Missing is fine.
 */
bool om_tm_dir_remove(const char *dir, const char *vm_id, struct om_err *err) OM_MUST_CHECK;

/* A marker: an empty file with a name that nobody else has. "mark", "look" and "unmark" of the link do the same
 * on the other host. */
#define OM_TM_TOKEN_SIZE 33
void om_tm_token(char token[OM_TM_TOKEN_SIZE]);
bool om_tm_mark(const char *dir, const char *token);
bool om_tm_marked(const char *dir, const char *token);
void om_tm_unmark(const char *dir, const char *token);

/* ---- edge/tm_file.c: the record, by the domain's UUID ---- */
bool om_tm_record_write(const struct om_tm_record *record, const char *uuid,
			struct om_err *err) OM_MUST_CHECK;
bool om_tm_record_read(struct om_tm_record *record, const char *uuid) OM_MUST_CHECK;
void om_tm_record_remove(const char *uuid);
/* Adds to the record, where there is one of that migration, how it ended. */
void om_tm_record_settle(const char *uuid, const char *vm_id, const char *dst,
			 enum om_tm_settled settled, uint64_t epoch_ms);

/* ---- edge/tm_vnm.c ---- */

/* A name of a directory of drivers, never a path or an option. */
bool om_tm_vn_mad_valid(const char *vn_mad);
/*
 * Runs OpenNebula's vnm/<vn_mad>/clean of this host with the document, where no VM has an interface in any of
 * the bridges (commas between them). False: it was not run, or failed.
 */
bool om_tm_vnm_clean(const char *vn_mad, const char *bridges, const char *host,
		     const char *document, struct om_err *err) OM_MUST_CHECK;

/* ---- onemigrate/tm_answer.c: the questions that the destination answers ---- */
bool om_tm_answer_remove(char *words[], char *answer, size_t size);    /* DIR VMID OM_TM_PROOF */
bool om_tm_answer_vnm_clean(char *words[], char *answer, size_t size); /* VN_MAD BRIDGES HOST VM */

#endif
