/* SPDX-License-Identifier: Apache-2.0 */
/* What a datastore move asks of libvirt, of the domain's XML and of files. */
#ifndef OM_MOVE_HOST_H
#define OM_MOVE_HOST_H

#include "om_move.h"
#include "om_vir.h"

/* ---- edge/file_copy.c ---- */

struct om_file_copy {
	const char *from, *to; /* paths; no link as the last name of either */
	void *ctx;
	/* After each piece; false: it is given up, without an error of its own. NULL: go on. */
	bool (*progress)(void *ctx, uint64_t bytes);
};
/*
 * A new file with the same contents, holes, mode, times and (made by root) owner, on stable storage. Nothing that exists is
 * replaced. False: `err`, and there is no copy; OM_E_ABORTED where progress() ended it. A file that
 * changes while it is copied is an error (`changed`, where not NULL, tells it from others).
 */
bool om_file_copy(const struct om_file_copy *copy, bool *changed, struct om_err *err) OM_MUST_CHECK;

/* ---- edge/move_dir.c ---- */

/* The path without links, malloc'ed; NULL: there is no such file. */
char *om_move_real(const char *path);
/* What a path leads to; false: nothing, or it cannot be looked at. */
bool om_move_identity(const char *path, struct om_identity *identity) OM_MUST_CHECK;
/* Mode and owner of what is at `path`, for a blank; where it cannot be looked at they stay as they are. */
void om_move_owner(const char *path, struct om_blank *blank);
/* Are two directories, of which the second one may be missing, different ones, and neither in the other? */
bool om_move_dirs_differ(const char *src, const char *dst, struct om_err *err) OM_MUST_CHECK;
/* Bytes that we may still write there; for a missing directory where it would be. */
bool om_move_free_bytes(const char *dir, uint64_t *bytes) OM_MUST_CHECK;
/* Other reference to the layer below a qcow2 image that nobody has open. */
bool om_move_rebase(const char *image, const char *backing, const char *format,
		    struct om_err *err) OM_MUST_CHECK;

/*
 * What was made on the destination: a file in that directory, which a later attempt finds too. One line a
 * name, below the directory: "made" may be removed where the VM does not use it, "kept" may not.
 */
struct om_move_journal;
/* In a directory that is there. False: it cannot be written. */
bool om_move_journal_open(struct om_move_journal **journal, const char *dir,
			  struct om_err *err) OM_MUST_CHECK;
/* Before it is made; the same name twice is fine. */
bool om_move_journal_add(struct om_move_journal *journal, const char *name,
			 struct om_err *err) OM_MUST_CHECK;
bool om_move_journal_keep(struct om_move_journal *journal, const char *name, bool keep,
			  struct om_err *err) OM_MUST_CHECK;
size_t om_move_journal_count(const struct om_move_journal *journal);
/* `keep` NULL: not asked. Later ones were made later. "" is the directory itself. */
const char *om_move_journal_name(const struct om_move_journal *journal, size_t i, bool *keep);
bool om_move_journal_has(const struct om_move_journal *journal, const char *name);
/* `remove`: the file too. */
void om_move_journal_close(struct om_move_journal *journal, bool remove);
/* Is there one? */
bool om_move_journal_exists(const char *dir);

/* ---- edge/xml_move.c ---- */

struct om_move_xml_disk {
	char *target, *source; /* "" = empty */
	char *mirror;	       /* what a copy is made onto; "" = none */
	bool job;	       /* a copy, a commit, ... */
	bool ready;
	struct om_strv formats; /* of the files below it, as om_dom_disk.chain has their paths */
};
/* On failure nothing is owned. */
bool om_xml_move_disks(const char *xml, struct om_move_xml_disk **disks, size_t *count,
		       struct om_err *err) OM_MUST_CHECK;
void om_move_xml_disks_free(struct om_move_xml_disk *disks, size_t count);
/* Every absolute path that stands anywhere in the domain's XML. */
bool om_xml_move_paths(const char *xml, struct om_strv *paths, struct om_err *err) OM_MUST_CHECK;
/* OpenNebula's element of the metadata, with another directory in it and all else as it is; malloc'ed. */
bool om_xml_move_metadata(const char *vm, const char *dir, char **changed,
			  struct om_err *err) OM_MUST_CHECK;
/* The <disk> of that target with another file as its medium; malloc'ed. */
bool om_xml_move_media(const char *xml, const char *target, const char *path, char **disk,
		       struct om_err *err) OM_MUST_CHECK;

/* ---- edge/vir_blockcopy.c: over OM_VIR_SRC ---- */

struct om_vir_copy {
	const char *target, *to, *format;
	bool shallow, sync, persistent;
	uint64_t bps; /* bytes per second; 0 = no limit */
};
/* Onto a file that is there. */
bool om_vir_copy_start(struct om_vir *vir, const struct om_vir_copy *copy,
		       struct om_err *err) OM_MUST_CHECK;
bool om_vir_copy_speed(struct om_vir *vir, const char *target, uint64_t bps,
		       struct om_err *err) OM_MUST_CHECK;
/* False: there is no job, or it could not be asked. */
bool om_vir_copy_progress(struct om_vir *vir, const char *target, uint64_t *cur, uint64_t *end);
bool om_vir_copy_abort(struct om_vir *vir, const char *target, struct om_err *err) OM_MUST_CHECK;
bool om_vir_copy_pivot(struct om_vir *vir, const char *target, struct om_err *err) OM_MUST_CHECK;
/* Another medium, by its <disk>; false where the guest holds the drive closed. */
bool om_vir_media(struct om_vir *vir, const char *disk, struct om_err *err) OM_MUST_CHECK;
/* The live XML; where there is none, whether that is because it does not run. */
enum om_move_domain om_vir_move_xml(struct om_vir *vir, char **xml);

/* ---- edge/vir_metadata.c ---- */

/* OpenNebula's element of the running domain's metadata; malloc'ed. */
bool om_vir_metadata_get(struct om_vir *vir, char **element, struct om_err *err) OM_MUST_CHECK;
/* The running domain's alone: nothing is defined by it. */
bool om_vir_metadata_set(struct om_vir *vir, const char *element, struct om_err *err) OM_MUST_CHECK;

#endif
