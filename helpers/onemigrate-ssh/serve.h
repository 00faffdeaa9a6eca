/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving end. Everything is made below a directory that was opened once, by names of one component, and
 * nothing that exists is opened for writing: files and trees are made beside their place under a name that says
 * so, with a lock on them, and moved there when they are complete. One that has lost its lock belongs to an
 * end that was killed, and is removed by the next that comes by.
 */
#ifndef OM_SSH_SERVE_H
#define OM_SSH_SERVE_H

#include "om_err.h"
#include "om_frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SERVE_DEPTH 128
#define SERVE_TEMP ".onemigrate-put." /* and a part of the name, a dot, 16 hexadecimal digits */

/* A directory that was entered. */
struct level {
	int fd;
	bool made; /* by us */
	uint32_t mode;
	struct om_frame times;
};

/* A file that is being written. */
struct writing {
	int fd;		/* -1: none */
	int dir;	/* where it is made */
	char name[256]; /* its own, in dir */
	char temp[256]; /* what it is called meanwhile; "": its own name, in a tree that has one */
	uint64_t sum, size_bytes, written_bytes;
	struct om_frame times;
};

struct root {
	bool open, replace, complete;
	uint32_t id;
	char path[4096];
	int parent;	/* -1: none */
	char base[256]; /* its name in parent */
	char temp[256]; /* of the tree or link as a whole; "": none */
	bool tree;	/* what temp is */
	struct level levels[SERVE_DEPTH];
	unsigned int depth;
	struct writing file;
};

void root_init(struct root *root);
bool root_begin(struct root *root, const struct om_frame *frame, struct om_err *err) OM_MUST_CHECK;
bool root_enter(struct root *root, const struct om_frame *frame, struct om_err *err) OM_MUST_CHECK;
bool root_leave(struct root *root, struct om_err *err) OM_MUST_CHECK;
bool root_link(struct root *root, const struct om_frame *frame, struct om_err *err) OM_MUST_CHECK;
bool root_place(struct root *root, struct om_err *err) OM_MUST_CHECK;
/* Removes what is not in its place, closes everything. */
void root_drop(struct root *root);

/* Whether the node goes into an own, new tree, where it can have its name at once. */
bool root_is_inside(const struct root *root);
int root_dir(const struct root *root);
const char *root_name(const struct root *root, const struct om_frame *frame, char *name,
		      size_t size);

bool writing_begin(struct root *root, const struct om_frame *frame,
		   struct om_err *err) OM_MUST_CHECK;
bool writing_data(struct root *root, const struct om_frame *frame,
		  struct om_err *err) OM_MUST_CHECK;
bool writing_end(struct root *root, const struct om_frame *frame, struct om_err *err) OM_MUST_CHECK;
void writing_drop(struct writing *file);

/* ---- names beside the place ---- */

void temp_name(char *temp, size_t size, const char *name);
/* False where another one has it, which cannot be, or is at work on it. */
bool temp_lock(int fd);
/* From `temp` to `name`, never over something unless `replace`. */
bool temp_place(int dir, const char *temp, const char *name, bool replace, const char *path,
		struct om_err *err) OM_MUST_CHECK;
void tree_remove(int dir, const char *name);
/* Removes what killed ends have left in this directory. */
void temp_sweep(int dir);

bool failed(const char *path, const char *what, struct om_err *err);
bool failed_errno(int dir, const char *path, struct om_err *err);

#endif
