/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts that OpenNebula runs around a live migration for the storage of a VM: premigrate, postmigrate and
 * failmigrate. Those of some drivers remove a directory or deactivate volumes and ask nobody where the
 * VM is. Here it is decided whether they may run. Pure.
 *
 * The rules: where the VM is, is proven by both hosts or it is not known. A directory is removed only
 * where it is proven to be another one than that of the VM: what is not proven different is treated as the
 * same. A marker that is not seen proves nothing.
 */
#ifndef OM_TM_H
#define OM_TM_H

#include "om_err.h"
#include "om_outcome.h"
#include "om_req.h"
#include "om_survey.h"
#include "om_util.h"

enum om_tm_step { OM_TM_PREMIGRATE, OM_TM_POSTMIGRATE, OM_TM_FAILMIGRATE, OM_TM_STEP_COUNT };
const char *om_tm_step_name(enum om_tm_step step);
bool om_tm_step_parse(enum om_tm_step *step, const char *name) OM_MUST_CHECK;

/* What OpenNebula's own script of a driver does, at its worst among the releases. */
enum om_tm_effect {
	OM_TM_PRE_DIR = 1 << 0,	 /* premigrate removes or writes the directory on the destination */
	OM_TM_POST_DIR = 1 << 1, /* postmigrate removes it on the source */
	OM_TM_POST_VOLUMES = 1 << 2, /* postmigrate deactivates or removes volumes on the source */
	OM_TM_FAIL_DIR = 1 << 3,     /* failmigrate removes the directory on the destination */
	OM_TM_FAIL_VOLUMES = 1 << 4, /* failmigrate deactivates volumes there */
	OM_TM_LOCAL = 1 << 5,	     /* the images are each host's own */
	OM_TM_CARRIES = 1 << 6, /* premigrate brings files of the directory to the destination */
	OM_TM_UNKNOWN = 1 << 7, /* no driver of OpenNebula: everything bad is assumed */
};
unsigned int om_tm_effects(const char *driver);
/* Of a driver whose script is run by that of another one, for its images. */
unsigned int om_tm_chained_effects(const char *driver);
/* Those of one step that may destroy something. */
unsigned int om_tm_dangers(enum om_tm_step step, unsigned int effects);

/* OpenNebula's name of the hypervisor's driver, never the owner's word for it: false only for those
 * that are known to be another hypervisor's. */
bool om_tm_is_kvm(const char *vm_mad);

struct om_tm_facts {
	enum om_tm_step step;
	unsigned int effects; /* enum om_tm_effect */
	bool kvm;
	bool same_host; /* a move between datastores of one host */
	/* Of one host: something that the VM uses is in a directory that the script removes; NOT_CHECKED where
	 * the VM could not be asked. */
	enum om_answer in_use;
	struct om_side src, dst;
	enum om_file_kind src_dir, dst_dir;
	bool src_local,
		dst_local; /* the file system that holds it, or would, is of that host alone */
	enum om_same same; /* of the directory and of the images in it */
	bool marker_seen;  /* a marker that was made on one side was seen on the other */
	bool blocked;	   /* premigrate: the checks found what keeps the VM from migrating */
	bool made_by_us;   /* failmigrate: premigrate of this very attempt saw no directory there */
};

enum om_tm_decision {
	OM_TM_RUN_STOCK, /* OpenNebula's script may run */
	OM_TM_SKIP,	 /* it does not run, and the step succeeds */
	OM_TM_FAIL,	 /* it does not run, and the step fails */
	OM_TM_DECISION_COUNT
};
enum om_tm_reason {
	OM_TM_WHY_NOTHING,	/* run: there is nothing against it */
	OM_TM_WHY_MOVED_BEFORE, /* skip: runs on the destination, gone from the source */
	OM_TM_WHY_SAME,		/* it is the VM's own directory */
	OM_TM_WHY_NOT_PROVEN,	/* it may be the VM's own directory */
	OM_TM_WHY_BLOCKED,	/* by the checks */
	OM_TM_WHY_BOTH,		/* the VM is on both hosts */
	OM_TM_WHY_BUSY,		/* another migration of it is under way */
	OM_TM_WHY_NOT_FOUND,	/* the VM is on neither host */
	OM_TM_WHY_UNKNOWN,	/* where the VM is, is not known */
	OM_TM_WHY_NOT_ON_DEST, /* postmigrate, and it is not proven to be on the destination alone */
	OM_TM_WHY_NOT_ON_SOURCE, /* failmigrate, and it is not proven to be on the source alone */
	OM_TM_WHY_IN_USE,	 /* one host: the VM uses what would be removed, or may */
	OM_TM_WHY_COUNT
};
struct om_tm_verdict {
	enum om_tm_decision decision;
	enum om_tm_reason reason;
	bool remove_dir; /* failmigrate: we remove the directory on the destination */
	bool undo;	 /* failmigrate: what the attempt made on the destination may be undone */
};
struct om_tm_verdict om_tm_decide(const struct om_tm_facts *facts);

/* What is at `dir` on the destination is proven not to be the VM's own directory. */
bool om_tm_dst_is_another(const struct om_tm_facts *facts);

/* One sentence, without full stop, for the log; `dir` as the driver was given it. */
void om_tm_explain(char *text, size_t size, const struct om_tm_facts *facts,
		   const struct om_tm_verdict *verdict, const char *src, const char *dst,
		   const char *dir);

/*
 * The target directory as the driver was given it, without doubled slashes: it has to end in
 * /<digits>/<vm_id>, and nothing but such a directory is ever removed. False: `err`. The result is malloc'ed.
 */
bool om_tm_dir(char **dir, const char *text, const char *vm_id, struct om_err *err) OM_MUST_CHECK;
/* Is `path` (slashes may be doubled) below `dir`, or the same? */
bool om_tm_path_in(const char *path, const char *dir);
/* Is it in some directory of that VM (.../<digits>/<vm_id>/...) other than `dir`? */
bool om_tm_path_in_other(const char *path, const char *dir, const char *vm_id);

/* ---- What premigrate leaves for the later steps, in the state directory of the source. ---- */

/* Where the guest was when the migration had ended, by what both hosts said. */
enum om_tm_settled { OM_TM_SETTLED_NOT, OM_TM_SETTLED_MOVED, OM_TM_SETTLED_STAYED };

struct om_tm_record {
	char *vm_id, *dst, *dir;
	char *seq;		    /* of the history record: tells attempts apart */
	bool dir_missing;	    /* on the destination, before premigrate */
	bool other;		    /* the two directories are proven not to be the same */
	struct om_strv new_bridges; /* that the destination did not have */
	enum om_tm_settled settled;
	uint64_t settled_epoch_ms; /* by the source's clock */
};
#define OM_TM_RECORD_MAX 65536
void om_tm_record_free(struct om_tm_record *record);
char *om_tm_record_print(const struct om_tm_record *record); /* malloc'ed */
/* On failure nothing is owned. */
bool om_tm_record_parse(struct om_tm_record *record, const char *text) OM_MUST_CHECK;

/* ---- edge/xml_vm.c: the document of these scripts, a <VM> alone. ---- */

struct om_vm_nic {
	char *vn_mad, *bridge;
};
struct om_vm {
	char *id, *deploy_id, *name;
	char *vm_mad, *seq;	/* of the history record; "" where absent */
	struct om_vm_nic *nics; /* that have a driver */
	size_t nic_count;
	char *auto_converge, *compressed;
	struct om_pairs user_template; /* the owner's; flat elements only */
	struct om_strv tm_mads;	       /* of the disks, each once */
};
void om_vm_free(struct om_vm *vm);
/* Base64 (with or without a final newline) or raw XML. On failure nothing is owned. */
bool om_xml_vm_parse(struct om_vm *vm, const char *data, size_t len,
		     struct om_err *err) OM_MUST_CHECK;

#endif
