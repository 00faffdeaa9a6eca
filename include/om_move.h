/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running VM's storage goes to another directory of the same host: `onevm migrate --live VM HOST DS`.
 * What is to be done is decided in core/move.c (pure), the order and every way back are in
 * run/move.c, which talks to the outside through struct om_move_ops.
 *
 *   files      directories, links, lower layers and all other files are copied as files
 *   copies     libvirt copies each disk onto a placeholder, all of them beside each other
 *   ready      all are in sync: until here everything can be undone
 *   pivots     QEMU goes on on the copies, one disk after the other
 *   after      the domain's metadata; NVRAM as a file
 *
 * A disk on which QEMU goes on is only ever removed from neither directory. Where some disks have pivoted and
 * others do not, it goes forward, then back, and at last says disk by disk where the VM's data is.
 */
#ifndef OM_MOVE_H
#define OM_MOVE_H

#include "om_buf.h"
#include "om_disks.h"
#include "om_log.h"
#include "om_storage.h"

/* ---- facts ---- */

/* The active layer of a disk, or one below it. */
struct om_move_layer {
	char *path;   /* as the domain has it */
	char *name;   /* without links, below the source's directory; NULL: it lies elsewhere */
	char *format; /* as the domain calls it */
	bool have_image;
	struct om_image image;
	char why[200]; /* where there is none */
};

/* By dom->disks. */
struct om_move_disk_facts {
	struct om_move_layer *layers; /* the active one first; none for an empty drive */
	size_t layer_count;
	char *new_name; /* below the destination's directory: an earlier attempt has moved it; or NULL */
	bool leads_out; /* its path lies in the directory and leads to something elsewhere */
	bool measured;
	uint64_t written_bytes_ps; /* om_written_bytes_ps() */
};

struct om_move_facts {
	const struct om_dom *dom;
	const char *src_dir, *dst_dir; /* as om_tm_dir() gives them; proven to be different ones */
	const struct om_move_disk_facts *disks;
	const struct om_item *items; /* of the source's directory */
	size_t item_count;
	const struct om_item *dst_items; /* of the destination's; none where it is missing */
	const bool *dst_in_use;		 /* by dst_items: the running VM uses it */
	size_t dst_item_count;
	const char *nvram; /* its name below the source's directory, or NULL */
	bool free_known;
	uint64_t free_bytes; /* for us, where the destination is */
	uint64_t limit_bps;  /* on all copies together; 0 = none */
	uint64_t libvirt;    /* version; 0 = not known */
	bool persistent;
	uint32_t uid, gid; /* of new images */
};

/* ---- the decision ---- */

enum om_move_way {
	OM_MOVE_STAYS, /* no file of the directory */
	OM_MOVE_COPY,
	OM_MOVE_THERE, /* it is on the destination's already */
	OM_MOVE_WAY_COUNT
};
struct om_move_disk {
	enum om_move_way way;
	const char *target, *format; /* of the domain's */
	char *name;		     /* of its image, below either directory; NULL where it stays */
	char *from, *to;	     /* paths */
	bool shallow, media, sync;   /* media: a drive whose medium can be changed */
	struct om_blank blank;	     /* the placeholder; its texts are owned */
	uint64_t copy_bytes;
	char why[80]; /* it stays: half a sentence */
};

enum om_move_file_way {
	OM_MOVE_FILE_COPY,
	OM_MOVE_FILE_LINK,
	OM_MOVE_FILE_DIR,
	OM_MOVE_FILE_DISK,  /* a disk's placeholder is made there */
	OM_MOVE_FILE_LATER, /* NVRAM */
	OM_MOVE_FILE_THERE, /* of an earlier attempt, and in use */
	OM_MOVE_FILE_LEAVE, /* a socket, a pipe */
	OM_MOVE_FILE_WAY_COUNT
};
/* By the items of the source. */
struct om_move_file {
	enum om_move_file_way way;
	char *target;  /* of a link */
	char *backing; /* the copy's backing file gets this name; NULL: it stays as it is */
	const char *backing_format;
};

struct om_move {
	const char *src_dir, *dst_dir;
	const struct om_item *items;
	struct om_move_disk *disks;
	size_t disk_count;
	struct om_move_file *files;
	size_t file_count;
	uint64_t copy_bytes, file_bytes; /* by libvirt; as files */
	uint64_t limit_bps;
	bool can_sync; /* libvirt has synchronous writes */
	struct om_strv infos, warnings;
};
/*
 * False: OM_E_INPUT, one sentence that says what to do, or OM_E_STOCK, what is left to OpenNebula's own
 * script and why. To be freed in both cases; keeps pointers into the facts.
 */
bool om_move_decide(struct om_move *move, const struct om_move_facts *facts,
		    struct om_err *err) OM_MUST_CHECK;
void om_move_free(struct om_move *move);
void om_move_print(struct om_buf *buf, const struct om_move *move);

/* What each of `active` copies may take, with `limit_bps` for all of them; 0 = no limit. */
uint64_t om_move_share_bps(uint64_t limit_bps, size_t active);

/* ---- carrying it out ---- */

enum om_move_where {
	OM_MOVE_OLD,  /* QEMU uses the source's file */
	OM_MOVE_NEW,  /* the destination's */
	OM_MOVE_AWAY, /* neither: the medium was taken out */
};
struct om_move_seen {
	enum om_move_where where;
	bool job, ready;   /* a copy to the other directory's file is under way; in sync */
	bool foreign;	   /* or another block job */
	uint64_t cur, end; /* bytes, while there is a job */
};
enum om_move_domain { OM_MOVE_ACTIVE, OM_MOVE_ENDED, OM_MOVE_SILENT };

struct om_move_ops {
	void *ctx;
	uint64_t (*now_ms)(void *ctx);
	void (*sleep_ms)(void *ctx, uint32_t ms); /* returns early when a stop is requested */
	bool (*stop_requested)(void *ctx);
	uint64_t (*deadline_ms)(void *ctx); /* of now_ms; 0 = none. May change */
	uint64_t (*limit_bps)(void *ctx);   /* may change */
	void (*log)(void *ctx, enum om_log_level level, const char *text);
	void (*phase)(void *ctx, const char *what); /* "the disks are copied" */
	/* All of them are seen; called at each look while copies run. */
	void (*progress)(void *ctx, const struct om_move_seen *seen);

	/* From here on a signal cannot end the run at once; false: one came before. */
	bool (*touch)(void *ctx, struct om_err *err);
	bool (*make_dir)(void *ctx, struct om_err *err); /* the destination's own */
	/* What items[item] becomes on the destination, which takes the place of a placeholder that is not in
	 * use. Whatever is made is remembered first. */
	bool (*make_file)(void *ctx, size_t item, struct om_err *err);
	/* The placeholder of a disk, made anew where there is one of ours that is not in use. */
	bool (*make_blank)(void *ctx, size_t disk, struct om_err *err);
	/* Removes whatever was made and is not in use; asks the domain what it uses. */
	bool (*undo)(void *ctx, struct om_err *err);
	/* The file of this disk on the destination is no longer (or again) one that undo may remove. */
	bool (*keep)(void *ctx, size_t disk, bool keep, struct om_err *err);

	/* What the domain says of each disk, now. */
	enum om_move_domain (*look)(void *ctx, struct om_move_seen *seen);
	/* A copy onto the other directory's file. `back`: from the destination's to the source's. */
	bool (*start)(void *ctx, size_t disk, bool back, bool sync, uint64_t bps,
		      struct om_err *err);
	bool (*speed)(void *ctx, size_t disk, uint64_t bps, struct om_err *err);
	bool (*abort)(void *ctx, size_t disk, struct om_err *err);
	bool (*pivot)(void *ctx, size_t disk, struct om_err *err);
	/* The copied file in the place of a drive's medium, which a guest notices. */
	bool (*media)(void *ctx, size_t disk, struct om_err *err);
	/* <one:system_datastore> */
	bool (*metadata)(void *ctx, struct om_err *err);
	/* The destination has no room any more, which is why copies end. */
	bool (*full)(void *ctx);
	/* All disks are on the destination, and there is more to be done. */
	void (*moved)(void *ctx);
};

enum om_move_verdict {
	OM_MOVE_DONE,	 /* all on the destination */
	OM_MOVE_NOT,	 /* all on the source, as before */
	OM_MOVE_MIXED,	 /* some here, some there; nothing was removed */
	OM_MOVE_UNKNOWN, /* the domain could not be asked; nothing was removed */
};
struct om_move_end {
	enum om_move_verdict verdict;
	bool has_err;
	struct om_err err; /* why it is not DONE, without where the disks are */
	bool guest_ended;
	bool left;	 /* NOT: something that was made could not be removed */
	char where[500]; /* MIXED: disk by disk */
};
void om_move_run(const struct om_move_ops *ops, const struct om_move *move,
		 struct om_move_end *end);
/* Of a process that has died: forward where a disk has pivoted, else back. */
void om_move_settle(const struct om_move_ops *ops, const struct om_move *move,
		    struct om_move_end *end);

/* The answer for the driver: 0 only for DONE. A mixed VM is told as a failure, after which no script of
 * OpenNebula's removes anything. */
int om_move_exit_status(enum om_move_verdict verdict);
/* "the VM's disks are in /..." */
/* "the VM still runs on node01 with its disks in ..."; `move` may be empty. */
void om_move_whereabouts(const struct om_move_end *end, const struct om_move *move,
			 const char *host, char *text, size_t size);

#endif
