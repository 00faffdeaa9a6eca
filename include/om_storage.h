/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's directory, as it is read on the source and made on the destination. Reading: edge/vm_dir.c and
 * edge/image_file.c. Making: questions of `onemigrate survey` on the destination, edge/storage_make.c
 * and onemigrate/storage_answer.c. Whatever is made has an identity (device and inode), and only what
 * still has it is ever removed again.
 */
#ifndef OM_STORAGE_H
#define OM_STORAGE_H

#include "om_disks.h"
#include "om_survey.h"

/* ---- edge/vm_dir.c ---- */

/*
 * All that is below the directory, parents before children, names in order; links are not followed, no other
 * file system is entered. Markers of ours are left out. False: it could not be read in full, or holds more
 * than OM_DISKS_FILES_MAX. On failure nothing is owned.
 */
bool om_vm_dir_list(const char *dir, struct om_item **items, size_t *count,
		    struct om_err *err) OM_MUST_CHECK;
void om_items_free(struct om_item *items, size_t count);

/* ---- edge/image_file.c ---- */

/* What the file begins with, into `data` (OM_IMAGE_HEAD_BYTES); its size. False: `why`. */
bool om_image_head(const char *path, void *data, size_t *len, uint64_t *file_bytes, char *why,
		   size_t why_size) OM_MUST_CHECK;

/* ---- edge/storage_make.c: on the host where it is called ---- */

#define OM_STORAGE_MARK OM_DISKS_MARK /* begins the names of what is not whole yet */

struct om_identity {
	uint64_t device, inode;
};

/* A place below a VM's directory: `dir` ends in /<datastore id>/<vm id>, `name` is "" for the directory
 * itself, else a path below it. No link on the way is followed, but for the datastore's own. */
struct om_place {
	const char *dir, *vm_id, *name;
};

/* Each is false with `err` where it could not be done; then nothing was made. */
/* A directory, for the VM's own with that of the datastore. `made`: it was not there before. */
bool om_storage_mkdir(const struct om_place *place, uint32_t mode, bool *made,
		      struct om_identity *identity, struct om_err *err) OM_MUST_CHECK;

struct om_blank {
	bool qcow2; /* else raw */
	uint64_t virtual_bytes;
	uint32_t mode, uid, gid; /* uid and gid as far as we may */
	uint32_t cluster_bits;
	bool compat_v2, extended_l2;
	const char *backing, *backing_format; /* "" = none */
};
/* An empty image of exactly that size. What exists is never replaced. Until it is whole its name is
 * OM_DISKS_MARK and the token, an om_tm_token(), beside its place. */
bool om_storage_make(const struct om_place *place, const struct om_blank *blank, const char *token,
		     struct om_identity *identity, struct om_err *err) OM_MUST_CHECK;
bool om_storage_link(const struct om_place *place, const char *target, struct om_identity *identity,
		     struct om_err *err) OM_MUST_CHECK;
/* `there`: something has that name, and it is this. False: it could not be looked at. */
bool om_storage_look(const struct om_place *place, bool *there, struct om_identity *identity,
		     struct om_err *err) OM_MUST_CHECK;
/* Removes it where it is that very file, link or empty directory; what is gone is fine. */
bool om_storage_drop(const struct om_place *place, const struct om_identity *identity,
		     struct om_err *err) OM_MUST_CHECK;
/* Of a directory of this migration's making: files of ours that are not whole, as a connection that was lost
 * leaves them. Whoever still writes to one keeps what he has open. */
bool om_storage_sweep(const struct om_place *place, struct om_err *err) OM_MUST_CHECK;

/* ---- onemigrate/storage_answer.c: the same as questions, DIR VMID NAME first ---- */

bool om_storage_answer_mkdir(char *words[], char *answer, size_t size); /* MODE */
bool om_storage_answer_make(char *words[], char *answer, size_t size);	/* BLANK TOKEN */
bool om_storage_answer_link(char *words[], char *answer, size_t size);	/* TARGET */
bool om_storage_answer_look(char *words[], char *answer, size_t size);
bool om_storage_answer_sweep(char *words[], char *answer, size_t size);
bool om_storage_answer_drop(char *words[], char *answer, size_t size); /* DEVICE INODE */
/* What is in the directory, three words each: KIND SIZE NAME, the name as a word again. DIR VMID alone. */
bool om_storage_answer_list(char *words[], char *answer, size_t size);
/* Back again; on failure nothing is owned. */
bool om_storage_list_parse(const char *text, struct om_item **items, size_t *count) OM_MUST_CHECK;
#define OM_STORAGE_LIST_MAX 65536 /* bytes of that answer */

/* A blank as one word before quoting, and back: "qcow2:BYTES:MODE:UID:GID:BITS:V2:L2:FORMAT:BACKING". */
char *om_storage_blank_print(const struct om_blank *blank);		       /* malloc'ed */
bool om_storage_blank_parse(struct om_blank *blank, char *text) OM_MUST_CHECK; /* keeps pointers */

#endif
