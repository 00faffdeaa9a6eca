/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: the operator's own programs around a migration. Which of them are run and what they may
 * make of the domain is decided in core/hook.c (pure); edge/hook_dir.c looks at directories and
 * files, edge/hook_run.c runs one program, edge/xml_hook.c reads what one wrote.
 */
#ifndef OM_HOOK_H
#define OM_HOOK_H

#include "om_err.h"
#include "om_util.h"

enum om_hook_phase {
	OM_HOOK_PRE,	  /* nothing is touched; one that fails ends the migration */
	OM_HOOK_SWITCHED, /* the guest is proven to run on the destination */
	OM_HOOK_POST,	  /* all is done there */
	OM_HOOK_FAILED,	  /* the guest is proven to be on the source */
	OM_HOOK_PHASE_COUNT
};
const char *om_hook_phase_name(enum om_hook_phase phase);
bool om_hook_phase_parse(const char *name, enum om_hook_phase *phase);

/* ---- which files are hooks ---- */

struct om_hook_file {
	bool link, regular, executable;
	unsigned int mode, uid; /* st_mode, st_uid */
};
enum om_hook_take {
	OM_HOOK_TAKE,
	OM_HOOK_IGNORE, /* was never meant to be one */
	OM_HOOK_SKIP,	/* may be meant to be one and is not safe to run; `why` is what it is */
};
enum om_hook_take om_hook_judge_file(const char *name, const struct om_hook_file *file,
				     unsigned int own_uid, const char **why);
/* Of the directory; NULL: it will do. */
const char *om_hook_judge_dir(const struct om_hook_file *dir, unsigned int own_uid);

#define OM_HOOKS_MAX 64
/* Adds the names of the hooks in `dir`, in the order of their bytes, and a sentence for each file
 * that is skipped. A directory that is not there has none. */
void om_hooks_list(const char *dir, struct om_strv *names, struct om_strv *skipped);

/* ---- what a hook prints ---- */

#define OM_HOOK_LINES 20       /* that are shown of one run */
#define OM_HOOK_LINE_BYTES 300 /* that are shown of a line */

typedef void om_hook_line_fn(void *ctx, const char *text);
struct om_hook_output {
	unsigned int lines;
	char line[OM_HOOK_LINE_BYTES + 1]; /* the one that is being read */
	size_t len;
	bool cut;
	char last[OM_HOOK_LINE_BYTES + 4]; /* the last that was not empty, cleaned */
};
/* Calls `line` for each whole line, cleaned; beyond OM_HOOK_LINES only `last` is kept. */
void om_hook_output_add(struct om_hook_output *output, const char *bytes, size_t len,
			om_hook_line_fn *line, void *ctx);
void om_hook_output_end(struct om_hook_output *output, om_hook_line_fn *line, void *ctx);

/* ---- what a hook may make of the domain ---- */

#define OM_HOOK_XML_MAX (1u << 20) /* a real one is below 100 KiB */

/* What has to stay as it is; texts are owned and never NULL. */
struct om_hook_xml {
	char *uuid, *name, *memory, *vcpus;
	bool one; /* has OpenNebula's metadata */
};
void om_hook_xml_free(struct om_hook_xml *xml);
/* False (OM_E_INPUT): it is not well-formed, or no <domain>. */
bool om_xml_hook_read(struct om_hook_xml *facts, const char *xml, size_t len,
		      struct om_err *err) OM_MUST_CHECK;
bool om_hook_xml_judge(const struct om_hook_xml *before, const struct om_hook_xml *after,
		       struct om_err *err) OM_MUST_CHECK;

/* <VM> of OpenNebula's document (XML or base64 of it), and nothing else of it: the rest holds the
 * secrets of datastores. malloc'ed. */
bool om_xml_req_vm(char **vm, const char *document, size_t len, struct om_err *err) OM_MUST_CHECK;

/* ---- the files that hooks are given: two of mode 0600 in a directory of mode 0700 ---- */

struct om_hook_files {
	char dir[64], domain[80], vm[80]; /* paths */
};
/* Makes the directory alone. */
bool om_hook_files_make(struct om_hook_files *files, struct om_err *err) OM_MUST_CHECK;
void om_hook_files_name(struct om_hook_files *files, const char *dir);
bool om_hook_file_write(const char *path, const char *text, struct om_err *err) OM_MUST_CHECK;
/* malloc'ed; OM_HOOK_XML_MAX bytes at most. */
bool om_hook_file_read(const char *path, char **text, size_t *len,
		       struct om_err *err) OM_MUST_CHECK;
/* With all that is in it. */
void om_hook_files_remove(const struct om_hook_files *files);

/* ---- running one ---- */

struct om_hook_call {
	const char *dir, *name;
	enum om_hook_phase phase;
	const struct om_hook_files *files;
	uint32_t timeout_ms;
	int stop_fd; /* readable or closed: it is killed; -1 = none */
};
/*
 * Runs it to its end, in a session of its own; when the time is over its process group is killed.
 * False, with a sentence that names it: it could not be started, was killed, or ended with another
 * status than 0.
 */
bool om_hook_run(const struct om_hook_call *call, om_hook_line_fn *line, void *ctx,
		 struct om_err *err) OM_MUST_CHECK;

#endif
